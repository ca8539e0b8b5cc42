//! `ironwright impact`.
//!
//! Does not evaluate or compare; it says what is asked, and shows the answer.

use std::path::{Path, PathBuf};

use clap::Args;
use ironwright_core::nix::impact::{Change, changes, why};
use ironwright_core::nix::installable::Evaluation;
use ironwright_core::nix::protocol::{Options, Request};
use ironwright_host::nix::{Store, store_prefix};
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::HostArgs;
use crate::context::Context;
use crate::error::{CliError, count};
use crate::nix::evaluation::{EvaluationArgs, absolute_flake, quoted};
use crate::nix::forecast::time;
use crate::nix::impact::{
    Asked, Base, Figures, Override, Sources, Variant, evaluate, figures, names,
};
use crate::nix::prepare::{knowledge, room};
use crate::table::table;
use crate::ui::{self, DIM, HEADING, paint};

/// Say what overlays would cost: what they change, what is built anew, how long that takes.
///
/// An installable is an attribute of the package set that overlays apply to: of the file of -f, or of a
/// flake (its legacyPackages, else those of its input nixpkgs; `nixosConfigurations.NAME` works too). A bare
/// name is one of the flake here, or of nixpkgs. The set is evaluated without overlays, with each alone and
/// with all, and the closures are compared: what differs is exact, what it costs is the plan's estimate.
/// Nothing is built.
///
/// Overlays are those of --overlay and --overlays; without any, those that the library in ./nix applies to
/// this host, if it is there, else those of the flake.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ironwright impact rustc python3 -f ./nixpkgs --overlay fast=zstd.nix\n  ironwright impact nixpkgs#firefox --overlays .\n  ironwright impact .#nixosConfigurations.desk --each\n  ironwright impact rustc -f ./nixpkgs --overlay ssl.nix --why python3"
)]
pub(crate) struct ImpactArgs {
    /// What is looked at with all that it needs.
    #[arg(value_name = "INSTALLABLE", required = true)]
    installables: Vec<String>,
    /// An overlay in a file; may be given several times.
    #[arg(long, value_name = "[NAME=]FILE")]
    overlay: Vec<String>,
    /// All overlays of a flake; may be given several times.
    #[arg(long, value_name = "FLAKE")]
    overlays: Vec<String>,
    /// The library whose overlays apply, as `ironwright emit nix --vendor` writes it.
    #[arg(long, value_name = "DIR")]
    library: Option<PathBuf>,
    /// Part overlays into the packages that they override.
    #[arg(long)]
    each: bool,
    /// Show the chain from an override to this derivation: a path, or a name.
    #[arg(long, value_name = "DRV")]
    why: Option<String>,
    /// Derivations that are named for each overlay.
    #[arg(long, value_name = "N", default_value_t = 5)]
    list: usize,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    nix: EvaluationArgs,
}

/// What `--json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ImpactReport {
    /// Version of this shape.
    schema: u32,
    /// What was looked at.
    installables: Vec<String>,
    /// Derivations of the closure without overlays.
    derivations: usize,
    /// Each overlay alone, the costliest first.
    overlays: Vec<Impact>,
    /// All together.
    together: Impact,
    /// The chain that `--why` asks for, the cause first.
    why: Option<Vec<String>>,
}

/// What an overlay costs.
#[derive(Debug, Serialize, JsonSchema)]
struct Impact {
    name: String,
    #[serde(flatten)]
    figures: Figures,
    /// Paths of the derivations that change.
    paths: Vec<String>,
}

pub(crate) fn run(args: &ImpactArgs, host: &HostArgs) -> Result<u8, CliError> {
    let context = Context::load(host)?;
    let report = report(args, &context)?;
    if args.json {
        ui::print_json(&report)?;
    } else {
        ui::print(&shown(&report, args.list))?;
    }
    Ok(0)
}

fn report(args: &ImpactArgs, context: &Context) -> Result<ImpactReport, CliError> {
    let (base, wanted) = base(args)?;
    let nix = args.nix.command()?;
    let evaluation = args.nix.evaluation();
    let room = room(context);
    let prefix = nix.store.as_deref().and_then(store_prefix);
    let asked = Asked {
        nix: &nix,
        base: &base,
        wanted: &wanted,
        arguments: &arguments(&evaluation),
        settings: &evaluation.settings,
        prefix: prefix.as_deref(),
        threads: room.threads as usize,
    };
    let overlays = overlays(args, &base, &asked)?;
    let mut variants = vec![Vec::new()];
    variants.extend(overlays.iter().map(|overlay| vec![overlay]));
    if overlays.len() > 1 {
        variants.push(overlays.iter().collect());
    }
    let evaluated = evaluate(&asked, &variants)?;
    let mut store = Store::open(&nix, None)?;
    let settings = evaluation.settings.clone();
    let options = Options { substitute: true, settings, ..Options::default() };
    store.ask(&Request::SetOptions(options), |_| {})?;
    let Some((before, rest)) = evaluated.split_first() else {
        return Err(CliError::usage("nothing was evaluated", "name an attribute"));
    };
    let all: Vec<Vec<Change>> =
        rest.iter().map(|variant| changes(&before.closure, &variant.closure)).collect();
    let known = known(rest, &all, room.threads);
    let mut sources = Sources { store: &mut store, known: &known, room };
    let mut impacts = Vec::new();
    let labels = overlays.iter().map(|overlay| overlay.name.clone()).chain(["all".to_owned()]);
    for ((variant, changes), name) in rest.iter().zip(&all).zip(labels) {
        let figures = figures(&before.closure, &variant.closure, changes, &mut sources)?;
        impacts.push(Impact { name, figures, paths: paths(variant, changes) });
    }
    let why = args.why.as_ref().map(|wanted| chain(wanted, rest, &all)).transpose()?;
    let together = match impacts.len() {
        1 => None,
        _ => impacts.pop(),
    };
    let together = together.or_else(|| impacts.first().map(Impact::as_all));
    impacts.sort_by(|a, b| b.figures.seconds.expected.total_cmp(&a.figures.seconds.expected));
    Ok(ImpactReport {
        schema: 1,
        installables: args.installables.clone(),
        derivations: before.closure.derivations.len(),
        overlays: impacts,
        together: together.ok_or_else(no_overlay)?,
        why,
    })
}

impl Impact {
    fn as_all(&self) -> Self {
        let (figures, paths) = (self.figures.clone(), self.paths.clone());
        Self { name: "all".to_owned(), figures, paths }
    }
}

fn no_overlay() -> CliError {
    CliError::usage(
        "no overlay to look at",
        "name one (--overlay FILE, --overlays FLAKE), or have `ironwright emit nix --vendor` write the library",
    )
}

fn paths(variant: &Variant, changes: &[Change]) -> Vec<String> {
    let places = changes.iter().filter_map(|it| variant.closure.derivations.get(it.place));
    let mut paths: Vec<String> = places.map(|facts| facts.path.clone()).collect();
    paths.sort_unstable();
    paths
}

/// What the history knows of everything that changes.
fn known(
    variants: &[Variant],
    all: &[Vec<Change>],
    threads: u32,
) -> ironwright_core::plan::Knowledge {
    let changed: Vec<_> = variants
        .iter()
        .zip(all)
        .flat_map(|(variant, changes)| {
            changes.iter().filter_map(|it| variant.closure.derivations.get(it.place).cloned())
        })
        .collect();
    knowledge(&changed, threads)
}

/// The chain to a derivation where all overlays apply.
fn chain(wanted: &str, variants: &[Variant], all: &[Vec<Change>]) -> Result<Vec<String>, CliError> {
    let (Some(variant), Some(changes)) = (variants.last(), all.last()) else {
        return Err(no_overlay());
    };
    let closure = &variant.closure;
    // Several may have the name: what changed is meant.
    let differs = |place: &usize| changes.iter().any(|change| change.place == *place);
    let found = closure.find_all(wanted);
    let target = found.iter().find(|place| differs(place)).or_else(|| found.first());
    let target = *target.ok_or_else(|| {
        CliError::usage(
            format!("nothing here needs a derivation {wanted}"),
            "name a path, or a name such as zlib or zlib-1.3.1",
        )
    })?;
    let places = why(closure, changes, target).unwrap_or_default();
    let path = |place: usize| closure.derivations.get(place).map(|facts| facts.path.clone());
    Ok(places.into_iter().filter_map(path).collect())
}

/// The package set, and the attributes of it that are wanted.
fn base(args: &ImpactArgs) -> Result<(Base, Vec<Vec<String>>), CliError> {
    let system = format!("{}-linux", std::env::consts::ARCH);
    if args.nix.expr.is_some() {
        return Err(CliError::usage("overlays apply to a file or a flake", "write -f FILE"));
    }
    let split = |name: &str| name.split('.').map(str::to_owned).collect::<Vec<_>>();
    if let Some(file) = &args.nix.file {
        let path = std::path::absolute(file)
            .map_err(|error| CliError::Read { path: file.into(), error })?;
        let wanted = args.installables.iter().map(|name| split(name)).collect();
        let place = path.to_string_lossy().into_owned();
        return Ok((Base { kind: "file", place, system }, wanted));
    }
    let mut place = None;
    let mut wanted = Vec::new();
    for installable in &args.installables {
        let (reference, name) = installable.split_once('#').unwrap_or(("", installable));
        let reference = if reference.is_empty() { default_flake() } else { reference.to_owned() };
        let reference = absolute_flake(&reference);
        if place.as_ref().is_some_and(|place| *place != reference) {
            return Err(CliError::usage(
                "the installables are of different flakes",
                "overlays apply to one package set: ask for each flake by itself",
            ));
        }
        place = Some(reference);
        wanted.push(split(name));
    }
    let place = place.unwrap_or_else(default_flake);
    Ok((Base { kind: "flake", place, system }, wanted))
}

fn default_flake() -> String {
    if Path::new("flake.nix").is_file() { ".".to_owned() } else { "nixpkgs".to_owned() }
}

/// Arguments of functions as one expression.
fn arguments(evaluation: &Evaluation) -> String {
    let one = |(name, value, is_text): &(String, String, bool)| {
        let value = if *is_text { quoted(value) } else { format!("({value})") };
        format!("{} = {value};", quoted(name))
    };
    let all: Vec<String> = evaluation.arguments.iter().map(one).collect();
    format!("{{ {} }}", all.join(" "))
}

/// The overlays that are looked at.
fn overlays(args: &ImpactArgs, base: &Base, asked: &Asked<'_>) -> Result<Vec<Override>, CliError> {
    let mut all = args.overlay.iter().map(|text| of_file(text)).collect::<Result<Vec<_>, _>>()?;
    for flake in &args.overlays {
        all.extend(of_flake(&absolute_flake(flake), asked)?);
    }
    let default = PathBuf::from("nix");
    let own =
        default.join("overlays/default.nix").is_file() && default.join("settings.json").is_file();
    let library = args.library.clone().or_else(|| (all.is_empty() && own).then_some(default));
    if let Some(library) = library {
        all.extend(of_library(&library, asked)?);
    } else if all.is_empty() && base.kind == "flake" {
        all.extend(of_flake(&base.place, asked)?);
    }
    if args.each {
        all = parted(&all, asked)?;
    }
    if all.is_empty() { Err(no_overlay()) } else { Ok(all) }
}

fn of_file(text: &str) -> Result<Override, CliError> {
    let path = Path::new(text);
    let stem = || path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let (name, file) = match text.split_once('=') {
        Some((name, file)) if !path.exists() => (name.to_owned(), file),
        _ => (stem(), text),
    };
    let place =
        std::fs::canonicalize(file).map_err(|error| CliError::Read { path: file.into(), error })?;
    let place = place.to_string_lossy().into_owned();
    Ok(Override { name, kind: "file", place, attribute: None, only: None })
}

/// Names of the overlays at a place. `default` composes the others where there are any.
fn listed(asked: &Asked<'_>, expression: &str) -> Result<Vec<String>, CliError> {
    let how = Evaluation { settings: asked.settings.to_vec(), ..Evaluation::default() };
    let found = ironwright_host::nix::instantiate(asked.nix, expression, &how, |_| {})?;
    let names = found.into_iter().flatten().map(|path| path.to_string_lossy().into_owned());
    let mut names: Vec<String> = names.collect();
    if names.len() > 1 {
        names.retain(|name| name != "default");
    }
    Ok(names)
}

fn of_flake(place: &str, asked: &Asked<'_>) -> Result<Vec<Override>, CliError> {
    let reference = quoted(place);
    let expression =
        format!("builtins.attrNames ((builtins.getFlake {reference}).overlays or {{ }})");
    let one = |name: String| Override {
        attribute: Some(name.clone()),
        name,
        kind: "flake",
        place: place.to_owned(),
        only: None,
    };
    Ok(listed(asked, &expression)?.into_iter().map(one).collect())
}

/// The overlays that the library applies to this host.
fn of_library(library: &Path, asked: &Asked<'_>) -> Result<Vec<Override>, CliError> {
    let place = std::fs::canonicalize(library)
        .map_err(|error| CliError::Read { path: library.to_owned(), error })?;
    let place = place.to_string_lossy().into_owned();
    let expression = format!("(import (/. + {}) {{ }}).settings.overlays", quoted(&place));
    let names = listed(asked, &expression)?;
    let one = |name: String| Override {
        attribute: Some(name.clone()),
        name,
        kind: "library",
        place: place.clone(),
        only: None,
    };
    Ok(names.into_iter().map(one).collect())
}

/// One for each package that an overlay overrides.
fn parted(overlays: &[Override], asked: &Asked<'_>) -> Result<Vec<Override>, CliError> {
    let parts = names(asked, overlays)?;
    let all = overlays.iter().zip(parts).flat_map(|(overlay, names)| {
        names.into_iter().map(|package| Override {
            name: format!("{}.{package}", overlay.name),
            only: Some(package),
            ..overlay.clone()
        })
    });
    Ok(all.collect())
}

fn shown(report: &ImpactReport, list: usize) -> String {
    let mut out = format!("{}\n", paint(HEADING, &report.installables.join(" ")));
    let whole = count(report.derivations, "derivation");
    out.push_str(&format!("  without overlays {whole}\n\n"));
    let several = report.overlays.len() > 1;
    let all = report.overlays.iter().chain(several.then_some(&report.together));
    let row = |impact: &Impact| {
        let figures = &impact.figures;
        let span = &figures.seconds;
        vec![
            impact.name.clone(),
            figures.changed.to_string(),
            figures.rebuilt.to_string(),
            figures.there.to_string(),
            figures.from_cache.to_string(),
            format!("{} ({} to {})", time(span.expected), time(span.min), time(span.max)),
            figures.peak.to_string(),
        ]
    };
    let headings =
        ["overlay", "changed", "rebuilt", "in store", "from cache", "time", "peak of one"];
    out.push_str(&table(&headings, all.map(row)));
    for impact in &report.overlays {
        out.push_str(&longest(impact, list));
    }
    if let Some(chain) = &report.why {
        out.push_str(&why_text(chain));
    }
    out
}

fn longest(impact: &Impact, list: usize) -> String {
    let names = &impact.figures.names;
    if names.is_empty() || list == 0 {
        return String::new();
    }
    let more = names.len().saturating_sub(list);
    let shown: Vec<&str> = names.iter().take(list).map(String::as_str).collect();
    let rest = if more > 0 { format!(" and {more} more") } else { String::new() };
    format!("\n  {} {} {}{rest}\n", impact.name, paint(DIM, "rebuilds"), shown.join(", "))
}

fn why_text(chain: &[String]) -> String {
    let mut out = "\n".to_owned();
    if chain.is_empty() {
        return format!("{out}  it does not change\n");
    }
    for (depth, path) in chain.iter().enumerate() {
        let arrow = if depth == 0 { "changed by an override:" } else { "needed by" };
        out.push_str(&format!("  {} {path}\n", paint(DIM, arrow)));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arguments_become_one_set() {
        let arguments_of = vec![
            ("system".to_owned(), "a\"b${c}".to_owned(), true),
            ("n".to_owned(), "1 + 1".to_owned(), false),
        ];
        let evaluation = Evaluation { arguments: arguments_of, ..Evaluation::default() };
        assert_eq!(arguments(&evaluation), r#"{ "system" = "a\"b\${c}"; "n" = (1 + 1); }"#);
    }

    #[test]
    fn an_overlay_is_called_by_its_file_or_as_a_user_says() {
        let home = tempfile::tempdir().unwrap();
        let file = home.path().join("fast.nix");
        std::fs::write(&file, "").unwrap();
        let text = file.to_string_lossy();
        assert_eq!(of_file(&text).unwrap().name, "fast");
        assert_eq!(of_file(&format!("zstd={text}")).unwrap().name, "zstd");
        assert!(of_file("nowhere.nix").is_err());
    }
}
