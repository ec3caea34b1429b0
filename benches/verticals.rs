//! Training step and prediction of both algorithms of each domain, at two batch sizes.
//!
//! ```text
//! cargo bench --bench verticals
//! cargo bench --bench verticals -- vision/resnet
//! ```

use andiron::{
    Example, GradientTrainer, Network, Predictor, Recipe, Registered, Solve, Trainer,
    TrainingConfig,
    data::ExampleOf,
    nlp::{
        models::{hashed_linear::HashedLinearConfig, text_encoder::TextEncoderConfig},
        text::Text,
    },
    speech::{
        models::{mel_cnn::MelCnnConfig, statistics_linear::StatisticsLinearConfig},
        waveform::Waveform,
    },
    trainer::Progress,
    vision::{
        ImageClassification,
        models::{resnet::ResNetConfig, small_cnn::SmallCnnConfig},
        picture::Image,
    },
};
use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use std::time::Instant;

const SEED: u64 = 7;
const SIZES: [usize; 2] = [1, 16];

/// One training step and one prediction at each batch size; and prediction on `ndarray` in turn
/// with `flex`.
fn bench<T, C>(criterion: &mut Criterion, domain: &str, examples: &[ExampleOf<T>])
where
    T: Registered + Solve<C::Model>,
    C: Recipe<T>,
    ExampleOf<T>: Clone,
{
    let device = andiron::device("flex").expect("flex is always compiled in");
    let all: Vec<ExampleOf<T>> = examples.to_vec();
    let (task, config) = C::prepare(&Default::default(), &all).expect("the examples are good");
    let network = Network::init(config, SEED, &device).expect("the defaults are good");
    let name = format!("{domain}/{}", C::ARCHITECTURE);
    for size in SIZES {
        let mut group = criterion.benchmark_group(&name);
        group.sample_size(10).throughput(Throughput::Elements(size as u64));
        let batch: Vec<ExampleOf<T>> = examples[..size].to_vec();
        let settings = TrainingConfig::new(1).with_batch_size(size);
        let trainer = GradientTrainer::new(settings).with_progress(Progress::Silent);
        group.bench_function(BenchmarkId::new("train", format!("b{size}")), |bencher| {
            bencher.iter_batched(
                || (task.clone(), network.clone()),
                |(task, network)| trainer.fit(task, network, &batch, &Vec::new(), &device),
                criterion::BatchSize::LargeInput,
            );
        });
        let inputs: Vec<T::Input> = batch.iter().map(|example| example.input.clone()).collect();
        let predictor = Predictor::new(task.clone(), network.clone(), &device);
        group.bench_function(BenchmarkId::new("predict", format!("b{size}")), |bencher| {
            bencher.iter(|| predictor.predict(&inputs));
        });
        group.finish();
        let other = andiron::device("ndarray").expect("benches compile both backends");
        let network = Network::init(network.config.clone(), SEED, &other);
        let network = network.expect("the defaults are good");
        let other = Predictor::new(task.clone(), network, &other);
        interleaved(&format!("{name}/predict/b{size}"), &predictor, &other, &inputs);
    }
}

/// Prints how long `ndarray` takes against `flex`: the median ratio of runs in turn.
fn interleaved<T: Registered>(
    name: &str,
    flex: &Predictor<T>,
    ndarray: &Predictor<T>,
    inputs: &[T::Input],
) {
    let seconds = |predictor: &Predictor<T>| {
        let started = Instant::now();
        predictor.predict(inputs).expect("the examples are good");
        started.elapsed().as_secs_f64()
    };
    let pairs = 15;
    seconds(flex);
    seconds(ndarray);
    let mut ratios: Vec<f64> = (0..pairs).map(|_| seconds(ndarray) / seconds(flex)).collect();
    ratios.sort_by(f64::total_cmp);
    println!("{name}: ndarray takes {:.2} times as long as flex", ratios[pairs / 2]);
}

/// Numbers that look random and are the same in every run.
fn noise(at: usize) -> u32 {
    (andiron::kernels::mix(SEED, &[at as u64]) >> 32) as u32
}

fn label(at: usize) -> String {
    ["one", "two"][at % 2].to_owned()
}

fn language(criterion: &mut Criterion) {
    let words = ["iron", "log", "flame", "ash", "smoke", "hearth", "coal"];
    let examples: Vec<Example<Text, String>> = (0..16)
        .map(|at| {
            let text: Vec<&str> =
                (0..20).map(|word| words[noise(at * 20 + word) as usize % 7]).collect();
            Example { input: Text::from(text.join(" ")), target: label(at) }
        })
        .collect();
    bench::<_, HashedLinearConfig>(criterion, "language", &examples);
    bench::<_, TextEncoderConfig>(criterion, "language", &examples);
}

fn vision(criterion: &mut Criterion) {
    let examples: Vec<Example<Image, String>> = (0..16)
        .map(|at| {
            let pixels = (0..28 * 28).map(|pixel| noise(at * 784 + pixel) as u8).collect();
            let input = Image::gray(28, 28, pixels).expect("the size is right");
            Example { input, target: label(at) }
        })
        .collect();
    bench::<_, SmallCnnConfig>(criterion, "vision", &examples);
    bench::<ImageClassification, ResNetConfig>(criterion, "vision", &examples);
}

fn speech(criterion: &mut Criterion) {
    let examples: Vec<Example<Waveform, String>> = (0..16)
        .map(|at| {
            let samples =
                (0..8_000).map(|t| noise(at * 8_000 + t) as f32 / u32::MAX as f32 - 0.5).collect();
            Example { input: Waveform { samples, rate: 8_000 }, target: label(at) }
        })
        .collect();
    bench::<_, StatisticsLinearConfig>(criterion, "speech", &examples);
    bench::<_, MelCnnConfig>(criterion, "speech", &examples);
}

criterion_group!(benches, language, vision, speech);
criterion_main!(benches);
