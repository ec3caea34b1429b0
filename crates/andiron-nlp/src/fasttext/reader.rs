//! Numbers and bytes of a file whose sizes are not believed.

use super::FastTextError;
use std::io::{self, BufRead, BufReader, Read};

/// Numbers are read in pieces of this many bytes.
const PIECE: usize = 1 << 16;

/// Little-endian numbers from a stream of known length.
pub(super) struct Reader<R> {
    from: BufReader<R>,
    left: u64,
}

impl<R: Read> Reader<R> {
    pub(super) fn new(from: R, length: u64) -> Self {
        Self { from: BufReader::new(from), left: length }
    }

    /// Takes `wanted` bytes off what is left, before any memory is taken for them.
    fn claim(&mut self, wanted: u64, what: &'static str) -> Result<(), FastTextError> {
        match self.left.checked_sub(wanted) {
            Some(left) => {
                self.left = left;
                Ok(())
            }
            None => Err(FastTextError::Truncated { what, wanted, left: self.left }),
        }
    }

    fn fill(&mut self, buffer: &mut [u8], what: &'static str) -> Result<(), FastTextError> {
        self.from.read_exact(buffer).map_err(|source| match source.kind() {
            io::ErrorKind::UnexpectedEof => {
                FastTextError::Truncated { what, wanted: buffer.len() as u64, left: 0 }
            }
            _ => FastTextError::Stream { source },
        })
    }

    fn array<const N: usize>(&mut self, what: &'static str) -> Result<[u8; N], FastTextError> {
        let mut bytes = [0; N];
        self.claim(N as u64, what)?;
        self.fill(&mut bytes, what)?;
        Ok(bytes)
    }

    pub(super) fn i32(&mut self, what: &'static str) -> Result<i32, FastTextError> {
        Ok(i32::from_le_bytes(self.array(what)?))
    }

    pub(super) fn i64(&mut self, what: &'static str) -> Result<i64, FastTextError> {
        Ok(i64::from_le_bytes(self.array(what)?))
    }

    pub(super) fn byte(&mut self, what: &'static str) -> Result<u8, FastTextError> {
        let [byte] = self.array(what)?;
        Ok(byte)
    }

    pub(super) fn flag(&mut self, what: &'static str) -> Result<bool, FastTextError> {
        match self.byte(what)? {
            0 => Ok(false),
            1 => Ok(true),
            got => Err(FastTextError::Value { what, got: i64::from(got) }),
        }
    }

    /// A number of 32 bits that counts something.
    pub(super) fn size32(&mut self, what: &'static str) -> Result<usize, FastTextError> {
        let got = self.i32(what)?;
        usize::try_from(got).map_err(|_| FastTextError::Value { what, got: i64::from(got) })
    }

    /// A number of 64 bits that counts something.
    pub(super) fn size64(&mut self, what: &'static str) -> Result<usize, FastTextError> {
        let got = self.i64(what)?;
        usize::try_from(got).map_err(|_| FastTextError::Value { what, got })
    }

    pub(super) fn bytes(&mut self, n: usize, what: &'static str) -> Result<Vec<u8>, FastTextError> {
        self.claim(n as u64, what)?;
        let mut bytes = vec![0; n];
        self.fill(&mut bytes, what)?;
        Ok(bytes)
    }

    /// `n` finite numbers of single precision.
    pub(super) fn floats(
        &mut self,
        n: usize,
        what: &'static str,
    ) -> Result<Vec<f32>, FastTextError> {
        self.claim((n as u64).saturating_mul(4), what)?;
        let mut numbers = Vec::with_capacity(n);
        let mut piece = vec![0; PIECE.min(4 * n)];
        while numbers.len() < n {
            let take = piece.len().min(4 * (n - numbers.len()));
            self.fill(&mut piece[..take], what)?;
            let (words, _) = piece[..take].as_chunks::<4>();
            numbers.extend(words.iter().map(|word| f32::from_le_bytes(*word)));
        }
        if numbers.iter().all(|number| number.is_finite()) {
            Ok(numbers)
        } else {
            Err(FastTextError::NotFinite { what })
        }
    }

    /// Bytes up to a zero byte, which is not part of them.
    pub(super) fn word(&mut self) -> Result<Vec<u8>, FastTextError> {
        let what = "an entry of the dictionary";
        let mut bytes = Vec::new();
        let limited = &mut self.from;
        let mut limited = limited.take(self.left);
        limited.read_until(0, &mut bytes).map_err(|source| FastTextError::Stream { source })?;
        self.claim(bytes.len() as u64, what)?;
        if bytes.pop() != Some(0) {
            return Err(FastTextError::Truncated { what, wanted: 1, left: self.left });
        }
        Ok(bytes)
    }

    /// How many bytes are left.
    pub(super) fn left(&self) -> u64 {
        self.left
    }

    pub(super) fn finish(self) -> Result<(), FastTextError> {
        match self.left {
            0 => Ok(()),
            left => Err(FastTextError::Surplus { left }),
        }
    }
}
