//! Image classification: one label an image.

mod recipe;

pub use recipe::ImageOptions;

use crate::{
    models::{resnet::ResNetConfig, small_cnn::SmallCnnConfig},
    picture::Image,
    transform::ImageTransform,
};
use andiron_core::{
    Choice, ClassifierEvaluator, ConfigError, DataError, Dataset, EvalError, Evaluator, Example,
    Labelled, Labels, Loss, ModelEntry, OnePass, Predictor, Raw, Registered, Report, Task, data,
    loss::{CrossEntropy, cross_entropy},
};
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};
use serde_json::Value;

/// How many labels an answer lists at most.
const TOP: usize = 5;

/// The labels, the size and normalisation of the images, and how the loss is smoothed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageClassification {
    /// What there is to choose from.
    pub labels: Labels,
    /// How an image becomes numbers.
    pub transform: ImageTransform,
    /// Share of the truth that the loss spreads evenly over all labels, 0 to 1; 0 is the plain
    /// cross-entropy.
    pub label_smoothing: f64,
}

impl ImageClassification {
    /// The task with the plain cross-entropy as its loss.
    pub fn new(labels: Labels, transform: ImageTransform) -> Self {
        Self { labels, transform, label_smoothing: 0.0 }
    }

    /// The same task with a smoothed loss.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] outside 0 to 1.
    pub fn with_label_smoothing(self, label_smoothing: f64) -> Result<Self, ConfigError> {
        ConfigError::within("label_smoothing", 0.0, 1.0, label_smoothing)?;
        Ok(Self { label_smoothing, ..self })
    }

    /// Whether a network that takes images of `[channels, height, width]` and tells `n_classes`
    /// labels apart can answer the task: for [`Recipe::fits`](andiron_core::Recipe::fits).
    ///
    /// # Errors
    /// [`ConfigError::Disagree`] names what network and task say differently.
    pub fn fits(&self, image: [usize; 3], n_classes: usize) -> Result<(), ConfigError> {
        let [channels, height, width] = image;
        ConfigError::agree("the number of labels", n_classes, self.labels.count())?;
        ConfigError::agree("channels", channels, self.transform.channels())?;
        ConfigError::agree("height", height, self.transform.height())?;
        ConfigError::agree("width", width, self.transform.width())
    }
}

/// The answer about an image; as JSON `{"label", "score", "top": [{"label", "score"}, …]}` with
/// the five most probable labels, the best first.
#[derive(Debug, Clone, PartialEq)]
pub struct ImageLabel(pub Choice);

impl AsRef<Choice> for ImageLabel {
    fn as_ref(&self) -> &Choice {
        &self.0
    }
}

impl Serialize for ImageLabel {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        #[derive(Serialize)]
        struct Candidate<'a> {
            label: &'a str,
            score: f32,
        }
        let top = self.0.top(TOP).into_iter().map(|(label, score)| Candidate { label, score });
        let mut object = serializer.serialize_struct("ImageLabel", 3)?;
        object.serialize_field("label", &self.0.label)?;
        object.serialize_field("score", &self.0.score)?;
        object.serialize_field("top", &top.collect::<Vec<_>>())?;
        object.end()
    }
}

impl Task for ImageClassification {
    const NAME: &'static str = "image-classification";
    type Input = Image;
    type Target = String;
    type Prediction = ImageLabel;
    type Batch = Labelled<Tensor<4>, Tensor<1, Int>>;

    fn batch(
        &self,
        examples: &[Example<Image, String>],
        device: &Device,
    ) -> Result<Self::Batch, DataError> {
        let inputs: Vec<&Image> = examples.iter().map(|example| &example.input).collect();
        let labels = examples.iter().map(|example| &example.target);
        Ok(Labelled {
            features: self.collate(&inputs, device)?,
            truth: self.labels.indices(labels, device)?,
        })
    }
}

impl OnePass for ImageClassification {
    type Features = Tensor<4>;
    type Truth = Tensor<1, Int>;
    type Output = Tensor<2>;

    /// # Shapes
    /// - output: `[inputs, channels, height, width]`, normalised
    fn collate(&self, inputs: &[&Image], device: &Device) -> Result<Tensor<4>, DataError> {
        let transform = &self.transform;
        let mut values = Vec::with_capacity(inputs.len() * transform.numbers());
        for image in inputs {
            transform.append(image, &mut values)?;
        }
        let shape = [inputs.len(), transform.channels(), transform.height(), transform.width()];
        Ok(Tensor::from_data(TensorData::new(values, shape), device))
    }

    fn loss(&self, logits: Tensor<2>, truth: Tensor<1, Int>) -> Loss {
        let label_smoothing = self.label_smoothing;
        cross_entropy(logits, truth, &CrossEntropy { label_smoothing, class_weights: None })
    }

    fn decode(&self, _: &[&Image], logits: Tensor<2>) -> Vec<ImageLabel> {
        self.labels.choose(logits).into_iter().map(ImageLabel).collect()
    }
}

/// The architectures for [`ImageClassification`], the fastest first.
pub static IMAGE_CLASSIFIERS: &[ModelEntry<ImageClassification>] =
    &[ModelEntry::of::<SmallCnnConfig>(), ModelEntry::of::<ResNetConfig>()];

impl Registered for ImageClassification {
    const MEDIA: Option<&'static str> = Some("image");

    fn models() -> &'static [ModelEntry<Self>] {
        IMAGE_CLASSIFIERS
    }

    fn read(raw: Raw<'_>) -> Result<Image, DataError> {
        match raw {
            Raw::Bytes(bytes) => Image::decode(bytes),
            Raw::Array { shape, data } => Image::from_array(shape, data),
            Raw::Json(_) => Err(DataError::WrongKind { wanted: "an image", got: raw.kind() }),
        }
    }

    fn target(line: &Value) -> Result<String, DataError> {
        data::text_field(line, "label")
    }

    fn evaluate(
        predictor: &Predictor<Self>,
        data: &dyn Dataset<Example<Image, String>>,
    ) -> Result<Report, EvalError> {
        ClassifierEvaluator::default().evaluate(predictor, data)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::samples;
    use andiron_core::{AnyPredictor, Network};
    use serde_json::json;

    fn predictor() -> Predictor<ImageClassification> {
        let config = SmallCnnConfig::new(1, 7, 9, 3).with_widths([2, 3]).with_d_hidden(4);
        let device = Device::flex();
        let network = Network::init(config, 1, &device).unwrap();
        Predictor::new(samples::task(9, 7, 1), network, &device)
    }

    #[test]
    fn an_answer_lists_the_best_first_and_five_at_most() {
        let names: Vec<String> = ["a", "b", "c", "d", "e", "f", "g"].map(str::to_owned).to_vec();
        let labels = Labels::of(&names).unwrap();
        let logits = Tensor::from_data([[0.0, 3.0, 1.0, -1.0, 2.0, 0.5, -2.0]], &Device::flex());
        let answer = ImageLabel(labels.choose(logits).remove(0));
        let value = serde_json::to_value(answer).unwrap();
        let fields: Vec<&String> = value.as_object().unwrap().keys().collect();
        assert_eq!(fields, ["label", "score", "top"]);
        assert_eq!((&value["label"], &value["score"]), (&json!("b"), &value["top"][0]["score"]));
        let top: Vec<&str> = value["top"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| one["label"].as_str().unwrap())
            .collect();
        assert_eq!(top, ["b", "e", "c", "f", "a"]);
    }

    #[test]
    fn files_and_arrays_of_one_image_get_one_answer_and_a_bad_one_costs_only_its_place() {
        let image = Image::gray(3, 2, vec![0, 50, 100, 150, 200, 250]).unwrap();
        let png = image.to_png();
        let data = [0.0, 50.0, 100.0, 150.0, 200.0, 250.0];
        let line = json!({"image": "/etc/passwd"});
        let raw = [
            Raw::Bytes(&png),
            Raw::Bytes(&png[..20]),
            Raw::Array { shape: &[2, 3], data: &data },
            Raw::Json(&line),
        ];
        let answers = AnyPredictor::predict(&predictor(), &raw);
        assert_eq!(answers[0].as_ref().unwrap(), answers[2].as_ref().unwrap());
        assert!(matches!(answers[1], Err(DataError::Decode { .. })));
        let refused = answers[3].as_ref().unwrap_err().to_string();
        assert_eq!(refused, "an image was wanted, but the input is JSON");
    }

    #[test]
    fn an_image_of_any_size_and_colour_is_answered() {
        let inputs = [
            Image::gray(1, 1, vec![7]).unwrap(),
            Image::rgb(1, 40, vec![7; 120]).unwrap(),
            Image::gray(300, 2, vec![7; 600]).unwrap(),
        ];
        assert_eq!(predictor().predict(&inputs).unwrap().len(), 3);
        assert!(predictor().predict(&[]).unwrap().is_empty());
    }

    #[test]
    fn an_unknown_label_is_refused_and_smoothing_is_checked() {
        let mut examples = samples::examples(1);
        examples[1].target = "below".to_owned();
        let task = samples::task(9, 7, 1);
        let refused = task.batch(&examples, &Device::flex());
        assert!(matches!(refused, Err(DataError::UnknownLabel { label, .. }) if label == "below"));
        assert!(task.clone().with_label_smoothing(1.1).is_err());
        assert_eq!(task.with_label_smoothing(0.1).unwrap().label_smoothing, 0.1);
    }

    #[test]
    fn smoothing_raises_the_loss_of_a_sure_answer() {
        let device = Device::flex();
        let logits = || Tensor::<2>::from_data([[9.0, 0.0, 0.0]], &device);
        let truth = || Tensor::<1, Int>::from_data([0], &device);
        let loss =
            |task: &ImageClassification| task.loss(logits(), truth()).mean.into_scalar::<f64>();
        let plain = samples::task(9, 7, 1);
        let smooth = plain.clone().with_label_smoothing(0.3).unwrap();
        // The gap to the other two logits is 9; each carries a third of the smoothing.
        assert!((loss(&smooth) - loss(&plain) - 0.3 * 2.0 / 3.0 * 9.0).abs() < 1e-4);
    }

    #[test]
    fn a_line_says_its_label() {
        assert_eq!(ImageClassification::target(&json!({"label": "x"})).unwrap(), "x");
        assert!(ImageClassification::target(&json!({"label": 3})).is_err());
    }
}
