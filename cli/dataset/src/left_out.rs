//! Items of a data set that were left out: counted, and the first of each kind named.

use std::collections::BTreeMap;
use std::fmt;
use std::path::Path;

use offshoot::ErrorKind;

use crate::DataError;

/// Number of faults of a kind that are named; further ones are counted.
const NAMED: usize = 3;

/// Handling of broken files.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Care {
    /// Fail on the first broken file, box, line or folder instead of leaving it out.
    pub strict: bool,
    /// Accept truncated JPEG files; the missing part is grey.
    pub cut_short: bool,
}

/// Reason why an item was left out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Reason {
    /// Image missing: users often keep parts of large collections.
    Absent,
    /// Crowd, group, difficult or very small box; image with none or several of the tags.
    Unclear,
    /// Test sample of a class without training samples.
    Untaught,
    /// Image or text beside the class folders.
    Unlabelled,
    /// Part of the collection that is used neither for training nor for testing.
    Unused,
    /// File that does not decode, or is empty.
    Unreadable,
    /// Truncated JPEG file.
    CutShort,
    /// Image in an unsupported format.
    OtherFormat,
    /// Box outside its image, or file name that leads out of the collection.
    Outside,
    /// Annotation or line with missing or invalid fields.
    Broken,
    /// Class folder without images.
    EmptyClass,
}

impl Reason {
    /// Returns the description that follows the count.
    fn words(self) -> &'static str {
        match self {
            Self::Absent => "whose image is missing",
            Self::Unclear => "unclear or small",
            Self::Untaught => "of classes without training samples",
            Self::Unlabelled => "beside the class folders, without a class",
            Self::Unused => "of a part used neither for training nor for testing",
            Self::Unreadable => "that cannot be read",
            Self::CutShort => "cut short (--cut-short accepts them)",
            Self::OtherFormat => "in unsupported formats",
            Self::Outside => "outside their image or folder",
            Self::Broken => "broken annotations",
            Self::EmptyClass => "class folders without images",
        }
    }
}

/// Count with the first items named.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Counted {
    count: usize,
    named: Vec<String>,
}

/// Record of items left out, and notes on the others.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LeftOut {
    care: Care,
    counted: BTreeMap<Reason, Counted>,
    notes: Vec<String>,
}

impl LeftOut {
    /// Creates an empty record.
    pub fn new(care: Care) -> Self {
        Self { care, ..Self::default() }
    }

    /// Returns the handling of broken files.
    pub fn care(&self) -> Care {
        self.care
    }

    /// Returns the number of items left out for a reason.
    pub fn count(&self, reason: Reason) -> usize {
        self.counted.get(&reason).map_or(0, |counted| counted.count)
    }

    /// Returns true if there is nothing to report.
    pub fn is_empty(&self) -> bool {
        self.counted.is_empty() && self.notes.is_empty()
    }

    /// Returns the message of the first fault.
    pub(super) fn first(&self) -> Option<&str> {
        self.counted.values().find_map(|counted| counted.named.first()).map(String::as_str)
    }

    /// Checks that something is left; `count` is the number of items left.
    ///
    /// # Errors
    /// Fails if nothing is left.
    pub fn check_some(
        &self,
        path: &Path,
        count: usize,
        kind: &'static str,
    ) -> Result<(), DataError> {
        if count > 0 {
            return Ok(());
        }
        let first = self.first().unwrap_or_default().to_string();
        let count = self.count(Reason::Unreadable) + self.count(Reason::CutShort);
        Err(DataError::NoneReadable { path: path.to_path_buf(), count, kind, first })
    }

    /// Counts items left out without a fault.
    pub(super) fn add(&mut self, reason: Reason, count: usize) {
        if count > 0 {
            self.counted.entry(reason).or_default().count += count;
        }
    }

    /// Counts a fault and continues.
    ///
    /// # Errors
    /// Returns the fault itself in strict mode, or if it is not a fault of a single item.
    pub fn pass(&mut self, fault: DataError) -> Result<(), DataError> {
        let Some(reason) = fault.reason().filter(|_| !self.care.strict) else { return Err(fault) };
        let counted = self.counted.entry(reason).or_default();
        counted.count += 1;
        if counted.named.len() < NAMED {
            counted.named.push(fault.to_string());
        }
        Ok(())
    }

    /// Adds a note, once.
    pub(super) fn note(&mut self, text: String) {
        if !self.notes.contains(&text) {
            self.notes.push(text);
        }
    }

    /// Returns the report on a folder; empty if there is nothing to report.
    pub fn report_on(&self, folder: &Path) -> String {
        let folder = folder.display();
        let mut lines: Vec<String> =
            self.notes.iter().map(|note| format!("{folder}: {note}\n")).collect();
        if !self.counted.is_empty() {
            lines.push(format!("{folder}: {self}\n"));
        }
        lines.concat()
    }
}

impl fmt::Display for LeftOut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let each = self
            .counted
            .iter()
            .map(|(reason, counted)| format!("{} {}", counted.count, reason.words()));
        write!(f, "left out: {}", each.collect::<Vec<_>>().join(", "))?;
        for Counted { count, named } in
            self.counted.values().filter(|counted| !counted.named.is_empty())
        {
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
    /// Returns the reason to count the error under; `None` if it always ends the command.
    fn reason(&self) -> Option<Reason> {
        Some(match self {
            Self::Offshoot(error) => match error.kind() {
                ErrorKind::CutShort { .. } => Reason::CutShort,
                ErrorKind::Image(_) | ErrorKind::LargeImage { .. } => Reason::Unreadable,
                // Errors without a path are failures of the package, not of the data.
                ErrorKind::Io(_) if error.path().is_some() => Reason::Unreadable,
                _ => return None,
            },
            Self::Read { .. } | Self::EmptyText { .. } => Reason::Unreadable,
            Self::Channels { .. } | Self::Short { .. } => Reason::Unreadable,
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
        let report = left_out.report_on(Path::new("data"));
        assert!(
            report.starts_with("data: class `x` is the only one\ndata: left out: 2 whose image"),
            "{report}"
        );
        for part in
            ["5 class folders without images", "data/2: the class folder", "and 2 more like these"]
        {
            assert!(report.contains(part), "{report}");
        }
        assert!(!report.contains("data/3"), "{report}");
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
