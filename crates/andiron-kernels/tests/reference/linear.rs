use crate::support::{assert_close, check, numbers, read, tensor};
use andiron_kernels::{Activation, add_normalise, linear, normalise, project};
use burn::{
    nn::{LayerNormConfig, LinearConfig},
    tensor::{DType, Device, Tensor},
};

#[test]
fn equals_the_sum_of_products() {
    for (batch, len, d_in, d_out) in
        [(2, 3, 5, 4), (1, 1, 7, 3), (3, 6, 1, 2), (1, 2, 70, 19), (2, 11, 9, 21)]
    {
        for with_bias in [true, false] {
            let rows = batch * len;
            let inputs = [
                numbers(1, rows * d_in),
                numbers(2, d_in * d_out),
                numbers(3, if with_bias { d_out } else { 1 }),
            ];
            let [x, weight, bias] = &inputs;
            let mut expected = Vec::new();
            for row in x.chunks(d_in) {
                for out in 0..d_out {
                    let sum: f64 = (0..d_in).map(|i| row[i] * weight[i * d_out + out]).sum();
                    let sum = if with_bias { sum + bias[out] } else { sum };
                    expected.push(sum / (1.0 + (-sum).exp()));
                }
            }
            let used = if with_bias { &inputs[..] } else { &inputs[..2] };
            check(used, &expected, |mut inputs| {
                let bias = with_bias.then(|| inputs.remove(2));
                let weight = inputs.remove(1).reshape([d_in, d_out]);
                let x = inputs.remove(0).reshape([batch, len, d_in]);
                linear(x, weight, bias, Activation::Silu).reshape([rows * d_out])
            });
        }
    }
}

/// In single precision: value and gradients against burn's in double, over several tiles and pieces.
#[test]
fn the_fused_body_equals_burns() {
    let (batch, len, d_in, d_out) = (3, 41, 301, 147);
    let device = Device::flex().autodiff();
    let run = |dtype: DType, turned: bool| {
        let leaf = |seed, shape: [usize; 2]| {
            tensor::<2>(&numbers(seed, shape[0] * shape[1]), shape, &device, dtype).require_grad()
        };
        let x = leaf(1, [batch * len, d_in]);
        let weight = leaf(2, if turned { [d_out, d_in] } else { [d_in, d_out] });
        let bias = leaf(3, [1, d_out]);
        let used = if turned { weight.clone().swap_dims(0, 1) } else { weight.clone() };
        let rows = x.clone().reshape([batch, len, d_in]);
        let y = linear(rows, used, Some(bias.clone().reshape([d_out])), Activation::None);
        let weights = numbers(4, batch * len * d_out);
        let weights = tensor::<3>(&weights, [batch, len, d_out], &device, dtype);
        let gradients = (y.clone() * weights).sum().backward();
        let gradient = |leaf: Tensor<2>| read(leaf.grad(&gradients).unwrap());
        [read(y.inner()), gradient(x), gradient(weight), gradient(bias)]
    };
    for turned in [false, true] {
        for (fused, burns) in run(DType::F32, turned).iter().zip(&run(DType::F64, turned)) {
            assert_close(fused, burns, 3e-4);
        }
    }
}

/// The body for few rows chooses by the number of rows; one more or less must not be seen.
#[test]
fn a_row_is_the_same_alone_and_among_others() {
    let (d_in, d_out) = (259, 301);
    let single = |seed, rows: usize, columns: usize| {
        let values = numbers(seed, rows * columns);
        tensor(&values, [rows, columns], &Device::flex(), DType::F32)
    };
    let (x, weight) = (single(1, 9, d_in), single(2, d_in, d_out));
    // As a tied table of tokens is used.
    let turned = single(3, d_out, d_in).swap_dims(0, 1);
    for weight in [weight, turned] {
        let all = read(linear(x.clone(), weight.clone(), None, Activation::None));
        for rows in 1..=6 {
            let some = x.clone().narrow(0, 2, rows);
            let got = read(linear(some, weight.clone(), None, Activation::None));
            assert_close(&got, &all[2 * d_out..(2 + rows) * d_out], 2e-4);
        }
    }
}

#[test]
#[should_panic(expected = "axis 1")]
fn a_wrong_width_names_the_axis() {
    use crate::support::plain;
    let _ = linear(plain(&[0.0; 6], [2, 3]), plain(&[0.0; 8], [4, 2]), None, Activation::None);
}

/// Parameters in single precision on what comes in double: no result and no gradient is rounded on the way.
#[test]
fn layers_are_applied_in_double_precision_to_what_has_it() {
    let device = Device::flex().autodiff();
    let map = LinearConfig::new(5, 3).init(&device);
    let norm = LayerNormConfig::new(3).with_epsilon(1e-7).init(&device);
    let x = tensor::<3>(&numbers(1, 2 * 7 * 5), [2, 7, 5], &device, DType::F64);
    let residual = tensor::<3>(&numbers(2, 2 * 7 * 3), [2, 7, 3], &device, DType::F64);
    let weight = map.weight.val();
    let y = project(&map, x.clone(), Activation::None);
    let sum = add_normalise(&norm, y.clone(), residual.clone(), 1e-7);
    assert_eq!((y.dtype(), sum.dtype()), (DType::F64, DType::F64));

    let exact = x.clone().matmul(weight.clone().cast(DType::F64).unsqueeze::<3>());
    let exact = exact + map.bias.as_ref().unwrap().val().cast(DType::F64).unsqueeze::<3>();
    assert_close(&read(y.clone().inner()), &read(exact.clone().inner()), 1e-13);
    let normalised = |x: Tensor<3>| {
        let off = x.clone() - x.mean_dim(2);
        let variance = (off.clone() * off.clone()).mean_dim(2);
        read((off / (variance + 1e-7).sqrt()).inner())
    };
    assert_close(&read(sum.clone().inner()), &normalised(exact.clone() + residual), 1e-11);
    assert_close(&read(normalise(&norm, y, 1e-7).inner()), &normalised(exact), 1e-10);

    let gradients = (sum.clone() * sum).sum().backward();
    assert_eq!(weight.grad(&gradients).unwrap().dtype(), DType::F32);
}
