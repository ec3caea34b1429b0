//! Seeded parameters and ids that are the same in every process.

use crate::hash::fnv;
use andiron_kernels::mix;
use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param, ParamId},
    tensor::{Bool, Device, Distribution, Int, Tensor, TensorData},
};
use rand::{SeedableRng, rngs::StdRng};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Mutex,
};

/// One initialisation at a time: burn has one random generator for the whole process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// Builds a model and draws all its parameters as a function of `seed` alone.
///
/// burn draws a parameter at its first use, from one generator for the process. So each is drawn
/// here, straight after seeding for its path, and a probe drawn after it shows whether another
/// thread drew in between; if so, the parameter is drawn again from a fresh model.
pub(crate) fn drawn<M: Module, E>(
    build: impl Fn() -> Result<M, E>,
    seed: u64,
    device: &Device,
) -> Result<M, E> {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut draw = Draw { path: Vec::new(), seed, device, clean: BTreeMap::new(), disturbed: 0 };
    let model = build()?;
    model.visit(&mut draw);
    if draw.disturbed == 0 {
        return Ok(model);
    }
    // Another thread drew while we did. A model is lazy and cheap to build: try again for the
    // parameters that were disturbed, until none is left.
    while draw.disturbed > 0 {
        draw.disturbed = 0;
        build()?.visit(&mut draw);
    }
    Ok(model.map(&mut Put { path: Vec::new(), clean: draw.clean }))
}

struct Draw<'a> {
    path: Vec<String>,
    seed: u64,
    device: &'a Device,
    clean: BTreeMap<String, TensorData>,
    disturbed: usize,
}

impl ModuleVisitor for Draw<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        let path = self.path.join(".");
        if self.clean.contains_key(&path) {
            return;
        }
        let seed = mix(self.seed, &[fnv(path.as_bytes())]);
        self.device.seed(seed);
        let value = param.val();
        let probe = Tensor::<1>::random([8], Distribution::Default, self.device).into_data();
        if is_undisturbed(seed, &value.dims(), &probe) {
            self.clean.insert(path, value.into_data());
        } else {
            self.disturbed += 1;
        }
    }
    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        let _ = param.val();
    }
    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        let _ = param.val();
    }
}

/// Does `probe` stand where it must in the generator's stream: behind nothing (a constant), or
/// behind one uniform or normal draw of the parameter's shape? On a backend with another
/// generator than burn's `StdRng` that cannot be told, and the draw is taken as it is.
fn is_undisturbed(seed: u64, shape: &[usize], probe: &TensorData) -> bool {
    static SAME_GENERATOR: std::sync::OnceLock<bool> = std::sync::OnceLock::new();
    let expected = |before: Option<Distribution>| {
        let mut generator = StdRng::seed_from_u64(seed);
        if let Some(distribution) = before {
            let _ = TensorData::random::<f32, _, _>(shape.to_vec(), distribution, &mut generator);
        }
        TensorData::random::<f32, _, _>([8], Distribution::Default, &mut generator)
    };
    let found = [None, Some(Distribution::Uniform(0.0, 1.0)), Some(Distribution::Normal(0.0, 1.0))]
        .into_iter()
        .any(|before| expected(before) == *probe);
    // The first few draws of a process are hardly all disturbed: if none is recognised, the
    // backend's generator is another one.
    if found {
        SAME_GENERATOR.get_or_init(|| true);
        return true;
    }
    !SAME_GENERATOR.get_or_init(generator_is_known)
}

/// Whether burn's generator on the CPU is the one that [`is_undisturbed`] replays.
fn generator_is_known() -> bool {
    (0..64).any(|attempt| {
        let device = Device::flex();
        device.seed(attempt);
        let drawn = Tensor::<1>::random([8], Distribution::Default, &device).into_data();
        let mut generator = StdRng::seed_from_u64(attempt);
        drawn == TensorData::random::<f32, _, _>([8], Distribution::Default, &mut generator)
    })
}

struct Put {
    path: Vec<String>,
    clean: BTreeMap<String, TensorData>,
}

impl ModuleMapper for Put {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }
    fn map_float<const D: usize>(&mut self, param: Param<Tensor<D>>) -> Param<Tensor<D>> {
        match self.clean.remove(&self.path.join(".")) {
            Some(data) => {
                let device = param.lazy_device();
                param.map(|_| Tensor::from_data(data, &device))
            }
            None => param,
        }
    }
}

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

/// Every float parameter in order: its path, id, shape and whether it is trained.
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
    pub(crate) trained: bool,
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
            trained: param.is_require_grad(),
        });
    }
}
