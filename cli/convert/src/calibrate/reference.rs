//! Network in the model file as planned by tract: a reference that does not depend on the importer.

use offshoot_core::Frame;
use offshoot_core::preprocess::Preprocess;
use offshoot_core::tokens::Pooling;
use tract_onnx::prelude::{TractError as Cause, *};
use tract_onnx::tract_core::model::{TypedSimplePlan, TypedSimpleState};

use super::CalibrateError;
use crate::import::{self, ImportedText, InputOrder, SignalOrder};

/// Runner of a network in the model file.
pub struct Reference {
    state: TypedSimpleState,
}

impl std::fmt::Debug for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reference").finish_non_exhaustive()
    }
}

impl Reference {
    /// Optimizes and plans a model.
    ///
    /// # Errors
    /// Error of tract, for a model that it cannot optimize.
    pub fn new(model: TypedModel) -> Result<Self, CalibrateError> {
        let state = model.into_optimized().and_then(TypedSimplePlan::new).and_then(|p| p.spawn());
        Ok(Self { state: state.map_err(error)? })
    }

    /// Returns the outputs for an input, each in the layout of the model.
    ///
    /// # Errors
    /// Error of tract, if the model does not run.
    pub fn run(&mut self, input: &Prepared) -> Result<Vec<Vec<f32>>, CalibrateError> {
        let outputs = self.state.run(input.0.clone()).map_err(error)?;
        outputs.iter().map(|tensor| floats(tensor).map_err(error)).collect()
    }
}

fn floats(tensor: &TValue) -> TractResult<Vec<f32>> {
    let values = tensor.cast_to::<f32>()?;
    Ok(values.try_as_plain_ram()?.as_slice::<f32>()?.to_vec())
}

/// Input of a [`Reference`].
#[derive(Debug)]
pub struct Prepared(TVec<TValue>);

impl Prepared {
    /// Prepares an image for a model with inputs in this order.
    ///
    /// # Errors
    /// Error of tract, if the input cannot be made.
    pub fn image(
        frame: &Frame<'_>,
        preprocess: &Preprocess,
        order: InputOrder,
    ) -> Result<Self, CalibrateError> {
        let h = usize::from(preprocess.height);
        let w = usize::from(preprocess.width);
        let c = preprocess.channels.count();
        let mut values = vec![0.0; preprocess.shape().map_or(0, |s| s.elements())];
        // The length fits by construction.
        let _ = preprocess.normalize_into(frame, &mut values);
        let input = if order.channels_last {
            Tensor::from_shape(&[1, h, w, c], &values)
        } else {
            let planes = (0..c).flat_map(|channel| values.iter().skip(channel).step_by(c));
            Tensor::from_shape(&[1, c, h, w], &planes.copied().collect::<Vec<f32>>())
        };
        let mut input = input.map_err(error)?;
        if !order.batch {
            input.remove_axis(0).map_err(error)?;
        }
        Ok(Self(tvec!(input.into_tvalue())))
    }

    /// Prepares a normalized window of a signal for a model with inputs in this order.
    ///
    /// # Errors
    /// Error of tract, if the input cannot be made.
    pub fn signal(
        values: &[f32],
        channels: usize,
        order: &SignalOrder,
    ) -> Result<Self, CalibrateError> {
        let input = if order.channels_last {
            Tensor::from_shape(&order.dims, values)
        } else {
            let planes = (0..channels).flat_map(|c| values.iter().skip(c).step_by(channels));
            Tensor::from_shape(&order.dims, &planes.copied().collect::<Vec<f32>>())
        };
        Ok(Self(tvec!(input.map_err(error)?.into_tvalue())))
    }

    /// Prepares a text, filled up with the id `pad`; the second input of a model, if it has one, is
    /// the mask.
    ///
    /// # Errors
    /// Error of tract, if the input cannot be made.
    pub fn text(ids: &[u32], pad: u32, imported: &ImportedText) -> Result<Self, CalibrateError> {
        let mut filled = vec![i64::from(pad); imported.length];
        let mut mask = vec![0; imported.length];
        for (at, id) in ids.iter().enumerate().take(imported.length) {
            filled[at] = i64::from(*id);
            mask[at] = 1;
        }
        let model = &imported.reference;
        let mut inputs = TVec::new();
        for (at, row) in [filled, mask].iter().enumerate().take(model.inputs.len()) {
            let kind = model.input_fact(at).map_err(error)?.datum_type;
            let tensor = Tensor::from_shape(&[1, imported.length], row).map_err(error)?;
            inputs.push(tensor.cast_to_dt(kind).map_err(error)?.into_owned().into_tvalue());
        }
        Ok(Self(inputs))
    }
}

/// Returns the embedding of a text of `count` tokens for the outputs of its model.
pub fn text_embedding(
    outputs: Vec<Vec<f32>>,
    imported: &ImportedText,
    pooling: Pooling,
    count: usize,
) -> Vec<f32> {
    let mut embedding = Vec::new();
    for (values, output) in outputs.into_iter().zip(&imported.outputs) {
        if !output.pooled {
            embedding.extend(values);
            continue;
        }
        let mut part = vec![0.0; output.values];
        for (at, vector) in values.chunks_exact(part.len()).enumerate().take(count) {
            let weight = pooling.weight(at, count);
            part.iter_mut().zip(vector).for_each(|(sum, v)| *sum += weight * v);
        }
        embedding.extend(part);
    }
    embedding
}

fn error(error: Cause) -> CalibrateError {
    let reason = format!("{error:#}");
    CalibrateError::Reference { node: import::named(&reason).map(str::to_string), reason }
}
