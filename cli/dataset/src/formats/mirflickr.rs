//! MIRFLICKR: images with many tags each; selects those with exactly one of the chosen tags.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use crate::files::entries;
use crate::left_out::{Care, Reason};
use crate::{At, DataError, Named, Place};

/// Default number of classes: the most frequent tags.
const COMMONEST: usize = 10;

/// Returns the folder of the tags: as published, or flattened.
fn tags_folder(dir: &Path) -> Option<PathBuf> {
    ["meta/tags", "tags"].iter().map(|t| dir.join(t)).find(|p| p.join("tags1.txt").is_file())
}

pub(crate) fn is_here(dir: &Path) -> bool {
    tags_folder(dir).is_some()
}

/// Reads `im<N>.jpg` with one tag per line of `meta/tags/tags<N>.txt`. `chosen` are the tags that
/// become classes; if empty, the ten most frequent.
pub(crate) fn read(dir: &Path, chosen: &[String], care: Care) -> Result<Named, DataError> {
    let folder = tags_folder(dir).ok_or_else(|| DataError::Missing {
        path: dir.join("meta/tags/tags1.txt"),
        what: "tags",
    })?;
    let mut images: Vec<(u64, Vec<String>)> = Vec::new();
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut named = Named::new(care);
    let left_out = &mut named.left_out;
    for path in entries(&folder)? {
        let stem = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let Some(number) = stem.strip_prefix("tags").and_then(|n| n.parse().ok()) else { continue };
        let tags = match tags(&path) {
            Ok(tags) => tags,
            Err(fault) => {
                left_out.pass(fault)?;
                continue;
            }
        };
        tags.iter().for_each(|tag| *counts.entry(tag.clone()).or_default() += 1);
        images.push((number, tags));
    }
    images.sort();
    let mut classes: Vec<String> = chosen.to_vec();
    if classes.is_empty() {
        let mut by_count: Vec<(&String, &usize)> = counts.iter().collect();
        // Ties are resolved by name.
        by_count.sort_by_key(|&(_, count)| std::cmp::Reverse(count));
        classes = by_count.into_iter().take(COMMONEST).map(|(tag, _)| tag.clone()).collect();
    }
    for (number, tags) in images {
        let mut of = tags.iter().filter(|tag| classes.contains(tag));
        let path = dir.join(format!("im{number}.jpg"));
        match (of.next(), of.next(), path.is_file()) {
            (Some(class), None, true) => named.train.push((Place::File(path), class.clone())),
            (Some(_), None, false) => left_out.add(Reason::Absent, 1),
            _ => left_out.add(Reason::Unclear, 1),
        }
    }
    Ok(named)
}

/// Returns the distinct lines of a file.
fn tags(path: &Path) -> Result<Vec<String>, DataError> {
    let bytes = std::fs::read(path).map_err(|source| DataError::read(path, source))?;
    let text = std::str::from_utf8(&bytes)
        .map_err(|e| DataError::broken(path, At::Byte(e.valid_up_to() as u64), "not UTF-8"))?;
    let mut tags: Vec<String> =
        text.lines().map(str::trim).filter(|t| !t.is_empty()).map(String::from).collect();
    tags.sort();
    tags.dedup();
    Ok(tags)
}

#[cfg(test)]
mod tests {
    use crate::tests::{refused, touch};
    use crate::{Dataset, Format, Reason, Selection};

    #[test]
    fn images_with_one_of_the_tags() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        for (n, tags) in
            [(1, "sky\r\nclouds\r\n"), (2, "sky\nsky\n"), (3, "dog\n"), (4, "dog\nsky"), (5, "")]
        {
            touch(dir, &format!("im{n}.jpg"), b"x");
            touch(dir, &format!("meta/tags/tags{n}.txt"), tags.as_bytes());
        }
        touch(dir, "meta/tags/tags6.txt", b"dog\n");
        assert_eq!(Format::detect(dir), Format::Mirflickr);
        let selection = |classes: &[&str]| Selection {
            classes: classes.iter().map(|c| c.to_string()).collect(),
            ..Selection::default()
        };
        let set = Dataset::open_as(dir, &selection(&["sky", "dog"])).unwrap();
        assert_eq!(set.classes, ["dog", "sky"]);
        let names: Vec<_> = set
            .train
            .iter()
            .map(|s| s.name()[dir.to_string_lossy().len() + 1..].to_string())
            .collect();
        assert_eq!(names, ["im3.jpg", "im1.jpg", "im2.jpg"]);
        assert_eq!(
            (set.left_out.count(Reason::Absent), set.left_out.count(Reason::Unclear)),
            (1, 2)
        );
        // All three tags: the first image has two of them now.
        let set = Dataset::open(dir).unwrap();
        assert_eq!(
            (set.classes.len(), set.train.len(), set.left_out.count(Reason::Unclear)),
            (2, 2, 3)
        );
        let error = Dataset::open_as(dir, &selection(&["sky", "dgo"])).unwrap_err().to_string();
        assert!(error.contains("no class `dgo`"), "{error}");
        touch(dir, "meta/tags/tags5.txt", b"caf\xe9");
        refused(dir, &["tags5.txt", "byte 3", "not UTF-8"]);
        assert_eq!(Dataset::open(dir).unwrap().left_out.count(Reason::Broken), 1);
    }
}
