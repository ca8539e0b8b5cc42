//! `ironwright verify`.
//!
//! Does not know binaries; `ironwright-verify` examines bytes, this reads files and shows.

mod expect;
mod find;
mod text;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, LazyLock};

use clap::Args;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use ironwright_core::facts::Architecture;
use ironwright_host::heap;
use ironwright_verify::claims::{Checked, Expected, Verdict, check};
use ironwright_verify::report::Report;
use ironwright_verify::{ExamineError, examine};
use rayon::ThreadPoolBuilder;
use rayon::prelude::*;
use schemars::JsonSchema;
use serde::Serialize;
use signal_hook::consts::SIGBUS;
use signal_hook::flag::register_conditional_shutdown;

use crate::args::HostArgs;
use crate::context::root;
use crate::error::CliError;
use crate::ui;

/// Say what binaries really contain: instruction sets, compiler, linker, LTO, PGO, hardening.
///
/// Decodes the code function by function, and tells what a program needs from what it merely contains
/// behind run-time dispatch (ifunc, multiversioned functions, questions to cpuid). What cannot be decided
/// is called unknown. Reads ELF files, objects, archives (.a, .rlib), directories and store paths.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ironwright verify /usr/bin/python3\n  ironwright verify target/release/app --against current\n  ironwright verify /nix/store/…-zlib-1.3.1 --expect march=x86-64-v3\n  ironwright verify libcrypto.so.3 --explain\n  ironwright verify ~/.cargo/bin --json | jq '.files[].report.linker'\n\n\
        Exit codes: 0 nothing is broken, 1 a claim is broken (with --strict also: unknown), 4 unreadable."
)]
pub(crate) struct VerifyArgs {
    /// ELF files, archives, directories or store paths.
    #[arg(required = true, value_name = "PATH")]
    paths: Vec<PathBuf>,
    /// Hold against settings: a settings.json, a profile, or `current` for this host's own.
    #[arg(long, value_name = "SETTINGS")]
    against: Option<String>,
    /// Hold against the settings of one package.
    #[arg(long, requires = "against", value_name = "NAME")]
    package: Option<String>,
    /// With --against: take settings for claims that are candidates, not applied.
    #[arg(long, requires = "against")]
    candidates: bool,
    /// Claim something: march, linker, lto, pgo, allocator, goamd64, cuda-architectures, or a knob.
    #[arg(long, value_name = "KEY=VALUE")]
    expect: Vec<String>,
    /// Exit with 1 also when a claim cannot be decided.
    #[arg(long)]
    strict: bool,
    /// Show what each claim rests on, and the functions that use extensions.
    #[arg(long)]
    explain: bool,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize, JsonSchema)]
pub(crate) struct VerifyReport {
    /// Version of this shape.
    schema: u32,
    /// Every binary that was found.
    files: Vec<Verified>,
}

/// One binary.
#[derive(Serialize, JsonSchema)]
pub(crate) struct Verified {
    /// Where it is.
    path: PathBuf,
    /// What it is; absent where it could not be examined.
    report: Option<Report>,
    /// Why it could not be examined.
    error: Option<String>,
    /// Whether this host can run it.
    host: Option<OnHost>,
    /// Settings that were held against it.
    claims: Vec<Checked>,
}

/// A binary on this host.
#[derive(Serialize, JsonSchema)]
pub(crate) struct OnHost {
    /// Whether this host can run it; `null` where it cannot be decided.
    runs: Option<bool>,
    /// Why.
    reason: String,
}

pub(crate) fn run(args: &VerifyArgs, host: &HostArgs) -> Result<u8, CliError> {
    prepare_heap();
    let expected = expect::expected(args, host)?;
    let root = root(host)?;
    let host = LazyLock::new(|| ironwright_host::probe::runs(&root));
    let (files, named) = find::binaries(&args.paths)?;
    end_orderly_when_a_file_shrinks();
    let bar = progress(files.len());
    let examined = |path: &PathBuf| {
        let one = verify(path, &host, &expected);
        bar.inc(1);
        one
    };
    let (verified, _): (Vec<Verified>, _) =
        rayon::join(|| files.par_iter().map(examined).collect(), || LazyLock::force(&host));
    bar.finish_and_clear();
    if let Some(failed) =
        verified.iter().find(|one| one.error.is_some() && named.contains(&one.path))
    {
        return Err(CliError::Examine {
            path: failed.path.clone(),
            error: failed.error.clone().unwrap_or_default(),
        });
    }
    let code = exit_code(&verified, args.strict);
    if args.json {
        ui::print_json(&VerifyReport { schema: 1, files: verified })?;
    } else {
        ui::print(&text::shown(&verified, args.explain))?;
    }
    Ok(code)
}

/// What is examined is read by all threads, which ask for memory all the time and keep most of it to the end.
fn prepare_heap() {
    heap::grow_in_large_steps();
    let threads = ThreadPoolBuilder::new().start_handler(|_| heap::use_large_pages());
    // It fails where threads are there already, and these do as well.
    let _ = threads.build_global();
}

/// The exit code of [`CliError::Examine`].
const UNREADABLE: i32 = 4;

/// A file that is written anew while it is examined may lose pages that are about to be read: that ends
/// the command as unreadable, not as a crash.
fn end_orderly_when_a_file_shrinks() {
    let always = Arc::new(AtomicBool::new(true));
    if let Err(error) = register_conditional_shutdown(SIGBUS, UNREADABLE, always) {
        ui::warn(&format!("a file that shrinks while it is examined will end this: {error}"));
    }
}

fn exit_code(verified: &[Verified], strict: bool) -> u8 {
    let mut verdicts = verified.iter().flat_map(|one| &one.claims).map(|claim| claim.verdict);
    let fails = |verdict| verdict == Verdict::Broken || strict && verdict == Verdict::Unknown;
    u8::from(verdicts.any(fails))
}

/// A bar on a terminal where there is more than one file.
fn progress(files: usize) -> ProgressBar {
    let target = if files > 1 {
        ProgressDrawTarget::stderr_with_hz(5)
    } else {
        ProgressDrawTarget::hidden()
    };
    let bar = ProgressBar::with_draw_target(Some(files as u64), target);
    if let Ok(style) = ProgressStyle::with_template("{bar:30} {pos} of {len} binaries") {
        bar.set_style(style);
    }
    bar
}

/// What code this host runs: its architecture, and the features that all its processors have.
type Runs = (Architecture, BTreeSet<String>);

fn verify(path: &Path, host: &Runs, expected: &[Expected]) -> Verified {
    let failed = |error: String| Verified {
        path: path.to_owned(),
        report: None,
        error: Some(error),
        host: None,
        claims: Vec::new(),
    };
    let bytes = match find::map(path) {
        Ok(bytes) => bytes,
        Err(error) => return failed(format!("cannot be read: {error}")),
    };
    match examine(&bytes) {
        Ok(report) => Verified {
            path: path.to_owned(),
            host: Some(on_host(&report, host)),
            claims: check(&report, expected),
            report: Some(report),
            error: None,
        },
        Err(error @ ExamineError::NotABinary) => failed(format!("{error}")),
        Err(error) => failed(error.to_string()),
    }
}

fn on_host(report: &Report, (architecture, has): &Runs) -> OnHost {
    let own = architecture.name();
    if report.architecture != own {
        let reason = format!("it is for {}, this host is {own}", report.architecture);
        return OnHost { runs: Some(false), reason };
    }
    let Some(code) = &report.instructions else {
        return OnHost { runs: None, reason: "its instructions are not read".to_owned() };
    };
    let lacks: Vec<&str> =
        code.needs.iter().map(String::as_str).filter(|name| !has.contains(*name)).collect();
    if !lacks.is_empty() {
        return OnHost {
            runs: Some(false),
            reason: format!("this host lacks {}", lacks.join(" ")),
        };
    }
    let open: Vec<&str> =
        code.undecided.iter().map(String::as_str).filter(|name| !has.contains(*name)).collect();
    if open.is_empty() {
        return OnHost { runs: Some(true), reason: "this host has all that it needs".to_owned() };
    }
    OnHost { runs: None, reason: format!("this host lacks {}, which it may need", open.join(" ")) }
}
