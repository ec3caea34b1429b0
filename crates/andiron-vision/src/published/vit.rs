//! ViT as transformers and timm publish it.

use super::{
    PublishedBackbone,
    preset::{IMAGENET, Pixels, Preset},
};
use crate::{backbone::Ends, models::vit::ViTConfig, transform::Filter};
use andiron_core::ConfigError;
use andiron_weights::fields::{Fields, refused};
use serde_json::{Value, json};

/// As timm's weights of 2021 and after want them.
const PIXELS: Pixels =
    Pixels { shorter: 248, side: 224, filter: Filter::Bicubic, mean: [0.5; 3], std: [0.5; 3] };

/// As DeiT's weights want them, which were trained on ImageNet alone.
const DEIT: Pixels = Pixels { mean: IMAGENET.0, std: IMAGENET.1, ..PIXELS };

/// What timm's normalisations add to the variance.
const TIMM: f64 = 1e-6;

fn tiny() -> ViTConfig {
    ViTConfig::vit_ti_16().with_epsilon(TIMM)
}

fn small() -> ViTConfig {
    ViTConfig::vit_s_16().with_epsilon(TIMM)
}

fn base() -> ViTConfig {
    ViTConfig::vit_b_16().with_epsilon(TIMM)
}

impl PublishedBackbone for ViTConfig {
    const MODEL_TYPES: &'static [&'static str] = &["vit"];

    const PRESETS: &'static [Preset<Self>] = &[
        Preset { names: &["vit_tiny_patch16_224"], config: tiny, pixels: PIXELS },
        Preset { names: &["vit_small_patch16_224"], config: small, pixels: PIXELS },
        Preset { names: &["vit_base_patch16_224"], config: base, pixels: PIXELS },
        Preset { names: &["deit_tiny_patch16_224"], config: tiny, pixels: DEIT },
        Preset { names: &["deit_small_patch16_224"], config: small, pixels: DEIT },
        Preset { names: &["deit_base_patch16_224"], config: base, pixels: DEIT },
    ];

    const SURPLUS: &'static [&'static str] = &["vit.pooler.dense.weight", "vit.pooler.dense.bias"];

    fn from_hugging_face(config: &Value) -> Result<Self, ConfigError> {
        let fields = Fields::of(config)?;
        fields.model_type(Self::MODEL_TYPES)?;
        fields.only("hidden_act", &json!("gelu"))?;
        fields.absent("quantization_config")?;
        fields.absent("pruned_heads")?;
        let [height, width] = both(fields, "image_size", 224)?;
        let [patch, other] = both(fields, "patch_size", 16)?;
        if patch != other {
            let reason = "a square patch was wanted";
            return Err(refused("patch_size", fields.get("patch_size"), reason));
        }
        let n_layers = match fields.get("num_hidden_layers") {
            Some(_) => fields.layers("num_hidden_layers")?,
            None => 12,
        };
        let ends = Ends::new(fields.size_or("num_channels", 3)?, 0);
        Ok(Self::new(ends, height, width)
            .with_patch(patch)
            .with_d_model(fields.size_or("hidden_size", 768)?)
            .with_n_heads(fields.size_or("num_attention_heads", 12)?)
            .with_n_layers(n_layers)
            .with_d_hidden(fields.size_or("intermediate_size", 3072)?)
            .with_input_bias(fields.flag_or("qkv_bias", true)?)
            .with_epsilon(fields.number_or("layer_norm_eps", 1e-12)?)
            .with_dropout(fields.number_or("hidden_dropout_prob", 0.0)?))
    }

    /// From timm's names, queries, keys and values apart, and from those of an encoder alone.
    fn own_name(&self, name: &str) -> Option<String> {
        let outside = match name {
            "cls_token" => "vit.embeddings.cls_token",
            "pos_embed" => "vit.embeddings.position_embeddings",
            _ => "",
        };
        if !outside.is_empty() {
            return Some(outside.to_owned());
        }
        for (timm, own) in [
            ("patch_embed.proj.", "vit.embeddings.patch_embeddings.projection."),
            ("norm.", "vit.layernorm."),
            ("fc_norm.", "vit.layernorm."),
            ("head.", "classifier."),
            // A file of transformers' `ViTModel` does without the prefix.
            ("embeddings.", "vit.embeddings."),
            ("encoder.", "vit.encoder."),
            ("layernorm.", "vit.layernorm."),
            ("pooler.", "vit.pooler."),
        ] {
            if let Some(leaf) = name.strip_prefix(timm) {
                return Some(format!("{own}{leaf}"));
            }
        }
        let (at, rest) = name.strip_prefix("blocks.")?.split_once('.')?;
        let (part, leaf) = rest.rsplit_once('.')?;
        let part = match part {
            "norm1" => "layernorm_before",
            "attn.query" => "attention.attention.query",
            "attn.key" => "attention.attention.key",
            "attn.value" => "attention.attention.value",
            "attn.proj" => "attention.output.dense",
            "norm2" => "layernorm_after",
            "mlp.fc1" => "intermediate.dense",
            "mlp.fc2" => "output.dense",
            _ => return None,
        };
        Some(format!("vit.encoder.layer.{at}.{part}.{leaf}"))
    }
}

/// A number for both sides, or one for each, height first.
fn both(fields: Fields<'_>, name: &str, usual: usize) -> Result<[usize; 2], ConfigError> {
    match fields.get(name) {
        Some(Value::Array(_)) => {
            let sides = fields.sizes_or(name, &[])?;
            let wrong = |_| refused(name, fields.get(name), "a number, or two, was wanted");
            sides.try_into().map_err(wrong)
        }
        _ => fields.size_or(name, usual).map(|side| [side, side]),
    }
}
