//! GCC's counter files (`.gcda`): which compiler wrote one, and what its functions counted.
//!
//! The format is that of `gcov-io.h`: words of 32 bits in the order of the machine that wrote them;
//! records of a tag, a length (in bytes since GCC 12, in words before; negative where all counters are
//! zero and left out) and their data. Does not know names of functions: they stand in notes that a
//! profiled build does not write.

use super::check::Hot;
use crate::cpu::version::Version;

/// `gcda` as a word.
const MAGIC: u32 = 0x6763_6461;
const FUNCTION: u32 = 0x0100_0000;
const ARCS: u32 = 0x01a1_0000;

/// A file of counters: those of the objects of one compilation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Gcda {
    /// The compiler, as its four letters say (`B22*` is 12.2).
    pub version: Option<Version>,
    /// Its functions, in their order.
    pub functions: Vec<Function>,
}

/// A function's counters.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Function {
    /// Its number within the file.
    pub ident: u32,
    /// Checksum of where its lines are.
    pub lines: u32,
    /// Checksum of its control flow.
    pub flow: u32,
    /// How often its arcs were taken, summed up.
    pub counts: u128,
}

/// Why bytes are no such file.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GcdaError {
    /// Another kind of file.
    #[error("not a file of GCC's counters")]
    Magic,
    /// It ends within a record.
    #[error("it ends within a record, at byte {0}")]
    Truncated(usize),
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
    big: bool,
}

impl Reader<'_> {
    fn word(&mut self) -> Result<u32, GcdaError> {
        let bytes = self.bytes.get(self.at..).and_then(|rest| rest.first_chunk::<4>());
        let bytes = *bytes.ok_or(GcdaError::Truncated(self.at))?;
        self.at += 4;
        Ok(if self.big { u32::from_be_bytes(bytes) } else { u32::from_le_bytes(bytes) })
    }

    fn counter(&mut self) -> Result<u64, GcdaError> {
        let low = u64::from(self.word()?);
        Ok(u64::from(self.word()?) << 32 | low)
    }
}

/// Reads a file.
///
/// # Errors
/// For other bytes, and for a file that was not written to its end.
pub fn parse(bytes: &[u8]) -> Result<Gcda, GcdaError> {
    let mut reader = Reader { bytes, at: 0, big: false };
    match reader.word().map_err(|_| GcdaError::Magic)? {
        MAGIC => {}
        word if word.swap_bytes() == MAGIC => reader.big = true,
        _ => return Err(GcdaError::Magic),
    }
    let version = version(reader.word()?.to_be_bytes());
    let (_stamp, in_bytes) = (reader.word()?, version.is_none_or(|v| v.major >= 12));
    if in_bytes {
        let _checksum = reader.word()?;
    }
    let mut functions: Vec<Function> = Vec::new();
    while reader.at < bytes.len() {
        let tag = reader.word()?;
        if tag == 0 {
            break;
        }
        record(&mut reader, tag, in_bytes, &mut functions)?;
    }
    Ok(Gcda { version, functions })
}

fn record(
    reader: &mut Reader<'_>,
    tag: u32,
    in_bytes: bool,
    functions: &mut Vec<Function>,
) -> Result<(), GcdaError> {
    let length = reader.word()?.cast_signed();
    let unit = if in_bytes { 1 } else { 4 };
    // Counters that are all zero have a length and no data.
    let bytes = usize::try_from(length).unwrap_or(0).saturating_mul(unit);
    let end = reader.at.checked_add(bytes).filter(|end| *end <= reader.bytes.len());
    let end = end.ok_or(GcdaError::Truncated(reader.at))?;
    if tag == FUNCTION && bytes >= 12 {
        let (ident, lines, flow) = (reader.word()?, reader.word()?, reader.word()?);
        functions.push(Function { ident, lines, flow, counts: 0 });
    } else if tag == ARCS {
        let mut sum = 0_u128;
        while reader.at + 8 <= end {
            sum += u128::from(reader.counter()?);
        }
        if let Some(function) = functions.last_mut() {
            function.counts += sum;
        }
    }
    reader.at = end;
    Ok(())
}

/// `B22*`: tens as a letter from A for none, ones and minor as digits, then the kind of release.
fn version(letters: [u8; 4]) -> Option<Version> {
    let digit = |byte: u8| char::from(byte).to_digit(10).and_then(|d| u16::try_from(d).ok());
    let tens = u16::from(letters[0].checked_sub(b'A')?);
    Some(Version::new(tens * 10 + digit(letters[1])?, digit(letters[2])?))
}

impl Gcda {
    /// The functions as they are counted, named by the file and their number.
    pub fn hot<'a>(&'a self, file: &'a str) -> impl Iterator<Item = Hot> + 'a {
        self.functions.iter().map(move |function| Hot {
            name: format!("{file}:{}", function.ident),
            counts: function.counts,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn file(words: &[u32]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    const B22: u32 = 0x4232_322a;

    #[test]
    fn functions_and_arcs_are_read() {
        let words = [
            MAGIC,
            B22,
            7,
            9, // magic, version, stamp, checksum
            0xa100_0000,
            8,
            1,
            2, // object summary
            FUNCTION,
            12,
            42,
            1,
            2,
            ARCS,
            16,
            5,
            0,
            6,
            0, // 11 in two arcs
            FUNCTION,
            12,
            43,
            3,
            4,
            ARCS,
            (-16_i32).cast_unsigned(), // never ran
            0,
        ];
        let found = parse(&file(&words)).unwrap();
        assert_eq!(found.version, Some(Version::new(12, 2)));
        let counts: Vec<_> = found.functions.iter().map(|f| (f.ident, f.flow, f.counts)).collect();
        assert_eq!(counts, [(42, 2, 11), (43, 4, 0)]);
        assert_eq!(found.hot("a.gcda").next().unwrap().name, "a.gcda:42");
    }

    #[test]
    fn lengths_were_words_before() {
        let words = [MAGIC, 0x4233_332a - 0x0002_0000, 7, FUNCTION, 3, 1, 2, 3, ARCS, 2, 8, 0, 0];
        let found = parse(&file(&words)).unwrap();
        assert_eq!(found.version, Some(Version::new(11, 3)));
        assert_eq!(found.functions[0].counts, 8);
    }

    #[test]
    fn other_files_and_halves_are_told() {
        assert_eq!(parse(b"\x7fELF1234"), Err(GcdaError::Magic));
        assert_eq!(parse(b""), Err(GcdaError::Magic));
        let half = [MAGIC, B22, 7, 9, FUNCTION, 12, 42];
        assert_eq!(parse(&file(&half)), Err(GcdaError::Truncated(24)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(rest in proptest::collection::vec(any::<u8>(), 0..200)) {
            let mut bytes = file(&[MAGIC, B22, 1, 2]);
            bytes.extend(&rest);
            let _ = parse(&bytes);
            let _ = parse(&rest);
        }
    }
}
