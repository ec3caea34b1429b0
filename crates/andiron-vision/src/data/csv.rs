//! Images named in a table, each with its label.

use super::ImageExample;
use crate::picture::Image;
use andiron_core::{DataError, Dataset, Example, data::table};
use serde::Deserialize;
use std::path::{Path, PathBuf};

/// The images that a table names, each decoded when asked for.
#[derive(Debug, Clone)]
pub struct ImageTable {
    folder: PathBuf,
    rows: Vec<ImageRow>,
}

/// A row: an image and what it shows.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ImageRow {
    /// The file, relative to the table's folder.
    pub image: PathBuf,
    /// What it shows.
    pub label: String,
}

/// Reads a table (CSV, TSV or JSON Lines, by its ending) with the columns `image`, a path relative to
/// the table's folder, and `label`. Other columns are passed over.
///
/// # Errors
/// As [`table::read_as`]: [`DataError::MissingColumn`], [`DataError::Line`], [`DataError::Empty`],
/// [`DataError::Io`]; [`DataError::Field`] for a row without a path or a label. A file that cannot be
/// read is an error when it is asked for.
pub fn table_examples(path: impl AsRef<Path>) -> Result<ImageTable, DataError> {
    let path = path.as_ref();
    let rows: Vec<ImageRow> = table::read_as(path)?;
    for (index, row) in rows.iter().enumerate() {
        let missing = |field: &str, wanted| {
            let (field, got) = (field.to_owned(), "empty".to_owned());
            DataError::Field { field, wanted, got }.at(index, Some(&path.display().to_string()))
        };
        if row.image.as_os_str().is_empty() {
            return Err(missing("image", "the path of a file"));
        }
        if row.label.is_empty() {
            return Err(missing("label", "a text"));
        }
    }
    Ok(ImageTable { folder: path.parent().unwrap_or(Path::new("")).to_owned(), rows })
}

impl ImageTable {
    /// The rows, in the table's order.
    pub fn rows(&self) -> &[ImageRow] {
        &self.rows
    }
}

impl Dataset<ImageExample> for ImageTable {
    fn len(&self) -> usize {
        self.rows.len()
    }

    fn get(&self, index: usize) -> Result<ImageExample, DataError> {
        let row = &self.rows[index];
        let path = self.folder.join(&row.image);
        let input = Image::open(&path)
            .map_err(|error| error.at(index, Some(&path.display().to_string())))?;
        Ok(Example { input, target: row.label.clone() })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn images_are_found_beside_the_table() {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("pictures")).unwrap();
        let image = Image::gray(3, 2, vec![1, 2, 3, 4, 5, 6]).unwrap();
        std::fs::write(dir.path().join("pictures/a.png"), image.to_png()).unwrap();
        let table = dir.path().join("list.csv");
        let write = |text: &str| std::fs::write(&table, text).unwrap();
        write("label,more,image\ncat,x,pictures/a.png\ndog,y,none.png\n");
        let data = table_examples(&table).unwrap();
        assert_eq!((data.len(), data.rows()[1].label.as_str()), (2, "dog"));
        assert_eq!(data.get(0).unwrap(), Example { input: image, target: "cat".to_owned() });
        let missing = data.get(1).unwrap_err().to_string();
        assert!(missing.starts_with("example 1 (") && missing.contains("none.png"), "{missing}");

        let refusal = |text: &str| {
            write(text);
            let error = table_examples(&table).unwrap_err();
            let cause = std::error::Error::source(&error).map(ToString::to_string);
            format!("{error}: {}", cause.unwrap_or_default())
        };
        assert!(refusal("label,picture\ncat,a.png\n").contains("there is no column \"image\""));
        assert!(refusal("image\na.png\n").contains("there is no column \"label\""));
        assert!(refusal("image,label\n").contains("is empty"));
        let no_label = refusal("image,label\na.png,cat\nb.png,\n");
        assert!(no_label.starts_with("example 1 (") && no_label.contains("field \"label\""));
        assert!(refusal("image,label\n,cat\n").contains("field \"image\""));
        assert!(matches!(table_examples("/nowhere.csv"), Err(DataError::Io { .. })));
    }
}
