//! How a network is set up for texts: on a published decoder, or from nothing, with a vocabulary that
//! comes from the training examples alone.

use super::{Prompt, TextGeneration};
use crate::{
    models::{gpt2::Gpt2Config, llama::LlamaConfig},
    published_decoder::{self, PublishedDecoder},
    tokenizer::gpt2_bpe,
};
use andiron_core::{
    BaseModel, ConfigError, DataError, Dataset, Network, Recipe, TrainError,
    data::{ExampleOf, all},
    overlay,
};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What stands behind every text of a vocabulary made here.
const END: &str = "<|endoftext|>";
/// The dropout of a network that starts from nothing, if the options do not say.
const DROPOUT: f64 = 0.1;
/// The bytes and the end.
const LEAST_TOKENS: usize = 257;

/// What the recipes of the decoders take: a published model to start from, or the sizes of one that
/// starts from nothing; a field left out has its default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DecoderOptions {
    /// A published model to start from, with its vocabulary and its chat template; none starts from
    /// nothing, with a vocabulary of the training texts.
    pub base: Option<BaseModel>,
    /// The longest text in tokens, what is written included, 2 or more; default what the base was
    /// made for, or 128.
    pub max_length: Option<usize>,
    /// Probability of dropout in training, 0 to 1; default what the base says, or 0.1. A Llama has
    /// none.
    pub dropout: Option<f64>,
    /// Token numbers at the most, 257 or more: the bytes, the end, and the most frequent runs of
    /// bytes; default 512. This and the following are for a network that starts from nothing: a base
    /// decides them itself.
    pub n_tokens: Option<usize>,
    /// Width of a token's vector, a multiple of `n_heads`; default 64.
    pub d_model: Option<usize>,
    /// Layers, 1 or more; default 2.
    pub n_layers: Option<usize>,
    /// Heads of each attention, 1 or more; default 4.
    pub n_heads: Option<usize>,
    /// Width between the linear maps of a layer, 1 or more; default 128.
    pub d_hidden: Option<usize>,
}

/// The sizes of a decoder that starts from nothing.
struct Sizes {
    d_model: usize,
    n_layers: usize,
    n_heads: usize,
    d_hidden: usize,
    max_length: usize,
}

type Texts<'a> = &'a dyn Dataset<ExampleOf<TextGeneration>>;

impl Recipe<TextGeneration> for LlamaConfig {
    /// `options` is a [`DecoderOptions`] without dropout.
    fn prepare(options: &Value, train: Texts<'_>) -> Result<(TextGeneration, Self), DataError> {
        prepared(options, train, 0.0, |n_tokens, sizes| {
            let Sizes { d_model, n_layers, n_heads, d_hidden, max_length } = sizes;
            let config = Self::new(n_tokens, d_model, n_layers, n_heads, d_hidden);
            config.with_max_length(max_length).with_tied(true)
        })
    }

    fn start(
        self,
        _task: &TextGeneration,
        options: &Value,
        seed: u64,
        device: &Device,
    ) -> Result<Network<Self>, TrainError> {
        started(self, options, seed, device)
    }

    fn fits(&self, task: &TextGeneration) -> Result<(), ConfigError> {
        task.fits(self.n_tokens, self.max_length)
    }
}

impl Recipe<TextGeneration> for Gpt2Config {
    /// `options` is a [`DecoderOptions`].
    fn prepare(options: &Value, train: Texts<'_>) -> Result<(TextGeneration, Self), DataError> {
        prepared(options, train, DROPOUT, |n_tokens, sizes| {
            Self::new(n_tokens)
                .with_d_model(sizes.d_model)
                .with_n_layers(sizes.n_layers)
                .with_n_heads(sizes.n_heads)
                .with_d_hidden(sizes.d_hidden)
                .with_max_length(sizes.max_length)
        })
    }

    fn start(
        self,
        _task: &TextGeneration,
        options: &Value,
        seed: u64,
        device: &Device,
    ) -> Result<Network<Self>, TrainError> {
        started(self, options, seed, device)
    }

    fn fits(&self, task: &TextGeneration) -> Result<(), ConfigError> {
        task.fits(self.n_tokens, self.max_length)
    }
}

/// The task and the network for the texts of `train`: as the base has them, or `fresh` with the dropout
/// `usual` if the options do not say.
fn prepared<C: PublishedDecoder>(
    options: &Value,
    train: Texts<'_>,
    usual: f64,
    fresh: impl FnOnce(usize, Sizes) -> C,
) -> Result<(TextGeneration, C), DataError> {
    let options = overlay(&DecoderOptions::default(), options)?;
    let train = all(train)?;
    let (task, config) = match &options.base {
        Some(base) => on_base(&options, base)?,
        None => {
            let task = on_nothing(&options, &train)?;
            let config = fresh(task.tokenizer.n_tokens(), options.sizes());
            (task, config.dropping(options.dropout.unwrap_or(usual))?)
        }
    };
    task.fits(config.n_tokens(), config.max_length())?;
    for (index, example) in train.iter().enumerate() {
        task.learnable(example).map_err(|error| error.at(index, None))?;
    }
    Ok((task, config))
}

impl DecoderOptions {
    fn sizes(&self) -> Sizes {
        Sizes {
            d_model: self.d_model.unwrap_or(64),
            n_layers: self.n_layers.unwrap_or(2),
            n_heads: self.n_heads.unwrap_or(4),
            d_hidden: self.d_hidden.unwrap_or(128),
            max_length: self.max_length.unwrap_or(128),
        }
    }
}

fn on_base<C: PublishedDecoder>(
    options: &DecoderOptions,
    base: &BaseModel,
) -> Result<(TextGeneration, C), DataError> {
    base.decides([
        ("n_tokens", options.n_tokens),
        ("d_model", options.d_model),
        ("n_layers", options.n_layers),
        ("n_heads", options.n_heads),
        ("d_hidden", options.d_hidden),
    ])?;
    let read = published_decoder::describe::<C>(base.folder()?);
    let (task, config) = read.map_err(|source| base.unread(source))?;
    let config = match options.dropout {
        Some(dropout) => config.dropping(dropout)?,
        None => config,
    };
    let max_length = options.max_length.unwrap_or(task.max_length);
    Ok((TextGeneration { max_length, ..task }, config))
}

fn on_nothing(
    options: &DecoderOptions,
    train: &[ExampleOf<TextGeneration>],
) -> Result<TextGeneration, DataError> {
    let n_tokens = options.n_tokens.unwrap_or(512);
    ConfigError::at_least("n_tokens", LEAST_TOKENS, n_tokens)?;
    let mut texts: Vec<&str> = Vec::new();
    for example in train {
        match &example.input.prompt {
            Prompt::Text(text) => texts.push(text),
            Prompt::Messages(messages) => {
                texts.extend(messages.iter().map(|message| message.content.as_str()));
            }
        }
        texts.push(&example.target);
    }
    let tokenizer = gpt2_bpe(&texts, n_tokens, END)?;
    let ends = tokenizer.id(END).into_iter().collect();
    Ok(TextGeneration::new(tokenizer, options.sizes().max_length, ends)?)
}

fn started<C: PublishedDecoder>(
    config: C,
    options: &Value,
    seed: u64,
    device: &Device,
) -> Result<Network<C>, TrainError> {
    let options: DecoderOptions = overlay(&DecoderOptions::default(), options)?;
    let Some(base) = options.base else { return Ok(Network::init(config, seed, device)?) };
    published_decoder::load_weights(config, &base.folder, device)
        .map_err(|source| base.unloaded(source))
}
