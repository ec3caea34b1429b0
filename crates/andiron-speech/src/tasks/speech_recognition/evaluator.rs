//! Measuring how much of what was said is heard right.

use super::SpeechRecognition;
use crate::metrics::{
    errors::{Heard, error_scores},
    normalizer::{BasicTextNormalizer, EnglishTextNormalizer},
};
use andiron_core::{
    DataError, Dataset, EvalError, Evaluator, Predictor, Report, Task,
    data::ExampleOf,
    evaluator::{Bootstrap, Fingerprint, Outcome},
};

/// Examples that are heard at once.
const AT_ONCE: usize = 16;

/// What is made equal in two texts before they are compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Normalizer {
    /// Nothing.
    None,
    /// Case, brackets and punctuation: [`BasicTextNormalizer`].
    Basic,
    /// That, and numbers, titles, contractions and British spelling: [`EnglishTextNormalizer`].
    English,
}

/// Word and character error rates of transcripts, with intervals by a bootstrap over the utterances:
/// the scores of [`error_scores`]. An outcome is an utterance: right without a changed word, and its
/// loss is its word error rate.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct SpeechEvaluator {
    /// What is made equal in both texts; none chooses by the transcript's language: English if it
    /// says `en`, else basic.
    pub normalizer: Option<Normalizer>,
    /// How the intervals are made.
    pub bootstrap: Bootstrap,
}

/// Both normalisers, built once.
struct Normalizers {
    wanted: Option<Normalizer>,
    basic: BasicTextNormalizer,
    english: EnglishTextNormalizer,
}

impl Normalizers {
    fn normalize(&self, text: &str, language: Option<&str>) -> String {
        let usual = if language == Some("en") { Normalizer::English } else { Normalizer::Basic };
        match self.wanted.unwrap_or(usual) {
            Normalizer::None => text.to_owned(),
            Normalizer::Basic => self.basic.normalize(text),
            Normalizer::English => self.english.normalize(text),
        }
    }
}

impl Evaluator<SpeechRecognition> for SpeechEvaluator {
    fn evaluate(
        &self,
        predictor: &Predictor<SpeechRecognition>,
        data: &dyn Dataset<ExampleOf<SpeechRecognition>>,
    ) -> Result<Report, EvalError> {
        self.bootstrap.check()?;
        if data.is_empty() {
            return Err(DataError::Empty { what: "the data set".to_owned() }.into());
        }
        let normalizers = Normalizers {
            wanted: self.normalizer,
            basic: BasicTextNormalizer::new(false, false),
            english: EnglishTextNormalizer::new(),
        };
        let mut fingerprint = Fingerprint::new();
        let mut heard = Vec::with_capacity(data.len());
        for first in (0..data.len()).step_by(AT_ONCE) {
            let mut inputs = Vec::new();
            let mut targets = Vec::new();
            for index in first..data.len().min(first + AT_ONCE) {
                let example = data.get(index)?;
                fingerprint.add(&example.input).map_err(|error| error.at(index, None))?;
                fingerprint.add(&example.target).map_err(|error| error.at(index, None))?;
                inputs.push(example.input);
                targets.push(example.target);
            }
            let answers = predictor.predict(&inputs)?;
            for (answer, target) in answers.iter().zip(&targets) {
                let language = answer.language.as_deref();
                let reference = normalizers.normalize(target, language);
                heard.push(Heard::new(reference, normalizers.normalize(&answer.text, language)));
            }
        }
        let scores = error_scores(&heard, &self.bootstrap)?;
        let Bootstrap { resamples, confidence, seed } = self.bootstrap;
        let outcome = |heard: &Heard| {
            let words = heard.words();
            Outcome { right: words.count() == 0, loss: words.error_rate() }
        };
        Ok(Report {
            task: SpeechRecognition::NAME.to_owned(),
            architecture: predictor.architecture().to_owned(),
            examples: heard.len(),
            confidence,
            resamples,
            seed,
            scores,
            labels: Vec::new(),
            classes: Vec::new(),
            confusion: Vec::new(),
            fingerprint: fingerprint.finish(),
            outcomes: heard.iter().map(outcome).collect(),
            found: Vec::new(),
        })
    }
}
