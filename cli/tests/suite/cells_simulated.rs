//! Objects that are found on the simulated camera, which knows where they lie.

use std::path::Path;

use offshoot::{Extractor, Frame, Mark, SpatialHead, SpatialLimits};
use offshoot_simulator::{Camera, Object};

use crate::common::{images, ok};

const CAMERA: Camera = Camera::new(160, 120);

/// Share of the frames in which the best answer lies within that many cells of the object's middle.
#[derive(Clone, Copy, Default)]
struct Hits {
    one_cell: f32,
    two_cells: f32,
}

/// Teaches two boxes of one object, and asks about new views of it: another pose, table and light in
/// each frame.
fn session(extractor: &mut Extractor, object: Object, first: u64) -> Hits {
    let mut head = SpatialHead::new(extractor, SpatialLimits { classes: 1 }).unwrap();
    let class = head.add_class(object.name()).unwrap();
    for seed in first..first + 2 {
        let view = CAMERA.look(Some(object), seed);
        let place = CAMERA.place(object, seed).unwrap();
        let [width, height] = [place.right - place.left, place.bottom - place.top];
        let area = [place.left / 160.0, place.top / 120.0, width / 160.0, height / 120.0];
        let cells = extractor.cells(&Frame::rgb(160, 120, &view.rgb).unwrap()).unwrap();
        head.teach(&cells, &[Mark::boxed(class, area)]).unwrap();
    }
    head.fit().unwrap();
    let mut hits = Hits::default();
    let frames = 10;
    for seed in first + 2..first + 2 + frames {
        let view = CAMERA.look(Some(object), seed);
        let [x, y] = CAMERA.place(object, seed).unwrap().middle();
        let cells = extractor.cells(&Frame::rgb(160, 120, &view.rgb).unwrap()).unwrap();
        let found = head.find(&cells).unwrap();
        let Some(best) = found.iter().max_by(|a, b| a.score.total_cmp(&b.score)) else { continue };
        let away = 12.0 * (best.centre[0] - x / 160.0).abs();
        let away = away.max(12.0 * (best.centre[1] - y / 120.0).abs());
        hits.one_cell += f32::from(u8::from(away <= 1.0)) / frames as f32;
        hits.two_cells += f32::from(u8::from(away <= 2.0)) / frames as f32;
    }
    hits
}

/// Floors below what was measured; `docs/detection.md` has the numbers.
#[test]
fn two_lessons_place_most_dots() {
    let folder = tempfile::tempdir().unwrap();
    images(&folder.path().join("views"), &[Object::Mug, Object::Plant, Object::Key], 10);
    let model = crate::common::sprout();
    convert(folder.path(), &model);
    let mut extractor = Extractor::open(folder.path().join("eyes.offshoot")).unwrap();
    let mut all = Hits::default();
    let sessions = 5;
    for (object, session_number) in
        Object::ALL.into_iter().flat_map(|object| (0..sessions).map(move |n| (object, n)))
    {
        let hits = session(&mut extractor, object, 50_000 + 100 * session_number);
        let weight = 1.0 / (Object::ALL.len() as f32 * sessions as f32);
        all.one_cell += weight * hits.one_cell;
        all.two_cells += weight * hits.two_cells;
    }
    println!("within a cell {:.2}, within two {:.2}", all.one_cell, all.two_cells);
    assert!(all.one_cell > 0.40 && all.two_cells > 0.70, "{} {}", all.one_cell, all.two_cells);
}

fn convert(folder: &Path, model: &Path) {
    let model = model.to_str().unwrap();
    let size = ["--cells", "--input-size", "96x96"];
    let convert = ["convert", model, "--calibrate", "views", "-o", "eyes.offshoot"];
    ok(folder, &[&convert[..], &size].concat());
}
