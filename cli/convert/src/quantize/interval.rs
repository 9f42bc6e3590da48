//! Interval arithmetic: bounds of the layers' channels for any image.

use offshoot_core::graph::Binary;
use offshoot_core::preprocess::Preprocess;

use crate::ir::{Conv, Layer, LayerOp, Model};

/// Min and max of a channel; infinite if unknown.
pub type Bounds = [f64; 2];

const UNKNOWN: Bounds = [f64::NEG_INFINITY, f64::INFINITY];

/// Returns the bounds of each layer's channels.
pub fn bounds(model: &Model, preprocess: &Preprocess) -> Vec<Vec<Bounds>> {
    let byte = |c: usize, v: u8| f64::from(preprocess.normalize(c, v));
    let input = |c: usize| [byte(c, 0).min(byte(c, 255)), byte(c, 0).max(byte(c, 255))];
    let mut all: Vec<Vec<Bounds>> = Vec::new();
    for layer in &model.layers {
        let mut own = match &layer.op {
            LayerOp::Input => (0..layer.shape.c()).map(input).collect(),
            _ => of_layer(layer, &all),
        };
        if let Some((lo, hi)) = layer.clamp {
            own.iter_mut().for_each(|b| *b = b.map(|v| v.clamp(lo.into(), hi.into())));
        }
        all.push(own);
    }
    all
}

fn of_layer(layer: &Layer, all: &[Vec<Bounds>]) -> Vec<Bounds> {
    let source = |i: usize| &all[layer.inputs[i]];
    let padded = |window: &offshoot_core::graph::Window| window.pad != [0; 4];
    match &layer.op {
        LayerOp::Conv(conv) => of_conv(conv, &or_zero(source(0), padded(&conv.window))),
        LayerOp::AveragePool { window, .. } | LayerOp::MaxPool { window } => {
            or_zero(source(0), padded(window))
        }
        LayerOp::Pad { .. } => or_zero(source(0), true),
        LayerOp::Upsample { .. } => source(0).clone(),
        LayerOp::Concat => layer.inputs.iter().flat_map(|&i| all[i].iter().copied()).collect(),
        LayerOp::Binary(Binary::Add) if source(0).len() == source(1).len() => {
            source(0).iter().zip(source(1)).map(|(a, b)| [a[0] + b[0], a[1] + b[1]]).collect()
        }
        _ => vec![UNKNOWN; layer.shape.c()],
    }
}

/// Returns the bounds extended to include zero, if `padded`: zero padding may be read.
fn or_zero(bounds: &[Bounds], padded: bool) -> Vec<Bounds> {
    let widened = |b: &Bounds| if padded { [b[0].min(0.0), b[1].max(0.0)] } else { *b };
    bounds.iter().map(widened).collect()
}

fn of_conv(conv: &Conv, source: &[Bounds]) -> Vec<Bounds> {
    let depth = source.len() / conv.groups;
    let per_group = conv.bias.len() / conv.groups;
    let per_channel = conv.weights.len() / conv.bias.len();
    let channel = |(o, weights): (usize, &[f32])| {
        let own = &source[o / per_group * depth..][..depth];
        let mut sum = [f64::from(conv.bias[o]); 2];
        for (i, &w) in weights.iter().enumerate().filter(|(_, w)| **w != 0.0) {
            let [lo, hi] = own[i % depth].map(|v| v * f64::from(w));
            sum = [sum[0] + lo.min(hi), sum[1] + lo.max(hi)];
        }
        sum
    };
    conv.weights.chunks_exact(per_channel).enumerate().map(channel).collect()
}

#[cfg(test)]
mod tests {
    use offshoot_core::Shape;
    use offshoot_core::graph::Window;
    use offshoot_core::preprocess::{Channels, Resize};

    use super::*;

    #[test]
    fn nothing_leaves_its_bounds() {
        let preprocess = Preprocess {
            width: 2,
            height: 2,
            channels: Channels::Gray,
            resize: Resize::Squash,
            mean: [127.5; 3],
            std: [127.5; 3],
        };
        let shape = Shape::new(2, 2, 1).unwrap();
        let mut m = Model { layers: Vec::new(), output: 0 };
        m.push("input", LayerOp::Input, Vec::new(), shape);
        let conv = |window, weights: &[f32]| {
            LayerOp::Conv(Conv { window, groups: 1, weights: weights.to_vec(), bias: vec![1.0] })
        };
        let point = m.push("point", conv(Window::POINT, &[-2.0]), vec![0], shape);
        m.layers[point].clamp = Some((0.0, f32::INFINITY));
        let wide = Window { kernel: [1, 2], pad: [0, 0, 0, 1], ..Window::POINT };
        let pair = m.push("pair", conv(wide, &[1.0, -0.5]), vec![point], shape);
        let sum = m.push("sum", LayerOp::Binary(Binary::Add), vec![point, pair], shape);
        m.output = m.push("softmax", LayerOp::Softmax, vec![sum], shape);
        let got: Vec<Bounds> = bounds(&m, &preprocess).into_iter().map(|b| b[0]).collect();
        assert_eq!(got, [[-1.0, 1.0], [0.0, 3.0], [-0.5, 4.0], [-0.5, 7.0], UNKNOWN]);
    }
}
