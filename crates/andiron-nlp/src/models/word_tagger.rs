//! A linear layer over a word's features: the fast tagger.
//!
//! Paper: Ratnaparkhi 1996, <https://aclanthology.org/W96-0213>.
//! Differs from it: every word is tagged by itself, without the tags of those before it; features
//! share rows of a hashed table (Weinberger et al. 2009, <https://arxiv.org/abs/0902.2206>).
//!
//! ```
//! use andiron_core::{Model, ModelConfig};
//! use andiron_nlp::{batch::TokenBatch, models::word_tagger::WordTaggerConfig};
//! use burn::tensor::Device;
//!
//! let device = Device::flex();
//! let model = WordTaggerConfig::new(3).with_n_buckets(1 << 10).init(&device)?;
//! let words = TokenBatch::of(&[vec![123_456_789, 7], vec![1 << 10 | 7]], &[], &device);
//! assert_eq!(model.forward(words).dims(), [2, 3]);
//! # Ok::<(), andiron_core::ConfigError>(())
//! ```

use crate::batch::TokenBatch;
use andiron_core::{ConfigError, Model, ModelConfig};
use andiron_kernels::dropout;
use burn::{
    config::Config,
    module::{Module, Param},
    nn::{Embedding, EmbeddingConfig, Initializer},
    tensor::{Device, Tensor},
};

/// Settings of a [`WordTagger`].
#[derive(Config, Debug)]
pub struct WordTaggerConfig {
    /// Tags to choose from; 2 or more.
    pub n_classes: usize,
    /// Rows of the table, 1 or more. With fewer, more features share a row.
    #[config(default = 65536)]
    pub n_buckets: usize,
    /// Probability with which a feature is left out of a word in training, 0 to 1.
    #[config(default = 0.2)]
    pub dropout: f64,
}

/// A row of scores a feature, summed over a word's features; built by [`WordTaggerConfig`].
#[derive(Module, Debug)]
pub struct WordTagger {
    features: Embedding,
    bias: Param<Tensor<1>>,
    #[module(skip)]
    dropout: f64,
}

impl ModelConfig for WordTaggerConfig {
    const ARCHITECTURE: &'static str = "word-tagger";
    type Model = WordTagger;

    fn init(&self, device: &Device) -> Result<WordTagger, ConfigError> {
        ConfigError::at_least("n_classes", 2, self.n_classes)?;
        ConfigError::at_least("n_buckets", 1, self.n_buckets)?;
        ConfigError::within("dropout", 0.0, 1.0, self.dropout)?;
        // What was never seen says nothing: the loss is convex, so no chance is needed to begin.
        let zeros = Initializer::Zeros;
        Ok(WordTagger {
            features: EmbeddingConfig::new(self.n_buckets, self.n_classes)
                .with_initializer(zeros.clone())
                .init(device),
            bias: zeros.init([self.n_classes], device),
            dropout: self.dropout,
        })
    }
}

impl Model for WordTagger {
    type Input = TokenBatch;
    type Output = Tensor<2>;

    /// # Shapes
    /// - ids: `[words, features]`, any number from 0: it counts as its remainder by `n_buckets`
    /// - mask: `[words, features]`
    /// - output: `[words, n_classes]`, logits
    fn forward(&self, words: TokenBatch) -> Tensor<2> {
        let [n_buckets, _] = self.features.weight.lazy_shape().dims();
        let rows = self.features.forward(words.ids.remainder_scalar(n_buckets as i64));
        let mask = words.mask.float().unsqueeze_dim::<3>(2);
        // Equation 1 of the paper, in logarithms: the sum of the weights of the features that hold.
        let sum = (rows * dropout(mask, self.dropout)).sum_dim(1).squeeze_dim::<2>(1);
        sum + self.bias.val().unsqueeze_dim(0)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::tasks::token_classification::toy;
    use andiron_core::{Recipe, testing::Contract};
    use serde_json::json;

    #[test]
    fn keeps_the_contract() {
        let options = json!({"n_buckets": 512, "dropout": 0.02, "window": 1});
        let (task, config) = WordTaggerConfig::prepare(&options, &toy::examples()).unwrap();
        Contract::new(task, config, toy::examples()).overfits_in(60, 5e-2).check();
    }

    #[test]
    fn settings_out_of_range_are_refused() {
        for (config, wanted) in [
            (WordTaggerConfig::new(1), "n_classes must be at least 2, but is 1"),
            (WordTaggerConfig::new(2).with_n_buckets(0), "n_buckets must be at least 1, but is 0"),
            (WordTaggerConfig::new(2).with_dropout(1.5), "dropout must lie in 0..=1, but is 1.5"),
        ] {
            let refused = config.init(&Device::flex()).map(|_| ()).unwrap_err();
            assert_eq!(refused.to_string(), wanted);
        }
    }

    #[test]
    fn the_output_is_the_sum_of_the_features_and_the_bias() {
        let device = Device::flex();
        let made = WordTaggerConfig::new(3).with_n_buckets(5).init(&device).unwrap();
        let table =
            [[1.0, 0.0, 2.0], [0.5, 1.0, 0.0], [0.0, 4.0, 0.0], [8.0, 0.0, 0.0], [0.0, 0.0, 16.0]];
        let features =
            Embedding { weight: Param::from_tensor(Tensor::from_floats(table, &device)) };
        let bias = Param::from_tensor(Tensor::from_floats([0.25, 0.0, -1.0], &device));
        let model = WordTagger { features, bias, ..made };
        // 7 shares row 2, which counts twice; the padding of the shorter word adds nothing.
        let words = TokenBatch::of(&[vec![2, 0, 7], vec![4]], &[], &device);
        let got: Vec<f32> = model.forward(words).into_data().iter::<f32>().collect();
        assert_eq!(got, [1.25, 8.0, 1.0, 0.25, 0.0, 15.0]);
    }
}
