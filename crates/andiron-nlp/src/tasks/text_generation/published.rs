//! What others publish and the task reads: GGUF files, and folders of the hub with a decoder.

use super::TextGeneration;
use crate::{
    models::{gpt2::Gpt2Config, llama::LlamaConfig},
    published_decoder::{self, PublishedDecoder},
};
use andiron_core::{AnyPredictor, Fit, Layout, Predictor, PublishedEntry};
use burn::tensor::Device;
use std::{error::Error, path::PathBuf};

/// A line for each; GGUF first, for a folder with such a file alone may have a `config.json` too.
pub static PUBLISHED: &[PublishedEntry] = &[
    PublishedEntry {
        reads: &["GGUF files of llama, mistral, qwen2 and qwen3"],
        fit: |layout| gguf(layout).map(|_| Fit::Meant),
        load: |layout, device| {
            let path = gguf(layout).unwrap_or_else(|| layout.path().to_owned());
            let (task, network) = published_decoder::from_gguf(path, device)?;
            Ok(Box::new(Predictor::new(task, network, device)))
        },
        keeps: None,
    },
    folder::<Gpt2Config>(),
    folder::<LlamaConfig>(),
];

/// The GGUF file: the layout itself, or the only one in a folder without other weights.
fn gguf(layout: &Layout) -> Option<PathBuf> {
    if layout.starts_with(b"GGUF") {
        return Some(layout.path().to_owned());
    }
    let others = [".safetensors", ".bin", ".pt", ".pth", ".index.json"];
    layout.only(&[".gguf"]).filter(|_| !layout.has_any(&others))
}

const fn folder<C: PublishedDecoder>() -> PublishedEntry {
    PublishedEntry { reads: C::ARCHITECTURES, fit: fit::<C>, load: load::<C>, keeps: None }
}

fn fit<C: PublishedDecoder>(layout: &Layout) -> Option<Fit> {
    let fits = match layout.architecture() {
        Some(name) => C::ARCHITECTURES.contains(&name),
        None => layout.model_type().is_some_and(|name| C::MODEL_TYPES.contains(&name)),
    };
    fits.then_some(Fit::Meant)
}

fn load<C: PublishedDecoder>(
    layout: &Layout,
    device: &Device,
) -> Result<Box<dyn AnyPredictor>, Box<dyn Error + Send + Sync>> {
    let (task, network) = published_decoder::from_folder::<C>(layout.path(), device)?;
    Ok(Box::new(Predictor::<TextGeneration>::new(task, network, device)))
}
