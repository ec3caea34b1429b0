//! Published networks for images through the program: as they are, as bundles, and as the start of a
//! training.

use crate::support::{andiron, andiron_with, pictures, png, root, text, write};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A tiny network as others publish it.
fn golden(name: &str) -> PathBuf {
    root().join("crates/andiron-vision/tests/golden/image_networks").join(name)
}

/// A folder with pictures, and the lines that ask for them.
fn asked(dir: &Path) -> String {
    pictures(&dir.join("sides"), 4);
    let mut paths = Vec::new();
    for class in fs::read_dir(dir.join("sides")).unwrap() {
        for file in fs::read_dir(class.unwrap().path()).unwrap() {
            paths.push(file.unwrap().path());
        }
    }
    paths.sort();
    assert!(paths.len() > 3);
    paths.iter().map(|path| format!("{}\n", json!({ "image": path }))).collect()
}

#[test]
fn folders_of_transformers_answer_before_and_after_they_are_bundles() {
    let dir = tempfile::tempdir().unwrap();
    let lines = asked(dir.path());
    for (name, architecture) in
        [("vit", "vit"), ("resnet", "resnet"), ("transformers_mobilenet_v2", "mobilenet-v2")]
    {
        let model = golden(name);
        let before = andiron_with(&["predict", text(&model), "-"], lines.clone()).good();
        for answer in before.lines() {
            assert_eq!(answer["top"].as_array().unwrap().len(), 5, "{answer}");
        }
        let all = andiron(&["inspect", text(&model), "--json"]).good().lines().remove(0);
        assert_eq!(
            (&all["task"], &all["architecture"]),
            (&json!("image-classification"), &json!(architecture))
        );
        assert_eq!(all["preprocessing"]["labels"], json!(["cat", "dog", "owl", "cow", "hen"]));
        let bundle = dir.path().join(name);
        andiron(&["convert", text(&model), text(&bundle)]).good();
        let after = andiron_with(&["predict", text(&bundle), "-"], lines.clone()).good();
        assert_eq!(before.out, after.out, "{name}");

        // Asked for, its vectors: the same network without its head.
        let embed = ["predict", text(&model), "-", "--task", "image-embedding"];
        let vectors = andiron_with(&embed, lines.clone()).good().lines();
        let numbers: Vec<f64> = serde_json::from_value(vectors[0]["embedding"].clone()).unwrap();
        let squares: f64 = numbers.iter().map(|number| number * number).sum();
        assert!((squares - 1.0).abs() < 1e-4, "{squares}");
        let sides = dir.path().join("sides");
        let report = ["evaluate", text(&model), text(&sides), "--task", "image-embedding"];
        let report = andiron(&report).good().lines().remove(0);
        assert!(report["scores"]["success@1"]["value"].is_number(), "{report}");
    }
    andiron::testing::record(
        "program",
        "predict, inspect, convert, evaluate: published networks for images",
        "ViT, ResNet and MobileNetV2 of transformers; the bundle answers byte for byte",
    );
}

#[test]
fn weights_are_what_their_owner_calls_them() {
    let dir = tempfile::tempdir().unwrap();
    let bundle = dir.path().join("bundle");
    let weights = golden("efficientnet_lite").join("weights.pth");
    andiron(&["convert", text(&weights), text(&bundle)]).refused(1, "nothing here loads a file");
    let called = |name: &str, part: &str| {
        let args = ["convert", text(&weights), text(&bundle), "--architecture", name];
        andiron(&args).refused(1, part);
    };
    called("lite9", "nothing here loads what is called \"lite9\"");
    // The tiny one is not of the size of Lite0: all that does not fit is named.
    called("efficientnet-lite0", "_blocks.15._bn0.bias");
    assert!(!bundle.exists());
    let models = andiron(&["models"]).good().out;
    assert!(models.contains("efficientnet-lite0") && models.contains("resnet50"), "{models}");
}

#[test]
fn a_training_begins_with_a_published_network() {
    let dir = tempfile::tempdir().unwrap();
    pictures(&dir.path().join("sides"), 12);
    let config = dir.path().join("mine.toml");
    let settings = |model: &str, task: &str, base: &Path, more: &str| {
        let base = text(base);
        let toml = format!(
            "task = \"{task}\"\nmodel = \"{model}\"\nbase = \"{base}\"\noutput = \"mine\"\n\
             [data]\ntrain = \"sides\"\n[options]\n{more}\n[training]\nmax_steps = 3\n"
        );
        write(&config, toml);
    };
    let weights = |name: &str| {
        let all = fs::read(dir.path().join("mine/model.safetensors")).unwrap();
        let file = safetensors::SafeTensors::deserialize(&all).unwrap();
        file.tensor(name).unwrap().data().to_vec()
    };
    let published = fs::read(golden("vit").join("model.safetensors")).unwrap();
    let published = safetensors::SafeTensors::deserialize(&published).unwrap();
    let name = "vit.encoder.layer.1.output.dense.weight";
    let train = || andiron(&["train", text(&config), "--fresh"]);

    let frozen = "adaptation = { kind = \"frozen\" }";
    settings("vit", "image-classification", &golden("vit"), frozen);
    train().good();
    assert_eq!(weights(name), published.tensor(name).unwrap().data());
    let all = andiron(&["inspect", text(&dir.path().join("mine")), "--json"]).good().lines();
    let labels: Value = all[0]["preprocessing"]["labels"].clone();
    assert_eq!(all[0]["config"]["ends"]["n_classes"], labels.as_array().unwrap().len());

    settings("vit", "image-classification", &golden("vit"), "");
    train().good();
    assert_ne!(weights(name), published.tensor(name).unwrap().data());

    settings("resnet", "image-embedding", &golden("resnet"), "scale = 10.0");
    train().good();
    let image = dir.path().join("new.png");
    png(&image, true, 4711);
    let answer = andiron(&["predict", text(&dir.path().join("mine")), text(&image)]).good();
    let vector: Vec<f64> = serde_json::from_value(answer.lines()[0]["embedding"].clone()).unwrap();
    let length = vector.iter().map(|value| value * value).sum::<f64>().sqrt();
    assert!((length - 1.0).abs() < 1e-4, "{length}");

    for (model, more, status, part) in [
        ("vit", "width = 9", 2, "setting \"width\" cannot be given: the base or preset decides it"),
        ("vit", "patch = 9", 2, "setting \"patch\" cannot be given"),
        ("vit", "preset = \"vit_huge\"", 1, "\"vit_huge\"; known are"),
        ("mobilenet-v2", "", 1, "is of model type or architecture \"vit\"; known are"),
    ] {
        settings(model, "image-classification", &golden("vit"), more);
        train().refused(status, part);
    }
    settings("efficientnet-lite", "image-classification", &golden("efficientnet_lite"), "");
    train().refused(1, "config.json");
    andiron::testing::record(
        "program",
        "train: on a published network for images",
        "a frozen one keeps its weights and gets a head for the labels of the data",
    );
}
