//! Connectionist temporal classification: text from a network that names a character or nothing
//! for each frame of a sound.
//!
//! An alignment `π` gives each of `T` frames a token, the blank among them; the text of an alignment
//! is what is left when equal neighbours are merged and then blanks taken out:
//!
//! ```text
//! p(text) = Σ_{π of text} Π_t p_t(π_t)          loss = − ln p(text)
//! ```
//!
//! The sum is taken over all alignments by dynamic programming ([`loss`]); the text is found by
//! taking the most probable token of each frame ([`greedy`]), or by keeping the most probable
//! beginnings with the sums over their alignments ([`prefix_beam_search`]).
//!
//! Paper: Graves et al. 2006, <https://doi.org/10.1145/1143844.1143891>; the search: Hannun et al.
//! 2014, <https://arxiv.org/abs/1408.2873>, algorithm 1, without a language model.

mod listener;
mod loss;
mod search;
mod vocabulary;

pub use listener::{CtcDecoding, CtcListener};
pub use loss::{frames_needed, loss};
pub use search::{Found, greedy, prefix_beam_search};
pub use vocabulary::Characters;

/// The token that says nothing.
pub const BLANK: usize = 0;
