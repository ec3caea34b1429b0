//! Setting up a network for recordings holds one of them at a time. A process of its own, so that no
//! other test counts.
#![allow(clippy::unwrap_used, reason = "tests")]

mod support;

use andiron_core::{DataError, Dataset, Example, Recipe as _};
use andiron_speech::{
    Waveform,
    models::{conformer::ConformerConfig, whisper::WhisperConfig},
};
use serde_json::json;
use support::peak;

/// So many recordings, each made when it is asked for.
struct Recordings {
    count: usize,
    samples: usize,
    rate: u32,
}

impl Dataset<Example<Waveform, String>> for Recordings {
    fn len(&self) -> usize {
        self.count
    }

    fn get(&self, index: usize) -> Result<Example<Waveform, String>, DataError> {
        let input = Waveform { samples: vec![0.01 * index as f32; self.samples], rate: self.rate };
        Ok(Example { input, target: "a b".to_owned() })
    }
}

#[test]
fn setting_up_holds_one_recording_at_a_time() {
    let Some(before) = peak() else { return };
    let mebibytes = |data: &Recordings| (data.count * data.samples * 4) >> 20;
    // Thirty seconds each: a network of that window takes them.
    let data = Recordings { count: 200, samples: 480_000, rate: 16_000 };
    assert!(mebibytes(&data) > 350);
    WhisperConfig::prepare(&json!({"seconds": 30.0}), &data).unwrap();
    let data = Recordings { count: 150, samples: 4 * 96_000, rate: 96_000 };
    assert!(mebibytes(&data) > 200);
    let options = json!({"rate": 8_000, "n_mels": 8});
    ConformerConfig::prepare(&options, &data).unwrap();
    let grown = peak().unwrap() - before;
    println!("{grown} KiB more than before");
    assert!(grown < 100 << 10, "{grown} KiB");
}
