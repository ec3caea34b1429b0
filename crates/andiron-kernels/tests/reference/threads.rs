//! The same bits at every run and every number of threads, at sizes that are worked on in parallel.

use crate::support::{mask, numbers, tensor};
use andiron_kernels::{
    Activation, AttentionOptions, RotaryLayout, RotaryTable, add_rms_norm, attention,
    conv1d_norm_act, conv2d_norm_act, dense_conv2d, depthwise_conv2d, gelu, layer_norm, linear,
    masked_softmax, rms_norm, silu,
};
use burn::{
    module::Module,
    nn::{
        BatchNormConfig,
        conv::{Conv1dConfig, Conv2dConfig},
    },
    tensor::{Bool, DType, Device, Tensor, ops::ConvOptions},
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
    assert_same(|| silu(x.clone()));
    assert_same(|| rms_norm(x.clone(), gamma.clone(), 1e-5));
    assert_same(|| masked_softmax(x.clone(), Some(x.clone().greater_elem(1.0))));
    assert_same(|| layer_norm(x.clone(), gamma.clone(), Some(beta.clone()), 1e-5));
    assert_same(|| add_rms_norm(x.clone(), x.clone(), gamma.clone(), 1e-5).0);
    let weight = single(4, [width, 301]);
    assert_same(|| linear(x.clone(), weight.clone(), None, Activation::Gelu));
    for weight in [single(8, [width, 1_301]), single(9, [1_301, width]).swap_dims(0, 1)] {
        let few = x.clone().narrow(0, 5, 3);
        assert_same(|| linear(few.clone(), weight.clone(), None, Activation::None));
    }
    let heads = single::<4>(5, [3, 4, 131, 32]);
    let options = AttentionOptions { causal: true, ..Default::default() };
    assert_same(|| attention(heads.clone(), heads.clone(), heads.clone(), None, &options));
    assert_same(|| {
        attention(
            heads.clone(),
            heads.clone(),
            heads.clone(),
            Some(visible([3, 131], &Device::flex())),
            &options,
        )
    });
    let table = RotaryTable::new(32, 140, 10_000.0, &Device::flex());
    for layout in [RotaryLayout::Half, RotaryLayout::Interleaved] {
        assert_same(|| table.apply(heads.clone(), 3, layout));
    }

    let conv = Conv2dConfig::new([16, 24], [3, 3]).init(&Device::flex());
    let norm = BatchNormConfig::new(24).init(&Device::flex());
    let image = single::<4>(6, [3, 16, 37, 41]);
    conv.weight.val(); // parameters are drawn at their first use
    assert_same(|| conv2d_norm_act(image.clone(), &conv, &norm, Activation::Relu));
    let conv = Conv1dConfig::new(16, 24, 5).init(&Device::flex());
    let sound = single::<3>(7, [3, 16, 1_013]);
    conv.weight.val();
    assert_same(|| conv1d_norm_act(sound.clone(), &conv, &norm, Activation::Silu));
}

/// Which places are no padding; the rows have different lengths.
fn visible([batch, len]: [usize; 2], device: &Device) -> Tensor<2, Bool> {
    let truths: Vec<bool> = (0..batch * len).map(|at| at % len < len - 17 * (at / len)).collect();
    mask(&truths, [batch, len], device)
}

fn recorded(seed: u64, n: usize) -> Tensor<1> {
    Tensor::from_inner(single::<1>(seed, [n])).require_grad()
}

/// The gradients of a result with respect to all that goes in, one behind the other. Each value
/// of the result counts differently.
fn gradients<const D: usize>(y: Tensor<D>, leaves: Vec<Tensor<1>>) -> Tensor<1> {
    let n = y.dims().iter().product::<usize>();
    let weights = Tensor::from_inner(single::<1>(98, [n]));
    let gradients = (y.reshape([n]) * weights).reshape([1, n]).sum_dim(1).sum().backward();
    Tensor::cat(leaves.into_iter().map(|leaf| leaf.grad(&gradients).unwrap()).collect(), 0)
}

#[test]
fn the_number_of_threads_does_not_matter_in_training_of_attention() {
    let shape: [usize; 4] = [3, 4, 131, 32];
    let n: usize = shape.iter().product();
    let device = Device::flex().autodiff();
    let seen = || visible([3, 131], &device);
    for (causal, visible) in [(true, false), (false, true), (true, true)] {
        let options = AttentionOptions { causal, ..Default::default() };
        assert_same(|| {
            let leaves = [recorded(1, n), recorded(2, n), recorded(3, n)];
            let [query, key, value] = leaves.clone().map(|leaf| leaf.reshape(shape));
            gradients(attention(query, key, value, visible.then(seen), &options), leaves.to_vec())
        });
    }
    let table = RotaryTable::new(32, 140, 10_000.0, &device);
    for layout in [RotaryLayout::Half, RotaryLayout::Interleaved] {
        assert_same(|| {
            let x = recorded(4, n);
            gradients(table.apply(x.clone().reshape(shape), 5, layout), vec![x])
        });
    }
}

#[test]
fn the_number_of_threads_does_not_matter_in_training_of_rows() {
    let (rows, width) = (701, 259);
    let hidden = Tensor::from_inner(single::<2>(9, [rows, width])).greater_elem(1.0);
    assert_same(|| {
        let x = recorded(1, rows * width);
        let y = masked_softmax(x.clone().reshape([rows, width]), Some(hidden.clone()));
        gradients(y, vec![x])
    });
    assert_same(|| {
        let (x, gamma) = (recorded(1, rows * width), recorded(2, width));
        let y = rms_norm(x.clone().reshape([rows, width]), gamma.clone(), 1e-5);
        gradients(y, vec![x, gamma])
    });
    assert_same(|| {
        let x = recorded(1, rows * width);
        gradients(silu(x.clone().reshape([rows, width])), vec![x])
    });
    let device = Device::flex().autodiff();
    let conv = Conv1dConfig::new(16, 24, 5).init(&device);
    let norm = BatchNormConfig::new(24).init(&device).train();
    conv.weight.val();
    let shape: [usize; 3] = [3, 16, 1_013];
    assert_same(|| {
        let x = recorded(3, shape.iter().product());
        let y = conv1d_norm_act(x.clone().reshape(shape), &conv, &norm, Activation::Silu);
        let weight = conv.weight.val();
        let n = y.dims().iter().product::<usize>();
        let weights = Tensor::from_inner(single::<1>(97, [n]));
        let grads = (y.reshape([n]) * weights).reshape([1, n]).sum_dim(1).sum().backward();
        let of_weight = weight.grad(&grads).unwrap();
        let flat = of_weight.dims().iter().product::<usize>();
        Tensor::cat(vec![x.grad(&grads).unwrap(), of_weight.reshape([flat])], 0)
    });
}

#[test]
fn the_number_of_threads_does_not_matter_in_training_of_depthwise_convolutions() {
    for stride in [1, 2] {
        assert_same(|| {
            let (x, weight) = (recorded(1, 3 * 21 * 37 * 41), recorded(2, 21 * 9));
            let options = ConvOptions::new([stride, stride], [1, 1], [1, 1], 21);
            let image = x.clone().reshape([3, 21, 37, 41]);
            let y = depthwise_conv2d(image, weight.clone().reshape([21, 1, 3, 3]), options);
            gradients(y, vec![x, weight])
        });
    }
}

#[test]
fn the_number_of_threads_does_not_matter_in_training_of_dense_convolutions() {
    for (stride, out) in [(1, 5), (2, 67)] {
        assert_same(|| {
            let (x, weight) = (recorded(1, 3 * 21 * 37 * 41), recorded(2, out * 21 * 9));
            let options = ConvOptions::new([stride, stride], [1, 1], [1, 1], 1);
            let image = x.clone().reshape([3, 21, 37, 41]);
            let y = dense_conv2d(image, weight.clone().reshape([out, 21, 3, 3]), options);
            gradients(y, vec![x, weight])
        });
    }
}

/// Gradients too, of every tensor that goes in.
#[test]
fn the_number_of_threads_does_not_matter_in_training() {
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
    for kernel in [3, 1] {
        let conv = Conv2dConfig::new([16, 24], [kernel, kernel]).init(&device);
        let norm = BatchNormConfig::new(24).init(&device).train();
        conv.weight.val();
        let image = Tensor::from_inner(single::<4>(6, [3, 16, 37, 41]));
        assert_same(|| {
            let y = conv2d_norm_act(image.clone(), &conv, &norm, Activation::Relu);
            let gradients = y.powi_scalar(2).sum_dim(3).sum_dim(2).sum().backward();
            conv.weight.val().grad(&gradients).unwrap()
        });
    }
}
