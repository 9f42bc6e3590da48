//! Resizing, and borders: products with a matrix along each dimension, unless the engine has an
//! operation of its own.

use offshoot_core::limits;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::array::{Pad, PadMode};
use tract_onnx::tract_core::ops::nn::resize::{CoordTransformer, Interpolator};
use tract_onnx_opl::resize::{AspectRatio, CoordTransform, Nearest, Resize};

use super::windows::side;
use super::{Map, Step, Walk, dims, evaluated, shape};
use crate::import::constants::floats;
use crate::import::dimension_order::CHANNELS;
use crate::ir::LayerOp;

impl Walk<'_> {
    pub(super) fn resize(&mut self, node: &TypedNode, resize: &Resize) -> Step {
        let input = self.input(node, 0)?;
        let lengths = dims(node)?;
        let changed: Vec<usize> =
            (0..lengths.len()).filter(|&d| input.layout.len(d) != lengths[d]).collect();
        if changed.is_empty() {
            return Ok(input);
        }
        if let Some(factor) = repeats(&input, &lengths, resize) {
            let input = self.channels_first(node, 0)?;
            let shape = shape(lengths[2], lengths[3], lengths[1])?;
            return Ok(self.window_layer(node, LayerOp::Upsample { factor }, &input, shape));
        }
        if resize.coord_transformer == CoordTransform::TfCropAndResize {
            return Err("of a part that it cuts out (tf_crop_and_resize)".to_string());
        }
        let mut map = input;
        for dim in changed {
            let from = map.layout.len(dim);
            let scale = self.scale(node, resize, dim);
            let weights = matrix(resize, from, lengths[dim], scale);
            let weights = weights.ok_or("that cannot be written as a product")?;
            map = self.along(node, &map, dim, weights)?;
        }
        Ok(map)
    }

    /// Returns the scale that the node states for a dimension; `None` if it states sizes.
    fn scale(&self, node: &TypedNode, resize: &Resize, dim: usize) -> Option<f32> {
        let scales = self.constant(node, resize.optional_scales_input?)?;
        let axes = resize.resized_axes(dims(node).ok()?.len()).ok()?;
        let scales = floats(&scales).filter(|scales| scales.len() == axes.len())?;
        axes.iter().position(|&axis| axis == dim).map(|at| scales[at])
    }

    /// Imports a border: of zeros around rows and columns as such, any other as a product.
    pub(super) fn pad(&mut self, node: &TypedNode, pad: &Pad) -> Step {
        let input = self.input(node, 0)?;
        let changed: Vec<usize> =
            (0..pad.pads.len()).filter(|&dim| pad.pads[dim] != (0, 0)).collect();
        let value = match &pad.mode {
            PadMode::Constant(value) => floats(value).and_then(|v| v.first().copied()),
            _ => None,
        };
        let from = self.shape_of(&input);
        let around = changed.iter().all(|&dim| {
            let axis = input.layout.axis_of(dim, from);
            let fits = |side: usize| side <= limits::PAD as usize;
            axis.is_some_and(|axis| axis != CHANNELS)
                && fits(pad.pads[dim].0)
                && fits(pad.pads[dim].1)
        });
        if value == Some(0.0) && around {
            return self.zeros_around(node, &input, pad, &changed);
        }
        let shift = match (&pad.mode, value) {
            (PadMode::Constant(_), Some(value)) if value.is_finite() => value,
            (PadMode::Constant(_), _) => return Err("with values that are not finite".to_string()),
            _ => 0.0,
        };
        let mut map = self.raised(node, &input, -shift);
        for dim in changed {
            let weights = border(map.layout.len(dim), pad.pads[dim], &pad.mode);
            let weights = weights.ok_or("of more places than there are to reflect")?;
            map = self.along(node, &map, dim, weights)?;
        }
        Ok(self.raised(node, &map, shift))
    }

    /// Adds a number to all values.
    fn raised(&mut self, node: &TypedNode, map: &Map, by: f32) -> Map {
        if by == 0.0 {
            return map.clone();
        }
        let shape = self.shape_of(map);
        let channels = shape.c();
        let op = LayerOp::Scale { factors: vec![1.0; channels], offsets: vec![by; channels] };
        self.push(node, op, &[map], shape)
    }

    fn zeros_around(
        &mut self,
        node: &TypedNode,
        input: &Map,
        pad: &Pad,
        changed: &[usize],
    ) -> Step {
        let from = self.shape_of(input);
        let mut sides = [0; 4];
        let mut to = from.dims();
        for &dim in changed {
            let (before, after) = pad.pads[dim];
            let axis = input.layout.axis_of(dim, from).ok_or("of a part of an axis")?;
            sides[axis] = side(before)?;
            sides[axis + 2] = side(after)?;
            to[axis] += before + after;
        }
        if changed.is_empty() {
            return Ok(input.clone());
        }
        let to = shape(to[0], to[1], to[2])?;
        let layout = input.layout.resized(from, to).ok_or("of a part of an axis")?;
        let id = self.model.push(self.name(node), LayerOp::Pad { pad: sides }, vec![input.id], to);
        Ok(Map { id, layout })
    }
}

/// Returns the factors of rows and columns, if the resize repeats every pixel.
fn repeats(input: &Map, lengths: &[usize], resize: &Resize) -> Option<[u8; 2]> {
    use CoordTransform::Plain;
    use CoordTransformer::{Asymmetric, HalfPixel, PytorchHalfPixel};
    let &[_, channels, rows, columns] = lengths else { return None };
    let from = [input.layout.len(2), input.layout.len(3)];
    let factor = [rows / from[0], columns / from[1]];
    let whole = factor[0] * from[0] == rows && factor[1] * from[1] == columns;
    let floors = match (&resize.coord_transformer, resize.nearest) {
        (Plain(Asymmetric), Nearest::Floor) => true,
        (Plain(Asymmetric), Nearest::RoundPreferFloor) => factor.iter().all(|&f| f <= 2),
        (
            Plain(HalfPixel | PytorchHalfPixel),
            Nearest::RoundPreferFloor | Nearest::RoundPreferCeil,
        ) => true,
        _ => false,
    };
    let nearest = resize.interpolator == Interpolator::Nearest && floors;
    let fits = whole && nearest && channels == input.layout.len(1) && input.layout.len(0) == 1;
    let [down, across] = factor.map(|f| u8::try_from(f).ok());
    Some([down.filter(|_| fits)?, across?])
}

/// Returns the matrix that resizes one dimension, from what becomes of each place alone; `None` if
/// tract cannot compute it.
fn matrix(resize: &Resize, from: usize, to: usize, scale: Option<f32>) -> Option<Vec<f32>> {
    let mut unit = vec![0.0f32; from * from];
    unit.iter_mut().step_by(from + 1).for_each(|v| *v = 1.0);
    let unit = Tensor::from_shape(&[from, from], &unit).ok()?;
    let by_scale = scale.filter(|_| resize.keep_aspect_ratio_policy == AspectRatio::Stretch);
    let stated = match by_scale {
        Some(scale) => tensor1(&[scale]),
        None => tensor1(&[to as i64]),
    };
    let op = Resize {
        axes: Some(vec![1]),
        keep_aspect_ratio_policy: AspectRatio::Stretch,
        optional_roi_input: None,
        optional_scales_input: by_scale.map(|_| 1),
        optional_sizes_input: if by_scale.is_some() { None } else { Some(1) },
        ..resize.clone()
    };
    let resized = evaluated(Box::new(op), vec![unit.into_arc_tensor(), stated.into_arc_tensor()])?;
    let values = floats(&resized).filter(|values| values.len() == from * to)?;
    // From places by results to results by places.
    Some((0..from * to).map(|i| values[i % from * to + i / from]).collect())
}

/// Returns the matrix that adds a border before and after a dimension; `None` if it reflects more
/// places than there are.
fn border(length: usize, (before, after): (usize, usize), mode: &PadMode) -> Option<Vec<f32>> {
    let mut weights = Vec::with_capacity((before + length + after) * length);
    let last = length as i64 - 1;
    for at in -(before as i64)..(length + after) as i64 {
        let mirrored = if at < 0 { -at } else { 2 * last - at };
        let source = match mode {
            _ if (0..=last).contains(&at) => Some(at),
            PadMode::Edge => Some(at.clamp(0, last)),
            PadMode::Reflect if (0..=last).contains(&mirrored) => Some(mirrored),
            PadMode::Reflect => return None,
            PadMode::Constant(_) => None,
        };
        let row = weights.len();
        weights.resize(row + length, 0.0);
        if let Some(source) = source {
            weights[row + source as usize] = 1.0;
        }
    }
    Some(weights)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn borders_are_places_of_the_dimension() {
        let places = |length, pads, mode| -> Option<Vec<Option<usize>>> {
            let weights = border(length, pads, &mode)?;
            let rows = weights.chunks_exact(length);
            Some(rows.map(|row| row.iter().position(|&w| w == 1.0)).collect())
        };
        let of = |list: &[usize]| Some(list.iter().map(|&p| Some(p)).collect::<Vec<_>>());
        assert_eq!(places(3, (2, 1), PadMode::Reflect), of(&[2, 1, 0, 1, 2, 1]));
        assert_eq!(places(3, (2, 1), PadMode::Edge), of(&[0, 0, 0, 1, 2, 2]));
        assert_eq!(places(2, (2, 0), PadMode::Reflect), None);
        let zeros = vec![None, Some(0), Some(1), None];
        assert_eq!(places(2, (1, 1), PadMode::default()), Some(zeros));
    }
}
