//! What was heard, and the files it is written to.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::fmt::Write as _;

/// What was said in a sound.
///
/// ```
/// use andiron_speech::tasks::speech_recognition::{Segment, Transcript};
///
/// let transcript = Transcript::of(vec![
///     Segment::new(0.0, 1.5, " Good morning."),
///     Segment::new(1.5, 61.25, " How are you?"),
/// ]);
/// assert_eq!(transcript.text, "Good morning. How are you?");
/// assert_eq!(
///     transcript.to_srt(),
///     "1\n00:00:00,000 --> 00:00:01,500\nGood morning.\n\n\
///      2\n00:00:01,500 --> 00:01:01,250\nHow are you?\n"
/// );
/// ```
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Transcript {
    /// All of it, without space at its ends.
    pub text: String,
    /// The language, as a code of ISO 639-1 (`en`) or a longer one where there is none (`haw`); none
    /// if the algorithm does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub language: Option<String>,
    /// Its parts in order of time. They do not overlap, and need not fill all of the time.
    pub segments: Vec<Segment>,
    /// The content of a file in the format that the task or the line of input asked for; none if none
    /// was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub written: Option<String>,
}

/// A part of a [`Transcript`].
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Segment {
    /// Where it begins, in seconds from the beginning of the sound; 0 or more.
    pub start: f64,
    /// Where it ends, in seconds from the beginning of the sound; not before `start`.
    pub end: f64,
    /// What was said, with the space that stands before it where the language has spaces.
    pub text: String,
    /// The mean of the natural logarithms of the tokens' probabilities; none if the algorithm does
    /// not give it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log_probability: Option<f64>,
    /// How probable it is that nobody speaks here, 0 to 1; none if the algorithm does not tell.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub no_speech_probability: Option<f64>,
    /// The tokens' numbers in the model's vocabulary, marks of time included; may be left empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub tokens: Vec<u32>,
}

impl Segment {
    /// A segment of times and text alone.
    pub fn new(start: f64, end: f64, text: impl Into<String>) -> Self {
        Self { start, end, text: text.into(), ..Self::default() }
    }
}

/// How a [`Transcript`] is written to a file; as JSON its name in lower case.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum TranscriptFormat {
    /// The text alone, a line.
    Text,
    /// SubRip: numbered segments with times.
    Srt,
    /// WebVTT (<https://www.w3.org/TR/webvtt1/>).
    Vtt,
    /// All of it as one line of JSON.
    Json,
}

impl TranscriptFormat {
    /// All formats.
    pub const ALL: [Self; 4] = [Self::Text, Self::Srt, Self::Vtt, Self::Json];

    /// The ending of such a file, without the dot.
    pub fn ending(self) -> &'static str {
        match self {
            Self::Text => "txt",
            Self::Srt => "srt",
            Self::Vtt => "vtt",
            Self::Json => "json",
        }
    }

    /// The format of files with this ending, in whichever case.
    pub fn of_ending(ending: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|format| format.ending().eq_ignore_ascii_case(ending))
    }
}

impl Transcript {
    /// A transcript of `segments`, whose text is theirs.
    pub fn of(segments: Vec<Segment>) -> Self {
        let text: String = segments.iter().map(|segment| segment.text.as_str()).collect();
        Self { text: text.trim().to_owned(), language: None, segments, written: None }
    }

    /// The content of a file in this format.
    pub fn write(&self, format: TranscriptFormat) -> String {
        match format {
            TranscriptFormat::Text => format!("{}\n", self.text),
            TranscriptFormat::Srt => self.to_srt(),
            TranscriptFormat::Vtt => self.to_vtt(),
            TranscriptFormat::Json => format!("{}\n", self.to_json()),
        }
    }

    /// The segments as SubRip subtitles. Empty ones are left out.
    pub fn to_srt(&self) -> String {
        let mut out = String::new();
        for (at, segment) in self.spoken().enumerate() {
            let (start, end) = (clock(segment.start, ','), clock(segment.end, ','));
            let gap = if at == 0 { "" } else { "\n" };
            // An arrow would be read as a line of times.
            let text = line(&segment.text).replace("-->", "->");
            // Writing to a String cannot fail.
            let _ = writeln!(out, "{gap}{}\n{start} --> {end}\n{text}", at + 1);
        }
        out
    }

    /// The segments as WebVTT subtitles. Empty ones are left out.
    pub fn to_vtt(&self) -> String {
        let mut out = "WEBVTT\n".to_owned();
        for segment in self.spoken() {
            let (start, end) = (clock(segment.start, '.'), clock(segment.end, '.'));
            // The signs that begin a tag or an entity (section 4.2.2), and with them the arrow.
            let text = line(&segment.text).replace('&', "&amp;");
            let text = text.replace('<', "&lt;").replace('>', "&gt;");
            let _ = writeln!(out, "\n{start} --> {end}\n{text}");
        }
        out
    }

    /// All of it as one line of JSON, which reads back as an equal transcript.
    pub fn to_json(&self) -> String {
        // A value that is not finite has no number in JSON, and becomes null.
        serde_json::to_value(self).unwrap_or(Value::Null).to_string()
    }

    fn spoken(&self) -> impl Iterator<Item = &Segment> {
        self.segments.iter().filter(|segment| !segment.text.trim().is_empty())
    }
}

/// A text on one line: an empty line would end a subtitle.
fn line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// `seconds` as hours, minutes, seconds and thousandths.
fn clock(seconds: f64, point: char) -> String {
    let all = (seconds.max(0.0) * 1_000.0).round() as u64;
    let (hours, minutes) = (all / 3_600_000, all / 60_000 % 60);
    format!("{hours:02}:{minutes:02}:{:02}{point}{:03}", all / 1_000 % 60, all % 1_000)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn transcript() -> Transcript {
        Transcript::of(vec![
            Segment::new(0.0, 2.0, " One <two>\n\nthree --> & four"),
            Segment::new(2.0, 2.0, "  "),
            Segment { log_probability: Some(-0.25), ..Segment::new(3599.9996, 3661.5, " fünf.") },
        ])
    }

    #[test]
    fn subtitles_have_clocks_and_no_empty_line_within() {
        assert_eq!(
            transcript().to_srt(),
            "1\n00:00:00,000 --> 00:00:02,000\nOne <two> three -> & four\n\n\
             2\n01:00:00,000 --> 01:01:01,500\nfünf.\n"
        );
        assert_eq!(
            transcript().to_vtt(),
            "WEBVTT\n\n00:00:00.000 --> 00:00:02.000\nOne &lt;two&gt; three --&gt; &amp; four\n\n\
             01:00:00.000 --> 01:01:01.500\nfünf.\n"
        );
        assert_eq!(Transcript::default().to_srt(), "");
        assert_eq!(Transcript::default().to_vtt(), "WEBVTT\n");
    }

    #[test]
    fn json_reads_back() {
        let mut transcript = transcript();
        transcript.language = Some("de".to_owned());
        transcript.segments[0].tokens = vec![50364, 7];
        let again: Transcript = serde_json::from_str(&transcript.to_json()).unwrap();
        assert_eq!(again, transcript);
        let bare = Transcript::of(vec![Segment::new(0.0, 0.5, "a")]).to_json();
        assert_eq!(bare, r#"{"segments":[{"end":0.5,"start":0.0,"text":"a"}],"text":"a"}"#);
    }

    #[test]
    fn endings_name_formats() {
        for format in TranscriptFormat::ALL {
            assert_eq!(TranscriptFormat::of_ending(&format.ending().to_uppercase()), Some(format));
            assert!(transcript().write(format).ends_with('\n'));
        }
        assert_eq!(TranscriptFormat::of_ending("doc"), None);
    }
}
