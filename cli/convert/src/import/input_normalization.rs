//! Input normalization in a network's first layers: scale and offset of the bytes, and order of the
//! channels.
//!
//! A package does both when it makes the network's input, in a table that it has anyway, at no
//! cost; border pixels of a padded convolution stay what they were.

use std::ops::RangeInclusive;

use offshoot_core::graph::Slice;
use offshoot_core::preprocess::{Channels, Preprocess};

use crate::ir::{Conv, LayerId, LayerOp, Model};

/// Normalization removed from a network: its channel `i` is now `factors[i] * x[order[i]] +
/// offsets[i]` of the image that the model in the file takes.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Front {
    order: [usize; 3],
    factors: [f64; 3],
    offsets: [f64; 3],
}

impl Default for Front {
    fn default() -> Self {
        Self { order: [0, 1, 2], factors: [1.0; 3], offsets: [0.0; 3] }
    }
}

const REVERSED: [usize; 3] = [2, 1, 0];

impl Front {
    /// Removes from a network everything that preprocessing can do.
    pub(super) fn take(model: &mut Model) -> Self {
        let mut front = Self::default();
        if !matches!(model.layers.first().map(|l| &l.op), Some(LayerOp::Input)) {
            return front;
        }
        joined_parts(model);
        while let Some(id) = front.next(model) {
            model.layers[0].stated.grid = model.layers[id].stated.grid;
            model.redirect(id, 0);
            model.compact();
        }
        front
    }

    /// Takes over the only layer that reads the image, if preprocessing can do it.
    fn next(&mut self, model: &Model) -> Option<LayerId> {
        let mut readers =
            (1..model.layers.len()).filter(|&id| model.layers[id].inputs.contains(&0));
        let id = readers.next().filter(|_| readers.next().is_none())?;
        let layer = &model.layers[id];
        if id == model.output || layer.inputs.len() != 1 || layer.clamp.is_some() {
            return None;
        }
        match &layer.op {
            LayerOp::Scale { factors, offsets }
                if factors.iter().all(|f| f.is_normal() && *f > 0.0) =>
            {
                for (i, (&factor, &offset)) in factors.iter().zip(offsets).enumerate() {
                    self.offsets[i] = self.offsets[i] * f64::from(factor) + f64::from(offset);
                    self.factors[i] *= f64::from(factor);
                }
            }
            LayerOp::Conv(conv) if conv.picks()? == REVERSED => {
                self.order.reverse();
                self.factors.reverse();
                self.offsets.reverse();
            }
            _ => return None,
        }
        Some(id)
    }

    /// Returns the network's own preprocessing, if the model in the file needs `outer`.
    pub fn inner(&self, outer: &Preprocess) -> Preprocess {
        let mut inner = *outer;
        inner.channels = self.turned(outer.channels);
        for i in 0..outer.channels.count() {
            let mean = f64::from(outer.mean[self.order[i]]);
            let std = f64::from(outer.std[self.order[i]]);
            inner.mean[i] = (mean - self.offsets[i] * std / self.factors[i]) as f32;
            inner.std[i] = (std / self.factors[i]) as f32;
        }
        inner
    }

    /// Returns the preprocessing of the model in the file, if the network's own is `inner`.
    pub fn outer(&self, inner: &Preprocess) -> Preprocess {
        let mut outer = *inner;
        outer.channels = self.turned(inner.channels);
        for i in 0..inner.channels.count() {
            let mean = f64::from(inner.mean[i]);
            let std = f64::from(inner.std[i]);
            outer.mean[self.order[i]] = (mean + self.offsets[i] * std) as f32;
            outer.std[self.order[i]] = (std * self.factors[i]) as f32;
        }
        outer
    }

    fn turned(&self, channels: Channels) -> Channels {
        match channels {
            Channels::Rgb if self.order == REVERSED => Channels::Bgr,
            Channels::Bgr if self.order == REVERSED => Channels::Rgb,
            channels => channels,
        }
    }

    /// True if the input value that becomes zero is within `range`, for every channel.
    pub(crate) fn centres(&self, range: RangeInclusive<f64>) -> bool {
        let mut middles =
            self.factors.iter().zip(self.offsets).map(|(factor, offset)| -offset / factor);
        middles.all(|middle| range.contains(&middle))
    }

    /// Returns the largest factor of a channel.
    pub(crate) fn largest_factor(&self) -> f64 {
        self.factors.iter().copied().fold(0.0, f64::max)
    }

    /// Describes the normalization; `None` if there is none.
    pub(crate) fn told(&self) -> Option<&'static str> {
        let scales = self.factors != [1.0; 3] || self.offsets != [0.0; 3];
        match (scales, self.order == REVERSED) {
            (true, true) => Some(
                "the model's own normalization and order of channels are moved into the preprocessing",
            ),
            (true, false) => Some("the model's own normalization is moved into the preprocessing"),
            (false, true) => {
                Some("the model's own order of channels is moved into the preprocessing")
            }
            (false, false) => None,
        }
    }
}

/// Returns the channels of the image that a layer selects, if it does nothing else.
fn part(model: &Model, id: LayerId) -> Option<Vec<usize>> {
    let layer = &model.layers[id];
    match (&layer.op, &layer.inputs[..]) {
        (LayerOp::Slice(Slice { axis: 2, from }), [0]) => {
            Some((*from as usize..*from as usize + layer.shape.c()).collect())
        }
        _ => None,
    }
}

/// Merges channels of the image that are split and joined again into one layer that selects them.
fn joined_parts(model: &mut Model) {
    let channels = model.layers[0].shape.c();
    for id in 1..model.layers.len() {
        if !matches!(model.layers[id].op, LayerOp::Concat) {
            continue;
        }
        let parts: Option<Vec<_>> =
            model.layers[id].inputs.iter().map(|&input| part(model, input)).collect();
        let Some(places) = parts.map(|parts| parts.concat()) else { continue };
        model.layers[id].op = LayerOp::Conv(Conv::picking(&places, channels));
        model.layers[id].inputs = vec![0];
    }
    model.compact();
}

#[cfg(test)]
mod tests {
    use offshoot_core::Shape;
    use offshoot_core::preprocess::Resize;

    use super::*;

    fn scale(factors: [f32; 3], offsets: [f32; 3]) -> LayerOp {
        LayerOp::Scale { factors: factors.to_vec(), offsets: offsets.to_vec() }
    }

    fn with(ops: Vec<LayerOp>) -> Model {
        let shape = Shape::new(4, 4, 3).unwrap();
        let mut model = Model { layers: Vec::new(), output: 0 };
        let mut last = model.push("input", LayerOp::Input, Vec::new(), shape);
        for op in ops {
            last = model.push("layer", op, vec![last], shape);
        }
        model.output = model.push("end", LayerOp::Softmax, vec![last], shape);
        model
    }

    const RAW: Preprocess = Preprocess {
        width: 4,
        height: 4,
        channels: Channels::Rgb,
        resize: Resize::Squash,
        mean: [0.0; 3],
        std: [1.0; 3],
    };

    #[test]
    fn steps_are_taken_in_their_order() {
        let turn = || LayerOp::Conv(Conv::picking(&REVERSED, 3));
        let first = scale([0.5, 1.0, 2.0], [1.0, 0.0, -1.0]);
        let mut model = with(vec![first, turn(), scale([2.0, 4.0, 8.0], [0.0, 1.0, 2.0])]);
        let front = Front::take(&mut model);
        assert_eq!(model.layers.len(), 2);
        let outer = Preprocess { mean: [10.0, 20.0, 30.0], std: [2.0, 4.0, 5.0], ..RAW };
        let inner = front.inner(&outer);
        assert_eq!(inner.channels, Channels::Bgr);
        let bytes = [40.0f32, 60.0, 90.0];
        let normal = |p: &Preprocess, i: usize, byte: f32| (byte - p.mean[i]) / p.std[i];
        let x = [0, 1, 2].map(|i| normal(&outer, i, bytes[i]));
        let first = [0.5 * x[0] + 1.0, x[1], 2.0 * x[2] - 1.0];
        let want = [2.0 * first[2], 4.0 * first[1] + 1.0, 8.0 * first[0] + 2.0];
        let got = [0, 1, 2].map(|i| normal(&inner, i, bytes[2 - i]));
        assert!(got.iter().zip(want).all(|(g, w)| (g - w).abs() < 1e-4), "{got:?} {want:?}");
        let back = front.outer(&inner);
        assert_eq!(back.channels, Channels::Rgb);
        for i in 0..3 {
            assert!(
                (back.mean[i] - outer.mean[i]).abs() < 1e-4
                    && (back.std[i] - outer.std[i]).abs() < 1e-5
            );
        }
    }

    #[test]
    fn what_preprocessing_cannot_do_stays() {
        let mut shifted = with(vec![scale([-1.0; 3], [0.0; 3])]);
        assert_eq!(Front::take(&mut shifted), Front::default());
        assert_eq!(shifted.layers[2].inputs, [1]);
        // Two readers: one of them needs the image as it is.
        let mut twice = with(vec![scale([2.0; 3], [0.0; 3])]);
        twice.layers[2].inputs.push(0);
        assert_eq!(Front::take(&mut twice), Front::default());
        // Without a normalization the preprocessing is bit-identical.
        let odd =
            Preprocess { mean: [123.675, 116.28, 103.53], std: [58.395, 57.12, 57.375], ..RAW };
        assert_eq!((Front::default().inner(&odd), Front::default().outer(&odd)), (odd, odd));
    }

    #[test]
    fn parts_that_are_joined_in_another_order_are_a_turn() {
        let shape = Shape::new(4, 4, 3).unwrap();
        let one = Shape::new(4, 4, 1).unwrap();
        let mut model = Model { layers: Vec::new(), output: 0 };
        model.push("input", LayerOp::Input, Vec::new(), shape);
        let parts: Vec<LayerId> = REVERSED
            .into_iter()
            .map(|c| {
                model.push("part", LayerOp::Slice(Slice { axis: 2, from: c as u32 }), vec![0], one)
            })
            .collect();
        let joined = model.push("joined", LayerOp::Concat, parts, shape);
        model.output = model.push("end", LayerOp::Softmax, vec![joined], shape);
        let front = Front::take(&mut model);
        assert_eq!(
            front.told(),
            Some("the model's own order of channels is moved into the preprocessing")
        );
        assert_eq!(front.inner(&RAW).channels, Channels::Bgr);
    }
}
