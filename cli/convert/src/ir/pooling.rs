//! Pooling: from the tensors at the cut to one embedding; feature maps are pooled, several vectors
//! are joined.

use offshoot_core::Shape;
use offshoot_core::graph::Window;
use offshoot_core::tokens::Pooling;

use super::{Expr, LayerId, LayerOp, Model};

/// Pooling of the pixels of a feature map.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pool {
    /// Mean per channel.
    #[default]
    Avg,
    /// Maximum per channel.
    Max,
    /// Generalized mean per channel with exponent 3 (Radenovic et al. 2018).
    Gem,
    /// No pooling: all values are kept.
    None,
    /// No pooling: the maps are joined in bands of rows, as cells of a package.
    Cells,
    /// First token of a text, BERT's `[CLS]`.
    First,
    /// Last token of a text.
    Last,
}

impl Pool {
    /// Returns the name for `--pool`.
    pub fn name(self) -> &'static str {
        match self {
            Self::Avg => "avg",
            Self::Max => "max",
            Self::Gem => "gem",
            Self::None => "none",
            Self::Cells => "cells",
            Self::First => "first",
            Self::Last => "last",
        }
    }

    /// True if all values of a map are kept.
    pub fn keeps_all(self) -> bool {
        matches!(self, Self::None | Self::Cells)
    }

    /// Returns the pooling of a text's tokens, if there is one.
    pub fn of_tokens(self) -> Option<Pooling> {
        match self {
            Self::Avg => Some(Pooling::Mean),
            Self::First => Some(Pooling::First),
            Self::Last => Some(Pooling::Last),
            Self::Max | Self::Gem | Self::None | Self::Cells => None,
        }
    }
}

/// Tensor at the cut.
#[derive(Debug, Clone)]
pub struct Output {
    /// Shape of its feature map in our network.
    pub shape: Shape,
    /// Index in the feature map of each value of the source's tensor.
    pub places: Vec<usize>,
}

impl Output {
    /// Returns the number of values it adds to an embedding.
    pub fn values(&self, pool: Pool) -> usize {
        if pool.keeps_all() { self.shape.elements() } else { self.shape.c() }
    }
}

/// Lower bound that keeps a generalized mean away from zero.
const LEAST: f32 = 1e-6;

/// Appends the pools and the concatenation, and makes the last layer the model's output. Returns
/// true if anything was pooled, `None` if the embedding is too large.
///
/// Each map is pooled right after it is made, so that it need not be kept for the concatenation.
pub fn append(model: &mut Model, outputs: &[(LayerId, Output)], pool: Pool) -> Option<bool> {
    let made = model.layers.len();
    if pool == Pool::Cells {
        let maps: Vec<LayerId> = outputs.iter().map(|(layer, _)| *layer).collect();
        join_bands(model, maps, made)?;
        return Some(false);
    }
    let mut pooled = false;
    let mut vectors = Vec::new();
    for (layer, output) in outputs {
        let shape = output.shape;
        let window =
            Window::covering(shape).filter(|_| pool != Pool::None && shape.h() * shape.w() > 1);
        pooled |= window.is_some();
        vectors.push(match window {
            Some(window) => append_pool(model, *layer, window, pool)?,
            None => *layer,
        });
    }
    join(model, vectors, made)?;
    Some(pooled)
}

/// Makes the concatenation of several vectors the model's output, or the only one; `None` if it is
/// too large. `made` is the number of layers before pooling.
pub fn join(model: &mut Model, mut vectors: Vec<LayerId>, made: usize) -> Option<()> {
    model.output = match vectors[..] {
        [single] => single,
        _ => {
            let mut channels = 0;
            for vector in &mut vectors {
                let n = model.layers[*vector].shape.elements() as u32;
                *vector =
                    model.push("offshoot.flat", LayerOp::Reshape, vec![*vector], Shape::vector(n)?);
                channels += n;
            }
            model.push("offshoot.join", LayerOp::Concat, vectors, Shape::vector(channels)?)
        }
    };
    hoist(model, made);
    model.compact();
    Some(())
}

/// Name of the layer that joins the maps of cells.
pub const CELLS: &str = "offshoot.cells";

/// Makes bands of the maps' rows, one behind the other, the model's output (format.md 1.9.4); `None`
/// if a band is too large.
fn join_bands(model: &mut Model, mut maps: Vec<LayerId>, made: usize) -> Option<()> {
    model.output = match maps[..] {
        [single] => single,
        _ => {
            let count = bands(maps.iter().map(|&map| model.layers[map].shape));
            let bands = u32::try_from(count).ok()?;
            let mut values = 0;
            for map in &mut maps {
                let band = (model.layers[*map].shape.elements() / count) as u32;
                let shape = Shape::new(bands, 1, band)?;
                *map = model.push("offshoot.bands", LayerOp::Reshape, vec![*map], shape);
                values += band;
            }
            model.push(CELLS, LayerOp::Concat, maps, Shape::new(bands, 1, values)?)
        }
    };
    hoist(model, made);
    model.compact();
    Some(())
}

/// Returns the number of bands of several maps: the greatest common divisor of their heights.
fn bands(maps: impl Iterator<Item = Shape>) -> usize {
    let mut all = 0;
    for map in maps {
        let mut other = map.h();
        while other > 0 {
            (all, other) = (other, all % other);
        }
    }
    all.max(1)
}

/// Moves the layers from `first` on, except the concatenation, right behind what they read.
fn hoist(model: &mut Model, first: LayerId) {
    let mut keys: Vec<LayerId> = (0..model.layers.len()).collect();
    for id in first..keys.len() {
        if !matches!(model.layers[id].op, LayerOp::Concat) {
            keys[id] = model.layers[id].inputs.iter().map(|&input| keys[input]).max().unwrap_or(id);
        }
    }
    let mut order: Vec<LayerId> = (0..keys.len()).collect();
    order.sort_by_key(|&id| keys[id]);
    let mut place = vec![0; order.len()];
    order.iter().enumerate().for_each(|(new, &old)| place[old] = new);
    let mut layers: Vec<_> = std::mem::take(&mut model.layers).into_iter().map(Some).collect();
    model.layers = order.iter().filter_map(|&old| layers[old].take()).collect();
    for layer in &mut model.layers {
        layer.inputs.iter_mut().for_each(|input| *input = place[*input]);
    }
    model.output = place[model.output];
}

fn append_pool(model: &mut Model, layer: LayerId, window: Window, pool: Pool) -> Option<LayerId> {
    let map = model.layers[layer].shape;
    let vector = Shape::vector(map.c() as u32)?;
    let mean = LayerOp::AveragePool { window, include_pad: false };
    Some(match pool {
        Pool::Max => model.push("offshoot.pool", LayerOp::MaxPool { window }, vec![layer], vector),
        Pool::Gem => {
            let cube = LayerOp::Function(Expr::raised(3.0).of(&Expr::clamp(LEAST, f32::INFINITY)));
            let cube = model.push("offshoot.cube", cube, vec![layer], map);
            let mean = model.push("offshoot.mean", mean, vec![cube], vector);
            let root = Expr::power(1.0 / 3.0).of(&Expr::clamp(LEAST.powi(3), f32::INFINITY));
            model.push("offshoot.pool", LayerOp::Function(root), vec![mean], vector)
        }
        _ => model.push("offshoot.pool", mean, vec![layer], vector),
    })
}

/// Returns the embedding for the source model's own values, each tensor in its own order.
pub fn of_source(values: &[Vec<f32>], outputs: &[Output], pool: Pool) -> Vec<f32> {
    let mut embedding = Vec::new();
    if pool == Pool::Cells {
        let count = bands(outputs.iter().map(|output| output.shape));
        let maps: Vec<Vec<f32>> = values.iter().zip(outputs).map(|(v, o)| placed(v, o)).collect();
        for band in 0..count {
            for map in &maps {
                let length = map.len() / count;
                embedding.extend(&map[band * length..][..length]);
            }
        }
        return embedding;
    }
    for (values, output) in values.iter().zip(outputs) {
        let map = placed(values, output);
        let pixels = output.shape.h() * output.shape.w();
        if pool == Pool::None || pixels == 1 || Window::covering(output.shape).is_none() {
            embedding.extend(map);
            continue;
        }
        let channels = output.shape.c();
        embedding.extend((0..channels).map(|c| {
            let column = map.iter().skip(c).step_by(channels).copied();
            match pool {
                Pool::Max => column.fold(f32::NEG_INFINITY, f32::max),
                Pool::Gem => {
                    let sum: f32 = column.map(|v| v.max(LEAST).powi(3)).sum();
                    (sum / pixels as f32).max(LEAST.powi(3)).cbrt()
                }
                _ => column.sum::<f32>() / pixels as f32,
            }
        }));
    }
    embedding
}

/// Returns the values of a source's tensor in the order of our feature map.
fn placed(values: &[f32], output: &Output) -> Vec<f32> {
    let mut map = vec![0.0; values.len()];
    for (&value, &place) in values.iter().zip(&output.places) {
        if let Some(slot) = map.get_mut(place) {
            *slot = value;
        }
    }
    map
}
