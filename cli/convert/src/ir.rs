//! Intermediate representation: the converter's own network, in float, for one image, with feature
//! maps in rows, columns, channels.
//!
//! Every stage from import to emission works on it; no stage after `import` uses types of tract or
//! ONNX.

pub mod cut_points;
pub mod expr;
pub mod fold;
pub mod geometry;
mod grids;
pub mod pooling;

pub use expr::Expr;
use offshoot_core::graph::{Binary, Permutation, Slice, Unary, Window};
use offshoot_core::{Quant, Shape};

/// Index of a layer and of the tensor that it produces.
pub type LayerId = usize;

/// Network as a list of layers, each reading earlier ones. Layer 0 is the input.
#[derive(Debug, Clone)]
pub struct Model {
    /// Layers in executable order.
    pub layers: Vec<Layer>,
    /// Layer of the embedding.
    pub output: LayerId,
}

/// Layer: one operation.
#[derive(Debug, Clone)]
pub struct Layer {
    /// Name of the node in the source model.
    pub name: String,
    /// Operation.
    pub op: LayerOp,
    /// Layers that it reads.
    pub inputs: Vec<LayerId>,
    /// Shape of its result.
    pub shape: Shape,
    /// Limits of the result: an activation fused into the operation.
    pub clamp: Option<(f32, f32)>,
    /// Pairs of duplicated channels.
    pub splits: Vec<ChannelSplit>,
    /// Integers of a file that is quantized already.
    pub stated: Stated,
}

/// Integers that a quantized file states of a layer.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Stated {
    /// Quantization of the result.
    pub grid: Option<Quant>,
    /// Steps of a convolution's weights: one, or one for each output channel.
    pub steps: Vec<f32>,
    /// Reason that the file's integers cannot be taken as they are.
    pub refused: Option<String>,
}

/// Pair of duplicated channels, which are rounded half a step apart.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ChannelSplit {
    /// Channel that is lowered by a quarter of a step before rounding.
    pub below: usize,
    /// Channel that is raised by a quarter of a step before rounding.
    pub above: usize,
}

/// Operation of a layer.
#[derive(Debug, Clone)]
pub enum LayerOp {
    /// Preprocessed image.
    Input,
    /// Rows of a text's tokens (`offshoot_core::tokens`), which are never quantized.
    Tokens,
    /// Convolution.
    Conv(Conv),
    /// Batch normalization after training: `x * factors[c] + offsets[c]`.
    Scale {
        /// Factor per channel.
        factors: Vec<f32>,
        /// Offset per channel.
        offsets: Vec<f32>,
    },
    /// Function of one value.
    Function(Expr),
    /// Function of two layers; the second may have length 1 along some axes.
    Binary(Binary),
    /// Function of a layer and a constant.
    Constant {
        /// Function; the constant is its second operand.
        op: Binary,
        /// Values per channel, or per element.
        values: Vec<f32>,
    },
    /// Mean over the channels of each pixel.
    ChannelMean,
    /// Matrix product, for each row of two feature maps.
    MatMul {
        /// True if the columns of the second operand are stored as its rows.
        transposed: bool,
    },
    /// Mean over a window.
    AveragePool {
        /// Window.
        window: Window,
        /// True if padding counts in the divisor.
        include_pad: bool,
    },
    /// Maximum over a window.
    MaxPool {
        /// Window.
        window: Window,
    },
    /// Concatenation of channels.
    Concat,
    /// Zero padding: above, left, below, right.
    Pad {
        /// Number of rows or columns on each side.
        pad: [u8; 4],
    },
    /// Softmax over the channels.
    Softmax,
    /// Reordering of H, W, C to the vector C, H, W.
    Flatten,
    /// Same values in the same order with another shape.
    Reshape,
    /// Permutation of the values.
    Permute(Permutation),
    /// Part of one axis.
    Slice(Slice),
    /// Repetition of every pixel.
    Upsample {
        /// Factors of height and width.
        factor: [u8; 2],
    },
}

impl LayerOp {
    /// Returns limits as an operation of their own.
    pub fn clamp(lo: f32, hi: f32) -> Self {
        Self::Function(Expr::clamp(lo, hi))
    }

    /// Returns the limits, if the operation does nothing else.
    pub fn as_clamp(&self) -> Option<(f32, f32)> {
        match self {
            Self::Function(Expr::Unary(Unary::Clamp { lo, hi }, x)) if **x == Expr::Input => {
                Some((*lo, *hi))
            }
            _ => None,
        }
    }

    /// Returns the channels selected, if the operation does nothing else.
    pub fn picks(&self) -> Option<Vec<usize>> {
        match self {
            Self::Conv(conv) => conv.picks(),
            _ => None,
        }
    }

    /// Returns the bytes of its constants, in int8 or float.
    pub fn weight_bytes(&self, in_codes: bool) -> usize {
        match self {
            // One byte per weight; bias and multiplier per channel.
            Self::Conv(conv) if in_codes => conv.weights.len() + 8 * conv.bias.len(),
            Self::Conv(conv) => 4 * (conv.weights.len() + conv.bias.len()),
            Self::Constant { values, .. } => 4 * values.len(),
            _ => 0,
        }
    }

    /// True if the operation only moves or selects values, so that its quantization is its input's.
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

/// Constants of a convolution.
#[derive(Debug, Clone)]
pub struct Conv {
    /// Window.
    pub window: Window,
    /// Number of groups of channels.
    pub groups: usize,
    /// Weights in the order O, H, W, I / groups.
    pub weights: Vec<f32>,
    /// Bias per output channel.
    pub bias: Vec<f32>,
}

impl Conv {
    /// Returns a convolution that selects some of `channels` channels, in this order.
    pub fn picking(places: &[usize], channels: usize) -> Self {
        let mut weights = vec![0.0; places.len() * channels];
        for (row, &place) in weights.chunks_exact_mut(channels).zip(places) {
            row[place] = 1.0;
        }
        Self { window: Window::POINT, groups: 1, weights, bias: vec![0.0; places.len()] }
    }

    /// Returns the channels selected, if the convolution does nothing else.
    pub fn picks(&self) -> Option<Vec<usize>> {
        let channels = self.weights.len() / self.bias.len().max(1);
        let plain =
            self.window == Window::POINT && self.groups == 1 && self.bias.iter().all(|&b| b == 0.0);
        if !plain || channels == 0 {
            return None;
        }
        let rows = self.weights.chunks_exact(channels);
        let picked = rows.map(|row| {
            let place = row.iter().position(|&w| w == 1.0)?;
            (row.iter().filter(|&&w| w != 0.0).count() == 1).then_some(place)
        });
        picked.collect()
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
        self.layers.push(Layer {
            name: name.into(),
            op,
            inputs,
            shape,
            clamp: None,
            splits: Vec::new(),
            stated: Stated::default(),
        });
        self.layers.len() - 1
    }

    /// Forgets the integers of a quantized file, so that all are chosen anew; false if there are
    /// none.
    pub fn forget_stated(&mut self) -> bool {
        let own = self.layers.iter_mut().map(|layer| std::mem::take(&mut layer.stated));
        own.filter(|own| *own != Stated::default()).count() > 0
    }

    /// Returns the number of readers of each layer; the output counts as one more.
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

    /// Replaces `old` by `new` in all layers that read it.
    pub fn redirect(&mut self, old: LayerId, new: LayerId) {
        for layer in &mut self.layers {
            layer.inputs.iter_mut().filter(|i| **i == old).for_each(|i| *i = new);
        }
        if self.output == old {
            self.output = new;
        }
    }

    /// Removes layers that the output does not need.
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
