//! Class activation maps: what the parts of a picture add up to is what the head decides by.

use offshoot::{Embedding, Error, Extractor, Frame, Head, HeadKind, Limits, Options};
use offshoot_core::graph::Window;

mod common;

use common::net::{Net, every_operation, mobile_net, window};
use common::random::Random;

/// A small network that ends in the mean of a map.
fn mean_net() -> Vec<u8> {
    let mut net = Net::new(48, 2);
    let stem = net.conv("stem", Net::INPUT, window(3, 2, 1), 1, 8);
    let wide = net.conv("wide", stem, Window::POINT, 1, 32);
    let seen = net.conv("seen", wide, window(3, 2, 1), 32, 32);
    let map = net.conv("map", seen, Window::POINT, 1, 40);
    let mean = net.mean("mean", map);
    let embedding = net.flatten("flat", mean);
    net.package(embedding, 1)
}

fn pictures(n: usize, side: usize) -> Vec<Vec<u8>> {
    let mut random = Random(9);
    (0..n).map(|_| random.bytes(3 * side * side)).collect()
}

/// Three classes of random pictures.
fn taught(kind: HeadKind, eyes: &mut Extractor, pictures: &[Vec<u8>], side: u32) -> Head {
    let mut head = Head::new(kind, eyes, Limits { classes: 4, samples: 20 }).unwrap();
    let classes = ["a", "b", "c"].map(|name| head.add_class(name).unwrap());
    for (i, pixels) in pictures.iter().enumerate() {
        let frame = Frame::rgb(side, side, pixels).unwrap();
        head.add_sample(classes[i % 3], eyes.embed(&frame).unwrap()).unwrap();
    }
    head
}

#[test]
fn parts_add_up_to_the_decision() -> Result<(), Error> {
    for chains in [true, false] {
        let options = Options { chains, ..Options::default() };
        let mut eyes = Extractor::from_bytes_with(mean_net(), &options)?;
        let all = pictures(12, 48);
        for kind in [HeadKind::NearestMean, HeadKind::Ridge, HeadKind::Softmax] {
            let mut head = taught(kind, &mut eyes, &all, 48);
            let (mut off, mut all_in_all) = (0.0, 0.0);
            for pixels in &all {
                let frame = Frame::rgb(48, 48, pixels).unwrap();
                let embedding = eyes.embed(&frame)?;
                let Embedding::Int8 { quant, .. } = embedding else { panic!("{embedding:?}") };
                let x: Vec<f32> = embedding.iter().collect();
                let class = head.class_at(1).unwrap();
                let found = eyes.activations(&mut head, class)?.expect("the network ends in a mean");
                assert_eq!(found.values.len(), found.width * found.height);
                assert!(found.values.len() > 1, "a map, not a point");
                let mut want = 0.0;
                let mut parts = vec![0.0; x.len()];
                for other in [0, 2] {
                    let other = head.class_at(other).unwrap();
                    head.contributions(Embedding::Float(&x), class, other, &mut parts)?;
                    want += parts.iter().sum::<f32>() / 2.0;
                }
                let sum: f32 = found.values.iter().sum();
                // The embedding is the mean of the map but for half a step a value.
                let linear = head.linear()?;
                let mut row = vec![0.0; x.len()];
                linear.against_others(class, &mut row)?;
                let length = x.iter().map(|x| x * x).sum::<f32>().sqrt();
                let weights: f32 = row.iter().map(|w| w.abs()).sum();
                let allowed = 1e-4 + 0.51 * linear.gain(length).abs() * quant.scale.get() * weights;
                assert!((sum - want).abs() <= allowed, "{kind}: {sum} instead of {want}, {allowed} allowed");
                off += (sum - want).abs();
                all_in_all += want.abs();
            }
            assert!(off < 0.3 * all_in_all, "{kind}: off by {off} of {all_in_all}");
        }
    }
    Ok(())
}

#[test]
fn no_map_and_no_weights_are_told() {
    let all = pictures(6, 8);
    let mut eyes = Extractor::from_bytes(every_operation()).unwrap();
    let mut head = taught(HeadKind::Ridge, &mut eyes, &all, 8);
    let class = head.class_at(0).unwrap();
    assert_eq!(eyes.activations(&mut head, class).unwrap(), None, "its embedding is a convolution's");
    let other = Extractor::from_bytes(mobile_net()).unwrap();
    assert!(other.activations(&mut head, class).is_err(), "a head of another package");
    let mut eyes = other;
    let all = pictures(6, 48);
    let mut head = taught(HeadKind::Ridge, &mut eyes, &all, 48);
    assert_eq!(eyes.activations(&mut head, class).unwrap(), None, "its pool scales what it sums");
    let mut eyes = Extractor::from_bytes(mean_net()).unwrap();
    let all = pictures(6, 48);
    let mut knn = taught(HeadKind::Knn, &mut eyes, &all, 48);
    assert!(eyes.activations(&mut knn, class).unwrap_err().to_string().contains("no weights"));
    let mut ridge = taught(HeadKind::Ridge, &mut eyes, &all, 48);
    let empty = ridge.add_class("empty").unwrap();
    assert!(eyes.activations(&mut ridge, empty).is_err(), "nothing speaks for what was not taught");
}
