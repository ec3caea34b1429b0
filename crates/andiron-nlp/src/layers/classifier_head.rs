//! The head of a classifier on a published encoder: two linear maps with a function between them.
//!
//! Paper: Devlin et al. 2019, <https://arxiv.org/abs/1810.04805>, section 4.1, where the first map is
//! the "pooler"; as Hugging Face's transformers has it for each encoder.

use super::{encoder_layer::dynamic_quantized, project};
use andiron_core::{ConfigError, Model, ModelConfig};
use andiron_kernels::{Activation, dropout};
use burn::{
    config::Config,
    module::Module,
    nn::{Initializer, Linear, LinearConfig},
    tensor::{DType, Device, Tensor, activation::relu},
};
use serde::{Deserialize, Serialize};

/// The function between the two linear maps of a classifier's head.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HeadActivation {
    /// `tanh(x)`.
    Tanh,
    /// `max(0, x)`.
    Relu,
}

/// Settings of a [`ClassifierHead`].
#[derive(Config, Debug)]
pub struct ClassifierHeadConfig {
    /// Width of the vectors; 1 or more.
    pub d_model: usize,
    /// Scores for a vector; 1 or more.
    pub n_classes: usize,
    /// The function between the maps.
    pub activation: HeadActivation,
    /// Whether there is dropout before the first map too.
    pub drops_before: bool,
    /// Probability of dropout in training, 0 to 1.
    #[config(default = 0.1)]
    pub dropout: f64,
    /// Whether what goes into the maps is [rounded](dynamic_quantized), in double precision; None means
    /// that it is not.
    pub dynamic_quantization: Option<bool>,
}

/// Two linear maps; built by [`ClassifierHeadConfig`].
#[derive(Module, Debug)]
pub struct ClassifierHead {
    dense: Linear,
    output: Linear,
    #[module(skip)]
    activation: HeadActivation,
    #[module(skip)]
    drops_before: bool,
    #[module(skip)]
    dropout: f64,
    #[module(skip)]
    dynamic_quantization: bool,
}

impl ModelConfig for ClassifierHeadConfig {
    const ARCHITECTURE: &'static str = "classifier-head";
    type Model = ClassifierHead;

    fn init(&self, device: &Device) -> Result<ClassifierHead, ConfigError> {
        ConfigError::at_least("d_model", 1, self.d_model)?;
        ConfigError::at_least("n_classes", 1, self.n_classes)?;
        ConfigError::within("dropout", 0.0, 1.0, self.dropout)?;
        let map = |from, to| {
            let fresh = Initializer::Normal { mean: 0.0, std: 0.02 };
            LinearConfig::new(from, to).with_initializer(fresh).init(device)
        };
        Ok(ClassifierHead {
            dense: map(self.d_model, self.d_model),
            output: map(self.d_model, self.n_classes),
            activation: self.activation,
            drops_before: self.drops_before,
            dropout: self.dropout,
            dynamic_quantization: self.dynamic_quantization == Some(true),
        })
    }
}

impl Model for ClassifierHead {
    type Input = Tensor<2>;
    type Output = Tensor<2>;

    /// # Shapes
    /// - vectors: `[batch, d_model]`
    /// - output: `[batch, n_classes]`
    fn forward(&self, vectors: Tensor<2>) -> Tensor<2> {
        let (plain, [batch, _]) = (vectors.dtype(), vectors.dims());
        let given = |x: Tensor<2>| {
            if !self.dynamic_quantization {
                return x;
            }
            let mask = Tensor::ones([batch, 1], &x.device());
            dynamic_quantized(x.cast(DType::F64).unsqueeze_dim(1), &mask).squeeze_dim(1)
        };
        let x = if self.drops_before { dropout(vectors, self.dropout) } else { vectors };
        let x = project(&self.dense, given(x), Activation::None);
        let x = match self.activation {
            HeadActivation::Tanh => x.tanh(),
            HeadActivation::Relu => relu(x),
        };
        project(&self.output, given(dropout(x, self.dropout)), Activation::None).cast(plain)
    }
}
