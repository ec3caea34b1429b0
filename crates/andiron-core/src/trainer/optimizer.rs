//! The update rules, with PyTorch's settings.

use super::adamw::AdamW;
use crate::{ConfigError, init::Parameter};
use burn::{
    module::ParamGroup,
    optim::{ModuleOptimizer, SgdConfig, decay::WeightDecayConfig, momentum::MomentumConfig},
};
use serde::{Deserialize, Serialize};

/// An update rule. Weight decay never acts on parameters of one axis: biases and the scales and
/// shifts of normalisations.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "kebab-case", deny_unknown_fields)]
pub enum OptimizerConfig {
    /// AdamW (Loshchilov & Hutter 2019, <https://arxiv.org/abs/1711.05101>, algorithm 2).
    #[serde(rename = "adamw")]
    AdamW {
        /// Decay of the mean of the gradients, 0 to 1.
        #[serde(default = "beta_1")]
        beta_1: f32,
        /// Decay of the mean of their squares, 0 to 1.
        #[serde(default = "beta_2")]
        beta_2: f32,
        /// Added to the root of the mean of squares.
        #[serde(default = "epsilon")]
        epsilon: f32,
        /// Decoupled decay, as a share of the learning rate.
        #[serde(default = "weight_decay")]
        weight_decay: f32,
    },
    /// Stochastic gradient descent with momentum, as PyTorch has it: `v ← μ v + g`,
    /// `θ ← θ − η v`, where `g` includes the decay `λ θ`.
    Sgd {
        /// `μ`, 0 to 1; 0 is plain descent.
        #[serde(default)]
        momentum: f64,
        /// `λ`.
        #[serde(default)]
        weight_decay: f32,
    },
}

fn beta_1() -> f32 {
    0.9
}
fn beta_2() -> f32 {
    0.999
}
fn epsilon() -> f32 {
    1e-8
}
fn weight_decay() -> f32 {
    0.01
}

impl OptimizerConfig {
    /// AdamW with PyTorch's settings: β 0.9 and 0.999, ε 1e-8, decay 0.01. burn's own are 1e-5
    /// and 1e-4.
    pub fn adamw() -> Self {
        Self::AdamW {
            beta_1: beta_1(),
            beta_2: beta_2(),
            epsilon: epsilon(),
            weight_decay: weight_decay(),
        }
    }

    /// Stochastic gradient descent with the given momentum and no decay.
    pub fn sgd(momentum: f64) -> Self {
        Self::Sgd { momentum, weight_decay: 0.0 }
    }

    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let below_one = 1.0 - f64::from(f32::EPSILON);
        match *self {
            Self::AdamW { beta_1, beta_2, epsilon, weight_decay } => {
                ConfigError::within("optimizer.beta_1", 0.0, below_one, beta_1.into())?;
                ConfigError::within("optimizer.beta_2", 0.0, below_one, beta_2.into())?;
                ConfigError::within(
                    "optimizer.epsilon",
                    f64::from(f32::MIN_POSITIVE),
                    1.0,
                    epsilon.into(),
                )?;
                ConfigError::within("optimizer.weight_decay", 0.0, 1e3, weight_decay.into())
            }
            Self::Sgd { momentum, weight_decay } => {
                ConfigError::within("optimizer.momentum", 0.0, below_one, momentum)?;
                ConfigError::within("optimizer.weight_decay", 0.0, 1e3, weight_decay.into())
            }
        }
    }

    /// The optimiser for a model with these parameters.
    pub(crate) fn build(&self, parameters: &[Parameter]) -> ModuleOptimizer {
        let ids = parameters.iter().filter(|p| p.shape.len() < 2).map(|p| p.id).collect();
        let undecayed = ParamGroup::from_ids(ids);
        match *self {
            Self::AdamW { beta_1, beta_2, epsilon, weight_decay } => {
                let with = |weight_decay: f32| AdamW {
                    beta_1: beta_1.into(),
                    beta_2: beta_2.into(),
                    epsilon: epsilon.into(),
                    weight_decay: weight_decay.into(),
                };
                ModuleOptimizer::from(with(weight_decay)).with_group(undecayed, with(0.0), None)
            }
            Self::Sgd { momentum, weight_decay } => {
                let with = |decay: f32| {
                    let mut config = SgdConfig::new();
                    if momentum > 0.0 {
                        let rule =
                            MomentumConfig::new().with_momentum(momentum).with_dampening(0.0);
                        config = config.with_momentum(Some(rule));
                    }
                    if decay > 0.0 {
                        config = config.with_weight_decay(Some(WeightDecayConfig::new(decay)));
                    }
                    config
                };
                with(weight_decay).init().with_group(undecayed, with(0.0).build(), None)
            }
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn rules_are_written_as_users_write_them() {
        let adamw: OptimizerConfig = serde_json::from_str(r#"{"kind":"adamw"}"#).unwrap();
        assert_eq!(adamw, OptimizerConfig::adamw());
        let text =
            r#"{"kind":"adamw","beta_1":0.9,"beta_2":0.98,"epsilon":1e-8,"weight_decay":0.05}"#;
        let adamw: OptimizerConfig = serde_json::from_str(text).unwrap();
        assert_eq!(serde_json::to_string(&adamw).unwrap(), text);
        let sgd: OptimizerConfig =
            serde_json::from_str(r#"{"kind":"sgd","momentum":0.9}"#).unwrap();
        assert_eq!(sgd, OptimizerConfig::sgd(0.9));
        for wrong in [r#"{"kind":"adam"}"#, r#"{"kind":"sgd","nesterov":true}"#] {
            assert!(serde_json::from_str::<OptimizerConfig>(wrong).is_err(), "{wrong}");
        }
        assert_eq!(OptimizerConfig::adamw().check(), Ok(()));
        assert_eq!(OptimizerConfig::sgd(0.0).check(), Ok(()));
    }
}
