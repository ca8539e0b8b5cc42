//! Functions that several tables of a file list, most of them two or three times, as one list.
//!
//! Does not know where a table comes from.

use std::sync::atomic::{AtomicU64, Ordering};

use rayon::prelude::*;

use super::addresses::{Index, insert_all};
use super::{Function, Region, at};

/// Bits of the number of a function in its list, of the number of the list, and of its rank.
const BITS: [u32; 3] = [40, 22, 2];

/// No function's key.
const NONE: u64 = u64::MAX;

/// The place of a function in the lists, behind its rank: of several at one start, the one with the lowest
/// key is kept. Named and bounded ones come first.
fn key(list: usize, number: usize, function: &Function<'_>) -> u64 {
    let rank = u64::from(function.name.is_none()) << 1 | u64::from(!function.bounded);
    rank << (BITS[0] + BITS[1]) | (list as u64) << BITS[0] | number as u64
}

/// Whether a function with this key has a name.
const fn is_named(key: u64) -> bool {
    key >> (BITS[0] + BITS[1] + 1) == 0
}

/// The function that has a key.
fn of_key<'l, 'a>(lists: &'l [Vec<Function<'a>>], key: u64) -> &'l Function<'a> {
    let low = |number: u64, bits: u32| usize::try_from(number & ((1 << bits) - 1)).unwrap_or(0);
    &lists[low(key >> BITS[0], BITS[1])][low(key, BITS[0])]
}

/// Functions of several lists, sorted, one a start; those without a size end where the next begins.
/// `frames` are starts and ends without names, none of them empty: most functions have one, and to look for
/// it takes less than to sort all of them. With them comes their index.
pub(crate) fn merged<'a>(
    mut frames: Vec<(u64, u64)>,
    lists: &[Vec<Function<'a>>],
    code: &[Region<'_>],
) -> (Vec<Function<'a>>, Index) {
    frames.retain(|(start, _)| at(code, *start).is_some());
    frames.sort_by_key(|(start, _)| *start);
    frames.dedup_by_key(|(start, _)| *start);
    let mut index = Index::new(frames);
    let best: Vec<_> = index.bounds().iter().map(|_| AtomicU64::new(NONE)).collect();
    let others = lists.par_iter().enumerate().flat_map_iter(|(list, functions)| {
        let (index, best) = (&index, &best);
        functions.iter().enumerate().filter_map(move |(number, function)| {
            let key = key(list, number, function);
            let Some(frame) = index.starts_at(function.start) else {
                return at(code, function.start).map(|_| (function.start, key));
            };
            best[frame].fetch_min(key, Ordering::Relaxed);
            None
        })
    });
    let others = without_frames(lists, others.collect());
    let bounded = index.bounds().par_iter().zip(&best).map(|((start, end), best)| {
        let best = best.load(Ordering::Relaxed);
        let mut function = if is_named(best) {
            of_key(lists, best).clone()
        } else {
            Function { start: *start, ..Function::default() }
        };
        if !function.bounded {
            (function.end, function.bounded) = (*end, true);
        }
        function
    });
    let mut functions: Vec<_> = bounded.collect();
    let before = |one: &Function<'_>| index.bounds().partition_point(|(at, _)| *at < one.start);
    let places: Vec<usize> = others.par_iter().map(before).collect();
    index.insert(&places, others.iter().map(|one| (one.start, one.end)).collect());
    insert_all(&mut functions, &places, others);
    set_ends(&mut functions, code);
    index.set_ends(functions.iter().map(|one| one.end));
    (functions, index)
}

/// Functions by their starts and keys, sorted, one a start.
fn without_frames<'a>(
    lists: &[Vec<Function<'a>>],
    mut order: Vec<(u64, u64)>,
) -> Vec<Function<'a>> {
    order.par_sort_unstable();
    let one = |same: &[(u64, u64)]| {
        let mut kept = of_key(lists, same[0].1).clone();
        let mut all = same.iter().map(|(_, key)| of_key(lists, *key));
        if let Some(bounded) = all.find(|one| one.bounded).filter(|_| !kept.bounded) {
            (kept.end, kept.bounded) = (bounded.end, true);
        }
        kept
    };
    order.chunk_by(|one, next| one.0 == next.0).map(one).collect()
}

/// No function ends behind its region, and one without a size ends where the next begins.
fn set_ends(functions: &mut [Function<'_>], code: &[Region<'_>]) {
    let mut next = u64::MAX;
    for function in functions.iter_mut().rev() {
        let limit = at(code, function.start).map_or(function.start, Region::end);
        if !function.bounded {
            function.end = next;
        }
        function.end = function.end.min(limit);
        next = function.start;
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use proptest::prelude::*;

    use super::super::names::Name;
    use super::*;

    /// A list of functions: starts, sizes, and whether they have names.
    fn list() -> impl Strategy<Value = Vec<Function<'static>>> {
        let one = (0x1000_u64..0x1040, 0_u64..4, any::<bool>());
        let function = one.prop_map(|(start, size, named)| Function {
            start,
            end: start + size,
            name: named.then(|| Name::new(b"one")),
            bounded: size > 0,
            ..Function::default()
        });
        proptest::collection::vec(function, 0..12)
    }

    proptest! {
        #[test]
        fn frames_count_as_functions_without_names_that_stand_first(
            frames in proptest::collection::vec((0x1000_u64..0x1040, 1_u64..4), 0..12),
            lists in proptest::collection::vec(list(), 0..3),
        ) {
            let region = Region { address: 0x1008, bytes: Cow::Owned(vec![0; 0x30]) };
            let frames: Vec<_> = frames.iter().map(|(at, size)| (*at, at + size)).collect();
            let first = frames.iter().map(|(start, end)| Function {
                start: *start,
                end: *end,
                bounded: true,
                ..Function::default()
            });
            let all: Vec<Vec<_>> = std::iter::once(first.collect()).chain(lists.clone()).collect();
            let code = [region];
            let (with_frames, index) = merged(frames, &lists, &code);
            let (listed, plain) = merged(Vec::new(), &all, &code);
            prop_assert_eq!(with_frames, listed);
            prop_assert_eq!(index, plain);
        }
    }
}
