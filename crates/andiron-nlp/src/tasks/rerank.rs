//! How well each of several documents answers a query, by a network that reads the two together.

mod evaluator;
mod folder;
mod input;
mod recipe;

pub use evaluator::RerankEvaluator;
pub use folder::{PUBLISHED, from_folder};
pub use input::Shortlist;
pub use recipe::RerankOptions;

use crate::{
    batch::TokenBatch,
    models::{
        bert::BertConfig,
        distilbert::DistilBertConfig,
        roberta::RobertaConfig,
        sequence_classifier::{SequenceClassifier, SequenceClassifierConfig},
    },
    tokenizer::Tokenizer,
};
use andiron_core::{
    ConfigError, DataError, Dataset, EvalError, Evaluator as _, Loss, Model, ModelEntry, Predictor,
    PublishedEntry, Raw, Registered, Report, Solve, Task,
    data::{Example, ExampleOf},
    loss,
};
use burn::tensor::{
    Bool, Device, Int, Tensor, TensorData,
    activation::{log_softmax, sigmoid},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The networks for the task, the fastest first.
pub static CROSS_ENCODERS: &[ModelEntry<Rerank>] = &[
    ModelEntry::of::<SequenceClassifierConfig<DistilBertConfig>>(),
    ModelEntry::of::<SequenceClassifierConfig<BertConfig>>(),
    ModelEntry::of::<SequenceClassifierConfig<RobertaConfig>>(),
];

/// How many pairs go through the network at once; pairs of like length together, so that little of
/// the work is padding.
const AT_ONCE: usize = 16;

/// Scores documents for a query: the network reads query and document as one row of tokens, so that
/// every word of the one can look at every word of the other (Nogueira & Cho 2019,
/// <https://arxiv.org/abs/1901.04085>).
///
/// No document, an empty query or an empty document is an error, and so is a pair over the length,
/// unless the request says `"truncate": true`. Where a pair is cut, tokens go from the end of the
/// longer text, as in sentence-transformers: mostly from the document, and from the query only if it
/// takes more than half of the room, since a query without a document would tell nothing. In
/// training a pair over the length is cut.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Rerank {
    /// How a pair becomes tokens.
    pub tokenizer: Tokenizer,
    /// The longest pair in tokens, special tokens included.
    pub max_length: usize,
    /// What is learnt.
    #[serde(default)]
    pub objective: Objective,
    /// What a score is.
    #[serde(default)]
    pub scale: ScoreScale,
}

/// What a network for [`Rerank`] learns from a query's documents.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Objective {
    /// Whether each document is relevant, by itself: the binary cross-entropy of its logit with its
    /// relevance, 0 to 1.
    #[default]
    Pairs,
    /// Which of the documents are the relevant ones: the cross-entropy of the softmax over the
    /// query's documents with the shares of their relevances (ListNet, Cao et al. 2007,
    /// <https://doi.org/10.1145/1273496.1273513>). A query without a relevant document teaches
    /// nothing.
    Lists,
}

/// What a score says.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum ScoreScale {
    /// What the network gives: any number, above 0 for more probably relevant than not where it has
    /// learnt from pairs.
    #[default]
    Logit,
    /// `1 / (1 + exp(−logit))`, 0 to 1.
    Probability,
}

/// The answer for a query: a score a document, and whether a pair was cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Ranked {
    /// The scores in the order of the documents; the higher, the better.
    pub scores: Vec<f32>,
    /// Whether only the beginning of a text was read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// Queries with their documents to learn from, one row a pair.
#[derive(Debug, Clone)]
pub struct PairRows {
    /// All pairs, query by query.
    pub pairs: TokenBatch,
    /// The relevance of each, `[pairs, 1]`.
    pub relevance: Tensor<2>,
    /// Which pairs are of one query.
    pub lists: Lists,
}

/// The documents of several queries as rows of one width.
#[derive(Debug, Clone)]
pub struct Lists {
    /// The pair that stands in a place, `[queries, width]`; 0 where there is none.
    pub places: Tensor<2, Int>,
    /// Where there is no pair, `[queries, width]`.
    pub absent: Tensor<2, Bool>,
    /// A pair's part of the relevance of all of its query, `[queries, width]`; 0 for a query without
    /// a relevant document.
    pub shares: Tensor<2>,
    /// Queries with a relevant document.
    pub counted: usize,
}

/// A pair's tokens, without what only a single text needs.
struct Row {
    ids: Vec<u32>,
    segments: Vec<u32>,
}

impl Rerank {
    /// The task for pairs of up to `max_length` tokens.
    pub fn new(tokenizer: Tokenizer, max_length: usize) -> Self {
        Self {
            tokenizer,
            max_length,
            objective: Objective::default(),
            scale: ScoreScale::default(),
        }
    }

    /// The same task, learning something else.
    #[must_use]
    pub fn with_objective(self, objective: Objective) -> Self {
        Self { objective, ..self }
    }

    /// The same task with another kind of score.
    #[must_use]
    pub fn with_scale(self, scale: ScoreScale) -> Self {
        Self { scale, ..self }
    }

    /// Whether a network of so many tokens and such a length can answer the task: for
    /// [`Recipe::fits`](andiron_core::Recipe::fits).
    ///
    /// # Errors
    /// [`ConfigError`] names what network and task say differently.
    pub fn fits(&self, n_tokens: usize, longest: usize) -> Result<(), ConfigError> {
        ConfigError::at_least("the number of tokens", self.tokenizer.n_tokens(), n_tokens)?;
        ConfigError::at_least("the network's length", self.max_length, longest)?;
        ConfigError::at_least("max_length", self.tokenizer.n_special(true) + 2, self.max_length)
    }

    /// The pairs of a list, and whether one was cut.
    fn rows(&self, list: &Shortlist, cut: bool) -> Result<(Vec<Row>, bool), DataError> {
        if list.documents.is_empty() {
            return Err(DataError::Empty { what: "the list of documents".to_owned() });
        }
        let mut truncated = false;
        let row = |(at, document): (usize, &String)| {
            let cut = cut || list.truncate;
            let encoded = self
                .tokenizer
                .encode_pair(&list.query, document, self.max_length, cut)
                .map_err(|error| match error {
                DataError::Empty { .. } => self.which_is_empty(&list.query, at),
                DataError::Config(_) => error,
                other => other.at(at, Some("document")),
            })?;
            truncated |= encoded.truncated;
            Ok(Row { ids: encoded.ids, segments: encoded.segments })
        };
        let rows = list.documents.iter().enumerate().map(row).collect::<Result<_, DataError>>()?;
        Ok((rows, truncated))
    }

    /// A pair was refused because one of its texts has no token: says which.
    fn which_is_empty(&self, query: &str, document: usize) -> DataError {
        let alone = self.tokenizer.encode(&query.into(), self.max_length, true);
        let what = match alone {
            Err(DataError::Empty { .. }) => "the query".to_owned(),
            _ => format!("documents[{document}]"),
        };
        DataError::Empty { what }
    }

    fn batch_of(rows: &[&Row], device: &Device) -> TokenBatch {
        let ids: Vec<Vec<u32>> = rows.iter().map(|row| row.ids.clone()).collect();
        let segments: Vec<Vec<u32>> = rows.iter().map(|row| row.segments.clone()).collect();
        TokenBatch::of(&ids, &segments, device)
    }

    /// What the data says of a query's documents, checked against the objective.
    fn relevances(&self, example: &ExampleOf<Self>) -> Result<(), DataError> {
        input::check(example.input.documents.len(), &example.target)?;
        let most = if self.objective == Objective::Pairs { 1.0 } else { f64::MAX };
        let over = example.target.iter().find(|got| **got > most);
        over.map_or(Ok(()), |got| Ok(ConfigError::within("a relevance", 0.0, most, *got)?))
    }

    /// Whether an example can be learnt from, as far as it is told without looking for tokens.
    fn learnable(&self, example: &ExampleOf<Self>) -> Result<(), DataError> {
        let Shortlist { query, documents, .. } = &example.input;
        let empty = |text: &str| text.trim().is_empty();
        if empty(query) {
            return Err(DataError::Empty { what: "the query".to_owned() });
        }
        if let Some(at) = documents.iter().position(|document| empty(document)) {
            return Err(DataError::Empty { what: format!("documents[{at}]") });
        }
        self.relevances(example)
    }
}

impl Lists {
    fn of(targets: &[&[f64]], device: &Device) -> Self {
        let width = targets.iter().map(|target| target.len()).max().unwrap_or(0).max(1);
        let shape = [targets.len(), width];
        let mut places = vec![0_i32; targets.len() * width];
        let mut absent = vec![true; targets.len() * width];
        let mut shares = vec![0_f32; targets.len() * width];
        let (mut next, mut counted) = (0, 0);
        for (row, target) in targets.iter().enumerate() {
            let sum: f64 = target.iter().sum();
            counted += usize::from(sum > 0.0);
            for (column, relevance) in target.iter().enumerate() {
                let at = row * width + column;
                (places[at], absent[at]) = (next, false);
                shares[at] = if sum > 0.0 { (relevance / sum) as f32 } else { 0.0 };
                next += 1;
            }
        }
        Self {
            places: Tensor::from_data(TensorData::new(places, shape), device),
            absent: Tensor::from_data(TensorData::new(absent, shape), device),
            shares: Tensor::from_data(TensorData::new(shares, shape), device),
            counted,
        }
    }

    /// `−Σ_d share_d · log softmax(z)_d`, the mean over the queries that have a relevant document.
    ///
    /// # Shapes
    /// - logits: `[pairs, 1]`
    fn loss(self, logits: Tensor<2>) -> Loss {
        let [queries, width] = self.places.dims();
        let chosen = logits.flatten::<1>(0, 1).select(0, self.places.flatten(0, 1));
        let rows = chosen.reshape([queries, width]).mask_fill(self.absent, -1e9);
        let terms = log_softmax(rows, 1) * self.shares;
        Loss::new(terms.sum_dim(1).sum().neg() / self.counted.max(1) as f64, self.counted)
    }
}

impl Task for Rerank {
    const NAME: &'static str = "rerank";
    type Input = Shortlist;
    type Target = Vec<f64>;
    type Prediction = Ranked;
    type Batch = PairRows;

    fn batch(&self, examples: &[ExampleOf<Self>], device: &Device) -> Result<PairRows, DataError> {
        let mut rows = Vec::new();
        for (at, example) in examples.iter().enumerate() {
            let made = self.relevances(example).and_then(|()| self.rows(&example.input, true));
            rows.extend(made.map_err(|error| error.at(at, None))?.0);
        }
        let targets: Vec<&[f64]> =
            examples.iter().map(|example| example.target.as_slice()).collect();
        let relevance: Vec<f32> = targets.concat().into_iter().map(|y| y as f32).collect();
        let shape = [rows.len(), 1];
        Ok(PairRows {
            pairs: Self::batch_of(&rows.iter().collect::<Vec<_>>(), device),
            relevance: Tensor::from_data(TensorData::new(relevance, shape), device),
            lists: Lists::of(&targets, device),
        })
    }

    /// The bytes of the query and of the longest document.
    fn length(&self, example: &ExampleOf<Self>) -> Option<usize> {
        let longest = example.input.documents.iter().map(String::len).max();
        Some(example.input.query.len() + longest.unwrap_or(0))
    }
}

impl<M> Solve<SequenceClassifier<M>> for Rerank
where
    M: Model<Input = TokenBatch, Output = Tensor<3>>,
{
    /// With `z` the logit of a pair and `y` its relevance, from pairs
    ///
    /// ```text
    /// L = − 1/n · Σ ( y · log σ(z) + (1 − y) · log σ(−z) )        n pairs
    /// ```
    ///
    /// and from lists, with `d` over the documents of a query,
    ///
    /// ```text
    /// L = − 1/n · Σ_queries Σ_d y_d / Σ y · log softmax(z)_d      n queries with Σ y > 0
    /// ```
    fn learn(&self, model: &SequenceClassifier<M>, batch: PairRows) -> Loss {
        let logits = model.logits(batch.pairs);
        match self.objective {
            Objective::Pairs => loss::binary_cross_entropy(logits, batch.relevance),
            Objective::Lists => batch.lists.loss(logits),
        }
    }

    fn answer(
        &self,
        model: &SequenceClassifier<M>,
        lists: &[Shortlist],
        device: &Device,
    ) -> Result<Vec<Ranked>, DataError> {
        let answer = |list: &Shortlist| {
            let (rows, truncated) = self.rows(list, false)?;
            let mut order: Vec<usize> = (0..rows.len()).collect();
            order.sort_by_key(|at| rows[*at].ids.len());
            let mut scores = vec![0.0; rows.len()];
            for part in order.chunks(AT_ONCE) {
                let rows: Vec<&Row> = part.iter().map(|at| &rows[*at]).collect();
                let logits = model.logits(Self::batch_of(&rows, device));
                let values = match self.scale {
                    ScoreScale::Logit => logits,
                    ScoreScale::Probability => sigmoid(logits),
                };
                for (at, value) in part.iter().zip(values.into_data().iter::<f32>()) {
                    scores[*at] = value;
                }
            }
            Ok(Ranked { scores, truncated })
        };
        lists.iter().map(answer).collect()
    }
}

impl Registered for Rerank {
    const MEDIA: Option<&'static str> = None;
    const CUT: Option<fn(ExampleOf<Self>) -> ExampleOf<Self>> =
        Some(|example| Example { input: example.input.truncated(), ..example });

    fn models() -> &'static [ModelEntry<Self>] {
        CROSS_ENCODERS
    }

    fn published() -> &'static [PublishedEntry] {
        PUBLISHED
    }

    fn read(raw: Raw<'_>) -> Result<Shortlist, DataError> {
        Shortlist::read(raw)
    }

    /// How relevant each document is: `{"scores": [number, …]}`, one a document in order, or
    /// `{"relevant": [place, …]}`, the places of those that are relevant, counted from 0.
    fn target(line: &Value) -> Result<Vec<f64>, DataError> {
        input::relevances(line)
    }

    fn evaluate(
        predictor: &Predictor<Self>,
        data: &dyn Dataset<ExampleOf<Self>>,
    ) -> Result<Report, EvalError> {
        RerankEvaluator::default().evaluate(predictor, data)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
pub(crate) mod tests;
