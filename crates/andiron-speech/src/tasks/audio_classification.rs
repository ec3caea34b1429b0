//! One label a sound: from WAV files or waveforms to [`Choice`].
//!
//! What is done to a clip before a network sees it, in this order:
//! [`rate`](ClipConfig::rate) (resampling), silence cut off both ends, the first
//! [`max_seconds`](ClipConfig::max_seconds), level, front end, and each number scaled by its mean
//! and deviation over the training split. All of it is saved in the bundle.

mod preparation;

pub use preparation::{ClipConfig, FrontEnd, LogMelOptions, Scaler};

use crate::{
    AudioBatch, Waveform,
    augment::AudioAugment,
    line,
    models::{
        ds_cnn::DsCnnConfig, mel_cnn::MelCnnConfig, statistics_linear::StatisticsLinearConfig,
    },
};
use andiron_core::{
    Asked, Choice, ClassifierEvaluator, ConfigError, DataError, Dataset, EvalError, Evaluator,
    Labelled, Labels, Loss, ModelEntry, OnePass, Predictor, Raw, Registered, Report, Task,
    data::{ExampleOf, text_field},
};
use andiron_kernels::{draw, mix};
use burn::tensor::{Device, Int, Tensor};
use rayon::prelude::*;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which of several labels a sound has; the value is the preprocessing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AudioClassification {
    /// The labels to choose from.
    pub labels: Labels,
    /// What becomes of a waveform before the front end.
    pub clip: ClipConfig,
    /// From samples to frames.
    pub frontend: FrontEnd,
    /// From frames to numbers around zero.
    pub scaler: Scaler,
    /// How training sounds are changed at random; none leaves them as they are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub augment: Option<AudioAugment>,
}

impl AudioClassification {
    /// The task for a training split: labels and scale come from it.
    ///
    /// # Errors
    /// [`DataError`] names the example or the setting that cannot be used.
    pub fn of(
        clip: ClipConfig,
        frontend: FrontEnd,
        train: &dyn Dataset<ExampleOf<Self>>,
    ) -> Result<Self, DataError> {
        clip.check()?;
        let targets = (0..train.len())
            .map(|index| Ok(train.get(index)?.target))
            .collect::<Result<Vec<_>, DataError>>()?;
        let labels = Labels::of(&targets)?;
        let scaler = Scaler::of(&clip, &frontend, train)?;
        Ok(Self { labels, clip, frontend, scaler, augment: None })
    }

    /// The same task with training sounds that are changed at random.
    ///
    /// # Errors
    /// [`ConfigError::OutOfRange`] for masks over frames where a sound has only one.
    pub fn with_augment(self, augment: Option<AudioAugment>) -> Result<Self, ConfigError> {
        let masks = augment.as_ref().is_some_and(|augment| augment.mask().is_some());
        if masks && matches!(self.frontend, FrontEnd::MfccStatistics { .. }) {
            ConfigError::within("masks over one row of statistics", 0.0, 0.0, 1.0)?;
        }
        Ok(Self { augment, ..self })
    }

    /// How many numbers a frame has.
    pub fn width(&self) -> usize {
        self.frontend.width()
    }

    /// Whether a network that takes frames of `width` numbers and tells `n_classes` labels apart
    /// can answer the task: for [`Recipe::fits`](andiron_core::Recipe::fits).
    ///
    /// # Errors
    /// [`ConfigError`] names what network and task say differently, or the setting of the task
    /// that cannot be used.
    pub fn fits(&self, width: usize, n_classes: usize) -> Result<(), ConfigError> {
        self.clip.check()?;
        self.frontend.check()?;
        ConfigError::agree("the number of labels", n_classes, self.labels.count())?;
        ConfigError::agree("the width of a frame", width, self.width())?;
        self.scaler.check(self.width())
    }
}

impl Task for AudioClassification {
    const NAME: &'static str = "audio-classification";
    type Input = Waveform;
    type Target = String;
    type Prediction = Choice;
    type Batch = Labelled<AudioBatch, Tensor<1, Int>>;

    fn batch(
        &self,
        examples: &[ExampleOf<Self>],
        device: &Device,
    ) -> Result<Self::Batch, DataError> {
        let inputs: Vec<&Waveform> = examples.iter().map(|example| &example.input).collect();
        let truth = self.labels.indices(examples.iter().map(|example| &example.target), device)?;
        // A seed comes in training only.
        let drawn = self.augment.as_ref().and_then(|augment| Some((augment, draw()?)));
        Ok(Labelled { features: self.frames(&inputs, drawn, device)?, truth })
    }

    fn length(&self, example: &ExampleOf<Self>) -> Option<usize> {
        Some(example.input.milliseconds())
    }
}

impl AudioClassification {
    /// The frames of some sounds, changed at random if that is `drawn`.
    fn frames(
        &self,
        inputs: &[&Waveform],
        drawn: Option<(&AudioAugment, u64)>,
        device: &Device,
    ) -> Result<AudioBatch, DataError> {
        let planned = self.frontend.init()?;
        self.scaler.check(self.width())?;
        let frames = |wave: &Waveform| {
            let mut frames = planned.compute(&self.clip.apply(wave)?)?;
            self.scaler.apply(&mut frames);
            Ok(frames)
        };
        let heard = |(at, wave): (usize, &&Waveform)| {
            let Some((augment, seed)) = drawn else { return frames(wave) };
            let seed = mix(seed, &[at as u64]);
            let others: Vec<&Waveform> = inputs
                .iter()
                .enumerate()
                .filter(|(other, _)| *other != at)
                .map(|(_, w)| *w)
                .collect();
            let mut frames = frames(&augment.draw(wave, &others, seed)?)?;
            augment.draw_frames(&mut frames, seed);
            Ok(frames)
        };
        let clips =
            inputs.par_iter().enumerate().map(heard).collect::<Result<Vec<_>, DataError>>()?;
        Ok(AudioBatch::of(&clips, self.width(), device))
    }
}

impl OnePass for AudioClassification {
    type Features = AudioBatch;
    type Truth = Tensor<1, Int>;
    type Output = Tensor<2>;

    fn collate(&self, inputs: &[&Waveform], device: &Device) -> Result<AudioBatch, DataError> {
        self.frames(inputs, None, device)
    }

    fn loss(&self, output: Tensor<2>, truth: Tensor<1, Int>) -> Loss {
        self.labels.cross_entropy(output, truth)
    }

    fn decode(&self, _: &[&Waveform], output: Tensor<2>) -> Vec<Choice> {
        self.labels.choose(output)
    }
}

/// The architectures that tell sounds apart, the fastest first.
pub static AUDIO_CLASSIFIERS: &[ModelEntry<AudioClassification>] = &[
    ModelEntry::of::<StatisticsLinearConfig>(),
    ModelEntry::of::<DsCnnConfig>(),
    ModelEntry::of::<MelCnnConfig>(),
];

impl Registered for AudioClassification {
    const MEDIA: Option<&'static str> = Some(line::FILE);
    const ASKED: Option<Asked<Self>> = Some(|task, line| {
        line::check(line, &["label"])?;
        Ok(task.clone())
    });
    const LABELLED: bool = true;

    fn models() -> &'static [ModelEntry<Self>] {
        AUDIO_CLASSIFIERS
    }

    /// Takes the bytes of a WAV file. An array is refused: it does not say its sample rate.
    fn read(raw: Raw<'_>) -> Result<Waveform, DataError> {
        Waveform::read(raw)
    }

    fn target(line: &Value) -> Result<String, DataError> {
        text_field(line, "label")
    }

    fn evaluate(
        predictor: &Predictor<Self>,
        data: &dyn Dataset<ExampleOf<Self>>,
    ) -> Result<Report, EvalError> {
        ClassifierEvaluator::default().evaluate(predictor, data)
    }
}

/// Six tones of three pitches and different lengths, for the models' tests.
#[cfg(test)]
pub(crate) fn tones() -> Vec<ExampleOf<AudioClassification>> {
    [
        ("low", 220.0, 900),
        ("low", 260.0, 3_001),
        ("middle", 700.0, 411),
        ("middle", 810.0, 2_000),
        ("high", 2_900.0, 1_203),
        ("high", 2_500.0, 777),
    ]
    .map(|(label, hertz, samples)| {
        let wave = (0..samples).map(|n| {
            let seconds = f64::from(n) / 8_000.0;
            // With a second, slower movement, so that a clip is not the same all along.
            let swell = 0.4 + 0.3 * (std::f64::consts::TAU * 11.0 * seconds).sin();
            (swell * (std::f64::consts::TAU * hertz * seconds).sin()) as f32
        });
        andiron_core::Example {
            input: Waveform { samples: wave.collect(), rate: 8_000 },
            target: label.to_owned(),
        }
    })
    .to_vec()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::{
        augment::{SpecAugment, WaveChange},
        frontend::mel::LogMelConfig,
    };
    use serde_json::json;

    fn task() -> AudioClassification {
        let frontend =
            FrontEnd::LogMel { mel: LogMelConfig::speech(8_000).with_n_mels(9), clip_mean: true };
        AudioClassification::of(ClipConfig::new(8_000), frontend, &tones()).unwrap()
    }

    #[test]
    fn the_training_split_comes_out_around_zero() {
        let (task, examples) = (task(), tones());
        let inputs: Vec<&Waveform> = examples.iter().map(|example| &example.input).collect();
        let batch = task.collate(&inputs, &Device::flex()).unwrap();
        let frames = batch.mask.clone().int().sum().into_scalar::<i64>() as f32;
        let sum = batch.features.clone().sum().into_scalar::<f32>();
        let square = (batch.features.clone() * batch.features).sum().into_scalar::<f32>();
        assert!(sum.abs() / (9.0 * frames) < 1e-4);
        assert!((square / (9.0 * frames) - 1.0).abs() < 1e-3);
    }

    #[test]
    fn level_rate_silence_and_a_constant_filter_do_not_matter() {
        let (task, device) = (task(), Device::flex());
        let wave = tones()[1].input.clone();
        let features = |wave: &Waveform| {
            let batch = task.collate(&[wave], &device).unwrap();
            let [_, _, frames] = batch.features.dims();
            (batch.features, frames)
        };
        let (plain, frames) = features(&wave);
        let close = |other: Waveform, limit: f32| {
            let (other, found) = features(&other);
            assert_eq!(found, frames);
            let off = (other - plain.clone()).abs().mean().into_scalar::<f32>();
            assert!(off < limit, "{off}");
        };
        close(wave.clone().with_peak(0.01), 1e-2);
        // Blocks of ten milliseconds are cut off, so as many are put before.
        let silence = vec![0.0; 10 * 80];
        let samples = [silence.clone(), wave.samples.clone(), silence].concat();
        let (_, longer) = features(&Waveform { samples, rate: 8_000 });
        assert!(longer.abs_diff(frames) <= 1, "{longer} {frames}");
        let (_, resampled) = features(&wave.resample(48_000).unwrap());
        assert!(resampled.abs_diff(frames) <= 1, "{resampled} {frames}");
    }

    #[test]
    fn training_sounds_are_changed_and_others_are_not() {
        let plain = task();
        let mask = SpecAugment { bands: 3, band_masks: 1, frames: 5, frame_masks: 1, share: 1.0 };
        let steps = vec![
            WaveChange::Speed { least: 0.9, most: 1.1 },
            WaveChange::Mix { snr: [0.0, 10.0], probability: 1.0 },
        ];
        let augment = AudioAugment::new(steps, Some(mask)).unwrap();
        let task = plain.clone().with_augment(Some(augment)).unwrap();
        let (examples, device) = (tones(), Device::flex());
        let heard = |task: &AudioClassification, seed: Option<u64>| {
            let batch = || task.batch(&examples, &device).unwrap().features.features.into_data();
            seed.map_or_else(batch, |seed| andiron_kernels::training(seed, batch))
        };
        assert_eq!(heard(&task, None), heard(&plain, None));
        assert_eq!(heard(&plain, Some(3)), heard(&plain, None));
        assert_eq!(heard(&task, Some(3)), heard(&task, Some(3)));
        assert_ne!(heard(&task, Some(3)), heard(&task, Some(4)));
        assert_ne!(heard(&task, Some(3)), heard(&plain, None));
        let text = serde_json::to_string(&task).unwrap();
        assert_eq!(serde_json::from_str::<AudioClassification>(&text).unwrap(), task);
    }

    #[test]
    fn no_more_than_the_longest_is_heard() {
        let mut task = task();
        task.clip.max_seconds = 0.2;
        let wave = Waveform { samples: vec![0.5; 80_000], rate: 8_000 };
        let batch = task.collate(&[&wave], &Device::flex()).unwrap();
        assert_eq!(batch.features.dims(), [1, 9, 21]);
    }

    #[test]
    fn the_task_survives_json() {
        let task = task();
        let text = serde_json::to_string(&task).unwrap();
        assert_eq!(serde_json::from_str::<AudioClassification>(&text).unwrap(), task);
    }

    #[test]
    fn a_damaged_task_is_refused_before_use() {
        let good = task();
        let wave = &tones()[0].input;
        let refused = |change: fn(&mut AudioClassification)| {
            let mut task = good.clone();
            change(&mut task);
            match task.collate(&[wave], &Device::flex()) {
                Err(DataError::Config(source)) => source.to_string(),
                other => panic!("{:?}", other.map(|_| ())),
            }
        };
        type Change = fn(&mut AudioClassification);
        let changes: [(Change, &str); 7] = [
            (|task| task.scaler.mean.clear(), "scaler.mean: length must"),
            (|task| task.scaler.deviation.push(1.0), "scaler.deviation: length must"),
            (|task| task.scaler.deviation[3] = 0.0, "scaler.deviation must"),
            (|task| task.scaler.mean[0] = f32::NAN, "scaler.mean must"),
            (|task| task.clip.rate = 0, "rate must"),
            (|task| task.clip.max_seconds = f64::NAN, "max_seconds must"),
            (|task| task.clip.silence = -1.0, "silence must"),
        ];
        for (change, start) in changes {
            let text = refused(change);
            assert!(text.starts_with(start), "{text}");
        }
    }

    #[test]
    fn bad_training_data_is_refused_with_its_place() {
        let frontend = || task().frontend;
        let of = |train: Vec<ExampleOf<AudioClassification>>| {
            AudioClassification::of(ClipConfig::new(8_000), frontend(), &train).unwrap_err()
        };
        assert!(matches!(of(vec![]), DataError::Empty { .. }));
        assert!(matches!(of(tones()[..2].to_vec()), DataError::OneClass { .. }));
        let mut train = tones();
        train[4].input.samples[7] = f32::NAN;
        assert!(matches!(of(train), DataError::Example { index: 4, .. }));
        assert!(AudioClassification::target(&json!({"text": "en"})).is_err());
        assert_eq!(AudioClassification::target(&json!({"label": "en"})).unwrap(), "en");
    }
}
