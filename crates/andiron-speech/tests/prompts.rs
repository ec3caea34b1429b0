//! Both models on the shipped recordings: languages told apart in prompts never heard before.
#![allow(clippy::unwrap_used, reason = "tests")]

use andiron_core::{
    ClassifierEvaluator, Dataset, Evaluator, Example, GradientTrainer, Network, Predictor, Recipe,
    Solve, Trainer, TrainingConfig,
    data::{Fractions, folder::class_files, split_by_group},
    testing::record,
    trainer::Progress,
};
use andiron_speech::{
    AudioClassification, Waveform,
    models::{
        ds_cnn::DsCnnConfig, mel_cnn::MelCnnConfig, statistics_linear::StatisticsLinearConfig,
    },
};
use burn::{module::Module as _, tensor::Device};
use serde_json::{Value, json};
use std::{collections::BTreeSet, path::Path};

type Clip = Example<Waveform, String>;

/// Training and test part; all recordings of a prompt are in the same.
fn parts() -> (Vec<Clip>, Vec<Clip>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data/prompts");
    let files = class_files(folder, &["wav"]).unwrap();
    assert_eq!(files.len(), 200);
    let stems: Vec<&str> = files.iter().map(|file| file.stem.as_str()).collect();
    let (train, _, test) = split_by_group(&stems, Fractions { valid: 0.0, test: 0.25 }, 3).unwrap();
    let names = |part: &[usize]| -> BTreeSet<&str> { part.iter().map(|at| stems[*at]).collect() };
    assert!(names(&train).is_disjoint(&names(&test)));
    let read = |part: Vec<usize>| {
        let clip = |at: usize| Clip {
            input: Waveform::from_file(&files[at].path).unwrap(),
            target: files[at].label.clone(),
        };
        part.into_iter().map(clip).collect()
    };
    (read(train), read(test))
}

fn fitted<C: Recipe<AudioClassification>>(
    options: &Value,
    training: TrainingConfig,
    train: &Vec<Clip>,
) -> Predictor<AudioClassification>
where
    AudioClassification: Solve<C::Model>,
{
    let device = Device::flex();
    let (task, config) = C::prepare(options, train).unwrap();
    let network = Network::init(config, 7, &device).unwrap();
    GradientTrainer::new(training)
        .with_progress(Progress::Silent)
        .fit(task, network, train, &Vec::new(), &device)
        .unwrap()
        .predictor
}

fn measure(predictor: &Predictor<AudioClassification>, test: &dyn Dataset<Clip>) {
    let report = ClassifierEvaluator::default().evaluate(predictor, test).unwrap();
    let accuracy = report.score("accuracy").unwrap().value;
    println!("{}: accuracy {accuracy:.3} of {}", predictor.architecture(), report.examples);
    assert!(accuracy >= 0.8);
    record(
        "accuracy",
        &format!("audio-classification: {} on 30 shipped prompts", predictor.architecture()),
        &format!("accuracy {accuracy:.3} on {} recordings of unheard prompts", report.examples),
    );
}

#[test]
fn the_fast_model_tells_languages_apart() {
    let (train, test) = parts();
    let training = TrainingConfig::new(100).with_learning_rate(0.02);
    let predictor = fitted::<StatisticsLinearConfig>(&json!({}), training, &train);
    measure(&predictor, &test);
    // The bundle answers as the predictor does.
    let folder = tempfile::tempdir().unwrap();
    predictor.save(folder.path().join("languages")).unwrap();
    let loaded =
        Predictor::<AudioClassification>::load(folder.path().join("languages"), &Device::flex())
            .unwrap();
    let inputs: Vec<Waveform> = test.iter().map(|clip| clip.input.clone()).collect();
    assert_eq!(loaded.predict(&inputs).unwrap(), predictor.predict(&inputs).unwrap());
}

#[test]
fn the_strong_model_tells_languages_apart() {
    let (train, test) = parts();
    let training = TrainingConfig::new(60).with_learning_rate(2e-3);
    let predictor = fitted::<MelCnnConfig>(&json!({}), training, &train);
    measure(&predictor, &test);
}

/// How many numbers each network learns, as the chapter says: the statistics of batch normalisations
/// are counted, but not learnt.
#[test]
fn networks_have_the_sizes_that_the_chapter_says() {
    let device = Device::flex();
    let linear = Network::init(StatisticsLinearConfig::new(80, 5), 1, &device).unwrap();
    let mel = Network::init(MelCnnConfig::new(40, 5), 1, &device).unwrap();
    let words = Network::init(DsCnnConfig::new(40, 11), 1, &device).unwrap();
    let found = [linear.model.num_params(), mel.model.num_params(), words.model.num_params()];
    println!("statistics-linear {}, mel-cnn {}, ds-cnn {}", found[0], found[1], found[2]);
    assert_eq!(found, [405, 82_197, 24_267]);
}
