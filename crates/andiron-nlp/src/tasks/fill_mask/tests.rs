use super::*;
use andiron_core::{
    AnyPredictor, GradientTrainer, Network, Recipe, Registry, Trainer, TrainingConfig,
    trainer::Progress,
};
use andiron_kernels::training;
use serde_json::json;

type Config = MaskedLmConfig<BertConfig>;

fn task() -> FillMask {
    toy::task::<BertConfig>()
}

fn config(task: &FillMask) -> Config {
    let config = BertConfig::new(task.tokenizer.n_tokens()).with_d_model(24).with_n_heads(3);
    let config = config.with_n_layers(2).with_d_hidden(20).with_max_length(32);
    Config::new(config.with_dropout(0.0))
}

fn predictor(task: FillMask) -> Predictor<FillMask> {
    let device = Device::flex();
    let network = Network::init(config(&task), 3, &device).unwrap();
    Predictor::new(task, network, &device)
}

/// The texts of the models' tests without their gaps.
fn whole_texts() -> Vec<ExampleOf<FillMask>> {
    let whole = |text: String| Gap::from(text.replace("[MASK] ", ""));
    let texts = toy::examples::<BertConfig>().into_iter();
    texts
        .map(|text| andiron_core::Example { input: whole(text.input.text.text), target: () })
        .collect()
}

#[test]
fn hidden_words_are_found_after_training() {
    let (device, task, texts) = (Device::flex(), task(), whole_texts());
    let network = Network::init(config(&task), 5, &device).unwrap();
    let before = Predictor::new(task.clone(), network.clone(), &device);
    let before = FillMask::evaluate(&before, &texts).unwrap();
    let trainer = GradientTrainer::new(TrainingConfig::new(400).with_learning_rate(1e-2))
        .with_progress(Progress::Silent);
    let fitted = trainer.fit(task, network, &texts, &Vec::new(), &device).unwrap().predictor;
    let after = FillMask::evaluate(&fitted, &texts).unwrap();
    let loss = |report: &Report| report.score("loss").unwrap().value;
    assert!(loss(&after) < 0.5 * loss(&before), "{} and {}", loss(&before), loss(&after));
    let perplexity = after.score("perplexity").unwrap().value;
    assert!((perplexity - loss(&after).exp()).abs() < 1e-9);
    let difference = before.compare(&after).unwrap().loss_difference;
    assert!(difference.high < 0.0, "{difference:?}");
    let answer = fitted.predict(&[Gap::from("bread needs [MASK] water salt")]).unwrap().remove(0);
    assert_eq!(answer.candidates[0].token, "flour");
    assert_eq!(answer.candidates.len(), DEFAULT_TOP_K);
}

#[test]
fn candidates_fall_and_sum_to_one() {
    let predictor = predictor(task());
    let all = predictor.task().tokenizer.n_tokens();
    let gap = |top_k| Gap::from("bread [MASK] water").with_top_k(top_k);
    let answers = predictor.predict(&[gap(1), gap(3), gap(usize::MAX)]).unwrap();
    assert_eq!(answers.iter().map(|one| one.candidates.len()).collect::<Vec<_>>(), [1, 3, all]);
    let whole = &answers[2].candidates;
    assert!(whole.is_sorted_by(|a, b| a.score >= b.score));
    let sum: f32 = whole.iter().map(|one| one.score).sum();
    assert!((sum - 1.0).abs() < 1e-5, "{sum}");
    let tokens = |answer: &[Candidate]| -> Vec<String> {
        answer.iter().map(|one| one.token.clone()).collect()
    };
    assert_eq!(tokens(&answers[1].candidates), tokens(&whole[..3]));
}

#[test]
fn the_loss_is_that_of_the_formula() {
    let task = task();
    let predictor = predictor(task.clone());
    let model = &predictor.network::<Config>().unwrap().model;
    let texts = toy::examples::<BertConfig>();
    let batch = task.batch(&texts, &Device::flex()).unwrap();
    let hidden = batch.rows.hide(task.share, |_, ids| seed_of(OUTSIDE, ids));
    let (tokens, truth) = batch.rows.picked(&hidden, &batch.device);
    let logits: Vec<f32> = model.forward(tokens).into_data().iter::<f32>().collect();
    let width = task.tokenizer.n_tokens();
    let surprise = |(row, truth): (&[f32], &i32)| {
        let sum: f64 = row.iter().map(|z| f64::from(*z).exp()).sum();
        -(f64::from(row[*truth as usize]).exp() / sum).ln()
    };
    let wanted = logits.chunks(width).zip(&truth).map(surprise).sum::<f64>() / truth.len() as f64;
    let loss = task.learn(model, batch);
    assert_eq!(loss.count, truth.len());
    assert!((loss.mean.into_scalar::<f64>() - wanted).abs() < 1e-4);
    // The evaluator says the same of the same words.
    let report = FillMask::evaluate(&predictor, &texts).unwrap();
    assert!((report.score("loss").unwrap().value - wanted).abs() < 1e-4);
    let sum: f64 = report
        .outcomes
        .iter()
        .zip(&hidden)
        .map(|(outcome, row)| outcome.loss * row.truth.len() as f64)
        .sum();
    assert!((sum / truth.len() as f64 - wanted).abs() < 1e-4);
}

#[test]
fn other_words_are_hidden_at_every_step_and_the_same_outside() {
    let task = task();
    let predictor = predictor(task.clone());
    let model = &predictor.network::<Config>().unwrap().model;
    let texts = toy::examples::<BertConfig>();
    let of = |seed: Option<u64>| {
        let batch = task.batch(&texts, &Device::flex()).unwrap();
        let learn = || task.learn(model, batch).mean.into_scalar::<f32>();
        match seed {
            Some(seed) => training(seed, learn),
            None => learn(),
        }
    };
    assert_eq!(of(Some(1)), of(Some(1)));
    assert_ne!(of(Some(1)), of(Some(2)));
    assert_eq!(of(None), of(None));
    // Outside training a text's words do not depend on its neighbours.
    let rows = task.rows(&texts).unwrap();
    let whole = rows.hide(task.share, |_, ids| seed_of(OUTSIDE, ids));
    let alone = task.rows(&texts[3..4]).unwrap().hide(task.share, |_, ids| seed_of(OUTSIDE, ids));
    assert_eq!(alone[0], whole[3]);
}

#[test]
fn special_tokens_are_never_hidden() {
    let task = task().with_share(1.0);
    let rows = task.rows(&toy::examples::<BertConfig>()).unwrap();
    let special = task.tokenizer.special();
    for (hidden, text) in rows.hide(1.0, |at, _| at as u64).iter().zip(&rows.texts) {
        assert!(hidden.truth.iter().all(|id| !special.contains(id)));
        let words = text.ids.iter().filter(|id| !special.contains(id));
        assert_eq!(hidden.truth.len(), words.count());
    }
    let only = [andiron_core::Example { input: Gap::from("[MASK] [SEP]"), target: () }];
    let refused = task.batch(&only, &Device::flex()).map(|_| ()).unwrap_err();
    let DataError::Example { index: 0, source, .. } = refused else { panic!("{refused:?}") };
    assert_eq!(source.to_string(), "the list of words to hide is empty");
    // An unknown word is a word.
    let unknown = [andiron_core::Example { input: Gap::from("日本"), target: () }];
    assert_eq!(task.rows(&unknown).unwrap().texts[0].candidates.len(), 2);
}

#[test]
fn a_bad_line_costs_only_its_own_place() {
    let long = "water ".repeat(40);
    let lines = [
        json!({"text": "bread [MASK] water", "top_k": 2}),
        json!({"text": "bread and water"}),
        json!({"text": "[MASK] and [MASK] and [MASK]"}),
        json!({"text": format!("bread [MASK] {long}")}),
        json!({"text": format!("bread [MASK] {long}"), "truncate": true}),
        json!({"text": format!("bread {long} [MASK]"), "truncate": true}),
        json!({"text": " "}),
    ];
    let raw: Vec<Raw<'_>> = lines.iter().map(Raw::Json).collect();
    let answers = AnyPredictor::predict(&predictor(task()), &raw);
    let said: Vec<Result<Value, String>> =
        answers.into_iter().map(|answer| answer.map_err(|error| error.to_string())).collect();
    let whole = said[0].clone().unwrap();
    assert_eq!(whole["candidates"].as_array().unwrap().len(), 2);
    assert!(whole["candidates"][0]["token"].is_string() && whole.get("truncated").is_none());
    let wanted = "field \"text\" must be a text with exactly one mask token, but is ";
    assert_eq!(said[1], Err(format!("{wanted}one without \"[MASK]\"")));
    assert_eq!(said[2], Err(format!("{wanted}one with 3 of \"[MASK]\"")));
    assert!(said[3].clone().unwrap_err().contains("which is over the limit of 32"));
    assert_eq!(said[4].clone().unwrap()["truncated"], json!(true));
    assert_eq!(said[5], Err(format!("{wanted}one without \"[MASK]\" in what is left of it")));
    assert_eq!(said[6], Err("the text is empty".into()));
}

#[test]
fn a_network_and_a_task_that_disagree_are_told() {
    let task = task();
    let config = config(&task);
    assert_eq!(config.fits(&task), Ok(()));
    let said = |task: FillMask| config.fits(&task).unwrap_err().to_string();
    let wanted = "the network's length must be at least 33, but is 32";
    assert_eq!(said(FillMask { max_length: 33, ..task.clone() }), wanted);
    let wanted = "max_length must be at least 3, but is 2";
    assert_eq!(said(FillMask { max_length: 2, ..task.clone() }), wanted);
    assert_eq!(said(task.clone().with_share(1.5)), "share must lie in 0..=1, but is 1.5");
    let wanted = "setting \"mask\" cannot be \"<gap>\": the tokenizer has no such token";
    assert_eq!(said(FillMask { mask: "<gap>".to_owned(), ..task.clone() }), wanted);
    assert_eq!(FillMask::new(task.tokenizer, 9, "<gap>").unwrap_err().to_string(), wanted);
}

#[test]
fn options_are_read_or_refused() {
    let texts = toy::examples::<BertConfig>();
    let prepare = |options: Value| Config::prepare(&options, &texts);
    let (task, config) = prepare(json!({"share": 0.3, "n_layers": 1, "max_length": 20})).unwrap();
    assert_eq!((task.share, task.max_length, task.mask.as_str()), (0.3, 20, "[MASK]"));
    assert_eq!((config.encoder.n_layers, config.encoder.max_length), (1, 20));
    let said = |options: Value| match prepare(options).unwrap_err() {
        DataError::Config(error) => error.to_string(),
        other => panic!("{other:?}"),
    };
    assert!(said(json!({"shares": 1})).starts_with("there is no setting \"shares\""));
    assert_eq!(said(json!({"share": 2})), "share must lie in 0..=1, but is 2");
    assert_eq!(said(json!({"max_length": 2})), "max_length must be at least 3, but is 2");
}

#[test]
fn what_cannot_be_measured_is_named() {
    let predictor = predictor(task());
    let mut texts = toy::examples::<BertConfig>();
    texts[2].input = " ".into();
    let refused = FillMask::evaluate(&predictor, &texts).unwrap_err();
    assert!(matches!(refused, EvalError::Data(DataError::Example { index: 2, .. })), "{refused:?}");
    assert!(FillMask::evaluate(&predictor, &Vec::new()).is_err());
}

#[test]
fn a_registry_loads_what_was_saved() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("bundle");
    let predictor = predictor(task());
    predictor.save(&dir).unwrap();
    let loaded = Registry::default().with(crate::TASKS).load(&dir, &Device::flex()).unwrap();
    assert_eq!((loaded.task(), loaded.architecture()), ("fill-mask", "bert"));
    let line = json!({"text": "bread [MASK] water"});
    let answer = loaded.predict(&[Raw::Json(&line)]).remove(0).unwrap();
    let direct = predictor.predict(&["bread [MASK] water".into()]).unwrap();
    assert_eq!(answer, serde_json::to_value(&direct[0]).unwrap());
    // As transformers has it too.
    let published = from_folder(&dir, &Device::flex()).unwrap();
    assert_eq!(published.predict(&["bread [MASK] water".into()]).unwrap(), direct);
}
