//! What in an image speaks for an answer: Grad-CAM, drawn over the image.
//!
//! Paper: Selvaraju et al. 2017, <https://arxiv.org/abs/1610.02391>, section 3. With `A` the last
//! maps of a convolutional network, `k` a channel of `Z` places, and `y` the logit of the label:
//!
//! ```text
//! α_k = 1/Z Σ_ij ∂y / ∂A_k,ij            (equation 1)
//! L   = ReLU( Σ_k α_k A_k )              (equation 2)
//! ```
//!
//! It says where the network looked, coarsely: at places of its last maps. It does not say whether
//! the answer is right.

use crate::{
    models::{
        efficientnet_lite::EfficientNetLiteConfig, mobilenet_v2::MobileNetV2Config,
        resnet::ResNetConfig, small_cnn::SmallCnnConfig,
    },
    picture::Image,
    tasks::image_classification::ImageClassification,
    transform::{Filter, Placement, resize},
};
use andiron_core::{DataError, Model, ModelConfig, OnePass as _, Predictor, Solve};
use burn::tensor::{Int, Tensor};

/// A network whose logits follow from maps that still know where something is:
/// `forward(x) = logits(maps(x))`.
pub trait FeatureMaps: Model<Input = Tensor<4>, Output = Tensor<2>> {
    /// The last maps, behind their activation.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`, normalised
    /// - output: `[batch, features, rows, columns]`
    fn maps(&self, images: Tensor<4>) -> Tensor<4>;

    /// What follows.
    ///
    /// # Shapes
    /// - maps: as [`maps`](Self::maps) gives them
    /// - output: `[batch, n_classes]`
    fn logits(&self, maps: Tensor<4>) -> Tensor<2>;
}

/// The heat of each place of the last maps, for one class an image: equations 1 and 2, unscaled.
///
/// # Shapes
/// - images: `[batch, channels, height, width]`, normalised, on a device without autodiff
/// - classes: `batch` class numbers
/// - output: `[batch, rows, columns]`, 0 or more
pub fn grad_cam<M: FeatureMaps>(model: &M, images: Tensor<4>, classes: &[usize]) -> Tensor<3> {
    let device = images.device();
    let maps = model.maps(images);
    let [batch, features, rows, columns] = maps.dims();
    // Only what follows the maps is on the tape: the gradient is asked at the maps.
    let leaf = Tensor::<4>::from_inner(maps.clone()).require_grad();
    let logits = model.clone().train().logits(leaf.clone());
    let classes: Vec<i32> = classes.iter().map(|class| *class as i32).collect();
    let classes = Tensor::<1, Int>::from_ints(classes.as_slice(), &device.autodiff());
    // An image's logits depend on its own maps alone, so the sum has every image's gradient.
    let chosen = logits.gather(1, classes.unsqueeze_dim::<2>(1)).sum();
    let gradient = leaf.grad(&chosen.backward());
    let gradient = gradient.expect("the logits are a function of the maps");
    let weights = gradient.reshape([batch, features, rows * columns]).mean_dim(2);
    let maps = maps.reshape([batch, features, rows * columns]);
    (maps * weights).sum_dim(1).clamp_min(0.0).reshape([batch, rows, columns])
}

/// Why an image got a label.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    /// The label that is explained.
    pub label: String,
    /// Its probability, 0 to 1.
    pub score: f32,
    /// Columns of the network's last maps.
    pub columns: usize,
    /// Rows of them.
    pub rows: usize,
    /// How much each place speaks for the label, row by row from the top: 1 for the most, 0 for
    /// nothing; all 0 where nothing does.
    pub heat: Vec<f32>,
    /// Where the image's pixels were in what the network saw, and the size of that.
    seen: (Placement, u32, u32),
}

/// Explains the most probable label of an image, or the one that is named.
///
/// # Errors
/// [`DataError::UnknownLabel`]; [`DataError::Field`] for a network without maps; and as the
/// prediction.
pub fn explain(
    predictor: &Predictor<ImageClassification>,
    image: &Image,
    label: Option<&str>,
) -> Result<Explanation, DataError> {
    let class = label.map(|label| predictor.task().labels.index(label)).transpose()?;
    let explained = EXPLAINERS.iter().find_map(|explainer| explainer(predictor, image, class));
    explained.unwrap_or_else(|| {
        let (field, got) = ("model".to_owned(), predictor.architecture().to_owned());
        let wanted = "a network with feature maps, which Grad-CAM explains";
        Err(DataError::Field { field, wanted, got })
    })
}

type Explainer = fn(
    &Predictor<ImageClassification>,
    &Image,
    Option<usize>,
) -> Option<Result<Explanation, DataError>>;

/// The networks that can be explained: those with maps.
static EXPLAINERS: &[Explainer] = &[
    by::<SmallCnnConfig>,
    by::<ResNetConfig>,
    by::<MobileNetV2Config>,
    by::<EfficientNetLiteConfig>,
];

fn by<C>(
    predictor: &Predictor<ImageClassification>,
    image: &Image,
    class: Option<usize>,
) -> Option<Result<Explanation, DataError>>
where
    C: ModelConfig<Model: FeatureMaps>,
    ImageClassification: Solve<C::Model>,
{
    let model = &predictor.network::<C>()?.model;
    Some(of_model(model, predictor, image, class))
}

fn of_model<M: FeatureMaps>(
    model: &M,
    predictor: &Predictor<ImageClassification>,
    image: &Image,
    class: Option<usize>,
) -> Result<Explanation, DataError> {
    let task = predictor.task();
    // The whole image alone, whatever number of views an answer has.
    let task = ImageClassification { views: Default::default(), ..task.clone() };
    let images = task.collate(&[image], predictor.device())?;
    let logits = model.forward(images.clone());
    let choice = &task.decode(&[image], logits)[0].0;
    let class = match class {
        Some(class) => class,
        None => task.labels.index(&choice.label)?,
    };
    let heat = grad_cam(model, images, &[class]);
    let [_, rows, columns] = heat.dims();
    let heat: Vec<f32> = heat.into_data().iter::<f32>().collect();
    let most = heat.iter().copied().fold(0.0, f32::max);
    let label = task.labels.names()[class].clone();
    let (width, height) = (task.transform.width() as u32, task.transform.height() as u32);
    Ok(Explanation {
        score: choice.scores[&label],
        label,
        columns,
        rows,
        heat: heat.iter().map(|value| if most > 0.0 { value / most } else { 0.0 }).collect(),
        seen: (task.transform.placement(image.width(), image.height()), width, height),
    })
}

/// The longer side that a drawing has at least, in pixels: a digit of 8 by 8 would not be seen.
const SMALLEST: u32 = 256;

impl Explanation {
    /// The image under its heat: red where little, yellow where most speaks for the label. A small
    /// image is enlarged by a whole number.
    pub fn overlay(&self, image: &Image) -> Image {
        let times = SMALLEST.div_ceil(image.width().max(image.height()));
        let (width, height) = (image.width() * times, image.height() * times);
        let large = resize(image, width, height, Filter::Nearest);
        let heat = self.heat.iter().map(|heat| (heat * 255.0).round() as u8).collect();
        let heat = Image::from_parts(self.columns as u32, self.rows as u32, 1, heat);
        let (placement, seen_width, seen_height) = self.seen;
        // The heat at the size of what the network saw, but no coarser than what is drawn.
        let heat = resize(&heat, seen_width * times, seen_height * times, Filter::Bilinear);
        let channels = usize::from(large.channels());
        let mut pixels = Vec::with_capacity(3 * (width * height) as usize);
        for (at, pixel) in large.pixels().chunks_exact(channels).enumerate() {
            let scale = f64::from(times);
            let (x, y) = ((at as u32 % width) as f64 + 0.5, (at as u32 / width) as f64 + 0.5);
            let point = placement.forward([x / scale, y / scale]);
            let [x, y] = point.map(|value| (value * scale).floor());
            let inside = (0.0..f64::from(heat.width())).contains(&x)
                && (0.0..f64::from(heat.height())).contains(&y);
            let warmth = match inside {
                true => heat.pixels()[(y as u32 * heat.width() + x as u32) as usize],
                false => 0,
            };
            let colour = [pixel[0], pixel[channels / 2], pixel[channels - 1]];
            pixels.extend(heated(colour, f32::from(warmth) / 255.0));
        }
        Image::from_parts(width, height, 3, pixels)
    }
}

/// A colour under heat of 0 to 1: up to two thirds of it are covered.
fn heated(colour: [u8; 3], heat: f32) -> [u8; 3] {
    let cover = heat * 2.0 / 3.0;
    let glow = [255.0, 255.0 * heat, 0.0];
    std::array::from_fn(|at| {
        (f32::from(colour[at]) * (1.0 - cover) + glow[at] * cover).round() as u8
    })
}

/// The picture that a program writes for an answer: the image under the heat of its label.
pub(crate) fn picture(
    predictor: &Predictor<ImageClassification>,
    image: &Image,
) -> Result<Vec<u8>, DataError> {
    Ok(explain(predictor, image, None)?.overlay(image).to_png())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
