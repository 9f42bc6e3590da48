//! Collections of texts: folder per class, IMDb, SQuAD, WikiText, text file of lines.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value;

use super::{folder, yolo};
use crate::files::{Wanted, entries, folders_named, is_image, is_text, subfolders};
use crate::left_out::Care;
use crate::{At, DataError, Named, Place};

/// Maximum size in bytes of a file with many texts.
const MAX_BYTES: u64 = 1 << 30;

/// Folder of IMDb's unlabelled texts, which is not a class.
const UNLABELLED: &str = "unsup";

/// Returns true if the class folders hold texts and no images.
pub(crate) fn is_folder(dir: &Path) -> bool {
    let train = folders_named(dir, &["train", "training"]);
    let dir = train.into_iter().next().unwrap_or(dir.to_path_buf());
    files_of_classes(&dir).any(|f| is_text(&f) && !yolo::is_list(&f))
        && !files_of_classes(&dir).any(|f| is_image(&f))
}

fn files_of_classes(dir: &Path) -> impl Iterator<Item = PathBuf> {
    let folders = subfolders(dir).unwrap_or_default();
    folders.into_iter().flat_map(|folder| entries(&folder).unwrap_or_default())
}

pub(crate) fn is_squad(dir: &Path) -> bool {
    !squad_files(dir).is_empty()
}

pub(crate) fn is_wikitext(dir: &Path) -> bool {
    !wiki_files(dir, "train").is_empty()
}

/// Reads `DIR/<class>/*.txt`, or with train/ and test/ above the classes; classes of IMDb are pos
/// and neg.
pub(crate) fn folders(dir: &Path, care: Care) -> Result<Named, DataError> {
    folder::read_as(dir, Wanted::Texts, |class| class != UNLABELLED, care)
}

/// Returns the location of a text in a file of many.
fn part(path: &Path, index: usize, text: &str) -> Place {
    Place::Text { path: Arc::from(path), index, text: Arc::from(text.trim()) }
}

fn read(path: &Path) -> Result<String, DataError> {
    let file = std::fs::metadata(path).map_err(|source| DataError::read(path, source))?;
    if file.len() > MAX_BYTES {
        let what = format!("more than {MAX_BYTES} bytes");
        return Err(DataError::broken(path, At::Byte(MAX_BYTES), what));
    }
    std::fs::read_to_string(path).map_err(|source| DataError::read(path, source))
}

/// Reads every line that is not empty; the class is the name of the file.
pub(crate) fn lines(path: &Path) -> Result<Named, DataError> {
    let class = path.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let text = read(path)?;
    let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
    let train = lines.map(|(i, line)| (part(path, i + 1, line), class.clone())).collect();
    Ok(Named { train, ..Named::default() })
}

fn squad_files(dir: &Path) -> Vec<PathBuf> {
    let mut files = entries(dir).unwrap_or_default();
    files.retain(|path| {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        name.ends_with(".json") && (name.starts_with("train-v") || name.starts_with("dev-v"))
    });
    files.sort();
    files
}

/// Returns the error of a file at an article or paragraph.
fn broken(path: &Path, index: usize, what: &str) -> DataError {
    DataError::broken(path, At::Annotation(index.to_string()), what)
}

/// Reads `train-v2.0.json` and `dev-v2.0.json`: paragraphs of articles, whose titles are the
/// classes.
pub(crate) fn squad(dir: &Path) -> Result<Named, DataError> {
    let mut named = Named::default();
    for path in squad_files(dir) {
        let json = serde_json::from_str(&read(&path)?);
        let json: Value =
            json.map_err(|e| DataError::broken(&path, At::Line(e.line() as u64), e.to_string()))?;
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let list = if name.starts_with("train") { &mut named.train } else { &mut named.val };
        let articles = json["data"].as_array();
        let mut index = 0;
        for article in
            articles.ok_or_else(|| broken(&path, 0, "list `data` of articles missing"))?
        {
            let title = article["title"].as_str();
            let title = title.ok_or_else(|| broken(&path, index, "article without a title"))?;
            for paragraph in article["paragraphs"].as_array().into_iter().flatten() {
                let text = paragraph["context"].as_str();
                let text =
                    text.ok_or_else(|| broken(&path, index, "paragraph without `context`"))?;
                list.push((part(&path, index, text), title.replace('_', " ")));
                index += 1;
            }
        }
    }
    Ok(named)
}

fn wiki_files(dir: &Path, split: &str) -> Vec<PathBuf> {
    let names = ["tokens", "raw"].map(|end| dir.join(format!("wiki.{split}.{end}")));
    names.into_iter().filter(|p| p.is_file()).collect()
}

/// Reads `wiki.train.tokens` or `.raw`: one paragraph per line, under headings ` = Title = `;
/// articles are the classes.
pub(crate) fn wikitext(dir: &Path) -> Result<Named, DataError> {
    let mut named = Named::default();
    for split in ["train", "valid", "test"] {
        let list = if split == "train" { &mut named.train } else { &mut named.val };
        for path in wiki_files(dir, split) {
            let text = read(&path)?;
            let mut title = String::new();
            for (i, line) in text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()) {
                match heading(line) {
                    Some((1, name)) => title = name.to_string(),
                    Some(_) => {}
                    None if title.is_empty() => {
                        let what = "paragraph before the first heading ` = Title = `".to_string();
                        return Err(DataError::Broken { path, at: At::Line(i as u64 + 1), what });
                    }
                    None => list.push((part(&path, i + 1, line), title.clone())),
                }
            }
        }
    }
    Ok(named)
}

/// Returns the level of a heading, and its words.
fn heading(line: &str) -> Option<(usize, &str)> {
    let depth = line.split_whitespace().take_while(|word| *word == "=").count();
    let words = line.trim().trim_start_matches(['=', ' ']).trim_end_matches(['=', ' ']);
    let closing = line.split_whitespace().rev().take_while(|word| *word == "=").count();
    (depth > 0 && closing == depth && !words.is_empty()).then_some((depth, words))
}

#[cfg(test)]
mod tests {
    use crate::tests::{refused, touch};
    use crate::{Dataset, Format, Reason, texts};

    fn classes(set: &Dataset, samples: &[crate::Sample]) -> Vec<(String, String)> {
        samples.iter().map(|s| (set.classes[s.class].clone(), s.text().unwrap())).collect()
    }

    fn all(path: &std::path::Path) -> Vec<String> {
        texts(path, None, 9, &mut crate::LeftOut::default())
            .unwrap()
            .iter()
            .map(|sample| sample.text().unwrap())
            .collect()
    }

    fn pairs(list: &[(&str, &str)]) -> Vec<(String, String)> {
        list.iter().map(|(a, b)| (a.to_string(), b.to_string())).collect()
    }

    #[test]
    fn imdb_as_it_is_unpacked() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        touch(dir, "train/pos/0_9.txt", b"Good.<br /><br />Very.");
        touch(dir, "train/neg/0_2.txt", b"Bad.");
        touch(dir, "train/unsup/0_0.txt", b"Nobody knows.");
        touch(dir, "train/urls_pos.txt", b"http://www.imdb.com/title/tt0453418/usercomments");
        touch(dir, "test/neg/1_1.txt", b"Worse.");
        assert_eq!(Format::detect(dir), Format::Texts);
        let set = Dataset::open(dir).unwrap();
        assert_eq!(set.classes, ["neg", "pos"]);
        assert_eq!(classes(&set, &set.train), pairs(&[("neg", "Bad."), ("pos", "Good.\n\nVery.")]));
        assert_eq!(classes(&set, &set.val), pairs(&[("neg", "Worse.")]));
        assert_eq!(all(dir), ["Bad.", "Good.\n\nVery."]);
    }

    #[test]
    fn a_folder_without_classes() {
        let dir = tempfile::tempdir().unwrap();
        touch(dir.path(), "b.txt", b"Two.");
        touch(dir.path(), "a.txt", b"One.");
        assert_eq!(all(dir.path()), ["One.", "Two."]);
        // There are no training samples.
        refused(dir.path(), &["requires one folder of images, or of .txt files, per class"]);
    }

    #[test]
    fn squad_2() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let article = |title: &str, contexts: &[&str]| {
            let qas = serde_json::json!([{"question": "What?", "id": "56be", "is_impossible": false,
                "answers": [{"text": "x", "answer_start": 0}]}]);
            let paragraphs: Vec<_> =
                contexts.iter().map(|c| serde_json::json!({"qas": qas, "context": c})).collect();
            serde_json::json!({"title": title, "paragraphs": paragraphs})
        };
        let file = |articles: Vec<serde_json::Value>| {
            serde_json::json!({"version": "v2.0", "data": articles}).to_string()
        };
        let train = file(vec![article("New_York", &["One.", "Two."]), article("Tea", &["Three."])]);
        touch(dir, "train-v2.0.json", train.as_bytes());
        touch(
            dir,
            "dev-v2.0.json",
            file(vec![article("Tea", &["Four."]), article("Oil", &["Five."])]).as_bytes(),
        );
        let set = Dataset::open(dir).unwrap();
        assert_eq!(
            classes(&set, &set.train),
            pairs(&[("New York", "One."), ("New York", "Two."), ("Tea", "Three.")])
        );
        assert_eq!(
            (classes(&set, &set.val), set.left_out.count(Reason::Untaught)),
            (pairs(&[("Tea", "Four.")]), 1)
        );
        assert!(set.train[1].name().ends_with("train-v2.0.json#1"), "{}", set.train[1].name());
        touch(
            dir,
            "train-v2.0.json",
            br#"{"version": "v2.0", "data": [{"title": "Tea", "paragraphs": [{}]}]}"#,
        );
        refused(dir, &["train-v2.0.json", "annotation 0", "without `context`"]);
    }

    #[test]
    fn wikitext_2() {
        let dir = tempfile::tempdir().unwrap();
        let dir = dir.path();
        let text = b" \n = Valkyria Chronicles III = \n \n Senjo no ... \n \n = = Gameplay = = \n \n As with x = 3 ... \n";
        touch(dir, "wiki.train.tokens", text);
        touch(dir, "wiki.valid.tokens", b" \n = Valkyria Chronicles III = \n \n More . \n");
        let set = Dataset::open(dir).unwrap();
        assert_eq!(set.classes, ["Valkyria Chronicles III"]);
        assert_eq!(all(dir), ["Senjo no ...", "As with x = 3 ..."]);
        assert_eq!(set.val.len(), 1);
        touch(dir, "wiki.train.tokens", b"words");
        refused(dir, &["line 1", "before the first heading"]);
    }

    #[test]
    fn a_file_of_lines() {
        let dir = tempfile::tempdir().unwrap();
        touch(dir.path(), "mail.txt", b"One.\n\n Two. \n");
        let file = dir.path().join("mail.txt");
        assert_eq!(all(&file), ["One.", "Two."]);
        assert_eq!(Dataset::open(&file).unwrap().classes, ["mail"]);
    }
}
