use super::*;
use crate::samples;
use andiron_core::{GradientTrainer, Network, Trainer, TrainingConfig, trainer::Progress};
use burn::tensor::Device;

fn config() -> SmallCnnConfig {
    SmallCnnConfig::new(1, 8, 12, 3).with_widths([4, 6]).with_d_hidden(8)
}

#[test]
fn a_network_is_what_precedes_its_maps_and_what_follows() {
    let device = Device::flex();
    let images = || Tensor::<4>::ones([2, 1, 8, 12], &device) * 0.3;
    let small = Network::init(config(), 1, &device).unwrap().model.valid();
    let parts = small.logits(small.maps(images()));
    parts.into_data().assert_eq(&small.forward(images()).into_data(), true);
    let resnet = Network::init(ResNetConfig::small(1, 3), 1, &device).unwrap().model.valid();
    let parts = resnet.logits(resnet.maps(images()));
    parts.into_data().assert_eq(&resnet.forward(images()).into_data(), true);
}

/// Bright at the left or at the top: the heat is where the brightness is.
#[test]
fn heat_is_where_the_label_is_seen() {
    let device = Device::flex();
    let network = Network::init(config(), 1, &device).unwrap();
    let settings = TrainingConfig::new(150).with_learning_rate(1e-2).with_seed(1);
    let trainer = GradientTrainer::new(settings).with_progress(Progress::Silent);
    let data = samples::examples(1);
    let task = samples::task(12, 8, 1);
    let fitted = trainer.fit(task, network, &data, &Vec::new(), &device).unwrap();
    // Bright in the left third of an image that is wider than what the network sees.
    let pixels = (0..36 * 10).map(|at| if at % 36 < 12 { 220 } else { 30 }).collect();
    let image = Image::gray(36, 10, pixels).unwrap();
    let explanation = explain(&fitted.predictor, &image, Some("left")).unwrap();
    assert_eq!((explanation.columns, explanation.rows), (6, 4));
    let column = |range: std::ops::Range<usize>| -> f32 {
        let cells = explanation.heat.iter().enumerate();
        cells.filter(|(at, _)| range.contains(&(at % 6))).map(|(_, heat)| heat).sum()
    };
    let (left, right) = (column(0..3), column(3..6));
    assert!(left > 2.0 * right, "{left} at the left, {right} at the right");
    let drawn = explanation.overlay(&image);
    assert_eq!((drawn.width(), drawn.height(), drawn.channels()), (36 * 8, 80, 3));
    assert_ne!(drawn, explain(&fitted.predictor, &image, Some("none")).unwrap().overlay(&image));
    let unknown = explain(&fitted.predictor, &image, Some("right")).unwrap_err();
    assert!(matches!(unknown, DataError::UnknownLabel { label, .. } if label == "right"));
    assert!(picture(&fitted.predictor, &image).unwrap().starts_with(b"\x89PNG"));
}

#[test]
fn colours_are_covered_by_heat() {
    assert_eq!(heated([9, 80, 160], 0.0), [9, 80, 160]);
    assert_eq!(heated([30, 60, 90], 1.0), [180, 190, 30]);
}
