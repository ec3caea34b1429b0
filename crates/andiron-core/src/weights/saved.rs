//! Safetensors files as Andiron writes them: every tensor is `F32`.

use super::{Entry, Source};
use crate::WeightsError;
use burn::tensor::TensorData;
use safetensors::{
    Dtype, SafeTensorError,
    tensor::{Metadata, TensorInfo},
};
use std::{
    fs::File,
    io::{self, Read as _, Seek as _, SeekFrom},
    path::Path,
};

/// Bytes of the number in front of the header.
const LENGTH: usize = 8;
/// Bytes that a header may have, as `safetensors` has it.
const LONGEST_HEADER: usize = 100_000_000;
/// Numbers that are read from a file at once.
const PIECE: usize = 1 << 14;

/// Where the bytes are.
#[derive(Clone, Copy)]
pub(super) enum Bytes<'a> {
    /// All of them in memory.
    #[cfg(feature = "testing")]
    Held(&'a [u8]),
    /// On the disk; read tensor by tensor, so that no copy of them all is in memory.
    File(&'a File),
}

/// A safetensors file, its header read.
pub(super) struct Saved<'a> {
    header: Metadata,
    /// Where the first tensor begins.
    start: usize,
    bytes: Bytes<'a>,
    path: &'a Path,
}

impl<'a> Saved<'a> {
    /// Reads the header of the file `path`.
    ///
    /// # Errors
    /// [`WeightsError::Format`] for what is no such file, or not all of it; [`WeightsError::Io`].
    pub(super) fn open(bytes: Bytes<'a>, path: &'a Path) -> Result<Self, WeightsError> {
        let io = |source| WeightsError::Io { path: path.into(), source };
        let format = |source| WeightsError::Format { path: path.into(), source };
        let total = bytes.len().map_err(io)?;
        if total < LENGTH {
            return Err(format(SafeTensorError::HeaderTooSmall));
        }
        let mut length = [0; LENGTH];
        bytes.read(0, &mut length).map_err(io)?;
        let length = usize::try_from(u64::from_le_bytes(length))
            .ok()
            .filter(|length| *length <= LONGEST_HEADER)
            .ok_or_else(|| format(SafeTensorError::HeaderTooLarge))?;
        // A header that is longer than the file takes no memory.
        if length > total - LENGTH {
            return Err(format(SafeTensorError::InvalidHeaderLength));
        }
        let mut text = vec![0; length];
        bytes.read(LENGTH, &mut text).map_err(io)?;
        let text = std::str::from_utf8(&text)
            .map_err(|error| format(SafeTensorError::InvalidHeader(error)))?;
        let header: Metadata = serde_json::from_str(text)
            .map_err(|error| format(SafeTensorError::InvalidHeaderDeserialization(error)))?;
        let start = LENGTH + length;
        if header.data_len() != total - start {
            return Err(format(SafeTensorError::MetadataIncompleteBuffer));
        }
        Ok(Self { header, start, bytes, path })
    }

    fn values(&self, info: &TensorInfo) -> io::Result<Vec<f32>> {
        let (begin, end) = info.data_offsets;
        let mut values = Vec::with_capacity((end - begin) / 4);
        let mut piece = [0; 4 * PIECE];
        let mut at = begin;
        while at < end {
            let piece = &mut piece[..(end - at).min(4 * PIECE)];
            self.bytes.read(self.start + at, piece)?;
            let numbers = piece.chunks_exact(4);
            values.extend(numbers.map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])));
            at += piece.len();
        }
        Ok(values)
    }
}

impl Bytes<'_> {
    fn len(&self) -> io::Result<usize> {
        match self {
            #[cfg(feature = "testing")]
            Self::Held(bytes) => Ok(bytes.len()),
            Self::File(file) => usize::try_from(file.metadata()?.len())
                .map_err(|_| io::ErrorKind::FileTooLarge.into()),
        }
    }

    /// Fills `piece` with the bytes from the place `at` on.
    fn read(&self, at: usize, piece: &mut [u8]) -> io::Result<()> {
        match self {
            #[cfg(feature = "testing")]
            Self::Held(bytes) => {
                let from = bytes.get(at..at + piece.len()).ok_or(io::ErrorKind::UnexpectedEof)?;
                piece.copy_from_slice(from);
                Ok(())
            }
            Self::File(file) => {
                let mut file: &File = file;
                file.seek(SeekFrom::Start(at as u64))?;
                file.read_exact(piece)
            }
        }
    }
}

impl Source for Saved<'_> {
    fn path(&self) -> &Path {
        self.path
    }

    fn names(&self) -> Vec<String> {
        self.header.tensors().into_keys().collect()
    }

    fn entry(&self, name: &str) -> Option<Entry> {
        let info = self.header.info(name)?;
        Some(Entry {
            shape: info.shape.clone(),
            dtype: format!("{:?}", info.dtype),
            readable: info.dtype == Dtype::F32,
        })
    }

    fn read(&self, name: &str) -> Result<TensorData, WeightsError> {
        let format = |source| WeightsError::Format { path: self.path.into(), source };
        let info = self.header.info(name);
        let info = info
            .filter(|info| info.dtype == Dtype::F32)
            .ok_or_else(|| format(SafeTensorError::TensorNotFound(name.to_owned())))?;
        let values = self
            .values(info)
            .map_err(|source| WeightsError::Io { path: self.path.into(), source })?;
        Ok(TensorData::new(values, info.shape.clone()))
    }
}
