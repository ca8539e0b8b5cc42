//! `ironwright settings`.
//!
//! Does not know rules; it renders what the core derived.

use std::collections::BTreeSet;

use clap::Args;
use ironwright_core::diagnostic::nearest;
use ironwright_core::settings::Settings;
use ironwright_core::settings::catalogue;
use ironwright_core::settings::derive::Step;
use ironwright_core::settings::knob::{Class, Knob, Language};
use ironwright_core::settings::report::{SettingReport, SettingsReport};
use ironwright_core::value::Value;

use crate::args::{HostArgs, parse_language};
use crate::context::Context;
use crate::error::CliError;
use crate::table::table;
use crate::ui::{self, DIM, HEADING, paint};

/// Show every build setting and why it has its value.
///
/// Knobs that change how a build runs are applied as derived. Knobs that change what is built are
/// candidates: shown, and applied once somebody sets them.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ironwright settings\n  ironwright settings codex --language rust\n  ironwright settings --explain cargo-build-jobs\n  ironwright settings --explain=all --json\n  ironwright settings --set memory.ram=64GiB --language rust"
)]
pub(crate) struct SettingsArgs {
    /// Apply the overrides of this package.
    package: Option<String>,
    /// Only the knobs of one language.
    #[arg(long, short, value_parser = parse_language, value_name = "LANGUAGE")]
    language: Option<Language>,
    /// Show the chain from hardware facts to the value of one knob, or of all.
    #[arg(long, value_name = "KNOB")]
    explain: Option<String>,
    /// Print JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &SettingsArgs, host: &HostArgs) -> Result<u8, CliError> {
    let explained = explained(args.explain.as_deref())?;
    let context = Context::load(host)?;
    if let (Some(package), Some(file)) = (&args.package, &context.file)
        && file.package(package).is_none()
    {
        ui::remark(&format!(
            "{} has no [packages.{package}]: the host's settings apply",
            file.path
        ));
    }
    let profile = context.profile(args.package.as_deref());
    let settings = Settings::resolve(&profile);
    let wanted = |knob: &Knob| {
        args.language.is_none_or(|language| knob.language == language)
            && match explained {
                Explained::Nothing | Explained::All => true,
                Explained::One(one) => one.id == knob.id,
            }
    };
    let explains = !matches!(explained, Explained::Nothing);
    let report = SettingsReport::new(&profile, &settings, explains, wanted);
    context.tell_fallbacks();
    if args.json {
        ui::print_json(&report)?;
    } else if explains {
        let texts: Vec<_> =
            report.settings.iter().map(|(id, setting)| explain(id, setting, &settings)).collect();
        ui::print(&texts.join("\n"))?;
    } else {
        ui::print(&overview(&report))?;
    }
    Ok(0)
}

/// What is to be explained.
#[derive(Clone, Copy)]
enum Explained {
    Nothing,
    All,
    One(&'static Knob),
}

fn explained(name: Option<&str>) -> Result<Explained, CliError> {
    match name {
        None => Ok(Explained::Nothing),
        Some("all") => Ok(Explained::All),
        Some(name) => catalogue::knob(name).map(Explained::One).ok_or_else(|| unknown_knob(name)),
    }
}

fn unknown_knob(name: &str) -> CliError {
    let hint = match nearest(name, catalogue::knobs().map(|knob| knob.id)) {
        Some(near) => format!("did you mean \"{near}\"?"),
        None => "`ironwright settings` lists every knob".to_owned(),
    };
    CliError::usage(format!("there is no knob \"{name}\""), hint)
}

fn overview(report: &SettingsReport) -> String {
    let mut out = String::new();
    for language in Language::ALL {
        let rows: Vec<_> = report
            .settings
            .iter()
            .filter(|(_, s)| s.language == *language)
            .map(|(id, s)| row(id, s))
            .collect();
        if rows.is_empty() {
            continue;
        }
        out.push_str(&format!("{}\n{}\n", paint(HEADING, language.name()), table(&[], rows)));
    }
    out.push_str(&paint(
        DIM,
        "candidate: changes what is built; shown, and applied once you set it. `--explain KNOB` tells why.\n",
    ));
    out
}

fn row(id: &str, setting: &SettingReport) -> Vec<String> {
    let is_candidate =
        !setting.applied && setting.class == Class::Output && setting.value != Value::Unset;
    let state = if is_candidate { "candidate" } else { "" };
    vec![
        id.to_owned(),
        setting.display.clone(),
        state.to_owned(),
        setting.range.display(),
        setting.origin.to_string(),
        setting.summary.clone(),
    ]
}

fn explain(id: &str, setting: &SettingReport, all: &Settings) -> String {
    let applied = match (setting.applied, setting.class) {
        (true, _) => "applied",
        (false, Class::Output) => "candidate: not applied until somebody sets it",
        (false, Class::Resource) => "nothing to apply",
    };
    let mut out = format!(
        "{} = {}  ({}; {applied})\n  {}\n",
        paint(HEADING, id),
        setting.display,
        setting.origin,
        setting.summary
    );
    section(
        &mut out,
        "from the host to the value",
        chain(&setting.steps, all, 0, &mut BTreeSet::new()),
    );
    section(&mut out, "limits", [format!("{}{}", setting.range.display(), unit(setting))]);
    section(&mut out, "overrides", overrides(setting));
    section(&mut out, "would change it", what_if(id, setting));
    let reaches = setting.targets.iter().map(|t| format!("{} ({})", t.key, t.place.name()));
    section(&mut out, "reaches", reaches);
    let effect = &setting.effect;
    section(
        &mut out,
        "effect",
        [
            format!("build time: {}", effect.build_time),
            format!("memory: {}", effect.memory),
            format!("run time: {}", effect.run_time),
            format!("source: {}", effect.source),
        ],
    );
    out
}

fn unit(setting: &SettingReport) -> String {
    if setting.unit.is_empty() { String::new() } else { format!(" (in {})", setting.unit) }
}

fn section(out: &mut String, title: &str, lines: impl IntoIterator<Item = String>) {
    let lines: Vec<_> = lines.into_iter().collect();
    if lines.is_empty() {
        return;
    }
    out.push_str(&format!("  {}\n", paint(DIM, title)));
    for line in lines {
        out.push_str(&format!("    {line}\n"));
    }
}

/// The steps, each knob among them followed by its own steps the first time it is met.
fn chain(steps: &[Step], all: &Settings, depth: usize, met: &mut BTreeSet<String>) -> Vec<String> {
    let indent = "  ".repeat(depth);
    let mut lines = Vec::new();
    for step in steps {
        match step {
            Step::Fact { key, value, origin } => {
                lines.push(format!("{indent}{key} = {}  ({origin})", value.display()));
            }
            Step::Rule { text, value } => {
                lines.push(format!("{indent}{text} -> {}", value.display()));
            }
            Step::Knob { id, value } => {
                let Some(setting) = all.get(id) else { continue };
                if met.insert(id.clone()) {
                    lines.push(format!("{indent}{id} = {}  ({})", value.display(), setting.origin));
                    lines.extend(chain(&setting.steps, all, depth + 1, met));
                } else {
                    lines.push(format!("{indent}{id} = {}  (see above)", value.display()));
                }
            }
        }
    }
    lines
}

fn overrides(setting: &SettingReport) -> Vec<String> {
    if setting.overrides.is_empty() {
        return vec!["none".to_owned()];
    }
    setting
        .overrides
        .iter()
        .map(|layer| format!("{} ({})", layer.value.display(), layer.origin))
        .collect()
}

fn what_if(id: &str, setting: &SettingReport) -> Vec<String> {
    let mut lines: Vec<_> = setting
        .what_if
        .iter()
        .map(|w| format!("{} = {} would give {}", w.key, w.fact.display(), w.value.display()))
        .collect();
    lines.push(format!(
        "{id} = … below [settings] or [packages.NAME], IRONWRIGHT_{} or --set {id}=…",
        id.to_ascii_uppercase().replace('-', "_")
    ));
    lines
}
