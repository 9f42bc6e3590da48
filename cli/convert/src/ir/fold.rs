//! Simplification before quantization: batch normalization and constants into convolutions,
//! activations into the operation before them, flattening into the fully connected layer after it.
//!
//! Every rule keeps the function that the network computes; rules run until none applies.

use offshoot_core::Shape;
use offshoot_core::graph::{Binary, Unary, Window};

use super::{Conv, Expr, Layer, LayerId, LayerOp, Model, grids};

/// Simplifies the model.
pub fn fold(model: &mut Model) {
    let rules: [fn(&mut Model, LayerId) -> bool; 10] = [
        merge_scales,
        drop_identity,
        grids::drop_same,
        scale_after_conv,
        scale_before_conv,
        fuse_clamp,
        pad_into_conv,
        flatten_into_conv,
        pick_after_conv,
        pick_before_conv,
    ];
    loop {
        let mut changed = false;
        for id in 1..model.layers.len() {
            changed |= rules.iter().any(|rule| rule(model, id));
        }
        model.compact();
        if !changed {
            break;
        }
    }
    functions(model);
    model.compact();
    grids::spread(model);
    for layer in &mut model.layers {
        if let LayerOp::Scale { factors, offsets } = &mut layer.op {
            // A scale that no rule could fold becomes a depthwise convolution.
            layer.op = LayerOp::Conv(Conv {
                window: Window::POINT,
                groups: factors.len(),
                weights: std::mem::take(factors),
                bias: std::mem::take(offsets),
            });
        }
    }
}

/// Largest number of operations of a formula; activations as exporters write them have fewer.
const FORMULA: usize = 32;

/// Merges layers that compute a function of one layer, value by value, into a formula: SiLU is a
/// sigmoid and a product, GELU five operations.
fn functions(model: &mut Model) {
    // Each layer as a formula of another; most are the identity.
    let mut formulas: Vec<(LayerId, Expr)> = Vec::new();
    for id in 0..model.layers.len() {
        let formula = formula(&model.layers[id], &formulas);
        let found =
            formula.filter(|(source, _)| model.layers[*source].shape == model.layers[id].shape);
        let (source, expr) = found.unwrap_or((id, Expr::Input));
        if source != id {
            let layer = &mut model.layers[id];
            (layer.op, layer.inputs, layer.clamp) =
                (LayerOp::Function(expr.clone()), vec![source], None);
        }
        // What is rounded to a grid of its own is read as it is.
        let rounded = model.layers[id].stated.grid.is_some();
        formulas.push(if rounded { (id, Expr::Input) } else { (source, expr) });
    }
}

fn formula(layer: &Layer, formulas: &[(LayerId, Expr)]) -> Option<(LayerId, Expr)> {
    let (source, expr) = match (&layer.op, &layer.inputs[..]) {
        (LayerOp::Function(expr), [a]) => {
            let (source, inner) = &formulas[*a];
            (*source, expr.of(inner))
        }
        (LayerOp::Scale { factors, offsets }, [a]) => {
            let f = factors[0];
            let o = offsets[0];
            let uniform = factors.iter().all(|&x| x == f) && offsets.iter().all(|&x| x == o);
            let (source, mut expr) = formulas[*a].clone();
            for (op, value, neutral) in [(Binary::Mul, f, 1.0), (Binary::Add, o, 0.0)] {
                if value != neutral {
                    expr = Expr::Constant(op, value, Box::new(expr));
                }
            }
            uniform.then_some((source, expr))?
        }
        (&LayerOp::Binary(op), [a, b]) => {
            // The common source is the source of an operand, or one of the operands itself.
            let left = [formulas[*a].clone(), (*a, Expr::Input)];
            let right = [formulas[*b].clone(), (*b, Expr::Input)];
            let pairs = left.iter().flat_map(|l| right.iter().map(move |r| (l, r)));
            let ((source, x), (_, y)) = pairs.into_iter().find(|(l, r)| l.0 == r.0)?;
            (*source, Expr::Binary(op, Box::new(x.clone()), Box::new(y.clone())))
        }
        _ => return None,
    };
    let expr = match layer.clamp {
        Some((lo, hi)) => Expr::Unary(Unary::Clamp { lo, hi }, Box::new(expr)),
        None => expr,
    };
    (expr.size() <= FORMULA).then_some((source, expr))
}

/// Returns the layer's only input, if the layer is its only reader and it has no activation.
fn sole_input(model: &Model, id: LayerId) -> Option<LayerId> {
    let &[input] = model.layers[id].inputs.as_slice() else { return None };
    let private = model.readers()[input] == 1 && input != 0 && model.layers[input].clamp.is_none();
    private.then_some(input)
}

fn merge_scales(model: &mut Model, id: LayerId) -> bool {
    let Some(input) = sole_input(model, id) else { return false };
    let LayerOp::Scale { factors: f1, offsets: o1 } = model.layers[input].op.clone() else {
        return false;
    };
    let LayerOp::Scale { factors, offsets } = &mut model.layers[id].op else { return false };
    for (((f, o), f1), o1) in factors.iter_mut().zip(offsets.iter_mut()).zip(f1).zip(o1) {
        *o += *f * o1;
        *f *= f1;
    }
    model.layers[id].inputs = model.layers[input].inputs.clone();
    true
}

fn drop_identity(model: &mut Model, id: LayerId) -> bool {
    let layer = &model.layers[id];
    let identity = match &layer.op {
        // A sum over n and a division by n leave a factor within an ulp or two of 1.
        LayerOp::Scale { factors, offsets } => {
            factors.iter().all(|f| (f - 1.0).abs() < 1e-6) && offsets.iter().all(|&o| o == 0.0)
        }
        LayerOp::Reshape => model.layers[layer.inputs[0]].shape == layer.shape,
        _ => false,
    };
    if !identity {
        return false;
    }
    let unused = model.readers()[id] == 0;
    let input = layer.inputs[0];
    if unused || layer.clamp.is_some() {
        return false;
    }
    model.redirect(id, input);
    true
}

fn scale_after_conv(model: &mut Model, id: LayerId) -> bool {
    let Some(input) = sole_input(model, id) else { return false };
    let layer = &model.layers[id];
    let LayerOp::Scale { factors, offsets } = layer.op.clone() else { return false };
    if layer.clamp.is_some() {
        return false;
    }
    let LayerOp::Conv(conv) = &mut model.layers[input].op else { return false };
    let per_channel = conv.weights.len() / conv.bias.len();
    for ((weights, bias), (f, o)) in conv
        .weights
        .chunks_exact_mut(per_channel)
        .zip(&mut conv.bias)
        .zip(factors.into_iter().zip(offsets))
    {
        weights.iter_mut().for_each(|w| *w *= f);
        *bias = *bias * f + o;
    }
    model.redirect(id, input);
    true
}

/// Folds a scale into the convolution after it; an offset only without padding, since the padding
/// would need it too.
fn scale_before_conv(model: &mut Model, id: LayerId) -> bool {
    let Some(input) = sole_input(model, id) else { return false };
    let LayerOp::Scale { factors, offsets } = model.layers[input].op.clone() else { return false };
    let LayerOp::Conv(conv) = &mut model.layers[id].op else { return false };
    if conv.window.pad != [0; 4] && offsets.iter().any(|&o| o != 0.0) {
        return false;
    }
    let depth = factors.len() / conv.groups;
    let per_group = conv.bias.len() / conv.groups;
    let per_channel = conv.weights.len() / conv.bias.len();
    for (o, (weights, bias)) in
        conv.weights.chunks_exact_mut(per_channel).zip(&mut conv.bias).enumerate()
    {
        let first = o / per_group * depth;
        for pixel in weights.chunks_exact_mut(depth) {
            for (i, w) in pixel.iter_mut().enumerate() {
                *bias += *w * offsets[first + i];
                *w *= factors[first + i];
            }
        }
    }
    model.layers[id].inputs = model.layers[input].inputs.clone();
    true
}

/// Folds a selection of a convolution's channels into the convolution, which computes only those.
fn pick_after_conv(model: &mut Model, id: LayerId) -> bool {
    let Some(places) = model.layers[id].op.picks().filter(|_| model.layers[id].clamp.is_none())
    else {
        return false;
    };
    let input = model.layers[id].inputs[0];
    if model.readers()[input] != 1 {
        return false;
    }
    let LayerOp::Conv(conv) = &mut model.layers[input].op else { return false };
    if conv.groups != 1 {
        return false;
    }
    let row = conv.weights.len() / conv.bias.len();
    conv.weights =
        places.iter().flat_map(|&p| conv.weights[p * row..(p + 1) * row].to_vec()).collect();
    conv.bias = places.iter().map(|&p| conv.bias[p]).collect();
    model.layers[input].shape = model.layers[id].shape;
    model.redirect(id, input);
    true
}

/// Folds a selection of channels into the convolution after it, with zeros for the other channels.
fn pick_before_conv(model: &mut Model, id: LayerId) -> bool {
    let Some(input) = sole_input(model, id) else { return false };
    let Some(places) = model.layers[input].op.picks() else { return false };
    let source = model.layers[input].inputs[0];
    let channels = model.layers[source].shape.c();
    let LayerOp::Conv(conv) = &mut model.layers[id].op else { return false };
    if conv.groups != 1 {
        return false;
    }
    let mut weights = vec![0.0; conv.weights.len() / places.len() * channels];
    for (wide, picked) in
        weights.chunks_exact_mut(channels).zip(conv.weights.chunks_exact(places.len()))
    {
        places.iter().zip(picked).for_each(|(&place, w)| wide[place] += w);
    }
    conv.weights = weights;
    model.layers[id].inputs = vec![source];
    true
}

/// Fuses clamps into the operation before them, and clamps of clamps into one.
fn fuse_clamp(model: &mut Model, id: LayerId) -> bool {
    let Some((lo, hi)) = model.layers[id].op.as_clamp() else { return false };
    let [input] = model.layers[id].inputs[..] else { return false };
    let readers = model.readers();
    if readers[input] != 1 || readers[id] == 0 || model.layers[id].clamp.is_some() {
        return false;
    }
    let Some(stated) = grids::of_both(model, input, id) else { return false };
    if let Some((lo1, hi1)) = model.layers[input].op.as_clamp() {
        model.layers[id].stated = stated;
        model.layers[id].op = LayerOp::clamp(lo1.clamp(lo, hi), hi1.clamp(lo, hi));
        model.layers[id].inputs = model.layers[input].inputs.clone();
        return true;
    }
    let takes = match model.layers[input].op {
        LayerOp::Conv(_)
        | LayerOp::Binary(Binary::Add | Binary::Mul)
        | LayerOp::AveragePool { .. } => true,
        // Its limits are then those of int8.
        LayerOp::Concat => grids::is_whole(&model.layers[id]),
        _ => false,
    };
    if !takes {
        return false;
    }
    let (lo1, hi1) = model.layers[input].clamp.unwrap_or((f32::NEG_INFINITY, f32::INFINITY));
    model.layers[input].clamp = Some((lo1.clamp(lo, hi), hi1.clamp(lo, hi)));
    model.layers[input].stated = stated;
    model.redirect(id, input);
    true
}

fn pad_into_conv(model: &mut Model, id: LayerId) -> bool {
    let [input] = model.layers[id].inputs[..] else { return false };
    let LayerOp::Pad { pad } = model.layers[input].op else { return false };
    let LayerOp::Conv(conv) = &mut model.layers[id].op else { return false };
    let mut sum = conv.window.pad;
    for (total, more) in sum.iter_mut().zip(pad) {
        match total.checked_add(more).filter(|&p| u32::from(p) <= offshoot_core::limits::PAD) {
            Some(p) => *total = p,
            None => return false,
        }
    }
    conv.window.pad = sum;
    model.layers[id].inputs = model.layers[input].inputs.clone();
    true
}

/// Turns a fully connected layer over a flattened feature map into a convolution that covers the
/// map: its weights are reordered from C, H, W to H, W, C.
fn flatten_into_conv(model: &mut Model, id: LayerId) -> bool {
    let [input] = model.layers[id].inputs[..] else { return false };
    if !matches!(model.layers[input].op, LayerOp::Flatten) {
        return false;
    }
    let map: Shape = model.layers[model.layers[input].inputs[0]].shape;
    let Some(window) = Window::covering(map) else { return false };
    let LayerOp::Conv(conv) = &mut model.layers[id].op else { return false };
    if conv.groups != 1 {
        return false;
    }
    let pixels = map.h() * map.w();
    let channels = map.c();
    for row in conv.weights.chunks_exact_mut(pixels * channels) {
        let planar = row.to_vec();
        for (i, w) in row.iter_mut().enumerate() {
            *w = planar[i % channels * pixels + i / channels];
        }
    }
    conv.window = window;
    model.layers[id].inputs = model.layers[input].inputs.clone();
    true
}

#[cfg(test)]
mod tests {
    use offshoot_core::{Quant, Scale};

    use super::*;

    fn model(shape: Shape) -> Model {
        let mut model = Model { layers: Vec::new(), output: 0 };
        model.push("input", LayerOp::Input, Vec::new(), shape);
        model
    }

    fn scale(factor: f32, offset: f32, n: usize) -> LayerOp {
        LayerOp::Scale { factors: vec![factor; n], offsets: vec![offset; n] }
    }

    fn point(weights: Vec<f32>, bias: Vec<f32>) -> LayerOp {
        LayerOp::Conv(Conv { window: Window::POINT, groups: 1, weights, bias })
    }

    #[test]
    fn batch_norm_and_relu_fold_into_the_convolution() {
        let shape = Shape::new(4, 4, 2).unwrap();
        let mut m = model(shape);
        let before = m.push("scale", scale(2.0, 1.0, 2), vec![0], shape);
        let conv =
            m.push("conv", point(vec![1.0, 2.0, 3.0, 4.0], vec![0.5, -0.5]), vec![before], shape);
        let bn = m.push("bn", scale(10.0, 1.0, 2), vec![conv], shape);
        let lo = m.push("lo", LayerOp::clamp(0.0, f32::INFINITY), vec![bn], shape);
        m.output = m.push("hi", LayerOp::clamp(f32::NEG_INFINITY, 6.0), vec![lo], shape);
        fold(&mut m);
        assert_eq!(m.layers.len(), 2);
        let LayerOp::Conv(conv) = &m.layers[1].op else { panic!("{:?}", m.layers[1]) };
        assert_eq!(conv.weights, [20.0, 40.0, 60.0, 80.0]);
        // (3 + 0.5) * 10 + 1 and (7 - 0.5) * 10 + 1
        assert_eq!(conv.bias, [36.0, 66.0]);
        assert_eq!(m.layers[1].clamp, Some((0.0, 6.0)));
    }

    #[test]
    fn nothing_folds_across_a_second_reader() {
        let shape = Shape::new(4, 4, 2).unwrap();
        let mut m = model(shape);
        let conv = m.push("conv", point(vec![1.0; 4], vec![0.0; 2]), vec![0], shape);
        let unlike = LayerOp::Scale { factors: vec![10.0, 20.0], offsets: vec![1.0; 2] };
        let bn = m.push("bn", unlike, vec![conv], shape);
        m.output = m.push("add", LayerOp::Binary(Binary::Add), vec![conv, bn], shape);
        fold(&mut m);
        assert_eq!(m.layers.len(), 4);
        let LayerOp::Conv(conv) = &m.layers[1].op else { panic!() };
        assert_eq!(conv.weights, [1.0; 4]);
    }

    /// Tests hard swish as exporters write it before opset 14, and a clamp with other readers.
    #[test]
    fn an_activation_in_pieces_becomes_one_formula() {
        let shape = Shape::new(4, 4, 2).unwrap();
        let mut m = model(shape);
        let conv = m.push("conv", point(vec![1.0; 4], vec![0.0; 2]), vec![0], shape);
        let moved = m.push("moved", scale(1.0, 3.0, 2), vec![conv], shape);
        let limited = m.push("limited", LayerOp::clamp(0.0, 6.0), vec![moved], shape);
        let product = m.push("product", LayerOp::Binary(Binary::Mul), vec![conv, limited], shape);
        let swish = m.push("swish", scale(1.0 / 6.0, 0.0, 2), vec![product], shape);
        let other = m.push("other", point(vec![1.0; 4], vec![0.0; 2]), vec![limited], shape);
        m.output = m.push("sum", LayerOp::Binary(Binary::Add), vec![swish, other], shape);
        fold(&mut m);
        let names: Vec<&str> = m.layers.iter().map(|l| &*l.name).collect();
        assert_eq!(names, ["input", "conv", "limited", "swish", "other", "sum"]);
        let LayerOp::Function(expr) = &m.layers[3].op else { panic!("{:?}", m.layers[3]) };
        assert_eq!(m.layers[3].inputs, [1]);
        for (x, want) in [(-4.0, 0.0), (0.0, 0.0), (1.0, 2.0 / 3.0), (5.0, 5.0)] {
            assert!((expr.eval(x) - want).abs() < 1e-6, "{x}");
        }
    }

    #[test]
    fn an_offset_stays_before_padding() {
        let shape = Shape::new(4, 4, 1).unwrap();
        let mut m = model(shape);
        let bn = m.push("bn", scale(1.0, 1.0, 1), vec![0], shape);
        let window = Window { kernel: [3, 3], pad: [1; 4], ..Window::POINT };
        let conv = Conv { window, groups: 1, weights: vec![1.0; 9], bias: vec![0.0] };
        m.output = m.push("conv", LayerOp::Conv(conv), vec![bn], shape);
        fold(&mut m);
        assert_eq!(m.layers.len(), 3, "an offset folded here would be missing in the border");
    }

    #[test]
    fn flatten_permutes_the_dense_weights() {
        let map = Shape::new(1, 2, 3).unwrap();
        let vector = Shape::vector(6).unwrap();
        let mut m = model(map);
        let flat = m.push("flatten", LayerOp::Flatten, vec![0], vector);
        let weights = (0..6).map(|v| v as f32).collect();
        m.output = m.push("fc", point(weights, vec![0.0]), vec![flat], Shape::vector(1).unwrap());
        fold(&mut m);
        let LayerOp::Conv(conv) = &m.layers[1].op else { panic!() };
        assert_eq!(conv.window.kernel, [1, 2]);
        assert_eq!(conv.weights, [0.0, 2.0, 4.0, 1.0, 3.0, 5.0]);
    }

    fn grid(scale: f32, zero_point: i8) -> Quant {
        Quant { scale: Scale::new(scale).unwrap(), zero_point }
    }

    /// Appends a quantization as a file states it.
    fn quantized(model: &mut Model, input: LayerId, grid: Quant) -> LayerId {
        let shape = model.layers[input].shape;
        let op = LayerOp::clamp(grid.dequantize(i8::MIN), grid.dequantize(i8::MAX));
        let id = model.push("quantized", op, vec![input], shape);
        model.layers[id].stated.grid = Some(grid);
        id
    }

    fn stated_conv(model: &mut Model, input: LayerId) -> LayerId {
        let shape = model.layers[input].shape;
        let weights = vec![0.5, 0.25, -0.5, 1.0];
        let conv = Conv { window: Window::POINT, groups: 1, weights, bias: vec![0.0; 2] };
        let id = model.push("conv", LayerOp::Conv(conv), vec![input], shape);
        model.layers[id].stated.steps = vec![0.25];
        id
    }

    /// Tests a residual block: three grids, a ReLU between quantizations, and a pool.
    #[test]
    fn every_result_keeps_its_grid() {
        let mut m = model(Shape::new(4, 4, 2).unwrap());
        let grids = [grid(0.01, -128), grid(0.1, -128), grid(0.2, 3)];
        let image = quantized(&mut m, 0, grids[0]);
        let a = stated_conv(&mut m, image);
        let relu = m.push("relu", LayerOp::clamp(0.0, f32::INFINITY), vec![a], m.layers[a].shape);
        let a = quantized(&mut m, relu, grids[1]);
        let pool = LayerOp::MaxPool { window: Window::POINT };
        let pool = m.push("pool", pool, vec![a], m.layers[a].shape);
        let a = quantized(&mut m, pool, grids[1]);
        let shape = m.layers[a].shape;
        let sum = m.push("sum", LayerOp::Binary(Binary::Add), vec![a, image], shape);
        m.output = quantized(&mut m, sum, grids[2]);
        fold(&mut m);
        let names: Vec<&str> = m.layers.iter().map(|layer| &*layer.name).collect();
        assert_eq!(names, ["input", "quantized", "conv", "pool", "sum"]);
        let found: Vec<Option<Quant>> = m.layers.iter().map(|layer| layer.stated.grid).collect();
        let [image, conv, sum] = grids.map(Some);
        assert_eq!(found, [image, image, conv, None, sum]);
        assert_eq!(m.layers[2].stated.steps, [0.25]);
        let (lo, hi) = m.layers[2].clamp.unwrap();
        assert!(lo == 0.0 && (hi - 25.5).abs() < 1e-5, "{lo} {hi}");
    }

    /// Tests functions with a grid between them, which one table would leave out, and two grids one
    /// after the other.
    #[test]
    fn no_grid_is_skipped() {
        let mut m = model(Shape::new(4, 4, 2).unwrap());
        let shape = m.layers[0].shape;
        let a = quantized(&mut m, 0, grid(0.01, 0));
        let first = m.push("square", LayerOp::Function(Expr::raised(2.0)), vec![a], shape);
        let second = quantized(&mut m, first, grid(0.005, -128));
        let cube = m.push("cube", LayerOp::Function(Expr::raised(3.0)), vec![second], shape);
        let third = quantized(&mut m, cube, grid(0.001, -128));
        m.output = quantized(&mut m, third, grid(0.002, -128));
        fold(&mut m);
        assert_eq!(m.layers.len(), 5, "{:?}", m.layers);
        let sources: Vec<&[LayerId]> = m.layers.iter().map(|layer| &*layer.inputs).collect();
        assert_eq!(sources, [&[][..], &[0], &[1], &[2], &[3]]);
    }

    #[test]
    fn concatenations_take_the_grid_of_their_codes_alone() {
        let mut m = model(Shape::new(4, 4, 2).unwrap());
        let shape = Shape::new(4, 4, 4).unwrap();
        let joined = m.push("joined", LayerOp::Concat, vec![0, 0], shape);
        m.output = quantized(&mut m, joined, grid(0.01, 0));
        fold(&mut m);
        assert_eq!((m.layers.len(), m.layers[1].stated.grid), (2, Some(grid(0.01, 0))));
        let mut m = model(Shape::new(4, 4, 2).unwrap());
        let joined = m.push("joined", LayerOp::Concat, vec![0, 0], shape);
        m.output = m.push("relu", LayerOp::clamp(0.0, 9.0), vec![joined], shape);
        fold(&mut m);
        assert_eq!(m.layers.len(), 3);
    }
}
