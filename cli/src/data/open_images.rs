//! Open Images: CSV files of boxes, in shares of a picture's sides.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use csv_core::{ReadRecordResult, Reader};

use super::boxes::{Area, Boxed, find, take};
use super::{At, DataError, Named, entries};

/// Files of a folder by a part of their names, sorted.
fn files(dir: &Path, part: &str) -> Vec<PathBuf> {
    let mut files = entries(dir).unwrap_or_default();
    files.retain(|p| p.file_name().is_some_and(|n| n.to_string_lossy().contains(part)));
    files.sort();
    files
}

pub(super) fn is_here(dir: &Path) -> bool {
    !files(dir, "annotations-bbox.csv").is_empty()
}

/// `*train-annotations-bbox.csv` and those of `validation` and `test`, names of classes in
/// `*class-descriptions*.csv`, pictures `<ImageID>.jpg` in `train/`, `images/` or the folder itself.
pub(super) fn read(dir: &Path) -> Result<Named, DataError> {
    let missing =
        || DataError::Missing { path: dir.join("*class-descriptions*.csv"), what: "names of classes" };
    let names = files(dir, "class-descriptions").into_iter().next().ok_or_else(missing)?;
    let mut table = Table::open(&names)?;
    let mut classes = BTreeMap::new();
    while let Some(row) = table.row()? {
        let [label, name] = &row[..] else {
            return Err(table.broken("needs two columns: a label and its name"));
        };
        // The newer file has a header, the older has none.
        if label != "LabelName" {
            classes.insert(label.clone(), name.clone());
        }
    }
    let mut named = Named::default();
    for path in files(dir, "annotations-bbox.csv") {
        boxes(dir, &path, &classes, &mut named)?;
    }
    Ok(named)
}

/// The columns we use. The names are the format's.
const COLUMNS: [&str; 7] = ["ImageID", "LabelName", "XMin", "XMax", "YMin", "YMax", "IsGroupOf"];

fn boxes(
    dir: &Path,
    path: &Path,
    classes: &BTreeMap<String, String>,
    named: &mut Named,
) -> Result<(), DataError> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let split = ["validation", "test"].into_iter().find(|s| name.contains(s)).unwrap_or("train");
    let folders = [dir.join(split), dir.join(split).join("data"), dir.join("images"), dir.to_path_buf()];
    let mut table = Table::open(path)?;
    let header = table.row()?.unwrap_or_default();
    let mut columns = [0; COLUMNS.len()];
    for (column, name) in columns.iter_mut().zip(COLUMNS) {
        let at = header.iter().position(|h| h == name);
        *column = at.ok_or_else(|| table.broken(&format!("the header has no column `{name}`")))?;
    }
    // Boxes of one picture stand together; its size is asked for once.
    let mut last: (String, Option<(PathBuf, u32, u32)>) = Default::default();
    while let Some(row) = table.row()? {
        if row.len() != header.len() {
            return Err(table.broken(&format!("{} fields; the header has {}", row.len(), header.len())));
        }
        let [id, label, edges @ .., group] = columns.map(|c| row[c].as_str());
        let class =
            classes.get(label).ok_or_else(|| table.broken(&format!("label `{label}` has no name")))?;
        let mut shares = [0f64; 4];
        for (share, text) in shares.iter_mut().zip(edges) {
            let value: Option<f64> = text.parse().ok().filter(|v| (0.0..=1.0).contains(v));
            *share = value.ok_or_else(|| table.broken(&format!("`{text}` is not a share of 0 to 1")))?;
        }
        if last.0 != id {
            last = (id.to_string(), sized(&folders, id)?);
        }
        let [left, right, top, bottom] = shares;
        let size = last.1.as_ref().map(|(_, width, height)| (f64::from(*width), f64::from(*height)));
        let area = size.and_then(|(w, h)| Area::from_edges(left * w, top * h, right * w, bottom * h));
        let one = Boxed { class: class.clone(), area, unclear: group == "1" };
        take(named, split == "train", last.1.as_ref().map(|found| found.0.as_path()), vec![one]);
    }
    Ok(())
}

/// A picture and its sides, if it is there.
fn sized(folders: &[PathBuf], id: &str) -> Result<Option<(PathBuf, u32, u32)>, DataError> {
    let Some(path) = find(folders, &format!("{id}.jpg"))? else { return Ok(None) };
    match image::image_dimensions(&path) {
        Ok((width, height)) => Ok(Some((path, width, height))),
        Err(e) => Err(DataError::Broken { path, at: At::Byte(0), what: e.to_string() }),
    }
}

/// A CSV file, record by record.
struct Table {
    path: PathBuf,
    bytes: Vec<u8>,
    at: usize,
    reader: Reader,
    /// Line on which the last record began.
    line: u64,
}

/// Most bytes and fields of a record.
const RECORD: usize = 1 << 16;
const FIELDS: usize = 64;

impl Table {
    fn open(path: &Path) -> Result<Self, DataError> {
        let bytes =
            std::fs::read(path).map_err(|source| DataError::Read { path: path.to_path_buf(), source })?;
        Ok(Self { path: path.to_path_buf(), bytes, at: 0, reader: Reader::new(), line: 1 })
    }

    fn broken(&self, what: &str) -> DataError {
        DataError::Broken { path: self.path.clone(), at: At::Line(self.line), what: what.to_string() }
    }

    /// The next record; `None` behind the last.
    fn row(&mut self) -> Result<Option<Vec<String>>, DataError> {
        let (mut out, mut ends) = (vec![0; 1024], [0; FIELDS]);
        let (mut written, mut fields) = (0, 0);
        self.line = self.reader.line();
        loop {
            let input = &self.bytes[self.at..];
            let (result, read, wrote, ended) =
                self.reader.read_record(input, &mut out[written..], &mut ends[fields..]);
            self.at += read;
            written += wrote;
            fields += ended;
            match result {
                // At the end of the file the reader wants to be told so, by an empty input.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::OutputFull if out.len() < RECORD => out.resize(2 * out.len(), 0),
                ReadRecordResult::OutputFull => return Err(self.broken("a record of more than 65536 bytes")),
                ReadRecordResult::OutputEndsFull => return Err(self.broken("more than 64 fields")),
                ReadRecordResult::End => return Ok(None),
                ReadRecordResult::Record => break,
            }
        }
        let mut from = 0;
        let mut row = Vec::with_capacity(fields);
        for &to in &ends[..fields] {
            let field = std::str::from_utf8(&out[from..to]).map_err(|_| self.broken("not UTF-8"))?;
            row.push(field.to_string());
            from = to;
        }
        Ok(Some(row))
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{refused, touch};
    use super::super::{Dataset, Format};

    /// As in version 7.
    const BOXES: &str = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside
000002b66c9c498e,xclick,/m/01g317,1,0.5,1.0,0.25,0.75,0,0,0,0,0
000002b66c9c498e,xclick,/m/0bt9lr,1,0.0,1.0,0.0,1.0,0,0,1,0,0
000002b66c9c498e,activemil,/m/0bt9lr,1,0.0,0.5,0.0,1.0,0,0,0,0,0
000002b97e5471a0,xclick,/m/01g317,1,0.0,1.0,0.0,1.0,0,0,0,0,0
";
    const NAMES: &str = "LabelName,DisplayName\n/m/01g317,Person\n/m/0bt9lr,\"Dog, or \"\"hound\"\"\"\n";

    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        touch(dir.path(), "oidv6-train-annotations-bbox.csv", BOXES.as_bytes());
        touch(dir.path(), "oidv7-class-descriptions-boxable.csv", NAMES.as_bytes());
        std::fs::create_dir(dir.path().join("train")).unwrap();
        let gray = image::RgbImage::from_pixel(60, 40, image::Rgb([90; 3]));
        gray.save(dir.path().join("train/000002b66c9c498e.jpg")).unwrap();
        dir
    }

    #[test]
    fn version_7() {
        let dir = folder();
        let dir = dir.path();
        assert_eq!(Format::detect(dir), Format::OpenImages);
        let set = Dataset::open(dir).unwrap();
        assert_eq!(set.classes, ["Dog, or \"hound\"", "Person"]);
        assert_eq!((set.train.len(), set.left_out.absent, set.left_out.unclear), (2, 1, 1));
        assert!(set.train[1].name().ends_with("000002b66c9c498e.jpg#30,10,30x20"), "{}", set.train[1].name());
        assert_eq!(set.train[0].open().unwrap().width(), 30);
        touch(dir, "validation-annotations-bbox.csv", BOXES.as_bytes());
        std::fs::create_dir(dir.join("validation")).unwrap();
        std::fs::copy(dir.join("train/000002b66c9c498e.jpg"), dir.join("validation/000002b66c9c498e.jpg"))
            .unwrap();
        assert_eq!(Dataset::open(dir).unwrap().val.len(), 2);
    }

    #[test]
    fn broken_tables() {
        let dir = folder();
        let dir = dir.path();
        let name = "oidv6-train-annotations-bbox.csv";
        for (from, to, part) in [
            ("IsGroupOf", "IsGroup", "line 1: the header has no column `IsGroupOf`"),
            ("0.25,0.75", "0.25,1.75", "line 2: `1.75` is not a share"),
            ("xclick,/m/0bt9lr", "xclick,/m/0", "line 3: label `/m/0` has no name"),
            ("activemil,", "", "line 4: 12 fields; the header has 13"),
            ("000002b97e5471a0", "../train/x", "leads out"),
        ] {
            assert!(BOXES.contains(from), "{from}");
            touch(dir, name, BOXES.replacen(from, to, 1).as_bytes());
            refused(dir, &[part]);
        }
        let mut bytes = BOXES.as_bytes().to_vec();
        bytes[150] = 0xff;
        touch(dir, name, &bytes);
        refused(dir, &[name, "line 2: not UTF-8"]);
        touch(dir, name, &[b'a'; 70_000]);
        refused(dir, &[name, "line 1", "65536"]);
        touch(dir, name, BOXES.as_bytes());
        touch(dir, "oidv7-class-descriptions-boxable.csv", b"/m/01g317\n");
        refused(dir, &["class-descriptions-boxable.csv", "line 1", "two columns"]);
        std::fs::remove_file(dir.join("oidv7-class-descriptions-boxable.csv")).unwrap();
        refused(dir, &["class-descriptions", "names of classes"]);
    }
}
