//! The core of Andiron: models, tasks, training, evaluation, prediction and bundles, for every
//! domain and naming none.
//!
//! Use this crate to add a model or a task of your own; to use the models that exist, depend on
//! `andiron`, which re-exports this one.
//!
//! - [`Model`] and [`ModelConfig`]: a network and what it is built from.
//! - [`Task`], [`OnePass`], [`Solve`]: what is learnt and answered.
//! - [`Trainer`], [`Evaluator`], [`Predictor`]: the three verbs.
//! - [`Registry`]: what a program knows; [`AnyPredictor`]: a predictor whose task is forgotten.
//! - [`bundle`]: the folder that [`Predictor::save`] writes.

pub mod adaptation;
mod base;
pub mod bundle;
pub mod classification;
pub mod data;
mod device;
mod error;
pub mod evaluator;
pub mod file;
pub mod hash;
mod init;
pub mod loss;
mod model;
pub mod nearest;
mod predictor;
mod registry;
mod task;
#[cfg(feature = "testing")]
pub mod testing;
pub mod trainer;
pub mod weights;

pub use adaptation::Adaptation;
pub use base::BaseModel;
pub use classification::{Choice, Labels};
pub use data::{Dataset, Example, Raw, Record};
pub use device::{device, device_names};
pub use error::{
    BaseError, BundleError, ConfigError, DataError, DeviceError, EvalError, LoadError, Misshapen,
    TrainError, WeightsError,
};
pub use evaluator::{ClassifierEvaluator, Evaluator, Report, Score};
pub use model::{HomeFile, Model, ModelConfig, Network};
pub use nearest::{Neighbour, Similarity, nearest};
pub use predictor::{About, AnyAsked, AnyDraw, AnyPredictor, Asked, Contents, Draw, Predictor};
pub use registry::{
    AnyFitted, Attachment, FOLDER, FileKind, Fit, Layout, LoadPublished, ModelEntry,
    PublishedEntry, Recipe, Registered, Registry, TaskEntry, overlay,
};
pub use task::{Labelled, Loss, OnePass, Solve, Task};
pub use trainer::{Fitted, GradientTrainer, Trainer, TrainingConfig};
