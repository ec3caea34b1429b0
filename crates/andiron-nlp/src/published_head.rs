//! A head on a published encoder: what classifiers of texts and of tokens, of masked words and of
//! pairs have in common.
//!
//! # How a new head is added
//!
//! 1. A configuration in `models/`, generic in `E: HeadBase`, with the fields `encoder: E` and
//!    `adaptation: Adaptation` and its own. It implements [`Headed`], which names the two and tells
//!    the parameters that give the answers.
//! 2. A module with the field `encoder` (by this name [`is_head`] tells the head from the rest) and
//!    the head's layers. [`ModelConfig::init`] builds the encoder by [`encoder`], the head by
//!    itself, and ends with `self.adaptation.apply(model, is_head)`: freezing and low-rank factors
//!    follow from the configuration, so that loading, resuming and drawing by seed have them too.
//! 3. The forward pass starts with [`hidden_states`], which keeps a frozen encoder off the tape.
//! 4. [`ModelConfig::weight_name`] calls [`weight_name`] with the home's names of the head's
//!    tensors, and [`ModelConfig::home_files`] calls [`home_files`] with the home's class.
//! 5. The task's recipe has the options of [`StartOptions`], whose [`set_up`](StartOptions::set_up)
//!    gives the encoder's configuration and the tokenizer in `prepare`, and calls [`start`] in
//!    `start`: the encoder's weights are loaded, and the head is drawn where the folder holds none
//!    that fits. A folder that holds the whole network is read by [`load`].
//! 6. Low-rank factors are written and read in PEFT's layout by [`peft`].
//!
//! [`models::sequence_classifier`](crate::models::sequence_classifier) is the pattern.

mod files;
mod options;
pub mod peft;

pub use crate::layers::classifier_head::HeadActivation;
pub(crate) use files::labels;
pub use files::{encoder_files, home_files, special_tokens};
pub use options::{Start, StartOptions};

use crate::{
    batch::TokenBatch,
    published::{PublishedEncoder, PublishedError, modern, read_json, tokenizer_length},
    tokenizer::{Tokenizer, TokenizerError},
};
use andiron_core::{
    Adaptation, ConfigError, Model, ModelConfig, Network, WeightsError,
    weights::{self, Listed, Source as _},
};
use andiron_weights::{Renamed, folder::Folder};
use burn::tensor::{Device, Tensor};
use serde_json::{Map, Value};
use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
};

/// Sizes of an encoder that starts from nothing. They are small: such a network has few texts to
/// learn from.
#[derive(Debug, Clone, PartialEq)]
pub struct EncoderSizes {
    /// Width of a token's vector, a multiple of `n_heads`.
    pub d_model: usize,
    /// Heads of each attention.
    pub n_heads: usize,
    /// Layers.
    pub n_layers: usize,
    /// Width between the two linear maps of a layer.
    pub d_hidden: usize,
    /// The longest text in tokens, special tokens included.
    pub max_length: usize,
    /// Probability of dropout in training, 0 to 1.
    pub dropout: f64,
}

impl Default for EncoderSizes {
    fn default() -> Self {
        Self { d_model: 64, n_heads: 4, n_layers: 2, d_hidden: 128, max_length: 128, dropout: 0.1 }
    }
}

/// What a head needs of the encoder that it stands on.
pub trait HeadBase: PublishedEncoder {
    /// The class in transformers that reads the encoder alone.
    const ENCODER: &'static str;
    /// How the encoder's home makes a classifier of it.
    const CLASSIFIER: ClassifierForm;

    /// An encoder of `n_tokens` tokens that starts from nothing.
    fn fresh(n_tokens: usize, sizes: &EncoderSizes) -> Self;

    /// A vocabulary of the kind that the encoder's home has, of `n_tokens` tokens at the most.
    ///
    /// # Errors
    /// [`TokenizerError::Train`] if the texts give no vocabulary.
    fn vocabulary(texts: &[String], n_tokens: usize) -> Result<Tokenizer, TokenizerError>;

    /// The same encoder with another probability of dropout in training, 0 to 1.
    #[must_use]
    fn dropping(self, dropout: f64) -> Self;

    /// Whether what goes into linear maps is rounded, those of a classifier's head among them.
    fn dynamic_quantization(&self) -> bool {
        false
    }

    /// The encoder's fields of a `config.json`, `model_type` among them.
    fn to_hugging_face(&self) -> Map<String, Value>;
}

/// How an encoder's home makes a classifier of it: two linear maps on the first token's vector.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ClassifierForm {
    /// The class in transformers that reads it.
    pub class: &'static str,
    /// The name of the first map, as wide as the encoder.
    pub dense: &'static str,
    /// The name of the second map, from there to the labels.
    pub output: &'static str,
    /// The field of `config.json` that holds the probability of the head's dropout.
    pub dropout: &'static str,
    /// That probability where the field is missing and no other is the default.
    pub default_dropout: Option<f64>,
    /// The function between the maps.
    pub activation: HeadActivation,
    /// Whether there is dropout before the first map too.
    pub drops_before: bool,
}

/// The configuration of an encoder with a head.
pub trait Headed: ModelConfig {
    /// The encoder's configuration.
    type Encoder: HeadBase;

    /// The encoder's configuration.
    fn encoder(&self) -> &Self::Encoder;

    /// Which parameters are trained.
    fn adaptation(&self) -> &Adaptation;

    /// Whether the parameter at `path` belongs to the answers of one task, as the last map of a
    /// classifier does to its labels: it is drawn anew where a base was made for other answers.
    fn is_output(path: &str) -> bool;
}

/// Whether the parameter at `path` is of the head: all those outside the field `encoder`.
pub fn is_head(path: &str) -> bool {
    !path.starts_with("encoder.")
}

/// Builds the encoder; nothing is dropped in one that is frozen.
///
/// # Errors
/// [`ConfigError`] names the setting that cannot be used.
pub fn encoder<C: Headed>(
    config: &C,
    device: &Device,
) -> Result<<C::Encoder as ModelConfig>::Model, ConfigError> {
    match config.adaptation().is_frozen() {
        true => config.encoder().clone().dropping(0.0).init(device),
        false => config.encoder().init(device),
    }
}

/// The encoder's last states. Those of a frozen encoder are made off the tape: nothing is kept for a
/// gradient that nobody asks for, and the faster operations of prediction are used.
///
/// # Shapes
/// - ids, mask, segments: `[batch, length]`
/// - output: `[batch, length, d_model]`
pub fn hidden_states<M>(encoder: &M, tokens: TokenBatch, frozen: bool) -> Tensor<3>
where
    M: Model<Input = TokenBatch, Output = Tensor<3>>,
{
    if !(frozen && tokens.ids.device().is_autodiff()) {
        return encoder.forward(tokens);
    }
    let plain = TokenBatch {
        ids: tokens.ids.inner(),
        mask: tokens.mask.inner(),
        segments: tokens.segments.inner(),
    };
    Tensor::from_inner(encoder.valid().forward(plain))
}

/// The name in the weights file of the parameter at `path`: the home's for the encoder, and what
/// `head` says for the rest.
pub fn weight_name<E: HeadBase>(
    encoder: &E,
    path: &str,
    head: impl FnOnce(&str) -> String,
) -> String {
    match path.strip_prefix("encoder.") {
        Some(path) => format!("{}{}", E::PREFIX, encoder.weight_name(path)),
        None => head(path),
    }
}

/// What `prepare` takes from a base.
#[derive(Debug, Clone)]
pub struct Base<E> {
    /// The encoder's configuration.
    pub encoder: E,
    /// The tokenizer.
    pub tokenizer: Tokenizer,
    /// The longest text in tokens, special tokens included.
    pub max_length: usize,
    /// The whole `config.json`.
    pub config: Value,
}

/// Reads `config.json` and `tokenizer.json` of a published folder, and no weights.
///
/// # Errors
/// [`PublishedError`] names the file or field that cannot be used.
pub fn read_base<E: HeadBase>(dir: &Path) -> Result<Base<E>, PublishedError> {
    let path = dir.join("config.json");
    let config = read_json(&path)?;
    let got = config.get("model_type").and_then(Value::as_str).unwrap_or("missing");
    if !E::MODEL_TYPES.contains(&got) {
        let (got, known) = (got.to_owned(), E::MODEL_TYPES.to_vec());
        return Err(PublishedError::UnknownModel { path, got, known });
    }
    let encoder =
        E::from_hugging_face(&config).map_err(|source| PublishedError::Config { path, source })?;
    let path = dir.join("tokenizer.json");
    let tokenizer = Tokenizer::from_file(&path)?;
    let (known, network) = (tokenizer.n_tokens(), encoder.n_tokens());
    if known > network {
        return Err(PublishedError::Vocabulary { path, tokenizer: known, network });
    }
    let longest = encoder.max_length();
    let max_length = tokenizer_length(dir)?.map_or(longest, |length| length.min(longest));
    Ok(Base { encoder, tokenizer, max_length, config })
}

/// A network of `config` with the weights of the published folder `dir`, which holds an encoder,
/// with or without a head. What the folder holds of this head is used, its outputs only if
/// `same_answers`; the rest is drawn by `seed`. What it holds of another head is passed over.
///
/// # Errors
/// [`PublishedError`] names the file, field or tensor that cannot be used; every tensor of the
/// encoder has to be there.
pub fn start<C: Headed>(
    config: C,
    dir: &Path,
    same_answers: bool,
    seed: u64,
    device: &Device,
) -> Result<Network<C>, PublishedError> {
    let fail = |source| PublishedError::Config { path: dir.join("config.json"), source };
    let blank = Network::blank(config, device).map_err(fail)?;
    let file = File::open::<C>(dir)?;
    let listed = weights::listed(&blank);
    let is_fresh = |tensor: &Listed| {
        let others = C::is_output(&tensor.path) && !same_answers;
        let fits = || file.shape(&tensor.name).is_some_and(|shape| shape == tensor.shape);
        tensor.path.contains(".lora.") || (is_head(&tensor.path) && (others || !fits()))
    };
    let (fresh, loaded): (Vec<Listed>, Vec<Listed>) = listed.into_iter().partition(is_fresh);
    let of_fresh: BTreeSet<String> = fresh.iter().map(|tensor| tensor.path.clone()).collect();
    let fresh: BTreeSet<String> = fresh.into_iter().map(|tensor| tensor.name).collect();
    let loaded: BTreeSet<String> = loaded.into_iter().map(|tensor| tensor.name).collect();
    // What is neither loaded nor passed over is refused, by name.
    let source = file.renamed(|name| {
        let is_head = !name.starts_with(C::Encoder::PREFIX) || fresh.contains(name);
        loaded.contains(name) || !(is_head || is_surplus::<C>(name))
    })?;
    let network = weights::load_around(blank, &source, &|path| of_fresh.contains(path))?;
    network.completed(seed, device).map_err(fail)
}

/// A network of `config` from the published folder `dir`, which holds all of it.
///
/// # Errors
/// [`PublishedError`] names the file, field or tensor that cannot be used; a tensor for which there
/// is no place is refused, unless it is one of the encoder's that no classifier uses.
pub fn load<C: Headed>(
    config: C,
    dir: &Path,
    device: &Device,
) -> Result<Network<C>, PublishedError> {
    let fail = |source| PublishedError::Config { path: dir.join("config.json"), source };
    let blank = Network::blank(config, device).map_err(fail)?;
    let wanted: BTreeSet<String> =
        weights::listed(&blank).into_iter().map(|tensor| tensor.name).collect();
    let source =
        File::open::<C>(dir)?.renamed(|name| wanted.contains(name) || !is_surplus::<C>(name))?;
    Ok(weights::load_from(blank, &source)?)
}

/// Whether a tensor changes nothing that an encoder gives.
fn is_surplus<C: Headed>(name: &str) -> bool {
    let bare = name.strip_prefix(C::Encoder::PREFIX).unwrap_or(name);
    C::Encoder::SURPLUS.contains(&bare)
}

/// A published file of weights, by the names of a network with a head.
struct File {
    folder: Folder,
    /// The home's names, each with the file's own.
    names: BTreeMap<String, String>,
}

impl File {
    fn open<C: Headed>(dir: &Path) -> Result<Self, PublishedError> {
        let folder = Folder::open(dir).map_err(WeightsError::from)?;
        let prefix = C::Encoder::PREFIX;
        let own = folder.names();
        // The file of an encoder alone does without the prefix.
        let is_whole = own.iter().any(|name| name.starts_with(prefix));
        let names = own.into_iter().map(|own| {
            let name = modern(&own);
            (if is_whole { name } else { format!("{prefix}{name}") }, own)
        });
        Ok(Self { names: names.collect(), folder })
    }

    fn shape(&self, name: &str) -> Option<Vec<usize>> {
        Some(self.folder.entry(self.names.get(name)?)?.shape)
    }

    /// The tensors to be `kept`, by the home's names.
    fn renamed(self, kept: impl Fn(&str) -> bool) -> Result<Renamed<Folder>, WeightsError> {
        let home: BTreeMap<String, String> =
            self.names.into_iter().map(|(name, own)| (own, name)).collect();
        let renamed =
            Renamed::new(self.folder, |own| home.get(own).filter(|name| kept(name)).cloned());
        Ok(renamed?)
    }
}
