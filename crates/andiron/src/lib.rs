//! Andiron: language, vision and speech models trained, evaluated, saved, loaded and predicted
//! with **by the same calls**, in pure Rust on the burn framework.
//!
//! Use this crate if you want models in a Rust program without Python, libtorch or ONNX Runtime at
//! run time. Do not use it if you need a network that is not among its models and cannot write
//! one, or the speed of a GPU today: the CPU is what is tested.
//!
//! Each domain is a feature, on by default: `nlp`, `vision`, `speech`. Without one, nothing of it
//! is compiled.
//!
#![cfg_attr(feature = "nlp", doc = "```")]
#![cfg_attr(not(feature = "nlp"), doc = "```ignore")]
//! use andiron::{Dataset, GradientTrainer, Network, Recipe, Trainer, TrainingConfig, device};
//! use andiron::nlp::{models::hashed_linear::HashedLinearConfig, text::Text};
//! use andiron::Example;
//!
//! let say = |text: &str, label: &str| Example { input: Text::from(text), target: label.to_owned() };
//! let train = vec![say("a lovely day", "good"), say("an awful day", "bad")];
//! let device = device("flex")?;
//! let (task, config) = HashedLinearConfig::prepare(&Default::default(), &train)?;
//! let network = Network::init(config, 7, &device)?;
//! let trainer = GradientTrainer::new(TrainingConfig::new(50).with_learning_rate(0.05));
//! let fitted = trainer.fit(task, network, &train, &Vec::new(), &device)?;
//! assert_eq!(fitted.predictor.predict(&["lovely".into()])?[0].as_ref().label, "good");
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
//!
//! # Features
//!
//! | feature | default | what it does |
//! |---|---|---|
//! | `nlp` | yes | language |
//! | `vision` | yes | vision |
//! | `speech` | yes | speech |
//! | `hub` | no | `hub::fetch`: published models from the Hugging Face hub; nothing else downloads |
//! | `codecs` | no | `speech`, and FLAC, MP3 and Ogg Vorbis by symphonia, which is under MPL-2.0 |
//! | `testing` | no | the contract suite, for models of your own |
//! | `ndarray` | no | burn's older CPU backend, to check the default one against |
//! | `wgpu`, `vulkan`, `metal`, `cuda`, `rocm` | no | handed to burn; not tried yet |

pub use andiron_core::*;
pub use andiron_kernels as kernels;
#[cfg(feature = "nlp")]
pub use andiron_nlp as nlp;
#[cfg(feature = "speech")]
pub use andiron_speech as speech;
#[cfg(feature = "vision")]
pub use andiron_vision as vision;
#[cfg(feature = "hub")]
pub use andiron_weights::hub;
pub use burn;

/// The tasks of every domain that is compiled in, a slice each: what a program fills its
/// [`Registry`] from.
pub static TASKS: &[&[TaskEntry]] = &[
    #[cfg(feature = "nlp")]
    nlp::TASKS,
    #[cfg(feature = "vision")]
    vision::TASKS,
    #[cfg(feature = "speech")]
    speech::TASKS,
];

/// The pages of the book whose code is whole: it is compiled and run as doctests. The pages lie
/// outside the crate, so they are read only then.
#[cfg(doctest)]
mod book {
    #[doc = include_str!("../../../docs/src/adding-a-model.md")]
    struct AddingAModel;
    #[doc = include_str!("../../../docs/src/evaluation.md")]
    struct Evaluation;
}
