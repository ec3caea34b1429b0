//! What is made equal in two transcripts before they are compared: case, punctuation, contractions,
//! numbers, spelling.
//!
//! A model that writes "Mr. Smith paid $20." heard what "mister smith paid twenty dollars" says, and
//! should not lose by it. How that is made equal decides several points of word error rate, so it is
//! told by name, and done on both sides.
//!
//! Source: Radford et al. 2022, <https://arxiv.org/abs/2212.04356>, appendix C; as
//! `EnglishTextNormalizer` and `BasicTextNormalizer` of openai-whisper 20250625 (MIT), whose table of
//! British spellings this is. Other than there, only the digits of ASCII count as numbers.

mod numbers;

use super::split_spaces;
use regex::Regex;
use std::{collections::HashMap, sync::LazyLock};
use unicode_normalization::UnicodeNormalization;
use unicode_segmentation::UnicodeSegmentation;

/// The spellings of openai-whisper's `normalizers/english.json`, British to American.
static SPELLINGS: LazyLock<HashMap<String, String>> = LazyLock::new(|| {
    serde_json::from_str(include_str!("../../tables/english_spelling.json"))
        .expect("the table is part of this crate, and a test reads it")
});

/// What is replaced in order, before numbers and spelling: pattern and replacement.
const REPLACED: [(&str, &str); 51] = [
    (r"\bwon't\b", "will not"),
    (r"\bcan't\b", "can not"),
    (r"\blet's\b", "let us"),
    (r"\bain't\b", "aint"),
    (r"\by'all\b", "you all"),
    (r"\bwanna\b", "want to"),
    (r"\bgotta\b", "got to"),
    (r"\bgonna\b", "going to"),
    (r"\bi'ma\b", "i am going to"),
    (r"\bimma\b", "i am going to"),
    (r"\bwoulda\b", "would have"),
    (r"\bcoulda\b", "could have"),
    (r"\bshoulda\b", "should have"),
    (r"\bma'am\b", "madam"),
    (r"\bmr\b", "mister "),
    (r"\bmrs\b", "missus "),
    (r"\bst\b", "saint "),
    (r"\bdr\b", "doctor "),
    (r"\bprof\b", "professor "),
    (r"\bcapt\b", "captain "),
    (r"\bgov\b", "governor "),
    (r"\bald\b", "alderman "),
    (r"\bgen\b", "general "),
    (r"\bsen\b", "senator "),
    (r"\brep\b", "representative "),
    (r"\bpres\b", "president "),
    (r"\brev\b", "reverend "),
    (r"\bhon\b", "honorable "),
    (r"\basst\b", "assistant "),
    (r"\bassoc\b", "associate "),
    (r"\blt\b", "lieutenant "),
    (r"\bcol\b", "colonel "),
    (r"\bjr\b", "junior "),
    (r"\bsr\b", "senior "),
    (r"\besq\b", "esquire "),
    (r"'d been\b", " had been"),
    (r"'s been\b", " has been"),
    (r"'d gone\b", " had gone"),
    (r"'s gone\b", " has gone"),
    (r"'d done\b", " had done"),
    (r"'s got\b", " has got"),
    (r"n't\b", " not"),
    (r"'re\b", " are"),
    (r"'s\b", " is"),
    (r"'d\b", " would"),
    (r"'ll\b", " will"),
    (r"'t\b", " not"),
    (r"'ve\b", " have"),
    (r"'m\b", " am"),
    // Commas between digits, and full stops that no digit follows.
    (r"(\d),(\d)", "${1}${2}"),
    (r"\.([^0-9]|$)", " ${1}"),
];

fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("the patterns are constants, and a test builds them")
}

/// A pattern, and what every match of it becomes.
#[derive(Debug, Clone)]
struct Replacement {
    pattern: Regex,
    with: &'static str,
}

impl Replacement {
    fn new(text: &str, with: &'static str) -> Self {
        Self { pattern: pattern(text), with }
    }
}

fn replaced(text: &str, all: &[Replacement]) -> String {
    all.iter()
        .fold(text.to_owned(), |text, one| one.pattern.replace_all(&text, one.with).into_owned())
}

/// Whisper's normaliser of English transcripts. Built once and used for many texts.
///
/// ```
/// use andiron_speech::metrics::normalizer::EnglishTextNormalizer;
///
/// let normalizer = EnglishTextNormalizer::new();
/// let text = normalizer.normalize("Mr. Park visited for the third time, and paid twenty-one dollars.");
/// assert_eq!(text, "mister park visited for the 3rd time and paid $21");
/// assert_eq!(normalizer.normalize("The colour [laughs] isn't grey"), "the color is not gray");
/// ```
#[derive(Debug, Clone)]
pub struct EnglishTextNormalizer {
    first: Vec<Replacement>,
    numbers: numbers::EnglishNumbers,
    last: Vec<Replacement>,
    symbols: Symbols,
}

impl Default for EnglishTextNormalizer {
    fn default() -> Self {
        Self::new()
    }
}

impl EnglishTextNormalizer {
    /// Builds the patterns.
    pub fn new() -> Self {
        let mut first = vec![
            Replacement::new(r"[<\[][^>\]]*[>\]]", ""),
            Replacement::new(r"\(([^)]+?)\)", ""),
            Replacement::new(r"\b(hmm|mm|mhm|mmm|uh|um)\b", ""),
            Replacement::new(r"[\s\x1c-\x1f]+'", "'"),
        ];
        first.extend(REPLACED.iter().map(|(from, to)| Replacement::new(from, to)));
        let last = vec![
            Replacement::new(r"[.$¢€£]([^0-9])", " ${1}"),
            Replacement::new(r"([^0-9])%", "${1} "),
            Replacement::new(r"[\s\x1c-\x1f]+", " "),
        ];
        let numbers = numbers::EnglishNumbers::new();
        Self { first, numbers, last, symbols: Symbols::new() }
    }

    /// The text as it is compared.
    pub fn normalize(&self, text: &str) -> String {
        let text = replaced(&text.to_lowercase(), &self.first);
        let text = self.symbols.without_diacritics(&text, ".%$¢€£");
        let text = self.numbers.normalize(&text);
        let spelled: Vec<&str> = split_spaces(&text)
            .map(|word| SPELLINGS.get(word).map_or(word, String::as_str))
            .collect();
        replaced(&spelled.join(" "), &self.last)
    }
}

/// Whisper's normaliser of transcripts in any language: case, brackets, punctuation.
///
/// ```
/// use andiron_speech::metrics::normalizer::BasicTextNormalizer;
///
/// let normalizer = BasicTextNormalizer::new(false, false);
/// assert_eq!(normalizer.normalize("Où est-ce ? (rires)"), "où est ce ");
/// assert_eq!(BasicTextNormalizer::new(true, false).normalize("Où"), "ou");
/// ```
#[derive(Debug, Clone)]
pub struct BasicTextNormalizer {
    remove_diacritics: bool,
    split_letters: bool,
    brackets: Vec<Replacement>,
    spaces: Vec<Replacement>,
    symbols: Symbols,
}

impl BasicTextNormalizer {
    /// `remove_diacritics`: "é" becomes "e". `split_letters`: every letter is a word, for scripts
    /// that do not write spaces.
    pub fn new(remove_diacritics: bool, split_letters: bool) -> Self {
        let brackets =
            vec![Replacement::new(r"[<\[][^>\]]*[>\]]", ""), Replacement::new(r"\(([^)]+?)\)", "")];
        let spaces = vec![Replacement::new(r"[\s\x1c-\x1f]+", " ")];
        Self { remove_diacritics, split_letters, brackets, spaces, symbols: Symbols::new() }
    }

    /// The text as it is compared.
    pub fn normalize(&self, text: &str) -> String {
        let text = replaced(&text.to_lowercase(), &self.brackets);
        let text = match self.remove_diacritics {
            true => self.symbols.without_diacritics(&text, ""),
            false => self.symbols.without(&text),
        };
        let mut text = text.to_lowercase();
        if self.split_letters {
            text = text.graphemes(true).collect::<Vec<_>>().join(" ");
        }
        replaced(&text, &self.spaces)
    }
}

/// The characters that are no letters, digits or spaces.
#[derive(Debug, Clone)]
struct Symbols {
    mark: Regex,
    symbol: Regex,
}

impl Symbols {
    fn new() -> Self {
        Self { mark: pattern(r"^\p{Mn}$"), symbol: pattern(r"^[\p{M}\p{S}\p{P}]$") }
    }

    fn matches(pattern: &Regex, c: char) -> bool {
        pattern.is_match(c.encode_utf8(&mut [0; 4]))
    }

    /// Whisper's `remove_symbols_and_diacritics`.
    fn without_diacritics(&self, text: &str, keep: &str) -> String {
        let mut found = String::with_capacity(text.len());
        for c in text.nfkd() {
            if keep.contains(c) || c.is_ascii_alphanumeric() {
                found.push(c);
            } else if let Some(letters) = undecomposed(c) {
                found.push_str(letters);
            } else if !Self::matches(&self.mark, c) {
                found.push(if Self::matches(&self.symbol, c) { ' ' } else { c });
            }
        }
        found
    }

    /// Whisper's `remove_symbols`.
    fn without(&self, text: &str) -> String {
        text.nfkc().map(|c| if Self::matches(&self.symbol, c) { ' ' } else { c }).collect()
    }
}

/// Letters that Unicode does not take apart.
fn undecomposed(c: char) -> Option<&'static str> {
    Some(match c {
        'œ' => "oe",
        'Œ' => "OE",
        'ø' => "o",
        'Ø' => "O",
        'æ' => "ae",
        'Æ' => "AE",
        'ß' => "ss",
        'ẞ' => "SS",
        'đ' | 'ð' => "d",
        'Đ' | 'Ð' => "D",
        'þ' | 'Þ' => "th",
        'ł' => "l",
        'Ł' => "L",
        _ => return None,
    })
}
