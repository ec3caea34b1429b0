//! The planes laid out flat against the sum as it is written, and burn's gradient.

use crate::{
    convolutions::{self, Case},
    support::{numbers, tensor},
};
use andiron_kernels::depthwise_conv2d;
use burn::tensor::{DType, Device, module, ops::ConvOptions};

fn cases() -> Vec<Case> {
    let case = |x: [usize; 4], kernel, stride, padding, dilation| {
        let channels = x[1];
        Case { x, channels_out: channels, groups: channels, kernel, stride, padding, dilation }
    };
    let one = [(1, 1), (1, 1)];
    vec![
        case([2, 3, 5, 7], [3, 3], [1, 1], one, [1, 1]),
        case([1, 2, 6, 9], [3, 3], [2, 2], one, [1, 1]),
        case([3, 2, 7, 4], [3, 3], [2, 2], [(0, 1), (0, 1)], [1, 1]),
        case([2, 2, 9, 8], [5, 5], [2, 1], [(2, 2), (2, 2)], [1, 1]),
        case([1, 3, 8, 11], [2, 4], [3, 2], [(1, 0), (0, 3)], [2, 1]),
        case([2, 2, 4, 5], [4, 5], [1, 1], [(0, 0), (0, 0)], [1, 1]),
        case([1, 2, 1, 1], [3, 3], [1, 1], one, [1, 1]),
        case([1, 2, 10, 9], [1, 1], [4, 3], [(0, 0), (2, 0)], [1, 1]),
        // The last rows and columns are in no output at all.
        case([2, 2, 8, 8], [2, 2], [5, 5], [(0, 0), (0, 0)], [1, 1]),
        case([1, 2, 40, 37], [7, 7], [1, 1], [(3, 3), (3, 3)], [1, 1]),
    ]
}

#[test]
fn value_and_gradients_are_those_of_the_sum() {
    convolutions::is_the_sum(depthwise_conv2d, &cases());
}

#[test]
fn the_fused_body_equals_burns() {
    convolutions::is_burns(depthwise_conv2d, &cases(), 3e-5);
}

#[test]
fn views_and_a_weight_alone_that_is_recorded_are_taken_too() {
    convolutions::takes_views_and_a_recorded_weight(depthwise_conv2d, cases()[1]);
}

#[test]
fn other_groups_are_burns() {
    let device = Device::flex();
    let x = tensor::<4>(&numbers(1, 2 * 4 * 5 * 6), [2, 4, 5, 6], &device, DType::F32);
    let weight = tensor::<4>(&numbers(2, 8 * 2 * 9), [8, 2, 3, 3], &device, DType::F32);
    let options = ConvOptions::new([1, 1], [1, 1], [1, 1], 2);
    let expected = module::conv2d(x.clone(), weight.clone(), None, options.clone());
    assert_eq!(depthwise_conv2d(x, weight, options).into_data(), expected.into_data());
}
