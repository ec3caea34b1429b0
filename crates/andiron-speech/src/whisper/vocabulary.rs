//! Whisper's vocabulary: pieces of text, and tokens that say what to do and when.

use andiron_core::{ConfigError, DataError};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use serde_json::Value;
use std::{collections::BTreeMap, fmt, path::Path, path::PathBuf, sync::Arc};
use tokenizers::Tokenizer;

/// A file that is no vocabulary of Whisper's.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum VocabularyError {
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
    /// A token is missing that Whisper cannot do without.
    #[error("{name} has no token {token:?}, which Whisper needs")]
    Missing {
        /// The file, or where else the text is from.
        name: String,
        /// The token.
        token: &'static str,
    },
}

/// The tokens that are no text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Marks {
    /// Ends a transcript; all numbers below it are text.
    pub end: u32,
    /// Begins one.
    pub start: u32,
    /// The languages by their codes; none in a vocabulary of one language.
    pub languages: BTreeMap<String, u32>,
    /// Asks for English, whatever is spoken.
    pub translate: Option<u32>,
    /// Asks for the words that are spoken.
    pub transcribe: Option<u32>,
    /// Begins a text without sound; nothing here uses it.
    pub language_model: Option<u32>,
    /// Stands before what was said earlier.
    pub previous: Option<u32>,
    /// Its probability as the first token is that of silence.
    pub no_speech: Option<u32>,
    /// Asks for text without times.
    pub no_timestamps: u32,
    /// The mark of 0 seconds; those of later times follow, every fiftieth of a second.
    pub timestamps: u32,
}

impl Marks {
    /// Checks that a network that knows `n_tokens` tokens knows every mark but those of time, of which
    /// it need not write any.
    ///
    /// # Errors
    /// [`ConfigError::Kind`] names the mark.
    pub fn fit(&self, n_tokens: usize) -> Result<(), ConfigError> {
        let always = [(END, self.end), (START, self.start), (NO_TIMESTAMPS, self.no_timestamps)];
        let some = [
            (TRANSLATE, self.translate),
            (TRANSCRIBE, self.transcribe),
            (LANGUAGE_MODEL, self.language_model),
            (PREVIOUS, self.previous),
            ("<|nospeech|>", self.no_speech),
        ];
        let some = some.into_iter().filter_map(|(name, id)| Some((name, id?)));
        let marks = always.into_iter().chain(some);
        let marks = marks.chain(self.languages.iter().map(|(code, id)| (code.as_str(), *id)));
        for (name, id) in marks {
            if id as usize >= n_tokens {
                return Err(ConfigError::Kind {
                    field: format!("the mark {name}"),
                    got: format!("token {id}"),
                    reason: format!("the network knows {n_tokens} tokens"),
                });
            }
        }
        Ok(())
    }
}

/// A published Whisper's tokenizer, or one of bytes.
///
/// Serialised it is the content of its `tokenizer.json`, so a task that holds one carries it into the
/// bundle.
///
/// ```
/// use andiron_speech::whisper::Vocabulary;
///
/// let vocabulary = Vocabulary::of_bytes();
/// let ids = vocabulary.ids(" né")?;
/// assert_eq!(ids.len(), 4);
/// assert_eq!(vocabulary.text(&ids)?, " né");
/// assert_eq!(vocabulary.n_tokens(), vocabulary.marks().timestamps as usize);
/// # Ok::<(), andiron_core::DataError>(())
/// ```
#[derive(Clone)]
pub struct Vocabulary {
    inner: Arc<Tokenizer>,
    marks: Arc<Marks>,
}

const END: &str = "<|endoftext|>";
const START: &str = "<|startoftranscript|>";
const TRANSLATE: &str = "<|translate|>";
const TRANSCRIBE: &str = "<|transcribe|>";
const NO_TIMESTAMPS: &str = "<|notimestamps|>";
const PREVIOUS: &str = "<|startofprev|>";
const LANGUAGE_MODEL: &str = "<|startoflm|>";

impl Vocabulary {
    /// Reads a `tokenizer.json`.
    ///
    /// # Errors
    /// [`VocabularyError`].
    pub fn from_file(path: impl AsRef<Path>) -> Result<Self, VocabularyError> {
        let path = path.as_ref();
        let bytes = std::fs::read(path)
            .map_err(|source| VocabularyError::Io { path: path.into(), source })?;
        Self::from_bytes(&bytes, &path.display().to_string())
    }

    /// Reads the content of a `tokenizer.json`; `name` is what an error calls it.
    ///
    /// # Errors
    /// [`VocabularyError::Format`] and [`VocabularyError::Missing`].
    pub fn from_bytes(bytes: &[u8], name: &str) -> Result<Self, VocabularyError> {
        let format = |source| VocabularyError::Format { name: name.to_owned(), source };
        Self::new(Tokenizer::from_bytes(bytes).map_err(format)?, name)
    }

    fn new(mut inner: Tokenizer, name: &str) -> Result<Self, VocabularyError> {
        let format = |source| VocabularyError::Format { name: name.to_owned(), source };
        inner.with_truncation(None).map_err(format)?;
        inner.with_padding(None);
        let token = |token: &'static str| {
            let missing = || VocabularyError::Missing { name: name.to_owned(), token };
            inner.token_to_id(token).ok_or_else(missing)
        };
        let [end, start, no_timestamps] = [token(END)?, token(START)?, token(NO_TIMESTAMPS)?];
        let [translate, transcribe] = [TRANSLATE, TRANSCRIBE].map(|name| inner.token_to_id(name));
        let [language_model, previous] =
            [LANGUAGE_MODEL, PREVIOUS].map(|name| inner.token_to_id(name));
        // The first published vocabularies call it otherwise.
        let mut silence = ["<|nospeech|>", "<|nocaptions|>"].into_iter();
        let no_speech = silence.find_map(|name| inner.token_to_id(name));
        // The languages stand between the beginning and the first thing to do.
        let last = translate.into_iter().chain(transcribe).min().unwrap_or(start);
        let code = |(token, id): (String, u32)| {
            let code = token.strip_prefix("<|")?.strip_suffix("|>")?.to_owned();
            (start < id && id < last).then_some((code, id))
        };
        let languages = inner.get_vocab(true).into_iter().filter_map(code).collect();
        let marks = Marks {
            end,
            start,
            languages,
            translate,
            transcribe,
            language_model,
            previous,
            no_speech,
            no_timestamps,
            // They are not written in all files.
            timestamps: no_timestamps.saturating_add(1),
        };
        Ok(Self { inner: Arc::new(inner), marks: Arc::new(marks) })
    }

    /// A token for each byte, and the marks for one language: for a network that starts from nothing.
    pub fn of_bytes() -> Self {
        let mut bytes: Vec<char> =
            tokenizers::pre_tokenizers::byte_level::ByteLevel::alphabet().into_iter().collect();
        bytes.sort_unstable();
        let vocabulary: BTreeMap<String, usize> =
            bytes.iter().enumerate().map(|(id, byte)| (byte.to_string(), id)).collect();
        let names = [END, START, PREVIOUS, "<|nospeech|>", NO_TIMESTAMPS];
        let added: Vec<_> = names
            .iter()
            .enumerate()
            .map(|(at, name)| {
                serde_json::json!({
                    "id": bytes.len() + at, "content": name, "single_word": false, "lstrip": false,
                    "rstrip": false, "normalized": false, "special": true
                })
            })
            .collect();
        let level = serde_json::json!({
            "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": false
        });
        let json = serde_json::json!({
            "version": "1.0", "truncation": null, "padding": null, "added_tokens": added,
            "normalizer": null, "pre_tokenizer": level, "post_processor": null, "decoder": level,
            "model": {
                "type": "BPE", "dropout": null, "unk_token": null,
                "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false,
                "vocab": vocabulary, "merges": []
            }
        });
        Self::from_bytes(json.to_string().as_bytes(), "the vocabulary of bytes")
            .expect("it is written as the reader wants it")
    }

    /// The tokens that are no text.
    pub fn marks(&self) -> &Marks {
        &self.marks
    }

    /// How many token numbers there are without those of times, which are not written in all files.
    pub fn n_tokens(&self) -> usize {
        self.marks.timestamps as usize
    }

    /// The tokens of a text, without any mark.
    ///
    /// # Errors
    /// [`DataError::Unusable`] for a text that cannot be split.
    pub fn ids(&self, text: &str) -> Result<Vec<u32>, DataError> {
        let ids = self.inner.encode_fast(text, false).map_err(unusable)?.get_ids().to_vec();
        // A mark that is written out in a text is no mark.
        Ok(ids.into_iter().filter(|id| *id < self.marks.end).collect())
    }

    /// The text of tokens; marks are left out, and a character of which bytes are missing is `�`.
    ///
    /// # Errors
    /// [`DataError::Unusable`] if the decoder refuses them.
    pub fn text(&self, ids: &[u32]) -> Result<String, DataError> {
        let ids: Vec<u32> = ids.iter().copied().filter(|id| *id < self.marks.end).collect();
        self.inner.decode(&ids, true).map_err(unusable)
    }

    /// The mark of a language.
    ///
    /// # Errors
    /// [`ConfigError::Kind`] lists the codes that there are.
    pub fn language(&self, code: &str) -> Result<u32, ConfigError> {
        let known = || self.marks.languages.keys().cloned().collect::<Vec<_>>().join(", ");
        self.marks.languages.get(code).copied().ok_or_else(|| ConfigError::Kind {
            field: "language".to_owned(),
            got: format!("{code:?}"),
            reason: format!("known are {}", known()),
        })
    }

    /// The tokens of signs that are not spoken, as brackets and notes of music, and the marks but for
    /// the end and the times: what openai-whisper keeps from being written
    /// (`Tokenizer.non_speech_tokens`).
    ///
    /// # Errors
    /// As [`ids`](Self::ids).
    pub fn unspoken(&self) -> Result<Vec<u32>, DataError> {
        const SIGNS: &str = "\"#()*+/:;<=>@[\\]^_`{|}~「」『』";
        const GROUPS: &str = "<< >> <<< >>> -- --- -( -[ (' (\" (( )) ((( ))) [[ ]] {{ }} ♪♪ ♪♪♪";
        const MUSIC: &str = "♩♪♫♬♭♮♯";
        // Within words a hyphen and an apostrophe are spoken, in front of them they are not.
        let mut found: Vec<u32> = Vec::new();
        for sign in [" -", " '"] {
            found.extend(self.ids(sign)?.first());
        }
        let signs = SIGNS.chars().map(String::from).chain(GROUPS.split(' ').map(str::to_owned));
        for sign in signs.chain(MUSIC.chars().map(String::from)) {
            for text in [sign.clone(), format!(" {sign}")] {
                let ids = self.ids(&text)?;
                if ids.len() == 1 || MUSIC.contains(&sign) {
                    found.extend(ids.first());
                }
            }
        }
        let Marks { start, translate, transcribe, language_model, previous, no_speech, .. } =
            *self.marks;
        found.push(start);
        let more = [translate, transcribe, language_model, previous, no_speech];
        found.extend(more.into_iter().flatten());
        found.sort_unstable();
        found.dedup();
        Ok(found)
    }
}

fn unusable(error: tokenizers::Error) -> DataError {
    DataError::Unusable { what: "the text", source: Arc::from(error) }
}

impl fmt::Debug for Vocabulary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Vocabulary").field("n_tokens", &self.n_tokens()).finish_non_exhaustive()
    }
}

impl PartialEq for Vocabulary {
    /// Whether both are written alike.
    fn eq(&self, other: &Self) -> bool {
        let written = |vocabulary: &Self| vocabulary.inner.to_string(false).ok();
        Arc::ptr_eq(&self.inner, &other.inner) || written(self) == written(other)
    }
}

impl Serialize for Vocabulary {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.inner.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Vocabulary {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        // By way of a text: the reader of `tokenizers` takes no other form in every part.
        let value = Value::deserialize(deserializer)?;
        let bytes = serde_json::to_vec(&value).map_err(D::Error::custom)?;
        Self::from_bytes(&bytes, "the saved vocabulary").map_err(|error| match error {
            VocabularyError::Format { source, .. } => D::Error::custom(source),
            other => D::Error::custom(other),
        })
    }
}
