//! Placement of tensors in the arena: liveness analysis, then offsets.
//!
//! Greedy by size (Pisarchyk & Lee 2020, "Efficient memory management for deep neural net
//! inference"): the largest tensor first, each at the lowest offset that no tensor alive at the
//! same time occupies; from both ends in the order of time where that is better. Sums saturate: a
//! network that fits no address space requires an arena that no allocation can give, not one that
//! is too small. A sum, product or look-up overwrites an operand that no later node reads. The
//! scratch of a step is placed like a tensor that lives during this step alone.

use core::ops::Range;

use offshoot_core::graph::{FloatOp, Graph, Int8Op, Node, Op, TensorId};

use super::slots::{Slot, State, alive_at, takes_room};
use super::{Config, Segment, row_fusion, width};

/// Result of placement.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Placement {
    /// Bytes of the arena.
    pub arena: usize,
    /// Bytes of the largest set of tensors alive together: without chains and in-place operations
    /// no placement can be smaller.
    pub live_set: usize,
}

/// Fills `slots` for the nodes of a segment.
pub(crate) fn place(
    graph: &Graph<'_>,
    segment: &Segment<'_>,
    config: Config,
    slots: &mut [Slot],
) -> Placement {
    let Range { start, end } = segment.nodes;
    slots.fill(Slot::EMPTY);
    for (own, slot) in slots.iter_mut().enumerate().skip(graph.tensor_count()) {
        slot.root = own as u16;
    }
    for &id in segment.inputs {
        occupy(graph, slots, id, start, start);
    }
    for (id, node) in segment.nodes_of(graph) {
        let index = usize::from(id) - 1;
        if is_reshape(&node.op) {
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
    for &id in segment.outputs {
        keep_until(slots, id, end);
    }
    if let Some(map) = last_pooled(graph, segment) {
        keep_until(slots, map, end);
    }
    let tensors = graph.tensor_count();
    let maps = &slots[..tensors];
    let live_set = (start..=end).map(|index| alive_at(maps, index)).max().unwrap_or(0);
    row_fusion::find(graph, segment, config, live_set, slots);
    for (id, node) in segment.nodes_of(graph) {
        if works_in_place(&node.op) {
            reuse_operand(graph, slots, id, &node);
        }
    }
    let bound = (start..end).map(|index| bound_at(slots, index)).max().unwrap_or(0);
    let placement = Placement { arena: assign(slots, bound), live_set };
    // A root lies before what shares its bytes, so that chains of roots resolve in one pass.
    for i in 0..slots.len() {
        slots[i].offset = slots[usize::from(slots[i].root)].offset;
    }
    placement
}

/// Returns the feature map that the last pool of the network reads, if only vectors follow the
/// pool. The map is kept until the end of a run for class activation maps; the vectors need little
/// room.
fn last_pooled(graph: &Graph<'_>, segment: &Segment<'_>) -> Option<TensorId> {
    segment.nodes_of(graph).fold(None, |map, (id, node)| match node.op {
        Op::Int8(Int8Op::AveragePool { .. }) => node.inputs.iter().next(),
        Op::Int8(Int8Op::Flatten | Int8Op::Reshape) => map,
        Op::Int8(Int8Op::Conv { .. } | Int8Op::Concat { .. })
            if graph.tensor(id).shape.is_vector() =>
        {
            map
        }
        _ => None,
    })
}

/// Returns true if the result has the operand's bytes.
pub(super) fn is_reshape(op: &Op) -> bool {
    matches!(op, Op::Int8(Int8Op::Reshape) | Op::Ordered(FloatOp::Reshape))
}

/// Returns true if each value of the result is computed from the value of an operand at its place.
fn works_in_place(op: &Op) -> bool {
    match op {
        Op::Int8(op) => {
            matches!(op, Int8Op::Add { .. } | Int8Op::Table { .. } | Int8Op::Multiply { .. })
        }
        Op::Ordered(op) => {
            matches!(op, FloatOp::Unary(_) | FloatOp::Binary(_) | FloatOp::Constant { .. })
        }
        Op::Float(_) => false,
    }
}

fn occupy(graph: &Graph<'_>, slots: &mut [Slot], id: TensorId, first: usize, last: usize) {
    let tensor = graph.tensor(id);
    let values = tensor.shape.elements();
    let bytes = values.saturating_mul(width(tensor.element)).next_multiple_of(Slot::ALIGN);
    let first = first as u16;
    let last = last as u16;
    slots[usize::from(id)] =
        Slot { bytes, first, last, root: id, state: State::Waiting, ..Slot::EMPTY };
}

fn keep_until(slots: &mut [Slot], id: TensorId, index: usize) {
    let root = usize::from(slots[usize::from(id)].root);
    slots[root].last = slots[root].last.max(index as u16);
}

/// Lets a result overwrite an operand of its size that no later node reads.
fn reuse_operand(graph: &Graph<'_>, slots: &mut [Slot], id: TensorId, node: &Node<'_>) {
    let out = usize::from(id);
    let same_size =
        |i: &TensorId| graph.tensor(*i).shape.elements() == graph.tensor(id).shape.elements();
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

/// Places all slots and returns the end of the last.
///
/// Places the largest first, each at its lowest offset. If the result exceeds the bytes alive
/// together, also tries the order of first use, longest-lived first, from both ends of the arena:
/// then feature maps of a network without branches leave no gaps. Keeps the smaller arena.
fn assign(slots: &mut [Slot], bound: usize) -> usize {
    let arena = assign_by(slots, |s| s.bytes, lowest_gap);
    if arena <= bound {
        return arena;
    }
    let other = assign_by(
        slots,
        |s| (u16::MAX - s.first, s.last),
        |slots, head, at| gap_at_ends(slots, head, at, bound),
    );
    if other < arena { other } else { assign_by(slots, |s| s.bytes, lowest_gap) }
}

/// Places all slots, the largest key first.
fn assign_by<K: Ord>(
    slots: &mut [Slot],
    key: impl Fn(&Slot) -> K,
    gap: impl Fn(&[Slot], u16, usize) -> usize,
) -> usize {
    for own in 0..slots.len() {
        if takes_room(slots, own) {
            slots[own].state = State::Waiting;
        }
    }
    let mut arena = 0;
    let mut head = 0;
    loop {
        let waiting = slots.iter().enumerate().filter(|(_, s)| s.state == State::Waiting);
        // Among equal keys the first slot.
        let Some((at, _)) = waiting.rev().max_by_key(|(_, s)| key(s)) else { return arena };
        slots[at].offset = gap(slots, head, at);
        slots[at].state = State::Placed;
        head = insert(slots, head, at);
        arena = arena.max(slots[at].end());
    }
}

/// Iterates over the placed slots in the order of their offsets.
fn placed(slots: &[Slot], head: u16) -> impl Iterator<Item = &Slot> {
    core::iter::successors(linked(slots, head), move |s| linked(slots, s.next))
}

/// Returns the slot that a link leads to.
fn linked(slots: &[Slot], link: u16) -> Option<&Slot> {
    usize::from(link).checked_sub(1).map(|i| &slots[i])
}

/// Returns the lowest offset that no slot alive at the same time occupies.
fn lowest_gap(slots: &[Slot], head: u16, at: usize) -> usize {
    let slot = &slots[at];
    let mut offset = 0usize;
    for other in placed(slots, head) {
        if other.offset >= offset.saturating_add(slot.bytes) {
            break;
        }
        if other.meets_in_time(slot) {
            offset = offset.max(other.end());
        }
    }
    offset
}

/// Returns the highest such offset with an end of at most `limit`.
fn highest_gap(slots: &[Slot], head: u16, at: usize, limit: usize) -> Option<usize> {
    let slot = &slots[at];
    let mut start = 0;
    let mut highest = None;
    for other in placed(slots, head).filter(|other| other.meets_in_time(slot)) {
        highest = last_offset(slot, start, other.offset.min(limit)).or(highest);
        start = start.max(other.end());
    }
    last_offset(slot, start, limit).or(highest)
}

/// Returns the highest offset at which a slot fits between `start` and `end`.
fn last_offset(slot: &Slot, start: usize, end: usize) -> Option<usize> {
    end.checked_sub(slot.bytes).filter(|&offset| offset >= start)
}

/// Returns offset 0 if it is free, else the highest offset below `bound`, else the lowest.
fn gap_at_ends(slots: &[Slot], head: u16, at: usize, bound: usize) -> usize {
    match lowest_gap(slots, head, at) {
        0 => 0,
        lowest => highest_gap(slots, head, at, bound).unwrap_or(lowest),
    }
}

/// Inserts a placed slot into the list and returns its new head.
fn insert(slots: &mut [Slot], head: u16, at: usize) -> u16 {
    let mut before = None;
    let mut link = head;
    while let Some(i) =
        usize::from(link).checked_sub(1).filter(|&i| slots[i].offset < slots[at].offset)
    {
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

/// Returns the bytes that every placement needs at node `index`.
fn bound_at(slots: &[Slot], index: usize) -> usize {
    let at = index as u16;
    let alive =
        |own: &usize| takes_room(slots, *own) && slots[*own].first <= at && at <= slots[*own].last;
    (0..slots.len()).filter(alive).fold(0, |sum, own| slots[own].bytes.saturating_add(sum))
}
