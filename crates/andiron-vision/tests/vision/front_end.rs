//! Files and changes of images against Pillow and torchvision, and Grad-CAM against PyTorch: the golden
//! files are made by `scripts/golden/image_files.py`, `image_changes.py` and `grad_cam.py`.

use crate::support::{golden, json, numbers};
use andiron_core::{
    Example, Fitted, GradientTrainer, Network, Recipe, TrainError, Trainer, TrainingConfig,
    testing::record, trainer::Progress, weights,
};
use andiron_vision::{
    Image, ImageClassification, ImageTransform,
    explain::grad_cam,
    models::{
        resnet::{ResNetConfig, Stem},
        small_cnn::SmallCnnConfig,
    },
    transform::{Adjustment, Affine, Filter, Preparation, adjust, warp},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use burn::{
    module::Module,
    tensor::{Device, Tensor, TensorData},
};
use serde_json::Value;
use std::{path::Path, process::Command};

/// An image of the golden file.
fn image(size: &Value, channels: u64, pixels: &Value) -> Image {
    let side = |axis: usize| size[axis].as_u64().unwrap() as u32;
    let pixels: Vec<u8> = numbers(pixels).into_iter().map(|v| v as u8).collect();
    match channels {
        1 => Image::gray(side(0), side(1), pixels).unwrap(),
        _ => Image::rgb(side(0), side(1), pixels).unwrap(),
    }
}

/// What we make of an image, and how far a value may be off: 0 where Pillow's arithmetic is in
/// bytes or single precision, as ours; 1 where it mixes pixels in another precision.
fn changed(image: &Image, name: &str, by: f64) -> (Image, u8) {
    let factor = by as f32;
    let adjusted = |adjustment| (adjust(image, adjustment), 0);
    let warped = |affine| (warp(image, affine, 0), 1);
    match name {
        "brightness" => adjusted(Adjustment::Brightness(factor)),
        "contrast" => adjusted(Adjustment::Contrast(factor)),
        "saturation" => adjusted(Adjustment::Saturation(factor)),
        "sharpness" => adjusted(Adjustment::Sharpness(factor)),
        "hue" => adjusted(Adjustment::Hue(factor)),
        "posterise" => adjusted(Adjustment::Posterise(by as u32)),
        "solarise" => adjusted(Adjustment::Solarise(by as u16)),
        "auto-contrast" => adjusted(Adjustment::AutoContrast),
        "equalise" => adjusted(Adjustment::Equalise),
        "shear-x" => warped(Affine::shear_x(by)),
        "shear-y" => warped(Affine::shear_y(by)),
        "translate-x" => warped(Affine::translation(by, 0.0)),
        "translate-y" => warped(Affine::translation(0.0, by)),
        "rotate" => warped(Affine::rotation(by, image.width(), image.height())),
        "mirror" => (image.mirrored(), 0),
        "flip" => (image.flipped(), 0),
        other => panic!("{other} is not known"),
    }
}

#[test]
fn images_are_changed_as_by_pillow_and_torchvision() {
    let golden_file = json("image_changes.json");
    let cases = golden_file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 3);
    let (mut wrong, mut compared) = (Vec::new(), 0);
    for case in cases {
        let channels = case["channels"].as_u64().unwrap();
        let source = image(&case["size"], channels, &case["pixels"]);
        let changes = case["changes"].as_array().unwrap();
        compared += changes.len();
        for change in changes {
            let (name, by) = (change["name"].as_str().unwrap(), change["by"].as_f64().unwrap());
            let wanted = image(&case["size"], channels, &change["changed"]);
            let (found, most) = changed(&source, name, by);
            let pairs = found.pixels().iter().zip(wanted.pixels());
            let off: Vec<u8> = pairs.map(|(a, b)| a.abs_diff(*b)).collect();
            let (largest, many) =
                (off.iter().max().unwrap(), off.iter().filter(|off| **off > most).count());
            if *largest > most {
                wrong.push(format!(
                    "{name} by {by}, {channels} channels: {many} of {} are off by up to {largest}",
                    off.len()
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    assert_eq!(compared, 2 * 43 + 2);
    record(
        "golden",
        "changes of images",
        "brightness, contrast, saturation, sharpness, hue, posterise, solarise, auto-contrast, equalise \
         and reflections equal Pillow's and torchvision's; shear, translation and rotation within 1 of 255",
    );
}

#[test]
fn files_are_decoded_as_by_pillow() {
    let golden_file = json("image_files.json");
    let cases = golden_file["cases"].as_object().unwrap();
    assert_eq!(cases.len(), 11);
    for (name, case) in cases {
        let found =
            Image::decode(&STANDARD.decode(case["file"].as_str().unwrap()).unwrap()).unwrap();
        let wanted = image(&case["size"], 3, &case["pixels"]);
        assert_eq!((found.width(), found.height()), (wanted.width(), wanted.height()), "{name}");
        let pairs = found.pixels().iter().zip(wanted.pixels());
        let off = pairs.map(|(a, b)| a.abs_diff(*b)).max().unwrap();
        // Nothing is lost in a GIF; of a JPEG the decoders' transforms round differently, and of one
        // with four inks twice.
        let most = match name.as_str() {
            "gif" => 0,
            "cmyk" | "ycck" => 6,
            _ => 4,
        };
        assert!(off <= most, "{name}: {off}");
    }
    record(
        "golden",
        "decoding",
        "JPEG with four inks (CMYK, YCCK), the first frame of a GIF and the eight notes of rotation: as Pillow",
    );
}

const CHILD: &str = "ANDIRON_PHOTOGRAPH";

/// A photograph of 50 million pixels takes three bytes a pixel, and little more.
#[test]
fn a_large_photograph_takes_bounded_memory() {
    if let Some(path) = std::env::var_os(CHILD) {
        let photograph = Image::open(path).unwrap();
        assert_eq!((photograph.width(), photograph.height()), (8_660, 5_774));
        let transform = ImageTransform::new(224, 224, vec![0.5; 3], vec![0.5; 3]).unwrap();
        let steps = vec![
            Preparation::ShorterSide { pixels: 256, filter: Filter::Bicubic },
            Preparation::CentreCrop { width: 224, height: 224 },
        ];
        let mut numbers = Vec::new();
        transform.with_preparation(steps).unwrap().append(&photograph, &mut numbers).unwrap();
        assert_eq!(numbers.len(), 3 * 224 * 224);
        let status = std::fs::read_to_string("/proc/self/status").unwrap();
        let line = status.lines().find(|line| line.starts_with("VmHWM:")).unwrap();
        println!("peak {}", line.split_whitespace().nth(1).unwrap());
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("photograph.jpg");
    let file = std::fs::File::create(&path).unwrap();
    let scene = image::RgbImage::from_fn(8_660, 5_774, |x, y| {
        image::Rgb([(x / 40) as u8, (y / 30) as u8, ((x + y) / 50) as u8])
    });
    scene.write_with_encoder(image::codecs::jpeg::JpegEncoder::new(file)).unwrap();
    drop(scene);
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "front_end::a_large_photograph_takes_bounded_memory"])
        .args(["--nocapture", "--test-threads=1"])
        .env(CHILD, &path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{text}{}", String::from_utf8_lossy(&child.stderr));
    let peak = text.split("peak ").nth(1).and_then(|rest| rest.split_whitespace().next());
    let peak: usize = peak.unwrap_or_else(|| panic!("{text}")).parse().unwrap();
    println!("peak {} MiB", peak / 1024);
    // 143 MiB are the pixels themselves.
    assert!(peak < 200 * 1024, "{peak} KiB");
    record(
        "refusals",
        "photographs",
        "50 million pixels are decoded and prepared in less than 200 MiB",
    );
}

#[test]
fn heat_is_that_of_pytorch() {
    let device = Device::flex();
    let (heats, inputs) = (json("grad_cam.json"), json("resnet_small.json"));
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
            let case = format!("{name}_{batch}");
            let data =
                TensorData::new(numbers(&inputs["cases"][&case]["images"]), [batch, 2, 9, 13]);
            for first in 0..3 {
                let classes: Vec<usize> = (0..batch).map(|at| (first + at) % 3).collect();
                let images = Tensor::from_data(data.clone(), &device);
                let heat = grad_cam(&model, images, &classes).into_data();
                let wanted = numbers(&heats["cases"][&case][first.to_string()]);
                assert_eq!(heat.num_elements(), wanted.len());
                for (found, wanted) in heat.iter::<f32>().zip(wanted) {
                    let close = (found - wanted).abs() <= 1e-4 + 1e-4 * wanted.abs();
                    assert!(close, "{case}, from class {first}: {found} for {wanted}");
                    compared += 1;
                }
            }
        }
    }
    assert!(compared > 100, "only {compared}");
    record("golden", "grad-cam", "the heat of a residual network equals PyTorch's within 1e-4");
}

/// Images 13 wide and 9 high, bright on one side.
fn sides(n: u32) -> Vec<Example<Image, String>> {
    let example = |at: u32| {
        let left = at.is_multiple_of(2);
        let bright = |x: u32| (x < 6) == left;
        let value = |place: u32| {
            let noise = (place * 37 + at * 101) % 60;
            (noise + if bright(place % 13) { 150 } else { 20 }) as u8
        };
        let input = Image::gray(13, 9, (0..117).map(value).collect()).unwrap();
        Example { input, target: if left { "left" } else { "right" }.to_owned() }
    };
    (0..n).map(example).collect()
}

/// The random changes follow from seed, step and place alone.
#[test]
fn an_augmented_run_is_the_same_on_any_number_of_threads_and_resumed() {
    let device = Device::flex();
    let data = sides(30);
    let options = serde_json::json!({
        "widths": [3, 4], "d_hidden": 6, "dropout": 0.2, "augment": {
            "crop": {"area": [0.5, 1.0]},
            "steps": [{"flip": {"probability": 0.5}}, "trivial-augment"],
            "mix": {"mixup": 0.3, "cutmix": 1.0},
        },
    });
    let run = |seed: u64, loaders: usize, folder: Option<&Path>, stop: Option<usize>| {
        let (task, config) = SmallCnnConfig::prepare(&options, &data).unwrap();
        let network = Network::init(config, 1, &device).unwrap();
        let settings =
            TrainingConfig::new(11).with_batch_size(4).with_accumulate(2).with_seed(seed);
        let mut trainer = GradientTrainer::new(settings.with_eval_every(3))
            .with_progress(Progress::Silent)
            .with_loaders(loaders);
        if let Some(folder) = folder {
            trainer = trainer.with_folder(folder);
        }
        if let Some(stop) = stop {
            trainer = trainer.with_stop_after(stop);
        }
        trainer.fit(task, network, &data, &data[..6].to_vec(), &device)
    };
    let whole = run(5, 1, None, None).unwrap();
    let input = [data[0].input.clone(), data[1].input.clone()];
    let answers = whole.predictor.predict(&input).unwrap();
    let same = |other: &Fitted<ImageClassification>| {
        assert_eq!(other.log, whole.log);
        assert_eq!(other.predictor.predict(&input).unwrap(), answers);
    };
    for loaders in [0, 2, 3, 7] {
        same(&run(5, loaders, None, None).unwrap());
    }
    let folder = tempfile::tempdir().unwrap();
    for stop in [4, 7] {
        let stopped = run(5, 2, Some(folder.path()), Some(stop));
        assert!(matches!(stopped, Err(TrainError::Interrupted { steps, .. }) if steps == stop));
    }
    same(&run(5, 3, Some(folder.path()), None).unwrap());
    assert_ne!(run(6, 1, None, None).unwrap().log, whole.log);
    record(
        "training",
        "augmentation",
        "the same weights and log, bit for bit, for any number of loading threads and after a resume",
    );
}
