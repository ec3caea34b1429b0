//! Hashes: one that is fast, for ids and buckets, and SHA-256, for files.

use sha2::{Digest, Sha256};
use std::{
    fmt::Write as _,
    io::{Read, Write},
    path::Path,
};

/// 64-bit FNV-1a: the same in every process and on every machine.
///
/// Source: Fowler, Noll & Vo, <http://www.isthe.com/chongo/tech/comp/fnv/>.
///
/// ```
/// assert_eq!(andiron_core::hash::fnv(b"a"), 0xaf63_dc4c_8601_ec8c);
/// ```
pub fn fnv(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3)
    })
}

/// SHA-256 of `bytes`, in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// SHA-256 of a file, in hexadecimal, read in pieces.
///
/// # Errors
/// Whatever opening or reading the file gives.
pub fn sha256_file(path: &Path) -> std::io::Result<String> {
    sha256_read(&mut std::fs::File::open(path)?)
}

/// SHA-256 of all that `from` gives, in hexadecimal, read in pieces.
///
/// # Errors
/// Whatever reading gives.
pub(crate) fn sha256_read(from: &mut dyn Read) -> std::io::Result<String> {
    let mut hasher = Sha256::new();
    let mut piece = vec![0; 1 << 16];
    loop {
        match from.read(&mut piece) {
            Ok(0) => return Ok(hexadecimal(&hasher.finalize())),
            Ok(read) => hasher.update(&piece[..read]),
            Err(error) if error.kind() == std::io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
}

/// Passes on what is written, and knows its SHA-256.
pub(crate) struct Hashed<W> {
    to: W,
    pieces: Pieces,
}

impl<W> Hashed<W> {
    pub(crate) fn new(to: W) -> Self {
        Self { to, pieces: Pieces::default() }
    }

    /// The hash of all that was written so far, in hexadecimal.
    pub(crate) fn sha256(&self) -> String {
        self.pieces.sha256()
    }
}

impl<W: Write> Write for Hashed<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let written = self.to.write(bytes)?;
        self.pieces.add(&bytes[..written]);
        Ok(written)
    }
    fn flush(&mut self) -> std::io::Result<()> {
        self.to.flush()
    }
}

/// SHA-256 of bytes that come in pieces.
#[derive(Clone, Default)]
pub(crate) struct Pieces(Sha256);

impl Pieces {
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// The hash of all that came so far, in hexadecimal.
    pub(crate) fn sha256(&self) -> String {
        hexadecimal(&self.0.clone().finalize())
    }
}

/// What stands in a text for its own hash while that is computed.
const UNSEALED: &str = "0000000000000000000000000000000000000000000000000000000000000000";

/// Puts the SHA-256 of a JSON text into the text itself: into its last field, which is called
/// `sha256` and empty.
pub(crate) fn seal(text: &str) -> String {
    let open = put_seal(text, "", UNSEALED);
    put_seal(&open, UNSEALED, &sha256(open.as_bytes()))
}

/// Whether `text` is what [`seal`] made, with the hash `found` in it.
///
/// # Errors
/// The hash of the text as it is, if that is another one.
pub(crate) fn check_seal(text: &[u8], found: &str) -> Result<(), String> {
    let text = String::from_utf8_lossy(text);
    let got = sha256(put_seal(&text, found, UNSEALED).as_bytes());
    if got == found { Ok(()) } else { Err(got) }
}

fn put_seal(text: &str, old: &str, new: &str) -> String {
    let field = format!("\"sha256\": \"{old}\"");
    match text.rfind(&field) {
        Some(at) => {
            format!("{}\"sha256\": \"{new}\"{}", &text[..at], &text[at + field.len()..])
        }
        None => text.to_owned(),
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(2 * bytes.len()), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_seal_covers_every_bit() {
        #[derive(serde::Serialize, serde::Deserialize)]
        struct Sealed {
            name: String,
            sha256: String,
        }
        let open = Sealed { name: "\"sha256\": \"\"".to_owned(), sha256: String::new() };
        let text = seal(&serde_json::to_string_pretty(&open).unwrap());
        let found: Sealed = serde_json::from_str(&text).unwrap();
        assert_eq!(found.name, open.name);
        assert_eq!(check_seal(text.as_bytes(), &found.sha256), Ok(()));
        for bit in 0..8 * text.len() {
            let mut changed = text.clone().into_bytes();
            changed[bit / 8] ^= 1 << (bit % 8);
            // It is no text any more, or no such object, or its seal is broken.
            if let Ok(found) = serde_json::from_slice::<Sealed>(&changed) {
                assert!(check_seal(&changed, &found.sha256).is_err(), "bit {bit}");
            }
        }
    }

    #[test]
    fn sha256_of_the_standards_example() {
        // FIPS 180-4, appendix B.1.
        assert_eq!(
            sha256(b"abc"),
            "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
    }
}
