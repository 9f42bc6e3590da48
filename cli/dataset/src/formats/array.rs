//! Arrays of numbers: .npy, .npz and .csv files of one recording each, and files of many samples with
//! their labels.

use std::fs::File;
use std::io::{Cursor, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use npyz::{DType, NpyFile, Order, TypeChar};
use zip::ZipArchive;

use super::folder;
use crate::files::{Wanted, entries, folders_named, is_image, is_signal, subfolders};
use crate::left_out::Care;
use crate::table::Table;
use crate::{At, DataError, Named, Place};

/// Maximum size in bytes of a file, and of an array in an archive.
const MAX_BYTES: u64 = 1 << 30;
/// Most dimensions of an array.
const DIMENSIONS: usize = 5;
/// Columns of a recording that are no channels.
const TIMES: [&str; 7] = ["", "t", "time", "timestamp", "time_s", "time_ms", "index"];
/// Names of the array of a recording in an archive of several, in the order of preference.
const DATA: [&str; 7] = ["data", "x", "X", "signal", "samples", "values", "arr_0"];
/// Names of the arrays of a data set in an archive: samples, then labels.
const TRAIN: [[&str; 2]; 5] = [
    ["x_train", "y_train"],
    ["X_train", "y_train"],
    ["train_data", "train_labels"],
    ["x", "y"],
    ["X", "y"],
];
const TEST: [[&str; 2]; 5] = [
    ["x_test", "y_test"],
    ["X_test", "y_test"],
    ["test_data", "test_labels"],
    ["x_val", "y_val"],
    ["X_val", "y_val"],
];
/// Names of the column of labels in a table of vectors.
const LABELS: [&str; 7] = ["label", "class", "target", "y", "species", "category", "activity"];

/// Array of finite numbers, the last dimension innermost.
#[derive(Debug, Clone, PartialEq)]
pub struct Array {
    /// Dimensions, one at least.
    pub dims: Vec<usize>,
    /// Values.
    pub values: Vec<f32>,
}

impl Array {
    /// Returns the values as those of a signal: the channels of the first place, then those of the
    /// second; [`None`] unless the last dimension, or else the first, are the channels.
    ///
    /// A signal of one channel may have any dimensions.
    pub fn of_channels(&self, channels: usize) -> Option<Vec<f32>> {
        let Self { dims, values } = self;
        if channels == 0 || values.is_empty() {
            return None;
        }
        if channels == 1 || dims.last() == Some(&channels) {
            return Some(values.clone());
        }
        // A batch of one comes before the channels.
        let first = dims.iter().find(|&&length| length != 1);
        if first != Some(&channels) {
            return None;
        }
        let places = values.len() / channels;
        let place = |at: usize| (0..channels).map(move |channel| values[channel * places + at]);
        Some((0..places).flat_map(place).collect())
    }
}

/// Samples of a file of many.
#[derive(Debug)]
pub struct Arrays {
    path: PathBuf,
    all: Array,
}

impl Arrays {
    /// Path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns a sample, counted from 0.
    pub fn get(&self, index: usize) -> Option<Array> {
        let (count, dims) = self.all.dims.split_first()?;
        let length: usize = dims.iter().product();
        let values = self.all.values.get(index * length..(index + 1) * length)?;
        let dims = if dims.is_empty() { vec![1] } else { dims.to_vec() };
        (index < *count).then(|| Array { dims, values: values.to_vec() })
    }

    fn len(&self) -> usize {
        self.all.dims[0]
    }
}

/// Returns true if the class folders hold files of signals and no images.
pub(crate) fn is_folder(dir: &Path) -> bool {
    let train = folders_named(dir, &["train", "training"]);
    let dir = train.into_iter().next().unwrap_or(dir.to_path_buf());
    let folders = subfolders(&dir).unwrap_or_default();
    let files = || folders.iter().flat_map(|folder| entries(folder).unwrap_or_default());
    files().any(|file| is_signal(&file)) && !files().any(|file| is_image(&file))
}

/// Returns true for an .npz file, or a .csv file of vectors.
pub(crate) fn is_file(path: &Path) -> bool {
    path.is_file() && is_signal(path) && !has_ending(path, "npy")
}

/// Reads `DIR/<class>/*` with .npy, .npz and .csv files, or with train/ and val/ above the classes.
pub(crate) fn folders(dir: &Path, care: Care) -> Result<Named, DataError> {
    folder::read_as(dir, Wanted::Signals, |_| true, care)
}

/// Reads a file of samples with their labels: an .npz archive, or a table with a sample in each row.
pub(crate) fn labelled(path: &Path) -> Result<Named, DataError> {
    if has_ending(path, "csv") { of_table(path) } else { of_archive(path) }
}

fn has_ending(path: &Path, ending: &str) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case(ending))
}

/// Reads the array of one recording.
pub(crate) fn read(path: &Path) -> Result<Array, DataError> {
    let broken = |what: String| DataError::broken(path, At::Byte(0), what);
    if has_ending(path, "csv") {
        return recording(path);
    }
    if has_ending(path, "npy") {
        return numbers(&bytes(path)?).map_err(broken);
    }
    let archive = Archive::open(path)?;
    let names = archive.names();
    let name = match names {
        [only] => only,
        _ => names.iter().find(|name| DATA.contains(&name.as_str())).ok_or_else(|| {
            let all = names.join(", ");
            broken(format!("has the arrays {all}; the one of a recording is called data"))
        })?,
    };
    archive.numbers(name)
}

fn bytes(path: &Path) -> Result<Vec<u8>, DataError> {
    let file = File::open(path).map_err(|source| DataError::read(path, source))?;
    let mut bytes = Vec::new();
    file.take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(|source| DataError::read(path, source))?;
    match bytes.len() as u64 {
        0..=MAX_BYTES => Ok(bytes),
        _ => Err(DataError::broken(path, At::Byte(MAX_BYTES), "more than 1 GiB; divide the file")),
    }
}

/// Archive of arrays.
struct Archive {
    path: PathBuf,
    bytes: Vec<u8>,
    names: Vec<String>,
}

impl Archive {
    fn open(path: &Path) -> Result<Self, DataError> {
        let bytes = bytes(path)?;
        let archive = ZipArchive::new(Cursor::new(&bytes[..]))
            .map_err(|e| DataError::broken(path, At::Byte(0), format!("no .npz archive: {e}")))?;
        let names = archive.file_names().filter_map(npyz::npz::array_name_from_file_name);
        let mut names: Vec<String> = names.map(str::to_string).collect();
        names.sort();
        Ok(Self { path: path.to_path_buf(), bytes, names })
    }

    fn names(&self) -> &[String] {
        &self.names
    }

    /// Returns the bytes of an array.
    fn array(&self, name: &str) -> Result<Vec<u8>, DataError> {
        let broken =
            |what: String| DataError::broken(&self.path, At::Byte(0), format!("{name}: {what}"));
        let mut archive = ZipArchive::new(Cursor::new(&self.bytes[..]))
            .map_err(|e| broken(format!("no archive: {e}")))?;
        let file = archive.by_name(&npyz::npz::file_name_from_array_name(name));
        let file = file.map_err(|e| broken(e.to_string()))?;
        let mut bytes = Vec::new();
        let read = file.take(MAX_BYTES + 1).read_to_end(&mut bytes);
        read.map_err(|e| broken(e.to_string()))?;
        match bytes.len() as u64 {
            0..=MAX_BYTES => Ok(bytes),
            _ => Err(broken("more than 1 GiB".to_string())),
        }
    }

    fn numbers(&self, name: &str) -> Result<Array, DataError> {
        numbers(&self.array(name)?)
            .map_err(|what| DataError::broken(&self.path, At::Byte(0), format!("{name}: {what}")))
    }
}

/// Array with as many bytes as its header states.
struct Opened<'a> {
    file: NpyFile<&'a [u8]>,
    dims: Vec<usize>,
    kind: npyz::TypeStr,
}

fn opened(bytes: &[u8]) -> Result<Opened<'_>, String> {
    let file = NpyFile::new(bytes).map_err(|e| format!("no array of NumPy: {e}"))?;
    let DType::Plain(kind) = file.dtype() else {
        return Err("an array of records; an array of numbers is needed".to_string());
    };
    let dims: Option<Vec<usize>> =
        file.shape().iter().map(|&length| usize::try_from(length).ok()).collect();
    let dims = dims.filter(|dims| dims.len() <= DIMENSIONS).ok_or("too many dimensions")?;
    let size = kind.num_bytes().unwrap_or(1).max(1);
    let count = dims.iter().try_fold(size, |all, &length| all.checked_mul(length));
    // The memory is taken by what the header states.
    match count.filter(|&count| count <= bytes.len()) {
        Some(0) | None => Err("the array is empty, or the file ends inside it".to_string()),
        Some(_) => Ok(Opened { file, dims, kind }),
    }
}

/// Reads an array of numbers.
fn numbers(bytes: &[u8]) -> Result<Array, String> {
    let Opened { file, mut dims, kind } = opened(bytes)?;
    let order = file.order();
    let values = match (kind.type_char(), kind.num_bytes()) {
        (TypeChar::Float, Some(4)) => floats::<f32>(file),
        (TypeChar::Float, Some(8)) => floats::<f64>(file),
        (TypeChar::Int, Some(1)) => floats::<i8>(file),
        (TypeChar::Int, Some(2)) => floats::<i16>(file),
        (TypeChar::Int, Some(4)) => floats::<i32>(file),
        (TypeChar::Int, Some(8)) => floats::<i64>(file),
        (TypeChar::Uint, Some(1)) => floats::<u8>(file),
        (TypeChar::Uint, Some(2)) => floats::<u16>(file),
        (TypeChar::Uint, Some(4)) => floats::<u32>(file),
        (TypeChar::Uint, Some(8)) => floats::<u64>(file),
        (TypeChar::Bool, _) => file
            .into_vec::<bool>()
            .map(|values| values.into_iter().map(|value| f32::from(u8::from(value))).collect()),
        _ => {
            return Err(format!(
                "an array of {kind}; floats of 4 or 8 bytes and integers are read"
            ));
        }
    };
    let mut values: Vec<f32> = values.map_err(|e| match e.kind() {
        ErrorKind::UnexpectedEof => "the file ends inside it".to_string(),
        _ => format!("cannot be read: {e}"),
    })?;
    if let Some(at) = values.iter().position(|value| !value.is_finite()) {
        return Err(format!("value {at} is not a finite number"));
    }
    if dims.is_empty() {
        dims.push(1);
    }
    if order == Order::Fortran {
        values = last_innermost(&values, &dims);
    }
    Ok(Array { dims, values })
}

/// Number type of an array.
trait Number: npyz::Deserialize {
    fn float(self) -> f32;
}

macro_rules! numbers {
    ($($kind:ty),+) => {
        $(impl Number for $kind {
            fn float(self) -> f32 {
                self as f32
            }
        })+
    };
}

numbers!(f32, f64, i8, i16, i32, i64, u8, u16, u32, u64);

fn floats<T: Number>(file: NpyFile<&[u8]>) -> std::io::Result<Vec<f32>> {
    Ok(file.into_vec::<T>()?.into_iter().map(Number::float).collect())
}

/// Reorders values whose first dimension is innermost.
fn last_innermost(values: &[f32], dims: &[usize]) -> Vec<f32> {
    let mut strides = Vec::with_capacity(dims.len());
    let mut stride = 1;
    for &length in dims {
        strides.push(stride);
        stride *= length;
    }
    let place = |index: usize| {
        let mut rest = index;
        let mut at = 0;
        for (&length, stride) in dims.iter().zip(&strides).rev() {
            at += rest % length * stride;
            rest /= length;
        }
        values[at]
    };
    (0..values.len()).map(place).collect()
}

/// Reads a table of a recording: a row for each place, a column for each channel; a row of names and
/// columns of time are left out.
fn recording(path: &Path) -> Result<Array, DataError> {
    let mut table = Table::open(path)?;
    let mut kept: Option<Vec<usize>> = None;
    let mut values = Vec::new();
    let mut rows = 0;
    while let Some(row) = table.row()? {
        if row.iter().all(String::is_empty) {
            continue;
        }
        let is_header = kept.is_none() && row.iter().any(|field| field.parse::<f32>().is_err());
        let times = |field: &&String| TIMES.contains(&field.to_ascii_lowercase().as_str());
        let columns = kept.get_or_insert_with(|| {
            let columns = (0..row.len()).filter(|&at| !is_header || !times(&&row[at]));
            columns.collect()
        });
        if is_header {
            continue;
        }
        for &at in columns.iter() {
            values.push(number(&table, row.get(at))?);
        }
        rows += 1;
    }
    let columns = kept.map_or(0, |columns| columns.len());
    if rows == 0 || columns == 0 {
        return Err(DataError::broken(path, At::Line(1), "no row of numbers"));
    }
    Ok(Array { dims: vec![rows, columns], values })
}

fn number(table: &Table, field: Option<&String>) -> Result<f32, DataError> {
    let value = field.and_then(|field| field.parse().ok()).filter(|value: &f32| value.is_finite());
    value.ok_or_else(|| {
        let found = field.map_or_else(|| "nothing".to_string(), |field| format!("`{field}`"));
        table.broken(&format!("{found} where a finite number is needed"))
    })
}

/// Reads a table with a sample in each row, and a column of labels.
fn of_table(path: &Path) -> Result<Named, DataError> {
    let mut table = Table::open(path)?;
    let names = table.row()?.unwrap_or_default();
    let label = LABELS
        .iter()
        .find_map(|label| names.iter().position(|name| name.eq_ignore_ascii_case(label)));
    let Some(label) = label else {
        return Err(table.broken(&format!("no column of labels: {}", LABELS.join(", "))));
    };
    let mut values = Vec::new();
    let mut classes = Vec::new();
    while let Some(row) = table.row()? {
        for at in (0..names.len()).filter(|&at| at != label) {
            values.push(number(&table, row.get(at))?);
        }
        classes.push(row.get(label).cloned().unwrap_or_default());
    }
    if classes.is_empty() || names.len() < 2 {
        return Err(table.broken("no row of numbers with a label"));
    }
    let dims = vec![classes.len(), names.len() - 1];
    let mut named = Named::default();
    let arrays = Arrays { path: path.to_path_buf(), all: Array { dims, values } };
    add(&mut named.train, arrays, classes);
    Ok(named)
}

/// Reads an archive of samples and labels, with a test part if there is one.
fn of_archive(path: &Path) -> Result<Named, DataError> {
    let archive = Archive::open(path)?;
    let pair = |names: &[[&'static str; 2]]| {
        let has = |name: &str| archive.names().iter().any(|own| own == name);
        names.iter().find(|pair| pair.iter().all(|name| has(name))).copied()
    };
    let Some(train) = pair(&TRAIN) else {
        let what = format!(
            "has the arrays {}; samples and labels are called x and y, or x_train, y_train, x_test and y_test",
            archive.names().join(", ")
        );
        return Err(DataError::broken(path, At::Byte(0), what));
    };
    let texts = archive.names().iter().any(|name| name == "classes");
    let classes = if texts { labels(&archive, "classes")? } else { Vec::new() };
    let mut named = Named::default();
    for (is_train, pair) in [(true, Some(train)), (false, pair(&TEST))] {
        let Some([x, y]) = pair else { continue };
        let all = archive.numbers(x)?;
        let labels = labels(&archive, y)?;
        if labels.len() != all.dims[0] {
            let what = format!("{x} has {} samples, {y} has {}", all.dims[0], labels.len());
            return Err(DataError::broken(path, At::Byte(0), what));
        }
        let named_by = |label: String| {
            let class = label.parse().ok().and_then(|at: usize| classes.get(at));
            class.cloned().unwrap_or(label)
        };
        let labels = labels.into_iter().map(named_by).collect();
        add(named.part(is_train), Arrays { path: path.to_path_buf(), all }, labels);
    }
    Ok(named)
}

/// Reads an array of labels, numbers or texts.
fn labels(archive: &Archive, name: &str) -> Result<Vec<String>, DataError> {
    let bytes = archive.array(name)?;
    let broken =
        |what: String| DataError::broken(&archive.path, At::Byte(0), format!("{name}: {what}"));
    let Opened { file, kind, .. } = opened(&bytes).map_err(broken)?;
    if kind.type_char() == TypeChar::UnicodeStr {
        return file.into_vec().map_err(|e| broken(e.to_string()));
    }
    let numbers = numbers(&bytes).map_err(broken)?;
    Ok(numbers.values.iter().map(ToString::to_string).collect())
}

fn add(part: &mut Vec<(Place, String)>, arrays: Arrays, classes: Vec<String>) {
    let file = Arc::new(arrays);
    let places = (0..file.len()).map(|index| Place::Array { file: file.clone(), index });
    part.extend(places.zip(classes));
}

#[cfg(test)]
mod tests {
    use npyz::WriterBuilder;

    use super::*;
    use crate::tests::touch;
    use crate::{Dataset, Format};

    fn npy(values: &[f64], shape: &[u64], order: Order) -> Vec<u8> {
        let mut bytes = Vec::new();
        let options = npyz::WriteOptions::new().default_dtype().shape(shape).order(order);
        let mut writer = options.writer(&mut bytes).begin_nd().unwrap();
        writer.extend(values.iter().copied()).unwrap();
        writer.finish().unwrap();
        bytes
    }

    fn npz(arrays: &[(&str, Vec<u8>)]) -> Vec<u8> {
        let mut zip = zip::ZipWriter::new(Cursor::new(Vec::new()));
        for (name, bytes) in arrays {
            let options = zip::write::SimpleFileOptions::default()
                .compression_method(zip::CompressionMethod::Deflated);
            zip.start_file(format!("{name}.npy"), options).unwrap();
            std::io::Write::write_all(&mut zip, bytes).unwrap();
        }
        zip.finish().unwrap().into_inner()
    }

    #[test]
    fn every_form_of_a_recording_is_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let rows = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let columns = [1.0, 4.0, 2.0, 5.0, 3.0, 6.0];
        touch(dir, "rows.npy", &npy(&rows, &[2, 3], Order::C));
        touch(dir, "fortran.npy", &npy(&columns, &[2, 3], Order::Fortran));
        touch(dir, "planes.npy", &npy(&columns, &[3, 2], Order::C));
        touch(dir, "batch.npy", &npy(&columns, &[1, 3, 2], Order::C));
        touch(dir, "one.npz", &npz(&[("x", npy(&rows, &[2, 3], Order::C))]));
        let info = ("info", npy(&[9.0], &[1], Order::C));
        touch(dir, "two.npz", &npz(&[info, ("data", npy(&rows, &[2, 3], Order::C))]));
        touch(dir, "plain.csv", b"1,2,3\n4,5,6\n");
        touch(dir, "named.csv", b"time;ax;ay;az\n0.0;1;2;3\n\n0.1;4;5;6\n");
        for name in entries(dir).unwrap() {
            let values = read(&name).unwrap().of_channels(3).unwrap();
            assert_eq!(values, rows.map(|value| value as f32), "{name:?}");
        }
        let array = read(&dir.join("rows.npy")).unwrap();
        assert_eq!((array.of_channels(4), array.of_channels(0)), (None, None));
        assert_eq!(array.of_channels(1).unwrap().len(), 6);
    }

    #[test]
    fn broken_files_are_refused() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let good = npy(&[1.0, 2.0], &[2, 1], Order::C);
        let mut huge = good.clone();
        let at = huge.windows(2).position(|part| part == b"(2").unwrap();
        huge[at + 1] = b'9';
        for (name, bytes, part) in [
            ("short.npy", good[..good.len() - 1].to_vec(), "ends inside it"),
            ("empty.npy", Vec::new(), "no array"),
            ("huge.npy", huge, "ends inside it"),
            ("nan.npy", npy(&[1.0, f64::NAN], &[2], Order::C), "value 1 is not a finite"),
            ("none.npy", npy(&[], &[0, 3], Order::C), "the array is empty"),
            ("no.npz", b"PK".to_vec(), "no .npz archive"),
            ("words.csv", b"a,b\n1,2\n3,x\n".to_vec(), "line 3: `x` where"),
            ("ragged.csv", b"1,2\n3\n".to_vec(), "nothing where"),
            ("names.csv", b"a,b\n".to_vec(), "no row of numbers"),
            ("many.npz", npz(&[("a", good.clone()), ("b", good.clone())]), "arrays a, b"),
        ] {
            touch(dir, name, &bytes);
            let error = read(&dir.join(name)).unwrap_err().to_string();
            assert!(error.contains(part), "{name}: {error}");
        }
        // Any length may be stated.
        for _ in 0..2 {
            for at in 0..good.len() {
                for byte in [0, b'9', 0xff] {
                    let mut other = good.clone();
                    other[at] = byte;
                    let _ = numbers(&other);
                }
            }
        }
    }

    #[test]
    fn folders_archives_and_tables_are_data_sets() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        for (class, file) in [("shake", "1.csv"), ("shake", "2.csv"), ("still", "1.csv")] {
            touch(dir, &format!("folders/{class}/{file}"), b"1,2\n3,4\n");
        }
        let x = npy(&[1.0, 2.0, 3.0, 4.0], &[2, 2], Order::C);
        let y = npy(&[1.0, 0.0], &[2], Order::C);
        touch(dir, "all.npz", &npz(&[("x", x.clone()), ("y", y.clone())]));
        let parts = [("x_train", &x), ("y_train", &y), ("x_test", &x), ("y_test", &y)];
        let parts = parts.map(|(name, bytes)| (name, bytes.clone()));
        touch(dir, "parts.npz", &npz(&parts));
        touch(dir, "iris.csv", b"length,width,species\n1,2,a\n3,4,b\n5,6,a\n");
        for (name, format, classes, counts) in [
            ("folders", Format::Signals, ["shake", "still"], [3, 0]),
            ("all.npz", Format::Arrays, ["0", "1"], [2, 0]),
            ("parts.npz", Format::Arrays, ["0", "1"], [2, 2]),
            ("iris.csv", Format::Arrays, ["a", "b"], [3, 0]),
        ] {
            let path = dir.join(name);
            assert_eq!(Format::detect(&path), format, "{name}");
            let data = Dataset::open(&path).unwrap();
            assert_eq!(data.classes, classes, "{name}");
            assert_eq!([data.train.len(), data.val.len()], counts, "{name}");
            let first = data.train[0].array().unwrap();
            assert_eq!(first.of_channels(2).unwrap().len() % 2, 0);
            let error = data.train[0].open().unwrap_err().to_string();
            assert!(error.contains("this is a signal; the package takes images"), "{error}");
        }
        let data = Dataset::open(&dir.join("iris.csv")).unwrap();
        assert_eq!(data.train[2].array().unwrap().values, [3.0, 4.0]);
        touch(dir, "wrong.npz", &npz(&[("x", x), ("y", npy(&[1.0], &[1], Order::C))]));
        let error = Dataset::open(&dir.join("wrong.npz")).unwrap_err().to_string();
        assert!(error.contains("x has 2 samples, y has 1"), "{error}");
    }
}
