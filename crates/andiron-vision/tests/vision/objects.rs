//! Detection and segmentation through their tasks: what they answer, and what they refuse.

use crate::support::asset;
use andiron_core::{
    AnyPredictor, DataError, Example, Model as _, Network, OnePass as _, Predictor, Raw,
    Registered, Task,
    loss::{Focal, dice_loss, focal_loss},
};
use andiron_vision::{
    Image, ImageSegmentation, ObjectDetection, Views,
    classes::ClassNames,
    draw::{self, DrawnBox},
    letterbox::Letterbox,
    models::{unet::UNetConfig, yolox::YoloxConfig},
    objects::{Mask, ObjectBox},
    scenes::{DigitPart, Scene, Scenes},
    tasks::image_segmentation::Runs,
};
use burn::tensor::{Device, Int, Tensor, TensorData, activation::softmax};
use serde_json::{Value, json};

fn names(names: &[&str]) -> ClassNames {
    ClassNames::new(names.iter().map(|name| (*name).to_owned()).collect()).unwrap()
}

fn frame(width: usize, height: usize) -> Letterbox {
    Letterbox::new(width, height, vec![0.4], vec![0.3]).unwrap()
}

fn detection() -> ObjectDetection {
    ObjectDetection::new(names(&["bar", "pole"]), frame(64, 32))
}

fn segmentation() -> ImageSegmentation {
    ImageSegmentation::new(names(&["none", "one", "two"]), frame(24, 16))
}

fn grey(width: u32, height: u32) -> Image {
    let pixels = (0..width * height).map(|at| (at * 37 % 251) as u8).collect();
    Image::gray(width, height, pixels).unwrap()
}

fn detector(task: ObjectDetection) -> Predictor<ObjectDetection> {
    let config = YoloxConfig::nano(2).with_width(0.0625).with_channels(1);
    let network = Network::init(config, 1, &Device::flex()).unwrap();
    Predictor::new(task, network, &Device::flex())
}

fn segmenter() -> Predictor<ImageSegmentation> {
    seeded_segmenter(1)
}

fn seeded_segmenter(seed: u64) -> Predictor<ImageSegmentation> {
    let config = UNetConfig::new(1, 3).with_width(2).with_depth(2);
    let network = Network::init(config, seed, &Device::flex()).unwrap();
    Predictor::new(segmentation(), network, &Device::flex())
}

#[test]
fn boxes_that_cannot_be_learnt_are_refused() {
    let refusal = |image: Image, target: Vec<ObjectBox>| {
        let examples = [Example { input: image, target }];
        detection().batch(&examples, &Device::flex()).map(|_| ()).unwrap_err()
    };
    let object = |label: &str, corners| ObjectBox::new(label, corners).unwrap();
    for outside in [[-1.0, 2.0, 9.0, 8.0], [2.0, 2.0, 41.0, 8.0], [2.0, 2.0, 9.0, 30.5]] {
        let refused = refusal(grey(40, 30), vec![object("bar", outside)]);
        assert!(
            matches!(refused, DataError::Field { ref field, .. } if field == "box"),
            "{refused}"
        );
    }
    let refused = refusal(grey(40, 30), vec![object("post", [1.0, 2.0, 9.0, 8.0])]);
    assert!(matches!(refused, DataError::UnknownLabel { label, .. } if label == "post"));
    let refused = refusal(grey(1, 1), vec![]);
    assert!(matches!(refused, DataError::TooShort { least: 2, got: 1, .. }));
    // A box without an area, or with NaN, is none.
    for corners in [[3.0, 2.0, 3.0, 8.0], [3.0, 8.0, 9.0, 8.0], [f32::NAN, 2.0, 9.0, 8.0]] {
        assert!(matches!(ObjectBox::new("bar", corners), Err(DataError::Field { .. })));
    }
}

#[test]
fn a_line_says_its_objects() {
    let line = json!({"objects": [{"label": "bar", "box": [1, 2, 9.5, 8]}]});
    let objects = ObjectDetection::target(&line).unwrap();
    assert_eq!(objects, [ObjectBox::new("bar", [1.0, 2.0, 9.5, 8.0]).unwrap()]);
    assert!(ObjectDetection::target(&json!({"objects": []})).unwrap().is_empty());
    for bad in [
        json!({}),
        json!({"objects": "bar"}),
        json!({"objects": [{"label": "bar"}]}),
        json!({"objects": [{"label": "bar", "box": [1, 2, 3]}]}),
        json!({"objects": [{"label": "bar", "box": [9, 2, 1, 8]}]}),
        json!({"objects": [{"label": "bar", "box": [1, 2, 9, null]}]}),
    ] {
        let refused = ObjectDetection::target(&bad).unwrap_err();
        assert!(matches!(refused, DataError::Field { .. }), "{bad}: {refused}");
    }
}

#[test]
fn objects_lie_in_their_image_the_surest_first() {
    // Everything counts as an answer, so that an untrained network gives some.
    let predictor = detector(ObjectDetection { min_score: 0.0, ..detection() });
    for image in [grey(64, 32), grey(300, 40), grey(20, 90), grey(2, 2)] {
        let answer = predictor.predict(std::slice::from_ref(&image)).unwrap().remove(0);
        assert_eq!(answer.objects(), answer.all());
        assert!(answer.all().is_sorted_by(|a, b| a.score >= b.score));
        for object in answer.all() {
            let [x0, y0, x1, y1] = object.corners;
            assert!(0.0 <= x0 && x0 < x1 && x1 <= image.width() as f32);
            assert!(0.0 <= y0 && y0 < y1 && y1 <= image.height() as f32);
        }
    }
    let png = grey(20, 30).to_png();
    let line = json!({"image": "/etc/passwd"});
    let raw = [Raw::Bytes(&png), Raw::Json(&line), Raw::Bytes(&png[..20])];
    let answers = AnyPredictor::predict(&predictor, &raw);
    assert!(answers[0].as_ref().unwrap()["objects"].is_array());
    assert!(matches!(answers[1], Err(DataError::WrongKind { .. })));
    assert!(matches!(answers[2], Err(DataError::Decode { .. })));
}

#[test]
fn limits_outside_their_range_are_refused() {
    for task in [
        ObjectDetection { min_score: 1.5, ..detection() },
        ObjectDetection { most_overlap: f32::NAN, ..detection() },
    ] {
        assert!(task.check().is_err());
    }
    for task in [
        ImageSegmentation { focus: -1.0, ..segmentation() },
        ImageSegmentation { dice: f64::NAN, ..segmentation() },
    ] {
        assert!(task.check().is_err());
    }
}

#[test]
fn the_loss_is_focal_and_dice_over_the_pixels_that_count() {
    let device = Device::flex();
    let [batch, classes, height, width] = [2, 3, 5, 7];
    let pixels = batch * height * width;
    let values = (0..pixels * classes).map(|at| ((at * 37 % 101) as f32 - 50.0) / 20.0).collect();
    let data = TensorData::new(values, [batch, classes, height, width]);
    let logits = Tensor::<4>::from_data(data, &device);
    // Every fifth pixel counts nowhere.
    let of = |at: usize| if at.is_multiple_of(5) { 255 } else { (at * 7 % classes) as i32 };
    let truth: Vec<i32> = (0..pixels).map(of).collect();
    let heeded: Vec<i32> = (0..pixels as i32).filter(|at| at % 5 != 0).collect();
    let heeded = Tensor::<1, Int>::from_ints(heeded.as_slice(), &device);
    let flat = Tensor::<1, Int>::from_ints(truth.as_slice(), &device).select(0, heeded.clone());
    let rows = logits.clone().permute([0, 2, 3, 1]).reshape([pixels, classes]).select(0, heeded);
    let shaped = Tensor::<1, Int>::from_ints(truth.as_slice(), &device);
    let shaped = shaped.reshape([batch, height, width]);
    let mut found = Vec::new();
    for (focus, dice) in [(0.0, 0.0), (2.0, 0.0), (2.0, 0.5), (0.5, 1.0)] {
        let task = ImageSegmentation { focus, dice, ..segmentation() };
        let loss = task.loss(logits.clone(), shaped.clone());
        assert_eq!(loss.count, pixels - pixels / 5);
        let focal = Focal { focus, class_weights: None };
        let focal = focal_loss(rows.clone(), flat.clone(), &focal).mean.into_scalar::<f32>();
        let overlap = dice_loss(rows.clone(), flat.clone()).mean.into_scalar::<f32>();
        let wanted = f64::from(focal) + dice * f64::from(overlap);
        let got = f64::from(loss.mean.into_scalar::<f32>());
        assert!((got - wanted).abs() < 1e-6, "{focus} {dice}: {got} is not {wanted}");
        found.push(got);
    }
    assert!(found[1] < found[0] && found[2] > found[1], "{found:?}");
}

#[test]
fn masks_that_cannot_be_learnt_are_refused() {
    let refusal = |image: Image, target: Mask| {
        let examples = [Example { input: image, target }];
        segmentation().batch(&examples, &Device::flex()).map(|_| ()).unwrap_err()
    };
    let unknown = Mask::new(5, 4, vec![3; 20]).unwrap();
    let refused = refusal(grey(5, 4), unknown);
    assert!(matches!(refused, DataError::UnknownLabel { label, .. } if label == "3"));
    let refused = refusal(grey(5, 4), Mask::new(4, 5, vec![0; 20]).unwrap());
    assert!(matches!(refused, DataError::Field { ref field, .. } if field == "mask"));
    let refused = refusal(grey(1, 1), Mask::new(1, 1, vec![0]).unwrap());
    assert!(matches!(refused, DataError::TooShort { .. }));
}

#[test]
fn a_mask_has_the_size_of_its_image_and_goes_through_lines_and_files() {
    let predictor = segmenter();
    let attachment = ImageSegmentation::ATTACHED.unwrap();
    assert_eq!((attachment.field, attachment.ending), ("mask", "png"));
    for image in [grey(24, 16), grey(50, 16), grey(9, 33), grey(2, 2)] {
        let answer = predictor.predict(std::slice::from_ref(&image)).unwrap().remove(0);
        assert_eq!((answer.mask.width(), answer.mask.height()), (image.width(), image.height()));
        let value = serde_json::to_value(&answer).unwrap();
        assert_eq!(value["classes"], json!(["none", "one", "two"]));
        let line: Value = json!({ "mask": value["mask"] });
        assert_eq!(ImageSegmentation::target(&line).unwrap(), answer.mask);
        let png = (attachment.write)(&value["mask"]).unwrap();
        assert_eq!((attachment.read)(&png).unwrap(), value["mask"]);
    }
    for bad in [json!({}), json!({"mask": "file.png"}), json!({"mask": {"width": 2}})] {
        assert!(matches!(ImageSegmentation::target(&bad), Err(DataError::Field { .. })));
    }
    let coloured = Image::rgb(2, 1, vec![1, 2, 3, 4, 5, 6]).unwrap().to_png();
    assert!(matches!((attachment.read)(&coloured), Err(DataError::Decode { .. })));
    assert!((attachment.read)(b"no picture").is_err());
    let runs = Runs::of(&Mask::new(2, 2, vec![1, 1, 0, 1]).unwrap());
    assert_eq!(serde_json::to_value(runs).unwrap()["runs"], json!([[1, 2], [0, 1], [1, 1]]));
}

#[test]
fn both_are_measured_and_survive_a_bundle() {
    let folder = tempfile::tempdir().unwrap();
    let boxes = vec![ObjectBox::new("bar", [3.0, 4.0, 20.0, 14.0]).unwrap()];
    let data = vec![
        Example { input: grey(40, 30), target: boxes },
        Example { input: grey(33, 25), target: vec![] },
    ];
    let predictor = detector(detection());
    let report = ObjectDetection::evaluate(&predictor, &data).unwrap();
    for name in ["ap", "ap_50", "ap_75", "ap_small", "ar_1", "ar_100", "f1_50"] {
        assert!((0.0..=1.0).contains(&report.score(name).unwrap().value), "{name}");
    }
    assert!(report.score("ap_large").is_err(), "no object is large");
    assert_eq!((report.examples, report.found.len(), report.outcomes.len()), (2, 2, 2));
    predictor.save(folder.path().join("a")).unwrap();
    let again = Predictor::<ObjectDetection>::load(folder.path().join("a"), &Device::flex());
    let again = ObjectDetection::evaluate(&again.unwrap(), &data).unwrap();
    assert_eq!(again, report);

    let mask = Mask::new(9, 7, (0..63).map(|at| (at % 3) as u8).collect()).unwrap();
    let data = vec![Example { input: grey(9, 7), target: mask }];
    let predictor = segmenter();
    let report = ImageSegmentation::evaluate(&predictor, &data).unwrap();
    assert!(report.score("miou").is_ok() && report.score("dice").is_ok());
    assert_eq!((report.labels.len(), report.classes[1].support), (3, 21));
    predictor.save(folder.path().join("b")).unwrap();
    let again = Predictor::<ImageSegmentation>::load(folder.path().join("b"), &Device::flex());
    assert_eq!(ImageSegmentation::evaluate(&again.unwrap(), &data).unwrap(), report);
    let none: Vec<Example<Image, Mask>> = Vec::new();
    assert!(ImageSegmentation::evaluate(&predictor, &none).is_err());
}

/// What the examples draw, with the truth in place of an answer.
#[test]
fn scenes_of_digits_that_are_shown_can_be_drawn() {
    let all = ["photographs", "photographs-cc-by", "photographs-more", "mnist"];
    if all.iter().any(|name| asset(name).is_none()) {
        return;
    }
    let root = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let scenes = Scenes::of_digits(&root, DigitPart::Shown, 5, 1).unwrap();
    assert_eq!(scenes.labels().join(""), "0123456789");
    for index in 0..5 {
        let Scene { image, objects, mask } = scenes.scene(index).unwrap();
        let frames: Vec<DrawnBox<'_>> = objects
            .iter()
            .map(|one| DrawnBox { corners: one.corners(), text: one.label(), class: 3 })
            .collect();
        assert!(!frames.is_empty());
        for drawn in [draw::boxes(&image, &frames), draw::overlay(&image, &mask, 0.6)] {
            let read = Image::decode(&drawn.to_png()).unwrap();
            assert_eq!((read.width(), read.height(), read.channels()), (160, 128, 3));
            assert_ne!(read, image);
        }
    }
    for part in [DigitPart::Train, DigitPart::TrainMore, DigitPart::Test] {
        assert!(Scenes::of_digits(&root, part, 1, 1).unwrap().scene(0).is_ok(), "{part:?}");
    }
    let nowhere = Scenes::of_digits(&root.join("nowhere"), DigitPart::Train, 5, 1);
    assert!(matches!(nowhere, Err(DataError::Io { .. })));
}

/// The probabilities of an image that is as large as the frame: `[classes, pixels]`.
fn probabilities(predictor: &Predictor<ImageSegmentation>, image: &Image) -> Vec<f32> {
    let network = predictor.network::<UNetConfig>().unwrap();
    let features = predictor.task().collate(&[image], &Device::flex()).unwrap();
    softmax(network.model.forward(features), 1).into_data().try_to_vec().unwrap()
}

/// The sums of what the views say, bilinear between the pixels of a window: `[classes, pixels]`. The
/// image is 24 by 16, and so is the frame; a window of 14 by 10 becomes 22 by 16 there.
fn summed(single: &Predictor<ImageSegmentation>, views: Views, image: &Image) -> Vec<f32> {
    let (width, height, windows) = (24, 16, views.windows(24, 16));
    let mut sums = vec![0.0; 3 * width * height];
    for (at, view) in views.of(image).iter().enumerate() {
        let [left, top, wide, high] = windows[at % windows.len()];
        let (across, down) = if wide == 24 { (24, 16) } else { (22, 16) };
        let said = probabilities(single, view);
        let mirrored = views.mirror && at / windows.len() % 2 == 1;
        for (place, sum) in sums.iter_mut().enumerate() {
            let (plane, y, x) = (place / width / height, place / width % height, place % width);
            let (from_left, from_top) = (x as i64 - left, y as i64 - top);
            if !(0..wide).contains(&from_left) || !(0..high).contains(&from_top) {
                continue;
            }
            let between = |at: usize, of: usize, size: usize| {
                let at = ((at as f32 + 0.5) * of as f32 / size as f32 - 0.5).max(0.0);
                let first = (at as usize).min(of - 1);
                (first, (first + 1).min(of - 1), at - first as f32)
            };
            let (x0, x1, right) = between(from_left as usize, across, wide as usize);
            let (y0, y1, below) = between(from_top as usize, down, high as usize);
            let value = |x: usize, y: usize| {
                let x = if mirrored { across - 1 - x } else { x };
                said[(plane * height + y) * width + x]
            };
            *sum += (1.0 - below) * ((1.0 - right) * value(x0, y0) + right * value(x1, y0))
                + below * ((1.0 - right) * value(x0, y1) + right * value(x1, y1));
        }
    }
    sums
}

#[test]
fn the_largest_sum_of_what_the_views_say_has_a_pixel() {
    let of = |factor: usize| (0..24 * 16).map(|at| (at * factor % 241) as u8).collect();
    let images = [7, 13, 38].map(|factor| Image::gray(24, 16, of(factor)).unwrap());
    // Most untrained networks have one answer for all; this one has several.
    let several = |single: &Predictor<ImageSegmentation>| {
        let answer = single.predict(&images[..1]).unwrap().remove(0);
        let of = |class: u8| answer.mask.classes().iter().filter(|got| **got == class).count();
        (0..3).filter(|class| of(*class) > 40).count() > 1
    };
    let single = (1..100).map(seeded_segmenter).find(several).unwrap();
    for views in [
        Views { negative: true, ..Views::default() },
        Views { mirror: true, ..Views::default() },
        Views { crops: Some(0.6), ..Views::default() },
        Views { shifts: Some(3), ..Views::default() },
        Views { mirror: true, crops: Some(0.6), negative: true, shifts: Some(1) },
    ] {
        let several = single.with_task(segmentation().with_views(views).unwrap());
        let answers = several.predict(&images).unwrap();
        assert_eq!(several.predict(&images[1..]).unwrap(), answers[1..]);
        assert_ne!(single.predict(&images).unwrap(), answers, "{views:?}");
        let mut sure = 0;
        for (image, answer) in images.iter().zip(&answers) {
            let sums = summed(&single, views, image);
            for (at, class) in answer.mask.classes().iter().enumerate() {
                let mut sums: Vec<(f32, u8)> =
                    (0..3).map(|class| (sums[class * 24 * 16 + at], class as u8)).collect();
                sums.sort_by(|a, b| b.0.total_cmp(&a.0));
                // Where two are as good as equal, the last bit decides.
                if sums[0].0 - sums[1].0 > 1e-5 {
                    assert_eq!(*class, sums[0].1, "{views:?}, pixel {at}");
                    sure += 1;
                }
            }
        }
        assert!(sure > 1100, "{sure}");
    }
    let refused = segmentation().with_views(Views { crops: Some(0.2), ..Views::default() });
    assert_eq!(refused.unwrap_err().to_string(), "crops must lie in 0.5..=1, but is 0.2");
}

#[test]
fn views_are_for_answers_and_are_written_where_there_are_some() {
    let views = Views { mirror: true, ..Views::default() };
    let (plain, several) = (segmentation(), segmentation().with_views(views).unwrap());
    let mask = Mask::new(24, 16, vec![1; 24 * 16]).unwrap();
    let examples = [Example { input: grey(24, 16), target: mask }];
    let of = |task: &ImageSegmentation| task.batch(&examples, &Device::flex()).unwrap().features;
    assert_eq!(of(&plain).into_data(), of(&several).into_data());
    let written = serde_json::to_value(&plain).unwrap();
    assert!(written.get("views").is_none());
    assert_eq!(serde_json::from_value::<ImageSegmentation>(written).unwrap(), plain);
    let written = serde_json::to_value(&several).unwrap();
    assert_eq!(serde_json::from_value::<ImageSegmentation>(written).unwrap(), several);
    // Images of other sizes than the frame, in the middle of which windows end between pixels.
    let task = segmentation().with_views(Views { crops: Some(0.7), ..views }).unwrap();
    let predictor = segmenter().with_task(task);
    for image in [grey(50, 16), grey(9, 33), grey(2, 2), grey(301, 2)] {
        let answer = predictor.predict(std::slice::from_ref(&image)).unwrap().remove(0);
        assert_eq!((answer.mask.width(), answer.mask.height()), (image.width(), image.height()));
    }
}
