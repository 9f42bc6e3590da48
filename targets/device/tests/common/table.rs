//! A package with cells, and a camera over a table of squares.

use offshoot::{CellMap, CellsLayout, Extractor, Neighbours};
use offshoot_device::{CapturedFrame, FrameSource, SourceError};

#[path = "../../../../sdk/tests/common/mod.rs"]
pub mod sdk;

use sdk::net::{Net, window};
use sdk::random::Random;

pub const SIDES: [u32; 2] = [64, 64];

/// A package with one map of so many cells along each side.
fn package(cells: u16) -> Vec<u8> {
    let side = 2 * cells;
    let mut net = Net::new(side, 3);
    let map = net.conv("map", Net::INPUT, window(3, 2, 1), 1, 8);
    let own = CellMap { height: cells, width: cells, channels: 8, stride: [2; 2], offset: [1; 2] };
    let layout = CellsLayout::new(&[own], Neighbours::ThreeAndSeven, [side; 2], 0).unwrap();
    net.cells_package(&layout, map).unwrap()
}

/// The extractor of a package with 16 x 16 cells.
pub fn extractor() -> Extractor {
    extractor_of(16)
}

pub fn extractor_of(cells: u16) -> Extractor {
    Extractor::from_bytes(package(cells)).unwrap()
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
