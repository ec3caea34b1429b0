//! SmolLM2-135M-Instruct from its GGUF file, against transformers on the same weights; numbers by
//! `scripts/golden/smollm2.py`. Runs whenever the assets `smollm2` and `hamlet` are there
//! (`scripts/fetch-assets`), and must if `ANDIRON_ASSETS` is `required`.

use andiron_core::{Model as _, Network, Predictor, device, testing};
use andiron_nlp::{
    batch::TextBatch,
    chat::Message,
    decoder::Decoder,
    models::llama::{Llama, LlamaConfig},
    published_decoder,
    tasks::text_generation::{
        FinishReason, Prompt, Request, Sampling, TextGeneration, Windows, log_probability,
    },
};
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde_json::Value;
use std::{fs, io::Write as _, path::PathBuf, time::Instant};

/// Says what is left out, past the test harness, which keeps what a test that passes prints to itself.
pub(crate) fn say(what: &str) {
    std::io::stderr().write_all(format!("NOT TESTED: {what}\n").as_bytes()).unwrap();
}

/// A file of the assets; none, said aloud, where it was not fetched.
pub(crate) fn asset(path: &str) -> Option<PathBuf> {
    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../assets").join(path);
    if file.is_file() {
        return Some(file);
    }
    let required = std::env::var("ANDIRON_ASSETS").is_ok_and(|value| value == "required");
    let said = format!("{} is not there: run scripts/fetch-assets", file.display());
    assert!(!required, "{said}");
    say(&said);
    None
}

fn golden() -> Value {
    serde_json::from_str(include_str!("../golden/smollm2.json")).unwrap()
}

fn numbers<T: serde::de::DeserializeOwned>(value: &Value) -> Vec<T> {
    serde_json::from_value(value.clone()).unwrap()
}

fn tensor(ids: &[u32], device: &Device) -> Tensor<2, Int> {
    let ids: Vec<i32> = ids.iter().map(|id| *id as i32).collect();
    let shape = [1, ids.len()];
    Tensor::from_data(TensorData::new(ids, shape), device)
}

/// The logits behind the last of `ids`, without a cache from before.
fn logits(model: &Llama, ids: &[u32], device: &Device) -> Vec<f32> {
    let hidden = model.read(tensor(ids, device), &mut model.cache(&[0]));
    let last = hidden.narrow(1, ids.len() - 1, 1);
    model.logits(last).into_data().iter::<f32>().collect()
}

fn argmax(logits: &[f32]) -> u32 {
    let best = |a: usize, b: usize| if logits[b] > logits[a] { b } else { a };
    (0..logits.len()).reduce(best).unwrap() as u32
}

#[test]
fn it_is_that_of_transformers() {
    let Some(path) = asset("smollm2/SmolLM2-135M-Instruct.Q4_1.gguf") else { return };
    let device = device("flex").unwrap();
    let started = Instant::now();
    let (task, network) = published_decoder::from_gguf(path, &device).unwrap();
    eprintln!("loaded in {:.1} s", started.elapsed().as_secs_f64());
    let golden = golden();
    ten_prompts(&task, &network, &golden, &device);
    hamlet(&task, &network, &golden, &device);
    greedy(&network, &golden, &device);
    answers(task, network, &device);
}

fn ten_prompts(
    task: &TextGeneration,
    network: &Network<LlamaConfig>,
    golden: &Value,
    device: &Device,
) {
    let prompts = golden["prompts"].as_array().unwrap();
    assert_eq!(prompts.len(), 10);
    let mut furthest = 0.0_f64;
    for prompt in prompts {
        let text = prompt["text"].as_str().unwrap().to_owned();
        let ids = task.encode(&Prompt::Text(text.clone())).unwrap();
        assert_eq!(ids, numbers::<u32>(&prompt["ids"]), "{text:?}");
        let got = logits(&network.model, &ids, device);
        let best = numbers::<usize>(&prompt["best"]);
        for (at, wanted) in best.iter().zip(numbers::<f64>(&prompt["logits"])) {
            furthest = furthest.max((f64::from(got[*at]) - wanted).abs());
        }
        let n = got.len() as f64;
        let mean = got.iter().map(|x| f64::from(*x)).sum::<f64>() / n;
        let square = got.iter().map(|x| (f64::from(*x) - mean).powi(2)).sum::<f64>() / n;
        for (got, wanted) in [(mean, &prompt["mean"]), (square.sqrt(), &prompt["deviation"])] {
            assert!((got - wanted.as_f64().unwrap()).abs() < 1e-3, "{text:?}: {got}, not {wanted}");
        }
        assert_eq!(argmax(&got) as usize, best[0], "{text:?}");
    }
    eprintln!("ten prompts: the furthest logit is off by {furthest:.1e}");
    assert!(furthest < 2e-3, "{furthest}");
    testing::record(
        "golden",
        "SmolLM2-135M-Instruct",
        "behind ten prompts, of 49,152 logits each, the 12 greatest are transformers' on the dequantised \
         GGUF within 2e-3, the greatest of all is the same, and mean and deviation of all are within 1e-3",
    );
}

fn hamlet(task: &TextGeneration, network: &Network<LlamaConfig>, golden: &Value, device: &Device) {
    let Some(path) = asset("hamlet/hamlet.txt") else { return };
    let text = fs::read_to_string(path).unwrap();
    let ids = task.encode(&Prompt::Text(text)).unwrap();
    assert_eq!(ids[..1024], numbers::<u32>(&golden["hamlet"]));
    let started = Instant::now();
    let windows = Windows::half(1024);
    let said = log_probability(&network.model, &ids[..1024], 1, windows, device).unwrap();
    let seconds = started.elapsed().as_secs_f64();
    eprintln!(
        "Hamlet: perplexity {:.4} of {} tokens in {seconds:.1} s",
        said.perplexity(),
        said.tokens
    );
    assert_eq!(said.tokens, 1023);
    let wanted = golden["perplexity"].as_f64().unwrap();
    assert!((wanted - 21.34).abs() < 0.01);
    assert!((said.perplexity() - wanted).abs() < 0.01, "{}, not {wanted}", said.perplexity());
    testing::record(
        "published",
        "SmolLM2-135M-Instruct",
        "perplexity of Hamlet's first 1,024 tokens is 21.34, as transformers'",
    );
}

/// 200 tokens with the cache and by a forward pass, which has none, are the same, and transformers'.
fn greedy(network: &Network<LlamaConfig>, golden: &Value, device: &Device) {
    let model = &network.model;
    let prompt = numbers::<u32>(&golden["prompts"][0]["ids"]);
    let wanted = numbers::<u32>(&golden["greedy"]);
    assert_eq!(wanted.len(), 200);
    let started = Instant::now();
    let (mut cache, mut read, mut cached) = (model.cache(&[0]), prompt.clone(), Vec::<u32>::new());
    for _ in 0..wanted.len() {
        let hidden = model.read(tensor(&read, device), &mut cache);
        let last = hidden.narrow(1, read.len() - 1, 1);
        let logits: Vec<f32> = model.logits(last).into_data().iter::<f32>().collect();
        read = vec![argmax(&logits)];
        cached.extend(&read);
    }
    let seconds = started.elapsed().as_secs_f64();
    eprintln!("with the cache: {:.1} tokens a second", wanted.len() as f64 / seconds);
    assert_eq!(cached, wanted);

    // A network's forward pass, as training takes it, has no cache: once over all of the text, since
    // what a token says of the next does not depend on what follows.
    let whole: Vec<i32> = prompt.iter().chain(&wanted).map(|id| *id as i32).collect();
    let forward = |ids: &[i32]| model.forward(TextBatch::of(&[ids.to_vec()], device));
    let all = forward(&whole[..whole.len() - 1]).narrow(1, prompt.len() - 1, wanted.len());
    let best: Vec<u32> = all.argmax(2).into_data().iter::<u32>().collect();
    assert_eq!(best, wanted);
    // And over the text up to some of the places.
    for at in [0, 1, 7, 50, 199] {
        let length = prompt.len() + at;
        let last = forward(&whole[..length]).narrow(1, length - 1, 1);
        assert_eq!(argmax(&flat(last)), wanted[at], "token {at}");
    }
    testing::record(
        "published",
        "SmolLM2-135M-Instruct, greedy",
        "200 tokens with and without cache are the same, and transformers'",
    );
}

/// 200 passes over the whole text, none of which knows anything of the one before: minutes, so
/// `scripts/evidence/smollm2_cache` runs it and keeps what it says.
#[test]
fn greedy_tokens_without_any_cache_are_the_same() {
    if std::env::var_os("ANDIRON_EVIDENCE").is_none() {
        say("greedy tokens in 200 passes without a cache; scripts/evidence/smollm2_cache runs it");
        return;
    }
    let path = asset("smollm2/SmolLM2-135M-Instruct.Q4_1.gguf").expect("scripts/fetch-assets");
    let device = device("flex").unwrap();
    let (_, network) = published_decoder::from_gguf(path, &device).unwrap();
    let (model, golden) = (&network.model, golden());
    let prompt = numbers::<u32>(&golden["prompts"][0]["ids"]);
    let wanted = numbers::<u32>(&golden["greedy"]);
    assert_eq!(wanted.len(), 200);

    let started = Instant::now();
    let (mut cache, mut read, mut cached) = (model.cache(&[0]), prompt.clone(), Vec::<u32>::new());
    for _ in 0..wanted.len() {
        let hidden = model.read(tensor(&read, &device), &mut cache);
        let last = hidden.narrow(1, read.len() - 1, 1);
        read = vec![argmax(&flat(model.logits(last)))];
        cached.extend(&read);
    }
    let with = started.elapsed().as_secs_f64();

    // As in training: a network's forward pass has no cache.
    let started = Instant::now();
    let mut ids: Vec<i32> = prompt.iter().map(|id| *id as i32).collect();
    let mut whole = Vec::new();
    for _ in 0..wanted.len() {
        let logits = model.forward(TextBatch::of(std::slice::from_ref(&ids), &device));
        let next = argmax(&flat(logits.narrow(1, ids.len() - 1, 1)));
        ids.push(next as i32);
        whole.push(next);
    }
    let without = started.elapsed().as_secs_f64();
    let same = |a: &[u32], b: &[u32]| a.iter().zip(b).filter(|(a, b)| a == b).count();
    println!("200 greedy tokens behind a prompt of {} tokens:", prompt.len());
    println!("with the cache, {with:.0} s; {} are transformers'", same(&cached, &wanted));
    println!(
        "without, in 200 passes over the whole text, {without:.0} s; {} are the same",
        same(&whole, &cached)
    );
    assert_eq!(cached, wanted);
    assert_eq!(whole, cached);
}

fn flat(logits: Tensor<3>) -> Vec<f32> {
    logits.into_data().iter::<f32>().collect()
}

fn answers(task: TextGeneration, network: Network<LlamaConfig>, device: &Device) {
    let predictor = Predictor::new(task, network, device);
    let few = |tokens| Sampling { max_tokens: Some(tokens), ..Default::default() };
    let requests = [
        Request::from("The capital of France is").with(few(2)),
        Request::chat([Message::new("user", "What is the capital of France?")]).with(few(20)),
        Request::from("1, 2, 3, 4,").with(Sampling { stop: vec!["9".to_owned()], ..few(40) }),
        Request::from("In 1969, the first man on the Moon was a man called").with(few(9)),
        // More rows than the kernel for few rows takes: the sums are rounded in another order.
        Request::from("Water boils at a temperature of").with(few(12)),
        Request::from("The opposite of hot is").with(few(5)),
        Request::from("Once upon a time there was a").with(few(24)),
    ];
    let together = predictor.predict(&requests).unwrap();
    assert_eq!(together[0].text, " Paris.");
    assert_eq!(together[1].text, "The capital of France is Paris.");
    assert_eq!(together[1].finish_reason, FinishReason::Stop);
    assert!(!together[2].text.contains('9'), "{together:?}");
    for (request, wanted) in requests.iter().zip(&together) {
        assert_eq!(&predictor.predict(std::slice::from_ref(request)).unwrap()[0], wanted);
    }
    testing::record(
        "published",
        "SmolLM2-135M-Instruct, answers",
        "\"The capital of France is\" goes on with \" Paris.\"; seven requests in a batch as one by one",
    );
}
