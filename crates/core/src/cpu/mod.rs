//! What is known about processors and about the compilers that generate code for them.
//!
//! Tables and pure functions over them: names of instruction-set extensions, architecture levels,
//! microarchitectures, the names each compiler version accepts, and CUDA's generations. Does not
//! know which machine it runs on: everything comes in as an argument, nothing is detected here.

mod arm;
pub mod cuda;
pub mod features;
pub mod golang;
pub mod identify;
pub mod march;
pub mod processors;
pub mod psabi;
pub mod version;

pub use features::from_cpuinfo;
pub use golang::{goamd64, goarm64};
pub use identify::{CpuId, Identity, identify, microarchitecture};
pub use march::{Compiler, March, march};
/// Every feature that an x86 processor or level of that name has, as far as compilers use it.
pub fn features_of_x86(name: &str) -> Option<Vec<&'static str>> {
    processors::Processor::named(name).map(|processor| processor.essential().into_iter().collect())
}

pub use psabi::{PsabiLevel, level};
