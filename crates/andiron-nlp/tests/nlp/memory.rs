//! How much memory a published decoder takes while it is loaded, beside the network itself. Runs
//! whenever the asset `smollm2` is there.
//!
//! Anonymous memory is what the system cannot drop again; pages of a mapped file it can. The load
//! runs in a process of its own, so that nothing else counts.

use crate::{
    anonymous::highest,
    smollm2::{asset, say},
};
use andiron_core::{device, testing};
use andiron_nlp::published_decoder;
use std::{path::Path, process::Command};

/// Set in the process that is measured: the file.
const CHILD: &str = "ANDIRON_TEST_LOADS_GGUF";

/// Loads it, and prints the highest anonymous memory meanwhile, less that from before, and the
/// bytes of the network's parameters.
fn measured(path: &Path) {
    let device = device("flex").unwrap();
    let ((task, network), peak) = highest(|| published_decoder::from_gguf(path, &device).unwrap());
    println!("measured {peak} {}", network.parameters() * 4);
    // The tokenizer is there as well.
    assert!(task.max_length > 0);
}

#[test]
fn a_decoder_needs_little_more_memory_than_its_network() {
    if let Some(path) = std::env::var_os(CHILD) {
        return measured(Path::new(&path));
    }
    let Some(path) = asset("smollm2/SmolLM2-135M-Instruct.Q4_1.gguf") else { return };
    if !cfg!(target_os = "linux") {
        say("anonymous memory is measured on Linux only");
        return;
    }
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["memory::a_decoder_needs_little_more_memory_than_its_network", "--exact"])
        .args(["--nocapture", "--test-threads=1"])
        .env(CHILD, path)
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{text}{}", String::from_utf8_lossy(&child.stderr));
    let numbers = text.split("measured ").nth(1).unwrap_or_else(|| panic!("{text}"));
    let mut numbers = numbers.split_whitespace().map(|number| number.parse::<u64>().unwrap());
    let (peak, network) = (numbers.next().unwrap(), numbers.next().unwrap());
    let share = peak as f64 / network as f64;
    println!("SmolLM2-135M: {peak} bytes for {network}, {share:.3}");
    assert!(network > 500_000_000, "the network has only {network} bytes");
    assert!((0.95..1.2).contains(&share), "{share}");
    testing::record(
        "published",
        "SmolLM2-135M-Instruct, memory",
        "loading its GGUF file needs at most 1.2 times the network in memory, tokenizer included",
    );
}
