//! andiron-speech
