//! Training the head on a frozen network: the network runs once over the images, and not at each
//! step.

use super::{ImageClassification, ImageTruth};
use crate::{
    backbone::{Backbone as _, BackboneConfig},
    data::ImageExample,
    layers::linear_head::LinearHeadConfig,
    views::Views,
};
use andiron_core::{
    DataError, Dataset, Example, Fitted, GradientTrainer, Labelled, Loss, Network, OnePass,
    Predictor, Task, TrainError, Trainer as _, data::ExampleOf,
};
use burn::{
    module::Module as _,
    tensor::{Device, Tensor, TensorData},
};
use serde::{Deserialize, Serialize};

/// How many images go through the network at once.
const AT_ONCE: usize = 16;

/// The same task for vectors that a network has made of the images.
#[derive(Clone, Serialize, Deserialize)]
struct OnVectors(ImageClassification);

impl Task for OnVectors {
    const NAME: &'static str = ImageClassification::NAME;
    type Input = Vec<f32>;
    type Target = String;
    type Prediction = ();
    type Batch = Labelled<Tensor<2>, <ImageClassification as OnePass>::Truth>;

    fn batch(
        &self,
        examples: &[ExampleOf<Self>],
        device: &Device,
    ) -> Result<Self::Batch, DataError> {
        let vectors: Vec<&Vec<f32>> = examples.iter().map(|example| &example.input).collect();
        let labels = examples.iter().map(|example| &example.target);
        let features = self.collate(&vectors, device)?;
        let truth = ImageTruth::Classes(self.0.labels.indices(labels, device)?);
        Ok(Labelled { features, truth })
    }
}

impl OnePass for OnVectors {
    type Features = Tensor<2>;
    type Truth = <ImageClassification as OnePass>::Truth;
    type Output = Tensor<2>;

    fn collate(&self, vectors: &[&Vec<f32>], device: &Device) -> Result<Tensor<2>, DataError> {
        let shape = [vectors.len(), vectors.first().map_or(0, |vector| vector.len())];
        let values: Vec<f32> = vectors.iter().flat_map(|vector| vector.iter().copied()).collect();
        Ok(Tensor::from_data(TensorData::new(values, shape), device))
    }

    fn loss(&self, output: Tensor<2>, truth: Self::Truth) -> Loss {
        self.0.loss(output, truth)
    }

    fn decode(&self, vectors: &[&Vec<f32>], _: Tensor<2>) -> Vec<()> {
        vec![(); vectors.len()]
    }
}

/// The vectors of the images of `data`, with their labels; images are read a few at a time.
fn on_vectors<C: BackboneConfig>(
    network: &Network<C>,
    task: &ImageClassification,
    data: &dyn Dataset<ImageExample>,
    device: &Device,
) -> Result<Vec<ExampleOf<OnVectors>>, DataError> {
    let model = network.model.valid();
    // A training looks at an image once.
    let task = ImageClassification { views: Views::default(), ..task.clone() };
    let mut found = Vec::with_capacity(data.len());
    let places: Vec<usize> = (0..data.len()).collect();
    for part in places.chunks(AT_ONCE) {
        let examples =
            part.iter().map(|index| data.get(*index)).collect::<Result<Vec<_>, DataError>>()?;
        let images: Vec<_> = examples.iter().map(|example| &example.input).collect();
        let made = model.features(task.collate(&images, device)?);
        let [_, width] = made.dims();
        let values: Vec<f32> = made.into_data().iter::<f32>().collect();
        let vectors = values.chunks(width).map(<[f32]>::to_vec);
        let targets = examples.into_iter().map(|example| example.target);
        found.extend(vectors.zip(targets).map(|(input, target)| Example { input, target }));
    }
    Ok(found)
}

/// Trains the head of `network` to the weights that training the whole would give.
pub(super) fn fit<C: BackboneConfig>(
    trainer: &GradientTrainer,
    task: ImageClassification,
    network: Network<C>,
    data: [&dyn Dataset<ImageExample>; 2],
    device: &Device,
) -> Result<Fitted<ImageClassification>, TrainError>
where
    ImageClassification: andiron_core::Solve<C::Model>,
{
    let plain = device.clone().without_autodiff();
    let vectors = |data: &dyn Dataset<ImageExample>, split: &'static str| {
        let made = on_vectors(&network, &task, data, &plain);
        made.map_err(|source| TrainError::Data { split, source })
    };
    let (train, valid) = (vectors(data[0], "training")?, vectors(data[1], "validation")?);
    let config = &network.config;
    let head = LinearHeadConfig::new(
        config.n_features(),
        config.ends().n_classes,
        network.model.training().dropout,
    );
    let mut blank = Network::blank(head, &plain)?;
    blank.model.linear = network.model.head().cloned();
    let fitted = trainer.fit(OnVectors(task.clone()), blank, &train, &valid, device)?;
    let Network { config, mut model } = network;
    if let Some(head) = fitted.predictor.network::<LinearHeadConfig>() {
        model = model.with_head(head.model.linear.clone());
    }
    Ok(Fitted {
        predictor: Predictor::new(task, Network { config, model }, &plain),
        log: fitted.log,
        best_step: fitted.best_step,
    })
}
