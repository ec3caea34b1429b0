//! Which language is it? fastText's lid.176.ftz: 938 kB, 176 languages, some thousand answers a second.
//!
//! ```text
//! scripts/fetch-assets --only lid-176                     once: fetches the file
//! cargo run --example language_identification
//! ```
//!
//! It prints the two most probable languages of each of twelve sentences, how many of the first ones are
//! right, and how many answers it gave in a second.
//!
//! `--quick` is taken, as by every example, and changes nothing: there is nothing to train.

use andiron::nlp::language_id::LanguageIdentifier;
use std::{error::Error, path::Path, time::Instant};

/// Sentences and their languages. Short ones are hard: two letters of one can be words of another.
const SENTENCES: [(&str, &str); 12] = [
    ("Wo ist die Bibliothek?", "de"),
    ("Où est la bibliothèque ?", "fr"),
    ("Dove si trova la biblioteca?", "it"),
    ("¿Dónde está la biblioteca?", "es"),
    ("Onde fica a biblioteca?", "pt"),
    ("Waar is de bibliotheek?", "nl"),
    ("Hvor er biblioteket?", "da"),
    ("Gdzie jest biblioteka?", "pl"),
    ("Где находится библиотека?", "ru"),
    ("図書館はどこですか？", "ja"),
    ("Kütüphane nerede?", "tr"),
    ("ok", "en"),
];

fn main() -> Result<(), Box<dyn Error>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets/lid-176/lid.176.ftz");
    if !path.is_file() {
        println!("left out: the file is not there; the header says how to fetch it");
        return Ok(());
    }
    let identifier = LanguageIdentifier::open(&path)?;

    let mut right = 0;
    for (text, language) in SENTENCES {
        let answers = identifier.predict(text, 2)?;
        let said: Vec<String> =
            answers.iter().map(|answer| format!("{} {:.2}", answer.label, answer.score)).collect();
        right += usize::from(answers.first().is_some_and(|best| best.label == language));
        println!("{language}: {text} → {}", said.join(", "));
    }
    println!("{right} of {} are right", SENTENCES.len());

    let (started, texts) = (Instant::now(), 3000);
    for at in 0..texts {
        identifier.predict(SENTENCES[at % SENTENCES.len()].0, 1)?;
    }
    println!("{:.0} answers a second", texts as f64 / started.elapsed().as_secs_f64());
    Ok(())
}
