use super::*;
use crate::chat::Message;
use andiron_core::{Example, GradientTrainer, Network, Recipe, Registry};
use andiron_core::{Trainer as _, TrainingConfig, trainer::Progress};
use serde_json::json;
use std::ops::ControlFlow;

fn options() -> Value {
    json!({
        "n_tokens": 280, "d_model": 12, "n_heads": 3, "n_layers": 2, "d_hidden": 20,
        "max_length": 40, "dropout": 0.0
    })
}

fn predictor() -> Predictor<TextGeneration> {
    let device = Device::flex();
    let (task, config) = LlamaConfig::prepare(&options(), &toy::examples()).unwrap();
    Predictor::new(task, Network::init(config, 3, &device).unwrap(), &device)
}

/// A network that has learnt the toy texts by heart.
fn learnt() -> Predictor<TextGeneration> {
    let device = Device::flex();
    let examples = toy::examples();
    let (task, config) = LlamaConfig::prepare(&options(), &examples).unwrap();
    let network = Network::init(config, 3, &device).unwrap();
    let training = TrainingConfig::new(120).with_learning_rate(2e-2).with_batch_size(4);
    let trainer = GradientTrainer::new(training).with_progress(Progress::Silent);
    trainer.fit(task, network, &examples, &Vec::new(), &device).unwrap().predictor
}

fn long(prompt: &str) -> Request {
    Request::from(prompt).with(Sampling { max_tokens: Some(25), ..Default::default() })
}

#[test]
fn what_was_learnt_is_written_until_its_end() {
    let predictor = learnt();
    let answers = predictor.predict(&[long("the sea"), long("a")]).unwrap();
    let said: Vec<(&str, FinishReason)> =
        answers.iter().map(|answer| (answer.text.as_str(), answer.finish_reason)).collect();
    let wanted = [" is deep and blue", " hill"].map(|text| (text, FinishReason::Stop));
    assert_eq!(said, wanted);
    let usage = answers[1].usage;
    assert_eq!(usage.total_tokens, usage.prompt_tokens + usage.completion_tokens);

    let stop = Sampling { stop: vec!["and".into(), "p an".into()], ..Default::default() };
    let cut = predictor.predict(&[Request::from("the sea").with(stop)]).unwrap();
    assert_eq!((cut[0].text.as_str(), cut[0].finish_reason), (" is dee", FinishReason::Stop));

    let short = Sampling { max_tokens: Some(1), ..Default::default() };
    let cut = predictor.predict(&[Request::from("the sea").with(short)]).unwrap();
    assert_eq!((cut[0].finish_reason, cut[0].usage.completion_tokens), (FinishReason::Length, 1));

    let report = TextGeneration::evaluate(&predictor, &toy::examples()).unwrap();
    let score = report.score("perplexity").unwrap();
    assert!((1.0..3.0).contains(&score.value) && score.low <= score.value, "{report}");
    assert!(report.score("bits_per_byte").unwrap().value > 0.0);
}

#[test]
fn a_batch_is_written_as_one_by_one() {
    let predictor = predictor();
    let mut requests = Vec::new();
    for (at, prompt) in
        ["the sea", "x", "some days are long and", "É", "a b"].into_iter().enumerate()
    {
        for temperature in [0.0, 1.0] {
            let sampling = Sampling {
                max_tokens: Some(3 + 2 * at),
                temperature,
                top_p: 0.95,
                seed: at as u64,
                repetition_penalty: 1.1,
                ..Default::default()
            };
            requests.push(Request::from(prompt).with(sampling));
        }
    }
    let together = predictor.predict(&requests).unwrap();
    for (request, wanted) in requests.iter().zip(&together) {
        let alone = predictor.predict(std::slice::from_ref(request)).unwrap();
        assert_eq!(&alone[0], wanted);
    }
    let again = predictor.predict(&requests).unwrap();
    assert_eq!(again, together, "one seed, one text");
    let other = requests[1].clone();
    let seeds = (0..4).map(|seed| {
        other.clone().with(Sampling {
            seed,
            max_tokens: Some(9),
            temperature: 1.0,
            ..Default::default()
        })
    });
    let texts = predictor.predict(&seeds.collect::<Vec<_>>()).unwrap();
    assert!(texts.iter().any(|text| text.text != texts[0].text), "{texts:?}");
}

#[test]
fn rows_that_do_not_fit_together_are_written_apart() {
    let predictor = predictor();
    // 30 tokens of a prompt and 4 more; 1 token and 38 more: 40 is the limit for each.
    let prompt = "qwertyuiopasdfghjklzxcvbnmqwer";
    let few = Request::from(prompt).with(Sampling { max_tokens: Some(4), ..Default::default() });
    let many = Request::from("x").with(Sampling { max_tokens: Some(38), ..Default::default() });
    let answers = predictor.predict(&[few.clone(), many.clone(), few]).unwrap();
    assert_eq!(answers[0], answers[2]);
    assert_eq!(answers[1], predictor.predict(&[many]).unwrap()[0]);
}

#[test]
fn pieces_make_up_the_text() {
    let predictor = predictor();
    let network = predictor.network::<LlamaConfig>().unwrap();
    let sampling =
        Sampling { temperature: 1.5, max_tokens: Some(30), seed: 4, ..Default::default() };
    let requests = ["é", "some"].map(|prompt| Request::from(prompt).with(sampling.clone()));
    let mut texts = [String::new(), String::new()];
    let mut listen = |at: usize, piece: &str| {
        assert!(!piece.is_empty());
        texts[at] += piece;
        ControlFlow::Continue(())
    };
    let task = predictor.task();
    let whole = task.generate(&network.model, &requests, &Device::flex(), &mut listen).unwrap();
    assert_eq!(texts.as_slice(), whole.iter().map(|one| one.text.as_str()).collect::<Vec<_>>());

    let mut count = 0;
    let mut first = |at: usize, _: &str| {
        count += usize::from(at == 0);
        if at == 0 { ControlFlow::Break(()) } else { ControlFlow::Continue(()) }
    };
    let cut = task.generate(&network.model, &requests, &Device::flex(), &mut first).unwrap();
    assert_eq!((count, cut[0].finish_reason), (1, FinishReason::Cancelled));
    assert_eq!(cut[1], whole[1]);
}

#[test]
fn requests_that_cannot_be_answered_cost_only_their_own_place() {
    let predictor = predictor();
    let many = "x".repeat(50_000);
    let lines = [
        json!({"prompt": "the sea", "max_tokens": 2}),
        json!({"prompt": "q w e r t y u i o p a s d f g h j k l z x c v b n m"}),
        json!({"prompt": "x", "max_tokens": 40}),
        json!({"prompt": ""}),
        json!({"prompt": many}),
        json!({"messages": [{"role": "user", "content": "x"}]}),
        json!({"messages": []}),
        json!({"messages": [{"role": "user"}]}),
        json!({"text": "x"}),
    ];
    let raw: Vec<Raw<'_>> = lines.iter().map(Raw::Json).collect();
    let said: Vec<Result<Value, String>> = andiron_core::AnyPredictor::predict(&predictor, &raw)
        .into_iter()
        .map(|answer| answer.map_err(|error| error.to_string()))
        .collect();
    let answer = said[0].clone().unwrap();
    assert_eq!(answer["usage"]["completion_tokens"], 2);
    assert!(answer["text"].is_string() && answer["finish_reason"].is_string());
    for (said, wanted) in said[1..].iter().zip([
        "the length of the prompt in tokens is 49, which is over the limit of 39",
        "the length of the prompt with max_tokens is 41, which is over the limit of 40",
        "the prompt is empty",
        "the length of the prompt in bytes is 50000, which is over the limit of 40960",
        "a prompt was wanted, but the input is a conversation",
        "the list of messages is empty",
        "field \"messages\" must be a list of objects",
        "field \"prompt\" must be a text, but is missing",
    ]) {
        let said = said.clone().unwrap_err();
        assert!(said.starts_with(wanted), "{said}");
    }
}

#[test]
fn a_conversation_is_one_text() {
    let task = predictor().task().clone();
    let source = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}[assistant]";
    let task = task.with_chat_template(ChatTemplate::new(source).unwrap());
    let chat = Request::chat([Message::new("user", "the sea")]);
    assert_eq!(
        task.encode(&chat.prompt).unwrap(),
        task.encode(&Prompt::Text("[user]the sea[assistant]".to_owned())).unwrap()
    );
    let again: TextGeneration =
        serde_json::from_str(&serde_json::to_string(&task).unwrap()).unwrap();
    assert_eq!(again.chat_template, task.chat_template);
}

#[test]
fn windows_that_overlap_predict_every_token_once() {
    let predictor = predictor();
    let model = &predictor.network::<LlamaConfig>().unwrap().model;
    let ids: Vec<u32> = (0..39).map(|at| at * 7 % 250).collect();
    let of = |first, width, stride| {
        log_probability(model, &ids, first, Windows { width, stride }, &Device::flex()).unwrap()
    };
    let whole = of(1, 40, 20);
    assert_eq!(whole.tokens, 38);
    for (width, stride) in [(5, 2), (7, 6), (39, 1), (38, 37)] {
        assert_eq!(of(1, width, stride).tokens, 38, "{width} {stride}");
    }
    // The part behind the first ten, and those ten.
    let (late, early) = (
        of(10, 40, 20),
        log_probability(model, &ids[..10], 1, Windows::half(40), &Device::flex()).unwrap(),
    );
    assert_eq!(late.tokens, 29);
    assert!((late.sum + early.sum - whole.sum).abs() < 1e-4);
    for (width, stride) in [(1, 1), (41, 5), (8, 8), (8, 0)] {
        let windows = Windows { width, stride };
        assert!(log_probability(model, &ids, 1, windows, &Device::flex()).is_err());
    }
    assert!(log_probability(model, &ids[..1], 1, Windows::half(8), &Device::flex()).is_err());
    assert!(log_probability(model, &[1, 9999], 1, Windows::half(8), &Device::flex()).is_err());
}

#[test]
fn training_texts_are_cut_and_too_short_ones_named() {
    let task = predictor().task().clone();
    let example = |prompt: &str, target: &str| Example {
        input: Request::from(prompt),
        target: target.to_owned(),
    };
    let batch = task.batch(&[example("x", &"y ".repeat(90)), example("a", "")], &Device::flex());
    let batch = batch.unwrap();
    assert_eq!(batch.text.ids.dims(), [2, 40]);
    // A text of one token still has its end to learn.
    let counted: i64 = batch.counted.int().sum().into_scalar();
    assert_eq!(counted, 41);
    let empty = task.batch(&[example("x", "y"), example("", "")], &Device::flex());
    assert!(matches!(empty, Err(DataError::Example { index: 1, .. })));
}

#[test]
fn a_registry_loads_what_was_saved() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("bundle");
    let predictor = predictor();
    predictor.save(&dir).unwrap();
    let loaded = Registry::default().with(crate::TASKS).load(&dir, &Device::flex()).unwrap();
    assert_eq!((loaded.task(), loaded.architecture()), ("text-generation", "llama"));
    let line = json!({"prompt": "the sea", "max_tokens": 6});
    let answer = loaded.predict(&[Raw::Json(&line)]).remove(0).unwrap();
    let request = Request::read(Raw::Json(&line)).unwrap();
    let direct = predictor.predict(&[request]).unwrap().remove(0);
    assert_eq!(answer, serde_json::to_value(direct).unwrap());
}
