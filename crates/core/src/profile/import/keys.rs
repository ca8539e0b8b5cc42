//! The names of the old shape, and the keys that they become.
//!
//! Several names may mean one thing: the first of a knob is the one that is written back. Does not
//! know values beyond how each is spelled.

/// A name of the old shape and the knob that it sets.
#[derive(Clone, Copy, Debug)]
pub struct Key {
    /// The attribute's name.
    pub name: &'static str,
    /// The knob.
    pub knob: &'static str,
    /// How the value is spelled.
    pub form: Form,
}

/// How the old shape spells a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Form {
    /// As the knob does; sizes and durations with a unit in a text.
    Same,
    /// A size in units of 1024 bytes.
    Kilobytes,
    /// A size in units of 1024^2 bytes.
    Megabytes,
    /// A size in units of 1024^3 bytes.
    Gigabytes,
    /// A duration in seconds.
    Seconds,
    /// A flag: true stands for this word, false says nothing.
    When(&'static str),
    /// A flag: true stands for this word, and false says nothing; written as a denial.
    Unless(&'static str),
    /// `3`, `"O3"` or `"-O3"`.
    OptLevel,
    /// One item, or a list of them, which may be written as `"5.2"`, `"52"` or `52`.
    OneOfList,
}

const fn key(name: &'static str, knob: &'static str, form: Form) -> Key {
    Key { name, knob, form }
}

/// Below `build.parallelism`.
pub static PARALLELISM_KEYS: &[Key] = &[
    key("maxJobs", "nix-max-jobs", Form::Same),
    key("maxCores", "nix-cores", Form::Same),
    key("cores", "nix-cores", Form::Same),
    key("normalBuildCores", "nix-cores", Form::Same),
    key("cargoBuildJobs", "cargo-build-jobs", Form::Same),
    key("linkerJobs", "linker-threads", Form::Same),
    key("rustCodegenUnits", "rust-codegen-units", Form::Same),
    key("cmakeBuildJobs", "cmake-build-parallel-level", Form::Same),
    key("ninjaJobs", "cmake-build-parallel-level", Form::Same),
    key("makeJobs", "make-jobs", Form::Same),
    key("goMaxProcs", "go-max-procs", Form::Same),
    key("httpConnections", "nix-http-connections", Form::Same),
    key("timeout", "nix-timeout", Form::Seconds),
    key("maxSilentTime", "nix-max-silent-time", Form::Seconds),
];

/// Below `build.compiler` and `build.linker`.
pub static COMPILER_KEYS: &[Key] = &[
    key("march", "c-march", Form::Same),
    key("optimizationLevel", "c-opt-level", Form::OptLevel),
    key("optLevel", "c-opt-level", Form::OptLevel),
    key("optimization", "c-opt-level", Form::OptLevel),
    key("lto", "c-lto", Form::Same),
    key("linker", "linker", Form::Same),
    key("useMold", "linker", Form::When("mold")),
    key("useMoldLinker", "linker", Form::When("mold")),
    key("rustTargetCpu", "rust-target-cpu", Form::Same),
    key("targetCpu", "rust-target-cpu", Form::Same),
    key("goamd64", "go-amd64", Form::Same),
    key("GOAMD64", "go-amd64", Form::Same),
    key("allocator", "allocator", Form::Same),
];

/// Below `build.cuda`.
pub static CUDA_KEYS: &[Key] = &[
    key("architectures", "cuda-architectures", Form::OneOfList),
    key("architecture", "cuda-architectures", Form::OneOfList),
    key("cudaArch", "cuda-architectures", Form::OneOfList),
    key("arch", "cuda-architectures", Form::OneOfList),
    key("maxRegisters", "cuda-max-registers", Form::Same),
    key("maxrregcount", "cuda-max-registers", Form::Same),
    key("fastMath", "cuda-fast-math", Form::Same),
    key("useFastMath", "cuda-fast-math", Form::Same),
    key("nvccThreads", "nvcc-threads", Form::Same),
];

/// Below `packages.<name>`.
pub static PACKAGE_KEYS: &[Key] = &[
    key("cargoBuildJobs", "cargo-build-jobs", Form::Same),
    key("nixBuildCores", "nix-cores", Form::Same),
    key("cores", "nix-cores", Form::Same),
    key("rustCodegenUnits", "rust-codegen-units", Form::Same),
    key("codegenUnits", "rust-codegen-units", Form::Same),
    key("ulimitVirtualMemoryKB", "address-space-limit", Form::Kilobytes),
    key("ulimitVirtualMemoryGB", "address-space-limit", Form::Gigabytes),
    key("ulimitVirtualMemory", "address-space-limit", Form::Same),
    key("useMoldLinker", "rust-linker", Form::When("mold")),
    key("enableThinLTO", "rust-lto", Form::When("thin")),
    key("disableLTO", "rust-lto", Form::Unless("off")),
    key("lto", "rust-lto", Form::Same),
    key("rayonThreads", "rayon-threads", Form::Same),
    key("targetCpu", "rust-target-cpu", Form::Same),
    key("ninjaJobs", "cmake-build-parallel-level", Form::Same),
    key("cmakeBuildJobs", "cmake-build-parallel-level", Form::Same),
    key("makeJobs", "make-jobs", Form::Same),
    key("cudaArch", "cuda-architectures", Form::OneOfList),
    key("linker", "linker", Form::Same),
    key("march", "c-march", Form::Same),
    key("optimizationLevel", "c-opt-level", Form::OptLevel),
    key("optLevel", "c-opt-level", Form::OptLevel),
    key("allocator", "allocator", Form::Same),
    key("goamd64", "go-amd64", Form::Same),
    key("goMaxProcs", "go-max-procs", Form::Same),
    key("goMemLimit", "go-memory-limit", Form::Same),
    key("nodeHeapMB", "node-heap", Form::Megabytes),
    key("maxOldSpaceSize", "node-heap", Form::Megabytes),
    key("pgoLevel", "python-pgo-level", Form::Same),
    key("timeout", "nix-timeout", Form::Seconds),
    key("maxSilentTime", "nix-max-silent-time", Form::Seconds),
];

/// A table of facts: its names in the old shape, the name of the attribute, and the profile's key.
pub static FACT_KEYS: &[(&str, &str, &str, Form)] = &[
    ("", "name", "host.name", Form::Same),
    ("", "hostname", "host.name", Form::Same),
    ("", "hostName", "host.name", Form::Same),
    ("host", "name", "host.name", Form::Same),
    ("cpu", "model", "cpu.model-name", Form::Same),
    ("cpu", "modelName", "cpu.model-name", Form::Same),
    ("cpu", "architecture", "cpu.microarchitecture", Form::Same),
    ("cpu", "microarchitecture", "cpu.microarchitecture", Form::Same),
    ("cpu", "cores", "cpu.cores", Form::Same),
    ("cpu", "physicalCores", "cpu.cores", Form::Same),
    ("cpu", "threads", "cpu.threads", Form::Same),
    ("cpu", "logicalCores", "cpu.threads", Form::Same),
    ("cpu", "features", "cpu.features", Form::Same),
    ("memory", "ramGB", "memory.ram", Form::Gigabytes),
    ("memory", "totalGB", "memory.ram", Form::Gigabytes),
    ("memory", "total", "memory.ram", Form::Same),
    ("memory", "ram", "memory.ram", Form::Same),
    ("memory", "zramGB", "memory.zram", Form::Gigabytes),
    ("memory", "zram", "memory.zram", Form::Same),
    ("memory", "swapGB", "memory.swap", Form::Gigabytes),
    ("memory", "swap", "memory.swap", Form::Same),
    ("gpu", "computeCapability", "gpu.compute-capability", Form::OneOfList),
    ("gpu", "memoryGB", "gpu.memory", Form::Gigabytes),
    ("gpu", "vramGB", "gpu.memory", Form::Gigabytes),
    ("storage", "type", "storage.kind", Form::Same),
    ("storage", "kind", "storage.kind", Form::Same),
];

/// Names that are understood and not taken over, with the reason.
pub static DROPPED: &[(&str, &str)] = &[
    ("tier1MaxJobs", "tiers follow from measured peaks; the governor admits by memory"),
    ("tier1Cores", "tiers follow from measured peaks; the governor admits by memory"),
    ("tier1MemoryLimit", "tiers follow from measured peaks; the governor admits by memory"),
    ("tier2MaxJobs", "tiers follow from measured peaks; the governor admits by memory"),
    ("tier2Cores", "tiers follow from measured peaks; the governor admits by memory"),
    ("tier2MemoryLimit", "tiers follow from measured peaks; the governor admits by memory"),
    ("tier3MaxJobs", "tiers follow from measured peaks; the governor admits by memory"),
    ("tier3Cores", "tiers follow from measured peaks; the governor admits by memory"),
    ("tier3MemoryLimit", "tiers follow from measured peaks; the governor admits by memory"),
    (
        "heavyBuildCores",
        "cores follow the load; `nix-cores` below [packages.NAME] sets one package's",
    ),
    ("mtune", "follows c-march"),
];
