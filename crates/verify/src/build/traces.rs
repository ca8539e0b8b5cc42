//! Everything in a file that tells about its making, gathered once.
//!
//! Does not conclude anything; the files beside this one do.

use std::collections::{BTreeMap, BTreeSet};

use std::sync::LazyLock;

use aho_corasick::packed::Searcher;
use aho_corasick::{AhoCorasick, AhoCorasickKind};
use memchr::memmem;
use object::{Object, ObjectSection, ObjectSymbol, SymbolKind};

use super::go::{self, BuildInfo};
use super::producers::{self, Producer};
use crate::image::linked::Elf;

/// What a file tells.
#[derive(Clone, Debug, Default)]
pub(crate) struct Traces {
    /// Texts of `.comment`.
    pub(crate) comments: Vec<String>,
    /// Texts of `.GCC.command.line`.
    pub(crate) commands: Vec<String>,
    /// Producers of units in debug information, with how many each produced.
    pub(crate) producers: BTreeMap<Producer, usize>,
    /// Names of files in the symbol table.
    pub(crate) files: BTreeSet<String>,
    /// Whether there is a symbol table beyond the dynamic one.
    pub(crate) has_symbols: bool,
    /// Marks of optimisers and allocators among the names of symbols.
    pub(crate) marks: BTreeSet<&'static str>,
    /// Functions that others must bring.
    pub(crate) imports: BTreeSet<String>,
    /// Libraries that are loaded with it.
    pub(crate) libraries: Vec<String>,
    /// Names of sections, in order.
    pub(crate) sections: Vec<String>,
    /// Path of the program interpreter.
    pub(crate) interpreter: Option<String>,
    pub(crate) go: Option<BuildInfo>,
    /// Whether it may be executed by itself.
    pub(crate) is_relocatable: bool,
}

/// Words in names of symbols and what they are marks of.
pub(crate) const MARKS: &[(&str, &str)] = &[
    (".lto_priv.", "lto-private"),
    (".llvm.", "llvm-promoted"),
    ("__gcov_", "instrumented"),
    ("__llvm_profile_", "instrumented"),
    ("__llvm_prf_", "instrumented"),
    ("_rjem_", "jemalloc"),
    ("je_malloc", "jemalloc"),
    ("jemalloc_", "jemalloc"),
    ("malloc_conf_2_conf_harder", "jemalloc"),
    ("mi_malloc", "mimalloc"),
    ("mi_heap_malloc", "mimalloc"),
    ("tc_malloc", "tcmalloc"),
    ("TCMalloc", "tcmalloc"),
    ("tcmalloc", "tcmalloc"),
    ("rpmalloc", "rpmalloc"),
    ("snmalloc", "snmalloc"),
    ("sn_rust_", "snmalloc"),
    ("scudo", "scudo"),
    ("__libc_malloc", "glibc malloc"),
    ("__malloc_donate", "musl malloc"),
];

/// Texts that allocators carry, for files without symbols.
const TEXTS: &[(&[u8], &str)] = &[
    (b"<jemalloc>: ", "jemalloc"),
    (b"mimalloc: ", "mimalloc"),
    (b"tcmalloc: large alloc", "tcmalloc"),
    (b"malloc(): corrupted top size", "glibc malloc"),
];

/// Gathers everything.
pub(crate) fn gather(file: &Elf<'_>) -> Traces {
    let mut traces = Traces {
        comments: strings(file, ".comment"),
        commands: strings(file, ".GCC.command.line"),
        producers: producers::read(file),
        has_symbols: file.symbols().next().is_some(),
        sections: file.sections().filter_map(|s| s.name().ok().map(str::to_owned)).collect(),
        interpreter: strings(file, ".interp").pop(),
        is_relocatable: file.kind() == object::ObjectKind::Relocatable,
        libraries: libraries(file),
        ..Traces::default()
    };
    let info = [".go.buildinfo", ".data.rel.ro", ".data"]
        .iter()
        .find_map(|name| go::build_info(file.section_by_name(name)?.data().ok()?));
    traces.go = info.filter(|_| file.section_by_name(".go.buildinfo").is_some());
    symbols(file, &mut traces);
    if !traces.has_symbols {
        texts(file, &mut traces);
    }
    traces
}

fn strings(file: &Elf<'_>, section: &str) -> Vec<String> {
    let bytes = file.section_by_name(section).and_then(|section| section.data().ok());
    let parts = bytes.unwrap_or_default().split(|byte| *byte == 0).filter(|part| !part.is_empty());
    parts.map(|part| String::from_utf8_lossy(part).into_owned()).collect()
}

static MARK_WORDS: LazyLock<Option<AhoCorasick>> = LazyLock::new(|| {
    let words = MARKS.iter().map(|(word, _)| word);
    AhoCorasick::builder().kind(Some(AhoCorasickKind::DFA)).build(words).ok()
});

/// A search that only tells whether there is any, many bytes at a time. `None` where the processor that
/// this runs on has no instructions for it.
static MARK_SEARCH: LazyLock<Option<Searcher>> =
    LazyLock::new(|| Searcher::new(MARKS.iter().map(|(word, _)| word)));

/// Whether any mark stands in the names of symbols. Most files have none, and one look at all names
/// tells.
fn has_marks(file: &Elf<'_>) -> bool {
    let names = [".strtab", ".dynstr"].iter().filter_map(|name| file.section_by_name(name));
    let mut texts = names.filter_map(|section| section.data().ok());
    let slowly = |text| MARK_WORDS.as_ref().is_some_and(|words| words.is_match(text));
    let search = MARK_SEARCH.as_ref();
    texts.any(|text| search.map_or_else(|| slowly(text), |search| search.find(text).is_some()))
}

fn symbols(file: &Elf<'_>, traces: &mut Traces) {
    let has_marks = has_marks(file);
    // To build the search takes longer than to read a small file.
    let words = if has_marks { MARK_WORDS.as_ref() } else { None };
    for symbol in file.symbols().chain(file.dynamic_symbols()) {
        let is_file = symbol.kind() == SymbolKind::File;
        // The length of a name has to be searched for, which most symbols are not worth.
        if !has_marks && !is_file && !symbol.is_undefined() {
            continue;
        }
        let Ok(name) = symbol.name() else { continue };
        if is_file {
            traces.files.insert(name.to_owned());
            continue;
        }
        if symbol.is_undefined() && !name.is_empty() {
            traces.imports.insert(name.to_owned());
        }
        for found in words.iter().flat_map(|words| words.find_overlapping_iter(name)) {
            traces.marks.insert(MARKS[found.pattern().as_usize()].1);
        }
    }
}

fn texts(file: &Elf<'_>, traces: &mut Traces) {
    let Some(bytes) = file.section_by_name(".rodata").and_then(|section| section.data().ok())
    else {
        return;
    };
    for (text, mark) in TEXTS {
        let found = memmem::find(bytes, text).is_some();
        if found {
            traces.marks.insert(mark);
        }
    }
}

fn libraries(file: &Elf<'_>) -> Vec<String> {
    let (Some(dynamic), Some(names)) =
        (file.section_by_name(".dynamic"), file.section_by_name(".dynstr"))
    else {
        return Vec::new();
    };
    let (entries, names) = (dynamic.data().unwrap_or_default(), names.data().unwrap_or_default());
    let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap_or_default());
    entries
        .chunks_exact(16)
        .filter(|entry| word(&entry[..8]) == 1)
        .filter_map(|entry| {
            let rest = names.get(usize::try_from(word(&entry[8..])).ok()?..)?;
            let end = rest.iter().position(|byte| *byte == 0)?;
            String::from_utf8(rest[..end].to_vec()).ok()
        })
        .collect()
}

/// Traces of several objects together.
pub(crate) fn merged(all: Vec<Traces>) -> Traces {
    let mut parts = all.into_iter();
    let Some(mut whole) = parts.next() else { return Traces::default() };
    for part in parts {
        whole.comments.extend(part.comments);
        whole.commands.extend(part.commands);
        for (producer, units) in part.producers {
            *whole.producers.entry(producer).or_insert(0) += units;
        }
        whole.files.extend(part.files);
        whole.marks.extend(part.marks);
        whole.imports.extend(part.imports);
        whole.sections.extend(part.sections);
        whole.has_symbols |= part.has_symbols;
    }
    for list in [&mut whole.comments, &mut whole.commands] {
        list.sort();
        list.dedup();
    }
    whole
}
