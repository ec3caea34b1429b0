use crate::support::{assert_close, numbers, plain, read};
use andiron_kernels::{Activation, FoldedNorm, conv1d_norm_act, conv2d_act, conv2d_norm_act};
use burn::{
    module::Module,
    nn::{
        BatchNorm, BatchNormConfig, PaddingConfig1d, PaddingConfig2d,
        conv::{Conv1d, Conv1dConfig, Conv2d, Conv2dConfig},
    },
    tensor::{DType, Device, Tensor, ops::ConvOptions},
};

fn single<const D: usize>(seed: u64, shape: [usize; D], device: &Device) -> Tensor<D> {
    let values = numbers(seed, shape.iter().product());
    crate::support::tensor(&values, shape, device, DType::F32)
}

/// A convolution and a normalisation whose statistics and parameters are no identity.
fn trained(config: &Conv2dConfig, device: &Device) -> (Conv2d, BatchNorm) {
    let channels = config.channels[1];
    let conv = config.init(device);
    let norm = BatchNormConfig::new(channels).init(device);
    let norm = BatchNorm {
        gamma: norm.gamma.map(|_| single(11, [channels], device).require_grad()),
        beta: norm.beta.map(|_| single(12, [channels], device).require_grad()),
        ..norm
    };
    for step in 0..3 {
        let x = single(20 + step, [4, config.channels[0], 6, 7], device);
        norm.forward(conv.forward(x));
    }
    (conv, norm)
}

fn configs() -> Vec<Conv2dConfig> {
    let explicit = PaddingConfig2d::Explicit(2, 1, 0, 3);
    vec![
        Conv2dConfig::new([3, 5], [3, 2]),
        Conv2dConfig::new([4, 6], [3, 3]).with_groups(2).with_stride([2, 1]).with_bias(false),
        Conv2dConfig::new([4, 4], [3, 1]).with_groups(4).with_padding(PaddingConfig2d::Same),
        Conv2dConfig::new([2, 3], [2, 2]).with_dilation([2, 1]).with_padding(explicit),
        Conv2dConfig::new([40, 7], [3, 3]).with_stride([2, 2]).with_bias(false), // heavy weights
        Conv2dConfig::new([40, 7], [3, 3]),
        Conv2dConfig::new([5, 6], [1, 1]),
        Conv2dConfig::new([5, 6], [1, 1]).with_stride([2, 2]).with_bias(false),
        Conv2dConfig::new([4, 4], [3, 3])
            .with_groups(4)
            .with_padding(PaddingConfig2d::Explicit(1, 1, 1, 1)),
    ]
}

#[test]
fn inference_equals_the_modules() {
    for config in configs() {
        let (conv, norm) = trained(&config, &Device::flex().autodiff());
        let (conv, norm) = (conv.valid(), norm.valid());
        let x = single(5, [3, config.channels[0], 9, 8], &Device::flex());
        for activation in [Activation::Relu, Activation::Silu, Activation::None] {
            let expected = activation.apply(norm.forward(conv.forward(x.clone())));
            let got = conv2d_norm_act(x.clone(), &conv, &norm, activation);
            assert_close(&read(got.clone()), &read(expected), 1e-5);
            let each: Vec<Tensor<4>> = (0..3)
                .map(|b| conv2d_norm_act(x.clone().narrow(0, b, 1), &conv, &norm, activation))
                .collect();
            assert_close(&read(Tensor::cat(each, 0)), &read(got), 1e-6);
        }
    }
}

#[test]
fn training_is_the_modules_own() {
    let device = Device::flex().autodiff();
    for config in configs() {
        let (conv, norm) = trained(&config, &device);
        // A deep copy, so that the two update their own running statistics.
        let twin = norm.clone().valid().train();
        let x = single(5, [3, config.channels[0], 9, 8], &device).require_grad();
        let expected = twin.forward(conv.forward(x.clone()));
        let got = conv2d_norm_act(x.clone(), &conv, &norm, Activation::None);
        let value = |y: &Tensor<4>| read(y.clone().inner());
        assert_close(&value(&got), &value(&expected), 1e-5);
        assert_close(
            &read(norm.running_mean.value_sync()),
            &read(twin.running_mean.value_sync()),
            1e-6,
        );
        let weights = single(6, got.dims(), &device);
        let gradient = |y: Tensor<4>| {
            let gradients = (y * weights.clone()).sum().backward();
            let weight = conv.weight.val().grad(&gradients).unwrap();
            [read(x.grad(&gradients).unwrap()), read(weight)]
        };
        let (got, expected) = (gradient(got), gradient(expected));
        for (got, expected) in got.iter().zip(&expected) {
            assert_close(got, expected, 5e-5);
        }
    }
}

#[test]
fn training_moves_the_running_statistics_and_inference_does_not() {
    let device = Device::flex().autodiff();
    let config = Conv2dConfig::new([3, 5], [3, 3]);
    let (conv, norm) = trained(&config, &device);
    let mean = |norm: &BatchNorm| read(norm.running_mean.value_sync());
    let before = mean(&norm);
    conv2d_norm_act(single(7, [2, 3, 6, 5], &device), &conv, &norm, Activation::Relu);
    assert_ne!(mean(&norm), before);
    let (conv, norm) = (conv.valid(), norm.valid());
    let before = mean(&norm);
    conv2d_norm_act(single(8, [2, 3, 6, 5], &Device::flex()), &conv, &norm, Activation::Relu);
    assert_eq!(mean(&norm), before);
}

/// In f64, against sums written out: neither burn's convolution nor its normalisation.
#[test]
fn inference_equals_the_sums() {
    let (batch, c_in, c_out, height, width, kh, kw) = (2, 3, 4, 5, 6, 3, 2);
    let (stride, padding) = ([2, 1], [1, 1]);
    let [x, weight, bias] = [batch * c_in * height * width, c_out * c_in * kh * kw, c_out]
        .map(|n| numbers(n as u64, n));
    let [gamma, beta, mean] = [31, 32, 33].map(|seed| numbers(seed, c_out));
    let variance: Vec<f64> = numbers(34, c_out).iter().map(|x| x.abs() + 0.2).collect();
    let (out_h, out_w) = ((height + 2 - kh) / 2 + 1, width + 2 - kw + 1);
    let mut expected = Vec::new();
    for place in 0..batch * c_out * out_h * out_w {
        let (b, o) = (place / out_w / out_h / c_out, place / out_w / out_h % c_out);
        let (row, column) = (place / out_w % out_h, place % out_w);
        let mut sum = bias[o];
        for i in 0..c_in * kh * kw {
            let (c, ky, kx) = (i / kw / kh, i / kw % kh, i % kw);
            let (y, z) = (row * 2 + ky, column + kx);
            if (1..=height).contains(&y) && (1..=width).contains(&z) {
                let pixel = x[((b * c_in + c) * height + y - 1) * width + z - 1];
                sum += pixel * weight[o * c_in * kh * kw + i];
            }
        }
        let y = (sum - mean[o]) / (variance[o] + 1e-5).sqrt() * gamma[o] + beta[o];
        expected.push(y.max(0.0));
    }
    let scale: Vec<f64> = (0..c_out).map(|o| gamma[o] / (variance[o] + 1e-5).sqrt()).collect();
    let shift: Vec<f64> = (0..c_out).map(|o| beta[o] - mean[o] * scale[o]).collect();
    let folded = FoldedNorm { scale: plain(&scale, [c_out]), shift: plain(&shift, [c_out]) };
    let (weight, bias) =
        folded.into_conv(plain(&weight, [c_out, c_in, kh, kw]), Some(plain(&bias, [c_out])));
    let got = conv2d_act(
        plain(&x, [batch, c_in, height, width]),
        weight,
        Some(bias),
        ConvOptions::new(stride, padding, [1, 1], 1),
        Activation::Relu,
    );
    assert_eq!(got.dims(), [batch, c_out, out_h, out_w]);
    assert_close(&read(got), &expected, 1e-12);
}

#[test]
fn the_folded_scale_is_the_formulas() {
    let (_, norm) = trained(&Conv2dConfig::new([3, 5], [3, 3]), &Device::flex().autodiff());
    let norm = norm.valid();
    let folded = FoldedNorm::of(&norm);
    let [gamma, beta, mean, variance] =
        [norm.gamma.val(), norm.beta.val(), norm.running_mean.value(), norm.running_var.value()]
            .map(read);
    let scale: Vec<f64> = (0..5).map(|c| gamma[c] / (variance[c] + 1e-5).sqrt()).collect();
    let shift: Vec<f64> = (0..5).map(|c| beta[c] - mean[c] * scale[c]).collect();
    assert_close(&read(folded.scale), &scale, 1e-6);
    assert_close(&read(folded.shift), &shift, 1e-6);
    assert!(mean.iter().all(|m| *m != 0.0), "the statistics must be no identity");
}

#[test]
fn one_axis_equals_the_modules() {
    let device = Device::flex().autodiff();
    for config in [
        Conv1dConfig::new(3, 5, 3),
        Conv1dConfig::new(4, 4, 5)
            .with_groups(4)
            .with_padding(PaddingConfig1d::Same)
            .with_bias(false),
    ] {
        let (c_in, c_out) = (config.channels_in, config.channels_out);
        let conv: Conv1d = config.init(&device);
        let norm = BatchNormConfig::new(c_out).init(&device);
        let first = single(1, [3, c_in, 11], &device);
        let expected = norm.clone().valid().train().forward(conv.forward(first.clone()));
        let got = conv1d_norm_act(first, &conv, &norm, Activation::None);
        assert_eq!(got.into_data(), expected.into_data());
        let (conv, norm) = (conv.valid(), norm.valid());
        let x = single(2, [2, c_in, 13], &Device::flex());
        let expected = Activation::Silu.apply(norm.forward(conv.forward(x.clone())));
        let got = conv1d_norm_act(x, &conv, &norm, Activation::Silu);
        assert_close(&read(got), &read(expected), 1e-5);
    }
}

#[test]
fn a_frozen_norm_in_a_recording_network_keeps_its_statistics() {
    let device = Device::flex().autodiff();
    let (conv, norm) = trained(&Conv2dConfig::new([3, 5], [3, 3]), &device);
    let norm = norm.freeze();
    // Without this, burn normalises with a variance that lacks the last update.
    norm.running_var.value_sync();
    let before = read(norm.running_mean.value_sync());
    let x = single(5, [2, 3, 6, 5], &device);
    let y = conv2d_norm_act(x.clone(), &conv, &norm, Activation::Relu);
    assert_eq!(read(norm.running_mean.value_sync()), before);
    let plain = conv2d_norm_act(x.inner(), &conv.valid(), &norm.valid(), Activation::Relu);
    assert_close(&read(y.inner()), &read(plain), 1e-5);
}
