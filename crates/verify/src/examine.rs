//! From bytes to a report: an ELF file, an object, or an archive of objects.
//!
//! Does not read files, and does not know which host asks.

use object::elf;
use object::read::archive::ArchiveFile;
use object::read::elf::FileHeader;
use object::{Object, ObjectSection};
use rayon::prelude::*;

use crate::build::{optimisers, origin, traces};
use crate::flow::judge::{Judgement, Reason, Standing, judge};
use crate::image::linked::{self, Elf};
use crate::image::{Image, archive};
use crate::report::{FunctionUse, GoBuild, Instructions, REPORT_SCHEMA, Report};
use crate::scan::{Body, scan};
use crate::{cuda, decode, hardening};

/// Why bytes cannot be examined.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ExamineError {
    /// Neither ELF nor an archive.
    #[error("neither an ELF file nor an archive of them")]
    NotABinary,
    /// 32-bit or big-endian.
    #[error("only 64-bit little-endian ELF files are read")]
    NotSupported,
    /// Cut off or damaged.
    #[error("the ELF file is damaged: {0}")]
    Damaged(String),
    /// Nothing in the archive is an object.
    #[error("no member of the archive is an ELF object")]
    NoObjects,
}

/// Whether bytes begin as something that can be examined.
pub fn is_binary(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x7fELF") || bytes.starts_with(b"!<arch>\n")
}

/// Examines a file's bytes.
pub fn examine(bytes: &[u8]) -> Result<Report, ExamineError> {
    if bytes.starts_with(b"!<arch>\n") {
        return archived(bytes);
    }
    if !bytes.starts_with(b"\x7fELF") {
        return Err(ExamineError::NotABinary);
    }
    let file = parse(bytes)?;
    let format = format(&file);
    if format == "object" {
        let objects = [file];
        return Ok(report("object", &objects, archive::image(&objects)));
    }
    let image = || if is_x86(&file) { linked::image(&file) } else { Image::default() };
    let (image, ()) = rayon::join(image, decode::get_ready);
    Ok(report(format, &[file], image))
}

fn parse(bytes: &[u8]) -> Result<Elf<'_>, ExamineError> {
    if bytes.get(4..6) != Some(&[2, 1]) {
        return Err(ExamineError::NotSupported);
    }
    Elf::parse(bytes).map_err(|error| ExamineError::Damaged(error.to_string()))
}

fn archived(bytes: &[u8]) -> Result<Report, ExamineError> {
    let archive =
        ArchiveFile::parse(bytes).map_err(|error| ExamineError::Damaged(error.to_string()))?;
    let members = archive.members().filter_map(|member| member.ok()?.data(bytes).ok());
    let objects: Vec<Elf<'_>> = members
        .filter(|member| member.starts_with(b"\x7fELF"))
        .filter_map(|member| parse(member).ok())
        .filter(|object| object.kind() == object::ObjectKind::Relocatable)
        .collect();
    if objects.is_empty() {
        return Err(ExamineError::NoObjects);
    }
    let image = archive::image(&objects);
    Ok(report("archive", &objects, image))
}

fn is_x86(file: &Elf<'_>) -> bool {
    file.elf_header().e_machine(file.endian()) == elf::EM_X86_64
}

fn format(file: &Elf<'_>) -> &'static str {
    match file.kind() {
        object::ObjectKind::Relocatable => "object",
        object::ObjectKind::Executable => "executable",
        object::ObjectKind::Core => "core",
        _ => {
            let is_program = file.section_by_name(".interp").is_some() && file.entry() != 0;
            if is_program { "executable" } else { "shared object" }
        }
    }
}

fn architecture(file: &Elf<'_>) -> String {
    match file.elf_header().e_machine(file.endian()) {
        elf::EM_X86_64 => "x86_64".to_owned(),
        elf::EM_AARCH64 => "aarch64".to_owned(),
        other => format!("machine {}", other.0),
    }
}

/// One report of one or several files that belong together; the image is of all of them.
fn report(format: &str, files: &[Elf<'_>], mut image: Image<'_>) -> Report {
    let is_x86 = files.iter().any(is_x86);
    let is_arm = files.first().is_some_and(|file| architecture(file) == "aarch64");
    let bodies = scan(&mut image);
    let traces = || traces::merged(files.par_iter().map(traces::gather).collect());
    let (instructions, traces) = if is_x86 {
        let (instructions, traces) = instructions(&image, &bodies, traces);
        (Some(instructions), traces)
    } else {
        (None, traces())
    };
    let properties = files.iter().map(hardening::properties).reduce(|a, b| a.and(&b));
    let properties = properties.unwrap_or_default();
    let cuda = files.iter().flat_map(|file| {
        file.section_by_name(".nv_fatbin")
            .and_then(|section| section.data().ok())
            .map(cuda::code)
            .unwrap_or_default()
    });
    let go = traces.go.as_ref().map(|go| GoBuild {
        version: go.version.clone(),
        goamd64: go.setting("GOAMD64").map(str::to_owned),
        goarm64: go.setting("GOARM64").map(str::to_owned),
        settings: go.settings.iter().map(|(key, value)| format!("{key}={value}")).collect(),
    });
    Report {
        schema: REPORT_SCHEMA,
        format: format.to_owned(),
        architecture: files.first().map_or_else(String::new, architecture),
        instructions,
        properties: properties.shown(is_arm),
        compilers: origin::compilers(&traces),
        linker: optimisers::linker(&traces),
        lto: optimisers::lto(&traces),
        pgo: optimisers::pgo(&traces),
        bolt: optimisers::bolt(&traces),
        allocator: optimisers::allocator(&traces),
        target: origin::target(&traces),
        go,
        hardening: hardening::hardening(&files[0], &traces, &bodies, &properties, is_arm),
        cuda: cuda.collect(),
    }
}

/// What the code needs, and what is done meanwhile.
fn instructions<T: Send>(
    image: &Image<'_>,
    bodies: &[Body],
    meanwhile: impl FnOnce() -> T + Send,
) -> (Instructions, T) {
    let (judgement, done) = judge(image, bodies, meanwhile);
    let names = |set: crate::feature::Extensions| set.names().map(str::to_owned).collect();
    // What is undecided may raise the level, unless what is needed reaches as high anyway.
    let (sure, most) =
        (judgement.needed.level(), judgement.needed.union(judgement.unknown).level());
    let instructions = Instructions {
        level: (sure == most).then(|| sure.as_str().to_owned()),
        needs: names(judgement.needed),
        dispatched: names(judgement.dispatched),
        undecided: names(judgement.unknown),
        asks: judgement.asks,
        functions: bodies.len(),
        code_bytes: image.code.iter().map(|region| region.bytes.len() as u64).sum(),
        decoded_bytes: bodies.iter().map(|body| u64::from(body.decoded)).sum(),
        uses: uses(image, &judgement),
    };
    (instructions, done)
}

/// Most functions that are named on the way to a use.
const WAY: usize = 6;

fn uses(image: &Image<'_>, judgement: &Judgement) -> Vec<FunctionUse> {
    let name = |at: usize| {
        let function = &image.functions()[at];
        function
            .name
            .map_or_else(|| format!("{:#x}", function.start), |name| name.text().into_owned())
    };
    let way = |at: usize| {
        let before = |at: &usize| judgement.from.get(*at)?.map(|from| from as usize);
        std::iter::successors(before(&at), before).take(WAY).map(name).collect()
    };
    let mut uses: Vec<_> = judgement.uses.iter().collect();
    uses.sort_by_key(|one| (one.standing, one.function));
    uses.iter()
        .map(|one| FunctionUse {
            function: name(one.function),
            address: image.functions()[one.function].start,
            extensions: one.extensions.names().map(str::to_owned).collect(),
            standing: match one.standing {
                Standing::Needed => "needed",
                Standing::Dispatched => "dispatched",
                Standing::Unknown => "undecided",
            }
            .to_owned(),
            reason: reason(one.reason).to_owned(),
            reached_from: way(one.function),
        })
        .collect()
}

const fn reason(reason: Reason) -> &'static str {
    match reason {
        Reason::Reached => "runs without a question about the processor",
        Reason::NeverAsked => "nothing here asks what the processor is",
        Reason::Guarded => "every way to it leads past a question about the processor",
        Reason::Named => "its name says for which processors it is one of several versions",
        Reason::Offered => "no compiler writes this by itself: it is there for those who ask first",
        Reason::OthersDoWithout => {
            "reached through pointers only; all that runs in any case does without"
        }
        Reason::FewWithout => "most uses are behind questions; none was found before this one",
        Reason::Compiler => {
            "beyond what Go's compiler was told to write for, and no call leads to it"
        }
        Reason::Unreached => "nothing that was found leads to it",
        Reason::Pointers => "reached through pointers only, and the choice is not visible",
    }
}
