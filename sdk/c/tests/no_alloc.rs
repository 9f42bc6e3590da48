//! After a package is open and a head made, embedding, teaching and asking take no memory, nor do
//! their failures.

use offshoot_c::*;

mod common;
#[path = "../../tests/common/counting.rs"]
#[allow(dead_code, reason = "a part is used")]
mod counting;

use common::{embedding, frame, head, nowhere, open, read, room, sized, text, write};
use counting::{Counting, Counts, counted};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const TIMES: usize = 1000;

#[test]
fn embedding_teaching_and_asking() {
    counting::prove_live();
    let package = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/sprout/sprout.offshoot");
    let extractor = open(&std::fs::read(package).unwrap());
    let mut info = sized!(ExtractorInfo);
    assert_eq!(offshoot_extractor_get_info(extractor, write(&mut info)), Status::Ok);
    let mut memory = vec![0.0; info.dim];
    let pixels: Vec<u8> = (0..3 * 64 * 48).map(|i| (i * 7 % 251) as u8).collect();
    let camera = frame(PixelFormat::Rgb8, 64, 48, &pixels);
    for kind in 0..6 {
        let head = head(extractor, kind, 2, 12);
        let (counts, known) = counted(|| {
            for name in [c"mug", c"plant"] {
                assert_eq!(offshoot_head_add_class(head, text(name), nowhere()), Status::Ok);
            }
            let mut known = 0;
            // A network of this size takes its time without optimization.
            for i in 0..20 {
                known += lesson(extractor, head, &camera, &mut memory, i);
            }
            known
        });
        assert_eq!(counts, Counts::NONE, "kind {kind}");
        assert!(known <= 20);
        assert_eq!(offshoot_head_close(head), Status::Ok);
    }
}

fn lesson(
    extractor: ExtractorHandle,
    head: HeadHandle,
    camera: &Frame,
    memory: &mut [f32],
    i: usize,
) -> u32 {
    let mut out = embedding(memory);
    assert_eq!(offshoot_extractor_embed(extractor, read(camera), write(&mut out)), Status::Ok);
    assert_eq!(offshoot_head_add_sample(head, (i % 2) as u32, read(&out)), Status::Ok);
    assert_eq!(offshoot_head_fit(head, nowhere()), Status::Ok);
    let mut answer = sized!(Answer);
    assert_eq!(offshoot_head_classify(head, read(&out), write(&mut answer)), Status::Ok);
    let mut probabilities = [0.0; 2];
    let probabilities = room(&mut probabilities);
    let status =
        offshoot_head_probabilities(head, read(&out), probabilities, 2, write(&mut answer));
    assert_eq!(status, Status::Ok);
    answer.known
}

#[test]
fn failures() {
    counting::prove_live();
    let extractor = open(common::TINY);
    let head = head(extractor, 0, 1, 1);
    let mut memory = [0.0; 10];
    let camera = frame(PixelFormat::Rgb8, 8, 8, &[0; 10]);
    let (counts, ()) = counted(|| {
        for _ in 0..TIMES {
            let mut out = embedding(&mut memory);
            let status = offshoot_extractor_embed(extractor, read(&camera), write(&mut out));
            assert_eq!(status, Status::Frame);
            let closed = HeadHandle { id: head.id + 1 };
            assert_eq!(offshoot_head_undo(closed, nowhere()), Status::InvalidHandle);
            assert_eq!(offshoot_head_undo(head, nowhere()), Status::NoSuchSample);
            assert_eq!(offshoot_head_add_sample(head, 0, read(&out)), Status::NoSuchClass);
            let mut answer = sized!(Answer);
            out = common::floats(&[1.0; 10]);
            let status = offshoot_head_classify(head, read(&out), write(&mut answer));
            assert_eq!(status, Status::NothingTaught);
        }
    });
    assert_eq!(counts, Counts::NONE);
}

/// Lessons, undo and detections on cells, good frames and signals; and their failures.
#[test]
fn places_and_signals() {
    counting::prove_live();
    let eyes = open(include_bytes!("../../tests/tiny-cells.offshoot"));
    let sensing = open(include_bytes!("../../tests/tiny-signals.offshoot"));
    let mut head = SpatialHandle { id: 0 };
    let mut good = GoodHandle { id: 0 };
    assert_eq!(offshoot_spatial_head_new(eyes, 2, write(&mut head)), Status::Ok);
    assert_eq!(offshoot_good_head_new(eyes, 1, write(&mut good)), Status::Ok);
    let pixels: Vec<u8> = (0..3 * 32 * 32).map(|i| (i * 7 % 251) as u8).collect();
    let camera = frame(PixelFormat::Rgb8, 32, 32, &pixels);
    let mut memory = vec![0.0; 2048];
    let samples = [7_i16; 3 * 16];
    let mut signal = sized!(Signal);
    signal.form = SampleForm::Int16 as u32;
    signal.samples = samples.as_ptr().cast();
    signal.count = samples.len();
    signal.channels = 3;
    let (counts, found) = counted(|| {
        let status = offshoot_spatial_head_add_class(head, text(c"thing"), nowhere());
        assert_eq!(status, Status::Ok);
        let mut found = 0;
        for _ in 0..20 {
            let mut out = embedding(&mut memory);
            found += look(eyes, head, good, &camera, &mut out);
            let status = offshoot_extractor_embed_signal(sensing, read(&signal), write(&mut out));
            assert_eq!(status, Status::Ok);
            let status = offshoot_spatial_head_teach(head, read(&out), common::no(), 0);
            assert_eq!(status, Status::WrongLength);
        }
        found
    });
    assert_eq!(counts, Counts::NONE);
    assert!(found >= 20);
}

/// Teaches a frame, asks about it, and takes the lesson back.
fn look(
    extractor: ExtractorHandle,
    head: SpatialHandle,
    good: GoodHandle,
    camera: &Frame,
    out: &mut Embedding,
) -> usize {
    let mark = Mark { class_id: 0, left: 0.1, top: 0.3, width: 0.3, height: 0.3 };
    let mut found =
        [Detection { class_id: 0, score: 0.0, x: 0.0, y: 0.0, width: 0.0, height: 0.0 }];
    let mut count = 0;
    let mut unusual = sized!(Unusual);
    assert_eq!(offshoot_extractor_embed(extractor, read(camera), write(out)), Status::Ok);
    for _ in 0..2 {
        assert_eq!(offshoot_spatial_head_teach(head, read(out), read(&mark), 1), Status::Ok);
        assert_eq!(offshoot_good_head_teach(good, read(out)), Status::Ok);
    }
    assert_eq!(offshoot_spatial_head_fit(head), Status::Ok);
    assert_eq!(offshoot_good_head_fit(good), Status::Ok);
    let detections = room(&mut found);
    let status = offshoot_spatial_head_find(head, read(out), detections, 1, write(&mut count));
    assert_eq!(status, Status::Ok);
    let status = offshoot_good_head_look(good, read(out), write(&mut unusual), nowhere(), 0);
    assert_eq!(status, Status::Ok);
    assert_eq!(offshoot_spatial_head_undo(head), Status::Ok);
    assert_eq!(offshoot_good_head_undo(good), Status::Ok);
    count
}
