//! Parameters that a model has already when the rest of it is drawn.

use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::Tensor,
};
use std::{any::Any, collections::HashMap};

/// Values by path. They share their memory with the model that they come from.
#[derive(Default)]
pub(crate) struct Given {
    tensors: HashMap<String, Box<dyn Any>>,
}

impl Given {
    /// The parameters of `model` that have a value; the others are still to be drawn.
    pub(crate) fn of<M: Module>(model: &M) -> Self {
        let mut take = Take { path: Vec::new(), given: Self::default() };
        model.visit(&mut take);
        take.given
    }

    pub(crate) fn has(&self, path: &str) -> bool {
        self.tensors.contains_key(path)
    }

    /// `model` with these values.
    pub(crate) fn put<M: Module>(&self, model: M) -> M {
        model.map(&mut Put { path: Vec::new(), given: self })
    }
}

struct Take {
    path: Vec<String>,
    given: Given,
}

impl ModuleVisitor for Take {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_initialized() {
            let value = param.transform_for_save().val();
            self.given.tensors.insert(self.path.join("."), Box::new(value));
        }
    }
}

struct Put<'a> {
    path: Vec<String>,
    given: &'a Given,
}

impl ModuleMapper for Put<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let value = self.given.tensors.get(&self.path.join("."));
        match value.and_then(|value| value.downcast_ref::<Tensor<D>>()) {
            Some(value) => {
                let id = param.id;
                param.transform_for_load(value.clone(), id)
            }
            None => param,
        }
    }
}
