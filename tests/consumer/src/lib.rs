//! A task and a model of the consumer's own: which side of a line a point lies on.

use andiron::burn::{
    self,
    config::Config,
    module::Module,
    nn::{Linear, LinearConfig},
    tensor::{Device, Int, Tensor, TensorData},
};
use andiron::{
    Choice, ConfigError, DataError, Example, Labelled, Labels, Loss, Model, ModelConfig, OnePass,
    Task,
};
use serde::{Deserialize, Serialize};

/// Points in the plane, by label.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Sides {
    /// The labels.
    pub labels: Labels,
}

impl Task for Sides {
    const NAME: &'static str = "sides";
    type Input = [f32; 2];
    type Target = String;
    type Prediction = Choice;
    type Batch = Labelled<Tensor<2>, Tensor<1, Int>>;

    fn batch(
        &self,
        examples: &[Example<[f32; 2], String>],
        device: &Device,
    ) -> Result<Self::Batch, DataError> {
        let inputs: Vec<&[f32; 2]> = examples.iter().map(|example| &example.input).collect();
        let truth = self.labels.indices(examples.iter().map(|example| &example.target), device)?;
        Ok(Labelled { features: self.collate(&inputs, device)?, truth })
    }
}

impl OnePass for Sides {
    type Features = Tensor<2>;
    type Truth = Tensor<1, Int>;
    type Output = Tensor<2>;

    fn collate(&self, points: &[&[f32; 2]], device: &Device) -> Result<Tensor<2>, DataError> {
        let values: Vec<f32> = points.iter().flat_map(|point| point.iter().copied()).collect();
        Ok(Tensor::from_data(TensorData::new(values, [points.len(), 2]), device))
    }

    fn loss(&self, logits: Tensor<2>, truth: Tensor<1, Int>) -> Loss {
        self.labels.cross_entropy(logits, truth)
    }

    fn decode(&self, _: &[&[f32; 2]], logits: Tensor<2>) -> Vec<Choice> {
        self.labels.choose(logits)
    }
}

/// Settings of a [`Line`].
#[derive(Config, Debug)]
pub struct LineConfig {
    /// How many labels; 2 or more.
    pub n_classes: usize,
}

/// One linear layer.
#[derive(Module, Debug)]
pub struct Line {
    output: Linear,
}

impl ModelConfig for LineConfig {
    const ARCHITECTURE: &'static str = "line";
    type Model = Line;

    fn init(&self, device: &Device) -> Result<Line, ConfigError> {
        ConfigError::at_least("n_classes", 2, self.n_classes)?;
        Ok(Line { output: LinearConfig::new(2, self.n_classes).init(device) })
    }
}

impl Model for Line {
    type Input = Tensor<2>;
    type Output = Tensor<2>;

    fn forward(&self, points: Tensor<2>) -> Tensor<2> {
        self.output.forward(points)
    }
}
