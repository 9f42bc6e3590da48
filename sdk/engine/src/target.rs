//! Orders of weights of all instruction sets, known on every machine: packages are packed on the
//! machine that converts them or on the device.

use crate::pack::Layout;

/// Order of weights that the kernels of one instruction set read.
#[derive(Debug, Clone, Copy)]
pub struct Target {
    name: &'static str,
    /// Panels of convolutions that are not depthwise.
    pub(crate) rows: Layout,
    /// Panels of depthwise convolutions.
    pub(crate) taps: Layout,
    /// Panels of layers whose accumulators are not requantized; `None` if portable code runs them.
    pub(crate) sums: Option<Layout>,
}

/// The identity order: 0, 1, 2, ...
const fn in_order<const N: usize>() -> [u8; N] {
    let mut lanes = [0; N];
    let mut lane = 0;
    while lane < N {
        lanes[lane] = lane as u8;
        lane += 1;
    }
    lanes
}

/// Lane order for `VPACKSSDW`, which joins two registers half by half: the result is in order.
const HALVES: [u8; 16] = [0, 1, 2, 3, 8, 9, 10, 11, 4, 5, 6, 7, 12, 13, 14, 15];

/// Channel in each lane of four registers of taps: the order that unpacking bytes and then words
/// within 128 bits gives 64 values, so that packing the results restores their order.
const fn unpacked() -> [u8; 64] {
    let mut order = [0; 64];
    let mut lane = 0;
    while lane < 64 {
        let register = lane / 16;
        let quarter = lane % 16 / 4;
        let place = lane % 4;
        order[lane] = (16 * quarter + 4 * register + place) as u8;
        lane += 1;
    }
    order
}

const HALVES_OF_WORDS: Layout =
    Layout { lanes: &HALVES, group: 2, wide: true, filled: 4, ..Layout::PLAIN };
/// Products of unsigned activations, two in 16 bits where they fit; elsewhere the kernel widens.
const PAIRS_IN_WORDS: Layout = Layout { pairs: true, ..SIXTEEN_OF_FOURS };
const FOUR: Layout = Layout { lanes: &in_order::<4>(), group: 16, ..Layout::PLAIN };
const SIXTEEN_TAPS: Layout = Layout { lanes: &in_order::<16>(), ..Layout::PLAIN };

pub(crate) const AVX2: Target = Target {
    name: "avx2",
    rows: HALVES_OF_WORDS,
    taps: HALVES_OF_WORDS,
    sums: Some(PAIRS_IN_WORDS),
};
const HALVES_OF_FOURS: Layout = Layout { lanes: &HALVES, group: 4, excess: 128, ..Layout::PLAIN };
pub(crate) const AVX_VNNI: Target = Target {
    name: "avx-vnni",
    rows: HALVES_OF_FOURS,
    taps: HALVES_OF_WORDS,
    sums: Some(HALVES_OF_FOURS),
};
const SIXTEEN_OF_FOURS: Layout =
    Layout { lanes: &in_order::<16>(), group: 4, excess: 128, ..Layout::PLAIN };
pub(crate) const AVX512_VNNI: Target = Target {
    name: "avx512-vnni",
    rows: SIXTEEN_OF_FOURS,
    taps: Layout { lanes: &unpacked(), group: 4, excess: 128, filled: 4, ..Layout::PLAIN },
    sums: Some(SIXTEEN_OF_FOURS),
};
pub(crate) const ARMV7: Target =
    Target { name: "armv7-neon", rows: FOUR, taps: SIXTEEN_TAPS, sums: None };
pub(crate) const NEON: Target = Target { name: "neon", rows: FOUR, taps: SIXTEEN_TAPS, sums: None };
const EIGHT_OF_FOURS: Layout = Layout { lanes: &in_order::<8>(), group: 4, ..Layout::PLAIN };
pub(crate) const NEON_DOT: Target = Target {
    name: "neon-dot",
    rows: EIGHT_OF_FOURS,
    taps: SIXTEEN_TAPS,
    sums: Some(EIGHT_OF_FOURS),
};
const EIGHT_OF_EIGHTS: Layout = Layout { lanes: &in_order::<8>(), group: 8, ..Layout::PLAIN };
pub(crate) const NEON_I8MM: Target = Target {
    name: "neon-i8mm",
    rows: EIGHT_OF_EIGHTS,
    taps: SIXTEEN_TAPS,
    sums: Some(EIGHT_OF_EIGHTS),
};

/// Eight channels of pairs of 16 bits.
const EIGHT_OF_WORDS: Layout =
    Layout { lanes: &in_order::<8>(), group: 2, wide: true, filled: 4, ..Layout::PLAIN };
pub(crate) const WASM_SIMD128: Target =
    Target { name: "wasm-simd128", rows: EIGHT_OF_WORDS, taps: EIGHT_OF_WORDS, sums: None };

/// ARM's DSP extension, which Cortex-M4, M7 and M33 have.
pub(crate) const CORTEX_M: Target = Target {
    name: "cortex-m",
    rows: Layout { lanes: &in_order::<2>(), group: 4, woven: true, doubled: true, ..Layout::PLAIN },
    taps: Layout { lanes: &in_order::<4>(), group: 4, filled: 4, doubled: true, ..Layout::PLAIN },
    sums: None,
};

/// ARM's M-profile vector extension, which Cortex-M55 and M85 have.
pub(crate) const HELIUM: Target = Target {
    name: "helium",
    rows: FOUR,
    taps: Layout { lanes: &in_order::<1>(), group: 16, filled: 4, ..Layout::PLAIN },
    sums: None,
};

impl Target {
    /// Every target, whatever the processor.
    pub const ALL: [Self; 10] = [
        AVX2,
        AVX_VNNI,
        AVX512_VNNI,
        ARMV7,
        CORTEX_M,
        HELIUM,
        NEON,
        NEON_DOT,
        NEON_I8MM,
        WASM_SIMD128,
    ];

    /// Returns the target with this [name](Target::name).
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|target| target.name == name)
    }

    /// Returns the name of the instruction set, as [`Isa::name`](crate::Isa::name) does.
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Returns a hash of the order (FNV-1a over the fields that define it). Kernels must not read
    /// weights that were packed in an order with another hash.
    pub fn order(&self) -> u32 {
        [self.rows, self.taps].iter().fold(0x811c_9dc5, |hash, layout| {
            let Layout { lanes, group, wide, excess, filled, woven, doubled, pairs: _ } = *layout;
            let rest = [lanes.len() as u8, group as u8, wide.into(), excess as u8, filled as u8];
            // Orders without these two keep the hash that they had before there were any.
            let mixed = [woven, doubled].map(u8::from);
            let mixed = mixed.into_iter().filter(|_| woven || doubled);
            lanes.iter().copied().chain(rest).chain(mixed).fold(hash, hashed)
        })
    }
}

/// Returns the FNV-1a hash with one byte more.
fn hashed(hash: u32, byte: u8) -> u32 {
    (hash ^ u32::from(byte)).wrapping_mul(0x0100_0193)
}
