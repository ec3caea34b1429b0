//! Low-rank factors in the layout of Hugging Face's PEFT: `adapter_config.json` and
//! `adapter_model.safetensors`, with the head among the modules that are saved whole.

use super::{Headed, is_head};
use crate::published::PublishedEncoder as _;
use andiron_core::{Adaptation, HomeFile, Network, weights};
use serde_json::json;
use std::collections::BTreeSet;

/// The configuration's name.
pub const CONFIG: &str = "adapter_config.json";
/// The weights' name.
pub const WEIGHTS: &str = "adapter_model.safetensors";
/// What stands before a tensor's name in its home.
const PREFIX: &str = "base_model.model.";

/// The two files with which PEFT puts the factors and the head of `model` on the base that they were
/// trained from; `task_type` is PEFT's name for the kind of head, as `SEQ_CLS`. None for a network
/// that is not adapted.
pub fn home_files<C: Headed>(
    config: &C,
    model: &C::Model,
    task_type: &str,
    base: Option<&str>,
) -> Vec<HomeFile> {
    let Adaptation::Lora { rank, alpha, .. } = config.adaptation() else { return Vec::new() };
    let network = Network { config: config.clone(), model: model.clone() };
    let listed = weights::listed(&network);
    let is_factor = |path: &str| path.contains(".lora.");
    let kept: BTreeSet<&str> = listed
        .iter()
        .filter(|tensor| is_factor(&tensor.path) || is_head(&tensor.path))
        .map(|tensor| tensor.name.as_str())
        .collect();
    let targets: BTreeSet<&str> =
        listed.iter().filter_map(|tensor| tensor.name.strip_suffix(".lora_A.weight")).collect();
    // PEFT looks for the end of a name, and wants the outermost module of a head.
    let prefix = C::Encoder::PREFIX;
    let whole: BTreeSet<&str> = listed
        .iter()
        .filter(|tensor| is_head(&tensor.path))
        .map(|tensor| tensor.name.strip_prefix(prefix).unwrap_or(&tensor.name))
        .filter_map(|name| name.split('.').next())
        .collect();
    let description = json!({
        "peft_type": "LORA",
        "task_type": task_type,
        "base_model_name_or_path": base,
        "r": rank,
        "lora_alpha": alpha,
        "lora_dropout": 0.0,
        "target_modules": targets,
        "modules_to_save": whole,
        "bias": "none",
        "fan_in_fan_out": false,
        "inference_mode": true,
        "init_lora_weights": true,
        "use_rslora": false,
        "use_dora": false,
        "rank_pattern": {},
        "alpha_pattern": {},
    });
    let bytes = weights::some_to_bytes(config, model, |name| {
        kept.contains(name).then(|| format!("{PREFIX}{name}"))
    });
    vec![HomeFile::json(CONFIG, &description), HomeFile { name: WEIGHTS.to_owned(), bytes }]
}
