//! How far numbers are from those that were wanted.

/// The greatest difference of two lists of one length. It is infinite where a difference is no
/// number: `f64::max` would pass over it.
#[track_caller]
pub(crate) fn furthest<G, W>(got: &[G], wanted: &[W]) -> f64
where
    G: Copy + Into<f64>,
    W: Copy + Into<f64>,
{
    assert_eq!(got.len(), wanted.len());
    got.iter().zip(wanted).fold(0.0_f64, |most, (got, wanted)| {
        let (got, wanted): (f64, f64) = ((*got).into(), (*wanted).into());
        let off = (got - wanted).abs();
        if off.is_nan() { f64::INFINITY } else { most.max(off) }
    })
}

#[test]
fn what_is_no_number_is_as_far_as_can_be() {
    assert_eq!(furthest(&[1.0_f32, -2.0], &[1.5_f64, -2.25]), 0.5);
    for at in 0..3 {
        let mut got = [1.0_f32; 3];
        got[at] = f32::NAN;
        assert_eq!(furthest(&got, &[1.0_f32; 3]), f64::INFINITY);
        assert_eq!(furthest(&[1.0_f32; 3], &got), f64::INFINITY);
    }
}
