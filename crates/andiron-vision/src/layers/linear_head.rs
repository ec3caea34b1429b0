//! The head of a classifier alone: what is trained on the vectors of a network that stays as it is.

use super::pre_norm::project;
use crate::backbone;
use andiron_core::{ConfigError, Model, ModelConfig};
use andiron_kernels::{Activation, dropout};
use burn::{
    config::Config,
    module::Module,
    nn::Linear,
    tensor::{Device, Tensor},
};

/// Settings of a [`LinearHead`].
#[derive(Config, Debug)]
pub(crate) struct LinearHeadConfig {
    /// Length of a vector; 1 or more.
    pub(crate) n_features: usize,
    /// Labels to choose from; 2 or more.
    pub(crate) n_classes: usize,
    /// Probability of dropout before the map, 0 to 1.
    pub(crate) dropout: f64,
}

/// Dropout and one linear map; built by [`LinearHeadConfig`].
#[derive(Module, Debug)]
pub(crate) struct LinearHead {
    pub(crate) linear: Option<Linear>,
    #[module(skip)]
    dropout: f64,
}

impl ModelConfig for LinearHeadConfig {
    const ARCHITECTURE: &'static str = "linear-head";
    type Model = LinearHead;

    fn init(&self, device: &Device) -> Result<LinearHead, ConfigError> {
        ConfigError::within("dropout", 0.0, 1.0, self.dropout)?;
        let linear = backbone::head(self.n_features, self.n_classes, device)?;
        Ok(LinearHead { linear, dropout: self.dropout })
    }
}

impl Model for LinearHead {
    type Input = Tensor<2>;
    type Output = Tensor<2>;

    /// # Shapes
    /// - vectors: `[batch, n_features]`
    /// - output: `[batch, n_classes]`, logits
    fn forward(&self, vectors: Tensor<2>) -> Tensor<2> {
        match &self.linear {
            Some(linear) => project(linear, dropout(vectors, self.dropout), Activation::None),
            None => vectors,
        }
    }
}
