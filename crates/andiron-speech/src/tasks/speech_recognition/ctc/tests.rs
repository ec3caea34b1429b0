#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::{
    TASKS,
    tasks::speech_recognition::{Normalizer, SpeechEvaluator},
};
use andiron_core::{
    Evaluator as _, Example, GradientTrainer, Network, Predictor, Raw, Registry, Trainer as _,
    TrainingConfig, testing::record, trainer::Progress,
};
use serde_json::json;

/// Sounds whose pitch says a letter, a tenth of a second or more each.
pub(crate) fn spelled() -> Vec<Example<Waveform, String>> {
    let sound = |text: &str, samples: usize| {
        let mut wave = Vec::new();
        for letter in text.chars() {
            let hertz = match letter {
                'a' => 300.0,
                'b' => 900.0,
                'c' => 2_100.0,
                _ => 0.0,
            };
            wave.extend((0..samples).map(|n| {
                let fade = (std::f32::consts::PI * n as f32 / samples as f32).sin();
                fade * (std::f32::consts::TAU * hertz * n as f32 / 8_000.0).sin()
            }));
        }
        Example { input: Waveform { samples: wave, rate: 8_000 }, target: text.to_owned() }
    };
    vec![
        sound("ab", 1_000),
        sound("bca", 1_103),
        sound("cc", 1_250),
        sound("a c", 901),
        sound("cab", 1_400),
        sound("b", 1_777),
    ]
}

pub(crate) fn tiny() -> Value {
    json!({
        "n_mels": 12, "d_model": 16, "n_heads": 2, "n_layers": 1, "d_hidden": 20, "kernel": 3,
        "channels": 4, "dropout": 0.0, "language": "en",
    })
}

#[test]
fn what_is_learnt_is_written_saved_and_loaded() {
    let (examples, device) = (spelled(), Device::flex());
    let mut options = tiny();
    options["augment"] = json!({
        "steps": [{"speed": {"least": 0.95, "most": 1.05}}],
        "mask": {"bands": 1, "band_masks": 1, "frames": 1, "frame_masks": 1},
    });
    let (task, config) = ConformerConfig::prepare(&options, &examples).unwrap();
    let settings = TrainingConfig::new(120).with_learning_rate(0.01);
    let fitted = GradientTrainer::new(settings)
        .with_progress(Progress::Silent)
        .fit(task, Network::init(config, 7, &device).unwrap(), &examples, &Vec::new(), &device)
        .unwrap();
    let predictor = fitted.predictor;
    let inputs: Vec<Waveform> = examples.iter().map(|example| example.input.clone()).collect();
    let transcripts = predictor.predict(&inputs).unwrap();
    for (transcript, example) in transcripts.iter().zip(&examples) {
        assert_eq!(transcript.text, example.target);
        assert_eq!(transcript.language.as_deref(), Some("en"));
        let segment = &transcript.segments[0];
        assert!(segment.end > segment.start && segment.log_probability.unwrap() < 0.0);
        assert!(segment.end <= example.input.seconds() + 0.05, "{segment:?}");
    }
    let evaluator = SpeechEvaluator { normalizer: Some(Normalizer::None), ..Default::default() };
    let report = evaluator.evaluate(&predictor, &examples).unwrap();
    assert_eq!(report.score("cer").unwrap().value, 0.0);

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bundle");
    predictor.save(&path).unwrap();
    let again = Predictor::<SpeechRecognition>::load(&path, &device).unwrap();
    assert_eq!(again.predict(&inputs).unwrap(), transcripts);
    // The same by the registry, as a program hosts it.
    let hosted = Registry::default().with(TASKS).load(&path, &device).unwrap();
    let wav = inputs[1].to_wav().unwrap();
    let answer = hosted.predict(&[Raw::Bytes(&wav)]).remove(0).unwrap();
    assert_eq!(answer["text"], "bca");
    record("speech-recognition", "conformer-ctc", "learns, writes, is saved and loaded");
}

#[test]
fn what_cannot_be_learnt_or_heard_is_refused() {
    let refused = |options: Value, examples: &[Example<Waveform, String>]| {
        ConformerConfig::prepare(&options, &examples.to_vec()).map(|_| ()).unwrap_err()
    };
    assert!(matches!(refused(json!({}), &[]), DataError::Empty { .. }));
    let mut short = spelled();
    short[2].target = "more than two tenths of a second can say".to_owned();
    let DataError::Example { index: 2, source, .. } = refused(tiny(), &short) else { panic!() };
    assert!(matches!(*source, DataError::TooShort { .. }), "{source}");
    let mut silent = spelled();
    silent.iter_mut().for_each(|example| example.target = "?!".to_owned());
    assert!(matches!(refused(tiny(), &silent), DataError::Empty { .. }));
    for (name, value) in
        [("beams", json!(0)), ("max_seconds", json!(0.0)), ("n_mels", json!(0)), ("beam", json!(1))]
    {
        let mut options = tiny();
        options[name] = value;
        assert!(matches!(refused(options, &spelled()), DataError::Config(_)), "{name}");
    }
    let mut options = tiny();
    options["max_seconds"] = json!(0.6);
    let (task, config) = ConformerConfig::prepare(&options, &spelled()[..1].to_vec()).unwrap();
    let device = Device::flex();
    let predictor = Predictor::new(task, Network::init(config, 1, &device).unwrap(), &device);
    let long = Waveform { samples: vec![0.1; 8_000], rate: 8_000 };
    assert_eq!(
        predictor.predict(&[long]).unwrap_err().to_string(),
        "the length of the sound in milliseconds is 1000, which is over the limit of 600"
    );
    // One sample, silence and a constant are no mistakes.
    for samples in [vec![0.5], vec![0.0; 801], vec![0.9; 801]] {
        predictor.predict(&[Waveform { samples, rate: 8_000 }]).unwrap();
    }
}
