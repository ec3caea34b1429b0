use crate::support::{check, numbers};
use andiron_kernels::{Activation, linear};

#[test]
fn equals_the_sum_of_products() {
    for (batch, len, d_in, d_out) in [(2, 3, 5, 4), (1, 1, 7, 3), (3, 6, 1, 2)] {
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

#[test]
#[should_panic(expected = "axis 1")]
fn a_wrong_width_names_the_axis() {
    use crate::support::plain;
    let _ = linear(plain(&[0.0; 6], [2, 3]), plain(&[0.0; 8], [4, 2]), None, Activation::None);
}
