//! A published embedding model: a sentence-transformers folder, or an encoder's alone.

use super::{Embedding, Pooling};
use crate::{
    models::{bert::BertConfig, distilbert::DistilBertConfig, roberta::RobertaConfig},
    published::{
        self, PublishedEncoder, PublishedError,
        entries::{Entry, choose, has_encoder},
        read_json, read_json_if_any, tokenizer_length,
    },
};
use andiron_core::{Fit, Layout as Published, Predictor, PublishedEntry, Solve, Task as _, bundle};
use burn::tensor::Device;
use serde::Deserialize;
use serde_json::Value;
use std::path::{Component, Path, PathBuf};

type Load = fn(&Layout, &Device) -> Result<Predictor<Embedding>, PublishedError>;

static ENTRIES: &[Entry<Load>] = &[
    Entry::of::<BertConfig>(load::<BertConfig>),
    Entry::of::<DistilBertConfig>(load::<DistilBertConfig>),
    Entry::of::<RobertaConfig>(load::<RobertaConfig>),
];

/// What the task reads: sentence-transformers, encoders alone, and those under another head by those
/// who ask for it.
pub static PUBLISHED: &[PublishedEntry] = &[PublishedEntry {
    reads: &[
        "sentence-transformers",
        "BertModel",
        "DistilBertModel",
        "RobertaModel",
        "XLMRobertaModel",
        "CamembertModel",
    ],
    fit,
    load: |layout, device| Ok(Box::new(from_folder(layout.path(), device)?)),
    keeps: None,
}];

fn fit(layout: &Published) -> Option<Fit> {
    if layout.has("modules.json") {
        return Some(Fit::Meant);
    }
    if !has_encoder(ENTRIES, layout) {
        return None;
    }
    // `BertModel` has no head; `BertForMaskedLM` was made for something else.
    let bare = layout.architecture().is_none_or(|name| name.ends_with("Model"));
    Some(if bare { Fit::Meant } else { Fit::Able })
}

/// Loads a published embedding model, its form told by `config.json`.
///
/// Where there is a `modules.json`, the folder is one of sentence-transformers: its pooling, its
/// normalisation and its `max_seq_length` hold, and a module of another kind is refused. Without
/// one, as sentence-transformers has it too, the answer is the plain mean of the tokens' vectors.
///
/// # Errors
/// [`PublishedError`] names the file, field or tensor that cannot be used.
pub fn from_folder(
    dir: impl AsRef<Path>,
    device: &Device,
) -> Result<Predictor<Embedding>, PublishedError> {
    let layout = Layout::read(dir.as_ref())?;
    choose(ENTRIES, &layout.encoder)?(&layout, device)
}

fn load<C: PublishedEncoder>(
    layout: &Layout,
    device: &Device,
) -> Result<Predictor<Embedding>, PublishedError>
where
    Embedding: Solve<C::Model>,
{
    let (network, tokenizer) = published::load::<C>(&layout.encoder, device)?;
    let longest = network.config.max_length();
    let max_length = layout.max_length.map_or(longest, |length| length.min(longest));
    let task = Embedding {
        normalize: layout.normalize,
        dimensions: layout.dimensions,
        ..Embedding::new(tokenizer, max_length).with_pooling(layout.pooling)
    };
    Ok(Predictor::new(task, network, device))
}

/// What a folder's files say, beside the network's own.
#[derive(Debug, PartialEq)]
pub(super) struct Layout {
    /// Where the encoder lies.
    pub(super) encoder: PathBuf,
    /// Whether it says how its vectors are used: a folder of sentence-transformers, or a bundle.
    pub(super) modules: bool,
    pub(super) pooling: Pooling,
    pub(super) normalize: bool,
    /// How many numbers of a vector are kept, where a bundle says so.
    pub(super) dimensions: Option<usize>,
    pub(super) max_length: Option<usize>,
}

impl Layout {
    pub(super) fn read(dir: &Path) -> Result<Self, PublishedError> {
        let path = dir.join("modules.json");
        let mut layout = Self {
            encoder: dir.to_owned(),
            modules: false,
            pooling: Pooling::Mean,
            normalize: false,
            dimensions: None,
            max_length: None,
        };
        if let Some(modules) = read_json_if_any(&path)? {
            layout.modules = true;
            layout.read_modules(dir, &path, &modules)?;
        }
        refuse_prompt(&dir.join("config_sentence_transformers.json"))?;
        layout.max_length = max_length(&layout.encoder)?;
        if let Some(task) = saved_here(dir)? {
            // The folder is one of ours, and the other files in it are for other programs.
            layout.pooling = task.pooling;
            layout.normalize = task.normalize;
            layout.dimensions = task.dimensions;
            layout.max_length = Some(task.max_length);
            layout.modules = true;
        }
        Ok(layout)
    }

    /// The modules in their order: an encoder, a pooling, and perhaps a normalisation.
    fn read_modules(&mut self, dir: &Path, path: &Path, all: &Value) -> Result<(), PublishedError> {
        let refused =
            |got: &Value, reason: &str| Err(PublishedError::unsupported(path, "type", got, reason));
        let known = ["Transformer", "Pooling", "Normalize"];
        let modules = all.as_array().map(Vec::as_slice).unwrap_or_default();
        for (at, module) in modules.iter().enumerate() {
            let kind = module.get("type").unwrap_or(&Value::Null);
            // The modules have moved from package to package; their names have stayed.
            let name = kind.as_str().and_then(|kind| kind.rsplit('.').next()).unwrap_or_default();
            if known.get(at).copied() != Some(name) {
                let reason = "supported are Transformer, Pooling and Normalize, in this order";
                return refused(kind, reason);
            }
            let inside = module.get("path").and_then(Value::as_str).unwrap_or_default();
            let folder = Path::new(inside);
            if !folder.components().all(|part| matches!(part, Component::Normal(_))) {
                let got = Value::from(inside);
                let reason = "it leads out of the folder";
                return Err(PublishedError::unsupported(path, "path", &got, reason));
            }
            match at {
                0 => self.encoder = dir.join(folder),
                1 => self.pooling = pooling(&dir.join(folder).join("config.json"))?,
                _ => self.normalize = true,
            }
        }
        match modules.len() {
            0 | 1 => refused(all, "a Transformer and a Pooling were wanted"),
            _ => Ok(()),
        }
    }
}

/// What a bundle of this task says of itself, but for its tokenizer.
#[derive(Deserialize)]
struct Saved {
    pooling: Pooling,
    normalize: bool,
    #[serde(default)]
    dimensions: Option<usize>,
    max_length: usize,
}

fn saved_here(dir: &Path) -> Result<Option<Saved>, PublishedError> {
    let path = dir.join(bundle::DESCRIPTION);
    let Some(mut description) = read_json_if_any(&path)? else { return Ok(None) };
    if description["task"] != Embedding::NAME {
        return Ok(None);
    }
    let task = serde_json::from_value(description["preprocessing"].take());
    task.map(Some).map_err(|source| PublishedError::Json { path, source })
}

/// The pooling's one mode: `pooling_mode` in new files, a flag for each in old ones.
fn pooling(path: &Path) -> Result<Pooling, PublishedError> {
    let config = read_json(path)?;
    let mode = |name: &str| match name {
        "mean" | "pooling_mode_mean_tokens" => Some(Pooling::Mean),
        "cls" | "pooling_mode_cls_token" => Some(Pooling::Cls),
        "max" | "pooling_mode_max_tokens" => Some(Pooling::Max),
        "lasttoken" | "pooling_mode_lasttoken" => Some(Pooling::Last),
        _ => None,
    };
    let refused = |field: &str, got: &Value| {
        let reason = "supported is one of mean, cls, max and lasttoken";
        Err(PublishedError::unsupported(path, field, got, reason))
    };
    if let Some(name) = config.get("pooling_mode").filter(|name| !name.is_null()) {
        return match name.as_str().and_then(mode) {
            Some(pooling) => Ok(pooling),
            None => refused("pooling_mode", name),
        };
    }
    let mut found = None;
    for (field, value) in config.as_object().into_iter().flatten() {
        if !field.starts_with("pooling_mode_") || value == &Value::Bool(false) {
            continue;
        }
        found = match (mode(field), found) {
            (Some(pooling), None) if value == &Value::Bool(true) => Some(pooling),
            _ => return refused(field, value),
        };
    }
    found.map_or_else(|| refused("pooling_mode", &Value::Null), Ok)
}

/// A prompt before every text would change every vector.
fn refuse_prompt(path: &Path) -> Result<(), PublishedError> {
    let config = read_json_if_any(path)?.unwrap_or_default();
    match config.get("default_prompt_name") {
        None | Some(Value::Null) => Ok(()),
        Some(name) => {
            let reason = "a prompt before every text is not supported";
            Err(PublishedError::unsupported(path, "default_prompt_name", name, reason))
        }
    }
}

/// The longest text in tokens: what sentence-transformers was told, or else what the tokenizer was
/// made for.
fn max_length(dir: &Path) -> Result<Option<usize>, PublishedError> {
    let path = dir.join("sentence_bert_config.json");
    let told = read_json_if_any(&path)?.unwrap_or_default();
    if let Some(lower @ Value::Bool(true)) = told.get("do_lower_case") {
        let reason = "lower case outside the tokenizer is not supported";
        return Err(PublishedError::unsupported(&path, "do_lower_case", lower, reason));
    }
    match told.get("max_seq_length") {
        None | Some(Value::Null) => {}
        Some(length) => {
            return match length.as_u64().and_then(|length| usize::try_from(length).ok()) {
                Some(length) if length > 0 => Ok(Some(length)),
                _ => {
                    let reason = "a length of 1 or more was wanted";
                    Err(PublishedError::unsupported(&path, "max_seq_length", length, reason))
                }
            };
        }
    }
    tokenizer_length(dir)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{text::Text, tokenizer::word_piece};
    use serde_json::json;
    use std::fs;

    /// A tiny BERT of 20 numbers a token, with these files beside it.
    fn folder(files: &[(&str, Value)]) -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let golden = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden/encoders/bert");
        for file in ["config.json", "model.safetensors"] {
            fs::copy(golden.join(file), folder.path().join(file)).unwrap();
        }
        let tokenizer = word_piece(&["abc bca cab ab"], 37).unwrap();
        let json = serde_json::to_string(&tokenizer).unwrap();
        fs::write(folder.path().join("tokenizer.json"), json).unwrap();
        for (file, content) in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, content.to_string()).unwrap();
        }
        folder
    }

    fn modules(kinds: &[(&str, &str)]) -> Value {
        let module = |(kind, path): &(&str, &str)| json!({"type": kind, "path": path});
        kinds.iter().map(module).collect()
    }

    const THREE: [(&str, &str); 3] = [
        ("sentence_transformers.models.Transformer", ""),
        ("sentence_transformers.models.Pooling", "1_Pooling"),
        ("sentence_transformers.models.Normalize", "2_Normalize"),
    ];

    fn load(files: &[(&str, Value)]) -> Result<Predictor<Embedding>, PublishedError> {
        from_folder(folder(files).path(), &Device::flex())
    }

    /// The error and its causes.
    fn said(files: &[(&str, Value)]) -> String {
        let error = load(files).unwrap_err();
        let cause = std::error::Error::source(&error).map(ToString::to_string);
        format!("{error}: {}", cause.unwrap_or_default())
    }

    #[test]
    fn a_folder_of_sentence_transformers_says_how_it_is_used() {
        let old = json!({"word_embedding_dimension": 20, "pooling_mode_cls_token": true,
            "pooling_mode_mean_tokens": false, "pooling_mode_max_tokens": false});
        let new = json!({"pooling_mode": "cls", "include_prompt": true});
        for pooling in [old, new] {
            let predictor = load(&[
                ("modules.json", modules(&THREE)),
                ("1_Pooling/config.json", pooling),
                ("sentence_bert_config.json", json!({"max_seq_length": 7})),
            ])
            .unwrap();
            let task = predictor.task();
            assert_eq!((task.pooling, task.normalize, task.max_length), (Pooling::Cls, true, 7));
            let answer = &predictor.predict(&[Text::from("abc ab")]).unwrap()[0];
            let squares: f32 = answer.embedding.iter().map(|x| x * x).sum();
            assert!((squares - 1.0).abs() < 1e-5 && answer.embedding.len() == 20);
        }
    }

    #[test]
    fn an_encoder_alone_gives_the_plain_mean() {
        let task = load(&[]).unwrap().task().clone();
        assert_eq!((task.pooling, task.normalize, task.max_length), (Pooling::Mean, false, 13));
        // What the tokenizer was made for, but no more than the network takes.
        for (said, wanted) in [(json!(9), 9), (json!(512), 13), (json!(1e30), 13)] {
            let file = ("tokenizer_config.json", json!({"model_max_length": said}));
            assert_eq!(load(&[file]).unwrap().task().max_length, wanted);
        }
    }

    #[test]
    fn a_bundle_says_how_many_numbers_it_gives() {
        let (device, text) = (Device::flex(), [Text::from("abc ab")]);
        let whole = load(&[]).unwrap();
        let network = whole.network::<BertConfig>().unwrap().clone();
        let cut = Predictor::new(whole.task().clone().with_dimensions(5), network, &device);
        let folder = tempfile::tempdir().unwrap();
        for (saved, wanted) in [(&whole, 20_usize), (&cut, 5)] {
            let dir = folder.path().join(wanted.to_string());
            saved.save(&dir).unwrap();
            let answers = from_folder(&dir, &device).unwrap().predict(&text).unwrap();
            assert_eq!(answers[0].embedding.len(), wanted);
            assert_eq!(answers, saved.predict(&text).unwrap());
        }
    }

    #[test]
    fn what_is_not_supported_is_refused_by_name() {
        let mean = ("1_Pooling/config.json", json!({"pooling_mode_mean_tokens": true}));
        let pooled = |config: Value| {
            said(&[("modules.json", modules(&THREE)), ("1_Pooling/config.json", config)])
        };
        for kinds in [
            &[THREE[0], THREE[1], ("sentence_transformers.models.Dense", "2_Dense")][..],
            &[THREE[0], THREE[2], THREE[1]],
            &[THREE[0], THREE[1], THREE[2], THREE[2]],
            &[("sentence_transformers.models.StaticEmbedding", ""), THREE[1]],
            &[THREE[0]],
            &[],
        ] {
            let said = said(&[("modules.json", modules(kinds)), mean.clone()]);
            assert!(said.contains("modules.json") && said.contains("\"type\""), "{said}");
        }
        for path in ["../1_Pooling", "/etc"] {
            let said = said(&[("modules.json", modules(&[THREE[0], (THREE[1].0, path)]))]);
            assert!(said.contains("it leads out of the folder"), "{said}");
        }
        for (config, field) in [
            (json!({"pooling_mode_weightedmean_tokens": true}), "pooling_mode_weightedmean_tokens"),
            (json!({"pooling_mode": "weightedmean"}), "pooling_mode"),
            (json!({"pooling_mode": ["mean", "max"]}), "pooling_mode"),
            (
                json!({"pooling_mode_cls_token": true, "pooling_mode_max_tokens": true}),
                "pooling_mode_max_tokens",
            ),
            (json!({}), "pooling_mode"),
        ] {
            let said = pooled(config);
            assert!(said.contains(&format!("setting \"{field}\" cannot be ")), "{said}");
        }
        for (file, config, field) in [
            ("sentence_bert_config.json", json!({"max_seq_length": 0}), "max_seq_length"),
            ("sentence_bert_config.json", json!({"do_lower_case": true}), "do_lower_case"),
            (
                "config_sentence_transformers.json",
                json!({"default_prompt_name": "query"}),
                "default_prompt_name",
            ),
        ] {
            let said = said(&[(file, config)]);
            assert!(said.contains(file) && said.contains(field), "{said}");
        }
    }

    #[test]
    fn a_folder_that_does_not_hold_together_is_refused() {
        let config = json!({"model_type": "mpnet"});
        let refused = load(&[("config.json", config)]).unwrap_err().to_string();
        assert!(refused.contains("model type \"mpnet\"; known are [\"bert\", "), "{refused}");

        let tokenizer = serde_json::to_value(word_piece(&["a b c d e f g"], 60).unwrap()).unwrap();
        let mut many = tokenizer;
        many["model"]["vocab"]["zz"] = json!(37);
        let refused = load(&[("tokenizer.json", many)]).unwrap_err().to_string();
        assert!(refused.ends_with("has 38 tokens, but the network knows 37 only"), "{refused}");

        let missing = folder(&[]);
        fs::remove_file(missing.path().join("tokenizer.json")).unwrap();
        let refused = from_folder(missing.path(), &Device::flex()).unwrap_err();
        assert!(matches!(refused, PublishedError::Tokenizer(_)), "{refused:?}");
    }
}
