//! From a network to a safetensors file, with the values of one tensor in memory at a time.

use super::{Place, Walk};
use crate::ModelConfig;
use burn::{
    module::{Module, ModuleVisitor, Param},
    tensor::{DType, Tensor, TensorData},
};
use safetensors::{
    Dtype,
    tensor::{Metadata, TensorInfo},
};
use std::io::{self, Write};

/// Bytes of a number, and what the length of the header is a multiple of.
const NUMBER: usize = 4;
const ALIGNMENT: usize = 8;

/// A tensor of a network as it stands in a file.
pub(super) struct Stored {
    name: String,
    shape: Vec<usize>,
    /// Its values, in the file's order; they are laid out when this is called.
    values: Box<dyn Fn() -> TensorData>,
}

impl Stored {
    /// The same tensor under the name that `rename` gives; none where it gives none.
    pub(super) fn renamed(self, rename: impl Fn(&str) -> Option<String>) -> Option<Self> {
        rename(&self.name).map(|name| Self { name, ..self })
    }
}

struct Collect<'a> {
    walk: Walk,
    name: &'a dyn Fn(&str) -> String,
    found: Vec<Stored>,
}

impl ModuleVisitor for Collect<'_> {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.walk.enter(name, container);
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.walk.exit();
    }
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Place { name, transposed, .. } = self.walk.here(self.name);
        let mut tensor = param.transform_for_save().val();
        if transposed {
            tensor = tensor.swap_dims(D - 2, D - 1);
        }
        let shape = tensor.dims().to_vec();
        // The tensor shares the network's numbers until they are asked for.
        let values = Box::new(move || tensor.clone().into_data().convert_dtype(DType::F32));
        self.found.push(Stored { name, shape, values });
    }
}

/// The tensors of `model`, which `config` describes, in the network's order.
pub(super) fn collect<C: ModelConfig>(config: &C, model: &C::Model) -> Vec<Stored> {
    let name = |path: &str| config.weight_name(path);
    let mut collect = Collect { walk: Walk::default(), name: &name, found: Vec::new() };
    model.visit(&mut collect);
    collect.found
}

/// Writes a safetensors file of `tensors` to `out`, in the order of their names, as `safetensors`
/// itself does.
///
/// # Errors
/// What writing gives.
pub(super) fn write(mut tensors: Vec<Stored>, out: &mut dyn Write) -> io::Result<()> {
    tensors.sort_by(|a, b| a.name.cmp(&b.name));
    let mut end = 0;
    let infos = tensors.iter().map(|tensor| {
        let begin = end;
        end += tensor.shape.iter().product::<usize>() * NUMBER;
        let shape = tensor.shape.clone();
        let info = TensorInfo { dtype: Dtype::F32, shape, data_offsets: (begin, end) };
        (tensor.name.clone(), info)
    });
    let metadata =
        Metadata::new(None, infos.collect()).expect("each tensor begins where the last one ends");
    let mut header = serde_json::to_vec(&metadata).expect("names and shapes are plain data");
    header.resize(header.len().next_multiple_of(ALIGNMENT), b' ');
    out.write_all(&(header.len() as u64).to_le_bytes())?;
    out.write_all(&header)?;
    for tensor in tensors {
        out.write_all((tensor.values)().as_bytes())?;
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use safetensors::SafeTensors;

    #[test]
    fn a_file_is_to_the_byte_what_safetensors_writes() {
        let bytes = crate::testing::fuzz::some_weights();
        let tensors = SafeTensors::deserialize(&bytes).unwrap().tensors();
        assert_eq!(tensors.len(), 2);
        assert_eq!(safetensors::serialize(tensors, None).unwrap(), bytes);
    }
}
