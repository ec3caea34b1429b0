//! What a request says.

use super::Sampling;
use crate::{cells, chat::Message, text::Text};
use andiron_core::{DataError, Raw, data::text_field};
use serde::{Deserialize, Serialize};

/// What stands before the text that is to be written.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Prompt {
    /// A text, as it is.
    #[serde(rename = "prompt")]
    Text(String),
    /// A conversation, whose next message is to be written.
    #[serde(rename = "messages")]
    Messages(Vec<Message>),
}

/// A prompt, and how it is to be continued.
///
/// ```
/// use andiron_nlp::tasks::text_generation::{Request, Sampling};
///
/// let request = Request::from("The capital of France is")
///     .with(Sampling { max_tokens: Some(3), ..Default::default() });
/// let line = serde_json::to_value(&request)?;
/// assert_eq!((&line["prompt"], &line["max_tokens"]), (&"The capital of France is".into(), &3.into()));
/// # Ok::<(), serde_json::Error>(())
/// ```
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Request {
    /// What stands before.
    #[serde(flatten)]
    pub prompt: Prompt,
    /// How it is continued.
    #[serde(flatten)]
    pub sampling: Sampling,
}

impl Request {
    /// A conversation to continue.
    pub fn chat(messages: impl IntoIterator<Item = Message>) -> Self {
        let prompt = Prompt::Messages(messages.into_iter().collect());
        Self { prompt, sampling: Sampling::default() }
    }

    /// The same prompt, to be continued like this.
    #[must_use]
    pub fn with(self, sampling: Sampling) -> Self {
        Self { sampling, ..self }
    }

    /// A request: `{"prompt": …}` or `{"messages": [{"role", "content"}, …]}` with the fields of
    /// [`Sampling`], or the bytes of a text file. In a table, where every field is a text, numbers are
    /// written as they are and messages as JSON.
    ///
    /// # Errors
    /// [`DataError::Field`] names what is missing, of the wrong kind or out of its range;
    /// [`DataError::Decode`] for bytes that are not UTF-8, [`DataError::WrongKind`] for numbers.
    pub fn read(raw: Raw<'_>) -> Result<Self, DataError> {
        let Raw::Json(line) = raw else {
            return Ok(Self::from(Text::read(raw)?.text));
        };
        let prompt = match cells::json(line, "messages").as_deref() {
            None => Prompt::Text(text_field(line, "prompt")?),
            Some(messages) => {
                let wanted = "a list of objects with the texts \"role\" and \"content\"";
                let wrong = |_| cells::wrong("messages", wanted, messages);
                let messages: Vec<Message> =
                    serde_json::from_value(messages.clone()).map_err(wrong)?;
                if messages.is_empty() {
                    return Err(DataError::Empty { what: "the list of messages".to_owned() });
                }
                Prompt::Messages(messages)
            }
        };
        Ok(Self { prompt, sampling: Sampling::read(line)? })
    }
}

impl From<&str> for Request {
    fn from(prompt: &str) -> Self {
        prompt.to_owned().into()
    }
}

impl From<String> for Request {
    fn from(prompt: String) -> Self {
        Self { prompt: Prompt::Text(prompt), sampling: Sampling::default() }
    }
}
