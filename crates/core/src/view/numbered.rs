//! A map by number as a list of its values, each of which knows its number.
//!
//! JSON has no keys but texts, and a flattened enum does not read numbers back from them. Does not
//! know what is listed.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// What knows its own number.
pub(super) trait Numbered {
    fn number(&self) -> u64;
}

pub(super) fn serialize<S: Serializer, T: Serialize>(
    map: &BTreeMap<u64, T>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_seq(map.values())
}

pub(super) fn deserialize<'de, D, T>(deserializer: D) -> Result<BTreeMap<u64, T>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Numbered,
{
    let values = Vec::<T>::deserialize(deserializer)?;
    Ok(values.into_iter().map(|value| (value.number(), value)).collect())
}
