//! How a network for hidden words is set up for texts of one's own: on a published encoder, or from
//! nothing.

use super::{FillMask, default_share};
use crate::{
    models::masked_lm::{MaskedLmBase, MaskedLmConfig},
    published_head::{self, StartOptions},
    tokenizer::Tokenizer,
};
use andiron_core::{
    Adaptation, ConfigError, DataError, Dataset, Network, Recipe, TrainError,
    data::{ExampleOf, all},
    overlay,
};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How the vocabularies of the published encoders write the mask token.
const MASKS: [&str; 2] = ["[MASK]", "<mask>"];

/// What the recipes of networks for hidden words take; a field left out has its default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct FillMaskOptions {
    /// Where the training starts from.
    #[serde(flatten)]
    pub start: StartOptions,
    /// Which parameters are trained; default all.
    pub adaptation: Adaptation,
    /// As [`FillMask::share`].
    pub share: f64,
}

impl Default for FillMaskOptions {
    fn default() -> Self {
        let (start, adaptation) = (StartOptions::default(), Adaptation::default());
        Self { start, adaptation, share: default_share() }
    }
}

/// The task with the mask token that the tokenizer has.
pub(super) fn task(tokenizer: Tokenizer, max_length: usize) -> Result<FillMask, ConfigError> {
    let known = MASKS.into_iter().find(|mask| tokenizer.id(mask).is_some());
    FillMask::new(tokenizer, max_length, known.unwrap_or(MASKS[0]))
}

impl<E: MaskedLmBase> Recipe<FillMask> for MaskedLmConfig<E> {
    /// `options` is a [`FillMaskOptions`].
    fn prepare(
        options: &Value,
        train: &dyn Dataset<ExampleOf<FillMask>>,
    ) -> Result<(FillMask, Self), DataError> {
        let FillMaskOptions { start, adaptation, share } =
            overlay(&FillMaskOptions::default(), options)?;
        ConfigError::within("share", 0.0, 1.0, share)?;
        let train = all(train)?;
        let texts: Vec<String> =
            train.iter().map(|example| example.input.text.text.clone()).collect();
        let made = start.set_up::<E>(&texts, false)?;
        let task = task(made.tokenizer, made.max_length)?.with_share(share);
        // A text without a word to hide is named before the training.
        task.rows(&train)?;
        Ok((task, Self::new(made.encoder).with_adaptation(adaptation)))
    }

    /// Where the base has this head, it is used too.
    fn start(
        self,
        _task: &FillMask,
        options: &Value,
        seed: u64,
        device: &Device,
    ) -> Result<Network<Self>, TrainError> {
        let options: FillMaskOptions = overlay(&FillMaskOptions::default(), options)?;
        let Some(base) = options.start.base else {
            return Ok(Network::init(self, seed, device)?);
        };
        published_head::start(self, &base.folder, true, seed, device)
            .map_err(|source| base.unloaded(source))
    }

    fn fits(&self, task: &FillMask) -> Result<(), ConfigError> {
        task.fits(self.encoder.n_tokens(), self.encoder.max_length())
    }
}
