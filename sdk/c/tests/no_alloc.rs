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
