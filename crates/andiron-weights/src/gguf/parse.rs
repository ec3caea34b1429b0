//! The head of a GGUF file: metadata and the list of tensors. Nothing that the file says of itself
//! is believed before the bytes are there, and no memory is taken for what is not.

use super::{Array, ElementType, Info, Value};
use crate::{ReadError, cursor::Cursor, floats, once};
use std::{collections::BTreeMap, ops::Range, path::Path};

/// ggml's own limit.
const MAX_DIMENSIONS: u32 = 4;
/// The shortest metadata: length of an empty key, type, one byte.
const LEAST_METADATA: u64 = 8 + 4 + 1;
/// The shortest tensor: length of an empty name, rank 0, type, offset.
const LEAST_TENSOR: u64 = 8 + 4 + 4 + 8;
/// Where tensors may begin, if the metadata does not say.
const ALIGNMENT: u32 = 32;

/// What stands before the tensors' values.
pub(super) struct Header {
    pub(super) version: u32,
    pub(super) metadata: BTreeMap<String, Value>,
    pub(super) tensors: BTreeMap<String, Info>,
}

/// Reads the head of the file `bytes`, and checks that every tensor lies in it.
pub(super) fn header(bytes: &[u8], path: &Path) -> Result<Header, ReadError> {
    let mut reader = Cursor::new(bytes, path, "the header");
    let magic = bytes.get(..4).unwrap_or(bytes);
    if magic != b"GGUF" {
        return Err(ReadError::Magic { path: path.into(), got: magic.to_vec() });
    }
    reader.at = 4;
    let version = u32::from_le_bytes(reader.array("version")?);
    if !matches!(version, 2 | 3) {
        return Err(ReadError::Version { path: path.into(), got: version });
    }
    let n_tensors = reader.u64("number of tensors")?;
    let n_metadata = reader.u64("number of metadata")?;
    reader.plausible("number of metadata", n_metadata, LEAST_METADATA)?;
    reader.plausible("number of tensors", n_tensors, LEAST_TENSOR)?;

    let mut metadata = BTreeMap::new();
    for number in 0..n_metadata {
        reader.within = format!("metadata {number}");
        let key = reader.text("key")?;
        reader.within = format!("metadata {key:?}");
        let kind = u32::from_le_bytes(reader.array("type")?);
        let value = reader.value(kind)?;
        once::insert(&mut metadata, key, value, "metadata key", path)?;
    }
    let mut described = Vec::new();
    for number in 0..n_tensors {
        reader.within = format!("tensor {number}");
        let name = reader.text("name")?;
        reader.within = format!("tensor {name:?}");
        described.push((name, reader.description()?));
    }
    let alignment = alignment(&metadata, path)?;
    let start = (reader.at as u64).next_multiple_of(alignment);
    let mut tensors = BTreeMap::new();
    for (name, description) in described {
        reader.within = format!("tensor {name:?}");
        let info = reader.place(description, start, alignment)?;
        once::insert(&mut tensors, name, info, "tensor", path)?;
    }
    Ok(Header { version, metadata, tensors })
}

fn alignment(metadata: &BTreeMap<String, Value>, path: &Path) -> Result<u64, ReadError> {
    match metadata.get("general.alignment") {
        None => Ok(u64::from(ALIGNMENT)),
        Some(Value::U32(bytes)) if bytes.is_power_of_two() => Ok(u64::from(*bytes)),
        Some(other) => Err(ReadError::Field {
            path: path.into(),
            field: "metadata \"general.alignment\"".to_owned(),
            wanted: "a power of two of 32 bits",
            got: format!("{other:?}").chars().take(60).collect(),
        }),
    }
}

/// A tensor as it stands in the list.
struct Description {
    shape: Vec<usize>,
    kind: ElementType,
    offset: u64,
}

impl Cursor<'_> {
    fn u64(&mut self, field: &str) -> Result<u64, ReadError> {
        Ok(u64::from_le_bytes(self.array(field)?))
    }

    fn text(&mut self, field: &str) -> Result<String, ReadError> {
        let length = self.u64(field)?;
        let bytes = self.take(field, length)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(error) => Err(self.wrong(field, "UTF-8", error)),
        }
    }

    fn truth(&self, byte: u8) -> Result<bool, ReadError> {
        match byte {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(self.wrong("truth value", "0 or 1", other)),
        }
    }

    fn value(&mut self, kind: u32) -> Result<Value, ReadError> {
        let field = "value";
        Ok(match kind {
            0 => Value::U8(u8::from_le_bytes(self.array(field)?)),
            1 => Value::I8(i8::from_le_bytes(self.array(field)?)),
            2 => Value::U16(u16::from_le_bytes(self.array(field)?)),
            3 => Value::I16(i16::from_le_bytes(self.array(field)?)),
            4 => Value::U32(u32::from_le_bytes(self.array(field)?)),
            5 => Value::I32(i32::from_le_bytes(self.array(field)?)),
            6 => Value::F32(f32::from_le_bytes(self.array(field)?)),
            7 => {
                let [byte] = self.array(field)?;
                Value::Bool(self.truth(byte)?)
            }
            8 => Value::Text(self.text(field)?),
            9 => Value::Array(self.values()?),
            10 => Value::U64(u64::from_le_bytes(self.array(field)?)),
            11 => Value::I64(i64::from_le_bytes(self.array(field)?)),
            12 => Value::F64(f64::from_le_bytes(self.array(field)?)),
            other => return Err(self.wrong("type", "0 to 12", other)),
        })
    }

    fn values(&mut self) -> Result<Array, ReadError> {
        let kind = u32::from_le_bytes(self.array("type of the elements")?);
        let count = self.u64("number of elements")?;
        Ok(match kind {
            0 => Array::U8(self.numbers(count, u8::from_le_bytes)?),
            1 => Array::I8(self.numbers(count, i8::from_le_bytes)?),
            2 => Array::U16(self.numbers(count, u16::from_le_bytes)?),
            3 => Array::I16(self.numbers(count, i16::from_le_bytes)?),
            4 => Array::U32(self.numbers(count, u32::from_le_bytes)?),
            5 => Array::I32(self.numbers(count, i32::from_le_bytes)?),
            6 => Array::F32(self.numbers(count, f32::from_le_bytes)?),
            7 => {
                let bytes = self.take("elements", count)?;
                let truths: Result<_, _> = bytes.iter().map(|byte| self.truth(*byte)).collect();
                Array::Bool(truths?)
            }
            8 => {
                self.plausible("texts", count, 8)?;
                // Grows with what is read: a text takes more memory than its least length here.
                let mut texts = Vec::new();
                for _ in 0..count {
                    texts.push(self.text("text")?);
                }
                Array::Text(texts)
            }
            10 => Array::U64(self.numbers(count, u64::from_le_bytes)?),
            11 => Array::I64(self.numbers(count, i64::from_le_bytes)?),
            12 => Array::F64(self.numbers(count, f64::from_le_bytes)?),
            other => return Err(self.wrong("type of the elements", "0 to 8 or 10 to 12", other)),
        })
    }

    fn numbers<const N: usize, T>(
        &mut self,
        count: u64,
        number: fn([u8; N]) -> T,
    ) -> Result<Vec<T>, ReadError> {
        let bytes = self.take("elements", count.saturating_mul(N as u64))?;
        let (whole, _) = bytes.as_chunks::<N>();
        Ok(whole.iter().map(|chunk| number(*chunk)).collect())
    }

    fn description(&mut self) -> Result<Description, ReadError> {
        let rank = u32::from_le_bytes(self.array("rank")?);
        if rank > MAX_DIMENSIONS {
            return Err(self.wrong("rank", "at most 4", rank));
        }
        let mut shape = Vec::new();
        for _ in 0..rank {
            let extent = self.u64("shape")?;
            let fits = usize::try_from(extent);
            shape.push(fits.map_err(|_| self.wrong("shape", "a number of memory", extent))?);
        }
        let kind = ElementType::from_ggml(u32::from_le_bytes(self.array("type")?));
        let row = shape.first().copied().unwrap_or(1);
        if let Some((numbers, _)) = kind.block()
            && !row.is_multiple_of(numbers)
        {
            let got = format!("{row} of {kind}, in blocks of {numbers}");
            return Err(self.wrong("first extent", "whole blocks", got));
        }
        // ggml counts from the fastest dimension, PyTorch from the slowest.
        shape.reverse();
        Ok(Description { shape, kind, offset: self.u64("offset")? })
    }

    /// Where the tensor lies, when the values of all begin at `start`.
    fn place(&self, tensor: Description, start: u64, alignment: u64) -> Result<Info, ReadError> {
        let Description { shape, kind, offset } = tensor;
        if !offset.is_multiple_of(alignment) {
            return Err(self.wrong("offset", "a multiple of the alignment", offset));
        }
        let Some(elements) = floats::elements(&shape) else {
            return Err(self.wrong(
                "shape",
                "of a size that memory can hold",
                format!("{shape:?}"),
            ));
        };
        let length = match kind.block() {
            Some((numbers, bytes)) => (elements / numbers).saturating_mul(bytes) as u64,
            None => 0,
        };
        let from = start.saturating_add(offset);
        let range = self.inside(from, length, alignment).ok_or_else(|| ReadError::Short {
            path: self.path.into(),
            field: format!("the values of {}", self.within),
            at: from,
            wanted: length,
            left: (self.bytes.len() as u64).saturating_sub(from),
        })?;
        let range = kind.block().map(|_| range);
        Ok(Info { shape, kind, range })
    }

    /// The bytes of the file from `from` on; `None` if there are not so many.
    fn inside(&self, from: u64, length: u64, alignment: u64) -> Option<Range<usize>> {
        let end = self.bytes.len();
        // A tensor without values may stand behind the last byte, where padding would be.
        if length == 0 && from <= (end as u64).next_multiple_of(alignment) {
            return Some(end..end);
        }
        let from = usize::try_from(from).ok()?;
        let to = from.checked_add(usize::try_from(length).ok()?)?;
        (to <= end).then_some(from..to)
    }
}
