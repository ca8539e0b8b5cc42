//! One pass over all functions: which extensions each needs, where it goes, what it touches.
//!
//! Follows control flow inside of a function's bounds, so data between functions or behind jumps is
//! never taken for code. Does not ask which of it runs; `flow` does.

mod scratch;

use std::ops::Range;
use std::sync::Arc;

use rayon::prelude::*;

use crate::decode::needs;
use crate::decode::quick;
use crate::decode::{Flow, Step, step};
use crate::feature::Extensions;
use crate::image::addresses::insert_all;
use crate::image::merge::merged;
use crate::image::{Function, Image, Slot};
use scratch::Scratch;

/// What stands in a function.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Body {
    /// Extensions that some instruction in it needs.
    pub(crate) extensions: Extensions,
    /// Addresses of several functions, its own among them: a list for each would be most of all memory
    /// that is asked for.
    addresses: Arc<[u64]>,
    /// Where its calls and jumps begin among the addresses, where what it touches begins, and the end.
    own: [u32; 3],
    /// Whether it asks what the processor is.
    pub(crate) identifies: bool,
    /// Whether it compares the stack's canary.
    pub(crate) canary: bool,
    /// Bytes of instructions.
    pub(crate) decoded: u32,
    /// Whether something in it is no instruction.
    pub(crate) broken: bool,
}

impl Body {
    /// Where it goes outside of itself: calls and jumps.
    pub(crate) fn calls(&self) -> &[u64] {
        &self.addresses[self.own[0] as usize..self.own[1] as usize]
    }

    /// Addresses that it touches or takes.
    pub(crate) fn touches(&self) -> &[u64] {
        &self.addresses[self.own[1] as usize..self.own[2] as usize]
    }
}

/// Functions that follow each other and share a list of addresses, with all of these.
pub(crate) fn neighbours(bodies: &[Body]) -> Vec<(Range<usize>, &[u64])> {
    let mut first = 0;
    let together = bodies.chunk_by(|one, next| Arc::ptr_eq(&one.addresses, &next.addresses));
    let neighbours = together.map(|bodies| {
        let range = first..first + bodies.len();
        first = range.end;
        (range, &*bodies[0].addresses)
    });
    neighbours.collect()
}

/// Most times that code found by following calls leads to more such code.
const ROUNDS: usize = 12;

/// Scans every function; functions that are only found by following calls are added to the image.
pub(crate) fn scan(image: &mut Image<'_>) -> Vec<Body> {
    let (bodies, mut targets) = scan_all(image, image.functions());
    targets.par_extend(listed(image).filter(|target| is_unlisted(image, *target)));
    let mut discovered = Vec::new();
    for _ in 0..ROUNDS {
        if targets.is_empty() {
            break;
        }
        let (mut found, _) = merged(Vec::new(), &[beginning_at(targets)], &image.code);
        for function in &mut found {
            // A function without a size ends where the next one that is known begins.
            function.end = function.end.min(image.next_start(function.start));
        }
        let (scanned, _) = scan_all(image, &found);
        let sound: Vec<_> =
            found.into_iter().zip(scanned).filter(|(_, body)| !body.broken).collect();
        let (fresh, fresh_bodies): (Vec<_>, Vec<_>) = sound.into_iter().unzip();
        if fresh.is_empty() {
            break;
        }
        image.discover(&fresh);
        targets = fresh_bodies.iter().flat_map(|body| unlisted(image, body)).collect();
        discovered.extend(fresh.into_iter().zip(fresh_bodies));
    }
    with_discovered(image, bodies, discovered)
}

/// Puts functions that were discovered, and their bodies, among the others.
fn with_discovered<'a>(
    image: &mut Image<'a>,
    mut bodies: Vec<Body>,
    mut discovered: Vec<(Function<'a>, Body)>,
) -> Vec<Body> {
    if discovered.is_empty() {
        return bodies;
    }
    discovered.sort_by_key(|(function, _)| function.start);
    let known = image.functions();
    let after = |function: &Function<'_>| known.partition_point(|one| one.start <= function.start);
    let places: Vec<usize> = discovered.iter().map(|(function, _)| after(function)).collect();
    let (functions, more): (Vec<_>, Vec<_>) = discovered.into_iter().unzip();
    rayon::join(|| image.insert(&places, functions), || insert_all(&mut bodies, &places, more));
    bodies
}

/// Functions that are scanned together, at least and at most: enough parts for all cores, and few lists.
const TOGETHER: (usize, usize) = (64, 1024);

/// What stands in functions, and code that they go to and no table lists.
fn scan_all(image: &Image<'_>, functions: &[Function<'_>]) -> (Vec<Body>, Vec<u64>) {
    // Some more will be discovered.
    let mut bodies = Vec::with_capacity(functions.len() + functions.len() / 32);
    // To touch this memory for the first time takes a while, and as little as possible of it on one core.
    bodies.par_extend(rayon::iter::repeat_n(Body::default(), functions.len()));
    let together = (functions.len() / 128).clamp(TOGETHER.0, TOGETHER.1);
    let parts = functions.par_chunks(together).zip(bodies.par_chunks_mut(together));
    let unlisted = parts.map_init(Scratch::default, |scratch, (functions, bodies)| {
        for (function, body) in functions.iter().zip(&mut *bodies) {
            *body = scan_one(image, function, scratch);
        }
        let addresses: Arc<[u64]> = scratch.addresses.as_slice().into();
        scratch.addresses.clear();
        for body in &mut *bodies {
            body.addresses = Arc::clone(&addresses);
        }
        bodies.iter().flat_map(|body| unlisted(image, body)).collect::<Vec<_>>()
    });
    let unlisted = unlisted.flatten_iter().collect();
    (bodies, unlisted)
}

/// Fewest addresses that are worth another thread.
const ADDRESSES: usize = 4096;

/// Where tables of the file say that code may be.
fn listed(image: &Image<'_>) -> impl ParallelIterator<Item = u64> {
    let pointed = image.pointers.entries().par_iter().with_min_len(ADDRESSES);
    let slots = image.slots.entries().iter().filter_map(|(_, slot)| match slot {
        Slot::Local(target) | Slot::Resolved(target) => Some(*target),
        Slot::Import(_) => None,
    });
    let roots = image.roots.iter().chain(&image.resolvers).copied();
    let others: Vec<u64> = slots.chain(roots).collect();
    pointed.map(|(_, target)| *target).chain(others.into_par_iter().with_min_len(ADDRESSES))
}

/// Code that a function goes to and no table lists.
fn unlisted<'i>(image: &'i Image<'_>, body: &'i Body) -> impl Iterator<Item = u64> {
    body.calls().iter().copied().filter(|target| is_unlisted(image, *target))
}

fn is_unlisted(image: &Image<'_>, target: u64) -> bool {
    !image.is_in_function(target) && image.code_at(target).is_some()
}

/// Functions that begin somewhere and end nobody knows where.
fn beginning_at(mut starts: Vec<u64>) -> Vec<Function<'static>> {
    starts.sort_unstable();
    starts.dedup();
    let function = |start| Function { start, end: start, discovered: true, ..Function::default() };
    starts.into_iter().map(function).collect()
}

/// The function's bytes, none of the next one's.
pub(crate) fn bytes_of<'i>(image: &'i Image<'_>, function: &Function<'_>) -> &'i [u8] {
    let ahead = image.code_from(function.start);
    let length = usize::try_from(function.end.saturating_sub(function.start)).unwrap_or(usize::MAX);
    &ahead[..ahead.len().min(length)]
}

/// Scans a function. Its addresses are added to those of the functions before it.
fn scan_one(image: &Image<'_>, function: &Function<'_>, scratch: &mut Scratch) -> Body {
    let code = bytes_of(image, function);
    scratch.reset(code.len());
    let mut scan = Scan {
        image,
        start: function.start,
        code,
        ahead: image.code_from(function.start),
        addresses: image.addresses(),
        body: Body::default(),
        scratch,
        jumps_by_table: false,
    };
    scan.scratch.want(0);
    scan.follow();
    if scan.jumps_by_table && function.bounded {
        scan.fill_gaps();
    }
    let mut body = scan.body;
    body.extensions = scratch.extensions();
    let Scratch { calls, touches, addresses, .. } = scratch;
    body.own[0] = saturated(addresses.len());
    for (list, end) in [calls, touches].into_iter().zip([1, 2]) {
        addresses.extend_from_slice(list.take());
        body.own[end] = saturated(addresses.len());
    }
    body
}

fn saturated(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Where instructions of a function begin, a bit for each of its bytes.
pub(crate) fn instructions(image: &Image<'_>, function: &Function<'_>) -> Vec<u64> {
    let mut scratch = Scratch::default();
    scan_one(image, function, &mut scratch);
    scratch.bits()
}

struct Scan<'i, 'a> {
    image: &'i Image<'a>,
    start: u64,
    code: &'i [u8],
    /// The function's bytes and those behind it, of which the decoder wants to see some.
    ahead: &'i [u8],
    /// Other numbers in code are no addresses.
    addresses: Range<u64>,
    body: Body,
    scratch: &'i mut Scratch,
    /// It jumps to where a register says: there is a table of targets.
    jumps_by_table: bool,
}

impl Scan<'_, '_> {
    /// Reads everything that is wanted, in the order of addresses as far as that goes.
    fn follow(&mut self) {
        let mut after = 0;
        while let Some(at) = self.scratch.next_wanted(after).or_else(|| self.scratch.next_wanted(0))
        {
            after = self.run(at);
            self.scratch.runs.push((at, after));
            self.body.decoded = self.body.decoded.saturating_add(saturated(after - at));
        }
    }

    /// Reads instructions until control does not go on to the next, or that one was read before; one
    /// past the last.
    fn run(&mut self, from: usize) -> usize {
        let (mut at, size) = (from, self.code.len());
        loop {
            let limit = self.scratch.next_begun(at);
            let Scratch { begun, leads, .. } = &mut *self.scratch;
            let begun = &mut begun[..limit];
            let end = if self.image.is_fixed {
                quick::read::<true>(self.ahead, &mut at, begun, leads)
            } else {
                quick::read::<false>(self.ahead, &mut at, begun, leads)
            };
            self.scratch.frontier =
                self.scratch.frontier.max(at + usize::from(end == quick::End::Unread));
            self.take_leads();
            let goes_on = match end {
                quick::End::Paused => at < size && !self.scratch.is_begun(at),
                quick::End::Gone => false,
                quick::End::Unread => self.step(&mut at),
            };
            if at > size {
                self.body.broken = true;
            }
            if !goes_on || at >= size {
                return at.min(size);
            }
            if self.scratch.is_begun(at) {
                return at;
            }
        }
    }

    /// Reads an instruction of the other kind; false where control does not go on behind it.
    fn step(&mut self, at: &mut usize) -> bool {
        let Some(step) = step(self.code, *at, self.start) else {
            self.body.broken = true;
            return false;
        };
        *at += step.length;
        self.take(&step)
    }

    /// Notes where instructions lead. What kind each is of cannot be foreseen, so that nothing branches by it.
    fn take_leads(&mut self) {
        let Scratch { wanted, leads, calls, touches, .. } = &mut *self.scratch;
        let (leads, size) = (leads.take(), self.code.len());
        let (mut calls, mut touches) = (calls.room(leads.len()), touches.room(leads.len()));
        for lead in leads {
            let (end, number) = (lead.end(), lead.number(self.ahead));
            if end > size {
                break;
            }
            let to = end.wrapping_add_signed(number as isize);
            let target = self.start.wrapping_add(to as u64);
            let is_inside = lead.is_jump() && to < size;
            let place = if is_inside { to } else { 0 };
            wanted[place / 64] |= u64::from(is_inside) << (place % 64);
            calls.push(target, lead.is_call() || lead.is_jump() && !is_inside);
            touches.push(target, lead.is_touch());
            let value = u64::from(number.cast_unsigned());
            if lead.is_number() && self.addresses.contains(&value) && is_address(self.image, value)
            {
                touches.push(value, true);
            }
        }
    }

    /// Notes what an instruction does; false where control does not go on to the next.
    fn take(&mut self, step: &Step) -> bool {
        if step.set > needs::BASELINE {
            self.scratch.needs(step.set);
        }
        self.body.canary |= step.canary;
        if step.near != 0 {
            self.scratch.touches.push(step.near);
        }
        let may_be_address = self.image.is_fixed && self.addresses.contains(&step.fixed);
        if may_be_address && is_address(self.image, step.fixed) {
            self.scratch.touches.push(step.fixed);
        }
        self.flow(step.flow, step.near != 0)
    }

    /// Notes where control goes, which may be where a word near the code says; false where it is not
    /// the next instruction.
    #[inline]
    fn flow(&mut self, flow: Flow, by_near: bool) -> bool {
        match flow {
            Flow::Next | Flow::CallIndirect => true,
            Flow::Identify => {
                self.body.identifies = true;
                true
            }
            Flow::Branch(target) => {
                self.go(target);
                true
            }
            Flow::Jump(target) => {
                self.go(target);
                false
            }
            Flow::Call(target) => {
                self.scratch.calls.push(target);
                true
            }
            Flow::JumpIndirect => {
                self.jumps_by_table |= !by_near;
                false
            }
            Flow::Stop => false,
        }
    }

    #[inline]
    fn go(&mut self, target: u64) {
        match self.inside(target) {
            Some(at) => self.scratch.want(at),
            None => self.scratch.calls.push(target),
        }
    }

    fn inside(&self, target: u64) -> Option<usize> {
        let at = usize::try_from(target.checked_sub(self.start)?).ok()?;
        (at < self.code.len()).then_some(at)
    }

    /// Behind a jump by table the cases stand one after another. A gap is code if it reads as code up
    /// to the very place where known code goes on, and no table stands in the code itself.
    fn fill_gaps(&mut self) {
        let holds_data = |address: &u64| match self.inside(*address) {
            Some(at) => !self.scratch.is_begun(at),
            None => !self.image.is_in_function(*address) && self.image.code_at(*address).is_some(),
        };
        if self.scratch.touches.all().iter().any(holds_data) {
            return;
        }
        for (from, to) in self.scratch.gaps(self.code.len()) {
            let from = from + self.padding(from, to);
            // What an earlier gap led to may have filled this one.
            if from == to || self.scratch.is_begun(from) {
                continue;
            }
            if self.reads_as_code(from, to) {
                self.scratch.want(from);
                self.follow();
            } else {
                self.body.broken = true;
            }
        }
    }

    /// Bytes of instructions that only fill up, at the beginning of a gap.
    fn padding(&self, from: usize, to: usize) -> usize {
        let mut at = from;
        while at < to {
            let prefixes = self.code[at..to].iter().take_while(|byte| matches!(byte, 0x66 | 0x2e));
            let fills = match self.code[at + prefixes.count()..to] {
                [0x90 | 0xcc, ..] | [0x0f, 0x1f, ..] => step(self.code, at, self.start),
                _ => None,
            };
            match fills {
                Some(step) => at += step.length,
                None => break,
            }
        }
        at.min(to) - from
    }

    /// Whether instructions fill a gap to its end.
    fn reads_as_code(&mut self, from: usize, to: usize) -> bool {
        let mut at = from;
        let Scratch { gap, leads, .. } = &mut *self.scratch;
        gap.resize(gap.len().max(to), 0);
        while at < to {
            let end = quick::read::<false>(self.ahead, &mut at, &mut gap[..to], leads);
            leads.take();
            if end == quick::End::Unread {
                at += step(self.code, at, self.start).map_or(self.code.len(), |step| step.length);
            }
        }
        at == to
    }
}

fn is_address(image: &Image<'_>, value: u64) -> bool {
    image.code_at(value).is_some() || image.data_at(value).is_some()
}

#[cfg(test)]
mod tests {
    use std::borrow::Cow;

    use super::*;
    use crate::image::Region;

    fn image(code: &[u8], functions: Vec<Function<'static>>) -> Image<'static> {
        let region = Region { address: 0x1000, bytes: Cow::Owned(code.to_vec()) };
        let mut image = Image::default();
        image.code.push(region);
        image.settle(&[functions]);
        image
    }

    fn function(start: u64, end: u64) -> Function<'static> {
        Function { start, end, bounded: true, ..Function::default() }
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
        assert_eq!(image.functions().len(), 2);
        assert_eq!(image.functions()[1].start, 0x1007);
        assert_eq!(bodies[1].extensions.to_string(), "popcnt");
        assert_eq!(bodies[0].calls(), [0x1007]);
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
