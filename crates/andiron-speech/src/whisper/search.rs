//! The search for the text of windows: the most probable token, one drawn at random, or a beam.
//!
//! Source: openai-whisper, `decoding.py`: `DecodingTask`, `GreedyDecoder`, `BeamSearchDecoder`,
//! `MaximumLikelihoodRanker`.

use super::{
    decoding::WhisperDecoding,
    rules::{Rules, log_sum},
};
use crate::models::whisper::{Whisper, WhisperCache};
use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use std::cmp::Ordering;

/// What is asked of one window.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    /// What stands before its text; equally many tokens in all windows of a search.
    pub(super) before: Vec<u32>,
    /// Where the token that begins a transcript stands in `before`.
    pub(super) start: usize,
    /// Where the random stream of what is drawn starts.
    pub(super) seed: u64,
}

/// What was found for a window.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Answer {
    /// The tokens of its text, marks of time included, the end not.
    pub(super) tokens: Vec<u32>,
    /// The mean logarithm of their probabilities, that of the end included.
    pub(super) log_probability: f64,
    /// The probability of silence.
    pub(super) no_speech: f64,
}

/// A text that grows.
#[derive(Debug, Clone, Default)]
struct Row {
    tokens: Vec<u32>,
    sum: f64,
    ended: bool,
}

/// A window with its texts.
struct Sound {
    /// Its number among those asked for.
    at: usize,
    rows: Vec<Row>,
    /// Texts of a beam that have ended.
    finished: Vec<Row>,
    random: ChaCha8Rng,
    done: bool,
}

/// A search with one temperature over windows of which the network has heard `encoded`.
pub(super) struct Search<'a> {
    pub(super) model: &'a Whisper,
    pub(super) rules: &'a Rules,
    pub(super) settings: &'a WhisperDecoding,
    pub(super) temperature: f64,
    /// The token whose probability is that of silence, where there is one.
    pub(super) no_speech: Option<u32>,
    /// How many tokens are written at the most.
    pub(super) room: usize,
}

impl Search<'_> {
    /// One answer a window.
    ///
    /// # Shapes
    /// - encoded: `[windows, n_frames, d_model]`
    pub(super) fn run(&self, encoded: Tensor<3>, asks: &[Ask], device: &Device) -> Vec<Answer> {
        let mut cache = self.model.listen(encoded);
        let before: Vec<Vec<u32>> = asks.iter().map(|ask| ask.before.clone()).collect();
        let hidden = self.model.read(ids(&before, device), &mut cache);
        let silences = self.silences(&hidden, asks);
        let last = before[0].len() - 1;
        let mut logits = values(self.model.logits(hidden.narrow(1, last, 1)));
        let mut sounds: Vec<Sound> = asks
            .iter()
            .enumerate()
            .map(|(at, ask)| Sound {
                at,
                rows: vec![Row::default()],
                finished: Vec::new(),
                random: ChaCha8Rng::seed_from_u64(ask.seed),
                done: false,
            })
            .collect();
        let mut answers: Vec<Option<Answer>> = vec![None; asks.len()];
        let room = self.room.min(self.model.max_length() - before[0].len());
        for written in 0..room {
            let sources = self.step(&mut sounds, logits);
            if sounds.iter().all(|sound| sound.done) || written + 1 == room {
                break;
            }
            cache.select(&sources);
            forget(&mut sounds, &mut cache, &silences, &mut answers, self);
            let next: Vec<Vec<u32>> = sounds
                .iter()
                .flat_map(|sound| &sound.rows)
                // A row that has ended goes on with its end, which nobody looks at.
                .map(|row| vec![row.last().unwrap_or(self.rules.end)])
                .collect();
            let hidden = self.model.read(ids(&next, device), &mut cache);
            logits = values(self.model.logits(hidden));
        }
        for sound in sounds {
            let at = sound.at;
            answers[at] = Some(self.best(sound, silences[at]));
        }
        answers.into_iter().flatten().collect()
    }

    /// The probability of silence in each window.
    fn silences(&self, hidden: &Tensor<3>, asks: &[Ask]) -> Vec<f64> {
        let Some(token) = self.no_speech.filter(|token| (*token as usize) < self.model.n_tokens())
        else {
            return vec![0.0; asks.len()];
        };
        let starts = hidden.clone().narrow(1, asks[0].start, 1);
        let logits = values(self.model.logits(starts));
        logits
            .chunks_exact(self.model.n_tokens())
            .map(|logits| (f64::from(logits[token as usize]) - log_sum(logits)).exp())
            .collect()
    }

    /// One more token for each row; gives for each row of now which of before it continues.
    fn step(&self, sounds: &mut [Sound], mut logits: Vec<f32>) -> Vec<usize> {
        let mut rest = logits.chunks_exact_mut(self.model.n_tokens());
        let (mut sources, mut first) = (Vec::new(), 0);
        let beam = self.temperature == 0.0 && self.settings.beam > 1;
        for sound in sounds {
            let of_sound: Vec<&mut [f32]> = rest.by_ref().take(sound.rows.len()).collect();
            let count = of_sound.len();
            let from = if sound.done {
                (0..count).collect()
            } else if beam {
                self.widen(sound, of_sound)
            } else {
                self.lengthen(sound, of_sound)
            };
            sources.extend(from.into_iter().map(|from| first + from));
            first += count;
        }
        // In the first step each window has one row; from then on all have equally many.
        sources
    }

    /// The next token of each row, each for itself.
    fn lengthen(&self, sound: &mut Sound, logits: Vec<&mut [f32]>) -> Vec<usize> {
        let wanted = if self.temperature == 0.0 { 1 } else { self.settings.best_of };
        let sources: Vec<usize> = (0..wanted).map(|at| at.min(logits.len() - 1)).collect();
        sound.rows.resize(wanted, sound.rows[0].clone());
        let mut logits: Vec<Option<(&mut [f32], f64)>> =
            logits.into_iter().map(|logits| Some((logits, f64::NAN))).collect();
        for (row, from) in sound.rows.iter_mut().zip(&sources) {
            if row.ended {
                continue;
            }
            let Some((logits, whole)) = &mut logits[*from] else { continue };
            if whole.is_nan() {
                self.rules.apply(logits, &row.tokens);
                *whole = log_sum(logits);
            }
            if *whole == f64::NEG_INFINITY {
                // The rules leave nothing: a vocabulary of few tokens.
                row.ended = true;
                continue;
            }
            let token = if self.temperature == 0.0 {
                most_probable(logits)
            } else {
                drawn(logits, self.temperature, &mut sound.random)
            };
            row.sum += f64::from(logits[token as usize]) - *whole;
            match token == self.rules.end {
                true => row.ended = true,
                false => row.tokens.push(token),
            }
        }
        sound.done = sound.rows.iter().all(|row| row.ended);
        sources
    }

    /// The best continuations of all rows of a window together.
    fn widen(&self, sound: &mut Sound, logits: Vec<&mut [f32]>) -> Vec<usize> {
        let beam = self.settings.beam;
        let mut candidates: Vec<(f64, usize, u32)> = Vec::new();
        for (from, (row, logits)) in sound.rows.iter().zip(logits).enumerate() {
            self.rules.apply(logits, &row.tokens);
            let whole = log_sum(logits);
            for token in likeliest(logits, beam + 1) {
                let sum = row.sum + f64::from(logits[token as usize]) - whole;
                candidates.push((sum, from, token));
            }
        }
        candidates.sort_by(|a, b| b.0.total_cmp(&a.0));
        let (mut rows, mut sources, mut ended) = (Vec::new(), Vec::new(), Vec::new());
        for (sum, from, token) in candidates {
            let mut row = Row { sum, ..sound.rows[from].clone() };
            if token == self.rules.end {
                ended.push(Row { ended: true, ..row });
                continue;
            }
            row.tokens.push(token);
            rows.push(row);
            sources.push(from);
            if rows.len() == beam {
                break;
            }
        }
        let wanted = ((beam as f64 * self.settings.patience).round() as usize).max(1);
        let missing = wanted.saturating_sub(sound.finished.len());
        sound.finished.extend(ended.into_iter().take(missing));
        sound.done = sound.finished.len() >= wanted;
        if rows.is_empty() {
            // Nothing can be written but the end.
            sound.done = true;
            rows = sound.rows.clone();
            sources = (0..rows.len()).collect();
        }
        // Where the rules leave fewer continuations than the beam is wide, the last is repeated as
        // one that can win nothing.
        while rows.len() < beam {
            let (row, from) = (rows[rows.len() - 1].clone(), sources[sources.len() - 1]);
            rows.push(Row { sum: f64::NEG_INFINITY, ..row });
            sources.push(from);
        }
        sound.rows = rows;
        sources
    }

    /// The best of a window's texts.
    fn best(&self, sound: Sound, no_speech: f64) -> Answer {
        let beam = self.temperature == 0.0 && self.settings.beam > 1;
        let mut texts = if beam { sound.finished } else { sound.rows.clone() };
        if beam && texts.len() < self.settings.beam {
            let mut rows = sound.rows;
            rows.sort_by(|a, b| b.sum.total_cmp(&a.sum));
            texts.extend(rows.into_iter().take(self.settings.beam - texts.len()));
        }
        let rank = |row: &Row| {
            let length = row.tokens.len().max(1) as f64;
            let penalty = self.settings.length_penalty;
            row.sum / penalty.map_or(length, |power| ((5.0 + length) / 6.0).powf(power))
        };
        // The first of equals, as an ordinary comparison would take.
        let better = |a: Row, b: Row| match rank(&b).total_cmp(&rank(&a)) {
            Ordering::Greater => b,
            _ => a,
        };
        let Row { tokens, sum, .. } = texts.into_iter().reduce(better).unwrap_or_default();
        let log_probability = sum / (tokens.len() + 1) as f64;
        Answer { tokens, log_probability, no_speech }
    }
}

impl Row {
    fn last(&self) -> Option<u32> {
        if self.ended { None } else { self.tokens.last().copied() }
    }
}

/// Leaves windows that are done out of the batch, once they are half of it.
fn forget(
    sounds: &mut Vec<Sound>,
    cache: &mut WhisperCache,
    silences: &[f64],
    answers: &mut [Option<Answer>],
    search: &Search<'_>,
) {
    let done = sounds.iter().filter(|sound| sound.done).count();
    if 2 * done < sounds.len() || done == 0 {
        return;
    }
    let kept: Vec<usize> = (0..sounds.len()).filter(|at| !sounds[*at].done).collect();
    cache.keep(&kept);
    for sound in std::mem::take(sounds) {
        if sound.done {
            let at = sound.at;
            answers[at] = Some(search.best(sound, silences[at]));
        } else {
            sounds.push(sound);
        }
    }
}

fn ids(rows: &[Vec<u32>], device: &Device) -> Tensor<2, Int> {
    let shape = [rows.len(), rows[0].len()];
    let ids: Vec<i32> = rows.iter().flatten().map(|id| *id as i32).collect();
    Tensor::from_data(TensorData::new(ids, shape), device)
}

fn values(logits: Tensor<3>) -> Vec<f32> {
    let data = logits.into_data();
    match data.as_slice::<f32>() {
        Ok(values) => values.to_vec(),
        Err(_) => data.iter::<f32>().collect(),
    }
}

/// The first of the largest.
pub(super) fn most_probable(logits: &[f32]) -> u32 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    logits.iter().position(|logit| *logit == most).unwrap_or(0) as u32
}

/// The places of the `count` largest that are not forbidden, the largest first.
fn likeliest(logits: &[f32], count: usize) -> Vec<u32> {
    let mut best: Vec<u32> = Vec::with_capacity(count + 1);
    let mut least = f32::NEG_INFINITY;
    for (at, logit) in logits.iter().enumerate() {
        if *logit <= least {
            continue;
        }
        let place = best.partition_point(|other| logits[*other as usize] >= *logit);
        best.insert(place, at as u32);
        best.truncate(count);
        if best.len() == count {
            least = logits[best[count - 1] as usize];
        }
    }
    best
}

/// A token drawn by the probabilities of `logits / temperature`.
fn drawn(logits: &[f32], temperature: f64, random: &mut ChaCha8Rng) -> u32 {
    let most = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
    let weight = |logit: &f32| (f64::from(logit - most) / temperature).exp();
    let whole: f64 = logits.iter().map(weight).sum();
    let mut left = random.random::<f64>() * whole;
    for (at, logit) in logits.iter().enumerate() {
        left -= weight(logit);
        if left < 0.0 {
            return at as u32;
        }
    }
    // Rounding may leave a little.
    most_probable(logits)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_largest_come_first_and_forbidden_ones_not_at_all() {
        let never = f32::NEG_INFINITY;
        assert_eq!(likeliest(&[1.0, never, 3.0, 2.0, 3.0], 3), [2, 4, 3]);
        assert_eq!(likeliest(&[never, 1.0], 3), [1]);
        assert_eq!(most_probable(&[1.0, never, 3.0, 3.0]), 2);
    }

    #[test]
    fn what_is_drawn_has_its_probability() {
        let logits = [2f32.ln(), f32::NEG_INFINITY, 0.0, 5f32.ln()];
        let mut random = ChaCha8Rng::seed_from_u64(3);
        let mut counts = [0_i32; 4];
        for _ in 0..8_000 {
            counts[drawn(&logits, 1.0, &mut random) as usize] += 1;
        }
        for (count, wanted) in counts.into_iter().zip([2_000, 0, 1_000, 5_000]) {
            assert!((count - wanted).abs() < 150, "{counts:?}");
        }
    }
}
