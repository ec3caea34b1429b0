//! The linear map with everything that follows it at once.

use crate::{
    activation::Activation,
    few_rows, flex, many_rows,
    planned::{Plan, planned},
};
use burn::{
    backend::{Flex, flex::FlexTensor},
    tensor::{Tensor, assert_shape, module},
};

/// `activation(x · weight + bias)` over the last axis.
///
/// ```
/// use andiron_kernels::{Activation, linear};
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::flex();
/// let x = Tensor::<2>::from_data([[1.0, 2.0]], &device);
/// let weight = Tensor::<2>::from_data([[1.0, -1.0, 0.0], [0.5, -1.0, 2.0]], &device);
/// let bias = Tensor::<1>::from_data([0.0, 1.0, 1.0], &device);
/// let y: Vec<f32> = linear(x, weight, Some(bias), Activation::Relu).to_data().try_to_vec().unwrap();
/// assert_eq!(y, [2.0, 0.0, 5.0]);
/// ```
///
/// # Shapes
/// - x: `[.., d_in]`
/// - weight: `[d_in, d_out]`, as `burn::nn::Linear` holds it (PyTorch's is the transpose)
/// - bias: `[d_out]`
/// - output: `[.., d_out]`
pub fn linear<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    activation: Activation,
) -> Tensor<D> {
    let [d_in, d_out] = weight.dims();
    assert_shape!(x, [.., d_in]);
    if let Some(bias) = &bias {
        assert_shape!(bias, [d_out]);
    }
    let few = (1..=few_rows::MOST_ROWS).contains(&rows_of(&x));
    let make = if few { few_rows::product } else { many_rows::product };
    let product = match plain(&x, &weight, bias.as_ref(), make) {
        Some(product) => product,
        None => recorded(x, weight, bias),
    };
    activation.apply(product)
}

/// As [`linear()`], with one more promise: on Flex, where nothing is recorded, no row's result
/// depends on how many rows there are, to the last bit. For what comes in pieces of any length and
/// is to give what the whole gives; for many rows it is slower than [`linear()`].
///
/// ```
/// use andiron_kernels::{Activation, linear_by_rows};
/// use burn::tensor::{Device, Distribution, Tensor, s};
///
/// let device = Device::flex();
/// let x = Tensor::<2>::random([9, 31], Distribution::Default, &device);
/// let weight = Tensor::<2>::random([31, 5], Distribution::Default, &device);
/// let of = |x: Tensor<2>| linear_by_rows(x, weight.clone(), None, Activation::Relu);
/// let (all, third) = (of(x.clone()), of(x.slice(s![2..3, ..])));
/// assert_eq!(all.slice(s![2..3, ..]).into_data(), third.into_data());
/// ```
///
/// # Shapes
/// As [`linear()`].
pub fn linear_by_rows<const D: usize>(
    x: Tensor<D>,
    weight: Tensor<2>,
    bias: Option<Tensor<1>>,
    activation: Activation,
) -> Tensor<D> {
    let [d_in, d_out] = weight.dims();
    assert_shape!(x, [.., d_in]);
    if let Some(bias) = &bias {
        assert_shape!(bias, [d_out]);
    }
    let plain = plain(&x, &weight, bias.as_ref(), few_rows::product_by_rows);
    activation.apply(plain.unwrap_or_else(|| recorded(x, weight, bias)))
}

/// How many rows `x` has, over all axes but the last.
fn rows_of<const D: usize>(x: &Tensor<D>) -> usize {
    x.dims()[..D - 1].iter().product()
}

type Product = fn(&FlexTensor, &FlexTensor, Option<&FlexTensor>) -> Option<FlexTensor>;

/// The product by `make`, where all are plain values in single precision; none where they are not.
fn plain<const D: usize>(
    x: &Tensor<D>,
    weight: &Tensor<2>,
    bias: Option<&Tensor<1>>,
    make: Product,
) -> Option<Tensor<D>> {
    let mut shape = x.dims();
    let [d_in, d_out] = weight.dims();
    let rows = rows_of(x);
    let plain =
        flex::is_plain_f32(x) && flex::is_plain_f32(weight) && bias.is_none_or(flex::is_plain_f32);
    if rows == 0 || !plain {
        return None;
    }
    const SEEN: &str = "the device was seen to be Flex";
    let x = x.clone().reshape([rows, d_in]).try_into_primitive::<Flex>().expect(SEEN);
    let weight = weight.clone().try_into_primitive::<Flex>().expect(SEEN);
    let bias = bias.map(|bias| bias.clone().try_into_primitive::<Flex>().expect(SEEN));
    let product = make(&x, &weight, bias.as_ref())?;
    shape[D - 1] = d_out;
    Some(Tensor::<2>::from_primitive::<Flex>(product).reshape(shape))
}

/// The product with gradients of its own in single precision on Flex; else burn's.
fn recorded<const D: usize>(x: Tensor<D>, weight: Tensor<2>, bias: Option<Tensor<1>>) -> Tensor<D> {
    let mut shape = x.dims();
    let [d_in, d_out] = weight.dims();
    let rows = rows_of(&x);
    if rows == 0 || !(flex::is_recorded_f32(&x) || flex::is_recorded_f32(&weight)) {
        return module::linear(x, weight, bias);
    }
    shape[D - 1] = d_out;
    let x = x.reshape([rows, d_in]);
    let product = planned(&x, &weight, Plan::Product).unwrap_or_else(|| x.matmul(weight));
    match bias {
        Some(bias) => product + bias.reshape([1, d_out]),
        None => product,
    }
    .reshape(shape)
}
