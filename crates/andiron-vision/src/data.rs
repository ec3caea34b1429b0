//! Examples from files: idx arrays (the format of MNIST), folders and tables of images, boxes in the
//! JSON of COCO, and masks. Paths in a file are relative to the folder it lies in.

pub mod coco;
pub mod csv;
pub mod masks;

pub use coco::{coco_examples, coco_rows};
pub use csv::table_examples;
pub use masks::{mask_examples, mask_rows};

use crate::picture::Image;
use andiron_core::{
    DataError, Example,
    data::{folder::ClassFolder, idx},
};
use std::path::Path;

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
/// files whose shapes do not fit; [`DataError::TooLarge`] over what [`idx::read`] takes;
/// [`DataError::UnknownLabel`] for a class number without a name, with its place;
/// [`DataError::Empty`] for no image.
pub fn idx_examples(
    images: impl AsRef<Path>,
    labels: impl AsRef<Path>,
    names: &[&str],
) -> Result<Vec<ImageExample>, DataError> {
    let (images_path, labels_path) = (images.as_ref(), labels.as_ref());
    let (images, labels) = (idx::read(images_path)?, idx::read(labels_path)?);
    let misfit = |path: &Path, reason: String| DataError::Decode {
        what: path.display().to_string(),
        reason,
    };
    let (height, width, channels) = match *images.shape() {
        [_, height, width] => (height, width, 1),
        [_, height, width, 3] => (height, width, 3),
        ref shape => {
            let reason =
                format!("[images, height, width] or [.., 3] was wanted, but it is {shape:?}");
            return Err(misfit(images_path, reason));
        }
    };
    if labels.shape() != [images.len()] {
        let (found, wanted) = (labels.shape(), images.len());
        return Err(misfit(
            labels_path,
            format!("{wanted} images need [{wanted}] labels, but there are {found:?}"),
        ));
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

/// The endings, in lower case, by which a file in a folder counts as an image.
pub const EXTENSIONS: [&str; 8] = ["png", "jpg", "jpeg", "gif", "bmp", "tif", "tiff", "webp"];

/// The images in a folder that holds a folder a class, each decoded when asked for.
///
/// The order is that of the classes' names, then of the files' names, whatever order the file
/// system gives. What is hidden, and files with other endings than [`EXTENSIONS`], are passed over.
///
/// # Errors
/// As [`ClassFolder::open`]: [`DataError::Io`] naming the folder, [`DataError::Empty`] naming the
/// folder that holds no image.
pub fn folder_examples(dir: impl AsRef<Path>) -> Result<ClassFolder<Image>, DataError> {
    ClassFolder::open(dir, &EXTENSIONS, |path| Image::open(path))
}

#[cfg(test)]
mod tests;
