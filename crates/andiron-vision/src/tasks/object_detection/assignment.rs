//! Which cells learn which object: SimOTA.
//!
//! Paper: Ge et al. 2021, <https://arxiv.org/abs/2107.08430>, section 2.1, after Ge et al. 2021
//! (OTA), <https://arxiv.org/abs/2103.14259>; details as in the `yolox` package, version 0.3.0.

use crate::grid::Cell;

/// How far from the centre of an object a cell may lie, in sides of the cell.
const CENTRE_RADIUS: f32 = 2.5;
/// Of so many of the best overlaps the sum says how many cells an object gets.
const MOST_CELLS: usize = 10;
/// What a cell costs that does not lie both in the box and near its centre.
const OUTSIDE: f32 = 100_000.0;
/// The weight of the overlap in the cost.
const OVERLAP_WEIGHT: f32 = 3.0;

/// An object to be found: class number, and centre, width and height in pixels of the frame.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Target {
    /// The class number.
    pub class: usize,
    /// Centre, width and height in pixels.
    pub place: [f32; 4],
}

/// A cell that learns an object.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Match {
    /// The cell's number.
    pub cell: usize,
    /// The object's number.
    pub target: usize,
    /// The overlap of the cell's present box with the object, 0 to 1.
    pub overlap: f32,
}

/// Intersection over union of two boxes given as centre, width and height.
pub(crate) fn overlap(a: [f32; 4], b: [f32; 4]) -> f32 {
    let side = |axis: usize| {
        let low = (a[axis] - a[axis + 2] / 2.0).max(b[axis] - b[axis + 2] / 2.0);
        let high = (a[axis] + a[axis + 2] / 2.0).min(b[axis] + b[axis + 2] / 2.0);
        (high - low).max(0.0)
    };
    let both = side(0) * side(1);
    both / (a[2] * a[3] + b[2] * b[3] - both)
}

fn sigmoid(x: f32) -> f32 {
    1.0 / (1.0 + (-x).exp())
}

/// Whether the middle of a cell lies in the box, and whether it lies near its centre.
fn nearness(cell: &Cell, place: [f32; 4]) -> [bool; 2] {
    let centre = cell.centre();
    let within =
        |reach: [f32; 2]| (0..2).all(|axis| (centre[axis] - place[axis]).abs() < reach[axis]);
    [within([place[2] / 2.0, place[3] / 2.0]), within([CENTRE_RADIUS * cell.stride; 2])]
}

/// One object's view of the cells that may be chosen.
struct Costs {
    overlaps: Vec<f32>,
    costs: Vec<f32>,
}

/// Binary cross-entropy of the classes with one of them, where the probability of a class is the
/// root of what the cell says of it times what it says of an object.
fn class_cost(numbers: &[f32], class: usize) -> f32 {
    let object = sigmoid(numbers[4]);
    // As PyTorch: no logarithm is below −100.
    let log = |p: f32| p.ln().max(-100.0);
    let term = |(at, logit): (usize, &f32)| {
        let p = (sigmoid(*logit) * object).sqrt();
        if at == class { -log(p) } else { -log(1.0 - p) }
    };
    numbers[5..].iter().enumerate().map(term).sum()
}

/// Chooses cells for the objects of one image. `numbers` are what each cell says now, as many for
/// each as `width`.
///
/// Every object gets at least one cell, and no cell two objects; the cells come in order. Where
/// costs are equal the first cell is chosen.
pub fn assign(numbers: &[f32], width: usize, cells: &[Cell], targets: &[Target]) -> Vec<Match> {
    let near: Vec<Vec<[bool; 2]>> = targets
        .iter()
        .map(|target| cells.iter().map(|cell| nearness(cell, target.place)).collect())
        .collect();
    let candidates: Vec<usize> =
        (0..cells.len()).filter(|cell| near.iter().any(|of| of[*cell].contains(&true))).collect();
    if candidates.is_empty() {
        return Vec::new();
    }
    let said = |cell: usize| &numbers[cell * width..][..width];
    let all: Vec<Costs> = targets
        .iter()
        .zip(&near)
        .map(|(target, near)| {
            let (mut overlaps, mut costs) = (Vec::new(), Vec::new());
            for cell in &candidates {
                let numbers = said(*cell);
                let place = cells[*cell].decode([numbers[0], numbers[1], numbers[2], numbers[3]]);
                let found = overlap(target.place, place);
                // Where a box has grown beyond all numbers the cell is the last choice, but a number.
                let found = if found.is_finite() { found } else { 0.0 };
                let outside = if near[*cell] == [true, true] { 0.0 } else { OUTSIDE };
                let distance = -(found + 1e-8).ln();
                costs.push(class_cost(numbers, target.class) + OVERLAP_WEIGHT * distance + outside);
                overlaps.push(found);
            }
            Costs { overlaps, costs }
        })
        .collect();
    matches(&candidates, &all)
}

fn matches(candidates: &[usize], all: &[Costs]) -> Vec<Match> {
    let mut wanted_by: Vec<Vec<usize>> = vec![Vec::new(); candidates.len()];
    for (target, of) in all.iter().enumerate() {
        let mut best = of.overlaps.clone();
        best.sort_unstable_by(|a, b| b.total_cmp(a));
        let sum: f32 = best.iter().take(MOST_CELLS).sum();
        let count = (sum as usize).max(1);
        let mut order: Vec<usize> = (0..candidates.len()).collect();
        order.sort_by(|a, b| of.costs[*a].total_cmp(&of.costs[*b]));
        order.iter().take(count).for_each(|at| wanted_by[*at].push(target));
    }
    let chosen = |(at, wanted): (usize, &Vec<usize>)| {
        let target = match wanted[..] {
            [] => return None,
            [only] => only,
            // The cheapest of all objects, not only of those that want the cell: as the package does.
            _ => (0..all.len()).min_by(|a, b| all[*a].costs[at].total_cmp(&all[*b].costs[at]))?,
        };
        Some(Match { cell: candidates[at], target, overlap: all[target].overlaps[at] })
    };
    wanted_by.iter().enumerate().filter_map(chosen).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cells() -> Vec<Cell> {
        (0..12).map(|at| Cell { x: (at % 4) as f32, y: (at / 4) as f32, stride: 8.0 }).collect()
    }

    #[test]
    fn no_cell_gets_two_objects() {
        let cells = cells();
        let numbers: Vec<f32> = (0..12 * 7).map(|at| ((at * 37 % 11) as f32 - 5.0) / 8.0).collect();
        let targets = [
            Target { class: 0, place: [10.0, 9.0, 14.0, 12.0] },
            Target { class: 1, place: [12.0, 10.0, 12.0, 14.0] },
            Target { class: 1, place: [29.0, 21.0, 5.0, 4.0] },
        ];
        let found = assign(&numbers, 7, &cells, &targets);
        let mut seen: Vec<usize> = found.iter().map(|one| one.cell).collect();
        assert!(seen.is_sorted());
        seen.dedup();
        assert_eq!(seen.len(), found.len());
        // The first two want one cell, and the second is cheaper there.
        let targets_found: Vec<usize> = found.iter().map(|one| one.target).collect();
        assert_eq!(targets_found, [1, 2], "{found:?}");
        assert!(found.iter().all(|one| (0.0..=1.0).contains(&one.overlap)));
        assert!(assign(&numbers, 7, &cells, &[]).is_empty());
    }

    #[test]
    fn boxes_beyond_all_numbers_overlap_with_nothing() {
        let cells = cells();
        let mut numbers = vec![0.0; 12 * 7];
        numbers[5 * 7 + 2] = 200.0;
        let target = Target { class: 0, place: [12.0, 12.0, 8.0, 8.0] };
        let found = assign(&numbers, 7, &cells, &[target]);
        // No other cell lies in the middle of the object.
        assert!(matches!(found[..], [Match { cell: 5, target: 0, overlap: 0.0 }]), "{found:?}");
    }

    #[test]
    fn overlaps_are_quotients_of_areas() {
        assert_eq!(overlap([5.0, 5.0, 4.0, 4.0], [5.0, 5.0, 4.0, 4.0]), 1.0);
        assert_eq!(overlap([5.0, 5.0, 4.0, 4.0], [9.0, 5.0, 4.0, 4.0]), 0.0);
        assert_eq!(overlap([5.0, 5.0, 4.0, 4.0], [7.0, 5.0, 4.0, 4.0]), 8.0 / 24.0);
    }
}
