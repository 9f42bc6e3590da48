//! Partition of a network: layers in int8 with ranges of the calibration set, and others.

use offshoot_core::graph::{Binary, Window};

use super::keep_float::{self, KeepFloat};
use crate::emit::is_linear;
use crate::ir::{Conv, Layer, LayerId, LayerOp, Model};

/// Returns for each layer if it is run in int8, of a network of which tract-core runs the rest.
///
/// Convolutions are, except those that only scale. Layers that move, join or map values follow
/// their inputs, so that no value is converted for their sake. Layers in `floats` are not.
pub fn in_codes(model: &Model, floats: &[LayerId]) -> Vec<bool> {
    let mut codes = vec![false; model.layers.len()];
    codes[0] = matches!(model.layers[0].op, LayerOp::Input);
    for (id, layer) in model.layers.iter().enumerate().skip(1) {
        let is_conv = match &layer.op {
            LayerOp::Conv(conv) => conv.groups == 1 || conv.window != Window::POINT,
            _ => false,
        };
        codes[id] = !floats.contains(&id) && (is_conv || follows(model, layer, &codes));
    }
    // An image that only float layers read stays in float; the rows of a text always do.
    codes[0] &= is_read_in(model, &codes);
    codes
}

/// True if the engine runs a layer in int8, and all its inputs are in int8.
fn follows(model: &Model, layer: &Layer, codes: &[bool]) -> bool {
    let engine_knows = match &layer.op {
        LayerOp::Binary(Binary::Add) => {
            layer.inputs.iter().all(|&i| model.layers[i].shape == layer.shape)
        }
        LayerOp::Binary(Binary::Mul) => {
            let other = model.layers[layer.inputs[1]].shape;
            let per_channel = other.elements() == other.c() && other.c() == layer.shape.c();
            other == layer.shape || per_channel
        }
        LayerOp::Conv(_) | LayerOp::AveragePool { .. } | LayerOp::Concat | LayerOp::Function(_) => {
            true
        }
        op => op.keeps_values(),
    };
    engine_knows && layer.inputs.iter().all(|&i| codes[i])
}

/// True if a layer in int8 reads the input.
fn is_read_in(model: &Model, codes: &[bool]) -> bool {
    let mut readers = model.layers.iter().zip(codes).filter(|(layer, _)| layer.inputs.contains(&0));
    readers.any(|(_, &codes)| codes)
}

/// True if the engine is to run a network alone that it cannot run in int8 alone, and some of it is
/// in int8.
pub(super) fn suits(model: &Model, keep: &KeepFloat) -> bool {
    let kept = match keep {
        KeepFloat::Nothing => Vec::new(),
        // A name that no layer has is an error of a later step.
        KeepFloat::Named(names) => keep_float::named(model, names).unwrap_or_default(),
        KeepFloat::Auto | KeepFloat::Worst(_) => return false,
    };
    let some = linear_layers(model).any(|id| !kept.contains(&id));
    in_codes(model, &[]).contains(&false) && (some || alone(model, &kept, true).contains(&true))
}

/// Returns for each layer of a network that the engine runs alone if it is run in int8 with a range
/// of the calibration set.
///
/// Convolutions of several pixels are. Layers that read int8 values follow their inputs: with `all`
/// linear and depthwise ones, too, so that a convolutional network before the first layer norm is
/// what it would be by itself. Otherwise, and of floats, the former have scales per pixel and the
/// latter are floats, which is slower.
pub(super) fn alone(model: &Model, floats: &[LayerId], all: bool) -> Vec<bool> {
    let mut codes = vec![false; model.layers.len()];
    codes[0] = matches!(model.layers[0].op, LayerOp::Input)
        && (1..codes.len()).any(|id| needs_codes(model, id) && is_near_input(model, id));
    for (id, layer) in model.layers.iter().enumerate().skip(1) {
        let may_follow = all || !matches!(layer.op, LayerOp::Conv(_));
        let follows = may_follow && follows(model, layer, &codes);
        codes[id] = !floats.contains(&id) && (needs_codes(model, id) || follows);
    }
    codes[0] &= is_read_in(model, &codes);
    codes
}

/// True for a convolution that is slow in floats of a fixed order.
fn needs_codes(model: &Model, id: LayerId) -> bool {
    let layer = &model.layers[id];
    let LayerOp::Conv(conv) = &layer.op else { return false };
    let is_depthwise = |conv: &Conv| {
        let channels = [model.layers[layer.inputs[0]].shape.c(), layer.shape.c()];
        channels == [conv.groups; 2]
    };
    !is_linear(conv) && !is_depthwise(conv) && conv.picks().is_none()
}

/// True if nothing but moves, functions and factors lies between a layer and the input.
fn is_near_input(model: &Model, id: LayerId) -> bool {
    let mut at = model.layers[id].inputs[0];
    while at > 0 {
        let layer = &model.layers[at];
        let passes = match &layer.op {
            LayerOp::Function(_) => true,
            LayerOp::Conv(conv) => conv.groups == layer.shape.c(),
            op => op.keeps_values(),
        };
        if !passes {
            return false;
        }
        at = layer.inputs[0];
    }
    true
}

/// Returns the layers that the engine can run as linear ones.
pub(super) fn linear_layers(model: &Model) -> impl Iterator<Item = LayerId> + '_ {
    let is = |op: &LayerOp| matches!(op, LayerOp::Conv(conv) if is_linear(conv));
    model.layers.iter().enumerate().filter(move |(_, layer)| is(&layer.op)).map(|(id, _)| id)
}

#[cfg(test)]
mod tests {
    use offshoot_core::Shape;
    use offshoot_core::graph::Unary;

    use super::*;
    use crate::ir::Expr;

    struct Network(Model);

    impl Network {
        fn of(input: LayerOp) -> Self {
            let mut model = Model { layers: Vec::new(), output: 0 };
            model.push("input", input, Vec::new(), Shape::new(8, 8, 4).unwrap());
            Self(model)
        }

        fn layer(&mut self, op: LayerOp, inputs: &[LayerId]) -> LayerId {
            let shape = self.0.layers[inputs[0]].shape;
            self.0.output = self.0.push("layer", op, inputs.to_vec(), shape);
            self.0.output
        }

        fn conv(&mut self, input: LayerId, kernel: u8, groups: usize) -> LayerId {
            let pad = [kernel / 2; 4];
            let window = Window { kernel: [kernel; 2], pad, ..Window::POINT };
            let weights = vec![0.5; window.taps() * 4 * 4 / groups];
            let conv = Conv { window, groups, weights, bias: vec![0.0; 4] };
            self.layer(LayerOp::Conv(conv), &[input])
        }

        /// Differences to the mean of each pixel, which are floats.
        fn norm(&mut self, input: LayerId) -> LayerId {
            let mean = self.layer(LayerOp::ChannelMean, &[input]);
            self.layer(LayerOp::Binary(Binary::Sub), &[input, mean])
        }

        fn function(&mut self, input: LayerId) -> LayerId {
            let tanh = Expr::Unary(Unary::Tanh, Box::new(Expr::Input));
            self.layer(LayerOp::Function(tanh), &[input])
        }
    }

    #[test]
    fn convolutions_before_a_norm_are_those_of_a_convolutional_network() {
        let mut net = Network::of(LayerOp::Input);
        let whole = net.conv(0, 3, 1);
        let [linear, depthwise] = [net.conv(whole, 1, 1), net.conv(whole, 3, 4)];
        let sum = net.layer(LayerOp::Binary(Binary::Add), &[linear, depthwise]);
        let norm = net.norm(sum);
        let [after, deep] = [net.conv(norm, 1, 1), net.conv(norm, 3, 4)];
        let last = net.conv(deep, 3, 1);
        let wanted = |all: bool| {
            let mut codes = vec![false; net.0.layers.len()];
            [0, whole, last].iter().for_each(|&id| codes[id] = true);
            [linear, depthwise, sum].iter().for_each(|&id| codes[id] = all);
            codes
        };
        for all in [true, false] {
            assert_eq!(alone(&net.0, &[], all), wanted(all), "{after}");
        }
        assert!(suits(&net.0, &KeepFloat::Nothing));
        assert!(!suits(&net.0, &KeepFloat::Auto) && !suits(&net.0, &KeepFloat::Worst(1)));
        assert!(!alone(&net.0, &[last], true)[last]);
    }

    #[test]
    fn an_image_that_linear_layers_read_is_in_float() {
        let mut net = Network::of(LayerOp::Input);
        let patches = net.conv(0, 1, 1);
        let function = net.function(patches);
        let norm = net.norm(function);
        let deep = net.conv(norm, 3, 4);
        assert!(!alone(&net.0, &[], true).contains(&true), "{deep}");
        assert!(suits(&net.0, &KeepFloat::Nothing));
        let all = in_codes(&net.0, &[]);
        assert!(all[0] && all[patches] && all[function] && !all[norm] && all[deep]);
    }

    #[test]
    fn networks_in_int8_alone_are_none() {
        let mut net = Network::of(LayerOp::Input);
        let conv = net.conv(0, 3, 1);
        let linear = net.conv(conv, 1, 1);
        net.function(linear);
        assert!(!in_codes(&net.0, &[]).contains(&false));
        assert!(!suits(&net.0, &KeepFloat::Nothing));
    }
}
