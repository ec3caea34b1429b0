//! Token classifiers that go to Python and come back: `scripts/interchange` runs the first test, then
//! its Python half, then the second. Without the folder that it names in `ANDIRON_INTERCHANGE`, both
//! are left out, and say so.

use crate::differences::furthest;
use andiron_core::{
    Example, GradientTrainer, Model, ModelConfig, Predictor, Recipe as _, Solve, Trainer as _,
    TrainingConfig, device, testing, trainer::Progress,
};
use andiron_nlp::{
    batch::TokenBatch,
    models::{
        bert::BertConfig, distilbert::DistilBertConfig, roberta::RobertaConfig,
        token_classifier::TokenClassifierConfig,
    },
    published_head::HeadBase,
    tasks::token_classification::{Pieces, Span, TokenClassification, from_folder},
    text::Text,
};
use burn::tensor::Tensor;
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

const TEXTS: [&str; 3] = ["Ana", "Zoë Smith went from São Paulo to New York", "no name in here"];

type Net<E> = <TokenClassifierConfig<E> as ModelConfig>::Model;

fn folder() -> Option<PathBuf> {
    let folder = std::env::var_os("ANDIRON_INTERCHANGE").map(PathBuf::from);
    if folder.is_none() {
        println!("left out: scripts/interchange sets ANDIRON_INTERCHANGE and brings Python");
    }
    folder
}

fn ids(predictor: &Predictor<TokenClassification>) -> Vec<Vec<u32>> {
    let Pieces::Tokens(tokens) = &predictor.task().pieces else { panic!("it has a tokenizer") };
    let encode = |text: &&str| tokens.tokenizer.encode(&Text::from(*text), 99, false).unwrap().ids;
    TEXTS.iter().map(encode).collect()
}

/// The logits of each text, token after token.
fn logits<E: HeadBase>(predictor: &Predictor<TokenClassification>) -> Vec<Vec<f32>>
where
    Net<E>: Model<Input = TokenBatch, Output = Tensor<3>>,
{
    let model = &predictor.network::<TokenClassifierConfig<E>>().unwrap().model;
    let of = |ids: &Vec<u32>| {
        let batch = TokenBatch::of(std::slice::from_ref(ids), &[], &device("flex").unwrap());
        model.forward(batch).into_data().iter::<f32>().collect()
    };
    ids(predictor).iter().map(of).collect()
}

fn write<E: HeadBase>(folder: &Path, name: &str, options: &Value)
where
    TokenClassification: Solve<Net<E>>,
    Net<E>: Model<Input = TokenBatch, Output = Tensor<3>>,
{
    let flex = device("flex").unwrap();
    let span = |label: &str, start, end| Span { label: label.to_owned(), start, end };
    let truth = [
        vec![span("PER", 0, 3)],
        vec![span("PER", 0, 9), span("LOC", 20, 29), span("LOC", 33, 41)],
        Vec::new(),
    ];
    let train: Vec<_> = TEXTS
        .iter()
        .zip(truth)
        .map(|(text, target)| Example { input: Text::from(*text), target })
        .collect();
    let (task, config) = TokenClassifierConfig::<E>::prepare(options, &train).unwrap();
    let network = config.start(&task, options, 3, &flex).unwrap();
    let settings = TrainingConfig::new(30).with_learning_rate(1e-2);
    let trainer = GradientTrainer::new(settings).with_progress(Progress::Silent);
    let fitted = trainer.fit(task, network, &train, &Vec::new(), &flex).unwrap();
    let predictor = fitted.predictor;
    predictor.save(folder.join(name)).unwrap();
    let answers = predictor.predict(&TEXTS.map(Text::from)).unwrap();
    let said = json!({
        "texts": TEXTS, "ids": ids(&predictor), "logits": logits::<E>(&predictor),
        "answers": answers
    });
    fs::write(folder.join(format!("{name}.json")), said.to_string()).unwrap();
}

#[test]
fn token_classifiers_are_written() {
    let Some(folder) = folder() else { return };
    let small = json!({
        "n_tokens": 300, "d_model": 12, "n_heads": 3, "n_layers": 2, "d_hidden": 10, "max_length": 99
    });
    write::<BertConfig>(&folder, "tokens-bert", &small);
    write::<DistilBertConfig>(&folder, "tokens-distilbert", &small);
    write::<RobertaConfig>(&folder, "tokens-roberta", &small);
    // Factors on what was trained before; PEFT reads them, nothing here does.
    let lora =
        json!({"base": folder.join("tokens-bert"), "adaptation": {"kind": "lora", "rank": 3}});
    write::<BertConfig>(&folder, "tokens-bert-lora", &lora);
}

fn read_back<E: HeadBase>(folder: &Path, name: &str)
where
    Net<E>: Model<Input = TokenBatch, Output = Tensor<3>>,
{
    let said = fs::read_to_string(folder.join(format!("{name}-back.json"))).unwrap();
    let said: Value = serde_json::from_str(&said).unwrap();
    let wanted: Vec<Vec<f32>> = serde_json::from_value(said["logits"].clone()).unwrap();
    let predictor =
        from_folder(folder.join(format!("{name}-back")), &device("flex").unwrap()).unwrap();
    let got = logits::<E>(&predictor);
    assert_eq!(got.len(), wanted.len());
    for (got, wanted) in got.iter().zip(&wanted) {
        let worst = furthest(got, wanted);
        assert!(worst <= 1e-4, "{name}: off by {worst}");
    }
    testing::record(
        "interchange",
        &format!("token-classification: {name}"),
        "trained here, read, trained on and saved by transformers, and read back with equal logits",
    );
}

#[test]
fn token_classifiers_are_read_back() {
    let Some(folder) = folder() else { return };
    read_back::<BertConfig>(&folder, "tokens-bert");
    read_back::<DistilBertConfig>(&folder, "tokens-distilbert");
    read_back::<RobertaConfig>(&folder, "tokens-roberta");
}
