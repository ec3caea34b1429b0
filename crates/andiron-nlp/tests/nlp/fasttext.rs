//! fastText's models against fastText itself, and spoilt ones; numbers by
//! `scripts/golden/language_id.py`, small models by `scripts/golden/fasttext_models.py`.

use crate::smollm2::asset;
use andiron_core::testing;
use andiron_nlp::{
    fasttext::{Answer, FastText, FastTextError},
    language_id::LanguageIdentifier,
};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

fn golden() -> Value {
    serde_json::from_str(include_str!("../golden/fasttext.json")).unwrap()
}

fn here(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// The model for languages, if `scripts/fetch-assets --only lid-176` has brought it.
fn lid() -> Option<PathBuf> {
    asset("lid-176/lid.176.ftz")
}

fn small_models() -> Vec<PathBuf> {
    let folder = fs::read_dir(here("tests/golden")).unwrap();
    let paths = folder.map(|entry| entry.unwrap().path());
    let mut found: Vec<PathBuf> = paths
        .filter(|path| path.extension().is_some_and(|end| end == "bin" || end == "ftz"))
        .collect();
    found.sort();
    assert!(found.len() >= 6, "only {found:?}");
    found
}

/// The greatest difference of a probability.
fn compare(got: &[Answer], wanted: &Value, what: &str) -> f64 {
    let wanted = wanted.as_array().unwrap();
    assert_eq!(got.len(), wanted.len(), "{what}: {got:?}, not {wanted:?}");
    let mut furthest = 0.0_f64;
    for (answer, wanted) in got.iter().zip(wanted) {
        let (label, score) = (wanted[0].as_str().unwrap(), wanted[1].as_f64().unwrap());
        let difference = (f64::from(answer.score) - score).abs();
        assert!(difference <= 1e-4, "{what}: {answer:?}, not {wanted}");
        // Labels of equal probability stand in any order.
        let alike = got.iter().filter(|other| (other.score - answer.score).abs() < 1e-6).count();
        if alike == 1 {
            assert_eq!(answer.label, label.trim_start_matches("__label__"), "{what}: {got:?}");
        }
        furthest = furthest.max(difference);
    }
    furthest
}

#[test]
fn every_line_has_fasttexts_language() {
    let Some(path) = lid() else { return };
    let (golden, model) = (golden(), FastText::open(&path).unwrap());
    assert_eq!(model.labels().len(), 176);
    let text = include_str!("../golden/languages.txt");
    let lines: Vec<&str> = text.strip_suffix('\n').unwrap().split('\n').collect();
    let wanted = golden["lid"].as_array().unwrap();
    assert_eq!(lines.len(), wanted.len());
    assert!(lines.len() >= 150);
    let mut furthest = 0.0_f64;
    let mut languages = std::collections::BTreeSet::new();
    for (line, wanted) in lines.iter().zip(wanted) {
        let got = model.predict(line, 3);
        furthest = furthest.max(compare(&got, wanted, line));
        // The best alone is the best of three, and all are in order.
        assert_eq!(model.predict(line, 1)[..], got[..1], "{line}");
        assert!(model.predict(line, 176).is_sorted_by(|a, b| a.score >= b.score));
        languages.insert(got[0].label.clone());
    }
    println!("{} lines in {} languages, off by {furthest:.1e}", lines.len(), languages.len());
    assert!(languages.len() >= 60, "{languages:?}");

    let identifier = LanguageIdentifier::open(&path).unwrap();
    assert_eq!(identifier.languages().len(), 176);
    let broken = identifier.predict("Wo ist\ndie Bibliothek?", 2).unwrap();
    assert_eq!(broken, model.predict("Wo ist die Bibliothek?", 2));
    testing::record(
        "golden",
        "language identification: fastText's lid.176.ftz",
        &format!("{} lines: labels as fasttext-predict, probabilities within 1e-4", lines.len()),
    );
}

#[test]
fn small_models_answer_as_fasttext_does() {
    let golden = golden();
    let models = golden["small"].as_object().unwrap();
    let paths = small_models();
    assert_eq!(models.len(), paths.len());
    for path in paths {
        let name = path.file_name().unwrap().to_str().unwrap();
        let model = FastText::open(&path).unwrap();
        let lines = golden["lines"].as_array().unwrap();
        assert_eq!(lines.len(), models[name].as_array().unwrap().len());
        for (line, wanted) in lines.iter().zip(models[name].as_array().unwrap()) {
            let line = line.as_str().unwrap();
            compare(&model.predict(line, 5), wanted, &format!("{name}, {line:?}"));
            assert!(model.predict(line, 0).is_empty());
        }
        let nothing = LanguageIdentifier::from(model).predict(" \n", 1).unwrap_err();
        assert_eq!(nothing.to_string(), "the text is empty");
    }
}

fn read(bytes: &[u8]) -> Result<FastText, FastTextError> {
    FastText::read(bytes, bytes.len() as u64)
}

/// Reads what may be spoilt, and uses what could be read.
fn try_it(bytes: &[u8]) -> bool {
    let Ok(model) = read(bytes) else { return false };
    for line in ["apple dog 日本", "", "wo ist die Bibliothek"] {
        assert!(model.predict(line, 3).len() <= 3);
    }
    true
}

/// A small generator of its own, so that the test knows no crate for it.
fn random(state: &mut u64) -> usize {
    *state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    (*state >> 33) as usize
}

#[test]
fn a_truncated_model_is_refused() {
    for path in small_models() {
        let bytes = fs::read(&path).unwrap();
        assert!(try_it(&bytes), "{}", path.display());
        for end in 0..bytes.len().min(3000) {
            assert!(read(&bytes[..end]).is_err(), "{}, {end} bytes", path.display());
        }
        // The length is a promise of the caller's, and may be wrong too.
        assert!(FastText::read(&bytes[..bytes.len() / 2], bytes.len() as u64).is_err());
        let longer = [&bytes[..], b"?"].concat();
        let error = read(&longer).unwrap_err().to_string();
        assert_eq!(error, "1 bytes stand behind the end of the fastText model");
    }
}

#[test]
fn a_spoilt_model_is_read_or_refused() {
    let (mut state, mut taken, mut refused) = (7, 0, 0);
    let mut spoil = |bytes: &[u8], times: usize| {
        for _ in 0..times {
            let mut bytes = bytes.to_vec();
            for _ in 0..=random(&mut state) % 3 {
                // Half of the faults where the sizes stand.
                let within = if random(&mut state).is_multiple_of(2) { bytes.len() } else { 200 };
                let at = random(&mut state) % within.min(bytes.len());
                match random(&mut state) % 4 {
                    0 => bytes[at] = 0xff,
                    1 => bytes[at] = 0,
                    2 => {
                        let end = (at + 8).min(bytes.len());
                        bytes[at..end].copy_from_slice(&[0xff; 8][..end - at]);
                    }
                    _ => bytes[at] ^= 1 << (random(&mut state) % 8),
                }
            }
            if try_it(&bytes) { taken += 1 } else { refused += 1 }
        }
    };
    for path in small_models() {
        spoil(&fs::read(&path).unwrap(), 2000);
    }
    if let Some(path) = lid() {
        spoil(&fs::read(path).unwrap(), 200);
    }
    println!("{taken} spoilt models were read, {refused} refused");
    assert!(taken > 500 && refused > 500, "{taken} read, {refused} refused");
}

#[test]
fn what_is_no_model_is_refused_by_name() {
    let path = here("tests/golden/fasttext_tree.bin");
    let bytes = fs::read(&path).unwrap();
    let refused = |at: usize, with: &[u8]| {
        let mut bytes = bytes.clone();
        bytes[at..at + with.len()].copy_from_slice(with);
        read(&bytes).unwrap_err().to_string()
    };
    assert_eq!(
        refused(0, b"GGUF"),
        "the file is no fastText model: it begins with 0x46554747, not with 0x2f4f16ba"
    );
    assert_eq!(
        refused(4, &[13]),
        "version 13 of the fastText format is not supported, only 11 and 12 are"
    );
    // The kind of model: a skip-gram.
    assert_eq!(
        refused(36, &[2]),
        "the fastText model's kind of model is 2, which is not supported"
    );
    assert_eq!(refused(32, &[9]), "the fastText model's loss is 9, which is not supported");
    assert_eq!(
        refused(8, &6_i32.to_le_bytes()),
        "the fastText model contradicts itself: columns of the input matrix should be 6, but is 5"
    );
    assert_eq!(
        refused(64, &i32::MAX.to_le_bytes()),
        "the fastText model's size of the dictionary cannot be 2147483647"
    );
    let missing = FastText::open(here("tests/golden/none.ftz")).unwrap_err();
    assert!(missing.to_string().starts_with("cannot read "), "{missing}");
    assert!(std::error::Error::source(&missing).is_some());
}
