//! Feature extraction without an allocator: a package in flash, memory of the caller's.

use offshoot_core::graph::Op;
use offshoot_core::package::{PackageError, Packed};
use offshoot_core::preprocess::signal::SignalError;
use offshoot_core::{Embedding, Frame, Package, Signal};
use thiserror::Error;

use crate::error::PlanError;
use crate::isa::Isa;
use crate::plan::Plan;
use crate::plan::slots::Slot;
use crate::plan::step::Step;

/// Memory for the steps of a network with fewer than `N` nodes, and for planning them.
#[derive(Debug)]
pub struct Layers<const N: usize> {
    steps: [Step; N],
    slots: [[Slot; 2]; N],
}

impl<const N: usize> Layers<N> {
    /// Returns memory of which nothing is used.
    #[must_use]
    pub const fn new() -> Self {
        Self { steps: [Step::EMPTY; N], slots: [[Slot::EMPTY; 2]; N] }
    }
}

impl<const N: usize> Default for Layers<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// Memory for the feature maps of a network, `N` bytes of zeros, aligned as kernels want it.
#[derive(Debug)]
#[repr(C, align(64))]
pub struct Arena<const N: usize>([i8; N]);

impl<const N: usize> Arena<N> {
    /// Returns memory of which nothing is used.
    #[must_use]
    pub const fn new() -> Self {
        Self([0; N])
    }
}

impl<const N: usize> Default for Arena<N> {
    fn default() -> Self {
        Self::new()
    }
}

/// Reason that a package gives no [`Extractor`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum OpenError {
    /// The bytes are not a package.
    #[error(transparent)]
    Package(#[from] PackageError),
    /// The network is not of int8 operations alone.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// Too little memory for steps.
    #[error("the network needs Layers<{need}>, given is Layers<{have}>")]
    Layers {
        /// Parameter of [`Layers`] that is enough.
        need: usize,
        /// Parameter given.
        have: usize,
    },
    /// Too little memory for feature maps.
    #[error("the network needs Arena<{need}>, given is Arena<{have}>")]
    Arena {
        /// Parameter of [`Arena`] that is enough.
        need: usize,
        /// Parameter given.
        have: usize,
    },
}

/// Feature extractor for programs without an allocator: an opened package with the memory to run it.
///
/// Memory has the sizes of the type parameters; an error of [`Extractor::new`] states what is
/// enough. In a `static`, [`Arena`] takes no flash, [`Layers`] takes 180 bytes for each of `N`.
///
/// ```
/// use offshoot_core::Frame;
/// use offshoot_engine::{Arena, Extractor, Layers};
///
/// // On a device: `include_bytes!`, and statics.
/// let package = std::fs::read("../tests/tiny.offshoot")?;
/// let mut layers = Layers::<19>::new();
/// let mut arena = Arena::<16384>::new();
/// let mut extractor = Extractor::new(&package, &mut layers, &mut arena)?;
/// let embedding = extractor.embed(&Frame::rgb(8, 8, &[128; 192])?);
/// assert!(embedding.iter().all(f32::is_finite));
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Extractor<'a> {
    package: Package<'a>,
    plan: Plan<&'a mut [Step]>,
    packed: &'a [i8],
    arena: &'a mut [i8],
}

impl<'a> Extractor<'a> {
    /// Opens a package and plans its network.
    ///
    /// Weights that were packed for this processor (`offshoot convert --target`) are used in place, by
    /// the kernels that read them; without them portable code runs the network, see [`Extractor::isa`].
    ///
    /// # Errors
    /// The package is not sound or not int8, or there is too little memory.
    pub fn new<const LAYERS: usize, const ARENA: usize>(
        package: &'a [u8],
        layers: &'a mut Layers<LAYERS>,
        arena: &'a mut Arena<ARENA>,
    ) -> Result<Self, OpenError> {
        let package = Package::open(package)?;
        let nodes = package.graph().node_count();
        // Frames become int8 values here, and embeddings are made of such.
        let ordered = package.graph().nodes().position(|(_, n)| matches!(n.op, Op::Ordered(_)));
        if let Some(node) = ordered {
            return Err(PlanError::Float { node }.into());
        }
        let steps = Plan::<&mut [Step]>::steps_needed(package.graph(), 0..nodes)?;
        // Slots are one more than two for a node.
        let need = steps.max(nodes + 1);
        if need > LAYERS {
            return Err(OpenError::Layers { need, have: LAYERS });
        }
        let packed = package.packed();
        let mut kernels = Isa::available().rev();
        let isa = kernels.find(|isa| packed.as_ref().is_some_and(|packed| isa.reads(packed)));
        let packed = packed.filter(|_| isa.is_some());
        let isa = isa.unwrap_or_default();
        let slots = layers.slots.as_flattened_mut();
        let plan = Plan::new(package.graph(), isa, slots, &mut layers.steps[..])?;
        let need = plan.arena_bytes();
        let arena = arena.0.get_mut(..need).ok_or(OpenError::Arena { need, have: ARENA })?;
        let packed = packed.map_or(&[][..], |packed| packed.panels);
        // The name and the number of an order say how long panels are, unless a package lies.
        if packed.len() != plan.packed_bytes() {
            return Err(PackageError::Packed.into());
        }
        Ok(Self { package, plan, packed, arena })
    }

    /// Returns the package.
    #[must_use]
    pub fn package(&self) -> &Package<'a> {
        &self.package
    }

    /// Returns the instruction set of the kernels: [`Isa::GENERIC`] unless the package is packed for
    /// this processor.
    #[must_use]
    pub fn isa(&self) -> Isa {
        self.plan.config().isa
    }

    /// Returns the bytes of the arena that are used.
    #[must_use]
    pub fn arena_bytes(&self) -> usize {
        self.plan.arena_bytes()
    }

    /// Computes the embedding of a frame of any size; it is valid until the next call.
    ///
    /// # Panics
    /// If the package takes signals: [`Extractor::embed_signal`]. Lengths were checked on opening.
    pub fn embed(&mut self, frame: &Frame<'_>) -> Embedding<'_> {
        let manifest = self.package.manifest();
        let input = &mut self.arena[self.plan.input().range()];
        let filled = manifest.preprocess.quantize_into(frame, self.package.input_table(), input);
        filled.expect("the package takes frames");
        self.run()
    }

    /// Computes the embedding of a signal of one window; it is valid until the next call.
    ///
    /// # Errors
    /// The signal has other channels or places than a window, or a sample is not finite.
    ///
    /// # Panics
    /// If the package takes frames ([`Package::sensor`] is [`None`]).
    pub fn embed_signal(&mut self, signal: &Signal<'_>) -> Result<Embedding<'_>, SignalError> {
        let sensor = self.package.sensor().expect("the package takes signals");
        let value = self.plan.input();
        let input = &mut self.arena[value.range()];
        sensor.quantize_into(signal, value.shape, value.quant, input)?;
        Ok(self.run())
    }

    fn run(&mut self) -> Embedding<'_> {
        let manifest = self.package.manifest();
        let ran = self.plan.run(self.package.graph().weights(), self.packed, self.arena);
        ran.expect("the memory was checked");
        let output = self.plan.output();
        let codes = &self.arena[output.range()];
        let quant = match manifest.extras.unit_length {
            true => Embedding::unit_quant(codes, output.quant),
            false => output.quant,
        };
        Embedding::Int8 { codes, quant }
    }
}

impl Isa {
    /// Returns true if the kernels read weights that were packed in this order.
    #[must_use]
    pub fn reads(self, packed: &Packed<'_>) -> bool {
        self.target().is_some_and(|t| (t.name(), t.order()) == (packed.target, packed.order))
    }
}
