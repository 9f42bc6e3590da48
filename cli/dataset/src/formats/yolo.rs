//! YOLO: a text file of boxes for each image, in fractions of its sides; class names in `data.yaml`
//! or `classes.txt`.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use yaml_rust2::{Yaml, YamlLoader};

use crate::boxes::{Area, Boxed, Whole, sides, take};
use crate::files::{Wanted, below, entries, read_text};
use crate::left_out::{Care, LeftOut, Reason};
use crate::{At, DataError, Named};

/// Files of class names, one per line.
const LISTS: [&str; 5] =
    ["classes.txt", "labels/classes.txt", "obj.names", "_darknet.labels", "classes.names"];

/// Maximum size of a `data.yaml` in bytes.
const MOST_YAML: u64 = 1 << 20;

/// Parts by the names of their folders.
const PARTS: [(&str, Part); 8] = [
    ("train", Part::Train),
    ("training", Part::Train),
    ("val", Part::Val),
    ("valid", Part::Val),
    ("validation", Part::Val),
    ("dev", Part::Val),
    ("test", Part::Test),
    ("testing", Part::Test),
];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Part {
    Train,
    Val,
    Test,
}

/// Description of the collection.
struct Sheet {
    classes: BTreeMap<usize, String>,
    /// Folders of parts, relative to the collection's folder.
    parts: Vec<(PathBuf, Part)>,
}

impl Sheet {
    /// Reads `data.yaml` or another such file, otherwise a list of names.
    fn of(dir: &Path) -> Option<Self> {
        let mut inside = entries(dir).unwrap_or_default();
        inside.retain(|path| {
            path.extension().is_some_and(|e| e == "yaml" || e == "yml")
                && path.metadata().is_ok_and(|file| file.len() <= MOST_YAML)
        });
        inside.sort();
        inside.iter().find_map(|path| Self::of_yaml(path)).or_else(|| Self::of_list(dir))
    }

    fn of_yaml(path: &Path) -> Option<Self> {
        let text = read_text(path).ok()?;
        let all = YamlLoader::load_from_str(&text).ok()?;
        let yaml = all.first()?;
        let classes: BTreeMap<usize, String> = match &yaml["names"] {
            Yaml::Array(names) => {
                names.iter().enumerate().filter_map(|(i, name)| Some((i, word(name)?))).collect()
            }
            Yaml::Hash(names) => names
                .iter()
                .filter_map(|(i, name)| Some((usize::try_from(i.as_i64()?).ok()?, word(name)?)))
                .collect(),
            _ => return None,
        };
        let keys = [
            ("train", Part::Train),
            ("val", Part::Val),
            ("valid", Part::Val),
            ("test", Part::Test),
        ];
        let parts = keys.iter().filter_map(|&(key, part)| {
            // Tools write paths from their own folder: `../train/images`,
            // `/content/set/images/train`.
            let text = yaml[key].as_str()?.replace('\\', "/");
            let text = text.trim_start_matches(['.', '/']);
            (!text.is_empty()).then(|| (PathBuf::from(text), part))
        });
        Some(Self { classes, parts: parts.collect() })
    }

    fn of_list(dir: &Path) -> Option<Self> {
        let path = LISTS.iter().map(|name| dir.join(name)).find(|path| path.is_file())?;
        let text = read_text(&path).ok()?;
        let names = text.lines().map(str::trim).enumerate().filter(|(_, name)| !name.is_empty());
        Some(Self {
            classes: names.map(|(i, name)| (i, name.to_string())).collect(),
            parts: Vec::new(),
        })
    }

    /// Returns the part an image belongs to, by its path below the collection's folder.
    fn part_of(&self, dir: &Path, path: &Path) -> Part {
        let path = path.strip_prefix(dir).unwrap_or(path);
        if let Some((_, part)) = self.parts.iter().find(|(folder, _)| path.starts_with(folder)) {
            return *part;
        }
        let folders = path.parent().into_iter().flat_map(Path::components);
        let mut parts = folders.filter_map(|c| {
            let name = c.as_os_str().to_string_lossy();
            PARTS.iter().find(|(part, _)| name.eq_ignore_ascii_case(part))
        });
        parts.next().map_or(Part::Train, |&(_, part)| part)
    }
}

/// Returns a scalar as the text of a class name.
fn word(yaml: &Yaml) -> Option<String> {
    match yaml {
        Yaml::String(text) | Yaml::Real(text) => Some(text.clone()),
        Yaml::Integer(number) => Some(number.to_string()),
        Yaml::Boolean(set) => Some(set.to_string()),
        _ => None,
    }
}

/// Returns the box file of an image: in `labels/` if the image is in `images/`, or beside it.
fn boxes_of(image: &Path) -> Option<PathBuf> {
    let text = image.with_extension("txt");
    let mut parts: Vec<_> = text.components().map(|c| c.as_os_str().to_os_string()).collect();
    let at = parts.iter().rposition(|part| part.eq_ignore_ascii_case("images"));
    let apart = at.map(|at| {
        parts[at] = "labels".into();
        parts.iter().collect::<PathBuf>()
    });
    apart.into_iter().chain([text]).find(|path| path.is_file())
}

pub(crate) fn is_here(dir: &Path) -> bool {
    if Sheet::of(dir).is_none() {
        return false;
    }
    let images = below(dir, Wanted::Images, &mut LeftOut::default()).unwrap_or_default();
    images.iter().any(|path| boxes_of(path).is_some())
}

/// Reads `data.yaml` (or `classes.txt`), and for each image a text file with a line per box: class
/// number, then centre, width and height, or the corners of an outline, in fractions of the image's
/// sides.
pub(crate) fn read(dir: &Path, care: Care) -> Result<Named, DataError> {
    let sheet = Sheet::of(dir).ok_or_else(|| DataError::Missing {
        path: dir.join("data.yaml"),
        what: "names of classes",
    })?;
    let mut named = Named::new(care);
    let images = below(dir, Wanted::Images, &mut named.left_out)?;
    let has_val = images.iter().any(|path| sheet.part_of(dir, path) == Part::Val);
    for path in &images {
        let part = sheet.part_of(dir, path);
        if part == Part::Test && has_val {
            named.left_out.add(Reason::Unused, 1);
            continue;
        }
        let Some(text) = boxes_of(path) else {
            named.left_out.add(Reason::Unlabelled, 1);
            continue;
        };
        if let Err(fault) = one(path, &text, part == Part::Train, &sheet, &mut named) {
            named.left_out.pass(fault)?;
        }
    }
    Ok(named)
}

fn one(
    path: &Path,
    labels: &Path,
    is_train: bool,
    sheet: &Sheet,
    named: &mut Named,
) -> Result<(), DataError> {
    let text = read_text(labels)?;
    // An image without objects has an empty file.
    let lines: Vec<(usize, &str)> =
        text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).collect();
    if lines.is_empty() {
        return Ok(());
    }
    let size = sides(path)?;
    let mut boxes = Vec::new();
    for (i, line) in lines {
        match boxed(line, size, sheet) {
            Ok(one) => boxes.push(one),
            Err(what) => {
                let at = At::Line(i as u64 + 1);
                named.left_out.pass(DataError::broken(labels, at, what))?;
            }
        }
    }
    take(named, is_train, &Whole { path: Some(path), size: Some(size) }, boxes)
}

/// Returns the outermost of every second coordinate of an outline.
fn edge(coordinates: &[f64], outer: fn(f64, f64) -> f64) -> f64 {
    coordinates.iter().step_by(2).copied().reduce(outer).unwrap_or_default()
}

/// Parses a line: a class, and a box or an outline.
fn boxed(line: &str, (width, height): (f64, f64), sheet: &Sheet) -> Result<Boxed, String> {
    let mut words = line.split_whitespace();
    let number = words.next().unwrap_or_default();
    // Some tools write all numbers as fractions.
    let class = number.parse().ok().filter(|v: &f64| v.fract() == 0.0 && (0.0..1e6).contains(v));
    let class = class.ok_or_else(|| format!("`{number}` is not a class number"))? as usize;
    let name = sheet.classes.get(&class);
    let name = name
        .ok_or_else(|| format!("class {class} has no name, {} names found", sheet.classes.len()))?;
    let shares: Option<Vec<f64>> =
        words.map(|word| word.parse().ok().filter(|v: &f64| v.is_finite())).collect();
    let shares = shares.ok_or("invalid number")?;
    let [left, top, right, bottom] = match shares[..] {
        // A fifth value is the confidence of a detector.
        [x, y, w, h] | [x, y, w, h, _] => [x - w / 2.0, y - h / 2.0, x + w / 2.0, y + h / 2.0],
        _ if shares.len() >= 6 && shares.len() % 2 == 0 => {
            let down = &shares[1..];
            [
                edge(&shares, f64::min),
                edge(down, f64::min),
                edge(&shares, f64::max),
                edge(down, f64::max),
            ]
        }
        _ => {
            return Err(format!(
                "{} numbers after the class, 4 required for a box, 6 or more for an outline",
                shares.len()
            ));
        }
    };
    let area = Area::from_edges(left * width, top * height, right * width, bottom * height);
    Ok(Boxed { class: name.clone(), area, unclear: false })
}

/// Returns true if a file is a list of class names, which is no text to train on.
pub(crate) fn is_list(path: &Path) -> bool {
    LISTS
        .iter()
        .any(|list| Path::new(list).file_name().is_some_and(|name| path.file_name() == Some(name)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tests::{refused, touch};
    use crate::{Dataset, Format};

    fn image(dir: &Path, name: &str) {
        std::fs::create_dir_all(dir.join(name).parent().unwrap()).unwrap();
        image::RgbImage::from_pixel(60, 40, image::Rgb([90; 3])).save(dir.join(name)).unwrap();
    }

    fn names(samples: &[crate::Sample]) -> Vec<String> {
        samples.iter().map(|s| s.name().rsplit_once('/').unwrap().1.to_string()).collect()
    }

    #[test]
    fn ultralytics_and_roboflow() {
        let whole = tempfile::tempdir().unwrap();
        for (n, (yaml, [train, val, test])) in [
            (
                "path: ../data\ntrain: images/train\nval: images/val\nnames:\n  0: cat\n  1: dog\n",
                ["images/train/", "images/val/", "images/test/"],
            ),
            (
                "train: ../train/images\nval: ../valid/images\nnc: 2\nnames: ['cat', dog]\n",
                ["train/images/", "valid/images/", "test/images/"],
            ),
        ]
        .into_iter()
        .enumerate()
        {
            let dir = whole.path().join(n.to_string());
            touch(&dir, "data.yaml", yaml.as_bytes());
            for folder in [train, val, test] {
                image(&dir, &format!("{folder}0.png"));
                let labels = folder.replace("images", "labels");
                touch(
                    &dir,
                    &format!("{labels}0.txt"),
                    b"1 0.5 0.5 0.5 0.5\n0 0 0 0.5 0 0.5 0.5 0 0.5\n",
                );
            }
            image(&dir, &format!("{train}1.png"));
            assert_eq!(Format::detect(&dir), Format::Yolo, "{yaml}");
            let set = Dataset::open(&dir).unwrap();
            assert_eq!(set.classes, ["cat", "dog"]);
            assert_eq!(names(&set.train), ["0.png#0,0,30x20", "0.png#15,10,30x20"], "{yaml}");
            assert_eq!(set.val.len(), 2);
            let left_out = &set.left_out;
            assert_eq!(
                (left_out.count(Reason::Unused), left_out.count(Reason::Unlabelled)),
                (1, 1),
                "{left_out}"
            );
        }
    }

    #[test]
    fn a_list_of_names_and_texts_beside_the_images() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        image(dir, "0.png");
        image(dir, "1.png");
        touch(dir, "classes.txt", b"cat\ndog\n");
        touch(dir, "0.txt", b"1.0 0.5 0.5 1 1 0.93\n");
        touch(dir, "1.txt", b"\n");
        assert_eq!(Format::detect(dir), Format::Yolo);
        let set = Dataset::open(dir).unwrap();
        assert_eq!(
            (&set.classes[..], names(&set.train)),
            (&["dog".to_string()][..], vec!["0.png#0,0,60x40".into()])
        );
        assert!(
            set.left_out.is_empty() || set.left_out.count(Reason::Broken) == 0,
            "{}",
            set.left_out
        );
    }

    #[test]
    fn broken_lines_are_counted() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        image(dir, "images/0.png");
        touch(dir, "classes.txt", b"cat\n");
        let good = "0 0.5 0.5 0.5 0.5\n";
        for (line, part) in [
            ("1 0.5 0.5 0.5 0.5", "line 2: class 1 has no name, 1 names found"),
            ("cat 0.5 0.5 0.5 0.5", "line 2: `cat` is not a class number"),
            ("0 0.5 0.5 0.5", "line 2: 3 numbers after the class"),
            ("0 0.5 0.5 nan 0.5", "line 2: invalid number"),
            ("0 2 2 0.5 0.5", "the box lies outside"),
        ] {
            touch(dir, "labels/0.txt", format!("{good}{line}\n").as_bytes());
            refused(dir, &[part]);
            let set = Dataset::open(dir).unwrap();
            assert_eq!(set.train.len(), 1, "{line}");
            assert!(set.left_out.to_string().contains(part), "{}", set.left_out);
        }
    }
}
