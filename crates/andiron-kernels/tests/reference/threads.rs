//! The same bits at every run and every number of threads, at sizes that are worked on in parallel.

use crate::support::{numbers, tensor};
use andiron_kernels::{
    Activation, AttentionOptions, add_rms_norm, attention, conv2d_norm_act, gelu, layer_norm,
    linear, masked_softmax,
};
use burn::{
    module::Module,
    nn::{BatchNormConfig, conv::Conv2dConfig},
    tensor::{DType, Device, Tensor},
};

fn single<const D: usize>(seed: u64, shape: [usize; D]) -> Tensor<D> {
    let values = numbers(seed, shape.iter().product());
    tensor(&values, shape, &Device::flex(), DType::F32)
}

/// The bits of a result, made in a pool of so many threads.
fn bits<const D: usize>(
    threads: usize,
    operation: impl Fn() -> Tensor<D> + Send + Sync,
) -> Vec<u32> {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
    let values: Vec<f32> = pool.install(|| operation().into_data().try_to_vec().unwrap());
    values.into_iter().map(f32::to_bits).collect()
}

#[track_caller]
fn assert_same<const D: usize>(operation: impl Fn() -> Tensor<D> + Send + Sync) {
    let first = bits(1, &operation);
    for threads in [1, 2, 3, 5] {
        assert!(bits(threads, &operation) == first, "{threads} threads");
    }
}

#[test]
fn the_number_of_threads_does_not_matter() {
    let (rows, width) = (701, 259);
    let x = single::<2>(1, [rows, width]);
    let (gamma, beta) = (single::<1>(2, [width]), single::<1>(3, [width]));
    assert_same(|| gelu(x.clone()));
    assert_same(|| masked_softmax(x.clone(), Some(x.clone().greater_elem(1.0))));
    assert_same(|| layer_norm(x.clone(), gamma.clone(), Some(beta.clone()), 1e-5));
    assert_same(|| add_rms_norm(x.clone(), x.clone(), gamma.clone(), 1e-5).0);
    let weight = single(4, [width, 301]);
    assert_same(|| linear(x.clone(), weight.clone(), None, Activation::Gelu));
    let heads = single::<4>(5, [3, 4, 131, 32]);
    let options = AttentionOptions { causal: true, scale: None };
    assert_same(|| attention(heads.clone(), heads.clone(), heads.clone(), None, &options));

    let conv = Conv2dConfig::new([16, 24], [3, 3]).init(&Device::flex());
    let norm = BatchNormConfig::new(24).init(&Device::flex());
    let image = single::<4>(6, [3, 16, 37, 41]);
    conv.weight.val(); // parameters are drawn at their first use
    assert_same(|| conv2d_norm_act(image.clone(), &conv, &norm, Activation::Relu));
}

/// Gradients too, of every tensor that goes in.
#[test]
fn the_number_of_threads_does_not_matter_in_training() {
    let recorded = |seed, n| Tensor::from_inner(single::<1>(seed, [n])).require_grad();
    let (rows, width, out) = (701, 259, 301);
    assert_same(|| {
        let x = recorded(1, rows * width);
        let weight = recorded(2, width * out);
        let gamma = recorded(3, width);
        let normalised = layer_norm(x.clone().reshape([rows, width]), gamma.clone(), None, 1e-5);
        let y = linear(normalised, weight.clone().reshape([width, out]), None, Activation::Gelu);
        let gradients = y.sum_dim(1).sum().backward();
        let gradient = |x: Tensor<1>| x.grad(&gradients).unwrap();
        Tensor::cat(vec![gradient(x), gradient(weight), gradient(gamma)], 0)
    });
    let device = Device::flex().autodiff();
    let conv = Conv2dConfig::new([16, 24], [3, 3]).init(&device);
    let norm = BatchNormConfig::new(24).init(&device).train();
    conv.weight.val();
    let image = Tensor::from_inner(single::<4>(6, [3, 16, 37, 41]));
    assert_same(|| {
        let y = conv2d_norm_act(image.clone(), &conv, &norm, Activation::Relu);
        let gradients = y.powi_scalar(2).sum_dim(3).sum_dim(2).sum().backward();
        conv.weight.val().grad(&gradients).unwrap()
    });
}
