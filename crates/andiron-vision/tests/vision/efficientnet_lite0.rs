//! The published EfficientNet-Lite0 against torch: the file is made by
//! `scripts/golden/efficientnet_lite0.py`. Runs where `scripts/fetch-assets` has brought the
//! weights and the photographs; with `ANDIRON_ASSETS=required` it fails where they are not.

use crate::support::{asset, json, numbers};
use andiron_core::{Model as _, Network, testing};
use andiron_vision::{
    Image,
    models::efficientnet_lite::EfficientNetLiteConfig,
    published::{load_network, read_base},
};
use burn::{
    module::Module as _,
    tensor::{Device, Tensor, TensorData},
};

fn network() -> Option<Network<EfficientNetLiteConfig>> {
    let folder = asset("efficientnet-lite0")?;
    let config = EfficientNetLiteConfig::lite0();
    Some(load_network(config, &folder, &Device::flex()).unwrap())
}

fn logits(network: &Network<EfficientNetLiteConfig>, data: TensorData) -> Vec<f32> {
    let images = Tensor::<4>::from_data(data, &Device::flex());
    network.model.valid().forward(images).into_data().iter::<f32>().collect()
}

/// Numbers of the classes, the most probable first.
fn order(logits: &[f32]) -> Vec<usize> {
    let mut order: Vec<usize> = (0..logits.len()).collect();
    order.sort_by(|a, b| logits[*b].total_cmp(&logits[*a]));
    order
}

fn farthest(a: &[f32], b: &[f32]) -> f32 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max)
}

#[test]
fn the_same_pixels_give_the_logits_of_torch() {
    let Some(network) = network() else { return };
    let golden = json("efficientnet_lite0.json");
    for (height, width) in [(224, 224), (97, 131)] {
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
        let off = farthest(&found, &wanted);
        println!("{height} x {width}: logits within {off:.1e} of torch's");
        assert!(off <= 1e-3, "{height} x {width}: {off}");
    }
    testing::record("golden", "efficientnet-lite", "Lite0's logits within 1e-3 of torch's");
}

#[test]
fn photographs_get_the_classes_of_torch() {
    let (Some(network), Some(folder)) = (network(), asset("imagenet-sample")) else { return };
    let base = read_base::<EfficientNetLiteConfig>(&folder, Some("efficientnet-lite0")).unwrap();
    let golden = json("efficientnet_lite0.json");
    let photographs = golden["photographs"].as_object().unwrap();
    assert_eq!(photographs.len(), 20);
    let (mut first, mut fifth, mut worst) = (0, 0, 0.0f32);
    for (name, wanted) in photographs {
        let image = Image::open(folder.join(name)).unwrap();
        let mut values = Vec::new();
        base.transform.append(&image, &mut values).unwrap();
        let found = logits(&network, TensorData::new(values, [1, 3, 224, 224]));
        let wanted = numbers(wanted);
        worst = worst.max(farthest(&found, &wanted));
        let (found, wanted) = (order(&found), order(&wanted));
        assert_eq!(found[0], wanted[0], "{name}");
        let right = name.rsplit(['_', '.']).nth(1).unwrap().parse().unwrap();
        first += usize::from(found[0] == right);
        fifth += usize::from(found[..5].contains(&right));
    }
    println!("top-1 {first} of 20, top-5 {fifth} of 20; logits within {worst:.3} of torch's");
    assert_eq!((first, fifth), (18, 19));
    assert!(worst <= 0.3, "{worst}");
    testing::record(
        "accuracy",
        "image-classification: efficientnet-lite, published, on photographs of ImageNet",
        &format!("top-1 {first} of 20, top-5 {fifth} of 20"),
    );
}
