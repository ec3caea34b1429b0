//! The task: a classifier of single words, and when it reports one.

use super::{
    Keyword, KeywordConfig, OTHER, TrueKeyword,
    measure::{KeywordReport, counted, measure},
    stream::Windows,
};
use crate::{AudioClassification, Waveform, line, models::ds_cnn::DsCnnConfig};
use andiron_core::{
    Asked, ConfigError, DataError, Dataset, EvalError, Example, Loss, ModelEntry, Predictor, Raw,
    Recipe, Registered, Report, Solve, Task,
    data::{ExampleOf, shortened, text_field},
    evaluator::{Bootstrap, Fingerprint, Found, Outcome},
    overlay,
};
use burn::tensor::Device;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// Which keywords are said in a sound, and when; the value is the preprocessing.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeywordSpotting {
    /// How a window of sound is told.
    pub classification: AudioClassification,
    /// How windows become reports.
    pub spotting: KeywordConfig,
}

/// What the data say of a sound.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum KeywordTarget {
    /// It is a clip of one word, or of what is none: to learn from.
    Clip(String),
    /// It is a stream in which these keywords are said: to measure on.
    Stream(Vec<TrueKeyword>),
}

/// The answer: as JSON `{"keywords": [{"label", "time", "score"}]}`.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Keywords {
    /// What was heard, in order of time.
    pub keywords: Vec<Keyword>,
}

/// How much later than its end a keyword may be reported, in seconds.
const LATE: f64 = 1.0;

impl KeywordSpotting {
    /// Checks the settings of the windows; those of the classifier are its own affair.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        self.spotting.fits(self.classification.labels.names())
    }

    /// What is there in a sound of so many seconds: in a clip its word, from beginning to end.
    fn there(&self, target: &KeywordTarget, seconds: f64) -> Vec<TrueKeyword> {
        match target {
            KeywordTarget::Stream(keywords) => keywords.clone(),
            KeywordTarget::Clip(label) if self.spotting.background.contains(label) => Vec::new(),
            KeywordTarget::Clip(label) => {
                vec![TrueKeyword { label: label.clone(), start: 0.0, end: seconds }]
            }
        }
    }
}

/// An example of a word, to learn from.
fn clip(example: ExampleOf<KeywordSpotting>) -> Result<ExampleOf<AudioClassification>, DataError> {
    match example.target {
        KeywordTarget::Clip(target) => Ok(Example { input: example.input, target }),
        KeywordTarget::Stream(_) => Err(DataError::Field {
            field: "label".to_owned(),
            wanted: "the label of a clip to learn from",
            got: "the keywords of a stream".to_owned(),
        }),
    }
}

/// Examples of words.
struct Clips<'a>(&'a dyn Dataset<ExampleOf<KeywordSpotting>>);

impl Dataset<ExampleOf<AudioClassification>> for Clips<'_> {
    fn len(&self) -> usize {
        self.0.len()
    }

    fn get(&self, index: usize) -> Result<ExampleOf<AudioClassification>, DataError> {
        clip(self.0.get(index)?).map_err(|error| error.at(index, None))
    }
}

impl Task for KeywordSpotting {
    const NAME: &'static str = "keyword-spotting";
    type Input = Waveform;
    type Target = KeywordTarget;
    type Prediction = Keywords;
    type Batch = <AudioClassification as Task>::Batch;

    fn batch(
        &self,
        examples: &[ExampleOf<Self>],
        device: &Device,
    ) -> Result<Self::Batch, DataError> {
        let clips: Vec<_> = examples.iter().cloned().map(clip).collect::<Result<_, _>>()?;
        self.classification.batch(&clips, device)
    }

    fn length(&self, example: &ExampleOf<Self>) -> Option<usize> {
        Some(example.input.milliseconds())
    }
}

impl<M> Solve<M> for KeywordSpotting
where
    AudioClassification: Solve<M>,
{
    fn learn(&self, model: &M, batch: Self::Batch) -> Loss {
        self.classification.learn(model, batch)
    }

    /// What a stream of each sound reports, with a window of silence behind its end.
    fn answer(
        &self,
        model: &M,
        inputs: &[Waveform],
        device: &Device,
    ) -> Result<Vec<Keywords>, DataError> {
        let one = |wave: &Waveform| {
            wave.check()?;
            let labels = self.classification.labels.names();
            let mut windows = Windows::new(labels, self.spotting.clone(), wave.rate)?;
            let hear = |window: Waveform| {
                let mut answers = self.classification.answer(model, &[window], device)?;
                answers.pop().ok_or_else(|| DataError::Empty { what: "the answer".to_owned() })
            };
            let mut keywords = windows.push(&wave.samples, hear)?;
            keywords.extend(windows.push(&vec![0.0; windows.window()], hear)?);
            for keyword in &mut keywords {
                keyword.time = keyword.time.min(wave.seconds());
            }
            Ok(Keywords { keywords })
        };
        inputs.iter().map(one).collect()
    }
}

/// The option that has the settings of a [`KeywordConfig`].
const SPOTTING: &str = "spotting";

/// Task and network of an architecture that tells single words apart.
fn prepare<C: Recipe<AudioClassification>>(
    options: &Value,
    train: &dyn Dataset<ExampleOf<KeywordSpotting>>,
) -> Result<(KeywordSpotting, C), DataError> {
    let mut rest = options.clone();
    let said = rest.as_object_mut().and_then(|fields| fields.remove(SPOTTING));
    let said = said.unwrap_or(Value::Null);
    let mut spotting = overlay(&KeywordConfig::default(), &said)?;
    let prepared = C::prepare(&rest, &Clips(train)).map_err(|error| match error {
        DataError::Config(ConfigError::Unknown { field, mut known }) => {
            known.push(SPOTTING.to_owned());
            ConfigError::Unknown { field, known }.into()
        }
        other => other,
    });
    let (classification, config) = prepared?;
    let is_other = classification.labels.names().iter().any(|label| label == OTHER);
    if said.get("background").is_none() && is_other {
        spotting.background = vec![OTHER.to_owned()];
    }
    let task = KeywordSpotting { classification, spotting };
    task.check()?;
    Ok((task, config))
}

impl Recipe<KeywordSpotting> for DsCnnConfig {
    /// Options: those of the classifier, and `spotting` with the fields of a [`KeywordConfig`]. The
    /// label [`OTHER`] is background, if none is named.
    fn prepare(
        options: &Value,
        train: &dyn Dataset<ExampleOf<KeywordSpotting>>,
    ) -> Result<(KeywordSpotting, Self), DataError> {
        prepare(options, train)
    }

    fn fits(&self, task: &KeywordSpotting) -> Result<(), ConfigError> {
        Recipe::<AudioClassification>::fits(self, &task.classification)?;
        task.check()
    }
}

/// The architectures that spot keywords.
pub static KEYWORD_SPOTTERS: &[ModelEntry<KeywordSpotting>] = &[ModelEntry::of::<DsCnnConfig>()];

impl Registered for KeywordSpotting {
    const MEDIA: Option<&'static str> = Some(line::FILE);
    const ASKED: Option<Asked<Self>> = Some(|task, line| {
        line::check(line, &["label", "keywords"])?;
        Ok(task.clone())
    });

    fn models() -> &'static [ModelEntry<Self>] {
        KEYWORD_SPOTTERS
    }

    /// Takes the bytes of a sound. An array is refused: it does not say its sample rate.
    fn read(raw: Raw<'_>) -> Result<Waveform, DataError> {
        Waveform::read(raw)
    }

    /// The field `keywords`, a list of objects with `label`, `start` and `end` in seconds; or the
    /// field `label`.
    fn target(line: &Value) -> Result<KeywordTarget, DataError> {
        let Some(got) = line.get("keywords") else {
            return text_field(line, "label").map(KeywordTarget::Clip);
        };
        let read: Option<Vec<TrueKeyword>> = serde_json::from_value(got.clone()).ok();
        let is_one = |one: &TrueKeyword| one.start >= 0.0 && one.end >= one.start;
        let read = read.filter(|all| all.iter().all(|one| is_one(one) && one.end.is_finite()));
        read.map(KeywordTarget::Stream).ok_or_else(|| DataError::Field {
            field: "keywords".to_owned(),
            wanted: "a list of objects with `label`, and `start` and `end` in seconds",
            got: shortened(got),
        })
    }

    /// Hits and false accepts as [`measure`] counts them, a second late at the most. An outcome is a
    /// sound: right without a miss and without a false accept, and its loss is how many there are.
    fn evaluate(
        predictor: &Predictor<Self>,
        data: &dyn Dataset<ExampleOf<Self>>,
    ) -> Result<Report, EvalError> {
        let (mut fingerprint, mut sounds) = (Fingerprint::new(), Vec::with_capacity(data.len()));
        for index in 0..data.len() {
            let example = data.get(index).map_err(|error| error.at(index, None))?;
            let added =
                fingerprint.add(&example.input).and_then(|()| fingerprint.add(&example.target));
            added.map_err(|error| error.at(index, None))?;
            let seconds = example.input.seconds();
            let heard = predictor.predict(&[example.input])?.remove(0).keywords;
            sounds.push((predictor.task().there(&example.target, seconds), heard, seconds));
        }
        let streams: Vec<(&[TrueKeyword], &[Keyword], f64)> =
            sounds.iter().map(|(there, heard, s)| (&there[..], &heard[..], *s)).collect();
        let KeywordReport { hit_rate, false_accepts_per_hour, .. } = measure(&streams, LATE)?;
        let found: Vec<Found> = streams
            .iter()
            .map(|(there, heard, _)| Found {
                right: counted(there, heard, LATE),
                answered: heard.len(),
                truth: there.len(),
            })
            .collect();
        let outcome = |one: &Found| {
            let wrong = one.truth + one.answered - 2 * one.right;
            Outcome { right: wrong == 0, loss: wrong as f64 }
        };
        let outcomes = found.iter().map(outcome).collect();
        let scores = BTreeMap::from([
            ("hit_rate".to_owned(), hit_rate),
            ("false_accepts_per_hour".to_owned(), false_accepts_per_hour),
        ]);
        // The intervals are by formula.
        let formula = Bootstrap { resamples: 0, confidence: 0.95, seed: 0 };
        Ok(Report {
            found,
            ..Report::new(
                (Self::NAME, predictor.architecture()),
                scores,
                outcomes,
                &formula,
                fingerprint.finish(),
            )
        })
    }
}
