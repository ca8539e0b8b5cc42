//! What a launcher tells of a command that it started for somebody else and does not wait for.
//!
//! One record of a fixed size on a descriptor. Does not know who asked.

/// A command that was started, or not.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Handed {
    /// Its process; 0 where it could not be started.
    pub process: i32,
    /// Why it could not be started, as the kernel numbers errors; 0 where it was.
    pub error: i32,
    /// When it was started, in nanoseconds of the clock that never jumps (`CLOCK_MONOTONIC`).
    pub began_ns: u64,
    /// Bytes that the launcher held then, with which the command begins to be counted.
    pub held: u64,
}

impl Handed {
    /// Bytes of a record.
    pub const SIZE: usize = 24;

    /// The record.
    pub fn to_bytes(self) -> [u8; Self::SIZE] {
        let mut bytes = [0; Self::SIZE];
        bytes[..4].copy_from_slice(&self.process.to_le_bytes());
        bytes[4..8].copy_from_slice(&self.error.to_le_bytes());
        bytes[8..16].copy_from_slice(&self.began_ns.to_le_bytes());
        bytes[16..].copy_from_slice(&self.held.to_le_bytes());
        bytes
    }

    /// Reads a record.
    pub fn from_bytes(bytes: [u8; Self::SIZE]) -> Self {
        let word = |at: usize| {
            let part = bytes[at..].first_chunk::<8>();
            part.map_or(0, |part| u64::from_le_bytes(*part))
        };
        let short = |at: usize| {
            let part = bytes[at..].first_chunk::<4>();
            part.map_or(0, |part| i32::from_le_bytes(*part))
        };
        Self { process: short(0), error: short(4), began_ns: word(8), held: word(16) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_as_it_was_written() {
        let handed = Handed { process: 7, error: -3, began_ns: u64::MAX - 1, held: 1 << 40 };
        assert_eq!(Handed::from_bytes(handed.to_bytes()), handed);
    }
}
