//! The fitted task: what answers.

use crate::{
    BundleError, DataError, Dataset, EvalError, ModelConfig, Network, Raw, Record, Registered,
    Report, Solve, Task,
    bundle::{self, Card, Description},
    weights,
};
use burn::{module::Module, tensor::Device};
use serde_json::Value;
use std::{any::Any, path::Path, sync::Arc};

/// A network with the task's view of it: the one place where its type is forgotten.
trait Solver<T: Task>: Send + Sync {
    fn answer(
        &self,
        task: &T,
        inputs: &[T::Input],
        device: &Device,
    ) -> Result<Vec<T::Prediction>, DataError>;
    fn save(&self, task: &T, card: &Card, dir: &Path) -> Result<(), BundleError>;
    fn contents(&self, task: &T, card: &Card) -> Result<Contents, serde_json::Error>;
    fn architecture(&self) -> &'static str;
    fn parameters(&self) -> usize;
    fn as_any(&self) -> &dyn Any;
}

impl<T: Solve<C::Model>, C: ModelConfig> Solver<T> for Network<C> {
    fn answer(
        &self,
        task: &T,
        inputs: &[T::Input],
        device: &Device,
    ) -> Result<Vec<T::Prediction>, DataError> {
        task.answer(&self.model, inputs, device)
    }
    fn save(&self, task: &T, card: &Card, dir: &Path) -> Result<(), BundleError> {
        bundle::save(task, self, card, dir)
    }
    fn contents(&self, task: &T, card: &Card) -> Result<Contents, serde_json::Error> {
        Ok(Contents {
            description: Description::of(task, &self.config, card)?,
            tensors: weights::tensors(self),
        })
    }
    fn architecture(&self) -> &'static str {
        C::ARCHITECTURE
    }
    fn parameters(&self) -> usize {
        self.model.num_params()
    }
    fn as_any(&self) -> &dyn Any {
        self
    }
}

/// What is inside a predictor, for people who want to know.
#[derive(Debug, Clone)]
pub struct Contents {
    /// What its bundle would say. No file is listed: it need not come from a bundle.
    pub description: Description,
    /// Names and shapes of its tensors, as a bundle would have them.
    pub tensors: Vec<(String, Vec<usize>)>,
}

/// What draws a predictor's answer to an input, as the bytes of a PNG file.
pub type Draw<T> = fn(&Predictor<T>, &<T as Task>::Input) -> Result<Vec<u8>, DataError>;

/// What makes of a task the one that a line of input asks for.
pub type Asked<T> = fn(&T, &Value) -> Result<T, DataError>;

/// A fitted task: cheap to clone, `Send + Sync`, whatever network is inside.
pub struct Predictor<T: Task> {
    inner: Arc<Inner<T>>,
}

struct Inner<T: Task> {
    task: T,
    solver: Box<dyn Solver<T>>,
    card: Card,
    device: Device,
    batch_size: usize,
}

impl<T: Task> Clone for Predictor<T> {
    fn clone(&self) -> Self {
        Self { inner: Arc::clone(&self.inner) }
    }
}

impl<T: Task> std::fmt::Debug for Predictor<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Predictor")
            .field("task", &T::NAME)
            .field("architecture", &self.architecture())
            .field("parameters", &self.parameters())
            .finish()
    }
}

impl<T: Task> Predictor<T> {
    /// A predictor of `network` on `device`.
    pub fn new<C: ModelConfig>(task: T, network: Network<C>, device: &Device) -> Self
    where
        T: Solve<C::Model>,
    {
        Self::with(task, network, Card::default(), device)
    }

    fn with<C: ModelConfig>(task: T, network: Network<C>, card: Card, device: &Device) -> Self
    where
        T: Solve<C::Model>,
    {
        let network = Network { model: network.model.valid(), config: network.config };
        let device = device.clone().without_autodiff();
        let inner = Inner { task, solver: Box::new(network), card, device, batch_size: 64 };
        Self { inner: Arc::new(inner) }
    }

    /// The same predictor with another card.
    #[must_use]
    pub fn with_card(self, card: Card) -> Self
    where
        T: Clone,
    {
        match Arc::try_unwrap(self.inner) {
            Ok(inner) => Self { inner: Arc::new(Inner { card, ..inner }) },
            // Others share the network: they keep their card, and this one refers to theirs.
            Err(shared) => Self::sharing(shared.task.clone(), card, shared),
        }
    }

    /// The same network with another task, such as the same with other settings.
    #[must_use]
    pub fn with_task(&self, task: T) -> Self {
        Self::sharing(task, self.card().clone(), Arc::clone(&self.inner))
    }

    fn sharing(task: T, card: Card, shared: Arc<Inner<T>>) -> Self {
        let (device, batch_size) = (shared.device.clone(), shared.batch_size);
        let solver = Box::new(Shared(shared));
        Self { inner: Arc::new(Inner { task, solver, card, device, batch_size }) }
    }

    /// The task: labels, vocabulary, sizes.
    pub fn task(&self) -> &T {
        &self.inner.task
    }

    /// The card.
    pub fn card(&self) -> &Card {
        &self.inner.card
    }

    /// Where it computes.
    pub fn device(&self) -> &Device {
        &self.inner.device
    }

    /// The architecture's name.
    pub fn architecture(&self) -> &'static str {
        self.inner.solver.architecture()
    }

    /// How many numbers the network holds: what it has learnt, and the running statistics of its
    /// batch normalisations.
    pub fn parameters(&self) -> usize {
        self.inner.solver.parameters()
    }

    /// The network, where it is a `C`: to train it further.
    pub fn network<C: ModelConfig>(&self) -> Option<&Network<C>> {
        self.inner.solver.as_any().downcast_ref()
    }

    /// One prediction an input, in order.
    ///
    /// # Errors
    /// [`DataError`] names what is wrong with an input; then there is no prediction at all. Where
    /// a bad input should cost only its own place, use [`AnyPredictor::predict`].
    pub fn predict(&self, inputs: &[T::Input]) -> Result<Vec<T::Prediction>, DataError> {
        let inner = &self.inner;
        let mut answers = Vec::with_capacity(inputs.len());
        for part in inputs.chunks(inner.batch_size) {
            answers.extend(inner.solver.answer(&inner.task, part, &inner.device)?);
        }
        Ok(answers)
    }

    /// Writes a bundle: whole or not at all.
    ///
    /// # Errors
    /// [`BundleError`]; what stood in `dir` before is still there.
    pub fn save(&self, dir: impl AsRef<Path>) -> Result<(), BundleError> {
        self.inner.solver.save(&self.inner.task, &self.inner.card, dir.as_ref())
    }

    /// Loads a bundle whose network is a `C`: needs no registry.
    ///
    /// # Errors
    /// [`BundleError`] names the file, tensor or field that cannot be used.
    pub fn load_as<C: ModelConfig>(
        dir: impl AsRef<Path>,
        device: &Device,
    ) -> Result<Self, BundleError>
    where
        T: Solve<C::Model>,
    {
        let (task, network, card) = bundle::load::<T, C>(dir.as_ref(), device)?;
        Ok(Self::with(task, network, card, device))
    }
}

/// A network that another predictor holds.
struct Shared<T: Task>(Arc<Inner<T>>);

impl<T: Task> Solver<T> for Shared<T> {
    fn answer(
        &self,
        task: &T,
        inputs: &[T::Input],
        device: &Device,
    ) -> Result<Vec<T::Prediction>, DataError> {
        self.0.solver.answer(task, inputs, device)
    }
    fn save(&self, task: &T, card: &Card, dir: &Path) -> Result<(), BundleError> {
        self.0.solver.save(task, card, dir)
    }
    fn contents(&self, task: &T, card: &Card) -> Result<Contents, serde_json::Error> {
        self.0.solver.contents(task, card)
    }
    fn architecture(&self) -> &'static str {
        self.0.solver.architecture()
    }
    fn parameters(&self) -> usize {
        self.0.solver.parameters()
    }
    fn as_any(&self) -> &dyn Any {
        self.0.solver.as_any()
    }
}

impl<T: Registered> Predictor<T> {
    /// Loads a bundle with whichever of the task's registered architectures it names.
    ///
    /// # Errors
    /// [`BundleError`] names the file, tensor or field that cannot be used.
    pub fn load(dir: impl AsRef<Path>, device: &Device) -> Result<Self, BundleError> {
        let dir = dir.as_ref();
        let description = bundle::describe(dir)?;
        if description.task != T::NAME {
            return Err(BundleError::UnknownTask { got: description.task, known: vec![T::NAME] });
        }
        let entry = T::models()
            .iter()
            .find(|entry| entry.architecture == description.architecture)
            .ok_or_else(|| BundleError::UnknownArchitecture {
                task: T::NAME,
                got: description.architecture,
                known: T::models().iter().map(|entry| entry.architecture).collect(),
            })?;
        (entry.load)(dir, device)
    }
}

/// What a predictor is, and what it can do beside answering.
pub struct About<'a> {
    /// The task's name.
    pub task: &'static str,
    /// The architecture's name.
    pub architecture: &'static str,
    /// Draws what is made of an input, as the bytes of a PNG file; none for tasks whose answers are
    /// not drawn.
    pub draw: Option<AnyDraw<'a>>,
    /// The predictor that a line of input asks for, by settings beside the file that it names; none
    /// for tasks of which a line can ask nothing.
    pub asked: Option<AnyAsked<'a>>,
}

/// As [`Draw`], of a predictor whose task is forgotten.
pub type AnyDraw<'a> = Box<dyn Fn(Raw<'_>) -> Result<Vec<u8>, DataError> + 'a>;

/// As [`Asked`], of a predictor whose task is forgotten.
pub type AnyAsked<'a> = Box<dyn Fn(&Value) -> Result<Box<dyn AnyPredictor>, DataError> + 'a>;

/// The object-safe twin of [`Predictor`]: a program hosts any task without naming one.
pub trait AnyPredictor: Send + Sync {
    /// What it is.
    fn about(&self) -> About<'_>;

    /// One answer an input, in order, as JSON; a bad input costs only its own place.
    fn predict(&self, inputs: &[Raw<'_>]) -> Vec<Result<Value, DataError>>;

    /// Measures the predictor on `data`, as its task measures.
    ///
    /// # Errors
    /// [`EvalError`] names the example that cannot be used.
    fn evaluate(&self, data: &dyn Dataset<Record>) -> Result<Report, EvalError>;

    /// Writes a bundle with `card`: whole or not at all.
    ///
    /// # Errors
    /// As [`Predictor::save`].
    fn save(&self, card: Card, dir: &Path) -> Result<(), BundleError>;

    /// What is inside.
    ///
    /// # Errors
    /// If task, configuration or card cannot be written as JSON.
    fn contents(&self) -> Result<Contents, serde_json::Error>;
}

impl dyn AnyPredictor + '_ {
    /// The task's name.
    pub fn task(&self) -> &'static str {
        self.about().task
    }

    /// The architecture's name.
    pub fn architecture(&self) -> &'static str {
        self.about().architecture
    }
}

impl<T: Registered> AnyPredictor for Predictor<T> {
    fn about(&self) -> About<'_> {
        About {
            task: T::NAME,
            architecture: self.architecture(),
            draw: T::PICTURE
                .map(|draw| -> AnyDraw<'_> { Box::new(move |raw| draw(self, &T::read(raw)?)) }),
            asked: T::ASKED.map(|asked| -> AnyAsked<'_> {
                Box::new(move |line| Ok(Box::new(self.with_task(asked(self.task(), line)?))))
            }),
        }
    }

    fn predict(&self, raw: &[Raw<'_>]) -> Vec<Result<Value, DataError>> {
        let read: Vec<Result<T::Input, DataError>> = raw.iter().map(|raw| T::read(*raw)).collect();
        let good: Vec<T::Input> =
            read.iter().filter_map(|input| input.as_ref().ok().cloned()).collect();
        let mut answers = match Predictor::predict(self, &good) {
            Ok(all) => all.into_iter().map(Ok).collect::<Vec<_>>(),
            // One of them cannot be used: ask for each alone, so that the others are answered.
            Err(_) => good
                .iter()
                .map(|input| {
                    let mut one = Predictor::predict(self, std::slice::from_ref(input))?;
                    one.pop().ok_or(DataError::Empty { what: "the answer".to_owned() })
                })
                .collect(),
        }
        .into_iter();
        read.into_iter()
            .map(|input| {
                input?;
                let answer = answers
                    .next()
                    .unwrap_or_else(|| Err(DataError::Empty { what: "the answer".to_owned() }))?;
                Ok(serde_json::to_value(answer).expect("predictions are plain data"))
            })
            .collect()
    }

    fn evaluate(&self, data: &dyn Dataset<Record>) -> Result<Report, EvalError> {
        T::evaluate(self, &crate::data::Typed::<T>::new(data))
    }

    fn save(&self, card: Card, dir: &Path) -> Result<(), BundleError> {
        self.clone().with_card(card).save(dir)
    }

    fn contents(&self) -> Result<Contents, serde_json::Error> {
        self.inner.solver.contents(self.task(), self.card())
    }
}
