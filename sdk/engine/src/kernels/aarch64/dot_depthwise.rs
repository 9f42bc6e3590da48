//! Depthwise convolution of 3 x 3 with dot products.
//!
//! The three values of a column of the window are interleaved channel by channel, with a fourth
//! that is zero; `SDOT` then adds a column at once. Windows share columns, so each column is
//! interleaved once and added to every sum that it belongs to: the sums of adjacent pixels rotate
//! through the registers. Other windows use widening multiplies.

use core::arch::asm;

use super::neon_depthwise::{LANES, Panel};
use crate::kernels::job::Taps;

/// Table indices: byte `4 * i + j` is channel `i` of value `j`; the fourth value is out of range,
/// which gives zero.
const INTERLEAVE: [u8; 64] = {
    let mut table = [255; 64];
    let mut i = 0;
    while i < 64 {
        if i % 4 < 3 {
            table[i] = (i / 4 + i % 4 * 16) as u8;
        }
        i += 1;
    }
    table
};

/// Computes depthwise windows.
///
/// # Safety
/// Same contract as [`Kernel::taps`](crate::kernels::job::Kernel::taps).
#[target_feature(enable = "dotprod")]
pub(crate) unsafe fn taps(job: &Taps) {
    for panel in 0..job.channels.div_ceil(LANES) {
        // SAFETY: the caller's promise; dot products imply NEON.
        unsafe {
            let panel = Panel::new(job, panel);
            // Nine taps, of which adjacent windows share six or three.
            match (panel.left, job.groups, job.step) {
                (LANES, 9, 3) => step_of_one(&panel, job),
                (LANES, 9, 6) => step_of_two(&panel, job),
                _ => panel.run(job),
            }
        }
    }
}

/// Loads the next column: three pointers, three registers.
macro_rules! column {
    () => {
        "ldp {a}, {b}, [{taps}], #16
         ldr {c}, [{taps}], #8
         ldr q0, [{a}, {channel}]
         ldr q1, [{b}, {channel}]
         ldr q2, [{c}, {channel}]"
    };
}

/// Begins new sums with the bias.
macro_rules! begin {
    ($a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!("ldp q", $a, ", q", $b, ", [{head}]\n ldp q", $c, ", q", $d, ", [{head}, #32]")
    };
}

/// Adds the loaded column to sums, four channels of each: register of the sums, of the weights.
macro_rules! add {
    ($index:literal: $(($sum:literal, $weight:literal)),+) => {
        concat!(
            "tbl v3.16b, {{v0.16b, v1.16b, v2.16b}}, v", $index, ".16b\n",
            $("sdot v", $sum, ".4s, v3.16b, v", $weight, ".16b\n",)+
        )
    };
}

/// Requantizes finished sums and stores them.
macro_rules! finish {
    ($a:literal, $b:literal, $c:literal, $d:literal) => {
        concat!(
            "tbz {flags:w}, #0, 20f\n",
            "ldr q0, [{head}, #176]\n",
            "sqshl v",
            $a,
            ".4s, v",
            $a,
            ".4s, v0.4s\n",
            "sqshl v",
            $b,
            ".4s, v",
            $b,
            ".4s, v0.4s\n",
            "sqshl v",
            $c,
            ".4s, v",
            $c,
            ".4s, v0.4s\n",
            "sqshl v",
            $d,
            ".4s, v",
            $d,
            ".4s, v0.4s\n",
            "20:\n",
            "ldp q0, q1, [{head}, #64]\n",
            "ldp q2, q3, [{head}, #96]\n",
            "sqrdmulh v",
            $a,
            ".4s, v",
            $a,
            ".4s, v0.4s\n",
            "sqrdmulh v",
            $b,
            ".4s, v",
            $b,
            ".4s, v1.4s\n",
            "sqrdmulh v",
            $c,
            ".4s, v",
            $c,
            ".4s, v2.4s\n",
            "sqrdmulh v",
            $d,
            ".4s, v",
            $d,
            ".4s, v3.4s\n",
            "ldr q0, [{head}, #128]\n",
            "sqxtn v",
            $a,
            ".4h, v",
            $a,
            ".4s\n",
            "sqxtn v",
            $c,
            ".4h, v",
            $c,
            ".4s\n",
            "sqxtn2 v",
            $a,
            ".8h, v",
            $b,
            ".4s\n",
            "sqxtn2 v",
            $c,
            ".8h, v",
            $d,
            ".4s\n",
            "sqadd v",
            $a,
            ".8h, v",
            $a,
            ".8h, v0.8h\n",
            "sqadd v",
            $c,
            ".8h, v",
            $c,
            ".8h, v0.8h\n",
            "sqxtn v",
            $a,
            ".8b, v",
            $a,
            ".8h\n",
            "sqxtn2 v",
            $a,
            ".16b, v",
            $c,
            ".8h\n",
            "tbz {flags:w}, #1, 21f\n",
            "ldp q0, q1, [{head}, #144]\n",
            "smax v",
            $a,
            ".16b, v",
            $a,
            ".16b, v0.16b\n",
            "smin v",
            $a,
            ".16b, v",
            $a,
            ".16b, v1.16b\n",
            "21:\n",
            "st1 {{v",
            $a,
            ".16b}}, [{out}], {out_stride}\n",
        )
    };
}

/// Computes a whole row of pixels: loads the weights of three columns, interleaved like the values.
macro_rules! row {
    ($panel:ident, $job:ident, $($body:expr),+ $(,)?) => {
        asm!(
            ".arch_extension dotprod",
            "ldp q4, q5, [{a}]",
            "ldp q6, q7, [{a}, #32]",
            "ldp q0, q1, [{b}], #32",
            "ldr q2, [{b}], #16",
            "tbl v20.16b, {{v0.16b, v1.16b, v2.16b}}, v4.16b",
            "tbl v21.16b, {{v0.16b, v1.16b, v2.16b}}, v5.16b",
            "tbl v22.16b, {{v0.16b, v1.16b, v2.16b}}, v6.16b",
            "tbl v23.16b, {{v0.16b, v1.16b, v2.16b}}, v7.16b",
            "ldp q0, q1, [{b}], #32",
            "ldr q2, [{b}], #16",
            "tbl v24.16b, {{v0.16b, v1.16b, v2.16b}}, v4.16b",
            "tbl v25.16b, {{v0.16b, v1.16b, v2.16b}}, v5.16b",
            "tbl v26.16b, {{v0.16b, v1.16b, v2.16b}}, v6.16b",
            "tbl v27.16b, {{v0.16b, v1.16b, v2.16b}}, v7.16b",
            "ldp q0, q1, [{b}], #32",
            "ldr q2, [{b}], #16",
            "tbl v28.16b, {{v0.16b, v1.16b, v2.16b}}, v4.16b",
            "tbl v29.16b, {{v0.16b, v1.16b, v2.16b}}, v5.16b",
            "tbl v30.16b, {{v0.16b, v1.16b, v2.16b}}, v6.16b",
            "tbl v31.16b, {{v0.16b, v1.16b, v2.16b}}, v7.16b",
            $($body,)+
            head = in(reg) &raw const $panel.head,
            flags = in(reg) $panel.head.flags,
            channel = in(reg) $panel.channel,
            taps = inout(reg) $job.taps => _,
            pixels = inout(reg) $job.pixels => _,
            out = inout(reg) $job.out.add($panel.channel) => _,
            out_stride = in(reg) $job.out_stride,
            a = inout(reg) INTERLEAVE.as_ptr() => _,
            b = inout(reg) $panel.weights => _,
            c = out(reg) _,
            out("v0") _, out("v1") _, out("v2") _, out("v3") _, out("v4") _, out("v5") _, out("v6") _,
            out("v7") _, out("v8") _, out("v9") _, out("v10") _, out("v11") _, out("v12") _, out("v13") _,
            out("v14") _, out("v15") _, out("v16") _, out("v17") _, out("v18") _, out("v19") _,
            out("v20") _, out("v21") _, out("v22") _, out("v23") _, out("v24") _, out("v25") _,
            out("v26") _, out("v27") _, out("v28") _, out("v29") _, out("v30") _, out("v31") _,
            options(nostack),
        )
    };
}

/// Computes windows one column apart: a column ends the sums of one pixel, continues those of the
/// next and begins those of a third.
///
/// # Safety
/// Same contract as [`taps`], with nine taps and pixels three pointers apart.
#[target_feature(enable = "dotprod")]
unsafe fn step_of_one(panel: &Panel, job: &Taps) {
    macro_rules! pixel {
        ($a:literal, $b:literal, $c:literal, $d:literal; $e:literal, $f:literal, $g:literal, $h:literal;
         $i:literal, $j:literal, $k:literal, $l:literal) => {
            concat!(
                column!(),
                "\n",
                begin!($i, $j, $k, $l),
                "\n",
                add!(4: ($a, 28), ($e, 24), ($i, 20)),
                add!(5: ($b, 29), ($f, 25), ($j, 21)),
                add!(6: ($c, 30), ($g, 26), ($k, 22)),
                add!(7: ($d, 31), ($h, 27), ($l, 23)),
                finish!($a, $b, $c, $d),
                "subs {pixels}, {pixels}, #1\n"
            )
        };
    }
    // SAFETY: the caller's promise: `pixels + 2` columns of three pointers, to 16 codes each.
    unsafe {
        row!(
            panel,
            job,
            column!(),
            begin!(8, 9, 10, 11),
            add!(4: (8, 20)),
            add!(5: (9, 21)),
            add!(6: (10, 22)),
            add!(7: (11, 23)),
            column!(),
            begin!(12, 13, 14, 15),
            add!(4: (8, 24), (12, 20)),
            add!(5: (9, 25), (13, 21)),
            add!(6: (10, 26), (14, 22)),
            add!(7: (11, 27), (15, 23)),
            "2:",
            pixel!(8, 9, 10, 11; 12, 13, 14, 15; 16, 17, 18, 19),
            "b.eq 3f",
            pixel!(12, 13, 14, 15; 16, 17, 18, 19; 8, 9, 10, 11),
            "b.eq 3f",
            pixel!(16, 17, 18, 19; 8, 9, 10, 11; 12, 13, 14, 15),
            "b.ne 2b",
            "3:",
        );
    }
}

/// Computes windows two columns apart: every other column ends the sums of one pixel and begins
/// those of the next.
///
/// # Safety
/// Same contract as [`taps`], with nine taps and pixels six pointers apart.
#[target_feature(enable = "dotprod")]
unsafe fn step_of_two(panel: &Panel, job: &Taps) {
    macro_rules! pixel {
        ($a:literal, $b:literal, $c:literal, $d:literal; $e:literal, $f:literal, $g:literal, $h:literal) => {
            concat!(
                column!(),
                "\n",
                add!(4: ($a, 24)),
                add!(5: ($b, 25)),
                add!(6: ($c, 26)),
                add!(7: ($d, 27)),
                column!(),
                "\n",
                begin!($e, $f, $g, $h),
                "\n",
                add!(4: ($a, 28), ($e, 20)),
                add!(5: ($b, 29), ($f, 21)),
                add!(6: ($c, 30), ($g, 22)),
                add!(7: ($d, 31), ($h, 23)),
                finish!($a, $b, $c, $d),
                "subs {pixels}, {pixels}, #1\n"
            )
        };
    }
    // SAFETY: the caller's promise: `2 * pixels + 1` columns of three pointers, to 16 codes each.
    unsafe {
        row!(
            panel,
            job,
            column!(),
            begin!(8, 9, 10, 11),
            add!(4: (8, 20)),
            add!(5: (9, 21)),
            add!(6: (10, 22)),
            add!(7: (11, 23)),
            "2:",
            pixel!(8, 9, 10, 11; 12, 13, 14, 15),
            "b.eq 3f",
            pixel!(12, 13, 14, 15; 8, 9, 10, 11),
            "b.ne 2b",
            "3:",
        );
    }
}
