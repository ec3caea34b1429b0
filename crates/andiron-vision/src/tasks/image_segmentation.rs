//! Image segmentation: the class of each pixel.

mod averaged;
mod evaluator;
mod recipe;
mod runs;

pub use evaluator::SegmentationEvaluator;
pub use recipe::SegmentationOptions;
pub use runs::Runs;

use crate::{
    classes::ClassNames,
    data::mask_rows,
    draw,
    letterbox::{Letterbox, read_image},
    models::unet::UNetConfig,
    objects::{IGNORED, Mask},
    picture::Image,
    transform::{Filter, resize},
    views::Views,
};
use andiron_core::{
    Attachment, ConfigError, DataError, Dataset, Draw, EvalError, Evaluator, Example, FOLDER,
    FileKind, Labelled, Loss, ModelEntry, OnePass, Predictor, Raw, Registered, Report, Task,
    loss::{Focal, dice_loss, focal_loss},
};
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};
use serde_json::Value;
use std::slice;

/// How much of the image a class's colour covers in a picture of an answer.
const OVERLAY: f32 = 0.6;

/// The classes, how an image becomes numbers, and what the loss is made of.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImageSegmentation {
    /// What a pixel may belong to; 255 at most, since a mask has a byte a pixel.
    pub classes: ClassNames,
    /// How an image becomes numbers.
    pub frame: Letterbox,
    /// How strongly pixels that are nearly right are passed over, 0 or more: the focus of the focal
    /// loss, which with 0 is cross-entropy. By default 0.
    pub focus: f64,
    /// The weight of the dice loss beside it, 0 or more; by default 1.
    pub dice: f64,
    /// How an image is looked at when it is answered; once unless said otherwise. The probabilities
    /// that the views give to a pixel are added up, and the largest sum has it.
    #[serde(default, skip_serializing_if = "Views::is_once")]
    pub views: Views,
}

impl ImageSegmentation {
    /// The task with cross-entropy and dice loss.
    pub fn new(classes: ClassNames, frame: Letterbox) -> Self {
        Self { classes, frame, focus: 0.0, dice: 1.0, views: Views::default() }
    }

    /// The same task that looks at an image several times to answer it.
    ///
    /// # Errors
    /// As [`Views::check`].
    pub fn with_views(self, views: Views) -> Result<Self, ConfigError> {
        let task = Self { views, ..self };
        task.check().map(|()| task)
    }

    /// Checks the numbers.
    ///
    /// # Errors
    /// [`ConfigError`] names the one that cannot be used.
    pub fn check(&self) -> Result<(), ConfigError> {
        ConfigError::within("the number of classes", 2.0, 255.0, self.classes.count() as f64)?;
        ConfigError::within("focus", 0.0, 10.0, self.focus)?;
        ConfigError::within("dice", 0.0, 100.0, self.dice)?;
        self.views.check()
    }

    /// The images in their frames.
    fn pictures<'a>(
        &self,
        images: impl ExactSizeIterator<Item = &'a Image>,
        device: &Device,
    ) -> Result<Tensor<4>, DataError> {
        let frame = &self.frame;
        let shape = [images.len(), frame.channels(), frame.height(), frame.width()];
        let mut values = Vec::with_capacity(shape.iter().product());
        for image in images {
            frame.append(image, &mut values)?;
        }
        Ok(Tensor::from_data(TensorData::new(values, shape), device))
    }

    /// The class numbers of the frame's pixels; beside the image they are ignored.
    fn framed(&self, example: &Example<Image, Mask>) -> Result<Vec<u8>, DataError> {
        let (image, mask) = (&example.input, &example.target);
        mask.check_fits(image)?;
        mask.check_classes(self.classes.names())?;
        let (width, height) = self.frame.size(image);
        let part = resize(&mask.to_image(), width, height, Filter::Nearest);
        let (wide, high) = (self.frame.width() as u32, self.frame.height() as u32);
        Ok(part.window(0, 0, wide, high, IGNORED).into_pixels())
    }
}

/// The answer about an image.
///
/// As JSON `{"classes": [name, …], "mask": {"width", "height", "runs"}}`: the names in the order of
/// the class numbers, and the mask as [`Runs`]. The program writes the mask into a PNG file where it
/// is told to, and says its path in place of the runs.
#[derive(Debug, Clone, PartialEq)]
pub struct Segmented {
    /// The names of the classes.
    pub classes: Vec<String>,
    /// The class of each pixel of the image.
    pub mask: Mask,
}

impl Serialize for Segmented {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Segmented", 2)?;
        object.serialize_field("classes", &self.classes)?;
        object.serialize_field("mask", &Runs::of(&self.mask))?;
        object.end()
    }
}

impl Task for ImageSegmentation {
    const NAME: &'static str = "image-segmentation";
    type Input = Image;
    type Target = Mask;
    type Prediction = Segmented;
    type Batch = Labelled<Tensor<4>, Tensor<3, Int>>;

    fn batch(
        &self,
        examples: &[Example<Image, Mask>],
        device: &Device,
    ) -> Result<Self::Batch, DataError> {
        let features = self.pictures(examples.iter().map(|example| &example.input), device)?;
        let mut truth: Vec<i32> = Vec::new();
        for example in examples {
            truth.extend(self.framed(example)?.into_iter().map(i32::from));
        }
        let shape = [examples.len(), self.frame.height(), self.frame.width()];
        Ok(Labelled { features, truth: Tensor::from_data(TensorData::new(truth, shape), device) })
    }
}

impl OnePass for ImageSegmentation {
    type Features = Tensor<4>;
    type Truth = Tensor<3, Int>;
    type Output = Tensor<4>;

    /// # Shapes
    /// - output: `[inputs · views, channels, height, width]`, as the frame has them, the views of an
    ///   input one after the other
    fn collate(&self, inputs: &[&Image], device: &Device) -> Result<Tensor<4>, DataError> {
        if self.views.is_once() {
            return self.pictures(inputs.iter().copied(), device);
        }
        let views: Vec<Image> = inputs.iter().flat_map(|image| self.views.of(image)).collect();
        self.pictures(views.iter(), device)
    }

    /// A mean over the pixels that are not ignored; of weight 0 where all are.
    fn loss(&self, logits: Tensor<4>, truth: Tensor<3, Int>) -> Loss {
        let [batch, classes, height, width] = logits.dims();
        let pixels = batch * height * width;
        let rows = logits.permute([0, 2, 3, 1]).reshape([pixels, classes]);
        let truth = truth.reshape([pixels]);
        let numbers: Vec<i32> = truth.clone().into_data().iter::<i32>().collect();
        let ignored = i32::from(IGNORED);
        let heeded: Vec<i32> =
            (0..pixels as i32).filter(|at| numbers[*at as usize] != ignored).collect();
        if heeded.is_empty() {
            return Loss::new(rows.sum_dim(1).sum() * 0.0, 0);
        }
        let (rows, truth) = if heeded.len() == pixels {
            (rows, truth)
        } else {
            let places = Tensor::<1, Int>::from_ints(heeded.as_slice(), &rows.device());
            (rows.select(0, places.clone()), truth.select(0, places))
        };
        let focal = Focal { focus: self.focus, class_weights: None };
        let Loss { mean, count, .. } = focal_loss(rows.clone(), truth.clone(), &focal);
        if self.dice == 0.0 {
            return Loss::new(mean, count);
        }
        Loss::new(mean + dice_loss(rows, truth).mean * self.dice, count)
    }

    fn views(&self) -> usize {
        self.views.count()
    }

    fn decode(&self, inputs: &[&Image], logits: Tensor<4>) -> Vec<Segmented> {
        let logits = if self.views.is_once() { logits } else { self.averaged(inputs, logits) };
        let [_, _, height, width] = logits.dims();
        let best: Vec<i32> = logits.argmax(1).into_data().iter::<i32>().collect();
        let answer = |(image, best): (&&Image, &[i32])| {
            let classes = best.iter().map(|class| *class as u8).collect();
            let frame = Image::from_parts(width as u32, height as u32, 1, classes);
            let (wide, high) = self.frame.size(image);
            let part = frame.window(0, 0, wide, high, 0);
            let mask = resize(&part, image.width(), image.height(), Filter::Nearest);
            Segmented { classes: self.classes.names().to_vec(), mask: Mask::from_image(mask) }
        };
        inputs.iter().zip(best.chunks_exact(height * width)).map(answer).collect()
    }
}

/// The architectures for [`ImageSegmentation`], the fastest first.
pub static IMAGE_SEGMENTERS: &[ModelEntry<ImageSegmentation>] = &[ModelEntry::of::<UNetConfig>()];

impl Registered for ImageSegmentation {
    const MEDIA: Option<&'static str> = Some("image");

    const FILES: &'static [FileKind] = &[(FOLDER, mask_rows)];

    const PICTURE: Option<Draw<Self>> = Some(|predictor, image| {
        let answers = predictor.predict(slice::from_ref(image))?;
        let drawn = answers.first().map(|answer| draw::overlay(image, &answer.mask, OVERLAY));
        Ok(drawn.as_ref().unwrap_or(image).to_png())
    });

    const ATTACHED: Option<Attachment> = Some(Attachment {
        field: "mask",
        ending: "png",
        read: |bytes| Ok(runs::value(&Mask::decode(bytes)?)),
        write: |value| Ok(runs::mask_of(value)?.to_image().to_png()),
    });

    fn models() -> &'static [ModelEntry<Self>] {
        IMAGE_SEGMENTERS
    }

    fn read(raw: Raw<'_>) -> Result<Image, DataError> {
        read_image(raw)
    }

    /// `"mask": {"width", "height", "runs"}`; see [`Runs`]. The program puts it there where a line
    /// names a PNG file.
    fn target(line: &Value) -> Result<Mask, DataError> {
        runs::mask_of(line.get("mask").unwrap_or(&Value::Null))
    }

    fn evaluate(
        predictor: &Predictor<Self>,
        data: &dyn Dataset<Example<Image, Mask>>,
    ) -> Result<Report, EvalError> {
        SegmentationEvaluator::default().evaluate(predictor, data)
    }
}
