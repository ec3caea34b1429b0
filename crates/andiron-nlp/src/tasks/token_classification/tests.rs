#![allow(clippy::unwrap_used, reason = "tests")]

use super::*;
use crate::{
    features::{Tokens, WordFeatures},
    metrics::entities::{Mode, TaggedSentence, entity_scores},
    tokenizer::word_piece,
};
use andiron_core::{
    Example, GradientTrainer, Network, Recipe, Registry, Trainer as _, TrainingConfig,
    evaluator::{Bootstrap, Found, Outcome},
    trainer::Progress,
};
use serde_json::json;

type Tagged = Example<Text, Vec<Span>>;

fn span(label: &str, start: usize, end: usize) -> Span {
    Span { label: label.to_owned(), start, end }
}

/// A word tagger that has learnt the toy sentences by heart.
fn learnt(options: Value) -> Predictor<TokenClassification> {
    let device = Device::flex();
    let (task, config) = WordTaggerConfig::prepare(&options, &toy::examples()).unwrap();
    let network = Network::init(config, 3, &device).unwrap();
    let trainer = GradientTrainer::new(TrainingConfig::new(60).with_learning_rate(5e-2))
        .with_progress(Progress::Silent);
    trainer.fit(task, network, &toy::examples(), &Vec::new(), &device).unwrap().predictor
}

fn with_tokens() -> TokenClassification {
    let texts: Vec<String> =
        toy::examples().into_iter().map(|example| example.input.text).collect();
    let pieces =
        Pieces::Tokens(Tokens { tokenizer: word_piece(&texts, 70).unwrap(), max_length: 40 });
    TokenClassification::new(Scheme::Bio.tags(["LOC", "PER"]), pieces)
}

#[test]
fn a_bad_line_costs_only_its_own_place() {
    let predictor = learnt(json!({"max_length": 9, "n_buckets": 512}));
    let lines = [
        json!({"text": "Bob Jones came from New York to see Ana"}),
        json!({"text": "  (São Paulo)"}),
        json!({"text": "Bob Jones came from New York to see Ana and me"}),
        json!({"text": "Bob Jones came from New York to see Ana and me", "truncate": true}),
        json!({"text": " "}),
        json!({"words": "one"}),
        json!({"text": "it rains"}),
    ];
    let raw: Vec<Raw<'_>> = lines.iter().map(Raw::Json).collect();
    let answers = andiron_core::AnyPredictor::predict(&predictor, &raw);
    let said: Vec<Result<Value, String>> =
        answers.into_iter().map(|answer| answer.map_err(|error| error.to_string())).collect();
    let whole = said[0].clone().unwrap();
    let names: Vec<&str> =
        whole["entities"].as_array().unwrap().iter().filter_map(|e| e["text"].as_str()).collect();
    assert_eq!(names, ["Bob Jones", "New York", "Ana"]);
    assert_eq!((&whole["entities"][1]["start"], whole.get("truncated")), (&json!(20), None));
    // Offsets are in characters, and those of the text as it came.
    let place = &said[1].clone().unwrap()["entities"][0];
    assert_eq!((&place["start"], &place["end"]), (&json!(3), &json!(12)));
    assert_eq!((&place["text"], &place["label"]), (&json!("São Paulo"), &json!("LOC")));
    assert!(place["score"].as_f64().is_some_and(|score| score > 0.5 && score <= 1.0));
    let wanted = "the length of the text in words is 11, which is over the limit of 9";
    assert_eq!(said[2], Err(wanted.into()));
    let cut = said[3].clone().unwrap();
    assert_eq!((&cut["truncated"], &cut["entities"]), (&json!(true), &whole["entities"]));
    assert_eq!(said[4], Err("the text is empty".into()));
    assert_eq!(said[5], Err("field \"text\" must be a text, but is missing".into()));
    assert_eq!(said[6], Ok(json!({"entities": []})));
}

#[test]
fn answers_survive_json() {
    let answer = learnt(json!({"n_buckets": 512})).predict(&["Ana".into()]).unwrap().remove(0);
    assert_eq!(answer.spans(), [span("PER", 0, 3)]);
    let text = serde_json::to_string(&answer).unwrap();
    assert_eq!(serde_json::from_str::<TaggedText>(&text).unwrap(), answer);
}

#[test]
fn targets_are_read_from_lists_and_from_cells() {
    let list = json!([{"label": "PER", "start": 0, "end": 3}]);
    let target =
        |line: Value| TokenClassification::target(&line).map_err(|error| error.to_string());
    for entities in [list.clone(), json!(list.to_string())] {
        let line = json!({"text": "Ana", "entities": entities});
        assert_eq!(target(line), Ok(vec![span("PER", 0, 3)]));
    }
    assert_eq!(target(json!({"text": "é", "entities": []})), Ok(Vec::new()));
    let wanted = |got: &str| {
        Err(format!("field \"entities\" must be a list of {{label, start, end}}, but is {got}"))
    };
    assert_eq!(target(json!({"text": "Ana"})), wanted("missing"));
    assert_eq!(target(json!({"entities": "PER"})), wanted("\"PER\""));
    assert!(target(json!({"entities": [{"label": "a", "start": -1, "end": 2}]})).is_err());
    let long = json!({"text": "né", "entities": [{"label": "a", "start": 0, "end": 3}]});
    assert_eq!(
        target(long).unwrap_err(),
        "field \"entities[0]\" must be a part of the text, start before end, but is 0..3 of 2 characters"
    );
}

#[test]
fn the_first_piece_of_a_word_is_learnt_from() {
    let task = with_tokens();
    let Pieces::Tokens(Tokens { tokenizer, .. }) = &task.pieces else { unreachable!() };
    let example = Example {
        input: Text::from("Jones, Ana"),
        target: vec![span("PER", 0, 5), span("LOC", 7, 10)],
    };
    let encoded = tokenizer.encode(&example.input, 40, false).unwrap();
    assert!(encoded.ids.len() > 6, "a word is in pieces: {encoded:?}");
    let short = Example { input: Text::from("rains"), target: Vec::new() };
    let batch = task.batch(&[short, example], &Device::flex()).unwrap();
    let [rows, width] = batch.tokens.ids.dims();
    assert_eq!((rows, width), (2, encoded.ids.len()));
    let numbers = |tensor: Tensor<1, Int>| tensor.into_data().iter::<i64>().collect::<Vec<_>>();
    let first = |word: u32| encoded.words.iter().position(|own| *own == Some(word)).unwrap() as i64;
    let second = width as i64;
    let wanted = [1, second + first(0), second + first(1), second + first(2)];
    assert_eq!(numbers(batch.places), wanted);
    // O, and of the second text B-PER, O and B-LOC.
    assert_eq!(numbers(batch.truth), [0, 3, 0, 1]);
}

#[test]
fn white_space_alone_may_part_words() {
    let task = with_tokens().with_words(WordBounds::Space);
    let example = Example { input: Text::from("(Ana), Bob"), target: vec![span("PER", 0, 6)] };
    let batch = task.batch(std::slice::from_ref(&example), &Device::flex()).unwrap();
    assert_eq!(batch.places.dims(), [2]);
    assert_eq!(batch.truth.into_data().iter::<i64>().collect::<Vec<_>>(), [3, 0]);
    let signs = with_tokens().batch(&[example], &Device::flex()).unwrap();
    assert_eq!(signs.places.dims(), [5]);
}

#[test]
fn training_cuts_what_is_too_long() {
    let tokens = TokenClassification {
        pieces: match with_tokens().pieces {
            Pieces::Tokens(tokens) => Pieces::Tokens(Tokens { max_length: 4, ..tokens }),
            words @ Pieces::Words(_) => words,
        },
        ..with_tokens()
    };
    let words = Pieces::Words(WordFeatures { max_length: 2, ..WordFeatures::default() });
    let words = TokenClassification::new(Scheme::Bio.tags(["PER"]), words);
    // Each sign is a word of one piece.
    let long = || vec![Example { input: ", , , Bob".into(), target: vec![span("PER", 6, 9)] }];
    for task in [tokens, words] {
        let batch = task.batch(&long(), &Device::flex()).unwrap();
        assert_eq!(batch.truth.into_data().iter::<i64>().collect::<Vec<_>>(), [0, 0]);
    }
}

#[test]
fn tags_that_a_network_lacks_have_a_stand_in() {
    let task = |labels: &[&str]| {
        let labels = labels.iter().map(|label| (*label).to_owned()).collect();
        TokenClassification::new(labels, Pieces::Words(WordFeatures::default()))
    };
    let io = task(&["I-a", "O", "b"]);
    let class = |tag: &str| io.class(tag).map_err(|error| error.to_string());
    assert_eq!((class("B-a"), class("I-a"), class("O")), (Ok(0), Ok(0), Ok(1)));
    assert_eq!((class("B-b"), class("I-b")), (Ok(2), Ok(2)));
    assert_eq!(class("B-c"), Err("unknown label \"c\"; known are [\"a\", \"b\"]".to_owned()));
    assert_eq!(io.scheme, Scheme::Bio);
    let bioes = task(&["O", "B-a", "I-a", "E-a"]);
    assert_eq!((bioes.scheme, bioes.class("S-a").unwrap()), (Scheme::Bioes, 1));
    assert_eq!(bioes.kinds(), ["a"]);
}

#[test]
fn scores_are_seqevals_where_the_words_are() {
    // Truth and answer as tags of words of one character; the spans are those of the words.
    let pairs = [
        ("B-a I-a O B-b O", "B-a I-a O B-b B-a"),
        ("O O", "O O"),
        ("B-a B-a I-a", "B-a I-a I-a"),
        ("B-b O O B-b", "O O O B-b"),
    ];
    let tags = |text: &str| text.split(' ').map(str::to_owned).collect::<Vec<_>>();
    let spans = |text: &str| crate::metrics::entities::spans(&tags(text), Mode::StrictBio).unwrap();
    let sentences: Vec<TaggedSentence> =
        pairs.iter().map(|(truth, got)| TaggedSentence::new(tags(truth), tags(got))).collect();
    let wanted = entity_scores(&sentences, Mode::StrictBio, &Bootstrap::default()).unwrap();
    let (truth, answers): (Vec<_>, Vec<_>) =
        pairs.iter().map(|(truth, got)| (spans(truth), spans(got))).unzip();
    let evaluator = EntityEvaluator::default();
    let report = evaluator.report("mine", &truth, &answers, "same".to_owned()).unwrap();
    for (name, score) in &wanted.scores {
        assert_eq!(report.score(name).unwrap(), *score, "{name}");
    }
    assert_eq!((report.classes.clone(), report.labels.len()), (wanted.labels, 2));
    // Two right of three answered and two true; nothing; none; one of two found.
    let found = [(2, 3, 2), (0, 0, 0), (0, 1, 2), (1, 1, 2)]
        .map(|(right, answered, truth)| Found { right, answered, truth });
    assert_eq!(report.found, found);
    let outcome = |right, loss| Outcome { right, loss };
    let third = 1.0 - 2.0 / 3.0;
    assert!(report.outcomes[0].loss - 0.2 < 1e-12 && !report.outcomes[0].right);
    assert_eq!(report.outcomes[1..3], [outcome(true, 0.0), outcome(false, 1.0)]);
    assert!((report.outcomes[3].loss - third).abs() < 1e-12);
    assert_eq!(report.score("exact").unwrap().value, 0.25);
    let perfect = evaluator.report("best", &truth, &truth, "same".to_owned()).unwrap();
    let comparison = report.compare(&perfect).unwrap();
    let f1 = report.score("f1_micro").unwrap().value;
    assert!((comparison.f1_difference.unwrap().value - (1.0 - f1)).abs() < 1e-12);

    let unpaired = evaluator.report("x", &truth, &answers[1..], String::new()).unwrap_err();
    assert!(matches!(unpaired, EvalError::Data(DataError::Unpaired { n_left: 4, n_right: 3, .. })));
    assert!(evaluator.report("x", &[], &[], String::new()).is_err());
}

#[test]
fn a_predictor_is_measured() {
    let predictor = learnt(json!({"n_buckets": 512}));
    let report = TokenClassification::evaluate(&predictor, &toy::examples()).unwrap();
    assert_eq!((report.examples, report.architecture.as_str()), (6, "word-tagger"));
    assert_eq!(report.score("f1_micro").unwrap().value, 1.0);
    assert!(report.to_string().contains("PER"), "{report}");
    let mut bad: Vec<Tagged> = toy::examples();
    bad[4].input = " ".into();
    let refused = TokenClassification::evaluate(&predictor, &bad).unwrap_err();
    assert!(matches!(refused, EvalError::Data(DataError::Example { index: 4, .. })), "{refused:?}");
    assert!(TokenClassification::evaluate(&predictor, &Vec::new()).is_err());
}

#[test]
fn options_and_examples_that_cannot_be_used_are_refused() {
    let prepare = |options: Value, examples: Vec<Tagged>| {
        WordTaggerConfig::prepare(&options, &examples).map(|_| ())
    };
    for (options, wanted) in [
        (json!({"window": 12}), "window must lie in 0..=9, but is 12"),
        (json!({"affixes": 12}), "affixes must lie in 0..=9, but is 12"),
        (json!({"max_length": 0}), "max_length must be at least 1, but is 0"),
    ] {
        match prepare(options, toy::examples()) {
            Err(DataError::Config(error)) => assert_eq!(error.to_string(), wanted),
            other => panic!("{other:?}"),
        }
    }
    let unknown = prepare(json!({"words": "lines"}), toy::examples()).unwrap_err();
    let DataError::Config(unknown) = unknown else { panic!("{unknown:?}") };
    assert!(unknown.to_string().starts_with("setting \"words\" cannot be \"lines\""), "{unknown}");
    let mut examples = toy::examples();
    examples[2].target.push(span("PER", 38, 99));
    assert!(matches!(prepare(Value::Null, examples), Err(DataError::Example { index: 2, .. })));
    let mut examples = toy::examples();
    examples[1].input = "\t".into();
    assert!(matches!(prepare(Value::Null, examples), Err(DataError::Example { index: 1, .. })));
    let nothing = toy::examples()[1..2].to_vec();
    assert!(matches!(prepare(Value::Null, nothing), Err(DataError::OneClass { examples: 1, .. })));
    assert!(matches!(prepare(Value::Null, Vec::new()), Err(DataError::Empty { .. })));
}

#[test]
fn a_rare_tag_may_weigh_as_much_as_a_frequent_one() {
    let options = json!({"balance": true});
    let (task, _) = WordTaggerConfig::prepare(&options, &toy::examples()).unwrap();
    let weights = task.class_weights.clone().unwrap();
    assert_eq!(weights.len(), 5);
    let (mut counts, mut words) = ([0.0_f32; 5], 0.0);
    for example in toy::examples() {
        let cut = task.pieces.cut(&example.input, task.words, true).unwrap();
        for (_, class) in task.truth(&example.input.text, &cut, &example.target).unwrap() {
            counts[class] += 1.0;
            words += 1.0;
        }
    }
    for (weight, count) in weights.iter().zip(counts) {
        assert!((weight * count - words / 5.0).abs() < 1e-4, "{weights:?} {counts:?}");
    }
    let (plain, _) = WordTaggerConfig::prepare(&Value::Null, &toy::examples()).unwrap();
    assert_eq!(plain.class_weights, None);
}

#[test]
fn a_network_and_a_task_that_disagree_are_told() {
    let (task, config) = WordTaggerConfig::prepare(&Value::Null, &toy::examples()).unwrap();
    assert_eq!(config.fits(&task), Ok(()));
    let said = |config: &WordTaggerConfig, task: TokenClassification| {
        config.fits(&task).map_err(|error| error.to_string()).unwrap_err()
    };
    let fewer = WordTaggerConfig { n_classes: 4, ..config.clone() };
    assert_eq!(
        said(&fewer, task.clone()),
        "the number of labels is 4 for the network, but 5 for the task"
    );
    assert_eq!(
        said(&config, with_tokens()),
        "pieces is words for the network, but tokens for the task"
    );
    let weighed = TokenClassification { class_weights: Some(vec![1.0; 4]), ..task.clone() };
    assert!(said(&config, weighed).starts_with("the number of class weights is 5"));
    let twice = TokenClassification { labels: ["O"; 5].map(str::to_owned).to_vec(), ..task };
    assert!(said(&config, twice).starts_with("the number of different labels is 1"));
}

#[test]
fn a_registry_loads_what_was_saved() {
    let folder = tempfile::tempdir().unwrap();
    let dir = folder.path().join("bundle");
    let predictor = learnt(json!({"n_buckets": 512}));
    predictor.save(&dir).unwrap();
    let loaded = Registry::default().with(crate::TASKS).load(&dir, &Device::flex()).unwrap();
    assert_eq!((loaded.task(), loaded.architecture()), ("token-classification", "word-tagger"));
    let line = json!({"text": "Bob came to Oslo"});
    let answer = loaded.predict(&[Raw::Json(&line)]).remove(0).unwrap();
    let direct = predictor.predict(&["Bob came to Oslo".into()]).unwrap().remove(0);
    assert_eq!(answer, serde_json::to_value(direct).unwrap());
}
