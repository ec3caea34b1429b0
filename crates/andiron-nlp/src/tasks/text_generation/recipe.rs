//! How a network is set up for texts: the vocabulary comes from the training examples alone.

use super::{Prompt, TextGeneration};
use crate::{
    models::{gpt2::Gpt2Config, llama::LlamaConfig},
    tokenizer::Tokenizer,
};
use andiron_core::{
    ConfigError, DataError, Dataset, Recipe,
    data::{ExampleOf, all},
    overlay,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokenizers::{
    AddedToken, Tokenizer as Inner,
    models::{
        TrainerWrapper,
        bpe::{BPE, BpeTrainer},
    },
    pre_tokenizers::byte_level::ByteLevel,
};

/// What stands behind every text.
const END: &str = "<|endoftext|>";

/// What the recipes of the decoders take; a field left out has its default.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct DecoderOptions {
    /// Token numbers at the most, 257 or more: the bytes, the end, and the most frequent runs of
    /// bytes.
    pub n_tokens: usize,
    /// Width of a token's vector, a multiple of `n_heads`.
    pub d_model: usize,
    /// Layers; 1 or more.
    pub n_layers: usize,
    /// Heads of each attention; 1 or more.
    pub n_heads: usize,
    /// Width between the linear maps of a layer; 1 or more.
    pub d_hidden: usize,
    /// The longest text in tokens, what is written included; 2 or more.
    pub max_length: usize,
    /// Probability of dropout in training, 0 to 1; a Llama has none.
    pub dropout: f64,
}

impl Default for DecoderOptions {
    fn default() -> Self {
        Self {
            n_tokens: 512,
            d_model: 64,
            n_layers: 2,
            n_heads: 4,
            d_hidden: 128,
            max_length: 128,
            dropout: 0.1,
        }
    }
}

impl Recipe<TextGeneration> for LlamaConfig {
    /// `options` is a [`DecoderOptions`] without dropout.
    fn prepare(
        options: &Value,
        train: &dyn Dataset<ExampleOf<TextGeneration>>,
    ) -> Result<(TextGeneration, Self), DataError> {
        let defaults = DecoderOptions { dropout: 0.0, ..Default::default() };
        let options = overlay(&defaults, options)?;
        ConfigError::within("dropout", 0.0, 0.0, options.dropout)?;
        let (task, n_tokens) = task(&options, train)?;
        let DecoderOptions { d_model, n_layers, n_heads, d_hidden, max_length, .. } = options;
        let config = Self::new(n_tokens, d_model, n_layers, n_heads, d_hidden);
        Ok((task, config.with_max_length(max_length).with_tied(true)))
    }

    fn fits(&self, task: &TextGeneration) -> Result<(), ConfigError> {
        task.fits(self.n_tokens, self.max_length)
    }
}

impl Recipe<TextGeneration> for Gpt2Config {
    /// `options` is a [`DecoderOptions`].
    fn prepare(
        options: &Value,
        train: &dyn Dataset<ExampleOf<TextGeneration>>,
    ) -> Result<(TextGeneration, Self), DataError> {
        let options = overlay(&DecoderOptions::default(), options)?;
        let (task, n_tokens) = task(&options, train)?;
        let config = Self::new(n_tokens)
            .with_d_model(options.d_model)
            .with_n_layers(options.n_layers)
            .with_n_heads(options.n_heads)
            .with_d_hidden(options.d_hidden)
            .with_max_length(options.max_length)
            .with_dropout(options.dropout);
        Ok((task, config))
    }

    fn fits(&self, task: &TextGeneration) -> Result<(), ConfigError> {
        task.fits(self.n_tokens, self.max_length)
    }
}

/// The task for the texts of `train`, and how many tokens it knows.
fn task(
    options: &DecoderOptions,
    train: &dyn Dataset<ExampleOf<TextGeneration>>,
) -> Result<(TextGeneration, usize), DataError> {
    ConfigError::at_least("n_tokens", 257, options.n_tokens)?;
    let mut texts = Vec::new();
    for example in all(train)? {
        match example.input.prompt {
            Prompt::Text(text) => texts.push(text),
            Prompt::Messages(messages) => {
                texts.extend(messages.into_iter().map(|message| message.content));
            }
        }
        texts.push(example.target);
    }
    let tokenizer = byte_pairs(&texts, options.n_tokens)
        .map_err(|reason| DataError::Decode { what: "the training texts".to_owned(), reason })?;
    let n_tokens = tokenizer.n_tokens();
    let ends = tokenizer.id(END).into_iter().collect();
    Ok((TextGeneration::new(tokenizer, options.max_length, ends)?, n_tokens))
}

/// Pairs of bytes as GPT-2 has them, with its one special token and nothing put around a text.
fn byte_pairs(texts: &[String], n_tokens: usize) -> Result<Tokenizer, String> {
    let trainer = BpeTrainer::builder()
        .vocab_size(n_tokens)
        .min_frequency(2)
        .show_progress(false)
        .special_tokens(vec![AddedToken::from(END, true)])
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let mut inner = Inner::new(BPE::default());
    inner.with_pre_tokenizer(Some(ByteLevel::default().add_prefix_space(false)));
    inner.with_decoder(Some(ByteLevel::default()));
    let mut trainer: TrainerWrapper = trainer.into();
    inner
        .train(&mut trainer, texts.iter().map(String::as_str))
        .map_err(|error| error.to_string())?;
    let json = inner.to_string(false).map_err(|error| error.to_string())?;
    Tokenizer::from_bytes(json.as_bytes(), "the trained tokenizer")
        .map_err(|error| error.to_string())
}
