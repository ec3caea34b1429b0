//! andiron-nlp
