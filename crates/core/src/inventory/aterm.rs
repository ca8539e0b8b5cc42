//! The text of a `.drv` file: a derivation as Nix stores it.
//!
//! The format is the `ATerm` that Nix's manual describes under "Derivation > `ATerm` format", with the
//! versioned head `DrvWithVersion("xp-dyn-drv", …)` of dynamic derivations. Nothing is copied: a text
//! is where it stands in the file until somebody asks for it without escapes. Does not know what
//! any variable of a derivation means.

use std::borrow::Cow;

use super::InventoryError;

/// Deepest nesting of dynamic outputs that is read.
const DEEPEST: usize = 16;

/// A quoted text of a file, still with its escapes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Text<'a> {
    raw: &'a [u8],
    escaped: bool,
}

impl<'a> Text<'a> {
    /// The bytes between the quotes.
    pub const fn raw(&self) -> &'a [u8] {
        self.raw
    }

    /// The text that is meant; bytes that are no UTF-8 become replacement characters.
    pub fn decoded(&self) -> Cow<'a, str> {
        if !self.escaped {
            // Most texts are whole, which this tells sooner than a search for what to replace.
            return std::str::from_utf8(self.raw)
                .map_or_else(|_| String::from_utf8_lossy(self.raw), Cow::Borrowed);
        }
        let mut bytes = Vec::with_capacity(self.raw.len());
        let mut rest = self.raw.iter();
        while let Some(byte) = rest.next() {
            match byte {
                b'\\' => bytes.extend(rest.next().map(|escape| unescaped(*escape))),
                byte => bytes.push(*byte),
            }
        }
        Cow::Owned(match String::from_utf8(bytes) {
            Ok(text) => text,
            Err(error) => String::from_utf8_lossy(error.as_bytes()).into_owned(),
        })
    }

    /// Whether the text is empty.
    pub const fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }
}

const fn unescaped(escape: u8) -> u8 {
    match escape {
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        other => other,
    }
}

/// One output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Output<'a> {
    /// `out`, `dev` and so on.
    pub name: Text<'a>,
    /// Where it will lie; empty when that depends on its content.
    pub path: Text<'a>,
    /// `sha256`, `r:sha256` and so on, for an output whose content is hashed.
    pub hash_algorithm: Text<'a>,
    /// The hash that it must have; empty when it is not known before.
    pub hash: Text<'a>,
}

/// A derivation.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Derivation<'a> {
    /// What it makes.
    pub outputs: Vec<Output<'a>>,
    /// Files of the derivations that it needs, whichever of their outputs it uses.
    pub inputs: Vec<Text<'a>>,
    /// Files of the store that it needs.
    pub sources: Vec<Text<'a>>,
    /// `x86_64-linux`, `builtin` and so on.
    pub system: Text<'a>,
    /// The program that builds it.
    pub builder: Text<'a>,
    /// Its arguments.
    pub arguments: Vec<Text<'a>>,
    /// Its variables, in the order of the file.
    pub environment: Vec<(Text<'a>, Text<'a>)>,
}

impl<'a> Derivation<'a> {
    /// A variable's value.
    pub fn variable(&self, name: &str) -> Option<Text<'a>> {
        let found = self.environment.iter().find(|(key, _)| key.raw == name.as_bytes());
        found.map(|(_, value)| *value)
    }

    /// Reads another derivation into the memory of this one. `file` is named in a mistake.
    ///
    /// Closures have thousands, and each has a hundred texts: lists that grow anew for each take a third
    /// of the time.
    pub fn then<'b>(self, file: &str, bytes: &'b [u8]) -> Result<Derivation<'b>, InventoryError> {
        let mut reader = Reader { bytes, at: 0 };
        reader.derivation(self.emptied()).map_err(|message| InventoryError::Derivation {
            file: file.to_owned(),
            offset: reader.at,
            message,
        })
    }

    /// A derivation of nothing, with room for as much as this one has. It outlives the text of this one.
    pub fn emptied<'b>(self) -> Derivation<'b> {
        Derivation {
            outputs: emptied(self.outputs),
            inputs: emptied(self.inputs),
            sources: emptied(self.sources),
            arguments: emptied(self.arguments),
            environment: emptied(self.environment),
            ..Derivation::default()
        }
    }

    /// Whether the content of its one output is known before: it is a download.
    pub fn is_fixed_output(&self) -> bool {
        matches!(self.outputs.as_slice(), [only] if !only.hash.is_empty())
    }
}

/// A list of nothing that keeps the memory of another: what is collected from a list of items of the same
/// size stays where it was.
fn emptied<A, B>(mut list: Vec<A>) -> Vec<B> {
    list.clear();
    list.into_iter().filter_map(|_| None).collect()
}

/// Reads a derivation. `file` is named in a mistake.
pub fn parse<'a>(file: &str, bytes: &'a [u8]) -> Result<Derivation<'a>, InventoryError> {
    Derivation::default().then(file, bytes)
}

type Read<T> = Result<T, &'static str>;

struct Reader<'a> {
    bytes: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    fn derivation(&mut self, mut into: Derivation<'a>) -> Read<Derivation<'a>> {
        if self.takes(b"DrvWithVersion(") {
            self.text()?;
            self.byte(b',', "a comma after the version is missing")?;
        } else if !self.takes(b"Derive(") {
            return Err("not a derivation: it begins with neither Derive( nor DrvWithVersion(");
        }
        let comma = "a comma between two parts of a derivation is missing";
        self.list(&mut into.outputs, Self::output)?;
        self.byte(b',', comma)?;
        self.list(&mut into.inputs, Self::input)?;
        self.byte(b',', comma)?;
        self.list(&mut into.sources, Self::text)?;
        self.byte(b',', comma)?;
        into.system = self.text()?;
        self.byte(b',', comma)?;
        into.builder = self.text()?;
        self.byte(b',', comma)?;
        self.list(&mut into.arguments, Self::text)?;
        self.byte(b',', comma)?;
        self.list(&mut into.environment, Self::pair)?;
        self.byte(b')', "the closing parenthesis of the derivation is missing")?;
        if !self.bytes.get(self.at..).unwrap_or_default().trim_ascii().is_empty() {
            return Err("nothing may follow a derivation");
        }
        Ok(into)
    }

    fn output(&mut self) -> Read<Output<'a>> {
        let wanted = "an output has a name, a path, a hash algorithm and a hash";
        self.byte(b'(', wanted)?;
        let name = self.text()?;
        self.byte(b',', wanted)?;
        let path = self.text()?;
        self.byte(b',', wanted)?;
        let hash_algorithm = self.text()?;
        self.byte(b',', wanted)?;
        let hash = self.text()?;
        self.byte(b')', wanted)?;
        Ok(Output { name, path, hash_algorithm, hash })
    }

    fn input(&mut self) -> Read<Text<'a>> {
        let wanted = "an input has a path and its outputs";
        self.byte(b'(', wanted)?;
        let path = self.text()?;
        self.byte(b',', wanted)?;
        self.used_outputs(0)?;
        self.byte(b')', wanted)?;
        Ok(path)
    }

    /// Outputs; in dynamic derivations also outputs of what an output says. None changes what must be
    /// built first.
    fn used_outputs(&mut self, depth: usize) -> Read<()> {
        if self.bytes.get(self.at) != Some(&b'(') {
            return self.each(|reader| reader.text().map(drop));
        }
        if depth >= DEEPEST {
            return Err("dynamic outputs are nested too deeply");
        }
        self.at += 1;
        self.each(|reader| reader.text().map(drop))?;
        self.byte(b',', "dynamic outputs follow a comma")?;
        self.each(|reader| {
            reader.byte(b'(', "a dynamic output has a name and its outputs")?;
            reader.text()?;
            reader.byte(b',', "a dynamic output has a name and its outputs")?;
            reader.used_outputs(depth + 1)?;
            reader.byte(b')', "a dynamic output has a name and its outputs")
        })?;
        self.byte(b')', "dynamic outputs end with a parenthesis")
    }

    fn pair(&mut self) -> Read<(Text<'a>, Text<'a>)> {
        let wanted = "a variable has a name and a value";
        self.byte(b'(', wanted)?;
        let name = self.text()?;
        self.byte(b',', wanted)?;
        let value = self.text()?;
        self.byte(b')', wanted)?;
        Ok((name, value))
    }

    fn list<T>(&mut self, into: &mut Vec<T>, item: impl Fn(&mut Self) -> Read<T>) -> Read<()> {
        self.each(|reader| {
            into.push(item(reader)?);
            Ok(())
        })
    }

    /// Reads each item of a list.
    fn each(&mut self, mut item: impl FnMut(&mut Self) -> Read<()>) -> Read<()> {
        self.byte(b'[', "a list begins with a bracket")?;
        if self.takes(b"]") {
            return Ok(());
        }
        loop {
            item(self)?;
            match self.bytes.get(self.at) {
                Some(b',') => self.at += 1,
                Some(b']') => break,
                _ => return Err("a comma or a closing bracket is missing in a list"),
            }
        }
        self.at += 1;
        Ok(())
    }

    // Inlined with the search it is a fifth faster: most texts are short.
    #[inline]
    fn text(&mut self) -> Read<Text<'a>> {
        self.byte(b'"', "a text begins with a quote")?;
        let start = self.at;
        let mut escaped = false;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or_default();
            let stop = special(rest).ok_or("a text has no closing quote")?;
            self.at += stop;
            if self.bytes.get(self.at) == Some(&b'"') {
                break;
            }
            escaped = true;
            self.at += 2;
        }
        let raw = self.bytes.get(start..self.at).ok_or("a text has no closing quote")?;
        self.at += 1;
        Ok(Text { raw, escaped })
    }

    fn byte(&mut self, byte: u8, wanted: &'static str) -> Read<()> {
        if self.bytes.get(self.at) != Some(&byte) {
            return Err(wanted);
        }
        self.at += 1;
        Ok(())
    }

    fn takes(&mut self, head: &[u8]) -> bool {
        let there = self.bytes.get(self.at..).is_some_and(|rest| rest.starts_with(head));
        if there {
            self.at += head.len();
        }
        there
    }
}

/// Where the first quote or backslash stands.
///
/// Eight bytes a step: a byte of `x` is zero just when its top bit is set in
/// `(x - 0x01…) & !x & 0x80…` and no lower byte is zero (Warren, Hacker's Delight, 6-1).
#[inline]
fn special(bytes: &[u8]) -> Option<usize> {
    const ONES: u64 = 0x0101_0101_0101_0101;
    const TOPS: u64 = 0x8080_8080_8080_8080;
    const QUOTES: u64 = ONES * b'"' as u64;
    const SLASHES: u64 = ONES * b'\\' as u64;
    let (words, rest) = bytes.as_chunks::<8>();
    for (at, word) in words.iter().enumerate() {
        let word = u64::from_le_bytes(*word);
        let zeros = |x: u64| x.wrapping_sub(ONES) & !x & TOPS;
        let found = zeros(word ^ QUOTES) | zeros(word ^ SLASHES);
        if found != 0 {
            return Some(at * 8 + (found.trailing_zeros() / 8) as usize);
        }
    }
    let tail = rest.iter().position(|byte| matches!(byte, b'"' | b'\\'))?;
    Some(words.len() * 8 + tail)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const HELLO: &str = concat!(
        r#"Derive([("dev","/nix/store/a-hello-dev","",""),("out","/nix/store/b-hello","","")],"#,
        r#"[("/nix/store/c-bash.drv",["out"]),("/nix/store/d-src.drv",["dev","out"])],"#,
        r#"["/nix/store/e-builder.sh"],"x86_64-linux","/nix/store/f-bash/bin/bash","#,
        r#"["-e","/nix/store/e-builder.sh"],[("name","hello-2.12"),("script","a\n\t\"b\" \\c"),("x","")])"#
    );

    #[test]
    fn every_part_of_a_derivation_is_read() {
        let drv = parse("x", HELLO.as_bytes()).unwrap();
        assert_eq!(drv.outputs.len(), 2);
        assert_eq!(drv.outputs[1].path.decoded(), "/nix/store/b-hello");
        assert_eq!(drv.inputs[1].decoded(), "/nix/store/d-src.drv");
        assert_eq!(drv.sources[0].decoded(), "/nix/store/e-builder.sh");
        assert_eq!(drv.arguments.len(), 2);
        assert_eq!(drv.variable("script").unwrap().decoded(), "a\n\t\"b\" \\c");
        assert_eq!(drv.variable("name").unwrap().decoded(), "hello-2.12");
        assert!(drv.variable("absent").is_none() && !drv.is_fixed_output());
    }

    #[test]
    fn a_download_is_told_by_its_hash() {
        let text = r#"Derive([("out","/nix/store/a","sha256","00ff")],[],[],"builtin","builtin:fetchurl",[],[])"#;
        assert!(parse("x", text.as_bytes()).unwrap().is_fixed_output());
    }

    #[test]
    fn dynamic_derivations_are_read() {
        let text = r#"DrvWithVersion("xp-dyn-drv",[("out","","","")],[("/nix/store/a.drv",(["out"],[("b",["out"])]))],[],"s","b",[],[])"#;
        let drv = parse("x", text.as_bytes()).unwrap();
        assert_eq!(drv.inputs[0].decoded(), "/nix/store/a.drv");
    }

    #[test]
    fn nothing_of_one_derivation_stays_in_the_next() {
        let last = r#"Derive([("out","/o","","")],[],[],"s","b",[],[("name","last")])"#;
        let first = parse("x", HELLO.as_bytes()).unwrap();
        let (room, at) = (first.environment.capacity(), first.environment.as_ptr().addr());
        let next = first.then("x", last.as_bytes()).unwrap();
        assert_eq!((next.environment.capacity(), next.environment.as_ptr().addr()), (room, at));
        assert_eq!(next, parse("x", last.as_bytes()).unwrap());
    }

    #[test]
    fn a_mistake_tells_its_byte() {
        let message = |text: &str| parse("x.drv", text.as_bytes()).unwrap_err().to_string();
        assert_eq!(
            message(r#"Derive([("out""#),
            "x.drv: byte 14: an output has a name, a path, a hash algorithm and a hash"
        );
        assert!(message("{}").contains("not a derivation"));
        assert!(message(&format!("{HELLO}x")).contains("nothing may follow"));
        assert!(message(r#"Derive([("out\"#).contains("closing quote"));
    }

    #[test]
    fn the_quick_search_finds_what_the_plain_one_does() {
        let text = b"0123456789\\abcdefgh\"\xa2\xdc\x22";
        for start in 0..text.len() {
            let plain = text[start..].iter().position(|b| matches!(b, b'"' | b'\\'));
            assert_eq!(special(&text[start..]), plain);
        }
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_without_a_panic(bytes in proptest::collection::vec(any::<u8>(), 0..80)) {
            if let Ok(drv) = parse("x", &bytes) {
                let _ = drv.system.decoded();
            }
        }

        #[test]
        fn any_cut_of_a_derivation_is_a_mistake(at in 0usize..400, with in "[\\[\\](),\"\\\\a]{0,6}") {
            let at = at.min(HELLO.len() - 1);
            let mut text = HELLO.as_bytes()[..at].to_vec();
            text.extend(with.bytes());
            if let Ok(drv) = parse("x", &text) {
                // Only a derivation that is whole may pass.
                prop_assert!(text.ends_with(b")") && !drv.outputs.is_empty());
            }
        }

        #[test]
        fn the_quick_search_is_right(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
            prop_assert_eq!(special(&bytes), bytes.iter().position(|b| matches!(b, b'"' | b'\\')));
        }
    }
}
