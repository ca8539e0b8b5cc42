//! What follows for each extension: needed, contained behind a question, or not to be decided.
//!
//! Does not look at code.

use super::Questions;
use super::links::{Links, Packed, Place};
use super::reach::{Reach, is_version, reach};
use std::collections::BTreeSet;

use rayon::prelude::*;

use crate::feature::Extensions;
use crate::image::{Image, names};
use crate::scan::Body;

/// How an extension stands in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Standing {
    /// Used by code that runs on every processor.
    Needed,
    /// Used only behind run-time dispatch.
    Dispatched,
    /// Not to be decided.
    Unknown,
}

/// Why.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Reason {
    /// Reached by calls, without a question.
    Reached,
    /// Reached through pointers, in a file that never asks about the processor.
    NeverAsked,
    /// Every way to it leads past a question.
    Guarded,
    /// Its name says for which processors it is, and the file asks.
    Named,
    /// An exported function for callers that asked themselves.
    Offered,
    /// Only reached through pointers, in a file whose other code does without.
    OthersDoWithout,
    /// Most uses are behind questions; for this one none was found.
    FewWithout,
    /// Go's compiler was told to write for a lower level, and no call leads to this.
    Compiler,
    /// Nothing that was found leads to it.
    Unreached,
    /// Only reached through pointers, in a file too small to tell.
    Pointers,
}

/// A use of extensions in a function.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) function: usize,
    pub(crate) extensions: Extensions,
    pub(crate) standing: Standing,
    pub(crate) reason: Reason,
}

/// Everything that was found out about code.
pub(crate) struct Judgement {
    pub(crate) uses: Vec<Use>,
    pub(crate) needed: Extensions,
    pub(crate) dispatched: Extensions,
    pub(crate) unknown: Extensions,
    /// Whether the file asks about the processor.
    pub(crate) asks: bool,
    /// Functions that run in any case.
    pub(crate) direct: usize,
    /// Which function led to each.
    pub(crate) from: Vec<Option<u32>>,
}

/// So many functions that run in any case and do without an extension show that the file was not
/// compiled for it.
const MANY: usize = 50;

/// Judges a file, and does something else meanwhile: what leads where is followed on one core.
pub(crate) fn judge<T: Send>(
    image: &Image<'_>,
    bodies: &[Body],
    meanwhile: impl FnOnce() -> T + Send,
) -> (Judgement, T) {
    if bodies.iter().all(|body| body.extensions.is_empty()) {
        let judgement = Judgement {
            uses: Vec::new(),
            needed: Extensions::NONE,
            dispatched: Extensions::NONE,
            unknown: Extensions::NONE,
            asks: bodies.iter().any(|body| body.identifies),
            direct: bodies.len(),
            from: Vec::new(),
        };
        return (judgement, meanwhile());
    }
    let (mut questions, links) =
        rayon::join(|| Questions::find(image, bodies), || Links::new(image, bodies));
    let (judgement, done) = rayon::join(|| by(image, bodies, &links, &questions), meanwhile);
    let users = callers(&links, bodies.len(), &judgement);
    if questions.follow_fields(image, bodies, users) {
        return (by(image, bodies, &links, &questions), done);
    }
    (judgement, done)
}

/// Calls that lead to a use are followed backwards so far for questions to structures.
const DEPTH: usize = 4;
/// A file in which one in so many functions needs an extension was compiled for it.
const FEW: usize = 4;

/// Functions from which needed extensions are reached by a few calls, where these are few: there may
/// be a question to a structure between.
fn callers(links: &Links, functions: usize, judgement: &Judgement) -> BTreeSet<usize> {
    let needing = judgement.uses.iter().filter(|one| one.standing == Standing::Needed);
    let mut edge: BTreeSet<usize> = needing.map(|one| one.function).collect();
    if !judgement.asks || edge.is_empty() || edge.len() > judgement.direct / FEW + 8 {
        return BTreeSet::new();
    }
    let mut all = edge.clone();
    for _ in 0..DEPTH {
        let is_edge = |call: &Packed| match call.place() {
            Place::Function(called) => edge.contains(&(called as usize)),
            Place::Data(_) => false,
        };
        let calls_edge = |at: &usize| links.of(*at).0.iter().any(is_edge);
        let next: BTreeSet<usize> = (0..functions)
            .into_par_iter()
            .filter(|at| !all.contains(at) && calls_edge(at))
            .collect();
        all.extend(&next);
        edge = next;
    }
    all
}

fn by(image: &Image<'_>, bodies: &[Body], links: &Links, questions: &Questions) -> Judgement {
    let reached = reach(image, links, questions);
    let direct = reached.how.iter().filter(|reach| **reach >= Reach::Taken).count();
    let mut first = Vec::new();
    for (at, body) in bodies.iter().enumerate().filter(|(_, body)| !body.extensions.is_empty()) {
        let (open, guarded) = match questions.division(at) {
            Some(division) => (division.open, division.guarded.without(division.open)),
            None => (body.extensions, Extensions::NONE),
        };
        let open = if body.identifies { open.without(Extensions::probed()) } else { open };
        if !guarded.is_empty() {
            first.push((at, guarded, Standing::Dispatched, Reason::Guarded));
        }
        let offered = open.and(Extensions::by_name_only());
        let is_offer = is_exported(image, at);
        let open = if (is_offer || questions.asks) && !offered.is_empty() {
            first.push((at, offered, Standing::Dispatched, Reason::Offered));
            open.without(offered)
        } else {
            open
        };
        let beyond = beyond_go(image, open, reached.how[at]);
        if !beyond.is_empty() {
            first.push((at, beyond, Standing::Dispatched, Reason::Compiler));
        }
        let open = open.without(beyond);
        if !open.is_empty() {
            let (standing, reason) = one(image, at, reached.how[at], questions.asks);
            first.push((at, open, standing, reason));
        }
    }
    let mut judgement = settle(image, first, questions, direct);
    judgement.from = reached.from;
    judgement
}

/// Whether others may call a function.
fn is_exported(image: &Image<'_>, at: usize) -> bool {
    image.roots.binary_search(&image.functions()[at].start).is_ok()
}

/// What Go's compiler did not write, where no call is seen that leads to it.
fn beyond_go(image: &Image<'_>, open: Extensions, reach: Reach) -> Extensions {
    match image.go_level {
        Some(level) if reach != Reach::Direct => open.without(Extensions::of_level(level)),
        _ => Extensions::NONE,
    }
}

/// How the unguarded part of a function stands, as far as it can be said without the others.
fn one(image: &Image<'_>, at: usize, reach: Reach, asks: bool) -> (Standing, Reason) {
    if is_version(image, at) {
        return (Standing::Dispatched, Reason::Named);
    }
    let named = (asks || image.is_relocatable)
        && image.functions()[at].name.is_some_and(|name| names::says_extension(&name.text()));
    match reach {
        Reach::Guarded => (Standing::Dispatched, Reason::Guarded),
        _ if named => (Standing::Dispatched, Reason::Named),
        Reach::Direct => (Standing::Needed, Reason::Reached),
        _ if image.is_go => (Standing::Needed, Reason::Reached),
        _ if !asks => (Standing::Needed, Reason::NeverAsked),
        // Where code stands at fixed places, not every pointer to it is seen.
        Reach::Never if !image.is_fixed => (Standing::Dispatched, Reason::Unreached),
        _ => (Standing::Unknown, Reason::Pointers),
    }
}

/// A file with so many functions behind questions is built around them.
const DISPATCHED: usize = 20;

/// Extensions that so few functions use without a question that the file was not compiled for them;
/// and those of them whose uses are mostly behind questions, so that a question which was not
/// recognised is as likely as a need.
fn few_and_doubtful(
    first: &[(usize, Extensions, Standing, Reason)],
    direct: usize,
) -> (Extensions, Extensions) {
    let all = first.iter().fold(Extensions::NONE, |set, (_, one, _, _)| set.union(*one));
    let count = |extension: Extensions, wanted: Standing| {
        first
            .iter()
            .filter(|(_, one, standing, _)| *standing == wanted && !one.and(extension).is_empty())
            .count()
    };
    let elsewhere = first.iter().filter(|one| one.2 == Standing::Dispatched).count();
    let (mut few, mut doubtful) = (Extensions::NONE, Extensions::NONE);
    for extension in all.each() {
        let needed = count(extension, Standing::Needed);
        if needed * MANY >= direct {
            continue;
        }
        few = few.union(extension);
        if needed < count(extension, Standing::Dispatched)
            || elsewhere >= DISPATCHED && needed * 4 < elsewhere
        {
            doubtful = doubtful.union(extension);
        }
    }
    (few, doubtful)
}

fn settle(
    image: &Image<'_>,
    mut first: Vec<(usize, Extensions, Standing, Reason)>,
    questions: &Questions,
    direct: usize,
) -> Judgement {
    let (few, doubtful) = few_and_doubtful(&first, direct);
    let mut doubted = Vec::new();
    for (at, extensions, standing, _) in &mut first {
        let is_offer = questions.asks && is_exported(image, *at);
        let some = extensions.and(if is_offer { few } else { doubtful });
        if *standing == Standing::Needed && !some.is_empty() {
            *extensions = extensions.without(some);
            let (standing, reason) = if is_offer {
                (Standing::Dispatched, Reason::Offered)
            } else {
                (Standing::Unknown, Reason::FewWithout)
            };
            doubted.push(Use { function: *at, extensions: some, standing, reason });
        }
    }
    first.retain(|(_, extensions, _, _)| !extensions.is_empty());
    let all = |wanted: Standing| {
        let matching = first.iter().filter(|(_, _, standing, _)| *standing == wanted);
        matching.fold(Extensions::NONE, |set, (_, extensions, _, _)| set.union(*extensions))
    };
    let needed = all(Standing::Needed);
    let mut uses = doubted;
    for (function, extensions, standing, reason) in first {
        if standing != Standing::Unknown {
            uses.push(Use { function, extensions, standing, reason });
            continue;
        }
        // What other code needs anyway, code behind pointers may need too.
        let shared = extensions.and(needed);
        let rest = extensions.without(needed);
        if !shared.is_empty() {
            uses.push(Use {
                function,
                extensions: shared,
                standing: Standing::Needed,
                reason: Reason::Reached,
            });
        }
        if !rest.is_empty() {
            let (standing, reason) = if direct >= MANY {
                (Standing::Dispatched, Reason::OthersDoWithout)
            } else {
                (standing, reason)
            };
            uses.push(Use { function, extensions: rest, standing, reason });
        }
    }
    let sum = |wanted: Standing| {
        let matching = uses.iter().filter(|one| one.standing == wanted);
        matching.fold(Extensions::NONE, |set, one| set.union(one.extensions))
    };
    let unknown = sum(Standing::Unknown).without(needed);
    let dispatched = sum(Standing::Dispatched).without(needed).without(unknown);
    Judgement { needed, unknown, dispatched, asks: questions.asks, direct, from: Vec::new(), uses }
}
