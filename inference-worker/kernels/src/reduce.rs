//! Sums and maxima in one stated order: 16 virtual lanes, then a tree.
//!
//! Element `i` belongs to lane `i mod 16`. The tree adds lane `l + 8` to `l`, then `l + 4`, `l +
//! 2`, `l + 1`.

use crate::LANES;

/// Folds 16 partial sums in the order of the tree.
#[inline(always)]
pub fn tree(mut lanes: [f32; LANES]) -> f32 {
    let mut half = LANES / 2;
    while half > 0 {
        for lane in 0..half {
            lanes[lane] += lanes[lane + half];
        }
        half /= 2;
    }
    lanes[0]
}

/// `Σ a[i]·b[i]` over the shorter length; each product is rounded before it is added.
#[inline(always)]
pub fn dot(a: &[f32], b: &[f32]) -> f32 {
    let length = a.len().min(b.len());
    let (a_chunks, a_tail) = a[..length].as_chunks::<LANES>();
    let (b_chunks, b_tail) = b[..length].as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for (x, y) in a_chunks.iter().zip(b_chunks) {
        for lane in 0..LANES {
            lanes[lane] += x[lane] * y[lane];
        }
    }
    for (lane, (x, y)) in a_tail.iter().zip(b_tail).enumerate() {
        lanes[lane] += x * y;
    }
    tree(lanes)
}

/// `Σ a[i]`.
#[inline(always)]
pub fn sum(a: &[f32]) -> f32 {
    let (chunks, tail) = a.as_chunks::<LANES>();
    let mut lanes = [0.0; LANES];
    for x in chunks {
        for lane in 0..LANES {
            lanes[lane] += x[lane];
        }
    }
    for (lane, x) in tail.iter().enumerate() {
        lanes[lane] += x;
    }
    tree(lanes)
}

/// Largest element; −∞ for none. A maximum rounds nothing, so its order does not matter (NaNs are
/// skipped).
#[inline(always)]
pub fn max(a: &[f32]) -> f32 {
    let (chunks, tail) = a.as_chunks::<LANES>();
    let mut lanes = [f32::NEG_INFINITY; LANES];
    for x in chunks {
        for lane in 0..LANES {
            lanes[lane] = if x[lane] > lanes[lane] { x[lane] } else { lanes[lane] };
        }
    }
    let mut best = f32::NEG_INFINITY;
    for &x in lanes.iter().chain(tail) {
        best = if x > best { x } else { best };
    }
    best
}

/// Index of the largest element, the lowest one of equals; `None` for an empty slice. NaNs never
/// win.
pub fn argmax(a: &[f32]) -> Option<usize> {
    let mut best = None;
    let mut largest = f32::NEG_INFINITY;
    for (index, &x) in a.iter().enumerate() {
        if best.is_none() || x > largest {
            best = Some(index);
            largest = if x.is_nan() { f32::NEG_INFINITY } else { x };
        }
    }
    best
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ties_go_to_the_lowest_index() {
        assert_eq!(argmax(&[]), None);
        assert_eq!(argmax(&[1.0, 3.0, 3.0, 2.0]), Some(1));
        assert_eq!(argmax(&[f32::NEG_INFINITY, f32::NEG_INFINITY]), Some(0));
        assert_eq!(argmax(&[f32::NAN, -1.0, -2.0]), Some(1));
        assert_eq!(argmax(&[-0.0, 0.0]), Some(0));
    }

    #[test]
    fn the_tree_is_the_stated_one() {
        let mut lanes = [0.0f32; LANES];
        lanes[0] = 1.0e8;
        lanes[8] = -1.0e8;
        lanes[1] = 1.0;
        assert_eq!(tree(lanes), 1.0, "lane 8 joins lane 0 before lane 1 does");
        let mut other = [0.0f32; LANES];
        other[0] = 1.0e8;
        other[1] = -1.0e8;
        other[8] = 1.0;
        assert_eq!(tree(other), 0.0, "1e8 + 1 is 1e8 in f32");
    }

    #[test]
    fn ragged_ends_are_counted() {
        for length in 0..50 {
            let a: Vec<f32> = (0..length).map(|i| i as f32).collect();
            assert_eq!(sum(&a), (0..length).sum::<usize>() as f32);
            assert_eq!(dot(&a, &a), (0..length).map(|i| i * i).sum::<usize>() as f32);
            assert_eq!(max(&a), if length == 0 { f32::NEG_INFINITY } else { (length - 1) as f32 });
        }
    }
}
