#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use ::image::{
    Delay, Frame, GrayAlphaImage, GrayImage, ImageBuffer, Luma, Rgb, Rgba, RgbaImage,
    codecs::gif::GifEncoder,
};
use proptest::prelude::*;

/// A colour image 13 wide and 7 high, with hardly two equal pixels.
fn colors() -> Image {
    let pixels = (0..13 * 7 * 3).map(|at| (at * 37 % 251) as u8).collect();
    Image::rgb(13, 7, pixels).unwrap()
}

fn encoded(image: &Image, format: ImageFormat) -> Vec<u8> {
    let (width, height) = (image.width(), image.height());
    let buffer = ImageBuffer::from_raw(width, height, image.pixels().to_vec()).unwrap();
    bytes_of(&DynamicImage::ImageRgb8(buffer), format)
}

fn bytes_of(image: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    image.write_to(&mut bytes, format).unwrap();
    bytes.into_inner()
}

fn reason(bytes: &[u8]) -> String {
    Image::decode(bytes).unwrap_err().to_string()
}

/// Signature, header and the beginning of the pixels of a PNG of this size, in colours of 8 bits.
fn png_header(width: u32, height: u32) -> Vec<u8> {
    png_of(width, height, [8, 2])
}

/// The same, of so many bits and of a kind of colours by its number in the format.
fn png_of(width: u32, height: u32, [bits, kind]: [u8; 2]) -> Vec<u8> {
    let mut bytes = b"\x89PNG\r\n\x1a\n".to_vec();
    let header =
        [width.to_be_bytes().as_slice(), &height.to_be_bytes(), &[bits, kind, 0, 0, 0]].concat();
    for (kind, body) in [(b"IHDR", header.as_slice()), (b"IDAT", &[0x78, 0x9C, 0xED, 0xC1])] {
        let mut checksum = flate2::Crc::new();
        checksum.update(kind);
        checksum.update(body);
        bytes.extend((body.len() as u32).to_be_bytes());
        bytes.extend(kind);
        bytes.extend(body);
        bytes.extend(checksum.sum().to_be_bytes());
    }
    bytes
}

#[test]
fn every_format_is_read() {
    let image = colors();
    for format in FORMATS {
        let read = Image::decode(&encoded(&image, format)).unwrap();
        assert_eq!((read.width(), read.height(), read.channels()), (13, 7, 3), "{format:?}");
        if !matches!(format, ImageFormat::Jpeg | ImageFormat::Gif) {
            assert_eq!(read, image, "{format:?} loses nothing");
        }
    }
}

#[test]
fn a_png_is_written_and_read() {
    let gray = Image::gray(5, 3, (0..15).map(|v| v * 17).collect()).unwrap();
    for image in [gray, colors()] {
        assert_eq!(Image::decode(&image.to_png()).unwrap(), image);
    }
}

#[test]
fn no_bytes_and_other_bytes_are_refused() {
    assert_eq!(reason(b""), "the image is empty");
    let other = "image cannot be decoded: its first bytes are not those of PNG, JPEG, GIF, BMP, TIFF or WebP";
    assert_eq!(reason(b"this is a letter and no image"), other);
    assert_eq!(reason(&[0x89]), other);
    // A format that is known, but not read: an icon.
    assert_eq!(reason(&[0, 0, 1, 0, 1, 0, 16, 16, 0, 0, 1, 0, 32, 0, 0, 0]), other);
}

#[test]
fn truncated_files_are_refused() {
    let image = colors();
    for (format, said) in FORMATS.into_iter().zip(["PNG", "JPEG", "GIF", "BMP", "TIFF", "WebP"]) {
        let bytes = encoded(&image, format);
        for part in [bytes.len() / 4, bytes.len() / 2, bytes.len() * 3 / 4] {
            let refused = reason(&bytes[..part]);
            assert!(refused.starts_with(&format!("{said} image cannot be decoded: ")), "{refused}");
        }
    }
}

#[test]
fn every_beginning_of_a_png_is_refused() {
    let bytes = colors().to_png();
    // The last chunk says only that the file ends.
    for part in 0..bytes.len() - 12 {
        assert!(Image::decode(&bytes[..part]).is_err(), "{part} of {} bytes", bytes.len());
    }
}

#[test]
fn a_single_pixel_is_an_image() {
    let image = Image::gray(1, 1, vec![77]).unwrap();
    assert_eq!(Image::decode(&image.to_png()).unwrap(), image);
}

#[test]
fn huge_sizes_are_refused_by_their_header() {
    let too_large = |bytes: &[u8], wanted: u64| match Image::decode(bytes) {
        Err(DataError::TooLarge { what, limit, got }) => {
            assert_eq!((what, limit, got), ("the image, in pixels", MAX_PIXELS, wanted));
        }
        other => panic!("{other:?}"),
    };
    too_large(&png_header(60_000, 60_000), 3_600_000_000);
    too_large(&png_header(1, 100_000_001), 100_000_001);
    // In a GIF the sides stand at bytes 6 and 8, in a bitmap at 18 and 22, in a JPEG behind the
    // mark of the frame.
    let mut gif = encoded(&colors(), ImageFormat::Gif);
    gif[6..10].copy_from_slice(&[0x60, 0xEA, 0x60, 0xEA]);
    too_large(&gif, 3_600_000_000);
    let mut bitmap = encoded(&colors(), ImageFormat::Bmp);
    bitmap[18..22].copy_from_slice(&60_000u32.to_le_bytes());
    bitmap[22..26].copy_from_slice(&60_000u32.to_le_bytes());
    too_large(&bitmap, 3_600_000_000);
    let mut jpeg = encoded(&colors(), ImageFormat::Jpeg);
    let frame = jpeg.windows(2).position(|pair| pair == [0xFF, 0xC0]).unwrap();
    jpeg[frame + 5..frame + 9].copy_from_slice(&[0xEA, 0x60, 0xEA, 0x60]);
    too_large(&jpeg, 3_600_000_000);
}

#[test]
fn memory_is_limited_by_the_header_too() {
    // Fewer pixels than the limit, each of four values of 16 bits.
    let (bytes, needed) = (png_of(9_000, 9_000, [16, 6]), 9_000 * 9_000 * 8);
    assert!(9_000 * 9_000 < MAX_PIXELS && needed > MAX_BYTES);
    match Image::decode(&bytes) {
        Err(DataError::TooLarge { what, limit, got }) => assert_eq!(
            (what, limit, got),
            ("the memory that the image takes, in bytes", MAX_BYTES, needed)
        ),
        other => panic!("{other:?}"),
    }
    // As large in grey it is only truncated.
    let grey = png_of(9_000, 9_000, [8, 0]);
    assert!(matches!(Image::decode(&grey), Err(DataError::Decode { .. })));
}

#[test]
fn sides_of_zero_are_refused() {
    assert!(matches!(Image::gray(0, 3, vec![]), Err(DataError::TooShort { got: 0, .. })));
    assert!(matches!(Image::rgb(3, 0, vec![]), Err(DataError::TooShort { got: 0, .. })));
    assert!(Image::decode(&png_header(0, 5)).is_err());
}

#[test]
fn the_number_of_bytes_is_checked() {
    let refused = Image::rgb(3, 2, vec![0; 17]).unwrap_err().to_string();
    assert_eq!(
        refused,
        "array of pixels cannot be decoded: 3 by 2 pixels of 3 channels are 18 bytes, but there are 17"
    );
    // The product of the sides does not fit 32 bits.
    assert!(matches!(Image::gray(1 << 31, 1 << 31, vec![]), Err(DataError::TooLarge { .. })));
}

#[test]
fn an_animation_is_its_first_frame() {
    let mut bytes = Vec::new();
    let frame = |color: [u8; 4]| {
        let image = RgbaImage::from_pixel(6, 4, Rgba(color));
        Frame::from_parts(image, 0, 0, Delay::from_numer_denom_ms(100, 1))
    };
    let mut encoder = GifEncoder::new(&mut bytes);
    encoder.encode_frames([frame([255, 0, 0, 255]), frame([0, 0, 255, 255])]).unwrap();
    drop(encoder);
    let read = Image::decode(&bytes).unwrap();
    assert_eq!(read, Image::rgb(6, 4, [255, 0, 0].repeat(24)).unwrap());
}

#[test]
fn transparency_lies_on_white() {
    let colored = RgbaImage::from_raw(3, 1, vec![10, 20, 30, 255, 10, 20, 30, 0, 0, 100, 200, 128]);
    let png = bytes_of(&DynamicImage::ImageRgba8(colored.unwrap()), ImageFormat::Png);
    // 0 + 255 · 127/255, 100 · 128/255 + 127, 200 · 128/255 + 127.
    let wanted = vec![10, 20, 30, 255, 255, 255, 127, 177, 227];
    assert_eq!(Image::decode(&png).unwrap(), Image::rgb(3, 1, wanted).unwrap());
    let gray = GrayAlphaImage::from_raw(1, 3, vec![10, 255, 10, 0, 0, 128]).unwrap();
    let png = bytes_of(&DynamicImage::ImageLumaA8(gray), ImageFormat::Png);
    assert_eq!(Image::decode(&png).unwrap(), Image::gray(1, 3, vec![10, 255, 127]).unwrap());
}

#[test]
fn sixteen_bits_become_eight_and_gray_stays_gray() {
    let deep =
        ImageBuffer::<Luma<u16>, _>::from_raw(4, 1, vec![0, 257 * 100, 257 * 100 + 200, 65_535]);
    let png = bytes_of(&DynamicImage::ImageLuma16(deep.unwrap()), ImageFormat::Png);
    let wanted = Image::gray(4, 1, vec![0, 100, 101, 255]).unwrap();
    assert_eq!(Image::decode(&png).unwrap(), wanted);
    let gray = GrayImage::from_raw(2, 3, vec![1, 2, 3, 4, 5, 6]).unwrap();
    let jpeg = bytes_of(&DynamicImage::ImageLuma8(gray), ImageFormat::Jpeg);
    assert_eq!(Image::decode(&jpeg).unwrap().channels(), 1);
}

#[test]
fn a_palette_becomes_colours_and_deep_colours_eight_bits() {
    let mut bytes = Vec::new();
    let mut encoder = png::Encoder::new(&mut bytes, 3, 1);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Four);
    encoder.set_palette(vec![10, 20, 30, 200, 100, 0, 0, 0, 255]);
    // The first colour is transparent, the second half so.
    encoder.set_trns(vec![0, 128]);
    let mut writer = encoder.write_header().unwrap();
    writer.write_image_data(&[0x01, 0x20]).unwrap();
    writer.finish().unwrap();
    let wanted = vec![255, 255, 255, 227, 177, 127, 0, 0, 255];
    assert_eq!(Image::decode(&bytes).unwrap(), Image::rgb(3, 1, wanted).unwrap());
    let deep = ImageBuffer::<Rgb<u16>, _>::from_raw(1, 2, vec![0, 257, 65_535, 257 * 9, 1, 400]);
    let png = bytes_of(&DynamicImage::ImageRgb16(deep.unwrap()), ImageFormat::Png);
    assert_eq!(Image::decode(&png).unwrap(), Image::rgb(1, 2, vec![0, 1, 255, 9, 0, 2]).unwrap());
}

#[test]
fn the_noted_rotation_is_applied() {
    // Left half black, right half white, with a note that the camera was turned: 6, "the top of
    // the scene is at the right".
    let pixels = (0..16 * 8).map(|at| if at % 16 < 8 { 0 } else { 255 }).collect();
    let gray = GrayImage::from_raw(16, 8, pixels).unwrap();
    let jpeg = bytes_of(&DynamicImage::ImageLuma8(gray), ImageFormat::Jpeg);
    let note = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
    let length = (note.len() as u16 + 2).to_be_bytes();
    let turned = [&jpeg[..2], &[0xFF, 0xE1], &length, note.as_slice(), &jpeg[2..]].concat();
    let read = Image::decode(&turned).unwrap();
    assert_eq!((read.width(), read.height()), (8, 16));
    assert!(read.pixels()[..64].iter().all(|value| *value < 10), "the left became the top");
    assert!(read.pixels()[64..].iter().all(|value| *value > 245));
}

#[test]
fn arrays_become_images() {
    let gray = Image::from_array(&[2, 3], &[0.0, 1.0, 2.4, 2.6, 254.0, 255.0]).unwrap();
    assert_eq!(gray, Image::gray(3, 2, vec![0, 1, 2, 3, 254, 255]).unwrap());
    assert_eq!(Image::from_array(&[2, 3, 1], &[0.0, 1.0, 2.4, 2.6, 254.0, 255.0]).unwrap(), gray);
    let rgb = Image::from_array(&[1, 2, 3], &[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
    assert_eq!(rgb, Image::rgb(2, 1, vec![1, 2, 3, 4, 5, 6]).unwrap());
    let refusal =
        |shape: &[usize], data: &[f32]| Image::from_array(shape, data).unwrap_err().to_string();
    assert!(refusal(&[4], &[0.0; 4]).starts_with("field \"shape\" must be [height, width]"));
    assert!(refusal(&[1, 2, 2], &[0.0; 4]).ends_with("but is [1, 2, 2]"));
    assert!(refusal(&[2, 3], &[0.0; 5]).ends_with("are 6 bytes, but there are 5"));
    assert!(refusal(&[1, 2], &[0.0, f32::NAN]).contains("holds NaN at position 1"));
    assert_eq!(
        refusal(&[1, 2], &[256.0, 0.0]),
        "field \"pixel value 0\" must be between 0 and 255, but is 256"
    );
    assert!(refusal(&[usize::MAX, 1], &[]).contains("over the limit of 100000000"));
    assert!(refusal(&[0, 5], &[]).contains("the image's height is 0"));
}

#[test]
fn files_are_named_in_errors() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("none.png");
    let refused = Image::open(&path).unwrap_err().to_string();
    assert_eq!(refused, format!("cannot read {}", path.display()));
    std::fs::write(&path, colors().to_png()).unwrap();
    assert_eq!(Image::open(&path).unwrap(), colors());
}

#[test]
fn lightness_is_that_of_pillow() {
    // `Image.new("RGB", (1, 1), color).convert("L")` of Pillow.
    for (color, wanted) in [
        ([255, 255, 255], 255),
        ([255, 0, 0], 76),
        ([0, 255, 0], 150),
        ([0, 0, 255], 29),
        ([1, 2, 3], 2),
    ] {
        assert_eq!(luma(color), wanted);
    }
}

proptest! {
    #[test]
    fn anything_is_read_or_refused(
        start in prop::sample::select(vec![
            b"".as_slice(), b"\x89PNG\r\n\x1a\n", b"\xFF\xD8\xFF", b"GIF89a", b"BM", b"II*\0", b"MM\0*",
            b"RIFF\x40\0\0\0WEBPVP8 ", b"RIFF\x40\0\0\0WEBPVP8L", b"RIFF\x40\0\0\0WEBPVP8X",
        ]),
        rest in prop::collection::vec(any::<u8>(), 0..200),
    ) {
        let _ = Image::decode(&[start, &rest].concat());
    }

    #[test]
    fn damaged_files_are_read_or_refused(
        format in prop::sample::select(FORMATS.to_vec()),
        damage in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6),
        end in any::<prop::sample::Index>(),
        cut in any::<bool>(),
    ) {
        let mut bytes = encoded(&colors(), format);
        for (at, value) in damage {
            let at = at.index(bytes.len());
            bytes[at] = value;
        }
        if cut {
            bytes.truncate(end.index(bytes.len()));
        }
        if let Ok(image) = Image::decode(&bytes) {
            let wanted = u64::from(image.width()) * u64::from(image.height()) * u64::from(image.channels());
            prop_assert_eq!(image.pixels().len() as u64, wanted);
        }
    }
}
