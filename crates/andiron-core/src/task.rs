//! What is learnt and answered.

use crate::{DataError, Model, data::ExampleOf};
use burn::tensor::{Device, Tensor};
use serde::{Serialize, de::DeserializeOwned};

/// What a user holds, what the data says, and what comes out.
///
/// The value itself is the preprocessing (labels, vocabulary, sizes): it is saved with the
/// weights, so training and serving cannot disagree. It names no network and no optimiser.
pub trait Task: Clone + Send + Sync + Serialize + DeserializeOwned + 'static {
    /// The task's name in bundles, in the program and in the service.
    const NAME: &'static str;
    /// What the model sees: a text, an image, a waveform. Serialisable, so that a report can tell
    /// which examples it is about.
    type Input: Clone + Serialize + Send + Sync + 'static;
    /// What the data says about it.
    type Target: Clone + Send + Sync + 'static;
    /// What comes out.
    type Prediction: Clone + Serialize + Send + Sync + 'static;
    /// Tensors to learn from.
    type Batch: Send;

    /// Raw values to tensors on `device`. Training calls it on another thread, ahead of the step, and
    /// inside [`training`](andiron_kernels::training): what a task draws by
    /// [`draw`](andiron_kernels::draw) is random there, and the same again for the same seed and step;
    /// measuring calls it outside, where nothing is drawn.
    ///
    /// # Errors
    /// [`DataError`] names what is wrong with an example.
    fn batch(
        &self,
        examples: &[ExampleOf<Self>],
        device: &Device,
    ) -> Result<Self::Batch, DataError>;

    /// How long an example is beside others, in any unit that padding goes by: milliseconds of a sound,
    /// bytes of a text. Examples of like length share a batch where
    /// [`group_by_length`](crate::TrainingConfig::group_by_length) asks for it. By default none: batches
    /// of this task have no padding, and are not grouped.
    fn length(&self, _example: &ExampleOf<Self>) -> Option<usize> {
        None
    }
}

/// A mean over weighted terms: what accumulation needs to stay a mean.
///
/// ```
/// use andiron_core::Loss;
/// use burn::tensor::{Device, Tensor};
///
/// let mean = Tensor::<1>::from_floats([0.5], &Device::flex());
/// let plain = Loss::new(mean, 3);
/// assert_eq!((plain.count, plain.weight), (3, 3.0));
/// // A mean by class weights, whose sum over the three terms is 1.75.
/// assert_eq!(plain.with_weight(1.75).weight, 1.75);
/// ```
#[derive(Debug, Clone)]
pub struct Loss {
    /// The mean, `[1]`.
    pub mean: Tensor<1>,
    /// How many terms (examples, tokens, frames) it is the mean of.
    pub count: usize,
    /// The sum of the terms' weights, which is what the mean was divided by; the count where all
    /// weigh one.
    pub weight: f64,
}

impl Loss {
    /// The mean over `count` terms that weigh one each.
    pub fn new(mean: Tensor<1>, count: usize) -> Self {
        Self { mean, count, weight: count as f64 }
    }

    /// Says that the mean is one by weights, and what they sum to; 0 or more.
    #[must_use]
    pub fn with_weight(mut self, weight: f64) -> Self {
        self.weight = weight;
        self
    }
}

/// How a network of shape `M` learns the task and answers it, in any number of passes.
///
/// Implemented on the task, once for every such network. For the common case of one forward
/// pass implement [`OnePass`]; this follows.
pub trait Solve<M>: Task {
    /// The loss of a batch.
    fn learn(&self, model: &M, batch: Self::Batch) -> Loss;

    /// One prediction an input, in order.
    ///
    /// # Errors
    /// [`DataError`] names what is wrong with an input.
    fn answer(
        &self,
        model: &M,
        inputs: &[Self::Input],
        device: &Device,
    ) -> Result<Vec<Self::Prediction>, DataError>;
}

/// Features with the truth about each.
#[derive(Debug, Clone)]
pub struct Labelled<X, Y> {
    /// What the network takes.
    pub features: X,
    /// What it should give.
    pub truth: Y,
}

/// A task that one forward pass answers. [`Solve`] follows for every model that takes
/// `Features` and gives `Output`.
pub trait OnePass: Task<Batch = Labelled<Self::Features, Self::Truth>> {
    /// The network's input.
    type Features;
    /// The targets as tensors.
    type Truth;
    /// The network's output.
    type Output;

    /// Raw inputs to the network's input: the same code in training and in serving.
    ///
    /// # Errors
    /// [`DataError`] names what is wrong with an input.
    fn collate(
        &self,
        inputs: &[&Self::Input],
        device: &Device,
    ) -> Result<Self::Features, DataError>;

    /// The loss of an output.
    fn loss(&self, output: Self::Output, truth: Self::Truth) -> Loss;

    /// One prediction an input.
    fn decode(&self, inputs: &[&Self::Input], output: Self::Output) -> Vec<Self::Prediction>;

    /// How often [`collate`](Self::collate) has an input among the features, where it is answered from
    /// several views; 1 unless said otherwise. So many times fewer inputs then go through the network
    /// at once, in as much memory.
    fn views(&self) -> usize {
        1
    }
}

impl<T, M> Solve<M> for T
where
    T: OnePass,
    M: Model<Input = T::Features, Output = T::Output>,
{
    fn learn(&self, model: &M, batch: T::Batch) -> Loss {
        self.loss(model.forward(batch.features), batch.truth)
    }

    fn answer(
        &self,
        model: &M,
        inputs: &[T::Input],
        device: &Device,
    ) -> Result<Vec<T::Prediction>, DataError> {
        let mut answers = Vec::with_capacity(inputs.len());
        for inputs in inputs.chunks((inputs.len() / self.views().max(1)).max(1)) {
            let inputs: Vec<&T::Input> = inputs.iter().collect();
            let features = self.collate(&inputs, device)?;
            answers.extend(self.decode(&inputs, model.forward(features)));
        }
        Ok(answers)
    }
}
