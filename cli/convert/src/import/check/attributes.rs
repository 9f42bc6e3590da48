//! Ranges of the attributes of operations.

use std::ops::RangeInclusive;

use tract_onnx::pb::NodeProto;

use super::attribute_values::ints;
use super::constant_size::Known;
use super::{RANK, Refused, VALUES};

/// Largest window, stride or padding of a pooling or a convolution.
const WINDOW: i64 = 1 << 12;
/// Largest number of values of a window.
const TAPS: i64 = 1 << 20;
/// Largest padding of `Pad`; negative padding crops.
const BORDER: i64 = 65_535;
/// Largest number of values of a list.
const LIST: usize = 1 << 16;

const AXIS: RangeInclusive<i64> = -(RANK as i64)..=RANK as i64 - 1;

/// Returns the range of a number, or of each number of a list, by the attribute's name.
fn range(op: &str, name: &str) -> RangeInclusive<i64> {
    match name {
        "kernel_shape" | "strides" | "dilations" => 1..=WINDOW,
        "pads" if op == "Pad" => -BORDER..=BORDER,
        "pads" | "output_padding" => 0..=WINDOW,
        "output_shape" => 1..=BORDER,
        "group" => 1..=65_536,
        "axis" | "axes" => AXIS,
        "perm" => 0..=*AXIS.end(),
        "blocksize" => 1..=64,
        "size" => 1..=65_536,
        "split" | "num_outputs" | "batch_dims" => 0..=VALUES as i64,
        "shape" => -1..=VALUES as i64,
        // Positions from the start, to the end, and numbers of a constant have no range of their
        // own.
        "starts" | "ends" | "steps" | "value_int" | "value_ints" => i64::MIN..=i64::MAX,
        _ => -(1 << 31)..=1 << 31,
    }
}

/// Checks each attribute by itself.
pub(super) fn check(node: &NodeProto) -> Result<(), Refused> {
    for attribute in &node.attribute {
        let name = attribute.name.as_str();
        let allowed = range(&node.op_type, name);
        let single = Some(&attribute.i).filter(|_| attribute.ints.is_empty());
        if attribute.ints.len() > LIST || attribute.floats.len() > LIST {
            return Err(Refused::node(node, format!("`{name}` has more than {LIST} values")));
        }
        // An absent number is 0, whatever is allowed.
        let stated = single.filter(|&&i| i != 0 || attribute.r#type == 2);
        if let Some(wrong) = attribute.ints.iter().chain(stated).find(|i| !allowed.contains(i)) {
            let least = allowed.start();
            let most = allowed.end();
            return Err(Refused::node(
                node,
                format!("`{name}` of {wrong}; allowed are {least} to {most}"),
            ));
        }
        if attribute.floats.iter().chain([&attribute.f]).any(|f| f.is_nan()) {
            return Err(Refused::node(node, format!("`{name}` is not a number")));
        }
        if name == "perm" && !is_permutation(&attribute.ints) {
            return Err(Refused::node(
                node,
                format!("`perm` of {:?}, which is no order", attribute.ints),
            ));
        }
        // tract would read it as the other mode.
        if (&*node.op_type, name, &*attribute.s) == ("SpaceToDepth", "mode", b"CRD") {
            return Err(Refused::node(node, "`mode` of CRD; supported is DCR".to_string()));
        }
    }
    window(node)
}

fn is_permutation(ints: &[i64]) -> bool {
    let mut sorted = ints.to_vec();
    sorted.sort_unstable();
    sorted.iter().zip(0..).all(|(found, want)| *found == want)
}

/// Checks that a window has one length, stride and dilation and two paddings per dimension.
fn window(node: &NodeProto) -> Result<(), Refused> {
    if node.op_type == "Pad" {
        return Ok(());
    }
    let lists = [("kernel_shape", 1), ("strides", 1), ("dilations", 1), ("pads", 2)];
    let lengths = lists.map(|(name, each)| ints(node, name).map(|list| (name, list.len(), each)));
    let mut lengths = lengths.into_iter().flatten();
    if let Some((first, length, each)) = lengths.next() {
        let rank = length / each;
        if let Some((name, found, _)) = lengths.find(|(_, l, each)| *l != rank * each) {
            return Err(Refused::node(
                node,
                format!("`{first}` has {length} values, `{name}` has {found}"),
            ));
        }
    }
    let taps = ints(node, "kernel_shape").unwrap_or_default().iter().product::<i64>();
    if taps > TAPS {
        return Err(Refused::node(node, format!("a window of {taps} values; the limit is {TAPS}")));
    }
    Ok(())
}

/// Checks a convolution's attributes against its weights.
pub(super) fn check_with_weights(node: &NodeProto, known: &Known<'_>) -> Result<(), Refused> {
    if !["Conv", "ConvTranspose", "ConvInteger", "QLinearConv", "FusedConv"]
        .contains(&node.op_type.as_str())
    {
        return Ok(());
    }
    let at = if node.op_type == "QLinearConv" { 3 } else { 1 };
    let Some(dims) = node.input.get(at).and_then(|name| known.dims(name)) else { return Ok(()) };
    if dims.len() < 3 {
        return Err(Refused::node(
            node,
            format!("weights of shape {dims:?}; needed are channels and a window"),
        ));
    }
    let rank = dims.len() - 2;
    for (name, each) in [("kernel_shape", 1), ("strides", 1), ("dilations", 1), ("pads", 2)] {
        let found = ints(node, name).map_or(rank * each, <[i64]>::len);
        if found != rank * each {
            return Err(Refused::node(
                node,
                format!("`{name}` has {found} values, its weights have shape {dims:?}"),
            ));
        }
    }
    if ints(node, "kernel_shape").is_some_and(|kernel| kernel != &dims[2..]) {
        return Err(Refused::node(
            node,
            format!("`kernel_shape` is not that of its weights, {dims:?}"),
        ));
    }
    let group = node.attribute.iter().find(|a| a.name == "group").map_or(1, |a| a.i);
    let channels =
        if node.op_type == "ConvTranspose" { dims[1].saturating_mul(group) } else { dims[0] };
    if group < 1 || channels < group || channels % group != 0 {
        return Err(Refused::node(
            node,
            format!("`group` of {group}, which does not divide {channels} channels"),
        ));
    }
    Ok(())
}
