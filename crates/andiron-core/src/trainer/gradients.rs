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
