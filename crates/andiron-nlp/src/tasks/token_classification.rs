//! What stands where in a text: names of people, places and things, by a tag for each word.

mod baseline;
mod encoder_recipe;
mod evaluator;
mod folder;
mod pieces;
mod recipe;

pub use crate::metrics::entities::Span;
pub use baseline::MajorityTagger;
pub use encoder_recipe::EncoderTaggerOptions;
pub use evaluator::{EntityEvaluator, fingerprint};
pub use folder::{PUBLISHED, from_folder};
pub use pieces::Pieces;
pub use recipe::WordTaggerOptions;

use crate::{
    batch::TokenBatch,
    cells,
    data::tagged_rows,
    features::WordBounds,
    models::{
        bert::BertConfig,
        distilbert::DistilBertConfig,
        roberta::RobertaConfig,
        token_classifier::{TokenClassifier, TokenClassifierConfig},
        word_tagger::{WordTagger, WordTaggerConfig},
    },
    tags::{Aggregation, Entity, Scheme, TokenScores, assign, decode, kind},
    text::Text,
};
use andiron_core::{
    ConfigError, DataError, Dataset, EvalError, Evaluator as _, FileKind, Loss, Model, ModelEntry,
    Predictor, PublishedEntry, Raw, Registered, Report, Solve, Task,
    data::{Example, ExampleOf, shortened},
    loss::{self, CrossEntropy},
};
use burn::{
    module::Module,
    tensor::{Device, Int, Tensor, activation::softmax},
};
use pieces::Cut;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// The networks for the task, the fastest first.
pub static TAGGERS: &[ModelEntry<TokenClassification>] = &[
    ModelEntry::of::<WordTaggerConfig>(),
    ModelEntry::of::<TokenClassifierConfig<DistilBertConfig>>(),
    ModelEntry::of::<TokenClassifierConfig<BertConfig>>(),
    ModelEntry::of::<TokenClassifierConfig<RobertaConfig>>(),
];

/// How many texts go through an encoder at once; the predictor's batch is cut into texts of like
/// length, so that little of the work is padding.
const AT_ONCE: usize = 16;

/// Which words of a text are part of an entity, and of what kind.
///
/// An empty text is an error, and so is one over the model's length, unless it says
/// `"truncate": true`: then what stands behind the cut is not found. In training a text over the
/// length is cut.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TokenClassification {
    /// The tags, in the order of the class numbers: `O`, and for each kind of entity its name behind
    /// the prefixes of the scheme.
    pub labels: Vec<String>,
    /// What the prefixes mean.
    #[serde(default)]
    pub scheme: Scheme,
    /// What a word is; each has one tag.
    #[serde(default)]
    pub words: WordBounds,
    /// How the pieces of a word agree on its tag.
    #[serde(default = "first")]
    pub aggregation: Aggregation,
    /// How a text becomes what the network takes.
    pub pieces: Pieces,
    /// How much a word of each tag weighs in training; none weighs all alike.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub class_weights: Option<Vec<f32>>,
}

fn first() -> Aggregation {
    Aggregation::First
}

/// The answer for a text: its entities in order, and whether the text was cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TaggedText {
    /// What was found.
    pub entities: Vec<Entity>,
    /// Whether only the beginning of the text was read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

impl TaggedText {
    /// Where the entities stand, without what else is known of them.
    pub fn spans(&self) -> Vec<Span> {
        let span = |Entity { label, start, end, .. }: &Entity| Span {
            label: label.clone(),
            start: *start,
            end: *end,
        };
        self.entities.iter().map(span).collect()
    }
}

/// Texts cut to pieces, and the tags of those that count.
#[derive(Debug, Clone)]
pub struct TaggedBatch {
    /// What the network takes: for an encoder a row a text, whose columns are pieces; for words a
    /// row a word, whose columns are features.
    pub tokens: TokenBatch,
    /// The pieces that are learnt from, `[words]`, as places in the network's output with all but
    /// its last axis made one.
    pub places: Tensor<1, Int>,
    /// Their class numbers, `[words]`.
    pub truth: Tensor<1, Int>,
}

impl TokenClassification {
    /// Entities with the tags `labels`, of which each text word has one, by its first piece.
    pub fn new(labels: Vec<String>, pieces: Pieces) -> Self {
        Self {
            scheme: Scheme::of(&labels),
            labels,
            words: WordBounds::default(),
            aggregation: first(),
            pieces,
            class_weights: None,
        }
    }

    /// The same task with another notion of a word.
    #[must_use]
    pub fn with_words(self, words: WordBounds) -> Self {
        Self { words, ..self }
    }

    /// The same task with another way to agree on a word's tag.
    #[must_use]
    pub fn with_aggregation(self, aggregation: Aggregation) -> Self {
        Self { aggregation, ..self }
    }

    /// Checks the settings that a bundle may have edited: two tags or more, each once, as many
    /// weights as tags, and a length of 1 or more.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting.
    pub fn check(&self) -> Result<(), ConfigError> {
        ConfigError::at_least("the number of labels", 2, self.labels.len())?;
        let different: BTreeSet<&String> = self.labels.iter().collect();
        ConfigError::agree("the number of different labels", different.len(), self.labels.len())?;
        let n_weights = self.class_weights.as_ref().map_or(self.labels.len(), Vec::len);
        ConfigError::agree("the number of class weights", self.labels.len(), n_weights)?;
        ConfigError::at_least("max_length", 1, self.pieces.max_length())
    }

    /// The kinds of entities, in the order in which their tags first stand among the labels.
    pub fn kinds(&self) -> Vec<&str> {
        let mut kinds: Vec<&str> = Vec::new();
        for tag in self.labels.iter().filter(|tag| *tag != "O") {
            let kind = kind(tag);
            if !kinds.contains(&kind) {
                kinds.push(kind);
            }
        }
        kinds
    }

    /// The class number of a tag. Where there is none, the number of what means almost the same: a
    /// network that knows no `B-` says `I-` there, and one without prefixes the label.
    fn class(&self, tag: &str) -> Result<usize, DataError> {
        let place = |wanted: &str| self.labels.iter().position(|label| label == wanted);
        let kind = kind(tag);
        let known = place(tag)
            .or_else(|| tag.starts_with("S-").then(|| place(&format!("B-{kind}")))?)
            .or_else(|| place(&format!("I-{kind}")))
            .or_else(|| place(kind));
        known.ok_or_else(|| DataError::UnknownLabel {
            label: kind.to_owned(),
            known: self.kinds().into_iter().map(str::to_owned).collect(),
        })
    }

    /// For each word its first piece, and the class number of its tag.
    fn truth(
        &self,
        text: &str,
        cut: &Cut,
        spans: &[Span],
    ) -> Result<Vec<(usize, usize)>, DataError> {
        assign::check(spans, text.chars().count())?;
        let words = cut.words();
        let places: Vec<(usize, usize)> = words.iter().map(|word| word.place).collect();
        let tags = assign::tags(&places, spans, self.scheme);
        let numbered =
            |(word, tag): (&pieces::PiecesOfWord, &String)| Ok((word.first, self.class(tag)?));
        words.iter().zip(&tags).map(numbered).collect()
    }

    fn loss(&self, logits: Tensor<2>, places: Tensor<1, Int>, truth: Tensor<1, Int>) -> Loss {
        let options =
            CrossEntropy { class_weights: self.class_weights.clone(), label_smoothing: 0.0 };
        loss::cross_entropy(logits.select(0, places), truth, &options)
    }

    /// The entities of a text whose pieces have these probabilities, piece after piece.
    fn entities(&self, text: &str, cut: &Cut, scores: &[f32]) -> Result<TaggedText, DataError> {
        let rows = scores.chunks(self.labels.len());
        let token = |(piece, row): (&pieces::Piece, &[f32])| TokenScores {
            scores: row.to_vec(),
            start: piece.start,
            end: piece.end,
            word: piece.word,
        };
        let tokens: Vec<TokenScores> = cut.pieces.iter().zip(rows).map(token).collect();
        let entities = decode(text, &self.labels, &tokens, self.aggregation, self.scheme)?;
        Ok(TaggedText { entities, truncated: cut.truncated })
    }
}

impl Task for TokenClassification {
    const NAME: &'static str = "token-classification";
    type Input = Text;
    type Target = Vec<Span>;
    type Prediction = TaggedText;
    type Batch = TaggedBatch;

    fn batch(
        &self,
        examples: &[ExampleOf<Self>],
        device: &Device,
    ) -> Result<TaggedBatch, DataError> {
        let mut cuts = Vec::with_capacity(examples.len());
        let mut truths = Vec::with_capacity(examples.len());
        for example in examples {
            let cut = self.pieces.cut(&example.input, self.words, true)?;
            truths.push(self.truth(&example.input.text, &cut, &example.target)?);
            cuts.push(cut);
        }
        let tokens = pieces::batch(&cuts, device);
        let [_, width] = tokens.ids.dims();
        let (mut places, mut classes) = (Vec::new(), Vec::new());
        let mut row = 0;
        for (cut, truth) in cuts.iter().zip(truths) {
            for (piece, class) in truth {
                places.push(cut.place(piece, row, width) as i32);
                classes.push(class as i32);
            }
            row += cut.rows.len();
        }
        Ok(TaggedBatch {
            tokens,
            places: Tensor::from_ints(places.as_slice(), device),
            truth: Tensor::from_ints(classes.as_slice(), device),
        })
    }

    /// The text's bytes.
    fn length(&self, example: &ExampleOf<Self>) -> Option<usize> {
        Some(example.input.text.len())
    }
}

/// A bag of features a word: one pass over all words of the texts.
impl Solve<WordTagger> for TokenClassification {
    fn learn(&self, model: &WordTagger, batch: TaggedBatch) -> Loss {
        let TaggedBatch { tokens, places, truth } = batch;
        self.loss(model.forward(tokens), places, truth)
    }

    fn answer(
        &self,
        model: &WordTagger,
        texts: &[Text],
        device: &Device,
    ) -> Result<Vec<TaggedText>, DataError> {
        let cuts = texts.iter().map(|text| self.pieces.cut(text, self.words, false));
        let cuts = cuts.collect::<Result<Vec<_>, _>>()?;
        if cuts.is_empty() {
            return Ok(Vec::new());
        }
        let logits = model.forward(pieces::batch(&cuts, device));
        let [_, classes] = logits.dims();
        ConfigError::agree("the number of labels", classes, self.labels.len())?;
        let scores: Vec<f32> = softmax(logits, 1).into_data().iter::<f32>().collect();
        let mut rest = scores.as_slice();
        let answer = |(text, cut): (&Text, &Cut)| {
            let (own, behind) = rest.split_at(cut.rows.len() * self.labels.len());
            rest = behind;
            self.entities(&text.text, cut, own)
        };
        texts.iter().zip(&cuts).map(answer).collect()
    }
}

/// An encoder that sees all pieces of a text at once.
impl<M: Module> Solve<TokenClassifier<M>> for TokenClassification
where
    TokenClassifier<M>: Model<Input = TokenBatch, Output = Tensor<3>>,
{
    fn learn(&self, model: &TokenClassifier<M>, batch: TaggedBatch) -> Loss {
        let TaggedBatch { tokens, places, truth } = batch;
        let logits = model.forward(tokens);
        let [texts, length, classes] = logits.dims();
        self.loss(logits.reshape([texts * length, classes]), places, truth)
    }

    fn answer(
        &self,
        model: &TokenClassifier<M>,
        texts: &[Text],
        device: &Device,
    ) -> Result<Vec<TaggedText>, DataError> {
        let cuts = texts.iter().map(|text| self.pieces.cut(text, self.words, false));
        let cuts = cuts.collect::<Result<Vec<_>, _>>()?;
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|at| cuts[*at].pieces.len());
        let mut answers = vec![TaggedText { entities: Vec::new(), truncated: false }; texts.len()];
        for part in order.chunks(AT_ONCE) {
            let tokens = pieces::batch(part.iter().map(|at| &cuts[*at]), device);
            let logits = model.forward(tokens);
            let [_, length, classes] = logits.dims();
            ConfigError::agree("the number of labels", classes, self.labels.len())?;
            let scores: Vec<f32> = softmax(logits, 2).into_data().iter::<f32>().collect();
            for (at, own) in part.iter().zip(scores.chunks(length * classes)) {
                let own = &own[..cuts[*at].pieces.len() * classes];
                answers[*at] = self.entities(&texts[*at].text, &cuts[*at], own)?;
            }
        }
        Ok(answers)
    }
}

impl Registered for TokenClassification {
    const MEDIA: Option<&'static str> = None;
    const CUT: Option<fn(ExampleOf<Self>) -> ExampleOf<Self>> =
        Some(|example| Example { input: example.input.truncated(), ..example });
    const FILES: &'static [FileKind] = &[("conll", tagged_rows)];

    fn models() -> &'static [ModelEntry<Self>] {
        TAGGERS
    }

    fn published() -> &'static [PublishedEntry] {
        PUBLISHED
    }

    fn read(raw: Raw<'_>) -> Result<Text, DataError> {
        Text::read(raw)
    }

    /// `"entities": [{"label": …, "start": …, "end": …}]`, in Unicode characters; in a table, where
    /// every field is a text, the same as JSON.
    fn target(line: &Value) -> Result<Vec<Span>, DataError> {
        let field = cells::json(line, "entities");
        let spans = Vec::<Span>::deserialize(field.as_deref().unwrap_or(&Value::Null));
        let spans = spans.map_err(|_| DataError::Field {
            field: "entities".to_owned(),
            wanted: "a list of {label, start, end}",
            got: match line.get("entities") {
                None | Some(Value::Null) => "missing".to_owned(),
                Some(got) => shortened(got),
            },
        })?;
        // So that a line of a file is named before the training, and not the middle of a run.
        if let Some(Value::String(text)) = line.get("text") {
            assign::check(&spans, text.chars().count())?;
        }
        Ok(spans)
    }

    fn evaluate(
        predictor: &Predictor<Self>,
        data: &dyn Dataset<ExampleOf<Self>>,
    ) -> Result<Report, EvalError> {
        EntityEvaluator::default().evaluate(predictor, data)
    }
}

/// A handful of sentences that the models' tests learn by heart.
#[cfg(test)]
pub(crate) mod toy {
    use super::Span;
    use crate::text::Text;
    use andiron_core::Example;

    /// A label, and where it starts and ends.
    type Mark = (&'static str, usize, usize);

    const SENTENCES: [(&str, &[Mark]); 6] = [
        ("Ana", &[("PER", 0, 3)]),
        ("it rains", &[]),
        (
            "Bob Jones came from New York to see Ana",
            &[("PER", 0, 9), ("LOC", 20, 28), ("PER", 36, 39)],
        ),
        ("in Oslo", &[("LOC", 3, 7)]),
        ("(São Paulo)", &[("LOC", 1, 10)]),
        ("nobody, they say, has ever come back from there, not even Bob", &[("PER", 58, 61)]),
    ];

    /// Two kinds; the longest text is several times as long as the shortest.
    pub(crate) fn examples() -> Vec<Example<Text, Vec<Span>>> {
        let span = |(label, start, end): &(&str, usize, usize)| Span {
            label: (*label).to_owned(),
            start: *start,
            end: *end,
        };
        let example = |(text, spans): (&str, &[_])| Example {
            input: Text::from(text),
            target: spans.iter().map(span).collect(),
        };
        SENTENCES.map(example).to_vec()
    }
}

#[cfg(test)]
mod tests;
