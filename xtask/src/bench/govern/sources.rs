//! Projects that are built: ripgrep, C++ with heavy templates, and a Go module of many packages.
//!
//! Does not know how they are built, nor how much memory that takes.

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

use super::shuffle::shuffle;
use super::world::World;

/// The version of ripgrep.
const RIPGREP: &str = "ripgrep-14.1.1";
/// Translation units, and instances of a template in the smallest and in each next one: 300 to 700 MiB
/// with gcc 12, which needs a second for 40 MiB, as it does for the decompositions of Eigen 3.4.
const UNITS: u32 = 12;
const INSTANCES: (u32, u32) = (16, 2);
/// Go packages.
const PACKAGES: u32 = 40;

/// The source of ripgrep, with everything that its build downloads there already.
pub(crate) fn ripgrep(world: &World) -> Result<PathBuf> {
    let home = std::env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(std::env::var_os("HOME")?).join(".cargo")));
    let sources = home.context("no home")?.join("registry/src");
    let find = || {
        let indices = fs::read_dir(&sources).into_iter().flatten().flatten();
        indices.map(|index| index.path().join(RIPGREP)).find(|path| path.is_dir())
    };
    if find().is_none() {
        // Nothing but an installation fetches the source of a program.
        let root = world.work().join("installed");
        sh("cargo", &["install", "ripgrep", "--version", "14.1.1", "--locked", "--root"], &root)?;
    }
    let copy = world.work().join(RIPGREP);
    if !copy.is_dir() {
        let found = find().context("cargo did not keep ripgrep's source")?;
        sh("cp", &["-r", &found.to_string_lossy()], &copy)?;
        let status =
            Command::new("cargo").args(["fetch", "--locked"]).current_dir(&copy).status()?;
        if !status.success() {
            bail!("cannot fetch what ripgrep needs: {status}");
        }
    }
    Ok(copy)
}

fn sh(program: &str, arguments: &[&str], last: &Path) -> Result<()> {
    let status = Command::new(program).args(arguments).arg(last).status()?;
    if !status.success() {
        bail!("{program} failed: {status}");
    }
    Ok(())
}

/// A dozen translation units, each larger than the one before.
pub(crate) fn templates(directory: &Path) -> Result<()> {
    for unit in 0..UNITS {
        let mut text = "template<int A, int B> struct cell { static int f(int x) \
                        { int t[4] = {x, x + A, x ^ B, x * B}; \
                        for (int i = 1; i < 4; ++i) t[i] += t[i - 1] * (i + A); \
                        return cell<A, B - 1>::f(t[3]) ^ t[2]; } };\n\
                        template<int A> struct cell<A, 0> { static int f(int x) { return x + A; } };\n"
            .to_owned();
        let _ = writeln!(text, "int unit_{unit}(int x) {{ int sum = 0;");
        for instance in 0..INSTANCES.0 + unit * INSTANCES.1 {
            let _ = writeln!(text, "sum += cell<{instance}, 400>::f(x);");
        }
        text.push_str("return sum; }\n");
        fs::write(directory.join(format!("unit{unit}.cc")), text)?;
    }
    Ok(())
}

/// Their Makefile, which names them in an order of its own: that of a real project tells nothing of how
/// large its units are.
pub(crate) fn makefile(directory: &Path, order: u64) -> Result<()> {
    let mut units: Vec<u32> = (0..UNITS).collect();
    shuffle(&mut units, order);
    let objects = units.iter().fold(String::new(), |all, unit| format!("{all} unit{unit}.o"));
    let text = format!(
        "CXX = g++\nCXXFLAGS = -O2 -ftemplate-depth=900\nlib.a:{objects}\n\trm -f $@ && ar rc $@ $^\n"
    );
    Ok(fs::write(directory.join("Makefile"), text)?)
}

/// A Go module without dependencies.
pub(crate) fn go(directory: &Path) -> Result<()> {
    fs::write(directory.join("go.mod"), "module example.test/many\n\ngo 1.19\n")?;
    let mut main = "package main\n\nimport (\n".to_owned();
    let mut body = String::new();
    for package in 0..PACKAGES {
        let name = format!("p{package}");
        let mut text = format!("package {name}\n\nimport (\"fmt\"; \"sort\"; \"strings\")\n");
        for function in 0..300 {
            let _ = writeln!(
                text,
                "func F{function}(m map[string][]int) string {{ k := []string{{}}; for s, v := range m \
                 {{ sort.Ints(v); k = append(k, fmt.Sprintf(\"%s{function}%v\", s, v)) }}; \
                 sort.Strings(k); return strings.Join(k, \"{package}\") }}"
            );
        }
        fs::create_dir_all(directory.join(&name))?;
        fs::write(directory.join(&name).join("lib.go"), text)?;
        let _ = writeln!(main, "\t\"example.test/many/{name}\"");
        let _ = writeln!(body, "\tprintln({name}.F0(nil))");
    }
    let _ = write!(main, ")\n\nfunc main() {{\n{body}}}\n");
    Ok(fs::write(directory.join("main.go"), main)?)
}
