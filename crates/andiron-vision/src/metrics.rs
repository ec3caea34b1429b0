//! What measurements of detection and segmentation are made of.

pub mod coco;
pub mod regions;
