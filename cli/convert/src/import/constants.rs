//! Constants in the form that the walk needs.

use tract_onnx::prelude::*;
use tract_onnx::tract_core::ops::cnn::KernelFormat;

/// Returns the floats of a constant.
pub(super) fn floats(tensor: &Tensor) -> Option<Vec<f32>> {
    let cast = tensor.cast_to::<f32>().ok()?;
    Some(cast.try_as_plain_ram().ok()?.as_slice::<f32>().ok()?.to_vec())
}

/// Returns a kernel in the order O, H, W, I / groups; one along a single dimension has one row.
pub(super) fn kernel(tensor: &Tensor, format: KernelFormat, groups: usize) -> Option<Vec<f32>> {
    let values = floats(tensor)?;
    let mut lengths = tensor.shape().to_vec();
    if lengths.len() == 3 {
        let rows = match format {
            KernelFormat::OIHW => 2,
            KernelFormat::OHWI => 1,
            KernelFormat::HWIO => 0,
        };
        lengths.insert(rows, 1);
    }
    let shape: [usize; 4] = lengths.try_into().ok()?;
    // Strides of O, H, W, I in the source.
    let [a, b, c, d] = shape;
    let (sizes, strides) = match format {
        KernelFormat::OIHW => ([a, c, d, b], [b * c * d, d, 1, c * d]),
        KernelFormat::OHWI => ([a, b, c, d], [b * c * d, c * d, d, 1]),
        KernelFormat::HWIO if groups == 1 => ([d, a, b, c], [1, b * c * d, c * d, d]),
        KernelFormat::HWIO => return None,
    };
    let [o, h, w, i] = sizes;
    let mut out = Vec::with_capacity(values.len());
    for (o, h, w) in (0..o).flat_map(|o| (0..h).flat_map(move |h| (0..w).map(move |w| (o, h, w)))) {
        let start = o * strides[0] + h * strides[1] + w * strides[2];
        out.extend((0..i).map(|i| values[start + i * strides[3]]));
    }
    Some(out)
}
