//! Classifiers trained by fastText, read from its own files: `.bin`, and `.ftz` with quantised
//! matrices.
//!
//! Papers: Joulin et al. 2016, <https://arxiv.org/abs/1607.01759>; the quantised files Joulin et al.
//! 2016, <https://arxiv.org/abs/1612.03651>.
//! Differs from them: it only predicts. It has no tensors and no device and is no network of
//! [`models`](crate::models): a look-up of a few hundred rows of a table gains nothing from either.
//! To train such a classifier, see [`models::hashed_linear`](crate::models::hashed_linear).
//!
//! ```no_run
//! use andiron_nlp::fasttext::FastText;
//!
//! let model = FastText::open("assets/lid-176/lid.176.ftz")?;
//! let answers = model.predict("Où est la bibliothèque ?", 3);
//! assert_eq!(answers[0].label, "fr");
//! # Ok::<(), andiron_nlp::fasttext::FastTextError>(())
//! ```

mod dictionary;
mod error;
mod matrix;
mod output;
mod reader;

pub use error::FastTextError;

use dictionary::Dictionary;
use matrix::Matrix;
use output::Output;
use reader::Reader;
use std::{fs::File, io::Read, path::Path};

/// The first four bytes of every file.
pub(crate) const MAGIC: i32 = 793_712_314;
/// The versions that are read; 12 is the last there was. In a classifier of version 11 runs of
/// characters were not used, whatever its settings say.
const VERSIONS: [i32; 2] = [11, 12];
/// What stands before a label in a training file and in the model.
const LABEL: &str = "__label__";
/// Longer runs of words or characters than anyone counts; a text's features grow with them.
const LONGEST_RUN: i32 = 100;

/// The settings in the file that prediction needs.
#[derive(Debug, Clone, Copy)]
struct Settings {
    /// Width of a row.
    dim: usize,
    /// Longest run of words that counts as a feature.
    word_ngrams: usize,
    /// Rows that runs of words and of characters are hashed into.
    bucket: u64,
    /// Shortest run of characters of a word.
    minn: usize,
    /// Longest run of characters of a word; 0 for none.
    maxn: usize,
}

/// What the scores of the labels are made of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Loss {
    /// A tree of yes-or-no questions.
    HierarchicalSoftmax,
    /// A logistic function for each label, trained with drawn negatives or with all.
    Logistic,
    /// Softmax over all labels.
    Softmax,
}

/// A label and how probable it is.
#[derive(Debug, Clone, PartialEq)]
pub struct Answer {
    /// The label, without `__label__`.
    pub label: String,
    /// Its probability as fastText gives it: 10⁻⁵ is added on the way, so it may be a little above
    /// 1, and those of all labels do not sum to 1.
    pub score: f32,
}

/// A classifier trained by fastText; see the module's documentation.
#[derive(Debug, Clone)]
pub struct FastText {
    settings: Settings,
    dictionary: Dictionary,
    input: Matrix,
    output: Output,
}

impl FastText {
    /// Reads a `.bin` or `.ftz` file.
    ///
    /// # Errors
    /// As [`FastTextError`] lists: a file that cannot be read, is no supervised model of version 11
    /// or 12, or contradicts itself.
    pub fn open(path: impl AsRef<Path>) -> Result<Self, FastTextError> {
        let path = path.as_ref();
        let io = |source| FastTextError::Io { path: path.to_owned(), source };
        let file = File::open(path).map_err(io)?;
        let length = file.metadata().map_err(io)?.len();
        Self::read(file, length).map_err(|error| match error {
            FastTextError::Stream { source } => io(source),
            error => error,
        })
    }

    /// Reads the content of such a file: `length` bytes of `from`. No more memory is taken than a
    /// small multiple of `length`, whatever sizes the content claims.
    ///
    /// # Errors
    /// As [`open`](Self::open).
    ///
    /// ```
    /// use andiron_nlp::fasttext::{FastText, FastTextError};
    ///
    /// let bytes = b"no model";
    /// let refused = FastText::read(&bytes[..], bytes.len() as u64);
    /// assert!(matches!(refused, Err(FastTextError::Magic { .. })));
    /// ```
    pub fn read(from: impl Read, length: u64) -> Result<Self, FastTextError> {
        let mut reader = Reader::new(from, length);
        let (settings, loss) = read_settings(&mut reader)?;
        let dictionary = Dictionary::read(&mut reader)?;
        let is_quantised = reader.flag("quantised")?;
        let input = Matrix::read(&mut reader, is_quantised, "input matrix")?;
        if dictionary.is_pruned() && !is_quantised {
            return Err(FastTextError::Pruned);
        }
        let is_quantised = reader.flag("quantised output")? && is_quantised;
        let output = Matrix::read(&mut reader, is_quantised, "output matrix")?;
        reader.finish()?;

        let rows = dictionary.rows(settings.bucket)?;
        expect("rows of the input matrix", rows, input.rows() as u64)?;
        let labels = dictionary.labels().len() as u64;
        expect("rows of the output matrix", labels, output.rows() as u64)?;
        for (what, matrix) in
            [("columns of the input matrix", &input), ("columns of the output matrix", &output)]
        {
            expect(what, settings.dim as u64, matrix.columns() as u64)?;
        }
        let output = Output::new(output, loss, dictionary.label_counts())?;
        Ok(Self { settings, dictionary, input, output })
    }

    /// The labels, without `__label__`, in the order of the file: the most frequent first.
    pub fn labels(&self) -> &[String] {
        self.dictionary.labels()
    }

    /// The width of a row of its matrices.
    pub fn width(&self) -> usize {
        self.settings.dim
    }

    /// The rows of its input matrix (words, and what runs of words and characters are hashed into)
    /// and of its output matrix (labels).
    pub fn rows(&self) -> [usize; 2] {
        [self.input.rows(), self.dictionary.labels().len()]
    }

    /// The `k` most probable labels of the text up to its first line break, the best first.
    ///
    /// They are fewer than `k` where there are fewer labels, and where labels are less probable than
    /// about 10⁻⁵; none for a text of which the model knows nothing at all, which most models know
    /// at least the end of. fastText's Python package refuses a text with a line break; its program
    /// takes each line as a text.
    pub fn predict(&self, text: &str, k: usize) -> Vec<Answer> {
        let rows = self.dictionary.features(text, &self.settings);
        if rows.is_empty() || k == 0 {
            return Vec::new();
        }
        let mut hidden = vec![0.0; self.settings.dim];
        for row in &rows {
            self.input.add_row(*row, &mut hidden);
        }
        let share = 1.0 / rows.len() as f32;
        hidden.iter_mut().for_each(|value| *value *= share);
        let best = self.output.best(&hidden, k);
        let answer = |(score, label): (f32, usize)| Answer {
            label: self.dictionary.labels()[label].clone(),
            score: score.exp(),
        };
        best.into_iter().map(answer).collect()
    }
}

fn read_settings<R: Read>(reader: &mut Reader<R>) -> Result<(Settings, Loss), FastTextError> {
    let magic = reader.i32("magic number")?;
    if magic != MAGIC {
        return Err(FastTextError::Magic { got: magic });
    }
    let version = reader.i32("version")?;
    if !VERSIONS.contains(&version) {
        return Err(FastTextError::Version { got: version });
    }
    let mut fields = [0; 12];
    for field in &mut fields {
        *field = reader.i32("settings")?;
    }
    reader.bytes(8, "settings")?;
    // In the order of the file: width, window, epochs, least count, negatives, longest run of
    // words, loss, kind of model, buckets, shortest and longest run of characters, rate of the
    // progress bar; then the threshold of subsampling.
    let [dim, _, _, _, _, word_ngrams, loss, model, bucket, minn, maxn, _] = fields;
    if model != 3 {
        return Err(FastTextError::Unsupported { field: "kind of model", got: model });
    }
    let loss = match loss {
        1 => Loss::HierarchicalSoftmax,
        2 | 4 => Loss::Logistic,
        3 => Loss::Softmax,
        got => return Err(FastTextError::Unsupported { field: "loss", got }),
    };
    let size = |field: &'static str, got: i32, least: i32, most: i32| match usize::try_from(got) {
        Ok(size) if (least..=most).contains(&got) => Ok(size),
        _ => Err(FastTextError::Unsupported { field, got }),
    };
    let settings = Settings {
        dim: size("width", dim, 1, i32::MAX)?,
        word_ngrams: size("longest run of words", word_ngrams, 0, LONGEST_RUN)?,
        bucket: size("number of buckets", bucket, 0, i32::MAX)? as u64,
        minn: size("shortest run of characters", minn, 0, i32::MAX)?,
        maxn: if version == 11 {
            0
        } else {
            size("longest run of characters", maxn, 0, LONGEST_RUN)?
        },
    };
    if settings.bucket == 0 && (settings.maxn > 0 || settings.word_ngrams > 1) {
        return Err(FastTextError::Unsupported { field: "number of buckets", got: 0 });
    }
    Ok((settings, loss))
}

fn expect(what: &'static str, wanted: u64, got: u64) -> Result<(), FastTextError> {
    if wanted == got { Ok(()) } else { Err(FastTextError::Contradiction { what, wanted, got }) }
}
