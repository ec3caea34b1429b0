//! The published all-MiniLM-L6-v2 against transformers and against what its authors print. Runs
//! where `scripts/fetch-assets` has brought the weights; with `ANDIRON_ASSETS=required` it fails
//! where they are not.

use andiron_core::{Predictor, device, testing};
use andiron_nlp::{
    models::bert::BertConfig,
    tasks::embedding::{self, Embedding, Pooling, Similarity, TextVector, nearest},
    text::Text,
};
use std::{
    fs,
    io::Write as _,
    path::{Path, PathBuf},
    sync::LazyLock,
};

/// What was fetched under `name`, or nothing, said aloud.
fn asset(name: &str) -> Option<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../assets").join(name);
    if folder.is_dir() {
        return Some(folder);
    }
    let required = std::env::var("ANDIRON_ASSETS").is_ok_and(|value| value == "required");
    assert!(!required, "{} is not there; scripts/fetch-assets fetches it", folder.display());
    // Past the test harness, which keeps what a test that passes prints to itself.
    let said =
        format!("LEFT OUT: {} is not there; scripts/fetch-assets fetches it\n", folder.display());
    std::io::stderr().write_all(said.as_bytes()).unwrap();
    None
}

/// One for all tests: it is 91 MB.
static MINILM: LazyLock<Option<Predictor<Embedding>>> = LazyLock::new(|| {
    let folder = asset("all-minilm-l6-v2")?;
    Some(embedding::from_folder(folder, &device("flex").unwrap()).unwrap())
});

fn embeddings(predictor: &Predictor<Embedding>, texts: &[&str]) -> Vec<Vec<f32>> {
    let texts: Vec<Text> = texts.iter().map(|text| Text::from(*text)).collect();
    let answers = predictor.predict(&texts).unwrap();
    answers.into_iter().map(|answer| answer.embedding).collect()
}

fn cosine(a: &[f32], b: &[f32]) -> f32 {
    nearest(&[a], &[b], 1, Similarity::Cosine).unwrap()[0][0].score
}

#[test]
fn its_folder_says_how_it_is_used() {
    let Some(minilm) = &*MINILM else { return };
    let task = minilm.task();
    assert_eq!((task.max_length, task.pooling, task.normalize), (256, Pooling::Mean, true));
    assert_eq!((minilm.architecture(), minilm.parameters()), ("bert", 22_565_376));
    let config = &minilm.network::<BertConfig>().unwrap().config;
    assert_eq!(config.to_string(), BertConfig::all_minilm_l6_v2().to_string());
    let long = Text::from("weather ".repeat(300));
    let refused = minilm.predict(std::slice::from_ref(&long)).unwrap_err();
    assert_eq!(
        refused.to_string(),
        "the length of the text in tokens is 302, which is over the limit of 256"
    );
    let cut = &minilm.predict(&[long.truncated()]).unwrap()[0];
    let whole = &minilm.predict(&["weather ".repeat(254).into()]).unwrap()[0];
    assert!(cut.truncated && !whole.truncated);
    assert_eq!(cut.embedding, whole.embedding);
}

#[test]
fn it_gives_what_its_authors_print() {
    let Some(minilm) = &*MINILM else { return };
    // https://www.sbert.net/docs/quickstart.html
    let sentences =
        ["The weather is lovely today.", "It's so sunny outside!", "He drove to the stadium."];
    let [a, b, c] = &embeddings(minilm, &sentences)[..] else { panic!("three of three") };
    for (got, wanted) in [(cosine(a, b), 0.6660), (cosine(a, c), 0.1046), (cosine(b, c), 0.1411)] {
        assert!((got - wanted).abs() <= 1e-3, "{got}, not {wanted}");
    }
    let example = &embeddings(minilm, &["This is an example sentence"])[0];
    for (got, wanted) in example.iter().zip([0.06766, 0.06350, 0.04871, 0.07930]) {
        assert!((got - wanted).abs() <= 1e-5, "{got}, not {wanted}");
    }
    assert_eq!(example.len(), 384);
    testing::record(
        "weights",
        "embedding: all-MiniLM-L6-v2",
        "sbert's three sentences .6660, .1046, .1411 within .001",
    );
}

#[test]
fn two_hundred_texts_are_transformers() {
    let Some(minilm) = &*MINILM else { return };
    let bytes = include_bytes!("../golden/minilm.safetensors");
    let (_, header) = safetensors::SafeTensors::read_metadata(bytes).unwrap();
    let header = header.metadata().clone().unwrap();
    let texts: Vec<String> = serde_json::from_str(&header["texts"]).unwrap();
    let tokens: Vec<usize> = serde_json::from_str(&header["tokens"]).unwrap();
    assert_eq!((texts.len(), tokens[0], tokens[199]), (200, 3, 256));
    let tokenizer = &minilm.task().tokenizer;
    for (text, tokens) in texts.iter().zip(&tokens) {
        let encoded = tokenizer.encode(&text.as_str().into(), 256, false).unwrap();
        assert_eq!(encoded.ids.len(), *tokens, "{text:?}");
    }
    let file = safetensors::SafeTensors::deserialize(bytes).unwrap();
    let view = file.tensor("embeddings").unwrap();
    assert_eq!(view.shape(), [200, 384]);
    let floats = view.data().chunks_exact(4);
    let wanted: Vec<f32> =
        floats.map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap())).collect();

    let texts: Vec<Text> = texts.into_iter().map(Text::from).collect();
    let got: Vec<TextVector> = minilm.predict(&texts).unwrap();
    let mut worst = 0.0;
    for (at, (answer, wanted)) in got.iter().zip(wanted.chunks(384)).enumerate() {
        assert_eq!(answer.embedding.len(), 384);
        for (got, wanted) in answer.embedding.iter().zip(wanted) {
            let off = (got - wanted).abs();
            assert!(off <= 1e-4, "{off} in text {at}: {:?}", texts[at]);
            worst = f32::max(worst, off);
        }
    }
    println!("off by {worst:e} at the most");
    testing::record(
        "golden",
        "all-minilm-l6-v2",
        "embeddings of 200 texts of 3 to 256 tokens equal transformers' within 1e-4",
    );
}

/// Places in ascending order, equal values sharing the mean of theirs.
fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    for group in order.chunk_by(|a, b| values[*a] == values[*b]) {
        let first = order.iter().position(|at| *at == group[0]).unwrap();
        for at in group {
            ranks[*at] = first as f64 + (group.len() - 1) as f64 / 2.0;
        }
    }
    ranks
}

fn pearson(a: &[f64], b: &[f64]) -> f64 {
    let mean = |x: &[f64]| x.iter().sum::<f64>() / x.len() as f64;
    let (a_mean, b_mean) = (mean(a), mean(b));
    let product = |x: &[f64], x_mean: f64, y: &[f64], y_mean: f64| -> f64 {
        x.iter().zip(y).map(|(x, y)| (x - x_mean) * (y - y_mean)).sum()
    };
    product(a, a_mean, b, b_mean)
        / (product(a, a_mean, a, a_mean) * product(b, b_mean, b, b_mean)).sqrt()
}

#[test]
fn it_finds_words_alike_as_people_do() {
    let (Some(minilm), Some(folder)) = (&*MINILM, asset("wordsim353")) else { return };
    let table = fs::read_to_string(folder.join("wordsim353.tsv")).unwrap();
    let rows: Vec<Vec<&str>> = table
        .lines()
        .filter(|line| !line.starts_with('#') && !line.is_empty())
        .map(|line| line.split('\t').collect())
        .collect();
    assert_eq!(rows.len(), 353);
    let of = |at: usize| {
        let words: Vec<&str> = rows.iter().map(|row| row[at]).collect();
        embeddings(minilm, &words)
    };
    let alike: Vec<f64> = of(0).iter().zip(of(1)).map(|(a, b)| f64::from(cosine(a, &b))).collect();
    let people: Vec<f64> = rows.iter().map(|row| row[2].parse().unwrap()).collect();
    let rho = pearson(&ranks(&alike), &ranks(&people));
    println!("Spearman's rho on WordSim353: {rho:.4}");
    assert!((rho - 0.729).abs() <= 0.002, "{rho}");
    testing::record(
        "weights",
        "embedding: all-MiniLM-L6-v2 on WordSim353",
        &format!("Spearman's rho {rho:.3}"),
    );
}

#[test]
fn a_bundle_of_it_gives_the_same() {
    let Some(minilm) = &*MINILM else { return };
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("bundle");
    minilm.save(&dir).unwrap();
    let loaded = Predictor::<Embedding>::load(&dir, &device("flex").unwrap()).unwrap();
    let texts = ["A bundle carries its tokenizer.", "日本語 🙂"];
    assert_eq!(embeddings(&loaded, &texts), embeddings(minilm, &texts));
}
