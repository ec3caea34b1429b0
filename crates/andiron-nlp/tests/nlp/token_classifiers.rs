//! Published token classifiers against transformers, and back; numbers by
//! `scripts/golden/token_classifiers.py`.

use crate::differences::furthest;
use andiron_core::{
    DataError, Example, ModelConfig, Network, Predictor, Recipe, Solve, device, testing, weights,
};
use andiron_nlp::{
    batch::TokenBatch,
    models::{
        bert::BertConfig, distilbert::DistilBertConfig, roberta::RobertaConfig,
        token_classifier::TokenClassifierConfig,
    },
    published::PublishedError,
    published_head::HeadBase,
    tags::Aggregation,
    tasks::token_classification::{self, Pieces, Span, TokenClassification},
    text::Text,
};
use burn::tensor::Tensor;
use serde_json::{Value, json};
use std::{
    error::Error as _,
    fs,
    path::{Path, PathBuf},
};

type Model<E> = <TokenClassifierConfig<E> as ModelConfig>::Model;

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/token_classifiers").join(name)
}

fn case(name: &str) -> Value {
    serde_json::from_str(&fs::read_to_string(folder(name).join("case.json")).unwrap()).unwrap()
}

fn read<V: serde::de::DeserializeOwned>(value: &Value) -> V {
    serde_json::from_value(value.clone()).unwrap()
}

fn load(name: &str) -> Predictor<TokenClassification> {
    token_classification::from_folder(folder(name), &device("flex").unwrap()).unwrap()
}

/// The same predictor with another agreement of a word's pieces.
fn with<E: HeadBase>(
    predictor: &Predictor<TokenClassification>,
    aggregation: Aggregation,
) -> Predictor<TokenClassification>
where
    TokenClassifierConfig<E>: Recipe<TokenClassification>,
    TokenClassification: Solve<Model<E>>,
{
    let network = predictor.network::<TokenClassifierConfig<E>>().unwrap().clone();
    let task = predictor.task().clone().with_aggregation(aggregation);
    Predictor::new(task, network, &device("flex").unwrap())
}

/// Logits of texts in one batch, text after text without the padding.
fn logits<M>(model: &M, texts: &[Vec<u32>]) -> Vec<f32>
where
    M: andiron_core::Model<Input = TokenBatch, Output = Tensor<3>>,
{
    let scores = model.forward(TokenBatch::of(texts, &[], &device("flex").unwrap()));
    let [batch, length, classes] = scores.dims();
    assert_eq!((batch, classes), (texts.len(), 5));
    let values: Vec<f32> = scores.into_data().iter::<f32>().collect();
    let rows = values.chunks(length * classes).zip(texts);
    rows.flat_map(|(row, text)| row[..text.len() * classes].to_vec()).collect()
}

fn agrees<E: HeadBase>(name: &str)
where
    TokenClassifierConfig<E>: Recipe<TokenClassification>,
    TokenClassification: Solve<Model<E>>,
    Model<E>: andiron_core::Model<Input = TokenBatch, Output = Tensor<3>>,
{
    let case = case(name);
    let (texts, ids): (Vec<String>, Vec<Vec<u32>>) = (read(&case["texts"]), read(&case["ids"]));
    let predictor = load(name);
    let Pieces::Tokens(tokens) = &predictor.task().pieces else { panic!("it has a tokenizer") };
    for (text, ids) in texts.iter().zip(&ids) {
        assert_eq!(tokens.tokenizer.encode(&text.as_str().into(), 130, false).unwrap().ids, *ids);
    }
    let model = &predictor.network::<TokenClassifierConfig<E>>().unwrap().model;
    let wanted: Vec<f32> = read(&case["logits"]);
    let alone: Vec<f32> =
        ids.iter().flat_map(|ids| logits(model, std::slice::from_ref(ids))).collect();
    for got in [logits(model, &ids), alone] {
        let worst = furthest(&got, &wanted);
        println!("{name}: logits off by {worst:e} at the most");
        assert!(worst <= 1e-4, "{name}: off by {worst}");
    }
    let mut found = 0;
    for aggregation in
        [Aggregation::Simple, Aggregation::First, Aggregation::Average, Aggregation::Max]
    {
        let strategy = serde_json::to_value(aggregation).unwrap();
        let wanted: Vec<Vec<(String, usize, usize, f32)>> =
            read(&case["entities"][strategy.as_str().unwrap()]);
        let predictor = with::<E>(&predictor, aggregation);
        let inputs: Vec<Text> = texts.iter().map(|text| Text::from(text.as_str())).collect();
        for (text, (answer, wanted)) in
            texts.iter().zip(predictor.predict(&inputs).unwrap().iter().zip(&wanted))
        {
            let spans: Vec<Span> = wanted
                .iter()
                .map(|(label, start, end, _)| Span {
                    label: label.clone(),
                    start: *start,
                    end: *end,
                })
                .collect();
            assert_eq!(answer.spans(), spans, "{name}, {strategy}: {text}");
            for (entity, (_, _, _, score)) in answer.entities.iter().zip(wanted) {
                assert!(
                    (entity.score - score).abs() <= 1e-4,
                    "{name}, {strategy}: {entity:?} {score}"
                );
            }
            found += wanted.len();
        }
    }
    assert!(found > 100, "only {found} entities compared");
    let what = format!(
        "logits of {} texts, padded and alone, and {found} entities by 4 aggregations equal transformers'",
        texts.len()
    );
    testing::record("golden", &format!("token-classification: {name}"), &what);
}

#[test]
fn bert_is_transformers() {
    agrees::<BertConfig>("bert");
}

#[test]
fn distilbert_is_transformers() {
    agrees::<DistilBertConfig>("distilbert");
}

#[test]
fn roberta_is_transformers() {
    agrees::<RobertaConfig>("roberta");
}

#[test]
fn xlm_roberta_is_transformers() {
    agrees::<RobertaConfig>("xlm_roberta");
}

/// Saves a published network as a bundle, and compares its weights and description with the
/// folder's, since that is what transformers reads.
#[test]
fn a_bundle_is_what_transformers_wrote() {
    for name in ["bert", "distilbert", "roberta"] {
        let dir = tempfile::tempdir().unwrap();
        let bundle = dir.path().join("bundle");
        let predictor = load(name);
        predictor.save(&bundle).unwrap();
        let bytes = |dir: &Path| fs::read(dir.join("model.safetensors")).unwrap();
        let (theirs, ours) = (bytes(&folder(name)), bytes(&bundle));
        let theirs = safetensors::SafeTensors::deserialize(&theirs).unwrap();
        let ours = safetensors::SafeTensors::deserialize(&ours).unwrap();
        assert!(ours.len() > 20);
        for (tensor, view) in ours.tensors() {
            assert_eq!(theirs.tensor(&tensor).unwrap().data(), view.data(), "{name}: {tensor}");
        }
        let missing: Vec<String> = theirs
            .names()
            .iter()
            .filter(|own| ours.tensor(own).is_err())
            .map(|own| (*own).to_string())
            .collect();
        assert!(missing.is_empty(), "{name}: {missing:?}");
        let json = |dir: &Path, file: &str| -> Value {
            serde_json::from_slice(&fs::read(dir.join(file)).unwrap()).unwrap()
        };
        let (theirs, ours) = (json(&folder(name), "config.json"), json(&bundle, "config.json"));
        for field in ["architectures", "model_type", "id2label", "label2id", "vocab_size"] {
            assert_eq!(ours[field], theirs[field], "{name}: {field}");
        }
        assert_eq!(
            json(&bundle, "tokenizer.json")["model"],
            json(&folder(name), "tokenizer.json")["model"]
        );
        // The home's files load here too, and answer alike.
        let again = token_classification::from_folder(&bundle, &device("flex").unwrap()).unwrap();
        let text = [Text::from("Zoë Smith went from São Paulo to New York")];
        assert_eq!(again.predict(&text).unwrap(), predictor.predict(&text).unwrap());
    }
}

/// Copies a golden folder with some fields of its `config.json` replaced.
fn edited(name: &str, fields: Value) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in ["model.safetensors", "tokenizer.json"] {
        fs::copy(folder(name).join(file), copy.path().join(file)).unwrap();
    }
    let text = fs::read_to_string(folder(name).join("config.json")).unwrap();
    let mut config: Value = serde_json::from_str(&text).unwrap();
    for (field, value) in fields.as_object().unwrap() {
        config[field] = value.clone();
    }
    fs::write(copy.path().join("config.json"), config.to_string()).unwrap();
    copy
}

#[test]
fn a_folder_that_cannot_be_used_is_refused_by_name() {
    let refused = |fields: Value| {
        let copy = edited("bert", fields);
        let error =
            token_classification::from_folder(copy.path(), &device("flex").unwrap()).unwrap_err();
        let cause = error.source().map(ToString::to_string).unwrap_or_default();
        (error, cause)
    };
    for labels in [json!(null), json!({}), json!({"0": "O", "2": "B-a"}), json!({"0": 1})] {
        let (error, cause) = refused(json!({"id2label": labels}));
        assert!(matches!(error, PublishedError::Config { .. }), "{error:?}");
        assert!(cause.starts_with("setting \"id2label\" cannot be "), "{cause}");
    }
    let (_, cause) = refused(json!({"id2label": {"0": "O"}}));
    assert!(cause.contains("must be at least 2, but is 1"), "{cause}");
    let (error, _) = refused(json!({"id2label": {"0": "O", "1": "B-a", "2": "I-a"}}));
    assert!(matches!(error, PublishedError::Weights(_)), "{error:?}");
    let (error, _) = refused(json!({"model_type": "mpnet"}));
    assert!(matches!(error, PublishedError::UnknownModel { .. }), "{error:?}");
    let (error, _) = refused(json!({"vocab_size": 9}));
    assert!(matches!(error, PublishedError::Vocabulary { .. }), "{error:?}");
}

fn sentences() -> Vec<Example<Text, Vec<Span>>> {
    let span = |label: &str, start, end| Span { label: label.to_owned(), start, end };
    [("Ana in Berlin", vec![span("PER", 0, 3), span("LOC", 7, 13)]), ("no name here", Vec::new())]
        .map(|(text, target)| Example { input: text.into(), target })
        .to_vec()
}

type Bert = TokenClassifierConfig<BertConfig>;

#[test]
fn training_starts_from_a_published_folder() {
    let flex = device("flex").unwrap();
    let text = [Text::from("Zoë Smith went from São Paulo")];
    // The base knows all the labels: its head is kept, and their order with it.
    let options = json!({"base": folder("bert"), "max_length": 60});
    let (task, config) = Bert::prepare(&options, &sentences()).unwrap();
    assert_eq!(task.labels, ["B-LOC", "O", "I-LOC", "B-PER", "I-PER"]);
    let network = config.start(&task, &options, 1, &flex).unwrap();
    let started = Predictor::new(task, network, &flex);
    assert_eq!(started.predict(&text).unwrap(), load("bert").predict(&text).unwrap());
    // It does not: the encoder's weights are kept, and the head is drawn.
    let mut other = sentences();
    other[0].target[1].label = "CITY".to_owned();
    let (task, config) = Bert::prepare(&options, &other).unwrap();
    assert_eq!(task.labels, ["O", "B-CITY", "I-CITY", "B-PER", "I-PER"]);
    let network = config.start(&task, &options, 1, &flex).unwrap();
    let published = load("bert");
    let theirs = &published.network::<Bert>().unwrap();
    let of = |network: &Network<Bert>| {
        weights::some_to_bytes(&network.config, &network.model, |name| Some(name.to_owned()))
    };
    let (ours, theirs) = (of(&network), of(theirs));
    let ours = safetensors::SafeTensors::deserialize(&ours).unwrap();
    let theirs = safetensors::SafeTensors::deserialize(&theirs).unwrap();
    for (name, view) in ours.tensors() {
        let same = theirs.tensor(&name).unwrap().data() == view.data();
        assert_eq!(same, !name.starts_with("classifier."), "{name}");
    }
    // What a base decides is not to be said, and what it cannot take is refused.
    for (options, wanted) in [
        (json!({"base": folder("bert"), "n_layers": 3}), "setting \"n_layers\" cannot be 3"),
        (
            json!({"base": folder("bert"), "max_length": 131}),
            "the network's length must be at least 131",
        ),
        (json!({"base": folder("bert"), "max_length": 2}), "max_length must be at least 3"),
        (json!({"max_length": 0}), "max_length must be at least"),
    ] {
        match Bert::prepare(&options, &sentences()) {
            Err(DataError::Config(error)) => {
                assert!(error.to_string().starts_with(wanted), "{error}, not {wanted}");
            }
            other => panic!("{:?}", other.map(|_| ())),
        }
    }
    let nowhere = json!({"base": folder("nowhere")});
    let refused = Bert::prepare(&nowhere, &sentences()).map(|_| ()).unwrap_err();
    assert!(matches!(refused, DataError::Base(_)), "{refused:?}");
    let wrong = json!({"base": folder("roberta")});
    assert!(Bert::prepare(&wrong, &sentences()).is_err());
}
