//! Keyword spotting in a stream: ten spoken digits among other telephone prompts, by a network of
//! depthwise separable convolutions that has learnt them from five voices.
//!
//! ```text
//! scripts/fetch-assets
//! cargo run --example keyword_spotting
//! ```
//!
//! It prints hits and false accepts an hour, for heard voices and for an unheard one, and writes the
//! model to target/models/keywords, for `andiron predict target/models/keywords talk.wav`.

use andiron::{
    Example, GradientTrainer, Network, Predictor, Recipe, Registered, Score, Trainer,
    TrainingConfig,
    data::{Fractions, split_stratified},
    evaluator::Found,
    speech::{
        KeywordSpotting, Waveform,
        models::ds_cnn::DsCnnConfig,
        tasks::keyword_spotting::{
            KeywordConfig, KeywordTarget, MixConfig, keyword_clips, mixed_stream,
        },
    },
    trainer::Progress,
};
use serde_json::json;
use std::{
    error::Error,
    fs, io,
    path::{Path, PathBuf},
};

/// Decides the mixes, the split, the first weights and the order of the examples.
const SEED: u64 = 7;
const RATE: u32 = 8_000;

/// The keywords with their labels, and all other recordings.
type Recordings = (Vec<(String, Waveform)>, Vec<Waveform>);

/// `7` of `digits-7`.
fn keyword(stem: &str) -> Option<&str> {
    stem.strip_prefix("digits-")
        .filter(|rest| rest.len() == 1 && rest.as_bytes()[0].is_ascii_digit())
}

fn recordings(folder: &Path) -> Result<Recordings, Box<dyn Error>> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>()?;
    files.sort();
    let (mut keywords, mut others) = (Vec::new(), Vec::new());
    for path in files {
        let wave = Waveform::from_file(&path)?;
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        match keyword(&stem) {
            Some(label) => keywords.push((label.to_owned(), wave)),
            // Numbers hold digits.
            None if stem.starts_with("digits-") => {}
            None => others.push(wave),
        }
    }
    Ok((keywords, others))
}

/// What the model hears in streams of one voice.
fn tried(
    name: &str,
    (keywords, others): &Recordings,
    predictor: &Predictor<KeywordSpotting>,
    streams: u64,
) -> Result<(), Box<dyn Error>> {
    let stream = |number: u64| {
        let (input, there) = mixed_stream(keywords, others, &MixConfig::new(RATE), SEED + number)?;
        Ok(Example { input, target: KeywordTarget::Stream(there) })
    };
    let data = (0..streams).map(stream).collect::<Result<Vec<_>, Box<dyn Error>>>()?;
    let hours = data.iter().map(|one| one.input.seconds()).sum::<f64>() / 3_600.0;
    let report = KeywordSpotting::evaluate(predictor, &data)?;
    let all = |of: fn(&Found) -> usize| report.found.iter().map(of).sum::<usize>();
    let (hits, count) = (all(|one| one.right), all(|one| one.answered - one.right));
    let Score { value, low, high } = report.score("hit_rate")?;
    println!("{name}, {hours:.2} h, 95 % intervals:");
    println!("  hits: {hits} of {}, {value:.3} ({low:.3} to {high:.3})", all(|one| one.truth));
    let Score { value, low, high } = report.score("false_accepts_per_hour")?;
    println!("  false accepts: {count}, {value:.1} an hour ({low:.1} to {high:.1})");
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let quick = std::env::args().any(|argument| argument == "--quick");
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let (mut keywords, mut others) = (Vec::new(), Vec::new());
    for voice in ["en", "es", "fr", "it", "ru"] {
        let (own, rest) = recordings(&root.join("assets/prompts").join(voice))?;
        keywords.extend(own);
        others.extend(rest.into_iter().step_by(if quick { 50 } else { 20 }));
    }
    let mix = MixConfig { copies: if quick { 2 } else { 48 }, ..MixConfig::new(RATE) };
    let clips = keyword_clips(&keywords, &others, &mix, &KeywordConfig::default(), SEED)?;
    let labels: Vec<&str> = clips.iter().map(|clip| clip.target.as_str()).collect();
    let (train, valid, _) = split_stratified(&labels, Fractions { valid: 0.1, test: 0.0 }, SEED)?;
    let clip = |at: usize| {
        let Example { input, target } = clips[at].clone();
        Example { input, target: KeywordTarget::Clip(target) }
    };
    let [train, valid] = [train, valid].map(|of| of.into_iter().map(clip).collect::<Vec<_>>());

    let device = andiron::device("flex")?;
    let options = json!({"spotting": {"threshold": 0.5}});
    let (task, config) = <DsCnnConfig as Recipe<KeywordSpotting>>::prepare(&options, &train)?;
    let network = Network::init(config, SEED, &device)?;
    let steps = if quick { 3 } else { 2_500 };
    let training = TrainingConfig::new(steps).with_learning_rate(3e-3).with_seed(SEED);
    let trainer = GradientTrainer::new(training).with_progress(Progress::Silent);
    let predictor = trainer.fit(task, network, &train, &valid, &device)?.predictor;
    predictor.save(root.join("target/models/keywords"))?;
    let streams = if quick { 1 } else { 20 };
    tried("heard voices", &(keywords, others), &predictor, streams)?;
    let menardi = recordings(&root.join("assets/prompts-it-menardi"))?;
    tried("an unheard voice", &menardi, &predictor, streams)
}
