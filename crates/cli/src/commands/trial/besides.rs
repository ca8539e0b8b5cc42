//! What a variant takes besides the build that counts: training, laying out, filling a cache.
//!
//! Does not know how any of it is done.

use ironwright_core::observe::Summary;
use ironwright_core::trial::VariantFacts;

/// Runs besides the build that counts.
#[derive(Debug, Default)]
pub(super) struct Besides {
    /// Those without which there is no such build: they count as building.
    pub(super) each_time: Vec<Summary>,
    /// The build that filled a compiler cache, which is made once.
    pub(super) once: Option<Summary>,
}

impl Besides {
    /// Adds them to what the build took.
    pub(super) fn add_to(&self, facts: &mut VariantFacts) {
        for run in &self.each_time {
            facts.wall += run.wall.as_secs_f64();
            facts.cpu += run.cpu.as_secs_f64();
        }
        facts.cold = self.once.as_ref().map(|run| run.cpu.as_secs_f64());
        let peaks = self.each_time.iter().chain(&self.once).map(|run| run.peak_tree);
        facts.peak = peaks.fold(facts.peak, Ord::max);
        let largest = self.each_time.iter().chain(&self.once).map(|run| run.peak_process);
        facts.largest = largest.fold(facts.largest, Ord::max);
    }
}
