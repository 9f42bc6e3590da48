//! Outer structure of a package: a header, a table of sections, the sections.

use thiserror::Error;

use crate::limits;

/// Magic number: the first bytes of every package.
pub(super) const MAGIC: [u8; 8] = *b"OFFSHOOT";
/// Version of the format.
pub const VERSION: u32 = 1;
/// Alignment of sections in bytes, so that weights can be used in place.
pub(super) const ALIGN: usize = 64;
/// Number of bytes before the section table.
pub(super) const HEADER: usize = 32;
/// Number of bytes of one entry of the section table.
pub(super) const ENTRY: usize = 32;

/// Section of a package, in file order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u32)]
pub enum Section {
    /// Names, digests, preprocessing.
    Manifest = 1,
    /// Tensors and nodes.
    Graph = 2,
    /// Int8 values, biases, multipliers.
    Weights = 3,
    /// Golden vectors: frames with their expected embeddings.
    Golden = 4,
    /// Weights packed for one processor's kernels; optional.
    Packed = 5,
    /// Tokenizer and parameters of text input; optional.
    Text = 6,
    /// Front end for sound; optional.
    Sound = 7,
    /// Statistics of the calibration set; optional.
    Domain = 8,
    /// Layout of the cells of feature maps; optional.
    Cells = 9,
    /// Normalization of a sensor's signals; optional.
    Sensor = 10,
}

impl Section {
    /// All sections, in file order.
    pub const ALL: [Self; 10] = [
        Self::Manifest,
        Self::Graph,
        Self::Weights,
        Self::Golden,
        Self::Packed,
        Self::Text,
        Self::Sound,
        Self::Domain,
        Self::Cells,
        Self::Sensor,
    ];

    /// Returns the name for tables and messages.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Manifest => "manifest",
            Self::Graph => "graph",
            Self::Weights => "weights",
            Self::Golden => "golden",
            Self::Packed => "packed",
            Self::Text => "text",
            Self::Sound => "sound",
            Self::Domain => "domain",
            Self::Cells => "cells",
            Self::Sensor => "sensor",
        }
    }

    fn limit(self) -> usize {
        match self {
            Self::Manifest => limits::MANIFEST_BYTES,
            Self::Graph => limits::GRAPH_BYTES,
            Self::Weights => limits::WEIGHT_BYTES,
            Self::Golden => limits::GOLDEN_BYTES,
            Self::Packed => limits::PACKED_BYTES,
            Self::Text => limits::TEXT_BYTES,
            Self::Sound => limits::SOUND_BYTES,
            Self::Domain => limits::DOMAIN_BYTES,
            Self::Cells => limits::CELLS_BYTES,
            Self::Sensor => limits::SENSOR_BYTES,
        }
    }
}

/// Reason for refusing the outer structure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum LayoutError {
    /// The file does not begin with the magic number.
    #[error("not an offshoot package")]
    Magic,
    /// The version is another one.
    #[error("format version {found}; this program reads version {VERSION}")]
    Version {
        /// Version found.
        found: u32,
    },
    /// The file was truncated or extended.
    #[error("the file has {found} bytes, its header states {stated}: it was cut off or changed")]
    Length {
        /// Number of bytes that the header states.
        stated: u64,
        /// Number of bytes found.
        found: u64,
    },
    /// The checksum of the header and the section table does not match.
    #[error("the section table is damaged")]
    TableChecksum,
    /// The table states sections out of order, out of range or overlapping.
    #[error("invalid section table: this version writes another layout")]
    Table,
    /// A section is longer than its limit.
    #[error("the {} section states {bytes} bytes, the limit is {}", section.name(), section.limit())]
    TooLarge {
        /// Section of the package.
        section: Section,
        /// Length that the table states.
        bytes: u64,
    },
    /// The checksum of a section does not match.
    #[error("the {} section is damaged: its checksum does not match", .0.name())]
    Checksum(Section),
    /// The bytes between sections are not zero.
    #[error("the space between sections is not zero")]
    Padding,
}

/// Number of the sections that every package has: the first ones.
pub(super) const REQUIRED: usize = 4;

/// Max number of sections of a package: it takes text, sound or signals, or has cells, and one for
/// text has no packed weights, because these are int8 and text input is not.
const MOST: usize = REQUIRED + 3;

/// Checked section table.
#[derive(Debug, Clone)]
pub(super) struct Sections<'a> {
    parts: [&'a [u8]; Section::ALL.len()],
}

impl<'a> Sections<'a> {
    pub(super) fn open(bytes: &'a [u8]) -> Result<Self, LayoutError> {
        if bytes.get(..8) != Some(&MAGIC) {
            return Err(LayoutError::Magic);
        }
        let short =
            |need: usize| LayoutError::Length { stated: need as u64, found: bytes.len() as u64 };
        let least = HEADER + ENTRY * REQUIRED;
        let sections = u32_at(bytes.get(..least).ok_or(short(least))?, 12) as usize;
        let count = sections.clamp(REQUIRED, MOST);
        let table_end = HEADER + ENTRY * count;
        let (header, table) = bytes.get(..table_end).ok_or(short(table_end))?.split_at(HEADER);
        match u32_at(header, 8) {
            VERSION => {}
            found => return Err(LayoutError::Version { found }),
        }
        let stated = u64_at(header, 16);
        let found = bytes.len() as u64;
        if stated != found {
            return Err(LayoutError::Length { stated, found });
        }
        if table_checksum(&header[..HEADER - 4], table) != u32_at(header, HEADER - 4) {
            return Err(LayoutError::TableChecksum);
        }
        if u32_at(header, 12) != count as u32 || u32_at(header, 24) != 0 {
            return Err(LayoutError::Table);
        }
        Self::read_table(bytes, table, table_end)
    }

    fn read_table(bytes: &'a [u8], table: &[u8], table_end: usize) -> Result<Self, LayoutError> {
        let mut parts = [&[] as &[u8]; Section::ALL.len()];
        let mut end = table_end;
        let mut optional = &Section::ALL[REQUIRED..];
        for (index, entry) in table.chunks_exact(ENTRY).enumerate() {
            let number = u32_at(entry, 0);
            let offset = u64_at(entry, 8);
            let len = u64_at(entry, 16);
            // The required sections come in order; behind them some of the optional ones, in order.
            let may = if index < REQUIRED { &Section::ALL[index..=index] } else { optional };
            let place = may.iter().position(|s| *s as u32 == number).ok_or(LayoutError::Table)?;
            let section = &may[place];
            if index >= REQUIRED {
                optional = &may[place + 1..];
            }
            let start = end.next_multiple_of(ALIGN);
            let as_written =
                u32_at(entry, 4) == 0 && u32_at(entry, 28) == 0 && offset == start as u64;
            if !as_written {
                return Err(LayoutError::Table);
            }
            if len > section.limit() as u64 {
                return Err(LayoutError::TooLarge { section: *section, bytes: len });
            }
            let gap = bytes.get(end..start).ok_or(LayoutError::Table)?;
            if gap.iter().any(|&b| b != 0) {
                return Err(LayoutError::Padding);
            }
            end = start + len as usize;
            let part = bytes.get(start..end).ok_or(LayoutError::Table)?;
            parts[*section as usize - 1] = part;
            if crate::checksum::hash(part) != u32_at(entry, 24) {
                return Err(LayoutError::Checksum(*section));
            }
        }
        let sections = Self { parts };
        let additions = parts[REQUIRED..].iter().filter(|part| !part.is_empty()).count();
        let has = |section: Section| !sections.get(section).is_empty();
        let inputs = [Section::Text, Section::Sound, Section::Sensor, Section::Cells].map(has);
        let is_one = inputs.iter().filter(|&&has| has).count() <= 1
            && !(has(Section::Text) && has(Section::Packed));
        if end == bytes.len() && table.len() == ENTRY * (REQUIRED + additions) && is_one {
            Ok(sections)
        } else {
            Err(LayoutError::Table)
        }
    }

    pub(super) fn get(&self, section: Section) -> &'a [u8] {
        self.parts[section as usize - 1]
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = (Section, usize)> + '_ {
        let sizes = Section::ALL.into_iter().map(|section| (section, self.get(section).len()));
        sizes.filter(|(section, size)| *section <= Section::Golden || *size > 0)
    }
}

/// Computes the CRC-32 of the header without its own checksum, and the table.
pub(super) fn table_checksum(header: &[u8], table: &[u8]) -> u32 {
    let mut hasher = crate::checksum::Hasher::new();
    hasher.update(header);
    hasher.update(table);
    hasher.finalize()
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}
