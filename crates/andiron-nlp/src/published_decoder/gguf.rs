//! Llama and its kin as llama.cpp stores them.

use super::{DecoderError, fitting, gguf_tokenizer};
use crate::{
    chat::ChatTemplate, layers::rope::RopeScaling, models::llama::LlamaConfig,
    tasks::text_generation::TextGeneration, tokenizer::Tokenizer,
};
use andiron_core::{
    ConfigError, Network, WeightsError,
    weights::{self, Entry, Source},
};
use andiron_weights::{ReadError, gguf::Gguf};
use burn::tensor::{Device, TensorData};
use std::{collections::BTreeMap, path::Path};

/// What the frequencies of positions are divided by, one number for each pair of a head.
const FACTORS: &str = "rope_freqs.weight";
/// The architectures that are a `Llama`; a Mistral calls itself one.
const ARCHITECTURES: [&str; 3] = ["llama", "qwen2", "qwen3"];

/// A decoder with its tokenizer and chat template from a GGUF file. The weights become `f32`.
///
/// # Errors
/// [`DecoderError`] names the metadata or the tensor that cannot be used.
pub fn from_gguf(
    path: impl AsRef<Path>,
    device: &Device,
) -> Result<(TextGeneration, Network<LlamaConfig>), DecoderError> {
    let path = path.as_ref();
    let gguf = Gguf::open(path)?;
    let config = LlamaConfig::from_gguf(&gguf)?;
    let gguf_tokenizer::Parts { tokenizer, ends, start_token, end_token } =
        gguf_tokenizer::read(&gguf)?;
    fitting(path, &tokenizer, config.n_tokens)?;
    let task = TextGeneration::new(tokenizer, config.max_length, ends)
        .map_err(DecoderError::config(path))?;
    let template = match gguf.find::<&str>("tokenizer.chat_template")? {
        None => None,
        Some(source) => {
            let chat = |source| DecoderError::Chat { path: path.into(), source };
            Some(ChatTemplate::new(source).map_err(chat)?.with_tokens(start_token, end_token))
        }
    };
    let network = network_from_gguf(&gguf, device)?;
    Ok((TextGeneration { chat_template: template, ..task }, network))
}

/// The network that a GGUF file holds, without the tokenizer. The weights become `f32`.
///
/// # Errors
/// [`DecoderError`] names the metadata or the tensor that cannot be used.
pub fn network_from_gguf(
    gguf: &Gguf,
    device: &Device,
) -> Result<Network<LlamaConfig>, DecoderError> {
    let config = LlamaConfig::from_gguf(gguf)?;
    let names = Renumbered::new(gguf, &config)?;
    let network = Network::blank(config, device).map_err(DecoderError::config(gguf.path()))?;
    Ok(weights::load_from(network, &names)?)
}

/// The tokenizer that a GGUF file holds, without the network.
///
/// # Errors
/// [`DecoderError`] names the metadata that cannot be used.
pub fn tokenizer_from_gguf(gguf: &Gguf) -> Result<Tokenizer, DecoderError> {
    Ok(gguf_tokenizer::read(gguf)?.tokenizer)
}

impl LlamaConfig {
    /// Reads the metadata of a GGUF file of a Llama, Mistral, Qwen2 or Qwen3; what is in the list
    /// of tensors (biases, normalised heads, tied output) is told by it.
    ///
    /// # Errors
    /// [`DecoderError`] names what is missing or not supported.
    pub fn from_gguf(gguf: &Gguf) -> Result<Self, DecoderError> {
        let kind: &str = gguf.get("general.architecture")?;
        if !ARCHITECTURES.contains(&kind) {
            let reason = format!("supported are {}", ARCHITECTURES.join(", "));
            return Err(refused(gguf, "general.architecture", kind, &reason));
        }
        let key = |name: &str| format!("{kind}.{name}");
        let size = |name: &str| gguf.get::<usize>(&key(name));
        let size_or_0 =
            |name: &str| Ok::<_, ReadError>(gguf.find::<usize>(&key(name))?.unwrap_or(0));
        for name in ["expert_count", "attention.sliding_window"] {
            let got = size_or_0(name)?;
            if got > 0 {
                return Err(refused(gguf, &key(name), got, "it is not supported"));
            }
        }
        let n_layers = n_layers(gguf, kind)?;
        let n_heads = size("attention.head_count")?;
        let table = gguf.entry("token_embd.weight").ok_or_else(|| ReadError::NoTensor {
            path: gguf.path().into(),
            name: "token_embd.weight".to_owned(),
        })?;
        let has = |name: &str| gguf.entry(name).is_some();
        let mut config = Self {
            n_tokens: table.shape.first().copied().unwrap_or(0),
            d_model: size("embedding_length")?,
            n_layers,
            n_heads,
            d_hidden: size("feed_forward_length")?,
            n_kv_heads: gguf.find(&key("attention.head_count_kv"))?.unwrap_or(n_heads),
            d_head: size_or_0("attention.key_length")?,
            max_length: size("context_length")?,
            theta: gguf.find(&key("rope.freq_base"))?.unwrap_or(10_000.0),
            rope_scaling: RopeScaling::None,
            epsilon: gguf.get(&key("attention.layer_norm_rms_epsilon"))?,
            tied: !has("output.weight"),
            input_bias: has("blk.0.attn_q.bias"),
            output_bias: has("blk.0.attn_output.bias"),
            hidden_bias: has("blk.0.ffn_gate.bias"),
            head_norm: has("blk.0.attn_q_norm.weight"),
            window: 0,
            n_full_layers: 0,
        };
        let turned = size_or_0("rope.dimension_count")?;
        if turned != 0 && turned != config.head_width() {
            let reason = "supported is the width of a head alone";
            return Err(refused(gguf, &key("rope.dimension_count"), turned, reason));
        }
        config.rope_scaling = rope_scaling(gguf, kind, &config)?;
        Ok(config)
    }
}

fn refused(gguf: &Gguf, field: &str, got: impl ToString, reason: &str) -> DecoderError {
    let (field, got, reason) = (field.to_owned(), got.to_string(), reason.to_owned());
    DecoderError::Config {
        path: gguf.path().into(),
        source: ConfigError::Kind { field, got, reason },
    }
}

/// By the metadata, or by the tensor of factors in which Llama 3.1 and later have it.
fn rope_scaling(
    gguf: &Gguf,
    kind: &str,
    config: &LlamaConfig,
) -> Result<RopeScaling, DecoderError> {
    let key = format!("{kind}.rope.scaling.type");
    let said = match gguf.find::<&str>(&key)? {
        None | Some("none") => RopeScaling::None,
        Some("linear") => {
            let factor = gguf.get(&format!("{kind}.rope.scaling.factor"))?;
            RopeScaling::Linear { factor }
        }
        Some(other) => return Err(refused(gguf, &key, other, "supported are none and linear")),
    };
    if gguf.entry(FACTORS).is_none() {
        return Ok(said);
    }
    let refused = |reason: &str| refused(gguf, FACTORS, "what the tensor says", reason);
    if said != RopeScaling::None {
        return Err(refused("the metadata scale the positions as well"));
    }
    let (pairs, data) = (config.head_width() / 2, gguf.read(FACTORS)?);
    let factors: Vec<f64> = data.iter::<f64>().collect();
    if factors.len() != pairs {
        let reason = format!("it has {} numbers, but a head has {pairs} pairs", factors.len());
        return Err(refused(&reason));
    }
    RopeScaling::of_factors(&factors, config.theta)
        .ok_or_else(|| refused("its factors are not those of Llama 3.1, which alone are supported"))
}

/// No more than the file lists tensors: each layer costs memory before a tensor of it is missed.
fn n_layers(gguf: &Gguf, kind: &str) -> Result<usize, DecoderError> {
    let key = format!("{kind}.block_count");
    let (n_layers, listed) = (gguf.get::<usize>(&key)?, gguf.names().len());
    if n_layers > listed {
        let reason = format!("the file lists {listed} tensors in all");
        return Err(refused(gguf, &key, n_layers, &reason));
    }
    Ok(n_layers)
}

/// The tensors of a GGUF file under Hugging Face's names and in its order: llama.cpp turns
/// neighbouring values of a head together, and for that has moved the rows that make queries and
/// keys.
struct Renumbered<'a> {
    gguf: &'a Gguf,
    /// Hugging Face's name, with the file's, and the number of heads whose rows were moved.
    names: BTreeMap<String, (String, Option<usize>)>,
}

impl<'a> Renumbered<'a> {
    fn new(gguf: &'a Gguf, config: &LlamaConfig) -> Result<Self, ReadError> {
        // Only the architecture that is called so has its rows moved.
        let moved = gguf.get::<&str>("general.architecture")? == "llama";
        let names = gguf
            .names()
            .into_iter()
            // It is a part of the configuration.
            .filter(|own| own != FACTORS)
            .map(|own| {
                let heads = match own.split('.').nth(2) {
                    Some("attn_q") if moved => Some(config.n_heads),
                    Some("attn_k") if moved => Some(config.kv_heads()),
                    _ => None,
                };
                (name_of(&own), (own, heads))
            })
            .collect();
        Ok(Self { gguf, names })
    }
}

/// Hugging Face's name for a tensor; the file's own for one that is not known here.
fn name_of(own: &str) -> String {
    match own.split('.').collect::<Vec<_>>()[..] {
        ["token_embd", leaf] => format!("model.embed_tokens.{leaf}"),
        ["output_norm", leaf] => format!("model.norm.{leaf}"),
        ["output", leaf] => format!("lm_head.{leaf}"),
        ["blk", at, part, leaf] => {
            let part = match part {
                "attn_norm" => "input_layernorm",
                "attn_q" => "self_attn.q_proj",
                "attn_k" => "self_attn.k_proj",
                "attn_v" => "self_attn.v_proj",
                "attn_output" => "self_attn.o_proj",
                "attn_q_norm" => "self_attn.q_norm",
                "attn_k_norm" => "self_attn.k_norm",
                "ffn_norm" => "post_attention_layernorm",
                "ffn_gate" => "mlp.gate_proj",
                "ffn_up" => "mlp.up_proj",
                "ffn_down" => "mlp.down_proj",
                _ => return own.to_owned(),
            };
            format!("model.layers.{at}.{part}.{leaf}")
        }
        _ => own.to_owned(),
    }
}

impl Source for Renumbered<'_> {
    fn path(&self) -> &Path {
        self.gguf.path()
    }

    fn names(&self) -> Vec<String> {
        self.names.keys().cloned().collect()
    }

    fn entry(&self, name: &str) -> Option<Entry> {
        self.gguf.entry(&self.names.get(name)?.0)
    }

    fn read(&self, name: &str) -> Result<TensorData, WeightsError> {
        let Some((own, heads)) = self.names.get(name) else {
            return self.gguf.read(name);
        };
        let data = self.gguf.read(own)?;
        match heads {
            Some(heads) => Ok(halved(&data, *heads)),
            None => Ok(data),
        }
    }
}

/// The rows of each head with the even ones first, then the odd ones.
fn halved(data: &TensorData, heads: usize) -> TensorData {
    let shape = data.shape().to_vec();
    let rows = shape.first().copied().unwrap_or(0);
    let values: Vec<f32> = data.iter::<f32>().collect();
    let (width, d_head) = (values.len() / rows.max(1), rows / heads.max(1));
    let mut moved = Vec::with_capacity(values.len());
    for head in 0..heads {
        for odd in 0..2 {
            for at in 0..d_head / 2 {
                let row = head * d_head + 2 * at + odd;
                moved.extend_from_slice(&values[row * width..(row + 1) * width]);
            }
        }
    }
    TensorData::new(moved, shape)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_become_halves() {
        // Two heads of four rows, three values each; the row's number is in the values.
        let rows: Vec<f32> = (0..8).flat_map(|row| [row as f32; 3]).collect();
        let moved = halved(&TensorData::new(rows, [8, 3]), 2);
        let first: Vec<f32> = moved.iter::<f32>().step_by(3).collect();
        assert_eq!(first, [0.0, 2.0, 1.0, 3.0, 4.0, 6.0, 5.0, 7.0]);
        assert_eq!(moved.shape().to_vec(), [8, 3]);
    }

    #[test]
    fn names_are_hugging_faces() {
        assert_eq!(name_of("blk.12.attn_k.weight"), "model.layers.12.self_attn.k_proj.weight");
        assert_eq!(name_of("output_norm.weight"), "model.norm.weight");
        assert_eq!(name_of("rope_freqs.weight"), "rope_freqs.weight");
        assert_eq!(name_of("blk.0.ffn_gate_exps.weight"), "blk.0.ffn_gate_exps.weight");
    }
}
