//! CRC-32 (IEEE 802.3) of what is stored: by `crc32fast`, whose tables take 16 kB, or with the
//! feature `small` by one of 1 kB.

#[cfg(not(feature = "small"))]
pub(crate) use crc32fast::Hasher;

#[cfg(any(feature = "small", test))]
#[cfg_attr(not(feature = "small"), allow(dead_code))]
mod table {
    /// Polynomial, lowest bit first.
    const POLYNOMIAL: u32 = 0xedb8_8320;

    const TABLE: [u32; 256] = table();

    const fn table() -> [u32; 256] {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let mut rest = byte as u32;
            let mut bit = 0;
            while bit < 8 {
                rest = (rest >> 1) ^ (POLYNOMIAL * (rest & 1));
                bit += 1;
            }
            table[byte] = rest;
            byte += 1;
        }
        table
    }

    /// Checksum of bytes in several pieces.
    pub(crate) struct Hasher(u32);

    impl Hasher {
        pub(crate) fn new() -> Self {
            Self(u32::MAX)
        }

        pub(crate) fn update(&mut self, bytes: &[u8]) {
            self.0 = bytes
                .iter()
                .fold(self.0, |rest, &byte| rest >> 8 ^ TABLE[usize::from(rest as u8 ^ byte)]);
        }

        pub(crate) fn finalize(self) -> u32 {
            !self.0
        }
    }
}
#[cfg(feature = "small")]
pub(crate) use table::Hasher;

#[cfg(test)]
mod tests {
    use super::table;

    #[test]
    fn the_table_gives_what_crc32fast_gives() {
        let bytes: [u8; 300] = core::array::from_fn(|i| (i * i + 7 * i) as u8);
        for (start, end) in
            (0..20).flat_map(|start| (start..300).step_by(7).map(move |end| (start, end)))
        {
            let mut hasher = table::Hasher::new();
            let part = &bytes[start..end];
            let (head, tail) = part.split_at(part.len() / 3);
            hasher.update(head);
            hasher.update(tail);
            assert_eq!(hasher.finalize(), crc32fast::hash(part), "{start}..{end}");
        }
        let mut check = table::Hasher::new();
        check.update(b"123456789");
        assert_eq!(check.finalize(), 0xcbf4_3926);
    }
}
