//! Weights that are stored in few bits, as the floats that they stand for.

use tract_onnx::pb::tensor_proto::DataType;

use super::Lowered;
use super::pieces::Pieces;
use super::quantized::product_and_bias;
use super::stored_numbers::Numbers;
use crate::import::check::Refused;

/// Largest number of weights of a tensor: the limit of a package's feature map.
const WEIGHTS: usize = offshoot_core::limits::ELEMENTS;

/// Scale and zero point of stored numbers: one, one for each place of an axis, or one for each
/// block along it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Grid<'t> {
    pub scale: Numbers<'t>,
    pub zero: Option<Numbers<'t>>,
    pub axis: usize,
    /// Numbers in a block; 0 without blocks.
    pub block: usize,
}

impl Grid<'_> {
    /// Returns the floats of stored numbers; `None` if the scales do not fit them.
    pub fn floats(&self, numbers: Numbers<'_>) -> Option<Vec<f32>> {
        let dims = numbers.dims();
        let single = self.scale.len() == 1 && self.block == 0;
        let length = if single { 1 } else { *dims.get(self.axis)? };
        let inner: usize = if single { 1 } else { dims[self.axis + 1..].iter().product() };
        let blocks = if self.block == 0 { length } else { length.div_ceil(self.block) };
        let scales = match (single, self.block) {
            (true, _) => 1,
            (false, 0) => length,
            _ => numbers.len() / (length * inner).max(1) * blocks * inner,
        };
        let zeros = self.zero.map_or(scales, |zero| zero.len());
        if self.scale.len() != scales || (zeros != scales && zeros != 1) {
            return None;
        }
        let place = |at: usize| match (single, self.block) {
            (true, _) => 0,
            (false, 0) => at / inner % length,
            (false, block) => {
                let outer = at / (inner * length);
                (outer * blocks + at / inner % length / block) * inner + at % inner
            }
        };
        let floats = (0..numbers.len()).map(|at| {
            let own = place(at);
            let zero = self.zero.map_or(0.0, |zero| zero.at(if zeros == 1 { 0 } else { own }));
            (numbers.at(at) - zero) as f32 * self.scale.at(own) as f32
        });
        let floats: Vec<f32> = floats.collect();
        floats.iter().all(|v| v.is_finite()).then_some(floats)
    }
}

impl Pieces<'_, '_> {
    /// Returns the floats of a stored input, whose scale and zero point are other inputs.
    pub fn dequantized(
        &self,
        [at, scale, zero]: [usize; 3],
        axis: i64,
        block: i64,
    ) -> Result<Vec<f32>, Refused> {
        let numbers = self.stored(at)?;
        let rank = numbers.dims().len() as i64;
        let axis = if axis < 0 { axis + rank } else { axis };
        let scales = self.stored(scale)?;
        if let Some(step) = scales.all().find(|step| step.is_nan() || *step < 0.0) {
            return Err(self.refused(format!("has weights with a scale of {step}")));
        }
        let grid = Grid {
            scale: scales,
            zero: self.numbers(zero),
            axis: usize::try_from(axis).unwrap_or(usize::MAX),
            block: usize::try_from(block).unwrap_or_default(),
        };
        let computed = self.optional(zero).is_some() && grid.zero.is_none();
        let floats = grid.floats(numbers).filter(|_| !computed);
        floats.ok_or_else(|| self.refused("has weights that its scales do not fit"))
    }
}

/// Stored weights become floats; codes that are computed are floats here already, see
/// [`quantized`](super::quantized).
pub(super) fn linear(p: &mut Pieces<'_, '_>) -> Lowered {
    if let Some(numbers) = p.numbers(0) {
        let dims = numbers.dims();
        let floats = p.dequantized([0, 1, 2], p.int("axis", 1), p.int("block_size", 0))?;
        p.is_constant(0, &dims, floats);
        return Ok(());
    }
    let x = p.computed([0, 1, 2])?;
    if let Some(giver) = p.giver(0).filter(|giver| giver.op_type == "QuantizeLinear") {
        // The same numbers, whatever they are named.
        let same = |at: usize| {
            let theirs = giver.input.get(at);
            let ours = p.node().input.get(at);
            let both = theirs.zip(ours);
            let [a, b] = [theirs, ours].map(|name| name.and_then(|name| p.numbers_of(name)));
            theirs == ours || both.is_some() && a.zip(b).is_some_and(|(a, b)| a.all().eq(b.all()))
        };
        if !same(1) || !same(2) {
            return Err(p.refused("has another scale than the QuantizeLinear before it"));
        }
    }
    p.last("Identity", &[&x]);
    Ok(())
}

/// `MatMulNBits`: a product with weights in blocks of 4 or 8 bits.
pub(super) fn blocks(p: &mut Pieces<'_, '_>) -> Lowered {
    let side = |name: &str| usize::try_from(p.int(name, 0)).unwrap_or_default();
    let rows = side("K");
    let columns = side("N");
    let block = side("block_size");
    let bits = p.int("bits", 4);
    let fits = rows.checked_mul(columns).is_some_and(|n| (1..=WEIGHTS).contains(&n));
    if !fits || block == 0 || ![4, 8].contains(&bits) || p.optional(4).is_some() {
        return Err(p.refused(format!("{rows} x {columns} weights of {bits} bits, {block} each")));
    }
    let count = rows.div_ceil(block);
    let each = if bits == 4 { 2 } else { 1 };
    let bytes = block.div_ceil(each);
    let codes = p.stored(1)?;
    let scales = p.stored(2)?;
    let zeros = p.numbers(3);
    if codes.kind() != DataType::Uint8
        || codes.len() != columns * count * bytes
        || scales.len() != columns * count
        || (zeros.is_none() && p.optional(3).is_some())
    {
        return Err(p.refused("has weights that its scales do not fit"));
    }
    let packed = zeros.filter(|zeros| zeros.kind() == DataType::Uint8);
    let row = if packed.is_some() { count.div_ceil(each) } else { count };
    if zeros.is_some_and(|zeros| zeros.len() != columns * row) {
        return Err(p.refused("has zero points that its scales do not fit"));
    }
    let number = |bytes: Numbers<'_>, first: usize, at: usize| match bits {
        4 => f64::from(bytes.at(first + at / 2) as u8 >> (4 * (at % 2)) & 15),
        _ => bytes.at(first + at),
    };
    let middle = if bits == 4 { 8.0 } else { 128.0 };
    let mut weights = vec![0.0; rows * columns];
    for column in 0..columns {
        for at in 0..rows {
            let own = at / block;
            let code = number(codes, (column * count + own) * bytes, at % block);
            let zero = match (packed, zeros) {
                (Some(packed), _) => number(packed, column * row, own),
                (None, Some(zeros)) => zeros.at(column * row + own),
                (None, None) => middle,
            };
            let scale = scales.at(column * count + own);
            weights[at * columns + column] = ((code - zero) * scale) as f32;
        }
    }
    if weights.iter().any(|w| !w.is_finite()) {
        return Err(p.refused("has weights that are no numbers"));
    }
    let weights = p.constant(&[rows, columns], weights);
    product_and_bias(p, &weights, 5)
}
