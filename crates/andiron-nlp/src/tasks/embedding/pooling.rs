//! From a vector for each token to one for the text.

use burn::tensor::{Bool, Int, Tensor};
use serde::{Deserialize, Serialize};

/// How the tokens' vectors become one. Padding never counts; special tokens do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Pooling {
    /// Their mean.
    Mean,
    /// The first token's, `[CLS]` in BERT.
    Cls,
    /// The last token's.
    Last,
    /// The largest of each number.
    Max,
}

impl Pooling {
    /// # Shapes
    /// - hidden: `[batch, length, d_model]`
    /// - mask: `[batch, length]`, true where a token stands, with at least one in a row
    /// - output: `[batch, d_model]`
    pub fn of(self, hidden: Tensor<3>, mask: Tensor<2, Bool>) -> Tensor<2> {
        let [batch, length, d_model] = hidden.dims();
        let pooled = match self {
            Self::Mean => {
                let mask = mask.float().unsqueeze_dim::<3>(2);
                let count = mask.clone().sum_dim(1).clamp_min(1.0);
                (hidden * mask).sum_dim(1) / count
            }
            Self::Cls => hidden.slice([0..batch, 0..1, 0..d_model]),
            Self::Last => {
                let last = mask.int().sum_dim(1) - 1;
                let places = Tensor::<1, Int>::arange(0..length as i64, &hidden.device());
                let places = places.unsqueeze::<2>().expand([batch, length]);
                let is_last = places.equal(last.expand([batch, length]));
                (hidden * is_last.float().unsqueeze_dim::<3>(2)).sum_dim(1)
            }
            Self::Max => {
                let padding = mask.bool_not().unsqueeze_dim::<3>(2);
                hidden.mask_fill(padding.expand([batch, length, d_model]), -1e9).max_dim(1)
            }
        };
        pooled.reshape([batch, d_model])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Device;

    #[test]
    fn padding_never_counts() {
        let device = Device::flex();
        let hidden = Tensor::<3>::from_data(
            [[[1.0, -4.0], [3.0, -2.0], [99.0, 99.0]], [[5.0, -6.0], [0.0, 1.0], [-2.0, -1.0]]],
            &device,
        );
        let mask = Tensor::<2, Bool>::from_data([[true, true, false], [true, true, true]], &device);
        for (pooling, wanted) in [
            (Pooling::Mean, [2.0, -3.0, 1.0, -2.0]),
            (Pooling::Cls, [1.0, -4.0, 5.0, -6.0]),
            (Pooling::Last, [3.0, -2.0, -2.0, -1.0]),
            (Pooling::Max, [3.0, -2.0, 5.0, 1.0]),
        ] {
            let pooled = pooling.of(hidden.clone(), mask.clone());
            assert_eq!(pooled.dims(), [2, 2]);
            let got: Vec<f32> = pooled.into_data().iter::<f32>().collect();
            assert_eq!(got, wanted, "{pooling:?}");
        }
    }
}
