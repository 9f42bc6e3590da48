//! Extracting by several threads takes no memory either, on none of them. One test, because the
//! allocator's calls are counted for the whole process.

use offshoot::{Extractor, Frame, Options};

mod common;

use common::counting::{Counting, calls_of_all_threads, prove_live};
use common::net::mobile_net;

#[global_allocator]
static ALLOCATOR: Counting = Counting;

#[test]
fn extracting_by_a_team() {
    prove_live();
    let (calls, length) = calls_of_all_threads(|| {
        std::thread::spawn(|| std::hint::black_box(vec![1u8; 100]).len())
            .join()
            .expect("it does not panic")
    });
    assert!(calls > 2 && length == 100, "a thread's allocations are counted: {calls}");

    let options = Options::new().threads(2.try_into().unwrap());
    let mut extractor = Extractor::from_bytes_with(mobile_net(), &options).unwrap();
    let pixels: Vec<u8> = (0..3 * 64 * 48u32).map(|i| (i * i) as u8).collect();
    let frame = Frame::rgb(64, 48, &pixels).unwrap();
    // The first extraction is when the threads come up.
    let first: Vec<f32> = extractor.embed(&frame).unwrap().iter().collect();
    let (calls, sum) = calls_of_all_threads(|| {
        (0..1000).map(|_| extractor.embed(&frame).unwrap().get(3).unwrap()).sum::<f32>()
    });
    assert_eq!(calls, 0);
    assert!(
        (sum - 1000.0 * first[3]).abs() <= 1e-3 * sum.abs().max(1.0),
        "{sum}, one is {}",
        first[3]
    );
}
