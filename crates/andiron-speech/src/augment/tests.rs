#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use serde_json::json;

fn tone(hertz: f64, samples: usize) -> Waveform {
    let sample = |n| (0.4 * (std::f64::consts::TAU * hertz * n as f64 / 8_000.0).sin()) as f32;
    Waveform { samples: (0..samples).map(sample).collect(), rate: 8_000 }
}

/// `10 log10` of the power of `wave` over the power of what was added.
fn snr(wave: &Waveform, heard: &Waveform) -> f64 {
    let power = |values: &mut dyn Iterator<Item = f64>| values.map(|v| v * v).sum::<f64>();
    let pairs = wave.samples.iter().zip(&heard.samples);
    let noise = power(&mut pairs.map(|(w, h)| f64::from(h - w)));
    10.0 * (power(&mut wave.samples.iter().map(|w| f64::from(*w))) / noise).log10()
}

#[test]
fn noise_and_other_sounds_stand_at_the_ratio_asked_for() {
    let (wave, other) = (tone(440.0, 4_001), tone(1_000.0, 333));
    for wanted in [-5.0, 0.0, 12.5, 40.0] {
        for step in [
            WaveChange::Noise { snr: [wanted; 2], probability: 1.0 },
            WaveChange::Mix { snr: [wanted; 2], probability: 1.0 },
        ] {
            let augment = AudioAugment::new(vec![step], None).unwrap();
            let heard = augment.draw(&wave, &[&other], 5).unwrap();
            assert!((snr(&wave, &heard) - wanted).abs() < 1e-3, "{step:?}");
        }
        // Half as long: its power is that over the whole.
        let heard = add_at_snr(wave.clone(), &other.samples, wanted);
        assert!((snr(&wave, &heard) - wanted).abs() < 1e-3);
    }
    let silence = Waveform { samples: vec![0.0; 9], rate: 8_000 };
    assert_eq!(add_at_snr(silence.clone(), &[1.0; 9], 10.0), silence);
    assert_eq!(add_at_snr(wave.clone(), &[0.0; 9], 10.0), wave);
    andiron_core::testing::record("augmentation", "noise and mixing", "at the ratio asked for");
}

#[test]
fn speed_changes_length_and_pitch() {
    let wave = tone(400.0, 8_000);
    for (factor, length) in [(0.5, 16_000), (0.9, 8_889), (1.1, 7_273), (2.0, 4_000)] {
        let heard = sped(&wave, factor).unwrap();
        assert_eq!(heard.samples.len(), length);
        let wanted = tone(400.0 * factor, length);
        let inner = length / 4..length * 3 / 4;
        let off = inner.map(|n| (heard.samples[n] - wanted.samples[n]).abs()).fold(0.0, f32::max);
        assert!(off < 1e-3, "{factor}: {off}");
    }
    assert_eq!(sped(&wave, 1.0).unwrap(), wave);
}

#[test]
fn volume_is_one_factor_of_the_decibels_drawn() {
    let wave = tone(440.0, 2_003);
    // The gain of every sample that is not zero, in decibels: the least and the most.
    let gains = |decibels: f64, seed: u64| {
        let augment = AudioAugment::new(vec![WaveChange::Volume { decibels }], None).unwrap();
        let heard = augment.draw(&wave, &[], seed).unwrap();
        assert_eq!((heard.samples.len(), heard.rate), (2_003, 8_000));
        let pairs = wave.samples.iter().zip(&heard.samples).filter(|(was, _)| **was != 0.0);
        let all = pairs.map(|(was, is)| 20.0 * (f64::from(*is) / f64::from(*was)).log10());
        all.fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), gain| {
            (low.min(gain), high.max(gain))
        })
    };
    let (mut lowest, mut highest) = (0.0_f64, 0.0_f64);
    for seed in 0..200 {
        for most in [1.5, 6.0, 60.0] {
            let wanted = Dice::new(seed).between(-most, most);
            let (low, high) = gains(most, seed);
            assert!(low >= wanted - 1e-5 && high <= wanted + 1e-5, "{low} to {high}: {wanted}");
            assert!(low >= -most - 1e-5 && high <= most + 1e-5, "{low} to {high} of {most}");
            (lowest, highest) = (lowest.min(low / most), highest.max(high / most));
        }
    }
    // All of what was asked for is used.
    assert!(lowest < -0.9 && highest > 0.9, "{lowest} to {highest}");
    let none = AudioAugment::new(vec![WaveChange::Volume { decibels: 0.0 }], None).unwrap();
    assert_eq!(none.draw(&wave, &[], 5).unwrap(), wave);
    andiron_core::testing::record("augmentation", "volume", "one gain within the decibels");
}

#[test]
fn reverberation_is_the_convolution_at_the_sounds_power() {
    let wave = Waveform { samples: vec![0.3, -0.2, 0.5, 0.1, 0.0, -0.4, 0.2], rate: 8_000 };
    let response = [1.0, 0.0, 0.5, -0.25];
    let wanted: Vec<f32> = (0..wave.samples.len())
        .map(|n| (0..=n.min(3)).map(|k| response[k] * wave.samples[n - k]).sum())
        .collect();
    let wanted = Waveform { samples: wanted, rate: 8_000 }.with_rms(wave.rms());
    let heard = reverberated(&wave, &response);
    let off = heard.samples.iter().zip(&wanted.samples).map(|(h, w)| (h - w).abs());
    assert!(off.fold(0.0, f32::max) < 1e-6, "{heard:?}");
    assert_eq!(reverberated(&wave, &[]), wave);
    // After the time asked for the echo is a millionth of the power.
    let response = room(8_000, 0.5, &mut Dice::new(3));
    let energy = |part: &[f32]| part.iter().map(|v| f64::from(*v).powi(2)).sum::<f64>();
    assert_eq!(response.len(), 4_000);
    let (start, end) = (energy(&response[1..401]), energy(&response[3_600..]));
    let fall = 10.0 * (start / end).log10();
    assert!((fall - 54.0).abs() < 3.0, "{fall}");
}

#[test]
fn sounds_at_once_are_their_sum() {
    let (one, two) = (tone(300.0, 500), tone(700.0, 900));
    let both = mixed(&[one.clone(), two.clone()]).unwrap().unwrap();
    assert_eq!(both.samples.len(), 900);
    assert_eq!(both.samples[400], one.samples[400] + two.samples[400]);
    assert_eq!(both.samples[600], two.samples[600]);
    assert_eq!(mixed(&[]).unwrap(), None);
}

#[test]
fn masks_cover_no_more_than_they_may() {
    let mask = SpecAugment { bands: 3, band_masks: 2, frames: 9, frame_masks: 2, share: 0.25 };
    let augment = AudioAugment::new(vec![], Some(mask)).unwrap();
    let mut seen = std::collections::BTreeSet::new();
    for seed in 0..200 {
        let mut frames = Frames { values: vec![1.0; 20 * 11], width: 11 };
        augment.draw_frames(&mut frames, seed);
        let empty_rows = frames.rows().filter(|row| row.iter().all(|v| *v == 0.0)).count();
        let column = |at: usize| frames.rows().all(|row| row[at] == 0.0);
        let empty_columns = (0..11).filter(|at| column(*at)).count();
        // Each mask over time covers a quarter of twenty at most.
        assert!(empty_rows <= 10 && empty_columns <= 6, "{empty_rows} {empty_columns}");
        seen.insert((empty_rows, empty_columns));
    }
    assert!(seen.len() > 20, "{seen:?}");
    // A sound of one frame, and masks wider than it.
    let wide = SpecAugment { bands: 99, band_masks: 1, frames: 99, frame_masks: 1, share: 1.0 };
    wide.draw(&mut Frames { values: vec![1.0; 2], width: 2 }, &mut Dice::new(1));
}

#[test]
fn one_seed_is_one_drawing() {
    let steps = vec![
        WaveChange::Speed { least: 0.9, most: 1.1 },
        WaveChange::Volume { decibels: 6.0 },
        WaveChange::Reverb { seconds: [0.1, 0.4], probability: 0.7 },
        WaveChange::Noise { snr: [0.0, 30.0], probability: 0.5 },
    ];
    let augment = AudioAugment::new(steps, None).unwrap();
    let wave = tone(440.0, 2_003);
    let drawn: Vec<Waveform> = (0..6).map(|seed| augment.draw(&wave, &[], seed).unwrap()).collect();
    for (seed, one) in drawn.iter().enumerate() {
        assert_eq!(*one, augment.draw(&wave, &[], seed as u64).unwrap());
        assert!(drawn.iter().enumerate().all(|(at, other)| at == seed || one != other));
    }
    andiron_core::testing::record("augmentation", "changes of sound", "one seed, one drawing");
}

#[test]
fn settings_are_read_and_refused_by_name() {
    let text = json!({
        "steps": [{"speed": {"least": 0.9, "most": 1.1}}, {"volume": {"decibels": 3.0}}],
        "mask": {"bands": 8, "band_masks": 2, "frames": 20, "frame_masks": 2},
    });
    let augment: AudioAugment = serde_json::from_value(text).unwrap();
    assert_eq!(augment.steps().len(), 2);
    assert_eq!(augment.mask().unwrap().share, 1.0);
    let again = serde_json::to_string(&augment).unwrap();
    assert_eq!(serde_json::from_str::<AudioAugment>(&again).unwrap(), augment);
    for (step, start) in [
        (WaveChange::Speed { least: 0.4, most: 1.0 }, "speed must lie in 0.5..=2, but is 0.4"),
        (WaveChange::Speed { least: 1.2, most: 1.1 }, "speed must lie in 1.2..=2, but is 1.1"),
        (WaveChange::Volume { decibels: f64::NAN }, "decibels must lie in 0..=60"),
        (WaveChange::Noise { snr: [0.0, 101.0], probability: 0.5 }, "snr must lie in 0..=100"),
        (WaveChange::Mix { snr: [0.0, 1.0], probability: 1.5 }, "probability must lie in 0..=1"),
        (WaveChange::Reverb { seconds: [0.0, 1.0], probability: 0.5 }, "seconds must lie in 0.05"),
    ] {
        let refused = AudioAugment::new(vec![step], None).unwrap_err().to_string();
        assert!(refused.starts_with(start), "{refused}");
    }
    let mask = SpecAugment { bands: 1, band_masks: 101, frames: 1, frame_masks: 1, share: 1.0 };
    let refused = AudioAugment::new(vec![], Some(mask)).unwrap_err().to_string();
    assert_eq!(refused, "band_masks must lie in 0..=100, but is 101");
    assert!(serde_json::from_value::<AudioAugment>(json!({"step": []})).is_err());
}
