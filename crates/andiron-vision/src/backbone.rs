//! Networks that make one vector of an image, with a head that answers from the vector or without.
//!
//! A configuration whose `n_classes` is 0 has no head: its network gives the vector itself, as timm
//! has it. So one file of weights serves classification and search by likeness.
//!
//! ```
//! use andiron_core::{Model, ModelConfig};
//! use andiron_vision::{backbone::BackboneConfig, models::resnet::ResNetConfig};
//! use burn::tensor::{Device, Tensor};
//!
//! let device = Device::flex();
//! let config = ResNetConfig::small(1, 0);
//! let vectors = config.init(&device)?.forward(Tensor::zeros([2, 1, 9, 13], &device));
//! assert_eq!(vectors.dims(), [2, config.n_features()]);
//! # Ok::<(), andiron_core::ConfigError>(())
//! ```

use crate::layers::pre_norm::project;
use andiron_core::{Adaptation, ConfigError, Model, ModelConfig};
use andiron_kernels::{Activation, dropout};
use burn::{
    config::Config,
    nn::{Linear, LinearConfig},
    tensor::{Device, Tensor},
};

/// A network that makes a vector of an image, and scores of the vector.
pub trait Backbone: Model<Input = Tensor<4>, Output = Tensor<2>> {
    /// The vector of each image: what the head starts from.
    ///
    /// # Shapes
    /// - images: `[batch, channels, height, width]`, normalised
    /// - output: `[batch, n_features]`
    fn features(&self, images: Tensor<4>) -> Tensor<2>;

    /// The linear map from the vector to the scores; none if the network gives the vector.
    fn head(&self) -> Option<&Linear>;

    /// The same network with another head.
    #[must_use]
    fn with_head(self, head: Option<Linear>) -> Self;

    /// How the head is used in training.
    fn training(&self) -> HeadTraining;
}

/// What a training does at the head.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct HeadTraining {
    /// Probability with which a number of the vector is dropped before the head, 0 to 1.
    pub dropout: f64,
    /// Whether the vectors come from a network that stays as it is.
    pub frozen: bool,
}

/// What every backbone is told, whatever lies between: what it sees, what it answers, and what of it
/// is trained.
#[derive(Config, Debug, PartialEq)]
pub struct Ends {
    /// Channels of an image; 1 or more.
    pub channels: usize,
    /// Labels to choose from, 2 or more; 0 for a network that gives its vectors.
    pub n_classes: usize,
    /// Which parameters are trained.
    #[config(default = "Adaptation::default()")]
    pub adaptation: Adaptation,
}

impl Ends {
    /// Checks what can be checked without the network.
    ///
    /// # Errors
    /// [`ConfigError::TooSmall`] for no channel or one label; [`ConfigError::Kind`] for a network that
    /// is frozen and has no head, so that nothing would be trained.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        ConfigError::at_least("channels", 1, self.channels)?;
        if self.n_classes != 0 {
            return ConfigError::at_least("n_classes", 2, self.n_classes);
        }
        match self.adaptation.is_frozen() {
            true => Err(ConfigError::Kind {
                field: "adaptation".to_owned(),
                got: "frozen".to_owned(),
                reason: "a network without a head would have nothing to train".to_owned(),
            }),
            false => Ok(()),
        }
    }

    /// What a training does at the head of such a network.
    pub(crate) fn training(&self, dropout: f64) -> HeadTraining {
        HeadTraining { dropout, frozen: self.adaptation.is_frozen() }
    }
}

/// The configuration of a [`Backbone`].
pub trait BackboneConfig: ModelConfig<Model: Backbone> {
    /// What the paths of the head's parameters begin with.
    const HEAD: &'static str;

    /// Length of an image's vector.
    fn n_features(&self) -> usize;

    /// What it sees, what it answers, and what of it is trained.
    fn ends(&self) -> &Ends;

    /// The same network between other ends.
    #[must_use]
    fn with_ends(self, ends: Ends) -> Self;

    /// Height and width of the images, for a network that is made for one size.
    fn size(&self) -> Option<[usize; 2]> {
        None
    }
}

/// The same network for `n_classes` labels; 0 leaves the head out.
#[must_use]
pub fn for_classes<C: BackboneConfig>(config: C, n_classes: usize) -> C {
    let ends = Ends { n_classes, ..config.ends().clone() };
    config.with_ends(ends)
}

/// The same network for images of so many channels.
#[must_use]
pub fn for_channels<C: BackboneConfig>(config: C, channels: usize) -> C {
    let ends = Ends { channels, ..config.ends().clone() };
    config.with_ends(ends)
}

/// What [`Model::forward`] is for a backbone: the head's scores, or the vectors without one. Those of
/// a frozen network are made off the tape: nothing is kept for a gradient that nobody asks for, and
/// its normalisations keep their statistics.
pub(crate) fn answer<M: Backbone>(model: &M, images: Tensor<4>) -> Tensor<2> {
    let features = match model.training().frozen && images.device().is_autodiff() {
        true => Tensor::from_inner(model.valid().features(images.inner())),
        false => model.features(images),
    };
    scores(model, features)
}

/// The head's scores of the vectors, or the vectors where there is no head.
pub(crate) fn scores<M: Backbone>(model: &M, features: Tensor<2>) -> Tensor<2> {
    match model.head() {
        Some(head) => project(head, dropout(features, model.training().dropout), Activation::None),
        None => features,
    }
}

/// A head of `n_classes` scores, or none.
///
/// # Errors
/// [`ConfigError::TooSmall`] for one label.
pub(crate) fn head(
    n_features: usize,
    n_classes: usize,
    device: &Device,
) -> Result<Option<Linear>, ConfigError> {
    if n_classes == 0 {
        return Ok(None);
    }
    ConfigError::at_least("n_classes", 2, n_classes)?;
    Ok(Some(LinearConfig::new(n_features, n_classes).init(device)))
}

/// The model with its parameters frozen as the configuration says.
///
/// # Errors
/// As [`Adaptation::apply`].
pub(crate) fn adapt<C: BackboneConfig>(
    config: &C,
    model: C::Model,
) -> Result<C::Model, ConfigError> {
    config.ends().adaptation.apply(model, is_head::<C>)
}

/// Refuses low-rank adaptation for a network whose only linear map is the head.
///
/// # Errors
/// [`ConfigError::Kind`].
pub(crate) fn no_lora(adaptation: &Adaptation) -> Result<(), ConfigError> {
    match adaptation.is_lora() {
        true => Err(ConfigError::Kind {
            field: "adaptation".to_owned(),
            got: "lora".to_owned(),
            reason: "a convolutional network has no linear map beside its head".to_owned(),
        }),
        false => Ok(()),
    }
}

/// Whether the parameter at `path` is of the head.
pub(crate) fn is_head<C: BackboneConfig>(path: &str) -> bool {
    path.strip_prefix(C::HEAD).is_some_and(|rest| rest.starts_with('.'))
}
