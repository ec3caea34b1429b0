//! What holds of every convolution: the sum as it is written, burn's gradients, any layout.

use crate::support::{assert_close, check, numbers, read, tensor};
use burn::tensor::{DType, Device, Tensor, module, ops::ConvOptions};

/// The operation that is tested.
pub(crate) type Operation = fn(Tensor<4>, Tensor<4>, ConvOptions<2>) -> Tensor<4>;

/// Sizes of a convolution; an axis each is height, width.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Case {
    pub(crate) x: [usize; 4],
    pub(crate) channels_out: usize,
    pub(crate) groups: usize,
    pub(crate) kernel: [usize; 2],
    pub(crate) stride: [usize; 2],
    pub(crate) padding: [(usize, usize); 2],
    pub(crate) dilation: [usize; 2],
}

impl Case {
    pub(crate) fn options(&self) -> ConvOptions<2> {
        ConvOptions::new_with_padding(self.stride, self.padding, self.dilation, self.groups)
    }

    pub(crate) fn weight(&self) -> [usize; 4] {
        [self.channels_out, self.x[1] / self.groups, self.kernel[0], self.kernel[1]]
    }

    fn expected(&self, x: &[f64], weight: &[f64]) -> Vec<f64> {
        let [batch, channels, height, width] = self.x;
        let [_, inside, down, right] = self.weight();
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
            let first = out / (self.channels_out / self.groups) * inside;
            for column in 0..columns {
                let mut sum = 0.0;
                for tap in 0..inside * down * right {
                    let channel = first + tap / (down * right);
                    let y = place(0, line % rows, tap / right % down, height);
                    let at = place(1, column, tap % right, width);
                    if let (Some(y), Some(at)) = (y, at) {
                        sum += x[((image * channels + channel) * height + y) * width + at]
                            * weight[out * inside * down * right + tap];
                    }
                }
                all.push(sum);
            }
        }
        all
    }
}

/// Value and gradients of the small cases are those of the sum, in single and double precision.
pub(crate) fn is_the_sum(operation: Operation, cases: &[Case]) {
    let mut tried = 0;
    for case in cases {
        let (n, m) = (case.x.iter().product(), case.weight().iter().product());
        if n > 400 {
            continue;
        }
        let inputs = [numbers(1, n), numbers(2, m)];
        let expected = case.expected(&inputs[0], &inputs[1]);
        check(&inputs, &expected, |mut leaves| {
            let weight = leaves.remove(1).reshape(case.weight());
            operation(leaves.remove(0).reshape(case.x), weight, case.options()).flatten(0, 3)
        });
        tried += 1;
    }
    assert!(tried >= 8, "only {tried} cases are small");
}

/// In single precision, where the fused body runs: value and both gradients, against burn's in double.
pub(crate) fn is_burns(operation: Operation, cases: &[Case], tolerance: f64) {
    for case in cases {
        let device = Device::flex().autodiff();
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
        let fused = run(operation, DType::F32);
        let burns = run(|x, w, options| module::conv2d(x, w, None, options), DType::F64);
        for (fused, burns) in fused.iter().zip(&burns) {
            assert_close(fused, burns, tolerance);
        }
    }
}

/// A view of other strides is taken, and so is a weight that alone is recorded.
pub(crate) fn takes_views_and_a_recorded_weight(operation: Operation, case: Case) {
    let (n, m) = (case.x.iter().product(), case.weight().iter().product());
    let (x, weight) = (numbers(1, n), numbers(2, m));
    let expected = case.expected(&x, &weight);
    let device = Device::flex();
    let turned = tensor::<4>(&x, case.x, &device, DType::F32).swap_dims(2, 3);
    let turned = Tensor::<4>::from_data(turned.into_data(), &device).swap_dims(2, 3);
    assert_eq!(turned.dims(), case.x);
    let recorded = tensor::<4>(&weight, case.weight(), &device.clone().autodiff(), DType::F32);
    let recorded = recorded.require_grad();
    let y = operation(turned, recorded.clone(), case.options());
    assert_close(&read(y.clone().inner()), &expected, 1e-5);
    assert!(recorded.grad(&y.sum().backward()).is_some());
}
