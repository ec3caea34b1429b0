//! Ranking, correlation, several labels and perplexity against the packages that define them;
//! numbers by `scripts/golden/text_metrics.py`.

use andiron_core::{
    Score,
    evaluator::{
        Bootstrap,
        correlation::{correlation_scores, pearson, spearman},
        multilabel::{LabelSets, multilabel_scores, tally},
        perplexity::{LogLikelihood, perplexity, perplexity_score},
        ranking::{Candidate, ndcg, ranking_scores, recall, reciprocal_rank},
    },
    testing,
};
use serde_json::Value;
use std::collections::BTreeMap;

fn cases(kind: &str) -> Vec<Value> {
    let file: Value = serde_json::from_str(include_str!("../golden/text_metrics.json")).unwrap();
    file["cases"][kind].as_array().unwrap().clone()
}

fn numbers(value: &Value) -> Vec<f64> {
    value.as_array().unwrap().iter().map(|number| number.as_f64().unwrap()).collect()
}

fn close(got: f64, wanted: &Value, what: &str) {
    let wanted = wanted.as_f64().unwrap();
    assert!((got - wanted).abs() <= 1e-11 * wanted.abs().max(1.0), "{what}: {got} is not {wanted}");
}

/// Intervals hold the value and repeat by seed, and another seed gives others.
fn check_intervals(scores: impl Fn(&Bootstrap) -> BTreeMap<String, Score>, what: &str) {
    let bootstrap = Bootstrap { resamples: 200, ..Bootstrap::default() };
    let (first, again) = (scores(&bootstrap), scores(&bootstrap));
    assert_eq!(first, again, "{what}");
    for (name, Score { value, low, high }) in &first {
        assert!(low.is_finite() && high.is_finite(), "{what}: {name}");
        assert!(low <= value && value <= high, "{what}: {name} {low} {value} {high}");
    }
    let other = scores(&Bootstrap { seed: 5, ..bootstrap });
    assert_ne!(first, other, "{what}");
    for (name, score) in other {
        assert_eq!(score.value, first[&name].value, "{what}: {name}");
    }
}

fn candidates(case: &Value) -> Vec<Candidate> {
    let pairs = numbers(&case["scores"]).into_iter().zip(numbers(&case["relevance"]));
    pairs.map(Candidate::from).collect()
}

#[test]
fn rankings_are_scored_as_scikit_learn_and_trec_eval_do() {
    let cases = cases("ranking");
    assert!(cases.len() >= 30, "only {} cases", cases.len());
    for (at, case) in cases.iter().enumerate() {
        let (query, what) = (candidates(case), format!("case {at}"));
        let k = usize::try_from(case["k"].as_u64().unwrap()).unwrap();
        close(ndcg(&query, k).unwrap(), &case["ndcg"], &what);
        close(reciprocal_rank(&query, k).unwrap(), &case["mrr"], &what);
        close(recall(&query, k).unwrap(), &case["recall"], &what);
        // The order of the input is of no importance.
        let turned: Vec<Candidate> = query.iter().rev().copied().collect();
        close(ndcg(&turned, k).unwrap(), &case["ndcg"], &what);
        close(reciprocal_rank(&turned, k).unwrap(), &case["mrr"], &what);
        close(recall(&turned, k).unwrap(), &case["recall"], &what);
    }
    let queries: Vec<Vec<Candidate>> = cases.iter().map(candidates).collect();
    check_intervals(|bootstrap| ranking_scores(&queries, 3, bootstrap).unwrap(), "ranking");
    let mean = queries.iter().map(|query| ndcg(query, 3).unwrap()).sum::<f64>();
    let scores = ranking_scores(&queries, 3, &Bootstrap::default()).unwrap();
    assert!((scores["ndcg"].value - mean / queries.len() as f64).abs() < 1e-12);
}

#[test]
fn correlations_are_scipys() {
    let cases = cases("correlation");
    assert!(cases.len() >= 10, "only {} cases", cases.len());
    for (at, case) in cases.iter().enumerate() {
        let what = format!("case {at}");
        let pairs: Vec<(f64, f64)> =
            numbers(&case["x"]).into_iter().zip(numbers(&case["y"])).collect();
        close(pearson(&pairs).unwrap(), &case["pearson"], &what);
        close(spearman(&pairs).unwrap(), &case["spearman"], &what);
        let scores = correlation_scores(&pairs, &Bootstrap::default()).unwrap();
        close(scores["pearson"].value, &case["pearson"], &what);
        close(scores["spearman"].value, &case["spearman"], &what);
        if pairs.len() >= 40 {
            check_intervals(|bootstrap| correlation_scores(&pairs, bootstrap).unwrap(), &what);
        }
    }
}

#[test]
fn several_labels_are_scored_as_scikit_learn_does() {
    let cases = cases("multilabel");
    assert!(cases.len() >= 5, "only {} cases", cases.len());
    for (at, case) in cases.iter().enumerate() {
        let sets =
            |side: &str| -> Vec<Vec<usize>> { serde_json::from_value(case[side].clone()).unwrap() };
        let examples: Vec<LabelSets> = sets("truth")
            .into_iter()
            .zip(sets("predicted"))
            .map(|(truth, predicted)| LabelSets::new(truth, predicted))
            .collect();
        let n_classes = usize::try_from(case["classes"].as_u64().unwrap()).unwrap();
        let wanted = case["scores"].as_object().unwrap();
        let scores = multilabel_scores(n_classes, &examples, &Bootstrap::default()).unwrap();
        assert_eq!(scores.len(), wanted.len());
        for (name, wanted) in wanted {
            close(scores[name].value, wanted, &format!("case {at}: {name}"));
        }
        let right: usize =
            examples.iter().map(|e| e.truth.intersection(&e.predicted).count()).sum();
        assert_eq!(tally(n_classes, &examples).right.iter().sum::<usize>(), right);
        if examples.len() > 20 {
            check_intervals(
                |bootstrap| multilabel_scores(n_classes, &examples, bootstrap).unwrap(),
                &format!("case {at}"),
            );
        }
    }
}

#[test]
fn perplexity_is_torchs() {
    let cases = cases("perplexity");
    assert!(!cases.is_empty());
    for (at, case) in cases.iter().enumerate() {
        let texts: Vec<(f64, usize)> = serde_json::from_value(case["texts"].clone()).unwrap();
        let texts: Vec<LogLikelihood> =
            texts.into_iter().map(|(sum, tokens)| LogLikelihood { sum, tokens }).collect();
        let what = format!("case {at}");
        close(perplexity(&texts).unwrap(), &case["perplexity"], &what);
        if texts.len() > 1 {
            let score = |bootstrap: &Bootstrap| perplexity_score(&texts, bootstrap).unwrap();
            check_intervals(|b| BTreeMap::from([("perplexity".to_owned(), score(b))]), &what);
        }
    }
    testing::record(
        "golden",
        "nDCG, MRR, recall, Pearson, Spearman, multi-label F1, perplexity",
        "53 cases equal scikit-learn, trec_eval, scipy and torch within 1e-11, ties included",
    );
}
