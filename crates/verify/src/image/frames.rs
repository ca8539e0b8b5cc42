//! Where functions stand, as frame descriptions (`.eh_frame`) tell it: all there is in a file without
//! symbols.
//!
//! Does not know how a stack is unwound.

use gimli::{
    BaseAddresses, CieOrFde, EhFrame, EhFrameOffset, EndianSlice, LittleEndian, UnwindSection,
};
use object::{Object as _, ObjectSection as _};

use super::linked::Elf;

type Section<'a> = EhFrame<EndianSlice<'a, LittleEndian>>;

/// Starts and ends of functions that have frames. Sorted.
pub(super) fn frames(file: &Elf<'_>) -> Vec<(u64, u64)> {
    let Some(section) = file.section_by_name(".eh_frame") else { return Vec::new() };
    let Ok(bytes) = section.data() else { return Vec::new() };
    let text = file.section_by_name(".text").map_or(0, |text| text.address());
    let bases = BaseAddresses::default().set_eh_frame(section.address()).set_text(text);
    let frames = EhFrame::new(bytes, LittleEndian);
    let near = near(bytes, section.address(), &frames, &bases);
    let mut found = near.unwrap_or_else(|| of_any_kind(&frames, &bases));
    found.sort_by_key(|(start, _)| *start);
    found
}

fn function(start: u64, size: u64) -> Option<(u64, u64)> {
    (size > 0).then(|| (start, start.saturating_add(size)))
}

/// Bytes of a description up to its range, and the one of those that says how far.
const RANGE: usize = 16;

/// Descriptions as all compilers write them: with addresses of four bytes, counted from where they stand.
/// `None` where there is another.
fn near(
    bytes: &[u8],
    address: u64,
    frames: &Section<'_>,
    bases: &BaseAddresses,
) -> Option<Vec<(u64, u64)>> {
    let is_near = |common: usize| {
        let common = frames.cie_from_offset(bases, EhFrameOffset(common)).ok();
        common.and_then(|common| common.fde_address_encoding())
            == Some(gimli::DwEhPe(gimli::DW_EH_PE_pcrel.0 | gimli::DW_EH_PE_sdata4.0))
    };
    let mut found = Vec::with_capacity(bytes.len() / 64);
    let (mut at, mut known) = (0, None);
    while let Some(size) = word(bytes, at).filter(|size| *size != 0) {
        let (here, common) = (at, word(bytes, at + 4)?);
        at = at.checked_add(4)?.checked_add(usize::try_from(size).ok()?)?;
        if common == 0 {
            continue;
        }
        // Nearly all have the same description in common.
        let common = (here + 4).checked_sub(usize::try_from(common).ok()?);
        if known != common {
            known = common.filter(|common| is_near(*common));
            known?;
        }
        if size == u32::MAX || at < here + RANGE {
            return None;
        }
        let place = address.wrapping_add(here as u64 + 8);
        let start = place.wrapping_add_signed(word(bytes, here + 8)?.cast_signed().into());
        found.extend(function(start, word(bytes, here + 12)?.into()));
    }
    Some(found)
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Descriptions of any kind.
fn of_any_kind(frames: &Section<'_>, bases: &BaseAddresses) -> Vec<(u64, u64)> {
    let mut found = Vec::new();
    let mut entries = frames.entries(bases);
    while let Ok(Some(entry)) = entries.next() {
        let CieOrFde::Fde(partial) = entry else { continue };
        if let Ok(frame) = partial.parse(EhFrame::cie_from_offset) {
            found.extend(function(frame.initial_address(), frame.len()));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// A common description with addresses of this encoding, as gcc writes it.
    fn common(encoding: u8) -> Vec<u8> {
        let rest = [0, 0, 0, 0, 1, b'z', b'R', 0, 1, 0x78, 16, 1, encoding, 0x0c, 7, 8];
        [&[16, 0, 0, 0][..], &rest].concat()
    }

    fn frame(here: usize, start: i32, size: u32) -> Vec<u8> {
        let common = u32::try_from(here + 4).unwrap_or(0);
        let words = [16, common, start.cast_unsigned(), size, 0];
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    proptest! {
        #[test]
        fn what_is_read_quickly_is_what_the_library_reads(
            frames in proptest::collection::vec((any::<i32>(), 0_u32..9), 0..9),
            encoding in proptest::sample::select(vec![0x1b, 0x1b, 0x0b, 0x3b]),
            cut in 0_usize..40,
        ) {
            let mut bytes = common(encoding);
            for (start, size) in frames {
                bytes.extend(frame(bytes.len(), start, size));
            }
            bytes.extend([0; 4]);
            bytes.truncate(bytes.len().saturating_sub(cut.saturating_sub(30)));
            let bases = BaseAddresses::default().set_eh_frame(0x1_0000_0000);
            let section = EhFrame::new(&bytes, LittleEndian);
            if let Some(near) = near(&bytes, 0x1_0000_0000, &section, &bases) {
                prop_assert!(encoding == 0x1b || near.is_empty());
                prop_assert!(near.starts_with(&of_any_kind(&section, &bases)));
            }
        }
    }

    #[test]
    fn what_is_cut_off_is_not_read() {
        let bases = BaseAddresses::default();
        for bytes in [&[1, 0, 0][..], &[12, 0, 0, 0, 1, 0, 0, 0], &[255; 24], &[0; 4]] {
            let frames = EhFrame::new(bytes, LittleEndian);
            assert!(near(bytes, 0, &frames, &bases).unwrap_or_default().is_empty());
        }
    }
}
