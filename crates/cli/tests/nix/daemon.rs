//! With a daemon that does not trust its user.
//!
//! Does not need one of the machine: the daemon is the test's own.

use std::process::{Child, Stdio};

use super::home::Home;

struct Daemon(Child);

impl Daemon {
    fn start(home: &Home) -> Self {
        home.write(
            "conf/nix.conf",
            "sandbox = false\nbuild-users-group =\nsubstituters =\ntrusted-users = nobody-here\n",
        );
        let mut command = home.nix_command(&["daemon"]);
        command.env("NIX_DAEMON_SOCKET_PATH", home.path("socket"));
        let daemon = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        home.wait_for("socket");
        Self(daemon)
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn a_daemon_builds_and_its_builders_memory_is_seen() {
    let home = Home::new(
        r#"a = sh "hungry-1.0" [ ] "python3 -c 'import time; x = bytearray(96 << 20); time.sleep(1)'; echo $NIX_BUILD_CORES > $out";
           b = sh "bad-1.0" [ ] "echo the reason; exit 1";"#,
    );
    let _daemon = Daemon::start(&home);
    let ask = |words: &[&str]| {
        let mut command = home.ironwright(words);
        command.env("NIX_REMOTE", "daemon").env("NIX_DAEMON_SOCKET_PATH", home.path("socket"));
        let output = command.output().unwrap();
        (super::home::text(&output), output.status.success())
    };
    let (text, well) = ask(&["build", ".#a", "--cores", "3", "--no-link"]);
    assert!(well, "{text}");
    assert!(!text.contains("restricted setting"), "{text}");
    let unit = home.unit("hungry-1.0");
    assert!(unit["peak"].as_u64().unwrap() >= 96 << 20, "{unit}");
    let (text, well) = ask(&["build", ".#b"]);
    assert!(!well && text.contains("| the reason"), "{text}");
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn a_daemon_is_told_cores_and_times_of_each_derivation() {
    let home = Home::new(
        r#"cores = sh "cores-1.0" [ ] "echo $NIX_BUILD_CORES > $out"; more = sh "more-1.0" [ ] "echo $NIX_BUILD_CORES > $out";
           slow = sh "slow-1.0" [ ] "sleep 600 & wait"; bad = sh "bad-1.0" [ ] "exit 1";"#,
    );
    let _daemon = Daemon::start(&home);
    let run = |words: &[&str]| {
        let mut command = home.ironwright(&[&["build"], words].concat());
        command.env("NIX_REMOTE", "daemon").env("NIX_DAEMON_SOCKET_PATH", home.path("socket"));
        let output = command.output().unwrap();
        (super::home::text(&output), output.status.code())
    };
    for (name, cores) in [("cores", "7"), ("more", "3")] {
        let (text, code) = run(&[&format!(".#{name}"), "--cores", cores]);
        assert_eq!(code, Some(0), "{text}");
        assert_eq!(home.read("flake/result").trim(), cores);
    }
    let (text, code) = run(&[".#slow", "--no-link", "--timeout", "1"]);
    assert_eq!(code, Some(124), "{text}");
    let (text, _) = run(&[".#bad", "--no-link", "--keep-failed"]);
    assert!(text.contains("kept: ") && !text.contains("restricted setting"), "{text}");
}
