//! `andiron train` on data unknown to the project, and what `evaluate` and `predict` make of it.

use crate::support::{
    Answer, andiron, andiron_with, names, pictures, png, reviews, reviews_run, sounds, text, tone,
    wav, write,
};
use serde_json::{Value, json};
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

fn accuracy(report: &Value) -> f64 {
    report["scores"]["accuracy"]["value"].as_f64().unwrap()
}

/// Trains, and returns the report.
fn train(config: &Path, more: &[&str]) -> Value {
    let mut args = vec!["train", text(config)];
    args.extend(more);
    let answer = andiron(&args).good();
    let [report] = &answer.lines()[..] else { panic!("one report: {}", answer.out) };
    report.clone()
}

fn card(bundle: &Path) -> Value {
    let text = fs::read(bundle.join("andiron.json")).unwrap();
    serde_json::from_slice::<Value>(&text).unwrap()["card"].take()
}

#[test]
fn a_table_with_columns_of_its_own() {
    let (dir, config) = reviews_run("max_steps = 150\n[card]\nlicence = \"CC0-1.0\"");
    let report = train(&config, &[]);
    assert!(accuracy(&report) > 0.9, "{report}");
    let bundle = dir.path().join("mine");
    assert_eq!(names(dir.path()), ["mine", "mine.toml", "reviews.csv", "runs"]);
    assert_eq!(names(&bundle), ["README.md", "andiron.json", "model.safetensors"]);
    let card = card(&bundle);
    assert_eq!(card["metrics"]["accuracy"], report["scores"]["accuracy"]);
    assert_eq!(card["data"][0]["examples"], json!({"train": 84, "valid": 12, "test": 24}));
    assert_eq!(card["data"][0]["sha256"].as_str().unwrap().len(), 64);
    assert_eq!((&card["seed"], &card["licence"]), (&json!(7), &json!("CC0-1.0")));
    assert_eq!(card["command"], format!("andiron train {}", config.display()));
    let run = dir.path().join("runs/mine");
    assert_eq!(names(&run), ["checkpoint", "log.jsonl", "report.json", "run.json"]);
    assert_eq!(fs::read_to_string(run.join("log.jsonl")).unwrap().lines().count(), 150);

    // The same part of the same data, evaluated later, gives the same report.
    let again = andiron(&["evaluate", text(&bundle), "--config", text(&config)]).good();
    assert_eq!(again.lines()[0], report);
    let data = dir.path().join("reviews.csv");
    let columns = ["--columns", "text=review,label=stars"];
    let args = ["evaluate", text(&bundle), text(&data), columns[0], columns[1]];
    assert_eq!(andiron(&args).good().lines()[0]["examples"], 120);
    let table = andiron(&[&args[..], &["--table"]].concat()).good().out;
    assert!(table.contains("accuracy") && table.contains("120 examples"), "{table}");

    let ask = "{\"text\": \"tasty and warm\"}\n{\"text\": \"burnt, soggy\"}\n";
    let answers = andiron_with(&["predict", text(&bundle), "-"], ask).good().lines();
    assert_eq!((&answers[0]["label"], &answers[1]["label"]), (&json!("5"), &json!("1")));
}

#[test]
fn progress_is_plain_lines_where_there_is_no_terminal() {
    let (_dir, config) = reviews_run("max_steps = 45\neval_every = 15");
    let answer = andiron(&["train", text(&config)]).good();
    assert!(!answer.err.contains(['\r', '\u{1b}']), "{:?}", answer.err);
    let lines: Vec<&str> = answer.err.lines().filter(|line| line.starts_with("step ")).collect();
    // About twenty, so one for every second step; one for every measurement, and for the last.
    let mut shown: Vec<usize> = (1..=45).filter(|step| step % 2 == 0).collect();
    shown.extend([15, 45]);
    shown.sort_unstable();
    assert_eq!(lines.len(), shown.len(), "{}", answer.err);
    let number = |text: &str, decimals: usize| {
        let (_, after) = text.split_once('.').unwrap_or_else(|| panic!("no fraction: {text}"));
        assert_eq!(after.len(), decimals, "{text}");
        text.parse::<f64>().unwrap_or_else(|_| panic!("no number: {text}"))
    };
    for (line, step) in lines.iter().zip(shown) {
        let rest = line.strip_prefix(&format!("step {step}/45: loss ")).expect(line);
        let parts: Vec<&str> = rest.split(", ").collect();
        let pace = parts[parts.len() - 1].strip_suffix(" steps/s").expect(line);
        assert!(number(parts[0], 4) > 0.0 && number(pace, 1) > 0.0, "{line}");
        match [15, 30, 45].contains(&step) {
            true => {
                let loss = parts[1].strip_prefix("validation loss ").expect(line);
                assert!(number(loss, 4) > 0.0 && parts.len() == 3, "{line}");
            }
            false => assert_eq!(parts.len(), 2, "{line}"),
        }
    }
    // A run that is finished has no step to show.
    let again = andiron(&["train", text(&config)]).good();
    assert!(!again.err.lines().any(|line| line.starts_with("step ")), "{}", again.err);
}

#[test]
fn pictures_of_a_folder_and_of_a_table() {
    let dir = tempfile::tempdir().unwrap();
    pictures(&dir.path().join("pictures"), 25);
    let config = dir.path().join("sides.toml");
    write(
        &config,
        "task = \"image-classification\"\nmodel = \"small-cnn\"\noutput = \"sides\"\n\
         [data]\ntrain = \"pictures\"\ntest = 0.2\nvalid = 0.1\n\
         [training]\nmax_steps = 60\nbatch_size = 16\n",
    );
    let report = train(&config, &[]);
    assert!(accuracy(&report) > 0.9, "{report}");
    assert_eq!(report["examples"], 10);
    let bundle = dir.path().join("sides");
    let all = andiron(&["evaluate", text(&bundle), text(&dir.path().join("pictures"))]).good();
    assert!(accuracy(&all.lines()[0]) > 0.9 && all.lines()[0]["examples"] == 50);
    let new = dir.path().join("new.png");
    png(&new, false, 4711);
    let answer = andiron(&["predict", text(&bundle), text(&new)]).good();
    assert_eq!(answer.lines()[0]["label"], "right");

    // The same pictures, named by a table; columns that nobody asked for are passed over.
    let mut table = "n,image,label\n".to_owned();
    for (n, side) in (0..25).flat_map(|n| [(n, "left"), (n, "right")]) {
        table += &format!("{n},pictures/{side}/{n}.png,{side}\n");
    }
    write(&dir.path().join("pictures.csv"), table);
    let more =
        ["--set", "data.train=pictures.csv", "--set", "output=of-a-table", "--set", "run=again"];
    let report = train(&config, &more);
    assert!(accuracy(&report) > 0.9 && report["examples"] == 10, "{report}");
    let bundle = dir.path().join("of-a-table");
    let all = andiron(&["evaluate", text(&bundle), text(&dir.path().join("pictures.csv"))]).good();
    assert!(accuracy(&all.lines()[0]) > 0.9 && all.lines()[0]["examples"] == 50);
    let answer = andiron(&["predict", text(&bundle), text(&new)]).good();
    assert_eq!(answer.lines()[0]["label"], "right");
}

#[test]
fn a_folder_of_sounds() {
    let dir = tempfile::tempdir().unwrap();
    sounds(&dir.path().join("sounds"), 25);
    let config = dir.path().join("pitch.toml");
    write(
        &config,
        "task = \"audio-classification\"\nmodel = \"statistics-linear\"\noutput = \"pitch\"\n\
         [data]\ntrain = \"sounds\"\nsplit = \"group\"\ngroup = \"file-stem\"\n\
         [training]\nmax_steps = 100\nlearning_rate = 0.01\n",
    );
    let report = train(&config, &[]);
    assert!(accuracy(&report) > 0.9, "{report}");
    // Both sounds of a stem are in one part: 5 stems of 25 are the test.
    assert_eq!(report["examples"], 10);
    let bundle = dir.path().join("pitch");
    let all = andiron(&["evaluate", text(&bundle), text(&dir.path().join("sounds"))]).good();
    assert!(accuracy(&all.lines()[0]) > 0.9 && all.lines()[0]["examples"] == 50);
    let new = dir.path().join("new.wav");
    wav(&new, &tone(310.0, 0.5, 8000, 4711), 8000);
    let answer = andiron(&["predict", text(&bundle), text(&new)]).good();
    assert_eq!(answer.lines()[0]["label"], "low");
}

#[test]
fn two_models_are_compared_on_the_same_examples() {
    let (dir, config) = reviews_run("max_steps = 60");
    train(&config, &[]);
    train(
        &config,
        &["--set", "output=other", "--set", "run=runs/other", "--set", "training.max_steps=1"],
    );
    let (mine, other) = (dir.path().join("mine"), dir.path().join("other"));
    let args = ["evaluate", text(&mine), "--config", text(&config), "--compare", text(&other)];
    let both = andiron(&args).good().lines().remove(0);
    assert_eq!(both["first"]["fingerprint"], both["second"]["fingerprint"]);
    let lost = both["comparison"]["only_first"].as_u64().unwrap();
    let difference = both["comparison"]["accuracy_difference"]["value"].as_f64().unwrap();
    assert!(lost > 0 && difference < 0.0, "{both}");
    assert!(both["first"].get("outcomes").is_none());
    let whole = andiron(&[&args[..4], &["--outcomes"]].concat()).good().lines().remove(0);
    assert_eq!(whole["outcomes"].as_array().unwrap().len(), 24);
    let table = andiron(&[&args[..], &["--table"]].concat()).good().out;
    assert!(table.contains("McNemar"), "{table}");
}

#[test]
fn wrong_settings_are_refused_by_name() {
    let (dir, config) = reviews_run("");
    let refused = |more: &[&str], part: &str| {
        let mut args = vec!["train", text(&config)];
        args.extend(more);
        andiron(&args).refused(2, part);
        assert_eq!(names(dir.path()), ["mine.toml", "reviews.csv"], "{more:?}");
    };
    refused(&["--set", "tusk=5"], "unknown field `tusk`");
    refused(&["--set", "data.trian=x.csv"], "unknown field `trian`");
    refused(
        &["--set", "training.learning_rat=1"],
        "there is no setting \"learning_rat\"; known are",
    );
    refused(
        &["--set", "training.learning_rate=-1"],
        "learning_rate must be greater than 0 and at most 1000, but is -1",
    );
    refused(&["--set", "training.epochs=nan"], "epochs");
    refused(
        &["--set", "task=cooking"],
        "there is no task \"cooking\"; known are [\"text-classification\"",
    );
    refused(
        &["--set", "model=abacus"],
        "architecture \"abacus\" is not known; known are [\"hashed-linear\"",
    );
    refused(&["--set", "data.test=2"], "test must lie in");
    write(&dir.path().join("mine.toml"), "task = \n");
    refused(&[], "mine.toml is no training configuration: TOML parse error at line 1");
    andiron(&["train", "nowhere.toml"]).refused(1, "cannot read nowhere.toml: No such file");
}

#[test]
fn a_wrong_option_of_the_model_is_refused_by_name() {
    let (dir, config) = reviews_run("");
    let args = ["train", text(&config), "--set", "options.n_bukets=5"];
    andiron(&args).refused(2, "there is no setting \"n_bukets\"; known are");
    assert!(!dir.path().join("mine").exists());
}

#[test]
fn data_that_cannot_be_learnt_from_is_named() {
    let (dir, config) = reviews_run("max_steps = 3");
    let data = dir.path().join("reviews.csv");
    let head = "id,review,stars\n";
    let refused = |bytes: &[u8], part: &str| {
        write(&data, bytes);
        andiron(&["train", text(&config)]).refused(1, part);
        assert!(!dir.path().join("mine").exists());
    };
    refused(b"", "reviews.csv is empty");
    refused(head.as_bytes(), "reviews.csv is empty");
    refused(
        b"id,text,stars\n1,a,5\n",
        "reviews.csv: there is no column \"review\"; there are [\"id\", \"stars\", \"text\"]",
    );
    refused(
        b"id,review,stars\n1,a\n",
        "reviews.csv, line 2: 3 fields were wanted, but there are 2",
    );
    refused(b"id,review,stars\n1,a,5\n2,\xff,1\n", "reviews.csv, line 3: invalid utf-8");
    let rows = |label: &str| (0..30).map(|n| format!("{n},t{n},{label}\n")).collect::<String>();
    refused((head.to_owned() + &rows("5")).as_bytes(), "all 21 examples have the label \"5\"");
    let few = head.to_owned() + "1,a,5\n2,b,1\n";
    refused(few.as_bytes(), "a stratified split needs at least 3 examples, but there are 2");
    fs::remove_file(&data).unwrap();
    andiron(&["train", text(&config)]).refused(1, "reviews.csv: No such file");

    // A column that only the task asks for is missed by its name, too.
    reviews(&data, 40);
    let bare = ["train", text(&config), "--set", "data.columns={label='stars'}", "--fresh"];
    andiron(&bare).refused(1, "reviews.csv: there is no column \"text\"; there are");
}

#[test]
fn files_that_cannot_be_learnt_from_are_named() {
    let dir = tempfile::tempdir().unwrap();
    pictures(&dir.path().join("pictures"), 8);
    let bad = dir.path().join("pictures/left/3.png");
    let good = fs::read(&bad).unwrap();
    write(&bad, &good[..good.len() - 30]);
    let config = dir.path().join("sides.toml");
    write(
        &config,
        "task = \"image-classification\"\nmodel = \"small-cnn\"\noutput = \"sides\"\n\
         [data]\ntrain = \"pictures\"\ntest = 0\nvalid = 0\n[training]\nmax_steps = 2\n",
    );
    let answer = andiron(&["train", text(&config)]);
    assert!(answer.err.contains("left/3.png"), "{}", answer.err);
    answer.refused(1, "PNG image cannot be decoded");
    assert!(!dir.path().join("sides").exists());
}

#[test]
fn a_damaged_file_is_found_before_the_training() {
    let dir = tempfile::tempdir().unwrap();
    let damage = |path: &Path| {
        let good = fs::read(path).unwrap();
        write(path, &good[..good.len() - 30]);
    };
    let refused = |config: &Path, more: &[&str], parts: &[&str]| {
        let args = [&["train", text(config)][..], more].concat();
        let answer = andiron(&args);
        for part in parts {
            assert!(answer.err.contains(part), "{part} is not in: {}", answer.err);
        }
        answer.refused(1, "cannot be decoded");
        for made in ["sides", "pitch", "runs"] {
            assert!(!dir.path().join(made).exists(), "{made}");
        }
    };
    for part in ["pictures", "held-pictures"] {
        pictures(&dir.path().join(part), 6);
    }
    damage(&dir.path().join("held-pictures/right/4.png"));
    let config = dir.path().join("sides.toml");
    write(
        &config,
        "task = \"image-classification\"\nmodel = \"small-cnn\"\noutput = \"sides\"\n\
         [data]\ntrain = \"pictures\"\ntest = 0\nvalid = 0\n[training]\nmax_steps = 2\n",
    );
    for (key, split) in [("data.test", "test"), ("data.valid", "validation")] {
        let own = format!("{key}=held-pictures");
        let said = format!("the {split} data cannot be used: example 10 (");
        refused(&config, &["--set", &own], &[&said, "right/4.png", "PNG image"]);
    }

    for part in ["sounds", "held-sounds"] {
        sounds(&dir.path().join(part), 6);
    }
    damage(&dir.path().join("held-sounds/low/2.wav"));
    let config = dir.path().join("pitch.toml");
    write(
        &config,
        "task = \"audio-classification\"\nmodel = \"statistics-linear\"\noutput = \"pitch\"\n\
         [data]\ntrain = \"sounds\"\ntest = \"held-sounds\"\nvalid = 0\n[training]\nmax_steps = 2\n",
    );
    refused(&config, &[], &["the test data cannot be used", "low/2.wav", "WAV audio"]);
}

/// 600 words and signs, all of one side.
fn document(sour: bool) -> String {
    ["stale, burnt and cold ", "crisp, tasty and warm "][usize::from(!sour)].repeat(120)
}

#[test]
fn long_texts_of_the_test_part_are_cut_as_in_the_training() {
    let (dir, config) = reviews_run("max_steps = 150");
    let test = dir.path().join("test.csv");
    let rows = format!("1,\"{}\",1\n2,\"{}\",5\n3,tasty,5\n", document(true), document(false));
    write(&test, format!("id,review,stars\n{rows}"));
    let more = ["--set", "data.test=test.csv"];
    let answer = andiron(&[&["train", text(&config)][..], &more].concat()).good();
    assert!(answer.err.contains("over the model's length are cut to it"), "{}", answer.err);
    let report = answer.lines().remove(0);
    assert_eq!((report["examples"].as_u64(), accuracy(&report)), (Some(3), 1.0));
    let bundle = dir.path().join("mine");
    assert_eq!(card(&bundle)["metrics"]["accuracy"], report["scores"]["accuracy"]);

    // Measured later as the test part of the configuration, it is the same.
    let own = dir.path().join("own.toml");
    let settings = fs::read_to_string(&config).unwrap();
    write(&own, settings.replace("[data]\n", "[data]\ntest = \"test.csv\"\n"));
    let again = andiron(&["evaluate", text(&bundle), "--config", text(&own)]).good();
    assert_eq!(again.lines()[0], report);
    assert!(again.err.contains("are cut to it"), "{}", again.err);
    // A table of anyone's is not cut unasked, and the row is named.
    let columns = ["--columns", "text=review,label=stars"];
    let plain = andiron(&[&["evaluate", text(&bundle), text(&test)][..], &columns].concat());
    assert!(plain.err.contains("test.csv, line 2)"), "{}", plain.err);
    plain.refused(1, "which is over the limit of 512");

    // Files of texts are cut like rows of texts.
    for (label, sour) in [("1", true), ("5", false)] {
        write(&dir.path().join(format!("texts/{label}/long.txt")), document(sour));
    }
    let more = ["--set", "data.test=texts", "--set", "training.seed=8", "--fresh"];
    let report = train(&config, &more);
    assert_eq!((report["examples"].as_u64(), accuracy(&report)), (Some(2), 1.0));
}

#[test]
fn what_cannot_be_measured_is_trained_and_saved_all_the_same() {
    let (dir, config) = reviews_run("max_steps = 20");
    let test = dir.path().join("test.csv");
    write(&test, "review,stars\ntasty,5\n  ,1\nstale,1\n");
    let args = ["train", text(&config), "--set", "data.test=test.csv"];
    let answer = andiron(&args);
    assert_eq!(answer.out, "");
    assert!(answer.err.contains("test.csv, line 3): the text is empty"), "{}", answer.err);
    let bundle = dir.path().join("mine");
    let said = format!("trained and saved in {}, but could not be measured: ", bundle.display());
    answer.refused(1, &said);
    assert_eq!(card(&bundle)["metrics"], json!({}));
    assert_eq!(card(&bundle)["data"][0]["examples"]["test"], 3);
    let run = names(&dir.path().join("runs/mine"));
    assert_eq!(run, ["checkpoint", "log.jsonl", "run.json"]);
    let answer = andiron_with(&["predict", text(&bundle), "-"], "{\"text\": \"tasty\"}\n").good();
    assert_eq!(answer.lines()[0]["label"], "5");

    // With the row mended, the same command measures the finished run.
    write(&test, "review,stars\ntasty,5\nburnt,1\nstale,1\n");
    let report = train(&config, &args[2..]);
    assert_eq!(card(&bundle)["metrics"]["accuracy"], report["scores"]["accuracy"]);
}

#[test]
fn sizes_without_measure_train_on_everything() {
    let (_dir, config) = reviews_run("max_steps = 2");
    let huge = ["training.batch_size=9223372036854775807", "training.accumulate=3"];
    let report = train(&config, &["--set", huge[0], "--set", huge[1]]);
    assert_eq!(report["examples"], 24);
}

#[test]
fn labels_that_the_model_does_not_know_are_named() {
    let (dir, config) = reviews_run("max_steps = 3");
    train(&config, &[]);
    let data = dir.path().join("new.csv");
    write(&data, "text,label\nfine,5\nmeh,3\n");
    let evaluate = ["evaluate", text(&dir.path().join("mine")), text(&data)].map(str::to_owned);
    let evaluate: Vec<&str> = evaluate.iter().map(String::as_str).collect();
    andiron(&evaluate).refused(1, "unknown label \"3\"; known are [\"1\", \"5\"]");
    write(&data, "text,label\n");
    andiron(&evaluate).refused(1, "new.csv is empty");
    write(&data, "text,stars\nfine,5\n");
    andiron(&evaluate).refused(1, "new.csv: there is no column \"label\"; there are");
    // Before a training with such a test set, not after it.
    write(&data, "review,stars\nfine,5\nmeh,3\n");
    let args = ["train", text(&config), "--set", "data.test=new.csv", "--fresh"];
    andiron(&args).refused(1, "new.csv, line 3): unknown label \"3\"; known are [\"1\", \"5\"]");
}

#[test]
fn what_stands_at_the_output_is_not_lost() {
    let (dir, config) = reviews_run("max_steps = 3");
    write(&dir.path().join("mine/thesis.tex"), "years of work");
    andiron(&["train", text(&config)]).refused(1, "mine exists and belongs to no bundle");
    assert_eq!(names(&dir.path().join("mine")), ["thesis.tex"]);
    assert!(!dir.path().join("runs").exists());
    fs::remove_dir_all(dir.path().join("mine")).unwrap();
    train(&config, &[]);
    // Before the training, too, if it lies beside a bundle.
    write(&dir.path().join("mine/thesis.tex"), "years of work");
    let args = ["train", text(&config), "--set", "training.seed=8", "--fresh"];
    andiron(&args).refused(1, "mine/thesis.tex exists and belongs to no bundle");
    fs::remove_file(dir.path().join("mine/thesis.tex")).unwrap();
    // A bundle is replaced by the next one.
    let before = card(&dir.path().join("mine"));
    train(&config, &["--set", "training.seed=8", "--fresh"]);
    assert_ne!(card(&dir.path().join("mine"))["seed"], before["seed"]);
}

#[test]
fn a_run_is_not_resumed_with_other_data_or_settings() {
    let (dir, config) = reviews_run("max_steps = 4");
    let first = train(&config, &[]);
    assert_eq!(train(&config, &[]), first, "a finished run is only measured again");
    let other = ["train", text(&config), "--set", "training.learning_rate=0.1"];
    andiron(&other).refused(1, "training.learning_rate was 0.05 and is now 0.1");
    let data = dir.path().join("reviews.csv");
    let changed = fs::read_to_string(&data).unwrap().replace("tasty", "tasteless");
    write(&data, changed);
    andiron(&["train", text(&config)]).refused(1, "was made from other training data: use --fresh");
    train(&config, &["--fresh"]);
}

#[test]
fn a_full_disk_leaves_nothing_half_written() {
    let (dir, config) = reviews_run("max_steps = 4");
    // Files of at most N blocks of 512 bytes, refused as by a full disk.
    let limited = |blocks: usize| {
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$0\" train \"$1\"");
        let output = Command::new("sh")
            .args(["-c", &script, env!("CARGO_BIN_EXE_andiron"), text(&config)])
            .stdin(Stdio::null())
            .output()
            .unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let (status, error) = limited(64);
    assert!(status == Some(1) && error.contains("cannot be used"), "{error}");
    assert!(error.contains("too large"), "{error}");
    assert_eq!(names(dir.path()), ["mine.toml", "reviews.csv", "runs"]);
    assert_eq!(names(&dir.path().join("runs/mine")), ["checkpoint", "log.jsonl", "run.json"]);
    assert!(names(&dir.path().join("runs/mine/checkpoint")).is_empty());
    let report = train(&config, &[]);
    let bundle = dir.path().join("mine");
    let before = fs::read(bundle.join("andiron.json")).unwrap();

    // The run is finished, so now it is the bundle that does not fit; the old one stays.
    let (status, error) = limited(64);
    assert!(status == Some(1) && error.contains("model.safetensors"), "{error}");
    assert_eq!(names(dir.path()), ["mine", "mine.toml", "reviews.csv", "runs"]);
    assert_eq!(fs::read(bundle.join("andiron.json")).unwrap(), before);
    assert_eq!(train(&config, &[]), report);
}

#[test]
fn without_a_test_part_nothing_is_claimed() {
    let (dir, config) = reviews_run("max_steps = 3");
    let Answer { status, out, err } =
        andiron(&["train", text(&config), "--set", "data.test=0", "--set", "data.valid=0"]);
    assert_eq!((status, out.as_str()), (Some(0), ""), "{err}");
    assert!(err.contains("nothing was measured"), "{err}");
    assert_eq!(card(&dir.path().join("mine"))["metrics"], json!({}));
}
