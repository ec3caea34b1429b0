//! Boxes around objects, in the JSON of COCO (Lin et al. 2014,
//! <https://cocodataset.org/#format-data>).

use crate::{objects::ObjectBox, picture::Image};
use andiron_core::{DataError, Dataset, Example, data::table::Row};
use serde::Deserialize;
use serde_json::json;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

/// One image with the objects in it.
pub type ObjectExample = Example<Image, Vec<ObjectBox>>;

/// The images of a COCO file with their objects, each decoded when asked for.
#[derive(Debug, Clone)]
pub struct CocoImages {
    folder: PathBuf,
    categories: Vec<String>,
    images: Vec<CocoImage>,
}

/// One image of a COCO file.
#[derive(Debug, Clone, PartialEq)]
pub struct CocoImage {
    /// Its number in the file.
    pub id: i64,
    /// Its file, relative to the folder of the images.
    pub file: PathBuf,
    /// In pixels.
    pub width: u32,
    /// In pixels.
    pub height: u32,
    /// The objects in it, in the file's order.
    pub objects: Vec<CocoObject>,
}

/// One object of a COCO file.
#[derive(Debug, Clone, PartialEq)]
pub struct CocoObject {
    /// What it is, and where.
    pub object: ObjectBox,
    /// Its area in square pixels: that of its outline where the file says it, else of its box.
    pub area: f64,
    /// Whether it is a crowd, whose single objects have no box. A detector neither learns from a
    /// crowd nor is blamed for what it finds in one.
    pub crowd: bool,
}

#[derive(Deserialize)]
struct File {
    images: Vec<FileImage>,
    annotations: Vec<Annotation>,
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct FileImage {
    id: i64,
    file_name: PathBuf,
    width: u32,
    height: u32,
}

#[derive(Deserialize)]
struct Annotation {
    id: i64,
    image_id: i64,
    category_id: i64,
    /// Left, top, width and height.
    bbox: [f64; 4],
    #[serde(default)]
    area: Option<f64>,
    #[serde(default)]
    iscrowd: u8,
}

#[derive(Deserialize)]
struct Category {
    id: i64,
    name: String,
}

/// How far a box may reach over the edge, in pixels: what rounding to a few digits makes. It is cut
/// off.
const SLACK: f64 = 0.01;

/// Reads a COCO file. The paths of its images are relative to `folder`; none takes the file's own.
///
/// # Errors
/// [`DataError::Io`] and [`DataError::Decode`] naming the file; [`DataError::Repeated`] for an id of
/// two images, annotations or categories, or a category's name that stands twice;
/// [`DataError::Dangling`] for an annotation whose image or category is not there;
/// [`DataError::Field`] for a box that is none or lies outside its image, with the annotation's id;
/// [`DataError::Empty`] for a file without an image. An image file that cannot be read, or has
/// another size than the file says, is an error when it is asked for.
pub fn coco_examples(
    path: impl AsRef<Path>,
    folder: Option<&Path>,
) -> Result<CocoImages, DataError> {
    let path = path.as_ref();
    let text = std::fs::read(path).map_err(|source| DataError::io(path, source))?;
    let file: File = serde_json::from_slice(&text).map_err(|error| DataError::Decode {
        what: format!("the COCO file {}", path.display()),
        reason: error.to_string(),
    })?;
    if file.images.is_empty() {
        return Err(DataError::Empty { what: format!("the list of images in {}", path.display()) });
    }
    unique("the list of images", file.images.iter().map(|image| image.id))?;
    unique("the list of annotations", file.annotations.iter().map(|annotation| annotation.id))?;
    unique("the list of categories", file.categories.iter().map(|category| category.id))?;
    unique("the list of categories", file.categories.iter().map(|category| &category.name))?;
    let names: BTreeMap<i64, String> =
        file.categories.into_iter().map(|category| (category.id, category.name)).collect();
    let places: BTreeMap<i64, usize> =
        file.images.iter().enumerate().map(|(place, image)| (image.id, place)).collect();
    let mut images: Vec<CocoImage> = file.images.into_iter().map(CocoImage::new).collect();
    for annotation in &file.annotations {
        let dangling = |field, got: i64| DataError::Dangling {
            what: format!("annotation {}", annotation.id),
            field,
            got: got.to_string(),
        };
        let place = places.get(&annotation.image_id);
        let place = *place.ok_or_else(|| dangling("image_id", annotation.image_id))?;
        let label = names.get(&annotation.category_id);
        let label = label.ok_or_else(|| dangling("category_id", annotation.category_id))?;
        let image = &mut images[place];
        let object = annotation.object(label, image).map_err(|error| {
            let name = format!("annotation {} of {}", annotation.id, image.file.display());
            error.at(place, Some(&name))
        })?;
        image.objects.push(object);
    }
    let own = path.parent().unwrap_or(Path::new(""));
    let categories = names.into_values().collect();
    Ok(CocoImages { folder: folder.unwrap_or(own).to_owned(), categories, images })
}

/// The images of a COCO file as lines of data, `{"image": path, "objects": [{"label", "box"}]}`: what a
/// program reads of it. Crowds are left out; a line's number is the image's place in the file's list.
///
/// # Errors
/// As [`coco_examples`].
pub fn coco_rows(path: &Path) -> Result<Vec<Row>, DataError> {
    let data = coco_examples(path, None)?;
    let row = |(line, image): (u64, &CocoImage)| {
        let alone = image.objects.iter().filter(|object| !object.crowd);
        let objects: Vec<&ObjectBox> = alone.map(|object| &object.object).collect();
        Row { line, value: json!({ "image": image.file, "objects": objects }) }
    };
    Ok((1..).zip(&data.images).map(row).collect())
}

/// Refuses a list in which something stands twice.
fn unique<T: Ord + ToString>(
    what: &'static str,
    all: impl Iterator<Item = T>,
) -> Result<(), DataError> {
    let mut seen = BTreeSet::new();
    for one in all {
        let got = one.to_string();
        if !seen.insert(one) {
            return Err(DataError::Repeated { what, got });
        }
    }
    Ok(())
}

impl Annotation {
    fn object(&self, label: &str, image: &CocoImage) -> Result<CocoObject, DataError> {
        let [left, top, width, height] = self.bbox;
        let cut = |value: f64, side: u32| {
            let within = value.clamp(0.0, f64::from(side));
            // What reaches further is left as it is, and refused.
            if (value - within).abs() <= SLACK { within } else { value }
        };
        let across = [left, left + width].map(|x| cut(x, image.width) as f32);
        let down = [top, top + height].map(|y| cut(y, image.height) as f32);
        let object = ObjectBox::new(label, [across[0], down[0], across[1], down[1]])?;
        object.check_inside(image.width, image.height)?;
        let area = self.area.unwrap_or(width * height);
        if !(area.is_finite() && area >= 0.0) {
            let (field, got) = ("area".to_owned(), area.to_string());
            return Err(DataError::Field { field, wanted: "0 or more", got });
        }
        Ok(CocoObject { object, area, crowd: self.iscrowd != 0 })
    }
}

impl CocoImage {
    fn new(FileImage { id, file_name, width, height }: FileImage) -> Self {
        Self { id, file: file_name, width, height, objects: Vec::new() }
    }
}

impl CocoImages {
    /// What the objects may be, in the order of their ids.
    pub fn categories(&self) -> &[String] {
        &self.categories
    }

    /// The images with all their objects, crowds among them.
    pub fn images(&self) -> &[CocoImage] {
        &self.images
    }
}

/// The images with their objects; crowds are left out.
impl Dataset<ObjectExample> for CocoImages {
    fn len(&self) -> usize {
        self.images.len()
    }

    fn get(&self, index: usize) -> Result<ObjectExample, DataError> {
        let CocoImage { file, width, height, objects, .. } = &self.images[index];
        let path = self.folder.join(file);
        let read = || {
            let input = Image::open(&path)?;
            for (field, said, found) in
                [("width", *width, input.width()), ("height", *height, input.height())]
            {
                if said != found {
                    let (field, got) =
                        (field.to_owned(), format!("{said}, and the file has {found}"));
                    return Err(DataError::Field {
                        field,
                        wanted: "that of the image's file",
                        got,
                    });
                }
            }
            let alone = objects.iter().filter(|object| !object.crowd);
            Ok(Example { input, target: alone.map(|one| one.object.clone()).collect() })
        };
        read().map_err(|error: DataError| error.at(index, Some(&path.display().to_string())))
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests;
