//! Inputs of language backbones: the role of each input, and the part that depends on a text's
//! length only.
//!
//! Token ids may only select rows of a table, which the package does outside the graph. The
//! attention mask is ones up to the text's end and zeros after it, so that everything the model
//! computes from the mask alone, with whatever operations its exporter chose, has only as many
//! values as there are lengths of texts. All of them are computed here, and their common form is
//! written into the graph: one value at tokens, another at padding. RoBERTa compares its ids with
//! the padding id; the result depends on the length in the same way, and so do the positions that
//! it derives from it.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use offshoot_core::graph::{Binary, Slice};
use offshoot_core::{Shape, Tokens};
use tract_onnx::pb::{GraphProto, TypeProto, type_proto};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::internal::DimLike;
use tract_onnx::tract_core::model::{TypedSimplePlan, TypedSimpleState};
use tract_onnx::tract_core::ops::array::Gather;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::cast::Cast;
use tract_onnx::tract_core::ops::change_axes::AxisOp;
use tract_onnx::tract_core::ops::konst::Const;
use tract_onnx::tract_hir::infer::Factoid;

use super::constants::floats;

/// Role of an input of a language backbone, by the names that exporters give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Token ids.
    Ids,
    /// Attention mask: 1 at tokens.
    Mask,
    /// Index of the sentence of a token, always the first.
    Types,
    /// Positions 0, 1, 2 and so on.
    Positions,
}

impl Role {
    pub(super) fn of(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        match () {
            () if name.contains("mask") => Self::Mask,
            () if name.contains("type") || name.contains("segment") => Self::Types,
            () if name.contains("position") => Self::Positions,
            () => Self::Ids,
        }
    }

    /// Returns the values of an input that is the same for all texts.
    fn constant(self, length: usize) -> Option<Vec<i64>> {
        match self {
            Self::Types => Some(vec![0; length]),
            Self::Positions => Some((0..length as i64).collect()),
            Self::Ids | Self::Mask => None,
        }
    }
}

/// True if a model's inputs are rows of integers, as tokens are.
pub(super) fn takes_text(graph: &GraphProto) -> bool {
    let constants: HashSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
    let mut inputs = graph.input.iter().filter(|i| !constants.contains(i.name.as_str())).peekable();
    inputs.peek().is_some() && inputs.all(|i| i.r#type.as_ref().is_some_and(is_row_of_integers))
}

fn is_row_of_integers(kind: &TypeProto) -> bool {
    match &kind.value {
        // Numbers 6 and 7 are ONNX's 32-bit and 64-bit integers; an image may have such a type too.
        Some(type_proto::Value::TensorType(tensor)) => {
            [6, 7].contains(&tensor.elem_type)
                && tensor.shape.as_ref().is_none_or(|s| s.dim.len() < 3)
        }
        _ => false,
    }
}

/// Sets the shape of every input, and the values of those that are the same for all texts. The ids,
/// and the mask if there is one, stay inputs in this order.
///
/// `Err` is the cause.
pub(super) fn fix_inputs(model: &mut InferenceModel, length: usize) -> Result<(), String> {
    let inputs = model.input_outlets().map_err(|e| e.to_string())?.to_vec();
    let mut ids: Vec<OutletId> = Vec::new();
    let mut masks = Vec::new();
    for &outlet in &inputs {
        match Role::of(&model.node(outlet.node).name) {
            Role::Ids => ids.push(outlet),
            Role::Mask => masks.push(outlet),
            Role::Types | Role::Positions => {}
        }
    }
    let [ids] = ids[..] else {
        return Err(format!("{} inputs that may be ids of tokens; one is needed", ids.len()));
    };
    if masks.len() > 1 {
        return Err(format!("{} attention masks; there may be one", masks.len()));
    }
    for &outlet in &inputs {
        let fact = model.outlet_fact(outlet).map_err(|e| e.to_string())?;
        let kind = fact.datum_type.concretize().unwrap_or(i64::datum_type());
        let constant = Role::of(&model.node(outlet.node).name).constant(length);
        let fact = kind.fact([1, length]);
        if let Some(values) = constant {
            let tensor = Tensor::from_shape(&[1, length], &values)
                .and_then(|t| Ok(t.cast_to_dt(kind)?.into_owned()));
            let tensor = tensor.map_err(|e| e.to_string())?.into_arc_tensor();
            let konst = Const::new(tensor).map_err(|e| e.to_string())?;
            model.node_mut(outlet.node).op = Box::new(konst);
        }
        model.set_outlet_fact(outlet, fact.into()).map_err(|e| e.to_string())?;
    }
    let left: Vec<OutletId> = [ids].into_iter().chain(masks).collect();
    model.set_input_outlets(&left).map_err(|e| e.to_string())
}

/// Returns the number of tokens that a model states.
pub(super) fn stated_length(model: &InferenceModel) -> Option<usize> {
    let inputs = model.input_outlets().ok()?;
    let ids = inputs.iter().find(|o| Role::of(&model.node(o.node).name) == Role::Ids)?;
    let dim = model.outlet_fact(*ids).ok()?.shape.dim(1)?;
    dim.concretize()?.to_usize().ok()
}

/// Embedding table: rows selected by ids.
#[derive(Debug, Clone)]
pub struct Table {
    /// Number of rows.
    pub vocabulary: usize,
    /// Number of values of a row.
    pub width: usize,
    /// Values, row by row.
    pub values: Vec<f32>,
}

/// Tensor with one value at tokens and another at padding.
#[derive(Debug, Clone)]
pub(super) struct Masked {
    /// Dimension of the tokens.
    pub dim: usize,
    /// Tensor for a text of full length.
    pub full: Vec<f32>,
    /// Lengths of its dimensions; 1 for those along which it is constant.
    pub lengths: Vec<usize>,
    /// Value at padding.
    pub absent: f32,
}

/// Parts of a language backbone that the walk needs.
#[derive(Debug)]
pub(super) struct TextSource {
    /// Outlets that are ids, in any shape.
    pub ids: HashSet<OutletId>,
    pub table: Table,
    /// Nodes that depend on the length only.
    pub hidden: HashSet<usize>,
    /// Results of such nodes that other nodes read.
    pub masked: HashMap<OutletId, Masked>,
    /// Results of such nodes of which only the values at tokens matter, the same for all texts.
    pub places: HashMap<OutletId, Arc<Tensor>>,
    /// Padding id that the model compares ids with, if it does.
    pub pad: Option<u32>,
}

/// Cause why the beginning of a language backbone is not understood.
pub(super) type Reason = String;

impl TextSource {
    /// Analyses a model whose inputs [`fix_inputs`] has fixed.
    pub(super) fn of(model: &TypedModel, length: usize) -> Result<Self, Reason> {
        let order = model.eval_order().map_err(|e| format!("{e:#}"))?;
        let inputs = model.input_outlets().map_err(|e| format!("{e:#}"))?;
        let mut ids: HashSet<OutletId> = HashSet::from([inputs[0]]);
        let mut table = None;
        let mut hidden: HashSet<usize> = inputs.get(1).map(|o| o.node).into_iter().collect();
        let mut data: HashSet<usize> = HashSet::from([inputs[0].node]);
        let mut pad = None;
        for node in order.iter().map(|&id| model.node(id)) {
            let constant = node.outputs.iter().all(|o| o.fact.konst.is_some());
            if constant || inputs.iter().any(|o| o.node == node.id) {
                continue;
            }
            if let Some(id) = asked_for(model, node, &ids) {
                if *pad.get_or_insert(id) != id {
                    return Err(format!("`{}` asks for another token than padding", node.name));
                }
                hidden.insert(node.id);
                continue;
            }
            let moves = node.op_is::<Cast>() || node.op_is::<AxisOp>();
            if moves && node.inputs.iter().all(|i| ids.contains(i)) {
                ids.insert(node.id.into());
            }
            if node.op_as::<Gather>().is_some_and(|g| g.axis == 0) && ids.contains(&node.inputs[1])
            {
                table = table.or(rows(model, node.inputs[0]));
            }
            if node.inputs.iter().any(|i| data.contains(&i.node)) {
                data.insert(node.id);
            } else if node.inputs.iter().any(|i| hidden.contains(&i.node)) {
                hidden.insert(node.id);
            }
        }
        let table = table.ok_or("no table whose rows the ids of the tokens pick")?;
        let read = data.iter().flat_map(|&id| &model.node(id).inputs).chain(&model.outputs);
        let mut frontier: Vec<OutletId> =
            read.copied().filter(|o| hidden.contains(&o.node)).collect();
        frontier.sort();
        frontier.dedup();
        let mut source =
            Self { ids, table, hidden, masked: HashMap::new(), places: HashMap::new(), pad };
        if !frontier.is_empty() {
            source.every_length(model, &frontier, length)?;
        }
        Ok(source)
    }

    /// Returns the shape of the input: one place per token.
    pub(super) fn shape(&self, length: usize) -> Option<Shape> {
        Shape::new(1, length as u32, (Tokens::MARKS + self.table.width) as u32)
    }
}

fn rows(model: &TypedModel, outlet: OutletId) -> Option<Table> {
    let tensor = model.outlet_fact(outlet).ok()?.konst.clone()?;
    let &[vocabulary, width] = tensor.shape() else { return None };
    Some(Table { vocabulary, width, values: floats(&tensor)? })
}

/// Returns the id that a node compares the token ids with, if it does nothing else.
fn asked_for(model: &TypedModel, node: &TypedNode, ids: &HashSet<OutletId>) -> Option<u32> {
    let compares = node.op_as::<TypedBinOp>().is_some_and(|op| ["Eq", "NE"].contains(&op.0.name()));
    let &[a, b] = &node.inputs[..] else { return None };
    if !compares || ids.contains(&a) == ids.contains(&b) {
        return None;
    }
    let constant = model.outlet_fact(if ids.contains(&a) { b } else { a }).ok()?.konst.clone()?;
    let id = floats(&constant).filter(|values| values.len() == 1)?[0];
    // Exact: ids are below 2^24.
    (id >= 0.0 && id.fract() == 0.0 && id < Tokens::VOCABULARY as f32).then_some(id as u32)
}

/// Dimensions and values.
type Shaped = (Vec<usize>, Vec<f32>);

/// Part of a model that depends on the length only.
struct Hidden {
    state: TypedSimpleState,
    /// Element types of the ids and, if there is one, of the mask.
    kinds: Vec<DatumType>,
    length: usize,
    /// Padding id of the model, and an id that is not padding.
    ids: [i64; 2],
}

impl Hidden {
    fn of(
        source: &TypedModel,
        outlets: &[OutletId],
        length: usize,
        pad: Option<u32>,
    ) -> TractResult<Self> {
        let mut part = source.clone();
        let kinds = (0..part.inputs.len()).map(|i| Ok(part.input_fact(i)?.datum_type));
        let kinds = kinds.collect::<TractResult<_>>()?;
        part.select_output_outlets(outlets)?;
        let state = TypedSimplePlan::new(part.into_compact()?)?.spawn()?;
        let pad = pad.unwrap_or(0).into();
        Ok(Self { state, kinds, length, ids: [pad, i64::from(pad == 0)] })
    }

    /// Returns the values of the outlets for a text of `tokens` tokens.
    fn values(&mut self, tokens: usize) -> Result<Vec<Shaped>, Reason> {
        let outputs = self.outputs(tokens).map_err(|e| format!("{e:#}"))?;
        let mut values = Vec::new();
        for tensor in &outputs {
            let floats = floats(tensor).ok_or("a mask that is not made of numbers")?;
            values.push((tensor.shape().to_vec(), floats));
        }
        Ok(values)
    }

    /// Runs the model on a text of `tokens` tokens, all alike.
    fn outputs(&mut self, tokens: usize) -> TractResult<TVec<TValue>> {
        let marks: Vec<bool> = (0..self.length).map(|at| at < tokens).collect();
        let rows: [Vec<i64>; 2] = [
            marks.iter().map(|&mark| self.ids[usize::from(mark)]).collect(),
            marks.iter().map(|&mark| i64::from(mark)).collect(),
        ];
        let mut inputs = TVec::new();
        for (row, kind) in rows.iter().zip(&self.kinds) {
            let tensor = Tensor::from_shape(&[1, self.length], row)?;
            inputs.push(tensor.cast_to_dt(*kind)?.into_owned().into_tvalue());
        }
        self.state.run(inputs)
    }
}

impl TextSource {
    /// Computes the outlets for texts of every length and returns their common form.
    fn every_length(
        &mut self,
        model: &TypedModel,
        outlets: &[OutletId],
        length: usize,
    ) -> Result<(), Reason> {
        let mut hidden =
            Hidden::of(model, outlets, length, self.pad).map_err(|e| format!("{e:#}"))?;
        let full = hidden.values(length)?;
        let mut masks: Vec<Vec<Masked>> =
            full.iter().map(|(dims, v)| candidates(dims, v, length)).collect();
        let mut places = masks.clone();
        for tokens in 1..length {
            for (i, (dims, now)) in hidden.values(tokens)?.into_iter().enumerate() {
                masks[i].retain_mut(|c| c.agrees(&dims, &now, tokens));
                places[i].retain(|c| c.agrees_at_tokens(&dims, &now, tokens));
            }
        }
        // Values after a text's end do not matter if a mask hides them.
        let has_mask = model.inputs.len() > 1;
        for ((&outlet, mut masks), mut places) in outlets.iter().zip(masks).zip(places) {
            if let Some(mask) = masks.pop() {
                self.masked.insert(outlet, mask.shortened());
            } else if let Some(place) = places.pop().filter(|_| has_mask) {
                let tensor = Tensor::from_shape(&place.lengths, &place.full)
                    .map_err(|e| format!("{e:#}"))?;
                self.places.insert(outlet, tensor.into_arc_tensor());
            } else {
                let name = model.outlet_label(outlet).unwrap_or(&model.node(outlet.node).name);
                return Err(format!(
                    "`{name}` depends on the text's length in a manner that is not known; cut before it is used"
                ));
            }
        }
        Ok(())
    }
}

/// Returns one candidate for each dimension that may be that of the tokens.
fn candidates(dims: &[usize], full: &[f32], length: usize) -> Vec<Masked> {
    (0..dims.len())
        .filter(|&dim| dims[dim] == length)
        .map(|dim| Masked { dim, full: full.to_vec(), lengths: dims.to_vec(), absent: f32::NAN })
        .collect()
}

impl Masked {
    /// True if a text of `tokens` tokens has the full tensor's values at its tokens and one value
    /// elsewhere, always the same.
    fn agrees(&mut self, dims: &[usize], now: &[f32], tokens: usize) -> bool {
        let step: usize = dims[self.dim + 1..].iter().product();
        now.iter().zip(&self.full).enumerate().all(|(i, (&value, &full))| {
            if i / step % dims[self.dim] < tokens {
                return value == full;
            }
            if self.absent.is_nan() {
                self.absent = value;
            }
            value == self.absent
        })
    }

    /// True if a text of `tokens` tokens has the full tensor's values at its tokens.
    fn agrees_at_tokens(&self, dims: &[usize], now: &[f32], tokens: usize) -> bool {
        let step: usize = dims[self.dim + 1..].iter().product();
        let mut pairs = now.iter().zip(&self.full).enumerate();
        pairs.all(|(i, (value, full))| i / step % dims[self.dim] >= tokens || value == full)
    }

    /// Returns the tensor with length 1 for the dimensions along which it is constant.
    fn shortened(mut self) -> Self {
        for dim in (0..self.lengths.len()).filter(|&dim| dim != self.dim) {
            let step: usize = self.lengths[dim + 1..].iter().product();
            let block = step * self.lengths[dim];
            let same =
                self.full.chunks(block).all(|b| b.chunks(step).all(|part| part == &b[..step]));
            if same {
                self.full = self.full.chunks(block).flat_map(|b| b[..step].to_vec()).collect();
                self.lengths[dim] = 1;
            }
        }
        self
    }

    /// Returns the value at every token, if it is the same.
    pub(super) fn uniform(&self) -> Option<f32> {
        self.full.first().copied().filter(|first| self.full.iter().all(|v| v == first))
    }
}

/// Value that a softmax turns into 0 and that stays finite when such values are added.
pub(super) const NOTHING: f32 = -1e30;

/// Part of the input with each token's row, its mark, or its weight.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Mark,
    Weight,
    Row,
}

impl Part {
    /// Returns the slice of its channels, and their number.
    pub(super) fn slice(self, width: usize) -> (Slice, usize) {
        let (from, length) = match self {
            Self::Mark => (0, 1),
            Self::Weight => (1, 1),
            Self::Row => (Tokens::MARKS, width),
        };
        (Slice { axis: 2, from: from as u32 }, length)
    }
}

/// Returns `absent + mark * (present - absent)`.
pub(super) fn marked(present: f32, absent: f32) -> crate::ir::Expr {
    use crate::ir::Expr;
    let [present, absent] = [present, absent].map(|v| v.max(NOTHING));
    let scaled = Expr::Constant(Binary::Mul, present - absent, Box::new(Expr::Input));
    Expr::Constant(Binary::Add, absent, Box::new(scaled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_an_input_is() {
        let names = [
            "input_ids",
            "attention_mask",
            "token_type_ids",
            "segment_ids",
            "position_ids",
            "input_mask",
        ];
        let roles = [Role::Ids, Role::Mask, Role::Types, Role::Types, Role::Positions, Role::Mask];
        assert_eq!(names.map(Role::of), roles);
    }

    #[test]
    fn a_mask_is_recognised_by_its_values() {
        // Causal mask of 1 x 3 x 3: rows are queries, columns are keys.
        let value = |tokens: usize| -> Vec<f32> {
            (0..9)
                .map(|i| if i % 3 <= i / 3 && i % 3 < tokens { 0.0 } else { f32::NEG_INFINITY })
                .collect()
        };
        let mut found = candidates(&[1, 3, 3], &value(3), 3);
        for tokens in 1..3 {
            found.retain_mut(|c| c.agrees(&[1, 3, 3], &value(tokens), tokens));
        }
        let [masked] = &found[..] else { panic!("{found:?}") };
        assert_eq!((masked.dim, masked.absent, masked.uniform()), (2, f32::NEG_INFINITY, None));
        assert_eq!(masked.clone().shortened().lengths, [1, 3, 3]);
        // Expanded: the same for every row.
        let wide =
            |tokens: usize| -> Vec<f32> { (0..9).map(|i| f32::from(i % 3 < tokens)).collect() };
        let mut found = candidates(&[3, 3], &wide(3), 3);
        (1..3).for_each(|n| found.retain_mut(|c| c.agrees(&[3, 3], &wide(n), n)));
        let masked = found.pop().unwrap().shortened();
        assert_eq!((masked.lengths, masked.full, masked.absent), (vec![1, 3], vec![1.0; 3], 0.0));
        // A sum of the marks is not a mask.
        let mut found = candidates(&[3], &[3.0; 3], 3);
        found.retain_mut(|c| c.agrees(&[3], &[2.0; 3], 2));
        assert!(found.is_empty());
    }
}
