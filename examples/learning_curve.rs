//! Draws the log of a training run as a curve: the loss of each step, and of the validation data
//! where it was measured. Writes an SVG file, and beside it the numbers that are drawn, as CSV.
//!
//! ```text
//! cargo run --example learning_curve -- target/runs/mine/log.jsonl docs/src/images/mine.svg
//! ```
//!
//! The input may also be such a CSV file. Losses are means over a hundredth of the run each, and their
//! axis is logarithmic.

use andiron::{data::table, trainer::Step};
use serde::Deserialize;
use std::{error::Error, fmt::Write as _, fs, path::Path};

/// What is drawn for one part of the run.
#[derive(Deserialize)]
struct Point {
    /// Its last step, counted from 1.
    step: usize,
    /// The mean loss of its steps.
    loss: f64,
    /// The last loss on validation data, if there is one.
    valid_loss: Option<f64>,
}

/// How many points a curve has at most.
const POINTS: usize = 100;
/// Width and height of the picture, and its margin.
const SIZE: (f64, f64, f64) = (640.0, 320.0, 48.0);

fn points(path: &Path) -> Result<Vec<Point>, Box<dyn Error>> {
    if path.extension().is_some_and(|ending| ending == "csv") {
        return Ok(table::read_as(path)?);
    }
    let steps: Vec<Step> = table::read_as(path)?;
    let part = steps.len().div_ceil(POINTS);
    let point = |steps: &[Step]| Point {
        step: steps.last().map_or(0, |last| last.step + 1),
        loss: steps.iter().map(|step| step.loss).sum::<f64>() / steps.len() as f64,
        valid_loss: steps.iter().rev().find_map(|step| step.valid_loss),
    };
    Ok(steps.chunks(part).map(point).collect())
}

fn csv(points: &[Point]) -> String {
    let row = |Point { step, loss, valid_loss }: &Point| {
        let valid = valid_loss.map_or(String::new(), |loss| format!("{loss:.5}"));
        format!("{step},{loss:.5},{valid}\n")
    };
    "step,loss,valid_loss\n".to_owned() + &points.iter().map(row).collect::<String>()
}

fn svg(points: &[Point]) -> String {
    let (width, height, margin) = SIZE;
    let drawn = |point: &Point| [Some(point.loss), point.valid_loss];
    let losses = points.iter().flat_map(drawn).flatten().map(|loss| loss.max(1e-6).log10());
    let (low, high) = losses.fold((0.0f64, -6.0f64), |(l, h), loss| (l.min(loss), h.max(loss)));
    let (low, high) = ((low * 4.0).floor() / 4.0, (high * 4.0 + 0.01).ceil() / 4.0);
    let last = points.last().map_or(1, |point| point.step) as f64;
    let x = |step: f64| margin + step / last * (width - 1.5 * margin);
    let y = |log: f64| height - margin - (log - low) / (high - low) * (height - 1.5 * margin);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let mut log = low;
    while log <= high + 1e-9 {
        let (at, right) = (y(log), x(last));
        let _ = writeln!(
            out,
            "<path d=\"M{margin} {at:.1}H{right}\" stroke=\"#ddd\"/>\
             <text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{:.3}</text>",
            margin - 6.0,
            at + 4.0,
            10f64.powf(log)
        );
        log += 0.25;
    }
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let (at, below, step) = (x(share * last), height - margin + 18.0, share * last);
        let text = format!("<text x=\"{at:.0}\" y=\"{below}\" text-anchor=\"middle\">");
        let _ = writeln!(out, "{text}{step:.0}</text>");
    }
    let own: fn(&Point) -> Option<f64> = |point| Some(point.loss);
    let losses = [
        ("#1f5fa8", "loss in training", own),
        ("#c0501d", "loss on validation data", |point| point.valid_loss),
    ];
    for (row, (colour, name, loss)) in losses.into_iter().enumerate() {
        let places = points.iter().filter_map(|point| {
            let loss = loss(point)?.max(1e-6).log10();
            Some(format!("{:.1},{:.1}", x(point.step as f64), y(loss)))
        });
        let places: Vec<String> = places.collect();
        if !places.is_empty() {
            let (places, at, right) = (places.join(" "), 20 + 16 * row, width - margin);
            let _ = writeln!(
                out,
                "<polyline points=\"{places}\" fill=\"none\" stroke=\"{colour}\"/>\n\
                 <text x=\"{right}\" y=\"{at}\" text-anchor=\"end\" fill=\"{colour}\">{name}</text>"
            );
        }
    }
    out.push_str("</svg>\n");
    out
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().collect();
    let [_, log, picture] = arguments.as_slice() else {
        println!("learning_curve LOG.jsonl PICTURE.svg");
        return Ok(());
    };
    let points = points(Path::new(log))?;
    fs::write(picture, svg(&points))?;
    fs::write(Path::new(picture).with_extension("csv"), csv(&points))?;
    println!("{} points to {picture}", points.len());
    Ok(())
}
