//! Average precision of detected boxes as COCO measures it.
//!
//! Source: Lin et al. 2014, <https://arxiv.org/abs/1405.0312>; the numbers are those of
//! pycocotools' `COCOeval` with `iouType="bbox"`.
//!
//! ```
//! use andiron_vision::metrics::coco::{Answered, Coco, ImageObjects, True};
//!
//! let cat = True::new(0, [2.0, 3.0, 10.0, 9.0]);
//! let near = Answered { class: 0, score: 0.9, corners: [2.0, 3.0, 10.0, 8.0] };
//! let images = [ImageObjects { truth: vec![cat], answers: vec![near] }];
//! let scores = Coco::of(&images, 1).scores(&[0]);
//! // The boxes overlap by 40 / 48: right at five of the ten limits from 0.5 to 0.95, 0.7 and 0.8 among them.
//! assert!((scores.ap.unwrap() - 0.7).abs() < 1e-9);
//! assert!((scores.ap_50.unwrap() - 1.0).abs() < 1e-9);
//! ```

use std::collections::BTreeMap;

/// How many limits of overlap are measured: 0.5, 0.55, … 0.95.
const LIMITS: usize = 10;
/// At how many recalls the precision is read: 0, 0.01, … 1.
const RECALLS: usize = 101;
/// How many answers of one class are heeded in an image, at three settings.
const MOST: [usize; 3] = [1, 10, 100];
/// Areas in square pixels: all, small, medium, large.
const AREAS: [[f64; 2]; 4] = [[0.0, 1e10], [0.0, 1024.0], [1024.0, 9216.0], [9216.0, 1e10]];

/// An object that is there.
#[derive(Debug, Clone, PartialEq)]
pub struct True {
    /// The class number.
    pub class: usize,
    /// `[x0, y0, x1, y1]` in pixels.
    pub corners: [f64; 4],
    /// In square pixels; a data set may give that of the outline, which is less than the box's.
    pub area: f64,
    /// Whether the box is around many objects that were not told apart: any number of answers may
    /// lie in it, none is right and none is wrong.
    pub crowd: bool,
}

impl True {
    /// One object with the area of its box.
    pub fn new(class: usize, corners: [f64; 4]) -> Self {
        let area = (corners[2] - corners[0]) * (corners[3] - corners[1]);
        Self { class, corners, area, crowd: false }
    }
}

/// An object that was answered.
#[derive(Debug, Clone, PartialEq)]
pub struct Answered {
    /// The class number.
    pub class: usize,
    /// How sure it is; the higher, the surer.
    pub score: f64,
    /// `[x0, y0, x1, y1]` in pixels.
    pub corners: [f64; 4],
}

/// What is there and what was answered, in one image.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct ImageObjects {
    /// What is there.
    pub truth: Vec<True>,
    /// What was answered, in any order.
    pub answers: Vec<Answered>,
}

/// COCO's twelve numbers, each 0 to 1; none where there was nothing to find, which pycocotools
/// writes as −1.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub struct Scores {
    /// Mean precision over classes, recalls and the limits of overlap from 0.5 to 0.95.
    pub ap: Option<f64>,
    /// The same at 0.5 alone.
    pub ap_50: Option<f64>,
    /// The same at 0.75 alone.
    pub ap_75: Option<f64>,
    /// `ap` of objects below 32² pixels.
    pub ap_small: Option<f64>,
    /// `ap` of objects from 32² to 96² pixels.
    pub ap_medium: Option<f64>,
    /// `ap` of objects above 96² pixels.
    pub ap_large: Option<f64>,
    /// Mean recall over classes and limits, with one answer a class and image.
    pub ar_1: Option<f64>,
    /// The same with ten.
    pub ar_10: Option<f64>,
    /// The same with a hundred.
    pub ar_100: Option<f64>,
    /// `ar_100` of objects below 32² pixels.
    pub ar_small: Option<f64>,
    /// `ar_100` of objects from 32² to 96² pixels.
    pub ar_medium: Option<f64>,
    /// `ar_100` of objects above 96² pixels.
    pub ar_large: Option<f64>,
}

impl Scores {
    /// All twelve with the names of reports.
    pub fn named(&self) -> [(&'static str, Option<f64>); 12] {
        [
            ("ap", self.ap),
            ("ap_50", self.ap_50),
            ("ap_75", self.ap_75),
            ("ap_small", self.ap_small),
            ("ap_medium", self.ap_medium),
            ("ap_large", self.ap_large),
            ("ar_1", self.ar_1),
            ("ar_10", self.ar_10),
            ("ar_100", self.ar_100),
            ("ar_small", self.ar_small),
            ("ar_medium", self.ar_medium),
            ("ar_large", self.ar_large),
        ]
    }
}

fn limit(at: usize) -> f64 {
    // NumPy's linspace: the last is the end itself.
    let step = (0.95_f64 - 0.5) / (LIMITS - 1) as f64;
    if at + 1 == LIMITS { 0.95 } else { at as f64 * step + 0.5 }
}

/// Intersection over union; over the answer's own area where the object is a crowd. In COCO a box is
/// a corner with width and height, and the sums are done in that form here too.
fn overlap(answer: [f64; 4], truth: &True) -> f64 {
    let side = |axis: usize| {
        answer[axis + 2].min(truth.corners[axis + 2]) - answer[axis].max(truth.corners[axis])
    };
    let area = |of: [f64; 4]| (of[2] - of[0]) * (of[3] - of[1]);
    if side(0) <= 0.0 || side(1) <= 0.0 {
        return 0.0;
    }
    let both = side(0) * side(1);
    let union = if truth.crowd { area(answer) } else { area(answer) + area(truth.corners) - both };
    both / union
}

/// One answer, matched at every limit.
#[derive(Debug, Clone, Copy)]
struct Matched {
    score: f64,
    image: usize,
    /// Its place among the answers of its class in its image, the surest first.
    place: usize,
    /// A bit for each limit at which it is an object.
    right: u16,
    /// A bit for each limit at which it is neither right nor wrong.
    ignored: u16,
}

/// One class, objects of one range of areas.
#[derive(Debug, Clone, Default)]
struct Measured {
    /// The surest first, over all images.
    answers: Vec<Matched>,
    /// How many objects there are to find, for each image.
    wanted: Vec<usize>,
}

/// Answers matched with what is there, from which the scores of any choice of images follow.
#[derive(Debug, Clone)]
pub struct Coco {
    /// For each class and each range of areas.
    measured: Vec<[Measured; AREAS.len()]>,
    images: usize,
}

impl Coco {
    /// Matches the answers of `images`, whose classes are below `classes`.
    pub fn of(images: &[ImageObjects], classes: usize) -> Self {
        let of = |class| {
            AREAS.map(|area| {
                let mut measured = Measured::default();
                for (at, image) in images.iter().enumerate() {
                    measured.add(at, image, class, area);
                }
                // Stable: equally sure answers stay in the order of the images.
                measured.answers.sort_by(|a, b| b.score.total_cmp(&a.score));
                measured
            })
        };
        Self { measured: (0..classes).map(of).collect(), images: images.len() }
    }

    /// The scores of some of the images, each as often as it stands in `indices`.
    pub fn scores(&self, indices: &[usize]) -> Scores {
        let mut counts = vec![0; self.images];
        indices.iter().for_each(|index| counts[*index] += 1);
        let precision = |area: usize, limits: std::ops::Range<usize>| {
            let each = self.measured.iter().filter_map(|of| of[area].precision(&counts));
            mean(each.flat_map(|all| all[limits.clone()].to_vec()))
        };
        let recall = |area: usize, most: usize| {
            let each = self.measured.iter().filter_map(|of| of[area].recall(&counts, most));
            mean(each.flatten())
        };
        let [one, ten, hundred] = MOST;
        Scores {
            ap: precision(0, 0..LIMITS),
            ap_50: precision(0, 0..1),
            ap_75: precision(0, 5..6),
            ap_small: precision(1, 0..LIMITS),
            ap_medium: precision(2, 0..LIMITS),
            ap_large: precision(3, 0..LIMITS),
            ar_1: recall(0, one),
            ar_10: recall(0, ten),
            ar_100: recall(0, hundred),
            ar_small: recall(1, hundred),
            ar_medium: recall(2, hundred),
            ar_large: recall(3, hundred),
        }
    }

    /// The average precision of each class over all images, limits and sizes.
    pub fn by_class(&self) -> Vec<Option<f64>> {
        let counts = vec![1; self.images];
        self.measured.iter().map(|of| mean(of[0].precision(&counts)?)).collect()
    }
}

fn mean(values: impl IntoIterator<Item = f64>) -> Option<f64> {
    let (mut sum, mut count) = (0.0, 0);
    for value in values {
        sum += value;
        count += 1;
    }
    (count > 0).then(|| sum / f64::from(count))
}

impl Measured {
    /// Matches one image, as COCO's `evaluateImg`: the surest answer first, each with the free object
    /// that it overlaps most.
    fn add(&mut self, at: usize, image: &ImageObjects, class: usize, [low, high]: [f64; 2]) {
        let mut truth: Vec<(&True, bool)> = image
            .truth
            .iter()
            .filter(|one| one.class == class)
            .map(|one| (one, one.crowd || one.area < low || one.area > high))
            .collect();
        // Objects that do not count come last.
        truth.sort_by_key(|(_, ignored)| *ignored);
        self.wanted.push(truth.iter().filter(|(_, ignored)| !ignored).count());
        let mut answers: Vec<&Answered> =
            image.answers.iter().filter(|one| one.class == class).collect();
        answers.sort_by(|a, b| b.score.total_cmp(&a.score));
        answers.truncate(MOST[2]);
        let mut taken = vec![vec![false; truth.len()]; LIMITS];
        for (place, answer) in answers.into_iter().enumerate() {
            let overlaps: Vec<f64> =
                truth.iter().map(|(one, _)| overlap(answer.corners, one)).collect();
            let mut one = Matched { score: answer.score, image: at, place, right: 0, ignored: 0 };
            let corners = answer.corners;
            let area = (corners[2] - corners[0]) * (corners[3] - corners[1]);
            for (level, taken) in taken.iter_mut().enumerate() {
                let free = |place: usize| !taken[place] || truth[place].0.crowd;
                match best(&truth, &overlaps, limit(level), free) {
                    Some(place) => {
                        taken[place] = true;
                        if truth[place].1 {
                            one.ignored |= 1 << level;
                        } else {
                            one.right |= 1 << level;
                        }
                    }
                    // An answer of another size is no mistake among those of this size.
                    None if area < low || area > high => one.ignored |= 1 << level,
                    None => {}
                }
            }
            self.answers.push(one);
        }
    }

    /// Mean precision at each limit; none where there was nothing to find.
    fn precision(&self, counts: &[usize]) -> Option<[f64; LIMITS]> {
        let wanted = self.wanted(counts)?;
        let mut all = [0.0; LIMITS];
        let (mut recalls, mut precisions) = (Vec::new(), Vec::new());
        for (level, mean) in all.iter_mut().enumerate() {
            recalls.clear();
            precisions.clear();
            let (mut right, mut wrong) = (0, 0);
            for answer in self.heeded(counts, level) {
                let times = counts[answer.image];
                if answer.right >> level & 1 == 1 {
                    right += times
                } else {
                    wrong += times
                }
                recalls.push(right as f64 / wanted as f64);
                precisions.push(right as f64 / ((right + wrong) as f64 + f64::EPSILON));
            }
            // From the right, so that no precision is below one at a higher recall.
            for place in (1..precisions.len()).rev() {
                precisions[place - 1] = f64::max(precisions[place - 1], precisions[place]);
            }
            let mut place = 0;
            let mut sum = 0.0;
            for step in 0..RECALLS {
                let recall = step as f64 * 0.01;
                while recalls.get(place).is_some_and(|reached| *reached < recall) {
                    place += 1;
                }
                sum += precisions.get(place).copied().unwrap_or(0.0);
            }
            *mean = sum / RECALLS as f64;
        }
        Some(all)
    }

    /// The recall at each limit with at most so many answers an image.
    fn recall(&self, counts: &[usize], most: usize) -> Option<[f64; LIMITS]> {
        let wanted = self.wanted(counts)?;
        Some(std::array::from_fn(|level| {
            let found = self
                .heeded(counts, level)
                .filter(|answer| answer.place < most && answer.right >> level & 1 == 1)
                .map(|answer| counts[answer.image])
                .sum::<usize>();
            found as f64 / wanted as f64
        }))
    }

    /// How many there are to find; none if nothing.
    fn wanted(&self, counts: &[usize]) -> Option<usize> {
        let sum = self.wanted.iter().zip(counts).map(|(wanted, count)| wanted * count).sum();
        (sum > 0).then_some(sum)
    }

    fn heeded(&self, counts: &[usize], level: usize) -> impl Iterator<Item = &Matched> {
        self.answers
            .iter()
            .filter(move |answer| counts[answer.image] > 0 && answer.ignored >> level & 1 == 0)
    }
}

/// The object that an answer gets: the one it overlaps most among those that are free, of equals the
/// last; one that does not count only where no other reaches the limit.
fn best(
    truth: &[(&True, bool)],
    overlaps: &[f64],
    limit: f64,
    free: impl Fn(usize) -> bool,
) -> Option<usize> {
    let mut least = limit.min(1.0 - 1e-10);
    let mut found: Option<usize> = None;
    for (place, (_, ignored)) in truth.iter().enumerate() {
        if !free(place) {
            continue;
        }
        if *ignored && found.is_some_and(|found| !truth[found].1) {
            break;
        }
        if overlaps[place] >= least {
            least = overlaps[place];
            found = Some(place);
        }
    }
    found
}

/// How many answers are right where an overlap of one half counts, each object at most once; the
/// surest first.
pub fn right_at_half(truth: &[True], answers: &[Answered]) -> usize {
    let mut by_class: BTreeMap<usize, ImageObjects> = BTreeMap::new();
    for one in truth {
        by_class.entry(one.class).or_default().truth.push(one.clone());
    }
    for one in answers {
        by_class.entry(one.class).or_default().answers.push(one.clone());
    }
    let right = |(class, image): (&usize, &ImageObjects)| {
        let mut measured = Measured::default();
        measured.add(0, image, *class, AREAS[0]);
        measured.answers.iter().filter(|answer| answer.right & 1 == 1).count()
    };
    by_class.iter().map(right).sum()
}
