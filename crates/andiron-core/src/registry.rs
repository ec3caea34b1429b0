//! Which tasks and architectures a program knows. Filled from outside: core names none.

mod attachment;
mod files;
mod overlay;
mod published;

pub use attachment::Attachment;
pub use files::{FOLDER, FileKind};
pub use overlay::overlay;
pub use published::{Fit, Layout, LoadPublished, PublishedEntry};

use crate::{
    AnyPredictor, BundleError, ConfigError, DataError, Dataset, EvalError, Fitted, GradientTrainer,
    LoadError, ModelConfig, Network, Predictor, Raw, Record, Report, Solve, Task, TrainError,
    Trainer, bundle,
    data::{ExampleOf, Typed},
    predictor::{Asked, Draw},
    trainer::Step,
};
use burn::tensor::Device;
use serde_json::Value;
use std::path::Path;

/// A task that a program and a service can host.
pub trait Registered: Task {
    /// The field of an input line that names a file, for tasks whose input is one (`image`,
    /// `audio`). The program opens it; the task never does.
    const MEDIA: Option<&'static str>;

    /// Whether the answer is one label, which a line of data has in the field `label`. A split can then
    /// give every part the same share of each, and a label that was not learnt cannot be measured.
    const LABELLED: bool = false;

    /// Lets an example be cut to the model's length, for tasks whose training cuts such examples: a
    /// measurement can then be made on what training would have seen of them. None refuses or takes
    /// them as a prediction does.
    const CUT: Option<fn(ExampleOf<Self>) -> ExampleOf<Self>> = None;

    /// Kinds of files beside tables in which data of this task comes: a file's ending, in lower case
    /// and without the dot, or [`FOLDER`]; and what reads its rows. Paths in the rows are relative to
    /// the folder that the file lies in, or to the folder itself.
    const FILES: &'static [FileKind] = &[];

    /// Draws what is made of an input, for tasks in which that can be seen.
    const PICTURE: Option<Draw<Self>> = None;

    /// The task as a line of input asks for it, by settings beside the file that it names: for tasks
    /// on files. A field that is neither a setting nor part of a line of data is refused. None passes
    /// over all of them.
    const ASKED: Option<Asked<Self>> = None;

    /// The field that a program keeps in a file of its own. None has no such field.
    const ATTACHED: Option<Attachment> = None;

    /// The architectures that can learn it, the fastest first.
    fn models() -> &'static [ModelEntry<Self>];

    /// What others publish and the task can use. None reads bundles alone.
    fn published() -> &'static [PublishedEntry] {
        &[]
    }

    /// What one request says.
    ///
    /// # Errors
    /// [`DataError`] names what is wrong with it.
    fn read(raw: Raw<'_>) -> Result<Self::Input, DataError>;

    /// What a line of a data set says beside its input.
    ///
    /// # Errors
    /// [`DataError::Field`] if the field is missing or of the wrong kind.
    fn target(line: &Value) -> Result<Self::Target, DataError>;

    /// Measures a predictor of the task.
    ///
    /// # Errors
    /// [`EvalError`] names the example that cannot be used.
    fn evaluate(
        predictor: &Predictor<Self>,
        data: &dyn Dataset<ExampleOf<Self>>,
    ) -> Result<Report, EvalError>;
}

/// How an architecture is set up for data it has not seen: vocabulary, labels and sizes come
/// from the training split alone.
pub trait Recipe<T: Task>: ModelConfig {
    /// The task and the configuration for `train`. `options` is an object of settings that
    /// override the defaults; a name that is no setting is refused.
    ///
    /// # Errors
    /// [`DataError`] names what is wrong with the data or the option.
    fn prepare(options: &Value, train: &dyn Dataset<ExampleOf<T>>) -> Result<(T, Self), DataError>;

    /// The network that a training starts from: fresh parameters, drawn by `seed`. A recipe that
    /// takes the option `base`, the folder of a published model, has read its configuration in
    /// [`prepare`](Self::prepare), and loads its weights here.
    ///
    /// # Errors
    /// [`TrainError::Config`] for a setting that cannot be used, [`TrainError::Base`] for a published
    /// model that cannot.
    fn start(
        self,
        _task: &T,
        _options: &Value,
        seed: u64,
        device: &Device,
    ) -> Result<Network<Self>, TrainError> {
        Ok(Network::init(self, seed, device)?)
    }

    /// Trains the network that [`start`](Self::start) gave. A recipe that knows a shorter way to the
    /// same weights takes it here, as one whose encoder is frozen and need not run at each step.
    ///
    /// # Errors
    /// As [`Trainer::fit`].
    fn fit(
        trainer: &GradientTrainer,
        task: T,
        network: Network<Self>,
        train: &dyn Dataset<ExampleOf<T>>,
        valid: &dyn Dataset<ExampleOf<T>>,
        device: &Device,
    ) -> Result<Fitted<T>, TrainError>
    where
        T: Solve<Self::Model>,
    {
        trainer.fit(task, network, train, valid, device)
    }

    /// Whether a network of this configuration can answer `task`: a bundle holds both, and may
    /// have been edited.
    ///
    /// # Errors
    /// [`ConfigError::Disagree`] names what the two say differently.
    fn fits(&self, task: &T) -> Result<(), ConfigError>;
}

type LoadFn<T> = fn(&Path, &Device) -> Result<Predictor<T>, BundleError>;
type FitFn<T> = fn(
    &Value,
    &GradientTrainer,
    &dyn Dataset<ExampleOf<T>>,
    &dyn Dataset<ExampleOf<T>>,
    &Device,
) -> Result<Fitted<T>, TrainError>;

/// One architecture for one task: a line in the domain crate's slice.
pub struct ModelEntry<T: Task> {
    /// The architecture's name.
    pub architecture: &'static str,
    pub(crate) load: LoadFn<T>,
    pub(crate) fit: FitFn<T>,
    takes: fn(&str) -> Result<(), ConfigError>,
}

impl<T: Task> ModelEntry<T> {
    /// The entry of the architecture `C`.
    pub const fn of<C: Recipe<T>>() -> Self
    where
        T: Solve<C::Model>,
    {
        Self {
            architecture: C::ARCHITECTURE,
            load: |dir, device| {
                let predictor = Predictor::<T>::load_as::<C>(dir, device)?;
                let network = predictor.network::<C>().expect("it was loaded as a C");
                let fits = network.config.fits(predictor.task());
                fits.map_err(|source| BundleError::Config { path: dir.into(), source })?;
                Ok(predictor)
            },
            fit: |options, trainer, train, valid, device| {
                let (task, config) = C::prepare(options, train)
                    .map_err(|source| TrainError::Data { split: "training", source })?;
                let network = config.start(&task, options, trainer.config.seed, device)?;
                C::fit(trainer, task, network, train, valid, device)
            },
            takes: |option| {
                let options = serde_json::json!({ option: null });
                match C::prepare(&options, &Vec::new()) {
                    Err(DataError::Config(error @ ConfigError::Unknown { .. })) => Err(error),
                    // That there is nothing to learn from comes after that.
                    _ => Ok(()),
                }
            },
        }
    }
}

/// A predictor whose task is forgotten, with the log of the run that made it.
pub struct AnyFitted {
    /// The predictor.
    pub predictor: Box<dyn AnyPredictor>,
    /// One entry a step.
    pub log: Vec<Step>,
}

type AnyFit = fn(
    &str,
    &Value,
    &GradientTrainer,
    &dyn Dataset<Record>,
    &dyn Dataset<Record>,
    &Device,
) -> Result<AnyFitted, TrainError>;

type AnyCheck = fn(&dyn Dataset<Record>) -> Result<(), DataError>;

type AnyLoad = fn(&Path, &Device) -> Result<Box<dyn AnyPredictor>, BundleError>;

/// One task, its type forgotten.
pub struct TaskEntry {
    /// The task's name.
    pub name: &'static str,
    /// The field of an input line that names a file.
    pub media: Option<&'static str>,
    /// Whether a line of data has one label, which is to be answered, in the field `label`.
    pub labelled: bool,
    /// Whether a record can ask for its input to be cut ([`Record::cut`]).
    pub cuts: bool,
    /// Kinds of files beside tables in which its data comes.
    pub files: &'static [FileKind],
    /// The field that is kept in a file of its own.
    pub attached: Option<Attachment>,
    architectures: fn() -> Vec<&'static str>,
    published: fn() -> &'static [PublishedEntry],
    load: AnyLoad,
    check: AnyCheck,
    fit: AnyFit,
    takes: fn(&str, &str) -> Result<(), TrainError>,
}

impl TaskEntry {
    /// The entry of the task `T`.
    pub const fn of<T: Registered>() -> Self {
        Self {
            name: T::NAME,
            media: T::MEDIA,
            labelled: T::LABELLED,
            cuts: T::CUT.is_some(),
            files: T::FILES,
            attached: T::ATTACHED,
            architectures: || T::models().iter().map(|entry| entry.architecture).collect(),
            published: T::published,
            load: |dir, device| match published::load_kept(dir, T::published(), device)? {
                Some(predictor) => Ok(predictor),
                None => Ok(Box::new(Predictor::<T>::load(dir, device)?)),
            },
            check: |records| {
                let typed = Typed::<T>::new(records);
                (0..typed.len()).try_for_each(|index| typed.get(index).map(drop))
            },
            fit: |architecture, options, trainer, train, valid, device| {
                let entry = entry::<T>(architecture)?;
                let (train, valid) = (Typed::<T>::new(train), Typed::<T>::new(valid));
                let fitted = (entry.fit)(options, trainer, &train, &valid, device)?;
                Ok(AnyFitted { predictor: Box::new(fitted.predictor), log: fitted.log })
            },
            takes: |architecture, option| Ok((entry::<T>(architecture)?.takes)(option)?),
        }
    }

    /// Whether an architecture takes the setting `option`: a recipe refuses what it does not know
    /// before it looks at anything else. For what is costly to have, as a model of the hub.
    ///
    /// # Errors
    /// [`TrainError::UnknownArchitecture`]; [`TrainError::Config`] with the settings that there are.
    pub fn takes(&self, architecture: &str, option: &str) -> Result<(), TrainError> {
        (self.takes)(architecture, option)
    }

    /// The names of the architectures that can learn the task, the fastest first.
    pub fn architectures(&self) -> Vec<&'static str> {
        (self.architectures)()
    }

    /// What others publish and the task can use.
    pub fn published(&self) -> &'static [PublishedEntry] {
        (self.published)()
    }

    /// Reads every record once, as training and measuring will: a damaged file is found before the
    /// first step, and not at the first use.
    ///
    /// # Errors
    /// The first record that cannot be read.
    pub fn check(&self, records: &dyn Dataset<Record>) -> Result<(), DataError> {
        (self.check)(records)
    }

    /// Trains an architecture from scratch: sets it up for `train`, fits it, and chooses the best
    /// step on `valid`.
    ///
    /// # Errors
    /// [`TrainError`] names what is wrong.
    pub fn fit(
        &self,
        architecture: &str,
        options: &Value,
        trainer: &GradientTrainer,
        train: &dyn Dataset<Record>,
        valid: &dyn Dataset<Record>,
        device: &Device,
    ) -> Result<AnyFitted, TrainError> {
        (self.fit)(architecture, options, trainer, train, valid, device)
    }
}

fn entry<T: Registered>(architecture: &str) -> Result<&'static ModelEntry<T>, TrainError> {
    let mut all = T::models().iter();
    all.find(|entry| entry.architecture == architecture).ok_or_else(|| {
        let known = T::models().iter().map(|entry| entry.architecture).collect();
        TrainError::UnknownArchitecture { got: architecture.to_owned(), known }
    })
}

/// Every task known to a program.
#[derive(Default)]
pub struct Registry {
    tasks: Vec<&'static TaskEntry>,
}

impl Registry {
    /// The registry with the tasks of one more domain.
    #[must_use]
    pub fn with(mut self, tasks: &'static [TaskEntry]) -> Self {
        self.tasks.extend(tasks);
        self
    }

    /// The tasks, in the order they were added.
    pub fn tasks(&self) -> impl Iterator<Item = &'static TaskEntry> + '_ {
        self.tasks.iter().copied()
    }

    /// The task called `name`.
    ///
    /// # Errors
    /// [`BundleError::UnknownTask`] lists the known.
    pub fn task(&self, name: &str) -> Result<&'static TaskEntry, BundleError> {
        self.tasks().find(|entry| entry.name == name).ok_or_else(|| BundleError::UnknownTask {
            got: name.to_owned(),
            known: self.tasks().map(|entry| entry.name).collect(),
        })
    }

    /// Loads a bundle, whatever its task.
    ///
    /// # Errors
    /// [`BundleError`] names the file, tensor or field that cannot be used.
    pub fn load(&self, dir: &Path, device: &Device) -> Result<Box<dyn AnyPredictor>, BundleError> {
        let description = bundle::describe(dir)?;
        (self.task(&description.task)?.load)(dir, device)
    }
    /// Loads what `path` holds, by whomever it was made: a bundle, or what one of the tasks reads
    /// of others ([`Registered::published`]). `task` chooses where several tasks can use it.
    ///
    /// # Errors
    /// [`LoadError`] names the file, tensor or field that cannot be used, or what it is that
    /// nobody here loads.
    pub fn open(
        &self,
        path: &Path,
        task: Option<&str>,
        device: &Device,
    ) -> Result<Box<dyn AnyPredictor>, LoadError> {
        let asked = task.map(|name| self.task(name)).transpose()?;
        if path.join(bundle::DESCRIPTION).is_file() {
            let got = bundle::describe(path)?.task;
            if let Some(wanted) = asked.filter(|wanted| wanted.name != got) {
                let wanted = wanted.name.to_owned();
                return Err(LoadError::OtherTask { path: path.into(), got, wanted });
            }
            return Ok(self.load(path, device)?);
        }
        published::load(&Layout::read(path)?, &self.tasks, asked, device)
    }
}
