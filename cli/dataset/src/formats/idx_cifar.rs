//! Files of many small images: MNIST's IDX, and the binary versions of CIFAR.

use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use offshoot::Image;
use offshoot_core::limits::FRAME_SIDE;

use crate::{At, DataError, Named, Place, entries};

/// Maximum size of such a file in bytes, uncompressed.
const MAX_BYTES: u64 = 1 << 30;

/// Layout of a pixel's bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Pixels {
    /// One byte per pixel.
    Gray,
    /// Planes of red, green and blue.
    Planes,
}

/// Images of one size in one file.
#[derive(Debug)]
pub struct Packed {
    path: PathBuf,
    bytes: Vec<u8>,
    /// Offset of the first image, and stride from one image to the next, in bytes.
    first: usize,
    stride: usize,
    width: usize,
    height: usize,
    pixels: Pixels,
}

impl Packed {
    /// Returns the path of the file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Returns the `index`-th image; `None` after the last one.
    pub fn image(&self, index: usize) -> Option<Image> {
        let area = self.width * self.height;
        let from = self.bytes.get(self.first + index * self.stride..)?;
        let rgb: Vec<u8> = match self.pixels {
            Pixels::Gray => from.get(..area)?.iter().flat_map(|&v| [v; 3]).collect(),
            Pixels::Planes => {
                let from = from.get(..3 * area)?;
                (0..area).flat_map(|i| [from[i], from[area + i], from[2 * area + i]]).collect()
            }
        };
        Image::from_rgb(self.width as u32, self.height as u32, rgb)
    }
}

fn broken(path: &Path, byte: usize, what: impl Into<String>) -> DataError {
    DataError::Broken { path: path.to_path_buf(), at: At::Byte(byte as u64), what: what.into() }
}

/// Input file, decompressed if its name ends in `.gz`.
struct Source<'a> {
    path: &'a Path,
    reader: Box<dyn Read>,
    /// Number of bytes read.
    done: u64,
}

impl<'a> Source<'a> {
    fn open(path: &'a Path) -> Result<Self, DataError> {
        let file = std::fs::File::open(path).map_err(|source| DataError::read(path, source))?;
        let reader: Box<dyn Read> = match path.extension().is_some_and(|e| e == "gz") {
            true => Box::new(flate2::read::MultiGzDecoder::new(file)),
            false => Box::new(file),
        };
        Ok(Self { path, reader, done: 0 })
    }

    /// Reads the next bytes, at most `most`; memory grows with the bytes received.
    fn take(&mut self, most: u64) -> Result<Vec<u8>, DataError> {
        let mut bytes = Vec::new();
        let read = self.reader.by_ref().take(most).read_to_end(&mut bytes);
        self.done += bytes.len() as u64;
        match read.map_err(|source| (source.kind(), source)) {
            Ok(_) => Ok(bytes),
            Err((
                ErrorKind::InvalidInput | ErrorKind::InvalidData | ErrorKind::UnexpectedEof,
                source,
            )) => Err(broken(
                self.path,
                self.done as usize,
                format!("decompression failed: {source}"),
            )),
            Err((_, source)) => Err(DataError::read(self.path, source)),
        }
    }
}

/// Reads a whole file.
fn bytes(path: &Path) -> Result<Vec<u8>, DataError> {
    let bytes = Source::open(path)?.take(MAX_BYTES + 1)?;
    match bytes.len() as u64 {
        0..=MAX_BYTES => Ok(bytes),
        _ => Err(broken(path, MAX_BYTES as usize, "longer than any file of this kind")),
    }
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Returns the files of a folder whose names contain `part`, sorted.
fn files_with(dir: &Path, part: &str) -> Result<Vec<PathBuf>, DataError> {
    let mut files = entries(dir)?;
    files.retain(|p| file_name(p).contains(part) && p.is_file());
    files.sort();
    Ok(files)
}

/// Returns true if there are IDX files of images.
pub(crate) fn is_idx(dir: &Path) -> bool {
    files_with(dir, "idx3-ubyte").is_ok_and(|files| !files.is_empty())
}

/// Reads `*images*idx3-ubyte` with `*labels*idx1-ubyte` beside it, each optionally with `.gz`;
/// files with `train` in their names are for training, the others for testing. Class names are the
/// label numbers.
pub(crate) fn idx(dir: &Path) -> Result<Named, DataError> {
    let mut named = Named::default();
    let mut files = files_with(dir, "idx3-ubyte")?;
    // If a file exists compressed and decompressed, one of them is enough.
    let all = files.clone();
    files.retain(|p| {
        p.extension().is_none_or(|e| e != "gz") || !all.contains(&p.with_extension(""))
    });
    for path in files {
        let labels = file_name(&path).replace("images", "labels").replace("idx3", "idx1");
        let other = match labels.strip_suffix(".gz") {
            Some(plain) => plain.to_string(),
            None => format!("{labels}.gz"),
        };
        let found = [&labels, &other].map(|name| dir.join(name)).into_iter().find(|p| p.is_file());
        let found =
            found.ok_or_else(|| DataError::Missing { path: dir.join(&labels), what: "labels" })?;
        let classes = idx_labels(&found)?;
        let images = idx_images(&path, classes.len())?;
        let into =
            if file_name(&path).contains("train") { &mut named.train } else { &mut named.val };
        let images = Arc::new(images);
        into.extend(classes.iter().enumerate().map(|(index, class)| {
            (Place::Packed { file: Arc::clone(&images), index }, class.to_string())
        }));
    }
    Ok(named)
}

/// Reads an IDX file of bytes with `N` dimensions and returns its sides and data. Data is read and
/// decompressed only after `check` has accepted the sides.
fn idx_bytes<const N: usize>(
    path: &Path,
    check: impl FnOnce([usize; N]) -> Result<(), DataError>,
) -> Result<([usize; N], Vec<u8>), DataError> {
    let mut source = Source::open(path)?;
    let header = source.take(4 + 4 * N as u64)?;
    let magic = [0, 0, 8, N as u8];
    if header.get(..4) != Some(&magic[..]) {
        return Err(broken(
            path,
            0,
            format!("not an IDX file of bytes in {N} dimensions, which begins with {magic:?}"),
        ));
    }
    let mut sides = [0; N];
    for (i, side) in sides.iter_mut().enumerate() {
        let at = 4 + 4 * i;
        let word = header.get(at..at + 4).and_then(|w| w.try_into().ok());
        *side = u32::from_be_bytes(
            word.ok_or_else(|| broken(path, at, "the file ends in its header"))?,
        ) as usize;
    }
    let need = sides.iter().try_fold(1u64, |n, &s| n.checked_mul(s as u64)).unwrap_or(u64::MAX);
    if need > MAX_BYTES {
        let what =
            format!("header {sides:?} requires {need} bytes of data, at most {MAX_BYTES} allowed");
        return Err(broken(path, header.len(), what));
    }
    check(sides)?;
    let bytes = source.take(need + 1)?;
    if bytes.len() as u64 != need {
        let have =
            if bytes.len() as u64 > need { "more".to_string() } else { bytes.len().to_string() };
        let what = format!("header {sides:?} requires {need} bytes of data, {have} found");
        return Err(broken(path, source.done as usize, what));
    }
    Ok((sides, bytes))
}

fn idx_labels(path: &Path) -> Result<Vec<u8>, DataError> {
    Ok(idx_bytes::<1>(path, |_| Ok(()))?.1)
}

/// Reads images, as many as there are labels.
fn idx_images(path: &Path, labels: usize) -> Result<Packed, DataError> {
    let ([_, height, width], bytes) = idx_bytes(path, |sides| check_sides(path, sides, labels))?;
    let stride = height * width;
    let pixels = Pixels::Gray;
    Ok(Packed { path: path.to_path_buf(), bytes, first: 0, stride, width, height, pixels })
}

/// Checks the header of an IDX file of images, as many as there are labels.
fn check_sides(
    path: &Path,
    [count, height, width]: [usize; 3],
    labels: usize,
) -> Result<(), DataError> {
    let allowed = 1..=FRAME_SIDE as usize;
    if !allowed.contains(&height) || !allowed.contains(&width) {
        let what = format!("images of {width}x{height}; sides of 1 to {FRAME_SIDE} allowed");
        return Err(broken(path, 8, what));
    }
    if count != labels {
        return Err(broken(path, 4, format!("{count} images, but {labels} labels")));
    }
    Ok(())
}

/// Side of a CIFAR image in pixels, and its size in bytes.
const SIDE: usize = 32;
const RGB: usize = 3 * SIDE * SIDE;

/// Returns true if there are CIFAR batches.
pub(crate) fn is_cifar(dir: &Path) -> bool {
    ["data_batch_1.bin", "test_batch.bin"].iter().any(|f| dir.join(f).is_file())
        || is_cifar_100(dir)
}

fn is_cifar_100(dir: &Path) -> bool {
    dir.join("train.bin").is_file() && dir.join("fine_label_names.txt").is_file()
}

/// Reads CIFAR-10: `data_batch_*.bin`, `test_batch.bin`, names in `batches.meta.txt`; or CIFAR-100:
/// `train.bin`, `test.bin`, names in `fine_label_names.txt`; the coarse label of each record is
/// skipped.
pub(crate) fn cifar(dir: &Path) -> Result<Named, DataError> {
    let hundred = is_cifar_100(dir);
    let names = dir.join(if hundred { "fine_label_names.txt" } else { "batches.meta.txt" });
    let text = std::fs::read_to_string(&names)
        .map_err(|source| DataError::Read { path: names, source })?;
    let names: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let (train, val) =
        if hundred { ("train.bin", "test.bin") } else { ("data_batch_", "test_batch.bin") };
    let mut named = Named::default();
    for (part, into) in [(train, &mut named.train), (val, &mut named.val)] {
        for path in files_with(dir, part)? {
            cifar_batch(&path, usize::from(hundred), &names, into)?;
        }
    }
    Ok(named)
}

/// Reads the records of one file: `label` bytes to skip, the label, the pixels.
fn cifar_batch(
    path: &Path,
    label: usize,
    names: &[&str],
    into: &mut Vec<(Place, String)>,
) -> Result<(), DataError> {
    let bytes = bytes(path)?;
    let stride = label + 1 + RGB;
    let count = bytes.len() / stride;
    if bytes.is_empty() || bytes.len() % stride != 0 {
        let what = format!("file ends within a record of {stride} bytes");
        return Err(broken(path, count * stride, what));
    }
    let mut classes = Vec::new();
    for index in 0..count {
        let at = index * stride + label;
        let name = names.get(usize::from(bytes[at])).ok_or_else(|| {
            broken(path, at, format!("label {}, but {} classes", bytes[at], names.len()))
        })?;
        classes.push(name.to_string());
    }
    let width = SIDE;
    let height = SIDE;
    let pixels = Pixels::Planes;
    let path = path.to_path_buf();
    let file = Arc::new(Packed { path, bytes, first: label + 1, stride, width, height, pixels });
    into.extend(classes.into_iter().enumerate().map(|(index, class)| {
        let file = Arc::clone(&file);
        (Place::Packed { file, index }, class)
    }));
    Ok(())
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;
    use crate::tests::{refused, touch};
    use crate::{Dataset, Format, Reason};

    /// Writes `n` images of 2 rows and 3 columns with counting values, and their labels.
    fn idx_files(n: u8) -> (Vec<u8>, Vec<u8>) {
        let mut images = vec![0, 0, 8, 3, 0, 0, 0, n, 0, 0, 0, 2, 0, 0, 0, 3];
        images.extend(0..6 * n);
        let mut labels = vec![0, 0, 8, 1, 0, 0, 0, n];
        labels.extend((0..n).map(|i| 9 - i));
        (images, labels)
    }

    fn gz(bytes: &[u8]) -> Vec<u8> {
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    #[test]
    fn mnist() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let (images, labels) = idx_files(3);
        touch(dir, "train-images-idx3-ubyte", &images);
        touch(dir, "train-images-idx3-ubyte.gz", b"passed over");
        touch(dir, "train-labels-idx1-ubyte", &labels);
        let (images, labels) = idx_files(2);
        touch(dir, "t10k-images-idx3-ubyte.gz", &gz(&images));
        touch(dir, "t10k-labels-idx1-ubyte.gz", &gz(&labels));
        assert_eq!(Format::detect(dir), Format::Idx);
        let set = Dataset::open(dir).unwrap();
        assert_eq!(set.classes, ["7", "8", "9"]);
        assert_eq!((set.train.len(), set.val.len()), (3, 2));
        let last = &set.train[0];
        assert_eq!((last.class, last.name().ends_with("train-images-idx3-ubyte#2")), (0, true));
        let image = last.open().unwrap();
        assert_eq!(
            (image.width(), image.height(), image.rgb()[..6].to_vec()),
            (3, 2, vec![12, 12, 12, 13, 13, 13])
        );
    }

    #[test]
    fn broken_mnist() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let (images, labels) = idx_files(3);
        let name = "train-images.idx3-ubyte";
        let label_name = "train-labels.idx1-ubyte";
        touch(dir, name, &images);
        refused(dir, &["train-labels.idx1-ubyte", "labels"]);
        touch(dir, label_name, &labels[..10]);
        refused(dir, &[label_name, "byte 10", "3 bytes", "2 found"]);
        touch(dir, label_name, &idx_files(2).1);
        refused(dir, &[name, "byte 4", "3 images, but 2 labels"]);
        touch(dir, label_name, &labels);
        for (bytes, part) in [
            (&images[..20], "byte 20"),
            (&images[..9], "byte 8: the file ends in its header"),
            (&labels[..], "byte 0: not an IDX file"),
            (&[0, 0, 8, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], "byte 8: images of 0x0"),
            (&[0, 0, 8, 3, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255, 255], "byte 16"),
        ] {
            touch(dir, name, bytes);
            refused(dir, &[name, part]);
        }
        std::fs::remove_file(dir.join(name)).unwrap();
        let packed = gz(&images);
        touch(dir, "train-images.idx3-ubyte.gz", &packed[..packed.len() - 12]);
        refused(dir, &["idx3-ubyte.gz", "decompression failed"]);
        touch(dir, "train-images.idx3-ubyte.gz", b"no archive");
        refused(dir, &["idx3-ubyte.gz", "byte 0", "decompression failed"]);
    }

    /// Returns an archive that is damaged after the first bytes: refused for its header or for too
    /// few labels, it must not be decompressed further.
    #[test]
    fn an_archive_is_not_unpacked_before_its_header_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let mut random = 1u32;
        let mut noise = |n: usize| -> Vec<u8> {
            let mut next = || {
                random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (random >> 24) as u8
            };
            (0..n).map(|_| next()).collect()
        };
        let mut archive = |header: &[u8]| {
            let mut packed = gz(&[header, &noise(1 << 20)].concat());
            let half = packed.len() / 2;
            packed[half..].fill(0xff);
            packed
        };
        let name = "train-images.idx3-ubyte.gz";
        touch(dir, "train-labels.idx1-ubyte", &idx_files(3).1);
        let header = |count: u8| [0, 0, 8, 3, 0, 0, 0, count, 0, 0, 4, 0, 0, 0, 4, 0];
        touch(dir, name, &archive(b"nothing of the kind"));
        refused(dir, &[name, "byte 0: not an IDX file"]);
        touch(dir, name, &archive(&header(200)));
        refused(dir, &[name, "byte 4", "200 images, but 3 labels"]);
        touch(dir, name, &archive(&header(3)));
        refused(dir, &[name, "decompression failed"]);
    }

    fn records(labels: &[&[u8]]) -> Vec<u8> {
        let pixels = |i: usize| (0..RGB).map(move |p| (p / (SIDE * SIDE) * 100 + i) as u8);
        labels
            .iter()
            .enumerate()
            .flat_map(|(i, label)| label.iter().copied().chain(pixels(i)))
            .collect()
    }

    #[test]
    fn cifar_10_and_100() {
        let dir = tempfile::tempdir().unwrap();
        let ten = dir.path().join("ten");
        touch(&ten, "batches.meta.txt", b"airplane\nautomobile\nbird\n\n");
        touch(&ten, "data_batch_1.bin", &records(&[&[2], &[0]]));
        touch(&ten, "data_batch_2.bin", &records(&[&[2]]));
        touch(&ten, "test_batch.bin", &records(&[&[0], &[1]]));
        let set = Dataset::open(&ten).unwrap();
        // No training samples of `automobile`.
        assert_eq!(set.classes, ["airplane", "bird"]);
        assert_eq!(
            (set.train.len(), set.val.len(), set.left_out.count(Reason::Untaught)),
            (3, 1, 1)
        );
        let image = set.train[0].open().unwrap();
        assert_eq!((image.width(), &image.rgb()[..4]), (32, &[1, 101, 201, 1][..]));
        touch(&ten, "data_batch_2.bin", &records(&[&[2]])[..3000]);
        refused(&ten, &["data_batch_2.bin", "byte 0", "a record of 3073 bytes"]);
        touch(&ten, "data_batch_2.bin", &records(&[&[2], &[3]]));
        refused(&ten, &["data_batch_2.bin", "byte 3073: label 3, but 3 classes"]);
        std::fs::remove_file(ten.join("batches.meta.txt")).unwrap();
        refused(&ten, &["batches.meta.txt"]);

        let hundred = dir.path().join("hundred");
        touch(&hundred, "fine_label_names.txt", b"apple\nbaby\n");
        touch(&hundred, "train.bin", &records(&[&[9, 1], &[9, 0]]));
        touch(&hundred, "test.bin", &records(&[&[9, 1]]));
        let set = Dataset::open(&hundred).unwrap();
        assert_eq!((set.classes.len(), set.train.len(), set.val[0].class), (2, 2, 1));
        assert_eq!(set.train[0].open().unwrap().rgb()[..3], [1, 101, 201]);
        touch(&hundred, "train.bin", &records(&[&[0, 1], &[0, 2]]));
        refused(&hundred, &["train.bin", "byte 3075: label 2"]);
    }
}
