//! The fast classifier on the shipped tweets: a number that must not fall.

use andiron_core::{
    ClassifierEvaluator, Evaluator as _, GradientTrainer, Network, Recipe as _, Trainer as _,
    TrainingConfig,
    data::{Fractions, split_by_group},
    device, testing,
    trainer::Progress,
};
use andiron_nlp::{
    data::{text_examples, variant_key},
    models::hashed_linear::HashedLinearConfig,
};
use std::path::Path;

#[test]
fn mood_is_told_from_held_out_tweets() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/data/tweets/tweets.csv");
    let tweets = text_examples(path).unwrap();
    assert_eq!(tweets.len(), 3362);
    let keys: Vec<String> = tweets.iter().map(|tweet| variant_key(&tweet.input.text)).collect();
    let fractions = Fractions { valid: 0.1, test: 0.2 };
    let (train, valid, test) = split_by_group(&keys, fractions, 7).unwrap();
    let pick = |part: Vec<usize>| part.into_iter().map(|at| tweets[at].clone()).collect::<Vec<_>>();
    let (train, valid, test) = (pick(train), pick(valid), pick(test));

    let device = device("flex").unwrap();
    let (task, config) = HashedLinearConfig::prepare(&Default::default(), &train).unwrap();
    let network = Network::init(config, 7, &device).unwrap();
    assert!(4 * network.parameters() <= 2 << 20, "{} parameters", network.parameters());
    let settings =
        TrainingConfig::new(450).with_learning_rate(1e-2).with_eval_every(75).with_seed(7);
    let trainer = GradientTrainer::new(settings).with_progress(Progress::Silent);
    let fitted = trainer.fit(task, network, &train, &valid, &device).unwrap();

    let report = ClassifierEvaluator::default().evaluate(&fitted.predictor, &test).unwrap();
    println!("{report}");
    let (accuracy, f1) = (report.score("accuracy").unwrap(), report.score("f1_macro").unwrap());
    assert!(accuracy.value >= 0.80, "{accuracy:?}");
    assert!(f1.value >= 0.73, "{f1:?}");
    testing::record(
        "accuracy",
        "text-classification: hashed-linear on tweets",
        &format!(
            "accuracy {:.3} [{:.3}, {:.3}], macro-F1 {:.3} on {} held-out tweets",
            accuracy.value, accuracy.low, accuracy.high, f1.value, report.examples
        ),
    );
}
