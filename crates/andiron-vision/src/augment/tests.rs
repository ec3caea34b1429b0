use super::*;
use serde_json::json;

fn picture() -> Image {
    Image::rgb(21, 17, (0..21 * 17 * 3).map(|at| (at * 37 % 251) as u8).collect()).unwrap()
}

fn transform() -> ImageTransform {
    ImageTransform::new(12, 10, vec![0.4, 0.5, 0.6], vec![0.25; 3]).unwrap()
}

fn all() -> Vec<Augmentation> {
    vec![
        Augmentation::Mirror { probability: 0.5 },
        Augmentation::Flip { probability: 0.5 },
        Augmentation::Shift { pixels: 2 },
        Augmentation::Rotate { degrees: 20.0 },
        Augmentation::Jitter { brightness: 0.4, contrast: 0.3, saturation: 0.5, hue: 0.1 },
        Augmentation::Tones { probability: 0.7 },
        Augmentation::RandAugment { operations: 2, magnitude: 9 },
        Augmentation::TrivialAugment,
        Augmentation::Erase { probability: 0.5, area: [0.05, 0.2], ratio: [0.5, 2.0] },
    ]
}

#[test]
fn every_step_keeps_the_size_and_follows_from_its_seed() {
    let gray = Image::gray(13, 9, (0..117).collect()).unwrap();
    for step in all() {
        let augment = Augment::new(None, vec![step.clone()], None).unwrap();
        for image in [picture(), gray.clone()] {
            let mut different = 0;
            for seed in 0..20 {
                let seen = augment.draw(&transform(), &image, seed).unwrap();
                assert_eq!((seen.width(), seen.height()), (12, 10), "{step:?}");
                assert_eq!(seen.channels(), image.channels());
                assert_eq!(seen, augment.draw(&transform(), &image, seed).unwrap());
                different +=
                    usize::from(seen != augment.draw(&transform(), &image, seed + 1).unwrap());
            }
            assert!(different > 5, "{step:?}: {different} of 20 seeds differ from the next");
        }
    }
}

#[test]
fn tones_lie_between_two_that_are_drawn_for_each_channel() {
    let transform = ImageTransform::new(3, 1, vec![0.5; 3], vec![0.5; 3]).unwrap();
    let grey = Image::rgb(3, 1, vec![0, 0, 0, 100, 100, 100, 255, 255, 255]).unwrap();
    let tones = Augmentation::Tones { probability: 1.0 };
    let augment = Augment::new(None, vec![tones], None).unwrap();
    let (mut turned, mut coloured) = (0, 0);
    for seed in 0..50 {
        let seen = augment.draw(&transform, &grey, seed).unwrap();
        let pixels: Vec<f64> = seen.pixels().iter().map(|value| f64::from(*value)).collect();
        for channel in 0..3 {
            let (black, white) = (pixels[channel], pixels[6 + channel]);
            let wanted = black + (white - black) * 100.0 / 255.0;
            assert!((pixels[3 + channel] - wanted).abs() <= 1.0, "{pixels:?}");
            turned += usize::from(white < black);
        }
        coloured += usize::from(pixels[0] != pixels[1] && pixels[6] != pixels[8]);
    }
    assert!((50..100).contains(&turned), "{turned}");
    assert!(coloured > 40, "{coloured}");
    let never = Augment::new(None, vec![Augmentation::Tones { probability: 0.0 }], None).unwrap();
    assert_eq!(*never.draw(&transform, &grey, 1).unwrap(), grey);
}

#[test]
fn a_crop_is_a_part_of_the_image() {
    // Left and right halves of two shades: a crop of the left or right edge alone shows one.
    let image =
        Image::gray(40, 30, (0..1200).map(|at| if at % 40 < 20 { 0 } else { 200 }).collect());
    let crop = RandomCrop { area: [0.1, 0.2], ..RandomCrop::default() };
    let augment = Augment::new(Some(crop), Vec::new(), None).unwrap();
    let image = image.unwrap();
    let means: Vec<u32> = (0..60)
        .map(|seed| {
            let seen = augment.draw(&transform(), &image, seed).unwrap();
            seen.pixels().iter().map(|value| u32::from(*value)).sum::<u32>() / 120
        })
        .collect();
    assert!(means.contains(&0) && means.contains(&200), "{means:?}");
}

#[test]
fn what_is_erased_is_the_mean() {
    let step = Augmentation::Erase { probability: 1.0, area: [0.1, 0.3], ratio: [0.5, 2.0] };
    let augment = Augment::new(None, vec![step], None).unwrap();
    let white = Image::rgb(12, 10, vec![255; 360]).unwrap();
    let seen = augment.draw(&transform(), &white, 3).unwrap();
    let erased = seen.pixels().as_chunks::<3>().0.iter().filter(|pixel| **pixel == [102, 128, 153]);
    let share = erased.count() as f64 / 120.0;
    assert!((0.05..0.35).contains(&share), "{share}");
    let mut numbers = Vec::new();
    transform().append_prepared(&seen, &mut numbers);
    // Normalised it is nothing, up to the rounding to bytes.
    assert!(numbers.iter().any(|value| value.abs() < 0.01));
}

#[test]
fn settings_are_written_and_read_and_checked() {
    let mix = Some(Mix { mixup: 0.2, cutmix: 1.0 });
    let augment = Augment::new(Some(RandomCrop::default()), all(), mix).unwrap();
    let text = serde_json::to_string(&augment).unwrap();
    assert_eq!(serde_json::from_str::<Augment>(&text).unwrap(), augment);
    let read = |value| serde_json::from_value::<Augment>(value).map_err(|error| error.to_string());
    assert_eq!(read(json!({})).unwrap(), Augment::default());
    let written = json!({"steps": ["trivial-augment", {"erase": {"probability": 1}}, {"jitter": {"hue": 0.2}}]});
    assert_eq!(read(written).unwrap().steps.len(), 3);
    let refusal = |value| read(value).unwrap_err();
    let step = |step| json!({ "steps": [step] });
    for (bad, said) in [
        (json!({"step": []}), "unknown field `step`"),
        (step(json!("trivial")), "unknown variant `trivial`"),
        (step(json!({"mirror": {"p": 1}})), "unknown field `p`"),
        (step(json!({"mirror": {}})), "missing field `probability`"),
        (
            step(json!({"mirror": {"probability": 1.5}})),
            "probability must lie in 0..=1, but is 1.5",
        ),
        (step(json!({"flip": {"probability": -1}})), "probability must lie in 0..=1, but is -1"),
        (step(json!({"shift": {"pixels": 2000}})), "pixels must lie in 0..=1024, but is 2000"),
        (step(json!({"rotate": {"degrees": 181}})), "degrees must lie in 0..=180, but is 181"),
        (step(json!({"jitter": {"brightness": -1}})), "brightness must lie in 0..=100, but is -1"),
        (step(json!({"jitter": {"contrast": -1}})), "contrast must lie in 0..=100, but is -1"),
        (step(json!({"jitter": {"saturation": -1}})), "saturation must lie in 0..=100, but is -1"),
        (step(json!({"tones": {"probability": 2}})), "probability must lie in 0..=1, but is 2"),
        (step(json!({"jitter": {"hue": 0.6}})), "hue must lie in 0..=0.5, but is 0.6"),
        (
            step(json!({"rand-augment": {"operations": 0, "magnitude": 3}})),
            "operations must lie in 1..=14, but is 0",
        ),
        (
            step(json!({"rand-augment": {"operations": 1, "magnitude": 31}})),
            "magnitude must lie in 0..=30, but is 31",
        ),
        (step(json!({"erase": {"probability": 2}})), "probability must lie in 0..=1, but is 2"),
        (
            step(json!({"erase": {"probability": 1, "area": [0.5, 0.2]}})),
            "area must lie in 0.5..=1, but is 0.2",
        ),
        (step(json!({"erase": {"probability": 1, "ratio": [-1, 2]}})), "ratio must"),
        (json!({"crop": {"area": [0.5, 1.5]}}), "area must lie in 0.5..=1, but is 1.5"),
        (json!({"crop": {"ratio": [0, 1]}}), "ratio must"),
        (json!({"mix": {"mixup": -0.1}}), "mixup must lie in 0..=100, but is -0.1"),
        (json!({"mix": {"cutmix": 101}}), "cutmix must lie in 0..=100, but is 101"),
    ] {
        let refused = refusal(bad.clone());
        assert!(refused.contains(said), "{bad}: {refused}");
    }
}
