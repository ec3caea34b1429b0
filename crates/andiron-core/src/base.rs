//! The published model that a training starts from, as the options of a recipe name it.

use crate::{BaseError, ConfigError, DataError, TrainError, data::shortened};
use serde::{Deserialize, Deserializer, Serialize, de::Error as _};
use serde_json::Value;
use std::{
    error::Error,
    path::{Path, PathBuf},
};

/// A published model to start from: the folder that it lies in, and what it is called.
///
/// In options it is a text, the folder, or an object of both: a program that has fetched a model
/// tells its name, and not where its cache lies.
///
/// ```
/// use andiron_core::BaseModel;
///
/// let plain: BaseModel = serde_json::from_str(r#""models/mine""#)?;
/// assert_eq!(plain.name, "models/mine");
/// let named = r#"{"folder": "/cache/c9745ed1", "name": "owner/theirs"}"#;
/// assert_eq!(serde_json::from_str::<BaseModel>(named)?.name, "owner/theirs");
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BaseModel {
    /// The folder as others published it, or a file of weights where a task takes one.
    pub folder: PathBuf,
    /// What the bundle of a network calls it that is read beside it, as low-rank factors are.
    pub name: String,
}

impl BaseModel {
    /// The model in `folder`, called so.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        let folder = folder.into();
        Self { name: folder.display().to_string(), folder }
    }

    /// Refuses sizes, which the base decides.
    ///
    /// # Errors
    /// [`ConfigError::Kind`] names the first that was given.
    pub fn decides<const N: usize>(
        &self,
        given: [(&str, Option<usize>); N],
    ) -> Result<(), ConfigError> {
        match given.into_iter().find_map(|(field, given)| Some((field, given?))) {
            None => Ok(()),
            Some((field, given)) => Err(ConfigError::Kind {
                field: field.to_owned(),
                got: given.to_string(),
                reason: "the base decides it".to_owned(),
            }),
        }
    }

    /// The folder; a file is none, whatever it holds.
    ///
    /// # Errors
    /// [`ConfigError::Kind`] for a file.
    pub fn folder(&self) -> Result<&Path, ConfigError> {
        if self.folder.is_file() {
            return Err(ConfigError::Kind {
                field: "base".to_owned(),
                got: self.name.clone(),
                reason: "a folder was wanted; `andiron convert` makes one of a file".to_owned(),
            });
        }
        Ok(&self.folder)
    }

    /// Says of a failure that it is the base's.
    pub fn failed(&self, source: impl Error + Send + Sync + 'static) -> BaseError {
        BaseError::new(&self.folder, source)
    }

    /// As [`failed`](Self::failed), while data are prepared.
    pub fn unread(&self, source: impl Error + Send + Sync + 'static) -> DataError {
        self.failed(source).into()
    }

    /// As [`failed`](Self::failed), while weights are loaded.
    pub fn unloaded(&self, source: impl Error + Send + Sync + 'static) -> TrainError {
        self.failed(source).into()
    }
}

impl<'de> Deserialize<'de> for BaseModel {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let said = Value::deserialize(deserializer)?;
        let text = |name: &str| said.get(name).and_then(Value::as_str);
        match (said.as_str(), text("folder"), text("name")) {
            (Some(folder), _, _) => Ok(Self::new(folder)),
            (None, Some(folder), Some(name)) => {
                Ok(Self { folder: folder.into(), name: name.to_owned() })
            }
            _ => {
                let got = shortened(&said);
                Err(D::Error::custom(format!("a folder was wanted, but it is {got}")))
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_base_has_a_folder_and_a_name() {
        let read = |said: Value| serde_json::from_value::<BaseModel>(said);
        assert_eq!(read(json!("a/b")).unwrap(), BaseModel::new("a/b"));
        let named = BaseModel { folder: "/c".into(), name: "o/n@r".to_owned() };
        assert_eq!(read(json!(named)).unwrap(), named);
        for wrong in [json!(3), json!({"folder": "a"}), json!([])] {
            let refused = read(wrong).unwrap_err().to_string();
            assert!(refused.starts_with("a folder was wanted, but it is "), "{refused}");
        }
    }

    #[test]
    fn what_the_base_decides_is_not_given() {
        let base = BaseModel::new("a");
        base.decides([("d_model", None), ("n_heads", None)]).unwrap();
        let refused = base.decides([("d_model", None), ("n_heads", Some(3))]).unwrap_err();
        let wanted = "setting \"n_heads\" cannot be 3: the base decides it";
        assert_eq!(refused.to_string(), wanted);
    }

    #[test]
    fn a_file_is_no_base() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let refused = BaseModel::new(file.path()).folder().unwrap_err().to_string();
        assert!(refused.contains("a folder was wanted"), "{refused}");
    }
}
