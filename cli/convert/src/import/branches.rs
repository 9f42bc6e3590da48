//! Branches whose condition does not depend on the input: `If` as exporters write it where a shape
//! decides. The nodes of the branch taken are put in its place.

use std::collections::HashSet;

use tract_onnx::pb::{GraphProto, ModelProto, NodeProto};

use super::Source;
use super::constants::floats;
use crate::catch_panic::quietly;

/// Largest number of branches.
const BRANCHES: usize = 256;

impl Source {
    /// Replaces every `If` whose condition is known by the branch that it takes.
    pub(super) fn take_branches(&mut self) {
        let mut unknown: HashSet<String> = HashSet::new();
        for _ in 0..BRANCHES {
            let nodes = &self.graph().node;
            let next = nodes.iter().position(|n| {
                n.op_type == "If" && n.output.first().is_some_and(|o| !unknown.contains(o))
            });
            let Some(at) = next else { return };
            let taken = quietly(|| self.condition(at)).ok().flatten();
            let Some(graph) = &mut self.proto.graph else { return };
            match taken.and_then(|truth| branch(&graph.node[at], truth)) {
                Some(inner) => put(graph, at, inner),
                None => drop(unknown.insert(graph.node[at].output[0].clone())),
            }
        }
    }

    /// Returns the condition of an `If`, if it is a constant.
    fn condition(&self, at: usize) -> Option<bool> {
        let name = self.graph().node[at].input.first()?;
        if self.graph().input.iter().any(|input| input.name == *name) {
            return None;
        }
        let stored = self.graph().initializer.iter().find(|t| t.name == *name);
        if let Some(stored) = stored {
            let byte = stored.raw_data.first().map(|&b| b != 0);
            return byte.or_else(|| stored.int32_data.first().map(|&i| i != 0));
        }
        let prepare = |part: &ModelProto| self.inference_model(part, None);
        let typed = self.typed_at(&[name], &prepare).ok()?;
        let outlet = *typed.output_outlets().ok()?.first()?;
        let known = typed.outlet_fact(outlet).ok()?.konst.clone()?;
        let truths = floats(&known).filter(|truths| truths.len() == 1)?;
        Some(truths[0] != 0.0)
    }
}

/// Returns the graph of the branch that a condition takes.
fn branch(node: &NodeProto, truth: bool) -> Option<GraphProto> {
    let name = if truth { "then_branch" } else { "else_branch" };
    let graph = node.attribute.iter().find(|a| a.name == name)?.g.clone()?;
    (graph.output.len() == node.output.len()).then_some(graph)
}

/// Puts the nodes of a branch in the place of its `If`, whose results keep their names.
fn put(graph: &mut GraphProto, at: usize, mut inner: GraphProto) {
    let outer = graph.node.remove(at);
    for (inside, outside) in inner.output.iter().zip(outer.output) {
        inner.node.push(NodeProto {
            op_type: "Identity".to_string(),
            name: outside.clone(),
            input: vec![inside.name.clone()],
            output: vec![outside],
            ..NodeProto::default()
        });
    }
    graph.initializer.extend(inner.initializer);
    graph.node.splice(at..at, inner.node);
}
