//! YOLOX: one pass over an image, and for each cell of three grids a box, whether an object is
//! there, and of which class.
//!
//! Paper: Ge, Liu, Wang, Li & Sun 2021, <https://arxiv.org/abs/2107.08430>.
//! Differs from it: the channels of an image are a setting; the paper's are three.
//!
//! CSPDarknet (Wang et al. 2019, <https://arxiv.org/abs/1911.11929>) gives features of three sizes,
//! a path-aggregation pyramid (Liu et al. 2018, <https://arxiv.org/abs/1803.01534>) mixes them, and
//! a decoupled head (section 2.1 of the paper) answers for each. Weights are saved under the names
//! of the `yolox` package, version 0.3.0 (`backbone.backbone.dark3.1.m.0.conv2.dconv.conv.weight`).
//!
//! ```
//! use andiron_core::{Model, ModelConfig};
//! use andiron_vision::models::yolox::YoloxConfig;
//! use burn::tensor::{Device, Tensor};
//!
//! let device = Device::flex();
//! let model = YoloxConfig::nano(3).with_width(0.0625).init(&device)?;
//! let grid = model.forward(Tensor::zeros([2, 3, 64, 96], &device));
//! // 8 × 12 cells of 8 pixels, 4 × 6 of 16 and 2 × 3 of 32; 4 + 1 numbers and 3 classes each.
//! assert_eq!(grid.numbers.dims(), [2, 126, 8]);
//! # Ok::<(), andiron_core::ConfigError>(())
//! ```

use crate::{
    grid::{GridBoxes, Level},
    layers::csp::{BaseConv, Builder, Conv, CspLayer, Focus, SppBottleneck},
};
use andiron_core::{ConfigError, Model, ModelConfig};
use burn::{
    config::Config,
    module::Module,
    nn::{
        Initializer,
        conv::{Conv2d, Conv2dConfig},
    },
    tensor::{Device, Tensor, assert_shape},
};

/// The sides of the cells of the three grids, in pixels.
pub const STRIDES: [usize; 3] = [8, 16, 32];
/// What the logits of objects and classes say at first: one in a hundred (Lin et al. 2017,
/// <https://arxiv.org/abs/1708.02002>, section 4.1).
const PRIOR: f64 = 0.01;

/// Settings of a [`Yolox`].
#[derive(Config, Debug)]
pub struct YoloxConfig {
    /// Classes of objects; 1 or more.
    pub n_classes: usize,
    /// Share of the full network's width, above 0; 64 times it must be a whole number.
    #[config(default = 0.25)]
    pub width: f64,
    /// Share of the full network's depth, above 0.
    #[config(default = 0.33)]
    pub depth: f64,
    /// Whether convolutions of 3 × 3 go channel by channel, with one of 1 × 1 behind.
    #[config(default = true)]
    pub depthwise: bool,
    /// Channels of an image; 1 or more.
    #[config(default = 3)]
    pub channels: usize,
}

impl YoloxConfig {
    /// YOLOX-Nano: 0.91 million parameters with 80 classes.
    pub fn nano(n_classes: usize) -> Self {
        Self::new(n_classes)
    }

    /// YOLOX-Tiny: 5.06 million parameters with 80 classes.
    pub fn tiny(n_classes: usize) -> Self {
        Self::new(n_classes).with_width(0.375).with_depthwise(false)
    }

    /// YOLOX-S: 8.97 million parameters with 80 classes.
    pub fn s(n_classes: usize) -> Self {
        Self::new(n_classes).with_width(0.5).with_depthwise(false)
    }

    /// Channels behind the stem; the rest are multiples of it.
    fn base(&self) -> usize {
        (self.width * 64.0) as usize
    }

    /// Blocks of a stage that has `full` in the full network, rounded as Python does.
    fn blocks(&self, full: usize) -> usize {
        (full as f64 * self.depth).round_ties_even() as usize
    }
}

#[derive(Module, Debug)]
struct Stage {
    down: Conv,
    spp: Option<SppBottleneck>,
    csp: CspLayer,
}

// What there are several of stands in lists, on the heap: as fields side by side they would make a
// value that is too large to be handed about on the stack of a thread.

/// The stem and four stages, each half as large as the one before.
#[derive(Module, Debug)]
struct CspDarknet {
    stem: Focus,
    dark: Vec<Stage>,
}

/// The pyramid: to the finest grid with `laterals` and the first two layers, and back with `downs` and
/// the others.
#[derive(Module, Debug)]
struct Pafpn {
    backbone: CspDarknet,
    laterals: Vec<BaseConv>,
    downs: Vec<Conv>,
    layers: Vec<CspLayer>,
}

/// Our place of a list in the network, and what the `yolox` package calls it.
const NAMES: [(&str, &str); 12] = [
    (".dark.0.", ".dark2."),
    (".dark.1.", ".dark3."),
    (".dark.2.", ".dark4."),
    (".dark.3.", ".dark5."),
    ("backbone.laterals.0.", "backbone.lateral_conv0."),
    ("backbone.laterals.1.", "backbone.reduce_conv1."),
    ("backbone.downs.0.", "backbone.bu_conv2."),
    ("backbone.downs.1.", "backbone.bu_conv1."),
    ("backbone.layers.0.", "backbone.C3_p4."),
    ("backbone.layers.1.", "backbone.C3_p3."),
    ("backbone.layers.2.", "backbone.C3_n3."),
    ("backbone.layers.3.", "backbone.C3_n4."),
];

#[derive(Module, Debug)]
struct Head {
    stems: Vec<BaseConv>,
    cls_convs: Vec<Vec<Conv>>,
    reg_convs: Vec<Vec<Conv>>,
    cls_preds: Vec<Conv2d>,
    reg_preds: Vec<Conv2d>,
    obj_preds: Vec<Conv2d>,
}

/// Backbone, pyramid and head; built by [`YoloxConfig`].
#[derive(Module, Debug)]
pub struct Yolox {
    backbone: Pafpn,
    head: Head,
}

impl Builder<'_> {
    fn darknet(&self, config: &YoloxConfig) -> CspDarknet {
        let base = config.base();
        let few = config.blocks(3).max(1);
        let stage = |times: usize, blocks: usize| Stage {
            down: self.conv([base * times / 2, base * times], 2),
            spp: (times == 16).then(|| self.spp(base * times)),
            csp: self.csp([base * times; 2], blocks, times != 16),
        };
        CspDarknet {
            stem: Focus { conv: self.base([4 * config.channels, base], 3, 1, 1) },
            dark: vec![stage(2, few), stage(4, 3 * few), stage(8, 3 * few), stage(16, few)],
        }
    }

    fn pafpn(&self, config: &YoloxConfig) -> Pafpn {
        let [small, middle, large] = [4, 8, 16].map(|times| config.base() * times);
        let blocks = config.blocks(3);
        Pafpn {
            backbone: self.darknet(config),
            laterals: vec![self.point([large, middle]), self.point([middle, small])],
            downs: vec![self.conv([small, small], 2), self.conv([middle, middle], 2)],
            layers: vec![
                self.csp([2 * middle, middle], blocks, false),
                self.csp([2 * small, small], blocks, false),
                self.csp([2 * small, middle], blocks, false),
                self.csp([2 * middle, large], blocks, false),
            ],
        }
    }

    fn head(&self, config: &YoloxConfig) -> Head {
        let hidden = 4 * config.base();
        let two = || vec![self.conv([hidden, hidden], 1), self.conv([hidden, hidden], 1)];
        let answer =
            |numbers: usize| Conv2dConfig::new([hidden, numbers], [1, 1]).init(self.device);
        let rare = |numbers: usize| {
            let value = -((1.0 - PRIOR) / PRIOR).ln();
            let bias = Initializer::Constant { value }.init([numbers], self.device);
            Conv2d { bias: Some(bias), ..answer(numbers) }
        };
        Head {
            stems: [4, 8, 16].map(|times| self.point([config.base() * times, hidden])).into(),
            cls_convs: STRIDES.map(|_| two()).into(),
            reg_convs: STRIDES.map(|_| two()).into(),
            cls_preds: STRIDES.map(|_| rare(config.n_classes)).into(),
            reg_preds: STRIDES.map(|_| answer(4)).into(),
            obj_preds: STRIDES.map(|_| rare(1)).into(),
        }
    }
}

impl ModelConfig for YoloxConfig {
    const ARCHITECTURE: &'static str = "yolox";
    type Model = Yolox;

    fn init(&self, device: &Device) -> Result<Yolox, ConfigError> {
        ConfigError::at_least("n_classes", 1, self.n_classes)?;
        ConfigError::at_least("channels", 1, self.channels)?;
        ConfigError::within("width", 1.0 / 64.0, 4.0, self.width)?;
        ConfigError::within("depth", 0.1, 4.0, self.depth)?;
        if (self.width * 64.0).fract() != 0.0 {
            return Err(ConfigError::Kind {
                field: "width".to_owned(),
                got: self.width.to_string(),
                reason: "64 times it must be a whole number of channels".to_owned(),
            });
        }
        let builder = Builder { depthwise: self.depthwise, device };
        Ok(Yolox { backbone: builder.pafpn(self), head: builder.head(self) })
    }

    /// The names of the `yolox` package: a stage is a list, and a plain convolution has no parts.
    fn weight_name(&self, path: &str) -> String {
        let named = |path: String, (ours, theirs): &(&str, &str)| path.replace(ours, theirs);
        let path = NAMES.iter().fold(path.to_owned(), named);
        let path = if self.depthwise { path } else { path.replace(".pconv.", ".") };
        let csp = if path.contains(".dark5.") { ".2." } else { ".1." };
        path.replace(".down.", ".0.").replace(".spp.", ".1.").replace(".csp.", csp)
    }
}

impl Stage {
    fn forward(&self, x: Tensor<4>) -> Tensor<4> {
        let x = self.down.forward(x);
        let x = match &self.spp {
            Some(spp) => spp.forward(x),
            None => x,
        };
        self.csp.forward(x)
    }
}

/// Each value as a square of four.
fn doubled(x: Tensor<4>) -> Tensor<4> {
    let [batch, channels, height, width] = x.dims();
    x.reshape([batch, channels, height, 1, width, 1])
        .expand([batch, channels, height, 2, width, 2])
        .reshape([batch, channels, 2 * height, 2 * width])
}

impl Pafpn {
    /// The features for the three grids, the finest first.
    fn forward(&self, images: Tensor<4>) -> [Tensor<4>; 3] {
        let [first, second, third, fourth] = [0, 1, 2, 3].map(|at| &self.backbone.dark[at]);
        let [to_middle, to_fine, from_fine, from_middle] = [0, 1, 2, 3].map(|at| &self.layers[at]);
        let stem = self.backbone.stem.forward(images);
        let fine = second.forward(first.forward(stem));
        let middle = third.forward(fine.clone());
        let coarse = self.laterals[0].forward(fourth.forward(middle.clone()));
        let down = Tensor::cat(vec![doubled(coarse.clone()), middle], 1);
        let reduced = self.laterals[1].forward(to_middle.forward(down));
        let fine = to_fine.forward(Tensor::cat(vec![doubled(reduced.clone()), fine], 1));
        let up = Tensor::cat(vec![self.downs[0].forward(fine.clone()), reduced], 1);
        let middle = from_fine.forward(up);
        let up = Tensor::cat(vec![self.downs[1].forward(middle.clone()), coarse], 1);
        [fine, middle, from_middle.forward(up)]
    }
}

impl Head {
    /// The numbers of each cell of one grid, `[batch, cells, 5 + classes]`.
    fn forward(&self, level: usize, features: Tensor<4>) -> Tensor<3> {
        let x = self.stems[level].forward(features);
        let through = |convs: &[Conv], x| convs.iter().fold(x, |x, conv| conv.forward(x));
        let classes = self.cls_preds[level].forward(through(&self.cls_convs[level], x.clone()));
        let region = through(&self.reg_convs[level], x);
        let boxes = self.reg_preds[level].forward(region.clone());
        let objects = self.obj_preds[level].forward(region);
        Tensor::cat(vec![boxes, objects, classes], 1).flatten::<3>(2, 3).swap_dims(1, 2)
    }
}

impl Model for Yolox {
    type Input = Tensor<4>;
    type Output = GridBoxes;

    /// # Shapes
    /// - images: `[batch, channels, height, width]`, each side a multiple of 32, values 0 to 255 for
    ///   published weights
    /// - output: `[batch, cells, 5 + classes]`, the cells of the finest grid first
    fn forward(&self, images: Tensor<4>) -> GridBoxes {
        let channels = self.backbone.backbone.stem.conv.conv.weight.dims()[1] / 4;
        assert_shape!(images, [_, channels, _, _]);
        let [_, _, height, width] = images.dims();
        let coarsest = STRIDES[2];
        assert!(
            height.is_multiple_of(coarsest) && width.is_multiple_of(coarsest),
            "both sides of an image must be multiples of {coarsest}, but are {height} and {width}"
        );
        let features = self.backbone.forward(images);
        let each = features.into_iter().enumerate().map(|(at, x)| self.head.forward(at, x));
        let level = |stride| Level { height: height / stride, width: width / stride, stride };
        GridBoxes { numbers: Tensor::cat(each.collect(), 1), levels: STRIDES.map(level).into() }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::samples;
    use andiron_core::{Network, testing, weights};

    fn tiny(channels: usize) -> YoloxConfig {
        YoloxConfig::nano(2).with_width(0.0625).with_channels(channels)
    }

    #[test]
    fn keeps_the_contract() {
        testing::Contract::new(samples::detection(64, 32, 1), tiny(1), samples::scenes(1))
            .without(testing::Law::Padding, "images are put into one frame")
            .overfits_in(600, 4e-3)
            .check();
    }

    #[test]
    fn keeps_the_contract_without_depthwise_convolutions() {
        let config = tiny(3).with_depthwise(false);
        testing::Contract::new(samples::detection(128, 64, 3), config, samples::scenes(3))
            .without(testing::Law::Padding, "images are put into one frame")
            .overfits_in(600, 4e-3)
            .check();
    }

    #[test]
    fn settings_are_checked() {
        let refusal =
            |config: YoloxConfig| config.init(&Device::flex()).map(|_| ()).unwrap_err().to_string();
        let usual = || YoloxConfig::nano(3);
        assert_eq!(refusal(YoloxConfig::nano(0)), "n_classes must be at least 1, but is 0");
        assert_eq!(refusal(usual().with_channels(0)), "channels must be at least 1, but is 0");
        assert_eq!(refusal(usual().with_width(0.0)), "width must lie in 0.015625..=4, but is 0");
        assert_eq!(
            refusal(usual().with_width(0.3)),
            "setting \"width\" cannot be 0.3: 64 times it must be a whole number of channels"
        );
        assert!(refusal(usual().with_depth(f64::NAN)).starts_with("depth must lie in"));
    }

    /// Counted with the `yolox` package, version 0.3.0; burn counts the running statistics too.
    #[test]
    fn the_published_ones_have_the_size_of_the_package() {
        for (config, counted) in [
            (YoloxConfig::nano(80), 912_159),
            (YoloxConfig::tiny(80), 5_055_855),
            (YoloxConfig::s(80), 8_968_255),
        ] {
            let model = config.init(&Device::flex()).unwrap();
            let tensors = weights::tensors(&Network { config, model });
            let learnt = tensors.iter().filter(|(name, _)| !name.contains("running_"));
            let count: usize = learnt.map(|(_, shape)| shape.iter().product::<usize>()).sum();
            assert_eq!(count, counted);
        }
    }
}
