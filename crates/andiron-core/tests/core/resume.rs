//! N steps equal k steps, a resume and N − k steps: bit for bit, in weights and log, wherever the
//! second part runs; and a checkpoint that does not fit is refused.

use crate::{
    mixed::{self, MixedConfig},
    runs::{Event, Plan, equal, read, small},
    toy::{self, Fault, PooledConfig, Tokens},
};
use andiron_core::{
    Fitted, Solve, TrainingConfig,
    testing::record,
    trainer::{Schedule, Step},
};
use burn::tensor::Device;
use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Matrices large enough that burn shares them out among threads: 16 sequences of 24 tokens times
/// 100 times 192 is over its bound of 192³.
fn large() -> Plan<MixedConfig> {
    let config = TrainingConfig::new(13)
        .with_batch_size(16)
        .with_accumulate(2)
        .with_learning_rate(3e-3)
        .with_warmup_steps(3)
        .with_schedule(Schedule::Cosine { floor: 0.1 })
        .with_eval_every(4)
        .with_checkpoint_every(5)
        .with_seed(21);
    Plan {
        config,
        network: MixedConfig::new(100, 192),
        start: 11,
        task: mixed::task(),
        train: mixed::examples(90, 24..=24, 1),
        valid: mixed::examples(19, 20..=24, 2),
    }
}

/// A run that stops early: the validation data contradict the training data.
fn early() -> Plan<PooledConfig> {
    let config = TrainingConfig::new(60)
        .with_batch_size(4)
        .with_learning_rate(0.05)
        .with_schedule(Schedule::Constant {})
        .with_eval_every(3)
        .with_patience(Some(3))
        .with_checkpoint_every(4)
        .with_seed(2);
    let mut valid = toy::examples();
    let first = valid[0].target.clone();
    for at in 1..valid.len() {
        valid[at - 1].target = valid[at].target.clone();
    }
    valid.last_mut().unwrap().target = first;
    Plan {
        config,
        network: PooledConfig::new(Fault::None),
        start: 11,
        task: toy::tokens(Fault::None),
        train: toy::examples(),
        valid,
    }
}

/// A run of twelve steps, stopped after each of them and resumed.
fn resumes_from_every_step(plan: &Plan<MixedConfig>, terms: [usize; 12]) -> Fitted<Tokens> {
    let root = tempfile::tempdir().unwrap();
    let whole = root.path().join("whole");
    let fitted = plan.finish(&whole);
    assert_eq!(fitted.log.iter().map(|s| s.terms).collect::<Vec<_>>(), terms);
    for k in 1..12 {
        let parts = root.path().join(format!("stopped-{k}"));
        assert_eq!(plan.interrupted(&parts, Event::StopAfter(k)), k);
        assert_eq!(read(&parts.join("log.jsonl")).lines().count(), k);
        let resumed = plan.finish(&parts);
        assert_eq!((resumed.log, resumed.best_step), (fitted.log.clone(), fitted.best_step));
        equal(&whole, &parts);
    }
    fitted
}

#[test]
fn every_step_can_be_the_one_before_a_resume() {
    // 16 examples in windows of six: six, six and four, whose last micro-batch has one.
    resumes_from_every_step(&small(), [6, 6, 4, 6, 6, 4, 6, 6, 4, 6, 6, 4]);
}

#[test]
fn batches_of_like_lengths_resume_too() {
    let mut plan = small();
    plan.train = mixed::examples(52, 1..=7, 3);
    let terms = [6, 6, 6, 6, 6, 6, 6, 6, 4, 6, 6, 6];
    let plain = resumes_from_every_step(&plan, terms);
    plan.config.group_by_length = true;
    let grouped = resumes_from_every_step(&plan, terms);
    assert_ne!(grouped.log, plain.log);
}

#[test]
fn a_run_may_be_interrupted_often() {
    let (plan, root) = (small(), tempfile::tempdir().unwrap());
    let (whole, parts) = (root.path().join("whole"), root.path().join("parts"));
    plan.finish(&whole);
    for k in [1, 2, 7, 8, 11] {
        plan.interrupted(&parts, Event::StopAfter(k));
    }
    plan.finish(&parts);
    equal(&whole, &parts);
    // There is nothing left to do: no step, no new log.
    let again = plan.finish(&parts);
    assert_eq!(again.log.len(), 12);
    equal(&whole, &parts);
}

#[test]
fn the_log_is_the_runs_and_another_seed_is_another_run() {
    let (mut plan, root) = (small(), tempfile::tempdir().unwrap());
    let fitted = plan.finish(root.path());
    let lines: Vec<Step> = read(&root.path().join("log.jsonl"))
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect();
    assert_eq!(lines, fitted.log);
    let measured: Vec<usize> =
        lines.iter().filter(|step| step.valid_loss.is_some()).map(|step| step.step).collect();
    assert_eq!(measured, [4, 9, 11]);
    // The folder changes nothing.
    assert_eq!(plan.run(None, Event::Nothing).unwrap().log, fitted.log);
    plan.config.seed += 1;
    let other = plan.run(None, Event::Nothing).unwrap();
    assert_ne!(other.log, fitted.log);
}

#[test]
fn early_stopping_and_the_best_step_outlive_a_resume() {
    let (plan, root) = (early(), tempfile::tempdir().unwrap());
    let whole = root.path().join("whole");
    let fitted = plan.finish(&whole);
    let (steps, best) = (fitted.log.len(), fitted.best_step.unwrap());
    assert!(steps < 60 && best + 1 + 9 == steps, "{best} is the best of {steps}");
    let losses: Vec<f64> = fitted.log.iter().filter_map(|step| step.valid_loss).collect();
    let lowest = losses.iter().copied().fold(f64::MAX, f64::min);
    assert_eq!(fitted.log[best].valid_loss, Some(lowest));
    // What is kept is the best, and not the last.
    let kept = fs::read(whole.join("kept.safetensors")).unwrap();
    let file = |kind: &str| {
        fs::read(whole.join("checkpoint").join(format!("{kind}-{steps}.safetensors"))).unwrap()
    };
    assert!(kept == file("best") && kept != file("model"));
    for k in [1, best, best + 1, best + 2, steps - 1] {
        let parts = root.path().join(format!("stopped-{k}"));
        if k > 0 {
            plan.interrupted(&parts, Event::StopAfter(k));
        }
        let resumed = plan.finish(&parts);
        assert_eq!((resumed.log.len(), resumed.best_step), (steps, Some(best)));
        equal(&whole, &parts);
    }
    // Without it, the last step is what is left.
    let mut last = plan.clone();
    last.config.keep_best = false;
    let parts = root.path().join("last");
    // No step was chosen, though the losses were measured.
    assert_eq!(last.finish(&parts).best_step, None);
    assert!(fs::read(parts.join("kept.safetensors")).unwrap() == file("model"));
}

#[test]
fn the_best_network_is_the_one_that_was_measured() {
    // A batch normalisation shares its running statistics among clones: the copy that is kept
    // must not go on with the training.
    let mut plan = small();
    plan.config.learning_rate = 0.5;
    plan.config.eval_every = 1;
    let fitted = plan.run(None, Event::Nothing).unwrap();
    let best = fitted.best_step.unwrap();
    assert!(best + 1 < fitted.log.len(), "the last step is the best: this shows nothing");
    let network = fitted.predictor.network::<MixedConfig>().unwrap();
    let batch = andiron_core::Task::batch(&plan.task, &plan.valid[..3], &Device::flex()).unwrap();
    let first = plan.task.learn(&network.model, batch).mean.into_scalar::<f64>() * 3.0;
    let batch = andiron_core::Task::batch(&plan.task, &plan.valid[3..6], &Device::flex()).unwrap();
    let second = plan.task.learn(&network.model, batch).mean.into_scalar::<f64>() * 3.0;
    let batch = andiron_core::Task::batch(&plan.task, &plan.valid[6..], &Device::flex()).unwrap();
    let third = plan.task.learn(&network.model, batch).mean.into_scalar::<f64>();
    assert_eq!(fitted.log[best].valid_loss, Some((first + second + third) / 7.0));
}

#[test]
fn an_interrupt_leaves_a_whole_checkpoint() {
    let (plan, root) = (small(), tempfile::tempdir().unwrap());
    let (whole, parts) = (root.path().join("whole"), root.path().join("parts"));
    plan.finish(&whole);
    // Set while a batch is made; the step that is going on is finished first.
    let steps = plan.interrupted(&parts, Event::Interrupt(17));
    assert!((1..12).contains(&steps), "{steps}");
    assert_eq!(read(&parts.join("log.jsonl")).lines().count(), steps);
    plan.finish(&parts);
    equal(&whole, &parts);
    // Without a folder there is nothing to resume from, and the error says so.
    let nowhere = plan.run(None, Event::StopAfter(2));
    let text = nowhere.map(|_| ()).unwrap_err().to_string();
    assert_eq!(text, "training was interrupted after 2 steps");
}

// ---- In another process -----------------------------------------------------------------------

const FOLDER: &str = "ANDIRON_TEST_RUN";
const EVENT: &str = "ANDIRON_TEST_EVENT";
const THREADS: &str = "ANDIRON_TEST_THREADS";

/// Does nothing, unless another test started this process for it.
#[test]
fn the_other_process() {
    let Some(folder) = std::env::var_os(FOLDER).map(PathBuf::from) else { return };
    let threads: usize = std::env::var(THREADS).unwrap().parse().unwrap();
    assert_eq!(rayon::current_num_threads(), threads);
    let event = std::env::var(EVENT).unwrap();
    let (kind, number) = event.split_once(' ').unwrap();
    let number: usize = number.parse().unwrap();
    match kind {
        "stop" => {
            large().interrupted(&folder, Event::StopAfter(number));
        }
        "abort" => {
            let _ = large().run(Some(&folder), Event::Abort(number));
            panic!("the process was to die");
        }
        _ => {
            large().finish(&folder);
        }
    }
    fs::write(folder.join("done"), &event).unwrap();
}

/// Runs [`large`] in another process with a number of threads; whether it ended well.
fn elsewhere(folder: &Path, threads: usize, event: &str) -> bool {
    let done = folder.join("done");
    let _ = fs::remove_file(&done);
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "resume::the_other_process", "--test-threads", "1"])
        .env("RAYON_NUM_THREADS", threads.to_string())
        .env(THREADS, threads.to_string())
        .env(FOLDER, folder)
        .env(EVENT, event)
        .output()
        .unwrap();
    let well = output.status.success() && fs::read_to_string(&done).is_ok_and(|did| did == event);
    if !well && !event.starts_with("abort") {
        println!("{}", String::from_utf8_lossy(&output.stdout));
        println!("{}", String::from_utf8_lossy(&output.stderr));
    }
    well
}

#[test]
fn another_process_with_other_threads_goes_on_bit_for_bit() {
    let (plan, root) = (large(), tempfile::tempdir().unwrap());
    let (whole, parts) = (root.path().join("whole"), root.path().join("parts"));
    plan.finish(&whole);
    assert!(elsewhere(&parts, 3, "stop 6"));
    assert!(elsewhere(&parts, 1, "finish 0"));
    equal(&whole, &parts);
    record(
        "resume",
        "N steps = k + resume + (N - k), bit for bit",
        "attention, dropout, batch normalisation, accumulation: steps 1-6 with 3 threads, 7-13 in \
         another process with 1, against one run with as many as there are cores; weights and log",
    );
}

#[test]
fn a_process_that_dies_leaves_a_checkpoint_that_resumes() {
    let (plan, root) = (large(), tempfile::tempdir().unwrap());
    let (whole, parts) = (root.path().join("whole"), root.path().join("parts"));
    plan.finish(&whole);
    // Windows of 32, 32 and 26 examples: this one is in the tenth.
    assert!(!elsewhere(&parts, 2, "abort 290"));
    let logged = read(&parts.join("log.jsonl")).lines().count();
    let state: serde_json::Value =
        serde_json::from_str(&read(&parts.join("checkpoint/state.json"))).unwrap();
    assert_eq!(state["steps"], 5);
    assert!((5..13).contains(&logged), "{logged}");
    plan.finish(&parts);
    equal(&whole, &parts);
}
