//! Variants whose programs are laid out anew after they were linked, by what training ran of them.
//!
//! Does not know BOLT's options.

use std::collections::BTreeMap;
use std::path::Path;

use ironwright_core::observe::{Summary, summarise};
use ironwright_core::settings::catalogue::linker::BOLT;
use ironwright_core::trial::Variant;
use ironwright_core::trial::package::{Workload, fill};
use ironwright_host::trial::bolt::{self, Bolt};

use super::builder::{Builder, Setting, shell};
use crate::error::CliError;

impl Builder<'_> {
    /// Whether a variant wants it.
    pub(super) fn is_laid_out_anew(&self, variant: &Variant) -> bool {
        self.knobs(variant).get(BOLT.id).is_some_and(|value| value == "true")
    }

    /// The tools that lay a variant's programs out anew, if it wants that.
    pub(super) fn bolt(&self, variant: &Variant) -> Result<Option<Bolt>, CliError> {
        if !self.is_laid_out_anew(variant) {
            return Ok(None);
        }
        let missing = || {
            CliError::usage(
                "bolt=true needs llvm-bolt and merge-fdata, which are not installed",
                "install BOLT of LLVM (on Debian bolt-16), or leave the treatment out",
            )
        };
        Bolt::find().ok_or_else(missing).map(Some)
    }

    /// Lays the programs of a build out anew by what its workloads' training runs of them; what that took,
    /// or nothing when a user ended it.
    pub(super) fn lay_out(
        &self,
        bolt: &Bolt,
        variant: &Variant,
        setting: &Setting,
        (out, counts): (&Path, &Path),
    ) -> Result<Option<Summary>, CliError> {
        std::fs::create_dir_all(counts)
            .map_err(|error| CliError::Write { path: counts.to_owned(), error })?;
        let programs =
            bolt::programs(out).map_err(|error| CliError::Read { path: out.to_owned(), error })?;
        let values = BTreeMap::from([("out", out.to_string_lossy().into_owned())]);
        let counting = programs.iter().map(|program| ("count", bolt.counting(program, counts)));
        let train = |workload: &Workload| ("train", fill(&workload.train, &values));
        let training = self.package.workloads.iter().map(train);
        let laid_out = programs.iter().map(|program| ("lay out", bolt.laid_out(program, counts)));
        let step = |(title, command): (&str, String)| shell(title, command, out);
        let steps = counting.chain(training).chain(laid_out).map(step).collect();
        let (facts, said) = self.execute(&self.execution(&setting.profile, steps, variant, &[]))?;
        Ok(self.check(variant, &facts, &said)?.then(|| summarise(&facts)))
    }
}
