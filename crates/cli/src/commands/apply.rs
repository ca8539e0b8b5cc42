//! `ironwright apply` and `ironwright rollback`.
//!
//! Does not write any tool's file; `emit` does, from the generation that holds.

use clap::Args;
use ironwright_core::decide::{
    Action, Band, Difference, Edit, Generation, Recommendation, Trial, surest_first,
};
use ironwright_core::evidence::Change;

use super::advise::{PreferenceArgs, explained};
use super::bench::parse_setting;
use super::trial::packages;
use crate::args::HostArgs;
use crate::context::Context;
use crate::decisions::{Known, generations, now, present};
use crate::error::{CliError, count};
use crate::ui;

/// Apply what was measured to pay, as a new generation of settings.
///
/// Without settings, everything that `ironwright advise` would keep is applied, and what holds and was
/// found to harm is taken back. A generation is a layer below your profile files: what you wrote
/// still wins. --canary also applies band B on trial: at the first red flag of a build, or when a
/// benchmark goes against it, a canary is taken back by itself and remembered.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ironwright apply --dry-run\n  ironwright apply\n  ironwright apply --canary\n  ironwright apply c-march=x86-64-v3 --package zlib\n  ironwright emit cargo --write"
)]
pub(crate) struct ApplyArgs {
    /// Settings to apply together, instead of everything that is recommended.
    #[arg(value_name = "KNOB=VALUE", value_parser = parse_setting)]
    settings: Vec<(String, String)>,
    /// Package that the settings are for; of everything that is recommended, only its changes.
    #[arg(long, value_name = "NAME")]
    package: Option<String>,
    /// Take band B, too, on trial.
    #[arg(long)]
    canary: bool,
    /// Show what would be done.
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    preferences: PreferenceArgs,
    /// Print the generation as JSON.
    #[arg(long)]
    json: bool,
}

pub(crate) fn run(args: &ApplyArgs, host: &HostArgs) -> Result<u8, CliError> {
    let context = Context::load(host)?;
    let known = Known::load(&context, args.preferences.preferences()?)?;
    let edits =
        if args.settings.is_empty() { recommended(args, &known)? } else { chosen(args, &known)? };
    if edits.is_empty() {
        ui::note("nothing to apply: `ironwright advise` says what is known and what to measure\n");
        return Ok(0);
    }
    let reason = format!("apply: {}", count(edits.len(), "change"));
    let before = known.present.clone();
    let make = |present: Option<&Generation>, number| {
        Generation::after(present, number, now(), reason, edits)
    };
    let generation = if args.dry_run {
        let number = before.as_ref().map_or(1, |before| before.number + 1);
        make(before.as_ref(), number)
    } else {
        generations()?.add(make)?
    };
    if args.json {
        ui::print_json(&generation)?;
        return Ok(0);
    }
    ui::print(&difference(before.as_ref(), Some(&generation)))?;
    let done = if args.dry_run { "would hold" } else { "holds now" };
    ui::note(&format!(
        "generation {} {done}; builds by ironwright follow it, and `ironwright emit` writes it for other tools\n",
        generation.number
    ));
    Ok(0)
}

/// What is to be done by what is known.
fn recommended(args: &ApplyArgs, known: &Known) -> Result<Vec<Edit>, CliError> {
    let mut edits = Vec::new();
    let mut taken: Vec<Recommendation> = Vec::new();
    let changes = known.changes(args.package.as_deref());
    let found = changes.iter().map(|c| known.recommend(c)).collect::<Result<Vec<_>, _>>()?;
    // Of changes that exclude each other the surer gain is taken.
    for it in surest_first(found) {
        let holds = known.present.as_ref().and_then(|present| present.decision(&it.change));
        let excluded = taken.iter().any(|other| other.change.conflicts_with(&it.change));
        match trial(&it, args.canary) {
            _ if it.action == Action::Revert && holds.is_some() => {
                let why = it.reasons.last().cloned().unwrap_or_default();
                edits.push(Edit::Reject(it.change.clone(), why, it.benches()));
            }
            Some(trial) if !excluded && known.rejection(&it).is_none() => {
                taken.push(it.clone());
                let same = holds.is_some_and(|holds| holds.canary <= (trial == Trial::Canary));
                if !same {
                    edits.push(Edit::Apply(Box::new(it), trial));
                }
            }
            _ => {}
        }
    }
    Ok(edits)
}

/// How a change may be applied, if at all.
fn trial(it: &Recommendation, canary: bool) -> Option<Trial> {
    match (it.action, it.band) {
        (Action::Keep, _) => Some(Trial::Kept),
        (Action::MeasureMore, Band::B | Band::C) if canary => Some(Trial::Canary),
        _ => None,
    }
}

/// The change that a user names, when what is known allows it.
fn chosen(args: &ApplyArgs, known: &Known) -> Result<Vec<Edit>, CliError> {
    let knobs = args.settings.iter().cloned().collect();
    let change = Change { package: args.package.clone(), knobs };
    let it = known.recommend(&change)?;
    if let Some(why) = known.rejection(&it) {
        return Err(CliError::Refused {
            message: format!("{change} was taken back before: {why}"),
            hint: "a new benchmark opens it again; a profile file outranks every decision".into(),
        });
    }
    if let Some(trial) = trial(&it, args.canary) {
        return Ok(vec![Edit::Apply(Box::new(it), trial)]);
    }
    ui::note(&explained(&it, known, &packages()?));
    let hint = match it.band {
        Band::A => {
            "measure it with `ironwright bench --with`, or set it in a profile file yourself"
        }
        Band::B | Band::C => "--canary applies it on trial; a benchmark here may prove it",
    };
    Err(CliError::Refused {
        message: format!(
            "{change} is not applied: confidence {:.2}, band {:?}, {}",
            it.confidence,
            it.band,
            it.action.text()
        ),
        hint: hint.to_owned(),
    })
}

/// Make an earlier generation of settings hold again, at once.
#[derive(Args, Debug)]
#[command(
    after_help = "Examples:\n  ironwright rollback\n  ironwright rollback 3\n  ironwright rollback 0    nothing that was applied"
)]
pub(crate) struct RollbackArgs {
    /// The generation; the one before the present one when absent, and 0 for none.
    number: Option<u32>,
}

pub(crate) fn rollback(args: &RollbackArgs) -> Result<u8, CliError> {
    let generations = generations()?;
    let before = generations.current()?;
    let number = match (args.number, &before) {
        (Some(number), _) => number,
        (None, Some(before)) => before.parent.unwrap_or(0),
        (None, None) => {
            return Err(CliError::usage(
                "no generation holds, so there is nothing to roll back",
                "`ironwright generations` lists them",
            ));
        }
    };
    generations.switch(number)?;
    ui::print(&difference(before.as_ref(), present().as_ref()))?;
    let told = match number {
        0 => "nothing that was applied holds now".to_owned(),
        number => format!("generation {number} holds now"),
    };
    ui::note(&format!("{told}; `ironwright emit` writes it for other tools\n"));
    Ok(0)
}

/// From one state to another, a change a line.
pub(super) fn difference(from: Option<&Generation>, to: Option<&Generation>) -> String {
    let empty = || Generation::after(None, 0, 0, String::new(), Vec::new());
    let (from, to) = (from.cloned().unwrap_or_else(empty), to.cloned().unwrap_or_else(empty));
    Difference::between(&from, &to).to_string()
}
