//! YOLOX against the `yolox` package: the files are made by `scripts/golden/yolox_small.py`.

use crate::support::{golden, json, numbers};
use andiron_core::{Model, ModelConfig as _, Network, Predictor, Registry, bundle::Card, weights};
use andiron_vision::{
    ObjectDetection, TASKS,
    grid::{GridBoxes, Level},
    models::yolox::YoloxConfig,
    tasks::object_detection::{Candidate, Match, Target, assign, parts, suppress},
};
use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData, activation::sigmoid},
};
use serde_json::Value;

const SIZE: [usize; 2] = [64, 96];
const CLASSES: usize = 3;

/// The formula of the script.
fn pictures(device: &Device) -> Tensor<4> {
    let [height, width] = SIZE;
    let value = |at: usize| ((at as u64 * 2_654_435_761 % (1 << 32)) >> 27) as f32 / 4.0 - 4.0;
    let values: Vec<f32> = (0..9 * height * width).map(value).collect();
    Tensor::from_data(TensorData::new(values, [3, 3, height, width]), device)
}

fn network(name: &str) -> Network<YoloxConfig> {
    let config = match name {
        "depthwise" => YoloxConfig::nano(CLASSES).with_width(0.046_875),
        _ => YoloxConfig::s(CLASSES).with_width(0.031_25).with_depth(0.67),
    };
    let network = Network::init(config, 1, &Device::flex()).unwrap();
    weights::load(network, &golden(&format!("yolox_{name}.safetensors"))).unwrap()
}

#[track_caller]
fn assert_close(found: &[f32], wanted: &[f32], tolerance: f32) {
    assert_eq!(found.len(), wanted.len());
    for (at, (found, wanted)) in found.iter().zip(wanted).enumerate() {
        let close = (found - wanted).abs() <= tolerance * wanted.abs().max(1.0);
        assert!(close, "place {at}: {found} for {wanted}");
    }
}

/// What the package gives for a grid: raw box numbers, and how sure it is of object and classes.
fn outputs(grid: &GridBoxes) -> Vec<f32> {
    let boxes = grid.numbers.clone().narrow(2, 0, 4);
    let rest = sigmoid(grid.numbers.clone().narrow(2, 4, 1 + CLASSES));
    Tensor::cat(vec![boxes, rest], 2).into_data().try_to_vec().unwrap()
}

#[test]
fn outputs_and_boxes_are_those_of_the_package() {
    let device = Device::flex();
    let golden_file = json("yolox.json");
    for name in ["depthwise", "plain"] {
        let case = &golden_file["networks"][name];
        let model = network(name).model.valid();
        let grid = model.forward(pictures(&device).narrow(0, 0, 2));
        let [batch, cells, width] = grid.numbers.dims();
        assert_eq!([batch, cells, width], [2, 126, 5 + CLASSES]);
        assert_close(&outputs(&grid), &numbers(&case["outputs"]), 1e-4);
        let all = grid.cells();
        let boxes = grid.numbers.narrow(2, 0, 4).into_data();
        let boxes: Vec<f32> = boxes.try_to_vec().unwrap();
        let decoded: Vec<f32> = boxes
            .chunks_exact(4)
            .enumerate()
            .flat_map(|(at, b)| all[at % cells].decode([b[0], b[1], b[2], b[3]]))
            .collect();
        assert_close(&decoded, &numbers(&case["decoded"]), 1e-4);
    }
    andiron_core::testing::record("golden", "yolox", "outputs and boxes equal the yolox package's");
}

/// Beside the weights stand an optimiser's state, an epoch and a score.
#[test]
fn a_checkpoint_of_the_package_gives_its_outputs() {
    let (dir, device) = (tempfile::tempdir().unwrap(), Device::flex());
    let registry = Registry::default().with(TASKS);
    let read = registry.open_called(&golden("yolox_nano.pth"), "yolox-nano", None, &device);
    let bundle = dir.path().join("nano");
    read.unwrap().save(Card::default(), &bundle).unwrap();
    let predictor = Predictor::<ObjectDetection>::load(&bundle, &device).unwrap();
    let network = predictor.network::<YoloxConfig>().unwrap();
    let grid = network.model.forward(pictures(&device).narrow(0, 0, 2));
    let golden_file = json("yolox.json");
    assert_close(&outputs(&grid), &numbers(&golden_file["checkpoint"]["outputs"]), 1e-4);
    andiron_core::testing::record(
        "golden",
        "yolox",
        "outputs equal the yolox package's, from a .pth file of its training",
    );
}

fn numbers_of(case: &Value, name: &str) -> Vec<f32> {
    numbers(&case[name])
}

fn truth(golden_file: &Value) -> Vec<Vec<Target>> {
    let target = |row: &Value| {
        let row = numbers(row);
        Target { class: row[0] as usize, place: [row[1], row[2], row[3], row[4]] }
    };
    let image = |rows: &Value| rows.as_array().unwrap().iter().map(target).collect();
    golden_file["targets"].as_array().unwrap().iter().map(image).collect()
}

fn scalar(x: Tensor<1>) -> f32 {
    x.into_scalar()
}

#[test]
fn losses_and_gradients_of_a_training_step_are_those_of_the_package() {
    let device = Device::flex().autodiff();
    let golden_file = json("yolox.json");
    for name in ["depthwise", "plain"] {
        for (l1, part) in [(false, "plain"), (true, "l1")] {
            let case = &golden_file["networks"][name]["training"][part];
            let network = network(name);
            let model = network.model.train();
            let found = parts(model.forward(pictures(&device)), &truth(&golden_file), l1);
            let wanted = |name: &str| case[name].as_f64().unwrap() as f32;
            assert_eq!(found.chosen as f32, wanted("num_fg") * 5.0, "five targets");
            let one = |x: &Tensor<1>| scalar(x.clone());
            let distance = found.distance.as_ref().map_or(0.0, one);
            let all = [one(&found.overlap), one(&found.object), one(&found.class), distance];
            let names = ["iou_loss", "conf_loss", "cls_loss", "l1_loss"];
            assert_close(&all, &names.map(wanted), 1e-4);
            let loss = found.loss(3);
            assert_eq!((loss.count, loss.weight as f32), (3, wanted("num_fg") * 5.0));
            assert_close(&[scalar(loss.mean.clone())], &[wanted("total_loss")], 1e-4);
            let gradients = loss.mean.backward();
            let model = Network { config: network.config, model };
            let mut compared = 0;
            for (name, wanted) in case["gradients"].as_object().unwrap() {
                let wanted = numbers(wanted);
                let largest = wanted.iter().fold(1e-3_f32, |most, value| most.max(value.abs()));
                let found = gradient(&model, name, &gradients);
                let scaled = |values: Vec<f32>| -> Vec<f32> {
                    values.into_iter().map(|value| value / largest).collect()
                };
                assert_close(&scaled(found), &scaled(wanted), 1e-3);
                compared += 1;
            }
            assert_eq!(compared, 3);
        }
    }
    andiron_core::testing::record(
        "golden",
        "yolox loss",
        "SimOTA, losses and gradients equal the yolox package's",
    );
}

/// The gradient of the parameter that the package calls `name`.
fn gradient(
    network: &Network<YoloxConfig>,
    name: &str,
    gradients: &burn::tensor::Gradients,
) -> Vec<f32> {
    struct Search<'a> {
        network: &'a Network<YoloxConfig>,
        name: &'a str,
        gradients: &'a burn::tensor::Gradients,
        path: Vec<String>,
        found: Option<Vec<f32>>,
    }
    impl burn::module::ModuleVisitor for Search<'_> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_owned());
        }
        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }
        fn visit_float<const D: usize>(&mut self, param: &burn::module::Param<Tensor<D>>) {
            if self.network.config.weight_name(&self.path.join(".")) == self.name {
                let gradient = param.val().grad(self.gradients).unwrap();
                self.found = Some(gradient.into_data().try_to_vec().unwrap());
            }
        }
    }
    let mut search = Search { network, name, gradients, path: Vec::new(), found: None };
    network.model.visit(&mut search);
    search.found.unwrap_or_else(|| panic!("no parameter is called {name}"))
}

#[test]
fn cells_are_assigned_as_by_the_package() {
    let golden_file = json("yolox.json");
    let assignment = &golden_file["assignment"];
    let sizes: Vec<usize> =
        numbers(&assignment["levels"]).into_iter().map(|size| size as usize).collect();
    let levels = sizes.chunks_exact(3).map(|size| Level {
        height: size[0],
        width: size[1],
        stride: size[2],
    });
    let levels: Vec<Level> = levels.collect();
    let count = levels.iter().map(|level| level.height * level.width).sum();
    let empty = Tensor::zeros([1, count, 5 + CLASSES], &Device::flex());
    let cells = GridBoxes { numbers: empty, levels }.cells();
    let cases = assignment["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 3);
    for case in cases {
        let classes = numbers(&case["classes"]);
        let places = numbers(&case["targets"]);
        let target = |(class, place): (&f32, &[f32])| Target {
            class: *class as usize,
            place: [place[0], place[1], place[2], place[3]],
        };
        let targets: Vec<Target> = classes.iter().zip(places.chunks_exact(4)).map(target).collect();
        let found = assign(&numbers_of(case, "numbers"), 5 + CLASSES, &cells, &targets);
        let of = |part: fn(&Match) -> f32| -> Vec<f32> { found.iter().map(part).collect() };
        assert_eq!(of(|one| one.cell as f32), numbers_of(case, "cells"));
        assert_eq!(of(|one| one.target as f32), numbers_of(case, "matched"));
        assert_close(&of(|one| one.overlap), &numbers_of(case, "ious"), 1e-5);
    }
}

#[test]
fn boxes_are_suppressed_as_by_the_package() {
    let golden_file = json("yolox.json");
    let suppression = &golden_file["suppression"];
    let boxes = numbers(&suppression["boxes"]);
    let cases = suppression["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 3);
    let mut compared = 0;
    for case in cases {
        let number = |name: &str| case[name].as_f64().unwrap() as f32;
        for (image, kept) in boxes.chunks_exact(60 * 8).zip(case["kept"].as_array().unwrap()) {
            let candidate = |row: &[f32]| {
                let (class, sure) =
                    row[5..].iter().enumerate().fold((0, 0.0_f32), |best, (at, sure)| {
                        if *sure > best.1 { (at, *sure) } else { best }
                    });
                let corners = [
                    row[0] - row[2] / 2.0,
                    row[1] - row[3] / 2.0,
                    row[0] + row[2] / 2.0,
                    row[1] + row[3] / 2.0,
                ];
                let score = row[4] * sure;
                (score >= number("confidence")).then_some(Candidate { class, score, corners })
            };
            let all = image.chunks_exact(8).filter_map(candidate).collect();
            let found = suppress(all, number("overlap"), 1000);
            let kept = numbers(kept);
            let kept: Vec<&[f32]> = kept.chunks_exact(7).collect();
            assert_eq!(found.len(), kept.len());
            for (found, kept) in found.iter().zip(kept) {
                assert_close(&found.corners, &kept[..4], 1e-5);
                assert_close(&[found.score], &[kept[4] * kept[5]], 1e-5);
                assert_eq!(found.class, kept[6] as usize);
                compared += 1;
            }
        }
    }
    assert_eq!(compared, 37 + 31 + 59 + 55);
    andiron_core::testing::record(
        "golden",
        "suppression of boxes",
        "equals the yolox package's, by class",
    );
}
