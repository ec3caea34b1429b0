//! Measuring how much of what was said is heard right.

use super::{Method, SpeechRecognition};
use crate::metrics::{
    errors::{Heard, error_scores},
    normalizer::{BasicTextNormalizer, EnglishTextNormalizer},
};
use andiron_core::{
    DataError, Dataset, EvalError, Evaluator, Predictor, Report, Task,
    data::ExampleOf,
    evaluator::{Bootstrap, Fingerprint, Outcome},
};
use std::collections::BTreeMap;

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
    /// What is made equal in both texts, the same for all examples of an evaluation; none chooses by
    /// the task: see [`Normalizer::of`].
    pub normalizer: Option<Normalizer>,
    /// How the intervals are made.
    pub bootstrap: Bootstrap,
}

impl Normalizer {
    /// The one for a task: [`English`](Self::English) if it is set to hear English or to write it, or
    /// its network hears nothing else; otherwise [`Basic`](Self::Basic). What is heard in a sound has
    /// no part in it, or a mistaken language would change what a text is compared with.
    pub fn of(task: &SpeechRecognition) -> Self {
        let english = match &task.method {
            Method::Whisper(listener) => listener.writes_english(),
            Method::Ctc(listener) => listener.language.as_deref() == Some("en"),
        };
        if english { Self::English } else { Self::Basic }
    }

    /// Its name in a report: "none", "basic" or "english".
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Basic => "basic",
            Self::English => "english",
        }
    }

    /// What makes two texts equal, built once.
    fn init(self) -> Box<dyn Fn(&str) -> String> {
        match self {
            Self::None => Box::new(str::to_owned),
            Self::Basic => {
                let basic = BasicTextNormalizer::new(false, false);
                Box::new(move |text| basic.normalize(text))
            }
            Self::English => {
                let english = EnglishTextNormalizer::new();
                Box::new(move |text| english.normalize(text))
            }
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
        let normalizer = self.normalizer.unwrap_or_else(|| Normalizer::of(predictor.task()));
        let normalized = normalizer.init();
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
                heard.push(Heard::new(normalized(target), normalized(&answer.text)));
            }
        }
        let scores = error_scores(&heard, &self.bootstrap)?;
        let outcome = |heard: &Heard| {
            let words = heard.words();
            Outcome { right: words.count() == 0, loss: words.error_rate() }
        };
        let chosen = ("normalizer".to_owned(), normalizer.name().to_owned());
        Ok(Report {
            settings: BTreeMap::from([chosen]),
            ..Report::new(
                (SpeechRecognition::NAME, predictor.architecture()),
                scores,
                heard.iter().map(outcome).collect(),
                &self.bootstrap,
                fingerprint.finish(),
            )
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{
        Waveform,
        models::{conformer::ConformerConfig, whisper::WhisperConfig},
        tasks::speech_recognition::ctc::tests::{spelled, tiny},
    };
    use andiron_core::{Example, Network, Recipe as _};
    use burn::tensor::Device;
    use serde_json::json;

    #[test]
    fn one_normalizer_serves_a_whole_evaluation() {
        let examples = spelled();
        let of = |language: Option<&str>| {
            let mut options = tiny();
            options["language"] = json!(language);
            ConformerConfig::prepare(&options, &examples).unwrap().0
        };
        assert_eq!(Normalizer::of(&of(Some("en"))), Normalizer::English);
        assert_eq!(Normalizer::of(&of(Some("de"))), Normalizer::Basic);
        assert_eq!(Normalizer::of(&of(None)), Normalizer::Basic);
        let options = json!({
            "seconds": 0.6, "n_mels": 7, "d_model": 8, "n_heads": 2, "n_layers": 1, "max_length": 14
        });
        let (mut task, config) = WhisperConfig::prepare(&options, &examples).unwrap();
        assert_eq!(Normalizer::of(&task), Normalizer::Basic);
        let Method::Whisper(listener) = &mut task.method else { panic!() };
        listener.decoding.language = Some("en".to_owned());
        assert_eq!(Normalizer::of(&task), Normalizer::English);
        // It knows nothing and writes anything; how much of that is wrong depends on the normaliser.
        let device = Device::flex();
        let network = Network::init(config, 1, &device).unwrap();
        let predictor = Predictor::new(task, network, &device);
        let input = Waveform { samples: vec![0.1; 900], rate: 8_000 };
        let data = vec![Example { input, target: "Mr. Brown can't".to_owned() }];
        let report = |normalizer| {
            let evaluator = SpeechEvaluator { normalizer, ..SpeechEvaluator::default() };
            evaluator.evaluate(&predictor, &data).unwrap()
        };
        let (chosen, none) = (report(None), report(Some(Normalizer::None)));
        assert_eq!(chosen, report(Some(Normalizer::English)));
        assert_ne!(chosen.scores, none.scores);
        assert_eq!(chosen.settings["normalizer"], "english");
        assert_eq!(none.settings["normalizer"], "none");
        assert!(none.compare(&chosen).unwrap_err().to_string().contains("different ways"));
    }
}
