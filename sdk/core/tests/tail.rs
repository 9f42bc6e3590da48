//! Tails are found where they can be tuned; tuning is the same bits however it is interrupted, takes
//! the memory that it states and none besides, and is refused where there is nothing to learn.

#![cfg(feature = "alloc")]

use offshoot_core::Package;
use offshoot_core::graph::Window;
use offshoot_core::head::HeadKind;
use offshoot_core::tail::{
    Delta, DeltaError, Samples, Tail, TailLayout, TuneError, Tuned, Tuner, Tuning, Verdict,
    WriteError,
};

#[path = "../../tests/common/mod.rs"]
mod common;

use common::counting::{self, Counting, Counts, counted};
use common::net::{Net, every_operation, mobile_net, window};
use common::random::Random;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// A small network that ends in a tail, perhaps with a layer behind the pool.
fn network(linear: bool, unit_length: bool) -> Vec<u8> {
    let mut net = Net::new(24, 2);
    net.unit_length = unit_length;
    let stem = net.conv("stem", Net::INPUT, window(3, 2, 1), 1, 8);
    let seen = net.conv("seen", stem, window(3, 4, 1), 8, 8);
    let map = net.conv("map", seen, Window::POINT, 1, 16);
    let mean = net.mean("mean", map);
    let flat = net.flatten("flat", mean);
    let embedding = if linear { net.dense("layer", flat, 12) } else { flat };
    net.package(embedding, 1)
}

/// Samples of classes that differ in some values of their maps.
struct Lessons {
    maps: Vec<i8>,
    owners: Vec<u16>,
    classes: u16,
}

impl Lessons {
    fn new(tail: &Tail<'_>, classes: u16, shots: usize, seed: u64) -> Self {
        let mut random = Random(seed);
        let len = tail.map_len();
        let centres: Vec<Vec<i8>> =
            (0..classes).map(|_| random.codes(len).iter().map(|c| c / 4).collect()).collect();
        let mut maps = Vec::new();
        let mut owners = Vec::new();
        for i in 0..usize::from(classes) * shots {
            let owner = i % usize::from(classes);
            let noise = random.codes(len);
            maps.extend(centres[owner].iter().zip(&noise).map(|(&c, &n)| c + n / 3));
            owners.push(owner as u16);
        }
        Self { maps, owners, classes }
    }

    fn shuffle(&mut self, seed: u64) {
        let mut random = Random(seed);
        for i in (1..self.owners.len()).rev() {
            self.owners.swap(i, random.below(i + 1));
        }
    }

    fn samples(&self) -> Samples<'_> {
        Samples { maps: &self.maps, owners: &self.owners, classes: self.classes }
    }
}

/// Always keeps what was tuned.
fn always() -> Tuning {
    Tuning { least_t: f32::NEG_INFINITY, ..Tuning::default() }
}

/// The same for all weights.
fn always_all() -> Tuning {
    Tuning { least_t: f32::NEG_INFINITY, ..Tuning::all() }
}

/// Tunes in one go; returns verdict and file.
fn tune(
    package: &Package<'_>,
    lessons: &Lessons,
    tuning: Tuning,
    keeps_products: bool,
    garbage: u32,
) -> (Verdict, Vec<u8>) {
    let tail = Tail::find(package.graph()).unwrap();
    let layout = tuning.layout(&tail, &lessons.samples(), keeps_products);
    let mut memory = vec![garbage; layout.words().unwrap()];
    let mut tuner = Tuner::new(package, lessons.samples(), tuning, layout, &mut memory).unwrap();
    while tuner.verdict().is_none() {
        tuner.step();
    }
    let mut file = vec![0; tuner.written_len()];
    let written = tuner.write(&mut file).unwrap_or(0);
    file.truncate(written);
    (tuner.verdict().unwrap(), file)
}

#[test]
fn tails_are_found_where_they_can_be_tuned() {
    for (file, expected) in [
        ("../../models/sprout/sprout.offshoot", Some(([3, 3, 320], 320, 256))),
        ("../../models/sharp/sharp.offshoot", Some(([7, 7, 320], 1280, 1280))),
    ] {
        let file = std::fs::read(file).unwrap();
        let package = Package::open(&file).unwrap();
        let tail = Tail::find(package.graph());
        let found = tail.map(|tail| (tail.map_shape().dims(), tail.channels(), tail.dim()));
        assert_eq!(found, expected);
    }
    let small = mobile_net();
    let package = Package::open(&small).unwrap();
    assert_eq!(Tail::find(package.graph()).unwrap().map_shape().dims(), [6, 6, 32]);
    assert!(Tail::find(Package::open(&every_operation()).unwrap().graph()).is_none());
    // A pool that leaves several pixels; a function behind the pool; a second reader of the map.
    for end in 0..4 {
        let mut net = Net::new(24, 2);
        let stem = net.conv("stem", Net::INPUT, window(3, 2, 1), 1, 8);
        let map = net.conv("map", stem, Window::POINT, 1, 16);
        let output = match end {
            0 => net.average_pool("pool", map, window(4, 4, 0)),
            1 => {
                let mean = net.mean("mean", map);
                net.table("function", mean)
            }
            2 => {
                let mean = net.mean("mean", map);
                let other = net.mean("other", stem);
                net.concat("joined", &[mean, other])
            }
            _ => {
                let looked_up = net.table("activation", map);
                net.mean("mean", looked_up)
            }
        };
        let file = net.package(output, 1);
        let package = Package::open(&file).unwrap();
        assert!(Tail::find(package.graph()).is_none(), "end {end}");
    }
}

#[test]
fn the_same_bits_however_it_is_interrupted() {
    for (linear, unit_length, recipe) in [
        (false, false, always()),
        (true, false, always()),
        (true, true, always()),
        (false, false, always_all()),
        (true, true, always_all()),
    ] {
        let file = network(linear, unit_length);
        let package = Package::open(&file).unwrap();
        let tail = Tail::find(package.graph()).unwrap();
        let lessons = Lessons::new(&tail, 3, 8, 1);
        let (verdict, bytes) = tune(&package, &lessons, recipe, false, 0);
        assert!(verdict.keeps() && !bytes.is_empty());
        // Whatever the memory held, and with products kept or computed anew.
        assert_eq!(tune(&package, &lessons, recipe, true, 0xaaaa_aaaa), (verdict, bytes.clone()));
        // Two tuners in turn.
        let layout = recipe.layout(&tail, &lessons.samples(), false);
        let mut memories = [0u32, 0xffff_ffff].map(|word| vec![word; layout.words().unwrap()]);
        let mut tuners: Vec<Tuner<'_>> = memories
            .iter_mut()
            .map(|m| Tuner::new(&package, lessons.samples(), recipe, layout, m).unwrap())
            .collect();
        let of = tuners[0].progress().of;
        let mut steps = 0;
        while tuners[1].verdict().is_none() {
            assert_eq!(tuners[0].write(&mut []), Err(WriteError::NotKept));
            steps += 1;
            tuners.iter_mut().for_each(|tuner| assert_eq!(tuner.step().done, steps));
        }
        assert_eq!(steps, of, "as many steps as were announced");
        for tuner in &mut tuners {
            let mut again = vec![0; bytes.len()];
            assert_eq!(tuner.step().done, steps, "nothing is left to do");
            assert_eq!(tuner.write(&mut again), Ok(bytes.len()));
            assert!(again == bytes);
        }
        drop(tuners);
        // Paused between any two steps.
        let samples = lessons.samples();
        let memory = &mut memories[0];
        let mut paused = Tuner::new(&package, samples, recipe, layout, memory).unwrap().pause();
        while paused.verdict().is_none() {
            let mut tuner = Tuner::resume(&package, samples, paused, memory).unwrap();
            tuner.step();
            paused = tuner.pause();
        }
        let mut again = vec![0; bytes.len()];
        let mut tuner = Tuner::resume(&package, samples, paused, memory).unwrap();
        assert_eq!(tuner.write(&mut again), Ok(bytes.len()));
        assert!(again == bytes);
        // Another seed is another order.
        let other = Tuning { seed: 1, ..recipe };
        assert_ne!(tune(&package, &lessons, other, false, 0).1, bytes);
    }
}

/// Reference values for every processor: CI runs this on several.
#[test]
fn tuning_has_the_same_bits_everywhere() {
    let cases = [(false, always()), (true, always()), (false, always_all()), (true, always_all())];
    let digests = cases.map(|(linear, recipe)| {
        let file = network(linear, false);
        let package = Package::open(&file).unwrap();
        let tail = Tail::find(package.graph()).unwrap();
        let lessons = Lessons::new(&tail, 3, 12, 4);
        let (_, bytes) = tune(&package, &lessons, recipe, false, 0);
        let delta = Delta::open(&bytes).unwrap();
        assert_eq!(delta.recorded().epochs, 20, "more than ten samples a class");
        // Without its own checksum, which would make all files alike.
        crc32fast::hash(&bytes[..bytes.len() - 4])
    });
    assert_eq!(digests, [218_059_603, 1_323_565_080, 85_211_766, 3_529_028_331]);
}

#[test]
fn no_epochs_leave_the_package_as_it_is() {
    let file = network(true, false);
    let package = Package::open(&file).unwrap();
    let tail = Tail::find(package.graph()).unwrap();
    let lessons = Lessons::new(&tail, 2, 4, 3);
    for recipe in [always(), always_all()] {
        let none = Tuning { epochs: Some(0), ..recipe };
        let (verdict, bytes) = tune(&package, &lessons, none, false, 0);
        // Without a difference t is zero, which is refused by default.
        assert_eq!(verdict.evidence().unwrap().t, 0.0);
        let tuned = Delta::open(&bytes).unwrap().tail(&package).unwrap();
        assert!(tuned.biases().eq(tail.biases()) && tuned.mantissas().eq(tail.mantissas()));
        assert_eq!(tuned.weights(), tail.weights());
    }
    let (refused, bytes) =
        tune(&package, &lessons, Tuning { epochs: Some(0), ..Tuning::default() }, false, 0);
    assert!(matches!(refused, Verdict::Refuse(_)) && bytes.is_empty());
}

#[test]
fn memory_is_what_is_stated_and_nothing_is_allocated() {
    counting::prove_live();
    let file = network(true, false);
    let package = Package::open(&file).unwrap();
    let tail = Tail::find(package.graph()).unwrap();
    let lessons = Lessons::new(&tail, 3, 6, 1);
    for (recipe, keeps_products) in [(always(), false), (always(), true), (always_all(), false)] {
        let layout = recipe.layout(&tail, &lessons.samples(), keeps_products);
        let needed = layout.words().unwrap();
        let mut memory = vec![0x5555_5555; needed + 9];
        let short =
            Tuner::new(&package, lessons.samples(), recipe, layout, &mut memory[..needed - 1]);
        let found = needed - 1;
        assert_eq!(short.err(), Some(TuneError::MemoryTooShort { found, needed }));
        let mut bytes = [0; 4096];
        let (counts, written) = counted(|| {
            let mut tuner =
                Tuner::new(&package, lessons.samples(), recipe, layout, &mut memory).unwrap();
            while tuner.verdict().is_none() {
                tuner.step();
            }
            tuner.write(&mut bytes).unwrap()
        });
        assert_eq!(counts, Counts::NONE);
        assert_eq!(written, Delta::len_for(&tail, recipe.what));
        assert!(memory[needed..].iter().all(|&word| word == 0x5555_5555));
    }
    // Sprout, 200 samples of ten classes: less than 0.9 MB, also for all weights.
    for inputs in [0, 320] {
        let layout = TailLayout {
            channels: 320,
            pixels: 9,
            dim: 256,
            classes: 10,
            samples: 200,
            head: HeadKind::Ridge,
            keeps_products: false,
            inputs,
        };
        let bytes = 4 * layout.words().unwrap();
        println!("{bytes} bytes");
        assert!(bytes <= 900_000, "{bytes}");
    }
}

#[test]
fn bad_samples_are_refused() {
    let file = network(false, false);
    let package = Package::open(&file).unwrap();
    let tail = Tail::find(package.graph()).unwrap();
    let lessons = Lessons::new(&tail, 3, 4, 1);
    let layout = TailLayout::new(&tail, &lessons.samples(), false);
    let refused = |samples: Samples<'_>, tuning: Tuning, layout: TailLayout| {
        let mut memory = vec![0; 1 << 16];
        Tuner::new(&package, samples, tuning, layout, &mut memory).err()
    };
    let good = lessons.samples();
    let len = good.maps.len();
    let maps = Samples { maps: &good.maps[1..], ..good };
    let expected = TuneError::Maps { maps: len - 1, samples: 12, needed: len };
    assert_eq!(refused(maps, always(), layout), Some(expected));
    let few = Samples { classes: 2, ..good };
    let expected = TuneError::Owner { sample: 2, class: 2, count: 2 };
    assert_eq!(refused(few, always(), layout), Some(expected));
    for bad in [
        Tuning { folds: 1, ..always() },
        Tuning { folds: 11, ..always() },
        Tuning { step: f32::NAN, ..always() },
        Tuning { head_step: 1.5, ..always() },
        Tuning { least_t: f32::NAN, ..always() },
    ] {
        assert_eq!(refused(good, bad, layout), Some(TuneError::Recipe));
    }
    let other = TailLayout { samples: 11, ..layout };
    assert_eq!(refused(good, always(), other), Some(TuneError::Layout));
    assert_eq!(refused(good, always_all(), layout), Some(TuneError::Layout));
    let file = every_operation();
    let package = Package::open(&file).unwrap();
    let mut memory = vec![0; 1 << 16];
    let none = Tuner::new(&package, good, always(), layout, &mut memory);
    assert_eq!(none.err(), Some(TuneError::NoTail));
}

#[test]
fn too_few_samples_are_said() {
    let file = network(false, false);
    let package = Package::open(&file).unwrap();
    let tail = Tail::find(package.graph()).unwrap();
    for (classes, shots) in [(3, 2), (1, 20)] {
        let lessons = Lessons::new(&tail, classes, shots, 1);
        let (verdict, bytes) = tune(&package, &lessons, always(), false, 0);
        assert_eq!((verdict, bytes.len()), (Verdict::TooFew { least: 3 }, 0));
        assert!(verdict.to_string().contains("each class needs 3"));
    }
}

/// Labels without sense: the gate refuses, but for one run in forty at most.
#[test]
fn shuffled_labels_are_refused() {
    let file = network(true, false);
    let package = Package::open(&file).unwrap();
    let tail = Tail::find(package.graph()).unwrap();
    for recipe in [Tuning::default(), Tuning::all()] {
        let mut refused = 0;
        for run in 0..100 {
            let mut lessons = Lessons::new(&tail, 3, 10, run);
            lessons.shuffle(run);
            let (verdict, bytes) = tune(&package, &lessons, recipe, true, 0);
            assert_eq!(verdict.keeps(), !bytes.is_empty());
            refused += usize::from(!verdict.keeps());
        }
        println!("{refused} of 100 refused");
        assert!(refused >= 97, "{refused} of 100");
    }
}

/// Every flipped bit, cut and foreign package is an error.
#[test]
fn files_are_checked() {
    for recipe in [always(), always_all()] {
        check_files_of(recipe);
    }
}

fn check_files_of(recipe: Tuning) {
    let file = network(true, false);
    let package = Package::open(&file).unwrap();
    let tail = Tail::find(package.graph()).unwrap();
    let lessons = Lessons::new(&tail, 2, 5, 1);
    let (verdict, bytes) = tune(&package, &lessons, recipe, false, 0);
    let delta = Delta::open(&bytes).unwrap();
    assert_eq!(delta.recorded().tuning.what, recipe.what);
    assert_eq!(delta.package_id(), package.manifest().id);
    assert_ne!(delta.id(), delta.package_id());
    assert_eq!(delta.recorded().evidence, verdict.evidence().unwrap());
    assert_eq!(delta.recorded().epochs, 40, "ten samples of two classes are few");
    assert_eq!(delta.tail(&package).unwrap().node(), tail.node());
    let tuned = delta.tail(&package).unwrap();
    assert!(!tail.biases().eq(tuned.biases()), "something was tuned");
    assert_eq!(tail.weights() != tuned.weights(), recipe.what == Tuned::All);
    let mut scratch = vec![0; tail.channels() + tail.pixels()];
    let mut codes = vec![0; tail.dim()];
    let mut goldens = 0;
    for (map, embedding) in delta.goldens() {
        tuned.embed(map, &mut scratch, &mut codes);
        assert_eq!(codes, embedding);
        goldens += 1;
    }
    assert_eq!(goldens, 2);
    let other = network(true, true);
    let other = Package::open(&other).unwrap();
    assert_eq!(delta.tail(&other).err(), Some(DeltaError::OtherPackage));
    for len in 0..bytes.len() {
        assert!(Delta::open(&bytes[..len]).is_err(), "{len} bytes");
    }
    let mut broken = bytes.clone();
    for bit in 0..8 * bytes.len() {
        broken[bit / 8] ^= 1 << (bit % 8);
        assert!(Delta::open(&broken).is_err(), "bit {bit}");
        broken[bit / 8] ^= 1 << (bit % 8);
    }
    // With a valid checksum: sizes that are not the file's, a bias that could overflow.
    let sealed = |at: usize, word: u32| {
        let mut forged = bytes.clone();
        forged[at..at + 4].copy_from_slice(&word.to_le_bytes());
        let end = forged.len() - 4;
        let crc = crc32fast::hash(&forged[..end]);
        forged[end..].copy_from_slice(&crc.to_le_bytes());
        forged
    };
    for at in [52, 56, 60] {
        for word in [0, 1, 1 << 20, u32::MAX] {
            let forged = sealed(at, word);
            let opened = Delta::open(&forged).and_then(|delta| delta.tail(&package).map(|_| ()));
            assert!(matches!(opened, Err(DeltaError::Malformed { .. })), "{at} {word}");
        }
    }
    let forged = sealed(132, i32::MAX as u32);
    let refused = Delta::open(&forged).unwrap().tail(&package).err();
    assert!(matches!(refused, Some(DeltaError::Malformed { .. })));
    if recipe.what == Tuned::All {
        let forged = sealed(132 + 4 * tail.channels(), u32::MAX);
        let refused = Delta::open(&forged).unwrap().tail(&package).err();
        assert!(matches!(refused, Some(DeltaError::Malformed { .. })), "a negative multiplier");
    }
}
