//! Where each tensor lies in the arena: liveness, then placement.
//!
//! Greedy by size (Pisarchyk & Lee 2020, "Efficient memory management for deep neural net
//! inference"): the largest tensor first, each at the lowest offset that no tensor alive at
//! the same time occupies. Sums saturate: a network that no address space holds gets an arena that
//! no allocation can give, not one that is too small. A sum, product or look-up overwrites an
//! operand nobody reads afterwards. The scratch of a step is placed like a tensor that lives in it alone.

use offshoot_core::graph::{Graph, Int8Op, Node, Op, TensorId};

use crate::chain;
use crate::plan::Config;
use crate::step::Span;

/// Scratch for planning: the caller reserves [`slots_needed`](crate::Plan::slots_needed) of them,
/// filled with [`Slot::EMPTY`]: one per tensor and then one per node, for the node's scratch.
#[derive(Debug, Clone, Copy)]
pub struct Slot {
    pub(crate) offset: usize,
    bytes: usize,
    /// First and last node at which the tensor must be kept.
    first: u16,
    last: u16,
    /// The tensor whose bytes this one shares.
    root: TensorId,
    /// The placed slot that begins next in the arena, one more than its index; 0 for none.
    next: u16,
    state: State,
    /// Of a node's slot: the node begins a chain of that many; 0: it is no beginning.
    pub(crate) chain: u8,
    /// Of a node's slot: rows of its result that are kept; 0: all.
    pub(crate) kept_rows: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Not part of this plan.
    Absent,
    Waiting,
    Placed,
}

impl Slot {
    /// Tensors begin at multiples of this, so that vector loads do not straddle cache lines.
    pub(crate) const ALIGN: usize = 64;

    /// A slot not yet planned.
    pub const EMPTY: Self = Self {
        offset: 0,
        bytes: 0,
        first: 0,
        last: 0,
        root: 0,
        next: 0,
        state: State::Absent,
        chain: 0,
        kept_rows: 0,
    };

    pub(crate) fn is_present(&self) -> bool {
        self.state != State::Absent
    }

    /// The bytes it takes.
    pub(crate) fn span(&self) -> Span {
        Span { start: self.offset, len: self.bytes }
    }

    /// Makes room for `bytes` from node `first` to node `last`.
    pub(crate) fn reserve(&mut self, bytes: usize, first: usize, last: usize) {
        self.bytes = bytes;
        (self.first, self.last) = (first as u16, last as u16);
        self.state = if bytes > 0 { State::Waiting } else { State::Placed };
    }

    /// Keeps what is there from node `first` to node `last` at least.
    pub(crate) fn extend(&mut self, first: usize, last: usize) {
        self.first = self.first.min(first as u16);
        self.last = self.last.max(last as u16);
    }

    /// The last node that reads it.
    pub(crate) fn last_use(&self) -> usize {
        self.last.into()
    }

    pub(crate) fn root(&self) -> usize {
        self.root.into()
    }

    fn end(&self) -> usize {
        self.offset.saturating_add(self.bytes)
    }

    fn meets_in_time(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// The result of placement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placement {
    /// Bytes of the arena.
    pub arena: usize,
    /// Bytes of the largest set of tensors alive together: without chains and sums in place, no
    /// placement can do with less.
    pub live_set: usize,
}

/// Fills `slots` for the nodes of `range`.
pub(crate) fn place(
    graph: &Graph<'_>,
    range: core::ops::Range<usize>,
    inputs: &[TensorId],
    outputs: &[TensorId],
    config: Config,
    slots: &mut [Slot],
) -> Placement {
    slots.fill(Slot::EMPTY);
    for (own, slot) in slots.iter_mut().enumerate().skip(graph.tensor_count()) {
        slot.root = own as u16;
    }
    for &id in inputs {
        occupy(graph, slots, id, range.start, range.start);
    }
    for (id, node) in graph.nodes().skip(range.start).take(range.len()) {
        let index = usize::from(id) - 1;
        if matches!(node.op, Op::Int8(Int8Op::Reshape)) {
            let source = node.inputs.iter().next().unwrap_or(Graph::INPUT);
            let root = slots[usize::from(source)].root;
            slots[usize::from(id)] = Slot { root, state: State::Placed, ..Slot::EMPTY };
        } else {
            occupy(graph, slots, id, index, index);
        }
        for input in node.inputs.iter() {
            keep_until(slots, input, index);
        }
    }
    for &id in outputs {
        keep_until(slots, id, range.end);
    }
    if let Some(map) = last_pooled(graph, range.clone()) {
        keep_until(slots, map, range.end);
    }
    let tensors = graph.tensor_count();
    let live_set = live_set(&slots[..tensors], range.clone());
    chain::find(graph, range.clone(), config, live_set, slots);
    for (id, node) in graph.nodes().skip(range.start).take(range.len()) {
        if matches!(node.op, Op::Int8(Int8Op::Add { .. } | Int8Op::Table { .. } | Int8Op::Multiply { .. })) {
            reuse_operand(graph, slots, id, &node);
        }
    }
    let placement = Placement { arena: assign(slots), live_set };
    // A root lies before what shares its bytes, so that chains of roots resolve in one pass.
    for i in 0..slots.len() {
        slots[i].offset = slots[usize::from(slots[i].root)].offset;
    }
    placement
}

/// The map whose pool is all but the end of the network. It is kept, so that one can see after a run
/// where the output came from; what follows the pool is a vector or two, which hardly needs its room.
fn last_pooled(graph: &Graph<'_>, range: core::ops::Range<usize>) -> Option<TensorId> {
    let nodes = graph.nodes().skip(range.start).take(range.len());
    nodes.fold(None, |map, (id, node)| match node.op {
        Op::Int8(Int8Op::AveragePool { .. }) => node.inputs.iter().next(),
        Op::Int8(Int8Op::Flatten | Int8Op::Reshape) => map,
        Op::Int8(Int8Op::Conv { .. }) if graph.tensor(id).shape.is_vector() => map,
        _ => None,
    })
}

fn occupy(graph: &Graph<'_>, slots: &mut [Slot], id: TensorId, first: usize, last: usize) {
    let bytes = graph.tensor(id).shape.elements().next_multiple_of(Slot::ALIGN);
    let (first, last) = (first as u16, last as u16);
    slots[usize::from(id)] = Slot { bytes, first, last, root: id, state: State::Waiting, ..Slot::EMPTY };
}

fn keep_until(slots: &mut [Slot], id: TensorId, index: usize) {
    let root = usize::from(slots[usize::from(id)].root);
    slots[root].last = slots[root].last.max(index as u16);
}

/// Lets a result overwrite an operand of its size that nobody reads afterwards.
fn reuse_operand(graph: &Graph<'_>, slots: &mut [Slot], id: TensorId, node: &Node<'_>) {
    let out = usize::from(id);
    let same_size = |i: &TensorId| graph.tensor(*i).shape.elements() == graph.tensor(id).shape.elements();
    for input in node.inputs.iter().filter(same_size) {
        let mut root = usize::from(slots[usize::from(input)].root);
        while root != usize::from(slots[root].root) {
            root = usize::from(slots[root].root);
        }
        if slots[root].last == id - 1 && slots[root].bytes == slots[out].bytes {
            slots[root].last = slots[out].last;
            slots[out].root = root as TensorId;
            slots[out].state = State::Placed;
            return;
        }
    }
}

/// Places every waiting slot; gives the end of the last.
fn assign(slots: &mut [Slot]) -> usize {
    let (mut arena, mut head) = (0, 0);
    loop {
        let waiting = |s: &&Slot| s.state == State::Waiting;
        let Some(bytes) = slots.iter().filter(waiting).map(|s| s.bytes).max() else { return arena };
        let Some(at) = slots.iter().position(|s| s.state == State::Waiting && s.bytes == bytes) else {
            return arena;
        };
        slots[at].offset = lowest_gap(slots, head, at);
        slots[at].state = State::Placed;
        head = insert(slots, head, at);
        arena = arena.max(slots[at].end());
    }
}

/// The lowest offset that no slot alive at the same time occupies: one walk through the placed
/// slots, which are linked in the order of their offsets.
fn lowest_gap(slots: &[Slot], head: u16, at: usize) -> usize {
    let (slot, mut offset, mut link) = (&slots[at], 0usize, head);
    while let Some(placed) = usize::from(link).checked_sub(1).map(|i| &slots[i]) {
        if placed.offset >= offset.saturating_add(slot.bytes) {
            break;
        }
        if placed.meets_in_time(slot) {
            offset = offset.max(placed.end());
        }
        link = placed.next;
    }
    offset
}

/// Links a placed slot in; gives the new head of the list.
fn insert(slots: &mut [Slot], head: u16, at: usize) -> u16 {
    let (mut before, mut link) = (None, head);
    while let Some(i) = usize::from(link).checked_sub(1).filter(|&i| slots[i].offset < slots[at].offset) {
        (before, link) = (Some(i), slots[i].next);
    }
    slots[at].next = link;
    let own = at as u16 + 1;
    match before {
        Some(i) => {
            slots[i].next = own;
            head
        }
        None => own,
    }
}

fn live_set(slots: &[Slot], range: core::ops::Range<usize>) -> usize {
    (range.start..=range.end).map(|index| alive_at(slots, index)).max().unwrap_or(0)
}

/// Bytes of the slots that are kept at node `index`.
pub(crate) fn alive_at(slots: &[Slot], index: usize) -> usize {
    let at = index as u16;
    let alive = slots.iter().filter(|s| s.first <= at && at <= s.last);
    alive.fold(0usize, |sum, s| sum.saturating_add(s.bytes))
}
