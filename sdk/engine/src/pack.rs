//! Weights in the order in which a kernel reads them.
//!
//! A panel holds what a few neighbouring output channels need, in one piece:
//!
//! ```text
//! bias[lanes] i32 | mantissa[lanes] i32 | weight[groups][lanes][group] i8 or i16
//! ```
//!
//! Biases have `(zero point + excess) * sum of weights` taken off, so that kernels multiply codes as
//! they are (or all of them moved up); the border of a map is then a border of zero points. Sums may wrap: the true one fits.

/// How a kernel wants its panels.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// Which channel of the panel each lane holds.
    pub lanes: &'static [u8],
    /// Neighbouring weights of one channel that lie together: what one instruction adds up.
    pub group: usize,
    /// Whether weights (and the codes they meet) are widened to 16 bits.
    pub wide: bool,
    /// What the kernel's instructions meet codes with on top: 128 where they want them unsigned.
    pub excess: i32,
    /// Of taps: columns of a window that lack one tap of a multiple of that many get an empty one.
    pub filled: usize,
}

/// The constants of one convolution, or of one group of it.
pub(crate) struct Constants<'a, F> {
    /// The weight of an output channel at a place of its window.
    pub weight: F,
    pub bias: &'a [u8],
    pub mantissas: &'a [u8],
    /// First channel, number of channels.
    pub first: usize,
    pub channels: usize,
    pub fan_in: usize,
    /// The input's zero point.
    pub zero: i32,
}

impl Layout {
    /// Codes as they lie, for the rest of a constant.
    pub const PLAIN: Self = Self { lanes: &[0], group: 1, wide: false, excess: 0, filled: 1 };

    /// Bytes of a weight or a gathered code.
    pub const fn width(&self) -> usize {
        if self.wide { 2 } else { 1 }
    }

    /// Places of a column of that many taps.
    pub const fn column(&self, rows: usize) -> usize {
        rows + (self.filled > 1 && (rows + 1).is_multiple_of(self.filled)) as usize
    }

    /// Bytes of a gathered row of `fan_in` codes.
    pub fn row_bytes(&self, fan_in: usize) -> usize {
        fan_in.next_multiple_of(self.group).saturating_mul(self.width())
    }

    pub fn panel_bytes(&self, fan_in: usize) -> usize {
        self.lanes.len().saturating_mul(self.row_bytes(fan_in).saturating_add(8))
    }

    /// Bytes of all panels for that many output channels; saturates, so that a network that no
    /// address space holds asks for what no allocator gives.
    pub fn bytes(&self, channels: usize, fan_in: usize) -> usize {
        channels.div_ceil(self.lanes.len()).saturating_mul(self.panel_bytes(fan_in))
    }

    /// Writes the panels; lanes and places beyond the last get zeros.
    pub fn pack(&self, constants: &Constants<'_, impl Fn(usize, usize) -> i8>, packed: &mut [i8]) {
        let lanes = self.lanes.len();
        for (panel, bytes) in packed.chunks_exact_mut(self.panel_bytes(constants.fan_in)).enumerate() {
            let (head, weights) = bytes.split_at_mut(8 * lanes);
            for (lane, &channel) in self.lanes.iter().enumerate() {
                let channel = panel * lanes + usize::from(channel);
                let (bias, mantissa) = constants.head(channel, self.excess);
                put(&mut head[4 * lane..], bias);
                put(&mut head[4 * (lanes + lane)..], mantissa);
            }
            for (group, cells) in weights.chunks_exact_mut(lanes * self.group * self.width()).enumerate() {
                for (cell, slot) in cells.chunks_exact_mut(self.width()).enumerate() {
                    let channel = panel * lanes + usize::from(self.lanes[cell / self.group]);
                    let place = group * self.group + cell % self.group;
                    let weight = constants.weight(channel, place);
                    slot[0] = weight;
                    if let Some(high) = slot.get_mut(1) {
                        *high = weight >> 7;
                    }
                }
            }
        }
    }
}

impl<F: Fn(usize, usize) -> i8> Constants<'_, F> {
    fn weight(&self, channel: usize, place: usize) -> i8 {
        if channel < self.channels && place < self.fan_in {
            (self.weight)(self.first + channel, place)
        } else {
            0
        }
    }

    /// Corrected bias and mantissa.
    fn head(&self, channel: usize, excess: i32) -> (i32, i32) {
        if channel >= self.channels {
            return (0, 0);
        }
        let index = self.first + channel;
        let sum: i32 = (0..self.fan_in).map(|place| i32::from((self.weight)(index, place))).sum();
        let bias = word(self.bias, index).wrapping_sub(sum.wrapping_mul(self.zero + excess));
        (bias, word(self.mantissas, index))
    }
}

/// A stored little-endian number.
#[inline]
pub(crate) fn word(bytes: &[u8], index: usize) -> i32 {
    let at = 4 * index;
    i32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// A number as kernels load it: in the processor's byte order, which is little on all of them.
fn put(bytes: &mut [i8], word: i32) {
    for (slot, byte) in bytes.iter_mut().zip(word.to_le_bytes()) {
        *slot = byte as i8;
    }
}
