//! Choice of the cut: the features that a model's classifier reads, whatever follows the
//! classifier.
//!
//! The graph of the file is searched from its outputs backwards. Nodes that only move values, turn
//! scores into probabilities or join several heads are skipped; the first linear layer before them
//! is the classifier.

use std::collections::{BTreeSet, HashMap};

use tract_onnx::pb::GraphProto;
use tract_onnx::prelude::*;

use super::data_flow::Flow;

mod kinds;
mod maps;
mod network;
mod unit;

use kinds::Kind;
pub(super) use kinds::is_choice;
pub use network::{Belief, NetworkKind, Sure};

/// Fewest values of an embedding that can distinguish new classes.
pub const FEW: usize = 8;

/// Number of classes of ImageNet, without and with background.
const IMAGENET: [usize; 2] = [1000, 1001];

/// Least number of values of a last layer for which an activation after it marks it as a hidden
/// layer.
const HIDDEN: usize = 64;

/// Largest number of tensors joined if several heads read different features.
const JOINED: usize = 4;

/// Chosen cut.
#[derive(Debug, Clone, Default)]
pub struct Cut {
    /// Name of the tensor that becomes the embedding; several are separated by commas.
    pub name: String,
    /// Reason of the choice in one sentence.
    pub why: String,
    /// True if the user stated the cut.
    pub asked: bool,
    /// True if a classifier follows.
    pub has_classifier: bool,
    /// Doubts about the cut, one sentence each.
    pub unsure: Vec<String>,
    /// Another tensor that may be the embedding, with the condition for it.
    pub(super) other: Option<Other>,
    /// Tensors at which the network ends.
    pub(crate) tensors: Vec<String>,
    /// True if the model then scales them to L2 norm 1, which the package does itself.
    pub(super) unit: bool,
    /// Kind that the network is believed to be; `None` if the cut was stated.
    pub(super) belief: Option<Belief>,
}

/// Another possible cut.
#[derive(Debug, Clone)]
pub(super) struct Other {
    pub tensor: String,
    /// Condition, to be followed by its name for `--cut`.
    pub case: String,
}

impl Cut {
    /// Returns a cut stated by the user.
    pub(super) fn as_asked() -> Self {
        Self { why: "as asked".to_string(), asked: true, ..Self::default() }
    }

    /// Takes the reason and the doubts of the cut that parts of other depths were added to.
    pub(crate) fn with_parts(&mut self, alone: Cut, parts: usize) {
        let tensors = std::mem::take(&mut self.tensors);
        let name = std::mem::take(&mut self.name);
        let why = format!("{}; parts of {parts} other depths come before it", alone.why);
        *self = Self { name, tensors, why, unit: self.unit, ..alone };
    }

    /// Returns a cut at tensors stated by the user.
    pub(super) fn given(
        graph: &GraphProto,
        tensors: &[&str],
        names: &[&str],
        shapes: &Shapes,
    ) -> Self {
        let Self { why, asked, .. } = Self::as_asked();
        Self { name: names.join(","), asked, ..Ends::of(graph, shapes).at(tensors, why) }
    }

    /// Adds a doubt if an embedding of `values` values is too short and was not stated by the user.
    pub(super) fn doubt(&mut self, values: usize) {
        if values < FEW && !self.asked {
            let plural = if values == 1 { "" } else { "s" };
            self.unsure.push(format!(
                "an embedding of {values} value{plural} distinguishes new classes badly; `offshoot inspect` lists the \
                 places to cut, --cut takes one"
            ));
        }
    }
}

/// Returns the length of an axis, if it is stated.
fn length(dims: &[i64], axis: usize) -> Option<usize> {
    dims.get(axis).and_then(|&n| usize::try_from(n).ok())
}

/// Lengths of tensors, as far as known.
#[derive(Debug, Default)]
pub(super) struct Shapes(HashMap<String, Vec<usize>>);

impl Shapes {
    /// Returns the shapes of an analysed model.
    pub(super) fn of(model: &TypedModel) -> Self {
        let shapes = model.outlet_labels.iter().filter_map(|(outlet, name)| {
            let fact = model.outlet_fact(*outlet).ok()?;
            Some((name.clone(), fact.shape.as_concrete()?.to_vec()))
        });
        Self(shapes.collect())
    }

    fn get(&self, tensor: &str) -> Option<&[usize]> {
        self.0.get(tensor).map(Vec::as_slice)
    }
}

/// Returns the cut of a network that takes images.
pub(super) fn find(graph: &GraphProto, shapes: &Shapes) -> Cut {
    let ends = Ends::of(graph, shapes);
    let outputs = ends.outputs();
    let tails: Vec<Tail<'_>> = outputs.iter().map(|output| ends.tail(output, true)).collect();
    if let Some(cut) = tails.iter().find_map(|tail| ends.unit(tail)) {
        return Cut { belief: Some(Ends::of_unit()), ..cut };
    }
    let tails: Vec<Tail<'_>> = outputs.iter().map(|output| ends.tail(output, false)).collect();
    let heads: Vec<(&Tail<'_>, Vec<Head<'_>>)> = tails
        .iter()
        .filter_map(|tail| {
            Some((tail, ends.heads(tail).filter(|heads| ends.is_vectors(tail, heads))?))
        })
        .collect();
    // The activation of a hidden layer, or a normalization, comes after features.
    let features = heads.iter().find(|(tail, heads)| tail.is_of_features(heads));
    if let Some((tail, heads)) = features {
        let belief = Some(Ends::of_features(tail));
        return Cut { belief, ..ends.layer_of_features(tail, heads) };
    }
    if !heads.is_empty() {
        return Cut { belief: Some(ends.of_heads(&heads)), ..ends.before(&heads) };
    }
    match outputs.iter().find(|output| ends.is_vector(output)) {
        Some(output) => Cut { belief: Some(ends.of_vector(output)), ..ends.whole(output) },
        None => {
            let structure = ends.structure(&tails);
            let belief = Some(ends.of_structure(structure, &tails));
            Cut { belief, ..ends.of_maps(&tails, structure) }
        }
    }
}

/// Returns the cut of a language backbone like [`find`], without feature maps.
pub(super) fn of_text(graph: &GraphProto, shapes: &Shapes) -> Cut {
    let ends = Ends::of(graph, shapes);
    let first = ends.outputs().into_iter().next().unwrap_or_default();
    let tail = ends.tail(first, false);
    match ends.heads(&tail) {
        Some(heads) if !tail.is_of_features(&heads) => ends.before(&[(&tail, heads)]),
        _ => ends.whole(first),
    }
}

/// End of a model.
struct Ends<'g> {
    flow: Flow<'g>,
    graph: &'g GraphProto,
    shapes: &'g Shapes,
    constants: HashMap<&'g str, &'g [i64]>,
}

/// Nodes between an output and the layers that it is computed from.
#[derive(Debug, Default)]
struct Tail<'g> {
    output: &'g str,
    /// Tensors at which it begins: results of nodes that are not skipped.
    begins: Vec<&'g str>,
    /// Vector scaled to L2 norm 1: tensors before and after.
    unit: Option<[&'g str; 2]>,
    /// True if scores become probabilities, or are compared.
    squashed: bool,
    /// True with the activation of a hidden layer.
    activated: bool,
    /// True with batch normalization.
    normed: bool,
    /// True if a feature map becomes a vector.
    pooled: bool,
}

/// Layer that may be a classifier.
#[derive(Debug, Clone, Copy)]
struct Head<'g> {
    /// Index of its node.
    at: usize,
    /// Tensor that it reads.
    input: &'g str,
    /// Number of values it computes, if known.
    classes: Option<usize>,
    /// True if it computes one vector, not one per place of a feature map.
    of_vector: bool,
}

impl Tail<'_> {
    /// True if the output is the features of a network whose classifier was removed, or of one
    /// trained by metric learning.
    fn is_of_features(&self, heads: &[Head<'_>]) -> bool {
        let wide = heads.iter().all(|head| head.classes.is_some_and(|n| n >= HIDDEN));
        let after = (self.activated && wide || self.normed) && !self.squashed && !self.pooled;
        after && heads.len() == 1
    }
}

impl<'g> Ends<'g> {
    fn of(graph: &'g GraphProto, shapes: &'g Shapes) -> Self {
        let stored = graph.initializer.iter().map(|t| (t.name.as_str(), t.dims.as_slice()));
        let made = graph.node.iter().filter(|node| node.op_type == "Constant").filter_map(|node| {
            let tensor = node.attribute.iter().find_map(|a| a.t.as_ref())?;
            Some((node.output.first()?.as_str(), tensor.dims.as_slice()))
        });
        let constants = stored.chain(made).collect();
        Self { flow: Flow::of(graph), graph, shapes, constants }
    }

    /// Returns the outputs that depend on the input, or the first one.
    fn outputs(&self) -> Vec<&'g str> {
        let all = self.graph.output.iter().map(|o| o.name.as_str());
        let outputs: Vec<&str> = all.clone().filter(|name| self.flow.is_data(name)).collect();
        if outputs.is_empty() { all.take(1).collect() } else { outputs }
    }

    /// Walks back from an output, the latest node first, so that all values go through a tensor
    /// that is the only open one.
    fn tail(&self, output: &'g str, units: bool) -> Tail<'g> {
        let mut tail = Tail { output, ..Tail::default() };
        let mut open = BTreeSet::from([(self.flow.giver(output), output)]);
        while let Some((giver, tensor)) = open.pop_last() {
            let Some(at) = giver else {
                tail.begins.push(tensor);
                continue;
            };
            // A tensor that is not the only open one may be a gate beside the features.
            let alone = open.is_empty() && tail.begins.is_empty();
            if let Some(before) = self.normalized(at).filter(|_| units && alone && !tail.squashed) {
                tail.unit = Some([before, tensor]);
                return tail;
            }
            if let Some(before) = self.gated(at) {
                tail.activated = true;
                open.insert((self.flow.giver(before), before));
                continue;
            }
            let kind = self.kind(at);
            if kind == Kind::Layer {
                tail.begins.push(tensor);
                continue;
            }
            tail.squashed |= alone && kind == Kind::Squash;
            tail.activated |= kind == Kind::Activation;
            tail.normed |= kind == Kind::Norm;
            tail.pooled |= kind == Kind::Pool;
            for input in self.flow.data_inputs(at) {
                open.insert((self.flow.giver(input), input));
            }
        }
        tail
    }

    /// Returns the layers at which a tail begins, if each may be a classifier.
    fn heads(&self, tail: &Tail<'g>) -> Option<Vec<Head<'g>>> {
        let heads: Option<Vec<_>> =
            tail.begins.iter().map(|tensor| self.head(tensor, tail)).collect();
        heads.filter(|heads| !heads.is_empty())
    }

    fn head(&self, tensor: &'g str, tail: &Tail<'g>) -> Option<Head<'g>> {
        let at = self.flow.giver(tensor)?;
        let node = self.flow.node(at);
        let input = self.flow.data_input(at)?;
        let weights = node.input.iter().find_map(|name| self.constants.get(name.as_str()));
        let weights = weights.copied().unwrap_or_default();
        let of_vector = self.is_vector(tensor);
        if kinds::is_product(&node.op_type) {
            let transposed = node.attribute.iter().any(|a| a.name == "transB" && a.i != 0);
            let stated = self.shapes.get(tensor).and_then(|s| s.last()).copied();
            let classes = stated.or_else(|| length(weights, if transposed { 0 } else { 1 }));
            return Some(Head { at, input, classes, of_vector });
        }
        let is_conv = node.op_type.ends_with("Conv") || node.op_type == "ConvInteger";
        let classes = length(weights, 0);
        let before = length(weights, 1);
        let narrows = classes.zip(before).is_some_and(|(n, before)| 4 * n <= before);
        let classifies = of_vector
            || tail.squashed
            || classes.is_some_and(|n| IMAGENET.contains(&n))
            || tail.pooled && narrows;
        (is_conv && classifies).then_some(Head { at, input, classes, of_vector })
    }

    /// True if an output consists of one vector for each head.
    fn is_vectors(&self, tail: &Tail<'g>, heads: &[Head<'g>]) -> bool {
        // A result chosen from boxes belongs to a part of the image.
        let chosen = self.flow.behind(|at| is_choice(&self.flow.node(at).op_type));
        let whole = heads.iter().all(|head| !chosen[head.at]);
        whole && (self.is_vector(tail.output) || heads.iter().all(|head| head.of_vector))
    }

    /// True if a tensor is one vector.
    fn is_vector(&self, tensor: &str) -> bool {
        let mut at = tensor;
        loop {
            if let Some(shape) = self.shapes.get(at) {
                return shape.iter().filter(|&&n| n > 1).count() <= 1;
            }
            // Without an analysis the operation that computes it decides.
            let Some(giver) = self.flow.giver(at) else { return false };
            match self.flow.node(giver).op_type.as_str() {
                "Gemm" | "Flatten" | "GlobalAveragePool" | "GlobalMaxPool" => return true,
                _ if self.kind(giver) == Kind::Layer => {
                    let product = kinds::is_product(&self.flow.node(giver).op_type);
                    let Some(input) = self.flow.data_input(giver).filter(|_| product) else {
                        return false;
                    };
                    at = input;
                }
                _ => match self.flow.data_inputs(giver).first() {
                    Some(input) => at = input,
                    None => return false,
                },
            }
        }
    }

    /// Returns a cut at these tensors; before the scaling to L2 norm 1, if there is one.
    fn at(&self, tensors: &[&str], why: String) -> Cut {
        let name = tensors.join(",");
        if let [tensor] = tensors
            && let Some(before) = self.unit_behind(tensor)
        {
            let why = format!("{why}; the model scales it to L2 norm 1, and so does the package");
            return Cut {
                name,
                why,
                unit: true,
                tensors: vec![before.to_string()],
                ..Cut::default()
            };
        }
        let tensors = tensors.iter().map(|t| t.to_string()).collect();
        Cut { name, why, tensors, ..Cut::default() }
    }

    /// Returns a cut at the model's output.
    fn whole(&self, output: &str) -> Cut {
        self.at(&[output], "the model has no classifier, its output is the embedding".to_string())
    }

    /// Returns a cut at an output that is scaled to L2 norm 1: distances between such vectors are
    /// meaningful, unlike those between probabilities.
    fn unit(&self, tail: &Tail<'g>) -> Option<Cut> {
        let [before, after] = tail.unit?;
        let length = self.length(before);
        let layer = self.heads(&self.tail(before, false)).filter(|heads| heads.len() == 1);
        if length.is_some_and(|n| n < FEW) && layer.is_some() {
            return None;
        }
        let mut cut = self.at(&[after], "the model's output is an embedding".to_string());
        if let ([head], Some(n)) = (&layer.unwrap_or_default()[..], length.filter(|&n| n < HIDDEN))
        {
            let case = format!("if its {n} values are classes, the features before them are");
            cut.other = Some(Other { tensor: head.input.to_string(), case });
        }
        Some(cut)
    }

    fn length(&self, tensor: &str) -> Option<usize> {
        self.shapes.get(tensor).map(|shape| shape.iter().product())
    }

    /// Returns a cut at an output after the last layer of features.
    fn layer_of_features(&self, tail: &Tail<'g>, heads: &[Head<'g>]) -> Cut {
        let what = if tail.normed { "batch normalization" } else { "an activation" };
        let why = format!(
            "the model's output is features: {what} follows its last layer, and no classifier"
        );
        let mut cut = self.at(&[tail.output], why);
        let classes = heads[0].classes.filter(|&n| n < HIDDEN);
        cut.other = classes.map(|n| Other {
            tensor: heads[0].input.to_string(),
            case: format!("if its {n} values are classes, the features before them are"),
        });
        cut
    }

    /// Returns a cut before the classifiers.
    fn before(&self, found: &[(&Tail<'g>, Vec<Head<'g>>)]) -> Cut {
        let heads: Vec<Head<'g>> = found.iter().flat_map(|(_, heads)| heads).copied().collect();
        let mut inputs: Vec<&str> = Vec::new();
        for head in &heads {
            if !inputs.contains(&head.input) {
                inputs.push(head.input);
            }
        }
        // Some networks have an auxiliary classifier half-way, used for training only.
        let layers: Vec<usize> = inputs.iter().map(|input| self.layers(input)).collect();
        let deepest = layers.iter().max().copied().unwrap_or_default();
        let mut deep = layers.iter().map(|&n| 5 * n >= 4 * deepest);
        inputs.retain(|_| deep.next() == Some(true));
        // Order of the file.
        inputs.sort_by_key(|input| self.flow.giver(input));
        let heads: Vec<Head<'g>> =
            heads.into_iter().filter(|head| inputs.contains(&head.input)).collect();
        let mut cut = match inputs[..] {
            [input] => self.before_one(input, &heads),
            _ => self.before_several(&inputs),
        };
        cut.has_classifier = true;
        let tail = found[0].0;
        let last = &heads[0];
        if let ([_], false) = (&heads[..], tail.squashed || tail.pooled) {
            cut.other = self.maybe_features(tail.output, last);
        }
        cut
    }

    fn before_one(&self, mut input: &'g str, heads: &[Head<'g>]) -> Cut {
        let names: Vec<String> =
            heads.iter().map(|head| format!("`{}`", self.name(head.at))).collect();
        let mut why = match &names[..] {
            [name] => format!("it feeds the classifier {name}"),
            names => format!("it feeds the classifiers {}", names.join(", ")),
        };
        // A classifier of several layers may be narrow in between.
        while self.length(input).is_some_and(|n| n < FEW)
            && let Some(hidden) = self.heads(&self.tail(input, false))
            && let [hidden] = hidden[..]
        {
            let n = self.length(input).unwrap_or_default();
            let layer = self.name(hidden.at);
            why = format!("it feeds `{layer}`, a hidden layer of {n} values before the classifier");
            input = hidden.input;
        }
        self.at(&[input], why)
    }

    /// Returns a cut at the common source of all heads' features if that is a vector; else at these
    /// features, joined.
    fn before_several(&self, inputs: &[&'g str]) -> Cut {
        let common = self.flow.common(inputs.iter().map(|input| self.flow.giver(input)));
        let place = self.flow.chain(common).find_map(|at| self.flow.result(at));
        if let Some(place) = place.filter(|place| self.is_vector(place) || inputs.len() > JOINED) {
            return self.at(&[place], format!("all {} classifiers depend on it", inputs.len()));
        }
        let mut cut =
            self.at(inputs, "each of them feeds a classifier, and they are joined".to_string());
        cut.unsure.push(format!(
            "the model has classifiers on {} different features, which are joined; --cut takes any one of them",
            inputs.len()
        ));
        cut
    }

    /// Returns the output as another possible cut: its last layer may compute features, as in
    /// metric learning.
    fn maybe_features(&self, output: &str, last: &Head<'g>) -> Option<Other> {
        let name = output.to_ascii_lowercase();
        let named = ["emb", "feat"].iter().any(|part| name.contains(part));
        let wide = last.classes.is_some_and(|n| n >= HIDDEN && (n.is_power_of_two() || n == 768));
        let case = format!(
            "if the {} values of `{output}` are features, not classes, they are",
            last.classes?
        );
        (named || wide).then(|| Other { tensor: output.to_string(), case })
    }

    /// Returns the name of a node, or of its result.
    fn name(&self, at: usize) -> &'g str {
        let node = self.flow.node(at);
        node.output.first().filter(|_| node.name.is_empty()).unwrap_or(&node.name)
    }
}
