//! Runs random layers with every instruction set of the emulated processor: the results are those of the
//! specification, bit for bit, and nothing is written behind them.

#![no_std]
#![no_main]

use offshoot_core::graph::Graph;
use offshoot_engine::{Isa, Plan, Slot, Step};
use offshoot_mcu_qemu::{end, entry, println};
use static_cell::ConstStaticCell;

// `TARGETS`: orders of weights in which each case has them.
include!(concat!(env!("OUT_DIR"), "/targets.rs"));

const BYTES: usize = include_bytes!(concat!(env!("OUT_DIR"), "/cases")).len();

#[unsafe(link_section = ".package")]
static CASES: [u8; BYTES] = *include_bytes!(concat!(env!("OUT_DIR"), "/cases"));

/// Bytes of the arena of every case.
const ARENA: usize = 64 << 10;

/// Value of what must not be written.
const CANARY: i8 = 0x55;

/// Bytes before and behind the arena that are watched.
const WATCHED: usize = 16;

#[repr(C, align(64))]
struct Memory([i8; ARENA + 2 * WATCHED]);

static MEMORY: ConstStaticCell<Memory> = ConstStaticCell::new(Memory([0; ARENA + 2 * WATCHED]));
static STEPS: ConstStaticCell<[Step; 8]> = ConstStaticCell::new([Step::EMPTY; 8]);
static SLOTS: ConstStaticCell<[Slot; 16]> = ConstStaticCell::new([Slot::EMPTY; 16]);

/// Bytes that are left to read.
struct Reader(&'static [u8]);

impl Reader {
    fn number(&mut self) -> usize {
        let (number, rest) = self.0.split_first_chunk().expect("a number");
        self.0 = rest;
        u32::from_le_bytes(*number) as usize
    }

    fn part(&mut self) -> &'static [u8] {
        let len = self.number();
        let (part, rest) = self.0.split_at(len);
        self.0 = rest;
        part
    }
}

/// One case, but for its panels.
struct Case {
    index: usize,
    graph: Graph<'static>,
    x: &'static [u8],
    want: &'static [u8],
}

#[entry]
fn main() -> ! {
    println!("board\t{} {}", env!("CPU"), env!("BOARD"));
    let steps = &mut STEPS.take()[..];
    let slots = &mut SLOTS.take()[..];
    let memory = &mut MEMORY.take().0[..];
    let mut reader = Reader(&CASES);
    let mut index = 0;
    while !reader.0.is_empty() {
        let parts = reader.number();
        assert!(parts == 5 + TARGETS.len(), "a whole case");
        let [records, nodes, weights, x, want] = core::array::from_fn(|_| reader.part());
        let output = u16::try_from(records.len() / offshoot_core::graph::Tensor::RECORD - 1);
        let graph = Graph::open(records, nodes, weights, output.expect("few tensors"));
        let case = Case { index, graph: graph.expect("a sound graph"), x, want };
        case.run(Isa::GENERIC, &[], steps, slots, memory);
        for target in TARGETS {
            let isa = Isa::named(target).expect("kernels of this processor");
            case.run(isa, reader.part(), steps, slots, memory);
        }
        index += 1;
    }
    println!("cases\t{index}");
    for target in TARGETS {
        println!("kernels\t{target}");
    }
    end()
}

impl Case {
    /// Runs the graph and compares its result.
    fn run(
        &self,
        isa: Isa,
        panels: &[u8],
        steps: &mut [Step],
        slots: &mut [Slot],
        memory: &mut [i8],
    ) {
        let index = self.index;
        let plan = Plan::new(&self.graph, isa, slots, steps).expect("an int8 graph");
        // Every alignment in turn.
        let start = 1 + index % WATCHED;
        let end = start + plan.arena_bytes();
        memory.fill(CANARY);
        let arena = &mut memory[start..end];
        for (slot, &code) in arena[plan.input().range()].iter_mut().zip(self.x) {
            *slot = code as i8;
        }
        // SAFETY: bytes are numbers of 8 bits with a sign, too.
        let panels = unsafe { core::slice::from_raw_parts(panels.as_ptr().cast(), panels.len()) };
        plan.run(self.graph.weights(), panels, arena).expect("memory by the plan");
        let codes = &arena[plan.output().range()];
        let same = codes.iter().zip(self.want).filter(|&(a, b)| *a as u8 == *b).count();
        assert!(same == self.want.len(), "case {index}, {isa}: {same} of {}", self.want.len());
        assert!(codes.len() == same, "case {index}, {isa}: {} codes", codes.len());
        let [before, behind] = [&memory[..start], &memory[end..]];
        let mut around = before.iter().chain(behind);
        assert!(
            around.all(|&code| code == CANARY),
            "case {index}, {isa}: written beside the arena"
        );
    }
}
