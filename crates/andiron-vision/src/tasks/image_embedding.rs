//! A vector for an image, such that images of like content have vectors of like direction.
//!
//! The vectors are those that a classifier's head would start from. [`nearest`](andiron_core::nearest())
//! searches them.

mod published;
mod recipe;

pub use published::PUBLISHED;
pub use recipe::EmbeddingOptions;

use crate::{
    models::{
        efficientnet_lite::EfficientNetLiteConfig, mobilenet_v2::MobileNetV2Config,
        resnet::ResNetConfig, vit::ViTConfig,
    },
    picture::Image,
    transform::ImageTransform,
};
use andiron_core::{
    ConfigError, DataError, Dataset, EvalError, Example, Labelled, Loss, ModelEntry, OnePass,
    Predictor, PublishedEntry, Raw, Registered, Report, Task,
    data::{ExampleOf, text_field},
    evaluator::{ClassRetrieval, Fingerprint},
};
use burn::tensor::{Bool, Device, Tensor, TensorData, activation::log_softmax};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How many images are measured at once.
const AT_ONCE: usize = 32;

/// How an image becomes numbers, and what is done with the vector.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageEmbedding {
    /// How an image becomes numbers.
    pub transform: ImageTransform,
    /// Whether the vector is brought to length 1.
    pub normalize: bool,
    /// Factor of the cosines in the loss, above 0.
    pub scale: f64,
}

/// The answer for an image: its vector; as JSON `{"embedding": [numbers]}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ImageVector {
    /// The vector.
    pub embedding: Vec<f32>,
}

impl ImageEmbedding {
    /// Vectors of length 1, and the temperature of 0.05 in training.
    pub fn new(transform: ImageTransform) -> Self {
        Self { transform, normalize: true, scale: 20.0 }
    }

    /// Whether a network that takes images of `[channels, height, width]` and has a head for
    /// `n_classes` labels, 0 for none, can answer the task: for
    /// [`Recipe::fits`](andiron_core::Recipe::fits).
    ///
    /// # Errors
    /// [`ConfigError`] names what network and task say differently, or the setting of the task that
    /// cannot be used.
    pub fn fits(&self, image: [usize; 3], n_classes: usize) -> Result<(), ConfigError> {
        let [channels, height, width] = image;
        ConfigError::agree("the number of labels", n_classes, 0)?;
        ConfigError::agree("channels", channels, self.transform.channels())?;
        ConfigError::agree("height", height, self.transform.height())?;
        ConfigError::agree("width", width, self.transform.width())?;
        ConfigError::within("scale", 1e-6, 1e6, self.scale)
    }
}

/// `x / |x|` by rows; a row of zeros stays one.
fn to_length_one(x: Tensor<2>) -> Tensor<2> {
    let squares = (x.clone() * x.clone()).sum_dim(1);
    // The root has no derivative at 0.
    x / squares.clamp_min(1e-24).sqrt()
}

impl Task for ImageEmbedding {
    const NAME: &'static str = "image-embedding";
    type Input = Image;
    type Target = String;
    type Prediction = ImageVector;
    type Batch = Labelled<Tensor<4>, Tensor<2, Bool>>;

    /// The truth says of each pair of images whether they are two of one label.
    fn batch(
        &self,
        examples: &[Example<Image, String>],
        device: &Device,
    ) -> Result<Self::Batch, DataError> {
        let inputs: Vec<&Image> = examples.iter().map(|example| &example.input).collect();
        let n = examples.len();
        let same = |at: usize| {
            let (i, j) = (at / n, at % n);
            i != j && examples[i].target == examples[j].target
        };
        let same: Vec<bool> = (0..n * n).map(same).collect();
        let truth = Tensor::from_data(TensorData::new(same, [n, n]), device);
        Ok(Labelled { features: self.collate(&inputs, device)?, truth })
    }
}

impl OnePass for ImageEmbedding {
    type Features = Tensor<4>;
    type Truth = Tensor<2, Bool>;
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

    /// Supervised contrast (Khosla et al. 2020, <https://arxiv.org/abs/2004.11362>, equation 2): an
    /// image has to choose those of its label among all others of the batch, by cosine.
    ///
    /// ```text
    /// L = − 1/n · Σ_i 1/|P_i| · Σ_{p ∈ P_i} log softmax_{j ≠ i}(scale · cos(v_i, v_j))_p
    /// ```
    ///
    /// with the sum over the n images that have another one of their label in the batch.
    fn loss(&self, vectors: Tensor<2>, same: Tensor<2, Bool>) -> Loss {
        let [n, _] = vectors.dims();
        let device = vectors.device();
        let vectors = to_length_one(vectors);
        let scores = vectors.clone().matmul(vectors.transpose()) * self.scale;
        // What is as good as −∞, and gives no NaN where it is multiplied by zero.
        let itself = Tensor::<2>::eye(n, &device).bool();
        let logs = log_softmax(scores.mask_fill(itself, -1e9), 1);
        let same = same.float();
        let others = same.clone().sum_dim(1);
        let mean = (logs * same).sum_dim(1) / others.clone().clamp_min(1.0);
        let counts: Vec<f32> = others.into_data().iter::<f32>().collect();
        let anchors = counts.iter().filter(|count| **count > 0.0).count();
        Loss::new(-mean.sum_dim(0).reshape([1]) / anchors.max(1) as f64, anchors.max(1))
    }

    fn decode(&self, _: &[&Image], vectors: Tensor<2>) -> Vec<ImageVector> {
        let vectors = if self.normalize { to_length_one(vectors) } else { vectors };
        let [_, width] = vectors.dims();
        let values: Vec<f32> = vectors.into_data().iter::<f32>().collect();
        let vectors = values.chunks(width.max(1));
        vectors.map(|vector| ImageVector { embedding: vector.to_vec() }).collect()
    }
}

/// The architectures for [`ImageEmbedding`], the fastest first.
pub static IMAGE_EMBEDDERS: &[ModelEntry<ImageEmbedding>] = &[
    ModelEntry::of::<ResNetConfig>(),
    ModelEntry::of::<MobileNetV2Config>(),
    ModelEntry::of::<EfficientNetLiteConfig>(),
    ModelEntry::of::<ViTConfig>(),
];

impl Registered for ImageEmbedding {
    const MEDIA: Option<&'static str> = Some("image");

    fn models() -> &'static [ModelEntry<Self>] {
        IMAGE_EMBEDDERS
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
        text_field(line, "label")
    }

    /// [`ClassRetrieval`] of ten: whether images of one label find each other.
    fn evaluate(
        predictor: &Predictor<Self>,
        data: &dyn Dataset<ExampleOf<Self>>,
    ) -> Result<Report, EvalError> {
        let (mut fingerprint, mut vectors, mut labels) = (Fingerprint::new(), vec![], vec![]);
        let places: Vec<usize> = (0..data.len()).collect();
        for part in places.chunks(AT_ONCE) {
            let mut images = Vec::with_capacity(part.len());
            for index in part {
                let example = data.get(*index).map_err(|error| error.at(*index, None))?;
                let picture =
                    (example.input.width(), example.input.height(), example.input.pixels());
                let added =
                    fingerprint.add(&picture).and_then(|()| fingerprint.add(&example.target));
                added.map_err(|error| error.at(*index, None))?;
                images.push(example.input);
                labels.push(example.target);
            }
            vectors.extend(predictor.predict(&images)?.into_iter().map(|answer| answer.embedding));
        }
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        let names = [Self::NAME, predictor.architecture()];
        ClassRetrieval::default().report(names, &vectors, &labels, fingerprint)
    }
}

#[cfg(test)]
mod tests;
