use crate::support::{check, erf, numbers};
use andiron_kernels::{Activation, gelu, silu};

fn sigmoid(x: f64) -> f64 {
    1.0 / (1.0 + (-x).exp())
}

fn reference(activation: Activation, x: f64) -> f64 {
    match activation {
        Activation::Relu => x.max(0.0),
        Activation::Relu6 => x.clamp(0.0, 6.0),
        Activation::Gelu => 0.5 * x * (1.0 + erf(x / 2f64.sqrt())),
        Activation::GeluTanh => {
            let inner = (2.0 / std::f64::consts::PI).sqrt() * (x + 0.044715 * x.powi(3));
            0.5 * x * (1.0 + inner.tanh())
        }
        Activation::Silu => x * sigmoid(x),
        Activation::HardSwish => x * (x + 3.0).clamp(0.0, 6.0) / 6.0,
        Activation::Sigmoid => sigmoid(x),
        Activation::Tanh => x.tanh(),
        _ => x,
    }
}

#[test]
fn each_equals_its_formula() {
    // Times four, so that the bounds of ReLU6 and hard swish are crossed on both sides.
    let x: Vec<f64> = numbers(1, 2 * 3 * 7).iter().map(|x| 4.0 * x).collect();
    for activation in [
        Activation::None,
        Activation::Relu,
        Activation::Relu6,
        Activation::Gelu,
        Activation::GeluTanh,
        Activation::Silu,
        Activation::HardSwish,
        Activation::Sigmoid,
        Activation::Tanh,
    ] {
        let expected: Vec<f64> = x.iter().map(|x| reference(activation, *x)).collect();
        check(std::slice::from_ref(&x), &expected, |mut inputs| {
            let x = inputs.remove(0).reshape([2, 3, 7]);
            activation.apply(x).reshape([42])
        });
    }
}

#[test]
fn the_functions_are_the_activations() {
    let x = numbers(2, 15);
    let expected =
        |activation| -> Vec<f64> { x.iter().map(|x| reference(activation, *x)).collect() };
    check(std::slice::from_ref(&x), &expected(Activation::Gelu), |mut x| gelu(x.remove(0)));
    check(std::slice::from_ref(&x), &expected(Activation::Silu), |mut x| silu(x.remove(0)));
    assert_eq!(Activation::default(), Activation::None);
}
