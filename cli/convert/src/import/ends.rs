//! Where to cut: the features that a model's classifier reads, whatever follows the classifier.
//!
//! The graph is looked at as the file has it, from its outputs back. What only moves values, turns scores
//! into probabilities or joins several heads is passed; the first linear layer behind it is the classifier.

use std::collections::{BTreeSet, HashMap};

use tract_onnx::pb::GraphProto;
use tract_onnx::prelude::*;

use super::flow::Flow;

mod kinds;
mod maps;
mod unit;

use kinds::Kind;
pub(super) use kinds::is_choice;

/// Fewest values of an embedding that tells new things apart.
pub const FEW: usize = 8;

/// Classes of ImageNet, without and with background.
const IMAGENET: [usize; 2] = [1000, 1001];

/// A last layer's values from which on an activation behind it says that it is a hidden layer.
const HIDDEN: usize = 64;

/// Most tensors that are joined where several heads read different features.
const JOINED: usize = 4;

/// The chosen cut.
#[derive(Debug, Clone, Default)]
pub struct Cut {
    /// Name of the tensor that becomes the embedding; of several, with commas between.
    pub name: String,
    /// One sentence on how it was chosen.
    pub why: String,
    /// Whether the user said it.
    pub asked: bool,
    /// Whether a classifier follows.
    pub has_classifier: bool,
    /// What may be wrong about it, a sentence each.
    pub unsure: Vec<String>,
    /// Another tensor that may be the embedding, and in which case it is.
    pub(super) other: Option<Other>,
    /// The tensors that the network ends at.
    pub(super) tensors: Vec<String>,
    /// Whether the model brings them to length 1 then, which the package does by itself.
    pub(super) unit: bool,
}

/// Another place that may be meant.
#[derive(Debug, Clone)]
pub(super) struct Other {
    pub tensor: String,
    /// In which case, to stand before its name as `--cut` takes it.
    pub case: String,
}

impl Cut {
    /// At what somebody named.
    pub(super) fn as_asked() -> Self {
        Self { why: "as asked".to_string(), asked: true, ..Self::default() }
    }

    /// At tensors that somebody named.
    pub(super) fn given(graph: &GraphProto, tensors: &[&str], names: &[&str], shapes: &Shapes) -> Self {
        let Self { why, asked, .. } = Self::as_asked();
        Self { name: names.join(","), asked, ..Ends::of(graph, shapes).at(tensors, why) }
    }

    /// Notes that an embedding of so many values is too short, where nobody asked for it.
    pub(super) fn doubt(&mut self, values: usize) {
        if values < FEW && !self.asked {
            let plural = if values == 1 { "" } else { "s" };
            self.unsure.push(format!(
                "an embedding of {values} value{plural} tells new things apart badly; `offshoot inspect` lists the \
                 places to cut, --cut takes one"
            ));
        }
    }
}

/// Lengths of tensors, as far as they are known.
#[derive(Debug, Default)]
pub(super) struct Shapes(HashMap<String, Vec<usize>>);

impl Shapes {
    /// As an analysis has them.
    pub(super) fn of(model: &TypedModel) -> Self {
        let shape = |(outlet, name): (&OutletId, &String)| {
            let fact = model.outlet_fact(*outlet).ok()?;
            Some((name.clone(), fact.shape.as_concrete()?.to_vec()))
        };
        Self(model.outlet_labels.iter().filter_map(shape).collect())
    }

    fn get(&self, tensor: &str) -> Option<&[usize]> {
        self.0.get(tensor).map(Vec::as_slice)
    }
}

/// The cut of a network that takes pictures.
pub(super) fn find(graph: &GraphProto, shapes: &Shapes) -> Cut {
    let ends = Ends::of(graph, shapes);
    let outputs = ends.outputs();
    let tails: Vec<Tail<'_>> = outputs.iter().map(|output| ends.tail(output, true)).collect();
    if let Some(cut) = tails.iter().find_map(|tail| ends.unit(tail)) {
        return cut;
    }
    let tails: Vec<Tail<'_>> = outputs.iter().map(|output| ends.tail(output, false)).collect();
    let heads: Vec<(&Tail<'_>, Vec<Head<'_>>)> = tails
        .iter()
        .filter_map(|tail| Some((tail, ends.heads(tail).filter(|heads| ends.is_vectors(tail, heads))?)))
        .collect();
    // A hidden layer's activation, or a norm, comes after features.
    let features = heads.iter().find(|(tail, heads)| tail.is_of_features(heads));
    if let Some((tail, heads)) = features {
        return ends.layer_of_features(tail, heads);
    }
    if !heads.is_empty() {
        return ends.before(&heads);
    }
    match outputs.iter().find(|output| ends.is_vector(output)) {
        Some(output) => ends.whole(output),
        None => ends.of_maps(&tails),
    }
}

/// [`find`] of a language backbone, which has no maps.
pub(super) fn of_text(graph: &GraphProto, shapes: &Shapes) -> Cut {
    let ends = Ends::of(graph, shapes);
    let first = ends.outputs().into_iter().next().unwrap_or_default();
    let tail = ends.tail(first, false);
    match ends.heads(&tail) {
        Some(heads) if !tail.is_of_features(&heads) => ends.before(&[(&tail, heads)]),
        _ => ends.whole(first),
    }
}

/// The end of a model.
struct Ends<'g> {
    flow: Flow<'g>,
    graph: &'g GraphProto,
    shapes: &'g Shapes,
    constants: HashMap<&'g str, &'g [i64]>,
}

/// What lies between an output and the layers that it comes from.
#[derive(Debug, Default)]
struct Tail<'g> {
    output: &'g str,
    /// The tensors at which it begins: results of what is not passed.
    begins: Vec<&'g str>,
    /// A vector that is brought to length 1: before and after.
    unit: Option<[&'g str; 2]>,
    /// Scores become probabilities, or are compared.
    squashed: bool,
    /// A hidden layer's activation.
    activated: bool,
    /// Batch normalization.
    normed: bool,
    /// A map becomes a vector.
    pooled: bool,
}

/// A layer that may be a classifier.
#[derive(Debug, Clone, Copy)]
struct Head<'g> {
    /// Its node.
    at: usize,
    /// What it reads.
    input: &'g str,
    /// How many values it gives, if that is known.
    classes: Option<usize>,
    /// Whether it gives one vector, not one for each place of a map.
    of_vector: bool,
}

impl Tail<'_> {
    /// Whether the output is the features of a network whose classifier is not there any more, or of one
    /// that was taught to tell pictures apart by distance.
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

    /// The outputs that depend on the input, or the first one.
    fn outputs(&self) -> Vec<&'g str> {
        let all = || self.graph.output.iter().map(|o| o.name.as_str());
        let outputs: Vec<&str> = all().filter(|name| self.flow.is_data(name)).collect();
        if outputs.is_empty() { all().take(1).collect() } else { outputs }
    }

    /// Walks back from an output, the latest node first, so that a tensor that is alone has all values going
    /// through it.
    fn tail(&self, output: &'g str, units: bool) -> Tail<'g> {
        let mut tail = Tail { output, ..Tail::default() };
        let mut open = BTreeSet::from([(self.flow.giver(output), output)]);
        while let Some((giver, tensor)) = open.pop_last() {
            let Some(at) = giver else {
                tail.begins.push(tensor);
                continue;
            };
            // What is not alone may be a gate beside the features.
            let alone = open.is_empty() && tail.begins.is_empty();
            if let Some(before) = self.normalized(at).filter(|_| units && alone && !tail.squashed) {
                tail.unit = Some([before, tensor]);
                return tail;
            }
            let mut pass = |tensor: &'g str| open.insert((self.flow.giver(tensor), tensor));
            if let Some(before) = self.gated(at) {
                tail.activated = true;
                pass(before);
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
                pass(input);
            }
        }
        tail
    }

    /// The layers that a tail begins with, if each may be a classifier.
    fn heads(&self, tail: &Tail<'g>) -> Option<Vec<Head<'g>>> {
        let heads: Option<Vec<_>> = tail.begins.iter().map(|tensor| self.head(tensor, tail)).collect();
        heads.filter(|heads| !heads.is_empty())
    }

    fn head(&self, tensor: &'g str, tail: &Tail<'g>) -> Option<Head<'g>> {
        let at = self.flow.giver(tensor)?;
        let node = self.flow.node(at);
        let input = self.flow.data_input(at)?;
        let weights = node.input.iter().find_map(|name| self.constants.get(name.as_str()));
        let length = |axis: usize| weights.and_then(|w| w.get(axis)).and_then(|&n| usize::try_from(n).ok());
        let of_vector = self.is_vector(tensor);
        if kinds::is_product(&node.op_type) {
            let transposed = node.attribute.iter().any(|a| a.name == "transB" && a.i != 0);
            let last = || length(if transposed { 0 } else { 1 });
            let classes = self.shapes.get(tensor).and_then(|s| s.last()).copied().or_else(last);
            return Some(Head { at, input, classes, of_vector });
        }
        let is_conv = node.op_type.ends_with("Conv") || node.op_type == "ConvInteger";
        let (classes, before) = (length(0), length(1));
        let narrows = classes.zip(before).is_some_and(|(n, before)| 4 * n <= before);
        let classifies = of_vector
            || tail.squashed
            || classes.is_some_and(|n| IMAGENET.contains(&n))
            || tail.pooled && narrows;
        (is_conv && classifies).then_some(Head { at, input, classes, of_vector })
    }

    /// Whether an output is made of one vector for each head.
    fn is_vectors(&self, tail: &Tail<'g>, heads: &[Head<'g>]) -> bool {
        // What was chosen from boxes is of a part of the picture.
        let chosen = self.flow.behind(|at| is_choice(&self.flow.node(at).op_type));
        let whole = heads.iter().all(|head| !chosen[head.at]);
        whole && (self.is_vector(tail.output) || heads.iter().all(|head| head.of_vector))
    }

    /// Whether a tensor is one vector.
    fn is_vector(&self, tensor: &str) -> bool {
        let mut at = tensor;
        loop {
            if let Some(shape) = self.shapes.get(at) {
                return shape.iter().filter(|&&n| n > 1).count() <= 1;
            }
            // Without an analysis, by what made it.
            let Some(giver) = self.flow.giver(at) else { return false };
            match self.flow.node(giver).op_type.as_str() {
                "Gemm" | "Flatten" | "GlobalAveragePool" | "GlobalMaxPool" => return true,
                _ if self.kind(giver) == Kind::Layer => {
                    let product = kinds::is_product(&self.flow.node(giver).op_type);
                    let Some(input) = self.flow.data_input(giver).filter(|_| product) else { return false };
                    at = input;
                }
                _ => match self.flow.data_inputs(giver).first() {
                    Some(input) => at = input,
                    None => return false,
                },
            }
        }
    }

    /// A cut at these tensors; at what is before, where they are brought to length 1.
    fn at(&self, tensors: &[&str], why: String) -> Cut {
        let name = tensors.join(",");
        if let [tensor] = tensors
            && let Some(before) = self.unit_behind(tensor)
        {
            let why = format!("{why}; the model brings it to length 1, and so does the package");
            return Cut { name, why, unit: true, tensors: vec![before.to_string()], ..Cut::default() };
        }
        let tensors = tensors.iter().map(|t| t.to_string()).collect();
        Cut { name, why, tensors, ..Cut::default() }
    }

    /// The model's output.
    fn whole(&self, output: &str) -> Cut {
        self.at(&[output], "the model has no classifier, its output is the embedding".to_string())
    }

    /// An output that is brought to length 1: distances between such vectors mean something, as those between
    /// probabilities do not.
    fn unit(&self, tail: &Tail<'g>) -> Option<Cut> {
        let [before, after] = tail.unit?;
        let length = self.length(before);
        let layer = self.heads(&self.tail(before, false)).filter(|heads| heads.len() == 1);
        if length.is_some_and(|n| n < FEW) && layer.is_some() {
            return None;
        }
        let mut cut = self.at(&[after], "the model's output is an embedding".to_string());
        if let ([head], Some(n)) = (&layer.unwrap_or_default()[..], length.filter(|&n| n < HIDDEN)) {
            let case = format!("if its {n} values are classes, the features before them are");
            cut.other = Some(Other { tensor: head.input.to_string(), case });
        }
        Some(cut)
    }

    fn length(&self, tensor: &str) -> Option<usize> {
        self.shapes.get(tensor).map(|shape| shape.iter().product())
    }

    /// An output behind the last layer of features.
    fn layer_of_features(&self, tail: &Tail<'g>, heads: &[Head<'g>]) -> Cut {
        let what = if tail.normed { "batch normalization" } else { "an activation" };
        let why = format!("the model's output is features: {what} follows its last layer, and no classifier");
        let mut cut = self.at(&[tail.output], why);
        let classes = heads[0].classes.filter(|&n| n < HIDDEN);
        cut.other = classes.map(|n| Other {
            tensor: heads[0].input.to_string(),
            case: format!("if its {n} values are classes, the features before them are"),
        });
        cut
    }

    /// Before the classifiers.
    fn before(&self, found: &[(&Tail<'g>, Vec<Head<'g>>)]) -> Cut {
        let heads: Vec<Head<'g>> = found.iter().flat_map(|(_, heads)| heads).copied().collect();
        let mut inputs: Vec<&str> = Vec::new();
        for head in &heads {
            if !inputs.contains(&head.input) {
                inputs.push(head.input);
            }
        }
        // Some networks have a second classifier half-way, which helps to train them.
        let layers: Vec<usize> = inputs.iter().map(|input| self.layers(input)).collect();
        let deepest = layers.iter().max().copied().unwrap_or_default();
        let mut deep = layers.iter().map(|&n| 5 * n >= 4 * deepest);
        inputs.retain(|_| deep.next() == Some(true));
        // In the file's order.
        inputs.sort_by_key(|input| self.flow.giver(input));
        let heads: Vec<Head<'g>> = heads.into_iter().filter(|head| inputs.contains(&head.input)).collect();
        let mut cut = match inputs[..] {
            [input] => self.before_one(input, &heads),
            _ => self.before_several(&inputs),
        };
        cut.has_classifier = true;
        let (tail, last) = (found[0].0, &heads[0]);
        if let ([_], false) = (&heads[..], tail.squashed || tail.pooled) {
            cut.other = self.maybe_features(tail.output, last);
        }
        cut
    }

    fn before_one(&self, mut input: &'g str, heads: &[Head<'g>]) -> Cut {
        let names: Vec<String> = heads.iter().map(|head| format!("`{}`", self.name(head.at))).collect();
        let mut why = match &names[..] {
            [name] => format!("it feeds the classifier {name}"),
            names => format!("it feeds the classifiers {}", names.join(", ")),
        };
        // A classifier in several layers may be narrow in between.
        while self.length(input).is_some_and(|n| n < FEW)
            && let Some(hidden) = self.heads(&self.tail(input, false))
            && let [hidden] = hidden[..]
        {
            let (n, layer) = (self.length(input).unwrap_or_default(), self.name(hidden.at));
            why = format!("it feeds `{layer}`, a hidden layer of {n} values before the classifier");
            input = hidden.input;
        }
        self.at(&[input], why)
    }

    /// What all heads' features come from if that is a vector; else these features, joined.
    fn before_several(&self, inputs: &[&'g str]) -> Cut {
        let common = self.flow.common(inputs.iter().map(|input| self.flow.giver(input)));
        let places = || self.flow.chain(common).filter_map(|at| self.flow.result(at));
        if let Some(place) = places().next().filter(|place| self.is_vector(place) || inputs.len() > JOINED) {
            return self.at(&[place], format!("all {} classifiers come from it", inputs.len()));
        }
        let mut cut = self.at(inputs, "each of them feeds a classifier, and they are joined".to_string());
        cut.unsure.push(format!(
            "the model has classifiers on {} different features, which are joined; --cut takes any one of them",
            inputs.len()
        ));
        cut
    }

    /// A last layer that may be one of features, as those that were taught by distance have.
    fn maybe_features(&self, output: &str, last: &Head<'g>) -> Option<Other> {
        let name = output.to_ascii_lowercase();
        let named = ["emb", "feat"].iter().any(|part| name.contains(part));
        let wide = last.classes.is_some_and(|n| n >= HIDDEN && (n.is_power_of_two() || n == 768));
        let case =
            format!("if the {} values of `{output}` are features, not classes, they are", last.classes?);
        (named || wide).then(|| Other { tensor: output.to_string(), case })
    }

    /// The name of a node, or of its result.
    fn name(&self, at: usize) -> &'g str {
        let node = self.flow.node(at);
        node.output.first().filter(|_| node.name.is_empty()).unwrap_or(&node.name)
    }
}
