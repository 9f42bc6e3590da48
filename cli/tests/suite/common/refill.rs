//! Weights for the graphs in `../shared/models/skeletons`, which come without any.
//!
//! The generator is the one their recipes were made with (`../shared/models/refill.rs`): the sum
//! of four 16-bit uniforms of a hash of the tensor's name and the index, which is close to normal.

use std::path::{Path, PathBuf};

use prost::Message;
use tract_onnx::pb::ModelProto;

const SEED: u64 = 0x5eed_ed6e_5d4b_0001;
const STEP: u64 = 0x9e37_79b9_7f4a_7c15;
/// Four uniforms of 16 bits have this mean, and the inverse of their deviation.
const MEAN: f64 = 131_070.0;
const UNIT: f64 = 2.642_899_792_130_301_4e-5;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn stream(name: &str) -> u64 {
    let hash = |h: u64, b: u8| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
    name.bytes().fold(0xcbf2_9ce4_8422_2325, hash) ^ SEED
}

fn sums(name: &str, n: usize) -> Vec<f64> {
    let stream = stream(name);
    (1..=n as u64)
        .map(|i| {
            let r = mix(stream.wrapping_add(i.wrapping_mul(STEP)));
            (0..4).map(|k| (r >> (16 * k)) & 0xffff).sum::<u64>() as f64
        })
        .collect()
}

fn fill(name: &str, n: usize, mean: f64, std: f64, rows: usize) -> Vec<f32> {
    if std == 0.0 {
        return vec![mean as f32; n];
    }
    let sums = sums(name, n);
    let row = n.checked_div(rows).unwrap_or(n);
    let value = |s: f64, center: f64| (mean + std * ((s - center) * UNIT)) as f32;
    sums.chunks(row)
        .flat_map(|chunk| {
            let center = if rows > 0 { chunk.iter().sum::<f64>() / row as f64 } else { MEAN };
            chunk.iter().map(move |&s| value(s, center))
        })
        .collect()
}

/// An image as the recipes' golden values were made from: channels, rows, columns.
pub fn blocks(name: &str, [c, h, w]: [usize; 3], grid: usize) -> Vec<f32> {
    let unit = |s: f64| (s - MEAN) * UNIT;
    let coarse = sums(name, c * grid * grid);
    let fine = sums(&format!("{name}.pixel"), c * h * w);
    let place = |i: usize| (i / (h * w), i / w % h, i % w);
    let block = |(c, y, x)| coarse[(c * grid + y * grid / h) * grid + x * grid / w];
    (0..c * h * w).map(|i| (unit(block(place(i))) + 0.25 * unit(fine[i])) as f32).collect()
}

/// Ids of tokens as the recipes' golden values were made from.
pub fn ids(name: &str, n: u64, modulus: u64) -> Vec<u32> {
    let id = |i: u64| (mix(stream(name).wrapping_add(i.wrapping_mul(STEP))) >> 33) % modulus;
    (1..=n).map(|i| id(i) as u32).collect()
}

/// Reads the recipe of a skeleton.
pub fn recipe(shared: &Path, name: &str) -> serde_json::Value {
    let recipe = std::fs::read(folder(shared, name).join(format!("{name}.recipe.json"))).unwrap();
    serde_json::from_slice(&recipe).unwrap()
}

fn folder(shared: &Path, name: &str) -> PathBuf {
    let folders = ["models/skeletons", "models/skeletons_agpl"].map(|f| shared.join(f));
    folders.into_iter().find(|f| f.join(format!("{name}.onnx")).exists()).unwrap()
}

/// A skeleton with its weights, as the bytes of an ONNX file, and the tensor that feeds its
/// classifier.
pub fn skeleton(shared: &Path, name: &str) -> (Vec<u8>, String) {
    let bytes = std::fs::read(folder(shared, name).join(format!("{name}.onnx"))).unwrap();
    let recipe = recipe(shared, name);
    let mut model = ModelProto::decode(&bytes[..]).unwrap();
    for tensor in &mut model.graph.as_mut().unwrap().initializer {
        let entries = recipe["initializers"].as_array().unwrap();
        let Some(entry) = entries.iter().find(|e| e["name"] == tensor.name.as_str()) else {
            continue;
        };
        let n = tensor.dims.iter().product::<i64>() as usize;
        let rows = if entry["center"] == "rows" { tensor.dims[0] as usize } else { 0 };
        let mean = entry["mean"].as_f64().unwrap();
        let std = entry["std"].as_f64().unwrap();
        let values = fill(&tensor.name, n, mean, std, rows);
        tensor.raw_data = values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    }
    let cut = recipe["classifier"]["feature_tensor"].as_str().unwrap().to_string();
    (model.encode_to_vec(), cut)
}
