//! SentencePiece's pairs of pieces: the two neighbours are merged whose union has the highest score.
//!
//! Paper: Kudo & Richardson 2018, <https://arxiv.org/abs/1808.06226>.

use super::{DecoderError, Form, Specials, numbered, refused};
use andiron_weights::gguf::Gguf;
use serde_json::{Value, json};
use std::collections::HashMap;

/// `tokenizer.ggml.token_type` of a piece of text.
const NORMAL: i64 = 1;
/// Bytes of a piece that may be the union of two: every way to divide it is looked at. The longest of
/// published vocabularies have some fifty.
const LONGEST: usize = 256;
/// The sign that stands for a space.
const SPACE: &str = "▁";
/// Special tokens of the first Llama, which hold where a file does not name its own.
const UNKNOWN: u32 = 0;
const START: u32 = 1;
const END: u32 = 2;

/// What a file with `tokenizer.ggml.model` `llama` says.
pub(super) fn form(gguf: &Gguf, tokens: &[String], kinds: &[i64]) -> Result<Form, DecoderError> {
    let scores: &[f32] = gguf.get("tokenizer.ggml.scores")?;
    for (field, got) in
        [("tokenizer.ggml.scores", scores.len()), ("tokenizer.ggml.token_type", kinds.len())]
    {
        if got != tokens.len() {
            let reason = format!("there are {} tokens", tokens.len());
            return Err(refused(gguf, field, &format!("{got} numbers"), &reason));
        }
    }
    if let Some(score) = scores.iter().find(|score| score.is_nan()) {
        let reason = "a score must be a number";
        return Err(refused(gguf, "tokenizer.ggml.scores", &score.to_string(), reason));
    }
    let long = |(token, kind): &(&String, &i64)| **kind == NORMAL && token.len() > LONGEST;
    if let Some((token, _)) = tokens.iter().zip(kinds).find(long) {
        let got = format!("a piece of {} bytes", token.len());
        let reason = format!("at most {LONGEST} are supported");
        return Err(refused(gguf, "tokenizer.ggml.tokens", &got, &reason));
    }
    let unknown: Option<u32> = gguf.find("tokenizer.ggml.unknown_token_id")?;
    let unknown = tokens.get(unknown.unwrap_or(UNKNOWN) as usize);
    let model = json!({
        "type": "BPE", "dropout": null, "unk_token": unknown, "continuing_subword_prefix": null,
        "end_of_word_suffix": null, "fuse_unk": true, "byte_fallback": true,
        "ignore_merges": false, "vocab": numbered(tokens), "merges": merges(tokens, scores, kinds)
    });
    // A space in front of a text, so that its first word is like the others.
    let prefix: bool = gguf.find("tokenizer.ggml.add_space_prefix")?.unwrap_or(true);
    let replace = |from: &str, to: &str| json!({"type": "Replace", "pattern": {"String": from}, "content": to});
    let mut normalizers = vec![replace(" ", SPACE)];
    let mut decoders =
        vec![replace(SPACE, " "), json!({"type": "ByteFallback"}), json!({"type": "Fuse"})];
    if prefix {
        normalizers.insert(0, json!({"type": "Prepend", "prepend": SPACE}));
        decoders.push(json!({"type": "Strip", "content": " ", "start": 1, "stop": 0}));
    }
    Ok(Form {
        normalizer: json!({"type": "Sequence", "normalizers": normalizers}),
        pre_tokenizer: Value::Null,
        decoder: json!({"type": "Sequence", "decoders": decoders}),
        model,
        specials: Specials { start: Some(START), end: Some(END), starts: true },
    })
}

/// The pairs whose union is a piece, in the order in which they are merged: highest score first.
fn merges<'a>(tokens: &'a [String], scores: &[f32], kinds: &[i64]) -> Vec<[&'a str; 2]> {
    let pieces: HashMap<&str, f32> = tokens
        .iter()
        .zip(scores)
        .zip(kinds)
        .filter(|(_, kind)| **kind == NORMAL)
        .map(|((token, score), _)| (token.as_str(), *score))
        .collect();
    let mut found: Vec<(f32, [&str; 2])> = Vec::new();
    for token in tokens {
        let Some(score) = pieces.get(token.as_str()) else { continue };
        for (at, _) in token.char_indices().skip(1) {
            let (left, right) = token.split_at(at);
            if pieces.contains_key(left) && pieces.contains_key(right) {
                found.push((*score, [left, right]));
            }
        }
    }
    // Of one piece's pairs, the one whose left part is longest, as transformers has it.
    let length = |pair: &[&str; 2]| pair[0].len();
    found.sort_by(|a, b| b.0.total_cmp(&a.0).then(length(&b.1).cmp(&length(&a.1))));
    found.into_iter().map(|(_, pair)| pair).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_merged_by_the_score_of_their_union() {
        let tokens = ["<unk>", "▁", "a", "b", "ab", "▁ab", "▁a"].map(str::to_owned);
        let scores = [0.0, -9.0, -10.0, -11.0, -2.0, -3.0, -1.0];
        let mut kinds = [NORMAL; 7];
        kinds[0] = 2;
        let wanted = [["▁", "a"], ["a", "b"], ["▁a", "b"], ["▁", "ab"]];
        assert_eq!(merges(&tokens, &scores, &kinds), wanted);
        // A token that is no text takes part in nothing.
        kinds[4] = 3;
        assert_eq!(merges(&tokens, &scores, &kinds), [["▁", "a"], ["▁a", "b"]]);
    }
}
