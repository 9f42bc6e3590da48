//! Writer of the same layout, used by the converter.

use alloc::string::{String, ToString};
use alloc::vec::Vec;

use sha2::{Digest, Sha256};
use thiserror::Error;

use super::layout::{
    ALIGN, ENTRY, HEADER, MAGIC, REQUIRED, Section, Sections, VERSION, table_checksum,
};
use super::{Extras, Golden, GoldenInput, Manifest, Measured, Package, PackageError, Packed, Text};
use crate::graph::{Affine, Blob, Graph, GraphError, Inputs, Node, Op, Tensor, TensorId};
use crate::preprocess::Preprocess;
use crate::preprocess::signal::Sensor;
use crate::sound::Sound;
use crate::spatial::cells::CellsLayout;

/// Reason why a package cannot be written.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum WriteError {
    /// The graph would not be accepted by the reader.
    #[error("{error} ({node})")]
    Graph {
        /// Error of the reader.
        error: GraphError,
        /// Name of the node concerned.
        node: String,
    },
    /// The package would not be accepted by the reader.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// A length is beyond the limits of the format.
    #[error("the {0} does not fit the format")]
    TooLarge(&'static str),
}

/// Builder of tensors, nodes and weights in file order.
#[derive(Debug, Default)]
pub struct GraphWriter {
    records: Vec<u8>,
    nodes: Vec<u8>,
    names: Vec<String>,
    weights: Vec<u8>,
}

impl GraphWriter {
    /// Creates a graph with its input.
    #[must_use]
    pub fn new(input: Tensor) -> Self {
        Self { records: input.to_record().to_vec(), ..Self::default() }
    }

    /// Appends weights, aligned so that they can be used in place.
    ///
    /// # Errors
    /// [`WriteError::TooLarge`] beyond 4 GiB.
    pub fn blob(&mut self, bytes: &[u8]) -> Result<Blob, WriteError> {
        self.weights.resize(self.weights.len().next_multiple_of(ALIGN), 0);
        let too_large = |_| WriteError::TooLarge("weights section");
        let offset = u32::try_from(self.weights.len()).map_err(too_large)?;
        let len = u32::try_from(bytes.len()).map_err(too_large)?;
        self.weights.extend_from_slice(bytes);
        Ok(Blob { offset, len })
    }

    /// Appends int8 values like [`GraphWriter::blob`].
    ///
    /// # Errors
    ///
    /// Those of [`GraphWriter::blob`].
    pub fn codes(&mut self, codes: &[i8]) -> Result<Blob, WriteError> {
        self.blob(bytemuck::cast_slice(codes))
    }

    /// Appends 32-bit integers like [`GraphWriter::blob`].
    ///
    /// # Errors
    ///
    /// Those of [`GraphWriter::blob`].
    pub fn words(&mut self, words: &[i32]) -> Result<Blob, WriteError> {
        self.blob(bytemuck::cast_slice(words))
    }

    /// Appends 32-bit floats like [`GraphWriter::blob`].
    ///
    /// # Errors
    ///
    /// Those of [`GraphWriter::blob`].
    pub fn floats(&mut self, floats: &[f32]) -> Result<Blob, WriteError> {
        self.blob(bytemuck::cast_slice(floats))
    }

    /// Appends affine records like [`GraphWriter::blob`].
    ///
    /// # Errors
    ///
    /// Those of [`GraphWriter::blob`].
    pub fn affines(&mut self, affines: &[Affine]) -> Result<Blob, WriteError> {
        let bytes: Vec<u8> = affines.iter().flat_map(|a| a.to_record()).collect();
        self.blob(&bytes)
    }

    /// Appends a node and the tensor it produces.
    ///
    /// # Errors
    ///
    /// [`WriteError::TooLarge`] if there are more tensors than ids.
    pub fn node(
        &mut self,
        name: &str,
        op: Op,
        inputs: &[TensorId],
        output: Tensor,
    ) -> Result<TensorId, WriteError> {
        let id = TensorId::try_from(self.records.len() / Tensor::RECORD)
            .map_err(|_| WriteError::TooLarge("list of tensors"))?;
        let bytes: Vec<u8> = inputs.iter().flat_map(|i| i.to_le_bytes()).collect();
        let node = Node { name, inputs: Inputs::from_bytes(&bytes), op };
        let encoded = postcard::to_allocvec(&node).map_err(|_| WriteError::TooLarge("node"))?;
        self.nodes.extend_from_slice(&encoded);
        self.records.extend_from_slice(&output.to_record());
        self.names.push(name.to_string());
        Ok(id)
    }

    /// Returns the graph like the reader opens it.
    ///
    /// # Errors
    ///
    /// [`WriteError`] for the first condition that does not hold, with the node's name.
    pub fn graph(&self, output: TensorId) -> Result<Graph<'_>, WriteError> {
        Graph::open(&self.records, &self.nodes, &self.weights, output).map_err(|error| {
            let node = match error {
                GraphError::Node { node }
                | GraphError::Inputs { node }
                | GraphError::Kind { node }
                | GraphError::Parameter { node }
                | GraphError::Shape { node }
                | GraphError::Weights { node }
                | GraphError::Overflow { node } => self.names.get(node).cloned(),
                _ => None,
            };
            WriteError::Graph { error, node: node.unwrap_or_else(|| "whole graph".to_string()) }
        })
    }

    /// Returns the digest that binds heads to this network, with L2-normalized embeddings or
    /// unchanged ones.
    #[must_use]
    pub fn id(
        &self,
        preprocess: &Preprocess,
        output: TensorId,
        extras: &Extras<'_>,
    ) -> super::PackageId {
        digest(&[&self.records, &self.nodes, &self.weights, &settings(preprocess, output, extras)])
    }

    /// Returns the digest like [`Self::id`], for a network that takes text.
    #[must_use]
    pub fn text_id(
        &self,
        text: &Text<'_>,
        output: TensorId,
        extras: &Extras<'_>,
    ) -> super::PackageId {
        let settings = settings(&Preprocess::NONE, output, extras);
        let text = postcard::to_allocvec(text).unwrap_or_default();
        digest(&[&self.records, &self.nodes, &self.weights, &settings, &text])
    }

    /// Returns the digest like [`Self::id`], for a network that takes sound.
    #[must_use]
    pub fn sound_id(
        &self,
        sound: &Sound<'_>,
        preprocess: &Preprocess,
        output: TensorId,
        extras: &Extras<'_>,
    ) -> super::PackageId {
        let settings = settings(preprocess, output, extras);
        let sound = postcard::to_allocvec(sound).unwrap_or_default();
        digest(&[&self.records, &self.nodes, &self.weights, &settings, &sound])
    }

    /// Returns the digest like [`Self::id`], for a network whose output are cells.
    #[must_use]
    pub fn cells_id(
        &self,
        cells: &CellsLayout,
        preprocess: &Preprocess,
        output: TensorId,
    ) -> super::PackageId {
        let settings = settings(preprocess, output, &Extras::default());
        digest(&[&self.records, &self.nodes, &self.weights, &settings, &cells.to_bytes()])
    }

    /// Returns the digest like [`Self::id`], for a network that takes signals.
    #[must_use]
    pub fn signal_id(
        &self,
        sensor: &Sensor<'_>,
        output: TensorId,
        extras: &Extras<'_>,
    ) -> super::PackageId {
        let settings = settings(&Preprocess::NONE, output, extras);
        let sensor = postcard::to_allocvec(sensor).unwrap_or_default();
        digest(&[&self.records, &self.nodes, &self.weights, &settings, &sensor])
    }
}

fn settings(preprocess: &Preprocess, output: TensorId, extras: &Extras<'_>) -> Vec<u8> {
    let mut bytes = postcard::to_allocvec(&(preprocess, output)).unwrap_or_default();
    bytes.extend(extras.encode());
    bytes
}

/// Computes the SHA-256 of parts, each preceded by its length.
fn digest(parts: &[&[u8]]) -> super::PackageId {
    let mut hash = Sha256::new();
    for part in parts {
        hash.update((part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    super::PackageId::new(hash.finalize().into())
}

/// Writes the bytes of a package file; the result has been opened and checked.
///
/// # Errors
///
/// [`WriteError`] if the reader would refuse the package.
pub fn write_package(
    manifest: &Manifest<'_>,
    graph: &GraphWriter,
    goldens: &[Golden<'_>],
) -> Result<Vec<u8>, WriteError> {
    if goldens.iter().any(|golden| !matches!(golden.input, GoldenInput::Frame { .. })) {
        return Err(PackageError::Golden.into());
    }
    write(manifest, graph, goldens, &[])
}

/// Writes a package like [`write_package`], for a network that takes text.
///
/// # Errors
///
/// [`WriteError`] if the reader would refuse the package.
pub fn write_text_package(
    manifest: &Manifest<'_>,
    text: &Text<'_>,
    graph: &GraphWriter,
    goldens: &[Golden<'_>],
) -> Result<Vec<u8>, WriteError> {
    if goldens.iter().any(|golden| !matches!(golden.input, GoldenInput::Tokens(_))) {
        return Err(PackageError::Golden.into());
    }
    let text = postcard::to_allocvec(text).map_err(|_| WriteError::TooLarge("text section"))?;
    write(manifest, graph, goldens, &[(Section::Text, &text)])
}

/// Writes a package like [`write_package`], for a network that takes sound: the preprocessing is
/// that of the grey picture behind the front end.
///
/// # Errors
///
/// [`WriteError`] if the reader would refuse the package.
pub fn write_sound_package(
    manifest: &Manifest<'_>,
    sound: &Sound<'_>,
    graph: &GraphWriter,
    goldens: &[Golden<'_>],
) -> Result<Vec<u8>, WriteError> {
    if goldens.iter().any(|golden| !matches!(golden.input, GoldenInput::Samples(_))) {
        return Err(PackageError::Golden.into());
    }
    let sound = postcard::to_allocvec(sound).map_err(|_| WriteError::TooLarge("sound section"))?;
    write(manifest, graph, goldens, &[(Section::Sound, &sound)])
}

/// Writes a package like [`write_package`], for a network whose output are the cells of feature maps.
///
/// # Errors
///
/// [`WriteError`] if the reader would refuse the package.
pub fn write_cells_package(
    manifest: &Manifest<'_>,
    cells: &CellsLayout,
    graph: &GraphWriter,
    goldens: &[Golden<'_>],
) -> Result<Vec<u8>, WriteError> {
    write(manifest, graph, goldens, &[(Section::Cells, &cells.to_bytes())])
}

/// Writes a package like [`write_package`], for a network that takes signals.
///
/// # Errors
///
/// [`WriteError`] if the reader would refuse the package.
pub fn write_signal_package(
    manifest: &Manifest<'_>,
    sensor: &Sensor<'_>,
    graph: &GraphWriter,
    goldens: &[Golden<'_>],
) -> Result<Vec<u8>, WriteError> {
    if goldens.iter().any(|golden| !matches!(golden.input, GoldenInput::Signal(_))) {
        return Err(PackageError::Golden.into());
    }
    let sensor =
        postcard::to_allocvec(sensor).map_err(|_| WriteError::TooLarge("sensor section"))?;
    write(manifest, graph, goldens, &[(Section::Sensor, &sensor)])
}

fn write(
    manifest: &Manifest<'_>,
    graph: &GraphWriter,
    goldens: &[Golden<'_>],
    additions: &[(Section, &[u8])],
) -> Result<Vec<u8>, WriteError> {
    graph.graph(manifest.output)?;
    let manifest = manifest.encode().map_err(|_| WriteError::TooLarge("manifest"))?;
    let mut golden = Vec::new();
    for vector in goldens {
        golden.extend(vector.encode().ok_or(WriteError::TooLarge("golden section"))?);
    }
    let graph_bytes = [graph.records.as_slice(), graph.nodes.as_slice()].concat();
    let file = assemble([&manifest, &graph_bytes, &graph.weights, &golden], additions);
    Package::open(&file)?;
    Ok(file)
}

/// Copies a package file with weights packed for one processor in place of any that it had.
///
/// # Errors
///
/// [`WriteError`] if the file is not a package, or the packed weights have no valid name or too
/// many bytes.
pub fn with_packed(file: &[u8], packed: Packed<'_>) -> Result<Vec<u8>, WriteError> {
    let section = packed.to_section().ok_or(PackageError::Packed)?;
    with_section(file, Section::Packed, &section)
}

/// Copies a package file with the statistics of its calibration set in place of any that it had. The
/// package's id stays: heads go on to fit.
///
/// # Errors
///
/// [`WriteError`] if the file is not a package, or the statistics are of another network.
pub fn with_domain(file: &[u8], measured: &Measured) -> Result<Vec<u8>, WriteError> {
    with_section(file, Section::Domain, measured.bytes())
}

/// Copies a package file with an optional section in place of the one that it had.
fn with_section(file: &[u8], section: Section, bytes: &[u8]) -> Result<Vec<u8>, WriteError> {
    let sections = Sections::open(file).map_err(PackageError::from)?;
    let required = [Section::Manifest, Section::Graph, Section::Weights, Section::Golden];
    let content = |own: Section| if own == section { bytes } else { sections.get(own) };
    let additions: Vec<(Section, &[u8])> = Section::ALL[REQUIRED..]
        .iter()
        .map(|&own| (own, content(own)))
        .filter(|(_, bytes)| !bytes.is_empty())
        .collect();
    let file = assemble(required.map(|part| sections.get(part)), &additions);
    Package::open(&file)?;
    Ok(file)
}

/// Lays out the sections behind their table: the required and the additional ones.
fn assemble(required: [&[u8]; REQUIRED], additions: &[(Section, &[u8])]) -> Vec<u8> {
    let count = REQUIRED + additions.len();
    let mut body = alloc::vec![0; HEADER + ENTRY * count];
    let mut table = Vec::with_capacity(ENTRY * count);
    for (section, part) in Section::ALL.into_iter().zip(required).chain(additions.iter().copied()) {
        body.resize(body.len().next_multiple_of(ALIGN), 0);
        table.extend((section as u32).to_le_bytes());
        table.extend(0u32.to_le_bytes());
        table.extend((body.len() as u64).to_le_bytes());
        table.extend((part.len() as u64).to_le_bytes());
        table.extend(crate::checksum::hash(part).to_le_bytes());
        table.extend(0u32.to_le_bytes());
        body.extend_from_slice(part);
    }
    let mut header = Vec::with_capacity(HEADER);
    header.extend(MAGIC);
    header.extend(VERSION.to_le_bytes());
    header.extend((count as u32).to_le_bytes());
    header.extend((body.len() as u64).to_le_bytes());
    header.extend(0u32.to_le_bytes());
    let checksum = table_checksum(&header, &table);
    header.extend(checksum.to_le_bytes());
    body[..HEADER].copy_from_slice(&header);
    body[HEADER..HEADER + table.len()].copy_from_slice(&table);
    body
}
