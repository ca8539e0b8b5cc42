//! CUDA: compute capabilities, their generations, and the toolkits that compile for them.
//!
//! Does not know which GPU or toolkit a machine has, nor driver requirements.

use super::version::Version;

/// A GPU generation as the CUDA compiler knows it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Generation {
    /// Compute capability times ten: 52 for 5.2, 120 for 12.0.
    pub sm: u16,
    /// Name of the architecture.
    pub name: &'static str,
    /// First toolkit whose nvcc compiles for it.
    pub first: Version,
    /// Last major version of the toolkit that does; `None` while it still does.
    pub last_major: Option<u16>,
}

const fn generation(
    sm: u16,
    name: &'static str,
    first: (u16, u16),
    last_major: Option<u16>,
) -> Generation {
    Generation { sm, name, first: Version::new(first.0, first.1), last_major }
}

/// Every capability that an nvcc of 8.0 or later knows (CUDA release notes, "Deprecated and
/// dropped features"; `nvcc --list-gpu-arch`).
const GENERATIONS: &[Generation] = &[
    generation(30, "Kepler", (4, 2), Some(10)),
    generation(32, "Kepler", (6, 0), Some(10)),
    generation(35, "Kepler", (5, 0), Some(11)),
    generation(37, "Kepler", (6, 5), Some(11)),
    generation(50, "Maxwell", (6, 0), Some(12)),
    generation(52, "Maxwell", (6, 5), Some(12)),
    generation(53, "Maxwell", (7, 0), Some(12)),
    generation(60, "Pascal", (8, 0), Some(12)),
    generation(61, "Pascal", (8, 0), Some(12)),
    generation(62, "Pascal", (8, 0), Some(12)),
    generation(70, "Volta", (9, 0), Some(12)),
    generation(72, "Volta", (9, 2), Some(12)),
    generation(75, "Turing", (10, 0), None),
    generation(80, "Ampere", (11, 0), None),
    generation(86, "Ampere", (11, 1), None),
    generation(87, "Ampere", (11, 4), None),
    generation(88, "Ampere", (13, 0), None),
    generation(89, "Ada Lovelace", (11, 8), None),
    generation(90, "Hopper", (11, 8), None),
    generation(100, "Blackwell", (12, 8), None),
    // Renamed to 110 in CUDA 13.
    generation(101, "Blackwell", (12, 8), Some(12)),
    generation(103, "Blackwell", (12, 9), None),
    generation(110, "Blackwell", (13, 0), None),
    generation(120, "Blackwell", (12, 8), None),
    generation(121, "Blackwell", (12, 9), None),
];

/// What to tell nvcc, and why.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CudaTarget {
    /// Value for `CMAKE_CUDA_ARCHITECTURES` (`52`, `90-virtual`).
    pub architectures: String,
    /// The toolkit generates machine code for exactly this GPU.
    pub exact: bool,
    /// Why this value.
    pub reason: String,
}

/// `5.2` is 52, `12.0` is 120. `None` when the text is not `major.minor`.
pub fn sm(compute_capability: &str) -> Option<u16> {
    let (major, minor) = compute_capability.trim().split_once('.')?;
    let digits = |part: &str| {
        let plain = !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
        if plain { part.parse::<u16>().ok() } else { None }
    };
    let (major, minor) = (digits(major)?, digits(minor)?);
    if minor > 9 {
        return None;
    }
    major.checked_mul(10)?.checked_add(minor)
}

/// The generation of a capability, by `sm` number.
pub fn generation_of(sm: u16) -> Option<&'static Generation> {
    GENERATIONS.iter().find(|generation| generation.sm == sm)
}

impl Generation {
    /// Whether the nvcc of this toolkit version compiles for this generation.
    pub fn supported_by(&self, nvcc: Version) -> bool {
        nvcc >= self.first && self.last_major.is_none_or(|last| nvcc.major <= last)
    }

    /// Major versions of the toolkit that compile for it, up to `newest`.
    pub fn toolkits(&self, newest: u16) -> std::ops::RangeInclusive<u16> {
        self.first.major..=self.last_major.unwrap_or(newest).min(newest)
    }
}

/// What to compile for on a GPU of capability `sm` with a given nvcc. `None`: this toolkit cannot
/// make code for this GPU, because it dropped the generation.
///
/// A GPU newer than the toolkit gets machine code of the newest older capability with the same
/// major number, which NVIDIA keeps binary compatible, and otherwise PTX, which the driver
/// translates at the first start (CUDA C++ programming guide, "Binary compatibility").
pub fn target(sm: u16, nvcc: Version) -> Option<CudaTarget> {
    let name = generation_of(sm).map_or("unknown generation", |known| known.name);
    if generation_of(sm).is_some_and(|known| known.supported_by(nvcc)) {
        let reason = format!("CUDA {nvcc} compiles for sm_{sm} ({name})");
        return Some(CudaTarget { architectures: sm.to_string(), exact: true, reason });
    }
    let older = GENERATIONS
        .iter()
        .filter(|other| other.sm < sm && other.supported_by(nvcc))
        .max_by_key(|other| other.sm)?;
    let (architectures, how) = if runs_machine_code(sm, older.sm) {
        (older.sm.to_string(), "whose machine code it runs")
    } else {
        (format!("{}-virtual", older.sm), "as PTX, which the driver translates")
    };
    let reason = format!(
        "CUDA {nvcc} does not compile for sm_{sm} ({name}); the nearest is sm_{}, {how}",
        older.sm
    );
    Some(CudaTarget { architectures, exact: false, reason })
}

/// Jetson and Drive modules, between which and desktop GPUs machine code is not exchanged.
const TEGRA: &[u16] = &[32, 53, 62, 72, 87, 101, 110];

fn runs_machine_code(sm: u16, older: u16) -> bool {
    let tegra = TEGRA.contains(&sm) || TEGRA.contains(&older);
    sm / 10 == older / 10 && !tegra
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn architectures(sm: u16, major: u16, minor: u16) -> Option<String> {
        target(sm, Version::new(major, minor)).map(|target| target.architectures)
    }

    #[test]
    fn capabilities_are_read() {
        assert_eq!(sm("5.2"), Some(52));
        assert_eq!(sm("12.0\n"), Some(120));
        assert_eq!(sm("9"), None);
        assert_eq!(sm("9.10"), None);
        assert_eq!(sm("+9.0"), None);
        assert_eq!(sm("65535.9"), None);
        assert_eq!(sm("[N/A]"), None);
    }

    #[test]
    fn maxwell_until_cuda_12() {
        assert_eq!(architectures(52, 12, 9), Some("52".into()));
        assert_eq!(architectures(52, 13, 0), None);
        assert_eq!(generation_of(52).map(|known| known.name), Some("Maxwell"));
        assert_eq!(generation_of(52).map(|known| known.toolkits(13)), Some(6..=12));
        assert_eq!(generation_of(90).map(|known| known.toolkits(13)), Some(11..=13));
    }

    #[test]
    fn a_gpu_newer_than_the_toolkit_still_gets_code() {
        assert_eq!(architectures(86, 11, 0), Some("80".into()), "same major number: binary");
        assert_eq!(architectures(120, 12, 4), Some("90-virtual".into()), "else PTX");
        assert_eq!(architectures(87, 11, 3), Some("86-virtual".into()), "Jetson: PTX");
        assert_eq!(architectures(150, 13, 0), Some("121-virtual".into()), "unknown to us");
        assert!(!target(86, Version::new(11, 0)).unwrap().exact);
    }

    #[test]
    fn blackwell_needs_12_8() {
        assert_eq!(architectures(120, 12, 8), Some("120".into()));
        assert!(target(120, Version::new(12, 8)).unwrap().exact);
    }

    #[test]
    fn the_table_is_sorted_and_consistent() {
        assert!(GENERATIONS.windows(2).all(|pair| pair[0].sm < pair[1].sm));
        assert!(GENERATIONS.iter().all(|g| g.last_major.is_none_or(|last| last >= g.first.major)));
    }

    proptest! {
        #[test]
        fn never_panics(text in ".*", capability in any::<u16>(), major in any::<u16>()) {
            let _ = sm(&text);
            let _ = target(capability, Version::new(major, 0));
        }
    }
}
