//! How control gets to each function: in any case, through pointers in data, or only behind a
//! question about the processor.
//!
//! Does not know which extensions are used where.

use std::collections::BTreeSet;

use rayon::prelude::*;

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
    /// Its address is taken by code that runs in any case.
    Taken,
    /// By calls from code that runs in any case.
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
        begins: pieces(image, bodies),
        reached: vec![Reach::Never; bodies.len()],
        from: vec![None; bodies.len()],
        chosen: BTreeSet::new(),
        current: None,
        data: vec![Reach::Never; image.pointers.entries().len()],
        functions: Vec::new(),
        objects: Vec::new(),
        guarded: Vec::new(),
        pointers: Vec::new(),
        taken: Vec::new(),
    };
    graph.run();
    Reached { how: graph.reached, from: graph.from }
}

/// For each pointer in data, whether something refers to it or to what lies between it and the one
/// before: where one piece of data ends, the next begins.
fn pieces(image: &Image<'_>, bodies: &[Body]) -> Vec<bool> {
    let touched = bodies.par_iter().flat_map_iter(|body| body.touches.iter().copied());
    let pointed = image.pointers.entries().par_iter().map(|(_, target)| *target);
    let named = image.data_roots.par_iter().copied();
    let referred = touched.chain(pointed).chain(named);
    let numbers: Vec<usize> = referred.filter_map(|at| first_pointer(image, at)).collect();
    let mut begins = vec![false; image.pointers.entries().len()];
    for number in numbers {
        begins[number] = true;
    }
    begins
}

/// The number of the first pointer that stands at an address or behind it, in the same region.
fn first_pointer(image: &Image<'_>, address: u64) -> Option<usize> {
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

/// A function that asks and takes so many addresses of functions sets up a table.
const TABLE: usize = 16;

/// What is to be followed next.
#[derive(Clone, Copy)]
enum Place {
    Function(usize),
    /// Data, by the number of its first pointer.
    Data(usize),
}

struct Graph<'i, 'a> {
    image: &'i Image<'a>,
    bodies: &'i [Body],
    questions: &'i Questions,
    /// For each pointer in data, whether a piece of data begins with it.
    begins: Vec<bool>,
    reached: Vec<Reach>,
    from: Vec<Option<usize>>,
    /// How each piece of data is reached, by its first pointer.
    data: Vec<Reach>,
    functions: Vec<Met<usize>>,
    objects: Vec<Met<usize>>,
    /// Met behind a question; followed when all that is not is done.
    guarded: Vec<Met<Place>>,
    /// Met through pointers in data.
    pointers: Vec<Met<Place>>,
    /// Functions whose address is taken.
    taken: Vec<Met<usize>>,
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
        self.functions = std::mem::take(&mut self.taken);
        self.drain(Reach::Taken, &resolvers);
        for root in &self.image.weak_roots {
            let at = self.image.function_at(*root);
            self.pointers.extend(at.map(|at| (Place::Function(at), None)));
        }
        let roots = self.image.data_roots.iter();
        let data = roots.filter_map(|address| first_pointer(self.image, *address));
        self.pointers.extend(data.map(|first| (Place::Data(first), None)));
        self.next(Reach::Pointer, &resolvers);
        // What is reached behind one question may lie before another.
        while !self.guarded.is_empty() {
            self.next(Reach::Guarded, &resolvers);
        }
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
                Place::Data(first) => self.objects.push((first, self.current)),
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
            } else if let Some((first, from)) = self.objects.pop() {
                self.current = from;
                self.read(first, reach);
            } else {
                return;
            }
        }
    }

    /// Everything that a function leads to.
    fn leave(&mut self, at: usize, reach: Reach, is_resolver: bool) {
        let (bodies, questions) = (self.bodies, self.questions);
        if let Some(division) = questions.division(at) {
            self.calls(division.open_calls.iter(), reach);
            if is_resolver || self.lists_functions(&division.open_touches) {
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
    fn lists_functions(&self, addresses: &[u64]) -> bool {
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
                Some(Place::Function(at)) => self.take(at, reach),
                // Data that is read by code that runs in any case leads to what it points to, by a
                // choice that is not visible.
                Some(place @ Place::Data(_)) if reach >= Reach::Taken => {
                    self.pointers.push((place, self.current));
                }
                Some(Place::Data(first)) => self.objects.push((first, self.current)),
                None => {}
            }
        }
    }

    /// The address of a function is taken.
    fn take(&mut self, at: usize, reach: Reach) {
        if self.reached[at] >= reach || self.chosen.contains(&at) {
            return;
        }
        let start = self.current.map(|at| self.image.functions()[at].start);
        if reach == Reach::Direct && start != self.image.entry {
            self.taken.push((at, self.current));
        } else {
            self.functions.push((at, self.current));
        }
    }

    fn guard<'x>(&mut self, addresses: impl Iterator<Item = &'x u64>) {
        for address in addresses {
            let current = self.current;
            self.guarded.extend(self.place(*address).map(|place| (place, current)));
        }
    }

    /// What stands at an address; slots of the dynamic linker stand for what they lead to. `None` for
    /// data without pointers, which leads nowhere.
    fn place(&self, address: u64) -> Option<Place> {
        let target = match self.image.slots.get(address) {
            Some(Slot::Local(target) | Slot::Resolved(target)) => *target,
            Some(Slot::Import(_)) => return None,
            None => address,
        };
        let function = self.image.function_at(target).map(Place::Function);
        function.or_else(|| first_pointer(self.image, target).map(Place::Data))
    }

    /// Everything that a piece of data points to.
    fn read(&mut self, first: usize, reach: Reach) {
        if self.data[first] >= reach {
            return;
        }
        self.data[first] = reach;
        let more = self.begins[first + 1..].iter().position(|begins| *begins);
        let end = more.map_or(self.begins.len(), |more| first + 1 + more);
        let image = self.image;
        for (_, target) in &image.pointers.entries()[first..end] {
            match self.place(*target) {
                Some(Place::Function(at)) if self.reached[at] < reach => {
                    self.functions.push((at, self.current));
                }
                Some(Place::Data(next)) if self.data[next] < reach => {
                    self.objects.push((next, self.current));
                }
                _ => {}
            }
        }
    }
}

/// Whether a function was made by the compiler as one of several versions.
pub(crate) fn is_version(image: &Image<'_>, at: usize) -> bool {
    image.functions()[at].name.is_some_and(names::is_version)
}
