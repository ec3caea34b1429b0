//! Twenty steps of the real trainer against PyTorch's: losses, norms, rates and weights.

use andiron_core::{
    ConfigError, DataError, Example, GradientTrainer, Labelled, Loss, Model, ModelConfig, Network,
    OnePass, Task, Trainer, TrainingConfig,
    data::ExampleOf,
    loss::{CrossEntropy, cross_entropy},
    testing::record,
    trainer::{OptimizerConfig, Progress, Schedule, Step},
    weights,
};
use burn::{
    config::Config,
    module::Module,
    nn::{LayerNorm, LayerNormConfig, Linear, LinearConfig},
    tensor::{Device, Int, Tensor, TensorData, activation::tanh},
};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::{collections::BTreeMap, path::Path};

const FILE: &str = include_str!("../golden/optimizer.json");
const TOLERANCE: f64 = 1e-6;

fn golden() -> Value {
    serde_json::from_str(FILE).unwrap()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|v| v.as_f64().unwrap()).collect()
}

/// A few rows at once to their classes: an example has more than one term.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Rows {
    /// One weight a class, where they do not weigh alike.
    class_weights: Option<Vec<f32>>,
    /// What is said wrongly about the loss.
    mistake: Mistake,
}

#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
enum Mistake {
    None,
    /// Every batch has one term: the mistake of averaging means.
    OneTerm,
    /// Every term weighs one: the mistake of averaging weighted means by count.
    NoWeights,
}

impl Task for Rows {
    const NAME: &'static str = "toy-rows";
    type Input = Vec<Vec<f32>>;
    type Target = Vec<i32>;
    type Prediction = Vec<f32>;
    type Batch = Labelled<Tensor<2>, Tensor<1, Int>>;

    fn batch(
        &self,
        examples: &[ExampleOf<Self>],
        device: &Device,
    ) -> Result<Self::Batch, DataError> {
        let inputs: Vec<&Vec<Vec<f32>>> = examples.iter().map(|e| &e.input).collect();
        let truth: Vec<i32> = examples.iter().flat_map(|e| e.target.clone()).collect();
        Ok(Labelled {
            features: self.collate(&inputs, device)?,
            truth: Tensor::from_ints(truth.as_slice(), device),
        })
    }
}

impl OnePass for Rows {
    type Features = Tensor<2>;
    type Truth = Tensor<1, Int>;
    type Output = Tensor<2>;

    fn collate(&self, inputs: &[&Vec<Vec<f32>>], device: &Device) -> Result<Tensor<2>, DataError> {
        let rows: Vec<&Vec<f32>> = inputs.iter().flat_map(|rows| rows.iter()).collect();
        let width = rows.first().map_or(0, |row| row.len());
        let values: Vec<f32> = rows.iter().flat_map(|row| row.iter().copied()).collect();
        Ok(Tensor::from_data(TensorData::new(values, [rows.len(), width]), device))
    }

    fn loss(&self, output: Tensor<2>, truth: Tensor<1, Int>) -> Loss {
        let class_weights = self.class_weights.clone();
        let loss =
            cross_entropy(output, truth, &CrossEntropy { class_weights, ..Default::default() });
        match self.mistake {
            Mistake::None => loss,
            Mistake::OneTerm => Loss::new(loss.mean, 1),
            Mistake::NoWeights => Loss::new(loss.mean, loss.count),
        }
    }

    fn decode(&self, _: &[&Vec<Vec<f32>>], output: Tensor<2>) -> Vec<Vec<f32>> {
        output.iter_dim(0).map(|row| row.to_data().iter::<f32>().collect()).collect()
    }
}

/// Settings of a [`Tanh`]: it has none.
#[derive(Config, Debug)]
struct TanhConfig {}

/// `output(tanh(norm(hidden(x))))`.
#[derive(Module, Debug)]
struct Tanh {
    hidden: Linear,
    norm: LayerNorm,
    output: Linear,
}

impl ModelConfig for TanhConfig {
    const ARCHITECTURE: &'static str = "toy-tanh";
    type Model = Tanh;
    fn init(&self, device: &Device) -> Result<Tanh, ConfigError> {
        Ok(Tanh {
            hidden: LinearConfig::new(5, 7).init(device),
            norm: LayerNormConfig::new(7).init(device),
            output: LinearConfig::new(7, 3).init(device),
        })
    }
}

impl Model for Tanh {
    type Input = Tensor<2>;
    type Output = Tensor<2>;
    fn forward(&self, rows: Tensor<2>) -> Tensor<2> {
        self.output.forward(tanh(self.norm.forward(self.hidden.forward(rows))))
    }
}

/// The network with PyTorch's start, by way of a file in PyTorch's names and layout.
fn start(golden: &Value, path: &Path) -> Network<TanhConfig> {
    let parameters: Vec<(String, Vec<usize>, Vec<u8>)> = golden["parameters"]
        .as_object()
        .unwrap()
        .iter()
        .map(|(name, parameter)| {
            let shape = numbers(&parameter["shape"]).into_iter().map(|n| n as usize).collect();
            let values = numbers(&parameter["values"]);
            (name.clone(), shape, values.iter().flat_map(|v| (*v as f32).to_le_bytes()).collect())
        })
        .collect();
    let views = parameters.iter().map(|(name, shape, bytes)| {
        (name.as_str(), TensorView::new(Dtype::F32, shape.clone(), bytes).unwrap())
    });
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
    let network = Network::init(TanhConfig::new(), 1, &Device::flex()).unwrap();
    weights::load(network, path).unwrap()
}

/// The weights of a network in PyTorch's names and layout.
fn finals(network: &Network<TanhConfig>, path: &Path) -> BTreeMap<String, Vec<f64>> {
    weights::save(network, path).unwrap();
    let bytes = std::fs::read(path).unwrap();
    let file = SafeTensors::deserialize(&bytes).unwrap();
    file.iter()
        .map(|(name, view)| {
            let single = |b: &[u8]| f64::from(f32::from_le_bytes([b[0], b[1], b[2], b[3]]));
            (name.to_owned(), view.data().chunks_exact(4).map(single).collect())
        })
        .collect()
}

/// Settings of a variant; how its batches are made is the caller's.
fn settings(variant: &Value) -> TrainingConfig {
    let (optimizer, schedule) = (&variant["optimizer"], &variant["schedule"]);
    let number = |value: &Value| value.as_f64().unwrap();
    let rate = number(&optimizer["lr"]);
    // PyTorch's schedules here have the floor as a rate, ours as a share of the highest.
    let floor = number(&schedule["floor"]) / rate;
    let rule = match optimizer["kind"].as_str().unwrap() {
        "adamw" => OptimizerConfig::AdamW {
            beta_1: number(&optimizer["betas"][0]) as f32,
            beta_2: number(&optimizer["betas"][1]) as f32,
            epsilon: number(&optimizer["eps"]) as f32,
            weight_decay: number(&optimizer["weight_decay"]) as f32,
        },
        _ => OptimizerConfig::Sgd {
            momentum: number(&optimizer["momentum"]),
            weight_decay: number(&optimizer["weight_decay"]) as f32,
        },
    };
    TrainingConfig::new(schedule["total"].as_u64().unwrap() as usize)
        .with_optimizer(rule)
        .with_learning_rate(rate)
        .with_warmup_steps(schedule["warmup"].as_u64().unwrap() as usize)
        .with_schedule(match schedule["kind"].as_str().unwrap() {
            "cosine" => Schedule::Cosine { floor },
            "linear" => Schedule::Linear { floor },
            _ => Schedule::Constant {},
        })
        .with_clip_norm(variant["clip_norm"].as_f64())
}

/// Examples of `sizes` rows each.
fn examples(golden: &Value, sizes: &[usize]) -> Vec<ExampleOf<Rows>> {
    let rows = golden["data"]["inputs"].as_array().unwrap();
    let targets = numbers(&golden["data"]["targets"]);
    let mut from = 0;
    sizes
        .iter()
        .map(|size| {
            let range = from..from + size;
            from += size;
            let single = |row: &Value| numbers(row).into_iter().map(|v| v as f32).collect();
            Example {
                input: rows[range.clone()].iter().map(single).collect(),
                target: targets[range].iter().map(|t| *t as i32).collect(),
            }
        })
        .collect()
}

/// The task of a variant.
fn rows(variant: &Value, mistake: Mistake) -> Rows {
    let weights = variant.get("class_weights").map(numbers);
    let class_weights = weights.map(|weights| weights.into_iter().map(|w| w as f32).collect());
    Rows { class_weights, mistake }
}

/// Without weights and without a mistake.
const PLAIN: Rows = Rows { class_weights: None, mistake: Mistake::None };

fn run(
    golden: &Value,
    config: TrainingConfig,
    data: &Vec<ExampleOf<Rows>>,
    task: Rows,
) -> (BTreeMap<String, Vec<f64>>, Vec<Step>) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights.safetensors");
    let network = start(golden, &path);
    let fitted = GradientTrainer::new(config)
        .with_progress(Progress::Silent)
        .fit(task, network, data, &Vec::new(), &Device::flex())
        .unwrap();
    (finals(fitted.predictor.network::<TanhConfig>().unwrap(), &path), fitted.log)
}

/// The greatest difference between weights.
fn farthest(found: &BTreeMap<String, Vec<f64>>, wanted: &Value) -> f64 {
    assert_eq!(found.len(), wanted.as_object().unwrap().len());
    let pairs = found.iter().flat_map(|(name, found)| {
        let wanted = numbers(&wanted[name]);
        assert_eq!(found.len(), wanted.len(), "{name}");
        found.iter().copied().zip(wanted).collect::<Vec<_>>()
    });
    pairs.map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

/// Weights and log equal those of a run of PyTorch in double precision.
fn same(name: &str, found: &BTreeMap<String, Vec<f64>>, log: &[Step], wanted: &Value) {
    let off = farthest(found, &wanted["final"]);
    let steps = &wanted["steps"];
    let mut worst = [0.0f64; 3];
    assert_eq!(log.len(), 20, "{name}");
    for (at, step) in log.iter().enumerate() {
        assert_eq!(step.terms, 11, "{name}, step {at}");
        for (slot, (field, got)) in
            [("loss", step.loss), ("grad_norm", step.grad_norm), ("rate", step.learning_rate)]
                .into_iter()
                .enumerate()
        {
            let wanted = steps[field][at].as_f64().unwrap();
            worst[slot] = worst[slot].max((got - wanted).abs());
        }
    }
    let [loss, norm, rate] = worst;
    println!("{name}: weights off by {off:.1e}, loss {loss:.1e}, norm {norm:.1e}, rate {rate:.1e}");
    assert!(off <= TOLERANCE, "{name}: weights are off by {off:.2e}");
    assert!(worst[0] <= TOLERANCE && worst[1] <= TOLERANCE, "{name}: {worst:?}");
    assert!(worst[2] <= 1e-15, "{name}: the rate is off by {:.2e}", worst[2]);
}

#[test]
fn twenty_steps_equal_pytorchs() {
    let golden = golden();
    let variants = golden["variants"].as_object().unwrap();
    assert!(variants.len() >= 11, "only {} variants", variants.len());
    for (name, variant) in variants {
        // All rows in one batch, each row an example.
        let data = examples(&golden, &[1; 11]);
        let config = settings(variant).with_batch_size(11);
        let (found, log) = run(&golden, config, &data, rows(variant, Mistake::None));
        same(name, &found, &log, &variant["float64"]);
    }
    record(
        "golden",
        "AdamW, SGD, clipping, schedules: 20 steps equal PyTorch",
        "11 variants: weights, losses and gradient norms within 1e-6, rates within 1e-15",
    );
}

/// Three examples of 5, 4 and 2 rows, one a forward pass, three forward passes an update.
fn accumulated(
    golden: &Value,
    variant: &Value,
    mistake: Mistake,
) -> (BTreeMap<String, Vec<f64>>, Vec<Step>) {
    let config = settings(variant).with_batch_size(1).with_accumulate(3);
    run(golden, config, &examples(golden, &[5, 4, 2]), rows(variant, mistake))
}

#[test]
fn accumulation_averages_over_terms_as_pytorch_does() {
    let golden = golden();
    for name in ["adamw_accumulated", "sgd_clip_accumulated"] {
        let variant = &golden["variants"][name];
        let (found, log) = accumulated(&golden, variant, Mistake::None);
        same(name, &found, &log, &variant["accumulated"]);
        let wrong = farthest(&found, &variant["mean_of_means"]);
        assert!(wrong > 1e-4, "{name}: the mean of means is only {wrong:.1e} away");
    }
    record(
        "golden",
        "gradient accumulation by terms: 20 steps equal PyTorch",
        "micro-batches of 5, 4 and 2 terms, with AdamW and clipped SGD: weights within 1e-6",
    );
}

#[test]
fn accumulation_averages_by_class_weights_as_pytorch_does() {
    let golden = golden();
    for name in ["adamw_weighted_accumulated", "sgd_clip_weighted_accumulated"] {
        let variant = &golden["variants"][name];
        let (found, log) = accumulated(&golden, variant, Mistake::None);
        same(name, &found, &log, &variant["accumulated"]);
        // The planted mistake ends where PyTorch does with it, far away.
        let (wrong, log) = accumulated(&golden, variant, Mistake::NoWeights);
        assert_eq!(log[0].terms, 11);
        assert!(farthest(&wrong, &variant["mean_by_count"]) <= TOLERANCE, "{name}");
        assert!(farthest(&wrong, &variant["accumulated"]["final"]) > 1e-4, "{name}");
    }
    record(
        "golden",
        "gradient accumulation by class weights: 20 steps equal PyTorch",
        "micro-batches of 5, 4 and 2 terms, with AdamW and clipped SGD: weights within 1e-6",
    );
}

#[test]
fn the_validation_loss_is_the_mean_by_class_weights() {
    let golden = golden();
    let variant = &golden["variants"]["sgd_clip_weighted_accumulated"];
    let data = examples(&golden, &[5, 4, 2]);
    let wanted = variant["float64"]["steps"]["loss"][0].as_f64().unwrap();
    // A step of next to nothing, whatever batch it is made of: the start is what is measured. The
    // parts of one and of two examples have unequal weights.
    for batch_size in [1, 2, 3] {
        let mut config = settings(variant).with_batch_size(batch_size).with_learning_rate(1e-30);
        config.max_steps = 1;
        let folder = tempfile::tempdir().unwrap();
        let network = start(&golden, &folder.path().join("weights.safetensors"));
        let fitted = GradientTrainer::new(config)
            .with_progress(Progress::Silent)
            .fit(rows(variant, Mistake::None), network, &data, &data, &Device::flex())
            .unwrap();
        let found = fitted.log[0].valid_loss.unwrap();
        assert!((found - wanted).abs() < 1e-6, "parts of {batch_size}: {found}, not {wanted}");
    }
}

#[test]
fn a_task_that_miscounts_ends_with_the_mean_of_means() {
    // The planted mistake: the test above would see it.
    let golden = golden();
    for name in ["adamw_accumulated", "sgd_clip_accumulated"] {
        let variant = &golden["variants"][name];
        let (found, log) = accumulated(&golden, variant, Mistake::OneTerm);
        assert_eq!(log[0].terms, 3);
        assert!(farthest(&found, &variant["mean_of_means"]) <= TOLERANCE, "{name}");
        assert!(farthest(&found, &variant["accumulated"]["final"]) > 1e-4, "{name}");
    }
}

#[test]
fn the_last_partial_window_counts_its_own_terms() {
    // 5 examples of different sizes in windows of 4 and 1, made of micro-batches of 4, 2, 1.
    let golden = golden();
    let data = examples(&golden, &[3, 1, 4, 2, 1]);
    let config = |batch, accumulate| {
        let mut config = settings(&golden["variants"]["sgd_clip"]);
        config.max_steps = 6;
        config.with_batch_size(batch).with_accumulate(accumulate).with_seed(3)
    };
    let (whole, log) = run(&golden, config(4, 1), &data, PLAIN);
    // Each epoch is a window of four and one of one: eleven terms together.
    for epoch in log.chunks(2) {
        assert_eq!(epoch[0].terms + epoch[1].terms, 11);
    }
    for (batch, accumulate) in [(2, 2), (1, 4), (3, 2)] {
        let (parts, same_log) = match (batch, accumulate) {
            // A window of six holds all five examples: another order, so another run.
            (3, 2) => {
                let (parts, log) = run(&golden, config(3, 2), &data, PLAIN);
                assert!(log.iter().all(|step| step.terms == 11));
                let (whole, _) = run(&golden, config(6, 1), &data, PLAIN);
                (farthest_of(&parts, &whole), true)
            }
            _ => {
                let (parts, parts_log) = run(&golden, config(batch, accumulate), &data, PLAIN);
                let terms = |log: &[Step]| log.iter().map(|s| s.terms).collect::<Vec<_>>();
                (farthest_of(&parts, &whole), terms(&parts_log) == terms(&log))
            }
        };
        assert!(same_log && parts <= TOLERANCE, "{batch} x {accumulate}: off by {parts:.1e}");
    }
}

fn farthest_of(a: &BTreeMap<String, Vec<f64>>, b: &BTreeMap<String, Vec<f64>>) -> f64 {
    a.iter()
        .flat_map(|(name, a)| a.iter().zip(&b[name]))
        .map(|(a, b)| (a - b).abs())
        .fold(0.0, f64::max)
}
