//! Numbers, tensors and comparisons that the tests share.

use andiron_kernels::split_mix;
use burn::tensor::{Bool, DType, Device, Tensor, TensorData};

/// `n` values, uniform in -2..2.
pub(crate) fn numbers(seed: u64, n: usize) -> Vec<f64> {
    let mut state = seed;
    let unit = |word: u64| (word >> 11) as f64 / (1u64 << 53) as f64;
    (0..n).map(|_| unit(split_mix(&mut state)) * 4.0 - 2.0).collect()
}

/// `n` truth values, about three of four true.
pub(crate) fn truths(seed: u64, n: usize) -> Vec<bool> {
    numbers(seed, n).iter().map(|x| *x < 1.0).collect()
}

pub(crate) fn tensor<const D: usize>(
    values: &[f64],
    shape: [usize; D],
    device: &Device,
    dtype: DType,
) -> Tensor<D> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), (device, dtype))
}

/// An f64 tensor on the plain device.
pub(crate) fn plain<const D: usize>(values: &[f64], shape: [usize; D]) -> Tensor<D> {
    tensor(values, shape, &Device::flex(), DType::F64)
}

pub(crate) fn mask<const D: usize>(
    values: &[bool],
    shape: [usize; D],
    device: &Device,
) -> Tensor<D, Bool> {
    Tensor::from_data(TensorData::new(values.to_vec(), shape), device)
}

pub(crate) fn read<const D: usize>(x: Tensor<D>) -> Vec<f64> {
    x.cast(DType::F64).into_data().try_to_vec().unwrap()
}

/// Fails at the first place where the two differ by more than `tolerance · max(1, |expected|)`.
#[track_caller]
pub(crate) fn assert_close(got: &[f64], expected: &[f64], tolerance: f64) {
    assert_eq!(got.len(), expected.len(), "number of values");
    for (place, (got, expected)) in got.iter().zip(expected).enumerate() {
        let far = (got - expected).abs() > tolerance * expected.abs().max(1.0);
        assert!(!far && !got.is_nan(), "place {place}: {got}, expected {expected}");
    }
}

/// Checks one operation, given as a function of flat tensors to a flat tensor:
/// - plain f64 equals `expected`;
/// - f64 with autodiff equals it too, and its gradients equal central differences;
/// - f32, plain and with autodiff, is as near as single precision allows, on Flex (where a body
///   may be fused) and on ndarray (where none is).
#[track_caller]
pub(crate) fn check(
    inputs: &[Vec<f64>],
    expected: &[f64],
    operation: impl Fn(Vec<Tensor<1>>) -> Tensor<1>,
) {
    let plain = Device::flex();
    let recording = Device::flex().autodiff();
    let on = |device: &Device, dtype, values: &[Vec<f64>]| -> Vec<Tensor<1>> {
        values.iter().map(|x| tensor(x, [x.len()], device, dtype)).collect()
    };
    let run = |values: &[Vec<f64>]| read(operation(on(&plain, DType::F64, values)));
    assert_close(&run(inputs), expected, 1e-10);
    #[allow(deprecated, reason = "the project was asked for this backend, and tests it")]
    let other = Device::ndarray();
    for device in [&plain, &recording, &other, &other.clone().autodiff()] {
        let single = operation(on(device, DType::F32, inputs));
        assert_close(&read(single), expected, 2e-5);
    }

    let leaves: Vec<Tensor<1>> =
        on(&recording, DType::F64, inputs).into_iter().map(Tensor::require_grad).collect();
    let output = operation(leaves.clone());
    assert_close(&read(output.clone().inner()), expected, 1e-10);
    let weights = numbers(99, expected.len());
    let loss = (output * tensor(&weights, [weights.len()], &recording, DType::F64)).sum();
    let gradients = loss.backward();
    let mut moved = inputs.to_vec();
    for (index, leaf) in leaves.iter().enumerate() {
        let analytic = match leaf.grad(&gradients) {
            Some(gradient) => read(gradient),
            None => panic!("input {index} got no gradient"),
        };
        let step = 1e-5;
        let numeric: Vec<f64> = (0..inputs[index].len())
            .map(|place| {
                let mut loss_at = |offset: f64| -> f64 {
                    moved[index][place] = inputs[index][place] + offset;
                    run(&moved).iter().zip(&weights).map(|(x, w)| x * w).sum()
                };
                let slope = (loss_at(step) - loss_at(-step)) / (2.0 * step);
                moved[index][place] = inputs[index][place];
                slope
            })
            .collect();
        assert_close(&analytic, &numeric, 1e-6);
    }
}

/// Error function: the Maclaurin series near zero, the continued fraction of erfc far from it.
pub(crate) fn erf(x: f64) -> f64 {
    let a = x.abs();
    let value = if a < 3.0 {
        let (mut term, mut sum, mut n) = (a, a, 0.0);
        while f64::abs(term) > 1e-20 {
            n += 1.0;
            term *= -a * a / n;
            sum += term / (2.0 * n + 1.0);
        }
        sum * std::f64::consts::FRAC_2_SQRT_PI
    } else {
        let fraction = (1..120).rev().fold(0.0, |rest, k| f64::from(k) / 2.0 / (a + rest));
        1.0 - (-a * a).exp() / (std::f64::consts::PI.sqrt() * (a + fraction))
    };
    value.copysign(x)
}

/// Softmax of one row where `hidden` takes no part; zeros if all are hidden.
pub(crate) fn softmax_row(row: &[f64], hidden: &[bool]) -> Vec<f64> {
    let top =
        row.iter().zip(hidden).filter(|(_, h)| !**h).map(|(x, _)| *x).fold(f64::MIN, f64::max);
    let parts: Vec<f64> =
        row.iter().zip(hidden).map(|(x, h)| if *h { 0.0 } else { (x - top).exp() }).collect();
    let sum: f64 = parts.iter().sum();
    parts.iter().map(|part| if sum == 0.0 { 0.0 } else { part / sum }).collect()
}
