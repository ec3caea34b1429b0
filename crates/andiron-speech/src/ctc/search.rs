//! Text from probabilities over time.

use super::BLANK;
use std::collections::BTreeMap;

/// A text that was found.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Found {
    /// Its tokens, without blanks.
    pub tokens: Vec<u32>,
    /// The natural logarithm of its probability: for [`greedy`] of one alignment, for
    /// [`prefix_beam_search`] of all that were kept.
    pub log_probability: f64,
}

/// The most probable token of each frame, equal neighbours merged and blanks taken out.
///
/// # Shapes
/// - log_probabilities: row-major `[frames, n_tokens]`
///
/// ```
/// use andiron_speech::ctc::greedy;
///
/// let p = [[0.1, 0.9], [0.2, 0.8], [0.6, 0.4], [0.3, 0.7f32]].map(|row| row.map(f32::ln));
/// assert_eq!(greedy(&p.concat(), 2).tokens, [1, 1]);
/// ```
///
/// # Panics
/// If `n_tokens` is 0.
pub fn greedy(log_probabilities: &[f32], n_tokens: usize) -> Found {
    let mut found = Found::default();
    let mut before = BLANK;
    for row in log_probabilities.chunks_exact(n_tokens) {
        let (token, value) = best(row);
        if token != BLANK && token != before {
            found.tokens.push(token as u32);
        }
        found.log_probability += f64::from(value);
        before = token;
    }
    found
}

/// The number and the value of the largest, the first of equals.
fn best(row: &[f32]) -> (usize, f32) {
    let mut best = (BLANK, f32::NEG_INFINITY);
    for (token, value) in row.iter().enumerate() {
        if *value > best.1 {
            best = (token, *value);
        }
    }
    best
}

/// `ln(eᵃ + eᵇ)`.
pub(super) fn add(a: f64, b: f64) -> f64 {
    let (most, least) = if a > b { (a, b) } else { (b, a) };
    if least == f64::NEG_INFINITY { most } else { most + (least - most).exp().ln_1p() }
}

/// What is known of the alignments of a beginning.
#[derive(Debug, Clone, Copy)]
struct Ends {
    /// `ln p` of those that end with a blank.
    blank: f64,
    /// `ln p` of those that end with the last token.
    token: f64,
}

impl Ends {
    const NONE: Self = Self { blank: f64::NEG_INFINITY, token: f64::NEG_INFINITY };

    fn all(self) -> f64 {
        add(self.blank, self.token)
    }
}

/// The most probable text by the sum over its alignments, where after each frame the `beams` most
/// probable beginnings are kept (1 or more). With enough beams it is exact; it takes `frames · beams
/// · n_tokens` steps.
///
/// # Shapes
/// - log_probabilities: row-major `[frames, n_tokens]`
///
/// ```
/// use andiron_speech::ctc::{greedy, prefix_beam_search};
///
/// // Frame by frame the blank wins; but three of the four alignments say the token.
/// let p = [[0.6, 0.4], [0.6, 0.4f32]].map(|row| row.map(f32::ln)).concat();
/// assert!(greedy(&p, 2).tokens.is_empty());
/// let found = prefix_beam_search(&p, 2, 4);
/// assert_eq!(found.tokens, [1]);
/// assert!((found.log_probability.exp() - 0.64).abs() < 1e-6);
/// ```
///
/// # Panics
/// If `n_tokens` is 0.
pub fn prefix_beam_search(log_probabilities: &[f32], n_tokens: usize, beams: usize) -> Found {
    let mut kept: Vec<(Vec<u32>, Ends)> = vec![(Vec::new(), Ends { blank: 0.0, ..Ends::NONE })];
    for row in log_probabilities.chunks_exact(n_tokens) {
        // Ordered, so that equals are cut off in one order on every machine.
        let mut next: BTreeMap<Vec<u32>, Ends> = BTreeMap::new();
        for (text, ends) in &kept {
            let all = ends.all();
            let last = text.last().copied();
            let own = next.entry(text.clone()).or_insert(Ends::NONE);
            own.blank = add(own.blank, all + f64::from(row[BLANK]));
            if let Some(last) = last {
                // The last token again, without a blank between: the same text.
                own.token = add(own.token, ends.token + f64::from(row[last as usize]));
            }
            for (token, value) in row.iter().enumerate().filter(|(token, _)| *token != BLANK) {
                let token = token as u32;
                let from = if last == Some(token) { ends.blank } else { all };
                if from + f64::from(*value) == f64::NEG_INFINITY {
                    continue;
                }
                let mut longer = text.clone();
                longer.push(token);
                let longer = next.entry(longer).or_insert(Ends::NONE);
                longer.token = add(longer.token, from + f64::from(*value));
            }
        }
        kept = next.into_iter().collect();
        kept.sort_by(|(_, a), (_, b)| b.all().total_cmp(&a.all()));
        kept.truncate(beams.max(1));
    }
    let (tokens, ends) = kept.swap_remove(0);
    Found { tokens, log_probability: ends.all() }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Log-probabilities of some frames.
    fn row_of(seed: usize, frames: usize, n_tokens: usize) -> Vec<f32> {
        let value = |n: usize| ((n * 37 + seed * 101) % 89) as f32 / 20.0;
        let logits: Vec<f32> = (0..frames * n_tokens).map(value).collect();
        let mut all = Vec::new();
        for row in logits.chunks(n_tokens) {
            let sum: f32 = row.iter().map(|value| value.exp()).sum();
            all.extend(row.iter().map(|value| value - sum.ln()));
        }
        all
    }

    /// Every alignment, word for word.
    fn by_all(log_probabilities: &[f32], n_tokens: usize) -> BTreeMap<Vec<u32>, f64> {
        let frames = log_probabilities.len() / n_tokens;
        let mut texts = BTreeMap::new();
        for number in 0..n_tokens.pow(frames as u32) {
            let (mut rest, mut p, mut text, mut before) = (number, 0.0, Vec::new(), BLANK);
            for row in log_probabilities.chunks(n_tokens) {
                let token = rest % n_tokens;
                rest /= n_tokens;
                p += f64::from(row[token]);
                if token != BLANK && token != before {
                    text.push(token as u32);
                }
                before = token;
            }
            *texts.entry(text).or_insert(0.0) += p.exp();
        }
        texts
    }

    #[test]
    fn the_search_finds_the_most_probable_text_of_all_alignments() {
        for seed in 0..40 {
            let (frames, n_tokens) = (1 + seed % 6, 2 + seed % 3);
            let p = row_of(seed, frames, n_tokens);
            let texts = by_all(&p, n_tokens);
            let found = prefix_beam_search(&p, n_tokens, 1_000);
            let most = texts.values().copied().fold(0.0, f64::max);
            assert!((found.log_probability.exp() - most).abs() < 1e-6, "{seed}");
            assert!((texts[&found.tokens] - most).abs() < 1e-6, "{seed}");
            // Few beams give a text that is no more probable.
            let few = prefix_beam_search(&p, n_tokens, 1);
            assert!(texts[&few.tokens] <= most + 1e-6);
            assert!(few.log_probability.exp() <= texts[&few.tokens] + 1e-6);
            let one = greedy(&p, n_tokens);
            assert!(one.log_probability.exp() <= texts[&one.tokens] + 1e-6);
        }
        andiron_core::testing::record(
            "ctc",
            "prefix beam search",
            "finds the best of all alignments",
        );
    }

    #[test]
    fn no_frame_says_nothing() {
        assert_eq!(prefix_beam_search(&[], 3, 4), Found::default());
        assert_eq!(greedy(&[], 3), Found::default());
    }

    #[test]
    fn impossible_tokens_are_not_said() {
        let never = f32::NEG_INFINITY;
        let p = [[0.0, never, never], [never, 0.0, never], [never, 0.0, never]].concat();
        assert_eq!(prefix_beam_search(&p, 3, 8).tokens, [1]);
        assert_eq!(greedy(&p, 3).tokens, [1]);
    }
}
