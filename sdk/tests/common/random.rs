//! Numbers that are the same on every machine.

/// Knuth's MMIX generator.
#[derive(Debug, Clone)]
pub struct Random(pub u64);

impl Random {
    /// The next 31 bits.
    pub fn bits(&mut self) -> u32 {
        self.0 =
            self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as u32
    }

    /// A number below `n`, which must not be 0.
    pub fn below(&mut self, n: usize) -> usize {
        self.bits() as usize % n
    }

    /// One of the values.
    pub fn pick<T: Copy>(&mut self, values: &[T]) -> T {
        values[self.below(values.len())]
    }

    /// Bytes of noise.
    pub fn bytes(&mut self, n: usize) -> Vec<u8> {
        (0..n).map(|_| self.bits() as u8).collect()
    }

    /// 8-bit codes.
    pub fn codes(&mut self, n: usize) -> Vec<i8> {
        self.bytes(n).into_iter().map(|b| b as i8).collect()
    }
}
