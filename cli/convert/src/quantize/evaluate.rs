//! Evaluation of a graph on samples before it is written.

use std::sync::Arc;

use offshoot_core::Quant;
use offshoot_core::graph::{Element, Graph, TensorId};
use offshoot_engine::{Buffer, Isa, Plan, Slot, Step};
use offshoot_tract::{Network, TractError, Values};

use crate::calibrate::CalibrateError;
use crate::calibrate::input::Input;

/// Graph with its memory, for one thread. A clone shares the weights.
#[derive(Debug, Clone)]
pub struct Evaluator<'g> {
    graph: Graph<'g>,
    table: Arc<[i8]>,
    machine: Machine,
}

#[derive(Debug, Clone)]
enum Machine {
    Engine {
        plan: Plan<Vec<Step>>,
        slots: Arc<[Slot]>,
        packed: Arc<Buffer>,
        arena: Buffer,
    },
    Tract {
        network: Box<Network>,
        codes: Vec<i8>,
        floats: Vec<f32>,
        observed: Vec<(TensorId, Vec<i8>)>,
    },
}

impl<'g> Evaluator<'g> {
    /// Plans a graph; an image model needs the table of its bytes (`scheme::input_table`). After a
    /// run, the int8 tensors among `observed` can be read.
    ///
    /// # Errors
    /// The graph does not fit memory, or tract-core refuses a layer.
    pub fn new(
        graph: Graph<'g>,
        table: Vec<i8>,
        observed: &[TensorId],
    ) -> Result<Self, TractError> {
        let machine = if graph.is_int8() || graph.is_ordered() {
            let output = [graph.output()];
            let kept = if observed.is_empty() { &output } else { observed };
            let all = 0..graph.node_count();
            let (plan, slots) = Plan::build(&graph, Isa::best(), all, &[Graph::INPUT], kept)?;
            let (packed, arena) = memory(&plan, graph.weights())?;
            Machine::Engine { plan, slots: slots.into(), packed: Arc::new(packed), arena }
        } else {
            let values = graph.tensor(Graph::INPUT).shape.elements();
            let mut ids = observed.to_vec();
            ids.retain(|id| graph.tensor(*id).element.quant().is_some());
            let network = Box::new(Network::observing(&graph, &ids)?);
            let observed = ids.into_iter().map(|id| (id, Vec::new())).collect();
            Machine::Tract { network, codes: vec![0; values], floats: vec![0.0; values], observed }
        };
        Ok(Self { graph, table: table.into(), machine })
    }

    /// Runs one sample, an image or a text.
    ///
    /// # Errors
    /// Error of tract-core; ids without rows in the table.
    pub fn run(&mut self, input: &Input<'_>) -> Result<(), CalibrateError> {
        match &mut self.machine {
            Machine::Engine { plan, packed, arena, .. } => {
                let place = plan.input();
                match place.width {
                    1 => input.codes_into(&self.table, place.quant, &mut arena[place.range()]),
                    _ => input.floats_into(bytemuck::cast_slice_mut(&mut arena[place.range()]))?,
                }
                plan.run(self.graph.weights(), packed, arena).map_err(TractError::from)?;
            }
            Machine::Tract { network, codes, floats, observed } => {
                let values = match self.graph.tensor(Graph::INPUT).element {
                    Element::Int8(quant) => {
                        input.codes_into(&self.table, quant, codes);
                        Values::Codes(codes)
                    }
                    Element::Float => {
                        input.floats_into(floats)?;
                        Values::Floats(floats)
                    }
                };
                network.run_observed(values, &mut |place, values| {
                    if let Values::Codes(codes) = values {
                        codes.clone_into(&mut observed[place].1);
                    }
                })?;
            }
        }
        Ok(())
    }

    /// Returns the embedding of the last run.
    pub fn embedding(&self) -> Vec<f32> {
        let output = self.graph.output();
        match (&self.machine, self.graph.tensor(output).element) {
            (Machine::Tract { network, .. }, Element::Float) => network.floats().to_vec(),
            (Machine::Tract { network, .. }, Element::Int8(quant)) => {
                reals(network.codes(), quant).collect()
            }
            (Machine::Engine { .. }, Element::Float) => {
                self.floats(output).map_or(Vec::new(), <[f32]>::to_vec)
            }
            _ => self
                .codes(output)
                .map_or(Vec::new(), |(codes, quant)| reals(codes, quant).collect()),
        }
    }

    /// Returns an observed tensor's floats after a run, if the engine computes them.
    pub fn floats(&self, tensor: TensorId) -> Option<&[f32]> {
        let Machine::Engine { slots, arena, .. } = &self.machine else { return None };
        let value = Plan::<Vec<Step>>::value(&self.graph, slots, tensor)?;
        (value.width > 1).then(|| bytemuck::cast_slice(&arena[value.range()]))
    }

    /// Returns an observed tensor's int8 values after a run.
    pub fn codes(&self, tensor: TensorId) -> Option<(&[i8], Quant)> {
        match &self.machine {
            Machine::Engine { slots, arena, .. } => {
                let value = Plan::<Vec<Step>>::value(&self.graph, slots, tensor)?;
                self.graph.tensor(tensor).element.quant()?;
                Some((&arena[value.range()], value.quant))
            }
            Machine::Tract { observed, .. } => {
                let (_, codes) = observed.iter().find(|(id, _)| *id == tensor)?;
                Some((codes, self.graph.tensor(tensor).element.quant()?))
            }
        }
    }
}

/// Returns the dequantized values.
pub fn reals(codes: &[i8], quant: Quant) -> impl Iterator<Item = f32> + '_ {
    codes.iter().map(move |&code| quant.dequantize(code))
}

/// Allocates packed weights of a plan, and its arena.
///
/// # Errors
/// Not enough memory.
pub fn memory(plan: &Plan<Vec<Step>>, weights: &[u8]) -> Result<(Buffer, Buffer), TractError> {
    let mut packed = buffer(plan.packed_bytes())?;
    plan.pack(weights, &mut packed)?;
    Ok((packed, buffer(plan.arena_bytes())?))
}

fn buffer(need: usize) -> Result<Buffer, TractError> {
    Buffer::new(need).map_err(|_| TractError::Memory { need })
}
