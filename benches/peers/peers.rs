//! Andiron's side of the runs beside peers: does one piece of work when `benches/peers/run` asks for
//! it, so that the peers take turns with it, and says how long it took.
//!
//! ```text
//! benches/peers/run
//! cargo test --workspace --bench peers        both pieces of work once, small
//! ```
//!
//! With `--serve MINILM SMOLLM2 LITE0 RESNET18 WHISPER` each line of standard input is a piece of work in JSON,
//! and is answered by a line:
//!
//! ```text
//! {"embed": [[101, 7, 102], [101, 9, 102]]}    → {"seconds": 0.1, "embedding": [first row]}
//! {"decode": "Once upon a time", "tokens": 64} → {"seconds": 1.5, "text": ", there lived"}
//! {"images": FILE, "batch": 16, "network": "resnet18"} → {"seconds": 0.9, "logits": [first row]}
//! {"transcribe": [WAV, …]} → {"seconds": 2.5, "texts": ["And Mr. John Dashwood …", …]}
//! {"vad": SOUND}                               → {"seconds": 0.2, "spans": [[0.4, 1.7]]}
//! {"log_mel": SOUND}                           → {"seconds": 0.1, "first": [80 bands of a frame]}
//! ```
//!
//! FILE holds little-endian f32 numbers, `[batch, 3, 224, 224]`, SOUND samples at 16 kHz; reading them
//! is not timed, nor is that of the WAV files. They are transcribed one after another, greedy and
//! without times.
//!
//! `seconds` of a decode are those of the tokens behind the first, which reading the prompt gives.

use andiron::{
    Model as _, Network, Predictor,
    burn::tensor::{Device, Int, Tensor, TensorData},
    nlp::{
        batch::TokenBatch,
        decoder::Decoder as _,
        models::{bert::BertConfig, llama::LlamaConfig},
        published_decoder,
        tasks::{
            embedding::{self, Embedding},
            text_generation::TextGeneration,
        },
    },
    speech::{
        SpeechRecognition, VoiceActivity, Waveform,
        frontend::mel::LogMelConfig,
        tasks::voice_activity,
        whisper::{self, WhisperDecoding, WhisperListener},
    },
    vision::{
        models::{efficientnet_lite::EfficientNetLiteConfig, resnet::ResNetConfig},
        published::load_network,
    },
};
use serde_json::{Value, json};
use std::{
    cell::OnceCell,
    error::Error,
    io::{self, BufRead as _, Write as _},
    path::{Path, PathBuf},
    time::Instant,
};

/// The networks, and where they live.
struct Peer {
    encoder: Predictor<Embedding>,
    decoder: Network<LlamaConfig>,
    generation: TextGeneration,
    lite: Network<EfficientNetLiteConfig>,
    resnet: Network<ResNetConfig>,
    /// Loaded when it is first asked for.
    listener: OnceCell<Predictor<VoiceActivity>>,
    speech: Predictor<SpeechRecognition>,
    device: Device,
}

/// Where the weights of the listener lie.
const ASSETS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets");

/// The side of the images.
const SIDE: usize = 224;

impl Peer {
    /// Without a file for the residual network its weights are drawn.
    fn load(
        [minilm, smollm2, lite, whisper]: [&Path; 4],
        resnet: Option<&Path>,
    ) -> Result<Self, Box<dyn Error>> {
        let device = andiron::device("flex")?;
        let encoder = embedding::from_folder(minilm, &device)?;
        let (generation, decoder) = published_decoder::from_gguf(smollm2, &device)?;
        let lite = load_network(EfficientNetLiteConfig::lite0(), lite, &device)?;
        let config = ResNetConfig::resnet18(3, 1000);
        let resnet = match resnet {
            Some(path) => load_network(config, path, &device)?,
            None => Network::init(config, 1, &device)?,
        };
        let (transcriber, heard) = whisper::from_folder(whisper, &device)?;
        let language = transcriber.decoding.language.clone();
        let decoding = WhisperDecoding { language, ..WhisperDecoding::greedy() };
        let transcriber = WhisperListener { decoding, ..transcriber };
        let speech = Predictor::new(SpeechRecognition::from(transcriber), heard, &device);
        let listener = OnceCell::new();
        Ok(Self { encoder, decoder, generation, lite, resnet, listener, speech, device })
    }

    fn answer(&self, line: &str) -> Result<Value, Box<dyn Error>> {
        let work: Value = serde_json::from_str(line)?;
        if let Some(rows) = work.get("embed") {
            return self.embed(&serde_json::from_value::<Vec<Vec<u32>>>(rows.clone())?);
        }
        if let Some(path) = work["images"].as_str() {
            let batch = work["batch"].as_u64().ok_or("batch is missing")? as usize;
            return self.classify(work["network"].as_str(), floats(path)?, [batch, SIDE]);
        }
        if let Some(path) = work["vad"].as_str() {
            return self.voice_activity(floats(path)?);
        }
        if let Some(path) = work["log_mel"].as_str() {
            return log_mel(&floats(path)?);
        }
        if let Some(files) = work.get("transcribe") {
            return self.transcribe(&serde_json::from_value::<Vec<PathBuf>>(files.clone())?);
        }
        let prompt = work["decode"].as_str().ok_or("decode is no text")?;
        let tokens = work["tokens"].as_u64().ok_or("tokens is missing")?;
        self.decode(prompt, tokens as usize)
    }

    /// From samples to text, a file after the other.
    fn transcribe(&self, files: &[PathBuf]) -> Result<Value, Box<dyn Error>> {
        let waves = files.iter().map(Waveform::from_file).collect::<Result<Vec<_>, _>>()?;
        let started = Instant::now();
        let mut texts = Vec::new();
        for wave in &waves {
            texts.push(self.speech.predict(std::slice::from_ref(wave))?.remove(0).text);
        }
        Ok(json!({ "seconds": started.elapsed().as_secs_f64(), "texts": texts }))
    }

    /// From pixels to logits, `batch` images of `side` by `side`.
    fn classify(
        &self,
        network: Option<&str>,
        pixels: Vec<f32>,
        [batch, side]: [usize; 2],
    ) -> Result<Value, Box<dyn Error>> {
        let started = Instant::now();
        let images = TensorData::new(pixels, [batch, 3, side, side]);
        let images = Tensor::<4>::from_data(images, &self.device);
        let logits = match network {
            Some("efficientnet-lite0") => self.lite.model.forward(images),
            Some("resnet18") => self.resnet.model.forward(images),
            _ => return Err("network is none of those known".into()),
        };
        let logits: Vec<f32> = logits.into_data().iter::<f32>().collect();
        let seconds = started.elapsed().as_secs_f64();
        let width = logits.len() / batch;
        Ok(json!({ "seconds": seconds, "logits": logits[..width] }))
    }

    /// When somebody speaks in samples at 16 kHz.
    fn voice_activity(&self, samples: Vec<f32>) -> Result<Value, Box<dyn Error>> {
        let listener = match self.listener.get() {
            Some(listener) => listener,
            None => {
                let path = Path::new(ASSETS).join("silero-vad/silero_vad_16k.safetensors");
                let loaded = voice_activity::from_path(&path, &self.device)?;
                self.listener.get_or_init(|| loaded)
            }
        };
        let wave = Waveform::new(samples, 16_000)?;
        let started = Instant::now();
        let answer = listener.predict(std::slice::from_ref(&wave))?.remove(0);
        let seconds = started.elapsed().as_secs_f64();
        let spans: Vec<[f64; 2]> = answer.segments.iter().map(|one| [one.start, one.end]).collect();
        Ok(json!({ "seconds": seconds, "spans": spans }))
    }

    /// From numbers of tokens to vectors of length 1.
    fn embed(&self, rows: &[Vec<u32>]) -> Result<Value, Box<dyn Error>> {
        let network = self.encoder.network::<BertConfig>().ok_or("the encoder is no BERT")?;
        let pooling = self.encoder.task().pooling;
        let started = Instant::now();
        let tokens = TokenBatch::of(rows, &[], &self.device);
        let mask = tokens.mask.clone();
        let pooled = pooling.of(network.model.forward(tokens), mask);
        let length = (pooled.clone() * pooled.clone()).sum_dim(1).sqrt();
        let vectors: Vec<f32> = (pooled / length).into_data().iter::<f32>().collect();
        let seconds = started.elapsed().as_secs_f64();
        let width = vectors.len() / rows.len();
        Ok(json!({ "seconds": seconds, "embedding": vectors[..width] }))
    }

    /// The most probable token, again and again.
    fn decode(&self, prompt: &str, tokens: usize) -> Result<Value, Box<dyn Error>> {
        let tokenizer = &self.generation.tokenizer;
        let prompt = tokenizer.ids(prompt, false)?;
        let model = &self.decoder.model;
        let mut cache = model.cache(&[0]);
        let mut next = |ids: &[u32]| {
            let ids: Vec<i32> = ids.iter().map(|id| *id as i32).collect();
            let shape = [1, ids.len()];
            let ids = TensorData::new(ids, shape);
            let ids = Tensor::<2, Int>::from_data(ids, &self.device);
            let hidden = model.read(ids, &mut cache);
            let last = hidden.dims()[1] - 1;
            let logits = model.logits(hidden.narrow(1, last, 1));
            let logits: Vec<f32> = logits.into_data().iter::<f32>().collect();
            let best = logits.iter().enumerate().max_by(|a, b| a.1.total_cmp(b.1));
            best.map_or(0, |(id, _)| id as u32)
        };
        let mut ids = vec![next(&prompt)];
        let started = Instant::now();
        while ids.len() < tokens {
            ids.push(next(&[ids[ids.len() - 1]]));
        }
        let seconds = started.elapsed().as_secs_f64();
        Ok(json!({ "seconds": seconds, "text": tokenizer.decode(&ids, false)? }))
    }
}

/// Samples or pixels.
fn floats(path: &str) -> Result<Vec<f32>, io::Error> {
    let bytes = std::fs::read(path)?;
    Ok(bytes.as_chunks::<4>().0.iter().map(|bytes| f32::from_le_bytes(*bytes)).collect())
}

/// The logarithm of eighty bands of 25 ms every 10 ms.
fn log_mel(samples: &[f32]) -> Result<Value, Box<dyn Error>> {
    let planned = LogMelConfig::new(16_000, 400, 160).with_n_mels(80).init()?;
    let started = Instant::now();
    let frames = planned.compute(samples);
    let seconds = started.elapsed().as_secs_f64();
    Ok(json!({ "seconds": seconds, "first": frames.rows().next() }))
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    if let [serve, minilm, smollm2, lite, resnet, whisper] = &arguments[..]
        && serve == "--serve"
    {
        let paths = [minilm, smollm2, lite, whisper].map(Path::new);
        let peer = Peer::load(paths, Some(Path::new(resnet)))?;
        for line in io::stdin().lock().lines() {
            let answer = peer.answer(&line?)?;
            writeln!(io::stdout(), "{answer}")?;
        }
        return Ok(());
    }
    let assets = PathBuf::from(ASSETS);
    let minilm = assets.join("all-minilm-l6-v2");
    let smollm2 = assets.join("smollm2/SmolLM2-135M-Instruct.Q4_1.gguf");
    let lite = assets.join("efficientnet-lite0");
    let whisper = assets.join("whisper-tiny-en");
    let sentence = assets.join("librivox/0880.wav");
    if ![&minilm, &smollm2, &lite, &whisper, &sentence].into_iter().all(|path| path.exists()) {
        println!("LEFT OUT: the weights are not there; scripts/fetch-assets fetches them");
        return Ok(());
    }
    let peer = Peer::load([&minilm, &smollm2, &lite, &whisper], None)?;
    println!("{}", peer.answer(r#"{"embed": [[101, 2009, 102], [101, 2003, 102]]}"#)?["seconds"]);
    println!("{}", peer.answer(r#"{"decode": "The capital of France is", "tokens": 3}"#)?);
    log_mel(&[0.1; 1_000])?;
    if assets.join("silero-vad").is_dir() {
        println!("{}", peer.voice_activity(vec![0.1; 16_000])?);
    }
    println!("{}", peer.transcribe(&[sentence])?);
    for network in ["efficientnet-lite0", "resnet18"] {
        println!("{}", peer.classify(Some(network), vec![0.5; 3 * 64 * 64], [1, 64])?["seconds"]);
    }
    Ok(())
}
