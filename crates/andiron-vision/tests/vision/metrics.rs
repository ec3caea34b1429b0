//! Measurements against pycocotools and torchmetrics: the files are made by `scripts/golden/coco.py`
//! and `regions.py`.

use crate::support::json;
use andiron_vision::{
    metrics::{
        coco::{Answered, Coco, ImageObjects, True},
        regions::Confusion,
    },
    objects::Mask,
};
use serde_json::Value;

/// The rows of numbers of each image.
fn images(value: &Value) -> Vec<Vec<Vec<f64>>> {
    serde_json::from_value(value.clone()).unwrap()
}

fn corners(place: &[f64]) -> [f64; 4] {
    [place[0], place[1], place[0] + place[2], place[1] + place[3]]
}

#[test]
fn precision_and_recall_of_boxes_are_those_of_pycocotools() {
    let golden_file = json("coco.json");
    let cases = golden_file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 4);
    for case in cases {
        let there = |row: &Vec<f64>| True {
            class: row[0] as usize,
            corners: corners(&row[1..5]),
            area: row[5],
            crowd: row[6] == 1.0,
        };
        let answered = |row: &Vec<f64>| Answered {
            class: row[0] as usize,
            score: row[1],
            corners: corners(&row[2..6]),
        };
        let objects: Vec<ImageObjects> = images(&case["truth"])
            .iter()
            .zip(images(&case["answers"]))
            .map(|(truth, answers)| ImageObjects {
                truth: truth.iter().map(there).collect(),
                answers: answers.iter().map(answered).collect(),
            })
            .collect();
        let classes = case["classes"].as_u64().unwrap() as usize;
        let coco = Coco::of(&objects, classes);
        let everything: Vec<usize> = (0..objects.len()).collect();
        let found = coco.scores(&everything);
        for (name, value) in found.named() {
            let wanted = case["stats"][name].as_f64().unwrap();
            let value = value.unwrap_or(-1.0);
            assert!((value - wanted).abs() < 1e-9, "{name}: {value} for {wanted}");
        }
        // Every image twice changes nothing but the order of equals.
        let twice = coco.scores(&[everything.clone(), everything].concat());
        assert!((twice.ar_100.unwrap() - found.ar_100.unwrap()).abs() < 1e-12);
        assert!((twice.ap.unwrap() - found.ap.unwrap()).abs() < 1e-9);
    }
    andiron_core::testing::record(
        "golden",
        "COCO's twelve numbers",
        "equal pycocotools's, with crowds and areas",
    );
}

#[test]
fn overlaps_of_masks_are_those_of_torchmetrics() {
    let golden_file = json("regions.json");
    let cases = golden_file["cases"].as_array().unwrap();
    assert_eq!(cases.len(), 3);
    for case in cases {
        let classes = case["classes"].as_u64().unwrap() as usize;
        let masks = |name: &str| -> Vec<Mask> {
            let rows: Vec<Vec<u8>> = serde_json::from_value(case[name].clone()).unwrap();
            rows.into_iter().map(|row| Mask::new(row.len() as u32 / 5, 5, row).unwrap()).collect()
        };
        let mut sum = Confusion::new(classes);
        for (truth, said) in masks("truth").iter().zip(&masks("said")) {
            sum.add(&Confusion::of(truth, said, classes).unwrap());
        }
        for (found, name) in [(sum.mean_iou(), "miou"), (sum.mean_dice(), "dice")] {
            let wanted = case[name].as_f64().unwrap();
            assert!((found - wanted).abs() < 1e-6, "{name}: {found} for {wanted}");
        }
    }
    andiron_core::testing::record("golden", "mIoU and Dice", "equal torchmetrics's");
}
