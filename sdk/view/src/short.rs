//! Short texts formatted without an allocator and without `core::fmt`.

/// Text of a few ASCII characters.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Short {
    bytes: [u8; Self::ROOM],
    length: usize,
}

impl Short {
    /// Capacity: two numbers of ten digits and a sign between them.
    const ROOM: usize = 21;

    fn empty() -> Self {
        Self { bytes: [0; Self::ROOM], length: 0 }
    }

    fn with(mut self, byte: u8) -> Self {
        if let Some(place) = self.bytes.get_mut(self.length) {
            *place = byte;
            self.length += 1;
        }
        self
    }

    fn with_number(self, number: u32) -> Self {
        let start = if number < 10 { self } else { self.with_number(number / 10) };
        start.with(b'0' + (number % 10) as u8)
    }

    pub fn number(number: u32) -> Self {
        Self::empty().with_number(number)
    }

    pub fn fraction(count: u32, goal: u32) -> Self {
        Self::number(count).with(b'/').with_number(goal)
    }

    /// Formats a share in `0..=1` as whole percent.
    pub fn percent(share: f32) -> Self {
        Self::number((share * 100.0 + 0.5) as u32).with(b'%')
    }

    pub fn as_str(&self) -> &str {
        // Only ASCII is ever pushed.
        core::str::from_utf8(&self.bytes[..self.length]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_read_as_written() {
        assert_eq!(Short::number(0).as_str(), "0");
        assert_eq!(Short::fraction(3, 15).as_str(), "3/15");
        assert_eq!(Short::percent(0.996).as_str(), "100%");
        assert_eq!(Short::percent(0.004).as_str(), "0%");
        assert_eq!(Short::fraction(u32::MAX, u32::MAX).as_str(), "4294967295/4294967295");
    }
}
