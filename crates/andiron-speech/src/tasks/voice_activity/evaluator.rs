//! Measuring by frames.

use super::{VoiceActivity, VoiceSegments};
use andiron_core::{
    DataError, Dataset, EvalError, Evaluator, Predictor, Report, Task,
    data::ExampleOf,
    evaluator::{Bootstrap, Fingerprint, Found, Outcome, Score, metrics::PrecisionRecall},
};
use std::collections::BTreeMap;

/// How many sounds are in memory at once.
const CHUNK: usize = 8;

/// Measures frame by frame: `auc`, the area under the ROC curve (the probability that a frame with
/// speech gets a higher number than one without, equals counting half), and at the task's threshold
/// `precision`, `recall`, `f1` and `accuracy`.
///
/// A frame is speech if its middle lies in one of the true spans. The intervals draw whole sounds,
/// since the frames of one are not independent; with a dozen of them they are too narrow. An outcome
/// is right where every frame is; its loss is the share of frames that are wrong.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct VoiceActivityEvaluator {
    /// How the intervals are made, by drawing sounds.
    pub bootstrap: Bootstrap,
}

/// One sound of a measurement.
#[derive(Debug)]
struct Measured {
    /// Probabilities of the frames with speech, ascending.
    speech: Vec<f32>,
    /// Those of the frames without, ascending.
    rest: Vec<f32>,
    found: Found,
    right: usize,
}

impl Measured {
    fn of(truth: &[bool], probabilities: &[f32], threshold: f64) -> Self {
        let said = |probability: f32| f64::from(probability) >= threshold;
        let pairs = || truth.iter().copied().zip(probabilities.iter().copied());
        let of = |wanted: bool| {
            let mut own: Vec<f32> = pairs()
                .filter(|(is, _)| *is == wanted)
                .map(|(_, probability)| probability)
                .collect();
            own.sort_unstable_by(f32::total_cmp);
            own
        };
        let (speech, rest) = (of(true), of(false));
        let found = Found {
            right: speech.iter().filter(|one| said(**one)).count(),
            answered: probabilities.iter().filter(|one| said(**one)).count(),
            truth: speech.len(),
        };
        let right = pairs().filter(|(is, probability)| *is == said(*probability)).count();
        Self { speech, rest, found, right }
    }

    fn frames(&self) -> usize {
        self.speech.len() + self.rest.len()
    }

    /// How many pairs of a frame of `self` with speech and one of `other` without are in order; equals
    /// count half.
    fn ordered(&self, other: &Self) -> f64 {
        let (mut below, mut equal, mut sum) = (0, 0, 0.0);
        for one in &self.speech {
            while other.rest.as_slice().get(below).is_some_and(|rest| rest < one) {
                below += 1;
            }
            equal = equal.max(below);
            while other.rest.as_slice().get(equal).is_some_and(|rest| rest <= one) {
                equal += 1;
            }
            sum += below as f64 + 0.5 * (equal - below) as f64;
        }
        sum
    }
}

/// The scores by name.
fn scores(all: &[Measured], bootstrap: &Bootstrap) -> Result<BTreeMap<String, Score>, EvalError> {
    // Of pairs of sounds once, so that a resample only sums.
    let ordered: Vec<Vec<f64>> =
        all.iter().map(|a| all.iter().map(|b| a.ordered(b)).collect()).collect();
    let drawn = |indices: &[usize], out: &mut Vec<f64>| {
        let mut weights = vec![0.0; all.len()];
        indices.iter().for_each(|index| weights[*index] += 1.0);
        let (mut found, mut right, mut frames) = (Found::default(), 0, 0);
        let (mut area, mut speech, mut rest) = (0.0, 0.0, 0.0);
        for (i, one) in all.iter().enumerate() {
            speech += weights[i] * one.speech.len() as f64;
            rest += weights[i] * one.rest.len() as f64;
            for j in 0..all.len() {
                area += weights[i] * weights[j] * ordered[i][j];
            }
        }
        for one in indices.iter().map(|index| &all[*index]) {
            found.right += one.found.right;
            found.answered += one.found.answered;
            found.truth += one.found.truth;
            right += one.right;
            frames += one.frames();
        }
        let of = PrecisionRecall::of(found.right, found.answered, found.truth);
        let pairs: f64 = speech * rest;
        // Without a pair nothing is known, and a coin is as good.
        let auc = if pairs > 0.0 { area / pairs } else { 0.5 };
        out.extend([auc, of.precision, of.recall, of.f1, right as f64 / frames.max(1) as f64]);
    };
    let names = ["auc", "precision", "recall", "f1", "accuracy"].map(str::to_owned);
    Ok(names.into_iter().zip(bootstrap.scores(all.len(), drawn)?).collect())
}

impl Evaluator<VoiceActivity> for VoiceActivityEvaluator {
    fn evaluate(
        &self,
        predictor: &Predictor<VoiceActivity>,
        data: &dyn Dataset<ExampleOf<VoiceActivity>>,
    ) -> Result<Report, EvalError> {
        self.bootstrap.check()?;
        if data.is_empty() {
            return Err(DataError::Empty { what: "the data set".to_owned() }.into());
        }
        let task = predictor.task();
        let (mut all, mut fingerprint) = (Vec::with_capacity(data.len()), Fingerprint::new());
        let places: Vec<usize> = (0..data.len()).collect();
        for part in places.chunks(CHUNK) {
            let mut inputs = Vec::with_capacity(part.len());
            let mut targets = Vec::with_capacity(part.len());
            for index in part {
                let example = data.get(*index).map_err(|error| error.at(*index, None))?;
                let added =
                    fingerprint.add(&example.input).and_then(|()| fingerprint.add(&example.target));
                added.map_err(|error| error.at(*index, None))?;
                inputs.push(example.input);
                targets.push(example.target);
            }
            let answers: Vec<VoiceSegments> = predictor.predict(&inputs)?;
            for (target, answer) in targets.iter().zip(answers) {
                let truth = task.truth(target, answer.probabilities.len());
                let threshold = task.segmentation.threshold;
                all.push(Measured::of(&truth, &answer.probabilities, threshold));
            }
        }
        let Bootstrap { resamples, confidence, seed } = self.bootstrap;
        let outcome = |one: &Measured| Outcome {
            right: one.right == one.frames(),
            loss: 1.0 - one.right as f64 / one.frames().max(1) as f64,
        };
        Ok(Report {
            task: VoiceActivity::NAME.to_owned(),
            architecture: predictor.architecture().to_owned(),
            examples: all.len(),
            confidence,
            resamples,
            seed,
            scores: scores(&all, &self.bootstrap)?,
            labels: Vec::new(),
            classes: Vec::new(),
            confusion: Vec::new(),
            fingerprint: fingerprint.finish(),
            outcomes: all.iter().map(outcome).collect(),
            found: all.iter().map(|one| one.found).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn the_area_is_the_share_of_pairs_in_order() {
        // sklearn.metrics.roc_auc_score([1,0,1,1,0,0,1], [.9,.9,.4,.8,.1,.4,.2]) is 7/12.
        let truth = [true, false, true, true, false, false, true];
        let probabilities = [0.9, 0.9, 0.4, 0.8, 0.1, 0.4, 0.2];
        let whole = [Measured::of(&truth, &probabilities, 0.5)];
        let halves = [
            Measured::of(&truth[..3], &probabilities[..3], 0.5),
            Measured::of(&truth[3..], &probabilities[3..], 0.5),
        ];
        for measured in [&whole[..], &halves[..]] {
            let scores = scores(measured, &Bootstrap::default()).unwrap();
            assert_eq!(scores["auc"].value, 7.0 / 12.0);
            assert_eq!(scores["precision"].value, 2.0 / 3.0);
            assert_eq!(scores["recall"].value, 0.5);
            assert_eq!(scores["accuracy"].value, 4.0 / 7.0);
        }
    }
}
