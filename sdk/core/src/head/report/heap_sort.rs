//! Sorting in little code: every fit tallies its held-out predictions, and the standard library's
//! unstable sort alone is 8 kB of the smallest on-board program, for each type that it sorts.

/// Sorts `items` in place by `is_less` in O(n log n) (heapsort, Williams 1964); not stable.
pub(super) fn heap_sort<T: Copy>(items: &mut [T], is_less: impl Fn(&T, &T) -> bool) {
    for root in (0..items.len() / 2).rev() {
        sift_down(items, root, &is_less);
    }
    for end in (1..items.len()).rev() {
        items.swap(0, end);
        sift_down(&mut items[..end], 0, &is_less);
    }
}

/// Moves the item at `root` down until none below it is greater.
fn sift_down<T: Copy>(heap: &mut [T], mut root: usize, is_less: &impl Fn(&T, &T) -> bool) {
    loop {
        let left = 2 * root + 1;
        let Some(&first) = heap.get(left) else { return };
        let right = left + 1;
        let is_right = heap.get(right).is_some_and(|second| is_less(&first, second));
        let child = if is_right { right } else { left };
        if !is_less(&heap[root], &heap[child]) {
            return;
        }
        heap.swap(root, child);
        root = child;
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;
    use crate::head::testing::Noise;

    #[test]
    fn it_sorts_like_the_standard_library() {
        let mut noise = Noise(1);
        for len in (0..40).chain([1000]) {
            let mut items: Vec<u64> = (0..len).map(|_| noise.bits() % 50).collect();
            let mut want = items.clone();
            want.sort_unstable();
            heap_sort(&mut items, |a, b| a < b);
            assert_eq!(items, want);
        }
    }
}
