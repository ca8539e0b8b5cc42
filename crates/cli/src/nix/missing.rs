//! What a store lacks for something: what must be built, and what substituters give.
//!
//! What a substituter lists and does not give (it is not signed, or its file is gone) is built where a
//! derivation makes it, as Nix itself does. Does not plan.

use std::collections::{BTreeSet, HashMap, HashSet};
use std::path::Path;

use ironwright_core::nix::facts::Facts;
use ironwright_core::nix::installable::Wanted;
use ironwright_core::nix::protocol::{Incoming, Request, built};
use ironwright_host::nix::{Store, read_closures};

use super::prepare::tell;
use crate::error::CliError;

/// What is not there.
#[derive(Debug, Default)]
pub(super) struct Missing {
    /// Derivations that must be built.
    pub(super) build: Vec<String>,
    /// Paths that substituters list.
    pub(super) fetch: Vec<String>,
    /// Bytes that are downloaded, and that they unpack to.
    pub(super) bytes: (u64, u64),
}

/// Asks what is missing. `refused` are paths that no substituter gives although one lists them; `prefix`
/// stands before the store's paths on disk.
pub(super) fn missing(
    store: &mut Store,
    wanted: &[Wanted],
    refused: &BTreeSet<String>,
    prefix: Option<&Path>,
) -> Result<Missing, CliError> {
    let first = ask(store, wanted.iter().map(Wanted::request).collect())?;
    if refused.is_empty() {
        return Ok(first);
    }
    let roots: Vec<String> = wanted.iter().filter_map(Wanted::derivation).collect();
    let closure = read_closures(prefix, &roots)?.derivations;
    let outputs = |facts| Facts::output_paths(facts).map(move |path| (path, facts));
    let makers: HashMap<&str, &Facts> = closure.iter().flat_map(outputs).collect();
    let is_made = |path: &String| refused.contains(path) && makers.contains_key(path.as_str());
    let (mut build, mut fetch): (BTreeSet<_>, BTreeSet<_>) =
        (first.build.into_iter().collect(), first.fetch.into_iter().collect());
    let mut asked = HashSet::new();
    loop {
        let made = fetch.iter().filter(|path| is_made(path));
        let makers = made.filter_map(|path| makers.get(path.as_str()));
        let instead: Vec<&Facts> =
            makers.copied().filter(|facts| asked.insert(facts.path.clone())).collect();
        if instead.is_empty() {
            break;
        }
        // Which of the outputs are needed is not looked at: a cache has all of them or none.
        let inputs = instead.iter().flat_map(|facts| &facts.inputs);
        let more = ask(store, inputs.map(|input| built(input, &[])).collect())?;
        build.extend(instead.iter().map(|facts| facts.path.clone()).chain(more.build));
        fetch.extend(more.fetch);
    }
    fetch.retain(|path| !is_made(path));
    let fetch: Vec<String> = fetch.into_iter().collect();
    let bytes = ask(store, fetch.clone())?.bytes;
    Ok(Missing { build: build.into_iter().collect(), fetch, bytes })
}

fn ask(store: &mut Store, requests: Vec<String>) -> Result<Missing, CliError> {
    match store.ask(&Request::Missing(requests), tell)? {
        Incoming::Missing { build, fetch, unknown, bytes } if unknown.is_empty() => {
            Ok(Missing { build, fetch, bytes })
        }
        Incoming::Missing { unknown, .. } => Err(CliError::usage(
            format!("nobody knows how to get {}", unknown.join(", ")),
            "it is not in the store, no substituter has it, and there is no derivation that makes it",
        )),
        _ => Ok(Missing::default()),
    }
}
