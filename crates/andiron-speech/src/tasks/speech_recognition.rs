//! What is said in a sound, as text with times.
//!
//! An algorithm is a [`Method`], which holds what belongs to it (vocabulary, front end, settings) and
//! is saved with the task, and an implementation of [`Solve`](andiron_core::Solve) for its network.

mod transcript;

pub use transcript::{Segment, Transcript, TranscriptFormat};
