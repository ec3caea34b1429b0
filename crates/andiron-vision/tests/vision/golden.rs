//! Against PyTorch, torchvision and Pillow: the files are made by `scripts/golden/resnet_small.py` and
//! `resize.py`.

use crate::support::{golden, json, numbers};
use andiron_core::{Model, Network, testing, weights};
use andiron_vision::{
    Image, ImageTransform,
    models::resnet::{ResNetConfig, Stem},
    transform::{Filter, Place, Preparation, resize},
};
use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData},
};
use serde_json::Value;

#[test]
fn a_residual_network_gives_the_logits_of_pytorch() {
    let device = Device::flex();
    let golden_file = json("resnet_small.json");
    let mut compared = 0;
    for (stem, name) in [(Stem::Small, "small"), (Stem::Medium, "medium"), (Stem::Large, "large")] {
        let config = ResNetConfig::small(2, 3)
            .with_widths(vec![4, 6, 5])
            .with_blocks(vec![1, 2, 1])
            .with_stem(stem);
        let network = Network::init(config, 1, &device).unwrap();
        let network =
            weights::load(network, &golden(&format!("resnet_{name}.safetensors"))).unwrap();
        let model = network.model.valid();
        for batch in [1, 3] {
            let case = &golden_file["cases"][format!("{name}_{batch}")];
            let data = TensorData::new(numbers(&case["images"]), [batch, 2, 9, 13]);
            let logits = model.forward(Tensor::from_data(data, &device)).into_data();
            for (found, wanted) in logits.iter::<f32>().zip(numbers(&case["logits"])) {
                let close = (found - wanted).abs() <= 1e-4;
                assert!(close, "{name}, batch of {batch}: {found} for {wanted}");
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 3 * (1 + 3) * 3);
    testing::record("golden", "resnet", "logits equal PyTorch's");
}

/// An image of the golden file, and one that the reference made of it.
fn image(size: &Value, channels: u32, pixels: &Value) -> Image {
    let side = |axis: usize| size[axis].as_u64().unwrap() as u32;
    let pixels: Vec<u8> = numbers(pixels).into_iter().map(|v| v as u8).collect();
    assert_eq!(pixels.len() as u32, side(0) * side(1) * channels);
    match channels {
        1 => Image::gray(side(0), side(1), pixels).unwrap(),
        _ => Image::rgb(side(0), side(1), pixels).unwrap(),
    }
}

/// The largest difference of two images of one size.
fn difference(found: &Image, wanted: &Image) -> u8 {
    assert_eq!((found.width(), found.height()), (wanted.width(), wanted.height()));
    let pairs = found.pixels().iter().zip(wanted.pixels());
    pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap()
}

#[test]
fn images_are_resized_as_by_pillow() {
    let golden_file = json("resize.json");
    let cases = golden_file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 8);
    for case in cases {
        let channels = case["channels"].as_u64().unwrap() as u32;
        let source = image(&case["from"], channels, &case["pixels"]);
        let filters = [
            ("nearest", Filter::Nearest),
            ("bilinear", Filter::Bilinear),
            ("bicubic", Filter::Bicubic),
        ];
        for (name, filter) in filters {
            let wanted = image(&case["to"], channels, &case[name]);
            let found = resize(&source, wanted.width(), wanted.height(), filter);
            let most = difference(&found, &wanted);
            let place = (&case["from"], &case["to"]);
            assert!(most <= u8::from(filter != Filter::Nearest), "{place:?}, {name}: {most}");
        }
    }
    testing::record("golden", "resizing", "equals Pillow's bilinear and bicubic within 1 of 255");
}

#[test]
fn images_are_brought_to_size_as_by_torchvision() {
    let golden_file = json("resize.json");
    let cases = golden_file["steps"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    let crop = Preparation::CentreCrop { width: 15, height: 12 };
    for case in cases {
        let source = image(&case["from"], 3, &case["pixels"]);
        let check = |name: &str, width: usize, height: usize, steps: Vec<Preparation>| {
            let transform = ImageTransform::new(width, height, vec![0.5; 3], vec![0.5; 3]).unwrap();
            let transform = transform.with_preparation(steps).unwrap();
            let wanted = image(&serde_json::json!([width, height]), 3, &case[name]);
            let most = difference(&transform.prepare(&source).unwrap(), &wanted);
            assert!(most <= 1, "{}, {name}: {most}", case["from"]);
        };
        let shorter = Preparation::ShorterSide { pixels: 16, filter: Filter::Bicubic };
        check("shorter_16_bicubic_crop_15_12", 15, 12, vec![shorter, crop.clone()]);
        let longer = Preparation::LongerSide { pixels: 18, filter: Filter::Bilinear };
        let pad = Preparation::Pad { width: 20, height: 18, value: 114, place: Place::Centre };
        check("longer_18_bilinear_pad_20_18_114", 20, 18, vec![longer, pad]);
        check("crop_15_12", 15, 12, vec![crop.clone()]);
    }
    testing::record(
        "golden",
        "preparing",
        "shorter and longer side, centre crop and padding equal torchvision's within 1 of 255",
    );
}
