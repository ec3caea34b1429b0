//! Layers of a transformer with the normalisation before each part, for one sequence and for one that
//! looks at another.
//!
//! Paper: Vaswani et al. 2017, <https://arxiv.org/abs/1706.03762>, section 3.1; the normalisation in
//! front: Xiong et al. 2020, <https://arxiv.org/abs/2002.04745>, table 1.

use andiron_kernels::{
    Activation, AttentionOptions, KvCache, add_layer_norm, attention, normalise, project,
};
use burn::{
    module::{Module, Param},
    nn::{Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig},
    tensor::{Device, Tensor},
};

/// Added to the variance by the normalisations.
pub(crate) const EPSILON: f64 = 1e-5;
/// Standard deviation of fresh weights.
const STANDARD_DEVIATION: f64 = 0.02;

/// The sizes of a layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Sizes {
    /// Width of a vector, a multiple of `n_heads`.
    pub(crate) d_model: usize,
    /// Heads of each attention.
    pub(crate) n_heads: usize,
    /// Width between the two linear maps.
    pub(crate) d_hidden: usize,
}

/// How fresh weights are drawn.
pub(crate) fn fresh() -> Initializer {
    Initializer::Normal { mean: 0.0, std: STANDARD_DEVIATION }
}

/// A fresh normalisation of vectors of `width`.
pub(crate) fn norm(width: usize, device: &Device) -> LayerNorm {
    LayerNormConfig::new(width).with_epsilon(EPSILON).init(device)
}

/// Attention and two linear maps, each behind a normalisation and added to its input.
#[derive(Module, Debug)]
pub(crate) struct EncoderLayer {
    own: Attention,
    own_norm: LayerNorm,
    wide: Linear,
    narrow: Linear,
    norm: LayerNorm,
}

/// As [`EncoderLayer`], looking back only, with an attention over another sequence between.
#[derive(Module, Debug)]
pub(crate) struct DecoderLayer {
    own: Attention,
    own_norm: LayerNorm,
    heard: Attention,
    heard_norm: LayerNorm,
    wide: Linear,
    narrow: Linear,
    norm: LayerNorm,
}

#[derive(Module, Debug)]
struct Attention {
    query: Linear,
    key: Linear,
    value: Linear,
    output: Linear,
    #[module(skip)]
    n_heads: usize,
}

impl Attention {
    fn new(sizes: Sizes, device: &Device) -> Self {
        let d = sizes.d_model;
        let map = || map(d, d, device);
        // A bias of the keys would change all scores of a query alike.
        let key = LinearConfig::new(d, d).with_bias(false).with_initializer(fresh()).init(device);
        Self { query: map(), key, value: map(), output: map(), n_heads: sizes.n_heads }
    }

    /// `[batch, len, d_model]` to `[batch, n_heads, len, d_head]`.
    fn heads(&self, x: Tensor<3>) -> Tensor<4> {
        let [batch, len, d_model] = x.dims();
        x.reshape([batch, len, self.n_heads, d_model / self.n_heads]).swap_dims(1, 2)
    }

    fn through(&self, map: &Linear, x: Tensor<3>) -> Tensor<4> {
        self.heads(project(map, x, Activation::None))
    }

    /// Keys and values of what was heard, each laid out once for all the tokens that will look.
    fn remembered(&self, encoded: Tensor<3>) -> [Tensor<4>; 2] {
        [&self.key, &self.value].map(|map| {
            let heads = self.through(map, encoded.clone());
            // A cat of one part is a copy in the order of the axes.
            Tensor::cat(vec![heads], 0)
        })
    }

    fn mixed(&self, mixed: Tensor<4>, shape: [usize; 3]) -> Tensor<3> {
        project(&self.output, mixed.swap_dims(1, 2).reshape(shape), Activation::None)
    }

    /// Over the sequence itself.
    fn own(&self, x: Tensor<3>, cache: Option<(&mut KvCache, usize)>) -> Tensor<3> {
        let shape = x.dims();
        let query = self.through(&self.query, x.clone());
        let (key, value) = (self.through(&self.key, x.clone()), self.through(&self.value, x));
        let options = AttentionOptions { causal: cache.is_some(), ..Default::default() };
        let (key, value) = match cache {
            Some((cache, at)) => cache.append(at, key, value),
            None => (key, value),
        };
        self.mixed(attention(query, key, value, None, &options), shape)
    }

    /// Over what was heard. Rows of one sound look at it together, as more queries.
    fn heard(&self, x: Tensor<3>, [key, value]: [Tensor<4>; 2]) -> Tensor<3> {
        let [rows, len, d_model] = x.dims();
        let sounds = key.dims()[0];
        assert!(rows % sounds == 0, "rows ({rows}) must be equally many for each of {sounds}");
        let query = project(&self.query, x, Activation::None);
        let query = self.heads(query.reshape([sounds, rows / sounds * len, d_model]));
        let mixed = attention(query, key, value, None, &AttentionOptions::default());
        self.mixed(mixed, [sounds, rows / sounds * len, d_model]).reshape([rows, len, d_model])
    }
}

fn map(from: usize, to: usize, device: &Device) -> Linear {
    LinearConfig::new(from, to).with_initializer(fresh()).init(device)
}

impl EncoderLayer {
    pub(crate) fn new(sizes: Sizes, device: &Device) -> Self {
        let (d, hidden) = (sizes.d_model, sizes.d_hidden);
        Self {
            own: Attention::new(sizes, device),
            own_norm: norm(d, device),
            wide: map(d, hidden, device),
            narrow: map(hidden, d, device),
            norm: norm(d, device),
        }
    }

    /// # Shapes
    /// - x and output: `[batch, places, d_model]`
    pub(crate) fn forward(&self, x: Tensor<3>) -> Tensor<3> {
        let normal = normalise(&self.own_norm, x.clone(), EPSILON);
        behind(self.own.own(normal, None), x, &self.norm, &self.wide, &self.narrow)
    }
}

/// `mixed` added to `x`, then two linear maps behind a normalisation, added too.
fn behind(
    mixed: Tensor<3>,
    x: Tensor<3>,
    norm: &LayerNorm,
    wide: &Linear,
    narrow: &Linear,
) -> Tensor<3> {
    let (normal, x) = added(mixed, x, norm);
    x + project(narrow, project(wide, normal, Activation::Gelu), Activation::None)
}

/// The normalised sum, and the sum.
fn added(mixed: Tensor<3>, x: Tensor<3>, norm: &LayerNorm) -> (Tensor<3>, Tensor<3>) {
    let beta = norm.beta.as_ref().map(Param::val);
    add_layer_norm(mixed, x, norm.gamma.val(), beta, EPSILON)
}

impl DecoderLayer {
    pub(crate) fn new(sizes: Sizes, device: &Device) -> Self {
        let (d, hidden) = (sizes.d_model, sizes.d_hidden);
        Self {
            own: Attention::new(sizes, device),
            own_norm: norm(d, device),
            heard: Attention::new(sizes, device),
            heard_norm: norm(d, device),
            wide: map(d, hidden, device),
            narrow: map(hidden, d, device),
            norm: norm(d, device),
        }
    }

    /// Keys and values of what is looked at beside the sequence, laid out once for all its tokens.
    ///
    /// # Shapes
    /// - encoded: `[batch, places, d_model]`
    /// - output: `[batch, n_heads, places, d_head]` both
    pub(crate) fn remembered(&self, encoded: Tensor<3>) -> [Tensor<4>; 2] {
        self.heard.remembered(encoded)
    }

    /// Reads the next tokens of a sequence, of which `cache` holds those before; `at` is this layer's
    /// number there.
    ///
    /// # Shapes
    /// - x and output: `[rows, len, d_model]`
    /// - heard: as [`remembered`](Self::remembered) gives, rows a multiple of the batch
    pub(crate) fn forward(
        &self,
        x: Tensor<3>,
        cache: &mut KvCache,
        at: usize,
        heard: [Tensor<4>; 2],
    ) -> Tensor<3> {
        let normal = normalise(&self.own_norm, x.clone(), EPSILON);
        let mixed = self.own.own(normal, Some((cache, at)));
        let (normal, x) = added(mixed, x, &self.heard_norm);
        let heard = self.heard.heard(normal, heard);
        behind(heard, x, &self.norm, &self.wide, &self.narrow)
    }
}
