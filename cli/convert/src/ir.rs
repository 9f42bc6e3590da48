//! The converter's own network: float, one picture, maps in rows, columns, channels.
//!
//! Every stage from import to emission works on this; nothing after `import` knows tract's
//! or ONNX's vocabulary.

pub mod cut_points;
pub mod expr;
pub mod fold;
pub mod pooling;

pub use expr::Expr;
use offshoot_core::Shape;
use offshoot_core::graph::{Binary, Permutation, Slice, Unary, Window};

/// Index of a layer; also the name of the tensor it produces.
pub type LayerId = usize;

/// A network as a list of layers, each reading earlier ones. Layer 0 is the input.
#[derive(Debug, Clone)]
pub struct Model {
    /// The layers in an order that can be run.
    pub layers: Vec<Layer>,
    /// The embedding.
    pub output: LayerId,
}

/// One operation.
#[derive(Debug, Clone)]
pub struct Layer {
    /// The node's name in the source model.
    pub name: String,
    /// What it does.
    pub op: LayerOp,
    /// What it reads.
    pub inputs: Vec<LayerId>,
    /// What it produces.
    pub shape: Shape,
    /// Limits of the result: an activation fused into the operation.
    pub clamp: Option<(f32, f32)>,
    /// Channels that hold the same values.
    pub splits: Vec<ChannelSplit>,
}

/// Two channels with the same values, which are rounded half a step apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelSplit {
    /// The one that is lowered by a quarter of a step before it is rounded.
    pub below: usize,
    /// The one that is raised.
    pub above: usize,
}

/// What a layer does.
#[derive(Debug, Clone)]
pub enum LayerOp {
    /// The preprocessed picture.
    Input,
    /// The rows of a text's tokens (`offshoot_core::tokens`), which are never quantized.
    Tokens,
    /// Convolution.
    Conv(Conv),
    /// `x * factors[c] + offsets[c]`: what batch norm is once it is trained.
    Scale {
        /// One per channel.
        factors: Vec<f32>,
        /// One per channel.
        offsets: Vec<f32>,
    },
    /// A function of one value.
    Function(Expr),
    /// A function of two layers; the second may be of length 1 along some axes.
    Binary(Binary),
    /// A function of a layer and a constant.
    Constant {
        /// The function; the constant is its second operand.
        op: Binary,
        /// One per channel, or one per value.
        values: Vec<f32>,
    },
    /// Mean over the channels of each pixel.
    ChannelMean,
    /// A product of matrices, row by row of two maps.
    MatMul {
        /// Whether the second operand's columns are its rows.
        transposed: bool,
    },
    /// Mean over a window.
    AveragePool {
        /// The window.
        window: Window,
        /// Whether padding counts in the divisor.
        include_pad: bool,
    },
    /// Largest value of a window.
    MaxPool {
        /// The window.
        window: Window,
    },
    /// Joins channels.
    Concat,
    /// A border of zeros: above, left, below, right.
    Pad {
        /// The border.
        pad: [u8; 4],
    },
    /// Softmax over the channels.
    Softmax,
    /// H, W, C becomes the vector C, H, W.
    Flatten,
    /// The same values in the same order under another shape.
    Reshape,
    /// Values in another order.
    Permute(Permutation),
    /// A part of one axis.
    Slice(Slice),
    /// Every pixel repeated.
    Upsample {
        /// Times down and across.
        factor: [u8; 2],
    },
}

impl LayerOp {
    /// Limits as a layer of their own.
    pub fn clamp(lo: f32, hi: f32) -> Self {
        Self::Function(Expr::clamp(lo, hi))
    }

    /// The limits, if that is all it does.
    pub fn as_clamp(&self) -> Option<(f32, f32)> {
        match self {
            Self::Function(Expr::Unary(Unary::Clamp { lo, hi }, x)) if **x == Expr::Input => Some((*lo, *hi)),
            _ => None,
        }
    }

    /// The channels that it gives, if picking them is all it does.
    pub fn picks(&self) -> Option<Vec<usize>> {
        match self {
            Self::Conv(conv) => conv.picks(),
            _ => None,
        }
    }

    /// Bytes of its constants, in codes or in floats.
    pub fn weight_bytes(&self, in_codes: bool) -> usize {
        match self {
            // A code a weight; bias and multiplier a channel.
            Self::Conv(conv) if in_codes => conv.weights.len() + 8 * conv.bias.len(),
            Self::Conv(conv) => 4 * (conv.weights.len() + conv.bias.len()),
            Self::Constant { values, .. } => 4 * values.len(),
            _ => 0,
        }
    }

    /// Whether this only moves values, or picks some: its codes are its input's.
    pub fn keeps_values(&self) -> bool {
        matches!(
            self,
            Self::MaxPool { .. }
                | Self::Pad { .. }
                | Self::Flatten
                | Self::Reshape
                | Self::Permute(_)
                | Self::Slice(_)
                | Self::Upsample { .. }
        )
    }
}

/// A convolution's constants.
#[derive(Debug, Clone)]
pub struct Conv {
    /// The window.
    pub window: Window,
    /// Groups of channels that do not see each other.
    pub groups: usize,
    /// O, H, W, I / groups.
    pub weights: Vec<f32>,
    /// One per output channel.
    pub bias: Vec<f32>,
}

impl Conv {
    /// One that gives some of `channels` channels, in this order.
    pub fn picking(places: &[usize], channels: usize) -> Self {
        let mut weights = vec![0.0; places.len() * channels];
        for (row, &place) in weights.chunks_exact_mut(channels).zip(places) {
            row[place] = 1.0;
        }
        Self { window: Window::POINT, groups: 1, weights, bias: vec![0.0; places.len()] }
    }

    /// The channels that it gives, if that is all it does.
    pub fn picks(&self) -> Option<Vec<usize>> {
        let channels = self.weights.len() / self.bias.len().max(1);
        let plain = self.window == Window::POINT && self.groups == 1 && self.bias.iter().all(|&b| b == 0.0);
        let one = |row: &[f32]| {
            let place = row.iter().position(|&w| w == 1.0)?;
            (row.iter().filter(|&&w| w != 0.0).count() == 1).then_some(place)
        };
        if plain && channels > 0 { self.weights.chunks_exact(channels).map(one).collect() } else { None }
    }
}

impl Model {
    /// Appends a layer.
    pub fn push(
        &mut self,
        name: impl Into<String>,
        op: LayerOp,
        inputs: Vec<LayerId>,
        shape: Shape,
    ) -> LayerId {
        self.layers.push(Layer { name: name.into(), op, inputs, shape, clamp: None, splits: Vec::new() });
        self.layers.len() - 1
    }

    /// How many layers read each layer; the output counts as read once.
    pub fn readers(&self) -> Vec<usize> {
        let mut readers = vec![0; self.layers.len()];
        for layer in &self.layers {
            for &input in &layer.inputs {
                readers[input] += 1;
            }
        }
        readers[self.output] += 1;
        readers
    }

    /// Lets everyone who reads `old` read `new`.
    pub fn redirect(&mut self, old: LayerId, new: LayerId) {
        for layer in &mut self.layers {
            layer.inputs.iter_mut().filter(|i| **i == old).for_each(|i| *i = new);
        }
        if self.output == old {
            self.output = new;
        }
    }

    /// Drops layers that the output does not need.
    pub fn compact(&mut self) {
        let mut needed = vec![false; self.layers.len()];
        needed[0] = true;
        needed[self.output] = true;
        for id in (0..self.layers.len()).rev().filter(|&id| id <= self.output) {
            if needed[id] {
                self.layers[id].inputs.iter().for_each(|&i| needed[i] = true);
            }
        }
        let mut place = vec![0; self.layers.len()];
        let mut kept = Vec::new();
        for (id, layer) in std::mem::take(&mut self.layers).into_iter().enumerate() {
            if needed[id] {
                place[id] = kept.len();
                kept.push(layer);
            }
        }
        for layer in &mut kept {
            layer.inputs.iter_mut().for_each(|i| *i = place[*i]);
        }
        self.output = place[self.output];
        self.layers = kept;
    }
}
