//! Any number of labels a text: topics, reasons, kinds of content.

mod evaluator;
mod recipe;

pub use evaluator::MultiLabelEvaluator;
pub use recipe::{MultiLabel, MultiLabelOptions};

use crate::{
    batch::TextBatch,
    features::Features,
    models::{
        bert::BertConfig, distilbert::DistilBertConfig, hashed_linear::HashedLinearConfig,
        roberta::RobertaConfig, sequence_classifier::SequenceClassifierConfig,
        text_encoder::TextEncoderConfig,
    },
    published::PublishedError,
    tasks::text_classification::{SEVERAL_LABELS, TextTask, fit_published, is_zero, published},
    text::Text,
};
use andiron_core::{
    DataError, Dataset, EvalError, Evaluator as _, Labelled, Labels, Loss, ModelEntry, OnePass,
    Predictor, PublishedEntry, Raw, Registered, Report, Task,
    data::{Example, ExampleOf, shortened},
    loss::{self, Focal},
};
use burn::tensor::{Device, Tensor, TensorData, activation::sigmoid};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, path::Path};

/// The algorithms for the task, the fast one first.
pub static MULTI_LABEL_CLASSIFIERS: &[ModelEntry<MultiLabelClassification>] = &[
    ModelEntry::of::<MultiLabel<HashedLinearConfig>>(),
    ModelEntry::of::<MultiLabel<TextEncoderConfig>>(),
    ModelEntry::of::<MultiLabel<SequenceClassifierConfig<DistilBertConfig>>>(),
    ModelEntry::of::<MultiLabel<SequenceClassifierConfig<BertConfig>>>(),
    ModelEntry::of::<MultiLabel<SequenceClassifierConfig<RobertaConfig>>>(),
];

/// What others publish and the task reads.
pub static PUBLISHED: &[PublishedEntry] = &[PublishedEntry {
    reads: &["…ForSequenceClassification of several labels a text"],
    fit: |layout| fit_published(layout, SEVERAL_LABELS),
    load: |layout, device| Ok(Box::new(from_folder(layout.path(), device)?)),
    keeps: None,
}];

/// Which of several labels a text has: any number of them, none included.
///
/// An empty text is an error, and so is one over the model's length, unless it says
/// `"truncate": true`. In training a text over the length is cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct MultiLabelClassification {
    /// The labels.
    pub labels: Labels,
    /// How a text becomes numbers.
    pub features: Features,
    /// The probability from which on a label is given, 0 to 1.
    pub threshold: f64,
    /// How much the texts that have a label weigh in training, for each label; none weighs all
    /// alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_weights: Option<Vec<f32>>,
    /// How strongly training passes over what is nearly right
    /// ([focal loss](andiron_core::loss::binary_focal_loss)), 0 or more; 0 is cross-entropy.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub focus: f64,
}

/// The answer for a text: its labels with all probabilities, and whether the text was cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextLabels {
    /// The labels whose probability reaches the threshold, in the order of their numbers.
    pub labels: Vec<String>,
    /// The probability of every label, each 0 to 1 by itself.
    pub scores: BTreeMap<String, f32>,
    /// Whether only the beginning of the text was read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// Loads a published classifier of any number of labels a text, whose `config.json` has the
/// `problem_type` `multi_label_classification`; labels are given from a probability of a half on.
///
/// # Errors
/// [`PublishedError`] names the file, field or tensor that cannot be used.
pub fn from_folder(
    dir: impl AsRef<Path>,
    device: &Device,
) -> Result<Predictor<MultiLabelClassification>, PublishedError> {
    let task = |labels, features| MultiLabelClassification {
        labels,
        features,
        threshold: 0.5,
        class_weights: None,
        focus: 0.0,
    };
    published(dir.as_ref(), None, &[SEVERAL_LABELS], &task, device)
}

impl Task for MultiLabelClassification {
    const NAME: &'static str = "multi-label-classification";
    type Input = Text;
    type Target = Vec<String>;
    type Prediction = TextLabels;
    type Batch = Labelled<TextBatch, Tensor<2>>;

    fn batch(
        &self,
        examples: &[ExampleOf<Self>],
        device: &Device,
    ) -> Result<Self::Batch, DataError> {
        let texts: Vec<&Text> = examples.iter().map(|example| &example.input).collect();
        let targets: Vec<&Vec<String>> = examples.iter().map(|example| &example.target).collect();
        Ok(Labelled {
            features: self.features.batch(&texts, true, device)?,
            truth: self.truth(&targets, device)?,
        })
    }

    /// The text's bytes.
    fn length(&self, example: &ExampleOf<Self>) -> Option<usize> {
        Some(example.input.text.len())
    }
}

impl OnePass for MultiLabelClassification {
    type Features = TextBatch;
    type Truth = Tensor<2>;
    type Output = Tensor<2>;

    fn collate(&self, texts: &[&Text], device: &Device) -> Result<TextBatch, DataError> {
        self.features.batch(texts, false, device)
    }

    fn loss(&self, logits: Tensor<2>, truth: Tensor<2>) -> Loss {
        let options = Focal { focus: self.focus, class_weights: self.class_weights.clone() };
        loss::binary_focal_loss(logits, truth, &options)
    }

    fn decode(&self, texts: &[&Text], logits: Tensor<2>) -> Vec<TextLabels> {
        let probabilities: Vec<f32> = sigmoid(logits).into_data().iter::<f32>().collect();
        let names = self.labels.names();
        let rows = probabilities.chunks(names.len()).zip(texts);
        let answers = rows.map(|(row, text)| {
            let given = |(_, p): &(&String, &f32)| f64::from(**p) >= self.threshold;
            TextLabels {
                labels: names.iter().zip(row).filter(given).map(|(name, _)| name.clone()).collect(),
                scores: names.iter().cloned().zip(row.iter().copied()).collect(),
                truncated: text.truncate && self.features.is_over(&text.text),
            }
        });
        answers.collect()
    }
}

impl TextTask for MultiLabelClassification {
    fn features(&self) -> &Features {
        &self.features
    }

    /// `[batch, labels]`, 1 where a text has a label.
    fn truth(&self, targets: &[&Vec<String>], device: &Device) -> Result<Tensor<2>, DataError> {
        let width = self.labels.count();
        let mut truth = vec![0.0_f32; targets.len() * width];
        for (row, labels) in truth.chunks_mut(width).zip(targets) {
            for label in *labels {
                row[self.labels.index(label)?] = 1.0;
            }
        }
        Ok(Tensor::from_data(TensorData::new(truth, [targets.len(), width]), device))
    }
}

impl Registered for MultiLabelClassification {
    const MEDIA: Option<&'static str> = None;
    const CUT: Option<fn(ExampleOf<Self>) -> ExampleOf<Self>> =
        Some(|example| Example { input: example.input.truncated(), ..example });

    fn models() -> &'static [ModelEntry<Self>] {
        MULTI_LABEL_CLASSIFIERS
    }

    fn published() -> &'static [PublishedEntry] {
        PUBLISHED
    }

    fn read(raw: Raw<'_>) -> Result<Text, DataError> {
        Text::read(raw)
    }

    /// `{"labels": ["a", "b"]}`; in a table, whose fields are texts, `a; b`.
    fn target(line: &Value) -> Result<Vec<String>, DataError> {
        let refused = |got: String| DataError::Field {
            field: "labels".to_owned(),
            wanted: "a list of texts",
            got,
        };
        match line.get("labels") {
            Some(Value::Array(all)) => all
                .iter()
                .map(|label| label.as_str().map(str::to_owned))
                .collect::<Option<_>>()
                .ok_or_else(|| refused(shortened(&Value::Array(all.clone())))),
            Some(Value::String(all)) => {
                let names = all.split(';').map(str::trim).filter(|name| !name.is_empty());
                Ok(names.map(str::to_owned).collect())
            }
            other => Err(refused(other.map_or_else(|| "missing".to_owned(), shortened))),
        }
    }

    fn evaluate(
        predictor: &Predictor<Self>,
        data: &dyn Dataset<ExampleOf<Self>>,
    ) -> Result<Report, EvalError> {
        MultiLabelEvaluator::default().evaluate(predictor, data)
    }
}

#[cfg(test)]
mod tests;
