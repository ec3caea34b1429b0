//! What a detector on a grid learns from.

use super::assignment::{Match, Target, assign};
use crate::grid::{Cell, GridBoxes};
use andiron_core::Loss;
use burn::tensor::{Device, Int, Tensor, TensorData, activation::log_sigmoid};

/// The weight of the overlap beside the other parts.
const OVERLAP_WEIGHT: f64 = 5.0;

/// The parts of the loss, each a sum over the batch divided by the number of chosen cells.
#[derive(Debug, Clone)]
pub struct Parts {
    /// `1 − IoU²` of the chosen cells' boxes, five times.
    pub overlap: Tensor<1>,
    /// Cross-entropy of "here is an object" in all cells.
    pub object: Tensor<1>,
    /// Cross-entropy of the classes in the chosen cells, whose truth is the overlap.
    pub class: Tensor<1>,
    /// Distance of the raw box numbers, in the chosen cells; nothing if it was not asked for.
    pub distance: Option<Tensor<1>>,
    /// How many cells were chosen.
    pub chosen: usize,
}

impl Parts {
    /// All parts together; a mean over the chosen cells of `images` images.
    pub fn loss(self, images: usize) -> Loss {
        let mut mean = self.overlap + self.object + self.class;
        if let Some(distance) = self.distance {
            mean = mean + distance;
        }
        Loss::new(mean, images).with_weight(self.chosen.max(1) as f64)
    }
}

/// Binary cross-entropy of logits with probabilities, term by term: `−log σ(−x) − x y`.
fn binary_cross_entropy<const D: usize>(logits: Tensor<D>, truth: Tensor<D>) -> Tensor<D> {
    (log_sigmoid(logits.clone().neg()) + logits * truth).neg()
}

/// A tensor of rows from numbers on the host.
fn rows(values: Vec<f32>, width: usize, device: &Device) -> Tensor<2> {
    let shape = [values.len() / width, width];
    Tensor::from_data(TensorData::new(values, shape), device)
}

/// The loss of YOLOX (Ge et al. 2021, <https://arxiv.org/abs/2107.08430>), as in the `yolox` package,
/// version 0.3.0: cells are chosen by SimOTA; `with_distance` adds the L1 distance that the paper has
/// in its last epochs.
pub fn parts(grid: GridBoxes, truth: &[Vec<Target>], with_distance: bool) -> Parts {
    let [batch, count, width] = grid.numbers.dims();
    let device = grid.numbers.device();
    let cells = grid.cells();
    let said: Vec<f32> = grid.numbers.clone().detach().into_data().iter::<f32>().collect();
    let mut chosen: Vec<(usize, Match)> = Vec::new();
    for (image, targets) in truth.iter().enumerate() {
        let said = &said[image * count * width..][..count * width];
        let found = assign(said, width, &cells, targets);
        chosen.extend(found.into_iter().map(|one| (image, one)));
    }
    let mut here = vec![0.0; batch * count];
    chosen.iter().for_each(|(image, one)| here[image * count + one.cell] = 1.0);
    let divisor = chosen.len().max(1) as f64;
    let logits = grid.numbers.clone().narrow(2, 4, 1).reshape([batch, count]);
    let object = binary_cross_entropy(logits, rows(here, count, &device));
    let object = object.sum_dim(1).sum() / divisor;
    let nothing = Parts {
        overlap: object.zeros_like(),
        object: object.clone(),
        class: object.zeros_like(),
        distance: None,
        chosen: chosen.len(),
    };
    if chosen.is_empty() {
        return nothing;
    }
    let places: Vec<i32> =
        chosen.iter().map(|(image, one)| (image * count + one.cell) as i32).collect();
    let places = Tensor::<1, Int>::from_ints(places.as_slice(), &device);
    let own = grid.numbers.reshape([batch * count, width]).select(0, places);
    let target = |(image, one): &(usize, Match)| truth[*image][one.target];
    let n_classes = width - 5;
    let mut classes = vec![0.0; chosen.len() * n_classes];
    for (row, one) in chosen.iter().enumerate() {
        classes[row * n_classes + target(one).class] = one.1.overlap;
    }
    let class = binary_cross_entropy(
        own.clone().narrow(1, 5, n_classes),
        rows(classes, n_classes, &device),
    );
    let wanted: Vec<f32> = chosen.iter().flat_map(|one| target(one).place).collect();
    let at: Vec<Cell> = chosen.iter().map(|(_, one)| cells[one.cell]).collect();
    let raw = own.narrow(1, 0, 4);
    let distance = with_distance.then(|| {
        let of = |(cell, one)| Cell::encode(cell, target(one).place);
        let encoded: Vec<f32> = at.iter().zip(&chosen).flat_map(of).collect();
        let apart = (raw.clone() - rows(encoded, 4, &device)).abs();
        apart.sum_dim(1).sum() / divisor
    });
    let overlap = overlaps(raw, &at, rows(wanted, 4, &device));
    Parts {
        overlap: (overlap.square().neg() + 1.0).sum() * (OVERLAP_WEIGHT / divisor),
        class: class.sum_dim(1).sum() / divisor,
        distance,
        ..nothing
    }
}

/// Intersection over union of the boxes that raw numbers mean with those wanted, `[rows, 1]`.
fn overlaps(raw: Tensor<2>, cells: &[Cell], wanted: Tensor<2>) -> Tensor<2> {
    let device = raw.device();
    let corner = cells.iter().flat_map(|cell| [cell.x * cell.stride, cell.y * cell.stride]);
    let corner = rows(corner.collect(), 2, &device);
    let stride = rows(cells.iter().map(|cell| cell.stride).collect(), 1, &device);
    let centre = raw.clone().narrow(1, 0, 2) * stride.clone() + corner;
    let size = raw.narrow(1, 2, 2).exp() * stride;
    let (wanted_centre, wanted_size) = (wanted.clone().narrow(1, 0, 2), wanted.narrow(1, 2, 2));
    let low = (centre.clone() - size.clone() / 2.0)
        .max_pair(wanted_centre.clone() - wanted_size.clone() / 2.0);
    let high = (centre + size.clone() / 2.0).min_pair(wanted_centre + wanted_size.clone() / 2.0);
    let both = area((high - low).clamp_min(0.0));
    let union = area(size) + area(wanted_size) - both.clone();
    both / (union + 1e-16)
}

/// Width times height of each row.
fn area(size: Tensor<2>) -> Tensor<2> {
    size.clone().narrow(1, 0, 1) * size.narrow(1, 1, 1)
}
