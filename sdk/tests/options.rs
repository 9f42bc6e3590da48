//! Options of an extractor change its speed, never its result; an observer sees every stage.

use offshoot::{Extractor, Frame, Isa, Options, Stage};
use offshoot_core::Package;
use offshoot_core::graph::{Graph, Int8Op, Op};
use offshoot_core::package::{Packed, with_packed};
use offshoot_engine::{Plan, Target};

mod common;

use common::net::{every_operation, mobile_net};
use common::random::Random;

fn pixels() -> Vec<u8> {
    Random(5).bytes(3 * 60 * 52)
}

fn codes(extractor: &mut Extractor, pixels: &[u8]) -> Vec<u8> {
    extractor.embed(&Frame::rgb(60, 52, pixels).unwrap()).unwrap().bytes().collect()
}

#[test]
fn threads_instruction_sets_and_chains_give_the_same_bits() {
    let pixels = pixels();
    for package in [mobile_net(), every_operation()] {
        let generic = Options::new().isa(Isa::GENERIC);
        let mut reference = Extractor::from_bytes_with(package.clone(), &generic).unwrap();
        assert_eq!((reference.isa(), reference.threads()), (Some(Isa::GENERIC), 1));
        let expected = codes(&mut reference, &pixels);
        let digest = reference.verify().unwrap().digest;
        for isa in Isa::available() {
            for (threads, chains) in [(1, true), (1, false), (2, true), (3, false), (5, true)] {
                let options =
                    Options::new().threads(threads.try_into().unwrap()).isa(isa).row_fusion(chains);
                let mut extractor = Extractor::from_bytes_with(package.clone(), &options).unwrap();
                assert_eq!((extractor.isa(), extractor.threads()), (Some(isa), threads.into()));
                for _ in 0..3 {
                    assert_eq!(codes(&mut extractor, &pixels), expected, "{options:?}");
                }
                assert_eq!(extractor.verify().unwrap().digest, digest, "{options:?}");
            }
        }
    }
}

/// The stages of one extraction.
fn stages(extractor: &mut Extractor, pixels: &[u8]) -> Vec<Stage> {
    let mut stages = Vec::new();
    let frame = Frame::rgb(60, 52, pixels).unwrap();
    extractor.embed_with_observer(&frame, |stage| stages.push(stage)).unwrap();
    stages
}

#[test]
fn every_node_is_told_in_order() {
    let pixels = pixels();
    for package in [mobile_net(), every_operation()] {
        for threads in [1, 2] {
            let options = Options::new().threads(threads.try_into().unwrap());
            let mut extractor = Extractor::from_bytes_with(package.clone(), &options).unwrap();
            let stages = stages(&mut extractor, &pixels);
            assert_eq!(stages[0], Stage::Preprocess);
            let mut told: Vec<usize> = Vec::new();
            for stage in &stages[1..] {
                let Stage::Nodes(nodes) = stage else { panic!("{stages:?}") };
                told.extend(nodes.clone());
            }
            assert!(told.is_sorted(), "{stages:?}");
            let package = extractor.package();
            let graph = package.graph();
            // In the order of the graph; a concatenation once for each operand.
            let expected: Vec<usize> = graph
                .nodes()
                .flat_map(|(id, node)| {
                    let times = match node.op {
                        Op::Int8(Int8Op::Reshape) => 0,
                        Op::Int8(Int8Op::Concat { .. }) => node.inputs.len(),
                        _ => 1,
                    };
                    std::iter::repeat_n(usize::from(id) - 1, times)
                })
                .collect();
            assert_eq!(told, expected);
        }
    }
}

#[test]
fn chains_are_told_as_one() {
    let package = mobile_net();
    let count = |chains| {
        let options = Options::new().row_fusion(chains);
        let mut extractor = Extractor::from_bytes_with(package.clone(), &options).unwrap();
        let stages = stages(&mut extractor, &pixels());
        stages.iter().filter(|s| matches!(s, Stage::Nodes(nodes) if nodes.len() > 1)).count()
    };
    assert_eq!(count(false), 0);
    let fast = Isa::best() != Isa::GENERIC;
    assert_eq!(count(true) > 0, fast, "kernels chain, portable code does not");
}

/// Weights packed where the package is made are used where they lie, and give the same bits.
#[test]
fn packed_weights_are_used_in_place() {
    let pixels = pixels();
    let plain = mobile_net();
    let mut reference = Extractor::from_bytes(plain.clone()).unwrap();
    assert!(!reference.memory().packed_in_file);
    let expected = codes(&mut reference, &pixels);
    let package = Package::open(&plain).unwrap();
    let graph = package.graph();
    let all = 0..package.graph().node_count();
    let (plan, _) =
        Plan::build(graph, Isa::GENERIC, all, &[Graph::INPUT], &[graph.output()]).unwrap();
    for target in Target::ALL {
        let mut panels = vec![0; plan.packed_bytes_for(&target)];
        plan.pack_for(&target, graph.weights(), &mut panels).unwrap();
        let packed = Packed { target: target.name(), order: target.order(), panels: &panels };
        let here = Isa::named(target.name());
        // Of another version's order, nothing is used.
        for (order, used) in [(target.order(), here.is_some()), (target.order() ^ 1, false)] {
            let file = with_packed(&plain, Packed { order, ..packed }).unwrap();
            let options = here.map_or(Options::new(), |isa| Options::new().isa(isa));
            let mut extractor = Extractor::from_bytes_with(file, &options).unwrap();
            assert_eq!(extractor.memory().packed_in_file, used, "{}", target.name());
            assert_eq!(codes(&mut extractor, &pixels), expected, "{}", target.name());
            assert_eq!(extractor.id(), reference.id());
        }
    }
}
