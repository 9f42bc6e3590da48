//! Depthwise windows of 3 x 3 by Helium, all others by plain sums.
//!
//! Columns of 16 channels are interleaved first: four bytes for each channel and column, one below
//! the other in the feature map. Then four columns of a channel are 16 bytes, which hold a window
//! of 3 x 3 with zeros as the other weights, and, where windows are neighbours, four windows:
//! beside it, below it, and below that.

use core::arch::naked_asm;
use core::mem::MaybeUninit;

use offshoot_core::graph::Clamp;
use offshoot_core::{Multiplier, quant};

use super::dsp_common::{clamp, word_at};
use crate::kernels::job::{Tail, Taps};
use crate::target::HELIUM;

/// Side of the windows that assembly computes.
const SIDE: usize = 3;

/// Channels that are interleaved at a time.
const CHANNELS: usize = 16;

/// Interleaved columns at a time.
const COLUMNS: usize = 34;

/// Columns that may be read behind them, multiplied by zeros or for pixels that nobody wants.
const BEHIND: usize = 10;

/// Bytes of a column.
const COLUMN_BYTES: usize = 4 * CHANNELS;

/// Computes depthwise windows.
///
/// # Safety
/// Same contract as [`Kernel::taps`]; the processor has the extension.
pub(super) unsafe fn taps(job: &Taps) {
    let is_square = [job.rows, job.columns] == [SIDE; 2] && job.step.is_multiple_of(SIDE);
    if !is_square || job.step > SIDE * SIDE {
        // SAFETY: the caller's promise.
        return unsafe { plain(job) };
    }
    for channel in (0..job.channels).step_by(CHANNELS) {
        // SAFETY: the caller's promise.
        unsafe { squares(job, channel, CHANNELS.min(job.channels - channel)) };
    }
    if job.tail.clamp != Clamp::NONE {
        for pixel in 0..job.lines * job.pixels {
            // SAFETY: the caller's promise: these are the results.
            unsafe { clamp(job.out.add(pixel * job.out_stride), job.channels, job.tail.clamp) };
        }
    }
}

/// Computes windows of any size, one product after the other.
///
/// # Safety
/// The contract of [`taps`].
unsafe fn plain(job: &Taps) {
    let column = HELIUM.taps.column(job.rows);
    let panel_bytes = HELIUM.taps.panel_bytes(job.columns * column);
    for pixel in 0..job.lines * job.pixels {
        // SAFETY: the caller's promise: every pointer leads to all channels.
        unsafe {
            let line = pixel / job.pixels;
            let taps = job.taps.add(line * job.line_step + pixel % job.pixels * job.step);
            let out = job.out.add(pixel * job.out_stride);
            for channel in 0..job.channels {
                let panel = job.panels.add(channel * panel_bytes);
                let mut sum = word_at(panel, 0);
                for x in 0..job.columns {
                    for y in 0..job.rows {
                        let weight = *panel.add(8 + x * column + y);
                        let code = *(*taps.add(x * job.rows + y)).add(channel);
                        sum = sum.wrapping_add(i32::from(weight) * i32::from(code));
                    }
                }
                *out.add(channel) = requantize(sum, word_at(panel, 1), &job.tail);
            }
        }
    }
}

fn requantize(sum: i32, mantissa: i32, tail: &Tail) -> i8 {
    let multiplier = Multiplier { mantissa, shift: tail.shift };
    quant::requantize(sum, multiplier, tail.zero, tail.clamp.lo, tail.clamp.hi)
}

/// Computes windows of 3 x 3 for some adjacent channels, but for the clamp.
///
/// # Safety
/// The contract of [`taps`]; there are these channels, at most [`CHANNELS`].
unsafe fn squares(job: &Taps, channel: usize, channels: usize) {
    let step = job.step / SIDE;
    // Neighbours share columns in pairs of pixels, rows in pairs of lines.
    let paired = step == 1 && job.below && job.pixels.is_multiple_of(2) && job.lines >= 2;
    let height = 1 + usize::from(paired);
    // Either some pixels of one band or some whole bands.
    let runs = job.pixels.div_ceil((COLUMNS - SIDE) / step + 1);
    let most_pixels = job.pixels.div_ceil(runs).next_multiple_of(height);
    let most_bands = if runs > 1 { 1 } else { COLUMNS / columns_of(job.pixels, step) };
    let mut columns =
        [const { MaybeUninit::<u32>::uninit() }; COLUMN_BYTES / 4 * (COLUMNS + BEHIND)];
    let columns = columns.as_mut_ptr().cast::<u32>();
    let mut line = 0;
    while line < job.lines {
        // An odd line comes with the one above it, once more.
        let first_line = line.min(job.lines - height);
        let bands = most_bands.min((job.lines - first_line) / height);
        for first in (0..job.pixels).step_by(most_pixels) {
            let pixels = most_pixels.min(job.pixels - first);
            let block = Block { job, channel, channels, first_line, bands, first, pixels, columns };
            // SAFETY: the caller's promise; `COLUMNS` are enough for the windows of these pixels.
            unsafe {
                if paired {
                    block.interleave(job.line_step + SIDE - 1, 2);
                    block.pairs();
                } else {
                    block.interleave(0, 1);
                    block.lines(step);
                }
            }
        }
        line = first_line + bands * height;
    }
}

/// Returns the columns under the windows of adjacent pixels.
fn columns_of(pixels: usize, step: usize) -> usize {
    (pixels - 1) * step + SIDE
}

/// Pixels of some bands of lines, and channels of them.
struct Block<'a> {
    job: &'a Taps,
    channel: usize,
    channels: usize,
    first_line: usize,
    bands: usize,
    first: usize,
    pixels: usize,
    /// Room for interleaved columns.
    columns: *mut u32,
}

impl Block<'_> {
    fn columns(&self) -> usize {
        columns_of(self.pixels, self.job.step / SIDE)
    }

    /// Interleaves the columns of all bands, which are `height` lines each; the lowest row's
    /// pointers are `fourth` behind those of the first.
    ///
    /// # Safety The job has these lines and pixels; there is room for their columns.
    unsafe fn interleave(&self, fourth: usize, height: usize) {
        let count = self.columns();
        for band in 0..self.bands {
            let line = self.first_line + band * height;
            let at = line * self.job.line_step + self.first * self.job.step;
            let taps = self.job.taps.wrapping_add(at);
            let operands = Interleave {
                taps,
                fourth: taps.wrapping_add(fourth),
                channel: self.channel,
                columns: self.columns.wrapping_add(band * count * COLUMN_BYTES / 4),
                channels: self.channels,
                count,
            };
            // SAFETY: the caller's promise.
            unsafe { interleave(&operands) };
        }
    }

    /// Returns the operands of a loop that advances by `step` columns before it loads any.
    fn pass(&self, step: usize) -> Pass {
        let Self { job, channel, .. } = *self;
        let pixel = self.first_line * job.pixels + self.first;
        Pass {
            panels: job.panels.wrapping_add(channel * HELIUM.taps.panel_bytes(SIDE * 4)),
            columns: self.columns,
            out: job.out.wrapping_add(pixel * job.out_stride + channel),
            channels: self.channels,
            zero: job.tail.zero.into(),
            advance: 0,
            gap: 0,
            bands: self.bands,
            pixels: self.pixels,
            shift: job.tail.shift.into(),
            line_bytes: self.columns() * COLUMN_BYTES,
            places: [0, 1, 2, 3].map(|x: usize| x.wrapping_sub(step).wrapping_mul(COLUMN_BYTES)),
            outs: [0, 1, 2, 3].map(|pixel| pixel * job.out_stride),
        }
    }

    /// Computes bands of two lines, pair by pair of their pixels.
    ///
    /// # Safety
    /// Columns were interleaved; the number of pixels is even.
    unsafe fn pairs(&self) {
        let stride = self.job.out_stride;
        let line = self.job.pixels * stride;
        let mut pass = self.pass(2);
        pass.advance = 2 * stride;
        pass.gap = (2 * line).wrapping_sub(self.pixels * stride);
        pass.pixels = self.pixels / 2;
        pass.outs = [0, stride, line, line + stride];
        // SAFETY: the caller's promise.
        unsafe {
            if pass.shift == 0 {
                pairs(&mut pass);
            } else {
                shifted_pairs(&mut pass);
            }
        }
    }

    /// Computes lines, four pixels at a time, whose windows are `step` columns apart.
    ///
    /// # Safety
    /// Columns were interleaved.
    unsafe fn lines(&self, step: usize) {
        let stride = self.job.out_stride;
        let mut pass = self.pass(step);
        pass.advance = 4 * stride;
        let done = self.pixels.next_multiple_of(4) * stride;
        pass.gap = (self.job.pixels * stride).wrapping_sub(done);
        // SAFETY: the caller's promise.
        unsafe {
            match step {
                1 => lines_by_1(&mut pass),
                2 => lines_by_2(&mut pass),
                _ => lines_by_3(&mut pass),
            }
        }
    }
}

/// Operands of [`interleave`]; assembly knows the order.
#[repr(C)]
struct Interleave {
    /// For each column pointers to three pixels.
    taps: *const *const i8,
    /// For each third pointer from here on: the fourth pixel of a column.
    fourth: *const *const i8,
    channel: usize,
    columns: *mut u32,
    channels: usize,
    count: usize,
}

/// Interleaves columns.
///
/// # Safety
/// The operands lie as [`Interleave`] says; no count is 0.
#[unsafe(naked)]
unsafe extern "C" fn interleave(operands: *const Interleave) {
    naked_asm!(
        ".cpu cortex-m55",
        "push {{r4, r5, r6, r7, r8, lr}}",
        "ldm r0, {{r0, r1, r2, r3, r4, r5}}",
        "vctp.8 r4",
        "dls lr, r5",
        "2:",
        "ldm r0!, {{r5, r6, r7}}",
        "ldr r8, [r1], #12",
        "add r5, r5, r2",
        "add r6, r6, r2",
        "add r7, r7, r2",
        "add r8, r8, r2",
        "vpstttt",
        "vldrbt.u8 q0, [r5]",
        "vldrbt.u8 q1, [r6]",
        "vldrbt.u8 q2, [r7]",
        "vldrbt.u8 q3, [r8]",
        "vst40.8 {{q0, q1, q2, q3}}, [r3]",
        "vst41.8 {{q0, q1, q2, q3}}, [r3]",
        "vst42.8 {{q0, q1, q2, q3}}, [r3]",
        "vst43.8 {{q0, q1, q2, q3}}, [r3]!",
        "le lr, 2b",
        "pop {{r4, r5, r6, r7, r8, pc}}",
    )
}

/// Operands of the loops over pixels; assembly knows the order. The loops advance the first four.
#[repr(C)]
struct Pass {
    /// Panels, one for each channel: bias, mantissa, 16 weights.
    panels: *const i8,
    columns: *const u32,
    out: *mut i8,
    channels: usize,
    zero: i32,
    /// Bytes of the result from pixels to the next ones, and behind the last to the next band.
    advance: usize,
    gap: usize,
    bands: usize,
    /// Pixels of a line, or pairs of them.
    pixels: usize,
    shift: u32,
    /// Bytes of the columns of a line.
    line_bytes: usize,
    /// Bytes from the first column to each of four, before the loop advances.
    places: [usize; 4],
    /// Bytes from the first of four results to each.
    outs: [usize; 4],
}

/// Begins a channel: q1 weights, q7 columns, r1 bias, r3 mantissa, r7 result, r11 bands.
macro_rules! channel {
    () => {
        concat!(
            "ldm r10, {{r2, r4, r7}}\n ",
            "ldr r1, [r2], #4\n ",
            "ldr r3, [r2], #4\n ",
            "vldrb.u8 q1, [r2], #16\n ",
            "vldrw.u32 q7, [r10, #44]\n ",
            "vadd.i32 q7, q7, r4\n ",
            "add r4, r4, #4\n ",
            "add r6, r7, #1\n ",
            "stm r10, {{r2, r4, r6}}\n ",
            "ldr r11, [r10, #28]\n ",
        )
    };
}

/// Makes codes of q5, but for a shift and a clamp.
macro_rules! codes {
    () => {
        concat!(
            "vqrdmulh.s32 q5, q5, r3\n ",
            "vqadd.s32 q5, q5, r5\n ",
            "vqmovnb.s32 q5, q5\n ",
            "vqmovnb.s16 q5, q5\n ",
        )
    };
}

/// Defines the loop over pairs of pixels of two lines, with `$shift` between sums and mantissa.
macro_rules! pairs {
    ($(#[$doc:meta])* $name:ident, $shift:literal) => {
        $(#[$doc])*
        #[unsafe(naked)]
        unsafe extern "C" fn $name(operands: *mut Pass) {
            naked_asm!(
                ".cpu cortex-m55",
                "push {{r4, r5, r6, r7, r8, r9, r10, r11, r12, lr}}",
                "vpush {{d8-d15}}",
                "mov r10, r0",
                "ldrd r5, r8, [r10, #16]",
                "ldr r9, [r10, #24]",
                "ldr r12, [r10, #32]",
                "vldrw.u32 q6, [r10, #60]",
                "3:",
                channel!(),
                // The weights of the neighbours: a column, a row, both further.
                "movs r4, #0",
                "vmov q2, q1",
                "vshlc q2, r4, #32",
                "vmov q3, q1",
                "vshlc q3, r4, #8",
                "vmov q4, q3",
                "vshlc q4, r4, #32",
                "1:",
                "dls lr, r12",
                "2:",
                "vldrw.u32 q0, [q7, #128]!",
                "vmladav.s8 r0, q0, q1",
                "vmladav.s8 r2, q0, q2",
                "vmladav.s8 r4, q0, q3",
                "vmladav.s8 r6, q0, q4",
                "vmov q5[2], q5[0], r0, r4",
                "vmov q5[3], q5[1], r2, r6",
                "vadd.i32 q5, q5, r1",
                $shift,
                codes!(),
                "vstrb.32 q5, [r7, q6]",
                "add r7, r7, r8",
                "le lr, 2b",
                "mov r0, #128",
                "vadd.i32 q7, q7, r0",
                "add r7, r7, r9",
                "subs r11, r11, #1",
                "bne 1b",
                "ldr r0, [r10, #12]",
                "subs r0, r0, #1",
                "str r0, [r10, #12]",
                "bne 3b",
                "vpop {{d8-d15}}",
                "pop {{r4, r5, r6, r7, r8, r9, r10, r11, r12, pc}}",
            )
        }
    };
}

pairs! {
    /// Computes pairs of pixels of two lines, channel after channel.
    ///
    /// # Safety
    /// The operands lie as [`Pass`] says, bands of columns behind each other; no count is 0.
    pairs, ""
}

pairs! {
    /// The same for a layer with a shift.
    ///
    /// # Safety
    /// The contract of [`pairs`].
    shifted_pairs, "ldr r0, [r10, #36]\n vqshl.s32 q5, r0"
}

/// Defines the loop over the pixels of lines whose windows are `$step` bytes apart.
macro_rules! lines {
    ($name:ident, $step:literal) => {
        /// Computes four pixels of a line at a time, channel after channel.
        ///
        /// # Safety
        /// The contract of [`pairs`].
        #[unsafe(naked)]
        unsafe extern "C" fn $name(operands: *mut Pass) {
            naked_asm!(
                ".cpu cortex-m55",
                "push {{r4, r5, r6, r7, r8, r9, r10, r11, r12, lr}}",
                "vpush {{d8-d15}}",
                "mov r10, r0",
                "ldrd r5, r8, [r10, #16]",
                "ldr r12, [r10, #36]",
                "vldrw.u32 q6, [r10, #60]",
                "3:",
                channel!(),
                "1:",
                "ldr r9, [r10, #32]",
                "vmov q4, q7",
                "2:",
                concat!("vldrw.u32 q0, [q4, #", $step, "]!"),
                "vmladav.s8 r0, q0, q1",
                concat!("vldrw.u32 q2, [q4, #", $step, "]!"),
                "vmladav.s8 r2, q2, q1",
                concat!("vldrw.u32 q3, [q4, #", $step, "]!"),
                "vmladav.s8 r4, q3, q1",
                concat!("vldrw.u32 q0, [q4, #", $step, "]!"),
                "vmladav.s8 r6, q0, q1",
                "vmov q5[2], q5[0], r0, r4",
                "vmov q5[3], q5[1], r2, r6",
                "vadd.i32 q5, q5, r1",
                "vqshl.s32 q5, r12",
                codes!(),
                "vctp.32 r9",
                "vpst",
                "vstrbt.32 q5, [r7, q6]",
                "add r7, r7, r8",
                "subs r9, r9, #4",
                "bgt 2b",
                "ldr r0, [r10, #40]",
                "vadd.i32 q7, q7, r0",
                "ldr r0, [r10, #24]",
                "add r7, r7, r0",
                "subs r11, r11, #1",
                "bne 1b",
                "ldr r0, [r10, #12]",
                "subs r0, r0, #1",
                "str r0, [r10, #12]",
                "bne 3b",
                "vpop {{d8-d15}}",
                "pop {{r4, r5, r6, r7, r8, r9, r10, r11, r12, pc}}",
            )
        }
    };
}

lines!(lines_by_1, "64");
lines!(lines_by_2, "128");
lines!(lines_by_3, "192");
