//! Random graphs, the specification of a convolution, and a run with every instruction set.

#![allow(dead_code)] // each suite uses a part

use offshoot_core::graph::{Affine, Clamp, Element, Graph, Int8Op, Op, Tensor, TensorId, Window};
use offshoot_core::package::GraphWriter;
use offshoot_core::{Quant, Scale, Shape};
use offshoot_engine::{Config, Isa, Plan, Slot, Step};

/// Random generator of Numerical Recipes: the same cases on every machine.
pub struct Rng(pub u64);

impl Rng {
    pub fn next(&mut self) -> u32 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    pub fn below(&mut self, n: u32) -> u32 {
        self.next() % n
    }

    pub fn code(&mut self) -> i8 {
        self.below(256) as u8 as i8
    }

    pub fn codes(&mut self, n: usize) -> Vec<i8> {
        // Sometimes extremes alone, where arithmetic is most likely to fail.
        let extreme = self.below(8) == 0;
        (0..n)
            .map(|_| if extreme { [-128, 127][self.below(2) as usize] } else { self.code() })
            .collect()
    }

    pub fn tensor(&mut self, shape: Shape) -> Tensor {
        let scale = Scale::new(0.001 + self.below(1000) as f32 * 0.0007).unwrap();
        Tensor { shape, element: Element::Int8(Quant { scale, zero_point: self.code() }) }
    }

    pub fn clamp(&mut self) -> Clamp {
        let a = self.code();
        let b = self.code();
        if self.below(2) == 0 { Clamp::NONE } else { Clamp { lo: a.min(b), hi: a.max(b) } }
    }
}

/// Number of a test's random cases to run: all, but fewer under Miri, which takes a thousand times
/// longer.
pub fn cases(all: u32) -> u32 {
    if cfg!(miri) { all.div_ceil(100) } else { all }
}

pub fn zero(t: &Tensor) -> i64 {
    t.element.quant().unwrap().zero_point.into()
}

/// Runs a graph with every instruction set this processor has, with the caller's memory exactly as
/// large as the plan says and canaries around it; all must agree.
pub fn run(writer: &GraphWriter, output: u16, input: &[i8]) -> Vec<i8> {
    let graph = writer.graph(output).unwrap();
    let reference = run_with(Isa::GENERIC, &graph, input);
    for isa in Isa::available() {
        for threads in 1..4 {
            let config = Config { threads: threads.try_into().unwrap(), ..isa.into() };
            assert_eq!(
                run_with(config, &graph, input),
                reference,
                "{config:?} differs from generic"
            );
        }
        let config = Config { chains: false, ..isa.into() };
        assert_eq!(run_with(config, &graph, input), reference, "{config:?} differs from generic");
    }
    reference
}

pub fn run_with(config: impl Into<Config>, graph: &Graph<'_>, input: &[i8]) -> Vec<i8> {
    // Every alignment in turn.
    run_at(config.into(), graph, input, input.len() % 17, input.len() % 13)
}

/// Misaligns arena and packed weights by that many bytes.
pub fn run_at(
    config: Config,
    graph: &Graph<'_>,
    input: &[i8],
    offset: usize,
    packed_offset: usize,
) -> Vec<i8> {
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

pub fn requant(acc: i64, mantissa: i64, shift: u8, zero: i64, clamp: Clamp) -> i8 {
    let doubled = (acc << shift).clamp(i32::MIN.into(), i32::MAX.into());
    let scaled = (doubled * mantissa + (1 << 30)) >> 31;
    (scaled + zero).clamp(clamp.lo.into(), clamp.hi.into()) as i8
}

/// Every position of the window with the input position it reads, if that is inside.
pub fn taps(
    window: &Window,
    oy: usize,
    ox: usize,
    shape: Shape,
) -> Vec<(usize, usize, Option<usize>)> {
    let mut out = Vec::new();
    for ky in 0..usize::from(window.kernel[0]) {
        for kx in 0..usize::from(window.kernel[1]) {
            let place = |o: usize, k: usize, axis: usize, n: usize| {
                let at = (o * usize::from(window.stride[axis])
                    + k * usize::from(window.dilation[axis])) as i64
                    - i64::from(window.pad[axis]);
                (0..n as i64).contains(&at).then_some(at as usize)
            };
            let at = place(oy, ky, 0, shape.h()).zip(place(ox, kx, 1, shape.w()));
            out.push((ky, kx, at.map(|(y, x)| (y * shape.w() + x) * shape.c())));
        }
    }
    out
}

pub fn random_window(rng: &mut Rng, pool: bool) -> Window {
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

pub fn random_shape(rng: &mut Rng, channels: u32) -> Shape {
    Shape::new(1 + rng.below(9), 1 + rng.below(9), channels).unwrap()
}

/// A convolution's constants.
pub struct Conv {
    pub window: Window,
    pub groups: u16,
    pub weights: Vec<i8>,
    pub bias: Vec<i32>,
    pub mantissas: Vec<i32>,
    pub shift: u8,
    pub clamp: Clamp,
}

impl Conv {
    pub fn random(
        rng: &mut Rng,
        depth: usize,
        channels: usize,
        groups: u16,
        window: Window,
    ) -> Self {
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

    pub fn write(&self, writer: &mut GraphWriter, out: Tensor) -> u16 {
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

    /// Computes section 5.2 of `numerics.md`.
    pub fn want(&self, a: &Tensor, out: &Tensor, x: &[i8]) -> Vec<i8> {
        let input = a.shape;
        let channels = out.shape.c();
        let groups = usize::from(self.groups);
        let depth = input.c() / groups;
        let per_group = channels / groups;
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
                        let value = at
                            .map_or(0, |at| i64::from(x[at + o / per_group * depth + i]) - zero(a));
                        acc += value * i64::from(weight);
                    }
                }
                want.push(requant(
                    acc,
                    self.mantissas[o].into(),
                    self.shift,
                    zero(out),
                    self.clamp,
                ));
            }
        }
        want
    }
}

pub fn conv_case(rng: &mut Rng, input: Shape, channels: u32, groups: u16, window: Window) -> bool {
    let Some((h, w)) = window.output(input) else { return false };
    let a = rng.tensor(input);
    let out = rng.tensor(Shape::new(h, w, channels).unwrap());
    let conv =
        Conv::random(rng, input.c() / usize::from(groups), channels as usize, groups, window);
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

/// Returns a convolution with random constants; its results are neither all equal nor all clamped.
pub fn random_conv(
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

pub fn plan(graph: &Graph<'_>, config: Config) -> Plan<Vec<Step>> {
    let mut slots = vec![Slot::EMPTY; Plan::<Vec<Step>>::slots_needed(graph)];
    let need = Plan::<Vec<Step>>::steps_needed(graph, 0..graph.node_count()).unwrap();
    Plan::new(graph, config, &mut slots, vec![Step::EMPTY; need]).unwrap()
}

pub fn random_affine(rng: &mut Rng) -> Affine {
    Affine {
        factor: rng.next() as i16,
        offset: rng.next() as i32 >> 4,
        shift: 8 + rng.below(12) as u8,
    }
}
