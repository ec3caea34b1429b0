//! How surprised a network is by a text.

use super::TextGeneration;
use crate::{
    decoder::{self, Decoder},
    models::{gpt2::Gpt2Config, llama::LlamaConfig},
};
use andiron_core::{
    ConfigError, DataError, Dataset, EvalError, Predictor, Report, Task,
    data::ExampleOf,
    evaluator::{
        Bootstrap, Fingerprint, Outcome,
        perplexity::{LogLikelihood, perplexity},
    },
};
use burn::tensor::Device;
use std::collections::BTreeMap;

/// How a text that is longer than the network's length is read: in windows that overlap, so that
/// every token but the first of the text is predicted once.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Windows {
    /// Tokens of a window; 2 or more, and as many as the network takes at the most.
    pub width: usize,
    /// From the beginning of one window to that of the next; 1 or more, below `width`. With smaller
    /// ones a token has more before it, and the time grows.
    pub stride: usize,
}

impl Windows {
    /// Windows of `width` tokens, half of them new in each.
    pub fn half(width: usize) -> Self {
        Self { width, stride: (width / 2).max(1) }
    }

    /// Checks the numbers for a network that takes `max_length` tokens.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`].
    pub fn check(&self, max_length: usize) -> Result<(), ConfigError> {
        let (width, stride) = (self.width as f64, self.stride as f64);
        ConfigError::within("width", 2.0, max_length as f64, width)?;
        ConfigError::within("stride", 1.0, width - 1.0, stride)
    }
}

/// What `model` says of the tokens from number `first` on, each after those before it in its window;
/// `first` is 1 or more, for the first of a text has nothing before it.
///
/// ```
/// use andiron_core::ModelConfig;
/// use andiron_nlp::{models::llama::LlamaConfig, tasks::text_generation::{Windows, log_probability}};
/// use burn::tensor::Device;
///
/// let device = Device::flex();
/// let model = LlamaConfig::new(50, 12, 1, 3, 20).init(&device)?;
/// let said = log_probability(&model, &[7, 3, 9, 49, 2], 1, Windows { width: 3, stride: 2 }, &device)?;
/// assert_eq!(said.tokens, 4);
/// assert!(said.perplexity() > 1.0);
/// # Ok::<(), andiron_core::DataError>(())
/// ```
///
/// # Errors
/// [`DataError::TooShort`] for a text without a token to predict, [`DataError::TooLarge`] for a
/// token that the network does not know, [`DataError::Config`] for windows that cannot be used.
pub fn log_probability<M: Decoder>(
    model: &M,
    ids: &[u32],
    first: usize,
    windows: Windows,
    device: &Device,
) -> Result<LogLikelihood, DataError> {
    windows.check(model.max_length())?;
    let first = first.max(1);
    if ids.len() <= first {
        let (what, got) = ("the length of the text in tokens", ids.len() as u64);
        return Err(DataError::TooShort { what, least: first as u64 + 1, got });
    }
    if let Some(id) = ids.iter().find(|id| **id as usize >= model.n_tokens()) {
        let limit = model.n_tokens() as u64 - 1;
        return Err(DataError::TooLarge { what: "a token number", limit, got: u64::from(*id) });
    }
    let mut said = LogLikelihood::default();
    // The first token that is not predicted yet.
    let mut next = first;
    for begin in (0..ids.len()).step_by(windows.stride) {
        let end = (begin + windows.width).min(ids.len());
        if end > next {
            let part = &ids[begin..end];
            let found = decoder::log_probabilities(model, part, end - next, device);
            said.sum += found.iter().map(|log| f64::from(*log)).sum::<f64>();
            said.tokens += found.len();
            next = end;
        }
        if end == ids.len() {
            break;
        }
    }
    Ok(said)
}

/// The report on `data`: `perplexity` over the tokens of the texts behind the prompts, and
/// `bits_per_byte`, which can be compared between tokenizers; each with its interval by a bootstrap
/// over the examples.
///
/// An outcome is an example: its loss are the bits per byte of its text, so that models of different
/// tokenizers can be compared. No text is right or wrong, and so none counts as right.
pub(super) fn evaluate(
    predictor: &Predictor<TextGeneration>,
    data: &dyn Dataset<ExampleOf<TextGeneration>>,
) -> Result<Report, EvalError> {
    let task = predictor.task();
    let (mut found, mut fingerprint) = (Vec::new(), Fingerprint::new());
    for index in 0..data.len() {
        let placed = |error: DataError| error.at(index, None);
        let example = data.get(index)?;
        fingerprint.add(&example.input).map_err(placed)?;
        fingerprint.add(&example.target).map_err(placed)?;
        let (ids, prompt) = task.whole(&example).map_err(placed)?;
        let said = if let Some(network) = predictor.network::<LlamaConfig>() {
            of(&network.model, task, &ids, prompt)
        } else if let Some(network) = predictor.network::<Gpt2Config>() {
            of(&network.model, task, &ids, prompt)
        } else {
            let got = "asked of a network that is no decoder of this crate";
            Err(DataError::WrongKind { wanted: "perplexity of Llama or GPT-2", got })
        };
        found.push((said.map_err(placed)?, example.target.len()));
    }
    if found.is_empty() {
        return Err(DataError::Empty { what: "the data set".to_owned() }.into());
    }
    // Refuses what is not finite.
    perplexity(&found.iter().map(|(said, _)| *said).collect::<Vec<_>>())?;
    let bootstrap = Bootstrap::default();
    let scores = bootstrap.scores(found.len(), |indices, out| {
        let all: LogLikelihood = indices.iter().map(|at| found[*at].0).sum();
        let bytes: usize = indices.iter().map(|at| found[*at].1).sum();
        out.push(all.perplexity());
        out.push(bits_per_byte(all, bytes));
    })?;
    let names = ["perplexity", "bits_per_byte"].map(str::to_owned);
    Ok(Report::new(
        (TextGeneration::NAME, predictor.architecture()),
        names.into_iter().zip(scores).collect::<BTreeMap<_, _>>(),
        found
            .iter()
            .map(|(said, bytes)| Outcome { right: false, loss: bits_per_byte(*said, *bytes) })
            .collect(),
        &bootstrap,
        fingerprint.finish(),
    ))
}

fn bits_per_byte(said: LogLikelihood, bytes: usize) -> f64 {
    -said.sum / std::f64::consts::LN_2 / bytes as f64
}

fn of<M: Decoder>(
    model: &M,
    task: &TextGeneration,
    ids: &[u32],
    prompt: usize,
) -> Result<LogLikelihood, DataError> {
    let devices = model.devices();
    let Some(device) = devices.first() else {
        return Err(DataError::Empty { what: "the network".to_owned() });
    };
    let windows = Windows::half(task.max_length.min(model.max_length()));
    log_probability(model, ids, prompt, windows, device)
}
