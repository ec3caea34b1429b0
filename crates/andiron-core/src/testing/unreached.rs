//! Parameters that training would leave as they are.

use burn::{
    module::{Module, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::Tensor,
};

/// The trainable parameters of `model` that the loss cannot move, each with the reason.
pub(super) fn unreached<M: Module>(model: &M, grads: &GradientsParams) -> Vec<String> {
    let mut unreached = Unreached { path: Vec::new(), grads, found: Vec::new() };
    model.visit(&mut unreached);
    unreached.found
}

struct Unreached<'a> {
    path: Vec<String>,
    grads: &'a GradientsParams,
    found: Vec<String>,
}

impl ModuleVisitor for Unreached<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if !param.is_require_grad() {
            return;
        }
        let largest = self.grads.get::<D>(param.id).map(|grad| {
            grad.into_data().iter::<f32>().fold(0.0, |most: f32, g| {
                // `max` would pass over NaN.
                if g.is_nan() { g } else { most.max(g.abs()) }
            })
        });
        let why = match largest {
            None => "no gradient",
            Some(0.0) => "gradient is all zero",
            Some(largest) if !largest.is_finite() => "gradient is not finite",
            Some(_) => return,
        };
        self.found.push(format!("{}: {why}", self.path.join(".")));
    }
}
