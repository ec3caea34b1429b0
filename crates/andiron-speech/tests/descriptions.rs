//! Descriptions of bundles with every number changed and the seal made anew: what they describe is
//! refused, or it works. Nothing panics, and nothing takes more memory or time than the small sound
//! that is heard.
#![allow(clippy::unwrap_used, reason = "tests")]

use andiron_core::{
    Example, ModelConfig, Network, Predictor, Recipe, Registered, Solve, testing::fuzz,
};
use andiron_speech::{
    AudioClassification, SpeakerEmbedding, SpeechRecognition, VoiceActivity, Waveform,
    models::{
        conformer::ConformerConfig, ds_cnn::DsCnnConfig, ge2e::Ge2eConfig, mel_cnn::MelCnnConfig,
        silero_vad::SileroVadConfig, statistics_linear::StatisticsLinearConfig,
        whisper::WhisperConfig,
    },
    tasks::voice_activity::Span,
};
use burn::tensor::Device;
use serde_json::{Value, json};
use std::time::Instant;

fn sound(samples: usize, pitch: f32) -> Waveform {
    let samples = (0..samples).map(|n| 0.4 * (n as f32 * pitch).sin()).collect();
    Waveform { samples, rate: 8_000 }
}

fn labelled() -> Vec<Example<Waveform, String>> {
    [(900, 0.2, "a"), (1_301, 0.3, "a"), (777, 1.1, "b"), (1_000, 1.3, "b")]
        .map(|(samples, pitch, label)| Example {
            input: sound(samples, pitch),
            target: label.to_owned(),
        })
        .to_vec()
}

/// Every number of a bundle of such a network, changed.
fn check<T, C>(options: &Value, train: Vec<Example<T::Input, T::Target>>)
where
    T: Registered<Input = Waveform> + Solve<C::Model>,
    C: Recipe<T> + ModelConfig,
{
    let device = Device::flex();
    let (task, config) = C::prepare(options, &train).unwrap();
    saved(Predictor::new(task, Network::init(config, 3, &device).unwrap(), &device));
}

fn saved<T: Registered<Input = Waveform>>(predictor: Predictor<T>) {
    let (dir, device, started) = (tempfile::tempdir().unwrap(), Device::flex(), Instant::now());
    let bundle = dir.path().join("bundle");
    predictor.save(&bundle).unwrap();
    let (mut refused, mut worked) = (0, 0);
    let heard = sound(1_111, 0.37);
    let numbers = fuzz::numbers(&bundle, |_| match Predictor::<T>::load(&bundle, &device) {
        Err(_) => refused += 1,
        Ok(read) => match read.predict(std::slice::from_ref(&heard)) {
            Err(_) => refused += 1,
            Ok(answers) => {
                assert_eq!(answers.len(), 1);
                worked += 1;
            }
        },
    });
    println!(
        "{}: {numbers} numbers, {refused} descriptions refused, {worked} work, {:.1} s",
        predictor.architecture(),
        started.elapsed().as_secs_f64()
    );
    assert!(numbers > 5 && refused > numbers, "{numbers} numbers, {refused} refused");
    Predictor::<T>::load(&bundle, &device).unwrap().predict(&[heard]).unwrap();
}

#[test]
fn of_classifiers() {
    check::<AudioClassification, StatisticsLinearConfig>(&json!({}), labelled());
    let options = json!({"channels": 3, "n_blocks": 1, "n_mels": 9});
    check::<AudioClassification, DsCnnConfig>(&options, labelled());
    let options = json!({"channels": [3, 2], "n_mels": 9, "augment": {
        "steps": [{"speed": {"least": 0.9, "most": 1.1}}],
        "mask": {"bands": 2, "band_masks": 1, "frames": 3, "frame_masks": 1},
    }});
    check::<AudioClassification, MelCnnConfig>(&options, labelled());
}

#[test]
fn of_a_detector_of_speech() {
    let train =
        vec![Example { input: sound(4_000, 0.5), target: vec![Span { start: 0.1, end: 0.3 }] }];
    let device = Device::flex();
    let (task, _) = SileroVadConfig::prepare(&json!({"max_speech": 3.0}), &train).unwrap();
    let config = SileroVadConfig::v6_16k().with_channels([3, 2, 4, 5]).with_d_hidden(3);
    saved::<VoiceActivity>(Predictor::new(
        task,
        Network::init(config, 3, &device).unwrap(),
        &device,
    ));
}

#[test]
fn of_an_encoder_of_voices() {
    let options =
        json!({"n_mels": 9, "partial_frames": 12, "d_hidden": 5, "n_layers": 2, "d_embedding": 7});
    check::<SpeakerEmbedding, Ge2eConfig>(&options, labelled());
}

#[test]
fn of_transcribers() {
    let options = json!({
        "n_mels": 9, "d_model": 8, "n_heads": 2, "n_layers": 1, "d_hidden": 10, "kernel": 3,
        "channels": 2, "language": "en"
    });
    check::<SpeechRecognition, ConformerConfig>(&options, labelled());
    let options = json!({
        "seconds": 0.4, "n_mels": 9, "d_model": 8, "n_heads": 2, "n_layers": 1, "max_length": 16
    });
    check::<SpeechRecognition, WhisperConfig>(&options, labelled());
}
