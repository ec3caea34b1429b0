//! Conversations as one text, by the template that a model was trained with.
//!
//! Templates are Jinja2, as Hugging Face's `apply_chat_template` renders them: blocks trimmed,
//! Python's methods of texts, lists and dictionaries, `raise_exception`, `tojson`. There is no clock:
//! a template that calls `strftime_now` without asking whether it is defined is an error.
//!
//! ```
//! use andiron_nlp::chat::{ChatTemplate, Message};
//!
//! let source = "{% for m in messages %}<{{ m.role }}>{{ m.content }}\n{% endfor %}\
//!               {% if add_generation_prompt %}<assistant>{% endif %}";
//! let template = ChatTemplate::new(source)?;
//! let text = template.render(&[Message::new("user", "Hello")], true)?;
//! assert_eq!(text, "<user>Hello\n<assistant>");
//! # Ok::<(), andiron_nlp::chat::ChatError>(())
//! ```

mod bounds;
mod guard;
mod json;

use andiron_core::DataError;
use guard::Fault;
use minijinja::{
    AutoEscape, Environment, Error, ErrorKind, Value, context, syntax::SyntaxConfig, value::Serde,
};
use serde::{Deserialize, Serialize};
use std::{io, sync::Arc};

/// What a template may do for one conversation: minijinja counts instructions, 64 bytes of data each,
/// and the parts of its values. A long conversation takes some ten thousands.
const FUEL: u64 = 500_000;
/// Bytes of a template; the longest published have some ten thousands.
const LONGEST_TEMPLATE: usize = 1 << 18;
/// Bytes that a conversation may become.
const LONGEST_TEXT: usize = 1 << 23;
/// How deep macros may call each other.
const DEEPEST: usize = 64;
const NAME: &str = "the chat template";

/// One message of a conversation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Message {
    /// Who says it: mostly `system`, `user` or `assistant`.
    pub role: String,
    /// What is said.
    pub content: String,
}

impl Message {
    /// A message of `role`.
    pub fn new(role: impl Into<String>, content: impl Into<String>) -> Self {
        Self { role: role.into(), content: content.into() }
    }
}

/// A conversation that cannot be made one text.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ChatError {
    /// The template is no Jinja2 that can be read.
    #[error("the chat template cannot be read: {reason}")]
    Syntax {
        /// What its reader said, with the line.
        reason: String,
    },
    /// The template is too long.
    #[error("the chat template has {got} bytes, which is over the limit of {limit}")]
    Long {
        /// The limit.
        limit: usize,
        /// The template's length.
        got: usize,
    },
    /// The template is nested deeper, or has a longer chain of values, than may be read.
    #[error("the chat template has more than {limit} {what}")]
    Deep {
        /// Of what there are too many.
        what: &'static str,
        /// The limit.
        limit: usize,
    },
    /// The template works on without an end.
    #[error("the chat template takes more than {limit} steps")]
    Endless {
        /// The limit.
        limit: u64,
    },
    /// The text gets too long.
    #[error("the chat template writes more than {limit} bytes")]
    Output {
        /// The limit.
        limit: usize,
    },
    /// The template refuses the conversation, or is wrong.
    #[error("the chat template fails: {reason}")]
    Failed {
        /// What it said, with the line.
        reason: String,
    },
}

impl From<ChatError> for DataError {
    fn from(error: ChatError) -> Self {
        Self::Unusable { what: "the conversation", source: Arc::new(error) }
    }
}

/// A chat template, with the special tokens that it may write. Saved with the task that holds it.
///
/// The work, the memory and the output of a template are bounded, so that one from a stranger costs
/// little: a second or two, and some hundred megabytes, at the worst.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Saved")]
pub struct ChatTemplate {
    source: String,
    /// What `bos_token` stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    bos_token: Option<String>,
    /// What `eos_token` stands for.
    #[serde(skip_serializing_if = "Option::is_none")]
    eos_token: Option<String>,
}

/// A template as it is saved; a stranger may have written it, so it is checked as a new one is.
#[derive(Deserialize)]
struct Saved {
    source: String,
    #[serde(default)]
    bos_token: Option<String>,
    #[serde(default)]
    eos_token: Option<String>,
}

impl TryFrom<Saved> for ChatTemplate {
    type Error = ChatError;

    fn try_from(saved: Saved) -> Result<Self, ChatError> {
        Ok(Self::new(saved.source)?.with_tokens(saved.bos_token, saved.eos_token))
    }
}

impl ChatTemplate {
    /// The template that `source` writes out.
    ///
    /// # Errors
    /// [`ChatError::Long`], [`ChatError::Deep`] and [`ChatError::Syntax`].
    pub fn new(source: impl Into<String>) -> Result<Self, ChatError> {
        let template = Self { source: source.into(), bos_token: None, eos_token: None };
        let got = template.source.len();
        if got > LONGEST_TEMPLATE {
            return Err(ChatError::Long { limit: LONGEST_TEMPLATE, got });
        }
        // Not the source itself: what it multiplies may be worked out while it is read.
        let (environment, guarded) = (environment(), template.guarded()?);
        let checked = environment.template_from_named_str(NAME, &guarded);
        checked.map_err(|error| ChatError::Syntax { reason: reason(&error) })?;
        Ok(template)
    }

    /// The source with the checks that bound it.
    fn guarded(&self) -> Result<String, ChatError> {
        guard::guarded(&self.source).map_err(|fault| match fault {
            Fault::Many { what, limit } => ChatError::Deep { what, limit },
            Fault::Unreadable => {
                ChatError::Syntax { reason: "it cannot be divided into its values".to_owned() }
            }
        })
    }

    /// The same template with the tokens at the beginning and at the end of a text.
    #[must_use]
    pub fn with_tokens(self, bos_token: Option<String>, eos_token: Option<String>) -> Self {
        Self { bos_token, eos_token, ..self }
    }

    /// The conversation as one text; where `answer` is true it ends with what stands before the
    /// assistant's answer.
    ///
    /// # Errors
    /// [`ChatError`] says what the template did wrong, or how it refuses the conversation.
    pub fn render(&self, messages: &[Message], answer: bool) -> Result<String, ChatError> {
        let (environment, guarded) = (environment(), self.guarded()?);
        let template = environment
            .template_from_named_str(NAME, &guarded)
            .map_err(|error| ChatError::Syntax { reason: reason(&error) })?;
        // As transformers has it: what is not given is none, a missing token is undefined.
        let token = |token: &Option<String>| token.as_ref().map_or(Value::UNDEFINED, Value::from);
        let values = context! {
            messages => Value::from(Serde(messages)),
            add_generation_prompt => answer,
            tools => Value::from(()),
            documents => Value::from(()),
            bos_token => token(&self.bos_token),
            eos_token => token(&self.eos_token),
        };
        let mut text = Bounded(Vec::new());
        let rendered = template.render_captured_to(values, &mut text).map(|_| ());
        match rendered {
            Ok(()) => {}
            Err(error) if error.kind() == ErrorKind::OutOfFuel => {
                return Err(ChatError::Endless { limit: FUEL });
            }
            Err(error) if error.kind() == ErrorKind::WriteFailure => {
                return Err(ChatError::Output { limit: LONGEST_TEXT });
            }
            Err(error) => return Err(ChatError::Failed { reason: reason(&error) }),
        }
        String::from_utf8(text.0).map_err(|error| ChatError::Failed { reason: error.to_string() })
    }
}

/// What an error says, with its line.
fn reason(error: &Error) -> String {
    let line = error.line().map(|line| format!(" in line {line}")).unwrap_or_default();
    let detail = error.detail().map_or_else(|| error.kind().to_string(), str::to_owned);
    format!("{detail}{line}")
}

fn environment<'a>() -> Environment<'a> {
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder().trim_blocks(true).lstrip_blocks(true).build();
    environment.set_syntax(syntax.expect("the delimiters are the usual ones"));
    environment.set_fuel(Some(FUEL));
    environment.set_recursion_limit(DEEPEST);
    environment.set_auto_escape_callback(|_| AutoEscape::None);
    bounds::add_to(&mut environment);
    environment.add_filter("tojson", json::to_json);
    environment.add_function("raise_exception", raise_exception);
    environment
}

fn raise_exception(message: String) -> Result<Value, Error> {
    Err(Error::new(ErrorKind::InvalidOperation, message))
}

/// Bytes up to the limit.
struct Bounded(Vec<u8>);

impl io::Write for Bounded {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if self.0.len() + bytes.len() > LONGEST_TEXT {
            return Err(io::Error::other("the text is too long"));
        }
        self.0.extend_from_slice(bytes);
        Ok(bytes.len())
    }
    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn say(source: &str) -> Result<String, ChatError> {
        ChatTemplate::new(source)?.render(&[Message::new("user", "a \"b\" <é>")], true)
    }

    #[test]
    fn templates_are_pythons() {
        for (source, wanted) in [
            ("{{ messages[0].content.upper() }}", "A \"B\" <É>"),
            ("{{ messages[0]['content'].split()[0] }}", "a"),
            ("{{ messages | tojson }}", r#"[{"role": "user", "content": "a \"b\" <é>"}]"#),
            (
                "{{ {'a': [1, none]} | tojson(indent=2) }}",
                "{\n  \"a\": [\n    1,\n    null\n  ]\n}",
            ),
            ("{{ 'é' | tojson(ensure_ascii=False) }}", r#""é""#),
            ("{{ 'é🦀' | tojson(ensure_ascii=true) }}", r#""\u00e9\ud83e\udd80""#),
            ("{{ bos_token }}|{{ tools is none }}", "|True"),
            ("  {% if true %}\nx\n  {% endif %}\ny\n", "x\ny"),
            ("{% for m in messages %}{% break %}{% endfor %}-", "-"),
            ("{% if strftime_now is defined %}now{% endif %}.", "."),
        ] {
            assert_eq!(say(source).unwrap(), wanted, "{source}");
        }
    }

    #[test]
    fn refusals_and_mistakes_are_told() {
        let said = |source: &str| say(source).unwrap_err().to_string();
        assert!(said("{% if %}").starts_with("the chat template cannot be read: "));
        assert!(said("{{ raise_exception('no system role') }}").contains("no system role"));
        assert!(said("\n{{ strftime_now('%d') }}").contains("line 2"));
        assert!(said(&" ".repeat(LONGEST_TEMPLATE + 1)).contains("over the limit"));
        let deep = format!("{{{{ {}1{} }}}}", "[".repeat(101), "]".repeat(101));
        assert_eq!(said(&deep), "the chat template has more than 100 brackets in each other");
    }

    #[test]
    fn a_saved_template_is_checked_as_a_new_one() {
        let template = ChatTemplate::new("{{ bos_token }}!").unwrap();
        let template = template.with_tokens(Some("<s>".to_owned()), None);
        let saved = serde_json::to_value(&template).unwrap();
        assert_eq!(saved, serde_json::json!({"source": "{{ bos_token }}!", "bos_token": "<s>"}));
        assert_eq!(serde_json::from_value::<ChatTemplate>(saved).unwrap(), template);
        for (source, wanted) in [
            (" ".repeat(LONGEST_TEMPLATE + 1), "over the limit"),
            ("{% if %}".to_owned(), "cannot be read"),
            (format!("{{{{ {}1 }}}}", "(".repeat(100_000)), "brackets in each other"),
        ] {
            let saved = serde_json::json!({ "source": source });
            let said = serde_json::from_value::<ChatTemplate>(saved).unwrap_err().to_string();
            assert!(said.contains(wanted), "{said}");
        }
    }

    #[test]
    fn a_hostile_template_is_stopped() {
        let endless =
            "{% for i in range(90000) %}{% for j in range(90000) %}{% endfor %}{% endfor %}";
        assert!(matches!(say(endless), Err(ChatError::Endless { .. })));
        let long = "{% for i in range(99999) %}{{ 'abcdefghij' * 1000 }}{% endfor %}";
        assert!(matches!(say(long), Err(ChatError::Output { .. })), "{:?}", say(long));
        let deep = "{% macro f() %}{{ f() }}{% endmacro %}{{ f() }}";
        assert!(matches!(say(deep), Err(ChatError::Failed { .. })));
        assert!(say("{% include 'secret' %}").is_err());
    }
}
