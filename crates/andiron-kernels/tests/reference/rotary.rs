use crate::support::{assert_close, check, numbers, plain, read};
use andiron_kernels::{RotaryLayout, RotaryTable, rotary};
use burn::{module::Module, tensor::Device};

const LAYOUTS: [RotaryLayout; 2] = [RotaryLayout::Half, RotaryLayout::Interleaved];

/// One head at one place, turned as complex numbers are.
fn turn(head: &[f64], angles: &[f64], layout: RotaryLayout) -> Vec<f64> {
    let half = angles.len();
    let mut out = head.to_vec();
    for (i, angle) in angles.iter().enumerate() {
        let (a, b) = match layout {
            RotaryLayout::Half => (i, i + half),
            RotaryLayout::Interleaved => (2 * i, 2 * i + 1),
        };
        out[a] = head[a] * angle.cos() - head[b] * angle.sin();
        out[b] = head[a] * angle.sin() + head[b] * angle.cos();
    }
    out
}

#[test]
fn equals_the_turning_of_pairs() {
    // The last has a rest of three values that are not turned.
    for (batch, n_heads, len, d_head, half) in [(2, 3, 5, 4, 2), (1, 2, 4, 6, 3), (3, 1, 2, 7, 2)] {
        for layout in LAYOUTS {
            let n = batch * n_heads * len * d_head;
            let x = numbers(1, n);
            let angles = numbers(2, len * half);
            let expected: Vec<f64> = x
                .chunks(d_head)
                .enumerate()
                .flat_map(|(row, head)| turn(head, &angles[row % len * half..][..half], layout))
                .collect();
            let cos: Vec<f64> = angles.iter().map(|a| a.cos()).collect();
            let sin: Vec<f64> = angles.iter().map(|a| a.sin()).collect();
            check(&[x, cos, sin], &expected, |mut inputs| {
                let sin = inputs.remove(2).reshape([len, half]);
                let cos = inputs.remove(1).reshape([len, half]);
                let x = inputs.remove(0).reshape([batch, n_heads, len, d_head]);
                rotary(x, cos, sin, layout).reshape([n])
            });
        }
    }
}

#[test]
fn the_table_holds_the_papers_angles() {
    let table = RotaryTable::new(6, 9, 10_000.0, &Device::flex());
    assert_eq!(table.max_len(), 9);
    let angle = |place: f64, i: f64| place * 10_000f64.powf(-2.0 * i / 6.0);
    let grid = |function: fn(f64) -> f64| -> Vec<f64> {
        (0..9)
            .flat_map(|place| (0..3).map(move |i| function(angle(place as f64, i as f64))))
            .collect()
    };
    assert_close(&read(table.cos), &grid(f64::cos), 1e-7);
    assert_close(&read(table.sin), &grid(f64::sin), 1e-7);
}

#[test]
fn a_dot_product_knows_the_distance_alone() {
    let table = RotaryTable::new(8, 64, 10_000.0, &Device::flex());
    let (query, key) = (numbers(1, 8), numbers(2, 8));
    for layout in LAYOUTS {
        let product = |place_q: usize, place_k: usize| -> f64 {
            let at = |x: &[f64], place| read(table.apply(plain(x, [1, 1, 1, 8]), place, layout));
            at(&query, place_q).iter().zip(at(&key, place_k)).map(|(q, k)| q * k).sum()
        };
        assert!((product(9, 4) - product(60, 55)).abs() < 1e-5);
        assert!((product(9, 4) - product(9, 5)).abs() > 1e-3);
    }
}

#[test]
fn a_sequence_in_two_parts_is_the_same() {
    let table = RotaryTable::new(4, 16, 100.0, &Device::flex());
    let x = plain(&numbers(3, 2 * 7 * 4), [1, 2, 7, 4]);
    for layout in LAYOUTS {
        let whole = read(table.apply(x.clone(), 3, layout));
        let [first, second] = [(0, 5), (5, 2)]
            .map(|(from, len)| table.apply(x.clone().narrow(2, from, len), 3 + from, layout));
        assert_eq!(read(burn::tensor::Tensor::cat(vec![first, second], 2)), whole);
    }
}

#[test]
fn the_table_is_a_module_without_parameters() {
    let table = RotaryTable::new(4, 8, 10_000.0, &Device::flex());
    assert_eq!(table.num_params(), 0);
    let x = plain(&numbers(3, 8), [1, 1, 2, 4]);
    let recording = burn::tensor::Tensor::from_inner(x.clone());
    // A plain table serves a recording network, and the reverse.
    let expected = read(table.apply(x.clone(), 1, RotaryLayout::Half));
    assert_eq!(read(table.apply(recording, 1, RotaryLayout::Half).inner()), expected);
    assert_eq!(read(table.train().valid().apply(x, 1, RotaryLayout::Half)), expected);
}

#[test]
#[should_panic(expected = "must be below 8, the length of the table, but is 8")]
fn a_place_beyond_the_table_is_refused() {
    let table = RotaryTable::new(4, 8, 10_000.0, &Device::flex());
    let _ = table.apply(plain(&[0.0; 8], [1, 1, 2, 4]), 7, RotaryLayout::Half);
}
