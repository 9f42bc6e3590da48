//! Assembly of the package.

use std::path::Path;

use offshoot::{Extractor, Package};
use offshoot_core::graph::Graph;
use offshoot_core::package::{Extras, Golden, Manifest, Precision};

use super::ConvertError;
use super::backbone::{Backbone, GoldenVector};
use crate::emit::{self, Emitted};
use crate::import::Source;

/// Returns the bytes of the package of a graph.
///
/// # Errors
/// The package cannot be written, or its embedding depends on the processor.
pub(super) fn package(
    source: &Source,
    backbone: &impl Backbone,
    emitted: Emitted,
) -> Result<Vec<u8>, ConvertError> {
    let Emitted { mut writer, output, .. } = emitted;
    let graph = writer.graph(output)?;
    let tensors = graph.tensor_count() as u16;
    let precision = precision_of(&graph);
    let input = graph.tensor(Graph::INPUT).element;
    let own_length = backbone.own_length(&graph)?;
    let extras = Extras { own_length, ..backbone.extras() };
    let input_table = backbone.input_table(&mut writer, precision, input)?;
    let name = emit::shorten(&source.file_name()).to_string();
    let mut manifest = Manifest {
        source: &name,
        source_sha256: source.sha256,
        cut: emit::shorten(&backbone.cut().name),
        tool: concat!("offshoot ", env!("CARGO_PKG_VERSION")),
        id: backbone.id(&writer, output, &extras),
        precision,
        preprocess: backbone.preprocess(),
        input_table,
        tensors,
        output,
        goldens: 0,
        extras,
    };
    let mut draft = everywhere(backbone.write(&manifest, &writer, &[])?)?;
    let goldens = backbone.goldens(&mut draft)?;
    let goldens: Vec<Golden<'_>> = goldens.iter().map(GoldenVector::golden).collect();
    manifest.goldens = goldens.len() as u8;
    steady(backbone.write(&manifest, &writer, &goldens)?, &source.path)
}

/// Opens a package to compute its golden vectors. They are part of the package, and its bytes must
/// not depend on the machine.
fn everywhere(draft: Vec<u8>) -> Result<Extractor, offshoot::Error> {
    let options = offshoot::Options::new().reproducible(true);
    Extractor::from_bytes_with(draft, &options)
}

/// Returns the package if it gives the same results on a device as here.
///
/// # Errors
/// The embedding depends on the float rounding of the processor.
fn steady(package: Vec<u8>, path: &Path) -> Result<Vec<u8>, ConvertError> {
    let exact =
        |p: Package<'_>| matches!(p.manifest().precision, Precision::Int8 | Precision::Dynamic);
    if Package::open(&package).is_ok_and(exact)
        || Extractor::from_bytes(package.clone())?.verify()?.is_ok()
    {
        return Ok(package);
    }
    Err(ConvertError::Unsteady { path: path.to_path_buf() })
}

fn precision_of(graph: &Graph<'_>) -> Precision {
    let codes = (0..graph.tensor_count())
        .filter(|&i| graph.tensor(i as u16).element.quant().is_some())
        .count();
    match codes {
        _ if graph.is_ordered() => Precision::Dynamic,
        0 => Precision::Float,
        _ if graph.is_int8() => Precision::Int8,
        _ => Precision::Mixed,
    }
}
