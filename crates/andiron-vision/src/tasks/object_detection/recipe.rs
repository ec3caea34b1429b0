//! How a detector is set up for images it has not seen.

use super::ObjectDetection;
use crate::{
    classes::ClassNames,
    letterbox::Letterbox,
    models::yolox::{STRIDES, YoloxConfig},
    objects::ObjectBox,
    picture::Image,
};
use andiron_core::{ConfigError, DataError, Dataset, Example, Recipe, overlay};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// The options of a YOLOX detector: those that its data do not decide.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DetectionOptions {
    /// Width of the frame in pixels, a multiple of 32; none takes the widest image's, rounded up, at
    /// most 640.
    pub width: Option<usize>,
    /// Height of the frame in pixels, a multiple of 32; none takes the highest image's, likewise.
    pub height: Option<usize>,
    /// 1 for grey, 3 for colours; none takes what the images have.
    pub channels: Option<usize>,
    /// Share of the full network's width: 0.25 is nano, 0.375 tiny, 0.5 small.
    pub network_width: f64,
    /// Share of the full network's depth.
    pub network_depth: f64,
    /// Whether convolutions of 3 × 3 go channel by channel, as in nano.
    pub depthwise: bool,
    /// Less sure objects are no part of the answer; 0 to 1.
    pub min_score: f32,
    /// A box that overlaps a surer one of its class by more is dropped; 0 to 1.
    pub most_overlap: f32,
    /// Whether the loss has the distance of the raw box numbers too.
    pub with_distance: bool,
}

impl Default for DetectionOptions {
    fn default() -> Self {
        let nano = YoloxConfig::nano(1);
        Self {
            width: None,
            height: None,
            channels: None,
            network_width: nano.width,
            network_depth: nano.depth,
            depthwise: nano.depthwise,
            min_score: 0.3,
            most_overlap: 0.65,
            with_distance: false,
        }
    }
}

/// What the training images are like.
#[derive(Default)]
struct Seen {
    classes: BTreeSet<String>,
    width: usize,
    height: usize,
    coloured: bool,
}

impl Seen {
    fn of(train: &dyn Dataset<Example<Image, Vec<ObjectBox>>>) -> Result<Self, DataError> {
        let mut seen = Self::default();
        for index in 0..train.len() {
            let Example { input, target } = train.get(index)?;
            let inside = |object: &ObjectBox| object.check_inside(input.width(), input.height());
            target.iter().try_for_each(inside).map_err(|error| error.at(index, None))?;
            seen.classes.extend(target.iter().map(|object| object.label().to_owned()));
            seen.width = seen.width.max(input.width() as usize);
            seen.height = seen.height.max(input.height() as usize);
            seen.coloured |= input.channels() == 3;
        }
        Ok(seen)
    }
}

/// The largest side of a frame that is chosen without being asked for.
const USUAL_SIDE: usize = 640;

impl Recipe<ObjectDetection> for YoloxConfig {
    fn prepare(
        options: &Value,
        train: &dyn Dataset<Example<Image, Vec<ObjectBox>>>,
    ) -> Result<(ObjectDetection, Self), DataError> {
        let options: DetectionOptions = overlay(&DetectionOptions::default(), options)?;
        let seen = Seen::of(train)?;
        if seen.classes.is_empty() {
            return Err(DataError::Empty { what: "the list of objects in all images".to_owned() });
        }
        let step = STRIDES[2];
        let side = |given: Option<usize>, seen: usize| {
            given.unwrap_or_else(|| seen.next_multiple_of(step).min(USUAL_SIDE))
        };
        let (width, height) = (side(options.width, seen.width), side(options.height, seen.height));
        let channels = options.channels.unwrap_or(if seen.coloured { 3 } else { 1 });
        // Photographs lie about the middle: near enough, and the first normalisation does the rest.
        let frame = Letterbox::new(width, height, vec![0.45; channels], vec![0.25; channels])?;
        let classes = ClassNames::new(seen.classes.into_iter().collect())?;
        let config = Self::new(classes.count())
            .with_width(options.network_width)
            .with_depth(options.network_depth)
            .with_depthwise(options.depthwise)
            .with_channels(channels);
        let task = ObjectDetection {
            min_score: options.min_score,
            most_overlap: options.most_overlap,
            with_distance: options.with_distance,
            ..ObjectDetection::new(classes, frame)
        };
        task.check()?;
        config.fits(&task)?;
        Ok((task, config))
    }

    fn fits(&self, task: &ObjectDetection) -> Result<(), ConfigError> {
        task.check()?;
        ConfigError::agree("the number of classes", self.n_classes, task.classes.count())?;
        ConfigError::agree("channels", self.channels, task.frame.channels())?;
        let of = "the side of the largest cell";
        ConfigError::multiple("width", task.frame.width(), of, STRIDES[2])?;
        ConfigError::multiple("height", task.frame.height(), of, STRIDES[2])
    }
}
