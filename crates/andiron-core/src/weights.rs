//! Parameters to and from safetensors, under the names and the layout of the model's home.

use crate::{Misshapen, ModelConfig, Network, WeightsError};
use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{DType, Tensor, TensorData},
};
use safetensors::{Dtype, SafeTensors, tensor::TensorView};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
};

/// Where a walk over a module stands: names and containers from the root.
#[derive(Default)]
struct Walk(Vec<(String, String)>);

impl Walk {
    fn enter(&mut self, name: &str, container: &str) {
        self.0.push((name.to_owned(), container.to_owned()));
    }

    fn exit(&mut self) {
        self.0.pop();
    }

    /// The path in PyTorch's words, and whether PyTorch stores the transpose.
    fn here(&self) -> (String, bool) {
        let (name, owner) =
            self.0.last().map(|(name, owner)| (name.as_str(), owner.as_str())).unwrap_or_default();
        let mut parts: Vec<&str> = self.0.iter().map(|(name, _)| name.as_str()).collect();
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
}

/// Tensors of a network as they stand in a file: name, shape, little-endian `f32` bytes.
struct Collect<'a> {
    walk: Walk,
    name: &'a dyn Fn(&str) -> String,
    found: Vec<(String, Vec<usize>, Vec<u8>)>,
}

impl ModuleVisitor for Collect<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.walk.enter(name, container);
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.walk.exit();
    }
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let (path, transposed) = self.walk.here();
        let mut tensor = param.transform_for_save().val();
        if transposed {
            tensor = tensor.swap_dims(D - 2, D - 1);
        }
        let data = tensor.into_data().convert_dtype(DType::F32);
        self.found.push(((self.name)(&path), data.shape().to_vec(), data.as_bytes().to_vec()));
    }
}

fn collect<C: ModelConfig>(network: &Network<C>) -> Vec<(String, Vec<usize>, Vec<u8>)> {
    let name = |path: &str| network.config.weight_name(path);
    let mut collect = Collect { walk: Walk::default(), name: &name, found: Vec::new() };
    network.model.visit(&mut collect);
    collect.found
}

/// The weights of `network` as the bytes of a safetensors file.
pub(crate) fn to_bytes<C: ModelConfig>(network: &Network<C>) -> Vec<u8> {
    let tensors = collect(network);
    let views: Vec<(&str, TensorView<'_>)> = tensors
        .iter()
        .map(|(name, shape, bytes)| {
            let view = TensorView::new(Dtype::F32, shape.clone(), bytes)
                .expect("the bytes come from a tensor of this shape");
            (name.as_str(), view)
        })
        .collect();
    safetensors::serialize(views, None).expect("names and shapes are plain data")
}

/// Writes the weights of `network` to `path`, first under a temporary name.
///
/// # Errors
/// [`WeightsError::Io`].
pub fn save<C: ModelConfig>(network: &Network<C>, path: &Path) -> Result<(), WeightsError> {
    crate::file::write(path, &to_bytes(network))
        .map_err(|source| WeightsError::Io { path: path.into(), source })
}

/// Names and shapes of the tensors that [`save`] would write, in the file's names.
pub fn tensors<C: ModelConfig>(network: &Network<C>) -> Vec<(String, Vec<usize>)> {
    collect(network).into_iter().map(|(name, shape, _)| (name, shape)).collect()
}

/// Replaces all parameters of `network` by those in the file.
///
/// # Errors
/// [`WeightsError::Mismatch`] lists every missing, surplus and misshapen tensor at once;
/// [`WeightsError::NotFinite`] for a tensor with NaN; [`WeightsError::Format`] and
/// [`WeightsError::Io`] for a file that cannot be read.
pub fn load<C: ModelConfig>(network: Network<C>, path: &Path) -> Result<Network<C>, WeightsError> {
    let bytes =
        std::fs::read(path).map_err(|source| WeightsError::Io { path: path.into(), source })?;
    from_bytes(network, &bytes, path)
}

/// As [`load`], from the bytes of the file `path`.
pub(crate) fn from_bytes<C: ModelConfig>(
    network: Network<C>,
    bytes: &[u8],
    path: &Path,
) -> Result<Network<C>, WeightsError> {
    let file = SafeTensors::deserialize(bytes)
        .map_err(|source| WeightsError::Format { path: path.into(), source })?;
    let names: BTreeSet<String> = file.names().into_iter().map(str::to_owned).collect();
    let Network { config, model } = network;
    let name = |path: &str| config.weight_name(path);
    let mut apply = Apply {
        walk: Walk::default(),
        name: &name,
        file,
        used: BTreeSet::new(),
        missing: Vec::new(),
        misshapen: Vec::new(),
        not_finite: None,
    };
    let model = model.map(&mut apply);
    let Apply { used, missing, misshapen, not_finite, .. } = apply;
    let path: PathBuf = path.into();
    if let Some(name) = not_finite {
        return Err(WeightsError::NotFinite { path, name });
    }
    // PyTorch counts the batches that a normalisation has seen; burn has no such tensor.
    let surplus: Vec<String> = names
        .into_iter()
        .filter(|name| !used.contains(name) && !name.ends_with(".num_batches_tracked"))
        .collect();
    if missing.is_empty() && surplus.is_empty() && misshapen.is_empty() {
        return Ok(Network { config, model });
    }
    Err(WeightsError::Mismatch { path, missing, surplus, misshapen })
}

struct Apply<'a> {
    walk: Walk,
    name: &'a dyn Fn(&str) -> String,
    file: SafeTensors<'a>,
    used: BTreeSet<String>,
    missing: Vec<String>,
    misshapen: Vec<Misshapen>,
    not_finite: Option<String>,
}

impl ModuleMapper for Apply<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.walk.enter(name, container);
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.walk.exit();
    }
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let (path, transposed) = self.walk.here();
        let name = (self.name)(&path);
        let Ok(view) = self.file.tensor(&name) else {
            self.missing.push(name);
            return param;
        };
        self.used.insert(name.clone());
        let mut wanted = param.lazy_shape().to_vec();
        if transposed {
            wanted.swap(D - 2, D - 1);
        }
        if wanted != view.shape() || view.dtype() != Dtype::F32 {
            self.misshapen.push(Misshapen {
                name,
                wanted: format!("F32{wanted:?}"),
                got: format!("{:?}{:?}", view.dtype(), view.shape()),
            });
            return param;
        }
        let values: Vec<f32> = view
            .data()
            .chunks_exact(4)
            .map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
            .collect();
        if values.iter().any(|value| !value.is_finite()) {
            self.not_finite.get_or_insert(name);
            return param;
        }
        let device = param.lazy_device();
        let mut tensor = Tensor::<D>::from_data(TensorData::new(values, view.shape()), &device);
        if transposed {
            // A transposed view would be packed anew at every use: lay it out once.
            tensor = Tensor::from_data(tensor.swap_dims(D - 2, D - 1).into_data(), &device);
        }
        let id = param.id;
        param.transform_for_load(tensor, id)
    }
}
