//! `andiron predict`: one answer a line, in order, flushed at once.

use crate::{
    args::Predict,
    builtin::registry,
    error::{CliError, DONE, FAILED, chain},
    file::{path_field, read_file},
    model::Model,
    rows::{BadRow, Rows},
};
use andiron::{AnyPredictor, Attachment, DataError, Raw, burn::tensor::Device};
use serde_json::{Map, Value, json};
use std::{
    cell::RefCell,
    collections::BTreeMap,
    fs::{self, File},
    io::{self, BufRead, BufReader, Read as _, Write as _},
    path::{Path, PathBuf},
    process,
    sync::{
        Arc, Mutex, MutexGuard, PoisonError, TryLockError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// How long a signal waits for the answer in progress.
const GRACE: Duration = Duration::from_secs(2);
/// Between two looks at whether the answer is finished.
const PAUSE: Duration = Duration::from_millis(5);

/// The longest line that is read, in bytes.
const LONGEST: usize = 64 << 20;

/// Answers everything that `args` names.
pub(crate) fn run(args: &Predict, device: &Device) -> Result<u8, CliError> {
    let registry = registry();
    let predictor = Model::of(&args.model)?.load(&registry, args.task.as_deref(), device)?;
    let task = registry.task(predictor.task())?;
    let (media, attached) = (task.media, task.attached);
    let pictures = match &args.pictures {
        None => None,
        Some(dir) if predictor.about().draw.is_some() => Some(Pictures::new(dir)?),
        Some(_) => {
            let (argument, reason) = ("--pictures".to_owned(), "this task's answers are not drawn");
            return Err(CliError::Argument { argument, reason });
        }
    };
    let writer = match (&args.write, attached) {
        (None, _) => None,
        (Some(folder), Some(attachment)) => Some(Writer::new(folder, attachment)?),
        (Some(_), None) => {
            let (argument, reason) = ("--write".to_owned(), "this task's answers have no files");
            return Err(CliError::Argument { argument, reason });
        }
    };
    let answerer = Answerer { predictor, media, writer, pictures, state: State::default() };
    answerer.state.end_on_signal()?;
    for file in &args.files {
        answerer.file(file)?;
    }
    Ok(answerer.state.status())
}

/// What the main thread and the one that waits for signals share.
#[derive(Clone, Default)]
struct State {
    /// Held while an answer is made and written.
    answering: Arc<Mutex<()>>,
    /// Set by a signal: no other answer is begun.
    ending: Arc<AtomicBool>,
    failed: Arc<AtomicBool>,
}

impl State {
    fn status(&self) -> u8 {
        if self.failed.load(Ordering::SeqCst) { FAILED } else { DONE }
    }

    /// Begins an answer, which ends with the guard; none is begun once a signal has come.
    fn begin(&self) -> MutexGuard<'_, ()> {
        let answering = self.answering.lock().unwrap_or_else(PoisonError::into_inner);
        if self.ending.load(Ordering::SeqCst) {
            drop(answering);
            loop {
                thread::park();
            }
        }
        answering
    }

    /// Lets SIGTERM, SIGINT and SIGHUP mean what the end of input means: the answer in progress is
    /// finished and no other begun. The main thread may be blocked in a read that no signal ends,
    /// so the process ends here; and in a write, if nobody reads the answers, so it does not wait
    /// for ever.
    fn end_on_signal(&self) -> Result<(), CliError> {
        let state = self.clone();
        let end = move || {
            state.ending.store(true, Ordering::SeqCst);
            let deadline = Instant::now() + GRACE;
            while let Err(TryLockError::WouldBlock) = state.answering.try_lock() {
                if Instant::now() >= deadline {
                    // The answer is cut off, so not everything was done.
                    process::exit(FAILED.into());
                }
                thread::sleep(PAUSE);
            }
            process::exit(state.status().into());
        };
        ctrlc::set_handler(end).map_err(|_| CliError::Argument {
            argument: "predict".to_owned(),
            reason: "the handler for signals cannot be set",
        })
    }
}

/// What one answer is asked for.
enum Request {
    /// An object; for tasks on media it names a file.
    Line(Value),
    /// A text alone.
    Text(String),
    /// An image or a sound.
    Media(PathBuf),
}

/// Writes what an answer keeps in a file of its own.
struct Writer {
    folder: PathBuf,
    attachment: Attachment,
    written: AtomicUsize,
}

impl Writer {
    fn new(folder: &Path, attachment: Attachment) -> Result<Self, CliError> {
        fs::create_dir_all(folder).map_err(|error| DataError::io(folder, error))?;
        Ok(Self { folder: folder.to_owned(), attachment, written: AtomicUsize::new(0) })
    }

    /// Puts the file's path in place of what it holds. Files are numbered, so that two inputs of one
    /// name do not share one.
    fn keep(&self, answer: &mut Value, of: &Path) -> Result<(), DataError> {
        let Attachment { field, ending, write, .. } = self.attachment;
        let bytes = write(&answer[field])?;
        let number = self.written.fetch_add(1, Ordering::SeqCst) + 1;
        let stem = of.file_stem().unwrap_or_default().to_string_lossy();
        let path = self.folder.join(format!("{number:05}-{stem}.{ending}"));
        fs::write(&path, bytes).map_err(|error| DataError::io(&path, error))?;
        answer[field] = path.display().to_string().into();
        Ok(())
    }
}

struct Answerer {
    predictor: Box<dyn AnyPredictor>,
    /// Where the files of answers go, if they are wanted.
    writer: Option<Writer>,
    /// The field that names a file, for tasks on media.
    media: Option<&'static str>,
    /// Where answers are drawn, if they are.
    pictures: Option<Pictures>,
    state: State,
}

/// The folder in which answers are drawn.
struct Pictures {
    dir: PathBuf,
    /// How often a name was asked for.
    taken: RefCell<BTreeMap<String, usize>>,
}

impl Pictures {
    fn new(dir: &Path) -> Result<Self, CliError> {
        fs::create_dir_all(dir).map_err(|source| CliError::Write { path: dir.into(), source })?;
        Ok(Self { dir: dir.into(), taken: RefCell::default() })
    }

    /// Where the picture for `file` goes: its name with another ending, and with a number where
    /// another file of this call had the same.
    fn place(&self, file: &Path) -> PathBuf {
        let stem = file.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let mut taken = self.taken.borrow_mut();
        let times = taken.entry(stem.clone()).or_insert(0);
        *times += 1;
        let number = if *times == 1 { String::new() } else { format!("-{times}") };
        self.dir.join(format!("{stem}{number}.png"))
    }
}

impl Answerer {
    /// Answers one FILE argument.
    fn file(&self, path: &Path) -> Result<(), CliError> {
        if path.as_os_str() == "-" {
            return self.lines(io::stdin().lock(), Path::new("standard input"), json_line);
        }
        let extension = path.extension().and_then(|extension| extension.to_str()).unwrap_or("");
        let lines = matches!(extension, "jsonl" | "ndjson");
        if self.media.is_some() && !lines {
            return self.respond(|| Ok(Request::Media(path.to_owned())));
        }
        let file = match File::open(path) {
            Ok(file) => BufReader::new(file),
            Err(error) => return self.respond(|| Err(DataError::io(path, error).into())),
        };
        match extension {
            "csv" => self.rows(file, path, b','),
            "tsv" => self.rows(file, path, b'\t'),
            "txt" => self.lines(file, path, |text| Ok(Request::Text(text.to_owned()))),
            _ => self.lines(file, path, json_line),
        }
    }

    /// One answer a line; what a line means is for `parse` to say.
    fn lines(
        &self,
        mut input: impl BufRead,
        path: &Path,
        parse: impl Fn(&str) -> Result<Request, String>,
    ) -> Result<(), CliError> {
        let mut bytes = Vec::new();
        for number in 1.. {
            let refuse = |reason| {
                CliError::from(DataError::Line { path: path.into(), line: number, reason })
            };
            match read_line(&mut input, &mut bytes) {
                Ok(Line::End) => break,
                Ok(Line::Whole) => self.respond(|| {
                    let text = std::str::from_utf8(&bytes).map_err(|error| {
                        refuse(format!("it is not UTF-8 from byte {} on", error.valid_up_to()))
                    })?;
                    let text = text.strip_suffix('\n').unwrap_or(text);
                    let text = text.strip_suffix('\r').unwrap_or(text);
                    // Some editors put a mark of the encoding in front of the first line.
                    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
                    parse(text).map_err(refuse)
                })?,
                Ok(Line::TooLong) => {
                    self.respond(|| Err(refuse(format!("it is longer than {LONGEST} bytes"))))?;
                }
                Err(error) => {
                    self.respond(|| Err(DataError::io(path, error).into()))?;
                    break;
                }
            }
        }
        Ok(())
    }

    /// One answer a row below the head of a table.
    fn rows(&self, input: impl io::Read, path: &Path, delimiter: u8) -> Result<(), CliError> {
        let mut rows = Rows::new(input, delimiter);
        let refuse = |BadRow { line, reason }| {
            CliError::from(DataError::Line { path: path.into(), line, reason })
        };
        let head = match rows.next() {
            None => return Ok(()),
            Some(Ok(head)) => head,
            Some(Err(bad)) => return self.respond(|| Err(refuse(bad))),
        };
        for row in rows {
            self.respond(|| {
                let row = row.map_err(refuse)?;
                let fields = head.iter().zip(row.iter());
                let line = fields.map(|(name, cell)| (name.to_owned(), cell.into()));
                Ok(Request::Line(Value::Object(line.collect::<Map<_, _>>())))
            })?;
        }
        Ok(())
    }

    /// Writes the answer to one request, or why there is none; fails only if it cannot be written.
    fn respond(&self, request: impl FnOnce() -> Result<Request, CliError>) -> Result<(), CliError> {
        let _answering = self.state.begin();
        let answer = request().and_then(|request| self.answer(request)).unwrap_or_else(|error| {
            self.state.failed.store(true, Ordering::SeqCst);
            json!({ "error": chain(&error) })
        });
        let mut line = answer.to_string();
        line.push('\n');
        let mut out = io::stdout().lock();
        out.write_all(line.as_bytes()).and_then(|()| out.flush()).map_err(CliError::output)
    }

    fn answer(&self, request: Request) -> Result<Value, CliError> {
        let one = |raw: Raw<'_>| only(&*self.predictor, raw);
        let (path, line) = match (request, self.media) {
            (Request::Line(line), None) => return Ok(one(Raw::Json(&line))?),
            (Request::Text(text), _) => return Ok(one(Raw::Bytes(text.as_bytes()))?),
            (Request::Line(line), Some(field)) => (path_field(&line, field)?, Some(line)),
            (Request::Media(path), _) => (path, None),
        };
        let bytes = read_file(&path)?;
        let answer = match self.predictor.about().asked.zip(line) {
            None => one(Raw::Bytes(&bytes)),
            Some((asked, line)) => asked(&line).and_then(|by| only(&*by, Raw::Bytes(&bytes))),
        };
        let answer = answer.and_then(|mut answer| {
            if let Some(writer) = &self.writer {
                writer.keep(&mut answer, &path)?;
            }
            self.drawn(answer, &bytes)
        });
        let (mut answer, picture) =
            answer.map_err(|source| CliError::File { path: path.clone(), source })?;
        if let (Some(pictures), Some(picture)) = (&self.pictures, picture) {
            let place = pictures.place(&path);
            fs::write(&place, picture)
                .map_err(|source| CliError::Write { path: place.clone(), source })?;
            answer["picture"] = place.display().to_string().into();
        }
        Ok(answer)
    }

    /// The answer with its picture, where one is wanted.
    fn drawn(&self, answer: Value, bytes: &[u8]) -> Result<(Value, Option<Vec<u8>>), DataError> {
        let draw = self.predictor.about().draw.filter(|_| self.pictures.is_some());
        let picture = draw.map(|draw| draw(Raw::Bytes(bytes))).transpose()?;
        Ok((answer, picture))
    }
}

/// The answer to one input.
fn only(predictor: &dyn AnyPredictor, raw: Raw<'_>) -> Result<Value, DataError> {
    let missing = || Err(DataError::Empty { what: "the answer".to_owned() });
    predictor.predict(&[raw]).pop().unwrap_or_else(missing)
}

fn json_line(text: &str) -> Result<Request, String> {
    object(text).map(Request::Line)
}

fn object(text: &str) -> Result<Value, String> {
    match serde_json::from_str(text) {
        Ok(line @ Value::Object(_)) => Ok(line),
        Ok(other) => {
            Err(format!("an object was wanted, but it is {}", andiron::data::shortened(&other)))
        }
        Err(_) if text.trim().is_empty() => Err("it is empty, but an object was wanted".to_owned()),
        Err(error) => Err(format!("it is not JSON: {error}")),
    }
}

/// What reading a line came to.
#[derive(Debug, PartialEq, Eq)]
enum Line {
    /// It is there, with its line break if it has one.
    Whole,
    /// It was passed over.
    TooLong,
    /// There is none any more.
    End,
}

/// Reads the next line into `bytes`, with no more than [`LONGEST`] bytes of memory.
fn read_line(input: &mut impl BufRead, bytes: &mut Vec<u8>) -> io::Result<Line> {
    bytes.clear();
    let mut limited = input.by_ref().take(LONGEST as u64);
    match limited.read_until(b'\n', bytes)? {
        0 => Ok(Line::End),
        LONGEST if bytes.last() != Some(&b'\n') => {
            input.skip_until(b'\n')?;
            Ok(Line::TooLong)
        }
        _ => Ok(Line::Whole),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn lines_end_where_they_end() {
        let mut long = vec![b'x'; LONGEST + 5];
        long.extend(b"\nlast");
        let (mut bytes, mut input) =
            (Vec::new(), io::Cursor::new(b"a\n\nb".to_vec()).chain(io::Cursor::new(long)));
        let mut next = || (read_line(&mut input, &mut bytes).unwrap(), bytes.len().min(9));
        assert_eq!(next(), (Line::Whole, 2));
        assert_eq!(next(), (Line::Whole, 1));
        assert_eq!(next().0, Line::TooLong);
        assert_eq!(next(), (Line::Whole, 4));
        assert_eq!(next(), (Line::End, 0));
    }

    #[test]
    fn only_objects_are_lines() {
        assert_eq!(object(" {\"a\": 1}\r").unwrap(), json!({"a": 1}));
        assert_eq!(object("").unwrap_err(), "it is empty, but an object was wanted");
        assert_eq!(object("[1]").unwrap_err(), "an object was wanted, but it is [1]");
        assert!(object("{\"a\": }").unwrap_err().starts_with("it is not JSON: "));
    }
}
