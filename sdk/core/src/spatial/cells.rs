//! Cells: the places of one or several feature maps of a frame.

mod rows;

use crate::limits;
pub(crate) use rows::{ONE, Rows, Window, rows};

/// Max number of feature maps.
pub const MAX_MAPS: usize = 4;

/// Max number of values of a cell with its neighbourhoods.
pub const MAX_CELL_VALUES: usize = 512;

/// Max number of cells of a frame.
pub const MAX_CELLS: usize = 65_535;

/// Max stride of a feature map in pixels of the network's input.
const MAX_STRIDE: u16 = 256;

/// One feature map of a network.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellMap {
    /// Number of rows.
    pub height: u16,
    /// Number of columns.
    pub width: u16,
    /// Number of channels.
    pub channels: u16,
    /// Distance between neighbouring cells, down and across, in pixels of the network's input.
    pub stride: [u16; 2],
    /// Middle of the first cell, down and across, in halves of a pixel from the input's edge: the
    /// middle of the first pixel is 1.
    pub offset: [i16; 2],
}

impl CellMap {
    /// Bytes of a map in a package.
    pub const RECORD: usize = 14;

    const EMPTY: Self = Self { height: 0, width: 0, channels: 0, stride: [0; 2], offset: [0; 2] };

    fn from_record(record: &[u8; Self::RECORD]) -> Self {
        let word = |at: usize| u16::from_le_bytes([record[2 * at], record[2 * at + 1]]);
        Self {
            height: word(0),
            width: word(1),
            channels: word(2),
            stride: [word(3), word(4)],
            offset: [word(5) as i16, word(6) as i16],
        }
    }

    /// Returns the bytes of the map in a package.
    #[must_use]
    pub fn to_record(self) -> [u8; Self::RECORD] {
        let [down, across] = self.offset.map(|offset| offset as u16);
        let words =
            [self.height, self.width, self.channels, self.stride[0], self.stride[1], down, across];
        let mut record = [0; Self::RECORD];
        for (bytes, word) in record.chunks_exact_mut(2).zip(words) {
            bytes.copy_from_slice(&word.to_le_bytes());
        }
        record
    }

    fn elements(self) -> usize {
        usize::from(self.height) * self.row()
    }

    fn row(self) -> usize {
        usize::from(self.width) * usize::from(self.channels)
    }
}

/// Neighbourhoods whose means are appended to the values of a cell.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Neighbours {
    /// None: a cell is seen alone.
    None,
    /// 3x3 cells.
    Three,
    /// 3x3 cells and 7x7 cells.
    #[default]
    ThreeAndSeven,
}

impl Neighbours {
    /// All of them, in the order of their numbers in a package.
    pub const ALL: [Self; 3] = [Self::None, Self::Three, Self::ThreeAndSeven];

    /// Returns the cells on each side of the middle, of each neighbourhood.
    pub(crate) fn reach(self) -> &'static [usize] {
        match self {
            Self::None => &[],
            Self::Three => &[1],
            Self::ThreeAndSeven => &[1, 3],
        }
    }

    /// Number of neighbourhoods.
    #[must_use]
    pub fn count(self) -> usize {
        self.reach().len()
    }

    /// Returns the name for options and tables.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Three => "3",
            Self::ThreeAndSeven => "3,7",
        }
    }
}

/// Layout of a package's cells: its feature maps, and their order in the network's output.
///
/// The output has `bands` bands. Each holds, map after map, the next `height / bands` rows of the
/// map, channels innermost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct CellsLayout {
    maps: [CellMap; MAX_MAPS],
    count: usize,
    bands: usize,
    neighbours: Neighbours,
    /// Height and width of the network's input in pixels.
    input: [u16; 2],
    /// Zero point of the int8 values.
    zero: i8,
}

impl CellsLayout {
    /// Checks the maps of a network whose input has these sides, height and width, and whose output
    /// has this zero point.
    ///
    /// [`None`] if there is none or more than [`MAX_MAPS`], a map is empty or lies outside the
    /// input, the finest map is no multiple of another one, or a cell has more than
    /// [`MAX_CELL_VALUES`] values.
    #[must_use]
    pub fn new(
        maps: &[CellMap],
        neighbours: Neighbours,
        input: [u16; 2],
        zero: i8,
    ) -> Option<Self> {
        let mut layout = Self {
            maps: [CellMap::EMPTY; MAX_MAPS],
            count: maps.len(),
            bands: 0,
            neighbours,
            input,
            zero,
        };
        layout.maps.get_mut(..maps.len())?.copy_from_slice(maps);
        let bands = maps.iter().fold(0, |all, map| gcd(all, map.height.into()));
        layout.bands = bands;
        let fits = !maps.is_empty()
            && maps.iter().all(|map| layout.is_valid(map))
            && layout.values() <= MAX_CELL_VALUES
            && layout.cells() <= MAX_CELLS
            && maps.iter().map(|map| map.elements() / bands).sum::<usize>() <= limits::DIM as usize;
        fits.then_some(layout)
    }

    fn is_valid(&self, map: &CellMap) -> bool {
        let sides = [map.height, map.width];
        map.channels > 0
            && (0..2).all(|axis| {
                let finest = self.grid()[axis];
                let side = usize::from(sides[axis]);
                side > 0
                    && finest.is_multiple_of(side)
                    && (1..=MAX_STRIDE).contains(&map.stride[axis])
                    && (i32::from(map.offset[axis]) / 2).unsigned_abs() <= self.input[axis].into()
            })
    }

    /// Reads the section of a package whose network has this input, height and width, and this zero
    /// point; [`None`] if the bytes are not those of a valid layout.
    #[must_use]
    pub fn from_bytes(bytes: &[u8], input: [u16; 2], zero: i8) -> Option<Self> {
        let (head, records) = bytes.split_at_checked(4)?;
        let neighbours = *Neighbours::ALL.get(usize::from(head[0]))?;
        let records: &[[u8; CellMap::RECORD]] = bytemuck::try_cast_slice(records).ok()?;
        if usize::from(head[1]) != records.len() || records.len() > MAX_MAPS || head[2..] != [0; 2]
        {
            return None;
        }
        let mut maps = [CellMap::EMPTY; MAX_MAPS];
        for (map, record) in maps.iter_mut().zip(records) {
            *map = CellMap::from_record(record);
        }
        Self::new(&maps[..records.len()], neighbours, input, zero)
    }

    /// Returns the bytes of a package's section.
    #[cfg(feature = "alloc")]
    #[must_use]
    pub fn to_bytes(&self) -> alloc::vec::Vec<u8> {
        let mut bytes = alloc::vec![self.neighbours as u8, self.count as u8, 0, 0];
        bytes.extend(self.maps().iter().flat_map(|map| map.to_record()));
        bytes
    }

    /// Feature maps, in the order of their values.
    #[must_use]
    pub fn maps(&self) -> &[CellMap] {
        &self.maps[..self.count]
    }

    /// Neighbourhoods whose means are appended to the values of a cell.
    #[must_use]
    pub fn neighbours(&self) -> Neighbours {
        self.neighbours
    }

    /// Height and width of the network's input in pixels.
    #[must_use]
    pub fn input(&self) -> [u16; 2] {
        self.input
    }

    /// Zero point of the int8 values.
    #[must_use]
    pub fn zero_point(&self) -> i8 {
        self.zero
    }

    /// Number of bands of the output.
    #[must_use]
    pub fn bands(&self) -> usize {
        self.bands
    }

    /// Height and width of the finest grid, in cells.
    #[must_use]
    pub fn grid(&self) -> [usize; 2] {
        let maps = || self.maps().iter();
        let rows = maps().map(|map| map.height).max().unwrap_or(0);
        let columns = maps().map(|map| map.width).max().unwrap_or(0);
        [rows.into(), columns.into()]
    }

    /// Number of cells of the finest grid.
    #[must_use]
    pub fn cells(&self) -> usize {
        self.grid().iter().product()
    }

    /// Number of channels of all maps.
    #[must_use]
    pub fn channels(&self) -> usize {
        self.maps().iter().map(|map| usize::from(map.channels)).sum()
    }

    /// Number of values of a cell: all channels, and their means over each neighbourhood.
    #[must_use]
    pub fn values(&self) -> usize {
        self.channels() * (1 + self.neighbours.count())
    }

    /// Number of values of all maps: the network's output.
    #[must_use]
    pub fn elements(&self) -> usize {
        self.maps().iter().map(|map| map.elements()).sum()
    }

    /// Values of one band.
    pub(crate) fn band(&self) -> usize {
        self.elements() / self.bands
    }

    /// Returns the middle of a cell of the finest grid, down and across, as a share of the frame's
    /// sides.
    #[must_use]
    pub fn centre(&self, row: usize, column: usize) -> [f32; 2] {
        core::array::from_fn(|axis| {
            let at = [row, column][axis];
            let finest = self.finest(axis);
            let halves =
                2 * at as i32 * i32::from(finest.stride[axis]) + i32::from(finest.offset[axis]);
            halves as f32 / (2.0 * f32::from(self.input[axis]))
        })
    }

    /// Returns the distance between neighbouring cells, down and across, as a share of the frame's
    /// sides.
    #[must_use]
    pub fn step(&self) -> [f32; 2] {
        core::array::from_fn(|axis| {
            f32::from(self.finest(axis).stride[axis]) / f32::from(self.input[axis])
        })
    }

    /// Returns the map with the most cells along an axis.
    fn finest(&self, axis: usize) -> &CellMap {
        let side = |map: &CellMap| [map.height, map.width][axis];
        // The first of equals.
        self.maps()
            .iter()
            .fold(&self.maps[0], |best, map| if side(map) > side(best) { map } else { best })
    }
}

/// Greatest common divisor; of 0 and a number, the number.
fn gcd(a: usize, b: usize) -> usize {
    if b == 0 { a } else { gcd(b, a % b) }
}

/// Feature maps of one frame: a view of the network's int8 output.
#[derive(Clone, Copy, Debug)]
pub struct Cells<'a> {
    layout: CellsLayout,
    codes: &'a [i8],
}

impl<'a> Cells<'a> {
    /// Wraps the network's output; [`None`] if it has another length than the layout states.
    #[must_use]
    pub fn new(layout: CellsLayout, codes: &'a [i8]) -> Option<Self> {
        (codes.len() == layout.elements()).then_some(Self { layout, codes })
    }

    /// Layout of the maps.
    #[must_use]
    pub fn layout(&self) -> &CellsLayout {
        &self.layout
    }

    /// Int8 values, in the order of [`CellsLayout`].
    #[must_use]
    pub fn codes(&self) -> &'a [i8] {
        self.codes
    }

    /// Returns the channels of a map at one of its cells.
    ///
    /// # Panics
    ///
    /// If there is no such map or cell.
    #[must_use]
    pub fn at(&self, map: usize, row: usize, column: usize) -> &'a [i8] {
        let own = self.layout.maps()[map];
        let start = self.layout.row_start(map, row) + column * usize::from(own.channels);
        assert!(column < usize::from(own.width), "the map has {} columns", own.width);
        &self.codes[start..][..own.channels.into()]
    }
}

impl CellsLayout {
    /// Returns the index of a map's row among the output's values.
    pub(crate) fn row_start(&self, map: usize, row: usize) -> usize {
        let own = self.maps[map];
        let rows = usize::from(own.height) / self.bands;
        let before: usize = self.maps[..map].iter().map(|map| map.elements() / self.bands).sum();
        row / rows * self.band() + before + row % rows * own.row()
    }
}

#[cfg(test)]
mod tests {
    use std::vec::Vec;

    use super::*;

    fn map(height: u16, width: u16, channels: u16, stride: u16) -> CellMap {
        CellMap { height, width, channels, stride: [stride; 2], offset: [stride as i16; 2] }
    }

    #[test]
    fn maps_must_be_parts_of_the_finest() {
        let new = |maps: &[CellMap]| CellsLayout::new(maps, Neighbours::ThreeAndSeven, [32, 64], 0);
        let both = new(&[map(4, 8, 3, 8), map(2, 4, 5, 16)]).unwrap();
        assert_eq!((both.grid(), both.bands(), both.values()), ([4, 8], 2, 24));
        assert_eq!((both.elements(), both.band()), (4 * 8 * 3 + 2 * 4 * 5, 68));
        assert_eq!(both.centre(0, 1), [4.0 / 32.0, 12.0 / 64.0]);
        assert_eq!(both.step(), [0.25, 0.125]);
        for wrong in [
            &[][..],
            &[map(4, 8, 3, 8), map(3, 4, 5, 16)],
            &[map(4, 8, 0, 8)],
            &[map(0, 8, 1, 8)],
            &[map(4, 8, 171, 8)],
            &[map(4, 8, 3, 0)],
            &[map(4, 8, 3, 8); 5],
            &[CellMap { offset: [66, 0], ..map(4, 8, 3, 8) }],
        ] {
            assert_eq!(new(wrong), None, "{wrong:?}");
        }
    }

    #[cfg(feature = "alloc")]
    #[test]
    fn bytes_are_read_as_they_are_written_and_in_no_other_way() {
        let maps = [map(4, 8, 3, 8), CellMap { offset: [-3, 7], ..map(2, 4, 5, 16) }];
        for neighbours in Neighbours::ALL {
            let layout = CellsLayout::new(&maps, neighbours, [32, 64], -9).unwrap();
            let bytes = layout.to_bytes();
            assert_eq!(CellsLayout::from_bytes(&bytes, [32, 64], -9), Some(layout));
            for end in 0..bytes.len() {
                assert_eq!(CellsLayout::from_bytes(&bytes[..end], [32, 64], -9), None);
            }
            for (at, wrong) in [(0, 3), (1, 1), (1, 3), (2, 1), (3, 1)] {
                let mut bytes = bytes.clone();
                bytes[at] = wrong;
                assert_eq!(CellsLayout::from_bytes(&bytes, [32, 64], -9), None, "byte {at}");
            }
        }
    }

    #[test]
    fn each_value_has_one_place() {
        let layout =
            CellsLayout::new(&[map(4, 8, 3, 8), map(2, 4, 5, 16)], Neighbours::None, [32, 64], 0)
                .unwrap();
        let codes: Vec<i8> = (0..layout.elements()).map(|i| i as i8).collect();
        let cells = Cells::new(layout, &codes).unwrap();
        let mut seen: Vec<i8> = Vec::new();
        for (index, map) in layout.maps().iter().enumerate() {
            for row in 0..map.height.into() {
                for column in 0..map.width.into() {
                    seen.extend(cells.at(index, row, column));
                }
            }
        }
        seen.sort_unstable();
        let mut all = codes.clone();
        all.sort_unstable();
        assert_eq!(seen, all);
        // Band 0 has rows 0 and 1 of the finer map, then row 0 of the coarser.
        assert_eq!(cells.at(0, 1, 0)[0], 24);
        assert_eq!(cells.at(1, 0, 0)[0], 48);
        assert_eq!(cells.at(0, 2, 0)[0], 68);
        assert!(Cells::new(layout, &codes[1..]).is_none());
    }
}
