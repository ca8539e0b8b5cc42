//! `ironwright switch`.
//!
//! Does not know how a configuration is built or activated.

use std::path::{Path, PathBuf};

use clap::Args;
use ironwright_core::nix::protocol::Request;
use ironwright_host::nix::Store;
use schemars::JsonSchema;
use serde::Serialize;

use crate::args::HostArgs;
use crate::clock::unix_seconds;
use crate::context::Context;
use crate::error::CliError;
use crate::nix::build::{self, show_end, show_forecast};
use crate::nix::evaluation::EvaluationArgs;
use crate::nix::forecast;
use crate::nix::prepare::{Wishes, prepare};
use crate::nix::switch::{
    Activation, Generation, Generations, Kind, Target, activate, candidates, listed, own, target,
};
use crate::patience::TimeoutChoice;
use crate::progress::{Progress, ProgressChoice};
use crate::table::table;
use crate::ui;

/// Build a configuration of home-manager or NixOS under the governor, and activate it.
///
/// FLAKE#NAME names homeConfigurations.NAME or nixosConfigurations.NAME; without a name, that of this user
/// (USER@HOST, USER) or this machine. What must be built is shown with what it will take, and built;
/// then the configuration's own activation runs. Each activated configuration is a numbered generation
/// that is kept from garbage collection; --rollback activates the one before the current one, without
/// evaluating or building anything.
#[derive(Args, Debug)]
#[command(
    mut_arg("file", |arg| arg.hide(true)),
    mut_arg("expr", |arg| arg.hide(true)),
    after_help = "Examples:\n  ironwright switch .#me@desk\n  ironwright switch --dry-run\n  ironwright switch /etc/nixos --kind nixos --sudo\n  ironwright switch .#me@desk --rollback\n  ironwright switch .#me@desk --list"
)]
pub(crate) struct SwitchArgs {
    /// The configuration.
    #[arg(value_name = "FLAKE#NAME", default_value = ".")]
    what: String,
    /// Whether a home or a machine is meant, where a flake has both of a name.
    #[arg(long, value_enum, value_name = "KIND")]
    kind: Option<Kind>,
    /// Activate the generation before the current one.
    #[arg(long, conflicts_with_all = ["dry_run", "list"])]
    rollback: bool,
    /// List the generations.
    #[arg(long)]
    list: bool,
    /// Show what would be built, and build and activate nothing.
    #[arg(long)]
    dry_run: bool,
    /// Become root by sudo to activate a machine's configuration.
    #[arg(long)]
    sudo: bool,
    /// The profile of the machine.
    #[arg(long, value_name = "PATH", default_value = "/nix/var/nix/profiles/system")]
    system_profile: PathBuf,
    /// Go on with what does not need it when something failed.
    #[arg(long, short)]
    keep_going: bool,
    /// Let derivations start without asking the governor.
    #[arg(long)]
    no_govern: bool,
    /// How progress is shown.
    #[arg(long, value_enum, default_value = "auto", value_name = "HOW")]
    progress: ProgressChoice,
    /// Print JSON.
    #[arg(long)]
    json: bool,
    #[command(flatten)]
    nix: EvaluationArgs,
}

/// What `--json` prints.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct SwitchReport {
    /// Version of this shape.
    schema: u32,
    /// Home or machine.
    kind: Kind,
    /// Name of the configuration.
    name: String,
    /// The generation that is active.
    current: Option<u32>,
    /// All generations, oldest first.
    generations: Vec<Generation>,
}

pub(crate) fn run(args: &SwitchArgs, host: &HostArgs) -> Result<u8, CliError> {
    if args.nix.names_attributes() {
        return Err(CliError::usage("a configuration is one of a flake", "write FLAKE#NAME"));
    }
    let context = Context::load(host)?;
    let nix = args.nix.command()?;
    let (user, machine) = own(&context);
    let own = (user.as_str(), machine.as_str());
    let (target, generations) = if args.rollback || args.list {
        former(args, own)?
    } else {
        let target = target(&nix, &args.what, args.kind, own)?;
        let generations = Generations::read(target.kind.name(), &target.name)?;
        (target, generations)
    };
    let (profile, sudo) = (args.system_profile.as_path(), args.sudo);
    let activation =
        Activation { kind: target.kind, nix: &nix, profile, sudo, to_stderr: args.json };
    let activates = !args.list && !args.dry_run;
    if activates && activation.lacks_root() {
        return Err(CliError::usage(
            format!("only root may activate a machine's configuration ({})", profile.display()),
            "--sudo becomes root for that; what is built is built as you",
        ));
    }
    let mut switch = Switch { args, target, generations, activation };
    if args.list {
        switch.show()?;
        return Ok(0);
    }
    let code = if args.rollback { switch.rollback()? } else { switch.forward(&context)? };
    if args.json && !args.dry_run && code == 0 {
        switch.show()?;
    }
    Ok(code)
}

/// The configuration that has generations. Its flake is not looked at: it may be what is broken.
fn former(args: &SwitchArgs, own: (&str, &str)) -> Result<(Target, Generations), CliError> {
    for target in candidates(&args.what, args.kind, own) {
        let generations = Generations::read(target.kind.name(), &target.name)?;
        if !generations.all.is_empty() {
            return Ok((target, generations));
        }
    }
    let kinds = Kind::meant(args.kind);
    let of = |kind: Kind| Generations::names(kind.name()).into_iter().map(move |name| (kind, name));
    let known: Vec<(Kind, String)> = kinds.into_iter().flat_map(of).collect();
    match known.as_slice() {
        [] => Err(CliError::usage(
            "nothing was switched to yet",
            "`ironwright switch FLAKE#NAME` makes the first generation",
        )),
        [(kind, name)] if !args.what.contains('#') => {
            let (kind, name) = (*kind, name.clone());
            let generations = Generations::read(kind.name(), &name)?;
            Ok((Target { kind, name, flake: args.what.clone() }, generations))
        }
        known => Err(CliError::usage(
            format!("{} names none of the configurations that were switched to", args.what),
            format!("name one as FLAKE#NAME; there are {}", listed(known)),
        )),
    }
}

struct Switch<'a> {
    args: &'a SwitchArgs,
    target: Target,
    generations: Generations,
    activation: Activation<'a>,
}

impl Switch<'_> {
    fn forward(&mut self, context: &Context) -> Result<u8, CliError> {
        let wishes = Wishes {
            evaluation: self.args.nix.evaluation(),
            nix: self.activation.nix.clone(),
            max_jobs: None,
            cores: None,
            keep_going: self.args.keep_going,
            keep_failed: false,
            print_logs: false,
            govern: !self.args.no_govern,
            timeout: TimeoutChoice::Auto,
        };
        let mut prepared = prepare(&[self.target.installable()], &wishes, context)?;
        if self.args.dry_run {
            if self.args.json {
                ui::print_json(&build::dry_run(&prepared))?;
            } else {
                ui::print(&forecast::text(&prepared.plan, &prepared.schedule(), true))?;
            }
            return Ok(0);
        }
        show_forecast(&prepared);
        let mut progress = Progress::new(self.args.progress, self.args.json);
        let built = build::build(&mut prepared, None, context, &mut progress)?;
        show_end(&built);
        let code = built.exit_code();
        let Some(path) = built.links.first().filter(|_| code == 0) else {
            return Ok(code.max(1));
        };
        let path = path.to_string_lossy().into_owned();
        let began = built.runs.last().map(|facts| facts.started_unix_ns);
        self.enter(&path, began, &mut prepared.store)?;
        Ok(0)
    }

    /// Makes what was built the current generation.
    fn enter(
        &mut self,
        path: &str,
        run_started_ns: Option<i64>,
        store: &mut Store,
    ) -> Result<(), CliError> {
        if let Some(active) = self.activation.active() {
            self.generations.note_former(&active);
            self.root(0, &active.to_string_lossy(), store)?;
        }
        let unchanged = self.generations.current().filter(|current| current.path == path);
        let number = match unchanged.map(|current| current.number) {
            Some(number) => number,
            None => self.generations.add(path, &self.args.what, run_started_ns),
        };
        self.root(number, path, store)?;
        // Known before it is activated, so that what an activation breaks can be undone.
        self.generations.write()?;
        activate(&self.activation, path)?;
        self.generations.activated(number, unix_seconds())?;
        ui::note(&format!("generation {number} of {} is active: {path}\n", self.target.name));
        Ok(())
    }

    /// Keeps a generation from being collected.
    fn root(&self, number: u32, path: &str, store: &mut Store) -> Result<(), CliError> {
        let link = self.generations.link(number);
        let failed = |error| CliError::Write { path: link.clone(), error };
        if std::fs::read_link(&link).is_ok_and(|target| target.to_string_lossy() == path) {
            return Ok(());
        }
        if let Some(directory) = link.parent() {
            std::fs::create_dir_all(directory).map_err(failed)?;
        }
        let _ = std::fs::remove_file(&link);
        std::os::unix::fs::symlink(path, &link).map_err(failed)?;
        let request = Request::IndirectRoot(link.to_string_lossy().into_owned());
        if let Err(error) = store.ask(&request, |_| {}) {
            ui::warn(&format!("generation {number} may be collected: {error}"));
        }
        Ok(())
    }

    fn rollback(&mut self) -> Result<u8, CliError> {
        let half_way = self.left_half_way();
        let Some(previous) = half_way.or_else(|| self.generations.previous().cloned()) else {
            return Err(CliError::usage(
                format!("{} has no generation before the current one", self.target.name),
                "`ironwright switch --list` shows them",
            ));
        };
        activate(&self.activation, &previous.path)?;
        self.generations.activated(previous.number, unix_seconds())?;
        let (number, path) = (previous.number, previous.path);
        ui::note(&format!("generation {number} of {} is active again: {path}\n", self.target.name));
        Ok(0)
    }

    /// The generation that was active before an activation that failed: the machine's profile leads elsewhere,
    /// because NixOS sets it first.
    fn left_half_way(&self) -> Option<Generation> {
        let current = self.generations.current()?;
        let active = self.activation.active().filter(|_| self.target.kind == Kind::Nixos)?;
        (active != Path::new(&current.path)).then(|| current.clone())
    }

    fn show(&self) -> Result<(), CliError> {
        let generations = &self.generations;
        if self.args.json {
            return ui::print_json(&SwitchReport {
                schema: 1,
                kind: self.target.kind,
                name: self.target.name.clone(),
                current: generations.current,
                generations: generations.all.clone(),
            });
        }
        let rows = generations.all.iter().map(|generation| {
            let is_current = generations.current == Some(generation.number);
            let state = match generation.activated {
                _ if is_current => "current",
                // What was there before the first switch was activated by somebody else.
                0 if generation.number > 0 => "not activated",
                _ => "",
            };
            vec![
                generation.number.to_string(),
                state.to_owned(),
                generation.path.clone(),
                generation.flake.clone(),
            ]
        });
        ui::print(&table(&["generation", "", "path", "from"], rows))
    }
}
