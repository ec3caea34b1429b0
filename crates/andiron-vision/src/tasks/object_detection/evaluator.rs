//! Measuring by the boxes that are found.

use super::{Detections, ObjectDetection};
use crate::{
    metrics::coco::{Answered, Coco, ImageObjects, True, right_at_half},
    objects::ObjectBox,
};
use andiron_core::{
    DataError, Dataset, EvalError, Evaluator, Predictor, Report, Task,
    data::ExampleOf,
    evaluator::{Bootstrap, Fingerprint, Found, Outcome, Score, metrics::PrecisionRecall},
};
use std::collections::BTreeMap;

/// How many images are in memory at once.
const CHUNK: usize = 64;

/// Measures boxes as COCO does: `ap` and the eleven numbers beside it, see
/// [`coco`](crate::metrics::coco), of all objects that were considered. Those that there is nothing to
/// find for, such as `ap_large` where no object is large, are left out.
///
/// `precision_50`, `recall_50` and `f1_50` are about the objects that the task answers with, an overlap
/// of one half being right. An [`Outcome`] is right where all objects of the image are found and
/// nothing else; its loss is one less the image's own F1.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct DetectionEvaluator {
    /// How the intervals are made, by drawing images; 200 resamples by default, since each is a whole
    /// measurement.
    pub bootstrap: Bootstrap,
}

impl Default for DetectionEvaluator {
    fn default() -> Self {
        Self { bootstrap: Bootstrap { resamples: 200, ..Bootstrap::default() } }
    }
}

/// One image of a measurement.
struct Measured {
    all: ImageObjects,
    found: Found,
}

impl Measured {
    fn of(
        task: &ObjectDetection,
        truth: &[ObjectBox],
        answer: &Detections,
    ) -> Result<Self, DataError> {
        let is_there = |object: &ObjectBox| {
            let corners = object.corners().map(f64::from);
            Ok(True::new(task.classes.index(object.label())?, corners))
        };
        let answered = |object: &super::FoundObject| {
            let (score, corners) = (object.score.into(), object.corners.map(f64::from));
            Ok(Answered { class: task.classes.index(&object.label)?, score, corners })
        };
        let truth = truth.iter().map(is_there).collect::<Result<Vec<_>, DataError>>()?;
        let answers = answer.all().iter().map(answered).collect::<Result<Vec<_>, DataError>>()?;
        let sure = &answers[..answer.objects().len()];
        let found =
            Found { right: right_at_half(&truth, sure), answered: sure.len(), truth: truth.len() };
        Ok(Self { all: ImageObjects { truth, answers }, found })
    }

    fn outcome(&self) -> Outcome {
        let Found { right, answered, truth } = self.found;
        let all = right == answered && right == truth;
        let loss = if all { 0.0 } else { 1.0 - PrecisionRecall::of(right, answered, truth).f1 };
        Outcome { right: all, loss }
    }
}

/// The twelve numbers and the three at one half, with their intervals.
fn scores(
    coco: &Coco,
    found: &[Found],
    bootstrap: &Bootstrap,
) -> Result<BTreeMap<String, Score>, EvalError> {
    let everything: Vec<usize> = (0..found.len()).collect();
    let whole = coco.scores(&everything).named();
    let known: Vec<(&str, f64)> =
        whole.iter().filter_map(|(name, value)| Some((*name, (*value)?))).collect();
    let counted = |indices: &[usize]| {
        let mut sum = Found::default();
        for found in indices.iter().map(|index| &found[*index]) {
            sum.right += found.right;
            sum.answered += found.answered;
            sum.truth += found.truth;
        }
        let of = PrecisionRecall::of(sum.right, sum.answered, sum.truth);
        [of.precision, of.recall, of.f1]
    };
    let all = bootstrap.scores(found.len(), |indices, out| {
        let drawn = coco.scores(indices).named();
        let known = known.iter().map(|(name, value)| {
            let drawn = drawn.iter().find(|(drawn, _)| drawn == name);
            // A resample without such an object says nothing of it.
            drawn.and_then(|(_, drawn)| *drawn).unwrap_or(*value)
        });
        out.extend(known);
        out.extend(counted(indices));
    })?;
    let names = known.iter().map(|(name, _)| *name);
    let names = names.chain(["precision_50", "recall_50", "f1_50"]).map(str::to_owned);
    Ok(names.zip(all).collect())
}

impl Evaluator<ObjectDetection> for DetectionEvaluator {
    fn evaluate(
        &self,
        predictor: &Predictor<ObjectDetection>,
        data: &dyn Dataset<ExampleOf<ObjectDetection>>,
    ) -> Result<Report, EvalError> {
        self.bootstrap.check()?;
        if data.is_empty() {
            return Err(DataError::Empty { what: "the data set".to_owned() }.into());
        }
        let task = predictor.task();
        let (mut measured, mut fingerprint) = (Vec::with_capacity(data.len()), Fingerprint::new());
        for start in (0..data.len()).step_by(CHUNK) {
            let range = start..data.len().min(start + CHUNK);
            let examples =
                range.clone().map(|index| data.get(index)).collect::<Result<Vec<_>, _>>()?;
            let inputs: Vec<_> = examples.iter().map(|example| example.input.clone()).collect();
            let answers = predictor.predict(&inputs)?;
            for ((index, example), answer) in range.zip(&examples).zip(&answers) {
                let (width, height) = (example.input.width(), example.input.height());
                let add = || {
                    example.target.iter().try_for_each(|one| one.check_inside(width, height))?;
                    fingerprint.add(&example.input)?;
                    fingerprint.add(&example.target)?;
                    Measured::of(task, &example.target, answer)
                };
                measured.push({ add }().map_err(|error: DataError| error.at(index, None))?);
            }
        }
        let found: Vec<Found> = measured.iter().map(|one| one.found).collect();
        let outcomes = measured.iter().map(Measured::outcome).collect();
        let images: Vec<ImageObjects> = measured.into_iter().map(|one| one.all).collect();
        let coco = Coco::of(&images, task.classes.count());
        let scores = scores(&coco, &found, &self.bootstrap)?;
        Ok(Report {
            found,
            ..Report::new(
                (ObjectDetection::NAME, predictor.architecture()),
                scores,
                outcomes,
                &self.bootstrap,
                fingerprint.finish(),
            )
        })
    }
}
