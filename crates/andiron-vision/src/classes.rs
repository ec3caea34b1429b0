//! The names of the classes that a detector or a segmenter tells apart.

use andiron_core::DataError;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// One or more names, all different; the place of a name is its class number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Vec<String>", into = "Vec<String>")]
pub struct ClassNames(Vec<String>);

impl TryFrom<Vec<String>> for ClassNames {
    type Error = DataError;
    fn try_from(names: Vec<String>) -> Result<Self, DataError> {
        Self::new(names)
    }
}

impl From<ClassNames> for Vec<String> {
    fn from(names: ClassNames) -> Self {
        names.0
    }
}

impl ClassNames {
    /// Names in the order of the class numbers.
    ///
    /// ```
    /// use andiron_vision::classes::ClassNames;
    ///
    /// let names = ClassNames::new(["cat", "dog"].map(str::to_owned).into())?;
    /// assert_eq!(names.index("dog")?, 1);
    /// assert!(names.index("cow").is_err());
    /// # Ok::<(), andiron_core::DataError>(())
    /// ```
    ///
    /// # Errors
    /// [`DataError::Empty`] for no name, [`DataError::Repeated`] for one that stands there twice.
    pub fn new(names: Vec<String>) -> Result<Self, DataError> {
        if names.is_empty() {
            return Err(DataError::Empty { what: "the list of classes".to_owned() });
        }
        let mut known = BTreeSet::new();
        if let Some(twice) = names.iter().find(|name| !known.insert(name.as_str())) {
            return Err(DataError::Repeated { what: "the list of classes", got: twice.clone() });
        }
        Ok(Self(names))
    }

    /// The names, in the order of their class numbers.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// How many classes there are; 1 or more.
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The class number of a name.
    ///
    /// # Errors
    /// [`DataError::UnknownLabel`].
    pub fn index(&self, name: &str) -> Result<usize, DataError> {
        self.0.iter().position(|known| known == name).ok_or_else(|| DataError::UnknownLabel {
            label: name.to_owned(),
            known: self.0.clone(),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn none_and_twice_the_same_are_refused() {
        let of = |names: &[&str]| ClassNames::new(names.iter().map(|n| (*n).to_owned()).collect());
        assert!(matches!(of(&[]), Err(DataError::Empty { .. })));
        assert!(matches!(of(&["a", "b", "a"]), Err(DataError::Repeated { got, .. }) if got == "a"));
        assert_eq!(of(&["only"]).unwrap().count(), 1);
        assert!(serde_json::from_str::<ClassNames>("[\"a\",\"a\"]").is_err());
    }
}
