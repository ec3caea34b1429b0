//! The RIFF/WAVE format: chunks and encodings by [`chunks`], samples by `hound`.

mod chunks;

use super::{Waveform, check_format};
use andiron_core::DataError;
use hound::{SampleFormat, WavReader, WavSpec, WavWriter};
use std::io::{Cursor, Read as _};

fn bad(reason: impl ToString) -> DataError {
    DataError::Decode { what: "WAV audio".to_owned(), reason: reason.to_string() }
}

/// Reads one channel, the mean of all, from a WAV file's bytes.
pub(super) fn read(bytes: &[u8]) -> Result<Waveform, DataError> {
    // It compares what the file promises with the bytes that are there, before any memory is spent on
    // samples.
    let (header, sound) = chunks::walk(bytes)?;
    let mut reader = WavReader::new(header.as_slice().chain(sound)).map_err(bad)?;
    let spec = reader.spec();
    let channels = usize::from(spec.channels);
    check_format(spec.sample_rate, u64::from(reader.duration()))?;
    let values: Vec<f32> = match spec.sample_format {
        SampleFormat::Float => reader.samples::<f32>().collect::<Result<_, _>>().map_err(bad)?,
        SampleFormat::Int => {
            // 8 to 32 bits: the walk has refused the rest.
            let scale = 2f64.powi(1 - i32::from(spec.bits_per_sample));
            let value = |sample: Result<i32, _>| sample.map(|v| (f64::from(v) * scale) as f32);
            reader.samples::<i32>().map(value).collect::<Result<_, _>>().map_err(bad)?
        }
    };
    let samples = if channels == 1 { values } else { mixed(&values, channels) };
    Waveform::new(samples, spec.sample_rate)
}

/// The mean over the channels of interleaved values.
pub(super) fn mixed(values: &[f32], channels: usize) -> Vec<f32> {
    let mean = |frame: &[f32]| {
        let sum: f64 = frame.iter().map(|value| f64::from(*value)).sum();
        (sum / channels as f64) as f32
    };
    values.chunks_exact(channels).map(mean).collect()
}

/// Writes a WAV file of 32-bit floats.
pub(super) fn write(wave: &Waveform) -> Result<Vec<u8>, DataError> {
    let spec = WavSpec {
        channels: 1,
        sample_rate: wave.rate,
        bits_per_sample: 32,
        sample_format: SampleFormat::Float,
    };
    let mut bytes = Cursor::new(Vec::new());
    let mut writer = WavWriter::new(&mut bytes, spec).map_err(bad)?;
    for sample in &wave.samples {
        writer.write_sample(*sample).map_err(bad)?;
    }
    writer.finalize().map_err(bad)?;
    Ok(bytes.into_inner())
}

#[cfg(test)]
mod tests;
