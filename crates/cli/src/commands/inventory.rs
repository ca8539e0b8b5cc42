//! `ironwright inventory`.
//!
//! Does not know formats; the host reads, the core parses and adds up.

use std::path::{Path, PathBuf};

use clap::Args;
use ironwright_core::build::Source;
use ironwright_core::inventory::{Graph, Language, LanguageSummary, Node, Row, Summary, Tally};
use ironwright_core::nix::installable::is_installable;
use ironwright_core::units::Bytes;
use ironwright_host::inventory::{Inventory, Options, Project, check_closure};
use schemars::JsonSchema;
use serde::Serialize;

use crate::error::{CliError, count};
use crate::sources::{derivation, inventory_of};
use crate::table::table;
use crate::ui;
use crate::ui::{HEADING, paint};

/// List what is compiled and what comes prebuilt, by language.
///
/// Reads cargo metadata and Cargo.lock, build.ninja, `compile_commands.json` and CMake's file API, go list and
/// go.mod, package-lock.json, pyproject.toml, setup.py, uv.lock, poetry.lock and requirements.txt, and
/// derivations (.drv) with all that they need. Nothing is built, configured or changed. Directories are read
/// offline; what a registry has is resolved and, from PyPI, fetched, without running any of it. Where only sources can be counted, it says so.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ironwright inventory\n  ironwright inventory path:../zstd --list 20\n  ironwright inventory crate:ripgrep@14.1.1\n  ironwright inventory npm:@google/gemini-cli\n  ironwright inventory /nix/store/…-hello-2.12.1.drv --check\n  ironwright inventory --json | jq .summary"
)]
pub(crate) struct InventoryArgs {
    /// A directory, a .drv file, FLAKE#ATTRIBUTE, or a source: path:DIR, crate:NAME@VERSION, npm:NAME,
    /// pypi:NAME, go:PATH or nix:INSTALLABLE.
    #[arg(default_value = ".", value_name = "DIR|SOURCE")]
    what: String,
    /// How many of the largest things of each language are named.
    #[arg(long, value_name = "N", default_value_t = 5)]
    list: usize,
    /// Start no tool; read files only.
    #[arg(long)]
    files_only: bool,
    /// Fetch nothing.
    #[arg(long)]
    offline: bool,
    /// Compare a closure of derivations with `nix derivation show`; exits with 1 when they differ.
    #[arg(long)]
    check: bool,
    /// Print the graph and its summary as JSON.
    #[arg(long)]
    json: bool,
}

/// What `--json` prints.
#[derive(Serialize, JsonSchema)]
pub(crate) struct InventoryReport {
    /// Version of this shape.
    schema: u32,
    /// What was asked for.
    what: String,
    /// The projects, and what each was read from.
    projects: Vec<ProjectReport>,
    /// What to know of how it was read.
    notes: Vec<String>,
    /// Counts and sizes.
    summary: Summary,
    /// Everything that was found.
    graph: Graph,
}

/// One project.
#[derive(Serialize, JsonSchema)]
struct ProjectReport {
    name: String,
    path: PathBuf,
    driver: Option<String>,
    read_from: String,
}

impl From<Project> for ProjectReport {
    fn from(project: Project) -> Self {
        Self {
            name: project.name,
            path: project.path,
            driver: project.driver.map(|driver| driver.name().to_owned()),
            read_from: project.read_from,
        }
    }
}

pub(crate) fn run(args: &InventoryArgs) -> Result<u8, CliError> {
    let (inventory, differences) = read(args)?;
    let summary = Summary::of(&inventory.graph);
    if args.json {
        ui::print_json(&InventoryReport {
            schema: 1,
            what: args.what.clone(),
            projects: inventory.projects.into_iter().map(ProjectReport::from).collect(),
            notes: inventory.notes,
            summary,
            graph: inventory.graph,
        })?;
    } else {
        for note in &inventory.notes {
            ui::remark(note);
        }
        ui::print(&shown(&inventory, &summary, args.list))?;
    }
    for line in &differences {
        ui::warn(line);
    }
    Ok(u8::from(!differences.is_empty()))
}

fn read(args: &InventoryArgs) -> Result<(Inventory, Vec<String>), CliError> {
    let source = source(&args.what)?;
    if args.check && !matches!(source, Source::Nix(_)) {
        return Err(CliError::usage(
            "--check compares derivations",
            "name a .drv file or nix:INSTALLABLE",
        ));
    }
    // A directory is read as it is; what is not here yet may be fetched.
    let is_here = matches!(source, Source::Path(_));
    let options = Options {
        files_only: args.files_only,
        online: !args.offline && !is_here,
        outermost: !is_here,
        is_copy: false,
    };
    let inventory = inventory_of(&source, options)?;
    let differences = if args.check {
        check_closure(&derivation(&inventory), &inventory.graph)?
    } else {
        Vec::new()
    };
    Ok((inventory, differences))
}

/// A directory or a derivation may be named without a scheme.
fn source(what: &str) -> Result<Source, CliError> {
    let path = Path::new(what);
    if is_installable(what) && !path.is_dir() {
        return Ok(Source::Nix(what.to_owned()));
    }
    match path.metadata() {
        Ok(metadata) if metadata.is_dir() => Ok(Source::Path(path.to_owned())),
        Ok(_) => Err(CliError::usage(
            format!("{what} is a file"),
            "name the directory of a project, a .drv file, or a source such as crate:NAME",
        )),
        Err(_) if what.contains(':') => Ok(what.parse()?),
        Err(error) => Err(CliError::Read { path: path.to_owned(), error }),
    }
}

fn shown(inventory: &Inventory, summary: &Summary, list: usize) -> String {
    let mut out = String::new();
    let rows = inventory.projects.iter().map(|project| {
        let driver = project.driver.map_or("", |driver| driver.name());
        vec![project.name.clone(), driver.to_owned(), project.read_from.clone()]
    });
    if !inventory.projects.is_empty() {
        out.push_str(&format!("{}\n{}", paint(HEADING, "Projects"), table(&[], rows)));
    }
    for language in &summary.languages {
        out.push_str(&format!("\n{}\n", paint(HEADING, language.language.name())));
        let rows = language.rows.iter().map(row).chain([total(language)]);
        out.push_str(&table(&["", "compiled", "size", "prebuilt", "size"], rows));
        out.push_str(&largest(&inventory.graph, language.language, list));
    }
    let (compiled, prebuilt) = (&summary.compiled, &summary.prebuilt);
    out.push_str(&format!(
        "\n{} compiled ({}), {} prebuilt ({})\n",
        compiled.count,
        size(compiled),
        prebuilt.count,
        size(prebuilt),
    ));
    out
}

fn row(row: &Row) -> Vec<String> {
    cells(row.kind.name(), &row.compiled, &row.prebuilt)
}

fn total(language: &LanguageSummary) -> Vec<String> {
    let title = match language.packages {
        0 => "in all".to_owned(),
        packages => format!("in all, of {}", count(packages, "package")),
    };
    cells(&title, &language.compiled, &language.prebuilt)
}

fn cells(title: &str, compiled: &Tally, prebuilt: &Tally) -> Vec<String> {
    let counted = |tally: &Tally| match tally.count {
        0 => [String::new(), String::new()],
        n => [n.to_string(), size(tally)],
    };
    let [compiled, compiled_size] = counted(compiled);
    let [prebuilt, prebuilt_size] = counted(prebuilt);
    vec![title.to_owned(), compiled, compiled_size, prebuilt, prebuilt_size]
}

/// A sum of sizes; with a sign that it is more where some are not known.
fn size(tally: &Tally) -> String {
    match (tally.count, tally.unsized_count) {
        (0, _) => Bytes::ZERO.to_string(),
        (all, unknown) if all == unknown => "unknown size".to_owned(),
        (_, 0) => tally.bytes.to_string(),
        _ => format!("over {}", tally.bytes),
    }
}

/// The largest things that are compiled.
fn largest(graph: &Graph, language: Language, list: usize) -> String {
    let mut compiled: Vec<(Bytes, &Node)> = graph
        .nodes
        .iter()
        .filter(|node| node.language == language && node.is_compiled())
        .filter_map(|node| Some((node.size_bytes?, node)))
        .collect();
    compiled.sort_by(|(a, one), (b, other)| b.cmp(a).then_with(|| one.id.cmp(&other.id)));
    if list == 0 || compiled.is_empty() {
        return String::new();
    }
    let rows = compiled.into_iter().take(list).map(|(bytes, node)| {
        let package = node.package.clone().unwrap_or_default();
        vec![bytes.to_string(), node.label.clone(), package]
    });
    format!("  largest\n{}", table(&[], rows))
}
