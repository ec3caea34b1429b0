//! One plane of a depthwise convolution as flat vectors, and the three sums over them.

use crate::{
    few_rows::{add_lines, dot},
    sweep::Body,
};
use burn::tensor::ops::ConvOptions;

/// The sizes of one plane, and how the taps lie. An axis each: height, width.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Geometry {
    pub(super) input: [usize; 2],
    pub(super) output: [usize; 2],
    pub(super) kernel: [usize; 2],
    stride: [usize; 2],
    dilation: [usize; 2],
    /// Zeros above and to the left.
    before: [usize; 2],
}

impl Geometry {
    /// None where the convolution is not one channel by channel, or has no output.
    pub(super) fn of(x: [usize; 4], weight: [usize; 4], options: &ConvOptions<2>) -> Option<Self> {
        let [batch, channels, height, width] = x;
        let [channels_out, per_group, kernel_height, kernel_width] = weight;
        if options.groups != channels || channels_out != channels || per_group != 1 {
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
        if batch * channels * height * width == 0 {
            return None;
        }
        let (stride, dilation) = (options.stride, options.dilation);
        Some(Self { input, output, kernel, stride, dilation, before })
    }

    /// How far the last tap lies from the first, in steps of the output.
    fn reach(&self) -> [usize; 2] {
        [0, 1].map(|axis| (self.kernel[axis] - 1) * self.dilation[axis] / self.stride[axis])
    }

    /// Values from one row of a phase to the next; the output is summed with the same.
    fn pitch(&self) -> usize {
        self.output[1] + self.reach()[1]
    }

    /// Values of one phase: its rows, and what the last tap reads beyond the last row.
    fn phase_length(&self) -> usize {
        let [rows, columns] = self.reach();
        (self.output[0] + rows) * self.pitch() + columns
    }

    /// The pixels whose place modulo the stride is the same are a phase: so many there are.
    fn phases(&self) -> usize {
        self.stride[0] * self.stride[1]
    }

    /// Values of the output as it is summed, with as many beyond each row as a tap reaches.
    fn flat_length(&self) -> usize {
        self.output[0] * self.pitch()
    }

    /// For each tap the phase it reads, and how far from its beginning.
    fn taps(&self) -> Vec<(usize, usize)> {
        let place = |axis: usize, tap: usize| {
            let at = tap * self.dilation[axis];
            (at % self.stride[axis], at / self.stride[axis])
        };
        let mut taps = Vec::with_capacity(self.kernel[0] * self.kernel[1]);
        for row in 0..self.kernel[0] {
            for column in 0..self.kernel[1] {
                let ((phase_row, down), (phase_column, right)) = (place(0, row), place(1, column));
                taps.push((phase_row * self.stride[1] + phase_column, down * self.pitch() + right));
            }
        }
        taps
    }

    /// Calls `visit(place in the plane, place in the phases)` for the first pixel of each row of each
    /// phase that lies in the image, with how many there are.
    fn rows(&self, mut visit: impl FnMut(usize, usize, usize)) {
        let first = |axis: usize, phase: usize| {
            // The first place of this phase that is not before the image.
            let skipped = self.before[axis].saturating_sub(phase).div_ceil(self.stride[axis]);
            (skipped, skipped * self.stride[axis] + phase - self.before[axis])
        };
        let long = |axis: usize| self.output[axis] + self.reach()[axis];
        for phase_row in 0..self.stride[0] {
            for phase_column in 0..self.stride[1] {
                let phase = phase_row * self.stride[1] + phase_column;
                let (column, x) = first(1, phase_column);
                if x >= self.input[1] || column >= long(1) {
                    continue;
                }
                let count = (self.input[1] - x).div_ceil(self.stride[1]).min(long(1) - column);
                let (mut row, mut y) = first(0, phase_row);
                while y < self.input[0] && row < long(0) {
                    let place = phase * self.phase_length() + row * self.pitch() + column;
                    visit(y * self.input[1] + x, place, count);
                    (row, y) = (row + 1, y + self.stride[0]);
                }
            }
        }
    }

    fn spread(&self, plane: &[f32], phases: &mut [f32]) {
        let step = self.stride[1];
        self.rows(|from, to, count| {
            let to = &mut phases[to..to + count];
            if step == 1 {
                to.copy_from_slice(&plane[from..from + count]);
            } else {
                let from = plane[from..].iter().step_by(step);
                to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
            }
        });
    }

    fn gather(&self, phases: &[f32], plane: &mut [f32]) {
        let step = self.stride[1];
        self.rows(|to, from, count| {
            let from = &phases[from..from + count];
            plane[to..].iter_mut().step_by(step).zip(from).for_each(|(to, from)| *to = *from);
        });
    }

    /// The gradient of the output with zeros beyond each row.
    fn flatten(&self, gradient: &[f32], flat: &mut [f32]) {
        let rows = gradient.chunks_exact(self.output[1]);
        for (to, from) in flat.chunks_mut(self.pitch()).zip(rows) {
            to[..self.output[1]].copy_from_slice(from);
        }
    }

    pub(super) fn input_length(&self) -> usize {
        self.input[0] * self.input[1]
    }

    pub(super) fn output_length(&self) -> usize {
        self.output[0] * self.output[1]
    }
}

/// `out += Σ weight · lines`, all of equal length.
#[inline(always)]
fn add_taps<const FUSED: bool>(out: &mut [f32], lines: &[&[f32]], weights: &[f32]) {
    let (mut lines, mut weights) = (lines, weights);
    while let (Some((some, more)), Some((values, rest))) =
        (lines.split_first_chunk::<9>(), weights.split_first_chunk::<9>())
    {
        add_lines::<FUSED, 9>(out, *some, *values);
        (lines, weights) = (more, rest);
    }
    while let (Some((some, more)), Some((values, rest))) =
        (lines.split_first_chunk::<3>(), weights.split_first_chunk::<3>())
    {
        add_lines::<FUSED, 3>(out, *some, *values);
        (lines, weights) = (more, rest);
    }
    for (line, weight) in lines.iter().zip(weights) {
        add_lines::<FUSED, 1>(out, [line], [*weight]);
    }
}

/// The planes from `first` on, one channel each.
pub(super) struct Forward<'a> {
    pub(super) geometry: Geometry,
    pub(super) first: usize,
    pub(super) channels: usize,
    pub(super) x: &'a [f32],
    pub(super) weight: &'a [f32],
    pub(super) out: &'a mut [f32],
}

impl Body for Forward<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { geometry, first, channels, x, weight, out } = self;
        let taps = geometry.taps();
        let length = geometry.phase_length();
        let mut phases = vec![0.0; geometry.phases() * length];
        let mut flat = vec![0.0; geometry.flat_length()];
        for (at, out) in out.chunks_exact_mut(geometry.output_length()).enumerate() {
            let plane = first + at;
            let input = geometry.input_length();
            geometry.spread(&x[plane * input..][..input], &mut phases);
            let weight = &weight[plane % channels * taps.len()..][..taps.len()];
            let line =
                |&(phase, shift): &(usize, usize)| &phases[phase * length + shift..][..flat.len()];
            let lines: Vec<&[f32]> = taps.iter().map(line).collect();
            flat.fill(0.0);
            add_taps::<FUSED>(&mut flat, &lines, weight);
            let rows = out.chunks_exact_mut(geometry.output[1]);
            for (to, from) in rows.zip(flat.chunks(geometry.pitch())) {
                to.copy_from_slice(&from[..geometry.output[1]]);
            }
        }
    }
}

/// The gradient of the input in the planes from `first` on.
pub(super) struct Backwards<'a> {
    pub(super) geometry: Geometry,
    pub(super) first: usize,
    pub(super) channels: usize,
    pub(super) weight: &'a [f32],
    pub(super) gradient: &'a [f32],
    pub(super) out: &'a mut [f32],
}

impl Body for Backwards<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { geometry, first, channels, weight, gradient, out } = self;
        let taps = geometry.taps();
        let length = geometry.phase_length();
        let [rows, columns] = geometry.reach();
        // So many zeros stand before the gradient, that every tap can look back.
        let front = rows * geometry.pitch() + columns;
        let mut flat = vec![0.0; front + length];
        let mut phases = vec![0.0; geometry.phases() * length];
        for (at, out) in out.chunks_exact_mut(geometry.input_length()).enumerate() {
            let plane = first + at;
            let output = geometry.output_length();
            geometry.flatten(&gradient[plane * output..][..output], &mut flat[front..]);
            let weight = &weight[plane % channels * taps.len()..][..taps.len()];
            phases.fill(0.0);
            for (phase, values) in phases.chunks_exact_mut(length).enumerate() {
                let mine = taps.iter().zip(weight).filter(|((of, _), _)| *of == phase);
                let (lines, weights): (Vec<&[f32]>, Vec<f32>) = mine
                    .map(|((_, shift), weight)| (&flat[front - shift..][..length], *weight))
                    .unzip();
                add_taps::<FUSED>(values, &lines, &weights);
            }
            geometry.gather(&phases, out);
        }
    }
}

/// The gradient of the kernels of the channels from `first` on.
pub(super) struct OfWeight<'a> {
    pub(super) geometry: Geometry,
    pub(super) first: usize,
    pub(super) batch: usize,
    pub(super) channels: usize,
    pub(super) x: &'a [f32],
    pub(super) gradient: &'a [f32],
    pub(super) out: &'a mut [f32],
}

impl Body for OfWeight<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { geometry, first, batch, channels, x, gradient, out } = self;
        let taps = geometry.taps();
        let length = geometry.phase_length();
        let mut phases = vec![0.0; geometry.phases() * length];
        let mut flat = vec![0.0; geometry.flat_length()];
        for (at, out) in out.chunks_exact_mut(taps.len()).enumerate() {
            for image in 0..batch {
                let plane = image * channels + first + at;
                let (input, output) = (geometry.input_length(), geometry.output_length());
                geometry.spread(&x[plane * input..][..input], &mut phases);
                geometry.flatten(&gradient[plane * output..][..output], &mut flat);
                for (out, (phase, shift)) in out.iter_mut().zip(&taps) {
                    *out += dot::<FUSED>(&phases[phase * length + shift..][..flat.len()], &flat);
                }
            }
        }
    }
}
