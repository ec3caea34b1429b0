//! Fourier transforms of real numbers, in double precision, of any size.

use realfft::RealFftPlanner;
pub use realfft::{ComplexToReal, RealToComplex, num_complex::Complex};
use std::sync::Arc;

/// Plans `X[k] = Σ_n x[n] · e^(−2πikn/N)` for `n = 0 .. N`, `k = 0 ..= N/2`, where `N` is `size`.
///
/// ```
/// let plan = andiron_signal::fourier::forward(3);
/// let (mut samples, mut spectrum) = (vec![1.0; 3], plan.make_output_vec());
/// plan.process(&mut samples, &mut spectrum).expect("the buffers are the plan's own");
/// assert!((spectrum[0].re - 3.0).abs() < 1e-12 && spectrum[1].norm() < 1e-12);
/// ```
pub fn forward(size: usize) -> Arc<dyn RealToComplex<f64>> {
    RealFftPlanner::new().plan_fft_forward(size)
}

/// Plans the way back from [`forward`]; what comes out is `size` times what went in.
pub fn inverse(size: usize) -> Arc<dyn ComplexToReal<f64>> {
    RealFftPlanner::new().plan_fft_inverse(size)
}
