//! Image classification: one label an image.

mod backbone_recipe;
mod frozen;
mod published;
mod recipe;

pub use published::PUBLISHED;
pub use recipe::ImageOptions;

use crate::{
    augment::Augment,
    explain,
    models::{
        efficientnet_lite::EfficientNetLiteConfig, mobilenet_v2::MobileNetV2Config,
        resnet::ResNetConfig, small_cnn::SmallCnnConfig, vit::ViTConfig,
    },
    picture::Image,
    transform::ImageTransform,
    views::Views,
};
use andiron_core::{
    Choice, ClassifierEvaluator, ConfigError, DataError, Dataset, Draw, EvalError, Evaluator,
    Example, Labelled, Labels, Loss, ModelEntry, OnePass, Predictor, PublishedEntry, Raw,
    Registered, Report, Task, data,
    loss::{CrossEntropy, Focal, cross_entropy, focal_loss, soft_cross_entropy},
};
use andiron_kernels::{draw, mix};
use burn::tensor::{Device, Int, Tensor, TensorData, activation::softmax};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};
use serde_json::Value;

/// How many labels an answer lists at most.
const TOP: usize = 5;

/// The labels, how an image becomes numbers, how training images are changed, and the loss.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageClassification {
    /// What there is to choose from.
    pub labels: Labels,
    /// How an image becomes numbers.
    pub transform: ImageTransform,
    /// How training images are changed at random; none leaves them as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub augment: Option<Augment>,
    /// Share of the truth that the loss spreads evenly over all labels, 0 to 1; 0 is the plain
    /// cross-entropy.
    pub label_smoothing: f64,
    /// What an example of each label counts in the loss, in the labels' order; none counts all
    /// alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_weights: Option<Vec<f32>>,
    /// How strongly the loss passes over examples that are nearly right
    /// ([focal loss](andiron_core::loss::focal_loss)), 0 or more; 0 is cross-entropy.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub focus: f64,
    /// How an image is looked at when it is answered; once unless said otherwise.
    #[serde(default, skip_serializing_if = "Views::is_once")]
    pub views: Views,
}

fn is_zero(focus: &f64) -> bool {
    *focus == 0.0
}

impl ImageClassification {
    /// The task with the plain cross-entropy as its loss, on images that are not changed.
    pub fn new(labels: Labels, transform: ImageTransform) -> Self {
        Self {
            labels,
            transform,
            augment: None,
            label_smoothing: 0.0,
            class_weights: None,
            focus: 0.0,
            views: Views::default(),
        }
    }

    /// The same task with a smoothed loss.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] outside 0 to 1.
    pub fn with_label_smoothing(self, label_smoothing: f64) -> Result<Self, ConfigError> {
        let task = Self { label_smoothing, ..self };
        task.check().map(|()| task)
    }

    /// The same task whose training images are changed at random.
    ///
    /// # Errors
    /// [`ConfigError::Kind`] if images are mixed and the loss is focal.
    pub fn with_augment(self, augment: Augment) -> Result<Self, ConfigError> {
        let task = Self { augment: Some(augment), ..self };
        task.check().map(|()| task)
    }

    /// The same task that looks at an image several times to answer it.
    ///
    /// # Errors
    /// As [`Views::check`].
    pub fn with_views(self, views: Views) -> Result<Self, ConfigError> {
        let task = Self { views, ..self };
        task.check().map(|()| task)
    }

    /// Checks what the data do not decide.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        ConfigError::within("label_smoothing", 0.0, 1.0, self.label_smoothing)?;
        ConfigError::within("focus", 0.0, 100.0, self.focus)?;
        self.views.check()?;
        let refuse = |field: &str, got: String, reason: &str| {
            let (field, reason) = (field.to_owned(), reason.to_owned());
            Err(ConfigError::Kind { field, got, reason })
        };
        if let Some(weights) = &self.class_weights {
            if weights.len() != self.labels.count() {
                let (labels, got) = (self.labels.count(), weights.len().to_string());
                let reason = format!("{labels} labels need as many weights");
                return refuse("class_weights", got, &reason);
            }
            for weight in weights {
                ConfigError::within("class_weights", 0.0, 1e6, f64::from(*weight))?;
            }
        }
        if self.focus > 0.0 && self.label_smoothing > 0.0 {
            let reason = "focal loss has none: set focus to 0";
            return refuse("label_smoothing", self.label_smoothing.to_string(), reason);
        }
        if self.focus > 0.0 && self.augment.as_ref().is_some_and(|augment| augment.mix().is_some())
        {
            let reason = "mixed images have no one label for the focal loss: leave one of them out";
            return refuse("focus", self.focus.to_string(), reason);
        }
        Ok(())
    }

    /// Whether a network that takes images of `[channels, height, width]` and tells `n_classes`
    /// labels apart can answer the task: for [`Recipe::fits`](andiron_core::Recipe::fits).
    ///
    /// # Errors
    /// [`ConfigError::Disagree`] names what network and task say differently.
    pub fn fits(&self, image: [usize; 3], n_classes: usize) -> Result<(), ConfigError> {
        let [channels, height, width] = image;
        self.check()?;
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
    type Batch = Labelled<Tensor<4>, ImageTruth>;

    fn batch(
        &self,
        examples: &[Example<Image, String>],
        device: &Device,
    ) -> Result<Self::Batch, DataError> {
        // Only a training step has a seed.
        let augment = self.augment.as_ref().and_then(|augment| Some((augment, draw()?)));
        let mut values = Vec::with_capacity(examples.len() * self.transform.numbers());
        for (at, example) in examples.iter().enumerate() {
            match augment {
                None => self.transform.append(&example.input, &mut values)?,
                Some((augment, seed)) => {
                    let seed = mix(seed, &[at as u64]);
                    let seen = augment.draw(&self.transform, &example.input, seed)?;
                    self.transform.append_prepared(&seen, &mut values);
                }
            }
        }
        let shape @ [images, _, height, width] = self.shape(examples.len());
        let mixing = augment.and_then(|(augment, seed)| {
            augment.mix()?.draw(images, width, height, mix(seed, &[MIXING]))
        });
        let labels = || examples.iter().map(|example| &example.target);
        let truth = match mixing {
            None => ImageTruth::Classes(self.labels.indices(labels(), device)?),
            Some(mixing) => {
                mixing.apply(&mut values, shape);
                let classes = labels().map(|label| self.labels.index(label));
                let classes = classes.collect::<Result<Vec<_>, _>>()?;
                let n_classes = self.labels.count();
                let shares = mixing.truths(&classes, n_classes);
                let shares = TensorData::new(shares, [images, n_classes]);
                ImageTruth::Shares(Tensor::from_data(shares, device))
            }
        };
        Ok(Labelled { features: Tensor::from_data(TensorData::new(values, shape), device), truth })
    }
}

/// Names the stream that mixing draws from, beside those of the images, which are numbered.
const MIXING: u64 = u64::MAX;

/// What a batch of images shows.
#[derive(Debug, Clone)]
pub enum ImageTruth {
    /// The class number of each image, `[images]`.
    Classes(Tensor<1, Int>),
    /// The share of each class in each image, where images were mixed, `[images, classes]`.
    Shares(Tensor<2>),
}

impl ImageClassification {
    fn shape(&self, images: usize) -> [usize; 4] {
        let transform = &self.transform;
        [images, transform.channels(), transform.height(), transform.width()]
    }
}

impl OnePass for ImageClassification {
    type Features = Tensor<4>;
    type Truth = ImageTruth;
    type Output = Tensor<2>;

    /// # Shapes
    /// - output: `[inputs · views, channels, height, width]`, normalised, the views of an input one
    ///   after the other
    fn collate(&self, inputs: &[&Image], device: &Device) -> Result<Tensor<4>, DataError> {
        let views = self.views.count();
        let mut values = Vec::with_capacity(inputs.len() * views * self.transform.numbers());
        for image in inputs {
            match views {
                1 => self.transform.append(image, &mut values)?,
                _ => {
                    let mut all = self.views.of(image).into_iter();
                    all.try_for_each(|view| self.transform.append(&view, &mut values))?;
                }
            }
        }
        let shape = self.shape(inputs.len() * views);
        Ok(Tensor::from_data(TensorData::new(values, shape), device))
    }

    fn loss(&self, logits: Tensor<2>, truth: ImageTruth) -> Loss {
        let (label_smoothing, class_weights) = (self.label_smoothing, self.class_weights.clone());
        match truth {
            ImageTruth::Classes(truth) if self.focus > 0.0 => {
                focal_loss(logits, truth, &Focal { focus: self.focus, class_weights })
            }
            ImageTruth::Classes(truth) => {
                cross_entropy(logits, truth, &CrossEntropy { label_smoothing, class_weights })
            }
            ImageTruth::Shares(truth) => {
                soft_cross_entropy(logits, truth, &CrossEntropy { label_smoothing, class_weights })
            }
        }
    }

    fn views(&self) -> usize {
        self.views.count()
    }

    fn decode(&self, inputs: &[&Image], logits: Tensor<2>) -> Vec<ImageLabel> {
        let logits = match self.views.count() {
            1 => logits,
            views => {
                let [_, classes] = logits.dims();
                let all = softmax(logits, 1).reshape([inputs.len(), views, classes]);
                // The softmax of the logarithm of probabilities is the probabilities.
                all.mean_dim(1).squeeze_dim::<2>(1).clamp_min(1e-30).log()
            }
        };
        self.labels.choose(logits).into_iter().map(ImageLabel).collect()
    }
}

/// The architectures for [`ImageClassification`], the fastest first.
pub static IMAGE_CLASSIFIERS: &[ModelEntry<ImageClassification>] = &[
    ModelEntry::of::<SmallCnnConfig>(),
    ModelEntry::of::<ResNetConfig>(),
    ModelEntry::of::<MobileNetV2Config>(),
    ModelEntry::of::<EfficientNetLiteConfig>(),
    ModelEntry::of::<ViTConfig>(),
];

impl Registered for ImageClassification {
    const MEDIA: Option<&'static str> = Some("image");
    const LABELLED: bool = true;
    const PICTURE: Option<Draw<Self>> = Some(explain::picture);

    fn models() -> &'static [ModelEntry<Self>] {
        IMAGE_CLASSIFIERS
    }

    fn published() -> &'static [PublishedEntry] {
        PUBLISHED
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
mod tests;
