//! Area under the curve, equal error rate and detection cost against scikit-learn; numbers by
//! `scripts/golden/speech_metrics.py`.
#![allow(clippy::unwrap_used, reason = "tests")]

use andiron_core::{
    evaluator::roc::{DetectionCost, Roc, Trial},
    testing::record,
};
use serde_json::Value;

#[test]
fn curves_are_scikit_learns() {
    let golden: Value = serde_json::from_str(include_str!("golden/roc.json")).unwrap();
    let cases = golden["trials"].as_array().unwrap();
    assert_eq!(cases.len(), 8);
    for case in cases {
        let truth = case["truth"].as_array().unwrap().iter().map(|v| v.as_bool().unwrap());
        let scores = case["scores"].as_array().unwrap().iter().map(|v| v.as_f64().unwrap());
        let trials: Vec<Trial> = scores.zip(truth).map(Trial::from).collect();
        let roc = Roc::of(&trials).unwrap();
        let near = |found: f64, wanted: &Value| {
            let wanted = wanted.as_f64().unwrap();
            assert!((found - wanted).abs() < 1e-12, "{found} {wanted}");
        };
        near(roc.auc(), &case["auc"]);
        near(roc.equal_error_rate(), &case["eer"]);
        let costs = case["min_dcf"].as_array().unwrap();
        assert_eq!(costs.len(), 3);
        for row in costs {
            let number = |at: usize| row[at].as_f64().unwrap();
            let cost =
                DetectionCost { p_target: number(0), miss: number(1), false_alarm: number(2) };
            near(roc.least_cost(&cost).unwrap().cost, &row[3]);
        }
    }
    record("golden", "AUC, equal error rate, minimal detection cost", "equal scikit-learn's curve");
}
