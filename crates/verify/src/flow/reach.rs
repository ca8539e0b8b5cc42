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

/// How each function is reached, and from which other.
pub(crate) struct Reached {
    pub(crate) how: Vec<Reach>,
    /// The function that led to it first; `None` for roots.
    pub(crate) from: Vec<Option<usize>>,
}

/// Follows everything from the roots.
pub(crate) fn reach(image: &Image<'_>, bodies: &[Body], questions: &Questions) -> Reached {
    let mut graph = Graph {
        image,
        bodies,
        questions,
        places: data_places(image, bodies),
        reached: vec![Reach::Never; bodies.len()],
        from: vec![None; bodies.len()],
        chosen: BTreeSet::new(),
        current: None,
        data: BTreeMap::new(),
        functions: Vec::new(),
        objects: Vec::new(),
        guarded: Vec::new(),
        pointers: Vec::new(),
    };
    graph.run();
    Reached { how: graph.reached, from: graph.from }
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

/// A function that asks and takes so many addresses of functions sets up a table.
const TABLE: usize = 16;

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
    from: Vec<Option<usize>>,
    data: BTreeMap<u64, Reach>,
    functions: Vec<Met<usize>>,
    objects: Vec<Met<u64>>,
    /// Met behind a question; followed when all that is not is done.
    guarded: Vec<Met<Place>>,
    /// Met through pointers in data.
    pointers: Vec<Met<Place>>,
    /// Functions that resolvers choose from.
    chosen: BTreeSet<usize>,
    /// The function that is being left.
    current: Option<usize>,
}

/// Something, and the function that led to it.
type Met<T> = (T, Option<usize>);

impl Graph<'_, '_> {
    fn run(&mut self) {
        for root in &self.image.roots {
            if let Some(at) = self.image.function_at(*root) {
                self.functions.push((at, self.current));
            }
        }
        let resolvers: BTreeSet<_> =
            self.image.resolvers.iter().filter_map(|r| self.image.function_at(*r)).collect();
        for at in &resolvers {
            self.chosen.extend(self.chosen_by(*at));
        }
        self.functions.extend(resolvers.iter().map(|at| (*at, None)));
        self.drain(Reach::Direct, &resolvers);
        for root in &self.image.weak_roots {
            let at = self.image.function_at(*root);
            self.pointers.extend(at.map(|at| (Place::Function(at), None)));
        }
        let data = self.image.data_roots.iter().map(|address| (Place::Data(*address), None));
        self.pointers.extend(data);
        self.next(Reach::Pointer, &resolvers);
        self.next(Reach::Guarded, &resolvers);
    }

    /// Functions that a resolver chooses from: to take their address elsewhere, as a table of all
    /// variants does, runs nothing.
    fn chosen_by(&self, resolver: usize) -> Vec<usize> {
        let touched = self.bodies[resolver].touches.iter();
        touched
            .filter_map(|address| match self.place(*address) {
                Some(Place::Function(at)) => Some(at),
                _ => None,
            })
            .collect()
    }

    fn next(&mut self, reach: Reach, resolvers: &BTreeSet<usize>) {
        let waiting = match reach {
            Reach::Pointer => std::mem::take(&mut self.pointers),
            _ => std::mem::take(&mut self.guarded),
        };
        for (place, from) in waiting {
            self.current = from;
            match place {
                Place::Function(at) => self.functions.push((at, self.current)),
                Place::Data(address) => self.objects.push((address, self.current)),
            }
        }
        self.drain(reach, resolvers);
    }

    fn drain(&mut self, reach: Reach, resolvers: &BTreeSet<usize>) {
        loop {
            if let Some((at, from)) = self.functions.pop() {
                if self.reached[at] < reach {
                    self.reached[at] = reach;
                    self.from[at] = from;
                    self.current = Some(at);
                    self.leave(at, reach, resolvers.contains(&at));
                }
            } else if let Some((address, from)) = self.objects.pop() {
                self.current = from;
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
            if is_resolver || division.asks && self.lists_functions(&division.open_touches) {
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

    /// Whether a function takes the addresses of so many that it sets up a table of variants.
    fn lists_functions(&self, addresses: &BTreeSet<u64>) -> bool {
        let functions =
            addresses.iter().filter(|at| matches!(self.place(**at), Some(Place::Function(_))));
        functions.take(TABLE).count() == TABLE
    }

    fn calls<'x>(&mut self, targets: impl Iterator<Item = &'x u64>, reach: Reach) {
        for target in targets {
            if let Some(at) = self.image.function_at(*target).filter(|at| self.reached[*at] < reach)
            {
                self.functions.push((at, self.current));
            }
        }
    }

    fn touches<'x>(&mut self, addresses: impl Iterator<Item = &'x u64>, reach: Reach) {
        for address in addresses {
            match self.place(*address) {
                Some(Place::Function(at)) if self.chosen.contains(&at) => {}
                Some(Place::Function(at)) => self.functions.push((at, self.current)),
                // Data that is read by code that runs in any case leads to what it points to, by a
                // choice that is not visible.
                Some(place @ Place::Data(_)) if reach == Reach::Direct => {
                    self.pointers.push((place, self.current));
                }
                Some(Place::Data(address)) => self.objects.push((address, self.current)),
                None => {}
            }
        }
    }

    fn guard<'x>(&mut self, addresses: impl Iterator<Item = &'x u64>) {
        for address in addresses {
            let current = self.current;
            self.guarded.extend(self.place(*address).map(|place| (place, current)));
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
                Some(Place::Function(at)) => self.functions.push((at, self.current)),
                Some(Place::Data(target)) => self.objects.push((target, self.current)),
                None => {}
            }
        }
    }
}

/// Whether a function was made by the compiler as one of several versions.
pub(crate) fn is_version(image: &Image<'_>, at: usize) -> bool {
    image.functions[at].name.as_deref().is_some_and(names::is_version)
}
