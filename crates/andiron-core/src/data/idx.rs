//! The idx format: arrays of bytes with a shape, as MNIST and Fashion-MNIST come.
//!
//! Source: LeCun, Cortes & Burges, <http://yann.lecun.com/exdb/mnist/>. A header of two zero
//! bytes, the element type (8: unsigned byte), the number of axes, and each extent as a big-endian
//! 32-bit number; then the elements, row-major.
//!
//! ```
//! use andiron_core::data::idx;
//!
//! let bytes = [0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6];
//! let array = idx::parse(&bytes)?;
//! assert_eq!(array.shape(), [2, 3]);
//! assert_eq!(array.item(1), [4, 5, 6]);
//! # Ok::<(), andiron_core::DataError>(())
//! ```

use crate::DataError;
use flate2::bufread::MultiGzDecoder;
use std::{
    fs::File,
    io::{BufRead, BufReader, Read},
    path::Path,
};

/// The most elements that are read: an array of them fits the memory of a small machine.
const MOST: u64 = 1 << 32;

/// The largest file that [`read`] reads, in bytes, after unpacking.
const MOST_BYTES: u64 = 1 << 30;

/// An array of bytes with a shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdxArray {
    shape: Vec<usize>,
    values: Vec<u8>,
}

impl IdxArray {
    /// The extents, outermost first.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// How many items the outermost axis has.
    pub fn len(&self) -> usize {
        self.shape[0]
    }

    /// Whether there is no item.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Item `index` of the outermost axis, flattened.
    pub fn item(&self, index: usize) -> &[u8] {
        let width: usize = self.shape[1..].iter().product();
        &self.values[index * width..(index + 1) * width]
    }
}

/// Reads an idx file, gzipped or not: its first two bytes tell.
///
/// # Errors
/// As [`parse`]; [`DataError::Io`] if the file cannot be read, [`DataError::Decode`] for damaged
/// gzip data, [`DataError::TooLarge`] for a file that is, or unpacks to, more than a gibibyte.
pub fn read(path: &Path) -> Result<IdxArray, DataError> {
    let mut file =
        File::open(path).map(BufReader::new).map_err(|source| DataError::io(path, source))?;
    let start = file.fill_buf().map_err(|source| DataError::io(path, source))?;
    let zipped = start.starts_with(&[0x1f, 0x8b]);
    let mut bytes = Vec::new();
    let taken = if zipped {
        MultiGzDecoder::new(file).take(MOST_BYTES + 1).read_to_end(&mut bytes)
    } else {
        file.take(MOST_BYTES + 1).read_to_end(&mut bytes)
    };
    match taken {
        Err(error) if zipped => Err(DataError::Decode {
            what: format!("{} (gzip)", path.display()),
            reason: error.to_string(),
        }),
        Err(source) => Err(DataError::io(path, source)),
        Ok(read) if read as u64 > MOST_BYTES => {
            let (what, limit) = ("the idx file in bytes", MOST_BYTES);
            Err(DataError::TooLarge { what, limit, got: read as u64 })
        }
        Ok(_) => parse(&bytes).map_err(|error| match error {
            DataError::Decode { what, reason } => {
                DataError::Decode { what: format!("{} ({what})", path.display()), reason }
            }
            other => other,
        }),
    }
}

/// Reads an idx file's bytes.
///
/// # Errors
/// [`DataError::Decode`] for a wrong header, another element type than unsigned bytes, a file that
/// is too short or too long for its shape; [`DataError::TooLarge`] over four thousand million
/// elements.
pub fn parse(bytes: &[u8]) -> Result<IdxArray, DataError> {
    let decode = |reason: String| DataError::Decode { what: "idx array".to_owned(), reason };
    let (kind, axes) = match bytes {
        [0, 0, kind, axes, ..] => (*kind, usize::from(*axes)),
        _ => {
            return Err(decode(
                "it must begin with two zero bytes, a type and a number of axes".to_owned(),
            ));
        }
    };
    if kind != 8 {
        return Err(decode(format!("element type {kind} is not 8 (unsigned byte)")));
    }
    let body = 4 + 4 * axes;
    if axes == 0 || bytes.len() < body {
        return Err(decode(format!("{} bytes are too few for {axes} axes", bytes.len())));
    }
    let extents: Vec<u64> = bytes[4..body]
        .chunks_exact(4)
        .map(|extent| u64::from(u32::from_be_bytes([extent[0], extent[1], extent[2], extent[3]])))
        .collect();
    // An extent of zero must not hide that the others are beyond all counting.
    let largest = extents
        .iter()
        .try_fold(1u64, |product, extent| product.checked_mul((*extent).max(1)))
        .unwrap_or(u64::MAX);
    if largest > MOST {
        return Err(DataError::TooLarge {
            what: "the number of elements",
            limit: MOST,
            got: largest,
        });
    }
    let elements: u64 = extents.iter().product();
    let found = (bytes.len() - body) as u64;
    if found != elements {
        return Err(decode(format!(
            "{found} elements follow, but the shape {extents:?} has {elements}"
        )));
    }
    let shape = extents.into_iter().map(|extent| extent as usize).collect();
    Ok(IdxArray { shape, values: bytes[body..].to_vec() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use flate2::{Compression, write::GzEncoder};
    use proptest::prelude::*;
    use std::io::Write as _;

    #[test]
    fn gzipped_or_not_the_array_is_the_same() {
        let bytes = [0, 0, 8, 2, 0, 0, 0, 2, 0, 0, 0, 3, 1, 2, 3, 4, 5, 6];
        let mut zip = GzEncoder::new(Vec::new(), Compression::fast());
        zip.write_all(&bytes).unwrap();
        let zipped = zip.finish().unwrap();
        let dir = tempfile::tempdir().unwrap();
        let (plain_path, zip_path) = (dir.path().join("a"), dir.path().join("a.gz"));
        std::fs::write(&plain_path, bytes).unwrap();
        std::fs::write(&zip_path, &zipped).unwrap();
        assert_eq!(read(&plain_path).unwrap(), parse(&bytes).unwrap());
        assert_eq!(read(&zip_path).unwrap(), parse(&bytes).unwrap());

        std::fs::write(&zip_path, &zipped[..zipped.len() - 9]).unwrap();
        let cut = read(&zip_path).map_err(|error| error.to_string());
        assert!(cut.is_err_and(|text| text.contains("a.gz (gzip) cannot be decoded")));
        let missing = read(&dir.path().join("b"));
        assert!(matches!(missing, Err(DataError::Io { .. })));
    }

    proptest! {
        #[test]
        fn anything_is_read_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn what_is_written_is_read(rows in 0usize..5, columns in 0usize..7) {
            let mut bytes = vec![0, 0, 8, 2, 0, 0, 0, rows as u8, 0, 0, 0, columns as u8];
            let values: Vec<u8> = (0..rows * columns).map(|v| v as u8).collect();
            bytes.extend(&values);
            let array = parse(&bytes).map_err(|e| TestCaseError::fail(e.to_string()))?;
            prop_assert_eq!(array.shape(), [rows, columns]);
            for row in 0..rows {
                prop_assert_eq!(array.item(row), &values[row * columns..(row + 1) * columns]);
            }
            bytes.push(0);
            prop_assert!(parse(&bytes).is_err());
        }
    }

    #[test]
    fn a_huge_shape_costs_no_memory() {
        let bytes = [0, 0, 8, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255];
        assert!(matches!(parse(&bytes), Err(DataError::TooLarge { .. })));
        let mut none = vec![0, 0, 8, 4, 0, 0, 0, 0];
        none.extend([255; 12]);
        assert!(matches!(parse(&none), Err(DataError::TooLarge { .. })));
    }

    #[test]
    fn other_types_are_refused() {
        let refused = parse(&[0, 0, 13, 1, 0, 0, 0, 0]).map_err(|e| e.to_string());
        assert_eq!(
            refused,
            Err("idx array cannot be decoded: element type 13 is not 8 (unsigned byte)".to_owned())
        );
    }
}
