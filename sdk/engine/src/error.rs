//! Why a graph is not planned, and why a plan does not run.

use offshoot_core::graph::TensorId;
use thiserror::Error;

/// Why a graph cannot be planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PlanError {
    /// A node that only tract-core can run.
    #[error("node {node} is not an int8 operation")]
    Float {
        /// Index of the node.
        node: usize,
    },
    /// The scratch is too short.
    #[error("planning needs {need} slots, {have} were given")]
    Slots {
        /// See [`Plan::slots_needed`](crate::Plan::slots_needed).
        need: usize,
        /// Slots given.
        have: usize,
    },
    /// The list of steps is too short.
    #[error("the plan needs {need} steps, {have} were given")]
    Steps {
        /// See [`Plan::steps_needed`](crate::Plan::steps_needed).
        need: usize,
        /// Steps given.
        have: usize,
    },
    /// Nodes that the graph does not have.
    #[error("nodes {start}..{end} of a graph of {nodes} nodes")]
    Range {
        /// The first node asked for.
        start: usize,
        /// Behind the last one.
        end: usize,
        /// Nodes of the graph.
        nodes: usize,
    },
    /// A node of the range reads a tensor that nothing writes.
    #[error("node {node} reads tensor {tensor}, which is neither made in the range nor among its inputs")]
    Operand {
        /// Index of the node.
        node: usize,
        /// The tensor that it reads.
        tensor: TensorId,
    },
    /// An input that is no place for the caller's codes.
    #[error("tensor {tensor} is no input of the range: inputs hold codes and are made before it")]
    Input {
        /// The tensor given as input.
        tensor: TensorId,
    },
    /// An output that nothing writes.
    #[error(
        "tensor {tensor} is no output of the range: outputs hold codes and are made in it or among its inputs"
    )]
    Output {
        /// The tensor given as output.
        tensor: TensorId,
    },
}

/// Why a plan did not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RunError {
    /// The memory for packed weights is too short.
    #[error("the plan needs {need} bytes of packed weights, {have} were given")]
    Packed {
        /// See [`Plan::packed_bytes`](crate::Plan::packed_bytes).
        need: usize,
        /// Bytes given.
        have: usize,
    },
    /// The arena is too short.
    #[error("the plan needs an arena of {need} bytes, {have} were given")]
    Arena {
        /// See [`Plan::arena_bytes`](crate::Plan::arena_bytes).
        need: usize,
        /// Bytes given.
        have: usize,
    },
}
