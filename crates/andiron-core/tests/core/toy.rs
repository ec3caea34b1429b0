//! The smallest task and network that use everything core offers, each with room for one planted
//! fault.

use andiron_core::{
    Choice, ConfigError, DataError, Example, Labelled, Labels, Loss, Model, ModelConfig, OnePass,
    Task, data::ExampleOf,
};
use andiron_kernels::{Activation, dropout, layer_norm, linear};
use burn::{
    config::Config,
    module::{Module, Param, ParamId},
    nn::{Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig},
    tensor::{Device, Distribution, Int, Tensor},
};
use serde::{Deserialize, Serialize};
use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex, OnceLock,
        atomic::{AtomicUsize, Ordering},
    },
    thread::ThreadId,
    time::Duration,
};

/// What is wrong with a planted model or task.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Fault {
    /// Nothing.
    #[default]
    None,
    /// A layer that no forward pass uses.
    UnusedLayer,
    /// A layer whose output is multiplied by zero.
    ZeroedPath,
    /// Nothing can be trained.
    Frozen,
    /// All but the output's bias is frozen, and the output is blind.
    Blind,
    /// Each row takes something of the row two places before it.
    MixesRows,
    /// Each row takes something of the mean of the batch.
    MixesBatch,
    /// The mean is taken over the padding too.
    CountsPadding,
    /// The same, but in a batch of two only.
    CountsPaddingOfPairs,
    /// The loss draws from burn's generator, which no one seeds.
    DrawsInLoss,
    /// The loss draws from burn's generator, and seeds it with a constant before.
    SeedsInLoss,
    /// The forward pass draws from burn's generator.
    DrawsInForward,
    /// The configuration's width is not written to JSON.
    SkipsWidth,
    /// The configuration's scale is not written to JSON: the weights do not show it.
    SkipsScale,
    /// Two short inputs get one answer.
    LosesAnswers,
    /// An answer lacks a score if it is not alone.
    ChangesForm,
    /// None: the answers have a list that may be empty, and a number that may be absent.
    MayBeEmpty,
    /// The same, but the list holds a text behind its numbers.
    MixedList,
    /// As `MayBeEmpty`, but in a batch of two each list has a number too many.
    OneTooMany,
    /// A number is made while the weights are drawn, and saved nowhere.
    UnsavedState,
    /// The network remembers what it saw last on this thread.
    Remembers,
    /// The answer depends on the thread.
    DependsOnThread,
    /// The answer depends on the backend.
    DependsOnBackend,
    /// Whatever was learnt, the answer is one and the same.
    ConstantAnswer,
    /// Outside training, all logits are NaN.
    NanInInference,
    /// Outside training, the logits are turned round.
    TurnedInInference,
}

/// Word numbers to a label.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Tokens {
    pub(crate) labels: Labels,
    pub(crate) fault: Fault,
}

/// Sequences padded to one length.
pub(crate) struct Padded {
    /// `[batch, length]`; 0 where nothing stands.
    pub(crate) tokens: Tensor<2, Int>,
    /// `[batch, length]`; 1 where a token stands.
    pub(crate) mask: Tensor<2>,
}

impl Padded {
    pub(crate) fn of(sequences: &[&Vec<u16>], device: &Device) -> Result<Self, DataError> {
        let length = sequences.iter().map(|s| s.len()).max().unwrap_or(0);
        if sequences.iter().any(|s| s.is_empty()) {
            return Err(DataError::Empty { what: "a sequence of tokens".to_owned() });
        }
        let (mut tokens, mut mask) = (Vec::new(), Vec::new());
        for sequence in sequences {
            tokens.extend(sequence.iter().map(|token| i32::from(*token)));
            mask.extend(sequence.iter().map(|_| 1.0f32));
            tokens.resize(tokens.len() + length - sequence.len(), 0);
            mask.resize(tokens.len(), 0.0);
        }
        let shape = [sequences.len(), length];
        Ok(Self {
            tokens: Tensor::<1, Int>::from_ints(tokens.as_slice(), device).reshape(shape),
            mask: Tensor::<1>::from_floats(mask.as_slice(), device).reshape(shape),
        })
    }
}

impl Task for Tokens {
    const NAME: &'static str = "toy-tokens";
    type Input = Vec<u16>;
    type Target = String;
    type Prediction = Answer;
    type Batch = Labelled<Padded, Tensor<1, Int>>;

    fn batch(
        &self,
        examples: &[ExampleOf<Self>],
        device: &Device,
    ) -> Result<Self::Batch, DataError> {
        let inputs: Vec<&Vec<u16>> = examples.iter().map(|e| &e.input).collect();
        Ok(Labelled {
            features: self.collate(&inputs, device)?,
            truth: self.labels.indices(examples.iter().map(|e| &e.target), device)?,
        })
    }

    fn length(&self, example: &ExampleOf<Self>) -> Option<usize> {
        Some(example.input.len())
    }
}

/// A [`Choice`], or half of one.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub(crate) enum Answer {
    Whole(Choice),
    Half { label: String },
    Listed { label: String, score: f32, large: Vec<serde_json::Value>, largest: Option<u16> },
}

impl OnePass for Tokens {
    type Features = Padded;
    type Truth = Tensor<1, Int>;
    type Output = Tensor<2>;

    fn collate(&self, inputs: &[&Vec<u16>], device: &Device) -> Result<Padded, DataError> {
        Padded::of(inputs, device)
    }

    fn loss(&self, output: Tensor<2>, truth: Tensor<1, Int>) -> Loss {
        let output = match self.fault {
            Fault::DrawsInLoss | Fault::SeedsInLoss => {
                if self.fault == Fault::SeedsInLoss {
                    Device::flex().seed(5);
                    // Another thread that draws gets its turn before the next line does, on a busy machine too.
                    std::thread::sleep(Duration::from_millis(15));
                }
                let noise = Distribution::Normal(0.0, 0.01);
                output.clone() + output.random_like(noise)
            }
            _ => output,
        };
        self.labels.cross_entropy(output, truth)
    }

    fn decode(&self, inputs: &[&Vec<u16>], output: Tensor<2>) -> Vec<Answer> {
        let output = match self.fault {
            Fault::ConstantAnswer => output.zeros_like(),
            _ => output,
        };
        let mut answers: Vec<Answer> =
            self.labels.choose(output).into_iter().map(Answer::Whole).collect();
        let short = inputs.iter().all(|input| input.len() < LONGEST);
        match self.fault {
            Fault::LosesAnswers if inputs.len() == 2 && short => answers.truncate(1),
            Fault::ChangesForm if inputs.len() == 2 && short => {
                answers[1] = Answer::Half { label: "quiet".to_owned() }
            }
            Fault::MayBeEmpty | Fault::MixedList | Fault::OneTooMany => {
                let pairs = answers.into_iter().zip(inputs);
                answers = pairs.map(|(answer, input)| self.listed(answer, input)).collect();
                for answer in &mut answers {
                    if let (Fault::OneTooMany, 2, Answer::Listed { large, .. }) =
                        (self.fault, inputs.len(), answer)
                    {
                        large.push(0.into());
                    }
                }
            }
            _ => {}
        }
        answers
    }
}

impl Tokens {
    /// The same answer with the large tokens of the input.
    fn listed(&self, answer: Answer, input: &[u16]) -> Answer {
        let Answer::Whole(Choice { label, score, .. }) = answer else { return answer };
        let large = || input.iter().copied().filter(|token| *token > 7);
        let mut list: Vec<serde_json::Value> = large().map(Into::into).collect();
        if self.fault == Fault::MixedList && !list.is_empty() {
            list.push("that was all".into());
        }
        Answer::Listed { label, score, large: list, largest: large().max() }
    }
}

/// The longest of [`examples`].
pub(crate) const LONGEST: usize = 9;
/// Different tokens of [`examples`].
pub(crate) const VOCABULARY: usize = 11;

/// Seven sequences of lengths 1 to 9 over three labels.
pub(crate) fn examples() -> Vec<ExampleOf<Tokens>> {
    let all: [(&[u16], &str); 7] = [
        (&[3, 1, 4], "loud"),
        (&[2, 7, 1, 8, 2], "quiet"),
        (&[10], "loud"),
        (&[1, 4, 1, 4, 2, 1, 3, 5, 6], "middle"),
        (&[5, 7], "middle"),
        (&[6, 9, 3, 1], "quiet"),
        (&[8, 8, 9, 6, 10, 2, 4], "loud"),
    ];
    all.into_iter()
        .map(|(input, target)| Example { input: input.to_vec(), target: target.to_owned() })
        .collect()
}

/// The task for [`examples`].
pub(crate) fn tokens(fault: Fault) -> Tokens {
    let labels = Labels::of(examples().iter().map(|e| &e.target)).unwrap();
    Tokens { labels, fault }
}

/// Settings of a [`Pooled`].
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct PooledConfig {
    pub(crate) d_hidden: Width,
    pub(crate) scale: Scale,
    pub(crate) dropout: f64,
    pub(crate) fault: Fault,
}

/// A number that its JSON shows, or does not.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Shown<const DEFAULT: usize> {
    pub(crate) value: usize,
    pub(crate) shown: bool,
}
type Width = Shown<6>;
type Scale = Shown<1>;

impl<const DEFAULT: usize> Serialize for Shown<DEFAULT> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.shown.then_some(self.value).serialize(serializer)
    }
}

impl<'de, const DEFAULT: usize> Deserialize<'de> for Shown<DEFAULT> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Option::<usize>::deserialize(deserializer)?;
        Ok(Self { value: value.unwrap_or(DEFAULT), shown: value.is_some() })
    }
}

impl Config for PooledConfig {}

impl PooledConfig {
    pub(crate) fn new(fault: Fault) -> Self {
        Self {
            d_hidden: Shown { value: 10, shown: fault != Fault::SkipsWidth },
            scale: Shown { value: 2, shown: fault != Fault::SkipsScale },
            dropout: 0.1,
            fault,
        }
    }
}

/// Embeddings, their mean, a normalised hidden layer with dropout, and logits.
#[derive(Module, Debug)]
pub(crate) struct Pooled {
    embedding: Embedding,
    hidden: Linear,
    norm: LayerNorm,
    output: Linear,
    forgotten: Option<Linear>,
    offset: Option<Param<Tensor<1>>>,
    dropout: f64,
    scale: f64,
    #[module(skip)]
    fault: Fault,
    #[module(skip)]
    memory: Memory,
}

/// What a network should not keep beside its parameters.
#[derive(Debug, Clone, Default)]
struct Memory {
    made_with_the_weights: Arc<OnceLock<f64>>,
    seen: Arc<Mutex<HashMap<ThreadId, Vec<i32>>>>,
}

impl ModelConfig for PooledConfig {
    const ARCHITECTURE: &'static str = "toy-pooled";
    type Model = Pooled;

    fn init(&self, device: &Device) -> Result<Pooled, ConfigError> {
        let width = self.d_hidden.value;
        ConfigError::at_least("d_hidden", 1, width)?;
        ConfigError::within("dropout", 0.0, 0.9, self.dropout)?;
        let memory = Memory::default();
        let mut model = Pooled {
            embedding: EmbeddingConfig::new(VOCABULARY, 5).init(device),
            hidden: LinearConfig::new(5, width).init(device),
            norm: LayerNormConfig::new(width).init(device),
            output: LinearConfig::new(width, 3).init(device),
            forgotten: matches!(self.fault, Fault::UnusedLayer | Fault::ZeroedPath)
                .then(|| LinearConfig::new(5, width).init(device)),
            offset: (self.fault == Fault::UnsavedState).then(|| offset(&memory, device)),
            dropout: self.dropout,
            scale: self.scale.value as f64,
            fault: self.fault,
            memory,
        };
        if matches!(self.fault, Fault::Frozen | Fault::Blind) {
            model = model.no_grad();
        }
        if self.fault == Fault::Blind {
            model.output.bias = model.output.bias.map(|bias| bias.set_require_grad(true));
        }
        Ok(model)
    }
}

/// A parameter of ones whose drawing leaves a number behind.
fn offset(memory: &Memory, device: &Device) -> Param<Tensor<1>> {
    let made = Arc::clone(&memory.made_with_the_weights);
    let draw = move |device: &Device, require_grad: bool| {
        made.get_or_init(|| 0.25);
        Tensor::ones([3], device).set_require_grad(require_grad)
    };
    Param::uninitialized(ParamId::new(), draw, device.clone(), true, [3].into())
}

/// A number for each thread that asks, in the order of their asking.
fn thread_number() -> usize {
    static NEXT: AtomicUsize = AtomicUsize::new(0);
    thread_local! { static MINE: usize = NEXT.fetch_add(1, Ordering::Relaxed); }
    MINE.with(|mine| *mine)
}

impl Pooled {
    /// The mean of the embeddings, `[batch, 5]`.
    fn pooled(&self, batch: Padded) -> Tensor<2> {
        let embedded = self.embedding.forward(batch.tokens);
        let [rows, length, width] = embedded.dims();
        let counted = match self.fault {
            Fault::CountsPadding => true,
            Fault::CountsPaddingOfPairs => rows == 2,
            _ => false,
        };
        if counted {
            return embedded.mean_dim(1).reshape([rows, width]);
        }
        let mask = batch.mask.reshape([rows, length, 1]);
        let sum = (embedded * mask.clone()).sum_dim(1) / mask.sum_dim(1);
        sum.reshape([rows, width])
    }

    /// What a planted fault makes of logits.
    fn spoilt(&self, logits: Tensor<2>, seen: &Tensor<2, Int>) -> Tensor<2> {
        let [rows, _] = logits.dims();
        match self.fault {
            Fault::MixesRows if rows > 2 => {
                let before = logits.clone().narrow(0, 0, rows - 2) * 0.1;
                let first = Tensor::zeros([2, 3], &logits.device());
                logits + Tensor::cat(vec![first, before], 0)
            }
            Fault::MixesBatch => logits.clone() - logits.mean_dim(0) * 0.1,
            Fault::DrawsInForward => {
                let noise = Distribution::Normal(0.0, 0.01);
                logits.clone() + logits.random_like(noise)
            }
            Fault::Remembers => {
                let now: Vec<i32> = seen.to_data().iter::<i32>().collect();
                let mut memory = self.memory.seen.lock().unwrap();
                let before = memory.insert(std::thread::current().id(), now.clone());
                let again = before.is_some_and(|before| before == now);
                // Only in prediction: training sees one batch over and over.
                match again && !logits.device().is_autodiff() {
                    true => logits * 1.5,
                    false => logits,
                }
            }
            Fault::DependsOnThread => {
                let factor = 1.0 + 0.1 * thread_number() as f64;
                match logits.device().is_autodiff() {
                    true => logits,
                    false => logits * factor,
                }
            }
            Fault::DependsOnBackend if logits.device() != Device::flex() => logits * 1.01,
            Fault::NanInInference if !logits.device().is_autodiff() => logits * f64::NAN,
            Fault::TurnedInInference if !logits.device().is_autodiff() => logits.neg(),
            _ => logits,
        }
    }
}

impl Model for Pooled {
    type Input = Padded;
    type Output = Tensor<2>;

    /// # Shapes
    /// - tokens: `[batch, length]`
    /// - output: `[batch, 3]`, logits
    fn forward(&self, batch: Padded) -> Tensor<2> {
        let seen = batch.tokens.clone();
        let pooled = self.pooled(batch);
        let value = |layer: &Linear, x, activation| {
            let bias = layer.bias.as_ref().map(|bias| bias.val());
            linear(x, layer.weight.val(), bias, activation)
        };
        let mut hidden = value(&self.hidden, pooled.clone(), Activation::None);
        if let (Fault::ZeroedPath, Some(forgotten)) = (self.fault, &self.forgotten) {
            hidden = hidden + forgotten.forward(pooled) * 0.0;
        }
        let beta = self.norm.beta.as_ref().map(|beta| beta.val());
        let hidden = layer_norm(hidden, self.norm.gamma.val(), beta, 1e-5) * self.scale;
        let hidden = dropout(Activation::Gelu.apply(hidden), self.dropout);
        let hidden = match self.fault {
            Fault::Blind => hidden.zeros_like(),
            _ => hidden,
        };
        let mut logits = value(&self.output, hidden, Activation::None);
        if let Some(offset) = &self.offset {
            let unsaved = self.memory.made_with_the_weights.get();
            let factor = unsaved.copied().unwrap_or(1.0);
            let row = offset.val().reshape([1, 3]) * factor;
            // Along one class, so that it shows behind the softmax.
            let class = Tensor::<2>::from_floats([[1.0, 0.0, 0.0]], &logits.device());
            logits = logits + row * class;
        }
        self.spoilt(logits, &seen)
    }
}
