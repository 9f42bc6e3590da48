//! Steps that hand each other rows, and threads that share them, against the portable engine.

mod common;

use common::{Rng, cases, plan, random_affine, random_conv, run};
use offshoot_core::Shape;
use offshoot_core::graph::{Clamp, Graph, Int8Op, Op, Window};
use offshoot_core::package::GraphWriter;
use offshoot_engine::{Config, Isa};

/// Expansion, depthwise, projection and sum, which kernels run row by row; each convolution alone
/// is held to the specification above, so here every way of running must equal the portable one.
#[test]
fn inverted_residuals() {
    let mut rng = Rng(8);
    let mut shorter = 0;
    let [most_channels, most_rows, most_columns] = if cfg!(miri) { [4; 3] } else { [20, 30, 60] };
    for case in 0..cases(60) {
        let channels = 1 + rng.below(most_channels);
        let input =
            Shape::new(9 + rng.below(most_rows), 5 + rng.below(most_columns), channels).unwrap();
        let mut writer = GraphWriter::new(rng.tensor(input));
        let mut last = (Graph::INPUT, input);
        if case % 4 > 0 {
            let window = if case % 4 == 1 {
                Window { kernel: [3; 2], stride: [2; 2], pad: [1; 4], ..Window::POINT }
            } else {
                Window::POINT
            };
            let wide = 17 + rng.below(40);
            last = random_conv(&mut rng, &mut writer, last, wide, 1, window);
        }
        let side = [3, 5][rng.below(2) as usize];
        let stride = 1 + rng.below(2) as u8;
        let dilation = 1 + rng.below(2) as u8;
        let extent = dilation * (side - 1) + 1;
        let mut pad = [0u8; 4].map(|_| rng.below(u32::from(extent) + 1) as u8);
        if last.1.h().min(last.1.w()) < usize::from(extent) {
            pad = [extent / 2; 4];
        }
        let window =
            Window { kernel: [side; 2], stride: [stride; 2], dilation: [dilation; 2], pad };
        let wide = last.1.c() as u32;
        if wide == 1 || window.output(last.1).is_none() {
            continue;
        }
        last = random_conv(&mut rng, &mut writer, last, wide, wide as u16, window);
        last = random_conv(&mut rng, &mut writer, last, channels, 1, Window::POINT);
        if last.1 == input {
            let t = rng.tensor(input);
            let add = Int8Op::Add { a: random_affine(&mut rng), b: 700, clamp: Clamp::NONE };
            last.0 = writer.node("add", Op::Int8(add), &[last.0, Graph::INPUT], t).unwrap();
        }
        let x = rng.codes(input.elements());
        let want = run(&writer, last.0, &x);
        let graph = writer.graph(last.0).unwrap();
        shorter += usize::from(arena_bytes(&graph, true) < arena_bytes(&graph, false));
        // WebAssembly has no threads.
        #[cfg(feature = "std")]
        let threads = if cfg!(target_family = "wasm") { 1 } else { 1 + case as u8 % 3 };
        #[cfg(feature = "std")]
        assert_eq!(run_by_team(&graph, &x, threads), want);
    }
    assert!(shorter >= 15 || cfg!(miri) || Isa::best() == Isa::GENERIC, "{shorter} chains");
}

/// MobileNetV1 0.25 (Howard et al. 2017, table 1): output channels and stride of each depthwise
/// pair.
const MOBILENET_V1: [(u32, u8); 13] = [
    (16, 1),
    (32, 2),
    (32, 1),
    (64, 2),
    (64, 1),
    (128, 2),
    (128, 1),
    (128, 1),
    (128, 1),
    (128, 1),
    (128, 1),
    (256, 2),
    (256, 1),
];

fn window(side: u8, stride: u8) -> Window {
    Window { kernel: [side; 2], stride: [stride; 2], dilation: [1; 2], pad: [side / 2; 4] }
}

/// Gathers rows: small networks still run in the memory of their
/// maps, with the same bits.
#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn scratch_does_not_decide_the_arena() {
    for (side, separable) in [(224, true), (96, true), (96, false)] {
        let mut rng = Rng(9);
        let input = Shape::new(side, side, 3).unwrap();
        let mut writer = GraphWriter::new(rng.tensor(input));
        let mut last =
            random_conv(&mut rng, &mut writer, (Graph::INPUT, input), 8, 1, window(3, 2));
        for (channels, stride) in MOBILENET_V1 {
            if separable {
                let wide = last.1.c() as u32;
                last =
                    random_conv(&mut rng, &mut writer, last, wide, wide as u16, window(3, stride));
                last = random_conv(&mut rng, &mut writer, last, channels, 1, Window::POINT);
            } else {
                last = random_conv(&mut rng, &mut writer, last, channels, 1, window(3, stride));
            }
        }
        let x = rng.codes(input.elements());
        run(&writer, last.0, &x);
        let graph = writer.graph(last.0).unwrap();
        for (isa, threads) in Isa::available().flat_map(|isa| [(isa, 1u8), (isa, 2)]) {
            let plan = plan(&graph, Config { threads: threads.try_into().unwrap(), ..isa.into() });
            let arena = plan.arena_bytes();
            let live_set = plan.live_set_bytes();
            assert!(
                20 * arena <= 21 * live_set,
                "{side} {separable} {isa:?} by {threads}: {arena} of {live_set}"
            );
        }
    }
}

fn arena_bytes(graph: &Graph<'_>, chains: bool) -> usize {
    plan(graph, Config { chains, ..Isa::best().into() }).arena_bytes()
}

#[cfg(feature = "std")]
fn run_by_team(graph: &Graph<'_>, input: &[i8], threads: u8) -> Vec<i8> {
    let plan = plan(graph, Config { threads: threads.try_into().unwrap(), ..Isa::best().into() });
    let mut packed = vec![0; plan.packed_bytes()];
    let mut arena = vec![0; plan.arena_bytes()];
    plan.pack(graph.weights(), &mut packed).unwrap();
    let mut team = offshoot_engine::Team::new(threads.div_ceil(2)).unwrap();
    for _ in 0..2 {
        arena[plan.input().range()].copy_from_slice(input);
        team.run(&plan, graph.weights(), &packed, &mut arena).unwrap();
    }
    arena[plan.output().range()].to_vec()
}

/// Weights of another package are the caller's mistake: every thread panics, none waits for ever.
#[cfg(all(feature = "std", not(target_family = "wasm")))]
#[test]
fn a_team_that_panics_ends() {
    let mut writer = GraphWriter::new(Rng(9).tensor(Shape::new(8, 8, 4).unwrap()));
    let (id, _) = random_conv(
        &mut Rng(9),
        &mut writer,
        (Graph::INPUT, Shape::new(8, 8, 4).unwrap()),
        4,
        2,
        Window { kernel: [9; 2], pad: [4; 4], ..Window::POINT },
    );
    let graph = writer.graph(id).unwrap();
    let plan = plan(&graph, Config { threads: 2.try_into().unwrap(), ..Isa::GENERIC.into() });
    let mut team = offshoot_engine::Team::new(2).unwrap();
    let mut arena = vec![0; plan.arena_bytes()];
    let run = std::panic::AssertUnwindSafe(|| team.run(&plan, &[], &[], &mut arena));
    assert!(std::panic::catch_unwind(run).is_err());
}
