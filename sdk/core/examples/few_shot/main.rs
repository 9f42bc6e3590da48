//! Measures every head on embeddings written by `offshoot embed`: accuracy with 1, 5, 10, 20 and
//! all samples per class, calibration of its confidence, rejection of unknown classes, and time.
//!
//! ```text
//! cargo run --release -p offshoot-core --features alloc --example few_shot -- [--draws N] [--csv OUT] DATA.npz...
//! cargo run --release -p offshoot-core --features alloc --example few_shot -- --refit DATA.npz
//! cargo run --release -p offshoot-core --features alloc --example few_shot -- --keep DATA.npz...
//! cargo run --release -p offshoot-core --features alloc --example few_shot -- --answer TASKS DATA.npz
//! ```
//!
//! `--views flip,crop` also trains on the embeddings of DATA.flip.npz and DATA.crop.npz of the same
//! images, and `--drop-out P` on copies with values dropped: `augment.csv` has the results.
//!
//! `--answer` is for `foreign.py`: each line of TASKS has training and test images, as indices with
//! commas between and a semicolon before the test images; the answer is one line for each, with the
//! kind that `auto` chose, and class and confidence of each test image.
//!
//! `--csv OUT` also writes `unknown.csv` beside it. The last column of the table, scikit-learn on
//! the same draws, is made by `few_shot.py` beside this folder.

mod data;
mod measure;

use std::error::Error;
use std::fmt::Write;
use std::path::Path;
use std::time::Instant;

use offshoot_core::Embedding;
use offshoot_core::head::{Head, HeadKind, WhenFull};
use offshoot_core::quant::Quant;

use data::{Data, SHOTS};
use measure::{Cell, SCORES, Strangers, cell, kept, strangers, teach};

/// Command line.
struct Arguments {
    files: Vec<String>,
    draws: u64,
    csv: Option<String>,
    refit: bool,
    keep: bool,
    tasks: Option<String>,
    views: String,
    average: bool,
    drop_out: f64,
}

impl Arguments {
    fn read() -> Result<Self, Box<dyn Error>> {
        let mut read = Self {
            files: Vec::new(),
            draws: 30,
            csv: None,
            refit: false,
            keep: false,
            tasks: None,
            views: String::new(),
            average: false,
            drop_out: 0.0,
        };
        let mut words = std::env::args().skip(1);
        while let Some(word) = words.next() {
            match word.as_str() {
                "--draws" => read.draws = words.next().ok_or("--draws needs a number")?.parse()?,
                "--csv" => read.csv = words.next(),
                "--refit" => read.refit = true,
                "--keep" => read.keep = true,
                "--answer" => read.tasks = words.next(),
                "--views" => read.views = words.next().unwrap_or_default(),
                "--average" => read.average = true,
                "--drop-out" => {
                    read.drop_out = words.next().ok_or("--drop-out needs a share")?.parse()?;
                }
                _ => read.files.push(word),
            }
        }
        Ok(read)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let Arguments { files, draws, csv, refit, keep, tasks, views, average, drop_out } =
        Arguments::read()?;
    let mut rows = String::from("data,shots,head,accuracy,calibration_error,known_rejected\n");
    for file in &files {
        let mut data = with_views(file, &views)?;
        for seed in 0..u64::from(drop_out > 0.0) * 4 {
            data.drop_out(drop_out, seed);
        }
        if average {
            data.average();
        }
        if let Some(tasks) = &tasks {
            answer(&data, &std::fs::read_to_string(tasks).map_err(|e| format!("{tasks}: {e}"))?)?;
            continue;
        }
        if refit {
            speed(&data)?;
            continue;
        }
        if keep {
            policies(&data, draws)?;
            continue;
        }
        table(&data, draws, &mut rows)?;
        // The other measurements depend on the training data, not on the head.
        if data.classes == 10 && views.is_empty() {
            let rows = unknown(&data, draws)?;
            if let Some(path) = &csv {
                std::fs::write(Path::new(path).with_file_name("unknown.csv"), rows)?;
            }
            speed(&data)?;
        }
    }
    if let Some(path) = csv {
        std::fs::write(path, rows)?;
    }
    Ok(())
}

/// Reads the embeddings of a file, with those of augmented views of the same images.
fn with_views(file: &str, views: &str) -> Result<Data, Box<dyn Error>> {
    let mut data = data::read(file)?;
    for view in views.split(',').filter(|view| !view.is_empty()) {
        let other = data::read(&file.replace(".npz", &format!(".{view}.npz")))?;
        if other.labels != data.labels || other.dim != data.dim {
            return Err(format!("{file}: the {view} view has other images").into());
        }
        data.views.push(other.values);
    }
    Ok(data)
}

/// Answers each task with `auto`.
fn answer(data: &Data, tasks: &str) -> Result<(), Box<dyn Error>> {
    for task in tasks.lines() {
        let (learn, test) = task.split_once(';').ok_or("a task without a semicolon")?;
        let learn: Vec<usize> = learn.split(',').map(str::parse).collect::<Result<_, _>>()?;
        let test: Vec<usize> = test.split(',').map(str::parse).collect::<Result<_, _>>()?;
        if learn.iter().chain(&test).any(|&place| place >= data.labels.len()) {
            return Err(
                format!("a task names a place beyond the {} there are", data.labels.len()).into()
            );
        }
        let head = teach(HeadKind::Auto, data, &learn)?;
        let chosen = head.chosen()?;
        let mut line =
            format!("{},{:?},{}", chosen.kind, chosen.transform, chosen.inverse_l2).to_lowercase();
        let mut probabilities = vec![0.0; data.classes];
        for place in test {
            head.probabilities(data.get(place), &mut probabilities)?;
            let best = (0..data.classes)
                .fold(0, |b, c| if probabilities[c] > probabilities[b] { c } else { b });
            // Probabilities of the known classes only: rejection is not part of this measurement.
            let known = probabilities.iter().sum::<f32>().max(1e-30);
            write!(line, " {best}:{:.4}", probabilities[best] / known)?;
        }
        println!("{line}");
    }
    Ok(())
}

fn table(data: &Data, draws: u64, rows: &mut String) -> Result<(), Box<dyn Error>> {
    println!(
        "\n{:<13} {:>5} {}",
        data.name,
        "shots",
        HeadKind::ALL.map(|k| format!("{k:>8}")).concat()
    );
    for shots in SHOTS {
        // All samples with five views each would take hours and be no few-shot learning.
        if !data.has(shots) || !data.views.is_empty() && shots == usize::MAX {
            continue;
        }
        let label = if shots == usize::MAX { "all".to_string() } else { shots.to_string() };
        let mut line = format!("{:<13} {label:>5} ", "");
        let mut notes = String::new();
        for kind in HeadKind::ALL {
            let Cell { accuracy, calibration_error, rejected, chosen } =
                cell(kind, data, shots, data.draws(shots, draws))?;
            write!(line, "{:>8.2}", 100.0 * accuracy)?;
            writeln!(
                rows,
                "{},{label},{kind},{accuracy:.5},{calibration_error:.5},{rejected:.5}",
                data.name
            )?;
            if kind == HeadKind::Auto {
                let rejected = 100.0 * rejected;
                notes = format!(
                    "   auto: ece {calibration_error:.3}, {rejected:.1} % unknown, {chosen:?}"
                );
            }
        }
        println!("{line}{notes}");
    }
    Ok(())
}

/// Compares the eviction policies: all samples in random order, to heads that keep a few per class.
fn policies(data: &Data, draws: u64) -> Result<(), Box<dyn Error>> {
    println!(
        "\n{:<13} all samples seen, n kept per class: accuracy of auto, of ncm, % of the known unknown",
        data.name
    );
    for room in [5, 10, 20] {
        for when_full in [WhenFull::Reservoir, WhenFull::Herding] {
            let auto = kept(HeadKind::Auto, data, room, when_full, draws)?;
            let means = kept(HeadKind::NearestMean, data, room, when_full, draws)?;
            println!(
                "  {room:>3} {:<10} {:>6.2} {:>6.2} {:>5.1}",
                format!("{when_full:?}"),
                100.0 * auto.accuracy,
                100.0 * means.accuracy,
                100.0 * auto.rejected
            );
        }
    }
    Ok(())
}

/// Returns the row of `unknown.csv`.
fn unknown(data: &Data, draws: u64) -> Result<String, Box<dyn Error>> {
    let Strangers { areas, rejected, caught } = strangers(data, draws)?;
    println!(
        "\nknown against unknown, half of the classes taught from 20 samples each: area under the curve"
    );
    let mut rows = String::from("data,what,value\n");
    for (name, area) in SCORES.iter().zip(areas) {
        println!("  {name:<12} {area:.3}");
        writeln!(rows, "{},area by {name},{area:.4}", data.name)?;
    }
    println!(
        "  unknown: {:.1} % of the known, {:.1} % of the others",
        100.0 * rejected,
        100.0 * caught
    );
    writeln!(rows, "{},known that are unknown,{rejected:.4}", data.name)?;
    writeln!(rows, "{},others that are unknown,{caught:.4}", data.name)?;
    Ok(rows)
}

/// Shortest time in milliseconds.
#[derive(Clone, Copy)]
struct Best(f64);

impl Default for Best {
    fn default() -> Self {
        Self(f64::INFINITY)
    }
}

impl Best {
    /// Ends a measurement.
    fn end(&mut self, start: Instant) {
        self.0 = self.0.min(1e3 * start.elapsed().as_secs_f64());
    }
}

/// Measures ten classes of 50 samples: the best of fifteen fits, from the kept samples alone and
/// with their products; the time to add one sample, floats and int8, and to classify, the best of
/// hundreds.
fn speed(data: &Data) -> Result<(), Box<dyn Error>> {
    let (learn, test) = data.draw(50, 0);
    println!(
        "\n{} samples of {} values, milliseconds: refit, refit with the products, an answer; \
         microseconds: teach floats, int8",
        learn.len(),
        data.dim
    );
    for kind in HeadKind::ALL {
        let mut head = teach(kind, data, &learn)?;
        let mut saved = vec![0; head.encoded_len()];
        head.encode(&mut saved)?;
        let mut best = [Best::default(); 5];
        for _ in 0..15 {
            // A decoded head has its samples and nothing that is computed from them.
            let memory = vec![0; head.limits().words(kind, data.dim)?].into_boxed_slice();
            head = Head::decode(&saved, None, memory)?;
            let start = Instant::now();
            head.fit()?;
            best[0].end(start);
            head.set_false_rejection_rate(head.false_rejection_rate())?;
            let start = Instant::now();
            head.fit()?;
            best[1].end(start);
            for _ in 0..100 {
                let start = Instant::now();
                head.classify(data.get(test[0]))?;
                best[2].end(start);
            }
        }
        let last = data.get(learn[learn.len() - 1]);
        let mut codes = vec![0i8; data.dim];
        let quant = Quant::from_range(0.0, last.iter().fold(0.0, f32::max));
        codes.iter_mut().zip(last.iter()).for_each(|(code, real)| *code = quant.quantize(real));
        for (slot, sample) in [(3, last), (4, Embedding::Int8 { codes: &codes, quant })] {
            for _ in 0..400 {
                let class = head.undo().ok_or("there are samples")?;
                let start = Instant::now();
                head.add_sample(class, sample)?;
                best[slot].end(start);
            }
        }
        let [refit, again, answer, floats, codes] = best.map(|best| best.0);
        let floats = 1e3 * floats;
        let codes = 1e3 * codes;
        println!("  {kind:<8} {refit:>8.1} {again:>8.1} {answer:>8.3} {floats:>8.1} {codes:>8.1}");
    }
    Ok(())
}
