//! What can be learnt from sound, one file a task.

pub mod audio_classification;
pub mod speech_recognition;
