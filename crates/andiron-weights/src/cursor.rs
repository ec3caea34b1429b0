//! A walk over the bytes of a file, in which nothing is believed that the file does not hold.

use crate::ReadError;
use std::path::Path;

/// Where a reader stands in a file.
pub(crate) struct Cursor<'a> {
    pub(crate) bytes: &'a [u8],
    pub(crate) at: usize,
    pub(crate) path: &'a Path,
    /// What is being read, for messages.
    pub(crate) within: String,
}

impl<'a> Cursor<'a> {
    /// At the beginning of the file `path`.
    pub(crate) fn new(bytes: &'a [u8], path: &'a Path, within: &str) -> Self {
        Self { bytes, at: 0, path, within: within.to_owned() }
    }

    /// How many bytes come yet.
    pub(crate) fn left(&self) -> u64 {
        (self.bytes.len() - self.at) as u64
    }

    /// That the file has not the `wanted` bytes of a field.
    pub(crate) fn short(&self, field: &str, wanted: u64) -> ReadError {
        ReadError::Short {
            path: self.path.into(),
            field: format!("the {field} of {}", self.within),
            at: self.at as u64,
            wanted,
            left: self.left(),
        }
    }

    /// That a field holds what it must not hold.
    pub(crate) fn wrong(&self, field: &str, wanted: &'static str, got: impl ToString) -> ReadError {
        ReadError::Field {
            path: self.path.into(),
            field: format!("the {field} of {}", self.within),
            wanted,
            got: got.to_string(),
        }
    }

    /// The next `length` bytes.
    pub(crate) fn take(&mut self, field: &str, length: u64) -> Result<&'a [u8], ReadError> {
        let end = usize::try_from(length).ok().and_then(|length| self.at.checked_add(length));
        let Some(taken) = end.and_then(|end| self.bytes.get(self.at..end)) else {
            return Err(self.short(field, length));
        };
        self.at += taken.len();
        Ok(taken)
    }

    /// The next `N` bytes.
    pub(crate) fn array<const N: usize>(&mut self, field: &str) -> Result<[u8; N], ReadError> {
        let taken = self.take(field, N as u64)?;
        taken.try_into().map_err(|_| self.short(field, N as u64))
    }

    /// Refuses a `count` of things of at least `least` bytes that cannot all be in the file.
    pub(crate) fn plausible(&self, field: &str, count: u64, least: u64) -> Result<(), ReadError> {
        let wanted = count.saturating_mul(least);
        if wanted > self.left() {
            return Err(self.short(&format!("{field} ({count})"), wanted));
        }
        Ok(())
    }
}
