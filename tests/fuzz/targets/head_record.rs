//! Bytes that claim to be a head, with their length and checksum made right: an error, or a head
//! that answers and is written as it was read.

#![no_main]

use offshoot_core::Embedding;
use offshoot_core::head::{Head, MAGIC, Record, VERSION};

/// Words of the largest head that is made.
const MOST_WORDS: usize = 1 << 20;

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = Record::open(bytes);
    let mut record = MAGIC.to_vec();
    record.extend(VERSION.to_le_bytes());
    record.extend(bytes.get(..2).unwrap_or(&[5, 35]));
    record.extend(((bytes.len().max(2) + 18) as u32).to_le_bytes());
    record.extend(bytes.get(2..).unwrap_or_default());
    record.extend(crc32fast::hash(&record).to_le_bytes());
    let Ok(opened) = Record::open(&record) else { return };
    let words =
        opened.limits().words(opened.kind(), opened.dim()).expect("checked when it was opened");
    if words > MOST_WORDS {
        return;
    }
    let memory = vec![0xaaaa_aaaa; words].into_boxed_slice();
    let Ok(mut head) = Head::decode(&record, None, memory) else { return };
    let mut written = vec![0; head.encoded_len()];
    head.encode(&mut written).expect("as long as it says");
    assert_eq!(written, record);
    let dim = head.dim();
    let _ = head.fit();
    if let Ok(answer) = head.classify(Embedding::Float(&vec![1.0; dim])) {
        assert!((0.0..=1.0).contains(&answer.confidence().get()), "{answer:?}");
    }
});
