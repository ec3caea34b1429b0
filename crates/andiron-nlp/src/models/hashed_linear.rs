//! A bag of hashed features under a linear layer: the fast text classifier.
//!
//! Paper: Joulin et al. 2016, <https://arxiv.org/abs/1607.01759>.
//! Differs from it: words have no rows of their own, everything shares the hashed table; softmax
//! over all labels, not a hierarchy of them.
//!
//! ```
//! use andiron_core::{Model, ModelConfig};
//! use andiron_nlp::{batch::TextBatch, models::hashed_linear::HashedLinearConfig};
//! use burn::tensor::Device;
//!
//! let device = Device::flex();
//! let model = HashedLinearConfig::new(3).with_n_buckets(1 << 10).init(&device)?;
//! let batch = TextBatch::of(&[vec![123_456_789, 7], vec![1 << 10 | 7]], &device);
//! assert_eq!(model.forward(batch).dims(), [2, 3]);
//! # Ok::<(), andiron_core::ConfigError>(())
//! ```

use crate::batch::TextBatch;
use andiron_core::{ConfigError, Model, ModelConfig};
use andiron_kernels::dropout;
use burn::{
    config::Config,
    module::Module,
    nn::{Embedding, EmbeddingConfig, Initializer, Linear, LinearConfig},
    tensor::{Device, Tensor},
};

/// Settings of a [`HashedLinear`].
#[derive(Config, Debug)]
pub struct HashedLinearConfig {
    /// Labels to choose from; 2 or more.
    pub n_classes: usize,
    /// Rows of the table, 1 or more. With fewer, more features share a row.
    #[config(default = 32768)]
    pub n_buckets: usize,
    /// Width of a row, 1 or more. It bounds the rank of the map from features to labels.
    #[config(default = 8)]
    pub d_model: usize,
    /// Probability with which a feature is left out of a text in training, 0 to 1.
    #[config(default = 0.0)]
    pub dropout: f64,
}

/// The mean of a text's rows, and a linear layer; built by [`HashedLinearConfig`].
#[derive(Module, Debug)]
pub struct HashedLinear {
    embedding: Embedding,
    output: Linear,
    #[module(skip)]
    dropout: f64,
}

impl ModelConfig for HashedLinearConfig {
    const ARCHITECTURE: &'static str = "hashed-linear";
    type Model = HashedLinear;

    fn init(&self, device: &Device) -> Result<HashedLinear, ConfigError> {
        ConfigError::at_least("n_classes", 2, self.n_classes)?;
        ConfigError::at_least("n_buckets", 1, self.n_buckets)?;
        ConfigError::at_least("d_model", 1, self.d_model)?;
        ConfigError::within("dropout", 0.0, 1.0, self.dropout)?;
        // As fastText: uniform within ±1/d_model.
        let bound = 1.0 / self.d_model as f64;
        let initializer = Initializer::Uniform { min: -bound, max: bound };
        Ok(HashedLinear {
            embedding: EmbeddingConfig::new(self.n_buckets, self.d_model)
                .with_initializer(initializer)
                .init(device),
            output: LinearConfig::new(self.d_model, self.n_classes).init(device),
            dropout: self.dropout,
        })
    }
}

impl Model for HashedLinear {
    type Input = TextBatch;
    type Output = Tensor<2>;

    /// # Shapes
    /// - ids: `[batch, length]`, any number from 0: it counts as its remainder by `n_buckets`
    /// - mask: `[batch, length]`
    /// - output: `[batch, n_classes]`, logits
    fn forward(&self, text: TextBatch) -> Tensor<2> {
        let [n_buckets, _] = self.embedding.weight.lazy_shape().dims();
        let rows = self.embedding.forward(text.ids.remainder_scalar(n_buckets as i64));
        let mask = text.mask.float().unsqueeze_dim::<3>(2);
        let count = mask.clone().sum_dim(1).clamp_min(1.0);
        // Section 2: the text is the mean of its features' rows.
        let mean = (rows * dropout(mask, self.dropout)).sum_dim(1) / count;
        self.output.forward(mean.squeeze_dim(1))
    }
}
