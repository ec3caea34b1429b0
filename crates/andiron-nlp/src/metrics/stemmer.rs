//! English words cut to their stems, for ROUGE.
//!
//! Paper: Porter 1980, <https://doi.org/10.1108/eb046814>. With the changes that NLTK's
//! `PorterStemmer` makes by default, since rouge-score calls that one: irregular words, words of
//! four letters on -ies and -ied, `y` only behind a consonant, -alli, -bli, -fulli and -logi. It is
//! no general stemmer: the snowball stemmer for English (Porter 2) gives other stems.

/// Words whose stem no rule gives.
const IRREGULAR: [(&str, &str); 16] = [
    ("skies", "sky"),
    ("sky", "sky"),
    ("dying", "die"),
    ("lying", "lie"),
    ("tying", "tie"),
    ("news", "news"),
    ("innings", "inning"),
    ("inning", "inning"),
    ("outings", "outing"),
    ("outing", "outing"),
    ("cannings", "canning"),
    ("canning", "canning"),
    ("howe", "howe"),
    ("proceed", "proceed"),
    ("exceed", "exceed"),
    ("succeed", "succeed"),
];

/// Step 2, where what stands before the ending has a measure above 0.
const STEP_2: [(&str, &str); 21] = [
    ("ational", "ate"),
    ("tional", "tion"),
    ("enci", "ence"),
    ("anci", "ance"),
    ("izer", "ize"),
    ("bli", "ble"),
    ("alli", "al"),
    ("entli", "ent"),
    ("eli", "e"),
    ("ousli", "ous"),
    ("ization", "ize"),
    ("ation", "ate"),
    ("ator", "ate"),
    ("alism", "al"),
    ("iveness", "ive"),
    ("fulness", "ful"),
    ("ousness", "ous"),
    ("aliti", "al"),
    ("iviti", "ive"),
    ("biliti", "ble"),
    ("fulli", "ful"),
];

/// Step 3, likewise.
const STEP_3: [(&str, &str); 7] = [
    ("icate", "ic"),
    ("ative", ""),
    ("alize", "al"),
    ("iciti", "ic"),
    ("ical", "ic"),
    ("ful", ""),
    ("ness", ""),
];

/// Step 4: endings that go where what stands before them has a measure above 1; -ion only behind
/// s or t.
const STEP_4: [&str; 19] = [
    "al", "ance", "ence", "er", "ic", "able", "ible", "ant", "ement", "ment", "ent", "ion", "ou",
    "ism", "ate", "iti", "ous", "ive", "ize",
];

/// The stem of a word of ASCII letters and digits in lower case; a word of up to three characters
/// is its own, as in rouge-score.
pub(super) fn stem(word: &str) -> String {
    if word.len() <= 3 {
        return word.to_owned();
    }
    if let Some((_, stem)) = IRREGULAR.iter().find(|(irregular, _)| *irregular == word) {
        return (*stem).to_owned();
    }
    let word = step_1c(step_1b(step_1a(word)));
    let word = first_rule(step_2(word), &STEP_3);
    step_5(step_4(word))
}

fn step_1a(word: &str) -> String {
    let (ending, new) = if word.len() == 4 && word.ends_with("ies") {
        ("s", "")
    } else if word.ends_with("sses") || word.ends_with("ies") {
        ("es", "")
    } else if word.ends_with("ss") || !word.ends_with('s') {
        ("", "")
    } else {
        ("s", "")
    };
    replaced(word, ending, new)
}

fn step_1b(word: String) -> String {
    if word.ends_with("ied") {
        return replaced(&word, if word.len() == 4 { "d" } else { "ed" }, "");
    }
    if let Some(before) = word.strip_suffix("eed") {
        return if measure(before) > 0 { replaced(&word, "d", "") } else { word };
    }
    let cut = ["ed", "ing"].iter().find_map(|ending| {
        word.strip_suffix(ending).filter(|before| consonants(before).contains(&false))
    });
    let Some(cut) = cut else { return word };
    if cut.ends_with("at") || cut.ends_with("bl") || cut.ends_with("iz") {
        return format!("{cut}e");
    }
    let bytes = cut.as_bytes();
    let is_double = bytes.len() >= 2 && bytes[bytes.len() - 1] == bytes[bytes.len() - 2];
    if is_double && consonants(cut).last() == Some(&true) {
        let kept = matches!(bytes[bytes.len() - 1], b'l' | b's' | b'z');
        return cut[..cut.len() - usize::from(!kept)].to_owned();
    }
    let short = measure(cut) == 1 && ends_short(cut);
    if short { format!("{cut}e") } else { cut.to_owned() }
}

fn step_1c(word: String) -> String {
    match word.strip_suffix('y') {
        Some(before) if before.len() > 1 && consonants(before).last() == Some(&true) => {
            format!("{before}i")
        }
        _ => word,
    }
}

fn step_2(mut word: String) -> String {
    while let Some(before) = word.strip_suffix("alli") {
        if measure(before) == 0 {
            break;
        }
        word = format!("{before}al");
    }
    match word.strip_suffix("logi") {
        Some(_) if measure(&word[..word.len() - 3]) > 0 => replaced(&word, "i", ""),
        _ => first_rule(word, &STEP_2),
    }
}

fn step_4(word: String) -> String {
    let ending = STEP_4.iter().find(|ending| word.ends_with(**ending));
    let Some((ending, before)) = ending.and_then(|e| Some((*e, word.strip_suffix(e)?))) else {
        return word;
    };
    let may = ending != "ion" || before.ends_with('s') || before.ends_with('t');
    if may && measure(before) > 1 { before.to_owned() } else { word }
}

fn step_5(mut word: String) -> String {
    if let Some(before) = word.strip_suffix('e') {
        let goes = match measure(before) {
            0 => false,
            1 => !ends_short(before),
            _ => true,
        };
        if goes {
            word.pop();
        }
    }
    if word.ends_with("ll") && measure(&word[..word.len() - 1]) > 1 {
        word.pop();
    }
    word
}

/// The first rule whose ending the word has decides, whether it may be applied or not.
fn first_rule(word: String, rules: &[(&str, &str)]) -> String {
    let rule = rules.iter().find(|(ending, _)| word.ends_with(ending));
    match rule {
        Some((ending, new)) if measure(&word[..word.len() - ending.len()]) > 0 => {
            replaced(&word, ending, new)
        }
        _ => word,
    }
}

fn replaced(word: &str, ending: &str, new: &str) -> String {
    format!("{}{new}", word.strip_suffix(ending).unwrap_or(word))
}

/// For each letter whether it is a consonant: no vowel, and no y behind a consonant.
fn consonants(word: &str) -> Vec<bool> {
    let mut before = false;
    let is_consonant = |letter: u8| {
        before = match letter {
            b'a' | b'e' | b'i' | b'o' | b'u' => false,
            b'y' => !before,
            _ => true,
        };
        before
    };
    word.bytes().map(is_consonant).collect()
}

/// The paper's m: how often a consonant follows a vowel.
fn measure(word: &str) -> usize {
    consonants(word).windows(2).filter(|pair| *pair == [false, true]).count()
}

/// The paper's \*o, consonant, vowel, and a consonant other than w, x, y; NLTK adds words of a
/// vowel and a consonant.
fn ends_short(word: &str) -> bool {
    match consonants(word).as_slice() {
        [.., true, false, true] => !word.ends_with(['w', 'x', 'y']),
        [false, true] => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::stem;

    #[test]
    fn words_of_the_paper() {
        for (word, wanted) in [
            ("caresses", "caress"),
            ("ponies", "poni"),
            ("ties", "tie"),
            ("agreed", "agre"),
            ("feed", "feed"),
            ("hopping", "hop"),
            ("filing", "file"),
            ("falling", "fall"),
            ("happy", "happi"),
            ("enjoy", "enjoy"),
            ("vietnamization", "vietnam"),
            ("radically", "radic"),
            ("adoption", "adopt"),
            ("controlling", "control"),
            ("skies", "sky"),
            ("exceed", "exceed"),
            ("was", "was"),
            ("2020s", "2020"),
        ] {
            assert_eq!(stem(word), wanted, "{word}");
        }
    }
}
