//! timm's `config.json`: the name of an architecture, and how its weights want their pixels.

use super::{
    Base, PublishedBackbone,
    preset::{Pixels, Preset},
};
use crate::{backbone::for_classes, transform::Filter};
use andiron_core::ConfigError;
use andiron_weights::fields::{Fields, refused};
use serde_json::{Value, json};

/// Whether the network has no head.
pub(super) fn is_bare(config: Option<&Value>) -> bool {
    config.is_some_and(|config| config["num_classes"] == 0)
}

/// What a `config.json` says of the network `preset`.
///
/// # Errors
/// [`ConfigError::Kind`] names the field that cannot be used.
pub(super) fn base<C: PublishedBackbone>(
    preset: &Preset<C>,
    config: &Value,
) -> Result<Base<C>, ConfigError> {
    let fields = Fields::of(config)?;
    fields.absent("model_args")?;
    let mut base = preset.base();
    let count = fields.size_or("num_classes", base.labels.len())?;
    if count != base.labels.len() {
        base.labels = (0..count).map(|at| at.to_string()).collect();
    }
    if let Some(names) = fields.get("label_names") {
        let found: Option<Vec<String>> = names
            .as_array()
            .map(|names| names.iter().filter_map(Value::as_str).map(str::to_owned).collect());
        base.labels = found.filter(|found| found.len() == count).ok_or_else(|| {
            refused("label_names", Some(names), &format!("{count} names were wanted"))
        })?;
    }
    base.config = for_classes(base.config, count);
    if let Some(pixels) = fields.inside("pretrained_cfg")? {
        pixels.one_of("custom_load", &[json!(false)])?;
        pixels.one_of("crop_mode", &[json!("center")])?;
        base.transform = read(pixels, preset.pixels)?.transform()?;
    }
    Ok(base)
}

/// The pixels that `pretrained_cfg` asks for; what it does not say is the preset's.
fn read(fields: Fields<'_>, usual: Pixels) -> Result<Pixels, ConfigError> {
    let size = fields.get("input_size");
    let side = match size.and_then(Value::as_array).map(Vec::as_slice) {
        None if size.is_none() => usual.side,
        Some([channels, height, width]) if height == width && *channels == 3 => {
            width.as_u64().unwrap_or(0) as usize
        }
        _ => return Err(refused("input_size", size, "[3, side, side] was wanted")),
    };
    let share = fields.number_or("crop_pct", usual.side as f64 / usual.shorter as f64)?;
    ConfigError::within("crop_pct", 0.1, 1.0, share)?;
    let filter = match fields.get("interpolation") {
        None => usual.filter,
        Some(name) => match name.as_str() {
            Some("bilinear") => Filter::Bilinear,
            Some("bicubic") => Filter::Bicubic,
            _ => {
                let reason = "supported are bilinear and bicubic";
                return Err(refused("interpolation", Some(name), reason));
            }
        },
    };
    Ok(Pixels {
        // As timm computes it.
        shorter: (side as f64 / share).floor() as usize,
        side,
        filter,
        mean: triple(fields, "mean", usual.mean)?,
        std: triple(fields, "std", usual.std)?,
    })
}

fn triple(fields: Fields<'_>, name: &str, usual: [f32; 3]) -> Result<[f32; 3], ConfigError> {
    let Some(got) = fields.get(name) else { return Ok(usual) };
    let numbers: Option<Vec<f32>> = got
        .as_array()
        .map(|all| all.iter().filter_map(Value::as_f64).map(|number| number as f32).collect());
    numbers
        .and_then(|numbers| numbers.try_into().ok())
        .ok_or_else(|| refused(name, Some(got), "three numbers were wanted"))
}
