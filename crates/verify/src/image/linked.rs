//! The image of a linked ELF file: an executable or a shared object.
//!
//! Does not know what it means; it gathers sections, symbols, frames and relocations.

use std::borrow::Cow;

use object::elf::{self, FileHeader64, Rela64};
use object::read::elf::{
    ElfFile64, ElfSymbol64, FileHeader, ProgramHeader, Rela as _, SectionHeader as _, Sym as _,
    SymbolTable,
};
use object::{
    Endianness, Object as _, ObjectSection, ObjectSymbol, ObjectSymbolTable as _, SectionFlags,
    SymbolFlags, SymbolIndex,
};
use rayon::prelude::*;

use super::addresses::Index;
use super::frames::frames;
use super::merge::merged;
use super::names::{Name, Telling};
use super::{Function, Image, Object, Region, Slot};
use crate::build::go;

pub(crate) type Elf<'a> = ElfFile64<'a, Endianness>;

/// Gathers the image.
pub(crate) fn image<'a>(file: &Elf<'a>) -> Image<'a> {
    let mut image = Image { is_fixed: is_fixed(file), ..Image::default() };
    regions(file, &mut image);
    image.settle_regions();
    // To gather what leads to code, code is not looked at.
    let code = std::mem::take(&mut image.code);
    let (listed, ()) = rayon::join(
        || Listed::of(file, &code),
        || {
            relocations(file, &mut image);
            starts(file, &mut image);
            exports(file, &mut image);
        },
    );
    (image.functions, image.index) = listed.functions;
    image.code = code;
    image.resolvers.extend(listed.resolvers);
    image.objects = listed.objects;
    if listed.is_go {
        image.is_go = true;
        image.go_level = go::level(file);
    }
    image.settle_lists();
    image
}

/// Everything that tables of the file say of functions.
struct Listed<'a> {
    functions: (Vec<Function<'a>>, Index),
    resolvers: Vec<u64>,
    objects: Vec<Object>,
    is_go: bool,
}

impl<'a> Listed<'a> {
    fn of(file: &Elf<'a>, code: &[Region<'a>]) -> Self {
        let (symbols, frames) = rayon::join(|| symbols(file), || frames(file));
        let mut functions = Vec::with_capacity(symbols.len() + 1);
        let (mut resolvers, mut objects) = (Vec::new(), Vec::new());
        for some in symbols {
            resolvers.extend(some.resolvers);
            objects.extend(some.objects);
            functions.push(some.functions);
        }
        let table = go::table(file);
        let is_go = table.is_some();
        functions.extend(table);
        Self { functions: merged(frames, &functions, code), resolvers, objects, is_go }
    }
}

fn is_fixed(file: &Elf<'_>) -> bool {
    file.elf_header().e_type(file.endian()) == elf::ET_EXEC
}

/// Whether a shared object says that it is an executable (`DF_1_PIE`).
fn is_pie(file: &Elf<'_>) -> bool {
    let entries = file.section_by_name(".dynamic").and_then(|section| section.data().ok());
    entries.unwrap_or_default().chunks_exact(16).any(|entry| {
        let (tag, value) = entry.split_at(8);
        let word = |bytes: &[u8]| u64::from_le_bytes(bytes.try_into().unwrap_or_default());
        word(tag) == 0x6fff_fffb && word(value) & 0x0800_0000 != 0
    })
}

fn regions<'a>(file: &Elf<'a>, image: &mut Image<'a>) {
    for section in file.sections() {
        let SectionFlags::Elf { sh_flags, .. } = section.flags() else { continue };
        if !sh_flags.contains(elf::SHF_ALLOC) || sh_flags.contains(elf::SHF_TLS) {
            continue;
        }
        let Ok(bytes) = section.data() else { continue };
        let region = Region { address: section.address(), bytes: Cow::Borrowed(bytes) };
        if sh_flags.contains(elf::SHF_EXECINSTR) {
            image.code.push(region);
        } else if !bytes.is_empty() {
            image.data.push(region);
        }
    }
    if image.code.is_empty() && image.data.is_empty() {
        segments(file, image);
    }
}

/// Without section headers, segments say as much, more coarsely.
fn segments<'a>(file: &Elf<'a>, image: &mut Image<'a>) {
    let endian = file.endian();
    for header in file.elf_program_headers() {
        if header.p_type(endian) != elf::PT_LOAD {
            continue;
        }
        let Ok(bytes) = header.data(endian, file.data()) else { continue };
        let region = Region { address: header.p_vaddr(endian), bytes: Cow::Borrowed(bytes) };
        if header.p_flags(endian).contains(elf::PF_X) {
            image.code.push(region);
        } else {
            image.data.push(region);
        }
    }
}

/// What symbols name.
#[derive(Default)]
struct Named<'a> {
    functions: Vec<Function<'a>>,
    resolvers: Vec<u64>,
    objects: Vec<Object>,
}

/// Fewest symbols that are worth another thread.
const SYMBOLS: usize = 4096;

/// What symbols name, in parts that follow each other.
fn symbols<'a>(file: &Elf<'a>) -> Vec<Named<'a>> {
    let mut all = Vec::new();
    let tables = [
        (file.symbol_table(), file.elf_symbol_table()),
        (file.dynamic_symbol_table(), file.elf_dynamic_symbol_table()),
    ];
    // What the dynamic table names, the other one names too, unless it was thinned out.
    let [own, dynamic] = tables.each_ref().map(|(_, table)| global_functions(table));
    let wanted = if own > 0 && own >= dynamic { 1 } else { 2 };
    for (table, raw) in tables.into_iter().take(wanted) {
        let Some(table) = table else { continue };
        let strings = file.section_by_index(raw.string_section());
        let strings = strings.and_then(|section| section.data()).unwrap_or_default();
        let telling = Telling::of(strings);
        // The first is none, and not counted.
        let numbers = (1..table.symbols().count() + 1).into_par_iter().with_min_len(SYMBOLS);
        let symbols = numbers.filter_map(|number| table.symbol_by_index(SymbolIndex(number)).ok());
        let take = |named: Named<'a>, symbol| named.take(&symbol, strings, &telling);
        all.par_extend(symbols.fold(Named::default, take));
    }
    all
}

/// How many functions a table defines that others may use.
fn global_functions(table: &SymbolTable<'_, FileHeader64<Endianness>>) -> usize {
    let is_function = |symbol: &&elf::Sym64<Endianness>| {
        symbol.st_bind() != elf::STB_LOCAL
            && symbol.st_type() == elf::STT_FUNC
            && symbol.st_value.get(Endianness::Little) != 0
    };
    table.symbols().iter().filter(is_function).count()
}

impl<'a> Named<'a> {
    fn take(
        mut self,
        symbol: &ElfSymbol64<'a, '_, Endianness>,
        strings: &'a [u8],
        telling: &Telling,
    ) -> Self {
        let SymbolFlags::Elf { st_info, .. } = symbol.flags() else { return self };
        if !symbol.is_definition() && !symbol.is_local() || symbol.address() == 0 {
            return self;
        }
        let name = symbol.elf_symbol().st_name.get(Endianness::Little) as usize;
        let Some(text) = strings.get(name..) else { return self };
        let function = || Function {
            start: symbol.address(),
            end: symbol.address().saturating_add(symbol.size()),
            name: Some(Name::new(text)),
            tells: telling.holds(name),
            bounded: symbol.size() > 0,
            discovered: false,
        };
        match st_info.st_type() {
            elf::STT_FUNC | elf::STT_GNU_IFUNC => {
                self.functions.push(function());
                if st_info.st_type() == elf::STT_GNU_IFUNC {
                    self.resolvers.push(symbol.address());
                }
            }
            elf::STT_OBJECT if telling.holds(name) => {
                self.objects.push(Object { start: symbol.address(), size: symbol.size() });
            }
            // Labels of assembly without a type.
            elf::STT_NOTYPE if symbol.is_global() || symbol.size() > 0 => {
                self.functions.push(function());
            }
            _ => {}
        }
        self
    }
}

fn exports(file: &Elf<'_>, image: &mut Image<'_>) {
    let is_program = image.is_fixed || is_pie(file);
    for symbol in file.dynamic_symbols().filter(ObjectSymbol::is_definition) {
        let SymbolFlags::Elf { st_info, .. } = symbol.flags() else { continue };
        match st_info.st_type() {
            elf::STT_FUNC | elf::STT_NOTYPE if is_program => {
                image.weak_roots.push(symbol.address());
            }
            elf::STT_FUNC | elf::STT_NOTYPE => image.roots.push(symbol.address()),
            elf::STT_OBJECT => image.data_roots.push(symbol.address()),
            _ => {}
        }
    }
}

fn relocations<'a>(file: &Elf<'a>, image: &mut Image<'a>) {
    let (endian, symbols) = (file.endian(), file.elf_dynamic_symbol_table());
    for section in file.elf_section_table().iter() {
        let Ok(Some((entries, table))) = section.rela(endian, file.data()) else { continue };
        if table == symbols.section() {
            image.pointers.reserve(entries.len());
            for entry in entries {
                relocation(entry, endian, symbols, image);
            }
        }
    }
    relative_bitmap(file, image);
    // To find the starts, pointers are looked up.
    image.pointers.settle();
}

fn relocation<'a>(
    entry: &Rela64<Endianness>,
    endian: Endianness,
    symbols: &SymbolTable<'a, FileHeader64<Endianness>>,
    image: &mut Image<'a>,
) {
    let (place, addend) = (entry.r_offset.get(endian), entry.r_addend.get(endian).cast_unsigned());
    let kind = entry.r_type(endian, false);
    if kind == elf::R_X86_64_RELATIVE {
        image.pointers.insert(place, addend);
        return;
    }
    let symbol = entry.symbol(endian, false).and_then(|index| symbols.symbol(index).ok());
    let definition = symbol.filter(|symbol| symbol.is_definition(endian, symbols.strings()));
    let target = definition.map(|symbol| symbol.st_value.get(endian).wrapping_add(addend));
    match (kind, target) {
        (elf::R_X86_64_IRELATIVE, _) => {
            image.resolvers.push(addend);
            image.slots.insert(place, Slot::Resolved(addend));
        }
        (elf::R_X86_64_GLOB_DAT | elf::R_X86_64_JUMP_SLOT, Some(target)) => {
            image.slots.insert(place, Slot::Local(target));
        }
        (_, Some(target)) => {
            image.pointers.insert(place, target);
        }
        (_, None) => {
            let name = symbol.and_then(|symbol| symbols.symbol_name(endian, symbol).ok());
            if let Some(name) = name.and_then(|name| str::from_utf8(name).ok()) {
                image.slots.insert(place, Slot::Import(name));
            }
        }
    }
}

/// `.relr.dyn`: relative relocations as bitmaps (gABI, `SHT_RELR`). The values stand in place.
fn relative_bitmap(file: &Elf<'_>, image: &mut Image<'_>) {
    let bytes = file.section_by_name(".relr.dyn").and_then(|section| section.data().ok());
    let mut places = Vec::new();
    let mut next = 0_u64;
    for entry in bytes.unwrap_or_default().chunks_exact(8) {
        let entry = u64::from_le_bytes(entry.try_into().unwrap_or_default());
        if entry & 1 == 0 {
            places.push(entry);
            next = entry.wrapping_add(8);
            continue;
        }
        let set = (1..64).filter(|bit| entry >> bit & 1 == 1);
        places.extend(set.map(|bit| next.wrapping_add((bit - 1) * 8)));
        next = next.wrapping_add(63 * 8);
    }
    for place in places {
        if let Some(value) = read_u64(image, place) {
            image.pointers.insert(place, value);
        }
    }
}

pub(crate) fn read_u64(image: &Image<'_>, address: u64) -> Option<u64> {
    let region = image.data.iter().find(|region| region.holds(address))?;
    let bytes = region.from(address)?.get(..8)?;
    Some(u64::from_le_bytes(bytes.try_into().ok()?))
}

/// The entry point, and the functions that run before and after `main`.
fn starts(file: &Elf<'_>, image: &mut Image<'_>) {
    if file.entry() != 0 {
        image.roots.push(file.entry());
        image.entry = Some(file.entry());
    }
    for name in [".init", ".fini"] {
        image.roots.extend(file.section_by_name(name).map(|section| section.address()));
    }
    for name in [".init_array", ".fini_array", ".preinit_array", ".ctors"] {
        let Some(section) = file.section_by_name(name) else { continue };
        let (first, last) = (section.address(), section.address().saturating_add(section.size()));
        if image.is_fixed {
            let words = section.data().unwrap_or_default().chunks_exact(8);
            let values = words.map(|word| u64::from_le_bytes(word.try_into().unwrap_or_default()));
            image.roots.extend(values);
        }
        image.roots.extend(image.pointers.between(first, last));
    }
}
