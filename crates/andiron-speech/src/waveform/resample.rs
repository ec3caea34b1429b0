//! From one sample rate to another, by `rubato`'s FFT method: the spectrum of each block is cut or
//! widened, so that what the lower of the two rates cannot carry is filtered out.

use rubato::{Fft, FixedSync, Resampler, audioadapter_buffers::direct::InterleavedSlice};

/// The samples of a block on the side of the lower rate, at least: the longer the block, the
/// steeper the filter.
const BLOCK: usize = 1_024;

/// `samples` at `from` hertz as `ceil(samples · to / from)` samples at `to` hertz. Both rates are
/// above 0, and there is a sample.
pub(super) fn resample(samples: &[f32], from: u32, to: u32) -> Vec<f32> {
    let (rate_in, rate_out) = (from as usize, to as usize);
    let unit = rate_in / gcd(rate_in, rate_out);
    // rubato delays by half a block; only an even number of units is half of whole samples on
    // both sides, so that no fraction of a sample is left after it has cut the delay off.
    let units = (BLOCK * rate_in.div_ceil(rate_out)).div_ceil(unit).next_multiple_of(2);
    let block = units * unit;
    let mut resampler = Fft::<f32>::new(rate_in, rate_out, block, 1, FixedSync::Both)
        .expect("both rates and the block are above 0, which is all it asks");
    let input = InterleavedSlice::new(samples, 1, samples.len())
        .expect("one channel of as many frames as there are samples");
    let mut output = resampler
        .process_all(&input, samples.len(), None)
        .expect("the buffers are the resampler's own or as long as it was told")
        .take_data();
    // rubato takes the length in floating point, which may come out one too long.
    let length = (samples.len() as u64 * u64::from(to)).div_ceil(u64::from(from));
    output.resize(length as usize, 0.0);
    output
}

/// The greatest common divisor, by Euclid.
fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}
