//! Which language is spoken.
//!
//! Source: openai-whisper, `decoding.py`: `detect_language`; `transcribe.py`, which asks it of the first
//! window.

use super::{
    WhisperListener, course::Course, frames::Levelled, rules::log_sum, search::most_probable,
};
use crate::{frontend::Frames, models::whisper::Whisper};
use burn::tensor::{Device, Int, Tensor, TensorData};

impl WhisperListener {
    /// Hears which language is spoken at the beginning of sounds, where a course does not know.
    pub(super) fn detect(
        &self,
        model: &Whisper,
        sounds: &[&Levelled],
        courses: &mut [Course],
        device: &Device,
    ) {
        let open = (0..courses.len()).filter(|at| courses[*at].language.is_none());
        let open: Vec<usize> = open.filter(|_| self.multilingual).collect();
        if open.is_empty() {
            return;
        }
        let openings: Vec<Frames> =
            open.iter().map(|at| sounds[*at].opening(self.window())).collect();
        let starts: Vec<_> = openings.iter().map(|frames| (frames, 0)).collect();
        let encoded = model.encode(self.windows(&starts, device));
        for (at, probabilities) in open.iter().zip(self.languages(model, encoded, device)) {
            let best = probabilities.iter().map(|(_, probability)| *probability as f32);
            let best = most_probable(&best.collect::<Vec<_>>()) as usize;
            let Some((code, _)) = probabilities.into_iter().nth(best) else { continue };
            let mark = self.vocabulary.marks().languages[&code];
            courses[*at].language = Some((code, mark));
        }
    }

    /// How probable each language is in each window, in the order of the codes; they sum to 1.
    ///
    /// # Shapes
    /// - encoded: `[windows, n_frames, d_model]`, as the network's [`encode`](Whisper::encode) gives
    ///   it of an [`opening`](Self::opening)
    pub fn languages(
        &self,
        model: &Whisper,
        encoded: Tensor<3>,
        device: &Device,
    ) -> Vec<Vec<(String, f64)>> {
        let marks = self.vocabulary.marks();
        let windows = encoded.dims()[0];
        let start = TensorData::new(vec![marks.start as i32; windows], [windows, 1]);
        let start = Tensor::<2, Int>::from_data(start, device);
        let hidden = model.read(start, &mut model.listen(encoded));
        let logits: Vec<f32> = model.logits(hidden).into_data().iter::<f32>().collect();
        let of_window = |logits: &[f32]| {
            let known: Vec<(&String, f32)> = marks
                .languages
                .iter()
                .filter_map(|(code, mark)| Some((code, *logits.get(*mark as usize)?)))
                .collect();
            let whole = log_sum(&known.iter().map(|(_, logit)| *logit).collect::<Vec<_>>());
            let share = |logit: f32| (f64::from(logit) - whole).exp();
            known.into_iter().map(|(code, logit)| (code.clone(), share(logit))).collect()
        };
        logits.chunks_exact(model.n_tokens()).map(of_window).collect()
    }
}
