use crate::support::{assert_close, check, numbers, plain, read};
use andiron_kernels::{add_layer_norm, add_rms_norm, layer_norm, rms_norm};
use burn::tensor::{DType, Device, Tensor};

const EPSILON: f64 = 1e-3;

fn layer_row(row: &[f64], gamma: &[f64], beta: Option<&[f64]>) -> Vec<f64> {
    let n = row.len() as f64;
    let mean = row.iter().sum::<f64>() / n;
    let variance = row.iter().map(|x| (x - mean).powi(2)).sum::<f64>() / n;
    let value = |i: usize| (row[i] - mean) / (variance + EPSILON).sqrt() * gamma[i];
    (0..row.len()).map(|i| value(i) + beta.map_or(0.0, |beta| beta[i])).collect()
}

fn rms_row(row: &[f64], gamma: &[f64]) -> Vec<f64> {
    let mean = row.iter().map(|x| x * x).sum::<f64>() / row.len() as f64;
    (0..row.len()).map(|i| row[i] / (mean + EPSILON).sqrt() * gamma[i]).collect()
}

fn rows(x: &[f64], width: usize, row: impl Fn(&[f64]) -> Vec<f64>) -> Vec<f64> {
    x.chunks(width).flat_map(row).collect()
}

#[test]
fn layer_norm_equals_its_formula() {
    for (batch, len, width) in [(2, 3, 5), (1, 4, 7), (3, 1, 2)] {
        let n = batch * len * width;
        let inputs = [numbers(1, n), numbers(2, width), numbers(3, width)];
        let [x, gamma, beta] = &inputs;
        let with_beta = rows(x, width, |row| layer_row(row, gamma, Some(beta)));
        check(&inputs, &with_beta, |mut inputs| {
            let (beta, gamma) = (inputs.pop(), inputs.remove(1));
            layer_norm(inputs.remove(0).reshape([batch, len, width]), gamma, beta, EPSILON)
                .reshape([n])
        });
        let without = rows(x, width, |row| layer_row(row, gamma, None));
        check(&inputs[..2], &without, |mut inputs| {
            let gamma = inputs.remove(1);
            layer_norm(inputs.remove(0).reshape([batch * len, width]), gamma, None, EPSILON)
                .reshape([n])
        });
    }
}

#[test]
fn rms_norm_equals_its_formula() {
    for (batch, len, width) in [(2, 3, 5), (1, 4, 7), (3, 1, 1)] {
        let n = batch * len * width;
        let inputs = [numbers(1, n), numbers(2, width)];
        let [x, gamma] = &inputs;
        let expected = rows(x, width, |row| rms_row(row, gamma));
        check(&inputs, &expected, |mut inputs| {
            let gamma = inputs.remove(1);
            rms_norm(inputs.remove(0).reshape([batch, len, width]), gamma, EPSILON).reshape([n])
        });
    }
}

#[test]
fn the_residual_is_added_first_and_handed_on() {
    let (batch, len, width) = (2, 3, 5);
    let n = batch * len * width;
    let inputs = [numbers(1, n), numbers(4, n), numbers(2, width), numbers(3, width)];
    let [x, residual, gamma, beta] = &inputs;
    let sum: Vec<f64> = x.iter().zip(residual).map(|(x, y)| x + y).collect();
    let both = |normalised: Vec<f64>| [normalised, sum.clone()].concat();
    let shape = [batch, len, width];

    let expected = both(rows(&sum, width, |row| layer_row(row, gamma, Some(beta))));
    check(&inputs, &expected, |mut inputs| {
        let (beta, gamma) = (inputs.pop(), inputs.remove(2));
        let (residual, x) = (inputs.remove(1).reshape(shape), inputs.remove(0).reshape(shape));
        let (normalised, sum) = add_layer_norm(x, residual, gamma, beta, EPSILON);
        Tensor::cat(vec![normalised.reshape([n]), sum.reshape([n])], 0)
    });
    let expected = both(rows(&sum, width, |row| rms_row(row, gamma)));
    check(&inputs[..3], &expected, |mut inputs| {
        let gamma = inputs.remove(2);
        let (residual, x) = (inputs.remove(1).reshape(shape), inputs.remove(0).reshape(shape));
        let (normalised, sum) = add_rms_norm(x, residual, gamma, EPSILON);
        Tensor::cat(vec![normalised.reshape([n]), sum.reshape([n])], 0)
    });
}

#[test]
fn a_row_stands_alone() {
    let (x, gamma) = (numbers(5, 4 * 9), plain(&numbers(6, 9), [9]));
    let all = read(rms_norm(plain(&x, [4, 9]), gamma.clone(), EPSILON));
    let each =
        x.chunks(9).flat_map(|row| read(rms_norm(plain(row, [1, 9]), gamma.clone(), EPSILON)));
    assert_eq!(all, each.collect::<Vec<f64>>());
}

#[test]
fn half_precision_survives_large_values() {
    let device = Device::flex();
    let x = Tensor::<2>::from_data([[300.0, -400.0, 0.0]], (&device, DType::F16));
    let gamma = Tensor::<1>::ones([3], (&device, DType::F16));
    let y = rms_norm(x, gamma, 1e-6);
    assert_eq!(y.dtype(), DType::F16);
    let rms = (250_000f64 / 3.0).sqrt();
    assert_close(&read(y), &[300.0 / rms, -400.0 / rms, 0.0], 2e-3);
}

#[test]
#[should_panic(expected = "axis")]
fn a_wrong_width_is_refused() {
    let _ = rms_norm(plain(&[0.0; 6], [2, 3]), plain(&[0.0; 2], [2]), EPSILON);
}
