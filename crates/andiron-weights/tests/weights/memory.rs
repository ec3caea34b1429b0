//! How much memory loading takes beside the network itself.
//!
//! Anonymous memory is what the system cannot drop again; pages of a mapped file it can. The load
//! runs in a process of its own, so that nothing else counts.

use crate::made::{Stored, singles};
use andiron_core::{ConfigError, Model, ModelConfig, Network, weights};
use andiron_weights::folder::Folder;
use burn::{
    config::Config,
    module::Module,
    nn::{Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig},
    tensor::{Device, Int, Tensor},
};
use safetensors::Dtype;
use std::{
    path::Path,
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Set in the process that loads: the file to be loaded.
const CHILD: &str = "ANDIRON_TEST_LOADS";
// A tensor of 61 MB, and eight of 4 MB.
const N_TOKENS: usize = 19_997;
const D_MODEL: usize = 768;
const D_HIDDEN: usize = 1375;
const N_LAYERS: usize = 8;

#[derive(Config, Debug)]
struct LargeConfig {}

#[derive(Module, Debug)]
struct Large {
    embedding: Embedding,
    layers: Vec<Linear>,
    norm: LayerNorm,
}

impl ModelConfig for LargeConfig {
    const ARCHITECTURE: &'static str = "large";
    type Model = Large;
    fn init(&self, device: &Device) -> Result<Large, ConfigError> {
        let layer = LinearConfig::new(D_MODEL, D_HIDDEN);
        Ok(Large {
            embedding: EmbeddingConfig::new(N_TOKENS, D_MODEL).init(device),
            layers: (0..N_LAYERS).map(|_| layer.init(device)).collect(),
            norm: LayerNormConfig::new(D_MODEL).init(device),
        })
    }
}

impl Model for Large {
    type Input = Tensor<2, Int>;
    type Output = Tensor<3>;
    /// # Shapes
    /// - tokens: `[batch, length]`
    /// - output: `[batch, length, D_HIDDEN]`
    fn forward(&self, tokens: Tensor<2, Int>) -> Tensor<3> {
        self.layers[0].forward(self.norm.forward(self.embedding.forward(tokens)))
    }
}

/// Names and shapes of the network's parameters in a file.
fn parameters() -> Vec<(String, Vec<usize>)> {
    let mut all = vec![("embedding.weight".to_owned(), vec![N_TOKENS, D_MODEL])];
    for layer in 0..N_LAYERS {
        all.push((format!("layers.{layer}.weight"), vec![D_HIDDEN, D_MODEL]));
        all.push((format!("layers.{layer}.bias"), vec![D_HIDDEN]));
    }
    all.extend(["weight", "bias"].map(|name| (format!("norm.{name}"), vec![D_MODEL])));
    all
}

/// Writes the parameters to `path`, in single precision or as `BF16`.
fn write(path: &Path, half: bool) {
    let stored = parameters().into_iter().map(|(name, shape)| -> Stored {
        let count = shape.iter().product::<usize>();
        if half {
            // 0.5 as BF16.
            return (name, Dtype::BF16, shape, [0x00, 0x3f].repeat(count));
        }
        singles(&name, &shape, &vec![0.25; count])
    });
    std::fs::write(path, crate::made::safetensors(&stored.collect::<Vec<_>>())).unwrap();
}

/// This process's anonymous memory in bytes.
fn anonymous() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// The highest anonymous memory that was seen.
static PEAK: AtomicU64 = AtomicU64::new(0);

/// Loads the file and prints the highest anonymous memory meanwhile, less that from before, and
/// the bytes of the network's parameters.
fn load(path: &Path) {
    let device = Device::flex();
    let network = Network::blank(LargeConfig {}, &device).unwrap();
    let before = anonymous();
    let measure = || PEAK.fetch_max(anonymous(), Ordering::Relaxed);
    // Ends with the process.
    std::thread::spawn(move || {
        loop {
            measure();
            std::thread::sleep(Duration::from_micros(100));
        }
    });
    let file = Folder::open(path).unwrap();
    let network = weights::load_from(network, &file).unwrap();
    measure();
    let peak = PEAK.load(Ordering::Relaxed);
    println!("measured {} {}", peak - before, network.parameters() * 4);
}

#[test]
fn loading_needs_little_more_memory_than_the_network() {
    if let Some(path) = std::env::var_os(CHILD) {
        return load(Path::new(&path));
    }
    if !cfg!(target_os = "linux") {
        println!("SKIPPED: anonymous memory is measured on Linux only");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.safetensors");
    for half in [false, true] {
        write(&path, half);
        let name = "memory::loading_needs_little_more_memory_than_the_network";
        let child = Command::new(std::env::current_exe().unwrap())
            .args([name, "--exact", "--nocapture", "--test-threads=1"])
            .env(CHILD, &path)
            .output()
            .unwrap();
        let text = String::from_utf8_lossy(&child.stdout);
        assert!(child.status.success(), "{text}{}", String::from_utf8_lossy(&child.stderr));
        let numbers = text.split("measured ").nth(1).unwrap_or_else(|| panic!("{text}"));
        let mut numbers = numbers.split_whitespace().map(|number| number.parse::<u64>().unwrap());
        let (peak, network) = (numbers.next().unwrap(), numbers.next().unwrap());
        let ratio = peak as f64 / network as f64;
        println!("half {half}: {peak} bytes for {network} of parameters, {ratio:.3}");
        assert!(network > 90_000_000, "the network has only {network} bytes");
        assert!((0.95..1.2).contains(&ratio), "{peak} bytes for {network} of parameters");
    }
}
