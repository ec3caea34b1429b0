//! The fused normalisation of training against burn's module with the activation behind it.

use crate::support::{assert_close, numbers, read, tensor};
use andiron_kernels::{Activation, conv2d_norm_act};
use burn::{
    module::Module,
    nn::{
        BatchNorm, BatchNormConfig,
        conv::{Conv2d, Conv2dConfig},
    },
    tensor::{DType, Device, Tensor},
};

fn single<const D: usize>(seed: u64, shape: [usize; D], device: &Device) -> Tensor<D> {
    tensor(&numbers(seed, shape.iter().product()), shape, device, DType::F32)
}

fn parts(device: &Device) -> (Conv2d, BatchNorm) {
    let conv = Conv2dConfig::new([3, 5], [1, 1]).with_bias(false).init(device);
    let norm = BatchNormConfig::new(5).with_epsilon(1e-3).with_momentum(0.03).init(device);
    let norm = BatchNorm {
        gamma: norm.gamma.map(|_| single(11, [5], device).require_grad()),
        beta: norm.beta.map(|_| single(12, [5], device).require_grad()),
        ..norm
    };
    (conv, norm)
}

/// Value and gradients: of the input, of the convolution, of gamma and of beta.
fn run(
    y: Tensor<4>,
    x: &Tensor<4>,
    (conv, norm): (&Conv2d, &BatchNorm),
    device: &Device,
) -> [Vec<f64>; 5] {
    let weights = single(9, y.dims(), device);
    let gradients = (y.clone() * weights).sum().backward();
    [
        read(y.inner()),
        read(x.grad(&gradients).unwrap()),
        read(conv.weight.val().grad(&gradients).unwrap()),
        read(norm.gamma.val().grad(&gradients).unwrap()),
        read(norm.beta.val().grad(&gradients).unwrap()),
    ]
}

#[test]
fn value_gradients_and_running_statistics_are_the_modules() {
    let device = Device::flex().autodiff();
    let activations = [
        Activation::None,
        Activation::Relu,
        Activation::Relu6,
        Activation::Silu,
        // Not folded: the module runs.
        Activation::Gelu,
    ];
    for shape in [[2, 3, 5, 7], [1, 3, 1, 2], [3, 3, 13, 11], [4, 3, 33, 40]] {
        for activation in activations {
            let (conv, norm) = parts(&device);
            // A deep copy, so that the two update their own running statistics.
            let twin = norm.clone().valid().train();
            let x = (single(5, shape, &device) * 3.0 + 1.0).detach().require_grad();
            let expected = activation.apply(twin.forward(conv.forward(x.clone())));
            let expected = run(expected, &x, (&conv, &twin), &device);
            let got = conv2d_norm_act(x.clone(), &conv, &norm, activation);
            let got = run(got, &x, (&conv, &norm), &device);
            for (got, expected) in got.iter().zip(&expected) {
                // Of two values a channel the variance may be tiny, and its root is divided by.
                assert_close(got, expected, 2e-4);
            }
            for (ours, twin) in
                [(&norm.running_mean, &twin.running_mean), (&norm.running_var, &twin.running_var)]
            {
                assert_close(&read(ours.value_sync()), &read(twin.value_sync()), 1e-5);
            }
        }
    }
}

/// Against finite differences of the module in f64.
#[test]
fn gradients_are_slopes() {
    let device = Device::flex().autodiff();
    let (conv, norm) = parts(&device);
    let values = numbers(5, 2 * 3 * 5 * 4);
    let x = tensor::<4>(&values, [2, 3, 5, 4], &device, DType::F32).require_grad();
    let y = conv2d_norm_act(x.clone(), &conv, &norm, Activation::Silu);
    let weights = numbers(9, 2 * 5 * 5 * 4);
    let gradients = (y * tensor(&weights, [2, 5, 5, 4], &device, DType::F32)).sum().backward();
    let analytic = read(x.grad(&gradients).unwrap());
    let [weight, gamma, beta] = [
        read(conv.weight.val().flatten::<1>(0, 3).inner()),
        read(norm.gamma.val().inner()),
        read(norm.beta.val().inner()),
    ];
    let loss = |x: &[f64]| -> f64 {
        let mut total = 0.0;
        for channel in 0..5 {
            let z: Vec<f64> = (0..2 * 20)
                .map(|at| {
                    let (image, pixel) = (at / 20, at % 20);
                    let input = |from: usize| x[(image * 3 + from) * 20 + pixel];
                    (0..3).map(|from| weight[channel * 3 + from] * input(from)).sum()
                })
                .collect();
            let mean = z.iter().sum::<f64>() / 40.0;
            let variance = z.iter().map(|z| (z - mean).powi(2)).sum::<f64>() / 40.0;
            for (at, z) in z.iter().enumerate() {
                let (image, pixel) = (at / 20, at % 20);
                let n = (z - mean) / (variance + 1e-3).sqrt() * gamma[channel] + beta[channel];
                total += n / (1.0 + (-n).exp()) * weights[(image * 5 + channel) * 20 + pixel];
            }
        }
        total
    };
    let mut moved = values.clone();
    for (place, slope) in analytic.iter().enumerate() {
        let mut at = |offset: f64| {
            moved[place] = values[place] + offset;
            loss(&moved)
        };
        let numeric = (at(1e-5) - at(-1e-5)) / 2e-5;
        moved[place] = values[place];
        assert!((slope - numeric).abs() < 2e-5 * numeric.abs().max(1.0), "{slope} for {numeric}");
    }
}

#[test]
fn a_layer_whose_training_is_off_uses_the_running_statistics() {
    let device = Device::flex().autodiff();
    let (conv, norm) = parts(&device);
    let norm = norm.freeze();
    let x = single::<4>(5, [2, 3, 4, 5], &device);
    let expected = read(norm.forward(conv.forward(x.clone())));
    let got = conv2d_norm_act(x, &conv, &norm, Activation::None);
    assert_close(&read(got), &expected, 1e-6);
}
