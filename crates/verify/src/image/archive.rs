//! Objects that are not linked yet, laid out as a linker would, so that what they call and take can
//! be followed across them.
//!
//! Applies the relocations of x86-64 that code and tables of pointers use. Does not choose between
//! members: all of them are there, and the first of several definitions counts.

use std::borrow::Cow;
use std::collections::BTreeMap;

use object::elf;
use object::{
    Object as _, ObjectSection, ObjectSymbol, RelocationFlags, RelocationTarget, SectionFlags,
    SymbolFlags,
};

use super::linked::Elf;
use super::names::{self, Name};
use super::{Function, Image, Object, Region, Slot};

/// Where the first section is laid.
const BASE: u64 = 0x10_0000;

/// Lays objects out and applies their relocations.
pub(crate) fn image<'a>(objects: &[Elf<'a>]) -> Image<'a> {
    let mut layout = Layout { next: BASE, ..Layout::default() };
    for (at, object) in objects.iter().enumerate() {
        layout.place(at, object);
    }
    for (at, object) in objects.iter().enumerate() {
        layout.define(at, object);
    }
    for (at, object) in objects.iter().enumerate() {
        layout.relocate(at, object);
    }
    layout.finish()
}

#[derive(Default)]
struct Layout<'a> {
    next: u64,
    /// Address of each section of each object.
    sections: BTreeMap<(usize, usize), u64>,
    code: BTreeMap<u64, Vec<u8>>,
    data: BTreeMap<u64, Vec<u8>>,
    /// Addresses of global names.
    globals: BTreeMap<&'a str, u64>,
    /// A slot for each name that is reached through one.
    slots: BTreeMap<&'a str, u64>,
    referred: std::collections::BTreeSet<u64>,
    functions: Vec<Function<'a>>,
    image: Image<'a>,
}

impl<'a> Layout<'a> {
    fn place(&mut self, at: usize, object: &Elf<'a>) {
        for section in object.sections() {
            let SectionFlags::Elf { sh_flags, .. } = section.flags() else { continue };
            if !sh_flags.contains(elf::SHF_ALLOC) || section.name() == Ok(".eh_frame") {
                continue;
            }
            let bytes = section.data().unwrap_or_default();
            let size = usize::try_from(section.size()).unwrap_or(0).min(1 << 30);
            let mut bytes = bytes.to_vec();
            bytes.resize(size.max(1), 0);
            let address = self.next.next_multiple_of(section.align().clamp(1, 1 << 16));
            // A gap keeps what is behind one section from being taken for the next.
            self.next = address + bytes.len() as u64 + 16;
            self.sections.insert((at, section.index().0), address);
            let is_code = sh_flags.contains(elf::SHF_EXECINSTR);
            let regions = if is_code { &mut self.code } else { &mut self.data };
            regions.insert(address, bytes);
        }
    }

    fn define(&mut self, at: usize, object: &Elf<'a>) {
        for symbol in object.symbols() {
            if symbol.is_common() {
                self.define_common(&symbol);
                continue;
            }
            let (Some(address), Ok(name)) = (self.address(at, &symbol), symbol.name()) else {
                continue;
            };
            let SymbolFlags::Elf { st_info, st_other } = symbol.flags() else { continue };
            if symbol.is_global() {
                self.globals.entry(name).or_insert(address);
            }
            let is_code = symbol.section_index().is_some_and(|section| {
                self.sections
                    .get(&(at, section.0))
                    .is_some_and(|start| self.code.contains_key(start))
            });
            let kind = st_info.st_type();
            let named = kind == elf::STT_NOTYPE && symbol.is_global() && is_code;
            if kind == elf::STT_FUNC || kind == elf::STT_GNU_IFUNC || named {
                self.functions.push(Function {
                    start: address,
                    end: address.saturating_add(symbol.size()),
                    name: Some(Name::new(name.as_bytes())),
                    tells: names::tells_of_processor(name),
                    bounded: symbol.size() > 0,
                    discovered: false,
                });
                if kind == elf::STT_GNU_IFUNC {
                    self.image.resolvers.push(address);
                }
                if symbol.is_global() && st_other.visibility() == elf::STV_DEFAULT {
                    self.image.roots.push(address);
                }
            } else if kind == elf::STT_OBJECT {
                if names::tells_of_processor(name) {
                    self.image.objects.push(Object { start: address, size: symbol.size() });
                }
                if symbol.is_global() {
                    self.image.data_roots.push(address);
                }
            }
        }
    }

    /// Data that several objects declare and a linker makes room for (`SHN_COMMON`).
    fn define_common(&mut self, symbol: &impl ObjectSymbol<'a>) {
        let Ok(name) = symbol.name() else { return };
        if self.globals.contains_key(name) {
            return;
        }
        let start = self.next.next_multiple_of(16);
        self.next = start.saturating_add(symbol.size()).saturating_add(16);
        self.globals.insert(name, start);
        if names::tells_of_processor(name) {
            self.image.objects.push(Object { start, size: symbol.size() });
        }
    }

    /// Where a defined symbol stands.
    fn address<'d>(&self, at: usize, symbol: &impl ObjectSymbol<'d>) -> Option<u64> {
        let section = symbol.section_index()?;
        Some(self.sections.get(&(at, section.0))?.wrapping_add(symbol.address()))
    }

    fn relocate(&mut self, at: usize, object: &Elf<'a>) {
        for section in object.sections() {
            let Some(start) = self.sections.get(&(at, section.index().0)).copied() else {
                continue;
            };
            for (offset, relocation) in section.relocations() {
                let RelocationFlags::Elf { r_type } = relocation.flags() else { continue };
                let RelocationTarget::Symbol(index) = relocation.target() else { continue };
                let Ok(symbol) = object.symbol_by_index(index) else { continue };
                let name = symbol.name().unwrap_or_default();
                let local = self.address(at, &symbol);
                let target = local.or_else(|| self.globals.get(name).copied());
                self.apply(start.wrapping_add(offset), r_type, name, target, relocation.addend());
            }
        }
    }

    fn apply(
        &mut self,
        place: u64,
        kind: elf::RelocationType,
        name: &'a str,
        target: Option<u64>,
        addend: i64,
    ) {
        self.referred.extend(target);
        let target = match kind {
            elf::R_X86_64_GOTPCREL | elf::R_X86_64_GOTPCRELX | elf::R_X86_64_REX_GOTPCRELX => {
                self.slot(name, target)
            }
            _ => target.unwrap_or_else(|| self.slot(name, None)),
        };
        let value = target.wrapping_add_signed(addend);
        match kind {
            elf::R_X86_64_64 => {
                self.write(place, &value.to_le_bytes());
                self.image.pointers.insert(place, value);
            }
            elf::R_X86_64_PC32
            | elf::R_X86_64_PLT32
            | elf::R_X86_64_GOTPCREL
            | elf::R_X86_64_GOTPCRELX
            | elf::R_X86_64_REX_GOTPCRELX => {
                let relative = value.wrapping_sub(place).to_le_bytes();
                self.write(place, &relative[..4]);
            }
            elf::R_X86_64_32 | elf::R_X86_64_32S => {
                self.image.is_fixed = true;
                self.write(place, &value.to_le_bytes()[..4]);
            }
            _ => {}
        }
    }

    /// The slot of a name, made where there is none.
    fn slot(&mut self, name: &'a str, target: Option<u64>) -> u64 {
        if let Some(slot) = self.slots.get(name).filter(|_| !name.is_empty()) {
            return *slot;
        }
        let address = self.next.next_multiple_of(8);
        self.next = address + 8;
        self.data.insert(address, vec![0; 8]);
        self.slots.insert(name, address);
        let to = target.map_or_else(|| Slot::Import(name), Slot::Local);
        self.image.slots.insert(address, to);
        address
    }

    fn write(&mut self, place: u64, value: &[u8]) {
        for regions in [&mut self.code, &mut self.data] {
            let Some((start, bytes)) = regions.range_mut(..=place).next_back() else { continue };
            let Ok(at) = usize::try_from(place - start) else { continue };
            if let Some(into) = bytes.get_mut(at..at + value.len()) {
                into.copy_from_slice(value);
            }
        }
    }

    fn finish(self) -> Image<'a> {
        let mut image = Image { is_relocatable: true, ..self.image };
        // What another member refers to is reached from there, under its conditions.
        let referred = self.referred;
        image.roots.retain(|root| !referred.contains(root));
        image.data_roots.retain(|root| !referred.contains(root));
        let regions = |map: BTreeMap<u64, Vec<u8>>| -> Vec<Region<'a>> {
            map.into_iter()
                .map(|(address, bytes)| Region { address, bytes: Cow::Owned(bytes) })
                .collect()
        };
        image.code = regions(self.code);
        image.data = regions(self.data);
        image.settle(&[self.functions]);
        image
    }
}
