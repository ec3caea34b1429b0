//! Measuring how well hidden words are found.

use super::{AT_ONCE, FillMask, Hidden, Rows, masking::seed_of};
use crate::batch::PickedTokens;
use andiron_core::{
    DataError, Dataset, EvalError, Evaluator, Model, ModelConfig, Predictor, Report, Task,
    data::{ExampleOf, all},
    evaluator::{Bootstrap, Fingerprint, Outcome},
};
use burn::{
    module::Module as _,
    tensor::{Device, Int, Tensor, TensorData, activation::log_softmax},
};

/// The names of the scores, in the order in which they are computed.
const SCORES: [&str; 3] = ["accuracy", "loss", "perplexity"];

/// Hides words of each text and looks at what the network says of them.
///
/// Words are hidden as in training, but those of a text always the same: they depend on `seed` and
/// the text alone. `loss` is the mean of `−ln p` over all hidden tokens of all texts, `perplexity`
/// its exponential, `accuracy` the share of hidden tokens that are the most probable. The intervals
/// are by a bootstrap over the texts. Only models of one tokenizer, length and share can be compared
/// by them: the fingerprint is of these too.
///
/// An outcome is a text: right if all of its hidden tokens are the most probable, and its loss is
/// the mean over them.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct FillMaskEvaluator {
    /// Decides which words are hidden.
    pub seed: u64,
    /// How the intervals are made.
    pub bootstrap: Bootstrap,
}

/// What was said of a text's hidden tokens.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Said {
    /// The sum of `−ln p`.
    loss: f64,
    right: usize,
    tokens: usize,
}

/// Asks a predictor whose network is of one kind; none where it is of another.
pub(super) type Ask = fn(&Predictor<FillMask>, &Rows, u64) -> Option<Result<Vec<Said>, DataError>>;

/// The [`Ask`] for networks that `C` describes.
pub(super) fn ask<C>(
    predictor: &Predictor<FillMask>,
    texts: &Rows,
    seed: u64,
) -> Option<Result<Vec<Said>, DataError>>
where
    C: ModelConfig<Model: Model<Input = PickedTokens, Output = Tensor<2>>>,
{
    let model = &predictor.network::<C>()?.model;
    let devices = model.devices();
    let Some(device) = devices.first() else {
        return Some(Err(DataError::Empty { what: "the network".to_owned() }));
    };
    Some(Ok(said(model, predictor.task().share, texts, seed, device)))
}

impl Evaluator<FillMask> for FillMaskEvaluator {
    fn evaluate(
        &self,
        predictor: &Predictor<FillMask>,
        data: &dyn Dataset<ExampleOf<FillMask>>,
    ) -> Result<Report, EvalError> {
        self.bootstrap.check()?;
        let texts = all(data)?;
        if texts.is_empty() {
            return Err(DataError::Empty { what: "the data set".to_owned() }.into());
        }
        let mut fingerprint = Fingerprint::new();
        fingerprint.add(&self.seed)?;
        // What is hidden, and of how many tokens it is one, follows from these too.
        let FillMask { tokenizer, max_length, share, .. } = predictor.task();
        fingerprint.add(tokenizer)?;
        fingerprint.add(max_length)?;
        fingerprint.add(share)?;
        for (index, text) in texts.iter().enumerate() {
            fingerprint.add(&text.input).map_err(|error| error.at(index, None))?;
        }
        let rows = predictor.task().rows(&texts)?;
        let mut asked = super::ASK.iter().filter_map(|ask| ask(predictor, &rows, self.seed));
        let found = asked.next().unwrap_or_else(|| {
            let got = "asked of a network that is none of this crate's";
            Err(DataError::WrongKind { wanted: "a loss of masked words", got })
        })?;
        let scores = self.bootstrap.scores(found.len(), |indices, out| {
            let mut sum = Said::default();
            for said in indices.iter().map(|at| &found[*at]) {
                sum.loss += said.loss;
                sum.right += said.right;
                sum.tokens += said.tokens;
            }
            let tokens = sum.tokens as f64;
            let loss = sum.loss / tokens;
            out.extend([sum.right as f64 / tokens, loss, loss.exp().min(f64::MAX)]);
        })?;
        Ok(Report::new(
            (FillMask::NAME, predictor.architecture()),
            SCORES.map(str::to_owned).into_iter().zip(scores).collect(),
            found
                .iter()
                .map(|said| Outcome {
                    right: said.right == said.tokens,
                    loss: said.loss / said.tokens as f64,
                })
                .collect(),
            &self.bootstrap,
            fingerprint.finish(),
        ))
    }
}

/// What `model` says of the hidden tokens of each text.
fn said<M>(model: &M, share: f64, rows: &Rows, seed: u64, device: &Device) -> Vec<Said>
where
    M: Model<Input = PickedTokens, Output = Tensor<2>>,
{
    let mut order: Vec<usize> = (0..rows.texts.len()).collect();
    order.sort_by_key(|at| rows.texts[*at].ids.len());
    let mut found = vec![Said::default(); rows.texts.len()];
    for part in order.chunks(AT_ONCE) {
        let texts = part.iter().map(|at| rows.texts[*at].clone()).collect();
        let part_rows = Rows { texts, ..*rows };
        let hidden = part_rows.hide(share, |_, ids| seed_of(seed, ids));
        let (tokens, truth) = part_rows.picked(&hidden, device);
        let log_p = log_softmax(model.forward(tokens), 1);
        let shape = [truth.len(), 1];
        let index = Tensor::<2, Int>::from_data(TensorData::new(truth.clone(), shape), device);
        let own: Vec<f32> = log_p.clone().gather(1, index).into_data().iter::<f32>().collect();
        let best: Vec<i32> = log_p.argmax(1).into_data().iter::<i32>().collect();
        let mut next = 0;
        for (at, Hidden { places, .. }) in part.iter().zip(&hidden) {
            let of_text = next..next + places.len();
            next = of_text.end;
            found[*at] = Said {
                loss: of_text.clone().map(|at| -f64::from(own[at])).sum(),
                right: of_text.clone().filter(|at| best[*at] == truth[*at]).count(),
                tokens: of_text.len(),
            };
        }
    }
    found
}
