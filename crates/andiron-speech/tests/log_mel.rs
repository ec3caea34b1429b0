//! Log-mel in three dialects against the programs they are of; numbers by
//! `scripts/golden/log_mel.py`.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use andiron_speech::frontend::{
    framing::{Edges, Framing},
    mel::{LogMelConfig, Logarithm, MelNorm, MelScale},
    mfcc::{MfccConfig, slopes},
    window::Window,
};
use serde_json::Value;
use support::{floats, off};

fn golden() -> Value {
    support::golden("log_mel")
}

fn check(dialect: &str, configs: &[(&str, LogMelConfig, f32)]) {
    let golden = golden();
    for (signal, features) in golden["features"].as_object().unwrap() {
        let samples = floats(&golden["signals"][signal]);
        for (name, config, tolerance) in configs {
            let found = config.init().unwrap().compute(&samples);
            let off = off(&found, &features[*name]);
            println!("{dialect}: {signal} {name}: off by {off:.1e}");
            assert!(off < *tolerance, "{signal} {name}: {off}");
        }
    }
}

#[test]
fn whispers() {
    let configs = [
        ("whisper_80", LogMelConfig::whisper(80), 1e-4),
        ("whisper_128", LogMelConfig::whisper(128), 1e-4),
    ];
    check("whisper", &configs);
    andiron_core::testing::record(
        "golden",
        "log-mel as Whisper's",
        "equal openai-whisper's (1e-4)",
    );
}

#[test]
fn kaldis() {
    let kaldi = |n_mels| LogMelConfig::kaldi(16_000, n_mels);
    let mirror = Framing { edges: Edges::Mirror, ..Framing::kaldi(400) };
    let plain = Framing {
        window: Window::Rectangle,
        remove_mean: false,
        pre_emphasis: 0.0,
        ..Framing::kaldi(400)
    };
    let configs = [
        ("kaldi_80", kaldi(80), 1e-4),
        ("kaldi_23_mirror", kaldi(23).with_framing(mirror), 1e-4),
        (
            "kaldi_40_plain",
            kaldi(40).with_framing(plain).with_f_min(125.0).with_f_max(Some(7_500.0)),
            1e-4,
        ),
    ];
    check("kaldi", &configs);
    andiron_core::testing::record(
        "golden",
        "log-mel as Kaldi's",
        "equal torchaudio's fbank (1e-4)",
    );
}

fn small() -> LogMelConfig {
    let small = LogMelConfig { n_fft: 512, hop: 200, ..LogMelConfig::librosa(16_000) };
    small.with_n_mels(40)
}

#[test]
fn librosas() {
    let short = Framing { edges: Edges::Zero, length: Some(400), ..Framing::default() };
    let magnitude = LogMelConfig { magnitude: true, ..small() };
    let configs = [
        ("librosa", LogMelConfig::librosa(16_000), 1e-4),
        ("librosa_htk", small().with_scale(MelScale::Htk).with_norm(MelNorm::Height), 1e-4),
        ("librosa_power", small().with_framing(short).with_logarithm(Logarithm::None, None), 1e-4),
        (
            "librosa_magnitude_db",
            magnitude.with_floor(1e-5).with_logarithm(Logarithm::Decibels, None),
            1e-4,
        ),
    ];
    check("librosa", &configs);
    andiron_core::testing::record(
        "golden",
        "mel bands in decibels (Slaney, HTK; power, magnitude)",
        "equal librosa's (1e-4)",
    );
}

#[test]
fn cepstra_and_their_slopes_are_librosas() {
    let golden = golden();
    let mut compared = 0;
    for (signal, features) in golden["features"].as_object().unwrap() {
        let mfcc = MfccConfig::new(small()).with_n_mfcc(20).init().unwrap();
        let mfcc = mfcc.compute(&floats(&golden["signals"][signal]));
        let delta = slopes(&mfcc, 9).unwrap();
        let second = slopes(&delta, 9).unwrap();
        // Decibels are tens to hundreds, and the cosine transform adds forty of them.
        for (name, found, tolerance) in [
            ("librosa_mfcc", mfcc, 2e-4),
            ("librosa_delta", delta, 1e-4),
            ("librosa_delta_delta", second, 1e-4),
        ] {
            let off = off(&found, &features[name]);
            println!("{signal} {name}: off by {off:.1e}");
            assert!(off < tolerance, "{signal} {name}: {off}");
            compared += 1;
        }
    }
    assert_eq!(compared, 6);
}
