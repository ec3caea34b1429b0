//! The fused body against burn's operation, which stands as the portable twin.

use crate::support::{assert_close, erf, numbers, read};
use andiron_kernels::gelu;
use burn::tensor::{DType, Device, Tensor, TensorData, activation};
use proptest::prelude::*;

fn uniform(n: usize, bound: f64, device: &Device) -> Tensor<1> {
    let values: Vec<f32> = numbers(n as u64, n).iter().map(|x| (x * bound / 2.0) as f32).collect();
    Tensor::from_data(TensorData::new(values, [n]), device)
}

/// Within the documented `4e-7 |x|` of the twin, which has an error of its own: twice that.
#[track_caller]
fn assert_twins(fused: Vec<f64>, portable: Vec<f64>, x: Vec<f64>) {
    for ((fused, portable), x) in fused.into_iter().zip(portable).zip(x) {
        assert!((fused - portable).abs() <= 8e-7 * x.abs(), "at {x}: {fused}, twin {portable}");
    }
}

#[test]
fn equals_the_twin_at_every_length() {
    for n in [0, 1, 15, 16, 17, 31, 33_000, 70_001] {
        let x = uniform(n, 8.0, &Device::flex());
        let expected = read(activation::gelu(x.clone()));
        let values = read(x.clone());
        // `x` is shared here, so a new tensor is written, and alone below, so it is overwritten.
        assert_twins(read(gelu(x.clone())), expected.clone(), values.clone());
        let copy = Tensor::<1>::from_data(x.clone().into_data(), &Device::flex());
        assert_twins(read(gelu(copy)), expected, values.clone());
        assert_eq!(read(x), values, "the shared tensor must not change");
    }
}

/// The two ways agree within their errors, so only other bits tell which one was taken.
#[test]
fn the_fused_body_is_taken() {
    let bits = |y: Tensor<1>| -> Vec<u32> {
        let values: Vec<f32> = y.into_data().try_to_vec().unwrap();
        values.into_iter().map(f32::to_bits).collect()
    };
    let x = uniform(4_001, 8.0, &Device::flex());
    assert!(bits(gelu(x.clone())) != bits(activation::gelu(x.clone())), "plain: burn's was taken");
    let recorded = |operation: fn(Tensor<1>) -> Tensor<1>| {
        let x = Tensor::from_inner(x.clone()).require_grad();
        let y = operation(x.clone());
        let gradients = y.clone().sum().backward();
        (bits(y.inner()), bits(x.grad(&gradients).unwrap()))
    };
    let (fused, portable) = (recorded(gelu), recorded(activation::gelu));
    assert!(fused.0 != portable.0, "recorded: burn's was taken");
    assert!(fused.1 != portable.1, "backwards: burn's was taken");
}

#[test]
fn equals_the_formula_everywhere() {
    let values: Vec<f32> = (-130_000..=130_000).map(|i| i as f32 * 1e-4).collect();
    let x =
        Tensor::<1>::from_data(TensorData::new(values.clone(), [values.len()]), &Device::flex());
    for (y, x) in read(gelu(x)).into_iter().zip(values) {
        let x = f64::from(x);
        let exact = 0.5 * x * (1.0 + erf(x / 2f64.sqrt()));
        assert!((y - exact).abs() <= 4e-7 * x.abs(), "at {x}: {y}, exact {exact}");
    }
}

#[test]
fn views_equal_the_twin() {
    let base = uniform(6 * 35 * 44, 6.0, &Device::flex()).reshape([6, 35, 44]);
    let views: Vec<Tensor<3>> = vec![
        base.clone().swap_dims(0, 2),
        base.clone().narrow(0, 1, 3),
        base.clone().slice([0..6, 3..17, 5..44]),
        base.clone().permute([2, 0, 1]).narrow(0, 7, 23),
        base.clone().narrow(0, 2, 1).expand([5, 35, 44]),
        base.clone().flip([1]),
    ];
    let whole = read(base.clone());
    for view in views {
        let fused = read(gelu(view.clone()));
        assert_twins(fused, read(activation::gelu(view.clone())), read(view));
    }
    assert_eq!(read(base), whole, "the tensor under the views must not change");
}

#[test]
fn the_ends_are_the_twins() {
    let ends = [
        f32::NAN,
        f32::INFINITY,
        f32::NEG_INFINITY,
        f32::MAX,
        f32::MIN,
        f32::MIN_POSITIVE,
        1e-45,
        0.0,
        -0.0,
        -1e6,
        1e6,
    ];
    // Once among the vectors and once in the rest behind them.
    let values: Vec<f32> = ends.iter().cycle().take(5 * ends.len()).copied().collect();
    let x =
        Tensor::<1>::from_data(TensorData::new(values.clone(), [values.len()]), &Device::flex());
    let fused: Vec<f32> = gelu(x.clone()).into_data().try_to_vec().unwrap();
    let portable: Vec<f32> = activation::gelu(x).into_data().try_to_vec().unwrap();
    for ((fused, portable), x) in fused.iter().zip(&portable).zip(&values) {
        let same = fused == portable || (fused.is_nan() && portable.is_nan());
        assert!(same, "at {x}: {fused}, twin {portable}");
    }
}

#[test]
fn training_has_the_same_value_and_the_formulas_gradient() {
    for recording in [Device::flex().autodiff(), Device::flex().autodiff().gradient_checkpointing()]
    {
        for n in [1, 17, 40_003] {
            let x = uniform(n, 9.0, &recording).require_grad();
            let weights = uniform(n + 1, 1.0, &recording).narrow(0, 0, n);
            let y = gelu(x.clone());
            let unrecorded = gelu(x.clone().inner());
            assert_eq!(y.clone().into_data(), unrecorded.into_data(), "same bits in both modes");
            let gradients = (y * weights.clone()).sum().backward();
            let got = read(x.grad(&gradients).unwrap());
            let slope = |x: f64| {
                let density = (-0.5 * x * x).exp() / (2.0 * std::f64::consts::PI).sqrt();
                0.5 * (1.0 + erf(x / 2f64.sqrt())) + x * density
            };
            let expected: Vec<f64> =
                read(x.inner()).iter().zip(read(weights)).map(|(x, w)| slope(*x) * w).collect();
            assert_close(&got, &expected, 1e-6);
        }
    }
}

#[test]
fn the_gradients_ends_are_the_twins() {
    let recording = Device::flex().autodiff();
    let ends = [f32::NAN, f32::INFINITY, f32::NEG_INFINITY, 1e30, -1e30, 13.19, -13.19, 0.0];
    let slope = |operation: fn(Tensor<1>) -> Tensor<1>| -> Vec<f32> {
        let x = Tensor::<1>::from_data(ends, &recording).require_grad();
        let gradients = operation(x.clone()).sum().backward();
        x.grad(&gradients).unwrap().into_data().try_to_vec().unwrap()
    };
    for ((fused, portable), x) in slope(gelu).iter().zip(slope(activation::gelu)).zip(ends) {
        let same = (fused - portable).abs() < 1e-6 || (fused.is_nan() && portable.is_nan());
        assert!(same, "at {x}: {fused}, twin {portable}");
    }
}

#[test]
fn a_tensor_without_history_passes_under_autodiff() {
    let x = uniform(33, 3.0, &Device::flex().autodiff());
    let y = gelu(x.clone());
    assert!(y.is_autodiff() && !y.is_tracked());
    assert_twins(read(y), read(activation::gelu(x.clone())), read(x));
}

#[test]
fn other_precisions_take_burns_operation() {
    let x = uniform(29, 4.0, &Device::flex());
    for dtype in [DType::F64, DType::F16] {
        let x = x.clone().cast(dtype);
        let y = gelu(x.clone());
        assert_eq!(y.dtype(), dtype);
        assert_eq!(y.into_data(), activation::gelu(x).into_data());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]
    #[test]
    fn any_slice_equals_the_twin(
        rows in 1usize..40,
        width in 1usize..50,
        cut in 0usize..40,
        turned: bool,
        bound in 0.1f64..20.0,
    ) {
        let x = uniform(rows * width, bound, &Device::flex()).reshape([rows, width]);
        let cut = cut.min(rows - 1);
        let x = x.narrow(0, cut, rows - cut);
        let x = if turned { x.transpose() } else { x };
        assert_twins(read(gelu(x.clone())), read(activation::gelu(x.clone())), read(x));
    }
}
