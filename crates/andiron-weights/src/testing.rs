//! What must hold of whatever a reader takes from bytes of any origin. The fuzz target in `fuzz/`
//! calls this, and so does an ordinary test, on inputs that it spoils by itself.

use crate::{
    ctranslate2::CTranslate2,
    gguf::{Array, Gguf, Value},
};
use andiron_core::weights::Source;
use std::path::Path;

/// The most numbers of a tensor that are read here: tensors may share their bytes, so that a small
/// file can list many large ones.
const MOST: usize = 1 << 20;

/// Checks that each tensor of `source` is what its entry says, or refused; gives how many were
/// read.
///
/// # Panics
/// If an entry and what is read disagree, or a name has no entry.
pub fn source(source: &dyn Source) -> usize {
    let mut read = 0;
    for name in source.names().iter().take(100) {
        let entry = source.entry(name).expect("a tensor that is listed");
        let elements = entry.shape.iter().try_fold(1usize, |all, n| all.checked_mul(*n));
        if elements.is_none_or(|elements| elements > MOST) {
            continue;
        }
        match source.read(name) {
            Ok(data) => {
                assert!(entry.readable, "{name:?} was read");
                assert_eq!(data.shape().as_slice(), entry.shape, "{name:?}");
                assert_eq!(Some(data.num_elements()), elements, "{name:?}");
                read += 1;
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
    assert!(source.entry("\u{0} no such tensor").is_none());
    assert!(source.read("\u{0} no such tensor").is_err());
    read
}

/// Reads `bytes` as a GGUF file; gives whether it is one.
///
/// # Panics
/// If more came out than is in the bytes.
pub fn gguf(bytes: &[u8]) -> bool {
    let Ok(gguf) = Gguf::from_bytes(bytes.to_vec(), Path::new("fuzz.gguf")) else { return false };
    let texts: usize = gguf
        .all_metadata()
        .map(|(key, value)| match value {
            Value::Text(text) => key.len() + text.len(),
            Value::Array(Array::Text(texts)) => texts.iter().map(|text| 8 + text.len()).sum(),
            _ => key.len(),
        })
        .sum();
    assert!(texts <= bytes.len(), "{texts} bytes of text came out of {}", bytes.len());
    source(&gguf);
    true
}

/// Reads `bytes` as CTranslate2's `model.bin`; gives whether they are one.
///
/// # Panics
/// If more came out than is in the bytes.
pub fn ctranslate2(bytes: &[u8]) -> bool {
    let Ok(file) = CTranslate2::from_bytes(bytes.to_vec(), Path::new("model.bin")) else {
        return false;
    };
    let names: usize = file.names().iter().map(String::len).sum();
    assert!(names <= bytes.len(), "{names} bytes of names came out of {}", bytes.len());
    for name in file.names() {
        if let Err(error) = file.integer(&name) {
            assert!(!error.to_string().is_empty());
        }
    }
    source(&file);
    true
}
