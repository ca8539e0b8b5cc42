//! Derives a knob's value and its explanation in one traversal, so that they cannot disagree.
//!
//! Does not know any rule; a rule asks a [`Derivation`] for its inputs, and asking is what
//! records them.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::rc::Rc;

use schemars::JsonSchema;
use serde::Serialize;

use super::Setting;
use super::knob::{Class, Knob};
use crate::origin::Origin;
use crate::profile::{Layered, Leaf, Profile};
use crate::units::Bytes;
use crate::value::Value;

/// One step on the way from a hardware fact to a value.
#[derive(Clone, Debug, PartialEq, Serialize, JsonSchema)]
#[serde(tag = "step", rename_all = "kebab-case")]
pub enum Step {
    /// A fact about the host was read.
    Fact {
        /// Path of the key.
        key: String,
        /// Its value.
        value: Value,
        /// Where the value comes from.
        origin: Origin,
    },
    /// Another knob was read.
    Knob {
        /// Its name.
        id: String,
        /// Its value.
        value: Value,
    },
    /// A value was computed or chosen.
    Rule {
        /// The computation, with its figures.
        text: String,
        /// The result.
        value: Value,
    },
}

/// Derives knobs of one profile, each once.
pub struct Resolver<'a> {
    profile: &'a Profile,
    done: RefCell<BTreeMap<&'static str, Rc<Setting>>>,
}

impl<'a> Resolver<'a> {
    /// A resolver for a profile.
    pub fn new(profile: &'a Profile) -> Self {
        Self { profile, done: RefCell::default() }
    }

    /// The knob's value on this profile, with the way to it.
    pub fn setting(&self, knob: &'static Knob) -> Rc<Setting> {
        if let Some(done) = self.done.borrow().get(knob.id) {
            return Rc::clone(done);
        }
        let setting = Rc::new(self.resolve(knob));
        self.done.borrow_mut().insert(knob.id, Rc::clone(&setting));
        setting
    }

    fn resolve(&self, knob: &'static Knob) -> Setting {
        let mut derivation = Derivation { resolver: self, steps: Vec::new() };
        let derived = (knob.derive)(&mut derivation);
        let layers: &[Layered] =
            self.profile.settings.get(knob.id).map_or(&[], |leaf: &Leaf| leaf.layers.as_slice());
        let winner = layers
            .last()
            .cloned()
            .unwrap_or_else(|| Layered { value: derived.clone(), origin: Origin::Derived });
        let applied = match knob.class {
            Class::Resource => winner.value != Value::Unset,
            Class::Output => winner.origin.is_chosen() && winner.value != Value::Unset,
        };
        Setting {
            knob,
            value: winner.value,
            origin: winner.origin,
            derived,
            overrides: layers.to_vec(),
            applied,
            range: knob.range.on(knob.kind, self.profile),
            steps: derivation.steps,
        }
    }

    /// Starts a derivation that is not recorded as a setting, for what is computed from settings.
    pub fn derivation(&self) -> Derivation<'_, 'a> {
        Derivation { resolver: self, steps: Vec::new() }
    }
}

/// A rule's view of the profile: every question is recorded as a step.
pub struct Derivation<'r, 'a> {
    resolver: &'r Resolver<'a>,
    steps: Vec<Step>,
}

impl Derivation<'_, '_> {
    /// A fact about the host.
    pub fn fact(&mut self, key: &str) -> Value {
        let Layered { value, origin } = self.resolver.profile.host(key);
        self.steps.push(Step::Fact { key: key.to_owned(), value: value.clone(), origin });
        value
    }

    /// A fact that is a number of things, `None` when unset.
    pub fn count(&mut self, key: &str) -> Option<u64> {
        match self.fact(key) {
            Value::Count(n) => Some(n),
            _ => None,
        }
    }

    /// A fact that is a size, `None` when unset.
    pub fn size(&mut self, key: &str) -> Option<Bytes> {
        match self.fact(key) {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// A fact that is a text, `None` when unset.
    pub fn text(&mut self, key: &str) -> Option<String> {
        match self.fact(key) {
            Value::Text(text) => Some(text),
            _ => None,
        }
    }

    /// A fact that is a list; empty when unset.
    pub fn list(&mut self, key: &str) -> Vec<String> {
        match self.fact(key) {
            Value::List(items) => items,
            _ => Vec::new(),
        }
    }

    /// The instruction set extensions. Asked for without a step: the list is long and the names
    /// that follow from it (microarchitecture, level) are what a reader wants to see.
    pub fn features(&self) -> BTreeSet<String> {
        match self.resolver.profile.host("cpu.features").value {
            Value::List(items) => items.into_iter().collect(),
            _ => BTreeSet::new(),
        }
    }

    /// Another knob's value, as it counts: overrides included.
    pub fn knob(&mut self, knob: &'static Knob) -> Value {
        let value = self.resolver.setting(knob).value.clone();
        self.steps.push(Step::Knob { id: knob.id.to_owned(), value: value.clone() });
        value
    }

    /// Another knob that is a number of things; 1 when unset.
    pub fn knob_count(&mut self, knob: &'static Knob) -> u64 {
        match self.knob(knob) {
            Value::Count(n) => n,
            _ => 1,
        }
    }

    /// Another knob that is a size; zero when unset.
    pub fn knob_size(&mut self, knob: &'static Knob) -> Bytes {
        match self.knob(knob) {
            Value::Bytes(bytes) => bytes,
            _ => Bytes::ZERO,
        }
    }

    /// Records a computation and passes its result on.
    pub fn rule(&mut self, text: impl Into<String>, value: Value) -> Value {
        self.steps.push(Step::Rule { text: text.into(), value: value.clone() });
        value
    }

    /// The smallest of several numbers, at least 1, with the computation written out.
    pub fn least(&mut self, candidates: &[(&str, u64)]) -> Value {
        let least = candidates.iter().map(|(_, n)| *n).min().unwrap_or(1).max(1);
        let shown: Vec<_> = candidates.iter().map(|(name, n)| format!("{n} {name}")).collect();
        self.rule(format!("the smallest of {}, at least 1", shown.join(", ")), Value::Count(least))
    }

    /// How many processes of a given peak fit into a size.
    pub fn fit(&mut self, size: Bytes, peak: Bytes, what: &str) -> u64 {
        let n = size.0 / peak.0.max(1);
        self.rule(format!("{size} / {peak} for {what}"), Value::Count(n));
        n
    }
}
