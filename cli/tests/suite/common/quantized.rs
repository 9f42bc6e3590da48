//! A small network of integers: as a quantized ONNX file in either form, and as plain arithmetic.
//!
//! The arithmetic is that of onnxruntime: sums of whole numbers, times a float, rounded half to
//! even.

use tract_onnx::pb::{ModelProto, TensorProto};

use super::graph::Graph;

/// Quantized files: with floats between the codes, or with operations on codes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `QuantizeLinear` and `DequantizeLinear` around operations on floats.
    Qdq,
    /// `QLinearConv` and others.
    Operators,
}

/// Type of activations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    U8,
    S8,
}

/// Scale and zero point of codes from 0 to 255.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Grid {
    pub scale: f32,
    pub zero: i32,
}

pub struct Conv {
    pub weights: Vec<i8>,
    pub steps: Vec<f32>,
    pub bias: Vec<i32>,
    pub inputs: usize,
    pub kernel: usize,
    pub stride: usize,
    pub depthwise: bool,
}

enum Op {
    Conv(Conv),
    Add,
    Concat,
    Pool,
}

struct Layer {
    op: Op,
    reads: Vec<usize>,
    grid: Grid,
}

/// Values in rows, columns, channels.
#[derive(Clone)]
struct Map<T> {
    side: usize,
    channels: usize,
    values: Vec<T>,
}

/// Numbers that are the same on every machine.
struct Draws(u64);

impl Draws {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 33) % bound
    }
}

pub const SIDE: usize = 16;

/// Network under construction. Layer 0 is the image, by 255.
pub struct Net {
    layers: Vec<Layer>,
    /// Codes of one image, by which grids are chosen.
    seen: Vec<Map<i32>>,
    draws: Draws,
}

impl Net {
    /// Begins a network whose grids are chosen on an image of `SIDE` by `SIDE`.
    pub fn new(seed: u64, image: &[u8]) -> Self {
        let grid = Grid { scale: 1.0 / 255.0, zero: 0 };
        let first = Layer { op: Op::Pool, reads: Vec::new(), grid };
        Self { layers: vec![first], seen: vec![pixels(image)], draws: Draws(seed) }
    }

    /// Residual block, depthwise layer, concatenation and pool.
    pub fn block(seed: u64, image: &[u8]) -> Self {
        let mut net = Self::new(seed, image);
        let first = net.conv(0, 8, 3, 2, false, true);
        let depthwise = net.conv(first, 8, 3, 1, true, false);
        let point = net.conv(depthwise, 8, 1, 1, false, false);
        let sum = net.push(Op::Add, &[point, first], true);
        let joined = net.push(Op::Concat, &[sum, depthwise], false);
        net.push(Op::Pool, &[joined], false);
        net
    }

    /// Returns a graph whose tensor `vector` is 8 floats of an image.
    pub fn grid_free() -> Graph {
        let mut graph = Graph::new(&[1, 3, SIDE as i64, SIDE as i64]);
        graph.weights("first", &[8, 3, 3, 3]);
        graph.node("Conv", "conv", &["x", "first"], &[("strides", &[2, 2])]);
        graph.node("Relu", "relu", &["conv"], &[]);
        graph.node("GlobalAveragePool", "pool", &["relu"], &[]);
        graph.node("Flatten", "vector", &["pool"], &[]);
        graph
    }

    pub fn conv(
        &mut self,
        from: usize,
        channels: usize,
        kernel: usize,
        stride: usize,
        depthwise: bool,
        relu: bool,
    ) -> usize {
        let inputs = if depthwise { 1 } else { self.seen[from].channels };
        let count = channels * inputs * kernel * kernel;
        let weights = (0..count).map(|_| (self.draws.below(255) as i32 - 127) as i8).collect();
        let steps = (0..channels).map(|_| 1e-3 * (1.0 + self.draws.below(7) as f32)).collect();
        let bias = (0..channels).map(|_| self.draws.below(4001) as i32 - 2000).collect();
        let conv = Conv { weights, steps, bias, inputs, kernel, stride, depthwise };
        self.push(Op::Conv(conv), &[from], relu)
    }

    fn push(&mut self, op: Op, reads: &[usize], relu: bool) -> usize {
        let grid = Grid { scale: 1.0, zero: 0 };
        let layer = Layer { op, reads: reads.to_vec(), grid };
        let real = self.real(&layer, &self.seen);
        let least = if relu { 0.0 } else { real.values.iter().copied().fold(0.0, f64::min) };
        let most = real.values.iter().copied().fold(1e-3, f64::max);
        let scale = ((most - least) / 255.0) as f32;
        let zero = (-least / f64::from(scale)).round_ties_even() as i32;
        let layer = Layer { grid: Grid { scale, zero }, ..layer };
        self.seen.push(coded(&real, layer.grid));
        self.layers.push(layer);
        self.layers.len() - 1
    }

    pub fn convs(&self) -> impl Iterator<Item = &Conv> {
        self.layers.iter().filter_map(|layer| match &layer.op {
            Op::Conv(conv) => Some(conv),
            _ => None,
        })
    }

    pub fn convs_mut(&mut self) -> impl Iterator<Item = &mut Conv> {
        self.layers.iter_mut().filter_map(|layer| match &mut layer.op {
            Op::Conv(conv) => Some(conv),
            _ => None,
        })
    }

    /// Returns the grid of each layer, the image's first.
    pub fn grids(&self) -> impl Iterator<Item = Grid> {
        self.layers.iter().map(|layer| layer.grid)
    }

    /// Returns the last layer's values for an image.
    pub fn run(&self, image: &[u8]) -> Vec<f64> {
        self.run_to(self.layers.len() - 1, image)
    }

    /// Returns a layer's values for an image: rows, columns, channels.
    pub fn run_to(&self, id: usize, image: &[u8]) -> Vec<f64> {
        let mut maps = vec![pixels(image)];
        for layer in &self.layers[1..=id] {
            maps.push(coded(&self.real(layer, &maps), layer.grid));
        }
        self.values(id, &maps).values
    }

    fn real(&self, layer: &Layer, maps: &[Map<i32>]) -> Map<f64> {
        let read: Vec<Map<f64>> = layer.reads.iter().map(|&id| self.values(id, maps)).collect();
        let first = &read[0];
        match &layer.op {
            Op::Conv(conv) => self.convolved(conv, layer.reads[0], maps),
            Op::Add => {
                let sums = first.values.iter().zip(&read[1].values).map(|(a, b)| a + b);
                Map { values: sums.collect(), ..*first }
            }
            Op::Concat => {
                let rows = first.values.chunks(first.channels);
                let others = read[1].values.chunks(read[1].channels);
                let values = rows.zip(others).flat_map(|(a, b)| [a, b].concat()).collect();
                Map { channels: first.channels + read[1].channels, side: first.side, values }
            }
            Op::Pool => {
                let mut sums = vec![0.0; first.channels];
                for pixel in first.values.chunks(first.channels) {
                    sums.iter_mut().zip(pixel).for_each(|(sum, v)| *sum += v);
                }
                let count = (first.side * first.side) as f64;
                let values = sums.into_iter().map(|sum| sum / count).collect();
                Map { side: 1, channels: first.channels, values }
            }
        }
    }

    fn values(&self, id: usize, maps: &[Map<i32>]) -> Map<f64> {
        let Grid { scale, zero } = self.layers[id].grid;
        let real = |code: &i32| f64::from(code - zero) * f64::from(scale);
        let values = maps[id].values.iter().map(real).collect();
        Map { values, side: maps[id].side, channels: maps[id].channels }
    }

    fn convolved(&self, conv: &Conv, from: usize, maps: &[Map<i32>]) -> Map<f64> {
        let map = &maps[from];
        let Grid { scale, zero } = self.layers[from].grid;
        let pad = (conv.kernel / 2) as i64;
        let side = map.side.div_ceil(conv.stride);
        let channels = conv.bias.len();
        let mut values = Vec::new();
        for at in 0..side * side * channels {
            let (pixel, o) = (at / channels, at % channels);
            let mut sum = i64::from(conv.bias[o]);
            for tap in 0..conv.kernel * conv.kernel {
                let row = (pixel / side * conv.stride) as i64 + (tap / conv.kernel) as i64 - pad;
                let column = (pixel % side * conv.stride) as i64 + (tap % conv.kernel) as i64 - pad;
                let inside = 0..map.side as i64;
                if !inside.contains(&row) || !inside.contains(&column) {
                    continue;
                }
                let place = row as usize * map.side + column as usize;
                for i in 0..conv.inputs {
                    let c = if conv.depthwise { o } else { i };
                    let weight =
                        conv.weights[(o * conv.inputs + i) * conv.kernel * conv.kernel + tap];
                    let code = map.values[place * map.channels + c] - zero;
                    sum += i64::from(code) * i64::from(weight);
                }
            }
            values.push(sum as f64 * f64::from(scale) * f64::from(conv.steps[o]));
        }
        Map { side, channels, values }
    }

    /// Returns the network as a quantized file, whose last tensor is `embedding`.
    pub fn model(&self, form: Form, kind: Kind) -> ModelProto {
        let mut file = File { graph: Graph::new(&[1, 3, SIDE as i64, SIDE as i64]), form, kind };
        for (id, layer) in self.layers.iter().enumerate() {
            file.grid(id, layer.grid);
            match id {
                0 => file.graph.node("QuantizeLinear", "c0", &["x", "s0", "z0"], &[]),
                _ => file.layer(id, layer),
            };
            if form == Form::Qdq {
                file.dequantize(id);
            }
        }
        let last = self.layers.len() - 1;
        if form == Form::Operators {
            file.dequantize(last);
        }
        file.graph.node("Identity", "embedding", &[&format!("d{last}")], &[]);
        file.graph.model(13)
    }
}

/// File under construction: layer `i` has codes `ci`, floats `di`, scale `si`, zero point `zi`.
struct File {
    graph: Graph,
    form: Form,
    kind: Kind,
}

impl File {
    fn grid(&mut self, id: usize, grid: Grid) {
        self.graph.floats(&format!("s{id}"), &[grid.scale]);
        self.graph.0.initializer.last_mut().unwrap().dims.clear();
        let zero = match self.kind {
            Kind::U8 => stored(&format!("z{id}"), &[], 2, vec![grid.zero as u8]),
            Kind::S8 => stored(&format!("z{id}"), &[], 3, vec![(grid.zero - 128) as u8]),
        };
        self.graph.0.initializer.push(zero);
    }

    fn dequantize(&mut self, id: usize) {
        let [code, scale, zero] = ["c", "s", "z"].map(|part| format!("{part}{id}"));
        self.graph.node("DequantizeLinear", &format!("d{id}"), &[&code, &scale, &zero], &[]);
    }

    /// Adds an operation on floats with its quantization, or the one on codes.
    fn layer(&mut self, id: usize, layer: &Layer) -> &mut Graph {
        let op = match &layer.op {
            Op::Conv(conv) => return self.conv(id, layer.reads[0], conv),
            Op::Add => "Add",
            Op::Concat => "Concat",
            Op::Pool => "GlobalAveragePool",
        };
        let out = [format!("s{id}"), format!("z{id}")];
        if self.form == Form::Qdq {
            let reads: Vec<String> = layer.reads.iter().map(|read| format!("d{read}")).collect();
            let reads: Vec<&str> = reads.iter().map(String::as_str).collect();
            self.graph.node(op, &format!("f{id}"), &reads, &[]);
            if op == "Concat" {
                self.graph.number("axis", 1);
            }
            return self.quantize(id);
        }
        let triples = layer.reads.iter().flat_map(|r| ["c", "s", "z"].map(|p| format!("{p}{r}")));
        let names: Vec<String> = match op {
            "Concat" => out.into_iter().chain(triples).collect(),
            _ => triples.chain(out).collect(),
        };
        let names: Vec<&str> = names.iter().map(String::as_str).collect();
        self.graph.node(&format!("QLinear{op}"), &format!("c{id}"), &names, &[]);
        if op == "Concat" {
            self.graph.number("axis", 1);
        }
        &mut self.graph
    }

    fn quantize(&mut self, id: usize) -> &mut Graph {
        let names = ["f", "s", "z"].map(|part| format!("{part}{id}"));
        self.graph.node(
            "QuantizeLinear",
            &format!("c{id}"),
            &[&names[0], &names[1], &names[2]],
            &[],
        )
    }

    fn conv(&mut self, id: usize, from: usize, conv: &Conv) -> &mut Graph {
        let channels = conv.bias.len() as i64;
        let kernel = conv.kernel as i64;
        let dims = [channels, conv.inputs as i64, kernel, kernel];
        let codes = conv.weights.iter().map(|&w| w as u8).collect();
        let words = conv.bias.iter().flat_map(|b| b.to_le_bytes()).collect();
        let [w, ws, wz, b] = ["w", "ws", "wz", "b"].map(|part| format!("{part}{id}"));
        self.graph.0.initializer.extend([
            stored(&w, &dims, 3, codes),
            stored(&wz, &[channels], 3, vec![0; conv.bias.len()]),
            stored(&b, &[channels], 6, words),
        ]);
        self.graph.floats(&ws, &conv.steps);
        let pad = kernel / 2;
        let stride = conv.stride as i64;
        let attributes: [(&str, &[i64]); 2] = [("pads", &[pad; 4]), ("strides", &[stride; 2])];
        let group = if conv.depthwise { channels } else { 1 };
        if self.form == Form::Operators {
            let [x, xs, xz] = ["c", "s", "z"].map(|part| format!("{part}{from}"));
            let [s, z] = ["s", "z"].map(|part| format!("{part}{id}"));
            let names = [&*x, &*xs, &*xz, &*w, &*ws, &*wz, &*s, &*z, &*b];
            self.graph.node("QLinearConv", &format!("c{id}"), &names, &attributes);
            return self.graph.number("group", group);
        }
        let [wd, bd, bs] = ["wd", "bd", "bs"].map(|part| format!("{part}{id}"));
        self.graph.node("DequantizeLinear", &wd, &[&w, &ws, &wz], &[]).number("axis", 0);
        let grids = self.graph.0.initializer.iter();
        let scale = grids.clone().find(|t| t.name == format!("s{from}")).unwrap();
        let scale = f32::from_le_bytes(scale.raw_data[..4].try_into().unwrap());
        let steps: Vec<f32> = conv.steps.iter().map(|step| step * scale).collect();
        self.graph.floats(&bs, &steps);
        self.graph.node("DequantizeLinear", &bd, &[&b, &bs], &[]).number("axis", 0);
        let reads = [format!("d{from}"), wd, bd];
        let reads = [&*reads[0], &*reads[1], &*reads[2]];
        self.graph.node("Conv", &format!("f{id}"), &reads, &attributes).number("group", group);
        self.quantize(id)
    }
}

pub fn stored(name: &str, dims: &[i64], data_type: i32, raw_data: Vec<u8>) -> TensorProto {
    let dims = dims.to_vec();
    TensorProto { name: name.to_string(), dims, data_type, raw_data, ..TensorProto::default() }
}

fn pixels(image: &[u8]) -> Map<i32> {
    let values = image.iter().map(|&byte| i32::from(byte)).collect();
    Map { side: SIDE, channels: 3, values }
}

fn coded(real: &Map<f64>, grid: Grid) -> Map<i32> {
    let code =
        |v: &f64| ((v / f64::from(grid.scale)).round_ties_even() as i32 + grid.zero).clamp(0, 255);
    let values = real.values.iter().map(code).collect();
    Map { values, side: real.side, channels: real.channels }
}
