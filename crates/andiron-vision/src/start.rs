//! Where a training of a network for images starts from: what the recipes of several tasks take.

use crate::{
    backbone::BackboneConfig,
    published::{self, Base, Preset, PublishedBackbone},
};
use andiron_core::{Adaptation, BaseModel, ConfigError, DataError};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Where a training starts from; a field left out has its default.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct StartOptions {
    /// The folder or the file with published weights to start from; none starts from nothing.
    pub base: Option<BaseModel>,
    /// The name of the network, as in [`Preset::names`](crate::published::Preset::names): to be said
    /// where the base does not say it, and for a network of that size that starts from nothing.
    pub preset: Option<String>,
    /// Which parameters are trained; default all.
    pub adaptation: Adaptation,
}

/// The base that the options of a recipe name, which its preparation has checked.
pub(crate) fn base_of(options: &Value) -> Option<BaseModel> {
    serde_json::from_value(options.get("base")?.clone()).ok()
}

/// A setting that something else decides.
fn decided(field: &str, got: &str, reason: &str) -> ConfigError {
    let (field, got) = (field.to_owned(), got.to_owned());
    ConfigError::Kind { field, got, reason: reason.to_owned() }
}

impl StartOptions {
    /// Whether the network is a published one, or has the sizes of one.
    pub(crate) fn is_given(&self) -> bool {
        self.base.is_some() || self.preset.is_some()
    }

    /// Refuses a setting that a base or preset decides, unless it is `absent`.
    pub(crate) fn alone(&self, field: &str, absent: bool) -> Result<(), ConfigError> {
        let reason = "the base or preset decides it";
        if absent { Ok(()) } else { Err(decided(field, "given", reason)) }
    }

    /// The network with what is trained of it.
    pub(crate) fn adapt<C: BackboneConfig>(&self, config: C) -> C {
        let ends = config.ends().clone().with_adaptation(self.adaptation.clone());
        config.with_ends(ends)
    }

    /// What is known of the base, if one is given. It decides how images become numbers, so none of
    /// those settings may be `given`.
    pub(crate) fn based<C: PublishedBackbone, const N: usize>(
        &self,
        given: [(&str, bool); N],
    ) -> Result<Option<Base<C>>, DataError> {
        let Some(from) = &self.base else { return Ok(None) };
        for (field, is_given) in given {
            self.alone(field, !is_given)?;
        }
        let base = published::read_base::<C>(&from.folder, self.preset.as_deref());
        Ok(Some(base.map_err(|source| from.unread(source))?))
    }

    /// The network that the preset names, without weights.
    pub(crate) fn sized<C: PublishedBackbone>(&self) -> Result<C, ConfigError> {
        let name = self.preset.as_deref().unwrap_or_default();
        let preset = Preset::<C>::find(name).ok_or_else(|| {
            let known: Vec<&str> = C::PRESETS.iter().map(|preset| preset.names[0]).collect();
            decided("preset", &format!("{name:?}"), &format!("known are {known:?}"))
        })?;
        Ok((preset.config)())
    }
}
