//! What a store answers, read from bytes as they come.
//!
//! While a store works it sends events; a mark says that it is done and that the reply follows, or an
//! error stands in its place. Does not know where the bytes come from.

use super::super::activity::{self, Event, Field, LONGEST_TEXT};
use super::{STORE_MAGIC, VERSION, padding};

/// Marks of the messages that come while a store works.
const NEXT: u64 = 0x6f6c_6d67;
const READ: u64 = 0x6461_7461;
const LAST: u64 = 0x616c_7473;
const ERROR: u64 = 0x6378_7470;
const START: u64 = 0x5354_5254;
const STOP: u64 = 0x5354_4f50;
const RESULT: u64 = 0x5253_4c54;
const WRITE: u64 = 0x6461_7416;

/// Longest text, and most entries of a list, that are believed.
const LONGEST: u64 = 1 << 30;
const MOST: u64 = 1 << 24;

/// What a reply is made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Expect {
    /// The store's greeting.
    Greeting,
    /// What follows the introduction: the version of Nix, and whether the user is trusted.
    Welcome,
    /// No reply after the work.
    Nothing,
    /// A number that says nothing.
    One,
    /// Paths.
    Paths,
    /// What is missing.
    Missing,
    /// Results of builds.
    Results,
}

/// How a build ended (`BuildResult::Status`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It was built here, or fetched.
    Done,
    /// It was there already.
    AlreadyValid,
    /// It took longer than it was allowed to, or was silent for too long.
    TimedOut,
    /// It failed, and may not fail the next time.
    Transient,
    /// Something that it needs failed.
    DependencyFailed,
    /// It failed.
    Failed,
}

impl Status {
    fn of(code: u64) -> Self {
        match code {
            0 | 1 => Self::Done,
            2 | 13 => Self::AlreadyValid,
            6 => Self::Transient,
            8 => Self::TimedOut,
            10 => Self::DependencyFailed,
            _ => Self::Failed,
        }
    }

    /// Whether the result is there.
    pub const fn is_success(self) -> bool {
        matches!(self, Self::Done | Self::AlreadyValid)
    }
}

/// How one build ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BuildResult {
    /// What was asked for, as it was written.
    pub path: String,
    /// How it ended.
    pub status: Status,
    /// What Nix says about a failure.
    pub message: String,
    /// Seconds since 1970 at which it began and ended; 0 when nothing ran.
    pub times: (u64, u64),
    /// Outputs and their paths.
    pub outputs: Vec<(String, String)>,
}

/// Something that came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Incoming {
    /// The store's greeting, with the version that it speaks.
    Greeting(u64),
    /// The version of Nix, and whether the store trusts the user; nothing when it does not say.
    Welcome(String, Option<bool>),
    /// Something happened.
    Event(Event),
    /// The work is done and has no reply, or none that says anything.
    Done,
    /// Paths.
    Paths(Vec<String>),
    /// What is missing.
    Missing {
        /// Derivations that must be built.
        build: Vec<String>,
        /// Paths that can be fetched.
        fetch: Vec<String>,
        /// What nobody knows how to get.
        unknown: Vec<String>,
        /// Bytes to download, and what they unpack to.
        bytes: (u64, u64),
    },
    /// Results of builds.
    Results(Vec<BuildResult>),
    /// The store could not do it.
    Failed(String),
}

/// Why a connection is of no more use.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProtocolError {
    /// The other side is no Nix store.
    #[error("the other side is no Nix store")]
    NoStore,
    /// It is too old.
    #[error(
        "this Nix speaks version 1.{0} of the protocol of stores; 1.35 (Nix 2.9) is the oldest that will do"
    )]
    TooOld(u64),
    /// It breaks the protocol.
    #[error("the Nix store answers something unexpected: {0}")]
    Unexpected(&'static str),
}

/// Why nothing was read.
enum Stop {
    /// More bytes must come.
    Incomplete,
    /// They make no sense.
    Wrong(ProtocolError),
}

type Read<T> = Result<T, Stop>;

const fn wrong<T>(what: &'static str) -> Read<T> {
    Err(Stop::Wrong(ProtocolError::Unexpected(what)))
}

/// Takes bytes as they come and gives what they mean.
#[derive(Debug)]
pub struct Decoder {
    bytes: Vec<u8>,
    /// Bytes that were read already.
    used: usize,
    expect: Expect,
    /// The work is done, and the reply comes.
    replying: bool,
}

impl Decoder {
    /// For a new connection.
    pub const fn new() -> Self {
        Self { bytes: Vec::new(), used: 0, expect: Expect::Greeting, replying: true }
    }

    /// Adds bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.bytes.drain(..self.used);
        self.used = 0;
        self.bytes.extend_from_slice(bytes);
    }

    /// Says what was asked, and so what comes next.
    pub fn expect(&mut self, expect: Expect) {
        self.expect = expect;
        self.replying = matches!(expect, Expect::Greeting | Expect::Welcome);
    }

    /// The next thing that came whole.
    pub fn take(&mut self) -> Result<Option<Incoming>, ProtocolError> {
        loop {
            let rest = self.bytes.get(self.used..).unwrap_or_default();
            let mut reader = Reader { bytes: rest, at: 0 };
            let read =
                if self.replying { reader.reply(self.expect).map(Some) } else { reader.message() };
            match read {
                Ok(found) => {
                    self.used += reader.at;
                    match found {
                        Some(incoming) => {
                            self.settle(&incoming);
                            return Ok(Some(incoming));
                        }
                        None => self.replying = true,
                    }
                }
                Err(Stop::Incomplete) => return Ok(None),
                Err(Stop::Wrong(error)) => return Err(error),
            }
        }
    }

    /// After the welcome the store works a moment before it takes requests.
    fn settle(&mut self, incoming: &Incoming) {
        if matches!(incoming, Incoming::Welcome(..)) {
            (self.expect, self.replying) = (Expect::Nothing, false);
        }
    }
}

impl Default for Decoder {
    fn default() -> Self {
        Self::new()
    }
}

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn number(&mut self) -> Read<u64> {
        let rest = self.bytes.get(self.at..).unwrap_or_default();
        let Some((head, _)) = rest.split_first_chunk::<8>() else { return Err(Stop::Incomplete) };
        self.at += 8;
        Ok(u64::from_le_bytes(*head))
    }

    fn raw(&mut self) -> Read<&'a [u8]> {
        let length = self.number()?;
        if length > LONGEST {
            return wrong("a text without end");
        }
        let length = usize::try_from(length).unwrap_or(usize::MAX);
        let end = self.at.saturating_add(length);
        let after = end.saturating_add(padding(length));
        if after > self.bytes.len() {
            return Err(Stop::Incomplete);
        }
        let raw = self.bytes.get(self.at..end).unwrap_or_default();
        self.at = after;
        Ok(raw)
    }

    fn text(&mut self) -> Read<String> {
        Ok(String::from_utf8_lossy(self.raw()?).into_owned())
    }

    /// A text for people, of which only the beginning may matter.
    fn cut(&mut self) -> Read<String> {
        let raw = self.raw()?;
        let kept = raw.get(..LONGEST_TEXT.min(raw.len())).unwrap_or_default();
        Ok(String::from_utf8_lossy(kept).into_owned())
    }

    fn list<T>(&mut self, mut item: impl FnMut(&mut Self) -> Read<T>) -> Read<Vec<T>> {
        let count = self.number()?;
        if count > MOST {
            return wrong("a list without end");
        }
        let mut items = Vec::new();
        for _ in 0..count {
            items.push(item(self)?);
        }
        Ok(items)
    }

    /// A message while the store works; nothing for the mark that ends them.
    fn message(&mut self) -> Read<Option<Incoming>> {
        let event = match self.number()? {
            NEXT => activity::message(self.cut()?),
            LAST => return Ok(None),
            ERROR => return Ok(Some(Incoming::Failed(self.error()?))),
            START => {
                let id = self.number()?;
                self.number()?;
                let kind = self.number()?;
                let text = self.cut()?;
                let fields = self.list(Self::field)?;
                self.number()?;
                Event::Started { id, kind, text, fields }
            }
            STOP => Event::Stopped { id: self.number()? },
            RESULT => {
                let (id, kind) = (self.number()?, self.number()?);
                Event::Result { id, kind, fields: self.list(Self::field)? }
            }
            READ | WRITE => return wrong("a stream of data that nobody asked for"),
            _ => return wrong("an unknown message"),
        };
        Ok(Some(Incoming::Event(event)))
    }

    fn field(&mut self) -> Read<Field> {
        match self.number()? {
            0 => Ok(Field::Number(self.number()?)),
            1 => Ok(Field::Text(self.cut()?)),
            _ => wrong("a field of an unknown type"),
        }
    }

    /// Type, level, name, the message, a position that is never there, and traces.
    fn error(&mut self) -> Read<String> {
        self.raw()?;
        self.number()?;
        self.raw()?;
        let message = self.cut()?;
        self.number()?;
        self.list(|reader| {
            reader.number()?;
            reader.raw()
        })?;
        Ok(message)
    }

    fn reply(&mut self, expect: Expect) -> Read<Incoming> {
        Ok(match expect {
            Expect::Greeting => return self.greeting(),
            Expect::Welcome => {
                let version = self.text()?;
                let trusted = match self.number()? {
                    1 => Some(true),
                    2 => Some(false),
                    _ => None,
                };
                Incoming::Welcome(version, trusted)
            }
            Expect::Nothing => Incoming::Done,
            Expect::One => {
                self.number()?;
                Incoming::Done
            }
            Expect::Paths => Incoming::Paths(self.list(Self::text)?),
            Expect::Missing => Incoming::Missing {
                build: self.list(Self::text)?,
                fetch: self.list(Self::text)?,
                unknown: self.list(Self::text)?,
                bytes: (self.number()?, self.number()?),
            },
            Expect::Results => Incoming::Results(self.list(Self::result)?),
        })
    }

    fn greeting(&mut self) -> Read<Incoming> {
        if self.number()? != STORE_MAGIC {
            return Err(Stop::Wrong(ProtocolError::NoStore));
        }
        let version = self.number()?;
        if version >> 8 != VERSION >> 8 || version < VERSION {
            return Err(Stop::Wrong(ProtocolError::TooOld(version & 0xff)));
        }
        Ok(Incoming::Greeting(version))
    }

    fn result(&mut self) -> Read<BuildResult> {
        let path = self.text()?;
        let status = Status::of(self.number()?);
        let message = self.cut()?;
        // How often it was built, and whether the results differed.
        self.number()?;
        self.number()?;
        let times = (self.number()?, self.number()?);
        let outputs = self.list(|reader| {
            let id = reader.text()?;
            let realisation = reader.text()?;
            Ok(realised(&id, &realisation))
        })?;
        let outputs = outputs.into_iter().flatten().collect();
        Ok(BuildResult { path, status, message, times, outputs })
    }
}

/// Name and path of an output, from its id (`sha256:…!out`) and a JSON object with the path's name.
fn realised(id: &str, realisation: &str) -> Option<(String, String)> {
    let value: serde_json::Value = serde_json::from_str(realisation).ok()?;
    let (_, name) = id.rsplit_once('!')?;
    Some((name.to_owned(), value.get("outPath")?.as_str()?.to_owned()))
}

#[cfg(test)]
mod tests {
    use super::super::{number, text, texts, version};
    use super::*;
    use proptest::prelude::*;

    fn fed(expect: Expect, bytes: &[u8]) -> Result<Option<Incoming>, ProtocolError> {
        let mut decoder = Decoder::new();
        decoder.expect(expect);
        decoder.push(bytes);
        decoder.take()
    }

    fn welcome() -> Vec<u8> {
        let mut bytes = Vec::new();
        for value in [STORE_MAGIC, version(38)] {
            number(&mut bytes, value);
        }
        text(&mut bytes, "2.26.3");
        for value in [1, LAST] {
            number(&mut bytes, value);
        }
        bytes
    }

    #[test]
    fn a_connection_begins_with_a_greeting() {
        let mut decoder = Decoder::new();
        let bytes = welcome();
        decoder.push(&bytes[..20]);
        assert_eq!(decoder.take(), Ok(Some(Incoming::Greeting(version(38)))));
        decoder.expect(Expect::Welcome);
        assert_eq!(decoder.take(), Ok(None));
        decoder.push(&bytes[20..]);
        let welcome = Incoming::Welcome("2.26.3".to_owned(), Some(true));
        assert_eq!(decoder.take(), Ok(Some(welcome)));
        assert_eq!(decoder.take(), Ok(Some(Incoming::Done)));
    }

    #[test]
    fn who_is_no_store_or_too_old_is_refused() {
        let hello = |magic: u64, version: u64| {
            fed(Expect::Greeting, &[magic.to_le_bytes(), version.to_le_bytes()].concat())
        };
        assert_eq!(hello(7, version(38)), Err(ProtocolError::NoStore));
        assert_eq!(hello(STORE_MAGIC, version(32)), Err(ProtocolError::TooOld(32)));
        assert_eq!(hello(STORE_MAGIC, version(35)), Ok(Some(Incoming::Greeting(version(35)))));
    }

    #[test]
    fn events_come_before_the_reply() {
        let mut bytes = Vec::new();
        for value in [START, 5, 3, 105] {
            number(&mut bytes, value);
        }
        text(&mut bytes, "building");
        for value in [1, 1] {
            number(&mut bytes, value);
        }
        text(&mut bytes, "/nix/store/x.drv");
        for value in [0, STOP, 5, LAST] {
            number(&mut bytes, value);
        }
        texts(&mut bytes, &["/nix/store/a".to_owned()]);
        let mut decoder = Decoder::new();
        decoder.expect(Expect::Paths);
        let mut seen = Vec::new();
        for byte in bytes {
            decoder.push(&[byte]);
            seen.extend(decoder.take().unwrap());
        }
        let fields = vec![Field::Text("/nix/store/x.drv".to_owned())];
        let (id, kind, text) = (5, 105, "building".to_owned());
        assert_eq!(
            seen,
            [
                Incoming::Event(Event::Started { id, kind, text, fields }),
                Incoming::Event(Event::Stopped { id }),
                Incoming::Paths(vec!["/nix/store/a".to_owned()]),
            ]
        );
    }

    #[test]
    fn results_have_their_status_and_outputs() {
        let mut bytes = Vec::new();
        for value in [LAST, 1] {
            number(&mut bytes, value);
        }
        text(&mut bytes, "/nix/store/x.drv!*");
        number(&mut bytes, 8);
        text(&mut bytes, "timed out");
        for value in [1, 0, 7, 9, 1] {
            number(&mut bytes, value);
        }
        text(&mut bytes, "sha256:00!out");
        text(&mut bytes, r#"{"outPath":"abc-x","id":"sha256:00!out"}"#);
        let Ok(Some(Incoming::Results(results))) = fed(Expect::Results, &bytes) else {
            unreachable!();
        };
        assert_eq!((results[0].status, results[0].times), (Status::TimedOut, (7, 9)));
        assert_eq!(results[0].outputs, [("out".to_owned(), "abc-x".to_owned())]);
    }

    #[test]
    fn an_error_stands_in_place_of_a_reply() {
        let mut bytes = Vec::new();
        number(&mut bytes, ERROR);
        text(&mut bytes, "Error");
        number(&mut bytes, 0);
        text(&mut bytes, "Error");
        text(&mut bytes, "path is not valid");
        for value in [0, 1, 0] {
            number(&mut bytes, value);
        }
        text(&mut bytes, "while doing so");
        let failed = Incoming::Failed("path is not valid".to_owned());
        assert_eq!(fed(Expect::Paths, &bytes), Ok(Some(failed)));
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(
            bytes in prop::collection::vec(any::<u8>(), 0..120),
            mark in prop::sample::select(vec![NEXT, LAST, ERROR, START, RESULT, 0]),
            small in 0_u64..9,
        ) {
            let framed = [mark.to_le_bytes(), small.to_le_bytes()].concat();
            for expect in [Expect::Greeting, Expect::Welcome, Expect::Missing, Expect::Results] {
                let _ = fed(expect, &bytes);
                let _ = fed(expect, &[framed.clone(), bytes.clone()].concat());
            }
        }
    }
}
