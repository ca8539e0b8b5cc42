//! Linker, link-time and profile-guided optimisation, BOLT, allocator.
//!
//! Each is decided by marks that the tool leaves, or stays unknown. Does not read code.

use super::origin::{has_silent_units, recorded};
use super::traces::Traces;
use crate::report::Claim;

/// The linker.
pub(crate) fn linker(traces: &Traces) -> Claim {
    if traces.is_relocatable {
        return Claim::unknown("not linked yet");
    }
    let comment = |word: &str| traces.comments.iter().find(|text| text.contains(word));
    if let Some(text) = comment("LLD ") {
        return Claim::is("lld", text.clone());
    }
    if let Some(text) = traces.comments.iter().find(|text| text.starts_with("mold ")) {
        return Claim::is("mold", text.clone());
    }
    let section = |name: &str| traces.sections.iter().any(|section| section == name);
    if section(".note.gnu.gold-version") {
        return Claim::is("gold", ".note.gnu.gold-version");
    }
    if traces.go.is_some() && traces.comments.is_empty() {
        return Claim::is("go", "Go's own linker leaves no .comment");
    }
    // lld and mold name themselves in .comment whenever there is one.
    let is_bfd = traces.sections.last().is_some_and(|last| last == ".shstrtab");
    match (traces.comments.is_empty(), is_bfd) {
        (false, true) => Claim::is("bfd", "order of sections, and no mark of gold, lld or mold"),
        (false, false) => {
            Claim::unknown("the order of sections is of no linker that is known here")
        }
        (true, _) => Claim::unknown(".comment, where linkers name themselves, was removed"),
    }
}

/// Link-time optimisation.
pub(crate) fn lto(traces: &Traces) -> Claim {
    if traces.go.is_some() {
        return Claim::is("off", "Go has none");
    }
    let slim = |name: &String| name.starts_with(".gnu.lto_") || name.starts_with(".llvm.lto");
    if traces.sections.iter().any(slim) {
        return Claim::is("fat", "intermediate code for the linker");
    }
    let flags = recorded(traces);
    let has = |wanted: &str| flags.iter().flatten().any(|flag| flag == wanted);
    if has("-flto=thin") {
        return Claim::is("thin", "recorded flags");
    }
    if has("-fltrans") || has("-fwpa") {
        return Claim::is("fat", "units that the link-time optimiser made");
    }
    if let Some(flag) = flags.iter().flatten().find(|flag| flag.starts_with("-flto")) {
        return Claim::is("fat", format!("recorded flags ({flag})"));
    }
    let file = |wanted: fn(&str) -> bool| traces.files.iter().find(|name| wanted(name.as_str()));
    if let Some(name) =
        file(|name| name == "ld-temp.o" || name == "<artificial>" || name.contains(".ltrans"))
    {
        return Claim::is("fat", format!("{name} among the files of the symbol table"));
    }
    if traces.marks.contains("lto-private") {
        return Claim::is("fat", "names that gcc's link-time optimiser gave");
    }
    if is_rust(traces) {
        return rust_lto(traces);
    }
    if !flags.is_empty() && !has_silent_units(traces) {
        return Claim::is("off", "recorded flags name none");
    }
    if traces.comments.iter().any(|text| text.contains("clang version")) {
        return Claim::unknown("clang recorded no flags, and thin LTO leaves no other mark");
    }
    match file(is_source) {
        Some(name) => {
            Claim::is("off", format!("{name} among the files of the symbol table was not merged"))
        }
        None => Claim::unknown("no flags were recorded, and symbols were removed"),
    }
}

fn is_source(name: &str) -> bool {
    let ends = [".c", ".cc", ".cpp", ".cxx", ".C"];
    name != "crtstuff.c" && ends.iter().any(|end| name.ends_with(end))
}

fn is_rust(traces: &Traces) -> bool {
    traces.comments.iter().any(|text| text.starts_with("rustc version"))
}

/// rustc names its codegen units in the symbol table: `std.HASH-cgu.0`. Fat LTO merges those of the
/// standard library into the program's; thin LTO brings all of its crates, even the empty ones that
/// no linker takes from an archive.
fn rust_lto(traces: &Traces) -> Claim {
    let unit = |start: &str| {
        traces.files.iter().any(|name| name.starts_with(start) && name.contains("-cgu."))
    };
    if !traces.files.iter().any(|name| name.contains("-cgu.")) {
        return Claim::unknown("rustc records no flags, and symbols were removed");
    }
    if unit("rustc_std_workspace_core.") {
        return Claim::is("thin", "every crate of the standard library is among the units");
    }
    if unit("std.") || unit("core.") || unit("alloc.") {
        return Claim::is("off", "units of the standard library stand by themselves");
    }
    let merged = traces.interpreter.is_some() || traces.imports.contains("__libc_start_main");
    if merged {
        return Claim::is("fat", "units of the standard library were merged into others");
    }
    Claim::unknown("no unit of the standard library is in it")
}

/// Profile-guided optimisation.
pub(crate) fn pgo(traces: &Traces) -> Claim {
    let counters = traces.sections.iter().any(|name| name.starts_with("__llvm_prf_"));
    if traces.marks.contains("instrumented") || counters {
        return Claim::is("instrumented", "counters of a profile that is yet to be taken");
    }
    if let Some(go) = &traces.go {
        return match go.setting("-pgo") {
            Some(file) if file != "off" => Claim::is("on", format!("-pgo={file}")),
            _ if go.settings.is_empty() => Claim::unknown("no build settings were recorded"),
            _ => Claim::is("off", "Go's build information names no profile"),
        };
    }
    let flags = recorded(traces);
    let used = [
        "-fprofile-use",
        "-fprofile-instr-use",
        "-fauto-profile",
        "-fprofile-sample-use",
        "-fbranch-probabilities",
    ];
    let names_profile = |flag: &&String| used.iter().any(|start| flag.starts_with(start));
    if let Some(flag) = flags.iter().flatten().find(names_profile) {
        return Claim::is("on", flag.clone());
    }
    if flags.is_empty() {
        return Claim::unknown("no flags were recorded, and profiles leave no other mark");
    }
    if is_rust(traces) || has_silent_units(traces) {
        return Claim::unknown("some units recorded no flags");
    }
    Claim::is("off", "recorded flags name no profile")
}

/// BOLT.
pub(crate) fn bolt(traces: &Traces) -> Claim {
    let mark = traces
        .sections
        .iter()
        .find(|name| name.starts_with(".note.bolt") || name.starts_with(".bolt."));
    match mark {
        Some(name) => Claim::is("yes", name.clone()),
        None if traces.sections.is_empty() => Claim::unknown("section names were removed"),
        None => Claim::is("no", "no section of BOLT's"),
    }
}

/// Allocators by marks, the more particular first.
const ALLOCATORS: [&str; 6] = ["jemalloc", "mimalloc", "tcmalloc", "snmalloc", "rpmalloc", "scudo"];

/// The memory allocator.
pub(crate) fn allocator(traces: &Traces) -> Claim {
    for name in ALLOCATORS {
        if let Some(library) = traces.libraries.iter().find(|library| library.contains(name)) {
            return Claim::is(name, library.clone());
        }
        if traces.marks.contains(name) {
            return Claim::is(name, "its symbols or texts");
        }
    }
    if traces.go.is_some() {
        return Claim::is("go", "Go's run time has its own");
    }
    let allocates = ["malloc", "calloc", "realloc", "posix_memalign", "_Znwm"];
    let imported = allocates.iter().find(|name| traces.imports.contains(**name));
    let is_musl = traces.interpreter.as_ref().is_some_and(|path| path.contains("musl"));
    match (imported, is_musl) {
        (Some(name), true) => Claim::is("musl", format!("{name} is imported")),
        (Some(name), false) => Claim::is("libc", format!("{name} is imported")),
        (None, _) if traces.marks.contains("glibc malloc") => {
            Claim::is("libc", "glibc's is linked in")
        }
        (None, _) if traces.marks.contains("musl malloc") => {
            Claim::is("musl", "musl's is linked in")
        }
        (None, _) if traces.interpreter.is_some() || !traces.libraries.is_empty() => {
            Claim::is("none", "it imports no function that allocates")
        }
        (None, _) => Claim::unknown("linked statically, with no mark of an allocator"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn traces(comments: &[&str], files: &[&str]) -> Traces {
        Traces {
            comments: comments.iter().map(|text| (*text).to_owned()).collect(),
            files: files.iter().map(|text| (*text).to_owned()).collect(),
            sections: vec![".comment".to_owned(), ".shstrtab".to_owned()],
            ..Traces::default()
        }
    }

    #[test]
    fn linkers_by_their_marks() {
        let linker = |comments: &[&str]| linker(&traces(comments, &[])).value;
        assert_eq!(linker(&["Linker: LLD 22.1.2", "GCC: (Debian) 12.2.0"]).unwrap(), "lld");
        assert_eq!(linker(&["mold 1.10.1 (compatible with GNU ld)"]).unwrap(), "mold");
        assert_eq!(linker(&["GCC: (Debian) 12.2.0"]).unwrap(), "bfd");
        assert_eq!(linker(&[]), None);
    }

    #[test]
    fn lto_of_rust_by_its_units() {
        let lto = |files: &[&str]| {
            let mut traces = traces(&["rustc version 1.95.0"], files);
            traces.interpreter = Some("/lib64/ld-linux-x86-64.so.2".to_owned());
            lto(&traces).value
        };
        assert_eq!(lto(&["main.abc-cgu.0", "std.def-cgu.0"]).unwrap(), "off");
        assert_eq!(lto(&["main.abc-cgu.0"]).unwrap(), "fat");
        let thin = ["main.abc-cgu.0", "std.def-cgu.0", "rustc_std_workspace_core.x-cgu.0"];
        assert_eq!(lto(&thin).unwrap(), "thin");
        assert_eq!(lto(&[]), None);
    }

    #[test]
    fn what_nobody_wrote_down_is_unknown() {
        let clang = traces(&["Debian clang version 14.0.6"], &["a.c"]);
        assert_eq!(lto(&clang).value, None);
        assert_eq!(pgo(&clang).value, None);
        let gcc = traces(&["GCC: (Debian) 12.2.0"], &["a.c", "crtstuff.c"]);
        assert_eq!(lto(&gcc).value.unwrap(), "off");
        let stripped = traces(&["GCC: (Debian) 12.2.0"], &[]);
        assert_eq!(lto(&stripped).value, None);
    }

    #[test]
    fn recorded_flags_decide() {
        let mut traces = traces(&["GCC: (Debian) 12.2.0"], &[]);
        traces.commands.push("GNU C17 12.2.0 -O2 -fprofile-use=x".to_owned());
        assert_eq!(pgo(&traces).value.unwrap(), "on");
        assert_eq!(lto(&traces).value.unwrap(), "off");
        traces.commands.push("GNU GIMPLE 12.2.0 -O2 -fltrans".to_owned());
        assert_eq!(lto(&traces).value.unwrap(), "fat");
    }
}
