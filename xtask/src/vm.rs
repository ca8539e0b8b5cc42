//! A nested machine with control groups of version 2, for tests that the machine at hand cannot run.
//!
//! Emulated in software, so it needs no privilege and no hardware; Debian's cloud kernel and a
//! busybox are all that is in it. Does not know what the tests are about.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use crate::{root, say};

/// What must be installed, with Debian's name for it.
const PROGRAMS: &[(&str, &str)] = &[
    ("qemu-system-x86_64", "qemu-system-x86"),
    ("busybox", "busybox-static"),
    ("cpio", "cpio"),
    ("systemd-run", "systemd"),
];
/// A boot takes ten seconds where nothing else runs.
const PATIENCE: Duration = Duration::from_mins(20);
/// Stands before the exit status of the command.
const STATUS: &str = "nested machine: status ";

/// The machine's first process. `in-group` and `as-user` run a command in a fresh group, the second
/// as a user to whom the group is delegated the way a service manager does it.
const INIT: &str = r#"#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t proc proc /proc
mount -t sysfs sys /sys
mount -t devtmpfs dev /dev
exec </dev/console >/dev/console 2>&1
mount -t tmpfs -o mode=1777 tmp /tmp
mount -t cgroup2 cgroup /sys/fs/cgroup
echo "+memory +pids +cpu" >/sys/fs/cgroup/cgroup.subtree_control
sh /command
echo "nested machine: status $?"
poweroff -f
"#;
const IN_GROUP: &str = r#"#!/bin/sh
group=/sys/fs/cgroup/$1
shift
mkdir $group
echo $$ >$group/cgroup.procs
exec "$@"
"#;
const AS_USER: &str = r#"#!/bin/sh
group=/sys/fs/cgroup/$1
shift
mkdir $group
chown 1000:1000 $group $group/cgroup.procs $group/cgroup.threads $group/cgroup.subtree_control
echo $$ >$group/cgroup.procs
exec su -s /bin/sh -c 'exec "$0" "$@"' -- user "$@"
"#;
const USERS: &str = "root:x:0:0::/:/bin/sh\nuser:x:1000:1000::/tmp:/bin/sh\n";

/// Governed runs: a unit gets a group of its own, as root and as a user; one that is too large for its
/// run is killed by the kernel, run again alone, and given up with its figures.
const GOVERNED: &str = r#"
export NO_COLOR=1
show="/ironwright run -q -- /ironwright unit -- cat /proc/self/cgroup"
export HOME=/tmp/root XDG_RUNTIME_DIR=/tmp/root/run
mkdir -p -m 700 $HOME $XDG_RUNTIME_DIR
in-group governed $show >/tmp/root/groups 2>&1 || { cat /tmp/root/groups; exit 1; }
grep -q '/ironwright-run-[0-9]*/unit-[0-9]*-1$' /tmp/root/groups || { cat /tmp/root/groups; exit 1; }
echo "a unit is in a group of its own, as root"
large="dd if=/dev/zero of=/dev/null bs=300M count=1"
! in-group large /ironwright run -q --set memory-budget=128MiB -- /ironwright unit -- $large \
    >/tmp/root/large 2>&1 || { echo "300 MiB fit in 128"; exit 1; }
grep -q 'killed for want of memory although it ran alone' /tmp/root/large \
    || { cat /tmp/root/large; exit 1; }
echo "a unit that is too large fails with its figures"
export HOME=/tmp/user XDG_RUNTIME_DIR=/tmp/user/run
mkdir -p -m 700 $HOME $XDG_RUNTIME_DIR
chown -R 1000:1000 $HOME
as-user user-governed $show >/tmp/user/groups 2>&1 || { cat /tmp/user/groups; exit 1; }
grep -q '/ironwright-run-[0-9]*/unit-[0-9]*-1$' /tmp/user/groups || { cat /tmp/user/groups; exit 1; }
echo "a unit is in a group of its own, as a user"
"#;

/// A user's own service manager, and a session whose group is not the user's, as `sshd` leaves one. Who
/// moves its processes into a scope is the system's manager, for which the user is let do it here.
const MANAGED: &str = r#"
export HOME=/tmp/managed XDG_RUNTIME_DIR=/tmp/managed/run
units=/etc/systemd/user
mkdir -p $units
mkdir -p -m 700 $HOME $XDG_RUNTIME_DIR
# Otherwise it takes the machine for one of another service manager.
mkdir -p /run/systemd/system
for unit in basic default shutdown; do echo "[Unit]" >$units/$unit.target; done
chown -R 1000:1000 $HOME /sys/fs/cgroup/cgroup.procs
as-user manager /lib/systemd/systemd --user >/tmp/managed/log 2>&1 &
tries=0
until [ -S $XDG_RUNTIME_DIR/systemd/private ]; do
    tries=$((tries + 1))
    [ $tries -lt 300 ] || { cat /tmp/managed/log; exit 1; }
    usleep 100000
done
session() { in-group $1 su -s /bin/sh -c "exec $2" user; }
run="/ironwright run -q --set memory-budget=128MiB -- /ironwright unit --"
session one "$run cat /proc/self/cgroup" >/tmp/managed/groups 2>&1 \
    || { cat /tmp/managed/groups /tmp/managed/log; exit 1; }
grep -q '/manager/app.slice/run-.*\.scope' /tmp/managed/groups \
    || { cat /tmp/managed/groups /tmp/managed/log; exit 1; }
echo "a run is in a scope of the user's service manager"
! session two "$run $large" >/tmp/managed/large 2>&1 || { echo "300 MiB fit in a scope of 128"; exit 1; }
grep -q 'killed for want of memory although it ran alone' /tmp/managed/large \
    || { cat /tmp/managed/large; exit 1; }
echo "a unit that is too large for its scope fails with its figures"
"#;
/// What is needed of Debian's service manager.
const MANAGER: [&str; 2] = ["/lib/systemd/systemd", "/usr/bin/systemd-run"];

/// What is put into a machine and done there.
pub(crate) struct Machine {
    /// Files of this machine and their absolute paths in the other.
    pub(crate) files: Vec<(PathBuf, String)>,
    /// A script for its shell.
    pub(crate) command: String,
}

/// Runs the tests that want version 2, as root and as a user with a delegated group.
pub(crate) fn run() -> Result<()> {
    if let Some(missing) = missing() {
        bail!("not installed: {missing}");
    }
    let test = test_executable("ironwright-host", "limit")?;
    let tests = "/test --ignored nested_v2_ --test-threads=1";
    let mut files = with_libraries(&test, "/test")?;
    for program in programs()? {
        let name = program.file_name().unwrap_or_default().to_string_lossy().into_owned();
        files.extend(with_libraries(&program, &format!("/{name}"))?);
    }
    for program in MANAGER {
        files.extend(with_libraries(Path::new(program), program)?);
    }
    Machine {
        files,
        // A filter that matches nothing would succeed.
        command: format!(
            "set -e\n/test --list --ignored | grep -q nested_v2_\n\
             in-group root {tests}\nas-user delegated {tests}\n{GOVERNED}{MANAGED}"
        ),
    }
    .run()
}

/// Builds the product's programs and tells where they are.
fn programs() -> Result<[PathBuf; 2]> {
    check(
        "cargo build",
        Command::new("cargo")
            .args(["build", "--locked", "-q", "-p", "ironwright"])
            .current_dir(root()),
    )?;
    let target =
        std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), PathBuf::from);
    Ok(["ironwright", "ironwright-launcher"].map(|name| target.join("debug").join(name)))
}

/// What is missing for a machine, if something is: a Debian package, or the right processor.
pub(crate) fn missing() -> Option<&'static str> {
    if !cfg!(target_arch = "x86_64") {
        return Some("an x86-64 processor, for which the tests are built,");
    }
    let is_there = |program: &str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        std::env::split_paths(&path).any(|directory| directory.join(program).is_file())
    };
    PROGRAMS.iter().find(|(program, _)| !is_there(program)).map(|(_, package)| *package)
}

/// Builds an integration test and tells where it is.
pub(crate) fn test_executable(package: &str, test: &str) -> Result<PathBuf> {
    let output = Command::new("cargo")
        .args(["test", "--locked", "--no-run", "--message-format=json", "-p", package])
        .args(["--test", test])
        .current_dir(root())
        .stderr(Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("the test {test} of {package} does not build");
    }
    let messages = String::from_utf8_lossy(&output.stdout);
    let found = messages.lines().find_map(|line| executable(line, test));
    found.with_context(|| format!("cargo names no executable for the test {test}"))
}

/// The executable of a target, if this message of cargo is about it.
fn executable(message: &str, target: &str) -> Option<PathBuf> {
    let message: serde_json::Value = serde_json::from_str(message).ok()?;
    let is_it = message.get("target")?.get("name")?.as_str()? == target;
    is_it.then(|| message.get("executable")?.as_str().map(PathBuf::from))?
}

/// An executable and the libraries that it is linked to, each where the loader looks for it.
pub(crate) fn with_libraries(executable: &Path, name: &str) -> Result<Vec<(PathBuf, String)>> {
    let mut files = vec![(executable.to_owned(), name.to_owned())];
    let output = Command::new("ldd").arg(executable).output().context("cannot run ldd")?;
    // It fails for what is linked statically, which then has no library.
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    files.extend(libraries(&text).map(|path| (PathBuf::from(path), path.to_owned())));
    Ok(files)
}

/// Paths in the output of ldd (`libc.so.6 => /lib/libc.so.6 (0x7f…)`).
fn libraries(text: &str) -> impl Iterator<Item = &str> {
    text.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')))
}

impl Machine {
    /// Boots it, runs the command, and fails unless that succeeds. What it prints is passed on.
    pub(crate) fn run(&self) -> Result<()> {
        let directory = root().join("target/tools/vm");
        fs::create_dir_all(&directory)?;
        let kernel = kernel(&directory)?;
        let archive = self.pack(&directory)?;
        let begin = Instant::now();
        let status = boot(&kernel, &archive)?;
        let seconds = begin.elapsed().as_secs_f64();
        if status != 0 {
            bail!("the command in the nested machine failed with status {status}");
        }
        say(&format!("nested machine: done in {seconds:.1} s"));
        Ok(())
    }

    /// Makes the archive from which the machine's files come.
    fn pack(&self, directory: &Path) -> Result<PathBuf> {
        let tree = directory.join("root");
        if tree.exists() {
            fs::remove_dir_all(&tree)?;
        }
        for directory in ["bin", "dev", "etc", "proc", "sys", "tmp"] {
            fs::create_dir_all(tree.join(directory))?;
        }
        let scripts = [("init", INIT), ("bin/in-group", IN_GROUP), ("bin/as-user", AS_USER)];
        for (name, text) in scripts {
            fs::write(tree.join(name), text)?;
            fs::set_permissions(tree.join(name), fs::Permissions::from_mode(0o755))?;
        }
        fs::write(tree.join("etc/passwd"), USERS)?;
        fs::write(tree.join("command"), &self.command)?;
        let busybox = find("busybox")?;
        for (from, to) in with_libraries(&busybox, "/bin/busybox")?.iter().chain(&self.files) {
            place(from, &tree.join(to.trim_start_matches('/')))?;
        }
        archive(&tree, &directory.join("root.cpio"))
    }
}

fn find(program: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|directory| directory.join(program))
        .find(|file| file.is_file())
        .with_context(|| format!("{program} is not installed"))
}

/// Copies a file without its debug information, which is most of a test.
fn place(from: &Path, to: &Path) -> Result<()> {
    if let Some(parent) = to.parent() {
        fs::create_dir_all(parent)?;
    }
    let stripped = Command::new("strip").arg("-o").arg(to).arg(from).stderr(Stdio::null()).status();
    if !stripped.is_ok_and(|status| status.success()) {
        fs::copy(from, to).with_context(|| format!("cannot copy {}", from.display()))?;
    }
    Ok(())
}

fn archive(tree: &Path, to: &Path) -> Result<PathBuf> {
    let mut names = vec![PathBuf::from(".")];
    let mut at = 0;
    while let Some(name) = names.get(at).cloned() {
        at += 1;
        if tree.join(&name).is_dir() {
            let entries = fs::read_dir(tree.join(&name))?.flatten();
            names.extend(entries.map(|entry| name.join(entry.file_name())));
        }
    }
    let list: Vec<_> = names.iter().map(|name| name.to_string_lossy()).collect();
    let mut cpio = Command::new("cpio")
        .args(["--create", "--format=newc", "--owner=0:0", "--quiet"])
        .current_dir(tree)
        .stdin(Stdio::piped())
        .stdout(fs::File::create(to)?)
        .spawn()
        .context("cannot run cpio")?;
    if let Some(mut input) = cpio.stdin.take() {
        input.write_all(list.join("\n").as_bytes())?;
    }
    if !cpio.wait()?.success() {
        bail!("cpio failed");
    }
    Ok(to.to_owned())
}

/// Debian's kernel for virtual machines, fetched once.
fn kernel(directory: &Path) -> Result<PathBuf> {
    let kernel = directory.join("vmlinuz");
    if kernel.is_file() {
        return Ok(kernel);
    }
    let output = Command::new("apt-cache").args(["depends", "linux-image-cloud-amd64"]).output();
    let output = output.context("cannot run apt-cache: the machine's kernel comes from Debian")?;
    let text = String::from_utf8_lossy(&output.stdout);
    let package = text.lines().find_map(|line| line.trim().strip_prefix("Depends: "));
    let package = package.context("no Debian package linux-image-cloud-amd64 is known")?;
    let fetched = directory.join("kernel");
    if fetched.exists() {
        fs::remove_dir_all(&fetched)?;
    }
    fs::create_dir_all(&fetched)?;
    say(&format!("$ apt-get download {package}"));
    let mut download = Command::new("apt-get");
    check("apt-get download", download.args(["download", "-qq", package]).current_dir(&fetched))?;
    let archive = only(&fetched)?;
    check("dpkg -x", Command::new("dpkg").arg("-x").args([&archive, &fetched]))?;
    let image = fetched.join("boot").join(package.replacen("linux-image-", "vmlinuz-", 1));
    fs::rename(&image, &kernel).with_context(|| format!("{package} has no kernel"))?;
    fs::remove_dir_all(&fetched)?;
    Ok(kernel)
}

fn check(name: &str, command: &mut Command) -> Result<()> {
    let status = command.status().with_context(|| format!("cannot run {name}"))?;
    if status.success() { Ok(()) } else { bail!("{name} failed: {status}") }
}

fn only(directory: &Path) -> Result<PathBuf> {
    let entry = fs::read_dir(directory)?.flatten().next();
    Ok(entry.context("apt-get brought nothing")?.path())
}

/// Boots and gives the exit status that the machine tells. The kernel keeps to itself what it has to
/// say about kills, which would fall into the lines of the tests.
fn boot(kernel: &Path, archive: &Path) -> Result<i32> {
    let mut machine = Command::new("qemu-system-x86_64")
        .args(["-accel", "tcg", "-cpu", "max", "-m", "1024", "-smp", "2", "-nodefaults"])
        .args(["-display", "none", "-serial", "stdio", "-no-reboot"])
        .arg("-kernel")
        .arg(kernel)
        .arg("-initrd")
        .arg(archive)
        .args(["-append", "console=ttyS0 loglevel=1 panic=-1"])
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .spawn()
        .context("cannot run qemu-system-x86_64")?;
    let status = listen(&lines(&mut machine));
    // It is over already, or there is nothing to wait for.
    let _ = machine.kill();
    machine.wait()?;
    status
}

/// The machine's lines as they come.
fn lines(machine: &mut Child) -> Receiver<String> {
    let (sender, receiver) = channel();
    if let Some(output) = machine.stdout.take() {
        std::thread::spawn(move || {
            for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).trim_end().to_owned();
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
    }
    receiver
}

fn listen(lines: &Receiver<String>) -> Result<i32> {
    let end = Instant::now() + PATIENCE;
    loop {
        match lines.recv_timeout(end.saturating_duration_since(Instant::now())) {
            Ok(line) => match line.strip_prefix(STATUS) {
                Some(status) => return status.parse().context("the machine tells no status"),
                None => say(&line),
            },
            Err(RecvTimeoutError::Timeout) => {
                bail!("the nested machine was not done in {} s", PATIENCE.as_secs())
            }
            Err(RecvTimeoutError::Disconnected) => bail!("the nested machine ended early"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_executable_of_a_target_is_found() {
        let line = r#"{"reason":"compiler-artifact","target":{"name":"limit"},"executable":"/x"}"#;
        assert_eq!(executable(line, "limit"), Some(PathBuf::from("/x")));
        assert_eq!(executable(line, "run"), None);
        assert_eq!(executable(r#"{"target":{"name":"limit"},"executable":null}"#, "limit"), None);
        assert_eq!(executable("no json", "limit"), None);
    }

    #[test]
    fn libraries_and_the_loader_are_found() {
        let text = "\tlinux-vdso.so.1 (0x7ff)\n\tlibc.so.6 => /lib/libc.so.6 (0x7f0)\n\
                    \t/lib64/ld-linux-x86-64.so.2 (0x7f1)\n\tstatically linked\n";
        let found: Vec<_> = libraries(text).collect();
        assert_eq!(found, ["/lib/libc.so.6", "/lib64/ld-linux-x86-64.so.2"]);
    }

    #[test]
    fn the_status_ends_the_listening() {
        let listen_to = |texts: &[&str]| {
            let (sender, receiver) = channel();
            for text in texts {
                sender.send((*text).to_owned()).unwrap_or_default();
            }
            drop(sender);
            listen(&receiver)
        };
        assert_eq!(listen_to(&["booted", "nested machine: status 3", "more"]).ok(), Some(3));
        assert!(listen_to(&["booted"]).is_err());
        assert!(listen_to(&["nested machine: status x"]).is_err());
        assert!(INIT.contains(STATUS));
    }
}
