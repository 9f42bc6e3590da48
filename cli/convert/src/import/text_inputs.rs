//! Language backbones: which input is what, and what depends on a text's length alone.
//!
//! Ids of tokens may only pick rows of a table, which the package does outside the graph. The
//! attention mask is ones up to the text's end and zeros behind it, so that whatever the model
//! computes from the mask alone, in whatever operations its exporter chose, has only as many values
//! as texts have lengths. All of them are computed here, and what they have in common is written
//! into the graph: a value where there is a token, another where there is none. RoBERTa asks its ids
//! where the padding is; the answer depends on the length in the same way, and so do the places that
//! it counts from it.

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

/// What an input of a language backbone is, by the names that exporters give.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Role {
    /// Ids of tokens.
    Ids,
    /// 1 where there is a token.
    Mask,
    /// Which of two sentences a token is of: always the first.
    Types,
    /// 0, 1, 2 and so on.
    Positions,
}

impl Role {
    pub(super) fn of(name: &str) -> Self {
        let name = name.to_ascii_lowercase();
        let has = |part: &str| name.contains(part);
        match () {
            () if has("mask") => Self::Mask,
            () if has("type") || has("segment") => Self::Types,
            () if has("position") => Self::Positions,
            () => Self::Ids,
        }
    }

    /// What stands in an input that no text changes.
    fn constant(self, length: usize) -> Option<Vec<i64>> {
        match self {
            Self::Types => Some(vec![0; length]),
            Self::Positions => Some((0..length as i64).collect()),
            Self::Ids | Self::Mask => None,
        }
    }
}

/// Whether a model's inputs are rows of whole numbers, as tokens are.
pub(super) fn takes_text(graph: &GraphProto) -> bool {
    let constants: HashSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
    let mut inputs = graph.input.iter().filter(|i| !constants.contains(i.name.as_str())).peekable();
    let whole_numbers = |kind: Option<&TypeProto>| match kind.and_then(|k| k.value.as_ref()) {
        // 6 and 7 are ONNX's numbers for 32 and 64 bits; a picture may be in such numbers too.
        Some(type_proto::Value::TensorType(tensor)) => {
            [6, 7].contains(&tensor.elem_type) && tensor.shape.as_ref().is_none_or(|s| s.dim.len() < 3)
        }
        _ => false,
    };
    inputs.peek().is_some() && inputs.all(|i| whole_numbers(i.r#type.as_ref()))
}

/// Gives every input its shape, and those that no text changes their values. Leaves the ids, and the
/// mask if there is one, as inputs in this order.
///
/// `Err` says what is wrong with the inputs.
pub(super) fn fix_inputs(model: &mut InferenceModel, length: usize) -> Result<(), String> {
    let inputs = model.input_outlets().map_err(|e| e.to_string())?.to_vec();
    let role = |model: &InferenceModel, outlet: OutletId| Role::of(&model.node(outlet.node).name);
    let of = |model: &InferenceModel, wanted: Role| -> Vec<OutletId> {
        inputs.iter().copied().filter(|&o| role(model, o) == wanted).collect()
    };
    let (ids, masks) = (of(model, Role::Ids), of(model, Role::Mask));
    let [ids] = ids[..] else {
        return Err(format!("{} inputs that may be ids of tokens; one is needed", ids.len()));
    };
    if masks.len() > 1 {
        return Err(format!("{} attention masks; there may be one", masks.len()));
    }
    for &outlet in &inputs {
        let fact = model.outlet_fact(outlet).map_err(|e| e.to_string())?;
        let kind = fact.datum_type.concretize().unwrap_or(i64::datum_type());
        let constant = role(model, outlet).constant(length);
        let fact = kind.fact([1, length]);
        if let Some(values) = constant {
            let tensor =
                Tensor::from_shape(&[1, length], &values).and_then(|t| Ok(t.cast_to_dt(kind)?.into_owned()));
            let tensor = tensor.map_err(|e| e.to_string())?.into_arc_tensor();
            let konst = Const::new(tensor).map_err(|e| e.to_string())?;
            model.node_mut(outlet.node).op = Box::new(konst);
        }
        model.set_outlet_fact(outlet, fact.into()).map_err(|e| e.to_string())?;
    }
    let left: Vec<OutletId> = [ids].into_iter().chain(masks).collect();
    model.set_input_outlets(&left).map_err(|e| e.to_string())
}

/// The length that a model states for its tokens.
pub(super) fn stated_length(model: &InferenceModel) -> Option<usize> {
    let inputs = model.input_outlets().ok()?;
    let ids = inputs.iter().find(|o| Role::of(&model.node(o.node).name) == Role::Ids)?;
    let dim = model.outlet_fact(*ids).ok()?.shape.dim(1)?;
    dim.concretize()?.to_usize().ok()
}

/// The rows that ids pick.
#[derive(Debug, Clone)]
pub struct Table {
    /// How many.
    pub vocabulary: usize,
    /// Values of each.
    pub width: usize,
    /// Row after row.
    pub values: Vec<f32>,
}

/// A value where there is a token, and another where there is none.
#[derive(Debug, Clone)]
pub(super) struct Masked {
    /// Which dimension runs over the tokens.
    pub dim: usize,
    /// The tensor for a text of full length.
    pub full: Vec<f32>,
    /// Lengths of its dimensions; 1 where it is the same all along.
    pub lengths: Vec<usize>,
    /// What stands where there is no token.
    pub absent: f32,
}

/// What the walk has to know about a language backbone.
#[derive(Debug)]
pub(super) struct TextSource {
    /// Outlets that are ids, in whatever shape.
    pub ids: HashSet<OutletId>,
    pub table: Table,
    /// Nodes that only the length decides.
    pub hidden: HashSet<usize>,
    /// Those of them that others read.
    pub masked: HashMap<OutletId, Masked>,
    /// The same, where it only matters what stands at tokens, which no text changes.
    pub places: HashMap<OutletId, Arc<Tensor>>,
    /// The id that the model asks for to find where a text ends, if it does.
    pub pad: Option<u32>,
}

/// Why the beginning of a language backbone is not understood.
pub(super) type Reason = String;

impl TextSource {
    /// Looks at a model whose inputs [`fix_inputs`] has fixed.
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
            if node.op_as::<Gather>().is_some_and(|g| g.axis == 0) && ids.contains(&node.inputs[1]) {
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
        let mut frontier: Vec<OutletId> = read.copied().filter(|o| hidden.contains(&o.node)).collect();
        frontier.sort();
        frontier.dedup();
        let mut source = Self { ids, table, hidden, masked: HashMap::new(), places: HashMap::new(), pad };
        if !frontier.is_empty() {
            source.every_length(model, &frontier, length)?;
        }
        Ok(source)
    }

    /// The input's shape: a place for each token.
    pub(super) fn shape(&self, length: usize) -> Option<Shape> {
        Shape::new(1, length as u32, (Tokens::MARKS + self.table.width) as u32)
    }
}

fn rows(model: &TypedModel, outlet: OutletId) -> Option<Table> {
    let tensor = model.outlet_fact(outlet).ok()?.konst.clone()?;
    let &[vocabulary, width] = tensor.shape() else { return None };
    Some(Table { vocabulary, width, values: floats(&tensor)? })
}

/// The id that a node compares the ids of tokens with, if it does no more.
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

/// The part of a model that only the length decides.
struct Hidden {
    state: TypedSimpleState,
    /// Kinds of number of the ids, and of the mask if there is one.
    kinds: Vec<DatumType>,
    length: usize,
    /// What the model takes for padding, and an id that it does not.
    ids: [i64; 2],
}

impl Hidden {
    fn of(source: &TypedModel, outlets: &[OutletId], length: usize, pad: Option<u32>) -> TractResult<Self> {
        let mut part = source.clone();
        let kinds = (0..part.inputs.len()).map(|i| Ok(part.input_fact(i)?.datum_type));
        let kinds = kinds.collect::<TractResult<_>>()?;
        part.select_output_outlets(outlets)?;
        let state = TypedSimplePlan::new(part.into_compact()?)?.spawn()?;
        let pad = pad.unwrap_or(0).into();
        Ok(Self { state, kinds, length, ids: [pad, i64::from(pad == 0)] })
    }

    /// What the outlets are for a text of so many tokens.
    fn values(&mut self, tokens: usize) -> Result<Vec<Shaped>, Reason> {
        let here = |at: usize| at < tokens;
        let id = |at: usize| self.ids[usize::from(here(at))];
        let rows: [Vec<i64>; 2] =
            [(0..self.length).map(id).collect(), (0..self.length).map(|at| i64::from(here(at))).collect()];
        let input = |(row, kind): (&Vec<i64>, &DatumType)| {
            let tensor = Tensor::from_shape(&[1, self.length], row)?;
            Ok(tensor.cast_to_dt(*kind)?.into_owned().into_tvalue())
        };
        let inputs = rows.iter().zip(&self.kinds).map(input).collect::<TractResult<TVec<_>>>();
        let outputs = inputs.and_then(|inputs| self.state.run(inputs)).map_err(|e| format!("{e:#}"))?;
        let floats = |t: &TValue| floats(t).ok_or("a mask that is not made of numbers".to_string());
        outputs.iter().map(|t| Ok((t.shape().to_vec(), floats(t)?))).collect()
    }
}

impl TextSource {
    /// What the outlets are for texts of every length, and what these have in common.
    fn every_length(
        &mut self,
        model: &TypedModel,
        outlets: &[OutletId],
        length: usize,
    ) -> Result<(), Reason> {
        let mut hidden = Hidden::of(model, outlets, length, self.pad).map_err(|e| format!("{e:#}"))?;
        let full = hidden.values(length)?;
        let mut masks: Vec<Vec<Masked>> = full.iter().map(|(dims, v)| candidates(dims, v, length)).collect();
        let mut places = masks.clone();
        for tokens in 1..length {
            for (i, (dims, now)) in hidden.values(tokens)?.into_iter().enumerate() {
                masks[i].retain_mut(|c| c.agrees(&dims, &now, tokens));
                places[i].retain(|c| c.agrees_at_tokens(&dims, &now, tokens));
            }
        }
        // What stands behind a text's end is nobody's business where a mask hides it.
        let has_mask = model.inputs.len() > 1;
        for ((&outlet, mut masks), mut places) in outlets.iter().zip(masks).zip(places) {
            if let Some(mask) = masks.pop() {
                self.masked.insert(outlet, mask.shortened());
            } else if let Some(place) = places.pop().filter(|_| has_mask) {
                let tensor = Tensor::from_shape(&place.lengths, &place.full).map_err(|e| format!("{e:#}"))?;
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

/// One for each dimension that may run over the tokens.
fn candidates(dims: &[usize], full: &[f32], length: usize) -> Vec<Masked> {
    let over = (0..dims.len()).filter(|&dim| dims[dim] == length);
    let one = |dim| Masked { dim, full: full.to_vec(), lengths: dims.to_vec(), absent: f32::NAN };
    over.map(one).collect()
}

impl Masked {
    /// Whether a text of so many tokens has the full tensor's values at its tokens and one value
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

    /// Whether a text of so many tokens has the full tensor's values at its tokens.
    fn agrees_at_tokens(&self, dims: &[usize], now: &[f32], tokens: usize) -> bool {
        let step: usize = dims[self.dim + 1..].iter().product();
        let mut pairs = now.iter().zip(&self.full).enumerate();
        pairs.all(|(i, (value, full))| i / step % dims[self.dim] >= tokens || value == full)
    }

    /// With length 1 for the dimensions along which nothing changes.
    fn shortened(mut self) -> Self {
        for dim in (0..self.lengths.len()).filter(|&dim| dim != self.dim) {
            let step: usize = self.lengths[dim + 1..].iter().product();
            let block = step * self.lengths[dim];
            let same = self.full.chunks(block).all(|b| b.chunks(step).all(|part| part == &b[..step]));
            if same {
                self.full = self.full.chunks(block).flat_map(|b| b[..step].to_vec()).collect();
                self.lengths[dim] = 1;
            }
        }
        self
    }

    /// The value at every token, if it is one.
    pub(super) fn uniform(&self) -> Option<f32> {
        self.full.first().copied().filter(|first| self.full.iter().all(|v| v == first))
    }
}

/// What takes part in a softmax as nothing, and stays finite when such values are added up.
pub(super) const NOTHING: f32 = -1e30;

/// The part of the input with each token's row, its mark, or its weight.
#[derive(Debug, Clone, Copy)]
pub(super) enum Part {
    Mark,
    Weight,
    Row,
}

impl Part {
    /// The channels where it lies, and how many they are.
    pub(super) fn slice(self, width: usize) -> (Slice, usize) {
        let (from, length) = match self {
            Self::Mark => (0, 1),
            Self::Weight => (1, 1),
            Self::Row => (Tokens::MARKS, width),
        };
        (Slice { axis: 2, from: from as u32 }, length)
    }
}

/// `absent + mark * (present - absent)`.
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
        let names =
            ["input_ids", "attention_mask", "token_type_ids", "segment_ids", "position_ids", "input_mask"];
        let roles = [Role::Ids, Role::Mask, Role::Types, Role::Types, Role::Positions, Role::Mask];
        assert_eq!(names.map(Role::of), roles);
    }

    #[test]
    fn a_mask_is_recognised_by_its_values() {
        // 1 x 3 x 3, looking back only: rows are what looks, columns what is looked at.
        let value = |tokens: usize| -> Vec<f32> {
            (0..9).map(|i| if i % 3 <= i / 3 && i % 3 < tokens { 0.0 } else { f32::NEG_INFINITY }).collect()
        };
        let mut found = candidates(&[1, 3, 3], &value(3), 3);
        for tokens in 1..3 {
            found.retain_mut(|c| c.agrees(&[1, 3, 3], &value(tokens), tokens));
        }
        let [masked] = &found[..] else { panic!("{found:?}") };
        assert_eq!((masked.dim, masked.absent, masked.uniform()), (2, f32::NEG_INFINITY, None));
        assert_eq!(masked.clone().shortened().lengths, [1, 3, 3]);
        // Expanded: the same for every row.
        let wide = |tokens: usize| -> Vec<f32> { (0..9).map(|i| f32::from(i % 3 < tokens)).collect() };
        let mut found = candidates(&[3, 3], &wide(3), 3);
        (1..3).for_each(|n| found.retain_mut(|c| c.agrees(&[3, 3], &wide(n), n)));
        let masked = found.pop().unwrap().shortened();
        assert_eq!((masked.lengths, masked.full, masked.absent), (vec![1, 3], vec![1.0; 3], 0.0));
        // A sum of the marks is no mask.
        let mut found = candidates(&[3], &[3.0; 3], 3);
        found.retain_mut(|c| c.agrees(&[3], &[2.0; 3], 2));
        assert!(found.is_empty());
    }
}
