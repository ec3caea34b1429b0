//! What several views of an image say, as one.

use super::ImageSegmentation;
use crate::picture::Image;
use burn::tensor::{
    Tensor,
    activation::softmax,
    module::interpolate,
    ops::{InterpolateMode, InterpolateOptions},
};
use std::ops::Range;

impl ImageSegmentation {
    /// The sums of the probabilities that the views give to a pixel, each view laid where it was seen.
    /// The whole image is a view, so something is said of every pixel; those in more windows have
    /// larger sums, of which the largest counts all the same.
    ///
    /// # Shapes
    /// - logits: `[inputs · views, classes, height, width]`
    /// - output: `[inputs, classes, height, width]`
    pub(super) fn averaged(&self, inputs: &[&Image], logits: Tensor<4>) -> Tensor<4> {
        let (count, said) = (self.views.count(), softmax(logits, 1));
        let of = |(at, image): (usize, &&Image)| {
            self.laid(image, said.clone().narrow(0, at * count, count))
        };
        Tensor::cat(inputs.iter().enumerate().map(of).collect(), 0)
    }

    /// [`averaged`](Self::averaged) of one image: `[views, ..]` in, `[1, ..]` out.
    fn laid(&self, image: &Image, said: Tensor<4>) -> Tensor<4> {
        let [count, classes, height, width] = said.dims();
        let (wide, high) = self.frame.size(image);
        let windows = self.views.windows(image.width(), image.height());
        let mut sum = Tensor::zeros([1, classes, height, width], &said.device());
        for view in 0..count {
            let [left, top, across, down] = windows[view % windows.len()];
            let (columns, rows) = self.frame.size_of(across as u32, down as u32);
            let (columns, rows) = (columns as usize, rows as usize);
            let part = said.clone().slice([view..view + 1, 0..classes, 0..rows, 0..columns]);
            let part = if self.views.is_mirrored(view) { part.flip([3]) } else { part };
            let (x0, x1) = place(left, across, image.width(), wide);
            let (y0, y1) = place(top, down, image.height(), high);
            let size = [(y1 - y0) as usize, (x1 - x0) as usize];
            let part = if size == [rows, columns] {
                part
            } else {
                let bilinear = InterpolateOptions::new(InterpolateMode::Bilinear);
                interpolate(part, bilinear.with_align_corners(false).with_output_size(size))
            };
            let (Some(y), Some(x)) = (inside(y0, y1, height), inside(x0, x1, width)) else {
                continue; // A shift by more than the image.
            };
            let part = part.slice([0..1, 0..classes, y.kept, x.kept]);
            sum = sum + part.pad((x.before, x.behind, y.before, y.behind), 0.0);
        }
        sum
    }
}

/// From where to where a window of `length` pixels of `of`, from `first` on, lies where these are
/// `side` pixels; one at least.
fn place(first: i64, length: i64, of: u32, side: u32) -> (i64, i64) {
    let at = |pixel: i64| (pixel as f64 * f64::from(side) / f64::from(of)).round() as i64;
    let from = at(first).min(i64::from(side) - 1);
    (from, at(first + length).max(from + 1))
}

/// What of a window lies in a frame: its pixels, and how many of the frame are before and behind them.
struct Inside {
    kept: Range<usize>,
    before: usize,
    behind: usize,
}

fn inside(from: i64, to: i64, side: usize) -> Option<Inside> {
    let (first, end) = (from.max(0), to.min(side as i64));
    (first < end).then(|| Inside {
        kept: (first - from) as usize..(end - from) as usize,
        before: first as usize,
        behind: side - end as usize,
    })
}
