//! Limits of the format in one place. A file beyond one is refused before memory is allocated.

/// Bytes of the manifest section: names and a few dozen numbers.
pub const MANIFEST_BYTES: usize = 16 << 10;
/// Bytes of the graph section; DenseNet-201, the longest of the usual CNNs, needs about 60 kB.
pub const GRAPH_BYTES: usize = 512 << 10;
/// Bytes of weights: VGG19 in float has 575 MB; larger networks are not for boards.
pub const WEIGHT_BYTES: usize = 1 << 30;
/// Bytes of weights packed for one processor: twice the width, plus padding.
pub const PACKED_BYTES: usize = 3 << 30;
/// Bytes of golden vectors.
pub const GOLDEN_BYTES: usize = 4 << 20;
/// Bytes of a text section, nearly all of it the tokenizer: 1.4 MB for GPT-2, 17 MB for large
/// multilingual models.
pub const TEXT_BYTES: usize = 32 << 20;
/// Bytes of a sound section: its window function and the weights of its bands.
pub const SOUND_BYTES: usize = 64 << 10;
/// Bytes of a sensor section: 8 bytes a channel, of which there are at most 65,535.
pub const SENSOR_BYTES: usize = 520 << 10;
/// Bytes of the statistics of the calibration set: 4 bytes a value at up to sixteen depths.
pub const DOMAIN_BYTES: usize = 1 << 20;
/// Bytes of the layout of cells.
pub const CELLS_BYTES: usize = 256;
/// Number of tensors of a graph.
pub const TENSORS: usize = 4096;
/// Number of inputs of one node; DenseNet-201 concatenates 49.
pub const NODE_INPUTS: usize = 128;
/// Length of one dimension.
pub const DIM: u32 = 65_535;
/// Number of values of one tensor: a 32-bit machine can address it.
pub const ELEMENTS: usize = 1 << 28;
/// Side of a kernel window; covers the largest feature map that is pooled globally.
pub const KERNEL: u32 = 255;
/// Stride and dilation.
pub const STRIDE: u32 = 32;
/// Padding on one side.
pub const PAD: u32 = 63;
/// Length of a name, in bytes.
pub const NAME: usize = 256;
/// Side of a camera frame, in pixels: within the resampler's 64-bit sums, and above any camera.
pub const FRAME_SIDE: u32 = 12_288;
