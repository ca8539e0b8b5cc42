//! The protocol that a Nix store is spoken to: what is sent to it, as bytes.
//!
//! Numbers are 8 bytes, little end first; texts are their length, their bytes and zeros up to a
//! multiple of eight. Version 1.35 is spoken, which every daemon since Nix 2.9 and every Lix
//! understands; the operations and their numbers are those of `worker-protocol.hh`. Does not know
//! pipes or sockets.

mod decode;

pub use decode::{BuildResult, Decoder, Expect, Incoming, ProtocolError, Status};

/// What a client says first, and what a store answers.
const CLIENT_MAGIC: u64 = 0x6e69_7863;
const STORE_MAGIC: u64 = 0x6478_696f;
/// The version that is spoken, and the oldest that a store must speak.
const VERSION: u64 = version(35);

/// A version 1.X as a number.
const fn version(minor: u64) -> u64 {
    0x100 + minor
}

/// Operations.
mod operation {
    pub(super) const ADD_TEMP_ROOT: u64 = 11;
    pub(super) const ADD_INDIRECT_ROOT: u64 = 12;
    pub(super) const SET_OPTIONS: u64 = 19;
    pub(super) const QUERY_VALID_PATHS: u64 = 31;
    pub(super) const QUERY_SUBSTITUTABLE_PATHS: u64 = 32;
    pub(super) const QUERY_MISSING: u64 = 40;
    pub(super) const BUILD_WITH_RESULTS: u64 = 46;
}

/// How a store is to build.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Options {
    /// `cores`: what a builder finds as `NIX_BUILD_CORES`; 0 for all.
    pub cores: u64,
    /// Seconds without output after which a build is ended; 0 for never.
    pub max_silent_seconds: u64,
    /// Seconds after which a build is ended; 0 for never.
    pub timeout_seconds: u64,
    /// Whether substituters may be asked.
    pub substitute: bool,
    /// Whether the folder of a failed build is kept.
    pub keep_failed: bool,
    /// Whether what cannot be fetched is built.
    pub fallback: bool,
    /// Further settings, by the names of `nix.conf`; those that need trust are passed over by a
    /// daemon that does not trust the user.
    pub settings: Vec<(String, String)>,
}

/// What a client may ask.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Request {
    /// How to build from now on.
    SetOptions(Options),
    /// Which of these paths are there.
    ValidPaths(Vec<String>),
    /// Which of these paths substituters have.
    SubstitutablePaths(Vec<String>),
    /// What would be built and fetched for these: `….drv!out,dev`, `….drv!*`, or paths.
    Missing(Vec<String>),
    /// Build or fetch these, written likewise.
    Build(Vec<String>),
    /// Keep a path for as long as the connection lives.
    TempRoot(String),
    /// Keep what a link leads to for as long as it does.
    IndirectRoot(String),
}

/// A derivation with outputs, as the protocol writes it. No outputs mean all.
pub fn built(derivation: &str, outputs: &[String]) -> String {
    let outputs = if outputs.is_empty() { "*".to_owned() } else { outputs.join(",") };
    format!("{derivation}!{outputs}")
}

/// The first bytes of a connection.
pub fn greeting() -> Vec<u8> {
    let mut bytes = Vec::new();
    number(&mut bytes, CLIENT_MAGIC);
    bytes
}

/// What follows the store's greeting: the version, and two things that nobody uses any more.
pub fn introduction() -> Vec<u8> {
    let mut bytes = Vec::new();
    for value in [VERSION, 0, 0] {
        number(&mut bytes, value);
    }
    bytes
}

impl Request {
    /// The bytes to send.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let out = &mut bytes;
        match self {
            Self::SetOptions(options) => {
                number(out, operation::SET_OPTIONS);
                options.encode(out);
            }
            Self::ValidPaths(paths) => {
                number(out, operation::QUERY_VALID_PATHS);
                texts(out, paths);
                // Whether to fetch what is not there.
                number(out, 0);
            }
            Self::SubstitutablePaths(paths) => {
                number(out, operation::QUERY_SUBSTITUTABLE_PATHS);
                texts(out, paths);
            }
            Self::Missing(paths) => {
                number(out, operation::QUERY_MISSING);
                texts(out, paths);
            }
            Self::Build(paths) => {
                number(out, operation::BUILD_WITH_RESULTS);
                texts(out, paths);
                // The ordinary way, neither a repair nor a check.
                number(out, 0);
            }
            Self::TempRoot(path) => {
                number(out, operation::ADD_TEMP_ROOT);
                text(out, path);
            }
            Self::IndirectRoot(path) => {
                number(out, operation::ADD_INDIRECT_ROOT);
                text(out, path);
            }
        }
        bytes
    }

    /// What the store's reply is made of.
    pub const fn expects(&self) -> Expect {
        match self {
            Self::SetOptions(_) => Expect::Nothing,
            Self::ValidPaths(_) | Self::SubstitutablePaths(_) => Expect::Paths,
            Self::Missing(_) => Expect::Missing,
            Self::Build(_) => Expect::Results,
            Self::TempRoot(_) | Self::IndirectRoot(_) => Expect::One,
        }
    }
}

/// Errors and warnings, what a build prints, and what is fetched (`lvlInfo`).
const VERBOSITY: u64 = 3;

impl Options {
    /// As settings of `nix.conf`.
    pub fn as_settings(&self) -> Vec<(String, String)> {
        [
            ("cores", self.cores.to_string()),
            ("max-silent-time", self.max_silent_seconds.to_string()),
            ("timeout", self.timeout_seconds.to_string()),
            ("keep-failed", self.keep_failed.to_string()),
            ("fallback", self.fallback.to_string()),
        ]
        .map(|(name, value)| (name.to_owned(), value))
        .to_vec()
    }

    fn encode(&self, out: &mut Vec<u8>) {
        // One build at a time: whoever drives the store starts as many connections as may build.
        let jobs = 1;
        let verbose_builds = 0;
        for value in [
            u64::from(self.keep_failed),
            0,
            u64::from(self.fallback),
            VERBOSITY,
            jobs,
            self.max_silent_seconds,
            1,
            verbose_builds,
            0,
            0,
            self.cores,
            u64::from(self.substitute),
        ] {
            number(out, value);
        }
        // Of several values for a setting Nix takes the first.
        let timeout = ("timeout".to_owned(), self.timeout_seconds.to_string());
        let settings: Vec<_> = self.settings.iter().chain([&timeout]).collect();
        number(out, settings.len() as u64);
        for (name, value) in settings {
            text(out, name);
            text(out, value);
        }
    }
}

fn number(out: &mut Vec<u8>, value: u64) {
    out.extend(value.to_le_bytes());
}

fn text(out: &mut Vec<u8>, value: &str) {
    number(out, value.len() as u64);
    out.extend(value.as_bytes());
    out.extend(std::iter::repeat_n(0, padding(value.len())));
}

fn texts(out: &mut Vec<u8>, values: &[String]) {
    number(out, values.len() as u64);
    for value in values {
        text(out, value);
    }
}

/// Zeros after so many bytes.
const fn padding(length: usize) -> usize {
    (8 - length % 8) % 8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_are_padded_to_eight_bytes() {
        let bytes = Request::TempRoot("/nix/store/a".to_owned()).encode();
        assert_eq!(bytes.len(), 8 + 8 + 16);
        assert_eq!(bytes[..8], 11_u64.to_le_bytes());
        assert_eq!(bytes[8..16], 12_u64.to_le_bytes());
        assert_eq!(bytes[28..], [0; 4]);
        assert_eq!((padding(0), padding(1), padding(8)), (0, 7, 0));
    }

    #[test]
    fn options_are_twelve_numbers_and_settings() {
        let options = Options { cores: 3, timeout_seconds: 9, ..Options::default() };
        let bytes = Request::SetOptions(options).encode();
        assert_eq!(bytes[8 * 11..8 * 12], 3_u64.to_le_bytes());
        assert_eq!(bytes[8 * 13..8 * 14], 1_u64.to_le_bytes());
        assert!(bytes.windows(7).any(|window| window == b"timeout"));
    }

    #[test]
    fn outputs_follow_an_exclamation_mark() {
        assert_eq!(built("/s/a.drv", &[]), "/s/a.drv!*");
        assert_eq!(built("/s/a.drv", &["out".into(), "dev".into()]), "/s/a.drv!out,dev");
    }
}
