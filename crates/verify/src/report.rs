//! What is told about a binary.
//!
//! Plain data. Does not know how anything was found out; every claim carries the evidence.

use schemars::JsonSchema;
use serde::Serialize;

/// Version of this shape; raised when a field changes its meaning or goes away.
pub const REPORT_SCHEMA: u32 = 1;

/// A claim with what it rests on. A claim that cannot be decided has no value.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Claim {
    /// What is claimed; `null` means unknown.
    pub value: Option<String>,
    /// What it rests on, or why it cannot be decided.
    pub evidence: String,
}

impl Claim {
    /// A decided claim.
    pub fn is(value: impl Into<String>, evidence: impl Into<String>) -> Self {
        Self { value: Some(value.into()), evidence: evidence.into() }
    }

    /// A claim that cannot be decided.
    pub fn unknown(why: impl Into<String>) -> Self {
        Self { value: None, evidence: why.into() }
    }

    /// The value for people.
    pub fn shown(&self) -> &str {
        self.value.as_deref().unwrap_or("unknown")
    }
}

/// A binary.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Report {
    /// Version of this shape.
    pub schema: u32,
    /// `executable`, `shared object`, `object`, `archive`, `core`.
    pub format: String,
    /// `x86_64`, `aarch64` or ELF's number of the machine.
    pub architecture: String,
    /// Instruction-set extensions; `null` where code is not x86-64.
    pub instructions: Option<Instructions>,
    /// What the notes of GNU properties say (`x86-64-v3 needed`, `IBT`).
    pub properties: Vec<String>,
    /// Compilers, by the number of units that each compiled where that is known.
    pub compilers: Vec<Compiler>,
    /// Linker: `bfd`, `gold`, `lld`, `mold`, `go`.
    pub linker: Claim,
    /// Link-time optimisation: `off`, `thin`, `fat`.
    pub lto: Claim,
    /// Profile-guided optimisation: `off`, `on`, `instrumented`.
    pub pgo: Claim,
    /// BOLT: `yes` or `no`.
    pub bolt: Claim,
    /// Memory allocator.
    pub allocator: Claim,
    /// Target that units were compiled for, as flags tell it (`-march`, `target-cpu`, GOAMD64).
    pub target: Claim,
    /// Go's build information.
    pub go: Option<GoBuild>,
    /// What protects it.
    pub hardening: Hardening,
    /// CUDA code in it.
    pub cuda: Vec<CudaCode>,
}

/// Instruction-set extensions of x86-64 code.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Instructions {
    /// Level of the psABI that a processor must have; `null` where that depends on what is unknown.
    pub level: Option<String>,
    /// Extensions that code needs which runs on every processor.
    pub needs: Vec<String>,
    /// Extensions that are used only behind run-time dispatch.
    pub dispatched: Vec<String>,
    /// Extensions of which it cannot be decided.
    pub undecided: Vec<String>,
    /// Whether it finds out what the processor is.
    pub asks: bool,
    /// Functions that were found.
    pub functions: usize,
    /// Bytes of code sections.
    pub code_bytes: u64,
    /// Bytes of them that were read as instructions; the rest is padding, data, or not reached.
    pub decoded_bytes: u64,
    /// Functions that use extensions.
    pub uses: Vec<FunctionUse>,
}

/// A function's use of extensions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct FunctionUse {
    /// Its name, mangled as the file has it, or its address.
    pub function: String,
    /// Address.
    pub address: u64,
    /// Extensions.
    pub extensions: Vec<String>,
    /// `needed`, `dispatched` or `undecided`.
    pub standing: String,
    /// Why.
    pub reason: String,
    /// Functions that lead to it, nearest first.
    pub reached_from: Vec<String>,
}

/// A compiler.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct Compiler {
    /// `gcc`, `clang`, `rustc`, `go` or what it calls itself.
    pub name: String,
    /// Version.
    pub version: String,
    /// Language, where debug information tells.
    pub language: Option<String>,
    /// Units that it compiled, where debug information tells.
    pub units: Option<usize>,
    /// Flags, where they were recorded.
    pub flags: Vec<String>,
}

/// Go's build information.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct GoBuild {
    /// Version of Go.
    pub version: String,
    /// `GOAMD64`, where recorded.
    pub goamd64: Option<String>,
    /// `GOARM64`, where recorded.
    pub goarm64: Option<String>,
    /// Every recorded setting as `KEY=VALUE`.
    pub settings: Vec<String>,
}

/// What protects a program and must not be lost by tuning it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, JsonSchema)]
pub struct Hardening {
    /// Read-only relocations: `full`, `partial`, `none`.
    pub relro: Claim,
    /// Position-independent executable: `yes`, `no`, `library`.
    pub pie: Claim,
    /// Stack that cannot be executed: `yes` or `no`.
    pub nx: Claim,
    /// Stack protector: `yes` or `no`.
    pub canary: Claim,
    /// Checked library functions (`_FORTIFY_SOURCE`): `yes` or `no`.
    pub fortify: Claim,
    /// Control-flow protection: `ibt`, `shstk`, both, or `none`; on aarch64 `bti`, `pac`.
    pub cet: Claim,
}

/// CUDA code.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, JsonSchema)]
pub struct CudaCode {
    /// Such as `sm_86`.
    pub architecture: String,
    /// `machine code` or `ptx`.
    pub kind: String,
    /// How many pieces.
    pub pieces: usize,
}
