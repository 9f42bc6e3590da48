//! Import of a language backbone into a network that takes the rows of a [`Table`].

use std::cell::Cell;

use offshoot_core::Shape;
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;

use super::ends::{self, Shapes};
use super::text_inputs::{Part, TextSource};
use super::{Cut, ImportError, Source, Table, text_inputs, unsupported, walk};
use crate::ir::{LayerId, LayerOp, Model, pooling};

/// Tensor at the cut of a language backbone.
#[derive(Debug, Clone, Copy)]
pub struct TextOutput {
    /// Number of values that it adds to an embedding.
    pub values: usize,
    /// True if it has one vector per token; these are pooled.
    pub pooled: bool,
}

/// Imported language backbone with its cut, and tract's own float plan of the same cut.
#[derive(Debug)]
pub struct ImportedText {
    /// Network from the tokens' rows to the embedding.
    pub model: Model,
    /// Cut, with its reason.
    pub cut: Cut,
    /// Embedding table of the tokens.
    pub table: Table,
    /// Number of tokens.
    pub length: usize,
    /// Tensors at the cut.
    pub outputs: Vec<TextOutput>,
    /// True if the model has a mask of the text's end, or compares the ids with padding.
    pub has_mask: bool,
    /// Padding id, if the model compares ids with it.
    pub pad: Option<u32>,
    /// Model of tract up to the cut, not yet optimized: takes ids, and the mask if there is one.
    pub reference: TypedModel,
}

impl Source {
    /// True if the model takes rows of integers, which are tokens, instead of an image.
    pub fn takes_text(&self) -> bool {
        self.proto.graph.as_ref().is_some_and(text_inputs::takes_text)
    }

    /// Analyses a language backbone and walks it up to the cut.
    ///
    /// `cuts` are names of tensors; if empty, the cut is chosen automatically. `length` is the
    /// number of tokens for a model that leaves it open.
    ///
    /// # Errors
    /// Unsupported operations, a cut that does not exist, or inputs that are not tokens and their
    /// mask.
    pub fn import_text(
        &self,
        cuts: &[&str],
        length: Option<usize>,
    ) -> Result<ImportedText, ImportError> {
        let _limits = self.limits();
        let imported = self.text_at(cuts, length);
        imported
            .map_err(|error| self.with_cuts(error, &|place| self.text_at(&[place], length).is_ok()))
    }

    fn text_at(&self, cuts: &[&str], length: Option<usize>) -> Result<ImportedText, ImportError> {
        let places = Cell::new(0);
        let prepare = |part: &ModelProto| {
            let (model, length) = self.text_model(part, length)?;
            places.set(length);
            Ok(model)
        };
        let tensors: Vec<&str> =
            cuts.iter().map(|name| self.tensor(name)).collect::<Result<_, _>>()?;
        let typed = self.typed_at(&tensors, &prepare)?;
        let cut = match cuts {
            [] => ends::of_text(self.graph(), &Shapes::of(&typed)),
            _ => Cut {
                name: cuts.join(","),
                tensors: tensors.iter().map(|tensor| tensor.to_string()).collect(),
                ..Cut::as_asked()
            },
        };
        let length = places.get();
        let reference = self.up_to(typed, &cut.tensors, &prepare)?;
        let source =
            TextSource::of(&reference, length).map_err(|reason| self.text_error(reason))?;
        let walk::Walked { mut model, outputs } = walk::walk(&reference, walk::Kind::Text(&source))
            .map_err(|found| self.unsupported(unsupported::by_walk(self.graph(), &found)))?;
        if outputs.is_empty() {
            return Err(self.text_error("nothing is left to run".to_string()));
        }
        let outputs: Vec<LayerId> = outputs.iter().map(|(layer, _)| *layer).collect();
        let outputs = append_pools(&mut model, &outputs, source.table.width, length)
            .ok_or_else(|| self.text_error("too many tokens for a package".to_string()))?;
        let has_mask = reference.inputs.len() > 1 || !source.masked.is_empty();
        let TextSource { table, pad, .. } = source;
        Ok(ImportedText { model, cut, table, length, outputs, has_mask, pad, reference })
    }

    /// Returns the model with fixed input shapes, and its number of tokens.
    fn text_model(
        &self,
        part: &ModelProto,
        length: Option<usize>,
    ) -> Result<(InferenceModel, usize), ImportError> {
        let mut model = onnx().parse(part, None).map_err(|e| self.tract(&e))?.model;
        let stated = text_inputs::stated_length(&model);
        let length = match (length, stated) {
            (Some(asked), Some(stated)) if asked != stated => {
                return Err(self.text_error(format!("it takes {stated} tokens, not {asked}")));
            }
            (asked, stated) => asked.or(stated).ok_or_else(|| {
                self.text_error(
                    "how many tokens it takes is open: give --tokens N, such as 128".to_string(),
                )
            })?,
        };
        text_inputs::fix_inputs(&mut model, length).map_err(|reason| self.text_error(reason))?;
        Ok((model, length))
    }

    fn text_error(&self, reason: String) -> ImportError {
        ImportError::Text { path: self.path.clone(), reason }
    }
}

/// Appends the pools of the outputs and their concatenation; `None` if something is too large.
fn append_pools(
    model: &mut Model,
    outputs: &[LayerId],
    width: usize,
    length: usize,
) -> Option<Vec<TextOutput>> {
    let made = model.layers.len();
    let mut vectors = Vec::new();
    let mut described = Vec::new();
    for &output in outputs {
        let shape = model.layers[output].shape;
        let pooled = shape.w() == length && shape.h() == 1 && length > 1;
        let vector = if pooled { append_pool(model, output, width, length)? } else { output };
        described.push(TextOutput { values: model.layers[vector].shape.elements(), pooled });
        vectors.push(vector);
    }
    // One pool stays at the end of the network.
    let moved = if outputs.len() > 1 { made } else { model.layers.len() };
    pooling::join(model, vectors, moved)?;
    Some(described)
}

/// Appends the sum of all tokens' vectors, weighted by the weights that come with the tokens.
fn append_pool(
    model: &mut Model,
    vectors: LayerId,
    width: usize,
    length: usize,
) -> Option<LayerId> {
    let channels = model.layers[vectors].shape.c() as u32;
    let (slice, _) = Part::Weight.slice(width);
    let column = Shape::new(1, length as u32, 1)?;
    let weights = model.push("offshoot.weights", LayerOp::Slice(slice), vec![0], column);
    let row = Shape::vector(length as u32)?;
    let row = model.push("offshoot.weights", LayerOp::Reshape, vec![weights], row);
    let product = LayerOp::MatMul { transposed: false };
    Some(model.push("offshoot.pool", product, vec![row, vectors], Shape::vector(channels)?))
}
