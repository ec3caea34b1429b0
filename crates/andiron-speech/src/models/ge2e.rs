//! The speaker encoder of GE2E: layers of LSTM over mel frames, whose last output becomes a vector of
//! length 1 that says who speaks.
//!
//! Paper: Wan et al. 2018, <https://arxiv.org/abs/1710.10467>, section 2.1 and figure 1.
//! Differs from it: a ReLU before the normalisation, and a layer of the width of the vector in place
//! of the projections within the LSTM, as Resemblyzer's network has it
//! (<https://github.com/resemble-ai/Resemblyzer>, `voice_encoder.py`), whose weights are read.
//!
//! ```
//! use andiron_core::{Model, ModelConfig};
//! use andiron_speech::models::ge2e::Ge2eConfig;
//! use burn::tensor::{Device, Tensor};
//!
//! let device = Device::flex();
//! let model = Ge2eConfig::new().with_d_hidden(12).with_d_embedding(7).init(&device)?;
//! // Three pieces of fifteen frames of forty bands.
//! assert_eq!(model.forward(Tensor::ones([3, 15, 40], &device)).dims(), [3, 7]);
//! # Ok::<(), andiron_core::ConfigError>(())
//! ```

use crate::{
    layers::{Lstm, MAX_LAYERS, MAX_WIDTH, sizes},
    tasks::speaker_embedding::{
        SpeakerEmbedding, SpeakerEncoder, SpeakerExample, SpeakerOptions, to_length_one,
    },
};
use andiron_core::{
    ConfigError, DataError, Dataset, Model, ModelConfig, Network, Recipe, TrainError, overlay,
};
use andiron_kernels::{Activation, linear};
use burn::{
    config::Config,
    module::{Module, Param},
    nn::{Linear, LinearConfig},
    tensor::{Device, Tensor, assert_shape, s},
};
use serde_json::Value;

/// Settings of a [`Ge2e`].
#[derive(Config, Debug, PartialEq)]
pub struct Ge2eConfig {
    /// Bands of a frame; 1 or more.
    #[config(default = 40)]
    pub n_mels: usize,
    /// Numbers that each layer gives; 1 or more.
    #[config(default = 256)]
    pub d_hidden: usize,
    /// Layers; 1 or more.
    #[config(default = 3)]
    pub n_layers: usize,
    /// Numbers of a vector; 1 or more.
    #[config(default = 256)]
    pub d_embedding: usize,
}

impl Ge2eConfig {
    /// The sizes of Resemblyzer's `pretrained.pt` (<https://pypi.org/project/resemblyzer/0.1.4/>).
    pub fn resemblyzer() -> Self {
        Self::new()
    }
}

/// The network; built by [`Ge2eConfig`].
#[derive(Module, Debug)]
pub struct Ge2e {
    lstm: Vec<Lstm>,
    linear: Linear,
    similarity_weight: Param<Tensor<1>>,
    similarity_bias: Param<Tensor<1>>,
}

impl ModelConfig for Ge2eConfig {
    const ARCHITECTURE: &'static str = "ge2e";
    type Model = Ge2e;

    fn init(&self, device: &Device) -> Result<Ge2e, ConfigError> {
        let widths = [
            ("n_mels", self.n_mels),
            ("d_hidden", self.d_hidden),
            ("d_embedding", self.d_embedding),
        ];
        sizes(MAX_WIDTH, widths)?;
        sizes(MAX_LAYERS, [("n_layers", self.n_layers)])?;
        let layer = |at| {
            let d_in = if at == 0 { self.n_mels } else { self.d_hidden };
            Lstm::init(d_in, self.d_hidden, device)
        };
        // Section 3.1: the scale begins at 10 and the offset at -5.
        let number = |value: f32| Param::from_tensor(Tensor::from_floats([value], device));
        Ok(Ge2e {
            lstm: (0..self.n_layers).map(layer).collect(),
            linear: LinearConfig::new(self.d_hidden, self.d_embedding).init(device),
            similarity_weight: number(10.0),
            similarity_bias: number(-5.0),
        })
    }

    /// PyTorch's: `lstm.weight_ih_l0` for the first layer's map of its input.
    fn weight_name(&self, path: &str) -> String {
        let layer = path.strip_prefix("lstm.").and_then(|rest| rest.split_once('.'));
        match layer.and_then(|(at, rest)| Some((at, Lstm::torch_name(rest)?))) {
            Some((at, name)) => format!("lstm.{name}_l{at}"),
            None => path.to_owned(),
        }
    }
}

impl Model for Ge2e {
    type Input = Tensor<3>;
    type Output = Tensor<2>;

    /// # Shapes
    /// - mels: `[batch, frames, n_mels]`, a frame or more
    /// - output: `[batch, d_embedding]`, each of length 1 and no number below 0
    fn forward(&self, mels: Tensor<3>) -> Tensor<2> {
        let (frames, n_mels) = (mels.dims()[1], self.lstm[0].d_in());
        assert_shape!(mels, [_, _, n_mels]);
        let mut x = mels;
        for layer in &self.lstm {
            x = layer.forward(x, None).0;
        }
        let last = x.slice(s![.., frames - 1..frames, ..]).squeeze_dim::<2>(1);
        let bias = self.linear.bias.as_ref().map(Param::val);
        to_length_one(linear(last, self.linear.weight.val(), bias, Activation::Relu))
    }
}

impl SpeakerEncoder for Ge2e {
    fn similarity(&self) -> (Tensor<1>, Tensor<1>) {
        (self.similarity_weight.val(), self.similarity_bias.val())
    }
}

impl Recipe<SpeakerEmbedding> for Ge2eConfig {
    /// Options: those of [`SpeakerOptions`].
    fn prepare(
        options: &Value,
        train: &dyn Dataset<SpeakerExample>,
    ) -> Result<(SpeakerEmbedding, Self), DataError> {
        let chosen = overlay(&SpeakerOptions::default(), options)?;
        let (task, config) = chosen.prepare(train)?;
        config.fits(&task)?;
        Ok((task, config))
    }

    fn start(
        self,
        _: &SpeakerEmbedding,
        options: &Value,
        seed: u64,
        device: &Device,
    ) -> Result<Network<Self>, TrainError> {
        crate::tasks::speaker_embedding::start(self, options, seed, device)
    }

    fn fits(&self, task: &SpeakerEmbedding) -> Result<(), ConfigError> {
        ConfigError::agree("n_mels", self.n_mels, task.mel.n_mels)?;
        task.check()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::tasks::speaker_embedding::voices;
    use andiron_core::testing::{Contract, Law};
    use serde_json::json;

    fn tiny() -> Ge2eConfig {
        Ge2eConfig::new().with_n_mels(9).with_d_hidden(16).with_n_layers(1).with_d_embedding(24)
    }

    #[test]
    fn keeps_the_contract() {
        let options = overlay(
            &SpeakerOptions::default(),
            &json!({"rate": 2_000, "n_mels": 9, "partial_frames": 12}),
        );
        let (task, _) = options.unwrap().prepare(&voices()).unwrap();
        Contract::new(task, tiny(), voices())
            .without(
                Law::Gradients,
                "the offset has no slope under a softmax, whatever the network",
            )
            .overfits_in(200, 0.01)
            .check();
    }

    #[test]
    fn settings_are_refused_by_name() {
        let refused =
            |config: Ge2eConfig| config.init(&Device::flex()).map(|_| ()).unwrap_err().to_string();
        for (config, field) in [
            (tiny().with_n_mels(0), "n_mels"),
            (tiny().with_d_hidden(0), "d_hidden"),
            (tiny().with_n_layers(0), "n_layers"),
            (tiny().with_d_embedding(0), "d_embedding"),
        ] {
            assert_eq!(refused(config), format!("{field} must be at least 1, but is 0"));
        }
    }
}
