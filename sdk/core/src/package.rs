//! Package: one file with a network, its preprocessing and golden vectors to verify it.
//!
//! Byte layout: `sdk/docs/format.md`. [`Package::open`] checks lengths and checksums before it
//! decodes anything, and decodes in place: a package in flash or in a memory map is used without a
//! copy.

use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::graph::{Graph, GraphError, Tensor, TensorId};
use crate::limits;
use crate::parts::Parts;
use crate::preprocess::signal::{Sensor, SignalError};
use crate::preprocess::{Preprocess, PreprocessError};
use crate::sound::{Sound, SoundError};
use crate::spatial::cells::CellsLayout;
use crate::tokens::Tokens;

mod domain;
mod extras;
mod golden;
mod id;
mod layout;
mod preconditions;
#[cfg(feature = "alloc")]
mod writer;

#[cfg(feature = "alloc")]
pub use domain::{DepthSamples, Measured};
pub use domain::{DepthStatistics, Depths, Distribution, Domain};
pub use extras::{Extras, PartStarts};
pub use golden::{FloatBytes, Golden, GoldenInput, SampleBytes, TokenIds};
pub use id::PackageId;
use layout::Sections;
pub use layout::{LayoutError, Section, VERSION};
#[cfg(feature = "alloc")]
pub use writer::{
    GraphWriter, WriteError, with_domain, with_packed, write_cells_package, write_package,
    write_signal_package, write_sound_package, write_text_package,
};

/// Precision of a graph.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Precision {
    /// All int8: the int8 engine runs it alone.
    Int8,
    /// All floats: tract-core runs it.
    Float,
    /// Int8 where the engine has the operation, floats elsewhere.
    Mixed,
    /// Linear layers in int8 with scales computed in the run, the rest in floats by single IEEE
    /// operations in a fixed order: the engine runs it alone.
    Dynamic,
}

impl Precision {
    /// Returns the name for tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Int8 => "int8",
            Self::Float => "f32",
            Self::Mixed => "mixed",
            Self::Dynamic => "int8 dynamic",
        }
    }
}

/// Manifest: everything except the graph and its weights.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest<'a> {
    /// Name of the source model's file, without its folder.
    #[serde(borrow)]
    pub source: &'a str,
    /// SHA-256 of the source model.
    pub source_sha256: [u8; 32],
    /// Tensor of the source model that became the embedding.
    #[serde(borrow)]
    pub cut: &'a str,
    /// Program and version that wrote the file.
    #[serde(borrow)]
    pub tool: &'a str,
    /// SHA-256 of the graph, the weights and the preprocessing.
    pub id: PackageId,
    /// Precision of the graph.
    pub precision: Precision,
    /// Preprocessing from frame to input; [`Preprocess::NONE`] with a [`Text`] or a [`Sensor`].
    pub preprocess: Preprocess,
    /// Lookup table of 256 int8 values per input channel, if the input is quantized; with a
    /// [`Text`] the rows of the token table, with a [`Sensor`] nothing.
    pub input_table: crate::graph::Blob,
    /// Number of tensors of the graph.
    pub tensors: u16,
    /// Id of the embedding's tensor.
    pub output: TensorId,
    /// Number of golden vectors.
    pub goldens: u8,
    /// Properties of the embedding that only some packages state, in additional bytes.
    #[serde(skip)]
    pub extras: Extras<'a>,
}

impl<'a> Manifest<'a> {
    /// Decodes the whole section.
    fn decode(section: &'a [u8]) -> Option<Self> {
        let (manifest, rest) = postcard::take_from_bytes::<Self>(section).ok()?;
        Some(Self { extras: Extras::decode(rest)?, ..manifest })
    }

    #[cfg(feature = "alloc")]
    fn encode(&self) -> Result<alloc::vec::Vec<u8>, postcard::Error> {
        let mut bytes = postcard::to_allocvec(self)?;
        bytes.extend(self.extras.encode());
        Ok(bytes)
    }
}

/// Text input of a language backbone: a section that only its package has.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Text<'a> {
    /// Parameters from tokens to input.
    pub tokens: Tokens,
    /// Tokenizer: a `tokenizer.json` of the `tokenizers` library.
    #[serde(borrow)]
    pub tokenizer: &'a str,
}

/// Reason why a file is not a valid package.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum PackageError {
    /// The file's outer structure is broken: truncated, changed bits, another format.
    #[error(transparent)]
    Layout(#[from] LayoutError),
    /// The manifest does not decode.
    #[error("the manifest cannot be read")]
    Manifest,
    /// The preprocessing is out of range, or does not fit the graph's input.
    #[error("preprocessing: {0}")]
    Preprocess(#[from] PreprocessError),
    /// The input's shape, element type or table does not fit the preprocessing.
    #[error("the network's input does not fit the preprocessing")]
    Input,
    /// The graph is not valid.
    #[error("graph: {0}")]
    Graph(#[from] GraphError),
    /// The embedding ends before its last part.
    #[error("the embedding ends before the last of its parts")]
    Parts,
    /// The stated precision differs from the graph's.
    #[error("the graph is not {}", .0.name())]
    Precision(Precision),
    /// The golden vectors do not decode or have other lengths.
    #[error("the golden vectors cannot be read")]
    Golden,
    /// The header of the packed weights does not decode.
    #[error("the packed weights cannot be read")]
    Packed,
    /// The text section does not decode, or does not fit the graph's input and its table.
    #[error("the text section cannot be read, or does not fit the network's input")]
    Text,
    /// Texts are to be computed at their own length, but the engine does not run the network alone,
    /// or it does not take text.
    #[error("texts at their own length, of a network that takes none or that tract runs")]
    OwnLength,
    /// The sound section does not decode, or the preprocessing is not that of a grey picture.
    #[error("the sound section cannot be read, or the network's input is no grey picture")]
    SoundSection,
    /// The front end for sound is out of range, or does not fit the network's input.
    #[error("sound: {0}")]
    Sound(#[from] SoundError),
    /// The sensor section does not decode, or other preprocessing stands beside it.
    #[error("the sensor section cannot be read, or the package has a table of pixels, too")]
    SensorSection,
    /// The normalization of signals is out of range, or does not fit the network's input.
    #[error("sensor: {0}")]
    Sensor(#[from] SignalError),
    /// The statistics of the calibration set do not decode, or do not fit the graph.
    #[error("the statistics of the calibration set cannot be read, or do not fit the network")]
    Domain,
    /// The layout of the cells does not decode, or does not fit the network.
    #[error("the cells cannot be read, or do not fit the network's output")]
    Cells,
}

/// Weights of an int8 network in the order in which one processor's kernels read them.
///
/// The content is used as numbers only: a run never takes an offset from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Packed<'a> {
    /// Name of the instruction set, 1 to 16 letters, digits and hyphens.
    pub target: &'a str,
    /// Id of the order of the weights; another id means another order.
    pub order: u32,
    /// Packed weights, which begin at a multiple of 64 bytes in the file.
    pub panels: &'a [i8],
}

impl<'a> Packed<'a> {
    /// Number of bytes before the panels.
    const HEAD: usize = 64;

    fn open(section: &'a [u8]) -> Option<Self> {
        let (head, panels) = section.split_at_checked(Self::HEAD)?;
        let (name, rest) = head.split_at(16);
        let (order, zeros) = rest.split_first_chunk::<4>()?;
        let end = name.iter().position(|&b| b == 0).unwrap_or(name.len());
        let target = core::str::from_utf8(&name[..end]).ok()?;
        let is_name = end > 0 && target.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        let is_empty = name[end..].iter().chain(zeros).all(|&b| b == 0);
        let order = u32::from_le_bytes(*order);
        (is_name && is_empty).then(|| Self { target, order, panels: bytemuck::cast_slice(panels) })
    }

    /// Returns the section's bytes; `None` if the name is not valid.
    #[cfg(feature = "alloc")]
    fn to_section(self) -> Option<alloc::vec::Vec<u8>> {
        let mut section = alloc::vec![0; Self::HEAD];
        section[..16].get_mut(..self.target.len())?.copy_from_slice(self.target.as_bytes());
        section[16..20].copy_from_slice(&self.order.to_le_bytes());
        section.extend_from_slice(bytemuck::cast_slice(self.panels));
        Packed::open(&section).is_some().then_some(section)
    }
}

/// Checked package: no later access can fail.
#[derive(Debug, Clone)]
pub struct Package<'a> {
    manifest: Manifest<'a>,
    graph: Graph<'a>,
    goldens: &'a [u8],
    text: Option<Text<'a>>,
    sound: Option<Sound<'a>>,
    cells: Option<CellsLayout>,
    sensor: Option<Sensor<'a>>,
    sections: Sections<'a>,
}

impl<'a> Package<'a> {
    /// Checks and opens the bytes of a package file.
    ///
    /// Order of the checks: magic, version, length, section table, checksums, manifest,
    /// preprocessing, graph, cells, golden vectors, packed weights,
    /// statistics. Allocates no memory.
    ///
    /// # Errors
    ///
    /// [`PackageError`] for the first check that fails.
    pub fn open(bytes: &'a [u8]) -> Result<Self, PackageError> {
        let sections = Sections::open(bytes)?;
        let manifest =
            Manifest::decode(sections.get(Section::Manifest)).ok_or(PackageError::Manifest)?;
        let too_long =
            [manifest.source, manifest.cut, manifest.tool].iter().any(|s| s.len() > limits::NAME);
        if too_long {
            return Err(PackageError::Manifest);
        }
        manifest.preprocess.check()?;
        let (records, nodes) = sections
            .get(Section::Graph)
            .split_at_checked(usize::from(manifest.tensors) * Tensor::RECORD)
            .ok_or(PackageError::Graph(GraphError::Tensors { found: manifest.tensors.into() }))?;
        let graph = Graph::open(records, nodes, sections.get(Section::Weights), manifest.output)?;
        let text = match sections.get(Section::Text) {
            [] => None,
            section => Some(whole(section).ok_or(PackageError::Text)?),
        };
        let sound = match sections.get(Section::Sound) {
            [] => None,
            section => Some(Sound::decode(section).ok_or(PackageError::SoundSection)?),
        };
        let sensor = match sections.get(Section::Sensor) {
            [] => None,
            section => Some(Sensor::decode(section).ok_or(PackageError::SensorSection)?),
        };
        let goldens = sections.get(Section::Golden);
        let mut package =
            Self { manifest, graph, goldens, text, sound, sensor, cells: None, sections };
        match (&package.text, &package.sensor) {
            (Some(text), _) => package.check_text(text)?,
            (None, Some(sensor)) => package.check_sensor(sensor)?,
            (None, None) => package.check_input()?,
        }
        package.check_sound()?;
        package.read_cells()?;
        // The last part ends with the embedding.
        if package.manifest.extras.parts.of(package.embedding_dim()).is_none() {
            return Err(PackageError::Parts);
        }
        package.check_precision()?;
        package.check_length()?;
        package.check_goldens()?;
        if package.packed().is_none() && !package.sections.get(Section::Packed).is_empty() {
            return Err(PackageError::Packed);
        }
        if package.domain().is_none() && !package.sections.get(Section::Domain).is_empty() {
            return Err(PackageError::Domain);
        }
        Ok(package)
    }

    /// Returns the manifest.
    #[must_use]
    pub fn manifest(&self) -> &Manifest<'a> {
        &self.manifest
    }

    /// Returns the network.
    #[must_use]
    pub fn graph(&self) -> &Graph<'a> {
        &self.graph
    }

    /// Returns the number of values of an embedding.
    #[must_use]
    pub fn embedding_dim(&self) -> usize {
        self.graph.tensor(self.graph.output()).shape.elements()
    }

    /// Returns the division of an embedding into parts, for a head.
    #[must_use]
    pub fn parts(&self) -> Parts {
        let dim = self.embedding_dim();
        // Checked when the package was opened.
        self.manifest.extras.parts.of(dim).unwrap_or(Parts::single(dim))
    }

    /// Returns 256 int8 values per input channel; empty if the input is float.
    #[must_use]
    pub fn input_table(&self) -> &'a [i8] {
        if self.text.is_some() {
            &[]
        } else {
            self.manifest.input_table.codes(self.graph.weights())
        }
    }

    /// Returns the parameters of text input; `None` for image input.
    #[must_use]
    pub fn text(&self) -> Option<&Text<'a>> {
        self.text.as_ref()
    }

    /// Returns the front end for sound; `None` for other input. Behind it the network sees a grey
    /// picture: a row per frame, a column per band.
    #[must_use]
    pub fn sound(&self) -> Option<&Sound<'a>> {
        self.sound.as_ref()
    }

    /// Returns the layout of the cells, if the network's output are the cells of feature maps; [`None`]
    /// if it is an embedding.
    #[must_use]
    pub fn cells(&self) -> Option<&CellsLayout> {
        self.cells.as_ref()
    }

    /// Returns the bytes of the front end, see [`Sound::decode`]; empty without one.
    #[must_use]
    pub fn sound_section(&self) -> &'a [u8] {
        self.sections.get(Section::Sound)
    }

    /// Returns the normalization of signals; `None` for other input.
    #[must_use]
    pub fn sensor(&self) -> Option<&Sensor<'a>> {
        self.sensor.as_ref()
    }

    /// Returns the bytes of the sensor section, see [`Sensor::decode`]; empty without one.
    #[must_use]
    pub fn sensor_section(&self) -> &'a [u8] {
        self.sections.get(Section::Sensor)
    }

    /// Returns the rows of the token table, see [`Tokens::fill`]; empty without a [`Text`].
    #[must_use]
    pub fn token_table(&self) -> &'a [u8] {
        if self.text.is_some() { self.manifest.input_table.of(self.graph.weights()) } else { &[] }
    }

    /// Returns the golden vectors: frames or tokens with their expected embeddings.
    pub fn goldens(&self) -> impl Iterator<Item = Golden<'a>> + use<'a> {
        let mut rest = self.goldens;
        let kind = self.golden_kind();
        (0..self.manifest.goldens).map_while(move |_| {
            let (golden, tail) = Golden::decode(rest, kind)?;
            rest = tail;
            Some(golden)
        })
    }

    /// Returns the weights packed for one processor, if the package has them.
    #[must_use]
    pub fn packed(&self) -> Option<Packed<'a>> {
        Packed::open(self.sections.get(Section::Packed))
    }

    /// Returns the statistics of the calibration set, if the package states them.
    #[must_use]
    pub fn domain(&self) -> Option<Domain<'a>> {
        Domain::decode(self.sections.get(Section::Domain), &self.graph)
    }

    /// Returns the sections with their lengths in bytes, in file order.
    pub fn sections(&self) -> impl Iterator<Item = (Section, usize)> + '_ {
        self.sections.iter()
    }
}

/// Decodes a value that fills its bytes exactly.
fn whole<'a, T: Deserialize<'a>>(bytes: &'a [u8]) -> Option<T> {
    let (value, rest) = postcard::take_from_bytes(bytes).ok()?;
    rest.is_empty().then_some(value)
}
