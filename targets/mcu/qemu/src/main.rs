//! Runs sprout's golden vectors on the emulated processor and counts instructions.
//!
//! Lines for `targets/mcu/count.sh`: a name, a tabulator, a number.

#![no_std]
#![no_main]

mod counter;
mod memory;

use core::panic::PanicInfo;

use cortex_m_rt::entry;
use cortex_m_semihosting::{debug, hprintln};
use offshoot_core::package::GoldenInput;
use offshoot_core::{Embedding, Frame, Package};
use offshoot_engine::{Arena, Extractor, Isa, Layers, Plan, Slot, Step};

use crate::counter::Counter;
use crate::memory::{Aligned, stack_used, static_mut};

/// Sprout, packed for this processor.
#[repr(C, align(64))]
struct File<T>(T);

const BYTES: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/sprout.offshoot"));

#[unsafe(link_section = ".package")]
static PACKAGE: File<[u8; BYTES.len()]> =
    File(*include_bytes!(concat!(env!("OUT_DIR"), "/sprout.offshoot")));

/// Bytes of the arena: the portable code's, which is the largest.
const ARENA: usize = 112 << 10;

static_mut!(bytes: Aligned<ARENA> = Aligned([0; ARENA]));
static_mut!(steps: [Step; 40] = [Step::EMPTY; 40]);
static_mut!(slots: [Slot; 80] = [Slot::EMPTY; 80]);
static_mut!(layers: Layers<32> = Layers::new());
static_mut!(arena: Arena<ARENA> = Arena::new());

#[entry]
fn main() -> ! {
    let mut peripherals = cortex_m::Peripherals::take().expect("taken once");
    let mut counter = Counter::new(&mut peripherals.SYST);
    hprintln!("board\t{} {}", env!("CPU"), env!("BOARD"));
    let (package, open) = counter.count(|| Package::open(&PACKAGE.0).expect("a sound package"));
    hprintln!("open\t{}", open);
    let steps = steps::take();
    let slots = slots::take();
    let bytes = &mut bytes::take().0[..];
    for isa in Isa::available() {
        run(&mut counter, &package, isa, steps, slots, bytes);
    }
    extract(&mut counter);
    debug::exit(debug::EXIT_SUCCESS);
    loop {}
}

/// Runs every golden vector with one instruction set's kernels.
fn run(
    counter: &mut Counter<'_>,
    package: &Package<'_>,
    isa: Isa,
    steps: &mut [Step],
    slots: &mut [Slot],
    arena: &mut [i8],
) {
    let graph = package.graph();
    let name = isa.name();
    let (plan, planning) = counter.count(|| Plan::new(graph, isa, slots, &mut *steps));
    let plan = plan.expect("an int8 package");
    let packed = match (isa.target(), package.packed()) {
        (None, _) => &[],
        (Some(target), Some(packed))
            if (target.name(), target.order()) == (packed.target, packed.order) =>
        {
            packed.panels
        }
        _ => panic!("the package is packed for another processor"),
    };
    hprintln!("{}.plan\t{}", name, planning);
    hprintln!("{}.arena\t{}", name, plan.arena_bytes());
    hprintln!("{}.panels\t{}", name, packed.len());
    let preprocess = &package.manifest().preprocess;
    for (index, golden) in package.goldens().enumerate() {
        let GoldenInput::Frame { width, height, rgb } = golden.input else {
            panic!("the package takes images");
        };
        let frame = Frame::rgb(width.into(), height.into(), rgb).expect("checked with the package");
        let input = plan.input().range();
        let (filled, input) = counter
            .count(|| preprocess.quantize_into(&frame, package.input_table(), &mut arena[input]));
        filled.expect("checked with the package");
        let (stack, (ran, network)) =
            stack_used(|| counter.count(|| plan.run(graph.weights(), packed, arena)));
        ran.expect("memory by the plan");
        let codes = &arena[plan.output().range()];
        let same = codes.iter().zip(golden.output).filter(|&(a, b)| *a as u8 == *b).count();
        assert!(same == codes.len(), "{name}: {same} of {} values are right", codes.len());
        if index == 0 {
            hprintln!("{}.input\t{}", name, input);
            hprintln!("{}.network\t{}", name, network);
            hprintln!("{}.stack\t{}", name, stack);
        }
    }
    hprintln!("{}.goldens\t{}", name, package.goldens().count());
    if option_env!("PROFILE").is_some() {
        profile(counter, &plan, graph.weights(), packed, arena);
    }
}

/// Runs every golden vector by the extractor, as an application does.
fn extract(counter: &mut Counter<'_>) {
    let mut extractor = Extractor::new(&PACKAGE.0, layers::take(), arena::take())
        .unwrap_or_else(|error| panic!("{error}"));
    let goldens = extractor.package().goldens();
    for golden in goldens {
        let GoldenInput::Frame { width, height, rgb } = golden.input else {
            panic!("the package takes images");
        };
        let frame = Frame::rgb(width.into(), height.into(), rgb).expect("checked with the package");
        let (embedding, spent) = counter.count(|| extractor.embed(&frame));
        let Embedding::Int8 { codes, .. } = embedding else { panic!("the package is int8") };
        assert!(codes.iter().map(|&code| code as u8).eq(golden.output.iter().copied()));
        hprintln!("embed\t{}", spent);
    }
}

/// Prints the instructions of every step.
fn profile(
    counter: &mut Counter<'_>,
    plan: &Plan<&mut [Step]>,
    weights: &[u8],
    packed: &[i8],
    arena: &mut [i8],
) {
    counter.restart();
    let ran = plan.run_with_observer(weights, packed, arena, |steps| {
        let spent = counter.read();
        hprintln!("node {}\t{}", steps[0].node(), spent);
        counter.restart();
    });
    ran.expect("memory by the plan");
}

#[panic_handler]
fn panic(info: &PanicInfo<'_>) -> ! {
    hprintln!("{}", info);
    debug::exit(debug::EXIT_FAILURE);
    loop {}
}
