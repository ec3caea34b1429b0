//! A published cross-encoder: a folder of Hugging Face's with one label.

use super::{Rerank, ScoreScale};
use crate::{
    models::{
        bert::BertConfig, distilbert::DistilBertConfig, roberta::RobertaConfig,
        sequence_classifier::SequenceClassifierConfig,
    },
    published::{
        PublishedError,
        entries::{Entry, choose, has_head},
    },
    published_head::{self, HeadBase},
};
use andiron_core::{Fit, Layout, ModelConfig, Predictor, PublishedEntry, Solve};
use burn::tensor::Device;
use serde_json::Value;
use std::path::Path;

type Load = fn(&Path, &Device) -> Result<Predictor<Rerank>, PublishedError>;

static ENTRIES: &[Entry<Load>] = &[
    Entry::of::<DistilBertConfig>(load::<DistilBertConfig>),
    Entry::of::<BertConfig>(load::<BertConfig>),
    Entry::of::<RobertaConfig>(load::<RobertaConfig>),
];

/// What others publish and the task reads.
pub static PUBLISHED: &[PublishedEntry] = &[PublishedEntry {
    reads: &[
        "BertForSequenceClassification with one label",
        "DistilBertForSequenceClassification with one label",
        "RobertaForSequenceClassification with one label",
        "XLMRobertaForSequenceClassification with one label",
        "CamembertForSequenceClassification with one label",
    ],
    fit,
    load: |layout, device| Ok(Box::new(from_folder(layout.path(), device)?)),
    keeps: None,
}];

fn fit(layout: &Layout) -> Option<Fit> {
    let has_one = layout.config().is_some_and(is_cross_encoder);
    (has_head(ENTRIES, layout, "ForSequenceClassification") && has_one).then_some(Fit::Meant)
}

/// Loads a published cross-encoder, its form told by `config.json`: a `…ForSequenceClassification`
/// with one label, which is all of its weights.
///
/// Scores are what sentence-transformers makes of the logits: themselves where `config.json` names
/// the identity, `1 / (1 + exp(−logit))` where it names the sigmoid or nothing; another function is
/// refused. A pair may be as long as the network and `tokenizer_config.json` allow.
///
/// # Errors
/// [`PublishedError`] names the file, field or tensor that cannot be used.
pub fn from_folder(
    dir: impl AsRef<Path>,
    device: &Device,
) -> Result<Predictor<Rerank>, PublishedError> {
    let dir = dir.as_ref();
    choose(ENTRIES, dir)?(dir, device)
}

fn load<E: HeadBase>(dir: &Path, device: &Device) -> Result<Predictor<Rerank>, PublishedError>
where
    Rerank: Solve<<SequenceClassifierConfig<E> as ModelConfig>::Model>,
{
    let path = dir.join("config.json");
    let fail = |source| PublishedError::Config { path: path.clone(), source };
    let base = published_head::read_base::<E>(dir)?;
    if !is_cross_encoder(&base.config) {
        let got = base.config.get("id2label").or(base.config.get("num_labels"));
        let got = got.unwrap_or(&Value::Null);
        let reason = "a cross-encoder has one label";
        return Err(PublishedError::unsupported(&path, "id2label", got, reason));
    }
    let scale = scale(&path, &base.config)?;
    let dropout = SequenceClassifierConfig::<E>::dropout_of(&base.config).map_err(fail)?;
    let config = SequenceClassifierConfig::new(base.encoder, 1).with_dropout(dropout);
    let network = published_head::load(config, dir, device)?;
    let task = Rerank::new(base.tokenizer, base.max_length).with_scale(scale);
    Ok(Predictor::new(task, network, device))
}

/// Whether a `config.json` tells of one label; transformers has two where it says nothing.
pub(super) fn is_cross_encoder(config: &Value) -> bool {
    match config.get("id2label").and_then(Value::as_object) {
        Some(labels) => labels.len() == 1,
        None => config.get("num_labels").and_then(Value::as_u64) == Some(1),
    }
}

/// What a score is; sentence-transformers has moved the field once.
fn scale(path: &Path, config: &Value) -> Result<ScoreScale, PublishedError> {
    let new = config.get("sentence_transformers").and_then(|fields| fields.get("activation_fn"));
    let old = config.get("sbert_ce_default_activation_function");
    let Some(function) = new.or(old).filter(|function| !function.is_null()) else {
        return Ok(ScoreScale::Probability);
    };
    // The module that the class lies in is not part of what it does.
    match function.as_str().and_then(|name| name.rsplit('.').next()) {
        Some("Identity") => Ok(ScoreScale::Logit),
        Some("Sigmoid") => Ok(ScoreScale::Probability),
        _ => {
            let reason = "supported are Identity and Sigmoid";
            Err(PublishedError::unsupported(path, "activation_fn", function, reason))
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_scores_are_sentence_transformers() {
        let of = |config: Value| {
            scale(Path::new("c"), &config).map_err(|error| match error {
                PublishedError::Config { source, .. } => source.to_string(),
                other => panic!("{other:?}"),
            })
        };
        assert_eq!(of(json!({})), Ok(ScoreScale::Probability));
        let named = |name: &str| json!({"sentence_transformers": {"activation_fn": name}});
        assert_eq!(of(named("torch.nn.modules.linear.Identity")), Ok(ScoreScale::Logit));
        assert_eq!(of(named("torch.nn.modules.activation.Sigmoid")), Ok(ScoreScale::Probability));
        let old = json!({"sbert_ce_default_activation_function": "torch.nn.Identity"});
        assert_eq!(of(old), Ok(ScoreScale::Logit));
        assert_eq!(
            of(named("torch.nn.Softplus")).unwrap_err(),
            "setting \"activation_fn\" cannot be \"torch.nn.Softplus\": supported are Identity and \
             Sigmoid"
        );
    }

    #[test]
    fn one_label_makes_a_cross_encoder() {
        assert!(is_cross_encoder(&json!({"id2label": {"0": "LABEL_0"}})));
        assert!(is_cross_encoder(&json!({"num_labels": 1})));
        assert!(!is_cross_encoder(&json!({})));
        assert!(!is_cross_encoder(&json!({"id2label": {"0": "no", "1": "yes"}})));
    }
}
