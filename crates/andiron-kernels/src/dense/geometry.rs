//! The sizes of a dense convolution, how it is cut into blocks, and what its taps see.

use burn::tensor::ops::ConvOptions;
use std::ops::Range;

/// Values of what is written out for one product: a quarter of a mebibyte, half a core's second cache
/// or less.
const PANEL: usize = 1 << 16;
/// Lines of a panel, or products of each sum that are added up before they go to what was summed so far:
/// a sum of sums is nearer to the truth than one long sum.
const DEPTH: usize = 256;
/// Places of the output that are computed together; whole rows, and one row at least.
const PLACES: usize = 256;
/// Pieces of one image that are worked on at a time, if its channels allow it.
pub(super) const PIECES: usize = 4;
/// Output channels below which an image is not cut by channels.
const FEW_CHANNELS: usize = 32;

/// The sizes of a convolution. An axis each: height, width.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub(super) channels_in: usize,
    pub(super) channels_out: usize,
    pub(super) input: [usize; 2],
    pub(super) output: [usize; 2],
    pub(super) kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    /// Zeros above and to the left.
    before: [usize; 2],
}

impl Geometry {
    /// None where the convolution goes in groups, or has no values.
    pub(super) fn of(x: [usize; 4], weight: [usize; 4], options: &ConvOptions<2>) -> Option<Self> {
        let [batch, channels_in, height, width] = x;
        let [channels_out, channels, kernel_height, kernel_width] = weight;
        if options.groups != 1 || channels != channels_in {
            return None;
        }
        let (before, after) = (options.padding_begin(), options.padding_end());
        let (input, kernel) = ([height, width], [kernel_height, kernel_width]);
        let out = |axis: usize| -> Option<usize> {
            let reach = options.dilation[axis] * kernel[axis].checked_sub(1)? + 1;
            let room = (input[axis] + before[axis] + after[axis]).checked_sub(reach)?;
            Some(room.checked_div(options.stride[axis])? + 1)
        };
        let output = [out(0)?, out(1)?];
        if batch * channels_in * channels_out * height * width == 0 {
            return None;
        }
        let (stride, dilation) = (options.stride, options.dilation);
        Some(Self { channels_in, channels_out, input, output, kernel, stride, dilation, before })
    }

    pub(super) fn taps(&self) -> usize {
        self.kernel[0] * self.kernel[1]
    }

    /// Weights of one output channel.
    pub(super) fn depth(&self) -> usize {
        self.channels_in * self.taps()
    }

    /// Places of one image's output.
    pub(super) fn places(&self) -> usize {
        self.output[0] * self.output[1]
    }

    pub(super) fn pixels(&self) -> usize {
        self.input[0] * self.input[1]
    }

    /// Rows of the output that are computed together.
    pub(super) fn rows_together(&self) -> usize {
        (PLACES / self.output[1]).clamp(1, self.output[0])
    }

    /// The rows of the output, cut into blocks.
    pub(super) fn row_blocks(&self) -> impl Iterator<Item = Range<usize>> + use<> {
        ranges(self.output[0], self.rows_together())
    }

    /// Input channels whose taps make one panel.
    pub(super) fn channels_together(&self) -> usize {
        let places = self.rows_together() * self.output[1];
        let fitting = PANEL / (self.taps() * places).max(1);
        fitting.min(DEPTH / self.taps()).clamp(1, self.channels_in)
    }

    /// Output channels of one piece: all, but where an image has few blocks of rows.
    pub(super) fn outs_together(&self) -> usize {
        let blocks = self.output[0].div_ceil(self.rows_together());
        if blocks >= PIECES || self.channels_out < FEW_CHANNELS {
            return self.channels_out;
        }
        self.channels_out.div_ceil(PIECES.div_ceil(blocks))
    }

    /// Where in a plane the row begins that a tap sees at a row of the output, if it is on the image.
    #[inline(always)]
    fn row_of(&self, row: usize, down: usize) -> Option<usize> {
        let y = row * self.stride[0] + down * self.dilation[0];
        let y = y.checked_sub(self.before[0]).filter(|y| *y < self.input[0])?;
        Some(y * self.input[1])
    }

    /// The channel of a line of a panel, and its tap.
    #[inline(always)]
    pub(super) fn tap(&self, line: usize) -> (usize, [usize; 2]) {
        let tap = line % self.taps();
        (line / self.taps(), [tap / self.kernel[1], tap % self.kernel[1]])
    }

    /// The plane of a channel.
    #[inline(always)]
    pub(super) fn plane(&self, channel: usize) -> Range<usize> {
        channel * self.pixels()..(channel + 1) * self.pixels()
    }

    /// The places of a row whose tap lies on the image, and the pixel that the first of them sees.
    #[inline(always)]
    fn on_image(&self, right: usize) -> (Range<usize>, usize) {
        let (stride, shift) = (self.stride[1], right * self.dilation[1]);
        let first = self.before[1].saturating_sub(shift).div_ceil(stride);
        let end = (self.input[1] + self.before[1]).saturating_sub(shift).div_ceil(stride);
        let (first, end) = (first.min(self.output[1]), end.min(self.output[1]));
        let pixel = (first * stride + shift).saturating_sub(self.before[1]);
        (first..end.max(first), pixel)
    }

    /// What the tap of a line sees at the places of `rows`, written into `line`; beyond them it stays.
    #[inline(always)]
    pub(super) fn see(
        &self,
        plane: &[f32],
        [down, right]: [usize; 2],
        rows: &Range<usize>,
        line: &mut [f32],
    ) {
        let (width, stride) = (self.output[1], self.stride[1]);
        let (on, pixel) = self.on_image(right);
        for (out, row) in line.chunks_exact_mut(width).zip(rows.clone()) {
            let Some(start) = self.row_of(row, down) else {
                out.fill(0.0);
                continue;
            };
            out[..on.start].fill(0.0);
            out[on.end..].fill(0.0);
            if on.is_empty() {
                continue;
            }
            let seen = &plane[start + pixel..start + self.input[1]];
            let out = &mut out[on.clone()];
            if stride == 1 {
                out.copy_from_slice(&seen[..out.len()]);
            } else {
                out.iter_mut()
                    .zip(seen.iter().step_by(stride))
                    .for_each(|(out, seen)| *out = *seen);
            }
        }
    }

    /// Adds to each pixel what the tap has in `line` at the places of `rows`.
    #[inline(always)]
    pub(super) fn give(
        &self,
        line: &[f32],
        [down, right]: [usize; 2],
        rows: &Range<usize>,
        plane: &mut [f32],
    ) {
        let (width, stride) = (self.output[1], self.stride[1]);
        let (on, pixel) = self.on_image(right);
        if on.is_empty() {
            return;
        }
        for (from, row) in line.chunks_exact(width).zip(rows.clone()) {
            let Some(start) = self.row_of(row, down) else { continue };
            let seen = &mut plane[start + pixel..start + self.input[1]];
            let from = &from[on.clone()];
            if stride == 1 {
                seen.iter_mut().zip(from).for_each(|(seen, from)| *seen += from);
            } else {
                let seen = seen.iter_mut().step_by(stride);
                seen.zip(from).for_each(|(seen, from)| *seen += from);
            }
        }
    }
}

/// `0..n` in ranges of `together`.
pub(super) fn ranges(n: usize, together: usize) -> impl Iterator<Item = Range<usize>> {
    (0..n).step_by(together).map(move |from| from..(from + together).min(n))
}
