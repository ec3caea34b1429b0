//! Measuring by the pixels that have their class.

use super::ImageSegmentation;
use crate::metrics::regions::Confusion;
use andiron_core::{
    DataError, Dataset, EvalError, Evaluator, Predictor, Report, Task,
    data::ExampleOf,
    evaluator::{Bootstrap, ClassScores, Fingerprint, Outcome},
};

/// How many images are in memory at once.
const CHUNK: usize = 32;

/// Measures masks: `miou` and `dice`, the means over the classes of the pixels of all images (see
/// [`Confusion`]), and `pixel_accuracy`. The table per class is about pixels.
///
/// An [`Outcome`] is right where the whole mask of an image is; its loss is one less the image's own
/// mean overlap.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SegmentationEvaluator {
    /// How the intervals are made, by drawing images.
    pub bootstrap: Bootstrap,
}

impl Evaluator<ImageSegmentation> for SegmentationEvaluator {
    fn evaluate(
        &self,
        predictor: &Predictor<ImageSegmentation>,
        data: &dyn Dataset<ExampleOf<ImageSegmentation>>,
    ) -> Result<Report, EvalError> {
        self.bootstrap.check()?;
        if data.is_empty() {
            return Err(DataError::Empty { what: "the data set".to_owned() }.into());
        }
        let names = predictor.task().classes.names();
        let (mut each, mut fingerprint) = (Vec::with_capacity(data.len()), Fingerprint::new());
        for start in (0..data.len()).step_by(CHUNK) {
            let range = start..data.len().min(start + CHUNK);
            let examples =
                range.clone().map(|index| data.get(index)).collect::<Result<Vec<_>, _>>()?;
            let inputs: Vec<_> = examples.iter().map(|example| example.input.clone()).collect();
            let answers = predictor.predict(&inputs)?;
            for ((index, example), answer) in range.zip(&examples).zip(&answers) {
                let mut add = || {
                    example.target.check_classes(names)?;
                    fingerprint.add(&example.input)?;
                    fingerprint.add(&example.target)?;
                    Confusion::of(&example.target, &answer.mask, names.len())
                };
                each.push(add().map_err(|error| error.at(index, None))?);
            }
        }
        let sum = |indices: &[usize]| {
            let mut sum = Confusion::new(names.len());
            indices.iter().for_each(|index| sum.add(&each[*index]));
            sum
        };
        let scores = self.bootstrap.scores(each.len(), |indices, out| {
            let sum = sum(indices);
            out.extend([sum.mean_iou(), sum.mean_dice(), sum.accuracy()]);
        })?;
        let everything: Vec<usize> = (0..each.len()).collect();
        let class = |(label, ([precision, recall, f1], support)): (&String, ([f64; 3], u64))| {
            let (label, support) = (label.clone(), support as usize);
            ClassScores { label, precision, recall, f1, support }
        };
        let outcome =
            |one: &Confusion| Outcome { right: one.accuracy() == 1.0, loss: 1.0 - one.mean_iou() };
        let score_names = ["miou", "dice", "pixel_accuracy"].map(str::to_owned);
        Ok(Report {
            labels: names.to_vec(),
            classes: names.iter().zip(sum(&everything).by_class()).map(class).collect(),
            ..Report::new(
                (ImageSegmentation::NAME, predictor.architecture()),
                score_names.into_iter().zip(scores).collect(),
                each.iter().map(outcome).collect(),
                &self.bootstrap,
                fingerprint.finish(),
            )
        })
    }
}
