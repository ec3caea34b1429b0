//! The blocks against the sum as it is written, and burn's gradients.

use crate::{
    convolutions::{self, Case},
    support::{numbers, read, tensor},
};
use andiron_kernels::dense_conv2d;
use burn::tensor::{DType, Device};

fn cases() -> Vec<Case> {
    let case = |x, channels_out, kernel, stride, padding, dilation| Case {
        x,
        channels_out,
        groups: 1,
        kernel,
        stride,
        padding,
        dilation,
    };
    let (none, one) = ([(0, 0), (0, 0)], [(1, 1), (1, 1)]);
    vec![
        case([2, 3, 5, 7], 4, [3, 3], [1, 1], one, [1, 1]),
        case([1, 2, 6, 9], 3, [3, 3], [2, 2], one, [1, 1]),
        case([3, 2, 7, 4], 5, [3, 3], [2, 2], [(0, 1), (0, 1)], [1, 1]),
        case([2, 1, 9, 8], 2, [5, 5], [2, 1], [(2, 2), (2, 2)], [1, 1]),
        case([1, 3, 8, 11], 1, [2, 4], [3, 2], [(1, 0), (0, 3)], [2, 1]),
        case([2, 2, 4, 5], 3, [4, 5], [1, 1], none, [1, 1]),
        case([1, 2, 1, 1], 2, [3, 3], [1, 1], one, [1, 1]),
        case([1, 5, 10, 3], 3, [1, 1], [4, 3], [(0, 0), (2, 0)], [1, 1]),
        case([2, 5, 6, 3], 4, [1, 1], [1, 1], none, [1, 1]),
        case([2, 3, 1, 23], 4, [1, 5], [1, 2], [(0, 0), (2, 2)], [1, 1]),
        // A tap that sees nothing but padding.
        case([1, 2, 3, 2], 2, [1, 7], [1, 1], [(0, 0), (6, 6)], [1, 1]),
        // The last rows and columns are in no output at all.
        case([2, 2, 8, 8], 2, [2, 2], [5, 5], none, [1, 1]),
        // Several blocks of rows, several panels of channels; channels cut into pieces.
        case([2, 40, 39, 37], 6, [3, 3], [1, 1], one, [1, 1]),
        case([2, 70, 9, 7], 67, [3, 3], [1, 1], one, [1, 1]),
        case([1, 300, 33, 31], 33, [1, 1], [1, 1], none, [1, 1]),
        case([1, 2, 3, 700], 3, [3, 3], [1, 1], one, [1, 1]),
    ]
}

#[test]
fn value_and_gradients_are_those_of_the_sum() {
    convolutions::is_the_sum(dense_conv2d, &cases());
}

#[test]
fn the_fused_body_equals_burns() {
    convolutions::is_burns(dense_conv2d, &cases(), 2e-4);
}

#[test]
fn one_by_one_is_the_batch_bit_for_bit() {
    let device = Device::flex();
    for case in cases() {
        let of = |seed, shape: [usize; 4]| {
            tensor::<4>(&numbers(seed, shape.iter().product()), shape, &device, DType::F32)
        };
        let (x, weight) = (of(1, case.x), of(2, case.weight()));
        let whole = read(dense_conv2d(x.clone(), weight.clone(), case.options()));
        let alone = (0..case.x[0]).flat_map(|at| {
            let image = x.clone().narrow(0, at, 1);
            read(dense_conv2d(image, weight.clone(), case.options()))
        });
        assert_eq!(alone.collect::<Vec<_>>(), whole, "{case:?}");
    }
}

#[test]
fn views_and_a_weight_alone_that_is_recorded_are_taken_too() {
    convolutions::takes_views_and_a_recorded_weight(dense_conv2d, cases()[1]);
}
