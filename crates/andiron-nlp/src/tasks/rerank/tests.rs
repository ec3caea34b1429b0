use super::*;
use crate::{published_head::HeadBase, tokenizer};
use andiron_core::{
    AnyPredictor, Example, GradientTrainer, Network, Recipe, Registry, Trainer, TrainingConfig,
    trainer::Progress,
};
use serde_json::json;

type Config = SequenceClassifierConfig<BertConfig>;

/// A handful of queries that the models' tests learn by heart.
pub(crate) fn queries() -> Vec<ExampleOf<Rerank>> {
    let query = |query: &str, documents: &[&str], target: &[f64]| Example {
        input: Shortlist::new(query, documents.iter().copied()),
        target: target.to_vec(),
    };
    vec![
        query("sun", &["it is bright and warm outside", "it purrs"], &[1.0, 0.0]),
        query("rain", &["take an umbrella"], &[1.0]),
        query(
            "how do I get to the railway station from here",
            &[
                "it purrs",
                "straight on, then left",
                "flour, water, salt and a little yeast, baked for an hour in a hot oven",
            ],
            &[0.0, 1.0, 0.0],
        ),
        query("bread", &["it is bright and warm outside", "flour, water, salt"], &[0.0, 1.0]),
        query("a cat", &["it purrs", "take an umbrella, straight on"], &[1.0, 0.0]),
    ]
}

/// A task whose words are those of the queries.
pub(crate) fn task() -> Rerank {
    let texts: Vec<String> = queries()
        .into_iter()
        .flat_map(|query| [vec![query.input.query], query.input.documents].concat())
        .collect();
    Rerank::new(tokenizer::word_piece(&texts, 400).unwrap(), 40)
}

fn config(task: &Rerank) -> Config {
    let config = BertConfig::new(task.tokenizer.n_tokens()).with_d_model(12).with_n_heads(3);
    let config = config.with_n_layers(2).with_d_hidden(10).with_max_length(40).with_dropout(0.0);
    Config::new(config, 1).with_dropout(0.0)
}

fn predictor(task: Rerank) -> Predictor<Rerank> {
    let device = Device::flex();
    let network = Network::init(config(&task), 3, &device).unwrap();
    Predictor::new(task, network, &device)
}

fn loss_of(task: &Rerank, queries: &[ExampleOf<Rerank>]) -> Loss {
    let predictor = predictor(task.clone());
    let model = &predictor.network::<Config>().unwrap().model;
    task.learn(model, task.batch(queries, &Device::flex()).unwrap())
}

/// The trial of a cross-encoder on `E` that starts from nothing.
fn keeps<E: HeadBase>(objective: Objective) {
    // A list of one document has nothing to choose.
    let is_taught =
        |query: &ExampleOf<Rerank>| objective == Objective::Pairs || query.target.len() > 1;
    let queries: Vec<_> = queries().into_iter().filter(is_taught).collect();
    let options = json!({"d_model": 12, "n_heads": 3, "n_layers": 2, "d_hidden": 10,
                         "n_tokens": 400, "max_length": 64, "dropout": 0.0,
                         "objective": objective});
    let (task, config): (Rerank, SequenceClassifierConfig<E>) =
        SequenceClassifierConfig::prepare(&options, &queries).unwrap();
    let contract = andiron_core::testing::Contract::new(task, config, queries);
    contract.overfits_in(200, 1e-2).check();
}

#[test]
fn networks_keep_the_contract() {
    keeps::<BertConfig>(Objective::Pairs);
    keeps::<BertConfig>(Objective::Lists);
    keeps::<DistilBertConfig>(Objective::Pairs);
    keeps::<RobertaConfig>(Objective::Pairs);
}

#[test]
fn the_relevant_documents_come_first_after_training() {
    let device = Device::flex();
    for objective in [Objective::Pairs, Objective::Lists] {
        let task = task().with_objective(objective);
        let network = Network::init(config(&task), 5, &device).unwrap();
        let before = Predictor::new(task.clone(), network.clone(), &device);
        let trainer = GradientTrainer::new(TrainingConfig::new(80).with_learning_rate(1e-2))
            .with_progress(Progress::Silent);
        let fitted = trainer.fit(task, network, &queries(), &Vec::new(), &device).unwrap();
        let ndcg = |predictor: &Predictor<Rerank>| {
            Rerank::evaluate(predictor, &queries()).unwrap().score("ndcg@10").unwrap().value
        };
        assert!(ndcg(&before) < 1.0, "{objective:?}");
        assert_eq!(ndcg(&fitted.predictor), 1.0, "{objective:?}");
    }
}

#[test]
fn the_losses_are_those_of_the_formulas() {
    let queries = queries();
    let scores: Vec<Vec<f32>> = {
        let inputs: Vec<Shortlist> = queries.iter().map(|query| query.input.clone()).collect();
        let answers = predictor(task()).predict(&inputs).unwrap();
        answers.into_iter().map(|answer| answer.scores).collect()
    };
    let (mut pairs, mut lists, mut n) = (0.0, 0.0, 0.0);
    for (query, scores) in queries.iter().zip(&scores) {
        let sum: f64 = scores.iter().map(|z| f64::from(*z).exp()).sum();
        let all: f64 = query.target.iter().sum();
        for (z, y) in scores.iter().zip(&query.target) {
            let (z, p) = (f64::from(*z), 1.0 / (1.0 + (-f64::from(*z)).exp()));
            pairs -= y * p.ln() + (1.0 - y) * (1.0 - p).ln();
            lists -= y / all * (z.exp() / sum).ln();
            n += 1.0;
        }
    }
    let got = loss_of(&task(), &queries);
    assert_eq!(got.count, 10);
    assert!((got.mean.into_scalar::<f64>() - pairs / n).abs() < 1e-5);
    let got = loss_of(&task().with_objective(Objective::Lists), &queries);
    assert_eq!(got.count, 5);
    assert!((got.mean.into_scalar::<f64>() - lists / 5.0).abs() < 1e-5);
}

#[test]
fn a_list_without_a_relevant_document_teaches_nothing() {
    let lists = task().with_objective(Objective::Lists);
    let mut queries = queries();
    let all = loss_of(&lists, &queries[2..]).mean.into_scalar::<f64>();
    queries[0].target = vec![0.0, 0.0];
    queries[1].target = vec![0.0];
    let loss = loss_of(&lists, &queries);
    assert_eq!(loss.count, 3);
    assert!((loss.mean.into_scalar::<f64>() - all).abs() < 1e-6);
    let none = loss_of(&lists, &queries[..2]);
    assert_eq!((none.count, none.weight, none.mean.into_scalar::<f32>()), (0, 0.0, 0.0));
}

#[test]
fn a_probability_is_the_sigmoid_of_the_logit() {
    let list = queries()[2].input.clone();
    let logits = predictor(task()).predict(std::slice::from_ref(&list)).unwrap().remove(0).scores;
    let shares = predictor(task().with_scale(ScoreScale::Probability));
    let shares = shares.predict(&[list]).unwrap().remove(0).scores;
    for (logit, share) in logits.iter().zip(shares) {
        assert!((1.0 / (1.0 + (-logit).exp()) - share).abs() < 1e-6);
    }
}

#[test]
fn a_bad_line_costs_only_its_own_place() {
    let long = "water ".repeat(50);
    let lines = [
        json!({"query": "bread", "documents": ["flour, water, salt", "it purrs"]}),
        json!({"query": "bread", "documents": ["it purrs", long]}),
        json!({"query": "bread", "documents": ["flour, water, salt", long], "truncate": true}),
        json!({"query": "bread", "documents": []}),
        json!({"query": " ", "documents": ["it purrs"]}),
        json!({"query": "bread", "documents": ["it purrs", "\n"]}),
        json!({"query": "bread"}),
    ];
    let raw: Vec<Raw<'_>> = lines.iter().map(Raw::Json).collect();
    let said: Vec<Result<Value, DataError>> = AnyPredictor::predict(&predictor(task()), &raw);
    let whole = said[0].clone().unwrap();
    assert_eq!(whole["scores"].as_array().unwrap().len(), 2);
    assert_eq!(whole.get("truncated"), None);
    match &said[1] {
        Err(DataError::Example { index: 1, name: Some(name), source }) => {
            assert_eq!(name, "document");
            let wanted = "the length of the text in tokens is ";
            assert!(source.to_string().starts_with(wanted), "{source}");
        }
        other => panic!("{other:?}"),
    }
    let cut = said[2].clone().unwrap();
    assert_eq!(cut["truncated"], json!(true));
    let near = cut["scores"][0].as_f64().unwrap() - whole["scores"][0].as_f64().unwrap();
    assert!(near.abs() < 1e-5, "a pair that fits is scored as ever");
    for (answer, wanted) in said[3..].iter().zip([
        "the list of documents is empty",
        "the query is empty",
        "documents[1] is empty",
        "field \"documents\" must be a list of texts, but is missing",
    ]) {
        assert_eq!(answer.as_ref().unwrap_err().to_string(), wanted);
    }
}

#[test]
fn training_data_that_cannot_be_used_is_named() {
    let said = |task: Rerank, target: &[f64]| {
        let mut queries = queries();
        queries[2].target = target.to_vec();
        match task.batch(&queries, &Device::flex()).map(|_| ()).unwrap_err() {
            DataError::Example { index: 2, source, .. } => match *source {
                DataError::Config(error) => error.to_string(),
                error => error.to_string(),
            },
            other => panic!("{other:?}"),
        }
    };
    let wanted = "documents and relevances must be equally many, but are 3 and 2";
    assert_eq!(said(task(), &[0.0, 1.0]), wanted);
    assert!(said(task(), &[0.0, f64::NAN, 1.0]).starts_with("the list of relevances holds NaN"));
    assert!(said(task(), &[0.0, -1.0, 1.0]).starts_with("the list of relevances holds -1"));
    let wanted = "a relevance must lie in 0..=1, but is 3";
    assert_eq!(said(task(), &[0.0, 3.0, 1.0]), wanted);
    // Grades have a meaning among others.
    let mut queries = queries();
    queries[2].target = vec![0.0, 3.0, 1.0];
    let lists = task().with_objective(Objective::Lists);
    assert!(lists.batch(&queries, &Device::flex()).is_ok());
}

#[test]
fn a_pair_is_cut_in_training_only() {
    let task = Rerank { max_length: 9, ..task() };
    let rows = task.batch(&queries(), &Device::flex()).unwrap();
    assert_eq!(rows.pairs.ids.dims(), [10, 9]);
    let segments: Vec<i32> = rows.pairs.segments.into_data().iter::<i32>().collect();
    assert!(segments.contains(&1), "the document is the second segment");
    let long = queries().remove(2).input;
    assert!(predictor(task).predict(&[long]).is_err());
}

#[test]
fn a_network_and_a_task_that_disagree_are_told() {
    let task = task();
    let config = config(&task);
    assert_eq!(config.fits(&task), Ok(()));
    let said = |config: &Config, task: &Rerank| config.fits(task).unwrap_err().to_string();
    let two = Config { n_classes: 2, ..config.clone() };
    assert_eq!(said(&two, &task), "the number of scores is 2 for the network, but 1 for the task");
    let long = Rerank { max_length: 41, ..task.clone() };
    assert_eq!(said(&config, &long), "the network's length must be at least 41, but is 40");
    let short = Rerank { max_length: 4, ..task.clone() };
    assert_eq!(said(&config, &short), "max_length must be at least 5, but is 4");
    let mut few = config.clone();
    few.encoder.n_tokens = 9;
    assert!(said(&few, &task).starts_with("the number of tokens must be at least "));
}

#[test]
fn options_are_read_or_refused() {
    let prepare = |options: Value| -> Result<(Rerank, Config), DataError> {
        Config::prepare(&options, &queries())
    };
    let options = json!({"objective": "lists", "scale": "probability", "n_layers": 1,
                         "max_length": 30, "dropout": 0.0});
    let (task, config) = prepare(options).unwrap();
    assert_eq!((task.objective, task.scale), (Objective::Lists, ScoreScale::Probability));
    assert_eq!((task.max_length, config.encoder.n_layers, config.dropout), (30, 1, 0.0));
    let said = |options: Value| match prepare(options).unwrap_err() {
        DataError::Config(error) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(said(json!({"losses": 1})).starts_with("there is no setting \"losses\""));
    assert!(said(json!({"objective": "all"})).starts_with("setting \"objective\" cannot be"));
    assert_eq!(said(json!({"max_length": 4})), "max_length must be at least 5, but is 4");
    let folder = tempfile::tempdir().unwrap();
    let base = json!({"base": folder.path(), "d_model": 5});
    assert_eq!(said(base), "setting \"d_model\" cannot be 5: the base decides it");
    let missing = prepare(json!({"base": folder.path()})).unwrap_err();
    assert!(matches!(missing, DataError::Base(_)), "{missing:?}");
}

#[test]
fn a_registry_loads_what_was_saved() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("bundle");
    let predictor = predictor(task());
    predictor.save(&dir).unwrap();
    let loaded = Registry::default().with(crate::TASKS).load(&dir, &Device::flex()).unwrap();
    assert_eq!((loaded.task(), loaded.architecture()), ("rerank", "bert"));
    let line = json!({"query": "bread", "documents": ["it purrs", "flour"]});
    let answer = loaded.predict(&[Raw::Json(&line)]).remove(0).unwrap();
    let direct = predictor.predict(&[Shortlist::new("bread", ["it purrs", "flour"])]).unwrap();
    assert_eq!(answer, serde_json::to_value(&direct[0]).unwrap());
    // As transformers and sentence-transformers have it too.
    let published = from_folder(&dir, &Device::flex()).unwrap();
    let again = published.predict(&[Shortlist::new("bread", ["it purrs", "flour"])]).unwrap();
    assert_eq!(again, direct);
}
