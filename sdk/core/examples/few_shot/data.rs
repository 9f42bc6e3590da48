//! Labelled embeddings, and training and test draws from them.

use std::error::Error;
use std::path::Path;

use offshoot_core::{Embedding, Quant, Scale};

/// Samples per class of the rows; the last stands for all.
pub const SHOTS: [usize; 5] = [1, 5, 10, 20, usize::MAX];

/// Number of test samples per class if the data set has no `val` folder and all others are used for
/// training.
const KEPT_BACK: usize = 5;

/// Labelled embeddings.
pub struct Data {
    pub name: String,
    pub dim: usize,
    pub values: Vec<f32>,
    /// Embeddings as int8 values, if they come from an int8 package: the form that its device
    /// keeps.
    codes: Option<(Vec<i8>, Quant)>,
    pub labels: Vec<usize>,
    /// Test samples; all false if the data set has no `val` folder.
    pub held: Vec<bool>,
    pub classes: usize,
    /// Embeddings of augmented views of the same images for training: an array like `values` each.
    pub views: Vec<Vec<f32>>,
    /// Means of the views and of the image itself, to train on instead of each: no array is wanted
    /// then.
    pub means: Option<Vec<f32>>,
}

impl Data {
    /// Checks that there is one embedding per label, one behind the other; `None` if there are
    /// none.
    pub fn new(
        name: String,
        values: Vec<f32>,
        labels: Vec<usize>,
        held: Vec<bool>,
    ) -> Option<Self> {
        let dim = values.len() / labels.len().max(1);
        let classes = labels.iter().max()? + 1;
        let codes = codes(&values);
        Some(Self {
            name,
            dim,
            values,
            codes,
            labels,
            held,
            classes,
            views: Vec::new(),
            means: None,
        })
    }

    pub fn get(&self, i: usize) -> Embedding<'_> {
        let range = i * self.dim..(i + 1) * self.dim;
        match &self.codes {
            Some((codes, quant)) => Embedding::Int8 { codes: &codes[range], quant: *quant },
            None => Embedding::Float(&self.values[range]),
        }
    }

    /// Returns the embeddings of the augmented views of an image.
    pub fn views(&self, i: usize) -> impl Iterator<Item = Embedding<'_>> {
        self.views.iter().map(move |view| Embedding::Float(&view[i * self.dim..][..self.dim]))
    }

    /// Returns the training embedding of an image before its views.
    pub fn taught(&self, i: usize) -> Embedding<'_> {
        match &self.means {
            Some(means) => Embedding::Float(&means[i * self.dim..][..self.dim]),
            None => self.get(i),
        }
    }

    /// Averages each image and its views to one embedding.
    pub fn average(&mut self) {
        let views = std::mem::take(&mut self.views);
        let share = 1.0 / (1 + views.len()) as f32;
        let means = self.values.iter().enumerate().map(|(i, x)| {
            let others: f32 = views.iter().map(|view| view[i]).sum();
            share * (x + others)
        });
        self.means = Some(means.collect());
    }

    /// Adds a copy with every value dropped with probability `loss` and the others scaled up to
    /// compensate.
    pub fn drop_out(&mut self, loss: f64, seed: u64) {
        let mut state = seed;
        let copy = self.values.iter().map(|x| {
            let chance = (split_mix(&mut state) >> 11) as f64 / (1u64 << 53) as f64;
            if chance < loss { 0.0 } else { x / (1.0 - loss) as f32 }
        });
        let copy = copy.collect();
        self.views.push(copy);
    }

    pub fn is_split(&self) -> bool {
        self.held.contains(&true)
    }

    /// Draws training and test samples.
    pub fn draw(&self, shots: usize, draw: u64) -> (Vec<usize>, Vec<usize>) {
        let mut state = draw.wrapping_add(1).wrapping_mul(0xd1b5_4a32_d192_ed03);
        let mut learn = Vec::new();
        let mut test = Vec::new();
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

    /// Returns true if a row of `shots` samples differs from the next.
    pub fn has(&self, shots: usize) -> bool {
        let most = (0..self.classes).map(|c| {
            (0..self.labels.len()).filter(|&i| self.labels[i] == c && !self.held[i]).count()
        });
        shots == usize::MAX || most.min().is_some_and(|most| shots + KEPT_BACK <= most)
    }

    pub fn draws(&self, shots: usize, draws: u64) -> u64 {
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

/// Reads just enough of numpy's archives: stored entries of `<f4` and `<i8`.
pub fn read(path: &str) -> Result<Data, Box<dyn Error>> {
    let bytes = std::fs::read(path).map_err(|e| format!("{path}: {e}"))?;
    let array = |name: &str| entry(&bytes, name).ok_or(format!("{path}: no array {name}"));
    let values: Vec<f32> = array("embeddings")?
        .chunks_exact(4)
        .map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]]))
        .collect();
    let labels = integers(array("labels")?);
    let split = integers(array("split")?);
    let name = Path::new(path).file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let held = split.into_iter().map(|s| s == 1).collect();
    Ok(Data::new(name, values, labels, held).ok_or("nothing in there")?)
}

/// Recovers the quantization of values: steps of one size, from a minimum that stands for -128.
fn codes(values: &[f32]) -> Option<(Vec<i8>, Quant)> {
    let mut sorted: Vec<f32> = values.to_vec();
    sorted.sort_unstable_by(f32::total_cmp);
    sorted.dedup();
    let least = *sorted.first()?;
    let most = *sorted.last()?;
    let gap = sorted.windows(2).map(|two| two[1] - two[0]).fold(f32::INFINITY, f32::min);
    // The rounding error of one gap would be seen in 255 of them.
    let step = (most - least) / ((most - least) / gap).round();
    let zero = (-128.0 - least / step).round();
    let quant = Quant {
        scale: Scale::new(step)?,
        zero_point: (-128.0..=127.0).contains(&zero).then_some(zero as i8)?,
    };
    let codes = values.iter().map(|x| {
        let exact = x / step + zero;
        let code = exact.round();
        ((-128.0..=127.0).contains(&code) && (exact - code).abs() < 1e-2).then_some(code as i8)
    });
    Some((codes.collect::<Option<_>>()?, quant))
}

/// Returns the lowest byte of each 64-bit integer.
fn integers(bytes: &[u8]) -> Vec<usize> {
    bytes.chunks_exact(8).map(|b| usize::from(b[0])).collect()
}

/// Reads a 16-bit number.
fn short(bytes: &[u8], at: usize) -> Option<usize> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?).into())
}

/// Reads a 32-bit number.
fn long(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// Returns the numbers of one array.
fn entry<'a>(mut bytes: &'a [u8], name: &str) -> Option<&'a [u8]> {
    while bytes.starts_with(b"PK\x03\x04") {
        let name_len = short(bytes, 26)?;
        let extra_len = short(bytes, 28)?;
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
