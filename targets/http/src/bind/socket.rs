//! Unix sockets.

use std::fs;
use std::io;
use std::os::unix::fs::{FileTypeExt, PermissionsExt};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use crate::error::BindError;

/// Unix socket, removed when it is dropped.
#[derive(Debug)]
pub struct Socket {
    pub(crate) listener: UnixListener,
    pub(crate) path: OwnedPath,
}

/// Path that is removed when it is dropped.
#[derive(Debug)]
pub(crate) struct OwnedPath(PathBuf);

impl Drop for OwnedPath {
    fn drop(&mut self) {
        // Another server may have removed it; then nothing is left to do.
        let _ = fs::remove_file(&self.0);
    }
}

impl Socket {
    /// Binds a socket that only its owner may connect to. Replaces a socket whose server has ended.
    ///
    /// # Errors
    ///
    /// [`BindError`] if another file or a running server is there, or by the operating system.
    pub(super) fn bind(path: &Path) -> Result<Self, BindError> {
        let failed = |source| BindError::Unix { path: path.to_path_buf(), source };
        if let Some(found) = found(path).map_err(failed)? {
            return Err(BindError::Taken { path: path.to_path_buf(), found });
        }
        // Nobody may connect before the mode is set, so it is bound under another name first.
        let mut hidden = path.as_os_str().to_owned();
        hidden.push(format!(".{}", std::process::id()));
        let hidden = OwnedPath(hidden.into());
        let listener = UnixListener::bind(&hidden.0).map_err(failed)?;
        fs::set_permissions(&hidden.0, fs::Permissions::from_mode(0o600)).map_err(failed)?;
        fs::rename(&hidden.0, path).map_err(failed)?;
        Ok(Self { listener, path: OwnedPath(path.to_path_buf()) })
    }
}

/// Returns what keeps the path from being bound; removes a socket whose server has ended.
fn found(path: &Path) -> io::Result<Option<&'static str>> {
    let Ok(metadata) = fs::symlink_metadata(path) else { return Ok(None) };
    if !metadata.file_type().is_socket() {
        return Ok(Some("another file"));
    }
    if UnixStream::connect(path).is_ok() {
        return Ok(Some("a running server"));
    }
    fs::remove_file(path)?;
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_its_owners_alone_and_never_taken_from_others() {
        let folder = std::env::temp_dir().join(format!("offshoot-http-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let path = folder.join("api");
        fs::write(&path, b"mine").unwrap();
        assert!(matches!(Socket::bind(&path), Err(BindError::Taken { found: "another file", .. })));
        fs::remove_file(&path).unwrap();
        let socket = Socket::bind(&path).unwrap();
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
        assert!(matches!(Socket::bind(&path), Err(BindError::Taken { .. })));
        drop(socket);
        assert!(!path.exists());
        // A server that was killed leaves its socket.
        drop(UnixListener::bind(&path).unwrap());
        assert!(path.exists());
        drop(Socket::bind(&path).unwrap());
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 0);
        fs::remove_dir(&folder).unwrap();
    }
}
