//! Against scikit-learn and statsmodels.

use andiron_core::{
    Report, Score,
    evaluator::{
        Bootstrap, Outcome,
        metrics::{Average, CLIP_F32, CLIP_F64, Confusion, log_loss},
        paired::{mcnemar, mcnemar_chi2, mcnemar_exact},
    },
};
use serde_json::Value;
use std::collections::BTreeMap;

fn golden(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn close(got: f64, wanted: &Value, tolerance: f64, what: &str) {
    let wanted = wanted.as_f64().unwrap_or_else(|| panic!("{what}: no number"));
    assert!((got - wanted).abs() <= tolerance * wanted.abs(), "{what}: {got} is not {wanted}");
}

pub(crate) fn numbers(value: &Value) -> Vec<usize> {
    let number = |value: &Value| usize::try_from(value.as_u64().unwrap()).unwrap();
    value.as_array().unwrap().iter().map(number).collect()
}

#[test]
fn metrics_are_scikit_learns() {
    let file = golden(include_str!("../golden/metrics.json"));
    let cases = file["cases"].as_object().unwrap();
    assert!(cases.len() >= 40, "only {} cases", cases.len());
    for (name, case) in cases {
        let (truth, predicted) = (numbers(&case["y_true"]), numbers(&case["y_pred"]));
        let n_classes = case["labels"].as_array().unwrap().len();
        let confusion = Confusion::from(&truth, &predicted, n_classes);
        let wanted = &case["expected"];
        let rows: Vec<Vec<usize>> =
            wanted["confusion"].as_array().unwrap().iter().map(numbers).collect();
        assert_eq!(confusion.rows(), rows, "{name}");
        assert_eq!(confusion.tally().support, numbers(&wanted["support"]), "{name}");
        close(confusion.accuracy(), &wanted["accuracy"], 1e-12, name);
        for average in Average::ALL {
            let (got, key) = (confusion.averages(average), average.name());
            close(got.precision, &wanted["precision"][key], 1e-12, name);
            close(got.recall, &wanted["recall"][key], 1e-12, name);
            close(got.f1, &wanted["f1"][key], 1e-12, name);
        }
        for (class, got) in confusion.per_class().iter().enumerate() {
            close(got.precision, &wanted["precision"]["per_class"][class], 1e-12, name);
            close(got.recall, &wanted["recall"]["per_class"][class], 1e-12, name);
            close(got.f1, &wanted["f1"]["per_class"][class], 1e-12, name);
        }
    }
    andiron_core::testing::record(
        "golden",
        "accuracy, precision, recall, F1 (macro, micro, weighted), confusion matrix",
        "equal scikit-learn's on 40 random cases within 1e-12",
    );
}

#[test]
fn log_loss_is_scikit_learns() {
    let file = golden(include_str!("../golden/metrics.json"));
    let whole = file["parts"].as_f64().unwrap();
    let mut seen = 0;
    for (name, case) in file["cases"].as_object().unwrap() {
        let Some(rows) = case["parts"].as_array() else {
            continue;
        };
        let truth = numbers(&case["y_true"]);
        let of_truth: Vec<f64> = rows
            .iter()
            .zip(&truth)
            .map(|(row, class)| row[*class].as_f64().unwrap() / whole)
            .collect();
        let wanted = &case["expected"];
        close(log_loss(&of_truth, CLIP_F64), &wanted["log_loss"], 1e-9, name);
        // scikit-learn takes the logarithms in float32 there, so it keeps about six digits.
        close(log_loss(&of_truth, CLIP_F32), &wanted["log_loss_float32"], 2e-6, name);
        seen += 1;
    }
    assert!(seen >= 9, "only {seen} cases with probabilities");
    andiron_core::testing::record("golden", "log-loss", "equals scikit-learn's within 1e-9");
}

#[test]
fn mcnemars_test_is_statsmodels() {
    let file = golden(include_str!("../golden/paired.json"));
    let cases = file["cases"].as_object().unwrap();
    assert!(cases.len() >= 20, "only {} cases", cases.len());
    for (name, case) in cases {
        let (b, c) = (numbers(&case["table"][0])[1], numbers(&case["table"][1])[0]);
        let exact = mcnemar_exact(b, c);
        close(exact.statistic, &case["exact"]["statistic"], 1e-12, name);
        close(exact.p_value, &case["exact"]["p_value"], 1e-9, name);
        let approximate = mcnemar_chi2(b, c);
        if case["chi_square"].is_null() {
            assert_eq!((approximate.statistic, approximate.p_value), (0.0, 1.0), "{name}");
        } else {
            close(approximate.statistic, &case["chi_square"]["statistic"], 1e-12, name);
            close(approximate.p_value, &case["chi_square"]["p_value"], 1e-9, name);
        }
    }
    andiron_core::testing::record(
        "golden",
        "McNemar's test",
        "p-values equal statsmodels' within 1e-9",
    );
}

/// A report with nothing but outcomes, all with one loss.
pub(crate) fn of_outcomes(right: &str) -> Report {
    let outcome = |c| Outcome { right: c == '1', loss: 0.25 };
    let bootstrap = Bootstrap { resamples: 1000, confidence: 0.95, seed: 0 };
    let outcomes = right.chars().map(outcome).collect();
    Report::new(("toy", "none"), BTreeMap::new(), outcomes, &bootstrap, "same".into())
}

#[test]
fn reports_are_compared_as_statsmodels_compares_their_vectors() {
    let file = golden(include_str!("../golden/paired.json"));
    let mut seen = 0;
    for (name, case) in file["cases"].as_object().unwrap() {
        let (Some(first), Some(second)) = (case["first"].as_str(), case["second"].as_str()) else {
            continue;
        };
        let comparison = of_outcomes(first).compare(&of_outcomes(second)).unwrap();
        let (b, c) = (numbers(&case["table"][0])[1], numbers(&case["table"][1])[0]);
        assert_eq!((comparison.only_first, comparison.only_second), (b, c), "{name}");
        assert_eq!(comparison.mcnemar, mcnemar(b, c), "{name}");
        let key = if comparison.mcnemar.exact { "exact" } else { "chi_square" };
        close(comparison.mcnemar.p_value, &case[key]["p_value"], 1e-9, name);
        let Score { value, low, high } = comparison.accuracy_difference;
        assert!((value - (c as f64 - b as f64) / first.len() as f64).abs() < 1e-15, "{name}");
        assert!(low <= value && value <= high, "{name}: {low} {value} {high}");
        assert_eq!(comparison.loss_difference, Score { value: 0.0, low: 0.0, high: 0.0 });
        seen += 1;
    }
    assert!(seen >= 15, "only {seen} cases with vectors");
}
