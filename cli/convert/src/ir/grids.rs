//! Grids of values that a quantized file states (see [`Stated`]): which layers have one, when
//! simplification moves it.
//!
//! A file's quantization of a tensor is a layer of its own at first, which limits values to the
//! range of the codes and has their grid.

use offshoot_core::Quant;

use super::{Layer, LayerId, LayerOp, Model, Stated};

/// True if the layer does nothing but limit values to the whole range of its own grid.
pub(super) fn is_whole(layer: &Layer) -> bool {
    let Some((grid, (lo, hi))) = layer.stated.grid.zip(layer.op.as_clamp()) else { return false };
    [lo, hi].map(|limit| grid.quantize(limit)) == [i8::MIN, i8::MAX]
}

impl Model {
    /// Returns the grid that a quantized file states of a layer's values, its own or that of the
    /// layer whose values it moves.
    pub fn grid_of(&self, id: LayerId) -> Option<Quant> {
        let mut layer = &self.layers[id];
        while layer.op.keeps_values() {
            layer = &self.layers[layer.inputs[0]];
        }
        layer.stated.grid
    }
}

/// Returns the statements on a layer and the limits after it as one; `None` if values are rounded
/// to one grid and then to another.
pub(super) fn of_both(model: &Model, layer: LayerId, limits: LayerId) -> Option<Stated> {
    let first = &model.layers[layer].stated;
    let then = &model.layers[limits].stated;
    if first.grid.is_some() && then.grid.is_some() && first.grid != then.grid {
        return None;
    }
    Some(Stated {
        grid: then.grid.or(first.grid),
        steps: first.steps.clone(),
        refused: first.refused.clone().or_else(|| then.refused.clone()),
    })
}

/// Drops a quantization of values that are on its grid already.
pub(super) fn drop_same(model: &mut Model, id: LayerId) -> bool {
    let layer = &model.layers[id];
    let [input] = layer.inputs[..] else { return false };
    let same = is_whole(layer) && model.grid_of(input) == layer.stated.grid;
    if !same || model.readers()[id] == 0 {
        return false;
    }
    model.redirect(id, input);
    true
}

/// Gives layers the grid to which all their readers round.
pub(super) fn spread(model: &mut Model) {
    let mut wanted: Vec<Option<Quant>> = vec![None; model.layers.len()];
    let mut readers: Vec<Vec<LayerId>> = vec![Vec::new(); model.layers.len()];
    for (id, layer) in model.layers.iter().enumerate() {
        layer.inputs.iter().for_each(|&input| readers[input].push(id));
    }
    for id in (0..model.layers.len()).rev().filter(|&id| id != model.output) {
        let rounded = |&reader: &LayerId| {
            let layer = &model.layers[reader];
            match layer.op.keeps_values() {
                true => wanted[reader],
                false => layer.stated.grid.filter(|_| is_whole(layer)),
            }
        };
        let mut grids = readers[id].iter().map(rounded);
        let first = grids.next().flatten();
        wanted[id] = first.filter(|_| grids.all(|other| other == first));
    }
    for (layer, wanted) in model.layers.iter_mut().zip(wanted) {
        if layer.stated.grid.is_none() {
            layer.stated.grid = wanted.filter(|_| !matches!(layer.op, LayerOp::Tokens));
        }
    }
}
