//! Feature extraction: from a frame, a signal, or the tokens of a text, to its embedding.

use std::ops::Range;

use offshoot_core::graph::Element;
use offshoot_core::head::Parts;
use offshoot_core::package::PackageId;
use offshoot_core::spatial::CellsLayout;
use offshoot_core::{Embedding, Frame, Package, Quant, Shape, Tokens};
use offshoot_engine::{Buffer, Isa, Plan, Step, Team, TextPlan, Value};

use crate::{Error, ErrorKind};

mod cells;
mod depths;
mod ears;
mod open;
mod signals;
mod split;
mod texts;
mod verify;

pub use depths::{Depth, Depths};
use ears::Clip;
pub use ears::Ears;
pub use signals::Probe;
use signals::{Front, Sample};
use split::Split;
pub use verify::Verification;

/// Feature extractor: an opened package with the memory to run it.
///
/// Takes frames, or the tokens of texts, and gives embeddings. All memory is reserved on opening;
/// int8 packages, those with scales computed in the run among them, then run without allocating.
/// Float and mixed packages run on tract-core, which allocates.
#[derive(Debug)]
pub struct Extractor {
    bytes: Bytes,
    backend: Backend,
    front: Front,
    element: Element,
    parts: Parts,
    id: PackageId,
    unit_length: bool,
    /// Embedding of L2 norm 1, if it is of floats.
    unit: Vec<f32>,
    /// Network in two parts, which then run in place of the plan.
    split: Option<Box<Split>>,
    /// Memory for clips of sound, of a package that takes sound.
    clip: Option<Box<Clip>>,
    /// Layout of the cells, of a package that gives cells.
    cells: Option<Box<CellsLayout>>,
}

/// Storage of the package's bytes.
enum Bytes {
    Map(memmap2::Mmap),
    Owned(Vec<u8>),
    Static(&'static [u8]),
}

impl std::fmt::Debug for Bytes {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} bytes", self.len())
    }
}

impl std::ops::Deref for Bytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        match self {
            Self::Map(map) => map,
            Self::Owned(bytes) => bytes,
            Self::Static(bytes) => bytes,
        }
    }
}

#[derive(Debug)]
#[cfg_attr(
    feature = "tract",
    expect(clippy::large_enum_variant, reason = "one for each extractor")
)]
enum Backend {
    Engine {
        plan: Plan<Vec<Step>>,
        /// Threads that share the network, if there are several.
        team: Option<Team>,
        panels: Panels,
        arena: Buffer,
        weights: Range<usize>,
        feed: Feed,
    },
    #[cfg(feature = "tract")]
    Tract {
        network: Box<offshoot_tract::Network>,
        input: Input,
        /// Number of nodes of the graph.
        nodes: usize,
    },
}

/// Way to make the input of a plan.
#[derive(Debug)]
enum Feed {
    /// Int8 values of a frame by a table.
    Codes(Vec<i8>),
    /// Normalized pixels of a frame.
    Floats,
    /// Rows of tokens; `table` is the range of the vocabulary's rows in the file.
    Tokens {
        tokens: Tokens,
        shape: Shape,
        table: Range<usize>,
        /// Plan of a text's own positions, if the others change nothing.
        own: Option<Box<TextPlan>>,
    },
}

/// Weights in the order of the processor's kernels.
#[derive(Debug)]
enum Panels {
    /// Packed on opening the package.
    Own(Buffer),
    /// Packed by the converter, and used in place.
    InFile(Range<usize>),
}

impl Panels {
    fn of<'a>(&'a self, file: &'a [u8]) -> &'a [i8] {
        match self {
            Self::Own(buffer) => buffer,
            Self::InFile(range) => bytemuck::cast_slice(&file[range.clone()]),
        }
    }
}

#[cfg(feature = "tract")]
#[derive(Debug)]
enum Input {
    Codes {
        codes: Vec<i8>,
        table: Vec<i8>,
    },
    Floats(Vec<f32>),
    /// Range of the vocabulary's rows in the file.
    Tokens {
        values: Vec<f32>,
        tokens: Tokens,
        shape: Shape,
        table: Range<usize>,
    },
}

/// Stage that [`Extractor::embed_with_observer`] has just finished.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Stage {
    /// Preprocessing: the frame, or the tokens, became the network's input.
    Preprocess,
    /// Nodes of the graph: one, or several that run together. A concatenation is reported once for
    /// each operand, a reshape not at all, a network on tract-core as a whole.
    Nodes(Range<usize>),
}

/// Memory of an extractor, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub struct Memory {
    /// Bytes of the arena, which holds the feature maps; 0 if tract-core manages them.
    pub arena: usize,
    /// Bytes of the largest set of feature maps alive at once, if every one existed as a whole.
    pub live_set: usize,
    /// Bytes of the weights in the order of the processor's kernels.
    pub packed: usize,
    /// True if the package holds the weights in that order, so that they are used in place.
    pub packed_in_file: bool,
    /// Bytes of the package; they stay in the file if it is memory-mapped.
    pub package: usize,
}

impl Extractor {
    /// Returns the package that was opened.
    ///
    /// # Panics
    /// Never: the bytes were checked on opening.
    #[must_use]
    pub fn package(&self) -> Package<'_> {
        Package::open(&self.bytes).expect("checked when it was opened")
    }

    /// Returns the number of values of an embedding.
    #[must_use]
    pub fn embedding_dim(&self) -> usize {
        self.parts.dim()
    }

    /// Returns the division of an embedding into the pooled features of several depths, which a
    /// head chooses from; a single part unless the package was converted with `--parts`.
    ///
    /// ```
    /// use offshoot::Extractor;
    ///
    /// let extractor = Extractor::open("tests/tiny.offshoot")?;
    /// assert!(extractor.parts().is_single());
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn parts(&self) -> Parts {
        self.parts
    }

    /// Returns the digest that binds heads to this package.
    #[must_use]
    pub fn id(&self) -> PackageId {
        self.id
    }

    /// Returns the memory that the extractor takes.
    ///
    /// ```
    /// use offshoot::Extractor;
    ///
    /// let memory = Extractor::open("tests/tiny.offshoot")?.memory();
    /// println!("{} bytes", memory.arena + memory.packed);
    /// assert!(memory.arena > 0);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn memory(&self) -> Memory {
        let package = self.bytes.len();
        match &self.backend {
            Backend::Engine { plan, panels, arena, .. } => Memory {
                arena: arena.len() + self.split.as_ref().map_or(0, |split| split.arena.len()),
                live_set: plan.live_set_bytes(),
                packed: plan.packed_bytes()
                    + self.split.as_ref().map_or(0, |split| split.packed_bytes()),
                packed_in_file: matches!(panels, Panels::InFile(_)),
                package,
            },
            #[cfg(feature = "tract")]
            Backend::Tract { .. } => {
                Memory { arena: 0, live_set: 0, packed: 0, packed_in_file: false, package }
            }
        }
    }

    /// Returns the number of threads that share the network.
    #[must_use]
    pub fn threads(&self) -> usize {
        match &self.backend {
            Backend::Engine { plan, .. } => usize::from(plan.config().threads.get()),
            #[cfg(feature = "tract")]
            Backend::Tract { .. } => 1,
        }
    }

    /// Returns the instruction set of the kernels that run an int8 network; `None` if tract-core
    /// runs it.
    ///
    /// ```
    /// use offshoot::Extractor;
    ///
    /// let extractor = Extractor::open("tests/tiny.offshoot")?;
    /// println!("{}", extractor.isa().map_or("tract-core", |isa| isa.name()));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    #[must_use]
    pub fn isa(&self) -> Option<Isa> {
        match &self.backend {
            Backend::Engine { plan, .. } => Some(plan.config().isa),
            #[cfg(feature = "tract")]
            Backend::Tract { .. } => None,
        }
    }

    /// Computes the embedding of a frame.
    ///
    /// Takes a frame of any size; the preprocessing of the package resizes it. Returns
    /// [`Extractor::embedding_dim`] values, which are valid until the next call. Int8 packages
    /// allocate nothing.
    ///
    /// ```
    /// use offshoot::{Extractor, Frame, PixelFormat};
    ///
    /// let mut extractor = Extractor::open("tests/tiny.offshoot")?;
    /// // As a USB camera gives it.
    /// let buffer = [128; 2 * 640 * 480];
    /// let frame = Frame::new(640, 480, PixelFormat::Yuyv, &buffer)?;
    /// let embedding = extractor.embed(&frame)?;
    /// assert!(embedding.iter().all(f32::is_finite));
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// [`ErrorKind::OtherInput`](crate::ErrorKind::OtherInput) if the package takes text or signals: use
    /// [`Extractor::embed_tokens`] or [`Extractor::embed_signal`]. Float and mixed packages also fail
    /// if tract-core does; int8 packages do not.
    pub fn embed(&mut self, frame: &Frame<'_>) -> Result<Embedding<'_>, Error> {
        self.embed_with_observer(frame, |_| {})
    }

    /// Computes the embedding like [`Extractor::embed`] and calls `observe` after each stage, for a
    /// profile.
    ///
    /// ```
    /// use std::time::Instant;
    ///
    /// use offshoot::{Extractor, Frame};
    ///
    /// let mut extractor = Extractor::open("tests/tiny.offshoot")?;
    /// let (mut last, mut stages) = (Instant::now(), 0);
    /// extractor.embed_with_observer(&Frame::rgb(8, 8, &[128; 192])?, |stage| {
    ///     println!("{stage:?}: {:?}", last.elapsed());
    ///     last = Instant::now();
    ///     stages += 1;
    /// })?;
    /// assert!(stages > 1);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// Those of [`Extractor::embed`].
    pub fn embed_with_observer(
        &mut self,
        frame: &Frame<'_>,
        observe: impl FnMut(Stage),
    ) -> Result<Embedding<'_>, Error> {
        self.run(Sample::Frame(frame), observe)?;
        Ok(self.result())
    }

    fn run(&mut self, sample: Sample<'_>, mut observe: impl FnMut(Stage)) -> Result<(), Error> {
        let front = &self.front;
        match &mut self.backend {
            Backend::Engine { plan, team, panels, arena, weights, feed } => {
                let plan = self.split.as_ref().map_or(&*plan, |split| &split.front);
                let input = &mut arena[plan.input().range()];
                match feed {
                    Feed::Codes(table) => front.codes_into(&self.bytes, sample, table, input)?,
                    Feed::Floats => {
                        let input = bytemuck::cast_slice_mut(input);
                        front.floats_into(&self.bytes, sample, input)?;
                    }
                    Feed::Tokens { .. } => return Err(TEXT.into()),
                }
                observe(Stage::Preprocess);
                let weights = &self.bytes[weights.clone()];
                let packed = panels.of(&self.bytes);
                let watch = |steps: &[Step]| observe(stage(steps, 0));
                match team {
                    Some(team) => team.run_with_observer(plan, weights, packed, arena, watch)?,
                    None => plan.run_with_observer(weights, packed, arena, watch)?,
                }
                let output = plan.output();
                let map = output.range();
                if let Some(split) = &mut self.split {
                    let first = split.node();
                    split.run(team, &arena[map], |steps| observe(stage(steps, first)))?;
                } else if output.width > 1 {
                    shorten(bytemuck::cast_slice(&arena[map]), &mut self.unit);
                }
            }
            #[cfg(feature = "tract")]
            Backend::Tract { network, input, nodes } => {
                match input {
                    Input::Tokens { .. } => return Err(TEXT.into()),
                    Input::Codes { codes, table } => {
                        front.codes_into(&self.bytes, sample, table, codes)?;
                        observe(Stage::Preprocess);
                        network.run_codes(codes)?;
                    }
                    Input::Floats(values) => {
                        front.floats_into(&self.bytes, sample, values)?;
                        observe(Stage::Preprocess);
                        network.run_floats(values)?;
                    }
                }
                observe(Stage::Nodes(0..*nodes));
                shorten(network.floats(), &mut self.unit);
            }
        }
        Ok(())
    }

    /// Returns the embedding of the last frame.
    pub(crate) fn result(&self) -> Embedding<'_> {
        let quantized = |codes, quant: Quant| {
            let quant = if self.unit_length { Embedding::unit_quant(codes, quant) } else { quant };
            Embedding::Int8 { codes, quant }
        };
        if let Some(split) = &self.split {
            let (codes, quant) = split.result();
            return quantized(codes, quant);
        }
        match (&self.backend, self.element) {
            (_, Element::Float) if self.unit_length => Embedding::Float(&self.unit),
            (Backend::Engine { plan, arena, .. }, Element::Float) => {
                Embedding::Float(bytemuck::cast_slice(&arena[plan.output().range()]))
            }
            (Backend::Engine { plan, arena, .. }, Element::Int8(_)) => {
                quantized(&arena[plan.output().range()], plan.output().quant)
            }
            #[cfg(feature = "tract")]
            (Backend::Tract { network, .. }, Element::Int8(quant)) => {
                quantized(network.codes(), quant)
            }
            #[cfg(feature = "tract")]
            (Backend::Tract { network, .. }, Element::Float) => Embedding::Float(network.floats()),
        }
    }

    /// Returns the feature map before the average pool of the last frame: int8 values, and their
    /// shape with the quantization; `None` if there is no such map, or its memory was reused.
    pub(crate) fn pooled(&self) -> Option<(&[i8], Value)> {
        if let Some(split) = &self.split {
            return split.back.pooled().map(|map| (&split.arena[map.range()], map));
        }
        match &self.backend {
            Backend::Engine { plan, arena, .. } => {
                plan.pooled().map(|map| (&arena[map.range()], map))
            }
            #[cfg(feature = "tract")]
            Backend::Tract { .. } => None,
        }
    }
}

/// Refusal of a frame.
const TEXT: ErrorKind = ErrorKind::OtherInput { takes: "the tokens of a text" };

/// Scales floats to L2 norm 1 in `room`, if it is long enough.
fn shorten(floats: &[f32], unit: &mut [f32]) {
    if !unit.is_empty() {
        unit.copy_from_slice(floats);
        Embedding::to_unit_length(unit);
    }
}

/// Returns the nodes of steps that ran together, of a part of the network that begins with node
/// `first`.
fn stage(steps: &[Step], first: usize) -> Stage {
    let node = |step: Option<&Step>| first + step.map_or(0, Step::node);
    Stage::Nodes(node(steps.first())..node(steps.last()) + 1)
}
