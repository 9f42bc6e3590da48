//! Network as a list of operations, read in place from the package's bytes.
//!
//! Tensor 0 is the input; node `k` produces tensor `k + 1` and may only read tensors before it, so
//! a list in file order is always a valid schedule. Fully connected layers are convolutions whose
//! window covers the whole feature map.

use serde::{Deserialize, Serialize};

use crate::quant::{Quant, Scale};
use crate::shape::Shape;

mod check;
mod names;
mod ops;

pub use check::GraphError;
pub use ops::{
    Affine, Binary, Blob, Clamp, FloatOp, Int8Op, Op, Permutation, Slice, Unary, Window,
};

/// Index of a tensor.
pub type TensorId = u16;

/// Type of a tensor's values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Element {
    /// Quantized 8-bit values.
    Int8(Quant),
    /// 32-bit floats.
    Float,
}

impl Element {
    /// Returns the quantization of 8-bit values; `None` for floats.
    #[must_use]
    pub fn quant(self) -> Option<Quant> {
        match self {
            Self::Int8(quant) => Some(quant),
            Self::Float => None,
        }
    }
}

/// Shape and element type of one tensor.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Tensor {
    /// Height, width, channels.
    pub shape: Shape,
    /// Element type: int8 or float.
    pub element: Element,
}

impl Tensor {
    /// Number of bytes of a record in the file: three dimensions, scale, zero point, element type.
    pub const RECORD: usize = 20;

    /// Returns the record as it is stored in the file.
    #[must_use]
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

    /// Parses a record; `None` if it is malformed.
    #[must_use]
    pub fn from_record(record: &[u8; Self::RECORD]) -> Option<Self> {
        let word =
            |i: usize| u32::from_le_bytes([record[i], record[i + 1], record[i + 2], record[i + 3]]);
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

/// Ids of the tensors that a node reads, as they are stored in the file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Inputs<'a>(#[serde(borrow)] &'a [u8]);

impl<'a> Inputs<'a> {
    /// Wraps little-endian 16-bit tensor ids.
    #[must_use]
    pub fn from_bytes(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// Returns the number of inputs.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.len() / 2
    }

    /// Returns true if there are no inputs.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns the ids in order.
    #[must_use]
    pub fn iter(&self) -> impl ExactSizeIterator<Item = TensorId> + Clone + use<'a> {
        self.0.chunks_exact(2).map(|b| TensorId::from_le_bytes([b[0], b[1]]))
    }
}

/// Operation with its inputs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Node<'a> {
    /// Name of the layer in the source model.
    #[serde(borrow)]
    pub name: &'a str,
    /// Tensors that the node reads.
    pub inputs: Inputs<'a>,
    /// Operation of the node.
    pub op: Op,
}

/// Checked graph: shapes agree, every node reads earlier tensors only, every weight lies in the
/// weights section, and no accumulator can overflow.
#[derive(Debug, Clone, Copy)]
pub struct Graph<'a> {
    tensors: &'a [[u8; Tensor::RECORD]],
    nodes: &'a [u8],
    weights: &'a [u8],
    output: TensorId,
}

impl<'a> Graph<'a> {
    /// Id of the tensor that a frame is written to.
    pub const INPUT: TensorId = 0;

    /// Returns the number of tensors: one more than nodes.
    #[must_use]
    pub fn tensor_count(&self) -> usize {
        self.tensors.len()
    }

    /// Returns the number of nodes.
    #[must_use]
    pub fn node_count(&self) -> usize {
        self.tensors.len() - 1
    }

    /// Returns shape and element type of a tensor.
    ///
    /// # Panics
    ///
    /// If there is no such tensor.
    #[must_use]
    pub fn tensor(&self, id: TensorId) -> Tensor {
        Tensor::from_record(&self.tensors[usize::from(id)])
            .expect("checked when the graph was opened")
    }

    /// Returns the id of the embedding's tensor.
    #[must_use]
    pub fn output(&self) -> TensorId {
        self.output
    }

    /// Returns the weights section.
    #[must_use]
    pub fn weights(&self) -> &'a [u8] {
        self.weights
    }

    /// Returns the nodes in order, each with the id of the tensor it produces.
    pub fn nodes(&self) -> impl Iterator<Item = (TensorId, Node<'a>)> + use<'a> {
        let mut rest = self.nodes;
        (1..self.tensors.len() as TensorId).map_while(move |id| {
            let (node, tail) = postcard::take_from_bytes(rest).ok()?;
            rest = tail;
            Some((id, node))
        })
    }

    /// Returns true if every node is one on int8 values.
    #[must_use]
    pub fn is_int8(&self) -> bool {
        self.nodes().all(|(_, node)| matches!(node.op, Op::Int8(_)))
    }

    /// Returns true if the engine runs every node, some of them on floats.
    #[must_use]
    pub fn is_ordered(&self) -> bool {
        let mut ordered = 0;
        let all = self.nodes().all(|(_, node)| {
            ordered += usize::from(matches!(node.op, Op::Ordered(_)));
            !matches!(node.op, Op::Float(_))
        });
        all && ordered > 0
    }

    /// Returns the multiply-accumulate operations (MACs) of one run: convolutions and matrix
    /// products.
    #[must_use]
    pub fn macs(&self) -> u64 {
        self.nodes().map(|(id, node)| self.node_macs(id, &node)).sum()
    }

    /// Returns the multiply-accumulate operations (MACs) of one node.
    #[must_use]
    pub fn node_macs(&self, id: TensorId, node: &Node<'_>) -> u64 {
        let (window, groups) = match node.op {
            Op::Float(op) | Op::Ordered(op) => match op {
                FloatOp::MatMul { .. } | FloatOp::Linear { .. } => (Window::POINT, 1),
                FloatOp::Conv { window, groups, .. } => (window, groups),
                _ => return 0,
            },
            Op::Int8(Int8Op::Conv { window, groups, .. }) => (window, groups),
            _ => return 0,
        };
        let input = node.inputs.iter().next().map_or(0, |i| self.tensor(i).shape.c());
        let per_value = window.taps() * input / usize::from(groups.max(1));
        per_value as u64 * self.tensor(id).shape.elements() as u64
    }
}
