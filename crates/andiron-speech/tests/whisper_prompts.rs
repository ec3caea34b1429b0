//! Whisper tiny.en on English telephone prompts that say three words or more: every seventh of those that
//! `scripts/evidence/whisper_prompts` takes all of. The transcript is not ours to commit: it is read from
//! the path in `ANDIRON_PROMPTS_TRANSCRIPT`, or from `../shared/data/asterisk-core-sounds-en.txt`
//! beside the repository; without it, or without the assets, this says aloud that nothing was tested.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use andiron_core::{Evaluator as _, Example, Predictor, device};
use andiron_speech::{
    SpeechRecognition, Waveform,
    tasks::speech_recognition::SpeechEvaluator,
    whisper::{self, WhisperDecoding, WhisperListener},
};
use std::{
    fs,
    path::{Path, PathBuf},
};
use support::{asset, left_out};

const EVERY: usize = 7;

fn prompts(folder: &Path, transcript: &str) -> Vec<Example<Waveform, String>> {
    let mut found = Vec::new();
    for line in transcript.lines().filter(|line| !line.starts_with(';')) {
        let Some((name, text)) = line.split_once(':') else { continue };
        let name = name.trim().trim_end_matches(".wav").replace('/', "-");
        let file = folder.join(format!("{name}.wav"));
        let said = text.trim();
        if file.is_file() && !said.contains("[ ]") && said.split_whitespace().count() >= 3 {
            // Where another prompt follows there are three dots, which nobody says.
            found.push((file, said.replace("...", " ")));
        }
    }
    found.sort();
    let picked = found.into_iter().step_by(EVERY);
    picked
        .map(|(file, target)| Example { input: Waveform::from_file(file).unwrap(), target })
        .collect()
}

#[test]
fn the_words_of_prompts_are_heard() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let named = std::env::var_os("ANDIRON_PROMPTS_TRANSCRIPT").map(PathBuf::from);
    let path = named.unwrap_or_else(|| root.join("../shared/data/asterisk-core-sounds-en.txt"));
    let Ok(transcript) = fs::read_to_string(&path) else {
        left_out(&format!("the transcript of the prompts is not at {}", path.display()));
        return;
    };
    let (Some(model), Some(folder)) = (asset("whisper-tiny-en"), asset("prompts/en")) else {
        return;
    };
    let examples = prompts(&folder, &transcript);
    assert!(examples.len() > 30, "{} prompts: the walk is wrong", examples.len());
    let device = device("flex").unwrap();
    let (listener, network) = whisper::from_folder(model, &device).unwrap();
    let language = listener.decoding.language.clone();
    let decoding = WhisperDecoding { language, ..WhisperDecoding::greedy() };
    let listener = WhisperListener { decoding, ..listener };
    let predictor = Predictor::new(SpeechRecognition::from(listener), network, &device);
    let report = SpeechEvaluator::default().evaluate(&predictor, &examples).unwrap();
    let wer = report.score("wer").unwrap();
    eprintln!(
        "{} prompts: WER {:.4} ({:.4} to {:.4})",
        examples.len(),
        wer.value,
        wer.low,
        wer.high
    );
    assert!(wer.value <= 0.063, "{}", wer.value);
    // No row of the capability table: it must be the same where the transcript is not.
}
