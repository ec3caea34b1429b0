//! EfficientNet-Lite as `efficientnet_lite_pytorch` publishes it.

use super::{
    PublishedBackbone,
    preset::{Pixels, Preset},
};
use crate::{models::efficientnet_lite::EfficientNetLiteConfig, transform::Filter};
use andiron_core::ConfigError;
use andiron_weights::fields::refused;
use serde_json::Value;

/// `(v − 127) / 128`; the middle of an image that is larger by 32 pixels.
const fn pixels(side: usize) -> Pixels {
    let (mean, std) = (127.0 / 255.0, 128.0 / 255.0);
    let (mean, std) = ([mean; 3], [std; 3]);
    Pixels { shorter: side + 32, side, filter: Filter::Bicubic, mean, std }
}

impl PublishedBackbone for EfficientNetLiteConfig {
    const MODEL_TYPES: &'static [&'static str] = &[];

    const PRESETS: &'static [Preset<Self>] = &[
        Preset { names: &["efficientnet-lite0"], config: Self::lite0, pixels: pixels(224) },
        Preset { names: &["efficientnet-lite1"], config: Self::lite1, pixels: pixels(240) },
        Preset { names: &["efficientnet-lite2"], config: Self::lite2, pixels: pixels(260) },
        Preset { names: &["efficientnet-lite3"], config: Self::lite3, pixels: pixels(280) },
        Preset { names: &["efficientnet-lite4"], config: Self::lite4, pixels: pixels(300) },
    ];

    /// transformers has no such network.
    fn from_hugging_face(config: &Value) -> Result<Self, ConfigError> {
        Err(refused("model_type", config.get("model_type"), "transformers has no such network"))
    }

    fn own_name(&self, _: &str) -> Option<String> {
        None
    }
}
