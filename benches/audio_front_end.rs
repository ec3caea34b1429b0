//! Seconds of audio a second: resampling, spectra, log-mel in three dialects, cepstra; whole and in
//! pieces of 20 ms. An element of the throughput is a second of audio.
//!
//! ```text
//! cargo bench --bench audio_front_end
//! cargo bench --bench audio_front_end -- log-mel/whisper
//! ```

use andiron::speech::{
    Waveform,
    frontend::{
        mel::LogMelConfig,
        mfcc::{MfccConfig, slopes},
        stft::Stft,
    },
    waveform::Resampler,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

const SECONDS: usize = 30;
const RATE: u32 = 16_000;

/// A gliding tone with noise, always the same.
fn sound(rate: u32) -> Waveform {
    let mut state = 7;
    let samples = (0..SECONDS * rate as usize).map(|n| {
        let noise = (andiron::kernels::split_mix(&mut state) >> 40) as f32 / (1u64 << 24) as f32;
        let seconds = n as f32 / rate as f32;
        0.3 * (std::f32::consts::TAU * (200.0 + 30.0 * seconds) * seconds).sin() + 0.05 * noise
    });
    Waveform { samples: samples.collect(), rate }
}

fn front_end(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("front-end");
    group.sample_size(10).throughput(Throughput::Elements(SECONDS as u64));
    let wave = sound(RATE);
    let stft = Stft::new(400, 160).expect("the sizes are in range");
    group.bench_function("stft/400", |b| b.iter(|| black_box(stft.power(&wave.samples))));
    for (name, config) in [
        ("whisper-80", LogMelConfig::whisper(80)),
        ("kaldi-80", LogMelConfig::kaldi(RATE, 80)),
        ("librosa-128", LogMelConfig::librosa(RATE)),
    ] {
        let mel = config.init().expect("the presets are in range");
        group.bench_function(format!("log-mel/{name}"), |b| {
            b.iter(|| black_box(mel.compute(&wave.samples)));
        });
    }
    let kaldi = LogMelConfig::kaldi(RATE, 80).init().expect("the presets are in range");
    group.bench_function("log-mel/kaldi-80-in-pieces", |b| {
        b.iter(|| {
            let mut stream = kaldi.stream().expect("it has no range");
            for piece in wave.samples.chunks(320) {
                black_box(stream.push(piece));
            }
            black_box(stream.finish())
        });
    });
    let mfcc =
        MfccConfig::new(LogMelConfig::speech(RATE)).init().expect("the presets are in range");
    group.bench_function("mfcc-13-with-slopes", |b| {
        b.iter(|| slopes(&mfcc.compute(&wave.samples), 9));
    });
    for from in [8_000, 44_100, 48_000] {
        let wave = sound(from);
        group.bench_function(format!("resample/{from}-to-{RATE}"), |b| {
            b.iter(|| black_box(wave.resample(RATE)));
        });
    }
    let wave = sound(48_000);
    group.bench_function("resample/48000-to-16000-in-pieces", |b| {
        b.iter(|| {
            let mut resampler = Resampler::new(48_000, RATE).expect("both rates are in range");
            for piece in wave.samples.chunks(960) {
                let _ = black_box(resampler.push(piece));
            }
            black_box(resampler.finish())
        });
    });
    group.finish();
}

criterion_group!(benches, front_end);
criterion_main!(benches);
