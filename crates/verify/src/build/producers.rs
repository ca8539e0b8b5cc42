//! Producers of compile units, as debug information names them (DWARF 2 to 5, `DW_AT_producer`).
//!
//! Reads the first entry of each unit only. Does not read debug information that is compressed or
//! stands in another file.

use std::collections::BTreeMap;

use gimli::{AttributeValue, DwLang, Dwarf, EndianSlice, LittleEndian, SectionId};
use object::{Object, ObjectSection};

use crate::image::linked::Elf;

/// A producer: what made a unit and of which language.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Producer {
    pub(crate) text: String,
    pub(crate) language: Option<String>,
}

type Slice<'a> = EndianSlice<'a, LittleEndian>;

/// Every producer with the number of its units.
pub(crate) fn read(file: &Elf<'_>) -> BTreeMap<Producer, usize> {
    let mut found = BTreeMap::new();
    let load = |id: SectionId| -> Result<Slice<'_>, gimli::Error> {
        let data = file.section_by_name(id.name()).and_then(|section| {
            let plain = section
                .compressed_file_range()
                .is_ok_and(|range| range.format == object::CompressionFormat::None);
            section.data().ok().filter(|_| plain)
        });
        Ok(EndianSlice::new(data.unwrap_or_default(), LittleEndian))
    };
    let Ok(dwarf) = Dwarf::load(load) else { return found };
    let mut units = dwarf.units();
    while let Ok(Some(header)) = units.next() {
        if let Some(producer) = producer(&dwarf, header) {
            *found.entry(producer).or_insert(0) += 1;
        }
    }
    found
}

fn producer(dwarf: &Dwarf<Slice<'_>>, header: gimli::UnitHeader<Slice<'_>>) -> Option<Producer> {
    let unit = dwarf.unit(header).ok()?;
    let mut entries = unit.entries();
    let root = entries.next_dfs().ok()??;
    let directory = root.attr_value(gimli::DW_AT_comp_dir);
    let directory = directory.and_then(|value| dwarf.attr_string(&unit, value).ok());
    let value = root.attr_value(gimli::DW_AT_producer)?;
    let text = dwarf.attr_string(&unit, value).ok()?.to_string_lossy().into_owned();
    let language = match root.attr_value(gimli::DW_AT_language) {
        Some(AttributeValue::Language(language)) => Some(name(language)),
        _ => None,
    };
    let directory = directory.map(|path| path.to_string_lossy().into_owned());
    (!is_start_file(&text, &directory.unwrap_or_default())).then_some(Producer { text, language })
}

/// The start files of the C library and the helpers of the compiler are in every program, and say
/// nothing of how it was compiled.
fn is_start_file(producer: &str, directory: &str) -> bool {
    producer.contains("-fbuilding-libgcc") || directory.trim_end_matches('/').ends_with("/csu")
}

fn name(language: DwLang) -> String {
    let text = language.static_string().unwrap_or("DW_LANG_unknown");
    let text = text.trim_start_matches("DW_LANG_");
    match text {
        "Mips_Assembler" => "assembly".to_owned(),
        _ => text.replace("_plus_plus", "++"),
    }
}
