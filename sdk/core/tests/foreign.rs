//! `auto` on ground that its rule was not chosen by: handwritten digits under sprout, beside what
//! scikit-learn's classifiers make of the same draws (`foreign/make.py` made both files).

#[path = "../examples/few_shot/data.rs"]
#[allow(dead_code)] // Reading archives is the example's part.
mod data;
#[path = "../examples/few_shot/measure.rs"]
#[allow(dead_code)] // So is the rest of the table.
mod measure;

use offshoot_core::head::HeadKind;

const CODES: &[u8] = include_bytes!("foreign/digits.codes");
const TABLE: &str = include_str!("foreign/digits.csv");

const CLASSES: usize = 10;
const EACH: usize = 40;
const HELD: usize = 10;

/// Samples of each class, where they are uneven.
const UNEVEN: [usize; CLASSES] = [30, 24, 19, 15, 12, 10, 8, 6, 5, 4];

fn digits() -> data::Data {
    let values = CODES.iter().map(|&code| f32::from(code as i8)).collect();
    let labels = (0..CLASSES * EACH).map(|i| i / EACH).collect();
    let held = (0..CLASSES * EACH).map(|i| i % EACH >= EACH - HELD).collect();
    data::Data::new("digits".into(), values, labels, held).unwrap()
}

/// Training data of one draw of a row.
fn learned(data: &data::Data, shots: &str, draw: u64) -> Vec<usize> {
    let (all, _) = data.draw(shots.parse().unwrap_or(usize::MAX), draw);
    if shots != "uneven" {
        return all;
    }
    let of = |class: usize| {
        all.iter().copied().filter(move |&i| data.labels[i] == class).take(UNEVEN[class])
    };
    (0..CLASSES).flat_map(of).collect()
}

/// Share of right answers in per cent, mean of the draws, and the expected calibration error.
fn auto(data: &data::Data, shots: &str) -> (f64, f64) {
    let test: Vec<usize> = (0..data.labels.len()).filter(|&i| data.held[i]).collect();
    let draws = if shots == "all" { 1 } else { 10 };
    let mut score = measure::Score::default();
    for draw in 0..draws {
        let head = measure::teach(HeadKind::Auto, data, &learned(data, shots, draw)).unwrap();
        measure::ask(&head, data, &test, &mut score).unwrap();
    }
    (100.0 * score.right as f64 / score.asked as f64, score.calibration_error())
}

#[test]
fn auto_is_level_with_the_best_on_digits() {
    let data = digits();
    let mut leads = Vec::new();
    for row in TABLE.lines().skip(1) {
        let cells: Vec<&str> = row.split(',').collect();
        let theirs: Vec<f64> = cells[1..].iter().filter_map(|cell| cell.parse().ok()).collect();
        let (found, calibration_error) = auto(&data, cells[0]);
        let best = theirs.iter().copied().fold(0.0, f64::max);
        println!(
            "{}: auto {found:.2}, best {best:.2}, calibration {calibration_error:.3}",
            cells[0]
        );
        // Of one sample nothing can be held out; of all there is one draw of a hundred images.
        let noise = if ["1", "all"].contains(&cells[0]) { 3.0 } else { 1.0 };
        assert!(found >= best - noise, "{} shots: {found}, scikit-learn's best {best}", cells[0]);
        assert!(
            !["5", "10"].contains(&cells[0]) || calibration_error <= 0.08,
            "{calibration_error}"
        );
        leads.push(found - theirs[0]);
    }
    let lead = leads.iter().sum::<f64>() / leads.len() as f64;
    assert!(leads.len() == 7 && lead >= 2.0, "{lead} above LogisticRegression");
}
