//! Built-in packages: bytes of the program, or files beside the Python module, whose wheel has not all of them.

use std::borrow::Cow;
use std::fs;
use std::path::PathBuf;

use offshoot_device::{BuiltIn, Machine, SPEECH};

use crate::error::CommandError;

/// ONNX model of the small package, which `demo` converts and `pull` writes.
pub const SPROUT: &str = "sprout.onnx";

/// Places of the built-in files.
#[derive(Debug)]
pub enum Packages {
    /// In the program: names and contents.
    Inside(&'static [(&'static str, &'static [u8])]),
    /// In a folder, in which some may be missing.
    Folder(PathBuf),
}

impl Packages {
    /// Returns true if there is a built-in file of this name.
    pub fn has(&self, name: &str) -> bool {
        match self {
            Self::Inside(files) => files.iter().any(|(known, _)| *known == name),
            Self::Folder(folder) => folder.join(name).exists(),
        }
    }

    /// Returns the contents of a built-in file.
    ///
    /// # Errors
    /// Fails if there is no such file, and says where it can be had.
    pub fn read(&self, name: &'static str) -> Result<Cow<'static, [u8]>, CommandError> {
        match self {
            Self::Inside(files) => {
                let found = files.iter().find(|(known, _)| *known == name);
                let missing = || CommandError::NotBuiltIn { file: name, folder: PathBuf::new() };
                found.map(|(_, bytes)| Cow::Borrowed(*bytes)).ok_or_else(missing)
            }
            Self::Folder(folder) => fs::read(folder.join(name))
                .map(Cow::Owned)
                .map_err(|_| CommandError::NotBuiltIn { file: name, folder: folder.clone() }),
        }
    }

    /// Returns the contents of a built-in package.
    ///
    /// # Errors
    /// Fails if this program comes without it.
    pub fn package(&self, built_in: BuiltIn) -> Result<Cow<'static, [u8]>, CommandError> {
        self.read(built_in.file())
    }

    /// Returns the package asked for, or else the one that fits this processor.
    pub fn or_fitting(&self, asked: Option<BuiltIn>) -> BuiltIn {
        asked.unwrap_or_else(|| self.or_small(BuiltIn::of(&Machine::default())))
    }

    /// Returns the package that fits, or the small one if this program comes without it.
    pub fn or_small(&self, fitting: BuiltIn) -> BuiltIn {
        if self.has(fitting.file()) { fitting } else { BuiltIn::Small }
    }

    /// Returns the names of the built-in files of a catalogue entry; none if there are none.
    pub fn files(&self, entry: &str) -> Vec<&'static str> {
        let files: &[&str] = match entry {
            "sharp" => &["sharp.offshoot"],
            "sprout" => &[SPROUT, "sprout.offshoot"],
            "speech_embedding" => &[SPEECH],
            _ => &[],
        };
        files.iter().copied().filter(|file| self.has(file)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_without_a_package_falls_back_to_the_small_one_and_says_what_is_missing() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("sprout.offshoot"), b"small").unwrap();
        let packages = Packages::Folder(folder.path().to_path_buf());
        assert_eq!(packages.or_fitting(None), BuiltIn::Small);
        assert_eq!(packages.or_fitting(Some(BuiltIn::Sharp)), BuiltIn::Sharp);
        assert_eq!(&*packages.package(BuiltIn::Small).unwrap(), b"small");
        assert_eq!(
            (packages.files("sprout"), packages.files("sharp")),
            (vec!["sprout.offshoot"], vec![])
        );
        let told = packages.package(BuiltIn::Sharp).unwrap_err().to_string();
        let named = folder.path().display().to_string();
        assert!(told.starts_with("sharp.offshoot: ") && told.contains(&named), "{told}");
        fs::write(folder.path().join("sharp.offshoot"), b"sharp").unwrap();
        assert_eq!(packages.or_small(BuiltIn::Sharp), BuiltIn::Sharp);
        assert_eq!(packages.files("sharp"), ["sharp.offshoot"]);
    }
}
