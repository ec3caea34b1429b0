//! Networks and the descriptions they are built from.

use crate::{ConfigError, init};
use burn::{
    config::Config,
    module::{Module, ModuleDisplay},
    tensor::Device,
};
use serde_json::Value;

/// A network with one typed forward pass. It knows no loss, metric, file or data set.
pub trait Model: Module + ModuleDisplay + Sync + 'static {
    /// What one forward pass takes.
    type Input;
    /// What one forward pass gives.
    type Output;

    /// One forward pass over a batch.
    ///
    /// A wrong shape here is a bug in the caller and panics; values from outside are checked
    /// where the batch is made.
    fn forward(&self, input: Self::Input) -> Self::Output;
}

/// The serialisable description that a model is built from.
pub trait ModelConfig: Config + Clone + Send + Sync + 'static {
    /// The architecture's name in a bundle: lower case, words joined by hyphens.
    const ARCHITECTURE: &'static str;
    /// The network.
    type Model: Model;

    /// Builds the network; parameters are drawn at first use, so use [`Network::init`], which
    /// seeds them.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting that cannot be used.
    fn init(&self, device: &Device) -> Result<Self::Model, ConfigError>;

    /// The name in the weights file of the parameter at `path` (`layers.0.query.weight`): the
    /// one that the model's home ecosystem uses. Serves for saving and for loading.
    fn weight_name(&self, path: &str) -> String {
        path.to_owned()
    }

    /// Files that programs of the model's home ecosystem want beside the weights, as Hugging Face's
    /// `config.json` and `tokenizer.json`; [`bundle`](crate::bundle) writes them, and reads none of
    /// them back. `task` is the task as it is saved. A name holds no folder, and is none of a
    /// bundle's own.
    fn home_files(&self, _model: &Self::Model, _task: &Value) -> Vec<HomeFile> {
        Vec::new()
    }
}

/// A file for programs of a model's home ecosystem.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HomeFile {
    /// Its name in the bundle.
    pub name: String,
    /// Its content.
    pub bytes: Vec<u8>,
}

impl HomeFile {
    /// A JSON file, with line breaks.
    pub fn json(name: &str, value: &Value) -> Self {
        let mut bytes = serde_json::to_vec_pretty(value).expect("a JSON value can be written");
        bytes.push(b'\n');
        Self { name: name.to_owned(), bytes }
    }
}

/// A model together with the description it was built from: fresh or loaded, training takes it.
#[derive(Debug, Clone)]
pub struct Network<C: ModelConfig> {
    /// What the model was built from.
    pub config: C,
    /// The model.
    pub model: C::Model,
}

impl<C: ModelConfig> Network<C> {
    /// Fresh parameters that depend on `config` and `seed`, and on nothing else in the process:
    /// other threads may draw random numbers meanwhile.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting that cannot be used.
    pub fn init(config: C, seed: u64, device: &Device) -> Result<Self, ConfigError> {
        let device = device.clone().without_autodiff();
        let model = init::drawn(|| config.init(&device), seed, &device)?;
        Ok(Self { config, model: init::with_stable_ids(model) })
    }

    /// A model whose parameters are about to be replaced, as by [`weights::load_from`]: none is
    /// drawn.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting that cannot be used.
    ///
    /// [`weights::load_from`]: crate::weights::load_from
    pub fn blank(config: C, device: &Device) -> Result<Self, ConfigError> {
        let model = config.init(&device.clone().without_autodiff())?;
        Ok(Self { config, model: init::with_stable_ids(model) })
    }

    /// Draws the parameters that have no value yet, as [`weights::load_around`] leaves some, each as
    /// [`init`](Self::init) would; the others stay.
    ///
    /// # Errors
    /// [`ConfigError`] names the setting that cannot be used.
    ///
    /// [`weights::load_around`]: crate::weights::load_around
    pub fn completed(self, seed: u64, device: &Device) -> Result<Self, ConfigError> {
        let device = device.clone().without_autodiff();
        let Self { config, model } = self;
        let given = init::Given::of(&model);
        let build = || config.init(&device).map(|model| given.put(model));
        let model = init::drawn_around(build, &given, seed, &device)?;
        Ok(Self { config, model: init::with_stable_ids(model) })
    }

    /// How many numbers the network holds: what it has learnt or will learn, and the running
    /// statistics of its batch normalisations.
    pub fn parameters(&self) -> usize {
        self.model.num_params()
    }
}
