//! What most commands start from: the host's facts, its profile file and the merged profile.
//!
//! Does not know settings' rules; it finds and reads, and tells what it fell back to.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use ironwright_core::decide::Generation;
use ironwright_core::diagnostic::Diagnostic;
use ironwright_core::facts::HostFacts;
use ironwright_core::profile::parse::parse;
use ironwright_core::profile::{Entry, Inputs, Profile, ProfileFile};
use ironwright_core::settings::range_mistakes;
use ironwright_host::probe::{ProbeOptions, probe};
use ironwright_host::root::Root;

use crate::args::HostArgs;
use crate::decisions;
use crate::error::{CliError, count};
use crate::ui;

/// Directories of this program, by the XDG base directory specification.
pub(crate) struct Directories;

impl Directories {
    /// `$XDG_CONFIG_HOME/ironwright`.
    pub(crate) fn config() -> Option<PathBuf> {
        xdg("XDG_CONFIG_HOME", ".config")
    }

    /// `$XDG_STATE_HOME/ironwright`.
    pub(crate) fn state() -> Option<PathBuf> {
        xdg("XDG_STATE_HOME", ".local/state")
    }

    /// `$XDG_CACHE_HOME/ironwright`.
    pub(crate) fn cache() -> Option<PathBuf> {
        xdg("XDG_CACHE_HOME", ".cache")
    }

    /// `$XDG_DATA_HOME/ironwright`.
    pub(crate) fn data() -> Option<PathBuf> {
        xdg("XDG_DATA_HOME", ".local/share")
    }
}

/// The specification wants relative paths ignored.
fn xdg(variable: &str, fallback: &str) -> Option<PathBuf> {
    let set = std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || etcetera::home_dir().ok().map(|home| home.join(fallback));
    set.or_else(home).map(|base| base.join("ironwright"))
}

/// How this machine, or a recorded one, is probed.
pub(crate) fn probe_options() -> ProbeOptions {
    ProbeOptions {
        tool_cache: Directories::cache().map(|dir| dir.join("tools.json")),
        ..ProbeOptions::from_environment()
    }
}

/// The root that `--root` names.
pub(crate) fn root(args: &HostArgs) -> Result<Root, CliError> {
    let Some(dir) = &args.root else { return Ok(Root::live()) };
    if !dir.is_dir() {
        let error = std::io::Error::from(std::io::ErrorKind::NotFound);
        return Err(CliError::Read { path: dir.clone(), error });
    }
    Ok(Root::at(dir))
}

/// Facts, profile file and what is needed to merge them.
pub(crate) struct Context {
    /// What the probe read.
    pub(crate) facts: HostFacts,
    /// The decisions that hold; none of them applies to a recorded machine.
    pub(crate) generation: Option<Generation>,
    /// The profile file, when there is one.
    pub(crate) file: Option<ProfileFile>,
    /// False when the profile describes another host, so that facts of this one do not apply.
    own_host: bool,
    environment: Vec<(String, String)>,
    flags: Vec<String>,
}

impl Context {
    /// Probes, finds the profile file and reads it. Mistakes in the file are errors.
    pub(crate) fn load(args: &HostArgs) -> Result<Self, CliError> {
        let facts = probe(&root(args)?, &probe_options());
        let (file, mistakes) = match profile_path(args, &facts) {
            Some(path) => read_profile(&path).map(|(file, mistakes)| (Some(file), mistakes))?,
            None => (None, Vec::new()),
        };
        let own_host =
            args.root.is_some() || file.as_ref().is_none_or(|file| describes(file, &facts));
        let environment = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let generation = if args.root.is_none() { decisions::present() } else { None };
        let context =
            Self { facts, generation, file, own_host, environment, flags: args.set.clone() };
        context.check(mistakes)?;
        Ok(context)
    }

    /// The merged profile, with one package's overrides.
    pub(crate) fn profile(&self, package: Option<&str>) -> Profile {
        self.merge(package, None).0
    }

    /// The merged profile with what a workspace (its file and entries) says of a package.
    pub(crate) fn profile_in(&self, package: &str, workspace: Option<(&str, &[Entry])>) -> Profile {
        self.merge(Some(package), workspace).0
    }

    /// The merged profile with values of knobs on top, and without decisions that hold: what is tried
    /// is compared with what was there before any of them.
    pub(crate) fn profile_of_trial(&self, knobs: &BTreeMap<String, String>) -> Profile {
        let own = knobs.iter().map(|(id, value)| format!("{id}={value}"));
        let flags: Vec<String> = self.flags.iter().cloned().chain(own).collect();
        let inputs = Inputs {
            facts: self.own_host.then_some(&self.facts),
            generation: None,
            file: self.file.as_ref(),
            package: None,
            workspace: None,
            environment: &self.environment,
            flags: &flags,
        };
        Profile::merge(&inputs).0
    }

    fn merge(
        &self,
        package: Option<&str>,
        workspace: Option<(&str, &[Entry])>,
    ) -> (Profile, Vec<Diagnostic>) {
        Profile::merge(&Inputs {
            facts: self.own_host.then_some(&self.facts),
            generation: self.generation.as_ref().filter(|_| self.own_host),
            file: self.file.as_ref(),
            package,
            workspace,
            environment: &self.environment,
            flags: &self.flags,
        })
    }

    /// Adds the mistakes in flags, environment and the range of every knob to those of the file.
    fn check(&self, mut found: Vec<Diagnostic>) -> Result<(), CliError> {
        let (profile, mistakes) = self.merge(None, None);
        found.extend(mistakes);
        found.extend(range_mistakes(&profile, self.file.as_ref()));
        if found.is_empty() { Ok(()) } else { Err(CliError::mistakes(found)) }
    }

    /// Tells what was fallen back to.
    pub(crate) fn tell_fallbacks(&self) {
        if let (Some(file), false) = (&self.file, self.own_host) {
            ui::remark(&format!(
                "{} describes another host: nothing detected here is mixed in",
                file.path
            ));
        }
        if self.file.is_none() {
            ui::remark(
                "no profile file for this host: detected values are used (`ironwright probe --write` makes one)",
            );
        }
        let profile = self.profile(None);
        let universal = profile.universal_keys();
        if !universal.is_empty() {
            let values: Vec<_> = universal
                .iter()
                .map(|key| format!("{key} = {}", profile.host(key).value.display()))
                .collect();
            ui::remark(&format!(
                "not known about this host, so the universal profile is used: {}",
                values.join(", ")
            ));
        }
        let problems = self.facts.problems.len();
        if problems > 0 {
            ui::remark(&format!(
                "{} while probing (`ironwright probe` lists them)",
                count(problems, "problem")
            ));
        }
    }
}

/// True when the file is about the probed host, or does not say which it is about.
fn describes(file: &ProfileFile, facts: &HostFacts) -> bool {
    let named =
        file.host.iter().find(|entry| entry.key == "host.name").map(|entry| entry.value.display());
    match (named, &facts.hostname) {
        (Some(named), Some(own)) => named == own.value,
        _ => true,
    }
}

/// The profile file: the one that is named, else `hosts/<hostname>.toml` in this directory or one
/// above it, else in the configuration directory.
pub(crate) fn profile_path(args: &HostArgs, facts: &HostFacts) -> Option<PathBuf> {
    if args.no_profile {
        return None;
    }
    if let Some(named) = &args.profile {
        return Some(named.clone());
    }
    let relative = Path::new("hosts").join(file_name(facts)?);
    let cwd = std::env::current_dir().unwrap_or_default();
    let near = cwd.ancestors().map(|dir| dir.join(&relative));
    let configured = Directories::config().map(|dir| dir.join(&relative));
    near.chain(configured).find(|path| path.is_file())
}

/// `<hostname>.toml`, when the host has a name that can be a file's.
pub(crate) fn file_name(facts: &HostFacts) -> Option<String> {
    let name = &facts.hostname.as_ref()?.value;
    let usable = !name.is_empty() && !name.starts_with('.') && !name.contains(['/', '\0']);
    usable.then(|| format!("{name}.toml"))
}

/// Reads and parses a profile: what could be understood, and every mistake.
fn read_profile(path: &Path) -> Result<(ProfileFile, Vec<Diagnostic>), CliError> {
    let failed = |error| CliError::Read { path: path.to_owned(), error };
    let text = String::from_utf8(std::fs::read(path).map_err(failed)?).map_err(|error| {
        let at = error.utf8_error().valid_up_to();
        failed(std::io::Error::other(format!("not UTF-8 text at byte {at}")))
    })?;
    Ok(parse(&path.to_string_lossy(), &text))
}
