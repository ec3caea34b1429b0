use crate::support::{assert_close, check, mask, numbers, plain, read, softmax_row, truths};
use andiron_kernels::masked_softmax;
use burn::tensor::{DType, Device, Tensor};

fn reference(x: &[f64], hidden: &[bool], width: usize) -> Vec<f64> {
    x.chunks(width).zip(hidden.chunks(width)).flat_map(|(x, h)| softmax_row(x, h)).collect()
}

#[test]
fn equals_the_quotient() {
    for (batch, len, width) in [(2, 3, 5), (1, 4, 7), (3, 2, 1)] {
        let n = batch * len * width;
        let x = numbers(1, n);
        let mut hidden = truths(2, n).iter().map(|t| !t).collect::<Vec<_>>();
        hidden[..width].fill(true); // a row with nothing to see
        let shape = [batch, len, width];
        check(std::slice::from_ref(&x), &reference(&x, &hidden, width), |mut inputs| {
            let x = inputs.remove(0).reshape(shape);
            let hidden = mask(&hidden, shape, &x.device());
            masked_softmax(x, Some(hidden)).reshape([n])
        });
        check(std::slice::from_ref(&x), &reference(&x, &vec![false; n], width), |mut inputs| {
            masked_softmax(inputs.remove(0).reshape(shape), None).reshape([n])
        });
    }
}

#[test]
fn the_mask_is_repeated() {
    let (batch, len, width) = (2, 3, 4);
    let x = numbers(3, batch * len * width);
    let hidden = [false, true, true, false, true, true, true, true];
    let repeated: Vec<bool> = hidden.chunks(width).flat_map(|row| row.repeat(len)).collect();
    let got = masked_softmax(
        plain(&x, [batch, len, width]),
        Some(mask(&hidden, [batch, 1, width], &Device::flex())),
    );
    assert_close(&read(got), &reference(&x, &repeated, width), 1e-12);
}

#[test]
fn what_is_hidden_does_not_matter() {
    let device = Device::flex();
    let values = [f32::NAN, 1.0, f32::INFINITY, 2.0, f32::NEG_INFINITY, 1e30, f32::NAN, f32::NAN];
    for dtype in [DType::F32, DType::F64] {
        let x = Tensor::<1>::from_data(values, (&device, dtype)).reshape([2, 4]);
        let hidden = mask(&[true, false, true, false, true, true, true, true], [2, 4], &device);
        let expected = [0.0, 1.0 / (1.0 + 1f64.exp()), 0.0, 1f64.exp() / (1.0 + 1f64.exp())];
        let expected = [expected, [0.0; 4]].concat();
        assert_close(&read(masked_softmax(x, Some(hidden))), &expected, 1e-6);
    }
}

#[test]
fn half_precision_hides_too() {
    let x = plain(&[3.0, 1.0, 2.0], [1, 3]).cast(DType::F16);
    let got = masked_softmax(x, Some(mask(&[true, false, false], [1, 3], &Device::flex())));
    assert_close(&read(got), &[0.0, 0.268_941, 0.731_059], 1e-3);
}

#[test]
fn a_hidden_row_passes_no_gradient() {
    let device = Device::flex().autodiff();
    let x = Tensor::<2>::from_data([[1.0, -2.0, 0.5]], &device).require_grad();
    let hidden = Tensor::from_data([[true, true, true]], &device);
    let gradients = masked_softmax(x.clone(), Some(hidden)).powi_scalar(2).sum().backward();
    assert_eq!(read(x.grad(&gradients).unwrap()), [0.0; 3]);
}
