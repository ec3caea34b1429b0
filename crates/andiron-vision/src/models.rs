//! The networks, one file each.

pub mod efficientnet_lite;
pub mod mobilenet_v2;
pub mod resnet;
pub mod small_cnn;
pub mod unet;
pub mod vit;
pub mod yolox;
