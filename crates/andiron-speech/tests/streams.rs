//! Sound that comes in pieces, and sound that is odd; resampling against scipy, numbers by
//! `scripts/golden/resample.py`.
#![allow(clippy::unwrap_used, reason = "tests")]

use andiron_core::{
    AnyPredictor, DataError, Dataset, Example, Model as _, Network, Predictor, Raw, Recipe, Solve,
    data::ExampleOf, testing::record,
};
use andiron_speech::{
    AudioBatch, AudioClassification, KeywordSpotting, SpeakerEmbedding, SpeechRecognition,
    VoiceActivity, Waveform,
    frontend::mel::LogMelConfig,
    models::{
        conformer::ConformerConfig,
        ds_cnn::DsCnnConfig,
        ge2e::Ge2eConfig,
        mel_cnn::MelCnnConfig,
        silero_vad::SileroVadConfig,
        statistics_linear::StatisticsLinearConfig,
        whisper::{WhisperBatch, WhisperConfig},
    },
    tasks::{keyword_spotting::KeywordTarget, voice_activity::Span},
    waveform::{PcmFormat, PcmStream, Resampler},
};
use burn::tensor::{Device, Int, Tensor};
use serde_json::{Value, json};

#[test]
fn resampling_is_scipys_in_its_band() {
    let golden: Value = serde_json::from_str(include_str!("golden/resample.json")).unwrap();
    let cases = golden["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 6);
    for case in cases {
        let number = |value: &Value| value.as_u64().unwrap() as usize;
        let [from, to] = [0, 1].map(|at| number(&case["rates"][at]) as u32);
        let sines: Vec<[f64; 3]> = serde_json::from_value(case["sines"].clone()).unwrap();
        let sample = |n: usize| {
            let seconds = n as f64 / f64::from(from);
            let sine = |[hertz, loud, phase]: [f64; 3]| {
                loud * (std::f64::consts::TAU * hertz * seconds + phase).sin()
            };
            sines.iter().map(|one| sine(*one)).sum::<f64>() as f32
        };
        let wave =
            Waveform::new((0..number(&case["samples"])).map(sample).collect(), from).unwrap();
        let found = wave.resample(to).unwrap().samples;
        let wanted: Vec<f64> = serde_json::from_value(case["output"].clone()).unwrap();
        let found = &found[number(&case["first"])..];
        let error: f64 = wanted.iter().zip(found).map(|(w, f)| (w - f64::from(*f)).powi(2)).sum();
        let db = 10.0 * (error / wanted.iter().map(|w| w * w).sum::<f64>()).log10();
        println!("{from} to {to} Hz: {db:.1} dB of scipy");
        assert!(db < -90.0, "{from} to {to}: {db}");
    }
    record(
        "golden",
        "resampling, to 0.9 of half the lower rate",
        "within -90 dB of scipy's polyphase filter",
    );
}

#[test]
fn resampling_in_pieces_gives_the_whole() {
    let sound: Vec<f32> = (0..20_001).map(|n| (n as f32 * 0.11).sin() * 0.5).collect();
    for (from, to) in [(44_100, 16_000), (8_000, 16_000), (16_000, 7_919), (16_000, 16_000)] {
        let wave = Waveform::new(sound.clone(), from).unwrap();
        let whole = wave.resample(to).unwrap().samples;
        let mut resampler = Resampler::new(from, to).unwrap();
        for piece in [1, 160, 1_999, 30_000] {
            let mut found = Vec::new();
            for part in sound.chunks(piece) {
                found.extend(resampler.push(part).unwrap());
            }
            found.extend(resampler.finish());
            assert_eq!(found, whole, "{from} to {to} in pieces of {piece}");
        }
    }
    let mut resampler = Resampler::new(8_000, 16_000).unwrap();
    assert_eq!(resampler.finish(), Vec::<f32>::new());
    let refused = resampler.push(&[0.0, f32::NAN]).unwrap_err();
    assert!(matches!(refused, DataError::NotFinite { at: 1, .. }), "{refused}");
    assert!(Resampler::new(999, 8_000).is_err() && Resampler::new(8_000, 800_000).is_err());
    record("streaming", "resampling in pieces", "equal to the whole");
}

#[test]
fn bytes_in_odd_pieces_give_the_whole() {
    let samples: Vec<i16> = (0..501).map(|n| (n * 131 % 65_536 - 32_768) as i16).collect();
    let bytes: Vec<u8> = samples.iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let whole = Waveform::from_pcm(&bytes, PcmFormat::Int16, 1, 8_000).unwrap();
    assert_eq!(whole.samples[0], -1.0);
    for piece in [1, 3, 7, 320, 5_000] {
        let mut stream = PcmStream::new(PcmFormat::Int16, 1).unwrap();
        let found: Vec<f32> =
            bytes.chunks(piece).flat_map(|part| stream.push(part).unwrap()).collect();
        stream.finish().unwrap();
        assert_eq!(found, whole.samples, "{piece}");
    }
    // Three channels, of which one sample is missing at the end.
    let refused = Waveform::from_pcm(&bytes[..20], PcmFormat::Int16, 3, 8_000).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "a stream of samples cannot be decoded: it ends 2 bytes into a frame of 6"
    );
    let refused = PcmStream::new(PcmFormat::Float32, 0).unwrap_err();
    assert_eq!(refused.to_string(), "channels must lie in 1..=64, but is 0");
    let nan = f32::NAN.to_le_bytes();
    assert!(PcmStream::new(PcmFormat::Float32, 1).unwrap().push(&nan).is_err());
    let most = i32::MIN.to_le_bytes();
    assert_eq!(Waveform::from_pcm(&most, PcmFormat::Int32, 1, 8_000).unwrap().samples, [-1.0]);
    record(
        "streaming",
        "bytes of samples in odd pieces",
        "equal to the whole; a cut end is refused",
    );
}

fn tone(hertz: f32, rate: u32, samples: usize) -> Waveform {
    let sample = |n| 0.5 * (std::f32::consts::TAU * hertz * n as f32 / rate as f32).sin();
    Waveform { samples: (0..samples).map(sample).collect(), rate }
}

/// Two tones of a quarter of a second, and what is said of each.
fn tones<T>(target: impl Fn(&str) -> T) -> Vec<Example<Waveform, T>> {
    [("low", 200.0), ("high", 2_500.0)]
        .map(|(label, hertz)| Example { input: tone(hertz, 16_000, 4_001), target: target(label) })
        .into()
}

/// A predictor of random weights.
fn fresh<T, C>(options: Value, train: &dyn Dataset<ExampleOf<T>>) -> Predictor<T>
where
    T: Solve<C::Model>,
    C: Recipe<T>,
{
    let (task, config) = C::prepare(&options, train).unwrap();
    let device = Device::flex();
    Predictor::new(task, Network::init(config, 3, &device).unwrap(), &device)
}

/// The small networks whose answer is text.
fn writers() -> [Predictor<SpeechRecognition>; 2] {
    let conformer = json!({
        "n_mels": 12, "d_model": 16, "n_heads": 2, "n_layers": 1, "d_hidden": 20, "kernel": 3,
        "channels": 4
    });
    let whisper = json!({
        "seconds": 0.42, "n_mels": 9, "d_model": 12, "n_heads": 3, "n_layers": 1, "max_length": 24
    });
    let texts = tones(str::to_owned);
    [
        fresh::<SpeechRecognition, ConformerConfig>(conformer, &texts),
        fresh::<SpeechRecognition, WhisperConfig>(whisper, &texts),
    ]
}

/// The small networks of all other tasks.
fn others() -> Vec<Box<dyn AnyPredictor>> {
    let labels = tones(str::to_owned);
    let words = tones(|label| KeywordTarget::Clip(label.to_owned()));
    let statistics = json!({"n_mels": 12, "n_mfcc": 7});
    let separable = json!({"n_mels": 11, "channels": 6, "n_blocks": 2});
    // Every window is heard, and the likeliest word reported.
    let spotting = json!({
        "n_mels": 11, "channels": 6, "n_blocks": 2, "spotting": {"threshold": 0.0, "silence": 0.0}
    });
    let mel = json!({"n_mels": 11, "channels": [3, 5]});
    let voices = json!({
        "n_mels": 9, "partial_frames": 12, "d_hidden": 8, "n_layers": 2, "d_embedding": 7
    });
    vec![
        Box::new(fresh::<AudioClassification, StatisticsLinearConfig>(statistics, &labels)),
        Box::new(fresh::<AudioClassification, DsCnnConfig>(separable, &labels)),
        Box::new(fresh::<AudioClassification, MelCnnConfig>(mel, &labels)),
        Box::new(fresh::<KeywordSpotting, DsCnnConfig>(spotting, &words)),
        Box::new(fresh::<SpeakerEmbedding, Ge2eConfig>(voices, &labels)),
        // It has one size.
        Box::new(fresh::<VoiceActivity, SileroVadConfig>(
            json!({}),
            &tones(|_| Vec::<Span>::new()),
        )),
    ]
}

/// How many numbers an answer holds; none if one of them is not finite, which JSON has no number for.
fn numbers(answer: &Value) -> Option<usize> {
    match answer {
        Value::Null => None,
        Value::Number(_) => Some(1),
        Value::Array(parts) => parts.iter().map(numbers).sum(),
        Value::Object(parts) => parts.values().map(numbers).sum(),
        Value::Bool(_) | Value::String(_) => Some(0),
    }
}

/// What a network gives before it becomes text, in which a number that is not finite would not show.
fn logits(writer: &Predictor<SpeechRecognition>, wave: &Waveform) -> Vec<f32> {
    let (task, device) = (writer.task(), writer.device());
    let logits = if let Some(network) = writer.network::<ConformerConfig>() {
        let frames = task.ctc().unwrap().frames(wave).unwrap();
        let width = frames.width;
        network.model.forward(AudioBatch::of(&[frames], width, device)).logits
    } else {
        let (network, listener) =
            (writer.network::<WhisperConfig>().unwrap(), task.whisper().unwrap());
        let frames = listener.opening(wave).unwrap();
        let audio = listener.windows(&[(&frames, 0)], device);
        let ids = Tensor::<2, Int>::from_ints([[0, 1, 2]], device);
        network.model.forward(WhisperBatch { audio, ids })
    };
    logits.into_data().iter::<f32>().collect()
}

/// A click of this magnitude, up and down, and silence behind it.
fn click(loud: f32, rate: u32) -> Waveform {
    Waveform { samples: [vec![loud, -loud], vec![0.0; 478]].concat(), rate }
}

/// The largest magnitude that is resampled, and the largest that is heard as loud as it is.
const RESAMPLED: u64 = 1 << 60;
const HEARD: u64 = 1 << 40;

/// One sample, silence, clipping, a constant, 192 kHz: sound that a recorder can give. Every network
/// has an answer of finite numbers. What is too loud to be resampled all of them refuse, where it has to
/// be; the two that hear a sound as loud as it is refuse it earlier.
#[test]
fn odd_sound_has_a_finite_answer() {
    let mel = LogMelConfig::whisper(80).init().unwrap();
    let (writers, mut networks) = (writers(), others());
    for writer in &writers {
        networks.push(Box::new(writer.clone()));
    }
    let answer = |network: &dyn AnyPredictor, wave: &Waveform| {
        network.predict(&[Raw::Bytes(&wave.to_wav().unwrap())]).remove(0)
    };
    let clipped = tone(300.0, 16_000, 4_000).with_peak(9.0).samples;
    let clipped = clipped.into_iter().map(|sample| sample.clamp(-1.0, 1.0)).collect();
    for (name, wave) in [
        ("one sample", Waveform { samples: vec![0.5], rate: 16_000 }),
        ("silence", Waveform { samples: vec![0.0; 4_800], rate: 16_000 }),
        ("clipping", Waveform { samples: clipped, rate: 16_000 }),
        ("a constant", Waveform { samples: vec![0.7; 4_800], rate: 16_000 }),
        ("192 kHz", tone(440.0, 192_000, 48_000)),
        ("the loudest", click(f32::MAX, 16_000)),
    ] {
        let read = Waveform::from_wav(&wave.to_wav().unwrap()).unwrap();
        assert_eq!(read, wave, "{name}");
        let frames = mel.compute(&read.resample(16_000).unwrap().samples);
        assert!(frames.values.iter().all(|value| value.is_finite()), "{name}");
        for network in &networks {
            let what = format!("{name}, {}: {}", network.task(), network.architecture());
            let mut found = answer(network.as_ref(), &wave);
            // These two hear a sound as loud as it is.
            let as_it_is = matches!(network.task(), "voice-activity" | "speaker-embedding");
            if name == "the loudest" && as_it_is {
                let refused = matches!(found, Err(DataError::TooLarge { limit: HEARD, .. }));
                assert!(refused, "{what}: {found:?}");
                let loud = Waveform { samples: vec![HEARD as f32; 4_800], rate: 16_000 };
                found = answer(network.as_ref(), &loud);
            }
            let found = found.unwrap_or_else(|error| panic!("{what}: {error}"));
            // A text may be empty.
            let least = usize::from(network.task() != "speech-recognition");
            assert!(numbers(&found).is_some_and(|count| count >= least), "{what}: {found}");
        }
        for writer in &writers {
            let finite = logits(writer, &wave).iter().all(|value| value.is_finite());
            assert!(finite, "{name}, {}", writer.architecture());
        }
        let refused = if name == "the loudest" { ", or refused as too loud" } else { "" };
        record("input", &format!("sound: {name}"), &format!("finite numbers{refused}"));
    }
    for network in &networks {
        let refused = answer(network.as_ref(), &click(f32::MAX, 8_000));
        assert!(
            matches!(refused, Err(DataError::TooLarge { limit: RESAMPLED, .. })),
            "{}: {refused:?}",
            network.architecture()
        );
    }
}

/// A file of 16-bit samples whose header promises `data` bytes of sound.
fn promising(data: u32) -> Vec<u8> {
    let mut bytes = b"RIFF\0\0\0\0WAVEfmt \x10\0\0\0\x01\0\x01\0".to_vec();
    bytes.extend(16_000u32.to_le_bytes());
    bytes.extend(32_000u32.to_le_bytes());
    bytes.extend(b"\x02\0\x10\0data");
    bytes.extend(data.to_le_bytes());
    bytes.extend([0; 64]);
    bytes[4..8].copy_from_slice(&data.saturating_add(36).to_le_bytes());
    bytes
}

#[test]
fn headers_that_promise_too_much_are_refused_before_any_memory_is_spent() {
    assert!(Waveform::from_wav(&promising(64)).is_ok());
    for data in [66, 1 << 20, u32::MAX - 1, u32::MAX] {
        let refused = Waveform::from_wav(&promising(data)).unwrap_err().to_string();
        assert!(refused.starts_with("WAV audio cannot be decoded: "), "{refused}");
        let promise = format!("{data} bytes of sound were promised, but 64 are there");
        assert!(refused.ends_with(&promise) || data == u32::MAX, "{refused}");
    }
    record("input", "WAV header longer than the file, or of 4 GB", "refused");
}
