//! CTranslate2's `model.bin`: files that keep the layout, and ones that do not.

use crate::made::{Variable, model_bin};
use andiron_core::weights::Source;
use andiron_weights::{Precision, ReadError, ctranslate2::CTranslate2};

fn parse(bytes: Vec<u8>) -> Result<CTranslate2, ReadError> {
    CTranslate2::from_bytes(bytes, "model.bin")
}

fn refusal(bytes: Vec<u8>) -> String {
    let refused = parse(bytes).map(|_| ()).expect_err("it is refused");
    assert_eq!(refused.path().to_str(), Some("model.bin"));
    refused.to_string()
}

const HALVES: [u8; 6] = [0x00, 0x38, 0x00, 0xbc, 0x00, 0x7b];

fn whole() -> Vec<u8> {
    let ones: Vec<u8> = std::iter::repeat_n(1f32.to_le_bytes(), 6).flatten().collect();
    let variables: [Variable<'_>; 5] = [
        ("a/weight", &[2, 3], 0, &ones),
        ("half", &[3, 1], 4, &HALVES),
        ("brain", &[1], 5, &[0x80, 0x3f]),
        ("heads", &[], 2, &[0xfa, 0xff]),
        ("flag", &[], 1, &[3]),
    ];
    model_bin(6, "WhisperSpec", &variables, &[("projection", "a/weight")])
}

#[test]
fn variables_are_read_in_their_types() {
    let file = parse(whole()).unwrap();
    assert_eq!((file.kind(), file.revision()), ("WhisperSpec", 3));
    assert_eq!(file.names(), ["a/weight", "brain", "flag", "half", "heads"]);
    let entry = file.entry("a/weight").unwrap();
    assert_eq!((entry.shape, entry.dtype.as_str(), entry.readable), (vec![2, 3], "F32", true));
    assert_eq!(file.read("half").unwrap().as_slice::<f32>().unwrap(), [0.5, -1.0, 57344.0]);
    assert_eq!(file.read("brain").unwrap().as_slice::<f32>().unwrap(), [1.0]);
    assert_eq!(file.alias("projection"), Some("a/weight"));
    assert_eq!((file.alias("a/weight"), file.entry("projection")), (None, None));
    assert_eq!(file.integer("heads").unwrap(), Some(-6));
    assert_eq!(file.integer("flag").unwrap(), Some(3));
    assert_eq!(file.integer("none").unwrap(), None);
    assert_eq!(
        file.integer("half").unwrap_err().to_string(),
        "model.bin: variable \"half\" must be one integer, but is 6 bytes of F16"
    );
    assert!(!file.entry("heads").unwrap().readable);
    assert!(file.read("heads").unwrap_err().to_string().contains("model.bin"));
    let stored = parse(whole()).unwrap().with_precision(Precision::AsStored);
    assert_eq!(stored.read("half").unwrap().bytes().len(), 6);
}

#[test]
fn a_mapped_file_is_what_its_bytes_are() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("model.bin");
    std::fs::write(&path, whole()).unwrap();
    let file = CTranslate2::open(&path).unwrap();
    assert_eq!(file.read("half").unwrap(), parse(whole()).unwrap().read("half").unwrap());
    assert!(matches!(CTranslate2::open(folder.path()), Err(ReadError::Io { .. })));
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let whole = whole();
    for length in 0..whole.len() {
        let refused = parse(whole[..length].to_vec()).map(|_| ()).expect_err("it is cut");
        assert!(matches!(refused, ReadError::Short { .. }), "cut at {length}: {refused:?}");
    }
    assert_eq!(
        refusal([whole, vec![0; 3]].concat()),
        "model.bin: the end of alias 0 must be the end of the file, but is 3 bytes before it"
    );
}

#[test]
fn lies_are_refused_by_name() {
    let one = |extents: &[u32], kind, bytes: &[u8]| {
        refusal(model_bin(6, "WhisperSpec", &[("w", extents, kind, bytes)], &[]))
    };
    for (got, wanted) in [
        (
            one(&[2, 2], 0, &[0; 12]),
            "the number of bytes of variable \"w\" must be that of the shape, but is 12 bytes for [2, 2]",
        ),
        (
            one(&[u32::MAX; 4], 0, &[0; 4]),
            "the number of bytes of variable \"w\" must be that of the shape",
        ),
        (one(&[1; 9], 0, &[0; 4]), "the rank of variable \"w\" must be at most 8, but is 9"),
        (one(&[4], 6, &[0; 4]), "the type of variable \"w\" must be 0 to 5, but is 6"),
        (
            refusal(model_bin(3, "x", &[], &[])),
            "the version of the header must be 4 to 6, but is 3",
        ),
        (
            refusal(model_bin(7, "x", &[], &[])),
            "the version of the header must be 4 to 6, but is 7",
        ),
        (
            refusal(model_bin(6, "x", &[("w", &[], 1, &[0]), ("w", &[], 1, &[0])], &[])),
            "has the variable \"w\" twice",
        ),
        (
            refusal(model_bin(6, "x", &[("w", &[], 1, &[0])], &[("v", "u")])),
            "the variable of alias 0 must be one that is there, but is \"u\"",
        ),
        (
            refusal(model_bin(6, "x", &[("w", &[], 1, &[0])], &[("w", "w")])),
            "has the variable \"w\" twice",
        ),
    ] {
        assert!(got.contains(wanted), "{got}");
    }
    // More variables than the file could hold, and a string without its end.
    let mut many = model_bin(6, "x", &[], &[]);
    let at = many.len() - 8;
    many[at..at + 4].copy_from_slice(&u32::MAX.to_le_bytes());
    assert!(refusal(many).contains("number of variables (4294967295)"));
    let mut endless = model_bin(6, "x", &[], &[]);
    endless[7] = b'y';
    assert!(refusal(endless).contains("the kind of the header must be ended by a zero byte"));
}
