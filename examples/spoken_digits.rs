//! A task of one's own on sound that is features already: which digit is spoken? Depthwise separable
//! convolutions over the thirteen cepstra a frame of the Free Spoken Digit Dataset.
//!
//! ```text
//! scripts/fetch-assets --only spoken-digits
//! scripts/spoken_digits.py assets/spoken-digits/digits.npz target/data/spoken-digits.jsonl
//! cargo run --example spoken_digits
//! ```
//!
//! It prints the scores on a tenth of the recordings, drawn at random: each speaker is on both sides.

use andiron::{
    Choice, ClassifierEvaluator, DataError, Evaluator, Example, GradientTrainer, Labelled, Labels,
    Loss, Network, OnePass, Task, Trainer, TrainingConfig,
    burn::tensor::{Device, Int, Tensor},
    data::{ExampleOf, Fractions, split_stratified},
    speech::{AudioBatch, frontend::Frames, models::ds_cnn::DsCnnConfig},
    trainer::Progress,
};
use serde::{Deserialize, Serialize};
use std::{
    error::Error,
    fs::File,
    io::{BufRead, BufReader},
    path::Path,
};

/// Decides the split, the first weights, the order of the examples and what dropout drops.
const SEED: u64 = 7;

/// Numbers of a frame.
const WIDTH: usize = 13;

/// Which digit is spoken; the value is the preprocessing.
#[derive(Clone, Serialize, Deserialize)]
struct SpokenDigits {
    labels: Labels,
    mean: Vec<f32>,
    deviation: Vec<f32>,
}

type Frame = [f32; WIDTH];

#[derive(Deserialize)]
struct Line {
    frames: Vec<Frame>,
    label: String,
}

fn frames(rows: &[Frame]) -> Frames {
    Frames { values: rows.concat(), width: WIDTH }
}

impl Task for SpokenDigits {
    const NAME: &'static str = "spoken-digits";
    type Input = Vec<Frame>;
    type Target = String;
    type Prediction = Choice;
    type Batch = Labelled<AudioBatch, Tensor<1, Int>>;

    fn batch(&self, all: &[ExampleOf<Self>], device: &Device) -> Result<Self::Batch, DataError> {
        let inputs: Vec<&Vec<Frame>> = all.iter().map(|example| &example.input).collect();
        let truth = self.labels.indices(all.iter().map(|example| &example.target), device)?;
        Ok(Labelled { features: self.collate(&inputs, device)?, truth })
    }
}

impl OnePass for SpokenDigits {
    type Features = AudioBatch;
    type Truth = Tensor<1, Int>;
    type Output = Tensor<2>;

    fn collate(&self, inputs: &[&Vec<Frame>], device: &Device) -> Result<AudioBatch, DataError> {
        let scaled = |rows: &&Vec<Frame>| {
            let mut clip = frames(rows);
            for row in clip.values.chunks_mut(WIDTH) {
                for (at, value) in row.iter_mut().enumerate() {
                    *value = (*value - self.mean[at]) / self.deviation[at];
                }
            }
            clip
        };
        Ok(AudioBatch::of(&inputs.iter().map(scaled).collect::<Vec<_>>(), WIDTH, device))
    }

    fn loss(&self, logits: Tensor<2>, truth: Tensor<1, Int>) -> Loss {
        self.labels.cross_entropy(logits, truth)
    }

    fn decode(&self, _: &[&Vec<Frame>], logits: Tensor<2>) -> Vec<Choice> {
        self.labels.choose(logits)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let mut all: Vec<ExampleOf<SpokenDigits>> = Vec::new();
    for line in BufReader::new(File::open(root.join("target/data/spoken-digits.jsonl"))?).lines() {
        let Line { frames, label } = serde_json::from_str(&line?)?;
        all.push(Example { input: frames, target: label });
    }
    let labels: Vec<&str> = all.iter().map(|example| example.target.as_str()).collect();
    let split = split_stratified(&labels, Fractions { valid: 0.1, test: 0.1 }, SEED)?;
    let part = |of: Vec<usize>| of.into_iter().map(|at| all[at].clone()).collect::<Vec<_>>();
    let (train, valid, test) = (part(split.0), part(split.1), part(split.2));

    let whole = frames(&train.iter().flat_map(|one| one.input.clone()).collect::<Vec<_>>());
    let (mean, names) = (whole.means(), Labels::of(train.iter().map(|one| &one.target))?);
    let task = SpokenDigits { labels: names, deviation: whole.deviations(&mean), mean };
    let device = andiron::device("flex")?;
    let network = Network::init(DsCnnConfig::new(WIDTH, 10), SEED, &device)?;
    let steps = if quick { 3 } else { 1_100 };
    let training = TrainingConfig::new(steps).with_learning_rate(3e-3).with_seed(SEED);
    let trainer = GradientTrainer::new(training).with_progress(Progress::Silent);
    let fitted = trainer.fit(task, network, &train, &valid, &device)?;
    let report = ClassifierEvaluator::default().evaluate(&fitted.predictor, &test)?;
    println!("{report}");
    Ok(())
}
