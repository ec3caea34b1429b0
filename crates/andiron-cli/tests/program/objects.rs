//! Detection and segmentation through the program: from a COCO file or a folder of masks to a bundle, a
//! measurement, answers, and their pictures.

use crate::support::{andiron, names, noise, text, write};
use image::{GrayImage, Luma};
use serde_json::{Value, json};
use std::{
    fs,
    path::{Path, PathBuf},
};
use tempfile::TempDir;

const SIZE: (u32, u32) = (44, 34);

/// What is bright in the picture of this number: a bar or a pole, `[x0, y0, x1, y1]`.
fn figure(number: u32) -> (&'static str, [u32; 4]) {
    let (x, y) = (3 + number % 5, 2 + number % 7);
    if number.is_multiple_of(2) {
        ("bar", [x, y, x + 30, y + 9])
    } else {
        ("pole", [x, y, x + 9, y + 24])
    }
}

fn within([x0, y0, x1, y1]: [u32; 4], x: u32, y: u32) -> bool {
    (x0..x1).contains(&x) && (y0..y1).contains(&y)
}

/// A figure on noise.
fn scene(path: &Path, number: u32) {
    let (mut noise, (_, place)) = (noise(u64::from(number)), figure(number));
    let picture = GrayImage::from_fn(SIZE.0, SIZE.1, |x, y| {
        let ground = if within(place, x, y) { 190.0 } else { 20.0 };
        Luma([(ground + 50.0 * noise()) as u8])
    });
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    picture.save(path).unwrap();
}

/// The mask of a figure: 1 for a bar, 2 for a pole.
fn mask(path: &Path, number: u32) {
    let (label, place) = figure(number);
    let class = if label == "bar" { 1 } else { 2 };
    let picture =
        GrayImage::from_fn(SIZE.0, SIZE.1, |x, y| Luma([u8::from(within(place, x, y)) * class]));
    fs::create_dir_all(path.parent().unwrap()).unwrap();
    picture.save(path).unwrap();
}

/// The mask of a file as PNG of another kind, whose class numbers have so many bits.
fn packed(path: &Path, kind: png::ColorType, bits: usize) {
    let mask = image::open(path).unwrap().to_luma8();
    let bytes = |row: &[u8]| -> Vec<u8> {
        let byte = |pixels: &[u8]| {
            (0..).zip(pixels).map(|(at, class)| class << (8 - bits * (at + 1))).sum()
        };
        row.chunks(8 / bits).map(byte).collect()
    };
    let rows: Vec<u8> = mask.as_raw().chunks(SIZE.0 as usize).flat_map(bytes).collect();
    let mut encoder = png::Encoder::new(fs::File::create(path).unwrap(), SIZE.0, SIZE.1);
    encoder.set_color(kind);
    encoder.set_depth(png::BitDepth::from_u8(bits as u8).unwrap());
    if kind == png::ColorType::Indexed {
        encoder.set_palette(vec![200, 30, 90, 0, 0, 0, 255, 255, 255]);
    }
    encoder.write_header().unwrap().write_image_data(&rows).unwrap();
}

/// Twelve scenes as a COCO file.
fn coco(dir: &Path) -> Value {
    let (mut images, mut annotations) = (Vec::new(), Vec::new());
    for number in 0..12 {
        let file = format!("scenes/{number:02}.png");
        scene(&dir.join(&file), number);
        let id = 100 + number;
        images.push(json!({"id": id, "file_name": file, "width": SIZE.0, "height": SIZE.1}));
        let (label, [x0, y0, x1, y1]) = figure(number);
        annotations.push(json!({
            "id": number, "image_id": id, "category_id": if label == "bar" { 7 } else { 3 },
            "bbox": [x0, y0, x1 - x0, y1 - y0],
        }));
    }
    let categories = json!([{"id": 3, "name": "pole"}, {"id": 7, "name": "bar"}]);
    json!({"images": images, "annotations": annotations, "categories": categories})
}

const DETECTOR: &str = "task = \"object-detection\"\nmodel = \"yolox\"\noutput = \"found\"\n\
    [data]\ntrain = \"boxes.json\"\n\
    [options]\nnetwork_width = 0.0625\nmin_score = 0.0\n\
    [training]\nmax_steps = 3\nbatch_size = 3\n";

/// A folder with the COCO file and its configuration.
fn detection() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    write(&dir.path().join("boxes.json"), coco(dir.path()).to_string());
    let config = dir.path().join("boxes.toml");
    write(&config, DETECTOR);
    (dir, config)
}

/// The size of a PNG file, which must be in colours.
fn coloured(path: &str) -> (u32, u32) {
    let picture = image::open(path).unwrap();
    assert!(picture.color().has_color(), "{path}");
    (picture.width(), picture.height())
}

#[test]
fn a_coco_file_is_learnt_measured_and_answered() {
    let (dir, config) = detection();
    let report = andiron(&["train", text(&config)]).good().lines().remove(0);
    assert!(report["scores"]["ap_50"]["value"].is_number(), "{report}");
    let bundle = dir.path().join("found");
    let boxes = dir.path().join("boxes.json");
    let all = andiron(&["evaluate", text(&bundle), text(&boxes)]).good().lines().remove(0);
    assert_eq!(all["examples"], 12);

    // The same as lines, whose boxes are told by their corners.
    let line = |number| {
        let (label, place) = figure(number);
        let objects = json!([{"label": label, "box": place}]);
        format!("{}\n", json!({"image": format!("scenes/{number:02}.png"), "objects": objects}))
    };
    let lines = dir.path().join("boxes.jsonl");
    write(&lines, (0..12).map(line).collect::<String>());
    let same = andiron(&["evaluate", text(&bundle), text(&lines)]).good().lines().remove(0);
    assert_eq!(same, all);

    let (first, second) = (dir.path().join("scenes/00.png"), dir.path().join("scenes/01.png"));
    let drawn = dir.path().join("drawn");
    let args = ["predict", text(&bundle), text(&first), text(&second), "--pictures", text(&drawn)];
    let answers = andiron(&args).good().lines();
    assert_eq!((answers.len(), names(&drawn)), (2, vec!["00.png".to_owned(), "01.png".to_owned()]));
    for answer in &answers {
        let objects = answer["objects"].as_array().unwrap();
        for object in objects {
            assert!(["bar", "pole"].contains(&object["label"].as_str().unwrap()), "{object}");
            let place: [f32; 4] = serde_json::from_value(object["box"].clone()).unwrap();
            assert!(place[0] >= 0.0 && place[2] <= 44.0 && place[3] <= 34.0, "{object}");
        }
        assert_eq!(coloured(answer["picture"].as_str().unwrap()), SIZE);
    }
    let write = ["predict", text(&bundle), text(&first), "--write", text(&drawn)];
    andiron(&write).refused(2, "this task's answers have no files");
}

#[test]
fn a_coco_file_that_cannot_be_used_is_refused_by_what_is_wrong() {
    let (dir, config) = detection();
    let good = coco(dir.path());
    let refused = |change: &dyn Fn(&mut Value), said: &str| {
        let mut bad = good.clone();
        change(&mut bad);
        write(&dir.path().join("boxes.json"), bad.to_string());
        andiron(&["train", text(&config)]).refused(1, said);
        assert!(!dir.path().join("found").exists(), "{said}");
    };
    refused(&|all| all["annotations"][4]["image_id"] = json!(9), "annotation 4 has the image_id 9");
    refused(
        &|all| all["annotations"][5]["category_id"] = json!(8),
        "annotation 5 has the category_id 8",
    );
    refused(&|all| all["annotations"][6]["bbox"][2] = json!(60), "field \"box\" must be inside");
    refused(&|all| all["images"][1]["id"] = json!(100), "100");
    refused(&|all| all["images"] = json!([]), "the list of images");
    refused(&|all| all["categories"] = json!(7), "boxes.json");
    refused(&|all| all["images"][2]["file_name"] = json!("none.png"), "none.png");
    // The ending is this task's alone.
    let other =
        ["--set", "task=image-classification", "--set", "model=small-cnn", "--set", "options={}"];
    andiron(&[&["train", text(&config)][..], &other].concat()).refused(1, "boxes.json");
    // Lines say the size of no image: it is looked at before the first step.
    let line =
        json!({"image": "scenes/00.png", "objects": [{"label": "bar", "box": [0, 0, 45, 9]}]});
    write(&dir.path().join("boxes.jsonl"), format!("{line}\n").repeat(9));
    let lines = ["train", text(&config), "--set", "data.train=boxes.jsonl"];
    andiron(&lines)
        .refused(1, "field \"box\" must be inside the image, but is [0.0, 0.0, 45.0, 9.0]");
}

const SEGMENTER: &str = "task = \"image-segmentation\"\nmodel = \"unet\"\noutput = \"told\"\n\
    [data]\ntrain = \"pairs\"\n\
    [options]\nclasses = [\"ground\", \"bar\", \"pole\"]\nnetwork_width = 4\nnetwork_depth = 2\n\
    views = { negative = true, crops = 0.9 }\n\
    [training]\nmax_steps = 12\nbatch_size = 3\nlearning_rate = 0.02\n";

/// A folder of images and a folder of masks in one, and a configuration.
fn segmentation() -> (TempDir, PathBuf) {
    let dir = tempfile::tempdir().unwrap();
    for number in 0..12 {
        let place = |kind: &str| dir.path().join(format!("pairs/{kind}/{number:02}.png"));
        scene(&place("images"), number);
        mask(&place("masks"), number);
    }
    let config = dir.path().join("pairs.toml");
    write(&config, SEGMENTER);
    (dir, config)
}

#[test]
fn a_folder_of_masks_is_learnt_measured_and_answered() {
    let (dir, config) = segmentation();
    let set = ["train", text(&config), "--set", "options.views.crops=0.2"];
    andiron(&set).refused(2, "crops must lie in 0.5..=1, but is 0.2");
    let report = andiron(&["train", text(&config)]).good().lines().remove(0);
    assert!(report["scores"]["miou"]["value"].is_number(), "{report}");
    let (bundle, pairs) = (dir.path().join("told"), dir.path().join("pairs"));
    let all = andiron(&["evaluate", text(&bundle), text(&pairs)]).good().lines().remove(0);
    assert_eq!(all["examples"], 12);
    let line = |number: u32| {
        let file = |kind: &str| format!("pairs/{kind}/{number:02}.png");
        format!("{}\n", json!({"image": file("images"), "mask": file("masks")}))
    };
    let lines = dir.path().join("pairs.jsonl");
    write(&lines, (0..12).map(line).collect::<String>());
    let measured =
        |data| andiron(&["evaluate", text(&bundle), text(data)]).good().lines().remove(0);
    assert_eq!(measured(&lines), all);
    // Class numbers are not colours: with a palette, and in two bits.
    let mask = |number: u32| pairs.join(format!("masks/{number:02}.png"));
    packed(&mask(4), png::ColorType::Indexed, 8);
    packed(&mask(5), png::ColorType::Grayscale, 2);
    packed(&mask(7), png::ColorType::Indexed, 4);
    assert_eq!((measured(&lines), measured(&pairs)), (all.clone(), all));

    let image = dir.path().join("pairs/images/03.png");
    let (masks, drawn) = (dir.path().join("masks"), dir.path().join("drawn"));
    let plain = andiron(&["predict", text(&bundle), text(&image)]).good().lines().remove(0);
    assert_eq!(plain["classes"], json!(["ground", "bar", "pole"]));
    let args = ["predict", text(&bundle), text(&image), "--write", text(&masks)];
    let args = [&args[..], &["--pictures", text(&drawn)]].concat();
    let answer = andiron(&args).good().lines().remove(0);
    assert_eq!(coloured(answer["picture"].as_str().unwrap()), SIZE);
    assert_eq!(names(&masks), ["00001-03.png"]);
    assert_eq!(answer["mask"], text(&masks.join("00001-03.png")));
    // The file holds what the runs hold.
    let file = image::open(masks.join("00001-03.png")).unwrap().to_luma8();
    assert_eq!(file.dimensions(), SIZE);
    let runs: Vec<(u8, usize)> = serde_json::from_value(plain["mask"]["runs"].clone()).unwrap();
    let classes = runs.into_iter().flat_map(|(class, length)| vec![class; length]);
    assert_eq!(file.into_raw(), classes.collect::<Vec<u8>>());
    // What was written is read as data again.
    let line = json!({"image": text(&image), "mask": answer["mask"]}).to_string();
    let own = dir.path().join("own.jsonl");
    write(&own, line);
    let own = andiron(&["evaluate", text(&bundle), text(&own)]).good().lines().remove(0);
    assert_eq!(own["scores"]["pixel_accuracy"]["value"], 1.0);
}

#[test]
fn masks_that_cannot_be_used_are_refused_by_their_file() {
    let (dir, config) = segmentation();
    let path = |kind: &str, name: &str| dir.path().join(format!("pairs/{kind}/{name}.png"));
    let refused = |said: &[&str]| {
        for part in said {
            andiron(&["train", text(&config)]).refused(1, part);
        }
        assert!(!dir.path().join("told").exists());
    };
    let unknown = GrayImage::from_pixel(SIZE.0, SIZE.1, Luma([7]));
    unknown.save(path("masks", "04")).unwrap();
    refused(&["masks/04.png", "unknown label \"7\"; known are [\"ground\", \"bar\", \"pole\"]"]);
    GrayImage::new(SIZE.1, SIZE.0).save(path("masks", "04")).unwrap();
    refused(&[
        "masks/04.png",
        "must be as large as its image, but is 34 by 44 for an image of 44 by 34",
    ]);
    fs::write(path("masks", "04"), b"no picture").unwrap();
    refused(&["masks/04.png", "mask cannot be decoded: Invalid PNG signature"]);
    image::RgbImage::new(SIZE.0, SIZE.1).save(path("masks", "04")).unwrap();
    refused(&["masks/04.png", "was wanted, but it is Rgb of 8 bits"]);
    fs::remove_file(path("masks", "04")).unwrap();
    refused(&["04.png has the mask", "which is not there"]);
    mask(&path("masks", "04"), 4);
    mask(&path("masks", "99"), 4);
    refused(&["99.png has the image"]);
    fs::remove_file(path("masks", "99")).unwrap();
    fs::remove_dir_all(dir.path().join("pairs/images")).unwrap();
    refused(&["pairs/images"]);
}

#[test]
fn pictures_are_refused_where_nothing_is_drawn() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["predict", "sentiment", "-", "--pictures", text(dir.path())];
    andiron(&args).refused(2, "--pictures");
}
