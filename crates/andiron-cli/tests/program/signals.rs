//! Signals while training.

use crate::support::{names, program, reviews_run, text};
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

const STEPS: usize = 1500;

fn lines(log: &Path) -> usize {
    fs::read_to_string(log).map_or(0, |text| text.lines().count())
}

/// Starts the training, and sends the signal once `steps` steps are in the log.
fn stopped(config: &Path, log: &Path, steps: usize, signal: &str) -> (Option<i32>, String) {
    let child = program()
        .args(["train", text(config)])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let started = Instant::now();
    while lines(log) < steps {
        assert!(started.elapsed() < Duration::from_secs(60), "it does not get on");
        std::thread::yield_now();
    }
    let id = child.id().to_string();
    assert!(Command::new("kill").args([signal, &id]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

#[test]
fn a_stopped_training_goes_on_to_the_same_weights() {
    let steps = format!("max_steps = {STEPS}\neval_every = 50");
    let (whole, whole_config) = reviews_run(&steps);
    let done = program().args(["train", text(&whole_config)]).output().unwrap();
    assert!(done.status.success());

    let (dir, config) = reviews_run(&steps);
    let log = dir.path().join("runs/mine/log.jsonl");
    for (signal, at) in [("-INT", 20), ("-TERM", 300)] {
        let (status, error) = stopped(&config, &log, at, signal);
        assert_eq!(status, Some(130), "{error}");
        assert!(error.contains("run the same command again to resume from"), "{error}");
        let reached = lines(&log);
        assert!((at..STEPS).contains(&reached), "{reached}");
        let checkpoint = dir.path().join("runs/mine/checkpoint");
        assert!(names(&checkpoint).contains(&"state.json".to_owned()));
        assert_eq!(names(&dir.path().join("runs/mine")), ["checkpoint", "log.jsonl", "run.json"]);
        assert!(!dir.path().join("mine").exists());
    }
    let resumed = program().args(["train", text(&config)]).output().unwrap();
    assert!(resumed.status.success());
    assert_eq!(resumed.stdout, done.stdout);
    for file in ["mine/model.safetensors", "runs/mine/log.jsonl"] {
        let (a, b) = (fs::read(dir.path().join(file)), fs::read(whole.path().join(file)));
        assert!(a.unwrap() == b.unwrap(), "{file} differs");
    }
}
