//! After the first of each, extracting, teaching and asking take no memory and give none back.

use std::hint::black_box;

use offshoot::{
    CellMap, CellsLayout, Detection, Extractor, Frame, Head, HeadKind, Limits, Mark, Neighbours,
    SpatialHead, SpatialLimits, WhenFull,
};

mod common;

use common::counting::{self, Counting, Counts, counted};
use common::net::{Net, every_operation, mobile_net, window};
use common::random::Random;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

const TIMES: usize = 1000;

/// Images of several sizes, as cameras deliver them.
fn images() -> Vec<(u32, u32, Vec<u8>)> {
    let mut random = Random(11);
    [(48, 48), (64, 48), (37, 90), (1, 1), (160, 120)]
        .map(|(w, h)| (w, h, random.bytes(3 * (w * h) as usize)))
        .into()
}

fn frame((width, height, rgb): &(u32, u32, Vec<u8>)) -> Frame<'_> {
    Frame::rgb(*width, *height, rgb).unwrap()
}

#[test]
fn extracting() {
    counting::prove_live();
    let mut extractor = Extractor::from_bytes(mobile_net()).unwrap();
    let images = images();
    let first: Vec<f32> = extractor.embed(&frame(&images[0])).unwrap().iter().collect();
    assert!(first.iter().any(|&v| v != first[0]), "the network says nothing: {first:?}");
    let (counts, sum) = counted(|| {
        let embed =
            |i| extractor.embed(&frame(&images[i % images.len()])).unwrap().get(i % 64).unwrap();
        (0..TIMES).map(embed).sum::<f32>()
    });
    assert_eq!(counts, Counts::NONE);
    assert!(sum.is_finite());
    let again: Vec<f32> = extractor.embed(&frame(&images[0])).unwrap().iter().collect();
    assert_eq!(again, first, "what was seen before leaves no trace");
}

/// One lesson: a sample more, a fit, answers, and the sample taken back.
fn lesson(head: &mut Head, extractor: &mut Extractor, image: &Frame<'_>, out: &mut [f32]) -> usize {
    let embedding = extractor.embed(image).unwrap();
    let class = head.class_named("mug").unwrap();
    head.add_sample(class, embedding).unwrap();
    let fit = head.fit().unwrap();
    let answer = head.probabilities(embedding, out).unwrap();
    let class = head.classify(embedding).unwrap().class();
    assert_eq!(class, answer.class());
    assert!(head.class_name(class).is_some() && fit.gradient_norm.is_finite());
    head.undo().unwrap();
    head.fit().unwrap();
    black_box(head.classify(embedding).unwrap()).class().index()
}

#[test]
fn teaching_and_asking() {
    counting::prove_live();
    let mut extractor = Extractor::from_bytes(every_operation()).unwrap();
    let images = images();
    for kind in HeadKind::ALL {
        let mut head = Head::new(kind, &extractor, Limits { classes: 4, samples: 24 }).unwrap();
        let mut out = [0.0; 4];
        let (counts, ()) = counted(|| {
            for name in ["mug", "plant", "key"] {
                let class = head.add_class(name).unwrap();
                for image in &images {
                    head.add_sample(class, extractor.embed(&frame(image)).unwrap()).unwrap();
                }
            }
        });
        assert_eq!(counts, Counts::NONE, "{kind}: even the first lesson has its memory reserved");
        lesson(&mut head, &mut extractor, &frame(&images[0]), &mut out);
        let (counts, sum) = counted(|| {
            let one =
                |i: usize| lesson(&mut head, &mut extractor, &frame(&images[i % 5]), &mut out);
            (0..TIMES).map(one).sum::<usize>()
        });
        assert_eq!(counts, Counts::NONE, "{kind}");
        assert!(sum <= 2 * TIMES && head.sample_count() == 15, "{kind}");
    }
}

/// A package with one map of 16 x 16 cells.
fn cells() -> Vec<u8> {
    let mut net = Net::new(32, 3);
    let map = net.conv("map", Net::INPUT, window(3, 2, 1), 1, 8);
    let own = CellMap { height: 16, width: 16, channels: 8, stride: [2; 2], offset: [1; 2] };
    let layout = CellsLayout::new(&[own], Neighbours::ThreeAndSeven, [32, 32], 0).unwrap();
    net.cells_package(&layout, map).unwrap()
}

/// Lessons, undo and detections of a head of cells.
#[test]
fn finding() {
    counting::prove_live();
    let mut extractor = Extractor::from_bytes(cells()).unwrap();
    let images = images();
    let mut head = SpatialHead::new(&extractor, SpatialLimits { classes: 2 }).unwrap();
    let (counts, ()) = counted(|| {
        let thing = head.add_class("thing").unwrap();
        for (i, image) in images.iter().enumerate() {
            let cells = extractor.cells(&frame(image)).unwrap();
            let mark = Mark::boxed(thing, [0.1 * i as f32, 0.3, 0.3, 0.3]);
            head.teach(&cells, &[mark]).unwrap();
            head.fit().unwrap();
        }
    });
    assert_eq!(counts, Counts::NONE, "even the first lesson has its memory reserved");
    let (counts, sum) = counted(|| {
        let one = |i: usize| {
            let cells = extractor.cells(&frame(&images[i % 5])).unwrap();
            if i.is_multiple_of(50) {
                head.teach(&cells, &[]).unwrap();
                assert!(head.undo());
                head.fit().unwrap();
            }
            let mut found = [Detection::NONE; 8];
            let candidates = head.candidates(&cells, &mut found).unwrap().len();
            candidates + head.find(&cells).unwrap().len()
        };
        (0..TIMES).map(one).sum::<usize>()
    });
    assert_eq!(counts, Counts::NONE);
    assert!(sum > 0 && head.lessons() == 5);
}

/// Changing one's mind, reporting, choosing what to keep and merging.
#[test]
fn editing_and_reporting() {
    counting::prove_live();
    let mut extractor = Extractor::from_bytes(every_operation()).unwrap();
    let images = images();
    for kind in HeadKind::ALL {
        let limits = Limits { classes: 4, samples: 12 };
        let mut head = Head::new(kind, &extractor, limits).unwrap();
        let mut other = Head::new(kind, &extractor, Limits { classes: 4, samples: 24 }).unwrap();
        let mut out = vec![0.0; head.dim()];
        let (counts, advice) = counted(|| {
            let classes = ["mug", "plant", "key"].map(|name| head.add_class(name).unwrap());
            for i in 0..30 {
                let embedding = extractor.embed(&frame(&images[i % 5])).unwrap();
                head.add_sample(classes[i % 3], embedding).unwrap();
            }
            head.remove_sample(3).unwrap();
            head.undo().unwrap();
            head.rename_class(classes[1], "cactus").unwrap();
            head.fit().unwrap();
            let report = head.report().unwrap();
            let advice = report.advice().count() + report.confusion(classes[0], classes[1]);
            let finite = report.calibration_error().is_some_and(f32::is_finite);
            let embedding = extractor.embed(&frame(&images[0])).unwrap();
            head.similarity(embedding).unwrap();
            let linear = head.chosen().unwrap().kind.is_linear();
            assert_eq!(
                head.contributions(embedding, classes[0], classes[1], &mut out).is_ok(),
                linear
            );
            other.merge(&head).unwrap();
            head.remove_class(classes[0]).unwrap();
            head.fit().unwrap();
            usize::from(finite) + advice
        });
        assert_eq!(counts, Counts::NONE, "{kind}");
        assert!(advice > 1 && other.sample_count() == 10, "{kind}");
    }
}

/// Refusals take no memory either.
#[test]
fn refusing() {
    counting::prove_live();
    let mut extractor = Extractor::from_bytes(mobile_net()).unwrap();
    let mut head =
        Head::new(HeadKind::Softmax, &extractor, Limits { classes: 1, samples: 1 }).unwrap();
    head.set_when_full(WhenFull::Refuse);
    let images = images();
    let embedding = extractor.embed(&frame(&images[0])).unwrap();
    let (counts, refused) = counted(|| {
        let nothing_taught = head.fit().is_err() && head.classify(embedding).is_err();
        let class = head.add_class("mug").unwrap();
        head.add_sample(class, embedding).unwrap();
        let full = head.add_sample(class, embedding).is_err() && head.add_class("pen").is_err();
        let not_fitted = head.classify(embedding).is_err();
        head.fit().unwrap();
        let short = head.probabilities(embedding, &mut []).is_err();
        [nothing_taught, full, not_fitted, short]
    });
    assert_eq!((counts, refused), (Counts::NONE, [true; 4]));
}
