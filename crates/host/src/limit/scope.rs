//! Limits by the user's service manager: a scope of its own for a command.
//!
//! Does not start anything, and does not know whether the manager itself was given the memory
//! controller; the command sees by its own [`super::domain::Domain`] whether the limit is there.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use ironwright_core::units::Bytes;

/// What to put in front of a command so that it runs in a limited, delegated scope of its own;
/// `None` where no service manager of the user answers.
///
/// `environment` gives the value of a variable (`std::env::var_os`).
pub fn scope_prefix(
    environment: impl Fn(&str) -> Option<OsString>,
    budget: Bytes,
) -> Option<Vec<String>> {
    let runs = manager_answers(&environment);
    let program = runs.then(|| find("systemd-run", &environment("PATH")?))??;
    let most = budget.0.saturating_add(budget.0 / 16);
    let mut prefix = vec![program.into_os_string().into_string().ok()?];
    prefix.extend(["--user", "--scope", "--quiet", "--collect"].map(str::to_owned));
    let properties = [
        format!("MemoryHigh={}", budget.0),
        format!("MemoryMax={most}"),
        "Delegate=yes".to_owned(),
    ];
    for property in properties {
        prefix.extend(["-p".to_owned(), property]);
    }
    prefix.push("--".to_owned());
    Some(prefix)
}

fn manager_answers(environment: &impl Fn(&str) -> Option<OsString>) -> bool {
    let private = environment("XDG_RUNTIME_DIR")
        .is_some_and(|directory| Path::new(&directory).join("systemd/private").exists());
    private
        || environment("DBUS_SESSION_BUS_ADDRESS")
            .and_then(|address| address.into_string().ok())
            .is_some_and(|address| bus_exists(&address))
}

/// Whether one of the addresses (`unix:path=/run/user/1000/bus,guid=…;…`) is there. A variable that
/// outlived its session names a socket that is gone.
fn bus_exists(addresses: &str) -> bool {
    addresses.split(';').filter_map(|address| address.strip_prefix("unix:")).any(|keys| {
        let path = keys.split(',').find_map(|key| key.strip_prefix("path="));
        path.is_some_and(|path| Path::new(path).exists())
    })
}

fn find(program: &str, path: &OsString) -> Option<PathBuf> {
    std::env::split_paths(path)
        .filter(|directory| directory.is_absolute())
        .map(|directory| directory.join(program))
        .find(|file| rustix::fs::access(file, rustix::fs::Access::EXEC_OK).is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;
    use ironwright_testkit::FakeRoot;
    use proptest::prelude::*;
    use std::os::unix::fs::PermissionsExt;

    fn machine() -> FakeRoot {
        let fake = FakeRoot::new([("bin/systemd-run", "#!/bin/sh\n"), ("run/systemd/private", "")]);
        fake.write("run/bus", "");
        let mode = std::fs::Permissions::from_mode(0o755);
        std::fs::set_permissions(fake.resolve("bin/systemd-run"), mode).unwrap();
        fake
    }

    fn prefix(fake: &FakeRoot, variables: &[(&str, &str)]) -> Option<Vec<String>> {
        let here = fake.path().to_str().unwrap();
        let find = |name: &str| {
            let (_, value) = variables.iter().find(|(variable, _)| *variable == name)?;
            Some(OsString::from(value.replace('@', here)))
        };
        scope_prefix(find, Bytes::gib(1))
    }

    #[test]
    fn a_manager_that_answers_gives_a_scope() {
        let fake = machine();
        let found = prefix(&fake, &[("PATH", "relative:@/bin"), ("XDG_RUNTIME_DIR", "@/run")]);
        let words = found.unwrap();
        assert_eq!(words.first().map(String::as_str), fake.resolve("bin/systemd-run").to_str());
        assert_eq!(
            words[1..].join(" "),
            "--user --scope --quiet --collect -p MemoryHigh=1073741824 -p MemoryMax=1140850688 \
             -p Delegate=yes --"
        );
        let bus = ("DBUS_SESSION_BUS_ADDRESS", "unix:abstract=/x;unix:path=@/run/bus,guid=1");
        assert!(prefix(&fake, &[("PATH", "@/bin"), bus]).is_some());
    }

    #[test]
    fn without_one_there_is_none() {
        let fake = machine();
        assert_eq!(prefix(&fake, &[("PATH", "@/bin")]), None);
        assert_eq!(prefix(&fake, &[("PATH", "@"), ("XDG_RUNTIME_DIR", "@/run")]), None);
        assert_eq!(prefix(&fake, &[("XDG_RUNTIME_DIR", "@/run")]), None);
        let gone = ("DBUS_SESSION_BUS_ADDRESS", "unix:path=@/gone");
        assert_eq!(prefix(&fake, &[("PATH", "@/bin"), gone]), None);
    }

    proptest! {
        #[test]
        fn any_address_is_read_without_a_panic(text in "(unix:|path=|[;,]|\\PC){0,8}") {
            let _ = bus_exists(&text);
        }
    }
}
