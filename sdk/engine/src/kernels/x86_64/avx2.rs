//! x86-64 with AVX2.
//!
//! Activations and weights are widened to 16 bits: `VPMADDWD` adds two products without overflow
//! and issues twice a cycle, which reaches 32 multiply-accumulates a cycle; `VPMADDUBSW` would
//! saturate with weights of 8 bits and needs a third instruction.

use core::arch::x86_64::*;

use crate::kernels::job::{Code, Kernel, Rows, Sum, Tail, Taps};
use crate::pack::Layout;
use crate::plan::requant_path::{self, ANY, LANES, MANTISSAS, RequantPath};
use crate::target::{self, Target};

/// Output channels of a panel: two registers.
pub(crate) const PANEL: usize = 16;

const LAYOUT: Layout = target::AVX2.rows;

/// Proof that the processor has AVX2.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Avx2(());

impl Avx2 {
    pub fn detect() -> Option<Self> {
        #[cfg(feature = "std")]
        let has = std::arch::is_x86_feature_detected!("avx2");
        #[cfg(not(feature = "std"))]
        let has = cfg!(target_feature = "avx2");
        has.then_some(Self(()))
    }
}

impl Kernel for Avx2 {
    const TARGET: Target = target::AVX2;
    const TILE: usize = 6;

    #[inline]
    unsafe fn rows(self, job: &Rows) {
        // SAFETY: the caller's promise; `self` proves AVX2.
        unsafe { rows(job) }
    }

    #[inline]
    unsafe fn taps(self, job: &Taps) {
        // SAFETY: as above.
        unsafe { taps(job) }
    }

    #[inline]
    unsafe fn sum(self, job: &Sum) {
        // SAFETY: as above.
        unsafe { sum(job) }
    }

    #[inline]
    fn widen(self, codes: &[i8], cells: &mut [i8]) {
        assert!(cells.len() >= 2 * codes.len());
        // SAFETY: `cells` has two bytes per code; `self` proves AVX2.
        unsafe { widen(codes, cells.as_mut_ptr()) }
    }

    #[inline]
    fn compiled(self, code: impl Code) {
        #[target_feature(enable = "avx2")]
        fn with(code: impl Code) {
            code.run();
        }
        // SAFETY: `self` proves the instructions.
        unsafe { with(code) }
    }
}

/// Head of a panel: initial values and multipliers of the accumulators.
pub(crate) struct Head<const PATH: u8> {
    pub bias: [__m256i; 2],
    /// Mantissas of the even lanes, and of the odd lanes moved to even places; shifted if small.
    even: [__m256i; 2],
    odd: [__m256i; 2],
    /// Left shift of the accumulators.
    shift: [__m256i; 2],
    tail: Tail,
}

impl<const PATH: u8> Head<PATH> {
    /// Loads the head of a panel.
    ///
    /// # Safety
    /// A panel begins at `panel`.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub unsafe fn load(panel: *const i8, tail: Tail) -> Self {
        let words = panel.cast::<__m256i>();
        // SAFETY: a panel begins with 16 biases and 16 mantissas.
        let [b0, b1, m0, m1] = unsafe { [0, 1, 2, 3].map(|i| _mm256_loadu_si256(words.add(i))) };
        let limit = if PATH == ANY { 0 } else { requant_path::limit(tail.shift) };
        let small = [m0, m1].map(|m| _mm256_cmpgt_epi32(_mm256_set1_epi32(limit), m));
        let both = _mm256_set1_epi32(requant_path::bits(tail.shift) as i32);
        let even = [0, 1].map(|i| _mm256_sllv_epi32([m0, m1][i], _mm256_and_si256(small[i], both)));
        let shift = if PATH == ANY { _mm256_set1_epi32(tail.shift.into()) } else { both };
        Self {
            bias: [b0, b1],
            even,
            odd: even.map(|m| _mm256_srli_epi64::<32>(m)),
            shift: small.map(|small| _mm256_andnot_si256(small, shift)),
            tail,
        }
    }

    /// Requantizes 16 accumulators.
    #[inline]
    #[target_feature(enable = "avx2")]
    pub fn codes(&self, acc: [__m256i; 2]) -> __m128i {
        // Intermediate saturation changes nothing: results are clamped to a narrower range.
        let mut q = _mm256_packs_epi32(self.apply(acc[0], 0), self.apply(acc[1], 1));
        if PATH == ANY {
            q = _mm256_adds_epi16(q, q);
        }
        let zero = _mm256_set1_epi16(2 * i16::from(self.tail.zero) + 1);
        let wide = _mm256_srai_epi16::<1>(_mm256_adds_epi16(q, zero));
        let narrow = _mm256_permute4x64_epi64::<0b1000>(_mm256_packs_epi16(wide, wide));
        let codes = _mm256_castsi256_si128(narrow);
        let codes = _mm_max_epi8(codes, _mm_set1_epi8(self.tail.clamp.lo));
        _mm_min_epi8(codes, _mm_set1_epi8(self.tail.clamp.hi))
    }

    /// Returns `q` of [`crate::plan::requant_path`]; for [`RequantPath::Any`] its half, rounded.
    #[inline]
    #[target_feature(enable = "avx2")]
    fn apply(&self, mut acc: __m256i, half: usize) -> __m256i {
        let shift = self.shift[half];
        if PATH == ANY {
            let shifted = _mm256_sllv_epi32(acc, shift);
            let fits = _mm256_cmpeq_epi32(_mm256_srav_epi32(shifted, shift), acc);
            let limit = _mm256_xor_si256(_mm256_srai_epi32::<31>(acc), _mm256_set1_epi32(i32::MAX));
            acc = _mm256_blendv_epi8(limit, shifted, fits);
        } else if PATH == LANES {
            acc = _mm256_sllv_epi32(acc, shift);
        }
        let even = _mm256_mul_epi32(acc, self.even[half]);
        let odd = _mm256_mul_epi32(_mm256_srli_epi64::<32>(acc), self.odd[half]);
        if PATH != ANY {
            return _mm256_blend_epi32::<0b1010_1010>(_mm256_srli_epi64::<32>(even), odd);
        }
        let [even, odd] = [even, odd].map(|x| _mm256_add_epi64(x, _mm256_set1_epi64x(1 << 30)));
        _mm256_blend_epi32::<0b1010_1010>(
            _mm256_srli_epi64::<31>(even),
            _mm256_slli_epi64::<1>(odd),
        )
    }
}

/// Computes a convolution of gathered rows.
///
/// # Safety
/// Same contract as [`Kernel::rows`].
#[target_feature(enable = "avx2")]
unsafe fn rows(job: &Rows) {
    debug_assert!(job.depth == job.groups * LAYOUT.group, "rows are gathered");
    // SAFETY: the caller's promise.
    unsafe {
        match job.tail.requant {
            RequantPath::Mantissas => panels::<MANTISSAS>(job),
            RequantPath::Lanes => panels::<LANES>(job),
            RequantPath::Any => panels::<ANY>(job),
        }
    }
}

/// Computes a convolution of gathered rows by one requantization method.
///
/// # Safety
/// Same contract as [`Kernel::rows`].
#[target_feature(enable = "avx2")]
unsafe fn panels<const PATH: u8>(job: &Rows) {
    let size = LAYOUT.panel_bytes(job.groups * LAYOUT.group);
    for panel in 0..job.channels.div_ceil(PANEL) {
        // SAFETY: the caller's promise: that many panels, rows and pixels lie behind the pointers.
        unsafe {
            let base = job.panels.add(panel * size);
            let left = (job.channels - panel * PANEL).min(PANEL);
            let weights = base.add(8 * PANEL);
            let out = job.out.add(panel * PANEL);
            let strip = Strip { head: Head::<PATH>::load(base, job.tail), weights, out, left };
            let rest = job.pixels % 6;
            for pixel in (0..job.pixels - rest).step_by(6) {
                strip.tile::<6>(job, pixel);
            }
            match rest {
                5 => strip.tile::<5>(job, job.pixels - 5),
                4 => strip.tile::<4>(job, job.pixels - 4),
                3 => strip.tile::<3>(job, job.pixels - 3),
                2 => strip.tile::<2>(job, job.pixels - 2),
                1 => strip.tile::<1>(job, job.pixels - 1),
                _ => {}
            }
        }
    }
}

/// Panel, computed for all pixels.
struct Strip<const PATH: u8> {
    head: Head<PATH>,
    weights: *const i8,
    out: *mut i8,
    /// Number of channels that exist.
    left: usize,
}

impl<const PATH: u8> Strip<PATH> {
    /// Computes `M` pixels times 16 channels.
    ///
    /// # Safety
    /// The job has `M` pixels from `pixel` on.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn tile<const M: usize>(&self, job: &Rows, pixel: usize) {
        let mut acc = [self.head.bias; M];
        // SAFETY: a row has `groups` pairs of cells, the panel `groups` pairs of registers.
        unsafe {
            let cells = job.cells.add(pixel * job.stride);
            for group in 0..job.groups {
                let w = self.weights.cast::<__m256i>().add(2 * group);
                let w0 = _mm256_loadu_si256(w);
                let w1 = _mm256_loadu_si256(w.add(1));
                for (m, acc) in acc.iter_mut().enumerate() {
                    let pair = cells.add(m * job.stride).cast::<i32>().add(group).read_unaligned();
                    let pair = _mm256_set1_epi32(pair);
                    acc[0] = _mm256_add_epi32(acc[0], _mm256_madd_epi16(pair, w0));
                    acc[1] = _mm256_add_epi32(acc[1], _mm256_madd_epi16(pair, w1));
                }
            }
            for (m, acc) in acc.into_iter().enumerate() {
                store(self.head.codes(acc), self.out.add((pixel + m) * job.out_stride), self.left);
            }
        }
    }
}

/// Stores the first `count` of 16 values.
///
/// # Safety
/// `out` has room for them.
#[inline]
#[target_feature(enable = "avx2")]
pub(crate) unsafe fn store(codes: __m128i, out: *mut i8, count: usize) {
    // SAFETY: the caller's promise.
    unsafe {
        if count == PANEL {
            _mm_storeu_si128(out.cast(), codes);
        } else {
            let mut bytes = [0i8; PANEL];
            _mm_storeu_si128(bytes.as_mut_ptr().cast(), codes);
            out.copy_from_nonoverlapping(bytes.as_ptr(), count);
        }
    }
}

/// Loads the first `count` of 16 values; the rest are zeros.
///
/// # Safety
/// `codes` holds `count` values.
#[inline]
#[target_feature(enable = "avx2")]
unsafe fn load(codes: *const i8, count: usize) -> __m128i {
    // SAFETY: the caller's promise.
    unsafe {
        if count == PANEL {
            return _mm_loadu_si128(codes.cast());
        }
        let mut bytes = [0i8; PANEL];
        bytes.as_mut_ptr().copy_from_nonoverlapping(codes, count);
        _mm_loadu_si128(bytes.as_ptr().cast())
    }
}

/// Computes depthwise windows.
///
/// # Safety
/// Same contract as [`Kernel::taps`].
#[target_feature(enable = "avx2")]
pub(crate) unsafe fn taps(job: &Taps) {
    let size = LAYOUT.panel_bytes(job.groups * LAYOUT.group);
    for panel in 0..job.channels.div_ceil(PANEL) {
        // SAFETY: the caller's promise: every tap has `channels` codes, the panels belong to them.
        unsafe {
            let base = job.panels.add(panel * size);
            match job.tail.requant {
                RequantPath::Mantissas => Depthwise::<MANTISSAS>::new(job, base, panel).any_width(),
                RequantPath::Lanes => Depthwise::<LANES>::new(job, base, panel).any_width(),
                RequantPath::Any => Depthwise::<ANY>::new(job, base, panel).pixels::<0>(),
            }
        }
    }
}

/// Two pairs of interleaved rows of 16 channels: the channels of the first pair in two registers,
/// then those of the second.
type Pairs = [__m256i; 4];

/// Panel of a depthwise convolution.
struct Depthwise<'a, const PATH: u8> {
    job: &'a Taps,
    head: Head<PATH>,
    weights: *const __m256i,
    /// First channel.
    at: usize,
    /// Number of channels that exist.
    left: usize,
}

impl<'a, const PATH: u8> Depthwise<'a, PATH> {
    /// Loads a panel.
    ///
    /// # Safety
    /// The job's panel is at `base`.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn new(job: &'a Taps, base: *const i8, panel: usize) -> Self {
        let left = (job.channels - panel * PANEL).min(PANEL);
        // SAFETY: the caller's promise.
        unsafe {
            let head = Head::load(base, job.tail);
            let weights = base.add(8 * PANEL).cast();
            Self { job, head, weights, at: panel * PANEL, left }
        }
    }

    /// Computes all pixels with the fastest code for the window and the channels.
    ///
    /// # Safety
    /// Same contract as [`Self::pixels`].
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn any_width(&self) {
        let job = self.job;
        let shared = [job.rows, job.columns] == [3, 3] && job.step < 9;
        // SAFETY: the caller's promise.
        unsafe {
            match (self.left, shared) {
                (PANEL, true) => self.three_by_three::<PANEL>(),
                (PANEL, false) => self.pixels::<PANEL>(),
                (_, true) => self.three_by_three::<0>(),
                (_, false) => self.pixels::<0>(),
            }
        }
    }

    /// Computes all pixels of `LEFT` channels; 0: any number of them.
    ///
    /// # Safety
    /// The job's pointers are valid.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn pixels<const LEFT: usize>(&self) {
        let job = self.job;
        let (columns, per_column) =
            if job.filled { (job.columns, job.rows.div_ceil(2)) } else { (1, job.groups) };
        for pixel in 0..job.pixels {
            let mut acc = self.head.bias;
            for (column, part) in (0..columns).flat_map(|c| (0..per_column).map(move |p| (c, p))) {
                let tap = pixel * job.step + column * job.rows + 2 * part;
                // SAFETY: the caller's promise; there are pointers for whole groups.
                unsafe {
                    let [a, b] = [tap, tap + 1].map(|tap| self.tap::<LEFT>(tap));
                    let pairs = [_mm256_unpacklo_epi16(a, b), _mm256_unpackhi_epi16(a, b)];
                    self.add(&mut acc, column * per_column + part, pairs);
                }
            }
            // SAFETY: a pixel of the job.
            unsafe { self.finish::<LEFT>(pixel, acc) };
        }
    }

    /// Computes windows of three columns that share columns with adjacent windows; each column is
    /// interleaved once.
    ///
    /// # Safety
    /// Same contract as [`Self::pixels`].
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn three_by_three<const LEFT: usize>(&self) {
        let pixels = self.job.pixels;
        let step = self.job.step / 3;
        // SAFETY: the caller's promise; the fourth weight of a column is zero.
        unsafe {
            let column = |i: usize| -> Pairs {
                let [a, b, c] = [3 * i, 3 * i + 1, 3 * i + 2].map(|tap| self.tap::<LEFT>(tap));
                [
                    _mm256_unpacklo_epi16(a, b),
                    _mm256_unpackhi_epi16(a, b),
                    _mm256_unpacklo_epi16(c, c),
                    _mm256_unpackhi_epi16(c, c),
                ]
            };
            let mut a = column(0);
            let mut b = column(1);
            for pixel in 0..pixels {
                let c = column(step * pixel + 2);
                let mut acc = self.head.bias;
                for (i, [p, q, r, s]) in [a, b, c].into_iter().enumerate() {
                    self.add(&mut acc, 2 * i, [p, q]);
                    self.add(&mut acc, 2 * i + 1, [r, s]);
                }
                self.finish::<LEFT>(pixel, acc);
                if step == 1 {
                    (a, b) = (b, c);
                } else if pixel + 1 < pixels {
                    (a, b) = (c, column(step * pixel + 3));
                }
            }
        }
    }

    /// Loads the values under one pointer, widened to words.
    ///
    /// # Safety
    /// `tap` is a tap of the job.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn tap<const LEFT: usize>(&self, tap: usize) -> __m256i {
        let left = if LEFT > 0 { LEFT } else { self.left };
        // SAFETY: the caller's promise.
        unsafe { _mm256_cvtepi8_epi16(load((*self.job.taps.add(tap)).add(self.at), left)) }
    }

    /// Adds the products of a group to the accumulators.
    ///
    /// # Safety
    /// The panel has that group.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn add(&self, acc: &mut [__m256i; 2], group: usize, pairs: [__m256i; 2]) {
        for (i, (acc, pairs)) in acc.iter_mut().zip(pairs).enumerate() {
            // SAFETY: the caller's promise.
            let weights = unsafe { _mm256_loadu_si256(self.weights.add(2 * group + i)) };
            *acc = _mm256_add_epi32(*acc, _mm256_madd_epi16(pairs, weights));
        }
    }

    /// Requantizes and stores a pixel.
    ///
    /// # Safety
    /// `pixel` is a pixel of the job.
    #[inline]
    #[target_feature(enable = "avx2")]
    unsafe fn finish<const LEFT: usize>(&self, pixel: usize, acc: [__m256i; 2]) {
        let left = if LEFT > 0 { LEFT } else { self.left };
        // SAFETY: the caller's promise.
        unsafe {
            store(
                self.head.codes(acc),
                self.job.out.add(pixel * self.job.out_stride + self.at),
                left,
            )
        };
    }
}

/// Adds two feature maps.
///
/// # Safety
/// Same contract as [`Kernel::sum`].
#[target_feature(enable = "avx2")]
pub(crate) unsafe fn sum(job: &Sum) {
    let [fa, fb] = job.factors.map(|f| u32::from(f as u16));
    let factors = _mm256_set1_epi32((fa | fb << 16) as i32);
    let offset = _mm256_set1_epi32(job.offset);
    let shift = _mm_cvtsi32_si128(i32::from(job.shift));
    let lo = _mm_set1_epi8(job.clamp.lo);
    let hi = _mm_set1_epi8(job.clamp.hi);
    for at in (0..job.len).step_by(PANEL) {
        let left = (job.len - at).min(PANEL);
        // SAFETY: `at + left <= len`; an operand that is the result is read before it is written.
        unsafe {
            let a = _mm256_cvtepi8_epi16(load(job.a.add(at), left));
            let b = _mm256_cvtepi8_epi16(load(job.b.add(at), left));
            let scale = |pairs| {
                _mm256_sra_epi32(_mm256_add_epi32(_mm256_madd_epi16(pairs, factors), offset), shift)
            };
            let wide = _mm256_packs_epi32(
                scale(_mm256_unpacklo_epi16(a, b)),
                scale(_mm256_unpackhi_epi16(a, b)),
            );
            let narrow = _mm256_permute4x64_epi64::<0b1000>(_mm256_packs_epi16(wide, wide));
            let codes = _mm_min_epi8(_mm_max_epi8(_mm256_castsi256_si128(narrow), lo), hi);
            store(codes, job.out.add(at), left);
        }
    }
}

/// Widens int8 values to 16 bits.
///
/// # Safety
/// `cells` has room for two bytes per value.
#[target_feature(enable = "avx2")]
unsafe fn widen(codes: &[i8], cells: *mut i8) {
    let (blocks, rest) = codes.as_chunks::<PANEL>();
    // SAFETY: the caller's promise.
    unsafe {
        for (i, block) in blocks.iter().enumerate() {
            let wide = _mm256_cvtepi8_epi16(_mm_loadu_si128(block.as_ptr().cast()));
            _mm256_storeu_si256(cells.cast::<__m256i>().add(i), wide);
        }
        let done = blocks.len() * PANEL;
        for (i, &code) in rest.iter().enumerate() {
            cells.cast::<i16>().add(done + i).write_unaligned(i16::from(code));
        }
    }
}
