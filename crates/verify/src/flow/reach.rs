//! How control gets to each function: in any case, through pointers in data, or only behind a
//! question about the processor.
//!
//! Does not know which extensions are used where.

use std::collections::BTreeSet;

use super::Questions;
use super::links::{Links, Place, first_pointer, place, short};
use crate::image::{Image, names};

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
    pub(crate) from: Vec<Option<u32>>,
}

/// Follows everything from the roots.
pub(super) fn reach(image: &Image<'_>, links: &Links, questions: &Questions) -> Reached {
    let functions = image.functions().len();
    let mut graph = Graph {
        image,
        links,
        questions,
        reached: vec![Reach::Never; functions],
        from: vec![None; functions],
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

/// A function that asks and takes so many addresses of functions sets up a table.
const TABLE: usize = 16;

struct Graph<'i, 'a> {
    image: &'i Image<'a>,
    links: &'i Links,
    questions: &'i Questions,
    reached: Vec<Reach>,
    from: Vec<Option<u32>>,
    /// How each piece of data is reached, by its first pointer.
    data: Vec<Reach>,
    functions: Vec<Met<u32>>,
    objects: Vec<Met<u32>>,
    /// Met behind a question; followed when all that is not is done.
    guarded: Vec<Met<Place>>,
    /// Met through pointers in data.
    pointers: Vec<Met<Place>>,
    /// Functions whose address is taken.
    taken: Vec<Met<u32>>,
    /// Functions that resolvers choose from.
    chosen: BTreeSet<u32>,
    /// The function that is being left.
    current: Option<u32>,
}

/// Something, and the function that led to it.
type Met<T> = (T, Option<u32>);

impl Graph<'_, '_> {
    fn run(&mut self) {
        for root in &self.image.roots {
            if let Some(at) = self.image.function_at(*root) {
                self.functions.push((short(at), self.current));
            }
        }
        let resolvers: BTreeSet<_> =
            self.image.resolvers.iter().filter_map(|r| self.image.function_at(*r)).collect();
        for at in &resolvers {
            self.chosen.extend(self.chosen_by(*at));
        }
        self.functions.extend(resolvers.iter().map(|at| (short(*at), None)));
        self.drain(Reach::Direct, &resolvers);
        self.functions = std::mem::take(&mut self.taken);
        self.drain(Reach::Taken, &resolvers);
        for root in &self.image.weak_roots {
            let at = self.image.function_at(*root);
            self.pointers.extend(at.map(|at| (Place::Function(short(at)), None)));
        }
        let roots = self.image.data_roots.iter();
        let data = roots.filter_map(|address| first_pointer(self.image, *address));
        self.pointers.extend(data.map(|first| (Place::Data(short(first)), None)));
        self.next(Reach::Pointer, &resolvers);
        // What is reached behind one question may lie before another.
        while !self.guarded.is_empty() {
            self.next(Reach::Guarded, &resolvers);
        }
    }

    /// Functions that a resolver chooses from: to take their address elsewhere, as a table of all
    /// variants does, runs nothing.
    fn chosen_by(&self, resolver: usize) -> Vec<u32> {
        let touched = self.links.touches(resolver).iter();
        touched
            .filter_map(|place| match place {
                Place::Function(at) => Some(*at),
                Place::Data(_) => None,
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
            if let Some((number, from)) = self.functions.pop() {
                let at = number as usize;
                if self.reached[at] < reach {
                    self.reached[at] = reach;
                    self.from[at] = from;
                    self.current = Some(number);
                    self.leave(at, reach, resolvers.contains(&at));
                }
            } else if let Some((first, from)) = self.objects.pop() {
                self.current = from;
                self.read(first as usize, reach);
            } else {
                return;
            }
        }
    }

    /// Everything that a function leads to.
    fn leave(&mut self, at: usize, reach: Reach, is_resolver: bool) {
        let (image, links) = (self.image, self.links);
        let Some(division) = self.questions.division(at) else {
            self.calls(links.calls(at).iter().copied(), reach);
            let touches = links.touches(at).iter().copied();
            if is_resolver {
                self.guard(touches);
            } else {
                self.touches(touches, reach);
            }
            return;
        };
        let functions = |calls: &[u64]| -> Vec<_> {
            calls.iter().filter_map(|at| image.function_at(*at)).map(short).collect()
        };
        let places =
            |all: &[u64]| -> Vec<_> { all.iter().filter_map(|at| place(image, *at)).collect() };
        self.calls(functions(&division.open_calls).into_iter(), reach);
        let touches = places(&division.open_touches);
        if is_resolver || lists_functions(&touches) {
            self.guard(touches.into_iter());
        } else {
            self.touches(touches.into_iter(), reach);
        }
        self.guard(places(&division.guarded_calls).into_iter());
        self.guard(places(&division.guarded_touches).into_iter());
    }

    fn calls(&mut self, functions: impl Iterator<Item = u32>, reach: Reach) {
        let more = functions.filter(|at| self.reached[*at as usize] < reach);
        self.functions.extend(more.map(|at| (at, self.current)));
    }

    fn touches(&mut self, places: impl Iterator<Item = Place>, reach: Reach) {
        for place in places {
            match place {
                Place::Function(at) => self.take(at, reach),
                // Data that is read by code that runs in any case leads to what it points to, by a
                // choice that is not visible.
                Place::Data(_) if reach >= Reach::Taken => {
                    self.pointers.push((place, self.current));
                }
                Place::Data(first) => self.objects.push((first, self.current)),
            }
        }
    }

    /// The address of a function is taken.
    fn take(&mut self, at: u32, reach: Reach) {
        if self.reached[at as usize] >= reach || self.chosen.contains(&at) {
            return;
        }
        let start = self.current.map(|at| self.image.functions()[at as usize].start);
        if reach == Reach::Direct && start != self.image.entry {
            self.taken.push((at, self.current));
        } else {
            self.functions.push((at, self.current));
        }
    }

    fn guard(&mut self, places: impl Iterator<Item = Place>) {
        self.guarded.extend(places.map(|place| (place, self.current)));
    }

    /// Everything that a piece of data points to.
    fn read(&mut self, first: usize, reach: Reach) {
        if self.data[first] >= reach {
            return;
        }
        self.data[first] = reach;
        let links = self.links;
        for place in links.pointed(first) {
            match place {
                Place::Function(at) if self.reached[at as usize] < reach => {
                    self.functions.push((at, self.current));
                }
                Place::Data(next) if self.data[next as usize] < reach => {
                    self.objects.push((next, self.current));
                }
                _ => {}
            }
        }
    }
}

/// Whether a function takes the addresses of so many that it sets up a table of variants.
fn lists_functions(places: &[Place]) -> bool {
    let functions = places.iter().filter(|place| matches!(place, Place::Function(_)));
    functions.take(TABLE).count() == TABLE
}

/// Whether a function was made by the compiler as one of several versions.
pub(crate) fn is_version(image: &Image<'_>, at: usize) -> bool {
    image.functions()[at].name.is_some_and(|name| names::is_version(&name.text()))
}
