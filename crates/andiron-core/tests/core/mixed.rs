//! A network with everything that a resume can lose: attention, dropout, and a batch
//! normalisation, whose running statistics are no optimiser's business.

use crate::toy::{Fault, Padded, Tokens};
use andiron_core::{
    ConfigError, Example, Labels, Model, ModelConfig, data::ExampleOf, testing::Contract,
};
use andiron_kernels::{
    Activation, AttentionOptions, add_layer_norm, attention, dropout, linear, mix,
};
use burn::{
    config::Config,
    module::Module,
    nn::{
        BatchNorm, BatchNormConfig, Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear,
        LinearConfig,
    },
    tensor::{Device, Tensor},
};

const VOCABULARY: usize = 23;

/// Settings of a [`Mixed`].
#[derive(Config, Debug)]
pub(crate) struct MixedConfig {
    pub(crate) d_model: usize,
    pub(crate) d_hidden: usize,
    #[config(default = 0.2)]
    pub(crate) dropout: f64,
}

/// One layer of a transformer, the mean over the tokens, a batch normalisation, and logits.
#[derive(Module, Debug)]
pub(crate) struct Mixed {
    embedding: Embedding,
    mixing: Linear,
    inner: Linear,
    outer: Linear,
    norm: LayerNorm,
    batch_norm: BatchNorm,
    output: Linear,
    dropout: f64,
}

impl ModelConfig for MixedConfig {
    const ARCHITECTURE: &'static str = "toy-mixed";
    type Model = Mixed;

    fn init(&self, device: &Device) -> Result<Mixed, ConfigError> {
        let width = self.d_model;
        ConfigError::at_least("d_hidden", 1, self.d_hidden)?;
        ConfigError::multiple("d_model", width, "n_heads", 2)?;
        Ok(Mixed {
            embedding: EmbeddingConfig::new(VOCABULARY, width).init(device),
            mixing: LinearConfig::new(width, 3 * width).with_bias(false).init(device),
            inner: LinearConfig::new(width, self.d_hidden).init(device),
            outer: LinearConfig::new(self.d_hidden, width).init(device),
            norm: LayerNormConfig::new(width).init(device),
            batch_norm: BatchNormConfig::new(width).init(device),
            output: LinearConfig::new(width, 3).init(device),
            dropout: self.dropout,
        })
    }
}

impl Model for Mixed {
    type Input = Padded;
    type Output = Tensor<2>;

    /// # Shapes
    /// - tokens: `[batch, length]`
    /// - output: `[batch, 3]`, logits
    fn forward(&self, batch: Padded) -> Tensor<2> {
        let x = self.embedding.forward(batch.tokens);
        let [rows, length, width] = x.dims();
        let parts = self.mixing.forward(x.clone()).chunk(3, 2).into_iter();
        let mut heads =
            parts.map(|part| part.reshape([rows, length, 2, width / 2]).swap_dims(1, 2));
        let mut next = || heads.next().unwrap();
        let visible = batch.mask.clone().greater_elem(0.0);
        let (query, key, value) = (next(), next(), next());
        let mixed = attention(query, key, value, Some(visible), &AttentionOptions::default());
        let mixed = mixed.swap_dims(1, 2).reshape([rows, length, width]);
        let x = dropout(mixed, self.dropout) + x;
        let bias = self.inner.bias.as_ref().map(|bias| bias.val());
        let hidden = linear(x.clone(), self.inner.weight.val(), bias, Activation::Gelu);
        let hidden = dropout(self.outer.forward(hidden), self.dropout);
        let beta = self.norm.beta.as_ref().map(|beta| beta.val());
        let (x, _) = add_layer_norm(hidden, x, self.norm.gamma.val(), beta, 1e-5);
        let mask = batch.mask.reshape([rows, length, 1]);
        let pooled = (x * mask.clone()).sum_dim(1) / mask.sum_dim(1);
        self.output.forward(self.batch_norm.forward(pooled.reshape([rows, width])))
    }
}

/// `n` sequences of `lengths` tokens. The label is what most of the tokens say, with some noise.
pub(crate) fn examples(
    n: usize,
    lengths: std::ops::RangeInclusive<usize>,
    stream: u64,
) -> Vec<ExampleOf<Tokens>> {
    let span = (lengths.end() - lengths.start() + 1) as u64;
    (0..n as u64)
        .map(|index| {
            let length = *lengths.start() as u64 + mix(stream, &[index]) % span;
            let class = mix(stream, &[index, 1]) % 3;
            let token = |at| {
                let any = mix(stream, &[index, 2, at]) % 21;
                // Most tokens leave the rest 0, 1 or 2 that is the class.
                let bent = any - any % 3 + class;
                (if mix(stream, &[index, 3, at]).is_multiple_of(4) { any } else { bent }) as u16
            };
            Example {
                input: (0..length).map(token).collect(),
                target: ["loud", "middle", "quiet"][class as usize].to_owned(),
            }
        })
        .collect()
}

pub(crate) fn task() -> Tokens {
    let names = ["loud", "middle", "quiet"].map(str::to_owned);
    Tokens { labels: Labels::of(&names).unwrap(), fault: Fault::None }
}

#[test]
fn the_mixed_network_keeps_the_contract() {
    Contract::new(task(), MixedConfig::new(12, 20).with_dropout(0.1), examples(9, 1..=9, 6))
        .overfits_in(120, 1e-2)
        .check();
}
