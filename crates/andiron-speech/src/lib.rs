//! Speech for Andiron: waveforms, front ends, and the models that learn from them.
//!
//! Use this crate to transcribe WAV files, to tell sounds apart (languages, speakers, commands), or to
//! take a front end with the numbers of Whisper, Kaldi or librosa for a model of your own. It does not
//! speak.
//!
//! - [`Waveform`]: files and streams in, one channel of `f32` out, at the rate you want.
//! - [`frontend`]: spectra of any FFT size, mel bands in three dialects, cepstra, statistics; of a
//!   whole sound, or in pieces.
//! - [`metrics`]: word and character error rates, and what is made equal before.
//! - [`augment`]: random changes of training sounds.
//! - [`AudioBatch`]: what every model here takes.
//! - [`tasks::audio_classification`]: one label a sound, by three algorithms.
//! - [`tasks::voice_activity`]: when somebody speaks, in files and in streams.
//! - [`tasks::speaker_embedding`]: a vector for a voice, and whether two sounds are of one speaker.
//! - [`tasks::keyword_spotting`]: keywords in files and in streams, by an audio classifier.
//! - [`tasks::speech_recognition`]: what is said, with times; [`whisper`] is how it is decoded.
//!
//! ```
//! use andiron_core::{
//!     Example, GradientTrainer, Network, Recipe, Trainer, TrainingConfig, trainer::Progress,
//! };
//! use andiron_speech::{Waveform, models::statistics_linear::StatisticsLinearConfig};
//! use burn::tensor::Device;
//! use serde_json::json;
//!
//! // Low and high tones of different lengths.
//! let tone = |pitch: f32, samples: usize| {
//!     let samples = (0..samples).map(|n| (pitch * n as f32).sin()).collect();
//!     Waveform { samples, rate: 8_000 }
//! };
//! let example = |pitch: f32, samples, label: &str| Example {
//!     input: tone(pitch, samples),
//!     target: label.to_owned(),
//! };
//! let train: Vec<_> = (0..12)
//!     .map(|n| match n % 2 {
//!         0 => example(0.2 + 0.01 * n as f32, 2_000 + 31 * n, "low"),
//!         _ => example(1.4 + 0.01 * n as f32, 2_000 + 57 * n, "high"),
//!     })
//!     .collect();
//!
//! let device = Device::flex();
//! let (task, config) = StatisticsLinearConfig::prepare(&json!({}), &train)?;
//! let settings = TrainingConfig::new(60).with_learning_rate(0.05);
//! let fitted = GradientTrainer::new(settings)
//!     .with_progress(Progress::Silent)
//!     .fit(task, Network::init(config, 7, &device)?, &train, &Vec::new(), &device)?;
//! assert_eq!(fitted.predictor.predict(&[tone(0.23, 2_345)])?[0].label, "low");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod augment;
pub mod batch;
pub mod ctc;
pub mod frontend;
pub mod layers;
mod line;
pub mod metrics;
pub mod models;
pub mod published;
pub mod tasks;
pub mod waveform;
pub mod whisper;

pub use batch::AudioBatch;
pub use tasks::{
    audio_classification::AudioClassification, keyword_spotting::KeywordSpotting,
    speaker_embedding::SpeakerEmbedding, speech_recognition::SpeechRecognition,
    voice_activity::VoiceActivity,
};
pub use waveform::Waveform;

use andiron_core::TaskEntry;

/// The tasks of this crate, for a [`Registry`](andiron_core::Registry).
pub static TASKS: &[TaskEntry] = &[
    TaskEntry::of::<AudioClassification>(),
    TaskEntry::of::<SpeechRecognition>(),
    TaskEntry::of::<VoiceActivity>(),
    TaskEntry::of::<SpeakerEmbedding>(),
    TaskEntry::of::<KeywordSpotting>(),
];
