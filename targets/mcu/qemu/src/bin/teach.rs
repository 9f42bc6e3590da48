//! A device that learns, without a heap: it teaches two classes from frames in flash, asks, saves,
//! restarts, and asks again. The answers are those of the host, bit for bit.

#![no_std]
#![no_main]

use embedded_storage::nor_flash::ReadNorFlash;
use offshoot_engine::{Arena, Extractor, Layers};
use offshoot_mcu_qemu::lesson::{
    ASKED, CLASSES, COUNTED, DIM, DRILLED, Drill, KIND, LIMITS, Lent, Said, TAUGHT, WORDS, ask,
    empty, frame, teach,
};
use offshoot_mcu_qemu::{
    ARENA, Counter, FRAMES, Flash, PACKAGE, end, entry, flash, println, restart, stack_used,
};
use offshoot_store::{NorMedium, Store};
use static_cell::ConstStaticCell;

// Answers of the host: `ANSWERS` about the frames that are asked, `DRILL_ANSWERS` of full heads.
include!(concat!(env!("OUT_DIR"), "/answers.rs"));

/// Bytes of the longest record.
const RECORD: usize = LIMITS.most_encoded(DIM);

static LAYERS: ConstStaticCell<Layers<32>> = ConstStaticCell::new(Layers::new());
static MEMORY: ConstStaticCell<Arena<ARENA>> = ConstStaticCell::new(Arena::new());
static HEAD: ConstStaticCell<[u32; WORDS]> = ConstStaticCell::new([0; WORDS]);
static ROOM: ConstStaticCell<[u8; RECORD]> = ConstStaticCell::new([0; RECORD]);

#[entry]
fn main() -> ! {
    // SAFETY: the one call.
    let flash = unsafe { flash() };
    let (stack, is_taught) = stack_used(|| run(flash));
    println!("stack of all\t{stack}");
    if is_taught {
        end()
    }
    println!("restart");
    restart()
}

/// Teaches and saves, or asks what was saved; returns true if there was a record.
fn run(flash: Flash) -> bool {
    let mut counter = Counter::new();
    let mut extractor = Extractor::new(&PACKAGE.0, LAYERS.take(), MEMORY.take())
        .unwrap_or_else(|error| panic!("{error}"));
    let area = 0..flash.capacity() as u32;
    let medium = NorMedium::new(flash, area).unwrap_or_else(|error| panic!("{error}"));
    let mut store = Store::open(medium).unwrap_or_else(|error| panic!("{error}"));
    let room = ROOM.take();
    let words = &mut HEAD.take()[..];
    if let Some(record) = store.load(room).unwrap_or_else(|error| panic!("{error}")) {
        let id = extractor.package().manifest().id;
        let mut head = Lent::decode(record, Some(id), &mut *words)
            .unwrap_or_else(|_| panic!("a record of a head"));
        head.fit().unwrap_or_else(|_| panic!("the head has samples"));
        println!("remembered\t{} samples", head.sample_count());
        ask_all(&head, &mut extractor);
        return true;
    }
    println!("board\t{} {}", env!("CPU"), env!("BOARD"));
    println!("kernels\t{}", extractor.isa());
    println!(
        "memory\tarena {}, head {}, record {RECORD} bytes",
        extractor.arena_bytes(),
        4 * WORDS
    );
    let mut head = empty(&extractor, KIND, &mut *words);
    teach(&mut head, &mut extractor, &FRAMES.0);
    println!("taught\t{} classes, {} samples", CLASSES.len(), head.sample_count());
    ask_all(&head, &mut extractor);
    let bytes = head.encode(room).unwrap_or_else(|_| panic!("room for the longest record"));
    store.save(&room[..bytes]).unwrap_or_else(|error| panic!("{error}"));
    println!("saved\t{bytes} bytes");
    for (kind, answer) in COUNTED.into_iter().zip(DRILL_ANSWERS) {
        drill(&mut counter, empty(&extractor, kind, &mut *words), answer);
    }
    false
}

/// Asks about every frame that was not taught.
fn ask_all(head: &Lent<'_>, extractor: &mut Extractor<'_>) {
    for (question, expected) in ANSWERS.iter().enumerate() {
        let class = question / ASKED;
        let image = frame(&FRAMES.0, class, TAUGHT + question % ASKED);
        let said = ask(head, extractor, &image);
        let name = said.class.map_or("unknown", |class| CLASSES[class]);
        // Floats take 12 kB of code to print.
        let percent = (100.0 * f32::from_bits(said.confidence)) as u32;
        println!("{} is\t{name} {percent} %", CLASSES[class]);
        assert!(said == *expected, "the host says {expected:?}, here {said:?}");
    }
}

/// Fills a head and counts the instructions of a sample and of the first answer.
fn drill(counter: &mut Counter, mut head: Lent<'_>, expected: Said) {
    let kind = head.kind();
    let mut drill = Drill::new();
    let mut most = 0;
    for (class, name) in DRILLED.into_iter().enumerate() {
        let id = head.add_class(name).unwrap_or_else(|_| panic!("a good name"));
        for _ in 0..Drill::SHOTS {
            let sample = drill.next(class);
            let (added, spent) = counter.count(|| head.add_sample(id, sample));
            added.unwrap_or_else(|_| panic!("the head has room"));
            most = most.max(spent);
        }
    }
    let (stack, (said, spent)) = stack_used(|| counter.count(|| drill.first_answer(&mut head)));
    assert!(said == expected, "the host says {expected:?}, here {said:?}");
    println!("{kind}.add\t{most}");
    println!("{kind}.first\t{spent}");
    println!("{kind}.stack\t{stack}");
}
