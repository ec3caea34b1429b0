//! The consumer's own model keeps the contract.

use andiron::testing::{Contract, Law};
use andiron::{Example, Labels};
use consumer::{LineConfig, Sides};

#[test]
fn a_model_from_outside_keeps_the_contract() {
    let point = |x: f32, y: f32, side: &str| Example { input: [x, y], target: side.to_owned() };
    let examples = vec![
        point(0.1, 2.0, "above"),
        point(-1.0, 1.5, "above"),
        point(0.3, -1.0, "below"),
        point(2.0, -2.5, "below"),
        point(-2.0, 0.7, "above"),
    ];
    let labels = Labels::of(examples.iter().map(|e| &e.target)).expect("there are two labels");
    let report = Contract::new(Sides { labels }, LineConfig::new(2), examples)
        .without(Law::Padding, "every point has two coordinates")
        .overfits_in(200, 5e-2)
        .check();
    assert_eq!(report.counts(), (11, 1, 0));
}
