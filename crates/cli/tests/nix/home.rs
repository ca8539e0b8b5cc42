//! A store, a governor and a history of a test's own.
//!
//! Does not know what is tested.

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use serde_json::Value;

/// The folder of `nix`. Tests that come here were asked for, so that its absence is a failure.
fn nix_folder() -> PathBuf {
    let own = std::env::var_os("IRONWRIGHT_NIX_BIN").map(PathBuf::from);
    let path = std::env::var_os("PATH").unwrap();
    let mut all = own.into_iter().chain(std::env::split_paths(&path));
    all.find(|folder| folder.join("nix").is_file())
        .unwrap_or_else(|| panic!("no nix: set IRONWRIGHT_NIX_BIN to the folder of one"))
}

/// A directory with everything.
pub(crate) struct Home {
    directory: tempfile::TempDir,
}

impl Home {
    /// With a flake whose packages are written in `packages`, a body of an attribute set in which
    /// `sh NAME INPUTS SCRIPT` makes a derivation.
    pub(crate) fn new(packages: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        for name in ["xdg", "flake", "conf"] {
            std::fs::create_dir_all(directory.path().join(name)).unwrap();
        }
        let home = Self { directory };
        home.write(
            "conf/nix.conf",
            "sandbox = false\nbuild-users-group =\nsubstituters =\nrequire-sigs = false\n",
        );
        home.set(packages);
        home
    }

    /// Replaces the packages.
    pub(crate) fn set(&self, packages: &str) {
        let path = std::env::var("PATH").unwrap();
        let text = format!(
            "{{ outputs = {{ self }}: let sh = name: inputs: script: derivation {{ inherit name inputs script; \
             system = \"{}-linux\"; builder = \"/bin/sh\"; PATH = \"{path}\"; args = [ \"-euc\" script ]; }}; in \
             {{ packages.{}-linux = rec {{ {packages} }}; }}; }}",
            std::env::consts::ARCH,
            std::env::consts::ARCH
        );
        self.write("flake/flake.nix", &text);
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }

    pub(crate) fn read(&self, name: &str) -> String {
        std::fs::read_to_string(self.path(name)).unwrap_or_default()
    }

    /// A program in this home.
    pub(crate) fn command(&self, program: &Path) -> Command {
        let home = self.directory.path();
        std::fs::create_dir_all(home.join("xdg")).unwrap();
        let mut command = Command::new(program);
        let path = std::env::var_os("PATH").unwrap();
        let path = std::iter::once(nix_folder()).chain(std::env::split_paths(&path));
        command.env("PATH", std::env::join_paths(path).unwrap()).env("HOME", home);
        for name in std::env::vars_os().map(|(name, _)| name) {
            if name.to_string_lossy().starts_with("IRONWRIGHT_") {
                command.env_remove(name);
            }
        }
        for (name, folder) in [
            ("XDG_RUNTIME_DIR", "xdg"),
            ("XDG_STATE_HOME", "state"),
            ("XDG_DATA_HOME", "data"),
            ("XDG_CACHE_HOME", "cache"),
            ("NIX_STORE_DIR", "store"),
            ("NIX_STATE_DIR", "var"),
            ("NIX_LOG_DIR", "log"),
            ("NIX_CONF_DIR", "conf"),
            ("TMPDIR", "tmp"),
        ] {
            command.env(name, home.join(folder));
        }
        std::fs::create_dir_all(home.join("tmp")).unwrap();
        command.env("NO_COLOR", "1").env("TEST_HOME", home).current_dir(home.join("flake"));
        command.stdin(Stdio::null());
        command
    }

    pub(crate) fn ironwright(&self, words: &[&str]) -> Command {
        let mut command = self.command(Path::new(env!("CARGO_BIN_EXE_ironwright")));
        command.args(words);
        command
    }

    /// `nix`, with the command line of today.
    pub(crate) fn nix(&self, words: &[&str]) -> Output {
        let mut command = self.command(&nix_folder().join("nix"));
        command.args(["--extra-experimental-features", "nix-command flakes"]).args(words);
        command.output().unwrap()
    }

    /// `nix` as a command that is not started yet.
    pub(crate) fn nix_command(&self, words: &[&str]) -> Command {
        let mut command = self.command(&nix_folder().join("nix"));
        command.args(["--extra-experimental-features", "nix-command flakes"]).args(words);
        command
    }

    /// Builds; what it said, and whether all went well.
    pub(crate) fn build(&self, words: &[&str]) -> (String, bool) {
        let output = self.ironwright(&[&["build"], words].concat()).output().unwrap();
        (text(&output), output.status.success())
    }

    /// Builds and must succeed.
    pub(crate) fn builds(&self, words: &[&str]) -> String {
        let (text, well) = self.build(words);
        assert!(well, "{text}");
        text
    }

    /// What a command that succeeds prints.
    pub(crate) fn builds_text(&self, words: &[&str]) -> String {
        let output = self.ironwright(words).output().unwrap();
        assert!(output.status.success(), "{}", text(&output));
        text(&output)
    }

    /// Standard output as JSON.
    pub(crate) fn json(&self, words: &[&str]) -> Value {
        let output = self.ironwright(words).output().unwrap();
        serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{}", text(&output)))
    }

    /// What the history keeps of a derivation's build; the governor writes it a moment later.
    pub(crate) fn unit(&self, label: &str) -> Value {
        let deadline = Instant::now() + Duration::from_secs(20);
        loop {
            let units = self.json(&["history", "units", "--json"]);
            let found = units.as_array().unwrap().iter().find(|unit| unit["label"] == label);
            if let Some(unit) = found {
                return unit.clone();
            }
            assert!(Instant::now() < deadline, "{units}");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Waits until a file is there.
    pub(crate) fn wait_for(&self, name: &str) {
        let deadline = Instant::now() + Duration::from_mins(1);
        while !self.path(name).exists() {
            assert!(Instant::now() < deadline, "{name} never came");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// Processes whose environment names this home, but for a governor's.
    pub(crate) fn processes(&self) -> Vec<String> {
        let mark = format!("TEST_HOME={}\0", self.directory.path().display());
        let entries = std::fs::read_dir("/proc").unwrap().flatten();
        let ours = entries.filter(|entry| {
            let environment = std::fs::read(entry.path().join("environ")).unwrap_or_default();
            String::from_utf8_lossy(&environment).contains(&mark)
        });
        let command = |entry: std::fs::DirEntry| {
            let bytes = std::fs::read(entry.path().join("cmdline")).unwrap_or_default();
            String::from_utf8_lossy(&bytes).replace('\0', " ")
        };
        ours.map(command).filter(|line| !line.is_empty() && !line.contains(" govern")).collect()
    }
}

/// Everything that was printed.
pub(crate) fn text(output: &Output) -> String {
    String::from_utf8_lossy(&[output.stdout.clone(), output.stderr.clone()].concat()).into_owned()
}
