//! Instruction sets that plans can target.

use core::fmt;

#[cfg(target_arch = "aarch64")]
use crate::kernels::aarch64::dot::NeonDot;
#[cfg(target_arch = "aarch64")]
use crate::kernels::aarch64::i8mm::NeonI8mm;
#[cfg(target_arch = "aarch64")]
use crate::kernels::aarch64::neon::Neon;
#[cfg(all(target_arch = "arm", target_os = "linux"))]
use crate::kernels::arm::armv7::Armv7;
#[cfg(arm_dsp)]
use crate::kernels::arm::dsp::Dsp;
#[cfg(arm_mve)]
use crate::kernels::arm::helium::Helium;
use crate::kernels::unavailable::Absent;
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use crate::kernels::wasm32::simd128::Simd128;
#[cfg(target_arch = "x86_64")]
use crate::kernels::x86_64::avx_vnni::AvxVnni;
#[cfg(target_arch = "x86_64")]
use crate::kernels::x86_64::avx2::Avx2;
#[cfg(target_arch = "x86_64")]
use crate::kernels::x86_64::avx512_vnni::Avx512Vnni;

/// Instruction set of this processor for which the engine has kernels.
///
/// A value exists only if the processor has the instructions. All instruction sets give
/// bit-identical results; they differ in speed and in the order of packed weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Isa(pub(crate) Kind);

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Kind {
    #[default]
    Generic,
    Absent(Absent),
    #[cfg(arm_dsp)]
    Dsp(Dsp),
    #[cfg(arm_mve)]
    Helium(Helium),
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
    #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
    Simd128(Simd128),
}

impl Isa {
    /// Portable Rust, the reference for all others; reads weights as they lie in the package.
    pub const GENERIC: Self = Self(Kind::Generic);

    /// Returns every instruction set that this processor has, the fastest last.
    ///
    /// With the `std` feature the processor is queried at run time; without it, the target
    /// features of the compilation decide.
    pub fn available() -> impl DoubleEndedIterator<Item = Self> {
        [
            Some(Kind::Generic),
            Absent::detect().map(Kind::Absent),
            #[cfg(arm_dsp)]
            Dsp::detect().map(Kind::Dsp),
            #[cfg(arm_mve)]
            Helium::detect().map(Kind::Helium),
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
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Simd128::detect().map(Kind::Simd128),
        ]
        .into_iter()
        .flatten()
        .map(Self)
    }

    /// Returns the fastest instruction set of this processor.
    pub fn best() -> Self {
        Self::available().next_back().unwrap_or_default()
    }

    /// Returns the instruction set with this [name](Isa::name), if this processor has it.
    pub fn named(name: &str) -> Option<Self> {
        Self::available().find(|isa| isa.name() == name)
    }
}

impl fmt::Display for Isa {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}
