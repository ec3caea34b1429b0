//! Low-rank factors in the layout of Hugging Face's PEFT: `adapter_config.json` and
//! `adapter_model.safetensors`, with the head among the modules that are saved whole.

use super::{File, Headed, is_head};
use crate::published::{PublishedEncoder as _, PublishedError, read_json};
use andiron_core::{
    Adaptation, HomeFile, Network, WeightsError,
    weights::{self, Entry, Source},
};
use andiron_weights::{Renamed, folder::Folder};
use burn::tensor::{Device, TensorData};
use serde_json::{Value, json};
use std::{collections::BTreeSet, path::Path};

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

/// A network of `config` with the encoder of the published folder `base`, and with the factors and
/// the head of the PEFT adapter in the folder `adapter`; `adapted` is the configuration with another
/// [`Adaptation`]. What the adapter does not hold of the head is taken from the base.
///
/// # Errors
/// [`PublishedError`] names the file, field or tensor that cannot be used: an adapter of another kind
/// than plain LoRA on linear maps of the encoder, the same ones in every layer, is refused.
pub fn load<C: Headed>(
    config: C,
    adapted: impl Fn(C, Adaptation) -> C,
    (base, adapter): (&Path, &Path),
    device: &Device,
) -> Result<Network<C>, PublishedError> {
    let path = adapter.join(CONFIG);
    let description = read_json(&path)?;
    let (rank, alpha) = plain_lora(&path, &description)?;
    let fail = |source| PublishedError::Config { path: path.clone(), source };
    let plain = Network::blank(adapted(config.clone(), Adaptation::default()), device);
    let folder = Folder::open(adapter.join(WEIGHTS)).map_err(WeightsError::from)?;
    // What has another prefix keeps its name, and is refused as surplus: left out it would be
    // replaced by the base's without a word.
    let renamed = |name: &str| Some(name.strip_prefix(PREFIX).unwrap_or(name).to_owned());
    let factors = Renamed::new(folder, renamed).map_err(WeightsError::from)?;
    let targets = targets(&plain.map_err(fail)?, &factors);
    if targets.is_empty() {
        let got = &description["target_modules"];
        let reason = "there are factors for no linear map of the encoder";
        return Err(PublishedError::unsupported(&path, "target_modules", got, reason));
    }
    let config = adapted(config, Adaptation::Lora { rank, alpha, targets });
    let blank = Network::blank(config, device).map_err(fail)?;
    let listed = weights::listed(&blank);
    let wanted: BTreeSet<&str> = listed.iter().map(|tensor| tensor.name.as_str()).collect();
    let base = File::open::<C>(base)?
        .renamed(|name| wanted.contains(name) && factors.entry(name).is_none())?;
    Ok(weights::load_from(blank, &Layered { base, factors })?)
}

/// Rank and `alpha` of an adapter; refused by name is what changes the product otherwise.
fn plain_lora(path: &Path, description: &Value) -> Result<(usize, f64), PublishedError> {
    let refused = |field: &str, reason: &str| {
        Err(PublishedError::unsupported(path, field, &description[field], reason))
    };
    if description["peft_type"] != "LORA" {
        return refused("peft_type", "supported is LORA");
    }
    for (field, plain) in [
        ("use_dora", json!(false)),
        ("use_rslora", json!(false)),
        ("use_qalora", json!(false)),
        ("lora_bias", json!(false)),
        ("fan_in_fan_out", json!(false)),
        ("bias", json!("none")),
        ("rank_pattern", json!({})),
        ("alpha_pattern", json!({})),
    ] {
        let got = &description[field];
        if !got.is_null() && *got != plain {
            return refused(field, "it is not supported");
        }
    }
    let rank = description["r"].as_u64().and_then(|rank| usize::try_from(rank).ok());
    match (rank, description["lora_alpha"].as_f64()) {
        (Some(rank), Some(alpha)) => Ok((rank, alpha)),
        (None, _) => refused("r", "a whole number was wanted"),
        (_, None) => refused("lora_alpha", "a number was wanted"),
    }
}

/// The fields of the encoder's linear maps for which there are factors.
fn targets<C: Headed>(plain: &Network<C>, factors: &dyn Source) -> Vec<String> {
    let adapted: BTreeSet<String> = factors
        .names()
        .iter()
        .filter_map(|name| name.strip_suffix(".lora_A.weight"))
        .map(|module| format!("{module}.weight"))
        .collect();
    let fields: BTreeSet<String> = weights::listed(plain)
        .into_iter()
        .filter(|tensor| adapted.contains(&tensor.name) && !is_head(&tensor.path))
        .filter_map(|tensor| tensor.path.rsplit('.').nth(1).map(str::to_owned))
        .collect();
    fields.into_iter().collect()
}

/// An adapter over its base.
struct Layered {
    base: Renamed<Folder>,
    factors: Renamed<Folder>,
}

impl Layered {
    fn holder(&self, name: &str) -> &Renamed<Folder> {
        if self.factors.entry(name).is_some() { &self.factors } else { &self.base }
    }
}

impl Source for Layered {
    fn path(&self) -> &Path {
        self.factors.path()
    }
    fn names(&self) -> Vec<String> {
        self.base.names().into_iter().chain(self.factors.names()).collect()
    }
    fn entry(&self, name: &str) -> Option<Entry> {
        self.holder(name).entry(name)
    }
    fn read(&self, name: &str) -> Result<TensorData, WeightsError> {
        self.holder(name).read(name)
    }
}
