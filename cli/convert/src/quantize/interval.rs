//! Interval arithmetic: bounds of the layers' channels for any image.

use offshoot_core::graph::Binary;
use offshoot_core::preprocess::Preprocess;

use crate::ir::{Conv, Layer, LayerOp, Model};

/// Min and max of a channel; infinite if unknown.
pub type Bounds = [f64; 2];

const UNKNOWN: Bounds = [f64::NEG_INFINITY, f64::INFINITY];

/// Returns the bounds of each layer's channels.
pub fn bounds(model: &Model, preprocess: &Preprocess) -> Vec<Vec<Bounds>> {
    let mut all: Vec<Vec<Bounds>> = Vec::new();
    for layer in &model.layers {
        let mut own = match &layer.op {
            LayerOp::Input => (0..layer.shape.c()).map(|c| of_input(preprocess, c)).collect(),
            _ => of_layer(layer, &all),
        };
        if let Some((lo, hi)) = layer.clamp {
            own.iter_mut().for_each(|b| *b = b.map(|v| v.clamp(lo.into(), hi.into())));
        }
        all.push(own);
    }
    all
}

/// Returns the bounds of a channel of images.
fn of_input(preprocess: &Preprocess, channel: usize) -> Bounds {
    let first = f64::from(preprocess.normalize(channel, 0));
    let last = f64::from(preprocess.normalize(channel, 255));
    [first.min(last), first.max(last)]
}

fn of_layer(layer: &Layer, all: &[Vec<Bounds>]) -> Vec<Bounds> {
    let sources: Vec<&Vec<Bounds>> = layer.inputs.iter().map(|&i| &all[i]).collect();
    match (&layer.op, &sources[..]) {
        (LayerOp::Conv(conv), [source, ..]) => {
            of_conv(conv, &or_zero(source, conv.window.pad != [0; 4]))
        }
        (LayerOp::AveragePool { window, .. } | LayerOp::MaxPool { window }, [source, ..]) => {
            or_zero(source, window.pad != [0; 4])
        }
        (LayerOp::Pad { .. }, [source, ..]) => or_zero(source, true),
        (LayerOp::Upsample { .. }, [source, ..]) => source.to_vec(),
        (LayerOp::Concat, sources) => sources.iter().copied().flatten().copied().collect(),
        (LayerOp::Binary(Binary::Add), [left, right]) if left.len() == right.len() => {
            left.iter().zip(*right).map(|(a, b)| [a[0] + b[0], a[1] + b[1]]).collect()
        }
        _ => vec![UNKNOWN; layer.shape.c()],
    }
}

/// Returns the bounds extended to include zero, if `padded`: zero padding may be read.
fn or_zero(bounds: &[Bounds], padded: bool) -> Vec<Bounds> {
    if !padded {
        return bounds.to_vec();
    }
    bounds.iter().map(|[lo, hi]| [lo.min(0.0), hi.max(0.0)]).collect()
}

fn of_conv(conv: &Conv, source: &[Bounds]) -> Vec<Bounds> {
    let depth = source.len() / conv.groups;
    let per_group = conv.bias.len() / conv.groups;
    let per_channel = conv.weights.len() / conv.bias.len();
    let mut bounds = Vec::with_capacity(conv.bias.len());
    for (o, weights) in conv.weights.chunks_exact(per_channel).enumerate() {
        let own = &source[o / per_group * depth..][..depth];
        let mut sum = [f64::from(conv.bias[o]); 2];
        for (i, &w) in weights.iter().enumerate().filter(|(_, w)| **w != 0.0) {
            let [lo, hi] = own[i % depth].map(|v| v * f64::from(w));
            sum = [sum[0] + lo.min(hi), sum[1] + lo.max(hi)];
        }
        bounds.push(sum);
    }
    bounds
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
