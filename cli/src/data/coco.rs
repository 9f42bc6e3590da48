//! COCO: one JSON file of boxes for many pictures.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::boxes::{Area, Boxed, find, take};
use super::{At, DataError, Named, entries};

/// What of the file we use. The names are the format's.
#[derive(Deserialize)]
struct File {
    images: Vec<Image>,
    annotations: Vec<Annotation>,
    categories: Vec<Category>,
}

#[derive(Deserialize)]
struct Image {
    id: u64,
    file_name: String,
}

#[derive(Deserialize)]
struct Annotation {
    id: u64,
    image_id: u64,
    category_id: u64,
    /// Left, top, width, height in pixels.
    bbox: [f64; 4],
    #[serde(default)]
    iscrowd: u8,
}

#[derive(Deserialize)]
struct Category {
    id: u64,
    name: String,
}

/// The name that Roboflow and others give the file beside its pictures.
const BESIDE: &str = "_annotations.coco.json";

/// The files of boxes, each with whether it is learned and where its pictures may lie.
fn files(dir: &Path) -> Vec<(PathBuf, bool, Vec<PathBuf>)> {
    let mut found = Vec::new();
    for (folder, is_train) in [("", true), ("train", true), ("valid", false), ("test", false)] {
        let folder = dir.join(folder);
        if folder.join(BESIDE).is_file() {
            found.push((folder.join(BESIDE), is_train, vec![folder]));
        }
    }
    let mut inside = entries(&dir.join("annotations")).unwrap_or_default();
    inside.sort();
    for path in inside {
        let name = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let Some(split) = name.strip_prefix("instances_") else { continue };
        if path.extension().is_some_and(|e| e == "json") {
            let folders =
                [dir.join(split), dir.join("images").join(split), dir.join("images"), dir.to_path_buf()];
            found.push((path, split.starts_with("train"), folders.to_vec()));
        }
    }
    // Of a collection that has only `val` or `test`, that is what is learned from.
    if !found.iter().any(|f| f.1) {
        found.iter_mut().for_each(|f| f.1 = true);
    }
    found
}

pub(super) fn is_here(dir: &Path) -> bool {
    !files(dir).is_empty()
}

/// `annotations/instances_<split>.json` with the pictures in `<split>/` or `images/`, or
/// `_annotations.coco.json` beside the pictures of `train/`, `valid/`, `test/`.
pub(super) fn read(dir: &Path) -> Result<Named, DataError> {
    let files = files(dir);
    if files.is_empty() {
        return Err(DataError::Missing { path: dir.join("annotations/instances_*.json"), what: "boxes" });
    }
    let mut named = Named::default();
    for (path, is_train, folders) in files {
        one(&path, is_train, &folders, &mut named)?;
    }
    Ok(named)
}

fn one(path: &Path, is_train: bool, folders: &[PathBuf], named: &mut Named) -> Result<(), DataError> {
    let broken = |at, what| DataError::Broken { path: path.to_path_buf(), at, what };
    let bytes = std::fs::read(path).map_err(|source| DataError::Read { path: path.to_path_buf(), source })?;
    let file: File =
        serde_json::from_slice(&bytes).map_err(|e| broken(At::Line(e.line() as u64), e.to_string()))?;
    let names: BTreeMap<u64, &str> = file.categories.iter().map(|c| (c.id, c.name.as_str())).collect();
    let mut boxes: BTreeMap<u64, Vec<Boxed>> = file.images.iter().map(|i| (i.id, Vec::new())).collect();
    for Annotation { id, image_id, category_id, bbox: [x, y, width, height], iscrowd } in &file.annotations {
        let unknown = |what: String| broken(At::Annotation(*id), format!("there is no {what}"));
        let class = names.get(category_id).ok_or_else(|| unknown(format!("category {category_id}")))?;
        let of = boxes.get_mut(image_id).ok_or_else(|| unknown(format!("image {image_id}")))?;
        of.push(Boxed {
            class: class.to_string(),
            area: Area::from_edges(*x, *y, x + width, y + height),
            unclear: *iscrowd != 0,
        });
    }
    for image in &file.images {
        let picture = find(folders, &image.file_name)?;
        take(named, is_train, picture.as_deref(), boxes.remove(&image.id).unwrap_or_default());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::super::tests::{refused, touch};
    use super::super::{Dataset, Format};

    /// A file of COCO 2017, shortened.
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
        refused(dir, &["none of the 5"]);
        let gradient = image::RgbImage::from_fn(60, 40, |x, y| image::Rgb([x as u8, y as u8, 0]));
        gradient.save(dir.join("train2017/000000000139.png")).unwrap();
        let set = Dataset::open(dir).unwrap();
        assert_eq!((&set.classes[..], set.train.len()), (&["dog".to_string(), "person".to_string()][..], 2));
        assert_eq!((set.left_out.absent, set.left_out.unclear), (1, 2));
        let dog = set.train[0].open().unwrap();
        assert_eq!((dog.width(), dog.height(), &dog.rgb()[..3]), (21, 30, &[10, 5, 0][..]));
        assert!(set.train[0].name().ends_with("000000000139.png#10,5,21x30"), "{}", set.train[0].name());
        // Validation of classes that were taught.
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
        let name = "train/_annotations.coco.json";
        for (from, to, part) in [
            ("\"bbox\": [40, 0, 20, 20]", "\"bbox\": [40, 0, 20]", "line 11: invalid length 3"),
            ("\"image_id\": 285", "\"image_id\": 286", "annotation 5: there is no image 286"),
            ("\"category_id\": 18", "\"category_id\": 19", "annotation 1: there is no category 19"),
            ("\"categories\"", "\"kinds\"", "missing field `categories`"),
            ("\"000000000285.png\"", "\"../../secret.png\"", "leads out"),
            ("\"id\": 25", "\"id\": -25", "line 16"),
        ] {
            assert!(INSTANCES.contains(from));
            touch(dir, name, INSTANCES.replace(from, to).as_bytes());
            refused(dir, &[part]);
        }
        touch(dir, name, &INSTANCES.as_bytes()[..300]);
        refused(dir, &[name, "line", "EOF"]);
    }
}
