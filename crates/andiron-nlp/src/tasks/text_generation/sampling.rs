//! Which token comes next: the most probable one, or one drawn at random.

use crate::cells::{self, wrong};
use andiron_core::DataError;
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeSet;

/// How a text is continued. A field left out has its default, which is to take the most probable
/// token each time.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Sampling {
    /// How many tokens are written at the most, 1 or more; default as many as the network can take,
    /// up to [`DEFAULT_MAX_TOKENS`]. If it says more than the network can take, that is an error.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub max_tokens: Option<usize>,
    /// What logits are divided by, 0 or more: higher is more varied. 0, the default, takes the most
    /// probable token each time, and leaves `top_k`, `top_p` and `min_p` without effect.
    #[serde(skip_serializing_if = "is_zero")]
    pub temperature: f64,
    /// Only so many most probable tokens are drawn from, 1 or more; default all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub top_k: Option<usize>,
    /// Only the most probable tokens that together have this probability are drawn from, 0 to 1
    /// (Holtzman et al. 2019, <https://arxiv.org/abs/1904.09751>); default 1, all.
    #[serde(skip_serializing_if = "is_one")]
    pub top_p: f64,
    /// Only tokens at least this many times as probable as the most probable one are drawn from, 0
    /// to 1 (Nguyen et al. 2024, <https://arxiv.org/abs/2407.01082>); default 0, all.
    #[serde(skip_serializing_if = "is_zero")]
    pub min_p: f64,
    /// What the logits of tokens that stood before are divided by where they are positive, and
    /// multiplied by where they are not, above 0 (Keskar et al. 2019,
    /// <https://arxiv.org/abs/1909.05858>, section 4.1); default 1, none.
    #[serde(skip_serializing_if = "is_one")]
    pub repetition_penalty: f64,
    /// Where the random stream starts; default 0. Equal seeds give equal texts, whatever else is in
    /// the batch.
    #[serde(skip_serializing_if = "is_first")]
    pub seed: u64,
    /// The text ends before the first of these; default none.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub stop: Vec<String>,
}

/// How many tokens are written if nothing is said.
pub const DEFAULT_MAX_TOKENS: usize = 128;

impl Default for Sampling {
    fn default() -> Self {
        Self {
            max_tokens: None,
            temperature: 0.0,
            top_k: None,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            seed: 0,
            stop: Vec::new(),
        }
    }
}

impl Sampling {
    /// What a line of input says of it; other fields of the line are passed over.
    ///
    /// # Errors
    /// [`DataError::Field`] names a field of the wrong kind or out of its range.
    pub fn read(line: &Value) -> Result<Self, DataError> {
        let default = Self::default();
        // A text is one of them, even if it looks like a list; of white space, too.
        let stop = match &line["stop"] {
            Value::Null => Vec::new(),
            Value::String(none) if none.is_empty() => Vec::new(),
            Value::String(one) => vec![one.clone()],
            value => serde_json::from_value(value.clone())
                .map_err(|_| wrong("stop", "a text or a list of texts", value))?,
        };
        let number = |name, wanted, default| {
            Ok::<_, DataError>(cells::number(line, name, wanted)?.unwrap_or(default))
        };
        let count = |name| {
            let wanted = "a whole number of 1 or more";
            let count = cells::whole(line, name, wanted)?.map(usize::try_from).transpose();
            count.map_err(|_| wrong(name, wanted, &line[name]))
        };
        let seed = cells::whole(line, "seed", "a whole number of 0 or more")?;
        let sampling = Self {
            max_tokens: count("max_tokens")?,
            temperature: number("temperature", "a number of 0 or more", default.temperature)?,
            top_k: count("top_k")?,
            top_p: number("top_p", "a number from 0 to 1", default.top_p)?,
            min_p: number("min_p", "a number from 0 to 1", default.min_p)?,
            repetition_penalty: number(
                "repetition_penalty",
                "a number above 0",
                default.repetition_penalty,
            )?,
            seed: seed.unwrap_or(default.seed),
            stop,
        };
        sampling.check()?;
        Ok(sampling)
    }

    /// Checks the numbers.
    ///
    /// # Errors
    /// [`DataError::Field`] names the first that is out of its range.
    pub fn check(&self) -> Result<(), DataError> {
        let out = |field: &str, wanted, got: String| {
            Err(DataError::Field { field: field.to_owned(), wanted, got })
        };
        for (name, count) in [("max_tokens", self.max_tokens), ("top_k", self.top_k)] {
            if count == Some(0) {
                return out(name, "a whole number of 1 or more", "0".to_owned());
            }
        }
        if !(0.0..=f64::MAX).contains(&self.temperature) {
            return out("temperature", "a number of 0 or more", self.temperature.to_string());
        }
        for (name, share) in [("top_p", self.top_p), ("min_p", self.min_p)] {
            if !(0.0..=1.0).contains(&share) {
                return out(name, "a number from 0 to 1", share.to_string());
            }
        }
        let penalty = self.repetition_penalty;
        if !(f64::MIN_POSITIVE..=f64::MAX).contains(&penalty) {
            return out("repetition_penalty", "a number above 0", penalty.to_string());
        }
        if self.stop.iter().any(String::is_empty) {
            return out("stop", "a text that is not empty", "\"\"".to_owned());
        }
        Ok(())
    }

    /// The tokens that may come next, each with its probability, in the order in which they are
    /// drawn from; `before` are the tokens that stood before. As transformers' processors in its
    /// order: repetition penalty, temperature, top-k, top-p, min-p.
    ///
    /// # Errors
    /// [`DataError::NotFinite`] for a logit that is no finite number.
    pub fn distribution(
        &self,
        logits: &[f32],
        before: &[u32],
    ) -> Result<Vec<(u32, f64)>, DataError> {
        let mut scores = penalised(logits, before, self.repetition_penalty)?;
        if self.temperature == 0.0 {
            // The first of equals, as torch's argmax.
            let best = scores.iter().copied().reduce(|a, b| if b.1 > a.1 { b } else { a });
            return Ok(best.map(|(id, _)| (id, 1.0)).into_iter().collect());
        }
        scores.iter_mut().for_each(|(_, score)| *score /= self.temperature);
        if self.top_k.is_some() || self.top_p < 1.0 {
            scores.sort_unstable_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        }
        if let Some(top_k) = self.top_k
            && let Some((_, least)) = scores.get(top_k - 1).copied()
        {
            let kept = scores.partition_point(|(_, score)| *score >= least);
            scores.truncate(kept);
        }
        let mut probable = softmax(scores);
        if self.top_p < 1.0 {
            let mut below = 0.0;
            while let Some((_, probability)) = probable.last()
                && probable.len() > 1
            {
                below += probability;
                if below > 1.0 - self.top_p {
                    break;
                }
                probable.pop();
            }
            normalise(&mut probable);
        }
        if self.min_p > 0.0 {
            let most = probable.iter().fold(0.0_f64, |most, (_, p)| most.max(*p));
            probable.retain(|(_, p)| *p >= self.min_p * most);
            normalise(&mut probable);
        }
        Ok(probable)
    }
}

fn is_zero(number: &f64) -> bool {
    *number == 0.0
}

fn is_one(number: &f64) -> bool {
    *number == 1.0
}

fn is_first(seed: &u64) -> bool {
    *seed == 0
}

fn penalised(logits: &[f32], before: &[u32], by: f64) -> Result<Vec<(u32, f64)>, DataError> {
    let mut scores = Vec::with_capacity(logits.len());
    for (at, logit) in logits.iter().enumerate() {
        if !logit.is_finite() {
            let what = "the list of logits";
            return Err(DataError::NotFinite { what, got: *logit, at });
        }
        scores.push((at as u32, f64::from(*logit)));
    }
    if by != 1.0 {
        for id in before.iter().collect::<BTreeSet<_>>() {
            if let Some((_, score)) = scores.get_mut(*id as usize) {
                *score = if *score > 0.0 { *score / by } else { *score * by };
            }
        }
    }
    Ok(scores)
}

fn softmax(mut scores: Vec<(u32, f64)>) -> Vec<(u32, f64)> {
    let most = scores.iter().fold(f64::NEG_INFINITY, |most, (_, score)| most.max(*score));
    scores.iter_mut().for_each(|(_, score)| *score = (*score - most).exp());
    normalise(&mut scores);
    scores
}

fn normalise(weights: &mut [(u32, f64)]) {
    let total: f64 = weights.iter().map(|(_, weight)| weight).sum();
    weights.iter_mut().for_each(|(_, weight)| *weight /= total);
}

/// A random stream that picks tokens.
pub(super) struct Sampler {
    sampling: Sampling,
    stream: ChaCha8Rng,
}

impl Sampler {
    pub(super) fn new(sampling: &Sampling) -> Self {
        let stream = ChaCha8Rng::seed_from_u64(sampling.seed);
        Self { sampling: sampling.clone(), stream }
    }

    /// The next token.
    pub(super) fn pick(&mut self, logits: &[f32], before: &[u32]) -> Result<u32, DataError> {
        let probable = self.sampling.distribution(logits, before)?;
        let mut left = if probable.len() > 1 { self.stream.random::<f64>() } else { 0.0 };
        for (id, probability) in &probable {
            left -= probability;
            if left < 0.0 {
                return Ok(*id);
            }
        }
        // Rounding may leave a little over.
        let last = probable.last().map(|(id, _)| *id);
        last.ok_or_else(|| DataError::Empty { what: "the list of logits".to_owned() })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn fields_are_read() {
        let line =
            json!({"prompt": "x", "max_tokens": 7, "stop": "\n", "top_p": 0.5, "seed": null});
        let wanted = Sampling {
            max_tokens: Some(7),
            stop: vec!["\n".to_owned()],
            top_p: 0.5,
            ..Default::default()
        };
        assert_eq!(Sampling::read(&line).unwrap(), wanted);
        assert_eq!(Sampling::read(&json!({})).unwrap(), Sampling::default());
    }

    #[test]
    fn fields_out_of_range_are_refused() {
        for (name, value) in [
            ("max_tokens", json!(0)),
            ("max_tokens", json!(-3)),
            ("temperature", json!(-0.1)),
            ("temperature", json!("hot")),
            ("top_k", json!(0)),
            ("top_p", json!(1.5)),
            ("min_p", json!(-1)),
            ("repetition_penalty", json!(0)),
            ("seed", json!(1.5)),
            ("stop", json!([1])),
            ("stop", json!([""])),
        ] {
            let said = Sampling::read(&json!({name: value})).unwrap_err().to_string();
            assert!(said.starts_with(&format!("field {name:?} must be a")), "{said}");
        }
    }

    #[test]
    fn draws_follow_the_probabilities() {
        let sampling = Sampling { temperature: 1.0, seed: 5, ..Default::default() };
        let logits = [0.0, 2.0_f32.ln(), 5.0_f32.ln()];
        let mut counts = [0.0; 3];
        let mut sampler = Sampler::new(&sampling);
        for _ in 0..8000 {
            counts[sampler.pick(&logits, &[]).unwrap() as usize] += 1.0 / 1000.0;
        }
        for (count, wanted) in counts.into_iter().zip([1.0_f64, 2.0, 5.0]) {
            assert!((count - wanted).abs() < 0.15, "{counts:?}");
        }
    }

    #[test]
    fn logits_that_are_no_numbers_are_refused() {
        let refused = Sampling::default().distribution(&[0.0, f32::NAN], &[]);
        assert!(matches!(refused, Err(DataError::NotFinite { at: 1, .. })));
    }
}
