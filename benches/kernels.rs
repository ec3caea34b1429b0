//! Kernels against burn's own operations, outside training and in it.
//!
//! `cargo bench --workspace --bench kernels`; one identifier: `kernels/gelu/normal/6m`.
//!
//! Two distributions, because the time of burn's gelu depends on the data: the C library's `erf`
//! takes another branch in the tails.

use andiron::kernels::{
    Activation, attention, conv_transpose2d, dense_conv2d, depthwise_conv2d, dropout, gelu, linear,
    split_mix, training,
};
use burn::{
    nn::conv::{ConvTranspose2d, ConvTranspose2dConfig},
    tensor::{Bool, Device, Tensor, TensorData, activation, module, ops::ConvOptions},
};
use criterion::{BatchSize, Criterion, criterion_group, criterion_main};
use std::hint::black_box;

const SIZES: [(&str, usize); 2] = [("64k", 1 << 16), ("6m", 6 << 20)];

/// `n` values in 0..1, always the same.
fn unit(n: usize) -> impl Iterator<Item = f32> {
    let mut state = 7;
    (0..n).map(move |_| (split_mix(&mut state) >> 40) as f32 / (1u64 << 24) as f32)
}

/// The normal distribution, by Box and Muller's formula.
fn normal(n: usize) -> Vec<f32> {
    let uniform: Vec<f32> = unit(2 * n).collect();
    let pair = |pair: &[f32]| {
        (-2.0 * (1.0 - pair[0]).ln()).sqrt() * (std::f32::consts::TAU * pair[1]).cos()
    };
    uniform.chunks_exact(2).map(pair).collect()
}

/// Uniform over -6..6.
fn uniform(n: usize) -> Vec<f32> {
    unit(n).map(|x| 12.0 * x - 6.0).collect()
}

fn tensor(values: Vec<f32>, device: &Device) -> Tensor<1> {
    let n = values.len();
    Tensor::from_data(TensorData::new(values, [n]), device)
}

fn bench_gelu(c: &mut Criterion) {
    type Operation = fn(Tensor<1>) -> Tensor<1>;
    let operations: [(&str, Operation); 2] = [("gelu", gelu), ("gelu-burn", activation::gelu)];
    for (distribution, draw) in [("normal", normal as fn(usize) -> Vec<f32>), ("uniform", uniform)]
    {
        for (size, n) in SIZES {
            let x = tensor(draw(n), &Device::flex());
            let leaf = Tensor::from_inner(x.clone()).require_grad();
            for (name, operation) in operations {
                c.bench_function(&format!("kernels/{name}/{distribution}/{size}"), |b| {
                    b.iter_batched(
                        || x.clone(),
                        |x| black_box(operation(x)),
                        BatchSize::PerIteration,
                    );
                });
                // Ones as the gradient from above: forward and backward, nothing else.
                c.bench_function(&format!("kernels/{name}-train/{distribution}/{size}"), |b| {
                    b.iter(|| black_box(operation(leaf.clone()).backward()));
                });
            }
        }
    }
}

fn bench_attention(c: &mut Criterion) {
    for (size, batch, len) in [("1x16", 1, 16), ("8x128", 8, 128)] {
        let heads = tensor(normal(batch * 12 * len * 32), &Device::flex());
        let heads = heads.reshape([batch, 12, len, 32]);
        let padded: Vec<bool> = (0..batch * len).map(|i| i % len < len - len / 4).collect();
        let visible = TensorData::new(padded, [batch, len]);
        let visible = Tensor::<2, Bool>::from_data(visible, &Device::flex());
        c.bench_function(&format!("kernels/attention/padded/{size}"), |b| {
            b.iter(|| {
                let [query, key, value] = [(); 3].map(|()| heads.clone());
                let visible = Some(visible.clone());
                black_box(attention(query, key, value, visible, &Default::default()))
            });
        });
    }
}

fn bench_dropout(c: &mut Criterion) {
    for (size, n) in [("64k", 1 << 16), ("1m5", 3 << 19)] {
        let x = tensor(normal(n), &Device::flex());
        c.bench_function(&format!("kernels/dropout/{size}"), |b| {
            b.iter(|| training(3, || black_box(dropout(x.clone(), 0.1))));
        });
    }
}

type Convolution = fn(Tensor<4>, Tensor<4>, ConvOptions<2>) -> Tensor<4>;

fn burns(x: Tensor<4>, weight: Tensor<4>, options: ConvOptions<2>) -> Tensor<4> {
    module::conv2d(x, weight, None, options)
}

/// One convolution of three by three, alone and with its gradients; ours and burn's.
fn bench_convolution(
    c: &mut Criterion,
    name: &str,
    ours: Convolution,
    x_shape: [usize; 4],
    weight_shape: [usize; 4],
    stride: usize,
) {
    let plain = |values: Vec<f32>| Tensor::<1>::from_inner(tensor(values, &Device::flex()));
    let leaf = |shape: [usize; 4]| plain(normal(shape.iter().product())).require_grad();
    let (x, weight) = (leaf(x_shape), leaf(weight_shape));
    let [batch, channels, height, width] = x_shape;
    let groups = channels / weight_shape[1];
    let size = format!("{batch}x{channels}x{height}x{width}");
    for (name, operation) in [(name.to_owned(), ours), (format!("{name}-burn"), burns)] {
        let options = || ConvOptions::new([stride; 2], [1, 1], [1, 1], groups);
        c.bench_function(&format!("kernels/{name}/{size}"), |b| {
            b.iter(|| {
                let x = x.clone().inner().reshape(x_shape);
                black_box(operation(x, weight.clone().inner().reshape(weight_shape), options()))
            });
        });
        c.bench_function(&format!("kernels/{name}-train/{size}"), |b| {
            b.iter(|| {
                let weight = weight.clone().reshape(weight_shape);
                black_box(operation(x.clone().reshape(x_shape), weight, options()).backward())
            });
        });
    }
}

/// A convolution that goes channel by channel; burn's gradient of its weight is a convolution for each.
fn bench_depthwise(c: &mut Criterion) {
    bench_convolution(c, "depthwise", depthwise_conv2d, [16, 64, 32, 40], [64, 1, 3, 3], 1);
    bench_convolution(c, "depthwise", depthwise_conv2d, [16, 32, 64, 80], [32, 1, 3, 3], 2);
}

/// Early and late layers of a residual network.
fn bench_dense(c: &mut Criterion) {
    bench_convolution(c, "dense", dense_conv2d, [1, 64, 56, 56], [64, 64, 3, 3], 1);
    bench_convolution(c, "dense", dense_conv2d, [16, 32, 28, 28], [32, 32, 3, 3], 1);
    bench_convolution(c, "dense", dense_conv2d, [16, 64, 28, 28], [128, 64, 3, 3], 2);
    bench_convolution(c, "dense", dense_conv2d, [4, 512, 7, 7], [512, 512, 3, 3], 1);
}

/// The first and the last enlarging of a U-Net; ours and burn's.
fn bench_transposed(c: &mut Criterion) {
    type Operation = fn(Tensor<4>, &ConvTranspose2d) -> Tensor<4>;
    let operations: [(&str, Operation); 2] =
        [("transposed", conv_transpose2d), ("transposed-burn", |x, conv| conv.forward(x))];
    for [channels, height, width] in [[256, 8, 10], [32, 64, 80]] {
        let device = Device::flex();
        let config = ConvTranspose2dConfig::new([channels, channels / 2], [2, 2]);
        let up = config.with_stride([2, 2]).init(&device.clone().autodiff());
        let x = tensor(normal(8 * channels * height * width), &device);
        let x = Tensor::from_inner(x.reshape([8, channels, height, width])).require_grad();
        for (name, operation) in operations {
            let size = format!("8x{channels}x{height}x{width}");
            c.bench_function(&format!("kernels/{name}-train/{size}"), |b| {
                b.iter(|| black_box(operation(x.clone(), &up).backward()));
            });
        }
    }
}

/// Layers of perceptrons of a small encoder, for one text and for a batch; ours and burn's.
fn bench_linear(c: &mut Criterion) {
    for [rows, d_in, d_out] in [[16, 384, 1536], [128, 384, 384], [4096, 384, 1536]] {
        let device = Device::flex();
        let x = tensor(normal(rows * d_in), &device).reshape([rows, d_in]);
        let weight = tensor(normal(d_in * d_out), &device).reshape([d_in, d_out]);
        c.bench_function(&format!("kernels/linear/{rows}x{d_in}x{d_out}"), |b| {
            b.iter(|| black_box(linear(x.clone(), weight.clone(), None, Activation::None)));
        });
        c.bench_function(&format!("kernels/linear-burn/{rows}x{d_in}x{d_out}"), |b| {
            b.iter(|| black_box(module::linear(x.clone(), weight.clone(), None)));
        });
        let (x, weight) = (Tensor::from_inner(x), Tensor::from_inner(weight));
        let (x, weight) = (x.require_grad(), weight.require_grad());
        c.bench_function(&format!("kernels/linear-train/{rows}x{d_in}x{d_out}"), |b| {
            b.iter(|| {
                let y = linear(x.clone(), weight.clone(), None, Activation::None);
                black_box(y.backward())
            });
        });
        c.bench_function(&format!("kernels/linear-burn-train/{rows}x{d_in}x{d_out}"), |b| {
            b.iter(|| black_box(module::linear(x.clone(), weight.clone(), None).backward()));
        });
    }
}

criterion_group!(
    benches,
    bench_gelu,
    bench_attention,
    bench_dropout,
    bench_depthwise,
    bench_dense,
    bench_transposed,
    bench_linear
);
criterion_main!(benches);
