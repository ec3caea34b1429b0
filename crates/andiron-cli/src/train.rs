//! `andiron train`: from a configuration and data to a bundle whose card says what it scored.

use crate::{
    args::Train,
    builtin::registry,
    config::{BASE, RunConfig},
    data::Source,
    error::{CliError, DONE, INTERRUPTED},
    parts::{CUTS, Parts},
};
use andiron::{
    BundleError, Dataset as _, GradientTrainer, Report, TaskEntry, TrainError, TrainingConfig,
    bundle::{self, Card, DataSource, Metric},
    burn::tensor::Device,
    evaluator::Fingerprint,
    file,
    trainer::Interrupt,
};
use serde_json::{Value, json};
use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    path::Path,
    process,
    sync::{Arc, Mutex, PoisonError},
};

/// The file in the run's folder that says which data the run learns from.
const RUN: &str = "run.json";
/// The file in the run's folder with the whole report, for a later comparison.
const REPORT: &str = "report.json";

/// Trains, measures and saves; the report goes to standard output.
pub(crate) fn run(args: &Train, device: &Device) -> Result<u8, CliError> {
    let config = RunConfig::read(&args.config, &args.set)?;
    let registry = registry();
    let task = registry.task(&config.task).map_err(|error| as_argument(error, &config))?;
    if !task.architectures().contains(&config.model.as_str()) {
        let (got, known) = (config.model.clone(), task.architectures());
        return Err(TrainError::UnknownArchitecture { got, known }.into());
    }
    let (output, folder) = (config.output(), config.run_folder());
    bundle::check_free(&output)?;
    if config.has_base() {
        // Before a model is fetched that the architecture has no use for.
        task.takes(&config.model, BASE)?;
    }
    let options = config.options()?;
    let parts = Parts::read(&config.data, config.base(), task)?.attaching(task.attached);
    let training = config.training(parts.train.len())?;
    let hashes = hashes(&parts)?;
    check_held_out(task, &parts)?;
    claim(&folder, &hashes.learnt, args.fresh)?;
    announce(&config, &parts, training.max_steps);
    if task.cuts && !parts.test.is_empty() {
        say(CUTS);
    }

    let signals = Signals::listen()?;
    let trainer = GradientTrainer::new(training.clone())
        .with_folder(&folder)
        .with_loaders(config.loaders()?)
        .with_interrupt(signals.interrupt.clone());
    signals.may_exit(false);
    let fitted = task
        .fit(&config.model, &options, &trainer, &parts.train, &parts.valid, device)
        .map_err(|error| parts.train.explain(parts.placed(error).into()))?;
    // Saved before it is measured, so that what goes wrong there costs no training.
    let card = |report| card(args, &config, &training, &parts, &hashes, report);
    fitted.predictor.save(card(None), &output)?;
    say(&format!("saved to {}", output.display()));
    if parts.test.is_empty() {
        say("nothing was measured: there is no test part");
        return Ok(DONE);
    }
    if signals.interrupt.is_triggered() {
        say("stopped before the measurement; run the same command again for it");
        return Ok(INTERRUPTED);
    }
    signals.may_exit(true);
    let report = fitted.predictor.evaluate(&parts.test).map_err(|error| CliError::Unmeasured {
        path: output.clone(),
        source: parts.test.located(error),
    })?;
    // From here to the end nothing takes long, and all of it belongs together.
    signals.may_exit(false);
    fitted.predictor.save(card(Some(&report)), &output)?;
    print(&folder, &report)?;
    Ok(DONE)
}

/// What will be done, before it takes its time.
fn announce(config: &RunConfig, parts: &Parts, steps: usize) {
    say(&format!(
        "{} by {}: {} examples for training, {} for validation, {} for the test; {steps} steps, run in {}",
        config.task,
        config.model,
        parts.train.len(),
        parts.valid.len(),
        parts.test.len(),
        config.run_folder().display()
    ));
    if parts.left_out > 0 {
        say(&format!("{} training examples left out: their group is held out", parts.left_out));
    }
}

/// Reads the examples that are not learnt from: better to hear of a damaged file before the training
/// than after it. Those for training are read when the model is set up for them.
fn check_held_out(task: &TaskEntry, parts: &Parts) -> Result<(), CliError> {
    for (split, part) in [("validation", &parts.valid), ("test", &parts.test)] {
        let refuse = |source| part.explain(TrainError::Data { split, source }.into());
        task.check(part).map_err(refuse)?;
    }
    Ok(())
}

/// Progress and notes go to standard error; a closed one is no reason to stop.
fn say(text: &str) {
    let _ = writeln!(io::stderr(), "{text}");
}

/// A task that is not registered is a wrong setting here, not a wrong bundle.
fn as_argument(error: BundleError, config: &RunConfig) -> CliError {
    match error {
        BundleError::UnknownTask { known, .. } => {
            CliError::UnknownTask { got: config.task.clone(), known }
        }
        error => error.into(),
    }
}

/// SHA-256 over examples, in order.
struct Hashes {
    /// Of those for training and validation, which the weights depend on.
    learnt: String,
    /// Of all.
    all: String,
}

fn hashes(parts: &Parts) -> Result<Hashes, CliError> {
    let mut fingerprint = Fingerprint::new();
    for part in [&parts.train, &parts.valid] {
        // The numbers keep an example that moves from one part to the other from going unseen.
        fingerprint.add(&part.len())?;
        part.add_to(&mut fingerprint)?;
    }
    let learnt = fingerprint.clone().finish();
    fingerprint.add(&parts.test.len())?;
    parts.test.add_to(&mut fingerprint)?;
    Ok(Hashes { learnt, all: fingerprint.finish() })
}

/// Makes the run's folder ours: notes which data it learns from, and refuses one that learnt from
/// other data, whose checkpoint would be taken for this one's.
fn claim(folder: &Path, data: &str, fresh: bool) -> Result<(), CliError> {
    let note = folder.join(RUN);
    let fail = |source| CliError::Write { path: note.clone(), source };
    let checkpoint = folder.join("checkpoint");
    if fresh {
        for path in [&checkpoint, &folder.join("log.jsonl"), &note, &folder.join(REPORT)] {
            let removed =
                if path.is_dir() { fs::remove_dir_all(path) } else { fs::remove_file(path) };
            match removed {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(CliError::Write { path: path.clone(), source: error });
                }
                _ => {}
            }
        }
    }
    if checkpoint.is_dir() {
        let found =
            fs::read(&note).ok().and_then(|text| serde_json::from_slice::<Value>(&text).ok());
        if found.is_none_or(|found| found["data"] != data) {
            return Err(CliError::OtherData { path: folder.into() });
        }
        return Ok(());
    }
    fs::create_dir_all(folder).map_err(fail)?;
    file::write(&note, format!("{}\n", json!({ "data": data })).as_bytes()).map_err(fail)
}

fn card(
    args: &Train,
    config: &RunConfig,
    training: &TrainingConfig,
    parts: &Parts,
    hashes: &Hashes,
    report: Option<&Report>,
) -> Card {
    let set = args.set.iter().flat_map(|argument| ["--set".to_owned(), quoted(argument)]);
    let path = quoted(&args.config.display().to_string());
    let words: Vec<String> =
        ["andiron".to_owned(), "train".to_owned(), path].into_iter().chain(set).collect();
    let source = &config.card.data;
    let name = match (&config.data.train, source.name.as_str()) {
        (Source::Path(path), "") => path.display().to_string(),
        (Source::Idx(pair), "") => pair.images.display().to_string(),
        (_, name) => name.to_owned(),
    };
    let counts = [("train", &parts.train), ("valid", &parts.valid), ("test", &parts.test)];
    let scores = report.into_iter().flat_map(|report| &report.scores);
    Card {
        description: config.card.description.clone(),
        licence: config.card.licence.clone(),
        command: words.join(" "),
        seed: Some(training.seed),
        data: vec![DataSource {
            name,
            licence: source.licence.clone(),
            authors: source.authors.clone(),
            examples: BTreeMap::from(counts.map(|(part, of)| (part.to_owned(), of.len()))),
            sha256: hashes.all.clone(),
        }],
        metrics: scores
            .map(|(name, score)| {
                let metric = Metric { value: score.value, low: score.low, high: score.high };
                (name.clone(), metric)
            })
            .collect(),
        limits: config.card.limits.clone(),
    }
}

/// A word as a shell takes it.
pub(crate) fn quoted(word: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-=+:,@%".contains(c);
    if !word.is_empty() && word.chars().all(plain) {
        return word.to_owned();
    }
    format!("'{}'", word.replace('\'', "'\\''"))
}

/// The report to standard output, and with every outcome into the run's folder.
fn print(folder: &Path, report: &Report) -> Result<(), CliError> {
    let path = folder.join(REPORT);
    file::write(&path, format!("{}\n", report.to_json()).as_bytes())
        .map_err(|source| CliError::Write { path: path.clone(), source })?;
    let mut out = io::stdout().lock();
    writeln!(out, "{}", report.summary().to_json()).map_err(CliError::output)
}

/// What Ctrl-C, SIGTERM and SIGHUP do: stop the training behind its current step; stop the program
/// at once where nothing is lost by it; nothing while the bundle is saved.
struct Signals {
    interrupt: Interrupt,
    exit: Arc<Mutex<bool>>,
}

impl Signals {
    fn listen() -> Result<Self, CliError> {
        let signals = Self { interrupt: Interrupt::default(), exit: Arc::new(Mutex::new(true)) };
        let (interrupt, exit) = (signals.interrupt.clone(), Arc::clone(&signals.exit));
        let stop = move || {
            // Held while exiting, so that saving cannot begin meanwhile.
            let exit = exit.lock().unwrap_or_else(PoisonError::into_inner);
            interrupt.trigger();
            if *exit {
                process::exit(INTERRUPTED.into());
            }
        };
        ctrlc::set_handler(stop).map_err(|_| CliError::Argument {
            argument: "train".to_owned(),
            reason: "the handler for signals cannot be set",
        })?;
        Ok(signals)
    }

    fn may_exit(&self, now: bool) {
        *self.exit.lock().unwrap_or_else(PoisonError::into_inner) = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_quoted_for_a_shell() {
        assert_eq!(quoted("models/a.toml"), "models/a.toml");
        assert_eq!(quoted("a b"), "'a b'");
        assert_eq!(quoted("it's"), "'it'\\''s'");
        assert_eq!(quoted(""), "''");
    }
}
