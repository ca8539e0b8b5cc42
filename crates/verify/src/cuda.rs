//! CUDA code in fat binaries: for which GPUs there is machine code, and for which PTX.
//!
//! A section `.nv_fatbin` holds containers one after another: a header (magic `BA55ED50`, version,
//! size of the header, size of what follows), then entries, each with a header of its own (kind,
//! size of the header at 4, size of the code at 8, architecture at 28). The format is not documented;
//! it is known from the files that nvcc and cuobjdump agree on. Does not unpack the code.

use std::collections::BTreeMap;

use crate::report::CudaCode;

const MAGIC: u32 = 0xba55_ed50;

/// The code in a section, by architecture.
pub(crate) fn code(section: &[u8]) -> Vec<CudaCode> {
    let mut found = BTreeMap::new();
    let mut at = 0;
    while let Some(rest) = section.get(at..) {
        if rest.len() < 16 {
            break;
        }
        match container(rest) {
            Some((size, entries)) => {
                for entry in entries {
                    *found.entry(entry).or_insert(0) += 1;
                }
                at += size.max(8);
            }
            // Containers are aligned to eight bytes.
            None => at += 8,
        }
    }
    found
        .into_iter()
        .map(|((architecture, kind), pieces)| CudaCode { architecture, kind, pieces })
        .collect()
}

type Entry = (String, String);

fn container(bytes: &[u8]) -> Option<(usize, Vec<Entry>)> {
    if u32_at(bytes, 0)? != MAGIC {
        return None;
    }
    let header = usize::from(u16_at(bytes, 6)?);
    let body = usize::try_from(u64_at(bytes, 8)?).ok()?;
    let size = header.checked_add(body)?;
    let content = bytes.get(header..size.min(bytes.len()))?;
    let mut entries = Vec::new();
    let mut at = 0_usize;
    while let Some((length, entry)) = content.get(at..).and_then(entry) {
        entries.extend(entry);
        at = at.checked_add(length)?;
    }
    Some((size, entries))
}

/// One entry: its length with its header, and what it is, where that is known.
fn entry(bytes: &[u8]) -> Option<(usize, Option<Entry>)> {
    let header = usize::try_from(u32_at(bytes, 4)?).ok().filter(|size| *size >= 32)?;
    let body = usize::try_from(u64_at(bytes, 8)?).ok()?;
    let architecture = u32_at(bytes, 28)?;
    let kind = match u16_at(bytes, 0)? {
        1 => "ptx",
        2 => "machine code",
        _ => return Some((header.checked_add(body)?, None)),
    };
    let is_known = (10..=999).contains(&architecture);
    let entry = is_known.then(|| (format!("sm_{architecture}"), kind.to_owned()));
    Some((header.checked_add(body)?, entry))
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(bytes.get(at..at + 2)?.try_into().ok()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn piece(kind: u16, architecture: u32, body: usize) -> Vec<u8> {
        let mut bytes = vec![0; 64 + body];
        bytes[..2].copy_from_slice(&kind.to_le_bytes());
        bytes[4..8].copy_from_slice(&64_u32.to_le_bytes());
        bytes[8..16].copy_from_slice(&(body as u64).to_le_bytes());
        bytes[28..32].copy_from_slice(&architecture.to_le_bytes());
        bytes
    }

    fn fatbin(pieces: &[Vec<u8>]) -> Vec<u8> {
        let body = pieces.concat();
        let mut bytes = MAGIC.to_le_bytes().to_vec();
        bytes.extend([1, 0, 16, 0]);
        bytes.extend((body.len() as u64).to_le_bytes());
        bytes.extend(body);
        bytes
    }

    #[test]
    fn architectures_and_kinds_of_every_container() {
        let first = fatbin(&[piece(2, 86, 40), piece(1, 86, 16)]);
        let second = fatbin(&[piece(2, 90, 8), piece(2, 86, 8), piece(64, 90, 8)]);
        let padding = vec![0; 16];
        let found = code(&[first, padding, second].concat());
        let shown: Vec<_> =
            found.iter().map(|c| format!("{} {} {}", c.architecture, c.kind, c.pieces)).collect();
        assert_eq!(shown, ["sm_86 machine code 2", "sm_86 ptx 1", "sm_90 machine code 1"]);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = code(&bytes);
            let _ = code(&[&MAGIC.to_le_bytes()[..], &[1, 0, 16, 0], &bytes].concat());
        }
    }
}
