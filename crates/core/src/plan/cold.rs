//! What a unit takes as long as nothing like it was measured: a line over the size of its sources.
//!
//! These are expectations; the first guess that the governor reserves is the larger of what was
//! seen. Does not know any unit that ran.

use super::class::Class;
use crate::units::{Bytes, KIB, MIB};

/// Lines of a class.
#[derive(Clone, Copy, Debug)]
pub(super) struct Cold {
    /// Memory of an input without size, in bytes.
    base: f64,
    /// Bytes of memory for a byte of input.
    factor: f64,
    /// Input above which a byte counts a twentieth, in bytes: amalgamations and tables.
    knee: f64,
    /// Processor seconds of an input without size.
    start: f64,
    /// Processor seconds for a MiB of input.
    work: f64,
    /// What a byte above the knee counts for the time.
    late: f64,
    /// Size that is taken where nobody knows it.
    usual: u64,
}

const fn cold(base: u64, factor: f64, knee_kib: u64, start: f64, work: f64, usual: u64) -> Cold {
    let (base, knee) = ((base * MIB) as f64, (knee_kib * KIB) as f64);
    Cold { base, factor, knee, start, work, late: 1.0, usual: usual * KIB }
}

/// What a byte above the knee counts.
const BEYOND_KNEE: f64 = 0.05;
/// Standard deviation of the logarithm of a peak, and of a time, that a line predicts.
pub(super) const DEVIATION: (f64, f64) = (0.45, 0.7);
/// The same where not even the size is known.
pub(super) const UNSIZED: (f64, f64) = (0.7, 1.0);

impl Cold {
    /// Where what lies above the knee is hardly compiled at all: tables for other systems.
    const fn of_tables(self) -> Self {
        Self { late: BEYOND_KNEE, ..self }
    }

    /// The lines of a class. Figures are of gcc 12, rustc 1.95, Go 1.19 and Cython 3 on a Zen 4 guest; of
    /// what was not built there (scripts, whole packages) they are round numbers. Of a crate beyond a MiB most
    /// are tables for other systems; a program takes what it instantiates of its libraries.
    pub(super) const fn of(class: Class) -> Self {
        match class {
            Class::RustLibrary => cold(55, 130.0, 1024, 0.2, 2.0, 150).of_tables(),
            Class::RustProgram => cold(160, 200.0, 2048, 5.0, 15.0, 100),
            Class::RustBuildScript => cold(60, 4.0, 1024, 0.2, 0.5, 20),
            Class::C => cold(18, 190.0, 1024, 0.02, 4.5, 30),
            Class::Cxx => cold(100, 1500.0, 128, 0.5, 8.0, 20),
            Class::Cython => cold(160, 2000.0, 128, 1.5, 90.0, 30),
            Class::Cuda => cold(500, 2000.0, 128, 5.0, 60.0, 20),
            Class::Link => cold(10, 2.0, 1 << 20, 0.05, 0.02, 2048),
            Class::GoPackage => cold(28, 100.0, 1024, 0.06, 2.0, 60),
            Class::GoLink => cold(8, 11.0, 1 << 20, 0.2, 0.03, 12_288),
            // Mostly C++ with the headers of Node.js, one file after the other.
            Class::Addon => cold(160, 0.0, 1024, 10.0, 0.0, 100),
            Class::Script => cold(300, 0.0, 1024, 10.0, 0.0, 100),
            Class::Hook => cold(45, 0.0, 1024, 1.0, 0.0, 100),
            // A packed source of 1, 20 and 130 MB (zlib, Python, LLVM): 320, 700 and 2900 MiB, and 1.3,
            // 8 and 45 minutes.
            Class::Whole => cold(300, 20.0, 1 << 20, 60.0, 20.0, 4096),
            Class::Nothing => cold(0, 0.0, 1024, 0.0, 0.0, 0),
        }
    }

    /// Expected peak in bytes and processor seconds.
    pub(super) fn expect(&self, size: Option<Bytes>) -> (f64, f64) {
        let size = size.map_or(self.usual, |size| size.0) as f64;
        let counted = |late: f64| size.min(self.knee) + (size - self.knee).max(0.0) * late;
        let work = self.work * counted(self.late) / MIB as f64;
        (self.base + self.factor * counted(BEYOND_KNEE), self.start + work)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn larger_sources_take_more() {
        for class in Class::ALL {
            let model = Cold::of(class);
            let (small, large) =
                (model.expect(Some(Bytes::kib(1))), model.expect(Some(Bytes::mib(9))));
            assert!(small.0 <= large.0 && small.1 <= large.1, "{class:?}");
        }
        // sqlite3.c: 9 MB of source, measured 330 MB and 27 s.
        let (peak, cpu) = Cold::of(Class::C).expect(Some(Bytes::mib(9)));
        assert!((100e6..400e6).contains(&peak) && (15.0..60.0).contains(&cpu), "{peak} {cpu}");
    }
}
