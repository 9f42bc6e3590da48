//! Where to cut: the tensor that feeds the last classifier.

use std::collections::{HashMap, HashSet};

use tract_onnx::pb::{GraphProto, NodeProto};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::binary::TypedBinOp;
use tract_onnx::tract_core::ops::change_axes::AxisOp;
use tract_onnx::tract_core::ops::cnn::{Conv, SumPool};
use tract_onnx::tract_core::ops::einsum::EinSum;
use tract_onnx::tract_core::ops::konst::Const;
use tract_onnx::tract_core::ops::nn::{Reduce, Softmax};

/// The chosen cut.
#[derive(Debug, Clone)]
pub struct Cut {
    /// Name of the tensor that becomes the embedding.
    pub name: String,
    /// One sentence on how it was chosen.
    pub why: String,
    /// Whether a classifier follows.
    pub has_classifier: bool,
    pub(super) outlet: Option<OutletId>,
}

impl Cut {
    pub(super) fn given(name: &str) -> Self {
        Self { name: name.to_string(), why: "as asked".to_string(), has_classifier: false, outlet: None }
    }
}

/// Classes of ImageNet, without and with background.
const IMAGENET: [usize; 2] = [1000, 1001];

/// Walks back from the output over what may follow a classifier to the classifier itself.
///
/// A fully connected layer is one; a convolution is one if a softmax follows it, if it sees a
/// single pixel, or if it gives ImageNet's classes. Otherwise the model has no classifier and
/// its output is the embedding.
pub(super) fn find(model: &TypedModel) -> Cut {
    if let Some(cut) = classifier(model) {
        return cut;
    }
    if let Some((map, why)) = feature_map(model) {
        let name = name_of(model, map);
        return Cut { name, why: why.to_string(), has_classifier: false, outlet: Some(map) };
    }
    whole(model)
}

/// [`find`] of a language backbone, which has no maps.
pub(super) fn of_text(model: &TypedModel) -> Cut {
    classifier(model).unwrap_or_else(|| whole(model))
}

/// The model's output.
fn whole(model: &TypedModel) -> Cut {
    let output = model.outputs[0];
    Cut {
        name: name_of(model, output),
        why: "the model has no classifier, its output is the embedding".to_string(),
        has_classifier: false,
        outlet: Some(output),
    }
}

fn classifier(model: &TypedModel) -> Option<Cut> {
    let mut at = model.outputs[0];
    let mut softmax = false;
    loop {
        let node = model.node(at.node);
        softmax |= node.op_is::<Softmax>();
        let classifies = node.op_is::<EinSum>()
            || node.op_as::<Conv>().is_some_and(|conv| {
                let single = model.outlet_fact(at).is_ok_and(|f| f.shape.volume() == f.shape[1]);
                softmax || single || IMAGENET.contains(&conv.pool_spec.output_channels)
            });
        if classifies {
            let embedding = skip_moves(model, node.inputs[0]);
            return Some(Cut {
                name: name_of(model, embedding),
                why: format!("it feeds the classifier `{}`", node.name),
                has_classifier: true,
                outlet: Some(embedding),
            });
        }
        match data_input(model, at.node) {
            Some(previous) if may_follow_a_classifier(model, at.node) => at = previous,
            _ => return None,
        }
    }
}

/// A detector's last feature map: what is enlarged first, or what all its heads come from.
fn feature_map(model: &TypedModel) -> Option<(OutletId, &'static str)> {
    let order = model.eval_order().ok()?;
    let resize = order.iter().map(|&n| model.node(n)).find(|n| n.op.name() == "Resize");
    if let Some(resize) = resize {
        return Some((resize.inputs[0], "it is the last map before a detector's neck"));
    }
    if model.outputs.len() < 2 {
        return None;
    }
    // The last place through which everything goes.
    let place = |id: usize| order.iter().position(|&n| n == id);
    let mut open_until = 0;
    let mut last = None;
    for (at, &id) in order.iter().enumerate() {
        let node = model.node(id);
        let Some(fact) = node.outputs.first().map(|o| &o.fact).filter(|f| f.konst.is_none()) else {
            continue;
        };
        if node.op_is::<Const>() {
            continue;
        }
        let narrow = open_until <= at;
        if narrow && fact.rank() == 4 && at > 0 {
            last = Some(OutletId::new(id, 0));
        }
        let readers = node.outputs.iter().flat_map(|o| &o.successors).filter_map(|s| place(s.node));
        open_until = open_until.max(readers.max().unwrap_or(at));
        if model.outputs.iter().any(|o| o.node == id) {
            open_until = order.len();
        }
    }
    last.map(|map| (map, "all of the model's outputs come from it"))
}

/// Operations that choose among results, at which no features are left.
const CHOICES: [&str; 6] = ["If", "Loop", "Scan", "NonMaxSuppression", "TopK", "NonZero"];

/// [`feature_map`] of a model that tract does not understand to its end: the last place before
/// that through which all values go.
pub(super) fn trunk(graph: &GraphProto) -> Option<Cut> {
    let is_choice = |n: &&NodeProto| CHOICES.contains(&n.op_type.as_str());
    let choice = graph.node.iter().find(is_choice)?;
    let mut open: HashMap<&str, usize> = HashMap::new();
    let constants: HashSet<&str> = graph.initializer.iter().map(|t| t.name.as_str()).collect();
    for input in graph.input.iter().filter(|i| !constants.contains(i.name.as_str())) {
        open.insert(&input.name, 0);
    }
    // A shape is a constant, whatever it is the shape of.
    let reads =
        |node: &NodeProto, name: &str| node.op_type != "Shape" && node.input.iter().any(|i| i == name);
    let last_reader = |name: &str| graph.node.iter().rposition(|n| reads(n, name));
    let mut open_until = open.keys().filter_map(|name| last_reader(name)).max()?;
    let mut last = None;
    for (at, node) in graph.node.iter().enumerate().take_while(|(_, n)| !is_choice(n)) {
        if !node.input.iter().any(|i| open.contains_key(i.as_str()) && reads(node, i)) {
            continue;
        }
        for output in &node.output {
            open.insert(output, at);
            if open_until <= at {
                last = Some(output);
            }
            open_until = open_until.max(last_reader(output).unwrap_or(graph.node.len()));
        }
    }
    let why = format!("all values go through it before `{}`, a {}", choice.name, choice.op_type);
    last.map(|name| Cut { name: name.clone(), why, has_classifier: false, outlet: None })
}

fn may_follow_a_classifier(model: &TypedModel, node: usize) -> bool {
    let node = model.node(node);
    node.op_is::<Softmax>()
        || node.op_is::<AxisOp>()
        || node.op_is::<TypedBinOp>()
        || node.op_is::<Reduce>()
        || node.op_is::<SumPool>()
        || ["Dropout", "Identity", "Cast"].iter().any(|n| node.op.name().starts_with(n))
}

/// The only input that is not a constant.
fn data_input(model: &TypedModel, node: usize) -> Option<OutletId> {
    let is_data = |outlet: &&OutletId| !model.node(outlet.node).op_is::<Const>();
    let mut inputs = model.node(node).inputs.iter().filter(is_data);
    inputs.next().copied().filter(|_| inputs.next().is_none())
}

/// The name that the model's author gave: through the nodes that tract put in for one of ONNX.
fn name_of(model: &TypedModel, outlet: OutletId) -> String {
    let label = model.outlet_label(outlet).map(str::to_string);
    label.unwrap_or_else(|| model.node(outlet.node).name.clone())
}

/// Steps back over unnamed axis changes, so that the embedding is a tensor of the source model.
fn skip_moves(model: &TypedModel, outlet: OutletId) -> OutletId {
    let mut at = outlet;
    while model.outlet_label(at).is_none() && model.node(at.node).op_is::<AxisOp>() {
        at = model.node(at.node).inputs[0];
    }
    at
}
