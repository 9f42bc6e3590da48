//! The instruction set that a plan is made for.

use core::fmt;

#[cfg(target_arch = "aarch64")]
use crate::kernels::aarch64::dot::NeonDot;
#[cfg(target_arch = "aarch64")]
use crate::kernels::aarch64::i8mm::NeonI8mm;
#[cfg(target_arch = "aarch64")]
use crate::kernels::aarch64::neon::Neon;
#[cfg(all(target_arch = "arm", target_os = "linux"))]
use crate::kernels::arm::armv7::Armv7;
use crate::kernels::unavailable::Absent;
#[cfg(target_arch = "x86_64")]
use crate::kernels::x86_64::avx_vnni::AvxVnni;
#[cfg(target_arch = "x86_64")]
use crate::kernels::x86_64::avx2::Avx2;
#[cfg(target_arch = "x86_64")]
use crate::kernels::x86_64::avx512_vnni::Avx512Vnni;

/// Instruction sets the engine has kernels for, on this processor.
///
/// A value exists only where the processor has the instructions. All give the same bits; they
/// differ in speed and in how weights are packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Isa(pub(crate) Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Kind {
    #[default]
    Generic,
    Absent(Absent),
    #[cfg(all(target_arch = "arm", target_os = "linux"))]
    Armv7(Armv7),
    #[cfg(target_arch = "x86_64")]
    Avx2(Avx2),
    #[cfg(target_arch = "x86_64")]
    AvxVnni(AvxVnni),
    #[cfg(target_arch = "x86_64")]
    Avx512Vnni(Avx512Vnni),
    #[cfg(target_arch = "aarch64")]
    Neon(Neon),
    #[cfg(target_arch = "aarch64")]
    NeonDot(NeonDot),
    #[cfg(target_arch = "aarch64")]
    NeonI8mm(NeonI8mm),
}

impl Isa {
    /// Portable Rust, the reference of all others; it uses weights as they lie in the package.
    pub const GENERIC: Self = Self(Kind::Generic);

    /// Every instruction set this processor has, the fastest last.
    ///
    /// Processors are asked with the `std` feature; without it, what the program was compiled for
    /// counts.
    pub fn available() -> impl DoubleEndedIterator<Item = Self> {
        [
            Some(Kind::Generic),
            Absent::detect().map(Kind::Absent),
            #[cfg(all(target_arch = "arm", target_os = "linux"))]
            Armv7::detect().map(Kind::Armv7),
            #[cfg(target_arch = "x86_64")]
            Avx2::detect().map(Kind::Avx2),
            #[cfg(target_arch = "x86_64")]
            AvxVnni::detect().map(Kind::AvxVnni),
            #[cfg(target_arch = "x86_64")]
            Avx512Vnni::detect().map(Kind::Avx512Vnni),
            #[cfg(target_arch = "aarch64")]
            Neon::detect().map(Kind::Neon),
            #[cfg(target_arch = "aarch64")]
            NeonDot::detect().map(Kind::NeonDot),
            #[cfg(target_arch = "aarch64")]
            NeonI8mm::detect().map(Kind::NeonI8mm),
        ]
        .into_iter()
        .flatten()
        .map(Self)
    }

    /// The fastest one here.
    pub fn best() -> Self {
        Self::available().next_back().unwrap_or_default()
    }

    /// The one of that [name](Isa::name), if this processor has it.
    pub fn named(name: &str) -> Option<Self> {
        Self::available().find(|isa| isa.name() == name)
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
