//! Depthwise convolutions with AVX-512 VNNI: four taps of 64 channels are interleaved, so that
//! `VPDPBUSD` sums the taps of each channel.

use core::arch::x86_64::*;

use super::avx512_common::{Scale, WIDE, codes, first, store};
use crate::kernels::job::Taps;
use crate::plan::requant_path::{ANY, LANES, MANTISSAS, RequantPath};
use crate::target;

/// Computes depthwise windows.
///
/// # Safety
/// Same contract as [`Kernel::taps`].
#[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
pub(crate) unsafe fn taps(job: &Taps) {
    let size = target::AVX512_VNNI.taps.panel_bytes(job.groups * 4);
    for panel in 0..job.channels.div_ceil(WIDE) {
        let left = (job.channels - panel * WIDE).min(WIDE);
        // SAFETY: the caller's promise: every tap has `channels` codes, the panels belong to them.
        unsafe {
            let base = job.panels.add(panel * size);
            let out = job.out.add(panel * WIDE);
            let depthwise = Depthwise { job, base: base.cast(), at: panel * WIDE, out, left };
            match job.tail.requant {
                RequantPath::Mantissas => depthwise.any_width::<MANTISSAS>(),
                RequantPath::Lanes => depthwise.any_width::<LANES>(),
                RequantPath::Any => depthwise.pixels::<0, ANY>(),
            }
        }
    }
}

/// Four interleaved taps of 64 channels, in four registers.
type Fours = [__m512i; 4];

/// Panel of a depthwise convolution.
struct Depthwise<'a> {
    job: &'a Taps,
    base: *const __m512i,
    /// First channel.
    at: usize,
    out: *mut i8,
    /// Number of channels that exist.
    left: usize,
}

impl Depthwise<'_> {
    /// Computes all pixels with the fastest code for the window and the channels.
    ///
    /// # Safety
    /// Same contract as [`Self::pixels`].
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn any_width<const PATH: u8>(&self) {
        // SAFETY: the caller's promise.
        unsafe {
            match self.left {
                WIDE => self.pixels::<WIDE, PATH>(),
                32 => self.pixels::<32, PATH>(),
                16 => self.pixels::<16, PATH>(),
                _ => self.pixels::<0, PATH>(),
            }
        }
    }

    /// Computes all pixels of `LEFT` channels; 0: any number of them.
    ///
    /// # Safety
    /// The panel and the job's pointers are valid.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn pixels<const LEFT: usize, const PATH: u8>(&self) {
        let job = self.job;
        // SAFETY: the caller's promise; a panel begins with 64 biases and 64 mantissas.
        unsafe {
            let scales = [4, 5, 6, 7].map(|i| Scale::<PATH>::new(self.word(i), job.tail.shift));
            if PATH != ANY && [job.rows, job.columns] == [3, 3] && job.step < 9 {
                return self.three_by_three::<LEFT, PATH>(&scales);
            }
            let (columns, per_column) =
                if job.filled { (job.columns, job.rows.div_ceil(4)) } else { (1, job.groups) };
            for pixel in 0..job.pixels {
                let mut acc = [0, 1, 2, 3].map(|i| self.word(i));
                for (column, part) in
                    (0..columns).flat_map(|c| (0..per_column).map(move |p| (c, p)))
                {
                    let tap = pixel * job.step + column * job.rows + 4 * part;
                    let fours = self.fours::<LEFT>([tap, tap + 1, tap + 2, tap + 3]);
                    self.add(&mut acc, column * per_column + part, fours);
                }
                self.finish::<LEFT, PATH>(pixel, acc, &scales);
            }
        }
    }

    /// Computes windows of three columns that share columns with adjacent windows; each column is
    /// interleaved once.
    ///
    /// # Safety
    /// Same contract as [`Self::pixels`].
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn three_by_three<const LEFT: usize, const PATH: u8>(&self, scales: &[Scale<PATH>; 4]) {
        let pixels = self.job.pixels;
        // SAFETY: the caller's promise; the fourth weight of a column is zero.
        unsafe {
            let column = |i: usize| self.fours::<LEFT>([3 * i, 3 * i + 1, 3 * i + 2, 3 * i + 2]);
            let make = |pixel: usize, columns: [&Fours; 3]| {
                let mut acc = [0, 1, 2, 3].map(|i| self.word(i));
                for (group, fours) in columns.into_iter().enumerate() {
                    self.add(&mut acc, group, *fours);
                }
                self.finish::<LEFT, PATH>(pixel, acc, scales);
            };
            let mut a = column(0);
            if self.job.step == 6 {
                for pixel in 0..pixels {
                    let b = column(2 * pixel + 1);
                    let c = column(2 * pixel + 2);
                    make(pixel, [&a, &b, &c]);
                    a = c;
                }
                return;
            }
            let mut b = column(1);
            let mut pixel = 0;
            // Three at a time, so that columns stay in their registers.
            while pixel + 3 <= pixels {
                let c = column(pixel + 2);
                make(pixel, [&a, &b, &c]);
                a = column(pixel + 3);
                make(pixel + 1, [&b, &c, &a]);
                b = column(pixel + 4);
                make(pixel + 2, [&c, &a, &b]);
                pixel += 3;
            }
            while pixel < pixels {
                let c = column(pixel + 2);
                make(pixel, [&a, &b, &c]);
                (a, b, pixel) = (b, c, pixel + 1);
            }
        }
    }

    /// Loads register `i` of the panel.
    ///
    /// # Safety
    /// The panel has that register.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn word(&self, i: usize) -> __m512i {
        // SAFETY: the caller's promise.
        unsafe { _mm512_loadu_si512(self.base.add(i)) }
    }

    /// Interleaves four taps.
    ///
    /// # Safety
    /// These are taps of the job.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn fours<const LEFT: usize>(&self, taps: [usize; 4]) -> Fours {
        let [a, b, c, d] = taps.map(|tap| {
            // SAFETY: the caller's promise; channels beyond the last are not read.
            let codes = unsafe {
                let tap = (*self.job.taps.add(tap)).add(self.at);
                match LEFT {
                    WIDE => _mm512_loadu_si512(tap.cast()),
                    32 => _mm512_zextsi256_si512(_mm256_loadu_si256(tap.cast())),
                    16 => _mm512_zextsi128_si512(_mm_loadu_si128(tap.cast())),
                    _ => _mm512_maskz_loadu_epi8(first(self.left), tap),
                }
            };
            _mm512_xor_si512(codes, _mm512_set1_epi8(-128))
        });
        let ab = _mm512_unpacklo_epi8(a, b);
        let cd = _mm512_unpacklo_epi8(c, d);
        let ef = _mm512_unpackhi_epi8(a, b);
        let gh = _mm512_unpackhi_epi8(c, d);
        [
            _mm512_unpacklo_epi16(ab, cd),
            _mm512_unpackhi_epi16(ab, cd),
            _mm512_unpacklo_epi16(ef, gh),
            _mm512_unpackhi_epi16(ef, gh),
        ]
    }

    /// Adds the products of a group to the accumulators.
    ///
    /// # Safety
    /// The panel has that group.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn add(&self, acc: &mut [__m512i; 4], group: usize, fours: Fours) {
        for (i, (acc, four)) in acc.iter_mut().zip(fours).enumerate() {
            // SAFETY: the caller's promise; weights lie behind 8 registers of constants.
            *acc = _mm512_dpbusd_epi32(*acc, four, unsafe { self.word(8 + 4 * group + i) });
        }
    }

    /// Requantizes and stores a pixel.
    ///
    /// # Safety
    /// The job has that pixel.
    #[inline]
    #[target_feature(enable = "avx512f,avx512bw,avx512vl,avx512vnni")]
    unsafe fn finish<const LEFT: usize, const PATH: u8>(
        &self,
        pixel: usize,
        acc: [__m512i; 4],
        scales: &[Scale<PATH>; 4],
    ) {
        let tail = self.job.tail;
        let left = if LEFT > 0 { LEFT } else { self.left };
        let products = [0, 1, 2, 3].map(|i| scales[i].apply(acc[i]));
        // SAFETY: the caller's promise.
        unsafe {
            store(codes::<PATH>(products, tail), self.out.add(pixel * self.job.out_stride), left)
        };
    }
}
