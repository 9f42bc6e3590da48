//! Folder of images in place of a camera.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use offshoot::Image;

use super::frame_buffer::CapturedFrame;
use super::frame_rate::Pace;
use crate::ports::{FrameSource, SourceError};

/// Extensions of image files.
const ENDS: [&str; 12] =
    ["jpg", "jpeg", "jfif", "png", "bmp", "ppm", "pgm", "pnm", "webp", "gif", "tif", "tiff"];

/// Images of a folder and of its subfolders, by name, again and again.
#[derive(Debug)]
pub struct Folder {
    path: PathBuf,
    files: Vec<PathBuf>,
    /// Name of the subfolder that is shown; all of them if there is none of that name.
    only: Option<String>,
    next: usize,
    pace: Pace,
}

impl Folder {
    /// Opens the images that exist now, one every `pause`.
    ///
    /// # Errors
    ///
    /// [`SourceError`] if the folder cannot be read or has no readable images.
    pub fn open(path: impl Into<PathBuf>, pause: Duration) -> Result<Self, SourceError> {
        let path = path.into();
        let mut folder =
            Self { path, files: Vec::new(), only: None, next: 0, pace: Pace::new(pause) };
        folder.reopen()?;
        folder.check()?;
        Ok(folder)
    }

    /// Checks that there is a readable image.
    fn check(&self) -> Result<(), SourceError> {
        let mut first = None;
        for file in &self.files {
            match Image::open(file) {
                Ok(_) => return Ok(()),
                Err(error) => first = first.or(Some(error.to_string())),
            }
        }
        let what = self.path.display().to_string();
        Err(SourceError::NoneReadable { what, first: first.unwrap_or_default() })
    }

    fn is_shown(&self, file: &Path) -> bool {
        let below = file.parent().and_then(Path::file_name);
        self.only.as_deref().is_none_or(|only| below.is_some_and(|name| name == only))
    }
}

fn images(folder: &Path, deeper: bool, out: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        let end = path.extension().unwrap_or_default().to_string_lossy().to_lowercase();
        if path.is_dir() && deeper {
            images(&path, false, out)?;
        } else if ENDS.contains(&end.as_str()) {
            out.push(path);
        }
    }
    Ok(())
}

impl FrameSource for Folder {
    fn next(&mut self, shot: &mut CapturedFrame) -> Result<(), SourceError> {
        self.pace.wait();
        let count = self.files.len();
        let order = (0..count).map(|i| (self.next + i) % count);
        let found =
            order.clone().find(|&i| self.is_shown(&self.files[i])).or_else(|| order.clone().next());
        let at = found.ok_or_else(|| SourceError::Empty(self.path.clone()))?;
        // Advanced before the read: a broken image is reported once, and the next one follows.
        self.next = at + 1;
        let image = Image::open(&self.files[at])?;
        shot.reshape(image.width(), image.height()).copy_from_slice(image.rgb());
        Ok(())
    }

    fn reopen(&mut self) -> Result<(), SourceError> {
        let mut files = Vec::new();
        images(&self.path, true, &mut files)
            .map_err(|source| SourceError::io(&self.path, source))?;
        files.sort();
        if files.is_empty() {
            return Err(SourceError::Empty(self.path.clone()));
        }
        self.files = files;
        Ok(())
    }

    /// Shows a subfolder by its name; without a name all of them.
    fn show(&mut self, name: Option<&str>) {
        self.only = name.filter(|name| self.path.join(name).is_dir()).map(str::to_string);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ppm(shade: u8) -> Vec<u8> {
        [b"P6 1 1 255\n".as_slice(), &[shade; 3]].concat()
    }

    #[test]
    fn images_come_by_name_and_a_broken_one_is_told_of_once() {
        let dir = tempfile::tempdir().unwrap();
        assert!(matches!(Folder::open(dir.path(), Duration::ZERO), Err(SourceError::Empty(_))));
        for (name, bytes) in [
            ("a/1.ppm", ppm(1)),
            ("a/2.ppm", b"P6 x".to_vec()),
            ("b/3.PPM", ppm(3)),
            ("b/notes.txt", Vec::new()),
        ] {
            fs::create_dir_all(dir.path().join(name).parent().unwrap()).unwrap();
            fs::write(dir.path().join(name), bytes).unwrap();
        }
        let broken = Folder::open(dir.path().join("b"), Duration::ZERO);
        assert!(broken.is_ok());
        fs::create_dir(dir.path().join("c")).unwrap();
        fs::write(dir.path().join("c/4.webp"), b"RIFF").unwrap();
        let error = Folder::open(dir.path().join("c"), Duration::ZERO).unwrap_err().to_string();
        assert!(
            error.contains("c: no image in it can be read") && error.contains("4.webp"),
            "{error}"
        );
        fs::remove_file(dir.path().join("c/4.webp")).unwrap();
        let mut folder = Folder::open(dir.path(), Duration::ZERO).unwrap();
        let mut shot = CapturedFrame::default();
        let mut shade = |folder: &mut Folder| folder.next(&mut shot).map(|()| shot.rgb()[0]);
        assert_eq!(shade(&mut folder).unwrap(), 1);
        let error = shade(&mut folder).unwrap_err().to_string();
        assert!(error.contains("2.ppm"), "{error}");
        folder.reopen().unwrap();
        assert_eq!([shade(&mut folder).unwrap(), shade(&mut folder).unwrap()], [3, 1]);
        folder.show(Some("b"));
        assert_eq!([shade(&mut folder).unwrap(), shade(&mut folder).unwrap()], [3, 3]);
    }
}
