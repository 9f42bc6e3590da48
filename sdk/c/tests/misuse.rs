//! Wrong calls get a code and a message, and change nothing.

use std::ffi::{CStr, c_char};
use std::thread;

use offshoot_c::*;

mod common;

use common::{
    TINY, all, c, embedding, floats, frame, head, last_error, no, nowhere, open, read, room, sized,
    text, write,
};

/// Asserts that a call failed with a code and words that name what was wrong.
fn refused(status: Status, code: Status, word: &str) {
    assert_eq!(status, code, "{}", last_error());
    assert!(last_error().contains(word), "{word}: {}", last_error());
}

#[test]
fn null_is_no_pointer() {
    let extractor = open(TINY);
    let head = head(extractor, 0, 2, 4);
    let null = Status::NullPointer;
    let mut other = ExtractorHandle { id: 0 };
    refused(offshoot_extractor_open(no(), no(), write(&mut other)), null, "`path`");
    refused(offshoot_extractor_open(text(c"x"), no(), nowhere()), null, "`extractor`");
    refused(offshoot_extractor_open_bytes(no(), 9, no(), write(&mut other)), null, "`bytes`");
    refused(offshoot_extractor_get_info(extractor, nowhere()), null, "`info`");
    refused(offshoot_extractor_verify(extractor, nowhere()), null, "`verification`");
    refused(offshoot_extractor_embed(extractor, no(), nowhere()), null, "`embedding`");
    refused(offshoot_head_new(extractor, 0, 1, 1, nowhere()), null, "`head`");
    refused(offshoot_head_load(no(), extractor, write(&mut head.clone())), null, "`path`");
    refused(offshoot_head_save(head, no()), null, "`path`");
    refused(offshoot_head_encode(head, nowhere(), 9, nowhere()), null, "`out`");
    refused(offshoot_head_add_class(head, no(), nowhere()), null, "`name`");
    refused(offshoot_head_class_named(head, text(c"a"), nowhere()), null, "`class_id`");
    refused(offshoot_head_get_info(head, nowhere()), null, "`info`");
    assert_eq!(offshoot_head_add_class(head, text(c"a"), nowhere()), Status::Ok);
    refused(offshoot_head_get_class(head, 0, nowhere()), null, "`info`");
    refused(offshoot_head_rename_class(head, 0, no()), null, "`name`");
    refused(offshoot_head_add_sample(head, 0, no()), null, "`embedding`");
    refused(offshoot_head_classify(head, no(), nowhere()), null, "`answer`");
    refused(offshoot_head_classify(head, no(), write(&mut sized!(Answer))), null, "`embedding`");
    refused(offshoot_head_probabilities(head, no(), nowhere(), 2, nowhere()), null, "`out`");
    refused(offshoot_head_report(head, nowhere()), null, "`report`");
    refused(offshoot_head_kind_named(no(), nowhere()), null, "`kind`");
    let mut camera = frame(PixelFormat::Rgb8, 8, 8, &[0; 192]);
    camera.pixels = std::ptr::null();
    let mut memory = [0.0; 10];
    let mut out = embedding(&mut memory);
    let status = offshoot_extractor_embed(extractor, read(&camera), write(&mut out));
    refused(status, null, "`frame.pixels`");
    assert_eq!(out.dim, 0, "nothing was written");
    out.values = std::ptr::null_mut();
    let camera = frame(PixelFormat::Rgb8, 8, 8, &[0; 192]);
    let status = offshoot_extractor_embed(extractor, read(&camera), write(&mut out));
    refused(status, null, "`embedding.values`");
}

#[test]
fn sizes_and_numbers_are_checked() {
    let extractor = open(TINY);
    let mut memory = [0.0; 10];
    let mut out = embedding(&mut memory);
    let good = frame(PixelFormat::Rgb8, 8, 8, &[0; 192]);
    let mut embed = |change: fn(&mut Frame), code, word| {
        let mut camera = good;
        change(&mut camera);
        refused(offshoot_extractor_embed(extractor, read(&camera), write(&mut out)), code, word);
    };
    embed(|f| f.size = 0, Status::InvalidSize, "`frame` states a size of 0 bytes");
    embed(|f| f.size -= 1, Status::InvalidSize, "set `size` to sizeof");
    embed(|f| f.size = u32::MAX, Status::InvalidSize, "`frame`");
    embed(|f| f.format = 0, Status::InvalidValue, "pixel format 0");
    embed(|f| f.format = 8, Status::InvalidValue, "pixel format 8");
    embed(|f| f.width = 0, Status::Frame, "0x8 pixels");
    embed(|f| f.height = 12_289, Status::Frame, "12289");
    embed(|f| f.stride = 5, Status::Frame, "stride of 5 bytes");
    embed(|f| f.stride = usize::MAX, Status::Frame, "the frame needs");
    embed(|f| f.bytes = 191, Status::Frame, "needs 192 bytes, the buffer has 191");
    embed(|f| f.bytes = usize::MAX, Status::InvalidValue, "`frame.pixels`");
    embed(|f| f.format = PixelFormat::I420 as u32 | 1 << 31, Status::InvalidValue, "format");
    out.bytes = 9;
    let status = offshoot_extractor_embed(extractor, read(&good), write(&mut out));
    refused(status, Status::BufferTooSmall, "room for 9, 10 required");
    out.size = 1;
    let status = offshoot_extractor_embed(extractor, read(&good), write(&mut out));
    refused(status, Status::InvalidSize, "`embedding`");
    let status = offshoot_extractor_embed_tokens(extractor, all(&[1, 2]), 2, {
        out = embedding(&mut memory);
        write(&mut out)
    });
    refused(status, Status::OtherInput, "the package takes images");
    let status = offshoot_extractor_embed_image(extractor, all(b"no"), 2, write(&mut out));
    refused(status, Status::Image, "not an image");
}

#[test]
fn settings_are_checked() {
    let mut extractor = ExtractorHandle { id: 0 };
    let mut open = |change: fn(&mut Options), code, word| {
        let mut options = sized!(Options);
        change(&mut options);
        let status = offshoot_extractor_open_bytes(
            all(TINY),
            TINY.len(),
            read(&options),
            write(&mut extractor),
        );
        refused(status, code, word);
    };
    open(|o| o.threads = 256, Status::InvalidValue, "`options.threads` is 256");
    open(|o| o.pin = 2, Status::InvalidValue, "`options.pin` is 2");
    open(|o| o.isa = c"abacus".as_ptr(), Status::Isa, "abacus");
    open(|o| o.isa = c"\xff".as_ptr(), Status::InvalidUtf8, "`options.isa`");
    assert_eq!(extractor.id, 0);
    let mut options = sized!(Options);
    options.threads = 2;
    options.isa = c"generic".as_ptr();
    options.no_row_fusion = 1;
    let path = c("../tests/tiny.offshoot");
    let status = offshoot_extractor_open(text(&path), read(&options), write(&mut extractor));
    assert_eq!(status, Status::Ok, "{}", last_error());
    let mut info = sized!(ExtractorInfo);
    assert_eq!(offshoot_extractor_get_info(extractor, write(&mut info)), Status::Ok);
    assert_eq!((info.threads, info.isa[0]), (2, b'g' as c_char));
    let status = offshoot_extractor_open(text(c"absent"), no(), write(&mut extractor));
    refused(status, Status::Io, "absent: ");
}

#[test]
fn embeddings_of_the_caller_are_checked() {
    let extractor = open(TINY);
    let head = head(extractor, 0, 2, 4);
    assert_eq!(offshoot_head_add_class(head, text(c"a"), nowhere()), Status::Ok);
    let values = [1.0; 11];
    let add = |change: fn(&mut Embedding), code, word| {
        let mut given = floats(&values[..10]);
        change(&mut given);
        refused(offshoot_head_add_sample(head, 0, read(&given)), code, word);
    };
    let value = Status::InvalidValue;
    add(|e| e.form = 0, value, "form of an embedding 0");
    add(|e| e.form = 3, value, "form of an embedding 3");
    add(|e| e.dim = 11, Status::BufferTooSmall, "room for 40, 44 required");
    add(|e| e.dim = usize::MAX, Status::BufferTooSmall, "`embedding.values`");
    add(|e| e.dim = 9, Status::WrongLength, "9 dimensions");
    add(|e| e.dim = 0, Status::WrongLength, "0 dimensions");
    add(|e| e.form = 1, value, "scale of an embedding is 0");
    add(|e| (e.form, e.scale, e.zero_point) = (1, 1.0, 128), value, "zero point");
    add(|e| e.values = e.values.wrapping_byte_add(1), value, "aligned to 4 bytes");
    let status = offshoot_head_add_sample(head, 1, read(&floats(&values[..10])));
    refused(status, Status::NoSuchClass, "no class 1, there are 1");
    let mut info = sized!(HeadInfo);
    assert_eq!(offshoot_head_get_info(head, write(&mut info)), Status::Ok);
    assert_eq!((info.classes, info.samples), (1, 0), "nothing was changed");
}

#[test]
fn texts_are_checked() {
    let extractor = open(TINY);
    let head = head(extractor, 0, 2, 4);
    let status = offshoot_head_add_class(head, text(c"\xff\xfe"), nowhere());
    refused(status, Status::InvalidUtf8, "`name` is not UTF-8");
    let mut kind = 77;
    assert_eq!(offshoot_head_kind_named(text(c"ridge"), write(&mut kind)), Status::Ok);
    assert_eq!(kind, HeadKind::Ridge as u32);
    let status = offshoot_head_kind_named(text(c"forest"), write(&mut kind));
    refused(status, Status::HeadKind, "unknown head");
    let mut length = 0;
    let mut out: [c_char; 40] = [1; 40];
    let status = offshoot_extractor_source(extractor, room(&mut out), 1, write(&mut length));
    refused(status, Status::BufferTooSmall, "`out` has room for 1");
    assert!(out == [1; 40] && length > 1);
    let status = offshoot_extractor_source(extractor, room(&mut out), length + 1, nowhere());
    assert_eq!((status, out[length]), (Status::Ok, 0));
}

#[test]
fn handles_of_another_type_are_refused() {
    let extractor = open(TINY);
    let head = head(extractor, 0, 2, 4);
    let swapped = ExtractorHandle { id: head.id };
    refused(offshoot_extractor_close(swapped), Status::InvalidHandle, "no open extractor");
    let swapped = HeadHandle { id: extractor.id };
    refused(offshoot_head_close(swapped), Status::InvalidHandle, "no open head");
    assert_eq!(offshoot_extractor_close(extractor), Status::Ok);
    refused(offshoot_extractor_close(extractor), Status::InvalidHandle, "it was closed");
    assert_eq!(offshoot_head_close(head), Status::Ok, "a head outlives its extractor");
    refused(offshoot_head_close(head), Status::InvalidHandle, "it was closed");
}

#[test]
fn statuses_have_names_and_threads_their_own_messages() {
    // SAFETY: names are texts that stay.
    let name = |status| unsafe { CStr::from_ptr(offshoot_status_name(status)) };
    assert_eq!(name(Status::NotFitted as i32), c"not fitted");
    assert_eq!([name(-1), name(99), name(i32::MIN)], [c"unknown status"; 3]);
    let none = HeadHandle { id: 0 };
    assert_eq!(offshoot_head_close(none), Status::InvalidHandle);
    thread::spawn(|| assert_eq!(last_error(), "")).join().unwrap();
    assert!(!last_error().is_empty());
}

/// Threads that embed, teach, ask and close on the same handles: every call has an answer or a
/// code.
#[test]
fn threads_share_handles() {
    let extractor = open(TINY);
    let heads = [head(extractor, 2, 2, 30), head(extractor, 2, 2, 30)];
    for head in heads {
        for name in [c"a", c"b"] {
            assert_eq!(offshoot_head_add_class(head, text(name), nowhere()), Status::Ok);
        }
    }
    let rounds = 300;
    let work = |thread: usize| {
        let mut memory = [0.0; 10];
        let mut failures = Vec::new();
        for round in 0..rounds {
            let pixels = [(40 * thread + round) as u8; 192];
            let camera = frame(PixelFormat::Rgb8, 8, 8, &pixels);
            let mut out = embedding(&mut memory);
            let mut statuses = vec![
                offshoot_extractor_embed(extractor, read(&camera), write(&mut out)),
                // Towards each other, so that a lock in the wrong order would show.
                offshoot_head_merge(heads[thread % 2], heads[(thread + 1) % 2]),
                offshoot_head_fit(heads[round % 2], nowhere()),
            ];
            if statuses[0] == Status::Ok {
                let head = heads[round % 2];
                statuses.extend([
                    offshoot_head_add_sample(head, (round % 2) as u32, read(&out)),
                    offshoot_head_classify(head, read(&out), write(&mut sized!(Answer))),
                    offshoot_head_undo(head, nowhere()),
                    offshoot_head_undo(head, nowhere()),
                ]);
            }
            if thread == 0 && round == rounds / 2 {
                statuses.push(offshoot_extractor_close(extractor));
                statuses.push(offshoot_head_close(heads[1]));
            }
            failures.extend(statuses.into_iter().filter(|&status| status != Status::Ok));
        }
        failures
    };
    let failures: Vec<Status> = thread::scope(|scope| {
        let threads: Vec<_> = (0..4).map(|thread| scope.spawn(move || work(thread))).collect();
        threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect()
    });
    let expected = [
        Status::InvalidHandle,
        Status::NotFitted,
        Status::NothingTaught,
        Status::NoSuchSample,
        Status::Full,
    ];
    assert!(failures.contains(&Status::InvalidHandle));
    assert!(failures.iter().all(|status| expected.contains(status)), "{failures:?}");
}
