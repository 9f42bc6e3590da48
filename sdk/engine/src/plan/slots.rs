//! Places of tensors in the arena, and their lifetimes.

use core::ops::{Range, RangeInclusive};

use offshoot_core::graph::TensorId;

use super::step::Span;

/// Element of the scratch for planning. The caller reserves
/// [`slots_needed`](crate::Plan::slots_needed) elements, filled with [`Slot::EMPTY`]: one per
/// tensor, then one per node for the scratch of the node.
#[derive(Debug, Clone, Copy)]
pub struct Slot {
    pub(crate) offset: usize,
    pub(super) bytes: usize,
    /// First and last node at which the tensor must be kept.
    pub(super) first: u16,
    pub(super) last: u16,
    /// Tensor whose bytes this one shares.
    pub(super) root: TensorId,
    /// Index plus one of the placed slot that begins next in the arena; 0 for none.
    pub(super) next: u16,
    pub(super) state: State,
    /// Number of nodes of the chain that begins here (slots of nodes); 0: no chain begins.
    pub(crate) chain: u8,
    /// Rows of the node's result that are kept (slots of nodes); 0: all.
    pub(crate) kept_rows: u16,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// Not part of this plan.
    Absent,
    Waiting,
    Placed,
}

impl Slot {
    /// Alignment of tensors, bytes: vector loads do not straddle cache lines.
    pub(crate) const ALIGN: usize = 64;

    /// Slot not yet planned.
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

    /// Returns the bytes of the arena that slot `own` occupies and the nodes of the graph during
    /// which it does; [`None`] if it shares the bytes of another slot or needs none.
    pub fn life(slots: &[Self], own: usize) -> Option<(Range<usize>, RangeInclusive<usize>)> {
        let slot = slots.get(own).filter(|_| takes_room(slots, own))?;
        Some((slot.offset..slot.end(), slot.first.into()..=slot.last.into()))
    }

    pub(crate) fn is_present(&self) -> bool {
        self.state != State::Absent
    }

    /// Returns the bytes that it occupies.
    pub(crate) fn span(&self) -> Span {
        Span { start: self.offset, len: self.bytes }
    }

    /// Reserves `bytes` from node `first` to node `last`.
    pub(crate) fn reserve(&mut self, bytes: usize, first: usize, last: usize) {
        self.bytes = bytes;
        (self.first, self.last) = (first as u16, last as u16);
        self.state = if bytes > 0 { State::Waiting } else { State::Placed };
    }

    /// Extends the lifetime to at least node `first` to node `last`.
    pub(crate) fn extend(&mut self, first: usize, last: usize) {
        self.first = self.first.min(first as u16);
        self.last = self.last.max(last as u16);
    }

    /// Returns the last node that reads it.
    pub(crate) fn last_use(&self) -> usize {
        self.last.into()
    }

    pub(crate) fn root(&self) -> usize {
        self.root.into()
    }

    pub(super) fn end(&self) -> usize {
        self.offset.saturating_add(self.bytes)
    }

    pub(super) fn meets_in_time(&self, other: &Self) -> bool {
        self.first <= other.last && other.first <= self.last
    }
}

/// True if a slot has its own bytes.
pub(super) fn takes_room(slots: &[Slot], own: usize) -> bool {
    slots[own].bytes > 0 && slots[own].root() == own
}

/// Returns the bytes of the slots that are alive at node `index`.
pub(crate) fn alive_at(slots: &[Slot], index: usize) -> usize {
    alive_within(slots, &(index..index))
}

/// Returns the bytes of the slots that are alive at any of the nodes from `start` to `end`, both
/// included.
pub(crate) fn alive_within(slots: &[Slot], nodes: &Range<usize>) -> usize {
    let start = nodes.start as u16;
    let end = nodes.end as u16;
    let alive = slots.iter().filter(|s| s.first <= end && start <= s.last);
    alive.fold(0usize, |sum, s| sum.saturating_add(s.bytes))
}
