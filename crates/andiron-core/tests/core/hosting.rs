//! Tasks that a program hosts without naming one: registry, options, records, and answers of which
//! a bad input costs only its own place.

use crate::toy::{Fault, Padded, Pooled, PooledConfig, VOCABULARY};
use andiron_core::{
    AnyPredictor, BundleError, Choice, ClassifierEvaluator, ConfigError, DataError, Dataset,
    Evaluator, GradientTrainer, Labelled, Labels, Loss, ModelConfig, ModelEntry, OnePass,
    Predictor, Raw, Recipe, Record, Registered, Registry, Report, Task, TaskEntry, TrainError,
    TrainingConfig,
    bundle::Card,
    data::{self, Example, ExampleOf, Media, Subset, Typed, shortened, text_field},
    overlay,
    trainer::Progress,
};
use burn::tensor::{Device, Int, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

/// Token numbers in a line of JSON, or as the bytes of a file, to a label.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Hosted {
    labels: Labels,
}

impl Task for Hosted {
    const NAME: &'static str = "toy-hosted";
    type Input = Vec<u16>;
    type Target = String;
    type Prediction = Choice;
    type Batch = Labelled<Padded, Tensor<1, Int>>;
    fn batch(
        &self,
        examples: &[ExampleOf<Self>],
        device: &Device,
    ) -> Result<Self::Batch, DataError> {
        let inputs: Vec<&Vec<u16>> = examples.iter().map(|e| &e.input).collect();
        let truth = self.labels.indices(examples.iter().map(|e| &e.target), device)?;
        Ok(Labelled { features: self.collate(&inputs, device)?, truth })
    }
}

impl OnePass for Hosted {
    type Features = Padded;
    type Truth = Tensor<1, Int>;
    type Output = Tensor<2>;
    fn collate(&self, inputs: &[&Vec<u16>], device: &Device) -> Result<Padded, DataError> {
        Padded::of(inputs, device)
    }
    fn loss(&self, output: Tensor<2>, truth: Tensor<1, Int>) -> Loss {
        self.labels.cross_entropy(output, truth)
    }
    fn decode(&self, _: &[&Vec<u16>], output: Tensor<2>) -> Vec<Choice> {
        self.labels.choose(output)
    }
}

fn tokens(numbers: impl IntoIterator<Item = u64>) -> Result<Vec<u16>, DataError> {
    numbers
        .into_iter()
        .map(|number| match number < VOCABULARY as u64 {
            true => Ok(number as u16),
            false => Err(DataError::TooLarge {
                what: "a token",
                limit: VOCABULARY as u64 - 1,
                got: number,
            }),
        })
        .collect()
}

impl Registered for Hosted {
    const MEDIA: Option<&'static str> = Some("file");
    const CUT: Option<fn(ExampleOf<Self>) -> ExampleOf<Self>> = Some(|mut example| {
        example.input.truncate(2);
        example
    });

    fn models() -> &'static [ModelEntry<Self>] {
        static MODELS: &[ModelEntry<Hosted>] = &[ModelEntry::of::<PooledConfig>()];
        MODELS
    }

    fn read(raw: Raw<'_>) -> Result<Vec<u16>, DataError> {
        match raw {
            Raw::Json(line) => {
                let wrong = || DataError::Field {
                    field: "tokens".to_owned(),
                    wanted: "a list of numbers",
                    got: shortened(&line["tokens"]),
                };
                let list = line["tokens"].as_array().ok_or_else(wrong)?;
                let numbers: Option<Vec<u64>> = list.iter().map(Value::as_u64).collect();
                tokens(numbers.ok_or_else(wrong)?)
            }
            Raw::Bytes(bytes) => tokens(bytes.iter().map(|byte| u64::from(*byte))),
            other => Err(DataError::WrongKind { wanted: "tokens", got: other.kind() }),
        }
    }

    fn target(line: &Value) -> Result<String, DataError> {
        text_field(line, "label")
    }

    fn evaluate(
        predictor: &Predictor<Self>,
        data: &dyn Dataset<ExampleOf<Self>>,
    ) -> Result<Report, andiron_core::EvalError> {
        ClassifierEvaluator::default().evaluate(predictor, data)
    }
}

#[derive(Clone, Serialize, Deserialize)]
struct Options {
    dropout: f64,
}

impl Recipe<Hosted> for PooledConfig {
    fn prepare(
        options: &Value,
        train: &dyn Dataset<ExampleOf<Hosted>>,
    ) -> Result<(Hosted, Self), DataError> {
        let Options { dropout } = overlay(&Options { dropout: 0.1 }, options)?;
        let examples = data::all(train)?;
        let labels = Labels::of(examples.iter().map(|example| &example.target))?;
        let mut config = Self::new(Fault::None);
        config.dropout = dropout;
        Ok((Hosted { labels }, config))
    }

    fn fits(&self, task: &Hosted) -> Result<(), ConfigError> {
        ConfigError::agree("the number of labels", 3, task.labels.count())
    }
}

static TASKS: &[TaskEntry] = &[TaskEntry::of::<Hosted>()];

fn registry() -> Registry {
    Registry::default().with(TASKS)
}

/// The toy's examples as lines; every second one as a file.
fn records() -> Vec<Record> {
    crate::toy::examples()
        .into_iter()
        .enumerate()
        .map(|(index, Example { input, target })| match index % 2 {
            0 => Record { line: json!({"tokens": input, "label": target}), ..Record::default() },
            _ => Record {
                line: json!({"file": "x", "label": target}),
                media: Media::Bytes(input.iter().map(|token| *token as u8).collect()),
                name: Some(format!("{index}.tokens")),
                cut: false,
            },
        })
        .collect()
}

fn trainer() -> GradientTrainer {
    let settings = TrainingConfig::new(60).with_batch_size(7).with_learning_rate(2e-2);
    GradientTrainer::new(settings).with_progress(Progress::Silent)
}

fn fit(
    architecture: &str,
    options: &Value,
    train: &Vec<Record>,
) -> Result<Box<dyn AnyPredictor>, TrainError> {
    let registry = registry();
    let entry = registry.task("toy-hosted").unwrap();
    let none = Vec::new();
    entry
        .fit(architecture, options, &trainer(), train, &none, &Device::flex())
        .map(|fitted| fitted.predictor)
}

#[test]
fn a_task_is_trained_saved_and_loaded_by_name() {
    let predictor = fit("toy-pooled", &Value::Null, &records()).unwrap();
    assert_eq!((predictor.task(), predictor.architecture()), ("toy-hosted", "toy-pooled"));
    let report = predictor.evaluate(&records()).unwrap();
    assert_eq!(report.examples, 7);
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("bundle");
    let card = Card { limits: "It is a toy.".to_owned(), ..Card::default() };
    predictor.save(card.clone(), &dir).unwrap();
    let loaded = registry().load(&dir, &Device::flex()).unwrap();
    assert_eq!(loaded.architecture(), "toy-pooled");
    let typed = Predictor::<Hosted>::load(&dir, &Device::flex()).unwrap();
    assert_eq!(typed.card(), &card);
    let line = json!({"tokens": [3, 1, 4]});
    let answers: Vec<Value> = [&predictor, &loaded]
        .map(|predictor| predictor.predict(&[Raw::Json(&line)]).remove(0).unwrap())
        .into();
    assert_eq!(answers[0], answers[1]);
    assert_eq!(answers[0]["label"], "loud");
    assert_eq!(json!(typed.predict(&[vec![3, 1, 4]]).unwrap()[0]), answers[0]);
}

#[test]
fn a_bad_input_costs_only_its_own_place() {
    let predictor = fit("toy-pooled", &json!({"dropout": 0.0}), &records()).unwrap();
    let lines = [
        json!({"tokens": [3, 1, 4]}),
        json!({"tokens": "three"}),
        json!({"tokens": [1, 2, 99]}),
        json!({"text": "hello"}),
        // Read, but not to be answered: it is found only when the batch is made.
        json!({"tokens": []}),
        json!({"tokens": [2, 7, 1, 8, 2]}),
    ];
    let (shape, numbers) = ([2], [1.0, 2.0]);
    let mut raw: Vec<Raw<'_>> = lines.iter().map(Raw::Json).collect();
    raw.push(Raw::Bytes(&[10]));
    raw.push(Raw::Array { shape: &shape, data: &numbers });
    let said: Vec<Result<String, String>> = predictor
        .predict(&raw)
        .into_iter()
        .map(|answer| answer.map(|a| a["label"].to_string()).map_err(|error| error.to_string()))
        .collect();
    let wanted = [
        Ok("\"loud\""),
        Err("field \"tokens\" must be a list of numbers, but is \"three\""),
        Err("a token is 99, which is over the limit of 10"),
        Err("field \"tokens\" must be a list of numbers, but is null"),
        Err("a sequence of tokens is empty"),
        Ok("\"quiet\""),
        Ok("\"loud\""),
        Err("tokens was wanted, but the input is an array"),
    ];
    let wanted: Vec<Result<String, String>> =
        wanted.map(|said| said.map(str::to_owned).map_err(str::to_owned)).into();
    assert_eq!(said, wanted);
    assert!(predictor.predict(&[]).is_empty());
}

#[test]
fn many_inputs_are_answered_in_order() {
    let predictor = fit("toy-pooled", &Value::Null, &records()).unwrap();
    // More than one part of 64.
    let lines: Vec<Value> =
        (0..150u16).map(|n| json!({"tokens": vec![n % 11; 1 + n as usize % 5]})).collect();
    let raw: Vec<Raw<'_>> = lines.iter().map(Raw::Json).collect();
    let all = predictor.predict(&raw);
    assert_eq!(all.len(), 150);
    for (at, answer) in all.into_iter().enumerate() {
        let (alone, answer) =
            (predictor.predict(&raw[at..=at]).remove(0).unwrap(), answer.unwrap());
        let score = |answer: &Value| answer["score"].as_f64().unwrap();
        assert_eq!(alone["label"], answer["label"], "line {at}");
        assert!((score(&alone) - score(&answer)).abs() < 1e-6, "line {at}");
    }
}

#[test]
fn what_is_not_known_is_named_with_what_is() {
    let known: Vec<&str> = registry().tasks().map(|entry| entry.name).collect();
    assert_eq!(known, ["toy-hosted"]);
    let entry = registry().task("toy-hosted").unwrap();
    assert_eq!((entry.architectures(), entry.media), (vec!["toy-pooled"], Some("file")));
    let unknown = registry().task("tagging").map(|_| ()).unwrap_err();
    assert!(
        matches!(&unknown, BundleError::UnknownTask { got, known } if got == "tagging" && known == &["toy-hosted"])
    );
    let refused = |architecture: &str, options: Value| {
        let options = &options;
        fit(architecture, options, &records()).map(|_| ()).unwrap_err()
    };
    let unknown = refused("resnet", Value::Null);
    assert!(
        matches!(unknown, TrainError::UnknownArchitecture { got, known } if got == "resnet" && known == ["toy-pooled"])
    );
    let cause = |error: TrainError| match error {
        TrainError::Data { split: "training", source: DataError::Config(config) } => {
            config.to_string()
        }
        other => panic!("{other:?}"),
    };
    let text = cause(refused("toy-pooled", json!({"dropuot": 0.2})));
    assert_eq!(text, "there is no setting \"dropuot\"; known are [\"dropout\"]");
    let text = cause(refused("toy-pooled", json!({"dropout": "much"})));
    assert!(text.starts_with("setting \"dropout\" cannot be \"much\": invalid type"), "{text}");
    let text = cause(refused("toy-pooled", json!([0.2])));
    assert!(
        text.starts_with("setting \"options\" cannot be [0.2]: an object was wanted"),
        "{text}"
    );
    // A value of the right kind that the network cannot take.
    let error = refused("toy-pooled", json!({"dropout": 1.5}));
    assert!(matches!(error, TrainError::Config(ConfigError::OutOfRange { field: "dropout", .. })));
}

#[test]
fn a_bad_record_is_named_by_its_place() {
    let mut records = records();
    records[5].line = json!({"file": "x", "label": 7});
    match fit("toy-pooled", &Value::Null, &records).map(|_| ()) {
        Err(TrainError::Data { split: "training", source }) => {
            assert_eq!(source.to_string(), "example 5 (5.tokens)");
            let cause = std::error::Error::source(&source).unwrap().to_string();
            assert_eq!(cause, "field \"label\" must be a text, but is 7");
        }
        other => panic!("{other:?}"),
    }
    let typed = Typed::<Hosted>::new(&records);
    assert_eq!(Dataset::<ExampleOf<Hosted>>::len(&typed), 7);
    let second = Dataset::<ExampleOf<Hosted>>::get(&typed, 1).unwrap();
    assert_eq!((second.input, second.target.as_str()), (vec![2, 7, 1, 8, 2], "quiet"));
    let subset = Subset::new(&typed, vec![3, 0]);
    assert_eq!(subset.get(1).unwrap().input, [3, 1, 4]);
    assert_eq!((subset.len(), subset.is_empty()), (2, false));
}

#[test]
fn records_are_checked_and_cut_when_asked_to() {
    let entry = registry().task("toy-hosted").unwrap();
    assert!(entry.cuts);
    let mut records = records();
    entry.check(&records).unwrap();
    let whole = data::all::<ExampleOf<Hosted>>(&Typed::<Hosted>::new(&records)).unwrap();
    for record in &mut records {
        record.cut = true;
    }
    let cut = data::all::<ExampleOf<Hosted>>(&Typed::<Hosted>::new(&records)).unwrap();
    assert_eq!((whole.len(), cut.len()), (7, 7));
    assert!(whole.iter().any(|example| example.input.len() > 2));
    for (whole, cut) in whole.iter().zip(&cut) {
        assert_eq!(cut.input, whole.input[..whole.input.len().min(2)]);
        assert_eq!(cut.target, whole.target);
    }
    records[3].media = Media::Bytes(vec![1, 99]);
    let error = entry.check(&records).unwrap_err();
    assert_eq!(error.to_string(), "example 3 (3.tokens)");
}

#[test]
fn a_bundle_of_another_task_is_refused_by_its_name() {
    let root = tempfile::tempdir().unwrap();
    let dir = root.path().join("bundle");
    crate::bundle::predictor(1).save(&dir).unwrap();
    let error = registry().load(&dir, &Device::flex()).map(|_| ()).unwrap_err();
    assert_eq!(
        error.to_string(),
        "task \"toy-tokens\" is not known here; known are [\"toy-hosted\"]"
    );
    let error = Predictor::<Hosted>::load(&dir, &Device::flex()).map(|_| ()).unwrap_err();
    assert!(matches!(error, BundleError::UnknownTask { .. }));
}

#[test]
fn one_class_is_nothing_to_learn() {
    let mut records = records();
    for record in &mut records {
        record.line["label"] = json!("loud");
    }
    match fit("toy-pooled", &Value::Null, &records).map(|_| ()) {
        Err(TrainError::Data { source: DataError::OneClass { label, examples: 7 }, .. }) => {
            assert_eq!(label, "loud");
        }
        other => panic!("{other:?}"),
    }
}

/// The toy network answers this task, too: one network, several tasks.
#[test]
fn one_network_serves_two_tasks() {
    fn solves<T: andiron_core::Solve<Pooled>>() -> &'static str {
        T::NAME
    }
    assert_eq!(solves::<Hosted>(), "toy-hosted");
    assert_eq!(solves::<crate::toy::Tokens>(), "toy-tokens");
    assert_eq!(PooledConfig::ARCHITECTURE, "toy-pooled");
}
