//! Lines that no honest client sends: each costs an error in its own place, and no time.

use crate::support::andiron_with;
use std::time::Instant;

#[test]
fn a_hostile_line_costs_only_its_own_place() {
    let good = r#"{"text": "What a lovely day!"}"#;
    let long = format!(r#"{{"text": "{}"}}"#, "word ".repeat(10 << 18));
    assert!(long.len() > 10 << 20);
    let cases: [(&str, Vec<u8>); 7] = [
        ("half of a pair", br#"{"text": "\ud800"}"#.to_vec()),
        ("the other half", br#"{"text": "x \udc00 y"}"#.to_vec()),
        ("no UTF-8", b"{\"text\": \"\xff\xfe\"}".to_vec()),
        ("ten megabytes", long.into_bytes()),
        ("ten megabytes of no JSON", vec![b'x'; 10 << 20]),
        ("nested", [vec![b'['; 1 << 20], vec![b']'; 1 << 20]].concat()),
        ("no text", br#"{"text": ""}"#.to_vec()),
    ];
    let mut input = Vec::new();
    for (_, line) in &cases {
        for part in [line.as_slice(), b"\n", good.as_bytes(), b"\n"] {
            input.extend(part);
        }
    }
    let started = Instant::now();
    let answer = andiron_with(&["predict", "sentiment", "-"], input);
    assert!(started.elapsed().as_secs() < 30);
    assert_eq!(answer.status, Some(1), "{}", answer.err);
    let lines = answer.lines();
    assert_eq!(lines.len(), 2 * cases.len());
    for ((what, _), pair) in cases.iter().zip(lines.chunks(2)) {
        let error = pair[0]["error"].as_str().unwrap_or_else(|| panic!("{what}: {}", pair[0]));
        assert!(!error.is_empty() && error.len() < 1000, "{what}: {} bytes", error.len());
        assert_eq!(pair[1]["label"], "positive", "behind {what}");
    }
}
