//! One label a text: topic, mood, language, spam.

mod encoder_recipe;
mod fasttext;
mod folder;
mod frozen;
mod published;
mod recipe;

pub use encoder_recipe::EncoderClassifierOptions;
pub(crate) use encoder_recipe::started;
pub use fasttext::FastTextClassifier;
pub(crate) use folder::{ONE_LABEL, SEVERAL_LABELS, fit as fit_published, published};
pub use folder::{from_adapter, from_folder};
pub(crate) use frozen::{TextTask, fit as fit_frozen};
pub use published::PUBLISHED;
pub use recipe::{FeatureWeights, HashedLinearOptions, TextEncoderOptions};

use crate::{
    batch::TextBatch,
    features::Features,
    models::{
        bert::BertConfig, distilbert::DistilBertConfig, hashed_linear::HashedLinearConfig,
        roberta::RobertaConfig, sequence_classifier::SequenceClassifierConfig,
        text_encoder::TextEncoderConfig,
    },
    text::Text,
};
use andiron_core::{
    Choice, ClassifierEvaluator, DataError, Dataset, EvalError, Evaluator as _, Labelled, Labels,
    Loss, ModelEntry, OnePass, Predictor, PublishedEntry, Raw, Registered, Report, Task,
    data::{Example, ExampleOf, text_field},
    loss::{self, CrossEntropy, Focal},
};
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The algorithms for the task, the fast one first.
pub static TEXT_CLASSIFIERS: &[ModelEntry<TextClassification>] = &[
    ModelEntry::of::<HashedLinearConfig>(),
    ModelEntry::of::<TextEncoderConfig>(),
    ModelEntry::of::<SequenceClassifierConfig<DistilBertConfig>>(),
    ModelEntry::of::<SequenceClassifierConfig<BertConfig>>(),
    ModelEntry::of::<SequenceClassifierConfig<RobertaConfig>>(),
];

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
    /// How strongly training passes over what is nearly right
    /// ([focal loss](andiron_core::loss::focal_loss)), 0 or more; 0 is cross-entropy.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub focus: f64,
}

/// Whether a setting says what goes without saying.
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde calls it so")]
pub(crate) fn is_zero(setting: &f64) -> bool {
    *setting == 0.0
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
        let labels: Vec<&String> = examples.iter().map(|example| &example.target).collect();
        Ok(Labelled {
            features: self.features.batch(&texts, true, device)?,
            truth: self.truth(&labels, device)?,
        })
    }

    /// The text's bytes.
    fn length(&self, example: &ExampleOf<Self>) -> Option<usize> {
        Some(example.input.text.len())
    }
}

impl OnePass for TextClassification {
    type Features = TextBatch;
    type Truth = Tensor<1, Int>;
    type Output = Tensor<2>;

    fn collate(&self, texts: &[&Text], device: &Device) -> Result<TextBatch, DataError> {
        self.features.batch(texts, false, device)
    }

    fn loss(&self, logits: Tensor<2>, truth: Tensor<1, Int>) -> Loss {
        let class_weights = self.class_weights.clone();
        if self.focus > 0.0 {
            return loss::focal_loss(logits, truth, &Focal { focus: self.focus, class_weights });
        }
        let options = CrossEntropy { class_weights, label_smoothing: self.label_smoothing };
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

impl TextTask for TextClassification {
    fn features(&self) -> &Features {
        &self.features
    }

    fn truth(&self, labels: &[&String], device: &Device) -> Result<Tensor<1, Int>, DataError> {
        self.labels.indices(labels.iter().copied(), device)
    }
}

impl Registered for TextClassification {
    const MEDIA: Option<&'static str> = None;
    const LABELLED: bool = true;
    const CUT: Option<fn(ExampleOf<Self>) -> ExampleOf<Self>> =
        Some(|example| Example { input: example.input.truncated(), ..example });

    fn models() -> &'static [ModelEntry<Self>] {
        TEXT_CLASSIFIERS
    }

    fn published() -> &'static [PublishedEntry] {
        PUBLISHED
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

/// A handful of texts that the models' tests learn by heart.
#[cfg(test)]
pub(crate) mod toy {
    use crate::text::Text;
    use andiron_core::Example;

    /// Three labels; the longest text is several times as long as the shortest.
    pub(crate) fn examples() -> Vec<Example<Text, String>> {
        [
            ("good", "good"),
            ("not bad at all :)", "good"),
            ("what a lovely, lovely day it was by the sea with all of you!!!", "good"),
            ("bad", "bad"),
            ("it was not good", "bad"),
            ("it is a day", "so-so"),
            ("neither here nor there, I would say", "so-so"),
        ]
        .map(|(text, label)| Example { input: text.into(), target: label.to_owned() })
        .to_vec()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use andiron_core::{Example, Network, Recipe, Registry};
    use serde_json::json;

    fn predictor(options: Value) -> Predictor<TextClassification> {
        let device = Device::flex();
        let (task, config) = HashedLinearConfig::prepare(&options, &toy::examples()).unwrap();
        Predictor::new(task, Network::init(config, 3, &device).unwrap(), &device)
    }

    #[test]
    fn a_bad_line_costs_only_its_own_place() {
        let lines = [
            json!({"text": "one two three four"}),
            json!({"text": "one two three four five"}),
            json!({"text": "one two three four five", "truncate": true}),
            json!({"text": " "}),
            json!({"words": "one"}),
            json!({"text": "one", "truncate": true}),
        ];
        let raw: Vec<Raw<'_>> = lines.iter().map(Raw::Json).collect();
        let predictor = predictor(json!({"max_length": 4, "n_buckets": 64}));
        let answers = andiron_core::AnyPredictor::predict(&predictor, &raw);
        let said: Vec<Result<Value, String>> =
            answers.into_iter().map(|answer| answer.map_err(|error| error.to_string())).collect();
        let whole = said[0].clone().unwrap();
        assert_eq!(
            whole["label"].as_str().map(|label| &whole["scores"][label]),
            Some(&whole["score"])
        );
        assert_eq!(whole["scores"].as_object().unwrap().len(), 3);
        assert_eq!(whole.get("truncated"), None);
        assert_eq!(
            said[1],
            Err("the length of the text in words and signs is 5, which is over the limit of 4"
                .into())
        );
        let cut = said[2].clone().unwrap();
        assert_eq!(cut["truncated"], json!(true));
        assert_eq!(cut["label"], whole["label"]);
        assert_eq!(said[3], Err("the text is empty".into()));
        assert_eq!(said[4], Err("field \"text\" must be a text, but is missing".into()));
        assert_eq!(said[5].clone().unwrap().get("truncated"), None, "it was short enough");
    }

    #[test]
    fn answers_survive_json() {
        let answer =
            predictor(json!({"n_buckets": 64})).predict(&["good".into()]).unwrap().remove(0);
        let text = serde_json::to_string(&answer).unwrap();
        assert_eq!(serde_json::from_str::<TextLabel>(&text).unwrap(), answer);
        let cut = TextLabel { truncated: true, ..answer };
        let text = serde_json::to_string(&cut).unwrap();
        assert!(text.ends_with(",\"truncated\":true}"), "{text}");
        assert_eq!(serde_json::from_str::<TextLabel>(&text).unwrap(), cut);
    }

    #[test]
    fn training_cuts_what_is_too_long() {
        let task =
            predictor(json!({"max_length": 4, "words": 1, "most_characters": 0})).task().clone();
        let long = Example { input: Text::from("a b c d e f"), target: "good".to_owned() };
        let batch = task.batch(&[long], &Device::flex()).unwrap();
        assert_eq!(batch.features.ids.dims(), [1, 4]);
    }

    #[test]
    fn a_rare_class_weighs_as_much_as_a_frequent_one() {
        let task = predictor(json!({})).task().clone();
        // 7 examples of 3 classes: 2 bad, 3 good, 2 so-so.
        let wanted = [7.0 / 6.0, 7.0 / 9.0, 7.0 / 6.0];
        let weights = task.class_weights.unwrap();
        assert!(
            weights
                .iter()
                .zip(wanted)
                .all(|(got, wanted): (&f32, f32)| (got - wanted).abs() < 1e-6)
        );
        assert_eq!(predictor(json!({"balance": false})).task().class_weights, None);
    }

    #[test]
    fn options_that_cannot_be_used_are_refused() {
        let fast = |options| HashedLinearConfig::prepare(&options, &toy::examples()).map(|_| ());
        let strong = |options| TextEncoderConfig::prepare(&options, &toy::examples()).map(|_| ());
        let said = |result: Result<(), DataError>| match result {
            Err(DataError::Config(error)) => error.to_string(),
            other => panic!("{other:?}"),
        };
        assert!(said(fast(json!({"buckets": 5}))).starts_with("there is no setting \"buckets\""));
        assert!(said(fast(json!({"weights": "idf"}))).starts_with("setting \"weights\" cannot be"));
        assert!(
            said(strong(json!({"n_layers": "two"}))).starts_with("setting \"n_layers\" cannot be")
        );
        for (result, wanted) in [
            (fast(json!({"words": 0})), "words must be at least 1, but is 0"),
            (fast(json!({"max_length": 0})), "max_length must be at least 1, but is 0"),
            (fast(json!({"label_smoothing": 2})), "label_smoothing must lie in 0..=1, but is 2"),
            (
                fast(json!({"weights": "tf-idf", "n_buckets": 0})),
                "n_buckets must be at least 1, but is 0",
            ),
            (strong(json!({"max_length": 0})), "max_length must be at least 1, but is 0"),
            (strong(json!({"least_count": 0})), "least_count must be at least 1, but is 0"),
        ] {
            assert_eq!(said(result), wanted);
        }
        let no_word = strong(json!({"least_count": 99})).unwrap_err();
        assert_eq!(no_word.to_string(), "the vocabulary is empty");
    }

    #[test]
    fn training_texts_that_cannot_be_used_are_named() {
        let mut examples = toy::examples();
        examples[5].input = "\t".into();
        for result in [
            HashedLinearConfig::prepare(&Value::Null, &examples).map(|_| ()),
            TextEncoderConfig::prepare(&Value::Null, &examples).map(|_| ()),
        ] {
            assert!(matches!(result, Err(DataError::Example { index: 5, .. })), "{result:?}");
        }
        let one = toy::examples()[..3].to_vec();
        let refused = HashedLinearConfig::prepare(&Value::Null, &one).map(|_| ());
        assert!(matches!(refused, Err(DataError::OneClass { examples: 3, .. })), "{refused:?}");
    }

    #[test]
    fn a_network_and_a_task_that_disagree_are_told() {
        let (task, config) =
            TextEncoderConfig::prepare(&json!({"max_length": 9}), &toy::examples()).unwrap();
        assert_eq!(config.fits(&task), Ok(()));
        let said = |config: TextEncoderConfig| config.fits(&task).unwrap_err().to_string();
        let wanted = "max_length is 8 for the network, but 9 for the task";
        assert_eq!(said(config.clone().with_max_length(8)), wanted);
        let fewer = TextEncoderConfig { n_tokens: config.n_tokens - 1, ..config.clone() };
        assert!(said(fewer).starts_with("the number of tokens is "));
        assert!(HashedLinearConfig::new(3).fits(&task).is_err(), "it has a vocabulary");
    }

    #[test]
    fn document_weights_are_learnt_kept_and_checked() {
        let options = json!({"n_buckets": 64, "weights": "log-tf-idf"});
        let (task, config) = HashedLinearConfig::prepare(&options, &toy::examples()).unwrap();
        let Features::NGrams(ngrams) = &task.features else { panic!("{:?}", task.features) };
        let weights = ngrams.document_weights.as_ref().unwrap();
        assert_eq!((weights.documents(), weights.n_buckets()), (toy::examples().len(), 64));
        assert_eq!(config.fits(&task), Ok(()));
        let other = config.with_n_buckets(63).fits(&task).unwrap_err().to_string();
        assert_eq!(other, "n_buckets is 63 for the network, but 64 for the task");
        let alike = predictor(json!({"n_buckets": 64})).task().clone();
        let Features::NGrams(ngrams) = &alike.features else { panic!("{:?}", alike.features) };
        assert_eq!(ngrams.document_weights, None);
        // A bundle from before there were weights says nothing of them.
        assert!(!serde_json::to_string(&alike).unwrap().contains("document_weights"));
    }

    #[test]
    fn a_registry_loads_what_was_saved() {
        for options in [json!({"n_buckets": 64}), json!({"n_buckets": 64, "weights": "tf-idf"})] {
            is_the_same_from_a_folder(options);
        }
    }

    fn is_the_same_from_a_folder(options: Value) {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("bundle");
        let predictor = predictor(options);
        predictor.save(&dir).unwrap();
        let loaded = Registry::default().with(crate::TASKS).load(&dir, &Device::flex()).unwrap();
        assert_eq!(
            (loaded.task(), loaded.architecture()),
            ("text-classification", "hashed-linear")
        );
        let line = json!({"text": "a lovely day"});
        let answer = loaded.predict(&[Raw::Json(&line)]).remove(0).unwrap();
        let direct = predictor.predict(&["a lovely day".into()]).unwrap().remove(0);
        assert_eq!(answer, serde_json::to_value(direct).unwrap());
    }
}
