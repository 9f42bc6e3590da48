//! Who does a step: a kernel of the plan's instruction set, or portable code.

use offshoot_core::Shape;
use offshoot_core::graph::{Blob, Int8Op, Op, Window};

use crate::isa::{Isa, Kind};
use crate::kernels::drive;
use crate::kernels::job::{Kernel, Tail};
use crate::ops;
use crate::pack::{Constants, Layout};
use crate::step::{Step, StepOp, Value};

/// `$fast` with `$kernel` bound, or `$portable`.
macro_rules! by_isa {
    ($isa:expr, $kernel:ident => $fast:expr, $portable:expr) => {
        match $isa.0 {
            Kind::Generic => $portable,
            #[cfg(not(any(
                target_arch = "x86_64",
                target_arch = "aarch64",
                all(target_arch = "arm", target_os = "linux")
            )))]
            Kind::Absent($kernel) => $fast,
            #[cfg(all(target_arch = "arm", target_os = "linux"))]
            Kind::Armv7($kernel) => $fast,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2($kernel) => $fast,
            #[cfg(target_arch = "aarch64")]
            Kind::Neon($kernel) => $fast,
            #[cfg(target_arch = "aarch64")]
            Kind::NeonDot($kernel) => $fast,
            #[cfg(target_arch = "aarch64")]
            Kind::NeonI8mm($kernel) => $fast,
        }
    };
}

/// Bytes that a node works in besides its operands.
pub(crate) fn scratch_bytes(isa: Isa, op: &Op, input: Shape, output: Shape) -> usize {
    let Op::Int8(op) = op else { return 0 };
    let Int8Op::Conv { window, groups, .. } = op else { return 0 };
    let depthwise = op.is_depthwise(input.c(), output.c());
    by_isa!(isa, kernel => scratch(kernel, window, *groups, depthwise, input, output), 0)
}

fn scratch<K: Kernel>(
    _: K,
    window: &Window,
    groups: u16,
    depthwise: bool,
    input: Shape,
    output: Shape,
) -> usize {
    match depthwise {
        true if window.taps() <= drive::MAX_TAPS => drive::depthwise_scratch(output.c()),
        true => 0,
        false => drive::conv_scratch::<K>(window, groups.into(), input, output),
    }
}

/// The constants of a convolution that a kernel does, with how it wants them.
struct Packing {
    layout: Layout,
    window: Window,
    /// Channels come in that many groups of panels.
    groups: usize,
    /// Input channels that one output channel sees.
    depth: usize,
    depthwise: bool,
    blobs: [Blob; 3],
}

fn packing<K: Kernel>(_: K, step: &Step) -> Option<Packing> {
    match step.op {
        StepOp::Conv { window, groups, weights, bias, mantissas, .. } => Some(Packing {
            layout: K::ROWS,
            window,
            groups,
            depth: step.a.shape.c() / groups,
            depthwise: false,
            blobs: [weights, bias, mantissas],
        }),
        StepOp::Depthwise { window, weights, bias, mantissas, .. } if window.taps() <= drive::MAX_TAPS => {
            let blobs = [weights, bias, mantissas];
            Some(Packing { layout: K::TAPS, window, groups: 1, depth: 1, depthwise: true, blobs })
        }
        _ => None,
    }
}

impl Packing {
    fn bytes(&self, channels: usize) -> usize {
        self.groups * self.layout.bytes(channels / self.groups, self.window.taps() * self.depth)
    }

    fn write(&self, a: &Value, out: &Value, weights: &[u8], packed: &mut [i8]) {
        let [codes, bias, mantissas] = self.blobs;
        let codes = codes.codes(weights);
        let (channels, fan_in) = (out.shape.c(), self.window.taps() * self.depth);
        let depthwise = self.depthwise;
        let [rows, columns] = self.window.kernel.map(usize::from);
        let size = packed.len() / self.groups;
        for (group, panels) in packed.chunks_exact_mut(size).enumerate() {
            let channels_here = channels / self.groups;
            let weight = |channel: usize, place: usize| {
                if depthwise {
                    // Kernels go down the columns, the package along the rows.
                    let place = place % rows * columns + place / rows;
                    codes[place * channels + channel]
                } else {
                    codes[channel * fan_in + place]
                }
            };
            let constants = Constants {
                weight,
                bias: bias.of(weights),
                mantissas: mantissas.of(weights),
                first: group * channels_here,
                channels: channels_here,
                fan_in,
                zero: a.zero(),
            };
            self.layout.pack(&constants, panels);
        }
    }
}

/// Bytes of a step's panels.
pub(crate) fn packed_bytes(isa: Isa, step: &Step) -> usize {
    let packing = by_isa!(isa, kernel => packing(kernel, step), None);
    packing.map_or(0, |packing: Packing| packing.bytes(step.out.shape.c()))
}

/// Writes a step's panels.
pub(crate) fn pack(isa: Isa, step: &Step, weights: &[u8], packed: &mut [i8]) {
    let packing = by_isa!(isa, kernel => packing(kernel, step), None);
    if let Some(packing) = packing {
        packing.write(&step.a, &step.out, weights, packed);
    }
}

/// Runs one step.
pub(crate) fn run(isa: Isa, step: &Step, weights: &[u8], packed: &[i8], arena: &mut [i8]) {
    let done = by_isa!(isa, kernel => accelerated(kernel, step, &packed[step.packed.range()], arena), false);
    if !done {
        ops::run(step, weights, arena);
    }
}

/// Whether the kernel had an answer.
fn accelerated<K: Kernel>(kernel: K, step: &Step, packed: &[i8], arena: &mut [i8]) -> bool {
    let (a, out) = (&step.a, &step.out);
    let (window, groups, shift, clamp) = match step.op {
        StepOp::Conv { window, groups, shift, clamp, .. } => (window, groups, shift, clamp),
        StepOp::Depthwise { window, shift, clamp, .. } if window.taps() <= drive::MAX_TAPS => {
            (window, 1, shift, clamp)
        }
        StepOp::Add { a: affine, b: factor, clamp } => {
            drive::add(kernel, arena, [a, &step.b, out], affine, factor, clamp);
            return true;
        }
        _ => return false,
    };
    let tail = Tail { shift, zero: out.quant.zero_point, clamp };
    let layer = drive::Layer { window, groups, packed, tail };
    let ranges = [a.range(), out.range(), step.scratch.range()];
    let [x, y, scratch] = arena.get_disjoint_mut(ranges).expect("planned apart");
    match step.op {
        StepOp::Depthwise { .. } => drive::depthwise(kernel, &layer, scratch, (a, x), (out, y)),
        _ => drive::conv(kernel, &layer, scratch, (a, x), (out, y)),
    }
    true
}
