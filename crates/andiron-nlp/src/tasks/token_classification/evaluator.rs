//! Measuring by the entities that are found.

use super::{Span, TaggedText, TokenClassification};
use crate::metrics::entities::{Spans, span_scores};
use andiron_core::{
    DataError, Dataset, EvalError, Evaluator, Predictor, Report, Task,
    data::{ExampleOf, all},
    evaluator::{Bootstrap, Fingerprint, Found, Outcome, metrics::PrecisionRecall, predict},
};

/// How many texts are asked for at once.
const CHUNK: usize = 64;

/// Measures entities strictly: an answer is right if kind, start and end are.
///
/// The scores are those of [`span_scores`]: `f1_micro` is the one that papers mean by entity F1.
/// Where the words of the data are those of the task, this is seqeval's strict mode. Beside them
/// stands `exact`, the share of the texts whose entities are all right and complete. The table
/// per class is that of the kinds of entities.
///
/// An [`Outcome`] is right where the text is; its loss is one less the text's own F1, and 0 where
/// there was nothing to find and nothing was found. [`Report::compare`] tests the F1 of two reports
/// by a bootstrap over the texts.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct EntityEvaluator {
    /// How the intervals are made.
    pub bootstrap: Bootstrap,
}

impl EntityEvaluator {
    /// The report on answers that are there already, by whatever made them.
    ///
    /// `who` is the architecture's name in the report; `fingerprint` tells the examples.
    ///
    /// # Errors
    /// [`EvalError::Data`] for no text, or for another number of answers than of truths;
    /// [`EvalError::Config`] as [`Bootstrap::check`].
    pub fn report(
        &self,
        who: &str,
        truth: &[Vec<Span>],
        answers: &[Vec<Span>],
        fingerprint: String,
    ) -> Result<Report, EvalError> {
        if truth.len() != answers.len() {
            let (left, right) = ("the texts", "the answers");
            let (n_left, n_right) = (truth.len(), answers.len());
            return Err(DataError::Unpaired { left, right, n_left, n_right }.into());
        }
        if truth.is_empty() {
            return Err(DataError::Empty { what: "the data set".to_owned() }.into());
        }
        let set = |spans: &Vec<Span>| spans.iter().cloned().collect::<Spans>();
        let both: Vec<[Spans; 2]> =
            truth.iter().zip(answers).map(|(truth, answer)| [set(truth), set(answer)]).collect();
        let entities = span_scores(&both, &self.bootstrap)?;
        let found: Vec<Found> = both.iter().map(found).collect();
        let outcomes: Vec<Outcome> = found.iter().map(outcome).collect();
        let exact = self.bootstrap.score(outcomes.len(), |indices| {
            let right = indices.iter().filter(|index| outcomes[**index].right).count();
            right as f64 / indices.len().max(1) as f64
        })?;
        let mut scores = entities.scores;
        scores.insert("exact".to_owned(), exact);
        Ok(Report {
            labels: entities.labels.iter().map(|class| class.label.clone()).collect(),
            classes: entities.labels,
            found,
            ..Report::new(
                (TokenClassification::NAME, who),
                scores,
                outcomes,
                &self.bootstrap,
                fingerprint,
            )
        })
    }
}

fn found([truth, answered]: &[Spans; 2]) -> Found {
    Found {
        right: truth.intersection(answered).count(),
        answered: answered.len(),
        truth: truth.len(),
    }
}

fn outcome(found: &Found) -> Outcome {
    let Found { right, answered, truth } = *found;
    let all = right == answered && right == truth;
    // Nothing to find and nothing found has no F1, but is right.
    let loss = if all { 0.0 } else { 1.0 - PrecisionRecall::of(right, answered, truth).f1 };
    Outcome { right: all, loss }
}

/// What tells examples from others in a report.
///
/// # Errors
/// The first example that JSON cannot hold, with its place.
pub fn fingerprint(examples: &[ExampleOf<TokenClassification>]) -> Result<String, DataError> {
    let mut fingerprint = Fingerprint::new();
    for (index, example) in examples.iter().enumerate() {
        let added = fingerprint.add(&example.input).and_then(|()| fingerprint.add(&example.target));
        added.map_err(|error| error.at(index, None))?;
    }
    Ok(fingerprint.finish())
}

impl Evaluator<TokenClassification> for EntityEvaluator {
    fn evaluate(
        &self,
        predictor: &Predictor<TokenClassification>,
        data: &dyn Dataset<ExampleOf<TokenClassification>>,
    ) -> Result<Report, EvalError> {
        self.bootstrap.check()?;
        let examples = all(data)?;
        let (mut truth, mut answers) = (Vec::new(), Vec::new());
        for (at, part) in examples.chunks(CHUNK).enumerate() {
            let texts: Vec<_> = part.iter().map(|example| example.input.clone()).collect();
            answers.extend(predict(predictor, &texts, at * CHUNK)?.iter().map(TaggedText::spans));
            truth.extend(part.iter().map(|example| example.target.clone()));
        }
        self.report(predictor.architecture(), &truth, &answers, fingerprint(&examples)?)
    }
}
