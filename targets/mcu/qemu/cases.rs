//! Random layers for the kernels' test on the device, with the results of the specification.

use offshoot_core::graph::{Clamp, Element, Graph, Int8Op, Op, Tensor, TensorId, Window};
use offshoot_core::package::GraphWriter;
use offshoot_core::{Multiplier, Quant, Scale, Shape};
use offshoot_engine::{Isa, Target};

use crate::common::{Conv, Rng, plan, random_conv, random_window, run_with};

/// Bytes of all cases that fit the smallest board.
const MOST_BYTES: usize = 1800 << 10;

const SQUARE: Window = Window { kernel: [3; 2], stride: [1; 2], dilation: [1; 2], pad: [1; 4] };

/// Cases in the order in which the device reads them.
struct Cases<'a> {
    /// Names of the orders of weights that each has, behind its graph, its input and its result.
    targets: &'a [&'a str],
    bytes: Vec<u8>,
    rng: Rng,
    /// True if some begin at odd addresses.
    odd: bool,
}

/// Returns all cases, with weights packed for each of the targets.
pub fn cases(targets: &[&str]) -> Vec<u8> {
    let mut cases = Cases { targets, bytes: Vec::new(), rng: Rng(24), odd: true };
    cases.pointwise();
    cases.depthwise();
    cases.convolutions();
    cases.largest_products();
    cases.chains();
    assert!(cases.bytes.len() < MOST_BYTES, "{} bytes of cases", cases.bytes.len());
    cases.bytes
}

/// Channels of MobileNetV1 0.25 behind each pair of layers, and the stride of its depthwise one.
const MOBILENET: [(u32, u8); 13] = [
    (16, 1),
    (32, 2),
    (32, 1),
    (64, 2),
    (64, 1),
    (128, 2),
    (128, 1),
    (128, 1),
    (128, 1),
    (128, 1),
    (128, 1),
    (256, 2),
    (256, 1),
];

/// Returns a case of MobileNetV1 0.25 for 128 x 128 pixels without its classifier, with random
/// weights.
pub fn mobilenet(targets: &[&str]) -> Vec<u8> {
    let mut cases = Cases { targets, bytes: Vec::new(), rng: Rng(1), odd: false };
    cases.mobilenet();
    cases.bytes
}

impl Cases<'_> {
    fn mobilenet(&mut self) {
        let input = Shape::new(128, 128, 3).unwrap();
        let mut writer = GraphWriter::new(self.rng.tensor(input));
        let halving = Window { stride: [2; 2], pad: [0, 0, 1, 1], ..SQUARE };
        let mut at = self.layer(&mut writer, (Graph::INPUT, input), 8, 1, halving);
        for (channels, stride) in MOBILENET {
            let window = if stride == 2 { halving } else { SQUARE };
            let wide = at.1.c() as u32;
            at = self.layer(&mut writer, at, wide, wide as u16, window);
            at = self.layer(&mut writer, at, channels, 1, Window::POINT);
        }
        let pool = Int8Op::AveragePool {
            window: Window::covering(at.1).unwrap(),
            include_pad: false,
            multiplier: Multiplier::new(1.0).unwrap(),
            clamp: Clamp::NONE,
        };
        let pooled = Tensor { shape: Shape::new(1, 1, 256).unwrap(), ..centred(at.1) };
        let output = writer.node("pool", Op::Int8(pool), &[at.0], pooled).unwrap();
        let x = self.rng.codes(input.elements());
        let graph = writer.graph(output).unwrap();
        let want = run_with(Isa::GENERIC, &graph, &x);
        let clamped = want.iter().filter(|&&code| code == i8::MIN || code == i8::MAX).count();
        assert!(10 * clamped < want.len(), "{clamped} results are clamped");
        self.push(&graph, &x, &want);
    }

    /// Adds a layer whose results cover the codes. Rectifiers would cost nothing, they are the
    /// clamp.
    fn layer(
        &mut self,
        writer: &mut GraphWriter,
        (from, input): (TensorId, Shape),
        channels: u32,
        groups: u16,
        window: Window,
    ) -> (TensorId, Shape) {
        let (h, w) = window.output(input).unwrap();
        let shape = Shape::new(h, w, channels).unwrap();
        let depth = input.c() / usize::from(groups);
        let mut conv = Conv::random(&mut self.rng, depth, channels as usize, groups, window);
        // Deviations of weights and of activations, and of a sum of so many products.
        let spread = 74.0 * 60.0 * ((window.taps() * depth) as f64).sqrt();
        let multiplier = Multiplier::new(50.0 / spread).unwrap();
        // The converter gives no -128.
        conv.weights = (0..conv.weights.len()).map(|_| self.rng.code().max(-127)).collect();
        conv.mantissas.fill(multiplier.mantissa);
        conv.bias.fill(0);
        (conv.shift, conv.clamp) = (multiplier.shift, Clamp::NONE);
        let op = Int8Op::Conv {
            window,
            groups,
            weights: writer.codes(&conv.weights).unwrap(),
            bias: writer.words(&conv.bias).unwrap(),
            mantissas: writer.words(&conv.mantissas).unwrap(),
            shift: conv.shift,
            clamp: conv.clamp,
        };
        (writer.node("conv", Op::Int8(op), &[from], centred(shape)).unwrap(), shape)
    }

    /// Rows of every length up to three registers, every remainder of tiles.
    fn pointwise(&mut self) {
        for depth in (1..=49).chain([63, 64, 65, 100, 320]) {
            let channels = 1 + self.rng.below(11);
            let pixels = 1 + self.rng.below(9);
            self.conv(Shape::new(1, pixels, depth).unwrap(), channels, 1, Window::POINT);
        }
        for channels in 1..=18 {
            let depth = 1 + self.rng.below(40);
            self.conv(Shape::new(2, 1 + channels % 4, depth).unwrap(), channels, 1, Window::POINT);
        }
    }

    fn depthwise(&mut self) {
        for (kernel, stride, pad) in
            [(3, 1, 1), (3, 2, 1), (3, 1, 0), (3, 2, 0), (3, 3, 1), (3, 4, 2), (5, 1, 2), (2, 1, 1)]
        {
            let window = Window {
                kernel: [kernel; 2],
                stride: [stride; 2],
                dilation: [1; 2],
                pad: [pad; 4],
            };
            for side in 1..=8 {
                let [height, channels] = [9, 39].map(|n| self.rng.below(n) + 1);
                self.conv_of(Shape::new(height, side, channels + 1), window);
            }
        }
        for [stride, dilation] in [[1, 1], [2, 1], [1, 2], [3, 1]] {
            let stride = [1, stride];
            for [height, width, channels] in [[6, 24, 17], [4, 48, 5], [3, 70, 4], [5, 34, 3]] {
                let window = Window { stride, dilation: [1, dilation], ..SQUARE };
                self.conv_of(Shape::new(height, width, channels), window);
            }
        }
        for _ in 0..40 {
            let window = random_window(&mut self.rng, false);
            let [height, width, channels] = [9, 9, 39].map(|n| self.rng.below(n) + 1);
            self.conv_of(Shape::new(height, width, channels + 1), window);
        }
    }

    fn convolutions(&mut self) {
        for _ in 0..80 {
            let window = random_window(&mut self.rng, false);
            let groups = [1, 1, 2, 3][self.rng.below(4) as usize];
            let depth = groups * (1 + self.rng.below(12));
            let channels = groups * (1 + self.rng.below(9));
            let [height, width] = [6, 9].map(|n| 1 + self.rng.below(n));
            let shape = Shape::new(height, width, depth).unwrap();
            self.conv(shape, channels, groups as u16, window);
        }
    }

    /// The largest products of all, of one sign.
    fn largest_products(&mut self) {
        for groups in [1, 20] {
            for (weight, code) in [(-128, -128), (-128, 127), (127, -128)] {
                let shape = Shape::new(4, 4, 20).unwrap();
                let window = if groups == 1 { Window::POINT } else { SQUARE };
                let mut conv =
                    Conv::random(&mut self.rng, 20 / usize::from(groups), 20, groups, window);
                conv.weights.fill(weight);
                conv.bias.fill(0);
                conv.mantissas.fill(((60i64 << 31) / (20 * 255 * 128)) as i32);
                (conv.shift, conv.clamp) = (0, Clamp::NONE);
                self.add(shape, &conv, vec![code; shape.elements()]);
            }
        }
    }

    /// Layers that pass rows to each other.
    fn chains(&mut self) {
        for (side, stride, from, wide, to) in
            [(24, 1, 8, 48, 12), (24, 2, 8, 50, 9), (17, 1, 5, 37, 6), (26, 1, 3, 24, 8)]
        {
            let input = Shape::new(side, side, from).unwrap();
            let mut writer = GraphWriter::new(self.rng.tensor(input));
            let start = (Graph::INPUT, input);
            let mid = random_conv(&mut self.rng, &mut writer, start, wide, 1, Window::POINT);
            let window = Window { stride: [stride; 2], ..SQUARE };
            let deep = random_conv(&mut self.rng, &mut writer, mid, wide, wide as u16, window);
            let last = random_conv(&mut self.rng, &mut writer, deep, to, 1, Window::POINT);
            let x = self.rng.codes(input.elements());
            let graph = writer.graph(last.0).unwrap();
            let want = run_with(Isa::GENERIC, &graph, &x);
            self.push(&graph, &x, &want);
        }
    }

    fn conv_of(&mut self, shape: Option<Shape>, window: Window) {
        let shape = shape.expect("a shape");
        self.conv(shape, shape.c() as u32, shape.c() as u16, window);
    }

    fn conv(&mut self, shape: Shape, channels: u32, groups: u16, window: Window) {
        let depth = shape.c() / usize::from(groups);
        let conv = Conv::random(&mut self.rng, depth, channels as usize, groups, window);
        let x = self.rng.codes(shape.elements());
        self.add(shape, &conv, x);
    }

    /// Adds a convolution, unless its window has no place in the input.
    fn add(&mut self, shape: Shape, conv: &Conv, x: Vec<i8>) {
        let Some((h, w)) = conv.window.output(shape) else { return };
        let a = self.rng.tensor(shape);
        let mut out = self.rng.tensor(Shape::new(h, w, conv.bias.len() as u32).unwrap());
        if conv.clamp == Clamp::NONE {
            out.element = Element::Int8(Quant { scale: Scale::ONE, zero_point: 3 });
        }
        let mut writer = GraphWriter::new(a);
        let id = conv.write(&mut writer, out);
        let want = conv.want(&a, &out, &x);
        self.push(&writer.graph(id).unwrap(), &x, &want);
    }

    fn push(&mut self, graph: &Graph<'_>, x: &[i8], want: &[i8]) {
        let records: Vec<u8> =
            (0..graph.tensor_count()).flat_map(|id| graph.tensor(id as u16).to_record()).collect();
        let nodes: Vec<u8> =
            graph.nodes().flat_map(|(_, node)| postcard::to_allocvec(&node).unwrap()).collect();
        let plan = plan(graph, Isa::GENERIC.into());
        let panels: Vec<Vec<u8>> = self
            .targets
            .iter()
            .map(|name| {
                let target = Target::named(name).expect("a target");
                let mut panels = vec![0; plan.packed_bytes_for(&target)];
                plan.pack_for(&target, graph.weights(), &mut panels).unwrap();
                bytes(&panels)
            })
            .collect();
        let [x, want] = [x, want].map(bytes);
        let parts = [&records[..], &nodes, graph.weights(), &x, &want];
        let parts: Vec<&[u8]> = parts.into_iter().chain(panels.iter().map(Vec::as_slice)).collect();
        // Kernels of the DSP extension take another path where panels lie at odd addresses.
        let at = if self.odd && self.rng.below(4) == 0 { self.rng.below(4) as usize } else { 0 };
        for part in parts {
            let skipped = (at + 4 - self.bytes.len() % 4) % 4;
            self.bytes.extend((part.len() as u32).to_le_bytes());
            self.bytes.extend((skipped as u32).to_le_bytes());
            self.bytes.extend(&vec![0; skipped]);
            self.bytes.extend(part);
        }
    }
}

/// Returns a tensor whose zero is in the middle.
fn centred(shape: Shape) -> Tensor {
    Tensor { shape, element: Element::Int8(Quant { scale: Scale::ONE, zero_point: 0 }) }
}

fn bytes(codes: &[i8]) -> Vec<u8> {
    codes.iter().map(|&code| code as u8).collect()
}
