//! Published networks as predictors: the same for every task that a backbone serves.

use super::{
    Base, PublishedBackbone, PublishedError, is_of, load_network, name_in, read_base, timm,
};
use andiron_core::{ConfigError, Fit, Layout, Predictor, Recipe, Registered, Solve};
use burn::tensor::Device;
use std::path::Path;

/// A task that published backbones serve.
pub trait Served: Registered {
    /// How transformers calls the classes of such networks, from the end.
    const ENDING: &'static str;
    /// Whether such a network has a head.
    const HEADED: bool;

    /// The task of a published network, and the network as the task wants it. The base was read from
    /// `path`.
    ///
    /// # Errors
    /// [`PublishedError::Config`] names what cannot be used.
    fn served<C: PublishedBackbone>(
        base: Base<C>,
        path: &Path,
    ) -> Result<(Self, C), PublishedError>;
}

/// Reads a predictor from a path, of an architecture if it is named.
type Load<T> = fn(&Path, Option<&str>, &Device) -> Result<Predictor<T>, PublishedError>;

/// A network that the task reads.
pub(crate) struct Entry<T: Served> {
    is: fn(&Layout) -> bool,
    load: Load<T>,
}

impl<T: Served> Entry<T> {
    pub(crate) const fn of<C>() -> Self
    where
        C: PublishedBackbone + Recipe<T>,
        T: Solve<C::Model>,
    {
        Self { is: is_of::<C>, load: from_path::<T, C> }
    }

    /// How well a layout fits the task, if one of the entries reads it.
    pub(crate) fn fit(all: &[Self], layout: &Layout) -> Option<Fit> {
        all.iter().any(|entry| (entry.is)(layout)).then(|| {
            let meant = match name_in(layout) {
                Some(_) => T::HEADED != timm::is_bare(layout.config()),
                None => layout.architecture().is_some_and(|class| class.ends_with(T::ENDING)),
            };
            if meant { Fit::Meant } else { Fit::Able }
        })
    }

    /// What the entry that reads the layout makes of it.
    ///
    /// # Errors
    /// [`PublishedError`] names the file, field or tensor that cannot be used.
    pub(crate) fn load(
        all: &[Self],
        layout: &Layout,
        device: &Device,
    ) -> Result<Predictor<T>, PublishedError> {
        let entry = all.iter().find(|entry| (entry.is)(layout));
        let entry = entry.expect("a layout that fits one of the entries is loaded");
        (entry.load)(layout.path(), layout.named(), device)
    }
}

/// Loads a published network for a task: a folder that says what it is, or the weights of the
/// [`Preset`](super::Preset) that goes by `name`.
///
/// # Errors
/// [`PublishedError`] names the file, field or tensor that cannot be used.
pub fn from_path<T, C>(
    path: &Path,
    name: Option<&str>,
    device: &Device,
) -> Result<Predictor<T>, PublishedError>
where
    T: Served + Solve<C::Model>,
    C: PublishedBackbone + Recipe<T>,
{
    let (task, config) = T::served(read_base::<C>(path, name)?, path)?;
    let fail = |source: ConfigError| PublishedError::Config { path: path.into(), source };
    config.fits(&task).map_err(fail)?;
    let network = load_network(config, path, device)?;
    Ok(Predictor::new(task, network, device))
}
