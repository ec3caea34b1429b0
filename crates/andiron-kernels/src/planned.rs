//! Maps that are linear in `x` and in a weight, as one operation that burn's autodiff records:
//! convolutions and the product of matrices.

use crate::{dense, depthwise, flex, many_rows};
use burn::{
    backend::{
        Autodiff, Backend, Dispatch, Flex,
        autodiff::{
            checkpoint::{base::Checkpointer, strategy::CheckpointStrategy},
            grads::Gradients,
            ops::{Backward, Ops, OpsKind, binary},
        },
        backend_extension,
        flex::FlexTensor,
        tensor::FloatTensor,
    },
    tensor::Tensor,
};

/// Which map, and its sizes.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Plan {
    /// Each channel by itself.
    Depthwise(depthwise::Geometry),
    /// Every output channel over all input channels.
    Dense(dense::Geometry),
    /// `x · weight`, both matrices.
    Product,
}

impl Plan {
    fn value(self, x: &FlexTensor, weight: &FlexTensor) -> FlexTensor {
        match self {
            Self::Depthwise(geometry) => depthwise::value(x, weight, geometry),
            Self::Dense(geometry) => dense::value(x, weight, geometry),
            Self::Product => product(x, weight),
        }
    }

    fn of_x(self, weight: &FlexTensor, gradient: &FlexTensor) -> FlexTensor {
        match self {
            Self::Depthwise(geometry) => depthwise::of_x(weight, gradient, geometry),
            Self::Dense(geometry) => dense::of_x(weight, gradient, geometry),
            Self::Product => product(gradient, &weight.transpose(0, 1)),
        }
    }

    fn of_weight(self, x: &FlexTensor, gradient: &FlexTensor) -> FlexTensor {
        match self {
            Self::Depthwise(geometry) => depthwise::of_weight(x, gradient, geometry),
            Self::Dense(geometry) => dense::of_weight(x, gradient, geometry),
            Self::Product => product(&x.transpose(0, 1), gradient),
        }
    }
}

/// [`many_rows::product`] of matrices in any order of memory.
fn product(x: &FlexTensor, matrix: &FlexTensor) -> FlexTensor {
    many_rows::product(x, matrix, None).unwrap_or_else(|| {
        many_rows::product(x, &matrix.to_contiguous(), None)
            .expect("a contiguous matrix lies in the order of its rows")
    })
}

/// The map, where both tensors live on Flex in single precision, recorded or not.
pub(crate) fn planned<const D: usize>(
    x: &Tensor<D>,
    weight: &Tensor<D>,
    plan: Plan,
) -> Option<Tensor<D>> {
    if flex::is_plain_f32(x) && flex::is_plain_f32(weight) {
        let seen = "the device was seen to be Flex";
        let x = x.clone().try_into_primitive::<Flex>().expect(seen);
        let weight = weight.clone().try_into_primitive::<Flex>().expect(seen);
        return Some(Tensor::from_primitive::<Flex>(plan.value(&x, &weight)));
    }
    let here = |x: &Tensor<D>| flex::is_plain_f32(x) || flex::is_recorded_f32(x);
    if here(x) && here(weight) {
        let (x, weight) = (x.clone().into_dispatch(), weight.clone().into_dispatch());
        return Some(Tensor::from_dispatch(Dispatch::planned_map(x, weight, plan)));
    }
    None
}

/// The operation that burn's autodiff records. [`planned`] calls it for Flex only.
#[backend_extension(Flex, Autodiff)]
pub(crate) trait PlannedExtension: Backend {
    fn planned_map(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        plan: Plan,
    ) -> FloatTensor<Self>;
    fn planned_of_x(
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        plan: Plan,
    ) -> FloatTensor<Self>;
    fn planned_of_weight(
        x: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        plan: Plan,
    ) -> FloatTensor<Self>;
}

impl PlannedExtension for Flex {
    fn planned_map(x: FlexTensor, weight: FlexTensor, plan: Plan) -> FlexTensor {
        plan.value(&x, &weight)
    }

    fn planned_of_x(weight: FlexTensor, gradient: FlexTensor, plan: Plan) -> FlexTensor {
        plan.of_x(&weight, &gradient)
    }

    fn planned_of_weight(x: FlexTensor, gradient: FlexTensor, plan: Plan) -> FlexTensor {
        plan.of_weight(&x, &gradient)
    }
}

impl<B: PlannedExtension, C: CheckpointStrategy> PlannedExtension for Autodiff<B, C> {
    fn planned_map(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        plan: Plan,
    ) -> FloatTensor<Self> {
        #[derive(Debug)]
        struct PlannedMap;
        impl<B: PlannedExtension> Backward<B, 2> for PlannedMap {
            type State = (B::FloatTensorPrimitive, B::FloatTensorPrimitive, Plan);

            fn backward(
                self,
                ops: Ops<Self::State, 2>,
                grads: &mut Gradients,
                _checkpointer: &mut Checkpointer,
            ) {
                let (x, weight, plan) = ops.state;
                binary::<B, _, _>(
                    ops.parents,
                    ops.node,
                    grads,
                    |gradient| B::planned_of_x(weight, gradient, plan),
                    |gradient| B::planned_of_weight(x, gradient, plan),
                );
            }
        }
        match PlannedMap.prepare::<C>([x.node(), weight.node()]).compute_bound().stateful() {
            OpsKind::Tracked(prepared) => {
                let (x, weight) = (x.into_primitive(), weight.into_primitive());
                let state = (x.clone(), weight.clone(), plan);
                prepared.finish(state, B::planned_map(x, weight, plan))
            }
            OpsKind::UnTracked(prepared) => {
                let (x, weight) = (x.into_primitive(), weight.into_primitive());
                prepared.finish(B::planned_map(x, weight, plan))
            }
        }
    }

    /// burn differentiates once only, so nothing records the gradients.
    fn planned_of_x(
        weight: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        plan: Plan,
    ) -> FloatTensor<Self> {
        let inner = B::planned_of_x(weight.into_primitive(), gradient.into_primitive(), plan);
        <Self as burn::backend::AutodiffBackend>::from_inner(inner)
    }

    fn planned_of_weight(
        x: FloatTensor<Self>,
        gradient: FloatTensor<Self>,
        plan: Plan,
    ) -> FloatTensor<Self> {
        let inner = B::planned_of_weight(x.into_primitive(), gradient.into_primitive(), plan);
        <Self as burn::backend::AutodiffBackend>::from_inner(inner)
    }
}
