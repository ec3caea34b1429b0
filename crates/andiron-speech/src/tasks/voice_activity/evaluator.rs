//! Measuring by frames.

use super::{VoiceActivity, VoiceSegments};
use andiron_core::{
    DataError, Dataset, EvalError, Evaluator, Predictor, Report, Task,
    data::ExampleOf,
    evaluator::{
        Bootstrap, Fingerprint, Found, Outcome, Score,
        metrics::PrecisionRecall,
        roc::{SortedTrials, Trial},
    },
};
use std::collections::BTreeMap;

/// How many sounds are in memory at once.
const CHUNK: usize = 8;

/// Measures frame by frame: `auc`, the area under the ROC curve (the probability that a frame with
/// speech gets a higher number than one without, equals counting half), and at the task's threshold
/// `precision`, `recall`, `f1` and `accuracy`. Of sounds without any speech, or with nothing else, no
/// `auc` is reported; resamples that are so are left out of its interval.
///
/// A frame is speech if its middle lies in one of the true spans. The intervals draw whole sounds,
/// since the frames of one are not independent; with a dozen of them they are too narrow. An outcome
/// is right where every frame is; its loss is the share of frames that are wrong.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct VoiceActivityEvaluator {
    /// How the intervals are made, by drawing sounds.
    pub bootstrap: Bootstrap,
}

/// The frames of one sound, counted at the threshold.
#[derive(Debug, Clone, Copy)]
struct Measured {
    found: Found,
    right: usize,
    frames: usize,
}

impl Measured {
    fn of(frames: &[Trial], threshold: f64) -> Self {
        let count = |is: fn(bool, bool) -> bool| {
            frames.iter().filter(|frame| is(frame.target, frame.score >= threshold)).count()
        };
        let found = Found {
            right: count(|is, said| is && said),
            answered: count(|_, said| said),
            truth: count(|is, _| is),
        };
        Self { found, right: count(|is, said| is == said), frames: frames.len() }
    }
}

/// The scores by name, of the frames of each sound.
fn scores(
    sounds: &[Vec<Trial>],
    all: &[Measured],
    bootstrap: &Bootstrap,
) -> Result<BTreeMap<String, Score>, EvalError> {
    let trials: Vec<Trial> = sounds.concat();
    // Without speech, or without anything else, there is no curve.
    let kinds = |is: bool| trials.iter().any(|trial| trial.target == is);
    let sorted = (kinds(true) && kinds(false)).then(|| SortedTrials::of(&trials)).transpose()?;
    let curve = |weights: &[f64]| {
        let curve = sorted.as_ref().and_then(|sorted| sorted.curve(weights));
        curve.map_or(f64::NAN, |curve| curve.auc())
    };
    let mut weights = vec![0.0; trials.len()];
    let drawn = |indices: &[usize], out: &mut Vec<f64>| {
        let mut times = vec![0.0; sounds.len()];
        indices.iter().for_each(|index| times[*index] += 1.0);
        let mut rest = weights.as_mut_slice();
        for (sound, times) in sounds.iter().zip(times) {
            let (own, others) = rest.split_at_mut(sound.len());
            own.fill(times);
            rest = others;
        }
        let (mut found, mut right, mut frames) = (Found::default(), 0, 0);
        for one in indices.iter().map(|index| &all[*index]) {
            found.right += one.found.right;
            found.answered += one.found.answered;
            found.truth += one.found.truth;
            right += one.right;
            frames += one.frames;
        }
        let of = PrecisionRecall::of(found.right, found.answered, found.truth);
        let auc = curve(&weights);
        out.extend([auc, of.precision, of.recall, of.f1, right as f64 / frames.max(1) as f64]);
    };
    let names = ["auc", "precision", "recall", "f1", "accuracy"].map(str::to_owned);
    let scores = names.into_iter().zip(bootstrap.scores(all.len(), drawn)?);
    Ok(scores.filter(|(_, score)| !score.value.is_nan()).collect())
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
        let (mut sounds, mut fingerprint) = (Vec::with_capacity(data.len()), Fingerprint::new());
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
                let frame = |(target, probability): (bool, f32)| Trial {
                    score: probability.into(),
                    target,
                };
                sounds.push(truth.into_iter().zip(answer.probabilities).map(frame).collect());
            }
        }
        let threshold = task.segmentation.threshold;
        let measured = |frames: &Vec<Trial>| Measured::of(frames, threshold);
        let all: Vec<Measured> = sounds.iter().map(measured).collect();
        let outcome = |one: &Measured| Outcome {
            right: one.right == one.frames,
            loss: 1.0 - one.right as f64 / one.frames.max(1) as f64,
        };
        Ok(Report {
            found: all.iter().map(|one| one.found).collect(),
            ..Report::new(
                (VoiceActivity::NAME, predictor.architecture()),
                scores(&sounds, &all, &self.bootstrap)?,
                all.iter().map(outcome).collect(),
                &self.bootstrap,
                fingerprint.finish(),
            )
        })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    #[test]
    fn frames_of_all_sounds_are_one_curve() {
        // sklearn.metrics.roc_auc_score([1,0,1,1,0,0,1], [.9,.9,.4,.8,.1,.4,.2]) is 7/12.
        let frames = [
            (0.9, true),
            (0.9, false),
            (0.4, true),
            (0.8, true),
            (0.1, false),
            (0.4, false),
            (0.2, true),
        ]
        .map(Trial::from);
        for sounds in [vec![frames.to_vec()], vec![frames[..3].to_vec(), frames[3..].to_vec()]] {
            let all: Vec<Measured> =
                sounds.iter().map(|frames| Measured::of(frames, 0.5)).collect();
            let scores = scores(&sounds, &all, &Bootstrap::default()).unwrap();
            assert!((scores["auc"].value - 7.0 / 12.0).abs() < 1e-12);
            assert_eq!(scores["precision"].value, 2.0 / 3.0);
            assert_eq!(scores["recall"].value, 0.5);
            assert_eq!(scores["accuracy"].value, 4.0 / 7.0);
        }
    }

    #[test]
    fn without_speech_or_without_anything_else_there_is_no_curve() {
        let measure = |sounds: &[Vec<Trial>]| {
            let all: Vec<Measured> =
                sounds.iter().map(|frames| Measured::of(frames, 0.5)).collect();
            scores(sounds, &all, &Bootstrap::default()).unwrap()
        };
        for speech in [true, false] {
            let sound = [(0.9, speech), (0.3, speech), (0.7, speech)].map(Trial::from).to_vec();
            let scores = measure(&[sound.clone(), sound]);
            assert!(!scores.contains_key("auc"), "{scores:?}");
            assert!(scores.values().all(|score| score.value.is_finite()));
        }
        // One sound of each kind: a resample of one of them twice says nothing, and is no 0.5.
        let kind = |speech, score| vec![Trial::from((score, speech)); 3];
        let scores = measure(&[kind(true, 0.9), kind(false, 0.1)]);
        let auc = scores["auc"];
        assert_eq!((auc.low, auc.value, auc.high), (1.0, 1.0, 1.0));
    }
}
