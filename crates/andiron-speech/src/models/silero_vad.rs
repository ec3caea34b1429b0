//! Silero VAD: whether a frame of 32 ms holds speech, frame after frame.
//!
//! A Fourier transform as a convolution, four convolutions over its magnitudes, one LSTM cell from
//! frame to frame, and a linear map.
//!
//! Paper: none; the network of <https://github.com/snakers4/silero-vad>, as `tinygrad_model.py` of
//! version 6.2.3 spells it. Its cell: Hochreiter & Schmidhuber 1997,
//! <https://doi.org/10.1162/neco.1997.9.8.1735>.
//! Differs from it: 10⁻¹² under the root of the magnitude, whose slope is then finite; logits come
//! out, and the logistic function is the task's.
//!
//! ```
//! use andiron_core::{Model, ModelConfig};
//! use andiron_speech::models::silero_vad::SileroVadConfig;
//! use burn::tensor::{Device, Tensor};
//!
//! let device = Device::flex();
//! let model = SileroVadConfig::v6_16k().init(&device)?;
//! // Two clips of three frames: 512 samples each, with the 64 before.
//! assert_eq!(model.forward(Tensor::zeros([2, 3, 576], &device)).dims(), [2, 3]);
//! # Ok::<(), andiron_core::ConfigError>(())
//! ```

use crate::{
    layers::{Lstm, LstmState, MAX_WIDTH, sizes},
    tasks::voice_activity::{SpeechDetector, VoiceActivity, VoiceExample, VoiceOptions},
};
use andiron_core::{
    ConfigError, DataError, Dataset, Model, ModelConfig, Network, Recipe, TrainError, overlay,
};
use andiron_kernels::{Activation, linear_by_rows};
use burn::{
    config::Config,
    module::{Module, Param},
    nn::conv::{Conv1d, Conv1dConfig},
    tensor::{Device, Tensor, TensorData, assert_shape, s},
};
use serde_json::Value;
use std::f64::consts::TAU;

/// The most samples of a frame, of its context, of a window and of a hop.
const MAX_SAMPLES: usize = 1 << 16;
/// The largest window: its Fourier transform is written out as a matrix.
const MAX_FFT: usize = 1 << 12;

/// Settings of a [`SileroVad`]. One frame with its context and the mirrored quarter of a window
/// behind it must hold 1 to 4 windows.
#[derive(Config, Debug, PartialEq)]
pub struct SileroVadConfig {
    /// Samples a second of the sound; 1,000 to 768,000.
    #[config(default = 16_000)]
    pub rate: u32,
    /// Samples of one frame, for which one probability comes out; 1 to 65,536.
    #[config(default = 512)]
    pub frame: usize,
    /// Samples before a frame that are looked at with it; at most 65,536.
    #[config(default = 64)]
    pub context: usize,
    /// Samples of one window of the transform; a multiple of 4, at most 4,096.
    #[config(default = 256)]
    pub n_fft: usize,
    /// Samples from one window to the next; 1 to 65,536.
    #[config(default = 128)]
    pub hop: usize,
    /// Channels of the four convolutions; 1 or more each.
    #[config(default = "[128, 64, 64, 128]")]
    pub channels: [usize; 4],
    /// Numbers that are carried from frame to frame; 1 or more.
    #[config(default = 128)]
    pub d_hidden: usize,
}

impl SileroVadConfig {
    /// Version 6 at 16 kHz: `silero_vad_16k.safetensors` of the package `silero-vad` 6.2.3
    /// (<https://pypi.org/project/silero-vad/6.2.3/>), whose ONNX files hold other weights.
    pub fn v6_16k() -> Self {
        Self::new()
    }

    /// Windows of the transform in one frame.
    fn windows(&self) -> usize {
        (self.context + self.frame + self.n_fft / 4).saturating_sub(self.n_fft) / self.hop.max(1)
            + 1
    }

    fn check(&self) -> Result<(), ConfigError> {
        ConfigError::within("rate", 1e3, 768e3, f64::from(self.rate))?;
        sizes(MAX_SAMPLES, [("frame", self.frame), ("hop", self.hop)])?;
        ConfigError::within("context", 0.0, MAX_SAMPLES as f64, self.context as f64)?;
        ConfigError::at_least("n_fft", 4, self.n_fft)?;
        ConfigError::within("n_fft", 4.0, MAX_FFT as f64, self.n_fft as f64)?;
        ConfigError::multiple("n_fft", self.n_fft, "the quarters of a window", 4)?;
        let whole = self.context + self.frame + self.n_fft / 4;
        ConfigError::at_least("frame, with context and a quarter of n_fft,", self.n_fft, whole)?;
        ConfigError::at_least(
            "frame, with context,",
            self.n_fft / 4 + 1,
            self.context + self.frame,
        )?;
        ConfigError::within("windows in a frame", 1.0, 4.0, self.windows() as f64)?;
        sizes(MAX_WIDTH, self.channels.map(|channels| ("channels", channels)))?;
        sizes(MAX_WIDTH, [("d_hidden", self.d_hidden)])
    }
}

/// The network; built by [`SileroVadConfig`].
#[derive(Module, Debug)]
pub struct SileroVad {
    stft_conv: Conv1d,
    conv1: Conv1d,
    conv2: Conv1d,
    conv3: Conv1d,
    conv4: Conv1d,
    lstm_cell: Lstm,
    final_conv: Conv1d,
    #[module(skip)]
    frame: usize,
    #[module(skip)]
    context: usize,
    #[module(skip)]
    hop: usize,
}

/// How far each convolution goes from one of its results to the next.
const STRIDES: [usize; 4] = [1, 2, 2, 1];

/// Under the root of the magnitude.
const LEAST_POWER: f64 = 1e-12;

impl ModelConfig for SileroVadConfig {
    const ARCHITECTURE: &'static str = "silero-vad";
    type Model = SileroVad;

    fn init(&self, device: &Device) -> Result<SileroVad, ConfigError> {
        self.check()?;
        let bins = self.n_fft / 2 + 1;
        let mut stft_conv =
            Conv1dConfig::new(1, 2 * bins, self.n_fft).with_bias(false).init(device);
        stft_conv.weight = Param::from_tensor(fourier(self.n_fft, device));
        let [a, b, c, d] = self.channels;
        let conv = |from, to| Conv1dConfig::new(from, to, 3).init(device);
        Ok(SileroVad {
            stft_conv,
            conv1: conv(bins, a),
            conv2: conv(a, b),
            conv3: conv(b, c),
            conv4: conv(c, d),
            lstm_cell: Lstm::init(d, self.d_hidden, device),
            final_conv: Conv1dConfig::new(self.d_hidden, 1, 1).init(device),
            frame: self.frame,
            context: self.context,
            hop: self.hop,
        })
    }

    fn weight_name(&self, path: &str) -> String {
        match path.strip_prefix("lstm_cell.").and_then(Lstm::torch_name) {
            Some(name) => format!("lstm_cell.{name}"),
            None => path.to_owned(),
        }
    }
}

/// What a training from nothing begins with: cosines and then sines under a Hann window.
fn fourier(n_fft: usize, device: &Device) -> Tensor<3> {
    let bins = n_fft / 2 + 1;
    let mut values = Vec::with_capacity(2 * bins * n_fft);
    for row in 0..2 * bins {
        for n in 0..n_fft {
            let turn = TAU * n as f64 / n_fft as f64;
            let angle = turn * (row % bins) as f64;
            let wave = if row < bins { angle.cos() } else { -angle.sin() };
            values.push((wave * (0.5 - 0.5 * turn.cos())) as f32);
        }
    }
    Tensor::from_data(TensorData::new(values, [2 * bins, 1, n_fft]), device)
}

impl SileroVad {
    /// What goes into the cell for each frame by itself.
    ///
    /// # Shapes
    /// - frames: `[n, context + frame]`
    /// - output: `[n, channels[3]]`
    fn encode(&self, frames: Tensor<2>) -> Tensor<2> {
        let [n, length] = frames.dims();
        let [rows, _, n_fft] = self.stft_conv.weight.dims();
        let (quarter, bins) = (n_fft / 4, rows / 2);
        let mirrored = frames.clone().slice(s![.., length - 1 - quarter..length - 1]).flip([1]);
        let padded = Tensor::cat(vec![frames, mirrored], 1);
        let windows: Vec<Tensor<2>> = (0..=(length + quarter - n_fft) / self.hop)
            .map(|at| padded.clone().slice(s![.., at * self.hop..at * self.hop + n_fft]))
            .collect();
        let count = windows.len();
        let windows = Tensor::stack::<3>(windows, 1).reshape([n * count, n_fft]);
        let basis = self.stft_conv.weight.val().reshape([rows, n_fft]).transpose();
        let both = linear_by_rows(windows, basis, None, Activation::None);
        let (real, imaginary) = (both.clone().slice(s![.., ..bins]), both.slice(s![.., bins..]));
        let power = real.clone() * real + imaginary.clone() * imaginary;
        let mut x = (power + LEAST_POWER).sqrt().reshape([n, count, bins]);
        let convs = [&self.conv1, &self.conv2, &self.conv3, &self.conv4];
        for (conv, stride) in convs.into_iter().zip(STRIDES) {
            x = convolve(x, conv, stride);
        }
        x.squeeze_dim::<2>(1)
    }
}

/// `ReLU(conv(x))` with a kernel of three and a zero at either end, time first.
///
/// # Shapes
/// - x: `[n, length, channels_in]`
/// - output: `[n, ⌈length / stride⌉, channels_out]`
fn convolve(x: Tensor<3>, conv: &Conv1d, stride: usize) -> Tensor<3> {
    let [n, length, channels] = x.dims();
    let [out, _, taps] = conv.weight.dims();
    let zeros = Tensor::zeros([n, 1, channels], &x.device());
    let padded = Tensor::cat(vec![zeros.clone(), x, zeros], 1);
    let results = length.div_ceil(stride);
    let taken =
        (0..taps).map(|tap| padded.clone().slice(s![.., tap..tap + length;stride, ..])).collect();
    let rows = Tensor::stack::<4>(taken, 3).reshape([n * results, channels * taps]);
    let weight = conv.weight.val().reshape([out, channels * taps]).transpose();
    let bias = conv.bias.as_ref().map(Param::val);
    linear_by_rows(rows, weight, bias, Activation::Relu).reshape([n, results, out])
}

impl Model for SileroVad {
    type Input = Tensor<3>;
    type Output = Tensor<2>;

    /// # Shapes
    /// - frames: `[batch, frames, context + frame]`, each frame with the samples before it
    /// - output: `[batch, frames]`, logits
    fn forward(&self, frames: Tensor<3>) -> Tensor<2> {
        self.advance(frames, None).0
    }
}

impl SpeechDetector for SileroVad {
    type State = LstmState;

    fn advance(&self, frames: Tensor<3>, state: Option<LstmState>) -> (Tensor<2>, LstmState) {
        let [batch, count, length] = frames.dims();
        let wanted = self.context + self.frame;
        assert_shape!(frames, [_, _, wanted]);
        let encoded = self.encode(frames.reshape([batch * count, length]));
        let [_, width] = encoded.dims();
        let (hidden, state) = self.lstm_cell.forward(encoded.reshape([batch, count, width]), state);
        let bias = self.final_conv.bias.as_ref().map(Param::val);
        let weight = self.final_conv.weight.val().squeeze_dim::<2>(2).transpose();
        let hidden = Activation::Relu.apply(hidden);
        let logits = linear_by_rows(hidden, weight, bias, Activation::None);
        (logits.squeeze_dim::<2>(2), state)
    }
}

impl Recipe<VoiceActivity> for SileroVadConfig {
    /// Options: those of [`VoiceOptions`].
    fn prepare(
        options: &Value,
        train: &dyn Dataset<VoiceExample>,
    ) -> Result<(VoiceActivity, Self), DataError> {
        let chosen = overlay(&VoiceOptions::default(), options)?;
        if train.is_empty() {
            return Err(DataError::Empty { what: "the training split".to_owned() });
        }
        let config = Self::v6_16k();
        let task = VoiceActivity::new(config.rate, config.frame, config.context)
            .with_segmentation(chosen.segmentation());
        config.fits(&task)?;
        Ok((task, config))
    }

    fn start(
        self,
        _: &VoiceActivity,
        options: &Value,
        seed: u64,
        device: &Device,
    ) -> Result<Network<Self>, TrainError> {
        crate::tasks::voice_activity::start(self, options, seed, device)
    }

    fn fits(&self, task: &VoiceActivity) -> Result<(), ConfigError> {
        ConfigError::agree("rate", self.rate, task.rate)?;
        ConfigError::agree("frame", self.frame, task.frame)?;
        ConfigError::agree("context", self.context, task.context)?;
        task.check()
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::tasks::voice_activity::{SegmentationConfig, spoken};
    use andiron_core::testing::Contract;

    fn tiny() -> SileroVadConfig {
        SileroVadConfig::new()
            .with_rate(2_000)
            .with_frame(64)
            .with_context(8)
            .with_n_fft(32)
            .with_hop(16)
            .with_channels([7, 6, 5, 8])
            .with_d_hidden(9)
    }

    #[test]
    fn keeps_the_contract() {
        let segmentation = SegmentationConfig { min_speech: 0.04, ..Default::default() };
        let task = VoiceActivity::new(2_000, 64, 8).with_segmentation(segmentation);
        Contract::new(task, tiny(), spoken()).overfits_in(120, 0.02).check();
    }

    #[test]
    fn frames_in_pieces_give_what_they_give_at_once() {
        let device = Device::flex();
        let model = tiny().init(&device).unwrap();
        let values: Vec<f32> = (0..11 * 72).map(|n| (n as f32 * 0.37).sin()).collect();
        let x = Tensor::<3>::from_data(TensorData::new(values, [1, 11, 72]), &device);
        let whole = model.forward(x.clone());
        let mut state = None;
        for (from, to) in [(0, 1), (1, 3), (3, 11)] {
            let (part, after) = model.advance(x.clone().slice(s![.., from..to, ..]), state);
            assert_eq!(part.into_data(), whole.clone().slice(s![.., from..to]).into_data());
            state = Some(after);
        }
    }

    #[test]
    fn settings_are_refused_by_name() {
        let refused = |config: SileroVadConfig| {
            config.init(&Device::flex()).map(|_| ()).unwrap_err().to_string()
        };
        let good = tiny();
        assert!(good.init(&Device::flex()).is_ok());
        for (config, start) in [
            (good.clone().with_rate(999), "rate must lie in"),
            (good.clone().with_frame(0), "frame must be at least 1"),
            (good.clone().with_hop(0), "hop must be at least 1"),
            (good.clone().with_n_fft(0), "n_fft must be at least 4"),
            (good.clone().with_n_fft(30), "n_fft must be a multiple"),
            (good.clone().with_n_fft(128), "frame, with context and a quarter of n_fft,"),
            (good.clone().with_hop(5), "windows in a frame must lie in 1..=4"),
            (good.clone().with_channels([1, 0, 1, 1]), "channels must be at least 1"),
            (good.with_d_hidden(0), "d_hidden must be at least 1"),
        ] {
            let text = refused(config);
            assert!(text.starts_with(start), "{text}");
        }
    }
}
