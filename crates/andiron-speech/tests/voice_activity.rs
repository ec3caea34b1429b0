//! Silero VAD with the published weights against the package's own network and its segments:
//! `scripts/golden/silero_vad.py` made the numbers. What needs weights or sounds runs where
//! `scripts/fetch-assets` has brought them; with `ANDIRON_ASSETS=required` it fails where they are
//! not.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use andiron_core::{
    AnyPredictor, DataError, Evaluator as _, Example, GradientTrainer, Network, Predictor, Raw,
    Recipe, Trainer as _, TrainingConfig, testing::record, trainer::Progress,
};
use andiron_speech::{
    VoiceActivity, Waveform,
    models::silero_vad::SileroVadConfig,
    tasks::voice_activity::{
        SegmentationConfig, Segmenter, Span, VoiceActivityEvaluator, VoiceExample, VoiceStream,
        from_path,
    },
};
use burn::tensor::Device;
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, path::PathBuf};
use support::{asset, floats, golden};

fn predictor() -> Option<Predictor<VoiceActivity>> {
    let folder = asset("silero-vad")?;
    Some(from_path(&folder.join("silero_vad_16k.safetensors"), &Device::flex()).unwrap())
}

/// The spans of speech in each clip, from the RTTM files.
fn spans(folder: &PathBuf) -> BTreeMap<String, Vec<Span>> {
    let mut found: BTreeMap<String, Vec<Span>> = BTreeMap::new();
    for path in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.extension().is_none_or(|ending| ending != "rttm") {
            continue;
        }
        for line in fs::read_to_string(path).unwrap().lines() {
            let words: Vec<&str> = line.split_whitespace().collect();
            let start: f64 = words[3].parse().unwrap();
            let end = start + words[4].parse::<f64>().unwrap();
            found.entry(words[1].to_owned()).or_default().push(Span { start, end });
        }
    }
    found
}

fn clips() -> Option<Vec<(String, VoiceExample)>> {
    let folder = asset("ami-clips")?;
    let mut spans = spans(&folder);
    let mut clips = Vec::new();
    for path in fs::read_dir(&folder).unwrap().map(|entry| entry.unwrap().path()) {
        if path.extension().is_some_and(|ending| ending == "wav") {
            let name = path.file_stem().unwrap().to_string_lossy().into_owned();
            let target = spans.remove(&name).unwrap();
            clips.push((name, Example { input: Waveform::from_file(&path).unwrap(), target }));
        }
    }
    clips.sort_by(|a, b| a.0.cmp(&b.0));
    assert_eq!(clips.len(), 13);
    Some(clips)
}

#[test]
fn probabilities_are_the_packages_own() {
    let (Some(predictor), Some(clips)) = (predictor(), clips()) else { return };
    let golden = golden("silero_vad");
    let wanted = golden["clips"].as_object().unwrap();
    assert_eq!(wanted.len(), 2);
    let mut worst = 0.0f32;
    for (name, wanted) in wanted {
        let wanted = floats(wanted);
        let clip = &clips.iter().find(|(clip, _)| clip == name).unwrap().1;
        assert!(clip.input.seconds() >= 30.0);
        let found = predictor.predict(std::slice::from_ref(&clip.input)).unwrap().remove(0);
        assert_eq!(found.probabilities.len(), wanted.len());
        for (found, wanted) in found.probabilities.iter().zip(&wanted) {
            worst = worst.max((found - wanted).abs());
        }
    }
    println!("probabilities within {worst:.1e} of the package's network");
    assert!(worst <= 1e-4, "{worst}");
    record(
        "golden",
        "silero-vad",
        &format!("probabilities within {worst:.0e} of the package's tinygrad network, twice 30 s"),
    );
}

#[test]
fn segments_are_the_packages_own() {
    let golden = golden("silero_vad");
    let cases = golden["segments"].as_array().unwrap();
    assert_eq!(cases.len(), 16);
    let mut spans = 0;
    for case in cases {
        let number = |name: &str| case["settings"][name].as_f64();
        let config = SegmentationConfig {
            threshold: number("threshold").unwrap(),
            exit_threshold: number("neg_threshold"),
            min_speech: number("min_speech_duration_ms").unwrap() / 1e3,
            min_silence: number("min_silence_duration_ms").unwrap() / 1e3,
            padding: number("speech_pad_ms").unwrap() / 1e3,
            max_speech: number("max_speech_duration_s"),
            ..Default::default()
        };
        let mut segmenter = Segmenter::new(config, 16_000, 512).unwrap();
        let mut found = Vec::new();
        for thousandths in floats(&case["thousandths"]) {
            found.extend(segmenter.push(thousandths / 1e3));
        }
        found.extend(segmenter.finish(case["samples"].as_u64().unwrap()));
        let samples = |seconds: f64| (seconds * 16e3).round() as u64;
        let found: Vec<[u64; 2]> =
            found.iter().map(|one| [samples(one.start), samples(one.end)]).collect();
        let wanted: Vec<[u64; 2]> = serde_json::from_value(case["spans"].clone()).unwrap();
        assert_eq!(found, wanted, "{}", case["settings"]);
        spans += found.len();
    }
    assert!(spans > 100);
    record("golden", "voice-activity", &format!("{spans} segments equal get_speech_timestamps'"));
}

#[test]
fn meetings_are_measured_as_the_reference_is() {
    let (Some(predictor), Some(clips)) = (predictor(), clips()) else { return };
    let examples: Vec<VoiceExample> = clips.into_iter().map(|(_, example)| example).collect();
    let report = VoiceActivityEvaluator::default().evaluate(&predictor, &examples).unwrap();
    let (auc, f1) = (report.score("auc").unwrap(), report.score("f1").unwrap());
    println!("{report}");
    let golden = golden("silero_vad");
    for (found, name, least) in [(auc, "auc", 0.96), (f1, "f1", 0.845)] {
        let wanted = golden["scores"][name].as_f64().unwrap();
        assert!((found.value - wanted).abs() < 1e-3, "{name}: {} and {wanted}", found.value);
        assert!(found.value >= least && found.low < found.value && found.value < found.high);
    }
    record(
        "accuracy",
        "voice-activity: silero-vad on 13 clips of meetings",
        &format!("AUC {:.4} and F1 {:.4} by frames", auc.value, f1.value),
    );
}

#[test]
fn a_stream_gives_what_the_whole_gives() {
    let (Some(predictor), Some(clips)) = (predictor(), clips()) else { return };
    let wave = &clips[4].1.input;
    let whole = predictor.predict(std::slice::from_ref(wave)).unwrap().remove(0);
    assert!(whole.segments.len() > 2);
    let mut stream = VoiceStream::of(&predictor).unwrap().unwrap();
    // 20 ms, one sample more than a frame, a prime, and all at once.
    for length in [320, 513, 7_919, wave.samples.len()] {
        let mut found = Vec::new();
        for chunk in wave.samples.chunks(length) {
            found.extend(stream.push(chunk).unwrap());
        }
        assert_eq!(stream.seconds(), wave.seconds());
        found.extend(stream.finish().unwrap());
        assert_eq!(found, whole.segments, "chunks of {length}");
    }
    record(
        "streaming",
        "voice-activity: silero-vad",
        "chunks of any length give the whole's answer",
    );
}

#[test]
fn a_stream_is_heard_as_it_comes_and_refuses_what_is_no_number() {
    let device = Device::flex();
    let network = Network::init(SileroVadConfig::v6_16k(), 3, &device).unwrap();
    let task = VoiceActivity::new(16_000, 512, 64);
    let mut stream = VoiceStream::new(task, network.model, &device).unwrap();
    assert_eq!(stream.probability(), 0.0);
    assert!(stream.push(&[]).unwrap().is_empty());
    stream.push(&[0.1; 511]).unwrap();
    assert_eq!(stream.probability(), 0.0);
    stream.push(&[0.1]).unwrap();
    assert!(stream.probability() > 0.0);
    let refused = stream.push(&[0.0, f32::NAN]).unwrap_err();
    assert!(matches!(refused, DataError::NotFinite { at: 1, .. }), "{refused}");
    assert_eq!(stream.seconds(), 512.0 / 16e3);
}

#[test]
fn silence_and_one_sample_get_answers() {
    let Some(predictor) = predictor() else { return };
    for samples in [vec![0.0; 16_000], vec![0.3], vec![1.0; 4_001]] {
        for rate in [8_000, 16_000, 192_000] {
            let wave = Waveform::new(samples.clone(), rate).unwrap();
            let answer = predictor.predict(&[wave]).unwrap().remove(0);
            assert!(!answer.probabilities.is_empty() && answer.segments.is_empty());
        }
    }
    let dynamic: &dyn AnyPredictor = &predictor;
    let refused = dynamic.predict(&[Raw::Json(&json!({"audio": 3}))]).remove(0).unwrap_err();
    assert!(matches!(refused, DataError::WrongKind { got: "JSON", .. }), "{refused}");
}

#[test]
fn bundles_and_folders_answer_as_the_file_does() {
    let Some(predictor) = predictor() else { return };
    let wave =
        Waveform::new((0..9_001).map(|n| (n as f32 * 0.07).sin()).collect(), 16_000).unwrap();
    let wanted = predictor.predict(std::slice::from_ref(&wave)).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let bundle = folder.path().join("bundle");
    predictor.save(&bundle).unwrap();
    let loaded = Predictor::<VoiceActivity>::load(&bundle, &Device::flex()).unwrap();
    assert_eq!(loaded.predict(std::slice::from_ref(&wave)).unwrap(), wanted);
    // The bundle's weights go by the names of the published file.
    let again = from_path(&bundle.join("model.safetensors"), &Device::flex()).unwrap();
    assert_eq!(again.predict(&[wave]).unwrap(), wanted);
}

#[test]
fn a_training_starts_from_the_published_weights() {
    let (Some(folder), Some(clips)) = (asset("silero-vad"), clips()) else { return };
    let cut = |example: &VoiceExample| {
        let samples = example.input.samples[..48_000].to_vec();
        VoiceExample { input: Waveform { samples, rate: 16_000 }, target: example.target.clone() }
    };
    let train: Vec<VoiceExample> = clips.iter().take(4).map(|(_, example)| cut(example)).collect();
    let options = json!({"base": folder.join("silero_vad_16k.safetensors"), "threshold": 0.4});
    let (task, config) = SileroVadConfig::prepare(&options, &train).unwrap();
    assert_eq!(task.segmentation.threshold, 0.4);
    let device = Device::flex();
    let network = config.start(&task, &options, 7, &device).unwrap();
    let training = TrainingConfig::new(4).with_learning_rate(1e-4).with_batch_size(4);
    let fitted = GradientTrainer::new(training)
        .with_progress(Progress::Silent)
        .fit(task, network, &train, &Vec::new(), &device)
        .unwrap();
    let losses: Vec<f64> = fitted.log.iter().map(|step| step.loss).collect();
    // Far below that of a coin from the first step on, and falling.
    assert!(losses[0] < 0.6 && losses[3] < losses[0], "{losses:?}");
    for wrong in [json!({"treshold": 0.4}), json!({"threshold": 7.0}), json!({"base": 3})] {
        assert!(SileroVadConfig::prepare(&wrong, &train).is_err(), "{wrong}");
    }
}

#[test]
fn spans_are_the_targets() {
    let line = json!({"segments": [{"start": 0.25, "end": 1.5}]});
    let spans = <VoiceActivity as andiron_core::Registered>::target(&line).unwrap();
    assert_eq!(spans, [Span { start: 0.25, end: 1.5 }]);
    let missing: Value = json!({});
    assert!(<VoiceActivity as andiron_core::Registered>::target(&missing).is_err());
}
