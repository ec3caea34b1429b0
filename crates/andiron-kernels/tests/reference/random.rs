use crate::support::read;
use andiron_kernels::{dropout, is_training, mix, split_mix, training};
use burn::tensor::{DType, Device, Tensor};
use proptest::prelude::*;

fn ones(n: usize) -> Tensor<1> {
    Tensor::ones([n], &Device::flex())
}

#[test]
fn split_mix_gives_the_published_numbers() {
    // Vigna's splitmix64.c, seed 1234567, as in the test suites of several languages.
    let mut state = 1_234_567;
    let expected = [
        6_457_827_717_110_365_317,
        3_203_168_211_198_807_973,
        9_817_491_932_198_370_423,
        4_593_380_528_125_082_431,
        16_408_922_859_458_223_821,
    ];
    assert_eq!(expected.map(|_| split_mix(&mut state)), expected);
}

proptest! {
    #[test]
    fn streams_differ_wherever_a_number_does(seed: u64, a: u64, b: u64, c: u64) {
        prop_assume!(a != b);
        prop_assert_ne!(mix(seed, &[a, c]), mix(seed, &[b, c]));
        prop_assert_ne!(mix(seed, &[c, a]), mix(seed, &[c, b]));
        prop_assert_ne!(mix(a, &[c]), mix(b, &[c]));
        prop_assert_ne!(mix(seed, &[a]), mix(seed, &[a, c]));
    }
}

#[test]
fn acts_in_training_only() {
    assert!(!is_training());
    assert_eq!(read(dropout(ones(50), 0.9)), vec![1.0; 50]);
    let dropped = training(1, || {
        assert!(is_training());
        assert_eq!(read(dropout(ones(50), 0.0)), vec![1.0; 50]);
        read(dropout(ones(50), 0.9))
    });
    assert!(dropped.contains(&0.0));
    assert!(!is_training());
}

#[test]
fn keeps_the_share_and_the_mean() {
    for (p, n) in [(0.1, 100_001), (0.5, 65_537), (0.9, 300_000)] {
        let values = training(7, || read(dropout(ones(n), p)));
        let kept = values.iter().filter(|x| **x != 0.0).count();
        let deviation = (n as f64 * p * (1.0 - p)).sqrt();
        assert!((kept as f64 - n as f64 * (1.0 - p)).abs() < 4.0 * deviation, "p {p}: kept {kept}");
        assert!(values.iter().all(|x| *x == 0.0 || (x - 1.0 / (1.0 - p)).abs() < 1e-6));
    }
    assert_eq!(training(7, || read(dropout(ones(33), 1.0))), vec![0.0; 33]);
}

#[test]
fn the_mask_is_a_function_of_the_stream() {
    let draw = |n| training(5, || [dropout(ones(n), 0.3), dropout(ones(n), 0.3)].map(read));
    for n in [1, 17, 40_001] {
        let [first, second] = draw(n);
        assert_eq!([first.clone(), second.clone()], draw(n));
        assert!(n == 1 || first != second, "two draws of one stream must differ");
    }
    // Pieces and threads do not matter: a long mask begins as a short one does.
    let long = training(5, || read(dropout(ones(100_000), 0.3)));
    let short = training(5, || read(dropout(ones(1_000), 0.3)));
    assert_eq!(long[..1_000], short);
    for threads in [1, 3] {
        let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
        let again = pool.install(|| training(5, || read(dropout(ones(100_000), 0.3))));
        assert_eq!(again, long);
    }
}

#[test]
fn scopes_nest_and_survive_a_panic() {
    let twice = training(3, || [dropout(ones(40), 0.5), dropout(ones(40), 0.5)].map(read));
    let between = training(3, || {
        let first = read(dropout(ones(40), 0.5));
        let inner = training(4, || read(dropout(ones(40), 0.5)));
        assert_ne!(inner, twice[1]);
        let caught = std::panic::catch_unwind(|| training(6, || panic!("on purpose")));
        assert!(caught.is_err());
        [first, read(dropout(ones(40), 0.5))]
    });
    assert_eq!(between, twice);
    assert!(!is_training());
}

#[test]
fn other_threads_are_outside() {
    training(1, || {
        std::thread::scope(|scope| {
            scope.spawn(|| assert!(!is_training()));
        });
    });
}

#[test]
fn keeps_precision_and_passes_the_gradient() {
    let device = Device::flex().autodiff();
    let x = Tensor::<2>::ones([3, 5], (&device, DType::F64)).require_grad();
    let (y, gradients) = training(2, || {
        let y = dropout(x.clone(), 0.4);
        (y.clone(), y.sum().backward())
    });
    assert_eq!(y.dtype(), DType::F64);
    assert_eq!(read(x.grad(&gradients).unwrap()), read(y.inner()));
}

#[test]
#[should_panic(expected = "must be in 0..=1, but is 1.5")]
fn a_probability_above_one_is_refused() {
    let _ = dropout(ones(2), 1.5);
}
