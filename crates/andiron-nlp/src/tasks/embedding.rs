//! A vector for a text, such that texts of like meaning have vectors of like direction.

mod class_retrieval;
mod evaluator;
mod folder;
mod pairs;
mod pooling;
mod recipe;

pub use andiron_core::nearest::{Neighbour, Similarity, nearest};
pub use class_retrieval::ClassRetrievalEvaluator;
pub use evaluator::RetrievalEvaluator;
pub use folder::{PUBLISHED, from_folder};
pub use pairs::{Positive, class_pairs};
pub use pooling::Pooling;
pub use recipe::EncoderOptions;

use crate::{
    batch::TokenBatch,
    cells::flag,
    models::{bert::BertConfig, distilbert::DistilBertConfig, roberta::RobertaConfig},
    text::Text,
    tokenizer::{Encoded, Tokenizer},
};
use andiron_core::{
    ConfigError, DataError, Dataset, EvalError, Evaluator as _, Loss, Model, ModelEntry, Predictor,
    PublishedEntry, Raw, Registered, Report, Solve, Task,
    data::{Example, ExampleOf, text_field},
    loss::{self, CrossEntropy},
};
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The networks for the task, the fastest first.
pub static ENCODERS: &[ModelEntry<Embedding>] = &[
    ModelEntry::of::<DistilBertConfig>(),
    ModelEntry::of::<BertConfig>(),
    ModelEntry::of::<RobertaConfig>(),
];

/// How many texts go through the network at once; the predictor's batch is cut into texts of like
/// length, so that little of the work is padding.
const AT_ONCE: usize = 16;

/// What turns a text into a vector, beside the network.
///
/// An empty text is an error, and so is one over the length, unless it says `"truncate": true`. In
/// training a text over the length is cut.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Embedding {
    /// How a text becomes tokens.
    pub tokenizer: Tokenizer,
    /// The longest text in tokens, special tokens included.
    pub max_length: usize,
    /// How the tokens' vectors become one.
    pub pooling: Pooling,
    /// Whether the vector is brought to length 1.
    pub normalize: bool,
    /// How many numbers of the vector are kept, before it is brought to length 1; all if not said.
    /// For networks that were trained so that the first numbers say most (Kusupati et al. 2022,
    /// <https://arxiv.org/abs/2205.13147>).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub dimensions: Option<usize>,
    /// Factor of the cosines in the loss.
    #[serde(default = "default_scale")]
    pub scale: f64,
}

fn default_scale() -> f64 {
    20.0
}

/// The answer for a text: its vector, and whether the text was cut.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TextVector {
    /// The vector.
    pub embedding: Vec<f32>,
    /// Whether only the beginning of the text was read.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub truncated: bool,
}

/// Queries, and for each the text that should be found.
#[derive(Debug, Clone)]
pub struct PairBatch {
    /// The queries.
    pub queries: TokenBatch,
    /// For each query its positive.
    pub positives: TokenBatch,
    /// `[batch, batch]`, true at row i and column j where positive j would be right for query i too:
    /// it has the text or the label of positive i. False for i = j.
    pub as_good: Tensor<2, Bool>,
}

impl Embedding {
    /// The mean of the tokens' vectors at length 1, of texts up to `max_length` tokens.
    pub fn new(tokenizer: Tokenizer, max_length: usize) -> Self {
        Self {
            tokenizer,
            max_length,
            pooling: Pooling::Mean,
            normalize: true,
            dimensions: None,
            scale: default_scale(),
        }
    }

    /// The same task with another pooling.
    #[must_use]
    pub fn with_pooling(self, pooling: Pooling) -> Self {
        Self { pooling, ..self }
    }

    /// The same task with vectors of the first `dimensions` numbers.
    #[must_use]
    pub fn with_dimensions(self, dimensions: usize) -> Self {
        Self { dimensions: Some(dimensions), ..self }
    }

    /// Whether an encoder of so many tokens, such a length and such a width can answer the task:
    /// for [`Recipe::fits`](andiron_core::Recipe::fits).
    ///
    /// # Errors
    /// [`ConfigError`] names what network and task say differently, or the setting of the task
    /// that cannot be used.
    pub fn fits(&self, n_tokens: usize, longest: usize, d_model: usize) -> Result<(), ConfigError> {
        ConfigError::at_least("the number of tokens", self.tokenizer.n_tokens(), n_tokens)?;
        ConfigError::at_least("the network's length", self.max_length, longest)?;
        let least = self.tokenizer.n_special(false) + 1;
        ConfigError::at_least("max_length", least, self.max_length)?;
        match self.dimensions {
            Some(kept) => ConfigError::within("dimensions", 1.0, d_model as f64, kept as f64),
            None => Ok(()),
        }
    }

    fn encode(&self, text: &Text, cut: bool) -> Result<Encoded, DataError> {
        self.tokenizer.encode(text, self.max_length, cut)
    }

    fn collate<'a>(
        &self,
        texts: impl IntoIterator<Item = &'a Text>,
        device: &Device,
    ) -> Result<TokenBatch, DataError> {
        let (mut ids, mut segments) = (Vec::new(), Vec::new());
        for text in texts {
            let encoded = self.encode(text, true)?;
            ids.push(encoded.ids);
            segments.push(encoded.segments);
        }
        Ok(TokenBatch::of(&ids, &segments, device))
    }

    /// `[batch, d_model]`, not brought to length 1, and without the numbers to be left out.
    fn vectors<M>(&self, model: &M, tokens: TokenBatch) -> Tensor<2>
    where
        M: Model<Input = TokenBatch, Output = Tensor<3>>,
    {
        let mask = tokens.mask.clone();
        let pooled = self.pooling.of(model.forward(tokens), mask);
        let [batch, d_model] = pooled.dims();
        match self.dimensions {
            Some(kept) if kept < d_model => pooled.slice([0..batch, 0..kept]),
            _ => pooled,
        }
    }
}

/// `x / |x|` by rows; a row of zeros stays one.
fn to_length_one(x: Tensor<2>) -> Tensor<2> {
    let squares = (x.clone() * x.clone()).sum_dim(1);
    // The root has no derivative at 0.
    x / squares.clamp_min(1e-24).sqrt()
}

impl Task for Embedding {
    const NAME: &'static str = "embedding";
    type Input = Text;
    type Target = Positive;
    type Prediction = TextVector;
    type Batch = PairBatch;

    fn batch(&self, pairs: &[ExampleOf<Self>], device: &Device) -> Result<PairBatch, DataError> {
        let n = pairs.len();
        let mut as_good = vec![false; n * n];
        for (i, one) in pairs.iter().enumerate() {
            for (j, other) in pairs.iter().enumerate() {
                as_good[i * n + j] = i != j && one.target.is_as_good(&other.target);
            }
        }
        Ok(PairBatch {
            queries: self.collate(pairs.iter().map(|pair| &pair.input), device)?,
            positives: self.collate(pairs.iter().map(|pair| &pair.target.text), device)?,
            as_good: Tensor::from_data(TensorData::new(as_good, [n, n]), device),
        })
    }

    /// The bytes of the text and of its positive.
    fn length(&self, example: &ExampleOf<Self>) -> Option<usize> {
        Some(example.input.text.len() + example.target.text.text.len())
    }
}

impl<M> Solve<M> for Embedding
where
    M: Model<Input = TokenBatch, Output = Tensor<3>>,
{
    /// Multiple negatives ranking (Henderson et al. 2017, <https://arxiv.org/abs/1705.00652>,
    /// section 4.4): each query has to choose its positive among all of the batch, by cosine.
    ///
    /// ```text
    /// L = − 1/n · Σ_i log softmax_j(scale · cos(q_i, p_j))_i
    /// ```
    ///
    /// where the sum over j passes over other positives that have the text or the label of
    /// positive i: they are no wrong choices.
    fn learn(&self, model: &M, batch: PairBatch) -> Loss {
        let queries = to_length_one(self.vectors(model, batch.queries));
        let positives = to_length_one(self.vectors(model, batch.positives));
        let [n, _] = queries.dims();
        let device = queries.device();
        let scores = queries.matmul(positives.transpose()) * self.scale;
        let scores = scores.mask_fill(batch.as_good, -1e9);
        let own = Tensor::<1, Int>::arange(0..n as i64, &device);
        loss::cross_entropy(scores, own, &CrossEntropy::default())
    }

    fn answer(
        &self,
        model: &M,
        texts: &[Text],
        device: &Device,
    ) -> Result<Vec<TextVector>, DataError> {
        let encoded = texts
            .iter()
            .map(|text| self.encode(text, false))
            .collect::<Result<Vec<_>, DataError>>()?;
        let mut order: Vec<usize> = (0..texts.len()).collect();
        order.sort_by_key(|at| encoded[*at].ids.len());
        let mut answers = vec![TextVector { embedding: Vec::new(), truncated: false }; texts.len()];
        for part in order.chunks(AT_ONCE) {
            let ids: Vec<Vec<u32>> = part.iter().map(|at| encoded[*at].ids.clone()).collect();
            let segments: Vec<Vec<u32>> =
                part.iter().map(|at| encoded[*at].segments.clone()).collect();
            let vectors = self.vectors(model, TokenBatch::of(&ids, &segments, device));
            let [_, width] = vectors.dims();
            if let Some(wanted) = self.dimensions {
                // What is not there cannot be kept; the network has said only now how wide it is.
                ConfigError::within("dimensions", 1.0, width as f64, wanted as f64)?;
            }
            let vectors = if self.normalize { to_length_one(vectors) } else { vectors };
            let values: Vec<f32> = vectors.into_data().iter::<f32>().collect();
            for (at, vector) in part.iter().zip(values.chunks(width)) {
                let truncated = encoded[*at].truncated;
                answers[*at] = TextVector { embedding: vector.to_vec(), truncated };
            }
        }
        Ok(answers)
    }
}

impl Registered for Embedding {
    const MEDIA: Option<&'static str> = None;
    const CUT: Option<fn(ExampleOf<Self>) -> ExampleOf<Self>> =
        Some(|pair| Example { input: pair.input.truncated(), target: pair.target.truncated() });

    fn models() -> &'static [ModelEntry<Self>] {
        ENCODERS
    }

    fn published() -> &'static [PublishedEntry] {
        PUBLISHED
    }

    fn read(raw: Raw<'_>) -> Result<Text, DataError> {
        Text::read(raw)
    }

    /// The text that should be found, and the class of both if there is one:
    /// `{"positive": …, "label": …}`. With `"truncate": true` it may be cut, as the query may.
    fn target(line: &Value) -> Result<Positive, DataError> {
        let text = Text::from(text_field(line, "positive")?);
        let positive = Positive::from(Text { truncate: flag(line, "truncate")?, ..text });
        Ok(match line.get("label") {
            None | Some(Value::Null) => positive,
            Some(_) => positive.with_label(text_field(line, "label")?),
        })
    }

    fn evaluate(
        predictor: &Predictor<Self>,
        data: &dyn Dataset<ExampleOf<Self>>,
    ) -> Result<Report, EvalError> {
        RetrievalEvaluator::default().evaluate(predictor, data)
    }
}

/// A handful of pairs that the models' tests learn by heart.
#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
pub(crate) mod toy {
    use super::{Embedding, Positive};
    use crate::{text::Text, tokenizer};
    use andiron_core::Example;

    const PAIRS: [(&str, &str); 6] = [
        ("sun", "it is bright and warm outside"),
        ("rain", "take an umbrella"),
        ("how do I get to the railway station from here", "straight on, then left"),
        ("bread", "flour, water, salt"),
        ("who wrote this play about a prince of Denmark?", "William Shakespeare"),
        ("a cat", "it purrs"),
    ];

    /// The longest query is several times as long as the shortest.
    pub(crate) fn pairs() -> Vec<Example<Text, Positive>> {
        PAIRS.map(|(query, found)| Example { input: query.into(), target: found.into() }).to_vec()
    }

    /// A task whose words are those of the pairs.
    pub(crate) fn task() -> Embedding {
        let texts: Vec<&str> = PAIRS.iter().flat_map(|(query, found)| [*query, *found]).collect();
        Embedding::new(tokenizer::word_piece(&texts, 400).unwrap(), 40)
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use andiron_core::{
        AnyPredictor, Example, GradientTrainer, Network, Recipe, Registry, Trainer, TrainingConfig,
        trainer::Progress,
    };
    use serde_json::json;

    fn config(task: &Embedding) -> BertConfig {
        let config = BertConfig::new(task.tokenizer.n_tokens()).with_d_model(12).with_n_heads(3);
        config.with_n_layers(2).with_d_hidden(10).with_max_length(40)
    }

    fn predictor(task: Embedding) -> Predictor<Embedding> {
        let device = Device::flex();
        let network = Network::init(config(&task), 3, &device).unwrap();
        Predictor::new(task, network, &device)
    }

    fn length(vector: &[f32]) -> f32 {
        vector.iter().map(|x| x * x).sum::<f32>().sqrt()
    }

    #[test]
    fn the_positive_is_found_after_training() {
        let device = Device::flex();
        let task = toy::task();
        let network = Network::init(config(&task), 5, &device).unwrap();
        let before = Predictor::new(task.clone(), network.clone(), &device);
        let trainer = GradientTrainer::new(TrainingConfig::new(60).with_learning_rate(1e-2))
            .with_progress(Progress::Silent);
        let pairs = toy::pairs();
        let fitted = trainer.fit(task, network, &pairs, &Vec::new(), &device).unwrap();
        let recall = |predictor: &Predictor<Embedding>| {
            Embedding::evaluate(predictor, &pairs).unwrap().score("recall@1").unwrap().value
        };
        assert!(recall(&before) < 1.0);
        assert_eq!(recall(&fitted.predictor), 1.0);
    }

    #[test]
    fn an_equal_positive_is_no_negative() {
        let device = Device::flex();
        let task = toy::task();
        let model = Network::init(config(&task), 3, &device).unwrap().model;
        let pair = |query: &str, found: &str| Example { input: query.into(), target: found.into() };
        let loss = |pairs: &[Example<Text, Positive>]| {
            let batch = task.batch(pairs, &device).unwrap();
            task.learn(&model, batch).mean.into_scalar::<f32>()
        };
        // Nothing is left to choose wrongly.
        let same = loss(&[pair("sun", "it purrs"), pair("rain", "it purrs")]);
        assert!(same.abs() < 1e-6, "{same}");
        assert!(loss(&[pair("sun", "it purrs"), pair("rain", "take an umbrella")]) > 1e-3);
        let labelled = |query: &str, found: &str, label: &str| Example {
            input: query.into(),
            target: Positive::from(found).with_label(label),
        };
        let [sun, rain] = [("sun", "it purrs"), ("rain", "take an umbrella")];
        let same = loss(&[labelled(sun.0, sun.1, "a"), labelled(rain.0, rain.1, "a")]);
        assert!(same.abs() < 1e-6, "{same}");
        assert!(loss(&[labelled(sun.0, sun.1, "a"), labelled(rain.0, rain.1, "b")]) > 1e-3);
    }

    #[test]
    fn a_line_may_say_the_class() {
        let target = |line: Value| Embedding::target(&line);
        let plain = json!({"text": "rain", "positive": "wet"});
        assert_eq!(target(plain.clone()).unwrap(), Positive::from("wet"));
        for (label, wanted) in [(json!("sky"), Some("sky")), (Value::Null, None)] {
            let mut line = plain.clone();
            line["label"] = label;
            assert_eq!(target(line).unwrap().label.as_deref(), wanted);
        }
        let refused = |line: Value| target(line).unwrap_err().to_string();
        assert_eq!(
            refused(json!({"text": "rain", "positive": "wet", "label": 3})),
            "field \"label\" must be a text, but is 3"
        );
        assert_eq!(
            refused(json!({"text": "rain"})),
            "field \"positive\" must be a text, but is missing"
        );
    }

    #[test]
    fn the_loss_is_that_of_the_formula() {
        let device = Device::flex();
        let task = toy::task();
        let predictor = predictor(task.clone());
        let pairs = &toy::pairs()[..4];
        let of = |texts: Vec<Text>| predictor.predict(&texts).unwrap();
        let queries = of(pairs.iter().map(|pair| pair.input.clone()).collect());
        let positives = of(pairs.iter().map(|pair| pair.target.text.clone()).collect());
        let mut wanted = 0.0;
        for (i, query) in queries.iter().enumerate() {
            let scores: Vec<f64> = positives
                .iter()
                .map(|found| {
                    let products = query.embedding.iter().zip(&found.embedding);
                    20.0 * products.map(|(a, b)| f64::from(a * b)).sum::<f64>()
                })
                .collect();
            let sum: f64 = scores.iter().map(|score| score.exp()).sum();
            wanted += (sum.ln() - scores[i]) / 4.0;
        }
        let model = &predictor.network::<BertConfig>().unwrap().model;
        let loss = task.learn(model, task.batch(pairs, &device).unwrap());
        assert_eq!(loss.count, 4);
        let got: f32 = loss.mean.into_scalar();
        assert!((f64::from(got) - wanted).abs() < 1e-3, "{got}, not {wanted}");
    }

    #[test]
    fn a_bad_line_costs_only_its_own_place() {
        let lines = [
            json!({"text": "a cat"}),
            json!({"text": "who wrote this play about a prince"}),
            json!({"text": "who wrote this play about a prince", "truncate": true}),
            json!({"text": "who wrote this play"}),
            json!({"text": " "}),
        ];
        let raw: Vec<Raw<'_>> = lines.iter().map(Raw::Json).collect();
        let predictor = predictor(Embedding { max_length: 6, ..toy::task() });
        let answers = AnyPredictor::predict(&predictor, &raw);
        let said: Vec<Result<Value, String>> =
            answers.into_iter().map(|answer| answer.map_err(|error| error.to_string())).collect();
        assert_eq!(said[0].clone().unwrap()["embedding"].as_array().unwrap().len(), 12);
        assert_eq!(said[0].clone().unwrap().get("truncated"), None);
        assert_eq!(
            said[1],
            Err("the length of the text in tokens is 9, which is over the limit of 6".into())
        );
        let cut = said[2].clone().unwrap();
        assert_eq!(cut["truncated"], json!(true));
        assert_eq!(cut["embedding"], said[3].clone().unwrap()["embedding"]);
        assert_eq!(said[4], Err("the text is empty".into()));
    }

    #[test]
    fn vectors_are_cut_and_then_brought_to_length_one() {
        let whole = predictor(Embedding { normalize: false, ..toy::task() });
        let cut = predictor(toy::task().with_dimensions(5));
        let texts = ["a cat".into(), "bread and salt".into(), "rain".into()];
        let (whole, cut) = (whole.predict(&texts).unwrap(), cut.predict(&texts).unwrap());
        for (whole, cut) in whole.iter().zip(&cut) {
            assert_eq!((whole.embedding.len(), cut.embedding.len()), (12, 5));
            assert!((length(&whole.embedding) - 1.0).abs() > 0.1);
            let part = length(&whole.embedding[..5]);
            for (a, b) in whole.embedding.iter().zip(&cut.embedding) {
                assert!((a / part - b).abs() < 1e-5, "{a} / {part} is not {b}");
            }
        }
        for wrong in [0, 13] {
            let refused = predictor(toy::task().with_dimensions(wrong)).predict(&texts);
            assert!(matches!(refused, Err(DataError::Config(_))), "{wrong}: {refused:?}");
        }
    }

    #[test]
    fn a_registry_loads_what_was_saved() {
        let folder = tempfile::tempdir().unwrap();
        let dir = folder.path().join("bundle");
        let predictor = predictor(toy::task().with_pooling(Pooling::Max));
        predictor.save(&dir).unwrap();
        let loaded = Registry::default().with(crate::TASKS).load(&dir, &Device::flex()).unwrap();
        assert_eq!((loaded.task(), loaded.architecture()), ("embedding", "bert"));
        let line = json!({"text": "bread and water"});
        let answer = loaded.predict(&[Raw::Json(&line)]).remove(0).unwrap();
        let direct = predictor.predict(&["bread and water".into()]).unwrap().remove(0);
        assert_eq!(answer, serde_json::to_value(direct).unwrap());
    }

    #[test]
    fn every_recipe_makes_a_network_for_its_task() {
        let options = json!({"d_model": 12, "n_heads": 3, "n_layers": 1, "d_hidden": 10,
            "n_tokens": 300, "max_length": 30});
        fn lengths<C: Recipe<Embedding>>(options: &Value) -> usize
        where
            Embedding: Solve<C::Model>,
        {
            let (task, config) = C::prepare(options, &toy::pairs()).unwrap();
            let network = Network::init(config, 3, &Device::flex()).unwrap();
            let predictor = Predictor::new(task, network, &Device::flex());
            predictor.predict(&["a cat".into()]).unwrap()[0].embedding.len()
        }
        assert_eq!(lengths::<BertConfig>(&options), 12);
        assert_eq!(lengths::<DistilBertConfig>(&options), 12);
        assert_eq!(lengths::<RobertaConfig>(&options), 12);
        let refused = BertConfig::prepare(&json!({"layers": 3}), &toy::pairs()).unwrap_err();
        assert!(matches!(refused, DataError::Config(ConfigError::Unknown { .. })), "{refused:?}");
        assert!(BertConfig::prepare(&json!({"max_length": 0}), &toy::pairs()).is_err());
        let mut cut = options.clone();
        for kept in [1, 5, 12] {
            cut["dimensions"] = json!(kept);
            assert_eq!(lengths::<BertConfig>(&cut), kept);
        }
        for (wrong, got) in [(0, 0.0), (13, 13.0)] {
            cut["dimensions"] = json!(wrong);
            let refused = BertConfig::prepare(&cut, &toy::pairs()).unwrap_err();
            let wanted = ConfigError::OutOfRange { field: "dimensions", low: 1.0, high: 12.0, got };
            assert!(matches!(&refused, DataError::Config(said) if *said == wanted), "{refused:?}");
        }
    }
}
