//! Language for Andiron: texts in, typed answers out.
//!
//! Use this crate through `andiron` (feature `nlp`, on by default) if you have texts and want them
//! classified, turned into vectors to search and compare, or continued, by a model that you train,
//! measure, save and serve with the same calls as every other domain, or that others published.
//!
//! Three algorithms stand behind [`tasks::text_classification`] and [`tasks::multi_label`], the
//! fastest first:
//!
//! - [`models::hashed_linear`]: a bag of hashed n-grams under a linear layer.
//! - [`models::text_encoder`]: a transformer encoder, trained from scratch.
//! - [`models::sequence_classifier`]: a published encoder with a head, all of it trained, or the head
//!   alone, or low-rank factors.
//!
//! Published encoders stand behind [`tasks::embedding`] too: [`models::bert`],
//! [`models::distilbert`] and [`models::roberta`], from a folder as Hugging Face or
//! sentence-transformers have it. With a head on them they put documents in order
//! ([`tasks::rerank`]) and fill gaps ([`tasks::fill_mask`]).
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
//! - [`tokenizer`]: a published model's tokens, and vocabularies of one's own.
//! - [`published`]: encoders from the folders that others publish.
//! - [`published_head`]: heads on them, and how they are adapted.
//! - [`batch`]: texts as tensors.
//! - [`models`]: the networks, and [`layers`] that they share.
//! - [`chat`]: conversations as one text.
//! - [`decoder`]: what networks that write text have in common.
//! - [`published_decoder`]: decoders as others publish them.
//! - [`tasks`]: what is learnt and answered.
//! - [`data`]: readers of CSV, TSV and JSON Lines.
//! - [`tags`]: from scores of pieces of words to entities.
//! - [`fasttext`], [`language_id`]: classifiers trained by fastText, such as the one for languages.
//! - [`metrics`]: BLEU, chrF, ROUGE and entity F1.

pub mod batch;
mod cells;
pub mod chat;
pub mod data;
pub mod decoder;
pub mod fasttext;
pub mod features;
mod hugging_face;
pub mod language_id;
pub mod layers;
pub mod metrics;
pub mod models;
pub mod published;
pub mod published_decoder;
pub mod published_head;
pub mod tags;
pub mod tasks;
#[cfg(feature = "testing")]
pub mod testing;
pub mod text;
pub mod tokenizer;

use andiron_core::TaskEntry;
use tasks::{
    embedding::Embedding, fill_mask::FillMask, multi_label::MultiLabelClassification,
    rerank::Rerank, text_classification::TextClassification, text_generation::TextGeneration,
    token_classification::TokenClassification,
};

/// The tasks of this crate.
pub static TASKS: &[TaskEntry] = &[
    TaskEntry::of::<TextClassification>(),
    TaskEntry::of::<MultiLabelClassification>(),
    TaskEntry::of::<Embedding>(),
    TaskEntry::of::<Rerank>(),
    TaskEntry::of::<FillMask>(),
    TaskEntry::of::<TextGeneration>(),
    TaskEntry::of::<TokenClassification>(),
];
