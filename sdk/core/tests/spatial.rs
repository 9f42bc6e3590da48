//! Spatial heads: random sequences against heads made anew, least squares by definition, records.

use offshoot_core::package::PackageId;
use offshoot_core::spatial::{
    CellMap, Cells, CellsLayout, Detection, Mark, Neighbours, SPATIAL_MAGIC, SpatialError,
    SpatialHead, SpatialLimits, SpatialRecord,
};

type Head = SpatialHead<Vec<u64>>;

const ID: PackageId = PackageId::new([7; 32]);
const ROOM: u8 = 6;

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }

    fn share(&mut self) -> f32 {
        (self.next() >> 40) as f32 / (1 << 24) as f32
    }
}

fn map(height: u16, width: u16, channels: u16, stride: u16) -> CellMap {
    let offset = [stride as i16, stride as i16 - 1];
    CellMap { height, width, channels, stride: [stride; 2], offset }
}

fn layouts() -> Vec<CellsLayout> {
    let new = |maps: &[CellMap], neighbours| CellsLayout::new(maps, neighbours, [48, 64], -5);
    let both = [map(6, 8, 2, 8), map(3, 4, 1, 16)];
    let all = [
        new(&[map(1, 1, 3, 48)], Neighbours::ThreeAndSeven),
        new(&[map(6, 8, 3, 8)], Neighbours::None),
        new(&both, Neighbours::Three),
        new(&both, Neighbours::ThreeAndSeven),
    ];
    all.into_iter().map(|layout| layout.expect("valid")).collect()
}

/// Frame with a patch in one channel at each mark, on noise.
fn scene(layout: &CellsLayout, marks: &[Mark], random: &mut Random) -> Vec<i8> {
    let mut codes: Vec<i8> =
        (0..layout.elements()).map(|_| -5 + random.below(9) as i8 - 4).collect();
    let mut start = 0;
    for own in layout.maps() {
        // Bands as long as the map are its rows.
        let rows = usize::from(own.height) / layout.bands();
        let row = usize::from(own.width) * usize::from(own.channels);
        let band = layout.elements() / layout.bands();
        for mark in marks {
            let y = (mark.centre[1] * f32::from(own.height)) as usize;
            let x = (mark.centre[0] * f32::from(own.width)) as usize;
            let y = y.min(usize::from(own.height) - 1);
            let x = x.min(usize::from(own.width) - 1);
            let channel = usize::from(mark.class) % usize::from(own.channels);
            let at = y / rows * band + start + y % rows * row + x * usize::from(own.channels);
            codes[at + channel] = 90;
        }
        start += rows * row;
    }
    codes
}

fn marks(head: &Head, names: &[String], random: &mut Random) -> Vec<Mark> {
    let count = if names.is_empty() { 0 } else { random.below(4) };
    (0..count)
        .map(|_| {
            let name = &names[random.below(names.len())];
            let class = head.class_named(name).expect("it is there");
            let centre = [random.share(), random.share()];
            // Of each class either boxes or points, so that the order of lessons does not matter.
            let size = [0.05 + 0.4 * random.share(), 0.05 + 0.4 * random.share()];
            let is_boxed = name.len().is_multiple_of(2);
            Mark { class, centre, size: is_boxed.then_some(size) }
        })
        .collect()
}

fn empty(layout: CellsLayout, rubbish: u64) -> Head {
    let limits = SpatialLimits { classes: ROOM };
    let memory = vec![rubbish; limits.words(&layout).expect("room")];
    Head::new(layout, ID, limits, memory).expect("enough memory")
}

fn bytes(head: &Head) -> Vec<u8> {
    let mut bytes = vec![0; head.encoded_len()];
    assert_eq!(head.encode(&mut bytes), Ok(bytes.len()));
    bytes
}

/// Lesson by the names of its classes.
#[derive(Clone)]
struct Lesson {
    reference: Option<Vec<i8>>,
    codes: Vec<i8>,
    marks: Vec<(String, Mark)>,
}

/// Plain reference: a list of lessons, and the names that were forgotten.
#[derive(Clone, Default)]
struct Model {
    names: Vec<String>,
    forgotten: Vec<String>,
    lessons: Vec<Lesson>,
    reference: Option<Vec<i8>>,
}

impl Model {
    /// Teaches all lessons in another order to a head that is made anew.
    fn head(&self, layout: CellsLayout, tests: &Head) -> Head {
        let mut head = empty(layout, 0x5555_5555_5555_5555);
        for name in self.names.iter().chain(&self.forgotten) {
            head.add_class(name).expect("room");
        }
        for lesson in self.lessons.iter().rev() {
            let marks: Vec<Mark> = lesson
                .marks
                .iter()
                .map(|(name, mark)| Mark { class: head.class_named(name).expect("added"), ..*mark })
                .collect();
            if let Some(codes) = &lesson.reference {
                head.set_reference(&Cells::new(layout, codes).expect("length")).expect("first");
            }
            head.teach(&Cells::new(layout, &lesson.codes).expect("length"), &marks).expect("valid");
        }
        if let Some(codes) = &self.reference {
            head.set_reference(&Cells::new(layout, codes).expect("length")).expect("first");
        }
        for name in &self.forgotten {
            let class = head.class_named(name).expect("added");
            head.forget(class).expect("there");
        }
        head.add_tests(tests);
        head
    }
}

/// Renames a class of a head and of the model, lessons of the latter included; a taken name is
/// refused.
fn rename(head: &mut Head, model: &mut Model, random: &mut Random) {
    if model.names.is_empty() {
        return;
    }
    let at = random.below(model.names.len());
    let class = head.class_named(&model.names[at]).expect("there");
    let other = model.names[random.below(model.names.len())].clone();
    let is_taken = other != model.names[at];
    let found = head.rename_class(class, &other);
    assert_eq!(found, if is_taken { Err(SpatialError::Duplicate) } else { Ok(()) });
    // Of the same parity, by which a class has boxes or points.
    let name = format!("{}bb", model.names[at]);
    head.rename_class(class, &name).expect("free");
    let old = std::mem::replace(&mut model.names[at], name.clone());
    let marks = model.lessons.iter_mut().flat_map(|lesson| &mut lesson.marks);
    marks.filter(|(own, _)| *own == old).for_each(|(own, _)| own.clone_from(&name));
}

fn run(seed: u64) {
    let mut random = Random(seed);
    let all = layouts();
    let layout = all[random.below(all.len())];
    let mut head = empty(layout, seed);
    let mut model = Model::default();
    let mut next_name = 0;
    for _ in 0..30 {
        match random.below(10) {
            0 => {
                let name = "a".repeat(next_name + 1);
                // Forgotten names take room in the head that is made anew.
                let taken = model.names.len() + model.forgotten.len();
                if taken < usize::from(ROOM) {
                    next_name += 1;
                    head.add_class(&name).expect("room");
                    model.names.push(name);
                }
            }
            1 => {
                if let (Some(name), true) = (model.names.first().cloned(), random.below(4) == 0) {
                    head.forget(head.class_named(&name).expect("there")).expect("there");
                    model.names.remove(0);
                    model.forgotten.push(name);
                }
            }
            2 if random.below(3) == 0 => rename(&mut head, &mut model, &mut random),
            2 => {
                let codes = scene(&layout, &[], &mut random);
                let set = head.set_reference(&Cells::new(layout, &codes).expect("length"));
                let is_first = model.lessons.is_empty() || model.reference.is_some();
                assert_eq!(set, if is_first { Ok(()) } else { Err(SpatialError::Late) });
                if is_first {
                    model.reference = Some(codes);
                }
            }
            3 => {
                let copy = bytes(&head);
                let record = SpatialRecord::open(&copy).expect("written here");
                let words = record.limits().words(record.layout()).expect("room");
                head = Head::decode(&copy, Some(ID), vec![3; words]).expect("written here");
                assert_eq!(bytes(&head), copy);
                assert!(!head.undo(), "a loaded head has no last lesson");
            }
            4 => {
                let other = Model {
                    lessons: model.lessons.iter().take(2).cloned().collect(),
                    ..model.clone()
                };
                let more = other.head(layout, &empty(layout, 0));
                head.merge(&more).expect("alike");
                model.lessons.extend(other.lessons);
            }
            5 if head.fit().is_ok() => ask(&mut head, &model, layout, &mut random),
            _ => teach(&mut head, &mut model, layout, &mut random),
        }
        let anew = model.head(layout, &head);
        assert_eq!(bytes(&anew), bytes(&head), "seed {seed}");
    }
}

/// Teaches a frame, and undoes it now and then.
fn teach(head: &mut Head, model: &mut Model, layout: CellsLayout, random: &mut Random) {
    let marks = marks(head, &model.names, random);
    let codes = scene(&layout, &marks, random);
    let before = bytes(head);
    head.teach(&Cells::new(layout, &codes).expect("length"), &marks).expect("valid");
    if random.below(3) == 0 {
        assert!(head.undo() && !head.undo());
        assert_eq!(bytes(head), before, "undo leaves no trace");
        return;
    }
    let name = |mark: &Mark| head.class_name(mark.class).expect("it is there").to_string();
    let marks = marks.iter().map(|mark| (name(mark), *mark)).collect();
    let reference = model.reference.clone();
    model.lessons.push(Lesson { reference, codes, marks });
}

/// Asks the head, and one that is made anew: the same bits.
fn ask(head: &mut Head, model: &Model, layout: CellsLayout, random: &mut Random) {
    let mut anew = model.head(layout, head);
    anew.fit().expect("the other one was");
    let codes = scene(&layout, &marks(head, &model.names, random), random);
    let cells = Cells::new(layout, &codes).expect("length");
    let mut found = [[Detection::NONE; 20]; 2];
    let [own, other] = &mut found;
    let own = head.detect(&cells, own).expect("fitted");
    assert_eq!(own, anew.detect(&cells, other).expect("fitted"));
    for detection in own {
        let [left, top, width, height] = detection.area([0.1; 2]);
        assert!(
            [left, top, width, height, left + width, top + height]
                .iter()
                .all(|x| (0.0..=1.0001).contains(x))
        );
        assert!(detection.score >= head.threshold(detection.class));
        assert!(head.class_name(detection.class).is_some());
    }
}

#[test]
fn any_sequence_leaves_what_was_taught_and_nothing_else() {
    let asked = std::env::var("OFFSHOOT_SEQUENCES").ok();
    let count = asked.map_or(if cfg!(target_arch = "x86_64") { 300 } else { 20 }, |count| {
        count.parse().expect("OFFSHOOT_SEQUENCES is a number")
    });
    (0..count).for_each(run);
}

/// Solves a linear system by elimination with pivots.
fn solve(mut matrix: Vec<Vec<f64>>, mut right: Vec<f64>) -> Vec<f64> {
    let n = right.len();
    for i in 0..n {
        let pivot =
            (i..n).max_by(|&a, &b| matrix[a][i].abs().total_cmp(&matrix[b][i].abs())).unwrap();
        matrix.swap(i, pivot);
        right.swap(i, pivot);
        for row in i + 1..n {
            let factor = matrix[row][i] / matrix[i][i];
            let pivot = matrix[i].clone();
            for (x, pivot) in matrix[row].iter_mut().zip(pivot).skip(i) {
                *x -= factor * pivot;
            }
            right[row] -= factor * right[i];
        }
    }
    for i in (0..n).rev() {
        let known: f64 = (i + 1..n).map(|j| matrix[i][j] * right[j]).sum();
        right[i] = (right[i] - known) / matrix[i][i];
    }
    right
}

/// Least squares over cells by definition, with a free bias: weights of each class.
fn plain(rows: &[(Vec<f64>, usize)], classes: usize) -> Vec<Vec<f64>> {
    let dim = rows[0].0.len();
    let objects = rows.iter().filter(|(_, label)| *label > 0).count() as f64;
    let background = rows.len() as f64 - objects;
    let weight = |label: usize| if label > 0 { 1.0 / objects } else { 1.0 / background };
    let mut mean = vec![0.0; dim];
    for (row, label) in rows {
        mean.iter_mut().zip(row).for_each(|(m, x)| *m += weight(*label) * x / 2.0);
    }
    let mut matrix = vec![vec![0.0; dim]; dim];
    for (row, label) in rows {
        for i in 0..dim {
            for j in 0..dim {
                matrix[i][j] += weight(*label) * (row[i] - mean[i]) * (row[j] - mean[j]);
            }
        }
    }
    let decay = 0.1 * (0..dim).map(|i| matrix[i][i]).sum::<f64>() / dim as f64;
    (0..dim).for_each(|i| matrix[i][i] += decay);
    (1..=classes)
        .map(|class| {
            let target = |label: usize| f64::from(u8::from(label == class));
            let share: f64 = rows.iter().map(|(_, l)| weight(*l) * target(*l)).sum::<f64>() / 2.0;
            let right = (0..dim)
                .map(|i| {
                    let part = |(row, l): &(Vec<f64>, usize)| {
                        weight(*l) * (row[i] - mean[i]) * (target(*l) - share)
                    };
                    rows.iter().map(part).sum()
                })
                .collect();
            let mut weights = solve(matrix.clone(), right);
            let bias = share - weights.iter().zip(&mean).map(|(w, m)| w * m).sum::<f64>();
            weights.push(bias);
            weights
        })
        .collect()
}

#[test]
fn scores_are_those_of_least_squares() {
    let layout = layouts()[1];
    let mut random = Random(5);
    let mut head = empty(layout, 1);
    let one = head.add_class("one").unwrap();
    let two = head.add_class("two").unwrap();
    let mut rows = Vec::new();
    for lesson in 0..6 {
        let at = [random.below(6), random.below(8)];
        let middle = |[row, column]: [usize; 2]| {
            let [down, across] = layout.centre(row, column);
            [across, down]
        };
        let class = [one, two][lesson % 2];
        let mark = Mark { class, centre: middle(at), size: Some([0.01; 2]) };
        let codes = scene(&layout, &[mark], &mut random);
        let cells = Cells::new(layout, &codes).unwrap();
        head.teach(&cells, &[mark]).unwrap();
        for row in 0..6 {
            for column in 0..8 {
                let values: Vec<f64> =
                    cells.at(0, row, column).iter().map(|&c| 8.0 * (f64::from(c) + 5.0)).collect();
                let label = if [row, column] == at { usize::from(class) + 1 } else { 0 };
                rows.push((values, label));
            }
        }
    }
    head.fit().unwrap();
    let weights = plain(&rows, 2);
    let asked = [Mark::point(one, [0.2, 0.2]), Mark::point(two, [0.7, 0.8])];
    let codes = scene(&layout, &asked, &mut random);
    let cells = Cells::new(layout, &codes).unwrap();
    let mut found = [Detection::NONE; 9];
    let found = head.detect(&cells, &mut found).unwrap();
    assert_eq!(found.len(), 2, "{found:?}");
    for detection in found {
        let mark = asked.iter().find(|mark| mark.class == detection.class).unwrap();
        let row = (mark.centre[1] * 6.0) as usize;
        let column = (mark.centre[0] * 8.0) as usize;
        let [down, across] = layout.centre(row, column);
        // The boxes that were taught lie in the middle of a cell.
        assert!(
            (detection.centre[0] - across).abs() < 1e-3
                && (detection.centre[1] - down).abs() < 1e-3
        );
        assert!(detection.size.unwrap().iter().all(|side| (side - 0.01).abs() < 1e-4));
        let own = &weights[usize::from(mark.class)];
        let values = cells.at(0, row, column).iter().map(|&c| 8.0 * (f64::from(c) + 5.0));
        let want: f64 = values.zip(own).map(|(x, w)| x * w).sum::<f64>() + own[3];
        assert!((f64::from(detection.score) - want).abs() < 1e-3, "{} {want}", detection.score);
    }
}

#[test]
fn a_shifted_thing_shifts_its_dot() {
    for layout in &layouts()[1..] {
        let mut random = Random(11);
        let mut head = empty(*layout, 1);
        let thing = head.add_class("thing").unwrap();
        let middle = |row: usize, column: usize| {
            let [down, across] = layout.centre(row, column);
            Mark { class: thing, centre: [across, down], size: Some([0.2, 0.2]) }
        };
        for at in [2, 4] {
            let codes = scene(layout, &[middle(at, at)], &mut random);
            head.teach(&Cells::new(*layout, &codes).unwrap(), &[middle(at, at)]).unwrap();
        }
        head.fit().unwrap();
        for row in 0..6 {
            for column in 0..8 {
                let asked = middle(row, column);
                let codes = scene(layout, &[asked], &mut random);
                let mut found = [Detection::NONE; 4];
                let found = head.detect(&Cells::new(*layout, &codes).unwrap(), &mut found).unwrap();
                let step = layout.step();
                let first = found.first().unwrap_or_else(|| panic!("{row} {column}"));
                assert!(
                    (first.centre[0] - asked.centre[0]).abs() <= 1.01 * step[1],
                    "{row} {column} {first:?}"
                );
                assert!(
                    (first.centre[1] - asked.centre[1]).abs() <= 1.01 * step[0],
                    "{row} {column} {first:?}"
                );
            }
        }
    }
}

#[test]
fn mistakes_change_nothing() {
    let layout = layouts()[2];
    let mut head = empty(layout, 1);
    let thing = head.add_class("thing").unwrap();
    let before = bytes(&head);
    let codes = vec![0; layout.elements()];
    let cells = Cells::new(layout, &codes).unwrap();
    assert_eq!(head.fit(), Err(SpatialError::NothingLearned));
    assert_eq!(head.detect(&cells, &mut []), Err(SpatialError::NotFitted));
    assert_eq!(head.test(&cells, &[]), Err(SpatialError::NotFitted));
    assert_eq!(head.add_class("thing"), Err(SpatialError::Duplicate));
    assert!(head.add_class("a\nb").is_err());
    assert_eq!(head.forget(1), Err(SpatialError::NoClass { found: 1 }));
    assert_eq!(head.rename_class(1, "other"), Err(SpatialError::NoClass { found: 1 }));
    assert!(head.rename_class(thing, "").is_err());
    let far = Mark::point(thing, [2.0, 0.0]);
    assert_eq!(head.teach(&cells, &[far]), Err(SpatialError::Outside { mark: 0 }));
    let other = Mark::point(3, [0.5; 2]);
    assert_eq!(head.teach(&cells, &[other]), Err(SpatialError::NoClass { found: 3 }));
    let many = [Mark::point(thing, [0.5; 2]); 129];
    assert_eq!(head.teach(&cells, &many), Err(SpatialError::Marks { found: 129 }));
    let wrong = layouts()[1];
    let codes = vec![0; wrong.elements()];
    let cells = Cells::new(wrong, &codes).unwrap();
    assert_eq!(head.teach(&cells, &[]), Err(SpatialError::OtherCells));
    assert_eq!(head.set_reference(&cells), Err(SpatialError::OtherCells));
    assert_eq!(head.merge(&empty(wrong, 0)), Err(SpatialError::Unlike));
    assert_eq!(bytes(&head), before);
    assert!(SpatialLimits { classes: 0 }.words(&layout).is_err());
    assert!(SpatialLimits { classes: 17 }.words(&layout).is_err());
    let short = Head::new(layout, ID, SpatialLimits { classes: 1 }, vec![0; 9]);
    assert!(matches!(short, Err(SpatialError::Memory { found: 9, .. })));
}

#[test]
fn the_empty_scene_tells_a_camera_that_moved() {
    let layout = layouts()[1];
    let mut head = empty(layout, 1);
    let still = vec![10; layout.elements()];
    let cells = Cells::new(layout, &still).unwrap();
    assert_eq!(head.changed(&cells), Ok(None));
    head.set_reference(&cells).unwrap();
    assert_eq!(head.changed(&cells), Ok(Some(0.0)));
    let mut half = still.clone();
    half[..72].fill(60);
    assert_eq!(head.changed(&Cells::new(layout, &half).unwrap()), Ok(Some(0.5)));
}

fn taught() -> Head {
    let layout = layouts()[2];
    let mut random = Random(3);
    let mut head = empty(layout, 1);
    for name in ["cup", "nut"] {
        head.add_class(name).unwrap();
    }
    let empty = scene(&layout, &[], &mut random);
    head.set_reference(&Cells::new(layout, &empty).unwrap()).unwrap();
    for lesson in 0..5 {
        let boxed = |class: u8, x: f32| Mark::boxed(class, [x, 0.3, 0.2, 0.25]);
        let marks = [boxed(0, 0.1), boxed(1, 0.6)];
        let codes = scene(&layout, &marks[lesson % 2..], &mut random);
        head.teach(&Cells::new(layout, &codes).unwrap(), &marks[lesson % 2..]).unwrap();
        head.fit().unwrap();
    }
    head
}

#[test]
fn answers_are_the_same_bits_on_every_processor() {
    let mut head = taught();
    let layout = *head.layout();
    let mut random = Random(9);
    let mut bits = 0u32;
    for _ in 0..8 {
        let marks = [Mark::point(0, [random.share(), 0.4]), Mark::point(1, [random.share(), 0.7])];
        let codes = scene(&layout, &marks, &mut random);
        let mut found = [Detection::NONE; 16];
        for own in head.detect(&Cells::new(layout, &codes).unwrap(), &mut found).unwrap() {
            let [width, height] = own.size.unwrap();
            for x in [own.score, own.centre[0], own.centre[1], width, height] {
                bits = bits.rotate_left(5) ^ x.to_bits();
            }
        }
    }
    assert_eq!(bits, 0x2683_558a, "{bits:#x}");
}

#[test]
fn damage_of_a_record_is_an_error() {
    let head = taught();
    let good = bytes(&head);
    let open = |bytes: &[u8]| SpatialRecord::open(bytes).map(|record| record.limits());
    assert_eq!(open(&good), Ok(head.limits()));
    for end in (0..good.len()).step_by(7) {
        assert!(open(&good[..end]).is_err(), "cut at {end}");
    }
    assert!(open(&[&good[..], &[0]].concat()).is_err());
    for at in 0..good.len() {
        let mut bad = good.clone();
        bad[at] ^= 1 << (at % 8);
        assert!(open(&bad).is_err(), "byte {at}");
    }
    assert!(good.starts_with(&SPATIAL_MAGIC));
    let words = head.limits().words(head.layout()).unwrap();
    let other = Head::decode(&good, Some(PackageId::new([8; 32])), vec![0; words]);
    assert_eq!(other.err(), Some(SpatialError::OtherPackage));
}

#[test]
fn forged_records_are_refused_or_run() {
    let head = taught();
    let good = bytes(&head);
    let words = head.limits().words(head.layout()).unwrap();
    let layout = *head.layout();
    let codes = scene(&layout, &[], &mut Random(1));
    let mut random = Random(77);
    let mut refused = 0;
    for _ in 0..3_000 {
        let mut forged = good.clone();
        for _ in 0..1 + random.below(3) {
            let at = random.below(good.len() - 4);
            forged[at] = random.next() as u8;
        }
        let end = forged.len() - 4;
        let sum = crc32fast::hash(&forged[..end]);
        forged[end..].copy_from_slice(&sum.to_le_bytes());
        let memory = match SpatialRecord::open(&forged) {
            Ok(record) => {
                vec![0; record.limits().words(record.layout()).unwrap_or(0).min(4 * words)]
            }
            Err(_) => {
                refused += 1;
                continue;
            }
        };
        let Ok(mut head) = Head::decode(&forged, None, memory) else { continue };
        if head.fit().is_err() || *head.layout() != layout {
            continue;
        }
        let mut found = [Detection::NONE; 16];
        let cells = Cells::new(layout, &codes).unwrap();
        let found = head.detect(&cells, &mut found).unwrap();
        assert!(found.iter().all(|own| own.centre.iter().all(|x| (0.0..=1.0).contains(x))));
        head.teach(&cells, &[]).unwrap();
        assert!(head.undo());
    }
    assert!(refused > 300, "{refused}");
}
