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
        entry: image.entry.and_then(|entry| {
            image.function_at(entry).filter(|at| image.functions()[*at].start == entry)
        }),
        resolvers: image.resolvers.iter().filter_map(|r| image.function_at(*r)).collect(),
        reached: vec![Reach::Never; functions],
        from: vec![None; functions],
        chosen: BTreeSet::new(),
        current: None,
        data: vec![Reach::Never; image.pointers.entries().len()],
        functions: Waiting::new(functions),
        objects: Vec::new(),
        guarded: Vec::new(),
        pointers: Vec::new(),
        taken: Waiting::new(functions),
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
    /// Hands on the addresses that it takes.
    entry: Option<usize>,
    resolvers: BTreeSet<usize>,
    /// How each function is reached; the strongest ways are followed first, so the first way counts.
    reached: Vec<Reach>,
    from: Vec<Option<u32>>,
    /// How each piece of data is reached, by its first pointer.
    data: Vec<Reach>,
    /// Functions that are reached and not followed yet.
    functions: Waiting,
    objects: Vec<Met<u32>>,
    /// Met behind a question; followed when all that is not is done.
    guarded: Vec<Met<Place>>,
    /// Met through pointers in data.
    pointers: Vec<Met<Place>>,
    /// Functions whose address is taken.
    taken: Waiting,
    /// Functions that resolvers choose from.
    chosen: BTreeSet<u32>,
    /// The function that is being left.
    current: Option<u32>,
}

/// Something, and the function that led to it.
type Met<T> = (T, Option<u32>);

impl Graph<'_, '_> {
    fn run(&mut self) {
        let chosen = self.resolvers.iter().flat_map(|at| chosen_by(self.links, *at));
        self.chosen = chosen.collect();
        let image = self.image;
        let roots = image.roots.iter().filter_map(|root| image.function_at(*root));
        for at in roots.chain(self.resolvers.clone()) {
            self.meet(short(at), Reach::Direct);
        }
        self.drain(Reach::Direct);
        while let Some(at) = self.taken.take() {
            if self.reached[at] == Reach::Never {
                self.reached[at] = Reach::Taken;
                self.functions.add(at);
            }
        }
        self.drain(Reach::Taken);
        let weak = image.weak_roots.iter().filter_map(|root| image.function_at(*root));
        self.pointers.extend(weak.map(|at| (Place::Function(short(at)), None)));
        let data = image.data_roots.iter().filter_map(|root| first_pointer(image, *root));
        self.pointers.extend(data.map(|first| (Place::Data(short(first)), None)));
        let pointers = std::mem::take(&mut self.pointers);
        self.next(pointers, Reach::Pointer);
        // What is reached behind one question may lie before another.
        while !self.guarded.is_empty() {
            let guarded = std::mem::take(&mut self.guarded);
            self.next(guarded, Reach::Guarded);
        }
    }

    fn next(&mut self, waiting: Vec<Met<Place>>, reach: Reach) {
        for (place, from) in waiting {
            self.current = from;
            match place {
                Place::Function(at) => self.meet(at, reach),
                Place::Data(first) => self.objects.push((first, from)),
            }
        }
        self.drain(reach);
    }

    fn drain(&mut self, reach: Reach) {
        loop {
            if let Some(at) = self.functions.take() {
                self.current = Some(short(at));
                self.leave(at, reach);
            } else if let Some((first, from)) = self.objects.pop() {
                self.current = from;
                self.read(first as usize, reach);
            } else {
                return;
            }
        }
    }

    /// A function is reached.
    #[inline]
    fn meet(&mut self, function: u32, reach: Reach) {
        let at = function as usize;
        if self.reached[at] == Reach::Never {
            self.reached[at] = reach;
            self.from[at] = self.current;
            self.functions.add(at);
        }
    }

    /// Everything that a function leads to.
    fn leave(&mut self, at: usize, reach: Reach) {
        let (image, links) = (self.image, self.links);
        let is_resolver = self.resolvers.contains(&at);
        let Some(division) = self.questions.division(at) else {
            let (calls, touches) = links.of(at);
            self.calls(calls.iter().map(|call| call.place()), reach);
            let touches = touches.iter().map(|touch| touch.place());
            if is_resolver {
                self.guard(touches);
            } else {
                self.touches(touches, reach);
            }
            return;
        };
        let places =
            |all: &[u64]| -> Vec<_> { all.iter().filter_map(|at| place(image, *at)).collect() };
        let calls = division.open_calls.iter().filter_map(|at| image.function_at(*at));
        self.calls(calls.map(|at| Place::Function(short(at))), reach);
        let touches = places(&division.open_touches);
        if is_resolver || lists_functions(&touches) {
            self.guard(touches.into_iter());
        } else {
            self.touches(touches.into_iter(), reach);
        }
        self.guard(places(&division.guarded_calls).into_iter());
        self.guard(places(&division.guarded_touches).into_iter());
    }

    fn calls(&mut self, functions: impl Iterator<Item = Place>, reach: Reach) {
        for place in functions {
            if let Place::Function(at) = place {
                self.meet(at, reach);
            }
        }
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
    fn take(&mut self, function: u32, reach: Reach) {
        let at = function as usize;
        if self.reached[at] != Reach::Never || self.chosen.contains(&function) {
            return;
        }
        if reach != Reach::Direct
            || self.entry.is_some_and(|entry| self.current == Some(short(entry)))
        {
            self.meet(function, reach);
        } else if self.taken.add(at) {
            self.from[at] = self.current;
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
                Place::Function(at) => self.meet(at, reach),
                Place::Data(next) if self.data[next as usize] < reach => {
                    self.objects.push((next, self.current));
                }
                Place::Data(_) => {}
            }
        }
    }
}

/// Functions that a resolver chooses from: to take their address elsewhere, as a table of all variants does,
/// runs nothing.
fn chosen_by(links: &Links, resolver: usize) -> impl Iterator<Item = u32> {
    links.of(resolver).1.iter().filter_map(|touch| match touch.place() {
        Place::Function(at) => Some(at),
        Place::Data(_) => None,
    })
}

/// Numbers that wait to be taken, in their order as far as that goes: what is kept of functions lies in the
/// order of their numbers, too, and what lies together is read together.
struct Waiting {
    /// A bit for each.
    words: Vec<u64>,
    /// Where to look for the next.
    next: usize,
    /// How many wait from there on.
    ahead: usize,
    /// How many wait before, and the first of them.
    behind: (usize, usize),
}

impl Waiting {
    fn new(count: usize) -> Self {
        Self { words: vec![0; count.div_ceil(64)], next: 0, ahead: 0, behind: (0, usize::MAX) }
    }

    /// Adds a number; false where it waits already.
    #[inline]
    fn add(&mut self, number: usize) -> bool {
        let (word, bit) = (&mut self.words[number / 64], 1 << (number % 64));
        let is_new = *word & bit == 0;
        *word |= bit;
        if number >= self.next {
            self.ahead += usize::from(is_new);
        } else {
            self.behind.0 += usize::from(is_new);
            self.behind.1 = self.behind.1.min(number);
        }
        is_new
    }

    /// Takes the next number out.
    fn take(&mut self) -> Option<usize> {
        if self.ahead == 0 {
            let (count, first) = std::mem::replace(&mut self.behind, (0, usize::MAX));
            (self.ahead, self.next) = (count, first);
        }
        let mut number = self.next / 64;
        let mut word = self.words.get(number)? & u64::MAX << (self.next % 64);
        while word == 0 {
            number += 1;
            word = *self.words.get(number)?;
        }
        let found = number * 64 + word.trailing_zeros() as usize;
        self.words[number] &= !(1 << (found % 64));
        (self.ahead, self.next) = (self.ahead - 1, found);
        Some(found)
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

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn everything_that_waits_is_taken_once(
            steps in proptest::collection::vec(proptest::option::of(0_usize..300), 0..200),
        ) {
            let (mut waiting, mut expected) = (Waiting::new(300), BTreeSet::new());
            for step in steps {
                if let Some(number) = step {
                    prop_assert_eq!(waiting.add(number), expected.insert(number));
                    continue;
                }
                let taken = waiting.take();
                prop_assert_eq!(taken.is_none(), expected.is_empty());
                prop_assert!(taken.is_none_or(|number| expected.remove(&number)));
            }
        }
    }
}
