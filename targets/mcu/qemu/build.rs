//! Memory map of the emulated board, sprout's package with weights in the order of its kernels, and
//! the lesson's frames with the answers that this machine gives; layers to test kernels with.

#[allow(dead_code, reason = "parts that only the device uses")]
#[path = "src/lesson.rs"]
mod lesson;

mod cases;
#[path = "../../../sdk/engine/tests/common/mod.rs"]
mod common;

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::{env, fs};

use lesson::{ASKED, CLASSES, COUNTED, DRILLED, Drill, KIND, Said, TAUGHT, WORDS};

use offshoot_core::Package;
use offshoot_core::graph::Graph;
use offshoot_core::package::{Packed, with_packed};
use offshoot_engine::{Arena, Extractor, Isa, Layers, Plan, Target};
use offshoot_simulator::{Camera, Object};

const PACKAGE: &str = "../../../models/sprout/sprout.offshoot";

/// Emulated board.
struct Board {
    /// Processor, as `-C target-cpu` or the target's triple has it.
    cpu: &'static str,
    /// Name of QEMU's machine.
    machine: &'static str,
    /// Start and length of the memory of the program, of its package and of its data.
    code: [u32; 2],
    package: [u32; 2],
    data: [u32; 2],
    /// Orders of weights that its kernels read, the package's last; none: as they lie.
    targets: &'static [&'static str],
}

const MIB: u32 = 1 << 20;

const BOARDS: [Board; 5] = [
    Board {
        cpu: "cortex-m4",
        machine: "mps2-an386",
        code: [0, MIB],
        package: [MIB, 3 * MIB],
        data: [0x2000_0000, 4 * MIB],
        targets: &["cortex-m"],
    },
    Board {
        cpu: "cortex-m7",
        machine: "mps2-an500",
        code: [0, MIB],
        package: [MIB, 3 * MIB],
        data: [0x2000_0000, 4 * MIB],
        targets: &["cortex-m"],
    },
    Board {
        cpu: "cortex-m33",
        machine: "mps2-an505",
        code: [0x1000_0000, MIB],
        package: [0x1010_0000, 3 * MIB],
        data: [0x3800_0000, 4 * MIB],
        targets: &["cortex-m"],
    },
    Board {
        cpu: "cortex-m55",
        machine: "mps3-an547",
        code: [0x1000_0000, MIB / 2],
        package: [0x1100_0000, 2 * MIB],
        data: [0x3000_0000, MIB / 2],
        targets: &["cortex-m", "helium"],
    },
    Board {
        cpu: "riscv32imac",
        machine: "virt",
        code: [0x8000_0000, MIB],
        package: [0x8010_0000, 3 * MIB],
        data: [0x8040_0000, 4 * MIB],
        targets: &[],
    },
];

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed=cases.rs");
    println!("cargo::rerun-if-changed=src/lesson.rs");
    println!("cargo::rerun-if-changed={PACKAGE}");
    let flags = env::var("CARGO_ENCODED_RUSTFLAGS").unwrap_or_default();
    let triple = env::var("TARGET").expect("cargo sets it");
    let is_riscv = triple.starts_with("riscv32imac-");
    let cpu = if is_riscv { "riscv32imac" } else { flags_processor(&flags) };
    let board = BOARDS
        .iter()
        .find(|board| board.cpu == cpu)
        .expect("RUSTFLAGS names one of the processors, see targets/mcu/count.sh");
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets it"));
    fs::write(out.join("memory.x"), memory(board)).expect("the folder is cargo's");
    let package = package(board);
    let frames = frames();
    fs::write(out.join("answers.rs"), answers(&package, &frames)).expect("the folder is cargo's");
    fs::write(out.join("frames.rgb565"), frames).expect("the folder is cargo's");
    fs::write(out.join("sprout.offshoot"), package).expect("the folder is cargo's");
    let count = board.targets.len();
    let targets = format!("const TARGETS: [&str; {count}] = {:?};\n", board.targets);
    fs::write(out.join("targets.rs"), targets).expect("the folder is cargo's");
    fs::write(out.join("cases"), cases::cases(board.targets)).expect("the folder is cargo's");
    let mobilenet = cases::mobilenet(board.targets);
    fs::write(out.join("mobilenet"), mobilenet).expect("the folder is cargo's");
    println!("cargo::rustc-link-search={}", out.display());
    if is_riscv {
        println!("cargo::rustc-link-arg=-Tmemory.x");
    }
    println!("cargo::rustc-link-arg=-Tlink.x");
    println!("cargo::rustc-env=BOARD={}", board.machine);
    println!("cargo::rustc-env=CPU={}", board.cpu);
}

/// Returns the processor that the compiler's flags name.
fn flags_processor(flags: &str) -> &str {
    let mut named = flags.split('\x1f').filter_map(|flag| flag.split_once("target-cpu="));
    named.next_back().map_or("", |(_, processor)| processor)
}

fn memory(board: &Board) -> String {
    let region = |name: &str, [start, length]: [u32; 2]| {
        format!("    {name} : ORIGIN = {start:#x}, LENGTH = {length:#x}\n")
    };
    let regions =
        [region("FLASH", board.code), region("PACKAGE", board.package), region("RAM", board.data)];
    let section = "SECTIONS { .package : ALIGN(64) { KEEP(*(.package)); } > PACKAGE } \
                   INSERT AFTER .rodata;\n";
    // Names by which the start of RISC-V asks for them; that of Cortex-M ignores them.
    let aliases = [("TEXT", "FLASH"), ("RODATA", "FLASH"), ("DATA", "RAM"), ("BSS", "RAM")]
        .into_iter()
        .chain([("HEAP", "RAM"), ("STACK", "RAM")])
        .map(|(name, region)| format!("REGION_ALIAS(\"REGION_{name}\", {region});\n"));
    format!("MEMORY {{\n{}}}\n{}{section}", regions.concat(), aliases.collect::<String>())
}

/// Returns the package, packed for the board's kernels.
fn package(board: &Board) -> Vec<u8> {
    let file = fs::read(Path::new(PACKAGE)).expect("a package of the repository");
    let Some(target) = board.targets.last().and_then(|name| Target::named(name)) else {
        return file;
    };
    let package = Package::open(&file).expect("a package of the repository");
    let graph = package.graph();
    let all = 0..graph.node_count();
    let (plan, _) = Plan::build(graph, Isa::GENERIC, all, &[Graph::INPUT], &[graph.output()])
        .expect("an int8 package");
    let mut panels = vec![0; plan.packed_bytes_for(&target)];
    plan.pack_for(&target, graph.weights(), &mut panels).expect("as long as the plan says");
    let packed = Packed { target: target.name(), order: target.order(), panels: &panels };
    with_packed(&file, packed).expect("a package of the repository")
}

/// Returns the frames of the lesson: things on a table, as a camera of RGB565 sees them.
fn frames() -> Vec<u8> {
    let camera = Camera::new(lesson::WIDTH, lesson::HEIGHT);
    let mut frames = Vec::with_capacity(lesson::FRAMES_BYTES);
    for (class, name) in CLASSES.into_iter().enumerate() {
        let object = Object::ALL.into_iter().find(|object| object.name() == name);
        assert!(object.is_some(), "the simulator knows no {name}");
        for index in 0..TAUGHT + ASKED {
            let image = camera.look(object, (100 * class + index) as u64);
            for pixel in image.rgb.as_chunks().0 {
                frames.extend(rgb565(*pixel).to_le_bytes());
            }
        }
    }
    frames
}

fn rgb565([r, g, b]: [u8; 3]) -> u16 {
    u16::from(r >> 3) << 11 | u16::from(g >> 2) << 5 | u16::from(b >> 3)
}

/// Returns constants with the answers of this machine, by portable code.
fn answers(package: &[u8], frames: &[u8]) -> String {
    // On the stack, an arena is large for a thread of cargo's.
    let mut layers = Box::new(Layers::<32>::new());
    let mut arena = Box::new(Arena::<{ 112 << 10 }>::new());
    let mut extractor =
        Extractor::new(package, &mut layers, &mut arena).expect("a package of the repository");
    let mut words = vec![0; WORDS];
    let mut head = lesson::empty(&extractor, KIND, &mut words);
    lesson::teach(&mut head, &mut extractor, frames);
    let asked = (0..CLASSES.len() * ASKED).map(|question| {
        let frame = lesson::frame(frames, question / ASKED, TAUGHT + question % ASKED);
        lesson::ask(&head, &mut extractor, &frame)
    });
    let mut text = constant("ANSWERS", &asked.collect::<Vec<_>>());
    let drilled = COUNTED.map(|kind| {
        let mut words = vec![0; WORDS];
        let mut head = lesson::empty(&extractor, kind, &mut words);
        let mut drill = Drill::new();
        for (class, name) in DRILLED.into_iter().enumerate() {
            let id = head.add_class(name).expect("a good name");
            for _ in 0..Drill::SHOTS {
                head.add_sample(id, drill.next(class)).expect("the head has room");
            }
        }
        drill.first_answer(&mut head)
    });
    text += &constant("DRILL_ANSWERS", &drilled);
    text
}

fn constant(name: &str, answers: &[Said]) -> String {
    let mut text = format!("const {name}: [Said; {}] = [\n", answers.len());
    for answer in answers {
        writeln!(text, "    {answer:?},").expect("a string takes all");
    }
    text + "];\n"
}
