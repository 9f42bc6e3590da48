//! Shapes of feature maps: height, width, channels; one image at a time.

use serde::{Deserialize, Serialize};

use crate::limits;

/// Height, width and channels of a feature map stored row by row, channels innermost (NHWC, N = 1).
///
/// Every dimension is at least 1 and the product is within [`limits::ELEMENTS`]. A vector of `n`
/// values is `1 x 1 x n`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "(u32, u32, u32)", into = "(u32, u32, u32)")]
pub struct Shape {
    h: u32,
    w: u32,
    c: u32,
}

impl Shape {
    /// Checks the dimensions and their product against [`limits`]; `None` if they exceed them.
    #[must_use]
    pub const fn new(h: u32, w: u32, c: u32) -> Option<Self> {
        if h == 0 || w == 0 || c == 0 || h > limits::DIM || w > limits::DIM || c > limits::DIM {
            return None;
        }
        // Three 16-bit factors cannot overflow 64 bits.
        let fits = h as u64 * w as u64 * c as u64 <= limits::ELEMENTS as u64;
        if fits { Some(Self { h, w, c }) } else { None }
    }

    /// Returns the shape of a vector of `n` values.
    #[must_use]
    pub fn vector(n: u32) -> Option<Self> {
        Self::new(1, 1, n)
    }

    /// Returns true if there is one pixel.
    #[must_use]
    pub fn is_vector(self) -> bool {
        self.h() == 1 && self.w() == 1
    }

    /// Number of rows.
    #[must_use]
    pub fn h(self) -> usize {
        self.h as usize
    }

    /// Number of columns.
    #[must_use]
    pub fn w(self) -> usize {
        self.w as usize
    }

    /// Number of channels.
    #[must_use]
    pub fn c(self) -> usize {
        self.c as usize
    }

    /// Returns rows, columns and channels.
    #[must_use]
    pub fn dims(self) -> [usize; 3] {
        [self.h(), self.w(), self.c()]
    }

    /// Number of values in a row.
    #[must_use]
    pub fn row_elements(self) -> usize {
        self.w() * self.c()
    }

    /// Number of values in the feature map.
    #[must_use]
    pub fn elements(self) -> usize {
        self.h() * self.row_elements()
    }
}

impl TryFrom<(u32, u32, u32)> for Shape {
    type Error = &'static str;

    fn try_from((h, w, c): (u32, u32, u32)) -> Result<Self, Self::Error> {
        Self::new(h, w, c).ok_or("a dimension is zero or too large")
    }
}

impl From<Shape> for (u32, u32, u32) {
    fn from(s: Shape) -> Self {
        (s.h, s.w, s.c)
    }
}

impl core::fmt::Display for Shape {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "{}x{}x{}", self.h, self.w, self.c)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn product_is_checked() {
        assert!(Shape::new(0, 1, 1).is_none());
        assert!(Shape::new(65_535, 65_535, 65_535).is_none());
        assert!(Shape::new(65_536, 1, 1).is_none());
        assert_eq!(Shape::new(16_384, 16_384, 1).unwrap().elements(), limits::ELEMENTS);
        assert!(Shape::new(16_384, 16_385, 1).is_none());
        assert_eq!(Shape::vector(1280).unwrap().elements(), 1280);
    }
}
