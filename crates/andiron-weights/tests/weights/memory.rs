//! How much memory loading and saving take beside the network itself.
//!
//! Anonymous memory is what the system cannot drop again; pages of a mapped file it can. Each load
//! and save runs in a process of its own, so that nothing else counts.

use crate::{
    anonymous::highest,
    made::{GgufFile, Stored, singles},
};
use andiron_core::{
    ConfigError, DataError, Loss, Model, ModelConfig, Network, Predictor, Solve, Task,
    data::ExampleOf, testing, weights,
};
use burn::{
    config::Config,
    module::Module,
    nn::{Embedding, EmbeddingConfig, LayerNorm, LayerNormConfig, Linear, LinearConfig},
    tensor::{Device, Int, Tensor},
};
use safetensors::Dtype;
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

/// Set in the process that is measured: what it does, and the file or folder.
const CHILD: &str = "ANDIRON_TEST_LOADS";
const WHAT: &str = "ANDIRON_TEST_LOADS_WHAT";
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

/// A task that a bundle can hold; nothing is learnt or answered here.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Nothing {}

impl Task for Nothing {
    const NAME: &'static str = "nothing";
    type Input = String;
    type Target = ();
    type Prediction = ();
    type Batch = ();
    fn batch(&self, _: &[ExampleOf<Self>], _: &Device) -> Result<(), DataError> {
        Ok(())
    }
}

impl Solve<Large> for Nothing {
    fn learn(&self, model: &Large, (): ()) -> Loss {
        Loss::new(model.norm.gamma.val().narrow(0, 0, 1), 1)
    }
    fn answer(&self, _: &Large, inputs: &[String], _: &Device) -> Result<Vec<()>, DataError> {
        Ok(vec![(); inputs.len()])
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

/// `count` times 0.5 as `BF16`, or 0.25 in single precision.
fn numbers(half: bool, count: usize) -> Vec<u8> {
    if half { [0x00, 0x3f].repeat(count) } else { 0.25_f32.to_le_bytes().repeat(count) }
}

/// The parameters as a safetensors file, in single precision or as `BF16`.
fn safetensors(half: bool) -> Vec<u8> {
    safetensors_of(half, parameters())
}

/// Some of the parameters as such a file.
fn safetensors_of(half: bool, some: Vec<(String, Vec<usize>)>) -> Vec<u8> {
    let stored = some.into_iter().map(|(name, shape)| -> Stored {
        let count = shape.iter().product::<usize>();
        match half {
            true => (name, Dtype::BF16, shape, numbers(half, count)),
            false => singles(&name, &shape, &vec![0.25; count]),
        }
    });
    crate::made::safetensors(&stored.collect::<Vec<_>>())
}

/// The parameters as a folder of two safetensors files, tensors in turn, and their index.
fn shards(half: bool, folder: &Path) {
    fs::create_dir_all(folder).unwrap();
    let mut parts: [Vec<(String, Vec<usize>)>; 2] = Default::default();
    let mut places = BTreeMap::new();
    let files = ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"];
    for (at, (name, shape)) in parameters().into_iter().enumerate() {
        places.insert(name.clone(), files[at % 2]);
        parts[at % 2].push((name, shape));
    }
    for (file, part) in files.into_iter().zip(parts) {
        fs::write(folder.join(file), safetensors_of(half, part)).unwrap();
    }
    let index = serde_json::json!({ "weight_map": places });
    fs::write(folder.join("model.safetensors.index.json"), index.to_string()).unwrap();
}

/// The parameters as a GGUF file; matrices in blocks of `Q8_0`, or in single precision.
fn gguf(quantised: bool) -> Vec<u8> {
    let file = parameters().into_iter().fold(GgufFile::new(3), |file, (name, shape)| {
        let ne: Vec<u64> = shape.iter().rev().map(|extent| *extent as u64).collect();
        let count = shape.iter().product::<usize>();
        if quantised && shape.len() > 1 {
            // Blocks of a scale of 0.5 and 32 numbers.
            let block = [&[0x00, 0x38][..], &[3; 32]].concat();
            return file.tensor(&name, &ne, 8, &block.repeat(count / 32));
        }
        file.tensor(&name, &ne, 0, &numbers(false, count))
    });
    file.bytes()
}

/// The parameters as a pickle that says which tensor lies in which storage, and the storages: the
/// number of each, and its bytes.
fn pickled(half: bool) -> (Vec<u8>, Vec<(String, Vec<u8>)>) {
    let number = |n: usize| [&b"J"[..], &(n as u32).to_le_bytes()[..]].concat();
    let tuple = |parts: &[Vec<u8>]| [&b"("[..], &parts.concat()[..], b"t"].concat();
    let kind: &[u8] = if half { b"ctorch\nBFloat16Storage\n" } else { b"ctorch\nFloatStorage\n" };
    let mut pickle = b"\x80\x02}(".to_vec();
    let mut storages = Vec::new();
    for (at, (name, shape)) in parameters().into_iter().enumerate() {
        let count = shape.iter().product::<usize>();
        let key = at.to_string();
        let storage = [word("storage"), kind.to_vec(), word(&key), word("cpu"), number(count)];
        let sizes: Vec<Vec<u8>> = shape.iter().map(|extent| number(*extent)).collect();
        let strides: Vec<Vec<u8>> =
            (0..shape.len()).map(|axis| number(shape[axis + 1..].iter().product())).collect();
        pickle.extend(word(&name));
        pickle.extend(b"ctorch._utils\n_rebuild_tensor_v2\n");
        pickle.extend(tuple(&[
            [tuple(&storage), b"Q".to_vec()].concat(),
            number(0),
            tuple(&sizes),
            tuple(&strides),
            b"\x89".to_vec(),
            b"ccollections\nOrderedDict\n)R".to_vec(),
        ]));
        pickle.extend(b"R");
        storages.push((key, numbers(half, count)));
    }
    pickle.extend(b"u.");
    (pickle, storages)
}

/// A text in a pickle.
fn word(text: &str) -> Vec<u8> {
    [&b"X"[..], &(text.len() as u32).to_le_bytes()[..], text.as_bytes()].concat()
}

/// The parameters as `torch.save` writes them: an archive of the pickle and the storages.
fn pytorch(half: bool) -> Vec<u8> {
    let (pickle, storages) = pickled(half);
    let mut entries = vec![("model/data.pkl".to_owned(), pickle)];
    entries.extend(storages.into_iter().map(|(key, bytes)| (format!("model/data/{key}"), bytes)));
    entries.push(("model/version".to_owned(), b"3\n".to_vec()));
    archive(&entries)
}

/// The parameters as `torch.save` wrote them up to PyTorch 1.5: pickles, the last of them of the
/// storages' numbers, then the storages, each behind how many elements it has.
fn legacy(half: bool) -> Vec<u8> {
    let (pickle, storages) = pickled(half);
    let mut bytes = b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19.".to_vec();
    bytes.extend(b"\x80\x02M\xe9\x03.");
    bytes.extend(b"\x80\x02}X\r\0\0\0little_endian\x88s.");
    bytes.extend(pickle);
    bytes.extend(b"\x80\x02](");
    bytes.extend(storages.iter().flat_map(|(key, _)| word(key)));
    bytes.extend(b"e.");
    for (_, storage) in storages {
        let width = if half { 2 } else { 4 };
        bytes.extend((storage.len() as u64 / width).to_le_bytes());
        bytes.extend(storage);
    }
    bytes
}

/// A zip archive that stores `entries` as they are, without checksums, which `torch.save` may leave
/// out.
fn archive(entries: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut bytes, mut directory) = (Vec::new(), Vec::new());
    for (name, content) in entries {
        let length = (content.len() as u32).to_le_bytes();
        // Method, time, date and checksum are 0.
        let about = [&[0; 10][..], &length, &length, &(name.len() as u16).to_le_bytes(), &[0; 2]];
        let about = about.concat();
        directory.extend([b"PK\x01\x02\x14\0\x14\0\0\0".as_slice(), &about, &[0; 10]].concat());
        directory.extend((bytes.len() as u32).to_le_bytes());
        directory.extend(name.as_bytes());
        bytes.extend([b"PK\x03\x04\x14\0\0\0".as_slice(), &about, name.as_bytes()].concat());
        bytes.extend(content);
    }
    let n = (entries.len() as u16).to_le_bytes();
    let (size, from) = ((directory.len() as u32).to_le_bytes(), (bytes.len() as u32).to_le_bytes());
    bytes.extend(directory);
    bytes.extend([b"PK\x05\x06\0\0\0\0".as_slice(), &n, &n, &size, &from, &[0; 2]].concat());
    bytes
}

/// Does it, and prints the highest anonymous memory meanwhile, less that from before, and the
/// bytes of the network's parameters.
fn measured(what: &str, path: &Path) {
    let device = Device::flex();
    let blank = || Network::blank(LargeConfig {}, &device).unwrap();
    // Before a save the network is there.
    let network = match what {
        "save" => Some(weights::load(blank(), path).unwrap()),
        _ => None,
    };
    let (parameters, peak) = highest(|| match (what, network) {
        (_, Some(network)) => {
            let predictor = Predictor::new(Nothing {}, network, &device);
            predictor.save(path.with_file_name("bundle")).unwrap();
            predictor.parameters()
        }
        ("bundle", _) => {
            Predictor::<Nothing>::load_as::<LargeConfig>(path, &device).unwrap().parameters()
        }
        _ => {
            let file = andiron_weights::open(path).unwrap();
            weights::load_from(blank(), &file).unwrap().parameters()
        }
    });
    println!("measured {peak} {}", parameters * 4);
}

/// What a process of its own takes for it, as a share of the bytes of the network's parameters.
fn share(what: &str, path: &Path) -> f64 {
    let name = "memory::loading_and_saving_need_little_more_memory_than_the_network";
    let child = Command::new(std::env::current_exe().unwrap())
        .args([name, "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, path)
        .env(WHAT, what)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{text}{}", String::from_utf8_lossy(&child.stderr));
    let numbers = text.split("measured ").nth(1).unwrap_or_else(|| panic!("{text}"));
    let mut numbers = numbers.split_whitespace().map(|number| number.parse::<u64>().unwrap());
    let (peak, network) = (numbers.next().unwrap(), numbers.next().unwrap());
    let share = peak as f64 / network as f64;
    println!("{what} {}: {peak} bytes for {network}, {share:.3}", path.display());
    assert!(network > 90_000_000, "the network has only {network} bytes");
    share
}

#[test]
fn loading_and_saving_need_little_more_memory_than_the_network() {
    if let Some(path) = std::env::var_os(CHILD) {
        return measured(&std::env::var(WHAT).unwrap(), Path::new(&path));
    }
    if !cfg!(target_os = "linux") {
        println!("SKIPPED: anonymous memory is measured on Linux only");
        return;
    }
    let folder = tempfile::tempdir().unwrap();
    let path = |name: &str| -> PathBuf { folder.path().join(name) };
    type Make = fn(bool) -> Vec<u8>;
    let kinds: [(&str, Make); 4] = [
        ("model.safetensors", safetensors),
        ("model.gguf", gguf),
        ("model.bin", pytorch),
        ("model.pth", legacy),
    ];
    for (name, make) in kinds {
        for small in [true, false] {
            fs::write(path(name), make(small)).unwrap();
            let share = share("load", &path(name));
            assert!((0.95..1.2).contains(&share), "{name}, small {small}: {share}");
        }
    }
    for small in [true, false] {
        shards(small, &path("sharded"));
        let share = share("load", &path("sharded"));
        assert!((0.95..1.2).contains(&share), "shards, small {small}: {share}");
    }
    // The safetensors file is in single precision now.
    let saved = share("save", &path("model.safetensors"));
    // One tensor at a time, of which burn makes two copies on the way; the largest is 0.64.
    assert!(saved < 1.35, "{saved}");
    let loaded = share("bundle", &path("bundle"));
    assert!((0.95..1.2).contains(&loaded), "a bundle: {loaded}");
    testing::record(
        "weights",
        "loading needs at most 1.2 times the network in memory",
        "safetensors, GGUF and PyTorch files (zip and legacy), shards and bundles; a bundle is saved tensor by tensor",
    );
}
