//! MobileNetV2 1.0/224 up to its 1280 features, with random weights: time of a run and of its
//! slowest steps, for every instruction set of this processor.
//!
//! ```text
//! cargo run --release -p offshoot-engine --features std --example mobilenet_v2 [RUNS | count] [ISA]
//! ```
//!
//! `count` runs twice and marks the second run for an instruction counter (targets/count-arm.sh).
//!
//! Needs no package and no tract, so that it crosses to any board; weights do not change the time.

use std::time::Instant;

use offshoot_core::graph::{Affine, Clamp, Element, Graph, Int8Op, Op, Tensor, TensorId, Window};
use offshoot_core::package::GraphWriter;
use offshoot_core::{Multiplier, Quant, Scale, Shape};
use offshoot_engine::{Isa, Plan, Slot, Step};

/// Expansion, output channels, repetitions, first stride (Sandler et al. 2018, table 2).
const BLOCKS: [(u32, u32, usize, u8); 7] = [
    (1, 16, 1, 1),
    (6, 24, 2, 2),
    (6, 32, 3, 2),
    (6, 64, 4, 2),
    (6, 96, 3, 1),
    (6, 160, 3, 2),
    (6, 320, 1, 1),
];

struct Builder {
    writer: GraphWriter,
    last: (TensorId, Shape),
    state: u64,
}

impl Builder {
    fn new(input: Shape) -> Self {
        Self { writer: GraphWriter::new(tensor(input)), last: (Graph::INPUT, input), state: 1 }
    }

    fn random(&mut self, n: usize) -> Vec<i8> {
        (0..n).map(|_| self.next()).collect()
    }

    fn next(&mut self) -> i8 {
        self.state = self.state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        ((self.state >> 40) as i8).max(-127)
    }

    fn conv(&mut self, channels: u32, kernel: u8, stride: u8, depthwise: bool) {
        let (from, input) = self.last;
        let pad = kernel / 2;
        let window =
            Window { kernel: [kernel; 2], stride: [stride; 2], dilation: [1; 2], pad: [pad; 4] };
        let (h, w) = window.output(input).expect("shapes of the paper");
        let shape = Shape::new(h, w, channels).expect("shapes of the paper");
        let depth = if depthwise { 1 } else { input.c() };
        let weights = self.random(channels as usize * window.taps() * depth);
        let factor = Multiplier::new(0.01).expect("a factor below 1");
        let op = Int8Op::Conv {
            window,
            groups: if depthwise { channels as u16 } else { 1 },
            weights: self.writer.codes(&weights).expect("small"),
            bias: self.writer.words(&vec![100; channels as usize]).expect("small"),
            mantissas: self.writer.words(&vec![factor.mantissa; channels as usize]).expect("small"),
            shift: factor.shift,
            clamp: Clamp::NONE,
        };
        let id = self.writer.node("conv", Op::Int8(op), &[from], tensor(shape)).expect("small");
        self.last = (id, shape);
    }

    fn add(&mut self, other: TensorId) {
        let (from, shape) = self.last;
        let a = Affine { factor: 1 << 14, offset: 1 << 14, shift: 15 };
        let op = Op::Int8(Int8Op::Add { a, b: 1 << 14, clamp: Clamp::NONE });
        let id = self.writer.node("add", op, &[from, other], tensor(shape)).expect("small");
        self.last = (id, shape);
    }

    fn pool(&mut self) {
        let (from, shape) = self.last;
        let window = Window::covering(shape).expect("small");
        let op = Int8Op::AveragePool {
            window,
            include_pad: false,
            multiplier: Multiplier::new(1.0).expect("one"),
            clamp: Clamp::NONE,
        };
        let shape = Shape::vector(shape.c() as u32).expect("small");
        let id = self.writer.node("pool", Op::Int8(op), &[from], tensor(shape)).expect("small");
        self.last = (id, shape);
    }
}

fn tensor(shape: Shape) -> Tensor {
    let scale = Scale::new(0.02).expect("a normal number");
    Tensor { shape, element: Element::Int8(Quant { scale, zero_point: -3 }) }
}

fn mobilenet_v2() -> (GraphWriter, TensorId) {
    let mut net = Builder::new(Shape::new(224, 224, 3).expect("small"));
    net.conv(32, 3, 2, false);
    for (expansion, channels, repeat, stride) in BLOCKS {
        for i in 0..repeat {
            let (before, shape) = net.last;
            let stride = if i == 0 { stride } else { 1 };
            let wide = shape.c() as u32 * expansion;
            if expansion > 1 {
                net.conv(wide, 1, 1, false);
            }
            net.conv(wide, 3, stride, true);
            net.conv(channels, 1, 1, false);
            if stride == 1 && shape.c() == channels as usize {
                net.add(before);
            }
        }
    }
    net.conv(1280, 1, 1, false);
    net.pool();
    (net.writer, net.last.0)
}

/// Charges what follows to a region of the instruction counter; to processors it is a NOP.
fn mark<const REGION: u32>() {
    #[cfg(target_arch = "aarch64")]
    // SAFETY: an unallocated hint does nothing.
    unsafe {
        core::arch::asm!(".inst 0xd5032c1f + ({region} << 5)", region = const REGION)
    };
    #[cfg(target_arch = "arm")]
    // SAFETY: as above.
    unsafe {
        core::arch::asm!(".inst 0xe320f060 + {region}", region = const REGION)
    };
}

fn main() {
    let mut args = std::env::args().skip(1);
    let first = args.next();
    let counts = first.as_deref() == Some("count");
    let runs = match first {
        Some(n) if !counts => n.parse().expect("a number of runs"),
        _ => 20,
    };
    let only = args.next();
    let (writer, output) = mobilenet_v2();
    let graph = writer.graph(output).expect("a valid graph");
    for isa in Isa::available().filter(|isa| only.as_ref().is_none_or(|name| isa.name() == name)) {
        let mut slots = vec![Slot::EMPTY; Plan::<Vec<Step>>::slots_needed(&graph)];
        let steps = Plan::<Vec<Step>>::steps_needed(&graph, 0..graph.node_count()).expect("int8");
        let plan = Plan::new(&graph, isa, &mut slots, vec![Step::EMPTY; steps]).expect("int8");
        let mut packed = vec![0; plan.packed_bytes()];
        plan.pack(graph.weights(), &mut packed).expect("as long as asked");
        let mut arena = vec![0; plan.arena_bytes()];
        if counts {
            plan.run(graph.weights(), &packed, &mut arena).expect("as long as asked");
            mark::<1>();
            plan.run(graph.weights(), &packed, &mut arena).expect("as long as asked");
            mark::<0>();
            println!("{isa}");
            continue;
        }
        let mut times: Vec<f64> = (0..runs)
            .map(|_| {
                arena[plan.input().range()].fill(1);
                let start = Instant::now();
                plan.run(graph.weights(), &packed, &mut arena).expect("as long as asked");
                start.elapsed().as_secs_f64() * 1e3
            })
            .collect();
        times.sort_by(f64::total_cmp);
        let sum: i64 = arena[plan.output().range()].iter().map(|&c| i64::from(c)).sum();
        println!(
            "{isa}: median {:.2} ms, best {:.2} ms, arena {} (largest live set {}), packed {}, checksum {sum}",
            times[times.len() / 2],
            times[0],
            plan.arena_bytes(),
            plan.live_set_bytes(),
            plan.packed_bytes()
        );
    }
}
