//! Reports as tables of text.

use super::{Report, Score};
use std::fmt;

/// Above this many classes the confusion matrix is wider than a screen.
const WIDEST_CONFUSION: usize = 12;

pub(super) fn write_report(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    let Report { task, architecture, examples, confidence, resamples, .. } = report;
    let percent = 100.0 * confidence;
    writeln!(f, "{task} by {architecture} on {examples} examples")?;
    writeln!(f, "intervals: {percent} %, bootstrap of {resamples} resamples")?;
    for (name, choice) in &report.settings {
        writeln!(f, "{}: {}", printable(name), printable(choice))?;
    }
    writeln!(f)?;
    write_scores(f, report)?;
    if !report.classes.is_empty() {
        writeln!(f)?;
        write_classes(f, report)?;
    }
    match report.confusion.len() {
        0 => Ok(()),
        1..=WIDEST_CONFUSION => {
            writeln!(f, "\nconfusion: a row a true label, a column an answer")?;
            write_confusion(f, report)
        }
        classes => writeln!(f, "\nconfusion: {classes} labels are too many to show; see the JSON"),
    }
}

fn write_scores(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    let head = ["score", "value", "low", "high"].map(str::to_owned);
    let rows = report.scores.iter().map(|(name, Score { value, low, high })| {
        vec![printable(name), number(*value), number(*low), number(*high)]
    });
    write_aligned(f, std::iter::once(head.to_vec()).chain(rows).collect())
}

fn write_classes(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    let head = ["label", "precision", "recall", "f1", "support"].map(str::to_owned);
    let rows = report.classes.iter().map(|class| {
        vec![
            printable(&class.label),
            number(class.precision),
            number(class.recall),
            number(class.f1),
            class.support.to_string(),
        ]
    });
    write_aligned(f, std::iter::once(head.to_vec()).chain(rows).collect())
}

fn write_confusion(f: &mut fmt::Formatter<'_>, report: &Report) -> fmt::Result {
    let labels = report.labels.iter().map(|label| printable(label));
    let head = std::iter::once(String::new()).chain(labels.clone()).collect();
    let rows = labels.zip(&report.confusion).map(|(label, row)| {
        std::iter::once(label).chain(row.iter().map(usize::to_string)).collect()
    });
    write_aligned(f, std::iter::once(head).chain(rows).collect())
}

pub(super) fn number(value: f64) -> String {
    format!("{value:.4}")
}

/// A label comes from a bundle of anyone's: it must not steer the terminal.
fn printable(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// The first column to the left, the others to the right, two spaces between.
fn write_aligned(f: &mut fmt::Formatter<'_>, rows: Vec<Vec<String>>) -> fmt::Result {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    for row in &rows {
        for (column, (cell, width)) in row.iter().zip(&widths).enumerate() {
            match column {
                0 => write!(f, "{cell:<width$}")?,
                _ => write!(f, "  {cell:>width$}")?,
            }
        }
        writeln!(f)?;
    }
    Ok(())
}
