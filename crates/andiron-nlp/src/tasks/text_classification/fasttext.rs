//! Classifiers trained by fastText behind the task's calls.

use super::{TextClassification, TextLabel};
use crate::{
    fasttext::{FastText, FastTextError},
    text::Text,
};
use andiron_core::{
    About, AnyPredictor, BundleError, Choice, ClassifierEvaluator, Contents, DataError, Dataset,
    EvalError, Example, Raw, Record, Report, Task as _,
    bundle::{self, Card, Description},
    data::Typed,
};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// Answers as any text classifier does, by a model of fastText's.
///
/// It is no [`Predictor`](andiron_core::Predictor), for there is no network in it; a program cannot
/// tell. Its bundle holds fastText's file as it is.
#[derive(Debug, Clone)]
pub struct FastTextClassifier {
    model: FastText,
    path: PathBuf,
}

impl FastTextClassifier {
    /// Its name in a bundle.
    pub const ARCHITECTURE: &'static str = "fasttext";

    /// Reads a `.bin` or `.ftz` file.
    ///
    /// # Errors
    /// As [`FastText::open`].
    pub fn open(path: impl AsRef<Path>) -> Result<Self, FastTextError> {
        let path = path.as_ref();
        Ok(Self { model: FastText::open(path)?, path: path.to_owned() })
    }

    /// The label of a text with the probability of every label. A line break counts as a space, and
    /// no text is too long.
    ///
    /// # Errors
    /// [`DataError::Empty`] for a text of nothing but white space, or one of which the model knows
    /// nothing.
    pub fn classify(&self, text: &Text) -> Result<TextLabel, DataError> {
        let empty = |what: &str| DataError::Empty { what: what.to_owned() };
        if text.text.trim().is_empty() {
            return Err(empty("the text"));
        }
        let labels = self.model.labels();
        let answers = self.model.predict(&text.text.replace(['\n', '\r'], " "), labels.len());
        let best = answers.first().ok_or_else(|| empty("what the model knows of the text"))?;
        // fastText adds 10⁻⁵ on the way, and leaves out what is less probable than that.
        let (label, score) = (best.label.clone(), best.score.min(1.0));
        let mut scores: std::collections::BTreeMap<String, f32> =
            labels.iter().map(|label| (label.clone(), 0.0)).collect();
        scores.extend(answers.into_iter().map(|answer| (answer.label, answer.score.min(1.0))));
        Ok(TextLabel { choice: Choice { label, score, scores }, truncated: false })
    }

    fn describe(&self, card: Card) -> Description {
        let config = json!({ "width": self.model.width(), "rows": self.model.rows() });
        let preprocessing = json!({ "labels": self.model.labels() });
        let task = TextClassification::NAME;
        Description::new(task, Self::ARCHITECTURE, config, preprocessing, card)
    }

    fn tensors(&self) -> Vec<(String, Vec<usize>)> {
        let ([input, output], width) = (self.model.rows(), self.model.width());
        vec![("input".to_owned(), vec![input, width]), ("output".to_owned(), vec![output, width])]
    }
}

impl AnyPredictor for FastTextClassifier {
    fn about(&self) -> About<'_> {
        let (task, architecture) = (TextClassification::NAME, Self::ARCHITECTURE);
        About { task, architecture, draw: None, asked: None }
    }

    fn predict(&self, inputs: &[Raw<'_>]) -> Vec<Result<Value, DataError>> {
        let one = |raw: &Raw<'_>| {
            let label = self.classify(&Text::read(*raw)?)?;
            Ok(serde_json::to_value(label).expect("answers are plain data"))
        };
        inputs.iter().map(one).collect()
    }

    fn evaluate(&self, data: &dyn Dataset<Record>) -> Result<Report, EvalError> {
        let examples = Typed::<TextClassification>::new(data);
        let answered = (0..examples.len()).map(|index| {
            let example: Example<Text, String> = examples.get(index)?;
            let answer = self.classify(&example.input)?;
            Ok((example, answer.choice))
        });
        ClassifierEvaluator::default().measure(
            TextClassification::NAME,
            Self::ARCHITECTURE,
            answered,
        )
    }

    fn save(&self, card: Card, dir: &Path) -> Result<(), BundleError> {
        bundle::check_free(dir)?;
        let io = |source| BundleError::Io { path: self.path.clone(), source };
        let bytes = fs::read(&self.path).map_err(io)?;
        // The file may have been changed since it was read: what is saved must load.
        FastText::read(&bytes[..], bytes.len() as u64)
            .map_err(|error| BundleError::Kept { path: self.path.clone(), source: error.into() })?;
        let is_small = self.path.extension().is_some_and(|ending| ending == "ftz");
        let name = if is_small { "model.ftz" } else { "model.bin" };
        let parameters =
            self.tensors().iter().map(|(_, shape)| shape.iter().product::<usize>()).sum();
        bundle::write(self.describe(card), parameters, vec![(name.to_owned(), bytes)], dir)
    }

    fn contents(&self) -> Result<Contents, serde_json::Error> {
        Ok(Contents { description: self.describe(Card::default()), tensors: self.tensors() })
    }
}
