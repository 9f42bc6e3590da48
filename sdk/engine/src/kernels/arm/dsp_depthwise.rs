//! Depthwise windows of 3 x 3 by the DSP extension, all others by plain sums.
//!
//! The columns of a window are shared by its neighbours. So columns of four channels are widened
//! first: for each channel the pair of its upper and lower row, for every two channels the pair of
//! their middle rows. Then one channel after the other passes all of its pixels, weights in registers:
//! two products at a time for the pairs, one for the rest.

use core::arch::{asm, naked_asm};
use core::mem::MaybeUninit;

use offshoot_core::graph::Clamp;

use super::dsp_common::{clamp, extension, is_short, requantize, word_at};
use super::dsp_widen::widen_columns;
use crate::kernels::job::Taps;
use crate::target::CORTEX_M;

/// Channels of a panel.
const LANES: usize = 4;

/// Side of the windows that assembly computes.
const SIDE: usize = 3;

/// Widened columns at a time.
const COLUMNS: usize = 50;

/// Words of a widened column: rows 0 and 2 of channel 0, row 1 of channels 0 and 2, rows 0 and 2 of
/// channel 2; the same of channels 1 and 3.
const WORDS: usize = 6;

/// Computes depthwise windows.
///
/// # Safety
/// Same contract as [`Kernel::taps`]; the processor has the extension.
pub(super) unsafe fn taps(job: &Taps) {
    let is_square = [job.rows, job.columns] == [SIDE; 2] && job.step.is_multiple_of(SIDE);
    let fast = is_square && job.step <= SIDE * SIDE && is_short(&job.tail);
    let panels = job.channels.div_ceil(LANES);
    let panel_bytes = CORTEX_M.taps.panel_bytes(job.groups * LANES);
    for panel in 0..panels {
        let channel = panel * LANES;
        let channels = (job.channels - channel).min(LANES);
        // SAFETY: the caller's promise.
        unsafe {
            let constants = job.panels.add(panel * panel_bytes);
            if fast && channels == LANES {
                squares(job, constants, channel);
            } else {
                plain(job, constants, channel, channels);
            }
        }
    }
    if fast && job.tail.clamp != Clamp::NONE {
        for pixel in 0..job.lines * job.pixels {
            // SAFETY: the caller's promise: these are the results.
            unsafe { clamp(job.out.add(pixel * job.out_stride), job.channels, job.tail.clamp) };
        }
    }
}

/// Computes windows of any size for some channels, one product after the other.
///
/// # Safety
/// The contract of [`taps`]; the panel is that of the channels.
unsafe fn plain(job: &Taps, panel: *const i8, channel: usize, channels: usize) {
    let column = CORTEX_M.taps.column(job.rows);
    for pixel in 0..job.lines * job.pixels {
        // SAFETY: the caller's promise: every pointer leads to all channels.
        unsafe {
            let line = pixel / job.pixels;
            let taps = job.taps.add(line * job.line_step + pixel % job.pixels * job.step);
            let out = job.out.add(pixel * job.out_stride + channel);
            for lane in 0..channels {
                let mut sum = word_at(panel, lane);
                for x in 0..job.columns {
                    for y in 0..job.rows {
                        let place = x * column + y;
                        let group = place / 4 * LANES + lane;
                        let weight = *panel.add(8 * LANES + 4 * group + place % 4);
                        let code = *(*taps.add(x * job.rows + y)).add(channel + lane);
                        sum = sum.wrapping_add(i32::from(weight) * i32::from(code));
                    }
                }
                *out.add(lane) = requantize(sum, word_at(panel, LANES + lane), &job.tail);
            }
        }
    }
}

/// Computes windows of 3 x 3 for the four channels of a panel.
///
/// # Safety
/// The contract of [`plain`].
unsafe fn squares(job: &Taps, panel: *const i8, channel: usize) {
    let step = job.step / SIDE;
    let columns_of = |pixels: usize| (pixels - 1) * step + SIDE;
    // Either some pixels of one line or some whole lines.
    let whole = columns_of(job.pixels);
    let runs = job.pixels.div_ceil((COLUMNS - SIDE) / step + 1);
    let most_pixels = job.pixels.div_ceil(runs);
    let most_lines = if most_pixels < job.pixels { 1 } else { COLUMNS / whole };
    let mut columns = [const { MaybeUninit::<u32>::uninit() }; COLUMNS * WORDS];
    let columns = columns.as_mut_ptr().cast::<u32>();
    // SAFETY: the caller's promise; `COLUMNS` are enough for the windows of as many pixels and lines.
    unsafe {
        let mut passes: [Pass; LANES] =
            core::array::from_fn(|lane| Pass::new(panel, lane, job.tail.zero, job.out_stride));
        passes.iter_mut().for_each(|pass| pass.set_line(most_pixels, step));
        for first_line in (0..job.lines).step_by(most_lines) {
            let lines = most_lines.min(job.lines - first_line);
            for first in (0..job.pixels).step_by(most_pixels) {
                let pixels = most_pixels.min(job.pixels - first);
                let count = columns_of(pixels);
                if runs > 1 {
                    passes.iter_mut().for_each(|pass| pass.set_line(pixels, step));
                }
                let taps = job.taps.add(first_line * job.line_step + first * job.step);
                widen_columns(taps, channel, lines * count, columns);
                let out = job.out.add((first_line * job.pixels + first) * job.out_stride);
                for (lane, pass) in passes.iter_mut().enumerate() {
                    pass.out = out.add(channel + lane);
                    pass.columns = columns.add([0, 3, 1, 4][lane]);
                    pass.line_end = pass.columns.wrapping_add(WORDS * step * pixels);
                    pass.end = pass.columns.wrapping_add(WORDS * count * lines);
                    pass.run(step, lane >= 2);
                }
            }
        }
    }
}

/// Operands of the loop over a channel's pixels; assembly knows the order.
#[repr(C)]
struct Pass {
    /// For each column the weights of rows 0 and 2.
    outer: [u32; SIDE],
    /// Weights of row 1: of columns 0 and 1, of column 2.
    inner: [u32; 2],
    mantissa: i32,
    zero: i32,
    bias: i32,
    out: *mut i8,
    /// Bytes from pixel to pixel.
    stride: usize,
    /// First word of the channel in the first of its columns.
    columns: *const u32,
    /// The same behind the columns that are the first of a pixel's, in the first line.
    line_end: *const u32,
    /// Bytes from there to the next line, modulo 2^32; bytes from line to line.
    gap: usize,
    line: usize,
    /// First word of the channel behind all lines.
    end: *const u32,
    /// 1 if a line has an odd number of pixels.
    odd: usize,
}

impl Pass {
    /// Reads the constants of a channel.
    ///
    /// # Safety
    /// The panel has that lane.
    unsafe fn new(panel: *const i8, lane: usize, zero: i8, stride: usize) -> Self {
        // SAFETY: the caller's promise.
        let [bias, mantissa, first, second, third] =
            unsafe { [0, 1, 2, 3, 4].map(|row| word_at(panel, row * LANES + lane)) };
        // A doubled mantissa beyond 2^31: doubled are the weights, which have 16 bits, and the bias.
        let twice = u32::from(mantissa < 0);
        let double = |pair: u32| (pair << twice) & !(twice << 16);
        let [first, second, third] = [first, second, third].map(|column| column as u32);
        let [x, y, z] = [first, second, third].map(|column| double(odd_bytes(column)));
        Self {
            outer: [first, second, third].map(|column| double(even_bytes(column))),
            inner: [x & 0xffff | y << 16, z],
            mantissa: (mantissa as u32 >> twice) as i32,
            zero: zero.into(),
            bias: bias << twice,
            out: core::ptr::null_mut(),
            stride,
            columns: core::ptr::null(),
            line_end: core::ptr::null(),
            gap: 0,
            line: 0,
            end: core::ptr::null(),
            odd: 0,
        }
    }

    /// Sets the number of pixels of a line.
    fn set_line(&mut self, pixels: usize, step: usize) {
        let count = (pixels - 1) * step + SIDE;
        self.gap = (4 * WORDS * count).wrapping_sub(4 * WORDS * step * pixels);
        self.line = 4 * WORDS * count;
        self.odd = pixels % 2;
    }

    /// Computes the pixels, whose windows are `step` columns apart, 1 to 3; `upper` for channels 2
    /// and 3.
    ///
    /// # Safety
    /// The operands lie as the fields say.
    unsafe fn run(&self, step: usize, upper: bool) {
        // SAFETY: the caller's promise.
        unsafe {
            match (step, upper) {
                (1, false) => lower_by_1(self),
                (1, true) => upper_by_1(self),
                (2, false) => lower_by_2(self),
                (2, true) => upper_by_2(self),
                (_, false) => lower_by_3(self),
                (_, true) => upper_by_3(self),
            }
        }
    }
}

/// Returns bytes 0 and 2 of a word, each widened to 16 bits.
fn even_bytes(word: u32) -> u32 {
    let pair;
    // SAFETY: arithmetic; kernels run where there is the extension.
    unsafe { asm!("sxtb16 {}, {}", out(reg) pair, in(reg) word, options(pure, nomem, nostack)) };
    pair
}

/// Returns bytes 1 and 3 of a word, each widened to 16 bits.
fn odd_bytes(word: u32) -> u32 {
    even_bytes(word.rotate_right(8))
}

/// Defines the loop of a channel: registers of the pair and of the middle row, the multiplications
/// of the middle row, and the columns in the order in which they are loaded, with the sum that each
/// adds to; the last advances to the next pixel.
macro_rules! pixels {
    ($name:ident, $pair:literal, $middle:literal, [$even:literal, $odd:literal],
     [$($load:literal $outer:literal $half:tt $sum:literal)*]) => {
        /// Computes the pixels of a channel.
        ///
        /// # Safety
        /// The operands lie as [`Pass`] says.
        #[unsafe(naked)]
        unsafe extern "C" fn $name(operands: *const Pass) {
            naked_asm!(
                extension!(),
                "push {{r4, r5, r6, r7, r8, r9, r10, r11, lr}}",
                "sub sp, sp, #20",
                "add r1, r0, #44",
                "ldm r1, {{r2, r3, r4, r5, r6}}",
                "stm sp, {{r2, r3, r4, r5, r6}}",
                "ldm r0, {{r0, r1, r2, r3, r4, r5, r6, r7, r8, r9, r10}}",
                "1:",
                "ldr r11, [sp, #16]",
                "cmp r11, #0",
                "bne 3f",
                "2:",
                $(pixels!(@column $pair $middle $even $odd $load $outer $half $sum),)*
                pixels!(@code),
                "3:",
                $(pixels!(@column $pair $middle $even $odd $load $outer $half $sum),)*
                pixels!(@code),
                "ldr r11, [sp]",
                "cmp r10, r11",
                "bne 2b",
                "ldrd r12, lr, [sp, #4]",
                "add r10, r10, r12",
                "add r11, r11, lr",
                "str r11, [sp]",
                "ldr r11, [sp, #12]",
                "cmp r10, r11",
                "bne 1b",
                "add sp, sp, #20",
                "pop {{r4, r5, r6, r7, r8, r9, r10, r11, pc}}",
            )
        }
    };
    (@column $pair:literal $middle:literal $even:literal $odd:literal
     $load:literal $outer:literal $half:tt $sum:literal) => {
        concat!(
            "ldrd r11, r12, ", $load, "\n smlad lr, ", $pair, ", ", $outer, ", ", $sum, "\n ",
            pixels!(@middle $half $middle $even $odd)
        )
    };
    (@code) => {
        "smmlar lr, lr, r5, r6\n ssat lr, #8, lr\n strb lr, [r8]\n add r8, r8, r9"
    };
    (@middle 0 $middle:literal $even:literal $odd:literal) => {
        concat!($even, " lr, ", $middle, ", r3, lr")
    };
    (@middle 1 $middle:literal $even:literal $odd:literal) => {
        concat!($odd, " lr, ", $middle, ", r3, lr")
    };
    (@middle 2 $middle:literal $even:literal $odd:literal) => {
        concat!($even, " lr, ", $middle, ", r4, lr")
    };
}

/// Defines the loops of the lower and the upper channels for one distance of windows.
macro_rules! pixels_by {
    ($lower:ident, $upper:ident, $columns:tt) => {
        pixels!($lower, "r11", "r12", ["smlabb", "smlabt"], $columns);
        pixels!($upper, "r12", "r11", ["smlatb", "smlatt"], $columns);
    };
}

pixels_by!(
    lower_by_1,
    upper_by_1,
    ["[r10]" "r0" 0 "r7" "[r10, #48]" "r2" 2 "lr" "[r10, #24]!" "r1" 1 "lr"]
);
pixels_by!(
    lower_by_2,
    upper_by_2,
    ["[r10]" "r0" 0 "r7" "[r10, #24]" "r1" 1 "lr" "[r10, #48]!" "r2" 2 "lr"]
);
pixels_by!(
    lower_by_3,
    upper_by_3,
    ["[r10, #24]" "r1" 1 "r7" "[r10, #48]" "r2" 2 "lr" "[r10], #72" "r0" 0 "lr"]
);
