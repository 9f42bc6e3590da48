//! Embeddings and answers are those of the facade, to the bit.

use offshoot::{Extractor, Frame, Head, HeadKind, Limits};
use offshoot_c::{
    Answer, Embedding, EmbeddingForm, ExtractorInfo, PixelFormat, SensorInfo, Status,
    TuningOptions, TuningVerdict, Verification, offshoot_extractor_activations,
    offshoot_extractor_embed, offshoot_extractor_embed_image, offshoot_extractor_embed_map,
    offshoot_extractor_embed_samples, offshoot_extractor_embed_window, offshoot_extractor_finetune,
    offshoot_extractor_get_info, offshoot_extractor_get_sensor, offshoot_extractor_keep_maps,
    offshoot_extractor_map, offshoot_extractor_set_tail, offshoot_extractor_verify,
    offshoot_head_add_class, offshoot_head_add_sample, offshoot_head_fit, offshoot_head_get_sample,
    offshoot_head_probabilities,
};

mod common;
#[path = "../../tests/common/random.rs"]
#[allow(dead_code, reason = "a part is used")]
mod random;

use common::{all, embed, embedding, last_error, no, nowhere, open, read, room, sized, write};
use random::Random;

const SPROUT: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/sprout/sprout.offshoot");

const FORMATS: [(PixelFormat, offshoot::PixelFormat); 7] = [
    (PixelFormat::Rgb8, offshoot::PixelFormat::Rgb8),
    (PixelFormat::Bgr8, offshoot::PixelFormat::Bgr8),
    (PixelFormat::Gray8, offshoot::PixelFormat::Gray8),
    (PixelFormat::Rgb565, offshoot::PixelFormat::Rgb565),
    (PixelFormat::Yuyv, offshoot::PixelFormat::Yuyv),
    (PixelFormat::Nv12, offshoot::PixelFormat::Nv12),
    (PixelFormat::I420, offshoot::PixelFormat::I420),
];

/// Values, form and quantization of an embedding of the facade.
fn assert_same(ours: &Embedding, facade: offshoot::Embedding<'_>) {
    assert_eq!(common::bytes(ours), facade.bytes().collect::<Vec<u8>>());
    assert_eq!(ours.dim, facade.len());
    if let offshoot::Embedding::Int8 { quant, .. } = facade {
        assert_eq!(ours.form, EmbeddingForm::Int8 as u32);
        assert_eq!(ours.scale.to_bits(), quant.scale.get().to_bits());
        assert_eq!(ours.zero_point, i32::from(quant.zero_point));
    }
}

#[test]
fn every_pixel_format_with_and_without_gaps() {
    let mut facade = Extractor::open(SPROUT).unwrap();
    let ours = open(&std::fs::read(SPROUT).unwrap());
    let mut random = Random(3);
    let mut memory = vec![0.0; facade.embedding_dim()];
    for (format, of_facade) in FORMATS {
        for (width, height, gap) in [(64, 48, 0), (64, 48, 6), (2, 2, 0), (130, 70, 64)] {
            let stride = width as usize * of_facade.bytes() + gap;
            let pixels = random.bytes(stride * height as usize * 2);
            let mut frame = common::frame(format, width, height, &pixels);
            frame.stride = if gap == 0 { 0 } else { stride };
            let found = embed(ours, &frame, &mut memory);
            let frame = Frame::with_stride(width, height, stride, of_facade, &pixels).unwrap();
            assert_same(&found, facade.embed(&frame).unwrap());
        }
    }
}

#[test]
fn images_in_memory() {
    let mut facade = Extractor::open(SPROUT).unwrap();
    let ours = open(&std::fs::read(SPROUT).unwrap());
    let pixels = Random(4).bytes(3 * 40 * 30);
    let file = [b"P6 40 30 255\n".as_slice(), &pixels].concat();
    let mut memory = vec![0.0; facade.embedding_dim()];
    let mut found = embedding(&mut memory);
    let status = offshoot_extractor_embed_image(ours, all(&file), file.len(), write(&mut found));
    assert_eq!(status, Status::Ok, "{}", last_error());
    assert_same(&found, facade.embed(&Frame::rgb(40, 30, &pixels).unwrap()).unwrap());
}

#[test]
fn sound_of_windows_and_clips() {
    let speech = concat!(env!("CARGO_MANIFEST_DIR"), "/../../models/speech/speech.offshoot");
    let mut facade = Extractor::open(speech).unwrap();
    let ours = open(&std::fs::read(speech).unwrap());
    let mut sensor = sized!(SensorInfo);
    assert_eq!(offshoot_extractor_get_sensor(ours, write(&mut sensor)), Status::Ok);
    assert_eq!((sensor.channels, sensor.is_sound, sensor.rate), (1, 1, 16_000.0));
    assert_eq!(Some(sensor.places), facade.window_samples());
    let mut random = Random(6);
    let samples: Vec<i16> = (0..20_000).map(|_| random.bits() as i16 >> 3).collect();
    let mut memory = vec![0.0; facade.embedding_dim()];
    let mut found = embedding(&mut memory);
    let window = &samples[..sensor.places];
    let status =
        offshoot_extractor_embed_window(ours, all(window), window.len(), write(&mut found));
    assert_eq!(status, Status::Ok, "{}", last_error());
    assert_same(&found, facade.embed_window(window).unwrap());
    found = embedding(&mut memory);
    let status =
        offshoot_extractor_embed_samples(ours, all(&samples), samples.len(), write(&mut found));
    assert_eq!(status, Status::Ok, "{}", last_error());
    assert_same(&found, facade.embed_samples(&samples).unwrap());
    let status = offshoot_extractor_embed_samples(ours, all(&samples), 0, write(&mut found));
    assert_eq!(status, Status::Signal, "{}", last_error());
}

#[test]
fn properties_and_golden_vectors() {
    let mut facade = Extractor::open(SPROUT).unwrap();
    let ours = open(&std::fs::read(SPROUT).unwrap());
    let mut info = sized!(ExtractorInfo);
    assert_eq!(offshoot_extractor_get_info(ours, write(&mut info)), Status::Ok);
    assert_eq!(info.package_id, *facade.id().as_bytes());
    assert_eq!(info.dim, facade.embedding_dim());
    assert_eq!(info.embedding_bytes, info.dim);
    let isa: Vec<u8> = info.isa.iter().map(|&b| b as u8).take_while(|&b| b != 0).collect();
    assert_eq!(isa, facade.isa().unwrap().name().as_bytes());
    let memory = facade.memory();
    let found = [info.arena_bytes, info.live_set_bytes, info.packed_bytes, info.package_bytes];
    assert_eq!(found, [memory.arena, memory.live_set, memory.packed, memory.package]);
    let mut verified = sized!(Verification);
    assert_eq!(offshoot_extractor_verify(ours, write(&mut verified)), Status::Ok);
    let want = facade.verify().unwrap();
    assert!(verified.is_ok == 1 && verified.vectors > 0);
    assert_eq!((verified.vectors, verified.digest), (want.vectors, want.digest));
}

/// Maps, the tail that they tune, and the tuned network's embeddings.
#[test]
fn tails_and_tuned_embeddings() {
    let mut facade = Extractor::open(SPROUT).unwrap();
    let ours = open(&std::fs::read(SPROUT).unwrap());
    let mut memory = vec![0.0; facade.embedding_dim()];
    let mut map = vec![0i8; facade.map_len().unwrap()];
    let mut length = 0;
    let none = offshoot_extractor_map(ours, room(&mut map), map.len(), nowhere());
    assert_eq!(none, Status::InvalidValue, "no map is kept");
    assert_eq!(offshoot_extractor_keep_maps(ours), Status::Ok);
    let mut kept = offshoot::Maps::new(&mut facade, 2).unwrap();
    let images: Vec<Vec<u8>> = (0..12u64)
        .map(|i| Random(i).bytes(3 * 256).iter().map(|b| b / 2 + 100 * (i % 2) as u8).collect())
        .collect();
    let mut maps = Vec::new();
    let mut owners = Vec::new();
    for (i, pixels) in images.iter().enumerate() {
        let frame = common::frame(PixelFormat::Rgb8, 16, 16, pixels);
        let _ = embed(ours, &frame, &mut memory);
        let short = offshoot_extractor_map(ours, room(&mut map), 3, write(&mut length));
        assert_eq!((short, length), (Status::BufferTooSmall, map.len()));
        let status = offshoot_extractor_map(ours, room(&mut map), map.len(), nowhere());
        assert_eq!(status, Status::Ok, "{}", last_error());
        kept.add_frame(i % 2, &mut facade, &Frame::rgb(16, 16, pixels).unwrap()).unwrap();
        assert_eq!(kept.iter().last().unwrap().1, map);
        maps.extend_from_slice(&map);
        owners.push((i % 2) as u16);
    }
    let mut options = sized!(TuningOptions);
    (options.epochs, options.force) = (2, 1);
    let mut verdict = sized!(TuningVerdict);
    let mut out = Vec::new();
    let mut tune = |out: &mut Vec<u8>, options: &TuningOptions, length: &mut usize| {
        offshoot_extractor_finetune(
            ours,
            all(&maps),
            all(&owners),
            owners.len(),
            read(options),
            write(&mut verdict),
            room(out),
            out.len(),
            write(length),
        )
    };
    assert_eq!(tune(&mut out, &options, &mut length), Status::BufferTooSmall);
    out.resize(length, 0);
    assert_eq!(tune(&mut out, &options, &mut length), Status::Ok, "{}", last_error());
    assert_eq!(length, out.len());
    let tuning = offshoot::Tuning {
        epochs: Some(2),
        least_t: f32::NEG_INFINITY,
        ..offshoot::Tuning::default()
    };
    let want = kept.finetune(&facade, &tuning, |_| {}).unwrap();
    let tail = want.tail.unwrap();
    assert_eq!(out, tail.bytes());
    options.folds = 11;
    assert_eq!(tune(&mut out, &options, &mut length), Status::InvalidValue);
    let evidence = want.verdict.evidence().unwrap();
    assert_eq!((verdict.is_kept, verdict.least, verdict.samples), (1, 0, 12));
    assert_eq!(verdict.t.to_bits(), evidence.t.to_bits());
    assert_eq!(verdict.wrong_before, u32::from(evidence.wrong_before));
    let status = offshoot_extractor_set_tail(ours, all(&out), out.len());
    assert_eq!(status, Status::Ok, "{}", last_error());
    facade.set_tail(Some(&tail)).unwrap();
    let mut info = sized!(ExtractorInfo);
    assert_eq!(offshoot_extractor_get_info(ours, write(&mut info)), Status::Ok);
    assert_eq!(info.package_id, *tail.id().as_bytes());
    for pixels in &images {
        let frame = common::frame(PixelFormat::Rgb8, 16, 16, pixels);
        let found = embed(ours, &frame, &mut memory);
        assert_same(&found, facade.embed(&Frame::rgb(16, 16, pixels).unwrap()).unwrap());
    }
    let mut found = embedding(&mut memory);
    let status = offshoot_extractor_embed_map(ours, all(&maps), map.len(), write(&mut found));
    assert_eq!(status, Status::Ok, "{}", last_error());
    assert_same(&found, facade.embed_map(&maps[..map.len()]).unwrap());
    out[200] ^= 1;
    let damaged = offshoot_extractor_set_tail(ours, all(&out), out.len());
    assert_eq!(damaged, Status::TailDamaged, "{}", last_error());
    assert_eq!(offshoot_extractor_set_tail(ours, no(), 0), Status::Ok);
    facade.set_tail(None).unwrap();
    let frame = common::frame(PixelFormat::Rgb8, 16, 16, &images[0]);
    let found = embed(ours, &frame, &mut memory);
    assert_same(&found, facade.embed(&Frame::rgb(16, 16, &images[0]).unwrap()).unwrap());
}

/// Answers of all kinds of heads on embeddings of sprout, and the maps of their decisions.
#[test]
fn answers_and_maps() {
    let mut facade = Extractor::open(SPROUT).unwrap();
    let ours = open(&std::fs::read(SPROUT).unwrap());
    let mut random = Random(5);
    let shades: Vec<Vec<u8>> = (0..24u8)
        .map(|i| random.bytes(3 * 256).iter().map(|b| b / 4 + 60 * (i % 3)).collect())
        .collect();
    let mut memory = vec![0.0; facade.embedding_dim()];
    for kind in HeadKind::ALL {
        let limits = Limits { classes: 3, samples: 20 };
        let mut want = Head::new(kind, &facade, limits).unwrap();
        let head = common::head(ours, kind as u32, 3, 20);
        for name in ["a", "b", "c"] {
            want.add_class(name).unwrap();
            let name = common::c(name);
            let status = offshoot_head_add_class(head, common::text(&name), nowhere());
            assert_eq!(status, Status::Ok);
        }
        for (i, pixels) in shades.iter().enumerate() {
            let frame = common::frame(PixelFormat::Rgb8, 16, 16, pixels);
            let found = embed(ours, &frame, &mut memory);
            let status = offshoot_head_add_sample(head, i as u32 % 3, read(&found));
            assert_eq!(status, Status::Ok, "{}", last_error());
            let class = want.class_at(i % 3).unwrap();
            let embedding = facade.embed(&Frame::rgb(16, 16, pixels).unwrap()).unwrap();
            want.add_sample(class, embedding).unwrap();
        }
        want.fit().unwrap();
        assert_eq!(offshoot_head_fit(head, nowhere()), Status::Ok);
        for pixels in &shades {
            let frame = common::frame(PixelFormat::Rgb8, 16, 16, pixels);
            let found = embed(ours, &frame, &mut memory);
            let mut out = [0.0; 3];
            let mut answer = sized!(Answer);
            let status = offshoot_head_probabilities(
                head,
                read(&found),
                room(&mut out),
                3,
                write(&mut answer),
            );
            assert_eq!(status, Status::Ok, "{}", last_error());
            let embedding = facade.embed(&Frame::rgb(16, 16, pixels).unwrap()).unwrap();
            let mut probabilities = [0.0; 3];
            let want_answer = want.probabilities(embedding, &mut probabilities).unwrap();
            assert_eq!(out.map(f32::to_bits), probabilities.map(f32::to_bits), "{kind}");
            assert_eq!(answer.known == 1, want_answer.known().is_some());
            assert_eq!(answer.class_id as usize, want_answer.class().index());
            assert_eq!(answer.confidence, want_answer.confidence().get());
            assert_eq!(answer.margin, want_answer.margin());
        }
        let mut map = vec![0.0; 4096];
        let mut width = 0;
        let mut height = 0;
        let status = offshoot_extractor_activations(
            ours,
            head,
            1,
            room(&mut map),
            4096,
            write(&mut width),
            write(&mut height),
        );
        match facade.activations(&want, want.class_at(1).unwrap()) {
            Ok(Some(want)) => {
                assert_eq!(status, Status::Ok, "{}", last_error());
                assert_eq!((width, height), (want.width, want.height));
                assert_eq!(map[..want.values.len()], want.values);
            }
            Ok(None) => assert_eq!(status, Status::NoMap),
            Err(error) => assert!(status != Status::Ok && last_error() == error.to_string()),
        }
        let mut kept = embedding(&mut memory);
        let mut class = 9;
        let status = offshoot_head_get_sample(head, 4, write(&mut class), write(&mut kept));
        assert_eq!(status, Status::Ok, "{}", last_error());
        let sample = want.samples().nth(4).unwrap();
        assert_eq!(class as usize, sample.0.index());
        assert_same(&kept, sample.1);
    }
    let mut found = embedding(&mut memory);
    assert_eq!(offshoot_extractor_embed(ours, no(), write(&mut found)), Status::NullPointer);
}
