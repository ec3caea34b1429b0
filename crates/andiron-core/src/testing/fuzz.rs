//! Readers of bytes from outside, with what must hold of whatever they read. The fuzz targets in
//! `fuzz/` call these functions, and so does an ordinary test, on inputs that it spoils by itself.

use crate::{
    ConfigError, Model, ModelConfig, Network,
    bundle::{self, FORMAT},
    data::idx,
    hash, weights,
};
use burn::{
    config::Config,
    module::Module,
    nn::{Linear, LinearConfig},
    tensor::{Device, Tensor},
};
use serde_json::Value;
use std::path::Path;

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
