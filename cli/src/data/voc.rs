//! Pascal VOC: an XML file of boxes for each picture.

use std::path::{Path, PathBuf};

use quick_xml::Reader;
use quick_xml::events::Event;

use super::boxes::{Area, Boxed, find, take};
use super::{At, DataError, Named, entries};

pub(super) fn is_here(dir: &Path) -> bool {
    let has_xml = |p: &PathBuf| p.extension().is_some_and(|e| e == "xml");
    entries(&dir.join("Annotations")).is_ok_and(|files| files.iter().any(has_xml))
}

/// `Annotations/*.xml`, `JPEGImages/*`; `ImageSets/Main/train.txt` and `val.txt` (or `trainval.txt` and
/// `test.txt`) say what is learned and what tested, without them all is learned.
pub(super) fn read(dir: &Path) -> Result<Named, DataError> {
    let annotations = dir.join("Annotations");
    let list = |name: &str| std::fs::read_to_string(dir.join("ImageSets/Main").join(name)).ok();
    let splits = [list("train.txt").zip(list("val.txt")), list("trainval.txt").zip(list("test.txt"))];
    let mut named = Named::default();
    let images = [dir.join("JPEGImages")];
    let mut one = |path: &Path, is_train: bool| -> Result<(), DataError> {
        let Annotation { filename, boxes } = Annotation::open(path)?;
        let picture = find(&images, &filename)?;
        take(&mut named, is_train, picture.as_deref(), boxes);
        Ok(())
    };
    if let Some((train, val)) = splits.into_iter().flatten().next() {
        for (text, is_train) in [(train, true), (val, false)] {
            // A list of one class has a second column, which is not ours.
            for id in text.lines().filter_map(|line| line.split_whitespace().next()) {
                one(&annotations.join(format!("{id}.xml")), is_train)?;
            }
        }
    } else {
        let mut files = entries(&annotations)?;
        files.retain(|p| p.extension().is_some_and(|e| e == "xml"));
        files.sort();
        files.iter().try_for_each(|path| one(path, true))?;
    }
    Ok(named)
}

#[derive(Default)]
struct Annotation {
    filename: String,
    boxes: Vec<Boxed>,
}

/// An `<object>` as far as it has been read.
#[derive(Default)]
struct Object {
    name: String,
    difficult: bool,
    /// `xmin`, `ymin`, `xmax`, `ymax`: pixels counted from 1, the last ones belong to the box.
    edges: [Option<f64>; 4],
}

const EDGES: [&str; 4] = ["xmin", "ymin", "xmax", "ymax"];

impl Annotation {
    fn open(path: &Path) -> Result<Self, DataError> {
        let text = std::fs::read_to_string(path)
            .map_err(|source| DataError::Read { path: path.to_path_buf(), source })?;
        let broken = |byte: u64, what: String| DataError::Broken {
            path: path.to_path_buf(),
            at: At::Byte(byte),
            what,
        };
        let mut reader = Reader::from_str(&text);
        let mut annotation = Self::default();
        let mut object = Object::default();
        let mut within: Vec<String> = Vec::new();
        loop {
            let event = reader.read_event();
            let at = reader.buffer_position();
            match event.map_err(|e| broken(reader.error_position(), e.to_string()))? {
                Event::Start(tag) => within.push(String::from_utf8_lossy(tag.name().as_ref()).into_owned()),
                Event::Text(text) => {
                    let text = text.xml_content().map_err(|e| broken(at, e.to_string()))?;
                    let places: Vec<&str> = within.iter().map(String::as_str).collect();
                    annotation.see(&mut object, &places, text.trim()).map_err(|what| broken(at, what))?;
                }
                Event::End(_) => {
                    // A `<part>` of an object, such as a hand, lies deeper.
                    if within == ["annotation", "object"] {
                        let done = std::mem::take(&mut object).finish().map_err(|what| broken(at, what))?;
                        annotation.boxes.push(done);
                    }
                    within.pop();
                }
                Event::Eof if within.is_empty() => break,
                Event::Eof => {
                    return Err(broken(at, format!("the file ends within <{}>", within.join("><"))));
                }
                _ => {}
            }
        }
        match annotation.filename.is_empty() {
            true => Err(broken(text.len() as u64, "no <filename> in <annotation>".to_string())),
            false => Ok(annotation),
        }
    }

    /// Takes the text of one element.
    fn see(&mut self, object: &mut Object, within: &[&str], text: &str) -> Result<(), String> {
        match within {
            ["annotation", "filename"] => self.filename = text.to_string(),
            ["annotation", "object", "name"] => object.name = text.to_string(),
            ["annotation", "object", "difficult"] => object.difficult = text != "0",
            ["annotation", "object", "bndbox", edge] => {
                if let Some(i) = EDGES.iter().position(|e| e == edge) {
                    let value = text.parse().map_err(|_| format!("<{edge}> is `{text}`, not a number"))?;
                    object.edges[i] = Some(value);
                }
            }
            _ => {}
        }
        Ok(())
    }
}

impl Object {
    fn finish(self) -> Result<Boxed, String> {
        if let Some(i) = self.edges.iter().position(Option::is_none) {
            return Err(format!("the <object> `{}` has no <{}>", self.name, EDGES[i]));
        }
        if self.name.is_empty() {
            return Err("the <object> has no <name>".to_string());
        }
        let [left, top, right, bottom] = self.edges.map(Option::unwrap_or_default);
        let area = Area::from_edges(left - 1.0, top - 1.0, right, bottom);
        Ok(Boxed { class: self.name, area, unclear: self.difficult })
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{refused, touch};
    use super::super::{Dataset, Format};

    /// As in VOC2012, with a person's parts.
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
        assert_eq!((set.train.len(), set.left_out.unclear), (2, 1));
        let person = set.train[1].open().unwrap();
        assert_eq!((person.width(), person.height(), &person.rgb()[..3]), (21, 30, &[10, 5, 0][..]));
        // Learned and tested by lists.
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
        for (from, to, parts) in [
            ("<xmax>40</xmax>", "", ["byte", "the <object> `chair` has no <xmax>"]),
            ("<xmin>11</xmin>", "<xmin>eleven</xmin>", ["byte 305", "<xmin> is `eleven`, not a number"]),
            ("<name>person</name>", "", ["byte", "the <object> has no <name>"]),
            ("<filename>2007_000027.png</filename>", "", ["byte", "no <filename>"]),
            ("</annotation>", "", ["byte", "the file ends within <annotation>"]),
            ("</segmented>", "</size>", ["byte", "segmented"]),
            ("2007_000027.png", "../2007_000027.png", ["leads out", ""]),
        ] {
            assert!(XML.contains(from), "{from}");
            touch(dir, "Annotations/2007_000027.xml", XML.replacen(from, to, 1).as_bytes());
            refused(dir, &parts);
        }
    }
}
