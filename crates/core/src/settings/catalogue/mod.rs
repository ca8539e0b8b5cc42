//! The catalogue of knobs, as data with one rule each; one file a language.
//!
//! Does not know hosts or profiles: a rule is handed a derivation and asks it. Published figures
//! are cited beside the rule that uses them; none of them counts as measured on the user's host.

pub mod cache;
pub mod cpp;
pub mod cuda;
pub mod go;
pub mod linker;
pub mod nix;
pub mod nixos;
pub mod node;
pub mod pgo;
pub mod python;
pub mod rust;
pub mod system;

use super::knob::Knob;

/// Every knob, by language, in the order in which they are shown.
pub fn knobs() -> impl Iterator<Item = &'static Knob> {
    [
        system::KNOBS,
        cache::KNOBS,
        rust::KNOBS,
        go::KNOBS,
        cpp::KNOBS,
        linker::KNOBS,
        pgo::KNOBS,
        cuda::KNOBS,
        node::KNOBS,
        python::KNOBS,
        nix::KNOBS,
        nixos::KNOBS,
    ]
    .into_iter()
    .flat_map(|knobs| knobs.iter().copied())
}

/// The knob of that name.
pub fn knob(id: &str) -> Option<&'static Knob> {
    knobs().find(|knob| knob.id == id)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::profile::{Inputs, Profile};
    use crate::settings::Settings;

    #[test]
    fn names_are_unique_and_kebab_case() {
        let ids: Vec<_> = knobs().map(|k| k.id).collect();
        assert_eq!(ids.iter().collect::<BTreeSet<_>>().len(), ids.len());
        for id in ids {
            assert!(
                id.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-'),
                "{id}"
            );
        }
    }

    #[test]
    fn the_universal_profile_gives_every_knob_a_value_in_its_range() {
        let (profile, _) = Profile::merge(&Inputs::default());
        for setting in Settings::resolve(&profile).by_id.values() {
            assert!(
                setting.range.contains(&setting.value),
                "{}: {}",
                setting.knob.id,
                setting.value
            );
            assert!(!setting.steps.is_empty(), "{} says nothing about its value", setting.knob.id);
        }
    }

    #[test]
    fn every_knob_says_what_it_does_and_who_says_so() {
        for knob in knobs() {
            let effect = &knob.effect;
            for text in
                [knob.summary, effect.build_time, effect.memory, effect.run_time, effect.source]
            {
                assert!(!text.is_empty(), "{}", knob.id);
            }
        }
    }

    #[test]
    fn small_and_large_machines_stay_in_range() {
        for (threads, memory) in
            [(1, "512MiB"), (2, "1GiB"), (4, "8GiB"), (128, "512GiB"), (4096, "48TiB")]
        {
            let flags = [
                format!("cpu.threads={threads}"),
                format!("cpu.cores={threads}"),
                format!("memory.ram={memory}"),
            ];
            let (profile, found) = Profile::merge(&Inputs { flags: &flags, ..Inputs::default() });
            assert_eq!(found, []);
            for setting in Settings::resolve(&profile).by_id.values() {
                assert!(
                    setting.range.contains(&setting.value),
                    "{}: {} on {flags:?}",
                    setting.knob.id,
                    setting.value
                );
            }
        }
    }
}
