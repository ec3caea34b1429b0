//! Training the head on a frozen encoder: the encoder runs once over the data, and not at each step.

use crate::{
    batch::{TextBatch, TokenBatch},
    features::Features,
    layers::classifier_head::ClassifierHeadConfig,
    models::sequence_classifier::SequenceClassifierConfig,
    published_head::HeadBase,
    text::Text,
};
use andiron_core::{
    DataError, Dataset, Example, Fitted, GradientTrainer, Labelled, Loss, Model, Network, OnePass,
    Predictor, Task, TrainError, Trainer as _,
    data::{ExampleOf, all},
};
use burn::tensor::{Device, Tensor, TensorData};
use serde::{Deserialize, Serialize};

/// How many texts go through the encoder at once.
const AT_ONCE: usize = 16;

/// A task about texts that a network answers with one row of scores a text.
pub(crate) trait TextTask:
    OnePass<Input = Text, Features = TextBatch, Output = Tensor<2>, Truth: Send>
{
    /// How a text becomes numbers.
    fn features(&self) -> &Features;

    /// The targets as tensors.
    fn truth(&self, targets: &[&Self::Target], device: &Device) -> Result<Self::Truth, DataError>;
}

/// The same task for vectors that an encoder has made of the texts.
#[derive(Clone, Serialize, Deserialize)]
#[serde(bound = "")]
struct OnVectors<T: TextTask>(T);

impl<T: TextTask> Task for OnVectors<T> {
    const NAME: &'static str = T::NAME;
    type Input = Vec<f32>;
    type Target = T::Target;
    type Prediction = ();
    type Batch = Labelled<Tensor<2>, T::Truth>;

    fn batch(
        &self,
        examples: &[ExampleOf<Self>],
        device: &Device,
    ) -> Result<Self::Batch, DataError> {
        let vectors: Vec<&Vec<f32>> = examples.iter().map(|example| &example.input).collect();
        let targets: Vec<&T::Target> = examples.iter().map(|example| &example.target).collect();
        Ok(Labelled {
            features: self.collate(&vectors, device)?,
            truth: self.0.truth(&targets, device)?,
        })
    }
}

impl<T: TextTask> OnePass for OnVectors<T> {
    type Features = Tensor<2>;
    type Truth = T::Truth;
    type Output = Tensor<2>;

    fn collate(&self, vectors: &[&Vec<f32>], device: &Device) -> Result<Tensor<2>, DataError> {
        let shape = [vectors.len(), vectors.first().map_or(0, |vector| vector.len())];
        let values: Vec<f32> = vectors.iter().flat_map(|vector| vector.iter().copied()).collect();
        Ok(Tensor::from_data(TensorData::new(values, shape), device))
    }

    fn loss(&self, output: Tensor<2>, truth: T::Truth) -> Loss {
        self.0.loss(output, truth)
    }

    fn decode(&self, vectors: &[&Vec<f32>], _: Tensor<2>) -> Vec<()> {
        vec![(); vectors.len()]
    }
}

/// The vectors of texts, in their order, each text cut as in training.
fn vectors<M>(
    model: &crate::models::sequence_classifier::SequenceClassifier<M>,
    features: &Features,
    texts: &[&Text],
    device: &Device,
) -> Result<Vec<Vec<f32>>, DataError>
where
    M: Model<Input = TokenBatch, Output = Tensor<3>>,
{
    let encode = |(at, text): (usize, &&Text)| {
        features.encode(text, true).map_err(|error| error.at(at, None))
    };
    let rows = texts.iter().enumerate().map(encode).collect::<Result<Vec<_>, _>>()?;
    let mut order: Vec<usize> = (0..rows.len()).collect();
    order.sort_by_key(|at| rows[*at].len());
    let mut found = vec![Vec::new(); rows.len()];
    for part in order.chunks(AT_ONCE) {
        let texts: Vec<Vec<i32>> = part.iter().map(|at| rows[*at].clone()).collect();
        let made = model.vectors(TextBatch::of(&texts, device).into());
        let [_, width] = made.dims();
        let values: Vec<f32> = made.into_data().iter::<f32>().collect();
        for (at, vector) in part.iter().zip(values.chunks(width)) {
            found[*at] = vector.to_vec();
        }
    }
    Ok(found)
}

/// Trains the head of `network`, whose encoder is frozen, to the weights that training the whole
/// would give.
pub(crate) fn fit<T, E>(
    trainer: &GradientTrainer,
    task: T,
    network: Network<SequenceClassifierConfig<E>>,
    train: &dyn Dataset<ExampleOf<T>>,
    valid: &dyn Dataset<ExampleOf<T>>,
    device: &Device,
) -> Result<Fitted<T>, TrainError>
where
    T: TextTask,
    E: HeadBase,
{
    let plain = device.clone().without_autodiff();
    let on_vectors = |data: &dyn Dataset<ExampleOf<T>>, split: &'static str| {
        let made = || {
            let examples = all(data)?;
            let texts: Vec<&Text> = examples.iter().map(|example| &example.input).collect();
            let vectors = vectors(&network.model, task.features(), &texts, &plain)?;
            let targets = examples.into_iter().map(|example| example.target);
            let pair = |(input, target)| Example { input, target };
            Ok(vectors.into_iter().zip(targets).map(pair).collect::<Vec<_>>())
        };
        made().map_err(|source| TrainError::Data { split, source })
    };
    let (train, valid) = (on_vectors(train, "training")?, on_vectors(valid, "validation")?);
    let head = Network::<ClassifierHeadConfig> {
        config: network.config.head(),
        model: network.model.head.clone(),
    };
    let fitted = trainer.fit(OnVectors(task.clone()), head, &train, &valid, device)?;
    let Network { config, mut model } = network;
    if let Some(head) = fitted.predictor.network::<ClassifierHeadConfig>() {
        model.head = head.model.clone();
    }
    Ok(Fitted {
        predictor: Predictor::new(task, Network { config, model }, &plain),
        log: fitted.log,
        best_step: fitted.best_step,
    })
}
