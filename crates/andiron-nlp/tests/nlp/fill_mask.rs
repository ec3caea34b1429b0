//! Networks for hidden words against transformers; numbers by `scripts/golden/fill_mask.py`.

use crate::read_back;
use andiron_core::{
    Example, GradientTrainer, Model as _, ModelConfig, Network, Recipe as _, Solve, Trainer as _,
    TrainingConfig, device, testing, trainer::Progress,
};
use andiron_nlp::{
    batch::{PickedTokens, TokenBatch},
    models::{
        bert::BertConfig,
        distilbert::DistilBertConfig,
        masked_lm::{MaskedLmBase, MaskedLmConfig},
        roberta::RobertaConfig,
    },
    published::PublishedError,
    tasks::fill_mask::{self, FillMask, Gap},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

#[derive(Deserialize)]
struct Case {
    ids: Vec<Vec<u32>>,
    logits: Vec<f32>,
    gaps: Vec<Filled>,
    top_k: usize,
}

#[derive(Deserialize)]
struct Filled {
    text: String,
    candidates: Vec<fill_mask::Candidate>,
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/fill_mask").join(name)
}

fn agrees<E: MaskedLmBase>(name: &str)
where
    FillMask: Solve<<MaskedLmConfig<E> as ModelConfig>::Model>,
{
    let text = fs::read_to_string(folder(name).join("case.json")).unwrap();
    let Case { ids, logits: wanted, gaps, top_k } = serde_json::from_str(&text).unwrap();
    assert!(ids.len() == 4 && gaps.len() == 4);
    let device = device("flex").unwrap();
    let predictor = fill_mask::from_folder(folder(name), &device).unwrap();
    let network: &Network<MaskedLmConfig<E>> = predictor.network().unwrap();
    // Every token's logits: of all texts in one batch, and of each alone.
    let logits = |rows: &[Vec<u32>]| -> Vec<f32> {
        let places: Vec<Vec<usize>> = rows.iter().map(|row| (0..row.len()).collect()).collect();
        let tokens = PickedTokens::of(TokenBatch::of(rows, &[], &device), &places);
        network.model.forward(tokens).into_data().iter::<f32>().collect()
    };
    let alone: Vec<f32> = ids.iter().flat_map(|row| logits(std::slice::from_ref(row))).collect();
    let mut worst: f32 = 0.0;
    for got in [logits(&ids), alone] {
        assert_eq!(got.len(), wanted.len());
        worst = got.iter().zip(&wanted).fold(worst, |most, (got, wanted)| {
            let off = (got - wanted).abs();
            if off.is_nan() { f32::INFINITY } else { most.max(off) }
        });
    }
    println!("{name}: off by {worst:e} at the most");
    assert!(worst <= 1e-4, "{name}: off by {worst}");
    // The pipeline's answers, from text to text.
    let asked: Vec<Gap> =
        gaps.iter().map(|gap| Gap::from(gap.text.as_str()).with_top_k(top_k)).collect();
    for (answer, gap) in predictor.predict(&asked).unwrap().iter().zip(&gaps) {
        assert_eq!(answer.candidates.len(), top_k);
        for (got, wanted) in answer.candidates.iter().zip(&gap.candidates) {
            assert_eq!(got.token, wanted.token, "{name}: {}", gap.text);
            assert!((got.score - wanted.score).abs() <= 1e-5, "{got:?}, not {wanted:?}");
        }
    }
    let what =
        "logits padded and alone, and the pipeline's candidates, equal transformers' within 1e-4";
    testing::record("golden", &format!("fill-mask: {name}"), what);
}

#[test]
fn hidden_words_are_transformers() {
    agrees::<BertConfig>("bert");
    agrees::<DistilBertConfig>("distilbert");
    agrees::<RobertaConfig>("roberta");
}

/// A golden folder with another configuration.
fn copied(name: &str, change: impl FnOnce(&mut Value)) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in ["model.safetensors", "tokenizer.json", "tokenizer_config.json"] {
        fs::copy(folder(name).join(file), copy.path().join(file)).unwrap();
    }
    let text = fs::read_to_string(folder(name).join("config.json")).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    change(&mut config);
    fs::write(copy.path().join("config.json"), config.to_string()).unwrap();
    copy
}

/// The tensors of a golden folder, with more beside them.
fn with_more(name: &str, more: &[(&str, &str)]) -> tempfile::TempDir {
    let copy = copied(name, |_| {});
    let path = copy.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let mut tensors = file.tensors();
    for (name, of) in more {
        tensors.push(((*name).to_owned(), file.tensor(of).unwrap()));
    }
    fs::write(&path, safetensors::serialize(tensors, None).unwrap()).unwrap();
    copy
}

#[test]
fn what_old_files_hold_twice_is_left_out() {
    let device = device("flex").unwrap();
    let words = "bert.embeddings.word_embeddings.weight";
    let transform = "cls.predictions.transform.dense";
    let (weight, bias) = (format!("{transform}.weight"), format!("{transform}.bias"));
    let copy = with_more(
        "bert",
        &[
            ("cls.predictions.decoder.weight", words),
            ("cls.predictions.decoder.bias", "cls.predictions.bias"),
            ("bert.pooler.dense.weight", weight.as_str()),
            ("bert.pooler.dense.bias", bias.as_str()),
            ("cls.seq_relationship.bias", "cls.predictions.bias"),
            ("cls.seq_relationship.weight", words),
        ],
    );
    let gap = Gap::from("the [MASK] on the hill");
    let answer =
        fill_mask::from_folder(copy.path(), &device).unwrap().predict(std::slice::from_ref(&gap));
    let wanted = fill_mask::from_folder(folder("bert"), &device).unwrap().predict(&[gap]);
    assert_eq!(answer.unwrap(), wanted.unwrap());
    // What nobody knows may change what the network gives.
    let copy = with_more("bert", &[("cls.predictions.gate.weight", words)]);
    let error = fill_mask::from_folder(copy.path(), &device).map(|_| ()).unwrap_err();
    assert!(matches!(error, PublishedError::Weights(_)), "{error:?}");
}

#[test]
fn a_folder_that_cannot_be_used_is_refused() {
    let device = device("flex").unwrap();
    let refused = |change: fn(&mut Value)| {
        let copy = copied("roberta", change);
        fill_mask::from_folder(copy.path(), &device).map(|_| ()).unwrap_err()
    };
    let error = refused(|config| config["model_type"] = json!("electra"));
    assert!(matches!(error, PublishedError::UnknownModel { .. }), "{error:?}");
    let error = refused(|config| config["tie_word_embeddings"] = json!(false));
    let PublishedError::Config { source, .. } = error else { panic!("{error:?}") };
    let wanted = "setting \"tie_word_embeddings\" cannot be false: supported is true alone";
    assert_eq!(source.to_string(), wanted);
    // A cross-encoder's head is another one.
    let rerank = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/rerank/bert");
    let error = fill_mask::from_folder(rerank, &device).map(|_| ()).unwrap_err();
    assert!(matches!(error, PublishedError::Weights(_)), "{error:?}");
    // A mask that the tokenizer has not.
    let copy = copied("bert", |_| {});
    let settings = json!({"mask_token": {"content": "<gap>"}});
    fs::write(copy.path().join("tokenizer_config.json"), settings.to_string()).unwrap();
    let error = fill_mask::from_folder(copy.path(), &device).map(|_| ()).unwrap_err();
    let PublishedError::Config { source, .. } = error else { panic!("{error:?}") };
    assert!(source.to_string().contains("\"<gap>\""), "{source}");
}

#[test]
fn a_training_starts_from_a_published_head() {
    type Config = MaskedLmConfig<DistilBertConfig>;
    let device = device("flex").unwrap();
    let options = json!({"base": folder("distilbert")});
    let (task, config): (FillMask, Config) = Config::prepare(&options, &Vec::new()).unwrap();
    let started = config.start(&task, &options, 3, &device).unwrap();
    let gap = Gap::from("the [MASK] on the hill");
    let wanted = fill_mask::from_folder(folder("distilbert"), &device).unwrap();
    let got = andiron_core::Predictor::new(task, started, &device);
    assert_eq!(got.predict(std::slice::from_ref(&gap)).unwrap(), wanted.predict(&[gap]).unwrap());
}

/// Saves a network trained here with its answers beside it, to be read back by transformers.
fn saved<E: MaskedLmBase>(root: &Path, name: &str) -> PathBuf
where
    FillMask: Solve<<MaskedLmConfig<E> as ModelConfig>::Model>,
{
    let device = device("flex").unwrap();
    let texts =
        ["the old sailor lives by the sea", "bread is flour, water and salt", "a cat purrs"];
    let train: Vec<_> = texts.map(|text| Example { input: Gap::from(text), target: () }).to_vec();
    let options =
        json!({"d_model": 20, "n_heads": 4, "n_layers": 2, "d_hidden": 28, "max_length": 24});
    let (task, config): (FillMask, MaskedLmConfig<E>) =
        MaskedLmConfig::prepare(&options, &train).unwrap();
    let network = config.start(&task, &options, 5, &device).unwrap();
    let trainer = GradientTrainer::new(TrainingConfig::new(20).with_learning_rate(1e-2))
        .with_progress(Progress::Silent);
    let predictor = trainer.fit(task, network, &train, &Vec::new(), &device).unwrap().predictor;
    let dir = root.join(name);
    predictor.save(&dir).unwrap();
    let mask = &predictor.task().mask;
    let gaps = ["the old {} lives by the sea", "{} purrs"]
        .map(|text| Gap::from(text.replace("{}", mask)).with_top_k(4));
    let answers = predictor.predict(&gaps).unwrap();
    let published = fill_mask::from_folder(&dir, &device).unwrap().predict(&gaps).unwrap();
    assert_eq!(published, answers);
    let told: Vec<Value> = gaps
        .iter()
        .zip(&answers)
        .map(|(gap, answer)| json!({"text": gap.text.text, "candidates": answer.candidates}))
        .collect();
    read_back::tell(&dir, &json!({"task": "fill-mask", "answers": told}));
    dir
}

#[test]
fn what_is_trained_here_is_read_by_transformers() {
    let root = tempfile::tempdir().unwrap();
    let folders = [
        saved::<BertConfig>(root.path(), "bert"),
        saved::<DistilBertConfig>(root.path(), "distilbert"),
        saved::<RobertaConfig>(root.path(), "roberta"),
    ];
    read_back::check(&folders);
}
