//! Classifiers as transformers and PEFT write them: equal logits, what is refused, and what a training
//! takes from a base.

use andiron_core::{
    Adaptation, Example, GradientTrainer, Labels, Network, Predictor, Recipe, TrainError, Trainer,
    TrainingConfig, device, testing::record, trainer::Progress, weights,
};
use andiron_nlp::{
    models::{
        bert::BertConfig, distilbert::DistilBertConfig, hashed_linear::HashedLinearConfig,
        roberta::RobertaConfig, sequence_classifier::SequenceClassifierConfig,
    },
    published::PublishedError,
    published_head::HeadBase,
    tasks::{
        multi_label,
        text_classification::{TextClassification, from_adapter, from_folder},
    },
    text::Text,
};
use safetensors::SafeTensors;
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    error::Error,
    fs,
    path::{Path, PathBuf},
};

type OnBert = SequenceClassifierConfig<BertConfig>;

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/classifiers").join(name)
}

struct Case {
    texts: Vec<Text>,
    labels: Vec<String>,
    logits: Vec<Vec<f64>>,
}

fn case(name: &str) -> Case {
    let text = fs::read_to_string(golden(name).join("case.json")).unwrap();
    let case: Value = serde_json::from_str(&text).unwrap();
    let texts: Vec<String> = serde_json::from_value(case["texts"].clone()).unwrap();
    assert!(texts.len() >= 4);
    Case {
        texts: texts.into_iter().map(Text::from).collect(),
        labels: serde_json::from_value(case["labels"].clone()).unwrap(),
        logits: serde_json::from_value(case["logits"].clone()).unwrap(),
    }
}

fn softmax(row: &[f64]) -> Vec<f64> {
    let sum: f64 = row.iter().map(|x| x.exp()).sum();
    row.iter().map(|x| x.exp() / sum).collect()
}

fn sigmoid(row: &[f64]) -> Vec<f64> {
    row.iter().map(|x| 1.0 / (1.0 + (-x).exp())).collect()
}

fn check(scores: &[BTreeMap<String, f32>], case: &Case, of: fn(&[f64]) -> Vec<f64>) {
    assert_eq!(scores.len(), case.logits.len());
    for (scores, row) in scores.iter().zip(&case.logits) {
        for (label, wanted) in case.labels.iter().zip(of(row)) {
            let got = f64::from(scores[label]);
            assert!((got - wanted).abs() < 1e-5, "{label}: {got}, but transformers has {wanted}");
        }
    }
}

/// In one batch, and one by one.
fn scores(
    predictor: &Predictor<TextClassification>,
    texts: &[Text],
) -> [Vec<BTreeMap<String, f32>>; 2] {
    let of = |texts: &[Text]| {
        let answers = predictor.predict(texts).unwrap();
        answers.into_iter().map(|answer| answer.choice.scores).collect::<Vec<_>>()
    };
    [of(texts), texts.chunks(1).flat_map(of).collect()]
}

/// The logits themselves, in one batch and one by one.
fn logits_agree<E: HeadBase>(name: &str) {
    let (case, device) = (case(name), device("flex").unwrap());
    let predictor = from_folder(golden(name), &device);
    let predictor = predictor.or_else(|_| {
        // RoBERTa's case is one of several labels: its network is the same.
        let several = multi_label::from_folder(golden(name), &device)?;
        let task = several.task().clone();
        let network = several.network::<SequenceClassifierConfig<E>>().unwrap().clone();
        let single = TextClassification {
            labels: task.labels,
            features: task.features,
            class_weights: None,
            label_smoothing: 0.0,
            focus: 0.0,
        };
        Ok::<_, PublishedError>(Predictor::new(single, network, &device))
    });
    let predictor = predictor.unwrap();
    let network = predictor.network::<SequenceClassifierConfig<E>>().unwrap();
    let features = &predictor.task().features;
    let rows: Vec<Vec<i32>> =
        case.texts.iter().map(|text| features.encode(text, false).unwrap()).collect();
    let logits = |rows: &[Vec<i32>]| -> Vec<f32> {
        use andiron_core::Model as _;
        let batch = andiron_nlp::batch::TextBatch::of(rows, &device);
        network.model.forward(batch).into_data().iter::<f32>().collect()
    };
    let wanted: Vec<f64> = case.logits.iter().flatten().copied().collect();
    let alone: Vec<f32> = rows.chunks(1).flat_map(logits).collect();
    for (got, wanted) in logits(&rows).iter().chain(&alone).zip(wanted.iter().chain(&wanted)) {
        assert!((f64::from(*got) - wanted).abs() < 1e-4, "{name}: {got}, but {wanted} is wanted");
    }
    assert_eq!(predictor.task().labels.names(), case.labels, "in the order of their numbers");
}

#[test]
fn logits_are_those_of_transformers() {
    logits_agree::<BertConfig>("bert");
    logits_agree::<DistilBertConfig>("distilbert");
    logits_agree::<RobertaConfig>("roberta");
    record(
        "golden",
        "classifiers on BERT, DistilBERT, RoBERTa",
        "logits of transformers within 1e-4, in a padded batch and one by one",
    );
}

#[test]
fn probabilities_of_one_label_and_of_several() {
    let device = device("flex").unwrap();
    for name in ["bert", "distilbert"] {
        let case = case(name);
        let predictor = from_folder(golden(name), &device).unwrap();
        for scores in scores(&predictor, &case.texts) {
            check(&scores, &case, softmax);
        }
    }
    let case = case("roberta");
    let predictor = multi_label::from_folder(golden("roberta"), &device).unwrap();
    let answers = predictor.predict(&case.texts).unwrap();
    let scores: Vec<_> = answers.iter().map(|answer| answer.scores.clone()).collect();
    check(&scores, &case, sigmoid);
    for (answer, row) in answers.iter().zip(&case.logits) {
        let above = case.labels.iter().zip(row).filter(|(_, logit)| **logit >= 0.0);
        assert_eq!(answer.labels, above.map(|(label, _)| label.clone()).collect::<Vec<_>>());
    }
}

fn labels(case: &Case) -> Labels {
    Labels::in_order(case.labels.clone()).unwrap()
}

#[test]
fn an_adapter_of_peft_gives_its_logits() {
    let device = device("flex").unwrap();
    for base in ["bert", "roberta"] {
        let name = format!("{base}_adapter");
        let case = case(&name);
        let predictor = from_adapter(golden(base), golden(&name), labels(&case), &device).unwrap();
        for scores in scores(&predictor, &case.texts) {
            check(&scores, &case, softmax);
        }
    }
    let case = case("bert_adapter");
    let predictor =
        from_adapter(golden("bert"), golden("bert_adapter"), labels(&case), &device).unwrap();
    let network = predictor.network::<OnBert>().unwrap();
    let targets = vec!["query".to_owned(), "value".to_owned()];
    assert_eq!(network.config.adaptation, Adaptation::Lora { rank: 3, alpha: 5.0, targets });
    record("golden", "adapters of PEFT", "probabilities equal PEFT's within 1e-5");
}

/// A copy of a golden folder, with some files changed.
fn copy(name: &str, change: impl FnOnce(&Path)) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut files = 0;
    for file in fs::read_dir(golden(name)).unwrap() {
        let file = file.unwrap();
        fs::copy(file.path(), folder.path().join(file.file_name())).unwrap();
        files += 1;
    }
    assert!(files >= 3);
    change(folder.path());
    folder
}

fn edit(dir: &Path, file: &str, field: &str, value: Value) {
    let path = dir.join(file);
    let mut json: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    json[field] = value;
    fs::write(path, json.to_string()).unwrap();
}

/// An error with its causes.
fn said(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[test]
fn what_does_not_fit_is_refused_by_name() {
    let device = device("flex").unwrap();
    let refused = |name: &str, change: &dyn Fn(&Path)| {
        let folder = copy(name, change);
        said(&from_folder(folder.path(), &device).unwrap_err())
    };
    for (field, value, wanted) in [
        ("model_type", json!("deberta-v2"), "model type \"deberta-v2\""),
        ("problem_type", json!("regression"), "setting \"problem_type\" cannot be \"regression\""),
        ("id2label", json!({"0": "a", "2": "b"}), "a label for each number from 0 was wanted"),
        ("id2label", json!({"0": "a", "1": "a", "2": "b"}), "has \"a\" twice"),
        ("id2label", json!(null), "classifier.weight"),
        ("id2label", json!({"0": "a", "1": "b"}), "classifier.weight"),
        ("num_hidden_layers", json!(1), "bert.encoder.layer.1.output.dense.weight"),
        ("num_hidden_layers", json!(3), "bert.encoder.layer.2.output.dense.weight"),
        ("classifier_dropout", json!("much"), "setting \"classifier_dropout\" cannot be \"much\""),
        ("vocab_size", json!(5), "has 16 tokens, but the network knows 5 only"),
    ] {
        let said = refused("bert", &|dir| edit(dir, "config.json", field, value.clone()));
        assert!(said.contains(wanted), "{said}");
    }
    let said = refused("bert", &|dir| fs::remove_file(dir.join("tokenizer.json")).unwrap());
    assert!(said.contains("tokenizer.json"), "{said}");
    let several = from_folder(golden("roberta"), &device).unwrap_err();
    assert!(said_contains(&several, "multi_label_classification"));

    let case = case("bert_adapter");
    for (field, value) in [
        ("peft_type", json!("IA3")),
        ("use_dora", json!(true)),
        ("use_rslora", json!(true)),
        ("bias", json!("all")),
        ("rank_pattern", json!({"query": 4})),
        ("r", json!("three")),
        ("lora_alpha", json!(null)),
    ] {
        let adapter =
            copy("bert_adapter", |dir| edit(dir, "adapter_config.json", field, value.clone()));
        let refused =
            from_adapter(golden("bert"), adapter.path(), labels(&case), &device).unwrap_err();
        assert!(said_contains(&refused, &format!("setting \"{field}\" cannot be ")), "{refused:?}");
    }
    // A head under another prefix is not replaced by the base's.
    let adapter = copy("bert_adapter", |dir| {
        let path = dir.join("adapter_model.safetensors");
        let bytes = fs::read(&path).unwrap();
        let file = SafeTensors::deserialize(&bytes).unwrap();
        let moved = file.tensors().into_iter().map(|(name, view)| {
            let name = name.replace("base_model.model.classifier", "base_model.classifier");
            (name, view)
        });
        fs::write(&path, safetensors::serialize(moved, None).unwrap()).unwrap();
    });
    let refused = from_adapter(golden("bert"), adapter.path(), labels(&case), &device).unwrap_err();
    let surplus = "surplus [\"base_model.classifier.bias\", \"base_model.classifier.weight\"]";
    assert!(said_contains(&refused, surplus), "{refused:?}");
    let other = from_adapter(golden("distilbert"), golden("bert_adapter"), labels(&case), &device);
    assert!(said_contains(&other.unwrap_err(), "target_modules"));
}

fn said_contains(error: &dyn Error, part: &str) -> bool {
    let said = said(error);
    assert!(said.contains(part), "{said}");
    true
}

fn examples(case: &Case) -> Vec<Example<Text, String>> {
    let pair = |(at, text): (usize, &Text)| Example {
        input: text.clone(),
        target: case.labels[at % case.labels.len()].clone(),
    };
    case.texts.iter().enumerate().map(pair).collect()
}

fn tensors(network: &Network<OnBert>) -> BTreeMap<String, Vec<u8>> {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("weights");
    weights::save(network, &path).unwrap();
    let bytes = fs::read(path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    file.tensors().into_iter().map(|(name, view)| (name, view.data().to_vec())).collect()
}

#[test]
fn a_training_starts_from_a_base() {
    let (case, device) = (case("bert"), device("flex").unwrap());
    let published = from_folder(golden("bert"), &device).unwrap();
    let published = tensors(published.network::<OnBert>().unwrap());
    let start = |labels: &[&str], adaptation: &str| {
        let mut train = examples(&case);
        for (at, example) in train.iter_mut().enumerate() {
            example.target = labels[at % labels.len()].to_owned();
        }
        let options = json!({"base": golden("bert"), "adaptation": {"kind": adaptation}});
        let (task, config): (TextClassification, _) = OnBert::prepare(&options, &train).unwrap();
        assert_eq!(config.dropout, 0.3, "the base's");
        let network = config.start(&task, &options, 3, &device).unwrap();
        tensors(&network)
    };
    let differing = |network: &BTreeMap<String, Vec<u8>>| -> Vec<String> {
        let other = |(name, value): (&String, &Vec<u8>)| {
            (published.get(name) != Some(value)).then(|| name.clone())
        };
        network.iter().filter_map(other).collect()
    };
    // Other labels, and other numbers of them: the answers are drawn anew, the pooler stays.
    for labels in [&["x", "y", "z"][..], &["x", "y"]] {
        let drawn = differing(&start(labels, "full"));
        assert_eq!(drawn, ["classifier.bias", "classifier.weight"]);
    }
    // The labels of the base, but in the order that training gives them.
    assert_eq!(differing(&start(&["zero", "another", "middle"], "frozen")).len(), 2);
    let adapted = differing(&start(&["x", "y"], "lora"));
    assert_eq!(adapted.iter().filter(|name| name.contains(".lora_")).count(), 24);
    assert_eq!(adapted.len(), 26);
    assert_eq!(start(&["x", "y"], "lora"), start(&["x", "y"], "lora"), "by the seed alone");
}

#[test]
fn the_answers_of_a_base_with_the_same_labels_are_kept() {
    let (case, device) = (case("bert"), device("flex").unwrap());
    let sorted = copy("bert", |dir| {
        edit(dir, "config.json", "id2label", json!({"0": "another", "1": "middle", "2": "zero"}));
    });
    let options = json!({"base": sorted.path()});
    let (task, config): (TextClassification, _) =
        OnBert::prepare(&options, &examples(&case)).unwrap();
    let network = config.start(&task, &options, 3, &device).unwrap();
    let published = from_folder(golden("bert"), &device).unwrap();
    assert_eq!(tensors(&network), tensors(published.network::<OnBert>().unwrap()));
}

#[test]
fn a_base_that_cannot_be_used_is_named() {
    let (case, device) = (case("bert"), device("flex").unwrap());
    let train = examples(&case);
    let prepare = |options: Value| OnBert::prepare(&options, &train);
    let missing = prepare(json!({"base": "/no/such/folder"})).unwrap_err();
    assert!(said_contains(&missing, "the base /no/such/folder cannot be used: cannot read"));
    let other = prepare(json!({"base": golden("roberta")})).unwrap_err();
    assert!(said_contains(&other, "model type \"roberta\"; known are [\"bert\"]"));
    let size = prepare(json!({"base": golden("bert"), "n_layers": 3})).unwrap_err();
    assert!(said_contains(&size, "setting \"n_layers\" cannot be 3: the base decides it"));
    let long = prepare(json!({"base": golden("bert"), "max_length": 20})).unwrap_err();
    assert!(said_contains(&long, "the network's length must be at least 20, but is 19"));
    let short = copy("bert", |dir| {
        edit(dir, "config.json", "intermediate_size", json!(27));
    });
    let options = json!({"base": short.path()});
    let (task, config) = prepare(options.clone()).unwrap();
    let refused = config.start(&task, &options, 3, &device).unwrap_err();
    assert!(matches!(refused, TrainError::Base(_)), "{refused:?}");
    assert!(said_contains(&refused, "bert.encoder.layer.0.intermediate.dense.weight"));
    let (task, _) = prepare(json!({"base": golden("bert")})).unwrap();
    assert!(HashedLinearConfig::new(3).fits(&task).is_err());
}

#[test]
fn a_frozen_encoder_that_runs_once_gives_what_running_at_each_step_gives() {
    let (case, device) = (case("bert"), device("flex").unwrap());
    let train = examples(&case);
    let options = json!({"base": golden("bert"), "adaptation": {"kind": "frozen"}});
    let (task, config): (TextClassification, _) = OnBert::prepare(&options, &train).unwrap();
    let trainer = GradientTrainer::new(
        TrainingConfig::new(12).with_batch_size(3).with_learning_rate(1e-2).with_seed(2),
    )
    .with_progress(Progress::Silent);
    let network = || config.clone().start(&task, &options, 3, &device).unwrap();
    let valid = train[..2].to_vec();
    let once = OnBert::fit(&trainer, task.clone(), network(), &train, &valid, &device).unwrap();
    let always = trainer.fit(task.clone(), network(), &train, &valid, &device).unwrap();
    assert_eq!(once.log.len(), always.log.len());
    assert_eq!(once.best_step, always.best_step);
    let (a, b) = (once.predictor.predict(&case.texts), always.predictor.predict(&case.texts));
    for (a, b) in a.unwrap().iter().zip(&b.unwrap()) {
        for (label, score) in &a.choice.scores {
            assert!((score - b.choice.scores[label]).abs() < 1e-4, "{label}");
        }
    }
    let head =
        |fitted: &Predictor<TextClassification>| tensors(fitted.network::<OnBert>().unwrap());
    let (a, before) = (head(&once.predictor), tensors(&network()));
    let moved = a.iter().filter(|(name, value)| before[*name] != **value).count();
    assert_eq!(moved, 4, "the head alone");
}

#[test]
fn a_bundle_has_the_files_by_which_transformers_and_peft_read_it() {
    let (case, device) = (case("bert"), device("flex").unwrap());
    let train = examples(&case);
    let saved = |kind: &str| {
        let options = json!({"base": golden("bert"), "adaptation": {"kind": kind}});
        let (task, config): (TextClassification, _) = OnBert::prepare(&options, &train).unwrap();
        let network = config.start(&task, &options, 3, &device).unwrap();
        let folder = tempfile::tempdir().unwrap();
        Predictor::new(task, network, &device).save(folder.path().join("bundle")).unwrap();
        folder
    };
    let full = saved("full");
    let dir = full.path().join("bundle");
    let read = |dir: &Path, name: &str| -> Value {
        serde_json::from_str(&fs::read_to_string(dir.join(name)).unwrap()).unwrap()
    };
    let config = read(&dir, "config.json");
    let home = read(&golden("bert"), "config.json");
    for field in [
        "model_type",
        "architectures",
        "vocab_size",
        "hidden_size",
        "num_attention_heads",
        "num_hidden_layers",
        "intermediate_size",
        "max_position_embeddings",
        "type_vocab_size",
        "hidden_act",
        "layer_norm_eps",
        "pad_token_id",
        "classifier_dropout",
        "dtype",
    ] {
        assert_eq!(config[field], home[field], "{field}");
    }
    assert_eq!(config["id2label"], json!({"0": "another", "1": "middle", "2": "zero"}));
    assert_eq!(config["problem_type"], "single_label_classification");
    let tokenizer = read(&dir, "tokenizer_config.json");
    assert_eq!(
        (&tokenizer["cls_token"], &tokenizer["model_max_length"]),
        (&json!("[CLS]"), &json!(19))
    );
    // What was saved is a published folder, too.
    let again = from_folder(&dir, &device).unwrap();
    let bundle = Predictor::<TextClassification>::load(&dir, &device).unwrap();
    assert_eq!(again.predict(&case.texts).unwrap(), bundle.predict(&case.texts).unwrap());

    let adapted = saved("lora");
    let dir = adapted.path().join("bundle");
    assert!(!dir.join("config.json").exists(), "transformers would read it without its factors");
    let config = read(&dir, "adapter_config.json");
    assert_eq!((&config["r"], &config["lora_alpha"]), (&json!(8), &json!(16.0)));
    assert_eq!(config["modules_to_save"], json!(["classifier", "pooler"]));
    assert_eq!(config["target_modules"].as_array().unwrap().len(), 12);
    let bundle = Predictor::<TextClassification>::load(&dir, &device).unwrap();
    let again = from_adapter(golden("bert"), &dir, bundle.task().labels.clone(), &device).unwrap();
    assert_eq!(again.predict(&case.texts).unwrap(), bundle.predict(&case.texts).unwrap());
}
