#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::frontend::{
    framing::{Edges, Framing},
    window::Window,
};
use serde_json::json;

fn sound(samples: usize) -> Vec<f32> {
    (0..samples).map(|n| (n as f32 * 0.37).sin() * 0.4 + (n as f32 * 1.9).cos() * 0.1).collect()
}

#[test]
fn silence_stands_at_the_floor() {
    let config = LogMelConfig::speech(8_000).with_floor(1e-6).with_n_mels(7);
    let frames = config.init().unwrap().compute(&[0.0; 500]);
    assert_eq!((frames.len(), frames.width), (7, 7));
    assert!(frames.values.iter().all(|value| (value - 1e-6f32.ln()).abs() < 1e-5));
    // Whisper's: log10 of 1e-10, with nothing louder, (-10 + 4) / 4.
    let frames = LogMelConfig::whisper(80).init().unwrap().compute(&[0.0; 1_600]);
    assert_eq!((frames.len(), frames.width), (10, 80));
    assert!(frames.values.iter().all(|value| *value == -1.5));
}

#[test]
fn pieces_of_any_size_give_the_whole() {
    let framings = [
        Framing::default(),
        Framing { edges: Edges::Zero, length: Some(23), ..Framing::default() },
        Framing { window: Window::Hamming, drop_last: true, ..Framing::default() },
        Framing::kaldi(30),
        Framing { edges: Edges::Mirror, ..Framing::kaldi(29) },
    ];
    let mut compared = 0;
    for framing in framings {
        for (n_fft, hop) in [(32, 10), (31, 7), (32, 50)] {
            let config = LogMelConfig::new(8_000, n_fft, hop).with_n_mels(5);
            let config = LogMelConfig { shift: 1.5, gain: 0.5, ..config };
            let mel = config.with_framing(framing.clone()).init().unwrap();
            for length in [0, 1, 2, 9, 16, 17, 31, 40, 301] {
                let whole = mel.compute(&sound(length));
                for piece in [1, 3, 32, 100, 400] {
                    let mut stream = mel.stream().unwrap();
                    // Twice: the state is empty again at the end.
                    for _ in 0..2 {
                        let mut found = Vec::new();
                        for part in sound(length).chunks(piece) {
                            found.extend(stream.push(part).values);
                        }
                        found.extend(stream.finish().values);
                        assert_eq!(found, whole.values, "{framing:?} {n_fft} {hop} {length}");
                        compared += 1;
                    }
                }
            }
        }
    }
    assert_eq!(compared, 5 * 3 * 9 * 5 * 2);
    andiron_core::testing::record("streaming", "log-mel in pieces", "equal to the whole");
}

#[test]
fn a_stream_does_not_grow() {
    let mel = LogMelConfig::kaldi(16_000, 40).init().unwrap();
    let mut stream = mel.stream().unwrap();
    let mut most = 0;
    let mut frames = 0;
    for _ in 0..3_000 {
        frames += stream.push(&[0.1; 320]).len();
        most = most.max(stream.held());
    }
    assert_eq!(frames, 1 + (3_000 * 320 - 400) / 160);
    assert!(most <= 3 * 512, "{most}");
}

#[test]
fn a_range_is_known_at_the_end_only() {
    let refused = LogMelConfig::whisper(80).init().unwrap().stream().map(|_| ()).unwrap_err();
    assert_eq!(refused.to_string(), "range of a stream must lie in 0..=0, but is 8");
}

#[test]
fn settings_of_older_bundles_are_read_and_unknown_ones_refused() {
    let old = json!({
        "rate": 8_000, "n_fft": 256, "hop": 80, "n_mels": 40, "f_min": 20.0, "f_max": null,
        "scale": "slaney", "norm": "area", "floor": 1e-10,
    });
    let read: LogMelConfig = serde_json::from_value(old.clone()).unwrap();
    assert_eq!(read, LogMelConfig::speech(8_000));
    for config in
        [LogMelConfig::whisper(128), LogMelConfig::kaldi(8_000, 23), LogMelConfig::librosa(22_050)]
    {
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(serde_json::from_str::<LogMelConfig>(&text).unwrap(), config);
    }
    let mut unknown = old;
    unknown["mels"] = json!(3);
    let refused = serde_json::from_value::<LogMelConfig>(unknown).unwrap_err().to_string();
    assert!(refused.starts_with("unknown field `mels`"), "{refused}");
}

#[test]
fn settings_are_refused_by_name() {
    let refused = |config: LogMelConfig| config.init().map(|_| ()).unwrap_err().to_string();
    let good = LogMelConfig::new(8_000, 200, 80);
    assert!(good.check().is_ok());
    for (config, start) in [
        (LogMelConfig { rate: 0, ..good.clone() }, "rate must be at least 1, but is 0"),
        (LogMelConfig { n_fft: 1, ..good.clone() }, "n_fft must be at least 2, but is 1"),
        (LogMelConfig { hop: 0, ..good.clone() }, "hop must be at least 1, but is 0"),
        (LogMelConfig { n_mels: 0, ..good.clone() }, "n_mels must be at least 1, but is 0"),
        (LogMelConfig { n_mels: 102, ..good.clone() }, "n_mels must lie in 1..=101, but is 102"),
        (LogMelConfig { f_min: -1.0, ..good.clone() }, "f_min must lie in 0..="),
        (LogMelConfig { f_min: f64::NAN, ..good.clone() }, "f_min must lie in 0..="),
        (LogMelConfig { f_min: 4_000.0, ..good.clone() }, "f_min must lie in 0..="),
        (LogMelConfig { f_max: Some(20.0), ..good.clone() }, "f_max must lie in 20"),
        (LogMelConfig { f_max: Some(4_001.0), ..good.clone() }, "f_max must lie in 20"),
        (
            LogMelConfig { floor: 0.0, ..good.clone() },
            "floor must be greater than 0 and at most 1, but is 0",
        ),
        (
            LogMelConfig { range: Some(0.0), ..good.clone() },
            "range must be finite and greater than 0, but is 0",
        ),
        (LogMelConfig { shift: f64::NAN, ..good.clone() }, "shift must "),
        (LogMelConfig { gain: f64::INFINITY, ..good.clone() }, "gain must "),
        (
            good.clone().with_framing(Framing::kaldi(201)),
            "framing.length must lie in 2..=200, but is 201",
        ),
    ] {
        let text = refused(config);
        assert!(text.starts_with(start), "{text}");
    }
}
