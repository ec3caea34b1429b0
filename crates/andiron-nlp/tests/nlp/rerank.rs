//! Cross-encoders against transformers; numbers by `scripts/golden/rerank.py`. The published one runs
//! where `scripts/fetch-assets` has brought it and `scripts/convert-assets` made a folder of it; with
//! `ANDIRON_ASSETS=required` it fails where it is not.

use crate::read_back;
use andiron_core::{
    DataError, Example, GradientTrainer, ModelConfig, Network, Predictor, Recipe, Solve,
    Trainer as _, TrainingConfig, device, testing, trainer::Progress,
};
use andiron_nlp::{
    models::{
        bert::BertConfig, distilbert::DistilBertConfig, roberta::RobertaConfig,
        sequence_classifier::SequenceClassifierConfig,
    },
    published::PublishedError,
    published_head::HeadBase,
    tasks::rerank::{self, Rerank, ScoreScale, Shortlist},
};
use serde::Deserialize;
use serde_json::{Value, json};
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
};

#[derive(Deserialize)]
struct Case {
    queries: Vec<Query>,
    long: Vec<Query>,
    max_length: usize,
}

#[derive(Deserialize)]
struct Query {
    query: String,
    documents: Vec<String>,
    scores: Vec<f32>,
}

impl Query {
    fn list(&self) -> Shortlist {
        Shortlist::new(&self.query, &self.documents)
    }
}

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/rerank").join(name)
}

/// The greatest difference.
fn off(got: &[f32], wanted: &[f32]) -> f32 {
    assert_eq!(got.len(), wanted.len());
    got.iter().zip(wanted).fold(0.0, |most, (got, wanted)| {
        let off = (got - wanted).abs();
        if off.is_nan() { f32::INFINITY } else { most.max(off) }
    })
}

fn agrees<E: HeadBase>(name: &str)
where
    Rerank: Solve<<SequenceClassifierConfig<E> as ModelConfig>::Model>,
{
    let text = fs::read_to_string(folder(name).join("case.json")).unwrap();
    let Case { queries, long, max_length } = serde_json::from_str(&text).unwrap();
    assert!(queries.len() == 2 && long.len() == 3);
    let device = device("flex").unwrap();
    let published = rerank::from_folder(folder(name), &device).unwrap();
    // transformers' configuration names no function, and sentence-transformers then takes this one.
    assert_eq!(published.task().scale, ScoreScale::Probability);
    assert_eq!(published.task().max_length, 24);
    let network: &Network<SequenceClassifierConfig<E>> = published.network().unwrap();
    let with = |task: Rerank| Predictor::new(task, network.clone(), &device);
    let logits = with(published.task().clone().with_scale(ScoreScale::Logit));
    let mut worst = 0.0_f32;
    // All queries at once, and each document alone.
    let lists: Vec<Shortlist> = queries.iter().map(Query::list).collect();
    for (answer, query) in logits.predict(&lists).unwrap().iter().zip(&queries) {
        assert!(!answer.truncated);
        worst = worst.max(off(&answer.scores, &query.scores));
        for (document, wanted) in query.documents.iter().zip(&query.scores) {
            let alone = logits.predict(&[Shortlist::new(&query.query, [document])]).unwrap();
            worst = worst.max(off(&alone[0].scores, &[*wanted]));
        }
    }
    // What is too long is cut where transformers cuts it.
    let short = with(Rerank { max_length, ..logits.task().clone() });
    for query in &long {
        let refused = short.predict(&[query.list()]).unwrap_err();
        assert!(matches!(refused, DataError::Example { .. }), "{refused:?}");
        let answer = short.predict(&[query.list().truncated()]).unwrap().remove(0);
        assert!(answer.truncated);
        worst = worst.max(off(&answer.scores, &query.scores));
    }
    println!("{name}: off by {worst:e} at the most");
    assert!(worst <= 1e-4, "{name}: off by {worst}");
    let what = "scores of documents, padded, alone and cut, equal transformers' within 1e-4";
    testing::record("golden", &format!("rerank: {name}"), what);
}

#[test]
fn cross_encoders_are_transformers() {
    agrees::<BertConfig>("bert");
    agrees::<DistilBertConfig>("distilbert");
    agrees::<RobertaConfig>("roberta");
}

#[test]
fn a_training_starts_from_a_published_cross_encoder() {
    type Config = SequenceClassifierConfig<DistilBertConfig>;
    let device = device("flex").unwrap();
    let options = json!({"base": folder("distilbert"), "scale": "logit"});
    let (task, config): (Rerank, Config) = Config::prepare(&options, &Vec::new()).unwrap();
    let started = config.start(&task, &options, 3, &device).unwrap();
    let published = rerank::from_folder(folder("distilbert"), &device).unwrap();
    let list = Shortlist::new("the house", ["the hill", "a ship sails"]);
    let wanted = published.predict(std::slice::from_ref(&list)).unwrap().remove(0).scores;
    let got = Predictor::new(task.clone().with_scale(ScoreScale::Probability), started, &device);
    assert_eq!(got.predict(std::slice::from_ref(&list)).unwrap().remove(0).scores, wanted);

    // With two labels its last map is for something else, and is drawn.
    let copy = copied(&folder("distilbert"), |config| {
        config["id2label"] = json!({"0": "no", "1": "yes"});
    });
    let refused = rerank::from_folder(copy.path(), &device).unwrap_err();
    let PublishedError::Config { source, .. } = refused else { panic!("{refused:?}") };
    assert!(source.to_string().ends_with("a cross-encoder has one label"), "{source}");
}

/// A folder with another configuration.
fn copied(folder: &Path, change: impl FnOnce(&mut Value)) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in ["model.safetensors", "tokenizer.json", "tokenizer_config.json"] {
        // One of them has 130 MB.
        let (from, to) = (folder.join(file), copy.path().join(file));
        fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(|_| ())).unwrap();
    }
    let text = fs::read_to_string(folder.join("config.json")).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    change(&mut config);
    fs::write(copy.path().join("config.json"), config.to_string()).unwrap();
    copy
}

#[test]
fn a_folder_that_cannot_be_used_is_refused() {
    let device = device("flex").unwrap();
    let refused = |change: fn(&mut Value)| {
        let copy = copied(&folder("bert"), change);
        rerank::from_folder(copy.path(), &device).map(|_| ()).unwrap_err()
    };
    let error = refused(|config| config["model_type"] = json!("t5"));
    assert!(matches!(error, PublishedError::UnknownModel { .. }), "{error:?}");
    let error = refused(|config| config["hidden_size"] = json!(24));
    assert!(matches!(error, PublishedError::Weights(_)), "{error:?}");
    let activation = json!({"activation_fn": "torch.nn.modules.activation.Tanh"});
    let copy = copied(&folder("bert"), |config| config["sentence_transformers"] = activation);
    let error = rerank::from_folder(copy.path(), &device).map(|_| ()).unwrap_err();
    assert!(matches!(error, PublishedError::Config { .. }), "{error:?}");
}

/// What was fetched and converted under `name`, or nothing, said aloud.
fn asset(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets").join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var("ANDIRON_ASSETS").is_ok_and(|value| value == "required");
    let said = format!(
        "{} is not there; scripts/fetch-assets and scripts/convert-assets make it",
        folder.display()
    );
    assert!(!required, "{said}");
    // Past the test harness, which keeps what a test that passes prints to itself.
    std::io::stderr().write_all(format!("LEFT OUT: {said}\n").as_bytes()).unwrap();
    None
}

#[test]
fn the_published_cross_encoder_scores_its_cards_pair() {
    let Some(folder) = asset("ms-marco-minilm-l12") else { return };
    let device = device("flex").unwrap();
    let predictor = rerank::from_folder(&folder, &device).unwrap();
    assert_eq!(predictor.task().scale, ScoreScale::Logit);
    let documents = [
        "Berlin had a population of 3,520,031 registered inhabitants in an area of 891.82 square \
         kilometers.",
        "Berlin is well known for its museums.",
    ];
    let list = Shortlist::new("How many people live in Berlin?", documents);
    let of = |predictor: &Predictor<Rerank>| {
        predictor.predict(std::slice::from_ref(&list)).unwrap().remove(0).scores
    };
    let scores = of(&predictor);
    println!("scores of the card's pair: {scores:?}");
    // The card, on the weights before they were made into eight bits: 9.2189 and -4.0780; ONNX Runtime on
    // the package's file, which rounds activations, as is done here: 9.2045 and -4.1319.
    assert!(off(&scores, &[9.21, -4.10]) <= 0.1, "{scores:?}");
    // And so does transformers in double precision with the inputs of all linear maps rounded, by
    // scripts/evidence/rerank_rounding.py.
    assert!(off(&scores, &[9.2045, -4.1319]) < 1e-3, "{scores:?}");
    testing::record(
        "weights",
        "rerank: ms-marco-MiniLM-L-12-v2, from eight bits",
        &format!("its card's pair scores {:.2} and {:.2}", scores[0], scores[1]),
    );

    // Without rounding, what transformers gives on the same folder.
    let copy = copied(&folder, |config| config["dynamic_quantization"] = json!(false));
    let scores = of(&rerank::from_folder(copy.path(), &device).unwrap());
    println!("without rounding: {scores:?}");
    assert!(off(&scores, &[9.0851, -3.9343]) < 1e-3, "{scores:?}");
}

/// Saves `predictor`, trained here, with its answers beside it, to be read back by transformers.
fn saved<E: HeadBase>(root: &Path, name: &str) -> PathBuf
where
    Rerank: Solve<<SequenceClassifierConfig<E> as ModelConfig>::Model>,
{
    let device = device("flex").unwrap();
    let pair = |query: &str, documents: [&str; 2]| Example {
        input: Shortlist::new(query, documents),
        target: vec![1.0, 0.0],
    };
    let train = vec![
        pair("bread", ["flour, water, salt", "it purrs"]),
        pair("a cat by the sea", ["it purrs and purrs", "take an umbrella"]),
        pair("rain", ["take an umbrella", "flour"]),
    ];
    let options =
        json!({"d_model": 20, "n_heads": 4, "n_layers": 2, "d_hidden": 28, "max_length": 30});
    let (task, config): (Rerank, SequenceClassifierConfig<E>) =
        SequenceClassifierConfig::prepare(&options, &train).unwrap();
    let network = config.start(&task, &options, 5, &device).unwrap();
    let trainer = GradientTrainer::new(TrainingConfig::new(20).with_learning_rate(1e-2))
        .with_progress(Progress::Silent);
    let fitted = trainer.fit(task, network, &train, &Vec::new(), &device).unwrap();
    let dir = root.join(name);
    fitted.predictor.save(&dir).unwrap();
    let lists: Vec<Shortlist> = train.into_iter().map(|query| query.input).collect();
    let answers = fitted.predictor.predict(&lists).unwrap();
    // What is saved here is read here as a published folder too.
    let published = rerank::from_folder(&dir, &device).unwrap().predict(&lists).unwrap();
    assert_eq!(published, answers);
    let told: Vec<Value> = lists
        .iter()
        .zip(&answers)
        .map(|(list, answer)| {
            json!({"query": list.query, "documents": list.documents, "scores": answer.scores})
        })
        .collect();
    read_back::tell(&dir, &json!({"task": "rerank", "answers": told}));
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
