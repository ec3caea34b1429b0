//! What is learnt from: a query, the text that should be found, and perhaps the class of both.

use super::Embedding;
use crate::text::Text;
use andiron_core::{
    DataError, Dataset, Example,
    data::{ExampleOf, all},
};
use andiron_kernels::mix;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// The text that should be found for a query.
///
/// ```
/// use andiron_nlp::tasks::embedding::Positive;
///
/// let plain = Positive::from("flour, water, salt");
/// assert_eq!(plain.label, None);
/// let said = serde_json::to_string(&plain.with_label("food"))?;
/// assert_eq!(said, r#"{"text":"flour, water, salt","label":"food"}"#);
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Positive {
    /// The text.
    #[serde(flatten)]
    pub text: Text,
    /// The class of the query and of the text, where they have one: texts of one class are no wrong
    /// choices for each other.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
}

impl Positive {
    /// The same text with the class that it shares with the query.
    #[must_use]
    pub fn with_label(self, label: impl Into<String>) -> Self {
        Self { label: Some(label.into()), ..self }
    }

    /// The same text, to be cut if it is too long.
    #[must_use]
    pub fn truncated(self) -> Self {
        Self { text: self.text.truncated(), ..self }
    }

    /// Whether the other would be right as well where this one is wanted.
    pub(super) fn is_as_good(&self, other: &Self) -> bool {
        self.text.text == other.text.text || (self.label.is_some() && self.label == other.label)
    }
}

impl From<Text> for Positive {
    fn from(text: Text) -> Self {
        Self { text, label: None }
    }
}

impl From<&str> for Positive {
    fn from(text: &str) -> Self {
        Text::from(text).into()
    }
}

/// `n` pairs of two different texts of one class, from labelled texts: what [`Embedding`] learns
/// classes from. The classes take turns, so that a rare one has as many pairs as a frequent one;
/// which texts, is drawn by `seed`.
///
/// ```
/// use andiron_core::Example;
/// use andiron_nlp::{tasks::embedding::class_pairs, text::Text};
///
/// let say = |text: &str, label: &str| Example { input: Text::from(text), target: label.to_owned() };
/// let texts = vec![say("wheat", "grain"), say("oil", "crude"), say("rye", "grain"), say("gas", "crude")];
/// let pairs = class_pairs(&texts, 4, 7)?;
/// let labels: Vec<_> = pairs.iter().filter_map(|pair| pair.target.label.as_deref()).collect();
/// assert_eq!(labels, ["crude", "grain", "crude", "grain"]);
/// # Ok::<(), andiron_core::DataError>(())
/// ```
///
/// # Errors
/// [`DataError::Empty`] if no class has two different texts, or what reading an example says.
pub fn class_pairs(
    texts: &dyn Dataset<Example<Text, String>>,
    n: usize,
    seed: u64,
) -> Result<Vec<ExampleOf<Embedding>>, DataError> {
    let texts = all(texts)?;
    let mut classes: BTreeMap<&str, Vec<&Text>> = BTreeMap::new();
    for example in &texts {
        classes.entry(&example.target).or_default().push(&example.input);
    }
    for members in classes.values_mut() {
        members.sort_by(|a, b| a.text.cmp(&b.text));
        members.dedup_by(|a, b| a.text == b.text);
    }
    classes.retain(|_, members| members.len() > 1);
    if classes.is_empty() {
        return Err(DataError::Empty { what: "the list of classes with two texts".to_owned() });
    }
    let classes: Vec<(&str, Vec<&Text>)> = classes.into_iter().collect();
    let pair = |at: usize| {
        let (label, members) = &classes[at % classes.len()];
        let draw = |which: u64, below: usize| {
            let word = mix(seed, &[at as u64, which]);
            ((u128::from(word) * below as u128) >> 64) as usize
        };
        let query = draw(0, members.len());
        // One of the others: those behind the query move up by one.
        let found = draw(1, members.len() - 1);
        let found = found + usize::from(found >= query);
        Example {
            input: members[query].clone(),
            target: Positive::from(members[found].clone()).with_label(*label),
        }
    };
    Ok((0..n).map(pair).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn texts() -> Vec<Example<Text, String>> {
        let say = |text: &str, label: &str| Example { input: text.into(), target: label.into() };
        let mut texts: Vec<_> = (0..40).map(|at| say(&format!("a {at}"), "a")).collect();
        texts.extend([say("b 1", "b"), say("b 2", "b"), say("c", "c"), say("c", "c")]);
        texts
    }

    #[test]
    fn pairs_are_two_texts_of_one_class() {
        let pairs = class_pairs(&texts(), 31, 5).unwrap();
        let of = |label: &str| {
            let wanted = Some(label.to_owned());
            pairs.iter().filter(|pair| pair.target.label == wanted).count()
        };
        // Of c there is one text only, twice.
        assert_eq!((pairs.len(), of("a"), of("b"), of("c")), (31, 16, 15, 0));
        for pair in &pairs {
            let label = pair.target.label.as_deref().unwrap();
            assert!(pair.input.text.starts_with(label) && pair.target.text.text.starts_with(label));
            assert_ne!(pair.input.text, pair.target.text.text);
        }
        let queries = |seed| {
            let pairs = class_pairs(&texts(), 200, seed).unwrap();
            pairs.into_iter().map(|pair| pair.input.text).collect::<Vec<_>>()
        };
        assert_eq!(queries(5), queries(5));
        assert_ne!(queries(5), queries(6));
        let found = class_pairs(&texts(), 400, 5).unwrap();
        let different: std::collections::BTreeSet<_> =
            found.iter().map(|pair| &pair.target.text.text).collect();
        assert!(different.len() > 38, "{}", different.len());
    }

    #[test]
    fn texts_without_a_pair_are_refused() {
        let said = class_pairs(&texts()[42..].to_vec(), 3, 0).unwrap_err().to_string();
        assert_eq!(said, "the list of classes with two texts is empty");
    }

    #[test]
    fn what_is_as_good_is_no_wrong_choice() {
        let (a, b) = (Positive::from("a"), Positive::from("b"));
        assert!(a.is_as_good(&a.clone().with_label("x")));
        assert!(!a.is_as_good(&b));
        assert!(a.clone().with_label("x").is_as_good(&b.clone().with_label("x")));
        assert!(!a.clone().with_label("x").is_as_good(&b.clone().with_label("y")));
        assert!(!a.with_label("x").is_as_good(&b));
    }
}
