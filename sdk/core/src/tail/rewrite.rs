//! The tail as a network of its own.

use super::Tail;
use crate::graph::{Graph, Int8Op, Op, TensorId};
use crate::package::{GraphWriter, WriteError};

impl Tail<'_> {
    /// Writes the tail as a network that reads the map, with the tail's convolution, which may be
    /// tuned; its output is its last tensor. The engine plans and packs it like any other.
    ///
    /// Needs the feature `alloc`: copies the weights of the tail.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if the network could not be addressed.
    ///
    /// # Panics
    ///
    /// If `graph` is not the one that the tail was found in.
    pub fn network(&self, graph: &Graph<'_>) -> Result<GraphWriter, WriteError> {
        let mut writer = GraphWriter::new(graph.tensor(self.map));
        let first = self.node as TensorId;
        for (id, node) in graph.nodes().skip(self.node) {
            let Op::Int8(op) = node.op else { panic!("a tail is int8") };
            let is_tuned = usize::from(id) == self.node + 1;
            let op = copied(graph, &mut writer, op, is_tuned.then(|| self.conv.stored()))?;
            // A path: each node reads what the one before it has made.
            writer.node(node.name, Op::Int8(op), &[id - 1 - first], graph.tensor(id))?;
        }
        Ok(writer)
    }
}

/// Copies the weights of an operation, or the weights, biases and mantissas given.
fn copied(
    graph: &Graph<'_>,
    writer: &mut GraphWriter,
    op: Int8Op,
    tuned: Option<[&[u8]; 3]>,
) -> Result<Int8Op, WriteError> {
    let Int8Op::Conv { window, groups, weights, bias, mantissas, shift, clamp } = op else {
        return Ok(op);
    };
    let section = graph.weights();
    let own = [weights.of(section), bias.of(section), mantissas.of(section)];
    let [weights, bias, mantissas] = tuned.unwrap_or(own);
    let weights = writer.blob(weights)?;
    let bias = writer.blob(bias)?;
    let mantissas = writer.blob(mantissas)?;
    Ok(Int8Op::Conv { window, groups, weights, bias, mantissas, shift, clamp })
}
