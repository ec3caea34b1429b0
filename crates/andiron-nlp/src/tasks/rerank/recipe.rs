//! How a cross-encoder is set up for queries of one's own: on a published encoder, or from nothing.

use super::{Objective, Rerank, ScoreScale, Shortlist};
use crate::{
    models::sequence_classifier::SequenceClassifierConfig,
    published::read_json,
    published_head::{self, HeadBase, StartOptions},
    tasks::embedding::Pooling,
};
use andiron_core::{
    Adaptation, ConfigError, DataError, Dataset, Network, Recipe, TrainError,
    data::{ExampleOf, all},
    overlay,
};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the recipes of cross-encoders take; a field left out has its default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct RerankOptions {
    /// Where the training starts from.
    #[serde(flatten)]
    pub start: StartOptions,
    /// Which parameters are trained; default all.
    pub adaptation: Adaptation,
    /// As [`Rerank::objective`].
    pub objective: Objective,
    /// As [`Rerank::scale`].
    pub scale: ScoreScale,
    /// How the tokens' vectors become one; default the first token's, as the encoders' homes have
    /// it. With another, transformers cannot read the network.
    pub pooling: Pooling,
}

impl Default for RerankOptions {
    fn default() -> Self {
        Self {
            start: StartOptions::default(),
            adaptation: Adaptation::default(),
            objective: Objective::default(),
            scale: ScoreScale::default(),
            pooling: Pooling::Cls,
        }
    }
}

impl<E: HeadBase> Recipe<Rerank> for SequenceClassifierConfig<E> {
    /// `options` is a [`RerankOptions`].
    fn prepare(
        options: &Value,
        train: &dyn Dataset<ExampleOf<Rerank>>,
    ) -> Result<(Rerank, Self), DataError> {
        let RerankOptions { start, adaptation, objective, scale, pooling } =
            overlay(&RerankOptions::default(), options)?;
        let mut texts = Vec::new();
        let train = all(train)?;
        for Shortlist { query, documents, .. } in train.iter().map(|example| &example.input) {
            texts.push(query.clone());
            texts.extend(documents.iter().cloned());
        }
        let made = start.set_up::<E>(&texts, true)?;
        let dropout = made.head_dropout(start.dropout, Self::dropout_of)?;
        let task = Rerank { objective, scale, ..Rerank::new(made.tokenizer, made.max_length) };
        for (index, example) in train.iter().enumerate() {
            task.learnable(example).map_err(|error| error.at(index, None))?;
        }
        let config = Self::new(made.encoder, 1).with_dropout(dropout).with_pooling(pooling);
        Ok((task, Self { base: start.base_name(), ..config.with_adaptation(adaptation) }))
    }

    /// Where the base is a cross-encoder itself, its last map is used too.
    fn start(
        self,
        _task: &Rerank,
        options: &Value,
        seed: u64,
        device: &Device,
    ) -> Result<Network<Self>, TrainError> {
        let options: RerankOptions = overlay(&RerankOptions::default(), options)?;
        let Some(base) = options.start.base else {
            return Ok(Network::init(self, seed, device)?);
        };
        let fail = |source| base.unloaded(source);
        let published = read_json(&base.folder.join("config.json")).map_err(fail)?;
        let same = super::folder::is_cross_encoder(&published);
        published_head::start(self, &base.folder, same, seed, device).map_err(fail)
    }

    fn fits(&self, task: &Rerank) -> Result<(), ConfigError> {
        ConfigError::agree("the number of scores", self.n_classes, 1)?;
        task.fits(self.encoder.n_tokens(), self.encoder.max_length())
    }
}
