//! Parameters that training would leave as they are.

use super::laws::said;
use crate::{Solve, data::ExampleOf};
use andiron_kernels::training;
use burn::{
    module::{Module, ModuleVisitor, Param},
    optim::GradientsParams,
    tensor::{Device, Tensor},
};

/// The trainable parameters of `model` that the loss of `examples` cannot move, each with the reason.
pub(super) fn unreached<T: Solve<M>, M: Module>(
    task: &T,
    model: M,
    examples: &[ExampleOf<T>],
    seed: u64,
    device: &Device,
) -> Result<Vec<String>, String> {
    let tape = device.clone().autodiff();
    let model = model.train();
    let batch = task.batch(examples, &tape).map_err(|error| said(&error))?;
    let loss = training(seed, || task.learn(&model, batch)).mean;
    if !loss.is_tracked() {
        return Err("the loss depends on no parameter that is trained".to_owned());
    }
    let grads = GradientsParams::from_grads(loss.backward(), &model);
    let mut unreached = Unreached { path: Vec::new(), grads: &grads, found: Vec::new() };
    model.visit(&mut unreached);
    Ok(unreached.found)
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
