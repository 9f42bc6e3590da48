//! Import of a language backbone into a network that takes the rows of a [`Table`].

use std::cell::Cell;

use offshoot_core::Shape;
use tract_onnx::pb::ModelProto;
use tract_onnx::prelude::*;

use super::ends::{self, Shapes};
use super::text_inputs::{Part, TextSource};
use super::{Cut, ImportError, Source, Table, text_inputs, unsupported, walk};
use crate::ir::{LayerOp, Model};

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
    /// True if the tensor at the cut has one vector per token; these are pooled.
    pub pooled: bool,
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

    /// Analyses a language backbone and walks it up to the cut, which is chosen automatically if
    /// `None`; `length` is the number of tokens for a model that leaves it open.
    ///
    /// # Errors
    /// Unsupported operations, a cut that does not exist, or inputs that are not tokens and their
    /// mask.
    pub fn import_text(
        &self,
        cut: Option<&str>,
        length: Option<usize>,
    ) -> Result<ImportedText, ImportError> {
        let _limits = self.limits();
        let imported = self.text_at(cut, length);
        imported.map_err(|error| {
            self.with_cuts(error, &|place| self.text_at(Some(place), length).is_ok())
        })
    }

    fn text_at(
        &self,
        cut: Option<&str>,
        length: Option<usize>,
    ) -> Result<ImportedText, ImportError> {
        let places = Cell::new(0);
        let prepare = |part: &ModelProto| {
            let (model, length) = self.text_model(part, length)?;
            places.set(length);
            Ok(model)
        };
        let (typed, cut) = match cut {
            Some(name) => {
                let tensor = self.tensor(name)?;
                let asked = Cut {
                    name: name.to_string(),
                    tensors: vec![tensor.to_string()],
                    ..Cut::as_asked()
                };
                (self.typed_at(&[tensor], &prepare)?, asked)
            }
            None => {
                let typed = self.typed_at(&[], &prepare)?;
                let cut = ends::of_text(self.graph(), &Shapes::of(&typed));
                (typed, cut)
            }
        };
        let length = places.get();
        let reference = self.up_to(typed, &cut.tensors, &prepare)?;
        let source =
            TextSource::of(&reference, length).map_err(|reason| self.text_error(reason))?;
        let walk::Walked { mut model, outputs } = walk::walk(&reference, Some(&source))
            .map_err(|found| self.unsupported(unsupported::by_walk(self.graph(), &found)))?;
        let shape = outputs.first().map(|(id, _)| model.layers[*id].shape);
        let (output, shape) = outputs
            .first()
            .map(|o| o.0)
            .zip(shape)
            .ok_or_else(|| self.text_error("nothing is left to run".to_string()))?;
        let pooled = shape.w() == length && shape.h() == 1 && length > 1;
        model.output = output;
        if pooled {
            let pooled = append_pool(&mut model, source.table.width, length);
            pooled.ok_or_else(|| self.text_error("too many tokens for a package".to_string()))?;
        }
        model.compact();
        let has_mask = reference.inputs.len() > 1 || !source.masked.is_empty();
        let TextSource { table, pad, .. } = source;
        Ok(ImportedText { model, cut, table, length, pooled, has_mask, pad, reference })
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

/// Appends the sum of all tokens' vectors, weighted by the weights that come with the tokens.
fn append_pool(model: &mut Model, width: usize, length: usize) -> Option<()> {
    let vectors = model.output;
    let channels = model.layers[vectors].shape.c() as u32;
    let (slice, _) = Part::Weight.slice(width);
    let column = Shape::new(1, length as u32, 1)?;
    let weights = model.push("offshoot.weights", LayerOp::Slice(slice), vec![0], column);
    let row = Shape::vector(length as u32)?;
    let row = model.push("offshoot.weights", LayerOp::Reshape, vec![weights], row);
    let product = LayerOp::MatMul { transposed: false };
    model.output =
        model.push("offshoot.pool", product, vec![row, vectors], Shape::vector(channels)?);
    Some(())
}
