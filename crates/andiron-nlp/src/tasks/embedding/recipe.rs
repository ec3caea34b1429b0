//! How an encoder is set up for pairs of one's own: on a published model, or from nothing, with a
//! vocabulary that comes from the training pairs alone.

use super::{Embedding, Pooling, folder::Layout};
use crate::{
    models::{bert::BertConfig, distilbert::DistilBertConfig, roberta::RobertaConfig},
    published,
    published_head::{HeadBase, StartOptions},
};
use andiron_core::{
    BaseModel, ConfigError, DataError, Dataset, Network, Recipe, TrainError,
    data::{ExampleOf, all},
    overlay,
};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What the encoders' recipes take; a field left out has its default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct EncoderOptions {
    /// Where the training starts from. The sizes of a network that starts from nothing are small: it
    /// has few texts to learn from.
    #[serde(flatten)]
    pub start: StartOptions,
    /// How the tokens' vectors become one; default what the base says, or the mean.
    pub pooling: Option<Pooling>,
    /// As [`Embedding::normalize`]; default what a base of sentence-transformers says, or true.
    pub normalize: Option<bool>,
    /// As [`Embedding::dimensions`], 1 to the network's width; the loss sees no other numbers.
    /// Default what a base that was trained here says, or all.
    pub dimensions: Option<usize>,
    /// As [`Embedding::scale`]; default 20.
    pub scale: f64,
}

impl Default for EncoderOptions {
    fn default() -> Self {
        Self {
            start: StartOptions::default(),
            pooling: None,
            normalize: None,
            dimensions: None,
            scale: super::default_scale(),
        }
    }
}

type Pairs<'a> = &'a dyn Dataset<ExampleOf<Embedding>>;

/// The task and the encoder for the pairs.
fn prepared<E: HeadBase>(options: &Value, pairs: Pairs<'_>) -> Result<(Embedding, E), DataError> {
    let EncoderOptions { start, pooling, normalize, dimensions, scale } =
        overlay(&EncoderOptions::default(), options)?;
    ConfigError::within("scale", 0.0, 1e6, scale)?;
    let pairs = all(pairs)?;
    for (index, pair) in pairs.iter().enumerate() {
        if pair.input.text.trim().is_empty() || pair.target.text.text.trim().is_empty() {
            return Err(DataError::Empty { what: "the text".to_owned() }.at(index, None));
        }
    }
    let texts: Vec<String> =
        pairs.into_iter().flat_map(|pair| [pair.input.text, pair.target.text.text]).collect();
    let layout = start.base.as_ref().map(layout).transpose()?;
    // The encoder of a folder of sentence-transformers may lie in a folder of its own.
    let base = start.base.clone().zip(layout.as_ref());
    let base = base.map(|(base, layout)| BaseModel { folder: layout.encoder.clone(), ..base });
    let made = StartOptions { base, ..start.clone() }.set_up::<E>(&texts, false)?;
    let longest = made.encoder.max_length();
    let told = layout.as_ref().and_then(|layout| layout.max_length);
    let max_length = match (start.max_length, told) {
        (None, Some(told)) => told.min(longest),
        _ => made.max_length,
    };
    let pooling = pooling.or(layout.as_ref().map(|layout| layout.pooling));
    let dimensions = dimensions.or(layout.as_ref().and_then(|layout| layout.dimensions));
    let told = layout.filter(|layout| layout.modules).map(|layout| layout.normalize);
    let task = Embedding {
        scale,
        dimensions,
        normalize: normalize.or(told).unwrap_or(true),
        ..Embedding::new(made.tokenizer, max_length).with_pooling(pooling.unwrap_or(Pooling::Mean))
    };
    let encoder = match start.dropout {
        Some(dropout) => made.encoder.dropping(dropout),
        None => made.encoder,
    };
    task.fits(encoder.n_tokens(), encoder.max_length(), encoder.d_model())?;
    Ok((task, encoder))
}

fn layout(base: &BaseModel) -> Result<Layout, DataError> {
    Layout::read(base.folder()?).map_err(|source| base.unread(source))
}

/// The encoder with the weights of the base, or from nothing.
fn started<E: HeadBase>(
    encoder: E,
    options: &Value,
    seed: u64,
    device: &Device,
) -> Result<Network<E>, TrainError> {
    let options: EncoderOptions = overlay(&EncoderOptions::default(), options)?;
    let Some(base) = options.start.base else { return Ok(Network::init(encoder, seed, device)?) };
    let fail = |source| base.unloaded(source);
    let layout = Layout::read(&base.folder).map_err(fail)?;
    published::load_weights(encoder, &layout.encoder, device).map_err(fail)
}

/// The encoders have no type in common, and a recipe is one of a type that is known.
macro_rules! learns_pairs {
    ($($encoder:ty),+) => {$(
        impl Recipe<Embedding> for $encoder {
            /// `options` is an [`EncoderOptions`].
            fn prepare(options: &Value, train: Pairs<'_>) -> Result<(Embedding, Self), DataError> {
                prepared(options, train)
            }

            fn start(
                self,
                _task: &Embedding,
                options: &Value,
                seed: u64,
                device: &Device,
            ) -> Result<Network<Self>, TrainError> {
                started(self, options, seed, device)
            }

            fn fits(&self, task: &Embedding) -> Result<(), ConfigError> {
                let (longest, d_model) = (self.max_length, self.d_model);
                task.fits(self.n_tokens, longest, d_model)
            }
        }
    )+};
}

learns_pairs!(BertConfig, DistilBertConfig, RobertaConfig);
