//! Conversion of a language backbone into a package that takes text.

use offshoot::Extractor;
use offshoot_core::graph::{Blob, Element, Graph, TensorId};
use offshoot_core::package::{
    Extras, Golden, GraphWriter, Manifest, PackageId, Precision, Text, TokenIds, WriteError,
    write_text_package,
};
use offshoot_core::preprocess::Preprocess;
use offshoot_core::tokens::Tokens;
use offshoot_engine::{Isa, TextPlan};
use offshoot_tract::TractError;

use super::backbone::{Backbone, GOLDENS, GoldenSample, GoldenVector};
use super::parts::{self, Joined};
use super::{ConvertError, Options};
use crate::calibrate::CalibrateError;
use crate::calibrate::input::{Input, Rows};
use crate::calibrate::reference::{Prepared, Reference, text_embedding};
use crate::calibrate::tokenizer::Tokenizer;
use crate::import::{Cut, ImportedText, Source};
use crate::ir::{Model, fold};
use crate::preprocess::preset::PreprocessOverrides;
use crate::quantize::{evaluate, scheme};
use crate::report::Report;

/// Texts by which it is found if padding changes embeddings.
const LENGTHS: usize = 32;

/// Imported language model with its calibration set.
pub(super) struct TextBackbone<'a> {
    source: &'a Source,
    tokenizer: &'a Tokenizer,
    imported: ImportedText,
    tokens: Tokens,
    /// Token ids of the texts that have any.
    ids: Vec<Vec<u32>>,
    rows: Rows,
    unit_length: bool,
    /// Parts of the embedding.
    joined: Joined,
}

impl<'a> TextBackbone<'a> {
    /// Imports a model and tokenizes the texts.
    pub(super) fn import(
        source: &'a Source,
        texts: &[String],
        tokenizer: &'a Tokenizer,
        options: &Options,
    ) -> Result<Self, ConvertError> {
        let pooling = options.text_pooling(&source.path)?;
        let stated = source.metadata("offshoot.cut");
        let cut = options.text_cut(&source.path)?.or(stated);
        let mut imported = import(source, cut, options)?;
        tokenizer.check(imported.table.vocabulary, imported.pad, &source.path)?;
        let lengths: Vec<usize> = imported.outputs.iter().map(|o| o.values).collect();
        fold::fold(&mut imported.model);
        let tokens =
            Tokens { vocabulary: imported.table.vocabulary as u32, pad: tokenizer.pad(), pooling };
        let ids = texts.iter().map(|text| tokenizer.encode(text, imported.length));
        let mut ids = ids.collect::<Result<Vec<Vec<u32>>, _>>()?;
        ids.retain(|ids| !ids.is_empty());
        if ids.is_empty() {
            return Err(ConvertError::NoText { path: source.path.clone() });
        }
        let rows = Rows::new(tokens, imported.model.layers[0].shape, &imported.table.values);
        let unit_length = options.unit_length;
        let joined = match lengths.len() {
            2.. => {
                let inputs: Vec<Input<'_>> =
                    ids.iter().map(|ids| Input::Text(ids, &rows)).collect();
                Joined::balance(&mut imported.model, &lengths, &inputs)?
            }
            _ => Joined::default(),
        };
        Ok(Self { source, tokenizer, imported, tokens, ids, rows, unit_length, joined })
    }

    /// Returns the tokens and the tokenizer, as a package has them.
    fn text(&self) -> Text<'_> {
        Text { tokens: self.tokens, tokenizer: self.tokenizer.source() }
    }
}

/// Returns the rows of a table in int8, each behind its step.
fn coded_rows(values: &[f32], width: usize) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(values.len() / width * (width + 4));
    for row in values.chunks_exact(width) {
        let step = scheme::weight_step(row) as f32;
        bytes.extend(step.to_le_bytes());
        let scale = if step > 0.0 { step.into() } else { 1.0 };
        bytes.extend(scheme::weight_codes(row, scale).map(|code| code as u8));
    }
    bytes
}

/// Imports a model with the parts that the options ask for.
fn import(
    source: &Source,
    cut: Option<&str>,
    options: &Options,
) -> Result<ImportedText, ConvertError> {
    let imported = source.import_text(cut.as_slice(), options.tokens)?;
    let names = parts::names(source, &imported.model, options);
    if names.is_empty() {
        return Ok(imported);
    }
    let mut joined = source.import_text(&parts::cuts(&names, &imported.cut), options.tokens)?;
    joined.cut.with_parts(imported.cut, names.len());
    Ok(joined)
}

impl Backbone for TextBackbone<'_> {
    fn model(&self) -> &Model {
        &self.imported.model
    }

    fn cut(&self) -> &Cut {
        &self.imported.cut
    }

    fn extras(&self) -> Extras<'_> {
        Extras { unit_length: self.unit_length, parts: self.joined.starts(), own_length: false }
    }

    fn inputs(&self) -> Vec<Input<'_>> {
        self.ids.iter().map(|ids| Input::Text(ids, &self.rows)).collect()
    }

    fn reference(&self) -> Result<Reference, CalibrateError> {
        Reference::new(self.imported.reference.clone())
    }

    fn embedding(&self, by: &mut Reference, sample: usize) -> Result<Vec<f32>, CalibrateError> {
        let ids = &self.ids[sample];
        let outputs = by.run(&Prepared::text(ids, self.tokens.pad, &self.imported)?)?;
        let mut embedding = text_embedding(outputs, &self.imported, self.tokens.pooling, ids.len());
        self.joined.scale(&mut embedding);
        Ok(embedding)
    }

    fn doubt(&self, _: usize, error: f64) -> Result<String, ConvertError> {
        Err(ConvertError::Disagrees { path: self.source.path.clone(), error })
    }

    fn preprocess(&self) -> Preprocess {
        Preprocess::NONE
    }

    fn input_table(
        &self,
        writer: &mut GraphWriter,
        precision: Precision,
        _: Element,
    ) -> Result<Blob, WriteError> {
        let values = &self.imported.table.values;
        match precision {
            Precision::Dynamic => {
                writer.blob(&coded_rows(values, values.len() / self.tokens.vocabulary as usize))
            }
            _ => writer.floats(values),
        }
    }

    fn own_length(&self, graph: &Graph<'_>) -> Result<bool, CalibrateError> {
        if !graph.is_ordered() {
            return Ok(false);
        }
        let plan = TextPlan::build(graph, Isa::best()).map_err(TractError::from)?;
        let Some(mut plan) = plan else { return Ok(false) };
        let whole = self.imported.length;
        let (packed, mut arena) = evaluate::memory(plan.at(whole), graph.weights())?;
        let mut values = vec![0.0; self.imported.model.layers[0].shape.elements()];
        for ids in self.ids.iter().take(LENGTHS) {
            Input::Text(ids, &self.rows).floats_into(&mut values)?;
            let mut embeddings = [Vec::new(), Vec::new()];
            for (embedding, tokens) in embeddings.iter_mut().zip([whole, ids.len()]) {
                let plan = plan.at(tokens);
                let input = plan.input().range();
                let bytes: &[i8] = bytemuck::cast_slice(&values);
                arena[input.clone()].copy_from_slice(&bytes[..input.len()]);
                plan.run(graph.weights(), &packed, &mut arena).map_err(TractError::from)?;
                embedding.extend_from_slice(&arena[plan.output().range()]);
            }
            if embeddings[0] != embeddings[1] {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn id(&self, writer: &GraphWriter, output: TensorId, extras: &Extras<'_>) -> PackageId {
        writer.text_id(&self.text(), output, extras)
    }

    fn goldens(&self, draft: &mut Extractor) -> Result<Vec<GoldenVector>, offshoot::Error> {
        let mut goldens = Vec::new();
        for ids in self.ids.iter().take(GOLDENS) {
            goldens.push(GoldenVector {
                sample: GoldenSample::Tokens(TokenIds::pack(ids)),
                output: draft.embed_tokens(ids)?.bytes().collect(),
            });
        }
        Ok(goldens)
    }

    fn write(
        &self,
        manifest: &Manifest<'_>,
        writer: &GraphWriter,
        goldens: &[Golden<'_>],
    ) -> Result<Vec<u8>, WriteError> {
        write_text_package(manifest, &self.text(), writer, goldens)
    }

    fn describe(&self, report: &mut Report) {
        let Self { imported, tokens, .. } = self;
        report.preprocess_why =
            format!("up to {} tokens of {}", imported.length, tokens.vocabulary);
        if imported.outputs.iter().any(|output| output.pooled) {
            report.preprocess_why += &format!("; the embedding is the {}", tokens.pooling.name());
        }
        let no_mask =
            "the model has no attention mask: it reads the padding of a short text as text";
        report.preprocess_warning = (!imported.has_mask).then(|| no_mask.to_string());
    }

    fn overrides(&self) -> PreprocessOverrides {
        PreprocessOverrides::default()
    }
}
