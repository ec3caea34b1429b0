//! From one sample rate to another, block by block.

use rubato::{Fft, FixedSync, Resampler, audioadapter_buffers::direct::InterleavedSlice};

/// A filter between two rates that takes the spectrum of a block, cuts or widens it, and turns it
/// back (`rubato`'s method of Fourier transforms), for one channel.
pub struct BlockResampler(Fft<f32>);

impl BlockResampler {
    /// From `from` to `to`, both above 0 and in the same unit, in blocks of about `block` samples, 1
    /// or more: the longer the block, the steeper the filter.
    ///
    /// # Panics
    /// If a rate or the block is 0.
    pub fn new(from: usize, to: usize, block: usize) -> Self {
        Self(
            Fft::new(from, to, block, 1, FixedSync::Both)
                .expect("the rates and the block are above 0"),
        )
    }

    /// The samples of a block before and after.
    pub fn block(&self) -> (usize, usize) {
        (self.0.input_frames_next(), self.0.output_frames_max())
    }

    /// So many samples at the beginning are the filter's delay.
    pub fn delay(&self) -> usize {
        self.0.output_delay()
    }

    /// Forgets what was heard.
    pub fn reset(&mut self) {
        self.0.reset();
    }

    /// Resamples one block, and gives how many samples it became.
    ///
    /// # Panics
    /// If a slice is not as long as [`block`](Self::block) says.
    pub fn process(&mut self, input: &[f32], output: &mut [f32]) -> usize {
        assert_eq!((input.len(), output.len()), self.block(), "the lengths of the blocks");
        let input = InterleavedSlice::new(input, 1, input.len()).expect("one channel");
        let frames = output.len();
        let mut output = InterleavedSlice::new_mut(output, 1, frames).expect("one channel");
        let (_, made) = self
            .0
            .process_into_buffer(&input, &mut output, None)
            .expect("the buffers are as long as the filter wants them");
        made
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tone_keeps_its_pitch() {
        let mut filter = BlockResampler::new(3, 2, 1_200);
        let (block, made) = filter.block();
        let tone = |at: usize, rate: f32| (at as f32 / rate * 0.2).sin();
        let mut found = Vec::new();
        for start in (0..4 * block).step_by(block) {
            let input: Vec<f32> = (start..start + block).map(|at| tone(at, 3.0)).collect();
            let mut output = vec![0.0; made];
            let count = filter.process(&input, &mut output);
            found.extend_from_slice(&output[..count]);
        }
        let delay = filter.delay();
        assert_eq!(found.len() * 3, 4 * block * 2);
        for at in 200..2 * made {
            assert!((found[delay + at] - tone(at, 2.0)).abs() < 1e-3, "{at}");
        }
        filter.reset();
        let mut silence = vec![1.0; made];
        filter.process(&vec![0.0; block], &mut silence);
        assert!(silence.iter().all(|value| *value == 0.0));
    }
}
