//! Table of files and classes, such as `labels.csv` beside `images/`; with box edges, one image per
//! box.

use std::path::{Path, PathBuf};

use crate::boxes::{Area, Boxed, Folders, Whole, take};
use crate::files::{entries, file_name};
use crate::left_out::{Care, Reason};
use crate::table::Table;
use crate::{DataError, Named, Place};

/// Names of columns, in lower case without separators.
const FILES: [&str; 12] = [
    "file",
    "filename",
    "filepath",
    "image",
    "imagename",
    "imageid",
    "imagepath",
    "path",
    "img",
    "picture",
    "photo",
    "id",
];
const LABELS: [&str; 13] = [
    "label",
    "labels",
    "class",
    "classname",
    "category",
    "target",
    "tag",
    "name",
    "species",
    "breed",
    "labelname",
    "finding",
    "diagnosis",
];
const SPLITS: [&str; 4] = ["split", "set", "subset", "partition"];
const EDGES: [&str; 4] = ["xmin", "ymin", "xmax", "ymax"];

/// Folders beside the table in which the files may lie.
const FOLDERS: [&str; 10] = [
    "images",
    "image",
    "imgs",
    "img",
    "pictures",
    "photos",
    "data",
    "train",
    "jpg",
    "train_images",
];

/// Number of rows that are examined to recognize a table.
const FIRST: usize = 50;

/// Returns the index of the first wanted column, in the order of preference, not of the columns.
fn column_of(names: &[String], wanted: &[&str]) -> Option<usize> {
    wanted.iter().find_map(|wanted| names.iter().position(|name| name == wanted))
}

fn cell(row: &[String], at: usize) -> &str {
    row.get(at).map(String::as_str).unwrap_or_default()
}

/// Indices of the columns.
struct Columns {
    file: usize,
    label: usize,
    split: Option<usize>,
    edges: Option<[usize; 4]>,
    /// First row of a table without a header.
    first: Option<Vec<String>>,
}

impl Columns {
    /// Finds the columns by the names of the header, or takes two columns without a header as file
    /// and class.
    fn of(header: Vec<String>, folders: &Folders) -> Option<Self> {
        let names: Vec<String> = header
            .iter()
            .map(|name| name.to_ascii_lowercase().replace(['_', ' ', '-'], ""))
            .collect();
        let edges = EDGES.map(|edge| column_of(&names, &[edge]));
        let edges = edges.iter().all(Option::is_some).then(|| edges.map(Option::unwrap_or_default));
        if let Some((file, label)) =
            column_of(&names, &FILES).zip(column_of(&names, &LABELS)).filter(|(f, l)| f != l)
        {
            let split = column_of(&names, &SPLITS);
            return Some(Self { file, label, split, edges, first: None });
        }
        let is_file =
            header.len() == 2 && matches!(folders.find(&header[0], Care::default()), Ok(Some(_)));
        is_file.then_some(Self { file: 0, label: 1, split: None, edges: None, first: Some(header) })
    }
}

/// Opened table with its columns and folders.
struct Labels {
    table: Table,
    columns: Columns,
    folders: Folders,
    is_train: bool,
}

fn labels(path: &Path) -> Option<Labels> {
    let dir = path.parent()?;
    let stem = path.file_stem()?.to_string_lossy().to_ascii_lowercase();
    let mut folders = vec![dir.to_path_buf()];
    folders.extend(FOLDERS.iter().map(|name| dir.join(name)));
    folders.push(dir.join(&stem));
    let folders = Folders(folders);
    let mut table = Table::open(path).ok()?;
    let columns = Columns::of(table.row().ok()??, &folders)?;
    let is_train = !["val", "test", "dev"].iter().any(|part| stem.starts_with(part));
    Some(Labels { table, columns, folders, is_train })
}

/// Returns the tables of a folder that name existing files.
fn tables(dir: &Path) -> Vec<PathBuf> {
    let mut files = entries(dir).unwrap_or_default();
    files.retain(|path| is_table(path) && names_files(path));
    files.sort();
    files
}

fn is_table(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("csv") || e.eq_ignore_ascii_case("tsv"))
}

/// Returns true if one of the first rows of a table names an existing file.
fn names_files(path: &Path) -> bool {
    let Some(Labels { mut table, columns, folders, .. }) = labels(path) else { return false };
    columns.first.is_some()
        || (0..FIRST).any(|_| {
            table.row().ok().flatten().is_some_and(|row| {
                row.get(columns.file)
                    .is_some_and(|name| matches!(folders.find(name, Care::default()), Ok(Some(_))))
            })
        })
}

pub(crate) fn is_here(dir: &Path) -> bool {
    !tables(dir).is_empty()
}

/// Reads `labels.csv`, or any table with a column of files and one of classes (and optionally one
/// of `train`, `val` or `test`). The files lie beside the table, in `images/`, or at the paths
/// given. Tables whose names begin with `val` or `test` are for testing.
pub(crate) fn read(dir: &Path, care: Care) -> Result<Named, DataError> {
    let tables = tables(dir);
    if tables.is_empty() {
        let what = "table of files and their classes (columns such as `file` and `label`)";
        return Err(DataError::Missing { path: dir.join("labels.csv"), what });
    }
    let mut named = Named::new(care);
    for path in tables {
        let Some(labels) = labels(&path) else { continue };
        one(labels, &path, &mut named)?;
    }
    Ok(named)
}

fn one(labels: Labels, path: &Path, named: &mut Named) -> Result<(), DataError> {
    let Labels { mut table, mut columns, folders, is_train } = labels;
    // Without a header, the first row is a record like the others.
    let mut first = columns.first.take();
    while let Some(row) = first.take().map_or_else(|| table.row(), |row| Ok(Some(row)))? {
        let line = match columns.line(&row, is_train) {
            Ok(line) => line,
            Err(what) => {
                named.left_out.pass(table.broken(&what))?;
                continue;
            }
        };
        let found = named.find(&folders, line.file)?;
        let class = line.class.to_string();
        match (line.edges, found) {
            (Some([left, top, right, bottom]), found) => {
                let area = Area::from_edges(left, top, right, bottom);
                let whole = Whole { path: found.as_deref(), size: None };
                take(named, line.is_train, &whole, vec![Boxed { class, area, unclear: false }])?;
            }
            (None, Some(path)) => named.part(line.is_train).push((Place::File(path), class)),
            (None, None) => named.left_out.add(Reason::Absent, 1),
        }
    }
    named.left_out.note(format!("classes taken from {}", file_name(path)));
    Ok(())
}

/// Parsed record.
struct Line<'a> {
    file: &'a str,
    class: &'a str,
    is_train: bool,
    edges: Option<[f64; 4]>,
}

impl Columns {
    /// Parses a record; `is_train` is the default from the name of the table.
    fn line<'a>(&self, row: &'a [String], is_train: bool) -> Result<Line<'a>, String> {
        let file = cell(row, self.file);
        let class = cell(row, self.label);
        if file.is_empty() || class.is_empty() {
            return Err(format!("{} missing", if file.is_empty() { "file" } else { "class" }));
        }
        let split =
            self.split.map(|at| cell(row, at).to_ascii_lowercase()).filter(|s| !s.is_empty());
        let is_train = split.map_or(is_train, |split| split.starts_with("train"));
        // Text that is not a number makes the box invalid.
        let edges =
            self.edges.map(|edges| edges.map(|at| cell(row, at).parse().unwrap_or(f64::NAN)));
        Ok(Line { file, class, is_train, edges })
    }
}

#[cfg(test)]
mod tests {
    use crate::tests::{refused, touch};
    use crate::{Dataset, Format, Reason};

    fn names(set: &Dataset, samples: &[crate::Sample]) -> Vec<(String, String)> {
        let file = |sample: &crate::Sample| sample.name().rsplit_once('/').unwrap().1.to_string();
        samples.iter().map(|s| (file(s), set.classes[s.class].clone())).collect()
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect()
    }

    #[test]
    fn a_table_beside_the_images() {
        let whole = tempfile::tempdir().unwrap();
        for (n, (table, text)) in [
            ("labels.csv", "filename,label\n0.jpg,cat\n1.jpg,dog\n"),
            ("labels.csv", "\u{feff}Image_ID;Class Name;other\n0;cat;x\n1;dog;y\n"),
            ("train.tsv", "label\tpath\ncat\timages/0.jpg\ndog\timages/1.jpg\n"),
            ("x.csv", "0.jpg,cat\n1.jpg,dog\n"),
            ("metadata.csv", "file_name,label\n\"0.jpg\", cat\n/home/x/1.jpg,\"dog\"\n"),
        ]
        .into_iter()
        .enumerate()
        {
            let dir = whole.path().join(n.to_string());
            ["images/0.jpg", "images/1.jpg"].iter().for_each(|name| touch(&dir, name, b"x"));
            touch(&dir, table, text.as_bytes());
            assert_eq!(Format::detect(&dir), Format::Csv, "{text}");
            let set = Dataset::open(&dir).unwrap();
            assert_eq!(
                names(&set, &set.train),
                pairs(&[("0.jpg", "cat"), ("1.jpg", "dog")]),
                "{text}"
            );
            assert!(set.left_out.report_on(&dir).contains(&format!("classes taken from {table}")));
        }
    }

    #[test]
    fn parts_and_boxes() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        ["0.jpg", "1.jpg", "2.jpg"]
            .iter()
            .for_each(|name| touch(dir, &format!("img/{name}"), b"x"));
        touch(
            dir,
            "labels.csv",
            b"image,split,class\n0.jpg,train,cat\n1.jpg,valid,cat\n2.jpg,test,cat\n",
        );
        let set = Dataset::open(dir).unwrap();
        assert_eq!((set.train.len(), set.val.len()), (1, 2));
        let boxes = "filename,width,height,class,xmin,ymin,xmax,ymax\n0.jpg,60,40,cat,10,5,40,35\n0.jpg,60,40,cat,,,,\n";
        touch(dir, "labels.csv", boxes.as_bytes());
        let set = Dataset::open(dir).unwrap();
        assert_eq!((set.train.len(), set.left_out.count(Reason::Unclear)), (1, 1));
        assert!(set.train[0].name().ends_with("0.jpg#10,5,30x30"), "{}", set.train[0].name());
    }

    #[test]
    fn broken_lines_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        touch(dir, "images/0.jpg", b"x");
        touch(dir, "labels.csv", b"file,label\n0.jpg,cat\n0.jpg,\n9.jpg,cat\n,dog\n");
        let set = Dataset::open(dir).unwrap();
        assert_eq!((set.train.len(), set.left_out.count(Reason::Broken)), (1, 2));
        assert_eq!(set.left_out.count(Reason::Absent), 1);
        assert!(
            set.left_out.to_string().contains("labels.csv: line 3: class missing"),
            "{}",
            set.left_out
        );
        refused(dir, &["labels.csv", "line 3", "class missing"]);
        // A table of other content is not recognized.
        touch(dir, "labels.csv", b"epoch,loss\n1,0.5\n");
        assert_eq!(Format::detect(dir), Format::Folder);
        touch(dir, "a/1.jpg", b"x");
        touch(dir, "files.csv", b"file,label\nnowhere.jpg,cat\n");
        assert_eq!(Format::detect(dir), Format::Folder);
    }
}
