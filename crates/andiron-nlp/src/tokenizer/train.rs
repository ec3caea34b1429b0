//! Vocabularies made from one's own texts.

use super::{Tokenizer, TokenizerError};
use std::collections::BTreeSet;
use tokenizers::{
    AddedToken, NormalizedString, Normalizer as _, OffsetReferential, OffsetType,
    PreTokenizedString, PreTokenizer as _, Tokenizer as Inner, decoders,
    models::{
        ModelWrapper, TrainerWrapper,
        bpe::{BPE, BpeTrainer},
        unigram::{Unigram, UnigramTrainer},
        wordpiece::{WordPiece, WordPieceTrainer},
    },
    normalizers::{BertNormalizer, unicode::NFKC},
    pre_tokenizers::{
        bert::BertPreTokenizer,
        byte_level::ByteLevel,
        metaspace::{Metaspace, PrependScheme},
    },
    processors::{bert::BertProcessing, roberta::RobertaProcessing},
};

const BERT: [&str; 5] = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"];
const ROBERTA: [&str; 5] = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"];

/// Pieces of words as BERT has them, in lower case and without accents, with its special tokens;
/// `n_tokens` of them at the most, but every character of the texts in any case.
///
/// Paper: Schuster & Nakajima 2012, <https://doi.org/10.1109/ICASSP.2012.6289079>.
///
/// # Errors
/// [`TokenizerError::Train`] if the texts give no vocabulary.
pub fn word_piece<S: AsRef<str> + Sync>(
    texts: &[S],
    n_tokens: usize,
) -> Result<Tokenizer, TokenizerError> {
    let blank = WordPiece::builder().unk_token("[UNK]".to_owned()).build().map_err(failed)?;
    let mut learner = with_berts_words(blank.into())?;
    // The trainer numbers the characters inside words in the order of a hash map, which differs from
    // run to run, and the vocabulary with it; as special tokens they have an order of ours.
    let inside = inside_words(&learner, texts)?;
    let trainer = WordPieceTrainer::builder()
        .vocab_size(n_tokens)
        .min_frequency(1)
        .show_progress(false)
        .special_tokens(special(BERT).into_iter().chain(inside).collect())
        .build();
    train(&mut learner, trainer.into(), texts)?;
    let mut inner = with_berts_words(learner.get_model().clone())?;
    inner.add_special_tokens(special(BERT)).map_err(failed)?;
    let (cls, sep) = (numbered(&inner, "[CLS]"), numbered(&inner, "[SEP]"));
    inner.with_post_processor(Some(BertProcessing::new(sep, cls)));
    Tokenizer::new(inner).map_err(failed)
}

/// `model` on the words that BERT sees.
fn with_berts_words(model: ModelWrapper) -> Result<Inner, TokenizerError> {
    let mut inner = Inner::new(model);
    let normalizer = BertNormalizer::new(true, true, None, true);
    inner.with_normalizer(Some(normalizer)).map_err(failed)?;
    inner.with_pre_tokenizer(Some(BertPreTokenizer));
    inner.with_decoder(Some(decoders::wordpiece::WordPiece::default()));
    Ok(inner)
}

/// The pieces `##x` for the characters that stand inside words, in ascending order.
fn inside_words<S: AsRef<str>>(
    inner: &Inner,
    texts: &[S],
) -> Result<Vec<AddedToken>, TokenizerError> {
    let mut found = BTreeSet::new();
    for text in texts {
        let mut text = NormalizedString::from(text.as_ref());
        if let Some(normalizer) = inner.get_normalizer() {
            normalizer.normalize(&mut text).map_err(failed)?;
        }
        let mut words = PreTokenizedString::from(text);
        BertPreTokenizer.pre_tokenize(&mut words).map_err(failed)?;
        for (word, _, _) in words.get_splits(OffsetReferential::Original, OffsetType::Byte) {
            found.extend(word.chars().skip(1));
        }
    }
    Ok(found.into_iter().map(|inside| AddedToken::from(format!("##{inside}"), true)).collect())
}

/// Pairs of bytes as GPT-2 and RoBERTa have them, with RoBERTa's special tokens: any text at all
/// has tokens; `n_tokens` of them at the most, but the 256 bytes in any case.
///
/// Paper: Sennrich et al. 2016, <https://arxiv.org/abs/1508.07909>, on bytes as in Radford et al.
/// 2019.
///
/// # Errors
/// [`TokenizerError::Train`] if the texts give no vocabulary.
pub fn byte_level_bpe<S: AsRef<str> + Sync>(
    texts: &[S],
    n_tokens: usize,
) -> Result<Tokenizer, TokenizerError> {
    let mut inner = pairs_of_bytes(texts, n_tokens, 1, special(ROBERTA))?;
    let (start, end) = (numbered(&inner, "<s>"), numbered(&inner, "</s>"));
    let processor = RobertaProcessing::new(end, start).add_prefix_space(false);
    inner.with_post_processor(Some(processor));
    Tokenizer::new(inner).map_err(failed)
}

/// Pairs of bytes as GPT-2 has them: `end`, which stands behind a text, is the one special token, and
/// nothing is put around a text. `n_tokens` of them at the most, but the 256 bytes in any case; a pair
/// that occurs once is none.
///
/// # Errors
/// [`TokenizerError::Train`] if the texts give no vocabulary.
pub fn gpt2_bpe<S: AsRef<str> + Sync>(
    texts: &[S],
    n_tokens: usize,
    end: &str,
) -> Result<Tokenizer, TokenizerError> {
    let inner = pairs_of_bytes(texts, n_tokens, 2, vec![AddedToken::from(end, true)])?;
    Tokenizer::new(inner).map_err(failed)
}

/// Pairs of bytes that occur `least` times or more.
fn pairs_of_bytes<S: AsRef<str> + Sync>(
    texts: &[S],
    n_tokens: usize,
    least: u64,
    special: Vec<AddedToken>,
) -> Result<Inner, TokenizerError> {
    let trainer = BpeTrainer::builder()
        .vocab_size(n_tokens)
        .min_frequency(least)
        .show_progress(false)
        .special_tokens(special)
        .initial_alphabet(ByteLevel::alphabet().into_iter().collect())
        .build();
    let mut inner = Inner::new(BPE::default());
    inner.with_pre_tokenizer(Some(ByteLevel::default().add_prefix_space(false)));
    inner.with_decoder(Some(ByteLevel::default()));
    train(&mut inner, trainer.into(), texts)?;
    Ok(inner)
}

/// The most probable pieces of a text as T5 and XLM-R have them, with RoBERTa's special tokens;
/// `n_tokens` of them at the most. Of pieces that are equally probable the order differs from run to
/// run: keep the tokenizer that a network was trained with, as a bundle does.
///
/// Paper: Kudo 2018, <https://arxiv.org/abs/1804.10959>.
///
/// # Errors
/// [`TokenizerError::Train`] if the texts give no vocabulary.
pub fn unigram<S: AsRef<str> + Sync>(
    texts: &[S],
    n_tokens: usize,
) -> Result<Tokenizer, TokenizerError> {
    let trainer = UnigramTrainer::builder()
        .vocab_size(u32::try_from(n_tokens).unwrap_or(u32::MAX))
        .show_progress(false)
        .special_tokens(special(ROBERTA))
        .unk_token(Some("<unk>".to_owned()))
        .build()
        .map_err(|error| failed(error.into()))?;
    let mut inner = Inner::new(Unigram::default());
    let marked = Metaspace::new('▁', PrependScheme::Always, true);
    inner.with_normalizer(Some(NFKC)).map_err(failed)?;
    inner.with_pre_tokenizer(Some(marked.clone()));
    inner.with_decoder(Some(marked));
    train(&mut inner, trainer.into(), texts)?;
    let (start, end) = (numbered(&inner, "<s>"), numbered(&inner, "</s>"));
    let processor = RobertaProcessing::new(end, start).trim_offsets(false);
    inner.with_post_processor(Some(processor));
    Tokenizer::new(inner).map_err(failed)
}

fn special(tokens: [&str; 5]) -> Vec<AddedToken> {
    tokens.map(|token| AddedToken::from(token, true)).to_vec()
}

fn failed(source: tokenizers::Error) -> TokenizerError {
    TokenizerError::Train { source }
}

fn train<S: AsRef<str> + Sync>(
    inner: &mut Inner,
    mut trainer: TrainerWrapper,
    texts: &[S],
) -> Result<(), TokenizerError> {
    if texts.iter().all(|text| text.as_ref().trim().is_empty()) {
        return Err(failed("there is no text to learn from".into()));
    }
    inner.train(&mut trainer, texts.iter().map(AsRef::as_ref)).map_err(failed)?;
    Ok(())
}

/// A special token with its number, which training has given it.
fn numbered(inner: &Inner, token: &str) -> (String, u32) {
    (token.to_owned(), inner.token_to_id(token).unwrap_or(0))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const TEXTS: [&str; 4] = [
        "the house on the hill, the house by the sea",
        "houses and seas, hills and valleys",
        "The sea! The sea! 日本 été",
        "a valley between the hills",
    ];

    fn round(tokenizer: &Tokenizer, text: &str) -> String {
        let encoded = tokenizer.encode(&text.into(), 99, false).unwrap();
        tokenizer.decode(&encoded.ids, true).unwrap()
    }

    #[test]
    fn word_pieces() {
        let tokenizer = word_piece(&TEXTS, 90).unwrap();
        assert!(tokenizer.n_tokens() <= 90, "{}", tokenizer.n_tokens());
        assert_eq!((tokenizer.id("[PAD]"), tokenizer.id("[CLS]")), (Some(0), Some(2)));
        assert_eq!(round(&tokenizer, "The HOUSE, and the séa"), "the house, and the sea");
        assert_eq!(round(&tokenizer, "hillhouse"), "hillhouse");
    }

    #[test]
    fn pairs_of_bytes() {
        let tokenizer = byte_level_bpe(&TEXTS, 300).unwrap();
        assert!((262..=300).contains(&tokenizer.n_tokens()), "{}", tokenizer.n_tokens());
        for text in ["The house", "日本 été 🦀 never seen", " a  b\n"] {
            assert_eq!(round(&tokenizer, text), text);
        }
        assert!(tokenizer.id("Ġthe").is_some());
        let encoded = tokenizer.encode(&"日本 the".into(), 99, false).unwrap();
        assert_eq!(encoded.offsets[encoded.ids.len() - 2], (3, 6));
    }

    #[test]
    fn probable_pieces() {
        let tokenizer = unigram(&TEXTS, 60).unwrap();
        assert!(tokenizer.n_tokens() <= 60, "{}", tokenizer.n_tokens());
        assert_eq!(round(&tokenizer, "the house by the sea"), "the house by the sea");
        assert!(tokenizer.id("▁house").is_some());
    }

    #[test]
    fn no_text_is_refused() {
        for texts in [&[][..], &["", " \n"]] {
            assert!(word_piece(texts, 90).is_err());
            assert!(byte_level_bpe(texts, 300).is_err());
            assert!(gpt2_bpe(texts, 300, "<end>").is_err());
            assert!(unigram(texts, 60).is_err());
        }
    }

    #[test]
    fn training_twice_gives_the_same() {
        let of = || {
            let made = [word_piece(&TEXTS, 70), byte_level_bpe(&TEXTS, 290)];
            made.map(|tokenizer| serde_json::to_string(&tokenizer.unwrap()).unwrap())
        };
        let first = of();
        for _ in 0..5 {
            assert!(first == of(), "another vocabulary from the same texts");
        }
    }
}
