//! Dispatches each step to a kernel of the plan's instruction set or to portable code.

use offshoot_core::Shape;
use offshoot_core::graph::{Blob, FloatOp, Int8Op, Op, Window};

use crate::isa::{Isa, Kind};
use crate::kernels::drive::{self, dynamic};
use crate::kernels::job::Kernel;
use crate::kernels::run::{self, Memory, Run, Share};
use crate::pack::{Constants, Layout};
use crate::plan::step::{Step, StepOp, Value};
use crate::target::Target;

/// Evaluates `$fast` with `$kernel` bound, or `$portable`.
macro_rules! by_isa {
    ($isa:expr, $kernel:ident => $fast:expr, $portable:expr) => {
        match $isa.0 {
            Kind::Generic => $portable,
            Kind::Absent($kernel) => $fast,
            #[cfg(arm_dsp)]
            Kind::Dsp($kernel) => $fast,
            #[cfg(arm_mve)]
            Kind::Helium($kernel) => $fast,
            #[cfg(all(target_arch = "arm", target_os = "linux"))]
            Kind::Armv7($kernel) => $fast,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx2($kernel) => $fast,
            #[cfg(target_arch = "x86_64")]
            Kind::AvxVnni($kernel) => $fast,
            #[cfg(target_arch = "x86_64")]
            Kind::Avx512Vnni($kernel) => $fast,
            #[cfg(target_arch = "aarch64")]
            Kind::Neon($kernel) => $fast,
            #[cfg(target_arch = "aarch64")]
            Kind::NeonDot($kernel) => $fast,
            #[cfg(target_arch = "aarch64")]
            Kind::NeonI8mm($kernel) => $fast,
            #[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
            Kind::Simd128($kernel) => $fast,
        }
    };
}

#[cfg(all(test, feature = "std", any(target_os = "linux", target_arch = "wasm32")))]
pub(crate) use by_isa;

impl Isa {
    /// Returns the order of weights that the kernels read; [`None`] for [`Isa::GENERIC`], which
    /// reads them as they lie in the package.
    pub fn target(self) -> Option<Target> {
        fn of<K: Kernel>(_: K) -> Target {
            K::TARGET
        }
        by_isa!(self, kernel => Some(of(kernel)), None)
    }

    /// Returns the name: `generic`, `avx2`, `avx-vnni`, `avx512-vnni`, `armv7-neon`,
    /// `cortex-m`, `helium`, `neon`, `neon-dot`, `neon-i8mm` or `wasm-simd128`.
    pub fn name(self) -> &'static str {
        self.target().map_or("generic", |target| target.name())
    }
}

/// Kind of kernel job that a node becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Work {
    Rows {
        window: Window,
        groups: usize,
    },
    Taps {
        window: Window,
    },
    /// Layer whose rows are quantized in the run.
    Linear,
    /// Portable code, or a job without scratch.
    Other,
}

impl Work {
    pub fn of(isa: Isa, op: &Op, input: Shape, output: Shape) -> Self {
        if let Op::Ordered(FloatOp::Linear { .. }) = op {
            return Self::Linear;
        }
        let Op::Int8(op) = op else { return Self::Other };
        let Int8Op::Conv { window, groups, .. } = *op else { return Self::Other };
        match op.is_depthwise(input.c(), output.c()) {
            _ if isa == Isa::GENERIC => Self::Other,
            false => Self::Rows { window, groups: groups.into() },
            true if drive::takes(&window) => Self::Taps { window },
            true => Self::Other,
        }
    }

    /// Returns the bytes of scratch for calls that compute at most `pixels`, at most `room` where
    /// less is enough.
    pub fn scratch_bytes(self, isa: Isa, input: Shape, pixels: usize, room: usize) -> usize {
        match self {
            Self::Rows { window, groups } => {
                by_isa!(isa, kernel => conv_scratch(kernel, &window, groups, input, pixels, room), 0)
            }
            Self::Taps { .. } => drive::depthwise_scratch(input.c()),
            Self::Linear => {
                by_isa!(isa, kernel => linear_scratch(kernel, input.c(), pixels), input.c())
            }
            Self::Other => 0,
        }
    }
}

fn conv_scratch<K: Kernel>(
    _: K,
    window: &Window,
    groups: usize,
    input: Shape,
    pixels: usize,
    room: usize,
) -> usize {
    drive::conv_scratch::<K>(window, groups, input, pixels, room)
}

fn linear_scratch<K: Kernel>(_: K, depth: usize, pixels: usize) -> usize {
    match K::TARGET.sums {
        Some(layout) => dynamic::scratch::<K>(&layout, depth, pixels),
        None => depth,
    }
}

/// Constants of a convolution that a kernel computes, with the layout that it reads.
struct Packing {
    layout: Layout,
    window: Window,
    /// Number of groups of panels that the channels form.
    groups: usize,
    /// Input channels of one output channel.
    depth: usize,
    depthwise: bool,
    blobs: [Blob; 3],
}

fn packing(target: &Target, step: &Step) -> Option<Packing> {
    match step.op {
        StepOp::Conv { window, groups, weights, bias, mantissas, .. } => Some(Packing {
            layout: target.rows,
            window,
            groups,
            depth: step.a.shape.c() / groups,
            depthwise: false,
            blobs: [weights, bias, mantissas],
        }),
        StepOp::Depthwise { window, weights, bias, mantissas, .. } if drive::takes(&window) => {
            let blobs = [weights, bias, mantissas];
            Some(Packing {
                layout: target.taps,
                window,
                groups: 1,
                depth: 1,
                depthwise: true,
                blobs,
            })
        }
        // What would be bias and mantissas is applied to the accumulators.
        StepOp::Ordered(FloatOp::Linear { weights, .. }) => Some(Packing {
            layout: target.sums?,
            window: Window::POINT,
            groups: 1,
            depth: step.a.shape.c(),
            depthwise: false,
            blobs: [weights, Blob::default(), Blob::default()],
        }),
        _ => None,
    }
}

impl Packing {
    /// Number of weights of an output channel, empty places included.
    fn places(&self) -> usize {
        let [rows, columns] = self.window.kernel.map(usize::from);
        if self.depthwise {
            columns * self.layout.column(rows)
        } else {
            rows * columns * self.depth
        }
    }

    fn bytes(&self, channels: usize) -> usize {
        self.layout.bytes(channels / self.groups, self.places()).saturating_mul(self.groups)
    }

    fn write(&self, a: &Value, out: &Value, weights: &[u8], packed: &mut [i8]) {
        let [codes, bias, mantissas] = self.blobs;
        let codes = codes.codes(weights);
        let channels = out.shape.c();
        let fan_in = self.places();
        let size = packed.len() / self.groups;
        for (group, panels) in packed.chunks_exact_mut(size).enumerate() {
            let channels_here = channels / self.groups;
            let constants = Constants {
                weight: |channel: usize, place: usize, row: &mut [i8]| {
                    if self.depthwise {
                        self.copy_taps(&codes[channel..], channels, place, row);
                    } else {
                        row.copy_from_slice(&codes[channel * fan_in + place..][..row.len()]);
                    }
                },
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

    /// Copies the depthwise weights of a channel from `place` on; `stride` is the number of
    /// channels. Kernels go down the columns, the package along the rows.
    fn copy_taps(&self, codes: &[i8], stride: usize, place: usize, row: &mut [i8]) {
        let [rows, columns] = self.window.kernel.map(usize::from);
        let column = self.layout.column(rows);
        for (slot, place) in row.iter_mut().zip(place..columns * column) {
            let x = place / column;
            let y = place % column;
            *slot = if y < rows { codes[(y * columns + x) * stride] } else { 0 };
        }
    }
}

/// Returns the bytes of a step's panels.
pub(crate) fn packed_bytes(target: &Target, step: &Step) -> usize {
    packing(target, step).map_or(0, |packing| packing.bytes(step.out.shape.c()))
}

/// Writes a step's panels.
pub(crate) fn pack(target: &Target, step: &Step, weights: &[u8], packed: &mut [i8]) {
    if let Some(packing) = packing(target, step) {
        packing.write(&step.a, &step.out, weights, packed);
    }
}

/// Runs one part of a step, or of a chain of steps, with the memory of one thread.
pub(crate) fn run(isa: Isa, steps: &[Step], memory: Memory<'_>, share: Share) {
    by_isa!(
        isa,
        kernel => Run { kernel, memory, share }.steps(steps),
        run::shared(&steps[0], memory, share)
    );
}
