//! Files made for tests.

use safetensors::{Dtype, tensor::TensorView};
use std::path::{Path, PathBuf};

/// A tensor to be written: name, type, shape, bytes.
pub(crate) type Stored = (String, Dtype, Vec<usize>, Vec<u8>);

/// The file or folder `name` among the committed ones.
pub(crate) fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name)
}

/// `values` as a tensor of `shape` to be written.
pub(crate) fn singles(name: &str, shape: &[usize], values: &[f32]) -> Stored {
    let bytes = values.iter().flat_map(|value| value.to_le_bytes()).collect();
    (name.to_owned(), Dtype::F32, shape.to_vec(), bytes)
}

/// `tensors` as the bytes of a safetensors file.
pub(crate) fn safetensors(tensors: &[Stored]) -> Vec<u8> {
    let views = tensors.iter().map(|(name, dtype, shape, bytes)| {
        (name.as_str(), TensorView::new(*dtype, shape.clone(), bytes).unwrap())
    });
    safetensors::serialize(views, None).unwrap()
}

/// A GGUF file in the making.
#[derive(Clone)]
pub(crate) struct GgufFile {
    pub(crate) version: u32,
    pub(crate) alignment: u64,
    metadata: Vec<u8>,
    n_metadata: u64,
    tensors: Vec<u8>,
    n_tensors: u64,
    values: Vec<u8>,
}

/// A text as GGUF has it.
pub(crate) fn text(text: &str) -> Vec<u8> {
    [&(text.len() as u64).to_le_bytes()[..], text.as_bytes()].concat()
}

impl GgufFile {
    pub(crate) fn new(version: u32) -> Self {
        let (metadata, tensors, values) = (Vec::new(), Vec::new(), Vec::new());
        Self { version, alignment: 32, metadata, n_metadata: 0, tensors, n_tensors: 0, values }
    }

    /// A metadata value of the type that has the number `kind`.
    pub(crate) fn with(mut self, key: &str, kind: u32, value: &[u8]) -> Self {
        self.metadata.extend(text(key));
        self.metadata.extend(kind.to_le_bytes());
        self.metadata.extend(value);
        self.n_metadata += 1;
        self
    }

    /// A tensor of the type that has the number `kind`; `ne` in ggml's order.
    pub(crate) fn tensor(mut self, name: &str, ne: &[u64], kind: u32, bytes: &[u8]) -> Self {
        let offset = (self.values.len() as u64).next_multiple_of(self.alignment);
        self.values.resize(offset as usize, 0);
        self.values.extend(bytes);
        self.tensor_at(name, ne, kind, offset)
    }

    /// The description of a tensor at `offset`, without values.
    pub(crate) fn tensor_at(mut self, name: &str, ne: &[u64], kind: u32, offset: u64) -> Self {
        self.tensors.extend(text(name));
        self.tensors.extend((ne.len() as u32).to_le_bytes());
        self.tensors.extend(ne.iter().flat_map(|extent| extent.to_le_bytes()));
        self.tensors.extend(kind.to_le_bytes());
        self.tensors.extend(offset.to_le_bytes());
        self.n_tensors += 1;
        self
    }

    pub(crate) fn bytes(&self) -> Vec<u8> {
        let mut bytes = b"GGUF".to_vec();
        bytes.extend(self.version.to_le_bytes());
        bytes.extend(self.n_tensors.to_le_bytes());
        bytes.extend(self.n_metadata.to_le_bytes());
        bytes.extend(&self.metadata);
        bytes.extend(&self.tensors);
        bytes.resize(bytes.len().next_multiple_of(self.alignment as usize), 0);
        bytes.extend(&self.values);
        bytes
    }
}

/// A text as CTranslate2 has it.
fn string(text: &str) -> Vec<u8> {
    [&(text.len() as u16 + 1).to_le_bytes()[..], text.as_bytes(), &[0]].concat()
}

/// A variable of CTranslate2's: name, extents, number of the type, bytes.
pub(crate) type Variable<'a> = (&'a str, &'a [u32], u8, &'a [u8]);

/// CTranslate2's `model.bin` with these variables and aliases.
pub(crate) fn model_bin(
    version: u32,
    kind: &str,
    variables: &[Variable<'_>],
    aliases: &[(&str, &str)],
) -> Vec<u8> {
    let mut bytes = version.to_le_bytes().to_vec();
    bytes.extend(string(kind));
    bytes.extend(3u32.to_le_bytes());
    bytes.extend((variables.len() as u32).to_le_bytes());
    for (name, extents, kind, values) in variables {
        bytes.extend(string(name));
        bytes.push(extents.len() as u8);
        bytes.extend(extents.iter().flat_map(|extent| extent.to_le_bytes()));
        bytes.push(*kind);
        bytes.extend((values.len() as u32).to_le_bytes());
        bytes.extend(*values);
    }
    bytes.extend((aliases.len() as u32).to_le_bytes());
    for (alias, of) in aliases {
        bytes.extend(string(alias));
        bytes.extend(string(of));
    }
    bytes
}
