//! The networks, one file each.

pub mod resnet;
pub mod small_cnn;
pub mod unet;
pub mod yolox;
