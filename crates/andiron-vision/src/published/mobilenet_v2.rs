//! MobileNetV2 as torchvision and transformers publish it.

use super::{
    PublishedBackbone,
    preset::{IMAGENET, Pixels, Preset},
};
use crate::{
    backbone::Ends,
    layers::inverted_residual::{Border, Stage},
    models::mobilenet_v2::MobileNetV2Config,
    transform::Filter,
};
use andiron_core::ConfigError;
use andiron_weights::fields::{Fields, refused};
use serde_json::{Value, json};

/// As torchvision's first weights were trained.
const PIXELS: Pixels =
    Pixels { shorter: 256, side: 224, filter: Filter::Bilinear, mean: IMAGENET.0, std: IMAGENET.1 };

impl PublishedBackbone for MobileNetV2Config {
    const MODEL_TYPES: &'static [&'static str] = &["mobilenet_v2"];

    const PRESETS: &'static [Preset<Self>] =
        &[Preset { names: &["mobilenet_v2"], config: Self::mobilenet_v2, pixels: PIXELS }];

    fn from_hugging_face(config: &Value) -> Result<Self, ConfigError> {
        let fields = Fields::of(config)?;
        fields.model_type(Self::MODEL_TYPES)?;
        fields.only("hidden_act", &json!("relu6"))?;
        fields.only("output_stride", &json!(32))?;
        fields.only("first_layer_is_expansion", &json!(true))?;
        fields.absent("quantization_config")?;
        let share = fields.number_or("depth_multiplier", 1.0)?;
        ConfigError::within("depth_multiplier", 0.01, 16.0, share)?;
        let divisor = fields.size_or("depth_divisible_by", 8)?;
        ConfigError::at_least("depth_divisible_by", 1, divisor)?;
        let least = fields.size_or("min_depth", 8)?;
        let scaled = |channels: usize| divisible(channels as f64 * share, divisor, least);
        let expansion = fields.number_or("expand_ratio", 6.0)?;
        if expansion.fract() != 0.0 || !(1.0..=64.0).contains(&expansion) {
            let got = fields.get("expand_ratio");
            return Err(refused("expand_ratio", got, "a whole number up to 64 was wanted"));
        }
        let usual = Self::mobilenet_v2();
        let stage = |(at, stage): (usize, &Stage)| Stage {
            channels: scaled(stage.channels),
            expansion: if at == 0 { 1 } else { expansion as usize },
            ..*stage
        };
        let stages: Vec<Stage> = usual.stages.iter().enumerate().map(stage).collect();
        let stem = scaled(usual.stem);
        if stages.first().is_some_and(|first| first.channels == stem) {
            let got = fields.get("depth_multiplier");
            let reason = "the first block would be as narrow as what it is given, and add it";
            return Err(refused("depth_multiplier", got, reason));
        }
        let fine = fields.flag_or("finegrained_output", true)? && share < 1.0;
        let border = match fields.flag_or("tf_padding", true)? {
            true => Border::Same,
            false => Border::Even,
        };
        Ok(Self::new(Ends::new(fields.size_or("num_channels", 3)?, 0))
            .with_stem(stem)
            .with_stages(stages)
            .with_d_head(if fine { usual.d_head } else { scaled(usual.d_head) })
            .with_border(border)
            .with_epsilon(fields.number_or("layer_norm_eps", 1e-3)?)
            .with_dropout(fields.number_or("classifier_dropout_prob", 0.8)?))
    }

    /// From transformers' names; torchvision's are our own.
    fn own_name(&self, name: &str) -> Option<String> {
        if let Some(leaf @ ("weight" | "bias")) = name.strip_prefix("classifier.") {
            return Some(format!("classifier.1.{leaf}"));
        }
        let name = name.strip_prefix("mobilenet_v2.").unwrap_or(name);
        let of = |place: usize, conv: &str, norm: &str, rest: &str| {
            let (kind, leaf) = rest.split_once('.')?;
            let inside = if kind == "convolution" { conv } else { norm };
            Some(format!("features.{place}.{inside}.{leaf}"))
        };
        if let Some(rest) = name.strip_prefix("conv_1x1.") {
            let blocks: usize = self.stages.iter().map(|stage| stage.blocks).sum();
            return of(blocks + 1, "0", "1", rest);
        }
        if let Some(rest) = name.strip_prefix("conv_stem.") {
            // The first block, which does not widen, is part of transformers' stem.
            let (part, rest) = rest.split_once('.')?;
            return match part {
                "first_conv" => of(0, "0", "1", rest),
                "conv_3x3" => of(1, "conv.0.0", "conv.0.1", rest),
                "reduce_1x1" => of(1, "conv.1", "conv.2", rest),
                _ => None,
            };
        }
        let (at, rest) = name.strip_prefix("layer.")?.split_once('.')?;
        let place = at.parse::<usize>().ok()? + 2;
        let (part, rest) = rest.split_once('.')?;
        match part {
            "expand_1x1" => of(place, "conv.0.0", "conv.0.1", rest),
            "conv_3x3" => of(place, "conv.1.0", "conv.1.1", rest),
            "reduce_1x1" => of(place, "conv.2", "conv.3", rest),
            _ => None,
        }
    }
}

/// A number of channels, rounded first and then to a multiple, at least so many and not down by more
/// than a tenth.
fn divisible(exact: f64, divisor: usize, least: usize) -> usize {
    // Python rounds a half to the even side.
    let exact = exact.round_ties_even();
    let rounded = ((exact + divisor as f64 / 2.0) as usize / divisor * divisor).max(least);
    if (rounded as f64) < 0.9 * exact { rounded + divisor } else { rounded }
}
