//! Open Images: CSV files of boxes, in fractions of an image's sides.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::boxes::{Area, Boxed, Folders, Whole, sides, take};
use crate::files::{entries, file_name};
use crate::left_out::Care;
use crate::table::Table;
use crate::{DataError, Named};

/// Returns the files of a folder whose names contain `part`, sorted.
fn files(dir: &Path, part: &str) -> Vec<PathBuf> {
    let mut files = entries(dir).unwrap_or_default();
    files.retain(|p| p.file_name().is_some_and(|n| n.to_string_lossy().contains(part)));
    files.sort();
    files
}

pub(crate) fn is_here(dir: &Path) -> bool {
    !files(dir, "annotations-bbox.csv").is_empty()
}

/// Reads `*train-annotations-bbox.csv` and those of `validation` and `test`, class names in
/// `*class-descriptions*.csv`, images `<ImageID>.jpg` in `train/`, `images/` or the folder itself.
pub(crate) fn read(dir: &Path, care: Care) -> Result<Named, DataError> {
    let names = files(dir, "class-descriptions").into_iter().next();
    let names = names.ok_or_else(|| DataError::Missing {
        path: dir.join("*class-descriptions*.csv"),
        what: "names of classes",
    })?;
    let mut table = Table::open(&names)?;
    let mut classes = BTreeMap::new();
    while let Some(row) = table.row()? {
        let [label, name] = &row[..] else {
            return Err(table.broken("two columns required: label and name"));
        };
        // The newer file has a header, the older one has none.
        if label != "LabelName" {
            classes.insert(label.clone(), name.clone());
        }
    }
    let mut named = Named::new(care);
    for path in files(dir, "annotations-bbox.csv") {
        boxes(dir, &path, &classes, &mut named)?;
    }
    Ok(named)
}

/// Columns that are used, under the names of the format.
const COLUMNS: [&str; 7] = ["ImageID", "LabelName", "XMin", "XMax", "YMin", "YMax", "IsGroupOf"];

/// Parsed row.
struct Row {
    id: String,
    class: String,
    /// Left, right, top and bottom edge, in fractions of the sides.
    edges: [f64; 4],
    is_group: bool,
}

fn boxes(
    dir: &Path,
    path: &Path,
    classes: &BTreeMap<String, String>,
    named: &mut Named,
) -> Result<(), DataError> {
    let name = file_name(path);
    let split = ["validation", "test"].into_iter().find(|s| name.contains(s)).unwrap_or("train");
    let folders = Folders(vec![
        dir.join(split),
        dir.join(split).join("data"),
        dir.join("images"),
        dir.to_path_buf(),
    ]);
    let mut table = Table::open(path)?;
    let header = table.row()?.unwrap_or_default();
    let mut columns = [0; COLUMNS.len()];
    for (column, name) in columns.iter_mut().zip(COLUMNS) {
        let at = header.iter().position(|h| h == name);
        *column =
            at.ok_or_else(|| table.broken(&format!("column `{name}` missing in the header")))?;
    }
    // Boxes of one image are consecutive; its size is read once.
    let mut last: Option<(String, Option<Sized>)> = None;
    while let Some(fields) = table.row()? {
        let row = match row(&fields, header.len(), columns, classes) {
            Ok(row) => row,
            Err(what) => {
                named.left_out.pass(table.broken(&what))?;
                continue;
            }
        };
        if last.as_ref().is_none_or(|(id, _)| *id != row.id) {
            let found = sized(&folders, &row.id, named);
            let found = found.or_else(|fault| named.left_out.pass(fault).map(|()| None))?;
            last = Some((row.id.clone(), found));
        }
        let found = last.as_ref().and_then(|(_, found)| found.as_ref());
        let [left, right, top, bottom] = row.edges;
        let area = found.and_then(|Sized { sides: (w, h), .. }| {
            Area::from_edges(left * w, top * h, right * w, bottom * h)
        });
        let one = Boxed { class: row.class, area, unclear: row.is_group };
        let whole = Whole { path: found.map(|found| &*found.path), size: None };
        take(named, split == "train", &whole, vec![one])?;
    }
    Ok(())
}

fn row(
    fields: &[String],
    width: usize,
    columns: [usize; COLUMNS.len()],
    classes: &BTreeMap<String, String>,
) -> Result<Row, String> {
    if fields.len() != width {
        return Err(format!("{} fields, {width} required by the header", fields.len()));
    }
    let [id, label, shares @ .., group] = columns.map(|c| fields[c].as_str());
    let class = classes.get(label).ok_or_else(|| format!("label `{label}` has no name"))?;
    let mut edges = [0f64; 4];
    for (edge, text) in edges.iter_mut().zip(shares) {
        let value: Option<f64> = text.parse().ok().filter(|v| (0.0..=1.0).contains(v));
        *edge = value.ok_or_else(|| format!("`{text}` is not a number from 0 to 1"))?;
    }
    Ok(Row { id: id.to_string(), class: class.clone(), edges, is_group: group == "1" })
}

/// Image with its width and height.
struct Sized {
    path: PathBuf,
    sides: (f64, f64),
}

/// Finds an image and reads its size, if it exists.
fn sized(folders: &Folders, id: &str, named: &Named) -> Result<Option<Sized>, DataError> {
    let Some(path) = folders.find(&format!("{id}.jpg"), named.left_out.care())? else {
        return Ok(None);
    };
    let sides = sides(&path)?;
    Ok(Some(Sized { path, sides }))
}

#[cfg(test)]
mod tests {
    use crate::tests::{refused, touch};
    use crate::{Dataset, Format, Reason};

    /// Boxes in the columns of version 7.
    const BOXES: &str = "ImageID,Source,LabelName,Confidence,XMin,XMax,YMin,YMax,IsOccluded,IsTruncated,IsGroupOf,IsDepiction,IsInside
000002b66c9c498e,xclick,/m/01g317,1,0.5,1.0,0.25,0.75,0,0,0,0,0
000002b66c9c498e,xclick,/m/0bt9lr,1,0.0,1.0,0.0,1.0,0,0,1,0,0
000002b66c9c498e,activemil,/m/0bt9lr,1,0.0,0.5,0.0,1.0,0,0,0,0,0
000002b97e5471a0,xclick,/m/01g317,1,0.0,1.0,0.0,1.0,0,0,0,0,0
";
    const NAMES: &str =
        "LabelName,DisplayName\n/m/01g317,Person\n/m/0bt9lr,\"Dog, or \"\"hound\"\"\"\n";

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
        assert_eq!(
            (
                set.train.len(),
                set.left_out.count(Reason::Absent),
                set.left_out.count(Reason::Unclear)
            ),
            (2, 1, 1)
        );
        assert!(
            set.train[1].name().ends_with("000002b66c9c498e.jpg#30,10,30x20"),
            "{}",
            set.train[1].name()
        );
        assert_eq!(set.train[0].open().unwrap().width(), 30);
        touch(dir, "validation-annotations-bbox.csv", BOXES.as_bytes());
        std::fs::create_dir(dir.join("validation")).unwrap();
        std::fs::copy(
            dir.join("train/000002b66c9c498e.jpg"),
            dir.join("validation/000002b66c9c498e.jpg"),
        )
        .unwrap();
        assert_eq!(Dataset::open(dir).unwrap().val.len(), 2);
    }

    #[test]
    fn broken_tables() {
        let dir = folder();
        let dir = dir.path();
        let name = "oidv6-train-annotations-bbox.csv";
        for (from, to, part) in [
            ("IsGroupOf", "IsGroup", "line 1: column `IsGroupOf` missing in the header"),
            ("0.25,0.75", "0.25,1.75", "line 2: `1.75` is not a number from 0 to 1"),
            ("xclick,/m/0bt9lr", "xclick,/m/0", "line 3: label `/m/0` has no name"),
            ("activemil,", "", "line 4: 12 fields, 13 required by the header"),
            ("000002b97e5471a0", "../train/x", "leads out"),
        ] {
            assert!(BOXES.contains(from), "{from}");
            touch(dir, name, BOXES.replacen(from, to, 1).as_bytes());
            refused(dir, &[part]);
            // One broken row does not end the reading, except the header.
            let set = Dataset::open(dir);
            assert_eq!(set.is_ok(), !part.starts_with("line 1"), "{part}");
            assert!(set.is_err() || !set.unwrap().train.is_empty());
        }
        touch(dir, name, &[b'a'; 70_000]);
        refused(dir, &[name, "line 1", "65536"]);
        touch(dir, name, BOXES.as_bytes());
        touch(dir, "oidv7-class-descriptions-boxable.csv", b"/m/01g317\n");
        refused(dir, &["class-descriptions-boxable.csv", "line 1", "two columns"]);
        std::fs::remove_file(dir.join("oidv7-class-descriptions-boxable.csv")).unwrap();
        refused(dir, &["class-descriptions", "names of classes"]);
    }
}
