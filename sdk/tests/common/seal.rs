//! The package's outer structure written a second time, from `sdk/docs/format.md` and not from
//! the code under test, so that a changed section gets right checksums again.

/// Bytes of the header, and of one entry of the table behind it.
pub const HEADER: usize = 32;
/// Bytes of one entry of the section table.
pub const ENTRY: usize = 32;
/// Sections: manifest, graph, weights, golden vectors.
pub const SECTIONS: usize = 4;
/// Offset of the checksum of header and table.
pub const TABLE_CHECKSUM: usize = HEADER - 4;

/// CRC-32 (IEEE), a bit at a time through a table of nibbles.
pub fn crc32(parts: &[&[u8]]) -> u32 {
    let nibble =
        |n: u32| (0..4).fold(n, |c, _| if c & 1 == 1 { (c >> 1) ^ 0xedb8_8320 } else { c >> 1 });
    let table: [u32; 16] = std::array::from_fn(|n| nibble(n as u32));
    let step = |crc: u32, n: u32| (crc >> 4) ^ table[((crc ^ n) & 15) as usize];
    let byte = |crc: u32, b: &u8| step(step(crc, u32::from(*b)), u32::from(*b >> 4));
    !parts.iter().flat_map(|part| part.iter()).fold(!0, byte)
}

/// Offset of a section's entry.
pub fn entry(section: usize) -> usize {
    HEADER + ENTRY * section
}

/// A number of 4 bytes in a file.
pub fn u32_at(file: &[u8], at: usize) -> u32 {
    u32::from_le_bytes(file[at..at + 4].try_into().unwrap())
}

/// A number of 8 bytes in a file.
pub fn u64_at(file: &[u8], at: usize) -> u64 {
    u64::from_le_bytes(file[at..at + 8].try_into().unwrap())
}

/// Puts bytes into a file.
pub fn put(file: &mut [u8], at: usize, bytes: &[u8]) {
    file[at..at + bytes.len()].copy_from_slice(bytes);
}

/// The sections of a file that is in order.
pub fn sections(file: &[u8]) -> [Vec<u8>; SECTIONS] {
    std::array::from_fn(|i| {
        let offset = u64_at(file, entry(i) + 8) as usize;
        let len = u64_at(file, entry(i) + 16) as usize;
        file[offset..offset + len].to_vec()
    })
}

/// A file of these sections, every length, offset and checksum right.
pub fn seal(sections: &[Vec<u8>; SECTIONS]) -> Vec<u8> {
    let mut file = b"OFFSHOOT\x01\0\0\0\x04\0\0\0".to_vec();
    file.resize(HEADER + ENTRY * SECTIONS, 0);
    for (i, section) in sections.iter().enumerate() {
        file.resize(file.len().next_multiple_of(64), 0);
        let offset = file.len() as u64;
        put(&mut file, entry(i), &(i as u32 + 1).to_le_bytes());
        put(&mut file, entry(i) + 8, &offset.to_le_bytes());
        put(&mut file, entry(i) + 16, &(section.len() as u64).to_le_bytes());
        put(&mut file, entry(i) + 24, &crc32(&[section]).to_le_bytes());
        file.extend_from_slice(section);
    }
    let total = file.len() as u64;
    put(&mut file, 16, &total.to_le_bytes());
    seal_table(&mut file);
    file
}

/// Makes the checksum of header and table right again.
pub fn seal_table(file: &mut [u8]) {
    let crc = crc32(&[&file[..TABLE_CHECKSUM], &file[HEADER..HEADER + ENTRY * SECTIONS]]);
    put(file, TABLE_CHECKSUM, &crc.to_le_bytes());
}
