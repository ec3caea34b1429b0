//! Object detection: what is where in an image, as boxes.

mod assignment;
mod evaluator;
mod loss;
mod published;
mod recipe;
mod suppression;

pub use assignment::{Match, Target, assign};
pub use evaluator::DetectionEvaluator;
pub use loss::{Parts, parts};
pub use published::PUBLISHED;
pub use recipe::DetectionOptions;
pub use suppression::{Candidate, suppress};

use crate::{
    classes::ClassNames,
    data::coco_rows,
    draw::{self, DrawnBox},
    grid::GridBoxes,
    letterbox::{Letterbox, read_image},
    models::yolox::YoloxConfig,
    objects::ObjectBox,
    picture::Image,
};
use andiron_core::{
    ConfigError, DataError, Dataset, Draw, EvalError, Evaluator, Example, FileKind, Labelled, Loss,
    ModelEntry, OnePass, Predictor, PublishedEntry, Raw, Registered, Report, Task, data::shortened,
};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize, Serializer, ser::SerializeStruct};
use serde_json::Value;
use std::slice;

/// Objects that are less sure are not considered at all, as in the `yolox` package's measurements.
pub const FLOOR: f32 = 0.01;
/// So many objects an image at most, as in COCO's measurements.
pub const MOST_OBJECTS: usize = 100;

/// The classes, how an image becomes numbers, and what counts as an answer.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ObjectDetection {
    /// What there is to find.
    pub classes: ClassNames,
    /// How an image becomes numbers.
    pub frame: Letterbox,
    /// Less sure objects are no part of the answer; 0 to 1, by default 0.3. A measurement heeds all
    /// from [`FLOOR`] on, whatever this says.
    pub min_score: f32,
    /// A box that overlaps a surer one of its class by more is dropped; 0 to 1, by default 0.65.
    pub most_overlap: f32,
    /// Whether the loss has the distance of the raw box numbers too.
    pub with_distance: bool,
}

impl ObjectDetection {
    /// The task with the usual limits, and without the distance in its loss.
    pub fn new(classes: ClassNames, frame: Letterbox) -> Self {
        Self { classes, frame, min_score: 0.3, most_overlap: 0.65, with_distance: false }
    }

    /// Checks the limits.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] outside 0 to 1.
    pub fn check(&self) -> Result<(), ConfigError> {
        ConfigError::within("min_score", 0.0, 1.0, f64::from(self.min_score))?;
        ConfigError::within("most_overlap", 0.0, 1.0, f64::from(self.most_overlap))
    }
}

/// An object that was found.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FoundObject {
    /// What it is.
    pub label: String,
    /// How sure it is, 0 to 1.
    pub score: f32,
    /// `[x0, y0, x1, y1]` in pixels of the image, within it.
    #[serde(rename = "box")]
    pub corners: [f32; 4],
}

/// The answer about an image; as JSON `{"objects": [{"label", "score", "box"}, …]}`, the surest
/// first.
#[derive(Debug, Clone, PartialEq)]
pub struct Detections {
    all: Vec<FoundObject>,
    min_score: f32,
}

impl Detections {
    /// The objects that are as sure as the task wants them, the surest first.
    pub fn objects(&self) -> &[FoundObject] {
        &self.all[..self.all.partition_point(|object| object.score >= self.min_score)]
    }

    /// All that were considered, down to [`FLOOR`]: for a measurement, or a limit of one's own.
    pub fn all(&self) -> &[FoundObject] {
        &self.all
    }
}

impl Serialize for Detections {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("Detections", 1)?;
        object.serialize_field("objects", self.objects())?;
        object.end()
    }
}

impl Task for ObjectDetection {
    const NAME: &'static str = "object-detection";
    type Input = Image;
    type Target = Vec<ObjectBox>;
    type Prediction = Detections;
    type Batch = Labelled<Tensor<4>, Vec<Vec<Target>>>;

    fn batch(
        &self,
        examples: &[Example<Image, Vec<ObjectBox>>],
        device: &Device,
    ) -> Result<Self::Batch, DataError> {
        let inputs: Vec<&Image> = examples.iter().map(|example| &example.input).collect();
        let (features, scales) = self.framed(&inputs, device)?;
        let mut truth = Vec::with_capacity(examples.len());
        for (example, scale) in examples.iter().zip(scales) {
            let (width, height) = (example.input.width(), example.input.height());
            let target = |object: &ObjectBox| {
                object.check_inside(width, height)?;
                let [x0, y0, x1, y1] = object.corners();
                let place = [(x0 + x1) / 2.0, (y0 + y1) / 2.0, x1 - x0, y1 - y0];
                let place = place.map(|value| value * scale as f32);
                Ok(Target { class: self.classes.index(object.label())?, place })
            };
            truth.push(example.target.iter().map(target).collect::<Result<_, DataError>>()?);
        }
        Ok(Labelled { features, truth })
    }
}

impl ObjectDetection {
    /// The images as one tensor, and by what each was enlarged.
    fn framed(
        &self,
        inputs: &[&Image],
        device: &Device,
    ) -> Result<(Tensor<4>, Vec<f64>), DataError> {
        let frame = &self.frame;
        let shape = [inputs.len(), frame.channels(), frame.height(), frame.width()];
        let mut values = Vec::with_capacity(shape.iter().product());
        let scales = inputs
            .iter()
            .map(|image| frame.append(image, &mut values))
            .collect::<Result<Vec<f64>, _>>()?;
        Ok((Tensor::from_data(TensorData::new(values, shape), device), scales))
    }

    /// The image with a frame around each object of the answer, and its label at it.
    pub fn drawn(&self, image: &Image, answer: &Detections) -> Image {
        let frames = answer.objects().iter().map(|FoundObject { label, corners, .. }| {
            let class = self.classes.index(label).unwrap_or_default();
            DrawnBox { corners: *corners, text: label, class }
        });
        draw::boxes(image, &frames.collect::<Vec<_>>())
    }

    /// The objects of one image, from what its cells say. A number that is not finite is no answer.
    fn found(&self, candidates: Vec<Candidate>, image: &Image) -> Detections {
        let scale = self.frame.scale(image) as f32;
        let sides = [image.width() as f32, image.height() as f32];
        let kept = suppress(candidates, self.most_overlap, MOST_OBJECTS);
        let object = |one: Candidate| {
            let corner = |at: usize| (one.corners[at] / scale).clamp(0.0, sides[at % 2]);
            let corners = [corner(0), corner(1), corner(2), corner(3)];
            let [x0, y0, x1, y1] = corners;
            let label = self.classes.names()[one.class].clone();
            (x0 < x1 && y0 < y1).then_some(FoundObject { label, score: one.score, corners })
        };
        let all = kept.into_iter().filter_map(object).collect();
        Detections { all, min_score: self.min_score }
    }
}

/// What each image's cells say, from the surest class of each: score, and box in pixels of the
/// frame. Less sure ones than `floor` are left out.
pub fn candidates(grid: &GridBoxes, floor: f32) -> Vec<Vec<Candidate>> {
    let [batch, count, width] = grid.numbers.dims();
    let cells = grid.cells();
    let numbers: Vec<f32> = grid.numbers.clone().into_data().iter::<f32>().collect();
    let sigmoid = |x: f32| 1.0 / (1.0 + (-x).exp());
    let candidate = |(cell, numbers): (usize, &[f32])| {
        let (first, classes) = numbers.split_at(5);
        let best = (0..classes.len()).fold(0, |best, at| match classes[at] > classes[best] {
            true => at,
            false => best,
        });
        let score = sigmoid(first[4]) * sigmoid(classes[best]);
        let [x, y, w, h] = cells[cell].decode([first[0], first[1], first[2], first[3]]);
        let corners = [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0];
        let usable = score >= floor && corners.iter().all(|corner| corner.is_finite());
        usable.then_some(Candidate { class: best, score, corners })
    };
    (0..batch)
        .map(|image| {
            let said = numbers[image * count * width..][..count * width].chunks_exact(width);
            said.enumerate().filter_map(candidate).collect()
        })
        .collect()
}

impl OnePass for ObjectDetection {
    type Features = Tensor<4>;
    type Truth = Vec<Vec<Target>>;
    type Output = GridBoxes;

    /// # Shapes
    /// - output: `[inputs, channels, height, width]`, as the frame has them
    fn collate(&self, inputs: &[&Image], device: &Device) -> Result<Tensor<4>, DataError> {
        Ok(self.framed(inputs, device)?.0)
    }

    fn loss(&self, grid: GridBoxes, truth: Vec<Vec<Target>>) -> Loss {
        parts(grid, &truth, self.with_distance).loss(truth.len())
    }

    fn decode(&self, inputs: &[&Image], grid: GridBoxes) -> Vec<Detections> {
        let all = candidates(&grid, FLOOR);
        all.into_iter().zip(inputs).map(|(found, image)| self.found(found, image)).collect()
    }
}

/// The architectures for [`ObjectDetection`], the fastest first.
pub static OBJECT_DETECTORS: &[ModelEntry<ObjectDetection>] = &[ModelEntry::of::<YoloxConfig>()];

impl Registered for ObjectDetection {
    const MEDIA: Option<&'static str> = Some("image");

    const FILES: &'static [FileKind] = &[("json", coco_rows)];

    const PICTURE: Option<Draw<Self>> = Some(|predictor, image| {
        let answers = predictor.predict(slice::from_ref(image))?;
        let drawn = answers.first().map(|answer| predictor.task().drawn(image, answer));
        Ok(drawn.as_ref().unwrap_or(image).to_png())
    });

    fn models() -> &'static [ModelEntry<Self>] {
        OBJECT_DETECTORS
    }

    fn published() -> &'static [PublishedEntry] {
        PUBLISHED
    }

    fn read(raw: Raw<'_>) -> Result<Image, DataError> {
        read_image(raw)
    }

    /// `"objects": [{"label", "box": [x0, y0, x1, y1]}, …]`, in pixels; the list may be empty.
    fn target(line: &Value) -> Result<Vec<ObjectBox>, DataError> {
        let wanted = "a list of {\"label\", \"box\": [x0, y0, x1, y1]}";
        let refuse = |got: String| DataError::Field { field: "objects".to_owned(), wanted, got };
        let Some(Value::Array(objects)) = line.get("objects") else {
            let got = line.get("objects").map_or_else(|| "missing".to_owned(), shortened);
            return Err(refuse(got));
        };
        let object = |value: &Value| {
            serde_json::from_value(value.clone())
                .map_err(|error| refuse(format!("{}: {error}", shortened(value))))
        };
        objects.iter().map(object).collect()
    }

    fn evaluate(
        predictor: &Predictor<Self>,
        data: &dyn Dataset<Example<Image, Vec<ObjectBox>>>,
    ) -> Result<Report, EvalError> {
        DetectionEvaluator::default().evaluate(predictor, data)
    }
}
