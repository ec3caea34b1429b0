//! Measuring by pairs of sounds: are they of one speaker?

use super::{SpeakerEmbedding, SpeakerVector};
use andiron_core::{
    ConfigError, DataError, Dataset, EvalError, Evaluator, Predictor, Report, Similarity, Task,
    data::ExampleOf,
    evaluator::{
        Bootstrap, ClassRetrieval, Fingerprint, Outcome,
        roc::{DetectionCost, Roc, SortedTrials, Trial},
    },
    nearest,
};

/// How many sounds are in memory at once.
const CHUNK: usize = 16;

/// Scores every pair of two different sounds by the cosine of their vectors, and reports
///
/// - `eer`, the equal error rate: as many pairs of one speaker are rejected as pairs of two are
///   accepted, in shares; and `threshold`, the cosine there;
/// - `min_dcf`, the least detection cost over all thresholds: see [`roc`](andiron_core::evaluator::roc);
/// - `success@1`, whether the nearest other sound is of the same speaker.
///
/// The intervals draw sounds, and with them their pairs, since the pairs of one sound are not
/// independent; a sound is never paired with itself, also where it was drawn twice. They do not cover
/// the choice of the speakers.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct SpeakerEvaluator {
    /// What errors cost.
    pub cost: DetectionCost,
    /// How the intervals are made.
    pub bootstrap: Bootstrap,
}

/// Every pair of two different sounds as a trial, and which two they are.
fn pairs(
    vectors: &[SpeakerVector],
    labels: &[&str],
) -> Result<(Vec<Trial>, Vec<[usize; 2]>), DataError> {
    let (mut trials, mut places) = (Vec::new(), Vec::new());
    for (at, query) in vectors.iter().enumerate() {
        let others = &vectors[at + 1..];
        for found in nearest(&[query], others, others.len(), Similarity::Cosine)?.remove(0) {
            let other = at + 1 + found.index;
            trials.push(Trial { score: found.score.into(), target: labels[at] == labels[other] });
            places.push([at, other]);
        }
    }
    Ok((trials, places))
}

/// `eer`, `threshold` and `min_dcf` of a curve.
fn rates(curve: &Roc, cost: &DetectionCost) -> Result<[f64; 3], ConfigError> {
    let met = curve.points().iter().find(|point| point.false_alarm >= point.miss);
    let threshold = met.map_or(0.0, |point| point.threshold);
    Ok([curve.equal_error_rate(), threshold, curve.least_cost(cost)?.cost])
}

impl Evaluator<SpeakerEmbedding> for SpeakerEvaluator {
    fn evaluate(
        &self,
        predictor: &Predictor<SpeakerEmbedding>,
        data: &dyn Dataset<ExampleOf<SpeakerEmbedding>>,
    ) -> Result<Report, EvalError> {
        self.cost.check()?;
        self.bootstrap.check()?;
        let (mut fingerprint, mut vectors, mut labels) = (Fingerprint::new(), vec![], vec![]);
        let places: Vec<usize> = (0..data.len()).collect();
        for part in places.chunks(CHUNK) {
            let mut inputs = Vec::with_capacity(part.len());
            for index in part {
                let example = data.get(*index).map_err(|error| error.at(*index, None))?;
                let added =
                    fingerprint.add(&example.input).and_then(|()| fingerprint.add(&example.target));
                added.map_err(|error| error.at(*index, None))?;
                inputs.push(example.input);
                labels.push(example.target);
            }
            vectors.extend(predictor.predict(&inputs)?);
        }
        let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
        let retrieval = ClassRetrieval { k: 1, ..ClassRetrieval::default() };
        let found = retrieval.values(&vectors, &labels)?;
        let (trials, places) = pairs(&vectors, &labels)?;
        let whole = rates(&Roc::of(&trials)?, &self.cost)?;
        let sorted = SortedTrials::of(&trials)?;
        let scores = self.bootstrap.scores(vectors.len(), |indices, out| {
            let mut weights = vec![0.0; vectors.len()];
            indices.iter().for_each(|index| weights[*index] += 1.0);
            let of_pairs: Vec<f64> =
                places.iter().map(|[a, b]| weights[*a] * weights[*b]).collect();
            // A resample without a pair of one speaker, or of two, says nothing of them.
            let drawn = sorted.curve(&of_pairs).map(|curve| rates(&curve, &self.cost));
            out.extend(drawn.and_then(Result::ok).unwrap_or(whole));
            let first: f64 = indices.iter().map(|index| found[*index][0]).sum();
            out.push(first / indices.len() as f64);
        })?;
        let names = ["eer", "threshold", "min_dcf", "success@1"].map(str::to_owned);
        let Bootstrap { resamples, confidence, seed } = self.bootstrap;
        Ok(Report {
            task: SpeakerEmbedding::NAME.to_owned(),
            architecture: predictor.architecture().to_owned(),
            examples: vectors.len(),
            confidence,
            resamples,
            seed,
            scores: names.into_iter().zip(scores).collect(),
            labels: Vec::new(),
            classes: Vec::new(),
            confusion: Vec::new(),
            fingerprint: fingerprint.finish(),
            outcomes: found
                .iter()
                .map(|values| Outcome { right: values[0] > 0.0, loss: 1.0 - values[0] })
                .collect(),
            found: Vec::new(),
        })
    }
}
