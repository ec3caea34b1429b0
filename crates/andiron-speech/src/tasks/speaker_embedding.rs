//! A vector for a voice, such that vectors of one speaker point the same way; and whether two sounds
//! are of one speaker.
//!
//! A sound is resampled, brought to a level, and cut into pieces that overlap; the mean of their
//! vectors, brought to length 1, is the sound's. [`nearest`](andiron_core::nearest()) searches them,
//! [`verify`] decides of two.

mod evaluator;
mod loss;
mod partials;
mod published;

pub use evaluator::SpeakerEvaluator;
pub use loss::{SimilarityLoss, ge2e_loss};
pub use partials::Partials;
pub(crate) use published::start;
pub use published::{PUBLISHED, from_path};

use crate::{
    Waveform,
    frontend::{
        Frames, LOUDEST_HEARD,
        framing::{Edges, Framing},
        mel::{LogMelConfig, Logarithm},
        reject_loud,
    },
    line,
    models::ge2e::Ge2eConfig,
};
use andiron_core::{
    Asked, BaseModel, ConfigError, DataError, Dataset, EvalError, Evaluator as _, Example, Loss,
    Model, ModelEntry, Predictor, PublishedEntry, Raw, Registered, Report, Similarity, Solve, Task,
    data::{ExampleOf, text_field},
    nearest,
};
use burn::tensor::{Device, Tensor, TensorData};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// How many pieces go through the network at once.
const AT_ONCE: usize = 64;

/// A sound with the name of who speaks.
pub type SpeakerExample = Example<Waveform, String>;

/// A network that makes a vector of length 1 of each piece: `[batch, frames, n_mels]` to
/// `[batch, width]`.
pub trait SpeakerEncoder: Model<Input = Tensor<3>, Output = Tensor<2>> {
    /// Factor and offset of the cosines in the loss, `[1]` each; learnt with the rest.
    fn similarity(&self) -> (Tensor<1>, Tensor<1>);
}

/// How a sound becomes pieces, and what is learnt of them; the value is the preprocessing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SpeakerEmbedding {
    /// The level that quieter sounds are brought to, in decibels of full scale (root of the mean
    /// square); louder ones stay. None leaves every sound as it is. −120 to 0.
    pub level: Option<f64>,
    /// From samples to frames; its rate is what a sound is resampled to.
    pub mel: LogMelConfig,
    /// How frames become pieces.
    pub partials: Partials,
    /// What is learnt.
    pub loss: SimilarityLoss,
}

/// The answer: the vector of a voice, of length 1; as JSON `{"embedding": [numbers]}`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SpeakerVector {
    /// The vector.
    pub embedding: Vec<f32>,
}

impl AsRef<[f32]> for SpeakerVector {
    fn as_ref(&self) -> &[f32] {
        &self.embedding
    }
}

/// Whether two sounds are of one speaker: the cosine of their vectors, and whether it reaches the
/// threshold. Which threshold, the task at hand decides: [`SpeakerEvaluator`] reports the one of
/// equal errors.
///
/// ```
/// use andiron_speech::tasks::speaker_embedding::{SpeakerVector, verify};
///
/// let vector = |embedding: [f32; 2]| SpeakerVector { embedding: embedding.to_vec() };
/// let (cosine, same) = verify(&vector([1.0, 0.0]), &vector([0.6, 0.8]), 0.7)?;
/// assert!((cosine - 0.6).abs() < 1e-6 && !same);
/// # Ok::<(), andiron_core::DataError>(())
/// ```
///
/// # Errors
/// As [`nearest`](andiron_core::nearest()): vectors of different lengths, or with NaN.
pub fn verify(
    a: &SpeakerVector,
    b: &SpeakerVector,
    threshold: f32,
) -> Result<(f32, bool), DataError> {
    let found = nearest(&[a], &[b], 1, Similarity::Cosine)?;
    let cosine = found[0].first().map_or(0.0, |neighbour| neighbour.score);
    Ok((cosine, cosine >= threshold))
}

/// `x / |x|` by rows; a row of zeros stays one.
pub(crate) fn to_length_one(x: Tensor<2>) -> Tensor<2> {
    let squares = (x.clone() * x.clone()).sum_dim(1);
    // The root has no derivative at 0.
    x / squares.clamp_min(1e-24).sqrt()
}

impl SpeakerEmbedding {
    /// What Resemblyzer does, but for webrtcvad's trimming of silence: 16 kHz, −30 dB, forty bands of
    /// 25 ms every 10 ms without a logarithm, pieces of 1.6 s.
    pub fn resemblyzer() -> Self {
        Self {
            level: Some(-30.0),
            mel: bands(16_000, 40),
            partials: Partials::default(),
            loss: SimilarityLoss::default(),
        }
    }

    /// Checks every field.
    ///
    /// # Errors
    /// [`ConfigError`] names the field.
    pub fn check(&self) -> Result<(), ConfigError> {
        ConfigError::within("level", -120.0, 0.0, self.level.unwrap_or(0.0))?;
        self.mel.check()?;
        self.partials.fits(self.mel.rate, self.mel.hop)
    }

    /// The frames of a sound, and which of them each piece is made of; at least one piece.
    fn pieces(&self, wave: &Waveform) -> Result<Pieces, DataError> {
        self.check()?;
        let wave = wave.resample(self.mel.rate)?;
        reject_loud(&wave.samples, LOUDEST_HEARD)?;
        let quieter = |level: &f64| {
            let level = 10f64.powf(level / 20.0) as f32;
            (wave.rms() < level).then_some(level)
        };
        let wave = match self.level.as_ref().and_then(quieter) {
            Some(level) => wave.with_rms(level),
            None => wave,
        };
        let places = self.partials.of(wave.samples.len(), self.mel.hop);
        let mut samples = wave.samples;
        let end = places.last().map_or(0, |place| place.end * self.mel.hop);
        samples.resize(samples.len().max(end), 0.0);
        Ok(Pieces { frames: self.mel.init()?.compute(&samples), places })
    }

    /// `[pieces, frames, n_mels]`.
    fn stacked(&self, pieces: &[&[f32]], device: &Device) -> Tensor<3> {
        let shape = [pieces.len(), self.partials.frames, self.mel.n_mels];
        Tensor::from_data(TensorData::new(pieces.concat(), shape), device)
    }
}

/// A sound's frames, and the places of its pieces among them: they overlap, so they are not copied
/// until a batch is made of some of them.
struct Pieces {
    frames: Frames,
    places: Vec<std::ops::Range<usize>>,
}

impl Pieces {
    /// Each piece, row-major `[frames, n_mels]`.
    fn iter(&self) -> impl Iterator<Item = &[f32]> {
        self.places.iter().map(|place| self.of(place))
    }

    fn of(&self, place: &std::ops::Range<usize>) -> &[f32] {
        let width = self.frames.width;
        &self.frames.values[place.start * width..place.end * width]
    }
}

/// Bands of 25 ms every 10 ms, as powers, with silence beyond the ends.
fn bands(rate: u32, n_mels: usize) -> LogMelConfig {
    let samples = |milliseconds: u64| (u64::from(rate) * milliseconds / 1_000) as usize;
    LogMelConfig {
        n_mels,
        f_min: 0.0,
        floor: f64::MIN_POSITIVE,
        framing: Framing { edges: Edges::Zero, ..Framing::default() },
        logarithm: Logarithm::None,
        ..LogMelConfig::new(rate, samples(25).max(2), samples(10).max(1))
    }
}

/// Tensors to learn from: one piece a sound.
#[derive(Debug, Clone)]
pub struct SpeakerBatch {
    /// `[batch, frames, n_mels]`.
    pub mels: Tensor<3>,
    /// Who speaks, as numbers from 0.
    pub speakers: Vec<usize>,
}

impl Task for SpeakerEmbedding {
    const NAME: &'static str = "speaker-embedding";
    type Input = Waveform;
    type Target = String;
    type Prediction = SpeakerVector;
    type Batch = SpeakerBatch;

    /// One piece of each sound: in training a random one, otherwise the first.
    fn batch(
        &self,
        examples: &[SpeakerExample],
        device: &Device,
    ) -> Result<SpeakerBatch, DataError> {
        let draws: Vec<u64> =
            examples.iter().map(|_| andiron_kernels::draw().unwrap_or(0)).collect();
        let pieces = examples
            .par_iter()
            .zip(draws)
            .map(|(example, draw)| {
                let pieces = self.pieces(&example.input)?;
                let at = (draw % pieces.places.len() as u64) as usize;
                Ok(pieces.of(&pieces.places[at]).to_vec())
            })
            .collect::<Result<Vec<_>, DataError>>()?;
        let pieces: Vec<&[f32]> = pieces.iter().map(Vec::as_slice).collect();
        let mut names: Vec<&str> = examples.iter().map(|one| one.target.as_str()).collect();
        names.sort_unstable();
        names.dedup();
        let number =
            |one: &SpeakerExample| names.partition_point(|name| *name < one.target.as_str());
        Ok(SpeakerBatch {
            mels: self.stacked(&pieces, device),
            speakers: examples.iter().map(number).collect(),
        })
    }
}

impl<M: SpeakerEncoder> Solve<M> for SpeakerEmbedding {
    fn learn(&self, model: &M, batch: SpeakerBatch) -> Loss {
        let (scale, offset) = model.similarity();
        ge2e_loss(model.forward(batch.mels), &batch.speakers, scale, offset, self.loss)
    }

    fn answer(
        &self,
        model: &M,
        inputs: &[Waveform],
        device: &Device,
    ) -> Result<Vec<SpeakerVector>, DataError> {
        let all = inputs
            .par_iter()
            .map(|wave| self.pieces(wave))
            .collect::<Result<Vec<_>, DataError>>()?;
        let counts: Vec<usize> = all.iter().map(|pieces| pieces.places.len()).collect();
        let pieces: Vec<&[f32]> = all.iter().flat_map(Pieces::iter).collect();
        let mut vectors: Vec<Vec<f32>> = Vec::with_capacity(pieces.len());
        for part in pieces.chunks(AT_ONCE) {
            let found = model.forward(self.stacked(part, device));
            let [_, width] = found.dims();
            let values: Vec<f32> = found.into_data().iter::<f32>().collect();
            vectors.extend(values.chunks(width.max(1)).map(<[f32]>::to_vec));
        }
        let mut rest = vectors.as_slice();
        let mut answers = Vec::with_capacity(inputs.len());
        for count in counts {
            let (own, others) = rest.split_at(count);
            rest = others;
            answers.push(SpeakerVector { embedding: mean_direction(own) });
        }
        Ok(answers)
    }
}

/// The mean of vectors, brought to length 1; zeros if it has none.
fn mean_direction(vectors: &[Vec<f32>]) -> Vec<f32> {
    let width = vectors.first().map_or(0, Vec::len);
    let sums: Vec<f64> =
        (0..width).map(|at| vectors.iter().map(|vector| f64::from(vector[at])).sum()).collect();
    let length = sums.iter().map(|sum| sum * sum).sum::<f64>().sqrt();
    let length = if length > 0.0 { length } else { 1.0 };
    sums.into_iter().map(|sum| (sum / length) as f32).collect()
}

/// What the recipe takes, with its defaults.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct SpeakerOptions {
    /// The file or folder with published weights to start from; it decides the sizes, and what its
    /// network hears: the loss alone can be chosen beside it. None starts from nothing.
    pub base: Option<BaseModel>,
    /// The rate that a sound is resampled to, in hertz; default 16,000.
    pub rate: Option<u32>,
    /// Bands of a frame; default 40.
    pub n_mels: Option<usize>,
    /// Frames of a piece; default 160, which is 1.6 s.
    pub partial_frames: Option<usize>,
    /// Numbers that each layer gives; default 64. A base has 256.
    pub d_hidden: Option<usize>,
    /// Layers; default 3.
    pub n_layers: Option<usize>,
    /// Numbers of a vector; default 64. A base has 256.
    pub d_embedding: Option<usize>,
    /// What is learnt; default the softmax.
    pub loss: SimilarityLoss,
}

impl SpeakerOptions {
    /// Task and network for a training split: it holds two speakers or more.
    ///
    /// # Errors
    /// [`DataError`] names the example or the setting that cannot be used.
    pub fn prepare(
        &self,
        train: &dyn Dataset<SpeakerExample>,
    ) -> Result<(SpeakerEmbedding, Ge2eConfig), DataError> {
        if train.is_empty() {
            return Err(DataError::Empty { what: "the training split".to_owned() });
        }
        let first = train.get(0)?.target;
        let mut others = (1..train.len()).map(|index| Ok(train.get(index)?.target));
        if !others.any(|other: Result<String, DataError>| other.map_or(true, |one| one != first)) {
            return Err(DataError::OneClass { label: first, examples: train.len() });
        }
        let n_mels = self.n_mels.unwrap_or(40);
        let config = match &self.base {
            Some(base) => {
                base.decides([
                    ("rate", self.rate.map(|rate| rate as usize)),
                    ("n_mels", self.n_mels),
                    ("partial_frames", self.partial_frames),
                    ("d_hidden", self.d_hidden),
                    ("n_layers", self.n_layers),
                    ("d_embedding", self.d_embedding),
                ])?;
                Ge2eConfig::resemblyzer()
            }
            None => Ge2eConfig::new()
                .with_n_mels(n_mels)
                .with_d_hidden(self.d_hidden.unwrap_or(64))
                .with_n_layers(self.n_layers.unwrap_or(3))
                .with_d_embedding(self.d_embedding.unwrap_or(64)),
        };
        let whole = Partials::default();
        let frames = self.partial_frames.unwrap_or(whole.frames);
        let task = SpeakerEmbedding {
            mel: bands(self.rate.unwrap_or(16_000), n_mels),
            partials: Partials { frames, step: whole.step.min(frames), ..whole },
            loss: self.loss,
            ..SpeakerEmbedding::resemblyzer()
        };
        task.check()?;
        Ok((task, config))
    }
}

/// The architectures that tell voices apart.
pub static SPEAKER_ENCODERS: &[ModelEntry<SpeakerEmbedding>] = &[ModelEntry::of::<Ge2eConfig>()];

impl Registered for SpeakerEmbedding {
    const MEDIA: Option<&'static str> = Some(line::FILE);
    const ASKED: Option<Asked<Self>> = Some(|task, line| {
        line::check(line, &["label"])?;
        Ok(task.clone())
    });

    fn models() -> &'static [ModelEntry<Self>] {
        SPEAKER_ENCODERS
    }

    fn published() -> &'static [PublishedEntry] {
        PUBLISHED
    }

    /// Takes the bytes of a sound. An array is refused: it does not say its sample rate.
    fn read(raw: Raw<'_>) -> Result<Waveform, DataError> {
        Waveform::read(raw)
    }

    /// The field `label`: who speaks.
    fn target(line: &Value) -> Result<String, DataError> {
        text_field(line, "label")
    }

    fn evaluate(
        predictor: &Predictor<Self>,
        data: &dyn Dataset<ExampleOf<Self>>,
    ) -> Result<Report, EvalError> {
        SpeakerEvaluator::default().evaluate(predictor, data)
    }
}

/// Eight sounds of three pitches at 2 kHz, of different lengths, for the models' tests.
#[cfg(test)]
pub(crate) fn voices() -> Vec<SpeakerExample> {
    [
        ("low", 90.0, 300),
        ("low", 100.0, 900),
        ("middle", 240.0, 411),
        ("middle", 260.0, 777),
        ("high", 700.0, 333),
        ("high", 760.0, 601),
        ("low", 95.0, 451),
        ("high", 740.0, 502),
    ]
    .map(|(label, hertz, samples)| {
        let wave = (0..samples).map(|n| {
            let seconds = f64::from(n) / 2e3;
            let swell = 0.2 + 0.1 * (40.0 * seconds).sin();
            (swell * (std::f64::consts::TAU * hertz * seconds).sin()) as f32
        });
        let input = Waveform { samples: wave.collect(), rate: 2_000 };
        Example { input, target: label.to_owned() }
    })
    .to_vec()
}
