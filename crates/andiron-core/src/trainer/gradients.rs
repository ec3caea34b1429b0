//! What is done to all gradients at once.

use burn::{
    module::{Module, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::Tensor,
};

/// The root of the sum of squares over every gradient of `model`: the norm by which PyTorch's
/// `clip_grad_norm_` clips.
pub fn global_norm<M: Module>(model: &M, grads: &GradientsParams) -> f64 {
    let mut squares = Squares { grads, parts: Vec::new() };
    model.visit(&mut squares);
    if squares.parts.is_empty() {
        return 0.0;
    }
    Tensor::cat(squares.parts, 0).into_data().iter::<f64>().sum::<f64>().sqrt()
}

struct Squares<'a> {
    grads: &'a GradientsParams,
    parts: Vec<Tensor<1>>,
}

impl ModuleVisitor for Squares<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let Some(grad) = self.grads.get::<D>(param.id) else { return };
        let shape = grad.dims();
        let width = shape[D - 1].max(1);
        let rows = shape.iter().product::<usize>() / width;
        // By rows first: Flex's sum of four million elements or more is not the same twice.
        let squares = (grad.clone() * grad).reshape([rows, width]);
        self.parts.push(squares.sum_dim(1).sum());
    }
}

/// Multiplies every gradient of `model` by `factor`.
pub fn scale<M: Module>(model: &M, grads: &mut GradientsParams, factor: f64) {
    model.visit(&mut Scale { grads, factor });
}

struct Scale<'a> {
    grads: &'a mut GradientsParams,
    factor: f64,
}

impl ModuleVisitor for Scale<'_> {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if let Some(grad) = self.grads.remove::<D>(param.id) {
            self.grads.register(param.id, grad * self.factor);
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use burn::{
        nn::{Linear, LinearConfig},
        tensor::{Device, TensorData},
    };

    /// A layer and gradients of 2 at each weight and 3 at each bias.
    fn layer(device: &Device) -> (Linear, GradientsParams) {
        let layer = LinearConfig::new(3, 5).init(device);
        let mut grads = GradientsParams::new();
        grads.register(layer.weight.id, Tensor::<2>::ones([3, 5], device) * 2.0);
        if let Some(bias) = &layer.bias {
            grads.register(bias.id, Tensor::<1>::ones([5], device) * 3.0);
        }
        (layer, grads)
    }

    #[test]
    fn one_norm_over_all_gradients() {
        let (layer, mut grads) = layer(&Device::flex());
        let wanted = (15.0 * 4.0 + 5.0 * 9.0f64).sqrt();
        assert!((global_norm(&layer, &grads) - wanted).abs() < 1e-6);
        scale(&layer, &mut grads, 0.5);
        assert!((global_norm(&layer, &grads) - 0.5 * wanted).abs() < 1e-6);
        let bias = grads.get::<1>(layer.bias.as_ref().unwrap().id).unwrap();
        assert_eq!(bias.into_data(), TensorData::from([1.5f32; 5]));
        assert_eq!(global_norm(&layer, &GradientsParams::new()), 0.0);
    }

    #[test]
    fn the_norm_of_a_large_gradient_is_the_same_each_time() {
        // More than the four million elements from which burn's sum of a whole tensor is not.
        let device = Device::flex();
        let layer = LinearConfig::new(2200, 2003).with_bias(false).init(&device);
        let values: Vec<f32> = (0..2200 * 2003u32)
            .map(|at| (at.wrapping_mul(2_654_435_761) >> 8) as f32 / 1e7)
            .collect();
        let values = Tensor::<2>::from_data(TensorData::new(values, [2200, 2003]), &device);
        let mut grads = GradientsParams::new();
        grads.register(layer.weight.id, values);
        let first = global_norm(&layer, &grads);
        assert!(first > 0.0);
        for _ in 0..5 {
            assert_eq!(global_norm(&layer, &grads), first);
        }
    }
}
