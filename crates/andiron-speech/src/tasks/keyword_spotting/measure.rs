//! Hits and false accepts of keywords in streams.

use super::Keyword;
use andiron_core::{ConfigError, evaluator::Score};
use serde::{Deserialize, Serialize};

/// A keyword that is there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct TrueKeyword {
    /// Which.
    pub label: String,
    /// Where it begins, in seconds.
    pub start: f64,
    /// Where it ends, in seconds.
    pub end: f64,
}

/// What was heard of what was there.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct KeywordReport {
    /// Keywords that were there.
    pub keywords: usize,
    /// Those that were reported.
    pub hits: usize,
    /// Reports of what was not there.
    pub false_accepts: usize,
    /// How long the streams were, in hours.
    pub hours: f64,
    /// The share of hits, with Wilson's interval at 95 %.
    pub hit_rate: Score,
    /// False accepts an hour, with Garwood's exact interval of a Poisson mean at 95 %.
    pub false_accepts_per_hour: Score,
}

/// The normal quantile of 97.5 %.
const Z: f64 = 1.959_963_984_540_054;

/// Counts over streams: for each what was there, what was reported, and its length in seconds.
///
/// A report is a hit of the keyword of its label that has begun before it and ended no more than
/// `late` seconds before, 0 or more; each is hit once. Reports are taken in the order of their times,
/// and each hits, of the keywords that it could, the one that ends first: that leaves as many for later
/// reports as can be, and does not depend on the order of either list. Every other report is a false
/// accept, also a second one of the same keyword.
///
/// Intervals: Wilson 1927, <https://doi.org/10.1080/01621459.1927.10502953>; Garwood 1936,
/// <https://doi.org/10.1093/biomet/28.3-4.437>. They take keywords and reports for independent of each
/// other.
///
/// ```
/// use andiron_speech::tasks::keyword_spotting::{Keyword, TrueKeyword, measure};
///
/// let there = [TrueKeyword { label: "stop".into(), start: 3.0, end: 3.6 }];
/// let heard = |time| Keyword { label: "stop".into(), time, score: 0.9 };
/// let report = measure(&[(&there, &[heard(3.8), heard(40.0)], 1_800.0)], 1.0)?;
/// assert_eq!((report.hits, report.false_accepts), (1, 1));
/// assert_eq!(report.false_accepts_per_hour.value, 2.0);
/// # Ok::<(), andiron_core::ConfigError>(())
/// ```
///
/// # Errors
/// [`ConfigError::OutOfRange`] for streams without a second of sound in all, and for a `late` that is
/// negative or no number.
pub fn measure(
    streams: &[(&[TrueKeyword], &[Keyword], f64)],
    late: f64,
) -> Result<KeywordReport, ConfigError> {
    let seconds: f64 = streams.iter().map(|(_, _, seconds)| seconds).sum();
    ConfigError::within("seconds of sound", 1.0, f64::MAX, seconds)?;
    ConfigError::within("late", 0.0, f64::MAX, late)?;
    let (mut keywords, mut hits, mut reports) = (0, 0, 0);
    for (there, heard, _) in streams {
        keywords += there.len();
        reports += heard.len();
        hits += counted(there, heard, late);
    }
    let false_accepts = reports - hits;
    let hours = seconds / 3_600.0;
    let accepts = poisson(false_accepts);
    let hourly = |value: f64| value / hours;
    Ok(KeywordReport {
        keywords,
        hits,
        false_accepts,
        hours,
        hit_rate: wilson(hits, keywords),
        false_accepts_per_hour: Score {
            value: hourly(false_accepts as f64),
            low: hourly(accepts.0),
            high: hourly(accepts.1),
        },
    })
}

/// How many of the reports are hits.
pub(super) fn counted(there: &[TrueKeyword], heard: &[Keyword], late: f64) -> usize {
    let mut open: Vec<&TrueKeyword> = there.iter().collect();
    open.sort_by(|a, b| a.end.total_cmp(&b.end));
    let mut heard: Vec<&Keyword> = heard.iter().collect();
    heard.sort_by(|a, b| a.time.total_cmp(&b.time));
    let hit = |report: &&&Keyword| {
        let is_it = |one: &&TrueKeyword| {
            one.label == report.label && (one.start..=one.end + late).contains(&report.time)
        };
        open.iter().position(is_it).map(|at| open.remove(at)).is_some()
    };
    heard.iter().filter(hit).count()
}

/// A share with Wilson's interval; of nothing it is 0, and anything is possible.
fn wilson(part: usize, whole: usize) -> Score {
    if whole == 0 {
        return Score { value: 0.0, low: 0.0, high: 1.0 };
    }
    let (share, n) = (part as f64 / whole as f64, whole as f64);
    let middle = share + Z * Z / (2.0 * n);
    let half = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    let (low, high) = ((middle - half) / scale, (middle + half) / scale);
    Score { value: share, low: low.clamp(0.0, share), high: high.clamp(share, 1.0) }
}

/// `ln k!`: the sum itself, or Stirling's series where its next term is below 1e-15.
fn ln_factorial(k: usize) -> f64 {
    if k < 256 {
        return (2..=k).map(|i| (i as f64).ln()).sum();
    }
    let n = k as f64;
    let series = (1.0 - 1.0 / (30.0 * n * n)) / (12.0 * n);
    (n + 0.5) * n.ln() - n + 0.5 * std::f64::consts::TAU.ln() + series
}

/// `P(X ≤ k)` for a Poisson variable of the mean `m`, above 0: from the largest term on, whose
/// logarithm does not underflow, downwards and up to `k`.
fn poisson_up_to(k: usize, m: f64) -> f64 {
    let first = k.min(m as usize);
    let largest = (first as f64 * m.ln() - m - ln_factorial(first)).exp();
    let (mut sum, mut term) = (1.0, 1.0);
    for i in (1..=first).rev() {
        term *= i as f64 / m;
        sum += term;
        if term < f64::EPSILON * 1e-3 {
            break;
        }
    }
    term = 1.0;
    for i in first + 1..=k {
        term *= m / i as f64;
        sum += term;
        if term < f64::EPSILON * 1e-3 {
            break;
        }
    }
    largest * sum
}

/// The exact interval of a Poisson mean at 95 % after `count` events.
fn poisson(count: usize) -> (f64, f64) {
    let solve = |k: usize, wanted: f64| {
        // It falls as the mean grows.
        let (mut low, mut high) = (0.0, k as f64 + 20.0 + 10.0 * (k as f64).sqrt());
        for _ in 0..100 {
            let middle = (low + high) / 2.0;
            if poisson_up_to(k, middle) > wanted { low = middle } else { high = middle }
        }
        low
    };
    let low = if count == 0 { 0.0 } else { solve(count - 1, 0.975) };
    (low, solve(count, 0.025))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// scipy.stats as below, of so many that `exp(−m)` is no number above zero.
    const MANY: [(usize, f64, f64); 5] = [
        (700, 649.097_780_474_551_3, 753.833_362_127_362_4),
        (745, 692.456_754_287_862_5, 800.473_264_752_478),
        (1_000, 938.973_018_407_695_2, 1_063.952_136_016_302),
        (100_000, 99_381.152_663_744_72, 100_621.744_739_743_88),
        (10_000_000, 9_993_802.996_884_268, 10_006_199.897_731_498),
    ];

    #[test]
    fn intervals_are_the_sources() {
        // scipy.stats: chi2.ppf(.025, 2 k) / 2, chi2.ppf(.975, 2 k + 2) / 2.
        for (count, low, high) in
            [(0, 0.0, 3.688_879), (3, 0.618_672, 8.767_273), (40, 28.576_6, 54.468_6)]
        {
            let found = poisson(count);
            assert!((found.0 - low).abs() < 1e-3 && (found.1 - high).abs() < 1e-3, "{found:?}");
        }
        for (count, low, high) in MANY {
            let found = poisson(count);
            assert!((found.0 / low - 1.0).abs() < 1e-9, "{count}: {found:?}");
            assert!((found.1 / high - 1.0).abs() < 1e-9, "{count}: {found:?}");
        }
        // statsmodels: proportion_confint(8, 10, method="wilson").
        let score = wilson(8, 10);
        assert!((score.low - 0.490_162).abs() < 1e-5 && (score.high - 0.943_318).abs() < 1e-5);
        assert_eq!(wilson(0, 0), Score { value: 0.0, low: 0.0, high: 1.0 });
    }

    #[test]
    fn a_keyword_is_hit_once_and_in_time() {
        let there = [
            TrueKeyword { label: "a".into(), start: 1.0, end: 1.5 },
            TrueKeyword { label: "b".into(), start: 4.0, end: 4.5 },
        ];
        let heard = |label: &str, time| Keyword { label: label.into(), time, score: 0.9 };
        let reports = [heard("b", 1.4), heard("a", 1.6), heard("a", 2.0), heard("b", 6.0)];
        let report = measure(&[(&there, &reports, 60.0), (&[], &[], 60.0)], 1.0).unwrap();
        assert_eq!((report.keywords, report.hits, report.false_accepts), (2, 1, 3));
        assert!((report.hours - 1.0 / 30.0).abs() < 1e-12);
        assert!(measure(&[], 1.0).is_err());
        for late in [-0.1, f64::NAN, f64::INFINITY] {
            let refused = measure(&[(&there, &reports, 60.0)], late).unwrap_err();
            assert!(refused.to_string().starts_with("late must"), "{refused}");
        }
    }

    #[test]
    fn the_order_of_the_lists_changes_nothing() {
        let there = |start, end| TrueKeyword { label: "a".into(), start, end };
        let heard = |time| Keyword { label: "a".into(), time, score: 0.9 };
        // The first report could be of the first or the last; the others of one each.
        let mut keywords = vec![there(1.0, 1.4), there(1.2, 3.0), there(1.1, 1.6), there(9.0, 9.5)];
        let mut reports = vec![heard(1.3), heard(2.0), heard(3.5), heard(20.0)];
        for _ in 0..keywords.len() {
            keywords.rotate_left(1);
            for _ in 0..reports.len() {
                reports.rotate_left(1);
                let report = measure(&[(&keywords, &reports, 60.0)], 0.5).unwrap();
                assert_eq!((report.hits, report.false_accepts), (3, 1));
            }
        }
    }
}
