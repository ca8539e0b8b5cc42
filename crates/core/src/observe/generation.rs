//! Generations of settings: runs with the same assignments in force have the same one.
//!
//! A generation today is nothing but a short digest of the assignments that a run recorded
//! ([`RunFacts::settings`]): no number counts them, and none is kept apart from its runs. Does not
//! know what a setting means.

use serde_json::{Map, Value};

use super::RunFacts;

/// Digest of the assignments that were in force, in eight hexadecimal digits: FNV-1a with 64 bits
/// (Fowler, Noll, Vo; <http://www.isthe.com/chongo/tech/comp/fnv/>), folded. It may be stored, so
/// it must never change. Their order does not matter.
pub fn generation(facts: &RunFacts) -> String {
    const OFFSET: u64 = 0xcbf2_9ce4_8422_2325;
    const PRIME: u64 = 0x0000_0100_0000_01b3;
    let hash = lines(&facts.settings)
        .iter()
        .flat_map(|line| line.bytes().chain([0xff]))
        .fold(OFFSET, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(PRIME));
    let folded = (hash >> 32) ^ (hash & 0xffff_ffff);
    format!("{folded:08x}")
}

/// A line for each setting, sorted.
fn lines(settings: &Map<String, Value>) -> Vec<String> {
    let mut lines: Vec<String> =
        settings.iter().map(|(name, value)| format!("{name}={value}")).collect();
    lines.sort_unstable();
    lines
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Bytes;

    fn with(settings: &str) -> String {
        generation(&RunFacts {
            compiler_cache: None,
            ironwright: "0".into(),
            host: None,
            source: None,
            package: None,
            driver: None,
            threads: 1,
            budget: Bytes::ZERO,
            settings: serde_json::from_str(settings).unwrap(),
            started_unix_ns: 0,
            governed: None,
            batch: None,
            disk: None,
            steps: Vec::new(),
        })
    }

    #[test]
    fn only_what_is_set_counts() {
        let one = with(r#"{"A": "1", "B": "2"}"#);
        assert_eq!(one, with(r#"{"B": "2", "A": "1"}"#));
        assert_ne!(one, with(r#"{"A": "1", "B": "3"}"#));
        assert_ne!(one, with(r#"{"A": "1"}"#));
        assert_eq!(one.len(), 8);
    }

    #[test]
    fn stored_digests_stay() {
        // 0xcbf29ce4 ^ 0x84222325
        assert_eq!(with("{}"), "4fd0bfc1");
    }
}
