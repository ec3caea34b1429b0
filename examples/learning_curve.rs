//! Draws the log of a training run as a curve: the loss of each step, and of the validation data
//! where it was measured. Writes an SVG file, and beside it the numbers that are drawn, as CSV.
//!
//! ```text
//! cargo run --example learning_curve -- target/runs/mine/log.jsonl docs/src/images/mine.svg
//! ```
//!
//! The input may also be such a CSV file, so the picture can be made again without the log. The
//! losses are means over a hundredth of the run each; the axis of the loss is logarithmic.

use andiron::{data::table, trainer::Step};
use serde::{Deserialize, Serialize};
use std::{error::Error, fmt::Write as _, fs, path::Path};

/// What is drawn for one part of the run.
#[derive(Serialize, Deserialize)]
struct Point {
    /// The last step of the part, counted from 1.
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
    let mut text = String::from("step,loss,valid_loss\n");
    for Point { step, loss, valid_loss } in points {
        let valid = valid_loss.map(|loss| format!("{loss:.5}")).unwrap_or_default();
        let _ = writeln!(text, "{step},{loss:.5},{valid}");
    }
    text
}

fn svg(points: &[Point]) -> String {
    let (width, height, margin) = SIZE;
    let drawn = |point: &Point| [Some(point.loss), point.valid_loss];
    let losses = points.iter().flat_map(drawn).flatten().map(|loss| loss.max(1e-6).log10());
    let (low, high) = losses.fold((0.0f64, -6.0f64), |(l, h), loss| (l.min(loss), h.max(loss)));
    let (low, high) = ((low * 4.0).floor() / 4.0, (high * 4.0).ceil() / 4.0);
    let last = points.last().map_or(1, |point| point.step) as f64;
    let x = |step: f64| margin + step / last * (width - 1.5 * margin);
    let y = |log: f64| height - margin - (log - low) / (high - low) * (height - 1.5 * margin);
    let mut out = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n"
    );
    let mut log = low;
    while log <= high + 1e-9 {
        let (at, left, right) = (y(log), margin, x(last));
        let _ = writeln!(
            out,
            "<path d=\"M{left} {at:.1}H{right}\" stroke=\"#ddd\"/>\
             <text x=\"{:.0}\" y=\"{:.1}\" text-anchor=\"end\">{:.2}</text>",
            left - 6.0,
            at + 4.0,
            10f64.powf(log)
        );
        log += 0.25;
    }
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        let (at, step) = (x(share * last), share * last);
        let below = height - margin + 18.0;
        let _ = writeln!(
            out,
            "<text x=\"{at:.0}\" y=\"{below}\" text-anchor=\"middle\">{step:.0}</text>"
        );
    }
    let line = |out: &mut String,
                colour: &str,
                name: &str,
                row: f64,
                of: fn(&Point) -> Option<f64>| {
        let places = points.iter().filter_map(|point| Some((point.step as f64, of(point)?)));
        let place =
            |(step, loss): (f64, f64)| format!("{:.1},{:.1}", x(step), y(loss.max(1e-6).log10()));
        let places: Vec<String> = places.map(place).collect();
        if places.is_empty() {
            return;
        }
        let (places, right) = (places.join(" "), width - margin);
        let _ = writeln!(
            out,
            "<polyline points=\"{places}\" fill=\"none\" stroke=\"{colour}\" stroke-width=\"1.5\"/>"
        );
        let _ = writeln!(
            out,
            "<text x=\"{right}\" y=\"{row}\" text-anchor=\"end\" fill=\"{colour}\">{name}</text>"
        );
    };
    line(&mut out, "#1f5fa8", "loss in training", 20.0, |point| Some(point.loss));
    line(&mut out, "#c0501d", "loss on validation data", 36.0, |point| point.valid_loss);
    out.push_str("</svg>\n");
    out
}

fn main() -> Result<(), Box<dyn Error>> {
    let paths: Vec<String> = std::env::args().skip(1).filter(|word| word != "--quick").collect();
    let [log, picture] = paths.as_slice() else {
        println!("learning_curve LOG.jsonl PICTURE.svg");
        return Ok(());
    };
    let points = points(Path::new(log))?;
    fs::write(picture, svg(&points))?;
    fs::write(Path::new(picture).with_extension("csv"), csv(&points))?;
    println!("{} points to {picture}", points.len());
    Ok(())
}
