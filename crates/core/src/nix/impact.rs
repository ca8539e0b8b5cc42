//! What an override changes: the derivations of one closure that another has not, and why.
//!
//! Two evaluations differ exactly by the paths of their derivations, because a path is the hash of
//! everything that a derivation is made from. Does not evaluate, and does not know what building
//! costs.

use std::collections::{HashMap, HashSet, VecDeque};

use super::facts::Facts;

/// A closure of derivations.
#[derive(Clone, Debug, Default)]
pub struct Closure {
    /// The derivations, in any order.
    pub derivations: Vec<Facts>,
}

/// A derivation that another takes the place of, or that is new.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// Place in the changed closure.
    pub place: usize,
    /// Path of the derivation that had the same name and is needed no more; the first where there
    /// were several.
    pub before: Option<String>,
    /// Whether its own commands or settings differ, and not only something that it needs.
    pub own: bool,
}

impl Closure {
    fn places(&self) -> HashMap<&str, usize> {
        self.derivations.iter().enumerate().map(|(at, facts)| (facts.path.as_str(), at)).collect()
    }

    /// The derivations of a path, of a file's name, or of a name with or without version.
    pub fn find_all(&self, wanted: &str) -> Vec<usize> {
        let all = |is: &dyn Fn(&Facts) -> bool| -> Vec<usize> {
            let found = self.derivations.iter().enumerate().filter(|(_, facts)| is(facts));
            found.map(|(place, _)| place).collect()
        };
        let by_path =
            all(&|facts| facts.path == wanted || facts.path.rsplit('/').next() == Some(wanted));
        if !by_path.is_empty() {
            return by_path;
        }
        let by_name = all(&|facts| facts.name == wanted);
        if !by_name.is_empty() {
            return by_name;
        }
        let version = |rest: &str| {
            rest.strip_prefix('-')
                .is_some_and(|rest| rest.starts_with(|c: char| c.is_ascii_digit()))
        };
        all(&|facts| facts.name.strip_prefix(wanted).is_some_and(version))
    }
}

/// The derivations of `after` that are not in `before`.
pub fn changes(before: &Closure, after: &Closure) -> Vec<Change> {
    let old = before.places();
    let new = after.places();
    let mut gone: HashMap<&str, Vec<&Facts>> = HashMap::new();
    for facts in before.derivations.iter().filter(|facts| !new.contains_key(&*facts.path)) {
        gone.entry(&facts.name).or_default().push(facts);
    }
    let changed = after.derivations.iter().enumerate();
    let changed = changed.filter(|(_, facts)| !old.contains_key(&*facts.path));
    changed
        .map(|(place, facts)| {
            let alike = gone.get(&*facts.name).map(Vec::as_slice).unwrap_or_default();
            let same = alike.iter().find(|old| old.digest == facts.digest);
            let before = same.or_else(|| alike.first()).map(|old| old.path.clone());
            Change { place, before, own: same.is_none() }
        })
        .collect()
}

/// The shortest chain from a derivation that changed by itself to `target`: places in `after`, the
/// cause first. Nothing when the target did not change.
pub fn why(after: &Closure, changes: &[Change], target: usize) -> Option<Vec<usize>> {
    let places = after.places();
    let causes: HashMap<usize, bool> =
        changes.iter().map(|change| (change.place, change.own)).collect();
    if !causes.contains_key(&target) {
        return None;
    }
    let mut above: HashMap<usize, usize> = HashMap::new();
    let mut seen: HashSet<usize> = HashSet::from([target]);
    let mut queue = VecDeque::from([target]);
    let mut cause = target;
    while let Some(place) = queue.pop_front() {
        cause = place;
        if causes.get(&place) == Some(&true) {
            break;
        }
        let inputs = after.derivations.get(place).map(|facts| facts.inputs.as_slice());
        for input in inputs.unwrap_or_default() {
            let Some(next) = places.get(input.as_str()).copied() else { continue };
            if causes.contains_key(&next) && seen.insert(next) {
                above.insert(next, place);
                queue.push_back(next);
            }
        }
    }
    let chain = std::iter::successors(Some(cause), |place| above.get(place).copied());
    Some(chain.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inventory::{Kind, Language};
    use proptest::prelude::*;

    fn facts(path: &str, digest: &str, inputs: &[&str]) -> Facts {
        let name = path.split_once('-').map_or(path, |(_, name)| name);
        Facts {
            path: path.to_owned(),
            name: name.to_owned(),
            outputs: Vec::new(),
            inputs: inputs.iter().map(|input| (*input).to_owned()).collect(),
            sources: Vec::new(),
            kind: Kind::Derivation,
            language: Language::CFamily,
            parallel: false,
            big: false,
            digest: digest.to_owned(),
        }
    }

    fn closures() -> (Closure, Closure) {
        let before = vec![
            facts("1-zlib", "a", &[]),
            facts("1-bash", "b", &[]),
            facts("1-curl", "c", &["1-zlib", "1-bash"]),
            facts("1-git", "d", &["1-curl"]),
        ];
        let after = vec![
            facts("2-git", "d", &["2-curl"]),
            facts("2-curl", "c", &["2-zlib", "1-bash"]),
            facts("2-zlib", "A", &["1-mold"]),
            facts("1-mold", "m", &[]),
            facts("1-bash", "b", &[]),
        ];
        (Closure { derivations: before }, Closure { derivations: after })
    }

    #[test]
    fn changes_are_the_difference_of_two_closures() {
        let (before, after) = closures();
        let changes = changes(&before, &after);
        let told: Vec<_> = changes
            .iter()
            .map(|c| (after.derivations[c.place].name.as_str(), c.before.as_deref(), c.own))
            .collect();
        assert_eq!(
            told,
            [
                ("git", Some("1-git"), false),
                ("curl", Some("1-curl"), false),
                ("zlib", Some("1-zlib"), true),
                ("mold", None, true),
            ]
        );
    }

    #[test]
    fn a_chain_leads_from_the_cause() {
        let (before, after) = closures();
        let changes = changes(&before, &after);
        let chain = why(&after, &changes, after.find_all("git")[0]).unwrap();
        let names: Vec<_> = chain.iter().map(|at| after.derivations[*at].name.as_str()).collect();
        assert_eq!(names, ["zlib", "curl", "git"]);
        assert_eq!(why(&after, &changes, after.find_all("bash")[0]), None);
    }

    #[test]
    fn derivations_are_found_by_path_file_and_name() {
        let closure = Closure { derivations: vec![facts("/s/1-zlib-1.3", "a", &[])] };
        for wanted in ["/s/1-zlib-1.3", "1-zlib-1.3", "zlib-1.3", "zlib"] {
            assert_eq!(closure.find_all(wanted), [0], "{wanted}");
        }
        assert!(closure.find_all("zl").is_empty());
    }

    proptest! {
        #[test]
        fn what_changed_is_what_the_sets_differ_by(
            before in prop::collection::hash_set(0_u8..40, 0..30),
            after in prop::collection::hash_set(0_u8..40, 0..30),
        ) {
            let closure = |set: &HashSet<u8>| Closure {
                derivations: set.iter().map(|n| facts(&format!("{n}-x"), "d", &[])).collect(),
            };
            let (old, new) = (closure(&before), closure(&after));
            let found: HashSet<String> =
                changes(&old, &new).iter().map(|c| new.derivations[c.place].path.clone()).collect();
            let wanted: HashSet<String> =
                after.difference(&before).map(|n| format!("{n}-x")).collect();
            prop_assert_eq!(found, wanted);
        }
    }
}
