//! The front end against librosa and scipy; numbers by `scripts/golden/frontend.py`.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use andiron_speech::{
    Waveform,
    frontend::{
        mel::LogMelConfig,
        mfcc::{MfccConfig, slopes},
    },
};
use serde_json::Value;
use support::{floats, off};

fn golden() -> Value {
    support::golden("frontend")
}

fn number(value: &Value) -> usize {
    value.as_u64().unwrap() as usize
}

fn config(golden: &Value, setting: &str) -> LogMelConfig {
    let settings = &golden["settings"][setting];
    LogMelConfig::new(
        number(&golden["rate"]) as u32,
        number(&settings["n_fft"]),
        number(&settings["hop"]),
    )
    .with_n_mels(number(&settings["n_mels"]))
    .with_f_min(golden["fmin"].as_f64().unwrap())
    .with_f_max(golden["fmax"].as_f64())
    .with_floor(golden["floor"].as_f64().unwrap())
}

#[test]
fn filterbanks_are_librosas() {
    let golden = golden();
    let names = golden["filterbanks"].as_object().unwrap();
    assert_eq!(names.len(), 2);
    for (name, rows) in names {
        let config = config(&golden, name);
        let (found, bins) = (config.init().unwrap().filterbank(), config.n_fft / 2 + 1);
        let rows = rows.as_array().unwrap();
        assert_eq!(found.len(), rows.len() * bins);
        for (found, row) in found.chunks(bins).zip(rows) {
            let (first, weights) = (number(&row["first"]), floats(&row["weights"]));
            for (k, found) in found.iter().enumerate() {
                let wanted = k.checked_sub(first).and_then(|at| weights.get(at)).unwrap_or(&0.0);
                assert!((found - f64::from(*wanted)).abs() < 1e-9, "{name}, bin {k}");
            }
        }
    }
    andiron_core::testing::record("golden", "mel filterbanks (Slaney, HTK)", "equal librosa's");
}

#[test]
fn log_mel_mfcc_and_slopes_are_librosas() {
    let golden = golden();
    let mut compared = 0;
    for (signal, settings) in golden["features"].as_object().unwrap() {
        let samples = floats(&golden["signals"][signal]);
        for (setting, wanted) in settings.as_object().unwrap() {
            let config = config(&golden, setting);
            let log_mel = config.init().unwrap().compute(&samples);
            assert_eq!(log_mel.len(), number(&wanted["frames"]));
            assert!(off(&log_mel, &wanted["log_mel"]) < 1e-4, "{signal} {setting}");
            let n_mfcc = number(&golden["n_mfcc"]);
            let mfcc = MfccConfig::new(config).with_n_mfcc(n_mfcc).init().unwrap();
            let mfcc = mfcc.compute(&samples);
            assert!(off(&mfcc, &wanted["mfcc"]) < 1e-4, "{signal} {setting}");
            let slopes = slopes(&mfcc, number(&golden["delta_width"])).unwrap();
            assert!(off(&slopes, &wanted["delta"]) < 1e-4, "{signal} {setting}");
            compared += 1;
        }
    }
    assert_eq!(compared, 8);
    andiron_core::testing::record("golden", "log-mel, MFCC and their slopes", "equal librosa's");
}

/// `10 log10` of the power of the error over the power of the truth, without the edges.
fn decibels(found: &[f32], wanted: &[f32], edge: usize) -> f64 {
    assert_eq!(found.len(), wanted.len());
    let inner = edge..wanted.len() - edge;
    let power = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>();
    let error = power(&mut inner.clone().map(|at| f64::from(found[at] - wanted[at])));
    10.0 * (error / power(&mut inner.map(|at| f64::from(wanted[at])))).log10()
}

#[test]
fn resampling_keeps_what_the_new_rate_can_carry() {
    let golden = golden();
    let golden = &golden["resample"];
    let wave = Waveform::new(floats(&golden["input"]), 16_000).unwrap();
    let edge = number(&golden["edge"]);
    for (rate, wanted) in [(8_000, "output"), (11_025, "output_11025")] {
        let wanted = floats(&golden[wanted]);
        let found = wave.resample(rate).unwrap().samples;
        let length = (wave.samples.len() * rate as usize).div_ceil(16_000);
        assert_eq!(found.len(), length);
        let shared = found.len().min(wanted.len());
        let db = decibels(&found[..shared], &wanted[..shared], edge);
        println!("16000 to {rate} Hz: {db:.1} dB");
        // All sines lie below nine tenths of half the new rate.
        assert!(db < -90.0, "{rate}: {db}");
    }
}
