//! Plans that allocate their own memory, for programs with the standard library.

use std::collections::TryReserveError;
use std::ops::{Deref, DerefMut, Range};
use std::vec::Vec;
use std::{env, vec};

use offshoot_core::graph::{Graph, TensorId};
use thiserror::Error;

use crate::error::PlanError;
use crate::isa::Isa;
use crate::plan::slots::Slot;
use crate::plan::step::Step;
use crate::plan::{Config, Plan, Segment};

/// Environment variable that selects an instruction set, for tests and comparisons.
const VARIABLE: &str = "OFFSHOOT_ISA";

/// `OFFSHOOT_ISA` names an instruction set that this processor lacks.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{VARIABLE}={name}: not available, this processor has {}", available())]
pub struct IsaError {
    /// Name that was requested.
    pub name: std::string::String,
}

fn available() -> std::string::String {
    Isa::available().map(Isa::name).collect::<Vec<_>>().join(", ")
}

impl Isa {
    /// Returns the instruction set named by the environment variable `OFFSHOOT_ISA`, or the fastest
    /// one if the variable is unset or empty.
    ///
    /// # Errors
    /// The name is not among [`Isa::available`].
    pub fn from_env() -> Result<Self, IsaError> {
        match env::var(VARIABLE) {
            Ok(name) if !name.is_empty() => Self::named(&name).ok_or(IsaError { name }),
            _ => Ok(Self::best()),
        }
    }
}

impl Plan<Vec<Step>> {
    /// Calls [`Plan::segment`] for the nodes of `range` with memory that it allocates. Returns the plan and the slots, by
    /// which [`Plan::value`] locates tensors.
    ///
    /// # Errors
    /// Those of [`Plan::segment`], except [`PlanError::Slots`] and [`PlanError::Steps`].
    ///
    /// # Panics
    /// If `inputs` or `outputs` is empty.
    pub fn build(
        graph: &Graph<'_>,
        config: impl Into<Config>,
        range: Range<usize>,
        inputs: &[TensorId],
        outputs: &[TensorId],
    ) -> Result<(Self, Vec<Slot>), PlanError> {
        let mut slots = vec![Slot::EMPTY; Self::slots_needed(graph)];
        let steps = vec![Step::EMPTY; Self::steps_needed(graph, range.clone())?];
        let segment = Segment { nodes: range, inputs, outputs };
        let plan = Self::segment(graph, config, segment, &mut slots, steps)?;
        Ok((plan, slots))
    }
}

/// Buffer for an arena or packed weights, aligned to a cache line (64 bytes).
#[derive(Debug)]
pub struct Buffer {
    bytes: Vec<i8>,
    start: usize,
}

impl Buffer {
    /// Allocates `len` bytes, all zero.
    ///
    /// # Errors
    /// Not enough memory.
    pub fn new(len: usize) -> Result<Self, TryReserveError> {
        let mut bytes = Vec::new();
        let whole = len.saturating_add(Slot::ALIGN);
        bytes.try_reserve_exact(whole)?;
        bytes.resize(whole, 0i8);
        let start = bytes.as_ptr().align_offset(Slot::ALIGN).min(Slot::ALIGN);
        bytes.truncate(start + len);
        Ok(Self { bytes, start })
    }
}

impl Deref for Buffer {
    type Target = [i8];

    fn deref(&self) -> &[i8] {
        &self.bytes[self.start..]
    }
}

impl DerefMut for Buffer {
    fn deref_mut(&mut self) -> &mut [i8] {
        &mut self.bytes[self.start..]
    }
}

impl Clone for Buffer {
    fn clone(&self) -> Self {
        let mut copy = Self::new(self.len()).expect("there was room for the first");
        copy.copy_from_slice(self);
        copy
    }
}
