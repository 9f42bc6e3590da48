//! Serialized form of a spatial head: its sums and tests, and nothing that can be computed from
//! them.
//!
//! Little endian, in this order, without gaps:
//!
//! | Bytes | Field |
//! |---|---|
//! | 8 | magic `OFFSCELL` |
//! | 2 | version, 1 |
//! | 1, 1 | room for classes, classes present |
//! | 4 | length of the whole record |
//! | 32 | id of the package that made the cells |
//! | 1, 1, 2 | neighbourhoods and number of maps, as in a package; 0 |
//! | 14, a map | maps, as in a package |
//! | 2, 2 | height and width of the input |
//! | 1, 1, 2 | zero point; 1 with an empty scene, else 0; 0 |
//! | 4, 4 | lessons, tested lessons |
//! | 8, 8 | cells of objects without a box, of boxes |
//! | 8 x 4, 8 x 4 | sums of the numbers of boxes, of their squares |
//! | 8 x (classes + 2) | cells of the background, of each class, of forgotten classes |
//! | 541 + n, a class | marks (4), marks with a box (4), sums of the logarithms of their sides (8, 8), tests (516), length and bytes of the name |
//! | 8 x values, (classes + 2) times | sums of the background, of each class, of forgotten classes |
//! | 8 x values, 4 times | sums of the values times a box's numbers |
//! | 8 x values x (values + 1) / 2, twice | products: of objects, of background |
//! | 1, a value of the maps | codes of the empty scene, if there is one |
//! | 4 | CRC-32 (IEEE) of all bytes before |

use bytemuck::Pod;

use super::cells::{CellMap, CellsLayout, MAX_MAPS};
use super::learn::evidence;
use super::learn::sums::{BOX, BoxCounts, MOST_CELLS, MOST_STEPS, MOST_VALUE};
use super::{Class, MAX_SPATIAL_CLASSES, SpatialError, SpatialHead, SpatialLimits};
use crate::head::MAX_NAME_BYTES;
use crate::head::check_name;
use crate::head::linalg::cholesky::start;
use crate::package::PackageId;

/// Magic number: the first bytes of every spatial head.
pub const SPATIAL_MAGIC: [u8; 8] = *b"OFFSCELL";

/// Version of the record.
const VERSION: u16 = 1;

/// Bytes of a class without its name.
const CLASS: usize = 4 + 4 + 16 + 4 * evidence::WORDS + 1;

/// Checked record of a spatial head: magic, version, length, checksum, and every field.
///
/// Reports the memory that the head needs before any is taken.
#[derive(Clone, Debug)]
pub struct SpatialRecord<'a> {
    layout: CellsLayout,
    package_id: PackageId,
    room: u8,
    count: usize,
    has_reference: bool,
    lessons: u32,
    tested: u32,
    boxes: BoxCounts,
    cells: [u64; MAX_SPATIAL_CLASSES + 2],
    classes: [Class; MAX_SPATIAL_CLASSES],
    /// Tests of each class.
    tests: [&'a [u8]; MAX_SPATIAL_CLASSES],
    values: &'a [u8],
    box_sums: &'a [u8],
    products: [&'a [u8]; 2],
    reference: &'a [u8],
}

pub(crate) fn malformed(what: &'static str) -> SpatialError {
    SpatialError::Record { what }
}

impl<'a> SpatialRecord<'a> {
    /// Checks `bytes`, which must be one record and nothing else.
    ///
    /// # Errors
    ///
    /// [`SpatialError::Record`] if they are not a valid head.
    pub fn open(bytes: &'a [u8]) -> Result<Self, SpatialError> {
        let none = "not a spatial head: the first bytes are not OFFSCELL";
        let rest = &mut checked(bytes, SPATIAL_MAGIC, none)?;
        let [room, count] = take(rest)?;
        let _length: [u8; 4] = take(rest)?;
        let package_id = PackageId::new(take(rest)?);
        let layout = take_layout(rest)?;
        let [flag, 0, 0] = take(rest)? else { return Err(malformed("unknown flags")) };
        let present = usize::from(count);
        let rooms = 1..=MAX_SPATIAL_CLASSES;
        if flag > 1 || count > room || !rooms.contains(&room.into()) {
            return Err(malformed("more classes than the head has room for"));
        }
        let lessons = u32::from_le_bytes(take(rest)?);
        let tested = u32::from_le_bytes(take(rest)?);
        let mut record = Self {
            layout,
            package_id,
            room,
            count: present,
            has_reference: flag == 1,
            lessons,
            tested,
            boxes: take_boxes(rest)?,
            cells: [0; MAX_SPATIAL_CLASSES + 2],
            classes: [Class::EMPTY; MAX_SPATIAL_CLASSES],
            tests: [&[]; MAX_SPATIAL_CLASSES],
            values: &[],
            box_sums: &[],
            products: [&[]; 2],
            reference: &[],
        };
        for cells in &mut record.cells[..present + 2] {
            *cells = u64::from_le_bytes(take(rest)?);
        }
        for class in 0..present {
            record.take_class(rest, class)?;
        }
        let dim = layout.values();
        record.values = split(rest, 8 * (present + 2) * dim)?;
        record.box_sums = split(rest, 8 * BOX * dim)?;
        let products = 4 * dim * (dim + 1);
        record.products = [split(rest, products)?, split(rest, products)?];
        record.reference = split(rest, if flag == 1 { layout.elements() } else { 0 })?;
        if !rest.is_empty() {
            return Err(malformed("the sums do not fill the record"));
        }
        record.check_sums()?;
        Ok(record)
    }

    fn take_class(&mut self, rest: &mut &'a [u8], at: usize) -> Result<(), SpatialError> {
        let objects = u32::from_le_bytes(take(rest)?);
        let boxed = u32::from_le_bytes(take(rest)?);
        let sides = [i64::from_le_bytes(take(rest)?), i64::from_le_bytes(take(rest)?)];
        self.tests[at] = split(rest, 4 * evidence::WORDS)?;
        let [length] = take(rest)?;
        let name = split(rest, length.into())?;
        let text = core::str::from_utf8(name).ok().filter(|name| check_name(name).is_ok());
        let is_new = self.classes[..at].iter().all(|other| Some(other.name()) != text);
        let in_range = |side: &i64| side.unsigned_abs() <= u64::from(boxed) * MOST_STEPS as u64;
        if text.is_none() || !is_new || boxed > objects || !sides.iter().all(in_range) {
            return Err(malformed("a class is none: its name, or the sizes of its boxes"));
        }
        let own = &mut self.classes[at];
        *own = Class { objects, boxed, sides, length, ..Class::EMPTY };
        own.name[..name.len()].copy_from_slice(name);
        Ok(())
    }

    /// Checks that no sum is larger than its number of cells allows, so that nothing overflows.
    fn check_sums(&self) -> Result<(), SpatialError> {
        let wrong = malformed("a sum is larger than its number of cells allows");
        let counts = &self.cells[..self.count + 2];
        let total = counts.iter().try_fold(0u64, |all, &own| all.checked_add(own));
        let objects: u64 = match total {
            Some(total) if total <= MOST_CELLS => counts[1..].iter().sum(),
            _ => return Err(wrong),
        };
        let BoxCounts { pointed, boxed, sums, squares } = self.boxes;
        let dim = self.layout.values();
        let most = |cells: u64, factor: i64| cells as i64 * factor;
        let within = |bytes: &[u8], most: i64| numbers(bytes).all(|x| (-most..=most).contains(&x));
        let values = self.values.chunks_exact(8 * dim).zip(counts);
        let products = self.products.into_iter().zip([objects, counts[0]]);
        let square = MOST_VALUE * MOST_VALUE;
        let is_valid = pointed.checked_add(boxed) == Some(objects)
            && sums.iter().all(|x| x.abs() <= most(boxed, MOST_STEPS))
            && squares.iter().all(|x| (0..=most(boxed, MOST_STEPS * MOST_STEPS)).contains(x))
            && values.into_iter().all(|(own, &cells)| within(own, most(cells, MOST_VALUE)))
            && within(self.box_sums, most(boxed, MOST_VALUE * MOST_STEPS))
            && products.clone().all(|(own, cells)| within(own, most(cells, square)))
            && products.clone().all(|(own, _)| {
                (0..dim).all(|i| numbers(&own[8 * (start(i) + i)..][..8]).all(|x| x >= 0))
            });
        if is_valid { Ok(()) } else { Err(wrong) }
    }

    /// Layout of the cells that the head reads.
    #[must_use]
    pub fn layout(&self) -> &CellsLayout {
        &self.layout
    }

    /// Id of the package that makes its cells.
    #[must_use]
    pub fn package_id(&self) -> PackageId {
        self.package_id
    }

    /// Limits of the head.
    #[must_use]
    pub fn limits(&self) -> SpatialLimits {
        SpatialLimits { classes: self.room }
    }
}

impl SpatialLimits {
    /// Returns the length of the longest record of a head with these limits, in bytes.
    ///
    /// # Errors
    ///
    /// [`SpatialError::Classes`] for a room of 0 or above [`MAX_SPATIAL_CLASSES`].
    pub fn most_encoded(self, layout: &CellsLayout) -> Result<usize, SpatialError> {
        self.words(layout)?;
        let classes = usize::from(self.classes);
        Ok(length(layout, classes) + MAX_NAME_BYTES * classes + layout.elements())
    }
}

/// Length of a record without names and an empty scene.
fn length(layout: &CellsLayout, classes: usize) -> usize {
    let dim = layout.values();
    let maps = CellMap::RECORD * layout.maps().len();
    let fixed = 8 + 2 + 2 + 4 + 32 + 4 + maps + 4 + 4 + 8 + 16 + 16 * BOX;
    let sums = 8 * dim * (classes + 2 + BOX) + 8 * dim * (dim + 1);
    fixed + 8 * (classes + 2) + CLASS * classes + sums + 4
}

impl<M: AsRef<[u64]> + AsMut<[u64]>> SpatialHead<M> {
    /// Returns the length of the record, in bytes.
    pub fn encoded_len(&self) -> usize {
        let names: usize =
            self.classes[..self.count].iter().map(|class| usize::from(class.length)).sum();
        let reference = if self.has_reference { self.layout.elements() } else { 0 };
        length(&self.layout, self.count) + names + reference
    }

    /// Writes the record to the front of `out` and returns its length. The same lessons give the same
    /// bytes, in whatever order they came.
    ///
    /// # Errors
    ///
    /// [`SpatialError::Buffer`] if `out` is too short.
    pub fn encode(&self, out: &mut [u8]) -> Result<usize, SpatialError> {
        let needed = self.encoded_len();
        let found = out.len();
        let own = out.get_mut(..needed).ok_or(SpatialError::Buffer { found, needed })?;
        let (body, sum) = own.split_at_mut(needed - 4);
        let rest = &mut &mut body[..];
        put(rest, &SPATIAL_MAGIC);
        put(rest, &VERSION.to_le_bytes());
        put(rest, &[self.room as u8, self.count as u8]);
        put(rest, &(needed as u32).to_le_bytes());
        put(rest, self.package_id.as_bytes());
        put_layout(rest, &self.layout);
        put(rest, &[u8::from(self.has_reference), 0, 0]);
        put(rest, &self.lessons.to_le_bytes());
        put(rest, &self.tested.to_le_bytes());
        put(rest, &self.boxes.pointed.to_le_bytes());
        put(rest, &self.boxes.boxed.to_le_bytes());
        put_all(rest, &self.boxes.sums);
        put_all(rest, &self.boxes.squares);
        let rows = (0..=self.count).chain([self.room + 1]);
        rows.clone().for_each(|row| put(rest, &self.cells[row].to_le_bytes()));
        let kept = self.kept();
        for (class, tests) in
            self.classes[..self.count].iter().zip(kept.evidence.chunks_exact(evidence::WORDS))
        {
            put(rest, &class.objects.to_le_bytes());
            put(rest, &class.boxed.to_le_bytes());
            put_all(rest, &class.sides);
            put_all(rest, tests);
            put(rest, &[class.length]);
            put(rest, class.name().as_bytes());
        }
        let dim = self.layout.values();
        rows.for_each(|row| put_all(rest, &kept.values[row * dim..][..dim]));
        put_all(rest, kept.boxes);
        kept.products.iter().for_each(|own| put_all(rest, own));
        if self.has_reference {
            put_all(rest, kept.reference);
        }
        sum.copy_from_slice(&crate::checksum::hash(body).to_le_bytes());
        Ok(needed)
    }

    /// Makes the head of a record, in memory of [`SpatialLimits::words`] words; fit it before it
    /// detects. `package`, if given, must be the one that it was taught with.
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
        let record = SpatialRecord::open(bytes)?;
        if package.is_some_and(|id| id != record.package_id) {
            return Err(SpatialError::OtherPackage);
        }
        let mut head = Self::new(record.layout, record.package_id, record.limits(), memory)?;
        let count = record.count;
        let room = head.room;
        head.count = count;
        head.classes = record.classes;
        head.boxes = record.boxes;
        head.lessons = record.lessons;
        head.tested = record.tested;
        head.has_reference = record.has_reference;
        head.cells[..=count].copy_from_slice(&record.cells[..=count]);
        head.cells[room + 1] = record.cells[count + 1];
        let dim = head.layout.values();
        let parts = head.parts();
        let (present, gone) = record.values.split_at(8 * (count + 1) * dim);
        read(&mut parts.sums.values[..(count + 1) * dim], present);
        read(&mut parts.sums.values[(room + 1) * dim..], gone);
        read(parts.sums.boxes, record.box_sums);
        for (own, bytes) in parts.sums.products.into_iter().zip(record.products) {
            read(own, bytes);
        }
        let [tests, _] = parts.evidence;
        for (own, bytes) in tests.chunks_exact_mut(evidence::WORDS).zip(&record.tests[..count]) {
            read(own, bytes);
        }
        if record.has_reference {
            read(parts.reference, record.reference);
        }
        Ok(head)
    }
}

/// Returns the bytes after magic and version, without the checksum, if all of these are right.
pub(crate) fn checked<'a>(
    bytes: &'a [u8],
    magic: [u8; 8],
    none: &'static str,
) -> Result<&'a [u8], SpatialError> {
    let rest = &mut bytes.strip_prefix(&magic).ok_or(malformed(none))?;
    if u16::from_le_bytes(take(rest)?) != VERSION {
        return Err(malformed("a head of another version; this program reads version 1"));
    }
    let own = *rest;
    let stated = own.get(2..6).map(|b| u32::from_le_bytes([b[0], b[1], b[2], b[3]]));
    if stated.is_none_or(|stated| stated as usize != bytes.len()) {
        return Err(malformed("the head has another length than it states: it was cut off"));
    }
    let (body, sum) = bytes.split_at(bytes.len() - 4);
    if crate::checksum::hash(body).to_le_bytes() != *sum {
        return Err(malformed("the checksum is wrong: the head is damaged"));
    }
    own.get(..own.len() - 4).ok_or(malformed("the head is cut off"))
}

/// Writes maps, input and zero point.
pub(crate) fn put_layout(rest: &mut &mut [u8], layout: &CellsLayout) {
    put(rest, &[layout.neighbours() as u8, layout.maps().len() as u8, 0, 0]);
    layout.maps().iter().for_each(|map| put(rest, &map.to_record()));
    layout.input().iter().for_each(|side| put(rest, &side.to_le_bytes()));
    put(rest, &[layout.zero_point() as u8]);
}

pub(crate) fn take_layout(rest: &mut &[u8]) -> Result<CellsLayout, SpatialError> {
    let count = usize::from(*rest.get(1).ok_or(malformed("the head is cut off"))?);
    let own = split(rest, 4 + CellMap::RECORD * count.min(MAX_MAPS))?;
    let input = [u16::from_le_bytes(take(rest)?), u16::from_le_bytes(take(rest)?)];
    let [zero] = take(rest)?;
    CellsLayout::from_bytes(own, input, zero as i8)
        .ok_or(malformed("its maps are none of a package"))
}

fn take_boxes(rest: &mut &[u8]) -> Result<BoxCounts, SpatialError> {
    let mut boxes = BoxCounts {
        pointed: u64::from_le_bytes(take(rest)?),
        boxed: u64::from_le_bytes(take(rest)?),
        ..BoxCounts::default()
    };
    for number in boxes.sums.iter_mut().chain(&mut boxes.squares) {
        *number = i64::from_le_bytes(take(rest)?);
    }
    if boxes.sums.contains(&i64::MIN) {
        return Err(malformed("a sum is larger than its number of cells allows"));
    }
    Ok(boxes)
}

pub(crate) fn take<const N: usize>(rest: &mut &[u8]) -> Result<[u8; N], SpatialError> {
    let (own, others) = rest.split_first_chunk().ok_or(malformed("the head is cut off"))?;
    *rest = others;
    Ok(*own)
}

pub(crate) fn split<'a>(rest: &mut &'a [u8], count: usize) -> Result<&'a [u8], SpatialError> {
    let (own, others) = rest.split_at_checked(count).ok_or(malformed("the head is cut off"))?;
    *rest = others;
    Ok(own)
}

pub(crate) fn numbers(bytes: &[u8]) -> impl Iterator<Item = i64> + '_ {
    bytes.chunks_exact(8).map(|b| i64::from_le_bytes(core::array::from_fn(|i| b[i])))
}

/// Copies bytes, which need not be aligned, into numbers.
pub(crate) fn read<T: Pod>(out: &mut [T], bytes: &[u8]) {
    bytemuck::cast_slice_mut::<T, u8>(out).copy_from_slice(bytes);
}

pub(crate) fn put(rest: &mut &mut [u8], bytes: &[u8]) {
    let (own, others) = core::mem::take(rest).split_at_mut(bytes.len());
    own.copy_from_slice(bytes);
    *rest = others;
}

pub(crate) fn put_all<T: Pod>(rest: &mut &mut [u8], numbers: &[T]) {
    put(rest, bytemuck::cast_slice(numbers));
}
