//! transformers' `preprocessor_config.json`: how pixels become numbers.

use crate::transform::{Filter, ImageTransform, Preparation};
use andiron_core::ConfigError;
use andiron_weights::fields::{Fields, refused};
use serde_json::{Value, json};

/// The transform that a `preprocessor_config.json` describes.
///
/// # Errors
/// [`ConfigError::Kind`] names the field that cannot be used.
pub(super) fn transform(config: &Value) -> Result<ImageTransform, ConfigError> {
    let fields = Fields::of(config)?;
    for (name, wanted) in [
        ("do_resize", json!(true)),
        ("do_rescale", json!(true)),
        ("do_reduce_labels", json!(false)),
        ("do_flip_channel_order", json!(false)),
        ("do_pad", json!(false)),
    ] {
        fields.only(name, &wanted)?;
    }
    let factor = fields.number_or("rescale_factor", 1.0 / 255.0)?;
    if (factor * 255.0 - 1.0).abs() > 1e-6 {
        let got = fields.get("rescale_factor");
        return Err(refused("rescale_factor", got, "supported is 1/255 alone"));
    }
    let (mean, std) = match fields.flag_or("do_normalize", true)? {
        true => (numbers(fields, "image_mean")?, numbers(fields, "image_std")?),
        false => (vec![0.0; 3], vec![1.0; 3]),
    };
    let steps = steps(fields)?;
    let (width, height) = match steps.last() {
        Some(
            Preparation::CentreCrop { width, height } | Preparation::Resize { width, height, .. },
        ) => (*width, *height),
        _ => {
            let got = fields.get("size");
            return Err(refused("size", got, "the images would not be of one size"));
        }
    };
    ImageTransform::new(width, height, mean, std)?.with_preparation(steps)
}

/// One number a channel.
fn numbers(fields: Fields<'_>, name: &str) -> Result<Vec<f32>, ConfigError> {
    let got = fields.get(name);
    let all = got.and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
    let numbers: Vec<f32> =
        all.iter().filter_map(Value::as_f64).map(|number| number as f32).collect();
    match numbers.len() == all.len() && !numbers.is_empty() {
        true => Ok(numbers),
        false => Err(refused(name, got, "a number for each channel was wanted")),
    }
}

fn steps(fields: Fields<'_>) -> Result<Vec<Preparation>, ConfigError> {
    let filter = match fields.get("resample") {
        None => Filter::Bilinear,
        // Pillow's numbers.
        Some(number) => match number.as_u64() {
            Some(2) => Filter::Bilinear,
            Some(3) => Filter::Bicubic,
            _ => {
                let reason = "supported are 2 (bilinear) and 3 (bicubic)";
                return Err(refused("resample", Some(number), reason));
            }
        },
    };
    let kind = ["image_processor_type", "feature_extractor_type"].iter();
    let kind = kind.filter_map(|name| fields.get(name)?.as_str()).next().unwrap_or_default();
    let mut steps = match (side(fields, "size")?, kind.starts_with("ConvNext")) {
        (Side::Shorter(pixels), true) => convnext(fields, pixels, filter)?,
        (Side::Shorter(pixels), false) => vec![Preparation::ShorterSide { pixels, filter }],
        (Side::Both { width, height }, _) => {
            vec![Preparation::Resize { width, height, filter }]
        }
    };
    if fields.flag_or("do_center_crop", false)? {
        let (width, height) = match side(fields, "crop_size")? {
            Side::Shorter(side) => (side, side),
            Side::Both { width, height } => (width, height),
        };
        steps.push(Preparation::CentreCrop { width, height });
    }
    Ok(steps)
}

/// ConvNeXt's way, which its ResNet has too: a small image is the middle of a larger one.
fn convnext(
    fields: Fields<'_>,
    pixels: usize,
    filter: Filter,
) -> Result<Vec<Preparation>, ConfigError> {
    /// From here on the whole image is used.
    const LARGE: usize = 384;
    let (width, height) = (pixels, pixels);
    if pixels >= LARGE {
        return Ok(vec![Preparation::Resize { width, height, filter }]);
    }
    let share = fields.number_or("crop_pct", 224.0 / 256.0)?;
    ConfigError::within("crop_pct", 0.1, 1.0, share)?;
    let shorter = (pixels as f64 / share) as usize;
    let resized = Preparation::ShorterSide { pixels: shorter, filter };
    Ok(vec![resized, Preparation::CentreCrop { width, height }])
}

/// What a size says.
enum Side {
    /// The shorter side; of a crop, both.
    Shorter(usize),
    /// Each side.
    Both { width: usize, height: usize },
}

fn side(fields: Fields<'_>, name: &str) -> Result<Side, ConfigError> {
    let got = fields.get(name);
    if got.is_some_and(Value::is_u64) {
        // Older files. ViT's number is both sides, ResNet's and MobileNet's the shorter.
        let pixels = fields.size(name)?;
        let kind = fields.get("feature_extractor_type").and_then(Value::as_str);
        return Ok(match kind.is_some_and(|kind| kind.starts_with("ViT")) {
            true => Side::Both { width: pixels, height: pixels },
            false => Side::Shorter(pixels),
        });
    }
    let Some(size) = fields.inside(name)? else {
        return Err(refused(name, None, "a size was wanted"));
    };
    if size.get("shortest_edge").is_some() {
        size.absent("longest_edge")?;
        return Ok(Side::Shorter(size.size("shortest_edge")?));
    }
    Ok(Side::Both { width: size.size("width")?, height: size.size("height")? })
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn with(changes: Value) -> Result<ImageTransform, String> {
        let mut config = json!({
            "image_processor_type": "ViTImageProcessor", "do_resize": true, "resample": 2,
            "size": {"height": 8, "width": 12}, "do_rescale": true, "rescale_factor": 1.0 / 255.0,
            "do_normalize": true, "image_mean": [0.5, 0.4, 0.3], "image_std": [0.5, 0.6, 0.7]
        });
        for (name, value) in changes.as_object().unwrap() {
            config[name] = value.clone();
        }
        transform(&config).map_err(|error| error.to_string())
    }

    #[test]
    fn each_kind_is_read() {
        let filter = Filter::Bicubic;
        let steps = |changes: Value| with(changes).unwrap().preparation().to_vec();
        let exact = Preparation::Resize { width: 12, height: 8, filter: Filter::Bilinear };
        assert_eq!(steps(json!({})), [exact]);
        let shorter = json!({"size": {"shortest_edge": 20}, "resample": 3, "do_center_crop": true,
            "crop_size": {"height": 18, "width": 13}});
        let shorter_side = |pixels| Preparation::ShorterSide { pixels, filter };
        let crop = |width, height| Preparation::CentreCrop { width, height };
        assert_eq!(steps(shorter), [shorter_side(20), crop(13, 18)]);
        let convnext = json!({"image_processor_type": "ConvNextImageProcessor", "resample": 3,
            "size": {"shortest_edge": 224}, "crop_pct": 0.875});
        assert_eq!(steps(convnext), [shorter_side(256), crop(224, 224)]);
        let large = json!({"image_processor_type": "ConvNextImageProcessor", "resample": 3,
            "size": {"shortest_edge": 384}});
        assert_eq!(steps(large), [Preparation::Resize { width: 384, height: 384, filter }]);
        let older = json!({"size": 9, "feature_extractor_type": "ViTFeatureExtractor",
            "image_processor_type": null});
        let older_steps = steps(older);
        assert_eq!(
            older_steps,
            [Preparation::Resize { width: 9, height: 9, filter: Filter::Bilinear }]
        );
        let plain = with(json!({"do_normalize": false})).unwrap();
        assert_eq!((plain.mean(), plain.std()), (&[0.0; 3][..], &[1.0; 3][..]));
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        for (changes, field) in [
            (json!({"do_resize": false}), "do_resize"),
            (json!({"do_rescale": false}), "do_rescale"),
            (json!({"rescale_factor": 1.0}), "rescale_factor"),
            (json!({"resample": 1}), "resample"),
            (json!({"image_mean": null}), "image_mean"),
            (json!({"image_std": [0.5, "x", 0.5]}), "image_std"),
            (json!({"image_std": []}), "image_std"),
            (json!({"size": {"shortest_edge": 20}}), "size"),
            (json!({"size": {"height": 8}}), "width"),
            (json!({"size": null}), "size"),
            (json!({"size": {"shortest_edge": 20, "longest_edge": 30}}), "longest_edge"),
            (json!({"do_center_crop": true}), "crop_size"),
            (json!({"do_flip_channel_order": true}), "do_flip_channel_order"),
        ] {
            let said = with(changes).map(|_| ()).unwrap_err();
            assert!(said.starts_with(&format!("setting \"{field}\" cannot be")), "{said}");
        }
        assert!(transform(&json!([])).is_err());
    }
}
