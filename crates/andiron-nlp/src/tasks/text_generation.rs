//! The continuation of a text, and answers in a conversation.

mod input;
mod perplexity;
mod pieces;
mod published;
mod recipe;
mod sampling;
mod write;

pub use input::{Prompt, Request};
pub use perplexity::{Windows, log_probability};
pub use published::PUBLISHED;
pub use recipe::DecoderOptions;
pub use sampling::{DEFAULT_MAX_TOKENS, Sampling};
pub use write::{Reader, Silent};

use crate::{
    batch::TextBatch,
    chat::ChatTemplate,
    decoder::Decoder,
    models::{gpt2::Gpt2Config, llama::LlamaConfig},
    tokenizer::{self, Tokenizer},
};
use andiron_core::{
    ConfigError, DataError, Dataset, EvalError, Loss, ModelEntry, Predictor, PublishedEntry, Raw,
    Registered, Report, Solve, Task,
    data::{ExampleOf, text_field},
    loss,
};
use burn::tensor::{Bool, Device, Int, Tensor};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The networks for the task, the smallest at equal sizes first.
pub static TEXT_GENERATORS: &[ModelEntry<TextGeneration>] =
    &[ModelEntry::of::<Gpt2Config>(), ModelEntry::of::<LlamaConfig>()];

/// Text behind text.
///
/// A prompt over the network's length is an error, and so is one that leaves no room for the
/// `max_tokens` it asks for. In training a text over the length is cut.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct TextGeneration {
    /// From text to tokens and back.
    pub tokenizer: Tokenizer,
    /// The longest text in tokens, what is written included; 2 or more.
    pub max_length: usize,
    /// The tokens behind which nothing is written. In training the first stands behind every text.
    pub ends: Vec<u32>,
    /// How a conversation becomes one text; without it there are no conversations.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub chat_template: Option<ChatTemplate>,
}

/// Why a text ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FinishReason {
    /// The network ended it, or a stop text was met.
    Stop,
    /// It has as many tokens as it may.
    Length,
    /// Whoever reads it as it comes wanted no more.
    Cancelled,
}

/// How many tokens were read and written.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Usage {
    /// Tokens of the prompt.
    pub prompt_tokens: usize,
    /// Tokens written, the one that ends the text included.
    pub completion_tokens: usize,
    /// Both together.
    pub total_tokens: usize,
}

/// What was written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generated {
    /// The text behind the prompt.
    pub text: String,
    /// Why it ends.
    pub finish_reason: FinishReason,
    /// What it took.
    pub usage: Usage,
}

/// Texts to learn from: each token with the one behind it.
#[derive(Debug, Clone)]
pub struct NextTokens {
    /// All tokens but the last of each text.
    pub text: TextBatch,
    /// The tokens behind them, `[batch, length]`.
    pub truth: Tensor<2, Int>,
    /// Which places count, `[batch, length]`: those that are no padding.
    pub counted: Tensor<2, Bool>,
}

impl TextGeneration {
    /// The task for a network that takes `max_length` tokens.
    ///
    /// # Errors
    /// [`ConfigError::TooSmall`] for a length without room for a prompt and a token.
    pub fn new(
        tokenizer: Tokenizer,
        max_length: usize,
        ends: Vec<u32>,
    ) -> Result<Self, ConfigError> {
        ConfigError::at_least("max_length", 2, max_length)?;
        Ok(Self { tokenizer, max_length, ends, chat_template: None })
    }

    /// The same task with conversations.
    #[must_use]
    pub fn with_chat_template(self, template: ChatTemplate) -> Self {
        Self { chat_template: Some(template), ..self }
    }

    /// Whether a network of so many tokens and such a length can answer the task: for
    /// [`Recipe::fits`](andiron_core::Recipe::fits).
    ///
    /// # Errors
    /// [`ConfigError`] names what network and task say differently.
    pub fn fits(&self, n_tokens: usize, longest: usize) -> Result<(), ConfigError> {
        ConfigError::at_least("the number of tokens", self.tokenizer.n_tokens(), n_tokens)?;
        ConfigError::at_least("max_length", 2, self.max_length)?;
        ConfigError::at_least("the network's length", self.max_length, longest)
    }

    /// The tokens of a prompt, those that the tokenizer puts in front included.
    ///
    /// # Errors
    /// [`DataError::TooLarge`] for a text of megabytes, [`DataError::Unusable`] for a
    /// conversation that the template refuses, [`DataError::WrongKind`] where there is no template.
    pub fn encode(&self, prompt: &Prompt) -> Result<Vec<u32>, DataError> {
        match prompt {
            Prompt::Text(text) => self.ids(text, true),
            Prompt::Messages(messages) => {
                let Some(template) = &self.chat_template else {
                    let got = "a conversation, for which this model has no template";
                    return Err(DataError::WrongKind { wanted: "a prompt", got });
                };
                // The template writes the special tokens itself.
                self.ids(&template.render(messages, true)?, false)
            }
        }
    }

    fn ids(&self, text: &str, special: bool) -> Result<Vec<u32>, DataError> {
        let limit = tokenizer::most_bytes(self.max_length);
        if text.len() > limit {
            return Err(DataError::TooLarge {
                what: "the length of the prompt in bytes",
                limit: limit as u64,
                got: text.len() as u64,
            });
        }
        self.tokenizer.ids(text, special)
    }

    /// The tokens of a prompt with the text behind it and the end, and how many are the prompt's.
    fn whole(&self, example: &ExampleOf<Self>) -> Result<(Vec<u32>, usize), DataError> {
        let mut ids = self.encode(&example.input.prompt)?;
        let prompt = ids.len();
        ids.extend(self.ids(&example.target, false)?);
        Ok((ids, prompt))
    }

    /// What is learnt of an example: its tokens and the end behind them, as many as the network
    /// reads and one that is only a truth.
    fn learnable(&self, example: &ExampleOf<Self>) -> Result<Vec<u32>, DataError> {
        let (mut ids, _) = self.whole(example)?;
        ids.extend(self.ends.first());
        ids.truncate(self.max_length + 1);
        if ids.len() < 2 {
            let (what, got) = ("the length of the text in tokens", ids.len() as u64);
            return Err(DataError::TooShort { what, least: 2, got });
        }
        Ok(ids)
    }
}

impl Task for TextGeneration {
    const NAME: &'static str = "text-generation";
    type Input = Request;
    type Target = String;
    type Prediction = Generated;
    type Batch = NextTokens;

    fn batch(
        &self,
        examples: &[ExampleOf<Self>],
        device: &Device,
    ) -> Result<NextTokens, DataError> {
        let (mut inputs, mut truths) = (Vec::new(), Vec::new());
        for (at, example) in examples.iter().enumerate() {
            let ids = self.learnable(example).map_err(|error| error.at(at, None))?;
            let ids: Vec<i32> = ids.into_iter().map(|id| id as i32).collect();
            inputs.push(ids[..ids.len() - 1].to_vec());
            truths.push(ids[1..].to_vec());
        }
        let text = TextBatch::of(&inputs, device);
        let TextBatch { ids: truth, mask: counted, .. } = TextBatch::of(&truths, device);
        Ok(NextTokens { text, truth, counted })
    }

    /// The bytes of the prompt and of what follows it.
    fn length(&self, example: &ExampleOf<Self>) -> Option<usize> {
        let prompt = match &example.input.prompt {
            Prompt::Text(text) => text.len(),
            Prompt::Messages(messages) => {
                messages.iter().map(|message| message.content.len()).sum()
            }
        };
        Some(prompt + example.target.len())
    }
}

impl<M: Decoder> Solve<M> for TextGeneration {
    /// The mean of `−ln p(token | those before it)` over all tokens but the first of each text.
    fn learn(&self, model: &M, batch: NextTokens) -> Loss {
        let logits = model.forward(batch.text);
        loss::sequence_cross_entropy(logits, batch.truth, batch.counted)
    }

    fn answer(
        &self,
        model: &M,
        requests: &[Request],
        device: &Device,
    ) -> Result<Vec<Generated>, DataError> {
        self.generate(model, requests, device, &mut Silent)
    }
}

impl Registered for TextGeneration {
    const MEDIA: Option<&'static str> = None;

    fn models() -> &'static [ModelEntry<Self>] {
        TEXT_GENERATORS
    }

    fn published() -> &'static [PublishedEntry] {
        PUBLISHED
    }

    fn read(raw: Raw<'_>) -> Result<Request, DataError> {
        Request::read(raw)
    }

    fn target(line: &Value) -> Result<String, DataError> {
        text_field(line, "target")
    }

    /// The perplexity of the texts behind the prompts, which are not counted themselves.
    fn evaluate(
        predictor: &Predictor<Self>,
        data: &dyn Dataset<ExampleOf<Self>>,
    ) -> Result<Report, EvalError> {
        perplexity::evaluate(predictor, data)
    }
}

/// A handful of texts that the models' tests learn by heart.
#[cfg(test)]
pub(crate) mod toy {
    use super::{Prompt, Request, Sampling};
    use andiron_core::Example;

    /// Every text begins with another letter, so that all but the beginning can be known.
    pub(crate) fn examples() -> Vec<Example<Request, String>> {
        [
            ("the sea", " is deep and blue"),
            ("a", " hill"),
            ("some days are longer than others", " by far"),
            ("É", "té"),
        ]
        .map(|(prompt, target)| Example {
            input: Request {
                prompt: Prompt::Text(prompt.to_owned()),
                sampling: Sampling { max_tokens: Some(5), ..Default::default() },
            },
            target: target.to_owned(),
        })
        .to_vec()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
