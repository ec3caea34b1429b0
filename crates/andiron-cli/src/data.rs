//! Examples from a table, a folder of class folders, or a pair of idx files.

use crate::{
    error::CliError,
    file::{path_field, read_file},
};
use andiron::{
    Attachment, DataError, Dataset, EvalError, Record, TaskEntry,
    data::{
        Media,
        folder::{self, ClassFile},
        idx::{self, IdxArray},
        table,
    },
    evaluator::Fingerprint,
    hash,
};
use serde::{Deserialize, Deserializer, de};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fmt, fs,
    path::{Path, PathBuf},
    sync::Arc,
};

/// The field that holds the target of a classification.
pub(crate) const LABEL: &str = "label";

/// The field that holds a file's name without folder and ending, for the files of a folder.
pub(crate) const STEM: &str = "file-stem";

/// Where examples come from.
#[derive(Debug, Clone)]
pub(crate) enum Source {
    /// A table (.csv, .tsv, .jsonl, .ndjson), a file or folder of a kind that the task reads, or a
    /// folder with a folder per class.
    Path(PathBuf),
    /// Images and their labels as idx files.
    Idx(IdxPair),
}

/// Images and their labels as idx files, gzipped or not.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct IdxPair {
    /// The images: `[images, height, width]` or `[images, height, width, 3]`.
    pub(crate) images: PathBuf,
    /// Their class numbers: `[images]`.
    pub(crate) labels: PathBuf,
    /// What the classes are called; their numbers by default.
    #[serde(default)]
    pub(crate) names: Vec<String>,
}

impl<'de> Deserialize<'de> for Source {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Source;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a path or { images, labels }")
            }
            fn visit_str<E: de::Error>(self, path: &str) -> Result<Source, E> {
                Ok(Source::Path(path.into()))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, map: A) -> Result<Source, A::Error> {
                IdxPair::deserialize(de::value::MapAccessDeserializer::new(map)).map(Source::Idx)
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// One example that no task has read yet.
#[derive(Debug)]
pub(crate) struct Entry {
    /// Its fields.
    pub(crate) line: Value,
    content: Content,
    /// Where it comes from.
    pub(crate) name: String,
}

#[derive(Debug)]
enum Content {
    /// The line is all there is.
    Line,
    /// The bytes of a file, read when asked for.
    File(PathBuf),
    /// An item of an array.
    Item(Arc<IdxArray>, usize),
}

impl Entry {
    /// The file, where it has one.
    pub(crate) fn file(&self) -> Option<&Path> {
        match &self.content {
            Content::File(path) => Some(path),
            _ => None,
        }
    }

    fn media(&self) -> Result<Media, DataError> {
        match &self.content {
            Content::Line => Ok(Media::None),
            Content::File(path) => read_file(path).map(Media::Bytes),
            Content::Item(array, index) => Ok(Media::Array {
                shape: array.shape()[1..].to_vec(),
                data: array.item(*index).iter().map(|byte| f32::from(*byte)).collect(),
            }),
        }
    }
}

/// Examples in order; media files are read when asked for.
#[derive(Debug, Clone, Default)]
pub(crate) struct Records {
    pub(crate) entries: Vec<Arc<Entry>>,
    /// The table that they come from, and its columns.
    table: Option<(PathBuf, Vec<String>)>,
    /// The folder that paths in the lines are relative to.
    folder: PathBuf,
    /// Whether inputs over the model's length are cut, where the task cuts.
    cut: bool,
    /// The field that stands in a file of its own, whose path the line says.
    attached: Option<Attachment>,
}

impl Dataset<Record> for Records {
    fn len(&self) -> usize {
        self.entries.len()
    }
    fn get(&self, index: usize) -> Result<Record, DataError> {
        let entry = &self.entries[index];
        let media = entry.media().map_err(|error| error.at(index, Some(&entry.name)))?;
        let (mut line, name) = (entry.line.clone(), Some(entry.name.clone()));
        if let Some((attachment, path)) = self.attachment(&line) {
            let read = read_file(&path).and_then(|bytes| (attachment.read)(&bytes));
            let read = read.map_err(|error| error.at(index, Some(&self.place(entry))))?;
            line[attachment.field] = read;
        }
        Ok(Record { line, media, name, cut: self.cut })
    }
}

impl Records {
    /// Reads what `source` names, relative to `base`.
    ///
    /// `columns` leads from a field's name to that of the table's column; the task says which field
    /// names a file, relative to the table's folder.
    pub(crate) fn read(
        source: &Source,
        base: &Path,
        columns: &BTreeMap<String, String>,
        task: &TaskEntry,
    ) -> Result<Self, CliError> {
        let records = match source {
            Source::Idx(pair) => from_idx(pair, base)?,
            Source::Path(path) => {
                let path = base.join(path);
                let found = fs::metadata(&path).map_err(|error| DataError::io(&path, error))?;
                match found.is_dir() {
                    true if !task.reads_folders() => from_folder(&path)?,
                    is_folder => from_table(&path, is_folder, columns, task)?,
                }
            }
        };
        if records.is_empty() {
            let what = match source {
                Source::Path(path) => base.join(path).display().to_string(),
                Source::Idx(pair) => base.join(&pair.images).display().to_string(),
            };
            return Err(DataError::Empty { what }.into());
        }
        Ok(records)
    }

    /// Those at `indices`, in that order.
    pub(crate) fn select(&self, indices: &[usize]) -> Self {
        let entries = indices.iter().map(|index| Arc::clone(&self.entries[*index])).collect();
        Self { entries, ..self.clone() }
    }

    /// The same examples, of whose lines a field stands in a file of its own.
    pub(crate) fn attaching(self, attached: Option<Attachment>) -> Self {
        Self { attached, ..self }
    }

    /// The file that a line names for the field that is kept in one, relative to the table.
    fn attachment(&self, line: &Value) -> Option<(Attachment, PathBuf)> {
        let attachment = self.attached?;
        let path = line.get(attachment.field)?.as_str()?;
        Some((attachment, self.folder.join(path)))
    }

    /// Where an example stands, with the file that its line names beside it.
    fn place(&self, entry: &Entry) -> String {
        match self.attachment(&entry.line) {
            Some((Attachment { field, .. }, path)) => {
                format!("{}, {field} {}", entry.name, path.display())
            }
            None => entry.name.clone(),
        }
    }

    /// The same examples, whose inputs are cut to the model's length, where the task cuts.
    pub(crate) fn cut(self) -> Self {
        Self { cut: true, ..self }
    }

    /// Says where the example comes from that an evaluation names by its number alone.
    pub(crate) fn located(&self, error: EvalError) -> EvalError {
        match error {
            EvalError::Data(error) => EvalError::Data(self.named(error)),
            error => error,
        }
    }

    /// As [`located`](Self::located), for an error of the data alone.
    pub(crate) fn named(&self, error: DataError) -> DataError {
        match error {
            DataError::Example { index, name: None, source } => {
                let name = self.entries.as_slice().get(index).map(|entry| self.place(entry));
                DataError::Example { index, name, source }
            }
            error => error,
        }
    }

    /// The label of each.
    pub(crate) fn labels(&self) -> Result<Vec<String>, DataError> {
        let label = |(index, entry): (usize, &Arc<Entry>)| match entry.line.get(LABEL) {
            Some(Value::String(label)) => Ok(label.clone()),
            Some(other) => Ok(other.to_string()),
            None => match &self.table {
                Some((path, found)) => Err(missing_column(path, LABEL, found)),
                None => Err(DataError::Field {
                    field: LABEL.to_owned(),
                    wanted: "a text",
                    got: "missing".to_owned(),
                }
                .at(index, Some(&entry.name))),
            },
        };
        self.entries.iter().enumerate().map(label).collect()
    }

    /// Adds each line, and the hash of its file or array, to a fingerprint.
    pub(crate) fn add_to(&self, fingerprint: &mut Fingerprint) -> Result<(), DataError> {
        self.entries.iter().enumerate().try_for_each(|(index, entry)| {
            let content = match &entry.content {
                Content::Line => None,
                Content::File(path) => Some(hash::sha256(&read_file(path)?)),
                Content::Item(array, item) => Some(hash::sha256(array.item(*item))),
            };
            let attached = match self.attachment(&entry.line) {
                Some((_, path)) => Some(hash::sha256(&read_file(&path)?)),
                None => None,
            };
            let add = fingerprint.add(&entry.line).and_then(|()| fingerprint.add(&content));
            let add = add.and_then(|()| attached.map_or(Ok(()), |hash| fingerprint.add(&hash)));
            add.map_err(|error| error.at(index, Some(&entry.name)))
        })
    }

    /// Says of a missing field that it is a missing column, where that is so.
    pub(crate) fn explain(&self, error: CliError) -> CliError {
        match (&self.table, crate::error::missing_field(&error)) {
            (Some((path, found)), Some(field)) if !found.iter().any(|name| name == field) => {
                missing_column(path, field, found).into()
            }
            _ => error,
        }
    }
}

fn missing_column(path: &Path, column: &str, found: &[String]) -> DataError {
    DataError::MissingColumn {
        path: path.to_owned(),
        column: column.to_owned(),
        found: found.to_vec(),
    }
}

/// A table, or a folder that the task reads as one.
fn from_table(
    path: &Path,
    is_folder: bool,
    columns: &BTreeMap<String, String>,
    task: &TaskEntry,
) -> Result<Records, CliError> {
    let rows = task.rows(path)?;
    let first = rows.first().and_then(|row| row.value.as_object());
    let found: Vec<String> = first.into_iter().flat_map(|row| row.keys().cloned()).collect();
    let folder = if is_folder { path } else { path.parent().unwrap_or(Path::new("")) };
    let mut entries = Vec::with_capacity(rows.len());
    for (index, table::Row { line, mut value }) in rows.into_iter().enumerate() {
        let name = format!("{}, line {line}", path.display());
        // All are read before any is written: one column's name may be another's field.
        let cell = |(field, column): (&String, &String)| {
            let cell = value.get(column).cloned();
            cell.map(|cell| (field.clone(), cell))
                .ok_or_else(|| missing_column(path, column, &found))
        };
        let cells = columns.iter().map(cell).collect::<Result<Vec<_>, _>>()?;
        for (field, cell) in cells {
            value[field] = cell;
        }
        let content = match task.media {
            None => Content::Line,
            Some(field) => {
                let file = path_field(&value, field).map_err(|error| match value.get(field) {
                    None => missing_column(path, field, &found),
                    Some(_) => error.at(index, Some(&name)),
                })?;
                Content::File(folder.join(file))
            }
        };
        let name = match &content {
            // Nobody numbers the files of a folder.
            Content::File(path) if is_folder => path.display().to_string(),
            _ => name,
        };
        entries.push(Arc::new(Entry { line: value, content, name }));
    }
    let mut known = found;
    known.extend(columns.keys().cloned());
    let table = Some((path.to_owned(), known));
    Ok(Records { entries, table, folder: folder.to_owned(), ..Records::default() })
}

/// A folder's name is the label of the files in it.
fn from_folder(dir: &Path) -> Result<Records, CliError> {
    let entry = |ClassFile { path, label, stem }: ClassFile| {
        // Relative, so that the data's hash does not depend on where the folder lies.
        let file = path.strip_prefix(dir).unwrap_or(&path).display().to_string();
        let line = json!({ "file": file, STEM: stem, LABEL: label });
        let name = path.display().to_string();
        Arc::new(Entry { line, content: Content::File(path), name })
    };
    let files = folder::class_files(dir, &[])?;
    Ok(Records { entries: files.into_iter().map(entry).collect(), ..Records::default() })
}

fn from_idx(pair: &IdxPair, base: &Path) -> Result<Records, CliError> {
    let (images_path, labels_path) = (base.join(&pair.images), base.join(&pair.labels));
    let (images, labels) = (idx::read(&images_path)?, idx::read(&labels_path)?);
    let misfit = |path: &Path, reason: String| DataError::Decode {
        what: path.display().to_string(),
        reason,
    };
    if images.shape().len() < 2 {
        let reason = format!("arrays of images were wanted, but the shape is {:?}", images.shape());
        return Err(misfit(&images_path, reason).into());
    }
    if labels.shape() != [images.len()] {
        let (found, wanted) = (labels.shape(), images.len());
        let reason = format!("{wanted} images need the shape [{wanted}], but it is {found:?}");
        return Err(misfit(&labels_path, reason).into());
    }
    let images = Arc::new(images);
    let label = |class: u8| match pair.names.as_slice().get(usize::from(class)) {
        Some(name) => Ok(name.clone()),
        None if pair.names.is_empty() => Ok(class.to_string()),
        None => {
            let known = pair.names.clone();
            Err(DataError::UnknownLabel { label: class.to_string(), known })
        }
    };
    let entry = |index: usize| {
        let name = format!("{}, image {index}", images_path.display());
        let label = label(labels.item(index)[0]).map_err(|error| error.at(index, Some(&name)))?;
        let content = Content::Item(Arc::clone(&images), index);
        Ok(Arc::new(Entry { line: json!({ LABEL: label }), content, name }))
    };
    let entries = (0..images.len()).map(entry).collect::<Result<_, DataError>>()?;
    Ok(Records { entries, ..Records::default() })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
