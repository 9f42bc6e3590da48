//! What lies in a collection and was not taken: counted, and the first of each kind named.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use offshoot::ErrorKind;

use crate::DataError;

/// Faults of a kind that are named; the others are counted.
const NAMED: usize = 3;

/// How much is taken of files that are not as they should be.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Care {
    /// End at the first file, box, line or folder that is broken, instead of leaving it out.
    pub strict: bool,
    /// Take JPEG files that end before their picture does; what is missing of them is grey.
    pub cut_short: bool,
}

/// Why something was not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// The picture is not there: people keep parts of large collections.
    Absent,
    /// A crowd, a group, a difficult or very small box; a picture with none or several of the tags.
    Unclear,
    /// To be tested on, but of a class that is not learned.
    Untaught,
    /// A picture, or a text, that lies beside the folders of the classes.
    Unlabelled,
    /// A part of the collection that is neither learned nor tested.
    Unused,
    /// A file that does not decode, or an empty one.
    Unreadable,
    /// A JPEG file that ends before its picture does.
    CutShort,
    /// A picture in a format that is not read.
    OtherFormat,
    /// A box beside its picture, or a name that leads out of the collection.
    Outside,
    /// An annotation or a line that says less than it must.
    Broken,
    /// A class folder without pictures.
    EmptyClass,
}

impl Reason {
    /// What there are so many of.
    fn words(self) -> &'static str {
        match self {
            Self::Absent => "whose picture is not there",
            Self::Unclear => "unclear or small",
            Self::Untaught => "of classes that are not learned",
            Self::Unlabelled => "beside the class folders, of no class",
            Self::Unused => "of a part that is neither learned nor tested",
            Self::Unreadable => "that cannot be read",
            Self::CutShort => "cut short (--cut-short takes them)",
            Self::OtherFormat => "in formats that are not read",
            Self::Outside => "outside their picture or folder",
            Self::Broken => "broken annotations",
            Self::EmptyClass => "class folders without pictures",
        }
    }
}

/// So many, of which the first are named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Counted {
    count: usize,
    named: Vec<String>,
}

/// What was not taken, and what is to be said of what was.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut {
    care: Care,
    counted: BTreeMap<Reason, Counted>,
    notes: Vec<String>,
}

impl LeftOut {
    /// Nothing yet.
    pub fn new(care: Care) -> Self {
        Self { care, ..Self::default() }
    }

    /// How much is taken.
    pub fn care(&self) -> Care {
        self.care
    }

    /// How many were left out for this.
    pub fn count(&self, reason: Reason) -> usize {
        self.counted.get(&reason).map_or(0, |counted| counted.count)
    }

    /// Whether there is nothing to say.
    pub fn is_empty(&self) -> bool {
        self.counted.is_empty() && self.notes.is_empty()
    }

    /// What is wrong with the first that is at fault.
    pub(super) fn first(&self) -> Option<&str> {
        self.counted.values().find_map(|counted| counted.named.first()).map(String::as_str)
    }

    /// Refuses to go on with nothing; `count` is what is left.
    ///
    /// # Errors
    /// Nothing is left.
    pub fn check_some(&self, path: &Path, count: usize, kind: &'static str) -> Result<(), DataError> {
        if count > 0 {
            return Ok(());
        }
        let first = self.first().unwrap_or_default().to_string();
        let count = self.count(Reason::Unreadable) + self.count(Reason::CutShort);
        Err(DataError::NoneReadable { path: path.to_path_buf(), count, kind, first })
    }

    /// Counts what is left out without being at fault.
    pub(super) fn add(&mut self, reason: Reason, count: usize) {
        if count > 0 {
            self.counted.entry(reason).or_default().count += count;
        }
    }

    /// Counts a fault and goes on.
    ///
    /// # Errors
    /// The fault itself, where it is to end everything: by [`Care::strict`], or because no picture is at fault.
    pub fn pass(&mut self, fault: DataError) -> Result<(), DataError> {
        let Some(reason) = fault.reason().filter(|_| !self.care.strict) else { return Err(fault) };
        let counted = self.counted.entry(reason).or_default();
        counted.count += 1;
        if counted.named.len() < NAMED {
            counted.named.push(fault.to_string());
        }
        Ok(())
    }

    /// Says something of what was taken, once.
    pub(super) fn note(&mut self, text: String) {
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    /// What is to be said of a folder; empty where there is nothing.
    pub fn told_of(&self, folder: &Path) -> String {
        let folder = folder.display();
        let mut lines: Vec<String> = self.notes.iter().map(|note| format!("{folder}: {note}\n")).collect();
        if !self.counted.is_empty() {
            lines.push(format!("{folder}: {self}\n"));
        }
        lines.concat()
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each =
            self.counted.iter().map(|(reason, counted)| format!("{} {}", counted.count, reason.words()));
        write!(f, "left out: {}", each.collect::<Vec<_>>().join(", "))?;
        for Counted { count, named } in self.counted.values().filter(|counted| !counted.named.is_empty()) {
            for name in named {
                write!(f, "\n  {name}")?;
            }
            if *count > named.len() {
                write!(f, "\n  and {} more like these", count - named.len())?;
            }
        }
        Ok(())
    }
}

impl DataError {
    /// As what it is counted where it need not end everything.
    fn reason(&self) -> Option<Reason> {
        Some(match self {
            Self::Offshoot(error) => match error.kind() {
                ErrorKind::CutShort { .. } => Reason::CutShort,
                ErrorKind::Picture(_) | ErrorKind::LargePicture { .. } => Reason::Unreadable,
                // Of a file; a package that fails is no fault of the data.
                ErrorKind::Io(_) if error.path().is_some() => Reason::Unreadable,
                _ => return None,
            },
            Self::Read { .. } | Self::EmptyText { .. } => Reason::Unreadable,
            Self::OtherFormat { .. } => Reason::OtherFormat,
            Self::EmptyBox { .. } | Self::Outside { .. } => Reason::Outside,
            Self::Broken { .. } | Self::Missing { .. } => Reason::Broken,
            Self::EmptyClass { .. } => Reason::EmptyClass,
            Self::UnknownClass { .. } => Reason::Untaught,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    fn fault(n: usize) -> DataError {
        DataError::EmptyClass { path: PathBuf::from(format!("data/{n}")) }
    }

    #[test]
    fn faults_are_counted_and_the_first_named() {
        let mut left_out = LeftOut::default();
        assert!(left_out.is_empty());
        left_out.add(Reason::Absent, 2);
        (0..5).for_each(|n| left_out.pass(fault(n)).unwrap());
        left_out.note("class `x` is the only one".to_string());
        let told = left_out.told_of(Path::new("data"));
        assert!(
            told.starts_with("data: class `x` is the only one\ndata: left out: 2 whose picture"),
            "{told}"
        );
        for part in ["5 class folders without pictures", "data/2: the class folder", "and 2 more like these"]
        {
            assert!(told.contains(part), "{told}");
        }
        assert!(!told.contains("data/3"), "{told}");
        assert_eq!((left_out.count(Reason::EmptyClass), left_out.count(Reason::Broken)), (5, 0));
    }

    #[test]
    fn strictness_ends_at_the_first_and_what_is_no_fault_of_the_data_always_does() {
        let mut left_out = LeftOut::new(Care { strict: true, cut_short: false });
        assert!(left_out.pass(fault(1)).is_err());
        let other = DataError::NoTexts { path: "x".into() };
        assert!(LeftOut::default().pass(other).is_err());
    }
}
