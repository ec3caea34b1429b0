//! Every operation against a plain reference in f64, its gradient against finite differences, and
//! its path with autodiff against the one without.
#![allow(clippy::unwrap_used, reason = "tests")]

mod activation;
mod attention;
mod batch_norm;
mod conv;
mod convolutions;
mod dense;
mod depthwise;
mod gelu;
mod linear;
mod norm;
mod random;
mod rotary;
mod softmax;
mod support;
mod threads;
mod transposed;
