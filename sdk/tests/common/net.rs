//! Networks of random weights, as a converter would write them.

use offshoot_core::graph::{
    Affine, Blob, Clamp, Element, Int8Op, Op, Permutation, Slice, Tensor, TensorId, Window,
};
use offshoot_core::package::{
    Extras, FloatBytes, Golden, GoldenInput, GraphWriter, Manifest, PackageId, PartStarts,
    Precision, SampleBytes, WriteError, write_cells_package, write_package, write_signal_package,
    write_sound_package,
};
use offshoot_core::preprocess::{Channels, Preprocess, Resize};
use offshoot_core::sound::Designed;
use offshoot_core::spatial::CellsLayout;
use offshoot_core::{Multiplier, Quant, Scale, Sensor, Shape};

use super::random::Random;

/// A square window.
pub fn window(kernel: u8, stride: u8, pad: u8) -> Window {
    Window { kernel: [kernel; 2], stride: [stride; 2], dilation: [1; 2], pad: [pad; 4] }
}

/// Preprocessing of the networks of this module.
pub fn preprocess(side: u16) -> Preprocess {
    Preprocess {
        width: side,
        height: side,
        channels: Channels::Rgb,
        resize: Resize::Squash,
        mean: [127.5, 120.0, 110.0],
        std: [64.0, 60.0, 70.0],
    }
}

/// An int8 network under construction.
#[derive(Debug)]
pub struct Net {
    writer: GraphWriter,
    tensors: Vec<Tensor>,
    preprocess: Preprocess,
    random: Random,
    /// True if the package's embeddings are brought to length 1.
    pub unit_length: bool,
    /// First values of the parts, two bytes each.
    pub parts: Vec<u8>,
}

impl Net {
    /// The tensor that a frame is written to.
    pub const INPUT: TensorId = 0;

    /// A network for square images.
    pub fn new(side: u16, seed: u64) -> Self {
        Self::of(preprocess(side), Quant::from_range(-2.0, 2.3), seed)
    }

    /// A network for windows of sound of so many frames, and its front end.
    pub fn listening(designed: &Designed, frames: u16, seed: u64) -> Self {
        let preprocess = designed.preprocess(frames);
        let zero_point = (preprocess.mean[0] - 128.0) as i8;
        let scale = Scale::new(1.0 / preprocess.std[0]).unwrap();
        Self::of(preprocess, Quant { scale, zero_point }, seed)
    }

    /// A network for signals of this shape.
    pub fn sensing(shape: Shape, seed: u64) -> Self {
        let quant = Quant::from_range(-2.0, 2.3);
        Self::with_input(Preprocess::NONE, Tensor { shape, element: Element::Int8(quant) }, seed)
    }

    fn of(preprocess: Preprocess, quant: Quant, seed: u64) -> Self {
        let input = Tensor { shape: preprocess.shape().unwrap(), element: Element::Int8(quant) };
        Self::with_input(preprocess, input, seed)
    }

    fn with_input(preprocess: Preprocess, input: Tensor, seed: u64) -> Self {
        let writer = GraphWriter::new(input);
        let tensors = vec![input];
        let random = Random(seed);
        Self { writer, tensors, preprocess, random, unit_length: false, parts: Vec::new() }
    }

    fn shape(&self, id: TensorId) -> Shape {
        self.tensors[usize::from(id)].shape
    }

    fn node(&mut self, name: &str, op: Int8Op, inputs: &[TensorId], output: Tensor) -> TensorId {
        self.tensors.push(output);
        self.writer.node(name, Op::Int8(op), inputs, output).unwrap()
    }

    fn codes(&mut self, (h, w, c): (u32, u32, u32)) -> Tensor {
        let scale = Scale::new(0.01 + self.random.below(100) as f32 * 0.001).unwrap();
        let zero_point = self.random.bits() as i8 / 2;
        Tensor {
            shape: Shape::new(h, w, c).unwrap(),
            element: Element::Int8(Quant { scale, zero_point }),
        }
    }

    /// Convolution; as many groups as channels: depthwise.
    pub fn conv(
        &mut self,
        name: &str,
        from: TensorId,
        window: Window,
        groups: u16,
        out: u32,
    ) -> TensorId {
        self.clamped_conv(name, from, window, (groups, out), Clamp { lo: -100, hi: 120 })
    }

    /// A fully connected layer of a vector, without an activation.
    pub fn dense(&mut self, name: &str, from: TensorId, out: u32) -> TensorId {
        self.clamped_conv(name, from, Window::POINT, (1, out), Clamp::NONE)
    }

    fn clamped_conv(
        &mut self,
        name: &str,
        from: TensorId,
        window: Window,
        (groups, out): (u16, u32),
        clamp: Clamp,
    ) -> TensorId {
        let input = self.shape(from);
        let fan_in = window.taps() * input.c() / usize::from(groups);
        let weights = self.random.codes(fan_in * out as usize);
        let bias: Vec<i32> = (0..out).map(|_| self.random.below(4000) as i32 - 2000).collect();
        // Outputs spread over the codes without most of them at the limits.
        let factor = 0.01 / (fan_in as f64).sqrt();
        let mantissas: Vec<i32> = (0..out)
            .map(|_| {
                Multiplier::mantissa_at(factor * (0.5 + self.random.below(100) as f64 / 100.0), 0)
            })
            .collect();
        let op = Int8Op::Conv {
            window,
            groups,
            weights: self.writer.codes(&weights).unwrap(),
            bias: self.writer.words(&bias).unwrap(),
            mantissas: self.writer.words(&mantissas).unwrap(),
            shift: 0,
            clamp,
        };
        let (h, w) = window.output(input).unwrap();
        let output = self.codes((h, w, out));
        self.node(name, op, &[from], output)
    }

    /// Sum.
    pub fn add(&mut self, name: &str, a: TensorId, b: TensorId) -> TensorId {
        let output = self.codes(self.shape(a).into());
        let affine = Affine { factor: 9000, offset: 1 << 13, shift: 14 };
        self.node(name, Int8Op::Add { a: affine, b: -7000, clamp: Clamp::NONE }, &[a, b], output)
    }

    /// Largest code.
    pub fn max_pool(&mut self, name: &str, from: TensorId, window: Window) -> TensorId {
        let input = self.tensors[usize::from(from)];
        let (h, w) = window.output(self.shape(from)).unwrap();
        let output = Tensor { shape: Shape::new(h, w, input.shape.c() as u32).unwrap(), ..input };
        self.node(name, Int8Op::MaxPool { window }, &[from], output)
    }

    /// Mean.
    pub fn average_pool(&mut self, name: &str, from: TensorId, window: Window) -> TensorId {
        let c = self.shape(from).c() as u32;
        let (h, w) = window.output(self.shape(from)).unwrap();
        let output = self.codes((h, w, c));
        let multiplier = Multiplier::new(1.25).unwrap();
        let op = Int8Op::AveragePool { window, include_pad: false, multiplier, clamp: Clamp::NONE };
        self.node(name, op, &[from], output)
    }

    /// The mean of a map, as the converter writes it.
    pub fn mean(&mut self, name: &str, from: TensorId) -> TensorId {
        let input = self.tensors[usize::from(from)];
        let window = Window::covering(input.shape).unwrap();
        let output = Tensor { shape: Shape::new(1, 1, input.shape.c() as u32).unwrap(), ..input };
        let multiplier = Multiplier::new(1.0).unwrap();
        let op = Int8Op::AveragePool { window, include_pad: false, multiplier, clamp: Clamp::NONE };
        self.node(name, op, &[from], output)
    }

    /// Maps side by side.
    pub fn concat(&mut self, name: &str, from: &[TensorId]) -> TensorId {
        let affines: Vec<Affine> = (0..from.len())
            .map(|i| Affine { factor: 12_000 + i as i16, offset: 1 << 13, shift: 14 })
            .collect();
        let affines = self.writer.affines(&affines).unwrap();
        let channels = from.iter().map(|&id| self.shape(id).c() as u32).sum();
        let (h, w, _) = self.shape(from[0]).into();
        let output = self.codes((h, w, channels));
        self.node(name, Int8Op::Concat { affines }, from, output)
    }

    /// A border.
    pub fn pad(&mut self, name: &str, from: TensorId, pad: [u8; 4]) -> TensorId {
        let input = self.tensors[usize::from(from)];
        let [top, left, bottom, right] = pad.map(u32::from);
        let (h, w, c) = input.shape.into();
        let output =
            Tensor { shape: Shape::new(h + top + bottom, w + left + right, c).unwrap(), ..input };
        self.node(name, Int8Op::Pad { pad }, &[from], output)
    }

    /// Change of scale.
    pub fn rescale(&mut self, name: &str, from: TensorId) -> TensorId {
        let output = self.codes(self.shape(from).into());
        let affine = Affine { factor: -20_000, offset: 1 << 13, shift: 14 };
        self.node(
            name,
            Int8Op::Rescale { affine, clamp: Clamp { lo: -90, hi: 90 } },
            &[from],
            output,
        )
    }

    /// The same bytes under another shape.
    pub fn reshape(&mut self, name: &str, from: TensorId, (h, w, c): (u32, u32, u32)) -> TensorId {
        let output =
            Tensor { shape: Shape::new(h, w, c).unwrap(), ..self.tensors[usize::from(from)] };
        self.node(name, Int8Op::Reshape, &[from], output)
    }

    /// Channels outermost.
    pub fn flatten(&mut self, name: &str, from: TensorId) -> TensorId {
        let input = self.tensors[usize::from(from)];
        let output =
            Tensor { shape: Shape::vector(input.shape.elements() as u32).unwrap(), ..input };
        self.node(name, Int8Op::Flatten, &[from], output)
    }

    /// A function of one code.
    pub fn table(&mut self, name: &str, from: TensorId) -> TensorId {
        let output = self.codes(self.shape(from).into());
        let codes = self.random.codes(256);
        let table = self.writer.codes(&codes).unwrap();
        self.node(name, Int8Op::Table { table }, &[from], output)
    }

    /// A product; `b` has `a`'s shape or one value per channel.
    pub fn multiply(&mut self, name: &str, a: TensorId, b: TensorId) -> TensorId {
        let output = self.codes(self.shape(a).into());
        let multiplier = Multiplier::new(0.01).unwrap();
        self.node(
            name,
            Int8Op::Multiply { multiplier, clamp: Clamp { lo: -110, hi: 127 } },
            &[a, b],
            output,
        )
    }

    /// Channels of two groups in turn.
    pub fn shuffle(&mut self, name: &str, from: TensorId) -> TensorId {
        let output = self.tensors[usize::from(from)];
        let (h, w, c) = output.shape.into();
        let op = Int8Op::Permute(Permutation { dims: [h, w, 2, c / 2], order: [0, 1, 3, 2] });
        self.node(name, op, &[from], output)
    }

    /// The last `channels` channels.
    pub fn slice(&mut self, name: &str, from: TensorId, channels: u32) -> TensorId {
        let input = self.tensors[usize::from(from)];
        let (h, w, c) = input.shape.into();
        let output = Tensor { shape: Shape::new(h, w, channels).unwrap(), ..input };
        self.node(name, Int8Op::Slice(Slice { axis: 2, from: c - channels }), &[from], output)
    }

    /// Twice as many rows.
    pub fn upsample(&mut self, name: &str, from: TensorId) -> TensorId {
        let input = self.tensors[usize::from(from)];
        let (h, w, c) = input.shape.into();
        let output = Tensor { shape: Shape::new(2 * h, w, c).unwrap(), ..input };
        self.node(name, Int8Op::Upsample { factor: [2, 1] }, &[from], output)
    }

    /// The package; its golden vectors are frames of the input's size with an embedding of zeros.
    pub fn package(mut self, output: TensorId, goldens: u8) -> Vec<u8> {
        let Preprocess { width, height, .. } = self.preprocess;
        let table = self.input_table();
        let rgb = self.random.bytes(3 * usize::from(width) * usize::from(height));
        let embedding = vec![0; self.shape(output).elements()];
        let input = GoldenInput::Frame { width, height, rgb: &rgb };
        let golden = Golden { input, output: &embedding };
        let extras = self.extras();
        let id = self.writer.id(&self.preprocess, output, &extras);
        let manifest = self.manifest(id, table, output, goldens);
        write_package(&manifest, &self.writer, &vec![golden; usize::from(goldens)]).unwrap()
    }

    /// The package of a network for sound, with windows and their embeddings as golden vectors.
    pub fn sound_package(
        mut self,
        designed: &Designed,
        output: TensorId,
        goldens: &[(Vec<i16>, Vec<u8>)],
    ) -> Vec<u8> {
        let sound = designed.sound();
        let table = self.input_table();
        let packed: Vec<_> = goldens.iter().map(|(window, _)| SampleBytes::pack(window)).collect();
        let goldens: Vec<Golden<'_>> = packed
            .iter()
            .zip(goldens)
            .map(|(window, (_, output))| Golden {
                input: GoldenInput::Samples(SampleBytes::new(window)),
                output,
            })
            .collect();
        let extras = self.extras();
        let id = self.writer.sound_id(&sound, &self.preprocess, output, &extras);
        let manifest = self.manifest(id, table, output, goldens.len() as u8);
        write_sound_package(&manifest, &sound, &self.writer, &goldens).unwrap()
    }

    /// The package of a network whose output are cells.
    pub fn cells_package(
        mut self,
        cells: &CellsLayout,
        output: TensorId,
    ) -> Result<Vec<u8>, WriteError> {
        let table = self.input_table();
        let id = self.writer.cells_id(cells, &self.preprocess, output);
        let manifest = self.manifest(id, table, output, 0);
        write_cells_package(&manifest, cells, &self.writer, &[])
    }

    /// The package of a network for signals; each golden has the samples of a window.
    pub fn signal_package(
        self,
        sensor: &Sensor<'_>,
        output: TensorId,
        goldens: &[(Vec<f32>, Vec<u8>)],
    ) -> Vec<u8> {
        let packed: Vec<_> = goldens.iter().map(|(window, _)| FloatBytes::pack(window)).collect();
        let goldens: Vec<Golden<'_>> = packed
            .iter()
            .zip(goldens)
            .map(|(window, (_, output))| Golden {
                input: GoldenInput::Signal(FloatBytes::new(window)),
                output,
            })
            .collect();
        let id = self.writer.signal_id(sensor, output, &self.extras());
        let manifest = self.manifest(id, Blob::default(), output, goldens.len() as u8);
        write_signal_package(&manifest, sensor, &self.writer, &goldens).unwrap()
    }

    fn input_table(&mut self) -> Blob {
        let preprocess = self.preprocess;
        let quant = self.tensors[0].element.quant().unwrap();
        let table: Vec<i8> = (0..preprocess.channels.count())
            .flat_map(|channel| (0..=255).map(move |value| preprocess.code(channel, value, quant)))
            .collect();
        self.writer.codes(&table).unwrap()
    }

    fn extras(&self) -> Extras<'_> {
        Extras {
            unit_length: self.unit_length,
            parts: PartStarts::new(&self.parts).expect("ascending"),
            own_length: false,
        }
    }

    fn manifest(
        &self,
        id: PackageId,
        input_table: Blob,
        output: TensorId,
        goldens: u8,
    ) -> Manifest<'_> {
        Manifest {
            source: "random.onnx",
            source_sha256: [7; 32],
            cut: "features",
            tool: "tests",
            id,
            precision: Precision::Int8,
            preprocess: self.preprocess,
            input_table,
            tensors: self.tensors.len() as u16,
            output,
            goldens,
            extras: self.extras(),
        }
    }
}

/// Every operation once, as small as can be: what hostile packages are made from.
///
/// Node `n` makes tensor `n + 1`; see [`node`] for their indices.
pub fn every_operation() -> Vec<u8> {
    let mut net = Net::new(8, 1);
    let stem = net.conv("stem", Net::INPUT, window(3, 2, 1), 1, 4);
    let depthwise = net.conv("depthwise", stem, window(3, 1, 1), 4, 4);
    let point = net.conv("point", depthwise, Window::POINT, 1, 4);
    let sum = net.add("sum", stem, point);
    let max = net.max_pool("max", sum, window(2, 2, 0));
    let mean = net.average_pool("mean", sum, window(3, 2, 1));
    let joined = net.concat("joined", &[max, mean]);
    let padded = net.pad("padded", joined, [1, 0, 0, 1]);
    let rescaled = net.rescale("rescaled", padded);
    let grouped = net.conv("grouped", rescaled, window(2, 1, 0), 2, 6);
    let swapped = net.reshape("swapped", grouped, (1, 4, 6));
    let shuffled = net.shuffle("shuffled", swapped);
    let looked_up = net.table("looked up", shuffled);
    let product = net.multiply("product", looked_up, shuffled);
    let part = net.slice("part", product, 3);
    let large = net.upsample("large", part);
    let flat = net.flatten("flat", large);
    let embedding = net.conv("embedding", flat, Window::POINT, 1, 10);
    net.package(embedding, 1)
}

/// Indices of the nodes of [`every_operation`].
pub mod node {
    pub const STEM: usize = 0;
    pub const DEPTHWISE: usize = 1;
    pub const POINT: usize = 2;
    pub const SUM: usize = 3;
    pub const MAX: usize = 4;
    pub const MEAN: usize = 5;
    pub const JOINED: usize = 6;
    pub const PADDED: usize = 7;
    pub const RESCALED: usize = 8;
    pub const GROUPED: usize = 9;
    pub const SWAPPED: usize = 10;
    pub const SHUFFLED: usize = 11;
    pub const LOOKED_UP: usize = 12;
    pub const PRODUCT: usize = 13;
    pub const PART: usize = 14;
    pub const LARGE: usize = 15;
    pub const FLAT: usize = 16;
    pub const EMBEDDING: usize = 17;
    pub const COUNT: usize = 18;
}

/// A MobileNet in small: inverted residual blocks, a global pool, an embedding of 64 values.
pub fn mobile_net() -> Vec<u8> {
    let mut net = Net::new(48, 2);
    let mut x = net.conv("stem", Net::INPUT, window(3, 2, 1), 1, 8);
    for (block, (stride, channels)) in
        [(1, 8), (2, 16), (1, 16), (2, 32), (1, 32)].into_iter().enumerate()
    {
        let wide = 4 * net.shape(x).c() as u32;
        let expanded = net.conv(&format!("{block}.expand"), x, Window::POINT, 1, wide);
        let seen = net.conv(
            &format!("{block}.depthwise"),
            expanded,
            window(3, stride, 1),
            wide as u16,
            wide,
        );
        let y = net.conv(&format!("{block}.project"), seen, Window::POINT, 1, channels);
        let residual = net.shape(x) == net.shape(y);
        x = if residual { net.add(&format!("{block}.add"), x, y) } else { y };
    }
    let head = net.conv("head", x, Window::POINT, 1, 64);
    let pooled = net.average_pool("pool", head, window(6, 1, 0));
    let embedding = net.flatten("flat", pooled);
    net.package(embedding, 2)
}
