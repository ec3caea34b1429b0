//! Images a second from a JPEG file's bytes to a network's numbers: decoding, bringing to size,
//! augmenting; and the whole of a training batch as the trainer's loading threads make it.
//!
//! ```text
//! cargo bench --bench image_loading
//! ```

use ::image::{ExtendedColorType, codecs::jpeg::JpegEncoder};
use andiron::{
    Example, Labels, Task as _,
    kernels::training,
    vision::{
        Image, ImageClassification, ImageTransform,
        augment::{Augment, Augmentation, Mix, RandomCrop},
        transform::{Filter, Preparation, resize},
    },
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

/// A scene of smooth and rough parts: a photograph has both.
fn scene(width: u32, height: u32) -> Image {
    let value = |x: u32, y: u32, channel: u32| {
        let wave = (f64::from(x) / 37.0).sin() + (f64::from(y) / 23.0 + f64::from(channel)).cos();
        let grain = (x * 73 + y * 151 + channel * 29) % 31;
        (100.0 + 35.0 * wave) as u8 + grain as u8
    };
    let mut pixels = Vec::with_capacity((3 * width * height) as usize);
    for y in 0..height {
        for x in 0..width {
            pixels.extend((0..3).map(|channel| value(x, y, channel)));
        }
    }
    Image::rgb(width, height, pixels).expect("three bytes a pixel")
}

/// The bytes of a JPEG file.
fn encoded(scene: &Image) -> Vec<u8> {
    let mut bytes = Vec::new();
    JpegEncoder::new_with_quality(&mut bytes, 90)
        .encode(scene.pixels(), scene.width(), scene.height(), ExtendedColorType::Rgb8)
        .expect("three bytes a pixel, and memory to write to");
    bytes
}

fn transform() -> ImageTransform {
    let steps = vec![
        Preparation::ShorterSide { pixels: 256, filter: Filter::Bicubic },
        Preparation::CentreCrop { width: 224, height: 224 },
    ];
    let plain = ImageTransform::new(224, 224, vec![0.5; 3], vec![0.25; 3]);
    plain.and_then(|plain| plain.with_preparation(steps)).expect("the steps end at 224")
}

fn loading(criterion: &mut Criterion) {
    let image = scene(500, 375);
    let jpeg = encoded(&image);
    let transform = transform();
    let augments = [
        ("crop", Vec::new()),
        (
            "crop_mirror_jitter",
            vec![
                Augmentation::Mirror { probability: 0.5 },
                Augmentation::Jitter { brightness: 0.4, contrast: 0.4, saturation: 0.4, hue: 0.1 },
            ],
        ),
        ("crop_rand_augment", vec![Augmentation::RandAugment { operations: 2, magnitude: 9 }]),
        ("crop_trivial_augment", vec![Augmentation::TrivialAugment]),
    ];
    let mut group = criterion.benchmark_group("vision/loading/500x375");
    group.sample_size(20).throughput(Throughput::Elements(1));
    group.bench_function("decode", |bencher| bencher.iter(|| Image::decode(black_box(&jpeg))));
    for (name, filter) in [("bilinear", Filter::Bilinear), ("bicubic", Filter::Bicubic)] {
        group.bench_function(format!("resize_{name}_224"), |bencher| {
            bencher.iter(|| resize(black_box(&image), 224, 224, filter));
        });
    }
    let numbers = |image: &Image| {
        let mut out = Vec::with_capacity(transform.numbers());
        transform.append_prepared(image, &mut out);
        out
    };
    group.bench_function("decode_prepare", |bencher| {
        bencher.iter(|| {
            let image = Image::decode(black_box(&jpeg)).expect("it was encoded above");
            numbers(&transform.prepare(&image).expect("it is no strip"))
        });
    });
    for (name, steps) in augments {
        let augment = Augment::new(Some(RandomCrop::default()), steps, None).expect("in range");
        let mut seed = 0;
        group.bench_function(format!("decode_{name}"), |bencher| {
            bencher.iter(|| {
                seed += 1;
                let image = Image::decode(black_box(&jpeg)).expect("it was encoded above");
                numbers(&augment.draw(&transform, &image, seed).expect("it is no strip"))
            });
        });
    }
    group.finish();
    batch(criterion, &image);
}

/// 16 decoded images to one training batch, mixed.
fn batch(criterion: &mut Criterion, image: &Image) {
    let device = andiron::device("flex").expect("flex is always compiled in");
    let names = ["a", "b", "c"].map(str::to_owned);
    let labels = Labels::of(&names).expect("three labels");
    let mix = Some(Mix { mixup: 0.2, cutmix: 1.0 });
    let augment =
        Augment::new(Some(RandomCrop::default()), vec![Augmentation::TrivialAugment], mix);
    let task = ImageClassification::new(labels, transform());
    let task = task.with_augment(augment.expect("in range")).expect("the loss is no focal one");
    let example = |at: usize| Example { input: image.clone(), target: names[at % 3].clone() };
    let examples: Vec<_> = (0..16).map(example).collect();
    let mut group = criterion.benchmark_group("vision/loading/batch");
    group.sample_size(10).throughput(Throughput::Elements(16));
    let mut seed = 0;
    group.bench_function("b16", |bencher| {
        bencher.iter(|| {
            seed += 1;
            training(seed, || task.batch(&examples, &device))
        });
    });
    group.finish();
}

criterion_group!(benches, loading);
criterion_main!(benches);
