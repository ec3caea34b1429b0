//! Whisper: an encoder of log-mel frames, and a decoder that writes what was said.
//!
//! Paper: Radford et al. 2022, <https://arxiv.org/abs/2212.04356>, section 2.2 and figure 1.
//! Differs from it: nothing in what it computes; the keys and values of what was heard are computed
//! once for all tokens.
//!
//! ```
//! use andiron_core::{Model, ModelConfig};
//! use andiron_speech::models::whisper::{WhisperBatch, WhisperConfig};
//! use burn::tensor::{Device, Int, Tensor};
//!
//! let device = Device::flex();
//! let config = WhisperConfig::new(80, 50, 12).with_n_frames(7).with_n_heads(3).with_n_layers(2);
//! let model = config.init(&device)?;
//! let audio = Tensor::zeros([2, 80, 14], &device);
//! let ids = Tensor::<2, Int>::from_ints([[1, 7, 9], [1, 3, 3]], &device);
//! assert_eq!(model.forward(WhisperBatch { audio, ids }).dims(), [2, 3, 50]);
//! # Ok::<(), andiron_core::ConfigError>(())
//! ```

use crate::{
    layers::{
        MAX_LAYERS, MAX_WIDTH, sizes,
        transformer::{DecoderLayer, EPSILON, EncoderLayer, Sizes, fresh, norm},
    },
    whisper,
};
use andiron_core::{ConfigError, HomeFile, Model, ModelConfig};
use andiron_kernels::{Activation, KvCache, gelu, linear, normalise};
use burn::{
    config::Config,
    module::{Module, Param},
    nn::{
        Embedding, EmbeddingConfig, LayerNorm, PaddingConfig1d,
        conv::{Conv1d, Conv1dConfig},
    },
    tensor::{Device, Int, Tensor, TensorData, assert_shape},
};
use serde_json::Value;

/// Settings of a [`Whisper`]; the defaults are those of the smallest one published.
#[derive(Config, Debug, PartialEq)]
pub struct WhisperConfig {
    /// Mel bands of a frame; 1 or more.
    pub n_mels: usize,
    /// Token numbers; 2 or more.
    pub n_tokens: usize,
    /// Width of a vector, an even multiple of `n_heads`.
    pub d_model: usize,
    /// Frames behind the encoder's convolutions, of which the second takes every other mel frame; 1
    /// or more. All sounds are brought to that length.
    #[config(default = 1500)]
    pub n_frames: usize,
    /// The longest text in tokens, what stands before it included; 2 or more.
    #[config(default = 448)]
    pub max_length: usize,
    /// Layers of the encoder, and of the decoder; 1 or more.
    #[config(default = 4)]
    pub n_layers: usize,
    /// Heads of each attention; 1 or more.
    #[config(default = 6)]
    pub n_heads: usize,
    /// Layers of the decoder where they are not as many as the encoder's; 0 if they are.
    #[config(default = 0)]
    pub n_decoder_layers: usize,
    /// Width between the two linear maps of a layer; `4 · d_model` if 0.
    #[config(default = 0)]
    pub d_hidden: usize,
}

/// What a [`Whisper`] takes.
#[derive(Debug, Clone)]
pub struct WhisperBatch {
    /// Log-mel frames, `[batch, n_mels, 2 · n_frames]`.
    pub audio: Tensor<3>,
    /// The tokens before the wanted ones, `[batch, length]`.
    pub ids: Tensor<2, Int>,
}

/// An encoder of sound and a decoder of text; built by [`WhisperConfig`].
#[derive(Module, Debug)]
pub struct Whisper {
    encoder: Encoder,
    decoder: Decoder,
}

#[derive(Module, Debug)]
struct Encoder {
    conv1: Conv1d,
    conv2: Conv1d,
    positions: Table,
    layers: Vec<EncoderLayer>,
    norm: LayerNorm,
}

#[derive(Module, Debug)]
struct Decoder {
    words: Embedding,
    positions: Table,
    layers: Vec<DecoderLayer>,
    norm: LayerNorm,
}

/// A vector for each place.
#[derive(Module, Debug)]
struct Table {
    weight: Param<Tensor<2>>,
}

/// Numbers of the encoder's waves at the most; the largest Whisper published has 1.9 million.
const MAX_WAVES: usize = 1 << 25;

impl WhisperConfig {
    /// Layers of the decoder.
    pub fn decoder_layers(&self) -> usize {
        if self.n_decoder_layers == 0 { self.n_layers } else { self.n_decoder_layers }
    }

    /// Width between the two linear maps of a layer.
    pub fn hidden(&self) -> usize {
        if self.d_hidden == 0 { 4 * self.d_model } else { self.d_hidden }
    }

    fn check(&self) -> Result<(), ConfigError> {
        ConfigError::at_least("n_tokens", 2, self.n_tokens)?;
        // The slowest of the encoder's waves divides by one less than half of it.
        ConfigError::at_least("d_model", 4, self.d_model)?;
        ConfigError::at_least("max_length", 2, self.max_length)?;
        let widths = [
            ("n_mels", self.n_mels),
            ("n_tokens", self.n_tokens),
            ("d_model", self.d_model),
            ("n_frames", self.n_frames),
            ("max_length", self.max_length),
            ("n_heads", self.n_heads),
            ("d_hidden", self.d_hidden.max(1)),
        ];
        sizes(MAX_WIDTH, widths)?;
        let layers = [("n_layers", self.n_layers), ("n_decoder_layers", self.decoder_layers())];
        sizes(MAX_LAYERS, layers)?;
        // They are computed when the network is made, before any weight is read.
        let waves = self.n_frames * self.d_model;
        sizes(MAX_WAVES, [("n_frames · d_model", waves)])?;
        ConfigError::multiple("d_model", self.d_model, "n_heads", self.n_heads)?;
        ConfigError::multiple("d_model", self.d_model, "the two halves of a wave", 2)
    }
}

impl ModelConfig for WhisperConfig {
    const ARCHITECTURE: &'static str = "whisper";
    type Model = Whisper;

    fn init(&self, device: &Device) -> Result<Whisper, ConfigError> {
        self.check()?;
        let d = self.d_model;
        let sizes = Sizes { d_model: d, n_heads: self.n_heads, d_hidden: self.hidden() };
        let conv = |from| {
            Conv1dConfig::new(from, d, 3)
                .with_padding(PaddingConfig1d::Explicit(1, 1))
                .with_initializer(fresh())
        };
        let waves = TensorData::new(sinusoids(self.n_frames, d), [self.n_frames, d]);
        Ok(Whisper {
            encoder: Encoder {
                conv1: conv(self.n_mels).init(device),
                conv2: conv(d).with_stride(2).init(device),
                positions: Table { weight: Param::from_tensor(Tensor::from_data(waves, device)) },
                layers: (0..self.n_layers).map(|_| EncoderLayer::new(sizes, device)).collect(),
                norm: norm(d, device),
            },
            decoder: Decoder {
                words: EmbeddingConfig::new(self.n_tokens, d)
                    .with_initializer(fresh())
                    .init(device),
                positions: Table { weight: fresh().init([self.max_length, d], device) },
                layers: (0..self.decoder_layers())
                    .map(|_| DecoderLayer::new(sizes, device))
                    .collect(),
                norm: norm(d, device),
            },
        })
    }

    /// Hugging Face's names for a `WhisperForConditionalGeneration`.
    fn weight_name(&self, path: &str) -> String {
        let mut parts: Vec<&str> = path.split('.').collect();
        for (at, part) in parts.iter_mut().enumerate() {
            *part = match *part {
                "positions" => "embed_positions",
                "words" => "embed_tokens",
                "own" => "self_attn",
                "own_norm" => "self_attn_layer_norm",
                "heard" => "encoder_attn",
                "heard_norm" => "encoder_attn_layer_norm",
                "query" => "q_proj",
                "key" => "k_proj",
                "value" => "v_proj",
                "output" => "out_proj",
                "wide" => "fc1",
                "narrow" => "fc2",
                "norm" if at == 1 => "layer_norm",
                "norm" => "final_layer_norm",
                other => other,
            };
        }
        format!("model.{}", parts.join("."))
    }

    /// What transformers reads it by.
    fn home_files(&self, _: &Whisper, task: &Value) -> Vec<HomeFile> {
        whisper::home_files(self, task)
    }
}

/// The encoder's places as waves, `[length, width]` in row-major order: the sines first, then the
/// cosines, of wavelengths from 2π to 2π · 10,000.
fn sinusoids(length: usize, width: usize) -> Vec<f32> {
    let half = width / 2;
    let step = 10_000f64.ln() / (half - 1) as f64;
    let angle = |place: usize, at: usize| place as f64 * (-step * at as f64).exp();
    (0..length)
        .flat_map(|place| {
            let sines = (0..half).map(move |at| angle(place, at).sin());
            sines.chain((0..half).map(move |at| angle(place, at).cos()))
        })
        .map(|value| value as f32)
        .collect()
}

impl Model for Whisper {
    type Input = WhisperBatch;
    type Output = Tensor<3>;

    /// # Shapes
    /// - audio: `[batch, n_mels, 2 · n_frames]`
    /// - ids: `[batch, length]`, each below `n_tokens`, length at most `max_length`
    /// - output: `[batch, length, n_tokens]`, logits of the next token
    fn forward(&self, batch: WhisperBatch) -> Tensor<3> {
        let mut cache = self.listen(self.encode(batch.audio));
        let hidden = self.read(batch.ids, &mut cache);
        self.logits(hidden)
    }
}

/// What was heard, as keys and values of each layer, and the tokens that the decoder has read of each
/// row.
#[derive(Debug, Clone)]
pub struct WhisperCache {
    heard: Vec<[Tensor<4>; 2]>,
    read: KvCache,
}

impl WhisperCache {
    /// How many tokens of each row were read.
    pub fn length(&self) -> usize {
        self.read.length()
    }

    /// Goes on with other rows of the same sounds: see [`KvCache::select`]. Rows of one sound stand
    /// side by side, equally many for each; at first there is one for each.
    pub fn select(&mut self, rows: &[usize]) {
        self.read.select(rows);
    }

    /// Goes on with some of the sounds, and all rows of each; the others are forgotten.
    ///
    /// # Panics
    /// If there is no such sound.
    pub fn keep(&mut self, sounds: &[usize]) {
        let [first, ..] = &self.heard[..] else { return };
        let all = first[0].dims()[0];
        let each = self.read.rows() / all;
        let rows: Vec<usize> =
            sounds.iter().flat_map(|sound| sound * each..(sound + 1) * each).collect();
        self.read.select(&rows);
        let numbers: Vec<i32> = sounds.iter().map(|sound| *sound as i32).collect();
        for layer in &mut self.heard {
            let numbers = Tensor::<1, Int>::from_ints(&numbers[..], &layer[0].device());
            *layer = layer.clone().map(|heard| heard.select(0, numbers.clone()));
        }
    }
}

impl Whisper {
    /// Token numbers that it knows.
    pub fn n_tokens(&self) -> usize {
        self.decoder.words.weight.lazy_shape()[0]
    }

    /// How many tokens it can read at the most.
    pub fn max_length(&self) -> usize {
        self.decoder.positions.weight.lazy_shape()[0]
    }

    /// What is heard in log-mel frames.
    ///
    /// # Shapes
    /// - audio: `[batch, n_mels, 2 · n_frames]`
    /// - output: `[batch, n_frames, d_model]`
    pub fn encode(&self, audio: Tensor<3>) -> Tensor<3> {
        let encoder = &self.encoder;
        let positions = encoder.positions.weight.val();
        let (n_mels, frames) = (encoder.conv1.weight.lazy_shape()[1], 2 * positions.dims()[0]);
        assert_shape!(audio, [_, n_mels, frames]);
        let x = gelu(encoder.conv1.forward(audio));
        let x = gelu(encoder.conv2.forward(x));
        let mut x = x.swap_dims(1, 2) + positions.unsqueeze();
        for layer in &encoder.layers {
            x = layer.forward(x);
        }
        normalise(&encoder.norm, x, EPSILON)
    }

    /// A cache without a token, one row for each sound.
    ///
    /// # Shapes
    /// - encoded: `[batch, n_frames, d_model]`
    pub fn listen(&self, encoded: Tensor<3>) -> WhisperCache {
        let rows = encoded.dims()[0];
        let layers = &self.decoder.layers;
        let heard = layers.iter().map(|layer| layer.remembered(encoded.clone()));
        let heard = heard.collect();
        WhisperCache { heard, read: KvCache::new(layers.len(), &vec![0; rows]) }
    }

    /// Reads the next tokens of every row and keeps what it needs of them in `cache`.
    ///
    /// # Shapes
    /// - ids: `[rows, len]`, each below `n_tokens`
    /// - output: `[rows, len, d_model]`, for [`logits`](Self::logits)
    pub fn read(&self, ids: Tensor<2, Int>, cache: &mut WhisperCache) -> Tensor<3> {
        let [_, len] = ids.dims();
        let (from, most) = (cache.length(), self.max_length());
        assert!(from + len <= most, "length must be at most {most}, but is {}", from + len);
        let places = self.decoder.positions.weight.val().narrow(0, from, len);
        let mut x = self.decoder.words.forward(ids) + places.unsqueeze();
        for (at, layer) in self.decoder.layers.iter().enumerate() {
            x = layer.forward(x, &mut cache.read, at, cache.heard[at].clone());
        }
        cache.read.advance(len);
        normalise(&self.decoder.norm, x, EPSILON)
    }

    /// The logits of the token behind each place.
    ///
    /// # Shapes
    /// - hidden: `[rows, len, d_model]`
    /// - output: `[rows, len, n_tokens]`
    pub fn logits(&self, hidden: Tensor<3>) -> Tensor<3> {
        let words = self.decoder.words.weight.val().swap_dims(0, 1);
        linear(hidden, words, None, Activation::None)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{SpeechRecognition, Waveform, tasks::audio_classification::tones};
    use andiron_core::{
        Example, Recipe,
        testing::{Contract, Law},
    };
    use serde_json::json;

    fn spoken() -> Vec<Example<Waveform, String>> {
        let texts = ["do", "re", "mi mi", "fa", "", "so"];
        let spoken = tones().into_iter().zip(texts);
        spoken.map(|(tone, text)| Example { input: tone.input, target: text.to_owned() }).collect()
    }

    fn options() -> serde_json::Value {
        json!({
            "seconds": 0.42, "n_mels": 9, "d_model": 12, "n_heads": 3, "n_layers": 1,
            "max_length": 24
        })
    }

    #[test]
    fn keeps_the_contract() {
        let (task, config): (SpeechRecognition, _) =
            WhisperConfig::prepare(&options(), &spoken()).unwrap();
        Contract::new(task, config, spoken())
            .without(Law::Padding, "every sound is brought to one length")
            .overfits_in(150, 1e-2)
            .check();
    }

    fn network() -> (Whisper, Device) {
        let device = Device::flex();
        let config = WhisperConfig::new(9, 40, 12)
            .with_n_frames(7)
            .with_n_heads(3)
            .with_n_layers(2)
            .with_n_decoder_layers(3)
            .with_max_length(20);
        let network = andiron_core::Network::init(config, 3, &device).unwrap();
        (network.model, device)
    }

    fn sounds(device: &Device) -> Tensor<3> {
        let values: Vec<f32> = (0..2 * 9 * 14).map(|n| (n as f32 * 0.37).sin()).collect();
        Tensor::from_data(TensorData::new(values, [2, 9, 14]), device)
    }

    fn close(a: Tensor<3>, b: Tensor<3>) {
        let off = (a - b).abs().max().into_scalar::<f32>();
        assert!(off < 1e-5, "{off}");
    }

    #[test]
    fn token_by_token_is_the_text_at_once() {
        let (model, device) = network();
        let ids = Tensor::<2, Int>::from_ints([[1, 7, 9, 2, 2], [1, 3, 3, 30, 5]], &device);
        let whole = model.forward(WhisperBatch { audio: sounds(&device), ids: ids.clone() });
        let mut cache = model.listen(model.encode(sounds(&device)));
        let mut parts = Vec::new();
        for (from, len) in [(0, 2), (2, 1), (3, 2)] {
            let hidden = model.read(ids.clone().narrow(1, from, len), &mut cache);
            parts.push(model.logits(hidden));
        }
        assert_eq!(cache.length(), 5);
        close(Tensor::cat(parts, 1), whole);
    }

    #[test]
    fn rows_of_a_sound_are_the_sound_once_for_each() {
        let (model, device) = network();
        let encoded = model.encode(sounds(&device));
        let row = |values: [i32; 3]| Tensor::<2, Int>::from_ints([values], &device);
        let alone = |sound: usize, values: [i32; 3]| {
            let mut cache = model.listen(encoded.clone().narrow(0, sound, 1));
            model.logits(model.read(row(values), &mut cache))
        };
        let mut cache = model.listen(encoded.clone());
        let first = Tensor::<2, Int>::from_ints([[1], [2]], &device);
        model.read(first, &mut cache);
        // Three rows of each sound, then the second sound alone.
        cache.select(&[0, 0, 0, 1, 1, 1]);
        let next = Tensor::<2, Int>::from_ints(
            [[3, 4], [5, 6], [7, 8], [9, 10], [11, 12], [13, 14]],
            &device,
        );
        let together = model.logits(model.read(next, &mut cache));
        close(together.clone().narrow(0, 1, 1), alone(0, [1, 5, 6]).narrow(1, 1, 2));
        close(together.narrow(0, 4, 1), alone(1, [2, 11, 12]).narrow(1, 1, 2));
        cache.keep(&[1]);
        cache.select(&[2, 0, 1]);
        let last = Tensor::<2, Int>::from_ints([[20], [21], [22]], &device);
        let found = model.logits(model.read(last, &mut cache)).narrow(0, 0, 1);
        let mut wanted = model.listen(encoded.narrow(0, 1, 1));
        let ids = Tensor::<2, Int>::from_ints([[2, 13, 14, 20]], &device);
        close(found, model.logits(model.read(ids, &mut wanted)).narrow(1, 3, 1));
    }

    #[test]
    fn settings_are_refused_by_name() {
        let fresh = || WhisperConfig::new(9, 40, 12).with_n_heads(3);
        assert!(fresh().init(&Device::flex()).is_ok());
        for (config, wanted) in [
            (WhisperConfig::new(0, 40, 12), "n_mels must be at least 1, but is 0"),
            (WhisperConfig::new(9, 1, 12), "n_tokens must be at least 2, but is 1"),
            (WhisperConfig::new(9, 40, 2), "d_model must be at least 4, but is 2"),
            (fresh().with_n_frames(0), "n_frames must be at least 1, but is 0"),
            (fresh().with_max_length(1), "max_length must be at least 2, but is 1"),
            (fresh().with_n_layers(0), "n_layers must be at least 1, but is 0"),
            (fresh().with_n_heads(0), "n_heads must be at least 1, but is 0"),
            (fresh().with_n_heads(5), "d_model must be a multiple of n_heads (5), but is 12"),
        ] {
            let refused = config.init(&Device::flex()).map(|_| ()).unwrap_err();
            assert_eq!(refused.to_string(), wanted);
        }
    }
}
