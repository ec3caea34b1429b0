//! Softmax regression on the statistics of cepstra: the fast audio classifier.
//!
//! Paper: Tzanetakis & Cook 2002, "Musical genre classification of audio signals",
//! <https://doi.org/10.1109/TSA.2002.800560>: a clip as means and deviations of cepstra and their
//! changes; Davis & Mermelstein 1980, <https://doi.org/10.1109/TASSP.1980.1163420>: the cepstra.
//! Differs from them: a linear map and a softmax behind it, in place of Gaussian and k-nearest
//! classifiers.
//!
//! ```
//! use andiron_core::{Model, ModelConfig};
//! use andiron_speech::{AudioBatch, frontend::Frames, models::statistics_linear::StatisticsLinearConfig};
//! use burn::tensor::Device;
//!
//! let device = Device::flex();
//! let model = StatisticsLinearConfig::new(80, 5).init(&device)?;
//! let clips = vec![Frames { values: vec![0.5; 80], width: 80 }; 3];
//! assert_eq!(model.forward(AudioBatch::of(&clips, 80, &device)).dims(), [3, 5]);
//! # Ok::<(), andiron_core::ConfigError>(())
//! ```

use crate::{
    AudioBatch, AudioClassification,
    augment::AudioAugment,
    frontend::{mel::LogMelConfig, mfcc::MfccConfig, statistics::MfccStatisticsConfig},
    layers::{MAX_WIDTH, sizes},
    tasks::audio_classification::{ClipConfig, FrontEnd},
};
use andiron_core::{
    ConfigError, DataError, Dataset, Model, ModelConfig, Recipe, data::ExampleOf, overlay,
};
use andiron_kernels::{Activation, dropout, linear};
use burn::{
    config::Config,
    module::Module,
    nn::{Linear, LinearConfig},
    tensor::{Device, Tensor, assert_shape},
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Settings of a [`StatisticsLinear`].
#[derive(Config, Debug)]
pub struct StatisticsLinearConfig {
    /// Numbers that describe a clip; 1 or more.
    pub n_statistics: usize,
    /// Labels to choose from; 2 or more.
    pub n_classes: usize,
    /// Share of the numbers that a training step does not see; 0 to 0.9.
    #[config(default = 0.1)]
    pub dropout: f64,
}

/// One linear map; built by [`StatisticsLinearConfig`].
#[derive(Module, Debug)]
pub struct StatisticsLinear {
    output: Linear,
    #[module(skip)]
    dropout: f64,
}

impl ModelConfig for StatisticsLinearConfig {
    const ARCHITECTURE: &'static str = "statistics-linear";
    type Model = StatisticsLinear;

    fn init(&self, device: &Device) -> Result<StatisticsLinear, ConfigError> {
        ConfigError::at_least("n_classes", 2, self.n_classes)?;
        let widths = [("n_statistics", self.n_statistics), ("n_classes", self.n_classes)];
        sizes(MAX_WIDTH, widths)?;
        ConfigError::within("dropout", 0.0, 0.9, self.dropout)?;
        let output = LinearConfig::new(self.n_statistics, self.n_classes).init(device);
        Ok(StatisticsLinear { output, dropout: self.dropout })
    }
}

impl Model for StatisticsLinear {
    type Input = AudioBatch;
    type Output = Tensor<2>;

    /// # Shapes
    /// - features: `[batch, n_statistics, 1]`, each around zero
    /// - output: `[batch, n_classes]`, logits
    fn forward(&self, batch: AudioBatch) -> Tensor<2> {
        let [n_statistics, _] = self.output.weight.dims();
        assert_shape!(batch.features, [_, n_statistics, 1]);
        let statistics = dropout(batch.features.squeeze_dim::<2>(2), self.dropout);
        let bias = self.output.bias.as_ref().map(|bias| bias.val());
        linear(statistics, self.output.weight.val(), bias, Activation::None)
    }
}

/// What [`Recipe::prepare`] takes, with its defaults.
#[derive(Debug, Serialize, Deserialize)]
struct Options {
    /// Samples a second; none is the lowest rate of the training split, at most 16 kHz.
    rate: Option<u32>,
    max_seconds: f64,
    silence: f64,
    n_mels: usize,
    n_mfcc: usize,
    delta_width: usize,
    means: bool,
    dropout: f64,
    /// How training sounds are changed at random.
    augment: Option<AudioAugment>,
}

impl Recipe<AudioClassification> for StatisticsLinearConfig {
    /// Options: `rate` (hertz; none is the training split's lowest, at most 16 kHz),
    /// `max_seconds`, `silence` (see [`ClipConfig`]), `n_mels`, `n_mfcc`, `delta_width`, `means`
    /// (see [`MfccStatisticsConfig`]), `dropout`, `augment` (see [`AudioAugment`]; no masks).
    fn prepare(
        options: &Value,
        train: &dyn Dataset<ExampleOf<AudioClassification>>,
    ) -> Result<(AudioClassification, Self), DataError> {
        let defaults = Options {
            rate: None,
            max_seconds: 10.0,
            silence: 40.0,
            n_mels: 40,
            n_mfcc: 20,
            delta_width: 9,
            means: true,
            dropout: 0.1,
            augment: None,
        };
        let chosen = overlay(&defaults, options)?;
        let rate = chosen.rate.map_or_else(|| ClipConfig::rate_of(train), Ok)?;
        let clip =
            ClipConfig::new(rate).with_max_seconds(chosen.max_seconds).with_silence(chosen.silence);
        let mel = LogMelConfig::speech(rate).with_n_mels(chosen.n_mels);
        let statistics = MfccStatisticsConfig::new(MfccConfig::new(mel).with_n_mfcc(chosen.n_mfcc))
            .with_delta_width(chosen.delta_width)
            .with_means(chosen.means);
        let frontend = FrontEnd::MfccStatistics { statistics };
        let task = AudioClassification::of(clip, frontend, train)?.with_augment(chosen.augment)?;
        let config = Self::new(task.width(), task.labels.count()).with_dropout(chosen.dropout);
        Ok((task, config))
    }

    fn fits(&self, task: &AudioClassification) -> Result<(), ConfigError> {
        task.fits(self.n_statistics, self.n_classes)
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;
    use crate::tasks::audio_classification::tones;
    use andiron_core::testing::{Contract, Law};
    use serde_json::json;

    #[test]
    fn keeps_the_contract() {
        let options = json!({"n_mels": 12, "n_mfcc": 7, "delta_width": 5, "dropout": 0.0});
        let examples = tones();
        let (task, config) = StatisticsLinearConfig::prepare(&options, &examples).unwrap();
        Contract::new(task, config, examples)
            .without(Law::Padding, "a clip of any length is one row of numbers")
            .overfits_in(150, 0.1)
            .check();
    }

    #[test]
    fn settings_are_refused_by_name() {
        let refused = |config: StatisticsLinearConfig| {
            config.init(&Device::flex()).map(|_| ()).unwrap_err().to_string()
        };
        let good = StatisticsLinearConfig::new(9, 3);
        assert!(good.init(&Device::flex()).is_ok());
        for (config, text) in [
            (StatisticsLinearConfig::new(0, 3), "n_statistics must be at least 1, but is 0"),
            (StatisticsLinearConfig::new(9, 1), "n_classes must be at least 2, but is 1"),
            (good.with_dropout(1.0), "dropout must lie in 0..=0.9, but is 1"),
        ] {
            assert_eq!(refused(config), text);
        }
    }

    #[test]
    fn options_are_taken_and_unknown_ones_refused() {
        let prepare = |options| StatisticsLinearConfig::prepare(&options, &tones());
        let (task, config) = prepare(json!({"n_mfcc": 5, "means": false})).unwrap();
        assert_eq!((task.width(), config.n_statistics, config.n_classes), (15, 15, 3));
        assert_eq!(task.clip.rate, 8_000);
        for options in [json!({"n_mfc": 5}), json!({"n_mfcc": 41}), json!({"max_seconds": 0.0})] {
            assert!(matches!(prepare(options), Err(DataError::Config(_))));
        }
    }
}
