//! Pascal VOC: an XML file of boxes for each image.

use std::path::{Path, PathBuf};

use quick_xml::Reader;
use quick_xml::escape::resolve_xml_entity;
use quick_xml::events::{BytesRef, Event};

use crate::boxes::{Area, Boxed, Folders, PARTS, Whole, take};
use crate::files::{entries, file_name, folders_named, read_text, subfolders};
use crate::left_out::{Care, Reason};
use crate::{At, DataError, Named};

/// Names of the folders of annotations and of images, as in VOC and as tools name them, ignoring
/// case.
const ANNOTATIONS: [&str; 3] = ["Annotations", "annotation", "xmls"];
const IMAGES: [&str; 4] = ["JPEGImages", "images", "image", "imgs"];

/// Maximum number of subfolders that may be collections; more are taken for classes.
const FEW: usize = 8;

/// Annotations and the folders of their images.
struct Part {
    annotations: PathBuf,
    images: Vec<PathBuf>,
    is_train: bool,
}

/// Collection: one part with lists for training and testing, or a part per folder.
struct Layout {
    root: PathBuf,
    parts: Vec<Part>,
}

fn is_xml(path: &Path) -> bool {
    path.extension().is_some_and(|e| e.eq_ignore_ascii_case("xml"))
}

/// Returns true if a folder has annotations of this format.
fn has_annotations(dir: &Path) -> bool {
    let mut files = entries(dir).unwrap_or_default();
    files.retain(|path| is_xml(path));
    files.sort();
    files.iter().take(8).any(|path| read_text(path).is_ok_and(|text| text.contains("<annotation")))
}

/// Returns the annotations of a folder: in a folder beside that of the images, or beside the
/// images.
fn part(dir: &Path, is_train: bool) -> Option<Part> {
    let inside = folders_named(dir, &ANNOTATIONS);
    let annotations =
        inside.into_iter().chain([dir.to_path_buf()]).find(|folder| has_annotations(folder))?;
    let mut images = folders_named(dir, &IMAGES);
    images.extend([dir.to_path_buf(), annotations.clone()]);
    Some(Part { annotations, images, is_train })
}

/// Finds the collection for a folder: its root, the folder above it (`VOCdevkit/`), or one inside
/// it (`Annotations/`, `JPEGImages/`).
fn layout(dir: &Path) -> Option<Layout> {
    let above =
        dir.parent().filter(|_| ANNOTATIONS.iter().chain(&IMAGES).any(|n| is_named(dir, n)));
    // For the folder of annotations, the images lie beside it.
    let here = [above.map(Path::to_path_buf), Some(dir.to_path_buf())];
    let mut below = subfolders(dir).unwrap_or_default();
    if below.len() > FEW {
        below.clear();
    }
    let roots = here.into_iter().flatten().chain(below);
    roots.into_iter().find_map(|root| {
        let is_below = root.parent() == Some(dir);
        // In a subfolder, annotations beside images belong to a single class or part.
        let whole = part(&root, true).filter(|part| !is_below || part.annotations != root);
        let parts: Vec<Part> = match whole {
            // Parts are searched at the root only, otherwise a class folder could be taken for one.
            None if root == dir => PARTS
                .iter()
                .filter_map(|&(name, is_train)| {
                    part(folders_named(&root, &[name]).first()?, is_train)
                })
                .collect(),
            whole => whole.into_iter().collect(),
        };
        (!parts.is_empty()).then_some(Layout { root, parts })
    })
}

fn is_named(path: &Path, name: &str) -> bool {
    file_name(path).eq_ignore_ascii_case(name)
}

pub(crate) fn is_here(dir: &Path) -> bool {
    layout(dir).is_some()
}

/// Returns the folders of the images.
pub(crate) fn images(dir: &Path) -> Vec<PathBuf> {
    let parts = layout(dir).map(|layout| layout.parts).unwrap_or_default();
    parts.into_iter().filter_map(|part| part.images.into_iter().next()).collect()
}

/// Reads `Annotations/*.xml` and `JPEGImages/*`. The lists `ImageSets/Main/train.txt` and `val.txt`
/// (or `trainval.txt` and `test.txt`) split them into training and testing; without lists all are
/// for training. Also supported: annotations beside the images, folders by other names, and
/// `train/`, `valid/` and `test/` above them.
pub(crate) fn read(dir: &Path, care: Care) -> Result<Named, DataError> {
    let Layout { root, parts } = layout(dir)
        .ok_or_else(|| DataError::Missing { path: dir.join("Annotations/*.xml"), what: "boxes" })?;
    let mut named = Named::new(care);
    if root != dir {
        named.left_out.note(format!("read from {}", root.display()));
    }
    let learned = parts.iter().any(|part| part.is_train);
    for part in &parts {
        let lists = lists(&root, &mut named);
        for (path, is_train) in part.files(lists.filter(|_| parts.len() == 1))? {
            part.take(&path, is_train && (part.is_train || !learned), &mut named)?;
        }
    }
    Ok(named)
}

/// Names of training and test images.
struct Lists {
    learned: Vec<String>,
    tested: Vec<String>,
}

/// Reads the names of one list; `None` if there is no such file.
fn list(folder: &Path, name: &str) -> Option<Vec<String>> {
    let text = read_text(&folder.join(name)).ok()?;
    // The list of a class has a second column, which is not used.
    let first = text.lines().filter_map(|line| line.split_whitespace().next());
    Some(first.map(str::to_string).collect())
}

/// Reads the lists of a collection, and notes which list is not used.
fn lists(root: &Path, named: &mut Named) -> Option<Lists> {
    let main =
        folders_named(root, &["ImageSets"]).first().and_then(|d| folders_named(d, &["Main"]).pop());
    let folder =
        main.or_else(|| folders_named(root, &["ImageSets"]).pop()).unwrap_or(root.to_path_buf());
    let train = list(&folder, "train.txt");
    let val = list(&folder, "val.txt");
    let trainval = list(&folder, "trainval.txt");
    let test = list(&folder, "test.txt");
    let unused = test.as_ref().map_or(0, Vec::len);
    match (train, val, trainval, test) {
        (Some(learned), Some(tested), ..) => {
            if unused > 0 {
                let what =
                    "test.txt is left out: train.txt is used for training and val.txt for testing";
                named.left_out.note(what.to_string());
                named.left_out.add(Reason::Unused, unused);
            }
            Some(Lists { learned, tested })
        }
        (Some(learned), None, _, Some(tested)) | (None, _, Some(learned), Some(tested)) => {
            Some(Lists { learned, tested })
        }
        _ => None,
    }
}

impl Part {
    /// Returns the annotations to read, each with true for training.
    fn files(&self, lists: Option<Lists>) -> Result<Vec<(PathBuf, bool)>, DataError> {
        if let Some(Lists { learned, tested }) = lists {
            let learned = learned.into_iter().map(|name| (name, true));
            let named = learned.chain(tested.into_iter().map(|name| (name, false)));
            return Ok(named
                .map(|(name, is_train)| (self.annotations.join(format!("{name}.xml")), is_train))
                .collect());
        }
        let mut files = entries(&self.annotations)?;
        files.retain(|path| is_xml(path));
        files.sort();
        Ok(files.into_iter().map(|path| (path, true)).collect())
    }

    /// Adds the boxes of one annotation file.
    fn take(&self, path: &Path, is_train: bool, named: &mut Named) -> Result<(), DataError> {
        let Annotation { filename, boxes, faults } = match Annotation::open(path) {
            Ok(annotation) => annotation,
            Err(fault) => return named.left_out.pass(fault),
        };
        for fault in faults {
            named.left_out.pass(fault)?;
        }
        let folders = Folders(self.images.clone());
        let stem = path.file_stem().unwrap_or_default().to_string_lossy();
        let found = named.find(&folders, &filename)?;
        // Renamed images keep the old name in their annotations.
        let found = match found {
            None => folders.find(&stem, Care::default())?,
            found => found,
        };
        take(named, is_train, &Whole { path: found.as_deref(), size: None }, boxes)
    }
}

#[derive(Default)]
struct Annotation {
    filename: String,
    boxes: Vec<Boxed>,
    /// Errors of objects without a valid box.
    faults: Vec<DataError>,
}

/// Partially read `<object>`.
#[derive(Default)]
struct Object {
    name: String,
    difficult: String,
    /// Edges `xmin`, `ymin`, `xmax`, `ymax` in pixels counted from 1, inclusive.
    edges: [String; 4],
}

const EDGES: [&str; 4] = ["xmin", "ymin", "xmax", "ymax"];

fn broken(path: &Path, byte: u64, what: String) -> DataError {
    DataError::broken(path, At::Byte(byte), what)
}

impl Annotation {
    fn open(path: &Path) -> Result<Self, DataError> {
        let text = read_text(path)?;
        let mut reader = Reader::from_str(&text);
        let mut annotation = Self::default();
        let mut object = Object::default();
        let mut within: Vec<String> = Vec::new();
        loop {
            let event = reader.read_event();
            let at = reader.buffer_position();
            match event.map_err(|e| broken(path, reader.error_position(), e.to_string()))? {
                Event::Start(tag) => {
                    within.push(String::from_utf8_lossy(tag.name().as_ref()).into_owned())
                }
                // A name with an entity arrives in pieces.
                Event::Text(text) => {
                    let text = text.xml_content();
                    let text = text.map_err(|e| broken(path, at, e.to_string()))?;
                    annotation.see(&mut object, &within, &text);
                }
                Event::CData(text) => {
                    annotation.see(&mut object, &within, &String::from_utf8_lossy(&text));
                }
                Event::GeneralRef(entity) => {
                    let text = meant(&entity).map_err(|what| broken(path, at, what))?;
                    annotation.see(&mut object, &within, &text);
                }
                Event::End(_) => {
                    // A `<part>` of an object, such as a hand, is nested deeper.
                    if within == ["annotation", "object"] {
                        match std::mem::take(&mut object).finish() {
                            Ok(done) => annotation.boxes.push(done),
                            Err(what) => annotation.faults.push(broken(path, at, what)),
                        }
                    }
                    within.pop();
                }
                Event::Eof if within.is_empty() => break,
                Event::Eof => {
                    let what = format!("file ends within <{}>", within.join("><"));
                    return Err(broken(path, at, what));
                }
                _ => {}
            }
        }
        Ok(annotation)
    }

    /// Adds a piece of an element's text.
    fn see(&mut self, object: &mut Object, within: &[String], text: &str) {
        let within: Vec<&str> = within.iter().map(String::as_str).collect();
        let field = match &within[..] {
            ["annotation", "filename"] => &mut self.filename,
            ["annotation", "object", "name"] => &mut object.name,
            ["annotation", "object", "difficult"] => &mut object.difficult,
            ["annotation", "object", "bndbox", edge] => {
                match EDGES.iter().position(|e| e == edge) {
                    Some(i) => &mut object.edges[i],
                    None => return,
                }
            }
            _ => return,
        };
        field.push_str(text);
    }
}

/// Returns the text of an entity or of a character reference.
fn meant(entity: &BytesRef<'_>) -> Result<String, String> {
    if let Some(c) = entity.resolve_char_ref().map_err(|e| e.to_string())? {
        return Ok(c.to_string());
    }
    let name = String::from_utf8_lossy(entity);
    let text = resolve_xml_entity(&name).map(str::to_string);
    text.ok_or_else(|| format!("unknown entity `&{name};`; XML has amp, lt, gt, quot, apos"))
}

impl Object {
    fn finish(self) -> Result<Boxed, String> {
        let class = self.name.trim();
        let mut edges = [0f64; 4];
        for ((edge, text), name) in edges.iter_mut().zip(&self.edges).zip(EDGES) {
            *edge = match text.trim() {
                "" => return Err(format!("<object> `{class}` has no <{name}>")),
                text => text.parse().map_err(|_| format!("<{name}> is `{text}`, not a number"))?,
            };
        }
        if class.is_empty() {
            return Err("<object> has no <name>".to_string());
        }
        let [left, top, right, bottom] = edges;
        let area = Area::from_edges(left - 1.0, top - 1.0, right, bottom);
        // Tools write a number, a bool or a word; most leave it out.
        let word = self.difficult.trim().to_ascii_lowercase();
        let unclear = matches!(word.as_str(), "1" | "true" | "yes" | "difficult" | "hard");
        Ok(Boxed { class: class.to_string(), area, unclear })
    }
}

#[cfg(test)]
mod tests {
    use crate::tests::{refused, touch};
    use crate::{Dataset, Format, Reason};

    /// Annotation in the form of VOC2012, with parts of a person.
    const XML: &str = "<annotation>
\t<folder>VOC2012</folder>
\t<filename>2007_000027.png</filename>
\t<size><width>60</width><height>40</height><depth>3</depth></size>
\t<segmented>0</segmented>
\t<object>
\t\t<name>person</name>
\t\t<pose>Unspecified</pose>
\t\t<truncated>0</truncated>
\t\t<difficult>0</difficult>
\t\t<bndbox><xmin>11</xmin><ymin>6</ymin><xmax>30.5</xmax><ymax>35</ymax></bndbox>
\t\t<part><name>head</name><bndbox><xmin>1</xmin><ymin>1</ymin><xmax>9</xmax><ymax>9</ymax></bndbox></part>
\t</object>
\t<object><name>chair</name><difficult>1</difficult>
\t\t<bndbox><xmin>1</xmin><ymin>1</ymin><xmax>30</xmax><ymax>30</ymax></bndbox></object>
\t<object><bndbox><xmax>40</xmax><xmin>1</xmin><ymax>40</ymax><ymin>1</ymin></bndbox><name>chair</name></object>
</annotation>";

    fn folder() -> tempfile::TempDir {
        let dir = tempfile::tempdir().unwrap();
        touch(dir.path(), "Annotations/2007_000027.xml", XML.as_bytes());
        std::fs::create_dir(dir.path().join("JPEGImages")).unwrap();
        let gradient = image::RgbImage::from_fn(60, 40, |x, y| image::Rgb([x as u8, y as u8, 0]));
        gradient.save(dir.path().join("JPEGImages/2007_000027.png")).unwrap();
        dir
    }

    #[test]
    fn voc_2012() {
        let dir = folder();
        let dir = dir.path();
        assert_eq!(Format::detect(dir), Format::Voc);
        let set = Dataset::open(dir).unwrap();
        assert_eq!(set.classes, ["chair", "person"]);
        assert_eq!((set.train.len(), set.left_out.count(Reason::Unclear)), (2, 1));
        let person = set.train[1].open().unwrap();
        assert_eq!(
            (person.width(), person.height(), &person.rgb()[..3]),
            (21, 30, &[10, 5, 0][..])
        );
        // Training and test lists.
        touch(dir, "Annotations/b.xml", XML.as_bytes());
        touch(dir, "ImageSets/Main/train.txt", b"2007_000027\n");
        touch(dir, "ImageSets/Main/val.txt", b"b  1\n");
        let set = Dataset::open(dir).unwrap();
        assert_eq!((set.train.len(), set.val.len()), (2, 2));
        touch(dir, "ImageSets/Main/val.txt", b"c\n");
        refused(dir, &["c.xml"]);
    }

    #[test]
    fn broken_voc() {
        let dir = folder();
        let dir = dir.path();
        for (from, to, parts, left) in [
            ("<xmax>40</xmax>", "", ["byte", "<object> `chair` has no <xmax>"], 1),
            (
                "<xmin>11</xmin>",
                "<xmin>eleven</xmin>",
                ["byte", "<xmin> is `eleven`, not a number"],
                1,
            ),
            ("<name>person</name>", "", ["byte", "<object> has no <name>"], 1),
            (
                "<name>person</name>",
                "<name>a &nbsp; b</name>",
                ["byte", "unknown entity `&nbsp;`"],
                0,
            ),
            ("</annotation>", "", ["byte", "file ends within <annotation>"], 0),
            ("</segmented>", "</size>", ["byte", "segmented"], 0),
            ("2007_000027.png", "../2007_000027.png", ["leads out", ""], 2),
        ] {
            assert!(XML.contains(from), "{from}");
            touch(dir, "Annotations/2007_000027.xml", XML.replacen(from, to, 1).as_bytes());
            refused(dir, &parts);
            // What is not broken is taken, if there is anything.
            let set = Dataset::open(dir);
            assert_eq!(set.as_ref().map_or(0, |set| set.train.len()), left, "{from}");
            assert!(
                left == 2 || left == 0 || set.unwrap().left_out.count(Reason::Broken) == 1,
                "{from}"
            );
        }
    }

    /// Equivalent collections as laid out by tools and users.
    #[test]
    fn other_layouts() {
        let whole = tempfile::tempdir().unwrap();
        let whole = whole.path();
        let gradient = image::RgbImage::from_fn(60, 40, |x, y| image::Rgb([x as u8, y as u8, 0]));
        let lay = |dir: &std::path::Path, xml: &str, image: &str| {
            touch(dir, &format!("{xml}2007_000027.xml"), XML.as_bytes());
            std::fs::create_dir_all(dir.join(image)).unwrap();
            gradient.save(dir.join(image).join("2007_000027.png")).unwrap();
        };
        for (n, (xml, image, opened)) in [
            ("annotations/", "images", ""),
            ("ANNOTATIONS/", "JPEGIMAGES", ""),
            ("", "", ""),
            ("Annotations/", "JPEGImages", "Annotations"),
            ("Annotations/", "JPEGImages", "JPEGImages"),
            ("VOC2012/Annotations/", "VOC2012/JPEGImages", ""),
            ("train/", "train", ""),
            ("test/Annotations/", "test/images", ""),
        ]
        .into_iter()
        .enumerate()
        {
            let dir = whole.join(n.to_string());
            lay(&dir, xml, image);
            let dir = if opened.is_empty() { dir } else { dir.join(opened) };
            assert_eq!(Format::detect(&dir), Format::Voc, "{xml} {image} {opened}");
            let set = Dataset::open(&dir).unwrap();
            assert_eq!((set.train.len(), set.val.len()), (2, 0), "{xml} {image} {opened}");
        }
        let dir = whole.join("parts");
        lay(&dir, "train/", "train");
        lay(&dir, "valid/", "valid");
        let set = Dataset::open(&dir).unwrap();
        assert_eq!((set.train.len(), set.val.len()), (2, 2));
        assert!(set.val[0].name().contains("valid/2007_000027.png"), "{}", set.val[0].name());
        // XML of other content beside images is not recognized.
        let dir = whole.join("other");
        touch(&dir, "a/pom.xml", b"<project/>");
        touch(&dir, "a/1.jpg", b"x");
        assert_eq!(Format::detect(&dir), Format::Folder);
    }

    #[test]
    fn loosely_written() {
        let dir = folder();
        let dir = dir.path();
        let xml = XML
            .replace("<filename>2007_000027.png<", "<filename>2007_000027<")
            .replace("<name>person<", "<name>cat &amp; k&#105;tten<")
            .replace("<difficult>0<", "<difficult>Unspecified<")
            .replace("<difficult>1<", "<difficult>True<");
        touch(dir, "Annotations/2007_000027.xml", &[b"\xef\xbb\xbf", xml.as_bytes()].concat());
        let set = Dataset::open(dir).unwrap();
        assert_eq!(set.classes, ["cat & kitten", "chair"]);
        assert_eq!((set.train.len(), set.left_out.count(Reason::Unclear)), (2, 1));
        touch(
            dir,
            "Annotations/2007_000027.xml",
            XML.replace("<filename>2007_000027.png</filename>", "").as_bytes(),
        );
        assert_eq!(Dataset::open(dir).unwrap().train.len(), 2, "named as the annotation is");
        // Unused lists are noted.
        touch(dir, "Annotations/b.xml", XML.as_bytes());
        touch(dir, "ImageSets/Main/train.txt", b"2007_000027\n");
        touch(dir, "ImageSets/Main/val.txt", b"b\n");
        touch(dir, "ImageSets/Main/test.txt", b"c\nd\n");
        let set = Dataset::open(dir).unwrap();
        assert_eq!((set.val.len(), set.left_out.count(Reason::Unused)), (2, 2));
        assert!(set.left_out.report_on(dir).contains("test.txt is left out"), "{}", set.left_out);
    }
}
