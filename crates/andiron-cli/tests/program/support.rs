//! Starting the program, and data that it has never seen.

use image::{GrayImage, Luma};
use serde_json::Value;
use std::{
    f32::consts::TAU,
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
};

/// What a call of the program came to.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: Option<i32>,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Answer {
    fn of(output: Output) -> Self {
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self { status: output.status.code(), out: text(output.stdout), err: text(output.stderr) }
    }

    /// Standard output, a value a line.
    pub(crate) fn lines(&self) -> Vec<Value> {
        self.out.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// Asserts that all went well.
    #[track_caller]
    pub(crate) fn good(self) -> Self {
        assert_eq!(self.status, Some(0), "{}", self.err);
        self
    }

    /// Asserts that it failed with this status, and that standard error has this text.
    #[track_caller]
    pub(crate) fn refused(self, status: i32, text: &str) {
        assert_eq!(self.status, Some(status), "{}", self.err);
        assert!(self.err.contains(text), "{:?} is not in: {}", text, self.err);
    }
}

/// The program, to be started in the repository's root.
pub(crate) fn program() -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_andiron"));
    command.current_dir(root());
    command
}

/// The repository's root.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").canonicalize().unwrap()
}

/// Runs the program without input.
pub(crate) fn andiron(args: &[&str]) -> Answer {
    Answer::of(program().args(args).stdin(Stdio::null()).output().unwrap())
}

/// Runs the program with `input` on standard input.
pub(crate) fn andiron_with(args: &[&str], input: impl AsRef<[u8]>) -> Answer {
    let mut child = program()
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    // A program that refuses its arguments ends before it has read anything.
    let _ = child.stdin.take().unwrap().write_all(input.as_ref());
    Answer::of(child.wait_with_output().unwrap())
}

/// Text for an argument.
pub(crate) fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

/// Writes a file, and the folders that it lies in.
pub(crate) fn write(path: &Path, bytes: impl AsRef<[u8]>) {
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(path, bytes).unwrap();
}

/// What lies in a folder, by name.
pub(crate) fn names(dir: &Path) -> Vec<String> {
    let name =
        |entry: std::io::Result<fs::DirEntry>| entry.unwrap().file_name().into_string().unwrap();
    let mut names: Vec<String> = fs::read_dir(dir).unwrap().map(name).collect();
    names.sort();
    names
}

/// Numbers between 0 and 1 that are the same at every call.
pub(crate) fn noise(seed: u64) -> impl FnMut() -> f32 {
    let mut state = seed;
    move || {
        state =
            state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 40) as f32 / (1 << 24) as f32
    }
}

/// A table of `n` invented orders and complaints, whose columns have names of their own.
pub(crate) fn reviews(path: &Path, n: usize) {
    let (kind, sour) = (["crisp", "tasty", "warm", "fresh"], ["stale", "burnt", "soggy", "cold"]);
    let things = ["bread", "soup, the red one", "pie", "tea", "salad", "rice", "fish"];
    let rows: String = (0..n)
        .map(|i| {
            let (words, stars) = if i % 2 == 0 { (kind, "5") } else { (sour, "1") };
            let (first, second) = (words[i / 2 % 4], words[i / 3 % 4]);
            format!("{i},\"The {} was {first}, even {second}\",{stars}\n", things[i % 7])
        })
        .collect();
    write(path, format!("id,review,stars\n{rows}"));
}

/// A PNG of odd size, bright on one side.
pub(crate) fn png(path: &Path, left: bool, seed: u64) {
    let mut noise = noise(seed);
    let picture = GrayImage::from_fn(13, 9, |x, _| {
        let bright = (x < 6) == left;
        Luma([(if bright { 150.0 } else { 20.0 } + 60.0 * noise()) as u8])
    });
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    picture.save(path).unwrap();
}

/// A folder per class with `n` pictures each.
pub(crate) fn pictures(dir: &Path, n: u64) {
    for i in 0..n {
        png(&dir.join(format!("left/{i}.png")), true, i);
        png(&dir.join(format!("right/{i}.png")), false, 1000 + i);
    }
}

/// Seconds of a tone with noise.
pub(crate) fn tone(hertz: f32, seconds: f32, rate: u32, seed: u64) -> Vec<f32> {
    let mut noise = noise(seed);
    (0..(seconds * rate as f32) as usize)
        .map(|n| 0.4 * (TAU * hertz * n as f32 / rate as f32).sin() + 0.1 * (noise() - 0.5))
        .collect()
}

/// A WAV file of 16 bits and one channel.
pub(crate) fn wav(path: &Path, samples: &[f32], rate: u32) {
    let (channels, bits_per_sample) = (1, 16);
    let sample_format = hound::SampleFormat::Int;
    let spec = hound::WavSpec { channels, sample_rate: rate, bits_per_sample, sample_format };
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for sample in samples {
        writer.write_sample((sample * 32767.0) as i16).unwrap();
    }
    writer.finalize().unwrap();
}

/// A folder per class with `n` sounds each, of different lengths.
pub(crate) fn sounds(dir: &Path, n: u64) {
    for i in 0..n {
        let seconds = 0.3 + 0.037 * (i % 5) as f32;
        let pitch = 1.0 + 0.01 * i as f32;
        wav(&dir.join(format!("low/{i}.wav")), &tone(300.0 * pitch, seconds, 8000, i), 8000);
        wav(&dir.join(format!("high/{i}.wav")), &tone(1500.0 * pitch, seconds, 8000, 99 + i), 8000);
    }
}

/// A configuration of ten lines for the table of [`reviews`], with more lines behind it.
pub(crate) fn reviews_toml(more: &str) -> String {
    format!(
        "task = \"text-classification\"\nmodel = \"hashed-linear\"\noutput = \"mine\"\n\
         [data]\ntrain = \"reviews.csv\"\ncolumns = {{ text = \"review\", label = \"stars\" }}\n\
         seed = 7\n[training]\nlearning_rate = 0.05\n{more}\n"
    )
}

/// A folder with [`reviews`] and their configuration `mine.toml`.
pub(crate) fn reviews_run(more: &str) -> (tempfile::TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    reviews(&dir.path().join("reviews.csv"), 120);
    let config = dir.path().join("mine.toml");
    write(&config, reviews_toml(more));
    (dir, config)
}
