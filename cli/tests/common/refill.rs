//! Weights for the graphs in `../shared/models/skeletons`, which come without any.
//!
//! The generator is the one their recipes were made with (`../shared/models/refill.rs`): the sum
//! of four 16-bit uniforms of a hash of the tensor's name and the index, which is close to normal.

use std::path::Path;

use prost::Message;
use tract_onnx::pb::ModelProto;

const SEED: u64 = 0x5eed_ed6e_5d4b_0001;
/// Four uniforms of 16 bits have this mean, and the inverse of their deviation.
const MEAN: f64 = 131_070.0;
const UNIT: f64 = 2.642_899_792_130_301_4e-5;

fn mix(mut z: u64) -> u64 {
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

fn sums(name: &str, n: usize) -> Vec<f64> {
    let hash = |h: u64, b: u8| (h ^ u64::from(b)).wrapping_mul(0x0100_0000_01b3);
    let stream = name.bytes().fold(0xcbf2_9ce4_8422_2325, hash) ^ SEED;
    (1..=n as u64)
        .map(|i| {
            let r = mix(stream.wrapping_add(i.wrapping_mul(0x9e37_79b9_7f4a_7c15)));
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

/// A skeleton with its weights, as the bytes of an ONNX file, and the tensor that feeds its classifier.
pub fn skeleton(shared: &Path, name: &str) -> (Vec<u8>, String) {
    let folders = ["models/skeletons", "models/skeletons_agpl"].map(|f| shared.join(f));
    let folder = folders.iter().find(|f| f.join(format!("{name}.onnx")).exists()).unwrap();
    let bytes = std::fs::read(folder.join(format!("{name}.onnx"))).unwrap();
    let recipe = std::fs::read(folder.join(format!("{name}.recipe.json"))).unwrap();
    let recipe: serde_json::Value = serde_json::from_slice(&recipe).unwrap();
    let mut model = ModelProto::decode(&bytes[..]).unwrap();
    for tensor in &mut model.graph.as_mut().unwrap().initializer {
        let entries = recipe["initializers"].as_array().unwrap();
        let Some(entry) = entries.iter().find(|e| e["name"] == tensor.name.as_str()) else { continue };
        let n = tensor.dims.iter().product::<i64>() as usize;
        let rows = if entry["center"] == "rows" { tensor.dims[0] as usize } else { 0 };
        let (mean, std) = (entry["mean"].as_f64().unwrap(), entry["std"].as_f64().unwrap());
        let values = fill(&tensor.name, n, mean, std, rows);
        tensor.raw_data = values.iter().flat_map(|v| v.to_le_bytes()).collect::<Vec<u8>>();
    }
    let cut = recipe["classifier"]["feature_tensor"].as_str().unwrap().to_string();
    (model.encode_to_vec(), cut)
}
