//! Runs sprout's golden vectors on the emulated processor and counts instructions.
//!
//! Lines for `targets/mcu/count.sh`: a name, a tabulator, a number.

#![no_std]
#![no_main]

use offshoot_core::package::GoldenInput;
use offshoot_core::{Embedding, Frame, Package};
use offshoot_engine::{Arena, Extractor, Isa, Layers, Plan, Slot, Step};
use offshoot_mcu_qemu::case::Cases;
use offshoot_mcu_qemu::{ARENA, Counter, File, PACKAGE, end, entry, println, stack_used};
use static_cell::ConstStaticCell;

const MOBILENET_BYTES: usize = include_bytes!(concat!(env!("OUT_DIR"), "/mobilenet")).len();

/// MobileNetV1 0.25 for 128 x 128 pixels, with random weights.
#[unsafe(link_section = ".package")]
static MOBILENET: File<[u8; MOBILENET_BYTES]> =
    File(*include_bytes!(concat!(env!("OUT_DIR"), "/mobilenet")));

/// Feature maps, aligned like an arena.
#[repr(C, align(64))]
struct Maps([i8; ARENA]);

static MAPS: ConstStaticCell<Maps> = ConstStaticCell::new(Maps([0; ARENA]));
static STEPS: ConstStaticCell<[Step; 40]> = ConstStaticCell::new([Step::EMPTY; 40]);
static SLOTS: ConstStaticCell<[Slot; 80]> = ConstStaticCell::new([Slot::EMPTY; 80]);
static LAYERS: ConstStaticCell<Layers<32>> = ConstStaticCell::new(Layers::new());
static MEMORY: ConstStaticCell<Arena<ARENA>> = ConstStaticCell::new(Arena::new());

#[entry]
fn main() -> ! {
    let mut counter = Counter::new();
    println!("board\t{} {}", env!("CPU"), env!("BOARD"));
    let (package, open) = counter.count(|| Package::open(&PACKAGE.0).expect("a sound package"));
    println!("open\t{}", open);
    let steps = STEPS.take();
    let slots = SLOTS.take();
    let bytes = &mut MAPS.take().0[..];
    // A processor with Helium has the kernels of the DSP extension too, whose weights are not here.
    let best = Isa::best();
    assert!(is_packed(&package, best), "the package is packed for another processor");
    for isa in Isa::available().filter(|&isa| is_packed(&package, isa)) {
        run(&mut counter, &package, isa, steps, slots, bytes);
        run_mobilenet(&mut counter, isa, steps, slots, bytes);
    }
    extract(&mut counter);
    end()
}

/// True if the package has the weights that these kernels read, or they read them as they lie.
fn is_packed(package: &Package<'_>, isa: Isa) -> bool {
    isa == Isa::GENERIC || package.packed().is_some_and(|packed| isa.reads(&packed))
}

/// Runs every golden vector with one instruction set's kernels.
fn run(
    counter: &mut Counter,
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
    let packed = package.packed().filter(|packed| isa.reads(packed));
    let packed = packed.map_or(&[][..], |packed| packed.panels);
    println!("{}.plan\t{}", name, planning);
    println!("{}.arena\t{}", name, plan.arena_bytes());
    println!("{}.panels\t{}", name, packed.len());
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
            println!("{}.input\t{}", name, input);
            println!("{}.network\t{}", name, network);
            println!("{}.stack\t{}", name, stack);
        }
    }
    println!("{}.goldens\t{}", name, package.goldens().count());
    if option_env!("PROFILE").is_some() {
        profile(counter, &plan, graph.weights(), packed, arena);
    }
}

/// Runs MobileNetV1 with one instruction set's kernels.
fn run_mobilenet(
    counter: &mut Counter,
    isa: Isa,
    steps: &mut [Step],
    slots: &mut [Slot],
    arena: &mut [i8],
) {
    let case = Cases::new(&MOBILENET.0).next().expect("a case");
    let plan = Plan::new(&case.graph, isa, slots, steps).expect("an int8 graph");
    let panels = case.panels(isa.name());
    arena[plan.input().range()].copy_from_slice(case.x);
    let (ran, spent) = counter.count(|| plan.run(case.graph.weights(), panels, arena));
    ran.expect("memory by the plan");
    case.compare(isa, &arena[plan.output().range()]);
    println!("{isa}.mobilenet\t{spent}");
    println!("{isa}.mobilenet.arena\t{}", plan.arena_bytes());
}

/// Runs every golden vector by the extractor, as an application does.
fn extract(counter: &mut Counter) {
    let mut extractor = Extractor::new(&PACKAGE.0, LAYERS.take(), MEMORY.take())
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
        println!("embed\t{}", spent);
    }
}

/// Prints the instructions of every step.
fn profile(
    counter: &mut Counter,
    plan: &Plan<&mut [Step]>,
    weights: &[u8],
    packed: &[i8],
    arena: &mut [i8],
) {
    counter.restart();
    let ran = plan.run_with_observer(weights, packed, arena, |steps| {
        let spent = counter.read();
        println!("node {}\t{}", steps[0].node(), spent);
        counter.restart();
    });
    ran.expect("memory by the plan");
}
