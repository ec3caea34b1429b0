//! Fresh parameters depend on configuration and seed, whatever other threads draw.

use crate::{
    mixed::MixedConfig,
    toy::{Fault, PooledConfig},
};
use andiron_core::{ModelConfig, Network, weights};
use burn::tensor::{Device, Distribution, Tensor};
use std::{
    path::Path,
    sync::atomic::{AtomicBool, AtomicUsize, Ordering},
};

fn bytes<C: ModelConfig>(config: C, seed: u64, folder: &Path) -> Vec<u8> {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let path = folder.join(format!("{number}.safetensors"));
    weights::save(&Network::init(config, seed, &Device::flex()).unwrap(), &path).unwrap();
    let bytes = std::fs::read(&path).unwrap();
    std::fs::remove_file(path).unwrap();
    bytes
}

#[test]
fn a_seed_gives_one_network_beside_threads_that_draw() {
    let folder = tempfile::tempdir().unwrap();
    let mixed = |seed| bytes(MixedConfig::new(14, 22), seed, folder.path());
    let pooled = |seed| bytes(PooledConfig::new(Fault::None), seed, folder.path());
    let quiet = (mixed(1), mixed(2), pooled(1));
    assert!(quiet.0 != quiet.1);
    let (stop, drawn) = (AtomicBool::new(false), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        // Two draw as an initialiser does, much and little, and one seeds. The one that draws
        // little disturbs in the same way many times in a row.
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let shape = [14, 22];
                let _ = Tensor::<2>::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex());
                drawn.fetch_add(1, Ordering::Relaxed);
            }
        });
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                let shape = [3, 3];
                let _ = Tensor::<2>::random(shape, Distribution::Normal(0.0, 1.0), &Device::flex());
                let _ = Tensor::<1>::random([51], Distribution::Default, &Device::flex());
            }
        });
        scope.spawn(|| {
            while !stop.load(Ordering::Relaxed) {
                Device::flex().seed(drawn.load(Ordering::Relaxed) as u64);
                std::thread::yield_now();
            }
        });
        let same = (0..60).all(|_| (mixed(1), mixed(2), pooled(1)) == quiet);
        stop.store(true, Ordering::Relaxed);
        assert!(same, "another thread's draws changed a network");
    });
    assert!(drawn.load(Ordering::Relaxed) > 100, "hardly anything was drawn beside");
}

#[test]
fn networks_that_are_made_at_once_are_the_same() {
    let folder = tempfile::tempdir().unwrap();
    let wanted: Vec<Vec<u8>> =
        (0..4).map(|seed| bytes(MixedConfig::new(10, 7), seed, folder.path())).collect();
    std::thread::scope(|scope| {
        for seed in 0..4 {
            let (wanted, folder) = (&wanted, folder.path());
            scope.spawn(move || {
                for _ in 0..10 {
                    let found = bytes(MixedConfig::new(10, 7), seed, folder);
                    assert!(found == wanted[seed as usize], "seed {seed}");
                }
            });
        }
    });
}

#[test]
fn a_network_that_cannot_be_is_refused() {
    let refused = Network::init(MixedConfig::new(7, 9), 1, &Device::flex()).map(|_| ());
    let text = refused.unwrap_err().to_string();
    assert_eq!(text, "d_model must be a multiple of n_heads (2), but is 7");
}
