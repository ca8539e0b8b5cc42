//! Builds that fail, are killed, take no end, or are interrupted.
//!
//! Does not measure.

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use ironwright_core::units::Bytes;

use super::group::Group;
use super::home::{Home, text};

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn a_failure_shows_its_last_lines_and_the_next_run_goes_on() {
    let packages = |good: &str| {
        format!(
            r#"bad = sh "bad-1.0" [ ] "echo one; echo the reason >&2; {good}";
               other = sh "other-1.0" [ ] "sleep 0.5; echo > $out";
               last = sh "last-1.0" [ bad other ] "echo > $out";"#
        )
    };
    let home = Home::new(&packages("exit 3"));
    let (text, well) = home.build(&[".#last", "--keep-going"]);
    assert!(!well, "{text}");
    assert!(text.contains("failed bad-1.0") && text.contains("exit code 3"), "{text}");
    assert!(text.contains("| the reason") && text.contains("nix log "), "{text}");
    assert!(text.contains("built  other-1.0"), "{text}");
    assert!(text.contains("1 derivation failed: bad-1.0; 1 derivation not built"), "{text}");
    home.set(&packages("echo > $out"));
    let text = home.builds(&[".#last"]);
    assert!(text.contains("2 derivations") && !text.contains("other-1.0"), "{text}");
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn what_became_of_each_is_in_the_json() {
    let home =
        Home::new(r#"bad = sh "bad-1.0" [ ] "exit 1"; top = sh "top-1.0" [ bad ] "echo > $out";"#);
    let output = home.ironwright(&["build", ".#top", "--json"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    let reports: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let derivations = reports[0]["nix"]["derivations"].as_array().unwrap();
    let of =
        |name: &str| derivations.iter().find(|it| it["name"] == name).unwrap()["outcome"].clone();
    assert_eq!((of("bad-1.0"), of("top-1.0")), ("failed".into(), "blocked".into()));
    assert_eq!(reports[0]["facts"]["source"], "nix:.#top");
    let (text, _) = home.build(&[".#bad", "--keep-failed"]);
    let kept = text.lines().find_map(|line| line.trim().strip_prefix("kept: ")).unwrap();
    assert!(std::path::Path::new(kept).is_dir(), "{text}");
    assert!(!text.contains("nix log"), "it said nothing: {text}");
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn what_takes_longer_than_a_user_allows_is_ended() {
    let home = Home::new(r#"slow = sh "slow-1.0" [ ] "sleep 60; echo > $out";"#);
    for limit in [&["--timeout", "1"][..], &["--option", "timeout", "1"]] {
        let output = home.ironwright(&[&["build", ".#slow"], limit].concat()).output().unwrap();
        let text = text(&output);
        assert_eq!(output.status.code(), Some(124), "{text}");
        assert!(text.contains("failed slow-1.0 took too long"), "{text}");
    }
    let seconds = |arguments: &[&str]| {
        let plan = home.json(&[&["build", ".#slow", "--dry-run", "--json"], arguments].concat());
        let derivation = &plan[0]["build"][0];
        [&derivation["timeout_seconds"], &derivation["silence_seconds"]]
            .map(serde_json::Value::as_f64)
    };
    assert_eq!(seconds(&[]), [Some(86_400.0), Some(7_200.0)]);
    assert_eq!(seconds(&["--set", "nix-max-silent-time=1m"]), [Some(86_400.0), Some(60.0)]);
    assert_eq!(seconds(&["--timeout", "never"]), [None, None]);
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn a_builder_that_is_killed_is_run_again_with_fewer_cores() {
    let home = Home::new("");
    let tried = home.path("tried").display().to_string();
    home.set(&format!(
        r#"a = sh "killed-1.0" [ ] "echo $NIX_BUILD_CORES >> {tried}; if [ $(wc -l < {tried}) = 1 ]; then kill -9 $$; fi; echo > $out";"#
    ));
    let text = home.builds(&[".#a", "--cores", "4"]);
    assert!(text.contains("killed for want of memory and is built again"), "{text}");
    assert_eq!(home.read("tried"), "4\n2\n");
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn a_builder_that_always_kills_itself_is_not_built_for_ever() {
    let home = Home::new("");
    let times = home.path("times").display().to_string();
    for how in
        ["kill -9 $$", "echo 'gcc: fatal error: Killed signal terminated program cc1' >&2; exit 1"]
    {
        home.write("times", "");
        home.set(&format!(r#"a = sh "killed-1.0" [ ] "echo x >> {times}; {how}";"#));
        let (text, well) = home.build(&[".#a"]);
        assert!(!well && text.contains("was killed 2 times, neither by the governor"), "{text}");
        assert!(!text.contains("needs more memory than there is"), "{text}");
        assert_eq!(home.read("times").lines().count(), 2, "{text}");
    }
}

#[test]
#[ignore = "needs Nix; cargo xtask test --install runs it"]
fn an_interruption_leaves_nothing_behind() {
    let home = Home::new("");
    let begun = home.path("begun").display().to_string();
    home.set(&format!(
        r#"a = sh "long-1.0" [ ] "mkdir -p locked; chmod 500 locked; touch {begun}; sleep 600 & wait";"#
    ));
    let mut child = home.ironwright(&["build", ".#a"]).spawn().unwrap();
    home.wait_for("begun");
    let pid = Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    kill_process(pid, Signal::INT).unwrap();
    let status = child.wait().unwrap();
    assert_eq!(status.code(), Some(130));
    let deadline = Instant::now() + Duration::from_secs(10);
    while !home.processes().is_empty() && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(home.processes(), Vec::<String>::new());
    let left: Vec<_> = std::fs::read_dir(home.path("tmp")).unwrap().flatten().collect();
    assert!(left.is_empty(), "{left:?}");
    home.set(&format!(r#"a = sh "long-1.0" [ ] "echo {begun} > $out";"#));
    home.builds(&[".#a"]);
}

/// Alone it is too large with two cores, and not with one.
#[test]
#[ignore = "needs Nix, root and a v1 memory controller; cargo xtask test --install runs it"]
fn what_the_kernel_kills_alone_is_built_with_fewer_cores() {
    let home = Home::new("");
    let tried = home.path("tried").display().to_string();
    let hold = "import time; x = bytearray(200 << 20); time.sleep(1)";
    home.set(&format!(
        r#"a = sh "wide-1.0" [ ] "echo $NIX_BUILD_CORES >> {tried}; seq 2 | xargs -P $NIX_BUILD_CORES -I% python3 -c '{hold}' || exit 1; echo > $out";"#
    ));
    let group = Group::new(Bytes::mib(320));
    let command = home.ironwright(&["build", ".#a", "--cores", "2"]);
    let output = group.inside(&command).output().unwrap();
    assert!(output.status.success(), "{}", text(&output));
    assert!(text(&output).contains("is built again"), "{}", text(&output));
    assert_eq!(home.read("tried"), "2\n1\n");
}
