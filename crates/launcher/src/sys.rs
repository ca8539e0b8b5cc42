//! The calls of the operating system that no library in use wraps safely.
//!
//! The one file of the launcher with unsafe code. Does not know what the calls are for.

use std::ffi::{CStr, OsStr, OsString};
use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::fd::{FromRawFd, IntoRawFd, OwnedFd};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::stdio::{stderr, stdin, stdout};
use rustix::time::Timespec;

/// Whether SIGPIPE was ignored before this program ignored it.
static SIGPIPE_IGNORED: AtomicBool = AtomicBool::new(false);

/// Runs before Rust's runtime starts, where there is one: it changes what SIGPIPE does and does not tell.
#[used]
#[expect(unsafe_code, reason = "a place in a section is the only way to run that early")]
#[unsafe(link_section = ".init_array")]
static AT_START: extern "C" fn() = {
    extern "C" fn remember() {
        SIGPIPE_IGNORED.store(is_ignored(libc::SIGPIPE), Ordering::Relaxed);
    }
    remember
};

/// What Rust's runtime does at the start of a program, as far as the launcher needs it: a pipe without
/// a reader is an error that is told, and no file that is opened gets the number of a standard stream.
pub(crate) fn begin() {
    act(libc::SIGPIPE, true);
    let nothing = PollFlags::empty();
    let mut streams = [stdin(), stdout(), stderr()].map(|it| PollFd::from_borrowed_fd(it, nothing));
    let _ = poll(&mut streams, Some(&Timespec::default()));
    for _ in streams.iter().filter(|stream| stream.revents().contains(PollFlags::NVAL)) {
        // The lowest number that is free is taken, for the command too.
        let file = rustix::fs::open("/dev/null", OFlags::RDWR, Mode::empty());
        let _ = file.map(IntoRawFd::into_raw_fd);
    }
}

/// The words of a command line.
///
/// # Safety
///
/// It is what the C library passes to `main`.
#[expect(unsafe_code, reason = "they come as pointers")]
pub(crate) unsafe fn words(line: *const *const libc::c_char) -> impl Iterator<Item = OsString> {
    // SAFETY: so many pointers follow one another, and the last of them is null.
    let pointers = (0..).map(move |index| unsafe { *line.add(index) });
    pointers.take_while(|word| !word.is_null()).map(|word| {
        // SAFETY: each points to a string that ends with a zero and lives as long as the program.
        let word = unsafe { CStr::from_ptr(word) };
        OsStr::from_bytes(word.to_bytes()).to_owned()
    })
}

/// A set of signals.
#[derive(Clone, Copy)]
pub(crate) struct Mask(libc::sigset_t);

impl Mask {
    #[expect(unsafe_code, reason = "no safe wrapper of signal sets")]
    pub(crate) fn of(signals: &[i32]) -> Self {
        // SAFETY: a signal set is plain data, and sigemptyset makes it a valid one.
        let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
        // SAFETY: the pointer is to a live, writable local; unknown signals are refused.
        unsafe { libc::sigemptyset(&raw mut set) };
        for signal in signals {
            // SAFETY: as above.
            unsafe { libc::sigaddset(&raw mut set, *signal) };
        }
        Self(set)
    }

    /// The signals that are blocked now.
    pub(crate) fn current() -> Self {
        Self::of(&[]).change(libc::SIG_BLOCK)
    }

    /// Blocks these signals as well; the mask that held before.
    pub(crate) fn block(self) -> Self {
        self.change(libc::SIG_BLOCK)
    }

    /// Lets these signals through; the mask that held before.
    pub(crate) fn unblock(self) -> Self {
        self.change(libc::SIG_UNBLOCK)
    }

    /// Blocks exactly these signals.
    pub(crate) fn set(self) {
        self.change(libc::SIG_SETMASK);
    }

    #[expect(unsafe_code, reason = "no safe wrapper of signal masks")]
    fn change(self, how: i32) -> Self {
        // SAFETY: plain data, as in `of`.
        let mut before = Self(unsafe { std::mem::zeroed() });
        // SAFETY: both pointers are to live sets; only this thread's mask changes.
        unsafe { libc::pthread_sigmask(how, &raw const self.0, &raw mut before.0) };
        before
    }

    /// A descriptor that is readable when one of these signals, which must be blocked, came.
    #[expect(unsafe_code, reason = "no safe wrapper of signalfd")]
    pub(crate) fn descriptor(self) -> io::Result<OwnedFd> {
        let flags = libc::SFD_CLOEXEC | libc::SFD_NONBLOCK;
        // SAFETY: the pointer is to a live set.
        let descriptor = unsafe { libc::signalfd(-1, &raw const self.0, flags) };
        if descriptor < 0 {
            return Err(io::Error::last_os_error());
        }
        // SAFETY: the call made the descriptor, and nobody else knows it.
        Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
    }
}

/// Takes a descriptor that was left for this process, and keeps it from commands.
#[expect(unsafe_code, reason = "it comes as a number")]
pub(crate) fn own(descriptor: i32) -> io::Result<OwnedFd> {
    // SAFETY: no memory is involved; a number that is no open descriptor is refused.
    if unsafe { libc::fcntl(descriptor, libc::F_SETFD, libc::FD_CLOEXEC) } < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: it is open, and nothing in this process knows it yet.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Whether a signal is ignored.
#[expect(unsafe_code, reason = "no safe wrapper of sigaction")]
pub(crate) fn is_ignored(signal: i32) -> bool {
    // SAFETY: plain data that the call fills.
    let mut action: libc::sigaction = unsafe { std::mem::zeroed() };
    // SAFETY: nothing is changed, and the pointer is to a live local.
    let result = unsafe { libc::sigaction(signal, std::ptr::null(), &raw mut action) };
    result == 0 && action.sa_sigaction == libc::SIG_IGN
}

/// Gives a signal its default action, or ignores it.
#[expect(unsafe_code, reason = "no safe wrapper of signal")]
pub(crate) fn act(signal: i32, ignore: bool) {
    let action = if ignore { libc::SIG_IGN } else { libc::SIG_DFL };
    // SAFETY: neither action runs code of ours.
    unsafe { libc::signal(signal, action) };
}

/// Sends a signal to a process, or to a group when the number is negative. Who is gone is no fault.
#[expect(unsafe_code, reason = "safe wrappers refuse the signals that have no name")]
pub(crate) fn send(target: i32, signal: i32) {
    // SAFETY: no memory is involved.
    unsafe { libc::kill(target, signal) };
}

/// The letter by which the kernel tells the state of a process; see `proc_pid_stat(5)`.
pub(crate) fn state(pid: i32) -> Option<char> {
    state_in(Path::new(&format!("/proc/{pid}")))
}

/// The same of a process or thread by its directory.
pub(crate) fn state_in(directory: &Path) -> Option<char> {
    let stat = std::fs::read_to_string(directory.join("stat")).ok()?;
    // The name in parentheses may hold anything.
    let (_, rest) = stat.rsplit_once(')')?;
    rest.trim_start().chars().next()
}

/// What a child that ended had used.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Usage {
    pub(crate) status: i32,
    pub(crate) user_us: u64,
    pub(crate) system_us: u64,
    /// Resident size of the largest process, in bytes.
    pub(crate) peak_process: u64,
}

/// Reaps a child that ended.
#[expect(unsafe_code, reason = "no safe wrapper of wait4 tells the resources")]
pub(crate) fn reap(pid: i32) -> io::Result<Usage> {
    let mut status = 0;
    // SAFETY: `rusage` holds integers only, for which all bits zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    loop {
        // SAFETY: both pointers are to live, writable locals of the types that the call expects.
        let reaped = unsafe { libc::wait4(pid, &raw mut status, 0, &raw mut usage) };
        if reaped == pid {
            break;
        }
        let error = io::Error::last_os_error();
        if error.kind() != io::ErrorKind::Interrupted {
            return Err(error);
        }
    }
    Ok(Usage {
        status,
        user_us: microseconds(usage.ru_utime),
        system_us: microseconds(usage.ru_stime),
        peak_process: u64::try_from(usage.ru_maxrss).unwrap_or(0).saturating_mul(1024),
    })
}

fn microseconds(time: libc::timeval) -> u64 {
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds.saturating_mul(1_000_000).saturating_add(u64::try_from(time.tv_usec).unwrap_or(0))
}

/// Room for what a process does before it becomes another program, in bytes. Pages that are not touched
/// cost nothing.
const STACK: usize = 256 << 10;

#[expect(unsafe_code, reason = "the C library has no other name for them")]
unsafe extern "C" {
    /// The variables of this process; see `environ(7)`.
    #[link_name = "environ"]
    static mut VARIABLES: *const *const libc::c_char;
}

/// What a process that was just started has of the one that started it.
struct Borrowed<'a> {
    command: &'a mut Command,
    /// Why it did not become the command.
    error: Option<io::Error>,
}

/// Starts a command, and returns its process as soon as it is that program.
///
/// Until then it borrows this process's memory, as with `vfork(2)`: what describes that memory would be
/// copied for each unit, and thrown away at once.
#[expect(unsafe_code, reason = "no safe wrapper starts a process that borrows memory")]
pub(crate) fn start(command: &mut Command) -> io::Result<i32> {
    let mut stack: Vec<u8> = Vec::with_capacity(STACK);
    let mut borrowed = Borrowed { command, error: None };
    let flags = libc::CLONE_VM | libc::CLONE_VFORK | libc::SIGCHLD;
    // SAFETY: the pointer stays within the allocation or one past its end, and a multiple of 16 below
    // that is what both architectures' stacks begin at.
    let top = unsafe { stack.as_mut_ptr().add(STACK) };
    let top = top.wrapping_sub(top.addr() % 16);
    // SAFETY: the launcher has one thread, so nobody else reads or writes the variables.
    let variables = unsafe { VARIABLES };
    // SAFETY: this thread, the only one, is held up until the other process has become a program or
    // ended, so both never use memory at once; stack and argument live until then. What the other leaves
    // locked is a lock for readers of variables, and what it leaves allocated is not missed.
    let pid = unsafe { libc::clone(become_it, top.cast(), flags, (&raw mut borrowed).cast()) };
    // SAFETY: as above. The program's variables were put in their place.
    unsafe { VARIABLES = variables };
    match (pid, borrowed.error) {
        (..0, _) => Err(io::Error::last_os_error()),
        (_, None) => Ok(pid),
        (_, Some(error)) => {
            let _ = reap(pid);
            Err(error)
        }
    }
}

#[expect(unsafe_code, reason = "the argument comes through the kernel")]
extern "C" fn become_it(borrowed: *mut libc::c_void) -> i32 {
    // SAFETY: `start` passes a pointer to such a value, which nobody else uses meanwhile.
    let borrowed = unsafe { &mut *borrowed.cast::<Borrowed<'_>>() };
    borrowed.error = Some(borrowed.command.exec());
    1
}

/// What happens in the process that becomes the command, just before it does.
pub(crate) struct Before {
    /// The mask that the command is to have.
    pub(crate) mask: Mask,
    /// Whether SIGCHLD is to be ignored, as it was for the launcher.
    pub(crate) child_ignored: bool,
    /// Set when the command must not outlive this process, its parent.
    pub(crate) parent: Option<i32>,
    /// What to write to its `oom_score_adj`.
    pub(crate) oom_score_adj: Option<String>,
    /// The `cgroup.procs` to enter.
    pub(crate) group: Option<PathBuf>,
}

impl Before {
    /// A command that takes the launcher's place.
    pub(crate) fn exec() -> Self {
        Self {
            mask: Mask::current(),
            child_ignored: false,
            parent: None,
            oom_score_adj: None,
            group: None,
        }
    }

    fn run(&self) {
        if self.parent.is_some() {
            let kill = rustix::process::Signal::KILL;
            let _ = rustix::process::set_parent_process_death_signal(Some(kill));
            // The parent may have died before the line above.
            let parent = rustix::process::getppid().map_or(0, |pid| pid.as_raw_nonzero().get());
            if self.parent != Some(parent) {
                send(rustix::process::getpid().as_raw_nonzero().get(), libc::SIGKILL);
            }
        }
        if let Some(group) = &self.group {
            let _ = OpenOptions::new().write(true).open(group).and_then(|mut f| f.write_all(b"0"));
        }
        if let Some(score) = &self.oom_score_adj {
            let file = OpenOptions::new().write(true).open("/proc/self/oom_score_adj");
            let _ = file.and_then(|mut file| file.write_all(score.as_bytes()));
        }
        act(libc::SIGPIPE, SIGPIPE_IGNORED.load(Ordering::Relaxed));
        if self.child_ignored {
            act(libc::SIGCHLD, true);
        }
        self.mask.set();
    }
}

/// Lets a command begin as the launcher itself began: the same mask, the same ignored signals.
#[expect(unsafe_code, reason = "code between fork and exec cannot be checked by the compiler")]
pub(crate) fn prepare(command: &mut Command, before: Before) {
    let run = move || {
        before.run();
        Ok(())
    };
    // SAFETY: the launcher has one thread, so no lock can be held across the fork, and what is
    // written are files and this process's own signals.
    unsafe { command.pre_exec(run) };
}
