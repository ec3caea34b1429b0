//! The words and labels of a model, and how a text becomes rows of its matrix.

use super::{FastTextError, LABEL, Settings, reader::Reader};
use std::{
    collections::{HashMap, HashSet},
    io::Read,
};

/// The word that ends every line.
const END: &str = "</s>";

/// The least bytes of an entry: a zero, a count, a kind.
const LEAST_ENTRY: u64 = 10;

#[derive(Debug, Clone)]
pub(super) struct Dictionary {
    /// As bytes: words come from texts that may have been cut within a character.
    words: HashMap<Vec<u8>, usize>,
    n_words: usize,
    labels: Vec<String>,
    counts: Vec<i64>,
    /// Labels as words of a text.
    label_words: HashSet<Vec<u8>>,
    /// Where hashed features went when the model was pruned; those that are not there are gone.
    pruned: Option<HashMap<u64, usize>>,
}

impl Dictionary {
    pub(super) fn read<R: Read>(reader: &mut Reader<R>) -> Result<Self, FastTextError> {
        let size = reader.size32("size of the dictionary")?;
        let n_words = reader.size32("number of words")?;
        let n_labels = reader.size32("number of labels")?;
        if n_words.checked_add(n_labels) != Some(size) {
            let got = i64::try_from(size).unwrap_or(i64::MAX);
            return Err(FastTextError::Value { what: "size of the dictionary", got });
        }
        reader.i64("number of tokens")?;
        let n_pruned = reader.i64("number of pruned features")?;
        let wanted = (size as u64).saturating_mul(LEAST_ENTRY);
        if wanted > reader.left() {
            let (what, left) = ("the dictionary", reader.left());
            return Err(FastTextError::Truncated { what, wanted, left });
        }
        let mut dictionary = Self {
            words: HashMap::with_capacity(n_words),
            n_words,
            labels: Vec::with_capacity(n_labels),
            counts: Vec::with_capacity(n_labels),
            label_words: HashSet::with_capacity(n_labels),
            pruned: None,
        };
        for index in 0..size {
            dictionary.read_entry(reader, index)?;
        }
        if n_labels == 0 {
            return Err(FastTextError::Value { what: "number of labels", got: 0 });
        }
        dictionary.pruned = read_pruned(reader, n_pruned)?;
        Ok(dictionary)
    }

    fn read_entry<R: Read>(
        &mut self,
        reader: &mut Reader<R>,
        index: usize,
    ) -> Result<(), FastTextError> {
        let word = reader.word()?;
        let count = reader.i64("count of an entry")?;
        // Words come before labels: fastText sorts them so, and finds labels by that.
        let kind = reader.byte("kind of an entry")?;
        if kind != u8::from(index >= self.n_words) {
            return Err(FastTextError::Value { what: "kind of an entry", got: i64::from(kind) });
        }
        if index < self.n_words {
            // The first of two equal words is the one that fastText finds.
            self.words.entry(word).or_insert(index);
        } else {
            let name = word.strip_prefix(LABEL.as_bytes()).unwrap_or(&word).to_vec();
            let name = String::from_utf8(name);
            let name = name.map_err(|_| FastTextError::Text { index: index as u64 })?;
            self.label_words.insert(word);
            self.labels.push(name);
            self.counts.push(count);
        }
        Ok(())
    }

    pub(super) fn is_pruned(&self) -> bool {
        self.pruned.is_some()
    }

    pub(super) fn labels(&self) -> &[String] {
        &self.labels
    }

    pub(super) fn label_counts(&self) -> &[i64] {
        &self.counts
    }

    /// How many rows the matrix must have, if features are hashed into `bucket` others.
    pub(super) fn rows(&self, bucket: u64) -> Result<u64, FastTextError> {
        let words = self.n_words as u64;
        let Some(pruned) = &self.pruned else { return Ok(words + bucket) };
        let kept = pruned.len() as u64;
        match pruned.values().find(|row| **row as u64 >= kept) {
            Some(row) => Err(FastTextError::Value {
                what: "place of a pruned feature",
                got: i64::try_from(*row).unwrap_or(i64::MAX),
            }),
            None => Ok(words + kept),
        }
    }
}

fn read_pruned<R: Read>(
    reader: &mut Reader<R>,
    n: i64,
) -> Result<Option<HashMap<u64, usize>>, FastTextError> {
    let what = "number of pruned features";
    if n == -1 {
        return Ok(None);
    }
    let n = u64::try_from(n).map_err(|_| FastTextError::Value { what, got: n })?;
    let (wanted, left) = (n.saturating_mul(8), reader.left());
    if wanted > left {
        return Err(FastTextError::Truncated { what: "the pruned features", wanted, left });
    }
    let mut pruned = HashMap::new();
    for _ in 0..n {
        let hash = reader.size32("hash of a pruned feature")?;
        let row = reader.size32("place of a pruned feature")?;
        pruned.insert(hash as u64, row);
    }
    Ok(Some(pruned))
}

impl Dictionary {
    /// The rows of the matrix that stand for the text up to its first line break, in fastText's
    /// order: words with their runs of characters, the end of the line, runs of words.
    pub(super) fn features(&self, text: &str, settings: &Settings) -> Vec<usize> {
        let line = text.split('\n').next().unwrap_or_default();
        let (mut rows, mut hashes) = (Vec::new(), Vec::new());
        let tokens = line.as_bytes().split(is_space).filter(|token| !token.is_empty());
        for token in tokens.chain([END.as_bytes()]) {
            match self.words.get(token) {
                Some(word) => {
                    rows.push(*word);
                    self.add_characters(token, settings, &mut rows);
                }
                // A label, be it known or not, says nothing about the text that it stands in.
                None if self.label_words.contains(token) => continue,
                None if token.starts_with(LABEL.as_bytes()) => continue,
                None => self.add_characters(token, settings, &mut rows),
            }
            hashes.push(hash(token));
            if token == END.as_bytes() {
                break;
            }
        }
        self.add_words(&hashes, settings, &mut rows);
        rows
    }

    /// Runs of characters of `<word>`, of `minn` to `maxn` of them; a sign of its own edge alone
    /// does not count, nor do runs of the end of the line.
    fn add_characters(&self, word: &[u8], settings: &Settings, rows: &mut Vec<usize>) {
        if word == END.as_bytes() || settings.maxn == 0 {
            return;
        }
        let word = [&b"<"[..], word, b">"].concat();
        let continues = |at: usize| word.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
        for start in (0..word.len()).filter(|at| !continues(*at)) {
            let mut end = start;
            for n in 1..=settings.maxn {
                if end == word.len() {
                    break;
                }
                end += 1;
                while continues(end) {
                    end += 1;
                }
                let is_edge = n == 1 && (start == 0 || end == word.len());
                if n >= settings.minn && !is_edge {
                    let hash = u64::from(hash(&word[start..end]));
                    rows.extend(self.hashed(hash % settings.bucket));
                }
            }
        }
    }

    /// Runs of two words and more, to the longest that counts.
    fn add_words(&self, hashes: &[u32], settings: &Settings, rows: &mut Vec<usize>) {
        // fastText keeps the hashes as signed numbers and widens them with their sign.
        let wide = |hash: u32| i64::from(hash.cast_signed()).cast_unsigned();
        for (at, first) in hashes.iter().enumerate() {
            let mut run = wide(*first);
            let others = hashes[at + 1..].iter().take(settings.word_ngrams.saturating_sub(1));
            for next in others {
                run = run.wrapping_mul(116_049_371).wrapping_add(wide(*next));
                rows.extend(self.hashed(run % settings.bucket));
            }
        }
    }

    /// The row of a hashed feature; nothing if it was pruned away.
    fn hashed(&self, bucket: u64) -> Option<usize> {
        let place = match &self.pruned {
            Some(kept) => *kept.get(&bucket)?,
            None => bucket as usize,
        };
        Some(self.n_words + place)
    }
}

/// What parts words; other white space of Unicode does not.
fn is_space(byte: &u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t' | 0x0b | 0x0c | 0)
}

/// FNV-1a of 32 bits, but that a byte above 127 is widened with its sign.
fn hash(bytes: &[u8]) -> u32 {
    bytes.iter().fold(2_166_136_261_u32, |hash, byte| {
        let widened = i32::from(byte.cast_signed()).cast_unsigned();
        (hash ^ widened).wrapping_mul(16_777_619)
    })
}
