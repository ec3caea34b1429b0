//! Networks for images against torchvision, timm and transformers: the files are made by
//! `scripts/golden/image_networks.py`.

use crate::support::{golden, json, numbers};
use andiron_core::{Model as _, Network, testing};
use andiron_vision::{
    backbone::{BackboneConfig as _, Ends, for_classes},
    layers::inverted_residual::Stage,
    models::{
        efficientnet_lite::EfficientNetLiteConfig,
        mobilenet_v2::MobileNetV2Config,
        resnet::{ResNetConfig, Stem},
        vit::{ViTConfig, VitPooling},
    },
    published::{self, PublishedBackbone, load_network, read_base},
};
use burn::{
    module::Module as _,
    tensor::{Device, Tensor, TensorData},
};
use serde_json::Value;
use std::{fs, path::PathBuf, sync::LazyLock};

fn folder(name: &str) -> PathBuf {
    golden("image_networks").join(name)
}

static GOLDEN: LazyLock<Value> = LazyLock::new(|| json("image_networks.json"));

/// Compares the logits of one image and of three.
fn equals_golden<C>(name: &str, network: Network<C>, what: &str)
where
    C: PublishedBackbone,
{
    let device = Device::flex();
    let model = network.model.valid();
    for batch in [1, 3] {
        let case = &GOLDEN["cases"][format!("{name}_{batch}")];
        let images = &case["images"];
        let extent = |value: &Value| value.as_array().unwrap().len();
        let shape = [batch, extent(&images[0]), extent(&images[0][0]), extent(&images[0][0][0])];
        let images = Tensor::<4>::from_data(TensorData::new(numbers(images), shape), &device);
        let logits: Vec<f32> = model.forward(images).into_data().iter::<f32>().collect();
        let wanted = numbers(&case["logits"]);
        assert_eq!(logits.len(), wanted.len());
        for (found, wanted) in logits.iter().zip(wanted) {
            assert!((found - wanted).abs() <= 1e-4, "{name}, {batch}: {found} for {wanted}");
        }
    }
    testing::record("golden", C::ARCHITECTURE, what);
}

fn of_config<C: PublishedBackbone>(name: &str, config: C) -> Network<C> {
    load_network(config, &folder(name), &Device::flex()).unwrap()
}

/// A folder that says itself what it is.
fn of_folder<C: PublishedBackbone>(name: &str) -> Network<C> {
    let base = read_base::<C>(&folder(name), None).unwrap();
    assert_eq!(base.labels, ["cat", "dog", "owl", "cow", "hen"]);
    load_network(base.config, &folder(name), &Device::flex()).unwrap()
}

#[test]
fn bottlenecks_give_the_logits_of_torchvision() {
    let config = ResNetConfig::small(2, 3).with_widths(vec![4, 6]).with_blocks(vec![1, 2]);
    let config = config.with_stem(Stem::Large).with_expansion(Some(4));
    let network = of_config("resnet_bottleneck", config);
    equals_golden("resnet_bottleneck", network, "logits equal torchvision's, from a .pth file");
}

#[test]
fn mobilenet_v2_gives_the_logits_of_torchvision() {
    let stages =
        vec![Stage::new(4, 1).with_expansion(1), Stage::new(6, 2).with_stride(2).with_expansion(2)];
    let config = MobileNetV2Config::new(Ends::new(3, 3)).with_stem(4).with_stages(stages);
    let network = of_config("mobilenet_v2", config);
    equals_golden("mobilenet_v2", network, "logits equal torchvision's");
}

fn lite() -> EfficientNetLiteConfig {
    let stages = vec![
        Stage::new(4, 1).with_expansion(1),
        Stage::new(6, 2).with_stride(2).with_kernel(5).with_expansion(2),
    ];
    EfficientNetLiteConfig::new(Ends::new(2, 3)).with_stem(4).with_stages(stages).with_d_head(10)
}

#[test]
fn efficientnet_lite_gives_the_logits_of_torch_from_a_legacy_file_with_strides() {
    let network = of_config("efficientnet_lite", lite());
    equals_golden("efficientnet_lite", network, "logits equal torch's, from a legacy .pth file");
}

#[test]
fn vision_transformers_give_the_logits_of_timm() {
    let config = || {
        let config =
            ViTConfig::new(Ends::new(3, 5), 8, 12).with_patch(4).with_d_model(12).with_n_heads(3);
        config.with_n_layers(2).with_d_hidden(18).with_epsilon(1e-6)
    };
    for (name, config) in [
        ("timm_vit_token", config()),
        ("timm_vit_mean", config().with_pooling(VitPooling::MeanThenNorm).with_input_bias(false)),
        ("timm_vit_gap", config().with_pooling(VitPooling::Mean).with_class_token(false)),
    ] {
        equals_golden(name, of_config(name, config), "logits equal timm's");
    }
}

#[test]
fn folders_of_transformers_give_its_logits() {
    let what = "logits equal transformers', from its folder";
    equals_golden("vit", of_folder::<ViTConfig>("vit"), what);
    for name in ["resnet", "resnet_wide"] {
        equals_golden(name, of_folder::<ResNetConfig>(name), what);
    }
    let name = "transformers_mobilenet_v2";
    equals_golden(name, of_folder::<MobileNetV2Config>(name), what);
}

/// The same weights without the head give the vectors that the head starts from.
#[test]
fn the_head_can_be_left_out() {
    let device = Device::flex();
    let whole = of_folder::<ViTConfig>("vit");
    let bare = load_network(for_classes(whole.config.clone(), 0), &folder("vit"), &device).unwrap();
    let images = Tensor::<4>::ones([2, 3, 8, 12], &device);
    let vectors = bare.model.valid().forward(images);
    assert_eq!(vectors.dims(), [2, 12]);
}

#[test]
fn tensors_that_do_not_fit_are_named_all_at_once() {
    let device = Device::flex();
    let config = lite().with_d_head(11);
    let said = load_network(config, &folder("efficientnet_lite"), &device).map(|_| ());
    let said = chain(&said.unwrap_err());
    for wanted in ["_conv_head.weight", "_bn1.running_var", "_fc.weight", "F32[11, 6, 1, 1]"] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
    // Tensors of another network are surplus, and its own are missing.
    let said = load_network(lite(), &folder("mobilenet_v2"), &device).map(|_| ());
    let said = chain(&said.unwrap_err());
    for wanted in ["missing [\"_conv_stem.weight\"", "surplus [\"classifier.1.bias\""] {
        assert!(said.contains(wanted), "{wanted}: {said}");
    }
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut said = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        said += &format!(": {cause}");
        source = cause.source();
    }
    said
}

/// A folder of transformers with one field of its `config.json` changed.
fn edited(name: &str, field: &str, value: Value) -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for file in ["config.json", "preprocessor_config.json"] {
        fs::copy(folder(name).join(file), dir.path().join(file)).unwrap();
    }
    let path = dir.path().join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    config[field] = value;
    fs::write(&path, config.to_string()).unwrap();
    dir
}

#[test]
fn essential_fields_that_are_not_supported_are_refused_by_name() {
    fn refusal<C: PublishedBackbone>(name: &str, field: &str, value: Value) {
        let dir = edited(name, field, value);
        let said = chain(&read_base::<C>(dir.path(), None).map(|_| ()).unwrap_err());
        assert!(said.contains(&format!("setting \"{field}\" cannot be")), "{said}");
    }
    for (field, value) in [
        ("hidden_act", "relu".into()),
        ("image_size", serde_json::json!([8, 12, 3])),
        ("patch_size", serde_json::json!([4, 2])),
        ("hidden_size", "wide".into()),
        ("qkv_bias", 1.into()),
        ("num_hidden_layers", 100_000.into()),
        ("quantization_config", serde_json::json!({"bits": 4})),
        ("id2label", serde_json::json!({"1": "cat"})),
    ] {
        refusal::<ViTConfig>("vit", field, value);
    }
    for (field, value) in [
        ("hidden_act", "gelu".into()),
        ("layer_type", "fancy".into()),
        ("downsample_in_bottleneck", true.into()),
        ("downsample_in_first_stage", true.into()),
        ("embedding_size", 7.into()),
        ("hidden_sizes", serde_json::json!([4, -1])),
    ] {
        refusal::<ResNetConfig>("resnet", field, value);
    }
    refusal::<ResNetConfig>("resnet_wide", "hidden_sizes", serde_json::json!([16, 30]));
    for (field, value) in [
        ("hidden_act", "relu".into()),
        ("output_stride", 16.into()),
        ("first_layer_is_expansion", false.into()),
        ("expand_ratio", 5.5.into()),
        ("depth_multiplier", 0.05.into()),
        ("tf_padding", "yes".into()),
    ] {
        refusal::<MobileNetV2Config>("transformers_mobilenet_v2", field, value);
    }
    let dir = edited("vit", "model_type", "deit".into());
    let said = read_base::<ViTConfig>(dir.path(), None).map(|_| ()).unwrap_err().to_string();
    assert!(said.contains("\"deit\"; known are [\"vit\"]"), "{said}");
}

#[test]
fn timm_says_what_its_weights_want() {
    let dir = tempfile::tempdir().unwrap();
    let read = |config: Value| {
        fs::write(dir.path().join("config.json"), config.to_string()).unwrap();
        read_base::<ResNetConfig>(dir.path(), None).map_err(|error| chain(&error))
    };
    let base = read(serde_json::json!({
        "architecture": "resnet18", "num_classes": 3, "label_names": ["a", "b", "c"],
        "pretrained_cfg": {"input_size": [3, 160, 160], "interpolation": "bicubic",
            "crop_pct": 0.95, "mean": [0.1, 0.2, 0.3], "std": [0.4, 0.5, 0.6]}
    }))
    .unwrap();
    assert_eq!((base.config.ends.n_classes, base.labels.join(" ")), (3, "a b c".to_owned()));
    let said = format!("{:?}", base.transform.preparation());
    assert!(said.contains("pixels: 168, filter: Bicubic"), "{said}");
    assert_eq!((base.transform.width(), base.transform.mean()), (160, &[0.1, 0.2, 0.3][..]));
    let plain = read(serde_json::json!({"architecture": "resnet50"})).unwrap();
    assert_eq!((plain.labels.len(), plain.config.n_features()), (1000, 2048));
    for (config, wanted) in [
        (serde_json::json!({"architecture": "resnet19"}), "\"resnet19\"; known are"),
        (
            serde_json::json!({"architecture": "resnet18", "model_args": {"width": 2}}),
            "setting \"model_args\"",
        ),
        (
            serde_json::json!({"architecture": "resnet18", "label_names": ["a"]}),
            "setting \"label_names\"",
        ),
        (
            serde_json::json!({"architecture": "resnet18", "pretrained_cfg": {"mean": [1]}}),
            "setting \"mean\"",
        ),
        (
            serde_json::json!({"architecture": "resnet18",
                "pretrained_cfg": {"interpolation": "nearest"}}),
            "setting \"interpolation\"",
        ),
        (
            serde_json::json!({"architecture": "resnet18",
                "pretrained_cfg": {"input_size": [3, 8, 9]}}),
            "setting \"input_size\"",
        ),
    ] {
        let said = read(config).map(|_| ()).unwrap_err();
        assert!(said.contains(wanted), "{said}");
    }
}

#[test]
fn every_preset_can_be_set_up() {
    fn check<C: PublishedBackbone>() -> usize {
        for preset in C::PRESETS {
            let base = preset.base();
            let size = [base.transform.height(), base.transform.width()];
            assert!(base.config.size().is_none_or(|wanted| wanted == size), "{:?}", preset.names);
            Network::blank(base.config, &Device::flex()).unwrap();
        }
        C::PRESETS.len()
    }
    let found = check::<EfficientNetLiteConfig>()
        + check::<ResNetConfig>()
        + check::<MobileNetV2Config>()
        + check::<ViTConfig>();
    assert_eq!(found, 5 + 3 + 1 + 6);
    assert!(published::Preset::<ResNetConfig>::find("resnet18").is_some());
}
