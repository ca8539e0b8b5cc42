//! What is known so far of a program's questions about its processor: variables that hold answers,
//! functions that give them, parameters that carry them.
//!
//! Does not find anything out; `guard` does, function by function, until nothing is new.

use std::collections::{BTreeMap, BTreeSet};

use rayon::prelude::*;

use crate::image::{Function, Image, Slot, names};
use crate::scan::Body;

/// Answers about the processor, and where they are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Knowledge {
    /// Variables, as start and end; never empty.
    pub(super) variables: BTreeMap<u64, u64>,
    /// Functions that return an answer.
    pub(super) returning: BTreeSet<usize>,
    /// Functions that write answers where their caller says, with the arguments that do.
    pub(super) filling: BTreeMap<usize, u8>,
    /// Functions that get an answer, with a bit for each register that holds one.
    pub(super) given: BTreeMap<usize, u16>,
    /// Places in structures that an answer was written to.
    pub(super) fields: BTreeSet<i64>,
    /// Functions in which what is read at such a place is taken for the answer.
    pub(super) by_field: BTreeSet<usize>,
}

/// How much is taken for answers where a function is told to write them to an address: four registers
/// of four questions.
const FILLED: u64 = 64;

impl Knowledge {
    /// What names tell, before any code is read.
    pub(super) fn from_names(image: &Image<'_>, bodies: &[Body]) -> Self {
        let mut known = Self::default();
        for object in &image.objects {
            known.variables.insert(object.start, object.start + object.size.max(4));
        }
        for (slot, to) in image.slots.entries() {
            if matches!(to, Slot::Import(name) if names::tells_of_processor(name)) {
                known.variables.insert(*slot, slot + 8);
            }
        }
        let functions = image.functions().par_iter().zip(bodies).enumerate();
        let tells = |(_, (function, body)): &(usize, (&Function<'_>, &Body))| {
            function.tells || is_import_stub(image, body)
        };
        known.returning = functions.filter(tells).map(|(at, _)| at).collect();
        known
    }

    /// Whether an address lies in an answer.
    pub(super) fn holds(&self, address: u64) -> bool {
        let nearest = self.variables.range(..=address).next_back();
        nearest.is_some_and(|(_, end)| address < *end)
    }

    /// Variables and what stands close before them, from which code reaches them with a displacement.
    pub(super) fn ranges(&self) -> impl Iterator<Item = (u64, u64)> {
        self.variables.iter().map(|(start, end)| (start.saturating_sub(15), *end))
    }

    /// Whether a place in a structure holds an answer, where that is asked in a function.
    pub(super) fn is_field(&self, function: usize, displacement: i64) -> bool {
        self.by_field.contains(&function) && self.fields.contains(&displacement)
    }

    pub(super) fn add_variable(&mut self, address: u64, bytes: u64) {
        let end = address.saturating_add(bytes.max(1));
        let entry = self.variables.entry(address).or_insert(end);
        *entry = (*entry).max(end);
    }

    /// What is known here and not there.
    pub(super) fn since(&self, before: &Self) -> Self {
        let is_new = |(at, end): &(&u64, &u64)| before.variables.get(at) != Some(end);
        let variables = self.variables.iter().filter(is_new).map(|(at, end)| (*at, *end)).collect();
        let filling = self.filling.iter().filter(|(at, mask)| before.filling.get(at) != Some(mask));
        let given = self.given.iter().filter(|(at, mask)| before.given.get(at) != Some(mask));
        Self {
            variables,
            returning: self.returning.difference(&before.returning).copied().collect(),
            filling: filling.map(|(at, mask)| (*at, *mask)).collect(),
            given: given.map(|(at, mask)| (*at, *mask)).collect(),
            fields: self.fields.difference(&before.fields).copied().collect(),
            by_field: self.by_field.difference(&before.by_field).copied().collect(),
        }
    }

    pub(super) fn add_filled(&mut self, address: u64) {
        self.add_variable(address, FILLED);
    }
}

/// A stub of the procedure linkage table for a function that tells about the processor.
fn is_import_stub(image: &Image<'_>, body: &Body) -> bool {
    body.decoded <= 16
        && body.touches().iter().any(|touch| {
            matches!(image.slots.get(*touch), Some(Slot::Import(name)) if names::tells_of_processor(name))
        })
}
