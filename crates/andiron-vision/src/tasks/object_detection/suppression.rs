//! Of several boxes around one object only the surest is kept.

/// A box with what is sure about it.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Candidate {
    /// The class number.
    pub class: usize,
    /// 0 to 1.
    pub score: f32,
    /// `[x0, y0, x1, y1]` in pixels.
    pub corners: [f32; 4],
}

/// Intersection over union of two boxes given by their corners; 0 where both are empty.
pub(crate) fn overlap(a: [f32; 4], b: [f32; 4]) -> f32 {
    let side = |axis: usize| (a[axis + 2].min(b[axis + 2]) - a[axis].max(b[axis])).max(0.0);
    let area = |of: [f32; 4]| (of[2] - of[0]) * (of[3] - of[1]);
    let both = side(0) * side(1);
    let union = area(a) + area(b) - both;
    if union > 0.0 { both / union } else { 0.0 }
}

/// Non-maximum suppression within each class: a box that overlaps a surer one of its class by more
/// than `most_overlap` is dropped. The surest come first, at most `most` of them; of equally sure
/// ones the first.
pub fn suppress(candidates: Vec<Candidate>, most_overlap: f32, most: usize) -> Vec<Candidate> {
    let mut sorted = candidates;
    sorted.sort_by(|a, b| b.score.total_cmp(&a.score));
    let mut kept: Vec<Candidate> = Vec::new();
    for one in sorted {
        if kept.len() == most {
            break;
        }
        let covered = |other: &Candidate| {
            other.class == one.class && overlap(other.corners, one.corners) > most_overlap
        };
        if !kept.iter().any(covered) {
            kept.push(one);
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_surer_box_of_the_same_class_covers_another() {
        let of =
            |class, score, x: f32| Candidate { class, score, corners: [x, 0.0, x + 10.0, 10.0] };
        let all = vec![of(0, 0.5, 1.0), of(0, 0.9, 0.0), of(1, 0.4, 0.0), of(0, 0.8, 9.0)];
        let kept = suppress(all.clone(), 0.5, 100);
        assert_eq!(kept, [all[1], all[3], all[2]]);
        assert_eq!(suppress(all.clone(), 0.5, 2), [all[1], all[3]]);
        assert_eq!(suppress(all.clone(), 1.0, 100).len(), 4);
        assert!(suppress(Vec::new(), 0.5, 3).is_empty());
    }
}
