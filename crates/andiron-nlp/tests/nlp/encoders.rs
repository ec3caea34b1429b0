//! The published encoders against transformers; numbers by `scripts/golden/encoders.py`.

use crate::differences::furthest;
use andiron_core::{Model as _, WeightsError, device, testing};
use andiron_nlp::{
    batch::TokenBatch,
    models::{bert::BertConfig, distilbert::DistilBertConfig, roberta::RobertaConfig},
    published::{self, PublishedEncoder, PublishedError},
};
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/encoders").join(name)
}

/// The states of `texts` in one batch, text after text without the padding.
fn states<C: PublishedEncoder>(
    model: &C::Model,
    texts: &[Vec<u32>],
    segments: &[Vec<u32>],
) -> Vec<f32> {
    let hidden = model.forward(TokenBatch::of(texts, segments, &device("flex").unwrap()));
    let [batch, length, width] = hidden.dims();
    assert_eq!(batch, texts.len());
    let values: Vec<f32> = hidden.into_data().iter::<f32>().collect();
    let rows = values.chunks(length * width).zip(texts);
    rows.flat_map(|(row, text)| row[..text.len() * width].to_vec()).collect()
}

fn agrees<C: PublishedEncoder>(name: &str) {
    let case: Value =
        serde_json::from_str(&fs::read_to_string(folder(name).join("case.json")).unwrap()).unwrap();
    let texts: Vec<Vec<u32>> = serde_json::from_value(case["texts"].clone()).unwrap();
    let segments: Vec<Vec<u32>> = serde_json::from_value(case["segments"].clone()).unwrap();
    let wanted: Vec<f32> = serde_json::from_value(case["states"].clone()).unwrap();
    assert_eq!(wanted.len(), 20 * texts.iter().map(Vec::len).sum::<usize>());
    let network = published::load_network::<C>(&folder(name), &device("flex").unwrap()).unwrap();
    let together = states::<C>(&network.model, &texts, &segments);
    let alone: Vec<f32> = (0..texts.len())
        .flat_map(|at| {
            let segments = segments.get(at..=at).unwrap_or_default();
            states::<C>(&network.model, &texts[at..=at], segments)
        })
        .collect();
    let worst = furthest(&together, &wanted).max(furthest(&alone, &wanted));
    println!("{name}: off by {worst:e} at the most");
    assert!(worst <= 1e-4, "{name}: off by {worst}");
    testing::record(
        "golden",
        name,
        "hidden states of 4 texts, padded and alone, equal transformers' within 1e-4",
    );
}

#[test]
fn bert_is_transformers() {
    agrees::<BertConfig>("bert");
    agrees::<BertConfig>("bert_with_head");
}

#[test]
fn distilbert_is_transformers() {
    agrees::<DistilBertConfig>("distilbert");
}

#[test]
fn roberta_is_transformers() {
    agrees::<RobertaConfig>("roberta");
    agrees::<RobertaConfig>("xlm_roberta");
}

#[test]
fn what_is_trained_here_has_the_names_of_the_file() {
    let network =
        published::load_network::<BertConfig>(&folder("bert"), &device("flex").unwrap()).unwrap();
    let file = fs::read(folder("bert").join("model.safetensors")).unwrap();
    let file = safetensors::SafeTensors::deserialize(&file).unwrap();
    for (name, shape) in andiron_core::weights::tensors(&network) {
        assert_eq!(file.tensor(&name).unwrap().shape(), shape, "{name}");
    }
}

/// Copies a golden folder, to be spoilt.
fn copied(name: &str) -> tempfile::TempDir {
    let copy = tempfile::tempdir().unwrap();
    for file in ["config.json", "model.safetensors"] {
        fs::copy(folder(name).join(file), copy.path().join(file)).unwrap();
    }
    copy
}

fn refused(dir: &Path) -> PublishedError {
    published::load_network::<BertConfig>(dir, &device("flex").unwrap()).unwrap_err()
}

#[test]
fn a_spoilt_folder_is_refused_by_name() {
    let device = device("flex").unwrap();
    let missing = folder("nowhere");
    assert!(
        matches!(refused(&missing), PublishedError::Io { path, .. } if path.starts_with(&missing))
    );

    let copy = copied("bert");
    fs::write(copy.path().join("config.json"), "{").unwrap();
    assert!(matches!(refused(copy.path()), PublishedError::Json { .. }));

    // A network of another size: every tensor that does not fit is named.
    let copy = copied("bert");
    let path = copy.path().join("config.json");
    let mut config: Value = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
    config["num_hidden_layers"] = 3.into();
    config["vocab_size"] = 38.into();
    fs::write(&path, config.to_string()).unwrap();
    match refused(copy.path()) {
        PublishedError::Weights(WeightsError::Mismatch { missing, misshapen, .. }) => {
            assert_eq!(missing.len(), 16, "{missing:?}");
            assert_eq!(misshapen[0].name, "embeddings.word_embeddings.weight");
        }
        other => panic!("{other:?}"),
    }

    // A head that nobody expects may change what the network gives.
    let copy = copied("roberta");
    fs::copy(
        folder("bert_with_head").join("model.safetensors"),
        copy.path().join("model.safetensors"),
    )
    .unwrap();
    match published::load_network::<RobertaConfig>(copy.path(), &device).unwrap_err() {
        PublishedError::Weights(WeightsError::Mismatch { surplus, .. }) => {
            assert!(surplus.contains(&"cls.predictions.bias".to_owned()), "{surplus:?}");
        }
        other => panic!("{other:?}"),
    }

    let copy = copied("bert");
    fs::write(copy.path().join("model.safetensors"), [1, 2, 3]).unwrap();
    assert!(matches!(refused(copy.path()), PublishedError::Weights(WeightsError::Reader { .. })));
}

#[test]
fn names_of_the_first_checkpoints_are_known() {
    // Which had `gamma` and `beta` for `weight` and `bias` of a normalisation.
    let copy = copied("bert");
    let path = copy.path().join("model.safetensors");
    let bytes = fs::read(&path).unwrap();
    let file = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let old = |name: String| match name.contains("LayerNorm") {
        true => name.replace(".weight", ".gamma").replace(".bias", ".beta"),
        false => name,
    };
    let tensors: Vec<_> =
        file.tensors().into_iter().map(|(name, view)| (old(name), view)).collect();
    let renamed = safetensors::serialize(tensors, None).unwrap();
    fs::write(&path, renamed).unwrap();
    published::load_network::<BertConfig>(copy.path(), &device("flex").unwrap()).unwrap();
}
