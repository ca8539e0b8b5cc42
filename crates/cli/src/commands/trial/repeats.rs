//! Builds that are made several times, so that what one costs is no chance.
//!
//! One after another of the builds that were made least often is made again, in random order: what changes
//! on the machine meanwhile meets all of them alike. Does not know what follows from their costs.

use ironwright_core::evidence::Design;
use ironwright_core::trial::{Variant, VariantFacts};
use ironwright_host::measure::Measurer;

use super::builder::Builder;
use crate::error::CliError;
use crate::ui;

/// Seed of the order.
const SEED: u64 = 1;

/// How often a variant was built as it would be now.
pub(super) fn times_built(builder: &Builder<'_>, variant: &Variant, past: &[VariantFacts]) -> u32 {
    let key = builder.key(variant, None);
    let host = builder.context.facts.hostname.as_ref().map(|name| &name.value);
    let governed = !builder.how.no_govern;
    let alike = past.iter().filter(|facts| {
        (&facts.key, facts.host.as_ref(), facts.governed) == (&key, host, governed)
    });
    u32::try_from(alike.count()).unwrap_or(u32::MAX)
}

/// Builds every variant until each was built so many times; false when a user ended it.
pub(super) fn repeat(
    builder: &Builder<'_>,
    variants: &[Variant],
    wanted: u32,
    past: &[VariantFacts],
    measurer: &Measurer,
) -> Result<bool, CliError> {
    let built: Vec<u32> = variants.iter().map(|one| times_built(builder, one, past)).collect();
    let design = Design { commands: variants.len(), control: false };
    // The first build of each is there.
    for round in 1..wanted {
        for at in design.order(SEED, u64::from(round)) {
            let (Some(variant), Some(times)) = (variants.get(at), built.get(at)) else { continue };
            if *times > round {
                continue;
            }
            let label = variant.label();
            ui::note(&format!("ironwright: round {} of {wanted} of builds: {label}\n", round + 1));
            if !builder.repeat(variant)? || measurer.interrupted().is_some() {
                return Ok(false);
            }
        }
    }
    Ok(true)
}
