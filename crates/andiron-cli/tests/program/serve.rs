//! `andiron predict MODEL -` as a process that lives as long as its input.

use crate::support::program;
use serde_json::Value;
use std::{
    io::{BufRead as _, BufReader, Write as _},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

struct Service {
    child: Child,
    input: Option<ChildStdin>,
    output: BufReader<ChildStdout>,
}

impl Service {
    fn start() -> Self {
        let mut child = program()
            .args(["predict", "sentiment", "-"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (input, output) = (child.stdin.take(), child.stdout.take().unwrap());
        Self { child, input, output: BufReader::new(output) }
    }

    fn ask(&mut self, line: &str) -> Value {
        writeln!(self.input.as_mut().unwrap(), "{line}").unwrap();
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        assert!(self.child.try_wait().unwrap().is_none(), "it lives on");
        serde_json::from_str(&answer).unwrap()
    }

    fn signal(&self, name: &str) {
        let id = self.child.id().to_string();
        assert!(Command::new("kill").args([name, &id]).status().unwrap().success());
    }

    fn status(mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}

#[test]
fn each_line_is_answered_while_the_next_is_awaited() {
    let mut service = Service::start();
    let first = service.ask("{\"text\": \"lovely\"}");
    assert_eq!(first["label"], "positive");
    for _ in 0..20 {
        assert_eq!(service.ask("{\"text\": \"lovely\"}"), first);
    }
    service.input = None;
    assert_eq!(service.status(), Some(0));

    let mut service = Service::start();
    assert!(service.ask("nonsense")["error"].is_string());
    assert_eq!(service.ask("{\"text\": \"lovely\"}"), first);
    service.input = None;
    assert_eq!(service.status(), Some(1));
}

#[test]
fn a_signal_ends_it_as_the_end_of_input_does() {
    for name in ["-TERM", "-INT"] {
        let mut service = Service::start();
        // Blocked in a read, with its input still open.
        assert_eq!(service.ask("{\"text\": \"lovely\"}")["label"], "positive");
        service.signal(name);
        let mut rest = String::new();
        service.output.read_line(&mut rest).unwrap();
        assert_eq!((service.status(), rest.as_str()), (Some(0), ""), "{name}");
    }
}

#[test]
fn what_a_signal_interrupts_is_a_whole_line() {
    let mut service = Service::start();
    let line = format!("{{\"text\": \"{}\"}}\n", "lovely ".repeat(30));
    service.ask(line.trim_end());
    let mut input = service.input.take().unwrap();
    let writer = std::thread::spawn(move || while input.write_all(line.as_bytes()).is_ok() {});
    let mut answers = Vec::new();
    for _ in 0..50 {
        let mut answer = String::new();
        service.output.read_line(&mut answer).unwrap();
        answers.push(answer);
    }
    service.signal("-TERM");
    for answer in std::mem::replace(&mut service.output, BufReader::new(dummy())).lines() {
        answers.push(answer.unwrap() + "\n");
    }
    assert_eq!(service.status(), Some(0));
    writer.join().unwrap();
    for answer in &answers {
        assert!(answer.ends_with('\n'));
        assert_eq!(serde_json::from_str::<Value>(answer).unwrap()["label"], "positive");
    }
}

/// An output that says nothing.
fn dummy() -> ChildStdout {
    let mut child = Command::new("true").stdout(Stdio::piped()).spawn().unwrap();
    child.wait().unwrap();
    child.stdout.take().unwrap()
}

#[test]
fn a_signal_ends_it_though_nobody_reads() {
    let mut service = Service::start();
    service.ask("{\"text\": \"lovely\"}");
    let mut input = service.input.take().unwrap();
    let written = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&written);
    let writer = thread::spawn(move || {
        while input.write_all(b"{\"text\": \"lovely\"}\n").is_ok() {
            counter.fetch_add(1, Ordering::SeqCst);
        }
    });
    // Both pipes are full once no line goes through any more: it waits in a write.
    let mut before = 0;
    loop {
        thread::sleep(Duration::from_millis(700));
        let now = written.load(Ordering::SeqCst);
        if now > 0 && now == before {
            break;
        }
        before = now;
    }
    service.signal("-TERM");
    let sent = Instant::now();
    let status = loop {
        match service.child.try_wait().unwrap() {
            Some(status) => break Some(status),
            None if sent.elapsed() > Duration::from_secs(5) => break None,
            None => thread::sleep(Duration::from_millis(20)),
        }
    };
    // Not to leave it behind, nor the writer waiting.
    let _ = service.child.kill();
    writer.join().unwrap();
    // By itself, and not as done: an answer was cut off.
    assert_eq!(status.expect("it ends within five seconds").code(), Some(1));
}

#[test]
fn a_reader_that_goes_away_ends_it_quietly() {
    let mut child = program()
        .args(["predict", "sentiment", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    drop(child.stdout.take());
    let mut input = child.stdin.take().unwrap();
    let _ = input.write_all(b"{\"text\": \"lovely\"}\n");
    let output = child.wait_with_output().unwrap();
    assert_eq!((output.status.code(), output.stderr.as_slice()), (Some(141), &b""[..]));
}
