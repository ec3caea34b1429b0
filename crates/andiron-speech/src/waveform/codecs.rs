//! FLAC, MP3 and Ogg Vorbis, by `symphonia`, which is under the Mozilla Public License 2.0.

use super::{Waveform, check_format};
use andiron_core::DataError;
use std::io::Cursor;
use symphonia::core::{
    codecs::audio::AudioDecoderOptions,
    errors::Error,
    formats::{FormatOptions, TrackType, probe::Hint},
    io::MediaSourceStream,
    meta::MetadataOptions,
};

/// Reads one channel, the mean of all. `what` says what the bytes look like.
pub(super) fn read(what: &str, bytes: &[u8]) -> Result<Waveform, DataError> {
    let bad = |reason: String| DataError::Decode { what: format!("{what} audio"), reason };
    let failed = |error: Error| bad(error.to_string());
    // The library keeps its source, so it gets a copy: files are small beside their sound.
    let source = MediaSourceStream::new(Box::new(Cursor::new(bytes.to_vec())), Default::default());
    let probe = symphonia::default::get_probe();
    let (format, metadata) = (FormatOptions::default(), MetadataOptions::default());
    let mut reader = probe.probe(&Hint::new(), source, format, metadata).map_err(failed)?;
    let track = reader
        .default_track(TrackType::Audio)
        .ok_or_else(|| bad("it holds no sound".to_owned()))?;
    let id = track.id;
    let parameters = track.codec_params.as_ref().and_then(|parameters| parameters.audio());
    let parameters = parameters.ok_or_else(|| bad("it does not say its codec".to_owned()))?;
    let mut decoder = symphonia::default::get_codecs()
        .make_audio_decoder(parameters, &AudioDecoderOptions::default())
        .map_err(failed)?;
    let promised = track.num_frames.zip(parameters.sample_rate);
    if let Some((frames, rate)) = promised.filter(|(frames, _)| *frames > 0) {
        check_format(rate, frames)?;
    }
    let mut sound = Sound::default();
    while let Some(packet) = reader.next_packet().map_err(failed)? {
        if packet.track_id == id {
            let decoded = decoder.decode(&packet).map_err(failed)?;
            let (rate, channels) = (decoded.spec().rate(), decoded.spec().channels().count());
            let mut interleaved = Vec::new();
            decoded.copy_to_vec_interleaved::<f32>(&mut interleaved);
            if !sound.add(rate, channels, &interleaved)? {
                return Err(bad("its rate or its number of channels changes within".to_owned()));
            }
        }
    }
    let Sound { rate, samples, .. } = sound;
    Waveform::new(samples, rate)
}

/// What was decoded so far.
#[derive(Default)]
struct Sound {
    rate: u32,
    channels: usize,
    samples: Vec<f32>,
}

impl Sound {
    /// Adds a packet's samples; whether they are of the same format as those before.
    fn add(&mut self, rate: u32, channels: usize, samples: &[f32]) -> Result<bool, DataError> {
        if self.channels == 0 {
            (self.rate, self.channels) = (rate, channels);
        }
        if (self.rate, self.channels) != (rate, channels) || channels == 0 {
            return Ok(false);
        }
        // A small file can hold hours: before memory is spent on them. The first packet of Vorbis
        // gives no sample yet.
        let length = self.samples.len() + samples.len() / channels;
        check_format(rate, length.max(1) as u64)?;
        match channels {
            1 => self.samples.extend_from_slice(samples),
            _ => self.samples.extend(super::wav::mixed(samples, channels)),
        }
        Ok(true)
    }
}
