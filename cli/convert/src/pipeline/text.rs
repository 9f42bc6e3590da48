//! Conversion of a language backbone into a package that takes text.

use offshoot::Embedding;
use offshoot_core::package::{Golden, GoldenInput, Manifest, Text, TokenIds, write_text_package};
use offshoot_core::preprocess::Preprocess;
use offshoot_core::tokens::{Pooling, Tokens};
use tract_onnx::prelude::*;
use tract_onnx::tract_core::model::{TypedSimplePlan, TypedSimpleState};

use super::measure::Measurement;
use super::{
    Compared, ConvertError, Converted, compare, emitted, everywhere, precision_of, steady,
};
use crate::calibrate::input::{Input, Rows};
use crate::calibrate::tokenizer::Tokenizer;
use crate::calibrate::{self, CalibrateError, Floats};
use crate::catch_panic::quietly;
use crate::emit::{self, Emitted};
use crate::import::{ImportedText, Source};
use crate::ir::fold;
use crate::preprocess::preset::PreprocessOverrides;
use crate::progress::{Observer, Stage};
use crate::quantize::Settings;

/// Options of a conversion of a language model.
#[derive(Debug, Clone, Default)]
pub struct TextOptions {
    /// Name of the tensor to cut at; chosen automatically if none.
    pub cut: Option<String>,
    /// Pooling of the tokens' vectors into the embedding.
    pub pooling: Pooling,
    /// Keeps the whole network in float, instead of int8 for the operations that the engine has.
    pub float: bool,
    /// Number of tokens, for a model that leaves it open.
    pub length: Option<usize>,
    /// Enables scaling of embeddings to L2 norm 1.
    pub unit_length: bool,
    /// Settings of the quantizer.
    pub quantizer: Settings,
}

/// Number of texts kept as golden vectors.
const GOLDENS: usize = 2;

/// Converts a model, calibrated on `texts` (at least one).
///
/// The observer is called when a stage begins, and as it goes on; `()` is the silent one.
///
/// # Errors
/// See [`ConvertError`]; no file has been written then.
pub fn convert_text(
    source: &Source,
    texts: &[String],
    tokenizer: &Tokenizer,
    options: &TextOptions,
    observer: &mut dyn Observer,
) -> Result<Converted, ConvertError> {
    quietly(|| guarded(source, texts, tokenizer, options, observer))
        .unwrap_or_else(|panic| Err(source.analyse(panic).into()))
}

fn guarded(
    source: &Source,
    texts: &[String],
    tokenizer: &Tokenizer,
    options: &TextOptions,
    observer: &mut dyn Observer,
) -> Result<Converted, ConvertError> {
    observer.progress(Stage::Import, 0.0);
    let stated = source.metadata("offshoot.cut");
    let mut imported = source.import_text(options.cut.as_deref().or(stated), options.length)?;
    tokenizer.check(imported.table.vocabulary, imported.pad, &source.path)?;
    fold::fold(&mut imported.model);
    let tokens = Tokens {
        vocabulary: imported.table.vocabulary as u32,
        pad: tokenizer.pad(),
        pooling: options.pooling,
    };
    let ids = texts.iter().map(|t| tokenizer.encode(t, imported.length));
    let ids = ids.collect::<Result<Vec<Vec<u32>>, _>>()?;
    let ids: Vec<&[u32]> = ids.iter().map(Vec::as_slice).filter(|ids| !ids.is_empty()).collect();
    if ids.is_empty() {
        return Err(ConvertError::NoText { path: source.path.clone() });
    }
    let model = &imported.model;
    let table = &imported.table.values;
    let rows = Rows::new(tokens, model.layers[0].shape, table);
    let inputs: Vec<Input<'_>> = ids.iter().map(|ids| Input::Text(ids, &rows)).collect();
    let floats = Floats::measure(model, &inputs, observer)?;
    let Compared { embeddings: mut wanted, odd } = {
        let mut reference = Reference::new(&imported, tokens)?;
        compare(&floats.embeddings, |i| reference.run(ids[i]))?
    };
    if let Some((_, error)) = odd {
        return Err(ConvertError::Disagrees { path: source.path.clone(), error });
    }
    let unit_length = options.unit_length;
    if unit_length {
        wanted.iter_mut().for_each(|embedding| Embedding::to_unit_length(embedding));
    }
    let settings = (!options.float).then_some(&options.quantizer);
    let (quantized, emitted) = emitted(model, &floats, settings, &inputs, observer)?;
    let job = Job { source, tokenizer, imported: &imported, tokens, ids: &ids, unit_length };
    let bytes = job.package(emitted, observer)?;
    observer.progress(Stage::Compare, 0.0);
    let measurement = Measurement { cut: &imported.cut, inputs: &inputs, wanted: &wanted };
    let mut report = measurement.report(&bytes, quantized.as_ref())?;
    report.preprocess_why = format!("up to {} tokens of {}", imported.length, tokens.vocabulary);
    if imported.pooled {
        report.preprocess_why += &format!("; the embedding is the {}", tokens.pooling.name());
    }
    let no_mask = "the model has no attention mask: it reads the padding of a short text as text";
    report.preprocess_warning = (!imported.has_mask).then(|| no_mask.to_string());
    Ok(Converted { bytes, report, overrides: PreprocessOverrides::default() })
}

/// Inputs of a package of a language model.
struct Job<'a> {
    source: &'a Source,
    tokenizer: &'a Tokenizer,
    imported: &'a ImportedText,
    tokens: Tokens,
    ids: &'a [&'a [u32]],
    unit_length: bool,
}

impl Job<'_> {
    fn package(
        &self,
        emitted: Emitted,
        observer: &mut dyn Observer,
    ) -> Result<Vec<u8>, ConvertError> {
        observer.progress(Stage::Write, 0.0);
        let Emitted { mut writer, output, .. } = emitted;
        let input_table = writer.floats(&self.imported.table.values)?;
        let graph = writer.graph(output)?;
        let tensors = graph.tensor_count() as u16;
        let precision = precision_of(&graph);
        let text = Text { tokens: self.tokens, tokenizer: self.tokenizer.source() };
        let name = emit::shorten(&self.source.file_name()).to_string();
        let mut manifest = Manifest {
            source: &name,
            source_sha256: self.source.sha256,
            cut: emit::shorten(&self.imported.cut.name),
            tool: concat!("offshoot ", env!("CARGO_PKG_VERSION")),
            id: writer.text_id(&text, output, self.unit_length),
            precision,
            preprocess: Preprocess::NONE,
            input_table,
            tensors,
            output,
            goldens: 0,
            unit_length: self.unit_length,
        };
        let mut draft = everywhere(write_text_package(&manifest, &text, &writer, &[])?)?;
        let mut goldens = Vec::new();
        for ids in self.ids.iter().take(GOLDENS) {
            let output: Vec<u8> = draft.embed_tokens(ids)?.bytes().collect();
            goldens.push((TokenIds::pack(ids), output));
        }
        let goldens: Vec<Golden<'_>> = goldens
            .iter()
            .map(|(ids, output)| Golden { input: GoldenInput::Tokens(TokenIds::new(ids)), output })
            .collect();
        manifest.goldens = goldens.len() as u8;
        steady(write_text_package(&manifest, &text, &writer, &goldens)?, &self.source.path)
    }
}

/// Source model as planned by tract.
pub struct Reference {
    state: TypedSimpleState,
    /// Element types of the ids and, if there is one, of the mask.
    kinds: Vec<DatumType>,
    length: usize,
    pooled: bool,
    tokens: Tokens,
}

impl std::fmt::Debug for Reference {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reference").field("tokens", &self.tokens).finish_non_exhaustive()
    }
}

impl Reference {
    /// Plans the imported model.
    ///
    /// # Errors
    /// Error of tract, for a model that it cannot run.
    pub fn new(imported: &ImportedText, tokens: Tokens) -> Result<Self, CalibrateError> {
        let model = imported.reference.clone();
        let kinds = (0..model.inputs.len()).map(|i| Ok(model.input_fact(i)?.datum_type));
        let kinds = kinds.collect::<TractResult<Vec<_>>>().map_err(calibrate::reference)?;
        let state = model.into_optimized().and_then(TypedSimplePlan::new).and_then(|p| p.spawn());
        let state = state.map_err(calibrate::reference)?;
        Ok(Self { state, kinds, length: imported.length, pooled: imported.pooled, tokens })
    }

    /// Returns the embedding of a text by the source model.
    ///
    /// # Errors
    /// Error of tract, if the model does not run on these ids.
    pub fn run(&mut self, ids: &[u32]) -> Result<Vec<f32>, CalibrateError> {
        let id = |at: usize| i64::from(ids.get(at).copied().unwrap_or(self.tokens.pad));
        let mark = |at: usize| i64::from(at < ids.len());
        let rows: [Vec<i64>; 2] =
            [(0..self.length).map(id).collect(), (0..self.length).map(mark).collect()];
        let input = |(row, kind): (&Vec<i64>, &DatumType)| {
            let tensor = Tensor::from_shape(&[1, self.length], row)?;
            Ok(tensor.cast_to_dt(*kind)?.into_owned().into_tvalue())
        };
        let inputs = rows.iter().zip(&self.kinds).map(input).collect::<TractResult<TVec<_>>>();
        let inputs = inputs.map_err(calibrate::reference)?;
        let outputs = self.state.run(inputs).map_err(calibrate::reference)?;
        let values = outputs[0].cast_to::<f32>().map_err(calibrate::reference)?;
        let values =
            values.try_as_plain_ram().and_then(|p| p.as_slice::<f32>().map(<[f32]>::to_vec));
        let values = values.map_err(calibrate::reference)?;
        if !self.pooled {
            return Ok(values);
        }
        let mut embedding = vec![0.0; values.len() / self.length];
        for (at, vector) in values.chunks_exact(embedding.len()).enumerate().take(ids.len()) {
            let weight = self.tokens.pooling.weight(at, ids.len());
            embedding.iter_mut().zip(vector).for_each(|(sum, v)| *sum += weight * v);
        }
        Ok(embedding)
    }
}
