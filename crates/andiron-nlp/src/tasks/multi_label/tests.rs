#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use andiron_core::{
    AnyPredictor, Example, GradientTrainer, Network, Recipe, Registry, TrainingConfig,
    testing::Contract, trainer::Progress,
};
use serde_json::json;

type OnBert = MultiLabel<SequenceClassifierConfig<BertConfig>>;
type Fast = MultiLabel<HashedLinearConfig>;

fn examples() -> Vec<Example<Text, Vec<String>>> {
    let all: [(&str, &[&str]); 6] = [
        ("a film about a war", &["film", "war"]),
        ("war", &["war"]),
        ("a song in a film, and then a second one that nobody had asked for", &["film", "song"]),
        ("nothing at all", &[]),
        ("the song of the war film", &["film", "song", "war"]),
        ("a song", &["song"]),
    ];
    all.map(|(text, labels)| Example {
        input: text.into(),
        target: labels.iter().map(|label| (*label).to_owned()).collect(),
    })
    .to_vec()
}

fn small() -> Value {
    json!({
        "d_model": 36, "n_heads": 3, "n_layers": 1, "d_hidden": 20, "max_length": 40,
        "n_tokens": 200, "dropout": 0.0, "pooling": "mean"
    })
}

#[test]
fn keeps_the_contract() {
    let options = json!({"n_buckets": 128, "d_model": 6, "threshold": 0.4});
    let (task, config) = Fast::prepare(&options, &examples()).unwrap();
    assert_eq!((task.threshold, config.0.n_classes), (0.4, 3));
    Contract::new(task, config, examples()).overfits_in(200, 5e-2).check();
    let (task, config) = OnBert::prepare(&small(), &examples()).unwrap();
    Contract::new(task, config, examples()).overfits_in(300, 1e-2).check();
    let options =
        json!({"d_model": 8, "n_heads": 2, "n_layers": 1, "d_hidden": 10, "least_count": 1});
    let (task, config) = MultiLabel::<TextEncoderConfig>::prepare(&options, &examples()).unwrap();
    Contract::new(task, config, examples()).overfits_in(150, 1e-2).check();
}

#[test]
fn labels_are_learnt_answered_measured_saved_and_loaded() {
    let device = Device::flex();
    let (task, config) =
        Fast::prepare(&json!({"n_buckets": 256, "focus": 1.0}), &examples()).unwrap();
    let network = config.start(&task, &Value::Null, 3, &device).unwrap();
    let trainer = GradientTrainer::new(TrainingConfig::new(150).with_learning_rate(5e-2))
        .with_progress(Progress::Silent);
    let fitted = Fast::fit(&trainer, task, network, &examples(), &Vec::new(), &device).unwrap();
    let predictor = fitted.predictor;
    let report = MultiLabelClassification::evaluate(&predictor, &examples()).unwrap();
    assert_eq!(report.score("exact").unwrap().value, 1.0, "{report}");
    assert_eq!(report.classes[0].support, 3);
    assert!(report.outcomes.iter().all(|one| one.right && one.loss < 0.5));

    let dir = tempfile::tempdir().unwrap();
    predictor.save(dir.path().join("bundle")).unwrap();
    let registry = Registry::default().with(crate::TASKS);
    let loaded = registry.load(&dir.path().join("bundle"), &device).unwrap();
    assert_eq!(loaded.task(), "multi-label-classification");
    let lines = [json!({"text": "a film about a war"}), json!({"text": ""})];
    let raw: Vec<Raw<'_>> = lines.iter().map(Raw::Json).collect();
    let answers = AnyPredictor::predict(loaded.as_ref(), &raw);
    let first = answers[0].as_ref().unwrap();
    assert_eq!(first["labels"], json!(["film", "war"]));
    assert_eq!(first["scores"].as_object().unwrap().len(), 3);
    assert!(answers[1].is_err());
}

#[test]
fn targets_are_read_from_lines_and_tables() {
    let target =
        |line: Value| MultiLabelClassification::target(&line).map_err(|error| error.to_string());
    let wanted = vec!["a".to_owned(), "b c".to_owned()];
    assert_eq!(target(json!({"labels": ["a", "b c"]})), Ok(wanted.clone()));
    assert_eq!(target(json!({"labels": "a; b c;"})), Ok(wanted));
    assert_eq!(target(json!({"labels": ""})), Ok(Vec::new()));
    for (line, got) in [
        (json!({"label": "a"}), "missing"),
        (json!({"labels": ["a", 3]}), "[\"a\",3]"),
        (json!({"labels": 3}), "3"),
    ] {
        assert_eq!(
            target(line),
            Err(format!("field \"labels\" must be a list of texts, but is {got}"))
        );
    }
}

#[test]
fn texts_that_have_a_label_can_weigh_as_much_as_the_others() {
    let (task, _) = Fast::prepare(&json!({"balance": true}), &examples()).unwrap();
    // film 3 of 6, song 3 of 6, war 3 of 6.
    assert_eq!(task.class_weights, Some(vec![1.0, 1.0, 1.0]));
    let some = examples()[..5].to_vec();
    let (task, _) = Fast::prepare(&json!({"balance": true}), &some).unwrap();
    assert_eq!(task.class_weights, Some(vec![2.0 / 3.0, 1.5, 2.0 / 3.0]));
}

#[test]
fn options_that_cannot_be_used_are_refused() {
    for (options, wanted) in [
        (json!({"threshold": 1.5}), "threshold must lie in 0..=1, but is 1.5"),
        (json!({"focus": -1.0}), "focus must lie in 0..=100, but is -1"),
        (
            json!({"label_smoothing": 0.1}),
            "setting \"label_smoothing\" cannot be 0.1: several labels a text have none",
        ),
        (json!([1]), "setting \"options\" cannot be [1]: an object was wanted"),
    ] {
        match Fast::prepare(&options, &examples()).map(|_| ()) {
            Err(DataError::Config(error)) => assert_eq!(error.to_string(), wanted),
            other => panic!("{other:?}"),
        }
    }
    let one: Vec<_> = examples().into_iter().filter(|e| e.target.len() < 2).take(1).collect();
    assert!(Fast::prepare(&Value::Null, &one).is_err());
}

#[test]
fn an_unknown_label_is_named_with_its_place() {
    let device = Device::flex();
    let (task, config) = Fast::prepare(&Value::Null, &examples()).unwrap();
    let network = Network::init(config, 3, &device).unwrap();
    let predictor = Predictor::new(task, network, &device);
    let mut data = examples();
    data[4].target.push("opera".to_owned());
    let refused = MultiLabelClassification::evaluate(&predictor, &data).unwrap_err();
    let andiron_core::EvalError::Data(DataError::Example { index, source, .. }) = refused else {
        panic!("{refused:?}")
    };
    assert_eq!(index, 4);
    assert!(source.to_string().starts_with("unknown label \"opera\""), "{source}");
}
