//! A binary as analysis wants it: where code and data stand, what is named, what points where.
//!
//! Linked files (`linked`) and objects that are not linked yet (`archive`) take the same shape. Does
//! not know instructions.

pub(crate) mod addresses;
pub(crate) mod archive;
mod frames;
pub(crate) mod linked;
pub(crate) mod merge;
pub(crate) mod names;

use std::borrow::Cow;
use std::ops::Range;

use addresses::{ByAddress, Index, insert_all};
use ironwright_core::cpu::PsabiLevel;
use names::Name;

/// Bytes that stand at an address.
#[derive(Clone, Debug)]
pub(crate) struct Region<'a> {
    pub(crate) address: u64,
    pub(crate) bytes: Cow<'a, [u8]>,
}

impl Region<'_> {
    pub(crate) fn end(&self) -> u64 {
        self.address.saturating_add(self.bytes.len() as u64)
    }

    pub(crate) fn holds(&self, address: u64) -> bool {
        self.address <= address && address < self.end()
    }

    /// The bytes from an address on.
    pub(crate) fn from(&self, address: u64) -> Option<&[u8]> {
        let at = usize::try_from(address.checked_sub(self.address)?).ok()?;
        self.bytes.get(at..)
    }
}

/// A piece of code with a beginning.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Function<'a> {
    pub(crate) start: u64,
    /// One past its last byte.
    pub(crate) end: u64,
    /// Mangled, where a symbol names it.
    pub(crate) name: Option<Name<'a>>,
    /// Whether its name tells about the processor.
    pub(crate) tells: bool,
    /// Whether its end is known, or only where the next one begins.
    pub(crate) bounded: bool,
    /// Found because something goes there, not because the file lists it.
    pub(crate) discovered: bool,
}

/// A piece of data.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Object {
    pub(crate) start: u64,
    pub(crate) size: u64,
}

/// Everything that the analysis of code starts from.
#[derive(Clone, Debug, Default)]
pub(crate) struct Image<'a> {
    /// Sorted by address.
    pub(crate) code: Vec<Region<'a>>,
    /// Sorted by address.
    pub(crate) data: Vec<Region<'a>>,
    addresses: Range<u64>,
    /// Sorted by start, one a start.
    functions: Vec<Function<'a>>,
    index: Index,
    /// Starts and ends of functions that were discovered and do not stand among the others yet. Sorted.
    discovered: Vec<(u64, u64)>,
    /// Data whose name says that it tells about the processor.
    pub(crate) objects: Vec<Object>,
    /// Addresses in data that hold the address of something here.
    pub(crate) pointers: ByAddress<u64>,
    /// Slots of the dynamic linker: what is called through them is called directly.
    pub(crate) slots: ByAddress<Slot<'a>>,
    /// Functions that say which function to use (`STT_GNU_IFUNC`).
    pub(crate) resolvers: Vec<u64>,
    /// Where a program begins: it hands the address of `main` on.
    pub(crate) entry: Option<u64>,
    /// Where control comes in from outside.
    pub(crate) roots: Vec<u64>,
    /// Functions that an executable exports: plug-ins may call them.
    pub(crate) weak_roots: Vec<u64>,
    /// Data that others may use.
    pub(crate) data_roots: Vec<u64>,
    /// Whether it is not linked yet, so that who calls and who asks may stand elsewhere.
    pub(crate) is_relocatable: bool,
    /// Whether code stands at fixed addresses, so that numbers in it may be addresses.
    pub(crate) is_fixed: bool,
    /// Whether it is Go's, which has its own ways to pass values.
    pub(crate) is_go: bool,
    /// The level that Go's compiler wrote for: beyond it there is only assembly, behind questions.
    pub(crate) go_level: Option<PsabiLevel>,
}

/// What the dynamic linker puts into a slot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Slot<'a> {
    /// The address of something here.
    Local(u64),
    /// The address of something elsewhere.
    Import(&'a str),
    /// What a resolver here says.
    Resolved(u64),
}

impl<'a> Image<'a> {
    /// Between what numbers all addresses lie.
    pub(crate) fn addresses(&self) -> Range<u64> {
        self.addresses.clone()
    }

    fn all_addresses(&self) -> Range<u64> {
        let regions = || self.code.iter().chain(&self.data);
        let first = regions().map(|region| region.address).min().unwrap_or(0).max(1);
        first..regions().map(Region::end).max().unwrap_or(0)
    }

    /// The region of code that holds an address.
    pub(crate) fn code_at(&self, address: u64) -> Option<&Region<'_>> {
        at(&self.code, address)
    }

    /// The code from an address on; none where no region holds it.
    pub(crate) fn code_from(&self, address: u64) -> &[u8] {
        self.code_at(address).and_then(|region| region.from(address)).unwrap_or_default()
    }

    /// The region of data that holds an address.
    pub(crate) fn data_at(&self, address: u64) -> Option<&Region<'_>> {
        at(&self.data, address)
    }

    /// The function that begins at an address or holds it.
    #[inline]
    pub(crate) fn function_at(&self, address: u64) -> Option<usize> {
        self.index.function_at(address)
    }

    /// Whether a function holds an address, be it one that was discovered.
    pub(crate) fn is_in_function(&self, address: u64) -> bool {
        let after = self.discovered.partition_point(|(start, _)| *start <= address);
        let nearest = self.discovered[..after].last();
        nearest.is_some_and(|(_, end)| address < *end) || self.function_at(address).is_some()
    }

    /// Where the next function begins behind an address.
    pub(crate) fn next_start(&self, address: u64) -> u64 {
        let known = self.functions.partition_point(|one| one.start <= address);
        let discovered = self.discovered.partition_point(|(start, _)| *start <= address);
        let known = self.functions.get(known).map_or(u64::MAX, |one| one.start);
        self.discovered.get(discovered).map_or(known, |(start, _)| known.min(*start))
    }

    /// Makes functions known that were discovered; `insert` puts them among the others.
    pub(crate) fn discover(&mut self, functions: &[Function<'_>]) {
        self.discovered.extend(functions.iter().map(|one| (one.start, one.end)));
        self.discovered.sort_by_key(|(start, _)| *start);
    }

    /// Functions, sorted by start, one a start.
    pub(crate) fn functions(&self) -> &[Function<'a>] {
        &self.functions
    }

    /// Puts functions that were discovered among the others, each before what stands at its place.
    pub(crate) fn insert(&mut self, places: &[usize], more: Vec<Function<'a>>) {
        self.index.insert(places, more.iter().map(|one| (one.start, one.end)).collect());
        insert_all(&mut self.functions, places, more);
        self.discovered.clear();
    }

    /// Brings everything into the order that look-ups want and gives every function an end.
    pub(crate) fn settle(&mut self, functions: &[Vec<Function<'a>>]) {
        self.settle_regions();
        (self.functions, self.index) = merge::merged(Vec::new(), functions, &self.code);
        self.settle_lists();
    }

    fn settle_regions(&mut self) {
        self.code.sort_by_key(|region| region.address);
        self.data.sort_by_key(|region| region.address);
        self.addresses = self.all_addresses();
    }

    fn settle_lists(&mut self) {
        self.pointers.settle();
        self.slots.settle();
        for list in [&mut self.resolvers, &mut self.roots, &mut self.data_roots] {
            list.sort_unstable();
            list.dedup();
        }
    }
}

fn at<'r, 'a>(regions: &'r [Region<'a>], address: u64) -> Option<&'r Region<'a>> {
    let after = regions.partition_point(|region| region.address <= address);
    // Regions of a recorded image may lie in each other; the nearest is the right one.
    regions[..after].iter().rev().take(4).find(|region| region.holds(address))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn function(start: u64, end: u64, name: Option<&'static str>) -> Function<'static> {
        Function {
            start,
            end,
            name: name.map(|name| Name::new(name.as_bytes())),
            bounded: end > start,
            ..Function::default()
        }
    }

    fn image(functions: Vec<Function<'static>>) -> Image<'static> {
        let mut image = Image::default();
        image.code.push(Region { address: 0x1000, bytes: Cow::Owned(vec![0; 0x100]) });
        image.settle(&[functions]);
        image
    }

    #[test]
    fn of_several_functions_at_a_start_the_named_one_stays_and_takes_a_known_end() {
        let outside = function(0x2000, 0x2010, Some("outside"));
        let unnamed = function(0x1010, 0x1020, None);
        let image = image(vec![outside, unnamed, function(0x1010, 0x1010, Some("named"))]);
        let expected = Function { bounded: true, ..function(0x1010, 0x1020, Some("named")) };
        assert_eq!(image.functions(), [expected]);
    }

    #[test]
    fn what_is_discovered_is_known_before_it_stands_among_the_others() {
        let mut image = image(vec![function(0x1000, 0x1010, None), function(0x1080, 0x1090, None)]);
        image.discover(&[function(0x1040, 0x1050, None)]);
        let known = [0x100f, 0x1010, 0x1040, 0x1050, 0x1080].map(|at| image.is_in_function(at));
        assert_eq!(known, [true, false, true, false, true]);
        assert_eq!(
            [0x1000, 0x1040, 0x1080].map(|at| image.next_start(at)),
            [0x1040, 0x1080, u64::MAX]
        );
    }
}
