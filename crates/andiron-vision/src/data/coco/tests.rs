use super::*;
use serde_json::{Value, json};
use std::error::Error;

/// Two images, one of them 9 wide and 6 high, and three objects.
fn file() -> Value {
    json!({
        "info": {"year": 2014},
        "images": [
            {"id": 7, "file_name": "a.png", "width": 9, "height": 6, "license": 1},
            {"id": 3, "file_name": "more/b.png", "width": 4, "height": 8},
        ],
        "categories": [
            {"id": 18, "name": "dog", "supercategory": "animal"},
            {"id": 17, "name": "cat"},
        ],
        "annotations": [
            {"id": 1, "image_id": 7, "category_id": 17, "bbox": [1, 2.5, 4, 3], "area": 7.5, "iscrowd": 0,
             "segmentation": [[1, 2, 3, 4, 5, 6]]},
            {"id": 2, "image_id": 7, "category_id": 18, "bbox": [0, 0, 9.004, 6], "iscrowd": 1},
            {"id": 9, "image_id": 3, "category_id": 18, "bbox": [0, 1, 2, 7]},
        ],
    })
}

fn read(file: &Value) -> (tempfile::TempDir, Result<CocoImages, DataError>) {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("more")).unwrap();
    let image = |width, height| Image::gray(width, height, vec![9; (width * height) as usize]);
    std::fs::write(dir.path().join("a.png"), image(9, 6).unwrap().to_png()).unwrap();
    std::fs::write(dir.path().join("more/b.png"), image(4, 8).unwrap().to_png()).unwrap();
    let path = dir.path().join("objects.json");
    std::fs::write(&path, file.to_string()).unwrap();
    let read = coco_examples(&path, None);
    (dir, read)
}

fn said(error: &DataError) -> String {
    let cause = error.source().map(|cause| format!(": {cause}"));
    format!("{error}{}", cause.unwrap_or_default())
}

fn refusal(pointer: &str, value: Value) -> String {
    let mut file = file();
    *file.pointer_mut(pointer).unwrap() = value;
    said(&read(&file).1.unwrap_err())
}

#[test]
fn objects_are_with_their_images() {
    let (_dir, data) = read(&file());
    let data = data.unwrap();
    assert_eq!(data.categories(), ["cat", "dog"]);
    assert_eq!((data.len(), data.images()[0].objects.len()), (2, 2));
    let crowd = &data.images()[0].objects[1];
    // Four thousandths over the edge are cut off.
    assert_eq!((crowd.crowd, crowd.object.corners()), (true, [0.0, 0.0, 9.0, 6.0]));
    assert_eq!((data.images()[0].objects[0].area, data.images()[1].objects[0].area), (7.5, 14.0));
    let first = data.get(0).unwrap();
    assert_eq!(first.target, [ObjectBox::new("cat", [1.0, 2.5, 5.0, 5.5]).unwrap()]);
    assert_eq!((first.input.width(), first.input.height()), (9, 6));
    assert_eq!(data.get(1).unwrap().target.len(), 1);
}

#[test]
fn a_program_reads_the_images_as_lines() {
    let (dir, _) = read(&file());
    let rows = coco_rows(&dir.path().join("objects.json")).unwrap();
    assert_eq!((rows.len(), rows[1].line), (2, 2));
    let wanted =
        json!({"image": "a.png", "objects": [{"label": "cat", "box": [1.0, 2.5, 5.0, 5.5]}]});
    assert_eq!(rows[0].value, wanted);
}

#[test]
fn dangling_and_repeated_ids_are_refused() {
    for (pointer, value, wanted) in [
        (
            "/annotations/1/image_id",
            json!(8),
            "annotation 2 has the image_id 8, which is not there",
        ),
        (
            "/annotations/2/category_id",
            json!(1),
            "annotation 9 has the category_id 1, which is not there",
        ),
        ("/images/1/id", json!(7), "the list of images has \"7\" twice"),
        ("/annotations/2/id", json!(1), "the list of annotations has \"1\" twice"),
        ("/categories/1/id", json!(18), "the list of categories has \"18\" twice"),
        ("/categories/1/name", json!("dog"), "the list of categories has \"dog\" twice"),
    ] {
        assert_eq!(refusal(pointer, value), wanted);
    }
    andiron_core::testing::record(
        "refusals",
        "COCO files",
        "dangling and repeated ids, unknown categories, boxes outside the image: by the annotation's id",
    );
}

#[test]
fn boxes_that_are_none_or_outside_are_refused() {
    let place = "example 0 (annotation 1 of a.png): field \"box\" must be ";
    for (bbox, wanted) in [
        (json!([-1, 2, 3, 3]), "inside the image"),
        (json!([6, 2, 3.5, 3]), "inside the image"),
        (json!([1, 4, 3, 2.1]), "inside the image"),
        (json!([1, 2, 0, 3]), "[x0, y0, x1, y1] with x0 < x1"),
        (json!([1, 2, 3, -1]), "[x0, y0, x1, y1] with x0 < x1"),
        (json!([1, 2, 3e300, 3]), "four finite numbers"),
    ] {
        let refused = refusal("/annotations/0/bbox", bbox);
        assert!(refused.starts_with(&format!("{place}{wanted}")), "{refused}");
    }
    let area = refusal("/annotations/0/area", json!(-1));
    assert!(area.ends_with("field \"area\" must be 0 or more, but is -1"), "{area}");
}

#[test]
fn what_is_no_such_file_is_refused() {
    assert!(
        refusal("/annotations/0/bbox", json!([1, 2, 3])).contains("objects.json cannot be decoded")
    );
    assert!(refusal("/images/0", json!({"id": 7})).contains("missing field"));
    assert!(refusal("/annotations/0", json!({})).contains("cannot be decoded"));
    assert!(matches!(coco_examples("/nowhere.json", None), Err(DataError::Io { .. })));
    let mut empty = file();
    empty["images"] = json!([]);
    empty["annotations"] = json!([]);
    assert!(said(&read(&empty).1.unwrap_err()).starts_with("the list of images in"));
}

#[test]
fn an_image_of_another_size_is_refused_when_asked_for() {
    let mut file = file();
    file["images"][1]["height"] = json!(9);
    let (_dir, data) = read(&file);
    let refused = said(&data.unwrap().get(1).unwrap_err());
    let wanted = "field \"height\" must be that of the image's file, but is 9, and the file has 8";
    assert!(refused.starts_with("example 1 (") && refused.ends_with(wanted), "{refused}");
}
