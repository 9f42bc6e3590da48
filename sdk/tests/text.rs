//! Tokens in, embeddings out, through the facade.

#![cfg(feature = "tract")]

use offshoot::{ErrorKind, Extractor, Frame, Tokens};
use offshoot_core::tokens::{Pooling, TokensError};

mod common;

use common::words::{Words, words};

fn extractor(pooling: Pooling) -> Extractor {
    let tokens = Tokens { pooling, ..words().tokens };
    Extractor::from_bytes(Words { tokens, ..words() }.written().unwrap()).unwrap()
}

#[test]
fn every_pooling_is_what_it_says() {
    for (pooling, one, three) in [
        (Pooling::Mean, [8.0, 9.0], [4.0, 5.0]),
        (Pooling::First, [8.0, 9.0], [8.0, 9.0]),
        (Pooling::Last, [8.0, 9.0], [2.0, 3.0]),
    ] {
        let mut extractor = extractor(pooling);
        assert_eq!((extractor.token_limit(), extractor.embedding_dim()), (Some(3), 2));
        for _ in 0..2 {
            assert!(extractor.embed_tokens(&[4]).unwrap().iter().eq(one), "{pooling:?}");
            let got: Vec<f32> = extractor.embed_tokens(&[4, 1, 1]).unwrap().iter().collect();
            assert!(
                got.iter().zip(three).all(|(g, w)| (g - w).abs() < 1e-5),
                "{pooling:?}: {got:?}"
            );
        }
    }
}

#[test]
fn floats_are_brought_to_length_1() {
    let golden = (vec![2, 1], [0.6, 0.8]);
    let one = Words { unit_length: true, golden, ..words() };
    let mut extractor = Extractor::from_bytes(one.written().unwrap()).unwrap();
    // Rows 2 3 and 4 5 of which the mean is 3 4.
    assert!(extractor.embed_tokens(&[1, 2]).unwrap().iter().eq([0.6, 0.8]));
    assert!(extractor.embed_tokens(&[0, 0]).unwrap().iter().eq([0.0, 1.0]));
    let verified = extractor.verify().unwrap();
    assert!(verified.is_ok() && verified.vectors == 1);
    assert_ne!(extractor.id(), self::extractor(Pooling::Mean).id());
}

#[test]
fn golden_texts_are_run() {
    let verified = extractor(Pooling::Mean).verify().unwrap();
    assert!(verified.is_ok() && verified.vectors == 1);
    let wrong = Words { golden: (vec![4, 0], [4.0, 6.0]), ..words() };
    let verified = Extractor::from_bytes(wrong.written().unwrap()).unwrap().verify().unwrap();
    assert_eq!((verified.vectors, verified.passed), (1, 0));
}

#[test]
fn what_does_not_fit_is_refused() {
    let mut text = extractor(Pooling::Mean);
    let mut kind = |ids: &[u32]| match text.embed_tokens(ids).unwrap_err().kind() {
        ErrorKind::Tokens(error) => *error,
        other => panic!("{other:?}"),
    };
    assert_eq!(kind(&[]), TokensError::Count { found: 0, most: 3 });
    assert_eq!(kind(&[0; 4]), TokensError::Count { found: 4, most: 3 });
    assert_eq!(kind(&[0, 5]), TokensError::Id { at: 1, id: 5, vocabulary: 5 });
    let pixels = [0; 12];
    let error = text.embed(&Frame::rgb(2, 2, &pixels).unwrap()).unwrap_err();
    assert_eq!(error.to_string(), "the package takes the tokens of a text");
    let mut images = Extractor::open("tests/tiny.offshoot").unwrap();
    assert_eq!(images.embed_tokens(&[0]).unwrap_err().to_string(), "the package takes images");
    assert_eq!(images.token_limit(), None);
}
