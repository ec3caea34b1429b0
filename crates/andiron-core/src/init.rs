//! Seeded parameters and ids that are the same in every process.

mod given;
mod ids;

pub(crate) use given::Given;
pub(crate) use ids::{Parameter, parameters, with_stable_ids};

use crate::hash::fnv;
use andiron_kernels::mix;
use burn::{
    module::{Module, ModuleMapper, ModuleVisitor, Param},
    tensor::{Bool, Device, Distribution, Int, Tensor, TensorData},
};
use rand::{Rng as _, SeedableRng, TryRng, rngs::StdRng};
use std::{
    collections::{BTreeMap, VecDeque, vec_deque},
    convert::Infallible,
    sync::Mutex,
    time::Duration,
};

/// One initialisation at a time: burn has one random generator for the whole process.
static ONE_AT_A_TIME: Mutex<()> = Mutex::new(());

/// How often in a row a draw that no pattern explains has to come out the same to be believed.
const AGREE: usize = 16;
/// How often a model is drawn at most, so that a process that never stops drawing ends too.
const MOST: usize = 1 << 16;
/// Between two tries: a thread that just woke up is the likeliest to go through undisturbed.
const PAUSE: Duration = Duration::from_micros(20);
/// How many elements tell by themselves where in a stream they come from.
const ENOUGH: usize = 6;
/// How far in a generator's stream a draw is looked for, in words of 32 bits.
const WORDS: usize = 1 << 20;
/// Numbers the stream of what a network draws while it is built, before any parameter.
const BUILD: u64 = 1;

/// Builds a model and draws all its parameters as a function of `seed` alone.
///
/// burn draws a parameter at its first use, from one generator for the process. So each is drawn
/// here, straight after seeding for its path, and a probe drawn after it shows whether another
/// thread drew in between; if so, the parameter is drawn again from a fresh model.
///
/// That is exact for parameters that draw nothing, or one uniform or normal number an element, as
/// all of burn's initialisers do but the orthogonal one. What another one gives is taken once it
/// came out the same sixteen times in a row and is no such draw from a later place of the stream:
/// another thread that draws without a pause may well disturb us in the same way each time. What a
/// network draws while it is built is taken after sixteen times, too, but has no such guard.
pub(crate) fn drawn<M: Module, E>(
    build: impl Fn() -> Result<M, E>,
    seed: u64,
    device: &Device,
) -> Result<M, E> {
    drawn_around(build, &Given::default(), seed, device)
}

/// As [`drawn`], but parameters that are `given` keep the values that `build` has put there.
pub(crate) fn drawn_around<M: Module, E>(
    build: impl Fn() -> Result<M, E>,
    given: &Given,
    seed: u64,
    device: &Device,
) -> Result<M, E> {
    let _guard = ONE_AT_A_TIME.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    let mut draw = Draw::new(seed, device, given);
    let mut model = draw.built(&build)?;
    // A model is lazy and cheap to build: try again for the parameters that were disturbed.
    for round in 0..MOST {
        draw.disturbed = 0;
        model.visit(&mut draw);
        match draw.disturbed {
            0 if round == 0 => return Ok(model),
            0 => break,
            _ => {
                std::thread::sleep(PAUSE);
                model = build()?;
            }
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
    /// Parameters that are not drawn.
    given: &'a Given,
    clean: BTreeMap<String, TensorData>,
    /// Draws that no pattern explains, and how often in a row each came out the same.
    pending: BTreeMap<String, (Drawn, usize)>,
    disturbed: usize,
    /// Whether the device's generator can be replayed; found out when it matters.
    replayed: Option<bool>,
}

impl<'a> Draw<'a> {
    fn new(seed: u64, device: &'a Device, given: &'a Given) -> Self {
        Self {
            path: Vec::new(),
            seed,
            device,
            given,
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
            if is_undisturbed(seed, &TensorData::from([0.0f32; 0]), &probe) || rounds == MOST {
                break;
            }
            let mut values = Values(Vec::new());
            model.visit(&mut values);
            let value = TensorData::from(values.0.as_slice());
            if self.believed("", seed, Drawn { value, probe }).is_some() {
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
    fn believed(&mut self, path: &str, seed: u64, drawn: Drawn) -> Option<TensorData> {
        let device = self.device;
        if !*self.replayed.get_or_insert_with(|| generator_is_known(device)) {
            return Some(drawn.value);
        }
        let times = match self.pending.remove(path) {
            Some((before, times)) if before == drawn => times + 1,
            _ => 1,
        };
        if times >= AGREE && (path.is_empty() || !is_shifted(seed, &drawn)) {
            return Some(drawn.value);
        }
        self.pending.insert(path.to_owned(), (drawn, times % AGREE));
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
        if self.clean.contains_key(&path) || self.given.has(&path) {
            return;
        }
        let seed = self.start(&path);
        let value = param.val().into_data();
        let probe = self.probe();
        let believed = match is_undisturbed(seed, &value, &probe) {
            true => Some(value),
            false => self.believed(&path, seed, Drawn { value, probe }),
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

/// Whether a parameter was drawn straight after seeding.
///
/// Its value tells, if there is enough of it: all the same, or made from what the generator gives
/// first. Otherwise `probe` does: it stands in the stream behind nothing (a constant), or behind one
/// uniform or normal number an element, whose bounds change no number of words.
fn is_undisturbed(seed: u64, value: &TensorData, probe: &TensorData) -> bool {
    let n = value.num_elements();
    let replay = |before: Option<Distribution>| {
        let mut generator = StdRng::seed_from_u64(seed);
        let mut draw =
            |n, distribution| TensorData::random::<f32, _, _>([n], distribution, &mut generator);
        let drawn = before.map(|distribution| draw(n, distribution));
        let is_next = draw(8, Distribution::Default) == *probe;
        (drawn.is_some_and(|drawn| follows(value, &drawn)), is_next)
    };
    let is_constant = n >= ENOUGH && value.iter::<f64>().is_sorted_by(|a, b| a == b);
    // A uniform number takes one word and a normal one two or more: behind n words stands nothing
    // but n uniform numbers. Behind those of n normal ones may stand n uniform ones and what
    // another thread drew, so there the value has to agree as well.
    let (_, is_first) = replay(None);
    let (uniform, behind_uniform) = replay(Some(Distribution::Uniform(0.0, 1.0)));
    let (normal, behind_normal) = replay(Some(Distribution::Normal(0.0, 1.0)));
    let is_told = n >= ENOUGH && (uniform || normal);
    is_constant || is_told || is_first || behind_uniform || (behind_normal && normal)
}

/// Whether the value is a uniform or normal draw from some later place in the generator's stream,
/// which shows that another thread drew before. So is one whose probe is not in the stream at all.
fn is_shifted(seed: u64, drawn: &Drawn) -> bool {
    let few = drawn.value.num_elements().min(16);
    let mut generator = StdRng::seed_from_u64(seed);
    // Enough words for the first look; each next place needs one more.
    let mut stream: VecDeque<u32> = (0..16 * few + 64).map(|_| generator.next_u32()).collect();
    for _ in 0..WORDS {
        let draw = |n, distribution| {
            TensorData::random::<f32, _, _>([n], distribution, &mut Reader(stream.iter()))
        };
        let known = [Distribution::Uniform(0.0, 1.0), Distribution::Normal(0.0, 1.0)];
        if known.into_iter().any(|known| follows(&drawn.value, &draw(few, known))) {
            return true;
        }
        if draw(8, Distribution::Default) == drawn.probe {
            return false;
        }
        stream.pop_front();
        stream.push_back(generator.next_u32());
    }
    true
}

/// Draws from words that are there already; zeros, should they not suffice.
struct Reader<'a>(vec_deque::Iter<'a, u32>);

impl TryRng for Reader<'_> {
    type Error = Infallible;
    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        Ok(self.0.next().copied().unwrap_or_default())
    }
    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let (low, high) = (self.try_next_u32()?, self.try_next_u32()?);
        Ok(u64::from(high) << 32 | u64::from(low))
    }
    fn try_fill_bytes(&mut self, bytes: &mut [u8]) -> Result<(), Infallible> {
        for part in bytes.chunks_mut(4) {
            part.copy_from_slice(&self.try_next_u32()?.to_le_bytes()[..part.len()]);
        }
        Ok(())
    }
}

/// Whether the first values are made from those of `drawn`: all by one linear function where they
/// are few, and in their order where they are many (a normal draw may be cut at both ends). One or
/// two tell nothing against it.
fn follows(value: &TensorData, drawn: &TensorData) -> bool {
    let mut pairs: Vec<(f64, f64)> = drawn.iter().zip(value.iter()).take(64).collect();
    pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (Some(first), Some(last)) = (pairs.first(), pairs.last()) else { return true };
    if pairs.len() >= 16 {
        return pairs.is_sorted_by(|a, b| a.1 <= b.1);
    }
    let slope = (last.1 - first.1) / (last.0 - first.0).max(f64::MIN_POSITIVE);
    let span = (last.1 - first.1).abs().max(f64::MIN_POSITIVE);
    pairs.iter().all(|(x, y)| (first.1 + slope * (x - first.0) - y).abs() <= 1e-4 * span)
}

/// Whether the device draws from the generator that [`is_undisturbed`] replays; a GPU does not.
fn generator_is_known(device: &Device) -> bool {
    static KNOWN: Mutex<BTreeMap<String, bool>> = Mutex::new(BTreeMap::new());
    let mut known = KNOWN.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    // Other threads may draw meanwhile, but hardly at every one of so many attempts.
    *known.entry(format!("{device:?}")).or_insert_with(|| {
        (0..4096).any(|attempt| {
            device.seed(attempt);
            let drawn = Tensor::<1>::random([8], Distribution::Default, device).into_data();
            let is_known = is_undisturbed(attempt, &TensorData::from([0.0f32; 0]), &drawn);
            if !is_known {
                std::thread::sleep(PAUSE);
            }
            is_known
        })
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

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use burn::{module::ParamId, nn::Initializer};

    /// Tries often: other tests of this process may draw meanwhile.
    fn is_recognised(draw: impl Fn(&Device) -> Tensor<2>) -> bool {
        let device = Device::flex();
        (0..200).any(|seed| {
            device.seed(seed);
            let value = draw(&device).into_data();
            let probe = Tensor::<1>::random([8], Distribution::Default, &device).into_data();
            is_undisturbed(seed, &value, &probe)
        })
    }

    #[test]
    fn the_initialisers_of_burn_are_recognised() {
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
        ];
        for initializer in all {
            for shape in [[5, 3], [1, 9], [13, 11]] {
                let draw = |device: &Device| {
                    let [rows, columns] = shape;
                    initializer.init_with(shape, Some(rows), Some(columns), device).val()
                };
                assert!(is_recognised(draw), "{initializer:?} of {shape:?}");
            }
        }
    }

    #[test]
    fn a_draw_that_is_disturbed_in_the_same_way_each_time_is_not_believed() {
        let disturbed = |shape: [usize; 2], distribution, between: usize| {
            let mut generator = StdRng::seed_from_u64(9);
            let mut draw = |n: usize, distribution| {
                TensorData::random::<f32, _, _>([n], distribution, &mut generator)
            };
            let _ = draw(between, Distribution::Default);
            let value = draw(shape[0] * shape[1], distribution);
            Drawn { value, probe: draw(8, Distribution::Default) }
        };
        for shape in [[1, 3], [2, 3], [1, 9], [13, 11]] {
            for distribution in [Distribution::Uniform(-0.4, 0.1), Distribution::Normal(1.0, 0.02)]
            {
                for between in [1, 2, 18, 51, 801] {
                    let drawn = disturbed(shape, distribution, between);
                    assert!(is_shifted(9, &drawn), "{shape:?} {distribution:?} {between}");
                    assert!(!is_undisturbed(9, &drawn.value, &drawn.probe));
                }
            }
        }
        // What is no such draw is none at any place.
        let mut unusual = disturbed([3, 5], Distribution::Default, 30);
        unusual.value = TensorData::from([3.0, 1.0, 4.0, 1.5, 9.0, 2.0, 6.0, 5.0, 3.5, 8.0]);
        assert!(!is_shifted(9, &unusual));
        // And one behind another seed is not to be found.
        let other = disturbed([3, 5], Distribution::Default, 30);
        assert!(is_shifted(10, &other));
    }

    #[test]
    fn a_draw_in_between_is_noticed() {
        let draw = |between: usize| {
            move |device: &Device| {
                let _ = Tensor::<1>::random([between], Distribution::Default, device);
                Tensor::random([5, 3], Distribution::Default, device)
            }
        };
        assert!(is_recognised(draw(0)));
        // Fifteen words more are as many as fifteen normal numbers take, or nearly.
        for between in (1..40).chain([51]) {
            assert!(!is_recognised(draw(between)), "{between} numbers in between");
        }
    }

    #[test]
    fn the_generators_of_the_processor_are_known() {
        // If burn takes another generator some day, this tells.
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
    fn orthogonal_parameters_end_and_are_seeded() {
        #[derive(Module, Debug)]
        struct Orthogonal {
            weight: Param<Tensor<2>>,
        }
        let device = Device::flex();
        let init = |seed| {
            let build = || {
                let weight = Initializer::Orthogonal { gain: 1.0 }.init([4, 7], &device);
                Ok::<_, Infallible>(Orthogonal { weight })
            };
            drawn(build, seed, &device).unwrap().weight.val().into_data()
        };
        assert_eq!(init(3), init(3));
        assert_ne!(init(3), init(4));
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
        let first: Param<Tensor<2>> =
            Initializer::XavierUniform { gain: 1.0 }.init_with([2, 3], Some(2), Some(3), &device);
        let tied = with_stable_ids(Tied { second: first.clone(), first });
        assert_eq!(tied.first.id, tied.second.id);
        assert_eq!(tied.first.id.val(), fnv(b"first"));
        let paths: Vec<String> = parameters(&tied).into_iter().map(|p| p.path).collect();
        assert_eq!(paths, ["first", "second"]);
    }
}
