//! Places of a feature map's cells in the network's input: stride, and middle of the first cell.
//!
//! Follows the windows, paddings and strides from the input on. A cell's middle is that of the
//! pixels that it depends on, as if the image had no edge.

use offshoot_core::graph::{Slice, Window};

use super::{Layer, LayerOp, Model};

/// Places of the cells along both axes, down and across.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Geometry {
    /// Way from cell to cell in pixels of the input.
    pub stride: [f64; 2],
    /// Middle of the first cell in halves of a pixel from the input's edge.
    pub offset: [f64; 2],
}

impl Geometry {
    const INPUT: Self = Self { stride: [1.0; 2], offset: [1.0; 2] };

    fn through(mut self, window: &Window) -> Self {
        for axis in 0..2 {
            let reach = (f64::from(window.kernel[axis]) - 1.0) * f64::from(window.dilation[axis]);
            let before = 2.0 * f64::from(window.pad[axis]);
            self.offset[axis] += self.stride[axis] * (reach - before);
            self.stride[axis] *= f64::from(window.stride[axis]);
        }
        self
    }

    fn padded(mut self, pad: [u8; 4]) -> Self {
        for (axis, pad) in pad.into_iter().take(2).enumerate() {
            self.offset[axis] -= 2.0 * self.stride[axis] * f64::from(pad);
        }
        self
    }

    fn sliced(mut self, slice: Slice) -> Self {
        let axis = usize::from(slice.axis);
        if axis < 2 {
            self.offset[axis] += 2.0 * self.stride[axis] * f64::from(slice.from);
        }
        self
    }

    fn enlarged(mut self, factor: [u8; 2]) -> Self {
        for (axis, factor) in factor.into_iter().enumerate() {
            let fine = self.stride[axis] / f64::from(factor);
            self.offset[axis] += fine - self.stride[axis];
            self.stride[axis] = fine;
        }
        self
    }
}

/// Returns the geometry of each layer's feature map; `None` where places lose their order, as in a
/// vector.
pub fn of(model: &Model) -> Vec<Option<Geometry>> {
    let mut all: Vec<Option<Geometry>> = Vec::with_capacity(model.layers.len());
    for layer in &model.layers {
        let own = geometry(model, layer, &all);
        all.push(own);
    }
    all
}

fn geometry(model: &Model, layer: &Layer, before: &[Option<Geometry>]) -> Option<Geometry> {
    let source = layer.inputs.first().copied();
    let read = || before[source?];
    match &layer.op {
        LayerOp::Input => Some(Geometry::INPUT),
        LayerOp::Conv(conv) => Some(read()?.through(&conv.window)),
        LayerOp::AveragePool { window, .. } | LayerOp::MaxPool { window } => {
            Some(read()?.through(window))
        }
        LayerOp::Pad { pad } => Some(read()?.padded(*pad)),
        LayerOp::Slice(slice) => Some(read()?.sliced(*slice)),
        LayerOp::Upsample { factor } => Some(read()?.enlarged(*factor)),
        LayerOp::Scale { .. }
        | LayerOp::Function(_)
        | LayerOp::Binary(_)
        | LayerOp::Constant { .. }
        | LayerOp::ChannelMean
        | LayerOp::Concat
        | LayerOp::Softmax => {
            // A factor for each channel, as of a gate, has no places.
            let is_map = |id: &&usize| {
                let shape = model.layers[**id].shape;
                [shape.h(), shape.w()] == [layer.shape.h(), layer.shape.w()]
            };
            before[*layer.inputs.iter().find(is_map)?]
        }
        LayerOp::Tokens
        | LayerOp::MatMul { .. }
        | LayerOp::Flatten
        | LayerOp::Reshape
        | LayerOp::Permute(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use offshoot_core::Shape;

    use super::*;

    /// Layers of a model of one channel, each reading the one before.
    fn geometry_of(ops: &[LayerOp]) -> Geometry {
        let mut model = Model { layers: Vec::new(), output: 0 };
        let shape = Shape::new(64, 64, 1).unwrap();
        let mut last = model.push("x", LayerOp::Input, Vec::new(), shape);
        for op in ops {
            last = model.push("layer", op.clone(), vec![last], shape);
        }
        of(&model)[last].unwrap()
    }

    fn pool(kernel: u8, stride: u8, before: u8) -> LayerOp {
        let window = Window {
            kernel: [kernel; 2],
            stride: [stride; 2],
            dilation: [1; 2],
            pad: [before, before, 1, 1],
        };
        LayerOp::MaxPool { window }
    }

    #[test]
    fn strides_and_middles() {
        // Three pixels wide, the first at the edge: the middle is the second pixel.
        let one = geometry_of(&[pool(3, 2, 0)]);
        assert_eq!((one.stride, one.offset), ([2.0; 2], [3.0; 2]));
        // TensorFlow's SAME: cell k of stride 8 has its middle at pixel 8k + 7.
        let three = geometry_of(&[pool(3, 2, 0), pool(3, 2, 0), pool(3, 2, 0)]);
        assert_eq!((three.stride, three.offset), ([8.0; 2], [15.0; 2]));
        // PyTorch's padding: at pixel 8k.
        let three = geometry_of(&[pool(3, 2, 1), pool(3, 2, 1), pool(3, 2, 1)]);
        assert_eq!((three.stride, three.offset), ([8.0; 2], [1.0; 2]));
        let even = geometry_of(&[pool(2, 2, 0), LayerOp::Upsample { factor: [2; 2] }]);
        assert_eq!((even.stride, even.offset), ([1.0; 2], [1.0; 2]));
        let padded = geometry_of(&[LayerOp::Pad { pad: [1, 1, 0, 0] }, pool(3, 2, 0)]);
        assert_eq!(padded.offset, [1.0; 2]);
        let cut = geometry_of(&[LayerOp::Slice(Slice { axis: 0, from: 3 })]);
        assert_eq!(cut.offset, [7.0, 1.0]);
    }
}
