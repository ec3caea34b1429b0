//! What a detector says that answers for each cell of a grid, as YOLOX does.

use burn::tensor::Tensor;

/// The numbers of each cell before its class logits: place and size of the box, and whether there
/// is an object.
pub const BOX_NUMBERS: usize = 5;

/// One grid over the image.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Level {
    /// Cells from top to bottom; 1 or more.
    pub height: usize,
    /// Cells from left to right; 1 or more.
    pub width: usize,
    /// The side of a cell, in pixels.
    pub stride: usize,
}

/// A cell of one of the grids.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Cell {
    /// Column, counted from 0.
    pub x: f32,
    /// Row, counted from 0.
    pub y: f32,
    /// The side of the cell, in pixels.
    pub stride: f32,
}

impl Cell {
    /// The middle of the cell, in pixels.
    pub fn centre(&self) -> [f32; 2] {
        [(self.x + 0.5) * self.stride, (self.y + 0.5) * self.stride]
    }

    /// Centre, width and height in pixels of the box that the first four numbers of the cell mean:
    /// `((dx + x) s, (dy + y) s, exp(dw) s, exp(dh) s)` with `s` the stride.
    pub fn decode(&self, [dx, dy, dw, dh]: [f32; 4]) -> [f32; 4] {
        let s = self.stride;
        [(dx + self.x) * s, (dy + self.y) * s, dw.exp() * s, dh.exp() * s]
    }

    /// What [`decode`](Self::decode) undoes, with a little added to the sides so that none gives an
    /// infinity.
    pub fn encode(&self, [x, y, width, height]: [f32; 4]) -> [f32; 4] {
        let s = self.stride;
        [x / s - self.x, y / s - self.y, (width / s + 1e-8).ln(), (height / s + 1e-8).ln()]
    }
}

/// The output of a detector.
#[derive(Debug, Clone)]
pub struct GridBoxes {
    /// `[batch, cells, 5 + classes]`: for each cell the box (see [`Cell::decode`]), the logit of
    /// "here is an object", and the logit of each class.
    pub numbers: Tensor<3>,
    /// The grids, in the order of the cells; those of a grid row by row from the top.
    pub levels: Vec<Level>,
}

impl GridBoxes {
    /// The cells, in order.
    pub fn cells(&self) -> Vec<Cell> {
        let each = |level: &Level| {
            let Level { height, width, stride } = *level;
            (0..height * width).map(move |at| Cell {
                x: (at % width) as f32,
                y: (at / width) as f32,
                stride: stride as f32,
            })
        };
        self.levels.iter().flat_map(each).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn cells_stand_row_by_row_and_boxes_survive_the_way_there_and_back() {
        let levels = vec![
            Level { height: 2, width: 3, stride: 8 },
            Level { height: 1, width: 2, stride: 16 },
        ];
        let grid = GridBoxes { numbers: Tensor::zeros([1, 8, 7], &Device::flex()), levels };
        let cells = grid.cells();
        assert_eq!(cells.len(), 8);
        assert_eq!(cells[4], Cell { x: 1.0, y: 1.0, stride: 8.0 });
        assert_eq!(cells[7].centre(), [24.0, 8.0]);
        let place = [13.0, 9.5, 21.0, 4.0];
        let back = cells[4].decode(cells[4].encode(place));
        assert!(place.iter().zip(back).all(|(a, b)| (a - b).abs() < 1e-4), "{back:?}");
    }
}
