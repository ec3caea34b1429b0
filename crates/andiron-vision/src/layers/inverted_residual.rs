//! Inverted residual blocks: wide inside, narrow where they meet.
//!
//! Paper: Sandler et al. 2018, <https://arxiv.org/abs/1801.04381>, section 3.3 and figure 4d; used by
//! MobileNetV2 and, with other kernels, by EfficientNet (there called MBConv).

use super::conv_norm::{ConvNorm, Convolution};
use andiron_core::ConfigError;
use andiron_kernels::Activation;
use burn::{
    config::Config,
    module::Module,
    nn::PaddingConfig2d,
    tensor::{Device, Tensor},
};

/// What is put around an image before a convolution.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub enum Border {
    /// Half the kernel on every side, as PyTorch's networks have it.
    Even,
    /// As little as gives `⌈size / stride⌉` places, the odd row or column behind: TensorFlow's
    /// `SAME`.
    Same,
}

impl Border {
    /// A square convolution with this border.
    pub(crate) fn around(
        self,
        channels: [usize; 2],
        kernel: usize,
        stride: usize,
        groups: usize,
    ) -> Convolution {
        let even = Convolution { groups, ..Convolution::new(channels, kernel, stride) };
        match self {
            Self::Even => even,
            Self::Same => Convolution { padding: PaddingConfig2d::Same, ..even },
        }
    }
}

/// Several blocks, of which the first may shrink the image: a row of the papers' tables.
#[derive(Config, Debug, Copy, PartialEq, Eq)]
pub struct Stage {
    /// Channels that each block gives; 1 or more.
    pub channels: usize,
    /// How many blocks; 1 or more.
    pub blocks: usize,
    /// Side of the kernel, odd.
    #[config(default = 3)]
    pub kernel: usize,
    /// Step of the first block: 1 keeps the image's size, 2 halves it.
    #[config(default = 1)]
    pub stride: usize,
    /// How many times as wide a block is inside; 1 or more. With 1 there is no first convolution.
    #[config(default = 6)]
    pub expansion: usize,
}

impl Stage {
    /// # Errors
    /// [`ConfigError`] names the setting that cannot be used.
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        ConfigError::at_least("stages.channels", 1, self.channels)?;
        ConfigError::at_least("stages.blocks", 1, self.blocks)?;
        ConfigError::within("stages.stride", 1.0, 2.0, self.stride as f64)?;
        ConfigError::at_least("stages.expansion", 1, self.expansion)?;
        if self.kernel.is_multiple_of(2) {
            return Err(ConfigError::Kind {
                field: "stages.kernel".to_owned(),
                got: self.kernel.to_string(),
                reason: "an odd number was wanted".to_owned(),
            });
        }
        Ok(())
    }
}

/// The blocks of `stages` behind `before` channels.
///
/// # Errors
/// [`ConfigError`] names the setting that cannot be used.
pub(crate) fn blocks(
    stages: &[Stage],
    mut before: usize,
    border: Border,
    epsilon: f64,
    device: &Device,
) -> Result<Vec<InvertedResidual>, ConfigError> {
    ConfigError::at_least("the length of stages", 1, stages.len())?;
    let mut blocks = Vec::new();
    for stage in stages {
        stage.check()?;
        for at in 0..stage.blocks {
            let stride = if at == 0 { stage.stride } else { 1 };
            let wide = before * stage.expansion;
            let conv = |channels, kernel, stride, groups| {
                border.around(channels, kernel, stride, groups).with_norm(epsilon, device)
            };
            blocks.push(InvertedResidual {
                expand: (stage.expansion > 1).then(|| conv([before, wide], 1, 1, 1)),
                depthwise: conv([wide, wide], stage.kernel, stride, wide),
                project: conv([wide, stage.channels], 1, 1, 1),
                adds: stride == 1 && before == stage.channels,
            });
            before = stage.channels;
        }
    }
    Ok(blocks)
}

/// Widens, looks around in each channel alone, and narrows again; what it was given is added where
/// the sizes agree.
#[derive(Module, Debug)]
pub(crate) struct InvertedResidual {
    expand: Option<ConvNorm>,
    depthwise: ConvNorm,
    project: ConvNorm,
    #[module(skip)]
    adds: bool,
}

impl InvertedResidual {
    /// # Shapes
    /// - x: `[batch, channels, height, width]`
    /// - output: `[batch, channels_out, height_out, width_out]`
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let around = self.adds.then(|| x.clone());
        let wide = match &self.expand {
            Some(expand) => expand.forward(x, Activation::Relu6),
            None => x,
        };
        let wide = self.depthwise.forward(wide, Activation::Relu6);
        // Section 3.2: no function here, since it would lose what the narrow layer holds.
        let narrow = self.project.forward(wide, Activation::None);
        match around {
            Some(around) => narrow + around,
            None => narrow,
        }
    }
}
