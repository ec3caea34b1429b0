//! The memory of a process that the system cannot drop again; pages of a mapped file it can.

use std::{
    fs,
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

/// The highest that was seen.
static PEAK: AtomicU64 = AtomicU64::new(0);

/// This process's anonymous memory in bytes.
fn anonymous() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
}

/// Does it, and gives what it gave and the highest anonymous memory meanwhile, less that from before.
/// Once in a process: the thread that looks on ends with it.
pub(crate) fn highest<T>(doing: impl FnOnce() -> T) -> (T, u64) {
    let before = anonymous();
    let measure = || PEAK.fetch_max(anonymous(), Ordering::Relaxed);
    std::thread::spawn(move || {
        loop {
            measure();
            std::thread::sleep(Duration::from_micros(100));
        }
    });
    let done = doing();
    measure();
    (done, PEAK.load(Ordering::Relaxed) - before)
}
