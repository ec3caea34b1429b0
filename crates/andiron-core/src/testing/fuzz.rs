//! Readers of bytes from outside, with what must hold of whatever they read. The fuzz targets in
//! `fuzz/` call these functions, and so does an ordinary test, on inputs that it spoils by itself.

use crate::{
    ConfigError, Model, ModelConfig, Network,
    bundle::{self, DESCRIPTION, Description, FORMAT},
    data::idx,
    hash, weights,
};
use burn::{
    config::Config,
    module::Module,
    nn::{Linear, LinearConfig},
    tensor::{Device, Tensor},
};
use serde_json::{Value, json};
use std::{
    fs,
    panic::{AssertUnwindSafe, catch_unwind, resume_unwind},
    path::Path,
};

/// Reads `bytes` as the description of a bundle; once as they are, and once with a right seal, for
/// without it hardly anything gets past the first check.
///
/// # Panics
/// If what was read breaks a promise of [`bundle::parse`].
pub fn bundle(bytes: &[u8]) {
    let path = Path::new("andiron.json");
    let check = |bytes: &[u8]| {
        let Ok(read) = bundle::parse(bytes, path) else { return };
        assert_eq!(read.format, FORMAT);
        for name in read.files.keys() {
            let joined = Path::new("folder").join(name);
            assert_eq!(joined.parent(), Some(Path::new("folder")), "{name:?} lies elsewhere");
        }
        let text = serde_json::to_string(&read).expect("a description is plain data");
        assert!(!text.is_empty());
    };
    check(bytes);
    let Ok(Value::Object(mut fields)) = serde_json::from_slice(bytes) else { return };
    fields.remove("sha256");
    fields.insert("sha256".to_owned(), Value::from(""));
    if let Ok(text) = serde_json::to_string_pretty(&fields) {
        check(hash::seal(&text).as_bytes());
    }
}

/// How many items of a long list are changed.
const OF_A_LIST: usize = 8;

/// Puts other numbers in the place of each that the description of the bundle in `dir` holds of its
/// network and its task: none, one, less than none, and more than any memory. Each description is
/// sealed and lies in `dir` while `read` is called, which says so if what it read does not work;
/// afterwards the true one lies there again. Of long lists a few items are changed. Gives how many
/// numbers there were.
///
/// # Panics
/// If `read` does, after the number was named; or if the bundle cannot be read.
pub fn numbers(dir: &Path, mut read: impl FnMut(&str)) -> usize {
    let path = dir.join(DESCRIPTION);
    let text = fs::read(&path).expect("the bundle is there");
    let description = bundle::parse(&text, &path).expect("the bundle is whole");
    let mut places = Vec::new();
    find(&description.config, "", &mut |place| places.push((true, place)));
    find(&description.preprocessing, "", &mut |place| places.push((false, place)));
    for (is_config, place) in &places {
        for wrong in [json!(0), json!(1), json!(-1), json!(100_000_000_000_u64), json!(u64::MAX)] {
            let mut changed = Description { sha256: String::new(), ..description.clone() };
            let part = match is_config {
                true => &mut changed.config,
                false => &mut changed.preprocessing,
            };
            let number = part.pointer_mut(place).expect("it was found there");
            let name = format!("{place} = {wrong}, not {number}");
            *number = wrong;
            let text = serde_json::to_string_pretty(&changed).expect("it is plain data");
            fs::write(&path, hash::seal(&text)).expect("the bundle can be written");
            if let Err(panic) = catch_unwind(AssertUnwindSafe(|| read(&name))) {
                eprintln!("{name}: it panics");
                resume_unwind(panic);
            }
        }
    }
    fs::write(&path, text).expect("the bundle can be written");
    places.len()
}

/// The places of the numbers in `value`, which stands at `place`.
fn find(value: &Value, place: &str, found: &mut dyn FnMut(String)) {
    match value {
        Value::Number(_) => found(place.to_owned()),
        Value::Array(items) => {
            for at in (0..items.len()).step_by(items.len() / OF_A_LIST + 1) {
                find(&items[at], &format!("{place}/{at}"), found);
            }
        }
        Value::Object(fields) => {
            for (name, field) in fields.iter().step_by(fields.len() / (8 * OF_A_LIST) + 1) {
                let name = name.replace('~', "~0").replace('/', "~1");
                find(field, &format!("{place}/{name}"), found);
            }
        }
        Value::Null | Value::Bool(_) | Value::String(_) => {}
    }
}

/// Reads `bytes` as an idx array.
///
/// # Panics
/// If the array's items are not what its shape says.
pub fn idx(bytes: &[u8]) {
    let Ok(array) = idx::parse(bytes) else { return };
    let width: usize = array.shape()[1..].iter().product();
    // Items of no element cost nothing, so their number is bounded by nothing.
    for item in (0..array.len()).take(1000) {
        assert_eq!(array.item(item).len(), width);
    }
    let elements = array.len().checked_mul(width).expect("more elements than there are bytes");
    assert!(elements <= bytes.len(), "{elements} elements came out of {} bytes", bytes.len());
}

/// Reads `bytes` as the weights of a linear layer from three numbers to two.
///
/// # Panics
/// If weights were taken that are not those of the file.
pub fn weights(bytes: &[u8]) {
    let device = Device::flex();
    let network = Network::blank(SmallConfig {}, &device).expect("it has no setting");
    let Ok(read) = weights::from_bytes(network, bytes, Path::new("fuzz")) else { return };
    let again = weights::to_bytes(&read);
    let network = Network::blank(SmallConfig {}, &device).expect("it has no setting");
    let second = weights::from_bytes(network, &again, Path::new("fuzz"))
        .expect("what was read can be written and read again");
    assert_eq!(weights::to_bytes(&second), again);
    let finite = read.model.forward(Tensor::zeros([1, 3], &device)).into_data();
    assert!(finite.iter::<f32>().all(f32::is_finite), "a bias is not finite");
}

/// The bytes of weights that [`weights`] takes.
pub fn some_weights() -> Vec<u8> {
    let network = Network::init(SmallConfig {}, 1, &Device::flex()).expect("it has no setting");
    weights::to_bytes(&network)
}

/// Settings of a [`Small`].
#[derive(Config, Debug)]
struct SmallConfig {}

/// One linear layer.
#[derive(Module, Debug)]
struct Small {
    layer: Linear,
}

impl ModelConfig for SmallConfig {
    const ARCHITECTURE: &'static str = "fuzz";
    type Model = Small;
    fn init(&self, device: &Device) -> Result<Small, ConfigError> {
        Ok(Small { layer: LinearConfig::new(3, 2).init(device) })
    }
}

impl Model for Small {
    type Input = Tensor<2>;
    type Output = Tensor<2>;
    /// # Shapes
    /// - x: `[batch, 3]`
    /// - output: `[batch, 2]`
    fn forward(&self, x: Tensor<2>) -> Tensor<2> {
        self.layer.forward(x)
    }
}
