//! Metadata values, and what they can be read as.

/// A metadata value.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Value {
    /// 8 bits, unsigned.
    U8(u8),
    /// 8 bits, signed.
    I8(i8),
    /// 16 bits, unsigned.
    U16(u16),
    /// 16 bits, signed.
    I16(i16),
    /// 32 bits, unsigned.
    U32(u32),
    /// 32 bits, signed.
    I32(i32),
    /// 64 bits, unsigned.
    U64(u64),
    /// 64 bits, signed.
    I64(i64),
    /// 32-bit floating point.
    F32(f32),
    /// 64-bit floating point.
    F64(f64),
    /// True or false.
    Bool(bool),
    /// A text.
    Text(String),
    /// Values of one type.
    Array(Array),
}

/// Metadata values of one type.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Array {
    /// 8 bits, unsigned.
    U8(Vec<u8>),
    /// 8 bits, signed.
    I8(Vec<i8>),
    /// 16 bits, unsigned.
    U16(Vec<u16>),
    /// 16 bits, signed.
    I16(Vec<i16>),
    /// 32 bits, unsigned.
    U32(Vec<u32>),
    /// 32 bits, signed.
    I32(Vec<i32>),
    /// 64 bits, unsigned.
    U64(Vec<u64>),
    /// 64 bits, signed.
    I64(Vec<i64>),
    /// 32-bit floating point.
    F32(Vec<f32>),
    /// 64-bit floating point.
    F64(Vec<f64>),
    /// True or false.
    Bool(Vec<bool>),
    /// Texts.
    Text(Vec<String>),
}

impl Value {
    /// The value's type, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::U8(_) | Self::U16(_) | Self::U32(_) | Self::U64(_) => "an unsigned integer",
            Self::I8(_) | Self::I16(_) | Self::I32(_) | Self::I64(_) => "a signed integer",
            Self::F32(_) | Self::F64(_) => "a floating-point number",
            Self::Bool(_) => "a truth value",
            Self::Text(_) => "a text",
            Self::Array(array) => array.kind(),
        }
    }
}

impl Array {
    /// The type of the values, for messages.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::U8(_) | Self::U16(_) | Self::U32(_) | Self::U64(_) => {
                "an array of unsigned integers"
            }
            Self::I8(_) | Self::I16(_) | Self::I32(_) | Self::I64(_) => {
                "an array of signed integers"
            }
            Self::F32(_) | Self::F64(_) => "an array of floating-point numbers",
            Self::Bool(_) => "an array of truth values",
            Self::Text(_) => "an array of texts",
        }
    }
}

/// What a metadata value can be read as. Integers of every width are read as the integer asked
/// for if it can hold them, signed ones too.
pub trait FromValue<'a>: Sized {
    /// The type, for messages.
    const WANTED: &'static str;

    /// `value` as this type; `None` if it is another one, or out of its range.
    fn from_value(value: &'a Value) -> Option<Self>;
}

/// The integer in `value`, of whatever width.
fn integer(value: &Value) -> Option<i128> {
    Some(match value {
        Value::U8(n) => i128::from(*n),
        Value::I8(n) => i128::from(*n),
        Value::U16(n) => i128::from(*n),
        Value::I16(n) => i128::from(*n),
        Value::U32(n) => i128::from(*n),
        Value::I32(n) => i128::from(*n),
        Value::U64(n) => i128::from(*n),
        Value::I64(n) => i128::from(*n),
        _ => return None,
    })
}

/// The integers in `value`, of whatever width.
fn integers<T: TryFrom<i128>>(value: &Value) -> Option<Vec<T>> {
    fn all<N: Copy + Into<i128>, T: TryFrom<i128>>(numbers: &[N]) -> Option<Vec<T>> {
        numbers.iter().map(|number| T::try_from((*number).into()).ok()).collect()
    }
    let Value::Array(array) = value else { return None };
    match array {
        Array::U8(numbers) => all(numbers),
        Array::I8(numbers) => all(numbers),
        Array::U16(numbers) => all(numbers),
        Array::I16(numbers) => all(numbers),
        Array::U32(numbers) => all(numbers),
        Array::I32(numbers) => all(numbers),
        Array::U64(numbers) => all(numbers),
        Array::I64(numbers) => all(numbers),
        _ => None,
    }
}

impl FromValue<'_> for u64 {
    const WANTED: &'static str = "an unsigned integer";
    fn from_value(value: &Value) -> Option<Self> {
        integer(value)?.try_into().ok()
    }
}

impl FromValue<'_> for u32 {
    const WANTED: &'static str = "an unsigned integer of 32 bits";
    fn from_value(value: &Value) -> Option<Self> {
        integer(value)?.try_into().ok()
    }
}

impl FromValue<'_> for usize {
    const WANTED: &'static str = "an unsigned integer";
    fn from_value(value: &Value) -> Option<Self> {
        integer(value)?.try_into().ok()
    }
}

impl FromValue<'_> for i64 {
    const WANTED: &'static str = "an integer";
    fn from_value(value: &Value) -> Option<Self> {
        integer(value)?.try_into().ok()
    }
}

impl FromValue<'_> for f64 {
    const WANTED: &'static str = "a floating-point number";
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::F32(number) => Some(f64::from(*number)),
            Value::F64(number) => Some(*number),
            _ => None,
        }
    }
}

impl FromValue<'_> for f32 {
    const WANTED: &'static str = "a floating-point number";
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::F32(number) => Some(*number),
            Value::F64(number) => Some(*number as f32),
            _ => None,
        }
    }
}

impl FromValue<'_> for bool {
    const WANTED: &'static str = "a truth value";
    fn from_value(value: &Value) -> Option<Self> {
        match value {
            Value::Bool(truth) => Some(*truth),
            _ => None,
        }
    }
}

impl<'a> FromValue<'a> for &'a str {
    const WANTED: &'static str = "a text";
    fn from_value(value: &'a Value) -> Option<Self> {
        match value {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }
}

impl<'a> FromValue<'a> for &'a [String] {
    const WANTED: &'static str = "an array of texts";
    fn from_value(value: &'a Value) -> Option<Self> {
        match value {
            Value::Array(Array::Text(texts)) => Some(texts),
            _ => None,
        }
    }
}

impl<'a> FromValue<'a> for &'a [f32] {
    const WANTED: &'static str = "an array of 32-bit floating-point numbers";
    fn from_value(value: &'a Value) -> Option<Self> {
        match value {
            Value::Array(Array::F32(numbers)) => Some(numbers),
            _ => None,
        }
    }
}

impl FromValue<'_> for Vec<i64> {
    const WANTED: &'static str = "an array of integers";
    fn from_value(value: &Value) -> Option<Self> {
        integers(value)
    }
}

impl FromValue<'_> for Vec<u32> {
    const WANTED: &'static str = "an array of unsigned integers of 32 bits";
    fn from_value(value: &Value) -> Option<Self> {
        integers(value)
    }
}

impl<'a> FromValue<'a> for &'a Array {
    const WANTED: &'static str = "an array";
    fn from_value(value: &'a Value) -> Option<Self> {
        match value {
            Value::Array(array) => Some(array),
            _ => None,
        }
    }
}
