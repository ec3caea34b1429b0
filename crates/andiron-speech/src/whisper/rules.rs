//! Which tokens may come next: what is never written, and how marks of time stand.
//!
//! Source: openai-whisper, `decoding.py`: `SuppressBlank`, `SuppressTokens`, `ApplyTimestampRules`.

/// The rules of one search.
#[derive(Debug, Clone)]
pub(super) struct Rules {
    /// Tokens that are never written.
    pub(super) suppress: Vec<u32>,
    /// Tokens that are not written first: a space and the end.
    pub(super) blank: Vec<u32>,
    /// Ends a text; all tokens below it are text.
    pub(super) end: u32,
    /// The rules of marks of time; none where the network was asked for none, and then writes none
    /// by itself.
    pub(super) times: Option<Times>,
    /// Where the numbers of marks of time begin.
    pub(super) timestamps: u32,
    /// Asks for text without times; never written.
    pub(super) no_timestamps: u32,
}

/// The rules of marks of time.
#[derive(Debug, Clone, Copy)]
pub(super) struct Times {
    /// The last mark that may come first, counted from that of 0 seconds; none if all may.
    pub(super) initial: Option<u32>,
}

const NEVER: f32 = f32::NEG_INFINITY;

impl Rules {
    /// Takes away the `logits` of tokens that may not come behind those `written` so far, of which
    /// what stood before the text is none.
    pub(super) fn apply(&self, logits: &mut [f32], written: &[u32]) {
        if written.is_empty() {
            forbid(logits, &self.blank);
        }
        forbid(logits, &self.suppress);
        if let Some(times) = self.times {
            self.apply_times(times, logits, written);
        }
    }

    fn apply_times(&self, times: Times, logits: &mut [f32], written: &[u32]) {
        let (end, begin) = (self.end as usize, self.timestamps as usize);
        forbid(logits, &[self.no_timestamps]);
        let is_time = |at: usize| written.get(at).is_some_and(|id| *id >= self.timestamps);
        let len = written.len();
        let last_was = len >= 1 && is_time(len - 1);
        let one_before_was = len < 2 || is_time(len - 2);
        if last_was {
            // Marks come in pairs, but at the beginning and directly before the end.
            if one_before_was {
                never(logits, begin..);
            } else {
                never(logits, ..end);
            }
        }
        if let Some(last) = written.iter().rev().find(|id| **id >= self.timestamps) {
            // Time does not go back, and a segment has a length: that also ends loops.
            let least = if last_was && !one_before_was { *last } else { last.saturating_add(1) };
            never(logits, begin..(least as usize).min(logits.len()));
        }
        if len == 0 {
            never(logits, ..begin);
            if let Some(initial) = times.initial {
                never(logits, begin + initial as usize + 1..);
            }
        }
        // If any time is more probable than each single token of text, it is a time.
        let (text, marks) = logits.split_at(begin.min(logits.len()));
        let best = text.iter().copied().fold(NEVER, f32::max);
        if log_sum(marks) > f64::from(best) {
            never(logits, ..begin);
        }
    }
}

fn forbid(logits: &mut [f32], ids: &[u32]) {
    for id in ids {
        if let Some(logit) = logits.get_mut(*id as usize) {
            *logit = NEVER;
        }
    }
}

fn never(logits: &mut [f32], range: impl std::ops::RangeBounds<usize>) {
    use std::ops::Bound::{Excluded, Included, Unbounded};
    let len = logits.len();
    let from = match range.start_bound() {
        Included(from) => *from,
        Excluded(from) => from.saturating_add(1),
        Unbounded => 0,
    };
    let to = match range.end_bound() {
        Included(to) => to.saturating_add(1),
        Excluded(to) => *to,
        Unbounded => len,
    };
    let (from, to) = (from.min(len), to.min(len));
    if from < to {
        logits[from..to].fill(NEVER);
    }
}

/// `ln Σ exp(logits)`; minus infinity if all are.
pub(super) fn log_sum(logits: &[f32]) -> f64 {
    let most = logits.iter().copied().fold(NEVER, f32::max);
    if most == NEVER {
        return f64::NEG_INFINITY;
    }
    // By parts, so that the sums grow beside each other and the loop becomes vectors.
    const LANES: usize = 16;
    let mut sums = [0f64; LANES];
    let (parts, rest) = logits.as_chunks::<LANES>();
    for part in parts {
        // Most logits of a sharp distribution add nothing that a sum could hold.
        if part.iter().all(|logit| logit - most < -40.0) {
            continue;
        }
        for (sum, logit) in sums.iter_mut().zip(part) {
            *sum += f64::from((logit - most).exp());
        }
    }
    let rest: f64 = rest.iter().map(|logit| f64::from((logit - most).exp())).sum();
    f64::from(most) + (sums.iter().sum::<f64>() + rest).ln()
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// Text 0 to 4, end 5, marks 6 and 7 (no times), times from 8 to 15.
    fn rules(initial: Option<u32>) -> Rules {
        Rules {
            suppress: vec![1, 6],
            blank: vec![0, 5],
            end: 5,
            times: Some(Times { initial }),
            timestamps: 8,
            no_timestamps: 7,
        }
    }

    fn allowed(rules: &Rules, logits: [f32; 16], written: &[u32]) -> Vec<usize> {
        let mut logits = logits;
        rules.apply(&mut logits, written);
        (0..16).filter(|at| logits[*at] > NEVER).collect()
    }

    /// Text and an end so probable that no time is forced.
    const TEXT: [f32; 16] = {
        let mut logits = [0.0; 16];
        logits[2] = 9.0;
        logits[5] = 9.0;
        logits
    };

    #[test]
    fn times_stand_in_pairs_and_do_not_go_back() {
        let rules = rules(Some(2));
        assert_eq!(allowed(&rules, TEXT, &[]), [8, 9, 10]);
        assert_eq!(allowed(&rules, TEXT, &[9]), [0, 2, 3, 4, 5]);
        assert_eq!(allowed(&rules, TEXT, &[9, 3]), [0, 2, 3, 4, 5, 10, 11, 12, 13, 14, 15]);
        assert_eq!(allowed(&rules, TEXT, &[9, 3, 12]), [5, 12, 13, 14, 15]);
        assert_eq!(allowed(&rules, TEXT, &[9, 3, 12, 12]), [0, 2, 3, 4, 5]);
        assert_eq!(allowed(&rules, TEXT, &[9, 3, 12, 12, 3]), [0, 2, 3, 4, 5, 13, 14, 15]);
        assert_eq!(allowed(&super::tests::rules(None), TEXT, &[]), (8..16).collect::<Vec<_>>());
    }

    #[test]
    fn a_time_is_written_where_all_times_together_are_likelier_than_a_word() {
        let rules = rules(None);
        let mut logits = [0.0; 16];
        logits[2] = 1.5;
        // Seven times of probability e^0 each outweigh e^1.5.
        assert_eq!(allowed(&rules, logits, &[8, 2]), (9..16).collect::<Vec<_>>());
        logits[2] = 2.0;
        assert_eq!(allowed(&rules, logits, &[8, 2]).len(), 5 + 7);
    }

    #[test]
    fn without_times_only_what_is_never_written_is_forbidden() {
        let rules = Rules { times: None, ..rules(None) };
        assert_eq!(allowed(&rules, TEXT, &[])[..4], [2, 3, 4, 7]);
        assert_eq!(allowed(&rules, TEXT, &[2])[..6], [0, 2, 3, 4, 5, 7]);
    }

    #[test]
    fn the_logarithm_of_a_sum_of_many_is_that_of_its_terms() {
        let logits: Vec<f32> = (0..1000).map(|at| (at as f32 * 0.37).sin() * 30.0).collect();
        let wanted = logits.iter().map(|x| f64::from(*x).exp()).sum::<f64>().ln();
        assert!((log_sum(&logits) - wanted).abs() < 1e-6);
        assert_eq!(log_sum(&[NEVER; 20]), f64::NEG_INFINITY);
        assert_eq!(log_sum(&[]), f64::NEG_INFINITY);
    }
}
