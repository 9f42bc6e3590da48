//! Seeded mutants of a package, their checksums made right again, through everything an
//! application does with a package: never a panic, never a long wait.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use offshoot::{Error, ErrorKind, Extractor, Frame};

mod common;

use common::net::every_operation;
use common::random::Random;
use common::seal;

const MUTANTS: u64 = 200_000;

/// Opening, planning and one run of a network this small take microseconds.
const LONGEST: Duration = Duration::from_secs(5);

/// Bytes that mean something: limits, signs, continuation bits of variable-length numbers.
const TELLING: [u8; 16] = [0, 1, 2, 3, 4, 8, 16, 31, 32, 33, 63, 64, 127, 128, 254, 255];

fn mutate(random: &mut Random, section: &mut Vec<u8>) {
    if section.is_empty() {
        return section.push(random.bits() as u8);
    }
    let at = random.below(section.len());
    match random.below(9) {
        0 | 1 => section[at] ^= 1 << random.below(8),
        2 | 3 => section[at] = random.pick(&TELLING),
        4 => section[at] = section[at].wrapping_add(random.pick(&[1, 2, 255, 254])),
        5 => section.insert(at, random.pick(&TELLING)),
        6 => drop(section.splice(at..=at, [])),
        7 => {
            // A piece copied to somewhere else: other records, other nodes.
            let len = random.pick(&[2, 4, 8, 20]).min(section.len() - at);
            let to = random.below(section.len() - len + 1);
            section.copy_within(at..at + len, to);
        }
        _ => {
            let len = random.pick(&[2, 4]).min(section.len() - at);
            section[at..at + len].fill(random.pick(&[0, 127, 255]));
        }
    }
}

/// Mostly the graph, whose content has the most to say.
fn mutant(random: &mut Random, good: &[Vec<u8>; 4]) -> Vec<u8> {
    let mut sections = good.clone();
    for _ in 0..random.pick(&[1, 1, 1, 2, 3]) {
        let section = random.pick(&[0, 1, 1, 1, 1, 2, 2, 3]);
        mutate(random, &mut sections[section]);
    }
    let mut file = seal::seal(&sections);
    if random.below(16) == 0 {
        let at = random.below(seal::entry(seal::SECTIONS));
        file[at] = random.pick(&TELLING);
        seal::seal_table(&mut file);
    }
    file
}

/// What an application does; the error's text is made as it would be shown.
fn used(file: Vec<u8>, pixels: &[u8]) -> Result<(), Error> {
    let mut extractor = Extractor::from_bytes(file)?;
    let frame = Frame::rgb(11, 7, pixels).expect("enough pixels");
    assert_eq!(extractor.embed(&frame)?.len(), extractor.embedding_dim());
    assert!(extractor.memory().arena >= extractor.memory().lower_bound);
    assert!(extractor.memory().arena < 1 << 24, "{:?}", extractor.memory());
    let verification = extractor.verify()?;
    assert!(verification.passed <= verification.vectors);
    Ok(())
}

/// The variant of an error, down to the reason but without its numbers.
fn variant(error: &Error) -> String {
    assert!(!error.to_string().is_empty());
    let text = match error.kind() {
        ErrorKind::Package(cause) => format!("{cause:?}"),
        other => format!("{other:?}"),
    };
    text.chars().filter(|c| !c.is_ascii_digit()).collect()
}

#[test]
fn mutants_are_refused_or_run() {
    let good = seal::sections(&every_operation());
    let pixels = Random(5).bytes(3 * 11 * 7);
    used(seal::seal(&good), &pixels).expect("what mutants are made from is good");
    let (mut ran, mut reasons, mut slowest) = (0, BTreeMap::<String, u32>::new(), Duration::ZERO);
    for seed in 0..MUTANTS {
        let file = mutant(&mut Random(seed), &good);
        let start = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| used(file, &pixels)));
        let took = start.elapsed();
        assert!(took < LONGEST, "mutant {seed} took {took:?}");
        slowest = slowest.max(took);
        match outcome.unwrap_or_else(|_| panic!("mutant {seed} panicked")) {
            Ok(()) => ran += 1,
            Err(error) => *reasons.entry(variant(&error)).or_default() += 1,
        }
    }
    println!("{ran} of {MUTANTS} ran, slowest {slowest:?}, refused for {reasons:#?}");
    // Without these the mutants would only knock at the door.
    assert!(ran > MUTANTS / 20, "only {ran} ran");
    assert!(reasons.len() >= 18, "{reasons:#?}");
}
