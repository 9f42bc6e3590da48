//! A package with cells, and a camera over a table of squares.

use offshoot::{CellMap, CellsLayout, Extractor, Neighbours};
use offshoot_device::{CapturedFrame, FrameSource, SourceError};

#[path = "../../../../sdk/tests/common/mod.rs"]
pub mod sdk;

use sdk::net::{Net, window};
use sdk::random::Random;

pub const SIDES: [u32; 2] = [64, 64];

/// A package with one map of 16 x 16 cells, of four pixels each.
fn package() -> Vec<u8> {
    let mut net = Net::new(32, 3);
    let map = net.conv("map", Net::INPUT, window(3, 2, 1), 1, 8);
    let own = CellMap { height: 16, width: 16, channels: 8, stride: [2; 2], offset: [1; 2] };
    let layout = CellsLayout::new(&[own], Neighbours::Three, [32, 32], 0).unwrap();
    net.cells_package(&layout, map).unwrap()
}

pub fn extractor() -> Extractor {
    Extractor::from_bytes(package()).unwrap()
}

/// A dark table with squares: their middles, as shares, and colours.
pub fn scene(squares: &[([f32; 2], [u8; 3])], seed: u64) -> Vec<u8> {
    let mut random = Random(seed);
    let [width, height] = SIDES;
    let mut rgb: Vec<u8> = (0..3 * width * height).map(|_| 40 + random.below(8) as u8).collect();
    for (centre, colour) in squares {
        let [x, y] = [centre[0] * width as f32, centre[1] * height as f32];
        for row in (y - 8.0).max(0.0) as u32..((y + 8.0) as u32).min(height) {
            for column in (x - 8.0).max(0.0) as u32..((x + 8.0) as u32).min(width) {
                let at = 3 * (row * width + column) as usize;
                rgb[at..at + 3].copy_from_slice(colour);
            }
        }
    }
    rgb
}

pub const WHITE: [u8; 3] = [240, 240, 240];
pub const BLUE: [u8; 3] = [20, 60, 250];

/// Camera that shows what it is given.
pub struct Given {
    pub rgb: Vec<u8>,
    pub is_gone: bool,
}

impl FrameSource for Given {
    fn next(&mut self, shot: &mut CapturedFrame) -> Result<(), SourceError> {
        if self.is_gone {
            return Err(SourceError::NoStream);
        }
        shot.reshape(SIDES[0], SIDES[1]).copy_from_slice(&self.rgb);
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), SourceError> {
        if self.is_gone { Err(SourceError::NoStream) } else { Ok(()) }
    }
}
