//! How often intervals hold the truth, by simulation.

use andiron_core::evaluator::{
    Bootstrap, classification_scores,
    metrics::{CLIP_F64, surprise},
};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};

/// A classifier of two classes: 60 % are of class 0, of which 85 % are answered right; of class 1
/// it is 70 %. The probability of the true class is uniform over 0.5 to 1 where the answer is
/// right, else over 0 to 0.5.
fn drawn(generator: &mut ChaCha8Rng, n: usize) -> (Vec<usize>, Vec<usize>, Vec<f64>) {
    let (mut truth, mut predicted, mut losses) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..n {
        let class = usize::from(generator.random::<f64>() >= 0.6);
        let right = generator.random::<f64>() < [0.85, 0.7][class];
        let half = 0.5 * generator.random::<f64>();
        truth.push(class);
        predicted.push(if right { class } else { 1 - class });
        losses.push(surprise(if right { 0.5 + half } else { half }, CLIP_F64));
    }
    (truth, predicted, losses)
}

#[test]
fn intervals_hold_the_truth_as_often_as_they_say() {
    // Shares of all examples: right 0.51 and 0.28, answered 0.63 and 0.37, support 0.6 and 0.4.
    let of_class = [[0.51 / 0.63, 0.28 / 0.37], [0.85, 0.7], [1.02 / 1.23, 0.56 / 0.77]];
    let plain = of_class.map(|[first, second]| (first + second) / 2.0);
    let weighted = of_class.map(|[first, second]| 0.6 * first + 0.4 * second);
    // E[−ln u] is 1 − ln 2 for u uniform over 0.5 to 1, and 1 + ln 2 over 0 to 0.5.
    let log_loss = 1.0 - 0.79 * 2f64.ln() + 0.21 * 2f64.ln();
    let wanted = [
        ("accuracy", 0.79),
        ("precision_macro", plain[0]),
        ("recall_macro", plain[1]),
        ("f1_macro", plain[2]),
        // Every example has one answer: what one class takes wrongly, another misses.
        ("precision_micro", 0.79),
        ("recall_micro", 0.79),
        ("f1_micro", 0.79),
        ("precision_weighted", weighted[0]),
        ("recall_weighted", weighted[1]),
        ("f1_weighted", weighted[2]),
        ("log_loss", log_loss),
    ];
    let (draws, mut held) = (2000_u32, [0_u32; 11]);
    let mut generator = ChaCha8Rng::seed_from_u64(20);
    for draw in 0..draws {
        let (truth, predicted, losses) = drawn(&mut generator, 200);
        let bootstrap = Bootstrap { seed: u64::from(draw), ..Bootstrap::default() };
        let scores = classification_scores(2, &truth, &predicted, &losses, &bootstrap).unwrap();
        assert_eq!(scores.len(), wanted.len());
        for (held, (name, value)) in held.iter_mut().zip(wanted) {
            *held += u32::from(scores[name].low <= value && value <= scores[name].high);
        }
    }
    for (held, (name, _)) in held.into_iter().zip(wanted) {
        let coverage = f64::from(held) / f64::from(draws);
        println!("{name}: {coverage} of {draws} intervals hold the truth");
        assert!((0.93..=0.97).contains(&coverage), "{name}: {coverage}");
    }
    andiron_core::testing::record(
        "evaluation",
        "bootstrap intervals of 95 %",
        "hold the true value in 93 to 97 % of simulated draws",
    );
}

#[test]
fn ten_thousand_examples_take_less_than_a_second() {
    let (truth, predicted, losses) = drawn(&mut ChaCha8Rng::seed_from_u64(3), 10_000);
    // The best of three, since other tests run beside it.
    let time = || {
        let start = std::time::Instant::now();
        classification_scores(2, &truth, &predicted, &losses, &Bootstrap::default()).unwrap();
        start.elapsed()
    };
    let best = (0..3).map(|_| time()).min().unwrap();
    println!("1000 resamples of 10,000 examples: {best:?}");
    assert!(best.as_secs_f64() < 1.0, "{best:?}");
}
