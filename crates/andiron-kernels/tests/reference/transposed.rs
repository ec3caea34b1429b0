//! The enlarging against the sum as it is written, and against burn's module.

use crate::support::{assert_close, check, numbers, read, tensor};
use andiron_kernels::conv_transpose2d;
use burn::{
    module::Param,
    nn::conv::{ConvTranspose2d, ConvTranspose2dConfig},
    tensor::{DType, Device, Tensor},
};

/// Batch, channels in and out, the input's sides and the kernel's, which are the stride's too.
type Sizes = ([usize; 4], usize, [usize; 2]);

const SIZES: [Sizes; 4] = [
    ([2, 3, 3, 4], 2, [2, 2]),
    ([1, 2, 4, 3], 3, [3, 1]),
    ([3, 1, 1, 5], 2, [2, 3]),
    ([2, 4, 1, 1], 1, [1, 1]),
];

/// The module of these sizes, with these parameters.
fn module(sizes: Sizes, weight: Tensor<4>, bias: Option<Tensor<1>>) -> ConvTranspose2d {
    let ([_, channels, ..], channels_out, kernel) = sizes;
    let config = ConvTranspose2dConfig::new([channels, channels_out], kernel).with_stride(kernel);
    let conv = config.with_bias(bias.is_some()).init(&weight.device());
    let weight = Param::initialized(conv.weight.id, weight);
    let bias = bias.map(|bias| Param::initialized(conv.bias.as_ref().unwrap().id, bias));
    ConvTranspose2d { weight, bias, ..conv }
}

#[test]
fn value_and_gradients_are_those_of_the_sum() {
    for sizes in SIZES {
        let ([batch, channels, height, width], outs, [high, wide]) = sizes;
        let of_weight = [channels, outs, high, wide];
        let inputs = [
            numbers(1, batch * channels * height * width),
            numbers(2, of_weight.iter().product()),
            numbers(3, outs),
        ];
        let mut expected = Vec::new();
        for line in 0..batch * outs * height * high {
            let (row, plane) = (line % (height * high), line / (height * high));
            let (image, out) = (plane / outs, plane % outs);
            for column in 0..width * wide {
                let tap = row % high * wide + column % wide;
                let mut sum = inputs[2][out];
                for channel in 0..channels {
                    let from = (image * channels + channel) * height + row / high;
                    sum += inputs[0][from * width + column / wide]
                        * inputs[1][(channel * outs + out) * high * wide + tap];
                }
                expected.push(sum);
            }
        }
        check(&inputs, &expected, |mut leaves| {
            let bias = leaves.remove(2);
            let conv = module(sizes, leaves.remove(1).reshape(of_weight), Some(bias));
            conv_transpose2d(leaves.remove(0).reshape(sizes.0), &conv).flatten(0, 3)
        });
    }
}

#[test]
fn larger_ones_and_those_that_overlap_are_burns() {
    let device = Device::flex();
    let single = |seed, shape: [usize; 4]| {
        tensor::<4>(&numbers(seed, shape.iter().product()), shape, &device, DType::F32)
    };
    let x = single(1, [3, 40, 17, 23]);
    let sizes = ([3, 40, 17, 23], 19, [2, 2]);
    let enlarging = module(sizes, single(2, [40, 19, 2, 2]), None);
    let usual = ConvTranspose2dConfig::new([40, 6], [3, 3]).with_stride([2, 2]);
    let twice = ConvTranspose2dConfig::new([40, 6], [2, 2]).with_stride([2, 2]);
    let others = [
        twice.clone().with_padding([1, 1]).init(&device),
        twice.clone().with_padding_out([1, 1]).init(&device),
        twice.clone().with_groups(2).init(&device),
        twice.with_dilation([2, 1]).init(&device),
        usual.clone().init(&device),
        usual.with_padding([1, 1]).with_padding_out([1, 1]).init(&device),
    ];
    for conv in [enlarging].into_iter().chain(others) {
        let expected = conv.forward(x.clone());
        let got = conv_transpose2d(x.clone(), &conv);
        assert_eq!(got.dims(), expected.dims());
        assert_close(&read(got), &read(expected), 1e-4);
    }
}
