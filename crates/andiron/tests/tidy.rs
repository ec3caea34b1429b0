//! The rules of the house that a program can check: each names the file that breaks it, and
//! first makes sure that it found files at all.

use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

type Toml = toml::Table;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// Files below `folder` with the ending `extension`, in order.
fn files(folder: &Path, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_path_buf()];
    while let Some(folder) = open.pop() {
        let Ok(entries) = fs::read_dir(&folder) else { continue };
        for path in entries.filter_map(|entry| entry.ok().map(|entry| entry.path())) {
            if path.is_dir() {
                open.push(path);
            } else if path.extension().is_some_and(|e| e == extension) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn read(path: &Path) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The sources of all crates, without their tests.
fn sources() -> Vec<(PathBuf, String)> {
    let found: Vec<(PathBuf, String)> = files(&root().join("crates"), "rs")
        .into_iter()
        .filter(|path| path.components().any(|part| part.as_os_str() == "src"))
        .map(|path| {
            let text = read(&path);
            let code = text.split("\n#[cfg(test)]\n").next().unwrap_or_default().to_owned();
            (path, code)
        })
        .collect();
    assert!(found.len() > 40, "only {} source files found: the walk is wrong", found.len());
    found
}

/// Lines of code, without comments.
fn code_lines(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .filter(|(_, line)| !line.trim_start().starts_with("//"))
        .map(|(at, line)| (at + 1, line))
}

fn refuse(rule: &str, found: &[String]) {
    assert!(found.is_empty(), "{rule}:\n  {}", found.join("\n  "));
}

/// Every place in `sources` whose code holds one of `words`, but for the files `allowed`.
fn places(words: &[&str], allowed: &[&str]) -> Vec<String> {
    sources()
        .iter()
        .filter(|(path, _)| !allowed.iter().any(|end| path.to_string_lossy().contains(end)))
        .flat_map(|(path, text)| {
            code_lines(text)
                .filter(|(_, line)| words.iter().any(|word| line.contains(word)))
                .map(|(at, line)| format!("{}:{at}: {}", path.display(), line.trim()))
                .collect::<Vec<_>>()
        })
        .collect()
}

#[test]
fn crates_depend_in_one_direction() {
    let domains = ["andiron-nlp", "andiron-vision", "andiron-speech"];
    let below = ["andiron-core", "andiron-kernels", "andiron-weights"];
    let mut allowed: BTreeMap<&str, Vec<&str>> = BTreeMap::from([
        ("andiron-kernels", vec![]),
        ("andiron-signal", vec![]),
        ("andiron-core", vec!["andiron-kernels"]),
        ("andiron-weights", vec!["andiron-core"]),
        ("andiron", [&domains[..], &below[..]].concat()),
        ("andiron-cli", vec!["andiron"]),
    ]);
    for domain in domains {
        allowed.insert(domain, below.to_vec());
    }
    for domain in ["andiron-vision", "andiron-speech"] {
        allowed.entry(domain).or_default().push("andiron-signal");
    }
    let mut wrong = Vec::new();
    for (name, allowed) in &allowed {
        let text = read(&root().join("crates").join(name).join("Cargo.toml"));
        let manifest: Toml = text.parse().expect("a manifest that cargo reads is valid TOML");
        let dependencies = manifest["dependencies"].as_table().expect("a table of dependencies");
        assert!(!dependencies.is_empty(), "{name} has no dependencies: the reading is wrong");
        for dependency in dependencies.keys().filter(|name| name.starts_with("andiron")) {
            if !allowed.contains(&dependency.as_str()) {
                wrong.push(format!("{name} depends on {dependency}"));
            }
        }
    }
    refuse("dependencies that the architecture forbids", &wrong);
}

#[test]
fn the_device_comes_from_the_caller() {
    let found = places(&["Device::default()", "Device::configure", ".configure("], &[]);
    refuse("only a caller chooses a device", &found);
}

#[test]
fn dropout_is_the_kernels_own() {
    let found = places(&["nn::Dropout", "DropoutConfig"], &[]);
    refuse("burn's dropout has one generator for the process; call kernels::dropout", &found);
}

#[test]
fn unsafe_code_lives_in_kernels_and_in_the_file_that_maps_weights() {
    let allowed = ["andiron-kernels", "andiron-weights/src/map.rs"];
    let found = places(&["unsafe ", "unsafe{", "(unsafe_code"], &allowed);
    refuse("unsafe code outside the kernels crate and the mapping of weights", &found);
    let unexplained: Vec<String> = sources()
        .iter()
        .flat_map(|(path, text)| {
            let lines: Vec<&str> = text.lines().collect();
            code_lines(text)
                .filter(|(_, line)| line.contains("unsafe {"))
                .filter(|(at, _)| {
                    let from = at.saturating_sub(8);
                    !lines[from..*at].iter().any(|line| line.contains("SAFETY:"))
                })
                .map(|(at, _)| format!("{}:{at}", path.display()))
                .collect::<Vec<_>>()
        })
        .collect();
    refuse("unsafe blocks without a SAFETY line", &unexplained);
}

#[test]
fn the_facade_has_no_logic() {
    let text = read(&root().join("crates/andiron/src/lib.rs"));
    let found: Vec<String> = code_lines(&text)
        .filter(|(_, line)| line.contains("fn "))
        .map(|(at, line)| format!("{at}: {line}"))
        .collect();
    refuse("functions in the facade", &found);
}

#[test]
fn every_model_file_is_declared_documented_and_tested() {
    let mut models = 0;
    let mut wrong = Vec::new();
    for name in ["nlp", "vision", "speech"] {
        let source = root().join(format!("crates/andiron-{name}/src"));
        let declared = read(&source.join("models.rs"));
        for path in files(&source.join("models"), "rs") {
            models += 1;
            let (text, stem) =
                (read(&path), path.file_stem().unwrap_or_default().to_string_lossy());
            for (is_there, what) in [
                (declared.contains(&format!("pub mod {stem};")), "its `pub mod` line"),
                (
                    text.starts_with("//!") && text.contains("//! Paper:"),
                    "its header with `Paper:`",
                ),
                (text.contains("# Shapes"), "the shapes of its forward pass"),
                (text.contains("Contract::new("), "its contract test"),
            ] {
                if !is_there {
                    wrong.push(format!("{} lacks {what}", path.display()));
                }
            }
        }
    }
    assert!(models >= 6, "only {models} model files found: the walk is wrong");
    refuse("model files that lack something", &wrong);
}

#[test]
fn no_file_is_longer_than_four_hundred_lines() {
    let long: Vec<String> = sources()
        .iter()
        .map(|(path, text)| (path, text.lines().count()))
        .filter(|(_, lines)| *lines > 400)
        .map(|(path, lines)| format!("{}: {lines} lines without its tests", path.display()))
        .collect();
    refuse("files to be split", &long);
}

#[test]
fn nothing_is_left_undone() {
    let found = places(&["todo!(", "unimplemented!(", "TODO", "FIXME", "XXX"], &[]);
    refuse("work left undone", &found);
}

#[test]
fn the_book_lists_its_pages() {
    let book = root().join("docs/src");
    let summary = read(&book.join("SUMMARY.md"));
    let pages = files(&book, "md");
    assert!(pages.len() > 8, "only {} pages found: the walk is wrong", pages.len());
    let mut wrong: Vec<String> = pages
        .iter()
        .filter_map(|page| page.file_name().map(|name| name.to_string_lossy().into_owned()))
        .filter(|name| name != "SUMMARY.md" && !summary.contains(&format!("({name})")))
        .map(|name| format!("SUMMARY.md does not list {name}"))
        .collect();
    for page in pages {
        let text = read(&page);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let target = link.split('#').next().unwrap_or_default();
            let outside = target.contains("://") || target.is_empty() || target.contains(' ');
            if !outside && !book.join(target).exists() {
                wrong.push(format!("{}: the link to {target} leads nowhere", page.display()));
            }
        }
    }
    refuse("the book", &wrong);
}

/// The name that mdBook gives a heading.
fn anchor(heading: &str) -> String {
    let plain = heading.trim_start_matches('#').trim().to_lowercase();
    let kept = |c: &char| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ');
    plain.chars().filter(kept).map(|c| if c == ' ' { '-' } else { c }).collect()
}

#[test]
fn the_books_anchors_and_includes_are_there() {
    let book = root().join("docs/src");
    let anchors = |page: &Path| -> Vec<String> {
        let text = read(page);
        // A line of code that begins with a sign of a heading is none.
        let outside = text.split("```").step_by(2).collect::<String>();
        outside.lines().filter(|line| line.starts_with('#')).map(anchor).collect()
    };
    let (mut links, mut includes, mut wrong) = (0, 0, Vec::new());
    for page in files(&book, "md") {
        let text = read(&page);
        for link in text.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            let Some((target, name)) = link.split_once('#') else { continue };
            if target.contains("://") || name.contains(' ') {
                continue;
            }
            links += 1;
            let target = if target.is_empty() { page.clone() } else { book.join(target) };
            if !anchors(&target).contains(&name.to_owned()) {
                wrong.push(format!("{}: no heading for {link}", page.display()));
            }
        }
        for include in text.split("{{#include ").skip(1).filter_map(|rest| rest.split("}}").next())
        {
            includes += 1;
            let (file, lines) = include.split_once(':').unwrap_or((include, ""));
            let first = lines.split(':').next().unwrap_or_default().parse().unwrap_or(1);
            let count = fs::read_to_string(book.join(file)).map_or(0, |text| text.lines().count());
            if count < first {
                wrong.push(format!("{}: nothing to include of {include}", page.display()));
            }
        }
    }
    assert!(links >= 3 && includes >= 3, "{links} anchors, {includes} includes: the walk is wrong");
    refuse("the book", &wrong);
}

#[test]
fn every_fuzz_target_is_declared_and_has_an_ordinary_twin() {
    let manifest = read(&root().join("fuzz/Cargo.toml"));
    let tests: Vec<String> = files(&root().join("crates"), "rs")
        .into_iter()
        .filter(|path| path.components().any(|part| part.as_os_str() == "tests"))
        .map(|path| read(&path))
        .collect();
    let targets = files(&root().join("fuzz/fuzz_targets"), "rs");
    assert!(targets.len() >= 4, "only {} fuzz targets found", targets.len());
    let mut wrong = Vec::new();
    for path in targets {
        let (text, stem) = (read(&path), path.file_stem().unwrap_or_default().to_string_lossy());
        if !manifest.contains(&format!("path = \"fuzz_targets/{stem}.rs\"")) {
            wrong.push(format!("{stem} is not declared"));
        }
        // What it calls, as its twin calls it: `fuzz::idx` or `testing::gguf`.
        let call = text.split("(bytes)").next().and_then(|code| code.rsplit([' ', '|']).next());
        let parts: Vec<&str> = call.unwrap_or_default().rsplit("::").take(2).collect();
        let [function, module] = parts[..] else {
            wrong.push(format!("{stem} calls no function on its bytes"));
            continue;
        };
        let twin = format!("{module}::{function}");
        if !tests.iter().any(|test| test.contains(&twin)) {
            wrong.push(format!("no test calls {twin}, which {stem} calls"));
        }
    }
    refuse("fuzz targets", &wrong);
}

#[test]
fn every_example_and_bench_is_declared_and_says_how_to_run_it() {
    let manifest = read(&root().join("crates/andiron/Cargo.toml"));
    let (examples, benches) =
        (files(&root().join("examples"), "rs"), files(&root().join("benches"), "rs"));
    assert!(examples.len() >= 4 && !benches.is_empty(), "examples or benches not found");
    let mut wrong = Vec::new();
    for path in examples.iter().chain(&benches) {
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !manifest.contains(&format!("/{name}\"")) {
            wrong.push(format!("{name} is not declared by the facade"));
        }
        if !read(path).starts_with("//!") || !read(path).contains("cargo ") {
            wrong.push(format!("{name} lacks a header with its command"));
        }
        if read(path).lines().any(|line| line.trim() == "//! HEADER") {
            wrong.push(format!("{name} has a place in its header that was never filled"));
        }
    }
    for path in &examples {
        if read(path).lines().count() > 120 {
            wrong.push(format!("{} has more than 120 lines", path.display()));
        }
    }
    refuse("examples and benches", &wrong);
}

#[test]
fn data_says_whose_it_is() {
    let notice = read(&root().join("NOTICE"));
    let data = root().join("examples/data");
    let mut folders = 0;
    let mut wrong = Vec::new();
    for entry in fs::read_dir(&data).expect("the examples have data").filter_map(Result::ok) {
        if !entry.path().is_dir() {
            continue;
        }
        folders += 1;
        let name = entry.file_name().to_string_lossy().into_owned();
        if !entry.path().join("README.md").is_file() {
            wrong.push(format!("{name} has no README.md"));
        }
        if !notice.contains(&name) {
            wrong.push(format!("NOTICE does not name {name}"));
        }
    }
    assert!(folders >= 3, "only {folders} folders of data found");
    refuse("data without papers", &wrong);
}
