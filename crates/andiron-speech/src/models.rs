//! Networks, one file each.

pub mod conformer;
pub mod ds_cnn;
pub mod ge2e;
pub mod mel_cnn;
pub mod silero_vad;
pub mod statistics_linear;
pub mod whisper;
