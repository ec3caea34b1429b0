//! Examples, where they come from, and how they are split.

pub mod folder;
pub mod idx;
mod order;
mod split;
pub mod table;

pub use order::Order;
pub use split::{Fractions, split, split_by_group, split_stratified};

use crate::{DataError, Registered, Task};
use serde_json::Value;
use std::marker::PhantomData;

/// One input with what should come out.
#[derive(Debug, Clone, PartialEq, serde::Serialize, serde::Deserialize)]
pub struct Example<I, Y> {
    /// What the model sees.
    pub input: I,
    /// What it should answer.
    pub target: Y,
}

/// The examples of a task.
pub type ExampleOf<T> = Example<<T as Task>::Input, <T as Task>::Target>;

/// Examples by position; read when asked for, so that a data set may be larger than memory.
pub trait Dataset<E>: Send + Sync {
    /// How many examples there are.
    fn len(&self) -> usize;

    /// The example at `index`, which is below [`len`](Self::len). The same index gives the same
    /// example at every call.
    ///
    /// # Errors
    /// [`DataError`] if its file cannot be read or decoded.
    fn get(&self, index: usize) -> Result<E, DataError>;

    /// Whether there is no example.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<E: Clone + Send + Sync> Dataset<E> for Vec<E> {
    fn len(&self) -> usize {
        self.as_slice().len()
    }
    fn get(&self, index: usize) -> Result<E, DataError> {
        Ok(self[index].clone())
    }
}

/// Some examples of a data set: a split, a sample.
pub struct Subset<'a, E> {
    data: &'a dyn Dataset<E>,
    indices: Vec<usize>,
}

impl<'a, E> Subset<'a, E> {
    /// The examples of `data` at `indices`, in that order.
    pub fn new(data: &'a dyn Dataset<E>, indices: Vec<usize>) -> Self {
        Self { data, indices }
    }
}

impl<E> Dataset<E> for Subset<'_, E> {
    fn len(&self) -> usize {
        self.indices.len()
    }
    fn get(&self, index: usize) -> Result<E, DataError> {
        self.data.get(self.indices[index])
    }
}

/// What a program or a service holds in its hand before a task has read it.
#[derive(Debug, Clone, Copy)]
pub enum Raw<'a> {
    /// A line of JSON.
    Json(&'a Value),
    /// The bytes of a file.
    Bytes(&'a [u8]),
    /// Numbers with a shape, row-major.
    Array {
        /// The extents, outermost first.
        shape: &'a [usize],
        /// The numbers.
        data: &'a [f32],
    },
}

impl Raw<'_> {
    /// What it is, for an error message.
    pub fn kind(&self) -> &'static str {
        match self {
            Raw::Json(_) => "JSON",
            Raw::Bytes(_) => "bytes",
            Raw::Array { .. } => "an array",
        }
    }
}

/// What belongs to a line of data beside its fields.
#[derive(Debug, Clone, Default, PartialEq)]
pub enum Media {
    /// Nothing: the input stands in the line itself.
    #[default]
    None,
    /// The content of the file that the line names.
    Bytes(Vec<u8>),
    /// Numbers with a shape, row-major.
    Array {
        /// The extents, outermost first.
        shape: Vec<usize>,
        /// The numbers.
        data: Vec<f32>,
    },
}

/// One line of a data set that no task has read yet.
#[derive(Debug, Clone, Default)]
pub struct Record {
    /// The line: an object.
    pub line: Value,
    /// What the line's input is read from, where it is not the line itself.
    pub media: Media,
    /// Where it comes from, for an error message.
    pub name: Option<String>,
    /// Whether an input over the model's length is cut, as in training, and not refused; for tasks
    /// that cut ([`Registered::CUT`]).
    pub cut: bool,
}

impl Record {
    /// What a task reads its input from.
    pub fn raw(&self) -> Raw<'_> {
        match &self.media {
            Media::None => Raw::Json(&self.line),
            Media::Bytes(bytes) => Raw::Bytes(bytes),
            Media::Array { shape, data } => Raw::Array { shape, data },
        }
    }
}

/// A data set of records seen as the examples of a task.
pub struct Typed<'a, T> {
    records: &'a dyn Dataset<Record>,
    task: PhantomData<fn() -> T>,
}

impl<'a, T: Registered> Typed<'a, T> {
    /// Reads `records` as examples of `T`, one at a time, when they are asked for.
    pub fn new(records: &'a dyn Dataset<Record>) -> Self {
        Self { records, task: PhantomData }
    }
}

impl<T: Registered> Dataset<ExampleOf<T>> for Typed<'_, T> {
    fn len(&self) -> usize {
        self.records.len()
    }
    fn get(&self, index: usize) -> Result<ExampleOf<T>, DataError> {
        let record = self.records.get(index)?;
        let read = || {
            let input = T::read(record.raw())?;
            let example = Example { input, target: T::target(&record.line)? };
            Ok(match T::CUT {
                Some(cut) if record.cut => cut(example),
                _ => example,
            })
        };
        read().map_err(|error: DataError| error.at(index, record.name.as_deref()))
    }
}

/// Every example, in order.
///
/// # Errors
/// The first example that cannot be read.
pub fn all<E>(data: &dyn Dataset<E>) -> Result<Vec<E>, DataError> {
    (0..data.len()).map(|index| data.get(index)).collect()
}

/// The text in field `name` of a line.
///
/// # Errors
/// [`DataError::Field`] if the field is missing or holds no text.
pub fn text_field(line: &Value, name: &str) -> Result<String, DataError> {
    match line.get(name) {
        Some(Value::String(text)) => Ok(text.clone()),
        other => Err(DataError::Field {
            field: name.to_owned(),
            wanted: "a text",
            got: other.map_or_else(|| "missing".to_owned(), shortened),
        }),
    }
}

/// A value as JSON, cut to forty characters for an error message.
pub fn shortened(value: &Value) -> String {
    let text = value.to_string();
    match text.char_indices().nth(40) {
        Some((end, _)) => format!("{}…", &text[..end]),
        None => text,
    }
}
