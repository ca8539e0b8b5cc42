//! Knobs of CUDA.
//!
//! Does not know kernels. Without an NVIDIA GPU every knob is unset and nothing is emitted.

use super::super::derive::Derivation;
use super::super::knob::{Class, Effect, Form, Knob, Language, Place, Target};
use super::super::range::RangeRule;
use super::system::{BUILD_THREADS, STATIC_MEMORY};
use crate::cpu::cuda;
use crate::cpu::version::Version;
use crate::units::Bytes;
use crate::value::{Kind, Value};

/// All knobs of this file.
pub static KNOBS: &[&Knob] =
    &[&CUDA_ARCHITECTURES, &NVCC_THREADS, &CUDA_MAX_REGISTERS, &CUDA_FAST_MATH];

/// Peak of one nvcc thread; published 3.2 to 6 GB.
const NVCC_PEAK: Bytes = Bytes::gib(6);

/// True on a host with an NVIDIA GPU; otherwise says why there is nothing to set.
fn has_gpu(d: &mut Derivation<'_, '_>) -> bool {
    !d.list("gpu.compute-capability").is_empty()
}

fn no_gpu(d: &mut Derivation<'_, '_>) -> Value {
    d.rule("no NVIDIA GPU: CPU only", Value::Unset)
}

/// Architectures to compile for.
pub static CUDA_ARCHITECTURES: Knob = Knob {
    id: "cuda-architectures",
    language: Language::Cuda,
    kind: Kind::List,
    class: Class::Output,
    summary: "GPU architectures that CUDA code is compiled for",
    range: RangeRule::Any,
    effect: Effect {
        build_time: "each architecture is compiled separately",
        memory: "3.2 to 6 GB for each nvcc thread",
        run_time: "code for other GPUs is translated at the first start, or does not run",
        source: "CMake manual, CMAKE_CUDA_ARCHITECTURES; NVIDIA's list of compute capabilities",
    },
    targets: &[
        Target::new(Place::Env, "CUDAARCHS", Form::Joined(";")),
        Target::new(Place::Env, "TORCH_CUDA_ARCH_LIST", Form::With(torch)),
        Target::new(Place::CmakeCache, "CMAKE_CUDA_ARCHITECTURES", Form::Joined(";")),
    ],
    derive: |d| {
        let capabilities = d.list("gpu.compute-capability");
        if capabilities.is_empty() {
            return no_gpu(d);
        }
        let nvcc = d.text("tools.nvcc").and_then(|v| Version::parse(&v));
        let mut targets: Vec<String> = Vec::new();
        let mut reasons = Vec::new();
        for sm in capabilities.iter().filter_map(|c| cuda::sm(c)) {
            let (architecture, reason) = match nvcc.map(|version| cuda::target(sm, version)) {
                Some(Some(target)) => (target.architectures, target.reason),
                Some(None) => {
                    reasons.push(format!("this CUDA toolkit cannot compile for sm_{sm} any more"));
                    continue;
                }
                None => (
                    sm.to_string(),
                    format!("sm_{sm}; nvcc is not installed, so its support is unknown"),
                ),
            };
            reasons.push(reason);
            if !targets.contains(&architecture) {
                targets.push(architecture);
            }
        }
        let value = if targets.is_empty() { Value::Unset } else { Value::List(targets) };
        d.rule(reasons.join("; "), value)
    },
};

/// `PyTorch` writes `5.2` where CMake writes `52`.
fn torch(_: &mut Derivation<'_, '_>, value: &Value) -> Option<String> {
    let Value::List(items) = value else { return None };
    let dotted = items.iter().map(|item| {
        let (number, suffix) = item.split_once('-').unwrap_or((item, ""));
        let split = number.len().checked_sub(1)?;
        let (major, minor) = (number.get(..split)?, number.get(split..)?);
        Some(if suffix == "virtual" {
            format!("{major}.{minor}+PTX")
        } else {
            format!("{major}.{minor}")
        })
    });
    dotted.collect::<Option<Vec<_>>>().map(|items| items.join(";"))
}

/// Threads of one nvcc.
pub static NVCC_THREADS: Knob = Knob {
    id: "nvcc-threads",
    language: Language::Cuda,
    kind: Kind::Count,
    class: Class::Resource,
    summary: "Architectures that one nvcc compiles at a time (`--threads`)",
    range: RangeRule::TimesThreads(1, 1),
    effect: Effect {
        build_time: "shorter when several architectures are compiled",
        memory: "3.2 to 6 GB for each thread",
        run_time: "none",
        source: "nvcc manual, --threads; published peaks",
    },
    targets: &[Target::new(Place::Env, "NVCC_APPEND_FLAGS", Form::Text("--threads={}"))],
    derive: |d| {
        if !has_gpu(d) {
            return no_gpu(d);
        }
        let threads = d.knob_count(&BUILD_THREADS);
        let memory = d.knob_size(&STATIC_MEMORY);
        let fit = d.fit(memory, NVCC_PEAK, "an nvcc thread");
        d.least(&[("threads", threads), ("by memory", fit)])
    },
};

/// Registers of a GPU thread.
pub static CUDA_MAX_REGISTERS: Knob = Knob {
    id: "cuda-max-registers",
    language: Language::Cuda,
    kind: Kind::Count,
    class: Class::Output,
    summary: "Registers that a GPU thread may use (`-maxrregcount`)",
    range: RangeRule::Counts(16, 255),
    effect: Effect {
        build_time: "none",
        memory: "none",
        run_time: "more threads at a time against spilling to memory: either way by kernel",
        source: "nvcc manual, --maxrregcount; 255 registers since compute capability 3.5",
    },
    targets: &[Target::new(Place::Env, "NVCC_APPEND_FLAGS", Form::Text("-maxrregcount={}"))],
    derive: |d| {
        d.rule("the compiler's choice: the best number differs from kernel to kernel", Value::Unset)
    },
};

/// Fast mathematics.
pub static CUDA_FAST_MATH: Knob = Knob {
    id: "cuda-fast-math",
    language: Language::Cuda,
    kind: Kind::Flag,
    class: Class::Output,
    summary: "Faster and less exact mathematics on the GPU (`--use_fast_math`)",
    range: RangeRule::Any,
    effect: Effect {
        build_time: "none",
        memory: "none",
        run_time: "faster functions, other results: denormals become zero, division is approximate",
        source: "nvcc manual, --use_fast_math",
    },
    targets: &[Target::new(Place::Env, "NVCC_APPEND_FLAGS", Form::Text("--use_fast_math"))],
    derive: |d| d.rule("off: it changes results", Value::Flag(false)),
};
