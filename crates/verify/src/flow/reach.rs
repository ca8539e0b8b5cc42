//! How control gets to each function: in any case, through pointers in data, or only behind a
//! question about the processor.
//!
//! Does not know which extensions are used where.

use std::collections::{BTreeMap, BTreeSet};

use super::Questions;
use crate::image::{Image, Slot, names};
use crate::scan::Body;

/// How a function is reached, the strongest way first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reach {
    /// Nothing was found that leads to it.
    #[default]
    Never,
    /// Only behind a question about the processor.
    Guarded,
    /// Through pointers in data, whose choice is not visible.
    Pointer,
    /// By calls and addresses in code that runs in any case.
    Direct,
}

/// Follows everything from the roots.
pub(crate) fn reach(image: &Image<'_>, bodies: &[Body], questions: &Questions) -> Vec<Reach> {
    let mut graph = Graph {
        image,
        bodies,
        questions,
        places: data_places(image, bodies),
        reached: vec![Reach::Never; bodies.len()],
        data: BTreeMap::new(),
        functions: Vec::new(),
        objects: Vec::new(),
        guarded: Vec::new(),
        pointers: Vec::new(),
    };
    graph.run();
    graph.reached
}

/// Addresses in data that something refers to: where one piece of data ends, the next begins.
fn data_places(image: &Image<'_>, bodies: &[Body]) -> Vec<u64> {
    let touched = bodies.iter().flat_map(|body| body.touches.iter().copied());
    let pointed = image.pointers.values().copied();
    let named = image.data_roots.iter().copied();
    let in_data = |address: &u64| image.data_at(*address).is_some();
    let mut places: Vec<u64> = touched.chain(pointed).chain(named).filter(in_data).collect();
    places.sort_unstable();
    places.dedup();
    places
}

/// What is to be followed next.
#[derive(Clone, Copy)]
enum Place {
    Function(usize),
    Data(u64),
}

struct Graph<'i, 'a> {
    image: &'i Image<'a>,
    bodies: &'i [Body],
    questions: &'i Questions,
    places: Vec<u64>,
    reached: Vec<Reach>,
    data: BTreeMap<u64, Reach>,
    functions: Vec<usize>,
    objects: Vec<u64>,
    /// Met behind a question; followed when all that is not is done.
    guarded: Vec<Place>,
    /// Met through pointers in data.
    pointers: Vec<Place>,
}

impl Graph<'_, '_> {
    fn run(&mut self) {
        for root in &self.image.roots {
            if let Some(at) = self.image.function_at(*root) {
                self.functions.push(at);
            }
        }
        let resolvers: BTreeSet<_> = self.image.resolvers.iter().filter_map(|r| self.image.function_at(*r)).collect();
        self.functions.extend(&resolvers);
        self.drain(Reach::Direct, &resolvers);
        let data = self.image.data_roots.iter().map(|address| Place::Data(*address));
        self.pointers.extend(data);
        self.next(Reach::Pointer, &resolvers);
        self.next(Reach::Guarded, &resolvers);
    }

    fn next(&mut self, reach: Reach, resolvers: &BTreeSet<usize>) {
        let waiting = match reach {
            Reach::Pointer => std::mem::take(&mut self.pointers),
            _ => std::mem::take(&mut self.guarded),
        };
        for place in waiting {
            match place {
                Place::Function(at) => self.functions.push(at),
                Place::Data(address) => self.objects.push(address),
            }
        }
        self.drain(reach, resolvers);
    }

    fn drain(&mut self, reach: Reach, resolvers: &BTreeSet<usize>) {
        loop {
            if let Some(at) = self.functions.pop() {
                if self.reached[at] < reach {
                    self.reached[at] = reach;
                    self.leave(at, reach, resolvers.contains(&at));
                }
            } else if let Some(address) = self.objects.pop() {
                self.read(address, reach);
            } else {
                return;
            }
        }
    }

    /// Everything that a function leads to.
    fn leave(&mut self, at: usize, reach: Reach, is_resolver: bool) {
        let (bodies, questions) = (self.bodies, self.questions);
        if let Some(division) = questions.divisions.get(&at) {
            self.calls(division.open_calls.iter(), reach);
            if is_resolver {
                self.guard(division.open_touches.iter());
            } else {
                self.touches(division.open_touches.iter(), reach);
            }
            self.guard(division.guarded_calls.iter());
            self.guard(division.guarded_touches.iter());
            return;
        }
        self.calls(bodies[at].calls.iter(), reach);
        if is_resolver {
            self.guard(bodies[at].touches.iter());
        } else {
            self.touches(bodies[at].touches.iter(), reach);
        }
    }

    fn calls<'x>(&mut self, targets: impl Iterator<Item = &'x u64>, reach: Reach) {
        for target in targets {
            if let Some(at) = self.image.function_at(*target).filter(|at| self.reached[*at] < reach) {
                self.functions.push(at);
            }
        }
    }

    fn touches<'x>(&mut self, addresses: impl Iterator<Item = &'x u64>, reach: Reach) {
        for address in addresses {
            match self.place(*address) {
                Some(Place::Function(at)) => self.functions.push(at),
                // Data that is read by code that runs in any case leads to what it points to, by a
                // choice that is not visible.
                Some(place @ Place::Data(_)) if reach == Reach::Direct => self.pointers.push(place),
                Some(Place::Data(address)) => self.objects.push(address),
                None => {}
            }
        }
    }

    fn guard<'x>(&mut self, addresses: impl Iterator<Item = &'x u64>) {
        for address in addresses {
            self.guarded.extend(self.place(*address));
        }
    }

    /// What stands at an address; slots of the dynamic linker stand for what they lead to.
    fn place(&self, address: u64) -> Option<Place> {
        let target = match self.image.slots.get(&address) {
            Some(Slot::Local(target) | Slot::Resolved(target)) => *target,
            Some(Slot::Import(_)) => return None,
            None => address,
        };
        if self.image.code_at(target).is_some() {
            return self.image.function_at(target).map(Place::Function);
        }
        self.image.data_at(target).is_some().then_some(Place::Data(target))
    }

    /// Everything that a piece of data points to.
    fn read(&mut self, address: u64, reach: Reach) {
        let met = self.data.entry(address).or_default();
        if *met >= reach {
            return;
        }
        *met = reach;
        let after = self.places.partition_point(|place| *place <= address);
        let end = self.places.get(after).copied().unwrap_or(u64::MAX);
        let pointed: Vec<_> = self.image.pointers.range(address..end).map(|(_, to)| *to).collect();
        for target in pointed {
            match self.place(target) {
                Some(Place::Function(at)) => self.functions.push(at),
                Some(Place::Data(target)) => self.objects.push(target),
                None => {}
            }
        }
    }
}

/// Whether a function was made by the compiler as one of several versions.
pub(crate) fn is_version(image: &Image<'_>, at: usize) -> bool {
    image.functions[at].name.as_deref().is_some_and(names::is_version)
}
