//! Quantised blocks to single precision, in the order of operations of the `gguf` Python package
//! (`gguf/quants.py`), so that every bit is the same.
//!
//! The layouts are those of ggml (`ggml-common.h`): numbers are little endian, scales half
//! precision. `d` is a block's scale, `m` its minimum, `q` a stored number.

use super::types::{ElementType, SUPER};
use half::f16;

/// The numbers in `bytes`, whole blocks of `kind`; `None` if `kind` has no quantised blocks.
pub(super) fn dequantise(kind: ElementType, bytes: &[u8]) -> Option<Vec<f32>> {
    let block: fn(&[u8], &mut [f32]) = match kind {
        ElementType::Q4_0 => q4_0,
        ElementType::Q4_1 => q4_1,
        ElementType::Q5_0 => q5_0,
        ElementType::Q5_1 => q5_1,
        ElementType::Q8_0 => q8_0,
        ElementType::Q4_K => q4_k,
        ElementType::Q5_K => q5_k,
        ElementType::Q6_K => q6_k,
        _ => return None,
    };
    let (numbers, length) = kind.block()?;
    let mut values = vec![0.0; bytes.len() / length * numbers];
    for (bytes, values) in bytes.chunks_exact(length).zip(values.chunks_exact_mut(numbers)) {
        block(bytes, values);
    }
    Some(values)
}

fn half(bytes: &[u8]) -> f32 {
    f16::from_le_bytes([bytes[0], bytes[1]]).to_f32()
}

/// The lower halves of `bytes`, then the upper ones.
fn nibbles(bytes: &[u8]) -> impl Iterator<Item = u8> {
    bytes.iter().map(|byte| byte & 0xf).chain(bytes.iter().map(|byte| byte >> 4))
}

/// `d (q - 8)`.
fn q4_0(block: &[u8], values: &mut [f32]) {
    let d = half(block);
    for (value, q) in values.iter_mut().zip(nibbles(&block[2..])) {
        *value = d * (f32::from(q) - 8.0);
    }
}

/// `d q + m`.
fn q4_1(block: &[u8], values: &mut [f32]) {
    let (d, m) = (half(block), half(&block[2..]));
    for (value, q) in values.iter_mut().zip(nibbles(&block[4..])) {
        *value = d * f32::from(q) + m;
    }
}

/// Numbers of five bits: the lower four of each in `low`, the fifth in a bit of `high`.
fn fives(high: &[u8], low: &[u8]) -> impl Iterator<Item = u8> {
    let high = u32::from_le_bytes([high[0], high[1], high[2], high[3]]);
    nibbles(low).enumerate().map(move |(at, q)| q | ((high >> at & 1) << 4) as u8)
}

/// `d (q - 16)`.
fn q5_0(block: &[u8], values: &mut [f32]) {
    let d = half(block);
    for (value, q) in values.iter_mut().zip(fives(&block[2..6], &block[6..])) {
        *value = d * (f32::from(q) - 16.0);
    }
}

/// `d q + m`.
fn q5_1(block: &[u8], values: &mut [f32]) {
    let (d, m) = (half(block), half(&block[2..]));
    for (value, q) in values.iter_mut().zip(fives(&block[4..8], &block[8..])) {
        *value = d * f32::from(q) + m;
    }
}

/// `d q`.
fn q8_0(block: &[u8], values: &mut [f32]) {
    let d = half(block);
    for (value, q) in values.iter_mut().zip(&block[2..]) {
        *value = d * f32::from(q.cast_signed());
    }
}

/// Scale and minimum of each of the eight parts of a superblock, times the superblock's own.
///
/// The first four have six bits in the first eight bytes; the others four bits in the last four
/// bytes, and two above the first ones' six.
fn scales(block: &[u8]) -> [(f32, f32); 8] {
    let (d, m, packed) = (half(block), half(&block[2..]), &block[4..16]);
    std::array::from_fn(|part| {
        let (scale, least) = if part < 4 {
            (packed[part] & 0x3f, packed[part + 4] & 0x3f)
        } else {
            let low = packed[part + 4];
            (low & 0xf | packed[part - 4] >> 2 & 0x30, low >> 4 | packed[part] >> 2 & 0x30)
        };
        (d * f32::from(scale), m * f32::from(least))
    })
}

/// `d q - m`, 32 numbers a part; two parts share 32 bytes.
fn q4_k(block: &[u8], values: &mut [f32]) {
    let scales = scales(block);
    let stored = block[16..].chunks_exact(32).flat_map(nibbles);
    for (at, (value, q)) in values.iter_mut().zip(stored).enumerate() {
        let (d, m) = scales[at / 32];
        *value = d * f32::from(q) - m;
    }
}

/// `d q - m`; the fifth bit of a part's numbers is the part's bit of 32 bytes.
fn q5_k(block: &[u8], values: &mut [f32]) {
    let scales = scales(block);
    let high = &block[16..48];
    let stored = block[48..].chunks_exact(32).flat_map(nibbles);
    for (at, (value, low)) in values.iter_mut().zip(stored).enumerate() {
        let part = at / 32;
        let (d, m) = scales[part];
        let q = low | (high[at % 32] >> part & 1) << 4;
        *value = d * f32::from(q) - m;
    }
}

/// `d (q - 32)`, 16 numbers a scale; halves of 128 numbers, each with 64 bytes of lower four bits
/// and 32 bytes of upper two.
fn q6_k(block: &[u8], values: &mut [f32]) {
    let (low, rest) = block.split_at(SUPER / 2);
    let (high, rest) = rest.split_at(SUPER / 4);
    let (scales, d) = rest.split_at(SUPER / 16);
    let d = half(d);
    let stored = low.chunks_exact(64).flat_map(nibbles);
    for (at, (value, low)) in values.iter_mut().zip(stored).enumerate() {
        let (side, within) = (at / 128, at % 128);
        let high = high[side * 32 + within % 32] >> (within / 32 * 2) & 3;
        let q = i16::from(low | high << 4) - 32;
        let d = d * f32::from(scales[at / 16].cast_signed());
        *value = d * f32::from(q);
    }
}
