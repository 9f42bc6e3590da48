//! Texts through packages that the engine runs on floats of a fixed order: without tract-core, and
//! without memory.

use std::num::NonZeroU8;

use offshoot::{ErrorKind, Extractor, Frame, Isa, Options, Tokens};
use offshoot_core::tokens::{Pooling, TokensError};

mod common;

use common::counting::{self, Counting, Counts, counted};
use common::words::{Words, words};

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn ordered() -> Words {
    Words { ordered: true, ..words() }
}

fn extractor(pooling: Pooling) -> Extractor {
    let tokens = Tokens { pooling, ..words().tokens };
    Extractor::from_bytes(Words { tokens, ..ordered() }.written().unwrap()).unwrap()
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
        assert!(extractor.isa().is_some() && extractor.memory().arena > 0);
        for _ in 0..2 {
            assert!(extractor.embed_tokens(&[4]).unwrap().iter().eq(one), "{pooling:?}");
            let got: Vec<f32> = extractor.embed_tokens(&[4, 1, 1]).unwrap().iter().collect();
            let near = got.iter().zip(three).all(|(g, w)| (g - w).abs() < 1e-5);
            assert!(near, "{pooling:?}: {got:?}");
        }
    }
}

#[test]
fn floats_are_brought_to_length_1() {
    let golden = (vec![2, 1], [0.6, 0.8]);
    let one = Words { unit_length: true, golden, ..ordered() };
    let mut extractor = Extractor::from_bytes(one.written().unwrap()).unwrap();
    assert!(extractor.embed_tokens(&[1, 2]).unwrap().iter().eq([0.6, 0.8]));
    assert!(extractor.verify().unwrap().is_ok());
}

#[test]
fn golden_texts_must_give_the_same_bits() {
    let verified = extractor(Pooling::Mean).verify().unwrap();
    assert!(verified.is_ok() && verified.vectors == 1);
    let near = Words { golden: (vec![4, 0], [4.0, 5.000_001]), ..ordered() };
    let verified = Extractor::from_bytes(near.written().unwrap()).unwrap().verify().unwrap();
    assert_eq!((verified.vectors, verified.passed), (1, 0));
}

#[test]
fn digests_are_those_of_every_instruction_set() {
    let bytes = ordered().written().unwrap();
    let digest = |isa| {
        let options = Options::new().isa(isa);
        let mut extractor = Extractor::from_bytes_with(bytes.clone(), &options).unwrap();
        extractor.verify().unwrap().digest
    };
    assert!(Isa::available().all(|isa| digest(isa) == digest(Isa::GENERIC)));
}

/// A text computed at its own length has the bits of one with padding, whatever text came before.
#[test]
fn texts_at_their_own_length_have_the_bits_of_padded_ones() {
    let file = |own_length| Words { own_length, ..ordered() }.written().unwrap();
    for threads in [1, 2] {
        let options = Options::new().threads(NonZeroU8::new(threads).unwrap());
        let [mut padded, mut own] =
            [false, true].map(|own| Extractor::from_bytes_with(file(own), &options).unwrap());
        for ids in [&[4u32, 1, 3][..], &[4], &[2, 0], &[4, 1, 3], &[0]] {
            let wanted: Vec<u8> = padded.embed_tokens(ids).unwrap().bytes().collect();
            assert!(own.embed_tokens(ids).unwrap().bytes().eq(wanted), "{ids:?}");
        }
        assert_eq!(own.token_limit(), Some(3));
        assert!(own.embed_tokens(&[0; 4]).is_err() && own.embed_tokens(&[]).is_err());
        assert!(own.verify().unwrap().is_ok());
    }
}

#[test]
fn texts_take_no_memory() {
    counting::prove_live();
    for (unit_length, own_length) in [(false, false), (true, false), (false, true), (true, true)] {
        let golden = (vec![2, 1], [0.6, 0.8]);
        let one = Words { unit_length, own_length, golden, ..ordered() };
        let mut extractor = Extractor::from_bytes(one.written().unwrap()).unwrap();
        let (counts, sum) = counted(|| {
            let texts: [&[u32]; 3] = [&[4], &[1, 2, 3], &[0, 0]];
            let embed = |at: usize| {
                extractor.embed_tokens(texts[at % 3]).unwrap().get(0).unwrap_or_default()
            };
            (0..100).map(embed).sum::<f32>()
        });
        assert_eq!(counts, Counts::NONE);
        assert!(sum.is_finite() && sum > 0.0);
    }
}

#[test]
fn other_inputs_are_refused() {
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
}
