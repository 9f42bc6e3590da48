//! Measures fits of many samples on one thread: the counterpart of `tests/peers/heads.py`.
//!
//! `scale SAMPLES DIMENSIONS CLASSES KIND` prints seconds to fit, seconds for a report with all of
//! its advice (processor time, so that other programs do not count), the accuracy on fresh and on
//! held-out samples, the number of lines of advice and, of softmax regression, the objective that
//! was reached. With `-` for the kind it writes the samples as floats, the training samples and
//! then the same number of fresh ones, to standard output.

use std::error::Error;
use std::io::Write;

use offshoot_core::Embedding;
use offshoot_core::head::{Head, HeadKind, Limits};
use offshoot_core::package::PackageId;

/// Distance of samples from the centre of their class; centres have distance 1 from their mean in
/// each dimension.
const SPREAD: f32 = 3.0;

/// Number of dimensions in which classes differ.
const DIFFERENT: usize = 64;

/// Pseudorandom numbers (SplitMix64), and nearly a normal distribution.
struct Noise(u64);

impl Noise {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn normal(&mut self) -> f32 {
        // Sum of eight 16-bit numbers.
        let a = self.bits();
        let b = self.bits();
        (sum_of_four(a) + sum_of_four(b) - 4.0 * 65_535.0) / (65_536.0 * 0.8165)
    }
}

/// Returns the sum of the four 16-bit numbers in `x`.
fn sum_of_four(x: u64) -> f32 {
    (0..4).map(|i| (x >> (16 * i) & 0xffff) as f32).sum()
}

fn sample(noise: &mut Noise, class: usize, dim: usize) -> Vec<f32> {
    let mut centre = Noise(1 + class as u64);
    let mut sample = Vec::with_capacity(dim);
    for i in 0..dim {
        let middle = if i < DIFFERENT { centre.normal() } else { 0.0 };
        // Shaped like activations after ReLU: mostly positive, with another scale in every
        // dimension.
        let value = (1.0 + middle + SPREAD * noise.normal()).max(0.0);
        sample.push(value / (1.0 + (i % 7) as f32));
    }
    sample
}

/// Processor time of this process in seconds, on Linux.
fn seconds() -> Result<f64, Box<dyn Error>> {
    let text = std::fs::read_to_string("/proc/self/schedstat")?;
    Ok(1e-9 * text.split_whitespace().next().ok_or("an empty schedstat")?.parse::<f64>()?)
}

/// Objective of softmax regression: half of the squared weights, plus `inverse_l2` times the loss
/// of each sample.
fn objective(head: &mut Head<Box<[u32]>>) -> Result<f64, Box<dyn Error>> {
    let inverse_l2 = f64::from(head.inverse_l2());
    head.fit()?;
    let linear = head.linear()?;
    let weights: f64 = linear.weights.iter().map(|&w| f64::from(w) * f64::from(w)).sum();
    let mut loss = 0.0;
    for (class, embedding) in head.samples() {
        let values: Vec<f32> = embedding.iter().collect();
        let length = values.iter().map(|x| x * x).sum::<f32>().sqrt();
        let gain = f64::from(linear.gain(length) / linear.inverse_temperature);
        let rows = linear.weights.chunks_exact(values.len()).zip(linear.raw_bias);
        let score = |(row, &bias): (&[f32], &f32)| {
            let product: f64 =
                row.iter().zip(&values).map(|(&w, &x)| f64::from(w) * f64::from(x)).sum();
            gain * product + f64::from(bias)
        };
        let scores: Vec<f64> = rows.map(score).collect();
        let top = scores.iter().copied().fold(f64::MIN, f64::max);
        let sum: f64 = scores.iter().map(|score| (score - top).exp()).sum();
        loss += top + sum.ln() - scores[class.index()];
    }
    Ok(weights / 2.0 + inverse_l2 * loss)
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let [samples, dim, classes, kind] = &arguments[..] else {
        return Err("usage: scale SAMPLES DIMENSIONS CLASSES KIND|-".into());
    };
    let (samples, dim, classes): (usize, usize, usize) =
        (samples.parse()?, dim.parse()?, classes.parse()?);
    let mut taught = Noise(7);
    let mut fresh = Noise(8);
    if kind == "-" {
        let mut out = std::io::stdout().lock();
        for noise in [&mut taught, &mut fresh] {
            for i in 0..samples {
                for value in sample(noise, i % classes, dim) {
                    out.write_all(&value.to_le_bytes())?;
                }
            }
        }
        return Ok(());
    }
    let limits = Limits { classes: classes.try_into()?, samples: samples.try_into()? };
    let mut head = Head::boxed(kind.parse::<HeadKind>()?, dim, PackageId::new([0; 32]), limits)?;
    for class in 0..classes {
        head.add_class(&format!("class {class}"))?;
    }
    for i in 0..samples {
        let class = head.class_at(i % classes).ok_or("no class")?;
        head.add_sample(class, Embedding::Float(&sample(&mut taught, i % classes, dim)))?;
    }
    let start = seconds()?;
    head.fit()?;
    let fitted = seconds()? - start;
    let start = seconds()?;
    let advice = head.report()?.advice().count();
    let right = head.report()?.right();
    let reported = seconds()? - start;
    head.set_false_rejection_rate(0.0)?;
    head.fit()?;
    let asked = samples.min(2000);
    let mut correct = 0;
    for i in 0..asked {
        let answer = head.classify(Embedding::Float(&sample(&mut fresh, i % classes, dim)))?;
        correct += usize::from(answer.class().index() == i % classes);
    }
    let share = correct as f64 / asked as f64;
    let held_out = right as f64 / samples as f64;
    let least = match kind.parse()? {
        HeadKind::Softmax => format!("{:.1}", objective(&mut head)?),
        _ => "-".to_string(),
    };
    println!("{kind} {fitted:.2} {reported:.2} {share:.3} {held_out:.3} {advice} {least}");
    eprintln!(
        "{} bytes, {:?}, {:?}",
        limits.bytes(kind.parse()?, dim)?,
        head.chosen()?,
        head.fit()?
    );
    Ok(())
}
