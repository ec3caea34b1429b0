//! The planes laid out flat against the sum as it is written, and burn's gradient.

use crate::support::{assert_close, check, numbers, read, tensor};
use andiron_kernels::depthwise_conv2d;
use burn::tensor::{DType, Device, Tensor, module, ops::ConvOptions};

/// Sizes of a convolution; an axis each is height, width.
#[derive(Clone, Copy, Debug)]
struct Case {
    x: [usize; 4],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [(usize, usize); 2],
    dilation: [usize; 2],
}

impl Case {
    fn options(&self) -> ConvOptions<2> {
        ConvOptions::new_with_padding(self.stride, self.padding, self.dilation, self.x[1])
    }

    fn weight(&self) -> [usize; 4] {
        [self.x[1], 1, self.kernel[0], self.kernel[1]]
    }

    fn expected(&self, x: &[f64], weight: &[f64]) -> Vec<f64> {
        let [batch, channels, height, width] = self.x;
        let out = |axis: usize, size: usize| {
            let reach = self.dilation[axis] * (self.kernel[axis] - 1) + 1;
            let (before, after) = self.padding[axis];
            (size + before + after - reach) / self.stride[axis] + 1
        };
        let (rows, columns) = (out(0, height), out(1, width));
        let mut all = Vec::new();
        for plane in 0..batch * channels {
            for at in 0..rows * columns {
                let mut sum = 0.0;
                for tap in 0..self.kernel[0] * self.kernel[1] {
                    let place = |axis: usize, at: usize, tap: usize, size: usize| {
                        let place = at * self.stride[axis] + tap * self.dilation[axis];
                        place.checked_sub(self.padding[axis].0).filter(|place| *place < size)
                    };
                    let y = place(0, at / columns, tap / self.kernel[1], height);
                    let x_at = place(1, at % columns, tap % self.kernel[1], width);
                    if let (Some(y), Some(x_at)) = (y, x_at) {
                        let taps = self.kernel[0] * self.kernel[1];
                        sum += x[(plane * height + y) * width + x_at]
                            * weight[plane % channels * taps + tap];
                    }
                }
                all.push(sum);
            }
        }
        all
    }
}

fn cases() -> Vec<Case> {
    let case = |x, kernel, stride, padding, dilation| Case { x, kernel, stride, padding, dilation };
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
    for case in cases() {
        let (n, m) = (case.x.iter().product(), case.weight().iter().product());
        if n > 400 {
            continue;
        }
        let inputs = [numbers(1, n), numbers(2, m)];
        let expected = case.expected(&inputs[0], &inputs[1]);
        check(&inputs, &expected, |mut leaves| {
            let weight = leaves.remove(1).reshape(case.weight());
            depthwise_conv2d(leaves.remove(0).reshape(case.x), weight, case.options()).flatten(0, 3)
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
        let fused = run(depthwise_conv2d, DType::F32);
        let burns = run(|x, w, options| module::conv2d(x, w, None, options), DType::F64);
        for (fused, burns) in fused.iter().zip(&burns) {
            assert_close(fused, burns, 3e-5);
        }
    }
}

#[test]
fn views_and_a_weight_alone_that_is_recorded_are_taken_too() {
    let case = cases()[1];
    let (n, m) = (case.x.iter().product(), case.weight().iter().product());
    let (x, weight) = (numbers(1, n), numbers(2, m));
    let expected = case.expected(&x, &weight);
    let [batch, channels, height, width] = case.x;
    let device = Device::flex();
    let turned = tensor::<4>(&x, case.x, &device, DType::F32).swap_dims(2, 3);
    let copy = turned.clone().into_data();
    let turned = Tensor::<4>::from_data(copy, &device).swap_dims(2, 3);
    assert_eq!(turned.dims(), [batch, channels, height, width]);
    let recorded = tensor::<4>(&weight, case.weight(), &device.clone().autodiff(), DType::F32);
    let recorded = recorded.require_grad();
    let y = depthwise_conv2d(turned, recorded.clone(), case.options());
    assert_close(&read(y.clone().inner()), &expected, 1e-5);
    assert!(recorded.grad(&y.sum().backward()).is_some());
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
