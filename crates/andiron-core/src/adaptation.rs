//! Which parameters of a network a training moves: all, those of the head, or small ones beside the
//! frozen weights.

use crate::ConfigError;
use burn::{
    module::{LoraAdapter, Module, ModuleVisitor, Param, ParamId, Reparameterizer},
    tensor::{Device, Distribution, Tensor},
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;

/// How a network that was trained before is trained on: a field of the configuration of a network
/// with a head. The head, which is new, is trained in each case.
///
/// ```
/// use andiron_core::Adaptation;
///
/// let lora: Adaptation = serde_json::from_str(r#"{"kind": "lora", "rank": 4}"#)?;
/// assert_eq!(lora, Adaptation::Lora { rank: 4, alpha: 16.0, targets: Vec::new() });
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Adaptation {
    /// All parameters are trained.
    Full {},
    /// The head alone is trained.
    Frozen {},
    /// Low-rank adaptation (Hu et al. 2021, <https://arxiv.org/abs/2106.09685>, equation 3): beside
    /// each of the chosen weights `W`, which stay as they are, two factors are trained, so that
    /// `W + alpha / rank · B A` takes its place. Biases, normalisations and tables of embeddings
    /// stay as they are, too.
    Lora {
        /// Rows of `A` and columns of `B`; 1 or more.
        #[serde(default = "rank")]
        rank: usize,
        /// Factor of the product, before it is divided by the rank; above 0.
        #[serde(default = "alpha")]
        alpha: f64,
        /// The linear maps whose weights are adapted, by their field's name; all those outside the
        /// head if there is none. Of an encoder these are the maps of its attention and its
        /// feed-forward part.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        targets: Vec<String>,
    },
}

fn rank() -> usize {
    8
}

fn alpha() -> f64 {
    16.0
}

impl Default for Adaptation {
    /// All parameters are trained.
    fn default() -> Self {
        Self::Full {}
    }
}

impl Adaptation {
    /// Low-rank adaptation of all linear maps.
    pub fn lora(rank: usize, alpha: f64) -> Self {
        Self::Lora { rank, alpha, targets: Vec::new() }
    }

    /// Whether nothing but the head is trained.
    pub fn is_frozen(&self) -> bool {
        matches!(self, Self::Frozen {})
    }

    /// Whether there are factors beside the weights.
    pub fn is_lora(&self) -> bool {
        matches!(self, Self::Lora { .. })
    }

    /// `model` with its parameters frozen and adapted so; `is_head` tells those of the head by their
    /// path. To be called where the network is built: nothing is drawn, and whoever loads, resumes
    /// or initialises the network finds the factors there.
    ///
    /// # Errors
    /// [`ConfigError::TooSmall`], [`ConfigError::OutOfRange`], and [`ConfigError::Kind`] for a target
    /// that the network has not.
    pub fn apply<M: Module>(
        &self,
        model: M,
        is_head: impl Fn(&str) -> bool,
    ) -> Result<M, ConfigError> {
        let adapt = match self {
            Self::Full {} => return Ok(model),
            Self::Frozen {} => {
                Adapt { is_head: &is_head, chosen: BTreeSet::new(), rank: 1, scale: 1.0 }
            }
            Self::Lora { rank, alpha, targets } => {
                ConfigError::at_least("adaptation.rank", 1, *rank)?;
                let least = f64::from(f32::MIN_POSITIVE);
                ConfigError::within("adaptation.alpha", least, 1e6, *alpha)?;
                let chosen = chosen(&model, &is_head, targets)?;
                Adapt { is_head: &is_head, chosen, rank: *rank, scale: alpha / *rank as f64 }
            }
        };
        // burn's `Lora` looks at the values of all weights, which would draw them here.
        Ok(model.apply_reparameterization(adapt))
    }
}

/// The paths of the weights to be adapted.
fn chosen<M: Module>(
    model: &M,
    is_head: impl Fn(&str) -> bool,
    targets: &[String],
) -> Result<BTreeSet<String>, ConfigError> {
    let mut maps = Maps::default();
    model.visit(&mut maps);
    let maps: Vec<(String, String)> =
        maps.found.into_iter().filter(|(path, _)| !is_head(path)).collect();
    let known: BTreeSet<&String> = maps.iter().map(|(_, name)| name).collect();
    if let Some(target) = targets.iter().find(|target| !known.contains(target)) {
        let known: Vec<&str> = known.into_iter().map(String::as_str).collect();
        return Err(ConfigError::Kind {
            field: "adaptation.targets".to_owned(),
            got: format!("{target:?}"),
            reason: format!("the linear maps are {}", known.join(", ")),
        });
    }
    let is_chosen = |name: &String| targets.is_empty() || targets.contains(name);
    Ok(maps.into_iter().filter(|(_, name)| is_chosen(name)).map(|(path, _)| path).collect())
}

/// The weights of linear maps: their paths, and the names of the maps' fields.
#[derive(Default)]
struct Maps {
    path: Vec<String>,
    containers: Vec<String>,
    found: Vec<(String, String)>,
}

impl ModuleVisitor for Maps {
    fn enter_module(&mut self, name: &str, container: &str) {
        self.path.push(name.to_owned());
        self.containers.push(container.to_owned());
    }
    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
        self.containers.pop();
    }
    fn visit_float<const D: usize>(&mut self, _: &Param<Tensor<D>>) {
        if let [.., map, leaf] = self.path.as_slice()
            && leaf == "weight"
            && self.containers.last().is_some_and(|container| container == "Struct:Linear")
        {
            self.found.push((self.path.join("."), map.clone()));
        }
    }
}

struct Adapt<'a> {
    is_head: &'a dyn Fn(&str) -> bool,
    chosen: BTreeSet<String>,
    rank: usize,
    scale: f64,
}

impl Reparameterizer for Adapt<'_> {
    type Reparam = LoraAdapter;

    fn reparameterize<const D: usize>(
        &mut self,
        path: &str,
        param: Param<Tensor<D>>,
    ) -> (Param<Tensor<D>>, Option<LoraAdapter>) {
        if (self.is_head)(path) {
            return (param, None);
        }
        let adapter = self.chosen.contains(path).then(|| {
            let device = param.lazy_device();
            let shape = param.lazy_shape();
            let (from, to) = (shape[0], shape[D - 1]);
            // As the authors' own code and PEFT draw it; the product is zero at first.
            let bound = 1.0 / (from as f64).sqrt();
            let uniform = Distribution::Uniform(-bound, bound);
            LoraAdapter {
                a: factor([from, self.rank], &device, move |shape, device| {
                    Tensor::random(shape, uniform, device)
                }),
                b: factor([self.rank, to], &device, |shape, device| Tensor::zeros(shape, device)),
                scale: self.scale,
            }
        });
        (param.set_require_grad(false), adapter)
    }
}

/// A trainable factor that is made at its first use.
fn factor(
    shape: [usize; 2],
    device: &Device,
    make: impl FnOnce([usize; 2], &Device) -> Tensor<2> + Send + Sync + 'static,
) -> Param<Tensor<2>> {
    let init = move |device: &Device, tracked: bool| make(shape, device).set_require_grad(tracked);
    Param::uninitialized(ParamId::new(), init, device.clone(), true, shape.into())
}
