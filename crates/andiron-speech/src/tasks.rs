//! What can be learnt from sound, one file a task.

pub mod audio_classification;
pub mod keyword_spotting;
pub mod speaker_embedding;
pub mod speech_recognition;
pub mod voice_activity;
