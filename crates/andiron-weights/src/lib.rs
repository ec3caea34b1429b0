//! Readers of published weights: safetensors, PyTorch, GGUF, CTranslate2, and the hub.
//!
//! Use this crate to load a network from what others have published: [`open`] a file or folder,
//! hide or map names with [`Renamed`], and give it to [`andiron_core::weights::load_from`]. What
//! Andiron saved itself is loaded by `andiron_core::Predictor::load`, without this crate. To look
//! into a GGUF file's metadata, use [`gguf::Gguf`] itself.
//!
//! ```
//! use andiron_core::weights::Source;
//!
//! # let folder = tempfile::tempdir()?;
//! # let one = safetensors::tensor::TensorView::new(safetensors::Dtype::I64, vec![1, 2], &[0; 16])?;
//! # let path = folder.path().join("model.safetensors");
//! # std::fs::write(&path, safetensors::serialize([("position_ids", &one)], None)?)?;
//! let weights = andiron_weights::open(folder.path())?;
//! let entry = weights.entry("position_ids").expect("the file has it");
//! assert_eq!((entry.shape, entry.dtype.as_str(), entry.readable), (vec![1, 2], "I64", false));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! Files are memory-mapped where their format allows, so tensors cost memory one by one, as the
//! network takes them. A file must not be changed while it is open. Whatever is in a file, it is
//! read or refused with an error that names the file and the field; no code from a file is run.
//!
//! - [`ctranslate2`]: CTranslate2's `model.bin`.
//! - [`fields`]: what a `config.json` says.
//! - [`folder`]: safetensors and PyTorch files, sharded or not.
//! - [`gguf`]: llama.cpp's format, with its quantised types.
//! - [`Renamed`]: other names for a source's tensors.
//! - `hub` (feature `hub`): published models from the Hugging Face hub.

pub mod ctranslate2;
mod cursor;
mod error;
pub mod fields;
mod floats;
pub mod folder;
pub mod gguf;
#[cfg(feature = "hub")]
pub mod hub;
mod map;
mod once;
mod renamed;
#[cfg(feature = "testing")]
pub mod testing;

pub use error::ReadError;
pub use floats::Precision;
pub use renamed::Renamed;

use andiron_core::weights::Source;
use std::path::Path;

/// The weights in the file or folder `path`: GGUF if its ending says so, otherwise as
/// [`folder::Folder::open`].
///
/// # Errors
/// [`ReadError`] names the file, and what in it is wrong.
pub fn open(path: impl AsRef<Path>) -> Result<Box<dyn Source>, ReadError> {
    let path = path.as_ref();
    if path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("gguf")) {
        return Ok(Box::new(gguf::Gguf::open(path)?));
    }
    Ok(Box::new(folder::Folder::open(path)?))
}
