//! The engine against `sdk/docs/numerics.md`, written down a second time in the plainest way:
//! every operation, on random shapes, windows, scales and zero points, bit for bit.

use offshoot_core::graph::{Affine, Clamp, Element, Graph, Int8Op, Op, Tensor, TensorId, Window};
use offshoot_core::package::GraphWriter;
use offshoot_core::{Multiplier, Quant, Scale, Shape};
use offshoot_engine::{Config, Isa, Plan, PlanError, RunError, Slot, Step};

/// Numerical Recipes' generator: the same cases on every machine.
struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    fn below(&mut self, n: u32) -> u32 {
        self.next() % n
    }

    fn code(&mut self) -> i8 {
        self.below(256) as u8 as i8
    }

    fn codes(&mut self, n: usize) -> Vec<i8> {
        // Now and then only extremes, which is where arithmetic breaks.
        let extreme = self.below(8) == 0;
        (0..n).map(|_| if extreme { [-128, 127][self.below(2) as usize] } else { self.code() }).collect()
    }

    fn tensor(&mut self, shape: Shape) -> Tensor {
        let scale = Scale::new(0.001 + self.below(1000) as f32 * 0.0007).unwrap();
        Tensor { shape, element: Element::Int8(Quant { scale, zero_point: self.code() }) }
    }

    fn clamp(&mut self) -> Clamp {
        let (a, b) = (self.code(), self.code());
        if self.below(2) == 0 { Clamp::NONE } else { Clamp { lo: a.min(b), hi: a.max(b) } }
    }
}

fn zero(t: &Tensor) -> i64 {
    t.element.quant().unwrap().zero_point.into()
}

/// Runs a graph with every instruction set this processor has, with the caller's memory exactly as
/// large as the plan says and canaries around it; all must agree.
fn run(writer: &GraphWriter, output: u16, input: &[i8]) -> Vec<i8> {
    let graph = writer.graph(output).unwrap();
    let reference = run_with(Isa::GENERIC, &graph, input);
    for isa in Isa::available() {
        for threads in 1..4 {
            let config = Config { threads: threads.try_into().unwrap(), ..isa.into() };
            assert_eq!(run_with(config, &graph, input), reference, "{config:?} differs from generic");
        }
        let config = Config { chains: false, ..isa.into() };
        assert_eq!(run_with(config, &graph, input), reference, "{config:?} differs from generic");
    }
    reference
}

fn run_with(config: impl Into<Config>, graph: &Graph<'_>, input: &[i8]) -> Vec<i8> {
    // Every alignment in turn.
    run_at(config.into(), graph, input, input.len() % 17, input.len() % 13)
}

/// With arena and packed weights that many bytes off.
fn run_at(config: Config, graph: &Graph<'_>, input: &[i8], offset: usize, packed_offset: usize) -> Vec<i8> {
    const CANARY: i8 = 0x55;
    let plan = plan(graph, config);
    let mut packed = vec![CANARY; plan.packed_bytes() + 64];
    let packed = &mut packed[packed_offset..];
    plan.pack(graph.weights(), packed).unwrap();
    assert!(packed[plan.packed_bytes()..].iter().all(|&c| c == CANARY));
    let mut memory = vec![CANARY; plan.arena_bytes() + 64];
    let arena = &mut memory[offset..];
    arena[plan.input().range()].copy_from_slice(input);
    let (used, canaries) = arena.split_at_mut(plan.arena_bytes());
    plan.run(graph.weights(), packed, used).unwrap();
    let result = used[plan.output().range()].to_vec();
    assert!(canaries.iter().all(|&c| c == CANARY), "{config:?} wrote behind the arena");
    assert!(memory[..offset].iter().all(|&c| c == CANARY), "{config:?} wrote before the arena");
    result
}

fn requant(acc: i64, mantissa: i64, shift: u8, zero: i64, clamp: Clamp) -> i8 {
    let doubled = (acc << shift).clamp(i32::MIN.into(), i32::MAX.into());
    let scaled = (doubled * mantissa + (1 << 30)) >> 31;
    (scaled + zero).clamp(clamp.lo.into(), clamp.hi.into()) as i8
}

/// Every position of the window with the input position it reads, if that is inside.
fn taps(window: &Window, oy: usize, ox: usize, shape: Shape) -> Vec<(usize, usize, Option<usize>)> {
    let mut out = Vec::new();
    for ky in 0..usize::from(window.kernel[0]) {
        for kx in 0..usize::from(window.kernel[1]) {
            let place = |o: usize, k: usize, axis: usize, n: usize| {
                let at = (o * usize::from(window.stride[axis]) + k * usize::from(window.dilation[axis]))
                    as i64
                    - i64::from(window.pad[axis]);
                (0..n as i64).contains(&at).then_some(at as usize)
            };
            let at = place(oy, ky, 0, shape.h()).zip(place(ox, kx, 1, shape.w()));
            out.push((ky, kx, at.map(|(y, x)| (y * shape.w() + x) * shape.c())));
        }
    }
    out
}

fn random_window(rng: &mut Rng, pool: bool) -> Window {
    let mut side = || (1 + rng.below(5)) as u8;
    let kernel = [side(), side()];
    let dilation = if pool { [1, 1] } else { [1 + rng.below(2) as u8, 1 + rng.below(2) as u8] };
    let mut pad = [0u8; 4];
    for (i, p) in pad.iter_mut().enumerate() {
        let limit = if pool { u32::from(kernel[i % 2]) } else { 7 };
        *p = rng.below(limit) as u8;
    }
    Window { kernel, stride: [1 + rng.below(3) as u8, 1 + rng.below(3) as u8], dilation, pad }
}

fn random_shape(rng: &mut Rng, channels: u32) -> Shape {
    Shape::new(1 + rng.below(9), 1 + rng.below(9), channels).unwrap()
}

/// A convolution's constants.
struct Conv {
    window: Window,
    groups: u16,
    weights: Vec<i8>,
    bias: Vec<i32>,
    mantissas: Vec<i32>,
    shift: u8,
    clamp: Clamp,
}

impl Conv {
    fn random(rng: &mut Rng, depth: usize, channels: usize, groups: u16, window: Window) -> Self {
        Self {
            window,
            groups,
            weights: rng.codes(window.taps() * depth * channels),
            bias: (0..channels).map(|_| rng.next() as i32 >> 12).collect(),
            mantissas: (0..channels).map(|_| rng.next() as i32 >> rng.below(16)).collect(),
            shift: [0, 0, 0, 3, 15][rng.below(5) as usize],
            clamp: rng.clamp(),
        }
    }

    fn write(&self, writer: &mut GraphWriter, out: Tensor) -> u16 {
        let op = Int8Op::Conv {
            window: self.window,
            groups: self.groups,
            weights: writer.codes(&self.weights).unwrap(),
            bias: writer.words(&self.bias).unwrap(),
            mantissas: writer.words(&self.mantissas).unwrap(),
            shift: self.shift,
            clamp: self.clamp,
        };
        writer.node("conv", Op::Int8(op), &[0], out).unwrap()
    }

    /// Section 5.2.
    fn want(&self, a: &Tensor, out: &Tensor, x: &[i8]) -> Vec<i8> {
        let (input, channels, groups) = (a.shape, out.shape.c(), usize::from(self.groups));
        let (depth, per_group) = (input.c() / groups, channels / groups);
        let depthwise = groups > 1 && groups == input.c() && groups == channels;
        let mut want = Vec::new();
        for (oy, ox) in (0..out.shape.h()).flat_map(|y| (0..out.shape.w()).map(move |x| (y, x))) {
            let taps = taps(&self.window, oy, ox, input);
            for o in 0..channels {
                let mut acc = i64::from(self.bias[o]);
                for (ky, kx, at) in &taps {
                    let tap = ky * usize::from(self.window.kernel[1]) + kx;
                    for i in 0..depth {
                        let weight = if depthwise {
                            self.weights[tap * channels + o]
                        } else {
                            self.weights[(o * self.window.taps() + tap) * depth + i]
                        };
                        let value = at.map_or(0, |at| i64::from(x[at + o / per_group * depth + i]) - zero(a));
                        acc += value * i64::from(weight);
                    }
                }
                want.push(requant(acc, self.mantissas[o].into(), self.shift, zero(out), self.clamp));
            }
        }
        want
    }
}

fn conv_case(rng: &mut Rng, input: Shape, channels: u32, groups: u16, window: Window) -> bool {
    let Some((h, w)) = window.output(input) else { return false };
    let (a, out) = (rng.tensor(input), rng.tensor(Shape::new(h, w, channels).unwrap()));
    let conv = Conv::random(rng, input.c() / usize::from(groups), channels as usize, groups, window);
    let mut writer = GraphWriter::new(a);
    let id = conv.write(&mut writer, out);
    let x = rng.codes(input.elements());
    assert_eq!(
        run(&writer, id, &x),
        conv.want(&a, &out, &x),
        "{input} -> {channels} / {groups} {window:?} shift {} {:?}",
        conv.shift,
        conv.clamp
    );
    true
}

#[test]
fn convolutions() {
    let mut rng = Rng(1);
    let mut ran = 0;
    for _ in 0..400 {
        let window = random_window(&mut rng, false);
        let groups = [1, 1, 2, 3][rng.below(4) as usize];
        let (input, output) = (groups * (1 + rng.below(20)), groups * (1 + rng.below(11)));
        let shape = random_shape(&mut rng, input);
        ran += usize::from(conv_case(&mut rng, shape, output, groups as u16, window));
    }
    assert!(ran > 200);
}

#[test]
fn depthwise_convolutions() {
    let mut rng = Rng(2);
    for _ in 0..300 {
        let window = random_window(&mut rng, false);
        let channels = 2 + rng.below(40);
        let shape = random_shape(&mut rng, channels);
        conv_case(&mut rng, shape, channels, channels as u16, window);
    }
}

/// Two tiles and one more of whatever a kernel tiles: no tile is larger than 16.
const SIZES: std::ops::RangeInclusive<u32> = 1..=33;

#[test]
fn every_size_of_tile() {
    let mut rng = Rng(8);
    for i in SIZES {
        for j in SIZES {
            let any = 1 + rng.below(20);
            for [pixels, channels, depth] in [[i.min(17), j, any], [i.min(17), any, j], [any, i, j]] {
                let shape = Shape::new(1, pixels, depth).unwrap();
                assert!(conv_case(&mut rng, shape, channels, 1, Window::POINT));
            }
        }
    }
}

#[test]
fn depthwise_windows_of_every_width() {
    let mut rng = Rng(9);
    for channels in SIZES.skip(1) {
        for (kernel, stride, pad) in
            [(3, 1, 1), (3, 2, 1), (3, 1, 0), (3, 2, 0), (3, 3, 1), (5, 1, 2), (5, 2, 1)]
        {
            for width in [kernel, kernel + 1 + rng.below(14)] {
                let shape = Shape::new(3 + rng.below(3), width, channels).unwrap();
                let window = Window {
                    kernel: [kernel as u8; 2],
                    stride: [stride; 2],
                    dilation: [1; 2],
                    pad: [pad; 4],
                };
                conv_case(&mut rng, shape, channels, channels as u16, window);
            }
        }
    }
    // Wider than what is handled at a time.
    for (stride, dilation) in [(1, 1), (2, 1), (1, 2)] {
        let window = Window { kernel: [3; 2], stride: [1, stride], dilation: [1, dilation], pad: [1; 4] };
        assert!(conv_case(&mut rng, Shape::new(3, 400, 17).unwrap(), 17, 17, window));
    }
}

/// The largest products that there are, all of one sign: -128 times -128, where 16 bits are too few
/// for two of them.
#[test]
fn largest_products() {
    let mut rng = Rng(10);
    let square = Window { kernel: [3; 2], stride: [1; 2], dilation: [1; 2], pad: [1; 4] };
    for (window, groups) in
        [(Window::POINT, 1), (square, 1), (square, 32), (Window { stride: [2; 2], ..square }, 32)]
    {
        for (weight, code) in [(-128, -128), (-128, 127), (127, -128), (-127, -128)] {
            let shape = Shape::new(5, 5, 32).unwrap();
            let (h, w) = window.output(shape).unwrap();
            let a = rng.tensor(shape);
            let quant = Quant { scale: Scale::ONE, zero_point: 0 };
            let out = Tensor { shape: Shape::new(h, w, 32).unwrap(), element: Element::Int8(quant) };
            let mut conv = Conv::random(&mut rng, 32 / usize::from(groups), 32, groups, window);
            conv.weights.fill(weight);
            // Codes up to 60 that are not clamped, so that a wrong sum is seen.
            let products = window.taps() * 32 / usize::from(groups);
            conv.mantissas.fill(((60 << 31) / (products as i64 * 255 * 128)) as i32);
            conv.bias.fill(0);
            (conv.shift, conv.clamp) = (0, Clamp::NONE);
            let mut writer = GraphWriter::new(a);
            let id = conv.write(&mut writer, out);
            let x = vec![code; shape.elements()];
            assert_eq!(run(&writer, id, &x), conv.want(&a, &out, &x), "{weight} * {code} {window:?}");
        }
    }
}

#[test]
fn every_alignment() {
    let mut rng = Rng(11);
    let square = Window { kernel: [3; 2], stride: [1; 2], dilation: [1; 2], pad: [1; 4] };
    for (window, groups) in [(Window::POINT, 1), (square, 1), (square, 24)] {
        let shape = Shape::new(5, 5, 24).unwrap();
        let (a, out) = (rng.tensor(shape), rng.tensor(shape));
        let conv = Conv::random(&mut rng, 24 / usize::from(groups), 24, groups, window);
        let mut writer = GraphWriter::new(a);
        let id = conv.write(&mut writer, out);
        let x = rng.codes(shape.elements());
        let (graph, want) = (writer.graph(id).unwrap(), conv.want(&a, &out, &x));
        for isa in Isa::available() {
            for offset in 0..16 {
                assert_eq!(
                    run_at(isa.into(), &graph, &x, offset, 15 - offset),
                    want,
                    "{isa} {offset} {window:?}"
                );
            }
        }
    }
}

#[test]
fn long_fan_in_reads_rows_in_place() {
    let mut rng = Rng(3);
    for (channels, kernel, dilation) in [(64, 3, 1), (64, 3, 2), (520, 1, 1), (600, 2, 1), (90, 5, 1)] {
        let window =
            Window { kernel: [kernel; 2], stride: [1, 2], dilation: [dilation; 2], pad: [1, 2, 0, 1] };
        let shape = Shape::new(6, 7, channels).unwrap();
        assert!(conv_case(&mut rng, shape, 5, 1, window));
        assert!(conv_case(&mut rng, shape, 6, 2, Window { kernel: [5; 2], pad: [4; 4], ..window }));
    }
}

/// A convolution's node with random constants; codes come out neither all equal nor all clamped.
fn random_conv(
    rng: &mut Rng,
    writer: &mut GraphWriter,
    (from, input): (TensorId, Shape),
    channels: u32,
    groups: u16,
    window: Window,
) -> (TensorId, Shape) {
    let (h, w) = window.output(input).unwrap();
    let shape = Shape::new(h, w, channels).unwrap();
    let depth = input.c() / usize::from(groups);
    let weights = rng.codes(window.taps() * depth * channels as usize);
    let bias: Vec<i32> = (0..channels).map(|_| rng.next() as i32 >> 20).collect();
    let op = Int8Op::Conv {
        window,
        groups,
        weights: writer.codes(&weights).unwrap(),
        bias: writer.words(&bias).unwrap(),
        mantissas: writer.words(&vec![1 << 23; channels as usize]).unwrap(),
        shift: 0,
        clamp: rng.clamp(),
    };
    let out = rng.tensor(shape);
    (writer.node("conv", Op::Int8(op), &[from], out).unwrap(), shape)
}

/// Expansion, depthwise, projection and sum, which kernels run row by row; each convolution alone is
/// held to the specification above, so here every way of running must equal the portable one.
#[test]
fn inverted_residuals() {
    let mut rng = Rng(8);
    let mut shorter = 0;
    for case in 0..60 {
        let channels = 1 + rng.below(20);
        let input = Shape::new(9 + rng.below(30), 5 + rng.below(60), channels).unwrap();
        let mut writer = GraphWriter::new(rng.tensor(input));
        let mut last = (Graph::INPUT, input);
        if case % 4 > 0 {
            let window = if case % 4 == 1 {
                Window { kernel: [3; 2], stride: [2; 2], pad: [1; 4], ..Window::POINT }
            } else {
                Window::POINT
            };
            let wide = 17 + rng.below(40);
            last = random_conv(&mut rng, &mut writer, last, wide, 1, window);
        }
        let (side, stride, dilation) =
            ([3, 5][rng.below(2) as usize], 1 + rng.below(2) as u8, 1 + rng.below(2) as u8);
        let extent = dilation * (side - 1) + 1;
        let mut pad = [0u8; 4].map(|_| rng.below(u32::from(extent) + 1) as u8);
        if last.1.h().min(last.1.w()) < usize::from(extent) {
            pad = [extent / 2; 4];
        }
        let window = Window { kernel: [side; 2], stride: [stride; 2], dilation: [dilation; 2], pad };
        let wide = last.1.c() as u32;
        if wide == 1 || window.output(last.1).is_none() {
            continue;
        }
        last = random_conv(&mut rng, &mut writer, last, wide, wide as u16, window);
        last = random_conv(&mut rng, &mut writer, last, channels, 1, Window::POINT);
        if last.1 == input {
            let t = rng.tensor(input);
            let add = Int8Op::Add { a: random_affine(&mut rng), b: 700, clamp: Clamp::NONE };
            last.0 = writer.node("add", Op::Int8(add), &[last.0, Graph::INPUT], t).unwrap();
        }
        let x = rng.codes(input.elements());
        let want = run(&writer, last.0, &x);
        let graph = writer.graph(last.0).unwrap();
        shorter += usize::from(arena_bytes(&graph, true) < arena_bytes(&graph, false));
        #[cfg(feature = "std")]
        assert_eq!(run_by_team(&graph, &x, 1 + case as u8 % 3), want);
    }
    assert!(shorter > 20 || Isa::best() == Isa::GENERIC, "{shorter} chains");
}

fn plan(graph: &Graph<'_>, config: Config) -> Plan<Vec<Step>> {
    let mut slots = vec![Slot::EMPTY; Plan::<Vec<Step>>::slots_needed(graph)];
    let need = Plan::<Vec<Step>>::steps_needed(graph, 0..graph.node_count()).unwrap();
    Plan::new(graph, config, &mut slots, vec![Step::EMPTY; need]).unwrap()
}

fn arena_bytes(graph: &Graph<'_>, chains: bool) -> usize {
    plan(graph, Config { chains, ..Isa::best().into() }).arena_bytes()
}

#[cfg(feature = "std")]
fn run_by_team(graph: &Graph<'_>, input: &[i8], threads: u8) -> Vec<i8> {
    let plan = plan(graph, Config { threads: threads.try_into().unwrap(), ..Isa::best().into() });
    let (mut packed, mut arena) = (vec![0; plan.packed_bytes()], vec![0; plan.arena_bytes()]);
    plan.pack(graph.weights(), &mut packed).unwrap();
    let mut team = offshoot_engine::Team::new(threads.div_ceil(2)).unwrap();
    for _ in 0..2 {
        arena[plan.input().range()].copy_from_slice(input);
        team.run(&plan, graph.weights(), &packed, &mut arena).unwrap();
    }
    arena[plan.output().range()].to_vec()
}

/// Weights of another package are the caller's mistake: every thread panics, none waits for ever.
#[cfg(feature = "std")]
#[test]
fn a_team_that_panics_ends() {
    let mut writer = GraphWriter::new(Rng(9).tensor(Shape::new(8, 8, 4).unwrap()));
    let (id, _) = random_conv(
        &mut Rng(9),
        &mut writer,
        (Graph::INPUT, Shape::new(8, 8, 4).unwrap()),
        4,
        2,
        Window { kernel: [9; 2], pad: [4; 4], ..Window::POINT },
    );
    let graph = writer.graph(id).unwrap();
    let plan = plan(&graph, Config { threads: 2.try_into().unwrap(), ..Isa::GENERIC.into() });
    let mut team = offshoot_engine::Team::new(2).unwrap();
    let mut arena = vec![0; plan.arena_bytes()];
    let run = std::panic::AssertUnwindSafe(|| team.run(&plan, &[], &[], &mut arena));
    assert!(std::panic::catch_unwind(run).is_err());
}

#[test]
fn pools() {
    let mut rng = Rng(4);
    let mut ran = 0;
    for _ in 0..400 {
        let window = random_window(&mut rng, true);
        let channels = 1 + rng.below(20);
        let input = random_shape(&mut rng, channels);
        let Some((h, w)) = window.output(input) else { continue };
        ran += 1;
        let shape = Shape::new(h, w, input.c() as u32).unwrap();
        let a = rng.tensor(input);
        let average = rng.below(2) == 0;
        let out = if average { rng.tensor(shape) } else { Tensor { shape, ..a } };
        let (include_pad, clamp) = (rng.below(2) == 0, rng.clamp());
        let multiplier = Multiplier::new(f64::from(rng.below(4000)) / 1000.0).unwrap();
        let op = if average {
            Int8Op::AveragePool { window, include_pad, multiplier, clamp }
        } else {
            Int8Op::MaxPool { window }
        };
        let mut writer = GraphWriter::new(a);
        let id = writer.node("pool", Op::Int8(op), &[0], out).unwrap();
        let x = rng.codes(input.elements());
        let got = run(&writer, id, &x);
        let mut want = Vec::new();
        for (oy, ox) in (0..h as usize).flat_map(|y| (0..w as usize).map(move |x| (y, x))) {
            let taps = taps(&window, oy, ox, input);
            let seen: Vec<usize> = taps.iter().filter_map(|t| t.2).collect();
            for c in 0..input.c() {
                want.push(if average {
                    let divisor = if include_pad { taps.len() } else { seen.len() } as i64;
                    let sum: i64 = seen.iter().map(|at| i64::from(x[at + c]) - zero(&a)).sum();
                    let mantissa = (i64::from(multiplier.mantissa) + divisor / 2) / divisor;
                    requant(sum, mantissa, multiplier.shift, zero(&out), clamp)
                } else {
                    seen.iter().map(|at| x[at + c]).max().unwrap()
                });
            }
        }
        assert_eq!(got, want, "{input} {window:?} average {average}");
    }
    assert!(ran > 100);
}

fn random_affine(rng: &mut Rng) -> Affine {
    Affine { factor: rng.next() as i16, offset: rng.next() as i32 >> 4, shift: 8 + rng.below(12) as u8 }
}

#[test]
fn add_concat_rescale() {
    let mut rng = Rng(5);
    for _ in 0..200 {
        let channels = [1, 3, 17][rng.below(3) as usize];
        let input = random_shape(&mut rng, channels);
        let mut writer = GraphWriter::new(rng.tensor(input));
        let (r, clamp, b) = (random_affine(&mut rng), rng.clamp(), rng.next() as i16);
        let t = rng.tensor(input);
        let rescaled = writer.node("r", Op::Int8(Int8Op::Rescale { affine: r, clamp }), &[0], t).unwrap();
        let sum = random_affine(&mut rng);
        let t = rng.tensor(input);
        let add = writer.node("a", Op::Int8(Int8Op::Add { a: sum, b, clamp }), &[rescaled, 0], t).unwrap();
        let t = rng.tensor(input);
        let twice = writer.node("t", Op::Int8(Int8Op::Add { a: sum, b, clamp }), &[add, add], t).unwrap();
        let maps = [random_affine(&mut rng), random_affine(&mut rng), random_affine(&mut rng)];
        let affines = writer.affines(&maps).unwrap();
        let shape = Shape::new(input.h() as u32, input.w() as u32, 3 * channels).unwrap();
        let t = rng.tensor(shape);
        let joined = writer.node("c", Op::Int8(Int8Op::Concat { affines }), &[twice, 0, add], t).unwrap();
        let x = rng.codes(input.elements());
        let got = run(&writer, joined, &x);

        let affine = |m: Affine, acc: i64, clamp: Clamp| {
            ((acc + i64::from(m.offset)) >> m.shift).clamp(clamp.lo.into(), clamp.hi.into())
        };
        let mut want = vec![0i8; got.len()];
        for (i, &code) in x.iter().enumerate() {
            let code = i64::from(code);
            let (f, b) = (i64::from(sum.factor), i64::from(b));
            let rescaled = affine(r, code * i64::from(r.factor), clamp);
            let add = affine(sum, rescaled * f + code * b, clamp);
            let twice = affine(sum, add * f + add * b, clamp);
            let (pixel, c) = (i / input.c(), i % input.c());
            for (part, value) in [twice, code, add].into_iter().enumerate() {
                want[pixel * 3 * input.c() + part * input.c() + c] =
                    affine(maps[part], value * i64::from(maps[part].factor), Clamp::NONE) as i8;
            }
        }
        assert_eq!(got, want, "{input}");
    }
}

#[test]
fn pad_reshape_flatten() {
    let mut rng = Rng(6);
    for _ in 0..100 {
        let channels = 1 + rng.below(6);
        let input = random_shape(&mut rng, channels);
        let a = rng.tensor(input);
        let pad = [0u8; 4].map(|_| rng.below(4) as u8);
        let [top, left, bottom, right] = pad.map(usize::from);
        let (h, w) = (input.h() + top + bottom, input.w() + left + right);
        let padded = Tensor { shape: Shape::new(h as u32, w as u32, channels).unwrap(), ..a };
        let swapped = Tensor { shape: Shape::new(w as u32, h as u32, channels).unwrap(), ..a };
        let vector = Tensor { shape: Shape::vector((h * w) as u32 * channels).unwrap(), ..a };
        let mut writer = GraphWriter::new(a);
        let p = writer.node("pad", Op::Int8(Int8Op::Pad { pad }), &[0], padded).unwrap();
        let r = writer.node("reshape", Op::Int8(Int8Op::Reshape), &[p], swapped).unwrap();
        let f = writer.node("flatten", Op::Int8(Int8Op::Flatten), &[r], vector).unwrap();
        let x = rng.codes(input.elements());
        let got = run(&writer, f, &x);
        let mut want = Vec::new();
        for c in 0..input.c() {
            for i in 0..h * w {
                let (y, z) = (i / w, i % w);
                let inside = (top..top + input.h()).contains(&y) && (left..left + input.w()).contains(&z);
                want.push(if inside {
                    x[((y - top) * input.w() + z - left) * input.c() + c]
                } else {
                    zero(&a) as i8
                });
            }
        }
        assert_eq!(got, want);
    }
}

#[test]
fn too_little_memory_is_an_error() {
    let t = Rng(7).tensor(Shape::new(4, 4, 3).unwrap());
    let mut writer = GraphWriter::new(t);
    let id = writer.node("pool", Op::Int8(Int8Op::MaxPool { window: Window::POINT }), &[0], t).unwrap();
    let graph: Graph<'_> = writer.graph(id).unwrap();
    let isa = Isa::GENERIC;
    let plan = Plan::new(&graph, isa, &mut [Slot::EMPTY; 1], vec![Step::EMPTY; 1]);
    assert_eq!(plan.unwrap_err(), PlanError::Slots { need: 3, have: 1 });
    let plan = Plan::new(&graph, isa, &mut [Slot::EMPTY; 3], Vec::new());
    assert_eq!(plan.unwrap_err(), PlanError::Steps { need: 1, have: 0 });
    let plan = Plan::new(&graph, isa, &mut [Slot::EMPTY; 3], vec![Step::EMPTY; 1]).unwrap();
    let need = plan.arena_bytes();
    let mut arena = vec![7i8; need - 1];
    let error = plan.run(graph.weights(), &[], &mut arena);
    assert_eq!(error, Err(RunError::Arena { need, have: need - 1 }));
    assert!(arena.iter().all(|&c| c == 7));
}
