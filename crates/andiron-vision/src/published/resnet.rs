//! ResNet as torchvision, timm and transformers publish it.

use super::{
    PublishedBackbone,
    preset::{IMAGENET, Pixels, Preset},
};
use crate::{
    backbone::{BackboneConfig as _, Ends},
    models::resnet::{ResNetConfig, Stem},
    transform::Filter,
};
use andiron_core::ConfigError;
use andiron_weights::fields::{Fields, refused};
use serde_json::{Value, json};

/// As torchvision's first weights were trained.
const PIXELS: Pixels =
    Pixels { shorter: 256, side: 224, filter: Filter::Bilinear, mean: IMAGENET.0, std: IMAGENET.1 };

impl PublishedBackbone for ResNetConfig {
    const MODEL_TYPES: &'static [&'static str] = &["resnet"];

    const PRESETS: &'static [Preset<Self>] = &[
        Preset { names: &["resnet18"], config: || Self::resnet18(3, 1000), pixels: PIXELS },
        Preset { names: &["resnet34"], config: || Self::resnet34(3, 1000), pixels: PIXELS },
        Preset { names: &["resnet50"], config: || Self::resnet50(3, 1000), pixels: PIXELS },
    ];

    fn from_hugging_face(config: &Value) -> Result<Self, ConfigError> {
        let fields = Fields::of(config)?;
        fields.model_type(Self::MODEL_TYPES)?;
        fields.only("hidden_act", &json!("relu"))?;
        fields.only("downsample_in_first_stage", &json!(false))?;
        fields.only("downsample_in_bottleneck", &json!(false))?;
        fields.absent("quantization_config")?;
        let mut widths = fields.sizes_or("hidden_sizes", &[256, 512, 1024, 2048])?;
        let expansion = match fields.get("layer_type").map(Value::as_str) {
            None | Some(Some("bottleneck")) => Some(4),
            Some(Some("basic")) => None,
            _ => {
                let got = fields.get("layer_type");
                return Err(refused("layer_type", got, "supported are basic and bottleneck"));
            }
        };
        if let Some(times) = expansion {
            if widths.iter().any(|width| width % times != 0) {
                let reason = "multiples of 4 were wanted, as a bottleneck gives";
                return Err(refused("hidden_sizes", fields.get("hidden_sizes"), reason));
            }
            widths.iter_mut().for_each(|width| *width /= times);
        }
        let stem = fields.size_or("embedding_size", 64)?;
        if widths.first() != Some(&stem) {
            let reason = format!("supported is the first stage's own width, {:?}", widths.first());
            return Err(refused("embedding_size", Some(&json!(stem)), &reason));
        }
        Ok(Self::new(Ends::new(fields.size_or("num_channels", 3)?, 0))
            .with_widths(widths)
            .with_blocks(fields.sizes_or("depths", &[3, 4, 6, 3])?)
            .with_stem(Stem::Large)
            .with_expansion(expansion))
    }

    /// From transformers' names; torchvision's and timm's are our own.
    fn own_name(&self, name: &str) -> Option<String> {
        if let Some(leaf) = name.strip_prefix("classifier.1.") {
            return Some(format!("{}.{leaf}", Self::HEAD));
        }
        let name = name.strip_prefix("resnet.").unwrap_or(name);
        if let Some(rest) = name.strip_prefix("embedder.embedder.") {
            return Some(match rest.split_once('.')? {
                ("convolution", leaf) => format!("conv1.{leaf}"),
                (_, leaf) => format!("bn1.{leaf}"),
            });
        }
        // encoder.stages.0.layers.1.layer.2.convolution.weight
        let (stage, rest) = name.strip_prefix("encoder.stages.")?.split_once(".layers.")?;
        let (block, rest) = rest.split_once('.')?;
        let stage = stage.parse::<usize>().ok()? + 1;
        let (part, kind, leaf) = match rest.strip_prefix("layer.") {
            Some(rest) => {
                let (at, rest) = rest.split_once('.')?;
                let (kind, leaf) = rest.split_once('.')?;
                (Some(at.parse::<usize>().ok()? + 1), kind, leaf)
            }
            None => {
                let (kind, leaf) = rest.strip_prefix("shortcut.")?.split_once('.')?;
                (None, kind, leaf)
            }
        };
        let inside = match (part, kind) {
            (Some(at), "convolution") => format!("conv{at}"),
            (Some(at), _) => format!("bn{at}"),
            (None, "convolution") => "downsample.0".to_owned(),
            (None, _) => "downsample.1".to_owned(),
        };
        Some(format!("layer{stage}.{block}.{inside}.{leaf}"))
    }
}
