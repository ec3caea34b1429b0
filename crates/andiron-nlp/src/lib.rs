//! Language for Andiron: texts in, typed answers out.
//!
//! Use this crate through `andiron` (feature `nlp`, on by default) if you have texts and a label
//! for each, and want a classifier that you train, measure, save and serve with the same calls as
//! every other domain. Do not use it for text generation or published language models: neither is
//! here.
//!
//! Two algorithms stand behind the one task, the fast one first:
//!
//! - [`models::hashed_linear`]: a bag of hashed n-grams under a linear layer.
//! - [`models::text_encoder`]: a transformer encoder, trained from scratch.
//!
//! ```
//! use andiron_core::{Example, GradientTrainer, Network, Recipe, Trainer, TrainingConfig, device};
//! use andiron_core::trainer::Progress;
//! use andiron_nlp::{models::hashed_linear::HashedLinearConfig, text::Text};
//!
//! let say = |text: &str, label: &str| Example { input: Text::from(text), target: label.into() };
//! let train = vec![
//!     say("a lovely day :)", "good"),
//!     say("what an awful day", "bad"),
//!     say("I love this", "good"),
//!     say("this is not good", "bad"),
//! ];
//!
//! let device = device("flex")?;
//! let (task, config) = HashedLinearConfig::prepare(&Default::default(), &train)?;
//! let network = Network::init(config, 7, &device)?;
//! let trainer = GradientTrainer::new(TrainingConfig::new(40).with_learning_rate(0.05))
//!     .with_progress(Progress::Silent);
//! let fitted = trainer.fit(task, network, &train, &Vec::new(), &device)?;
//! let answer = &fitted.predictor.predict(&["lovely :)".into()])?[0];
//! assert_eq!(answer.choice.label, "good");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Modules
//!
//! - [`text`]: the input of the tasks.
//! - [`features`]: from a text to numbers.
//! - [`batch`]: texts as tensors.
//! - [`models`]: the networks.
//! - [`tasks`]: what is learnt and answered.
//! - [`data`]: readers of CSV, TSV and JSON Lines.
//! - [`tags`]: from scores of pieces of words to entities.
//! - [`fasttext`], [`language_id`]: classifiers trained by fastText, such as the one for languages.
//! - [`metrics`]: BLEU, chrF, ROUGE and entity F1.

pub mod batch;
pub mod data;
pub mod fasttext;
pub mod features;
pub mod language_id;
pub mod metrics;
pub mod models;
pub mod tags;
pub mod tasks;
pub mod text;

use andiron_core::TaskEntry;
use tasks::text_classification::TextClassification;

/// The tasks of this crate.
pub static TASKS: &[TaskEntry] = &[TaskEntry::of::<TextClassification>()];
