//! Class activation maps: what the parts of an image add up to is what the head decides by.

use offshoot::{Embedding, Error, Extractor, Frame, Head, HeadKind, Limits, Options};
use offshoot_core::graph::Window;

mod common;

use common::net::{Net, every_operation, mobile_net, window};
use common::random::Random;

/// A small network that ends in the mean of a map.
fn mean_net(layer_after: bool, unit_length: bool) -> Vec<u8> {
    let mut net = Net::new(48, 2);
    net.unit_length = unit_length;
    let stem = net.conv("stem", Net::INPUT, window(3, 2, 1), 1, 8);
    let wide = net.conv("wide", stem, Window::POINT, 1, 32);
    let seen = net.conv("seen", wide, window(3, 2, 1), 32, 32);
    let map = net.conv("map", seen, Window::POINT, 1, 40);
    let mean = net.mean("mean", map);
    let flat = net.flatten("flat", mean);
    let embedding = if layer_after { net.dense("layer", flat, 24) } else { flat };
    net.package(embedding, 1)
}

fn images(n: usize, side: usize) -> Vec<Vec<u8>> {
    let mut random = Random(9);
    // From dark to light.
    let shade = |i: usize, byte: u8| (usize::from(byte) * (i + 1) / n) as u8;
    let mut image =
        |i| random.bytes(3 * side * side).into_iter().map(|byte| shade(i, byte)).collect();
    (0..n).map(&mut image).collect()
}

/// Three classes of random images.
fn taught(kind: HeadKind, extractor: &mut Extractor, images: &[Vec<u8>], side: u32) -> Head {
    let mut head = Head::new(kind, extractor, Limits { classes: 4, samples: 20 }).unwrap();
    teach(&mut head, extractor, images, side);
    head
}

fn teach(head: &mut Head, extractor: &mut Extractor, images: &[Vec<u8>], side: u32) {
    let classes = ["a", "b", "c"].map(|name| head.add_class(name).unwrap());
    for (i, pixels) in images.iter().enumerate() {
        let frame = Frame::rgb(side, side, pixels).unwrap();
        head.add_sample(classes[i % 3], extractor.embed(&frame).unwrap()).unwrap();
    }
    head.fit().unwrap();
}

#[test]
fn parts_add_up_to_the_decision() -> Result<(), Error> {
    // Of length 1, a layer's bias is another share of each embedding, so that nothing would be
    // constant.
    let cases = [
        (true, false, false),
        (false, false, false),
        (true, true, false),
        (true, false, true),
        (false, false, true),
    ];
    for (chains, layer_after, unit_length) in cases {
        let options = Options::new().row_fusion(chains);
        let mut extractor =
            Extractor::from_bytes_with(mean_net(layer_after, unit_length), &options)?;
        let all = images(12, 48);
        for kind in [HeadKind::NearestMean, HeadKind::Ridge, HeadKind::Softmax] {
            let head = taught(kind, &mut extractor, &all, 48);
            let class = head.class_at(1).unwrap();
            let mut pairs = Vec::new();
            for pixels in &all {
                let frame = Frame::rgb(48, 48, pixels).unwrap();
                let x: Vec<f32> = extractor.embed(&frame)?.iter().collect();
                let found =
                    extractor.activations(&head, class)?.expect("the network ends in a mean");
                assert_eq!(found.values.len(), found.width * found.height);
                assert!(found.values.len() > 1, "a map, not a point");
                let mut want = 0.0;
                let mut parts = vec![0.0; x.len()];
                for other in [0, 2] {
                    let other = head.class_at(other).unwrap();
                    head.contributions(Embedding::Float(&x), class, other, &mut parts)?;
                    want += parts.iter().sum::<f32>() / 2.0;
                }
                let gain = head.linear()?.gain(x.iter().map(|x| x * x).sum::<f32>().sqrt());
                pairs.push((found.values.iter().sum::<f32>() / gain, want / gain));
            }
            let mean =
                |f: fn(&(f32, f32)) -> f32| pairs.iter().map(f).sum::<f32>() / pairs.len() as f32;
            // The bias of a layer after the pool is the same for all images.
            let constant = if layer_after { mean(|pair| pair.1 - pair.0) } else { 0.0 };
            let middle = mean(|pair| pair.1);
            let off: f32 = pairs.iter().map(|(sum, want)| (want - sum - constant).abs()).sum();
            let spread: f32 = pairs.iter().map(|(_, want)| (want - middle).abs()).sum();
            // Embeddings are rounded to codes; a layer of random weights rounds coarsely.
            let allowed = if layer_after { 0.4 } else { 0.2 };
            assert!(
                off < allowed * spread,
                "{kind}, {layer_after}, {unit_length}: off by {off} of {spread}"
            );
        }
    }
    Ok(())
}

/// A network that joins the mean of an early map with that of the last one.
fn joined_net() -> Vec<u8> {
    let mut net = Net::new(48, 2);
    let stem = net.conv("stem", Net::INPUT, window(3, 2, 1), 1, 16);
    let early = net.mean("early", stem);
    let seen = net.conv("seen", stem, window(3, 2, 1), 16, 16);
    let map = net.conv("map", seen, Window::POINT, 1, 40);
    let mean = net.mean("mean", map);
    let joined = net.concat("joined", &[early, mean]);
    net.parts = [0u16, 16].into_iter().flat_map(u16::to_le_bytes).collect();
    net.package(joined, 1)
}

#[test]
fn of_several_parts_the_last_one_is_shown() -> Result<(), Error> {
    let mut extractor = Extractor::from_bytes(joined_net())?;
    assert_eq!((extractor.parts().dim(), extractor.parts().last()), (56, 40));
    let all = images(12, 48);
    let limits = Limits { classes: 4, samples: 20 };
    for reads_all in [false, true] {
        let kind = HeadKind::NearestMean;
        let mut head = match reads_all {
            false => Head::new(kind, &extractor, limits)?,
            true => Head::for_embeddings(kind, 56, extractor.id(), limits)?,
        };
        teach(&mut head, &mut extractor, &all, 48);
        assert_eq!(head.reads_all()?, reads_all);
        let class = head.class_at(1).unwrap();
        let mut pairs = Vec::new();
        for pixels in &all {
            let x: Vec<f32> =
                extractor.embed(&Frame::rgb(48, 48, pixels).unwrap())?.iter().collect();
            let found = extractor.activations(&head, class)?.expect("it ends in a mean");
            let mut want = 0.0;
            let mut parts = vec![0.0; x.len()];
            for other in [0, 2] {
                let other = head.class_at(other).unwrap();
                head.contributions(Embedding::Float(&x), class, other, &mut parts)?;
                want += parts[16..].iter().sum::<f32>() / 2.0;
            }
            let first = head.linear()?.first;
            assert_eq!(first, if reads_all { 0 } else { 16 });
            let gain = head.linear()?.gain(x[first..].iter().map(|x| x * x).sum::<f32>().sqrt());
            pairs.push((found.values.iter().sum::<f32>() / gain, want / gain));
        }
        let mean = |f: fn(&(f32, f32)) -> f32| pairs.iter().map(f).sum::<f32>() / 12.0;
        // The zero points of the parts differ by the same for all images.
        let constant = mean(|pair| pair.1 - pair.0);
        let off: f32 = pairs.iter().map(|(sum, want)| (want - sum - constant).abs()).sum();
        let spread: f32 = pairs.iter().map(|(_, want)| (want - mean(|pair| pair.1)).abs()).sum();
        assert!(off < 0.2 * spread, "{reads_all}: off by {off} of {spread}");
    }
    Ok(())
}

#[test]
fn no_map_and_no_weights_are_told() {
    let all = images(6, 8);
    let mut extractor = Extractor::from_bytes(every_operation()).unwrap();
    let head = taught(HeadKind::Ridge, &mut extractor, &all, 8);
    let class = head.class_at(0).unwrap();
    assert_eq!(
        extractor.activations(&head, class).unwrap(),
        None,
        "its embedding is a convolution's"
    );
    let other = Extractor::from_bytes(mobile_net()).unwrap();
    assert!(other.activations(&head, class).is_err(), "a head of another package");
    let mut extractor = other;
    let all = images(6, 48);
    let head = taught(HeadKind::Ridge, &mut extractor, &all, 48);
    assert_eq!(extractor.activations(&head, class).unwrap(), None, "its pool scales what it sums");
    let mut extractor = Extractor::from_bytes(mean_net(false, false)).unwrap();
    let all = images(6, 48);
    let knn = taught(HeadKind::Knn, &mut extractor, &all, 48);
    assert!(extractor.activations(&knn, class).unwrap_err().to_string().contains("no weights"));
    let mut ridge = taught(HeadKind::Ridge, &mut extractor, &all, 48);
    let empty = ridge.add_class("empty").unwrap();
    ridge.fit().unwrap();
    assert!(
        extractor.activations(&ridge, empty).is_err(),
        "nothing speaks for what was not taught"
    );
}
