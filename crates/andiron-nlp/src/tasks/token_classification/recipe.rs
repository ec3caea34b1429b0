//! How each algorithm is set up for data: the kinds of entities come from the training examples
//! alone.

use super::{Pieces, TokenClassification};
use crate::{
    features::{WordBounds, WordFeatures},
    models::word_tagger::WordTaggerConfig,
    tags::{Scheme, assign},
    text::Text,
};
use andiron_core::{
    ConfigError, DataError, Dataset, Recipe,
    data::{Example, ExampleOf, all},
    overlay,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// What [`WordTaggerConfig`]'s recipe for this task takes; a field left out has its default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct WordTaggerOptions {
    /// As [`WordTaggerConfig::n_buckets`]; default 65,536.
    pub n_buckets: usize,
    /// As [`WordTaggerConfig::dropout`]; default 0.2.
    pub dropout: f64,
    /// As [`WordFeatures::max_length`].
    pub max_length: usize,
    /// As [`WordFeatures::window`].
    pub window: usize,
    /// As [`WordFeatures::affixes`].
    pub affixes: usize,
    /// As [`TokenClassification::words`].
    pub words: WordBounds,
    /// As [`TokenClassification::scheme`].
    pub scheme: Scheme,
    /// Whether every tag weighs the same in training, however many words have it; default false,
    /// for most words are of no entity, and those that are would be found where there is none.
    pub balance: bool,
}

impl Default for WordTaggerOptions {
    fn default() -> Self {
        let (config, features) = (WordTaggerConfig::new(2), WordFeatures::default());
        Self {
            n_buckets: config.n_buckets,
            dropout: config.dropout,
            max_length: features.max_length,
            window: features.window,
            affixes: features.affixes,
            words: WordBounds::default(),
            scheme: Scheme::default(),
            balance: false,
        }
    }
}

pub(super) type Tagged = Vec<Example<Text, Vec<super::Span>>>;
type Examples<'a> = &'a dyn Dataset<ExampleOf<TokenClassification>>;

impl Recipe<TokenClassification> for WordTaggerConfig {
    /// `options` is a [`WordTaggerOptions`].
    fn prepare(
        options: &Value,
        train: Examples<'_>,
    ) -> Result<(TokenClassification, Self), DataError> {
        let options = overlay(&WordTaggerOptions::default(), options)?;
        let train = checked(train)?;
        let WordTaggerOptions { max_length, window, affixes, .. } = options;
        let features = WordFeatures { max_length, window, affixes };
        features.check()?;
        let labels = labels(&train, options.scheme)?;
        let task = TokenClassification {
            scheme: options.scheme,
            ..TokenClassification::new(labels, Pieces::Words(features)).with_words(options.words)
        };
        let task = if options.balance { balanced(task, &train)? } else { task };
        let config = Self::new(task.labels.len())
            .with_n_buckets(options.n_buckets)
            .with_dropout(options.dropout);
        Ok((task, config))
    }

    fn fits(&self, task: &TokenClassification) -> Result<(), ConfigError> {
        task.check()?;
        ConfigError::agree("the number of labels", self.n_classes, task.labels.len())?;
        match &task.pieces {
            Pieces::Words(features) => features.check(),
            Pieces::Tokens(_) => ConfigError::agree("pieces", "words", "tokens"),
        }
    }
}

/// All examples; a text without a word, or an entity that cannot stand in its text, is found here,
/// with its place, and not in the middle of a run.
pub(super) fn checked(train: Examples<'_>) -> Result<Tagged, DataError> {
    let train = all(train)?;
    for (index, example) in train.iter().enumerate() {
        let text = &example.input.text;
        if text.trim().is_empty() {
            return Err(DataError::Empty { what: "the text".to_owned() }.at(index, None));
        }
        assign::check(&example.target, text.chars().count())
            .map_err(|error| error.at(index, None))?;
    }
    Ok(train)
}

/// The tags for the kinds of entities in `train`, in the order of their names.
pub(super) fn labels(train: &Tagged, scheme: Scheme) -> Result<Vec<String>, DataError> {
    let kinds: BTreeSet<&str> =
        train.iter().flat_map(|example| &example.target).map(|span| span.label.as_str()).collect();
    match (train.len(), kinds.len()) {
        (0, _) => Err(DataError::Empty { what: "the data set".to_owned() }),
        (examples, 0) => Err(DataError::OneClass { label: "O".to_owned(), examples }),
        _ => Ok(scheme.tags(kinds)),
    }
}

/// The task with weights `n / (k · n_c)` for each tag `c` of the `k` that occur, with `n` words of
/// which `n_c` have it.
pub(super) fn balanced(
    task: TokenClassification,
    train: &Tagged,
) -> Result<TokenClassification, DataError> {
    let mut counts = vec![0_usize; task.labels.len()];
    for example in train {
        let cut = task.pieces.cut(&example.input, task.words, true)?;
        for (_, class) in task.truth(&example.input.text, &cut, &example.target)? {
            counts[class] += 1;
        }
    }
    let words: usize = counts.iter().sum();
    let share = words as f32 / counts.iter().filter(|count| **count > 0).count().max(1) as f32;
    // The weight of a tag that no word has enters nowhere.
    let weight = |count: usize| if count > 0 { share / count as f32 } else { 1.0 };
    Ok(TokenClassification {
        class_weights: Some(counts.into_iter().map(weight).collect()),
        ..task
    })
}
