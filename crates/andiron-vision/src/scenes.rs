//! Scenes that are put together: small pictures pasted on larger ones, with the box around each and
//! the mask of all, for learning and measuring where no annotated photographs are at hand.
//!
//! A scene is a function of the seed and its number: it is made when it is asked for, so a set of a
//! million takes no memory, and the same number always gives the same scene.

mod digits;

pub use digits::DigitPart;

use crate::{
    augment::Augment,
    data::{ImageExample, idx_examples},
    letterbox::with_channels,
    objects::{Mask, ObjectBox},
    picture::{Image, luma},
    transform::{Filter, ImageTransform, resize},
};
use andiron_core::{ConfigError, DataError, Dataset, Example};
use andiron_kernels::{mix, split_mix};
use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::Arc,
};

/// Ink below this value is no part of a figure.
const INK: u8 = 64;
/// The least difference of lightness between a figure and the ground around it.
const LEAST_CONTRAST: f64 = 70.0;
/// How often a place is drawn for a figure before it is left out.
const TRIES: usize = 60;

/// Sizes and numbers of a set of scenes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct SceneOptions {
    /// Width of a scene in pixels; 160 by default.
    pub width: u32,
    /// Height of a scene in pixels; 128 by default.
    pub height: u32,
    /// The fewest figures drawn for a scene, 1 or more; 1 by default. One for which no room is found is
    /// left out, so a scene may have fewer.
    pub least: usize,
    /// The most figures drawn for a scene, `least` or more; 8 by default. Each number from `least` on
    /// is as probable.
    pub most: usize,
    /// The sides of a figure in pixels, from and to; 12 to 60 by default.
    pub sides: (u32, u32),
    /// How much of the smaller of two boxes may be covered by the other, 0 to 1; 0.3 by default.
    pub most_overlap: f32,
}

impl Default for SceneOptions {
    fn default() -> Self {
        Self { width: 160, height: 128, least: 1, most: 8, sides: (12, 60), most_overlap: 0.3 }
    }
}

impl SceneOptions {
    /// Whether such scenes can be made on these grounds.
    fn check(&self, grounds: &[Image]) -> Result<(), DataError> {
        ConfigError::at_least("least", 1, self.least)?;
        ConfigError::at_least("most", self.least, self.most)?;
        let (least, longest) = self.sides;
        ConfigError::at_least("the shortest side", 2, least as usize)?;
        ConfigError::at_least("the longest side", least as usize, longest as usize)?;
        ConfigError::at_least("width", longest as usize, self.width as usize)?;
        ConfigError::at_least("height", longest as usize, self.height as usize)?;
        ConfigError::within("most_overlap", 0.0, 1.0, self.most_overlap.into())?;
        for ground in grounds {
            for (what, least, got) in [
                ("a ground's width", self.width, ground.width()),
                ("a ground's height", self.height, ground.height()),
            ] {
                if got < least {
                    return Err(DataError::TooShort { what, least: least.into(), got: got.into() });
                }
            }
        }
        Ok(())
    }
}

/// A picture with the boxes around its figures, and the class of each pixel.
#[derive(Debug, Clone, PartialEq)]
pub struct Scene {
    /// The picture, in colours.
    pub image: Image,
    /// The boxes, in the order in which the figures were pasted.
    pub objects: Vec<ObjectBox>,
    /// 0 for the ground, and for a figure one more than the number of its label.
    pub mask: Mask,
}

/// Figures on photographs.
#[derive(Debug, Clone)]
pub struct Scenes {
    figures: Arc<Vec<ImageExample>>,
    grounds: Arc<Vec<Image>>,
    labels: Arc<Vec<String>>,
    count: usize,
    seed: u64,
    options: SceneOptions,
    augment: Option<Arc<Augment>>,
}

impl Scenes {
    /// `count` scenes of `figures`, grey pictures light on black, on cut-outs of `grounds`.
    ///
    /// # Errors
    /// [`DataError::Empty`] for no figure or ground, [`DataError::TooShort`] for a ground smaller than
    /// a scene, [`DataError::Config`] for options that cannot be.
    pub fn new(
        figures: Vec<ImageExample>,
        grounds: Vec<Image>,
        count: usize,
        seed: u64,
        options: SceneOptions,
    ) -> Result<Self, DataError> {
        let empty = |what: &str| Err(DataError::Empty { what: what.to_owned() });
        if figures.is_empty() {
            return empty("the list of figures");
        }
        if grounds.is_empty() {
            return empty("the list of grounds");
        }
        options.check(&grounds)?;
        let labels: BTreeSet<&String> = figures.iter().map(|figure| &figure.target).collect();
        let labels = Arc::new(labels.into_iter().cloned().collect());
        let (figures, grounds) = (Arc::new(figures), Arc::new(grounds));
        Ok(Self { figures, grounds, labels, count, seed, options, augment: None })
    }

    /// Scenes of figures from a pair of idx files (the format of MNIST), whose class numbers are their
    /// labels, on photographs from files.
    ///
    /// # Errors
    /// As [`idx_examples`], [`Image::open`] and [`new`](Self::new).
    pub fn open(
        [images, labels]: [&Path; 2],
        photographs: &[PathBuf],
        count: usize,
        seed: u64,
        options: SceneOptions,
    ) -> Result<Self, DataError> {
        let names: Vec<String> = (0..=u8::MAX).map(|class| class.to_string()).collect();
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        let figures = idx_examples(images, labels, &names)?;
        let grounds = photographs.iter().map(Image::open).collect::<Result<Vec<_>, _>>()?;
        Self::new(figures, grounds, count, seed, options)
    }

    /// The same figures on the same grounds in other scenes.
    #[must_use]
    pub fn with(&self, count: usize, seed: u64) -> Self {
        Self { count, seed, ..self.clone() }
    }

    /// The same figures on the same grounds, as many scenes of other sizes and numbers of figures.
    ///
    /// # Errors
    /// As [`new`](Self::new), for the options.
    pub fn with_options(&self, options: SceneOptions) -> Result<Self, DataError> {
        options.check(&self.grounds)?;
        Ok(Self { options, ..self.clone() })
    }

    /// Scenes of the same set on cut-outs changed by `augment`, so that a network learns more from few
    /// photographs: each by its crop and steps, where what is erased becomes grey; if it mixes, two are
    /// mixed before figures stand on them.
    #[must_use]
    pub fn with_augment(self, augment: Augment) -> Self {
        Self { augment: Some(Arc::new(augment)), ..self }
    }

    /// The labels of the figures, in ascending order.
    pub fn labels(&self) -> &[String] {
        &self.labels
    }

    /// The classes of the mask: "ground", and the labels.
    pub fn mask_classes(&self) -> Vec<String> {
        std::iter::once("ground".to_owned()).chain(self.labels.iter().cloned()).collect()
    }

    /// The scene of this number.
    ///
    /// # Errors
    /// None that the options leave possible: a box or a mask that cannot be; with
    /// [`with_augment`](Self::with_augment) those of [`Augment::draw`].
    pub fn scene(&self, index: usize) -> Result<Scene, DataError> {
        let mut dice = Dice(mix(self.seed, &[index as u64]));
        let (width, height) = (self.options.width, self.options.height);
        let mut canvas = Canvas {
            width: width as usize,
            pixels: self.ground(&mut dice)?,
            classes: vec![0; (width * height) as usize],
        };
        let mut boxes: Vec<[u32; 4]> = Vec::new();
        let mut objects = Vec::new();
        let SceneOptions { least, most, .. } = self.options;
        for _ in 0..least + dice.below(most - least + 1) {
            let figure = &self.figures[dice.below(self.figures.len())];
            let Some(corners) = self.place(&mut dice, &figure.input, &boxes) else { continue };
            let class = self.labels.binary_search(&figure.target).unwrap_or(0) + 1;
            canvas.paste(&figure.input, corners, class as u8, &mut dice);
            boxes.push(corners);
            objects.push(ObjectBox::new(&*figure.target, corners.map(|corner| corner as f32))?);
        }
        let image = Image::rgb(width, height, canvas.pixels)?;
        Ok(Scene { image, objects, mask: Mask::new(width, height, canvas.classes)? })
    }

    /// The colours of a cut-out, or of two that are mixed, where scenes are augmented.
    fn ground(&self, dice: &mut Dice) -> Result<Vec<u8>, DataError> {
        let (width, height) = (self.options.width, self.options.height);
        let Some(augment) = &self.augment else {
            return Ok(with_channels(&self.cut_out(dice), 3));
        };
        let [wide, high] = [width, height].map(|side| side as usize);
        let transform = ImageTransform::new(wide, high, vec![0.5; 3], vec![0.5; 3])?;
        let drawn = |dice: &mut Dice| -> Result<Vec<u8>, DataError> {
            let coloured = Image::rgb(width, height, with_channels(&self.cut_out(dice), 3))?;
            let seen = augment.draw(&transform, &coloured, split_mix(&mut dice.0))?;
            Ok(seen.pixels().to_vec())
        };
        let mut ground = drawn(dice)?;
        let seed = split_mix(&mut dice.0);
        if let Some(mixing) = augment.mix().and_then(|mix| mix.draw(2, wide, high, seed)) {
            for (at, (own, other)) in ground.iter_mut().zip(drawn(dice)?).enumerate() {
                let share = mixing.share_at(at / 3 % wide, at / 3 / wide);
                *own = (share * f64::from(*own) + (1.0 - share) * f64::from(other)).round() as u8;
            }
        }
        Ok(ground)
    }

    /// A cut-out of a photograph, up to twice as large as the scene and then reduced, perhaps as in a
    /// mirror.
    fn cut_out(&self, dice: &mut Dice) -> Image {
        let photograph = &self.grounds[dice.below(self.grounds.len())];
        let (width, height) = (self.options.width, self.options.height);
        let room = |side: u32, of: u32| f64::from(of) / f64::from(side);
        let most = room(width, photograph.width()).min(room(height, photograph.height())).min(2.0);
        let scale = 1.0 + (most - 1.0) * dice.share();
        let side = |side: u32, of: u32| ((f64::from(side) * scale) as u32).min(of);
        let (wide, high) = (side(width, photograph.width()), side(height, photograph.height()));
        let left = dice.below((photograph.width() - wide + 1) as usize) as i64;
        let top = dice.below((photograph.height() - high + 1) as usize) as i64;
        let window = photograph.window(left, top, wide, high, 0);
        let ground = resize(&window, width, height, Filter::Bilinear);
        if dice.below(2) == 0 { ground } else { ground.mirrored() }
    }

    /// Where a figure fits: its height is drawn, its width follows from its ink, neither beyond the
    /// limits.
    fn place(&self, dice: &mut Dice, figure: &Image, boxes: &[[u32; 4]]) -> Option<[u32; 4]> {
        let (least, longest) = self.options.sides;
        let [x0, y0, x1, y1] = ink(figure);
        let shape = f64::from(x1 - x0) / f64::from(y1 - y0);
        for _ in 0..TRIES {
            let height = least + dice.below((longest - least + 1) as usize) as u32;
            let width = ((f64::from(height) * shape).round() as u32).clamp(least, longest);
            let x = dice.below((self.options.width - width + 1) as usize) as u32;
            let y = dice.below((self.options.height - height + 1) as usize) as u32;
            let corners = [x, y, x + width, y + height];
            if boxes.iter().all(|other| covered(corners, *other) <= self.options.most_overlap) {
                return Some(corners);
            }
        }
        None
    }
}

/// How much of the smaller of two boxes lies in the other.
fn covered(a: [u32; 4], b: [u32; 4]) -> f32 {
    let side = |axis: usize| a[axis + 2].min(b[axis + 2]).saturating_sub(a[axis].max(b[axis]));
    let area = |of: [u32; 4]| (of[2] - of[0]) * (of[3] - of[1]);
    (side(0) * side(1)) as f32 / area(a).min(area(b)) as f32
}

/// The box around the ink of a figure; around all of it where there is none.
fn ink(figure: &Image) -> [u32; 4] {
    let (width, height) = (figure.width(), figure.height());
    let mut found = [width, height, 0, 0];
    for (at, value) in with_channels(figure, 1).into_iter().enumerate() {
        if value >= INK {
            let (x, y) = (at as u32 % width, at as u32 / width);
            found = [found[0].min(x), found[1].min(y), found[2].max(x + 1), found[3].max(y + 1)];
        }
    }
    if found[2] == 0 { [0, 0, width, height] } else { found }
}

/// What a scene is painted on.
struct Canvas {
    width: usize,
    pixels: Vec<u8>,
    classes: Vec<u8>,
}

impl Canvas {
    /// Lays the ink of a figure over the box, in a colour that stands out from what is there.
    fn paste(&mut self, figure: &Image, [x0, y0, x1, y1]: [u32; 4], class: u8, dice: &mut Dice) {
        let [left, top, right, bottom] = ink(figure);
        let part = figure.window(left.into(), top.into(), right - left, bottom - top, 0);
        let part = resize(&part, x1 - x0, y1 - y0, Filter::Bilinear);
        let (wide, ink) = ((x1 - x0) as usize, with_channels(&part, 1));
        let place = |at: usize| {
            let (x, y) = (x0 as usize + at % wide, y0 as usize + at / wide);
            y * self.width + x
        };
        let there = (0..ink.len()).map(|at| {
            let pixel = place(at) * 3;
            f64::from(luma([self.pixels[pixel], self.pixels[pixel + 1], self.pixels[pixel + 2]]))
        });
        let mean = there.sum::<f64>() / ink.len() as f64;
        let colour = dice.colour(mean);
        for (at, ink) in ink.iter().enumerate() {
            let pixel = place(at);
            for (channel, colour) in colour.iter().enumerate() {
                let value = &mut self.pixels[pixel * 3 + channel];
                let mixed =
                    u32::from(*value) * u32::from(255 - ink) + u32::from(*colour) * u32::from(*ink);
                *value = ((mixed + 127) / 255) as u8;
            }
            if *ink > 127 {
                self.classes[pixel] = class;
            }
        }
    }
}

/// A stream of random numbers.
struct Dice(u64);

impl Dice {
    /// Below `limit`, which is 1 or more.
    fn below(&mut self, limit: usize) -> usize {
        ((u128::from(split_mix(&mut self.0)) * limit as u128) >> 64) as usize
    }

    /// 0 to 1.
    fn share(&mut self) -> f64 {
        (split_mix(&mut self.0) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A colour whose lightness is far from `lightness`.
    fn colour(&mut self, lightness: f64) -> [u8; 3] {
        loop {
            let word = split_mix(&mut self.0).to_le_bytes();
            let colour = [word[0], word[1], word[2]];
            if (f64::from(luma(colour)) - lightness).abs() >= LEAST_CONTRAST {
                return colour;
            }
        }
    }
}

impl Dataset<Example<Image, Vec<ObjectBox>>> for Scenes {
    fn len(&self) -> usize {
        self.count
    }
    fn get(&self, index: usize) -> Result<Example<Image, Vec<ObjectBox>>, DataError> {
        let Scene { image, objects, .. } = self.scene(index)?;
        Ok(Example { input: image, target: objects })
    }
}

impl Dataset<Example<Image, Mask>> for Scenes {
    fn len(&self) -> usize {
        self.count
    }
    fn get(&self, index: usize) -> Result<Example<Image, Mask>, DataError> {
        let Scene { image, mask, .. } = self.scene(index)?;
        Ok(Example { input: image, target: mask })
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn figure(label: &str, from: [u32; 4]) -> ImageExample {
        let lit = |x: u32, y: u32| x >= from[0] && y >= from[1] && x < from[2] && y < from[3];
        let pixels = (0..28 * 28).map(|at| if lit(at % 28, at / 28) { 250 } else { 0 }).collect();
        Example { input: Image::gray(28, 28, pixels).unwrap(), target: label.to_owned() }
    }

    fn scenes(seed: u64) -> Scenes {
        let figures = vec![figure("wide", [4, 10, 24, 16]), figure("high", [12, 3, 15, 25])];
        let ground = |value: u8, channels: usize| {
            let pixels = vec![value; 300 * 200 * channels];
            if channels == 1 { Image::gray(300, 200, pixels) } else { Image::rgb(300, 200, pixels) }
        };
        let grounds = vec![ground(20, 1).unwrap(), ground(200, 3).unwrap()];
        Scenes::new(figures, grounds, 40, seed, SceneOptions::default()).unwrap()
    }

    #[test]
    fn a_scene_is_a_function_of_seed_and_number() {
        let all = scenes(3);
        assert_eq!(all.scene(5).unwrap(), all.scene(5).unwrap());
        assert_ne!(all.scene(5).unwrap().image, all.scene(6).unwrap().image);
        assert_ne!(all.scene(5).unwrap().image, scenes(4).scene(5).unwrap().image);
        assert_eq!(all.mask_classes(), ["ground", "high", "wide"]);
    }

    #[test]
    fn boxes_lie_within_their_limits_and_around_their_figures() {
        let (all, options) = (scenes(3), SceneOptions::default());
        let mut counts = BTreeSet::new();
        for index in 0..40 {
            let Scene { image, objects, mask } = all.scene(index).unwrap();
            assert_eq!((image.width(), image.height(), image.channels()), (160, 128, 3));
            counts.insert(objects.len());
            let corners = |object: &ObjectBox| object.corners().map(|corner| corner as u32);
            for (at, object) in objects.iter().enumerate() {
                object.check_inside(160, 128).unwrap();
                for side in [object.width(), object.height()] {
                    assert!((12.0..=60.0).contains(&side));
                }
                for other in &objects[..at] {
                    assert!(covered(corners(object), corners(other)) <= options.most_overlap);
                }
            }
            // The last one is covered by nothing: its corners are ink, and its class is there.
            let last = objects.last().unwrap();
            let [x0, y0, x1, y1] = corners(last);
            let class = if last.label() == "high" { 1 } else { 2 };
            for (x, y) in [(x0, y0), (x1 - 1, y1 - 1)] {
                assert_eq!(mask.classes()[(y * 160 + x) as usize], class);
            }
        }
        assert!(counts.contains(&1) && counts.len() >= 6 && counts.iter().all(|count| *count <= 8));
    }

    #[test]
    fn grounds_are_changed_and_mixed() {
        let of = |augment: &str| {
            let augment: Augment = serde_json::from_str(augment).unwrap();
            scenes(3).with_augment(augment)
        };
        let values = |all: &Scenes, index: usize| -> BTreeSet<u8> {
            let Scene { image, mask, .. } = all.scene(index).unwrap();
            let ground =
                |(at, value): (usize, &u8)| (mask.classes()[at / 3] == 0).then_some(*value);
            // Pale ink is of no class: the ground is what most pixels show.
            let mut counts = [0_usize; 256];
            image
                .pixels()
                .iter()
                .enumerate()
                .filter_map(ground)
                .for_each(|v| counts[v as usize] += 1);
            (0..=255).filter(|value: &u8| counts[*value as usize] > 2000).collect()
        };
        let (plain, bright) = (scenes(3), of(r#"{"steps": [{"jitter": {"brightness": 0.9}}]}"#));
        let mixed = of(r#"{"mix": {"mixup": 1.0}}"#);
        let cut = of(r#"{"mix": {"cutmix": 1.0}}"#);
        let mut levels = [(); 4].map(|()| BTreeSet::new());
        let mut halves = 0;
        for index in 0..40 {
            let all = [&plain, &bright, &mixed, &cut];
            for (levels, all) in levels.iter_mut().zip(all) {
                assert_eq!(all.scene(index).unwrap(), all.scene(index).unwrap());
                levels.extend(values(all, index));
            }
            halves += usize::from(values(&cut, index).len() == 2);
        }
        let [plain, bright, mixed, cut] = levels;
        assert_eq!(plain, BTreeSet::from([20, 200]));
        assert_eq!(cut, plain);
        assert!(halves > 3, "{halves}");
        assert!(bright.len() > 10, "{bright:?}");
        assert!(
            mixed.len() > 6 && mixed.iter().all(|level| (20..=200).contains(level)),
            "{mixed:?}"
        );
    }

    #[test]
    fn scenes_of_other_sizes_have_the_same_figures() {
        let small =
            SceneOptions { width: 50, height: 34, most: 2, sides: (9, 31), ..Default::default() };
        let all = scenes(3).with_options(small).unwrap();
        assert_eq!(Dataset::<Example<Image, Mask>>::len(&all), 40);
        assert_eq!(all.labels(), ["high", "wide"]);
        let mut counts = BTreeSet::new();
        for index in 0..40 {
            let Scene { image, objects, mask } = all.scene(index).unwrap();
            assert_eq!((image.width(), image.height()), (50, 34));
            assert_eq!((mask.width(), mask.height()), (50, 34));
            for object in &objects {
                object.check_inside(50, 34).unwrap();
                assert!(object.width() >= 9.0 && object.height() <= 31.0);
            }
            counts.insert(objects.len());
        }
        assert_eq!(counts, BTreeSet::from([1, 2]));
        let several = SceneOptions { least: 2, most: 3, sides: (6, 9), ..small };
        let several = scenes(3).with_options(several).unwrap();
        let counts: BTreeSet<usize> =
            (0..40).map(|index| several.scene(index).unwrap().objects.len()).collect();
        assert_eq!(counts, BTreeSet::from([2, 3]));
        let high = SceneOptions { height: 201, ..SceneOptions::default() };
        let refusal = scenes(3).with_options(high).unwrap_err().to_string();
        assert_eq!(refusal, "a ground's height is 200, but must be at least 201");
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let (figures, grounds) = (
            vec![figure("a", [4, 10, 24, 16])],
            vec![Image::gray(200, 130, vec![0; 26_000]).unwrap()],
        );
        let of =
            |figures: &[ImageExample], grounds: &[Image], options: SceneOptions| match Scenes::new(
                figures.to_vec(),
                grounds.to_vec(),
                3,
                1,
                options,
            )
            .unwrap_err()
            {
                DataError::Config(setting) => setting.to_string(),
                data => data.to_string(),
            };
        let usual = SceneOptions::default();
        assert_eq!(of(&[], &grounds, usual), "the list of figures is empty");
        assert_eq!(of(&figures, &[], usual), "the list of grounds is empty");
        let small = Image::gray(159, 130, vec![0; 159 * 130]).unwrap();
        assert_eq!(
            of(&figures, &[small], usual),
            "a ground's width is 159, but must be at least 160"
        );
        let none = SceneOptions { most: 0, ..usual };
        assert!(of(&figures, &grounds, none).contains("most must be at least 1"));
        let none = SceneOptions { least: 0, ..usual };
        assert!(of(&figures, &grounds, none).contains("least must be at least 1"));
        let few = SceneOptions { least: 5, most: 4, ..usual };
        assert!(of(&figures, &grounds, few).contains("most must be at least 5"));
        let long = SceneOptions { sides: (12, 129), ..usual };
        assert!(of(&figures, &grounds, long).contains("height must be at least 129"));
        let much = SceneOptions { most_overlap: f32::NAN, ..usual };
        assert!(of(&figures, &grounds, much).contains("most_overlap must lie in"));
    }
}
