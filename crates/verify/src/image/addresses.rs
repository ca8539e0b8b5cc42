//! Look-ups by address that stay quick with a million entries: a sorted list, and an index of
//! functions.
//!
//! Does not know what stands at an address.

/// Values by address: filled in any order, then settled, then asked.
#[derive(Clone, Debug)]
pub(crate) struct ByAddress<V> {
    entries: Vec<(u64, V)>,
}

impl<V> Default for ByAddress<V> {
    fn default() -> Self {
        Self { entries: Vec::new() }
    }
}

impl<V> ByAddress<V> {
    /// Adds a value. It is found once the list is settled.
    pub(crate) fn insert(&mut self, address: u64, value: V) {
        self.entries.push((address, value));
    }

    /// Makes room for some more.
    pub(crate) fn reserve(&mut self, more: usize) {
        self.entries.reserve(more);
    }

    /// Brings the entries into order; of several at one address, the last that was added stays.
    pub(crate) fn settle(&mut self) {
        self.entries.reverse();
        self.entries.sort_by_key(|(address, _)| *address);
        self.entries.dedup_by_key(|(address, _)| *address);
    }

    /// The value at an address.
    pub(crate) fn get(&self, address: u64) -> Option<&V> {
        let (first, last) = (self.entries.first()?.0, self.entries.last()?.0);
        if address < first || address > last {
            return None;
        }
        let at = self.entries.binary_search_by_key(&address, |(at, _)| *at).ok()?;
        Some(&self.entries[at].1)
    }

    /// The number of the first entry at an address or behind it.
    pub(crate) fn position(&self, address: u64) -> usize {
        self.entries.partition_point(|(at, _)| *at < address)
    }

    /// The values between two addresses.
    pub(crate) fn between(&self, first: u64, last: u64) -> impl Iterator<Item = &V> {
        let end = self.position(last);
        self.entries[self.position(first).min(end)..end].iter().map(|(_, value)| value)
    }

    /// Every entry, by address.
    pub(crate) fn entries(&self) -> &[(u64, V)] {
        &self.entries
    }
}

/// Bytes of code that share an entry of the index, as a power of two.
const GRAIN: u32 = 7;
/// Code that spreads wider than so many grains (16 GiB) is searched without an index.
const MOST_GRAINS: u64 = 1 << 27;

/// Which function holds an address.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Index {
    base: u64,
    /// For each grain, the number of functions that begin before its end.
    before: Vec<u32>,
    /// Starts and ends, packed for the search.
    bounds: Vec<(u64, u64)>,
}

impl Index {
    /// Indexes the starts and ends of functions that are sorted by their start.
    pub(crate) fn new(bounds: Vec<(u64, u64)>) -> Self {
        let (Some(first), Some(last)) = (bounds.first(), bounds.last()) else {
            return Self::default();
        };
        let base = first.0;
        let grains = ((last.0 - base) >> GRAIN) + 1;
        let mut before = Vec::new();
        if grains <= MOST_GRAINS.min(64 * bounds.len() as u64 + 4096) {
            before.resize(usize::try_from(grains).unwrap_or(0), 0);
            for (start, _) in &bounds {
                before[grain(*start, base)] += 1;
            }
            let mut sum = 0;
            for count in &mut before {
                sum += *count;
                *count = sum;
            }
        }
        Self { base, before, bounds }
    }

    /// Adds functions, each before what stands at its place.
    pub(crate) fn insert(&mut self, places: &[usize], more: Vec<(u64, u64)>) {
        let starts: Vec<u64> = more.iter().map(|(start, _)| *start).collect();
        insert_all(&mut self.bounds, places, more);
        let grains: Vec<usize> = starts.iter().map(|start| grain(*start, self.base)).collect();
        let is_outside =
            |(start, grain): (&u64, &usize)| *start < self.base || *grain >= self.before.len();
        if starts.iter().zip(&grains).any(is_outside) {
            *self = Self::new(std::mem::take(&mut self.bounds));
            return;
        }
        for (number, first) in grains.iter().enumerate() {
            let next = grains.get(number + 1).copied().unwrap_or(self.before.len());
            for count in &mut self.before[*first..next] {
                *count += u32::try_from(number + 1).unwrap_or(0);
            }
        }
    }

    /// Sets where functions end, in the order of their numbers.
    pub(crate) fn set_ends(&mut self, ends: impl Iterator<Item = u64>) {
        for (bounds, end) in self.bounds.iter_mut().zip(ends) {
            bounds.1 = end;
        }
    }

    /// The function that begins at an address or holds it.
    #[inline]
    pub(crate) fn function_at(&self, address: u64) -> Option<usize> {
        self.last_begun(address).filter(|at| address < self.bounds[*at].1)
    }

    /// The function that begins at an address.
    pub(crate) fn starts_at(&self, address: u64) -> Option<usize> {
        self.last_begun(address).filter(|at| self.bounds[*at].0 == address)
    }

    /// Starts and ends, in the order of their numbers.
    pub(crate) fn bounds(&self) -> &[(u64, u64)] {
        &self.bounds
    }

    /// The last function that begins at an address or before it.
    #[inline]
    fn last_begun(&self, address: u64) -> Option<usize> {
        let mut after = self.begun_by(address)?;
        while after > 0 && self.bounds[after - 1].0 > address {
            after -= 1;
        }
        after.checked_sub(1)
    }

    /// A number of functions among which are all that begin at an address or before it.
    #[inline]
    fn begun_by(&self, address: u64) -> Option<usize> {
        if address < self.base {
            return None;
        }
        if self.before.is_empty() {
            return Some(self.bounds.partition_point(|(start, _)| *start <= address));
        }
        let count = self.before.get(grain(address, self.base));
        Some(count.map_or(self.bounds.len(), |count| *count as usize))
    }
}

#[inline]
fn grain(address: u64, base: u64) -> usize {
    usize::try_from(address.wrapping_sub(base) >> GRAIN).unwrap_or(usize::MAX)
}

/// Puts more into a list, each before what stands at its place. The places are sorted.
pub(crate) fn insert_all<T>(list: &mut Vec<T>, places: &[usize], more: Vec<T>) {
    let mut left = more.len();
    list.extend(more);
    let mut end = list.len();
    for place in places.iter().rev() {
        list[*place..end].rotate_right(left);
        left -= 1;
        end = place + left;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_last_value_at_an_address_stays() {
        let mut map = ByAddress::default();
        for (address, value) in [(8, 'a'), (4, 'b'), (8, 'c')] {
            map.insert(address, value);
        }
        map.settle();
        assert_eq!(map.get(8), Some(&'c'));
        assert_eq!((map.get(4), map.get(5), map.get(9)), (Some(&'b'), None, None));
        assert_eq!(map.between(5, 9).collect::<String>(), "c");
        assert_eq!(map.between(9, 5).count(), 0);
    }

    proptest! {
        #[test]
        fn the_index_finds_what_a_search_finds(
            mut starts in proptest::collection::btree_set(0_u64..5000, 0..60),
            far in any::<bool>(),
            asked in 0_u64..6000,
        ) {
            if far {
                starts.insert(1 << 40);
            }
            let bounds: Vec<_> = starts.iter().map(|start| (*start, start + 40)).collect();
            let index = Index::new(bounds.clone());
            let last = bounds.iter().rposition(|(start, _)| *start <= asked);
            prop_assert_eq!(index.function_at(asked), last.filter(|at| asked < bounds[*at].1));
            prop_assert_eq!(index.starts_at(asked), last.filter(|at| asked == bounds[*at].0));
        }

        #[test]
        fn what_is_inserted_is_found_like_the_rest(
            starts in proptest::collection::btree_map(0_u64..5000, any::<bool>(), 0..60),
        ) {
            let bounds: Vec<_> = starts.keys().map(|start| (*start, start + 40)).collect();
            let (first, later): (Vec<_>, Vec<_>) =
                bounds.iter().partition(|(start, _)| starts[start]);
            let place = |(start, _): &(u64, u64)| first.partition_point(|(at, _)| at < start);
            let places: Vec<usize> = later.iter().map(place).collect();
            let mut index = Index::new(first);
            index.insert(&places, later);
            for asked in 0..6000 {
                let last = bounds.iter().rposition(|(start, _)| *start <= asked);
                let found = last.filter(|at| asked < bounds[*at].1);
                prop_assert_eq!(index.function_at(asked), found);
            }
        }
    }

    #[test]
    fn more_is_inserted_at_its_places() {
        let mut list = vec!['a', 'b', 'c'];
        insert_all(&mut list, &[0, 2, 2, 3], vec!['1', '2', '3', '4']);
        assert_eq!(list.into_iter().collect::<String>(), "1ab23c4");
    }
}
