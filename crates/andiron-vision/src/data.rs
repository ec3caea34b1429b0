//! Examples from files: idx arrays (the format of MNIST) and folders of images.

use crate::picture::{Image, read_limited};
use andiron_core::{
    DataError, Dataset, Example,
    data::idx::{self, IdxArray},
};
use flate2::read::MultiGzDecoder;
use std::{
    io::Read,
    path::{Path, PathBuf},
};

/// The most bytes that a compressed idx file may unpack to.
pub const MAX_UNPACKED: u64 = 1 << 30;

/// One image with its label.
pub type ImageExample = Example<Image, String>;

/// Reads images and their labels from two idx files, plain or compressed by gzip.
///
/// The images are an array `[images, height, width]` (grey) or `[images, height, width, 3]`; the
/// labels an array `[images]` of class numbers, each below the length of `names`, which says what
/// the classes are called.
///
/// # Errors
/// [`DataError::Io`] naming the file; [`DataError::Decode`] for a damaged or truncated file, or
/// files whose shapes do not fit; [`DataError::TooLarge`] over [`MAX_UNPACKED`];
/// [`DataError::UnknownLabel`] for a class number without a name, with its place;
/// [`DataError::Empty`] for no image.
pub fn idx_examples(
    images: impl AsRef<Path>,
    labels: impl AsRef<Path>,
    names: &[&str],
) -> Result<Vec<ImageExample>, DataError> {
    let (images_path, labels_path) = (images.as_ref(), labels.as_ref());
    let (images, labels) = (read_idx(images_path)?, read_idx(labels_path)?);
    let misfit = |path: &Path, reason: String| DataError::Decode {
        what: path.display().to_string(),
        reason,
    };
    let (height, width, channels) = match *images.shape() {
        [_, height, width] => (height, width, 1),
        [_, height, width, 3] => (height, width, 3),
        ref shape => {
            let reason = format!("[images, height, width] or [.., 3] was wanted, but it is {shape:?}");
            return Err(misfit(images_path, reason));
        }
    };
    if labels.shape() != [images.len()] {
        let (found, wanted) = (labels.shape(), images.len());
        return Err(misfit(labels_path, format!("{wanted} images need [{wanted}] labels, but there are {found:?}")));
    }
    if images.is_empty() {
        return Err(DataError::Empty { what: images_path.display().to_string() });
    }
    // An extent comes from 32 bits of the file.
    let (width, height) = (width as u32, height as u32);
    let example = |index: usize| {
        let pixels = images.item(index).to_vec();
        let input = match channels {
            1 => Image::gray(width, height, pixels)?,
            _ => Image::rgb(width, height, pixels)?,
        };
        let class = usize::from(labels.item(index)[0]);
        let name = names.get(class).ok_or_else(|| DataError::UnknownLabel {
            label: class.to_string(),
            known: names.iter().map(|name| (*name).to_owned()).collect(),
        })?;
        Ok(Example { input, target: (*name).to_owned() })
    };
    let place = |index| move |error: DataError| error.at(index, None);
    (0..images.len()).map(|index| example(index).map_err(place(index))).collect()
}

/// Reads one idx file, plain or compressed by gzip (told by its first bytes).
///
/// # Errors
/// As [`idx_examples`].
pub fn read_idx(path: impl AsRef<Path>) -> Result<IdxArray, DataError> {
    let path = path.as_ref();
    let bytes = read_limited(path)?;
    let named = |error: DataError| match error {
        DataError::Decode { what, reason } => {
            DataError::Decode { what: format!("{} ({what})", path.display()), reason }
        }
        error => error,
    };
    match bytes.starts_with(&[0x1F, 0x8B]) {
        true => unpack(&bytes, MAX_UNPACKED).and_then(|bytes| idx::parse(&bytes)).map_err(named),
        false => idx::parse(&bytes).map_err(named),
    }
}

/// Unpacks gzip to at most `limit` bytes.
fn unpack(bytes: &[u8], limit: u64) -> Result<Vec<u8>, DataError> {
    let mut unpacked = Vec::new();
    MultiGzDecoder::new(bytes).take(limit + 1).read_to_end(&mut unpacked).map_err(|error| {
        DataError::Decode { what: "gzip stream".to_owned(), reason: error.to_string() }
    })?;
    let got = unpacked.len() as u64;
    if got > limit {
        return Err(DataError::TooLarge { what: "the unpacked file, in bytes", limit, got });
    }
    Ok(unpacked)
}

/// The names, in lower case, by which a file in a folder counts as an image.
pub const EXTENSIONS: [&str; 8] = ["png", "jpg", "jpeg", "gif", "bmp", "tif", "tiff", "webp"];

/// Images in a folder that holds a folder a class; decoded when asked for.
///
/// The order is that of the classes' names, then of the files' names, whatever order the file
/// system gives. Hidden files and folders, and files of other [`EXTENSIONS`], are passed over.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageFolder {
    files: Vec<(PathBuf, String)>,
}

impl ImageFolder {
    /// Lists the images below `dir`.
    ///
    /// # Errors
    /// [`DataError::Io`] naming the folder; [`DataError::Empty`] if there is no folder in it, or
    /// naming a folder without an image; [`DataError::Decode`] for a class name that is not UTF-8.
    pub fn open(dir: impl AsRef<Path>) -> Result<Self, DataError> {
        let dir = dir.as_ref();
        let mut files = Vec::new();
        for class in entries(dir)?.into_iter().filter(|path| path.is_dir()) {
            let name = class.file_name().and_then(|name| name.to_str()).map(str::to_owned);
            let Some(label) = name else {
                let (what, reason) = (class.display().to_string(), "its name is not UTF-8");
                return Err(DataError::Decode { what, reason: reason.to_owned() });
            };
            let before = files.len();
            let images = entries(&class)?.into_iter().filter(|path| path.is_file() && is_image(path));
            files.extend(images.map(|path| (path, label.clone())));
            if files.len() == before {
                return Err(DataError::Empty { what: class.display().to_string() });
            }
        }
        if files.is_empty() {
            return Err(DataError::Empty { what: dir.display().to_string() });
        }
        Ok(Self { files })
    }

    /// The label of every image, in order: for a stratified split.
    pub fn labels(&self) -> Vec<&str> {
        self.files.iter().map(|(_, label)| label.as_str()).collect()
    }

    /// The file of every image, in order.
    pub fn paths(&self) -> Vec<&Path> {
        self.files.iter().map(|(path, _)| path.as_path()).collect()
    }
}

impl Dataset<ImageExample> for ImageFolder {
    fn len(&self) -> usize {
        self.files.len()
    }

    fn get(&self, index: usize) -> Result<ImageExample, DataError> {
        let (path, label) = &self.files[index];
        let input = Image::open(path)
            .map_err(|error| error.at(index, Some(&path.display().to_string())))?;
        Ok(Example { input, target: label.clone() })
    }
}

/// What lies in a folder and is not hidden, sorted by name.
fn entries(dir: &Path) -> Result<Vec<PathBuf>, DataError> {
    let fail = |source| DataError::io(dir, source);
    let mut paths = Vec::new();
    for entry in std::fs::read_dir(dir).map_err(fail)? {
        let entry = entry.map_err(fail)?;
        if !entry.file_name().as_encoded_bytes().starts_with(b".") {
            paths.push(entry.path());
        }
    }
    paths.sort();
    Ok(paths)
}

fn is_image(path: &Path) -> bool {
    let extension = path.extension().and_then(|extension| extension.to_str());
    extension.is_some_and(|known| EXTENSIONS.contains(&known.to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests;
