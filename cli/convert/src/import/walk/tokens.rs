//! Token ids, the rows they select, and the mask.

use offshoot_core::graph::Binary;
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::array::Gather;

use super::{Map, Step, Value, Walk, dims, shape};
use crate::import::dimension_order::{CHANNELS, COLUMNS, Layout};
use crate::import::text_inputs;
use crate::import::text_inputs::{Masked, NOTHING, Part, TextSource};
use crate::ir::LayerOp;

/// Largest factor of one upsampling.
const FACTOR: usize = u8::MAX as usize;

impl Walk<'_> {
    /// Returns the value of a node that depends on tokens only; `None` for any other layer.
    pub(super) fn of_tokens(&mut self, node: &TypedNode, text: &TextSource) -> Step<Option<Value>> {
        let outlet = OutletId::from(node.id);
        if text.ids.contains(&outlet) {
            return Ok(Some(Value::Unseen));
        }
        if text.hidden.contains(&node.id) {
            if let Some(places) = text.places.get(&outlet) {
                return Ok(Some(Value::Constant(places.clone())));
            }
            return match text.masked.get(&outlet) {
                Some(masked) => self.masked(node, text, masked).map(|map| Some(Value::Map(map))),
                None => Ok(Some(Value::Unseen)),
            };
        }
        let picks = node.inputs.get(1).is_some_and(|i| text.ids.contains(i));
        if picks && node.op_is::<Gather>() && self.constant(node, 0).is_some() {
            let row = self.part_of_input(node, text, Part::Row)?;
            let lengths = dims(node)?;
            let (channels, places) = lengths.split_last().ok_or("of nothing")?;
            let map = self.shape_of(&row);
            if [*channels, places.iter().product()] != [map.c(), map.w()] {
                return Err("from a second table that tokens pick from".to_string());
            }
            let mut axes: Vec<_> = places.iter().map(|&n| (n > 1).then_some(COLUMNS)).collect();
            axes.push(Some(CHANNELS));
            return Ok(Some(Value::Map(Map { id: row.id, layout: Layout::new(map, &axes) })));
        }
        if node.inputs.iter().any(|i| text.ids.contains(i)) {
            return Err("of the ids of tokens".to_string());
        }
        Ok(None)
    }

    /// Returns one of the three parts of the input: 1 x tokens x channels.
    pub(super) fn part_of_input(
        &mut self,
        node: &TypedNode,
        text: &TextSource,
        part: Part,
    ) -> Step {
        let length =
            self.source.input_fact(0).ok().and_then(|f| f.shape.as_concrete().map(|s| s[1]));
        let input = length
            .and_then(|length| text.shape(length))
            .ok_or("of too many tokens, or of too wide ones")?;
        if self.model.layers.is_empty() {
            self.model.push("tokens", LayerOp::Tokens, Vec::new(), input);
        }
        let (slice, channels) = part.slice(text.table.width);
        let to = shape(1, input.w(), channels)?;
        let id = self.model.push(self.name(node), LayerOp::Slice(slice), vec![0], to);
        Ok(Map { id, layout: Layout::new(to, &[None, Some(COLUMNS), Some(CHANNELS)]) })
    }

    /// Imports a tensor with one value at tokens and another at padding, in the channels.
    fn masked(&mut self, node: &TypedNode, text: &TextSource, masked: &Masked) -> Step {
        let marks = self.part_of_input(node, text, Part::Mark)?;
        let length = self.shape_of(&marks).w();
        let row = shape(1, 1, length)?;
        let row_id = self.model.push(self.name(node), LayerOp::Reshape, vec![marks.id], row);
        let mut axes = vec![None; masked.lengths.len()];
        axes[masked.dim] = Some(CHANNELS);
        if let Some(present) = masked.uniform() {
            let op = LayerOp::Function(text_inputs::marked(present, masked.absent));
            let id = self.model.push(self.name(node), op, vec![row_id], row);
            return Ok(Map { id, layout: Layout::new(row, &axes) });
        }
        // Causal mask: the visible keys also depend on the query. The row is repeated for each
        // query.
        let others: Vec<usize> =
            (0..axes.len()).filter(|&dim| dim != masked.dim && masked.lengths[dim] > 1).collect();
        let [looks] = &others[..] else { return Err(OTHER_MASK.to_string()) };
        if masked.absent > NOTHING || masked.absent.is_nan() {
            return Err(OTHER_MASK.to_string());
        }
        let rows = masked.lengths[*looks];
        let factors = factors(rows).ok_or_else(|| format!("of a mask of {rows} rows"))?;
        let mut id = row_id;
        let mut wide = 1;
        for factor in factors {
            wide *= factor;
            let op = LayerOp::Upsample { factor: [1, factor as u8] };
            id = self.model.push(self.name(node), op, vec![id], shape(1, wide, length)?);
        }
        let to = shape(1, rows, length)?;
        let op = LayerOp::Function(text_inputs::marked(0.0, NOTHING));
        let id = self.model.push(self.name(node), op, vec![id], to);
        axes[*looks] = Some(COLUMNS);
        let in_order = looks < &masked.dim;
        let mut values = Vec::with_capacity(rows * length);
        for row in 0..rows {
            for column in 0..length {
                let at = if in_order { row * length + column } else { column * rows + row };
                values.push(masked.full[at].max(NOTHING));
            }
        }
        let op = LayerOp::Constant { op: Binary::Add, values };
        let id = self.model.push(self.name(node), op, vec![id], to);
        Ok(Map { id, layout: Layout::new(to, &axes) })
    }
}

/// Message on a mask that cannot be imported.
const OTHER_MASK: &str = "of a mask that is none of a softmax over two dimensions";

/// Factors a number into numbers that fit a byte.
fn factors(mut number: usize) -> Option<Vec<usize>> {
    let mut factors = Vec::new();
    while number > FACTOR {
        let factor = (2..=FACTOR).rev().find(|&f| number.is_multiple_of(f))?;
        factors.push(factor);
        number /= factor;
    }
    factors.push(number);
    Some(factors)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_masks_are_repeated_in_steps() {
        assert_eq!(factors(128), Some(vec![128]));
        assert_eq!(factors(512), Some(vec![128, 4]));
        assert_eq!(factors(384), Some(vec![192, 2]));
        assert_eq!(factors(257), None);
    }
}
