//! Resizing by the triangle filter.

/// Resizes an image of bytes to `to` pixels, each side on its own.
///
/// The value of a new pixel is the weighted mean of the old ones around its centre, with weights
/// that fall linearly to zero at a distance of one new pixel (one old pixel when enlarging): the
/// triangle filter, which shrinks without aliasing and enlarges bilinearly. The same as PyTorch's
/// `interpolate(mode="bilinear", antialias=True, align_corners=False)` on floats.
///
/// ```
/// use andiron_vision::transform::resize;
///
/// // Two pixels side by side, enlarged to four.
/// assert_eq!(resize(&[0, 100], 1, (2, 1), (4, 1)), [0.0, 25.0, 75.0, 100.0]);
/// ```
///
/// # Shapes
/// - pixels: `[height, width, channels]`, sizes as `from` says: (width, height)
/// - output: `[height, width, channels]`, sizes as `to` says: (width, height); 0 to 255, unrounded
///
/// # Panics
/// If `pixels` has not the size that `from` and `channels` say, or a side is 0.
pub fn resize(
    pixels: &[u8],
    channels: usize,
    from: (usize, usize),
    to: (usize, usize),
) -> Vec<f32> {
    assert_eq!(pixels.len(), from.0 * from.1 * channels, "the bytes of an image of this size");
    assert!(from.0 * from.1 * to.0 * to.1 > 0, "an image has at least one pixel");
    let (across, down) = (weights(from.0, to.0), weights(from.1, to.1));
    // First along the axis that leaves the fewer numbers: a strip of a hundred million pixels
    // must not grow on the way.
    if to.0 * from.1 <= from.0 * to.1 {
        let wide = along_rows(pixels, |v| f32::from(*v), channels, from.0, &across);
        along_columns(&wide, |v| *v, to.0 * channels, &down)
    } else {
        let high = along_columns(pixels, |v| f32::from(*v), from.0 * channels, &down);
        along_rows(&high, |v| *v, channels, from.0, &across)
    }
}

/// For each new position the first old one that counts, and the weights from there on.
fn weights(from: usize, to: usize) -> Vec<(usize, Vec<f32>)> {
    let scale = from as f64 / to as f64;
    let reach = scale.max(1.0);
    (0..to)
        .map(|position| {
            let center = (position as f64 + 0.5) * scale;
            let first = (center - reach + 0.5).max(0.0) as usize;
            let end = ((center + reach + 0.5) as usize).min(from);
            let first = first.min(end - 1);
            let weigh = |old: usize| (1.0 - ((old as f64 + 0.5 - center) / reach).abs()).max(0.0);
            let sum: f64 = (first..end).map(weigh).sum();
            (first, (first..end).map(|old| (weigh(old) / sum) as f32).collect())
        })
        .collect()
}

/// Resizes every row of `[rows, width, channels]`.
fn along_rows<T>(
    values: &[T],
    number: impl Fn(&T) -> f32,
    channels: usize,
    width: usize,
    weights: &[(usize, Vec<f32>)],
) -> Vec<f32> {
    let mut out = Vec::with_capacity(values.len() / width * weights.len());
    for row in values.chunks_exact(width * channels) {
        for (first, weights) in weights {
            for channel in 0..channels {
                let old = row[first * channels + channel..].iter().step_by(channels);
                out.push(old.zip(weights).map(|(value, weight)| number(value) * weight).sum());
            }
        }
    }
    out
}

/// Resizes every column of `[height, width]`, where `width` counts channels too.
fn along_columns<T>(
    values: &[T],
    number: impl Fn(&T) -> f32,
    width: usize,
    weights: &[(usize, Vec<f32>)],
) -> Vec<f32> {
    let mut out = Vec::with_capacity(weights.len() * width);
    for (first, weights) in weights {
        let start = out.len();
        out.resize(start + width, 0.0);
        let rows = values[first * width..].chunks_exact(width);
        for (row, weight) in rows.zip(weights) {
            for (sum, value) in out[start..].iter_mut().zip(row) {
                *sum += number(value) * weight;
            }
        }
    }
    out
}
