//! Networks, one file each.

pub mod conformer;
pub mod mel_cnn;
pub mod statistics_linear;
pub mod whisper;
