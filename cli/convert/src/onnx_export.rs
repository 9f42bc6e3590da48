//! Export of a package's int8 graph and a head as one standard ONNX model.
//!
//! Every feature map is between a `QuantizeLinear` and a `DequantizeLinear` (QDQ), which
//! onnxruntime runs in integers and every other runtime in float. ONNX rounds ties to even and
//! multiplies in float, so that an int8 value may differ from the engine's by one; answers differ
//! only if two classes are almost equally probable.
//!
//! Input `image`: bytes, 1 x height x width x channels, already cropped and resized. Outputs:
//! `embedding`, `probabilities` (the rest to 1 is the probability of an unknown class), and
//! `similarity`, the cosine similarity to each class's mean, which is below the stated bound for
//! all classes if the head would answer `unknown`.

use builder::Builder;
use offshoot::{DeltaError, Head, Linear, Transform, TunedTail};
use offshoot_core::graph::{Clamp, Graph, Int8Op, Node, Op, TensorId, Window};
use offshoot_core::head::{AskError, KnownOdds};
use offshoot_core::preprocess::{Channels, Resize};
use offshoot_core::tail::{Delta, Tail};
use offshoot_core::{Package, Quant};
use prost::Message;
use thiserror::Error;
use tract_onnx::pb::{ModelProto, OperatorSetIdProto, StringStringEntryProto};

mod builder;

/// Lowest operator set with scales per channel.
const OPSET: i64 = 13;

/// Version of the file format that goes with it.
const IR_VERSION: i64 = 7;

/// Error of an export.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum ExportError {
    /// The head keeps its samples instead of weights.
    #[error(
        "a head of kind `{kind}` has no weights; train with --head auto, ncm, softmax, ridge or slda{hint}"
    )]
    NotLinear {
        /// Kind of the fitted head.
        kind: &'static str,
        /// Hint for a head of kind `auto`, else empty.
        hint: &'static str,
    },
    /// The head has no samples yet.
    #[error(transparent)]
    Ask(#[from] AskError),
    /// The tail is damaged or of another package.
    #[error(transparent)]
    Tail(#[from] DeltaError),
    /// The package takes no images.
    #[error("the package takes {takes}; only packages that take images are exported")]
    NotImages {
        /// Input that the package takes.
        takes: &'static str,
    },
    /// The package is not int8.
    #[error(
        "node `{node}` is a {op}; only int8 packages are exported: convert with --precision int8"
    )]
    NotInt8 {
        /// Name of the node.
        node: String,
        /// Operation of the node.
        op: &'static str,
    },
}

impl ExportError {
    /// True if the head is the cause, not the package.
    pub fn is_of_head(&self) -> bool {
        !matches!(self, Self::NotInt8 { .. } | Self::NotImages { .. } | Self::Tail(_))
    }
}

/// Returns the bytes of an ONNX file with the backbone, with the layer of a tuned tail if one is
/// given, and the head.
///
/// # Errors
/// The head has no weights or is not fitted, the package is not int8, or the tail is another's.
pub fn export(
    package: &Package<'_>,
    tail: Option<&TunedTail>,
    head: &Head,
) -> Result<Vec<u8>, ExportError> {
    if package.sensor().is_some() {
        return Err(ExportError::NotImages { takes: "signals" });
    }
    let mut builder = Builder::default();
    let graph = package.graph();
    let delta = tail.map(|tail| Delta::open(tail.bytes())).transpose()?;
    let tuned = delta.map(|delta| delta.tail(package)).transpose()?;
    image(&mut builder, package);
    for (id, node) in graph.nodes() {
        let Op::Int8(op) = node.op else {
            return Err(ExportError::NotInt8 { node: node.name.to_string(), op: node.op.name() });
        };
        let tuned = tuned.filter(|tail| tail.node() + 1 == usize::from(id));
        match tuned {
            Some(tail) => tuned_conv(&mut builder, graph, id, op, &tail),
            None => operation(&mut builder, graph, id, &node, op),
        }
    }
    let dim = package.embedding_dim() as i64;
    let real = real(&mut builder, graph, graph.output());
    let shape = builder.longs("embedding.shape", &[1, dim]);
    match package.manifest().extras.unit_length {
        false => builder.node("Reshape", &[&real, &shape], "embedding"),
        true => {
            builder.node("Reshape", &[&real, &shape], "embedding.long");
            length(&mut builder, "embedding.long", "long");
            builder.node("Div", &["embedding.long", "long.length"], "embedding");
        }
    }
    let classes = head.class_count() as i64;
    let known = probabilities(&mut builder, head)?;
    let metadata = metadata(package, head, known)?;
    similarities(&mut builder, head);
    joint(&mut builder, known);
    let outputs = [("embedding", dim), ("probabilities", classes), ("similarity", classes)];
    let shape = graph.tensor(Graph::INPUT).shape;
    let model = ModelProto {
        ir_version: IR_VERSION,
        producer_name: "offshoot".to_string(),
        producer_version: env!("CARGO_PKG_VERSION").to_string(),
        opset_import: vec![OperatorSetIdProto { domain: String::new(), version: OPSET }],
        metadata_props: metadata,
        graph: Some(
            builder.graph([1, shape.h() as i64, shape.w() as i64, shape.c() as i64], &outputs),
        ),
        ..ModelProto::default()
    };
    Ok(model.encode_to_vec())
}

/// Returns the metadata that a program needs besides the graph.
fn metadata(
    package: &Package<'_>,
    head: &Head,
    known: Option<KnownOdds>,
) -> Result<Vec<StringStringEntryProto>, ExportError> {
    let classes: Vec<String> = head.classes().map(|(_, name)| name.to_string()).collect();
    let recipe = head.chosen()?;
    let preprocess = package.manifest().preprocess;
    let channels = match preprocess.channels {
        Channels::Rgb => "rgb",
        Channels::Bgr => "bgr",
        Channels::Gray => "gray",
    };
    let resize = match preprocess.resize {
        Resize::Squash => "squash".to_string(),
        Resize::Crop { short_side } => format!("short side {short_side}, middle"),
    };
    let entry =
        |key: &str, value: String| StringStringEntryProto { key: format!("offshoot.{key}"), value };
    let mut all = vec![
        entry("classes", serde_json::json!(classes).to_string()),
        entry("channels", channels.to_string()),
        entry("resize", resize),
        entry("head", recipe.kind.name().to_string()),
    ];
    if let Some(odds) = known {
        let least = 1.0 / (1.0 + (-odds.least).exp());
        all.push(entry("least-known", least.to_string()));
    }
    // With the margin the bound depends on the embedding.
    if let Some(odds) = known.filter(|odds| odds.margin_slope == 0.0) {
        let least = (odds.least - odds.offset) / odds.slope;
        all.push(entry("least-similarity", least.to_string()));
    }
    Ok(all)
}

/// Quantizes the input bytes by the package's table.
fn image(builder: &mut Builder, package: &Package<'_>) {
    let channels = package.manifest().preprocess.channels.count();
    let offsets: Vec<i32> = (0..channels as i32).map(|c| 256 * c).collect();
    let offsets = builder.words("input.offsets", &[1, 1, 1, channels as i64], &offsets);
    let table = builder.codes("input.table", &[256 * channels as i64], package.input_table());
    let bytes = builder.cast("picture", "input.bytes");
    builder.node("Add", &[&bytes, &offsets], "input.places");
    builder.node("Gather", &[&table, "input.places"], "input.codes");
    builder.transpose("input.codes", "t0", &[0, 3, 1, 2]);
}

fn name(id: TensorId) -> String {
    format!("t{id}")
}

/// Returns the name of a feature map's float values; the node that dequantizes them is added on
/// first use.
fn real(builder: &mut Builder, graph: &Graph<'_>, id: TensorId) -> String {
    let real = format!("{}.real", name(id));
    if !builder.has(&real) {
        let quant = quant(graph, id);
        let (scale, zero) = builder.quant(&name(id), quant);
        builder.node("DequantizeLinear", &[&name(id), &scale, &zero], &real);
    }
    real
}

fn quant(graph: &Graph<'_>, id: TensorId) -> Quant {
    graph.tensor(id).element.quant().expect("an int8 graph has only codes")
}

/// Quantizes float values with the quantization of tensor `id`, within `clamp`.
fn codes(builder: &mut Builder, graph: &Graph<'_>, id: TensorId, from: &str, clamp: Clamp) {
    let name = name(id);
    let quant = quant(graph, id);
    let mut from = from.to_string();
    if clamp != Clamp::NONE {
        let lo = builder.float(&format!("{name}.lo"), quant.dequantize(clamp.lo));
        let hi = builder.float(&format!("{name}.hi"), quant.dequantize(clamp.hi));
        let clipped = format!("{name}.clipped");
        builder.node("Clip", &[&from, &lo, &hi], &clipped);
        from = clipped;
    }
    let (scale, zero) = builder.quant(&name, quant);
    builder.node("QuantizeLinear", &[&from, &scale, &zero], &name);
}

fn operation(builder: &mut Builder, graph: &Graph<'_>, id: TensorId, node: &Node<'_>, op: Int8Op) {
    let inputs: Vec<TensorId> = node.inputs.iter().collect();
    let reals: Vec<String> = inputs.iter().map(|&i| real(builder, graph, i)).collect();
    let reads: Vec<&str> = reals.iter().map(String::as_str).collect();
    let out = format!("{}.out", name(id));
    let shape = graph.tensor(id).shape;
    let [rows, columns, channels] = [shape.h(), shape.w(), shape.c()].map(|n| n as i64);
    let mut clamp = Clamp::NONE;
    match op {
        Int8Op::Conv { clamp: limits, .. } => {
            clamp = limits;
            conv(builder, graph, (inputs[0], id), op, &Stored::of(graph, &op), &out);
        }
        Int8Op::Add { clamp: limits, .. } => {
            clamp = limits;
            builder.node("Add", &reads, &out);
        }
        Int8Op::AveragePool { window, include_pad, clamp: limits, .. } => {
            clamp = limits;
            builder.pool("AveragePool", &reads, &out, window, include_pad);
        }
        Int8Op::MaxPool { window } => builder.pool("MaxPool", &reads, &out, window, false),
        Int8Op::Concat { .. } => builder.concat(&reads, &out),
        Int8Op::Rescale { clamp: limits, .. } => {
            clamp = limits;
            builder.node("Identity", &reads, &out);
        }
        Int8Op::Pad { pad } => {
            let [above, left, below, right] = pad.map(i64::from);
            let pads =
                builder.longs(&format!("{out}.pads"), &[0, 0, above, left, 0, 0, below, right]);
            builder.node("Pad", &[reads[0], &pads], &out);
        }
        // Channels come first here as they do in ONNX.
        Int8Op::Flatten => {
            let target = builder.longs(&format!("{out}.shape"), &[1, channels, rows, columns]);
            builder.node("Reshape", &[reads[0], &target], &out);
        }
        // Channels come last.
        Int8Op::Reshape => {
            let [last, shaped] = ["last", "shaped"].map(|step| format!("{out}.{step}"));
            builder.transpose(reads[0], &last, &[0, 2, 3, 1]);
            let target = builder.longs(&format!("{out}.shape"), &[1, rows, columns, channels]);
            builder.node("Reshape", &[&last, &target], &shaped);
            builder.transpose(&shaped, &out, &[0, 3, 1, 2]);
        }
        other => unreachable!("{other:?} is in no package of this version"),
    }
    codes(builder, graph, id, &out, clamp);
}

/// Writes a convolution of float values; weights and bias stay integers with a scale per channel.
/// Weights, biases and mantissas of a convolution.
struct Stored<'a> {
    weights: &'a [i8],
    bias: Vec<i32>,
    mantissas: Vec<i32>,
}

impl<'a> Stored<'a> {
    /// Those of the package; none of another operation.
    fn of(graph: &Graph<'a>, op: &Int8Op) -> Self {
        let Int8Op::Conv { weights, bias, mantissas, .. } = op else {
            return Self { weights: &[], bias: Vec::new(), mantissas: Vec::new() };
        };
        let section = graph.weights();
        Self {
            weights: weights.codes(section),
            bias: bias.words(section).collect(),
            mantissas: mantissas.words(section).collect(),
        }
    }
}

/// Writes the convolution of a tuned tail.
fn tuned_conv(builder: &mut Builder, graph: &Graph<'_>, id: TensorId, op: Int8Op, tail: &Tail<'_>) {
    let Int8Op::Conv { clamp, .. } = op else { return };
    let stored = Stored {
        weights: tail.weights(),
        bias: tail.biases().collect(),
        mantissas: tail.mantissas().collect(),
    };
    let out = format!("{}.out", name(id));
    conv(builder, graph, (tail.map(), id), op, &stored, &out);
    codes(builder, graph, id, &out, clamp);
}

fn conv(
    builder: &mut Builder,
    graph: &Graph<'_>,
    (source, id): (TensorId, TensorId),
    op: Int8Op,
    stored: &Stored<'_>,
    out: &str,
) {
    let Int8Op::Conv { window, groups, shift, .. } = op else { return };
    let input = graph.tensor(source).shape;
    let output = graph.tensor(id).shape;
    let step_in = f64::from(quant(graph, source).scale.get());
    let step_out = f64::from(quant(graph, id).scale.get());
    // The steps of the weights are part of the multipliers.
    let steps: Vec<f64> = stored
        .mantissas
        .iter()
        .map(|&m| f64::from(m) * f64::from(shift).exp2() / (1u64 << 31) as f64 * step_out / step_in)
        .collect();
    let codes = stored.weights;
    let taps = window.taps();
    let channels = output.c();
    let each = input.c() / usize::from(groups);
    let depthwise = op.is_depthwise(input.c(), channels);
    let mut ordered: Vec<i8> = Vec::with_capacity(codes.len());
    for o in 0..channels {
        for i in 0..each {
            ordered.extend((0..taps).map(|tap| match depthwise {
                true => codes[tap * channels + o],
                false => codes[(o * taps + tap) * each + i],
            }));
        }
    }
    let [rows, columns] = window.kernel.map(i64::from);
    let dims = [channels as i64, each as i64, rows, columns];
    let weight_steps: Vec<f32> = steps.iter().map(|s| *s as f32).collect();
    let bias_steps: Vec<f32> = steps.iter().map(|s| (s * step_in) as f32).collect();
    let weights = builder.codes(&format!("{out}.weights"), &dims, &ordered);
    let weights = builder.per_channel(&weights, &weight_steps, true);
    let bias = builder.words(&format!("{out}.bias"), &[channels as i64], &stored.bias);
    let bias = builder.per_channel(&bias, &bias_steps, false);
    let source = real(builder, graph, source);
    builder.conv(&[&source, &weights, &bias], out, window, groups);
}

/// Writes the head on the embedding: L2 norm, product with the weights, softmax. Returns the
/// parameters of the probability that the class is known.
fn probabilities(builder: &mut Builder, head: &Head) -> Result<Option<KnownOdds>, ExportError> {
    let kind = head.chosen()?.kind;
    let asked = head.kind();
    let classes = head.class_count();
    let dim = head.dim();
    let hint = if kind == asked { "" } else { " (auto chose neighbours here)" };
    let linear = match head.linear() {
        Err(AskError::NotLinear) => return Err(ExportError::NotLinear { kind: kind.name(), hint }),
        other => other?,
    };
    let dim = dim - linear.first;
    let read = last(builder, linear.first, "head.values");
    gain(builder, &linear, &read);
    let weights = transposed(linear.weights, classes, dim);
    let bias: Vec<f32> = linear.bias().map(|b| b.max(f32::MIN)).collect();
    let weights = builder.floats("head.weights", &[dim as i64, classes as i64], &weights);
    let bias = builder.floats("head.bias", &[classes as i64], &bias);
    builder.node("Mul", &[&read, "head.gain"], "head.feature");
    builder.node("MatMul", &["head.feature", &weights], "head.products");
    builder.node("Add", &["head.products", &bias], "head.scores");
    builder.softmax("head.scores", "head.classes");
    Ok(linear.known)
}

/// Writes the values of an embedding from `first` on as `name`; returns their name.
fn last(builder: &mut Builder, first: usize, name: &str) -> String {
    if first == 0 {
        return "embedding".to_string();
    }
    let from = builder.longs(&format!("{name}.from"), &[first as i64]);
    let to = builder.longs(&format!("{name}.to"), &[i64::MAX]);
    let axes = builder.longs(&format!("{name}.axes"), &[1]);
    builder.node("Slice", &["embedding", &from, &to, &axes], name);
    name.to_string()
}

/// Writes the probability of each class times the probability that it is known, by the nearest
/// mean and the margin.
fn joint(builder: &mut Builder, known: Option<KnownOdds>) {
    let slope = builder.float("known.slope", known.map_or(0.0, |odds| odds.slope));
    let offset = builder.float("known.offset", known.map_or(1e4, |odds| odds.offset));
    builder.greatest("similarity", "known.similarity");
    builder.node("Mul", &["known.similarity", &slope], "known.product");
    builder.node("Add", &["known.product", &offset], "known.of-similarity");
    let mut odds = "known.of-similarity";
    if let Some(known) = known.filter(|known| known.margin_slope > 0.0) {
        margin(builder, known);
        builder.node("Add", &[odds, "known.of-margin"], "known.odds");
        odds = "known.odds";
    }
    builder.node("Sigmoid", &[odds], "known");
    builder.node("Mul", &["head.classes", "known"], "probabilities");
}

/// Writes the part of the margin between the two best scores in the log odds.
fn margin(builder: &mut Builder, known: KnownOdds) {
    let slope = builder.float("margin.slope", known.margin_slope);
    let most = builder.float("margin.most", known.most_margin);
    builder.two_greatest_differ("head.scores", "margin");
    builder.node("Min", &["margin", &most], "margin.counted");
    builder.node("Mul", &["margin.counted", &slope], "known.of-margin");
}

/// Writes `PART.length`, the L2 norm of a vector, never 0.
fn length(builder: &mut Builder, vector: &str, part: &str) {
    let [squares, square, root, axes, tiny, length] =
        ["squares", "square", "root", "axes", "tiny", "length"]
            .map(|name| format!("{part}.{name}"));
    builder.node("Mul", &[vector, vector], &squares);
    let axes = builder.longs(&axes, &[1]);
    builder.node("ReduceSum", &[&squares, &axes], &square);
    builder.node("Sqrt", &[&square], &root);
    let tiny = builder.float(&tiny, 1e-15);
    builder.node("Max", &[&root, &tiny], &length);
}

/// Writes `head.length` and, from it, `head.gain`, like [`Linear::gain`].
fn gain(builder: &mut Builder, linear: &Linear<'_>, read: &str) {
    length(builder, read, "head");
    // gain = T * (norm / mean)^p / norm = T * mean^-p * norm^(p - 1), T: inverse temperature
    let power = match linear.transform {
        Transform::Half => 0.5,
        Transform::Quarter => 0.25,
        Transform::Unit => 0.0,
        // Raw; a transform unknown here would be a bug of this program.
        _ => 1.0,
    };
    let factor = f64::from(linear.inverse_temperature)
        * f64::from(linear.mean_length.max(1e-15)).powf(-power);
    let factor = builder.float("head.factor", factor as f32);
    let exponent = builder.float("head.exponent", (power - 1.0) as f32);
    builder.node("Pow", &["head.length", &exponent], "head.stretch");
    builder.node("Mul", &["head.stretch", &factor], "head.gain");
}

/// Writes the cosine similarities to the class means.
fn similarities(builder: &mut Builder, head: &Head) {
    let classes = head.class_count();
    let dim = head.parts().last();
    let mut means = vec![0.0f64; classes * dim];
    for (class, sample) in head.samples() {
        let sample = sample.last(dim);
        let length = sample.iter().map(|x| f64::from(x).powi(2)).sum::<f64>().sqrt().max(1e-15);
        let mean = &mut means[class.index() * dim..][..dim];
        mean.iter_mut().zip(sample.iter()).for_each(|(m, x)| *m += f64::from(x) / length);
    }
    let mut rows: Vec<f32> = Vec::with_capacity(means.len());
    for mean in means.chunks_exact(dim) {
        let length = mean.iter().map(|x| x * x).sum::<f64>().sqrt().max(1e-15);
        rows.extend(mean.iter().map(|x| (x / length) as f32));
    }
    let means = transposed(&rows, classes, dim);
    let means = builder.floats("head.means", &[dim as i64, classes as i64], &means);
    let last = last(builder, head.dim() - dim, "last.values");
    length(builder, &last, "last");
    builder.node("Div", &[&last, "last.length"], "last.unit");
    builder.node("MatMul", &["last.unit", &means], "similarity");
}

fn transposed(rows: &[f32], classes: usize, dim: usize) -> Vec<f32> {
    (0..dim).flat_map(|d| (0..classes).map(move |c| rows[c * dim + d])).collect()
}

/// Returns the attributes of a window in ONNX's notation.
fn window_lists(window: Window) -> [(&'static str, Vec<i64>); 3] {
    let lists = [
        ("kernel_shape", &window.kernel[..]),
        ("strides", &window.stride[..]),
        ("pads", &window.pad[..]),
    ];
    lists.map(|(name, values)| (name, values.iter().map(|&v| i64::from(v)).collect()))
}
