//! Whisper of odd sizes as transformers saves it; numbers by `scripts/golden/whisper_tiny.py`. And
//! the same weights as CTranslate2 keeps them.
#![allow(clippy::unwrap_used, reason = "tests")]

use andiron_core::{
    Model as _, Network, Predictor, Raw, Registry, bundle::Card, device, testing,
    weights::Source as _,
};
use andiron_speech::{
    SpeechRecognition, TASKS, Waveform,
    models::whisper::{WhisperBatch, WhisperConfig},
    whisper::{self, Vocabulary, WhisperDecoding, WhisperError, WhisperListener},
};
use andiron_weights::folder::Folder;
use burn::tensor::{Device, Int, Tensor, TensorData};
use serde_json::Value;
use std::{
    error::Error,
    fs,
    path::{Path, PathBuf},
};

fn golden() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/whisper_tiny")
}

fn case() -> Value {
    serde_json::from_slice(&fs::read(golden().join("case.json")).unwrap()).unwrap()
}

fn numbers<T: serde::de::DeserializeOwned>(value: &Value) -> Vec<T> {
    serde_json::from_value(value.clone()).unwrap()
}

fn tensor<const D: usize>(case: &Value, name: &str, device: &Device) -> Tensor<D> {
    let shape: Vec<usize> = numbers(&case[format!("{name}_shape")]);
    Tensor::from_data(TensorData::new(numbers::<f32>(&case[name]), shape), device)
}

/// The golden folder with a vocabulary: that of bytes has as many tokens as fit.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    for name in ["config.json", "model.safetensors"] {
        fs::copy(golden().join(name), dir.path().join(name)).unwrap();
    }
    let vocabulary = serde_json::to_string(&Vocabulary::of_bytes()).unwrap();
    fs::write(dir.path().join("tokenizer.json"), vocabulary).unwrap();
    dir
}

fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u16 + 1).to_le_bytes()[..], text.as_bytes(), &[0]].concat()
}

/// The golden weights in CTranslate2's layout, with what it keeps side by side.
#[allow(clippy::too_many_lines, reason = "one table of tensors")]
fn model_bin() -> Vec<u8> {
    let file = Folder::open(golden().join("model.safetensors")).unwrap();
    let read = |name: &str| file.read(&format!("model.{name}")).unwrap();
    let mut variables: Vec<(String, Vec<u32>, u8, Vec<u8>)> = Vec::new();
    let mut put = |name: String, parts: Vec<Option<TensorData>>, d: usize| {
        let mut values: Vec<f32> = Vec::new();
        let mut shape: Vec<u32> = Vec::new();
        for part in parts {
            let part = part.unwrap_or_else(|| TensorData::new(vec![0f32; d], [d]));
            let of_part: Vec<u32> = part.shape().as_slice().iter().map(|n| *n as u32).collect();
            match shape.first_mut() {
                None => shape = of_part,
                Some(rows) => *rows += of_part[0],
            }
            values.extend(part.iter::<f32>());
        }
        let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
        variables.push((name, shape, 0, bytes));
    };
    for name in ["conv1", "conv2"] {
        for leaf in ["weight", "bias"] {
            put(
                format!("encoder/{name}/{leaf}"),
                vec![Some(read(&format!("encoder.{name}.{leaf}")))],
                0,
            );
        }
    }
    put("decoder/embeddings/weight".into(), vec![Some(read("decoder.embed_tokens.weight"))], 0);
    for (side, layers) in [("encoder", 2), ("decoder", 3)] {
        let one = |name: String| vec![Some(read(&name))];
        put(
            format!("{side}/position_encodings/encodings"),
            one(format!("{side}.embed_positions.weight")),
            0,
        );
        for (leaf, theirs) in [("weight", "gamma"), ("bias", "beta")] {
            put(format!("{side}/layer_norm/{theirs}"), one(format!("{side}.layer_norm.{leaf}")), 0);
        }
        for at in 0..layers {
            let (ours, their) = (format!("{side}.layers.{at}"), format!("{side}/layer_{at}"));
            let mut norms =
                vec![("self_attn_layer_norm", "self_attention"), ("final_layer_norm", "ffn")];
            if side == "decoder" {
                norms.push(("encoder_attn_layer_norm", "attention"));
            }
            for (norm, part) in norms {
                for (leaf, theirs) in [("weight", "gamma"), ("bias", "beta")] {
                    put(
                        format!("{their}/{part}/layer_norm/{theirs}"),
                        one(format!("{ours}.{norm}.{leaf}")),
                        0,
                    );
                }
            }
            for leaf in ["weight", "bias"] {
                let map = |name: &str| {
                    let silent = name.ends_with("k_proj") && leaf == "bias";
                    (!silent).then(|| read(&format!("{ours}.{name}.{leaf}")))
                };
                let fused =
                    ["q_proj", "k_proj", "v_proj"].map(|name| map(&format!("self_attn.{name}")));
                put(format!("{their}/self_attention/linear_0/{leaf}"), fused.to_vec(), 12);
                put(
                    format!("{their}/self_attention/linear_1/{leaf}"),
                    vec![map("self_attn.out_proj")],
                    0,
                );
                if side == "decoder" {
                    put(
                        format!("{their}/attention/linear_0/{leaf}"),
                        vec![map("encoder_attn.q_proj")],
                        0,
                    );
                    let fused =
                        ["k_proj", "v_proj"].map(|name| map(&format!("encoder_attn.{name}")));
                    put(format!("{their}/attention/linear_1/{leaf}"), fused.to_vec(), 12);
                    put(
                        format!("{their}/attention/linear_2/{leaf}"),
                        vec![map("encoder_attn.out_proj")],
                        0,
                    );
                }
                put(format!("{their}/ffn/linear_0/{leaf}"), vec![map("fc1")], 0);
                put(format!("{their}/ffn/linear_1/{leaf}"), vec![map("fc2")], 0);
            }
        }
    }
    let mut bytes = 6u32.to_le_bytes().to_vec();
    bytes.extend(string("WhisperSpec"));
    bytes.extend(3u32.to_le_bytes());
    bytes.extend((variables.len() as u32 + 3).to_le_bytes());
    for side in ["encoder", "decoder"] {
        variables.push((format!("{side}/num_heads"), vec![], 2, vec![3, 0]));
    }
    variables.push(("decoder/alignment_heads".into(), vec![1, 2], 2, vec![0; 4]));
    for (name, shape, kind, values) in variables {
        bytes.extend(string(&name));
        bytes.push(shape.len() as u8);
        bytes.extend(shape.iter().flat_map(|extent| extent.to_le_bytes()));
        bytes.push(kind);
        bytes.extend((values.len() as u32).to_le_bytes());
        bytes.extend(values);
    }
    bytes.extend(1u32.to_le_bytes());
    bytes.extend(string("decoder/projection/weight"));
    bytes.extend(string("decoder/embeddings/weight"));
    bytes
}

/// A folder with the same network as CTranslate2 has it.
fn ctranslate2() -> tempfile::TempDir {
    let dir = folder();
    fs::remove_file(dir.path().join("model.safetensors")).unwrap();
    fs::write(dir.path().join("config.json"), r#"{"suppress_ids": [3], "lang_ids": []}"#).unwrap();
    fs::write(dir.path().join("model.bin"), model_bin()).unwrap();
    dir
}

fn load(dir: &Path) -> Network<WhisperConfig> {
    whisper::from_folder(dir, &device("flex").unwrap()).unwrap().1
}

#[test]
fn logits_are_those_of_transformers() {
    let (case, device) = (case(), device("flex").unwrap());
    let audio: Tensor<3> = tensor(&case, "audio", &device);
    let ids: Vec<Vec<i32>> = numbers(&case["ids"]);
    let ids = TensorData::new(ids.concat(), [3, 5]);
    let ids = Tensor::<2, Int>::from_data(ids, &device);
    let wanted: Tensor<3> = tensor(&case, "logits", &device);
    let close = |found: Tensor<3>, wanted: Tensor<3>, what: &str| {
        let off = (found - wanted).abs().max().into_scalar::<f32>();
        assert!(off < 1e-4, "{what}: {off}");
    };
    for (name, dir) in [("transformers'", folder()), ("CTranslate2's", ctranslate2())] {
        let model = load(dir.path()).model;
        let encoded = model.encode(audio.clone());
        let shape = encoded.dims();
        let golden = TensorData::new(numbers::<f32>(&case["encoded"]), shape);
        close(encoded.clone(), Tensor::from_data(golden, &device), &format!("{name} encoder"));
        let batch = WhisperBatch { audio: audio.clone(), ids: ids.clone() };
        close(model.forward(batch), wanted.clone(), &format!("{name} whole batch"));
        for row in 0..3 {
            let mut cache = model.listen(encoded.clone().narrow(0, row, 1));
            let mut parts = Vec::new();
            for at in 0..5 {
                let next = ids.clone().narrow(0, row, 1).narrow(1, at, 1);
                parts.push(model.logits(model.read(next, &mut cache)));
            }
            let wanted = wanted.clone().narrow(0, row, 1);
            close(Tensor::cat(parts, 1), wanted, &format!("{name} row {row} with a cache"));
        }
    }
    testing::record(
        "golden",
        "speech-recognition: whisper",
        "logits of a random checkpoint of odd sizes within 1e-4 of transformers, in a batch, alone and token by token; from safetensors and CTranslate2",
    );
}

#[test]
fn a_published_folder_becomes_a_bundle_and_stays_readable() {
    let device = device("flex").unwrap();
    let registry = Registry::default().with(TASKS);
    for dir in [folder(), ctranslate2()] {
        let predictor = registry.open(dir.path(), None, &device).unwrap();
        assert_eq!((predictor.task(), predictor.architecture()), ("speech-recognition", "whisper"));
        let tone = (0..4_000).map(|n| (n as f32 * 0.2).sin()).collect();
        let wave = Waveform::new(tone, 16_000).unwrap().to_wav().unwrap();
        let answer = predictor.predict(&[Raw::Bytes(&wave)]).remove(0).unwrap();
        assert!(answer["text"].is_string() && answer["segments"].is_array(), "{answer}");
        let place = tempfile::tempdir().unwrap();
        let bundle = place.path().join("bundle");
        predictor.save(Card::default(), &bundle).unwrap();
        let again = Predictor::<SpeechRecognition>::load(&bundle, &device).unwrap();
        let kept = again.predict(&[Waveform::from_wav(&wave).unwrap()]).unwrap().remove(0);
        let kept = serde_json::to_value(kept).unwrap();
        assert_eq!(kept, answer);
        // The weights stand there under transformers' names.
        let weights = Folder::open(bundle.join("model.safetensors")).unwrap();
        assert!(weights.entry("model.decoder.layers.2.encoder_attn.k_proj.weight").is_some());
        // Without our description it is a folder as transformers has it.
        fs::remove_file(bundle.join("andiron.json")).unwrap();
        let read = registry.open(&bundle, None, &device).unwrap();
        assert_eq!(read.predict(&[Raw::Bytes(&wave)]).remove(0).unwrap(), answer);
    }
}

fn chain(error: &dyn Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

#[test]
fn what_cannot_be_used_is_refused_by_name() {
    let device = device("flex").unwrap();
    let refused = |dir: &Path| -> WhisperError {
        whisper::from_folder(dir, &device).map(|_| ()).expect_err("it is refused")
    };
    let with = |file: &str, change: &dyn Fn(Value) -> Value| {
        let dir = folder();
        let path = dir.path().join(file);
        let value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
        fs::write(&path, change(value).to_string()).unwrap();
        chain(&refused(dir.path()))
    };
    let set = |field: &'static str, to: Value| {
        with("config.json", &move |mut config| {
            config[field] = to.clone();
            config
        })
    };
    for (got, wanted) in [
        (set("activation_function", "relu".into()), "\"activation_function\""),
        (set("scale_embedding", true.into()), "\"scale_embedding\""),
        (set("decoder_attention_heads", 4.into()), "\"decoder_attention_heads\""),
        (set("encoder_attention_heads", 5.into()), "\"decoder_attention_heads\""),
        (set("d_model", 16.into()), "n_heads"),
        (set("vocab_size", 100.into()), "the number of tokens must be at least"),
        (set("num_mel_bins", 10.into()), "model.encoder.conv1.weight"),
        (set("decoder_layers", 4.into()), "model.decoder.layers.3."),
        (set("decoder_layers", 2.into()), "model.decoder.layers.2."),
        (set("max_source_positions", 12.into()), "embed_positions"),
        (set("model_type", "bert".into()), "\"model_type\""),
    ] {
        assert!(got.contains(wanted), "{got}");
    }
    let dir = folder();
    fs::remove_file(dir.path().join("tokenizer.json")).unwrap();
    assert!(chain(&refused(dir.path())).contains("tokenizer.json"));
    let lacking = serde_json::to_string(&Vocabulary::of_bytes()).unwrap();
    let lacking = lacking.replace("<|notimestamps|>", "<|other|>");
    fs::write(dir.path().join("tokenizer.json"), lacking).unwrap();
    assert!(chain(&refused(dir.path())).contains("<|notimestamps|>"));
    // CTranslate2's: cut off, and with a variable that has no place.
    let dir = ctranslate2();
    let whole = fs::read(dir.path().join("model.bin")).unwrap();
    fs::write(dir.path().join("model.bin"), &whole[..whole.len() / 2]).unwrap();
    assert!(chain(&refused(dir.path())).contains("ends within"));
    let text = b"decoder/layer_2/ffn/linear_1/bias";
    let at = whole.windows(text.len()).position(|part| part == text).unwrap();
    let mut other = whole.clone();
    other[at..at + text.len()].copy_from_slice(b"decoder/layer_2/ffn/linear_1/bios");
    fs::write(dir.path().join("model.bin"), other).unwrap();
    let said = chain(&refused(dir.path()));
    assert!(
        said.contains("linear_1/bios") && said.contains("model.decoder.layers.2.fc2.bias"),
        "{said}"
    );
}

#[test]
fn what_is_found_depends_on_the_sound_and_the_seed_alone() {
    let device = device("flex").unwrap();
    let dir = folder();
    let (listener, network) = whisper::from_folder(dir.path(), &device).unwrap();
    let wave = |samples: usize, pitch: f32| {
        let samples = (0..samples).map(|n| (n as f32 * pitch).sin()).collect();
        Waveform::new(samples, 16_000).unwrap()
    };
    // Windows are 0.22 s: these have five, one, none and three.
    let waves = [wave(16_000, 0.2), wave(3_000, 0.05), wave(150, 0.3), wave(9_001, 0.011)];
    let of = |decoding: &WhisperDecoding, waves: &[Waveform]| {
        let listener = WhisperListener { decoding: decoding.clone(), ..listener.clone() };
        listener.transcribe(&network.model, waves, &device).unwrap()
    };
    let drawn = WhisperDecoding {
        timestamps: false,
        temperatures: vec![0.7, 1.3],
        best_of: 3,
        no_speech: None,
        ..WhisperDecoding::default()
    };
    let beam = WhisperDecoding { beam: 3, no_speech: None, ..WhisperDecoding::default() };
    for decoding in [&drawn, &beam] {
        let together = of(decoding, &waves);
        assert!(together[0].segments.len() > 1 && together[2].segments.is_empty());
        for (wave, wanted) in waves.iter().zip(&together) {
            let alone = of(decoding, std::slice::from_ref(wave)).remove(0);
            assert_eq!(alone.text, wanted.text);
            assert_eq!(alone.segments.len(), wanted.segments.len());
            for (alone, wanted) in alone.segments.iter().zip(&wanted.segments) {
                assert_eq!(alone.tokens, wanted.tokens);
                let off = alone.log_probability.unwrap() - wanted.log_probability.unwrap();
                assert!(off.abs() < 1e-4, "{off}");
                assert!(alone.start < alone.end && alone.end <= 1.0 + 0.22);
            }
        }
    }
    let other = WhisperDecoding { seed: 1, ..drawn.clone() };
    assert_eq!(of(&drawn, &waves), of(&drawn, &waves));
    assert_ne!(of(&drawn, &waves)[0].text, of(&other, &waves)[0].text);
}

/// The vocabulary of bytes with marks of two languages and what to do, as a multilingual Whisper has
/// them, behind the others.
fn multilingual() -> Value {
    let mut vocabulary = serde_json::to_value(Vocabulary::of_bytes()).unwrap();
    let added = vocabulary["added_tokens"].as_array_mut().unwrap();
    let (mut mark, first) = (added[0].clone(), added[0]["id"].as_u64().unwrap());
    let names = [
        "<|endoftext|>",
        "<|startoftranscript|>",
        "<|en|>",
        "<|de|>",
        "<|translate|>",
        "<|transcribe|>",
        "<|startofprev|>",
        "<|nospeech|>",
        "<|notimestamps|>",
    ];
    added.clear();
    for (at, name) in names.into_iter().enumerate() {
        mark["content"] = name.into();
        mark["id"] = (first + at as u64).into();
        added.push(mark.clone());
    }
    vocabulary
}

#[test]
fn marks_that_the_network_does_not_know_are_refused_by_name() {
    let vocabulary: Vocabulary = serde_json::from_value(multilingual()).unwrap();
    let marks = vocabulary.marks();
    assert_eq!(marks.languages.len(), 2);
    let all = vocabulary.n_tokens();
    marks.fit(all).unwrap();
    let refused = |mut marks: whisper::Marks, change: &dyn Fn(&mut whisper::Marks)| {
        change(&mut marks);
        marks.fit(all).unwrap_err().to_string()
    };
    let beyond = all as u32;
    type Change<'a> = &'a dyn Fn(&mut whisper::Marks);
    let changes: [(Change, &str); 9] = [
        (&|marks| marks.end = beyond, "<|endoftext|>"),
        (&|marks| marks.start = u32::MAX, "<|startoftranscript|>"),
        (&|marks| marks.no_timestamps = beyond, "<|notimestamps|>"),
        (&|marks| marks.translate = Some(beyond), "<|translate|>"),
        (&|marks| marks.transcribe = Some(beyond), "<|transcribe|>"),
        (&|marks| marks.previous = Some(beyond), "<|startofprev|>"),
        (&|marks| marks.no_speech = Some(beyond), "<|nospeech|>"),
        (&|marks| marks.language_model = Some(beyond), "<|startoflm|>"),
        (&|marks| marks.languages.extend([("de".to_owned(), beyond)]), "de"),
    ];
    for (change, name) in changes {
        let text = refused(marks.clone(), change);
        assert!(text.starts_with(&format!("setting \"the mark {name}\" cannot be")), "{text}");
    }
    // A published folder whose mark of the beginning lies behind all that the network knows.
    let dir = folder();
    let mut vocabulary = serde_json::to_value(Vocabulary::of_bytes()).unwrap();
    let added = vocabulary["added_tokens"].as_array_mut().unwrap();
    let start = added.iter().position(|one| one["content"] == "<|startoftranscript|>").unwrap();
    let mut start = added.remove(start);
    for (at, mark) in added.iter_mut().enumerate() {
        mark["id"] = (256 + at).into();
    }
    // Others before it, so that what the network knows ends before it.
    for at in 0..12 {
        start["id"] = (260 + at).into();
        let mut between = start.clone();
        between["content"] = format!("<|between {at}|>").into();
        added.push(between);
    }
    start["id"] = 272.into();
    added.push(start);
    fs::write(dir.path().join("tokenizer.json"), vocabulary.to_string()).unwrap();
    let refused = whisper::from_folder(dir.path(), &device("flex").unwrap()).map(|_| ());
    let text = chain(&refused.expect_err("it is refused"));
    assert!(text.contains("the mark <|startoftranscript|>"), "{text}");
}

#[test]
fn a_network_of_english_alone_is_asked_for_nothing_else() {
    let dir = folder();
    fs::write(dir.path().join("tokenizer.json"), multilingual().to_string()).unwrap();
    let device = device("flex").unwrap();
    let (listener, network) = whisper::from_folder(dir.path(), &device).unwrap();
    assert!(!listener.multilingual && listener.vocabulary.marks().languages.len() == 2);
    let wave = Waveform::new(vec![0.1; 2_000], 16_000).unwrap();
    let said = |multilingual: bool, language: Option<&str>, translate: bool| {
        let language = language.map(str::to_owned);
        let decoding = WhisperDecoding { language, translate, ..WhisperDecoding::greedy() };
        let listener = WhisperListener { multilingual, decoding, ..listener.clone() };
        listener.fits(&network.config).map_err(|error| error.to_string())?;
        let waves = std::slice::from_ref(&wave);
        let said = listener.transcribe(&network.model, waves, &device);
        said.map(|mut all| all.remove(0).language).map_err(|error| error.to_string())
    };
    assert_eq!(said(false, Some("en"), false).unwrap().as_deref(), Some("en"));
    let refused = said(false, Some("de"), false).unwrap_err();
    assert_eq!(refused, "setting \"language\" cannot be \"de\": the network hears English alone");
    let refused = said(false, Some("en"), true).unwrap_err();
    assert!(refused.starts_with("setting \"translate\" cannot be true"), "{refused}");
    assert_eq!(said(true, Some("de"), true).unwrap().as_deref(), Some("de"));
    assert!(said(true, Some("fr"), false).is_err());
}
