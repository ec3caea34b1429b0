//! The first layer of the published encoders: word, place and segment, added and normalised.
//!
//! Paper: Devlin et al. 2019, <https://arxiv.org/abs/1810.04805>, section 3, "Input/Output
//! Representations".

use super::normalise;
use andiron_core::ConfigError;
use andiron_kernels::dropout;
use burn::{
    config::Config,
    module::Module,
    nn::{Embedding, EmbeddingConfig, Initializer, LayerNorm, LayerNormConfig},
    tensor::{DType, Device, Int, Tensor},
};

/// Settings of [`TextEmbeddings`].
#[derive(Config, Debug)]
pub struct TextEmbeddingsConfig {
    /// Token numbers; 1 or more.
    pub n_tokens: usize,
    /// Places; 1 or more.
    pub n_positions: usize,
    /// Kinds of segments; 0 for a network without them.
    pub n_segments: usize,
    /// Width of a token's vector; 1 or more.
    pub d_model: usize,
    /// Probability of dropout in training, 0 to 1.
    #[config(default = 0.1)]
    pub dropout: f64,
    /// Added to the variance by the normalisation.
    #[config(default = 1e-12)]
    pub epsilon: f64,
    /// Whether vectors are added and normalised, and given, in double precision.
    #[config(default = false)]
    pub double: bool,
}

/// Three tables and a normalisation; built by [`TextEmbeddingsConfig`].
#[derive(Module, Debug)]
pub struct TextEmbeddings {
    words: Embedding,
    positions: Embedding,
    segments: Option<Embedding>,
    norm: LayerNorm,
    #[module(skip)]
    dropout: f64,
    #[module(skip)]
    epsilon: f64,
    #[module(skip)]
    double: bool,
}

impl TextEmbeddingsConfig {
    /// Builds the tables.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting that cannot be used.
    pub fn init(&self, device: &Device) -> Result<TextEmbeddings, ConfigError> {
        ConfigError::at_least("n_tokens", 1, self.n_tokens)?;
        ConfigError::at_least("n_positions", 1, self.n_positions)?;
        ConfigError::at_least("d_model", 1, self.d_model)?;
        ConfigError::within("dropout", 0.0, 1.0, self.dropout)?;
        ConfigError::within("epsilon", 0.0, 1.0, self.epsilon)?;
        let fresh = || Initializer::Normal { mean: 0.0, std: 0.02 };
        let table =
            |rows| EmbeddingConfig::new(rows, self.d_model).with_initializer(fresh()).init(device);
        Ok(TextEmbeddings {
            words: table(self.n_tokens),
            positions: table(self.n_positions),
            segments: (self.n_segments > 0).then(|| table(self.n_segments)),
            norm: LayerNormConfig::new(self.d_model).with_epsilon(self.epsilon).init(device),
            dropout: self.dropout,
            epsilon: self.epsilon,
            double: self.double,
        })
    }
}

impl TextEmbeddings {
    /// The table of words, `[n_tokens, d_model]`.
    pub fn words(&self) -> Tensor<2> {
        self.words.weight.val()
    }

    /// How many places there are.
    pub fn n_positions(&self) -> usize {
        let [n_positions, _] = self.positions.weight.lazy_shape().dims();
        n_positions
    }

    /// The places `0..length` of every text, `[1, length]`.
    ///
    /// # Panics
    /// If there are fewer places than tokens.
    pub fn places(&self, ids: &Tensor<2, Int>) -> Tensor<2, Int> {
        let ([_, length], most) = (ids.dims(), self.n_positions());
        assert!(length <= most, "length must be at most {most}, but is {length}");
        Tensor::<1, Int>::arange(0..length as i64, &ids.device()).unsqueeze()
    }

    /// A network without segments heeds none, and one with a single kind takes all for it.
    ///
    /// # Shapes
    /// - ids, segments: `[batch, length]`
    /// - positions: `[batch, length]`, or `[1, length]` if every text has the same
    /// - output: `[batch, length, d_model]`
    pub fn forward(
        &self,
        ids: Tensor<2, Int>,
        positions: Tensor<2, Int>,
        segments: Tensor<2, Int>,
    ) -> Tensor<3> {
        let exact = |x: Tensor<3>| if self.double { x.cast(DType::F64) } else { x };
        let x = exact(self.words.forward(ids)) + exact(self.positions.forward(positions));
        let x = match &self.segments {
            None => x,
            Some(table) => match table.weight.lazy_shape().dims() {
                [1, _] => x + exact(table.weight.val().unsqueeze::<3>()),
                [_, _] => x + exact(table.forward(segments)),
            },
        };
        dropout(normalise(&self.norm, x, self.epsilon), self.dropout)
    }
}
