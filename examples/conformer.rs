//! Speech recognition from nothing: a small Conformer learns to spell twenty recordings with CTC.
//!
//! ```text
//! cargo run --example conformer
//! ```
//!
//! It prints the character error rate on the recordings that it learnt by heart, greedily and with
//! the search over beginnings, then three transcripts. That is no test: twenty words by one voice
//! show how it is done, not that it hears others. With `--quick` it makes five steps.

use andiron::{
    DataError, Evaluator, Example, GradientTrainer, Network, Predictor, Recipe, Trainer,
    TrainingConfig,
    speech::{
        SpeechRecognition, Waveform,
        models::conformer::ConformerConfig,
        tasks::speech_recognition::{Method, SpeechEvaluator},
    },
    trainer::Progress,
};
use serde_json::json;
use std::{error::Error, path::Path};

/// Decides the first weights, the order of the examples and what dropout drops.
const SEED: u64 = 7;

/// Recordings whose names say what is spoken.
const SPOKEN: [(&str, &str); 20] = [
    ("digits-13", "thirteen"),
    ("digits-16", "sixteen"),
    ("digits-20", "twenty"),
    ("digits-30", "thirty"),
    ("digits-60", "sixty"),
    ("digits-day-1", "monday"),
    ("digits-day-5", "friday"),
    ("digits-h-12", "twelfth"),
    ("digits-h-14", "fourteenth"),
    ("digits-h-16", "sixteenth"),
    ("digits-h-17", "seventeenth"),
    ("digits-h-2", "second"),
    ("digits-h-50", "fiftieth"),
    ("digits-h-6", "sixth"),
    ("digits-h-60", "sixtieth"),
    ("digits-h-7", "seventh"),
    ("digits-h-9", "ninth"),
    ("digits-mon-0", "january"),
    ("digits-mon-5", "june"),
    ("please-try-again", "please try again"),
];

fn data() -> Result<Vec<Example<Waveform, String>>, DataError> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data/prompts/en");
    let read = |(name, text): &(&str, &str)| {
        let input = Waveform::from_file(folder.join(format!("{name}.wav")))?;
        Ok(Example { input, target: (*text).to_owned() })
    };
    SPOKEN.iter().map(read).collect()
}

fn main() -> Result<(), Box<dyn Error>> {
    let steps = if std::env::args().any(|argument| argument == "--quick") { 5 } else { 250 };
    let device = andiron::device("flex")?;
    let train = data()?;

    // Characters and scale come from the recordings; masks keep it from learning single frames.
    let options = json!({
        "d_model": 64, "n_layers": 2, "d_hidden": 128, "channels": 16, "language": "en",
        "beams": 1, "augment": {
            "steps": [{ "speed": { "least": 0.95, "most": 1.05 } }],
            "mask": { "bands": 4, "band_masks": 1, "frames": 4, "frame_masks": 1 },
        },
    });
    let (task, config) = ConformerConfig::prepare(&options, &train)?;
    let network = Network::init(config, SEED, &device)?;
    let settings = TrainingConfig::new(steps).with_learning_rate(2e-3).with_seed(SEED);
    let trainer = GradientTrainer::new(settings).with_progress(Progress::Silent);
    let fitted = trainer.fit(task.clone(), network, &train, &Vec::new(), &device)?;

    // How text is found is part of the task.
    let network = fitted.predictor.network::<ConformerConfig>().ok_or("it is a Conformer")?.clone();
    let mut searching = task;
    if let Method::Ctc(listener) = &mut searching.method {
        listener.decoding.beams = 16;
    }
    let searching = Predictor::<SpeechRecognition>::new(searching, network, &device);
    for (name, predictor) in [("greedy", &fitted.predictor), ("16 beginnings", &searching)] {
        let report = SpeechEvaluator::default().evaluate(predictor, &train)?;
        let cer = report.score("cer")?;
        println!(
            "{name}: character error rate {:.3} (95 % interval {:.3} to {:.3}) on what was learnt",
            cer.value, cer.low, cer.high
        );
    }
    for example in &train[..3] {
        let transcript = &searching.predict(std::slice::from_ref(&example.input))?[0];
        println!("{:?} was heard as {:?}", example.target, transcript.text);
    }
    Ok(())
}
