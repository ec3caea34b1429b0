//! How each algorithm is set up for data with several labels a text.

use super::MultiLabelClassification;
use crate::{
    models::{
        hashed_linear::HashedLinearConfig, sequence_classifier::SequenceClassifierConfig,
        text_encoder::TextEncoderConfig,
    },
    published_head::HeadBase,
    tasks::text_classification::{TextClassification, fit_frozen, started},
    text::Text,
};
use andiron_core::{
    ConfigError, DataError, Dataset, Fitted, GradientTrainer, HomeFile, Labels, ModelConfig,
    Network, Recipe, TrainError, Trainer as _,
    data::{Example, ExampleOf, all},
    overlay,
};
use burn::{config::Config, tensor::Device};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// What the recipes take beside the options that the algorithm has for one label a text; a field left
/// out has its default. The algorithm's `label_smoothing` has no meaning here.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct MultiLabelOptions {
    /// As [`MultiLabelClassification::threshold`]; default a half.
    pub threshold: f64,
    /// Whether the texts that have a label weigh as much as those that have it not; default false.
    /// The probabilities are then those for labels that every second text has.
    pub balance: bool,
}

impl Default for MultiLabelOptions {
    fn default() -> Self {
        Self { threshold: 0.5, balance: false }
    }
}

/// Our own options, and those of the algorithm.
fn parted(options: &Value) -> Result<(MultiLabelOptions, Value), DataError> {
    let (mut own, mut rest) = (Map::new(), Map::new());
    match options {
        Value::Null => {}
        Value::Object(fields) => {
            for (field, value) in fields {
                let known = matches!(field.as_str(), "threshold" | "balance");
                (if known { &mut own } else { &mut rest }).insert(field.clone(), value.clone());
            }
        }
        other => {
            let (field, got) = ("options".to_owned(), other.to_string());
            let reason = "an object was wanted".to_owned();
            return Err(ConfigError::Kind { field, got, reason }.into());
        }
    }
    let own = overlay(&MultiLabelOptions::default(), &Value::Object(own))?;
    ConfigError::within("threshold", 0.0, 1.0, own.threshold)?;
    rest.insert("balance".to_owned(), json!(false));
    Ok((own, Value::Object(rest)))
}

type Data<'a> = &'a dyn Dataset<ExampleOf<MultiLabelClassification>>;

/// Features and network come from the texts alone, so the algorithm's recipe for one label prepares
/// them; the number of labels is still to be set.
fn prepared<C: Recipe<TextClassification>>(
    options: &Value,
    train: Data<'_>,
) -> Result<(MultiLabelClassification, C), DataError> {
    let (own, rest) = parted(options)?;
    let train = all(train)?;
    let labels = Labels::of(train.iter().flat_map(|example| &example.target))?;
    // Two labels that stand for nothing, so that there is something to tell apart.
    let stand_in = |(at, example): (usize, &Example<Text, Vec<String>>)| Example {
        input: example.input.clone(),
        target: (at % 2).to_string(),
    };
    let texts: Vec<Example<Text, String>> = train.iter().enumerate().map(stand_in).collect();
    let (single, config) = C::prepare(&rest, &texts)?;
    if single.label_smoothing > 0.0 {
        let (field, got) = ("label_smoothing".to_owned(), single.label_smoothing.to_string());
        let reason = "several labels a text have none".to_owned();
        return Err(ConfigError::Kind { field, got, reason }.into());
    }
    let class_weights = own.balance.then(|| balanced(&labels, &train)).transpose()?;
    let task = MultiLabelClassification {
        labels,
        features: single.features,
        threshold: own.threshold,
        class_weights,
        focus: single.focus,
    };
    Ok((task, config))
}

/// `(n − n_c) / n_c` for each label `c`, with `n` texts of which `n_c` have it; 1 for a label that
/// every text has.
fn balanced(labels: &Labels, train: &[Example<Text, Vec<String>>]) -> Result<Vec<f32>, DataError> {
    let mut counts = vec![0_usize; labels.count()];
    for example in train {
        for label in &example.target {
            counts[labels.index(label)?] += 1;
        }
    }
    let weight = |count: usize| match train.len().saturating_sub(count) {
        0 => 1.0,
        without => without as f32 / count as f32,
    };
    Ok(counts.into_iter().map(weight).collect())
}

/// What the algorithm says of the task's features.
fn agrees<C: Recipe<TextClassification>>(
    config: &C,
    task: &MultiLabelClassification,
) -> Result<(), ConfigError> {
    ConfigError::within("threshold", 0.0, 1.0, task.threshold)?;
    config.fits(&TextClassification {
        labels: task.labels.clone(),
        features: task.features.clone(),
        class_weights: None,
        label_smoothing: 0.0,
        focus: task.focus,
    })
}

/// The algorithm `C` for several labels a text: its network is the one for one label, and so are its
/// configuration and its name.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(transparent)]
pub struct MultiLabel<C>(pub C);

impl<C: ModelConfig> Config for MultiLabel<C> {}

impl<C: ModelConfig> ModelConfig for MultiLabel<C> {
    const ARCHITECTURE: &'static str = C::ARCHITECTURE;
    type Model = C::Model;

    fn init(&self, device: &Device) -> Result<C::Model, ConfigError> {
        self.0.init(device)
    }

    fn weight_name(&self, path: &str) -> String {
        self.0.weight_name(path)
    }

    fn home_files(&self, model: &C::Model, task: &Value) -> Vec<HomeFile> {
        self.0.home_files(model, task)
    }
}

type Prepared<C> = Result<(MultiLabelClassification, MultiLabel<C>), DataError>;

impl Recipe<MultiLabelClassification> for MultiLabel<HashedLinearConfig> {
    /// `options` is a [`MultiLabelOptions`] and a
    /// [`HashedLinearOptions`](crate::tasks::text_classification::HashedLinearOptions) in one.
    fn prepare(options: &Value, train: Data<'_>) -> Prepared<HashedLinearConfig> {
        let (task, config) = prepared::<HashedLinearConfig>(options, train)?;
        let n_classes = task.labels.count();
        Ok((task, Self(HashedLinearConfig { n_classes, ..config })))
    }

    fn fits(&self, task: &MultiLabelClassification) -> Result<(), ConfigError> {
        agrees(&self.0, task)
    }
}

impl Recipe<MultiLabelClassification> for MultiLabel<TextEncoderConfig> {
    /// `options` is a [`MultiLabelOptions`] and a
    /// [`TextEncoderOptions`](crate::tasks::text_classification::TextEncoderOptions) in one.
    fn prepare(options: &Value, train: Data<'_>) -> Prepared<TextEncoderConfig> {
        let (task, config) = prepared::<TextEncoderConfig>(options, train)?;
        let n_classes = task.labels.count();
        Ok((task, Self(TextEncoderConfig { n_classes, ..config })))
    }

    fn fits(&self, task: &MultiLabelClassification) -> Result<(), ConfigError> {
        agrees(&self.0, task)
    }
}

impl<E: HeadBase> Recipe<MultiLabelClassification> for MultiLabel<SequenceClassifierConfig<E>> {
    /// `options` is a [`MultiLabelOptions`] and an
    /// [`EncoderClassifierOptions`](crate::tasks::text_classification::EncoderClassifierOptions) in
    /// one.
    fn prepare(options: &Value, train: Data<'_>) -> Prepared<SequenceClassifierConfig<E>> {
        let (task, config) = prepared::<SequenceClassifierConfig<E>>(options, train)?;
        let n_classes = task.labels.count();
        Ok((task, Self(SequenceClassifierConfig { n_classes, ..config })))
    }

    fn start(
        self,
        task: &MultiLabelClassification,
        options: &Value,
        seed: u64,
        device: &Device,
    ) -> Result<Network<Self>, TrainError> {
        let (_, rest) =
            parted(options).map_err(|source| TrainError::Data { split: "training", source })?;
        let Network { config, model } = started(self.0, task.labels.names(), &rest, seed, device)?;
        Ok(Network { config: Self(config), model })
    }

    /// The vectors of a frozen encoder are made once, and not at each step.
    fn fit(
        trainer: &GradientTrainer,
        task: MultiLabelClassification,
        network: Network<Self>,
        train: Data<'_>,
        valid: Data<'_>,
        device: &Device,
    ) -> Result<Fitted<MultiLabelClassification>, TrainError> {
        if !network.config.0.adaptation.is_frozen() {
            return trainer.fit(task, network, train, valid, device);
        }
        let Network { config: Self(config), model } = network;
        let network = Network { config, model };
        fit_frozen(trainer, task, network, train, valid, device)
    }

    fn fits(&self, task: &MultiLabelClassification) -> Result<(), ConfigError> {
        agrees(&self.0, task)
    }
}
