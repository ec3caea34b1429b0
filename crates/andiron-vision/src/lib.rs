//! Vision for Andiron: which class an image belongs to, which images are alike, what is where in an
//! image, and of which class each of its pixels is.
//!
//! Use this crate (through `andiron`, feature `vision`) to train, measure and run classifiers of
//! images, networks that make vectors of them, detectors and segmenters, from nothing or from
//! [`published`] weights. It is not for you if you want to make images, or to read text in them:
//! that is not here yet.
//!
//! - [`Image`]: pixels in memory, decoded from a file of any common format under limits.
//! - [`data`]: examples from idx files (MNIST's format), folders, tables, COCO's JSON and masks.
//! - [`ImageTransform`]: from an image of any size to the numbers that a network takes.
//! - [`augment`]: random changes of training images. [`explain`]: why an answer.
//! - [`objects`]: boxes and masks; [`metrics`]: how good they are; [`draw`]: to look at them.
//! - [`models`]: the networks; [`backbone`]: what most of them have in common. [`tasks`]: what they
//!   learn and answer.
//! - [`TASKS`]: what a program's registry is given.
//!
//! ```
//! use andiron_core::{Example, GradientTrainer, Network, Recipe, Trainer, TrainingConfig, trainer::Progress};
//! use andiron_vision::{Image, models::small_cnn::SmallCnnConfig};
//! use burn::tensor::Device;
//! use serde_json::json;
//!
//! // Dark and light images, 6 wide and 5 high.
//! let shade = |value: u8| Image::gray(6, 5, vec![value; 30]);
//! let mut data = Vec::new();
//! for value in 0..20u8 {
//!     data.push(Example { input: shade(value)?, target: "dark".to_owned() });
//!     data.push(Example { input: shade(235 + value)?, target: "light".to_owned() });
//! }
//! let device = Device::flex();
//! let (task, config) = SmallCnnConfig::prepare(&json!({}), &data)?;
//! let trainer = GradientTrainer::new(TrainingConfig::new(20)).with_progress(Progress::Silent);
//! let network = Network::init(config, 1, &device)?;
//! let fitted = trainer.fit(task, network, &data, &vec![], &device)?;
//! let answers = fitted.predictor.predict(&[shade(250)?, shade(3)?])?;
//! assert_eq!(answers[0].as_ref().label, "light");
//! assert_eq!(answers[1].as_ref().label, "dark");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod augment;
pub mod backbone;
pub mod classes;
pub mod data;
pub mod draw;
pub mod explain;
pub mod grid;
pub mod layers;
pub mod letterbox;
pub mod metrics;
pub mod models;
pub mod objects;
pub mod picture;
pub mod published;
#[cfg(test)]
mod samples;
pub mod scenes;
mod start;
pub mod tasks;
pub mod transform;
mod views;

pub use picture::Image;
pub use start::StartOptions;
pub use tasks::image_classification::{
    IMAGE_CLASSIFIERS, ImageClassification, ImageLabel, ImageOptions, ImageTruth,
};
pub use tasks::image_embedding::{IMAGE_EMBEDDERS, ImageEmbedding, ImageVector};
pub use tasks::image_segmentation::{IMAGE_SEGMENTERS, ImageSegmentation, Segmented};
pub use tasks::object_detection::{Detections, FoundObject, OBJECT_DETECTORS, ObjectDetection};
pub use transform::ImageTransform;
pub use views::Views;

use andiron_core::TaskEntry;

/// The tasks of this crate, for a registry.
pub static TASKS: &[TaskEntry] = &[
    TaskEntry::of::<ImageClassification>(),
    TaskEntry::of::<ImageEmbedding>(),
    TaskEntry::of::<ObjectDetection>(),
    TaskEntry::of::<ImageSegmentation>(),
];
