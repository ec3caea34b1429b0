//! What several views of an image say, as one.

use super::ImageSegmentation;
use crate::picture::Image;
use burn::tensor::{
    Tensor,
    activation::softmax,
    module::interpolate,
    ops::{InterpolateMode, InterpolateOptions},
};

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
            let (columns, rows) = self.frame.size_of(across, down);
            let (columns, rows) = (columns as usize, rows as usize);
            let part = said.clone().slice([view..view + 1, 0..classes, 0..rows, 0..columns]);
            let part = if self.views.is_mirrored(view) { part.flip([3]) } else { part };
            let (x0, x1) = place(left, across, image.width(), wide);
            let (y0, y1) = place(top, down, image.height(), high);
            let size = [y1 - y0, x1 - x0];
            let part = if size == [rows, columns] {
                part
            } else {
                let bilinear = InterpolateOptions::new(InterpolateMode::Bilinear);
                interpolate(part, bilinear.with_align_corners(false).with_output_size(size))
            };
            sum = sum + part.pad((x0, width - x1, y0, height - y1), 0.0);
        }
        sum
    }
}

/// From where to where a window of `length` pixels of `of`, from `first` on, lies where these are
/// `side` pixels; one at least.
fn place(first: u32, length: u32, of: u32, side: u32) -> (usize, usize) {
    let at = |pixel: u32| (f64::from(pixel) * f64::from(side) / f64::from(of)).round() as usize;
    let from = at(first).min(side as usize - 1);
    (from, at(first + length).max(from + 1))
}
