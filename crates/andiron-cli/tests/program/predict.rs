//! `andiron predict`: one answer a line, in order, whatever a line is.

use crate::support::{Answer, andiron, andiron_with, png, text, tone, wav, write};
use serde_json::{Value, json};
use std::{fs, path::Path};

/// The text of the error in an answer.
#[track_caller]
fn error(answer: &Value) -> &str {
    assert_eq!(answer.as_object().unwrap().len(), 1, "{answer}");
    answer["error"].as_str().unwrap()
}

#[test]
fn a_text_is_answered_without_a_network() {
    let answer =
        andiron_with(&["predict", "sentiment", "-"], "{\"text\": \"what a lovely day\"}\n");
    let [line] = &answer.good().lines()[..] else { panic!("one line in, one line out") };
    assert_eq!(line["label"], "positive");
    let scores = line["scores"].as_object().unwrap();
    let sum: f64 = scores.values().map(|score| score.as_f64().unwrap()).sum();
    assert!((sum - 1.0).abs() < 1e-5, "{line}");
    assert_eq!(line["score"], scores["positive"]);
}

#[test]
fn a_bad_line_costs_only_its_own_place() {
    let mut input =
        b"{\"text\": \"good\"}\nno json\n\n[1]\n{\"texts\": \"x\"}\n{\"text\": 5}\n".to_vec();
    input.extend(b"{\"text\": \"\xff\"}\n{\"text\": \"\"}\n\xef\xbb\xbf{\"text\": \"good\"}\r\n{\"text\": \"good\"}");
    let answer = andiron_with(&["predict", "sentiment", "-"], input);
    assert_eq!((answer.status, answer.err.as_str()), (Some(1), ""));
    let lines = answer.lines();
    assert_eq!(lines.len(), 10);
    assert!(lines[0]["label"].is_string());
    for (at, part) in [
        (1, "standard input, line 2: it is not JSON: "),
        (2, "standard input, line 3: it is empty"),
        (3, "standard input, line 4: an object was wanted, but it is [1]"),
        (4, "field \"text\" must be a text, but is missing"),
        (5, "field \"text\" must be a text, but is 5"),
        (6, "standard input, line 7: it is not UTF-8 from byte 10 on"),
        (7, "empty"),
    ] {
        assert!(error(&lines[at]).contains(part), "{}", lines[at]);
    }
    // The last ones are answered as the first is; the last has no line break.
    assert_eq!((&lines[8], &lines[9]), (&lines[0], &lines[0]));
}

#[test]
fn a_file_of_texts_gives_what_its_lines_give() {
    let dir = tempfile::tempdir().unwrap();
    let of = |name: &str, bytes: &[u8]| {
        let path = dir.path().join(name);
        write(&path, bytes);
        andiron(&["predict", "sentiment", text(&path)])
    };
    let wanted = andiron_with(
        &["predict", "sentiment", "-"],
        "{\"text\": \"I hate it, all\"}\n{\"text\": \"fun\"}\n",
    );
    let wanted = wanted.good().out;
    for (name, bytes) in [
        ("a.txt", "I hate it, all\nfun\n"),
        ("a.jsonl", "{\"text\": \"I hate it, all\"}\n{\"text\": \"fun\"}"),
        ("a.csv", "n,text\n1,\"I hate it, all\"\n2,fun\n"),
        ("a.tsv", "text\tn\r\nI hate it, all\t1\r\nfun\t2\r\n"),
        ("plain", "{\"text\": \"I hate it, all\"}\n{\"text\": \"fun\"}\n"),
    ] {
        assert_eq!(of(name, bytes.as_bytes()).good().out, wanted, "{name}");
    }
    // Rows that cannot be read keep their places, too.
    let rows = of("b.csv", b"text,n\nfun,1\nfun\n\"\xff\",2\nfun,3\n");
    assert_eq!(rows.status, Some(1));
    let lines = rows.lines();
    assert_eq!(lines.len(), 4);
    assert_eq!(lines[0], lines[3]);
    assert!(error(&lines[1]).contains("b.csv, line 3"), "{}", lines[1]);
    assert!(error(&lines[2]).contains("b.csv, line 4"), "{}", lines[2]);

    // A quotation mark that is never closed takes the rest with it, and so is not passed over.
    let rows = of("c.csv", b"n,text\n1,fun\n\n2,\"fun\n3,fun\n4,fun\n");
    assert_eq!((rows.status, rows.lines().len()), (Some(1), 2));
    assert_eq!(rows.lines()[0], lines[0]);
    let said = "c.csv, line 4: a quotation mark is opened and never closed";
    assert!(error(&rows.lines()[1]).ends_with(said), "{}", rows.lines()[1]);
    let head = of("d.csv", b"\"text\nfun\nfun\n");
    assert_eq!((head.status, head.lines().len()), (Some(1), 1));
    assert!(error(&head.lines()[0]).contains("d.csv, line 1: "), "{}", head.lines()[0]);

    let missing = text(dir.path()).to_owned() + "/none.txt";
    let both = andiron(&["predict", "sentiment", &missing, text(&dir.path().join("a.txt"))]);
    assert_eq!((both.status, both.lines().len()), (Some(1), 3));
    assert!(error(&both.lines()[0]).starts_with("cannot read ") && both.out.ends_with(&wanted));
}

/// A PNG whose header promises 60,000 by 60,000 pixels.
fn huge_png() -> Vec<u8> {
    let mut head = b"IHDR".to_vec();
    head.extend([0, 0, 0xEA, 0x60, 0, 0, 0xEA, 0x60, 8, 0, 0, 0, 0]);
    let crc = head.iter().fold(!0_u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |c, _| {
            if c & 1 == 1 { (c >> 1) ^ 0xEDB8_8320 } else { c >> 1 }
        })
    });
    let mut png = b"\x89PNG\r\n\x1a\n\0\0\0\x0d".to_vec();
    png.extend(head);
    png.extend((!crc).to_be_bytes());
    png.extend(b"\0\0\0\0IDAT\x35\xaf\x06\x1e\0\0\0\0IEND\xae\x42\x60\x82");
    png
}

#[test]
fn images_good_and_bad() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    png(&at("good.png"), true, 5);
    let good = fs::read(at("good.png")).unwrap();
    write(&at("cut.png"), &good[..good.len() - 40]);
    write(&at("empty.png"), b"");
    write(&at("text.png"), b"this is no image");
    write(&at("huge.png"), huge_png());
    image::GrayImage::new(1, 1).save(at("one.png")).unwrap();
    let files = [
        "good.png",
        "cut.png",
        "empty.png",
        "text.png",
        "huge.png",
        "none.png",
        "one.png",
        "good.png",
    ];
    let paths: Vec<String> = files.iter().map(|name| text(&at(name)).to_owned()).collect();

    // As arguments, as lines, and as lines in a file: the same answers.
    let mut args = vec!["predict", "digits"];
    args.extend(paths.iter().map(String::as_str));
    let by_files = andiron(&args);
    let lines: String =
        paths.iter().map(|path| format!("{}\n", json!({ "image": path }))).collect();
    let by_lines = andiron_with(&["predict", "digits", "-"], &lines);
    write(&at("list.jsonl"), &lines);
    let by_list = andiron(&["predict", "digits", text(&at("list.jsonl"))]);
    assert_eq!((by_files.status, by_lines.status), (Some(1), Some(1)));
    assert_eq!(by_files.out, by_lines.out);
    assert_eq!(by_files.out, by_list.out);

    let answers = by_files.lines();
    assert_eq!(answers.len(), files.len());
    for (at, part) in [
        (1, "cut.png: PNG image cannot be decoded"),
        (2, "empty.png: the image is empty"),
        (3, "text.png: image cannot be decoded"),
        (4, "huge.png: "),
        (5, "none.png: No such file"),
    ] {
        assert!(error(&answers[at]).contains(part), "{}", answers[at]);
    }
    assert!(error(&answers[4]).contains("over the limit"), "{}", answers[4]);
    for at in [0, 6, 7] {
        assert_eq!(answers[at]["top"].as_array().unwrap().len(), 5, "{}", answers[at]);
    }
    let no_path =
        andiron_with(&["predict", "digits", "-"], "{\"image\": 5}\n{\"picture\": \"x\"}\n");
    let lines = no_path.lines();
    assert_eq!(error(&lines[0]), "field \"image\" must be the path of a file, but is 5");
    assert_eq!(error(&lines[1]), "field \"image\" must be the path of a file, but is missing");
}

fn wav_of(path: &Path, channels: u16, rate: u32, bits: u16, samples: &[f32]) {
    let sample_format =
        if bits == 33 { hound::SampleFormat::Float } else { hound::SampleFormat::Int };
    let bits_per_sample = bits.min(32);
    let spec = hound::WavSpec { channels, sample_rate: rate, bits_per_sample, sample_format };
    let mut writer = hound::WavWriter::create(path, spec).unwrap();
    for sample in samples {
        for _ in 0..channels {
            match sample_format {
                hound::SampleFormat::Float => writer.write_sample(*sample).unwrap(),
                hound::SampleFormat::Int => {
                    let most = 2f64.powi(i32::from(bits) - 1) - 1.0;
                    writer.write_sample((f64::from(*sample) * most) as i32).unwrap();
                }
            }
        }
    }
    writer.finalize().unwrap();
}

#[test]
fn sounds_good_and_bad() {
    let dir = tempfile::tempdir().unwrap();
    let at = |name: &str| dir.path().join(name);
    let samples = tone(440.0, 0.71, 8000, 3);
    wav_of(&at("16.wav"), 1, 8000, 16, &samples);
    wav_of(&at("24.wav"), 1, 8000, 24, &samples);
    wav_of(&at("float.wav"), 1, 8000, 33, &samples);
    wav_of(&at("stereo.wav"), 2, 8000, 33, &samples);
    wav_of(&at("96k.wav"), 1, 96_000, 24, &tone(440.0, 0.71, 96_000, 3));
    let good = 5;
    let mut broken = samples.clone();
    broken[1234] = f32::NAN;
    wav_of(&at("nan.wav"), 1, 8000, 33, &broken);
    wav(&at("none.wav"), &[], 8000);
    let whole = fs::read(at("16.wav")).unwrap();
    write(&at("cut.wav"), &whole[..whole.len() / 2]);
    write(&at("zero.wav"), b"");
    write(&at("mp3.wav"), b"ID3\x04 this is no sound");
    let files = [
        "16.wav",
        "24.wav",
        "float.wav",
        "stereo.wav",
        "96k.wav",
        "nan.wav",
        "none.wav",
        "cut.wav",
        "zero.wav",
        "mp3.wav",
        "16.wav",
    ];
    let paths: Vec<String> = files.iter().map(|name| text(&at(name)).to_owned()).collect();
    let mut args = vec!["predict", "languages"];
    args.extend(paths.iter().map(String::as_str));
    let answer = andiron(&args);
    let lines = answer.lines();
    assert_eq!((answer.status, lines.len()), (Some(1), files.len()));
    let score = |line: &Value| line["scores"]["en"].as_f64().unwrap();
    for line in &lines[..good] {
        assert!(line["scores"].as_object().unwrap().len() == 5, "{line}");
    }
    // Bits and channels are how it is written, not how it sounds.
    for at in [1, 2, 3] {
        assert!((score(&lines[0]) - score(&lines[at])).abs() < 0.01, "{}", lines[at]);
    }
    assert_eq!(lines[0], lines[10]);
    for (at, part) in [
        (5, "nan.wav: the waveform holds NaN at position 1234"),
        (6, "none.wav: the waveform is empty"),
        (7, "cut.wav: WAV audio cannot be decoded"),
        (8, "zero.wav: "),
        (9, "mp3.wav: MP3 audio cannot be decoded"),
    ] {
        assert!(error(&lines[at]).contains(part), "{}", lines[at]);
    }
}

#[test]
fn calling_it_wrongly_has_a_status_of_its_own() {
    let refused = |args: &[&str], part: &str| andiron(args).refused(2, part);
    refused(&[], "Usage: andiron");
    refused(&["prophesy"], "prophesy");
    refused(&["predict"], "<MODEL>");
    refused(&["predict", "sentiment", "--devise", "flex"], "--devise");
    refused(&["predict", "nothing", "-"], "there is no model \"nothing\"");
    refused(
        &["predict", "nothing", "-"],
        "built in are [\"digits\", \"languages\", \"sentiment\"]",
    );
    refused(&["predict", "sentiment", "--device", "abacus"], "compiled in are [\"flex\"");
    refused(&["evaluate", "sentiment"], "<DATA>");
    refused(&["evaluate", "sentiment", "a.csv", "--columns", "text"], "FIELD=COLUMN was wanted");
    let Answer { status, out, .. } = andiron(&["--help"]);
    assert!(status == Some(0) && out.contains("predict") && out.contains("evaluate"));
}
