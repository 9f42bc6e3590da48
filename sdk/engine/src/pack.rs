//! Weights in the order in which a kernel reads them.
//!
//! A panel holds the constants of a few adjacent output channels, contiguously:
//!
//! ```text
//! bias[lanes] i32 | mantissa[lanes] i32 | weight[groups][lanes][group] i8 or i16
//! ```
//!
//! A woven layout has two lanes and groups of four, which it mixes: `a0 b0 a2 b2 a1 b1 a3 b3`. Where
//! [`Layout::may_join`] allows it, it joins them too: as 16-bit numbers `a0 b0` and the others are
//! `256 * b0 + a0`.
//!
//! `(zero point + excess) * sum of weights` is subtracted from each bias, so that kernels multiply
//! raw int8 values (or all of them plus the excess); the padding of a feature map then consists of
//! zero points. Partial sums may wrap, because the final sum fits.

/// Weights of a channel that are copied at a time: a multiple of every group.
const PLACES: usize = 256;

/// The most lanes of a panel.
const MAX_LANES: usize = 64;

/// Layout of the panels that a kernel reads.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Layout {
    /// Channel of the panel in each lane.
    pub lanes: &'static [u8],
    /// Adjacent weights of one channel that lie together: the products that one instruction sums.
    pub group: usize,
    /// True if weights and the activations that they multiply are widened to 16 bits.
    pub wide: bool,
    /// Offset added to activations before they are multiplied: 128 for instructions that take them
    /// unsigned.
    pub excess: i32,
    /// Padding of taps: a column of a window whose taps are one short of a multiple of this number
    /// gets an empty tap.
    pub filled: usize,
    /// True if the weights of two lanes alternate, even places of a group before odd ones: the order
    /// in which a processor that widens every second byte of a word multiplies them.
    pub woven: bool,
    /// True if mantissas are stored doubled, modulo 2^32: the upper half of a product with them is a
    /// multiplication by the mantissa in Q31.
    pub doubled: bool,
    /// True if mantissas are not of the layer, but 1 in panels of which two products of adjacent
    /// weights with unsigned activations always fit 16 bits, else 0.
    pub pairs: bool,
}

/// Constants of one convolution, or of one of its groups.
pub(crate) struct Constants<'a, F> {
    /// Copies the weights of an output channel, from a place in its window on.
    pub weight: F,
    pub bias: &'a [u8],
    pub mantissas: &'a [u8],
    /// First channel; the number of channels follows.
    pub first: usize,
    pub channels: usize,
    pub fan_in: usize,
    /// Zero point of the input.
    pub zero: i32,
}

impl Layout {
    /// Weights as they lie: base for the constants of targets.
    pub const PLAIN: Self = Self {
        lanes: &[0],
        group: 1,
        wide: false,
        excess: 0,
        filled: 1,
        woven: false,
        doubled: false,
        pairs: false,
    };

    /// Returns the bytes of a weight or of a gathered activation.
    pub const fn width(&self) -> usize {
        if self.wide { 2 } else { 1 }
    }

    /// Returns the places that a column of `rows` taps takes.
    pub const fn column(&self, rows: usize) -> usize {
        rows + (self.filled > 1 && (rows + 1).is_multiple_of(self.filled)) as usize
    }

    /// Returns the bytes of a gathered row of `fan_in` activations.
    pub fn row_bytes(&self, fan_in: usize) -> usize {
        fan_in.next_multiple_of(self.group).saturating_mul(self.width())
    }

    pub fn panel_bytes(&self, fan_in: usize) -> usize {
        self.lanes.len().saturating_mul(self.row_bytes(fan_in).saturating_add(8))
    }

    /// Returns the bytes of all panels of `channels` output channels. Saturates, so that a network
    /// that fits no address space requests more than any allocator has.
    pub fn bytes(&self, channels: usize, fan_in: usize) -> usize {
        channels.div_ceil(self.lanes.len()).saturating_mul(self.panel_bytes(fan_in))
    }

    /// True if pairs of weights are joined in rows of that many places, unless one of them does not
    /// fit 16 bits; 256 times a sum of so many products does fit 32.
    pub const fn may_join(&self, places: usize) -> bool {
        self.woven && places.is_multiple_of(16) && places < 512
    }

    /// Writes the panels; lanes and places beyond the last get zeros.
    pub fn pack(
        &self,
        constants: &Constants<'_, impl Fn(usize, usize, &mut [i8])>,
        packed: &mut [i8],
    ) {
        let lanes = self.lanes.len();
        let may_join = self.may_join(constants.fan_in.next_multiple_of(self.group));
        let apart = may_join && constants.has_odd_pair();
        for (panel, bytes) in
            packed.chunks_exact_mut(self.panel_bytes(constants.fan_in)).enumerate()
        {
            let (head, weights) = bytes.split_at_mut(8 * lanes);
            let mut sums = [0i32; MAX_LANES];
            let mut fit = self.pairs;
            for (block, cells) in weights.chunks_mut(lanes * PLACES * self.width()).enumerate() {
                for (lane, (&channel, sum)) in self.lanes.iter().zip(&mut sums[..lanes]).enumerate()
                {
                    let channel = panel * lanes + usize::from(channel);
                    let row = Row::read(constants, channel, block * PLACES);
                    *sum += row.sum();
                    fit &= row.pairs_fit();
                    self.scatter(&row, lane, cells);
                }
            }
            if self.woven {
                weave(weights, may_join && !apart);
            }
            for (lane, (&channel, sum)) in self.lanes.iter().zip(sums).enumerate() {
                let less = sum.wrapping_mul(constants.zero + self.excess);
                let (bias, mantissa) = constants.head(panel * lanes + usize::from(channel), less);
                let mantissa = mantissa.wrapping_shl(self.doubled.into()) | i32::from(apart | fit);
                put(&mut head[4 * lane..], bias);
                put(&mut head[4 * (lanes + lane)..], mantissa);
            }
        }
    }

    /// Writes weights of one channel into their lane of some cells.
    fn scatter(&self, row: &Row, lane: usize, cells: &mut [i8]) {
        let lanes = self.lanes.len();
        let width = self.width();
        let len = cells.len() / (lanes * width);
        let mut wide = [0; 2 * PLACES];
        let row = if self.wide {
            for (pair, &weight) in wide.as_chunks_mut().0.iter_mut().zip(&row.0[..len]) {
                *pair = i16::from(weight).to_le_bytes().map(|byte| byte as i8);
            }
            &wide[..2 * len]
        } else {
            &row.0[..len]
        };
        match self.group * width {
            1 => scatter::<1>(row, cells, lane, lanes),
            2 => scatter::<2>(row, cells, lane, lanes),
            4 => scatter::<4>(row, cells, lane, lanes),
            8 => scatter::<8>(row, cells, lane, lanes),
            16 => scatter::<16>(row, cells, lane, lanes),
            bytes => unreachable!("no kernel reads groups of {bytes} bytes"),
        }
    }
}

/// Some weights of one channel, zeros behind the last.
struct Row([i8; PLACES]);

impl Row {
    /// Reads weights from place `start` on.
    fn read(
        constants: &Constants<'_, impl Fn(usize, usize, &mut [i8])>,
        channel: usize,
        start: usize,
    ) -> Self {
        let mut row = [0; PLACES];
        if channel < constants.channels {
            let inside = (constants.fan_in - start).min(PLACES);
            (constants.weight)(constants.first + channel, start, &mut row[..inside]);
        }
        Self(row)
    }

    fn sum(&self) -> i32 {
        self.0.iter().map(|&w| i32::from(w)).sum()
    }

    /// True if no two products of adjacent weights and activations of 0 to 255 exceed 16 bits.
    fn pairs_fit(&self) -> bool {
        self.0.as_chunks::<2>().0.iter().all(|pair| {
            let [a, b] = pair.map(i32::from);
            (-128..=128).contains(&(a.max(0) + b.max(0)))
                && (-128..=128).contains(&(a.min(0) + b.min(0)))
        })
    }
}

/// Mixes groups of four weights of two lanes, see [`Layout::woven`], and joins them.
fn weave(weights: &mut [i8], join: bool) {
    for pair in weights.as_chunks_mut::<8>().0 {
        for place in 0..4 {
            pair[4 + place] -= i8::from(join && pair[place] < 0);
        }
        *pair = [0, 4, 2, 6, 1, 5, 3, 7].map(|from| pair[from]);
    }
}

/// Writes groups of `N` bytes with a stride of `lanes` groups.
fn scatter<const N: usize>(row: &[i8], cells: &mut [i8], lane: usize, lanes: usize) {
    let cells = cells.as_chunks_mut::<N>().0;
    for (slots, group) in cells.chunks_exact_mut(lanes).zip(row.as_chunks::<N>().0) {
        slots[lane] = *group;
    }
}

impl<F> Constants<'_, F> {
    /// True if a weight below 0 of an even channel meets a weight of -128 of the odd one behind it:
    /// joined, they would be below -2^15.
    fn has_odd_pair(&self) -> bool
    where
        F: Fn(usize, usize, &mut [i8]),
    {
        let mut rows = [[0; PLACES]; 2];
        let mut pairs = (1..self.channels)
            .step_by(2)
            .flat_map(|odd| (0..self.fan_in).step_by(PLACES).map(move |start| (odd, start)));
        pairs.any(|(odd, start)| {
            let len = PLACES.min(self.fan_in - start);
            for (row, channel) in rows.iter_mut().zip([odd - 1, odd]) {
                (self.weight)(self.first + channel, start, &mut row[..len]);
            }
            let [even, odd] = &rows;
            even[..len].iter().zip(odd).any(|(&a, &b)| a < 0 && b == i8::MIN)
        })
    }

    /// Returns bias and mantissa of a channel, with `less` subtracted from the bias.
    fn head(&self, channel: usize, less: i32) -> (i32, i32) {
        if channel >= self.channels {
            return (0, 0);
        }
        let index = self.first + channel;
        // A layer that is not requantized has neither.
        let own = |list: &[u8]| if list.is_empty() { 0 } else { word(list, index) };
        (own(self.bias).wrapping_sub(less), own(self.mantissas))
    }
}

/// Reads a stored little-endian number.
#[inline]
pub(crate) fn word(bytes: &[u8], index: usize) -> i32 {
    let at = 4 * index;
    i32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// Writes a number as kernels load it: in the processor's byte order, always little-endian here.
fn put(bytes: &mut [i8], word: i32) {
    for (slot, byte) in bytes.iter_mut().zip(word.to_le_bytes()) {
        *slot = byte as i8;
    }
}
