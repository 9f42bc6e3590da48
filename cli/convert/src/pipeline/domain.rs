//! Statistics of the calibration set, which the package states: `check` tells foreign images by them.

use offshoot::{Depths, Embedding};
use offshoot_core::Package;
use offshoot_core::graph::TensorId;
use offshoot_core::package::{DepthSamples, Measured, with_domain};
use offshoot_core::preprocess::{Channels, Preprocess};
use offshoot_core::statistics::Appearance;

use super::ConvertError;
use crate::calibrate::input::Input;

/// Max number of samples that are measured, spread over all.
const MOST: usize = 512;

/// Adds the statistics of the samples to a package: those of the images, and of the values at the
/// depths of an int8 network; `embeddings` are those of the float network, for the others.
///
/// A package of fewer than 16 samples gets none.
pub(super) fn state(
    bytes: Vec<u8>,
    inputs: &[Input<'_>],
    embeddings: &[Vec<f32>],
) -> Result<Vec<u8>, ConvertError> {
    let package = Package::open(&bytes).map_err(offshoot_core::package::WriteError::from)?;
    let step = inputs.len().div_ceil(MOST).max(1);
    let inputs: Vec<Input<'_>> = inputs.iter().step_by(step).copied().collect();
    let depths = match Depths::new(&package)? {
        Some(mut depths) => read(&mut depths, &inputs)?,
        None => {
            let mut values: Vec<f32> = embeddings.iter().step_by(step).flatten().copied().collect();
            if package.manifest().extras.unit_length {
                values
                    .chunks_exact_mut(package.embedding_dim())
                    .for_each(Embedding::to_unit_length);
            }
            vec![(package.graph().output(), package.embedding_dim(), values)]
        }
    };
    let samples: Vec<DepthSamples<'_>> = depths
        .iter()
        .map(|(tensor, len, values)| DepthSamples { tensor: *tensor, len: *len, values })
        .collect();
    match Measured::of(&appearances(&inputs), &samples) {
        Some(measured) => Ok(with_domain(&bytes, &measured)?),
        None => Ok(bytes),
    }
}

/// Tensor of a depth, number of its values, and the values of all samples.
type DepthValues = (TensorId, usize, Vec<f32>);

/// Reads the values of all images at each depth.
fn read(depths: &mut Depths, inputs: &[Input<'_>]) -> Result<Vec<DepthValues>, ConvertError> {
    let mut all: Vec<DepthValues> =
        depths.all().map(|depth| (depth.tensor(), depth.len(), Vec::new())).collect();
    for input in inputs {
        let Input::Image(frame, _) = input else { continue };
        let mut rest = depths.read(frame)?;
        for (_, len, values) in &mut all {
            let (own, others) = rest.split_at(*len);
            values.extend_from_slice(own);
            rest = others;
        }
    }
    Ok(all)
}

/// Measures the images as the network sees them; none for signals and texts.
fn appearances(inputs: &[Input<'_>]) -> Vec<Appearance> {
    let mut rgb = Vec::new();
    let images = inputs.iter().filter_map(|input| match input {
        Input::Image(frame, preprocess) => {
            let seen = Preprocess { channels: Channels::Rgb, ..**preprocess };
            rgb.resize(seen.shape()?.elements(), 0);
            // The length fits by construction.
            let _ = seen.pixels_into(frame, &mut rgb);
            Appearance::of(seen.width.into(), &rgb, 1)
        }
        Input::Signal(..) | Input::Text(..) => None,
    });
    images.collect()
}
