//! Parameters to safetensors, and from whatever file holds them, under the names and in the layout
//! of the model's home.

mod saved;
mod source;
mod written;

pub use source::{Entry, Source};

use crate::{Misshapen, ModelConfig, Network, WeightsError, file, hash::Hashed};
use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{Tensor, TensorData},
};
use saved::{Bytes, Saved};
use std::{
    collections::BTreeSet,
    fs::File,
    io::{self, Write},
    path::Path,
};

/// Where a walk over a module stands: names and containers from the root.
#[derive(Default)]
struct Walk(Vec<(String, String)>);

/// What a file knows of a parameter.
struct Place {
    /// Our path, in PyTorch's words.
    path: String,
    /// The name in the file.
    name: String,
    /// Whether the file holds the transpose.
    transposed: bool,
}

impl Walk {
    fn enter(&mut self, name: &str, container: &str) {
        self.0.push((name.to_owned(), container.to_owned()));
    }

    fn exit(&mut self) {
        self.0.pop();
    }

    /// The parameter that the walk stands at; `name` gives the file's name for a path.
    fn here(&self, name: &dyn Fn(&str) -> String) -> Place {
        let Self(steps) = self;
        if let [before @ .., (_, wrapper), (factor, _)] = steps.as_slice()
            && wrapper == "Reparameterization"
        {
            // A factor of LoRA, which PEFT names and stores as if it were a linear map.
            let (weight, _) = words(before);
            let of = name(&weight);
            let of = of.strip_suffix(".weight").unwrap_or(&of);
            return Place {
                name: format!("{of}.lora_{}.weight", factor.to_uppercase()),
                path: format!("{weight}.lora.{factor}"),
                transposed: true,
            };
        }
        let (path, transposed) = words(steps);
        Place { name: name(&path), path, transposed }
    }
}

/// The path in PyTorch's words, and whether PyTorch stores the transpose.
fn words(steps: &[(String, String)]) -> (String, bool) {
    let (name, owner) =
        steps.last().map(|(name, owner)| (name.as_str(), owner.as_str())).unwrap_or_default();
    let mut parts: Vec<&str> = steps.iter().map(|(name, _)| name.as_str()).collect();
    let is_norm = matches!(
        owner,
        "Struct:LayerNorm" | "Struct:BatchNorm" | "Struct:GroupNorm" | "Struct:RmsNorm"
    );
    if is_norm && let Some(last) = parts.last_mut() {
        *last = match name {
            "gamma" => "weight",
            "beta" => "bias",
            other => other,
        };
    }
    (parts.join("."), owner == "Struct:Linear" && name == "weight")
}

/// Writes the weights of `network` to `out` as a safetensors file, tensor by tensor.
///
/// # Errors
/// What writing gives.
pub(crate) fn write<C: ModelConfig>(network: &Network<C>, out: &mut dyn Write) -> io::Result<()> {
    written::write(written::collect(&network.config, &network.model), out)
}

/// SHA-256 of the file that [`save`] would write, in hexadecimal.
pub(crate) fn sha256<C: ModelConfig>(network: &Network<C>) -> String {
    let mut hashed = Hashed::new(io::sink());
    write(network, &mut hashed).expect("nothing is written");
    hashed.sha256()
}

/// The weights of `network` as the bytes of a safetensors file.
#[cfg(feature = "testing")]
pub(crate) fn to_bytes<C: ModelConfig>(network: &Network<C>) -> Vec<u8> {
    let mut bytes = Vec::new();
    write(network, &mut bytes).expect("memory takes all that is written");
    bytes
}

/// Some of the weights of `model`, which `config` describes, as the bytes of a safetensors file:
/// those to whose name in the file `rename` gives another, or the same.
pub fn some_to_bytes<C: ModelConfig>(
    config: &C,
    model: &C::Model,
    rename: impl Fn(&str) -> Option<String>,
) -> Vec<u8> {
    let all = written::collect(config, model).into_iter();
    let kept = all.filter_map(|tensor| tensor.renamed(&rename));
    let mut bytes = Vec::new();
    written::write(kept.collect(), &mut bytes).expect("memory takes all that is written");
    bytes
}

/// Writes the weights of `network` to `path`, first under a temporary name.
///
/// # Errors
/// [`WeightsError::Io`].
pub fn save<C: ModelConfig>(network: &Network<C>, path: &Path) -> Result<(), WeightsError> {
    file::write_by(path, |out| write(network, out))
        .map_err(|source| WeightsError::Io { path: path.into(), source })
}

/// Names and shapes of the tensors that [`save`] would write, in the file's names. No parameter is
/// drawn for it.
pub fn tensors<C: ModelConfig>(network: &Network<C>) -> Vec<(String, Vec<usize>)> {
    listed(network).into_iter().map(|tensor| (tensor.name, tensor.shape)).collect()
}

/// A parameter of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its path in the network, where a normalisation has a `weight` and a `bias`.
    pub path: String,
    /// Its name in the file.
    pub name: String,
    /// Its shape in the file.
    pub shape: Vec<usize>,
}

/// All parameters, in the network's order. None is drawn for it.
pub fn listed<C: ModelConfig>(network: &Network<C>) -> Vec<Listed> {
    let name = |path: &str| network.config.weight_name(path);
    let mut list = List { walk: Walk::default(), name: &name, found: Vec::new() };
    network.model.visit(&mut list);
    list.found
}

struct List<'a> {
    walk: Walk,
    name: &'a dyn Fn(&str) -> String,
    found: Vec<Listed>,
}

impl ModuleVisitor for List<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.walk.enter(name, container);
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.walk.exit();
    }
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Place { path, name, transposed } = self.walk.here(self.name);
        let mut shape = param.lazy_shape().to_vec();
        if transposed {
            shape.swap(D - 2, D - 1);
        }
        self.found.push(Listed { path, name, shape });
    }
}

/// Replaces all parameters of `network` by those in the safetensors file `path`.
///
/// # Errors
/// As [`load_from`]; [`WeightsError::Format`] and [`WeightsError::Io`] for a file that cannot be
/// read.
pub fn load<C: ModelConfig>(network: Network<C>, path: &Path) -> Result<Network<C>, WeightsError> {
    let file = File::open(path).map_err(|source| WeightsError::Io { path: path.into(), source })?;
    from_file(network, &file, path)
}

/// As [`load`], from the file `path` that was opened before.
pub(crate) fn from_file<C: ModelConfig>(
    network: Network<C>,
    file: &File,
    path: &Path,
) -> Result<Network<C>, WeightsError> {
    load_from(network, &Saved::open(Bytes::File(file), path)?)
}

/// As [`load`], from the bytes of the file `path`.
#[cfg(feature = "testing")]
pub(crate) fn from_bytes<C: ModelConfig>(
    network: Network<C>,
    bytes: &[u8],
    path: &Path,
) -> Result<Network<C>, WeightsError> {
    load_from(network, &Saved::open(Bytes::Held(bytes), path)?)
}

/// Replaces all parameters of `network` by those of `source`, tensor by tensor, so that no second
/// copy of them all is in memory.
///
/// # Errors
/// [`WeightsError::Mismatch`] lists every missing, surplus and misshapen tensor at once;
/// [`WeightsError::NotFinite`] for a tensor with NaN; what [`Source::read`] gives.
pub fn load_from<C: ModelConfig>(
    network: Network<C>,
    source: &dyn Source,
) -> Result<Network<C>, WeightsError> {
    load_around(network, source, &|_| false)
}

/// As [`load_from`], for all parameters but those whose path is `fresh`, which are neither wanted nor
/// touched; [`Network::completed`] draws them.
///
/// # Errors
/// As [`load_from`]. A tensor of `source` for a fresh parameter is surplus.
pub fn load_around<C: ModelConfig>(
    network: Network<C>,
    source: &dyn Source,
    fresh: &dyn Fn(&str) -> bool,
) -> Result<Network<C>, WeightsError> {
    let Network { config, model } = network;
    let name = |path: &str| config.weight_name(path);
    let mut apply = Apply {
        walk: Walk::default(),
        name: &name,
        fresh,
        source,
        used: BTreeSet::new(),
        missing: Vec::new(),
        misshapen: Vec::new(),
        failed: None,
    };
    let model = model.map(&mut apply);
    let Apply { used, missing, misshapen, failed, .. } = apply;
    if let Some(error) = failed {
        return Err(error);
    }
    // PyTorch counts the batches that a normalisation has seen; burn has no such tensor.
    let mut surplus: Vec<String> = source
        .names()
        .into_iter()
        .filter(|name| !used.contains(name) && !name.ends_with(".num_batches_tracked"))
        .collect();
    surplus.sort();
    if missing.is_empty() && surplus.is_empty() && misshapen.is_empty() {
        return Ok(Network { config, model });
    }
    Err(WeightsError::Mismatch { path: source.path().into(), missing, surplus, misshapen })
}

struct Apply<'a> {
    walk: Walk,
    name: &'a dyn Fn(&str) -> String,
    fresh: &'a dyn Fn(&str) -> bool,
    source: &'a dyn Source,
    used: BTreeSet<String>,
    missing: Vec<String>,
    misshapen: Vec<Misshapen>,
    failed: Option<WeightsError>,
}

impl Apply<'_> {
    /// The values of the tensor `name`, all finite; `None` after an error.
    fn values(&mut self, name: &str) -> Option<TensorData> {
        if self.failed.is_some() {
            return None;
        }
        let data = match self.source.read(name) {
            Ok(data) => data,
            Err(error) => {
                self.failed = Some(error);
                return None;
            }
        };
        if !data.iter::<f32>().all(f32::is_finite) {
            let path = self.source.path().into();
            self.failed = Some(WeightsError::NotFinite { path, name: name.to_owned() });
            return None;
        }
        Some(data)
    }
}

impl ModuleMapper for Apply<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.walk.enter(name, container);
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.walk.exit();
    }
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let Place { path, name, transposed } = self.walk.here(self.name);
        if (self.fresh)(&path) {
            return param;
        }
        let Some(entry) = self.source.entry(&name) else {
            self.missing.push(name);
            return param;
        };
        self.used.insert(name.clone());
        let mut wanted = param.lazy_shape().to_vec();
        if transposed {
            wanted.swap(D - 2, D - 1);
        }
        if wanted != entry.shape || !entry.readable {
            self.misshapen.push(Misshapen {
                name,
                wanted: format!("F32{wanted:?}"),
                got: format!("{}{:?}", entry.dtype, entry.shape),
            });
            return param;
        }
        let Some(data) = self.values(&name) else { return param };
        let device = param.lazy_device();
        let mut tensor = Tensor::<D>::from_data(data, &device);
        if transposed {
            // A transposed view would be packed anew at every use: lay it out once.
            tensor = Tensor::from_data(tensor.swap_dims(D - 2, D - 1).into_data(), &device);
        }
        let id = param.id;
        param.transform_for_load(tensor, id)
    }
}
