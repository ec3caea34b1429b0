//! What is read from WAV files, and what is refused and how.
#![allow(clippy::unwrap_used, reason = "tests")]

use andiron_core::{AnyPredictor, DataError, Example, Network, Predictor, Raw, Recipe};
use andiron_speech::{Waveform, models::statistics_linear::StatisticsLinearConfig};
use burn::tensor::Device;
use hound::{SampleFormat, WavSpec, WavWriter};
use proptest::prelude::*;
use serde_json::json;
use std::{f64::consts::TAU, io::Cursor};

fn spec(channels: u16, rate: u32, bits: u16) -> WavSpec {
    let sample_format = if bits == 0 { SampleFormat::Float } else { SampleFormat::Int };
    let bits_per_sample = if bits == 0 { 32 } else { bits };
    WavSpec { channels, sample_rate: rate, bits_per_sample, sample_format }
}

fn integers(spec: WavSpec, values: &[i32]) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut bytes, spec).unwrap();
    values.iter().for_each(|value| writer.write_sample(*value).unwrap());
    writer.finalize().unwrap();
    bytes.into_inner()
}

fn floats(rate: u32, values: &[f32]) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut bytes, spec(1, rate, 0)).unwrap();
    values.iter().for_each(|value| writer.write_sample(*value).unwrap());
    writer.finalize().unwrap();
    bytes.into_inner()
}

fn sine(hertz: f64, rate: u32, samples: usize) -> Vec<f32> {
    (0..samples).map(|n| (0.5 * (TAU * hertz * n as f64 / f64::from(rate)).sin()) as f32).collect()
}

fn refusal(bytes: &[u8]) -> String {
    Waveform::from_wav(bytes).unwrap_err().to_string()
}

#[test]
fn integers_of_every_width_are_read_at_the_same_scale() {
    for bits in [8, 16, 24, 32] {
        let full = 2f64.powi(bits - 1);
        let values = [-full, -full / 2.0, 0.0, full / 4.0, full / 2.0].map(|v| v as i32);
        let wave = Waveform::from_wav(&integers(spec(1, 11_025, bits as u16), &values)).unwrap();
        assert_eq!(wave, Waveform { samples: vec![-1.0, -0.5, 0.0, 0.25, 0.5], rate: 11_025 });
    }
    andiron_core::testing::record(
        "input",
        "WAV of 8, 16, 24 and 32 bits",
        "read at the same scale",
    );
}

#[test]
fn floats_are_read_as_they_are_and_written_back() {
    let wave = Waveform::from_wav(&floats(44_100, &[0.25, -1.5, 1e-20])).unwrap();
    assert_eq!(wave, Waveform { samples: vec![0.25, -1.5, 1e-20], rate: 44_100 });
    assert_eq!(Waveform::from_wav(&wave.to_wav().unwrap()).unwrap(), wave);
}

#[test]
fn channels_are_mixed_to_their_mean() {
    let stereo = integers(spec(2, 8_000, 16), &[16_384, 0, -8_192, -24_576, 8_192, -8_192]);
    assert_eq!(Waveform::from_wav(&stereo).unwrap().samples, [0.25, -0.5, 0.0]);
    let five = integers(spec(5, 8_000, 16), &[16_384, 0, 0, 0, 0]);
    assert_eq!(Waveform::from_wav(&five).unwrap().samples, [0.1]);
}

#[test]
fn every_prefix_of_a_file_is_refused() {
    let whole = integers(spec(1, 8_000, 16), &[1, 2, 3, 4]);
    for length in 0..whole.len() {
        let refused = Waveform::from_wav(&whole[..length]).unwrap_err();
        assert!(matches!(refused, DataError::Decode { .. }), "{length}: {refused}");
    }
    assert_eq!(
        refusal(&whole[..whole.len() - 3]),
        "WAV audio cannot be decoded: 8 bytes of sound were promised, but 5 are there"
    );
}

#[test]
fn what_is_no_wav_file_is_refused() {
    for bytes in [&b""[..], b"RIFF", b"ID3\x03not a WAV file at all", &[0xFF; 1_000]] {
        let text = refusal(bytes);
        assert!(text.starts_with("WAV audio cannot be decoded: "), "{text}");
    }
}

#[test]
fn a_file_without_sound_is_refused() {
    assert_eq!(refusal(&integers(spec(1, 8_000, 16), &[])), "the waveform is empty");
}

#[test]
fn samples_that_are_no_numbers_are_refused_with_their_place() {
    for value in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let refused = Waveform::from_wav(&floats(8_000, &[0.0, 0.5, value, 0.5])).unwrap_err();
        assert!(matches!(refused, DataError::NotFinite { at: 2, .. }), "{refused}");
        let refused = Waveform::new(vec![value], 8_000).unwrap_err();
        assert!(matches!(refused, DataError::NotFinite { at: 0, .. }), "{refused}");
    }
    andiron_core::testing::record(
        "input",
        "WAV with NaN samples",
        "refused with the place of the first",
    );
}

#[test]
fn absurd_rates_are_refused() {
    for (rate, text) in [
        (0, "the sample rate in hertz is 0, but must be at least 1000"),
        (999, "the sample rate in hertz is 999, but must be at least 1000"),
        (768_001, "the sample rate in hertz is 768001, which is over the limit of 768000"),
        (1 << 31, "the sample rate in hertz is 2147483648, which is over the limit of 768000"),
    ] {
        let mut bytes = integers(spec(1, 8_000, 16), &[1, 2, 3]);
        bytes[24..28].copy_from_slice(&u32::to_le_bytes(rate));
        bytes[28..32].copy_from_slice(&u32::to_le_bytes(rate.wrapping_mul(2)));
        if rate < 1 << 31 {
            assert_eq!(refusal(&bytes), text);
        }
        let wave = Waveform { samples: vec![0.5; 100], rate: 8_000 };
        assert_eq!(wave.resample(rate).unwrap_err().to_string(), text);
    }
}

#[test]
fn a_sound_of_more_than_ten_minutes_is_refused() {
    let long = integers(spec(1, 1_000, 8), &vec![1; 600_001]);
    assert_eq!(
        refusal(&long),
        "the length of the waveform in seconds is 601, which is over the limit of 600"
    );
}

#[test]
fn a_missing_file_is_named() {
    let refused = Waveform::from_file("no/such/file.wav").unwrap_err();
    assert_eq!(refused.to_string(), "cannot read no/such/file.wav");
}

#[test]
fn a_resampled_sine_is_that_sine() {
    // Rates with and without a common divisor, up and down, at odd lengths.
    for (from, to) in
        [(96_000, 8_000), (44_100, 16_000), (8_000, 11_025), (22_050, 8_000), (8_000, 7_919)]
    {
        let samples = from as usize / 3 + 1;
        let wave = Waveform::new(sine(440.0, from, samples), from).unwrap();
        let found = wave.resample(to).unwrap();
        assert_eq!(found.samples.len(), (samples * to as usize).div_ceil(from as usize));
        let wanted = sine(440.0, to, found.samples.len());
        let inner = found.samples.len() / 5..found.samples.len() * 4 / 5;
        for at in inner {
            let off = (found.samples[at] - wanted[at]).abs();
            // The sine itself is of single precision: its phase is off by as much.
            assert!(off < 2e-4, "{from} to {to}, sample {at}: {off}");
        }
    }
}

#[test]
fn a_tone_above_half_the_new_rate_is_filtered_out() {
    let wave = Waveform::new(sine(5_000.0, 16_000, 8_001), 16_000).unwrap();
    let found = wave.resample(8_000).unwrap();
    let inner = Waveform { samples: found.samples[800..3_200].to_vec(), rate: 8_000 };
    assert!(inner.rms() < 1e-4, "{}", inner.rms());
}

#[test]
fn levels_are_what_was_asked_for_and_silence_stays() {
    let wave = Waveform::new(vec![0.1, -0.4, 0.2], 8_000).unwrap();
    assert_eq!(wave.clone().with_peak(1.0).samples, [0.25, -1.0, 0.5]);
    assert!((wave.with_rms(0.05).rms() - 0.05).abs() < 1e-7);
    let silence = Waveform { samples: vec![0.0; 9], rate: 8_000 };
    assert_eq!(silence.clone().with_rms(0.1), silence);
    // The squares of these vanish in f32, the factor would not fit into one.
    let faint = Waveform { samples: vec![1e-40, -1e-40], rate: 8_000 };
    assert!((faint.with_rms(0.1).rms() - 0.1).abs() < 1e-3);
}

/// A predictor that was never trained: enough to see what it does with its inputs.
fn predictor() -> Predictor<andiron_speech::AudioClassification> {
    let train: Vec<_> = [("low", 200.0), ("high", 2_500.0)]
        .map(|(label, hertz)| Example {
            input: Waveform { samples: sine(hertz, 8_000, 4_001), rate: 8_000 },
            target: label.to_owned(),
        })
        .to_vec();
    let (task, config) = StatisticsLinearConfig::prepare(&json!({}), &train).unwrap();
    let device = Device::flex();
    Predictor::new(task, Network::init(config, 3, &device).unwrap(), &device)
}

#[test]
fn a_bad_input_costs_only_its_own_place() {
    let good = integers(spec(2, 96_000, 24), &[1_000_000; 20_002]);
    let nan = floats(8_000, &[0.0, f32::NAN]);
    let line = json!({"audio": "file.wav"});
    let raw = [
        Raw::Bytes(&good),
        Raw::Bytes(&nan),
        Raw::Array { shape: &[3], data: &[0.1, 0.2, 0.3] },
        Raw::Json(&line),
        Raw::Bytes(&good[..100]),
        Raw::Bytes(&good),
    ];
    let answers = AnyPredictor::predict(&predictor(), &raw);
    let errors: Vec<_> =
        answers.iter().map(|a| a.as_ref().err().map(ToString::to_string)).collect();
    assert_eq!((&errors[0], &errors[5]), (&None, &None));
    assert_eq!(answers[0].as_ref().unwrap(), answers[5].as_ref().unwrap());
    let expected = [
        "the waveform holds NaN at position 1; every value must be a finite number",
        "a WAV file, which says its sample rate, was wanted, but the input is an array",
        "a WAV file, which says its sample rate, was wanted, but the input is JSON",
        "WAV audio cannot be decoded: 60006 bytes of sound were promised, but 32 are there",
    ];
    for (error, expected) in errors[1..5].iter().zip(expected) {
        assert_eq!(error.as_deref(), Some(expected));
    }
}

#[test]
fn fields_set_by_hand_are_checked_before_use() {
    let predictor = predictor();
    for (wave, text) in [
        (Waveform { samples: vec![], rate: 8_000 }, "the waveform is empty"),
        (
            Waveform { samples: vec![0.5], rate: 0 },
            "the sample rate in hertz is 0, but must be at least 1000",
        ),
    ] {
        assert_eq!(predictor.predict(&[wave]).unwrap_err().to_string(), text);
    }
    // One sample, silence and a click are no mistakes.
    for samples in [vec![0.5], vec![0.0; 801], [vec![0.0; 500], vec![1.0]].concat()] {
        let answer = predictor.predict(&[Waveform { samples, rate: 8_000 }]).unwrap();
        assert!(answer[0].score.is_finite());
    }
}

proptest! {
    #[test]
    fn anything_is_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = Waveform::from_wav(&bytes);
    }

    #[test]
    fn a_damaged_file_is_read_or_refused(
        bits in prop::sample::select(vec![0u16, 8, 16, 24, 32]),
        channels in 1u16..4,
        damage in proptest::collection::vec((0usize..90, any::<u8>()), 0..6),
        end in 0usize..140,
    ) {
        let values = vec![77; usize::from(channels) * 7];
        let mut bytes = match bits {
            0 => floats(8_000, &[0.5; 7]),
            bits => integers(spec(channels, 8_000, bits), &values),
        };
        for (at, value) in damage {
            let length = bytes.len();
            bytes[at % length] = value;
        }
        bytes.truncate(end.max(20));
        if let Ok(wave) = Waveform::from_wav(&bytes) {
            wave.check().unwrap();
        }
    }

    #[test]
    fn the_length_of_a_resampled_sound_is_exact(
        samples in 1usize..300,
        from in 1_000u32..50_000,
        to in 1_000u32..50_000,
    ) {
        let wave = Waveform { samples: vec![0.25; samples], rate: from };
        let found = wave.resample(to).unwrap();
        prop_assert_eq!(found.samples.len(), (samples * to as usize).div_ceil(from as usize));
        prop_assert_eq!(found.rate, to);
    }
}

#[test]
fn what_is_too_loud_for_the_sums_of_a_block_is_refused() {
    let wave = |loud: f32| {
        let samples = (0..8_000).map(|n| if n / 40 % 2 == 0 { loud } else { -loud }).collect();
        Waveform { samples, rate: 16_000 }
    };
    let refused = wave(f32::MAX).resample(8_000).unwrap_err();
    assert!(
        matches!(refused, DataError::TooLarge { limit, .. } if limit == 1 << 60),
        "{refused:?}"
    );
    let loud = wave((1_u64 << 60) as f32);
    let found = loud.resample(8_000).unwrap();
    assert!((found.peak() / loud.peak() - 1.0).abs() < 0.5);
    // Without another rate nothing is summed.
    assert_eq!(wave(f32::MAX).resample(16_000).unwrap(), wave(f32::MAX));
}
