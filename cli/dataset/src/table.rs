//! Reader of tables record by record: CSV, or separated by semicolons or tabs.

use std::path::{Path, PathBuf};

use csv_core::{ReadRecordResult, Reader, ReaderBuilder};

use crate::files::read_text;
use crate::{At, DataError};

/// Maximum number of bytes and of fields of a record.
const RECORD: usize = 1 << 16;
const FIELDS: usize = 64;

/// Table.
pub(super) struct Table {
    path: PathBuf,
    bytes: Vec<u8>,
    at: usize,
    reader: Reader,
    /// Line on which the last record began.
    line: u64,
}

impl Table {
    /// Opens a table; the separator is the most frequent of comma, semicolon and tab in the first
    /// line.
    pub fn open(path: &Path) -> Result<Self, DataError> {
        let bytes = read_text(path)?.into_bytes();
        let first = bytes.split(|&byte| byte == b'\n').next().unwrap_or_default();
        let between = [b'\t', b';', b',']
            .into_iter()
            .max_by_key(|sign| first.iter().filter(|byte| *byte == sign).count())
            .unwrap_or(b',');
        let reader = ReaderBuilder::new().delimiter(between).build();
        Ok(Self { path: path.to_path_buf(), bytes, at: 0, reader, line: 1 })
    }

    /// Returns an error at the last record.
    pub fn broken(&self, what: &str) -> DataError {
        DataError::Broken {
            path: self.path.clone(),
            at: At::Line(self.line),
            what: what.to_string(),
        }
    }

    /// Returns the next record, its fields trimmed; `None` after the last one.
    pub fn row(&mut self) -> Result<Option<Vec<String>>, DataError> {
        let mut out = vec![0; 1024];
        let mut ends = [0; FIELDS];
        let mut written = 0;
        let mut fields = 0;
        self.line = self.reader.line();
        loop {
            let input = &self.bytes[self.at..];
            let (result, read, wrote, ended) =
                self.reader.read_record(input, &mut out[written..], &mut ends[fields..]);
            self.at += read;
            written += wrote;
            fields += ended;
            match result {
                // At the end of the file the reader requires an empty input.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if out.len() < RECORD => out.resize(2 * out.len(), 0),
                ReadRecordResult::OutputFull => {
                    return Err(self.broken("record of more than 65536 bytes"));
                }
                ReadRecordResult::OutputEndsFull => return Err(self.broken("more than 64 fields")),
                ReadRecordResult::End => return Ok(None),
                ReadRecordResult::Record => break,
            }
        }
        let mut from = 0;
        let mut row = Vec::with_capacity(fields);
        for &to in &ends[..fields] {
            let field =
                std::str::from_utf8(&out[from..to]).map_err(|_| self.broken("not UTF-8"))?;
            row.push(field.trim().to_string());
            from = to;
        }
        Ok(Some(row))
    }
}
