//! Published detectors: YOLOX's weights, which come without a description.

use super::ObjectDetection;
use crate::{
    classes::ClassNames, letterbox::Letterbox, models::yolox::YoloxConfig,
    published::PublishedError,
};
use andiron_core::{
    Fit, Layout, Network, Predictor, PublishedEntry, WeightsError,
    weights::{self, Source},
};
use andiron_weights::{Renamed, folder::Folder};
use burn::tensor::Device;
use std::path::Path;

/// A network of the paper's table: its name, its configuration for so many classes, and the side of the
/// square that its authors measure it in, in pixels.
struct Known {
    name: &'static str,
    config: fn(usize) -> YoloxConfig,
    side: usize,
}

const KNOWN: [Known; 3] = [
    Known { name: "yolox-nano", config: YoloxConfig::nano, side: 416 },
    Known { name: "yolox-tiny", config: YoloxConfig::tiny, side: 416 },
    Known { name: "yolox-s", config: YoloxConfig::s, side: 640 },
];

/// Where a training's checkpoint keeps the weights, beside the optimiser's state.
const WEIGHTS: &str = "model.";
/// The tensor that tells how many classes there are.
const CLASSES: &str = "head.cls_preds.0.bias";

/// The classes of COCO (Lin et al. 2014, <https://arxiv.org/abs/1405.0312>), in the order of the
/// `yolox` package.
const COCO: [&str; 80] = [
    "person",
    "bicycle",
    "car",
    "motorcycle",
    "airplane",
    "bus",
    "train",
    "truck",
    "boat",
    "traffic light",
    "fire hydrant",
    "stop sign",
    "parking meter",
    "bench",
    "bird",
    "cat",
    "dog",
    "horse",
    "sheep",
    "cow",
    "elephant",
    "bear",
    "zebra",
    "giraffe",
    "backpack",
    "umbrella",
    "handbag",
    "tie",
    "suitcase",
    "frisbee",
    "skis",
    "snowboard",
    "sports ball",
    "kite",
    "baseball bat",
    "baseball glove",
    "skateboard",
    "surfboard",
    "tennis racket",
    "bottle",
    "wine glass",
    "cup",
    "fork",
    "knife",
    "spoon",
    "bowl",
    "banana",
    "apple",
    "sandwich",
    "orange",
    "broccoli",
    "carrot",
    "hot dog",
    "pizza",
    "donut",
    "cake",
    "chair",
    "couch",
    "potted plant",
    "bed",
    "dining table",
    "toilet",
    "tv",
    "laptop",
    "mouse",
    "remote",
    "keyboard",
    "cell phone",
    "microwave",
    "oven",
    "toaster",
    "sink",
    "refrigerator",
    "book",
    "clock",
    "vase",
    "scissors",
    "teddy bear",
    "hair drier",
    "toothbrush",
];

/// What the task reads of others.
pub static PUBLISHED: &[PublishedEntry] = &[PublishedEntry {
    reads: &["weights named yolox-nano, yolox-tiny, yolox-s"],
    fit: |layout| known(layout).map(|_| Fit::Meant),
    load: |layout, device| {
        let known = known(layout).expect("a layout that fits is loaded");
        Ok(Box::new(load(known, layout.path(), device)?))
    },
    keeps: None,
}];

fn known(layout: &Layout) -> Option<&'static Known> {
    KNOWN.iter().find(|known| Some(known.name) == layout.named())
}

/// The detector of a file of weights: its classes are COCO's if there are eighty, else numbers.
///
/// # Errors
/// [`PublishedError::Weights`] for a file that cannot be read or whose tensors are not the network's.
fn load(
    known: &Known,
    path: &Path,
    device: &Device,
) -> Result<Predictor<ObjectDetection>, PublishedError> {
    let source = weights_in(path)?;
    let shape = source.entry(CLASSES).map(|entry| entry.shape);
    let count = shape.and_then(|shape| shape.first().copied()).unwrap_or_default();
    let names = match count {
        80 => COCO.map(str::to_owned).into(),
        count => (0..count).map(|class| class.to_string()).collect(),
    };
    let classes = ClassNames::new(names).map_err(|_| WeightsError::Mismatch {
        path: path.into(),
        missing: vec![CLASSES.to_owned()],
        surplus: Vec::new(),
        misshapen: Vec::new(),
    })?;
    let fail = |source| PublishedError::Config { path: path.into(), source };
    let frame = Letterbox::published(known.side, known.side).map_err(fail)?;
    let blank = Network::blank((known.config)(count), device).map_err(fail)?;
    let network = weights::load_from(blank, &source)?;
    Ok(Predictor::new(ObjectDetection::new(classes, frame), network, device))
}

/// The tensors of a file of weights, or of a training's checkpoint without what else it keeps.
fn weights_in(path: &Path) -> Result<Renamed<Folder>, WeightsError> {
    let file = Folder::open(path)?;
    let kept = file.names().iter().any(|name| name.starts_with(WEIGHTS));
    let rename = |name: &str| match kept {
        true => name.strip_prefix(WEIGHTS).map(str::to_owned),
        false => Some(name.to_owned()),
    };
    Ok(Renamed::new(file, rename)?)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use andiron_core::ModelConfig;
    use serde_json::{Map, Value};
    use std::fs;

    /// A file of safetensors with each name changed.
    fn renamed(bytes: &[u8], name: impl Fn(&str) -> String) -> Vec<u8> {
        let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
        let header: Map<String, Value> = serde_json::from_slice(&bytes[8..][..length]).unwrap();
        let header: Map<String, Value> =
            header.into_iter().map(|(key, value)| (name(&key), value)).collect();
        let header = serde_json::to_vec(&header).unwrap();
        [&(header.len() as u64).to_le_bytes()[..], &header, &bytes[8 + length..]].concat()
    }

    #[test]
    fn weights_are_read_by_the_names_of_the_package_bare_and_in_a_checkpoint() {
        let (dir, device) = (tempfile::tempdir().unwrap(), Device::flex());
        for (known, count) in [(&KNOWN[0], 80), (&KNOWN[1], 3)] {
            let config = (known.config)(count);
            let blank = config.init(&device).unwrap();
            let network = Network { config, model: blank };
            let path = dir.path().join("weights.safetensors");
            weights::save(&network, &path).unwrap();
            let bytes = fs::read(&path).unwrap();
            for checkpoint in [false, true] {
                let name = |name: &str| match checkpoint {
                    true => format!("model.{name}"),
                    false => name.to_owned(),
                };
                fs::write(&path, renamed(&bytes, name)).unwrap();
                let layout = Layout::read(&path).unwrap().called(known.name);
                assert_eq!((PUBLISHED[0].fit)(&layout), Some(Fit::Meant));
                let predictor = load(known, &path, &device).unwrap();
                let task = predictor.task();
                assert_eq!((task.frame.width(), task.frame.height()), (known.side, known.side));
                let last = if count == 80 { "toothbrush" } else { "2" };
                assert_eq!(task.classes.names().last().unwrap(), last);
                let bundle = dir.path().join("bundle");
                predictor.save(&bundle).unwrap();
                assert_eq!(fs::read(bundle.join("model.safetensors")).unwrap(), bytes);
            }
            fs::write(&path, renamed(&bytes, |name| name.replace("head.", "tail."))).unwrap();
            let refusal = load(known, &path, &device).map(|_| ()).unwrap_err();
            let cause = std::error::Error::source(&refusal).unwrap().to_string();
            assert!(cause.contains("missing [\"head.cls_preds.0.bias\"]"), "{cause}");
        }
    }
}
