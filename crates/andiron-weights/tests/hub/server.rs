//! A server on this machine that speaks the hub's routes, and fails when told to.

use andiron_core::hash;
use serde_json::json;
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

pub(crate) const NAME: &str = "some-one/tiny.model";
pub(crate) const COMMIT: &str = "0123456789abcdef0123456789abcdef01234567";

/// What goes wrong, and at which of the routes.
#[derive(Clone, Copy, PartialEq)]
pub(crate) enum Fault {
    /// A status, to a request whose path holds the text.
    Status(u16, &'static str),
    /// The body of a file ends after so many bytes.
    Cut(usize),
    /// A request for the rest of a file is answered with the whole.
    WholeForRest,
    /// One byte of every file is another one.
    Damage,
    /// The commit in the list of files.
    Commit(&'static str),
    /// The commit that comes with a file.
    FileCommit(&'static str),
    /// The etag of files.
    Etag(&'static str),
}

/// A request: its path, range and token.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) range: Option<String>,
    pub(crate) token: Option<String>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, Vec<u8>>,
    /// How often each fault still happens.
    faults: Vec<(Fault, usize)>,
    asked: Vec<Asked>,
}

/// The server; it ends with the test.
#[derive(Clone)]
pub(crate) struct Server {
    pub(crate) endpoint: String,
    state: Arc<Mutex<State>>,
}

impl Server {
    /// A hub with one model that has these files; those that end in `.safetensors` lie elsewhere,
    /// and are redirected to.
    pub(crate) fn new(files: &[(&str, &[u8])]) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let endpoint = format!("http://{}", listener.local_addr().unwrap());
        let files = files.iter().map(|(name, bytes)| ((*name).to_owned(), bytes.to_vec()));
        let state = State { files: files.collect(), ..State::default() };
        let server = Self { endpoint, state: Arc::new(Mutex::new(state)) };
        let serving = server.clone();
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let serving = serving.clone();
                // A client that hangs up is no failure of the server.
                thread::spawn(move || drop(serving.answer(stream)));
            }
        });
        server
    }

    /// From now on `fault` happens so many times.
    pub(crate) fn fails(&self, fault: Fault, times: usize) {
        self.state.lock().unwrap().faults.push((fault, times));
    }

    /// What was asked since the last call.
    pub(crate) fn asked(&self) -> Vec<Asked> {
        std::mem::take(&mut self.state.lock().unwrap().asked)
    }

    /// The fault that `is` picks, if it still happens.
    fn fault<T>(&self, is: impl Fn(Fault) -> Option<T>) -> Option<T> {
        let mut state = self.state.lock().unwrap();
        let (found, left) = state
            .faults
            .iter_mut()
            .filter(|(_, left)| *left > 0)
            .find_map(|(fault, left)| Some((is(*fault)?, left)))?;
        *left -= 1;
        Some(found)
    }

    fn answer(&self, stream: TcpStream) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream.try_clone()?).lines();
        let first = lines.next().unwrap_or_else(|| Ok(String::new()))?;
        let path = first.split(' ').nth(1).unwrap_or_default().to_owned();
        let (mut range, mut token) = (None, None);
        for line in lines {
            let line = line?;
            if line.is_empty() {
                break;
            }
            let Some((name, value)) = line.split_once(": ") else { continue };
            match name.to_ascii_lowercase().as_str() {
                "range" => range = Some(value.to_owned()),
                "authorization" => token = Some(value.to_owned()),
                _ => {}
            }
        }
        let asked = Asked { path: path.clone(), range: range.clone(), token };
        self.state.lock().unwrap().asked.push(asked);
        let status = |fault| match fault {
            Fault::Status(status, within) if path.contains(within) => Some(status),
            _ => None,
        };
        if let Some(status) = self.fault(status) {
            return reply(stream, status, &[], b"no");
        }
        let path = path.split('?').next().unwrap_or_default();
        if path.starts_with(&format!("/api/models/{NAME}/revision/")) {
            return self.list(stream);
        }
        let file = path.rsplit('/').next().unwrap_or_default().to_owned();
        let Some(bytes) = self.state.lock().unwrap().files.get(&file).cloned() else {
            return reply(stream, 404, &[], b"no such file");
        };
        let is_resolved = path == format!("/{NAME}/resolve/{COMMIT}/{file}");
        match (is_resolved, file.ends_with(".safetensors"), path.starts_with("/elsewhere/")) {
            (true, true, _) => self.redirect(stream, &file, &bytes),
            (true, false, _) | (_, _, true) => self.file(stream, bytes, range.as_deref()),
            _ => reply(stream, 404, &[], b"no such route"),
        }
    }

    fn list(&self, stream: TcpStream) -> std::io::Result<()> {
        let files = self.state.lock().unwrap().files.clone();
        let siblings: Vec<_> = files
            .iter()
            .map(|(name, bytes)| match name.ends_with(".safetensors") {
                true => json!({"rfilename": name, "size": bytes.len(),
                    "lfs": {"sha256": hash::sha256(bytes), "size": bytes.len()}}),
                false => json!({"rfilename": name, "size": bytes.len()}),
            })
            .collect();
        let is_commit = |fault| if let Fault::Commit(commit) = fault { Some(commit) } else { None };
        let commit = self.fault(is_commit).unwrap_or(COMMIT);
        let text = json!({"sha": commit, "siblings": siblings, "id": NAME}).to_string();
        reply(stream, 200, &[("Content-Type", "application/json".to_owned())], text.as_bytes())
    }

    /// The headers by which a client knows a file.
    fn about(&self, bytes: &[u8]) -> [(&'static str, String); 2] {
        let is_etag =
            |fault| if let Fault::Etag(etag) = fault { Some(etag.to_owned()) } else { None };
        let is_commit =
            |fault| if let Fault::FileCommit(commit) = fault { Some(commit) } else { None };
        let etag = self.fault(is_etag).unwrap_or_else(|| hash::sha256(bytes));
        let commit = self.fault(is_commit).unwrap_or(COMMIT).to_owned();
        [("ETag", format!("\"{etag}\"")), ("X-Repo-Commit", commit)]
    }

    fn redirect(&self, stream: TcpStream, file: &str, bytes: &[u8]) -> std::io::Result<()> {
        let [(_, etag), commit] = self.about(bytes);
        let to = format!("{}/elsewhere/{file}", self.endpoint);
        reply(stream, 302, &[("X-Linked-Etag", etag), commit, ("Location", to)], b"")
    }

    fn file(
        &self,
        stream: TcpStream,
        mut bytes: Vec<u8>,
        range: Option<&str>,
    ) -> std::io::Result<()> {
        let [etag, commit] = self.about(&bytes);
        let whole = bytes.len();
        let range = range.and_then(|range| range.strip_prefix("bytes=")?.split_once('-'));
        // RFC 9110, section 15.5.17: there is nothing from there on.
        if range.is_some_and(|(from, _)| from.parse::<usize>().is_ok_and(|from| from >= whole)) {
            return reply(stream, 416, &[("Content-Range", format!("bytes */{whole}"))], b"");
        }
        let from = range.map_or(0, |(from, _)| from.parse().unwrap_or(0)).min(whole);
        let to = range
            .and_then(|(_, to)| to.parse::<usize>().ok())
            .map_or(whole, |to| to + 1)
            .min(whole);
        let is_probe = to == 1;
        if !is_probe && self.fault(|fault| (fault == Fault::Damage).then_some(())).is_some() {
            bytes[whole / 2] ^= 1;
        }
        let wants_rest = from > 0;
        if wants_rest && self.fault(|fault| (fault == Fault::WholeForRest).then_some(())).is_some()
        {
            return reply(stream, 200, &[etag, commit], &bytes);
        }
        let body = &bytes[from..to];
        let span = format!("bytes {from}-{}/{whole}", to.max(1) - 1);
        let headers = [etag, commit, ("Content-Range", span)];
        let cut = |fault| match fault {
            Fault::Cut(length) if length < body.len() => Some(length),
            _ => None,
        };
        match if is_probe { None } else { self.fault(cut) } {
            Some(length) => send(stream, 206, &headers, body.len(), &body[..length]),
            None => reply(stream, 206, &headers, body),
        }
    }
}

fn reply(
    stream: TcpStream,
    status: u16,
    headers: &[(&str, String)],
    body: &[u8],
) -> std::io::Result<()> {
    send(stream, status, headers, body.len(), body)
}

/// Sends `body`, announcing `length` bytes.
fn send(
    mut stream: TcpStream,
    status: u16,
    headers: &[(&str, String)],
    length: usize,
    body: &[u8],
) -> std::io::Result<()> {
    let mut text =
        format!("HTTP/1.1 {status} Told\r\nContent-Length: {length}\r\nConnection: close\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    stream.write_all(text.as_bytes())?;
    stream.write_all(b"\r\n")?;
    stream.write_all(body)
}
