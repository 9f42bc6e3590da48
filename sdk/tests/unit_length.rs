//! Packages whose embeddings are brought to length 1: the same codes, another scale, the same
//! everywhere.

use offshoot::{Embedding, Extractor, Frame, Head, HeadKind, Isa, Limits, Options};
use offshoot_core::Package;
use offshoot_core::graph::Window;

mod common;

use common::net::{Net, window};
use common::random::Random;

fn net(unit_length: bool) -> Vec<u8> {
    let mut net = Net::new(48, 2);
    net.unit_length = unit_length;
    let stem = net.conv("stem", Net::INPUT, window(3, 2, 1), 1, 8);
    let map = net.conv("map", stem, Window::POINT, 1, 40);
    let mean = net.mean("mean", map);
    let embedding = net.flatten("flat", mean);
    net.package(embedding, 2)
}

/// Codes, and the bits of their scale.
fn embed(extractor: &mut Extractor, pixels: &[u8]) -> (Vec<i8>, u32) {
    match extractor.embed(&Frame::rgb(60, 52, pixels).unwrap()).unwrap() {
        Embedding::Int8 { codes, quant } => (codes.to_vec(), quant.scale.get().to_bits()),
        Embedding::Float(_) => panic!("an int8 package"),
    }
}

#[test]
fn codes_stay_and_the_length_is_1() {
    let plain = net(false);
    let unit = net(true);
    assert_eq!(unit.len(), plain.len(), "a byte of the manifest, within its padding");
    let opened = Package::open(&unit).unwrap();
    assert!(
        opened.manifest().extras.unit_length
            && !Package::open(&plain).unwrap().manifest().extras.unit_length
    );
    let mut plain = Extractor::from_bytes(plain).unwrap();
    assert_ne!(plain.id(), opened.manifest().id, "heads are of one or the other");
    let images: Vec<Vec<u8>> = (0..4).map(|seed| Random(seed).bytes(3 * 60 * 52)).collect();
    let generic = Options::new().isa(Isa::GENERIC);
    let mut reference = Extractor::from_bytes_with(unit.clone(), &generic).unwrap();
    let digest = reference.verify().unwrap().digest;
    for pixels in &images {
        let (codes, scale) = embed(&mut reference, pixels);
        assert_eq!(codes, embed(&mut plain, pixels).0);
        let frame = Frame::rgb(60, 52, pixels).unwrap();
        let long: Vec<f32> = plain.embed(&frame).unwrap().iter().collect();
        let length = long.iter().map(|x| x * x).sum::<f32>().sqrt();
        let short: Vec<f32> = reference.embed(&frame).unwrap().iter().collect();
        assert!((short.iter().map(|x| x * x).sum::<f32>() - 1.0).abs() < 1e-5);
        assert!(long.iter().zip(&short).all(|(l, s)| (l / length - s).abs() < 1e-6));
        for isa in Isa::available() {
            let options = Options::new().isa(isa).threads(2.try_into().unwrap());
            let mut other = Extractor::from_bytes_with(unit.clone(), &options).unwrap();
            assert_eq!(embed(&mut other, pixels), (codes.clone(), scale), "{}", isa.name());
            assert_eq!(other.verify().unwrap().digest, digest, "{}", isa.name());
        }
    }
}

#[test]
fn heads_are_taught_and_asked_with_it() {
    let mut extractor = Extractor::from_bytes(net(true)).unwrap();
    let mut head =
        Head::new(HeadKind::Ridge, &extractor, Limits { classes: 2, samples: 8 }).unwrap();
    let classes = ["dark", "light"].map(|name| head.add_class(name).unwrap());
    let image = |i: usize| {
        let shade = |byte: u8| if i.is_multiple_of(2) { byte / 8 } else { 255 - byte / 8 };
        Random(i as u64).bytes(3 * 60 * 52).into_iter().map(shade).collect::<Vec<u8>>()
    };
    for i in 0..8 {
        let embedding = extractor.embed(&Frame::rgb(60, 52, &image(i)).unwrap()).unwrap();
        head.add_sample(classes[i % 2], embedding).unwrap();
    }
    head.fit().unwrap();
    for i in 8..12 {
        let embedding = extractor.embed(&Frame::rgb(60, 52, &image(i)).unwrap()).unwrap();
        assert_eq!(head.classify(embedding).unwrap().class(), classes[i % 2]);
    }
    let plain = Extractor::from_bytes(net(false)).unwrap();
    assert_ne!(head.package_id(), plain.id());
}
