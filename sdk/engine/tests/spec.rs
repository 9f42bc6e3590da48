//! The engine against `sdk/docs/numerics.md`, written down a second time in the plainest way:
//! every operation, on random shapes, windows, scales and zero points, bit for bit.

mod common;

use common::{
    Conv, Rng, cases, conv_case, random_affine, random_shape, random_window, requant, run, run_at,
    taps, zero,
};
use offshoot_core::graph::{
    Affine, Clamp, Element, Graph, Int8Op, Op, Permutation, Slice, Tensor, Window,
};
use offshoot_core::package::GraphWriter;
use offshoot_core::{Multiplier, Quant, Scale, Shape};
use offshoot_engine::{Isa, Plan, PlanError, RunError, Slot, Step};

#[test]
fn convolutions() {
    let mut rng = Rng(1);
    let mut ran = 0;
    for _ in 0..cases(400) {
        let window = random_window(&mut rng, false);
        let groups = [1, 1, 2, 3][rng.below(4) as usize];
        let input = groups * (1 + rng.below(20));
        let output = groups * (1 + rng.below(11));
        let shape = random_shape(&mut rng, input);
        ran += u32::from(conv_case(&mut rng, shape, output, groups as u16, window));
    }
    assert!(ran > cases(200));
}

#[test]
fn depthwise_convolutions() {
    let mut rng = Rng(2);
    for _ in 0..cases(300) {
        let window = random_window(&mut rng, false);
        let channels = 2 + rng.below(40);
        let shape = random_shape(&mut rng, channels);
        conv_case(&mut rng, shape, channels, channels as u16, window);
    }
}

/// Two tiles and one more of whatever a kernel tiles: most tiles are no larger than 16.
const SIZES: std::ops::RangeInclusive<u32> = 1..=33;

#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn every_size_of_tile() {
    let mut rng = Rng(8);
    for i in SIZES {
        for j in SIZES {
            let any = 1 + rng.below(20);
            for [pixels, channels, depth] in [[i.min(17), j, any], [i.min(17), any, j], [any, i, j]]
            {
                let shape = Shape::new(1, pixels, depth).unwrap();
                assert!(conv_case(&mut rng, shape, channels, 1, Window::POINT));
            }
        }
    }
}

/// Tiles of 64 channels, which AVX-512 has, and every number of panels that it puts side by side.
#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn wide_tiles() {
    let mut rng = Rng(12);
    let square = Window { kernel: [3; 2], stride: [1; 2], dilation: [1; 2], pad: [1; 4] };
    for channels in (33..=129).step_by(3).chain([63, 64, 65, 127, 128, 129, 192, 200]) {
        for pixels in [1, 3, 4, 6, 8 + rng.below(9), 25] {
            let shape = Shape::new(1, pixels, 1 + rng.below(9)).unwrap();
            assert!(conv_case(&mut rng, shape, channels, 1, Window::POINT));
        }
        let shape = Shape::new(3, 1 + rng.below(9), channels).unwrap();
        assert!(conv_case(&mut rng, shape, channels, channels as u16, square));
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn depthwise_windows_of_every_width() {
    let mut rng = Rng(9);
    for channels in SIZES.skip(1) {
        for (kernel, stride, pad) in
            [(3, 1, 1), (3, 2, 1), (3, 1, 0), (3, 2, 0), (3, 3, 1), (5, 1, 2), (5, 2, 1)]
        {
            for width in [kernel, kernel + 1 + rng.below(14)] {
                let shape = Shape::new(3 + rng.below(3), width, channels).unwrap();
                let window = Window {
                    kernel: [kernel as u8; 2],
                    stride: [stride; 2],
                    dilation: [1; 2],
                    pad: [pad; 4],
                };
                conv_case(&mut rng, shape, channels, channels as u16, window);
            }
        }
    }
    // Wider than what is handled at a time.
    for (stride, dilation) in [(1, 1), (2, 1), (1, 2)] {
        let window =
            Window { kernel: [3; 2], stride: [1, stride], dilation: [1, dilation], pad: [1; 4] };
        assert!(conv_case(&mut rng, Shape::new(3, 400, 17).unwrap(), 17, 17, window));
    }
}

/// The largest products that there are, all of one sign: -128 times -128, where 16 bits are too few
/// for two of them.
#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn largest_products() {
    let mut rng = Rng(10);
    let square = Window { kernel: [3; 2], stride: [1; 2], dilation: [1; 2], pad: [1; 4] };
    for (window, groups) in
        [(Window::POINT, 1), (square, 1), (square, 32), (Window { stride: [2; 2], ..square }, 32)]
    {
        for (weight, code) in [(-128, -128), (-128, 127), (127, -128), (-127, -128)] {
            let shape = Shape::new(5, 5, 32).unwrap();
            let (h, w) = window.output(shape).unwrap();
            let a = rng.tensor(shape);
            let quant = Quant { scale: Scale::ONE, zero_point: 0 };
            let out =
                Tensor { shape: Shape::new(h, w, 32).unwrap(), element: Element::Int8(quant) };
            let mut conv = Conv::random(&mut rng, 32 / usize::from(groups), 32, groups, window);
            conv.weights.fill(weight);
            // Codes up to 60 that are not clamped, so that a wrong sum is seen.
            let products = window.taps() * 32 / usize::from(groups);
            conv.mantissas.fill(((60 << 31) / (products as i64 * 255 * 128)) as i32);
            conv.bias.fill(0);
            (conv.shift, conv.clamp) = (0, Clamp::NONE);
            let mut writer = GraphWriter::new(a);
            let id = conv.write(&mut writer, out);
            let x = vec![code; shape.elements()];
            assert_eq!(
                run(&writer, id, &x),
                conv.want(&a, &out, &x),
                "{weight} * {code} {window:?}"
            );
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn every_alignment() {
    let mut rng = Rng(11);
    let square = Window { kernel: [3; 2], stride: [1; 2], dilation: [1; 2], pad: [1; 4] };
    for (window, groups) in [(Window::POINT, 1), (square, 1), (square, 24)] {
        let shape = Shape::new(5, 5, 24).unwrap();
        let a = rng.tensor(shape);
        let out = rng.tensor(shape);
        let conv = Conv::random(&mut rng, 24 / usize::from(groups), 24, groups, window);
        let mut writer = GraphWriter::new(a);
        let id = conv.write(&mut writer, out);
        let x = rng.codes(shape.elements());
        let graph = writer.graph(id).unwrap();
        let want = conv.want(&a, &out, &x);
        for isa in Isa::available() {
            for offset in 0..16 {
                assert_eq!(
                    run_at(isa.into(), &graph, &x, offset, 15 - offset),
                    want,
                    "{isa} {offset} {window:?}"
                );
            }
        }
    }
}

#[test]
#[cfg_attr(miri, ignore = "takes hours")]
fn long_fan_in_reads_rows_in_place() {
    let mut rng = Rng(3);
    for (channels, kernel, dilation) in
        [(64, 3, 1), (64, 3, 2), (520, 1, 1), (600, 2, 1), (90, 5, 1)]
    {
        let window = Window {
            kernel: [kernel; 2],
            stride: [1, 2],
            dilation: [dilation; 2],
            pad: [1, 2, 0, 1],
        };
        let shape = Shape::new(6, 7, channels).unwrap();
        assert!(conv_case(&mut rng, shape, 5, 1, window));
        assert!(conv_case(&mut rng, shape, 6, 2, Window { kernel: [5; 2], pad: [4; 4], ..window }));
    }
}

#[test]
fn pools() {
    let mut rng = Rng(4);
    let mut ran = 0;
    for _ in 0..cases(400) {
        let window = random_window(&mut rng, true);
        let channels = 1 + rng.below(20);
        let input = random_shape(&mut rng, channels);
        let Some((h, w)) = window.output(input) else { continue };
        ran += 1;
        let shape = Shape::new(h, w, input.c() as u32).unwrap();
        let a = rng.tensor(input);
        let average = rng.below(2) == 0;
        let out = if average { rng.tensor(shape) } else { Tensor { shape, ..a } };
        let include_pad = rng.below(2) == 0;
        let clamp = rng.clamp();
        let multiplier = Multiplier::new(f64::from(rng.below(4000)) / 1000.0).unwrap();
        let op = if average {
            Int8Op::AveragePool { window, include_pad, multiplier, clamp }
        } else {
            Int8Op::MaxPool { window }
        };
        let mut writer = GraphWriter::new(a);
        let id = writer.node("pool", Op::Int8(op), &[0], out).unwrap();
        let x = rng.codes(input.elements());
        let got = run(&writer, id, &x);
        let mut want = Vec::new();
        for (oy, ox) in (0..h as usize).flat_map(|y| (0..w as usize).map(move |x| (y, x))) {
            let taps = taps(&window, oy, ox, input);
            let seen: Vec<usize> = taps.iter().filter_map(|t| t.2).collect();
            for c in 0..input.c() {
                want.push(if average {
                    let divisor = if include_pad { taps.len() } else { seen.len() } as i64;
                    let sum: i64 = seen.iter().map(|at| i64::from(x[at + c]) - zero(&a)).sum();
                    let mantissa = (i64::from(multiplier.mantissa) + divisor / 2) / divisor;
                    requant(sum, mantissa, multiplier.shift, zero(&out), clamp)
                } else {
                    seen.iter().map(|at| x[at + c]).max().unwrap()
                });
            }
        }
        assert_eq!(got, want, "{input} {window:?} average {average}");
    }
    assert!(ran > cases(100));
}

#[test]
fn add_concat_rescale() {
    let mut rng = Rng(5);
    for _ in 0..cases(200) {
        let channels = [1, 3, 17][rng.below(3) as usize];
        let input = random_shape(&mut rng, channels);
        let mut writer = GraphWriter::new(rng.tensor(input));
        let r = random_affine(&mut rng);
        let clamp = rng.clamp();
        let b = rng.next() as i16;
        let t = rng.tensor(input);
        let rescaled =
            writer.node("r", Op::Int8(Int8Op::Rescale { affine: r, clamp }), &[0], t).unwrap();
        let sum = random_affine(&mut rng);
        let t = rng.tensor(input);
        let add = writer
            .node("a", Op::Int8(Int8Op::Add { a: sum, b, clamp }), &[rescaled, 0], t)
            .unwrap();
        let t = rng.tensor(input);
        let twice =
            writer.node("t", Op::Int8(Int8Op::Add { a: sum, b, clamp }), &[add, add], t).unwrap();
        let maps = [random_affine(&mut rng), random_affine(&mut rng), random_affine(&mut rng)];
        let affines = writer.affines(&maps).unwrap();
        let shape = Shape::new(input.h() as u32, input.w() as u32, 3 * channels).unwrap();
        let t = rng.tensor(shape);
        let joined =
            writer.node("c", Op::Int8(Int8Op::Concat { affines }), &[twice, 0, add], t).unwrap();
        let x = rng.codes(input.elements());
        let got = run(&writer, joined, &x);

        let affine = |m: Affine, acc: i64, clamp: Clamp| {
            ((acc + i64::from(m.offset)) >> m.shift).clamp(clamp.lo.into(), clamp.hi.into())
        };
        let mut want = vec![0i8; got.len()];
        for (i, &code) in x.iter().enumerate() {
            let code = i64::from(code);
            let f = i64::from(sum.factor);
            let b = i64::from(b);
            let rescaled = affine(r, code * i64::from(r.factor), clamp);
            let add = affine(sum, rescaled * f + code * b, clamp);
            let twice = affine(sum, add * f + add * b, clamp);
            let pixel = i / input.c();
            let c = i % input.c();
            for (part, value) in [twice, code, add].into_iter().enumerate() {
                want[pixel * 3 * input.c() + part * input.c() + c] =
                    affine(maps[part], value * i64::from(maps[part].factor), Clamp::NONE) as i8;
            }
        }
        assert_eq!(got, want, "{input}");
    }
}

#[test]
fn pad_reshape_flatten() {
    let mut rng = Rng(6);
    for _ in 0..cases(100) {
        let channels = 1 + rng.below(6);
        let input = random_shape(&mut rng, channels);
        let a = rng.tensor(input);
        let pad = [0u8; 4].map(|_| rng.below(4) as u8);
        let [top, left, bottom, right] = pad.map(usize::from);
        let h = input.h() + top + bottom;
        let w = input.w() + left + right;
        let padded = Tensor { shape: Shape::new(h as u32, w as u32, channels).unwrap(), ..a };
        let swapped = Tensor { shape: Shape::new(w as u32, h as u32, channels).unwrap(), ..a };
        let vector = Tensor { shape: Shape::vector((h * w) as u32 * channels).unwrap(), ..a };
        let mut writer = GraphWriter::new(a);
        let p = writer.node("pad", Op::Int8(Int8Op::Pad { pad }), &[0], padded).unwrap();
        let r = writer.node("reshape", Op::Int8(Int8Op::Reshape), &[p], swapped).unwrap();
        let f = writer.node("flatten", Op::Int8(Int8Op::Flatten), &[r], vector).unwrap();
        let x = rng.codes(input.elements());
        let got = run(&writer, f, &x);
        let mut want = Vec::new();
        for c in 0..input.c() {
            for i in 0..h * w {
                let y = i / w;
                let z = i % w;
                let inside =
                    (top..top + input.h()).contains(&y) && (left..left + input.w()).contains(&z);
                want.push(if inside {
                    x[((y - top) * input.w() + z - left) * input.c() + c]
                } else {
                    zero(&a) as i8
                });
            }
        }
        assert_eq!(got, want);
    }
}

#[test]
fn table_and_multiply() {
    let mut rng = Rng(12);
    for _ in 0..cases(200) {
        let channels = 1 + rng.below(40);
        let input = random_shape(&mut rng, channels);
        let a = rng.tensor(input);
        let t = rng.tensor(input);
        let m = rng.tensor(input);
        let n = rng.tensor(input);
        let mut writer = GraphWriter::new(a);
        let codes: Vec<i8> = (0..256).map(|_| rng.code()).collect();
        let table = writer.codes(&codes).unwrap();
        let looked_up = writer.node("t", Op::Int8(Int8Op::Table { table }), &[0], t).unwrap();
        // One value per channel: the first pixel of the feature map.
        let mut vector = 0;
        for axis in 0..2 {
            let h = input.h() as u32;
            let _ = input.w();
            let c = input.c() as u32;
            let shape = if axis == 0 { Shape::new(h, 1, c) } else { Shape::vector(c) }.unwrap();
            let op = Int8Op::Slice(Slice { axis: 1 - axis, from: 0 });
            vector = writer.node("s", Op::Int8(op), &[vector], Tensor { shape, ..a }).unwrap();
        }
        let clamp = rng.clamp();
        let multiplier = Multiplier::new(f64::from(rng.below(4000)) / 100_000.0).unwrap();
        let op = Op::Int8(Int8Op::Multiply { multiplier, clamp });
        let scaled = writer.node("m", op, &[looked_up, vector], m).unwrap();
        let square = writer.node("n", op, &[scaled, scaled], n).unwrap();
        let x = rng.codes(input.elements());
        let got = run(&writer, square, &x);
        let product = |a: i64, b: i64, out: &Tensor| {
            i64::from(requant(
                a * b,
                multiplier.mantissa.into(),
                multiplier.shift,
                zero(out),
                clamp,
            ))
        };
        let want: Vec<i8> = (0..x.len())
            .map(|i| {
                let looked_up = i64::from(codes[(i64::from(x[i]) + 128) as usize]);
                let vector = i64::from(x[i % input.c()]);
                let scaled = product(looked_up - zero(&t), vector - zero(&a), &m) - zero(&m);
                product(scaled, scaled, &n) as i8
            })
            .collect();
        assert_eq!(got, want, "{input}");
    }
}

#[test]
fn permute_slice_upsample() {
    let mut rng = Rng(13);
    for _ in 0..cases(200) {
        let dims = [0u32; 4].map(|_| 1 + rng.below(6));
        let input = Shape::new(dims[0], dims[1], dims[2] * dims[3]).unwrap();
        let a = rng.tensor(input);
        let mut order = [0u8, 1, 2, 3];
        (0..4).for_each(|i| order.swap(i, rng.below(4) as usize));
        let out = order.map(|axis| dims[usize::from(axis)]);
        let permuted = Shape::new(out[0] * out[1], out[2], out[3]).unwrap();
        let axis = rng.below(3) as usize;
        let mut part = permuted.dims();
        let from = rng.below(permuted.dims()[axis] as u32);
        part[axis] = 1 + rng.below((part[axis] - from as usize) as u32) as usize;
        let factor = [1 + rng.below(3) as u8, 1 + rng.below(3) as u8];
        let tensor = |[h, w, c]: [usize; 3]| Tensor {
            shape: Shape::new(h as u32, w as u32, c as u32).unwrap(),
            ..a
        };
        let large = [part[0] * usize::from(factor[0]), part[1] * usize::from(factor[1]), part[2]];
        let mut writer = GraphWriter::new(a);
        let op = Int8Op::Permute(Permutation { dims, order });
        let p = writer.node("p", Op::Int8(op), &[0], tensor(permuted.dims())).unwrap();
        let op = Int8Op::Slice(Slice { axis: axis as u8, from });
        let s = writer.node("s", Op::Int8(op), &[p], tensor(part)).unwrap();
        let u =
            writer.node("u", Op::Int8(Int8Op::Upsample { factor }), &[s], tensor(large)).unwrap();
        let x = rng.codes(input.elements());
        let got = run(&writer, u, &x);

        let d = dims.map(|n| n as usize);
        let mut moved = vec![0; x.len()];
        for (at, &code) in x.iter().enumerate() {
            let place =
                [at / (d[1] * d[2] * d[3]), at / (d[2] * d[3]) % d[1], at / d[3] % d[2], at % d[3]];
            let to = order
                .iter()
                .fold(0, |to, &axis| to * d[usize::from(axis)] + place[usize::from(axis)]);
            moved[to] = code;
        }
        let mut want = Vec::new();
        for (r, q) in (0..large[0]).flat_map(|r| (0..large[1]).map(move |q| (r, q))) {
            for c in 0..part[2] {
                let mut at = [r / usize::from(factor[0]), q / usize::from(factor[1]), c];
                at[axis] += from as usize;
                want.push(moved[(at[0] * permuted.w() + at[1]) * permuted.c() + at[2]]);
            }
        }
        assert_eq!(got, want, "{dims:?} {order:?} {axis} {from} {factor:?}");
    }
}

#[test]
fn too_little_memory_is_an_error() {
    let t = Rng(7).tensor(Shape::new(4, 4, 3).unwrap());
    let mut writer = GraphWriter::new(t);
    let id =
        writer.node("pool", Op::Int8(Int8Op::MaxPool { window: Window::POINT }), &[0], t).unwrap();
    let graph: Graph<'_> = writer.graph(id).unwrap();
    let isa = Isa::GENERIC;
    let plan = Plan::new(&graph, isa, &mut [Slot::EMPTY; 1], vec![Step::EMPTY; 1]);
    assert_eq!(plan.unwrap_err(), PlanError::Slots { need: 3, have: 1 });
    let plan = Plan::new(&graph, isa, &mut [Slot::EMPTY; 3], Vec::new());
    assert_eq!(plan.unwrap_err(), PlanError::Steps { need: 1, have: 0 });
    let plan = Plan::new(&graph, isa, &mut [Slot::EMPTY; 3], vec![Step::EMPTY; 1]).unwrap();
    let need = plan.arena_bytes();
    let mut arena = vec![7i8; need - 1];
    let error = plan.run(graph.weights(), &[], &mut arena);
    assert_eq!(error, Err(RunError::Arena { need, have: need - 1 }));
    assert!(arena.iter().all(|&c| c == 7));
}
