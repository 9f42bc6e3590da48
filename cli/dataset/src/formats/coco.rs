//! COCO: one JSON file of boxes for many images.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::Value;

use crate::boxes::{Area, Boxed, Folders, PARTS, Whole, take};
use crate::files::{entries, folders_named, read_text};
use crate::left_out::Care;
use crate::{At, DataError, Named};

/// Fields of the file that are used, parsed as loosely as tools write them, under the names of the
/// format.
#[derive(Deserialize)]
struct File {
    images: Vec<Image>,
    annotations: Vec<Annotation>,
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct Image {
    id: Value,
    file_name: String,
    #[serde(default)]
    width: Value,
    #[serde(default)]
    height: Value,
}

#[derive(Deserialize)]
struct Annotation {
    /// Identifier, which some tools leave out.
    #[serde(default)]
    id: Value,
    #[serde(default)]
    image_id: Value,
    #[serde(default)]
    category_id: Value,
    /// Box in pixels: left, top, width, height.
    #[serde(default)]
    bbox: Value,
    /// Crowd flag: 0 or 1, or a bool.
    #[serde(default)]
    iscrowd: Value,
}

#[derive(Deserialize)]
struct Category {
    id: Value,
    name: String,
}

/// Returns an id in one form, whether it is written as an integer, a whole float or a string.
fn id(value: &Value) -> Option<String> {
    match value {
        Value::Number(number) => {
            let whole = number.as_f64().filter(|v| v.fract() == 0.0 && v.abs() < 9e15);
            Some(whole.map_or(number.to_string(), |v| (v as i64).to_string()))
        }
        Value::String(text) => {
            let number =
                text.trim().parse().ok().filter(|v: &f64| v.fract() == 0.0 && v.abs() < 9e15);
            Some(number.map_or(text.trim().to_string(), |v| (v as i64).to_string()))
        }
        _ => None,
    }
}

/// Returns a number, also from a string.
fn number(value: &Value) -> Option<f64> {
    value.as_f64().or_else(|| value.as_str()?.trim().parse().ok()).filter(|v| v.is_finite())
}

/// Returns true if a flag is set, written as a number, a bool or a word.
fn is_set(value: &Value) -> bool {
    match value {
        Value::Bool(set) => *set,
        Value::String(word) => {
            !matches!(word.trim().to_ascii_lowercase().as_str(), "" | "0" | "false" | "no")
        }
        other => number(other).is_some_and(|v| v != 0.0),
    }
}

/// File names that tools use beside the images, or above them.
const BESIDE: [&str; 4] =
    ["_annotations.coco.json", "annotations.json", "instances.json", "coco.json"];

/// Prefixes of other files in `annotations/`, without boxes of named classes.
const OTHERS: [&str; 5] = ["captions", "person_keypoints", "panoptic", "stuff", "image_info"];

/// File of boxes.
struct Part {
    path: PathBuf,
    is_train: bool,
    folders: Folders,
}

/// Returns the files of boxes with their use and the folders of their images.
fn files(dir: &Path) -> Vec<Part> {
    let mut found = Vec::new();
    let whole = [(dir.to_path_buf(), true)].into_iter();
    let parts = PARTS.iter().flat_map(|&(name, is_train)| {
        folders_named(dir, &[name]).into_iter().map(move |folder| (folder, is_train))
    });
    for (folder, is_train) in whole.chain(parts) {
        for path in BESIDE.iter().map(|name| folder.join(name)).filter(|path| has_boxes(path)) {
            let folders = Folders(vec![folder.clone(), folder.join("images"), folder.join("data")]);
            found.push(Part { path, is_train, folders });
        }
    }
    for folder in folders_named(dir, &["annotations"]).iter().chain([&dir.to_path_buf()]) {
        found.extend(instances(dir, folder, folder == dir));
    }
    // A collection with only `val` or `test` is used for training.
    if !found.iter().any(|part| part.is_train) {
        found.iter_mut().for_each(|part| part.is_train = true);
    }
    found
}

/// Returns the files `instances_<part>.json` of a folder; in COCO's own folder also files by other
/// names.
fn instances(dir: &Path, folder: &Path, is_above: bool) -> Vec<Part> {
    let mut inside = entries(folder).unwrap_or_default();
    inside.retain(|path| path.extension().is_some_and(|e| e.eq_ignore_ascii_case("json")));
    inside.sort();
    let mut found = Vec::new();
    for path in inside {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let split = match name.strip_prefix("instances_") {
            Some(split) => split,
            None if is_above
                || OTHERS.iter().any(|other| name.starts_with(other))
                || !has_boxes(&path) =>
            {
                continue;
            }
            None => name.as_str(),
        };
        let is_train =
            !["val", "test", "dev"].iter().any(|part| split.to_ascii_lowercase().starts_with(part));
        let folders = Folders(vec![
            dir.join(split),
            dir.join("images").join(split),
            dir.join("images"),
            dir.to_path_buf(),
        ]);
        found.push(Part { path, is_train, folders });
    }
    found
}

/// Returns true if a file is likely in COCO format: it contains the keys of annotations and images.
fn has_boxes(path: &Path) -> bool {
    if !path.is_file() {
        return false;
    }
    let text = std::fs::read(path).unwrap_or_default();
    contains(&text, b"\"annotations\"") && contains(&text, b"\"images\"")
}

fn contains(text: &[u8], word: &[u8]) -> bool {
    text.windows(word.len()).any(|part| part == word)
}

pub(crate) fn is_here(dir: &Path) -> bool {
    !files(dir).is_empty()
}

/// Reads `annotations/instances_<split>.json` with the images in `<split>/` or `images/`, or a file
/// such as `_annotations.coco.json` or `annotations.json` beside the images, of the whole or of
/// `train/`, `valid/`, `test/`.
pub(crate) fn read(dir: &Path, care: Care) -> Result<Named, DataError> {
    let files = files(dir);
    if files.is_empty() {
        return Err(DataError::Missing {
            path: dir.join("annotations/instances_*.json"),
            what: "boxes",
        });
    }
    let mut named = Named::new(care);
    for part in files {
        one(&part, &mut named)?;
    }
    Ok(named)
}

/// Boxes of each image, by its id.
type Boxes = BTreeMap<String, Vec<Boxed>>;

fn one(Part { path, is_train, folders }: &Part, named: &mut Named) -> Result<(), DataError> {
    let file: File = serde_json::from_str(&read_text(path)?)
        .map_err(|e| DataError::broken(path, At::Line(e.line() as u64), e.to_string()))?;
    let names: BTreeMap<String, &str> =
        file.categories.iter().filter_map(|c| Some((id(&c.id)?, c.name.as_str()))).collect();
    let mut boxes_of: Boxes =
        file.images.iter().filter_map(|image| Some((id(&image.id)?, Vec::new()))).collect();
    for (place, annotation) in file.annotations.iter().enumerate() {
        if let Err(what) = annotation.boxed(&names, &mut boxes_of) {
            let at = id(&annotation.id).map_or(At::Place(place), At::Annotation);
            named.left_out.pass(DataError::broken(path, at, what))?;
        }
    }
    // In the order of the file, whatever the ids are.
    for image in &file.images {
        let Some(boxes) = id(&image.id).and_then(|id| boxes_of.remove(&id)) else { continue };
        let found = named.find(folders, &image.file_name)?;
        let size =
            number(&image.width).zip(number(&image.height)).filter(|&(w, h)| w > 0.0 && h > 0.0);
        take(named, *is_train, &Whole { path: found.as_deref(), size }, boxes)?;
    }
    Ok(())
}

impl Annotation {
    /// Adds the box to its image, or returns what is missing.
    fn boxed(&self, names: &BTreeMap<String, &str>, boxes_of: &mut Boxes) -> Result<(), String> {
        let category = id(&self.category_id).ok_or("`category_id` missing")?;
        let class = names.get(&category).ok_or_else(|| format!("unknown category {category}"))?;
        let image = id(&self.image_id).ok_or("`image_id` missing")?;
        let of = boxes_of.get_mut(&image).ok_or_else(|| format!("unknown image {image}"))?;
        let numbers: Option<Vec<f64>> =
            self.bbox.as_array().and_then(|all| all.iter().map(number).collect());
        let Some(&[x, y, width, height]) = numbers.as_deref() else {
            return Err(format!("`bbox` is {}, left, top, width and height required", self.bbox));
        };
        let area = Area::from_edges(x, y, x + width, y + height);
        of.push(Boxed { class: class.to_string(), area, unclear: is_set(&self.iscrowd) });
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use crate::tests::{refused, touch};
    use crate::{Dataset, Format, Reason};

    /// Shortened file of COCO 2017.
    const INSTANCES: &str = r#"{
"info": {"description": "COCO 2017 Dataset", "year": 2017},
"licenses": [{"id": 1, "name": "CC BY"}],
"images": [
 {"license": 1, "file_name": "000000000139.png", "height": 40, "width": 60, "id": 139},
 {"license": 1, "file_name": "000000000285.png", "height": 40, "width": 60, "id": 285}],
"annotations": [
 {"segmentation": [[1, 2, 3, 4]], "area": 600.5, "iscrowd": 0, "image_id": 139, "bbox": [10.4, 5.0, 20.2, 30.0], "category_id": 18, "id": 1},
 {"segmentation": {"counts": [1, 2], "size": [40, 60]}, "area": 900, "iscrowd": 1, "image_id": 139, "bbox": [0, 0, 60, 40], "category_id": 1, "id": 2},
 {"segmentation": [], "area": 9, "iscrowd": 0, "image_id": 139, "bbox": [1, 1, 3, 3], "category_id": 1, "id": 3},
 {"segmentation": [], "area": 9, "iscrowd": 0, "image_id": 139, "bbox": [40, 0, 20, 20], "category_id": 1, "id": 4},
 {"segmentation": [], "area": 9, "iscrowd": 0, "image_id": 285, "bbox": [0, 0, 20, 20], "category_id": 1, "id": 5}],
"categories": [
 {"supercategory": "person", "id": 1, "name": "person"},
 {"supercategory": "animal", "id": 18, "name": "dog"},
 {"supercategory": "animal", "id": 25, "name": "giraffe"}]}"#;

    #[test]
    fn coco_2017() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        touch(dir, "annotations/instances_train2017.json", INSTANCES.as_bytes());
        touch(dir, "annotations/captions_train2017.json", b"passed over");
        std::fs::create_dir(dir.join("train2017")).unwrap();
        assert_eq!(Format::detect(dir), Format::Coco);
        refused(dir, &["all 5 labelled images are missing"]);
        let gradient = image::RgbImage::from_fn(60, 40, |x, y| image::Rgb([x as u8, y as u8, 0]));
        gradient.save(dir.join("train2017/000000000139.png")).unwrap();
        let set = Dataset::open(dir).unwrap();
        assert_eq!(
            (&set.classes[..], set.train.len()),
            (&["dog".to_string(), "person".to_string()][..], 2)
        );
        let left_out = &set.left_out;
        assert_eq!((left_out.count(Reason::Absent), left_out.count(Reason::Unclear)), (1, 2));
        let dog = set.train[0].open().unwrap();
        assert_eq!((dog.width(), dog.height(), &dog.rgb()[..3]), (21, 30, &[10, 5, 0][..]));
        assert!(
            set.train[0].name().ends_with("000000000139.png#10,5,21x30"),
            "{}",
            set.train[0].name()
        );
        // Test samples of classes with training samples.
        touch(dir, "annotations/instances_val2017.json", INSTANCES.as_bytes());
        let _ = std::fs::create_dir(dir.join("val2017"));
        gradient.save(dir.join("val2017/000000000285.png")).unwrap();
        let set = Dataset::open(dir).unwrap();
        assert_eq!((set.train.len(), set.val.len(), set.val[0].class), (2, 1, 1));
    }

    #[test]
    fn broken_coco() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let gradient = image::RgbImage::from_fn(60, 40, |x, y| image::Rgb([x as u8, y as u8, 0]));
        std::fs::create_dir_all(dir.join("train")).unwrap();
        ["139", "285"].iter().for_each(|n| {
            gradient.save(dir.join(format!("train/000000000{n}.png"))).unwrap();
        });
        let name = "train/_annotations.coco.json";
        for (from, to, part, reason) in [
            ("[40, 0, 20, 20]", "[40, 0, 20]", "annotation 4: `bbox` is [40,0,20]", Reason::Broken),
            (
                "[40, 0, 20, 20]",
                "[60, 0, 20, 20]",
                "139.png#60,0,20x20: the box lies outside",
                Reason::Outside,
            ),
            (
                "\"image_id\": 285",
                "\"image_id\": 286",
                "annotation 5: unknown image 286",
                Reason::Broken,
            ),
            (
                "\"category_id\": 18",
                "\"category_id\": 19",
                "annotation 1: unknown category 19",
                Reason::Broken,
            ),
            ("\"category_id\": 18,", "", "annotation 1: `category_id` missing", Reason::Broken),
        ] {
            assert!(INSTANCES.contains(from));
            touch(dir, name, INSTANCES.replace(from, to).as_bytes());
            refused(dir, &[part]);
            let set = Dataset::open(dir).unwrap();
            assert_eq!(
                (set.train.len(), set.left_out.count(reason)),
                (2, 1),
                "{part}: {}",
                set.left_out
            );
            assert!(set.left_out.to_string().contains(part), "{}", set.left_out);
        }
        // Annotations without an id are named by their index.
        touch(
            dir,
            name,
            INSTANCES
                .replace(", \"id\": 5}", "}")
                .replace("\"image_id\": 285", "\"image_id\": 1")
                .as_bytes(),
        );
        refused(dir, &["annotation at place 4 of the list: unknown image 1"]);
        touch(
            dir,
            name,
            INSTANCES.replace("\"000000000285.png\"", "\"../../secret.png\"").as_bytes(),
        );
        refused(dir, &["leads out"]);
        assert_eq!(Dataset::open(dir).unwrap().left_out.count(Reason::Absent), 1);
        for (from, to) in [("\"categories\"", "\"kinds\""), ("\"id\": 25, \"name\"", "\"name\"")] {
            assert!(INSTANCES.contains(from));
            touch(dir, name, INSTANCES.replace(from, to).as_bytes());
            assert!(Dataset::open(dir).unwrap_err().to_string().contains("missing field"));
        }
        touch(dir, name, &INSTANCES.as_bytes()[..INSTANCES.len() - 20]);
        assert!(Dataset::open(dir).unwrap_err().to_string().contains("EOF"));
    }

    /// Equivalent files as different tools write them.
    #[test]
    fn loosely_written() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let text = INSTANCES
            .replace("\"iscrowd\": 0", "\"iscrowd\": false")
            .replace("\"iscrowd\": 1", "\"iscrowd\": true")
            .replace("\"image_id\": 139", "\"image_id\": \"139\"")
            .replace("\"category_id\": 18", "\"category_id\": 18.0")
            .replace("[40, 0, 20, 20]", "[\"40\", 0, 20, 20]")
            .replace(", \"id\": 4}", "}")
            .replace("000000000139.png", "/home/me/sets/pets/images/000000000139.png")
            .replace("000000000285.png", "D:\\\\pets\\\\000000000285.png");
        touch(dir, "annotations.json", &[b"\xef\xbb\xbf", text.as_bytes()].concat());
        let gradient = image::RgbImage::from_fn(60, 40, |x, y| image::Rgb([x as u8, y as u8, 0]));
        std::fs::create_dir(dir.join("images")).unwrap();
        gradient.save(dir.join("images/000000000139.png")).unwrap();
        gradient.save(dir.join("000000000285.png")).unwrap();
        assert_eq!(Format::detect(dir), Format::Coco);
        let set = Dataset::open(dir).unwrap();
        assert_eq!(
            (&set.classes[..], set.train.len()),
            (&["dog".to_string(), "person".to_string()][..], 3)
        );
        assert_eq!(set.left_out.count(Reason::Unclear), 2, "{}", set.left_out);
        assert_eq!(set.left_out.count(Reason::Broken), 0, "{}", set.left_out);
    }
}
