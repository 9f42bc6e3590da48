//! Runs random layers with every instruction set of the emulated processor: the results are those
//! of the specification, bit for bit, and nothing is written beside the arena.

#![no_std]
#![no_main]

use offshoot_engine::{Isa, Plan, Slot, Step};
use offshoot_mcu_qemu::case::{Case, Cases};
use offshoot_mcu_qemu::{File, end, entry, println};
use static_cell::ConstStaticCell;

const BYTES: usize = include_bytes!(concat!(env!("OUT_DIR"), "/cases")).len();

#[unsafe(link_section = ".package")]
static CASES: File<[u8; BYTES]> = File(*include_bytes!(concat!(env!("OUT_DIR"), "/cases")));

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

#[entry]
fn main() -> ! {
    println!("board\t{} {}", env!("CPU"), env!("BOARD"));
    let steps = &mut STEPS.take()[..];
    let slots = &mut SLOTS.take()[..];
    let memory = &mut MEMORY.take().0[..];
    let mut count = 0;
    for (index, case) in Cases::new(&CASES.0).enumerate() {
        for isa in Isa::available() {
            run(&case, index, isa, steps, slots, memory);
        }
        count = index + 1;
    }
    println!("cases\t{count}");
    Isa::available().for_each(|isa| println!("kernels\t{isa}"));
    end()
}

/// Runs the graph of a case and compares its result.
fn run(
    case: &Case,
    index: usize,
    isa: Isa,
    steps: &mut [Step],
    slots: &mut [Slot],
    memory: &mut [i8],
) {
    let plan = Plan::new(&case.graph, isa, slots, steps).expect("an int8 graph");
    // Every alignment in turn.
    let start = 1 + index % WATCHED;
    let end = start + plan.arena_bytes();
    memory.fill(CANARY);
    let arena = &mut memory[start..end];
    arena[plan.input().range()].copy_from_slice(case.x);
    let ran = plan.run(case.graph.weights(), case.panels(isa.name()), arena);
    ran.expect("memory by the plan");
    case.compare(format_args!("case {index}, {isa}"), &arena[plan.output().range()]);
    let mut around = memory[..start].iter().chain(&memory[end..]);
    assert!(around.all(|&code| code == CANARY), "case {index}, {isa}: written beside the arena");
}
