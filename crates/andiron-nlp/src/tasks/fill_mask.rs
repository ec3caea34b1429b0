//! The word that belongs in a gap.

mod evaluator;
mod folder;
mod input;
mod masking;
mod recipe;

pub use evaluator::FillMaskEvaluator;
pub use folder::{PUBLISHED, from_folder};
pub use input::{DEFAULT_TOP_K, Gap};
pub use recipe::FillMaskOptions;

use crate::{
    batch::{PickedTokens, TokenBatch},
    models::{
        bert::BertConfig,
        distilbert::DistilBertConfig,
        masked_lm::{MaskedLm, MaskedLmConfig, WordTable},
        roberta::RobertaConfig,
    },
    tokenizer::{Encoded, Tokenizer},
};
use andiron_core::{
    ConfigError, DataError, Dataset, EvalError, Evaluator as _, Loss, Model, ModelEntry, Predictor,
    PublishedEntry, Raw, Registered, Report, Solve, Task,
    data::{Example, ExampleOf},
    loss::{self, CrossEntropy},
};
use andiron_kernels::{draw, mix};
use burn::tensor::{Device, Int, Tensor, TensorData, activation::softmax};
use masking::{Hidden, hide, seed_of};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// The networks for the task, the fastest first.
pub static MASKED_LMS: &[ModelEntry<FillMask>] = &[
    ModelEntry::of::<MaskedLmConfig<DistilBertConfig>>(),
    ModelEntry::of::<MaskedLmConfig<BertConfig>>(),
    ModelEntry::of::<MaskedLmConfig<RobertaConfig>>(),
];

/// How each of them is measured.
static ASK: &[evaluator::Ask] = &[
    evaluator::ask::<MaskedLmConfig<DistilBertConfig>>,
    evaluator::ask::<MaskedLmConfig<BertConfig>>,
    evaluator::ask::<MaskedLmConfig<RobertaConfig>>,
];

/// How many texts go through the network at once; texts of like length together, so that little of
/// the work is padding.
const AT_ONCE: usize = 16;
/// Starts the streams that hide words outside training, where every text is hidden in one way.
const OUTSIDE: u64 = 0;

/// Which tokens fit a gap in a text, the most probable first.
///
/// A request has exactly one mask token. None is an error, and so are several: what the network says
/// of two gaps it says of each by itself, and the best word for the one and the best for the other
/// need not go together. Fill one, then ask for the next. An empty text is an error, and so is one
/// over the length, unless it says `"truncate": true`; the gap has to stand in what is left then. In
/// training a text over the length is cut.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct FillMask {
    /// How a text becomes tokens.
    pub tokenizer: Tokenizer,
    /// The longest text in tokens, special tokens included.
    pub max_length: usize,
    /// The token that marks a gap, as the tokenizer writes it.
    pub mask: String,
    /// Share of a text's tokens that are hidden in training, 0 to 1; one at the least.
    #[serde(default = "default_share")]
    pub share: f64,
}

fn default_share() -> f64 {
    0.15
}

/// One token that may stand in a gap.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Candidate {
    /// The token as text; with the space in front of it, where it has one.
    pub token: String,
    /// Its probability, 0 to 1.
    pub score: f32,
}

/// The answer for a gap: what may stand there, and whether the text was cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Filled {
    /// The most probable tokens, the most probable first.
    pub candidates: Vec<Candidate>,
    /// Whether only the beginning of the text was read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// Texts to learn from. Their words are hidden when they are learnt, so that each time others are.
#[derive(Debug, Clone)]
pub struct WholeTexts {
    rows: Rows,
    device: Device,
}

/// Texts of which words can be hidden.
#[derive(Debug, Clone)]
struct Rows {
    texts: Vec<WholeText>,
    mask: u32,
    n_tokens: usize,
}

/// The tokens of a text.
#[derive(Debug, Clone)]
struct WholeText {
    ids: Vec<u32>,
    segments: Vec<u32>,
    /// The places of the tokens that may be hidden.
    candidates: Vec<usize>,
}

impl FillMask {
    /// The task for texts of up to `max_length` tokens, whose gaps are marked by the token `mask`.
    ///
    /// # Errors
    /// [`ConfigError::Kind`] if the tokenizer has no such token.
    pub fn new(
        tokenizer: Tokenizer,
        max_length: usize,
        mask: impl Into<String>,
    ) -> Result<Self, ConfigError> {
        let task = Self { tokenizer, max_length, mask: mask.into(), share: default_share() };
        task.mask_id()?;
        Ok(task)
    }

    /// The same task, with another share of tokens hidden in training.
    #[must_use]
    pub fn with_share(self, share: f64) -> Self {
        Self { share, ..self }
    }

    /// Whether a network of so many tokens and such a length can answer the task: for
    /// [`Recipe::fits`](andiron_core::Recipe::fits).
    ///
    /// # Errors
    /// [`ConfigError`] names what network and task say differently, or the setting of the task that
    /// cannot be used.
    pub fn fits(&self, n_tokens: usize, longest: usize) -> Result<(), ConfigError> {
        self.mask_id()?;
        ConfigError::at_least("the number of tokens", self.tokenizer.n_tokens(), n_tokens)?;
        ConfigError::at_least("the network's length", self.max_length, longest)?;
        let least = self.tokenizer.n_special(false) + 1;
        ConfigError::at_least("max_length", least, self.max_length)?;
        ConfigError::within("share", 0.0, 1.0, self.share)
    }

    fn mask_id(&self) -> Result<u32, ConfigError> {
        self.tokenizer.id(&self.mask).ok_or_else(|| ConfigError::Kind {
            field: "mask".to_owned(),
            got: format!("{:?}", self.mask),
            reason: "the tokenizer has no such token".to_owned(),
        })
    }

    /// The tokens of a text with a gap, and where that is.
    fn gap(&self, gap: &Gap, mask: u32) -> Result<(Encoded, usize), DataError> {
        let encoded = self.tokenizer.encode(&gap.text, self.max_length, false)?;
        let mut places = (0..encoded.ids.len()).filter(|at| encoded.ids[*at] == mask);
        match (places.next(), places.count()) {
            (Some(place), 0) => Ok((encoded, place)),
            (first, more) => Err(DataError::Field {
                field: "text".to_owned(),
                wanted: "a text with exactly one mask token",
                got: match (first, encoded.truncated) {
                    (None, true) => {
                        format!("one without {:?} in what is left of it", self.mask)
                    }
                    (None, false) => format!("one without {:?}", self.mask),
                    _ => format!("one with {} of {:?}", more + 1, self.mask),
                },
            }),
        }
    }

    /// The tokens of a text to learn from. Those that are `special` are not hidden, whoever wrote
    /// them.
    fn whole(&self, gap: &Gap, special: &BTreeSet<u32>) -> Result<WholeText, DataError> {
        let encoded = self.tokenizer.encode(&gap.text, self.max_length, true)?;
        let candidates: Vec<usize> = (0..encoded.ids.len())
            .filter(|at| encoded.texts[*at].is_some() && !special.contains(&encoded.ids[*at]))
            .collect();
        if candidates.is_empty() {
            return Err(DataError::Empty { what: "the list of words to hide".to_owned() });
        }
        Ok(WholeText { ids: encoded.ids, segments: encoded.segments, candidates })
    }

    fn rows(&self, examples: &[ExampleOf<Self>]) -> Result<Rows, DataError> {
        let mut special = self.tokenizer.special();
        // A word that the vocabulary does not know is a word all the same, as in BERT's own code:
        // so a text of nothing else stops no training.
        for unknown in ["[UNK]", "<unk>"].iter().filter_map(|token| self.tokenizer.id(token)) {
            special.remove(&unknown);
        }
        let text = |(at, example): (usize, &ExampleOf<Self>)| {
            self.whole(&example.input, &special).map_err(|error| error.at(at, None))
        };
        Ok(Rows {
            texts: examples.iter().enumerate().map(text).collect::<Result<_, _>>()?,
            mask: self.mask_id()?,
            n_tokens: self.tokenizer.n_tokens(),
        })
    }
}

impl Rows {
    /// Hides the share `share` of each text's words; `seed` decides which, from the text's place and
    /// its tokens.
    fn hide(&self, share: f64, seed: impl Fn(usize, &[u32]) -> u64) -> Vec<Hidden> {
        let texts = self.texts.iter().enumerate();
        texts
            .map(|(at, WholeText { ids, candidates, .. })| {
                hide(ids, candidates, share, self.mask, self.n_tokens, seed(at, ids))
            })
            .collect()
    }

    /// These texts with words hidden as a network takes them, and what the words were.
    fn picked(&self, hidden: &[Hidden], device: &Device) -> (PickedTokens, Vec<i32>) {
        let ids: Vec<Vec<u32>> = hidden.iter().map(|row| row.ids.clone()).collect();
        let places: Vec<Vec<usize>> = hidden.iter().map(|row| row.places.clone()).collect();
        let segments: Vec<Vec<u32>> = self.texts.iter().map(|row| row.segments.clone()).collect();
        let truth = hidden.iter().flat_map(|row| &row.truth).map(|id| *id as i32).collect();
        (PickedTokens::of(TokenBatch::of(&ids, &segments, device), &places), truth)
    }
}

impl Task for FillMask {
    const NAME: &'static str = "fill-mask";
    type Input = Gap;
    type Target = ();
    type Prediction = Filled;
    type Batch = WholeTexts;

    fn batch(
        &self,
        examples: &[ExampleOf<Self>],
        device: &Device,
    ) -> Result<WholeTexts, DataError> {
        Ok(WholeTexts { rows: self.rows(examples)?, device: device.clone() })
    }

    /// The text's bytes.
    fn length(&self, example: &ExampleOf<Self>) -> Option<usize> {
        Some(example.input.text.text.len())
    }
}

impl<M> Solve<MaskedLm<M>> for FillMask
where
    M: Model<Input = TokenBatch, Output = Tensor<3>> + WordTable,
{
    /// The mean of `−ln p(token | the text with some of its words hidden)` over the hidden tokens.
    /// Which they are follows in training from the run's seed and the step; outside training from
    /// the text alone, so that two measurements are of the same words.
    fn learn(&self, model: &MaskedLm<M>, batch: WholeTexts) -> Loss {
        let WholeTexts { rows, device } = batch;
        let hidden = match draw() {
            Some(seed) => rows.hide(self.share, |at, _| mix(seed, &[at as u64])),
            None => rows.hide(self.share, |_, ids| seed_of(OUTSIDE, ids)),
        };
        let (tokens, truth) = rows.picked(&hidden, &device);
        let shape = [truth.len()];
        let truth = Tensor::<1, Int>::from_data(TensorData::new(truth, shape), &device);
        loss::cross_entropy(model.forward(tokens), truth, &CrossEntropy::default())
    }

    fn answer(
        &self,
        model: &MaskedLm<M>,
        gaps: &[Gap],
        device: &Device,
    ) -> Result<Vec<Filled>, DataError> {
        let mask = self.mask_id()?;
        let found =
            gaps.iter().map(|gap| self.gap(gap, mask)).collect::<Result<Vec<_>, DataError>>()?;
        let mut order: Vec<usize> = (0..gaps.len()).collect();
        order.sort_by_key(|at| found[*at].0.ids.len());
        let mut answers = vec![Filled { candidates: Vec::new(), truncated: false }; gaps.len()];
        for part in order.chunks(AT_ONCE) {
            let of = |at: &usize| &found[*at].0;
            let ids: Vec<Vec<u32>> = part.iter().map(|at| of(at).ids.clone()).collect();
            let segments: Vec<Vec<u32>> = part.iter().map(|at| of(at).segments.clone()).collect();
            let places: Vec<Vec<usize>> = part.iter().map(|at| vec![found[*at].1]).collect();
            let tokens = TokenBatch::of(&ids, &segments, device);
            let scores = softmax(model.forward(PickedTokens::of(tokens, &places)), 1);
            let [_, n_tokens] = scores.dims();
            let scores: Vec<f32> = scores.into_data().iter::<f32>().collect();
            for (at, scores) in part.iter().zip(scores.chunks(n_tokens)) {
                let top_k = gaps[*at].top_k.unwrap_or(DEFAULT_TOP_K);
                let candidates = self.candidates(scores, top_k)?;
                answers[*at] = Filled { candidates, truncated: found[*at].0.truncated };
            }
        }
        Ok(answers)
    }
}

impl FillMask {
    /// The `top_k` most probable tokens; of equals the one with the lower number first.
    fn candidates(&self, scores: &[f32], top_k: usize) -> Result<Vec<Candidate>, DataError> {
        // A network may have rows that no token uses.
        let known = scores.len().min(self.tokenizer.n_tokens());
        let mut order: Vec<usize> = (0..known).collect();
        let falling = |a: &usize, b: &usize| scores[*b].total_cmp(&scores[*a]).then(a.cmp(b));
        let top_k = top_k.min(known);
        if top_k < known {
            order.select_nth_unstable_by(top_k, falling);
            order.truncate(top_k);
        }
        order.sort_unstable_by(falling);
        let candidate = |id: usize| {
            let token = self.tokenizer.decode(&[id as u32], false)?;
            Ok(Candidate { token, score: scores[id] })
        };
        order.into_iter().map(candidate).collect()
    }
}

impl Registered for FillMask {
    const MEDIA: Option<&'static str> = None;
    const CUT: Option<fn(ExampleOf<Self>) -> ExampleOf<Self>> =
        Some(|example| Example { input: example.input.truncated(), ..example });

    fn models() -> &'static [ModelEntry<Self>] {
        MASKED_LMS
    }

    fn published() -> &'static [PublishedEntry] {
        PUBLISHED
    }

    fn read(raw: Raw<'_>) -> Result<Gap, DataError> {
        Gap::read(raw)
    }

    /// Nothing: the words of the text are what is to be found.
    fn target(_line: &Value) -> Result<(), DataError> {
        Ok(())
    }

    fn evaluate(
        predictor: &Predictor<Self>,
        data: &dyn Dataset<ExampleOf<Self>>,
    ) -> Result<Report, EvalError> {
        FillMaskEvaluator::default().evaluate(predictor, data)
    }
}

/// A handful of texts that the models' tests learn by heart.
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
pub(crate) mod toy {
    use super::{FillMask, Gap, recipe};
    use crate::published_head::HeadBase;
    use andiron_core::Example;

    /// No word stands in two of them, so that what is left of a text tells what is hidden.
    const TEXTS: [&str; 5] = [
        "sun and {} rain",
        "the old sailor lives {} by a quiet sea near his brother's house with no roof",
        "bread needs flour water {} salt",
        "who {} wrote this play about Denmark's prince",
        "cats purr {} when content",
    ];

    /// A task whose words are those of the texts.
    pub(crate) fn task<E: HeadBase>() -> FillMask {
        let texts = TEXTS.map(|text| text.replace("{}", "")).to_vec();
        recipe::task(E::vocabulary(&texts, 420).unwrap(), 32).unwrap()
    }

    /// The longest text is several times as long as the shortest.
    pub(crate) fn examples<E: HeadBase>() -> Vec<Example<Gap, ()>> {
        let mask = task::<E>().mask;
        TEXTS.map(|text| Example { input: text.replace("{}", &mask).into(), target: () }).to_vec()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
