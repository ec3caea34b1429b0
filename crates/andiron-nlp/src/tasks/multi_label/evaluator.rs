//! Measuring answers of any number of labels.

use super::MultiLabelClassification;
use crate::text::Text;
use andiron_core::{
    DataError, Dataset, EvalError, Evaluator, Labels, Predictor, Report, Task,
    data::ExampleOf,
    evaluator::{
        Bootstrap, ClassScores, Fingerprint, Outcome,
        metrics::{CLIP_F32, PrecisionRecall, surprise},
        multilabel::{LabelSets, multilabel_scores, tally},
    },
};

/// How many examples are held at once.
const CHUNK: usize = 64;

/// Compares the sets of labels: the scores of
/// [`multilabel_scores`](andiron_core::evaluator::multilabel::multilabel_scores), and a table per
/// label. An example is right if its labels are right and complete; its loss is the mean over the
/// labels of what the truth of each was held for.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct MultiLabelEvaluator {
    /// How the intervals are made.
    pub bootstrap: Bootstrap,
}

impl Evaluator<MultiLabelClassification> for MultiLabelEvaluator {
    fn evaluate(
        &self,
        predictor: &Predictor<MultiLabelClassification>,
        data: &dyn Dataset<ExampleOf<MultiLabelClassification>>,
    ) -> Result<Report, EvalError> {
        self.bootstrap.check()?;
        let labels = &predictor.task().labels;
        let (mut sets, fingerprint) = examples(labels, data)?;
        let losses = answer(predictor, &mut sets)?;
        let sets: Vec<LabelSets> = sets.into_iter().map(|(_, set)| set).collect();
        let counts = tally(labels.count(), &sets);
        let table = labels.names().iter().enumerate().map(|(class, label)| {
            let of = PrecisionRecall::of(
                counts.right[class],
                counts.predicted[class],
                counts.support[class],
            );
            let (label, support) = (label.clone(), counts.support[class]);
            ClassScores { label, precision: of.precision, recall: of.recall, f1: of.f1, support }
        });
        let outcomes = sets.iter().zip(&losses);
        Ok(Report {
            labels: labels.names().to_vec(),
            classes: table.collect(),
            ..Report::new(
                (MultiLabelClassification::NAME, predictor.architecture()),
                multilabel_scores(labels.count(), &sets, &self.bootstrap)?,
                outcomes
                    .map(|(set, loss)| Outcome { right: set.truth == set.predicted, loss: *loss })
                    .collect(),
                &self.bootstrap,
                fingerprint.finish(),
            )
        })
    }
}

/// The texts with their true labels.
fn examples(
    labels: &Labels,
    data: &dyn Dataset<ExampleOf<MultiLabelClassification>>,
) -> Result<(Vec<(Text, LabelSets)>, Fingerprint), DataError> {
    let (mut sets, mut fingerprint) = (Vec::new(), Fingerprint::new());
    for index in 0..data.len() {
        let example = data.get(index)?;
        let added = fingerprint.add(&example.input).and_then(|()| fingerprint.add(&example.target));
        added.map_err(|error| error.at(index, None))?;
        let truth = example.target.iter().map(|label| labels.index(label));
        let truth = truth.collect::<Result<Vec<_>, _>>().map_err(|error| error.at(index, None))?;
        sets.push((example.input, LabelSets::new(truth, [])));
    }
    match sets.is_empty() {
        true => Err(DataError::Empty { what: "the data set".to_owned() }),
        false => Ok((sets, fingerprint)),
    }
}

/// Puts the answered labels into the sets, and gives the loss of each.
fn answer(
    predictor: &Predictor<MultiLabelClassification>,
    sets: &mut [(Text, LabelSets)],
) -> Result<Vec<f64>, DataError> {
    let (labels, mut losses) = (&predictor.task().labels, Vec::with_capacity(sets.len()));
    for (chunk, part) in sets.chunks_mut(CHUNK).enumerate() {
        let inputs: Vec<Text> = part.iter().map(|(input, _)| input.clone()).collect();
        let answers = match predictor.predict(&inputs) {
            Ok(answers) => answers,
            // One of them cannot be used: ask for each alone, to tell which.
            Err(together) => {
                for (at, input) in inputs.iter().enumerate() {
                    predictor
                        .predict(std::slice::from_ref(input))
                        .map_err(|error| error.at(chunk * CHUNK + at, None))?;
                }
                return Err(together);
            }
        };
        for ((_, set), answer) in part.iter_mut().zip(&answers) {
            let given = answer.labels.iter().map(|label| labels.index(label));
            set.predicted = given.collect::<Result<_, _>>()?;
            let of = |(class, name): (usize, &String)| {
                let p = f64::from(answer.scores.get(name).copied().unwrap_or_default());
                surprise(if set.truth.contains(&class) { p } else { 1.0 - p }, CLIP_F32)
            };
            let sum: f64 = labels.names().iter().enumerate().map(of).sum();
            losses.push(sum / labels.count() as f64);
        }
    }
    Ok(losses)
}
