//! Scenes: whole images with the boxes of all objects in them.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use offshoot::Image;

use crate::boxes::Area;
use crate::formats::{coco, csv, open_images, voc, yolo};
use crate::left_out::{LeftOut, Reason};
use crate::{DataError, Format, Named, Selection, names};

/// Least side of a box in pixels.
const SHORTEST: u32 = 2;

/// Image with its boxes, before classes are numbered.
#[derive(Debug, Clone)]
pub(crate) struct Marked {
    pub path: PathBuf,
    pub is_train: bool,
    pub boxes: Vec<(String, Area)>,
}

/// Image with the boxes of all objects in it.
#[derive(Debug, Clone)]
pub struct Scene {
    /// Path of the image.
    pub path: PathBuf,
    /// Objects: index of the class, and area in pixels.
    pub boxes: Vec<(usize, Area)>,
}

impl Scene {
    /// Opens the image.
    ///
    /// # Errors
    /// Fails if the file does not decode, or ends before its image does and `cut_short` is false.
    pub fn open(&self, cut_short: bool) -> Result<Image, DataError> {
        let path = &self.path;
        Ok(if cut_short { Image::open_cut_short(path) } else { Image::open(path) }?)
    }
}

/// Scenes of a data set, in the order of their collection.
#[derive(Debug, Clone)]
pub struct Scenes {
    /// Names of the classes, sorted. All are valid class names of a head.
    pub classes: Vec<String>,
    /// Scenes to train on: all if the data set is not split.
    pub train: Vec<Scene>,
    /// Scenes to test on; empty if the data set is not split.
    pub val: Vec<Scene>,
    /// Record of what was left out.
    pub left_out: LeftOut,
}

impl Scenes {
    /// Opens a data set with boxes, in the format that is selected or detected; of the selection's
    /// classes alone, if there are any.
    ///
    /// # Errors
    /// Fails like [`Dataset::open_as`](crate::Dataset::open_as), and if the format has no boxes.
    pub fn open(dir: &Path, selection: &Selection) -> Result<Self, DataError> {
        let care = selection.care;
        let path = dir.to_path_buf();
        let mut named = match selection.format.unwrap_or_else(|| Format::detect(dir)) {
            Format::Coco => coco::read(dir, care),
            Format::Voc => voc::read(dir, care),
            Format::Yolo => yolo::read(dir, care),
            Format::OpenImages => open_images::read(dir, care),
            Format::Csv => csv::read(dir, care),
            _ => return Err(DataError::NoBoxes { path }),
        }?;
        let mut scenes = joined(std::mem::take(&mut named.scenes));
        if scenes.iter().all(|scene| scene.boxes.is_empty()) {
            return Err(DataError::NoBoxes { path });
        }
        if scenes.iter().all(|scene| !scene.is_train) {
            scenes.iter_mut().for_each(|scene| scene.is_train = true);
        }
        let mut left_out = LeftOut::new(care);
        left_out.add(Reason::Absent, named.left_out.count(Reason::Absent));
        left_out.add(Reason::Broken, named.left_out.count(Reason::Broken));
        let all = || scenes.iter().flat_map(|scene| &scene.boxes).map(|(name, _)| name.as_str());
        let tidied = names::tidy(all(), &mut left_out);
        let mut classes: Vec<String> = tidied.values().cloned().collect();
        classes.sort_by_cached_key(|name| (name.parse().unwrap_or(u64::MAX), name.clone()));
        if let Some(class) = selection.classes.iter().find(|class| !classes.contains(class)) {
            return Err(DataError::NoSuchClass { path, class: class.clone(), classes });
        }
        if !selection.classes.is_empty() {
            classes.retain(|class| selection.classes.contains(class));
        }
        let number = |name: &str| classes.iter().position(|class| Some(class) == tidied.get(name));
        let mut parts = [Vec::new(), Vec::new()];
        for scene in &scenes {
            let boxes = scene.boxes.iter().filter_map(|(name, area)| Some((number(name)?, *area)));
            let own = Scene { path: scene.path.clone(), boxes: boxes.collect() };
            parts[usize::from(!scene.is_train)].push(own);
        }
        let [train, val] = parts;
        Ok(Self { classes, train, val, left_out })
    }
}

/// Joins entries of one image.
fn joined(marked: Vec<Marked>) -> Vec<Marked> {
    let mut places: HashMap<PathBuf, usize> = HashMap::new();
    let mut all: Vec<Marked> = Vec::new();
    for one in marked {
        match places.get(&one.path) {
            Some(&at) => all[at].boxes.extend(one.boxes),
            None => {
                places.insert(one.path.clone(), all.len());
                all.push(one);
            }
        }
    }
    all
}

impl Named {
    /// Keeps an image with its boxes as a scene.
    pub(crate) fn mark(&mut self, path: &Path, is_train: bool, boxes: Vec<(String, Area)>) {
        let mut boxes = boxes;
        boxes.retain(|(_, area)| area.width.min(area.height) >= SHORTEST);
        self.scenes.push(Marked { path: path.to_path_buf(), is_train, boxes });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::touch;

    fn xml(boxes: &[(&str, u32)]) -> String {
        let all: String = boxes
            .iter()
            .map(|(name, x)| {
                format!(
                    "<object><name>{name}</name><bndbox><xmin>{x}</xmin><ymin>3</ymin><xmax>{}</xmax>\
                     <ymax>9</ymax></bndbox></object>",
                    x + 8
                )
            })
            .collect();
        format!("<annotation><filename>1.jpg</filename>{all}</annotation>")
    }

    #[test]
    fn all_boxes_of_an_image_are_one_scene() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        for (name, boxes) in [("1", &[("nut", 1), ("bolt", 30), ("nut", 60)][..]), ("2", &[])] {
            touch(dir, &format!("JPEGImages/{name}.jpg"), b"x");
            let text = xml(boxes).replace("1.jpg", &format!("{name}.jpg"));
            touch(dir, &format!("Annotations/{name}.xml"), text.as_bytes());
        }
        let scenes = Scenes::open(dir, &Selection::default()).unwrap();
        assert_eq!(scenes.classes, ["bolt", "nut"]);
        assert_eq!((scenes.train.len(), scenes.val.len()), (2, 0));
        let classes: Vec<usize> = scenes.train[0].boxes.iter().map(|(class, _)| *class).collect();
        assert_eq!(classes, [1, 0, 1]);
        assert!(scenes.train[1].boxes.is_empty());
        let nuts = Selection { classes: vec!["nut".into()], ..Selection::default() };
        let scenes = Scenes::open(dir, &nuts).unwrap();
        assert_eq!((scenes.classes.len(), scenes.train[0].boxes.len()), (1, 2));
    }

    #[test]
    fn boxes_in_files_of_their_own_are_joined() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let image = image::RgbImage::from_pixel(100, 50, image::Rgb([9; 3]));
        std::fs::create_dir_all(dir.join("images/train")).unwrap();
        image.save(dir.join("images/train/a.png")).unwrap();
        touch(dir, "data.yaml", b"names: [cup, pen]\ntrain: images/train\nval: images/train\n");
        touch(dir, "labels/train/a.txt", b"0 0.5 0.5 0.2 0.4\n1 0.1 0.2 0.04 0.08\n");
        let scenes = Scenes::open(dir, &Selection::default()).unwrap();
        let area = Area { x: 40, y: 15, width: 20, height: 20 };
        assert_eq!(scenes.train[0].boxes[0], (0, area));
        // Too small to be an image of its own.
        assert_eq!(scenes.train[0].boxes.len(), 2);
    }

    #[test]
    fn a_folder_of_classes_has_no_boxes() {
        let dir = tempfile::tempdir().unwrap();
        touch(dir.path(), "a/1.jpg", b"x");
        let error = Scenes::open(dir.path(), &Selection::default()).unwrap_err().to_string();
        assert!(error.contains("no boxes"), "{error}");
    }
}
