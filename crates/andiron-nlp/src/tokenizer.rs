//! From a text to a published model's tokens, by its `tokenizer.json`.

mod train;

pub use train::{byte_level_bpe, gpt2_bpe, unigram, word_piece};

use crate::text::Text;
use andiron_core::{ConfigError, DataError};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;
use std::{collections::BTreeSet, fmt, path::Path, path::PathBuf, sync::Arc};
use tokenizers::{Encoding, PostProcessor as _};

/// How many bytes a token has at the most on the average, so that a request of many megabytes costs
/// no time: [`MOST_BYTES`] holds where a model takes few tokens, [`BYTES_OF_MANY`] where it takes many.
const MOST_BYTES: usize = 1024;
const BYTES_OF_MANY: usize = 64;
/// A text of so many bytes costs little, however many tokens it has.
const LITTLE: usize = 1 << 20;
/// Bytes a token at which a text is first tried, and how much longer each further attempt is.
const FIRST_BYTES: usize = 8;
const LONGER: usize = 4;
/// So many tokens at the end of a part of a text may be others in the whole: a word that is cut has
/// pieces of its own.
const MARGIN: usize = 128;

/// A text of more bytes is not tokenised at all for a model that takes `limit` tokens.
pub(crate) fn most_bytes(limit: usize) -> usize {
    let many = limit.saturating_mul(BYTES_OF_MANY).max(LITTLE);
    limit.saturating_mul(MOST_BYTES).min(many)
}

/// A tokenizer that cannot be read or trained.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum TokenizerError {
    /// The file cannot be read.
    #[error("cannot read {path}")]
    Io {
        /// The file.
        path: PathBuf,
        /// The cause.
        source: std::io::Error,
    },
    /// The text is no `tokenizer.json`, or needs what is not built in.
    #[error("{name} is no tokenizer that can be used")]
    Format {
        /// The file, or where else the text is from.
        name: String,
        /// The cause.
        source: tokenizers::Error,
    },
    /// No vocabulary could be made of the texts.
    #[error("no vocabulary can be made of these texts")]
    Train {
        /// The cause.
        source: tokenizers::Error,
    },
}

impl From<TokenizerError> for DataError {
    /// A vocabulary that the training data do not give.
    fn from(source: TokenizerError) -> Self {
        Self::Unmade { what: "the vocabulary", source: Arc::new(source) }
    }
}

/// A published model's tokenizer: normalisation, words, vocabulary and special tokens.
///
/// Serialised it is the content of its `tokenizer.json`, so a task that holds one carries it into
/// the bundle. Truncation and padding written there are not used: they belong to the task.
///
/// ```
/// use andiron_nlp::{text::Text, tokenizer};
///
/// let tokenizer = tokenizer::word_piece(&["one two two", "two three"], 60)?;
/// let encoded = tokenizer.encode(&Text::from("Two, two"), 8, false)?;
/// assert_eq!(encoded.ids.len(), 5); // [CLS] two [UNK] two [SEP]
/// assert_eq!(encoded.offsets[3], (5, 8));
/// let again: tokenizer::Tokenizer = serde_json::from_str(&serde_json::to_string(&tokenizer)?)?;
/// assert_eq!(again.encode(&Text::from("Two, two"), 8, false)?, encoded);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone)]
pub struct Tokenizer {
    inner: Arc<tokenizers::Tokenizer>,
}

/// A text, or a pair of texts, as tokens.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Encoded {
    /// Token numbers, special tokens included.
    pub ids: Vec<u32>,
    /// For each token, the number of its segment.
    pub segments: Vec<u32>,
    /// For each token, which of the texts it is from (0 or 1); none for a special token.
    pub texts: Vec<Option<usize>>,
    /// For each token, where it stands in its text: from and to, in Unicode characters. `(0, 0)`
    /// for a special token.
    pub offsets: Vec<(usize, usize)>,
    /// For each token, which word of its text it is of; none for a special token.
    pub words: Vec<Option<u32>>,
    /// Whether tokens were cut off.
    pub truncated: bool,
}

impl Tokenizer {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// [`TokenizerError::Io`] and [`TokenizerError::Format`].
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, TokenizerError> {
        let path = path.as_ref();
        let bytes = std::fs::read(path)
            .map_err(|source| TokenizerError::Io { path: path.into(), source })?;
        Self::from_bytes(&bytes, &path.display().to_string())
    }

    /// Reads the content of a `tokenizer.json`; `name` is what an error calls it.
    ///
    /// # Errors
    /// [`TokenizerError::Format`].
    pub fn from_bytes(bytes: &[u8], name: &str) -> Result<Self, TokenizerError> {
        let format = |source| TokenizerError::Format { name: name.to_owned(), source };
        Self::new(tokenizers::Tokenizer::from_bytes(bytes).map_err(format)?).map_err(format)
    }

    fn new(mut inner: tokenizers::Tokenizer) -> Result<Self, tokenizers::Error> {
        inner.with_truncation(None)?;
        inner.with_padding(None);
        Ok(Self { inner: Arc::new(inner) })
    }

    /// How many rows a network's table needs: the greatest token number and one.
    pub fn n_tokens(&self) -> usize {
        self.inner.get_vocab(true).into_values().max().map_or(0, |id| id as usize + 1)
    }

    /// How many special tokens are put around a text, or around the two of a pair.
    pub fn n_special(&self, pair: bool) -> usize {
        self.inner.get_post_processor().map_or(0, |processor| processor.added_tokens(pair))
    }

    /// The number of a token, as it is written in the vocabulary.
    pub fn id(&self, token: &str) -> Option<u32> {
        self.inner.token_to_id(token)
    }

    /// The token of a number, as it is written in the vocabulary.
    pub fn token(&self, id: u32) -> Option<String> {
        self.inner.id_to_token(id)
    }

    /// The numbers of the special tokens: those that stand for no text, such as the mask.
    pub fn special(&self) -> BTreeSet<u32> {
        let added = self.inner.get_added_tokens_decoder();
        added.into_iter().filter(|(_, token)| token.special).map(|(id, _)| id).collect()
    }

    /// The tokens of a text with the special ones around it, `limit` of them at the most. A longer
    /// text is cut if `cut` or the text itself says so.
    ///
    /// # Errors
    /// [`DataError::Empty`] for a text without a token, [`DataError::TooLarge`] for one that is
    /// too long and may not be cut, [`DataError::Config`] for a limit that leaves no room.
    pub fn encode(&self, text: &Text, limit: usize, cut: bool) -> Result<Encoded, DataError> {
        self.within(&[&text.text], limit, cut || text.truncate)
    }

    /// As [`encode`](Self::encode), for two texts in one row. Where the pair is cut, tokens go from
    /// the end of the longer text.
    ///
    /// # Errors
    /// As [`encode`](Self::encode).
    pub fn encode_pair(
        &self,
        first: &str,
        second: &str,
        limit: usize,
        cut: bool,
    ) -> Result<Encoded, DataError> {
        self.within(&[first, second], limit, cut)
    }

    /// The tokens of a text of any length, with or without the special ones.
    ///
    /// # Errors
    /// [`DataError::Unusable`] for a text that this tokenizer cannot split.
    pub fn ids(&self, text: &str, special: bool) -> Result<Vec<u32>, DataError> {
        Ok(self.inner.encode_fast(text, special).map_err(unusable)?.get_ids().to_vec())
    }

    /// The text of tokens.
    ///
    /// # Errors
    /// [`DataError::Unusable`] if the tokenizer's decoder refuses them.
    pub fn decode(&self, ids: &[u32], skip_special: bool) -> Result<String, DataError> {
        self.inner.decode(ids, skip_special).map_err(unusable)
    }

    /// As much of a text as decides which tokens the first `limit` are: the rest of a long one is not
    /// looked at. A text over the limit is an error unless it may be cut.
    fn beginning<'t>(&self, text: &'t str, limit: usize, cut: bool) -> Result<&'t str, DataError> {
        let (enough, most) = (limit.saturating_add(MARGIN), most_bytes(limit));
        let part = |size: usize| &text[..text.floor_char_boundary(size)];
        let mut size = enough.saturating_mul(FIRST_BYTES);
        while size < text.len().min(most) {
            let beginning = self.inner.encode_fast(part(size), false).map_err(unusable)?;
            match beginning.len() {
                got if got < enough => size = size.saturating_mul(LONGER),
                _ if cut => return Ok(part(size)),
                got => {
                    return Err(DataError::TooLarge {
                        what: "the length of the text in tokens, of which only the first were counted,",
                        limit: limit as u64,
                        got: got as u64,
                    });
                }
            }
        }
        if text.len() > most && !cut {
            return Err(DataError::TooLarge {
                what: "the length of the text in bytes",
                limit: most as u64,
                got: text.len() as u64,
            });
        }
        Ok(part(most))
    }

    fn within(&self, texts: &[&str], limit: usize, cut: bool) -> Result<Encoded, DataError> {
        let special = self.n_special(texts.len() == 2);
        ConfigError::at_least("max_length", special + texts.len(), limit)?;
        let mut short = Vec::with_capacity(texts.len());
        for text in texts {
            short.push(self.beginning(text, limit, cut)?);
        }
        let shortened = texts.iter().zip(&short).any(|(text, short)| text.len() > short.len());
        let encoding = match short[..] {
            [first, second] => self.inner.encode_char_offsets((first, second), true),
            _ => self.inner.encode_char_offsets(short[0], true),
        };
        let encoding = encoding.map_err(unusable)?;
        let sources = encoding.get_sequence_ids();
        let mut counts = [0, 0];
        for source in sources.iter().flatten() {
            counts[*source] += 1;
        }
        if counts[..texts.len()].contains(&0) {
            return Err(DataError::Empty { what: "the text".to_owned() });
        }
        let n_tokens = sources.len();
        if n_tokens > limit && !cut {
            return Err(DataError::TooLarge {
                what: "the length of the text in tokens",
                limit: limit as u64,
                got: n_tokens as u64,
            });
        }
        let kept = match texts.len() {
            2 => kept_of_pair(counts, limit - special),
            _ => [counts[0].min(limit - special), 0],
        };
        let mut encoded = cut_to(&encoding, &sources, kept);
        encoded.truncated = shortened || encoded.ids.len() < n_tokens;
        Ok(encoded)
    }
}

/// How many tokens of each text stay, `room` in all: the longer text is cut to the other's length
/// before that one is.
fn kept_of_pair(counts: [usize; 2], room: usize) -> [usize; 2] {
    if counts[0] + counts[1] <= room {
        return counts;
    }
    let (short, long) = if counts[0] <= counts[1] { (0, 1) } else { (1, 0) };
    let mut kept = counts;
    kept[long] = room.saturating_sub(counts[short]).max(counts[short]);
    if kept[0] + kept[1] > room {
        kept[short] = room / 2;
        kept[long] = room - room / 2;
    }
    kept
}

/// The special tokens, and the first `kept` of each text.
fn cut_to(encoding: &Encoding, sources: &[Option<usize>], kept: [usize; 2]) -> Encoded {
    let mut encoded = Encoded::default();
    let mut seen = [0, 0];
    for (at, source) in sources.iter().enumerate() {
        if let Some(source) = *source {
            seen[source] += 1;
            if seen[source] > kept[source] {
                continue;
            }
        }
        encoded.ids.push(encoding.get_ids()[at]);
        encoded.segments.push(encoding.get_type_ids()[at]);
        encoded.texts.push(*source);
        encoded.offsets.push(source.map_or((0, 0), |_| encoding.get_offsets()[at]));
        encoded.words.push(source.and_then(|_| encoding.get_word_ids()[at]));
    }
    encoded
}

fn unusable(error: tokenizers::Error) -> DataError {
    DataError::Unusable { what: "the text", source: Arc::from(error) }
}

impl fmt::Debug for Tokenizer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let n_tokens = self.inner.get_vocab_size(true);
        f.debug_struct("Tokenizer").field("n_tokens", &n_tokens).finish_non_exhaustive()
    }
}

impl PartialEq for Tokenizer {
    /// Whether both are written alike.
    fn eq(&self, other: &Self) -> bool {
        let written = |tokenizer: &Self| tokenizer.inner.to_string(false).ok();
        Arc::ptr_eq(&self.inner, &other.inner) || written(self) == written(other)
    }
}

impl Serialize for Tokenizer {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.inner.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Tokenizer {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By way of a text: the reader of `tokenizers` takes no other form in every part.
        let value = Value::deserialize(deserializer)?;
        let bytes = serde_json::to_vec(&value).map_err(D::Error::custom)?;
        Self::from_bytes(&bytes, "the saved tokenizer").map_err(|error| match error {
            TokenizerError::Format { source, .. } => D::Error::custom(source),
            other => D::Error::custom(other),
        })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn tokenizer() -> Tokenizer {
        word_piece(&["one two three four five six seven", "two, three; four: é 日"], 120).unwrap()
    }

    fn words(encoded: &Encoded, tokenizer: &Tokenizer) -> Vec<String> {
        encoded.ids.iter().map(|id| tokenizer.token(*id).unwrap()).collect()
    }

    #[test]
    fn special_tokens_are_counted() {
        let tokenizer = tokenizer();
        assert_eq!((tokenizer.n_special(false), tokenizer.n_special(true)), (2, 3));
        let named = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"].map(|name| tokenizer.id(name));
        assert_eq!(tokenizer.special(), named.into_iter().flatten().collect());
        let encode = |text: &str, limit| tokenizer.encode(&text.into(), limit, false);
        assert_eq!(encode("one two three", 5).unwrap().ids.len(), 5);
        assert_eq!(
            encode("one two three", 4).unwrap_err().to_string(),
            "the length of the text in tokens is 5, which is over the limit of 4"
        );
        let refused = encode("one", 2).unwrap_err();
        assert!(matches!(refused, DataError::Config(ConfigError::TooSmall { least: 3, .. })));
    }

    #[test]
    fn a_text_is_cut_only_when_asked() {
        let tokenizer = tokenizer();
        let text = Text::from("one two three four").truncated();
        let cut = tokenizer.encode(&text, 4, false).unwrap();
        assert!(cut.truncated);
        assert_eq!(words(&cut, &tokenizer), ["[CLS]", "one", "two", "[SEP]"]);
        assert_eq!(tokenizer.encode(&"one two three four".into(), 4, true).unwrap(), cut);
        let whole = tokenizer.encode(&text, 6, false).unwrap();
        assert!(!whole.truncated);
        assert_eq!(whole.ids.len(), 6);
    }

    #[test]
    fn offsets_are_in_characters() {
        let encoded = tokenizer().encode(&"  é 日 two".into(), 20, false).unwrap();
        assert_eq!(encoded.offsets[1..4], [(2, 3), (4, 5), (6, 9)]);
        assert_eq!(encoded.offsets[0], (0, 0));
        assert_eq!(encoded.texts, [None, Some(0), Some(0), Some(0), None]);
        assert_eq!(encoded.words[1..4], [Some(0), Some(1), Some(2)]);
    }

    #[test]
    fn pairs_have_segments_and_lose_the_longer_text_first() {
        let tokenizer = tokenizer();
        let pair = |first, second, limit, cut| tokenizer.encode_pair(first, second, limit, cut);
        let whole = pair("one two", "three", 6, false).unwrap();
        assert_eq!(words(&whole, &tokenizer), ["[CLS]", "one", "two", "[SEP]", "three", "[SEP]"]);
        assert_eq!(whole.segments, [0, 0, 0, 0, 1, 1]);
        assert_eq!(whole.texts, [None, Some(0), Some(0), None, Some(1), None]);
        assert_eq!(whole.offsets[4], (0, 5));
        assert!(pair("one two", "three", 5, false).is_err());
        let cut = pair("one two three", "four", 5, true).unwrap();
        assert_eq!(words(&cut, &tokenizer), ["[CLS]", "one", "[SEP]", "four", "[SEP]"]);
        assert!(cut.truncated);
        for (counts, room, wanted) in [
            ([5, 1], 4, [3, 1]),
            ([1, 5], 4, [1, 3]),
            ([5, 6], 5, [2, 3]),
            ([6, 5], 5, [3, 2]),
            ([3, 3], 4, [2, 2]),
            ([2, 2], 9, [2, 2]),
        ] {
            assert_eq!(kept_of_pair(counts, room), wanted, "{counts:?} in {room}");
        }
    }

    #[test]
    fn nothing_is_an_error() {
        let tokenizer = tokenizer();
        for empty in ["", " \n", "\u{0}\u{200e}"] {
            let refused = tokenizer.encode(&empty.into(), 9, true).unwrap_err();
            assert_eq!(refused.to_string(), "the text is empty", "{empty:?}");
        }
        assert!(tokenizer.encode_pair("one", " ", 9, true).is_err());
    }

    #[test]
    fn a_text_of_ten_megabytes_costs_no_time() {
        let tokenizer = tokenizer();
        let long = "two ".repeat(10 << 18);
        let started = std::time::Instant::now();
        // Also for a model that takes so many tokens that ten megabytes might fit.
        for limit in [9, 32_768, 131_072] {
            let refused = tokenizer.encode(&long.as_str().into(), limit, false).unwrap_err();
            let DataError::TooLarge { limit: said, got, .. } = refused else { panic!("{refused}") };
            assert_eq!(said, limit as u64);
            assert!(got > said && got < 5 * (said + 128), "{got} tokens were counted for {limit}");
            let text = Text::from(long.clone()).truncated();
            let cut = tokenizer.encode(&text, limit, false).unwrap();
            assert!(cut.truncated && cut.ids.len() == limit);
            let pair = tokenizer.encode_pair(&long, &long, limit, true).unwrap();
            assert!(pair.truncated && pair.ids.len() == limit);
            assert!(tokenizer.encode_pair("two", &long, limit, false).is_err());
        }
        assert!(started.elapsed().as_secs() < 30, "{:?}", started.elapsed());
    }

    /// What stands in few tokens is read to its end, and what is cut begins as the whole does.
    #[test]
    fn a_long_text_of_few_tokens_is_read_whole() {
        let tokenizer = tokenizer();
        let text = format!("one{}two {} three", " ".repeat(40_000), "x".repeat(20_000));
        let encoded = tokenizer.encode(&text.as_str().into(), 64, false).unwrap();
        assert_eq!(encoded.ids.len(), 6);
        assert_eq!(encoded.offsets[4], (60_008, 60_013));
        let words = "one two three four five six seven ".repeat(900);
        let cut = tokenizer.encode(&words.as_str().into(), 300, true).unwrap();
        let whole = tokenizer.encode(&words.as_str().into(), 9000, false).unwrap();
        assert_eq!((whole.ids.len(), whole.truncated), (6302, false));
        assert_eq!(cut.ids[..299], whole.ids[..299]);
        assert_eq!(cut.offsets[..299], whole.offsets[..299]);
        // Beyond all measure is beyond it.
        let refused = tokenizer.encode(&" ".repeat(65_537).as_str().into(), 64, false).unwrap_err();
        assert!(matches!(refused, DataError::TooLarge { limit: 65_536, .. }), "{refused}");
        for (limit, most) in [(9, 9216), (512, 512 << 10), (1024, 1 << 20), (131_072, 8 << 20)] {
            assert_eq!(most_bytes(limit), most);
        }
    }

    #[test]
    fn it_survives_json_without_truncation_and_padding() {
        let mut inner = (*tokenizer().inner).clone();
        let params = tokenizers::TruncationParams { max_length: 3, ..Default::default() };
        inner.with_truncation(Some(params)).unwrap();
        inner.with_padding(Some(tokenizers::PaddingParams::default()));
        let text = inner.to_string(false).unwrap();
        let loaded = Tokenizer::from_bytes(text.as_bytes(), "test").unwrap();
        assert_eq!(loaded.encode(&"one two three".into(), 9, false).unwrap().ids.len(), 5);
        let value = serde_json::to_value(&loaded).unwrap();
        assert_eq!((&value["truncation"], &value["padding"]), (&Value::Null, &Value::Null));
        let again: Tokenizer = serde_json::from_value(value.clone()).unwrap();
        assert_eq!(serde_json::to_value(&again).unwrap(), value);
        assert!(serde_json::from_str::<Tokenizer>(r#"{"model": 3}"#).is_err());
        let refused = Tokenizer::from_bytes(b"{}", "here").unwrap_err();
        assert_eq!(refused.to_string(), "here is no tokenizer that can be used");
    }
}
