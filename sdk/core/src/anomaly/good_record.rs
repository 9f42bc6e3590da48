//! Serialized form of a head of good frames: its sums and tests.
//!
//! Little endian, in this order, without gaps:
//!
//! | Bytes | Field |
//! |---|---|
//! | 8 | magic `OFFSGOOD` |
//! | 2 | version, 1 |
//! | 1, 1 | 1 if each place has a mean of its own, else 0; 0 |
//! | 4 | length of the whole record |
//! | 32 | id of the package that made the cells |
//! | 4 + 14, a map | neighbourhoods, number of maps, 0, maps: as in a package |
//! | 2, 2, 1, 3 | height and width of the input, zero point, 0 |
//! | 4, 4 | lessons, tested lessons |
//! | 8, 8 | sums of the tests' scores and of their squares, f64 |
//! | 4, a place and value; or 8, a value | sums of values: of each place, or of all |
//! | 8 x values x (values + 1) / 2 | products of values |
//! | 4 | CRC-32 (IEEE) of all bytes before |

use super::good_room::PlaceSums;
use super::{GoodHead, MOST_LESSONS, Tests, compared};
use crate::head::linalg::cholesky::start;
use crate::package::PackageId;
use crate::spatial::spatial_record::{
    checked, malformed, numbers, put, put_all, put_layout, read, split, take, take_layout,
};
use crate::spatial::{CellMap, CellsLayout, MOST_VALUE, SpatialError};

/// Magic number: the first bytes of every head of good frames.
pub const GOOD_MAGIC: [u8; 8] = *b"OFFSGOOD";

/// Checked record.
#[derive(Debug)]
pub struct GoodRecord<'a> {
    layout: CellsLayout,
    package_id: PackageId,
    is_fixed: bool,
    lessons: u32,
    tests: Tests,
    sums: &'a [u8],
    products: &'a [u8],
}

impl<'a> GoodRecord<'a> {
    /// Checks `bytes`, which must be one record and nothing else.
    ///
    /// # Errors
    ///
    /// [`SpatialError::Record`] if they are not a valid head.
    pub fn open(bytes: &'a [u8]) -> Result<Self, SpatialError> {
        let none = "not a head of good frames: the first bytes are not OFFSGOOD";
        let rest = &mut checked(bytes, GOOD_MAGIC, none)?;
        let [fixed, zero] = take(rest)?;
        let _length: [u8; 4] = take(rest)?;
        let package_id = PackageId::new(take(rest)?);
        let layout = take_layout(rest)?;
        if fixed > 1 || zero != 0 || take(rest)? != [0; 3] {
            return Err(malformed("unknown flags"));
        }
        let is_fixed = fixed == 1;
        let lessons = u32::from_le_bytes(take(rest)?);
        let count = u32::from_le_bytes(take(rest)?);
        let sum = f64::from_le_bytes(take(rest)?);
        let squares = f64::from_le_bytes(take(rest)?);
        let scores = [sum, squares].iter().all(|x| x.is_finite() && *x >= 0.0);
        if lessons > MOST_LESSONS || !scores {
            return Err(malformed("its tests or lessons are out of range"));
        }
        let [_, values] = compared(&layout);
        let places = if is_fixed { 4 * layout.cells() } else { 8 };
        let sums = split(rest, places * values)?;
        let products = split(rest, 4 * values * (values + 1))?;
        let tests = Tests { count, sum, squares };
        let record = Self { layout, package_id, is_fixed, lessons, tests, sums, products };
        if rest.is_empty() && record.is_in_range() {
            Ok(record)
        } else {
            Err(malformed("its sums are larger than its lessons allow"))
        }
    }

    /// True if no sum is larger than the number of lessons allows.
    fn is_in_range(&self) -> bool {
        let lessons = i64::from(self.lessons);
        let cells = lessons * self.layout.cells() as i64;
        let most = MOST_VALUE * if self.is_fixed { lessons } else { cells };
        let sums = match self.is_fixed {
            true => self
                .sums
                .as_chunks()
                .0
                .iter()
                .all(|&b| u64::from(i32::from_le_bytes(b).unsigned_abs()) <= most as u64),
            false => numbers(self.sums).all(|x| (-most..=most).contains(&x)),
        };
        let square = cells * MOST_VALUE * MOST_VALUE;
        let [_, values] = compared(&self.layout);
        let diagonal =
            |i: usize| numbers(&self.products[8 * (start(i) + i)..][..8]).all(|x| x >= 0);
        sums && numbers(self.products).all(|x| (-square..=square).contains(&x))
            && (0..values).all(diagonal)
    }

    /// Layout of the cells that the head reads.
    #[must_use]
    pub fn layout(&self) -> &CellsLayout {
        &self.layout
    }

    /// True if each place has a mean of its own.
    #[must_use]
    pub fn is_fixed(&self) -> bool {
        self.is_fixed
    }

    /// Id of the package that makes its cells.
    #[must_use]
    pub fn package_id(&self) -> PackageId {
        self.package_id
    }
}

impl<M: AsRef<[u64]> + AsMut<[u64]>> GoodHead<M> {
    /// Returns the length of the record, in bytes.
    pub fn encoded_len(&self) -> usize {
        let [_, values] = compared(&self.layout);
        let places = if self.is_fixed { 4 * self.layout.cells() } else { 8 };
        let maps = CellMap::RECORD * self.layout.maps().len();
        let fixed = 8 + 2 + 2 + 4 + 32 + 4 + maps + 4 + 4 + 8 + 16 + 4;
        fixed + places * values + 4 * values * (values + 1)
    }

    /// Writes the record to the front of `out` and returns its length.
    ///
    /// # Errors
    ///
    /// [`SpatialError::Buffer`] if `out` is too short.
    pub fn encode(&mut self, out: &mut [u8]) -> Result<usize, SpatialError> {
        let needed = self.encoded_len();
        let found = out.len();
        let own = out.get_mut(..needed).ok_or(SpatialError::Buffer { found, needed })?;
        let (body, sum) = own.split_at_mut(needed - 4);
        let rest = &mut &mut body[..];
        put(rest, &GOOD_MAGIC);
        put(rest, &1u16.to_le_bytes());
        put(rest, &[u8::from(self.is_fixed), 0]);
        put(rest, &(needed as u32).to_le_bytes());
        put(rest, self.package_id.as_bytes());
        put_layout(rest, &self.layout);
        put(rest, &[0; 3]);
        put(rest, &self.lessons.to_le_bytes());
        put(rest, &self.tests.count.to_le_bytes());
        put(rest, &self.tests.sum.to_le_bytes());
        put(rest, &self.tests.squares.to_le_bytes());
        let parts = self.parts();
        match parts.sums {
            PlaceSums::Fixed(all, _) => put_all(rest, all),
            PlaceSums::Shared(own) => put_all(rest, own),
        }
        put_all(rest, parts.products);
        sum.copy_from_slice(&crate::checksum::hash(body).to_le_bytes());
        Ok(needed)
    }

    /// Makes the head of a record, in memory of [`GoodHead::words`] words; fit it before it is asked.
    ///
    /// # Errors
    ///
    /// [`SpatialError`] for a record that is none or of another package, and memory that is too
    /// short.
    pub fn decode(
        bytes: &[u8],
        package: Option<PackageId>,
        memory: M,
    ) -> Result<Self, SpatialError> {
        let record = GoodRecord::open(bytes)?;
        if package.is_some_and(|id| id != record.package_id) {
            return Err(SpatialError::OtherPackage);
        }
        let mut head = Self::new(record.layout, record.package_id, record.is_fixed, memory)?;
        head.lessons = record.lessons;
        head.tests = record.tests;
        let parts = head.parts();
        match parts.sums {
            PlaceSums::Fixed(all, _) => read(all, record.sums),
            PlaceSums::Shared(own) => read(own, record.sums),
        }
        read(parts.products, record.products);
        Ok(head)
    }
}
