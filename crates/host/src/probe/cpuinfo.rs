//! `/proc/cpuinfo`, as x86 and 64-bit Arm write it.
//!
//! Knows the lines that tell what a processor is and where it sits. Does not know what family,
//! part or flags mean.

use std::collections::BTreeSet;

/// The parsed file.
#[derive(Debug, Default, PartialEq)]
pub(crate) struct CpuInfo<'a> {
    /// One entry for each hardware thread that is online.
    pub(crate) processors: Vec<Processor<'a>>,
    /// The board's name, which some Arm kernels add at the end.
    pub(crate) board: Option<&'a str>,
    /// The first line that could not be read.
    pub(crate) malformed: Option<&'a str>,
}

/// What is said of one hardware thread.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Processor<'a> {
    /// The kernel's number for the thread.
    pub(crate) number: u32,
    /// `vendor_id`.
    pub(crate) vendor: Option<&'a str>,
    /// `model name`.
    pub(crate) model_name: Option<&'a str>,
    /// `cpu family`; Arm: `CPU implementer`.
    pub(crate) family: Option<u32>,
    /// `model`; Arm: `CPU part`.
    pub(crate) model: Option<u32>,
    /// `stepping`; Arm: `CPU revision`.
    pub(crate) stepping: Option<u32>,
    /// Whether the Arm names were used.
    pub(crate) is_arm: bool,
    /// `physical id`.
    pub(crate) package: Option<u32>,
    /// `core id`, unique within its package.
    pub(crate) core: Option<u32>,
    /// `flags`; Arm: `Features`.
    pub(crate) words: Option<&'a str>,
}

/// The keys that are read, in the kernel's spelling. A recording keeps these alone: the file also
/// holds serial numbers on some boards.
pub(crate) const KEYS: [&str; 15] = [
    "processor",
    "vendor_id",
    "cpu family",
    "model",
    "model name",
    "stepping",
    "physical id",
    "core id",
    "flags",
    "Features",
    "CPU implementer",
    "CPU part",
    "CPU revision",
    "Model",
    "CPU variant",
];

impl<'a> CpuInfo<'a> {
    pub(crate) fn parse(text: &'a str) -> Self {
        let mut info = Self::default();
        for line in text.lines().filter(|line| !line.trim().is_empty()) {
            if info.take(line).is_none() && info.malformed.is_none() {
                info.malformed = Some(line);
            }
        }
        info
    }

    /// Takes in one line; `None` when it makes no sense.
    fn take(&mut self, line: &'a str) -> Option<()> {
        let (key, value) = line.split_once(':')?;
        let (key, value) = (key.trim_end(), value.trim());
        match key {
            "processor" => {
                let number = value.parse().ok()?;
                self.processors.push(Processor { number, ..Processor::default() });
                Some(())
            }
            "Model" => {
                self.board = Some(value);
                Some(())
            }
            // What comes before the first processor belongs to none.
            _ => self.processors.last_mut().map_or(Some(()), |last| last.take(key, value)),
        }
    }

    /// Words that every processor has: what code may use wherever it runs.
    pub(crate) fn common_words(&self) -> BTreeSet<&'a str> {
        let mut texts: Vec<&str> = self.processors.iter().filter_map(|one| one.words).collect();
        // Nearly always all the same text, which then needs to be split only once.
        texts.dedup();
        let mut sets = texts.into_iter().map(|text| text.split_whitespace().collect());
        let first: BTreeSet<&str> = sets.next().unwrap_or_default();
        sets.fold(first, |common, set: BTreeSet<&str>| &common & &set)
    }
}

impl<'a> Processor<'a> {
    fn take(&mut self, key: &str, value: &'a str) -> Option<()> {
        match key {
            "vendor_id" => self.vendor = Some(value),
            "model name" => self.model_name = Some(value),
            "flags" | "Features" => self.words = Some(value),
            "cpu family" => self.family = Some(value.parse().ok()?),
            "model" => self.model = Some(value.parse().ok()?),
            "stepping" => self.stepping = Some(value.parse().ok()?),
            "physical id" => self.package = Some(value.parse().ok()?),
            "core id" => self.core = Some(value.parse().ok()?),
            "CPU implementer" => {
                self.is_arm = true;
                self.family = Some(number(value)?);
            }
            "CPU part" => self.model = Some(number(value)?),
            "CPU revision" => self.stepping = Some(number(value)?),
            _ => {}
        }
        Some(())
    }
}

/// A number in decimal, or in hexadecimal with `0x` in front.
fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const X86: &str = "processor\t: 0\nvendor_id\t: GenuineIntel\ncpu family\t: 6\nmodel\t\t: 94\n\
        model name\t: Intel(R) Core(TM) i7-6700K CPU @ 4.00GHz\nstepping\t: 3\nphysical id\t: 0\n\
        core id\t\t: 0\nflags\t\t: fpu sse2 avx2\npower management:\n\n\
        processor\t: 1\ncore id\t\t: 1\nphysical id\t: 0\nflags\t\t: fpu sse2\n";

    #[test]
    fn x86_lines_are_read() {
        let info = CpuInfo::parse(X86);
        assert_eq!((info.processors.len(), info.malformed), (2, None));
        let first = &info.processors[0];
        assert_eq!((first.family, first.model, first.stepping), (Some(6), Some(94), Some(3)));
        assert_eq!((first.package, first.core, first.is_arm), (Some(0), Some(0), false));
        assert_eq!(info.common_words(), BTreeSet::from(["fpu", "sse2"]));
    }

    #[test]
    fn arm_lines_are_read() {
        let info = CpuInfo::parse(
            "processor\t: 0\nFeatures\t: fp asimd\nCPU implementer\t: 0x41\nCPU architecture: 8\n\
             CPU variant\t: 0x4\nCPU part\t: 0xd0b\nCPU revision\t: 1\n\nModel\t\t: A Board\n",
        );
        let first = &info.processors[0];
        assert!(first.is_arm);
        assert_eq!((first.family, first.model, first.stepping), (Some(0x41), Some(0xd0b), Some(1)));
        assert_eq!(info.board, Some("A Board"));
    }

    #[test]
    fn the_first_senseless_line_is_kept_and_the_rest_still_read() {
        let info = CpuInfo::parse("processor : 0\ncpu family : banana\nmodel\nmodel : 94\n");
        assert_eq!(info.malformed, Some("cpu family : banana"));
        assert_eq!((info.processors[0].family, info.processors[0].model), (None, Some(94)));
    }

    proptest! {
        #[test]
        fn any_text_is_parsed(text in "\\PC{0,80}") {
            let _ = CpuInfo::parse(&text).common_words();
        }

        #[test]
        fn any_cpuinfo_like_text_is_parsed(
            lines in prop::collection::vec((prop::sample::select(KEYS.to_vec()), "[0-9a-fx: ]{0,6}"), 0..12),
        ) {
            let text: Vec<String> = lines.iter().map(|(key, value)| format!("{key}\t: {value}")).collect();
            let _ = CpuInfo::parse(&text.join("\n")).common_words();
        }
    }
}
