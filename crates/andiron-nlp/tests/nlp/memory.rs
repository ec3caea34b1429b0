//! How much memory a published decoder takes while it is loaded, beside the network itself. Runs
//! whenever the asset `smollm2` is there.
//!
//! Anonymous memory is what the system cannot drop again; pages of a mapped file it can. The load
//! runs in a process of its own, so that nothing else counts.

use crate::smollm2::asset;
use andiron_core::{device, testing};
use andiron_nlp::published_decoder;
use std::{
    fs,
    path::Path,
    process::Command,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// Set in the process that is measured: the file.
const CHILD: &str = "ANDIRON_TEST_LOADS_GGUF";

/// The highest anonymous memory that was seen.
static PEAK: AtomicU64 = AtomicU64::new(0);

/// This process's anonymous memory in bytes.
fn anonymous() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Loads it, and prints the highest anonymous memory meanwhile, less that from before, and the
/// bytes of the network's parameters.
fn measured(path: &Path) {
    let device = device("flex").unwrap();
    let before = anonymous();
    let measure = || PEAK.fetch_max(anonymous(), Ordering::Relaxed);
    // Ends with the process.
    std::thread::spawn(move || {
        loop {
            measure();
            std::thread::sleep(Duration::from_micros(100));
        }
    });
    let (task, network) = published_decoder::from_gguf(path, &device).unwrap();
    measure();
    let peak = PEAK.load(Ordering::Relaxed);
    println!("measured {} {}", peak - before, network.parameters() * 4);
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
        println!("SKIPPED: anonymous memory is measured on Linux only");
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
