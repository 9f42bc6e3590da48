//! Errors of planning and of running a plan.

use offshoot_core::graph::TensorId;
use thiserror::Error;

/// Reason that a graph cannot be planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PlanError {
    /// Node in float, which only tract-core can run.
    #[error("node {node} is not an operation of the engine")]
    Float {
        /// Index of the node.
        node: usize,
    },
    /// Scratch for planning too short.
    #[error("too few slots to plan: {have} given, {need} required")]
    Slots {
        /// Slots required, see [`Plan::slots_needed`](crate::Plan::slots_needed).
        need: usize,
        /// Slots given.
        have: usize,
    },
    /// List of steps too short.
    #[error("too few steps to plan: {have} given, {need} required")]
    Steps {
        /// Steps required, see [`Plan::steps_needed`](crate::Plan::steps_needed).
        need: usize,
        /// Steps given.
        have: usize,
    },
    /// Range of nodes outside the graph.
    #[error("node range {start}..{end} outside a graph of {nodes} nodes")]
    Range {
        /// First node requested.
        start: usize,
        /// Index after the last node requested.
        end: usize,
        /// Number of nodes of the graph.
        nodes: usize,
    },
    /// Node of the range that reads a tensor which nothing writes.
    #[error(
        "node {node} reads tensor {tensor}, which is neither computed in the range nor one of its inputs"
    )]
    Operand {
        /// Index of the node.
        node: usize,
        /// Tensor that it reads.
        tensor: TensorId,
    },
    /// Tensor that cannot be an input: not int8, or computed in the range.
    #[error(
        "tensor {tensor} cannot be an input of the range: inputs are int8 and computed before it"
    )]
    Input {
        /// Tensor given as input.
        tensor: TensorId,
    },
    /// Tensor that cannot be an output: not int8, or not written by the range or its caller.
    #[error(
        "tensor {tensor} cannot be an output of the range: outputs are int8 and computed in it or its inputs"
    )]
    Output {
        /// Tensor given as output.
        tensor: TensorId,
    },
}

/// Reason that a plan did not run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum RunError {
    /// Buffer of the packed weights too short.
    #[error("buffer of packed weights too short: {have} bytes, {need} required")]
    Packed {
        /// Bytes required, see [`Plan::packed_bytes`](crate::Plan::packed_bytes).
        need: usize,
        /// Bytes given.
        have: usize,
    },
    /// Arena too short.
    #[error("arena too short: {have} bytes, {need} required")]
    Arena {
        /// Bytes required, see [`Plan::arena_bytes`](crate::Plan::arena_bytes).
        need: usize,
        /// Bytes given.
        have: usize,
    },
}
