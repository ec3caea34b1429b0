//! The parts of CSP networks: convolution with normalisation and SiLU, cross-stage layers, spatial
//! pooling and the focus stem, under the names of the `yolox` package.

use andiron_kernels::{Activation, conv2d_norm_act};
use burn::{
    module::Module,
    nn::{
        BatchNorm, BatchNormConfig, PaddingConfig2d,
        conv::{Conv2d, Conv2dConfig},
        pool::{MaxPool2d, MaxPool2dConfig},
    },
    tensor::{Device, Tensor},
};

/// Convolution, normalisation, SiLU.
#[derive(Module, Debug)]
pub(crate) struct BaseConv {
    pub(crate) conv: Conv2d,
    bn: BatchNorm,
}

/// A convolution of any kernel; where it goes channel by channel, `dconv` does and `pconv` mixes the
/// channels, else `pconv` is all of it.
#[derive(Module, Debug)]
pub(crate) struct Conv {
    dconv: Option<BaseConv>,
    pconv: BaseConv,
}

/// Two convolutions, and perhaps the way around them.
#[derive(Module, Debug)]
pub(crate) struct Bottleneck {
    conv1: BaseConv,
    conv2: Conv,
    #[module(skip)]
    shortcut: bool,
}

/// Half of the channels goes through the bottlenecks and half around them.
#[derive(Module, Debug)]
pub(crate) struct CspLayer {
    conv1: BaseConv,
    conv2: BaseConv,
    conv3: BaseConv,
    m: Vec<Bottleneck>,
}

/// The greatest values of neighbourhoods of several sizes side by side.
#[derive(Module, Debug)]
pub(crate) struct SppBottleneck {
    conv1: BaseConv,
    conv2: BaseConv,
    m: Vec<MaxPool2d>,
}

/// The stem takes each square of four pixels as one, with four times the channels.
#[derive(Module, Debug)]
pub(crate) struct Focus {
    pub(crate) conv: BaseConv,
}

/// What the parts are built from.
pub(crate) struct Builder<'a> {
    pub(crate) depthwise: bool,
    pub(crate) device: &'a Device,
}

impl Builder<'_> {
    pub(crate) fn base(
        &self,
        channels: [usize; 2],
        kernel: usize,
        stride: usize,
        groups: usize,
    ) -> BaseConv {
        let pad = (kernel - 1) / 2;
        let conv = Conv2dConfig::new(channels, [kernel, kernel])
            .with_stride([stride, stride])
            .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
            .with_groups(groups)
            .with_bias(false);
        let bn = BatchNormConfig::new(channels[1]).with_epsilon(1e-3).with_momentum(0.03);
        BaseConv { conv: conv.init(self.device), bn: bn.init(self.device) }
    }

    pub(crate) fn point(&self, channels: [usize; 2]) -> BaseConv {
        self.base(channels, 1, 1, 1)
    }

    pub(crate) fn conv(&self, [before, after]: [usize; 2], stride: usize) -> Conv {
        if self.depthwise {
            let dconv = Some(self.base([before, before], 3, stride, before));
            return Conv { dconv, pconv: self.point([before, after]) };
        }
        Conv { dconv: None, pconv: self.base([before, after], 3, stride, 1) }
    }

    pub(crate) fn csp(
        &self,
        [before, after]: [usize; 2],
        blocks: usize,
        shortcut: bool,
    ) -> CspLayer {
        let hidden = after / 2;
        let block = |_| Bottleneck {
            conv1: self.point([hidden, hidden]),
            conv2: self.conv([hidden, hidden], 1),
            shortcut,
        };
        CspLayer {
            conv1: self.point([before, hidden]),
            conv2: self.point([before, hidden]),
            conv3: self.point([2 * hidden, after]),
            m: (0..blocks).map(block).collect(),
        }
    }

    pub(crate) fn spp(&self, channels: usize) -> SppBottleneck {
        let hidden = channels / 2;
        let pool = |kernel: usize| {
            let pad = kernel / 2;
            MaxPool2dConfig::new([kernel, kernel])
                .with_strides([1, 1])
                .with_padding(PaddingConfig2d::Explicit(pad, pad, pad, pad))
                .init()
        };
        SppBottleneck {
            conv1: self.point([channels, hidden]),
            conv2: self.point([4 * hidden, channels]),
            m: [5, 9, 13].map(pool).into(),
        }
    }
}

impl BaseConv {
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        conv2d_norm_act(x, &self.conv, &self.bn, Activation::Silu)
    }
}

impl Conv {
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = match &self.dconv {
            Some(dconv) => dconv.forward(x),
            None => x,
        };
        self.pconv.forward(x)
    }
}

impl CspLayer {
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let mut through = self.conv1.forward(x.clone());
        for block in &self.m {
            let next = block.conv2.forward(block.conv1.forward(through.clone()));
            through = if block.shortcut { next + through } else { next };
        }
        self.conv3.forward(Tensor::cat(vec![through, self.conv2.forward(x)], 1))
    }
}

impl SppBottleneck {
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.conv1.forward(x);
        let pooled = self.m.iter().map(|pool| pool.forward(x.clone()));
        let all = std::iter::once(x.clone()).chain(pooled).collect();
        self.conv2.forward(Tensor::cat(all, 1))
    }
}

impl Focus {
    /// The four pixels of a square in the order top left, bottom left, top right, bottom right.
    pub(crate) fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let [batch, channels, height, width] = x.dims();
        let (rows, columns) = (height / 2, width / 2);
        let squares = x
            .reshape([batch, channels, rows, 2, columns, 2])
            .permute([0, 5, 3, 1, 2, 4])
            .reshape([batch, 4 * channels, rows, columns]);
        self.conv.forward(squares)
    }
}
