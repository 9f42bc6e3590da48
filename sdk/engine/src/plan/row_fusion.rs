//! Row fusion: finds steps that can pass rows to each other, so that the feature maps between them
//! need not exist, and reserves the scratch of every step.

use core::ops::Range;

use offshoot_core::Shape;
use offshoot_core::graph::{Graph, Node, TensorId, Window};

use super::Config;
use super::slots::{Slot, alive_at, alive_within};
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

    /// True if this node is the only one that reads the result of `before`.
    fn follows(&self, before: &Self, slots: &[Slot]) -> bool {
        let made = &slots[usize::from(before.id)];
        self.from == before.id
            && made.root() == usize::from(before.id)
            && made.last_use() == self.index()
    }
}

/// Writes chains and scratch of the nodes of `range` to the slots of tensors and nodes.
///
/// Only feature maps beyond a quarter of the largest live set are chained: small ones do not
/// determine the size of the arena, and rows cost more instructions than whole maps.
pub(crate) fn find(
    graph: &Graph<'_>,
    range: Range<usize>,
    config: Config,
    live_set: usize,
    slots: &mut [Slot],
) {
    let mut before: [Option<Link>; 2] = [None; 2];
    for (id, node) in graph.nodes().skip(range.start).take(range.len()) {
        let link = Link::new(graph, config, id, &node);
        let pixels = (link.output.h() * link.output.w()).div_ceil(config.threads.get().into());
        let life = link.index()..link.index();
        reserve(graph, config, live_set, slots, &link, pixels, life);
        if config.chains && try_chain(graph, config, live_set, slots, before, &link) {
            before = [None; 2];
        } else {
            before = [before[1], Some(link)];
        }
    }
}

/// Reserves the scratch of a node: for each thread enough for `pixels` at a time. Where less is
/// enough, it is limited to the room that the largest live set leaves, or to 1/32 of that set.
fn reserve(
    graph: &Graph<'_>,
    config: Config,
    live_set: usize,
    slots: &mut [Slot],
    link: &Link,
    pixels: usize,
    life: Range<usize>,
) {
    let threads = usize::from(config.threads.get());
    let (maps, scratch) = slots.split_at_mut(graph.tensor_count());
    let alive = (life.start..=life.end).map(|index| alive_at(maps, index)).max().unwrap_or(0);
    let room = live_set.saturating_sub(alive).max(live_set / 32) / threads;
    let bytes =
        link.work.scratch_bytes(config.isa, link.input, pixels, room).next_multiple_of(Slot::ALIGN);
    let own = &mut scratch[link.index()];
    own.reserve(bytes.saturating_mul(threads), life.start, life.end);
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

fn try_chain(
    graph: &Graph<'_>,
    config: Config,
    live_set: usize,
    slots: &mut [Slot],
    before: [Option<Link>; 2],
    project: &Link,
) -> bool {
    let [first, Some(depthwise)] = before else { return false };
    let Work::Taps { window } = depthwise.work else { return false };
    if project.work != (Work::Rows { window: Window::POINT, groups: 1 })
        || !project.follows(&depthwise, slots)
    {
        return false;
    }
    let expand =
        first.filter(|f| matches!(f.work, Work::Rows { .. }) && depthwise.follows(f, slots));
    let kept = Kept::new(&window, depthwise.input, project.output, live_set);
    let threads = usize::from(config.threads.get());
    let ring = |link: &Link, rows: usize| {
        (rows * link.output.row_elements()).next_multiple_of(Slot::ALIGN) * threads
    };
    let whole = |link: &Link| link.output.elements();
    let inner = expand.map_or(0, |e| whole(&e)) + whole(&depthwise);
    let rings = expand.map_or(0, |e| ring(&e, kept.expanded)) + ring(&depthwise, kept.tile);
    if 2 * rings > inner || inner <= live_set / 4 {
        return false;
    }
    let begin = expand.as_ref().unwrap_or(&depthwise);
    let from = begin.from;
    let life = begin.index()..project.index();
    let tensors = graph.tensor_count();
    let peak = life.clone().chain([life.end]).map(|index| alive_at(&slots[..tensors], index)).max();
    let maps = alive_within(&slots[..tensors], &life).saturating_sub(inner) + rings;
    if Some(maps) > peak {
        return false;
    }
    let keep = |link: &Link, rows: usize, pixels: usize, slots: &mut [Slot]| {
        slots[usize::from(link.id)].reserve(ring(link, rows), life.start, life.end);
        reserve(graph, config, live_set, slots, link, pixels, life.clone());
        slots[tensors + link.index()].kept_rows = rows as u16;
    };
    if let Some(expand) = &expand {
        keep(expand, kept.expanded, kept.expanded * expand.output.w(), slots);
    }
    let pixels = kept.tile * project.output.w();
    keep(&depthwise, kept.tile, pixels, slots);
    reserve(graph, config, live_set, slots, project, pixels, life.clone());
    let root = slots[usize::from(from)].root();
    slots[root].extend(life.start, life.end);
    slots[usize::from(project.id)].extend(life.start, life.end);
    slots[tensors + begin.index()].chain = 2 + u8::from(expand.is_some());
    true
}
