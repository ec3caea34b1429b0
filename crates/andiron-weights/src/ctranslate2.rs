//! CTranslate2's `model.bin`: the variables of a network and a name for its kind, in one file.
//!
//! Binary versions 4 to 6, little endian. There is no specification; the layout is that of
//! `ctranslate2/src/models/model.cc`. A string is a length in two bytes, counting the zero byte that
//! ends it; then come
//!
//! ```text
//! u32 version, string kind, u32 revision of the kind, u32 number of variables,
//! for each  string name, u8 rank, u32 × rank extents, u8 type, u32 bytes, the bytes
//! u32 number of aliases, for each  string alias, string name
//! ```
//!
//! ```
//! use andiron_core::weights::Source;
//! use andiron_weights::ctranslate2::CTranslate2;
//!
//! # let mut bytes = b"\x06\0\0\0\x0c\0WhisperSpec\0\x03\0\0\0\x02\0\0\0".to_vec();
//! # bytes.extend(b"\x02\0w\0\x01\x02\0\0\0\0\x08\0\0\0\0\0\0\x3f\0\0\x80\xbf");
//! # bytes.extend(b"\x02\0n\0\0\x02\x02\0\0\0\x06\0\0\0\0\0");
//! let file = CTranslate2::from_bytes(bytes, "model.bin")?; // or CTranslate2::open(path)
//! assert_eq!((file.kind(), file.revision()), ("WhisperSpec", 3));
//! assert_eq!(file.read("w")?.as_slice::<f32>()?, [0.5, -1.0]);
//! assert_eq!(file.integer("n")?, Some(6));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

use crate::{
    Precision, ReadError,
    cursor::Cursor,
    floats::{Float, elements},
    map::Bytes,
    once,
};
use andiron_core::{
    WeightsError,
    weights::{Entry, Source},
};
use burn::tensor::TensorData;
use std::{
    collections::BTreeMap,
    ops::Range,
    path::{Path, PathBuf},
};

/// The versions whose layout is the one above.
const VERSIONS: std::ops::RangeInclusive<u32> = 4..=6;
/// CTranslate2 knows no tensor of more.
const MAX_DIMENSIONS: u8 = 8;
/// The shortest variable: an empty name, rank 0, type, number of bytes.
const LEAST_VARIABLE: u64 = 2 + 1 + 1 + 4;
/// The shortest alias: two empty names.
const LEAST_ALIAS: u64 = 2 + 2;

/// An element type: its name, and the bytes of an element.
const TYPES: [(&str, usize); 6] =
    [("F32", 4), ("I8", 1), ("I16", 2), ("I32", 4), ("F16", 2), ("BF16", 2)];

/// A variable as the file describes it; that it lies in the file was checked.
#[derive(Debug)]
struct Variable {
    shape: Vec<usize>,
    /// A number of [`TYPES`].
    kind: usize,
    range: Range<usize>,
}

/// A `model.bin`: a [`Source`] of its variables under the file's names. Integers are listed, and are
/// not read as tensors; aliases are not listed.
#[derive(Debug)]
pub struct CTranslate2 {
    path: PathBuf,
    bytes: Bytes,
    kind: String,
    revision: u32,
    variables: BTreeMap<String, Variable>,
    aliases: BTreeMap<String, String>,
    precision: Precision,
}

impl CTranslate2 {
    /// Maps the file `path` and reads what it says of its variables.
    ///
    /// # Errors
    /// [`ReadError`] names the field that is wrong.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, ReadError> {
        Self::parse(Bytes::map(path.as_ref())?, path.as_ref())
    }

    /// As [`Self::open`], from the bytes of the file `path`.
    ///
    /// # Errors
    /// [`ReadError`] names the field that is wrong.
    pub fn from_bytes(bytes: Vec<u8>, path: impl AsRef<Path>) -> Result<Self, ReadError> {
        Self::parse(Bytes::Owned(bytes), path.as_ref())
    }

    fn parse(bytes: Bytes, path: &Path) -> Result<Self, ReadError> {
        let mut cursor = Cursor::new(&bytes, path, "the header");
        let version = cursor.u32("version")?;
        if !VERSIONS.contains(&version) {
            return Err(cursor.wrong("version", "4 to 6", version));
        }
        let kind = cursor.string("kind")?;
        let revision = cursor.u32("revision")?;
        let n_variables = cursor.u32("number of variables")?;
        cursor.plausible("number of variables", u64::from(n_variables), LEAST_VARIABLE)?;
        let mut variables = BTreeMap::new();
        for number in 0..n_variables {
            cursor.within = format!("variable {number}");
            let name = cursor.string("name")?;
            cursor.within = format!("variable {name:?}");
            let variable = cursor.variable()?;
            once::insert(&mut variables, name, variable, "variable", path)?;
        }
        cursor.within = "the aliases".to_owned();
        let n_aliases = cursor.u32("number")?;
        cursor.plausible("number", u64::from(n_aliases), LEAST_ALIAS)?;
        let mut aliases = BTreeMap::new();
        for number in 0..n_aliases {
            cursor.within = format!("alias {number}");
            let alias = cursor.string("name")?;
            let of = cursor.string("variable")?;
            if !variables.contains_key(&of) {
                return Err(cursor.wrong("variable", "one that is there", format!("{of:?}")));
            }
            if variables.contains_key(&alias) {
                let (path, what) = (path.into(), "variable");
                return Err(ReadError::Twice { path, what, name: alias });
            }
            once::insert(&mut aliases, alias, of, "alias", path)?;
        }
        if cursor.left() > 0 {
            return Err(cursor.wrong(
                "end",
                "the end of the file",
                format!("{} bytes before it", cursor.left()),
            ));
        }
        let path = path.to_owned();
        let precision = Precision::default();
        Ok(Self { path, bytes, kind, revision, variables, aliases, precision })
    }

    /// What becomes of half-precision numbers; [`Precision::Single`] if this is not called.
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// The kind of network, as `WhisperSpec`.
    pub fn kind(&self) -> &str {
        &self.kind
    }

    /// The revision of that kind's layout.
    pub fn revision(&self) -> u32 {
        self.revision
    }

    /// The variable that `alias` is another name for.
    pub fn alias(&self, alias: &str) -> Option<&str> {
        self.aliases.get(alias).map(String::as_str)
    }

    /// A setting that stands among the variables: one integer. None if there is no such variable.
    ///
    /// # Errors
    /// [`ReadError::Field`] if it is no single integer.
    pub fn integer(&self, name: &str) -> Result<Option<i64>, ReadError> {
        let Some(variable) = self.variables.get(name) else { return Ok(None) };
        let bytes = self.bytes.get(variable.range.clone()).unwrap_or_default();
        let value = match (TYPES[variable.kind].0, bytes) {
            ("I8", [one]) => i64::from(i8::from_le_bytes([*one])),
            ("I16", [a, b]) => i64::from(i16::from_le_bytes([*a, *b])),
            ("I32", [a, b, c, d]) => i64::from(i32::from_le_bytes([*a, *b, *c, *d])),
            (kind, bytes) => {
                return Err(ReadError::Field {
                    path: self.path.clone(),
                    field: format!("variable {name:?}"),
                    wanted: "one integer",
                    got: format!("{} bytes of {kind}", bytes.len()),
                });
            }
        };
        Ok(Some(value))
    }
}

impl Cursor<'_> {
    fn u32(&mut self, field: &str) -> Result<u32, ReadError> {
        Ok(u32::from_le_bytes(self.array(field)?))
    }

    fn string(&mut self, field: &str) -> Result<String, ReadError> {
        let length = u16::from_le_bytes(self.array(field)?);
        let bytes = self.take(field, u64::from(length))?;
        let Some((0, text)) = bytes.split_last().map(|(last, text)| (*last, text)) else {
            return Err(self.wrong(field, "ended by a zero byte", "not"));
        };
        match std::str::from_utf8(text) {
            Ok(text) => Ok(text.to_owned()),
            Err(error) => Err(self.wrong(field, "UTF-8", error)),
        }
    }

    fn variable(&mut self) -> Result<Variable, ReadError> {
        let [rank] = self.array("rank")?;
        if rank > MAX_DIMENSIONS {
            return Err(self.wrong("rank", "at most 8", rank));
        }
        let mut shape = Vec::new();
        for _ in 0..rank {
            shape.push(self.u32("shape")? as usize);
        }
        let [kind] = self.array("type")?;
        let Some((_, size)) = TYPES.get(usize::from(kind)) else {
            return Err(self.wrong("type", "0 to 5", kind));
        };
        let length = self.u32("number of bytes")?;
        let wanted = elements(&shape).and_then(|elements| elements.checked_mul(*size));
        if wanted != Some(length as usize) {
            let got = format!("{length} bytes for {shape:?}");
            return Err(self.wrong("number of bytes", "that of the shape", got));
        }
        let from = self.at;
        self.take("values", u64::from(length))?;
        Ok(Variable { shape, kind: usize::from(kind), range: from..self.at })
    }
}

impl Variable {
    fn float(&self) -> Option<Float> {
        match TYPES[self.kind].0 {
            "F32" => Some(Float::F32),
            "F16" => Some(Float::F16),
            "BF16" => Some(Float::BF16),
            _ => None,
        }
    }
}

impl Source for CTranslate2 {
    fn path(&self) -> &Path {
        &self.path
    }

    fn names(&self) -> Vec<String> {
        self.variables.keys().cloned().collect()
    }

    fn entry(&self, name: &str) -> Option<Entry> {
        let variable = self.variables.get(name)?;
        let (shape, dtype) = (variable.shape.clone(), TYPES[variable.kind].0.to_owned());
        Some(Entry { shape, dtype, readable: variable.float().is_some() })
    }

    fn read(&self, name: &str) -> Result<TensorData, WeightsError> {
        let (path, called) = (self.path.clone(), name.to_owned());
        let Some(variable) = self.variables.get(name) else {
            return Err(ReadError::NoTensor { path, name: called }.into());
        };
        let bytes = self.bytes.get(variable.range.clone());
        let read = variable.float().zip(bytes);
        let data =
            read.and_then(|(float, bytes)| float.data(bytes, &variable.shape, self.precision));
        let dtype = TYPES[variable.kind].0.to_owned();
        data.ok_or(ReadError::NotRead { path, name: called, dtype }.into())
    }
}
