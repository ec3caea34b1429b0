//! Hugging Face's names for the parts of the shared layers.

/// A part of [`TextEmbeddings`](super::text_embeddings::TextEmbeddings), in every encoder.
pub(crate) fn embeddings_part(part: &str) -> &str {
    match part {
        "words" => "word_embeddings",
        "positions" => "position_embeddings",
        "segments" => "token_type_embeddings",
        "norm" => "LayerNorm",
        other => other,
    }
}

/// A part of an [`EncoderLayer`](super::encoder_layer::EncoderLayer) in BERT and its kin.
pub(crate) fn bert_layer_part(part: &str) -> &str {
    match part {
        "query" => "attention.self.query",
        "key" => "attention.self.key",
        "value" => "attention.self.value",
        "mixed" => "attention.output.dense",
        "mixed_norm" => "attention.output.LayerNorm",
        "wide" => "intermediate.dense",
        "narrow" => "output.dense",
        "narrow_norm" => "output.LayerNorm",
        other => other,
    }
}

/// The name of a whole parameter of BERT and RoBERTa, without the prefix of a head's file.
pub(crate) fn bert(path: &str) -> String {
    match path.split('.').collect::<Vec<_>>()[..] {
        ["embeddings", part, leaf] => format!("embeddings.{}.{leaf}", embeddings_part(part)),
        ["layers", at, part, leaf] => {
            format!("encoder.layer.{at}.{}.{leaf}", bert_layer_part(part))
        }
        _ => path.to_owned(),
    }
}
