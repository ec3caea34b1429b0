//! BLEU, chrF, ROUGE and entity F1 against the packages that papers quote; numbers by
//! `scripts/golden/text_metrics.py`.

use andiron_core::{
    Score,
    evaluator::{Bootstrap, metrics::PrecisionRecall},
    testing,
};
use andiron_nlp::metrics::{
    Written,
    bleu::{Bleu, BleuScore, Smoothing, Tokenizer},
    chrf::Chrf,
    entities::{Mode, TaggedSentence, entity_scores},
    rouge::Rouge,
};
use serde_json::Value;

fn cases(kind: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("../golden/text_metrics.json")).unwrap();
    file["cases"][kind].as_array().unwrap().clone()
}

fn list(value: &Value) -> &[Value] {
    value.as_array().unwrap()
}

fn texts(value: &Value) -> Vec<String> {
    serde_json::from_value(value.clone()).unwrap()
}

fn close(got: f64, wanted: &Value, what: &str) {
    let wanted = wanted.as_f64().unwrap();
    assert!((got - wanted).abs() <= 1e-11 * wanted.abs().max(1.0), "{what}: {got} is not {wanted}");
}

fn examples(case: &Value) -> Vec<Written> {
    let one =
        |row: &Value| Written::new(row["hypothesis"].as_str().unwrap(), texts(&row["references"]));
    list(&case["examples"]).iter().map(one).collect()
}

/// Intervals hold the value and repeat by seed, and another seed gives others.
fn check_interval(score: impl Fn(&Bootstrap) -> Score, what: &str) {
    let bootstrap = Bootstrap { resamples: 200, ..Bootstrap::default() };
    let first = score(&bootstrap);
    assert_eq!(first, score(&bootstrap), "{what}");
    assert!(first.low <= first.value && first.value <= first.high, "{what}: {first:?}");
    assert!(first.low < first.high, "{what}: {first:?}");
    let other = score(&Bootstrap { seed: 5, ..bootstrap });
    assert_eq!(first.value, other.value, "{what}");
    assert_ne!(first, other, "{what}");
}

#[test]
fn words_are_sacrebleus() {
    let cases = cases("tokens");
    assert!(cases.len() >= 40);
    for case in cases {
        let (text, wanted) = (case[0].as_str().unwrap(), case[1].as_str().unwrap());
        assert_eq!(Tokenizer::V13a.words(text).join(" "), wanted, "{text:?}");
    }
}

fn bleu_of(settings: &Value) -> Bleu {
    let smoothing = match settings["smooth_method"].as_str() {
        None | Some("exp") => Smoothing::Exp,
        Some("floor") => Smoothing::Floor(0.1),
        Some("add-k") => Smoothing::AddK(1.0),
        Some(other) => {
            assert_eq!(other, "none");
            Smoothing::None
        }
    };
    Bleu {
        tokenizer: if settings["tokenize"] == "none" { Tokenizer::None } else { Tokenizer::V13a },
        lowercase: settings["lowercase"] == true,
        smoothing,
        effective_order: settings["effective_order"] == true,
    }
}

#[test]
fn bleu_is_sacrebleus() {
    let mut compared = 0;
    for (at, case) in cases("translations").iter().enumerate() {
        let written = examples(case);
        for wanted in list(&case["bleu"]) {
            let what = format!("corpus {at}, {}", wanted["settings"]);
            let bleu = bleu_of(&wanted["settings"]);
            let score = bleu.corpus(&written).unwrap();
            let BleuScore { score, precisions, brevity_penalty, .. } = score;
            close(score, &wanted["score"], &what);
            close(brevity_penalty, &wanted["brevity_penalty"], &what);
            for (got, wanted) in precisions.iter().zip(list(&wanted["precisions"])) {
                close(*got, wanted, &what);
            }
            if written.len() > 10 {
                check_interval(|bootstrap| bleu.score(&written, bootstrap).unwrap(), &what);
            }
            compared += 1;
        }
        let lengths = &case["bleu"][0]["counts"];
        let score = Bleu::default().corpus(&written).unwrap();
        assert_eq!(score.hypothesis_length as u64, lengths[0].as_u64().unwrap());
        assert_eq!(score.reference_length as u64, lengths[1].as_u64().unwrap());
        let alone = Bleu { effective_order: true, ..Bleu::default() };
        for (one, wanted) in written.iter().zip(list(&case["bleu_sentences"])) {
            close(alone.sentence(one).unwrap().score, wanted, &format!("{one:?}"));
            compared += 1;
        }
    }
    assert!(compared >= 70, "only {compared} scores compared");
}

#[test]
fn chrf_is_sacrebleus() {
    let mut compared = 0;
    for (at, case) in cases("translations").iter().enumerate() {
        let written = examples(case);
        for wanted in list(&case["chrf"]) {
            let settings = &wanted["settings"];
            let size = |name: &str, default: usize| {
                settings[name].as_u64().map_or(default, |size| usize::try_from(size).unwrap())
            };
            let chrf = Chrf {
                characters: size("char_order", 6),
                words: size("word_order", 0),
                beta: size("beta", 2) as f64,
                lowercase: settings["lowercase"] == true,
                whitespace: settings["whitespace"] == true,
                every_order: settings["eps_smoothing"] == true,
            };
            let what = format!("corpus {at}, {settings}");
            close(chrf.corpus(&written).unwrap(), &wanted["corpus"], &what);
            for (one, wanted) in written.iter().zip(list(&wanted["sentences"])) {
                close(chrf.sentence(one).unwrap(), wanted, &format!("{what}, {one:?}"));
            }
            if written.len() > 10 {
                check_interval(|bootstrap| chrf.score(&written, bootstrap).unwrap(), &what);
            }
            compared += 1;
        }
    }
    assert!(compared >= 25, "only {compared} corpora compared");
}

fn check_triple(of: PrecisionRecall, wanted: &Value, what: &str) {
    for (got, wanted) in [of.precision, of.recall, of.f1].into_iter().zip(list(wanted)) {
        close(got, wanted, what);
    }
}

#[test]
fn rouge_is_rouge_scores() {
    let mut compared = 0;
    for (at, case) in cases("rouge").iter().enumerate() {
        let written = examples(case);
        for (stemmer, name) in [(false, "plain"), (true, "stemmed")] {
            let rouge = Rouge { stemmer };
            let mut sum = 0.0;
            for (one, wanted) in written.iter().zip(list(&case[name])) {
                let got = rouge.example(one).unwrap();
                for (of, wanted) in [got.one, got.two, got.longest].into_iter().zip(list(wanted)) {
                    check_triple(of, wanted, &format!("case {at}, {name}, {one:?}"));
                }
                sum += got.longest.f1;
                compared += 1;
            }
            let scores = rouge.scores(&written, &Bootstrap::default()).unwrap();
            assert_eq!(scores.len(), 9);
            assert!((scores["rouge_l_f1"].value - sum / written.len() as f64).abs() < 1e-12);
            if written.len() > 8 {
                for metric in ["rouge_1_precision", "rouge_2_f1", "rouge_l_recall"] {
                    let score = |b: &Bootstrap| rouge.scores(&written, b).unwrap()[metric];
                    check_interval(score, metric);
                }
            }
        }
    }
    assert!(compared >= 60, "only {compared} examples compared");
}

#[test]
fn stems_are_nltks() {
    let cases = cases("stems");
    assert!(cases.len() >= 800);
    let rouge = Rouge { stemmer: true };
    for case in cases {
        let (word, wanted) = (case[0].as_str().unwrap(), case[1].as_str().unwrap());
        assert_eq!(rouge.words(word), [wanted], "{word}");
    }
}

#[test]
fn entities_are_counted_as_seqeval_does() {
    let cases = cases("entities");
    assert!(cases.len() >= 6);
    for (at, case) in cases.iter().enumerate() {
        let sentences: Vec<TaggedSentence> = list(&case["truth"])
            .iter()
            .zip(list(&case["predicted"]))
            .map(|(truth, predicted)| TaggedSentence::new(texts(truth), texts(predicted)))
            .collect();
        let strict = if case["scheme"] == "bio" { Mode::StrictBio } else { Mode::StrictBioes };
        for (mode, name) in [(Mode::Lenient, "lenient"), (strict, "strict")] {
            let what = format!("case {at}, {name}");
            let report = entity_scores(&sentences, mode, &Bootstrap::default()).unwrap();
            for average in ["micro", "macro", "weighted"] {
                let names = ["precision", "recall", "f1"].map(|m| format!("{m}_{average}"));
                for (score, wanted) in names.iter().zip(list(&case[name][average])) {
                    close(report.scores[score].value, wanted, &format!("{what}, {score}"));
                }
            }
            assert_eq!(report.labels.len(), list(&case[name]["labels"]).len(), "{what}");
            for (row, wanted) in report.labels.iter().zip(list(&case[name]["labels"])) {
                let got = [row.precision, row.recall, row.f1, row.support as f64];
                for (got, wanted) in got.into_iter().zip(list(wanted)) {
                    close(got, wanted, &format!("{what}, {}", row.label));
                }
            }
            if sentences.len() > 20 {
                let score =
                    |b: &Bootstrap| entity_scores(&sentences, mode, b).unwrap().scores["f1_micro"];
                check_interval(score, &what);
            }
        }
    }
    testing::record(
        "golden",
        "BLEU, chrF, ROUGE, entity F1",
        "6 corpora in 7 and 6 settings as sacrebleu, 64 examples as rouge-score, 900 stems as NLTK, 12 taggings as seqeval, within 1e-11",
    );
}
