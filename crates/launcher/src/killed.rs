//! Lines by which a compiler driver, a linker or a shell says that a process below it was killed
//! by SIGKILL.
//!
//! The texts are those of gcc 12, clang 14, rustc 1.95, Go 1.19, GNU make 4.3, bash 5.2 and dash
//! 0.5, seen when their helpers were killed; nvcc's is from its documentation. Only English is
//! recognised. Does not know whether the command failed.

/// Exit code of a shell for a command that SIGKILL ended, from POSIX: 128 plus the signal.
pub(crate) const SHELL_CODE: i32 = 128 + 9;

/// What stands somewhere in the line.
const INSIDE: &[&str] = &[
    // gcc: "fatal error: Killed signal terminated program cc1plus"
    "Killed signal terminated program",
    // collect2, lto-wrapper: "fatal error: ld terminated with signal 9 [Killed]"
    "terminated with signal 9",
    // clang: "error: unable to execute command: Killed"
    "unable to execute command: Killed",
    // rustc: "linking with `cc` failed: signal: 9 (SIGKILL)"
    "failed: signal: 9",
    // Go's linker: "running gcc failed: signal: killed"
    "failed: signal: killed",
    // nvcc: "'cicc' died due to signal 9 (Kill signal)"
    "died due to signal 9",
];

/// Whether a line says so. The line may end with a line feed or not.
pub(crate) fn is_said_by(line: &[u8]) -> bool {
    if !contains(line, "signal") && !contains(line, "Killed") {
        return false;
    }
    INSIDE.iter().any(|text| contains(line, text)) || is_said_by_shell(line.trim_ascii())
}

/// dash says "Killed" alone, bash "script: line 3: 1234 Killed   command", and make
/// "make: *** [Makefile:2: all] Killed".
fn is_said_by_shell(line: &[u8]) -> bool {
    line == b"Killed"
        || (contains(line, ": line ") && contains(line, " Killed "))
        || (contains(line, ": *** [") && line.ends_with(b"] Killed"))
}

fn contains(line: &[u8], text: &str) -> bool {
    line.windows(text.len()).any(|window| window == text.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn what_drivers_say_is_recognised() {
        for line in [
            "g++: fatal error: Killed signal terminated program cc1plus\n",
            "collect2: fatal error: ld terminated with signal 9 [Killed]",
            "clang: error: unable to execute command: Killed\n",
            "error: linking with `cc` failed: signal: 9 (SIGKILL)",
            r#"{"message":"linking with `cc` failed: signal: 9 (SIGKILL)","code":null}"#,
            "/usr/lib/go/pkg/tool/linux_amd64/link: running gcc failed: signal: killed",
            "nvcc error   : 'cicc' died due to signal 9 (Kill signal)",
            "Killed\n",
            "build.sh: line 3:  4711 Killed                  g++ -c a.cc",
            "make: *** [Makefile:2: all] Killed",
        ] {
            assert!(is_said_by(line.as_bytes()), "{line}");
        }
    }

    #[test]
    fn what_only_sounds_alike_is_not() {
        for line in [
            "warning: unused variable `Killed`",
            "note: signal handlers must be async-signal-safe",
            "fatal error: signal.h: No such file or directory",
            "collect2: fatal error: ld terminated with signal 11 [Segmentation fault]",
            "clang: error: unable to execute command: Segmentation fault",
            "make: *** [Makefile:2: all] Error 1",
            "Killed by Death, track 3",
            "",
        ] {
            assert!(!is_said_by(line.as_bytes()), "{line}");
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_looked_at_without_a_panic(line in prop::collection::vec(any::<u8>(), 0..300)) {
            let _ = is_said_by(&line);
        }
    }
}
