//! An hour of sound through a stream: what is held does not grow. A file of its own, so that no
//! other test takes memory meanwhile.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use andiron_core::{Network, testing::record};
use andiron_speech::{
    VoiceActivity, models::silero_vad::SileroVadConfig, tasks::voice_activity::VoiceStream,
};
use burn::tensor::Device;
use support::resident;

#[test]
fn an_hour_takes_no_more_memory_than_a_minute() {
    if resident().is_none() {
        return;
    }
    let device = Device::flex();
    let network = Network::init(SileroVadConfig::v6_16k(), 7, &device).unwrap();
    let task = VoiceActivity::new(16_000, 512, 64);
    let mut stream = VoiceStream::new(task, network.model, &device).unwrap();
    // A second that swells, in pieces of 20 ms.
    let second: Vec<f32> = (0..16_000)
        .map(|n| {
            let at = n as f32 / 16e3;
            (at * std::f32::consts::PI).sin() * (0.4 * (at * 900.0).sin() + 0.1 * (at * 9e3).sin())
        })
        .collect();
    let mut after_a_minute = 0;
    for heard in 0..3_600 {
        for chunk in second.chunks(320) {
            stream.push(chunk).unwrap();
        }
        if heard == 59 {
            after_a_minute = resident().unwrap();
        }
    }
    assert_eq!(stream.seconds(), 3_600.0);
    let grown = resident().unwrap().saturating_sub(after_a_minute);
    println!("an hour: {grown} kB more than after a minute");
    assert!(grown < 4 << 10, "{grown} kB");
    record(
        "streaming",
        "voice-activity: silero-vad, an hour in pieces of 20 ms",
        &format!("{grown} kB more than after a minute"),
    );
}
