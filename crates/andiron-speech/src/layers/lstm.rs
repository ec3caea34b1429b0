//! A layer of long short-term memory.

use andiron_kernels::{Activation, linear, linear_by_rows};
use burn::{
    module::{Module, Param},
    nn::{Linear, LinearConfig},
    tensor::{Device, Tensor, activation::sigmoid, assert_shape, s},
};

/// One layer, with the two biases that PyTorch's has:
///
/// ```text
/// [i, f, g, o] = x W + b + h V + d        c' = σ(f) c + σ(i) tanh(g)        h' = σ(o) tanh(c')
/// ```
///
/// Paper: Hochreiter & Schmidhuber 1997, <https://doi.org/10.1162/neco.1997.9.8.1735>, with the
/// forget gate of Gers, Schmidhuber & Cummins 2000, <https://doi.org/10.1162/089976600300015015>.
///
/// ```
/// use andiron_speech::layers::Lstm;
/// use burn::tensor::{Device, Tensor};
///
/// let device = Device::flex();
/// let layer = Lstm::init(5, 3, &device);
/// let (outputs, last) = layer.forward(Tensor::ones([2, 7, 5], &device), None);
/// assert_eq!((outputs.dims(), last.hidden.dims()), ([2, 7, 3], [2, 3]));
/// ```
#[derive(Module, Debug)]
pub struct Lstm {
    input: Linear,
    hidden: Linear,
}

/// What a layer carries from one step to the next.
#[derive(Debug, Clone)]
pub struct LstmState {
    /// The output of the last step, `[batch, d_hidden]`.
    pub hidden: Tensor<2>,
    /// The cells, `[batch, d_hidden]`.
    pub cell: Tensor<2>,
}

impl LstmState {
    /// What there is before the first step: zeros.
    pub fn zeros(batch: usize, d_hidden: usize, device: &Device) -> Self {
        let zeros = || Tensor::zeros([batch, d_hidden], device);
        Self { hidden: zeros(), cell: zeros() }
    }
}

impl Lstm {
    /// A layer from `d_in` numbers a step to `d_hidden`; both 1 or more. Its parameters go by the
    /// names `input` and `hidden`; PyTorch's are `weight_ih`, `weight_hh` and so on, see
    /// [`torch_name`](Self::torch_name).
    pub fn init(d_in: usize, d_hidden: usize, device: &Device) -> Self {
        let map = |d_in| LinearConfig::new(d_in, 4 * d_hidden).init(device);
        Self { input: map(d_in), hidden: map(d_hidden) }
    }

    /// PyTorch's name for the parameter of a layer at `rest` (`input.weight`): `weight_ih`.
    pub fn torch_name(rest: &str) -> Option<&'static str> {
        match rest {
            "input.weight" => Some("weight_ih"),
            "input.bias" => Some("bias_ih"),
            "hidden.weight" => Some("weight_hh"),
            "hidden.bias" => Some("bias_hh"),
            _ => None,
        }
    }

    /// Numbers that a step takes.
    pub fn d_in(&self) -> usize {
        self.input.weight.dims()[0]
    }

    /// Numbers that a step gives.
    pub fn d_hidden(&self) -> usize {
        self.hidden.weight.dims()[0]
    }

    /// All steps, from `state` on, or from zeros. On Flex, outside training, the steps of one sound
    /// (a batch of 1) that come one by one give to the last bit what they give at once.
    ///
    /// # Shapes
    /// - x: `[batch, steps, d_in]`, a step or more
    /// - output: `[batch, steps, d_hidden]`, and the state behind the last step
    pub fn forward(&self, x: Tensor<3>, state: Option<LstmState>) -> (Tensor<3>, LstmState) {
        let [batch, steps, _] = x.dims();
        let d_hidden = self.d_hidden();
        let mut state = state.unwrap_or_else(|| LstmState::zeros(batch, d_hidden, &x.device()));
        assert_shape!(state.hidden, [batch, d_hidden]);
        let bias = |map: &Linear| map.bias.as_ref().map(Param::val);
        // One sound may come in pieces; many at once are whole, and a product of matrices is faster.
        let product = if batch == 1 { linear_by_rows::<3> } else { linear::<3> };
        let given = product(x, self.input.weight.val(), bias(&self.input), Activation::None);
        let (weight, bias) = (self.hidden.weight.val(), bias(&self.hidden));
        let mut outputs = Vec::with_capacity(steps);
        for step in 0..steps {
            let given = given.clone().slice(s![.., step..step + 1, ..]).squeeze_dim::<2>(1);
            let kept = linear(state.hidden, weight.clone(), bias.clone(), Activation::None);
            state = gates(given + kept, state.cell);
            outputs.push(state.hidden.clone().unsqueeze_dim::<3>(1));
        }
        (Tensor::cat(outputs, 1), state)
    }
}

/// The step behind the linear maps.
fn gates(all: Tensor<2>, cell: Tensor<2>) -> LstmState {
    let [_, d_hidden] = cell.dims();
    let gate = |at: usize| all.clone().slice(s![.., at * d_hidden..(at + 1) * d_hidden]);
    let cell = sigmoid(gate(1)) * cell + sigmoid(gate(0)) * gate(2).tanh();
    LstmState { hidden: sigmoid(gate(3)) * cell.clone().tanh(), cell }
}

#[cfg(test)]
mod tests {
    use super::*;
    use burn::tensor::Distribution;

    #[test]
    fn steps_one_by_one_give_what_they_give_at_once() {
        let device = Device::flex();
        let layer = Lstm::init(5, 7, &device);
        let x = Tensor::<3>::random([1, 11, 5], Distribution::Default, &device);
        let (all, last) = layer.forward(x.clone(), None);
        let mut state = None;
        for (from, to) in [(0, 1), (1, 6), (6, 11)] {
            let (part, after) = layer.forward(x.clone().slice(s![.., from..to, ..]), state);
            assert_eq!(part.into_data(), all.clone().slice(s![.., from..to, ..]).into_data());
            state = Some(after);
        }
        let state = state.map(|state| state.cell.into_data());
        assert_eq!(state, Some(last.cell.into_data()));
    }
}
