//! Exact search for the nearest of a set of vectors.

use crate::DataError;

/// Parts of a sum that grow beside each other, so that the processor adds them at once.
const LANES: usize = 16;

/// How like two vectors are.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Similarity {
    /// The cosine of the angle between them, −1 to 1; 0 if one of them is all zeros.
    #[default]
    Cosine,
    /// The sum of the products.
    Dot,
}

/// One of the vectors searched.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Neighbour {
    /// Its place among those searched.
    pub index: usize,
    /// How like it is.
    pub score: f32,
}

/// For each query the `k` most like of `corpus`, the most like first and of equals the one that
/// stands first. Every vector is looked at: the answer is exact. Where there are fewer than `k`,
/// it is all of them.
///
/// ```
/// use andiron_core::{Similarity, nearest};
///
/// let corpus = [[1.0_f32, 0.0], [0.6, 0.8], [0.0, 3.0], [0.6, 0.8]];
/// let found = nearest(&[[0.0_f32, 2.0]], &corpus, 3, Similarity::Cosine)?;
/// let indices: Vec<usize> = found[0].iter().map(|neighbour| neighbour.index).collect();
/// assert_eq!(indices, [2, 1, 3]);
/// # Ok::<(), andiron_core::DataError>(())
/// ```
///
/// # Errors
/// [`DataError::NotFinite`] for a vector with NaN or an infinity, or numbers so large that
/// a score is none, [`DataError::Decode`] for one of
/// another length than the others.
pub fn nearest<Q: AsRef<[f32]>, C: AsRef<[f32]>>(
    queries: &[Q],
    corpus: &[C],
    k: usize,
    similarity: Similarity,
) -> Result<Vec<Vec<Neighbour>>, DataError> {
    let queries: Vec<&[f32]> = queries.iter().map(AsRef::as_ref).collect();
    let corpus: Vec<&[f32]> = corpus.iter().map(AsRef::as_ref).collect();
    let width = queries.iter().chain(&corpus).next().map_or(0, |vector| vector.len());
    check("query", &queries, width)?;
    check("vector", &corpus, width)?;
    let factors = |vectors: &[&[f32]]| -> Vec<f32> {
        let factor = |vector: &&[f32]| match similarity {
            Similarity::Dot => 1.0,
            Similarity::Cosine => inverse_length(vector),
        };
        vectors.iter().map(factor).collect()
    };
    let (of_queries, of_corpus) = (factors(&queries), factors(&corpus));
    let mut found = Vec::with_capacity(queries.len());
    for (query, factor) in queries.iter().zip(of_queries) {
        let mut all = Vec::with_capacity(corpus.len());
        for (index, (vector, other)) in corpus.iter().zip(&of_corpus).enumerate() {
            let score = dot(query, vector) * (factor * other);
            if !score.is_finite() {
                return Err(DataError::NotFinite { what: "a score", got: score, at: index });
            }
            all.push(Neighbour { index, score });
        }
        found.push(first(all, k));
    }
    Ok(found)
}

fn check(what: &'static str, vectors: &[&[f32]], width: usize) -> Result<(), DataError> {
    for (index, vector) in vectors.iter().enumerate() {
        if vector.len() != width {
            return Err(DataError::Decode {
                what: format!("{what} {index}"),
                reason: format!("it has {} numbers, but the first has {width}", vector.len()),
            });
        }
        if let Some(at) = vector.iter().position(|x| !x.is_finite()) {
            let error = DataError::NotFinite { what: "a vector", got: vector[at], at };
            return Err(error.at(index, Some(what)));
        }
    }
    Ok(())
}

/// `1 / |x|`, or 0 for zeros.
fn inverse_length(x: &[f32]) -> f32 {
    let squares: f64 = x.iter().map(|x| f64::from(*x) * f64::from(*x)).sum();
    if squares > 0.0 { (1.0 / squares.sqrt()) as f32 } else { 0.0 }
}

fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    let (a, b) = (a.chunks_exact(LANES), b.chunks_exact(LANES));
    let rest: f32 = a.remainder().iter().zip(b.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a.zip(b) {
        for lane in 0..LANES {
            sums[lane] += a[lane] * b[lane];
        }
    }
    sums.iter().sum::<f32>() + rest
}

/// The `k` best in order.
fn first(mut all: Vec<Neighbour>, k: usize) -> Vec<Neighbour> {
    let order =
        |a: &Neighbour, b: &Neighbour| b.score.total_cmp(&a.score).then(a.index.cmp(&b.index));
    if k == 0 {
        return Vec::new();
    }
    if k < all.len() {
        all.select_nth_unstable_by(k - 1, order);
        all.truncate(k);
    }
    all.sort_unstable_by(order);
    all
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn lengths_matter_to_the_product_alone() {
        let corpus = [vec![1.0, 1.0, 0.0], vec![9.0, 0.0, 0.0], vec![0.0, 0.0, 0.0]];
        let query = [vec![2.0, 1.0, 0.0]];
        let of = |similarity| nearest(&query, &corpus, 5, similarity).unwrap().remove(0);
        let indices = |found: &[Neighbour]| found.iter().map(|n| n.index).collect::<Vec<_>>();
        assert_eq!(indices(&of(Similarity::Cosine)), [0, 1, 2]);
        assert_eq!(indices(&of(Similarity::Dot)), [1, 0, 2]);
        assert_eq!(of(Similarity::Dot)[0].score, 18.0);
        assert!((of(Similarity::Cosine)[0].score - 3.0 / 10_f32.sqrt()).abs() < 1e-6);
        assert_eq!(of(Similarity::Cosine)[2].score, 0.0);
    }

    #[test]
    fn what_has_no_order_is_refused() {
        let good = vec![1.0, 2.0];
        for bad in [vec![1.0, f32::NAN], vec![f32::INFINITY, 0.0], vec![1.0]] {
            for (queries, corpus) in [
                (vec![good.clone(), bad.clone()], vec![good.clone()]),
                (vec![good.clone()], vec![good.clone(), bad.clone()]),
            ] {
                assert!(nearest(&queries, &corpus, 1, Similarity::Dot).is_err(), "{bad:?}");
            }
        }
        let none: [Vec<f32>; 0] = [];
        assert_eq!(nearest(&none, &none, 3, Similarity::Dot).unwrap(), Vec::<Vec<_>>::new());
        assert_eq!(nearest(&[&good], &none, 3, Similarity::Dot).unwrap(), [vec![]]);
        assert_eq!(nearest(&[&good], &[&good], 0, Similarity::Dot).unwrap(), [vec![]]);
    }

    proptest! {
        #[test]
        fn it_is_what_sorting_everything_gives(
            corpus in prop::collection::vec(prop::collection::vec(-3_i8..3, 19), 1..30),
            query in prop::collection::vec(-3_i8..3, 19),
            k in 1_usize..12,
        ) {
            let float = |x: &Vec<i8>| x.iter().map(|x| f32::from(*x)).collect::<Vec<_>>();
            let vectors: Vec<Vec<f32>> = corpus.iter().map(float).collect();
            let found = nearest(&[float(&query)], &vectors, k, Similarity::Dot).unwrap().remove(0);
            let score = |at: usize| -> i32 {
                corpus[at].iter().zip(&query).map(|(a, b)| i32::from(*a) * i32::from(*b)).sum()
            };
            let mut all: Vec<usize> = (0..corpus.len()).collect();
            all.sort_by_key(|at| (-score(*at), *at));
            all.truncate(k);
            let got: Vec<usize> = found.iter().map(|neighbour| neighbour.index).collect();
            prop_assert_eq!(got, all);
        }
    }
}
