//! A tuned tail in the engine: the specification's bits on every instruction set and number of
//! threads, dropped without a trace, refused on another package.

use offshoot::{
    Embedding, ErrorKind, Extractor, Frame, Head, HeadError, HeadKind, Isa, Limits, Maps, Options,
    TunedTail, Tuning,
};
use offshoot_core::Package;
use offshoot_core::graph::{Graph, Window};
use offshoot_core::tail::Tail;
use offshoot_engine::{Config, Plan};

mod common;

use common::net::{Net, every_operation, mobile_net, window};
use common::random::Random;

const SIDE: u32 = 48;

/// A network of which row fusion runs the layers before the map and the map's own together.
fn network(linear: bool) -> Vec<u8> {
    let mut net = Net::new(SIDE as u16, 2);
    let stem = net.conv("stem", Net::INPUT, window(3, 2, 1), 1, 8);
    let wide = net.conv("wide", stem, Window::POINT, 1, 32);
    let seen = net.conv("seen", wide, window(3, 2, 1), 32, 32);
    let map = net.conv("map", seen, Window::POINT, 1, 40);
    let mean = net.mean("mean", map);
    let flat = net.flatten("flat", mean);
    let embedding = if linear { net.dense("layer", flat, 24) } else { flat };
    net.package(embedding, 1)
}

fn images(count: usize) -> Vec<Vec<u8>> {
    (0..count)
        .map(|i| {
            let mut random = Random(i as u64);
            let shade = 60 * (1 + i % 3);
            let bytes = random.bytes((3 * SIDE * SIDE) as usize);
            bytes.iter().map(|&byte| (usize::from(byte) * shade / 255) as u8).collect()
        })
        .collect()
}

fn codes(embedding: Embedding<'_>) -> Vec<u8> {
    embedding.bytes().collect()
}

fn embed(extractor: &mut Extractor, pixels: &[u8]) -> Vec<u8> {
    codes(extractor.embed(&Frame::rgb(SIDE, SIDE, pixels).unwrap()).unwrap())
}

/// A tail that is kept whatever the gate says.
fn tuned(extractor: &mut Extractor) -> TunedTail {
    tuned_by(extractor, Tuning::default())
}

fn tuned_by(extractor: &mut Extractor, recipe: Tuning) -> TunedTail {
    let mut maps = Maps::new(extractor, 3).unwrap();
    for (i, pixels) in images(18).iter().enumerate() {
        maps.add_frame(i % 3, extractor, &Frame::rgb(SIDE, SIDE, pixels).unwrap()).unwrap();
    }
    let tuning = Tuning { least_t: f32::NEG_INFINITY, ..recipe };
    let mut steps = 0;
    let tuned = maps.finetune(extractor, &tuning, |_| steps += 1).unwrap();
    assert!(steps > 100 && tuned.verdict.keeps());
    tuned.tail.unwrap()
}

#[test]
fn maps_and_tuned_embeddings_have_the_specified_bits() {
    let nets = [network(false), network(true), mobile_net()];
    let recipes = [Tuning::default(), Tuning::all()];
    for (file, recipe) in nets.iter().flat_map(|net| recipes.map(|recipe| (net.clone(), recipe))) {
        let mut reference = Extractor::from_bytes(file.clone()).unwrap();
        let plain: Vec<Vec<u8>> = images(6).iter().map(|p| embed(&mut reference, p)).collect();
        let tail = tuned_by(&mut reference, recipe);
        let package = Package::open(&file).unwrap();
        let spec = Tail::find(package.graph()).unwrap();
        let spec_tuned =
            offshoot_core::tail::Delta::open(tail.bytes()).unwrap().tail(&package).unwrap();
        let mut scratch = vec![0; spec.channels() + spec.pixels()];
        let mut expected = vec![0; spec.dim()];
        let mut differ = false;
        for isa in Isa::available() {
            for (threads, chains) in [(1, true), (1, false), (2, true), (3, true)] {
                let options =
                    Options::new().isa(isa).threads(threads.try_into().unwrap()).row_fusion(chains);
                let mut extractor = Extractor::from_bytes_with(file.clone(), &options).unwrap();
                extractor.keep_maps().unwrap();
                for (pixels, plain) in images(6).iter().zip(&plain) {
                    assert_eq!(embed(&mut extractor, pixels), *plain, "{options:?}");
                    let map = extractor.map().unwrap().to_vec();
                    spec.embed(&map, &mut scratch, &mut expected);
                    assert!(expected.iter().map(|&code| code as u8).eq(plain.iter().copied()));
                    extractor.set_tail(Some(&tail)).unwrap();
                    let got = embed(&mut extractor, pixels);
                    spec_tuned.embed(&map, &mut scratch, &mut expected);
                    assert!(expected.iter().map(|&code| code as u8).eq(got.iter().copied()));
                    assert_eq!(codes(extractor.embed_map(&map).unwrap()), got);
                    differ |= got != *plain;
                    // Undo.
                    extractor.set_tail(None).unwrap();
                    assert_eq!(embed(&mut extractor, pixels), *plain);
                    extractor.keep_maps().unwrap();
                }
            }
        }
        assert!(differ, "tuning changes embeddings");
    }
}

/// A plan that also gives the map keeps it to the end of the run, in an arena as exact as any.
#[test]
fn a_plan_may_keep_the_map() {
    for file in [network(true), mobile_net()] {
        let package = Package::open(&file).unwrap();
        let graph = package.graph();
        let tail = Tail::find(graph).unwrap();
        for isa in Isa::available() {
            let config = Config::from(isa);
            let all = 0..graph.node_count();
            let output = [graph.output()];
            let (plain, _) = Plan::build(graph, config, all.clone(), &[0], &output).unwrap();
            let both = [graph.output(), tail.map()];
            let (plan, slots) = Plan::build(graph, config, all, &[Graph::INPUT], &both).unwrap();
            let map = Plan::<Vec<offshoot_engine::Step>>::value(graph, &slots, tail.map()).unwrap();
            assert!(
                plan.arena_bytes() <= plain.arena_bytes() + tail.map_len().next_multiple_of(64)
            );
            let mut packed = vec![0; plan.packed_bytes()];
            plan.pack(graph.weights(), &mut packed).unwrap();
            let mut arena = vec![0; plan.arena_bytes()];
            let input = Random(3).codes(plan.input().range().len());
            arena[plan.input().range()].copy_from_slice(&input);
            plan.run(graph.weights(), &packed, &mut arena).unwrap();
            let got = arena[plan.output().range()].to_vec();
            let mut scratch = vec![0; tail.channels() + tail.pixels()];
            let mut expected = vec![0; tail.dim()];
            tail.embed(&arena[map.range()], &mut scratch, &mut expected);
            assert_eq!(got, expected, "{}", isa.name());
            let mut arena = vec![0; plain.arena_bytes()];
            arena[plain.input().range()].copy_from_slice(&input);
            plain.run(graph.weights(), &packed, &mut arena).unwrap();
            assert_eq!(arena[plain.output().range()], got, "{}", isa.name());
        }
    }
}

/// Twelve frames of two classes by a formula, with which the doors of other languages compare.
fn formula(i: u32) -> Vec<u8> {
    let made = |at: u32| (at + 1000 * i).wrapping_mul(2_654_435_761) >> 24;
    (0..3 * 32 * 32).map(|at| (made(at) / 2 + 100 * (i % 2)) as u8).collect()
}

/// The tail of the formula's frames has the bytes of which Python's and JavaScript's tests have the
/// digest, too.
#[test]
fn the_tail_of_the_formula_has_its_digest() {
    let sprout = concat!(env!("CARGO_MANIFEST_DIR"), "/../models/sprout/sprout.offshoot");
    let mut extractor = Extractor::open(sprout).unwrap();
    let mut maps = Maps::new(&mut extractor, 2).unwrap();
    for i in 0..12 {
        let pixels = formula(i);
        let frame = Frame::rgb(32, 32, &pixels).unwrap();
        maps.add_frame((i % 2) as usize, &mut extractor, &frame).unwrap();
    }
    let tuning = Tuning { epochs: Some(2), least_t: f32::NEG_INFINITY, ..Tuning::default() };
    let tail = maps.finetune(&extractor, &tuning, |_| {}).unwrap().tail.unwrap();
    extractor.set_tail(Some(&tail)).unwrap();
    let pixels = formula(3);
    let embedding = codes(extractor.embed(&Frame::rgb(32, 32, &pixels).unwrap()).unwrap());
    assert_eq!([digest(tail.bytes()), digest(&embedding)], DIGESTS);
}

/// First digits of SHA-256: of the formula's tail, and of an embedding of the tuned network.
const DIGESTS: [&str; 2] = ["578e6786ba6ffc26", "de7ac81a9b067e69"];

fn digest(bytes: &[u8]) -> String {
    use sha2::{Digest, Sha256};
    Sha256::digest(bytes)[..8].iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn heads_are_bound_to_their_tail() {
    let mut extractor = Extractor::from_bytes(network(true)).unwrap();
    let id = extractor.id();
    let limits = Limits { classes: 2, samples: 4 };
    let head = Head::new(HeadKind::Ridge, &extractor, limits).unwrap().to_bytes();
    let memory = extractor.memory();
    let tail = tuned(&mut extractor);
    extractor.set_tail(Some(&tail)).unwrap();
    assert_eq!((extractor.id(), tail.package_id()), (tail.id(), id));
    let refused = Head::from_bytes(&head, &extractor).unwrap_err();
    assert!(matches!(refused.kind(), ErrorKind::Head(HeadError::OtherPackage)));
    let verification = extractor.verify().unwrap();
    assert!(verification.is_ok() && verification.vectors == 2, "{verification}");
    assert_eq!(extractor.verify().unwrap(), verification);
    assert!(extractor.memory().arena > memory.arena);
    extractor.set_tail(None).unwrap();
    assert_eq!(extractor.id(), id);
    assert!(Head::from_bytes(&head, &extractor).is_ok());
    assert!(extractor.map().is_none());
}

#[test]
fn files_survive_and_other_packages_refuse() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("things.tail");
    let mut extractor = Extractor::from_bytes(network(true)).unwrap();
    let tail = tuned(&mut extractor);
    tail.save(&path).unwrap();
    let again = TunedTail::load(&path).unwrap();
    assert_eq!(again, tail);
    assert_eq!(again.recorded().evidence.samples, 18);
    let mut other = Extractor::from_bytes(network(false)).unwrap();
    let refused = other.set_tail(Some(&again)).unwrap_err();
    assert!(refused.to_string().contains("tuned on another package"), "{refused}");
    std::fs::write(&path, &tail.bytes()[1..]).unwrap();
    let refused = TunedTail::load(&path).unwrap_err();
    assert!(refused.to_string().contains("things.tail: not a tuned tail"), "{refused}");
    let mut none = Extractor::from_bytes(every_operation()).unwrap();
    assert_eq!(none.map_len(), None);
    let refused = Maps::new(&mut none, 2).unwrap_err();
    assert!(refused.to_string().contains("nothing can be tuned"), "{refused}");
    let mut maps = Maps::new(&mut extractor, 2).unwrap();
    assert!(maps.add(2, &vec![0; extractor.map_len().unwrap()]).is_err());
    assert!(maps.add(0, &[0; 3]).is_err() && maps.is_empty());
}

/// Activation maps are those of the tuned network: parts that add up to its decision.
#[test]
fn activations_follow_the_tail() {
    let mut extractor = Extractor::from_bytes(network(true)).unwrap();
    let tail = tuned(&mut extractor);
    extractor.set_tail(Some(&tail)).unwrap();
    let mut head =
        Head::new(HeadKind::Ridge, &extractor, Limits { classes: 3, samples: 18 }).unwrap();
    let classes = ["a", "b", "c"].map(|name| head.add_class(name).unwrap());
    let images = images(18);
    for (i, pixels) in images.iter().enumerate() {
        let frame = Frame::rgb(SIDE, SIDE, pixels).unwrap();
        head.add_sample(classes[i % 3], extractor.embed(&frame).unwrap()).unwrap();
    }
    head.fit().unwrap();
    let mut sums = Vec::new();
    for pixels in &images {
        extractor.embed(&Frame::rgb(SIDE, SIDE, pixels).unwrap()).unwrap();
        let map = extractor.activations(&head, classes[0]).unwrap().expect("a map");
        sums.push(map.values.iter().sum::<f32>());
    }
    let mean = |class: usize| -> f32 {
        let own = sums.iter().skip(class).step_by(3);
        own.clone().sum::<f32>() / own.count() as f32
    };
    assert!(mean(0) > mean(1) && mean(0) > mean(2), "{sums:?}");
}
