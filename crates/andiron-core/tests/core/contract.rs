//! The contract suite holds for honest models, and each law fails on a fault planted for it.

use crate::toy::{self, Fault, PooledConfig};
use andiron_core::{
    Labels,
    testing::{Contract, ContractReport, Law, Outcome},
};
use std::process::Command;

fn report(fault: Fault) -> ContractReport {
    Contract::new(toy::tokens(fault), PooledConfig::new(fault), toy::examples()).report()
}

/// The laws that `fault` breaks are `laws`, and the first says `text`.
fn breaks(fault: Fault, laws: &[Law], text: &str) {
    let report = report(fault);
    let broken: Vec<Law> = report.broken().iter().map(|(law, _)| *law).collect();
    assert_eq!(broken, laws, "{fault:?}\n{report}");
    let Outcome::Broken(how) = report.outcome(laws[0]) else { panic!("{report}") };
    assert!(how.contains(text), "{fault:?} shows as: {how}");
    assert!(report.to_string().contains(&format!("BROKEN   {:?}: {how}", laws[0])));
    assert_eq!(report.counts(), (12 - laws.len(), 0, laws.len()));
}

#[test]
fn an_honest_model_keeps_all_laws() {
    let contract =
        Contract::new(toy::tokens(Fault::None), PooledConfig::new(Fault::None), toy::examples());
    let report = contract.check();
    assert_eq!(report.counts(), (12, 0, 0));
    assert_eq!((report.task, report.architecture), ("toy-tokens", "toy-pooled"));
}

#[test]
fn a_declared_law_is_counted_and_not_tried() {
    // The fault would break it, were it tried.
    let fault = Fault::DependsOnBackend;
    let report = Contract::new(toy::tokens(fault), PooledConfig::new(fault), toy::examples())
        .without(Law::Backends, "there is one backend only")
        .report();
    assert_eq!(report.counts(), (11, 1, 0));
    let declared = Outcome::Declared("there is one backend only".to_owned());
    assert_eq!(report.outcome(Law::Backends), &declared);
    let text = report.to_string();
    assert!(text.contains("11 laws hold, 1 have no meaning here, 0 are broken"), "{text}");
    assert!(text.contains("no sense Backends: there is one backend only"), "{text}");
}

#[test]
#[should_panic(expected = "BROKEN   Gradients: forgotten.weight: no gradient")]
fn check_panics_with_the_report() {
    let fault = Fault::UnusedLayer;
    Contract::new(toy::tokens(fault), PooledConfig::new(fault), toy::examples()).check();
}

#[test]
fn too_few_examples_are_refused() {
    let few = toy::examples()[..3].to_vec();
    let report =
        Contract::new(toy::tokens(Fault::None), PooledConfig::new(Fault::None), few).report();
    assert_eq!(report.counts(), (0, 0, 12));
    let wanted = Outcome::Broken("3 examples are too few: 4 are needed".to_owned());
    assert_eq!(report.outcome(Law::Overfit), &wanted);
}

#[test]
fn padding_needs_examples_of_different_sizes() {
    let mut examples = toy::examples();
    examples.retain(|example| (3..6).contains(&example.input.len()));
    examples.extend(examples.clone());
    let labels = Labels::of(toy::examples().iter().map(|e| &e.target)).unwrap();
    let task = toy::Tokens { labels, fault: Fault::None };
    let report = Contract::new(task, PooledConfig::new(Fault::None), examples).report();
    let Outcome::Broken(how) = report.outcome(Law::Padding) else { panic!("{report}") };
    assert!(how.starts_with("no example is half as long as the longest"), "{how}");
}

#[test]
fn a_width_that_json_forgets() {
    let laws = [Law::ConfigRoundTrip, Law::WeightsRoundTrip];
    breaks(Fault::SkipsWidth, &laws, "the configuration read back gives other weights");
}

#[test]
fn a_scale_that_json_forgets() {
    let laws = [Law::ConfigRoundTrip, Law::WeightsRoundTrip];
    breaks(Fault::SkipsScale, &laws, "the configuration read back gives other answers");
}

#[test]
fn answers_that_are_lost() {
    breaks(Fault::LosesAnswers, &[Law::OutputShape], "2 inputs got 1 answers");
}

#[test]
fn answers_of_another_form() {
    breaks(Fault::ChangesForm, &[Law::OutputShape], "answers differ in form: {label:text,score");
}

#[test]
fn lists_that_may_be_empty_are_of_one_form() {
    let fault = Fault::MayBeEmpty;
    let report =
        Contract::new(toy::tokens(fault), PooledConfig::new(fault), toy::examples()).report();
    assert_eq!(report.counts(), (12, 0, 0), "{report}");
}

#[test]
fn lists_with_elements_of_two_forms() {
    let text = "answers differ in form: {label:text,large:[number";
    breaks(Fault::MixedList, &[Law::OutputShape], text);
}

#[test]
fn lists_that_grow_in_a_batch_of_two() {
    // No element is of another form, and the batch of all is as its inputs one by one.
    let laws = [Law::OutputShape, Law::Padding];
    breaks(Fault::OneTooMany, &laws, "input 0 in batches of 1 and 2: .large has 0 and 1 elements");
}

#[test]
fn rows_that_see_each_other() {
    breaks(Fault::MixesRows, &[Law::OneByOne], "alone and in the batch: .");
}

#[test]
fn a_batch_that_is_mixed() {
    // A batch of one loses all its logits: whatever is learnt, it is not answered.
    let laws = [Law::OneByOne, Law::Padding];
    breaks(Fault::MixesBatch, &laws, "alone and in the batch");
}

#[test]
fn padding_that_is_counted() {
    // Both laws pad: the batch of all inputs does too.
    let fault = Fault::CountsPadding;
    breaks(fault, &[Law::OneByOne, Law::Padding], "alone and in the batch");
    let report = report(fault);
    let Outcome::Broken(how) = report.outcome(Law::Padding) else { panic!("{report}") };
    assert!(how.starts_with("input 0 alone and padded to input 3: ."), "{how}");
}

#[test]
fn padding_that_is_counted_in_a_batch_of_two() {
    // The batch of all does not show it.
    let text = "input 0 alone and padded to input 3: .";
    breaks(Fault::CountsPaddingOfPairs, &[Law::Padding], text);
}

#[test]
fn a_layer_that_is_forgotten() {
    breaks(
        Fault::UnusedLayer,
        &[Law::Gradients],
        "forgotten.weight: no gradient, forgotten.bias: no gradient",
    );
}

#[test]
fn a_path_times_zero() {
    breaks(
        Fault::ZeroedPath,
        &[Law::Gradients],
        "forgotten.weight: gradient is all zero, forgotten.bias: gradient is all zero",
    );
}

#[test]
fn a_network_without_trainable_parameters() {
    let report = report(Fault::Frozen);
    let wanted = Outcome::Broken("the loss depends on no parameter that is trained".to_owned());
    assert_eq!(report.outcome(Law::Gradients), &wanted, "{report}");
    let broken: Vec<Law> = report.broken().iter().map(|(law, _)| *law).collect();
    assert_eq!(broken, [Law::Gradients, Law::Overfit, Law::Answers, Law::SeededRuns], "{report}");
}

#[test]
fn a_network_that_learns_next_to_nothing() {
    let text = "after 150 steps on one batch the loss fell from 1.";
    breaks(Fault::Blind, &[Law::Overfit, Law::Answers], text);
}

#[test]
fn a_network_that_answers_nothing() {
    let text = "every example gets the answer {\"label\":\"loud\"";
    breaks(Fault::ConstantAnswer, &[Law::Answers], text);
}

#[test]
fn one_answer_for_all_can_be_declared() {
    let fault = Fault::ConstantAnswer;
    let report = Contract::new(toy::tokens(fault), PooledConfig::new(fault), toy::examples())
        .without(Law::Answers, "it says the same of everything")
        .report();
    assert_eq!(report.counts(), (11, 1, 0));
}

#[test]
fn numbers_that_are_not_finite() {
    // All laws but those that ask for no answer and no loss outside training.
    let laws: Vec<Law> = Law::ALL
        .into_iter()
        .filter(|law| !matches!(law, Law::Gradients | Law::SeededRuns))
        .collect();
    breaks(Fault::NanInInference, &laws, "input 0 got an answer in which .score");
    let report = report(Fault::NanInInference);
    let Outcome::Broken(how) = report.outcome(Law::Overfit) else { panic!("{report}") };
    assert!(how.ends_with("but outside training it is NaN"), "{how}");
}

#[test]
fn a_network_that_is_another_outside_training() {
    breaks(Fault::TurnedInInference, &[Law::Overfit], ", but outside training it is ");
}

#[test]
fn a_state_that_is_not_saved() {
    breaks(Fault::UnsavedState, &[Law::WeightsRoundTrip, Law::Backends], "saved and loaded: .");
}

#[test]
fn a_loss_that_forgets_the_seed() {
    let text = "two runs with one seed gave different weights";
    breaks(Fault::DrawsInLoss, &[Law::SeededRuns], text);
}

/// Set for a process in which one test runs alone.
const ALONE: &str = "ANDIRON_TEST_ALONE";

#[test]
fn a_loss_that_seeds_what_it_draws_from() {
    // Its draws are the same each time unless somebody else draws, as the other tests of this
    // process do: so it is tried in a process of its own.
    if std::env::var_os(ALONE).is_some() {
        let text = "another thread that trains and draws changed the weights";
        return breaks(Fault::SeedsInLoss, &[Law::SeededRuns], text);
    }
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "contract::a_loss_that_seeds_what_it_draws_from"])
        .env(ALONE, "1")
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[test]
fn a_forward_pass_that_draws() {
    let report = report(Fault::DrawsInForward);
    let Outcome::Broken(how) = report.outcome(Law::PredictTwice) else { panic!("{report}") };
    assert!(how.starts_with("the first and second time: ."), "{how}");
    assert!(matches!(report.outcome(Law::SeededRuns), Outcome::Broken(_)), "{report}");
}

#[test]
fn a_network_that_remembers() {
    breaks(Fault::Remembers, &[Law::PredictTwice], "the first and second time: .");
}

#[test]
fn a_network_that_minds_the_thread() {
    breaks(Fault::DependsOnThread, &[Law::SendSync], "on one thread and on several: .");
}

#[test]
fn a_network_that_minds_the_backend() {
    breaks(Fault::DependsOnBackend, &[Law::Backends], "on flex and on ndarray: .");
}
