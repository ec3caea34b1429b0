//! Measuring by pairs of sounds: are they of one speaker?

use super::{SpeakerEmbedding, SpeakerVector};
use andiron_core::{
    ConfigError, DataError, Dataset, EvalError, Evaluator, Predictor, Report, Score, Similarity,
    Task,
    data::ExampleOf,
    evaluator::{
        Bootstrap, ClassRetrieval, Fingerprint, Outcome,
        roc::{DetectionCost, Roc, SortedTrials, Trial},
    },
    nearest,
};

/// How many sounds are in memory at once.
const CHUNK: usize = 16;
/// The most sounds: of so many, all pairs take half a gigabyte, and each resample looks at all of
/// them.
const MOST: usize = 4_096;

/// Scores every pair of two different sounds by the cosine of their vectors, and reports
///
/// - `eer`, the equal error rate: as many pairs of one speaker are rejected as pairs of two are
///   accepted, in shares; and `threshold`, the cosine there;
/// - `min_dcf`, the least detection cost over all thresholds: see [`roc`](andiron_core::evaluator::roc);
/// - `success@1`, whether the nearest other sound is of the same speaker.
///
/// The intervals draw sounds, and with them their pairs, since the pairs of one sound are not
/// independent; a sound is never paired with itself, also where it was drawn twice. A resample without
/// a pair of one speaker, or of two, says nothing, and is left out. They do not cover the choice of the
/// speakers.
///
/// All pairs are held: 48 bytes each, of n · (n − 1) / 2. Of more than 4,096 sounds the data are
/// refused as [`DataError::TooLarge`]; measure on a part of them.
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

impl SpeakerEvaluator {
    /// The scores of trials between sounds whose places are given, and of whether the nearest other
    /// sound of each is of the same speaker.
    fn scores(
        &self,
        trials: &[Trial],
        places: &[[usize; 2]],
        first: &[f64],
    ) -> Result<Vec<Score>, EvalError> {
        let sorted = SortedTrials::of(trials)?;
        let scores = self.bootstrap.scores(first.len(), |indices, out| {
            let mut weights = vec![0.0; first.len()];
            indices.iter().for_each(|index| weights[*index] += 1.0);
            let of_pairs: Vec<f64> =
                places.iter().map(|[a, b]| weights[*a] * weights[*b]).collect();
            let drawn = sorted.curve(&of_pairs).map(|curve| rates(&curve, &self.cost));
            out.extend(drawn.and_then(Result::ok).unwrap_or([f64::NAN; 3]));
            let first: f64 = indices.iter().map(|index| first[*index]).sum();
            out.push(first / indices.len() as f64);
        })?;
        Ok(scores)
    }
}

impl Evaluator<SpeakerEmbedding> for SpeakerEvaluator {
    fn evaluate(
        &self,
        predictor: &Predictor<SpeakerEmbedding>,
        data: &dyn Dataset<ExampleOf<SpeakerEmbedding>>,
    ) -> Result<Report, EvalError> {
        self.cost.check()?;
        self.bootstrap.check()?;
        if data.len() > MOST {
            let (what, limit) = ("the number of sounds, which are paired,", MOST as u64);
            return Err(DataError::TooLarge { what, limit, got: data.len() as u64 }.into());
        }
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
        let first: Vec<f64> = found.iter().map(|values| values[0]).collect();
        let scores = self.scores(&trials, &places, &first)?;
        let names = ["eer", "threshold", "min_dcf", "success@1"].map(str::to_owned);
        Ok(Report::new(
            (SpeakerEmbedding::NAME, predictor.architecture()),
            names.into_iter().zip(scores).collect(),
            found
                .iter()
                .map(|values| Outcome { right: values[0] > 0.0, loss: 1.0 - values[0] })
                .collect(),
            &self.bootstrap,
            fingerprint.finish(),
        ))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{models::ge2e::Ge2eConfig, tasks::speaker_embedding::voices};
    use andiron_core::{Network, Recipe as _};
    use burn::tensor::Device;
    use serde_json::json;

    fn predictor() -> Predictor<SpeakerEmbedding> {
        let options = json!({
            "rate": 2_000, "n_mels": 9, "partial_frames": 12, "d_hidden": 4, "d_embedding": 6
        });
        let (task, config) = Ge2eConfig::prepare(&options, &voices()).unwrap();
        let device = Device::flex();
        Predictor::new(task, Network::init(config, 3, &device).unwrap(), &device)
    }

    #[test]
    fn more_sounds_than_can_be_paired_are_refused() {
        let data: Vec<_> = voices().into_iter().cycle().take(MOST + 1).collect();
        let refused = SpeakerEvaluator::default().evaluate(&predictor(), &data).unwrap_err();
        let EvalError::Data(DataError::TooLarge { limit: 4_096, got: 4_097, .. }) = refused else {
            panic!("{refused:?}");
        };
    }

    #[test]
    fn resamples_without_a_pair_of_one_or_of_two_are_left_out() {
        // Two sounds of one speaker, and two of others, one of whom sounds like him. Three in eight
        // resamples have pairs of both kinds; of those as many have an error rate of 0 as of 1.
        let places = [[0, 1], [0, 2], [1, 2], [0, 3], [1, 3], [2, 3]];
        let trials = [0.5, 0.9, 0.9, 0.1, 0.1, 0.1]
            .into_iter()
            .enumerate()
            .map(|(at, score)| Trial { score, target: at == 0 });
        let bootstrap = Bootstrap { confidence: 0.5, ..Bootstrap::default() };
        let evaluator = SpeakerEvaluator { bootstrap, ..SpeakerEvaluator::default() };
        let trials: Vec<Trial> = trials.collect();
        let eer = evaluator.scores(&trials, &places, &[1.0; 4]).unwrap()[0];
        assert_eq!((eer.low, eer.high), (0.0, 1.0));
        assert!(eer.value > 0.2 && eer.value < 0.6, "{eer:?}");
    }
}
