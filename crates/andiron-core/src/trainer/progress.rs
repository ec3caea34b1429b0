//! What a person sees while a run goes on.

use super::Step;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use std::{io::IsTerminal, time::Instant};

/// How progress is shown, on standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Progress {
    /// A bar on a terminal, plain lines elsewhere.
    #[default]
    Auto,
    /// Plain lines: about twenty a run, and one for every measurement.
    Lines,
    /// Nothing.
    Silent,
}

/// The display of one run.
pub(super) struct Display {
    bar: Option<ProgressBar>,
    every: Option<usize>,
    max_steps: usize,
    started: Instant,
    first: usize,
}

impl Display {
    pub(super) fn new(progress: Progress, first: usize, max_steps: usize) -> Self {
        let terminal = std::io::stderr().is_terminal();
        let bar = (progress == Progress::Auto && terminal).then(|| {
            let template = "{bar:32} {pos}/{len} steps, {msg}, {eta} left";
            let style = ProgressStyle::with_template(template)
                .unwrap_or_else(|_| ProgressStyle::default_bar());
            let target = ProgressDrawTarget::stderr();
            ProgressBar::with_draw_target(Some(max_steps as u64), target)
                .with_style(style)
                .with_position(first as u64)
        });
        let lines = progress != Progress::Silent && bar.is_none();
        let every = lines.then_some((max_steps / 20).max(1));
        Self { bar, every, max_steps, started: Instant::now(), first }
    }

    pub(super) fn step(&self, step: &Step) {
        let valid = step.valid_loss.map(|loss| format!(", validation loss {loss:.4}"));
        let text = format!("loss {:.4}{}", step.loss, valid.unwrap_or_default());
        if let Some(bar) = &self.bar {
            bar.set_position(step.step as u64 + 1);
            bar.set_message(text);
        } else if let Some(every) = self.every {
            let done = step.step + 1;
            if done.is_multiple_of(every) || step.valid_loss.is_some() || done == self.max_steps {
                let seconds = self.started.elapsed().as_secs_f64().max(1e-9);
                let pace = (done - self.first) as f64 / seconds;
                eprintln!("step {done}/{}: {text}, {pace:.1} steps/s", self.max_steps);
            }
        }
    }

    pub(super) fn finish(&self) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
    }
}
