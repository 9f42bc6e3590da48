//! Row fusion: finds steps that can pass rows to each other, so that the feature maps between them
//! need not exist, and reserves the scratch of every step.

use core::ops::Range;

use offshoot_core::Shape;
use offshoot_core::graph::{Graph, Node, TensorId, Window};

use super::slots::{Slot, alive_at, alive_within};
use super::{Config, Segment};
use crate::dispatch::Work;

/// Fewest pixels of a chain's tile: weights are read once per tile.
const TILE_PIXELS: usize = 48;

/// Bytes of the largest live set per pixel of a tile: sets the size of tiles between the limits.
const SET_BYTES: usize = 8 << 10;
const MOST_PIXELS: usize = 112;

/// Node with the kernel job that it becomes.
#[derive(Clone, Copy)]
struct Link {
    id: TensorId,
    /// First operand.
    from: TensorId,
    input: Shape,
    output: Shape,
    work: Work,
}

impl Link {
    fn new(graph: &Graph<'_>, config: Config, id: TensorId, node: &Node<'_>) -> Self {
        let from = node.inputs.iter().next().unwrap_or(Graph::INPUT);
        let input = graph.tensor(from).shape;
        let output = graph.tensor(id).shape;
        Self { id, from, input, output, work: Work::of(config.isa, &node.op, input, output) }
    }

    fn index(&self) -> usize {
        usize::from(self.id) - 1
    }

    /// Returns the bytes of `rows` rows of the result, for each of `threads`.
    fn ring_bytes(&self, rows: usize, threads: usize) -> usize {
        (rows * self.output.row_elements()).next_multiple_of(Slot::ALIGN) * threads
    }

    /// True if this node is the only one that reads the result of `before`.
    fn follows(&self, before: &Self, slots: &[Slot]) -> bool {
        let made = &slots[usize::from(before.id)];
        self.from == before.id
            && made.root() == usize::from(before.id)
            && made.last_use() == self.index()
    }
}

/// Rows of a chain's two inner feature maps that are kept.
struct Kept {
    expanded: usize,
    tile: usize,
}

impl Kept {
    fn new(window: &Window, expanded: Shape, output: Shape, live_set: usize) -> Self {
        let pixels = (live_set / SET_BYTES).clamp(TILE_PIXELS, MOST_PIXELS);
        let tile = pixels.div_ceil(output.w()).min(output.h());
        let rows = (tile - 1) * usize::from(window.stride[0]) + window.extent(0);
        Self { expanded: rows.min(expanded.h()), tile }
    }
}

/// Steps that pass rows to each other.
struct Chain {
    expand: Option<Link>,
    depthwise: Link,
    project: Link,
    kept: Kept,
}

impl Chain {
    /// Returns the chain that ends with `project`, if the two nodes before it can pass it rows.
    fn ending(
        project: Link,
        before: [Option<Link>; 2],
        live_set: usize,
        slots: &[Slot],
    ) -> Option<Self> {
        let [first, Some(depthwise)] = before else { return None };
        let Work::Taps { window } = depthwise.work else { return None };
        if project.work != (Work::Rows { window: Window::POINT, groups: 1 })
            || !project.follows(&depthwise, slots)
        {
            return None;
        }
        let expand =
            first.filter(|f| matches!(f.work, Work::Rows { .. }) && depthwise.follows(f, slots));
        let kept = Kept::new(&window, depthwise.input, project.output, live_set);
        Some(Self { expand, depthwise, project, kept })
    }

    fn begin(&self) -> &Link {
        self.expand.as_ref().unwrap_or(&self.depthwise)
    }

    /// Returns the first and the last node.
    fn life(&self) -> Range<usize> {
        self.begin().index()..self.project.index()
    }

    /// Returns the bytes of the inner feature maps as a whole.
    fn map_bytes(&self) -> usize {
        let expanded = self.expand.map_or(0, |expand| expand.output.elements());
        expanded + self.depthwise.output.elements()
    }

    /// Returns the bytes of their rows that are kept.
    fn ring_bytes(&self, threads: usize) -> usize {
        let expanded =
            self.expand.map_or(0, |expand| expand.ring_bytes(self.kept.expanded, threads));
        expanded + self.depthwise.ring_bytes(self.kept.tile, threads)
    }
}

/// Search for chains, with the slots of tensors and nodes that it writes.
struct Fusion<'a, 'g> {
    graph: &'a Graph<'g>,
    config: Config,
    live_set: usize,
    slots: &'a mut [Slot],
}

/// Writes chains and scratch of a segment's nodes to the slots of tensors and nodes.
///
/// Only feature maps beyond a quarter of the largest live set are chained: small ones do not
/// determine the size of the arena, and rows cost more instructions than whole maps.
pub(crate) fn find(
    graph: &Graph<'_>,
    segment: &Segment<'_>,
    config: Config,
    live_set: usize,
    slots: &mut [Slot],
) {
    let mut fusion = Fusion { graph, config, live_set, slots };
    let mut before: [Option<Link>; 2] = [None; 2];
    for (id, node) in segment.nodes_of(graph) {
        let link = Link::new(graph, config, id, &node);
        let pixels = (link.output.h() * link.output.w()).div_ceil(fusion.threads());
        fusion.reserve(&link, pixels, link.index()..link.index());
        if config.chains && fusion.try_chain(link, before) {
            before = [None; 2];
        } else {
            before = [before[1], Some(link)];
        }
    }
}

impl Fusion<'_, '_> {
    fn threads(&self) -> usize {
        self.config.threads.get().into()
    }

    /// Reserves the scratch of a node: for each thread enough for `pixels` at a time. Where less is
    /// enough, it is limited to the room that the largest live set leaves, or to 1/32 of that set.
    fn reserve(&mut self, link: &Link, pixels: usize, life: Range<usize>) {
        let threads = self.threads();
        let (maps, scratch) = self.slots.split_at_mut(self.graph.tensor_count());
        let alive = (life.start..=life.end).map(|index| alive_at(maps, index)).max().unwrap_or(0);
        let room = self.live_set.saturating_sub(alive).max(self.live_set / 32) / threads;
        let bytes = link
            .work
            .scratch_bytes(self.config.isa, link.input, pixels, room)
            .next_multiple_of(Slot::ALIGN);
        let own = &mut scratch[link.index()];
        own.reserve(bytes.saturating_mul(threads), life.start, life.end);
    }

    /// Chains `project` to the nodes before it if that saves memory.
    fn try_chain(&mut self, project: Link, before: [Option<Link>; 2]) -> bool {
        let Some(chain) = Chain::ending(project, before, self.live_set, self.slots) else {
            return false;
        };
        let saves = self.saves(&chain);
        if saves {
            self.apply(&chain);
        }
        saves
    }

    fn saves(&self, chain: &Chain) -> bool {
        let inner = chain.map_bytes();
        let rings = chain.ring_bytes(self.threads());
        if 2 * rings > inner || inner <= self.live_set / 4 {
            return false;
        }
        let maps = &self.slots[..self.graph.tensor_count()];
        let life = chain.life();
        let peak = (life.start..=life.end).map(|index| alive_at(maps, index)).max();
        let chained = alive_within(maps, &life).saturating_sub(inner) + rings;
        Some(chained) <= peak
    }

    fn apply(&mut self, chain: &Chain) {
        let Chain { expand, depthwise, project, kept } = chain;
        let life = chain.life();
        if let Some(expand) = expand {
            self.keep(expand, kept.expanded, kept.expanded * expand.output.w(), &life);
        }
        let pixels = kept.tile * project.output.w();
        self.keep(depthwise, kept.tile, pixels, &life);
        self.reserve(project, pixels, life.clone());
        let root = self.slots[usize::from(chain.begin().from)].root();
        self.slots[root].extend(life.start, life.end);
        self.slots[usize::from(project.id)].extend(life.start, life.end);
        let begin = self.graph.tensor_count() + chain.begin().index();
        self.slots[begin].chain = 2 + u8::from(expand.is_some());
    }

    /// Reserves `rows` rows of a node's result in place of all, and scratch for `pixels`.
    fn keep(&mut self, link: &Link, rows: usize, pixels: usize, life: &Range<usize>) {
        let bytes = link.ring_bytes(rows, self.threads());
        self.slots[usize::from(link.id)].reserve(bytes, life.start, life.end);
        self.reserve(link, pixels, life.clone());
        self.slots[self.graph.tensor_count() + link.index()].kept_rows = rows as u16;
    }
}
