//! Images with a mask that gives each pixel a class: a folder of images beside a folder of PNG files.

use super::EXTENSIONS;
use crate::{
    objects::Mask,
    picture::{Image, MAX_PIXELS},
};
use andiron_core::{DataError, Dataset, Example, data::table::Row};
use serde_json::json;
use std::{
    collections::BTreeMap,
    io::Cursor,
    path::{Path, PathBuf},
};

/// One image with the class of each of its pixels.
pub type MaskExample = Example<Image, Mask>;

/// Pairs of an image and a mask, each decoded when asked for.
#[derive(Debug, Clone)]
pub struct MaskFolder {
    names: Vec<String>,
    pairs: Vec<(PathBuf, PathBuf)>,
}

/// Reads the images in the folder `images` and their masks in the folder `masks`, which have the same
/// names and the ending `.png`; `names` says what the classes are called.
///
/// A mask is a PNG file in grey or with a palette, of 8 bits or fewer: the value of a pixel is its
/// class number (with a palette, the place in it, as PASCAL VOC has it), and 255 stands for no class.
/// The order is that of the files' names.
///
/// # Errors
/// [`DataError::Io`] naming the folder; [`DataError::Empty`] for a folder without images;
/// [`DataError::Dangling`] for an image without a mask or a mask without an image;
/// [`DataError::Repeated`] for two images of one name. When asked for: [`DataError::UnknownLabel`]
/// for a mask with a class that has no name, [`DataError::Field`] for one of another size than its
/// image, [`DataError::Decode`] for a file that is no such mask.
pub fn mask_examples(
    images: impl AsRef<Path>,
    masks: impl AsRef<Path>,
    names: &[&str],
) -> Result<MaskFolder, DataError> {
    let (images, masks) = (images.as_ref(), masks.as_ref());
    let pictures = by_stem(images, &EXTENSIONS)?;
    let mut outlines = by_stem(masks, &["png"])?;
    if pictures.is_empty() {
        return Err(DataError::Empty { what: images.display().to_string() });
    }
    let mut pairs = Vec::with_capacity(pictures.len());
    for (stem, image) in pictures {
        let mask = outlines.remove(&stem).ok_or_else(|| DataError::Dangling {
            what: image.display().to_string(),
            field: "mask",
            got: masks.join(format!("{stem}.png")).display().to_string(),
        })?;
        pairs.push((image, mask));
    }
    if let Some((stem, mask)) = outlines.pop_first() {
        let what = mask.display().to_string();
        let got = images.join(stem).display().to_string();
        return Err(DataError::Dangling { what, field: "image", got });
    }
    Ok(MaskFolder { names: names.iter().map(|name| (*name).to_owned()).collect(), pairs })
}

/// The images and masks of a folder as lines of data, `{"image": path, "mask": path}`: what a program
/// reads of it. The images lie in the folder `images` in it, their masks in `masks`; paths are relative
/// to the folder, and a line's number is the image's place in the order of names.
///
/// # Errors
/// As [`mask_examples`], which says what such files are.
pub fn mask_rows(folder: &Path) -> Result<Vec<Row>, DataError> {
    let found = mask_examples(folder.join("images"), folder.join("masks"), &[])?;
    let inside = |path: &Path| path.strip_prefix(folder).unwrap_or(path).to_owned();
    let row = |(line, (image, mask)): (u64, &(PathBuf, PathBuf))| Row {
        line,
        value: json!({ "image": inside(image), "mask": inside(mask) }),
    };
    Ok((1..).zip(found.pairs()).map(row).collect())
}

/// The files of a folder by their names without the ending; what is hidden is passed over.
fn by_stem(folder: &Path, endings: &[&str]) -> Result<BTreeMap<String, PathBuf>, DataError> {
    let fail = |source| DataError::io(folder, source);
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(folder).map_err(fail)? {
        let path = entry.map_err(fail)?.path();
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if !path.is_file() || !endings.contains(&ending.to_ascii_lowercase().as_str()) {
            continue;
        }
        let stem = path.file_stem().and_then(|stem| stem.to_str()).map(str::to_owned);
        let stem = stem.ok_or_else(|| DataError::Decode {
            what: path.display().to_string(),
            reason: "its name is not UTF-8".to_owned(),
        })?;
        if stem.starts_with('.') {
            continue;
        }
        if found.insert(stem.clone(), path).is_some() {
            return Err(DataError::Repeated { what: "the folder of images", got: stem });
        }
    }
    Ok(found)
}

impl MaskFolder {
    /// What the classes are called.
    pub fn names(&self) -> &[String] {
        &self.names
    }

    /// The files, image and mask.
    pub fn pairs(&self) -> &[(PathBuf, PathBuf)] {
        &self.pairs
    }
}

impl Dataset<MaskExample> for MaskFolder {
    fn len(&self) -> usize {
        self.pairs.len()
    }

    fn get(&self, index: usize) -> Result<MaskExample, DataError> {
        let (image, mask) = &self.pairs[index];
        let at = |path: &Path| {
            let name = path.display().to_string();
            move |error: DataError| error.at(index, Some(&name))
        };
        let input = Image::open(image).map_err(at(image))?;
        let read = || {
            let bytes = std::fs::read(mask).map_err(|source| DataError::io(mask, source))?;
            let target = Mask::decode(&bytes)?;
            target.check_fits(&input)?;
            target.check_classes(&self.names)?;
            Ok(target)
        };
        let target = read().map_err(at(mask))?;
        Ok(Example { input, target })
    }
}

impl Mask {
    /// Decodes the bytes of a PNG file whose values are class numbers: grey or with a palette, 8 bits
    /// or fewer. Unlike [`Image::decode`] it does not make colours of the palette.
    ///
    /// # Errors
    /// [`DataError::Decode`] for what is no such file, [`DataError::TooLarge`] over [`MAX_PIXELS`].
    pub fn decode(bytes: &[u8]) -> Result<Self, DataError> {
        let refuse = |reason: String| DataError::Decode { what: "mask".to_owned(), reason };
        let mut decoder = png::Decoder::new(Cursor::new(bytes));
        decoder.set_transformations(png::Transformations::IDENTITY);
        let mut reader = decoder.read_info().map_err(|error| refuse(error.to_string()))?;
        let (width, height) = (reader.info().width, reader.info().height);
        let got = u64::from(width) * u64::from(height);
        if got > MAX_PIXELS {
            return Err(DataError::TooLarge {
                what: "the mask, in pixels",
                limit: MAX_PIXELS,
                got,
            });
        }
        let (kind, depth) = (reader.info().color_type, reader.info().bit_depth as u8);
        let plain = matches!(kind, png::ColorType::Grayscale | png::ColorType::Indexed);
        if !plain || depth > 8 {
            let reason = "grey or a palette of 8 bits or fewer was wanted";
            return Err(refuse(format!("{reason}, but it is {kind:?} of {depth} bits")));
        }
        let size =
            reader.output_buffer_size().ok_or_else(|| refuse("it has no size".to_owned()))?;
        let mut packed = vec![0; size];
        reader.next_frame(&mut packed).map_err(|error| refuse(error.to_string()))?;
        // A row begins with a whole byte; within a byte the first pixel has the high bits.
        let row = (width as usize * usize::from(depth)).div_ceil(8);
        let mut classes = Vec::with_capacity(got as usize);
        for row in packed.chunks_exact(row).take(height as usize) {
            classes.extend((0..width as usize * usize::from(depth)).step_by(depth.into()).map(
                |bit| {
                    let shift = 8 - usize::from(depth) - bit % 8;
                    (row[bit / 8] >> shift) & (u8::MAX >> (8 - depth))
                },
            ));
        }
        Self::new(width, height, classes)
    }

    /// Checks that the mask has the size of its image.
    ///
    /// # Errors
    /// [`DataError::Field`] if it has another.
    pub fn check_fits(&self, image: &Image) -> Result<(), DataError> {
        let (found, wanted) = ((self.width(), self.height()), (image.width(), image.height()));
        if found == wanted {
            return Ok(());
        }
        let got =
            format!("{} by {} for an image of {} by {}", found.0, found.1, wanted.0, wanted.1);
        Err(DataError::Field { field: "mask".to_owned(), wanted: "as large as its image", got })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::objects::IGNORED;
    use proptest::prelude::*;
    use std::error::Error;

    /// A PNG file with a palette, or grey, of so many bits.
    fn png(kind: png::ColorType, depth: png::BitDepth, width: u32, rows: &[&[u8]]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut encoder = png::Encoder::new(&mut bytes, width, rows.len() as u32);
        encoder.set_color(kind);
        encoder.set_depth(depth);
        if kind == png::ColorType::Indexed {
            encoder.set_palette((0..=255).flat_map(|at| [at, 7, 255 - at]).collect::<Vec<u8>>());
        }
        let mut writer = encoder.write_header().unwrap();
        writer.write_image_data(&rows.concat()).unwrap();
        writer.finish().unwrap();
        bytes
    }

    #[test]
    fn class_numbers_are_read_whatever_their_bits() {
        use png::{BitDepth, ColorType};
        let eight = png(ColorType::Indexed, BitDepth::Eight, 3, &[&[0, 1, 255], &[2, 2, 1]]);
        let mask = Mask::decode(&eight).unwrap();
        assert_eq!(
            (mask.width(), mask.height(), mask.classes()),
            (3, 2, &[0, 1, IGNORED, 2, 2, 1][..])
        );
        // 01 10 11 | 00 and 11 00 01 | 00.
        let two = png(ColorType::Grayscale, BitDepth::Two, 3, &[&[0b0110_1100], &[0b1100_0100]]);
        assert_eq!(Mask::decode(&two).unwrap().classes(), [1, 2, 3, 3, 0, 1]);
        let one = png(ColorType::Grayscale, BitDepth::One, 9, &[&[0b1000_0001, 0b1000_0000]]);
        assert_eq!(Mask::decode(&one).unwrap().classes(), [1, 0, 0, 0, 0, 0, 0, 1, 1]);
        let colours = png(ColorType::Rgb, BitDepth::Eight, 1, &[&[1, 2, 3]]);
        let refused = Mask::decode(&colours).unwrap_err().to_string();
        assert!(refused.ends_with("was wanted, but it is Rgb of 8 bits"), "{refused}");
        let deep = png(ColorType::Grayscale, BitDepth::Sixteen, 1, &[&[1, 2]]);
        assert!(matches!(Mask::decode(&deep), Err(DataError::Decode { .. })));
        for end in [0, 8, 20, eight.len() / 2] {
            assert!(matches!(Mask::decode(&eight[..end]), Err(DataError::Decode { .. })), "{end}");
        }
    }

    proptest! {
        #[test]
        fn damaged_masks_are_read_or_refused(
            damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
            end in any::<prop::sample::Index>(),
            cut in any::<bool>(),
        ) {
            use png::{BitDepth, ColorType};
            let mut bytes = png(ColorType::Indexed, BitDepth::Four, 3, &[&[0x12, 0x30], &[0x45, 0]]);
            for (at, value) in damage {
                let at = at.index(bytes.len());
                bytes[at] = value;
            }
            if cut {
                bytes.truncate(end.index(bytes.len()));
            }
            if let Ok(mask) = Mask::decode(&bytes) {
                let pixels = u64::from(mask.width()) * u64::from(mask.height());
                prop_assert_eq!(mask.classes().len() as u64, pixels);
            }
        }
    }

    #[test]
    fn images_and_masks_go_together() {
        use png::{BitDepth, ColorType};
        let dir = tempfile::tempdir().unwrap();
        let (images, masks) = (dir.path().join("images"), dir.path().join("masks"));
        std::fs::create_dir_all(&images).unwrap();
        std::fs::create_dir_all(&masks).unwrap();
        let image = Image::gray(3, 2, vec![5; 6]).unwrap();
        let mask = |values: [&[u8]; 2]| png(ColorType::Grayscale, BitDepth::Eight, 3, &values);
        std::fs::write(images.join("b.png"), image.to_png()).unwrap();
        std::fs::write(images.join("a.PNG"), image.to_png()).unwrap();
        std::fs::write(masks.join("a.png"), mask([&[0, 1, 255], &[1, 1, 0]])).unwrap();
        let open = || mask_examples(&images, &masks, &["sky", "sea"]);
        let refused = open().unwrap_err().to_string();
        assert!(refused.contains("b.png has the mask ") && refused.ends_with("which is not there"));
        std::fs::write(masks.join("b.png"), mask([&[0, 2, 1], &[1, 1, 0]])).unwrap();
        let data = open().unwrap();
        assert_eq!((data.len(), data.names().join(" ").as_str()), (2, "sky sea"));
        let first = data.get(0).unwrap();
        assert_eq!((first.input, first.target.classes()), (image, &[0, 1, 255, 1, 1, 0][..]));
        let error = data.get(1).unwrap_err();
        assert!(error.to_string().contains("masks/b.png"), "{error}");
        let cause = error.source().unwrap().to_string();
        assert_eq!(cause, "unknown label \"2\"; known are [\"sky\", \"sea\"]");
        let wide = png(ColorType::Grayscale, BitDepth::Eight, 4, &[&[0; 4], &[1; 4]]);
        std::fs::write(masks.join("b.png"), wide).unwrap();
        let cause = data.get(1).unwrap_err().source().unwrap().to_string();
        let wanted =
            "field \"mask\" must be as large as its image, but is 4 by 2 for an image of 3 by 2";
        assert_eq!(cause, wanted);
        std::fs::write(masks.join("c.png"), mask([&[0; 3], &[1; 3]])).unwrap();
        assert!(open().unwrap_err().to_string().contains("c.png has the image "));
        std::fs::remove_file(masks.join("c.png")).unwrap();
        std::fs::write(images.join("a.bmp"), b"twice").unwrap();
        assert!(matches!(open(), Err(DataError::Repeated { got, .. }) if got == "a"));
        assert!(matches!(mask_examples(&masks, "/nowhere", &[]), Err(DataError::Io { .. })));
        andiron_core::testing::record(
            "refusals",
            "mask folders",
            "unknown classes, other sizes, colours, masks and images alone: by the file",
        );
    }
}
