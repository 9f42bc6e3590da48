//! Bytes that claim to be a tuned tail, with their length and checksum made right: an error, or a
//! tail whose parts can be read.

#![no_main]

use offshoot_core::tail::Delta;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = Delta::open(bytes);
    let mut file = b"OFFSTAIL\x01\0".to_vec();
    file.extend(bytes.get(..2).unwrap_or(&[0, 3]));
    file.extend(((bytes.len().max(2) + 18) as u32).to_le_bytes());
    file.extend(bytes.get(2..).unwrap_or_default());
    file.extend(crc32fast::hash(&file).to_le_bytes());
    let Ok(delta) = Delta::open(&file) else { return };
    let words: usize =
        delta.biases().len() + delta.goldens().map(|(m, e)| m.len() + e.len()).sum::<usize>();
    assert!(words <= file.len() && delta.recorded().evidence.samples > 0);
    assert_ne!(delta.id(), delta.package_id());
});
