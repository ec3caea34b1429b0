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

/// How often in a row a draw that no pattern explains has to come out the same to be believed.
const AGREE: usize = 16;
/// How often a model is drawn at most, so that a process that never stops drawing ends too.
const MOST: usize = 4096;
/// Numbers the stream of what a network draws while it is built, before any parameter.
const BUILD: u64 = 1;

/// Builds a model and draws all its parameters as a function of `seed` alone.
///
/// burn draws a parameter at its first use, from one generator for the process. So each is drawn
/// here, straight after seeding for its path, and a probe drawn after it shows whether another
/// thread drew in between; if so, the parameter is drawn again from a fresh model.
///
/// That is exact for parameters that draw as burn's initialisers do: nothing, or one uniform or
/// normal number an element. What another initialiser gives, or what a network draws while it is
/// built, is taken once it came out the same sixteen times in a row.
pub(crate) fn drawn<M: Module, E>(
    build: impl Fn() -> Result<M, E>,
    seed: u64,
    device: &Device,
) -> Result<M, E> {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut draw = Draw::new(seed, device);
    let mut model = draw.built(&build)?;
    // A model is lazy and cheap to build: try again for the parameters that were disturbed.
    for round in 0..MOST {
        draw.disturbed = 0;
        model.visit(&mut draw);
        match draw.disturbed {
            0 if round == 0 => return Ok(model),
            0 => break,
            _ => model = build()?,
        }
    }
    let mut clean = draw.clean;
    for (path, (last, _)) in draw.pending {
        clean.entry(path).or_insert(last.value);
    }
    Ok(model.map(&mut Put { path: Vec::new(), clean }))
}

/// A parameter's value, and what the generator gave after it.
#[derive(PartialEq)]
struct Drawn {
    value: TensorData,
    probe: TensorData,
}

struct Draw<'a> {
    path: Vec<String>,
    seed: u64,
    device: &'a Device,
    clean: BTreeMap<String, TensorData>,
    /// Draws that no pattern explains, and how often in a row each came out the same.
    pending: BTreeMap<String, (Drawn, usize)>,
    disturbed: usize,
    /// Whether the device's generator can be replayed; found out when it matters.
    replayed: Option<bool>,
}

impl<'a> Draw<'a> {
    fn new(seed: u64, device: &'a Device) -> Self {
        Self {
            path: Vec::new(),
            seed,
            device,
            clean: BTreeMap::new(),
            pending: BTreeMap::new(),
            disturbed: 0,
            replayed: None,
        }
    }

    /// A model of which all that is drawn already is a function of the seed; mostly nothing is.
    fn built<M: Module, E>(&mut self, build: &impl Fn() -> Result<M, E>) -> Result<M, E> {
        let seed = mix(self.seed, &[BUILD]);
        let mut model;
        let mut rounds = 0;
        loop {
            self.device.seed(seed);
            model = build()?;
            let probe = self.probe();
            rounds += 1;
            if is_undisturbed(seed, &[0], &probe) || rounds == MOST {
                break;
            }
            let mut values = Values(Vec::new());
            model.visit(&mut values);
            let value = TensorData::from(values.0.as_slice());
            if self.believed("", Drawn { value, probe }).is_some() {
                break;
            }
        }
        self.pending.clear();
        Ok(model)
    }

    fn probe(&self) -> TensorData {
        Tensor::<1>::random([8], Distribution::Default, self.device).into_data()
    }

    /// Seeds burn's generator for the parameter at `path`.
    fn start(&self, path: &str) -> u64 {
        let seed = mix(self.seed, &[fnv(path.as_bytes())]);
        self.device.seed(seed);
        seed
    }

    /// The value of a draw that no pattern explains, once it can be believed.
    fn believed(&mut self, path: &str, drawn: Drawn) -> Option<TensorData> {
        let device = self.device;
        if !*self.replayed.get_or_insert_with(|| generator_is_known(device)) {
            return Some(drawn.value);
        }
        let times = match self.pending.remove(path) {
            Some((before, times)) if before == drawn => times + 1,
            _ => 1,
        };
        if times >= AGREE {
            return Some(drawn.value);
        }
        self.pending.insert(path.to_owned(), (drawn, times));
        None
    }
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
        let seed = self.start(&path);
        let value = param.val().into_data();
        let probe = self.probe();
        let believed = match is_undisturbed(seed, value.shape(), &probe) {
            true => Some(value),
            false => self.believed(&path, Drawn { value, probe }),
        };
        match believed {
            Some(value) => {
                self.clean.insert(path, value);
            }
            None => self.disturbed += 1,
        }
    }
    fn visit_int<const D: usize>(&mut self, param: &Param<Tensor<D, Int>>) {
        self.start(&self.path.join("."));
        let _ = param.val();
    }
    fn visit_bool<const D: usize>(&mut self, param: &Param<Tensor<D, Bool>>) {
        self.start(&self.path.join("."));
        let _ = param.val();
    }
}

/// Hashes of the values that a model has already.
struct Values(Vec<i64>);

impl ModuleVisitor for Values {
    fn visit_float<const D: usize>(&mut self, param: &Param<Tensor<D>>) {
        if param.is_initialized() {
            self.0.push(fnv(param.val().into_data().as_bytes()) as i64);
        }
    }
}

/// Does `probe` stand where it must in the generator's stream: behind nothing (a constant), or
/// behind one uniform or normal draw of the parameter's shape? The bounds of the draw do not
/// matter: they change no number of words.
fn is_undisturbed(seed: u64, shape: &[usize], probe: &TensorData) -> bool {
    let expected = |before: Option<Distribution>| {
        let mut generator = StdRng::seed_from_u64(seed);
        if let Some(distribution) = before {
            let _ = TensorData::random::<f32, _, _>(shape.to_vec(), distribution, &mut generator);
        }
        TensorData::random::<f32, _, _>([8], Distribution::Default, &mut generator)
    };
    [None, Some(Distribution::Uniform(0.0, 1.0)), Some(Distribution::Normal(0.0, 1.0))]
        .into_iter()
        .any(|before| expected(before) == *probe)
}

/// Whether the device draws from the generator that [`is_undisturbed`] replays; a GPU does not.
fn generator_is_known(device: &Device) -> bool {
    // Other threads may draw meanwhile, but hardly at every attempt.
    (0..64).any(|attempt| {
        device.seed(attempt);
        let drawn = Tensor::<1>::random([8], Distribution::Default, device).into_data();
        is_undisturbed(attempt, &[0], &drawn)
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use burn::nn::Initializer;
    use std::convert::Infallible;

    /// Tries often: other tests of this process may draw meanwhile.
    fn is_recognised(shape: [usize; 2], draw: impl Fn(&Device)) -> bool {
        let device = Device::flex();
        (0..200).any(|seed| {
            device.seed(seed);
            draw(&device);
            let probe = Tensor::<1>::random([8], Distribution::Default, &device).into_data();
            is_undisturbed(seed, &shape, &probe)
        })
    }

    #[test]
    fn every_initialiser_of_burn_is_recognised() {
        let gain = 0.7;
        let all = [
            Initializer::Ones,
            Initializer::Zeros,
            Initializer::Constant { value: 3.5 },
            Initializer::Uniform { min: -0.3, max: 2.0 },
            Initializer::Normal { mean: 1.0, std: 0.02 },
            Initializer::KaimingUniform { gain, fan_out_only: false },
            Initializer::KaimingNormal { gain, fan_out_only: true },
            Initializer::XavierUniform { gain },
            Initializer::XavierNormal { gain },
            Initializer::Orthogonal { gain },
        ];
        for initializer in all {
            for shape in [[5, 3], [1, 7], [13, 11]] {
                let draw = |device: &Device| {
                    let [rows, columns] = shape;
                    initializer
                        .init_with::<2, _>(shape, Some(rows), Some(columns), device)
                        .val();
                };
                assert!(is_recognised(shape, draw), "{initializer:?} of {shape:?}");
            }
        }
    }

    #[test]
    fn a_draw_in_between_is_noticed() {
        let draw = |between: usize| {
            move |device: &Device| {
                let random = |n: usize| Tensor::<1>::random([n], Distribution::Default, device);
                let _ = (random(between), random(15));
            }
        };
        assert!(is_recognised([5, 3], draw(0)));
        assert!(!is_recognised([5, 3], draw(1)));
        assert!(!is_recognised([5, 3], draw(51)));
    }

    #[test]
    fn the_generators_of_the_processor_are_known() {
        assert!(generator_is_known(&Device::flex()));
        #[cfg(feature = "ndarray")]
        assert!(generator_is_known(&crate::device("ndarray").unwrap()));
    }

    /// A parameter that draws as no initialiser of burn does: twice, and then once more.
    #[derive(Module, Debug)]
    struct Unusual {
        plain: Param<Tensor<2>>,
        summed: Param<Tensor<2>>,
    }

    fn unusual(device: &Device) -> Unusual {
        let draw = |device: &Device, require_grad: bool| {
            let random = |shape| Tensor::random(shape, Distribution::Normal(0.0, 1.0), device);
            let _ = random([1, 1]);
            let sum: Tensor<2> = random([3, 5]) + random([3, 5]);
            sum.set_require_grad(require_grad)
        };
        let id = ParamId::new();
        Unusual {
            plain: Initializer::Normal { mean: 0.0, std: 1.0 }.init([2, 3], device),
            summed: Param::uninitialized(id, draw, device.clone(), true, [3, 5].into()),
        }
    }

    fn values(model: &Unusual) -> (TensorData, TensorData) {
        (model.plain.val().into_data(), model.summed.val().into_data())
    }

    #[test]
    fn an_unusual_initialiser_ends_and_is_seeded() {
        let device = Device::flex();
        let init = |seed| {
            let built = drawn(|| Ok::<_, Infallible>(unusual(&device)), seed, &device);
            values(&built.unwrap())
        };
        assert_eq!(init(3), init(3));
        assert_ne!(init(3).1, init(4).1);
        assert_ne!(init(3).0, init(4).0);
    }

    #[test]
    fn an_eager_network_is_seeded_too() {
        let device = Device::flex();
        let init = |seed| {
            let eager = || {
                let model = unusual(&device);
                values(&model);
                Ok::<_, Infallible>(model)
            };
            values(&drawn(eager, seed, &device).unwrap())
        };
        assert_eq!(init(3), init(3));
        assert_ne!(init(3), init(4));
    }

    #[test]
    fn tied_parameters_stay_tied() {
        #[derive(Module, Debug)]
        struct Tied {
            first: Param<Tensor<2>>,
            second: Param<Tensor<2>>,
        }
        let device = Device::flex();
        let first: Param<Tensor<2>> = Initializer::XavierUniform { gain: 1.0 }
            .init_with([2, 3], Some(2), Some(3), &device);
        let tied = with_stable_ids(Tied { second: first.clone(), first });
        assert_eq!(tied.first.id, tied.second.id);
        assert_eq!(tied.first.id.val(), fnv(b"first"));
        let paths: Vec<String> = parameters(&tied).into_iter().map(|p| p.path).collect();
        assert_eq!(paths, ["first", "second"]);
    }
}
