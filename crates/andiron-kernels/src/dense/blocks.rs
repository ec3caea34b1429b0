//! The blocks of a dense convolution: what the taps see, written out, and the products of it.

use super::geometry::{Geometry, PIECES, ranges};
use crate::sweep::{Body, run};
use crate::tile::{Sums, TALL, WIDE, add_products, into_tiles};
use rayon::prelude::*;
use std::ops::Range;

/// One piece of the output: some rows of some channels of an image.
struct Piece<'a> {
    image: usize,
    rows: Range<usize>,
    outs: Range<usize>,
    /// Where it is written to, a line for each channel.
    lines: Vec<&'a mut [f32]>,
}

fn pieces<'a>(geometry: &Geometry, y: &'a mut [f32]) -> Vec<Piece<'a>> {
    let (width, together) = (geometry.output[1], geometry.outs_together());
    let mut pieces: Vec<Piece<'a>> = Vec::new();
    for (image, of_image) in y.chunks_mut(geometry.channels_out * geometry.places()).enumerate() {
        for (at, channels) in of_image.chunks_mut(together * geometry.places()).enumerate() {
            let outs = channels.len() / geometry.places();
            let outs = at * together..at * together + outs;
            let from = pieces.len();
            for rows in geometry.row_blocks() {
                let (outs, lines) = (outs.clone(), Vec::with_capacity(outs.len()));
                pieces.push(Piece { image, rows, outs, lines });
            }
            for plane in channels.chunks_mut(geometry.places()) {
                let lines = plane.chunks_mut(geometry.rows_together() * width);
                for (piece, line) in pieces[from..].iter_mut().zip(lines) {
                    piece.lines.push(line);
                }
            }
        }
    }
    pieces
}

/// The output, `[batch, channels_out, height, width]`.
// Not inlined, so that it is compiled with the optimisation of this crate; the others too.
#[inline(never)]
pub(super) fn forward(geometry: &Geometry, x: &[f32], weight: &[f32]) -> Vec<f32> {
    let of_image = geometry.channels_in * geometry.pixels();
    let batch = x.len() / of_image;
    let mut y = vec![0.0; batch * geometry.channels_out * geometry.places()];
    pieces(geometry, &mut y).into_par_iter().for_each(|piece| {
        let x = &x[piece.image * of_image..][..of_image];
        run(Forward { geometry, x, weight, piece });
    });
    y
}

struct Forward<'a> {
    geometry: &'a Geometry,
    x: &'a [f32],
    weight: &'a [f32],
    piece: Piece<'a>,
}

impl Body for Forward<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { geometry, x, weight, piece: Piece { rows, outs, lines, .. } } = self;
        let places = rows.len() * geometry.output[1];
        let tiles = places.div_ceil(WIDE);
        // For each tile the sums of all channels.
        let mut sums = vec![[0.0; WIDE]; tiles * outs.len()];
        let (mut line, mut panel) = (vec![0.0; places], Vec::new());
        for channels in ranges(geometry.channels_in, geometry.channels_together()) {
            let depth = channels.len() * geometry.taps();
            panel.resize(tiles * depth, [0.0; WIDE]);
            for at in 0..depth {
                let (channel, tap) = geometry.tap(at);
                let plane = &x[geometry.plane(channels.start + channel)];
                geometry.see(plane, tap, &rows, &mut line);
                into_tiles(&line, at, depth, &mut panel);
            }
            let first = channels.start * geometry.taps();
            let weight =
                |out: usize| &weight[(outs.start + out) * geometry.depth() + first..][..depth];
            for (panel, sums) in panel.chunks(depth).zip(sums.chunks_mut(outs.len())) {
                for (at, sums) in sums.chunks_mut(TALL).enumerate() {
                    let rows: [&[f32]; TALL] =
                        std::array::from_fn(|row| weight(at * TALL + row.min(sums.len() - 1)));
                    let mut all = Sums::default();
                    add_products::<FUSED>(&mut all, rows, &panel[..depth]);
                    all.add_to(sums);
                }
            }
        }
        for (out, line) in lines.into_iter().enumerate() {
            for (tile, line) in line.chunks_mut(WIDE).enumerate() {
                line.copy_from_slice(&sums[tile * outs.len() + out][..line.len()]);
            }
        }
    }
}

/// The gradient of the input, `[batch, channels_in, height, width]`.
#[inline(never)]
pub(super) fn backwards(geometry: &Geometry, weight: &[f32], gradient: &[f32]) -> Vec<f32> {
    let of_image = geometry.channels_out * geometry.places();
    let batch = gradient.len() / of_image;
    let mut x = vec![0.0; batch * geometry.channels_in * geometry.pixels()];
    let together = geometry.channels_together().min(geometry.channels_in.div_ceil(PIECES));
    let mut parts = Vec::new();
    for (image, x) in x.chunks_mut(geometry.channels_in * geometry.pixels()).enumerate() {
        for (at, x) in x.chunks_mut(together * geometry.pixels()).enumerate() {
            parts.push((image, at * together, x));
        }
    }
    let turned = turned(geometry, weight);
    parts.into_par_iter().for_each(|(image, first, x)| {
        let gradient = &gradient[image * of_image..][..of_image];
        run(Backwards { geometry, first, weight: &turned, gradient, x });
    });
    x
}

/// The weights of a tap one behind the other: `[channels_in, taps, channels_out]`.
fn turned(geometry: &Geometry, weight: &[f32]) -> Vec<f32> {
    let (outs, depth) = (geometry.channels_out, geometry.depth());
    let mut turned = vec![0.0; outs * depth];
    turned.par_chunks_mut(outs).enumerate().for_each(|(at, line)| {
        line.iter_mut().enumerate().for_each(|(out, value)| *value = weight[out * depth + at]);
    });
    turned
}

struct Backwards<'a> {
    geometry: &'a Geometry,
    first: usize,
    /// As `turned` makes it.
    weight: &'a [f32],
    gradient: &'a [f32],
    x: &'a mut [f32],
}

impl Body for Backwards<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { geometry, first, weight, gradient, x } = self;
        let outs = geometry.channels_out;
        let depth = x.len() / geometry.pixels() * geometry.taps();
        let weight = &weight[first * geometry.taps() * outs..][..depth * outs];
        let (mut panel, mut lines) = (Vec::new(), Vec::new());
        for rows in geometry.row_blocks() {
            let places = rows.len() * geometry.output[1];
            let tiles = places.div_ceil(WIDE);
            panel.resize(tiles * outs, [0.0; WIDE]);
            for out in 0..outs {
                let from = out * geometry.places() + rows.start * geometry.output[1];
                into_tiles(&gradient[from..from + places], out, outs, &mut panel);
            }
            lines.resize(depth * tiles * WIDE, 0.0);
            for (tile, panel) in panel.chunks(outs).enumerate() {
                for at in (0..depth).step_by(TALL) {
                    let rows: [&[f32]; TALL] = std::array::from_fn(|row| {
                        &weight[(at + row).min(depth - 1) * outs..][..outs]
                    });
                    let mut all = Sums::default();
                    add_products::<FUSED>(&mut all, rows, &panel[..outs]);
                    for (row, sums) in (at..depth.min(at + TALL)).zip(all.0) {
                        let place = (row * tiles + tile) * WIDE;
                        lines[place..place + WIDE].copy_from_slice(&sums);
                    }
                }
            }
            for (at, line) in lines.chunks(tiles * WIDE).enumerate() {
                let (channel, tap) = geometry.tap(at);
                geometry.give(&line[..places], tap, &rows, &mut x[geometry.plane(channel)]);
            }
        }
    }
}

/// The gradient of the weight, `[channels_out, channels_in, kernel height, kernel width]`.
#[inline(never)]
pub(super) fn of_weight(geometry: &Geometry, x: &[f32], gradient: &[f32]) -> Vec<f32> {
    let (outs, depth) = (geometry.channels_out, geometry.depth());
    let places_of_gradient = geometry.places() * outs.div_ceil(WIDE);
    let of_gradient = outs * geometry.places();
    // For each image and tile of output channels the values of these at each place.
    let batch = gradient.len() / of_gradient;
    let mut tiles = vec![[0.0; WIDE]; batch * places_of_gradient];
    let parts = tiles.par_chunks_mut(geometry.places()).enumerate();
    parts.for_each(|(at, tile)| {
        let (image, first) = (at / outs.div_ceil(WIDE), at % outs.div_ceil(WIDE) * WIDE);
        let planes = gradient[image * of_gradient..][..of_gradient].chunks(geometry.places());
        for (lane, plane) in planes.skip(first).take(WIDE).enumerate() {
            tile.iter_mut().zip(plane).for_each(|(tile, value)| tile[lane] = *value);
        }
    });
    // So many pieces at least as there are for one image, where there are as many channels.
    let most = geometry.channels_in.div_ceil(PIECES);
    let together = geometry.channels_together().min(most);
    let mut turned = vec![0.0; outs * depth];
    let parts = turned.par_chunks_mut(together * geometry.taps() * outs).enumerate();
    parts.for_each(|(at, out)| {
        run(OfWeight { geometry, first: at * together, x, gradient: &tiles, out });
    });
    let mut weight = vec![0.0; outs * depth];
    weight.par_chunks_mut(depth).enumerate().for_each(|(out, line)| {
        line.iter_mut().enumerate().for_each(|(at, value)| *value = turned[at * outs + out]);
    });
    weight
}

struct OfWeight<'a> {
    geometry: &'a Geometry,
    first: usize,
    x: &'a [f32],
    /// `[batch, tiles of output channels, places, WIDE]`.
    gradient: &'a [[f32; WIDE]],
    /// `[lines of the panel, channels_out]`.
    out: &'a mut [f32],
}

impl Body for OfWeight<'_> {
    #[inline(always)]
    fn run<const FUSED: bool>(self) {
        let Self { geometry, first, x, gradient, out } = self;
        let outs = geometry.channels_out;
        let (depth, tiles) = (out.len() / outs, outs.div_ceil(WIDE));
        let mut sums = vec![[0.0; WIDE]; tiles * depth];
        let mut panel = Vec::new();
        let images = x.chunks(geometry.channels_in * geometry.pixels());
        for (x, gradient) in images.zip(gradient.chunks(tiles * geometry.places())) {
            for rows in geometry.row_blocks() {
                let places = rows.len() * geometry.output[1];
                panel.resize(depth * places, 0.0);
                for (at, line) in panel.chunks_mut(places).enumerate() {
                    let (channel, tap) = geometry.tap(at);
                    let plane = &x[geometry.plane(first + channel)];
                    geometry.see(plane, tap, &rows, line);
                }
                let from = rows.start * geometry.output[1];
                for (tile, sums) in sums.chunks_mut(depth).enumerate() {
                    let gradient = &gradient[tile * geometry.places() + from..][..places];
                    for (at, sums) in sums.chunks_mut(TALL).enumerate() {
                        let rows: [&[f32]; TALL] = std::array::from_fn(|row| {
                            let line = at * TALL + row.min(sums.len() - 1);
                            &panel[line * places..][..places]
                        });
                        let mut all = Sums::default();
                        add_products::<FUSED>(&mut all, rows, gradient);
                        all.add_to(sums);
                    }
                }
            }
        }
        for (line, out) in out.chunks_mut(outs).enumerate() {
            for (tile, out) in out.chunks_mut(WIDE).enumerate() {
                out.copy_from_slice(&sums[tile * depth + line][..out.len()]);
            }
        }
    }
}
