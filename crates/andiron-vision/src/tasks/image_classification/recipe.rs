//! How each architecture is set up for images it has not seen.

use super::{ImageClassification, backbone_recipe::from_published};
use crate::{
    augment::Augment,
    data::ImageExample,
    models::{
        resnet::{ResNetConfig, Stem},
        small_cnn::SmallCnnConfig,
    },
    start::StartOptions,
    transform::{ImageStatistics, ImageTransform, Preparation},
    views::Views,
};
use andiron_core::{ConfigError, DataError, Dataset, Labels, Recipe, overlay};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::collections::BTreeMap;

/// What may be asked of the images, whatever the architecture.
///
/// As JSON its fields stand beside those of the architecture.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct ImageOptions {
    /// Width to which images are resized, in pixels; none takes the most common, at most 64.
    pub width: Option<usize>,
    /// Height to which images are resized, in pixels; none takes the most common, at most 64.
    pub height: Option<usize>,
    /// 1 for grey, 3 for colours; none takes what the images have.
    pub channels: Option<usize>,
    /// How an image is brought to size; none resizes each side on its own. Where it is given, it
    /// decides width and height.
    pub prepare: Option<Vec<Preparation>>,
    /// How training images are changed at random; none leaves them as they are.
    pub augment: Option<Augment>,
    /// Share of the truth that the loss spreads evenly over all labels, 0 to 1.
    pub label_smoothing: f64,
    /// Whether all labels count the same in the loss, however rare they are.
    pub balance: bool,
    /// How strongly the loss passes over examples that are nearly right, 0 to 100; 0 is
    /// cross-entropy, 2 what Lin et al. took.
    pub focus: f64,
    /// How an image is looked at when it is answered.
    pub views: Views,
}

/// The task for the training examples: one walk over them. Where a transform is `given`, as by a
/// published network, the examples do not decide it.
pub(super) fn task(
    options: &ImageOptions,
    train: &dyn Dataset<ImageExample>,
    given: Option<ImageTransform>,
) -> Result<ImageClassification, DataError> {
    let (mut statistics, mut counts) = (ImageStatistics::default(), BTreeMap::new());
    for index in 0..train.len() {
        let example = train.get(index)?;
        if given.is_none() {
            statistics.add(&example.input);
        }
        *counts.entry(example.target).or_insert(0) += 1;
    }
    if let Some((label, examples)) = counts.first_key_value().filter(|_| counts.len() == 1) {
        return Err(DataError::OneClass { label: label.clone(), examples: *examples });
    }
    let labels = Labels::of(counts.keys())?;
    let transform = match given {
        Some(transform) => transform,
        None => transform(options, &statistics)?,
    };
    let task = ImageClassification {
        augment: options.augment.clone(),
        label_smoothing: options.label_smoothing,
        class_weights: options.balance.then(|| balanced(&labels, &counts)),
        focus: options.focus,
        views: options.views,
        ..ImageClassification::new(labels, transform)
    };
    task.check()?;
    Ok(task)
}

/// Size, channels and normalisation, as the options have it and else as the images have it.
fn transform(
    options: &ImageOptions,
    statistics: &ImageStatistics,
) -> Result<ImageTransform, DataError> {
    let Some(steps) = &options.prepare else {
        return statistics.transform(options.width, options.height, options.channels);
    };
    let (width, height) = Preparation::size_after(steps)?;
    for (field, asked, made) in
        [("width", options.width, width), ("height", options.height, height)]
    {
        if let Some(asked) = asked.filter(|asked| *asked != made) {
            let (field, got) = (field.to_owned(), asked.to_string());
            let reason = format!("the steps of prepare give {made}; leave it out");
            return Err(ConfigError::Kind { field, got, reason }.into());
        }
    }
    let transform = statistics.transform(Some(width), Some(height), options.channels)?;
    Ok(transform.with_preparation(steps.clone())?)
}

/// `n / (k · n_c)` for each class `c` of `k`, with `n` examples of which `n_c` are of the class:
/// every class weighs the same in all, and the mean weight of an example is 1.
fn balanced(labels: &Labels, counts: &BTreeMap<String, usize>) -> Vec<f32> {
    let share = counts.values().sum::<usize>() as f32 / labels.count() as f32;
    labels.names().iter().map(|label| share / counts[label] as f32).collect()
}

/// The options of a [`SmallCnnConfig`]: those that its data do not decide.
#[derive(Serialize, Deserialize)]
struct SmallCnnOptions {
    #[serde(flatten)]
    image: ImageOptions,
    widths: [usize; 2],
    d_hidden: usize,
    dropout: f64,
}

impl Recipe<ImageClassification> for SmallCnnConfig {
    fn prepare(
        options: &Value,
        train: &dyn Dataset<ImageExample>,
    ) -> Result<(ImageClassification, Self), DataError> {
        let usual = Self::new(1, 4, 4, 2);
        let defaults = SmallCnnOptions {
            image: ImageOptions::default(),
            widths: usual.widths,
            d_hidden: usual.d_hidden,
            dropout: usual.dropout,
        };
        let SmallCnnOptions { image, widths, d_hidden, dropout } = overlay(&defaults, options)?;
        let task = task(&image, train, None)?;
        let (transform, n_classes) = (&task.transform, task.labels.count());
        let (channels, height, width) =
            (transform.channels(), transform.height(), transform.width());
        let config = Self { channels, height, width, n_classes, widths, d_hidden, dropout };
        Ok((task, config))
    }

    fn fits(&self, task: &ImageClassification) -> Result<(), ConfigError> {
        task.fits([self.channels, self.height, self.width], self.n_classes)
    }
}

/// The options of a [`ResNetConfig`]: those that its data do not decide. A base decides the sizes.
#[derive(Serialize, Deserialize)]
struct ResNetOptions {
    #[serde(flatten)]
    image: ImageOptions,
    #[serde(flatten)]
    start: StartOptions,
    widths: Option<Vec<usize>>,
    blocks: Option<Vec<usize>>,
    /// None takes the one for the size of the images.
    stem: Option<Stem>,
}

/// The first layer for images whose shorter side has so many pixels: the first stage then sees
/// between 10 and 40 of them, or of a large image a quarter.
fn stem_for(side: usize) -> Stem {
    match side {
        0..20 => Stem::Small,
        20..80 => Stem::Medium,
        _ => Stem::Large,
    }
}

impl Recipe<ImageClassification> for ResNetConfig {
    fn prepare(
        options: &Value,
        train: &dyn Dataset<ImageExample>,
    ) -> Result<(ImageClassification, Self), DataError> {
        let (image, start) = <(ImageOptions, StartOptions)>::default();
        let none = ResNetOptions { image, start, widths: None, blocks: None, stem: None };
        let ResNetOptions { image, start, widths, blocks, stem } = overlay(&none, options)?;
        if start.is_given() {
            start.alone("widths", widths.is_none())?;
            start.alone("blocks", blocks.is_none())?;
            start.alone("stem", stem.is_none())?;
            return start.prepare(&image, train);
        }
        let task = task(&image, train, None)?;
        let (transform, n_classes) = (&task.transform, task.labels.count());
        let stem = stem.unwrap_or_else(|| stem_for(transform.width().min(transform.height())));
        let usual = Self::small(transform.channels(), n_classes);
        let widths = widths.unwrap_or_else(|| usual.widths.clone());
        let blocks = blocks.unwrap_or_else(|| usual.blocks.clone());
        let config = usual.with_widths(widths).with_blocks(blocks).with_stem(stem);
        Ok((task, start.adapt(config)))
    }

    /// Any height and width will do.
    fn fits(&self, task: &ImageClassification) -> Result<(), ConfigError> {
        let (height, width) = (task.transform.height(), task.transform.width());
        task.fits([self.ends.channels, height, width], self.ends.n_classes)
    }

    from_published!();
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use crate::picture::Image;
    use andiron_core::Example;
    use serde_json::json;

    fn example(width: u32, height: u32, label: &str) -> ImageExample {
        let input = Image::gray(width, height, vec![51; (width * height) as usize]).unwrap();
        Example { input, target: label.to_owned() }
    }

    #[test]
    fn size_channels_and_labels_come_from_the_data() {
        let data = vec![example(9, 5, "b"), example(7, 6, "a"), example(9, 5, "a")];
        let (task, config) = SmallCnnConfig::prepare(&json!({}), &data).unwrap();
        assert_eq!((config.width, config.height, config.channels), (9, 5, 1));
        assert_eq!((task.labels.names().join(" "), config.n_classes), ("a b".to_owned(), 2));
        let (task, config): (ImageClassification, _) =
            ResNetConfig::prepare(&json!(null), &data).unwrap();
        assert_eq!((task.transform.width(), task.transform.height()), (9, 5));
        assert_eq!((config.ends.channels, config.stem), (1, Stem::Small));
    }

    #[test]
    fn options_override_and_are_checked() {
        let data = vec![example(9, 5, "b"), example(9, 5, "a")];
        let options = json!({"width": 30, "height": 21, "channels": 3, "blocks": [2, 1, 1], "label_smoothing": 0.1});
        let (task, config): (ImageClassification, _) =
            ResNetConfig::prepare(&options, &data).unwrap();
        assert_eq!(
            (task.transform.width(), task.transform.height(), config.ends.channels),
            (30, 21, 3)
        );
        assert_eq!(
            (config.blocks, config.stem, task.label_smoothing),
            (vec![2, 1, 1], Stem::Medium, 0.1)
        );
        let refusal = |options: Value| {
            let DataError::Config(error) = SmallCnnConfig::prepare(&options, &data).unwrap_err()
            else {
                panic!("an option is a setting")
            };
            error.to_string()
        };
        assert!(
            refusal(json!({"widht": 30})).starts_with("there is no setting \"widht\"; known are")
        );
        assert!(refusal(json!({"width": "30"})).starts_with("setting \"width\" cannot be \"30\""));
        assert_eq!(refusal(json!({"width": 0})), "width must lie in 1..=1024, but is 0");
        assert!(refusal(json!({"channels": 2})).starts_with("setting \"channels\" cannot be 2"));
        assert_eq!(
            refusal(json!({"label_smoothing": 2})),
            "label_smoothing must lie in 0..=1, but is 2"
        );
    }

    #[test]
    fn loss_and_views_follow_the_options() {
        let data = vec![example(9, 5, "b"), example(9, 5, "a"), example(9, 5, "a")];
        let options = json!({"balance": true, "focus": 2, "views": {"mirror": true}});
        let (task, _) = SmallCnnConfig::prepare(&options, &data).unwrap();
        assert_eq!(task.class_weights, Some(vec![0.75, 1.5]));
        assert_eq!((task.focus, task.views.count()), (2.0, 2));
        let options = json!({"augment": {"steps": ["trivial-augment"]}});
        let (task, _) = SmallCnnConfig::prepare(&options, &data).unwrap();
        assert!(task.augment.is_some() && task.class_weights.is_none());
    }

    #[test]
    fn steps_decide_the_size() {
        let data = vec![example(9, 5, "b"), example(9, 5, "a")];
        let steps =
            json!([{"shorter-side": {"pixels": 8}}, {"centre-crop": {"width": 7, "height": 6}}]);
        let (_, config) = SmallCnnConfig::prepare(&json!({"prepare": steps}), &data).unwrap();
        assert_eq!((config.width, config.height), (7, 6));
        let refused = SmallCnnConfig::prepare(&json!({"prepare": steps, "width": 9}), &data);
        let DataError::Config(error) = refused.unwrap_err() else {
            panic!("an option is a setting")
        };
        let wanted = "setting \"width\" cannot be 9: the steps of prepare give 7; leave it out";
        assert_eq!(error.to_string(), wanted);
    }

    #[test]
    fn one_label_or_none_is_refused() {
        let one = vec![example(9, 5, "a"), example(9, 5, "a")];
        let refused = SmallCnnConfig::prepare(&json!({}), &one);
        assert!(matches!(refused, Err(DataError::OneClass { examples: 2, .. })));
        let refused = SmallCnnConfig::prepare(&json!({}), &Vec::<ImageExample>::new());
        assert!(matches!(refused, Err(DataError::Empty { .. })));
    }
}
