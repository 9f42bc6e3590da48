//! Tuning of a network's tail on the device: the biases of its last pointwise convolution, or all of
//! its weights.
//!
//! The tail of an int8 network is a 1x1 convolution, the average pool of its whole feature map, and
//! at most one linear layer; its input is the **map**. Samples are kept as maps, so that tuning runs
//! the tail alone: [`Tail`] is found in any package ([`Tail::find`]), [`Tuner`] tunes it with
//! a throw-away softmax and asks held-out samples if that helped ([`Verdict`]), [`Delta`] is the file
//! with the result.
//!
//! Everything is in the caller's memory ([`TailLayout::words`]); sums have a fixed order, so that
//! all processors give the same bits.
//!
//! # Example
//!
//! ```
//! # #[cfg(feature = "alloc")] {
//! use offshoot_core::Package;
//! use offshoot_core::tail::{Samples, Tail, TailLayout, Tuner, Tuning, Verdict};
//!
//! let file = std::fs::read("../../models/sprout/sprout.offshoot")?;
//! let package = Package::open(&file)?;
//! let tail = Tail::find(package.graph()).expect("Sprout ends in a pointwise layer and a pool");
//!
//! // Maps as the engine leaves them; here of two classes that differ everywhere.
//! let map = tail.map_len();
//! let maps: Vec<i8> = (0..12 * map).map(|i| ((i * 7 + i / map % 2 * 90) % 120) as i8).collect();
//! let owners: Vec<u16> = (0..12).map(|i| i % 2).collect();
//! let samples = Samples { maps: &maps, owners: &owners, classes: 2 };
//!
//! let layout = TailLayout::new(&tail, &samples, false);
//! let mut memory = vec![0; layout.words()?];
//! let mut tuner = Tuner::new(&package, samples, Tuning::default(), layout, &mut memory)?;
//! let verdict = loop {
//!     // A camera loop calls this between frames.
//!     tuner.step();
//!     if let Some(verdict) = tuner.verdict() {
//!         break verdict;
//!     }
//! };
//! assert!(!matches!(verdict, Verdict::TooFew { .. }));
//! # }
//! # Ok::<(), Box<dyn core::error::Error>>(())
//! ```

use crate::graph::{Clamp, Graph, Int8Op, Node, Op, TensorId, Window};
use crate::quant::{Multiplier, Quant};
use crate::shape::Shape;

mod delta;
mod gate;
mod gradient;
mod product;
#[cfg(feature = "alloc")]
mod rewrite;
mod room;
mod tuner;
mod weights;
mod work;

pub use delta::{Delta, DeltaError, Recorded};
pub use gate::{Evidence, Verdict};
use product::{Layer, Pool};
pub use room::TailLayout;
pub use tuner::{Paused, Progress, Samples, TuneError, Tuned, Tuner, Tuning, WriteError};

/// Samples of a batch, and of one [`Tuner::step`].
const BATCH: u8 = 16;

/// The end of an int8 network that can be tuned: a pointwise convolution, an average pool over all
/// pixels, and at most one linear layer.
#[derive(Debug, Clone, Copy)]
pub struct Tail<'a> {
    node: usize,
    map: TensorId,
    shape: Shape,
    conv: Layer<'a>,
    pool: Pool,
    linear: Option<Layer<'a>>,
}

/// Part of a tail that has been found.
#[derive(Clone, Copy)]
struct Found<'a> {
    node: usize,
    map: TensorId,
    conv: Layer<'a>,
    pool: Option<Pool>,
    linear: Option<Layer<'a>>,
}

impl<'a> Tail<'a> {
    /// Finds the tail of a network; [`None`] if it ends otherwise.
    ///
    /// The convolution has one group and a clamp at most (identity, ReLU, ReLU6); the nodes from it
    /// to the output form a path: the pool of all pixels, flattening, and at most one linear layer
    /// without an activation. Networks that end in squeeze-and-excitation, attention, a function of
    /// the pooled vector or several joined maps have no tail.
    #[must_use]
    pub fn find(graph: &Graph<'a>) -> Option<Self> {
        let nodes = graph.nodes();
        let found = nodes.fold(None, |found, (id, node)| next(graph, found, id, &node))?;
        let is_last = usize::from(graph.output()) == graph.node_count();
        let pool = found.pool.filter(|_| is_last)?;
        let Found { node, map, conv, linear, .. } = found;
        let shape = graph.tensor(map).shape;
        Some(Self { node, map, shape, conv, pool, linear })
    }

    /// Index of the convolution among the graph's nodes; all nodes from it on are the tail.
    #[must_use]
    pub fn node(&self) -> usize {
        self.node
    }

    /// Tensor that the convolution reads.
    #[must_use]
    pub fn map(&self) -> TensorId {
        self.map
    }

    /// Rows, columns and channels of the map.
    #[must_use]
    pub fn map_shape(&self) -> Shape {
        self.shape
    }

    /// Number of int8 values of a map, which are its bytes: what a sample costs.
    #[must_use]
    pub fn map_len(&self) -> usize {
        self.shape.elements()
    }

    /// Number of pixels of a map.
    #[must_use]
    pub fn pixels(&self) -> usize {
        self.shape.h() * self.shape.w()
    }

    /// Number of output channels of the convolution, each with a bias.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.conv.channels()
    }

    /// Number of values of an embedding.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.linear.map_or(self.channels(), |linear| linear.channels())
    }

    /// Returns the biases of the convolution, in units of input scale times weight scale.
    #[must_use]
    pub fn biases(&self) -> impl ExactSizeIterator<Item = i32> + use<'a> {
        let conv = self.conv;
        (0..conv.channels()).map(move |channel| conv.bias(channel))
    }

    /// Returns the weights of the convolution, channel by channel.
    #[must_use]
    pub fn weights(&self) -> &'a [i8] {
        bytemuck::cast_slice(self.conv.stored()[0])
    }

    /// Returns the mantissa of each channel's multiplier.
    #[must_use]
    pub fn mantissas(&self) -> impl ExactSizeIterator<Item = i32> + use<'a> {
        let conv = self.conv;
        (0..conv.channels()).map(move |channel| conv.mantissa(channel))
    }

    /// Returns true if no accumulator of the convolution can overflow, and no multiplier is negative.
    fn fits(&self) -> bool {
        let limit = self.conv.bias_limit();
        self.biases().all(|bias| bias.unsigned_abs() <= limit)
            && self.mantissas().all(|mantissa| mantissa >= 0)
    }

    /// Computes the embedding of a map, the same bits as the engine.
    ///
    /// Writes [`Tail::dim`] int8 values to `out`; `scratch` has [`Tail::channels`] plus
    /// [`Tail::pixels`] words.
    ///
    /// # Panics
    ///
    /// If a slice has another length.
    pub fn embed(&self, map: &[i8], scratch: &mut [i32], out: &mut [i8]) {
        assert_eq!(map.len(), self.map_len(), "the map is of another network");
        assert_eq!(out.len(), self.dim(), "an embedding of another network");
        let (pooled, pixels) = scratch.split_at_mut(self.channels());
        self.embed_in(map, pooled, pixels, out);
    }

    fn embed_in(&self, map: &[i8], pooled: &mut [i32], pixels: &mut [i32], out: &mut [i8]) {
        for (channel, pooled) in pooled.iter_mut().enumerate() {
            self.conv.products(channel, map, pixels);
            *pooled = self.pool.mean(&self.conv, channel, 0, pixels);
        }
        self.finish(pooled, out);
    }

    /// Computes the embedding of pooled channels.
    fn finish(&self, pooled: &[i32], out: &mut [i8]) {
        match &self.linear {
            Some(linear) => linear.of_vector(pooled, out),
            None => out.iter_mut().zip(pooled).for_each(|(out, &code)| *out = code as i8),
        }
    }

    /// Scale and zero point of the embedding.
    #[must_use]
    pub fn output(&self) -> Quant {
        self.linear.map_or(self.pool.output, |linear| linear.output)
    }
}

/// Goes on with a tail by one node: begins it, continues it or gives it up.
fn next<'a>(
    graph: &Graph<'a>,
    found: Option<Found<'a>>,
    id: TensorId,
    node: &Node<'a>,
) -> Option<Found<'a>> {
    let mut inputs = node.inputs.iter();
    let from = inputs.next().filter(|_| inputs.next().is_none())?;
    let Op::Int8(op) = node.op else { return None };
    let input = graph.tensor(from);
    let output = graph.tensor(id);
    let follows = found.filter(|_| from + 1 == id);
    match op {
        Int8Op::Conv { window: Window::POINT, groups: 1, .. } if !input.shape.is_vector() => {
            let conv = Layer::new(graph, &op, from, id)?;
            let node = usize::from(id) - 1;
            let is_inside = from != Graph::INPUT;
            is_inside.then_some(Found { node, map: from, conv, pool: None, linear: None })
        }
        Int8Op::AveragePool { window, multiplier, clamp: Clamp::NONE, .. } => {
            let found = follows.filter(|found| found.pool.is_none())?;
            let covers = Some(window) == Window::covering(input.shape);
            let pool = Pool::new(window.taps(), multiplier, output.element.quant()?);
            covers.then_some(Found { pool: Some(pool), ..found })
        }
        Int8Op::Flatten | Int8Op::Reshape => follows.filter(|found| found.pool.is_some()),
        Int8Op::Conv { window: Window::POINT, groups: 1, clamp: Clamp::NONE, .. } => {
            let found = follows.filter(|found| found.pool.is_some() && found.linear.is_none())?;
            Some(Found { linear: Some(Layer::new(graph, &op, from, id)?), ..found })
        }
        _ => None,
    }
}

/// Real value of a multiplier.
fn factor(mantissa: i32, shift: u8) -> f32 {
    let shift = shift.min(Multiplier::MAX_SHIFT);
    (f64::from(mantissa) * f64::from(1u32 << shift) / (1u64 << 31) as f64) as f32
}
