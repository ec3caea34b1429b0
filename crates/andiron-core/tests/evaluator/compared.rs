//! Two reports on the same examples, and how reports read.

use crate::measured::{LABELS, Rows, evaluate, examples, predictor};
use crate::reference::of_outcomes;
use andiron_core::{
    DataError, EvalError, Example, Report, Score,
    data::ExampleOf,
    evaluator::{
        Comparison, Found, Outcome,
        metrics::{CLIP_F64, surprise},
    },
};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use std::collections::BTreeMap;

#[test]
fn a_planted_difference_is_found_with_its_direction() {
    let data = examples(&LABELS, 300, 10);
    let good = evaluate(&predictor(&LABELS, 3.0), &data);
    // Turned round, it answers the least number.
    let bad = evaluate(&predictor(&LABELS, -3.0), &data);
    let comparison = good.compare(&bad).unwrap();
    assert!(comparison.only_first > 200 && comparison.only_second < 60, "{comparison}");
    assert!(!comparison.mcnemar.exact && comparison.mcnemar.p_value < 1e-6);
    assert!(comparison.accuracy_difference.high < 0.0 && comparison.loss_difference.low > 0.0);
    let least = 2.0 / 1001.0;
    assert_eq!((comparison.accuracy_p, comparison.loss_p), (least, least));

    let turned = bad.compare(&good).unwrap();
    assert_eq!(turned.only_first, comparison.only_second);
    assert_eq!(turned.mcnemar, comparison.mcnemar);
    assert_eq!(turned.accuracy_difference.value, -comparison.accuracy_difference.value);
    // Same answers, other probabilities: only the loss differs.
    let duller = good.compare(&evaluate(&predictor(&LABELS, 1.0), &data)).unwrap();
    assert_eq!((duller.only_first, duller.only_second, duller.accuracy_p), (0, 0, 1.0));
    assert_ne!(duller.loss_difference.value, 0.0);
}

#[test]
fn no_difference_is_found_as_often_as_it_says() {
    // Two models that are right with one chance, independently: p below 0.05 in about 5 %.
    let mut generator = ChaCha8Rng::seed_from_u64(30);
    let (mut found, draws) = ([0_u32; 3], 400_u32);
    for _ in 0..draws {
        let mut side = || {
            let mut report = of_outcomes(&"0".repeat(151));
            for outcome in &mut report.outcomes {
                let u: f64 = generator.random();
                *outcome = Outcome { right: u < 0.7, loss: surprise(u, CLIP_F64) };
            }
            report
        };
        let Comparison { mcnemar, accuracy_p, loss_p, .. } = side().compare(&side()).unwrap();
        for (found, p) in found.iter_mut().zip([mcnemar.p_value, accuracy_p, loss_p]) {
            *found += u32::from(p < 0.05);
        }
    }
    let shares = found.map(|found| f64::from(found) / f64::from(draws));
    println!("p < 0.05 without a difference: McNemar, accuracy, loss: {shares:?}");
    assert!(shares.iter().all(|share| (0.01..=0.09).contains(share)), "{shares:?}");
}

#[test]
fn different_examples_are_not_compared() {
    let (data, predictor) = (examples(&LABELS, 30, 11), predictor(&LABELS, 1.0));
    let report = evaluate(&predictor, &data);
    let refused = |data: &Vec<ExampleOf<Rows>>| {
        matches!(
            report.compare(&evaluate(&predictor, data)),
            Err(EvalError::DifferentExamples { .. })
        )
    };
    assert!(!refused(&data));
    let changed = |change: &dyn Fn(&mut Vec<ExampleOf<Rows>>)| {
        let mut data = data.clone();
        change(&mut data);
        refused(&data)
    };
    assert!(changed(&|data| data[17].input[1] += 0.001), "another input");
    assert!(changed(&|data| data[17].target = "bird".into()), "another target");
    assert!(changed(&|data| data.swap(3, 4)), "another order");
    assert!(changed(&|data| data.truncate(29)), "one fewer");
    let fewer = evaluate(&predictor, &data[..29].to_vec());
    let text = report.compare(&fewer).unwrap_err().to_string();
    let first: String = report.fingerprint.chars().take(12).collect();
    assert!(
        text.starts_with(&format!(
            "the reports are about different examples: 30 examples with the fingerprint {first}… and 29"
        )),
        "{text}"
    );
    andiron_core::testing::record(
        "evaluation",
        "reports on different examples",
        "are not compared",
    );
}

#[test]
fn scores_made_in_different_ways_are_not_compared() {
    let report = evaluate(&predictor(&LABELS, 1.0), &examples(&LABELS, 30, 11));
    assert!(report.settings.is_empty() && !report.to_json().contains("settings"));
    let with = |normalizer: &str| Report {
        settings: BTreeMap::from([("normalizer".to_owned(), normalizer.to_owned())]),
        ..report.clone()
    };
    let (basic, english) = (with("basic"), with("english"));
    assert!(basic.compare(&with("basic")).is_ok());
    assert_eq!(
        basic.compare(&english).unwrap_err().to_string(),
        "the reports' scores are made in different ways: {\"normalizer\": \"basic\"} and {\"normalizer\": \
         \"english\"}"
    );
    assert!(matches!(report.compare(&basic), Err(EvalError::DifferentSettings { .. })));
    assert_eq!(serde_json::from_str::<Report>(&basic.to_json()).unwrap(), basic);
    assert_eq!(basic.summary().settings, basic.settings);
    let text = basic.to_string();
    assert_eq!(text.lines().nth(2).unwrap(), "normalizer: basic");
    assert_eq!(text.lines().nth(3).unwrap(), "");
}

#[test]
fn json_reads_back_as_an_equal_report_and_the_summary_is_short() {
    let report = evaluate(&predictor(&LABELS, 1.7), &examples(&LABELS, 77, 12));
    let json = report.to_json();
    assert!(!json.contains('\n'));
    assert_eq!(serde_json::from_str::<Report>(&json).unwrap(), report);

    let summary = report.summary();
    assert!(!summary.to_json().contains("outcomes"));
    assert_eq!(serde_json::from_str::<Report>(&summary.to_json()).unwrap(), summary);
    assert_eq!(Report { outcomes: report.outcomes.clone(), ..summary.clone() }, report);
    assert_eq!(summary.to_string(), report.to_string());
    match summary.compare(&report) {
        Err(EvalError::Data(DataError::Empty { what })) => {
            assert_eq!(what, "the report's list of outcomes");
        }
        other => panic!("{other:?}"),
    }
    // A file that was edited.
    let mut edited = report.clone();
    edited.outcomes.truncate(76);
    assert!(matches!(
        edited.compare(&report),
        Err(EvalError::Data(DataError::TooFew { least: 77, got: 76, .. }))
    ));
    edited = Report { resamples: 0, ..report.clone() };
    assert!(matches!(edited.compare(&report), Err(EvalError::Config(_))));
}

#[test]
fn the_table_is_aligned() {
    let row = |class: usize, target: &str| {
        let mut input = vec![0.0; 2];
        input[class] = 1.0;
        Example { input, target: target.to_owned() }
    };
    let mut data = vec![row(0, "ärgerlich"); 12];
    data.extend(vec![row(1, "ärgerlich"); 4]);
    data.extend(vec![row(1, "\u{1b}[31mgut"); 24]);
    let report = evaluate(&predictor(&["\u{1b}[31mgut", "ärgerlich"], 1.0), &data);
    // Labels are sorted, so that class 0 is "gut": it turns out always wrong.
    let text = report.to_string();
    let lines: Vec<&str> = text.lines().collect();
    println!("{text}");
    assert_eq!(lines[0], "rows by sharpen on 40 examples");
    assert_eq!(lines[1], "intervals: 95 %, bootstrap of 1000 resamples");
    assert_eq!(lines[3], "score                value     low    high");
    assert!(lines[4].starts_with("accuracy            0.1000  0.0"), "{}", lines[4]);
    assert_eq!(lines[16], "label      precision  recall      f1  support");
    assert_eq!(lines[17], "\u{fffd}[31mgut      0.0000  0.0000  0.0000       24");
    assert_eq!(lines[18], "ärgerlich     0.1429  0.2500  0.1818       16");
    assert_eq!(lines[20], "confusion: a row a true label, a column an answer");
    assert_eq!(lines[21], "           \u{fffd}[31mgut  ärgerlich");
    assert_eq!(lines[22], "\u{fffd}[31mgut          0         24");
    assert_eq!(lines[23], "ärgerlich        12          4");
    assert_eq!(lines.len(), 24);

    let many: Vec<String> = (10..23).map(|n| format!("label-{n}")).collect();
    let many: Vec<&str> = many.iter().map(String::as_str).collect();
    let text = evaluate(&predictor(&many, 1.0), &examples(&many, 40, 13)).to_string();
    assert!(text.ends_with("confusion: 13 labels are too many to show; see the JSON\n"), "{text}");
}

#[test]
fn a_report_without_classes_prints_its_scores() {
    let mut report = of_outcomes("10");
    report.scores.insert("map_50".into(), Score { value: 0.5, low: 0.25, high: 0.75 });
    assert_eq!(
        report.to_string(),
        "toy by none on 2 examples\nintervals: 95 %, bootstrap of 1000 resamples\n\n\
         score    value     low    high\nmap_50  0.5000  0.2500  0.7500\n"
    );
}

/// A report on what was found: right, answered and true of each example.
fn of_found(counts: &[[usize; 3]]) -> Report {
    let found = |[right, answered, truth]: [usize; 3]| Found { right, answered, truth };
    let all = counts.iter().map(|[right, answered, truth]| right == answered && right == truth);
    let right: String = all.map(|right| if right { '1' } else { '0' }).collect();
    Report { found: counts.iter().copied().map(found).collect(), ..of_outcomes(&right) }
}

#[test]
fn f1_is_compared_over_resampled_examples() {
    // F1 is 2·2/(3 + 6) for the first and 2·4/(5 + 6) for the second.
    let first = of_found(&[[1, 1, 2], [0, 1, 1], [1, 1, 1], [0, 0, 2], [0, 0, 0]]);
    let second = of_found(&[[2, 2, 2], [0, 1, 1], [1, 1, 1], [1, 1, 2], [0, 0, 0]]);
    let comparison = first.compare(&second).unwrap();
    let (difference, p) = (comparison.f1_difference.unwrap(), comparison.f1_p.unwrap());
    assert!((difference.value - (8.0 / 11.0 - 4.0 / 9.0)).abs() < 1e-12, "{difference:?}");
    assert!(difference.low >= 0.0 && difference.low < difference.value, "{difference:?}");
    assert!(difference.high > difference.value && p < 1.0, "{difference:?}, {p}");
    let turned = second.compare(&first).unwrap();
    assert_eq!(turned.f1_difference.unwrap().value, -difference.value);
    assert_eq!(turned.f1_p, Some(p));
    let same = first.compare(&first).unwrap();
    assert_eq!((same.f1_difference.unwrap().value, same.f1_p), (0.0, Some(1.0)));
    assert!(comparison.to_string().contains("\nF1, second − first: +0.2828 ["), "{comparison}");

    // Survives JSON; without what was found there is nothing to compare.
    let again: Report = serde_json::from_str(&first.to_json()).unwrap();
    assert_eq!(again, first);
    assert!(first.summary().found.is_empty());
    let without = Report { found: Vec::new(), ..first.clone() };
    assert_eq!(without.compare(&second).unwrap().f1_difference, None);
    assert!(!without.to_json().contains("found"));
}

#[test]
fn a_comparison_prints_its_tests() {
    let comparison = of_outcomes("1110").compare(&of_outcomes("1001")).unwrap();
    let text = comparison.to_string();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines[0], "4 examples; right only by the first 2, only by the second 1");
    assert_eq!(lines[1], "McNemar, exact: p = 1.0000");
    assert!(lines[2].starts_with("accuracy, second − first: -0.2500 [-"), "{text}");
    assert_eq!(lines[3], "loss, second − first: +0.0000 [+0.0000, +0.0000], p = 1.0000");
}
