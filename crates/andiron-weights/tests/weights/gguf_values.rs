//! Tensors and metadata as the `gguf` Python package wrote and read them.

use crate::made::golden;
use andiron_core::weights::Source;
use andiron_weights::{
    Precision, Renamed,
    folder::Folder,
    gguf::{Array, ElementType, Gguf, Value},
};
use burn::tensor::DType;

fn bits(values: &[f32]) -> Vec<u32> {
    values.iter().map(|value| value.to_bits()).collect()
}

#[test]
fn every_type_of_block_gives_the_bits_that_the_gguf_package_gives() {
    let gguf = Gguf::open(golden("blocks.gguf")).unwrap();
    let wanted = Folder::open(golden("blocks.safetensors")).unwrap();
    let names = wanted.names();
    assert_eq!(names.len(), 11, "{names:?}");
    for name in names {
        let kind = name.split('.').next().unwrap().to_uppercase();
        let entry = gguf.entry(&name).unwrap();
        assert!(entry.readable, "{name}");
        assert_eq!(entry.dtype, kind, "{name}");
        let (found, wanted) = (gguf.read(&name).unwrap(), wanted.read(&name).unwrap());
        assert_eq!(found.shape(), wanted.shape(), "{name}");
        let (found, wanted) = (found.as_slice::<f32>().unwrap(), wanted.as_slice::<f32>().unwrap());
        assert!(found.len() >= 21, "{name}: only {} numbers", found.len());
        for (at, (found, wanted)) in bits(found).iter().zip(bits(wanted)).enumerate() {
            assert_eq!(*found, wanted, "{name}, number {at}");
        }
    }
}

#[test]
fn shapes_stand_in_pytorchs_order() {
    let gguf = Gguf::open(golden("blocks.gguf")).unwrap();
    let shape = |name: &str| gguf.entry(name).unwrap().shape;
    assert_eq!(shape("f32.weight"), [2, 3, 5]);
    assert_eq!(shape("q4_0.weight"), [3, 160]);
    assert_eq!(shape("q6_k.weight"), [3, 512]);
    assert_eq!(gguf.element_type("q6_k.weight"), Some(ElementType::Q6_K));
    assert_eq!(gguf.raw("q6_k.weight").map(<[u8]>::len), Some(3 * 2 * 210));
    assert_eq!(gguf.raw("no such tensor"), None);
}

#[test]
fn double_precision_is_rounded_and_integers_are_listed_but_not_read() {
    let gguf = Gguf::open(golden("blocks.gguf")).unwrap();
    let single = gguf.read("f32.weight").unwrap();
    let rounded = gguf.read("f64.weight").unwrap();
    let (single, rounded) = (single.as_slice::<f32>().unwrap(), rounded.as_slice::<f32>().unwrap());
    assert_eq!(rounded.len(), 15);
    for (single, rounded) in single.iter().zip(rounded) {
        assert_eq!((f64::from(*single) / 3.0) as f32, *rounded);
    }
    let ids = gguf.entry("i32.ids").unwrap();
    assert_eq!((ids.shape, ids.dtype.as_str(), ids.readable), (vec![4], "I32", false));
    let refused = gguf.read("i32.ids").unwrap_err();
    assert!(refused.to_string().contains("blocks.gguf"), "{refused}");
    let cause = std::error::Error::source(&refused).unwrap().to_string();
    assert!(cause.contains("tensor \"i32.ids\"") && cause.contains("type I32"), "{cause}");
}

#[test]
fn half_precision_stays_when_asked() {
    let gguf = Gguf::open(golden("blocks.gguf")).unwrap();
    let single = |name: &str| gguf.read(name).unwrap();
    let stored = Gguf::open(golden("blocks.gguf")).unwrap().with_precision(Precision::AsStored);
    for (name, dtype) in [("f16.weight", DType::F16), ("bf16.weight", DType::BF16)] {
        let half = stored.read(name).unwrap();
        assert_eq!(half.dtype(), dtype);
        assert_eq!(single(name).dtype(), DType::F32);
        let back: Vec<f32> = half.iter::<f32>().collect();
        assert_eq!(bits(&back), bits(single(name).as_slice().unwrap()), "{name}");
    }
    assert_eq!(stored.read("q8_0.weight").unwrap().dtype(), DType::F32);
}

#[test]
fn metadata_of_every_type_is_read() {
    let gguf = Gguf::open(golden("blocks.gguf")).unwrap();
    assert_eq!(gguf.version(), 3);
    assert_eq!(gguf.metadata("general.architecture"), Some(&Value::Text("llama".to_owned())));
    for (key, value) in [
        ("a.u8", Value::U8(200)),
        ("a.i8", Value::I8(-100)),
        ("a.u16", Value::U16(60000)),
        ("a.i16", Value::I16(-30000)),
        ("a.u32", Value::U32(4_000_000_000)),
        ("a.i32", Value::I32(-2_000_000_000)),
        ("a.u64", Value::U64(u64::MAX)),
        ("a.i64", Value::I64(i64::MIN)),
        ("a.f32", Value::F32(0.1)),
        ("a.f64", Value::F64(0.1)),
        ("a.bool", Value::Bool(true)),
        ("a.text", Value::Text("Grüße, 世界".to_owned())),
        ("a.texts", Value::Array(Array::Text(["<s>", "Ġthe", "", "\n"].map(str::to_owned).into()))),
        ("a.truths", Value::Array(Array::Bool(vec![true, false, true]))),
        ("a.numbers", Value::Array(Array::I32(vec![-1, 0, 70000]))),
        ("a.scores", Value::Array(Array::F32(vec![0.5, -1.25]))),
        ("a.array.UINT8", Value::Array(Array::U8(vec![0, 255]))),
        ("a.array.INT8", Value::Array(Array::I8(vec![-128]))),
        ("a.array.UINT16", Value::Array(Array::U16(vec![65535]))),
        ("a.array.INT16", Value::Array(Array::I16(vec![-32768]))),
        ("a.array.UINT32", Value::Array(Array::U32(vec![u32::MAX]))),
        ("a.array.UINT64", Value::Array(Array::U64(vec![u64::MAX]))),
        ("a.array.INT64", Value::Array(Array::I64(vec![-1]))),
        ("a.array.FLOAT64", Value::Array(Array::F64(vec![0.1]))),
    ] {
        assert_eq!(gguf.metadata(key), Some(&value), "{key}");
    }
    assert_eq!(gguf.all_metadata().count(), 25);
}

#[test]
fn metadata_is_read_as_what_is_asked_for_or_refused_by_key_and_types() {
    let gguf = Gguf::open(golden("blocks.gguf")).unwrap();
    assert_eq!(gguf.get::<u64>("a.u8").unwrap(), 200);
    assert_eq!(gguf.get::<usize>("a.u32").unwrap(), 4_000_000_000);
    assert_eq!(gguf.get::<u32>("a.u16").unwrap(), 60000);
    assert_eq!(gguf.get::<i64>("a.i32").unwrap(), -2_000_000_000);
    assert_eq!(gguf.get::<f32>("a.f32").unwrap(), 0.1);
    assert_eq!(gguf.get::<f64>("a.f64").unwrap(), 0.1);
    assert!(gguf.get::<bool>("a.bool").unwrap());
    assert_eq!(gguf.get::<&[String]>("a.texts").unwrap()[1], "Ġthe");
    assert_eq!(gguf.get::<&[f32]>("a.scores").unwrap(), [0.5, -1.25]);
    assert_eq!(gguf.get::<Vec<i64>>("a.numbers").unwrap(), [-1, 0, 70000]);
    assert_eq!(gguf.get::<Vec<u32>>("a.array.UINT32").unwrap(), [u32::MAX]);
    assert_eq!(gguf.get::<&Array>("a.truths").unwrap().kind(), "an array of truth values");
    assert_eq!(gguf.find::<u64>("no such key").unwrap(), None);
    let path = golden("blocks.gguf").display().to_string();
    for (refused, wanted) in [
        (gguf.get::<u64>("a.i8").map(|_| ()), "an unsigned integer, but is a signed integer"),
        (
            gguf.get::<u32>("a.u64").map(|_| ()),
            "an unsigned integer of 32 bits, but is an unsigned integer",
        ),
        (
            gguf.get::<f32>("a.u8").map(|_| ()),
            "a floating-point number, but is an unsigned integer",
        ),
        (gguf.get::<&str>("a.texts").map(|_| ()), "a text, but is an array of texts"),
        (
            gguf.get::<Vec<u32>>("a.numbers").map(|_| ()),
            "an array of unsigned integers of 32 bits, but is an array of signed integers",
        ),
    ] {
        let text = refused.unwrap_err().to_string();
        assert!(text.ends_with(wanted) && text.contains(&path), "{text}");
        assert!(text.starts_with("metadata \"a."), "{text}");
    }
    let missing = gguf.get::<&str>("no such key").unwrap_err().to_string();
    assert_eq!(missing, format!("{path} has no metadata \"no such key\""));
}

#[test]
fn a_gguf_source_can_be_renamed() {
    let gguf = Gguf::open(golden("blocks.gguf")).unwrap();
    let by_type =
        Renamed::new(&gguf, |name| name.strip_suffix(".weight").map(|n| format!("w.{n}"))).unwrap();
    assert_eq!(by_type.names().len(), 12);
    let (one, other) = (by_type.read("w.q5_k").unwrap(), gguf.read("q5_k.weight").unwrap());
    assert_eq!(one, other);
}
