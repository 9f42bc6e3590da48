//! The network as a list of operations, read in place from the package's bytes.
//!
//! Tensor 0 is the input; node `k` produces tensor `k + 1` and may only read tensors
//! before it, so that a list in file order is always a valid schedule. Fully connected
//! layers are convolutions whose window covers the whole map.

use serde::{Deserialize, Serialize};

use crate::quant::{Quant, Scale};
use crate::shape::Shape;

mod check;
mod ops;

pub use check::GraphError;
pub use ops::{Affine, Binary, Blob, Clamp, FloatOp, Int8Op, Op, Permutation, Slice, Unary, Window};

/// Index of a tensor.
pub type TensorId = u16;

/// What a tensor's values are.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Element {
    /// 8-bit codes.
    Int8(Quant),
    /// 32-bit floats.
    Float,
}

impl Element {
    /// The quantization of 8-bit codes.
    pub fn quant(self) -> Option<Quant> {
        match self {
            Self::Int8(quant) => Some(quant),
            Self::Float => None,
        }
    }
}

/// Shape and kind of one tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tensor {
    /// Height, width, channels.
    pub shape: Shape,
    /// Codes or floats.
    pub element: Element,
}

impl Tensor {
    /// Bytes of a record in the file: three dimensions, the scale, the zero point, the kind.
    pub const RECORD: usize = 20;

    /// The record as it stands in the file.
    pub fn to_record(self) -> [u8; Self::RECORD] {
        let (h, w, c) = self.shape.into();
        let (scale, zero_point, kind) = match self.element {
            Element::Int8(q) => (q.scale.get(), q.zero_point, 1),
            Element::Float => (0.0, 0, 0),
        };
        let mut out = [0; Self::RECORD];
        for (slot, word) in out.chunks_exact_mut(4).zip([h, w, c, scale.to_bits()]) {
            slot.copy_from_slice(&word.to_le_bytes());
        }
        out[16] = zero_point as u8;
        out[17] = kind;
        out
    }

    /// Reads a record; `None` if it is not one.
    pub fn from_record(record: &[u8; Self::RECORD]) -> Option<Self> {
        let word = |i: usize| u32::from_le_bytes([record[i], record[i + 1], record[i + 2], record[i + 3]]);
        let shape = Shape::new(word(0), word(4), word(8))?;
        let element = match record[16..] {
            [zero_point, 1, 0, 0] => Element::Int8(Quant {
                scale: Scale::new(f32::from_bits(word(12)))?,
                zero_point: zero_point as i8,
            }),
            [0, 0, 0, 0] if word(12) == 0 => Element::Float,
            _ => return None,
        };
        Some(Self { shape, element })
    }
}

/// The tensors a node reads, as they stand in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs<'a>(#[serde(borrow)] &'a [u8]);

impl<'a> Inputs<'a> {
    /// Wraps little-endian 16-bit tensor ids.
    pub fn from_bytes(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// How many.
    pub fn len(&self) -> usize {
        self.0.len() / 2
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The ids in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = TensorId> + Clone + use<'a> {
        self.0.chunks_exact(2).map(|b| TensorId::from_le_bytes([b[0], b[1]]))
    }
}

/// One operation and what it reads.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Node<'a> {
    /// The layer's name in the source model.
    #[serde(borrow)]
    pub name: &'a str,
    /// What it reads.
    pub inputs: Inputs<'a>,
    /// What it does.
    pub op: Op,
}

/// A checked graph: shapes agree, every read is of an earlier tensor, every weight lies in
/// the weights section, and no accumulator can overflow.
#[derive(Debug, Clone, Copy)]
pub struct Graph<'a> {
    tensors: &'a [[u8; Tensor::RECORD]],
    nodes: &'a [u8],
    weights: &'a [u8],
    output: TensorId,
}

impl<'a> Graph<'a> {
    /// The tensor that a frame is written to.
    pub const INPUT: TensorId = 0;

    /// How many tensors: one more than nodes.
    pub fn tensor_count(&self) -> usize {
        self.tensors.len()
    }

    /// How many nodes.
    pub fn node_count(&self) -> usize {
        self.tensors.len() - 1
    }

    /// Shape and kind of a tensor.
    ///
    /// # Panics
    /// If there is no such tensor.
    pub fn tensor(&self, id: TensorId) -> Tensor {
        Tensor::from_record(&self.tensors[usize::from(id)]).expect("checked when the graph was opened")
    }

    /// The embedding.
    pub fn output(&self) -> TensorId {
        self.output
    }

    /// The weights section.
    pub fn weights(&self) -> &'a [u8] {
        self.weights
    }

    /// The nodes in order, each with the tensor it produces.
    pub fn nodes(&self) -> impl Iterator<Item = (TensorId, Node<'a>)> + use<'a> {
        let mut rest = self.nodes;
        (1..self.tensors.len() as TensorId).map_while(move |id| {
            let (node, tail) = postcard::take_from_bytes(rest).ok()?;
            rest = tail;
            Some((id, node))
        })
    }

    /// Whether every node runs in the int8 engine.
    pub fn is_int8(&self) -> bool {
        self.nodes().all(|(_, node)| matches!(node.op, Op::Int8(_)))
    }

    /// Multiply-adds of one run: convolutions and products of matrices, as the field counts.
    pub fn macs(&self) -> u64 {
        self.nodes().map(|(id, node)| self.node_macs(id, &node)).sum()
    }

    /// Multiply-adds of one node.
    pub fn node_macs(&self, id: TensorId, node: &Node<'_>) -> u64 {
        let (window, groups) = match node.op {
            Op::Float(FloatOp::MatMul { .. }) => (Window::POINT, 1),
            Op::Int8(Int8Op::Conv { window, groups, .. }) => (window, groups),
            Op::Float(FloatOp::Conv { window, groups, .. }) => (window, groups),
            _ => return 0,
        };
        let input = node.inputs.iter().next().map_or(0, |i| self.tensor(i).shape.c());
        let per_value = window.taps() * input / usize::from(groups.max(1));
        per_value as u64 * self.tensor(id).shape.elements() as u64
    }
}
