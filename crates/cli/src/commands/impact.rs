//! `ironwright impact`.
//!
//! Does not evaluate or compare; it says what is asked, and shows the answer.

use std::path::{Path, PathBuf};

use clap::Args;
use ironwright_core::nix::impact::{Change, changes, why};
use ironwright_core::nix::installable::{Evaluation, is_derivation};
use ironwright_core::nix::protocol::{Options, Request};
use ironwright_host::nix::{Command, Store, store_prefix};
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::HostArgs;
use crate::context::Context;
use crate::error::{CliError, count};
use crate::nix::evaluation::{EvaluationArgs, absolute_flake, quoted};
use crate::nix::forecast::time;
use crate::nix::impact::{
    Asked, Base, Figures, Override, Sources, Variant, evaluate, figures, of_configuration, of_file,
    of_flake, of_library, parted,
};
use crate::nix::prepare::{knowledge, room};
use crate::nix::switch::{own, target};
use crate::table::table;
use crate::ui::{self, DIM, HEADING, paint};

/// Say what overlays would cost: what they change, what is built anew, how long that takes.
///
/// An installable is an attribute of the package set that overlays apply to: of the file of -f, or of a
/// flake (its legacyPackages, else those of its input nixpkgs), or a configuration (`homeConfigurations.NAME`,
/// `nixosConfigurations.NAME`). A bare name is one of the flake here, or of nixpkgs. All is evaluated without
/// overlays, with each alone and with all, and the closures are compared: what differs is exact, what it
/// costs is the plan's estimate. Nothing is built.
///
/// Overlays are those of --overlay and --overlays; without any, those that the library in ./nix applies to
/// this host, if it is there; else those that the configuration itself applies, else those of the flake.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ironwright impact\n  ironwright impact rustc python3 -f ./nixpkgs --overlay fast=zstd.nix\n  ironwright impact nixpkgs#firefox --overlays .\n  ironwright impact .#nixosConfigurations.desk --each\n  ironwright impact rustc -f ./nixpkgs --overlay ssl.nix --why python3"
)]
pub(crate) struct ImpactArgs {
    /// What is looked at with all that it needs [default: the configuration of this user or this machine
    /// in the flake here].
    #[arg(value_name = "INSTALLABLE")]
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
    let nix = args.nix.command()?;
    let evaluation = args.nix.evaluation();
    let installables = installables(args, &nix, context)?;
    refuse_derivations(&installables)?;
    let (base, wanted) = base(args, &installables)?;
    let room = room(context);
    let prefix = nix.store.as_deref().and_then(store_prefix);
    let asked = Asked {
        nix: &nix,
        base: &base,
        wanted: &wanted,
        arguments: &arguments(&evaluation),
        prefix: prefix.as_deref(),
        threads: room.threads as usize,
    };
    let overlays = overlays(args, &asked)?;
    let base = Base { own: overlays.iter().any(Override::is_own), ..base.clone() };
    let asked = Asked { base: &base, ..asked };
    let mut variants = vec![Vec::new()];
    variants.extend(overlays.iter().map(|overlay| vec![overlay]));
    if overlays.len() > 1 {
        variants.push(overlays.iter().collect());
    }
    let evaluated = evaluate(&asked, &variants)?;
    let mut store = Store::open(&nix, None)?;
    let settings = nix.settings.clone();
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
    let why = args.why.as_ref().map(|wanted| chain(wanted, before, rest, &all)).transpose()?;
    let together = match impacts.len() {
        1 => None,
        _ => impacts.pop(),
    };
    let together = together.or_else(|| impacts.first().map(Impact::as_all));
    impacts.sort_by(|a, b| b.figures.seconds.expected.total_cmp(&a.figures.seconds.expected));
    Ok(ImpactReport {
        schema: 1,
        installables,
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

/// What is looked at.
fn installables(
    args: &ImpactArgs,
    nix: &Command,
    context: &Context,
) -> Result<Vec<String>, CliError> {
    if !args.installables.is_empty() {
        return Ok(args.installables.clone());
    }
    if args.nix.names_attributes() || !Path::new("flake.nix").is_file() {
        return Err(CliError::usage(
            "nothing is named, and there is no flake here",
            "name an attribute of a package set, such as rustc, or go to a flake with your configuration",
        ));
    }
    let (user, machine) = own(context);
    let found = target(nix, ".", None, (&user, &machine))?;
    Ok(vec![format!(".#{}.\"{}\"", found.kind.attribute(), found.name)])
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
fn chain(
    wanted: &str,
    before: &Variant,
    variants: &[Variant],
    all: &[Vec<Change>],
) -> Result<Vec<String>, CliError> {
    let (Some(variant), Some(changes)) = (variants.last(), all.last()) else {
        return Err(no_overlay());
    };
    let closure = &variant.closure;
    // Several may have the name: what changed is meant.
    let differs = |place: &usize| changes.iter().any(|change| change.place == *place);
    let mut found = closure.find_all(wanted);
    if found.is_empty() {
        // The path that it has without overlays.
        let former = before.closure.find_all(wanted).into_iter().next();
        let name = former.and_then(|place| before.closure.derivations.get(place));
        found = name.map(|facts| closure.find_all(&facts.name)).unwrap_or_default();
    }
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

/// What is built already knows no overlays.
fn refuse_derivations(installables: &[String]) -> Result<(), CliError> {
    let is_built = |text: &&String| {
        let (path, _) = text.split_once('^').unwrap_or((text, ""));
        is_derivation(path) || Path::new(path).is_absolute() && !text.contains('#')
    };
    match installables.iter().find(is_built) {
        None => Ok(()),
        Some(text) => Err(CliError::usage(
            format!("overlays apply to a package set, and {text} is what was made of one"),
            "name an attribute of the set",
        )),
    }
}

/// The package set, and the attributes of it that are wanted.
fn base(args: &ImpactArgs, installables: &[String]) -> Result<(Base, Vec<Vec<String>>), CliError> {
    let system = format!("{}-linux", std::env::consts::ARCH);
    if args.nix.expr.is_some() {
        return Err(CliError::usage("overlays apply to a file or a flake", "write -f FILE"));
    }
    if let Some(file) = &args.nix.file {
        let path = std::path::absolute(file)
            .map_err(|error| CliError::Read { path: file.into(), error })?;
        let wanted = installables.iter().map(|name| split(name)).collect();
        let place = path.to_string_lossy().into_owned();
        return Ok((Base { kind: "file", place, system, own: false }, wanted));
    }
    let mut place = None;
    let mut wanted = Vec::new();
    for installable in installables {
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
    Ok((Base { kind: "flake", place, system, own: false }, wanted))
}

/// The names of an attribute's path; what stands in quotes may have dots. Outputs make no difference.
fn split(path: &str) -> Vec<String> {
    let (path, _) = path.rsplit_once('^').unwrap_or((path, ""));
    let mut names = vec![String::new()];
    let mut in_quotes = false;
    for character in path.chars() {
        match (character, names.last_mut()) {
            ('"', _) => in_quotes = !in_quotes,
            ('.', _) if !in_quotes => names.push(String::new()),
            (_, Some(name)) => name.push(character),
            (_, None) => {}
        }
    }
    names
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
fn overlays(args: &ImpactArgs, asked: &Asked<'_>) -> Result<Vec<Override>, CliError> {
    let mut all = args.overlay.iter().map(|text| of_file(text)).collect::<Result<Vec<_>, _>>()?;
    for flake in &args.overlays {
        all.extend(of_flake(&absolute_flake(flake), asked)?);
    }
    let default = PathBuf::from("nix");
    let is_there =
        default.join("overlays/default.nix").is_file() && default.join("settings.json").is_file();
    let library = args.library.clone().or_else(|| (all.is_empty() && is_there).then_some(default));
    if let Some(library) = library {
        all.extend(of_library(&library, asked)?);
    }
    if all.is_empty() {
        all = of_configuration(asked)?;
    }
    if all.is_empty() && asked.base.kind == "flake" {
        all = of_flake(&asked.base.place, asked)?;
    }
    if args.each {
        all = parted(&all, asked)?;
    }
    if all.is_empty() { Err(no_overlay()) } else { Ok(all) }
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
    fn a_path_is_parted_at_dots_outside_of_quotes() {
        assert_eq!(split("a.b-c"), ["a", "b-c"]);
        assert_eq!(
            split("homeConfigurations.\"me@desk.local\""),
            ["homeConfigurations", "me@desk.local"]
        );
    }

    #[test]
    fn arguments_become_one_set() {
        let arguments_of = vec![
            ("system".to_owned(), "a\"b${c}".to_owned(), true),
            ("n".to_owned(), "1 + 1".to_owned(), false),
        ];
        let evaluation = Evaluation { arguments: arguments_of, ..Evaluation::default() };
        assert_eq!(arguments(&evaluation), r#"{ "system" = "a\"b\${c}"; "n" = (1 + 1); }"#);
    }
}
