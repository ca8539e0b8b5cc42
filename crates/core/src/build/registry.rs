//! The steps that build a package of a registry into a directory of its own.
//!
//! Does not know versions: without one, the registry's newest is asked for.

use std::path::PathBuf;

use super::{BuildPlan, Driver, Source, Step, Surroundings, step};

/// The plan of a crate, or of a package of npm, `PyPI` or Go; `None` for other sources.
pub(super) fn plan(source: &Source, around: &Surroundings) -> Option<BuildPlan> {
    let (name, version) = source.package()?;
    let driver = source.driver()?;
    let (steps, output) = match driver {
        Driver::Npm => npm(name, version, around),
        Driver::Python => pypi(name, version, around),
        Driver::Go => go(name, version, around),
        _ => cargo(name, version, around),
    };
    Some(BuildPlan {
        source: source.to_string(),
        package: name.to_owned(),
        driver,
        steps,
        output,
        scratch: (driver == Driver::Cargo).then(|| around.scratch.clone()),
    })
}

type Steps = (Vec<Step>, PathBuf);

fn cargo(name: &str, version: Option<&str>, around: &Surroundings) -> Steps {
    let output = around.output.to_string_lossy();
    let scratch = around.scratch.to_string_lossy();
    // cargo's own temporary directory would stay behind when the build is interrupted.
    let mut install = step(
        "build",
        &["cargo", "install", name, "--root", &output, "--target-dir", &scratch],
        &around.dir,
    );
    install.argv.extend(["--locked", "--force", "--no-track"].map(str::to_owned));
    if let Some(version) = version {
        install.argv.extend(["--version".to_owned(), version.to_owned()]);
    }
    if around.offline {
        install.argv.push("--offline".to_owned());
    }
    (vec![install], around.output.join("bin"))
}

/// A global installation puts the programs into `bin` and runs every install script.
fn npm(name: &str, version: Option<&str>, around: &Surroundings) -> Steps {
    let output = around.output.to_string_lossy();
    let package = format!("{name}@{}", version.unwrap_or("latest"));
    let mut install = step(
        "build",
        &["npm", "install", "--global", "--prefix", &output, "--no-audit", "--no-fund", &package],
        &around.dir,
    );
    if around.offline {
        install.argv.push("--offline".to_owned());
    }
    (vec![install], around.output.join("bin"))
}

/// The package itself is built from source; what it needs at run time is not fetched. pip would hand
/// out the wheel that it built last time, whatever its settings were.
fn pypi(name: &str, version: Option<&str>, around: &Surroundings) -> Steps {
    let output = around.output.to_string_lossy();
    let wanted = version.map_or_else(|| name.to_owned(), |version| format!("{name}=={version}"));
    let mut wheel = step(
        "build",
        &["python3", "-m", "pip", "wheel", "--no-deps", "--no-cache-dir", "--no-binary", name],
        &around.dir,
    );
    wheel.argv.extend(["--wheel-dir".to_owned(), output.into_owned(), wanted]);
    if around.offline {
        wheel.argv.push("--no-index".to_owned());
    }
    (vec![wheel], around.output.clone())
}

/// go takes the place of programs from a variable only.
fn go(name: &str, version: Option<&str>, around: &Surroundings) -> Steps {
    let bin = around.output.join("bin");
    let mut install = step("build", &["env", &format!("GOBIN={}", bin.display())], &around.dir);
    if around.offline {
        install.argv.push("GOPROXY=off".to_owned());
    }
    let package = format!("{name}@{}", version.unwrap_or("latest"));
    install.argv.extend(["go".to_owned(), "install".to_owned(), package]);
    (vec![install], bin)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn commands(source: &str, offline: bool) -> String {
        let around = Surroundings {
            dir: "/here".into(),
            output: "/out".into(),
            scratch: "/scratch".into(),
            offline,
            ..Surroundings::default()
        };
        let plan = plan(&source.parse().unwrap(), &around).unwrap();
        assert_eq!(plan.scratch.is_some(), plan.driver == Driver::Cargo);
        plan.steps.iter().map(|step| step.argv.join(" ")).collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn every_registry_has_its_command() {
        assert_eq!(
            commands("crate:bat@1.0.0", false),
            "cargo install bat --root /out --target-dir /scratch --locked --force --no-track --version 1.0.0"
        );
        assert_eq!(
            commands("npm:@a/b@2.0.0", true),
            "npm install --global --prefix /out --no-audit --no-fund @a/b@2.0.0 --offline"
        );
        assert_eq!(
            commands("pypi:x@3", false),
            "python3 -m pip wheel --no-deps --no-cache-dir --no-binary x --wheel-dir /out x==3"
        );
        assert_eq!(
            commands("go:a.org/b", true),
            "env GOBIN=/out/bin GOPROXY=off go install a.org/b@latest"
        );
    }
}
