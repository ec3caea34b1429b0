//! A bag of hashed features under a linear layer: the fast text classifier.
//!
//! Paper: Joulin et al. 2016, <https://arxiv.org/abs/1607.01759>.
//! Differs from it: words have no rows of their own, everything shares the hashed table; softmax
//! over all labels, not a hierarchy of them; the mean may be a sum by weights (TF-IDF).
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

/// The mean of a text's rows, or their sum by weights, and a linear layer; built by
/// [`HashedLinearConfig`].
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
    /// - weights: `[batch, length]` if any
    /// - output: `[batch, n_classes]`, logits
    fn forward(&self, text: TextBatch) -> Tensor<2> {
        let [n_buckets, _] = self.embedding.weight.lazy_shape().dims();
        let rows = self.embedding.forward(text.ids.remainder_scalar(n_buckets as i64));
        if let Some(weights) = text.weights {
            // A product of matrices and not of numbers one by one: it is the faster.
            let weights = dropout(weights, self.dropout).unsqueeze_dim::<3>(1);
            return self.output.forward(weights.matmul(rows).squeeze_dim(1));
        }
        let mask = text.mask.float().unsqueeze_dim::<3>(2);
        let count = mask.clone().sum_dim(1).clamp_min(1.0);
        // Section 2: the text is the mean of its features' rows.
        let mean = (rows * dropout(mask, self.dropout)).sum_dim(1) / count;
        self.output.forward(mean.squeeze_dim(1))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::tasks::text_classification::toy;
    use andiron_core::{Recipe, testing::Contract};
    use serde_json::json;

    #[test]
    fn keeps_the_contract() {
        let options = json!({"n_buckets": 128, "d_model": 4, "dropout": 0.1});
        let (task, config) = HashedLinearConfig::prepare(&options, &toy::examples()).unwrap();
        Contract::new(task, config, toy::examples()).overfits_in(100, 5e-2).check();
    }

    #[test]
    fn keeps_the_contract_by_document_weights() {
        let options = json!({"n_buckets": 128, "d_model": 5, "dropout": 0.1, "weights": "tf-idf"});
        let (task, config) = HashedLinearConfig::prepare(&options, &toy::examples()).unwrap();
        Contract::new(task, config, toy::examples()).overfits_in(100, 5e-2).check();
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        for (config, wanted) in [
            (HashedLinearConfig::new(1), "n_classes must be at least 2, but is 1"),
            (
                HashedLinearConfig::new(2).with_n_buckets(0),
                "n_buckets must be at least 1, but is 0",
            ),
            (HashedLinearConfig::new(2).with_d_model(0), "d_model must be at least 1, but is 0"),
            (HashedLinearConfig::new(2).with_dropout(1.5), "dropout must lie in 0..=1, but is 1.5"),
        ] {
            let refused = config.init(&Device::flex()).map(|_| ()).unwrap_err();
            assert_eq!(refused.to_string(), wanted);
        }
    }

    #[test]
    fn the_output_is_that_of_the_mean_row() {
        let device = Device::flex();
        let model =
            HashedLinearConfig::new(3).with_n_buckets(10).with_d_model(2).init(&device).unwrap();
        let table: Vec<f32> = model.embedding.weight.val().into_data().iter::<f32>().collect();
        // 27 shares row 7; row 7 counts twice.
        let batch = TextBatch::of(&[vec![7, 3, 27], vec![1]], &device);
        let mean: Vec<f32> =
            (0..2).map(|axis| (2.0 * table[14 + axis] + table[6 + axis]) / 3.0).collect();
        let wanted = model.output.forward(Tensor::<2>::from_data([[mean[0], mean[1]]], &device));
        let got = model.forward(batch).narrow(0, 0, 1);
        got.into_data().assert_approx_eq::<f32>(&wanted.into_data(), Default::default());

        let batch = TextBatch::weighted(&[vec![(1, 1.0)], vec![(13, 0.25), (7, -0.5)]], &device);
        let sum: Vec<f32> =
            (0..2).map(|axis| 0.25 * table[6 + axis] - 0.5 * table[14 + axis]).collect();
        let wanted = model.output.forward(Tensor::<2>::from_data([[sum[0], sum[1]]], &device));
        let got = model.forward(batch).narrow(0, 1, 1);
        got.into_data().assert_approx_eq::<f32>(&wanted.into_data(), Default::default());
    }
}
