//! The element types of GGUF tensors, with the sizes of their blocks.

use std::fmt;

/// How a tensor's numbers are stored; the names are ggml's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
#[allow(non_camel_case_types, reason = "the names are ggml's")]
pub enum ElementType {
    /// 32-bit floating point.
    F32,
    /// Half precision.
    F16,
    /// The upper half of 32-bit floating point.
    BF16,
    /// 64-bit floating point.
    F64,
    /// 8-bit integer.
    I8,
    /// 16-bit integer.
    I16,
    /// 32-bit integer.
    I32,
    /// 64-bit integer.
    I64,
    /// 4 bits, a scale for 32 numbers.
    Q4_0,
    /// 4 bits, a scale and a minimum for 32 numbers.
    Q4_1,
    /// 5 bits, a scale for 32 numbers.
    Q5_0,
    /// 5 bits, a scale and a minimum for 32 numbers.
    Q5_1,
    /// 8 bits, a scale for 32 numbers.
    Q8_0,
    /// 4 bits in superblocks of 256, scales and minima of 6 bits for 32 numbers each.
    Q4_K,
    /// 5 bits in superblocks of 256, scales and minima of 6 bits for 32 numbers each.
    Q5_K,
    /// 6 bits in superblocks of 256, scales of 8 bits for 16 numbers each.
    Q6_K,
    /// A type that is not read here, by ggml's number.
    Other(u32),
}

/// Numbers in a superblock of the K types.
pub(super) const SUPER: usize = 256;

impl ElementType {
    /// The type that ggml gives this number.
    pub(super) fn from_ggml(number: u32) -> Self {
        match number {
            0 => Self::F32,
            1 => Self::F16,
            2 => Self::Q4_0,
            3 => Self::Q4_1,
            6 => Self::Q5_0,
            7 => Self::Q5_1,
            8 => Self::Q8_0,
            12 => Self::Q4_K,
            13 => Self::Q5_K,
            14 => Self::Q6_K,
            24 => Self::I8,
            25 => Self::I16,
            26 => Self::I32,
            27 => Self::I64,
            28 => Self::F64,
            30 => Self::BF16,
            other => Self::Other(other),
        }
    }

    /// Numbers and bytes of one block; `None` for a type that is not known.
    pub fn block(self) -> Option<(usize, usize)> {
        Some(match self {
            Self::F32 | Self::I32 => (1, 4),
            Self::F16 | Self::BF16 | Self::I16 => (1, 2),
            Self::F64 | Self::I64 => (1, 8),
            Self::I8 => (1, 1),
            Self::Q4_0 => (32, 2 + 16),
            Self::Q4_1 => (32, 2 + 2 + 16),
            Self::Q5_0 => (32, 2 + 4 + 16),
            Self::Q5_1 => (32, 2 + 2 + 4 + 16),
            Self::Q8_0 => (32, 2 + 32),
            Self::Q4_K => (SUPER, 2 + 2 + 12 + 128),
            Self::Q5_K => (SUPER, 2 + 2 + 12 + 32 + 128),
            Self::Q6_K => (SUPER, 128 + 64 + 16 + 2),
            Self::Other(_) => return None,
        })
    }

    /// Whether the numbers can be given as floating point.
    pub fn is_readable(self) -> bool {
        !matches!(self, Self::I8 | Self::I16 | Self::I32 | Self::I64 | Self::Other(_))
    }
}

impl fmt::Display for ElementType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Other(number) => match number {
                9 => "Q8_1",
                10 => "Q2_K",
                11 => "Q3_K",
                15 => "Q8_K",
                16 => "IQ2_XXS",
                17 => "IQ2_XS",
                18 => "IQ3_XXS",
                19 => "IQ1_S",
                20 => "IQ4_NL",
                21 => "IQ3_S",
                22 => "IQ2_S",
                23 => "IQ4_XS",
                29 => "IQ1_M",
                34 => "TQ1_0",
                35 => "TQ2_0",
                39 => "MXFP4",
                _ => return write!(f, "ggml type {number}"),
            },
            known => return write!(f, "{known:?}"),
        };
        f.write_str(name)
    }
}
