//! Class activation maps: the parts of a frame that a decision comes from.

use offshoot_core::Embedding;
use offshoot_core::graph::{Affine, Blob, Clamp, Graph, Int8Op, Op, TensorId};
use offshoot_core::head::{ClassId, HeadError};

use crate::{Error, ErrorKind, Extractor, Head};

/// Class activation map (CAM, Zhou et al. 2016): contribution of each part of a frame to a class.
#[derive(Debug, Clone, PartialEq)]
pub struct Activations {
    /// Number of columns of the map.
    pub width: usize,
    /// Number of rows of the map.
    pub height: usize,
    /// Contribution of each part to the log odds of the class against the mean of the others, row
    /// by row. Their sum is the log odds without the bias.
    pub values: Vec<f32>,
}

impl Extractor {
    /// Returns the class activation map of the last frame for `class`: the parts of the frame that
    /// the decision comes from. `None` if the embedding is not the mean of an int8 feature map, or
    /// linear in one. Of an embedding of several parts ([`Extractor::parts`]) it shows the last
    /// one, whatever the others contribute.
    ///
    /// Reads the feature map that the last extraction left in memory; runs nothing.
    ///
    /// # Errors
    /// [`ErrorKind::Ask`] for a head that is not fitted or is k-NN, and for a class without
    /// samples; [`HeadError::OtherPackage`] for a head of another package.
    pub fn activations(&self, head: &Head, class: ClassId) -> Result<Option<Activations>, Error> {
        if head.package_id() != self.id() {
            return Err(ErrorKind::from(HeadError::OtherPackage).into());
        }
        let linear = head.linear()?;
        let read = self.embedding_dim() - linear.first;
        let square: f32 = self.result().last(read).iter().map(|x| x * x).sum();
        let mut row = vec![0.0; read];
        linear.against_others(class, &mut row)?;
        row.drain(..read - self.parts().last());
        // Once: each call checks the package again.
        let package = self.package();
        let graph = package.graph();
        if let (true, Embedding::Int8 { quant, .. }) =
            (package.manifest().extras.unit_length, self.result())
        {
            // Ratio of the embedding's L2 norm to that of the map's mean.
            let stated = graph.tensor(graph.output()).element.quant();
            let share = stated.map_or(1.0, |stated| quant.scale.get() / stated.scale.get());
            row.iter_mut().for_each(|weight| *weight *= share);
        }
        let (Some((codes, map)), Some(row)) = (self.pooled(), before_pool(graph, row)) else {
            return Ok(None);
        };
        let height = map.shape.h();
        let width = map.shape.w();
        let mut values = vec![0.0; height * width];
        linear.activations(&row, (codes, map.quant), square.sqrt(), &mut values)?;
        Ok(Some(Activations { width, height, values }))
    }
}

/// Turns weights of the embedding's dimensions into weights of the pooled map's channels: backwards
/// through the layers after the pool, if all are linear.
fn before_pool(graph: &Graph<'_>, mut row: Vec<f32>) -> Option<Vec<f32>> {
    let nodes: Vec<_> = graph.nodes().collect();
    let mut at = graph.output();
    loop {
        let (id, node) = &nodes[usize::from(at.checked_sub(1)?)];
        let source = node.inputs.iter().next()?;
        match node.op {
            Op::Int8(Int8Op::AveragePool { .. }) => return Some(row),
            Op::Int8(Int8Op::Flatten | Int8Op::Reshape) => {}
            Op::Int8(Int8Op::Concat { affines }) => {
                let last = node.inputs.iter().last()?;
                before_join(graph, last, *id, affines, &mut row)?;
                at = last;
                continue;
            }
            Op::Int8(op) => row = before_conv(graph, source, *id, op, &row)?,
            Op::Float(_) | Op::Ordered(_) => return None,
        }
        at = source;
    }
}

/// Does the same for the last operand of a concatenation, whose weights these are.
fn before_join(
    graph: &Graph<'_>,
    from: TensorId,
    to: TensorId,
    affines: Blob,
    row: &mut [f32],
) -> Option<()> {
    let input = graph.tensor(from);
    let steps = graph.tensor(to).element.quant()?.scale.get() / input.element.quant()?.scale.get();
    let affine =
        Affine::from_record(affines.of(graph.weights()).rchunks_exact(Affine::RECORD).next()?)?;
    let factor = f32::from(affine.factor) / (1u32 << affine.shift) as f32 * steps;
    row.iter_mut().for_each(|weight| *weight *= factor);
    (row.len() == input.shape.elements()).then_some(())
}

/// Does the same for one fully connected layer.
fn before_conv(
    graph: &Graph<'_>,
    from: TensorId,
    to: TensorId,
    op: Int8Op,
    row: &[f32],
) -> Option<Vec<f32>> {
    let Int8Op::Conv { window, groups: 1, weights, mantissas, shift, clamp: Clamp::NONE, .. } = op
    else {
        return None;
    };
    let input = graph.tensor(from);
    let output = graph.tensor(to);
    if window.taps() != 1 || !input.shape.is_vector() {
        return None;
    }
    // Mantissas are for int8 values; the ratio of the scales makes them factors of real values.
    let steps = f64::from(output.element.quant()?.scale.get())
        / f64::from(input.element.quant()?.scale.get());
    let mut before = vec![0.0; input.shape.c()];
    let rows = weights.codes(graph.weights()).chunks_exact(input.shape.c());
    for ((codes, mantissa), weight) in rows.zip(mantissas.words(graph.weights())).zip(row) {
        let factor = f64::from(mantissa) * f64::from(1u32 << shift) / f64::from(1u32 << 31) * steps;
        let factor = weight * factor as f32;
        before.iter_mut().zip(codes).for_each(|(out, &code)| *out += factor * f32::from(code));
    }
    Some(before)
}
