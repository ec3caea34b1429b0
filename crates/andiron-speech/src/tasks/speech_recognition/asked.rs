//! What a line of input can ask for: `language`, `task`, `beams`, `timestamps`, `prompt` and `format`.

use super::{Method, SpeechRecognition, TranscriptFormat};
use crate::line;
use andiron_core::{DataError, overlay};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What is written of what is said.
#[derive(Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
enum Goal {
    /// The words that are spoken.
    Transcribe,
    /// English.
    Translate,
}

/// What a Whisper can be asked for.
#[derive(Serialize, Deserialize)]
struct OfWhisper {
    language: Option<String>,
    task: Goal,
    beams: usize,
    timestamps: bool,
    prompt: Option<String>,
    format: Option<TranscriptFormat>,
}

/// What a network of characters can be asked for.
#[derive(Serialize, Deserialize)]
struct OfCtc {
    beams: usize,
    format: Option<TranscriptFormat>,
}

/// The task with the settings of `line`; a field that it leaves out stays as it is. The file and the
/// transcript, which a line of data has, are no settings.
pub(super) fn asked(
    task: &SpeechRecognition,
    line: &Value,
) -> Result<SpeechRecognition, DataError> {
    let mut task = task.clone();
    let mut fields = line.as_object().cloned().unwrap_or_default();
    fields.retain(|field, _| field != line::FILE && field != "text");
    let fields = Value::Object(fields);
    match &mut task.method {
        Method::Whisper(listener) => {
            let set = &mut listener.decoding;
            let before = OfWhisper {
                language: set.language.clone(),
                task: if set.translate { Goal::Translate } else { Goal::Transcribe },
                beams: set.beam,
                timestamps: set.timestamps,
                prompt: set.prompt.clone(),
                format: task.format,
            };
            let asked = overlay(&before, &fields)?;
            set.language = asked.language;
            set.translate = matches!(asked.task, Goal::Translate);
            set.beam = asked.beams;
            set.timestamps = asked.timestamps;
            set.prompt = asked.prompt;
            task.format = asked.format;
            listener.check()?;
        }
        Method::Ctc(listener) => {
            let before = OfCtc { beams: listener.decoding.beams, format: task.format };
            let asked = overlay(&before, &fields)?;
            listener.decoding.beams = asked.beams;
            task.format = asked.format;
            listener.check()?;
        }
    }
    Ok(task)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::{
        models::{conformer::ConformerConfig, whisper::WhisperConfig},
        tasks::speech_recognition::ctc::tests::{spelled, tiny},
    };
    use andiron_core::{AnyPredictor, Network, Predictor, Raw, Recipe as _};
    use burn::tensor::Device;
    use serde_json::json;

    fn whisper() -> SpeechRecognition {
        let options = json!({
            "seconds": 0.6, "n_mels": 7, "d_model": 8, "n_heads": 2, "n_layers": 1, "max_length": 14
        });
        WhisperConfig::prepare(&options, &spelled()).unwrap().0
    }

    fn ctc() -> SpeechRecognition {
        ConformerConfig::prepare(&tiny(), &spelled()).unwrap().0
    }

    fn cause(refused: DataError) -> String {
        let DataError::Config(source) = refused else { panic!("{refused:?}") };
        source.to_string()
    }

    #[test]
    fn a_line_sets_what_the_search_knows() {
        let line = json!({
            "audio": "a.wav", "text": "what was said", "language": "cy", "task": "transcribe",
            "beams": 3, "timestamps": true, "prompt": "Llanfair", "format": "vtt"
        });
        let heard = asked(&whisper(), &line).unwrap();
        let set = &heard.whisper().unwrap().decoding;
        assert_eq!((set.language.as_deref(), set.beam, set.timestamps), (Some("cy"), 3, true));
        assert_eq!((set.prompt.as_deref(), set.translate), (Some("Llanfair"), false));
        assert_eq!(heard.format, Some(TranscriptFormat::Vtt));
        // What a line leaves out, and what it takes back.
        assert_eq!(asked(&heard, &json!({"audio": "a.wav"})).unwrap(), heard);
        let back = asked(&heard, &json!({"language": null, "format": null})).unwrap();
        assert_eq!((back.whisper().unwrap().decoding.language.as_ref(), back.format), (None, None));
        let few = asked(&ctc(), &json!({"audio": "a.wav", "beams": 1, "format": "srt"})).unwrap();
        assert_eq!(few.ctc().unwrap().decoding.beams, 1);
    }

    #[test]
    fn what_cannot_be_asked_is_refused_by_name() {
        for (line, name) in [
            (json!({"langauge": "en"}), "there is no setting \"langauge\""),
            (json!({"temperature": 0.5}), "there is no setting \"temperature\""),
            (json!({"task": "summarize"}), "setting \"task\" cannot be"),
            (json!({"beams": 0}), "beam must be at least 1"),
            (json!({"beams": "many"}), "setting \"beams\" cannot be"),
            (json!({"format": "docx"}), "setting \"format\" cannot be"),
            (json!({"task": "translate"}), "setting \"translate\" cannot be true"),
        ] {
            let text = cause(asked(&whisper(), &line).unwrap_err());
            assert!(text.starts_with(name), "{text}");
        }
        let text = cause(asked(&ctc(), &json!({"prompt": "a"})).unwrap_err());
        assert_eq!(text, "there is no setting \"prompt\"; known are [\"beams\", \"format\"]");
    }

    #[test]
    fn a_program_answers_as_the_line_asks() {
        let device = Device::flex();
        let (task, config) = ConformerConfig::prepare(&tiny(), &spelled()).unwrap();
        let network = Network::init(config, 4, &device).unwrap();
        let predictor: Box<dyn AnyPredictor> = Box::new(Predictor::new(task, network, &device));
        let wav = spelled()[1].input.to_wav().unwrap();
        let answer = |line: &Value| {
            let asked = predictor.about().asked.unwrap()(line).unwrap();
            asked.predict(&[Raw::Bytes(&wav)]).remove(0).unwrap()
        };
        let plain = answer(&json!({"audio": "a.wav"}));
        assert_eq!(plain, predictor.predict(&[Raw::Bytes(&wav)]).remove(0).unwrap());
        assert!(plain.get("written").is_none());
        for (format, begin) in [("vtt", "WEBVTT\n"), ("json", "{\"language\":"), ("text", "")] {
            let written = answer(&json!({"audio": "a.wav", "format": format}));
            let file = written["written"].as_str().unwrap();
            assert!(file.starts_with(begin) && file.ends_with('\n'), "{file}");
            assert_eq!(written["text"], plain["text"]);
        }
    }
}
