//! From the mean of a text's rows to the best labels.

use super::{FastTextError, Loss, matrix::Matrix};

/// Least probability: labels whose logarithm falls below `ln(0 + 1e-5)` are not given.
const LEAST: f64 = 0.0;

/// The logistic function is looked up in a table of so many steps from −8 to 8.
const TABLE_STEPS: usize = 512;
const TABLE_END: f32 = 8.0;

/// The output matrix and how it is read.
#[derive(Debug, Clone)]
pub(super) struct Output {
    matrix: Matrix,
    kind: Kind,
}

#[derive(Debug, Clone)]
enum Kind {
    Tree(Vec<[usize; 2]>),
    Logistic(Vec<f32>),
    Softmax,
}

impl Output {
    /// `counts` says how often each label stood in the training data, the most frequent first.
    pub(super) fn new(matrix: Matrix, loss: Loss, counts: &[i64]) -> Result<Self, FastTextError> {
        let kind = match loss {
            Loss::HierarchicalSoftmax => Kind::Tree(huffman(counts)?),
            Loss::Logistic => Kind::Logistic(logistic_table()),
            Loss::Softmax => Kind::Softmax,
        };
        Ok(Self { matrix, kind })
    }

    /// The `k` best labels with the logarithms of their probabilities, the best first; of equals
    /// the first label.
    pub(super) fn best(&self, hidden: &[f32], k: usize) -> Vec<(f32, usize)> {
        let mut best = match &self.kind {
            Kind::Tree(nodes) => self.leaves(nodes, hidden, k),
            Kind::Logistic(table) => scored(self.products(hidden).map(|z| logistic(table, z))),
            Kind::Softmax => {
                let mut scores: Vec<f32> = self.products(hidden).collect();
                let greatest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
                scores.iter_mut().for_each(|score| *score = (*score - greatest).exp());
                let sum: f32 = scores.iter().sum();
                scored(scores.into_iter().map(|score| score / sum))
            }
        };
        best.sort_by(|a, b| b.0.total_cmp(&a.0).then(a.1.cmp(&b.1)));
        best.truncate(k);
        best
    }

    fn products<'a>(&'a self, hidden: &'a [f32]) -> impl Iterator<Item = f32> + 'a {
        (0..self.matrix.rows()).map(move |row| self.matrix.dot_row(row, hidden))
    }

    /// The leaves of the tree, without the branches that can hold none of the `k` best. The left
    /// branch is the answer no to a node's question.
    fn leaves(&self, nodes: &[[usize; 2]], hidden: &[f32], k: usize) -> Vec<(f32, usize)> {
        let n_labels = nodes.len() + 1;
        let least = logarithm(LEAST);
        let mut found: Vec<(f32, usize)> = Vec::new();
        // The root is the last node that was made.
        let mut open = vec![(0.0_f32, 2 * n_labels - 2)];
        while let Some((score, node)) = open.pop() {
            // Until k leaves are found, none is too many.
            let worst = if found.len() < k { f32::NEG_INFINITY } else { found[k - 1].0 };
            if score < least || score < worst {
                continue;
            }
            let Some(question) = node.checked_sub(n_labels) else {
                // Where all leaves are wanted, the order can wait.
                let at = if k >= n_labels {
                    found.len()
                } else {
                    found.partition_point(|(other, _)| *other >= score)
                };
                found.insert(at, (score, node));
                found.truncate(k);
                continue;
            };
            let yes = 1.0 / f64::from(1.0 + (-self.matrix.dot_row(question, hidden)).exp());
            let yes = yes as f32;
            let [left, right] = nodes[question];
            open.push((score + logarithm(f64::from(yes)), right));
            open.push((score + logarithm(1.0 - f64::from(yes)), left));
        }
        found
    }
}

/// Labels above the least probability with the logarithm of theirs.
fn scored(probabilities: impl Iterator<Item = f32>) -> Vec<(f32, usize)> {
    let scored = probabilities.enumerate().map(|(label, p)| (logarithm(f64::from(p)), label));
    scored.collect()
}

/// `ln(p + 10⁻⁵)`, which is finite for 0.
fn logarithm(p: f64) -> f32 {
    // fastText hands p over in single precision.
    (f64::from(p as f32) + 1e-5).ln() as f32
}

fn logistic_table() -> Vec<f32> {
    let entry = |step: usize| {
        let x = (step as f32 * 2.0 * TABLE_END) / TABLE_STEPS as f32 - TABLE_END;
        (1.0 / (1.0 + f64::from((-x).exp()))) as f32
    };
    (0..=TABLE_STEPS).map(entry).collect()
}

fn logistic(table: &[f32], z: f32) -> f32 {
    if z < -TABLE_END {
        0.0
    } else if z > TABLE_END {
        1.0
    } else {
        let step = (z + TABLE_END) * TABLE_STEPS as f32 / TABLE_END / 2.0;
        // NaN, from a product of huge numbers, becomes step 0.
        table[(step as usize).min(TABLE_STEPS)]
    }
}

/// Huffman's tree over the labels, as the two children of each node that is no leaf. Leaves are the
/// labels' numbers; the nodes that join two follow in the order in which they are made.
fn huffman(counts: &[i64]) -> Result<Vec<[usize; 2]>, FastTextError> {
    // Two queues, both ascending: the labels from the last on, and the joined nodes.
    let mut totals = counts.to_vec();
    let mut nodes = Vec::with_capacity(counts.len().saturating_sub(1));
    let (mut leaf, mut joined) = (counts.len(), counts.len());
    for _ in 1..counts.len() {
        let mut next = || {
            // The joined node of equals, as fastText has it.
            let from_leaves = leaf > 0 && totals.get(joined).is_none_or(|t| totals[leaf - 1] < *t);
            if from_leaves {
                leaf -= 1;
                leaf
            } else {
                joined += 1;
                joined - 1
            }
        };
        let children = [next(), next()];
        let total = totals[children[0]].checked_add(totals[children[1]]);
        totals
            .push(total.ok_or(FastTextError::Value { what: "count of a label", got: counts[0] })?);
        nodes.push(children);
    }
    Ok(nodes)
}
