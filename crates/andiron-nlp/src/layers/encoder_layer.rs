//! One layer of a transformer encoder, normalised behind each addition.
//!
//! Paper: Vaswani et al. 2017, <https://arxiv.org/abs/1706.03762>, section 3.1.
//! Differs from it: the activation may be GELU, as in BERT; there is no dropout on the weights of
//! the attention.

use super::{add_normalise, project};
use andiron_core::ConfigError;
use andiron_kernels::{Activation, AttentionOptions, attention, dropout};
use burn::{
    config::Config,
    module::Module,
    nn::{Initializer, LayerNorm, LayerNormConfig, Linear, LinearConfig},
    tensor::{Bool, Device, Tensor},
};
use serde::{Deserialize, Serialize};

/// The function between the two linear maps of a layer.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum HiddenActivation {
    /// `x Φ(x)`, exact.
    #[default]
    Gelu,
    /// GELU in its tanh form.
    GeluTanh,
    /// `max(0, x)`.
    Relu,
    /// `x σ(x)`.
    Silu,
}

impl HiddenActivation {
    /// The activation that Hugging Face calls `name`, if it is one of these.
    pub fn from_hugging_face(name: &str) -> Option<Self> {
        match name {
            "gelu" => Some(Self::Gelu),
            "gelu_new" | "gelu_fast" | "gelu_pytorch_tanh" => Some(Self::GeluTanh),
            "relu" => Some(Self::Relu),
            "silu" | "swish" => Some(Self::Silu),
            _ => None,
        }
    }

    /// What Hugging Face calls it.
    pub fn to_hugging_face(self) -> &'static str {
        match self {
            Self::Gelu => "gelu",
            Self::GeluTanh => "gelu_new",
            Self::Relu => "relu",
            Self::Silu => "silu",
        }
    }
}

impl From<HiddenActivation> for Activation {
    fn from(activation: HiddenActivation) -> Self {
        match activation {
            HiddenActivation::Gelu => Self::Gelu,
            HiddenActivation::GeluTanh => Self::GeluTanh,
            HiddenActivation::Relu => Self::Relu,
            HiddenActivation::Silu => Self::Silu,
        }
    }
}

/// Settings of an [`EncoderLayer`].
#[derive(Config, Debug)]
pub struct EncoderLayerConfig {
    /// Width of a token's vector, a multiple of `n_heads`.
    pub d_model: usize,
    /// Heads of the attention; 1 or more.
    pub n_heads: usize,
    /// Width between the two linear maps; 1 or more.
    pub d_hidden: usize,
    /// The function between them.
    #[config(default = "HiddenActivation::Gelu")]
    pub activation: HiddenActivation,
    /// Probability of dropout in training, 0 to 1.
    #[config(default = 0.1)]
    pub dropout: f64,
    /// Added to the variance by the normalisations.
    #[config(default = 1e-12)]
    pub epsilon: f64,
    /// Whether what goes into the linear maps is [rounded](dynamic_quantized).
    #[config(default = false)]
    pub dynamic_quantization: bool,
    /// How fresh weights are drawn.
    #[config(default = "Initializer::Normal { mean: 0.0, std: 0.02 }")]
    pub initializer: Initializer,
}

impl EncoderLayerConfig {
    /// Builds a layer.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting that cannot be used.
    pub fn init(&self, device: &Device) -> Result<EncoderLayer, ConfigError> {
        let (d, hidden) = (self.d_model, self.d_hidden);
        ConfigError::at_least("d_model", 1, d)?;
        ConfigError::at_least("n_heads", 1, self.n_heads)?;
        ConfigError::multiple("d_model", d, "n_heads", self.n_heads)?;
        ConfigError::at_least("d_hidden", 1, hidden)?;
        ConfigError::within("dropout", 0.0, 1.0, self.dropout)?;
        ConfigError::within("epsilon", 0.0, 1.0, self.epsilon)?;
        let map = |from, to| {
            LinearConfig::new(from, to).with_initializer(self.initializer.clone()).init(device)
        };
        let norm = || LayerNormConfig::new(d).with_epsilon(self.epsilon).init(device);
        Ok(EncoderLayer {
            query: map(d, d),
            key: map(d, d),
            value: map(d, d),
            mixed: map(d, d),
            mixed_norm: norm(),
            wide: map(d, hidden),
            narrow: map(hidden, d),
            narrow_norm: norm(),
            n_heads: self.n_heads,
            activation: self.activation.into(),
            dropout: self.dropout,
            epsilon: self.epsilon,
            dynamic_quantization: self.dynamic_quantization,
        })
    }

    /// Builds several equal layers; 1 or more.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting that cannot be used.
    pub fn stack(
        &self,
        n_layers: usize,
        device: &Device,
    ) -> Result<Vec<EncoderLayer>, ConfigError> {
        ConfigError::at_least("n_layers", 1, n_layers)?;
        (0..n_layers).map(|_| self.init(device)).collect()
    }
}

/// Self-attention and two linear maps, each added to its input and then normalised; built by
/// [`EncoderLayerConfig`].
#[derive(Module, Debug)]
pub struct EncoderLayer {
    query: Linear,
    key: Linear,
    value: Linear,
    mixed: Linear,
    mixed_norm: LayerNorm,
    wide: Linear,
    narrow: Linear,
    narrow_norm: LayerNorm,
    #[module(skip)]
    n_heads: usize,
    #[module(skip)]
    activation: Activation,
    #[module(skip)]
    dropout: f64,
    #[module(skip)]
    epsilon: f64,
    #[module(skip)]
    dynamic_quantization: bool,
}

/// Rounds the entries of each text to 256 steps from their least to their greatest, 0 being one of them,
/// as ONNX Runtime does where weights have eight bits.
///
/// Operator: `DynamicQuantizeLinear`, <https://onnx.ai/onnx/operators/onnx__DynamicQuantizeLinear.html>.
/// Differs from it: that takes one range for the whole batch, padding included; here a text is rounded
/// alike alone and in a batch. The gradient passes as if nothing were rounded (straight through; Bengio
/// et al. 2013, <https://arxiv.org/abs/1308.3432>).
///
/// # Shapes
/// - x and output: `[batch, length, width]`, in single or double precision
/// - mask: `[batch, length]`, true where a token stands
pub fn dynamic_quantized(x: Tensor<3>, mask: &Tensor<2, Bool>) -> Tensor<3> {
    let [batch, length, width] = x.dims();
    let exact = x.clone().detach();
    let padding = mask.clone().bool_not().unsqueeze_dim::<3>(2).expand([batch, length, width]);
    let seen = exact.clone().mask_fill(padding, 0.0).reshape([batch, 1, length * width]);
    let least = seen.clone().min_dim(2).clamp_max(0.0);
    let greatest = seen.max_dim(2).clamp_min(0.0);
    // Zeros alone have no range.
    let step = ((greatest - least.clone()) / 255.0).clamp_min(f32::MIN_POSITIVE);
    let zero = (-least / step.clone()).round();
    let code = ((exact.clone() / step.clone()).round() + zero.clone()).clamp(0.0, 255.0);
    let rounded = (code - zero) * step;
    if x.device().is_autodiff() { x + (rounded - exact) } else { rounded }
}

impl EncoderLayer {
    /// # Shapes
    /// - x and output: `[batch, length, d_model]`
    /// - mask: `[batch, length]`, true where a token stands
    pub fn forward(&self, x: Tensor<3>, mask: &Tensor<2, Bool>) -> Tensor<3> {
        let [batch, length, d_model] = x.dims();
        let given = |x: Tensor<3>| {
            if self.dynamic_quantization { dynamic_quantized(x, mask) } else { x }
        };
        let tokens = given(x.clone());
        let heads = |map: &Linear| {
            project(map, tokens.clone(), Activation::None)
                .reshape([batch, length, self.n_heads, d_model / self.n_heads])
                .swap_dims(1, 2)
        };
        // Sections 3.2.1 and 3.2.2.
        let mixed = attention(
            heads(&self.query),
            heads(&self.key),
            heads(&self.value),
            Some(mask.clone()),
            &AttentionOptions::default(),
        );
        let mixed = mixed.swap_dims(1, 2).reshape([batch, length, d_model]);
        let mixed = dropout(project(&self.mixed, given(mixed), Activation::None), self.dropout);
        // Section 3.1: LayerNorm(x + Sublayer(x)).
        let x = add_normalise(&self.mixed_norm, mixed, x, self.epsilon);
        // Section 3.3.
        let wide = project(&self.wide, given(x.clone()), self.activation);
        let narrow = dropout(project(&self.narrow, given(wide), Activation::None), self.dropout);
        add_normalise(&self.narrow_norm, narrow, x, self.epsilon)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn rounded<const N: usize>(x: [[[f32; 2]; 3]; N], rows: [[bool; 3]; N]) -> Vec<f32> {
        let device = Device::flex();
        let mask = Tensor::from_data(rows, &device);
        dynamic_quantized(Tensor::from_data(x, &device), &mask).into_data().try_to_vec().unwrap()
    }

    #[test]
    fn entries_are_rounded_as_by_onnx() {
        // The examples of the operator's page: of both signs, none above 0, none below it; and zeros.
        let texts = [
            [[0.0, 2.0], [-3.0, -2.5], [1.34, 0.5]],
            [[-1.0, -2.1], [-1.3, -2.5], [-3.34, -4.0]],
            [[1.0, 2.1], [1.3, 2.5], [3.34, 4.0]],
            [[0.0; 2]; 3],
        ];
        let wanted = [
            ([153, 255, 0, 26, 221, 179], 0.019_607_844_f32, 153),
            ([191, 121, 172, 96, 42, 0], 0.015_686_275, 255),
            ([64, 134, 83, 159, 213, 255], 0.015_686_275, 0),
            ([0; 6], 1.0, 0),
        ];
        let got = rounded(texts, [[true; 3]; 4]);
        for (got, (codes, scale, zero)) in got.chunks(6).zip(wanted) {
            for (got, code) in got.iter().zip(codes) {
                assert!((got - (code - zero) as f32 * scale).abs() < 1e-6, "{got}, {code}");
            }
        }
        let what = "equal to the examples of ONNX's DynamicQuantizeLinear";
        andiron_core::testing::record("golden", "activations rounded to eight bits", what);
    }

    #[test]
    fn padding_and_other_texts_change_no_step() {
        let text = [[0.3, -1.7], [0.9, 0.21], [0.0, 0.0]];
        let rows = [[true, true, false], [true; 3]];
        let other = [[90.0, -2.0], [0.5, 70.0], [1.0, 1.0]];
        let mut padded = text;
        padded[2] = [1e6, -1e6];
        let alone = rounded([text, text], rows);
        let beside = rounded([padded, other], rows);
        assert_eq!(alone[..4], beside[..4]);
        assert_ne!(alone[..4], [0.3, -1.7, 0.9, 0.21]);
    }

    #[test]
    fn the_gradient_passes_straight_through() {
        let device = Device::flex().autodiff();
        let text = [[0.3_f32, -1.7], [0.9, 0.21], [0.0, 0.4]];
        let x = Tensor::<3>::from_data([text; 4], &device).require_grad();
        let y = dynamic_quantized(x.clone(), &Tensor::from_data([[true; 3]; 4], &device));
        let gradients = y.clone().sum().backward();
        let got: Vec<f32> = x.grad(&gradients).unwrap().into_data().try_to_vec().unwrap();
        assert_eq!(got, [1.0; 24]);
        let y: Vec<f32> = y.into_data().try_to_vec().unwrap();
        for (taped, plain) in y.iter().zip(rounded([text; 4], [[true; 3]; 4])) {
            assert!((taped - plain).abs() < 1e-6, "{taped} and {plain}");
        }
    }
}
