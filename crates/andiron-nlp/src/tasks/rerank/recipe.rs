//! How a cross-encoder is set up for queries of one's own: on a published encoder, or from nothing.

use super::{Objective, Rerank, ScoreScale};
use crate::{
    models::sequence_classifier::SequenceClassifierConfig,
    published_head::{self, HeadBase, StartOptions},
    tasks::embedding::Pooling,
};
use andiron_core::{
    BaseError, ConfigError, DataError, Dataset, Network, Recipe, TrainError,
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
        let RerankOptions { start, objective, scale, pooling } =
            overlay(&RerankOptions::default(), options)?;
        let mut texts = Vec::new();
        for query in all(train)? {
            texts.push(query.input.query);
            texts.extend(query.input.documents);
        }
        let made = start.set_up::<E>(&texts, true)?;
        let task = Rerank { objective, scale, ..Rerank::new(made.tokenizer, made.max_length) };
        let dropout = match (start.dropout, &made.config) {
            (Some(dropout), _) => dropout,
            (None, Some(config)) => Self::dropout_of(config)?,
            (None, None) => Self::new(made.encoder.clone(), 1).dropout,
        };
        let config = Self::new(made.encoder, 1).with_dropout(dropout).with_pooling(pooling);
        let base = start.base.map(|dir| dir.display().to_string());
        Ok((task, Self { base, ..config.with_adaptation(start.adaptation) }))
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
        let Some(dir) = options.start.base else {
            return Ok(Network::init(self, seed, device)?);
        };
        let fail = |source| TrainError::Base(BaseError::new(dir.clone(), source));
        let published = crate::published::read_json(&dir.join("config.json")).map_err(fail)?;
        let same = super::folder::is_cross_encoder(&published);
        published_head::start(self, &dir, same, seed, device).map_err(fail)
    }

    fn fits(&self, task: &Rerank) -> Result<(), ConfigError> {
        ConfigError::agree("the number of scores", self.n_classes, 1)?;
        task.fits(self.encoder.n_tokens(), self.encoder.max_length())
    }
}
