//! A source in which queries, keys and values, stored in one tensor, stand apart.

use andiron_core::{
    WeightsError,
    weights::{Entry, Source},
};
use burn::tensor::TensorData;
use std::path::Path;

/// How timm calls the three together.
const WHOLE: &str = ".attn.qkv.";
/// How they are called here, in their order.
const PARTS: [&str; 3] = [".attn.query.", ".attn.key.", ".attn.value."];

/// A [`Source`] that has `attn.query.weight`, `attn.key.weight` and `attn.value.weight` where the
/// file has `attn.qkv.weight`, their rows one behind the other; the same for biases.
#[derive(Debug)]
pub(super) struct Thirds<S>(pub(super) S);

impl<S: Source> Thirds<S> {
    /// The file's name, and which third of it, for a name that stands for one.
    fn part(&self, name: &str) -> Option<(String, usize)> {
        let (at, part) = PARTS.iter().enumerate().find(|(_, part)| name.contains(*part))?;
        let whole = name.replace(part, WHOLE);
        self.0.entry(&whole)?.shape.first()?.is_multiple_of(3).then_some((whole, at))
    }
}

impl<S: Source> Source for Thirds<S> {
    fn path(&self) -> &Path {
        self.0.path()
    }

    fn names(&self) -> Vec<String> {
        let apart = |name: String| match name.contains(WHOLE) {
            true => {
                let parts: Vec<String> = PARTS.map(|part| name.replace(WHOLE, part)).to_vec();
                match parts.iter().all(|part| self.part(part).is_some()) {
                    true => parts,
                    false => vec![name],
                }
            }
            false => vec![name],
        };
        self.0.names().into_iter().flat_map(apart).collect()
    }

    fn entry(&self, name: &str) -> Option<Entry> {
        let Some((whole, _)) = self.part(name) else { return self.0.entry(name) };
        let mut entry = self.0.entry(&whole)?;
        entry.shape[0] /= 3;
        Some(entry)
    }

    fn read(&self, name: &str) -> Result<TensorData, WeightsError> {
        let Some((whole, at)) = self.part(name) else { return self.0.read(name) };
        let data = self.0.read(&whole)?;
        let mut shape = data.shape().to_vec();
        shape[0] /= 3;
        let count: usize = shape.iter().product();
        let values: Vec<f32> = data.iter::<f32>().skip(at * count).take(count).collect();
        Ok(TensorData::new(values, shape))
    }
}
