//! Activation: what home-manager and NixOS provide for it in what was built.
//!
//! Does not know generations.

use std::io::{self, Write};
use std::path::{Path, PathBuf};

use ironwright_core::observe::{Exit, Sample};
use ironwright_host::nix::Command;
use ironwright_host::run::{Observer, Request, Stream, run};

use super::target::Kind;
use crate::error::CliError;
use crate::ui;

/// How something is activated.
pub(crate) struct Activation<'a> {
    pub(crate) kind: Kind,
    pub(crate) nix: &'a Command,
    /// The profile of the machine.
    pub(crate) profile: &'a Path,
    /// Whether root is become by sudo.
    pub(crate) sudo: bool,
    /// Whether standard output is for something else than what is said.
    pub(crate) to_stderr: bool,
}

impl Activation<'_> {
    /// Whether this user may not set the profile of the machine, by what is known before.
    pub(crate) fn lacks_root(&self) -> bool {
        let folder = self.profile.parent().filter(|folder| folder.is_dir());
        let writable = |folder: &Path| rustix::fs::access(folder, rustix::fs::Access::WRITE_OK);
        self.kind == Kind::Nixos && !self.sudo && folder.is_some_and(|it| writable(it).is_err())
    }

    /// What is active now, by the profile that home-manager or NixOS keeps.
    pub(crate) fn active(&self) -> Option<PathBuf> {
        let state = std::env::var_os("XDG_STATE_HOME").map(PathBuf::from);
        let state = state.or_else(|| Some(etcetera::home_dir().ok()?.join(".local/state")));
        let user = user();
        let places = match self.kind {
            Kind::Nixos => vec![self.profile.to_owned()],
            Kind::Home => vec![
                state.unwrap_or_default().join("nix/profiles/home-manager"),
                PathBuf::from(format!("/nix/var/nix/profiles/per-user/{user}/home-manager")),
            ],
        };
        places.iter().find_map(|place| std::fs::canonicalize(place).ok())
    }

    /// The commands, in order.
    fn commands(&self, path: &str) -> Vec<Vec<String>> {
        match self.kind {
            Kind::Home => vec![vec![format!("{path}/activate")]],
            Kind::Nixos => {
                let switch = format!("{path}/bin/switch-to-configuration");
                vec![self.set_profile(path), self.as_root(&[&switch, "switch"])]
            }
        }
    }

    /// The command that makes the machine's profile lead somewhere.
    fn set_profile(&self, path: &str) -> Vec<String> {
        let env = self.nix.program.with_file_name("nix-env");
        let (env, profile) = (env.to_string_lossy(), self.profile.to_string_lossy());
        self.as_root(&[&env, "--profile", &profile, "--set", path])
    }

    fn as_root(&self, words: &[&str]) -> Vec<String> {
        let sudo = self.sudo.then_some("sudo");
        sudo.into_iter().chain(words.iter().copied()).map(str::to_owned).collect()
    }
}

/// Name of the user who runs this.
pub(crate) fn user() -> String {
    let mut named = ["USER", "LOGNAME"].into_iter().filter_map(|name| std::env::var(name).ok());
    named
        .find(|name| !name.is_empty())
        .or_else(|| listed(rustix::process::getuid().as_raw()))
        .unwrap_or_default()
}

/// The name that /etc/passwd has for a number.
fn listed(number: u32) -> Option<String> {
    let text = std::fs::read_to_string("/etc/passwd").ok()?;
    let own = |line: &&str| line.split(':').nth(2) == Some(&number.to_string());
    text.lines().find(own)?.split(':').next().map(str::to_owned)
}

/// Passes on to standard error what is relayed.
struct Relayed;

impl Observer for Relayed {
    fn sample(&mut self, _sample: &Sample) {}
    fn output(&mut self, _stream: Stream, bytes: &[u8]) {
        let _ = io::stderr().write_all(bytes);
    }
    fn ending(&mut self, _signal: i32) {}
}

/// Activates something that was built. Where that fails on a machine, its profile leads again to what it led to: the
/// next start would take what is broken.
pub(crate) fn activate(how: &Activation<'_>, path: &str) -> Result<(), CliError> {
    let before = how.active();
    let activated = run_all(how, how.commands(path));
    if let (Err(_), Some(before)) = (&activated, before)
        && how.kind == Kind::Nixos
        && how.active().is_some_and(|now| now != before)
    {
        let set = how.set_profile(&before.to_string_lossy());
        if let Err(error) = run_all(how, vec![set]) {
            ui::warn(&format!("{} leads to what failed: {error}", how.profile.display()));
        }
    }
    activated
}

/// Runs commands one after the other. What they say goes where this program's output goes, or all of it to
/// standard error.
fn run_all(how: &Activation<'_>, commands: Vec<Vec<String>>) -> Result<(), CliError> {
    for argv in commands {
        let shown = argv.join(" ");
        let request = Request { argv, relay_stdout: how.to_stderr, ..Request::default() };
        let observed = run(&request, &mut Relayed);
        let problem = match (observed.interrupted_by, observed.exit) {
            (Some(signal), _) => format!("was ended by signal {signal}"),
            (None, Exit::Code(0)) => continue,
            (None, Exit::Code(code)) => format!("failed with exit code {code}"),
            (None, Exit::Signal(signal)) => format!("died of signal {signal}"),
            (None, Exit::NotStarted { message, .. }) => format!("cannot run: {message}"),
        };
        let signal = observed.interrupted_by;
        return Err(CliError::Activation { what: format!("{shown} {problem}"), signal });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_kind_has_its_commands() {
        let nix = Command { program: "/n/bin/nix".into(), store: None, settings: Vec::new() };
        let of = |kind, sudo| {
            let profile = Path::new("/p/system");
            let how = Activation { kind, nix: &nix, profile, sudo, to_stderr: false };
            how.commands("/s/x").iter().map(|argv| argv.join(" ")).collect::<Vec<_>>().join("; ")
        };
        assert_eq!(of(Kind::Home, false), "/s/x/activate");
        assert_eq!(
            of(Kind::Nixos, true),
            "sudo /n/bin/nix-env --profile /p/system --set /s/x; sudo /s/x/bin/switch-to-configuration switch"
        );
    }
}
