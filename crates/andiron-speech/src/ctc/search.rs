//! Text from probabilities over time.

use super::BLANK;
use std::collections::HashMap;

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
/// probable beginnings are kept (1 or more). With enough beams it is exact.
///
/// A frame takes `beams · n_tokens` steps, whatever the length of the texts: beginnings are the nodes
/// of a tree and know the one that they lengthen. A node is made for each beginning that is kept, so
/// there are `frames · beams` at the most.
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
    let mut tree = Tree::default();
    let mut kept = vec![Kept { node: ROOT, ends: Ends { blank: 0.0, ..Ends::NONE } }];
    for row in log_probabilities.chunks_exact(n_tokens) {
        let mut next: Vec<Candidate> = kept.iter().map(|one| tree.stays(one, row)).collect();
        let places: HashMap<usize, usize> =
            kept.iter().enumerate().map(|(place, one)| (one.node, place)).collect();
        for Kept { node, ends } in &kept {
            let (all, last) = (ends.all(), tree.last(*node));
            for (token, value) in row.iter().enumerate().filter(|(token, _)| *token != BLANK) {
                let token = token as u32;
                let from = if last == Some(token) { ends.blank } else { all };
                let value = from + f64::from(*value);
                if value == f64::NEG_INFINITY {
                    continue;
                }
                // The longer one may be among those kept, and has other alignments then.
                let known = tree.longer.get(&(*node, token));
                match known.and_then(|longer| places.get(longer)) {
                    Some(place) => next[*place].ends.token = add(next[*place].ends.token, value),
                    None => next.push(Candidate {
                        of: *node,
                        token: Some(token),
                        ends: Ends { token: value, ..Ends::NONE },
                    }),
                }
            }
        }
        // Those before come first among equals: cut off in one order on every machine.
        next.sort_by(|a, b| b.ends.all().total_cmp(&a.ends.all()));
        next.truncate(beams.max(1));
        kept = next.into_iter().map(|one| tree.kept(one)).collect();
    }
    let Kept { node, ends } = kept.swap_remove(0);
    Found { tokens: tree.text(node), log_probability: ends.all() }
}

/// The empty text.
const ROOT: usize = 0;

/// A text that was kept, by its node.
struct Kept {
    node: usize,
    ends: Ends,
}

/// A text that may be kept: that of the node `of`, with one more token if there is one.
struct Candidate {
    of: usize,
    token: Option<u32>,
    ends: Ends,
}

/// Texts that were kept at some frame. Node `n + 1` is the text of its parent and one more token.
#[derive(Default)]
struct Tree {
    /// The parent and the last token of each but the empty one.
    nodes: Vec<(usize, u32)>,
    /// The node of a text with one more token.
    longer: HashMap<(usize, u32), usize>,
}

impl Tree {
    fn last(&self, node: usize) -> Option<u32> {
        node.checked_sub(1).map(|at| self.nodes[at].1)
    }

    /// The same text behind one more frame: by a blank, or by its last token again.
    fn stays(&self, one: &Kept, row: &[f32]) -> Candidate {
        let blank = one.ends.all() + f64::from(row[BLANK]);
        let again = |token: u32| one.ends.token + f64::from(row[token as usize]);
        let token = self.last(one.node).map_or(f64::NEG_INFINITY, again);
        Candidate { of: one.node, token: None, ends: Ends { blank, token } }
    }

    fn kept(&mut self, candidate: Candidate) -> Kept {
        let Candidate { of, token, ends } = candidate;
        let Some(token) = token else { return Kept { node: of, ends } };
        let nodes = &mut self.nodes;
        let node = *self.longer.entry((of, token)).or_insert_with(|| {
            nodes.push((of, token));
            nodes.len()
        });
        Kept { node, ends }
    }

    fn text(&self, mut node: usize) -> Vec<u32> {
        let mut tokens = Vec::new();
        while let Some(at) = node.checked_sub(1) {
            let (parent, token) = self.nodes[at];
            tokens.push(token);
            node = parent;
        }
        tokens.reverse();
        tokens
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{collections::BTreeMap, time::Instant};

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

    /// The same search with each beginning written out whole.
    fn by_texts(log_probabilities: &[f32], n_tokens: usize, beams: usize) -> Found {
        let mut kept = vec![(Vec::new(), Ends { blank: 0.0, ..Ends::NONE })];
        for row in log_probabilities.chunks_exact(n_tokens) {
            let mut next: BTreeMap<Vec<u32>, Ends> = BTreeMap::new();
            for (text, ends) in &kept {
                let last = text.last().copied();
                let own = next.entry(text.clone()).or_insert(Ends::NONE);
                own.blank = add(own.blank, ends.all() + f64::from(row[BLANK]));
                if let Some(last) = last {
                    own.token = add(own.token, ends.token + f64::from(row[last as usize]));
                }
                for token in 1..n_tokens as u32 {
                    let from = if last == Some(token) { ends.blank } else { ends.all() };
                    let longer = [text.clone(), vec![token]].concat();
                    let longer = next.entry(longer).or_insert(Ends::NONE);
                    longer.token = add(longer.token, from + f64::from(row[token as usize]));
                }
            }
            kept = next.into_iter().collect();
            kept.sort_by(|(_, a), (_, b)| b.all().total_cmp(&a.all()));
            kept.truncate(beams);
        }
        let (tokens, ends) = kept.swap_remove(0);
        Found { tokens, log_probability: ends.all() }
    }

    #[test]
    fn the_tree_finds_what_whole_texts_find() {
        for seed in 0..30 {
            let (frames, n_tokens, beams) = (20 + seed % 7, 3 + seed % 4, 1 + seed % 6);
            // No two numbers are equal, so nothing depends on the order of equals.
            let wave = |(at, value): (usize, f32)| value + 0.01 * (at as f32 * 1.7).sin();
            let p = row_of(seed, frames, n_tokens).into_iter().enumerate().map(wave);
            let p: Vec<f32> = p.collect();
            let (found, wanted) =
                (prefix_beam_search(&p, n_tokens, beams), by_texts(&p, n_tokens, beams));
            assert_eq!(found.tokens, wanted.tokens, "{seed}");
            assert!((found.log_probability - wanted.log_probability).abs() < 1e-9);
        }
    }

    #[test]
    fn the_time_of_a_frame_does_not_grow_with_the_text() {
        let time = |frames: usize| {
            let p = row_of(7, frames, 12);
            let once = |_| {
                let started = Instant::now();
                assert!(prefix_beam_search(&p, 12, 8).tokens.len() > frames / 3);
                started.elapsed().as_secs_f64()
            };
            (0..3).map(once).fold(f64::INFINITY, f64::min)
        };
        let (short, long) = (time(500), time(8_000));
        println!("500 frames: {short:.3} s, 8,000 frames: {long:.3} s");
        // Sixteen times as many frames; were texts copied, the time would grow with their square.
        assert!(long < 64.0 * short, "{short} {long}");
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
