//! One label a text: topic, mood, language, spam.

mod recipe;

pub use recipe::{HashedLinearOptions, TextEncoderOptions};

use crate::{
    batch::TextBatch,
    features::Features,
    models::{hashed_linear::HashedLinearConfig, text_encoder::TextEncoderConfig},
    text::Text,
};
use andiron_core::{
    Choice, ClassifierEvaluator, DataError, Dataset, EvalError, Evaluator as _, Labelled, Labels,
    Loss, ModelEntry, OnePass, Predictor, Raw, Registered, Report, Task,
    data::{ExampleOf, text_field},
    loss::{self, CrossEntropy},
};
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The algorithms for the task, the fast one first.
pub static TEXT_CLASSIFIERS: &[ModelEntry<TextClassification>] =
    &[ModelEntry::of::<HashedLinearConfig>(), ModelEntry::of::<TextEncoderConfig>()];

/// Which of several labels a text has.
///
/// An empty text is an error, and so is one over the model's length, unless it says
/// `"truncate": true`. In training a text over the length is cut: its label is about the whole, but
/// its beginning is what the model will see of such a text.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextClassification {
    /// The labels to choose from.
    pub labels: Labels,
    /// How a text becomes numbers.
    pub features: Features,
    /// How much an example of each class weighs in training; none weighs all alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_weights: Option<Vec<f32>>,
    /// Share of the truth that is spread over all classes in training, 0 to 1.
    #[serde(default)]
    pub label_smoothing: f64,
}

/// The answer for a text: the label with all probabilities, and whether the text was cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextLabel {
    /// The label.
    #[serde(flatten)]
    pub choice: Choice,
    /// Whether only the beginning of the text was read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

impl AsRef<Choice> for TextLabel {
    fn as_ref(&self) -> &Choice {
        &self.choice
    }
}

impl TextClassification {
    fn encode(
        &self,
        texts: &[&Text],
        cut: bool,
        device: &Device,
    ) -> Result<TextBatch, DataError> {
        let rows = texts
            .iter()
            .map(|text| self.features.encode(text, cut))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(TextBatch::of(&rows, device))
    }
}

impl Task for TextClassification {
    const NAME: &'static str = "text-classification";
    type Input = Text;
    type Target = String;
    type Prediction = TextLabel;
    type Batch = Labelled<TextBatch, Tensor<1, Int>>;

    fn batch(
        &self,
        examples: &[ExampleOf<Self>],
        device: &Device,
    ) -> Result<Self::Batch, DataError> {
        let texts: Vec<&Text> = examples.iter().map(|example| &example.input).collect();
        let labels = examples.iter().map(|example| &example.target);
        Ok(Labelled {
            features: self.encode(&texts, true, device)?,
            truth: self.labels.indices(labels, device)?,
        })
    }
}

impl OnePass for TextClassification {
    type Features = TextBatch;
    type Truth = Tensor<1, Int>;
    type Output = Tensor<2>;

    fn collate(&self, texts: &[&Text], device: &Device) -> Result<TextBatch, DataError> {
        self.encode(texts, false, device)
    }

    fn loss(&self, logits: Tensor<2>, truth: Tensor<1, Int>) -> Loss {
        let options = CrossEntropy {
            class_weights: self.class_weights.clone(),
            label_smoothing: self.label_smoothing,
        };
        loss::cross_entropy(logits, truth, &options)
    }

    fn decode(&self, texts: &[&Text], logits: Tensor<2>) -> Vec<TextLabel> {
        let choices = self.labels.choose(logits);
        let answers = choices.into_iter().zip(texts).map(|(choice, text)| TextLabel {
            choice,
            truncated: text.truncate && self.features.is_over(&text.text),
        });
        answers.collect()
    }
}

impl Registered for TextClassification {
    const MEDIA: Option<&'static str> = None;

    fn models() -> &'static [ModelEntry<Self>] {
        TEXT_CLASSIFIERS
    }

    fn read(raw: Raw<'_>) -> Result<Text, DataError> {
        Text::read(raw)
    }

    fn target(line: &Value) -> Result<String, DataError> {
        text_field(line, "label")
    }

    fn evaluate(
        predictor: &Predictor<Self>,
        data: &dyn Dataset<ExampleOf<Self>>,
    ) -> Result<Report, EvalError> {
        ClassifierEvaluator::default().evaluate(predictor, data)
    }
}
