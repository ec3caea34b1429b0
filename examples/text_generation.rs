//! A language model writes: the published SmolLM2-135M-Instruct if it was fetched, or else a small
//! one that is trained here on nursery rhymes.
//!
//! ```text
//! scripts/fetch-assets --only smollm2
//! cargo run --example text_generation
//! ```
//!
//! With SmolLM2 it begins with `The capital of France is Paris.`
//!
//! With `--quick` it trains the small one for a few steps, whatever was fetched, to show that it
//! runs.

use andiron::{
    Example, GradientTrainer, Network, Predictor, Recipe, Registered, Trainer, TrainingConfig,
    nlp::{
        chat::Message,
        decoder::Decoder,
        models::llama::{Llama, LlamaConfig},
        published_decoder,
        tasks::text_generation::{Request, Sampling, TextGeneration},
    },
};
use serde_json::json;
use std::{
    error::Error,
    io::{Write, stdout},
    ops::ControlFlow,
    path::Path,
};

const SEED: u64 = 7;

/// Nursery rhymes, in the public domain: a beginning, and what follows.
fn data() -> Vec<Example<Request, String>> {
    [
        ("Twinkle, twinkle,", " little star, how I wonder what you are."),
        ("Up above the world", " so high, like a diamond in the sky."),
        ("Mary had a", " little lamb, its fleece was white as snow."),
        ("And everywhere that", " Mary went, the lamb was sure to go."),
        ("Humpty Dumpty sat", " on a wall, Humpty Dumpty had a great fall."),
        ("All the king's horses", " and all the king's men couldn't put Humpty together again."),
        ("Jack and Jill", " went up the hill to fetch a pail of water."),
        ("Baa, baa, black sheep,", " have you any wool? Yes, sir, yes, sir, three bags full."),
    ]
    .map(|(prompt, target)| Example { input: Request::from(prompt), target: target.to_owned() })
    .to_vec()
}

/// A small network that has read the rhymes, and nothing else.
fn trained(steps: usize) -> Result<Predictor<TextGeneration>, Box<dyn Error>> {
    let device = andiron::device("flex")?;
    let rhymes = data();
    let options = json!({"n_tokens": 320, "d_model": 48, "n_heads": 4, "max_length": 64});
    let (task, config) = LlamaConfig::prepare(&options, &rhymes)?;
    let network = Network::init(config, SEED, &device)?;
    let training = TrainingConfig::new(steps).with_learning_rate(1e-2).with_seed(SEED);
    let fitted =
        GradientTrainer::new(training).fit(task, network, &rhymes, &Vec::new(), &device)?;
    println!("{}", TextGeneration::evaluate(&fitted.predictor, &rhymes)?);
    Ok(fitted.predictor)
}

/// Writes the continuation of `request` piece by piece, as it comes.
fn write<M: Decoder>(
    task: &TextGeneration,
    model: &M,
    request: Request,
) -> Result<(), Box<dyn Error>> {
    let mut print = |_: usize, piece: &str| {
        print!("{piece}");
        match stdout().flush() {
            Ok(()) => ControlFlow::Continue(()),
            Err(_) => ControlFlow::Break(()),
        }
    };
    let answers = task.generate(model, &[request], &andiron::device("flex")?, &mut print)?;
    println!("\n  {}", serde_json::to_string(&answers[0])?);
    Ok(())
}

fn llama(predictor: &Predictor<TextGeneration>) -> Result<&Llama, Box<dyn Error>> {
    Ok(&predictor.network::<LlamaConfig>().ok_or("the network is a Llama")?.model)
}

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let file = "../../assets/smollm2/SmolLM2-135M-Instruct.Q4_1.gguf";
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    if quick || !file.is_file() {
        let predictor = trained(if quick { 20 } else { 150 })?;
        for prompt in ["Mary had a", "Jack and Jill"] {
            print!("{prompt}");
            let few = Sampling { max_tokens: Some(40), ..Default::default() };
            write(predictor.task(), llama(&predictor)?, Request::from(prompt).with(few))?;
        }
        return Ok(());
    }
    let device = andiron::device("flex")?;
    let (task, network) = published_decoder::from_gguf(file, &device)?;
    let prompt = "The capital of France is";
    print!("{prompt}");
    let few = Sampling { max_tokens: Some(30), ..Default::default() };
    write(&task, &network.model, Request::from(prompt).with(few))?;
    let varied = Sampling { temperature: 0.7, top_p: 0.9, seed: SEED, ..Default::default() };
    let chat = Request::chat([Message::new("user", "Name three colours of the rainbow.")]);
    write(&task, &network.model, chat.with(varied))
}
