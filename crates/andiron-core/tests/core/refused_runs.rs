//! Runs that are refused or given up, and what is said of them.

use crate::{
    mixed::MixedConfig,
    runs::{Event, Plan, small},
};
use andiron_core::{
    TrainError, TrainingConfig,
    trainer::{OptimizerConfig, Schedule},
};

/// What a run with a changed setting is refused for.
fn refused(change: &dyn Fn(&mut TrainingConfig)) -> String {
    let mut plan = small();
    change(&mut plan.config);
    match plan.run(None, Event::Nothing) {
        Err(TrainError::Config(error)) => error.to_string(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn settings_that_cannot_be_used_are_refused() {
    for (field, change) in [
        ("max_steps", (|c| c.max_steps = 0) as fn(&mut TrainingConfig)),
        ("batch_size", |c| c.batch_size = 0),
        ("accumulate", |c| c.accumulate = 0),
        ("eval_every", |c| c.eval_every = 0),
        ("checkpoint_every", |c| c.checkpoint_every = 0),
        ("patience", |c| c.patience = Some(0)),
    ] {
        assert_eq!(refused(&change), format!("{field} must be at least 1, but is 0"));
    }
}

#[test]
fn rates_that_cannot_be_used_are_refused() {
    let adamw = |beta_1, beta_2, epsilon, weight_decay| OptimizerConfig::AdamW {
        beta_1,
        beta_2,
        epsilon,
        weight_decay,
    };
    let said = |change: &dyn Fn(&mut TrainingConfig), wanted: &str| {
        let text = refused(change);
        assert!(text.starts_with(wanted), "{text}");
    };
    said(
        &|c| c.learning_rate = 0.0,
        "learning_rate must be greater than 0 and at most 1000, but is 0",
    );
    said(
        &|c| c.learning_rate = f64::NAN,
        "learning_rate must be greater than 0 and at most 1000, but is NaN",
    );
    said(&|c| c.clip_norm = Some(-1.0), "clip_norm must be finite and greater than 0, but is -1");
    said(
        &|c| c.clip_norm = Some(-1e-300),
        "clip_norm must be finite and greater than 0, but is -1e-300",
    );
    said(
        &|c| c.learning_rate = 1e-310,
        "learning_rate must lie in 2.2250738585072014e-308..=1000, but is 1e-310",
    );
    said(
        &|c| c.schedule = Schedule::Linear { floor: 1.5 },
        "schedule.floor must lie in 0..=1, but is 1.5",
    );
    said(
        &move |c| c.optimizer = adamw(1.0, 0.9, 1e-8, 0.0),
        "optimizer.beta_1 must lie in 0..=0.999",
    );
    said(
        &move |c| c.optimizer = adamw(0.9, -0.1, 1e-8, 0.0),
        "optimizer.beta_2 must lie in 0..=0.999",
    );
    said(
        &move |c| c.optimizer = adamw(0.9, 0.9, 0.0, 0.0),
        "optimizer.epsilon must be greater than 0 and at most 1, but is 0",
    );
    said(
        &move |c| c.optimizer = adamw(0.9, 0.9, 1e-8, -1.0),
        "optimizer.weight_decay must lie in 0..=1000, but is -1",
    );
    said(&|c| c.optimizer = OptimizerConfig::sgd(1.0), "optimizer.momentum must lie in 0..=0.999");
}

#[test]
fn data_that_cannot_be_used_is_refused() {
    let said = |plan: &Plan<MixedConfig>| match plan.run(None, Event::Nothing) {
        Err(TrainError::Data { split, source }) => format!("{split}: {source}"),
        other => panic!("{other:?}"),
    };
    let mut plan = small();
    plan.train.clear();
    assert_eq!(said(&plan), "training: the data set is empty");
    let mut plan = small();
    plan.train[7].input.clear();
    assert_eq!(said(&plan), "training: a sequence of tokens is empty");
    let mut plan = small();
    plan.valid[3].target = "silent".to_owned();
    let text = "validation: unknown label \"silent\"; known are [\"loud\", \"middle\", \"quiet\"]";
    assert_eq!(said(&plan), text);
}

#[test]
fn a_run_that_diverges_says_so() {
    let mut plan = small();
    plan.config.learning_rate = 1e3;
    plan.config.clip_norm = None;
    plan.config.optimizer = OptimizerConfig::Sgd { momentum: 0.0, weight_decay: 1e3 };
    plan.config.max_steps = 60;
    match plan.run(None, Event::Nothing) {
        Err(error @ TrainError::Diverged { .. }) => {
            let text = error.to_string();
            assert!(text.contains("lower the learning rate"), "{text}");
        }
        other => panic!("{other:?}"),
    }
}
