//! Clips of different lengths side by side.

use crate::frontend::Frames;
use burn::tensor::{Bool, Device, Tensor, TensorData};

/// Front-end frames of several clips; what every model of this crate takes.
#[derive(Debug, Clone)]
pub struct AudioBatch {
    /// The numbers of each frame, `[batch, width, frames]`; zero behind a clip's end.
    pub features: Tensor<3>,
    /// Where a clip has a frame, `[batch, frames]`; the frames of a clip come first.
    pub mask: Tensor<2, Bool>,
}

impl AudioBatch {
    /// Puts clips side by side, each padded with zeros to the longest.
    ///
    /// ```
    /// use andiron_speech::{AudioBatch, frontend::Frames};
    /// use burn::tensor::Device;
    ///
    /// let long = Frames { values: vec![1.0; 3 * 2], width: 2 };
    /// let short = Frames { values: vec![1.0; 2], width: 2 };
    /// let batch = AudioBatch::of(&[long, short], 2, &Device::flex());
    /// assert_eq!(batch.features.dims(), [2, 2, 3]);
    /// assert_eq!(batch.features.sum().into_scalar::<f32>(), 8.0);
    /// ```
    ///
    /// # Panics
    /// If a clip's frames are not `width` wide.
    pub fn of(clips: &[Frames], width: usize, device: &Device) -> Self {
        let longest = clips.iter().map(Frames::len).max().unwrap_or(0);
        let mut features = vec![0f32; clips.len() * width * longest];
        let mut mask = vec![false; clips.len() * longest];
        for (at, clip) in clips.iter().enumerate() {
            assert_eq!(clip.width, width, "the front end gives frames of one width");
            let part = &mut features[at * width * longest..(at + 1) * width * longest];
            for (t, row) in clip.rows().enumerate() {
                mask[at * longest + t] = true;
                for (band, value) in row.iter().enumerate() {
                    part[band * longest + t] = *value;
                }
            }
        }
        let features = TensorData::new(features, [clips.len(), width, longest]);
        let mask = TensorData::new(mask, [clips.len(), longest]);
        Self {
            features: Tensor::from_data(features, device),
            mask: Tensor::from_data(mask, device),
        }
    }
}
