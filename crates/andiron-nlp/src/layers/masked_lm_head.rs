//! From a token's vector to a logit for every token of the vocabulary: the head that the published
//! encoders were trained with.
//!
//! Paper: Devlin et al. 2019, <https://arxiv.org/abs/1810.04805>, section 3.1, task 1; the weights
//! shared with the table of words after Press & Wolf 2017, <https://arxiv.org/abs/1608.05859>.

use super::project;
use andiron_core::ConfigError;
use andiron_kernels::{Activation, layer_norm};
use burn::{
    config::Config,
    module::{Module, Param},
    nn::{Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig},
    tensor::{Device, Tensor},
};

/// Settings of a [`MaskedLmHead`].
#[derive(Config, Debug)]
pub struct MaskedLmHeadConfig {
    /// Token numbers; 1 or more.
    pub n_tokens: usize,
    /// Width of a token's vector; 1 or more.
    pub d_model: usize,
    /// Added to the variance by the normalisation.
    #[config(default = 1e-12)]
    pub epsilon: f64,
}

/// A linear map, a normalisation, and a bias a token; built by [`MaskedLmHeadConfig`]. The map to the
/// vocabulary is the table of words, which belongs to the encoder.
#[derive(Module, Debug)]
pub struct MaskedLmHead {
    dense: Linear,
    norm: LayerNorm,
    bias: Param<Tensor<1>>,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    epsilon: f64,
}

impl MaskedLmHeadConfig {
    /// Builds the head, with the function behind its linear map.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting that cannot be used.
    pub fn init(
        &self,
        activation: impl Into<Activation>,
        device: &Device,
    ) -> Result<MaskedLmHead, ConfigError> {
        ConfigError::at_least("n_tokens", 1, self.n_tokens)?;
        ConfigError::at_least("d_model", 1, self.d_model)?;
        ConfigError::within("epsilon", 0.0, 1.0, self.epsilon)?;
        let fresh = Initializer::Normal { mean: 0.0, std: 0.02 };
        let map = LinearConfig::new(self.d_model, self.d_model).with_initializer(fresh);
        Ok(MaskedLmHead {
            dense: map.init(device),
            norm: LayerNormConfig::new(self.d_model).with_epsilon(self.epsilon).init(device),
            bias: Initializer::Zeros.init([self.n_tokens], device),
            activation: activation.into(),
            epsilon: self.epsilon,
        })
    }
}

impl MaskedLmHead {
    /// # Shapes
    /// - x: `[tokens, d_model]`
    /// - words: `[n_tokens, d_model]`, the encoder's table
    /// - output: `[tokens, n_tokens]`, logits
    pub fn forward(&self, x: Tensor<2>, words: Tensor<2>) -> Tensor<2> {
        let x = project(&self.dense, x, self.activation);
        let beta = self.norm.beta.as_ref().map(Param::val);
        let x = layer_norm(x, self.norm.gamma.val(), beta, self.epsilon);
        x.matmul(words.transpose()) + self.bias.val().unsqueeze()
    }
}
