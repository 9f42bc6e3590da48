//! Lessons in a file: others' files stay as they are.

use std::fs;

use offshoot::{Extractor, Head, HeadKind, Limits};
use offshoot_device::Memory;

fn extractor() -> Extractor {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/sprout/sprout.offshoot");
    Extractor::open(path).unwrap()
}

/// A file of another kind is refused and not overwritten, also when it is as long as a memory would
/// be.
#[test]
fn a_foreign_file_is_left_as_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let extractor = extractor();
    let limits = Limits { classes: 2, samples: 4 };
    let own = folder.path().join("own");
    let (mut memory, head) = Memory::open(&own, &extractor, limits).unwrap();
    assert!(head.is_none());
    let empty = Head::new(HeadKind::Auto, &extractor, limits).unwrap();
    memory.save(&empty).unwrap();
    drop(memory);
    assert!(Memory::open(&own, &extractor, limits).unwrap().1.is_some());

    let size = fs::metadata(&own).unwrap().len() as usize;
    let text: Vec<u8> = b"dear diary\n".iter().copied().cycle().take(size).collect();
    for bytes in [&text[..], &text[..100], b""] {
        let path = folder.path().join("diary.txt");
        fs::write(&path, bytes).unwrap();
        let error = Memory::open(&path, &extractor, limits).unwrap_err();
        assert_eq!(fs::read(&path).unwrap(), bytes, "{error}");
        assert!(
            error.to_string().contains("diary.txt")
                && error.to_string().contains("name another file")
        );
        assert_eq!(
            error.to_string().contains("no memory of lessons"),
            bytes.len() == size,
            "{error}"
        );
    }
}
