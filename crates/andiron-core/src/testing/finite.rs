//! Numbers in predictions that are not finite: JSON writes them as `null`, like what is absent, so
//! they are looked for on the way.

use serde::{Serialize, Serializer, ser};
use std::fmt;

/// Where the first number of `value` that is not finite stands, and what it is.
pub(super) fn not_finite<T: Serialize>(value: &T) -> Option<String> {
    let mut search = Search { path: Vec::new() };
    value.serialize(&mut search).err().map(|found| found.0)
}

/// The path to the value that is looked at.
struct Search {
    path: Vec<String>,
}

/// What was found; or what a `Serialize` of the caller's says.
#[derive(Debug)]
struct Found(String);

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Found {}

impl ser::Error for Found {
    fn custom<T: fmt::Display>(text: T) -> Self {
        Self(text.to_string())
    }
}

impl Search {
    fn at<T: ?Sized + Serialize>(&mut self, place: String, value: &T) -> Result<(), Found> {
        self.path.push(place);
        value.serialize(&mut *self)?;
        self.path.pop();
        Ok(())
    }
}

/// A list or an object, with the number of the next element.
struct Inside<'a> {
    search: &'a mut Search,
    next: usize,
    key: String,
}

impl Inside<'_> {
    fn element<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Found> {
        let place = format!("[{}]", self.next);
        self.next += 1;
        self.search.at(place, value)
    }

    fn field<T: ?Sized + Serialize>(&mut self, key: &str, value: &T) -> Result<(), Found> {
        self.search.at(format!(".{key}"), value)
    }
}

/// Methods for values that hold no number with a fraction.
macro_rules! nothing_to_find {
    ($($method:ident: $type:ty),*) => {$(
        fn $method(self, _: $type) -> Result<(), Found> {
            Ok(())
        }
    )*};
}

/// Methods that look inside.
macro_rules! look_inside {
    ($($method:ident($($type:ty),*) -> $inside:ident),*) => {$(
        fn $method(self, $(_: $type),*) -> Result<Inside<'a>, Found> {
            Ok(Inside { search: self, next: 0, key: String::new() })
        }
    )*};
}

impl<'a> Serializer for &'a mut Search {
    type Ok = ();
    type Error = Found;
    type SerializeSeq = Inside<'a>;
    type SerializeTuple = Inside<'a>;
    type SerializeTupleStruct = Inside<'a>;
    type SerializeTupleVariant = Inside<'a>;
    type SerializeMap = Inside<'a>;
    type SerializeStruct = Inside<'a>;
    type SerializeStructVariant = Inside<'a>;

    fn serialize_f32(self, value: f32) -> Result<(), Found> {
        self.serialize_f64(value.into())
    }

    fn serialize_f64(self, value: f64) -> Result<(), Found> {
        match value.is_finite() {
            true => Ok(()),
            false => Err(Found(format!("{} is {value}", self.path.concat()))),
        }
    }

    nothing_to_find!(
        serialize_bool: bool, serialize_i8: i8, serialize_i16: i16, serialize_i32: i32,
        serialize_i64: i64, serialize_i128: i128, serialize_u8: u8, serialize_u16: u16,
        serialize_u32: u32, serialize_u64: u64, serialize_u128: u128, serialize_char: char,
        serialize_str: &str, serialize_bytes: &[u8], serialize_unit_struct: &'static str
    );

    fn serialize_none(self) -> Result<(), Found> {
        Ok(())
    }

    fn serialize_unit(self) -> Result<(), Found> {
        Ok(())
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, _: &'static str) -> Result<(), Found> {
        Ok(())
    }

    fn serialize_some<T: ?Sized + Serialize>(self, value: &T) -> Result<(), Found> {
        value.serialize(self)
    }

    fn serialize_newtype_struct<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        value: &T,
    ) -> Result<(), Found> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: ?Sized + Serialize>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Result<(), Found> {
        self.at(format!(".{variant}"), value)
    }

    look_inside!(
        serialize_seq(Option<usize>) -> Inside,
        serialize_tuple(usize) -> Inside,
        serialize_tuple_struct(&'static str, usize) -> Inside,
        serialize_tuple_variant(&'static str, u32, &'static str, usize) -> Inside,
        serialize_map(Option<usize>) -> Inside,
        serialize_struct(&'static str, usize) -> Inside,
        serialize_struct_variant(&'static str, u32, &'static str, usize) -> Inside
    );
}

/// The four kinds of lists and the two of objects with fixed names.
macro_rules! elements {
    ($($kind:ident::$method:ident),*) => {$(
        impl ser::$kind for Inside<'_> {
            type Ok = ();
            type Error = Found;
            fn $method<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Found> {
                self.element(value)
            }
            fn end(self) -> Result<(), Found> {
                Ok(())
            }
        }
    )*};
}

macro_rules! fields {
    ($($kind:ident),*) => {$(
        impl ser::$kind for Inside<'_> {
            type Ok = ();
            type Error = Found;
            fn serialize_field<T: ?Sized + Serialize>(
                &mut self,
                key: &'static str,
                value: &T,
            ) -> Result<(), Found> {
                self.field(key, value)
            }
            fn end(self) -> Result<(), Found> {
                Ok(())
            }
        }
    )*};
}

elements!(
    SerializeSeq::serialize_element,
    SerializeTuple::serialize_element,
    SerializeTupleStruct::serialize_field,
    SerializeTupleVariant::serialize_field
);
fields!(SerializeStruct, SerializeStructVariant);

impl ser::SerializeMap for Inside<'_> {
    type Ok = ();
    type Error = Found;

    fn serialize_key<T: ?Sized + Serialize>(&mut self, key: &T) -> Result<(), Found> {
        self.key = serde_json::to_string(key).unwrap_or_default();
        Ok(())
    }

    fn serialize_value<T: ?Sized + Serialize>(&mut self, value: &T) -> Result<(), Found> {
        let key = std::mem::take(&mut self.key);
        self.field(key.trim_matches('"'), value)
    }

    fn end(self) -> Result<(), Found> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeMap;

    #[derive(Serialize)]
    struct Pair(&'static str, f32);

    #[derive(Serialize)]
    enum Kind {
        Nothing,
        One(f64),
        Two(u8, f64),
        Named { score: f64 },
    }

    #[derive(Serialize)]
    struct Everything {
        text: String,
        maybe: Option<f32>,
        pairs: Vec<Pair>,
        scores: BTreeMap<String, f64>,
        kinds: Vec<Kind>,
        corner: (i32, f32),
    }

    fn everything() -> Everything {
        Everything {
            text: "NaN".to_owned(),
            maybe: None,
            pairs: vec![Pair("a", 0.5), Pair("b", -0.0)],
            scores: BTreeMap::from([("x".to_owned(), 1e300)]),
            kinds: vec![
                Kind::Nothing,
                Kind::One(1.0),
                Kind::Two(3, 1.0),
                Kind::Named { score: 0.0 },
            ],
            corner: (7, f32::MAX),
        }
    }

    #[test]
    fn what_is_finite_or_absent_is_nothing_to_find() {
        assert_eq!(not_finite(&everything()), None);
        assert_eq!(not_finite(&serde_json::json!({"a": [null, 1.5, "x"]})), None);
    }

    #[test]
    fn the_place_of_a_number_that_is_not_finite_is_named() {
        let (nan, up, down) = (f64::NAN, f64::INFINITY, f64::NEG_INFINITY);
        type Change = fn(&mut Everything, f64);
        let cases: [(Change, f64, &str); 7] = [
            (|e, x| e.maybe = Some(x as f32), nan, ".maybe is NaN"),
            (|e, x| e.pairs[1].1 = x as f32, up, ".pairs[1][1] is inf"),
            (|e, x| e.scores = BTreeMap::from([("y".to_owned(), x)]), down, ".scores.y is -inf"),
            (|e, x| e.kinds[1] = Kind::One(x), nan, ".kinds[1].One is NaN"),
            (|e, x| e.kinds[2] = Kind::Two(1, x), nan, ".kinds[2][1] is NaN"),
            (|e, x| e.kinds[3] = Kind::Named { score: x }, nan, ".kinds[3].score is NaN"),
            (|e, x| e.corner.1 = x as f32, up, ".corner[1] is inf"),
        ];
        for (spoil, with, wanted) in cases {
            let mut spoilt = everything();
            spoil(&mut spoilt, with);
            // JSON would not show it.
            assert!(serde_json::to_string(&spoilt).is_ok_and(|text| !text.contains("inf")));
            assert_eq!(not_finite(&spoilt).as_deref(), Some(wanted));
        }
    }
}
