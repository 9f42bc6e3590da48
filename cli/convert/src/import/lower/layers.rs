//! Layers of old operator sets.

use super::Lowered;
use super::pieces::{Pieces, text};

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
