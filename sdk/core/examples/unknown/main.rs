//! Measures the rejection of unknown classes, on embeddings written by `offshoot embed`: one class,
//! or half of the classes, is taught and samples of all of them are classified.
//!
//! ```text
//! cargo run --release -p offshoot-core --features alloc --example unknown -- [--draws N] [--csv OUT] DATA.npz...
//! ```
//!
//! Each row has: the area under the ROC curve (AUROC); the share of the unknown that is rejected at
//! false-rejection rates of 1, 3, 5, 10 and 20 % (the bound set by the test samples themselves);
//! then the rates at the head's own bound, and the calibration error of its confidence. Mean of the
//! draws, and the half width of its 95 % interval.

#[path = "../few_shot/data.rs"]
#[allow(dead_code)] // Views and int8 values are used by the other example only.
mod data;

use std::error::Error;
use std::fmt::Write;

use offshoot_core::head::{Answer, Head, HeadKind, Limits};

use data::Data;

const SHOTS: [usize; 5] = [2, 5, 10, 20, 100];

/// False-rejection rates.
const LOST: [f64; 5] = [0.01, 0.03, 0.05, 0.10, 0.20];

/// Number of columns of a row.
const COLUMNS: usize = LOST.len() + 4;

fn main() -> Result<(), Box<dyn Error>> {
    let mut draws = 60;
    let mut csv = None;
    let mut files = Vec::new();
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--draws" => draws = arguments.next().ok_or("--draws needs a number")?.parse()?,
            "--csv" => csv = arguments.next(),
            _ => files.push(argument),
        }
    }
    let mut rows = String::from("data,taught,shots,what,mean,half_interval\n");
    for file in &files {
        let data = data::read(file)?;
        let mut taught = vec![1, data.classes / 2];
        taught.dedup();
        for (taught, shots) in taught.iter().flat_map(|&taught| SHOTS.map(|shots| (taught, shots)))
        {
            if data.has(shots) {
                row(&data, taught, shots, draws, &mut rows)?;
            }
        }
    }
    match csv {
        Some(path) => std::fs::write(path, rows)?,
        None => print!("{rows}"),
    }
    Ok(())
}

fn row(
    data: &Data,
    taught: usize,
    shots: usize,
    draws: u64,
    rows: &mut String,
) -> Result<(), Box<dyn Error>> {
    let measured: Result<Vec<_>, _> =
        (0..draws).map(|draw| one(data, taught, shots, draw)).collect();
    let measured = measured?;
    let names = LOST.map(|lost| format!("caught at {:.0} %", 100.0 * lost));
    let names = ["area"].into_iter().chain(names.iter().map(String::as_str));
    let names = names.chain(["lost", "caught", "calibration error"]);
    for (column, what) in names.enumerate() {
        let n = measured.len() as f64;
        let mean = measured.iter().map(|row| row[column]).sum::<f64>() / n;
        let square = measured.iter().map(|row| (row[column] - mean).powi(2)).sum::<f64>()
            / (n - 1.0).max(1.0);
        let half = 1.96 * (square / n).sqrt();
        writeln!(rows, "{},{taught},{shots},{what},{mean:.4},{half:.4}", data.name)?;
        eprint!("{what} {mean:.3}  ");
    }
    eprintln!("({}, {taught} classes of {shots})", data.name);
    Ok(())
}

/// Measures one draw: area, shares rejected, and rates and calibration error of the head itself.
fn one(
    data: &Data,
    taught: usize,
    shots: usize,
    draw: u64,
) -> Result<[f64; COLUMNS], Box<dyn Error>> {
    let (learn, test) = data.draw(shots, draw);
    let place = |class: usize| (class + draw as usize * taught) % data.classes;
    let is_known = |i: usize| place(data.labels[i]) < taught;
    let limits = Limits { classes: taught as u16, samples: (taught * shots) as u16 };
    let mut head = Head::boxed(HeadKind::Auto, data.dim, [0; 32], limits)?;
    let ids: Result<Vec<_>, _> = (0..taught).map(|c| head.add_class(&format!("{c}"))).collect();
    let ids = ids?;
    for &i in learn.iter().filter(|&&i| is_known(i)) {
        head.add_sample(ids[place(data.labels[i])], data.get(i))?;
    }
    head.fit()?;
    let mut known = Vec::new();
    let mut others = Vec::new();
    let mut bins = [[(0.0f64, 0.0f64); 10]; 2];
    let mut p = vec![0.0; taught];
    for &i in &test {
        let answer = head.probabilities(data.get(i), &mut p)?;
        let is_unknown = matches!(answer, Answer::Unknown { .. });
        let score = f64::from(head.similarity(data.get(i))?.0.get());
        let best = (0..taught).fold(0, |best, c| if p[c] > p[best] { c } else { best });
        let is_right = is_known(i) && best == place(data.labels[i]);
        let confidence = f64::from(p[best]);
        let bin = &mut bins[usize::from(is_known(i))][((confidence * 10.0) as usize).min(9)];
        *bin = (bin.0 + confidence, bin.1 + f64::from(u8::from(is_right)));
        if is_known(i) { &mut known } else { &mut others }.push((score, is_unknown));
    }
    known.sort_by(|a, b| a.0.total_cmp(&b.0));
    let mut out = [0.0; COLUMNS];
    let share = |of: &[(f64, bool)], is: &dyn Fn(f64) -> f64| {
        of.iter().map(|(score, _)| is(*score)).sum::<f64>() / of.len() as f64
    };
    out[0] = share(&others, &|other| share(&known, &|score| f64::from(u8::from(score > other))));
    for (out, lost) in out[1..].iter_mut().zip(LOST) {
        let bound = known[(lost * known.len() as f64) as usize].0;
        *out = share(&others, &|score| f64::from(u8::from(score < bound)));
    }
    let unknown =
        |of: &[(f64, bool)]| of.iter().filter(|(_, is)| *is).count() as f64 / of.len() as f64;
    out[1 + LOST.len()] = unknown(&known);
    out[2 + LOST.len()] = unknown(&others);
    // Known and unknown samples have equal total weights.
    let weights = [0.5 / others.len() as f64, 0.5 / known.len() as f64];
    out[3 + LOST.len()] = (0..10)
        .map(|bin| {
            let off = |(set, weight): (&[(f64, f64); 10], f64)| weight * (set[bin].0 - set[bin].1);
            bins.iter().zip(weights).map(off).sum::<f64>().abs()
        })
        .sum();
    Ok(out)
}
