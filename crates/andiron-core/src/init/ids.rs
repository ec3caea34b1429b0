//! Ids made from paths, and the list of a model's parameters.

use crate::hash::fnv;
use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId},
    tensor::Tensor,
};
use std::collections::HashMap;

/// Gives every parameter an id made from its path, so that optimiser state finds it again in
/// another process. Tied parameters stay tied.
pub(crate) fn with_stable_ids<M: Module>(model: M) -> M {
    model.map(&mut StableIds::default())
}

#[derive(Default)]
struct StableIds {
    path: Vec<String>,
    known: HashMap<ParamId, ParamId>,
}

impl ModuleMapper for StableIds {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
    fn map_float<const D: usize>(&mut self, mut param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        let path = self.path.join(".");
        param.id =
            *self.known.entry(param.id).or_insert_with(|| ParamId::from(fnv(path.as_bytes())));
        param
    }
}

/// Every float parameter in order: its path, id and shape.
pub(crate) fn parameters<M: Module>(model: &M) -> Vec<Parameter> {
    let mut list = List { path: Vec::new(), found: Vec::new() };
    model.visit(&mut list);
    list.found
}

/// One float parameter of a model.
#[derive(Debug, Clone)]
pub(crate) struct Parameter {
    pub(crate) path: String,
    pub(crate) id: ParamId,
    pub(crate) shape: Vec<usize>,
}

struct List {
    path: Vec<String>,
    found: Vec<Parameter>,
}

impl ModuleVisitor for List {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        self.found.push(Parameter {
            path: self.path.join("."),
            id: param.id,
            shape: param.lazy_shape().to_vec(),
        });
    }
}
