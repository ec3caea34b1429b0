//! The bytes of a file without a copy of them in memory.

use crate::ReadError;
use memmap2::Mmap;
use std::{fs::File, ops::Deref, path::Path};

/// The bytes of a file: mapped, so that pages cost memory only while they are read, or owned.
#[derive(Debug)]
pub(crate) enum Bytes {
    /// A file as the system maps it.
    Mapped(Mmap),
    /// Bytes that came from elsewhere.
    Owned(Vec<u8>),
}

impl Bytes {
    /// Maps the file `path`, read only.
    ///
    /// # Errors
    /// [`ReadError::Io`].
    #[allow(unsafe_code, reason = "the compiler cannot see that nobody changes a mapped file")]
    pub(crate) fn map(path: &Path) -> Result<Self, ReadError> {
        let io = |source| ReadError::Io { path: path.into(), source };
        let file = File::open(path).map_err(io)?;
        if file.metadata().map_err(io)?.is_dir() {
            return Err(io(std::io::ErrorKind::IsADirectory.into()));
        }
        // SAFETY: the map is private to this value, read only, and lives as long as the bytes
        // lent from it. That no other process shortens or rewrites the file meanwhile cannot be
        // checked; the crate's documentation asks for it, as every program does that maps files.
        let map = unsafe { Mmap::map(&file) }.map_err(io)?;
        Ok(Self::Mapped(map))
    }
}

impl Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Mapped(map) => map,
            Self::Owned(bytes) => bytes,
        }
    }
}
