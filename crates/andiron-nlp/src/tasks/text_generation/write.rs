//! The loop that writes: several rows at once, each with its own settings and its own end.

use super::{
    DEFAULT_MAX_TOKENS, FinishReason, Generated, Request, TextGeneration, Usage,
    pieces::{Pieces, Watch},
    sampling::Sampler,
};
use crate::{
    decoder::{self, Decoder},
    tokenizer::Tokenizer,
};
use andiron_core::DataError;
use burn::tensor::{Device, Int, Tensor, TensorData};
use std::ops::ControlFlow;

/// Rows written at once at the most: the cache grows with them.
const ROWS: usize = 16;

/// Who reads a text while it is being written.
pub trait Reader {
    /// Takes the next piece of the text that continues the request number `at`. A piece is valid
    /// UTF-8, never empty, and holds whole characters, but for the last of a text that ends within
    /// one. A `Break` ends that text.
    fn piece(&mut self, at: usize, piece: &str) -> ControlFlow<()>;
}

/// Reads nothing before the end.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Reader for Silent {
    fn piece(&mut self, _: usize, _: &str) -> ControlFlow<()> {
        ControlFlow::Continue(())
    }
}

impl<F: FnMut(usize, &str) -> ControlFlow<()>> Reader for F {
    fn piece(&mut self, at: usize, piece: &str) -> ControlFlow<()> {
        self(at, piece)
    }
}

/// A request that is being answered.
struct Row {
    /// The request's number.
    at: usize,
    /// The prompt's tokens and those written.
    ids: Vec<u32>,
    prompt: usize,
    /// Tokens to write at the most.
    room: usize,
    sampler: Sampler,
    pieces: Pieces,
    watch: Watch,
    text: String,
    finish: Option<FinishReason>,
}

impl TextGeneration {
    /// Continues each request, and gives the texts to `reader` as they are written. A request's text
    /// does not depend on what else is asked for.
    ///
    /// # Errors
    /// [`DataError::TooLarge`] for a prompt over the network's length or without room for the
    /// tokens asked for, [`DataError::Empty`] for a prompt without a token, and as
    /// [`encode`](Self::encode).
    pub fn generate<M: Decoder>(
        &self,
        model: &M,
        requests: &[Request],
        device: &Device,
        reader: &mut impl Reader,
    ) -> Result<Vec<Generated>, DataError> {
        let limit = self.max_length.min(model.max_length());
        let mut rows = Vec::with_capacity(requests.len());
        for (at, request) in requests.iter().enumerate() {
            let ids = self.encode(&request.prompt)?;
            rows.push(Row::new(at, ids, request, limit, model.n_tokens())?);
        }
        let mut rest = rows.as_mut_slice();
        while !rest.is_empty() {
            let (now, later) = rest.split_at_mut(together(rest, limit));
            self.write(model, now, device, reader)?;
            rest = later;
        }
        Ok(rows.into_iter().map(Row::generated).collect())
    }

    fn write<M: Decoder>(
        &self,
        model: &M,
        rows: &mut [Row],
        device: &Device,
        reader: &mut impl Reader,
    ) -> Result<(), DataError> {
        let width = rows.iter().map(|row| row.prompt).max().unwrap_or(0);
        // Empty slots stand in front, so that all rows go on in the same slot.
        let padding: Vec<usize> = rows.iter().map(|row| width - row.prompt).collect();
        let first: Vec<i32> = rows
            .iter()
            .zip(&padding)
            .flat_map(|(row, empty)| {
                std::iter::repeat_n(0, *empty).chain(row.ids.iter().map(|id| *id as i32))
            })
            .collect();
        let batch = rows.len();
        let mut cache = model.cache(&padding);
        let mut ids = Tensor::<2, Int>::from_data(TensorData::new(first, [batch, width]), device);
        loop {
            let logits = decoder::next(model, ids, &mut cache);
            let n_tokens = logits.dims()[1];
            let logits: Vec<f32> = logits.into_data().iter::<f32>().collect();
            for (row, logits) in rows.iter_mut().zip(logits.chunks_exact(n_tokens)) {
                if row.finish.is_none() {
                    row.step(logits, self, reader)?;
                }
            }
            if rows.iter().all(|row| row.finish.is_some()) {
                return Ok(());
            }
            // A row that has ended goes on with its last token, which nobody looks at.
            let next = rows.iter().map(|row| row.ids.last().map_or(0, |id| *id as i32));
            let next: Vec<i32> = next.collect();
            ids = Tensor::from_data(TensorData::new(next, [batch, 1]), device);
        }
    }
}

/// How many of the first rows can be written together: the longest prompt with the most tokens to
/// write has to fit.
fn together(rows: &[Row], limit: usize) -> usize {
    let (mut prompt, mut room) = (0, 0);
    let fits = |row: &Row| {
        prompt = row.prompt.max(prompt);
        room = row.room.max(room);
        prompt + room <= limit
    };
    rows.iter().take(ROWS).map(fits).take_while(|fits| *fits).count().max(1)
}

impl Row {
    fn new(
        at: usize,
        ids: Vec<u32>,
        request: &Request,
        limit: usize,
        n_tokens: usize,
    ) -> Result<Self, DataError> {
        request.sampling.check()?;
        let prompt = ids.len();
        if prompt == 0 {
            return Err(DataError::Empty { what: "the prompt".to_owned() });
        }
        let too_large = |what, limit: usize, got: usize| {
            Err(DataError::TooLarge { what, limit: limit as u64, got: got as u64 })
        };
        if let Some(id) = ids.iter().find(|id| **id as usize >= n_tokens) {
            return too_large("a token number of the prompt", n_tokens - 1, *id as usize);
        }
        if prompt >= limit {
            return too_large("the length of the prompt in tokens", limit - 1, prompt);
        }
        let room = match request.sampling.max_tokens {
            None => DEFAULT_MAX_TOKENS.min(limit - prompt),
            Some(room) if room > limit - prompt => {
                let got = prompt.saturating_add(room);
                return too_large("the length of the prompt with max_tokens", limit, got);
            }
            Some(room) => room,
        };
        Ok(Self {
            at,
            pieces: Pieces::behind(&ids),
            ids,
            prompt,
            room,
            sampler: Sampler::new(&request.sampling),
            watch: Watch::new(&request.sampling.stop),
            text: String::new(),
            finish: None,
        })
    }

    /// One more token.
    fn step(
        &mut self,
        logits: &[f32],
        task: &TextGeneration,
        reader: &mut impl Reader,
    ) -> Result<(), DataError> {
        let id = self.sampler.pick(logits, &self.ids)?;
        self.ids.push(id);
        if task.ends.contains(&id) {
            return self.end(FinishReason::Stop, &task.tokenizer, reader);
        }
        let piece = self.pieces.push(id, &task.tokenizer)?;
        let (out, met) = self.watch.push(&piece);
        self.say(&out, reader);
        if met {
            self.finish.get_or_insert(FinishReason::Stop);
        } else if self.finish.is_none() && self.ids.len() - self.prompt == self.room {
            return self.end(FinishReason::Length, &task.tokenizer, reader);
        }
        Ok(())
    }

    /// Lets out what was held back.
    fn end(
        &mut self,
        reason: FinishReason,
        tokenizer: &Tokenizer,
        reader: &mut impl Reader,
    ) -> Result<(), DataError> {
        let (mut out, met) = self.watch.push(&self.pieces.finish(tokenizer)?);
        if !met {
            out += &self.watch.finish();
        }
        self.say(&out, reader);
        self.finish.get_or_insert(if met { FinishReason::Stop } else { reason });
        Ok(())
    }

    fn say(&mut self, piece: &str, reader: &mut impl Reader) {
        if piece.is_empty() {
            return;
        }
        self.text.push_str(piece);
        if reader.piece(self.at, piece).is_break() {
            self.finish = Some(FinishReason::Cancelled);
        }
    }

    fn generated(self) -> Generated {
        let completion_tokens = self.ids.len() - self.prompt;
        Generated {
            text: self.text,
            finish_reason: self.finish.unwrap_or(FinishReason::Length),
            usage: Usage {
                prompt_tokens: self.prompt,
                completion_tokens,
                total_tokens: self.ids.len(),
            },
        }
    }
}
