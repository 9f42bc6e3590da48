//! The tail as a network of its own, with other biases.

use super::Tail;
use crate::graph::{Graph, Int8Op, Op, TensorId};
use crate::package::{GraphWriter, WriteError};

impl Tail<'_> {
    /// Writes the tail as a network that reads the map, with `biases` in place of the package's;
    /// its output is its last tensor. The engine plans and packs it like any other.
    ///
    /// Needs the feature `alloc`: copies the weights of the tail.
    ///
    /// # Errors
    ///
    /// [`WriteError`] if the network could not be addressed. The graph that is read back is refused
    /// unless [`Tail::fits`] holds for the biases.
    ///
    /// # Panics
    ///
    /// If `graph` is not the one that the tail was found in.
    pub fn network(&self, graph: &Graph<'_>, biases: &[i32]) -> Result<GraphWriter, WriteError> {
        let mut writer = GraphWriter::new(graph.tensor(self.map));
        let first = self.node as TensorId;
        for (id, node) in graph.nodes().skip(self.node) {
            let Op::Int8(op) = node.op else { panic!("a tail is int8") };
            let is_tuned = usize::from(id) == self.node + 1;
            let op = copied(graph, &mut writer, op, is_tuned.then_some(biases))?;
            // A path: each node reads what the one before it has made.
            writer.node(node.name, Op::Int8(op), &[id - 1 - first], graph.tensor(id))?;
        }
        Ok(writer)
    }
}

/// Copies the weights of an operation, with other biases if there are any.
fn copied(
    graph: &Graph<'_>,
    writer: &mut GraphWriter,
    op: Int8Op,
    biases: Option<&[i32]>,
) -> Result<Int8Op, WriteError> {
    let Int8Op::Conv { window, groups, weights, bias, mantissas, shift, clamp } = op else {
        return Ok(op);
    };
    let section = graph.weights();
    let weights = writer.blob(weights.of(section))?;
    let bias = match biases {
        Some(biases) => writer.words(biases)?,
        None => writer.blob(bias.of(section))?,
    };
    let mantissas = writer.blob(mantissas.of(section))?;
    Ok(Int8Op::Conv { window, groups, weights, bias, mantissas, shift, clamp })
}
