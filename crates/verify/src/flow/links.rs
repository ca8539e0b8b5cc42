//! Where every function leads, as numbers of functions and of pieces of data instead of addresses.
//!
//! All addresses are looked up once, on all cores; to follow them is then to go from number to number.
//! Does not follow.

use std::sync::atomic::{AtomicBool, Ordering};

use rayon::prelude::*;

use crate::image::{Image, Slot};
use crate::scan::Body;

/// Something that can be followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A function, by its number.
    Function(u32),
    /// Data, by the number of its first pointer.
    Data(u32),
}

/// Functions whose addresses are looked up together.
const TOGETHER: usize = 2048;

/// Everything that leads somewhere.
pub(super) struct Links {
    /// What functions lead to, `TOGETHER` at a time.
    parts: Vec<Part>,
    /// What each pointer in data leads to.
    pointers: Vec<Option<Place>>,
    /// For each pointer in data, whether something refers to it or to what lies between it and the one
    /// before: where one piece of data ends, the next begins.
    begins: Vec<AtomicBool>,
}

/// What some functions lead to, one after the other.
#[derive(Default)]
struct Part {
    /// The calls of each function, and behind them what it touches.
    leads: Vec<Packed>,
    /// For each function, where its calls and its touches end.
    ends: Vec<(u32, u32)>,
}

/// A place in four bytes: its number twice, and whether it is data.
#[derive(Clone, Copy)]
pub(super) struct Packed(u32);

impl Packed {
    fn new(place: Place) -> Self {
        match place {
            Place::Function(at) => Self(at << 1),
            Place::Data(first) => Self(first << 1 | 1),
        }
    }

    #[inline]
    pub(super) fn place(self) -> Place {
        if self.0 & 1 == 0 { Place::Function(self.0 >> 1) } else { Place::Data(self.0 >> 1) }
    }
}

impl Links {
    /// Looks everything up.
    pub(super) fn new(image: &Image<'_>, bodies: &[Body]) -> Self {
        let pointers = image.pointers.entries();
        let begins: Vec<_> = pointers.iter().map(|_| AtomicBool::new(false)).collect();
        let refer = |address: u64| {
            let first = first_pointer(image, address);
            if let Some(first) = first {
                begins[first].store(true, Ordering::Relaxed);
            }
            place_or(image, address, first)
        };
        let part = |bodies: &[Body]| {
            let sum = bodies.iter().map(|body| body.calls().len() + body.touches().len()).sum();
            let mut leads = Vec::with_capacity(sum);
            let mut ends = Vec::with_capacity(bodies.len());
            for body in bodies {
                let functions = body.calls().iter().filter_map(|call| image.function_at(*call));
                leads.extend(functions.map(|at| Packed::new(Place::Function(short(at)))));
                let calls = short(leads.len());
                let places = body.touches().iter().filter_map(|touch| refer(*touch));
                leads.extend(places.map(Packed::new));
                ends.push((calls, short(leads.len())));
            }
            Part { leads, ends }
        };
        let parts = bodies.par_chunks(TOGETHER).map(part).collect();
        let pointers = pointers.par_iter().map(|(_, target)| refer(*target)).collect();
        image.data_roots.par_iter().for_each(|root| {
            refer(*root);
        });
        Self { parts, pointers, begins }
    }

    /// The functions that a function calls or jumps to, and what it touches or takes the address of, without
    /// what leads nowhere.
    #[inline]
    pub(super) fn of(&self, function: usize) -> (&[Packed], &[Packed]) {
        let (part, at) = (&self.parts[function / TOGETHER], function % TOGETHER);
        let start = at.checked_sub(1).map_or(0, |before| part.ends[before].1);
        let (calls, touches) = part.ends[at];
        let all = &part.leads[start as usize..touches as usize];
        all.split_at((calls - start) as usize)
    }

    /// What a piece of data points to.
    pub(super) fn pointed(&self, first: usize) -> impl Iterator<Item = Place> {
        let begins = |begins: &AtomicBool| begins.load(Ordering::Relaxed);
        let more = self.begins[first + 1..].iter().position(begins);
        let end = more.map_or(self.begins.len(), |more| first + 1 + more);
        self.pointers[first..end].iter().copied().flatten()
    }
}

/// A number as it is kept: a file has fewer functions and pointers than that, and what is followed fits into
/// less memory.
pub(super) fn short(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// What stands at an address; slots of the dynamic linker stand for what they lead to. `None` for data
/// without pointers, which leads nowhere.
pub(super) fn place(image: &Image<'_>, address: u64) -> Option<Place> {
    place_or(image, address, first_pointer(image, address))
}

fn place_or(image: &Image<'_>, address: u64, first: Option<usize>) -> Option<Place> {
    let (target, first) = match image.slots.get(address) {
        Some(Slot::Local(target) | Slot::Resolved(target)) => {
            (*target, first_pointer(image, *target))
        }
        Some(Slot::Import(_)) => return None,
        None => (address, first),
    };
    let function = image.function_at(target).map(|at| Place::Function(short(at)));
    function.or(first.map(|first| Place::Data(short(first))))
}

/// The number of the first pointer that stands at an address or behind it, in the same region.
pub(super) fn first_pointer(image: &Image<'_>, address: u64) -> Option<usize> {
    let pointers = image.pointers.entries();
    if address > pointers.last()?.0 {
        return None;
    }
    let region = image.data_at(address)?;
    if region.end() <= pointers.first()?.0 {
        return None;
    }
    let number = image.pointers.position(address);
    pointers.get(number).filter(|(place, _)| region.holds(*place)).map(|_| number)
}
