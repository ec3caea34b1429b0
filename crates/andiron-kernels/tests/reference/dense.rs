//! The blocks against the sum as it is written, and burn's gradients.

use crate::support::{assert_close, check, numbers, read, tensor};
use andiron_kernels::dense_conv2d;
use burn::tensor::{DType, Device, Tensor, module, ops::ConvOptions};

/// Sizes of a convolution; an axis each is height, width.
#[derive(Clone, Copy, Debug)]
struct Case {
    x: [usize; 4],
    channels_out: usize,
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [(usize, usize); 2],
    dilation: [usize; 2],
}

impl Case {
    fn options(&self) -> ConvOptions<2> {
        ConvOptions::new_with_padding(self.stride, self.padding, self.dilation, 1)
    }

    fn weight(&self) -> [usize; 4] {
        [self.channels_out, self.x[1], self.kernel[0], self.kernel[1]]
    }

    fn expected(&self, x: &[f64], weight: &[f64]) -> Vec<f64> {
        let ([batch, channels, height, width], [.., down, right]) = (self.x, self.weight());
        let out = |axis: usize, size: usize| {
            let reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1;
            let (before, after) = self.padding[axis];
            (size + before + after - reach) / self.stride[axis] + 1
        };
        let place = |axis: usize, at: usize, tap: usize, size: usize| {
            let place = at * self.stride[axis] + tap * self.dilation[axis];
            place.checked_sub(self.padding[axis].0).filter(|place| *place < size)
        };
        let (rows, columns) = (out(0, height), out(1, width));
        let mut all = Vec::new();
        for line in 0..batch * self.channels_out * rows {
            let (image, out) = (line / rows / self.channels_out, line / rows % self.channels_out);
            for column in 0..columns {
                let mut sum = 0.0;
                for tap in 0..channels * down * right {
                    let channel = tap / (down * right);
                    let y = place(0, line % rows, tap / right % down, height);
                    let at = place(1, column, tap % right, width);
                    if let (Some(y), Some(at)) = (y, at) {
                        sum += x[((image * channels + channel) * height + y) * width + at]
                            * weight[out * channels * down * right + tap];
                    }
                }
                all.push(sum);
            }
        }
        all
    }
}

fn cases() -> Vec<Case> {
    let case = |x, channels_out, kernel, stride, padding, dilation| Case {
        x,
        channels_out,
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
    for case in cases() {
        let (n, m) = (case.x.iter().product(), case.weight().iter().product());
        if n > 400 {
            continue;
        }
        let inputs = [numbers(1, n), numbers(2, m)];
        let expected = case.expected(&inputs[0], &inputs[1]);
        check(&inputs, &expected, |mut leaves| {
            let weight = leaves.remove(1).reshape(case.weight());
            dense_conv2d(leaves.remove(0).reshape(case.x), weight, case.options()).flatten(0, 3)
        });
    }
}

/// In single precision, where the fused body runs: value and both gradients, against burn's in double.
#[test]
fn the_fused_body_equals_burns() {
    for case in cases() {
        let device = Device::flex().autodiff();
        type Operation = fn(Tensor<4>, Tensor<4>, ConvOptions<2>) -> Tensor<4>;
        let run = |operation: Operation, dtype: DType| {
            let leaf = |seed, shape: [usize; 4]| -> Tensor<4> {
                tensor(&numbers(seed, shape.iter().product()), shape, &device, dtype).require_grad()
            };
            let (x, weight) = (leaf(3, case.x), leaf(4, case.weight()));
            let y = operation(x.clone(), weight.clone(), case.options());
            let shape = y.dims();
            let weights = numbers(5, shape.iter().product());
            let loss = (y.clone() * tensor(&weights, shape, &device, dtype)).sum();
            let gradients = loss.backward();
            let plain = operation(x.clone().inner(), weight.clone().inner(), case.options());
            assert_eq!(read(plain), read(y.clone().inner()), "recorded and not");
            [y.inner(), x.grad(&gradients).unwrap(), weight.grad(&gradients).unwrap()].map(read)
        };
        let fused = run(dense_conv2d, DType::F32);
        let burns = run(|x, w, options| module::conv2d(x, w, None, options), DType::F64);
        for (fused, burns) in fused.iter().zip(&burns) {
            assert_close(fused, burns, 2e-4);
        }
    }
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
    let case = cases()[1];
    let (n, m) = (case.x.iter().product(), case.weight().iter().product());
    let (x, weight) = (numbers(1, n), numbers(2, m));
    let expected = case.expected(&x, &weight);
    let device = Device::flex();
    let turned = tensor::<4>(&x, case.x, &device, DType::F32).swap_dims(2, 3);
    let turned = Tensor::<4>::from_data(turned.into_data(), &device).swap_dims(2, 3);
    let recorded = tensor::<4>(&weight, case.weight(), &device.clone().autodiff(), DType::F32);
    let recorded = recorded.require_grad();
    let y = dense_conv2d(turned, recorded.clone(), case.options());
    assert_close(&read(y.clone().inner()), &expected, 1e-5);
    assert!(recorded.grad(&y.sum().backward()).is_some());
}
