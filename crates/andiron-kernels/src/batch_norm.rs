//! Batch normalisation in training, with the activation behind it, as one operation.
//!
//! burn's passes over the activations some twenty times, most of them with one thread. Here the
//! statistics are one pass, the value another, and the gradient two: the normalised value and the
//! slope of the activation are computed anew from the input instead of being kept.

mod channel;

use crate::{activation::Activation, flex, sweep::run};
use burn::{
    backend::{
        Autodiff, AutodiffBackend, Backend, Dispatch, Flex, TensorMetadata as _,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind},
        },
        backend_extension,
        flex::{FlexTensor, Layout},
        tensor::FloatTensor,
    },
    nn::BatchNorm,
    tensor::{Bytes, DType, Shape, Tensor},
};
use channel::{Fold, Slope, Spread, Squares, Statistics, Totals};
use rayon::prelude::*;

/// Values that make the work of one piece.
const WORTH_A_PIECE: usize = 1 << 14;

/// Whether the fused body is for this tensor, and how it folds the activation; none leaves it to the
/// module.
pub(crate) fn fold_of<const D: usize>(
    x: &Tensor<D>,
    norm: &BatchNorm,
    activation: Activation,
) -> Option<Fold> {
    let here = |x: &Tensor<1>| flex::is_plain_f32(x) || flex::is_recorded_f32(x);
    let usable = flex::is_recorded_f32(x) && here(&norm.gamma.val()) && here(&norm.beta.val());
    let asked = usable && norm.training.is_enabled() && x.shape().num_elements() > 0;
    Fold::of(activation).filter(|_| asked)
}

/// `activation(norm(x))` with the statistics of the batch, which move the running ones of `norm` as
/// burn's module moves them; for a tensor that [`fold_of`] approves.
pub(crate) fn batch_norm_act<const D: usize>(
    x: Tensor<D>,
    norm: &BatchNorm,
    fold: Fold,
) -> Tensor<D> {
    let (gamma, beta) = (norm.gamma.val(), norm.beta.val());
    let plain = x.clone().inner().try_into_primitive::<Flex>();
    let plain = plain.expect("the device was seen to be Flex");
    let statistics = Tensor::<2>::from_primitive::<Flex>(measured(&plain));
    let device = x.device();
    let of = |at: usize| Tensor::from_inner(statistics.clone().narrow(0, at, 1).squeeze::<1>());
    for (running, found) in [(&norm.running_mean, of(0)), (&norm.running_var, of(1))] {
        let before = running.value_sync().to_device(&device);
        let moved = before * (1.0 - norm.momentum) + found * norm.momentum;
        running.update(moved.detach());
    }
    let epsilon = norm.epsilon as f32;
    let (gamma, beta) = (gamma.into_dispatch(), beta.into_dispatch());
    let (x, statistics) = (x.into_dispatch(), statistics.into_dispatch());
    Tensor::from_dispatch(Dispatch::norm_act(x, gamma, beta, statistics, epsilon, fold))
}

/// Batch, channels, and values of a plane.
fn sides(x: &FlexTensor) -> [usize; 3] {
    let shape = x.layout().shape();
    let length = (2..shape.num_dims()).map(|axis| shape[axis]).product();
    [shape[0], shape[1], length]
}

fn values(x: &FlexTensor) -> &[f32] {
    &x.storage::<f32>()[..x.layout().num_elements()]
}

fn tensor(values: Vec<f32>, shape: Shape) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(shape), DType::F32)
}

/// Two numbers a channel, made in parallel, as `[2, channels]`.
fn each_channel(channels: usize, work: impl Fn(usize) -> [f32; 2] + Send + Sync) -> FlexTensor {
    let pairs: Vec<[f32; 2]> = (0..channels).into_par_iter().map(work).collect();
    let rows = [0, 1].map(|row| pairs.iter().map(move |pair| pair[row]));
    tensor(rows.into_iter().flatten().collect(), Shape::from(vec![2, channels]))
}

/// Calls `work(channel, place, its part of out)` for every plane, in parallel.
fn each_plane(
    out: &mut [f32],
    [_, channels, length]: [usize; 3],
    work: impl Fn(usize, usize, &mut [f32]) + Send + Sync,
) {
    let planes = (WORTH_A_PIECE / length.max(1)).max(1);
    out.par_chunks_mut(planes * length).enumerate().for_each(|(at, out)| {
        for (plane, out) in out.chunks_mut(length).enumerate() {
            let plane = at * planes + plane;
            work(plane % channels, plane * length, out);
        }
    });
}

// Neither generic nor inlined, so that they are compiled with the optimisation of this crate.

/// Mean and biased variance of each channel, `[2, channels]`.
#[inline(never)]
fn measured(x: &FlexTensor) -> FlexTensor {
    let [batch, channels, length] = sides(x);
    let x = x.to_contiguous();
    let x = values(&x);
    let count = (batch * length) as f64;
    each_channel(channels, |channel| {
        let planes =
            || (0..batch).map(|image| &x[(image * channels + channel) * length..][..length]);
        let mut sum = 0.0;
        planes().for_each(|x| run(Squares { x, centre: None, sum: &mut sum }));
        let mean = (sum / count) as f32;
        let mut squares = 0.0;
        planes().for_each(|x| run(Squares { x, centre: Some(mean), sum: &mut squares }));
        [mean, (squares / count) as f32]
    })
}

#[inline(never)]
fn value(
    x: &FlexTensor,
    gamma: &FlexTensor,
    beta: &FlexTensor,
    statistics: &FlexTensor,
    epsilon: f32,
    fold: Fold,
) -> FlexTensor {
    let sides = sides(x);
    let x = x.to_contiguous();
    let statistics = Statistics::of(gamma, beta, statistics, epsilon);
    let mut all = vec![0.0; x.layout().num_elements()];
    each_plane(&mut all, sides, |channel, place, out| {
        let x = &values(&x)[place..][..out.len()];
        run(Spread { fold, channel: statistics.channel(channel), x, out });
    });
    tensor(all, x.layout().shape().clone())
}

/// The gradients of beta and gamma, `[2, channels]`.
#[inline(never)]
fn totals(
    x: &FlexTensor,
    gradient: &FlexTensor,
    statistics: &Statistics,
    fold: Fold,
) -> FlexTensor {
    let [batch, channels, length] = sides(x);
    let (x, gradient) = (values(x), values(gradient));
    each_channel(channels, |channel| {
        let mut sums = [0.0; 2];
        for image in 0..batch {
            let place = (image * channels + channel) * length;
            let (x, gradient) = (&x[place..][..length], &gradient[place..][..length]);
            let channel = statistics.channel(channel);
            run(Totals { fold, channel, x, gradient, sums: &mut sums });
        }
        sums.map(|sum| sum as f32)
    })
}

#[inline(never)]
fn gradients(
    [x, gradient]: [FlexTensor; 2],
    [gamma, beta, statistics]: [FlexTensor; 3],
    epsilon: f32,
    fold: Fold,
) -> (FlexTensor, FlexTensor) {
    let sides = sides(&x);
    let (x, gradient) = (x.to_contiguous(), gradient.to_contiguous());
    let statistics = Statistics::of(&gamma, &beta, &statistics, epsilon);
    let totals = totals(&x, &gradient, &statistics, fold);
    let count = (sides[0] * sides[2]) as f32;
    let mut all = vec![0.0; x.layout().num_elements()];
    each_plane(&mut all, sides, |channel, place, out| {
        let (x, gradient) =
            (&values(&x)[place..][..out.len()], &values(&gradient)[place..][..out.len()]);
        let sums = values(&totals);
        let means = [sums[channel] / count, sums[sides[1] + channel] / count];
        run(Slope { fold, channel: statistics.channel(channel), means, x, gradient, out });
    });
    (tensor(all, x.layout().shape().clone()), totals)
}

/// The operation that burn's autodiff records. [`batch_norm_act`] calls it for Flex only.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait NormActExtension: Backend {
    fn norm_act(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        statistics: FloatTensor<Self>,
        epsilon: f32,
        fold: Fold,
    ) -> FloatTensor<Self>;
    /// The gradient of the input, and those of beta and gamma as `[2, channels]`.
    fn norm_act_backward(
        x: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        statistics: FloatTensor<Self>,
        epsilon: f32,
        fold: Fold,
    ) -> (FloatTensor<Self>, FloatTensor<Self>);
}

impl NormActExtension for Flex {
    fn norm_act(
        x: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        statistics: FlexTensor,
        epsilon: f32,
        fold: Fold,
    ) -> FlexTensor {
        value(&x, &gamma, &beta, &statistics, epsilon, fold)
    }

    fn norm_act_backward(
        x: FlexTensor,
        gradient: FlexTensor,
        gamma: FlexTensor,
        beta: FlexTensor,
        statistics: FlexTensor,
        epsilon: f32,
        fold: Fold,
    ) -> (FlexTensor, FlexTensor) {
        gradients([x, gradient], [gamma, beta, statistics], epsilon, fold)
    }
}

impl<B: NormActExtension, C: CheckpointStrategy> NormActExtension for Autodiff<B, C> {
    fn norm_act(
        x: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        statistics: FloatTensor<Self>,
        epsilon: f32,
        fold: Fold,
    ) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct NormAct;
        impl<B: NormActExtension> Backward<B, 3> for NormAct {
            /// Input, gamma, beta, statistics.
            type State = ([B::FloatTensorPrimitive; 4], f32, Fold);

            fn backward(
                self,
                ops: Ops<Self::State, 3>,
                grads: &mut Gradients,
                _checkpointer: &mut Checkpointer,
            ) {
                let gradient = grads.consume::<B>(&ops.node);
                let ([x, gamma, beta, statistics], epsilon, fold) = ops.state;
                let (of_x, totals) =
                    B::norm_act_backward(x, gradient, gamma, beta, statistics, epsilon, fold);
                let [x, gamma, beta] = ops.parents;
                if let Some(node) = x {
                    grads.register::<B>(node.id, of_x);
                }
                for (node, row) in [(beta, 0), (gamma, 1)] {
                    if let Some(node) = node {
                        let channels = totals.shape()[1];
                        let row = B::float_slice(totals.clone(), &[(row..row + 1).into()]);
                        let row = B::float_reshape(row, Shape::from(vec![channels]));
                        grads.register::<B>(node.id, row);
                    }
                }
            }
        }
        let nodes = [x.node(), gamma.node(), beta.node()];
        let inner = [x, gamma, beta, statistics].map(|tensor| tensor.into_primitive());
        match NormAct.prepare::<C>(nodes).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let [x, gamma, beta, statistics] = inner.clone();
                let y = B::norm_act(x, gamma, beta, statistics, epsilon, fold);
                prepared.finish((inner, epsilon, fold), y)
            }
            OpsKind::UnTracked(prepared) => {
                let [x, gamma, beta, statistics] = inner;
                prepared.finish(B::norm_act(x, gamma, beta, statistics, epsilon, fold))
            }
        }
    }

    /// burn differentiates once only, so nothing records the gradients.
    fn norm_act_backward(
        x: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        gamma: FloatTensor<Self>,
        beta: FloatTensor<Self>,
        statistics: FloatTensor<Self>,
        epsilon: f32,
        fold: Fold,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        let [x, gradient, gamma, beta, statistics] =
            [x, gradient, gamma, beta, statistics].map(|tensor| tensor.into_primitive());
        let (of_x, totals) =
            B::norm_act_backward(x, gradient, gamma, beta, statistics, epsilon, fold);
        (<Self as AutodiffBackend>::from_inner(of_x), <Self as AutodiffBackend>::from_inner(totals))
    }
}
