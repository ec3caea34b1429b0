use super::*;
use crate::{builtin::registry, error::chain};

fn write(dir: &Path, name: &str, bytes: impl AsRef<[u8]>) -> PathBuf {
    let path = dir.join(name);
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    fs::write(&path, bytes).unwrap();
    path
}

fn read(path: &Path, columns: &[(&str, &str)], media: Option<&str>) -> Result<Records, String> {
    let columns = columns.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let task = match media {
        None => "text-classification",
        Some("audio") => "audio-classification",
        Some(_) => "image-classification",
    };
    let task = registry().task(task).unwrap();
    Records::read(&Source::Path(path.to_owned()), Path::new(""), &columns, task)
        .map_err(|error| chain(&error))
}

#[test]
fn columns_get_the_names_that_the_task_wants() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "a.csv", "review,stars\ngood,5\nbad,1\n");
    let records = read(&path, &[("text", "review"), ("label", "stars")], None).unwrap();
    assert_eq!(records.labels().unwrap(), ["5", "1"]);
    let second = records.get(1).unwrap();
    assert_eq!(second.line["text"], "bad");
    assert!(second.name.unwrap().ends_with("a.csv, line 3"));

    let refused = read(&path, &[("text", "reviews")], None).unwrap_err();
    assert!(
        refused
            .ends_with("a.csv: there is no column \"reviews\"; there are [\"review\", \"stars\"]")
    );
    let unlabelled = read(&path, &[("text", "review")], None).unwrap().labels().unwrap_err();
    assert!(unlabelled.to_string().contains("there is no column \"label\""));
}

#[test]
fn columns_can_swap_their_names() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "a.csv", "text,label,id\n5,good,a\n1,bad,b\n");
    let columns = [("label", "text"), ("text", "label"), ("other", "id"), ("id", "text")];
    let records = read(&path, &columns, None).unwrap();
    let line = records.get(1).unwrap().line;
    assert_eq!(line, json!({"text": "bad", "label": "1", "other": "b", "id": "1"}));
}

#[test]
fn a_missing_field_of_a_table_is_a_missing_column() {
    let dir = tempfile::tempdir().unwrap();
    let path = write(dir.path(), "a.csv", "words,label\ngood,5\n");
    let records = read(&path, &[], None).unwrap();
    let field =
        DataError::Field { field: "text".to_owned(), wanted: "a text", got: "missing".to_owned() };
    let explained = records.explain(field.clone().at(0, None).into()).to_string();
    let wanted = "a.csv: there is no column \"text\"; there are [\"label\", \"words\"]";
    assert!(explained.ends_with(wanted), "{explained}");
    // In a folder there are no columns.
    write(dir.path(), "f/x/1.txt", "good");
    let records = read(&dir.path().join("f"), &[], None).unwrap();
    assert!(matches!(records.explain(field.into()), CliError::Data(DataError::Field { .. })));
}

#[test]
fn a_folder_of_folders_is_read_in_order() {
    let dir = tempfile::tempdir().unwrap();
    for name in ["b/2.png", "b/10.png", "a/z.png", "a/.hidden", "README.md", ".git/config"] {
        write(dir.path(), name, name);
    }
    let records = read(dir.path(), &[], Some("image")).unwrap();
    assert_eq!(records.labels().unwrap(), ["a", "b", "b"]);
    let names: Vec<&Value> = records.entries.iter().map(|entry| &entry.line["file"]).collect();
    assert_eq!(names, ["a/z.png", "b/10.png", "b/2.png"]);
    assert_eq!(records.get(2).unwrap().media, Media::Bytes(b"b/2.png".to_vec()));

    fs::create_dir(dir.path().join("c")).unwrap();
    assert!(read(dir.path(), &[], None).unwrap_err().ends_with("/c is empty"));
}

#[test]
fn media_of_a_table_lie_beside_it() {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), "in/x.png", "pixels");
    let path = write(dir.path(), "in/a.jsonl", "{\"image\": \"x.png\", \"label\": \"l\"}\n");
    let records = read(&path, &[], Some("image")).unwrap();
    assert_eq!(records.get(0).unwrap().media, Media::Bytes(b"pixels".to_vec()));

    let path = write(dir.path(), "in/b.csv", "image,label\ny.png,l\n");
    let missing = read(&path, &[], Some("image")).unwrap().get(0).map(|_| ()).unwrap_err();
    let text = chain(&missing);
    assert!(text.contains("b.csv, line 2") && text.contains("y.png"), "{text}");
    let refused = read(&path, &[], Some("audio")).unwrap_err();
    assert!(refused.contains("there is no column \"audio\""), "{refused}");
}

#[test]
fn idx_pairs_are_labelled_arrays() {
    let dir = tempfile::tempdir().unwrap();
    let images = [&[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 1, 0, 0, 0, 3], &[1, 2, 3, 4, 5, 255][..]];
    write(dir.path(), "i", images.concat());
    write(dir.path(), "l", [0, 0, 8, 1, 0, 0, 0, 2, 7, 0]);
    let read = |names: &[&str], labels: &str| {
        let names = names.iter().map(|name| (*name).to_owned()).collect();
        let pair = IdxPair { images: "i".into(), labels: labels.into(), names };
        let task = registry().task("image-classification").unwrap();
        Records::read(&Source::Idx(pair), dir.path(), &BTreeMap::new(), task)
            .map_err(|error| chain(&error))
    };
    let records = read(&[], "l").unwrap();
    assert_eq!(records.labels().unwrap(), ["7", "0"]);
    let media = Media::Array { shape: vec![1, 3], data: vec![4.0, 5.0, 255.0] };
    assert_eq!(records.get(1).unwrap().media, media);
    assert!(read(&["zero", "one"], "l").unwrap_err().contains("unknown label \"7\""));
    assert!(read(&[], "i").unwrap_err().contains("2 images need the shape [2]"));
    assert!(read(&[], "none").unwrap_err().starts_with("cannot read "));
}

#[test]
fn the_hash_is_of_lines_and_files() {
    let dir = tempfile::tempdir().unwrap();
    let hash = |root: &str| {
        let mut fingerprint = Fingerprint::new();
        let records = read(&dir.path().join(root), &[], None).unwrap();
        records.add_to(&mut fingerprint).unwrap();
        fingerprint.finish()
    };
    for (name, text) in [("p/a/1", "x"), ("q/a/1", "x"), ("r/a/1", "y"), ("s/b/1", "x")] {
        write(dir.path(), name, text);
    }
    assert_eq!(hash("p"), hash("q"));
    assert_ne!(hash("p"), hash("r"));
    assert_ne!(hash("p"), hash("s"));
}

#[test]
fn what_is_not_there_or_empty_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let missing = read(&dir.path().join("no.csv"), &[], None).unwrap_err();
    assert!(missing.contains("cannot read") && missing.contains("no.csv"), "{missing}");
    let empty = read(&write(dir.path(), "e.csv", ""), &[], None).unwrap_err();
    assert!(empty.contains("e.csv"), "{empty}");
    assert!(read(dir.path(), &[], None).unwrap_err().ends_with("is empty"));
}
