//! Vision from outside, in one program: burn is linked once.
#![allow(clippy::unwrap_used, reason = "tests")]

mod digits;
mod efficientnet_lite;
mod front_end;
mod golden;
mod image_networks;
mod metrics;
mod objects;
mod support;
mod unet;
mod yolox;
