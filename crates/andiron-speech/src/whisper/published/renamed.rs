//! CTranslate2's variables under Hugging Face's names: what it keeps side by side is taken apart.

use andiron_core::{
    WeightsError,
    weights::{Entry, Source},
};
use andiron_weights::{ReadError, ctranslate2::CTranslate2};
use burn::tensor::TensorData;
use std::{collections::BTreeMap, path::Path};

/// A part of a variable: one of so many of equal height that lie below each other.
#[derive(Debug, Clone)]
struct Part {
    variable: String,
    number: usize,
    of: usize,
}

/// The variables of a Whisper as Hugging Face has them. Those that have no place there keep their
/// names, so that none is passed over.
#[derive(Debug)]
pub(super) struct Unfused {
    file: CTranslate2,
    parts: BTreeMap<String, Part>,
}

impl Unfused {
    pub(super) fn new(file: CTranslate2) -> Result<Self, ReadError> {
        let mut parts: BTreeMap<String, Part> = BTreeMap::new();
        for variable in file.names() {
            // The settings among them are integers.
            if !file.entry(&variable).is_some_and(|entry| entry.readable)
                && is_setting(&file, &variable)
            {
                continue;
            }
            let names = names(&variable);
            let of = names.len();
            for (number, name) in names.into_iter().enumerate() {
                let Some(name) = name else { continue };
                let part = Part { variable: variable.clone(), number, of };
                if let Some(first) = parts.insert(name.clone(), part) {
                    let (path, second) = (file.path().into(), variable);
                    let first = first.variable;
                    return Err(ReadError::Collision { path, name, first, second });
                }
            }
        }
        Ok(Self { file, parts })
    }
}

/// Whether a variable of integers is a number that says how the network works, or which of its heads
/// follow the sound.
fn is_setting(file: &CTranslate2, variable: &str) -> bool {
    let single = file.entry(variable).is_some_and(|entry| entry.shape.is_empty());
    single || variable == "decoder/alignment_heads"
}

/// What a variable is called elsewhere, one name for each of its parts; none for a part that says
/// nothing.
fn names(variable: &str) -> Vec<Option<String>> {
    let own = || vec![Some(variable.to_owned())];
    let mut path: Vec<&str> = variable.split('/').collect();
    let leaf = match path.pop() {
        Some("gamma" | "encodings") => "weight",
        Some("beta") => "bias",
        Some(leaf @ ("weight" | "bias")) => leaf,
        _ => return own(),
    };
    let at = |place: String| vec![Some(format!("model.{place}.{leaf}"))];
    match path[..] {
        ["encoder", conv @ ("conv1" | "conv2")] => at(format!("encoder.{conv}")),
        [side @ ("encoder" | "decoder"), "position_encodings"] => {
            at(format!("{side}.embed_positions"))
        }
        [side @ ("encoder" | "decoder"), "layer_norm"] => at(format!("{side}.layer_norm")),
        ["decoder", "embeddings"] => at("decoder.embed_tokens".to_owned()),
        [side @ ("encoder" | "decoder"), layer, part, inner] => {
            let Some(layer) = layer.strip_prefix("layer_") else { return own() };
            let below = |name: &str| format!("{side}.layers.{layer}.{name}");
            // A key's bias adds the same to all scores of a query.
            let map = |attention: &str, name: &str| {
                let silent = name == "k_proj" && leaf == "bias";
                let name = format!("model.{}.{leaf}", below(&format!("{attention}.{name}")));
                (!silent).then_some(name)
            };
            match (part, inner) {
                ("self_attention", "layer_norm") => at(below("self_attn_layer_norm")),
                ("attention", "layer_norm") => at(below("encoder_attn_layer_norm")),
                ("ffn", "layer_norm") => at(below("final_layer_norm")),
                ("ffn", "linear_0") => at(below("fc1")),
                ("ffn", "linear_1") => at(below("fc2")),
                ("self_attention", "linear_0") => {
                    ["q_proj", "k_proj", "v_proj"].map(|name| map("self_attn", name)).to_vec()
                }
                ("self_attention", "linear_1") => at(below("self_attn.out_proj")),
                ("attention", "linear_0") => at(below("encoder_attn.q_proj")),
                ("attention", "linear_1") => {
                    ["k_proj", "v_proj"].map(|name| map("encoder_attn", name)).to_vec()
                }
                ("attention", "linear_2") => at(below("encoder_attn.out_proj")),
                _ => own(),
            }
        }
        _ => own(),
    }
}

impl Source for Unfused {
    fn path(&self) -> &Path {
        self.file.path()
    }

    fn names(&self) -> Vec<String> {
        self.parts.keys().cloned().collect()
    }

    fn entry(&self, name: &str) -> Option<Entry> {
        let part = self.parts.get(name)?;
        let mut entry = self.file.entry(&part.variable)?;
        match entry.shape.first_mut() {
            Some(rows) if rows.is_multiple_of(part.of) => *rows /= part.of,
            // Nothing is lost of it, and its shape is not the wanted one.
            _ => {}
        }
        Some(entry)
    }

    fn read(&self, name: &str) -> Result<TensorData, WeightsError> {
        let Some((part, entry)) = self.parts.get(name).zip(self.entry(name)) else {
            let (path, name) = (self.path().into(), name.to_owned());
            return Err(ReadError::NoTensor { path, name }.into());
        };
        let all = self.file.read(&part.variable)?;
        if part.of == 1 {
            return Ok(all);
        }
        let length: usize = entry.shape.iter().product();
        let values = all.iter::<f32>().skip(part.number * length).take(length);
        let values: Vec<f32> = values.collect();
        let whole = values.len() == length;
        let dtype = entry.dtype;
        let (path, name) = (self.path().to_owned(), name.to_owned());
        let data = whole.then(|| TensorData::new(values, entry.shape));
        data.ok_or_else(|| ReadError::NotRead { path, name, dtype }.into())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn variables_have_their_names_elsewhere() {
        let named = |variable: &str| -> Vec<String> {
            names(variable).into_iter().map(|name| name.unwrap_or_default()).collect()
        };
        for (variable, wanted) in [
            ("encoder/conv1/weight", &["model.encoder.conv1.weight"][..]),
            ("decoder/layer_norm/gamma", &["model.decoder.layer_norm.weight"]),
            (
                "encoder/layer_3/self_attention/linear_0/bias",
                &[
                    "model.encoder.layers.3.self_attn.q_proj.bias",
                    "",
                    "model.encoder.layers.3.self_attn.v_proj.bias",
                ],
            ),
            (
                "decoder/layer_0/attention/linear_1/weight",
                &[
                    "model.decoder.layers.0.encoder_attn.k_proj.weight",
                    "model.decoder.layers.0.encoder_attn.v_proj.weight",
                ],
            ),
            (
                "decoder/layer_0/ffn/layer_norm/beta",
                &["model.decoder.layers.0.final_layer_norm.bias"],
            ),
            (
                "decoder/layer_0/ffn/linear_0/weight_scale",
                &["decoder/layer_0/ffn/linear_0/weight_scale"],
            ),
            ("something", &["something"]),
        ] {
            assert_eq!(named(variable), wanted, "{variable}");
        }
    }
}
