//! Images through the program: augmentation and threads by the configuration, pictures of answers.

use crate::support::{andiron, names, pictures, png, root, text, write};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::{Value, json};
use std::{fs, path::Path};

const OPTIONS: &str = r#"
task = "image-classification"
model = "small-cnn"
output = "mine"
[data]
train = "sides"
[options]
width = 12
height = 9
widths = [3, 4]
d_hidden = 6
balance = true
label_smoothing = 0.05
views = { crops = 0.8 }
[options.augment]
crop = { area = [0.6, 1.0] }
steps = [{ flip = { probability = 0.5 } }, { shift = { pixels = 1 } }, "trivial-augment", { erase = { probability = 0.25 } }]
mix = { mixup = 0.2, cutmix = 1.0 }
[training]
max_steps = 12
batch_size = 7
accumulate = 2
"#;

fn weights(bundle: &Path) -> Vec<u8> {
    fs::read(bundle.join("model.safetensors")).unwrap()
}

#[test]
fn augmentation_is_the_same_for_any_number_of_loaders() {
    let dir = tempfile::tempdir().unwrap();
    pictures(&dir.path().join("sides"), 14);
    let config = dir.path().join("mine.toml");
    write(&config, OPTIONS);
    let train = |more: &[&str]| {
        let mut args = vec!["train", text(&config)];
        args.extend(more);
        andiron(&args).good();
    };
    train(&[]);
    let run = |number: &str| [format!("output=mine-{number}"), format!("run=runs-{number}")];
    for loaders in ["2", "5"] {
        let [output, folder] = run(loaders);
        let loaders = format!("training.loaders={loaders}");
        train(&["--set", &output, "--set", &folder, "--set", &loaders]);
    }
    let plain = dir.path().join("mine");
    for other in ["mine-2", "mine-5"] {
        assert_eq!(weights(&plain), weights(&dir.path().join(other)), "{other}");
    }
    let log = |run: &str| fs::read(dir.path().join(run).join("log.jsonl")).unwrap();
    assert_eq!(log("runs/mine"), log("runs-2"));
    // Without augmentation it is another run.
    let [output, folder] = run("bare");
    let bare = "options.augment={ steps = [] }";
    train(&["--set", &output, "--set", &folder, "--set", bare]);
    assert_ne!(weights(&plain), weights(&dir.path().join("mine-bare")));
    // All of it is in the bundle.
    let text = fs::read(plain.join("andiron.json")).unwrap();
    let bundle: Value = serde_json::from_slice(&text).unwrap();
    let augment = json!({"mixup": 0.2, "cutmix": 1.0});
    assert_eq!(bundle.pointer("/preprocessing/augment/mix"), Some(&augment), "{bundle}");
}

#[test]
fn wrong_settings_of_augmentation_are_refused_by_name() {
    let dir = tempfile::tempdir().unwrap();
    pictures(&dir.path().join("sides"), 6);
    let config = dir.path().join("mine.toml");
    write(&config, OPTIONS);
    for (set, said) in [
        ("options.augment.step=[]", "unknown field `step`"),
        ("options.augment.steps=[\"mirrored\"]", "unknown variant `mirrored`"),
        ("options.augment.mix.mixup=-1", "mixup must lie in 0..=100, but is -1"),
        ("options.views.crops=0.2", "crops must lie in 0.5..=1, but is 0.2"),
        ("options.prepare=[{ shorter-side = { pixels = 9 } }]", "must give every image one size"),
        (
            "options.prepare=[{ centre-crop = { width = 5, height = 5 } }]",
            "the steps of prepare give 5",
        ),
        ("training.loaders=0", "a whole number from 1 to 64 was wanted"),
    ] {
        andiron(&["train", text(&config), "--set", set]).refused(2, said);
    }
    let focal = ["--set", "options.focus=2", "--set", "options.label_smoothing=0"];
    let args = [&["train", text(&config)][..], &focal].concat();
    andiron(&args).refused(2, "mixed images have no one label for the focal loss");
}

#[test]
fn an_answer_is_drawn_over_its_image() {
    let dir = tempfile::tempdir().unwrap();
    let (first, second) = (dir.path().join("a/one.png"), dir.path().join("b/one.png"));
    png(&first, true, 1);
    png(&second, false, 2);
    let drawn = dir.path().join("drawn");
    let args = ["predict", "digits", text(&first), text(&second), "--pictures", text(&drawn)];
    let answers = andiron(&args).good().lines();
    assert_eq!(names(&drawn), ["one-2.png", "one.png"]);
    assert_eq!(answers[0]["picture"], text(&drawn.join("one.png")));
    assert_eq!(answers[1]["picture"], text(&drawn.join("one-2.png")));
    // 13 by 9 pixels, enlarged twenty times.
    let picture = image::open(drawn.join("one.png")).unwrap().to_rgb8();
    assert_eq!(picture.dimensions(), (260, 180));
    assert!(picture.pixels().any(|pixel| pixel[0] > pixel[2]), "there is heat");
    let plain = andiron(&["predict", "digits", text(&first)]).good().lines();
    assert_eq!((&plain[0]["label"], plain[0].get("picture")), (&answers[0]["label"], None));
    // A sound's answer cannot be seen, and a damaged image costs only its own place.
    fs::write(&first, b"no image").unwrap();
    let answer = andiron(&args);
    assert_eq!(answer.status, Some(1));
    let lines = answer.lines();
    assert!(lines[0]["error"].is_string() && lines[1]["picture"].is_string(), "{lines:?}");
}

/// JPEG files with four inks, a GIF of several frames and the eight notes of rotation, as other programs
/// wrote them (`scripts/golden/image_files.py`).
#[test]
fn unusual_files_are_answered() {
    let dir = tempfile::tempdir().unwrap();
    let text_of = fs::read(root().join("crates/andiron-vision/tests/golden/image_files.json"));
    let golden: Value = serde_json::from_slice(&text_of.unwrap()).unwrap();
    let mut files = Vec::new();
    for (name, case) in golden["cases"].as_object().unwrap() {
        // The ending says nothing of what is inside.
        let path = dir.path().join(format!("{name}.png"));
        write(&path, STANDARD.decode(case["file"].as_str().unwrap()).unwrap());
        files.push(path);
    }
    for kind in ["cmyk.png", "ycck.png", "gif.png"] {
        assert!(files.contains(&dir.path().join(kind)), "{kind}");
    }
    let mut args = vec!["predict", "digits"];
    args.extend(files.iter().map(|path| text(path)));
    let answers = andiron(&args).good().lines();
    assert_eq!(answers.len(), files.len());
    assert!(answers.iter().all(|answer| answer["label"].is_string()), "{answers:?}");
}

#[test]
fn data_that_images_cannot_be_learnt_from_or_measured_with_are_named() {
    let dir = tempfile::tempdir().unwrap();
    png(&dir.path().join("new/x/one.png"), true, 1);
    png(&dir.path().join("new/3/two.png"), false, 2);
    let new = dir.path().join("new");
    andiron(&["evaluate", "digits", text(&new)])
        .refused(1, "unknown label \"x\"; known are [\"0\",");
    let config = dir.path().join("sides.toml");
    write(&config, OPTIONS);
    let sides = dir.path().join("sides");
    for seed in 0..8 {
        png(&sides.join(format!("left/{seed}.png")), true, seed);
    }
    andiron(&["train", text(&config)]).refused(1, "examples have the label \"left\"");
    let table = dir.path().join("table.csv");
    write(&table, b"image,label\nnew/3/two.png,lef\xfft\n".as_slice());
    let args = ["train", text(&config), "--set", "data.train=table.csv"];
    andiron(&args).refused(1, "table.csv, line 2: invalid utf-8");
    assert!(!dir.path().join("mine").exists());
}
