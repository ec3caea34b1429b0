//! Frozen and adapted networks: what moves, what does not, and that they are drawn, saved, loaded and
//! resumed like any other.

use crate::{
    runs::{Event, Plan, equal},
    toy::{self, Fault, Padded, Tokens, VOCABULARY},
};
use andiron_core::{
    Adaptation, ConfigError, HomeFile, Model, ModelConfig, Network, Predictor, TrainingConfig,
    bundle,
    testing::{Contract, Law},
    weights,
};
use andiron_kernels::dropout;
use burn::{
    config::Config,
    module::Module,
    nn::{Embedding, EmbeddingConfig, Linear, LinearConfig},
    tensor::{Device, Tensor},
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs};

#[derive(Debug, Clone, Serialize, Deserialize)]
struct AdaptedConfig {
    adaptation: Adaptation,
}

impl Config for AdaptedConfig {}

#[derive(Module, Debug)]
struct Adapted {
    embedding: Embedding,
    hidden: Linear,
    narrow: Linear,
    output: Linear,
}

impl ModelConfig for AdaptedConfig {
    const ARCHITECTURE: &'static str = "toy-adapted";
    type Model = Adapted;

    fn init(&self, device: &Device) -> Result<Adapted, ConfigError> {
        let model = Adapted {
            embedding: EmbeddingConfig::new(VOCABULARY, 16).init(device),
            hidden: LinearConfig::new(16, 24).init(device),
            narrow: LinearConfig::new(24, 17).init(device),
            output: LinearConfig::new(17, 3).init(device),
        };
        self.adaptation.apply(model, |path| path.starts_with("output."))
    }

    fn home_files(&self, model: &Adapted, task: &Value) -> Vec<HomeFile> {
        let rows = model.embedding.weight.dims()[0];
        vec![HomeFile::json("config.json", &json!({ "rows": rows, "labels": task["labels"] }))]
    }
}

impl Model for Adapted {
    type Input = Padded;
    type Output = Tensor<2>;

    /// # Shapes
    /// - tokens: `[batch, length]`
    /// - output: `[batch, 3]`
    fn forward(&self, batch: Padded) -> Tensor<2> {
        let embedded = self.embedding.forward(batch.tokens);
        let [rows, length, width] = embedded.dims();
        let mask = batch.mask.reshape([rows, length, 1]);
        let mean = (embedded * mask.clone()).sum_dim(1) / mask.sum_dim(1);
        let x = self.hidden.forward(mean.reshape([rows, width])).tanh();
        self.output.forward(dropout(self.narrow.forward(x).tanh(), 0.1))
    }
}

fn full() -> AdaptedConfig {
    AdaptedConfig { adaptation: Adaptation::default() }
}

fn frozen() -> AdaptedConfig {
    AdaptedConfig { adaptation: Adaptation::Frozen {} }
}

fn lora() -> AdaptedConfig {
    AdaptedConfig { adaptation: Adaptation::lora(2, 3.0) }
}

fn plan(network: AdaptedConfig) -> Plan<AdaptedConfig> {
    let config = TrainingConfig::new(11)
        .with_batch_size(3)
        .with_learning_rate(2e-2)
        .with_eval_every(4)
        .with_checkpoint_every(100)
        .with_seed(5);
    let (train, valid) = (toy::examples(), toy::examples()[..2].to_vec());
    Plan { config, network, start: 9, task: toy::tokens(Fault::None), train, valid }
}

/// The bytes of every tensor.
fn values(network: &Network<AdaptedConfig>) -> BTreeMap<String, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    weights::save(network, &path).unwrap();
    let bytes = fs::read(&path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    file.tensors().into_iter().map(|(name, view)| (name, view.data().to_vec())).collect()
}

fn started(config: AdaptedConfig) -> Network<AdaptedConfig> {
    Network::init(config, 9, &Device::flex()).unwrap()
}

/// The tensors that a short training moves.
fn moved(config: AdaptedConfig) -> Vec<String> {
    let before = values(&started(config.clone()));
    let fitted = plan(config).run(None, Event::Nothing).unwrap();
    let after = values(fitted.predictor.network::<AdaptedConfig>().unwrap());
    before.into_iter().filter(|(name, value)| after[name] != *value).map(|(name, _)| name).collect()
}

const HEAD: [&str; 2] = ["output.bias", "output.weight"];
const FACTORS: [&str; 4] = [
    "hidden.lora_A.weight",
    "hidden.lora_B.weight",
    "narrow.lora_A.weight",
    "narrow.lora_B.weight",
];

#[test]
fn the_contract_is_kept_by_each() {
    let trial = |config| {
        Contract::new(toy::tokens(Fault::None), config, toy::examples()).overfits_in(400, 3e-2)
    };
    trial(full()).check();
    let reason = "a random body that is not trained tells the examples too little apart";
    trial(frozen()).without(Law::Overfit, reason).check();
    trial(lora()).check();
}

#[test]
fn what_is_frozen_does_not_move() {
    assert_eq!(moved(frozen()), HEAD);
    assert_eq!(moved(lora()), [&FACTORS[..], &HEAD[..]].concat());
    assert_eq!(moved(full()).len(), 7);
    let chosen = Adaptation::Lora { rank: 1, alpha: 1.0, targets: vec!["narrow".to_owned()] };
    assert_eq!(moved(AdaptedConfig { adaptation: chosen }), [&FACTORS[2..], &HEAD[..]].concat());
}

#[test]
fn adapted_weights_start_as_the_frozen_ones() {
    let (plain, adapted) = (values(&started(full())), values(&started(lora())));
    for (name, value) in &plain {
        assert_eq!(&adapted[name], value, "{name}");
    }
    for (name, shape) in weights::tensors(&started(lora())) {
        match name.as_str() {
            "hidden.lora_A.weight" => assert_eq!(shape, [2, 16]),
            "hidden.lora_B.weight" => assert_eq!(shape, [24, 2]),
            "narrow.lora_A.weight" => assert_eq!(shape, [2, 24]),
            "narrow.lora_B.weight" => assert_eq!(shape, [17, 2]),
            _ => assert!(plain.contains_key(&name), "{name}"),
        }
    }
    let of =
        |name: &str| adapted[name].chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
    let bound = 1.0 / 16f32.sqrt();
    assert!(of(FACTORS[0]).all(|x| x != 0.0 && x.abs() <= bound));
    assert!(of(FACTORS[1]).all(|x| x == 0.0));
}

/// What is answered, as JSON.
fn answers(network: Network<AdaptedConfig>) -> Value {
    let device = Device::flex();
    let inputs: Vec<Vec<u16>> = toy::examples().into_iter().map(|one| one.input).collect();
    let predictor = Predictor::<Tokens>::new(toy::tokens(Fault::None), network, &device);
    serde_json::to_value(predictor.predict(&inputs).unwrap()).unwrap()
}

#[test]
fn nothing_changes_before_the_first_step() {
    assert_eq!(answers(started(full())), answers(started(lora())));
    assert_eq!(answers(started(full())), answers(started(frozen())));
}

#[test]
fn a_resume_is_exact_and_frozen_parameters_have_no_optimiser_state() {
    for (config, trained) in [(frozen(), &HEAD[..]), (lora(), &[&FACTORS[..], &HEAD[..]].concat())]
    {
        let plan = plan(config);
        let folder = tempfile::tempdir().unwrap();
        let (whole, parted) = (folder.path().join("whole"), folder.path().join("parted"));
        plan.finish(&whole);
        assert_eq!(plan.interrupted(&parted, Event::StopAfter(5)), 5);
        plan.finish(&parted);
        equal(&whole, &parted);
        let state = fs::read(whole.join("checkpoint/state.json")).unwrap();
        let state: Value = serde_json::from_slice(&state).unwrap();
        let held = state["optimized"].as_object().unwrap();
        assert_eq!(held.len(), trained.len(), "{held:?}");
        assert!(held.keys().all(|path| path.contains(".lora.") || path.starts_with("output.")));
    }
}

#[test]
fn a_network_is_drawn_around_what_it_was_given() {
    let device = Device::flex();
    let blank = Network::blank(lora(), &device).unwrap();
    let other = Network::init(full(), 4, &device).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("base.safetensors");
    weights::save(&other, &path).unwrap();
    let source = Whole(path, values(&other), weights::tensors(&other));
    let fresh = |path: &str| path.starts_with("output.") || path.contains(".lora.");
    let refused = weights::load_around(blank.clone(), &source, &fresh).unwrap_err();
    assert!(refused.to_string().contains("output.weight"), "{refused}");
    let source = Whole(source.0, source.1, source.2[..5].to_vec());
    let network = weights::load_around(blank, &source, &fresh).unwrap();
    let network = values(&network.completed(9, &device).unwrap());
    let (given, drawn) = (values(&other), values(&started(lora())));
    for (name, value) in &network {
        let wanted = if fresh(name) || name.contains("lora") { &drawn } else { &given };
        assert_eq!(value, &wanted[name], "{name}");
    }
}

/// Tensors in memory.
struct Whole(std::path::PathBuf, BTreeMap<String, Vec<u8>>, Vec<(String, Vec<usize>)>);

impl weights::Source for Whole {
    fn path(&self) -> &std::path::Path {
        &self.0
    }
    fn names(&self) -> Vec<String> {
        self.2.iter().map(|(name, _)| name.clone()).collect()
    }
    fn entry(&self, name: &str) -> Option<weights::Entry> {
        let (_, shape) = self.2.iter().find(|(known, _)| known == name)?;
        Some(weights::Entry { shape: shape.clone(), dtype: "F32".to_owned(), readable: true })
    }
    fn read(&self, name: &str) -> Result<burn::tensor::TensorData, andiron_core::WeightsError> {
        let values: Vec<f32> =
            self.1[name].chunks(4).map(|b| f32::from_le_bytes(b.try_into().unwrap())).collect();
        Ok(burn::tensor::TensorData::new(values, self.entry(name).unwrap().shape))
    }
}

#[test]
fn a_bundle_holds_the_files_of_the_home_and_checks_them() {
    let device = Device::flex();
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("bundle");
    let predictor = Predictor::new(toy::tokens(Fault::None), started(lora()), &device);
    predictor.save(&dir).unwrap();
    let text = fs::read_to_string(dir.join("config.json")).unwrap();
    let config: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(config, json!({"rows": VOCABULARY, "labels": ["loud", "middle", "quiet"]}));
    assert!(bundle::verify(&dir).unwrap().files.contains_key("config.json"));
    let loaded = Predictor::<Tokens>::load_as::<AdaptedConfig>(&dir, &device).unwrap();
    let network = loaded.network::<AdaptedConfig>().unwrap();
    assert_eq!(values(network), values(&started(lora())));
    assert_eq!(network.config.adaptation, Adaptation::lora(2, 3.0));
    // The bundle may be replaced, with its home's files.
    loaded.save(&dir).unwrap();
    fs::write(dir.join("config.json"), text.replace('1', "2")).unwrap();
    let refused = Predictor::<Tokens>::load_as::<AdaptedConfig>(&dir, &device).unwrap_err();
    assert!(refused.to_string().contains("config.json"), "{refused}");
}

#[test]
fn settings_out_of_range_are_refused() {
    let refused = |adaptation: Adaptation| {
        let config = AdaptedConfig { adaptation };
        config.init(&Device::flex()).map(|_| ()).unwrap_err().to_string()
    };
    assert_eq!(refused(Adaptation::lora(0, 1.0)), "adaptation.rank must be at least 1, but is 0");
    for alpha in [0.0, -1.0, f64::NAN] {
        let said = refused(Adaptation::lora(1, alpha));
        assert!(said.starts_with("adaptation.alpha must be greater than 0"), "{said}");
    }
    let targets = vec!["hidden".to_owned(), "output".to_owned()];
    assert_eq!(
        refused(Adaptation::Lora { rank: 1, alpha: 1.0, targets }),
        "setting \"adaptation.targets\" cannot be \"output\": the linear maps are hidden, narrow"
    );
    for wrong in [r#"{"kind": "adapter"}"#, r#"{"kind": "frozen", "rank": 3}"#, r#"{"rank": 3}"#] {
        assert!(serde_json::from_str::<Adaptation>(wrong).is_err(), "{wrong}");
    }
}
