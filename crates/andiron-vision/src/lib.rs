//! andiron-vision
