//! A transformer's layer whose normalisations stand before attention and feed-forward.

use andiron_core::ConfigError;
use andiron_kernels::{
    Activation, AttentionOptions, add_layer_norm, attention, dropout, layer_norm, linear,
};
use burn::{
    module::{Module, Param},
    nn::{Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig},
    tensor::{Device, Tensor},
};

/// How fresh weights are drawn.
pub(crate) const NORMAL: Initializer = Initializer::Normal { mean: 0.0, std: 0.02 };

/// What a layer is told by.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LayerSizes {
    pub(crate) d_model: usize,
    pub(crate) n_heads: usize,
    pub(crate) d_hidden: usize,
    pub(crate) input_bias: bool,
    pub(crate) dropout: f64,
    pub(crate) epsilon: f64,
}

impl LayerSizes {
    /// # Errors
    /// [`ConfigError`] names the setting that cannot be used.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        ConfigError::at_least("d_model", 1, self.d_model)?;
        ConfigError::at_least("n_heads", 1, self.n_heads)?;
        ConfigError::multiple("d_model", self.d_model, "n_heads", self.n_heads)?;
        ConfigError::at_least("d_hidden", 1, self.d_hidden)?;
        ConfigError::within("dropout", 0.0, 1.0, self.dropout)?;
        ConfigError::within("epsilon", 0.0, 1.0, self.epsilon)
    }

    pub(crate) fn init(&self, device: &Device) -> PreNormLayer {
        let (d, hidden) = (self.d_model, self.d_hidden);
        let map = |from, to, bias| {
            LinearConfig::new(from, to).with_bias(bias).with_initializer(NORMAL).init(device)
        };
        let norm = || LayerNormConfig::new(d).with_epsilon(self.epsilon).init(device);
        PreNormLayer {
            before: norm(),
            query: map(d, d, self.input_bias),
            key: map(d, d, self.input_bias),
            value: map(d, d, self.input_bias),
            mixed: map(d, d, true),
            after: norm(),
            wide: map(d, hidden, true),
            narrow: map(hidden, d, true),
            n_heads: self.n_heads,
            dropout: self.dropout,
            epsilon: self.epsilon,
        }
    }
}

/// Self-attention and two linear maps, each on its normalised input and added to it.
#[derive(Module, Debug)]
pub(crate) struct PreNormLayer {
    before: LayerNorm,
    query: Linear,
    key: Linear,
    value: Linear,
    mixed: Linear,
    after: LayerNorm,
    wide: Linear,
    narrow: Linear,
    #[module(skip)]
    n_heads: usize,
    #[module(skip)]
    dropout: f64,
    #[module(skip)]
    epsilon: f64,
}

/// `activation(x W + b)`.
pub(crate) fn project<const D: usize>(
    map: &Linear,
    x: Tensor<D>,
    activation: Activation,
) -> Tensor<D> {
    linear(x, map.weight.val(), map.bias.as_ref().map(Param::val), activation)
}

/// Layer normalisation over the last axis.
pub(crate) fn normalise<const D: usize>(norm: &LayerNorm, x: Tensor<D>, epsilon: f64) -> Tensor<D> {
    layer_norm(x, norm.gamma.val(), norm.beta.as_ref().map(Param::val), epsilon)
}

impl PreNormLayer {
    /// # Shapes
    /// - x and output: `[batch, length, d_model]`
    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let [batch, length, d_model] = x.dims();
        let normal = normalise(&self.before, x.clone(), self.epsilon);
        let heads = |map: &Linear| {
            project(map, normal.clone(), Activation::None)
                .reshape([batch, length, self.n_heads, d_model / self.n_heads])
                .swap_dims(1, 2)
        };
        let options = AttentionOptions::default();
        let mixed =
            attention(heads(&self.query), heads(&self.key), heads(&self.value), None, &options);
        let mixed = mixed.swap_dims(1, 2).reshape([batch, length, d_model]);
        let mixed = dropout(project(&self.mixed, mixed, Activation::None), self.dropout);
        let after = &self.after;
        let beta = after.beta.as_ref().map(Param::val);
        let (normal, x) = add_layer_norm(mixed, x, after.gamma.val(), beta, self.epsilon);
        let wide = project(&self.wide, normal, Activation::Gelu);
        dropout(project(&self.narrow, wide, Activation::None), self.dropout) + x
    }
}
