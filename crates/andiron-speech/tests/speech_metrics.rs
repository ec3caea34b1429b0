//! Error rates against jiwer, and normalised texts against Whisper's; numbers by
//! `scripts/golden/speech_metrics.py`.
#![allow(clippy::unwrap_used, reason = "tests")]

use andiron_core::{evaluator::Bootstrap, testing::record};
use andiron_speech::metrics::{
    errors::{Changes, Heard, error_scores},
    normalizer::{BasicTextNormalizer, EnglishTextNormalizer},
};
use serde_json::{Value, json};

fn golden() -> Value {
    serde_json::from_str(include_str!("golden/speech_metrics.json")).unwrap()
}

fn counts(changes: Changes) -> Value {
    json!([changes.hits, changes.substitutions, changes.deletions, changes.insertions])
}

#[test]
fn changes_are_jiwers() {
    let golden = golden();
    let pairs = golden["errors"]["pairs"].as_array().unwrap();
    assert_eq!(pairs.len(), 217);
    let mut heard = Vec::new();
    for pair in pairs {
        let text = |at: usize| pair["texts"][at].as_str().unwrap();
        let one = Heard::new(text(0), text(1));
        let (words, characters) = (one.words(), one.characters());
        assert_eq!(counts(words), pair["words"], "{one:?}");
        assert_eq!(counts(characters), pair["characters"], "{one:?}");
        let rates = [
            words.error_rate(),
            words.match_error_rate(),
            words.information_lost(),
            characters.error_rate(),
        ];
        for (at, found) in rates.into_iter().enumerate() {
            let wanted = pair["rates"][at].as_f64().unwrap();
            assert!((found - wanted).abs() < 1e-12, "{one:?}: {found} {wanted}");
        }
        heard.push(one);
    }
    let scores = error_scores(&heard, &Bootstrap::default()).unwrap();
    for (at, name) in ["wer", "mer", "wil", "cer"].into_iter().enumerate() {
        let (score, wanted) = (scores[name], golden["errors"]["corpus"]["rates"][at].as_f64());
        assert!((score.value - wanted.unwrap()).abs() < 1e-12, "{name}");
        assert!(score.low < score.value && score.value < score.high, "{name}");
    }
    record(
        "golden",
        "WER, MER, WIL, CER with substitutions, deletions, insertions",
        "equal jiwer's",
    );
}

#[test]
fn english_texts_are_whispers() {
    let golden = golden();
    let pairs = golden["english"].as_array().unwrap();
    assert!(pairs.len() > 550);
    let normalizer = EnglishTextNormalizer::new();
    let mut wrong = 0;
    for pair in pairs {
        let (text, wanted) = (pair[0].as_str().unwrap(), pair[1].as_str().unwrap());
        let found = normalizer.normalize(text);
        if found != wanted {
            println!("{text:?}: {found:?}, wanted {wanted:?}");
            wrong += 1;
        }
    }
    assert_eq!(wrong, 0);
    record("golden", "English transcripts, normalised", "equal Whisper's EnglishTextNormalizer");
}

#[test]
fn texts_of_any_language_are_whispers() {
    let golden = golden();
    let rows = golden["basic"].as_array().unwrap();
    assert_eq!(rows.len(), 27);
    let normalizers =
        [(false, false), (true, false), (false, true)].map(|(r, s)| BasicTextNormalizer::new(r, s));
    for row in rows {
        let text = row[0].as_str().unwrap();
        for (at, normalizer) in normalizers.iter().enumerate() {
            assert_eq!(normalizer.normalize(text), row[at + 1].as_str().unwrap(), "{text:?}");
        }
    }
    record("golden", "transcripts of any language, normalised", "equal BasicTextNormalizer");
}

#[test]
fn nothing_that_is_said_stops_the_normaliser() {
    let normalizer = EnglishTextNormalizer::new();
    // What could be cut in the middle of a letter, or has nothing to divide by.
    for text in
        ["twenty ¢", "€one", "pöint five", "0 hundredth", "½ and a half", "\u{1c}and a half"]
    {
        normalizer.normalize(text);
    }
}
