//! One pass over all functions: which extensions each needs, where it goes, what it touches.
//!
//! Follows control flow inside of a function's bounds, so data between functions or behind jumps is
//! never taken for code. Does not ask which of it runs; `flow` does.

use rayon::prelude::*;

use crate::decode::needs::{self, SetId};
use crate::decode::{Flow, Step, step};
use crate::feature::Extensions;
use crate::image::{Function, Image, settle_functions};

/// What stands in a function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Body {
    /// Extensions that some instruction in it needs.
    pub(crate) extensions: Extensions,
    /// Where it goes outside of itself: calls and jumps. Sorted.
    pub(crate) calls: Vec<u64>,
    /// Addresses that it touches or takes. Sorted.
    pub(crate) touches: Vec<u64>,
    /// Whether it asks what the processor is.
    pub(crate) identifies: bool,
    /// Whether it compares the stack's canary.
    pub(crate) canary: bool,
    /// Instructions in the encoding of SSE and SSE2.
    pub(crate) old_vector: u32,
    /// Instructions that need an extension.
    pub(crate) extended: u32,
    /// Bytes of instructions.
    pub(crate) decoded: usize,
    /// Whether something in it is no instruction.
    pub(crate) broken: bool,
}

/// Most times that code found by following calls leads to more such code.
const ROUNDS: usize = 12;

/// Scans every function; functions that are only found by following calls are added to the image.
pub(crate) fn scan(image: &mut Image<'_>) -> Vec<Body> {
    let mut bodies = scan_all(image, &image.functions);
    for _ in 0..ROUNDS {
        let found = undiscovered(image, &bodies);
        if found.is_empty() {
            break;
        }
        let mut all: Vec<_> = image.functions.drain(..).zip(bodies).collect();
        let code = std::mem::take(&mut image.code);
        let mut fresh = found;
        settle_functions(&mut fresh, &code);
        image.code = code;
        end_before_next(&mut fresh, &all);
        let scanned = scan_all(image, &fresh);
        let sound = fresh.into_iter().zip(scanned).filter(|(_, body)| !body.broken);
        let before = all.len();
        all.extend(sound);
        let grew = all.len() > before;
        all.sort_by_key(|(function, _)| function.start);
        (image.functions, bodies) = all.into_iter().unzip();
        if !grew {
            break;
        }
    }
    bodies
}

fn scan_all(image: &Image<'_>, functions: &[Function]) -> Vec<Body> {
    functions
        .par_iter()
        .with_min_len(64)
        .map_init(Scratch::default, |scratch, function| scan_one(image, function, scratch))
        .collect()
}

/// A function without a size ends where the next one that is known begins.
fn end_before_next(fresh: &mut [Function], known: &[(Function, Body)]) {
    for function in fresh {
        let after = known.partition_point(|(other, _)| other.start <= function.start);
        if let Some((next, _)) = known.get(after) {
            function.end = function.end.min(next.start);
        }
    }
}

/// Code that something goes to and no table lists.
fn undiscovered(image: &Image<'_>, bodies: &[Body]) -> Vec<Function> {
    let called = bodies.iter().flat_map(|body| body.calls.iter().copied());
    let pointed = image.pointers.values().copied();
    let slots = image.slots.values().filter_map(|slot| match slot {
        crate::image::Slot::Local(target) | crate::image::Slot::Resolved(target) => Some(*target),
        crate::image::Slot::Import(_) => None,
    });
    let roots = image.roots.iter().chain(&image.resolvers).copied();
    let mut targets: Vec<u64> = called.chain(pointed).chain(slots).chain(roots).collect();
    targets.sort_unstable();
    targets.dedup();
    let unknown =
        |target: &u64| image.code_at(*target).is_some() && image.function_at(*target).is_none();
    let function =
        |start| Function { start, end: start, name: None, bounded: false, discovered: true };
    targets.into_iter().filter(unknown).map(function).collect()
}

/// Memory that is used again from function to function.
#[derive(Default)]
struct Scratch {
    /// A bit for each byte: an instruction begins there.
    begun: Vec<u64>,
    pending: Vec<usize>,
    sets: [u64; 4],
}

impl Scratch {
    fn reset(&mut self, bytes: usize) {
        self.begun.clear();
        self.begun.resize(bytes / 64 + 1, 0);
        self.pending.clear();
        self.sets = [0; 4];
    }

    /// Marks a place; true where it was not marked before.
    fn begin(&mut self, at: usize) -> bool {
        let (word, bit) = (at / 64, 1_u64 << (at % 64));
        let fresh = self.begun[word] & bit == 0;
        self.begun[word] |= bit;
        fresh
    }

    fn is_begun(&self, at: usize) -> bool {
        self.begun.get(at / 64).is_some_and(|word| word >> (at % 64) & 1 == 1)
    }

    fn needs(&mut self, set: SetId) {
        self.sets[usize::from(set >> 6)] |= 1 << (set & 63);
    }

    fn extensions(&self) -> Extensions {
        let ids = (2..=u8::MAX).filter(|id| self.sets[usize::from(id >> 6)] >> (id & 63) & 1 == 1);
        ids.map(needs::set_of).fold(Extensions::NONE, Extensions::union)
    }
}

/// The function's bytes, none of the next one's.
pub(crate) fn bytes_of<'i>(image: &'i Image<'_>, function: &Function) -> &'i [u8] {
    let region = image.code_at(function.start);
    let bytes = region.and_then(|region| region.from(function.start)).unwrap_or_default();
    let length = usize::try_from(function.end.saturating_sub(function.start)).unwrap_or(usize::MAX);
    &bytes[..bytes.len().min(length)]
}

fn scan_one(image: &Image<'_>, function: &Function, scratch: &mut Scratch) -> Body {
    let code = bytes_of(image, function);
    let mut scan = Scan { image, function, code, body: Body::default(), jumps_by_table: false };
    scratch.reset(code.len());
    scratch.pending.push(0);
    scan.follow(scratch);
    if scan.jumps_by_table {
        scan.fill_gaps(scratch);
    }
    let mut body = scan.body;
    body.extensions = scratch.extensions();
    for list in [&mut body.calls, &mut body.touches] {
        list.sort_unstable();
        list.dedup();
    }
    body
}

/// Where each instruction of a function begins, counted from its start.
pub(crate) fn instructions(image: &Image<'_>, function: &Function) -> Vec<usize> {
    let mut scratch = Scratch::default();
    scan_one(image, function, &mut scratch);
    let length = bytes_of(image, function).len();
    (0..length).filter(|at| scratch.is_begun(*at)).collect()
}

struct Scan<'i, 'a> {
    image: &'i Image<'a>,
    function: &'i Function,
    code: &'i [u8],
    body: Body,
    /// It jumps to where a register says: there is a table of targets.
    jumps_by_table: bool,
}

impl Scan<'_, '_> {
    fn follow(&mut self, scratch: &mut Scratch) {
        while let Some(mut at) = scratch.pending.pop() {
            while at < self.code.len() && scratch.begin(at) {
                let Some(step) = step(self.code, at, self.function.start) else {
                    self.body.broken = true;
                    break;
                };
                if !self.take(&step, scratch) {
                    break;
                }
                at += step.length;
            }
        }
    }

    /// Notes what an instruction does; false where control does not go on to the next.
    #[inline]
    fn take(&mut self, step: &Step, scratch: &mut Scratch) -> bool {
        self.body.decoded += step.length;
        if step.set > needs::BASELINE {
            scratch.needs(step.set);
            self.body.extended += 1;
        }
        self.body.old_vector += u32::from(step.old_vector);
        self.body.canary |= step.canary;
        if step.near != 0 {
            self.body.touches.push(step.near);
        }
        if step.fixed != 0 && self.image.is_fixed && self.is_address(step.fixed) {
            self.body.touches.push(step.fixed);
        }
        match step.flow {
            Flow::Next | Flow::CallIndirect => true,
            Flow::Identify => {
                self.body.identifies = true;
                true
            }
            Flow::Branch(target) => {
                self.go(target, scratch);
                true
            }
            Flow::Jump(target) => {
                self.go(target, scratch);
                false
            }
            Flow::Call(target) => {
                self.body.calls.push(target);
                true
            }
            Flow::JumpIndirect => {
                self.jumps_by_table |= step.near == 0;
                false
            }
            Flow::Stop => false,
        }
    }

    fn go(&mut self, target: u64, scratch: &mut Scratch) {
        let inside =
            target.checked_sub(self.function.start).and_then(|at| usize::try_from(at).ok());
        match inside.filter(|at| *at < self.code.len()) {
            Some(at) if scratch.is_begun(at) => {}
            Some(at) => scratch.pending.push(at),
            None => self.body.calls.push(target),
        }
    }

    fn is_address(&self, value: u64) -> bool {
        self.image.code_at(value).is_some() || self.image.data_at(value).is_some()
    }

    /// Behind a jump by table the cases stand one after another. A gap is code if it reads as code up
    /// to the very place where known code goes on, and no table stands in the code itself.
    fn fill_gaps(&mut self, scratch: &mut Scratch) {
        let holds_data = |address: &u64| {
            self.image.code_at(*address).is_some() && self.image.function_at(*address).is_none()
        };
        if !self.function.bounded || self.body.touches.iter().any(holds_data) {
            return;
        }
        let mut at = 0;
        while at < self.code.len() {
            if scratch.is_begun(at) {
                at += step(self.code, at, self.function.start).map_or(1, |step| step.length);
                continue;
            }
            if let Some(end) = self.gap(at, scratch) {
                scratch.pending.push(at);
                self.follow(scratch);
                at = if scratch.is_begun(at) { at } else { end };
            } else {
                self.body.broken = true;
                at = self.next_begun(at, scratch);
            }
        }
    }

    /// Where a gap ends, if it reads as code.
    fn gap(&self, from: usize, scratch: &Scratch) -> Option<usize> {
        let mut at = from;
        while at < self.code.len() && !scratch.is_begun(at) {
            at += step(self.code, at, self.function.start)?.length;
        }
        let lands = at == self.code.len() || scratch.is_begun(at);
        let skips = (from..at).any(|place| scratch.is_begun(place));
        (lands && !skips).then_some(at)
    }

    fn next_begun(&self, from: usize, scratch: &Scratch) -> usize {
        (from + 1..self.code.len()).find(|at| scratch.is_begun(*at)).unwrap_or(self.code.len())
    }
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::image::Region;

    fn image(code: &[u8], functions: Vec<Function>) -> Image<'static> {
        let region = Region { address: 0x1000, bytes: Cow::Owned(code.to_vec()) };
        let mut image = Image { code: vec![region], functions, ..Image::default() };
        image.settle();
        image
    }

    fn function(start: u64, end: u64) -> Function {
        Function { start, end, name: None, bounded: true, discovered: false }
    }

    #[test]
    fn data_behind_a_return_is_not_code() {
        // ret; then bytes that read as femms and as XOP's vprotd.
        let code = [0xc3, 0x0f, 0x0e, 0x8f, 0xe8, 0x78, 0xc2, 0xec, 0x0e];
        let mut image = image(&code, vec![function(0x1000, 0x1009)]);
        let bodies = scan(&mut image);
        assert!(bodies[0].extensions.is_empty());
        assert_eq!(bodies[0].decoded, 1);
    }

    #[test]
    fn what_is_called_and_not_listed_is_found() {
        // call +1; ret; (a byte of data) popcnt eax, ecx; ret
        let code = [0xe8, 2, 0, 0, 0, 0xc3, 0x06, 0xf3, 0x0f, 0xb8, 0xc1, 0xc3];
        let mut image = image(&code, vec![function(0x1000, 0x1006)]);
        let bodies = scan(&mut image);
        assert_eq!(image.functions.len(), 2);
        assert_eq!(image.functions[1].start, 0x1007);
        assert_eq!(bodies[1].extensions.to_string(), "popcnt");
        assert_eq!(bodies[0].calls, [0x1007]);
    }

    #[test]
    fn what_is_found_and_reads_as_no_code_is_left_out() {
        let code = [0xe8, 1, 0, 0, 0, 0xc3, 0x06, 0x06];
        let mut image = image(&code, vec![function(0x1000, 0x1006)]);
        assert_eq!(scan(&mut image).len(), 1);
    }

    #[test]
    fn cases_behind_a_jump_by_table_are_code() {
        // jmp rax; case: popcnt eax, ecx; ret; case: ret
        let code = [0xff, 0xe0, 0xf3, 0x0f, 0xb8, 0xc1, 0xc3, 0xc3];
        let mut image = image(&code, vec![function(0x1000, 0x1008)]);
        let bodies = scan(&mut image);
        assert_eq!(bodies[0].extensions.to_string(), "popcnt");
        assert!(!bodies[0].broken);
        // The same with a gap that is no code.
        let code = [0xff, 0xe0, 0xf3, 0x0f, 0xb8, 0xc1, 0xc3, 0x06];
        let mut image = self::image(&code, vec![function(0x1000, 0x1008)]);
        assert!(scan(&mut image)[0].extensions.is_empty());
    }
}
