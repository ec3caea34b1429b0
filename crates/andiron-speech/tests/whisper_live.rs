//! A live transcription of an hour takes no more memory than one of minutes. A process of its own, so
//! that no other test counts.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use andiron_core::{Example, Network, Predictor, Recipe as _, device, testing};
use andiron_speech::{
    Waveform,
    models::whisper::WhisperConfig,
    whisper::{Live, RATE},
};
use serde_json::json;
use support::resident;

#[test]
fn an_hour_takes_no_more_memory_than_five_minutes() {
    // A network that knows nothing, with windows of ten seconds.
    let options = json!({
        "seconds": 10.0, "n_mels": 7, "d_model": 8, "n_heads": 2, "n_layers": 1, "max_length": 14
    });
    let wave = Waveform::new(vec![0.1; 4_000], 16_000).unwrap();
    let train = vec![Example { input: wave, target: "a".to_owned() }];
    let (task, config) = WhisperConfig::prepare(&options, &train).unwrap();
    let device = device("flex").unwrap();
    let predictor = Predictor::new(task, Network::init(config, 5, &device).unwrap(), &device);
    let mut live = Live::new(&predictor).unwrap().with_step(Some(5.0)).unwrap();
    let value = |n: usize| (n as f32 * 0.05).sin() * (n as f32 * 1e-4).cos();
    let minute: Vec<f32> = (0..60 * RATE as usize).map(value).collect();
    let (mut before, mut segments, mut partials) = (None, 0, 0);
    for at in 0..60 {
        for piece in minute.chunks(320) {
            let heard = live.push(piece).unwrap();
            segments += heard.segments.len();
            partials += usize::from(heard.partial.is_some());
        }
        if at == 4 {
            before = resident();
        }
    }
    assert!(segments > 300 && partials > 300, "{segments} segments, {partials} partials");
    let Some((before, after)) = before.zip(resident()) else { return };
    eprintln!("{before} KiB after five minutes, {after} KiB after an hour");
    assert!(after < before + 16 * 1024, "{before} KiB became {after} KiB");
    testing::record(
        "stream",
        "speech-recognition: whisper",
        "an hour of sound in pieces of 20 ms: memory after it within 16 MiB of that after five minutes",
    );
}
