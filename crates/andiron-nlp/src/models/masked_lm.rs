//! A published encoder with the head that it was trained with: a probability for every token of the
//! vocabulary in the place of a hidden one.
//!
//! Paper: Devlin et al. 2019, <https://arxiv.org/abs/1810.04805>, section 3.1, task 1; for the other
//! encoders Sanh et al. 2019, <https://arxiv.org/abs/1910.01108>, and Liu et al. 2019,
//! <https://arxiv.org/abs/1907.11692>.
//! Differs from it: logits are made for the tokens that are asked for alone.
//!
//! ```
//! use andiron_core::{Model, ModelConfig};
//! use andiron_nlp::{
//!     batch::{PickedTokens, TokenBatch},
//!     models::{bert::BertConfig, masked_lm::MaskedLmConfig},
//! };
//! use burn::tensor::Device;
//!
//! let device = Device::flex();
//! let bert = BertConfig::new(37).with_d_model(20).with_n_heads(4).with_d_hidden(28);
//! let model = MaskedLmConfig::new(bert.with_n_layers(2)).init(&device)?;
//! let tokens = TokenBatch::of(&[vec![5, 4, 2], vec![4, 4]], &[], &device);
//! let logits = model.forward(PickedTokens::of(tokens, &[vec![1], vec![0, 1]]));
//! assert_eq!(logits.dims(), [3, 37]);
//! # Ok::<(), andiron_core::ConfigError>(())
//! ```

use crate::{
    batch::{PickedTokens, TokenBatch},
    layers::{
        encoder_layer::HiddenActivation,
        masked_lm_head::{MaskedLmHead, MaskedLmHeadConfig},
    },
    published_head::{self, HeadBase, Headed, hidden_states, home_files, is_head},
};
use andiron_core::{Adaptation, ConfigError, HomeFile, Model, ModelConfig};
use burn::{
    config::Config,
    module::Module,
    tensor::{Device, Tensor},
};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// How an encoder's home asks it for hidden words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MaskedLmForm {
    /// The class in transformers that reads it.
    pub class: &'static str,
    /// The name of the head's linear map.
    pub dense: &'static str,
    /// The name of its normalisation.
    pub norm: &'static str,
    /// The name of the bias, one number a token.
    pub bias: &'static str,
}

/// An encoder that was trained to find hidden words.
pub trait MaskedLmBase: HeadBase<Model: WordTable> {
    /// How its home asks for them.
    const FORM: MaskedLmForm;

    /// The function behind the head's linear map, and what its normalisation adds to the variance.
    fn head(&self) -> (HiddenActivation, f64);
}

/// A network with a vector for each token of its vocabulary.
pub trait WordTable {
    /// # Shapes
    /// - output: `[n_tokens, d_model]`
    fn words(&self) -> Tensor<2>;
}

/// Settings of a [`MaskedLm`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct MaskedLmConfig<E> {
    /// The encoder.
    pub encoder: E,
    /// Which parameters are trained.
    #[serde(default)]
    pub adaptation: Adaptation,
}

impl<E: MaskedLmBase> Config for MaskedLmConfig<E> {}

impl<E: MaskedLmBase> MaskedLmConfig<E> {
    /// The head that the encoder's home puts on it; all parameters are trained.
    pub fn new(encoder: E) -> Self {
        Self { encoder, adaptation: Adaptation::default() }
    }

    /// The same with other parameters trained. The table of words is the encoder's.
    #[must_use]
    pub fn with_adaptation(self, adaptation: Adaptation) -> Self {
        Self { adaptation, ..self }
    }
}

/// An encoder and its head, which share the table of words; built by [`MaskedLmConfig`].
#[derive(Module, Debug)]
pub struct MaskedLm<M: Module> {
    encoder: M,
    head: MaskedLmHead,
    #[module(skip)]
    frozen: bool,
}

impl<E: MaskedLmBase> Headed for MaskedLmConfig<E> {
    type Encoder = E;

    fn encoder(&self) -> &E {
        &self.encoder
    }

    fn adaptation(&self) -> &Adaptation {
        &self.adaptation
    }

    /// The vocabulary is the encoder's, so no part of the head is for one task alone.
    fn is_output(_path: &str) -> bool {
        false
    }
}

impl<E: MaskedLmBase> ModelConfig for MaskedLmConfig<E> {
    const ARCHITECTURE: &'static str = E::ARCHITECTURE;
    type Model = MaskedLm<E::Model>;

    fn init(&self, device: &Device) -> Result<Self::Model, ConfigError> {
        let (activation, epsilon) = self.encoder.head();
        let head = MaskedLmHeadConfig::new(self.encoder.n_tokens(), self.encoder.d_model());
        let model = MaskedLm {
            encoder: published_head::encoder(self, device)?,
            head: head.with_epsilon(epsilon).init(activation, device)?,
            frozen: self.adaptation.is_frozen(),
        };
        self.adaptation.apply(model, is_head)
    }

    /// Hugging Face's names for a model with this head.
    fn weight_name(&self, path: &str) -> String {
        published_head::weight_name(&self.encoder, path, |path| match path {
            "head.bias" => E::FORM.bias.to_owned(),
            _ => match path.strip_prefix("head.").and_then(|path| path.split_once('.')) {
                Some(("dense", leaf)) => format!("{}.{leaf}", E::FORM.dense),
                Some(("norm", leaf)) => format!("{}.{leaf}", E::FORM.norm),
                _ => path.to_owned(),
            },
        })
    }

    /// What transformers reads it by, where the task has a tokenizer.
    fn home_files(&self, _: &Self::Model, task: &Value) -> Vec<HomeFile> {
        let tokenizer = &task["tokenizer"];
        if !tokenizer.is_object() {
            return Vec::new();
        }
        let max_length = task["max_length"].as_u64().unwrap_or_default() as usize;
        home_files(self, E::FORM.class, Map::new(), tokenizer, max_length)
    }
}

impl<M> Model for MaskedLm<M>
where
    M: Model<Input = TokenBatch, Output = Tensor<3>> + WordTable,
{
    type Input = PickedTokens;
    type Output = Tensor<2>;

    /// # Shapes
    /// - ids, mask, segments: `[batch, length]`, length at most the encoder's
    /// - places: `[picked]`
    /// - output: `[picked, n_tokens]`, logits
    fn forward(&self, PickedTokens { tokens, places }: PickedTokens) -> Tensor<2> {
        let hidden = hidden_states(&self.encoder, tokens, self.frozen);
        let [batch, length, d_model] = hidden.dims();
        let picked = hidden.reshape([batch * length, d_model]).select(0, places);
        self.head.forward(picked, self.encoder.words())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{
        models::{bert::BertConfig, distilbert::DistilBertConfig, roberta::RobertaConfig},
        published_head::EncoderSizes,
        tasks::fill_mask::toy,
    };
    use andiron_core::testing::Contract;

    fn keeps<E: MaskedLmBase>() {
        let task = toy::task::<E>();
        let sizes = EncoderSizes {
            d_model: 24,
            n_heads: 3,
            n_layers: 2,
            d_hidden: 20,
            max_length: 32,
            dropout: 0.0,
        };
        let config = MaskedLmConfig::new(E::fresh(task.tokenizer.n_tokens(), &sizes));
        Contract::new(task, config, toy::examples::<E>()).overfits_in(400, 1e-2).check();
    }

    #[test]
    fn keeps_the_contract() {
        keeps::<BertConfig>();
        keeps::<DistilBertConfig>();
        keeps::<RobertaConfig>();
    }

    #[test]
    fn only_the_tokens_asked_for_are_answered() {
        let device = Device::flex();
        let model = MaskedLmConfig::new(
            BertConfig::new(19).with_d_model(12).with_n_heads(3).with_n_layers(1).with_d_hidden(7),
        )
        .init(&device)
        .unwrap();
        let rows = [vec![5, 4, 7, 8], vec![4, 9]];
        let of = |places: &[Vec<usize>]| -> Vec<f32> {
            let tokens = TokenBatch::of(&rows, &[], &device);
            model.forward(PickedTokens::of(tokens, places)).into_data().iter().collect()
        };
        let all = of(&[vec![0, 1, 2, 3], vec![0, 1]]);
        let some = of(&[vec![1, 3], vec![1]]);
        let wanted: Vec<f32> =
            [1, 3, 5].iter().flat_map(|at| all[at * 19..][..19].to_vec()).collect();
        assert!(some.iter().zip(&wanted).all(|(got, wanted)| (got - wanted).abs() < 1e-5));
    }
}
