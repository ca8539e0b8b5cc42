//! What compiler caches say of themselves.
//!
//! Their counters belong to the cache and not to a build, so a build's part is the difference between
//! two readings. Does not know how a cache is asked.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Counters of a cache since they were last cleared.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct CacheCounters {
    /// Compilations that were answered from the cache.
    pub hits: u64,
    /// Compilations that were not.
    pub misses: u64,
}

/// What a compiler cache answered during a run, to it and to everybody else who used it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct CacheUse {
    /// `ccache` or `sccache`.
    pub tool: String,
    /// Compilations that were answered from the cache.
    pub hits: u64,
    /// Compilations that were not.
    pub misses: u64,
}

impl CacheCounters {
    /// What was added since an earlier reading; nothing when the counters were cleared meanwhile.
    pub fn since(self, earlier: Self) -> Option<Self> {
        Some(Self {
            hits: self.hits.checked_sub(earlier.hits)?,
            misses: self.misses.checked_sub(earlier.misses)?,
        })
    }
}

impl CacheUse {
    /// Part of the compilations that the cache answered, 0 to 1; nothing when there were none.
    pub fn rate(&self) -> Option<f64> {
        let all = self.hits.saturating_add(self.misses);
        (all > 0).then(|| self.hits as f64 / all as f64)
    }
}

/// Reads `ccache --print-stats`: lines of a name and a number, or with `--format=json` (ccache 4.10
/// and newer) an object of the same.
pub fn ccache(text: &str) -> Option<CacheCounters> {
    let json: Option<Value> = serde_json::from_str(text).ok();
    let figure = |name: &str| match &json {
        Some(json) => json.get(name)?.as_u64(),
        None => text
            .lines()
            .find_map(|line| line.strip_prefix(name)?.strip_prefix('\t')?.trim().parse().ok()),
    };
    Some(CacheCounters {
        hits: figure("direct_cache_hit")?.saturating_add(figure("preprocessed_cache_hit")?),
        misses: figure("cache_miss")?,
    })
}

/// Reads `sccache --show-stats --stats-format json`.
pub fn sccache(text: &str) -> Option<CacheCounters> {
    let json: Value = serde_json::from_str(text).ok()?;
    let sum = |name: &str| {
        let counts = json.get("stats")?.get(name)?.get("counts")?.as_object()?;
        Some(counts.values().filter_map(Value::as_u64).fold(0, u64::saturating_add))
    };
    Some(CacheCounters { hits: sum("cache_hits")?, misses: sum("cache_misses")? })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn both_shapes_of_ccache_are_read() {
        let lines = "stats_updated_timestamp\t1700000000\ncache_miss\t5\ndirect_cache_hit\t7\n\
                     direct_cache_miss\t9\npreprocessed_cache_hit\t2\n";
        let wanted = CacheCounters { hits: 9, misses: 5 };
        assert_eq!(ccache(lines), Some(wanted));
        let json = r#"{"direct_cache_hit": 7, "preprocessed_cache_hit": 2, "cache_miss": 5}"#;
        assert_eq!(ccache(json), Some(wanted));
        assert_eq!(ccache("cache_miss\t5\n"), None);
    }

    #[test]
    fn sccache_counts_by_language() {
        let json = r#"{"stats": {"compile_requests": 9, "cache_hits": {"counts": {"Rust": 3, "C/C++": 4},
            "adv_counts": {}}, "cache_misses": {"counts": {"Rust": 2}}}, "cache_location": "x"}"#;
        assert_eq!(sccache(json), Some(CacheCounters { hits: 7, misses: 2 }));
        assert_eq!(sccache("{}"), None);
    }

    #[test]
    fn cleared_counters_tell_nothing() {
        let (before, after) =
            (CacheCounters { hits: 9, misses: 1 }, CacheCounters { hits: 3, misses: 2 });
        assert_eq!(after.since(before), None);
        assert_eq!(before.since(before), Some(CacheCounters::default()));
        let none = CacheUse { tool: "ccache".to_owned(), hits: 0, misses: 0 };
        assert_eq!(none.rate(), None);
    }

    proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(?s).{0,80}") {
            let _ = (ccache(&text), sccache(&text));
        }
    }
}
