//! The two packages that come with Offshoot, and the choice between them by processor.

use std::fmt;
use std::str::FromStr;

use offshoot::Isa;

use crate::diagnostics::machine::Machine;

/// File name of the package that comes with Offshoot for sound: `models/speech`.
pub const SPEECH: &str = "speech.offshoot";

/// File name of the head that has background for it: other words.
pub const BACKGROUND: &str = "speech.head";

/// Part numbers of in-order ARM cores (implementer `0x41`) without dot products: Cortex-A34, A53,
/// A35.
const IN_ORDER: [u32; 3] = [0xd02, 0xd03, 0xd04];

/// Package that comes with Offshoot.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum BuiltIn {
    /// `models/sharp`: needs fewer training samples, and is better at rejecting unknown things.
    Sharp,
    /// `models/sprout`: a ninth of the work on cores without dot products, a seventh of the bytes.
    Small,
}

impl BuiltIn {
    /// Both packages.
    pub const ALL: [Self; 2] = [Self::Sharp, Self::Small];

    /// Returns the value of `--extractor`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sharp => "sharp",
            Self::Small => "small",
        }
    }

    /// Returns the name of the file.
    pub fn file(self) -> &'static str {
        match self {
            Self::Sharp => "sharp.offshoot",
            Self::Small => "sprout.offshoot",
        }
    }

    /// Returns the package that fits this machine: see [`BuiltIn::fitting`].
    pub fn of(machine: &Machine) -> Self {
        Self::fitting(Isa::best().name(), &machine.parts())
    }

    /// Returns the package that fits a processor with these kernels and, on ARM, cores of these
    /// part numbers.
    ///
    /// Sharp for kernels with dot products (`neon-dot`, `neon-i8mm`), on x86-64 with AVX2, and on
    /// 64-bit ARM with a core other than Cortex-A34, A35 or A53; small otherwise: on 32-bit ARM,
    /// without kernels, and for unknown cores.
    pub fn fitting(kernels: &str, parts: &[u32]) -> Self {
        match kernels {
            "generic" | "armv7-neon" => Self::Small,
            "neon" if parts.iter().all(|part| IN_ORDER.contains(part)) => Self::Small,
            _ => Self::Sharp,
        }
    }
}

impl fmt::Display for BuiltIn {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

impl FromStr for BuiltIn {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::ALL
            .into_iter()
            .find(|extractor| extractor.name() == text)
            .ok_or("needs sharp or small")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_processor_chooses() {
        const A53: u32 = 0xd03;
        const A72: u32 = 0xd08;
        for (kernels, parts, fits) in [
            ("avx2", &[][..], BuiltIn::Sharp),
            ("avx512-vnni", &[], BuiltIn::Sharp),
            ("neon-dot", &[0xd0b], BuiltIn::Sharp),
            ("neon-i8mm", &[], BuiltIn::Sharp),
            ("neon", &[A72; 4], BuiltIn::Sharp),
            ("neon", &[A53, A53, A72], BuiltIn::Sharp),
            ("neon", &[A53; 4], BuiltIn::Small),
            ("neon", &[], BuiltIn::Small),
            ("armv7-neon", &[A72], BuiltIn::Small),
            ("generic", &[], BuiltIn::Small),
        ] {
            assert_eq!(BuiltIn::fitting(kernels, parts), fits, "{kernels} {parts:x?}");
        }
    }

    #[test]
    fn names_are_read() {
        for extractor in BuiltIn::ALL {
            assert_eq!(extractor.name().parse(), Ok(extractor));
        }
        assert_eq!("big".parse::<BuiltIn>(), Err("needs sharp or small"));
    }
}
