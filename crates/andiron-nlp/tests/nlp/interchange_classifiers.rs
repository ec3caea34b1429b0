//! Classifiers that go to Python and come back: `scripts/interchange` runs the first test, then its
//! Python half, then the second. Without the folder that it names in `ANDIRON_INTERCHANGE`, both are
//! left out, and say so.

use crate::differences::furthest;
use andiron_core::{
    Example, GradientTrainer, Labels, Model as _, Predictor, Recipe, Task, Trainer as _,
    TrainingConfig, device, testing::record, trainer::Progress,
};
use andiron_nlp::{
    batch::TextBatch,
    models::{
        bert::BertConfig, distilbert::DistilBertConfig, roberta::RobertaConfig,
        sequence_classifier::SequenceClassifierConfig,
    },
    published_head::HeadBase,
    tasks::{
        multi_label::{self, MultiLabel, MultiLabelClassification},
        rerank::{Rerank, Shortlist},
        text_classification::{TextClassification, from_adapter, from_folder},
    },
    text::Text,
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

const TEXTS: [&str; 5] =
    ["the cat sat on the mat", "a", "of the dog and the cat", "dog", "that hat on a mat sat"];
const LABELS: [&str; 3] = ["x", "z", "y"];

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("ANDIRON_INTERCHANGE").map(PathBuf::from);
    if folder.is_none() {
        println!("left out: scripts/interchange sets ANDIRON_INTERCHANGE and brings Python");
    }
    folder
}

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/classifiers").join(name)
}

/// The logits of a network for the rows of tokens.
fn logits<T: Task, E: HeadBase>(predictor: &Predictor<T>, rows: &[Vec<i32>]) -> Vec<Vec<f32>> {
    let device = device("flex").unwrap();
    let batch = TextBatch::of(rows, &device);
    let single = predictor.network::<SequenceClassifierConfig<E>>();
    let logits = match single {
        Some(network) => network.model.forward(batch),
        None => {
            let network = predictor.network::<MultiLabel<SequenceClassifierConfig<E>>>().unwrap();
            network.model.forward(batch)
        }
    };
    let [_, width] = logits.dims();
    let values: Vec<f32> = logits.into_data().iter::<f32>().collect();
    values.chunks(width).map(<[f32]>::to_vec).collect()
}

fn trainer() -> GradientTrainer {
    GradientTrainer::new(TrainingConfig::new(8).with_batch_size(3).with_learning_rate(1e-2))
        .with_progress(Progress::Silent)
}

/// Saves what was trained, with what it says.
fn save<T: Task, E: HeadBase>(
    folder: &Path,
    name: &str,
    base: &Path,
    predictor: &Predictor<T>,
    rows: &[Vec<i32>],
) {
    predictor.save(folder.join(name)).unwrap();
    let said = json!({
        "base": base, "texts": TEXTS, "ids": rows, "logits": logits::<T, E>(predictor, rows)
    });
    fs::write(folder.join(format!("{name}.json")), said.to_string()).unwrap();
}

fn write<E: HeadBase>(folder: &Path, name: &str, base: &str, adaptation: Value) {
    let device = device("flex").unwrap();
    let example = |(at, text): (usize, &&str)| Example {
        input: Text::from(*text),
        target: LABELS[at % LABELS.len()].to_owned(),
    };
    let train: Vec<_> = TEXTS.iter().enumerate().map(example).collect();
    let options = json!({"base": golden(base), "adaptation": adaptation});
    let (task, config): (TextClassification, _) =
        SequenceClassifierConfig::<E>::prepare(&options, &train).unwrap();
    let rows: Vec<Vec<i32>> =
        train.iter().map(|example| task.features.encode(&example.input, false).unwrap()).collect();
    let network = Recipe::<TextClassification>::start(config, &task, &options, 3, &device).unwrap();
    let fitted =
        SequenceClassifierConfig::<E>::fit(&trainer(), task, network, &train, &Vec::new(), &device);
    save::<TextClassification, E>(folder, name, &golden(base), &fitted.unwrap().predictor, &rows);
}

fn write_several(folder: &Path, name: &str, adaptation: Value) {
    let device = device("flex").unwrap();
    let example = |(at, text): (usize, &&str)| Example {
        input: Text::from(*text),
        target: LABELS[..at % 4].iter().map(|label| (*label).to_owned()).collect(),
    };
    let train: Vec<_> = TEXTS.iter().enumerate().map(example).collect();
    let options = json!({"base": golden("roberta"), "adaptation": adaptation});
    type Several = MultiLabel<SequenceClassifierConfig<RobertaConfig>>;
    let (task, config) = Several::prepare(&options, &train).unwrap();
    let rows: Vec<Vec<i32>> =
        train.iter().map(|example| task.features.encode(&example.input, false).unwrap()).collect();
    let network = config.start(&task, &options, 3, &device).unwrap();
    let fitted = Several::fit(&trainer(), task, network, &train, &Vec::new(), &device).unwrap();
    save::<MultiLabelClassification, RobertaConfig>(
        folder,
        name,
        &golden("roberta"),
        &fitted.predictor,
        &rows,
    );
}

/// A cross-encoder with low-rank factors.
fn write_pairs(folder: &Path, name: &str) {
    let device = device("flex").unwrap();
    let base = golden("../rerank/bert").canonicalize().unwrap();
    let options = json!({"base": base, "adaptation": {"kind": "lora", "rank": 3}});
    let query = |at: usize| Example {
        input: Shortlist::new(TEXTS[at], [TEXTS[(at + 1) % 5], TEXTS[(at + 2) % 5]]),
        target: vec![1.0, 0.0],
    };
    let train: Vec<_> = (0..TEXTS.len()).map(query).collect();
    type Pairs = SequenceClassifierConfig<BertConfig>;
    let (task, config): (Rerank, Pairs) = Recipe::<Rerank>::prepare(&options, &train).unwrap();
    let encode = |at: usize| {
        let (query, document) = (TEXTS[at], TEXTS[(at + 1) % 5]);
        let row = task.tokenizer.encode_pair(query, document, 99, false).unwrap();
        row.ids.into_iter().map(|id| id as i32).collect()
    };
    let rows: Vec<Vec<i32>> = (0..TEXTS.len()).map(encode).collect();
    let network = Recipe::<Rerank>::start(config, &task, &options, 3, &device).unwrap();
    let fitted = trainer().fit(task, network, &train, &Vec::new(), &device).unwrap();
    save::<Rerank, BertConfig>(folder, name, &base, &fitted.predictor, &rows);
}

#[test]
fn classifiers_are_written() {
    let Some(folder) = folder() else { return };
    write::<BertConfig>(&folder, "bert", "bert", json!({"kind": "full"}));
    write::<BertConfig>(&folder, "bert-frozen", "bert", json!({"kind": "frozen"}));
    write::<DistilBertConfig>(&folder, "distilbert", "distilbert", json!({"kind": "full"}));
    write::<RobertaConfig>(&folder, "roberta", "roberta", json!({"kind": "full"}));
    write_several(&folder, "roberta-several", json!({"kind": "full"}));
    // What PEFT alone reads: nothing here puts such factors on their base again.
    write_several(&folder, "roberta-several-lora", json!({"kind": "lora"}));
    write_pairs(&folder, "pairs-bert-lora");
    write::<BertConfig>(&folder, "bert-lora", "bert", json!({"kind": "lora", "rank": 3}));
    write::<DistilBertConfig>(&folder, "distilbert-lora", "distilbert", json!({"kind": "lora"}));
    let some = json!({"kind": "lora", "rank": 2, "alpha": 7.0, "targets": ["query", "narrow"]});
    write::<RobertaConfig>(&folder, "roberta-lora", "roberta", some);
}

fn read<E: HeadBase>(folder: &Path, name: &str) {
    let device = device("flex").unwrap();
    let text = fs::read_to_string(folder.join(format!("{name}-back.json"))).unwrap();
    let said: Value = serde_json::from_str(&text).unwrap();
    let rows: Vec<Vec<i32>> = serde_json::from_value(said["ids"].clone()).unwrap();
    let wanted: Vec<Vec<f64>> = serde_json::from_value(said["logits"].clone()).unwrap();
    let dir = folder.join(format!("{name}-back"));
    let got = if name.ends_with("-lora") {
        let base: PathBuf = serde_json::from_value(said["base"].clone()).unwrap();
        let labels = Labels::in_order(LABELS.map(str::to_owned).to_vec()).unwrap();
        let predictor = from_adapter(base, &dir, labels, &device).unwrap();
        logits::<TextClassification, E>(&predictor, &rows)
    } else if name.ends_with("-several") {
        let predictor = multi_label::from_folder(&dir, &device).unwrap();
        logits::<MultiLabelClassification, E>(&predictor, &rows)
    } else {
        logits::<TextClassification, E>(&from_folder(&dir, &device).unwrap(), &rows)
    };
    assert_eq!((got.len(), wanted.len()), (TEXTS.len(), TEXTS.len()));
    let off = furthest(&got.concat(), &wanted.concat());
    println!("{name}: logits differ by {off:.1e} at the most");
    assert!(off < 1e-4, "{name}: {off}");
}

#[test]
fn classifiers_are_read_back() {
    let Some(folder) = folder() else { return };
    read::<BertConfig>(&folder, "bert");
    read::<BertConfig>(&folder, "bert-frozen");
    read::<DistilBertConfig>(&folder, "distilbert");
    read::<RobertaConfig>(&folder, "roberta");
    read::<RobertaConfig>(&folder, "roberta-several");
    read::<BertConfig>(&folder, "bert-lora");
    read::<DistilBertConfig>(&folder, "distilbert-lora");
    read::<RobertaConfig>(&folder, "roberta-lora");
    record(
        "interchange",
        "classifiers and adapters with Python's transformers and PEFT",
        "trained here they have equal logits there, and back, within 1e-4",
    );
}
