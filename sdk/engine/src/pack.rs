//! Weights in the order in which a kernel reads them.
//!
//! A panel holds what a few neighbouring output channels need, in one piece:
//!
//! ```text
//! bias[lanes] i32 | mantissa[lanes] i32 | weight[groups][lanes][group] i8 or i16
//! ```
//!
//! Biases have `(zero point + excess) * sum of weights` taken off, so that kernels multiply codes as
//! they are (or all of them moved up); the border of a map is then a border of zero points. Sums may
//! wrap: the true one fits.

/// Weights of a channel that are moved at a time: a multiple of every group.
const PLACES: usize = 256;

/// The most lanes of a panel.
const MAX_LANES: usize = 64;

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
    /// Copies the weights of an output channel from a place of its window on.
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
    pub fn pack(&self, constants: &Constants<'_, impl Fn(usize, usize, &mut [i8])>, packed: &mut [i8]) {
        let lanes = self.lanes.len();
        for (panel, bytes) in packed.chunks_exact_mut(self.panel_bytes(constants.fan_in)).enumerate() {
            let (head, weights) = bytes.split_at_mut(8 * lanes);
            let mut sums = [0i32; MAX_LANES];
            for (block, cells) in weights.chunks_mut(lanes * PLACES * self.width()).enumerate() {
                for (lane, (&channel, sum)) in self.lanes.iter().zip(&mut sums[..lanes]).enumerate() {
                    let channel = panel * lanes + usize::from(channel);
                    *sum += self.lane(constants, channel, block * PLACES, lane, cells);
                }
            }
            for (lane, (&channel, sum)) in self.lanes.iter().zip(sums).enumerate() {
                let less = sum.wrapping_mul(constants.zero + self.excess);
                let (bias, mantissa) = constants.head(panel * lanes + usize::from(channel), less);
                put(&mut head[4 * lane..], bias);
                put(&mut head[4 * (lanes + lane)..], mantissa);
            }
        }
    }

    /// Writes weights of one channel, from place `start` on, into their lane of some cells; gives
    /// their sum.
    fn lane(
        &self,
        constants: &Constants<'_, impl Fn(usize, usize, &mut [i8])>,
        channel: usize,
        start: usize,
        lane: usize,
        cells: &mut [i8],
    ) -> i32 {
        let (lanes, width) = (self.lanes.len(), self.width());
        let (mut row, mut wide) = ([0; PLACES], [0; 2 * PLACES]);
        let row = &mut row[..cells.len() / (lanes * width)];
        if channel < constants.channels {
            let inside = (constants.fan_in - start).min(row.len());
            (constants.weight)(constants.first + channel, start, &mut row[..inside]);
        }
        let sum = row.iter().map(|&w| i32::from(w)).sum();
        let row = if self.wide {
            for (pair, &weight) in wide.as_chunks_mut().0.iter_mut().zip(&*row) {
                *pair = i16::from(weight).to_le_bytes().map(|byte| byte as i8);
            }
            &wide[..2 * row.len()]
        } else {
            &row[..]
        };
        match self.group * width {
            1 => scatter::<1>(row, cells, lane, lanes),
            2 => scatter::<2>(row, cells, lane, lanes),
            4 => scatter::<4>(row, cells, lane, lanes),
            8 => scatter::<8>(row, cells, lane, lanes),
            16 => scatter::<16>(row, cells, lane, lanes),
            bytes => unreachable!("no kernel reads groups of {bytes} bytes"),
        }
        sum
    }
}

/// Writes groups of `N` bytes, `lanes` groups from one to the next.
fn scatter<const N: usize>(row: &[i8], cells: &mut [i8], lane: usize, lanes: usize) {
    let cells = cells.as_chunks_mut::<N>().0;
    for (slots, group) in cells.chunks_exact_mut(lanes).zip(row.as_chunks::<N>().0) {
        slots[lane] = *group;
    }
}

impl<F> Constants<'_, F> {
    /// Bias and mantissa of a channel, the bias less `less`.
    fn head(&self, channel: usize, less: i32) -> (i32, i32) {
        if channel >= self.channels {
            return (0, 0);
        }
        let index = self.first + channel;
        let bias = word(self.bias, index).wrapping_sub(less);
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
