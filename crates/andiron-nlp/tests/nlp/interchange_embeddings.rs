//! Encoders that go to Python and come back: `scripts/interchange` runs the first test, then its
//! Python half, then the second. Without the folder that it names in `ANDIRON_INTERCHANGE`, both are
//! left out, and say so.

use crate::differences;
use andiron_core::{
    Example, GradientTrainer, Predictor, Recipe, Solve, TrainingConfig, device, testing::record,
    trainer::Progress,
};
use andiron_nlp::{
    models::{bert::BertConfig, distilbert::DistilBertConfig, roberta::RobertaConfig},
    tasks::embedding::{Embedding, Positive, from_folder},
    text::Text,
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

const TEXTS: [&str; 5] =
    ["the cat sat on the mat", "a", "of the dog and the cat", "dog", "that hat on a mat sat"];

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("ANDIRON_INTERCHANGE").map(PathBuf::from);
    if folder.is_none() {
        println!("left out: scripts/interchange sets ANDIRON_INTERCHANGE and brings Python");
    }
    folder
}

fn trained<C>(options: &Value) -> Predictor<Embedding>
where
    C: Recipe<Embedding>,
    Embedding: Solve<C::Model>,
{
    let device = device("flex").unwrap();
    let pair = |at: usize| Example {
        input: Text::from(TEXTS[at]),
        target: Positive::from(TEXTS[(at + 2) % TEXTS.len()]),
    };
    let train: Vec<_> = (0..TEXTS.len()).map(pair).collect();
    let (task, config) = C::prepare(options, &train).unwrap();
    let network = config.start(&task, options, 3, &device).unwrap();
    let settings = TrainingConfig::new(8).with_batch_size(3).with_learning_rate(1e-2);
    let trainer = GradientTrainer::new(settings).with_progress(Progress::Silent);
    C::fit(&trainer, task, network, &train, &Vec::new(), &device).unwrap().predictor
}

fn vectors(predictor: &Predictor<Embedding>) -> Vec<Vec<f32>> {
    let answers = predictor.predict(&TEXTS.map(Text::from)).unwrap();
    answers.into_iter().map(|answer| answer.embedding).collect()
}

#[track_caller]
fn furthest(left: &[Vec<f32>], right: &[Vec<f32>]) -> f64 {
    assert_eq!((left.len(), right.len()), (TEXTS.len(), TEXTS.len()));
    differences::furthest(&left.concat(), &right.concat())
}

fn write<C>(folder: &Path, name: &str)
where
    C: Recipe<Embedding>,
    Embedding: Solve<C::Model>,
{
    let options = json!({
        "d_model": 20, "n_heads": 4, "n_layers": 2, "d_hidden": 28, "n_tokens": 300, "max_length": 19
    });
    let first = trained::<C>(&options);
    let dir = folder.join(name);
    first.save(&dir).unwrap();
    // The bundle is a published model too, and says how its vectors are used.
    let published = from_folder(&dir, &device("flex").unwrap()).unwrap();
    assert_eq!(furthest(&vectors(&published), &vectors(&first)), 0.0);
    // What was trained here is trained on.
    let predictor = trained::<C>(&json!({ "base": dir }));
    let moved = furthest(&vectors(&predictor), &vectors(&first));
    assert!(moved > 1e-3 && moved.is_finite(), "{name}: {moved}");
    fs::remove_dir_all(&dir).unwrap();
    predictor.save(&dir).unwrap();
    let task = predictor.task();
    let encode = |text: &str| task.tokenizer.encode(&text.into(), 19, false).unwrap().ids;
    let ids: Vec<Vec<u32>> = TEXTS.iter().map(|text| encode(text)).collect();
    let said = json!({
        "texts": TEXTS, "ids": ids, "vectors": vectors(&predictor), "max_length": task.max_length
    });
    fs::write(folder.join(format!("{name}.json")), said.to_string()).unwrap();
}

#[test]
fn encoders_are_written() {
    let Some(folder) = folder() else { return };
    write::<BertConfig>(&folder, "vectors-bert");
    write::<DistilBertConfig>(&folder, "vectors-distilbert");
    write::<RobertaConfig>(&folder, "vectors-roberta");
}

#[test]
fn encoders_are_read_back() {
    let Some(folder) = folder() else { return };
    for name in ["vectors-bert", "vectors-distilbert", "vectors-roberta"] {
        let text = fs::read_to_string(folder.join(format!("{name}-back.json"))).unwrap();
        let said: Value = serde_json::from_str(&text).unwrap();
        let wanted: Vec<Vec<f32>> = serde_json::from_value(said["vectors"].clone()).unwrap();
        let dir = folder.join(format!("{name}-back"));
        let got = vectors(&from_folder(&dir, &device("flex").unwrap()).unwrap());
        let off = furthest(&got, &wanted);
        println!("{name}: vectors differ by {off:.1e} at the most");
        assert!(off < 1e-4, "{name}: {off}");
    }
    record(
        "interchange",
        "encoders for vectors with Python's transformers",
        "trained here they give equal vectors there, and back, within 1e-4",
    );
}
