//! Small packages for documentation and tests of other languages; `OFFSHOOT_WRITE_TINY=1` writes
//! them anew.

use std::fs;
use std::path::Path;

use offshoot::{
    CellMap, Cells, CellsLayout, Extractor, Frame, GoodHead, Mark, Neighbours, Sensor, Signal,
    SpatialHead, SpatialLimits,
};
use offshoot_core::Shape;
use offshoot_core::graph::Window;

mod common;

use common::net::{Net, every_operation, window};

fn kept(name: &str, bytes: &[u8]) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests").join(name);
    if std::env::var_os("OFFSHOOT_WRITE_TINY").is_some() {
        fs::write(&path, bytes).unwrap();
    }
    assert!(fs::read(&path).unwrap() == bytes, "{name} is old; OFFSHOOT_WRITE_TINY=1 writes it");
}

/// One map of 16 x 16 cells with eight channels, of frames of 32 x 32 pixels.
fn cells() -> Vec<u8> {
    let mut net = Net::new(32, 3);
    let map = net.conv("map", Net::INPUT, window(3, 2, 1), 1, 8);
    let own = CellMap { height: 16, width: 16, channels: 8, stride: [2; 2], offset: [1; 2] };
    let layout = CellsLayout::new(&[own], Neighbours::ThreeAndSeven, [32, 32], 0).unwrap();
    net.cells_package(&layout, map).unwrap()
}

/// Three channels, windows of 16 places that begin five places apart.
fn signals() -> Vec<u8> {
    let mut net = Net::sensing(Shape::new(1, 16, 3).unwrap(), 1);
    let map = net.conv("map", Net::INPUT, Window { kernel: [1, 3], ..window(1, 1, 0) }, 1, 8);
    let output = net.conv("features", map, Window { kernel: [1, 14], ..window(1, 1, 0) }, 1, 12);
    let channels = Sensor::pack(&[[0.0, 500.0], [100.0, 400.0], [-50.0, 900.0]]);
    let sensor = Sensor { rate: 50.0, unit: 0.5, step: 5, channels: &channels };
    net.signal_package(&sensor, output, &[])
}

#[test]
fn packages_are_those_of_the_files() {
    kept("tiny.offshoot", &every_operation());
    kept("tiny-cells.offshoot", &cells());
    kept("tiny-signals.offshoot", &signals());
}

/// Cells of a bright square on a dark floor; its left upper corner is at `x`, `y`.
fn square(extractor: &mut Extractor, [x, y]: [usize; 2], colour: [u8; 3]) -> Cells<'_> {
    let mut rgb = [40; 3 * 32 * 32];
    for row in y..y + 8 {
        let line = rgb[3 * (32 * row + x)..][..24].as_chunks_mut::<3>().0;
        line.fill(colour);
    }
    extractor.cells(&Frame::rgb(32, 32, &rgb).unwrap()).unwrap()
}

const BRIGHT: [u8; 3] = [220; 3];

/// The tests of other languages do the same with the same package.
#[test]
fn squares_are_found_and_odd_ones_seen() {
    let mut extractor = Extractor::from_bytes(cells()).unwrap();
    let mut head = SpatialHead::new(&extractor, SpatialLimits { classes: 2 }).unwrap();
    let class = head.add_class("square").unwrap();
    let mut good = GoodHead::new(&extractor, false).unwrap();
    for [x, y] in [[2, 4], [16, 8], [8, 20], [22, 22], [4, 12]] {
        let cells = square(&mut extractor, [x, y], BRIGHT);
        let corner = [x as f32 / 32.0, y as f32 / 32.0, 0.25, 0.25];
        head.teach(&cells, &[Mark::boxed(class, corner)]).unwrap();
        good.teach(&cells).unwrap();
        head.fit().unwrap();
        let _ = good.fit();
    }
    let cells = square(&mut extractor, [12, 14], BRIGHT);
    let found = head.find(&cells).unwrap();
    assert_eq!((found.len(), found[0].class), (1, class));
    let [across, down] = found[0].centre;
    assert!((across - 0.5).abs() < 0.0625 && (down - 0.5625).abs() < 0.0625, "{found:?}");
    let usual = good.look(&cells).unwrap();
    println!("{usual:?}");
    assert!(!usual.is_unusual());
    let odd = square(&mut extractor, [12, 14], [255, 0, 255]);
    let unusual = good.look(&odd).unwrap();
    println!("{unusual:?}");
    assert!(unusual.is_unusual());
    assert!((7..11).contains(&(unusual.place / 16)) && (6..10).contains(&(unusual.place % 16)));
    let mut again = GoodHead::from_bytes(&good.to_bytes(), &extractor).unwrap();
    assert_eq!(again.to_bytes().len(), good.encoded_len());
    let other = Extractor::from_bytes(every_operation()).unwrap();
    let refused = GoodHead::from_bytes(&good.to_bytes(), &other).unwrap_err();
    assert!(refused.to_string().contains("another package"), "{refused}");
}

#[test]
fn signals_are_embedded() {
    let mut extractor = Extractor::from_bytes(signals()).unwrap();
    let samples: Vec<f32> = (0..48).map(|at| at as f32 * 10.0 - 200.0).collect();
    let embedding = extractor.embed_signal(&Signal::float(3, &samples).unwrap()).unwrap();
    assert_eq!(embedding.len(), 12);
    assert!(embedding.bytes().any(|byte| byte != 0));
}
