//! Layers of old operator sets, and of the newest.

use super::Lowered;
use super::pieces::{Pieces, ints, text};

/// `Upsample`, of operator sets 7 to 9, which is `Resize` of operator set 10.
pub(super) fn upsample(p: &mut Pieces<'_, '_>) -> Lowered {
    let x = p.input(0)?;
    let stated = p.attribute("scales").map(|a| a.floats.clone()).unwrap_or_default();
    let scales = match p.optional(1) {
        Some(scales) => scales,
        None if !stated.is_empty() => p.constant(&[stated.len()], stated),
        None => return Err(p.refused("states no scales")),
    };
    let mode = p.attribute("mode").map(|a| String::from_utf8_lossy(&a.s).into_owned());
    let mode = if mode.is_some_and(|mode| mode.contains("linear")) { "linear" } else { "nearest" };
    let attributes = vec![
        text("mode", mode),
        text("coordinate_transformation_mode", "asymmetric"),
        text("nearest_mode", "floor"),
    ];
    // From operator set 11 on, a region comes before the scales.
    let with_region = [x.as_str(), "", scales.as_str()];
    let inputs = if p.opset > 10 { &with_region[..] } else { &[x.as_str(), scales.as_str()] };
    p.last_with("Resize", inputs, attributes);
    Ok(())
}

/// `Slice` of operator sets before 10, which states its places as attributes.
pub(super) fn slice(p: &mut Pieces<'_, '_>) -> Lowered {
    let lists = ["starts", "ends", "axes"].map(|name| p.attribute(name).map(|a| a.ints.clone()));
    let [Some(starts), Some(ends), axes] = lists else { return Ok(()) };
    let x = p.input(0)?;
    let axes = axes.unwrap_or_else(|| (0..starts.len() as i64).collect());
    let lists = [starts, ends, axes].map(|list| p.list(&list));
    let [starts, ends, axes] = lists.each_ref().map(String::as_str);
    p.last("Slice", &[&x, starts, ends, axes]);
    Ok(())
}

/// `x / sqrt(mean(x^2) + epsilon) * scale`, over the last dimensions, as many as the scale has.
pub(super) fn rms_normalization(p: &mut Pieces<'_, '_>) -> Lowered {
    let x = p.input(0)?;
    let scale = p.input(1)?;
    let rank = p.stored(1)?.dims().len() as i64;
    let axes: Vec<i64> = (-rank..0).collect();
    let axis = p.int("axis", -1);
    if rank == 0 || (axis < 0 && axis != -rank) || p.gives(1) {
        return Err(p.refused("over other dimensions than those of its scale"));
    }
    let epsilon = p.float("epsilon", 1e-5);
    let epsilon = p.scalar(epsilon);
    let square = p.op("Mul", &[&x, &x]);
    let mean = p.mean(&square, &axes);
    let sum = p.op("Add", &[&mean, &epsilon]);
    let root = p.op("Sqrt", &[&sum]);
    let unit = p.op("Div", &[&x, &root]);
    p.last("Mul", &[&unit, &scale]);
    Ok(())
}

/// Batch normalization of constants by their own statistics: weights that are standardized before
/// they are used (Brock et al. 2021, "Characterizing signal propagation to close the performance
/// gap in unnormalized ResNets"). Of a picture it is refused before.
pub(super) fn of_weights(p: &mut Pieces<'_, '_>) -> Lowered {
    let x = p.input(0)?;
    let shape = p.giver(0).filter(|giver| giver.op_type == "Reshape");
    let shape = shape.and_then(|giver| p.numbers_of(giver.input.get(1)?));
    let rank = match (shape, p.numbers(0)) {
        (Some(shape), _) => shape.len(),
        (None, Some(stored)) => stored.dims().len(),
        (None, None) => return Err(p.refused("of weights of unknown shape")),
    };
    let axes: Vec<i64> = (0..rank as i64).filter(|&axis| axis != 1).collect();
    let along = [&[-1], vec![1; rank.saturating_sub(2)].as_slice()].concat();
    let along = p.list(&along);
    let [scale, offset] = [p.input(1)?, p.input(2)?];
    let scale = p.op("Reshape", &[&scale, &along]);
    let offset = p.op("Reshape", &[&offset, &along]);
    let epsilon = p.float("epsilon", 1e-5);
    let epsilon = p.scalar(epsilon);
    let mean = p.mean(&x, &axes);
    let apart = p.op("Sub", &[&x, &mean]);
    let square = p.op("Mul", &[&apart, &apart]);
    let variance = p.mean(&square, &axes);
    let sum = p.op("Add", &[&variance, &epsilon]);
    let root = p.op("Sqrt", &[&sum]);
    let unit = p.op("Div", &[&apart, &root]);
    let scaled = p.op("Mul", &[&unit, &scale]);
    p.last("Add", &[&scaled, &offset]);
    Ok(())
}

impl Pieces<'_, '_> {
    /// Adds a mean over dimensions, which stay with length 1.
    fn mean(&mut self, x: &str, axes: &[i64]) -> String {
        // From operator set 18 on, the dimensions are an input.
        if self.opset < 18 {
            return self.with("ReduceMean", &[x], vec![ints("axes", axes)]);
        }
        let axes = self.list(axes);
        self.op("ReduceMean", &[x, &axes])
    }
}
