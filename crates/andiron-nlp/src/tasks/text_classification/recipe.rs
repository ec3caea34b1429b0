//! How each algorithm is set up for data: labels, vocabulary and class weights come from the
//! training examples alone.

use super::TextClassification;
use crate::{
    features::{DocumentWeights, Features, NGrams, Vocabulary, tokens},
    models::{hashed_linear::HashedLinearConfig, text_encoder::TextEncoderConfig},
    text::Text,
};
use andiron_core::{
    ConfigError, DataError, Dataset, Labels, Recipe,
    data::{Example, ExampleOf, all},
    overlay,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What [`HashedLinearConfig`]'s recipe takes; a field left out has its default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct HashedLinearOptions {
    /// As [`HashedLinearConfig::n_buckets`].
    pub n_buckets: usize,
    /// As [`HashedLinearConfig::d_model`].
    pub d_model: usize,
    /// As [`HashedLinearConfig::dropout`].
    pub dropout: f64,
    /// As [`NGrams::max_length`].
    pub max_length: usize,
    /// As [`NGrams::words`].
    pub words: usize,
    /// As [`NGrams::least_characters`].
    pub least_characters: usize,
    /// As [`NGrams::most_characters`].
    pub most_characters: usize,
    /// How much a feature weighs in a text; default alike.
    pub weights: FeatureWeights,
    /// Whether every class weighs the same in training, however many examples it has; default
    /// true. The probabilities are then those for classes that are equally frequent.
    pub balance: bool,
    /// As [`TextClassification::label_smoothing`].
    pub label_smoothing: f64,
    /// As [`TextClassification::focus`].
    pub focus: f64,
}

/// How much each n-gram of a text weighs.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FeatureWeights {
    /// All alike: a text is the mean of its n-grams.
    #[default]
    Alike,
    /// By how often it stands in the text and in how few of the training texts
    /// ([`DocumentWeights`]).
    TfIdf,
    /// The same, by the logarithm of how often it stands in the text.
    LogTfIdf,
}

impl Default for HashedLinearOptions {
    fn default() -> Self {
        let (config, ngrams) = (HashedLinearConfig::new(2), NGrams::default());
        Self {
            n_buckets: config.n_buckets,
            d_model: config.d_model,
            dropout: config.dropout,
            max_length: ngrams.max_length,
            words: ngrams.words,
            least_characters: ngrams.least_characters,
            most_characters: ngrams.most_characters,
            weights: FeatureWeights::default(),
            balance: true,
            label_smoothing: 0.0,
            focus: 0.0,
        }
    }
}

/// What [`TextEncoderConfig`]'s recipe takes; a field left out has its default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct TextEncoderOptions {
    /// As [`TextEncoderConfig::d_model`].
    pub d_model: usize,
    /// As [`TextEncoderConfig::n_heads`].
    pub n_heads: usize,
    /// As [`TextEncoderConfig::n_layers`].
    pub n_layers: usize,
    /// As [`TextEncoderConfig::d_hidden`].
    pub d_hidden: usize,
    /// As [`TextEncoderConfig::max_length`].
    pub max_length: usize,
    /// As [`TextEncoderConfig::dropout`].
    pub dropout: f64,
    /// How often a word must stand in the training texts to be known; 1 or more, default 2, so that
    /// the network learns what an unknown word is.
    pub least_count: usize,
    /// Whether every class weighs the same in training, however many examples it has; default
    /// true. The probabilities are then those for classes that are equally frequent.
    pub balance: bool,
    /// As [`TextClassification::label_smoothing`].
    pub label_smoothing: f64,
    /// As [`TextClassification::focus`].
    pub focus: f64,
}

impl Default for TextEncoderOptions {
    fn default() -> Self {
        let config = TextEncoderConfig::new(2, 2);
        Self {
            d_model: config.d_model,
            n_heads: config.n_heads,
            n_layers: config.n_layers,
            d_hidden: config.d_hidden,
            max_length: config.max_length,
            dropout: config.dropout,
            least_count: 2,
            balance: true,
            label_smoothing: 0.0,
            focus: 0.0,
        }
    }
}

pub(super) type Examples = Vec<Example<Text, String>>;

impl Recipe<TextClassification> for HashedLinearConfig {
    /// `options` is a [`HashedLinearOptions`].
    fn prepare(
        options: &Value,
        train: &dyn Dataset<ExampleOf<TextClassification>>,
    ) -> Result<(TextClassification, Self), DataError> {
        let options = overlay(&HashedLinearOptions::default(), options)?;
        let train = checked(train)?;
        let mut ngrams = NGrams {
            max_length: options.max_length,
            words: options.words,
            least_characters: options.least_characters,
            most_characters: options.most_characters,
            document_weights: None,
        };
        ngrams.check()?;
        if options.weights != FeatureWeights::Alike {
            let weights = DocumentWeights::new(options.n_buckets)?
                .with_sublinear(options.weights == FeatureWeights::LogTfIdf);
            ngrams.document_weights = Some(counted(weights, &ngrams, &train)?);
        }
        let features = Features::NGrams(ngrams);
        let task =
            task(&train, features, (options.balance, options.label_smoothing, options.focus))?;
        let config = Self::new(task.labels.count())
            .with_n_buckets(options.n_buckets)
            .with_d_model(options.d_model)
            .with_dropout(options.dropout);
        Ok((task, config))
    }

    fn fits(&self, task: &TextClassification) -> Result<(), ConfigError> {
        ConfigError::agree("the number of labels", self.n_classes, task.labels.count())?;
        match &task.features {
            Features::NGrams(ngrams) => {
                ngrams.check()?;
                match &ngrams.document_weights {
                    Some(of) => ConfigError::agree("n_buckets", self.n_buckets, of.n_buckets()),
                    None => Ok(()),
                }
            }
            other => ConfigError::agree("features", "n-grams", other.kind()),
        }
    }
}

impl Recipe<TextClassification> for TextEncoderConfig {
    /// `options` is a [`TextEncoderOptions`].
    fn prepare(
        options: &Value,
        train: &dyn Dataset<ExampleOf<TextClassification>>,
    ) -> Result<(TextClassification, Self), DataError> {
        let options = overlay(&TextEncoderOptions::default(), options)?;
        ConfigError::at_least("least_count", 1, options.least_count)?;
        let train = checked(train)?;
        let texts = train.iter().map(|example| example.input.text.as_str());
        let vocabulary = Vocabulary::of(texts, options.least_count, options.max_length)?;
        let n_tokens = vocabulary.len();
        let features = Features::Vocabulary(vocabulary);
        let task =
            task(&train, features, (options.balance, options.label_smoothing, options.focus))?;
        let config = Self::new(n_tokens, task.labels.count())
            .with_d_model(options.d_model)
            .with_n_heads(options.n_heads)
            .with_n_layers(options.n_layers)
            .with_d_hidden(options.d_hidden)
            .with_max_length(options.max_length)
            .with_dropout(options.dropout);
        Ok((task, config))
    }

    fn fits(&self, task: &TextClassification) -> Result<(), ConfigError> {
        ConfigError::agree("the number of labels", self.n_classes, task.labels.count())?;
        match &task.features {
            Features::Vocabulary(vocabulary) => {
                ConfigError::agree("the number of tokens", self.n_tokens, vocabulary.len())?;
                ConfigError::agree("max_length", self.max_length, vocabulary.max_length)
            }
            other => ConfigError::agree("features", "vocabulary", other.kind()),
        }
    }
}

/// All examples; an empty text is found here, with its place, and not in the middle of a run.
pub(super) fn checked(
    train: &dyn Dataset<ExampleOf<TextClassification>>,
) -> Result<Examples, DataError> {
    let train = all(train)?;
    for (index, example) in train.iter().enumerate() {
        if tokens(&example.input.text).is_empty() {
            return Err(DataError::Empty { what: "the text".to_owned() }.at(index, None));
        }
    }
    Ok(train)
}

/// The weights with all training texts counted.
fn counted(
    mut weights: DocumentWeights,
    ngrams: &NGrams,
    train: &Examples,
) -> Result<DocumentWeights, DataError> {
    let features = Features::NGrams(ngrams.clone());
    for example in train {
        weights.count(&features.encode(&example.input, true)?);
    }
    Ok(weights)
}

pub(super) fn task(
    train: &Examples,
    features: Features,
    (balance, label_smoothing, focus): (bool, f64, f64),
) -> Result<TextClassification, DataError> {
    ConfigError::within("label_smoothing", 0.0, 1.0, label_smoothing)?;
    ConfigError::within("focus", 0.0, 100.0, focus)?;
    if focus > 0.0 && label_smoothing > 0.0 {
        let (field, got) = ("label_smoothing".to_owned(), label_smoothing.to_string());
        let reason = "focal loss has none: set focus to 0".to_owned();
        return Err(ConfigError::Kind { field, got, reason }.into());
    }
    let labels = Labels::of(train.iter().map(|example| &example.target))?;
    let class_weights = balance.then(|| balanced(&labels, train)).transpose()?;
    Ok(TextClassification { labels, features, class_weights, label_smoothing, focus })
}

/// `n / (k · n_c)` for each class `c` of `k`, with `n` examples of which `n_c` are of the class:
/// every class weighs the same in all, and the mean weight of an example is 1.
fn balanced(labels: &Labels, train: &Examples) -> Result<Vec<f32>, DataError> {
    let mut counts = vec![0_usize; labels.count()];
    for example in train {
        counts[labels.index(&example.target)?] += 1;
    }
    let share = train.len() as f32 / labels.count() as f32;
    Ok(counts.into_iter().map(|count| share / count as f32).collect())
}
