//! What was changed, cut, or never a bundle is refused.

use super::*;

#[test]
fn one_flipped_bit_in_any_file_is_refused() {
    let saved = Saved::new();
    for name in ["model.safetensors", "README.md", "andiron.json"] {
        let path = saved.dir.join(name);
        let whole = fs::read(&path).unwrap();
        // Every byte of the description, for which no other file vouches.
        let step = if name == "andiron.json" { 1 } else { 37 };
        for at in (0..whole.len()).step_by(step) {
            let mut changed = whole.clone();
            changed[at] ^= 1 << (at % 8);
            fs::write(&path, &changed).unwrap();
            let error = bundle::verify(&saved.dir).map(|_| ()).unwrap_err();
            let path_is_named = said(&error).contains(name);
            match error {
                BundleError::Hash { .. } | BundleError::Format { .. } => {}
                BundleError::Version { .. } | BundleError::Io { .. } if step == 1 => {}
                BundleError::Outside { .. } if step == 1 => {}
                other => panic!("byte {at} of {name}: {other}"),
            }
            assert!(path_is_named || step == 1, "byte {at} of {name}");
            if at % 370 == 0 {
                load(&saved.dir).map(|_| ()).unwrap_err();
            }
        }
        fs::write(&path, &whole).unwrap();
    }
    load(&saved.dir).unwrap();
    record("bundle", "one flipped bit is refused", "in each file of the bundle");
}

#[test]
fn files_that_are_missing_or_cut_are_refused() {
    for name in ["andiron.json", "model.safetensors", "README.md"] {
        let saved = Saved::new();
        let path = saved.dir.join(name);
        let whole = fs::read(&path).unwrap();
        fs::write(&path, &whole[..whole.len() - 1]).unwrap();
        let cut = saved.refused();
        match name {
            "andiron.json" => assert!(matches!(cut, BundleError::Format { .. }), "{cut}"),
            _ => assert!(matches!(&cut, BundleError::Hash { path: p, .. } if *p == path), "{cut}"),
        }
        fs::remove_file(&path).unwrap();
        let missing = saved.refused();
        assert!(matches!(&missing, BundleError::Io { path: p, .. } if *p == path), "{missing}");
    }
    // Weights of which the description says nothing are nobody's.
    let saved = Saved::new();
    saved.describe(|value| {
        value["files"].as_object_mut().unwrap().remove("model.safetensors");
    });
    assert!(matches!(saved.refused(), BundleError::Hash { .. }));
}

#[test]
fn a_bundle_from_the_future_is_told_by_its_version() {
    let saved = Saved::new();
    // It may lack what this version has, and have what this one does not know.
    fs::write(saved.dir.join("andiron.json"), r#"{"format": 2, "weights": []}"#).unwrap();
    let error = saved.refused();
    assert!(matches!(error, BundleError::Version { known: 1, got: 2, .. }), "{error}");
    let text = error.to_string();
    assert!(
        text.ends_with("has bundle format 2, but this program reads format 1: use a newer andiron")
    );
    record("bundle", "another version of the format is refused", "by its number");
}

#[test]
fn a_description_that_cannot_be_used_is_refused() {
    let refused = |change: &dyn Fn(&mut Value)| {
        let saved = Saved::new();
        saved.describe(change);
        said(&saved.refused())
    };
    type Change<'a> = &'a dyn Fn(&mut Value);
    let cases: [(Change<'_>, &str); 9] = [
        (
            &|v| v["task"] = json!("tagging"),
            "task \"tagging\" is not known here; known are [\"toy-tokens\"]",
        ),
        (
            &|v| v["architecture"] = json!("oracle"),
            "architecture \"oracle\" is not known for toy-tokens; known are [\"toy-pooled\"]",
        ),
        (&|v| v["config"]["d_hidden"] = json!(0), "d_hidden must be at least 1, but is 0"),
        (&|v| v["config"]["dropout"] = json!("much"), "is no bundle description"),
        (
            &|v| v["preprocessing"]["labels"] = json!(["one"]),
            "all 1 examples have the label \"one\"",
        ),
        (&|v| v["format"] = json!("1"), "is no bundle description"),
        (&|v| v["card"]["seed"] = json!(-1), "is no bundle description"),
        (
            &|v| v["files"]["../../secret"] = json!("00"),
            "lists the file \"../../secret\", which does not lie in the bundle",
        ),
        (&|v| v["files"]["/etc/passwd"] = json!("00"), "which does not lie in the bundle"),
    ];
    for (change, text) in cases {
        let said = refused(change);
        assert!(said.contains(text), "{text:?} is wanted, but it said: {said}");
    }
    for name in ["", ".", "..", "a/b", "a\\b", "weights/../../x"] {
        let saved = Saved::new();
        saved.describe(|value| value["files"][name] = json!("00"));
        assert!(matches!(saved.refused(), BundleError::Outside { .. }), "{name:?}");
    }
}

fn mismatch(saved: &Saved) -> (Vec<String>, Vec<String>, Vec<Misshapen>) {
    match saved.refused() {
        BundleError::Weights(WeightsError::Mismatch { path, missing, surplus, misshapen }) => {
            assert_eq!(path, saved.dir.join("model.safetensors"));
            (missing, surplus, misshapen)
        }
        other => panic!("{other}"),
    }
}

#[test]
fn tensors_that_do_not_fit_are_all_named_at_once() {
    let saved = Saved::new();
    saved.change(|tensors| {
        let output = tensors.remove("output.weight").unwrap();
        tensors.insert("outputs.weight".to_owned(), output);
        tensors.remove("norm.bias").unwrap();
        let hidden = tensors.get_mut("hidden.weight").unwrap();
        hidden.shape = vec![5, 10];
        let embedding = tensors.get_mut("embedding.weight").unwrap();
        (embedding.dtype, embedding.shape) = (Dtype::F16, vec![11, 10]);
    });
    let (missing, surplus, misshapen) = mismatch(&saved);
    assert_eq!(missing, ["norm.bias", "output.weight"]);
    assert_eq!(surplus, ["outputs.weight"]);
    let shapes: Vec<(&str, &str, &str)> =
        misshapen.iter().map(|m| (m.name.as_str(), m.wanted.as_str(), m.got.as_str())).collect();
    let wanted = [
        ("embedding.weight", "F32[11, 5]", "F16[11, 10]"),
        ("hidden.weight", "F32[10, 5]", "F32[5, 10]"),
    ];
    assert_eq!(shapes, wanted);
}

#[test]
fn one_tensor_missing_too_many_or_misshapen() {
    let saved = Saved::new();
    saved.change(|tensors| {
        tensors.remove("output.bias");
    });
    assert_eq!(mismatch(&saved), (vec!["output.bias".to_owned()], vec![], vec![]));

    let saved = Saved::new();
    saved.change(|tensors| {
        let bias = tensors["output.bias"].clone();
        tensors.insert("pooler.bias".to_owned(), bias.clone());
        // PyTorch's count of batches is in the files of others, and harms nobody.
        tensors.insert("norm.num_batches_tracked".to_owned(), bias);
    });
    assert_eq!(mismatch(&saved), (vec![], vec!["pooler.bias".to_owned()], vec![]));

    let saved = Saved::new();
    saved.change(|tensors| {
        let bias = tensors.get_mut("output.bias").unwrap();
        (bias.shape, bias.bytes) = (vec![4], vec![0; 16]);
    });
    let (missing, surplus, misshapen) = mismatch(&saved);
    assert_eq!((missing.len(), surplus.len(), misshapen.len()), (0, 0, 1));
    assert_eq!(misshapen[0].got, "F32[4]");
    record("bundle", "tensors missing, too many or misshapen are refused", "each by its name");
}

#[test]
fn numbers_that_are_not_finite_are_refused() {
    for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
        let saved = Saved::new();
        saved.change(|tensors| {
            let hidden = tensors.get_mut("hidden.weight").unwrap();
            hidden.bytes[28..32].copy_from_slice(&bad.to_le_bytes());
        });
        match saved.refused() {
            BundleError::Weights(WeightsError::NotFinite { name, .. }) => {
                assert_eq!(name, "hidden.weight");
            }
            other => panic!("{other}"),
        }
    }
    record("bundle", "weights that are not finite are refused", "by the name of the tensor");
}

#[test]
fn weights_that_are_no_safetensors_are_refused() {
    let whole = bytes_of(&predictor(1));
    let cases: [&[u8]; 5] =
        [b"", b"PK\x03\x04 a zip", &[255; 64], &whole[..whole.len() / 2], &whole[1..]];
    for bytes in cases {
        let saved = Saved::new();
        saved.weigh(bytes);
        let error = saved.refused();
        let is_format = matches!(error, BundleError::Weights(WeightsError::Format { .. }));
        assert!(is_format, "{error}");
    }
}
