//! The chunks of a RIFF/WAVE file, of which two count.
//!
//! `hound` passes over a chunk by its length alone, without the byte that pads an odd one, and goes on
//! at the wrong place. So the walk is done here, and `hound` gets the two with nothing between them.
//!
//! Sources: IBM & Microsoft 1991, "Multimedia Programming Interface and Data Specifications 1.0" (RIFF
//! and WAVE); RFC 2361, <https://www.rfc-editor.org/rfc/rfc2361>, appendix A (the tags); Microsoft,
//! <https://learn.microsoft.com/windows/win32/api/mmreg/ns-mmreg-waveformatextensible> (subformats).

use super::bad;
use andiron_core::DataError;

/// Integers; 8 bits are without sign.
const PCM: u16 = 0x0001;
/// Floats.
const FLOAT: u16 = 0x0003;
/// The tag stands further behind, in the subformat.
const EXTENSIBLE: u16 = 0xFFFE;
/// What follows the tag in a subformat.
const SUBFORMAT: [u8; 14] = [0, 0, 0, 0, 0x10, 0, 0x80, 0, 0, 0xAA, 0, 0x38, 0x9B, 0x71];

/// A header that ends where the samples begin, without any other chunk, and the bytes of the samples:
/// together a file that `hound` reads. Its samples are of an encoding that is read, in whole frames.
pub(super) fn walk(bytes: &[u8]) -> Result<(Vec<u8>, &[u8]), DataError> {
    let [b'R', b'I', b'F', b'F', _, _, _, _, b'W', b'A', b'V', b'E', chunks @ ..] = bytes else {
        return Err(bad("it does not begin with RIFF and WAVE"));
    };
    let (mut rest, mut format) = (chunks, None);
    loop {
        let Some((head, body)) = rest.split_first_chunk::<8>() else {
            return Err(bad("it ends before its data chunk"));
        };
        let [a, b, c, d, length @ ..] = *head;
        let (name, length, there) = ([a, b, c, d], u32::from_le_bytes(length), body.len());
        match (&name, body.get(..length as usize)) {
            (b"data", None) => {
                let promise = format!("{length} bytes of sound were promised");
                return Err(bad(format!("{promise}, but {there} are there")));
            }
            (_, None) => {
                let name = name.escape_ascii();
                let promise = format!("its chunk \"{name}\" promises {length} bytes");
                return Err(bad(format!("{promise}, but {there} are there")));
            }
            (b"data", Some(sound)) => {
                let format =
                    format.ok_or_else(|| bad("it has no fmt chunk before its data chunk"))?;
                return Ok((header(format, length)?, sound));
            }
            (b"fmt ", Some(content)) => format = Some(plain(content)?),
            _ => {}
        }
        rest = behind(body, length as usize);
    }
}

/// What follows the `length` bytes of a chunk, which are there.
fn behind(body: &[u8], length: usize) -> &[u8] {
    let rest = &body[length..];
    // Chunks begin at even places, behind a byte of 0. Some programs do not care: then the name of the
    // next one is there at once.
    let is_letter = |byte: &u8| byte.is_ascii_graphic() || *byte == b' ';
    let at_once = rest.get(..4).is_some_and(|name| name.iter().all(is_letter));
    if length.is_multiple_of(2) || at_once { rest } else { rest.get(1..).unwrap_or_default() }
}

/// The header of a file of `length` bytes of sound.
fn header(format: [u8; 16], length: u32) -> Result<Vec<u8>, DataError> {
    // Above 0: there is a channel of a byte or more.
    let frame = u32::from(u16::from_le_bytes([format[12], format[13]]));
    if !length.is_multiple_of(frame) {
        return Err(bad(format!("{length} bytes of sound are not whole frames of {frame} bytes")));
    }
    // Nobody looks at the length of the file.
    let head = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0".as_slice();
    Ok([head, &format, b"data", &length.to_le_bytes()].concat())
}

/// The sixteen bytes of a fmt chunk that is not extended: tag, channels, rate, bytes a second, bytes of
/// a frame, bits of a sample.
fn plain(chunk: &[u8]) -> Result<[u8; 16], DataError> {
    let at_least = |least: usize| {
        let got = chunk.len();
        if got >= least {
            return Ok(());
        }
        Err(bad(format!("its fmt chunk must have {least} bytes or more, but has {got}")))
    };
    at_least(16)?;
    let field = |at: usize| u16::from_le_bytes([chunk[at], chunk[at + 1]]);
    let (mut tag, channels, frame, bits) = (field(0), field(2), field(12), field(14));
    if tag == EXTENSIBLE {
        at_least(40)?;
        // The bits that are used, which field 18 counts, are the high ones of `bits`: the rest is 0.
        tag = if chunk[26..40] == SUBFORMAT { field(24) } else { tag };
    }
    let Some(bytes) = frame.checked_div(channels) else {
        return Err(bad("it has no channels"));
    };
    // Some programs write 24 bits as the low ones of four bytes.
    let low_24 = field(0) == PCM && (bytes, bits) == (4, 24);
    let is_read = match tag {
        PCM => matches!((bytes, bits), (1, 8) | (2, 16) | (3, 24) | (4, 32)) || low_24,
        FLOAT => (bytes, bits) == (4, 32),
        _ => false,
    };
    if !is_read {
        let what = encoding(tag, bytes, bits);
        let read = "only integers of 8, 16, 24 or 32 bits and floats of 32 bits are read";
        return Err(bad(format!("its samples are {what}, but {read}")));
    }
    if !frame.is_multiple_of(channels) {
        let wanted = format!("whole samples of {channels} channels");
        return Err(bad(format!("its frames of {frame} bytes are not {wanted}")));
    }
    let mut format = [0; 16];
    format.copy_from_slice(&chunk[..16]);
    format[..2].copy_from_slice(&tag.to_le_bytes());
    format[14..].copy_from_slice(&bits.to_le_bytes());
    Ok(format)
}

/// What samples of a tag are called.
fn encoding(tag: u16, bytes: u16, bits: u16) -> String {
    let name = match tag {
        PCM => return format!("integers of {bits} bits in {bytes} bytes"),
        FLOAT => return format!("floats of {bits} bits in {bytes} bytes"),
        0x0002 => "Microsoft ADPCM",
        0x0006 => "A-law",
        0x0007 => "mu-law",
        0x0011 => "IMA ADPCM",
        0x0031 => "GSM 6.10",
        0x0050 => "MPEG audio",
        0x0055 => "MP3",
        _ => return format!("of the unknown format {tag:#06x}"),
    };
    name.to_owned()
}
