//! Measures every head on embeddings that `offshoot embed` wrote: how often it is right from 1, 5,
//! 10, 20 and all samples a class, how well its confidence is calibrated, how well it tells what
//! it was not taught, and how long it takes.
//!
//! ```text
//! cargo run --release -p offshoot-core --features alloc --example few_shot -- [--draws N] [--csv OUT] DATA.npz...
//! cargo run --release -p offshoot-core --features alloc --example few_shot -- --refit DATA.npz
//! ```
//!
//! The last column of the table, scikit-learn on the same draws, is made by `few_shot.py` beside it.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt::Write;
use std::time::Instant;

use offshoot_core::Embedding;
use offshoot_core::head::{Answer, Head, HeadKind, Limits};

/// Shots of the rows; the last stands for all there are.
const SHOTS: [usize; 5] = [1, 5, 10, 20, usize::MAX];

/// Of data without a `val` folder, so many of each class are tested on where all are learned.
const KEPT_BACK: usize = 5;

/// Labelled embeddings.
struct Data {
    name: String,
    dim: usize,
    values: Vec<f32>,
    labels: Vec<usize>,
    /// Whether each is to be tested on; nowhere where the data have no `val` folder.
    held: Vec<bool>,
    classes: usize,
}

impl Data {
    fn get(&self, i: usize) -> Embedding<'_> {
        Embedding::Float(&self.values[i * self.dim..][..self.dim])
    }

    fn is_split(&self) -> bool {
        self.held.contains(&true)
    }

    /// What to learn from and what to test on.
    fn draw(&self, shots: usize, draw: u64) -> (Vec<usize>, Vec<usize>) {
        let mut state = draw.wrapping_add(1).wrapping_mul(0xd1b5_4a32_d192_ed03);
        let (mut learn, mut test) = (Vec::new(), Vec::new());
        for class in 0..self.classes {
            let all = (0..self.labels.len()).filter(|&i| self.labels[i] == class && !self.held[i]);
            let mut members: Vec<usize> = all.collect();
            for i in (1..members.len()).rev() {
                members.swap(i, (split_mix(&mut state) % (i as u64 + 1)) as usize);
            }
            let most = members.len() - if self.is_split() { 0 } else { KEPT_BACK };
            let (taken, left) = members.split_at(shots.min(most));
            learn.extend_from_slice(taken);
            test.extend_from_slice(left);
        }
        if self.is_split() {
            test = (0..self.labels.len()).filter(|&i| self.held[i]).collect();
        }
        (learn, test)
    }

    /// Whether a row of so many shots differs from the next.
    fn has(&self, shots: usize) -> bool {
        let most = (0..self.classes)
            .map(|c| (0..self.labels.len()).filter(|&i| self.labels[i] == c && !self.held[i]).count());
        shots == usize::MAX || most.min().is_some_and(|most| shots + KEPT_BACK <= most)
    }

    fn draws(&self, shots: usize, draws: u64) -> u64 {
        if shots == usize::MAX && self.is_split() { 1 } else { draws }
    }
}

fn split_mix(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut z = *state;
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn main() -> Result<(), Box<dyn Error>> {
    let (mut draws, mut csv, mut files, mut refit) = (30, None, Vec::new(), false);
    let mut arguments = std::env::args().skip(1);
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--draws" => draws = arguments.next().ok_or("--draws needs a number")?.parse()?,
            "--csv" => csv = arguments.next(),
            "--refit" => refit = true,
            _ => files.push(argument),
        }
    }
    let mut rows = String::from("data,shots,head,accuracy,calibration_error,known_rejected\n");
    for file in &files {
        let data = npz::read(file)?;
        if refit {
            speed(&data)?;
            continue;
        }
        table(&data, draws, &mut rows)?;
        if data.classes == 10 {
            unknown(&data, draws)?;
            speed(&data)?;
        }
    }
    if let Some(path) = csv {
        std::fs::write(path, rows)?;
    }
    Ok(())
}

/// A head taught the samples at `picks`.
fn teach(kind: HeadKind, data: &Data, picks: &[usize]) -> Result<Head<Box<[u32]>>, Box<dyn Error>> {
    let limits = Limits { classes: data.classes as u16, samples: picks.len() as u16 };
    let mut head = Head::boxed(kind, data.dim, [0; 32], limits)?;
    let ids: Result<Vec<_>, _> = (0..data.classes).map(|c| head.add_class(&format!("{c}"))).collect();
    let ids = ids?;
    for &i in picks {
        head.add_sample(ids[data.labels[i]], data.get(i))?;
    }
    Ok(head)
}

#[derive(Default)]
struct Score {
    right: usize,
    asked: usize,
    unknown: usize,
    /// Sum of confidence, of right answers, for each tenth of confidence.
    bins: [(f64, f64); 10],
}

fn table(data: &Data, draws: u64, rows: &mut String) -> Result<(), Box<dyn Error>> {
    println!("\n{:<13} {:>5} {}", data.name, "shots", HeadKind::ALL.map(|k| format!("{k:>8}")).concat());
    for shots in SHOTS.into_iter().filter(|&shots| data.has(shots)) {
        let label = if shots == usize::MAX { "all".to_string() } else { shots.to_string() };
        let mut line = format!("{:<13} {label:>5} ", "");
        let mut notes = String::new();
        for kind in HeadKind::ALL {
            let (mut score, mut chosen, mut sum) = (Score::default(), BTreeMap::new(), 0.0);
            for draw in 0..data.draws(shots, draws) {
                let (learn, test) = data.draw(shots, draw);
                let mut head = teach(kind, data, &learn)?;
                *chosen.entry(head.chosen()?.kind.name()).or_insert(0) += 1;
                let before = (score.right, score.asked);
                ask(&mut head, data, &test, &mut score)?;
                sum += (score.right - before.0) as f64 / (score.asked - before.1) as f64;
            }
            let accuracy = sum / data.draws(shots, draws) as f64;
            let error: f64 = score.bins.iter().map(|(c, r)| (c - r).abs()).sum::<f64>() / score.asked as f64;
            let rejected = score.unknown as f64 / score.asked as f64;
            write!(line, "{:>8.2}", 100.0 * accuracy)?;
            writeln!(rows, "{},{label},{kind},{accuracy:.5},{error:.5},{rejected:.5}", data.name)?;
            if kind == HeadKind::Auto {
                notes = format!("   auto: ece {error:.3}, {:.1} % unknown, {chosen:?}", 100.0 * rejected);
            }
        }
        println!("{line}{notes}");
    }
    Ok(())
}

fn ask(
    head: &mut Head<Box<[u32]>>,
    data: &Data,
    test: &[usize],
    score: &mut Score,
) -> Result<(), Box<dyn Error>> {
    let mut probabilities = vec![0.0; data.classes];
    for &i in test {
        let answer = head.probabilities(data.get(i), &mut probabilities)?;
        let best = (0..data.classes).fold(0, |b, c| if probabilities[c] > probabilities[b] { c } else { b });
        let right = best == data.labels[i];
        let confidence = f64::from(probabilities[best]);
        let bin = &mut score.bins[((confidence * 10.0) as usize).min(9)];
        *bin = (bin.0 + confidence, bin.1 + f64::from(u8::from(right)));
        score.right += usize::from(right);
        score.asked += 1;
        score.unknown += usize::from(matches!(answer, Answer::Unknown { .. }));
    }
    Ok(())
}

/// Half of the classes taught from 20 samples each, all of them shown.
fn unknown(data: &Data, draws: u64) -> Result<(), Box<dyn Error>> {
    let (mut ours, mut softmax, mut neighbour, mut rejected, mut caught) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for draw in 0..draws {
        let (learn, test) = data.draw(20, draw);
        let known = |class: usize| (class + draw as usize) % data.classes < data.classes / 2;
        let learn: Vec<usize> = learn.into_iter().filter(|&i| known(data.labels[i])).collect();
        let mut head = teach(HeadKind::Auto, data, &learn)?;
        let mut plain = teach(HeadKind::Softmax, data, &learn)?;
        let mut scores: [Vec<(f64, bool)>; 3] = Default::default();
        let (mut unknown, mut count) = ([0.0; 2], [0.0; 2]);
        let mut p = vec![0.0; data.classes];
        for &i in &test {
            let is_known = known(data.labels[i]);
            let answer = head.classify(data.get(i))?;
            unknown[usize::from(is_known)] += f64::from(u8::from(answer.known().is_none()));
            count[usize::from(is_known)] += 1.0;
            scores[0].push((f64::from(head.similarity(data.get(i))?.0.get()), is_known));
            plain.probabilities(data.get(i), &mut p)?;
            scores[1].push((f64::from(p.iter().copied().fold(0.0, f32::max)), is_known));
            // The fifth neighbour's distance, by angle.
            let mut near: Vec<f32> = learn.iter().filter_map(|&j| data.get(j).cosine(&data.get(i))).collect();
            near.sort_by(|a, b| b.total_cmp(a));
            scores[2].push((f64::from(near[4.min(near.len() - 1)]), is_known));
        }
        ours += area(&mut scores[0]) / draws as f64;
        softmax += area(&mut scores[1]) / draws as f64;
        neighbour += area(&mut scores[2]) / draws as f64;
        rejected += unknown[1] / count[1] / draws as f64;
        caught += unknown[0] / count[0] / draws as f64;
    }
    println!(
        "\nknown against unknown, half of the classes taught from 20 samples each: area under the curve"
    );
    println!("  ours {ours:.3}, greatest softmax {softmax:.3}, fifth neighbour {neighbour:.3}");
    let percent = |x: f64| 100.0 * x;
    println!("  unknown: {:.1} % of the known, {:.1} % of the others", percent(rejected), percent(caught));
    Ok(())
}

/// Area under the receiver's curve: how often a known one scores higher than an unknown one.
fn area(scores: &mut [(f64, bool)]) -> f64 {
    scores.sort_by(|a, b| a.0.total_cmp(&b.0));
    let (mut unknown, mut pairs, mut known) = (0.0, 0.0, 0.0);
    for &(_, is_known) in &*scores {
        if is_known {
            known += 1.0;
            pairs += unknown;
        } else {
            unknown += 1.0;
        }
    }
    pairs / (known * unknown)
}

/// Ten classes of 50 samples: the best of nine fits, from the kept samples alone and with their
/// products; what teaching and asking take.
fn speed(data: &Data) -> Result<(), Box<dyn Error>> {
    let (learn, test) = data.draw(50, 0);
    println!(
        "\n{} samples of {} values, milliseconds: refit, refit with the products, one sample, an answer",
        learn.len(),
        data.dim
    );
    for kind in HeadKind::ALL {
        let mut head = teach(kind, data, &learn)?;
        let mut saved = vec![0; head.encoded_len()];
        head.encode(&mut saved)?;
        let mut best = [f64::INFINITY; 4];
        let mut time = |slot: usize, start: Instant| {
            best[slot] = best[slot].min(1e3 * start.elapsed().as_secs_f64());
        };
        for _ in 0..9 {
            // A head that was read has its samples and nothing that is computed from them.
            let memory = vec![0; head.limits().words(kind, data.dim)?].into_boxed_slice();
            head = Head::decode(&saved, None, memory)?;
            let start = Instant::now();
            head.fit()?;
            time(0, start);
            head.set_strictness(head.strictness())?;
            let start = Instant::now();
            head.fit()?;
            time(1, start);
            let class = head.undo().ok_or("there are samples")?;
            let start = Instant::now();
            head.add_sample(class, data.get(learn[learn.len() - 1]))?;
            time(2, start);
            head.fit()?;
            let start = Instant::now();
            head.classify(data.get(test[0]))?;
            time(3, start);
        }
        let [refit, again, sample, answer] = best;
        println!("  {kind:<8} {refit:>8.1} {again:>8.1} {sample:>8.3} {answer:>8.3}");
    }
    Ok(())
}

/// Just enough of numpy's archives: stored entries of `<f4` and `<i8`.
mod npz {
    use super::Data;
    use std::error::Error;
    use std::path::Path;

    pub fn read(path: &str) -> Result<Data, Box<dyn Error>> {
        let bytes = std::fs::read(path).map_err(|e| format!("{path}: {e}"))?;
        let array = |name: &str| entry(&bytes, name).ok_or(format!("{path}: no array {name}"));
        let (values, labels, split) = (array("embeddings")?, array("labels")?, array("split")?);
        let values: Vec<f32> =
            values.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect();
        let integers =
            |bytes: &[u8]| -> Vec<usize> { bytes.chunks_exact(8).map(|b| usize::from(b[0])).collect() };
        let labels = integers(labels);
        let name = Path::new(path).file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let held = integers(split).into_iter().map(|s| s == 1).collect();
        let classes = labels.iter().max().ok_or("nothing in there")? + 1;
        Ok(Data { name, dim: values.len() / labels.len(), values, labels, held, classes })
    }

    /// The numbers of one array.
    fn entry<'a>(mut bytes: &'a [u8], name: &str) -> Option<&'a [u8]> {
        let short =
            |b: &[u8], at: usize| Some(usize::from(u16::from_le_bytes([*b.get(at)?, *b.get(at + 1)?])));
        let long = |b: &[u8], at: usize| Some(u32::from_le_bytes(*b.get(at..)?.first_chunk()?));
        while bytes.starts_with(b"PK\x03\x04") {
            let (name_len, extra_len) = (short(bytes, 26)?, short(bytes, 28)?);
            let mut size = long(bytes, 22)? as usize;
            if size == u32::MAX as usize {
                size = long(bytes, 30 + name_len + 4)? as usize;
            }
            let start = 30 + name_len + extra_len;
            let body = bytes.get(start..start + size)?;
            if bytes.get(30..30 + name_len)? == format!("{name}.npy").as_bytes() {
                return body.get(10 + short(body, 8)?..);
            }
            bytes = &bytes[start + size..];
        }
        None
    }
}
