//! How a segmenter is set up for images it has not seen.

use super::ImageSegmentation;
use crate::{
    classes::ClassNames,
    letterbox::Letterbox,
    models::unet::UNetConfig,
    objects::{IGNORED, Mask},
    picture::Image,
    views::Views,
};
use andiron_core::{ConfigError, DataError, Dataset, Example, Recipe, overlay};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The options of a U-Net: those that its data do not decide.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SegmentationOptions {
    /// The names of the class numbers; none calls them "0", "1" and so on, up to the highest that a
    /// mask has.
    pub classes: Option<Vec<String>>,
    /// Width of the frame in pixels; none takes the widest image's, at most 512.
    pub width: Option<usize>,
    /// Height of the frame in pixels; none takes the highest image's, likewise.
    pub height: Option<usize>,
    /// 1 for grey, 3 for colours; none takes what the images have.
    pub channels: Option<usize>,
    /// Channels of the network at full size.
    pub network_width: usize,
    /// How often the image is halved.
    pub network_depth: usize,
    /// The side in pixels of the squares that are one place inside the network; none is 1.
    pub network_patch: Option<usize>,
    /// How strongly pixels that are nearly right are passed over; 0 is cross-entropy.
    pub focus: f64,
    /// The weight of the dice loss.
    pub dice: f64,
    /// How an image is looked at when it is answered; once unless said otherwise.
    pub views: Views,
}

impl Default for SegmentationOptions {
    fn default() -> Self {
        let usual = UNetConfig::new(1, 2);
        Self {
            classes: None,
            width: None,
            height: None,
            channels: None,
            network_width: usual.width,
            network_depth: usual.depth,
            network_patch: usual.patch,
            focus: 0.0,
            dice: 1.0,
            views: Views::default(),
        }
    }
}

/// The largest side of a frame that is chosen without being asked for.
const USUAL_SIDE: usize = 512;

impl Recipe<ImageSegmentation> for UNetConfig {
    fn prepare(
        options: &Value,
        train: &dyn Dataset<Example<Image, Mask>>,
    ) -> Result<(ImageSegmentation, Self), DataError> {
        let options: SegmentationOptions = overlay(&SegmentationOptions::default(), options)?;
        let (mut highest, mut width, mut height, mut coloured) = (0, 0, 0, false);
        for index in 0..train.len() {
            let Example { input, target } = train.get(index)?;
            let names = options.classes.as_deref();
            target
                .check_fits(&input)
                .and_then(|()| names.map_or(Ok(()), |names| target.check_classes(names)))
                .map_err(|error| error.at(index, None))?;
            let classes = target.classes().iter().filter(|class| **class != IGNORED);
            highest = classes.fold(highest, |most, class| most.max(*class));
            width = width.max(input.width() as usize);
            height = height.max(input.height() as usize);
            coloured |= input.channels() == 3;
        }
        if train.is_empty() {
            return Err(DataError::Empty { what: "the data set".to_owned() });
        }
        let numbered = || (0..=highest.max(1)).map(|class| class.to_string()).collect();
        let classes = ClassNames::new(options.classes.unwrap_or_else(numbered))?;
        let width = options.width.unwrap_or(width.min(USUAL_SIDE));
        let height = options.height.unwrap_or(height.min(USUAL_SIDE));
        let channels = options.channels.unwrap_or(if coloured { 3 } else { 1 });
        let frame = Letterbox::new(width, height, vec![0.45; channels], vec![0.25; channels])?;
        let config = Self::new(channels, classes.count())
            .with_width(options.network_width)
            .with_depth(options.network_depth)
            .with_patch(options.network_patch);
        let task = ImageSegmentation {
            focus: options.focus,
            dice: options.dice,
            views: options.views,
            ..ImageSegmentation::new(classes, frame)
        };
        config.fits(&task)?;
        Ok((task, config))
    }

    fn fits(&self, task: &ImageSegmentation) -> Result<(), ConfigError> {
        task.check()?;
        ConfigError::agree("the number of classes", self.n_classes, task.classes.count())?;
        ConfigError::agree("channels", self.channels, task.frame.channels())?;
        ConfigError::within("depth", 1.0, 8.0, self.depth as f64)?;
        ConfigError::within("patch", 1.0, 8.0, self.patch.unwrap_or(1) as f64)?;
        ConfigError::at_least("width", self.least_side(), task.frame.width())?;
        ConfigError::at_least("height", self.least_side(), task.frame.height())
    }
}
